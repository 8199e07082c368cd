//! The formats that the redactor reads, and what they have in common.

use std::sync::Arc;

use super::{Audience, JsonRedactor, Plan, RedactError, Tally};
use crate::secret::DomainKey;

/// By what a body is redacted, and for whom.
#[derive(Clone)]
pub struct Task {
    /// What the route's policy means for documents.
    pub plan: Arc<Plan>,
    /// Who reads.
    pub audience: Arc<Audience>,
    /// Key of the domain of API pseudonyms.
    pub key: Arc<DomainKey>,
}

/// A body in one format, on its way out.
pub trait Redact {
    /// Takes the next bytes, cut anywhere, and appends those that may leave.
    ///
    /// # Errors
    /// Any [`RedactError`]; nothing is appended by later calls, which repeat it. What was appended before is redacted.
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError>;

    /// The body is complete: appends what was held back.
    ///
    /// # Errors
    /// [`RedactError::Truncated`] where it is not complete, or what was met before.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError>;

    /// What was redacted so far.
    fn tally(&self) -> Tally;
}

/// A format by which a body is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Format {
    /// One JSON text (RFC 8259).
    Json,
}

impl Format {
    /// The format that a media type names: its essence in lower case (RFC 9110 8.3.1).
    pub fn of(essence: &str) -> Option<Self> {
        match essence {
            "application/json"
            | "text/json"
            | "application/x-json"
            | "text/x-json"
            | "application/vnd.api.json" => Some(Self::Json),
            other if other.ends_with("+json") => Some(Self::Json),
            _ => None,
        }
    }

    /// Its reader, for one body.
    pub fn redactor(&self, task: Task) -> Box<dyn Redact> {
        match self {
            Self::Json => Box::new(JsonRedactor::new(task.plan, task.audience, task.key)),
        }
    }
}

impl Redact for JsonRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.push(input, out)
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.finish(out)
    }

    fn tally(&self) -> Tally {
        self.tally().clone()
    }
}
