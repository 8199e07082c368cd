//! WebSocket over HTTP/1.1 (RFC 6455): a tunnel, but only after the platform's own 101. Where its messages are read,
//! [`super::socket`] carries them.

use std::rc::Rc;

use http::{HeaderMap, HeaderValue, Method, Request, Version, header};
use hyper::upgrade::OnUpgrade;
use hyper_util::rt::TokioIo;
use tokio::io::copy_bidirectional;

use super::{
    connection::Connection,
    ledger::Ledger,
    respond::ExchangeError,
    socket::{self, Reading},
};
use crate::{policy::set::WebSocket, redact::Denied, upstream::UpstreamError};

/// Whether a request asks for a WebSocket, in the one form that does.
pub(super) fn is_websocket<B>(request: &Request<B>) -> bool {
    request.method() == Method::GET
        && request.version() == Version::HTTP_11
        && has_token(request.headers(), &header::UPGRADE, b"websocket")
        && has_token(request.headers(), &header::CONNECTION, b"upgrade")
        && request.headers().contains_key(header::SEC_WEBSOCKET_KEY)
}

/// Writes the fields that [`super::forwarded::clean_request`] took away; nothing but `websocket` is ever asked for.
pub(super) fn ask(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// Leaves out what would make messages unreadable, where they are to be read.
///
/// # Errors
/// [`Denied::Graphql`] for a WebSocket whose messages would have names of the client's choice.
pub(super) fn prepare(headers: &mut HeaderMap, websocket: WebSocket) -> Result<(), ExchangeError> {
    if matches!(websocket, WebSocket::Read(_)) {
        headers.remove(socket::EXTENSIONS);
        if socket::speaks_graphql(headers) {
            return Err(Denied::Graphql.into());
        }
    }
    Ok(())
}

/// Whether the platform's 101 is the answer to [`ask`].
///
/// # Errors
/// [`UpstreamError::Broken`] where it agrees to what was left out.
pub(super) fn is_accepted(headers: &HeaderMap, websocket: WebSocket) -> Result<bool, ExchangeError> {
    let unreadable = headers.contains_key(socket::EXTENSIONS) || socket::speaks_graphql(headers);
    if matches!(websocket, WebSocket::Read(_)) && unreadable {
        return Err(UpstreamError::Broken.into());
    }
    Ok(has_token(headers, &header::UPGRADE, b"websocket"))
}

/// Copies both ways until either side ends or the server gives the connection up.
pub(super) async fn run(
    client: OnUpgrade,
    upstream: OnUpgrade,
    connection: Rc<Connection>,
    mut ledger: Box<Ledger>,
    reading: Option<Reading>,
) {
    let (Ok(client), Ok(upstream)) = (client.await, upstream.await) else {
        ledger.close(false);
        return;
    };
    let (mut client, mut upstream) = (TokioIo::new(client), TokioIo::new(upstream));
    if let Some(reading) = reading {
        return socket::run(client, upstream, connection, &mut ledger, reading).await;
    }
    let copied = tokio::select! {
        copied = copy_bidirectional(&mut client, &mut upstream) => copied.ok(),
        () = connection.aborted() => None,
    };
    if let Some((received, sent)) = copied {
        ledger.received(received);
        ledger.sent(usize::try_from(sent).unwrap_or(usize::MAX));
    }
    ledger.close(copied.is_some());
}

/// Whether one of the fields of this name has the token in its list.
fn has_token(headers: &HeaderMap, name: &header::HeaderName, token: &[u8]) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::MessageBounds;

    #[test]
    fn nothing_is_agreed_on_that_would_hide_what_is_read() {
        let read = WebSocket::Read(MessageBounds { bytes: 1024, binary: false });
        for (field, is_readable) in [
            ("sec-websocket-extensions", false),
            ("sec-websocket-protocol: graphql-transport-ws", false),
            ("sec-websocket-protocol: chat, GraphQL-WS", false),
            ("sec-websocket-protocol: chat", true),
            ("sec-websocket-accept: x", true),
        ] {
            let (name, value) = field.split_once(": ").unwrap_or((field, "permessage-deflate"));
            let mut headers = HeaderMap::new();
            headers.insert(header::UPGRADE, HeaderValue::from_static("WebSocket"));
            headers.insert(header::HeaderName::from_static(name), HeaderValue::from_static(value));
            assert_eq!(is_accepted(&headers, read).is_ok(), is_readable, "{field}");
            assert!(is_accepted(&headers, WebSocket::Unread).unwrap(), "{field}");
            let is_graphql = value.to_ascii_lowercase().contains("graphql");
            assert_eq!(prepare(&mut headers, read).is_err(), is_graphql, "{field}");
            assert!(!headers.contains_key(socket::EXTENSIONS), "{field}");
        }
    }
}
