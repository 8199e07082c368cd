//! XML 1.0, streaming.
//!
//! An element is a member of the element around it, named without its prefix; an attribute is a member of its element.
//! Where an attribute names what its element holds (`<Attribute Name="mail">`), the content is a member of that name as
//! well, and the strictest word counts. Comments and processing instructions are left out: they can hold anything.
//! So is a DOCTYPE that only names what it is of; one with a subset of its own is refused, for it can declare entities, and so is
//! all that is not well-formed.

mod doctype;
mod emit;
mod intake;
#[cfg(test)]
mod laws;
mod lexer;
mod name;
mod relate;
mod tag;
#[cfg(test)]
mod tests;
mod walker;

use emit::Emitter;
use intake::Intake;
use relate::Relater;

use super::judge::Refused;
use super::{Redact, RedactError, Tally, Task};

/// Longest tag, in bytes.
pub const MAX_TAG: usize = lexer::MAX_TAG;
/// Most attributes of one element.
pub const MAX_ATTRIBUTES: usize = tag::MAX_ATTRIBUTES;
/// Longest name of an element or attribute, in bytes.
pub const MAX_NAME: usize = name::MAX_NAME;

/// Redacts one document.
///
/// Each byte is looked at once; where the view depends on whose a record is, twice. A record waits until it is known
/// whose it is, up to the plan's bound; beside it, one tag, one value and the start tags of elements of which nothing
/// left yet are kept.
pub struct XmlRedactor {
    intake: Intake,
    relater: Option<Relater>,
    emitter: Emitter,
    refused: Refused,
}

impl XmlRedactor {
    /// A redactor for one body.
    pub fn new(task: Task) -> Self {
        let Task { plan, audience, .. } = &task;
        let relates = plan.has_records() && plan.related_matters(audience.by_relation(), &audience.sees);
        Self {
            intake: Intake::new(),
            relater: relates.then(|| Relater::new(plan.clone(), audience.clone())),
            emitter: Emitter::new(task),
            refused: Refused::default(),
        }
    }

    /// Bytes held in buffers that grow.
    #[cfg(test)]
    fn capacity(&self) -> usize {
        self.emitter.capacity() + self.relater.as_ref().map_or(0, Relater::capacity)
    }
}

impl Redact for XmlRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { intake, relater, emitter, refused } = self;
        Refused::guard(refused, || {
            intake.push(input, out, |text, out| match relater {
                Some(relater) => relater.push(text, emitter, out),
                None => emitter.push(text, out),
            })
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { intake, relater, emitter, refused } = self;
        Refused::guard(refused, || {
            intake.finish(out, |text, out| match relater {
                Some(relater) => relater.push(text, emitter, out),
                None => emitter.push(text, out),
            })?;
            if let Some(relater) = relater {
                relater.finish(emitter, out)?;
            }
            emitter.finish()
        })?;
        self.refused.end();
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.emitter.judge().tally().clone()
    }
}
