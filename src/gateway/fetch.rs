//! Lets identity providers ask their upstreams over the worker's pool.

use std::{
    cell::Cell,
    time::{Duration, Instant},
};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;

use super::{payload::Payload, worker::View};
use crate::{
    identity::{Fetch, FetchError, LocalBoxFuture},
    policy::set::{HostHeader, Priority, UpstreamId},
    upstream::{Terms, UpstreamError},
};

/// Longest answer of an identity source, in bytes.
const ANSWER_BYTES: usize = 256 * 1024;

/// Stands in where there is no host to name.
static NOBODY: HeaderValue = HeaderValue::from_static("localhost");

/// The worker's view, with the host that the client asked for: platforms answer by it.
pub(super) struct Asker<'a> {
    /// Pool and policy.
    pub view: &'a View,
    /// Canonical `Host` of the exchange; `None` where there is no exchange.
    pub host: Option<&'a HeaderValue>,
}

impl Fetch for Asker<'_> {
    fn fetch<'a>(
        &'a self,
        upstream: UpstreamId,
        request: Request<Bytes>,
    ) -> LocalBoxFuture<'a, Result<Response<Bytes>, FetchError>> {
        Box::pin(self.ask(upstream, request))
    }
}

impl Asker<'_> {
    async fn ask(&self, id: UpstreamId, request: Request<Bytes>) -> Result<Response<Bytes>, FetchError> {
        let policy = &self.view.snapshot().policy;
        let upstream = policy.gateway.upstreams.get(usize::from(id.0)).ok_or(FetchError::Unreachable)?;
        let mut request = request.map(Payload::whole);
        // What a provider asks on its own account names its host itself.
        let own = request.headers().get(header::HOST).or(self.host);
        let kind = if own.is_some() { upstream.host } else { HostHeader::Endpoint };
        let host = host_for(kind, own.unwrap_or(&NOBODY), upstream);
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        // The whole of it: others wait for this answer, and a drop every second is none.
        let limit = upstream.connect_timeout + upstream.response_timeout;
        let asked = self.exchange(id, request, upstream.response_timeout);
        self.view.upstreams.deadlines().within(limit, asked).await.map_err(|_| FetchError::TimedOut)?
    }

    async fn exchange(
        &self,
        id: UpstreamId,
        request: Request<Payload>,
        timeout: Duration,
    ) -> Result<Response<Bytes>, FetchError> {
        let activity = Cell::new(Instant::now());
        let terms = Terms {
            response_timeout: timeout,
            is_patient: true,
            progress: timeout,
            activity: &activity,
            sent: &Cell::new(true),
            // Whoever is known by the answer waits for it, critical ones among them.
            priority: Priority::Critical,
            affinity: None,
        };
        let sent = self.view.upstreams.send(id, request, &terms).await.map_err(refused)?;
        let (head, mut body) = sent.response.into_parts();
        let mut whole = BytesMut::new();
        while let Some(frame) = body.frame().await {
            let data = frame.map_err(refused)?.into_data().unwrap_or_default();
            if whole.len() + data.len() > ANSWER_BYTES {
                return Err(FetchError::TooLong);
            }
            whole.extend_from_slice(&data);
        }
        Ok(Response::from_parts(head, whole.freeze()))
    }
}

fn refused(error: UpstreamError) -> FetchError {
    match error {
        UpstreamError::Unreachable | UpstreamError::Tls | UpstreamError::Full => FetchError::Unreachable,
        UpstreamError::ConnectTimeout | UpstreamError::ResponseTimeout | UpstreamError::ExchangeTimeout => {
            FetchError::TimedOut
        }
        UpstreamError::Broken | UpstreamError::RequestBody => FetchError::Broken,
    }
}

/// The `Host` that an upstream gets.
pub(super) fn host_for(
    kind: HostHeader,
    client: &HeaderValue,
    upstream: &crate::policy::set::Upstream,
) -> HeaderValue {
    match (kind, upstream.endpoints.first()) {
        // A socket has no name.
        (HostHeader::Endpoint, Some(endpoint)) if endpoint.socket().is_some() => NOBODY.clone(),
        (HostHeader::Endpoint, Some(endpoint)) => {
            let default = if upstream.tls.is_some() { 443 } else { 80 };
            let host = match endpoint.host.contains(':') {
                // RFC 3986 3.2.2.
                true => format!("[{}]", endpoint.host),
                false => endpoint.host.clone(),
            };
            let text = if endpoint.port == default { host } else { format!("{host}:{}", endpoint.port) };
            HeaderValue::try_from(text).unwrap_or_else(|_| client.clone())
        }
        _ => client.clone(),
    }
}
