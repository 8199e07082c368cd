//! WebSocket over HTTP/1.1 (RFC 6455) and over HTTP/2 (RFC 8441): a tunnel, but only after the platform's own 101. Where its
//! messages are read, [`super::socket`] carries them.

use std::{
    cell::Cell,
    future::{pending, poll_fn},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, ready},
    time::{Duration, Instant},
};

use aws_lc_rs::{digest, rand};
use base64::{Engine, engine::general_purpose::STANDARD};
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};
use hyper::{
    ext::Protocol,
    upgrade::{OnUpgrade, Upgraded},
};
use hyper_util::rt::TokioIo;
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf, copy_bidirectional};

use super::{
    connection::{Connection, Tunnelled},
    ledger::Ledger,
    respond::ExchangeError,
    socket::{self, Reading},
};
use crate::{
    policy::set::WebSocket,
    redact::Denied,
    upstream::{Deadlines, UpstreamError},
};

/// What the answer's key is made with (RFC 6455 1.3).
const ACCEPT: &[u8] = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11";

/// How long one side may go on after the other has ended.
const FAREWELL: Duration = Duration::from_secs(2);

/// A client that asks for a WebSocket.
pub(super) struct Wish {
    upgrade: OnUpgrade,
    /// What the platform must answer to.
    key: HeaderValue,
    /// The client asks by extended CONNECT.
    extended: bool,
}

impl Wish {
    /// Whether a request asks for a WebSocket, in one of the two forms that do. Extended CONNECT becomes the GET that it stands
    /// for (RFC 8441 5), with a key of the gateway's own.
    pub(super) fn of<B>(request: &mut Request<B>) -> Option<Self> {
        let extended = request.method() == Method::CONNECT
            && request.extensions().get::<Protocol>().is_some_and(|it| it.as_str() == "websocket");
        let headers = request.headers();
        if single(headers, &header::SEC_WEBSOCKET_VERSION)?.as_bytes() != b"13" {
            return None;
        }
        let key = if extended {
            let mut bytes = [0; 16];
            rand::fill(&mut bytes).ok()?;
            HeaderValue::try_from(STANDARD.encode(bytes)).ok()?
        } else {
            let is_asked = request.method() == Method::GET
                && request.version() == Version::HTTP_11
                && has_token(headers, &header::UPGRADE, b"websocket")
                && has_token(headers, &header::CONNECTION, b"upgrade");
            let key = single(headers, &header::SEC_WEBSOCKET_KEY).filter(|_| is_asked)?;
            STANDARD.decode(key.as_bytes()).ok().filter(|bytes| bytes.len() == 16)?;
            key.clone()
        };
        if extended {
            *request.method_mut() = Method::GET;
            request.headers_mut().insert(header::SEC_WEBSOCKET_KEY, key.clone());
        }
        Some(Self { upgrade: hyper::upgrade::on(request), key, extended })
    }

    /// Whether the tunnel would be a stream of HTTP/2, one of many of its connection.
    pub(super) fn is_a_stream(&self) -> bool {
        self.extended
    }

    /// The wish on a route of this kind: HTTP/1.1's is no more than an offer, and a closed route passes it over.
    ///
    /// # Errors
    /// [`ExchangeError::MethodUnknown`] for CONNECT, which cannot be passed over.
    pub(super) fn on(self, websocket: WebSocket) -> Result<Option<Self>, ExchangeError> {
        match websocket {
            WebSocket::Closed if self.extended => Err(ExchangeError::MethodUnknown),
            WebSocket::Closed => Ok(None),
            _ => Ok(Some(self)),
        }
    }

    /// Writes the fields that [`super::forwarded::clean_request`] took away, nothing but `websocket` is ever asked for; leaves
    /// out what would make messages unreadable, where they are to be read.
    ///
    /// # Errors
    /// [`Denied::Graphql`] for a WebSocket whose messages would have names of the client's choice.
    pub(super) fn ask(&self, headers: &mut HeaderMap, websocket: WebSocket) -> Result<(), ExchangeError> {
        if matches!(websocket, WebSocket::Read(_)) {
            headers.remove(header::SEC_WEBSOCKET_EXTENSIONS);
            if socket::speaks_graphql(headers) {
                return Err(Denied::Graphql.into());
            }
        }
        agree(headers);
        Ok(())
    }

    /// Whether the platform agreed; where the key is the gateway's own, in the words that only who read it has. A client of
    /// HTTP/1.1 looks at the answer to its key itself.
    ///
    /// # Errors
    /// [`UpstreamError::Broken`] where it agrees to something else, or to what was left out, and where it answers CONNECT as
    /// if that were a GET: to the client a success is a tunnel.
    pub(super) fn is_granted(
        &self,
        status: StatusCode,
        headers: &HeaderMap,
        websocket: WebSocket,
    ) -> Result<bool, ExchangeError> {
        if status != StatusCode::SWITCHING_PROTOCOLS {
            let is_lost = self.extended && status.is_success();
            return if is_lost { Err(UpstreamError::Broken.into()) } else { Ok(false) };
        }
        let is_answer = || {
            let accept = single(headers, &header::SEC_WEBSOCKET_ACCEPT);
            accept.is_some_and(|accept| accept.as_bytes() == accept_of(&self.key).as_bytes())
        };
        let is_ours = has_token(headers, &header::UPGRADE, b"websocket") && (!self.extended || is_answer());
        let is_unreadable = matches!(websocket, WebSocket::Read(_))
            && (headers.contains_key(header::SEC_WEBSOCKET_EXTENSIONS) || socket::speaks_graphql(headers));
        if is_ours && !is_unreadable { Ok(true) } else { Err(UpstreamError::Broken.into()) }
    }

