//! Endpoints, their idle connections, and the sending of one request.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response, header};
use http_body::Body;
use hyper::{body::Incoming, client::conn::http1};
use hyper_util::rt::TokioIo;

use super::{
    UpstreamBody, UpstreamError,
    body::Lease,
    connect::{Dialer, Dialers},
    deadline::Deadlines,
};
use crate::{
    policy::set::{Endpoint, PolicySet, Upstream, UpstreamId, UpstreamTls},
    telemetry::{InFlight, UpstreamMetrics},
};

/// After a failed connection an endpoint is passed over for this long, while another one answers.
const PASS_OVER: Duration = Duration::from_secs(2);

/// Most header fields of a response; hyper's own default is 100.
const RESPONSE_HEADERS: usize = 256;

/// Longest response head, in bytes.
const RESPONSE_HEAD_BYTES: usize = 256 * 1024;

/// The upstreams of one policy snapshot, as one worker sees them.
pub struct Upstreams<B> {
    upstreams: Vec<Live<B>>,
    deadlines: Deadlines,
}

/// One upstream with its endpoints.
struct Live<B> {
    endpoints: Vec<Rc<EndpointPool<B>>>,
    next: Cell<usize>,
    connect_timeout: Duration,
    metrics: UpstreamMetrics,
}

/// The connections of one worker to one endpoint.
pub(super) struct EndpointPool<B> {
    key: PoolKey,
    dialer: Dialer,
    idle: RefCell<VecDeque<Idle<B>>>,
    idle_most: usize,
    idle_timeout: Duration,
    failed_at: Cell<Option<Instant>>,
    metrics: UpstreamMetrics,
}

/// A connection that waits, since when, and its place in the gauge.
type Idle<B> = (http1::SendRequest<B>, Instant, InFlight);

/// What must be equal for connections to outlive a policy change.
#[derive(PartialEq, Eq)]
struct PoolKey {
    upstream: String,
    endpoint: Endpoint,
    tls: Option<UpstreamTls>,
    idle: (usize, Duration),
}

/// A response head with where it came from.
pub struct Sent<B> {
    /// The response.
    pub response: Response<UpstreamBody<B>>,
    /// Place of the endpoint in its upstream.
    pub endpoint: usize,
    /// Whether the connection had carried another exchange before.
    pub reused: bool,
}

impl<B> EndpointPool<B> {
    /// Takes back a connection whose exchange is over.
    pub(super) fn put(&self, sender: http1::SendRequest<B>) {
        let mut idle = self.idle.borrow_mut();
        if !sender.is_closed() && idle.len() < self.idle_most {
            idle.push_back((sender, Instant::now(), self.metrics.connection_idle()));
        }
    }

    /// The most recently used connection that is still good.
    async fn take(&self) -> Option<http1::SendRequest<B>> {
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
                return Some(sender);
            }
        }
    }
}

impl<B> Upstreams<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// The upstreams of a policy; endpoints that did not change keep their connections.
    pub fn build(
        policy: &PolicySet,
        dialers: &Dialers,
        previous: Option<&Self>,
        deadlines: Deadlines,
    ) -> Self {
        let live = |(place, upstream)| Live::build(upstream, &dialers.of(place), previous);
        Self { upstreams: policy.gateway.upstreams.iter().enumerate().map(live).collect(), deadlines }
    }

    /// The deadlines of this worker.
    pub fn deadlines(&self) -> &Deadlines {
        &self.deadlines
    }

    /// Sends a request and waits for the head of its answer.
    ///
    /// A request is sent a second time only if nothing of it reached the upstream, or if it is safe (RFC 9110 9.2.1)
    /// and has no body. `response_timeout` runs from the last `activity` (the client's body may be long); `progress` is
    /// how long the response body may stand still.
    ///
    /// # Errors
    /// [`UpstreamError`]; nothing was forwarded to the client then.
    pub async fn send(
        &self,
        id: UpstreamId,
        mut request: Request<B>,
        response_timeout: Duration,
        progress: Duration,
        activity: &Cell<Instant>,
    ) -> Result<Sent<B>, UpstreamError>
    where
        B: Default,
    {
        let live = &self.upstreams[usize::from(id.0)];
        // A pooled connection may die under the request; a fresh one that dies is an answer.
        loop {
            let (place, pool, mut sender, reused) = self.connection(live).await?;
            // A body that the platform may ignore would become the next request on this connection.
            let keep = !has_unexpected_body(&request);
            if !keep {
                // Not even to be answered there.
                request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
            }
            let again = reused.then(|| copy_if_safe(&request)).flatten();
            activity.set(Instant::now());
            let answer = sender.try_send_request(request);
            let sent = self.deadlines.within_last(response_timeout, activity, answer).await;
            match sent {
                Err(_) => return Err(UpstreamError::ResponseTimeout),
                Ok(Ok(response)) if !has_one_framing(response.headers()) => {
                    return Err(UpstreamError::Broken);
                }
                Ok(Ok(response)) => {
                    let lease = keep.then(|| Lease { pool: Rc::clone(pool), sender });
                    let timer = self.deadlines.timer();
                    let response = response
                        .map(|incoming: Incoming| UpstreamBody::new(incoming, lease, timer, progress));
                    return Ok(Sent { response, endpoint: place, reused });
                }
                Ok(Err(mut error)) => match (error.take_message(), again) {
                    (Some(unsent), _) if reused => request = unsent,
                    (None, Some(copy)) => request = copy,
                    _ if error.error().is_user() => return Err(UpstreamError::RequestBody),
                    _ => return Err(UpstreamError::Broken),
                },
            }
        }
    }

    /// An idle connection of the next endpoint in turn, or a new one of the first that answers.
    async fn connection<'a>(
        &self,
        live: &'a Live<B>,
    ) -> Result<(usize, &'a Rc<EndpointPool<B>>, http1::SendRequest<B>, bool), UpstreamError> {
        let count = live.endpoints.len();
        let first = live.next.get();
        live.next.set((first + 1) % count.max(1));
        // One endpoint needs no order.
        let mut order: Vec<usize> = Vec::new();
        if count > 1 {
            let now = Instant::now();
            let turn = |failing: bool| {
                (0..count).map(move |step| (first + step) % count).filter(move |&place| {
                    let failed = live.endpoints[place].failed_at.get();
                    failed.is_some_and(|at| now.duration_since(at) < PASS_OVER) == failing
                })
            };
            order.extend(turn(false).chain(turn(true)));
        }
        let mut last = UpstreamError::Unreachable;
        for turn in 0..count {
            let place = order.get(turn).copied().unwrap_or(turn);
            let pool = &live.endpoints[place];
            if let Some(sender) = pool.take().await {
                live.metrics.connection_reused();
                return Ok((place, pool, sender, true));
            }
            // In a box: it is seldom needed, and every request would carry room for it.
            match self.deadlines.within(live.connect_timeout, Box::pin(pool.open())).await {
                Ok(Ok(sender)) => {
                    pool.failed_at.set(None);
                    live.metrics.connection_opened();
                    return Ok((place, pool, sender, false));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = UpstreamError::ConnectTimeout,
            }
            pool.failed_at.set(Some(Instant::now()));
        }
        Err(last)
    }
}

