//! Whether a text is worth a look: what nearly no text has and every document does.
//!
//! This runs on each text that leaves, so it looks at sixteen bytes at a time, and at what stands in JSON as well as at what
//! that means: a line end is written with a backslash there.

use wide::u8x16;

use super::{encoded, may_begin};

/// Shortest text in which a name and a value fit.
const SHORTEST: usize = 4;
/// Bytes without which no format has names beside values: behind a name, in front of a tag, of an escape, at the end of a
/// row.
const SIGNS: [u8; 7] = *b":=<%\\\n\r";

/// Whether a text, as it is or as the raw text of a JSON string, may be a document or hold one.
#[inline(always)]
pub(in crate::redact) fn may_hold(text: &[u8]) -> bool {
    let Some(&first) = text.first() else { return false };
    if may_begin(first) || first == b'\\' {
        return true;
    }
    text.len() >= SHORTEST && (has_sign(text) || encoded::may_begin(text))
}

#[inline(always)]
fn has_sign(text: &[u8]) -> bool {
    let (blocks, rest) = text.as_chunks::<16>();
    if blocks.is_empty() {
        return rest.iter().fold(false, |any, byte| any | IS_SIGN[usize::from(*byte)]);
    }
    // The last one overlaps.
    let last = text.last_chunk::<16>();
    let (mut found, mut blank, mut long) = (0, 0, false);
    for block in blocks.iter().chain(last) {
        let block = u8x16::from(*block);
        let mut sign = block.simd_eq(u8x16::splat(SIGNS[0]));
        for byte in &SIGNS[1..] {
            sign |= block.simd_eq(u8x16::splat(*byte));
        }
        found |= sign.to_bitmask();
        blank |= block.simd_eq(u8x16::splat(b' ')).to_bitmask();
        // A word of sixteen letters among others: `Bearer eyJ…`.
        let within = block.max(u8x16::splat(b'+')).min(u8x16::splat(b'z')).simd_eq(block);
        long |= within.to_bitmask() == 0xFFFF;
    }
    found != 0 || (long && blank != 0)
}

const IS_SIGN: [bool; 256] = {
    let mut table = [false; 256];
    let mut at = 0;
    while at < SIGNS.len() {
        table[SIGNS[at] as usize] = true;
        at += 1;
    }
    table
};

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn signs_are_found_wherever_they_stand() {
        for length in 4..70 {
            let plain = "é".repeat(length / 2) + &"x".repeat(length % 2 + 2);
            assert!(!may_hold(plain.as_bytes()), "{plain}");
            for at in 2..=plain.len() {
                for sign in SIGNS {
                    let mut text = plain.clone().into_bytes();
                    text.insert(at, sign);
                    assert!(may_hold(&text), "{}", String::from_utf8_lossy(&text));
                }
            }
        }
        for text in
            ["", "x", "une phrase, assez longue; sans rien de plus", "550e8400-e29b-41d4-a716-446655440000"]
        {
            assert!(!may_hold(text.as_bytes()), "{text}");
        }
        for text in ["{", "[", "Bearer eyJhbGciOiJub25lIn0eyJlbWFpbCI6", "eyJlbWFpbCI6MX0"] {
            assert!(may_hold(text.as_bytes()), "{text}");
        }
    }
}
