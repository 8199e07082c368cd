//! JSON (RFC 8259), streaming.

mod emit;
mod names;
mod number;
mod pairs;
mod pass;
mod relate;
mod scan;
mod selected;
mod tokens;
mod utf8;
mod visit;
mod walker;

use std::sync::Arc;

use emit::Emitter;
pub(super) use names::may_be_found;
pub(super) use pairs::{Part, names_in};
pub(super) use scan::unescape;
pub(super) use utf8::Utf8;

use super::{Answers, Audience, Plan, RedactError, Tally, Task, keys::Keys, nested::Inside};
use crate::secret::DomainKey;

/// Deepest nesting of arrays and objects.
pub const MAX_DEPTH: usize = 128;
/// Longest key, in decoded bytes.
pub const MAX_KEY: usize = 4 * 1024;
/// Longest number, in bytes.
pub const MAX_NUMBER: usize = 1024;
/// Longest text, in raw bytes, that a pseudonym, a year or a relation is derived from; a longer one becomes `null`, and
/// as a subject or group it is nobody's.
pub const MAX_VALUE: usize = 64 * 1024;
/// Longest stretch, in bytes, from a member's comma to its value: the key and white space.
pub const MAX_HELD: usize = 64 * 1024;

/// Redacts one document.
///
/// Each byte is looked at once. Where the view depends on whose a record is (the caller has a subject, groups or wards
/// whose relation opens some category of the plan), a record that is guessed wrong is looked at twice.
pub struct JsonRedactor {
    utf8: Utf8,
    emitter: Emitter,
    refused: Option<RedactError>,
}

impl JsonRedactor {
    /// A redactor for one body. `key` is of the domain of API pseudonyms.
    pub fn new(plan: Arc<Plan>, audience: Arc<Audience>, key: Arc<DomainKey>) -> Self {
        Self { utf8: Utf8::default(), emitter: Emitter::new(plan, audience, key, None), refused: None }
    }

    /// A redactor for the answer to GraphQL requests.
    pub fn answering(task: Task, answers: Arc<Answers>) -> Self {
        let Task { plan, audience, key } = task;
        Self {
            utf8: Utf8::default(),
            emitter: Emitter::new(plan, audience, key, Some(answers)),
            refused: None,
        }
    }

    /// For a document inside a text of another one.
    pub(super) fn inside(place: &Inside<'_>) -> Self {
        Self { utf8: Utf8::default(), emitter: Emitter::inside(place), refused: None }
    }

    /// With the names of a document that this one may be like.
    pub(super) fn knowing(mut self, keys: Keys) -> Self {
        self.emitter.set_keys(keys);
        self
    }

    /// The names of this document.
    pub(super) fn into_keys(self) -> Keys {
        self.emitter.into_keys()
    }

    /// Takes the next bytes of the document, cut anywhere, and appends those that may leave.
    ///
    /// # Errors
    /// Any [`RedactError`]; nothing is appended by later calls, which repeat it. What was appended before is redacted.
    pub fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let Self { utf8, emitter, .. } = self;
        let result = utf8.cut(input, |piece| emitter.push(piece, out));
        self.refused = result.err();
        result
    }

    /// The document is complete: appends what was held back.
    ///
    /// # Errors
    /// [`RedactError::Truncated`] where the document is not complete (an empty one is not), or what was met before.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let result = self.complete(out);
        self.refused = Some(result.err().unwrap_or(RedactError::Finished));
        result
    }

    fn complete(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.utf8.finish()?;
        self.emitter.finish(out)
    }

    /// What was redacted so far.
    pub fn tally(&self) -> &Tally {
        self.emitter.tally()
    }

    /// Bytes held in buffers that grow.
    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.emitter.capacity()
    }
}

#[cfg(test)]
pub(super) mod tests;
