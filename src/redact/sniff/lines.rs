//! Whether a body begins as parts, as events, or as lines of a name and a value.

use super::{
    Hints, LOOK, Properties, Seen, Verdict,
    json::{keys, trim_start},
};
use crate::redact::{Format, multipart::is_boundary};

/// Longest line that is looked at for what it is.
const MAX_LINE: usize = 4096;

/// Bodies of parts without their type, and events.
pub(super) fn streams(start: &[u8]) -> Verdict {
    let text = trim_start(start);
    match parts(text) {
        Verdict::No => events(text),
        verdict => verdict,
    }
}

/// A boundary and the head of a part.
fn parts(text: &[u8]) -> Verdict {
    let Some(rest) = text.strip_prefix(b"--") else {
        return if b"--".starts_with(text) { Verdict::Perhaps(None) } else { Verdict::No };
    };
    let Some(end) = rest.iter().take(128).position(|byte| matches!(byte, b'\r' | b'\n')) else {
        return if rest.len() < 128 { Verdict::Perhaps(None) } else { Verdict::No };
    };
    let boundary = String::from_utf8_lossy(&rest[..end]);
    let boundary = boundary.trim_end();
    if !is_boundary(boundary) {
        return Verdict::No;
    }
    const FIELD: &[u8] = b"content-";
    let head = rest[end..].trim_ascii_start();
    let word = &head[..head.len().min(FIELD.len())];
    if !FIELD[..word.len()].eq_ignore_ascii_case(word) {
        return Verdict::No;
    }
    let head = &head[..memchr::memmem::find(head, b"\r\n\r\n").unwrap_or(head.len())];
    let form = memchr::memmem::find(&head.to_ascii_lowercase(), b"form-data").is_some();
    let parts = Format::Multipart { boundary: boundary.into(), form };
    let is_whole = head.len() < rest[end..].trim_ascii_start().len() || head.len() >= MAX_LINE;
    if is_whole { parts.into() } else { Verdict::Perhaps(Some(Seen::Format(parts))) }
}

/// Lines of server-sent events: fields that clients know and comments, nothing else up to where an event ends.
fn events(text: &[u8]) -> Verdict {
    let (mut data, mut json, mut other) = (false, false, false);
    let mut rest = text;
    loop {
        let Some(end) = rest.iter().position(|byte| matches!(byte, b'\r' | b'\n')) else {
            // The last line may go on; with all of it told, it must be one of these.
            let known = [&b"data:"[..], b"event:", b"id:", b"retry:", b":"];
            let begun = known.iter().any(|field| field.starts_with(rest) || rest.starts_with(field));
            return match (begun, rest) {
                (false, _) => Verdict::No,
                (true, [b':', next, ..]) if *next != b' ' && !data && !other => Verdict::No,
                (true, _) => {
                    let json = json || rest.strip_prefix(b"data:").is_some_and(is_json);
                    let seen = json || (data && other) || rest.len() + text.len() >= LOOK;
                    Verdict::Perhaps(seen.then_some(Seen::Format(Format::Events)))
                }
            };
        };
        let (line, behind) = rest.split_at(end);
        let behind = behind.strip_prefix(b"\r\n").unwrap_or(&behind[1..]);
        let (name, value) = line.split_at(memchr::memchr(b':', line).unwrap_or(line.len()));
        match name {
            b"data" => {
                data = true;
                json |= value.strip_prefix(b":").is_some_and(is_json);
            }
            b"event" | b"id" | b"retry" if !value.is_empty() => other = true,
            // An event ends here, or there was a heartbeat.
            b"" if line.is_empty() => {
                if json || other {
                    return Format::Events.into();
                }
            }
            // `:root {` begins a style sheet, `:author: me` a text.
            b"" if matches!(line, b":" | [b':', b' ', ..]) => other = true,
            _ => return Verdict::No,
        }
        rest = behind;
    }
}

fn is_json(value: &[u8]) -> bool {
    matches!(value.trim_ascii_start().first(), Some(b'{' | b'['))
}

/// Lines of a name and a value: cards, calendars, directories, YAML.
pub(super) fn properties(start: &[u8], hints: Hints<'_>) -> Verdict {
    let text = trim_start(start);
    for (mark, properties) in [
        (&b"BEGIN:VCARD"[..], Properties::Card),
        (b"BEGIN:VCALENDAR", Properties::Calendar),
        (b"BEGIN:VEVENT", Properties::Calendar),
        (b"BEGIN:VTODO", Properties::Calendar),
    ] {
        let begun = &text[..text.len().min(mark.len())];
        if mark[..begun.len()].eq_ignore_ascii_case(begun) {
            return if begun.len() == mark.len() {
                Format::Properties(properties).into()
            } else {
                Verdict::Perhaps(None)
            };
        }
    }
    match directory(text) {
        Verdict::No => yaml(text, hints),
        verdict => verdict,
    }
}

