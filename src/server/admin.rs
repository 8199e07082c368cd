//! Metrics and probes, on a listener of their own: nothing here is reachable from where clients are.
//!
//! | path | 200 while |
//! |---|---|
//! | `/metrics` | always; Prometheus text |
//! | `/healthz` | the process lives |
//! | `/startupz` | it has started once |
//! | `/readyz` | it serves, does not drain, and its journal can be written |

use std::{convert::Infallible, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::Full;
use hyper::{server::conn::http1, service::service_fn};
use hyper_util::rt::TokioIo;
use tokio::{
    net::TcpListener,
    sync::{Semaphore, watch},
};

use super::Stage;

/// Most connections at a time: probes and scrapers.
const CONNECTIONS: usize = 64;
/// One request and its answer.
const WHOLE: Duration = Duration::from_secs(10);
/// Buffer of one connection, in bytes: hyper's smallest.
const BUFFER: usize = 8192;
/// Wait after an accept that failed.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// Answers until its runtime ends.
pub(super) async fn serve(
    listener: TcpListener,
    stage: watch::Receiver<Stage>,
    metrics: Arc<dyn Fn() -> String + Send + Sync>,
    healthy: Arc<dyn Fn() -> bool + Send + Sync>,
) {
    let places = Arc::new(Semaphore::new(CONNECTIONS));
    loop {
        let Ok((stream, _)) = listener.accept().await else {
            tokio::time::sleep(ACCEPT_BACKOFF).await;
            continue;
        };
        let Ok(place) = places.clone().try_acquire_owned() else { continue };
        let (stage, metrics, healthy) = (stage.clone(), metrics.clone(), healthy.clone());
        tokio::spawn(async move {
            let _place = place;
            let service = service_fn(move |request: Request<_>| {
                let is_ready = *stage.borrow() == Stage::Serving && healthy();
                let started = *stage.borrow() > Stage::Starting;
                let response = answer(request.method(), request.uri().path(), started, is_ready, &*metrics);
                async move { Ok::<_, Infallible>(response) }
            });
            let connection = http1::Builder::new()
                .keep_alive(false)
                .header_read_timeout(None)
                .max_buf_size(BUFFER)
                .serve_connection(TokioIo::new(stream), service);
            // A client that is slow or gone is not worth a word.
            let _ = tokio::time::timeout(WHOLE, connection).await;
        });
    }
}

fn answer(
    method: &Method,
    path: &str,
    started: bool,
    is_ready: bool,
    metrics: &dyn Fn() -> String,
) -> Response<Full<Bytes>> {
    if !matches!(*method, Method::GET | Method::HEAD) {
        let mut response = text(StatusCode::METHOD_NOT_ALLOWED, "only GET and HEAD\n");
        response.headers_mut().insert(header::ALLOW, HeaderValue::from_static("GET, HEAD"));
        return response;
    }
    let probe = |holds: bool| match holds {
        true => text(StatusCode::OK, "ok\n"),
        false => text(StatusCode::SERVICE_UNAVAILABLE, "not now\n"),
    };
    match path {
        "/metrics" => text(StatusCode::OK, metrics()),
        "/healthz" => probe(true),
        "/startupz" => probe(started),
        "/readyz" => probe(is_ready),
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

fn text(status: StatusCode, body: impl Into<Bytes>) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::new(body.into()));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    // Also right for metrics: version 0.0.4 is the Prometheus text format.
    headers
        .insert(header::CONTENT_TYPE, HeaderValue::from_static("text/plain; version=0.0.4; charset=utf-8"));
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn probes_follow_the_stage() {
        let status = |path: &str, stage| {
            let (started, is_ready) = (stage > Stage::Starting, stage == Stage::Serving);
            answer(&Method::GET, path, started, is_ready, &|| "m".into()).status().as_u16()
        };
        for (stage, health, startup, ready) in [
            (Stage::Starting, 200, 503, 503),
            (Stage::Serving, 200, 200, 200),
            (Stage::Draining, 200, 200, 503),
            (Stage::Closing, 200, 200, 503),
        ] {
            assert_eq!(
                (status("/healthz", stage), status("/startupz", stage), status("/readyz", stage)),
                (health, startup, ready),
                "{stage:?}"
            );
        }
        assert_eq!(status("/metrics", Stage::Draining), 200);
        assert_eq!(status("/metrics/", Stage::Serving), 404);
    }

    #[test]
    fn only_reading_is_allowed() {
        let response = answer(&Method::POST, "/metrics", true, true, &String::new);
        assert_eq!(response.status(), StatusCode::METHOD_NOT_ALLOWED);
        assert_eq!(answer(&Method::HEAD, "/readyz", true, true, &String::new).status(), StatusCode::OK);
    }
}
