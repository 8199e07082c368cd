//! Documents behind an encoding: Base64 of any alphabet (RFC 4648), compressed or not, the parts of signed tokens
//! (RFC 7515), `data:` addresses (RFC 2397) and percent escapes.

use std::{borrow::Cow, io::Read as _};

use base64::{
    Engine as _, alphabet,
    engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig},
};
use flate2::read::{GzDecoder, ZlibDecoder};
use percent_encoding::percent_decode_str;

use super::{Inside, MAX_LEVEL, MAX_NESTED, Nested, unreadable};
use crate::redact::Tally;

/// Shortest run of letters, alone in its text or among others, that is undone.
const ALONE: usize = 8;
pub(super) const AMONG: usize = 16;
/// Shortest line of Base64 in lines (RFC 2045 has 76, PEM 64).
const LINE: usize = 60;

/// The value of a letter in either alphabet; what is none has more than six bits.
const SEXTETS: [u8; 256] = {
    let mut table = [0xFF; 256];
    let letters = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    let mut at = 0;
    while at < letters.len() {
        table[letters[at] as usize] = at as u8;
        at += 1;
    }
    table[b'-' as usize] = 62;
    table[b'_' as usize] = 63;
    table
};

pub(super) fn is_letter(byte: u8) -> bool {
    SEXTETS[usize::from(byte)] <= 63
}

/// Readers of Base64 do not mind padding, nor what is left over.
const LENIENT: GeneralPurposeConfig = GeneralPurposeConfig::new()
    .with_decode_allow_trailing_bits(true)
    .with_decode_padding_mode(DecodePaddingMode::Indifferent);

/// Letters that [`may_begin`] may say yes to: behind others no text begins.
pub(super) const STARTS: [bool; 256] = {
    let mut table = [false; 256];
    let mut letter = 0;
    while letter < 256 {
        // The six highest bits of the first byte: of what is printed, of white space, of the two compressions, of an accent
        // and of a byte order mark.
        table[letter] = matches!(SEXTETS[letter], 2 | 3 | 7 | 8..=31 | 48 | 59);
        letter += 1;
    }
    table
};

/// Whether a text begins as a text in Base64 does, or as a compressed one: so far that nearly no other does.
#[inline(always)]
pub(super) fn may_begin(text: &[u8]) -> bool {
    let Some([first, second]) = text.first_chunk::<8>().map(|letters| letters.as_chunks::<4>().0) else {
        return false;
    };
    let Some(start) = three(first) else { return false };
    let is_text = |byte: u8| (b' '..0x7F).contains(&byte) || matches!(byte, b'\t' | b'\n' | b'\r');
    let begins = match start {
        // Compressed (RFC 1952, RFC 1950).
        [0x1F, 0x8B, _] | [0x78, 0x01 | 0x9C | 0xDA, _] => return has_letters(text),
        [first, second, third] if is_text(first) && is_text(second) => is_text(third) || third == 0xC3,
        // Accents of Latin-1, and the byte order mark: no word of another alphabet stands in front of a name that is sought.
        [first, 0xC3, third] if is_text(first) => third & 0xC0 == 0x80,
        [0xC3, second, third] => second & 0xC0 == 0x80 && (is_text(third) || third == 0xC3),
        [0xEF, 0xBB, 0xBF] => true,
        _ => false,
    };
    // Of words that begin so by chance nearly none goes on so.
    begins
        && three(second).is_none_or(|next| next.iter().all(|&byte| is_text(byte) || byte >= 0x80))
        && has_letters(text)
}

/// As many letters as it takes.
fn has_letters(text: &[u8]) -> bool {
    text.len() >= ALONE
        && text[4..ALONE].iter().all(|&letter| SEXTETS[usize::from(letter)] <= 63 || letter == b'=')
}

