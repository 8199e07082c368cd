//! A response body that gives its connection back when it has been read to the end.

use std::{
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Duration,
};

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use hyper::body::Incoming;

use super::{UpstreamError, connection::Connection, deadline::Timer, endpoint::EndpointPool};

/// What a connection needs to return to its pool.
pub(super) struct Lease<B> {
    pub(super) pool: Rc<EndpointPool<B>>,
    pub(super) connection: Connection<B>,
}

/// A response body. Dropped before its end, it takes the connection with it.
pub(super) struct UpstreamBody<B> {
    incoming: Incoming,
    lease: Option<Lease<B>>,
    timer: Timer,
    progress: Duration,
}

impl<B> UpstreamBody<B> {
    pub(super) fn new(incoming: Incoming, lease: Option<Lease<B>>, timer: Timer, progress: Duration) -> Self {
        let mut body = Self { incoming, lease, timer, progress };
        if body.incoming.is_end_stream() {
            body.give_back();
        }
        body
    }

    fn give_back(&mut self) {
        if let Some(Lease { pool, connection }) = self.lease.take() {
            pool.put(connection);
        }
    }

    /// An HTTP/2 stream may be reset as if nothing were wrong, which is no end of a body (RFC 9113 §8.1).
    fn is_cut(&self) -> bool {
        let is_http2 =
            self.lease.as_ref().is_some_and(|lease| matches!(lease.connection, Connection::Http2(_)));
        is_http2 && !self.incoming.is_end_stream()
    }

    fn is_excess(&self, frame: &Frame<Bytes>) -> bool {
        matches!(&self.lease, Some(Lease { connection: Connection::Http2(seat), .. }) if seat.is_excess(frame))
    }

    fn give_up(&mut self) {
        if let Some(Lease { connection: Connection::Http2(seat), .. }) = self.lease.take() {
            seat.cancel();
        }
    }
}

impl<B> Drop for UpstreamBody<B> {
    fn drop(&mut self) {
        self.give_up();
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
        match Pin::new(&mut this.incoming).poll_frame(cx) {
            Poll::Ready(frame) => {
                this.timer.clear();
                match frame {
                    Some(Ok(frame)) if this.is_excess(&frame) => {
                        this.give_up();
                        Poll::Ready(Some(Err(UpstreamError::Broken)))
                    }
                    Some(Ok(frame)) => {
                        if this.incoming.is_end_stream() {
                            this.give_back();
                        }
                        Poll::Ready(Some(Ok(frame)))
                    }
                    Some(Err(_)) => {
                        this.give_up();
                        Poll::Ready(Some(Err(UpstreamError::Broken)))
                    }
                    None if this.is_cut() => {
                        this.give_up();
                        Poll::Ready(Some(Err(UpstreamError::Broken)))
                    }
                    None => {
                        this.give_back();
                        Poll::Ready(None)
                    }
                }
            }
            Poll::Pending => this.timer.poll(this.progress, cx).map(|()| {
                this.give_up();
                Some(Err(UpstreamError::ResponseTimeout))
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        self.incoming.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.incoming.size_hint()
    }
}
