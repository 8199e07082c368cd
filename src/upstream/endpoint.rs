//! The connections of one worker to one endpoint.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    net::SocketAddr,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::Request;
use http_body::Body;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;

use super::{UpstreamError, connect::Dialer, connection::Connection};
use crate::{
    policy::set::{Endpoint, Upstream, UpstreamTls},
    telemetry::{InFlight, UpstreamMetrics},
};

/// Most header fields of a response; hyper's own default is 100.
const RESPONSE_HEADERS: usize = 256;

/// Longest response head, in bytes.
const RESPONSE_HEAD_BYTES: usize = 256 * 1024;

/// The connections of one worker to one endpoint.
pub(super) struct EndpointPool<B> {
    key: PoolKey,
    dialer: Dialer,
    idle: RefCell<VecDeque<Idle<B>>>,
    idle_most: usize,
    idle_timeout: Duration,
    retired: Cell<bool>,
    metrics: UpstreamMetrics,
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
    idle: (usize, Duration),
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
            retired: Cell::new(false),
            metrics: UpstreamMetrics::new(upstream),
        }
    }

    /// Whether it may go on under a policy that asks for this.
    pub(super) fn fits(&self, key: &PoolKey) -> bool {
        self.key == *key
    }

    /// Nobody will ask for a connection any more: those that wait are closed, and those under way when their exchange is over.
    pub(super) fn retire(&self) {
        self.retired.set(true);
        self.idle.borrow_mut().clear();
    }

    /// Takes back a connection whose exchange is over.
    pub(super) fn put(&self, connection: Connection<B>) {
        let Connection::Http1(sender) = connection;
        let mut idle = self.idle.borrow_mut();
        if !self.retired.get() && !sender.is_closed() && idle.len() < self.idle_most {
            idle.push_back((sender, Instant::now(), self.metrics.connection_idle()));
        }
    }

    /// The most recently used connection that is still good for this request.
    pub(super) async fn take(&self, _request: &Request<B>) -> Option<Connection<B>> {
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
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Opens a connection for this request.
    ///
    /// # Errors
    /// Why the endpoint cannot be reached.
    pub(super) async fn open(&self, _request: &Request<B>) -> Result<Connection<B>, UpstreamError> {
        let transport = self.dialer.dial(&self.key.endpoint, self.key.address).await?;
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
        Ok(Connection::Http1(sender))
    }
}

impl PoolKey {
    /// What `upstream` asks of the connections to `endpoint`, at the address that its name has now.
    pub(super) fn new(upstream: &Upstream, endpoint: &Endpoint, address: Option<SocketAddr>) -> Self {
        Self {
            upstream: upstream.name.clone(),
            endpoint: endpoint.clone(),
            address,
            tls: upstream.tls.clone(),
            idle: (upstream.idle_connections, upstream.idle_timeout),
        }
    }
}