/// What four letters stand for.
#[inline(always)]
fn three(letters: &[u8; 4]) -> Option<[u8; 3]> {
    let [a, b, c, d] = *letters;
    let sextet = |letter: u8| SEXTETS[usize::from(letter)];
    let (a, b, c, d) = (sextet(a), sextet(b), sextet(c), sextet(d));
    ((a | b | c | d) <= 63).then_some([a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d])
}

/// Whether a text that is too long to be undone begins as one in Base64 that has words: so many letters are no picture.
pub(super) fn begins(text: &str) -> bool {
    let text = text.trim_start();
    let text = match text.get(..5).is_some_and(|start| start.eq_ignore_ascii_case("data:")) {
        true => text.split_once(',').map_or("", |(_, data)| data),
        false => text,
    };
    let run = &text.as_bytes()[..run_length(text.as_bytes()).min(64)];
    may_begin(run) && decoded(&String::from_utf8_lossy(run)).is_some()
}

/// Letters of Base64 at the beginning.
fn run_length(text: &[u8]) -> usize {
    text.iter().position(|&byte| SEXTETS[usize::from(byte)] > 63).unwrap_or(text.len())
}

/// What a run of letters stands for, where that is a text.
enum Inner {
    Text(String),
    Compressed(String),
    /// Compressed, and longer than what is read.
    TooLong,
}

/// Undoes Base64, and a compression in it.
fn decoded(run: &str) -> Option<Inner> {
    let letters: String = run
        .chars()
        .map(|letter| match letter {
            '-' => '+',
            '_' => '/',
            letter => letter,
        })
        .collect();
    let whole = letters.len() - usize::from(letters.len() % 4 == 1);
    let bytes = GeneralPurpose::new(&alphabet::STANDARD, LENIENT).decode(&letters[..whole]).ok()?;
    let compressed = match &bytes[..] {
        [0x1F, 0x8B, ..] => inflated(GzDecoder::new(&bytes[..])),
        [0x78, 0x01 | 0x9C | 0xDA, ..] => inflated(ZlibDecoder::new(&bytes[..])),
        _ => Vec::new(),
    };
    match compressed.len() {
        0 => readable(&bytes).map(Inner::Text),
        length if length > MAX_NESTED => Some(Inner::TooLong),
        _ => readable(&compressed).map(Inner::Compressed),
    }
}

/// A text that bytes are, but for a character that is cut at their end.
fn readable(bytes: &[u8]) -> Option<String> {
    let text = match std::str::from_utf8(bytes) {
        Ok(text) => text,
        Err(error) if error.error_len().is_none() => {
            std::str::from_utf8(&bytes[..error.valid_up_to()]).ok()?
        }
        Err(_) => return None,
    };
    (!text.is_empty()).then(|| text.to_owned())
}

/// What was compressed, and a byte more than is read where there is too much of it. Broken at its end it was compressed all
/// the same.
fn inflated(reader: impl std::io::Read) -> Vec<u8> {
    let mut bytes = Vec::new();
    let _ = reader.take(MAX_NESTED as u64 + 1).read_to_end(&mut bytes);
    bytes
}

/// A text without its percent escapes; `None` where it has none, or no text stands behind them.
fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    memchr::memchr(b'%', text.as_bytes())?;
    let plain = percent_decode_str(text).decode_utf8_lossy();
    (plain != text).then_some(plain)
}

