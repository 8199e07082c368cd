//! Personal data in free text, found by its form, its keys and the words around it. France first.
//!
//! [`Detectors::find`] reads a whole text, [`Scrubber`] one that comes in chunks, and [`Seen`] finds again the values that
//! were redacted from fields of the same document. Text may be raw or escaped (percent, HTML, JSON) and use any spaces,
//! dashes and digits of Unicode; spans always are bytes of the text as it was given.
//!
//! A walk stops at *anchors* (digits, `@`, and what may hide them) and looks at no more than [`MAX_MATCH`] bytes around
//! each: time is linear, memory is bounded, and how a stream is cut cannot show.
//!
//! ```
//! use rempart::redact::detect::{Detectors, Kind, Kinds};
//! let mut spans = Vec::new();
//! Detectors::new(Kinds::ALL).find("Écris à jean%40x.fr".as_bytes(), &mut spans);
//! assert_eq!((spans[0].start, spans[0].end, spans[0].kind), (10, 21, Kind::Email));
//! ```

mod address;
mod check;
mod date;
mod email;
mod fold;
mod identifier;
mod kind;
mod network;
mod number;
mod phone;
mod scan;
mod scrub;
mod seen;
#[cfg(test)]
mod tests;
mod window;

pub use kind::{Kind, Kinds, Span};
pub use scrub::{Scrubber, What};
pub use seen::Seen;

/// How many bytes around one place decide what is found there, and the longest that a [`Scrubber`] holds back.
pub const MAX_MATCH: usize = window::BEHIND + window::AHEAD;

/// Finds kinds of personal data in texts.
#[derive(Debug, Clone, Copy)]
pub struct Detectors {
    kinds: Kinds,
}

impl Detectors {
    /// Detectors for these kinds.
    pub const fn new(kinds: Kinds) -> Self {
        Self { kinds }
    }

    /// Appends what is found in `text`, in order and without overlap. Linear in the length of the text; allocates only
    /// where `spans` must grow.
    pub fn find(&self, text: &[u8], spans: &mut Vec<Span>) {
        if !self.kinds.is_empty() {
            scan::scan(self.kinds, text, true, &mut scan::Progress::default(), |span| spans.push(span));
        }
    }
}
