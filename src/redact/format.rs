//! The formats that the redactor reads, and what they have in common.

use std::sync::Arc;

use super::{
    Answers, Audience, Charset, JsonRedactor, MediaType, Plan, RedactError, Tally, XmlRedactor,
    ascii::Ascii,
    charset::Transcoder,
    events::Events,
    failure::FailureRedactor,
    form::FormRedactor,
    free_text::TextRedactor,
    html::HtmlRedactor,
    multipart::{MultipartRedactor, is_boundary},
    properties::{Properties, PropertiesGuard},
    sniff::Seen,
    table::{Header, TableRedactor},
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
    /// The same of an answer with this error status.
    Failure(u16),
    /// One JSON text whose type names a charset that has ASCII in it, and that is written in ASCII.
    Ascii,
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
    /// Rows of cells: CSV (RFC 4180) and tab-separated values.
    Table {
        /// What stands between the cells; `None` where the first row tells.
        separator: Option<u8>,
        /// In what it is written; it leaves in UTF-8.
        charset: Charset,
        /// Whether its first row names the columns.
        header: Header,
    },
    /// Pairs of names and values (`application/x-www-form-urlencoded`).
    Form,
    /// Several bodies, each with a type of its own (RFC 2046).
    Multipart {
        /// What stands between them.
        boundary: Box<str>,
        /// They are the fields of a form (RFC 7578).
        form: bool,
    },
    /// One XML document (XML 1.0).
    Xml,
    /// Lines of a name and a value, which pass until one is hidden; only the first bytes say so.
    Properties(Properties),
    /// One JSON text: the answer to GraphQL requests, by the fields that they name.
    Graphql(Arc<Answers>),
    /// Plain text, by detectors; no type means it by itself, the route says so.
    Text(Charset),
    /// A page, by what names its values and by detectors; no type means it by itself, the route says so.
    Html(Charset),
}

/// Parts that are not bodies for themselves.
const APART: [&str; 2] = ["multipart/byteranges", "multipart/x-mixed-replace"];

/// How long what is safe may be held back, so that an error in a short body is an answer of its own.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pace {
    /// Until there is much of it.
    Document,
    /// Until nearly every page is whole: that a table was none may show far behind it.
    Page,
    /// Until the platform pauses: its next record may be minutes away.
    Records,
    /// Not at all, not even the head: a page waits for it to know that it is connected.
    Events,
}

