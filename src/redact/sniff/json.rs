//! Whether a body begins as JSON, in whatever wrapping.

use super::{Hints, LOOK, Seen, Verdict};
use crate::redact::{
    Format,
    texts::{Extent, SEPARATOR},
    wrapped::{Front, GUARDS, front},
};

/// Looks for JSON: one text or many, guarded ones, sequences and, for callbacks that `calls` expects, JSONP.
///
/// The first tokens are looked at: `{{template}}` and `[1] a footnote` are no JSON. Where only white space of other grammars
/// or control characters stand in front, it is JSON, which the reader then refuses.
pub(super) fn json(start: &[u8], hints: Hints<'_>) -> Verdict {
    let texts = || Some(Seen::Format(Format::Texts));
    if start.first() == Some(&SEPARATOR) {
        return match begins_as_json(start) {
            None => Verdict::Perhaps(Some(Seen::Format(Format::Sequence))),
            Some(true) => Format::Sequence.into(),
            Some(false) => Verdict::No,
        };
    }
    let json = begins_as_json(start);
    match front(start, true) {
        Front::Guard(_) => Format::Wrapped.into(),
        // Behind white space of other grammars: the reader refuses it.
        Front::Plain if GUARDS.iter().any(|guard| trim_start(start).starts_with(guard)) => {
            Format::Wrapped.into()
        }
        Front::Call(end) if (hints.calls)(callback(&start[..end])) => call(&start[end..]),
        front => match json {
            // Nobody reads JSON behind so much that is no text.
            None if start.len() > 64 && start.iter().any(|byte| *byte < b'\t') => Verdict::No,
            None => Verdict::Perhaps(texts()),
            // `{}` may be a guard. A longer name may be the one that is expected.
            Some(json) if front == Front::More => Verdict::Perhaps(json.then_some(()).and_then(|()| texts())),
            Some(true) => match is_program(start) {
                None => Verdict::Perhaps(texts()),
                Some(true) => Verdict::No,
                Some(false) => Format::Texts.into(),
            },
            Some(false) => [scalars(start), literal(start, hints), commented(start, hints)]
                .into_iter()
                .find(|verdict| *verdict != Verdict::No)
                .unwrap_or(Verdict::No),
        },
    }
}

/// Whether a text that begins as JSON is a program: a block with a directive, `{"use strict";`, or a list of scalars of
/// which it calls a method, `["a"].map(`. No reader of JSON takes either for a document. `None` while too little is known.
fn is_program(text: &[u8]) -> Option<bool> {
    const DIRECTIVE: &[u8] = b"\"use ";
    match trim_start(text) {
        [b'{', inside @ ..] => {
            let inside = trim_start(inside);
            let Some(rest) = inside.strip_prefix(DIRECTIVE) else {
                return if DIRECTIVE.starts_with(inside) { None } else { Some(false) };
            };
            let end = rest.iter().position(|byte| !byte.is_ascii_lowercase())?;
            if rest[end] != b'"' {
                return Some(false);
            }
            trim_start(&rest[end + 1..]).first().map(|&byte| byte == b';')
        }
        [b'[', inside @ ..] => {
            let (mut in_text, mut escaped) = (false, false);
            let end = inside.iter().position(|&byte| {
                in_text ^= byte == b'"' && !escaped;
                escaped = byte == b'\\' && !escaped;
                !in_text && matches!(byte, b'{' | b'[' | b']')
            })?;
            match &inside[end..] {
                [b']'] | [b']', b'.'] => None,
                [b']', b'.', name, ..] => Some(name.is_ascii_alphabetic()),
                _ => Some(false),
            }
        }
        _ => Some(false),
    }
}

