//! GraphQL (September 2025): what a request names, so that its answer is read by the fields behind the aliases.
//!
//! A request is read whole before anything of it is sent on: its operation, with the fragments that it spreads, becomes
//! one tree of [`Answers`], in which every member of the answer has the name of its field, and a list of what it asks
//! with. What cannot be read in exactly one way is refused, for its answer could not be judged.

mod answers;
mod document;
mod operation;
mod parameters;
mod reading;

pub use answers::Answers;
pub(super) use answers::{Cursor, Spelling};
pub(super) use operation::{Asked, Operation, Said};
pub use parameters::{PARAMETERS, Parameters, STORED};

use std::sync::Arc;

use super::Denied;

/// Most requests of one batch.
pub const MAX_BATCH: usize = 20;
/// Most members of an answer's `data`, and most aliases of one field of one selection: as many guesses fit into a request.
pub const MAX_ALIASES: usize = 50;
/// Most fields of a batch, counted where fragments spread them.
pub const MAX_FIELDS: usize = 10_000;
/// Deepest nesting of selections, fragments and values.
pub const MAX_SELECTIONS: usize = 64;
/// Most tokens of one document, white space included.
pub const MAX_TOKENS: usize = 1 << 16;

/// The requests of one body.
#[derive(Debug)]
pub struct Graphql {
    pub(super) operations: Vec<Operation>,
    answers: Arc<Answers>,
}

impl Graphql {
    /// Reads what is asked for. `roots` bounds the members of `data`, where fewer than [`MAX_ALIASES`] may be asked for.
    ///
    /// # Errors
    /// [`Denied::Graphql`].
    pub fn read(requests: &[Parameters], is_batch: bool, roots: usize) -> Result<Self, Denied> {
        if requests.is_empty() || requests.len() > MAX_BATCH {
            return Err(Denied::Graphql);
        }
        let mut reading = reading::Reading::new(is_batch, roots.min(MAX_ALIASES));
        for request in requests {
            reading.request(request)?;
        }
        let (operations, answers) = reading.done();
        Ok(Self { operations, answers: Arc::new(answers) })
    }

    /// What the answer can hold.
    pub fn answers(&self) -> Arc<Answers> {
        Arc::clone(&self.answers)
    }
}

#[cfg(test)]
mod tests;
