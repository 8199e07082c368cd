//! What holds of a JSON text holds of it on a line, in a sequence, in an event, behind a guard and in a call; and that it
//! hides nothing holds of it in a text, behind encodings and words.

use base64::{
    Engine as _,
    prelude::{BASE64_STANDARD, BASE64_URL_SAFE_NO_PAD},
};
use percent_encoding::{NON_ALPHANUMERIC, percent_decode, percent_encode};

use super::scenario::{CANARY, Plant, Scenario, document};
use super::source::Source;
use crate::policy::set::PersonalData;
use crate::redact::{Format, RedactError, Tally};

/// One or several texts in one wrapping, and what must leave of it.
struct Wrapping {
    format: Format,
    body: Vec<u8>,
    expected: Expected,
}

enum Expected {
    Bytes(Vec<u8>),
    Events(Vec<Event>),
}

/// An event as a browser sees it.
#[derive(Debug, Default, PartialEq, Eq)]
struct Event {
    kind: Vec<u8>,
    data: Vec<u8>,
    id: Option<Vec<u8>>,
}

/// A JSON text leaves every wrapping as it would leave alone, and is counted so; the wrapping leaves as it came. However
/// the body is cut.
///
/// So what is promised of JSON (no canary survives, valid stays valid, untouched stays identical, relations and actions
/// hold) is promised of its wrappings.
///
/// # Panics
/// If not.
pub fn wrappings_change_nothing(data: &[u8]) {
    let (choices, rest) = data.split_at(data.len() / 3);
    let scenario = Scenario::new(choices);
    let mut source = Source(rest);
    let texts: Vec<Vec<u8>> = (0..1 + source.below(4)).map(|_| text(&mut source, Plant::Anything)).collect();
    for wrapping in wrappings(&scenario, &texts, &mut source) {
        let (body, format) = (&wrapping.body, &wrapping.format);
        let (result, out, tally) = scenario.redact_as(format, body, &[]);
        let context = || format!("{format:?}: {}", String::from_utf8_lossy(body));
        assert_eq!(result, Ok(()), "{}", context());
        match &wrapping.expected {
            Expected::Bytes(expected) => {
                assert_eq!(String::from_utf8_lossy(&out), String::from_utf8_lossy(expected), "{}", context());
            }
            Expected::Events(expected) => {
                assert_eq!(&events(&out), expected, "{}", context());
                assert!(memchr::memmem::find(&out, CANARY.as_bytes()).is_none(), "{}", context());
            }
        }
        for chunks in [&*scenario.chunks, &[1]] {
            assert_eq!(
                scenario.redact_as(format, body, chunks),
                (result, out.clone(), tally.clone()),
                "{}",
                context()
            );
        }
    }
}

/// The same of any bytes: the same verdict, the same counts, and the same body where it is accepted.
///
/// # Panics
/// If not.
pub fn chunking_never_shows_in_any_wrapping(data: &[u8], damage: impl Fn(Vec<u8>) -> Vec<u8>) {
    let (choices, rest) = data.split_at(data.len() / 3);
    let scenario = Scenario::new(choices);
    let mut source = Source(rest);
    let texts = [text(&mut source, Plant::Anything), text(&mut source, Plant::Anything)];
    for Wrapping { format, body, .. } in wrappings(&scenario, &texts, &mut source) {
        let body = damage(body);
        let whole = scenario.redact_as(&format, &body, &[]);
        for chunks in [&*scenario.chunks, &[1]] {
            let cut = scenario.redact_as(&format, &body, chunks);
            assert_eq!(cut.0.is_ok(), whole.0.is_ok(), "{format:?}: {}", String::from_utf8_lossy(&body));
            if whole.0.is_ok() {
                assert_eq!(cut, whole, "{format:?}: {}", String::from_utf8_lossy(&body));
            }
        }
    }
}

/// A document in a text leaves no canary, whatever encodings and words are around it, one around the other, and however the
/// body is cut.
///
/// # Panics
/// If one does.
pub fn encodings_hide_nothing(data: &[u8]) {
    let (choices, rest) = data.split_at(data.len() / 2);
    let mut scenario = Scenario::with_canaries(choices);
    scenario.data = PersonalData::Undeclared;
    let mut source = Source(rest);
    let mut text = text(&mut source, Plant::Canaries);
    if !is_bracketed(&text) {
        return;
    }
    for _ in 0..1 + source.below(3) {
        text = encoded(&text, &mut source);
    }
    let Ok(body) = serde_json::to_vec(&[String::from_utf8_lossy(&text)]) else { return };
    let (result, out, tally) = scenario.redact_as(&Format::Json, &body, &[]);
    assert_eq!(result, Ok(()));
    let left: Vec<Option<String>> = serde_json::from_slice(&out).unwrap_or_default();
    for text in left.into_iter().flatten() {
        assert!(!reveals(text.as_bytes(), 4), "{text} is left of {}", String::from_utf8_lossy(&body));
    }
    for chunks in [&*scenario.chunks, &[1]] {
        assert_eq!(scenario.redact_as(&Format::Json, &body, chunks), (result, out.clone(), tally.clone()));
    }
}

