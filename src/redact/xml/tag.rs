//! The inside of a start tag (XML 1.0, productions 40 and 44).

use std::ops::Range;

use super::name::{MAX_NAME, is_blank, is_qualified, reference};
use crate::redact::RedactError;

/// Most attributes of one element.
pub(super) const MAX_ATTRIBUTES: usize = 128;

/// One attribute, as places in its tag.
#[derive(Clone, Debug)]
pub(super) struct Attribute {
    /// Where the white space in front of it begins.
    pub(super) from: usize,
    /// Its name, with the prefix.
    pub(super) name: Range<usize>,
    /// Its value as written, without the quotes.
    pub(super) value: Range<usize>,
    /// Behind its closing quote.
    pub(super) to: usize,
}

/// A start tag, or the tag of an empty element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Tag<'a> {
    /// Its place in the document.
    pub(super) at: u64,
    /// All of it.
    pub(super) raw: &'a [u8],
    /// Bytes of its name, which follows the `<`.
    pub(super) name: usize,
    pub(super) attributes: &'a [Attribute],
}

impl<'a> Tag<'a> {
    /// Its name, with the prefix.
    pub(super) fn name(&self) -> &'a [u8] {
        &self.raw[1..=self.name]
    }

    /// Whether it ends the element as well.
    pub(super) fn is_empty(&self) -> bool {
        self.raw.ends_with(b"/>")
    }
}

/// Reads a whole tag: the length of its name; the attributes go into `attributes`.
pub(super) fn parse(raw: &[u8], attributes: &mut Vec<Attribute>) -> Result<usize, RedactError> {
    attributes.clear();
    // `/` in front of `>` is never inside quotes: a quote would stand between them.
    let end = raw.len() - if raw.ends_with(b"/>") { 2 } else { 1 };
    let name = name_at(raw, 1, end)?;
    let mut at = name.end;
    while at < end {
        let from = at;
        at = skip_blank(raw, at, end);
        if at == end {
            break;
        }
        if at == from || attributes.len() == MAX_ATTRIBUTES {
            return Err(if at == from { RedactError::Malformed } else { RedactError::TooLong });
        }
        let name = name_at(raw, at, end)?;
        at = skip_blank(raw, name.end, end);
        if at >= end || raw[at] != b'=' {
            return Err(RedactError::Malformed);
        }
        at = skip_blank(raw, at + 1, end);
        let quote = match raw[..end].get(at) {
            Some(&quote @ (b'"' | b'\'')) => quote,
            _ => return Err(RedactError::Malformed),
        };
        let start = at + 1;
        let length = memchr::memchr(quote, &raw[start..end]).ok_or(RedactError::Malformed)?;
        let value = start..start + length;
        check_value(&raw[value.clone()])?;
        at = value.end + 1;
        let twice = attributes.iter().any(|other| raw[other.name.clone()] == raw[name.clone()]);
        if twice {
            return Err(RedactError::Malformed);
        }
        attributes.push(Attribute { from, name, value, to: at });
    }
    Ok(name.len())
}

fn name_at(raw: &[u8], from: usize, end: usize) -> Result<Range<usize>, RedactError> {
    let length = raw[from..end].iter().position(|&byte| is_blank(byte) || byte == b'=');
    let name = from..length.map_or(end, |length| from + length);
    if name.len() > MAX_NAME {
        return Err(RedactError::TooLong);
    }
    if !is_qualified(&raw[name.clone()]) {
        return Err(RedactError::Malformed);
    }
    Ok(name)
}

fn skip_blank(raw: &[u8], mut at: usize, end: usize) -> usize {
    while at < end && is_blank(raw[at]) {
        at += 1;
    }
    at
}

/// No `<`, and no reference but the known ones (production 10).
fn check_value(value: &[u8]) -> Result<(), RedactError> {
    let mut rest = value;
    while let Some(at) = memchr::memchr2(b'<', b'&', rest) {
        let end = memchr::memchr(b';', &rest[at..]).ok_or(RedactError::Malformed)?;
        reference(&rest[at..=at + end]).ok_or(RedactError::Malformed)?;
        rest = &rest[at + end + 1..];
    }
    Ok(())
}
