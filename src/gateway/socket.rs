//! A WebSocket whose messages are read (RFC 6455): frames end at the gateway, on either side.
//!
//! A message leaves when all of it is there and was judged, or not at all: then both sides are closed. Pings are answered
//! where they come from and go on without what they carry; so does a close with its code, without the platform's words.

use std::{cell::Cell, future::Future, pin::pin, rc::Rc, sync::Arc, time::Duration};

use bytes::Bytes;
use futures_util::{Sink, SinkExt, Stream, StreamExt};
use http::{HeaderMap, header};
use tokio::time::timeout;
use tokio_tungstenite::{
    WebSocketStream,
    tungstenite::{
        Error, Message,
        protocol::{CloseFrame, Role, WebSocketConfig, frame::coding::CloseCode},
    },
};

use super::{
    ledger::Ledger,
    respond::{ExchangeError, Unreadable},
    tunnel::Side,
    worker::View,
};
use crate::{
    journal::Termination,
    policy::set::{LooseFormat, MessageBounds, PersonalData, RouteId, RoutePolicy},
    redact::{Audience, Denied, Messages, RedactError, Sender, Task},
};

/// Bytes of each buffer; longer messages make it grow.
const BUFFER: usize = 16 * 1024;
/// How long either side may take to hear that it is over.
const FAREWELL: Duration = Duration::from_secs(2);

/// How the messages of one WebSocket are read.
pub(super) struct Reading {
    pub view: Rc<View>,
    pub route: RouteId,
    /// The caller, as they were when it was opened.
    pub audience: Arc<Audience>,
    pub bounds: MessageBounds,
}

/// Why it ends.
enum End {
    /// A side said so, with this code.
    Closed(Option<CloseCode>),
    /// A side went without a word, or broke the protocol.
    Gone(Option<CloseCode>),
    /// The platform sent what could not be proven safe.
    Unreadable(Unreadable, CloseCode),
    /// The client sent what they may not.
    Denied(Denied, CloseCode),
    /// The server gives it up.
    Aborted,
}

/// Whether a WebSocket speaks GraphQL, whose messages have names of the client's choice.
pub(super) fn speaks_graphql(headers: &HeaderMap) -> bool {
    let mut values = headers.get_all(header::SEC_WEBSOCKET_PROTOCOL).iter();
    values.any(|value| memchr::memmem::find(&value.as_bytes().to_ascii_lowercase(), b"graphql").is_some())
}

type Socket = WebSocketStream<Side>;

/// Carries messages both ways until either side ends or the server gives it up, which ends `over`.
pub(super) async fn run(
    client: Side,
    upstream: Side,
    over: impl Future<Output = ()>,
    ledger: &mut Ledger,
    reading: Reading,
) {
    let config = WebSocketConfig::default()
        .read_buffer_size(BUFFER)
        .write_buffer_size(0)
        .max_message_size(Some(reading.bounds.bytes))
        .max_frame_size(Some(reading.bounds.bytes));
    let client: Socket = WebSocketStream::from_raw_socket(client, Role::Server, Some(config)).await;
    let upstream: Socket = WebSocketStream::from_raw_socket(upstream, Role::Client, Some(config)).await;
    let ((mut to_client, mut from_client), (mut to_upstream, mut from_upstream)) =
        (client.split(), upstream.split());
    let (received, sent) = (Cell::new(0), Cell::new(0));
    let snapshot = reading.view.snapshot();
    let (Some(route), Some(plan)) =
        (snapshot.policy.routes.get(usize::from(reading.route.0)), snapshot.plan(reading.route))
    else {
        return;
    };
    let task = Task {
        plan: Arc::clone(plan),
        audience: Arc::clone(&reading.audience),
        key: Arc::clone(&snapshot.pseudonym_key),
    };
    let mut messages = Messages::new(task, lets_texts_pass(route));
    let sender = Sender { audience: &reading.audience, key: &snapshot.pseudonym_key };
    let requests = snapshot.requests(reading.route).filter(|plan| !plan.is_open(&reading.audience.sees));

    let sees_all = plan.is_identity(&reading.audience.sees);
    let binary = reading.bounds.binary;
    let down = carry(&mut from_upstream, &mut to_client, binary || sees_all, &sent, true, |text| {
        if sees_all {
            return Ok(None);
        }
        let unreadable = |error: RedactError| End::Unreadable(error.into(), CloseCode::Error);
        messages.redact(text).map(Some).map_err(unreadable)
    });
    let up = carry(&mut from_client, &mut to_upstream, binary, &received, false, |text| {
        let judged = requests
            .map_or(Ok(None), |plan| plan.message(sender, text))
            .map_err(|denied| End::Denied(denied, CloseCode::Policy))?;
        Ok(judged.map(|restored| restored.expose().clone()))
    });
    let mut over = pin!(over);
    let end = tokio::select! {
        end = down => end,
        end = up => end,
        () = over.as_mut() => End::Aborted,
    };
    ledger.tally(messages.tally());
    ledger.received(received.get());
    ledger.sent(usize::try_from(sent.get()).unwrap_or(usize::MAX));
    let code = match &end {
        End::Closed(code) | End::Gone(code) => *code,
        End::Unreadable(_, code) | End::Denied(_, code) => Some(*code),
        End::Aborted => None,
    };
    if !matches!(end, End::Aborted) {
        let parting = async {
            tokio::join!(
                part(&mut from_client, &mut to_client, code),
                part(&mut from_upstream, &mut to_upstream, code)
            )
        };
        tokio::select! {
            _ = timeout(FAREWELL, parting) => {}
            () = over => {}
        }
    }
    match end {
        End::Closed(_) => ledger.close(true),
        End::Gone(_) | End::Aborted => ledger.close(false),
        End::Unreadable(reason, _) => {
            ledger.unreadable(reason);
            ledger.cut(Termination::RedactionCut);
        }
        End::Denied(denied, _) => {
            ledger.refused(&ExchangeError::Denied(denied), None);
            ledger.close(true);
        }
    }
}