fn encoded(text: &[u8], source: &mut Source<'_>) -> Vec<u8> {
    match source.below(6) {
        0 => BASE64_STANDARD.encode(text).into(),
        1 => BASE64_URL_SAFE_NO_PAD.encode(text).into(),
        2 => percent_encode(text, NON_ALPHANUMERIC).collect::<String>().into(),
        3 => [b"data:application/json;base64,", BASE64_STANDARD.encode(text).as_bytes()].concat(),
        4 => [b"INFO payload ", text, b" took 3 ms"].concat(),
        _ => [b"Bearer ".into(), BASE64_URL_SAFE_NO_PAD.encode(text).into(), b" x".to_vec()].concat(),
    }
}

/// Whether a canary stands in a text, or behind so many encodings.
fn reveals(text: &[u8], depth: usize) -> bool {
    let has = |text: &[u8]| memchr::memmem::find(text, CANARY.as_bytes()).is_some();
    let percent: Vec<u8> = percent_decode(text).collect();
    let is_between = |byte: &u8| !(byte.is_ascii_alphanumeric() || b"+/-_".contains(byte));
    let within = |run: &[u8]| {
        let url_safe = |byte: &u8| match byte {
            b'+' => b'-',
            b'/' => b'_',
            byte => *byte,
        };
        let run: Vec<u8> = run.iter().map(url_safe).collect();
        BASE64_URL_SAFE_NO_PAD.decode(run).is_ok_and(|inner| reveals(&inner, depth - 1))
    };
    has(text)
        || (depth > 0
            && ((percent != text && reveals(&percent, depth - 1))
                || text.split(is_between).any(|run| run.len() > 7 && within(run))))
}

/// A text that can stand on a line, and without white space around it.
fn text(source: &mut Source<'_>, plant: Plant) -> Vec<u8> {
    let mut text = document(source, plant);
    for byte in &mut text {
        if matches!(byte, b'\r' | b'\n') {
            *byte = b' ';
        }
    }
    text.trim_ascii().to_vec()
}

fn wrappings(scenario: &Scenario, texts: &[Vec<u8>], source: &mut Source<'_>) -> Vec<Wrapping> {
    let alone: Vec<Vec<u8>> = texts.iter().map(|text| redacted(scenario, text)).collect();
    let pairs: Vec<(&[u8], &[u8])> =
        texts.iter().zip(&alone).map(|(text, alone)| (text.as_slice(), alone.as_slice())).collect();
    let mut found = vec![
        lines(&pairs, source),
        sequence(&pairs, source),
        loose(&pairs, source),
        stream(scenario, texts, source),
    ];
    let guard =
        source.pick(&[")]}',\n", ")]}'", "while(1);", " for (;;); ", "throw 1; <dont be evil>\n", ""]);
    for format in [Format::Json, Format::Wrapped] {
        found.push(around(format, guard, pairs[0], ""));
    }
    if is_bracketed(pairs[0].0) {
        let call = source.pick(&[
            "callback(",
            "/**/jQuery_1.$f[0]( ",
            " /**/ typeof f === 'function' && f(",
            "\n/**/\nx(\n",
        ]);
        let end = source.pick(&[")", ");", " ) ;\n"]);
        found.push(around(Format::Wrapped, call, pairs[0], end));
    }
    found
}

fn redacted(scenario: &Scenario, text: &[u8]) -> Vec<u8> {
    let (result, out, _): (Result<(), RedactError>, Vec<u8>, Tally) =
        scenario.redact_as(&Format::Json, text, &[]);
    assert_eq!(result, Ok(()));
    out
}

fn is_bracketed(text: &[u8]) -> bool {
    matches!(text.first(), Some(b'{' | b'['))
}

fn around(format: Format, front: &str, (text, alone): (&[u8], &[u8]), end: &str) -> Wrapping {
    let around = |text| [front.as_bytes(), text, end.as_bytes()].concat();
    Wrapping { format, body: around(text), expected: Expected::Bytes(around(alone)) }
}

fn lines(texts: &[(&[u8], &[u8])], source: &mut Source<'_>) -> Wrapping {
    let (mut body, mut expected) = (Vec::new(), Vec::new());
    for (at, (text, alone)) in texts.iter().enumerate() {
        let end = match source.below(5) {
            0 if at + 1 == texts.len() => "",
            0 | 1 => "\n",
            2 => "\r\n",
            3 => " \n\n",
            _ => "\n \t\r\n ",
        };
        body.extend([text, end.as_bytes()].concat());
        expected.extend([alone, end.as_bytes()].concat());
    }
    Wrapping { format: Format::Lines, body, expected: Expected::Bytes(expected) }
}

