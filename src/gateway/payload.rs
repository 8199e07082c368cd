//! The request body on its way to the platform: streamed with its bound, or whole where it had to be read first.

use std::{
    cell::Cell,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll},
    time::Instant,
};

use bytes::{Bytes, BytesMut};
use http::HeaderMap;
use http_body::{Body, Frame, SizeHint};
use http_body_util::BodyExt;

use super::{
    connection::{Upload, UploadError},
    forwarded,
    respond::ExchangeError,
};
use crate::upstream::UpstreamError;

/// What is sent to an upstream.
#[derive(Default)]
pub enum Payload {
    /// Nothing.
    #[default]
    Empty,
    /// Bytes that are all here.
    Whole(Option<Bytes>),
    /// The client's body, as it comes.
    Client(Box<Streamed>),
}

/// A client's body with its bound.
pub struct Streamed {
    body: Upload,
    left: u64,
    notes: Rc<Notes>,
}

/// What an exchange learns of a body that it has given away.
pub struct Notes {
    /// When the exchange began or a piece last came; the response timeout starts there.
    pub activity: Cell<Instant>,
    /// Bytes that came.
    pub received: Cell<u64>,
    /// Whether the whole of it was given away.
    pub sent: Cell<bool>,
    /// Why it failed, if it did.
    pub failure: Cell<Option<Failure>>,
}

/// Why a client's body failed.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum Failure {
    /// More bytes than the route allows.
    #[error("the body is larger than allowed")]
    TooLarge,
    /// It broke off, or broke the framing.
    #[error("the body did not arrive whole")]
    Broken,
    /// Nothing of it came for too long.
    #[error("the body did not arrive in time")]
    Stalled,
}

impl From<UploadError> for Failure {
    fn from(error: UploadError) -> Self {
        match error {
            UploadError::Client(_) => Self::Broken,
            UploadError::TimedOut => Self::Stalled,
        }
    }
}

impl From<Failure> for ExchangeError {
    fn from(failure: Failure) -> Self {
        match failure {
            Failure::TooLarge => Self::BodyTooLarge,
            Failure::Broken => Self::Upstream(UpstreamError::RequestBody),
            Failure::Stalled => Self::RequestBody,
        }
    }
}

impl From<Bytes> for Payload {
    fn from(bytes: Bytes) -> Self {
        Self::whole(bytes)
    }
}

impl Default for Notes {
    fn default() -> Self {
        Self {
            activity: Cell::new(Instant::now()),
            received: Cell::default(),
            sent: Cell::new(true),
            failure: Cell::default(),
        }
    }
}

impl Payload {
    /// Streams a client's body of at most `most` bytes.
    ///
    /// # Errors
    /// [`Failure::TooLarge`] where its announced length says so.
    pub fn stream(body: Upload, most: u64, notes: Rc<Notes>) -> Result<Self, Failure> {
        if body.is_end_stream() {
            return Ok(Self::Empty);
        }
        if body.size_hint().lower() > most {
            return Err(Failure::TooLarge);
        }
        notes.sent.set(false);
        Ok(Self::Client(Box::new(Streamed { body, left: most, notes })))
    }

    /// Reads a whole body of at most `most` bytes.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn read(body: Upload, most: u64, notes: Rc<Notes>) -> Result<Bytes, Failure> {
        Self::stream(body, most, notes)?.gather(most).await
    }

    /// What is still to come, whole, if that is at most `most` bytes.
    ///
    /// # Errors
    /// [`Failure`].
    pub async fn gather(mut self, most: u64) -> Result<Bytes, Failure> {
        if let Self::Client(streamed) = &mut self {
            if streamed.body.size_hint().lower() > most {
                return Err(Failure::TooLarge);
            }
            streamed.left = streamed.left.min(most);
        }
        let mut whole = BytesMut::new();
        while let Some(frame) = self.frame().await {
            // Trailers of a body that is sent on whole have nowhere to go.
            if let Ok(data) = frame?.into_data() {
                whole.extend_from_slice(&data);
            }
        }
        Ok(whole.freeze())
    }

    /// Sends these bytes.
    pub fn whole(bytes: Bytes) -> Self {
        if bytes.is_empty() { Self::Empty } else { Self::Whole(Some(bytes)) }
    }
}

impl Streamed {
    fn take(&mut self, frame: Frame<Bytes>) -> Result<Frame<Bytes>, Failure> {
        match frame.into_data() {
            Ok(data) => {
                let length = data.len() as u64;
                self.notes.activity.set(Instant::now());
                self.notes.received.set(self.notes.received.get() + length);
                self.left = self.left.checked_sub(length).ok_or(Failure::TooLarge)?;
                Ok(Frame::data(data))
            }
            Err(other) => Ok(other.map_trailers()),
        }
    }
}

/// Trailers may not say what a header field may not (RFC 9110 6.5.1): identity and framing fields are taken out.
trait MapTrailers {
    fn map_trailers(self) -> Frame<Bytes>;
}

impl MapTrailers for Frame<Bytes> {
    fn map_trailers(self) -> Frame<Bytes> {
        let mut trailers = self.into_trailers().unwrap_or_else(|_| HeaderMap::new());
        forwarded::clean_trailers(&mut trailers);
        Frame::trailers(trailers)
    }
}

impl Body for Payload {
    type Data = Bytes;
    type Error = Failure;

    fn poll_frame(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Option<Result<Frame<Bytes>, Failure>>> {
        match self.get_mut() {
            Self::Empty => Poll::Ready(None),
            Self::Whole(bytes) => Poll::Ready(bytes.take().map(|bytes| Ok(Frame::data(bytes)))),
            Self::Client(streamed) => Pin::new(&mut streamed.body).poll_frame(cx).map(|frame| {
                let frame =
                    frame.map(|frame| frame.map_err(Failure::from).and_then(|frame| streamed.take(frame)));
                match &frame {
                    Some(Err(failure)) => streamed.notes.failure.set(Some(*failure)),
                    // Nobody asks again behind trailers, or behind as many bytes as were announced.
                    Some(Ok(frame)) if frame.is_data() && !streamed.body.is_end_stream() => {}
                    _ => streamed.notes.sent.set(true),
                }
                frame
            }),
        }
    }

    fn is_end_stream(&self) -> bool {
        match self {
            Self::Empty => true,
            Self::Whole(bytes) => bytes.is_none(),
            Self::Client(streamed) => streamed.body.is_end_stream(),
        }
    }

    fn size_hint(&self) -> SizeHint {
        match self {
            Self::Empty => SizeHint::with_exact(0),
            Self::Whole(bytes) => SizeHint::with_exact(bytes.as_ref().map_or(0, |bytes| bytes.len() as u64)),
            Self::Client(streamed) => streamed.body.size_hint(),
        }
    }
}
