//! The choice of an endpoint, and the sending of one request.

use std::{
    cell::Cell,
    rc::Rc,
    time::{Duration, Instant},
};

use bytes::Bytes;
use http::{Request, Response};
use http_body::Body;
use hyper::body::Incoming;

use super::{
    UpstreamBody, UpstreamError,
    body::Lease,
    connect::{Dialer, Dialers},
    connection::{Connection, Unanswered},
    deadline::Deadlines,
    endpoint::{EndpointPool, PoolKey},
    framing::{copy_if_safe, has_one_framing},
};
use crate::{
    policy::set::{PolicySet, Upstream, UpstreamId},
    telemetry::UpstreamMetrics,
};

/// After a failed connection an endpoint is passed over for this long, while another one answers.
const PASS_OVER: Duration = Duration::from_secs(2);

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

/// A response head with where it came from.
pub struct Sent<B> {
    /// The response.
    pub response: Response<UpstreamBody<B>>,
    /// Place of the endpoint in its upstream.
    pub endpoint: usize,
    /// Whether the connection had carried another exchange before.
    pub reused: bool,
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
            let (place, pool, mut connection, reused) = self.connection(live, &request).await?;
            let keep = connection.prepare(&mut request);
            let again = reused.then(|| copy_if_safe(&request)).flatten();
            activity.set(Instant::now());
            let answer = connection.send(request);
            let sent = self.deadlines.within_last(response_timeout, activity, answer).await;
            match sent {
                Err(_) => return Err(UpstreamError::ResponseTimeout),
                Ok(Ok(response)) if !has_one_framing(response.headers()) => {
                    return Err(UpstreamError::Broken);
                }
                Ok(Ok(response)) => {
                    let lease = keep.then(|| Lease { pool: Rc::clone(pool), connection });
                    let timer = self.deadlines.timer();
                    let response = response
                        .map(|incoming: Incoming| UpstreamBody::new(incoming, lease, timer, progress));
                    return Ok(Sent { response, endpoint: place, reused });
                }
                Ok(Err(Unanswered { unsent, by_body })) => match (unsent, again) {
                    (Some(unsent), _) if reused => request = unsent,
                    (None, Some(copy)) => request = copy,
                    _ if by_body => return Err(UpstreamError::RequestBody),
                    _ => return Err(UpstreamError::Broken),
                },
            }
        }
    }

    /// An idle connection of the next endpoint in turn, or a new one of the first that answers.
    async fn connection<'a>(
        &self,
        live: &'a Live<B>,
        request: &Request<B>,
    ) -> Result<(usize, &'a Rc<EndpointPool<B>>, Connection<B>, bool), UpstreamError> {
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
            if let Some(connection) = pool.take(request).await {
                live.metrics.connection_reused();
                return Ok((place, pool, connection, true));
            }
            // In a box: it is seldom needed, and every request would carry room for it.
            match self.deadlines.within(live.connect_timeout, Box::pin(pool.open(request))).await {
                Ok(Ok(connection)) => {
                    pool.failed_at.set(None);
                    live.metrics.connection_opened();
                    return Ok((place, pool, connection, false));
                }
                Ok(Err(error)) => last = error,
                Err(_) => last = UpstreamError::ConnectTimeout,
            }
            pool.failed_at.set(Some(Instant::now()));
        }
        Err(last)
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
                kept()
                    .find(|pool| pool.fits(&key))
                    .map_or_else(|| Rc::new(EndpointPool::new(key, dialer.clone(), upstream)), Rc::clone)
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
