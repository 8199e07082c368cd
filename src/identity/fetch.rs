//! How this room asks upstreams without knowing them: the gateway lends it a [`Fetch`].

use std::{future::Future, pin::Pin};

use bytes::Bytes;

use crate::policy::set::UpstreamId;

/// A future that stays on its core.
pub type LocalBoxFuture<'a, T> = Pin<Box<dyn Future<Output = T> + 'a>>;

/// Asks an upstream and reads the whole answer, within bounds of its own on time and on the body.
pub trait Fetch {
    /// One exchange. The request's URI is path and query only; framing and connection are the lender's affair, and so is the
    /// host where the request names none.
    ///
    /// Must end within a bounded time: callers that wait for the same answer wait for this future.
    fn fetch<'a>(
        &'a self,
        upstream: UpstreamId,
        request: http::Request<Bytes>,
    ) -> LocalBoxFuture<'a, Result<http::Response<Bytes>, FetchError>>;
}

/// Why there is no answer.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum FetchError {
    /// Nobody listens, or TLS failed.
    #[error("the upstream cannot be reached")]
    Unreachable,
    /// It took too long.
    #[error("the upstream did not answer in time")]
    TimedOut,
    /// The body is longer than the lender reads.
    #[error("the upstream's answer is too long")]
    TooLong,
    /// The answer is not HTTP, or broke off.
    #[error("the upstream's answer is not readable")]
    Broken,
}
