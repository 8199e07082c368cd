//! Character references (WHATWG HTML 13.2.5.72 and following), and how text is written so that it needs none.

use std::borrow::Cow;

use html_escape::NAMED_ENTITIES;

/// Names that stand without a semicolon too, as pages had them before there was a standard.
const BARE: [&str; 106] = [
    "AElig", "AMP", "Aacute", "Acirc", "Agrave", "Aring", "Atilde", "Auml", "COPY", "Ccedil", "ETH",
    "Eacute", "Ecirc", "Egrave", "Euml", "GT", "Iacute", "Icirc", "Igrave", "Iuml", "LT", "Ntilde", "Oacute",
    "Ocirc", "Ograve", "Oslash", "Otilde", "Ouml", "QUOT", "REG", "THORN", "Uacute", "Ucirc", "Ugrave",
    "Uuml", "Yacute", "aacute", "acirc", "acute", "aelig", "agrave", "amp", "aring", "atilde", "auml",
    "brvbar", "ccedil", "cedil", "cent", "copy", "curren", "deg", "divide", "eacute", "ecirc", "egrave",
    "eth", "euml", "frac12", "frac14", "frac34", "gt", "iacute", "icirc", "iexcl", "igrave", "iquest",
    "iuml", "laquo", "lt", "macr", "micro", "middot", "nbsp", "not", "ntilde", "oacute", "ocirc", "ograve",
    "ordf", "ordm", "oslash", "otilde", "ouml", "para", "plusmn", "pound", "quot", "raquo", "reg", "sect",
    "shy", "sup1", "sup2", "sup3", "szlig", "thorn", "times", "uacute", "ucirc", "ugrave", "uml", "uuml",
    "yacute", "yen", "yuml",
];

/// Longest of them.
const MAX_BARE: usize = 6;

/// Longest name of a reference (`&CounterClockwiseContourIntegral;`).
const MAX_NAME: usize = 32;

/// What Windows meant by the numbers that Unicode keeps for controls (13.2.5.80).
const WINDOWS: [u16; 32] = [
    0x20ac, 0x81, 0x201a, 0x192, 0x201e, 0x2026, 0x2020, 0x2021, 0x2c6, 0x2030, 0x160, 0x2039, 0x152, 0x8d,
    0x17d, 0x8f, 0x90, 0x2018, 0x2019, 0x201c, 0x201d, 0x2022, 0x2013, 0x2014, 0x2dc, 0x2122, 0x161, 0x203a,
    0x153, 0x9d, 0x17e, 0x178,
];

/// Where a reference stands: behind a name without a semicolon, `=` and letters make it text in an attribute.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Within {
    Text,
    Attribute,
}

/// What a reference stands for: one character, by its number; one or two, by a name.
#[derive(Clone, Copy, Debug)]
pub(super) enum Meant {
    Number(char),
    Named(&'static str),
}

impl Meant {
    /// Whether there is a letter or a digit in it.
    pub(super) fn is_letter(self) -> bool {
        match self {
            Self::Number(one) => one.is_alphanumeric(),
            Self::Named(some) => some.contains(char::is_alphanumeric),
        }
    }

    pub(super) fn push(self, text: &mut Vec<u8>) {
        match self {
            Self::Number(one) => text.extend_from_slice(one.encode_utf8(&mut [0; 4]).as_bytes()),
            Self::Named(some) => text.extend_from_slice(some.as_bytes()),
        }
    }
}

/// What the reference at the beginning of `raw`, which is an `&`, stands for, and its length in bytes. What is none is
/// the `&` itself.
pub(super) fn reference(raw: &[u8], within: Within) -> (Meant, usize) {
    number(raw)
        .map(|(one, length)| (Meant::Number(one), length))
        .or_else(|| name(raw, within).map(|(some, length)| (Meant::Named(some), length)))
        .unwrap_or((Meant::Number('&'), 1))
}

fn number(raw: &[u8]) -> Option<(char, usize)> {
    let (radix, from) = match raw.get(1..3)? {
        [b'#', b'x' | b'X'] => (16, 3),
        [b'#', _] => (10, 2),
        _ => return None,
    };
    let digits = raw[from..].iter().take_while(|&&byte| char::from(byte).is_digit(radix)).count();
    if digits == 0 {
        return None;
    }
    let value = raw[from..from + digits].iter().fold(0_u32, |value, &byte| {
        value.saturating_mul(radix).saturating_add(char::from(byte).to_digit(radix).unwrap_or_default())
    });
    let value = match value {
        0x80..0xa0 => WINDOWS[(value - 0x80) as usize].into(),
        0 => 0xfffd,
        other => other,
    };
    let end = from + digits;
    let closed = usize::from(raw.get(end) == Some(&b';'));
    Some((char::from_u32(value).unwrap_or('\u{fffd}'), end + closed))
}

fn name(raw: &[u8], within: Within) -> Option<(&'static str, usize)> {
    let letters = raw[1..].iter().take(MAX_NAME + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = &raw[1..=letters];
    if raw.get(letters + 1) == Some(&b';')
        && let Some(text) = named(name)
    {
        return Some((text, letters + 2));
    }
    let is_bare = |name: &[u8]| BARE.binary_search_by(|known| known.as_bytes().cmp(name)).is_ok();
    let length = (2..=letters.min(MAX_BARE)).rev().find(|&length| is_bare(&name[..length]))?;
    let next = raw.get(length + 1);
    let is_text = next.is_some_and(|byte| *byte == b'=' || byte.is_ascii_alphanumeric());
    let text = named(&name[..length]).filter(|_| within == Within::Text || !is_text)?;
    Some((text, length + 1))
}

fn named(name: &[u8]) -> Option<&'static str> {
    // Nearly all that pages have.
    match name {
        b"amp" => return Some("&"),
        b"nbsp" => return Some("\u{a0}"),
        b"quot" => return Some("\""),
        b"lt" => return Some("<"),
        b"gt" => return Some(">"),
        _ => {}
    }
    let place = NAMED_ENTITIES.binary_search_by(|(known, _)| (*known).cmp(name)).ok()?;
    Some(NAMED_ENTITIES[place].1)
}

/// A text as it is read. Bytes that are no UTF-8 have none.
pub(super) fn decoded(raw: &[u8], within: Within) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', raw) else {
        return std::str::from_utf8(raw).map_or_else(|_| String::from_utf8_lossy(raw), Cow::Borrowed);
    };
    let mut text = Vec::with_capacity(raw.len());
    text.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(&byte) = rest.first() {
        if byte == b'&' {
            let (meant, length) = reference(rest, within);
            meant.push(&mut text);
            rest = &rest[length..];
        } else {
            let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
            text.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
    }
    Cow::Owned(
        String::from_utf8(text).unwrap_or_else(|text| String::from_utf8_lossy(text.as_bytes()).into_owned()),
    )
}

