//! One spelling for what readers see alike: escapes decoded, accents, full-width forms and odd spaces folded.
//!
//! Detectors read *units*: an ASCII byte, [`LETTER`] or [`SIGN`]. A unit stands for one or more bytes of the text.

/// A letter that has no ASCII form.
pub(super) const LETTER: u8 = 0x80;
/// Any other character that has no ASCII form: « », …, emoji.
pub(super) const SIGN: u8 = 0x81;

/// What stands at the beginning of `raw` (which must not be empty): its unit, or `None` for what nobody sees
/// (zero-width characters, combining accents, soft hyphens), and how many bytes it takes.
pub(super) fn unit(raw: &[u8]) -> (Option<u8>, usize) {
    let first = raw[0];
    let escape = match first {
        b'%' => percent(raw),
        b'&' => entity(raw),
        b'\\' => backslash(raw),
        0x80.. => {
            let (code, len) = utf8(|at| raw.get(at).copied());
            return (fold(code), len);
        }
        _ => None,
    };
    match escape {
        Some((code, len)) => (fold(code), len),
        None => (fold(first.into()), 1),
    }
}

/// A scalar of UTF-8 and its bytes; what is no UTF-8 is a letter of one byte, so that no boundary is seen there.
fn utf8(byte: impl Fn(usize) -> Option<u8>) -> (u32, usize) {
    let first = byte(0).unwrap_or_default();
    let (len, mut code) = match first {
        0..0x80 => return (first.into(), 1),
        0xC2..0xE0 => (2, u32::from(first & 0x1F)),
        0xE0..0xF0 => (3, u32::from(first & 0x0F)),
        0xF0..0xF5 => (4, u32::from(first & 0x07)),
        _ => return (0xFFFF, 1),
    };
    for at in 1..len {
        match byte(at) {
            Some(next @ 0x80..0xC0) => code = code << 6 | u32::from(next & 0x3F),
            _ => return (0xFFFF, 1),
        }
    }
    (code, len)
}

/// `%40`, `%C3%A9`, and once more encoded: `%2540`.
fn percent(raw: &[u8]) -> Option<(u32, usize)> {
    let width = if raw.starts_with(b"%25") && hex(raw.get(3..5)?).is_some() { 5 } else { 3 };
    let byte = |at: usize| {
        let piece = raw.get(at * width..(at + 1) * width)?;
        let marked = piece[0] == b'%' && (width == 3 || piece[..3] == *b"%25");
        hex(&piece[width - 2..]).filter(|_| marked).and_then(|byte| u8::try_from(byte).ok())
    };
    byte(0)?;
    let (code, len) = utf8(byte);
    (code != 0xFFFF).then_some((code, len * width))
}

/// `\u0040`, `\x40`, `\n`, `\/`; also where the backslash itself was escaped, as in JSON within JSON.
fn backslash(raw: &[u8]) -> Option<(u32, usize)> {
    let slashes = raw.iter().take(4).take_while(|byte| **byte == b'\\').count();
    let digits = |from: usize, len: usize| hex(raw.get(from..from + len)?);
    match raw.get(slashes)? {
        b'u' => {
            let code = digits(slashes + 1, 4)?;
            let len = slashes + 5;
            if (0xD800..0xDC00).contains(&code) && raw.get(len..).is_some_and(|rest| rest.starts_with(b"\\"))
            {
                let again = raw[len..].iter().take(4).take_while(|byte| **byte == b'\\').count();
                if raw.get(len + again) == Some(&b'u') {
                    let low = digits(len + again + 1, 4).filter(|low| (0xDC00..0xE000).contains(low))?;
                    return Some((0x10000 + ((code - 0xD800) << 10) + (low - 0xDC00), len + again + 5));
                }
            }
            Some((code, len))
        }
        b'x' => Some((digits(slashes + 1, 2)?, slashes + 3)),
        b'n' if slashes == 1 => Some((u32::from(b'\n'), 2)),
        b'r' | b't' if slashes == 1 => Some((u32::from(b' '), 2)),
        mark @ (b'/' | b'"') => Some((u32::from(*mark), slashes + 1)),
        _ => None,
    }
}

/// Names of HTML that can stand in a number, an address or the words around it.
const ENTITIES: &[(&[u8], u32)] = &[
    (b"commat", 0x40),
    (b"period", 0x2E),
    (b"plus", 0x2B),
    (b"colon", 0x3A),
    (b"comma", 0x2C),
    (b"sol", 0x2F),
    (b"lpar", 0x28),
    (b"rpar", 0x29),
    (b"lowbar", 0x5F),
    (b"hyphen", 0x2D),
    (b"dash", 0x2D),
    (b"ndash", 0x2D),
    (b"mdash", 0x2D),
    (b"minus", 0x2D),
    (b"nbsp", 0x20),
    (b"NonBreakingSpace", 0x20),
    (b"thinsp", 0x20),
    (b"ensp", 0x20),
    (b"emsp", 0x20),
    (b"hairsp", 0x20),
    (b"numsp", 0x20),
    (b"puncsp", 0x20),
    (b"Tab", 0x20),
    (b"NewLine", 0x0A),
    (b"shy", 0xAD),
    (b"zwj", 0x200D),
    (b"zwnj", 0x200C),
    (b"amp", 0x26),
    (b"lt", 0x3C),
    (b"gt", 0x3E),
    (b"quot", 0x22),
    (b"apos", 0x27),
    (b"rsquo", 0x27),
    (b"eacute", 0xE9),
    (b"Eacute", 0xC9),
    (b"egrave", 0xE8),
    (b"Egrave", 0xC8),
    (b"ecirc", 0xEA),
    (b"euml", 0xEB),
    (b"agrave", 0xE0),
    (b"acirc", 0xE2),
    (b"ccedil", 0xE7),
    (b"icirc", 0xEE),
    (b"iuml", 0xEF),
    (b"ocirc", 0xF4),
    (b"ugrave", 0xF9),
    (b"ucirc", 0xFB),
    (b"deg", 0xB0),
];

