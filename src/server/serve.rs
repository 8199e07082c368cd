//! One connection: handshake, protocol, exchanges, end.

use std::{
    error::Error as _,
    future::{Future, poll_fn},
    net::{IpAddr, SocketAddr},
    pin::{Pin, pin},
    rc::Rc,
    task::Poll,
};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderValue, Response, StatusCode, Version, header};
use http_body::Body;
use hyper::{
    rt::Executor,
    server::conn::{http1, http2},
    service::service_fn,
};
use hyper_util::rt::TokioIo;
use rustls::{HandshakeKind, ProtocolVersion};
use tokio_rustls::{TlsAcceptor, server::TlsStream};
use tower::{BoxError, Service, ServiceExt};

use super::{
    frame_watch::FrameWatch,
    head_watch,
    observe::{GoAwayCode, HandshakeOutcome, Malformed, TlsVersion},
    proxy_header,
    stack::Arrival,
    tls::{self, Terms},
    watched::{ClientStream, Watched},
    worker::Core,
};
use crate::{
    gateway::{
        AmbiguousHead,
        connection::{Connection, Download, Framing, Order, Phase, Tracker, Upload},
    },
    policy::set::ClientLimits,
};

/// Most bytes of one HTTP/1 connection in each direction's buffer.
const H1_BUFFER: usize = 256 * 1024;

/// Room in a header section for method, version and line ends beside the target and the fields, in bytes.
const H1_START_LINE: usize = 64;

/// Most header fields that hyper parses without allocating.
const H1_FREE_HEADERS: usize = 100;

/// Received but unread bytes of one HTTP/2 stream, and of one connection (RFC 9113 §6.9): what a client can make us hold.
const H2_STREAM_WINDOW: u32 = 256 * 1024;
const H2_CONNECTION_WINDOW: u32 = 512 * 1024;

/// The smallest that the protocol allows (RFC 9113 §4.2): larger frames only make streams wait for each other.
const H2_FRAME: u32 = 16 * 1024;

/// Bytes of answers that one HTTP/2 stream may have waiting for its client's window.
const H2_SEND_BUFFER: usize = 64 * 1024;

/// Streams reset by the client before they were served, at a time (CVE-2023-44487, rapid reset).
const H2_PENDING_RESETS: usize = 20;

/// Streams that we had to reset for the client's errors, in a connection's life (CVE-2025-8671, MadeYouReset). More than a
/// client makes in days whose uploads are now and then answered before they are whole.
const H2_ERROR_RESETS: usize = 256;

/// HPACK table that a client may fill, in bytes (RFC 7541's default).
const H2_HEADER_TABLE: u32 = 4096;

/// The HTTP/1 rules; built once for each change of the limits.
pub(super) fn http1_rules(limits: &ClientLimits) -> http1::Builder {
    let mut rules = http1::Builder::new();
    let head = limits.header_bytes.saturating_add(limits.uri_bytes).saturating_add(H1_START_LINE);
    rules
        .half_close(false)
        .keep_alive(true)
        .pipeline_flush(false)
        .title_case_headers(false)
        .preserve_header_case(false)
        // Its timer costs up to 2,000 instructions a request; the sweep does the same.
        .header_read_timeout(None)
        .max_header_size(head)
        .max_buf_size(H1_BUFFER.max(head));
    if limits.header_count != H1_FREE_HEADERS {
        rules.max_headers(limits.header_count);
    }
    rules
}

fn http2_rules(limits: &ClientLimits, executor: StreamExecutor) -> http2::Builder<StreamExecutor> {
    let mut rules = http2::Builder::new(executor);
    rules
        .max_concurrent_streams(limits.h2_streams)
        .max_header_list_size(u32::try_from(limits.header_bytes).unwrap_or(u32::MAX))
        .header_table_size(H2_HEADER_TABLE)
        .max_pending_accept_reset_streams(H2_PENDING_RESETS)
        .max_local_error_reset_streams(H2_ERROR_RESETS)
        .max_frame_size(H2_FRAME)
        // WebSockets (RFC 8441); every other CONNECT is refused.
        .enable_connect_protocol()
        .adaptive_window(false)
        .initial_stream_window_size(H2_STREAM_WINDOW)
        .initial_connection_window_size(H2_CONNECTION_WINDOW)
        .max_send_buf_size(H2_SEND_BUFFER)
        .keep_alive_interval(None);
    rules
}

/// The other end of a connection.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer {
    /// The address that the connection came from.
    pub(super) address: SocketAddr,
    /// Whether it is a balancer, which says first for whom.
    pub(super) proxied: bool,
}

