//! A document inside a text: a string of JSON, a cell, a form value, an element, a field of a multipart form.
//!
//! JSON is read as if it stood there itself: the route's paths lead into it, then the charter's names count. What nobody
//! classified in it was classified with the text. A text that begins as a document and is none passes as a text, unless a
//! reader who is not strict could find a field in it that is hidden ([`lenient`]), or it is one of another format with such
//! a field ([`formats`]).

mod encoded;
mod formats;
mod lenient;
mod pairs;
mod signs;
mod tags;

pub(super) use lenient::unescaped;
pub(super) use signs::{is_suspect, may_hold};

use std::sync::Arc;

use jiff::civil::Date;

use super::{Audience, JsonRedactor, RedactError, Tally, plan::Plan};
use crate::policy::set::CategorySet;
use crate::secret::DomainKey;

/// Longest text, in bytes as it stands in its document, that is read as a document; a longer one that begins as one does
/// not leave.
pub const MAX_NESTED: usize = 1024 * 1024;
/// Documents in one another; a deeper one does not leave. Each doubles the backslashes of the next.
const MAX_LEVEL: u8 = 8;
/// Bytes in which a document must begin: what is nothing but white space for so long counts as one.
const FRONT: usize = 4096;

/// What a text turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// No document.
    Text,
    /// A document from which nothing had to go.
    Same,
    /// A document, redacted.
    Redacted(String),
    /// It begins as a document, cannot be read as one, and could be by somebody else: it must not leave.
    Unreadable,
}

/// Where a text stands, and who reads it.
pub(super) struct Inside<'a> {
    pub(super) plan: &'a Arc<Plan>,
    pub(super) key: &'a Arc<DomainKey>,
    pub(super) today: Option<Date>,
    /// What is visible in the record around it.
    pub(super) visible: CategorySet,
    /// Who reads, where what they see depends on whose a record is: the text may hold records of its own.
    pub(super) related: Option<&'a Arc<Audience>>,
    /// The plan's state at the text.
    pub(super) state: u32,
    /// The text is a free text: so are the texts of a document in it.
    pub(super) free: bool,
    /// Documents around it.
    pub(super) level: u8,
}

/// Bytes that a document may begin with, and what may stand in front of one.
const MAY_BEGIN: [bool; 256] = {
    let mut table = [false; 256];
    // The last ones: what the blanks of Unicode and a byte order mark begin with.
    let bytes = b"{[(\"/ \x7f\xc2\xe1\xe2\xe3\xef";
    let mut at = 0;
    while at < 0x20 {
        table[at] = true;
        at += 1;
    }
    at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = true;
        at += 1;
    }
    table
};

/// Whether a text that begins so is worth a look.
#[inline(always)]
fn may_begin(first: u8) -> bool {
    MAY_BEGIN[usize::from(first)]
}

/// Whether a text could be read as a document. In front may stand white space, what cannot be seen, a bracket and a comment.
/// A quote begins a document in a document.
pub(super) fn begins(text: &str) -> bool {
    let mut slash = false;
    for (at, char) in text.char_indices() {
        match char {
            _ if slash => return matches!(char, '/' | '*'),
            '{' | '[' | '"' => return true,
            '/' => slash = true,
            '(' => {}
            _ if !is_blank(char) => return false,
            _ => {}
        }
        if at > FRONT {
            return true;
        }
    }
    false
}

/// White space, and what cannot be seen.
pub(super) fn is_blank(char: char) -> bool {
    char.is_whitespace()
        || char.is_control()
        || matches!(char, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// Whether a text has names, as far as its first signs tell: an object, or a list of objects, lists or texts, or of anything
/// with an object somewhere behind it. Also as other languages print them (`{'a': 1}`). `[draft] a title` is a text.
pub(super) fn is_document(text: &str) -> bool {
    let mut rest = text.chars().filter(|&char| !is_blank(char));
    match rest.next() {
        Some('{') => true,
        Some('[') => {
            matches!(rest.next(), Some('{' | '[' | '"' | '\'' | '(')) || rest.any(|char| char == '{')
        }
        _ => false,
    }
}

impl Inside<'_> {
    /// Reads a text as a document.
    pub(super) fn read(&self, text: &str) -> (Nested, Tally) {
        if begins(text) && text.len() > MAX_NESTED { unreadable() } else { self.read_any(text) }
    }

    /// The same of a text of any length.
    pub(super) fn read_any(&self, text: &str) -> (Nested, Tally) {
        if !may_hold(text.as_bytes()) {
            return (Nested::Text, Tally::default());
        }
        match self.json(text) {
            (Nested::Text, _) => self.foreign(text),
            read => read,
        }
    }

    /// Whether a text that is longer than what is read of one may leave as far as this, its beginning, shows.
    pub(super) fn begins_harmlessly(&self, text: &str) -> bool {
        let harmless = |nested: &Nested| matches!(nested, Nested::Text | Nested::Same);
        !begins(text) && !encoded::begins(text) && harmless(&self.foreign(text).0)
    }

    /// The same of another piece of it.
    pub(super) fn is_harmless(&self, piece: &str) -> bool {
        !may_hold(piece.as_bytes()) || matches!(self.among(piece).0, Nested::Text | Nested::Same)
    }

    fn json(&self, text: &str) -> (Nested, Tally) {
        if !begins(text) {
            return (Nested::Text, Tally::default());
        }
        let document = text.trim_matches(is_blank);
        if self.level >= MAX_LEVEL {
            return unreadable();
        }
        match self.redact(document) {
            Ok((out, tally)) if out == document => (Nested::Same, tally),
            Ok((out, tally)) => (Nested::Redacted(out), tally),
            Err(_) if lenient::names_any(text, |name| self.plan.hides_name(name, self.visible)) => {
                unreadable()
            }
            Err(_) => (Nested::Text, Tally::default()),
        }
    }

    fn redact(&self, document: &str) -> Result<(String, Tally), RedactError> {
        let mut redactor = JsonRedactor::inside(self);
        let mut out = Vec::with_capacity(document.len());
        redactor.push(document.as_bytes(), &mut out)?;
        redactor.finish(&mut out)?;
        let out = String::from_utf8(out).map_err(|_| RedactError::NotUtf8)?;
        Ok((out, redactor.tally().clone()))
    }
}

impl Plan {
    /// Whether a text that stands in no document shows what these categories do not: it is one, in any format and behind any
    /// encoding, with a hidden name. Parameters of addresses do not count.
    pub fn shows(self: &Arc<Self>, visible: CategorySet, key: &Arc<DomainKey>, text: &str) -> bool {
        // Where no path leads, and so no record stands.
        let (today, state, related, free) = (None, 0, None, false);
        let inside = Inside { plan: self, key, today, visible, related, state, free, level: 0 };
        if !self.hides(visible) || !may_hold(text.as_bytes()) {
            return false;
        }
        let left = pairs::without_parameters(text, &|name| self.hides_name(name, visible));
        let text = left.as_deref().unwrap_or(text);
        matches!(inside.read(text).0, Nested::Redacted(_) | Nested::Unreadable)
    }
}

fn unreadable() -> (Nested, Tally) {
    let mut tally = Tally::default();
    tally.unclassified();
    (Nested::Unreadable, tally)
}

#[cfg(test)]
mod tests;
