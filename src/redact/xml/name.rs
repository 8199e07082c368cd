//! Names and characters of XML 1.0 (fifth edition), and the references that stand for characters.

/// Longest name or reference, in bytes.
pub(super) const MAX_NAME: usize = 1024;

/// XML's white space (production 3).
pub(super) fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether a text is nothing but white space.
pub(super) fn blank(text: &[u8]) -> bool {
    text.iter().copied().all(is_blank)
}

/// Without the white space around.
pub(super) fn trim(text: &[u8]) -> &[u8] {
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    let end = text.iter().rposition(|&byte| !is_blank(byte)).map_or(start, |last| last + 1);
    &text[start..end]
}

/// Whether a document may hold it (production 2).
pub(super) fn is_character(c: char) -> bool {
    matches!(c, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}

/// Whether it is a name, with a prefix or without (Namespaces in XML 1.0, production 7).
pub(super) fn is_qualified(name: &[u8]) -> bool {
    let (mut begins, mut colons) = (true, 0);
    for &byte in name {
        match byte {
            b'A'..=b'Z' | b'a'..=b'z' | b'_' => begins = false,
            b'0'..=b'9' | b'-' | b'.' if !begins => {}
            b':' if !begins => {
                begins = true;
                colons += 1;
            }
            0x80.. => return is_qualified_beyond_ascii(name),
            _ => return false,
        }
    }
    !begins && colons <= 1
}

#[cold]
fn is_qualified_beyond_ascii(name: &[u8]) -> bool {
    let Ok(name) = std::str::from_utf8(name) else { return false };
    match name.split_once(':') {
        Some((prefix, local)) => is_unqualified(prefix) && is_unqualified(local),
        None => is_unqualified(name),
    }
}

/// A name without a colon.
pub(super) fn is_unqualified(name: &str) -> bool {
    let mut characters = name.chars();
    characters.next().is_some_and(begins_name) && characters.all(is_in_name)
}

/// Without its prefix, which never hides a name.
pub(super) fn local(name: &[u8]) -> &[u8] {
    name.iter().position(|&byte| byte == b':').map_or(name, |colon| &name[colon + 1..])
}

/// Production 4, without the colon.
fn begins_name(c: char) -> bool {
    matches!(c, 'A'..='Z' | 'a'..='z' | '_')
        || matches!(c, '\u{c0}'..='\u{d6}' | '\u{d8}'..='\u{f6}' | '\u{f8}'..='\u{2ff}' | '\u{370}'..='\u{37d}')
        || matches!(c, '\u{37f}'..='\u{1fff}' | '\u{200c}'..='\u{200d}' | '\u{2070}'..='\u{218f}')
        || matches!(c, '\u{2c00}'..='\u{2fef}' | '\u{3001}'..='\u{d7ff}' | '\u{f900}'..='\u{fdcf}')
        || matches!(c, '\u{fdf0}'..='\u{fffd}' | '\u{10000}'..='\u{effff}')
}

/// Production 4a, without the colon.
fn is_in_name(c: char) -> bool {
    begins_name(c)
        || matches!(c, '-' | '.' | '0'..='9' | '\u{b7}' | '\u{300}'..='\u{36f}' | '\u{203f}'..='\u{2040}')
}

/// The character of a reference, `&` and `;` included: one of the five that need no declaration, or a number. Anything
/// else could only be declared in a DOCTYPE, of which none that declares is read.
pub(super) fn reference(raw: &[u8]) -> Option<char> {
    let inside = raw.strip_prefix(b"&")?.strip_suffix(b";")?;
    match inside {
        b"lt" => Some('<'),
        b"gt" => Some('>'),
        b"amp" => Some('&'),
        b"quot" => Some('"'),
        b"apos" => Some('\''),
        [b'#', b'x', digits @ ..] => number(digits, 16),
        [b'#', digits @ ..] => number(digits, 10),
        _ => None,
    }
}

fn number(digits: &[u8], radix: u32) -> Option<char> {
    let mut value: u32 = 0;
    for &digit in digits {
        let digit = char::from(digit).to_digit(radix)?;
        value = value.checked_mul(radix)?.checked_add(digit)?;
    }
    let character = char::from_u32(value)?;
    (!digits.is_empty() && is_character(character)).then_some(character)
}

/// The text of a value whose references were found sound.
pub(super) fn decoded<'a>(raw: &'a [u8], room: &'a mut Vec<u8>) -> &'a [u8] {
    if memchr::memchr(b'&', raw).is_none() {
        return raw;
    }
    room.clear();
    let mut rest = raw;
    while let Some(start) = memchr::memchr(b'&', rest) {
        room.extend_from_slice(&rest[..start]);
        let end = memchr::memchr(b';', &rest[start..]).map_or(rest.len(), |end| start + end + 1);
        if let Some(character) = reference(&rest[start..end]) {
            room.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
        }
        rest = &rest[end..];
    }
    room.extend_from_slice(rest);
    room
}

/// Writes a text so that it means itself, between tags as well as between quotes.
pub(super) fn escape(text: &str, out: &mut Vec<u8>) {
    for character in text.chars().filter(|&c| is_character(c)) {
        match character {
            '<' => out.extend_from_slice(b"&lt;"),
            '>' => out.extend_from_slice(b"&gt;"),
            '&' => out.extend_from_slice(b"&amp;"),
            '"' => out.extend_from_slice(b"&quot;"),
            '\'' => out.extend_from_slice(b"&apos;"),
            '\t' => out.extend_from_slice(b"&#9;"),
            '\n' => out.extend_from_slice(b"&#10;"),
            '\r' => out.extend_from_slice(b"&#13;"),
            other => out.extend_from_slice(other.encode_utf8(&mut [0; 4]).as_bytes()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn references_are_the_five_and_numbers() {
        for (raw, expected) in [
            ("&lt;", Some('<')),
            ("&#106;", Some('j')),
            ("&#x6A;", Some('j')),
            ("&#x6a;", Some('j')),
            ("&#x1F600;", Some('😀')),
            ("&#0;", None),
            ("&#x1;", None),
            ("&#xD800;", None),
            ("&#xFFFE;", None),
            ("&#x110000;", None),
            ("&#99999999999999999999;", None),
            ("&#;", None),
            ("&#x;", None),
            ("&#X6a;", None),
            ("&nbsp;", None),
            ("&;", None),
            ("&LT;", None),
            ("&#-1;", None),
            ("&#+1;", None),
        ] {
            assert_eq!(reference(raw.as_bytes()), expected, "{raw}");
        }
    }

    #[test]
    fn names_have_one_prefix_at_most() {
        for good in ["a", "a:b", "_", "é", "a-b.c1", "saml:Attribute"] {
            assert!(is_qualified(good.as_bytes()), "{good}");
        }
        for bad in ["", ":", "a:", ":a", "a:b:c", "1", "-a", "a b", "a:1", "a\u{200b}", "a/", "a<", "\u{d7}"]
        {
            assert!(!is_qualified(bad.as_bytes()), "{bad}");
        }
    }
}
