//! Personal data in free text, found by its form, its keys and the words around it. France first.
//!
//! [`Detectors::find`] reads a whole text, [`Scrubber`] one that comes in chunks, and [`Seen`] finds again the values that
//! were redacted from fields of the same document. Text may be raw or escaped (percent, HTML, JSON) and use any spaces,
//! dashes and digits of Unicode; spans always are bytes of the text as it was given.
//!
//! A text is folded once into *units* (escapes decoded, accents and odd spaces gone). A walk stops at *anchors* (digits, `@`,
//! colons, brackets) and looks at no more than 256 units on each side: time is linear, memory is bounded, and how a stream is
//! cut cannot show. The words around an anchor are only read where its form is promising, and no unit twice.
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
mod labels;
mod network;
mod number;
mod phone;
mod scan;
mod scrub;
mod seen;
#[cfg(test)]
mod tests;
mod text;
mod window;

pub use crate::policy::set::{DetectorKind as Kind, DetectorKinds as Kinds};
pub use scrub::{Scrubber, What};
pub use seen::Seen;

/// The longest that a span can be, and the most that a [`Scrubber`] holds back. That much only where every character is an
/// escape among characters that nobody sees; about 500 bytes in a text that means no harm.
pub const MAX_MATCH: usize = (window::BEHIND + window::AHEAD + 1) * text::WIDEST;

/// Where something was found: byte offsets of the text as it was given, and what it is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Span {
    /// Offset of its first byte.
    pub start: usize,
    /// Offset behind its last byte.
    pub end: usize,
    /// What it is.
    pub kind: Kind,
}

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

    /// Appends what is found in `text`, in order and without overlap. Linear in the length of the text, in bounded memory.
    pub fn find(&self, text: &[u8], spans: &mut Vec<Span>) {
        if !self.kinds.is_empty() && scan::worth_a_look(self.kinds, text) {
            scan::Scan::new().advance(self.kinds, text, true, |span| spans.push(span));
        }
    }
}
