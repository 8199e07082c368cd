//! A connection that can send a request, whatever it speaks.

use bytes::Bytes;
use http::{HeaderValue, Request, Response, header};
use http_body::Body;
use hyper::{body::Incoming, client::conn::http1};

use super::{framing::has_unexpected_body, multiplexed::Seat};

/// A connection that can send a request.
pub(super) enum Connection<B> {
    /// HTTP/1.1: one exchange at a time.
    Http1(http1::SendRequest<B>),
    /// A place on an HTTP/2 connection, good for one exchange.
    Http2(Box<Seat<B>>),
}

/// Why a request got no answer.
pub(super) struct Unanswered<B> {
    /// The request, if nothing of it was processed: whatever its method, it may be sent again.
    pub(super) unsent: Option<Request<B>>,
    /// Whether its own body failed, and not the connection.
    pub(super) by_body: bool,
}

impl<B> Connection<B>
where
    B: Body<Data = Bytes> + Default + From<Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    /// Writes in the request what the connection must be told; says whether it may carry others behind this one.
    pub(super) fn prepare(&self, request: &mut Request<B>) -> bool {
        match self {
            Self::Http1(_) => {
                // A body that the platform may ignore would become the next request on this connection.
                let keep = !has_unexpected_body(request);
                if !keep {
                    // Not even to be answered there.
                    request.headers_mut().insert(header::CONNECTION, HeaderValue::from_static("close"));
                }
                keep
            }
            // Streams have ends of their own.
            Self::Http2(_) => true,
        }
    }

    /// Sends a request; the answer's head.
    ///
    /// # Errors
    /// [`Unanswered`].
    pub(super) async fn send(&mut self, request: Request<B>) -> Result<Response<Incoming>, Unanswered<B>> {
        match self {
            Self::Http1(sender) => sender.try_send_request(request).await.map_err(|mut error| Unanswered {
                unsent: error.take_message(),
                by_body: error.error().is_user(),
            }),
            // In a box: it is the larger by far, and every exchange would carry room for it.
            Self::Http2(seat) => Box::pin(seat.send(request)).await,
        }
    }
}
