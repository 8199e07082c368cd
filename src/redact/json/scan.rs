//! Strings, a chunk at a time.
//!
//! The input is valid UTF-8 already, and a chunk never ends inside a character ([`super::utf8`]); so a string is
//! looked through for only three things: its end, an escape, and the control characters that RFC 8259 forbids.

use wide::u8x16;

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

/// What was seen of a text that is looked at when it ends.
#[derive(Clone, Copy, Debug)]
pub(super) struct Seen {
    /// It has one of [`is_mark`], or an escape.
    pub(super) marks: bool,
    /// It has a space.
    pub(super) blanks: bool,
}

/// As [`string`], of a value's text that stands whole in the chunk: also what was seen of it.
#[inline(always)]
pub(super) fn text(input: &[u8], start: usize, state: &mut StringState) -> Result<(Scan, Seen), RedactError> {
    let (mut at, mut marks, mut blanks) = (start, 0, 0);
    while let Some([first, second]) = input.get(at..at + 32).map(|block| block.as_chunks::<16>().0) {
        let found = specials(first) | specials(second) << 16;
        let ([mark, blank], [second_mark, second_blank]) = (shown(first), shown(second));
        let (mark, blank) = (mark | second_mark << 16, blank | second_blank << 16);
        if found != 0 {
            let inside = (found & found.wrapping_neg()).wrapping_sub(1);
            at += found.trailing_zeros() as usize;
            (marks, blanks) = (marks | mark & inside, blanks | blank & inside);
            break;
        }
        (marks, blanks) = (marks | mark, blanks | blank);
        at += 32;
    }
    // Whatever is left of the chunk is less than a block, or begins with what was found.
    while let Some(&byte) = input.get(at) {
        if is_special(byte) {
            break;
        }
        marks |= u32::from(is_mark(byte));
        blanks |= u32::from(byte == b' ');
        at += 1;
    }
    let seen = Seen { marks: marks != 0, blanks: blanks != 0 };
    match input.get(at) {
        Some(b'"') => Ok((Scan::End(at + 1), seen)),
        _ => Ok((string_with_escapes(input, at, state)?, Seen { marks: true, ..seen })),
    }
}

/// Signs of a document in a text, and one more: `:`, `;`, `<`, `=`, `%`.
fn is_mark(byte: u8) -> bool {
    matches!(byte, b':'..=b'=' | b'%')
}

/// Bits for the marks and for the spaces of a block.
#[inline(always)]
fn shown(block: &[u8; 16]) -> [u32; 2] {
    let block = u8x16::from(*block);
    let behind = block - u8x16::splat(b':');
    let marks = behind.min(u8x16::splat(3)).simd_eq(behind) | block.simd_eq(u8x16::splat(b'%'));
    [marks.to_bitmask(), block.simd_eq(u8x16::splat(b' ')).to_bitmask()]
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
    while let Some([first, second]) = input.get(at..at + 32).map(|block| block.as_chunks::<16>().0) {
        let found = specials(first) | specials(second) << 16;
        if found != 0 {
            return at + found.trailing_zeros() as usize;
        }
        at += 32;
    }
    while let Some(&byte) = input.get(at) {
        if is_special(byte) {
            break;
        }
        at += 1;
    }
    at
}

fn is_special(byte: u8) -> bool {
    byte < 0x20 || byte == b'"' || byte == b'\\'
}

/// A bit for each byte that [`is_special`].
#[inline(always)]
fn specials(block: &[u8; 16]) -> u32 {
    let block = u8x16::from(*block);
    let quote = block.simd_eq(u8x16::splat(b'"'));
    let escape = block.simd_eq(u8x16::splat(b'\\'));
    let control = block.min(u8x16::splat(0x1F)).simd_eq(block);
    (quote | escape | control).to_bitmask()
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