impl Inside<'_> {
    /// The same place, one document further in; `None` where that is too deep.
    fn deeper(&self) -> Option<Inside<'_>> {
        (self.level < MAX_LEVEL).then(|| Inside { level: self.level + 1, ..*self })
    }

    /// Reads what percent escapes stand for; `None` where there are none. Nothing is escaped again.
    pub(super) fn percent(&self, text: &str) -> Option<(Nested, Tally)> {
        let plain = unescaped(text)?;
        let Some(deeper) = self.deeper() else { return Some(unreadable()) };
        Some(match deeper.read_any(&plain) {
            (Nested::Redacted(_) | Nested::Unreadable, tally) => (Nested::Unreadable, tally),
            (_, tally) => (Nested::Text, tally),
        })
    }

    /// Reads what stands in Base64, wherever it stands in the text, and writes it in its place.
    pub(super) fn base64(&self, text: &str) -> (Nested, Tally) {
        if let Some(joined) = joined(text) {
            let (nested, tally) = self.base64(&joined);
            return (if nested == Nested::Text { nested } else { Nested::Unreadable }, tally);
        }
        let mut total = Tally::default();
        let mut left: Option<String> = None;
        let (mut at, mut copied) = (0, 0);
        let bytes = text.as_bytes();
        while at < bytes.len() {
            let length = run_length(&bytes[at..]);
            let end = at + length;
            let least = if at == 0 && text[end..].trim_end_matches('=').trim_end().is_empty() {
                ALONE
            } else {
                AMONG
            };
            // A run may begin behind words that its alphabet has too: `/api/eyJ…`.
            let mut starts =
                [Some(at), text[at..end].rfind('/').map(|slash| at + slash + 1)].into_iter().flatten();
            let found = starts.find_map(|start| {
                let run = &text[start..end];
                (run.len() >= least && may_begin(run.as_bytes())).then(|| (start, decoded(run)))
            });
            if let Some((start, Some(inner))) = found {
                // What is signed or compressed is not written anew.
                let is_part = bytes.get(end) == Some(&b'.') || (start > 0 && bytes[start - 1] == b'.');
                let (inner, is_part) = match inner {
                    Inner::Text(inner) => (inner, is_part),
                    Inner::Compressed(inner) => (inner, true),
                    Inner::TooLong => return unreadable(),
                };
                let Some(deeper) = self.deeper() else { return unreadable() };
                let (nested, tally) = deeper.read_any(&inner);
                match nested {
                    Nested::Text | Nested::Same => {}
                    Nested::Unreadable => return (Nested::Unreadable, tally),
                    Nested::Redacted(_) if is_part => return (Nested::Unreadable, tally),
                    Nested::Redacted(inner) => {
                        let padding = bytes[end..].iter().take_while(|&&byte| byte == b'=').count();
                        let out = left.get_or_insert_default();
                        out.push_str(&text[copied..start]);
                        out.push_str(&encoded(&inner, &text[start..end], padding > 0));
                        copied = end + padding;
                    }
                }
                total.add(&tally);
            }
            at = end + bytes[end..].iter().take_while(|&&byte| SEXTETS[usize::from(byte)] > 63).count();
        }
        match left {
            Some(out) => (Nested::Redacted(out + &text[copied..]), total),
            None => (Nested::Text, total),
        }
    }
}

/// A text in the alphabet of another. One that needed no padding may have had it.
fn encoded(text: &str, like: &str, padded: bool) -> String {
    let padded = padded || like.len().is_multiple_of(4);
    let url_safe = like.contains(['-', '_']) || !(padded || like.contains(['+', '/']));
    let alphabet = if url_safe { alphabet::URL_SAFE } else { alphabet::STANDARD };
    GeneralPurpose::new(&alphabet, LENIENT.with_encode_padding(padded)).encode(text)
}

/// Base64 in lines, without their ends.
fn joined(text: &str) -> Option<String> {
    let first = text.trim_start().split(['\r', '\n']).next()?;
    if first.len() < LINE || first.len() == text.trim().len() {
        return None;
    }
    let is_line =
        |line: &str| run_length(line.trim_end_matches('=').as_bytes()) == line.trim_end_matches('=').len();
    text.split_whitespace().all(is_line).then(|| text.split_whitespace().collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn nothing_begins_behind_another_letter() {
        let rests = [*b"AAAAAA", *b"vvvvvv", *b"sISISI", *b"////zz", *b"u/Pz89"];
        for (first, second) in
            (0..=u8::MAX).flat_map(|first| (0..=u8::MAX).map(move |second| (first, second)))
        {
            for rest in rests {
                let text = [&[first, second][..], &rest].concat();
                assert!(STARTS[usize::from(first)] || !may_begin(&text), "{text:?}");
            }
        }
    }
}