/// Writes a text so that it means itself, between tags as well as between quotes.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    for byte in text.bytes() {
        match byte {
            b'<' => out.extend_from_slice(b"&lt;"),
            b'>' => out.extend_from_slice(b"&gt;"),
            b'&' => out.extend_from_slice(b"&amp;"),
            b'"' => out.extend_from_slice(b"&quot;"),
            b'\'' => out.extend_from_slice(b"&#39;"),
            // Readers make others of them.
            0 | b'\r' => {}
            _ => out.push(byte),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_read_as_browsers_read_them() {
        for (raw, text, attribute) in [
            ("a&amp;b", "a&b", "a&b"),
            ("&#74;&#x65;&#X61;n", "Jean", "Jean"),
            ("&#0000000000000064;&#64x&#x40g", "@@x@g", "@@x@g"),
            ("&commat;&period;&lowbar;", "@._", "@._"),
            ("Pr&eacute;nom Pr&eacutenom", "Prénom Prénom", "Prénom Pr&eacutenom"),
            ("&nbsp06", "\u{a0}06", "&nbsp06"),
            ("?a=1&copy=2", "?a=1©=2", "?a=1&copy=2"),
            // The longest name counts, and the standard has `notin` with a semicolon only.
            ("&notit; &not; &notin; &notinx", "¬it; ¬ ∉ ¬inx", "&notit; ¬ ∉ &notinx"),
            ("&nosuch; &amp", "&nosuch; &", "&nosuch; &"),
            ("&REG &Agrave;&Abreve;&lsquor;", "® ÀĂ‚", "® ÀĂ‚"),
            // Letters in other dress, two characters, and the longest name.
            ("&fjlig;&Jopf;&acE;", "fj𝕁∾̳", "fj𝕁∾̳"),
            ("&CounterClockwiseContourIntegral;", "∳", "∳"),
            ("R&D & &; &# &#; &#x;", "R&D & &; &# &#; &#x;", "R&D & &; &# &#; &#x;"),
            ("&#128;&#150;", "€–", "€–"),
            (
                "&#0;&#xD800;&#x110000;&#99999999999999;",
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
                "\u{fffd}\u{fffd}\u{fffd}\u{fffd}",
            ),
            ("&", "&", "&"),
            ("&0612345678;", "&0612345678;", "&0612345678;"),
        ] {
            assert_eq!(decoded(raw.as_bytes(), Within::Text), text, "{raw}");
            assert_eq!(decoded(raw.as_bytes(), Within::Attribute), attribute, "{raw}");
        }
    }

    #[test]
    fn the_table_is_that_of_the_standard() {
        // 2231 names: 2125 with a semicolon, 106 of these without as well.
        assert_eq!(NAMED_ENTITIES.len(), 2125);
        assert!(NAMED_ENTITIES.is_sorted() && BARE.is_sorted());
        assert!(BARE.iter().all(|name| named(name.as_bytes()).is_some() && name.len() <= MAX_BARE));
        assert!(NAMED_ENTITIES.iter().all(|(name, _)| name.len() <= MAX_NAME));
    }

    #[test]
    fn what_is_escaped_means_itself() {
        let text = "<b> \"é\" & 'x' &amp;";
        let mut out = Vec::new();
        escape(text, &mut out);
        assert!(!out.contains(&b'<') && !out.contains(&b'"'));
        assert_eq!(decoded(&out, Within::Attribute), text);
    }
}
