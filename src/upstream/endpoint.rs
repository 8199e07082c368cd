//! The connections of one worker to one endpoint.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, header, uri::Scheme};
use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use tokio::sync::Mutex;

use super::{
    UpstreamError,
    connect::{Dialer, Transport},
    connection::Connection,
    multiplexed::{Multiplexed, Seat, Upkeep},
};
use crate::{
    policy::set::{Endpoint, Protocol, Upstream, UpstreamTls},
    telemetry::{InFlight, UpstreamMetrics},
};

/// Most header fields of a response; hyper's own default is 100.
const RESPONSE_HEADERS: usize = 256;

/// Longest response head, in bytes.
pub(super) const RESPONSE_HEAD_BYTES: usize = 256 * 1024;

/// How long a PING may stay unanswered.
const PONG: Duration = Duration::from_secs(5);

/// The connections of one worker to one endpoint.
pub(super) struct EndpointPool<B> {
    key: PoolKey,
    dialer: Dialer,
    /// Of HTTP/1.1: those that carry nothing.
    idle: RefCell<VecDeque<Idle<B>>>,
    idle_most: usize,
    idle_timeout: Duration,
    /// Of HTTP/2: all. The first with a place is taken, so that those at the end fall idle.
    shared: RefCell<Vec<Multiplexed<B>>>,
    /// Whoever opens one that others wait for as well.
    opening: Mutex<()>,
    /// When that last failed, and why: those who waited for it have their answer.
    unopened: Cell<Option<(Instant, UpstreamError)>>,
    /// The endpoint could choose and chose HTTP/1.1.
    chose_http1: Cell<bool>,
    retired: Cell<bool>,
    metrics: Rc<UpstreamMetrics>,
}

/// A connection that waits, since when, and its place in the gauge.
type Idle<B> = (http1::SendRequest<B>, Instant, InFlight);

/// What must be equal for connections to outlive a policy change.
#[derive(PartialEq, Eq)]
pub(super) struct PoolKey {
    upstream: String,
    endpoint: Endpoint,
    address: Option<SocketAddr>,
    tls: Option<UpstreamTls>,
    protocol: Protocol,
    idle: (usize, Duration),
    ping: Duration,
}

impl<B> EndpointPool<B> {
    /// No connection yet.
    pub(super) fn new(key: PoolKey, dialer: Dialer, upstream: &Upstream) -> Self {
        Self {
            key,
            dialer,
            idle: RefCell::default(),
            idle_most: upstream.idle_connections,
            idle_timeout: upstream.idle_timeout,
            shared: RefCell::default(),
            opening: Mutex::default(),
            unopened: Cell::new(None),
            chose_http1: Cell::new(false),
            retired: Cell::new(false),
            metrics: Rc::new(UpstreamMetrics::new(upstream)),
        }
    }

    /// Whether it may go on under a policy that asks for this.
    pub(super) fn fits(&self, key: &PoolKey) -> bool {
        self.key == *key
    }

    /// Nobody will ask for a connection any more: those that wait are closed, and those under way when their exchanges are over.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
        self.shared.borrow_mut().clear();
    }

    /// Takes back a connection whose exchange is over. A place on a shared one is given up by being dropped.
    pub(super) fn put(&self, connection: Connection<B>) {
        let Connection::Http1(sender) = connection else { return };
        let mut idle = self.idle.borrow_mut();
        if !self.retired.get() && !sender.is_closed() && idle.len() < self.idle_most {
            idle.push_back((sender, Instant::now(), self.metrics.connection_idle()));
        }
    }

    /// What a connection for this request may speak: a tunnel is HTTP/1.1's.
    fn protocol(&self, request: &Request<B>) -> Protocol {
        match self.key.protocol {
            Protocol::Auto
                if !self.dialer.negotiates() || request.headers().contains_key(header::UPGRADE) =>
            {
                Protocol::Http1
            }
            protocol => protocol,
        }
    }

    /// The most recently used connection that is still good.
    async fn take_idle(&self) -> Option<Connection<B>> {
        loop {
            let (sender, since, _gauge) = self.idle.borrow_mut().pop_back()?;
            if since.elapsed() >= self.idle_timeout {
                // The others are older still.
                self.idle.borrow_mut().clear();
                return None;
            }
            if !sender.is_ready() && !sender.is_closed() {
                // Its task may not have run since the last byte: one turn is enough for that. Whoever is not ready then
                // still sends the body of an exchange that was answered early, for as long as that client likes;
                // nobody waits for it, and dropping it closes it.
                tokio::task::yield_now().await;
            }
            if sender.is_ready() {
                return Some(Connection::Http1(sender));
            }
        }
    }
}

