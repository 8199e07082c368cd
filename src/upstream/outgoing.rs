//! A request body on its way over HTTP/2: it can be had back while it was not begun, or if it is short and whole, and it ends
//! when nobody waits for the answer any more.
//!
//! hyper moves the body into a task of its own, which lives as long as the stream; whoever sends keeps the other end here.

use std::{
    cell::{Cell, RefCell},
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
};

use bytes::Bytes;
use h2::Reason;
use http_body::{Body, Frame, SizeHint};

use super::multiplexed::Place;

/// The end of a body that hyper has. Holds its place on the connection: an early answer does not end the upload.
pub(super) struct Outgoing<B> {
    shared: Option<Rc<Shared<B>>>,
    _place: Rc<Place>,
}

/// The end of a body that the sender keeps; `None` where there is no body.
pub(super) struct Kept<B>(Option<Rc<Shared<B>>>);

/// Longest body that is remembered until the answer's head is there.
const REMEMBERED: usize = 64 * 1024;

struct Shared<B> {
    body: RefCell<Option<B>>,
    taken: RefCell<Taken>,
    failed: Cell<bool>,
    reader: Cell<Option<Waker>>,
}

/// What was taken of a body.
enum Taken {
    Begun(Vec<Bytes>),
    /// All of it.
    Whole(Vec<Bytes>),
    /// More than is remembered, or something else than bytes.
    Gone,
}

impl Taken {
    fn add(&mut self, frame: &Frame<Bytes>, is_last: bool) {
        let Self::Begun(pieces) = self else { return };
        let length: usize = pieces.iter().map(Bytes::len).sum();
        *self = match frame.data_ref() {
            Some(data) if length + data.len() <= REMEMBERED => {
                let mut pieces = std::mem::take(pieces);
                pieces.push(data.clone());
                if is_last { Self::Whole(pieces) } else { Self::Begun(pieces) }
            }
            _ => Self::Gone,
        };
    }

    fn end(&mut self) {
        if let Self::Begun(pieces) = self {
            *self = Self::Whole(std::mem::take(pieces));
        }
    }
}

/// Both ends of a body.
pub(super) fn split<B: Body>(body: B, place: &Rc<Place>) -> (Outgoing<B>, Kept<B>) {
    let shared = (!body.is_end_stream()).then(|| {
        Rc::new(Shared {
            body: RefCell::new(Some(body)),
            taken: RefCell::new(Taken::Begun(Vec::new())),
            failed: Cell::new(false),
            reader: Cell::default(),
        })
    });
    (Outgoing { shared: shared.clone(), _place: Rc::clone(place) }, Kept(shared))
}

impl<B: Default + From<Bytes>> Kept<B> {
    /// The body as it was, if it still can be had.
    pub(super) fn take_back(&self) -> Option<B> {
        let Some(shared) = &self.0 else { return Some(B::default()) };
        let body = shared.body.borrow_mut().take();
        match shared.taken.replace(Taken::Gone) {
            Taken::Begun(pieces) if pieces.is_empty() => body,
            Taken::Whole(pieces) => Some(B::from(pieces.concat().into())),
            Taken::Begun(_) | Taken::Gone => None,
        }
    }
}

impl<B> Kept<B> {
    /// Whether the body failed by itself.
    pub(super) fn has_failed(&self) -> bool {
        self.0.as_ref().is_some_and(|shared| shared.failed.get())
    }

    /// The answer is there: the body will not be asked for any more.
    pub(super) fn forget(&self) {
        if let Some(shared) = &self.0 {
            shared.taken.replace(Taken::Gone);
        }
    }

    /// Nobody waits for the answer: what is left of the body is given up, and the stream reset.
    pub(super) fn cancel(&self) {
        let Some(shared) = &self.0 else { return };
        if shared.body.borrow_mut().take().is_some()
            && let Some(reader) = shared.reader.take()
        {
            reader.wake();
        }
    }
}

impl<B> Body for Outgoing<B>
where
    B: Body<Data = Bytes> + Unpin,
{
    type Data = Bytes;
    /// RST_STREAM with CANCEL, whatever the reason (RFC 9113 §7): the platform is told nothing of the client.
    type Error = h2::Error;

    fn poll_frame(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(shared) = &self.shared else { return Poll::Ready(None) };
        let mut body = shared.body.borrow_mut();
        let Some(source) = body.as_mut() else { return Poll::Ready(Some(Err(Reason::CANCEL.into()))) };
        match Pin::new(&mut *source).poll_frame(cx) {
            Poll::Ready(Some(Ok(frame))) => {
                shared.taken.borrow_mut().add(&frame, source.is_end_stream());
                Poll::Ready(Some(Ok(frame)))
            }
            Poll::Ready(Some(Err(_))) => {
                shared.failed.set(true);
                *body = None;
                Poll::Ready(Some(Err(Reason::CANCEL.into())))
            }
            Poll::Ready(None) => {
                shared.taken.borrow_mut().end();
                Poll::Ready(None)
            }
            Poll::Pending => {
                shared.reader.set(Some(cx.waker().clone()));
                Poll::Pending
            }
        }
    }

    fn is_end_stream(&self) -> bool {
        match &self.shared {
            Some(shared) => shared.body.borrow().as_ref().is_some_and(Body::is_end_stream),
            None => true,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.shared {
            Some(shared) => shared.body.borrow().as_ref().map(Body::size_hint).unwrap_or_default(),
            None => SizeHint::with_exact(0),
        }
    }
}