/// Serves one client until it is gone, told to finish, or given up.
pub(super) async fn client<S, B>(
    core: Rc<Core>,
    stack: S,
    mut stream: Watched,
    peer: Peer,
    tls: Option<Terms>,
    tracker: Rc<Tracker>,
) where
    S: Service<Arrival, Response = Response<B>, Error = BoxError> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static,
{
    let peer = match peer.proxied {
        false => peer.address,
        true => match proxy_header::client(&mut stream, peer.address, &tracker, &*core.observer).await {
            Some(client) if core.count_proxied(&mut stream, client.ip()).is_some() => client,
            _ => return,
        },
    };
    let Some(terms) = tls else {
        tracker.progress().enter(Phase::Idle);
        let connection = Rc::new(Connection::new(peer, None, None, tracker, core.pressure.clone()));
        return Box::pin(http1(core, stack, ClientStream::plain(stream), connection)).await;
    };
    // Each phase in a box of its own: what a handshake needs is not held for as long as an idle connection lasts.
    let shaken = Box::pin(handshake(&core, stream, &terms, &tracker, peer.ip())).await;
    drop(terms);
    let Some((stream, version)) = shaken else { return };
    let session = stream.get_ref().1;
    let multiplexed = session.alpn_protocol() == Some(b"h2");
    let server_name = session.server_name().map(str::to_ascii_lowercase);
    tracker.progress().enter(Phase::Idle);
    let connection = Connection::new(peer, Some(version), server_name, tracker, core.pressure.clone());
    let connection = Rc::new(connection.showing(session.peer_certificates()));
    if multiplexed {
        Box::pin(http2(core, stack, stream, connection)).await;
    } else {
        Box::pin(http1(core, stack, ClientStream::tls(stream), connection)).await;
    }
}

/// What comes of `future`, unless the server gives the connection up.
async fn unless_aborted<F: Future>(tracker: &Tracker, future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    poll_fn(|context| {
        if tracker.poll_order(context) == Order::Abort {
            return Poll::Ready(None);
        }
        future.as_mut().poll(context).map(Some)
    })
    .await
}

/// Waits until the task is woken, by whomever.
async fn woken() {
    let mut slept = false;
    poll_fn(|_| match std::mem::replace(&mut slept, true) {
        true => Poll::Ready(()),
        false => Poll::Pending,
    })
    .await;
}

async fn handshake(
    core: &Core,
    stream: Watched,
    terms: &Terms,
    tracker: &Rc<Tracker>,
    peer: IpAddr,
) -> Option<(Box<TlsStream<Watched>>, TlsVersion)> {
    let (under_way, _of_address) = core.begin_handshake(tracker, peer)?;
    let mut accept = pin!(TlsAcceptor::from(terms.config.clone()).accept(stream));
    let accepted = loop {
        let step = async {
            let turn = core.handshakes().turn(&under_way).await;
            let step = poll_fn(|context| Poll::Ready(accept.as_mut().poll(context))).await;
            drop(turn);
            step
        };
        // Its future is woken by whatever it waits for: so is this one.
        match unless_aborted(tracker, step).await {
            None => break None,
            Some(Poll::Ready(accepted)) => break Some(accepted),
            Some(Poll::Pending) => {}
        }
        if unless_aborted(tracker, woken()).await.is_none() {
            break None;
        }
    };
    let (version, outcome, stream) = match accepted {
        Some(Ok(stream)) => {
            let session = stream.get_ref().1;
            let version = match session.protocol_version() {
                Some(ProtocolVersion::TLSv1_3) => TlsVersion::Tls13,
                Some(ProtocolVersion::TLSv1_2) => TlsVersion::Tls12,
                _ => TlsVersion::None,
            };
            match session.handshake_kind() {
                Some(HandshakeKind::Resumed) if !terms.may_resume(session.peer_certificates()) => {
                    (version, HandshakeOutcome::CertificateRefused, None)
                }
                Some(HandshakeKind::Resumed) => (version, HandshakeOutcome::Resumed, Some(stream)),
                _ => (version, HandshakeOutcome::Full, Some(stream)),
            }
        }
        // rustls reports what the client did wrong as invalid data, after sending the alert.
        Some(Err(error)) if error.kind() == std::io::ErrorKind::InvalidData => {
            let outcome = match tls::concerns_certificate(&error) {
                true => HandshakeOutcome::CertificateRefused,
                false => HandshakeOutcome::Failed,
            };
            (TlsVersion::None, outcome, None)
        }
        Some(Err(_)) => (TlsVersion::None, HandshakeOutcome::Abandoned, None),
        None => (TlsVersion::None, HandshakeOutcome::TimedOut, None),
    };
    core.observer.handshake(version, outcome);
    stream.map(|stream| (Box::new(stream), version))
}

async fn http1<S, B>(core: Rc<Core>, stack: S, stream: ClientStream, connection: Rc<Connection>)
where
    S: Service<Arrival, Response = Response<B>, Error = BoxError> + Clone + 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static,
{
    let rules = core.http1_rules();
    let tracker = connection.tracker().clone();
    let ended = core.clone();
    let service = service_fn(move |request| answer(core.clone(), stack.clone(), connection.clone(), request));
    let served = Box::pin(rules.serve_connection(TokioIo::new(stream), service).with_upgrades());
    note_end(&ended, drive(served, &tracker, http1::UpgradeableConnection::graceful_shutdown).await);
}

