//! Character references (WHATWG HTML 13.2.5.72 and following), and how text is written so that it needs none.

use std::borrow::Cow;

/// Names that stand without a semicolon too, for ISO-8859-1: by their code, from U+00A0 on.
const LATIN: [&str; 96] = [
    "nbsp", "iexcl", "cent", "pound", "curren", "yen", "brvbar", "sect", "uml", "copy", "ordf", "laquo",
    "not", "shy", "reg", "macr", "deg", "plusmn", "sup2", "sup3", "acute", "micro", "para", "middot",
    "cedil", "sup1", "ordm", "raquo", "frac14", "frac12", "frac34", "iquest", "Agrave", "Aacute", "Acirc",
    "Atilde", "Auml", "Aring", "AElig", "Ccedil", "Egrave", "Eacute", "Ecirc", "Euml", "Igrave", "Iacute",
    "Icirc", "Iuml", "ETH", "Ntilde", "Ograve", "Oacute", "Ocirc", "Otilde", "Ouml", "times", "Oslash",
    "Ugrave", "Uacute", "Ucirc", "Uuml", "Yacute", "THORN", "szlig", "agrave", "aacute", "acirc", "atilde",
    "auml", "aring", "aelig", "ccedil", "egrave", "eacute", "ecirc", "euml", "igrave", "iacute", "icirc",
    "iuml", "eth", "ntilde", "ograve", "oacute", "ocirc", "otilde", "ouml", "divide", "oslash", "ugrave",
    "uacute", "ucirc", "uuml", "yacute", "thorn", "yuml",
];

/// The other names that stand without a semicolon.
const BARE: [(&str, char); 9] = [
    ("amp", '&'),
    ("AMP", '&'),
    ("lt", '<'),
    ("LT", '<'),
    ("gt", '>'),
    ("GT", '>'),
    ("quot", '"'),
    ("QUOT", '"'),
    ("COPY", '©'),
];

/// Names of characters that a name, a number or an address can be written with, and of those that nobody sees. Every
/// other name stands for signs and letters that no detector looks at.
const NAMED: [(&str, char); 86] = [
    ("Tab", '\t'),
    ("NewLine", '\n'),
    ("excl", '!'),
    ("num", '#'),
    ("dollar", '$'),
    ("percnt", '%'),
    ("apos", '\''),
    ("lpar", '('),
    ("rpar", ')'),
    ("ast", '*'),
    ("midast", '*'),
    ("plus", '+'),
    ("comma", ','),
    ("period", '.'),
    ("sol", '/'),
    ("colon", ':'),
    ("semi", ';'),
    ("equals", '='),
    ("quest", '?'),
    ("commat", '@'),
    ("lsqb", '['),
    ("lbrack", '['),
    ("bsol", '\\'),
    ("rsqb", ']'),
    ("rbrack", ']'),
    ("Hat", '^'),
    ("lowbar", '_'),
    ("UnderBar", '_'),
    ("grave", '`'),
    ("DiacriticalGrave", '`'),
    ("lcub", '{'),
    ("lbrace", '{'),
    ("verbar", '|'),
    ("vert", '|'),
    ("VerticalLine", '|'),
    ("rcub", '}'),
    ("rbrace", '}'),
    ("NonBreakingSpace", '\u{a0}'),
    ("centerdot", '·'),
    ("CenterDot", '·'),
    ("OElig", 'Œ'),
    ("oelig", 'œ'),
    ("Scaron", 'Š'),
    ("scaron", 'š'),
    ("Yuml", 'Ÿ'),
    ("ensp", '\u{2002}'),
    ("emsp", '\u{2003}'),
    ("emsp13", '\u{2004}'),
    ("emsp14", '\u{2005}'),
    ("numsp", '\u{2007}'),
    ("puncsp", '\u{2008}'),
    ("thinsp", '\u{2009}'),
    ("ThinSpace", '\u{2009}'),
    ("hairsp", '\u{200a}'),
    ("VeryThinSpace", '\u{200a}'),
    ("MediumSpace", '\u{205f}'),
    ("ThickSpace", '\u{205f}'),
    ("ZeroWidthSpace", '\u{200b}'),
    ("NegativeVeryThinSpace", '\u{200b}'),
    ("NegativeThinSpace", '\u{200b}'),
    ("NegativeMediumSpace", '\u{200b}'),
    ("NegativeThickSpace", '\u{200b}'),
    ("zwnj", '\u{200c}'),
    ("zwj", '\u{200d}'),
    ("lrm", '\u{200e}'),
    ("rlm", '\u{200f}'),
    ("hyphen", '\u{2010}'),
    ("dash", '\u{2010}'),
    ("ndash", '\u{2013}'),
    ("mdash", '\u{2014}'),
    ("horbar", '\u{2015}'),
    ("lsquo", '‘'),
    ("OpenCurlyQuote", '‘'),
    ("rsquo", '’'),
    ("rsquor", '’'),
    ("CloseCurlyQuote", '’'),
    ("minus", '\u{2212}'),
    ("NoBreak", '\u{2060}'),
    ("ApplyFunction", '\u{2061}'),
    ("af", '\u{2061}'),
    ("InvisibleTimes", '\u{2062}'),
    ("it", '\u{2062}'),
    ("InvisibleComma", '\u{2063}'),
    ("ic", '\u{2063}'),
    ("bull", '•'),
    ("hellip", '…'),
];

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

