//! `routes[].websocket` → [`WebSocket`].

use super::context::{At, Context};
use crate::policy::{
    document::{WebSocketChoice, WebSocketDocument, WordOr},
    set::{LooseFormat, MessageBounds, PersonalData, Protocol, WebSocket},
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Longest message where nothing is written.
const MESSAGE_BYTES: u64 = MIB;

/// Compiles what a route says of WebSockets.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: Option<&WebSocketChoice>,
    data: &PersonalData,
    protocol: Option<Protocol>,
) -> WebSocket {
    let at = at.key("websocket");
    if protocol == Some(Protocol::Http2) && !matches!(written, None | Some(WebSocketChoice::Allowed(false))) {
        context.error_at_key(
            &at,
            "a WebSocket needs HTTP/1.1, and the upstream is `protocol: http2`",
            "`protocol: auto` takes an HTTP/1.1 connection for it; or give the socket an upstream of its own",
        );
    }
    let read = match written {
        None | Some(WebSocketChoice::Allowed(false)) => return WebSocket::Closed,
        Some(WebSocketChoice::Allowed(true)) => {
            unread(context, &at, data);
            return WebSocket::Unread;
        }
        Some(WebSocketChoice::Read(read)) => read,
    };
    match data {
        PersonalData::Exempt { .. } => context.error_at_key(
            &at,
            "an exempt route's messages are not read",
            "`websocket: true`, or remove `exempt`",
        ),
        PersonalData::Declared(data) if data.formats.contains(&LooseFormat::Graphql) => context.error_at_key(
            &at,
            "a WebSocket cannot be opened where GraphQL is spoken",
            "its messages have the names that the client chose; give other sockets a route of their own",
        ),
        PersonalData::Declared(_) | PersonalData::Undeclared => {}
    }
    let section = match read {
        WordOr::Word(word) => {
            context.choice(&at, "a way to treat messages", word, &[("redact", ())]);
            &WebSocketDocument::default()
        }
        WordOr::Mapping(section) => {
            let help = "`messages: redact`, or `websocket: true` where nobody's data passes";
            if let Some(word) = context.text(&at, "messages", &section.messages, help) {
                context.choice(&at.key("messages"), "a way to treat messages", word, &[("redact", ())]);
            }
            section
        }
    };
    let binary = section.binary.as_ref().is_some_and(|word| {
        let at = at.key("binary");
        let passes =
            context.choice(&at, "a way to treat binary messages", word, &[("refuse", false), ("pass", true)]);
        if passes == Some(true) {
            context.finding(&at, "binary messages pass unread", "`refuse` closes the WebSocket on the first");
        }
        passes == Some(true)
    });
    let bytes = context.size(&at.key("message_bytes"), &section.message_bytes, MESSAGE_BYTES, KIB..=64 * MIB);
    WebSocket::Read(MessageBounds { bytes: bytes as usize, binary })
}

fn unread(context: &mut Context<'_>, at: &At, data: &PersonalData) {
    match data {
        PersonalData::Declared(_) => context.error_at_key(
            at,
            "a WebSocket cannot be opened unread where personal data is declared",
            "`websocket: redact` reads its messages; or give the socket a route of its own, without personal data",
        ),
        PersonalData::Undeclared => context.finding(
            at,
            "what this WebSocket carries is not looked at",
            "`redact` reads its messages; state `personal_data: { exempt: … }` where it carries nobody's data",
        ),
        PersonalData::Exempt { .. } => {}
    }
}
