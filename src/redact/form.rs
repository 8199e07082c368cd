//! `application/x-www-form-urlencoded` as the body of an answer: pairs of a name and a value (WHATWG URL 5).
//!
//! The form is read as the root object, `user[email]` and `user.email` as members of members. Pairs that go leave without
//! a trace; what stays keeps the bytes it came in.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::judge::{Judge, Left, Refused, Verdict};
use super::place::{Named, Place};
use super::whose::Whose;
use super::{Redact, RedactError, Tally, Task};
use crate::policy::set::CategorySet;

/// Longest pair, in bytes as it is encoded. Where what leaves depends on whose the form is, the whole of it is held and
/// `record_bytes` of the route is its bound.
pub const MAX_PAIR: usize = 1024 * 1024;

/// Redacts one form.
pub(super) struct FormRedactor {
    refused: Refused,
    pairs: Pairs,
    held: Vec<u8>,
    /// The whole form is one record, and waits for whose it is.
    whole: bool,
    bound: usize,
}

struct Pairs {
    judge: Judge,
    place: Place,
    visible: CategorySet,
    /// A pair was written, so that the next needs its `&`.
    written: bool,
}

impl FormRedactor {
    pub(super) fn new(task: Task) -> Self {
        let judge = Judge::new(task);
        let plan = &judge.task.plan;
        let mut place = Place::new(plan.clone());
        let root = place.root();
        place.enter(root, true);
        let whole = judge.relates() && root.is_record();
        let bound = if whole { plan.record_bytes() as usize } else { MAX_PAIR };
        let visible = judge.task.audience.sees.any;
        let pairs = Pairs { judge, place, visible, written: false };
        Self { refused: Refused::default(), pairs, held: Vec::new(), whole, bound }
    }
}

impl Redact for FormRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { refused, pairs, held, whole, bound } = self;
        Refused::guard(refused, || {
            // Some readers split pairs there; no text has a NUL.
            if memchr::memchr2(b';', 0, input).is_some() {
                return Err(RedactError::Malformed);
            }
            let mut rest = input;
            while !*whole && let Some(end) = memchr::memchr(b'&', rest) {
                held.extend_from_slice(&rest[..end]);
                if held.len() > *bound {
                    return Err(RedactError::TooLong);
                }
                pairs.write(held, out)?;
                held.clear();
                rest = &rest[end + 1..];
            }
            held.extend_from_slice(rest);
            if held.len() > *bound { Err(RedactError::TooLong) } else { Ok(()) }
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { refused, pairs, held, whole, .. } = self;
        let result = Refused::guard(refused, || {
            let form = std::mem::take(held);
            if *whole {
                pairs.relate(&form)?;
            }
            form.split(|&byte| byte == b'&').try_for_each(|pair| pairs.write(pair, out))
        });
        refused.end();
        result
    }

    fn tally(&self) -> Tally {
        self.pairs.judge.tally().clone()
    }
}

impl Pairs {
    /// Learns whose the form is.
    fn relate(&mut self, form: &[u8]) -> Result<(), RedactError> {
        let mut whose = Whose::default();
        for pair in form.split(|&byte| byte == b'&') {
            let (named, _, value) = self.read(pair)?;
            if named.relates() {
                let Task { plan, audience, .. } = &self.judge.task;
                whose.named(named.relation, Some(value.as_bytes()), plan, audience);
            }
        }
        self.visible = whose.visible(&self.judge.task.audience);
        Ok(())
    }

    /// What a pair's name means, and both decoded.
    fn read<'a>(&mut self, pair: &'a [u8]) -> Result<(Named, Cow<'a, str>, Cow<'a, str>), RedactError> {
        let (name, value) = match memchr::memchr(b'=', pair) {
            Some(at) => (&pair[..at], &pair[at + 1..]),
            None => (pair, &b""[..]),
        };
        let mut name = decode(name)?;
        if name.contains('%') {
            // Escaped twice: somebody will unescape it twice.
            name = percent_decode(name.as_bytes()).decode_utf8_lossy().into_owned().into();
        }
        // Lines of pairs are no form, but some reader may find pairs in them.
        if pair.trim_ascii_end().iter().any(|byte| matches!(byte, b'\r' | b'\n')) {
            return Err(RedactError::Malformed);
        }
        Ok((self.place.resolve(name.trim()), name, decode(value)?))
    }

    /// Judges one pair and writes what of it may leave.
    fn write(&mut self, pair: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let (Named { field, .. }, name, value) = self.read(pair)?;
        let verdict = if pair.is_empty() { Verdict::Keep } else { self.judge.judge(field, self.visible) };
        let stand_in = match verdict {
            Verdict::Keep => match self.judge.left(&value, field, self.visible) {
                Left::Same => None,
                Left::Instead(left) => Some(left),
                Left::Nothing => return Ok(()),
            },
            Verdict::Hide(category) => {
                self.judge.note(category, &value);
                match self.judge.stand_in(category, &value) {
                    Some(stand_in) if stand_in.is_empty() => None,
                    Some(stand_in) => Some(stand_in.into_owned()),
                    None => return Ok(()),
                }
            }
            Verdict::Drop => return Ok(()),
        };
        let (raw, rest) = pair.split_at(memchr::memchr(b'=', pair).unwrap_or(pair.len()));
        match self.judge.name(name.trim(), field, self.visible) {
            Some(name) => self.pass(encoded(&name).as_bytes(), out),
            None => self.pass(raw, out),
        }
        match stand_in {
            Some(stand_in) => {
                out.push(b'=');
                out.extend_from_slice(encoded(&stand_in).as_bytes());
            }
            None => out.extend_from_slice(rest),
        }
        Ok(())
    }

    fn pass(&mut self, pair: &[u8], out: &mut Vec<u8>) {
        if std::mem::replace(&mut self.written, true) {
            out.push(b'&');
        }
        out.extend_from_slice(pair);
    }
}

/// A name or value as forms write them.
fn encoded(text: &str) -> String {
    form_urlencoded::byte_serialize(text.as_bytes()).collect()
}

/// The text of a name or value.
///
/// # Errors
/// [`RedactError::Malformed`] for a `%` that escapes nothing, which readers take differently, and for an escaped NUL;
/// [`RedactError::NotUtf8`].
fn decode(raw: &[u8]) -> Result<Cow<'_, str>, RedactError> {
    let Some(first) = memchr::memchr2(b'%', b'+', raw) else {
        return std::str::from_utf8(raw).map(Cow::Borrowed).map_err(|_| RedactError::NotUtf8);
    };
    let mut text = Vec::with_capacity(raw.len());
    text.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some((&byte, behind)) = rest.split_first() {
        rest = behind;
        text.push(match byte {
            b'+' => b' ',
            b'%' => {
                let ([high, low], behind) = behind.split_first_chunk().ok_or(RedactError::Malformed)?;
                rest = behind;
                match (hexadecimal(*high), hexadecimal(*low)) {
                    (Some(0), Some(0)) | (None, _) | (_, None) => return Err(RedactError::Malformed),
                    (Some(high), Some(low)) => high << 4 | low,
                }
            }
            byte => byte,
        });
    }
    String::from_utf8(text).map(Cow::Owned).map_err(|_| RedactError::NotUtf8)
}

fn hexadecimal(digit: u8) -> Option<u8> {
    char::from(digit).to_digit(16).map(|value| value as u8)
}

#[cfg(test)]
mod tests;
