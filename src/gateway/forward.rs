//! Step 9: the cleaned request goes on to its upstream.

use std::time::Instant;

use http::{HeaderValue, Method, Request, Response, Uri, header, request::Parts};
use http_body::Body as _;

use super::{
    affinity,
    fetch::host_for,
    grpc,
    head::Target,
    ledger::Ledger,
    payload::{Notes, Payload},
    respond::ExchangeError,
    worker::View,
};
use crate::{
    policy::set::{RoutePolicy, Upstream},
    upstream::{Terms, UpstreamBody},
};

/// Bytes of a body that leave with the head: behind more of them an early answer may come before the rest has left.
const AT_ONCE: usize = 16 * 1024;

/// A request on its way.
pub(super) struct Onward<'a> {
    /// Pool and policy.
    pub view: &'a View,
    /// Where it goes, and how long it may take.
    pub route: &'a RoutePolicy,
    /// What was matched.
    pub target: &'a Target,
    /// What is learnt of its body.
    pub notes: &'a Notes,
    /// Whether its client set a deadline of its own.
    pub is_grpc: bool,
}

impl Onward<'_> {
    /// Sends it and waits for the head of the answer; takes the fields out of `head`, whose rest the answer is judged by.
    ///
    /// # Errors
    /// What the client is told.
    pub(super) async fn send(
        &self,
        head: &mut Parts,
        payload: Payload,
        ledger: &mut Ledger,
    ) -> Result<Response<UpstreamBody<Payload>>, ExchangeError> {
        let snapshot = self.view.snapshot();
        let gateway = &snapshot.policy.gateway;
        let upstream = &gateway.upstreams[usize::from(self.route.upstream.0)];
        ledger.tried(self.route.upstream);
        let request = self.request(head, payload, upstream);
        if matches!(request.body(), Payload::Whole(Some(bytes)) if bytes.len() > AT_ONCE) {
            // Given away in one piece: nobody knows when the last of it left.
            self.notes.sent.set(false);
        }
        let own = self.route.response_timeout.unwrap_or(upstream.response_timeout);
        let timeout = match self.is_grpc {
            true => own.min(grpc::timeout(request.headers()).unwrap_or(own)),
            false => own,
        };
        let terms = Terms {
            response_timeout: timeout,
            is_patient: timeout >= own,
            progress: gateway.timeouts.body,
            activity: &self.notes.activity,
            sent: &self.notes.sent,
            priority: self.route.priority,
            affinity: upstream.resilience.affinity.as_deref().and_then(|cookie| {
                affinity::hash(&snapshot.affinity_key, cookie.as_bytes(), request.headers())
            }),
        };
        let began = Instant::now();
        let sent = self.view.upstreams.send(self.route.upstream, request, &terms).await;
        let metrics = self.view.upstream_metrics(self.route.upstream);
        match sent {
            Ok(sent) => {
                let took = began.elapsed();
                ledger.forwarded(self.route.upstream, sent.endpoint, took);
                if let Some(metrics) = metrics {
                    metrics.response(sent.response.status().as_u16(), took);
                }
                Ok(sent.response)
            }
            Err(error) => {
                if let Some(failure) = self.notes.failure.get() {
                    return Err(failure.into());
                }
                if let Some(metrics) = metrics {
                    metrics.error(error.label());
                }
                Err(error.into())
            }
        }
    }

    fn request(&self, head: &mut Parts, payload: Payload, upstream: &Upstream) -> Request<Payload> {
        let mut request = Request::new(payload);
        *request.method_mut() = head.method.clone();
        *request.uri_mut() = Uri::from(self.target.resource.clone());
        *request.headers_mut() = std::mem::take(&mut head.headers);
        let host = host_for(upstream.host, &self.target.host_field, upstream);
        request.headers_mut().insert(header::HOST, host);
        // Framing is hyper's: the length that the client told, or chunks.
        match request.body().size_hint().exact() {
            None => drop(request.headers_mut().remove(header::CONTENT_LENGTH)),
            Some(length) => {
                // In one spelling: `010` is eight to some. Nothing is told where content could be expected (RFC 9110 8.6).
                let expects = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
                if expects || request.headers().contains_key(header::CONTENT_LENGTH) {
                    request.headers_mut().insert(header::CONTENT_LENGTH, HeaderValue::from(length));
                }
            }
        }
        request
    }
}
