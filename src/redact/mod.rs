//! Bytes in, bytes out: personal data replaced while a document streams through.
//!
//! Pure: no I/O, no clock, no runtime. A [`Plan`] is compiled once per route and knows fields, records and actions,
//! never roles. A [`JsonRedactor`] is made per body from a plan and an [`Audience`]; it is pushed chunks of any size
//! and appends what may leave. Its memory does not depend on the length of the document.
//!
//! What it promises, and what [`laws`] and the tests hold it to:
//!
//! - A document that is refused ([`RedactError`]) was refused before any byte behind the fault was looked at; what
//!   had left until then was already redacted.
//! - Where nothing is classified, every byte leaves as it came, white space included. (A UTF-8 byte order mark at the
//!   very start is dropped: RFC 8259 forbids sending one.)
//! - How the document is cut into chunks never shows in the result.
//!
//! Depth, keys, numbers and the white space around a member have bounds ([`MAX_DEPTH`], [`MAX_KEY`], [`MAX_NUMBER`],
//! [`MAX_HELD`]); beyond them a document is refused rather than half understood.

mod action;
mod ascii;
mod audience;
mod charset;
pub mod detect;
mod error;
mod events;
mod failure;
#[cfg(test)]
mod fixture;
mod form;
mod format;
mod free_text;
mod graphql;
mod html;
mod json;
mod judge;
mod keys;
#[doc(hidden)]
pub mod laws;
mod media_type;
mod messages;
mod multipart;
mod nested;
mod place;
mod plan;
mod properties;
mod sniff;
mod table;
mod tally;
mod texts;
#[cfg(test)]
mod trial;
mod way_back;
mod whose;
mod wrapped;
mod xml;

pub use action::{MASK, Restored, TOKEN_MARK, TOKEN_VALUE, TokenError};
pub use audience::Audience;
pub use charset::Charset;
pub use error::RedactError;
pub use events::{MAX_EVENT, MAX_TOKEN};
pub use form::MAX_PAIR;
pub use format::{Format, FormatError, Pace, Redact, Task};
pub use graphql::{
    Answers, Graphql, MAX_ALIASES, MAX_BATCH, MAX_FIELDS, MAX_SELECTIONS, MAX_TOKENS, PARAMETERS, Parameters,
    STORED,
};
pub use html::{MAX_PAGE_TAG, MAX_SCRIPT};
pub use json::{JsonRedactor, MAX_DEPTH, MAX_HELD, MAX_KEY, MAX_NUMBER, MAX_VALUE};
pub use media_type::MediaType;
pub use messages::Messages;
pub use multipart::{MAX_FORM_FIELD, MAX_PART_DEPTH, MAX_PART_HEAD};
pub use nested::MAX_NESTED;
pub use plan::Plan;
pub use properties::Properties;
pub use sniff::{Hints, LOOK, Opaque, Seen, Sniffed, may_be_unmarked, sniff};
pub use table::{Header, MAX_COLUMNS, MAX_ROW};
pub use tally::{MAX_PLACES, Tally};
pub use way_back::{Denied, RequestPlan, Sender};
pub use wrapped::{MAX_CALLBACK, MAX_FRONT};
pub use xml::{MAX_ATTRIBUTES, MAX_NAME, MAX_TAG, XmlRedactor};
