//! Whether a text is worth a look: what nearly no text has and every document does.
//!
//! This runs on each text that leaves, so it looks at sixteen bytes at a time, and at what stands in JSON as well as at what
//! that means: a line end is written with a backslash there.

use wide::u8x16;

use super::{encoded, may_begin};

/// Shortest text in which a name and a value fit.
const SHORTEST: usize = 4;

/// Whether a text, as it is or as the raw text of a JSON string, may be a document or hold one.
#[inline(always)]
pub(in crate::redact) fn may_hold(text: &[u8]) -> bool {
    let mut seen = Seen { signs: u8x16::splat(0), blanks: u8x16::splat(0) };
    match text.last_chunk::<16>() {
        None if text.len() < SHORTEST => {}
        None => seen.look(&short(text).to_le_bytes()),
        Some(last) => {
            for block in text.as_chunks::<16>().0 {
                seen.look(block);
            }
            // It overlaps.
            seen.look(last);
        }
    }
    is_suspect(text, seen.signs.to_bitmask() != 0, seen.blanks.to_bitmask() != 0)
}

/// The same, where it is known whether it may have signs, and whether it has blanks.
#[inline(always)]
pub(in crate::redact) fn is_suspect(text: &[u8], signs: bool, blanks: bool) -> bool {
    let Some(&first) = text.first() else { return false };
    if may_begin(first) || first == b'\\' {
        return true;
    }
    // Without one of these no format has names beside values: behind a name, in front of a tag, of an escape, at the end of a
    // row; or letters of Base64, alone or where there are other words: `Bearer eyJ…`.
    text.len() >= SHORTEST
        && (signs && !is_plain(text)
            || encoded::STARTS[usize::from(first)] && encoded::may_begin(text)
            || blanks && has_long_word(text))
}

/// Whether there is a word of sixteen letters, wherever it stands.
#[inline(never)]
fn has_long_word(text: &[u8]) -> bool {
    let letters = |block: &[u8; 16]| {
        let block = u8x16::from(*block);
        block.max(u8x16::splat(b'+')).min(u8x16::splat(b'z')).simd_eq(block).to_bitmask()
    };
    let (blocks, rest) = text.as_chunks::<16>();
    let mut last = [0; 16];
    last[..rest.len()].copy_from_slice(rest);
    let mut before = 0;
    blocks.iter().chain([&last]).any(|block| {
        // A bit for each letter of two blocks: sixteen in a row are left when each was joined with those behind it.
        let mut row = before | letters(block) << 16;
        before = row >> 16;
        for shift in [1, 2, 4, 8] {
            row &= row >> shift;
        }
        row != 0
    })
}

/// Whether the only signs are those of a time, or of a web address without parameters: what most texts with a sign are.
#[inline(never)]
fn is_plain(text: &[u8]) -> bool {
    match text.strip_prefix(b"https://").or_else(|| text.strip_prefix(b"http://")) {
        Some(rest) => {
            let mut run = 0;
            rest.iter().all(|&byte| {
                run = if byte != b'/' && encoded::is_letter(byte) { run + 1 } else { 0 };
                run < encoded::AMONG && !matches!(byte, b':'..=b'=' | b'%' | b'\\' | ..0x20)
            })
        }
        None => tells_time(text),
    }
}

fn tells_time(text: &[u8]) -> bool {
    let from = if begins_with_minute(text) { 16 } else { 0 };
    text.iter().enumerate().skip(from).all(|(at, &byte)| match byte {
        b'=' | b'<' | b'%' | b'\\' | ..0x20 => false,
        b':' => {
            let (before, behind) = (&text[..at], &text[at + 1..]);
            let digits =
                |pair: Option<&[u8; 2]>| pair.is_some_and(|pair| pair.iter().all(u8::is_ascii_digit));
            // No name ends in two digits in front of two digits.
            digits(before.last_chunk()) && digits(behind.first_chunk())
        }
        _ => true,
    })
}

/// `2026-11-01T10:15` (RFC 3339).
fn begins_with_minute(text: &[u8]) -> bool {
    let Some(block) = text.first_chunk::<16>() else { return false };
    let digits = u8x16::from(*block) - u8x16::splat(b'0');
    let digits = digits.min(u8x16::splat(9)).simd_eq(digits).to_bitmask();
    digits == 0b1101_1011_0110_1111
        && matches!((block[4], block[7], block[10], block[13]), (b'-', b'-', b'T' | b' ', b':'))
}

/// A text of at least [`SHORTEST`] bytes and less than a block, as one: its beginning and its end, which overlap.
#[inline(always)]
fn short(text: &[u8]) -> u128 {
    let pair = |low: u64, high: u64| u128::from(low) | u128::from(high) << 64;
    if let (Some(first), Some(last)) = (text.first_chunk(), text.last_chunk()) {
        return pair(u64::from_le_bytes(*first), u64::from_le_bytes(*last));
    }
    match (text.first_chunk(), text.last_chunk()) {
        (Some(first), Some(last)) => {
            let half = u64::from(u32::from_le_bytes(*first)) | u64::from(u32::from_le_bytes(*last)) << 32;
            pair(half, half)
        }
        _ => 0,
    }
}

/// What was seen in any of the blocks.
struct Seen {
    signs: u8x16,
    blanks: u8x16,
}

impl Seen {
    #[inline(always)]
    fn look(&mut self, block: &[u8; 16]) {
        let block = u8x16::from(*block);
        let is = |byte: u8| block.simd_eq(u8x16::splat(byte));
        // Line ends are the control characters that matter.
        let control = block.min(u8x16::splat(0x1F)).simd_eq(block);
        self.signs |= is(b':') | is(b'=') | is(b'<') | is(b'%') | is(b'\\') | control;
        self.blanks |= is(b' ');
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_found_wherever_they_stand() {
        for length in 4..70 {
            let plain = "é".repeat(length / 2) + &"x".repeat(length % 2 + 2);
            assert!(!may_hold(plain.as_bytes()), "{plain}");
            for at in 2..=plain.len() {
                for sign in *b":=<%\\\n\r" {
                    let mut text = plain.clone().into_bytes();
                    text.insert(at, sign);
                    assert!(may_hold(&text), "{}", String::from_utf8_lossy(&text));
                }
            }
        }
        for text in [
            "",
            "x",
            "une phrase, assez longue; sans rien de plus",
            "550e8400-e29b-41d4-a716-446655440000",
            "2026-11-01T10:15:00.000+01:00",
            "à 17:30, ou à 18:00",
            "https://ecole.example/cours/5/page.html",
        ] {
            assert!(!may_hold(text.as_bytes()), "{text}");
        }
        for text in [
            "phone1:0612345678",
            "à 17:30, nom: x",
            "https://a/?nom=x",
            "https://nom:x@a/",
            "a https://b/",
            "https://h/eyJhbGciOiJub25lIn0.e/x",
            "Bearer eyJuYS1tZSI6IkNBTkFSWSJ9 x",
            "a b c d abcdefghijklmnop e",
        ] {
            assert!(may_hold(text.as_bytes()), "{text}");
        }
        for text in ["{", "[", "Bearer eyJhbGciOiJub25lIn0eyJlbWFpbCI6", "eyJlbWFpbCI6MX0"] {
            assert!(may_hold(text.as_bytes()), "{text}");
        }
    }
}