/// Why a body of a format that is read cannot be.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum FormatError {
    /// A charset in which it is not read, or two.
    #[error("charset")]
    Charset,
    /// A parameter that says how to read it is missing, ambiguous or not understood.
    #[error("parameter")]
    Parameter,
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
            "text/csv" | "application/csv" | "text/x-csv" | "text/comma-separated-values" => {
                Some(Self::table(None))
            }
            "text/tab-separated-values" => Some(Self::table(Some(b'\t'))),
            "application/x-www-form-urlencoded" => Some(Self::Form),
            "application/xml" | "text/xml" => Some(Self::Xml),
            // A page, which is read as HTML is; a picture, which is no document of records.
            "application/xhtml+xml" | "image/svg+xml" => None,
            other if other.ends_with("+xml") => Some(Self::Xml),
            _ => None,
        }
    }

    /// The format that a media type and its parameters name.
    ///
    /// # Errors
    /// [`FormatError`] where it is one that is read, but not so.
    pub fn of_media_type(media_type: &MediaType) -> Result<Option<Self>, FormatError> {
        let charset = match media_type.parameter("charset") {
            Ok(name) => name.map_or(Some(Charset::Unstated), Charset::named),
            Err(_) => None,
        };
        let format = match media_type.essence() {
            // A subtype that nobody knows is read as `mixed` (RFC 2046 5.1.3). Ranges are not whole, and streams have
            // no end.
            essence if essence.starts_with("multipart/") && !APART.contains(&essence) => {
                let boundary = media_type.parameter("boundary").ok().flatten();
                let Some(boundary) = boundary.filter(|text| is_boundary(text) && media_type.is_exact())
                else {
                    return Err(FormatError::Parameter);
                };
                let form = media_type.essence() == "multipart/form-data";
                return Ok(Some(Self::Multipart { boundary: boundary.into(), form }));
            }
            essence => Self::of(essence),
        };
        match (format, charset) {
            (Some(Self::Table { separator, .. }), Some(charset)) => {
                let header = match media_type.parameter("header") {
                    Ok(Some(word)) if word.eq_ignore_ascii_case("absent") => Header::Absent,
                    Ok(_) => Header::Present,
                    Err(_) => return Err(FormatError::Parameter),
                };
                Ok(Some(Self::Table { separator, charset, header }))
            }
            (Some(format), Some(Charset::Unstated | Charset::Utf8)) => Ok(Some(format)),
            (Some(Self::Json), Some(charset)) if charset.is_ascii_compatible() => Ok(Some(Self::Ascii)),
            (Some(_), _) => Err(FormatError::Charset),
            (None, _) => Ok(None),
        }
    }

    /// A table whose charset nobody told.
    pub fn table(separator: Option<u8>) -> Self {
        Self::Table { separator, charset: Charset::Unstated, header: Header::Present }
    }

    /// Whether it leaves in another charset than its type says: UTF-8.
    pub fn is_rewritten(&self) -> bool {
        matches!(self, Self::Table { charset, .. } | Self::Text(charset) | Self::Html(charset) if charset.is_rewritten())
    }

    /// Its reader, for one body.
    pub fn redactor(&self, task: Task) -> Box<dyn Redact> {
        match self {
            Self::Json => Box::new(Wrapped::guarded(task)),
            Self::Ascii => Box::new(Ascii::new(Wrapped::guarded(task))),
            Self::Failure(status) => Box::new(FailureRedactor::new(task, *status)),
            Self::Lines => Box::new(Lines::new(task)),
            Self::Sequence => Box::new(Sequence::new(task)),
            Self::Texts => Box::new(Loose::new(task)),
            Self::Wrapped => Box::new(Wrapped::called(task)),
            Self::Events => Box::new(Events::new(task)),
            Self::Table { separator, charset, header } => {
                Box::new(Transcoder::new(*charset, TableRedactor::new(task, *separator, *header)))
            }
            Self::Form => Box::new(FormRedactor::new(task)),
            Self::Multipart { boundary, form } => Box::new(MultipartRedactor::new(task, boundary, *form)),
            Self::Xml => Box::new(XmlRedactor::new(task)),
            Self::Properties(properties) => Box::new(PropertiesGuard::new(task, *properties)),
            Self::Graphql(answers) => Box::new(JsonRedactor::answering(task, Arc::clone(answers))),
            Self::Text(charset) => Box::new(Transcoder::new(*charset, TextRedactor::new(task))),
            Self::Html(charset) => Box::new(Transcoder::new(*charset, HtmlRedactor::new(task, *charset))),
        }
    }

    /// What a body of this format's type is, of which the beginning shows this: the readers of tables and forms would find
    /// names in almost anything, so that what is of another format is read as that.
    #[must_use]
    pub fn unless_seen(self, seen: Option<Seen>) -> Self {
        let Some(Seen::Format(seen)) = seen else { return self };
        let lenient = matches!(self, Self::Table { .. } | Self::Form);
        let same = std::mem::discriminant(&self) == std::mem::discriminant(&seen);
        let json = matches!(seen, Self::Texts | Self::Wrapped | Self::Sequence);
        if json || (lenient && !same) { seen } else { self }
    }

    /// Whether its reader would take something out of a body that begins so.
    pub fn hides(&self, start: &[u8], task: Task) -> bool {
        let mut reader = self.redactor(task);
        // A fault does not matter here, what was found before it does.
        let refused = reader.push(start, &mut Vec::new()).is_err();
        reader.tally().total() > 0 || (refused && matches!(self, Self::Properties(_)))
    }

    /// Whether its reader refuses JSON of any other form, so that a body of this type needs no look at its first bytes.
    pub fn is_sure(&self) -> bool {
        match self {
            Self::Json | Self::Ascii | Self::Failure(_) | Self::Lines | Self::Sequence | Self::Texts => true,
            Self::Wrapped | Self::Events => true,
            Self::Table { .. } | Self::Form | Self::Multipart { .. } | Self::Xml => false,
            Self::Properties(_) | Self::Text(_) | Self::Html(_) => false,
            Self::Graphql(_) => true,
        }
    }

    /// How it may be held back.
    pub fn pace(&self) -> Pace {
        match self {
            Self::Events => Pace::Events,
            Self::Lines | Self::Sequence => Pace::Records,
            Self::Json
            | Self::Ascii
            | Self::Failure(_)
            | Self::Texts
            | Self::Wrapped
            | Self::Xml
            | Self::Text(_) => Pace::Document,
            Self::Table { .. } | Self::Form | Self::Multipart { .. } => Pace::Document,
            Self::Properties(_) | Self::Graphql(_) => Pace::Document,
            Self::Html(_) => Pace::Page,
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
