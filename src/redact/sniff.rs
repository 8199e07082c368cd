//! What the first bytes of a body show, where its type says nothing or lies.

use super::{
    Format,
    texts::{Extent, SEPARATOR},
    wrapped::{Front, GUARDS, front},
};

/// What a beginning shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sniffed {
    /// The format, as far as can be told; `None` for something else than JSON.
    pub format: Option<Format>,
    /// Whether more of the body could change that.
    pub sure: bool,
}

/// Looks for JSON at the beginning of a body: for one text or many, guarded ones, sequences and, for
/// callbacks that `calls` expects, JSONP.
///
/// The first tokens are looked at: `{{template}}` and `[1] a footnote` are no JSON. A byte order mark of UTF-16 or UTF-32,
/// a NUL among the first bytes, or white space of other grammars might hide JSON from this look: they are called JSON,
/// which the reader then refuses.
pub fn sniff(start: &[u8], calls: impl Fn(&[u8]) -> bool) -> Sniffed {
    let sure = |format| Sniffed { format, sure: true };
    let unsure = |format| Sniffed { format, sure: false };
    if start.starts_with(&[0xff, 0xfe])
        || start.starts_with(&[0xfe, 0xff])
        || start.iter().take(4).any(|&byte| byte == 0)
    {
        return sure(Some(Format::Texts));
    }
    if start.first() == Some(&SEPARATOR) {
        return match begins_as_json(start) {
            None => unsure(Some(Format::Sequence)),
            Some(json) => sure(json.then_some(Format::Sequence)),
        };
    }
    let json = begins_as_json(start);
    let guess = (json != Some(false)).then_some(Format::Texts);
    match front(start, true) {
        Front::Guard(_) => sure(Some(Format::Wrapped)),
        // Behind white space of other grammars: the reader refuses it.
        Front::Plain if GUARDS.iter().any(|guard| trim_start(start).starts_with(guard)) => {
            sure(Some(Format::Wrapped))
        }
        Front::Call(end) if calls(callback(&start[..end])) => call(&start[end..]),
        // A longer name may be the one.
        Front::More => unsure(guess),
        Front::Call(_) | Front::Plain => match json {
            None => unsure(guess),
            Some(_) => sure(guess),
        },
    }
}

/// What stands behind `callback(`: JSONP where an array or an object is the only argument. `define(["a"], …` is a script.
fn call(argument: &[u8]) -> Sniffed {
    let wrapped = Some(Format::Wrapped);
    match begins_as_json(argument) {
        None => Sniffed { format: None, sure: false },
        Some(false) => Sniffed { format: None, sure: true },
        Some(true) => {
            let behind = Extent::default().end(argument).map(|end| trim_start(&argument[end..]).first());
            match behind.flatten() {
                None => Sniffed { format: wrapped, sure: false },
                Some(b')') => Sniffed { format: wrapped, sure: true },
                Some(_) => Sniffed { format: None, sure: true },
            }
        }
    }
}

/// The name in front of a call's bracket.
fn callback(front: &[u8]) -> &[u8] {
    let front = front.strip_suffix(b"(").unwrap_or(front);
    let is_name =
        |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'[' | b']');
    let start = front.iter().rposition(|byte| !is_name(byte)).map_or(0, |at| at + 1);
    &front[start..]
}

/// Whether a text begins as a JSON array or object; `None` while too little of it is known.
pub(super) fn begins_as_json(start: &[u8]) -> Option<bool> {
    let text = trim_start(start);
    let (first, rest) = text.split_first()?;
    let rest = trim_start(rest);
    match (first, rest.first()) {
        (b'{' | b'[', None) => None,
        (b'{', Some(next)) => Some(matches!(next, b'"' | b'}')),
        (b'[', Some(b'{' | b'[' | b'"' | b']')) => Some(true),
        (b'[', Some(_)) => begins_as_list(rest),
        _ => Some(false),
    }
}

/// Whether a list whose first element is no text, list or object goes on as one: `[1, …`.
fn begins_as_list(text: &[u8]) -> Option<bool> {
    let end = text
        .iter()
        .position(|byte| !matches!(byte, b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'+' | b'-' | b'.'));
    let (scalar, rest) = text.split_at(end.unwrap_or(text.len()));
    let is_number = scalar.first().is_some_and(|first| first.is_ascii_digit() || *first == b'-');
    let is_word = WORDS.iter().any(|word| word.starts_with(scalar));
    if scalar.is_empty() || !(is_number || is_word) {
        return Some(false);
    }
    let next = trim_start(rest).first();
    next.map(|&next| next == b',' && (is_number || WORDS.contains(&scalar)))
}

/// Elements of a list that are neither numbers nor texts; the last three as Python writes them.
const WORDS: [&[u8]; 6] = [b"true", b"false", b"null", b"NaN", b"Infinity", b"-Infinity"];