impl<B> EndpointPool<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn open(&self) -> Result<http1::SendRequest<B>, UpstreamError> {
        let transport = self.dialer.dial(&self.key.endpoint).await?;
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
}

impl<B> Live<B>
where
    B: Body<Data = Bytes> + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    fn build(upstream: &Upstream, dialer: &Dialer, previous: Option<&Upstreams<B>>) -> Self {
        let kept = || previous.into_iter().flat_map(|all| &all.upstreams).flat_map(|live| &live.endpoints);
        let endpoints = upstream
            .endpoints
            .iter()
            .map(|endpoint| {
                let key = PoolKey::new(upstream, endpoint);
                kept().find(|pool| pool.key == key).map_or_else(
                    || {
                        Rc::new(EndpointPool {
                            key,
                            dialer: dialer.clone(),
                            idle: RefCell::default(),
                            idle_most: upstream.idle_connections,
                            idle_timeout: upstream.idle_timeout,
                            failed_at: Cell::new(None),
                            metrics: UpstreamMetrics::new(upstream),
                        })
                    },
                    Rc::clone,
                )
            })
            .collect();
        Self {
            endpoints,
            next: Cell::new(0),
            connect_timeout: upstream.connect_timeout,
            metrics: UpstreamMetrics::new(upstream),
        }
    }
}

impl PoolKey {
    fn new(upstream: &Upstream, endpoint: &Endpoint) -> Self {
        Self {
            upstream: upstream.name.clone(),
            endpoint: endpoint.clone(),
            tls: upstream.tls.clone(),
            idle: (upstream.idle_connections, upstream.idle_timeout),
        }
    }
}

/// Whether an origin might ignore the body of this request and read it as the next one.
fn has_unexpected_body<B: Body>(request: &Request<B>) -> bool {
    !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        && !request.body().is_end_stream()
}

/// Whether a response's end is where everybody finds it (RFC 9112 6.3): one length or `chunked`, not both, nothing else.
///
/// hyper reads `chunked` where both are given and would send the length on, which cuts the body short for the client.
fn has_one_framing(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lengths.next(), codings.next()) {
        (None, None) => true,
        (Some(length), None) => {
            !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit) && lengths.next().is_none()
        }
        (None, Some(coding)) => {
            coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") && codings.next().is_none()
        }
        (Some(_), Some(_)) => false,
    }
}

/// The same request again, if sending it twice does no harm.
fn copy_if_safe<B: Body + Default>(request: &Request<B>) -> Option<Request<B>> {
    if !request.method().is_safe() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(B::default());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_response_has_one_end() {
        for (fields, expected) in [
            (&[][..], true),
            (&[("content-length", "5")], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("content-length", "5"), ("transfer-encoding", "chunked")], false),
            (&[("content-length", "5"), ("content-length", "5")], false),
            (&[("content-length", "5, 5")], false),
            (&[("content-length", "+5")], false),
            (&[("content-length", "")], false),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "identity")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
        ] {
            let mut headers = HeaderMap::new();
            for &(name, value) in fields {
                headers.append(name, HeaderValue::from_static(value));
            }
            assert_eq!(has_one_framing(&headers), expected, "{fields:?}");
        }
    }
}
