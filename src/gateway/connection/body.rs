//! Bodies that note for whom they wait.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{ExchangeGuard, ExchangeProgress, Progress, remember};

/// Largest piece of a response that an HTTP/2 stream is given at a time, in bytes: one frame.
const H2_PIECE: usize = 16 * 1024;

/// The same for a stream that did not yet take anything, or took the last piece slowly. Whether it moves at all is only
/// seen from piece to piece, so this is what a reset for taking nothing waits for at the minimum rate.
const H2_SLOW_PIECE: usize = 8 * 1024;

/// How long a stream takes for a piece that is not slow.
const H2_BRISK: Duration = Duration::from_secs(1);

/// A client's request body.
#[derive(Debug)]
pub struct Upload {
    source: Source,
    watch: Option<(Rc<ExchangeProgress>, std::sync::Arc<Progress>)>,
}

#[derive(Debug)]
enum Source {
    Client(Incoming),
    Fixed(Option<Bytes>),
}

/// Why a request body ended early.
#[derive(Debug, thiserror::Error)]
pub enum UploadError {
    /// The client broke off, or broke the framing.
    #[error("the client's body broke off")]
    Client(#[source] hyper::Error),
    /// The client sent nothing for longer than the body bound: `408` if no answer has begun.
    #[error("the client's body made no progress")]
    TimedOut,
}

impl Upload {
    /// The body of the exchange of `guard`.
    pub fn new(body: Incoming, guard: &ExchangeGuard) -> Self {
        let ended = body.is_end_stream();
        guard.exchange().request_unread.set(!ended);
        // A request without a body never waits for one.
        let watch = (!ended).then(|| (guard.exchange().clone(), guard.tracker().progress().clone()));
        Self { source: Source::Client(body), watch }
    }

    /// A body that is already here.
    pub fn fixed(body: impl Into<Bytes>) -> Self {
        let body = body.into();
        Self { source: Source::Fixed((!body.is_empty()).then_some(body)), watch: None }
    }
}

impl Body for Upload {
    type Data = Bytes;
    type Error = UploadError;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UploadError>>> {
        let this = self.get_mut();
        let body = match &mut this.source {
            Source::Client(body) => body,
            Source::Fixed(body) => return Poll::Ready(body.take().map(|bytes| Ok(Frame::data(bytes)))),
        };
        let Some((exchange, progress)) = &this.watch else {
            return Pin::new(body).poll_frame(context).map_err(UploadError::Client);
        };
        match Pin::new(body).poll_frame(context) {
            Poll::Pending if exchange.expired.get() => {
                exchange.awaits_client.set(None);
                Poll::Ready(Some(Err(UploadError::TimedOut)))
            }
            Poll::Pending => {
                if exchange.awaits_client.get().is_none() {
                    exchange.awaits_client.set(Some(progress.now()));
                }
                remember(&exchange.reader, context);
                Poll::Pending
            }
            Poll::Ready(frame) => {
                let bytes = match &frame {
                    Some(Ok(frame)) => frame.data_ref().map_or(0, Bytes::len),
                    _ => 0,
                };
                exchange.brought(bytes, progress.now());
                // Nobody asks again behind trailers.
                if frame.as_ref().is_none_or(|frame| frame.as_ref().is_ok_and(Frame::is_trailers)) {
                    exchange.request_unread.set(false);
                }
                Poll::Ready(frame.map(|frame| frame.map_err(UploadError::Client)))
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Client(body) => body.is_end_stream(),
            Source::Fixed(body) => body.is_none(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Client(body) => body.size_hint(),
            Source::Fixed(body) => SizeHint::with_exact(body.as_ref().map_or(0, |b| b.len() as u64)),
        }
    }
}

impl Drop for Upload {
    fn drop(&mut self) {
        if let Some((exchange, _)) = &self.watch {
            exchange.awaits_client.set(None);
            if self.is_end_stream() {
                exchange.request_unread.set(false);
            }
        }
    }
}

/// A response body on its way to the client; its exchange lasts as long as it does.
#[derive(Debug)]
pub struct Download<B> {
    body: B,
    rest: Option<Bytes>,
    guard: ExchangeGuard,
    pieces: bool,
}

impl<B: Body> Download<B> {
    /// The body that answers the exchange of `guard`.
    pub fn new(body: B, guard: ExchangeGuard) -> Self {
        let pieces = guard.tracker().progress().is_multiplexed();
        guard.exchange().whole.set(body.is_end_stream());
        Self { body, rest: None, guard, pieces }
    }

    /// Cuts a piece off `data` and keeps the rest for the next poll.
    fn piece(&mut self, mut data: Bytes) -> Frame<Bytes> {
        let now = self.guard.tracker().progress().now();
        let exchange = self.guard.exchange();
        let most = if exchange.is_brisk(now, H2_BRISK) { H2_PIECE } else { H2_SLOW_PIECE };
        if data.len() > most {
            self.rest = Some(data.split_off(most));
        }
        exchange.offer(data.len(), now);
        self.guard.tracker().progress().gave_piece();
        Frame::data(data)
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Download<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let this = self.get_mut();
        if !this.pieces {
            // HTTP/1: the stream itself knows when the client takes nothing.
            return Pin::new(&mut this.body).poll_frame(context);
        }
        let polled = match this.rest.take() {
            Some(rest) => Poll::Ready(Some(Ok(this.piece(rest)))),
            None => match Pin::new(&mut this.body).poll_frame(context) {
                Poll::Ready(Some(Ok(frame))) => match frame.into_data() {
                    Ok(data) => Poll::Ready(Some(Ok(this.piece(data)))),
                    Err(trailers) => Poll::Ready(Some(Ok(trailers))),
                },
                other => {
                    this.guard.exchange().offers_client.set(None);
                    other
                }
            },
        };
        if matches!(polled, Poll::Ready(None)) || this.is_end_stream() {
            this.guard.exchange().whole.set(true);
        }
        polled
    }

    fn is_end_stream(&self) -> bool {
        self.rest.is_none() && self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        let rest = self.rest.as_ref().map_or(0, |rest| rest.len() as u64);
        let inner = self.body.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = inner.upper() {
            hint.set_upper(upper.saturating_add(rest));
        }
        hint.set_lower(inner.lower().saturating_add(rest));
        hint
    }
}