impl<B> EndpointPool<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// An open connection that can carry this request.
    pub(super) async fn take(&self, request: &Request<B>) -> Option<Connection<B>> {
        if self.key.protocol != Protocol::Http1
            && self.protocol(request) != Protocol::Http1
            && let Some(seat) = self.seat()
        {
            self.metrics.connection_reused();
            return Some(Connection::Http2(Box::new(seat)));
        }
        if self.key.protocol == Protocol::Http2 {
            return None;
        }
        let taken = self.take_idle().await?;
        self.metrics.connection_reused();
        Some(taken)
    }

    /// Opens a connection for this request. Where it may become a shared one, whoever comes meanwhile waits for it.
    ///
    /// # Errors
    /// Why the endpoint cannot be reached.
    pub(super) async fn open(&self, request: &Request<B>) -> Result<Connection<B>, UpstreamError> {
        let protocol = self.protocol(request);
        if protocol == Protocol::Http1 || self.chose_http1.get() {
            return self.connect(protocol).await;
        }
        let began = Instant::now();
        let turn = self.opening.lock().await;
        if let Some(seat) = self.seat() {
            return Ok(Connection::Http2(Box::new(seat)));
        }
        match self.unopened.get() {
            Some((at, error)) if at > began => return Err(error),
            _ if self.chose_http1.get() => {
                drop(turn);
                return self.connect(protocol).await;
            }
            _ => {}
        }
        let opened = self.connect(protocol).await;
        self.unopened.set(opened.as_ref().err().map(|error| (Instant::now(), *error)));
        opened
    }

    async fn connect(&self, protocol: Protocol) -> Result<Connection<B>, UpstreamError> {
        let (transport, is_http2) = self.dialer.dial(&self.key.endpoint, self.key.address, protocol).await?;
        if protocol == Protocol::Auto {
            self.chose_http1.set(!is_http2);
        }
        let connection = if is_http2 {
            let upkeep = Upkeep { idle: self.idle_timeout, ping: self.key.ping, pong: PONG };
            let opened = Multiplexed::open(transport, upkeep, Rc::clone(&self.metrics)).await?;
            // An endpoint that takes no stream at all is of no use.
            let seat = opened.seat(self.scheme()).ok_or(UpstreamError::Broken)?;
            if !self.retired.get() {
                self.shared.borrow_mut().push(opened);
            }
            Connection::Http2(Box::new(seat))
        } else {
            Connection::Http1(http1(transport).await?)
        };
        self.metrics.connection_opened();
        Ok(connection)
    }

    /// A place on the first shared connection that has one.
    fn seat(&self) -> Option<Seat<B>> {
        let mut shared = self.shared.borrow_mut();
        shared.retain(|connection| !connection.has_ended());
        shared.iter().find_map(|connection| connection.seat(self.scheme()))
    }

    fn scheme(&self) -> &'static Scheme {
        if self.dialer.negotiates() { &Scheme::HTTPS } else { &Scheme::HTTP }
    }
}

async fn http1<B>(transport: Transport) -> Result<http1::SendRequest<B>, UpstreamError>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let (sender, connection) = http1::Builder::new()
        .max_headers(RESPONSE_HEADERS)
        .max_buf_size(RESPONSE_HEAD_BYTES)
        .handshake(TokioIo::new(transport))
        .await
        .map_err(|_| UpstreamError::Broken)?;
    tokio::task::spawn_local(async move {
        // Its errors reach the exchange through the sender and the body.
        let _ended = connection.with_upgrades().await;
    });
    Ok(sender)
}

impl PoolKey {
    /// What `upstream` asks of the connections to `endpoint`, at the address that its name has now; `None` for a socket.
    pub(super) fn new(
        upstream: &Upstream,
        endpoint: &Endpoint,
        address: Option<SocketAddr>,
        dialer: &Dialer,
    ) -> Self {
        Self {
            upstream: upstream.name.clone(),
            endpoint: endpoint.clone(),
            address,
            tls: upstream.tls.clone(),
            protocol: upstream.protocol,
            idle: (upstream.idle_connections, upstream.idle_timeout),
            ping: dialer.ping,
        }
    }
}
