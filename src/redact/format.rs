//! The formats that the redactor reads, and what they have in common.

use std::sync::Arc;

use super::{
    Audience, JsonRedactor, Plan, RedactError, Tally, XmlRedactor,
    events::Events,
    texts::{Lines, Loose, Sequence},
    wrapped::Wrapped,
};
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
    /// One JSON text (RFC 8259), perhaps behind a guard against scripts.
    Json,
    /// One JSON text on each line.
    Lines,
    /// A JSON text sequence (RFC 7464).
    Sequence,
    /// One JSON text or many, where no type says which.
    Texts,
    /// One JSON text behind a guard or in a JSONP call; no type says so, only the first bytes do.
    Wrapped,
    /// Server-sent events (WHATWG HTML 9.2) with JSON in their data.
    Events,
    /// One XML document (XML 1.0).
    Xml,
}

/// How long what is safe may be held back, so that an error in a short body is an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Until there is much of it.
    Document,
    /// Until the platform pauses: its next record may be minutes away.
    Records,
    /// Not at all, not even the head: a page waits for it to know that it is connected.
    Events,
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
            "application/x-ndjson"
            | "application/ndjson"
            | "text/x-ndjson"
            | "text/ndjson"
            | "application/jsonl"
            | "application/x-jsonl"
            | "text/jsonl"
            | "application/jsonlines"
            | "application/x-jsonlines"
            | "application/json-lines"
            | "application/x-json-lines"
            | "text/jsonlines"
            | "application/stream+json" => Some(Self::Lines),
            "application/json-seq" => Some(Self::Sequence),
            "application/x-json-stream" | "application/json-stream" | "application/concatenated-json" => {
                Some(Self::Texts)
            }
            "text/event-stream" => Some(Self::Events),
            other if other.ends_with("+json") => Some(Self::Json),
            other if other.ends_with("+json-seq") => Some(Self::Sequence),
            "application/xml" | "text/xml" => Some(Self::Xml),
            // A page, which is read as HTML is; a picture, which is no document of records.
            "application/xhtml+xml" | "image/svg+xml" => None,
            other if other.ends_with("+xml") => Some(Self::Xml),
            _ => None,
        }
    }

    /// Its reader, for one body.
    pub fn redactor(&self, task: Task) -> Box<dyn Redact> {
        match self {
            Self::Json => Box::new(Wrapped::guarded(task)),
            Self::Lines => Box::new(Lines::new(task)),
            Self::Sequence => Box::new(Sequence::new(task)),
            Self::Texts => Box::new(Loose::new(task)),
            Self::Wrapped => Box::new(Wrapped::called(task)),
            Self::Events => Box::new(Events::new(task)),
            Self::Xml => Box::new(XmlRedactor::new(task)),
        }
    }

    /// Whether its reader refuses JSON of any other form, so that a body of this type needs no look at its first bytes.
    pub fn is_sure(&self) -> bool {
        match self {
            Self::Json | Self::Lines | Self::Sequence | Self::Texts | Self::Wrapped | Self::Events => true,
            // It does, but what a lying type hides can be read.
            Self::Xml => false,
        }
    }

    /// How it may be held back.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Events => Pace::Events,
            Self::Lines | Self::Sequence => Pace::Records,
            Self::Json | Self::Texts | Self::Wrapped | Self::Xml => Pace::Document,
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
