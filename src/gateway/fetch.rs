//! Lets identity providers ask their upstreams over the worker's pool.

use std::{cell::Cell, time::Instant};

use bytes::{Bytes, BytesMut};
use http::{HeaderValue, Request, Response, header};
use http_body_util::BodyExt;

use super::{payload::Payload, worker::View};
use crate::{
    identity::{Fetch, FetchError, LocalBoxFuture},
    policy::set::{HostHeader, UpstreamId},
    upstream::UpstreamError,
};

/// Longest answer of an identity source, in bytes.
const ANSWER_BYTES: usize = 256 * 1024;

/// The worker's view, with the host that the client asked for: platforms answer by it.
pub struct Asker<'a> {
    /// Pool and policy.
    pub view: &'a View,
    /// Canonical `Host` of the exchange.
    pub host: &'a HeaderValue,
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
        let host = host_for(upstream.host, self.host, upstream);
        request.headers_mut().insert(header::HOST, host);
        request.headers_mut().insert(header::ACCEPT_ENCODING, HeaderValue::from_static("identity"));
        let timeout = upstream.response_timeout;
        let activity = Cell::new(Instant::now());
        let sent = self
            .view
            .upstreams
            .send(id, request, timeout, timeout, &activity)
            .await
            .map_err(refused)?;
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
        UpstreamError::Unreachable | UpstreamError::Tls => FetchError::Unreachable,
        UpstreamError::ConnectTimeout | UpstreamError::ResponseTimeout => FetchError::TimedOut,
        UpstreamError::Broken | UpstreamError::RequestBody => FetchError::Broken,
    }
}

/// The `Host` that an upstream gets.
pub fn host_for(kind: HostHeader, client: &HeaderValue, upstream: &crate::policy::set::Upstream) -> HeaderValue {
    match (kind, upstream.endpoints.first()) {
        (HostHeader::Endpoint, Some(endpoint)) => {
            let default = if upstream.tls.is_some() { 443 } else { 80 };
            let host = &endpoint.host;
            let text = if endpoint.port == default { host.clone() } else { format!("{host}:{}", endpoint.port) };
            HeaderValue::try_from(text).unwrap_or_else(|_| client.clone())
        }
        _ => client.clone(),
    }
}