/// `&#64;`, `&#x40;`, `&commat;`.
fn entity(raw: &[u8]) -> Option<(u32, usize)> {
    let body = &raw[1..raw.len().min(20)];
    if body.first() == Some(&b'#') {
        let radix = if matches!(body.get(1)?, b'x' | b'X') { 16 } else { 10 };
        let from = if radix == 16 { 2 } else { 1 };
        let digits = body[from..].iter().take(7).take_while(|byte| (**byte as char).is_digit(radix)).count();
        let text = std::str::from_utf8(&body[from..from + digits]).ok()?;
        let code = u32::from_str_radix(text, radix).ok()?;
        let closed = usize::from(body.get(from + digits) == Some(&b';'));
        return Some((code, 1 + from + digits + closed));
    }
    let end = memchr::memchr(b';', body)?;
    let (_, code) = ENTITIES.iter().find(|(name, _)| *name == &body[..end])?;
    Some((*code, end + 2))
}

fn hex(digits: &[u8]) -> Option<u32> {
    digits.iter().try_fold(0, |sum, digit| Some(sum << 4 | (*digit as char).to_digit(16)?))
}

/// Latin-1's letters from U+00C0 on, without their accents.
const LATIN: &[u8; 64] = b"AAAAAAACEEEEIIIIDNOOOOO*OUUUUYTsaaaaaaaceeeeiiiidnooooo/ouuuuyty";

/// A scalar as a unit.
fn fold(code: u32) -> Option<u8> {
    Some(match code {
        0x0A => b'\n',
        0x00..0x20 | 0x7F => b' ',
        0x20..0x7F => u8::try_from(code).unwrap_or(SIGN),
        0xA0 | 0x2000..=0x200A | 0x202F | 0x205F | 0x3000 => b' ',
        0xAD | 0x200B..=0x200F | 0x202A..=0x202E | 0x2060..=0x2064 | 0x2066..=0x2069 | 0xFE00..=0xFE0F => {
            return None;
        }
        0xFEFF | 0x0300..=0x036F | 0x180E => return None,
        0xAA | 0xBA => b'o',
        0xB7 | 0x2024 | 0x2027 => b'.',
        0x80..0xC0 => SIGN,
        0xC0..0x100 => LATIN[(code - 0xC0) as usize],
        0x152 => b'O',
        0x153 => b'o',
        0x2010..=0x2015 | 0x2212 | 0x2043 | 0xFE58 | 0xFE63 => b'-',
        0x2018 | 0x2019 | 0x02BC => b'\'',
        0x2028 | 0x2029 => b'\n',
        0x2044 => b'/',
        0x2010..0x2E80 | 0x3001..0x3040 => SIGN,
        0xFF01..=0xFF5E => u8::try_from(code - 0xFEE0).unwrap_or(SIGN),
        0xFE6B => b'@',
        // Arabic-Indic digits, and those of mathematics.
        0x0660..=0x0669 => b'0' + ((code - 0x0660) as u8),
        0x06F0..=0x06F9 => b'0' + ((code - 0x06F0) as u8),
        0x1D7CE..=0x1D7FF => b'0' + (((code - 0x1D7CE) % 10) as u8),
        0x1F000.. => SIGN,
        _ => LETTER,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn units(mut raw: &[u8]) -> String {
        let mut text = String::new();
        while !raw.is_empty() {
            let (unit, len) = unit(raw);
            text.extend(unit.map(|unit| match unit {
                LETTER => '~',
                SIGN => '#',
                unit => unit as char,
            }));
            raw = &raw[len..];
        }
        text
    }

    #[test]
    fn escapes_are_decoded() {
        for (raw, read) in [
            ("jean%40x.fr", "jean@x.fr"),
            ("%2B33%206", "+33 6"),
            ("a%2540b %C3%A9 %c2%a0", "a@b e  "),
            ("100% de 5%e", "100% de 5%e"),
            ("x&#64;y&#x40;z&commat;&#64 &nbsp;&eacute;", "x@y@z@@  e"),
            ("R&D &inconnu; &", "R&D &inconnu; &"),
            (r"x\u0040y \\u0040 \u00e9\x40", "x@y @ e@"),
            (r"C:\users \q \/", r"C:\users \q /"),
            ("\\ud835\\udfd8\u{1D7D9}", "01"),
            (r"\ud835", "~"),
        ] {
            assert_eq!(units(raw.as_bytes()), read, "{raw}");
        }
    }

    #[test]
    fn what_looks_alike_is_alike() {
        for (raw, read) in [
            ("０６＠＋", "06@+"),
            ("0\u{200B}6\u{A0}1\u{202F}2\u{2009}3\u{AD}4", "06 1 2 34"),
            ("é e\u{301} Ç Œ ’ – − ‑", "e e C O ' - - -"),
            ("« 5 € » 😀 Ω", "# 5 # # # ~"),
            ("٠١٢", "012"),
        ] {
            assert_eq!(units(raw.as_bytes()), read, "{raw}");
        }
        assert_eq!(units(b"a\xFFb\xC3"), "a~b~");
    }
}