fn sequence(texts: &[(&[u8], &[u8])], source: &mut Source<'_>) -> Wrapping {
    let (mut body, mut expected) = (Vec::new(), Vec::new());
    for (text, alone) in texts {
        let begin: &[u8] = source.pick(&[b"\x1e", b"\x1e", b"\x1e\x1e"]);
        body.extend([begin, text, b"\n"].concat());
        expected.extend([begin, alone, b"\n"].concat());
    }
    Wrapping { format: Format::Sequence, body, expected: Expected::Bytes(expected) }
}

fn loose(texts: &[(&[u8], &[u8])], source: &mut Source<'_>) -> Wrapping {
    let (mut body, mut expected) = (Vec::new(), Vec::new());
    let mut last: Option<(&[u8], &[u8])> = None;
    for &(text, alone) in texts {
        if let Some((before, before_alone)) = last {
            let adjacent = is_bracketed(before) && source.one_in(2);
            let between = if adjacent { "" } else { source.pick(&["\n", " ", "\r\n\t", "\n\n"]) };
            body.extend(between.bytes());
            let is_shut = matches!(before_alone.last(), Some(b'}' | b']'));
            expected.extend(if adjacent && !is_shut { "\n" } else { between }.bytes());
        }
        body.extend(text);
        expected.extend(alone);
        last = Some((text, alone));
    }
    Wrapping { format: Format::Texts, body, expected: Expected::Bytes(expected) }
}

/// Texts as events, in all the spellings that the format allows.
fn stream(scenario: &Scenario, texts: &[Vec<u8>], source: &mut Source<'_>) -> Wrapping {
    let mut body: Vec<u8> = source.pick(&["", "\u{feff}", "\n\n"]).into();
    let mut expected = Vec::new();
    for text in texts {
        let end = source.pick(&["\n", "\r\n", "\r"]);
        let mut line = |parts: &[&[u8]]| {
            body.extend(parts.concat());
            body.extend(end.bytes());
        };
        let canary = CANARY.as_bytes();
        let mut event = Event::default();
        for _ in 0..source.below(4) {
            match source.below(7) {
                0 => line(&[b": ", canary]),
                1 => line(&[canary, b": ", canary]),
                2 => line(&[b"retry: 10", canary]),
                3 => {
                    line(&[b"id: 4f-12"]);
                    event.id = Some(b"4f-12".into());
                }
                4 => {
                    line(&[b"id:", canary]);
                    event.id = None;
                }
                5 => {
                    line(&[b"event:score"]);
                    event.kind = b"score".into();
                }
                _ => line(&[b"data", canary, b": 1"]),
            }
        }
        // Lines may end wherever white space stands, which is never inside of a string here.
        let breaks = source.one_in(2);
        let mut pieces: Vec<Vec<u8>> = vec![Vec::new()];
        let (mut in_string, mut escaped) = (false, false);
        for &byte in text {
            if breaks && !in_string && byte == b' ' {
                pieces.push(Vec::new());
                continue;
            }
            in_string ^= byte == b'"' && !escaped;
            escaped = byte == b'\\' && !escaped;
            if let Some(piece) = pieces.last_mut() {
                piece.push(byte);
            }
        }
        for piece in &pieces {
            let bare = piece.first() != Some(&b' ') && source.one_in(2);
            line(&[if bare { b"data:" } else { b"data: " }, piece]);
        }
        line(&[b""]);
        event.data = redacted(scenario, &pieces.join(&b'\n'));
        expected.push(event);
    }
    if source.one_in(3) {
        body.extend(b"id: 1\ndata: {}");
    }
    Wrapping { format: Format::Events, body, expected: Expected::Events(expected) }
}

/// Reads a stream as WHATWG HTML 9.2.6 says, slowly.
fn events(stream: &[u8]) -> Vec<Event> {
    let text = String::from_utf8_lossy(stream).replace("\r\n", "\n").replace('\r', "\n");
    let text = text.strip_prefix('\u{feff}').unwrap_or(&text);
    let mut found = Vec::new();
    let (mut event, mut data) = (Event::default(), None::<String>);
    let whole_lines = text.rfind('\n').map_or("", |end| &text[..end]);
    for line in whole_lines.split('\n') {
        if line.is_empty() {
            if let Some(data) = data.take() {
                event.data = data.into_bytes();
                found.push(std::mem::take(&mut event));
            }
            event = Event::default();
            continue;
        }
        let (name, value) = line.split_once(':').unwrap_or((line, ""));
        let value = value.strip_prefix(' ').unwrap_or(value);
        match name {
            "data" => {
                data = Some(match data {
                    None => value.to_owned(),
                    Some(before) => format!("{before}\n{value}"),
                });
            }
            "event" => event.kind = value.into(),
            "id" => event.id = Some(value.into()),
            _ => {}
        }
    }
    found
}