async fn http2<S, B>(core: Rc<Core>, stack: S, stream: Box<TlsStream<Watched>>, connection: Rc<Connection>)
where
    S: Service<Arrival, Response = Response<B>, Error = BoxError> + Clone + 'static,
    S::Future: 'static,
    B: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static,
{
    let tracker = connection.tracker().clone();
    let limits = core.limits();
    let stream = ClientStream::multiplexed(stream, FrameWatch::new(&limits, core.observer.clone()));
    if core.is_closing() {
        // Tells the client at once to open its next connection elsewhere; what it sent already is served.
        tracker.give(Order::Finish);
    }
    let rules = http2_rules(&limits, StreamExecutor { tracker: tracker.clone() });
    let ended = core.clone();
    let service = service_fn(move |request| answer(core.clone(), stack.clone(), connection.clone(), request));
    let served = Box::pin(rules.serve_connection(TokioIo::new(stream), service));
    note_end(&ended, drive(served, &tracker, http2::Connection::graceful_shutdown).await);
}

/// Runs a connection, passing the server's orders on to it.
async fn drive<C: Future>(
    mut connection: Pin<Box<C>>,
    tracker: &Tracker,
    finish: fn(Pin<&mut C>),
) -> Option<C::Output> {
    let mut told = false;
    poll_fn(|context| {
        match tracker.poll_order(context) {
            Order::Abort => return Poll::Ready(None),
            Order::Finish if !told => {
                told = true;
                finish(connection.as_mut());
            }
            _ => {}
        }
        connection.as_mut().poll(context).map(Some)
    })
    .await
}

fn note_end(core: &Core, end: Option<hyper::Result<()>>) {
    if let Some(Err(error)) = end {
        if error.is_parse_too_large() {
            core.observer.malformed(Malformed::TooLarge);
        } else if error.is_parse() {
            core.observer.malformed(Malformed::Syntax);
        } else if let Some(code) = said_to(&error) {
            core.observer.broken(code);
        }
    }
}

/// What the client was told when the library ended its connection.
fn said_to(error: &hyper::Error) -> Option<GoAwayCode> {
    let error = error.source()?.downcast_ref::<h2::Error>().filter(|error| error.is_library())?;
    Some(match error.reason()? {
        Reason::ENHANCE_YOUR_CALM => GoAwayCode::EnhanceYourCalm,
        Reason::PROTOCOL_ERROR => GoAwayCode::ProtocolError,
        Reason::FLOW_CONTROL_ERROR => GoAwayCode::FlowControlError,
        Reason::FRAME_SIZE_ERROR => GoAwayCode::FrameSizeError,
        Reason::COMPRESSION_ERROR => GoAwayCode::CompressionError,
        _ => GoAwayCode::Other,
    })
}

/// One exchange: counted and watched from here to the end of its response body.
fn answer<S, B>(
    core: Rc<Core>,
    stack: S,
    connection: Rc<Connection>,
    request: http::Request<hyper::body::Incoming>,
) -> impl Future<Output = Result<Response<Download<B>>, BoxError>>
where
    S: Service<Arrival, Response = Response<B>, Error = BoxError>,
    B: Body,
{
    // Before the future is first polled: the task of an HTTP/2 stream is tied to the exchange that is newest then.
    let guard = connection.tracker().begin(core.pressure.active());
    if core.is_spent(connection.tracker()) {
        connection.tracker().give(Order::Finish);
    }
    let progress = connection.tracker().progress();
    let signs = progress.take_head();
    progress.tell_framing(request.body().size_hint().exact().map_or(Framing::Chunked, Framing::Length));
    async move {
        let mut request = request.map(|body| Upload::new(body, &guard));
        let http2 = request.version() == Version::HTTP_2;
        if !http2 && head_watch::is_ambiguous(signs, request.headers()) {
            request.extensions_mut().insert(AmbiguousHead);
        }
        let tracker = connection.tracker().clone();
        let mut response = stack.oneshot((connection, request)).await?;
        // Behind an early answer the rest of the body is not waited for: the client must not ask again here (RFC 9112 9.6).
        let is_last =
            core.is_closing() || tracker.order() >= Order::Finish || guard.exchange().has_unread_request();
        if response.status() == StatusCode::SWITCHING_PROTOCOLS {
            guard.opens_tunnel();
        } else if !http2 && is_last {
            response.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
        }
        Ok(response.map(|body| Download::new(body, guard)))
    }
}

/// Runs the streams of one HTTP/2 connection on its own core.
#[derive(Clone, Debug)]
struct StreamExecutor {
    tracker: Rc<Tracker>,
}

impl<F: Future<Output: 'static> + 'static> Executor<F> for StreamExecutor {
    fn execute(&self, stream: F) {
        let task = tokio::task::spawn_local(stream);
        // hyper starts a stream right after asking the service for it.
        if let Some(exchange) = self.tracker.newest() {
            exchange.runs_in(task.abort_handle());
        }
    }
}