/// Whether a text that is no JSON passes without what is found in it: not where a route declared what it holds, unless it
/// says so.
fn lets_texts_pass(route: &RoutePolicy) -> bool {
    match &route.personal_data {
        PersonalData::Declared(data) => data.formats.contains(&LooseFormat::Text),
        PersonalData::Undeclared | PersonalData::Exempt { .. } => true,
    }
}

/// Carries the messages of one side to the other; `judge` gives what is sent in the place of a text, `None` for itself.
async fn carry(
    from: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    to: &mut (impl Sink<Message, Error = Error> + Unpin),
    binary: bool,
    bytes: &Cell<u64>,
    is_platform: bool,
    mut judge: impl FnMut(&str) -> Result<Option<String>, End>,
) -> End {
    let refused = |reason: RedactError, code: CloseCode| match is_platform {
        true => End::Unreadable(reason.into(), code),
        false => End::Denied(Denied::Unreadable, code),
    };
    loop {
        let message = match from.next().await {
            None => return End::Gone(Some(CloseCode::Away)),
            Some(Ok(message)) => message,
            Some(Err(Error::Capacity(_))) => {
                return refused(RedactError::TooLong, CloseCode::Size);
            }
            Some(Err(Error::Utf8(_))) => {
                return refused(RedactError::NotUtf8, CloseCode::Invalid);
            }
            Some(Err(Error::Protocol(_))) => return End::Gone(Some(CloseCode::Protocol)),
            Some(Err(_)) => return End::Gone(Some(CloseCode::Away)),
        };
        let message = match message {
            Message::Text(text) => match judge(&text) {
                Ok(None) => Message::Text(text),
                Ok(Some(judged)) => Message::text(judged),
                Err(end) => return end,
            },
            Message::Binary(data) if binary => Message::Binary(data),
            Message::Binary(_) => {
                return refused(RedactError::Opaque, CloseCode::Unsupported);
            }
            // It was answered here; what it carries could be anything.
            Message::Ping(_) => Message::Ping(Bytes::new()),
            Message::Pong(_) | Message::Frame(_) => continue,
            Message::Close(frame) => return End::Closed(frame.map(|frame| frame.code)),
        };
        bytes.set(bytes.get() + message.len() as u64);
        if to.send(message).await.is_err() {
            return End::Gone(Some(CloseCode::Away));
        }
    }
}

/// Says that it is over, and waits for the answer.
async fn part(
    from: &mut (impl Stream<Item = Result<Message, Error>> + Unpin),
    to: &mut (impl Sink<Message, Error = Error> + Unpin),
    code: Option<CloseCode>,
) {
    let frame = code.filter(|code| code.is_allowed()).map(|code| CloseFrame { code, reason: "".into() });
    // A side that closed first was answered already: then this fails, and only the answer has to leave.
    let _ = to.send(Message::Close(frame)).await;
    let _ = to.flush().await;
    while let Some(Ok(_)) = from.next().await {}
}
