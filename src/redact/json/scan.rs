//! Strings, numbers and literals, a chunk at a time.
//!
//! The input is valid UTF-8 already, and a chunk never ends inside a character ([`super::utf8`]); so a string is
//! looked through for only three things: its end, an escape, and the control characters that RFC 8259 forbids.

use super::RedactError;

/// Where a scan stopped.
pub(super) enum Scan {
    /// Behind the token.
    End(usize),
    /// At the end of the chunk.
    More,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Plain,
    Escape,
    Hex { left: u8, value: u16, low: bool },
    LowBackslash,
    LowLetter,
}

/// How far into a string a scan is.
#[derive(Clone, Copy, Debug)]
pub(super) struct StringState {
    phase: Phase,
    /// Whether it holds escapes, so that its raw text is not its value.
    pub(super) escaped: bool,
}

impl StringState {
    /// Behind the opening quote.
    pub(super) const START: Self = Self { phase: Phase::Plain, escaped: false };
}

/// Scans a string up to and including its closing quote.
#[inline(always)]
pub(super) fn string(input: &[u8], mut at: usize, state: &mut StringState) -> Result<Scan, RedactError> {
    if state.phase == Phase::Plain {
        at = special(input, at);
        if input.get(at) == Some(&b'"') {
            return Ok(Scan::End(at + 1));
        }
    }
    string_with_escapes(input, at, state)
}

#[inline(never)]
fn string_with_escapes(input: &[u8], mut at: usize, state: &mut StringState) -> Result<Scan, RedactError> {
    loop {
        if state.phase == Phase::Plain {
            at = special(input, at);
        }
        let Some(&byte) = input.get(at) else { return Ok(Scan::More) };
        at += 1;
        state.phase = match state.phase {
            Phase::Plain => match byte {
                b'"' => return Ok(Scan::End(at)),
                b'\\' => {
                    state.escaped = true;
                    Phase::Escape
                }
                _ => return Err(RedactError::Malformed),
            },
            Phase::Escape => match byte {
                b'"' | b'\\' | b'/' | b'b' | b'f' | b'n' | b'r' | b't' => Phase::Plain,
                b'u' => Phase::Hex { left: 4, value: 0, low: false },
                _ => return Err(RedactError::Malformed),
            },
            Phase::Hex { left, value, low } => {
                let digit = char::from(byte).to_digit(16).ok_or(RedactError::Malformed)?;
                let value = value << 4 | digit as u16;
                match (left, value, low) {
                    (2.., _, _) => Phase::Hex { left: left - 1, value, low },
                    (_, 0xDC00..=0xDFFF, true) => Phase::Plain,
                    (_, 0xD800..=0xDBFF, false) => Phase::LowBackslash,
                    (_, 0xDC00..=0xDFFF, false) | (_, _, true) => return Err(RedactError::LoneSurrogate),
                    (_, _, false) => Phase::Plain,
                }
            }
            Phase::LowBackslash if byte == b'\\' => Phase::LowLetter,
            Phase::LowLetter if byte == b'u' => Phase::Hex { left: 4, value: 0, low: true },
            Phase::LowBackslash | Phase::LowLetter => return Err(RedactError::LoneSurrogate),
        };
    }
}

/// The next quote, backslash or control character; the end of the input if there is none.
#[inline(always)]
fn special(input: &[u8], mut at: usize) -> usize {
    while let Some(block) = input.get(at..).and_then(<[u8]>::first_chunk::<8>) {
        let found = specials(u64::from_le_bytes(*block));
        if found != 0 {
            return at + (found.trailing_zeros() / 8) as usize;
        }
        at += 8;
    }
    while let Some(&byte) = input.get(at) {
        if byte < 0x20 || byte == b'"' || byte == b'\\' {
            break;
        }
        at += 1;
    }
    at
}

/// The top bit of each of eight bytes that is a quote, a backslash or a control character. A borrow can set bits above
/// the first one found, never below: only the lowest set bit counts.
#[inline(always)]
fn specials(word: u64) -> u64 {
    const ONES: u64 = u64::MAX / 255;
    let quote = word ^ (ONES * b'"' as u64);
    let escape = word ^ (ONES * b'\\' as u64);
    let below = word.wrapping_sub(ONES * 0x20) & !word;
    let equal = (quote.wrapping_sub(ONES) & !quote) | (escape.wrapping_sub(ONES) & !escape);
    (below | equal) & (ONES * 0x80)
}

/// How far into a number a scan is: the part of RFC 8259's grammar last seen.
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
pub(super) fn number(input: &[u8], start: usize, state: &mut NumberState) -> Result<Scan, RedactError> {
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
    if state.length > super::MAX_NUMBER {
        return Err(RedactError::TooLong);
    }
    if at == input.len() {
        return Ok(Scan::More);
    }
    if state.complete() { Ok(Scan::End(at)) } else { Err(RedactError::Malformed) }
}

/// Decodes the raw text of a string that [`string`] accepted.
pub(in crate::redact) fn unescape(raw: &[u8], out: &mut Vec<u8>) {
    let mut rest = raw;
    while let Some(at) = memchr::memchr(b'\\', rest) {
        out.extend(&rest[..at]);
        let (kind, mut behind) = match rest[at + 1..].split_first() {
            Some((&kind, behind)) => (kind, behind),
            None => return,
        };
        match kind {
            b'b' => out.push(8),
            b'f' => out.push(12),
            b'n' => out.push(b'\n'),
            b'r' => out.push(b'\r'),
            b't' => out.push(b'\t'),
            b'u' => {
                let mut code = hex(behind);
                behind = behind.get(4..).unwrap_or_default();
                if (0xD800..0xDC00).contains(&code) {
                    let low = hex(behind.get(2..).unwrap_or_default());
                    behind = behind.get(6..).unwrap_or_default();
                    code = 0x1_0000 + ((code - 0xD800) << 10) + (low.wrapping_sub(0xDC00) & 0x3FF);
                }
                let decoded = char::from_u32(code).unwrap_or(char::REPLACEMENT_CHARACTER);
                out.extend(decoded.encode_utf8(&mut [0; 4]).bytes());
            }
            other => out.push(other),
        }
        rest = behind;
    }
    out.extend(rest);
}

fn hex(digits: &[u8]) -> u32 {
    digits.iter().take(4).fold(0, |value, &digit| value << 4 | char::from(digit).to_digit(16).unwrap_or(0))
}
