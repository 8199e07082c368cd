//! UTF-16 and UTF-32, with their marks or without: seen through, so that nothing hides in them.

use encoding_rs::{UTF_16BE, UTF_16LE};

use super::super::Charset;

/// What a beginning is written in.
pub(super) enum Decoded {
    /// UTF-8, or anything else with a byte for each character of ASCII.
    Narrow,
    /// The text, and what its table would be read as.
    Wide(Vec<u8>, Charset),
    /// A mark or a character that is not whole yet.
    Perhaps,
}

/// Reads a beginning in UTF-16 or UTF-32. Without a mark, two characters of ASCII must stand in front.
pub(super) fn decoded(start: &[u8]) -> Decoded {
    let (mark, width, big) = match start {
        [0xff, 0xfe, 0, 0, ..] => (4, 4, false),
        [0, 0, 0xfe, 0xff, ..] => (4, 4, true),
        [0xff, 0xfe] | [0xff, 0xfe, 0] | [0, 0, 0xfe] | [0, 0] | [0xfe | 0xff | 0] => {
            return Decoded::Perhaps;
        }
        [0xff, 0xfe, ..] => (2, 2, false),
        [0xfe, 0xff, ..] => (2, 2, true),
        _ => match unmarked(start) {
            Some((width, big)) => (0, width, big),
            None => return Decoded::Narrow,
        },
    };
    let units = start[mark..].chunks_exact(width);
    let unit = |bytes: &[u8]| {
        let fold = |value: u32, byte: &u8| value << 8 | u32::from(*byte);
        if big { bytes.iter().fold(0, fold) } else { bytes.iter().rev().fold(0, fold) }
    };
    let units = units.map(unit);
    let text: String = if width == 4 {
        units.map(|unit| char::from_u32(unit).unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    } else {
        // Two bytes fit.
        let units = units.map(|unit| unit as u16);
        char::decode_utf16(units).map(|unit| unit.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    let charset = match (mark, width, big) {
        (0, 2, false) => Charset::Other(UTF_16LE),
        (0, 2, true) => Charset::Other(UTF_16BE),
        _ => Charset::Unstated,
    };
    Decoded::Wide(text.into_bytes(), charset)
}

/// The width and byte order that two characters of ASCII show.
fn unmarked(start: &[u8]) -> Option<(usize, bool)> {
    let ascii = |byte: u8| matches!(byte, b'\t' | b'\n' | b'\r' | b' '..=b'~');
    match *start {
        [0, 0, 0, first, 0, 0, 0, second, ..] if ascii(first) && ascii(second) => Some((4, true)),
        [first, 0, 0, 0, second, 0, 0, 0, ..] if ascii(first) && ascii(second) => Some((4, false)),
        [0, first, 0, second, ..] if ascii(first) && ascii(second) => Some((2, true)),
        [first, 0, second, 0, ..] if ascii(first) && ascii(second) => Some((2, false)),
        _ => None,
    }
}