const BYTE_ORDER_MARK: [u8; 3] = [0xef, 0xbb, 0xbf];

/// White space of JSON, of text, and the mark of RFC 7464.
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0x0b | 0x0c | SEPARATOR | 0xa0)
}

/// Without byte order marks and what is blank in front.
fn trim_start(mut text: &[u8]) -> &[u8] {
    while let Some(rest) = text.strip_prefix(&BYTE_ORDER_MARK) {
        text = rest;
    }
    let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
    &text[start..]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn sniffed(start: &[u8]) -> Option<Option<Format>> {
        let Sniffed { format, sure } = sniff(start, |_| true);
        sure.then_some(format)
    }

    #[test]
    fn first_bytes_decide_where_the_type_lies() {
        let texts = Some(Some(Format::Texts));
        let wrapped = Some(Some(Format::Wrapped));
        for (start, expected) in [
            (&b""[..], None),
            (b"  [", None),
            (b"[{", texts.clone()),
            (b" {\n \"a\"", texts.clone()),
            (b"\xef\xbb\xbf[]", texts.clone()),
            (b"{{name}}", Some(None)),
            (b"[1] see", Some(None)),
            (b"<html>", Some(None)),
            (b"\xff\xfe[\0", texts.clone()),
            (b"\0[", texts.clone()),
            (b"\xef\xbb\xbf\xef\xbb\xbf {\"", texts.clone()),
            (b"\x1e{\"a\"", Some(Some(Format::Sequence))),
            (b"\x1e", None),
            (b"\n\x1e{\"a\"", texts.clone()),
            (b")]}',\n{", wrapped.clone()),
            (b")]", None),
            (b"while(1);[", wrapped.clone()),
            (b"\x0c)]}'\n[", wrapped.clone()),
            (b"throw 1; <dont be evil>\n{", wrapped.clone()),
            (b"while(true)", Some(None)),
            (b"[1, {", texts.clone()),
            (b"[-1.5e3 ,", texts.clone()),
            (b"[12", None),
            (b"[null,", texts.clone()),
            (b"[nu", None),
            (b"[NaN,", texts),
            (b"[1]", Some(None)),
            (b"[nobody, nowhere]", Some(None)),
            (b"[section]\n", Some(None)),
            (b"cb({\"a\":1})", wrapped.clone()),
            (b"cb({\"a\":1}", None),
            (b"cb({\"a\":\"})", None),
            (b"/**/ typeof a.b === 'function' && a.b([{}] )", wrapped.clone()),
            (b"$.x[0]( [1,2])", wrapped),
            (b"define([\"jquery\"], function", Some(None)),
            (b"call(1", Some(None)),
            (b"cb", None),
            (b"cb (", Some(None)),
            (b"a plain text", Some(None)),
            (b"/* a comment */", Some(None)),
            (b"!function(){}", Some(None)),
        ] {
            assert_eq!(sniffed(start), expected, "{:?}", String::from_utf8_lossy(start));
        }
    }

    #[test]
    fn calls_are_not_expected_everywhere() {
        assert_eq!(sniff(b"cb({\"a\":1})", |_| false), Sniffed { format: None, sure: true });
        assert_eq!(sniff(b"body", |_| false), Sniffed { format: None, sure: false });
        assert_eq!(sniff(b"while", |_| false), Sniffed { format: None, sure: false });
        let named = |name: &[u8]| name == b"app.done";
        assert_eq!(sniff(b"/**/ app.done({\"a\":1})", named).format, Some(Format::Wrapped));
        assert_eq!(
            sniff(b"typeof app.done === 'function' && app.done({\"a\":1})", named).format,
            Some(Format::Wrapped)
        );
        assert_eq!(sniff(b"require.config({\"a\":1});", named), Sniffed { format: None, sure: true });
        assert_eq!(sniff(b"while(1);", |_| false).format, Some(Format::Wrapped));
    }

    #[test]
    fn a_beginning_never_contradicts_a_longer_one() {
        for body in [
            &b" cb([{\"a\":[1,2,\"]})\"]}]);\n"[..],
            b")]}',\n[{\"a\":1}]",
            b"throw 1; < don't be evil' >{}",
            b"{} && [1]",
            b"\xef\xbb\xbf /**/cb({})",
            b"[1, 2]",
            b"define([\"a\"], 1)",
        ] {
            let whole = sniff(body, |_| true).format;
            for end in 0..body.len() {
                let Sniffed { format, sure } = sniff(&body[..end], |_| true);
                assert!(
                    !sure || format == whole,
                    "{}: {format:?} {whole:?}",
                    String::from_utf8_lossy(&body[..end])
                );
            }
        }
    }
}
