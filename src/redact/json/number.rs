//! Numbers, a chunk at a time.

use super::scan::Scan;
use super::{MAX_NUMBER, RedactError};

/// The part of RFC 8259's grammar last seen.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Start,
    Minus,
    Zero,
    Integer,
    Point,
    Fraction,
    E,
    Sign,
    Exponent,
}

/// How far into a number a scan is.
#[derive(Clone, Copy, Debug)]
pub(super) struct NumberState {
    part: Part,
    length: usize,
}

impl NumberState {
    /// In front of its first byte.
    pub(super) const START: Self = Self { part: Part::Start, length: 0 };

    /// Whether the number may end here.
    pub(super) fn complete(self) -> bool {
        matches!(self.part, Part::Zero | Part::Integer | Part::Fraction | Part::Exponent)
    }
}

/// Scans a number up to the first byte that is no part of it; only the caller knows whether that byte may follow.
#[inline(always)]
pub(super) fn scan(input: &[u8], start: usize, state: &mut NumberState) -> Result<Scan, RedactError> {
    if state.part == Part::Start
        && let Some(end) = plain(input, start)
    {
        return Ok(Scan::End(end));
    }
    any(input, start, state)
}

/// The end of a short decimal number without sign or exponent that ends in this chunk: most are.
#[inline(always)]
fn plain(input: &[u8], start: usize) -> Option<usize> {
    let input = input.get(start..)?;
    let digit = |at: usize| input.get(at).map(|byte| byte.wrapping_sub(b'0') < 10);
    let mut at = 0;
    while digit(at)? {
        at += 1;
    }
    if at == 0 || (at > 1 && input[0] == b'0') {
        return None;
    }
    if input[at] == b'.' {
        let point = at;
        at += 1;
        while digit(at)? {
            at += 1;
        }
        if at == point + 1 {
            return None;
        }
    }
    (!matches!(input[at], b'.' | b'e' | b'E') && at <= MAX_NUMBER).then_some(start + at)
}

#[inline(never)]
fn any(input: &[u8], start: usize, state: &mut NumberState) -> Result<Scan, RedactError> {
    let mut at = start;
    while let Some(&byte) = input.get(at) {
        state.part = match (state.part, byte) {
            (Part::Integer, b'0'..=b'9') => Part::Integer,
            (Part::Start, b'-') => Part::Minus,
            (Part::Start | Part::Minus, b'0') => Part::Zero,
            (Part::Start | Part::Minus, b'1'..=b'9') => Part::Integer,
            (Part::Zero | Part::Integer, b'.') => Part::Point,
            (Part::Point | Part::Fraction, b'0'..=b'9') => Part::Fraction,
            (Part::Zero | Part::Integer | Part::Fraction, b'e' | b'E') => Part::E,
            (Part::E, b'+' | b'-') => Part::Sign,
            (Part::E | Part::Sign | Part::Exponent, b'0'..=b'9') => Part::Exponent,
            _ => break,
        };
        at += 1;
    }
    state.length += at - start;
    if state.length > MAX_NUMBER {
        return Err(RedactError::TooLong);
    }
    if at == input.len() {
        return Ok(Scan::More);
    }
    if state.complete() { Ok(Scan::End(at)) } else { Err(RedactError::Malformed) }
}
