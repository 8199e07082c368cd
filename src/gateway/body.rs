//! The response body that the client gets, with the account of its exchange.

use std::{
    collections::VecDeque,
    pin::Pin,
    task::{Context, Poll},
};

use bytes::Bytes;
use http_body::{Body as HttpBody, Frame, SizeHint};

use super::{
    forwarded, headers::Screen, ledger::Ledger, payload::Payload, redaction::Redaction, respond::Unreadable,
};
use crate::{
    journal::Termination,
    upstream::{UpstreamBody, UpstreamError},
};

/// What is sent.
#[expect(
    clippy::large_enum_variant,
    reason = "most exchanges have the largest: a box would be one more piece for each"
)]
pub enum Content {
    /// Bytes that are all here.
    Whole(Bytes),
    /// The upstream's bytes as they come; its trailers only as far as the reader may see them.
    Upstream(Replay, Option<Screen>),
    /// Redacted bytes: those already safe, then the rest as it comes.
    Redacted(VecDeque<Bytes>, Box<Redaction<Replay>>),
}

impl Content {
    /// No bytes at all.
    pub fn empty() -> Self {
        Self::Whole(Bytes::new())
    }
}

/// An upstream's body whose first pieces were looked at.
pub struct Replay {
    /// Read already.
    seen: VecDeque<Bytes>,
    /// How many of them the present look has had.
    looked: usize,
    rest: UpstreamBody<Payload>,
}

impl Replay {
    /// A body of which nothing was read.
    pub fn new(rest: UpstreamBody<Payload>) -> Self {
        Self { seen: VecDeque::new(), looked: 0, rest }
    }

    /// The next look begins at the beginning.
    pub fn look_again(&mut self) {
        self.looked = 0;
    }

    /// Shows one more piece without giving it away; `None` at the end.
    pub async fn look(&mut self) -> Result<Option<&Bytes>, UpstreamError> {
        if self.looked < self.seen.len() {
            self.looked += 1;
            return Ok(self.seen.get(self.looked - 1));
        }
        loop {
            match std::future::poll_fn(|cx| Pin::new(&mut self.rest).poll_frame(cx)).await {
                None => return Ok(None),
                Some(Err(error)) => return Err(error),
                Some(Ok(frame)) => {
                    if let Ok(data) = frame.into_data() {
                        self.seen.push_back(data);
                        self.looked += 1;
                        return Ok(self.seen.back());
                    }
                }
            }
        }
    }
}

impl HttpBody for Replay {
    type Data = Bytes;
    type Error = UpstreamError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, UpstreamError>>> {
        let this = self.get_mut();
        match this.seen.pop_front() {
            Some(data) => Poll::Ready(Some(Ok(Frame::data(data)))),
            None => Pin::new(&mut this.rest).poll_frame(cx),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.seen.is_empty() && self.rest.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        if self.seen.is_empty() {
            return self.rest.size_hint();
        }
        let seen: u64 = self.seen.iter().map(|data| data.len() as u64).sum();
        let rest = self.rest.size_hint();
        let mut hint = SizeHint::new();
        if let Some(upper) = rest.upper() {
            hint.set_upper(upper.saturating_add(seen));
        }
        hint.set_lower(rest.lower().saturating_add(seen));
        hint
    }
}

/// A response body. When it goes, however that happens, its exchange is recorded.
pub struct Body {
    content: Content,
    ledger: Option<Box<Ledger>>,
    /// Nothing more will come.
    ended: bool,
}

/// The body cannot go on; the connection or stream is cut, so that the client sees an error and no short document.
#[derive(Debug, Clone, Copy, thiserror::Error)]
pub enum BodyError {
    /// The upstream stopped.
    #[error(transparent)]
    Upstream(#[from] UpstreamError),
    /// The rest cannot be proven safe.
    #[error(transparent)]
    Unreadable(#[from] Unreadable),
}

impl Body {
    /// A body with the account of its exchange.
    pub fn new(content: Content, ledger: Option<Box<Ledger>>) -> Self {
        Self { content, ledger, ended: false }
    }

    fn fail(&mut self, error: BodyError) -> BodyError {
        self.ended = true;
        if let Some(ledger) = &mut self.ledger {
            ledger.cut(match error {
                BodyError::Upstream(_) | BodyError::Unreadable(Unreadable::Upstream(_)) => {
                    Termination::UpstreamFailed
                }
                BodyError::Unreadable(_) => Termination::RedactionCut,
            });
            if let BodyError::Unreadable(reason) = error {
                ledger.unreadable(reason);
            }
        }
        error
    }
}

impl HttpBody for Body {
    type Data = Bytes;
    type Error = BodyError;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, BodyError>>> {
        let this = self.get_mut();
        if this.ended {
            return Poll::Ready(None);
        }
        let frame = match &mut this.content {
            Content::Whole(bytes) if bytes.is_empty() => Poll::Ready(None),
            Content::Whole(bytes) => Poll::Ready(Some(Ok(Frame::data(std::mem::take(bytes))))),
            Content::Upstream(body, _) => Pin::new(body).poll_frame(cx).map_err(BodyError::from),
            Content::Redacted(ready, redaction) => match ready.pop_front() {
                Some(bytes) => Poll::Ready(Some(Ok(Frame::data(bytes)))),
                None => redaction
                    .poll_chunk(cx)
                    .map(|chunk| chunk.map(|chunk| chunk.map(Frame::data).map_err(BodyError::from))),
            },
        };
        frame.map(|frame| match frame {
            Some(Ok(frame)) => Some(Ok(match frame.into_data() {
                Ok(data) => {
                    if let Some(ledger) = &mut this.ledger {
                        ledger.sent(data.len());
                    }
                    Frame::data(data)
                }
                Err(frame) => {
                    let mut trailers = frame.into_trailers().unwrap_or_default();
                    forwarded::clean_trailers(&mut trailers);
                    if let Content::Upstream(_, Some(screen)) = &this.content {
                        screen.withhold(&mut trailers);
                    }
                    Frame::trailers(trailers)
                }
            })),
            Some(Err(error)) => Some(Err(this.fail(error))),
            None => {
                this.ended = true;
                None
            }
        })
    }

    fn is_end_stream(&self) -> bool {
        self.ended
            || match &self.content {
                Content::Whole(bytes) => bytes.is_empty(),
                Content::Upstream(body, _) => body.is_end_stream(),
                Content::Redacted(ready, redaction) => ready.is_empty() && redaction.is_done(),
            }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.content {
            Content::Whole(bytes) => SizeHint::with_exact(bytes.len() as u64),
            Content::Upstream(body, _) => body.size_hint(),
            Content::Redacted(..) => SizeHint::default(),
        }
    }
}

impl Drop for Body {
    fn drop(&mut self) {
        let complete = self.is_end_stream();
        if let Some(mut ledger) = self.ledger.take() {
            if let Content::Redacted(_, redaction) = &self.content {
                ledger.tally(&redaction.tally());
            }
            ledger.close(complete);
        }
    }
}