/// LDIF (RFC 2849): a version, a distinguished name.
fn directory(text: &[u8]) -> Verdict {
    let mut lines = text.split(|byte| matches!(byte, b'\r' | b'\n')).map(<[u8]>::trim_ascii);
    let mut lines = lines.by_ref().filter(|line| !line.is_empty() && line[0] != b'#').peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let lower = line.to_ascii_lowercase();
        if lower.starts_with(b"dn:") && (lower.starts_with(b"dn::") || lower.contains(&b'=')) {
            return Format::Properties(Properties::Directory).into();
        }
        if !(lower.starts_with(b"version:")
            || (is_last && (b"version:".starts_with(&lower) || b"dn:".starts_with(&lower))))
        {
            return Verdict::No;
        }
    }
    if text.len() < MAX_LINE { Verdict::Perhaps(None) } else { Verdict::No }
}

/// YAML as data is written in it: nothing but keys, items and comments, among the keys one of the charter's.
fn yaml(text: &[u8], hints: Hints<'_>) -> Verdict {
    let (mut pairs, mut named, mut marked) = (0, false, false);
    let mut block = None;
    let mut lines = text.split(|&byte| byte == b'\n').peekable();
    while let Some(line) = lines.next() {
        let is_last = lines.peek().is_none();
        let content = line.trim_ascii();
        let indent = line.len() - line.trim_ascii_start().len();
        if content.is_empty() || content.starts_with(b"#") || (block.is_some_and(|outer| indent > outer)) {
            continue;
        }
        block = None;
        if matches!(content, b"---" | b"..." | b"-" | b"]" | b"}") || content.starts_with(b"%YAML") {
            marked |= matches!(content.first(), Some(b'%')) || content == b"---";
            continue;
        }
        if let Some(key) = content.strip_prefix(b"? ") {
            named |= hints.knows(&String::from_utf8_lossy(key));
            pairs += 1;
            continue;
        }
        if content.starts_with(b": ") && pairs > 0 {
            continue;
        }
        let mut item = content;
        let mut is_item = false;
        while let Some(inside) = item.strip_prefix(b"- ") {
            (item, is_item) = (inside.trim_ascii_start(), true);
        }
        match colon(item) {
            Some(at) => {
                pairs += 1;
                let key = keys(&item[..=at]).next().unwrap_or_default();
                // `User-agent:` is what a robots.txt begins with.
                let robots = key.eq_ignore_ascii_case("user-agent");
                named |= !robots && hints.knows(&key);
                let value = item[at + 1..].trim_ascii();
                named |= value.contains(&b'{') && keys(value).any(|key| hints.knows(&key));
                if matches!(value.first(), None | Some(b'|' | b'>')) || value.len() < 3 {
                    // What is deeper belongs to it; what it holds is looked at where it is a mapping.
                    block = matches!(value.first(), Some(b'|' | b'>')).then_some(indent);
                }
            }
            None if is_item => {
                named |= item.starts_with(b"{") && keys(item).any(|key| hints.knows(&key));
            }
            // The last line may not be whole.
            None if is_last && is_plain(item) => {}
            None => return Verdict::No,
        }
    }
    let yaml = || Seen::Format(Format::Properties(Properties::Yaml));
    match (pairs > 1 || (pairs > 0 && marked), named) {
        (true, true) if text.len() >= LOOK => Verdict::Is(yaml()),
        (true, true) => Verdict::Perhaps(Some(yaml())),
        _ => Verdict::Perhaps(None),
    }
}

/// The colon behind a plain or quoted key, with white space or the end of the line behind it.
fn colon(line: &[u8]) -> Option<usize> {
    let quoted = match line {
        [quote @ (b'"' | b'\''), inside @ ..] => memchr::memchr(*quote, inside)? + 2,
        _ => 0,
    };
    let at = quoted + memchr::memchr(b':', &line[quoted..])?;
    let ends = line.get(at + 1).is_none_or(|byte| matches!(byte, b' ' | b'\t' | b'\r'));
    ((quoted > 0 || is_plain(line[..at].trim_ascii())) && ends).then_some(at)
}

/// Whether a text can be a key without quotes: a few words.
fn is_plain(key: &[u8]) -> bool {
    let words = key.split(|&byte| byte == b' ').filter(|word| !word.is_empty()).count();
    let odd = key.iter().any(|byte| b"{}[]()<>;=,!?".contains(byte));
    !odd && (1..=4).contains(&words) && key.len() <= 64
}
