//! Several JSON texts in one body, each a document of its own: the plan is applied to each from its root.
//!
//! The readers only find where a text ends. That it does is for [`JsonRedactor`] to say: where the two disagree, the body
//! is refused.

mod extent;
mod lines;
mod loose;
mod sequence;

pub(super) use extent::Extent;
pub(super) use lines::Lines;
pub(super) use loose::Loose;
pub(super) use sequence::{SEPARATOR, Sequence};

use super::{JsonRedactor, RedactError, Tally, Task, keys::Keys};

/// One text after the other; only the open one has a redactor.
struct Texts {
    task: Task,
    open: Option<JsonRedactor>,
    /// The texts of a body have the same names.
    keys: Keys,
    tally: Tally,
}

impl Texts {
    fn new(task: Task) -> Self {
        Self { task, open: None, keys: Keys::default(), tally: Tally::default() }
    }

    /// Whether a text has begun and not ended.
    fn is_open(&self) -> bool {
        self.open.is_some()
    }

    /// Bytes of the open text, or the first of a new one.
    fn push(&mut self, part: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if part.is_empty() {
            return Ok(());
        }
        let Self { task: Task { plan, audience, key }, open, keys, .. } = self;
        open.get_or_insert_with(|| {
            JsonRedactor::new(plan.clone(), audience.clone(), key.clone()).knowing(std::mem::take(keys))
        })
        .push(part, out)
    }

    /// The open text is complete, if there is one.
    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Some(mut text) = self.open.take() else { return Ok(()) };
        let result = text.finish(out);
        self.tally.add(text.tally());
        self.keys = text.into_keys();
        result
    }

    fn tally(&self) -> Tally {
        let mut tally = self.tally.clone();
        if let Some(text) = &self.open {
            tally.add(text.tally());
        }
        tally
    }
}

/// White space of JSON (RFC 8259, section 2).
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Bytes of white space in front.
fn blanks(text: &[u8]) -> usize {
    text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len())
}

#[cfg(test)]
mod tests;