/// JSON texts of which the first are no lists or objects: `7`, a line end, `{…}`.
fn scalars(start: &[u8]) -> Verdict {
    // A body of such alone has no names.
    let full = || Verdict::Perhaps((start.len() >= LOOK).then_some(Seen::Format(Format::Texts)));
    let (mut text, mut any) = (trim_start(start), false);
    loop {
        if any {
            match begins_as_json(text) {
                Some(true) => return Format::Texts.into(),
                None => return full(),
                Some(false) => {}
            }
        }
        let length = match text {
            [b'"', inside @ ..] => {
                let mut escaped = false;
                let end = inside.iter().position(|&byte| {
                    let ends = (byte == b'"' && !escaped) || byte < b' ';
                    escaped = byte == b'\\' && !escaped;
                    ends
                });
                match end {
                    None => return full(),
                    Some(end) if inside[end] == b'"' => end + 2,
                    Some(_) => return Verdict::No,
                }
            }
            _ => {
                let is_in = |byte: &u8| byte.is_ascii_alphanumeric() || b"+-.".contains(byte);
                let end = text.iter().position(|byte| !is_in(byte));
                let (scalar, behind) = text.split_at(end.unwrap_or(text.len()));
                let begins = serde_json::from_slice::<f64>(scalar).is_ok() || WORDS.contains(&scalar);
                match behind.first() {
                    None if begins || WORDS.iter().any(|word| word.starts_with(scalar)) => return full(),
                    Some(next) if begins && (is_blank(*next) || matches!(next, b'{' | b'[')) => scalar.len(),
                    _ => return Verdict::No,
                }
            }
        };
        text = trim_start(&text[length..]);
        any = true;
    }
}

/// An object as programs write it and JSON does not: `{nom: 'Jean'}`. With a name of the charter no reader of JSON may have
/// it; without one it is some other text in braces.
fn literal(start: &[u8], hints: Hints<'_>) -> Verdict {
    let Some(inside) = trim_start(start).strip_prefix(b"{").map(trim_start) else { return Verdict::No };
    let is_word = |byte: &u8| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'$') || *byte >= 0x80;
    let begins = match inside {
        [] => return Verdict::Perhaps(None),
        [b'\'', ..] | [b'/', b'/' | b'*', ..] | [b'/'] => true,
        [first, ..] if is_word(first) => {
            match trim_start(&inside[inside.iter().position(|byte| !is_word(byte)).unwrap_or(inside.len())..])
            {
                [] => return Verdict::Perhaps(None),
                [next, ..] => *next == b':',
            }
        }
        _ => false,
    };
    match (begins, keys(start).any(|key| hints.knows(&key))) {
        (true, true) => Format::Texts.into(),
        (true, false) => Verdict::Perhaps(None),
        (false, _) => Verdict::No,
    }
}

/// JSON in a comment, or behind one: of scripts, of pages, of settings; or in an element that shows a text as it is. Programs
/// take it out of there. With a name of the charter in it, no reader of JSON may have it.
fn commented(start: &[u8], hints: Hints<'_>) -> Verdict {
    const AROUND: [(&[u8], &[u8]); 4] = [(b"/*", b"*/"), (b"<!--", b"-->"), (b"//", b"\n"), (b"#", b"\n")];
    const ELEMENTS: [&[u8]; 3] = [b"<pre", b"<textarea", b"<xmp"];
    // With the name it is; without one it may yet come.
    let json = |text: &[u8]| match begins_as_json(text) {
        Some(false) => None,
        Some(true) if keys(text).any(|key| hints.knows(&key)) => Some(Format::Texts.into()),
        _ => Some(Verdict::Perhaps(None)),
    };
    let mut text = trim_start(start);
    loop {
        if let Some(verdict) = json(text) {
            return verdict;
        }
        let lower = text[..text.len().min(10)].to_ascii_lowercase();
        if ELEMENTS.iter().any(|element| lower.starts_with(element)) {
            let Some(end) = memchr::memchr(b'>', text) else { return Verdict::Perhaps(None) };
            return json(&text[end + 1..]).unwrap_or(Verdict::No);
        }
        let Some((open, close)) = AROUND.iter().find(|(open, _)| text.starts_with(open)) else {
            let begins = |mark: &&[u8]| mark.starts_with(&lower[..]);
            let more = AROUND.iter().any(|(open, _)| begins(open)) || ELEMENTS.iter().any(begins);
            return if more { Verdict::Perhaps(None) } else { Verdict::No };
        };
        let inside = &text[open.len()..];
        if let Some(verdict) = json(inside) {
            return verdict;
        }
        match memchr::memmem::find(inside, close) {
            Some(end) => text = &inside[end + close.len()..],
            None => return Verdict::Perhaps(None),
        }
        text = trim_start(text);
    }
}

