//! Bodies that are made while they are sent.

use std::{
    collections::VecDeque,
    fmt, io,
    pin::Pin,
    task::{Context, Poll, ready},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Frame, SizeHint};
use tokio::time::{Sleep, sleep};

/// How long after its beginning a cut body breaks.
const CUT_AFTER: Duration = Duration::from_millis(50);

/// The body of one of the platform's answers.
#[derive(Debug)]
pub(super) enum Body {
    /// All there is.
    Whole(Option<Bytes>),
    /// Pieces with a pause before each.
    Paced(Paced),
    /// The same block again and again between an opening and an end, never all in memory.
    Repeated(Repeated),
    /// A beginning, then the connection breaks.
    Cut(Option<Bytes>, Option<Pin<Box<Sleep>>>),
}

/// Pieces with a pause before each.
pub(super) struct Paced {
    pieces: VecDeque<Bytes>,
    pause: Duration,
    waiting: Option<Pin<Box<Sleep>>>,
}

impl fmt::Debug for Paced {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Paced").field("pieces", &self.pieces.len()).field("pause", &self.pause).finish()
    }
}

/// The same block again and again.
#[derive(Debug)]
pub(super) struct Repeated {
    opening: Option<Bytes>,
    block: Bytes,
    left: u64,
    end: Option<Bytes>,
}

impl Body {
    pub(super) fn whole(bytes: impl Into<Bytes>) -> Self {
        Self::Whole(Some(bytes.into()))
    }

    pub(super) fn empty() -> Self {
        Self::Whole(None)
    }

    pub(super) fn paced(pieces: impl IntoIterator<Item = Bytes>, pause: Duration) -> Self {
        Self::Paced(Paced { pieces: pieces.into_iter().collect(), pause, waiting: None })
    }

    /// `opening`, then `block` as often as it takes to reach `bytes`, then `end`.
    pub(super) fn repeated(opening: Bytes, block: Bytes, end: Bytes, bytes: u64) -> Self {
        let left = bytes.div_ceil(block.len().max(1) as u64);
        Self::Repeated(Repeated { opening: Some(opening), block, left, end: Some(end) })
    }

    pub(super) fn cut(bytes: impl Into<Bytes>) -> Self {
        Self::Cut(Some(bytes.into()), None)
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = io::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        context: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, io::Error>>> {
        let next = match self.get_mut() {
            Self::Whole(bytes) => bytes.take(),
            Self::Paced(paced) => ready!(paced.poll_next(context)),
            Self::Repeated(repeated) => repeated.next(),
            Self::Cut(bytes, waiting) => match bytes.take() {
                Some(bytes) => Some(bytes),
                None => {
                    // An error at once would be met before the server had written anything at all.
                    let waiting = waiting.get_or_insert_with(|| Box::pin(sleep(CUT_AFTER)));
                    ready!(waiting.as_mut().poll(context));
                    return Poll::Ready(Some(Err(io::ErrorKind::ConnectionAborted.into())));
                }
            },
        };
        Poll::Ready(next.map(|bytes| Ok(Frame::data(bytes))))
    }

    fn is_end_stream(&self) -> bool {
        matches!(self, Self::Whole(None))
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            _ => SizeHint::default(),
        }
    }
}

impl Paced {
    fn poll_next(&mut self, context: &mut Context<'_>) -> Poll<Option<Bytes>> {
        if self.pieces.is_empty() {
            return Poll::Ready(None);
        }
        let pause = self.pause;
        let waiting = self.waiting.get_or_insert_with(|| Box::pin(sleep(pause)));
        ready!(waiting.as_mut().poll(context));
        self.waiting = None;
        Poll::Ready(self.pieces.pop_front())
    }
}

impl Repeated {
    fn next(&mut self) -> Option<Bytes> {
        if let Some(opening) = self.opening.take() {
            return Some(opening);
        }
        if self.left > 0 {
            self.left -= 1;
            return Some(self.block.clone());
        }
        self.end.take()
    }
}
