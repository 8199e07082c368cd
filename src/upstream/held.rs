//! A response body with what its exchange holds: a place among those under way, and a time by which it must be over.

use std::{
    pin::Pin,
    task::{Context, Poll},
    time::Instant,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};

use super::{
    UpstreamError, admission::Place, body::UpstreamBody as Received, deadline::Timer, member::Attempt,
};

/// A response body. Dropped before its end, it takes the connection with it.
pub struct UpstreamBody<B> {
    received: Received<B>,
    held: Option<Held<B>>,
    /// In a box: few exchanges have one, and all would carry room for it.
    end: Option<Box<(Instant, Timer)>>,
}

/// What an exchange holds until its body is over.
pub(super) struct Held<B> {
    pub(super) attempt: Attempt<B>,
    /// Whether a body that breaks off is its endpoint's failure: not where the client's own body was still on its way.
    pub(super) is_to_blame: bool,
    /// Given back when this is dropped; `None` where any number may be under way.
    pub(super) _place: Option<Place>,
}

impl<B> UpstreamBody<B> {
    pub(super) fn new(received: Received<B>, held: Held<B>, end: Option<Box<(Instant, Timer)>>) -> Self {
        let mut body = Self { received, held: Some(held), end };
        body.release_at_end();
        body
    }

    fn release_at_end(&mut self) {
        if self.received.is_end_stream() {
            self.held = None;
        }
    }
}

impl<B> Body for UpstreamBody<B> {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        if let Some((end, timer)) = this.end.as_deref_mut() {
            let left = end.saturating_duration_since(Instant::now());
            if left.is_zero() || timer.poll(left, cx).is_ready() {
                this.held = None;
                return Poll::Ready(Some(Err(UpstreamError::ExchangeTimeout)));
            }
        }
        let frame = Pin::new(&mut this.received).poll_frame(cx);
        match &frame {
            Poll::Ready(Some(Ok(_))) => this.release_at_end(),
            Poll::Ready(Some(Err(_))) => {
                // A body that breaks off or stands still says as much of its endpoint as no answer at all.
                if let Some(Held { attempt, is_to_blame: true, .. }) = this.held.take() {
                    attempt.live.count_failure(&attempt.member, Instant::now());
                }
            }
            Poll::Ready(None) => this.held = None,
            Poll::Pending => {}
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.received.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.received.size_hint()
    }
}