/// What stands in front of each colon, without its quotes.
pub(in crate::redact) fn keys(text: &[u8]) -> impl Iterator<Item = String> {
    memchr::memchr_iter(b':', text).map(|colon| {
        let front = text[..colon].trim_ascii_end();
        let key = match front {
            [inside @ .., quote @ (b'"' | b'\'')] => {
                &inside[inside.iter().rposition(|byte| byte == quote).map_or(0, |at| at + 1)..]
            }
            _ => {
                let is_in =
                    |byte: &u8| byte.is_ascii_alphanumeric() || b"_-. ".contains(byte) || *byte >= 0x80;
                &front[front.iter().rposition(|byte| !is_in(byte)).map_or(0, |at| at + 1)..]
            }
        };
        let tail = &key[key.len().saturating_sub(MAX_KEY)..];
        String::from_utf8_lossy(tail).into_owned()
    })
}

/// Longest name that is looked up.
const MAX_KEY: usize = 256;

/// What stands behind `callback(`: JSONP where an array or an object is the only argument. `define(["a"], …` is a script.
fn call(argument: &[u8]) -> Verdict {
    match begins_as_json(argument) {
        None => Verdict::Perhaps(None),
        Some(false) => Verdict::No,
        Some(true) => {
            let behind = Extent::default().end(argument).map(|end| trim_start(&argument[end..]).first());
            match behind.flatten() {
                None => Verdict::Perhaps(Some(Seen::Format(Format::Wrapped))),
                Some(b')') => Format::Wrapped.into(),
                Some(_) => Verdict::No,
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
pub(in crate::redact) fn begins_as_json(start: &[u8]) -> Option<bool> {
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

/// Characters beyond ASCII that are blank or cannot be seen, in UTF-8.
const UNSEEN: [&[u8]; 12] = [
    &BYTE_ORDER_MARK,
    b"\xc2\x85",
    b"\xc2\xa0",
    b"\xe1\x9a\x80",
    b"\xe1\xa0\x8e",
    b"\xe2\x80\xa8",
    b"\xe2\x80\xa9",
    b"\xe2\x80\xaf",
    b"\xe2\x81\x9f",
    b"\xe2\x81\xa0",
    b"\xe3\x80\x80",
    // A no-break space of Latin-1.
    b"\xa0",
];

/// White space of JSON, of text, and control characters: no reader of JSON passes over all of them, but one may pass over
/// some.
fn is_blank(byte: u8) -> bool {
    byte <= b' ' || byte == 0x7f
}

/// Without byte order marks and what is blank or cannot be seen in front.
pub(super) fn trim_start(mut text: &[u8]) -> &[u8] {
    loop {
        let start = text.iter().position(|&byte| !is_blank(byte)).unwrap_or(text.len());
        text = &text[start..];
        let unseen = match text {
            // U+2000 to U+200F: spaces of all widths, and marks without any.
            [0xe2, 0x80, 0x80..=0x8f, ..] => 3,
            _ => UNSEEN.iter().find(|unseen| text.starts_with(unseen)).map_or(0, |unseen| unseen.len()),
        };
        if unseen == 0 {
            // One that is not whole yet may be unseen as well.
            let cut = UNSEEN.iter().any(|unseen| unseen.len() > text.len() && unseen.starts_with(text));
            return if cut { &[] } else { text };
        }
        text = &text[unseen..];
    }
}
