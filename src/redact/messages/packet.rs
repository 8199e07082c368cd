//! The packets of engine.io 3 and 4 and socket.io 2 to 5, and messages without any.

use serde::de::IgnoredAny;

use crate::redact::{events::is_token, way_back::Node};

/// Longest front of a packet, in bytes.
const MAX_FRONT: usize = 128;

/// What a message is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Packet<'a> {
    /// A packet that says nothing: a ping, a namespace that is joined or left, what the transport says when it opens.
    Signal,
    /// A JSON text.
    Document { front: &'a str, body: &'a str },
    /// A list of JSON texts; `named` where the first names the event.
    Event { front: &'a str, body: &'a str, named: bool },
    /// No JSON.
    Text,
}

impl<'a> Packet<'a> {
    pub(in crate::redact) fn of(message: &'a str) -> Self {
        let start = message.trim_start_matches(['\u{feff}', ' ', '\t', '\r', '\n']);
        if start.starts_with(['{', '[']) {
            return Self::Document { front: "", body: message };
        }
        if is_signal(message) {
            return Self::Signal;
        }
        let front = front(message);
        let (front, body) = message.split_at(front);
        if !front.is_empty() && body.starts_with(['{', '[', '"']) {
            return match front.as_bytes() {
                b"0" | [b'4', b'0', ..] if is_opening(body) => Self::Signal,
                [b'4', b'2' | b'5', ..] | [b'2' | b'5', ..] if body.starts_with('[') => {
                    Self::Event { front, body, named: true }
                }
                [b'4', b'3' | b'6', ..] | [b'3' | b'6', ..] if body.starts_with('[') => {
                    Self::Event { front, body, named: false }
                }
                _ => Self::Document { front, body },
            };
        }
        match serde_json::from_str::<IgnoredAny>(message) {
            Ok(_) => Self::Document { front: "", body: message },
            Err(_) => Self::Text,
        }
    }
}

/// Where the front of a packet ends: kind, number of attachments, namespace, number of the answer.
fn front(message: &str) -> usize {
    let bytes = &message.as_bytes()[..message.len().min(MAX_FRONT)];
    let digits = |from: usize| bytes[from..].iter().take_while(|byte| byte.is_ascii_digit()).count();
    let mut at = digits(0);
    if at == 0 {
        return 0;
    }
    if bytes.get(at) == Some(&b'-') {
        at += 1;
    }
    if bytes.get(at) == Some(&b'/') {
        let plain = |byte: &&u8| byte.is_ascii_alphanumeric() || matches!(byte, b'/' | b'_' | b'-' | b'.');
        let end = at + bytes[at..].iter().take_while(plain).count();
        if bytes.get(end) != Some(&b',') {
            return 0;
        }
        at = end + 1;
    }
    at + digits(at)
}

fn is_signal(message: &str) -> bool {
    let rest = match message.strip_prefix("40").or_else(|| message.strip_prefix("41")) {
        Some(rest) => rest,
        None => return matches!(message, "1" | "2" | "3" | "5" | "6" | "2probe" | "3probe"),
    };
    rest.is_empty() || (rest.starts_with('/') && front(message) == message.len())
}

/// What engine.io and socket.io say when they open, and nothing else.
fn is_opening(body: &str) -> bool {
    let is_word = |node: &Node| matches!(node, Node::Text(text) if is_token(text.as_bytes()));
    let Some(Node::Object(members)) = Node::read(body.as_bytes()) else { return false };
    members.iter().all(|(name, value)| match (name.as_str(), value) {
        ("sid" | "pingInterval" | "pingTimeout" | "maxPayload", value) => is_word(value),
        ("upgrades", Node::List(names)) => names.iter().all(is_word),
        _ => false,
    })
}

/// The elements of a list, as they are written; whether each is one JSON text is for its reader to say. `None` where
/// brackets and strings do not close.
pub(in crate::redact) fn elements(list: &str) -> Option<Vec<&str>> {
    let inside = list.trim().strip_prefix('[')?.strip_suffix(']')?;
    if inside.trim().is_empty() {
        return Some(Vec::new());
    }
    let (mut elements, mut from, mut depth, mut in_string, mut escaped) =
        (Vec::new(), 0, 0usize, false, false);
    for (at, byte) in inside.bytes().enumerate() {
        match byte {
            _ if escaped => escaped = false,
            b'\\' if in_string => escaped = true,
            b'"' => in_string = !in_string,
            _ if in_string => {}
            b'[' | b'{' => depth += 1,
            b']' | b'}' => depth = depth.checked_sub(1)?,
            b',' if depth == 0 => {
                elements.push(&inside[from..at]);
                from = at + 1;
            }
            _ => {}
        }
    }
    elements.push(&inside[from..]);
    (depth == 0 && !in_string).then_some(elements)
}
