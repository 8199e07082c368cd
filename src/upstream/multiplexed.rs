//! One HTTP/2 connection to an endpoint (RFC 9113): many exchanges at a time, each in its place.
//!
//! A connection is given away only once the endpoint's SETTINGS have come: from then on it is known to speak HTTP/2, and
//! how many streams it takes at a time.

use std::{
    cell::{Cell, RefCell},
    future::{Future, poll_fn},
    pin::{Pin, pin},
    rc::Rc,
    task::{Poll, Waker},
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::Reason;
use http::{HeaderMap, Method, Request, Response, StatusCode, Uri, header, uri};
use http_body::{Body, Frame};
use hyper::{
    body::Incoming,
    client::conn::http2::{self, SendRequest},
    rt::Executor,
};
use hyper_util::rt::{TokioIo, TokioTimer};

pub(super) use super::outgoing::Kept;
use super::{
    UpstreamError,
    connect::Transport,
    connection::Unanswered,
    endpoint::RESPONSE_HEAD_BYTES,
    outgoing::{Outgoing, split},
};
use crate::telemetry::{InFlight, UpstreamMetrics};

/// Most streams of one connection, whatever the endpoint would take: more of them are another connection, so that a lost
/// one is the loss of no more.
const STREAMS: usize = 100;

/// Received but unread bytes of one stream (RFC 9113 §6.9): what an endpoint can make us hold for a client that reads slowly.
const STREAM_WINDOW: u32 = 128 * 1024;

/// Room for all streams: clients that read slowly never take the connection from the others.
const CONNECTION_WINDOW: u32 = STREAM_WINDOW * STREAMS as u32;

/// The smallest that the protocol allows (RFC 9113 §4.2): larger frames only make streams wait for each other.
const FRAME: u32 = 16 * 1024;

/// Bytes of a request body that one stream may have waiting for the endpoint's window.
const SEND_BUFFER: usize = 64 * 1024;

/// Streams given up by our clients of which late frames are still recognised.
const RESETS_REMEMBERED: usize = 1024;

/// Stands for the number of streams while the endpoint has not said its own.
const UNTOLD: usize = usize::MAX - 1;

/// An open connection.
pub(super) struct Multiplexed<B> {
    sender: SendRequest<Outgoing<B>>,
    load: Rc<Load>,
}

/// What a connection carries.
struct Load {
    streams: Cell<usize>,
    most: Cell<usize>,
    /// Carries nothing new: it ended, or is about to.
    ended: Cell<bool>,
    /// Since when it carries nothing, and its place in the gauge.
    idle: RefCell<Option<(Instant, InFlight)>>,
    metrics: Rc<UpstreamMetrics>,
}

/// The place of one exchange on a connection, for as long as it lives.
pub(super) struct Place(Rc<Load>);

/// A connection with a place on it.
pub(super) struct Seat<B> {
    sender: SendRequest<Outgoing<B>>,
    place: Rc<Place>,
    scheme: uri::Scheme,
    kept: Option<Kept<B>>,
    /// The answer has no content, whatever comes.
    bodiless: bool,
}

/// How connections are kept.
#[derive(Clone, Copy)]
pub(super) struct Upkeep {
    /// How long one without an exchange lives.
    pub(super) idle: Duration,
    /// How long one with exchanges may be silent before it is asked whether it lives.
    pub(super) ping: Duration,
    /// How long that question may stay unanswered.
    pub(super) pong: Duration,
}

impl<B> Multiplexed<B>
where
    B: Body<Data = Bytes> + Unpin + 'static,
{
    /// Speaks HTTP/2 on a fresh transport.
    ///
    /// # Errors
    /// [`UpstreamError::Broken`] where the other side does not.
    pub(super) async fn open(
        transport: Transport,
        upkeep: Upkeep,
        metrics: Rc<UpstreamMetrics>,
    ) -> Result<Self, UpstreamError> {
        let tasks = Tasks::default();
        let (sender, mut connection) = http2::Builder::new(tasks.clone())
            .timer(TokioTimer::new())
            .initial_max_send_streams(UNTOLD)
            .initial_stream_window_size(STREAM_WINDOW)
            .initial_connection_window_size(CONNECTION_WINDOW)
            .max_frame_size(FRAME)
            .max_header_list_size(RESPONSE_HEAD_BYTES as u32)
            .max_send_buf_size(SEND_BUFFER)
            .max_concurrent_reset_streams(RESETS_REMEMBERED)
            // Frames that arrive behind a reset are our clients' doing, and no reason to end the exchanges of the others.
            .max_local_error_reset_streams(None)
            .keep_alive_interval(upkeep.ping)
            .keep_alive_timeout(upkeep.pong)
            .handshake(TokioIo::new(transport))
            .await
            .map_err(|_| UpstreamError::Broken)?;
        poll_fn(|cx| {
            // Before it is polled: what comes may come while it is.
            tasks.tell(cx.waker());
            if Pin::new(&mut connection).poll(cx).is_ready() {
                return Poll::Ready(Err(UpstreamError::Broken));
            }
            match connection.current_max_send_streams() {
                UNTOLD => Poll::Pending,
                _ => Poll::Ready(Ok(())),
            }
        })
        .await?;
        let load = Rc::new(Load {
            streams: Cell::new(0),
            most: Cell::new(connection.current_max_send_streams().min(STREAMS)),
            ended: Cell::new(false),
            idle: RefCell::default(),
            metrics,
        });
        load.rest();
        let driven = Rc::clone(&load);
        tokio::task::spawn_local(async move {
            let mut quiet = pin!(tokio::time::sleep(upkeep.idle));
            poll_fn(|cx| {
                // Its errors reach the exchanges through their streams.
                if Pin::new(&mut connection).poll(cx).is_ready() {
                    return Poll::Ready(());
                }
                driven.most.set(connection.current_max_send_streams().min(STREAMS));
                while quiet.as_mut().poll(cx).is_ready() {
                    let left = upkeep.idle.saturating_sub(driven.idle_for());
                    if left.is_zero() {
                        return Poll::Ready(());
                    }
                    quiet.as_mut().reset(tokio::time::Instant::now() + left);
                }
                Poll::Pending
            })
            .await;
            driven.ended.set(true);
            driven.idle.take();
        });
        Ok(Self { sender, load })
    }

    /// Whether it carries nothing new any more.
    pub(super) fn has_ended(&self) -> bool {
        self.load.ended.get() || self.sender.is_closed()
    }

    /// A place, if there is one.
    pub(super) fn seat(&self, scheme: &uri::Scheme) -> Option<Seat<B>> {
        if self.has_ended() || self.load.streams.get() >= self.load.most.get() {
            return None;
        }
        let place = Rc::new(Place::take(&self.load));
        Some(Seat { sender: self.sender.clone(), place, scheme: scheme.clone(), kept: None, bodiless: false })
    }
}

impl Load {
    fn rest(&self) {
        self.idle.replace(Some((Instant::now(), self.metrics.connection_idle())));
    }

    fn idle_for(&self) -> Duration {
        self.idle.borrow().as_ref().map_or(Duration::ZERO, |(since, _)| since.elapsed())
    }
}

impl Place {
    fn take(load: &Rc<Load>) -> Self {
        load.streams.set(load.streams.get() + 1);
        load.idle.take();
        Self(Rc::clone(load))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let left = self.0.streams.get().saturating_sub(1);
        self.0.streams.set(left);
        if left == 0 && !self.0.ended.get() {
            self.0.rest();
        }
    }
}

impl<B> Seat<B>
where
    B: Body<Data = Bytes> + Default + From<Bytes> + Unpin + 'static,
{
    /// Sends a request; the answer's head.
    ///
    /// # Errors
    /// [`Unanswered`], with the request where the endpoint refused its stream (RFC 9113 §8.7) or the connection took no
    /// more of them.
    pub(super) async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, Unanswered<B>> {
        let broken = Unanswered { unsent: None, by_body: false };
        let (mut head, body) = request.into_parts();
        // An endpoint may refuse any stream.
        let again = head.clone();
        let Some(uri) = absolute(&self.scheme, &mut head.headers, &head.uri) else { return Err(broken) };
        head.uri = uri;
        let is_head = head.method == Method::HEAD;
        let (outgoing, kept) = split(body, &self.place);
        let kept = self.kept.insert(kept);
        match self.sender.try_send_request(Request::from_parts(head, outgoing)).await {
            Ok(response) => {
                kept.forget();
                self.bodiless =
                    is_head || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
                Ok(response)
            }
            Err(error) => {
                let refused = error.message().is_some() || is_refused(error.error());
                if is_going_away(error.error()) {
                    self.place.0.ended.set(true);
                }
                let by_body = kept.has_failed();
                let unsent = refused.then(|| kept.take_back()).flatten();
                Err(Unanswered { unsent: unsent.map(|body| Request::from_parts(again, body)), by_body })
            }
        }
    }
}

impl<B> Seat<B> {
    /// Whether this piece may not be there: in HTTP/1.1 the framing leaves content of such answers out (RFC 9112 §6.3), here
    /// nothing does, and nobody reads it.
    pub(super) fn is_excess(&self, frame: &Frame<Bytes>) -> bool {
        self.bodiless && frame.data_ref().is_some_and(|data| !data.is_empty())
    }

    /// Nobody waits for the rest of the answer.
    pub(super) fn cancel(&self) {
        if let Some(kept) = &self.kept {
            kept.cancel();
        }
    }
}

/// The target as HTTP/2 has it: `Host` becomes `:authority` (RFC 9113 §8.3.1).
fn absolute(scheme: &uri::Scheme, headers: &mut HeaderMap, uri: &Uri) -> Option<Uri> {
    let host = headers.remove(header::HOST)?;
    let mut parts = uri::Parts::default();
    parts.scheme = Some(scheme.clone());
    parts.authority = Some(uri::Authority::try_from(host.as_bytes()).ok()?);
    parts.path_and_query = uri.path_and_query().cloned();
    Uri::from_parts(parts).ok()
}

fn cause(error: &hyper::Error) -> Option<&h2::Error> {
    let mut cause = std::error::Error::source(error);
    while let Some(error) = cause {
        if let Some(error) = error.downcast_ref::<h2::Error>() {
            return Some(error);
        }
        cause = error.source();
    }
    None
}

/// Whether the endpoint said that it processed nothing of this stream (RFC 9113 §8.7). h2 lets a GOAWAY fail only the
/// streams behind the last that it names.
fn is_refused(error: &hyper::Error) -> bool {
    cause(error).is_some_and(|error| {
        let refused = error.is_reset() && error.reason() == Some(Reason::REFUSED_STREAM);
        error.is_remote() && (refused || error.is_go_away())
    })
}

fn is_going_away(error: &hyper::Error) -> bool {
    error.is_canceled() || error.is_closed() || cause(error).is_some_and(h2::Error::is_go_away)
}

/// Runs the tasks of one connection on its own core, and tells whoever waits for it that something may have come.
#[derive(Clone, Default)]
struct Tasks(Rc<Cell<Option<Waker>>>);

impl Tasks {
    fn tell(&self, waker: &Waker) {
        self.0.set(Some(waker.clone()));
    }
}

impl<F: Future<Output: 'static> + 'static> Executor<F> for Tasks {
    fn execute(&self, task: F) {
        let waiting = Rc::clone(&self.0);
        tokio::task::spawn_local(async move {
            let mut task = pin!(task);
            poll_fn(|cx| {
                let polled = task.as_mut().poll(cx);
                if let Some(waiting) = waiting.take() {
                    waiting.wake();
                }
                polled
            })
            .await
        });
    }
}

#[cfg(test)]
mod tests;