/// The character of the reference at the beginning of `raw`, which is an `&`, and its length in bytes. What is none is
/// the `&` itself.
pub(super) fn reference(raw: &[u8], within: Within) -> (char, usize) {
    number(raw).or_else(|| name(raw, within)).unwrap_or(('&', 1))
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

fn name(raw: &[u8], within: Within) -> Option<(char, usize)> {
    let letters = raw[1..].iter().take(MAX_NAME + 1).take_while(|byte| byte.is_ascii_alphanumeric()).count();
    let name = std::str::from_utf8(&raw[1..=letters]).ok()?;
    if !name.starts_with(|first: char| first.is_ascii_alphabetic()) {
        return None;
    }
    if raw.get(letters + 1) == Some(&b';') && letters <= MAX_NAME {
        let known = bare(name).or_else(|| NAMED.iter().find(|(known, _)| *known == name).map(|(_, c)| *c));
        // A sign that nobody looks at; or text, of which this is one.
        return Some((known.unwrap_or('•'), letters + 2));
    }
    let longest = (2..=letters.min(6)).rev().find_map(|length| Some((bare(&name[..length])?, length)));
    let (character, length) = longest?;
    let next = raw.get(length + 1);
    let is_text = next.is_some_and(|byte| *byte == b'=' || byte.is_ascii_alphanumeric());
    (within == Within::Text || !is_text).then_some((character, length + 1))
}

fn bare(name: &str) -> Option<char> {
    if let Some((_, character)) = BARE.iter().find(|(known, _)| *known == name) {
        return Some(*character);
    }
    let place = LATIN.iter().position(|known| *known == name)?;
    char::from_u32(0xa0 + place as u32)
}

/// A text as it is read. Bytes that are no UTF-8 have none.
pub(super) fn decoded(raw: &[u8], within: Within) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'&', raw) else { return String::from_utf8_lossy(raw) };
    let mut text = Vec::with_capacity(raw.len());
    text.extend_from_slice(&raw[..first]);
    let mut rest = &raw[first..];
    while let Some(&byte) = rest.first() {
        if byte == b'&' {
            let (character, length) = reference(rest, within);
            text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
            rest = &rest[length..];
        } else {
            let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
            text.extend_from_slice(&rest[..end]);
            rest = &rest[end..];
        }
    }
    Cow::Owned(String::from_utf8_lossy(&text).into_owned())
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
            ("&notit; &not;", "• ¬", "• ¬"),
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
    fn what_is_escaped_means_itself() {
        let text = "<b> \"é\" & 'x' &amp;";
        let mut out = Vec::new();
        escape(text, &mut out);
        assert!(!out.contains(&b'<') && !out.contains(&b'"'));
        assert_eq!(decoded(&out, Within::Attribute), text);
    }
}
