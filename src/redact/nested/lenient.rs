//! What a reader who is not strict could find in a text that is no JSON: JSON5, YAML, Python, a document that was cut, two
//! in one text, something behind the end.
//!
//! Such readers disagree on nearly everything but this: a name stands in front of a colon, an equals sign, or the comma of
//! a pair. So only the names are looked for, and wherever one may stand one is seen.

use std::borrow::Cow;

/// Whether one of the names in a text is hidden. Linear.
pub(super) fn names_any(text: &str, hides: impl Fn(&str) -> bool) -> bool {
    let text = without_entities(text);
    let (mut from, mut in_pair) = (0, false);
    for (at, byte) in text.bytes().enumerate() {
        let names = match byte {
            b':' | b'=' => true,
            // `[('full_name', 'Jean')]`
            b',' => in_pair,
            b'{' | b'}' | b'[' | b']' | b'(' | b')' | b';' => false,
            _ => continue,
        };
        if names && candidates(&text[from..at]).iter().flatten().any(|name| hides(&unescaped(name))) {
            return true;
        }
        from = at + 1;
        in_pair = byte == b'(';
    }
    false
}

/// What may be a name at the end of a piece: all of it, its last line, its last word, what stands between its last quotes.
fn candidates(piece: &str) -> [Option<&str>; 4] {
    let mut piece = piece.trim();
    while let Some(start) = piece.strip_suffix("*/").and_then(|rest| rest.rfind("/*")) {
        piece = piece[..start].trim_end();
    }
    let is_edge = |char: char| char.is_whitespace() || matches!(char, '"' | '\'' | '`' | '\\' | '?' | '-');
    let is_word = |char: char| {
        char.is_alphanumeric() || matches!(char, '_' | '-' | '.' | '$' | '\\') || !char.is_ascii()
    };
    let line = piece.rsplit(['\n', '\r']).next();
    let bare = piece.trim_end_matches(is_edge);
    let word = bare.rfind(|char| !is_word(char)).map(|at| &bare[at..]).map(|rest| {
        let mut chars = rest.chars();
        chars.next();
        chars.as_str()
    });
    let quoted = piece.rfind(['"', '\'', '`']).and_then(|end| {
        let front = &piece[..end];
        front.rfind(['"', '\'', '`']).map(|start| &front[start + 1..])
    });
    [Some(piece), line, word, quoted].map(|name| name.map(|name| name.trim_matches(is_edge)))
}

/// Quotes as HTML writes them.
pub(super) fn without_entities(text: &str) -> Cow<'_, str> {
    let mut text = Cow::Borrowed(text);
    if memchr::memchr(b'&', text.as_bytes()).is_none() {
        return text;
    }
    for entity in ["&quot;", "&#34;", "&#x22;", "&#39;", "&#x27;", "&apos;"] {
        if text.contains(entity) {
            text = Cow::Owned(text.replace(entity, "\""));
        }
    }
    text
}

/// A name without escapes, as JSON and JavaScript write them, however often they were escaped.
pub(in crate::redact) fn unescaped(name: &str) -> Cow<'_, str> {
    if !name.contains('\\') {
        return Cow::Borrowed(name);
    }
    let mut out = String::with_capacity(name.len());
    let mut rest = name;
    while let Some(at) = rest.find('\\') {
        out.push_str(&rest[..at]);
        rest = rest[at..].trim_start_matches('\\');
        let digits = match rest.as_bytes().first() {
            Some(b'u') => 4,
            Some(b'x') => 2,
            _ => continue,
        };
        let code = rest.get(1..1 + digits).and_then(|digits| u32::from_str_radix(digits, 16).ok());
        if let Some(char) = code.and_then(char::from_u32) {
            out.push(char);
            rest = &rest[1 + digits..];
        }
    }
    out.push_str(rest);
    Cow::Owned(out)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_seen_wherever_a_reader_could_see_one() {
        let hides = |name: &str| name == "nom" || name == "full name";
        for text in [
            "{nom:1}",
            "{'nom': 1}",
            "{ `nom` : 1",
            "{\"nom\"\n : 1} //",
            "{\"a\":1}{\"nom\":2}",
            "{\"a\":1,\"nom\":2,}",
            "{nom/* a */: 1}",
            "{\"nom\" // a\n: 1}",
            "{a: 1\n nom: 2}",
            "{\"n\\u006fm\":1,}",
            "{'n\\x6fm':1}",
            "{\\\"nom\\\":1,}",
            "{\\\\\\\"n\\\\\\u006fm\\\\\\\":1,}",
            "{'full name': 1}",
            "{&quot;nom&quot;:1}",
            "[('nom', 1)]",
            "{\"nom\"=>\"x\"}",
            "{nom=x}",
            "[- nom: x",
            "{? nom : x}",
        ] {
            assert!(names_any(text, hides), "{text}");
        }
        for text in [
            "{nom} manque",
            "[nom] a dit",
            "[sic] he said: yes",
            "{a:1, b:nom}",
            "[1] voir https://x.fr/nom",
            "{",
            "[é:ü](x=y)",
            "[\"nom\", 1] :",
        ] {
            assert!(!names_any(text, hides), "{text}");
        }
    }
}