    /// The platform's 101 as the client must get it.
    pub(super) fn grant(&self, response: &mut Response<()>) {
        if self.extended {
            *response.status_mut() = StatusCode::OK;
            response.headers_mut().remove(header::SEC_WEBSOCKET_ACCEPT);
        } else {
            agree(response.headers_mut());
        }
    }
}

/// `Upgrade: websocket`, with the `Connection` that it needs.
fn agree(headers: &mut HeaderMap) {
    headers.insert(header::CONNECTION, HeaderValue::from_static("upgrade"));
    headers.insert(header::UPGRADE, HeaderValue::from_static("websocket"));
}

/// `Sec-WebSocket-Accept` for a key (RFC 6455 4.2.2). SHA-1 protects nothing here: it says that the key was read.
fn accept_of(key: &HeaderValue) -> String {
    let mut hash = digest::Context::new(&digest::SHA1_FOR_LEGACY_USE_ONLY);
    hash.update(key.as_bytes());
    hash.update(ACCEPT);
    STANDARD.encode(hash.finish())
}

/// The value of a field that is there once.
fn single<'a>(headers: &'a HeaderMap, name: &HeaderName) -> Option<&'a HeaderValue> {
    let mut values = headers.get_all(name).iter();
    values.next().filter(|_| values.next().is_none())
}

/// A WebSocket that both sides agreed on.
pub(super) struct Tunnel {
    pub wish: Wish,
    pub upstream: OnUpgrade,
    /// How its messages are read; `None` where none has to be.
    pub reading: Option<Reading>,
    pub deadlines: Deadlines,
    /// How long it may be silent.
    pub quiet: Duration,
    /// Among the tunnels inside of connections, where it is one.
    pub _place: Option<Tunnelled>,
}

impl Tunnel {
    /// Carries what comes both ways until either side ends, both are silent, or the server gives the connection up.
    pub(super) async fn run(self, connection: Rc<Connection>, mut ledger: Box<Ledger>) {
        // A stream of HTTP/2 is under way until its tunnel ends; a whole connection that became one is watched as such.
        let _under_way = self.wish.extended.then(|| connection.tracker().keep());
        let (Ok(client), Ok(upstream)) = (self.wish.upgrade.await, self.upstream.await) else {
            ledger.close(false);
            return;
        };
        let traffic = Rc::new(Traffic::default());
        let [mut client, mut upstream] = [client, upstream].map(|side| Side::new(side, &traffic));
        let over = async {
            tokio::select! {
                () = connection.aborted() => {}
                () = traffic.falls_silent(&self.deadlines, self.quiet) => {}
            }
        };
        if let Some(reading) = self.reading {
            return socket::run(client, upstream, over, &mut ledger, reading).await;
        }
        let is_whole = tokio::select! {
            // First, for it notes what the others look at.
            biased;
            copied = copy_bidirectional(&mut client, &mut upstream) => copied.is_ok(),
            () = over => false,
            () = traffic.lingers(&self.deadlines) => true,
        };
        ledger.received(client.came);
        ledger.sent(usize::try_from(upstream.came).unwrap_or(usize::MAX));
        ledger.close(is_whole);
    }
}

/// What both sides of a tunnel note.
struct Traffic {
    /// When bytes last came from either.
    moved: Cell<Instant>,
    /// One of them will send no more.
    ended: Cell<bool>,
}

impl Default for Traffic {
    fn default() -> Self {
        Self { moved: Cell::new(Instant::now()), ended: Cell::default() }
    }
}

impl Traffic {
    /// Ends when nothing came from either side for so long.
    async fn falls_silent(&self, deadlines: &Deadlines, quiet: Duration) {
        let _elapsed = deadlines.within_last(quiet, &self.moved, pending::<()>()).await;
    }

    /// Ends a while after one side did: a WebSocket has no half that could go on for long (RFC 6455 7.1.1), and who left
    /// without a word must not keep the platform's side open.
    async fn lingers(&self, deadlines: &Deadlines) {
        let mut timer = deadlines.timer();
        poll_fn(|context| if self.ended.get() { timer.poll(FAREWELL, context) } else { Poll::Pending }).await;
    }
}

/// One side of a tunnel.
pub(super) struct Side {
    io: TokioIo<Upgraded>,
    traffic: Rc<Traffic>,
    /// Bytes that came.
    came: u64,
}

impl Side {
    fn new(io: Upgraded, traffic: &Rc<Traffic>) -> Self {
        Self { io: TokioIo::new(io), traffic: Rc::clone(traffic), came: 0 }
    }
}

impl AsyncRead for Side {
    fn poll_read(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        buffer: &mut ReadBuf<'_>,
    ) -> Poll<std::io::Result<()>> {
        let before = buffer.filled().len();
        ready!(Pin::new(&mut self.io).poll_read(context, buffer))?;
        match buffer.filled().len() - before {
            0 => self.traffic.ended.set(true),
            count => {
                self.came += count as u64;
                self.traffic.moved.set(Instant::now());
            }
        }
        Poll::Ready(Ok(()))
    }
}

impl AsyncWrite for Side {
    fn poll_write(
        mut self: Pin<&mut Self>,
        context: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<std::io::Result<usize>> {
        Pin::new(&mut self.io).poll_write(context, bytes)
    }

    fn poll_flush(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_flush(context)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<std::io::Result<()>> {
        Pin::new(&mut self.io).poll_shutdown(context)
    }
}

/// Whether one of the fields of this name has the token in its list.
fn has_token(headers: &HeaderMap, name: &HeaderName, token: &[u8]) -> bool {
    headers
        .get_all(name)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&byte| byte == b','))
        .any(|item| item.trim_ascii().eq_ignore_ascii_case(token))
}

#[cfg(test)]
mod tests;
