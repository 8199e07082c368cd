//! Where requests go: one pool of connections per worker, local to its thread.
//!
//! A worker's pool shares nothing with the others, so that taking and giving back a connection is a push and a pop
//! without a lock. One of HTTP/1.1 carries one exchange at a time and returns to the pool when the response body has been read
//! to its end, never before (an unread body of one exchange must not meet the next: Pingora CVE-2025-4366). One of HTTP/2
//! stays in the pool and has a place for each exchange.

mod admission;
mod body;
mod check;
mod choice;
mod connect;
mod connection;
mod deadline;
mod endpoint;
mod fleet;
mod framing;
mod gradient;
mod held;
mod member;
mod multiplexed;
mod outgoing;
mod pool;
mod resolve;
mod retry;
mod standing;
mod watch;

pub use connect::{Dialers, Transport};
pub use deadline::{Deadlines, Elapsed};
pub use fleet::Fleet;
pub use held::UpstreamBody;
pub use pool::{Sent, Terms, Upstreams, WorkerShare};
pub use watch::watch;

use crate::telemetry;

/// Why an upstream gave no usable answer. Holds nothing of the exchange.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum UpstreamError {
    /// No endpoint accepted a connection.
    #[error("no endpoint accepted a connection")]
    Unreachable,
    /// No connection within the connect timeout.
    #[error("no connection within the time allowed")]
    ConnectTimeout,
    /// TLS to the endpoint failed.
    #[error("the TLS handshake with the endpoint failed")]
    Tls,
    /// No response head within the response timeout.
    #[error("no response within the time allowed")]
    ResponseTimeout,
    /// The connection ended, or what came was not HTTP.
    #[error("the connection ended before a whole response head")]
    Broken,
    /// The exchange lasted longer than it may as a whole.
    #[error("the exchange was not over within the time allowed")]
    ExchangeTimeout,
    /// As many exchanges as may are under way, and none ended in time.
    #[error("too many exchanges are under way")]
    Full,
    /// The client's request body failed while it was sent.
    #[error("the request body could not be sent whole")]
    RequestBody,
}

impl UpstreamError {
    /// The label of `rempart_upstream_errors_total`, and the journal's word.
    pub fn label(self) -> telemetry::UpstreamError {
        match self {
            Self::Unreachable => telemetry::UpstreamError::Connect,
            Self::ConnectTimeout => telemetry::UpstreamError::ConnectTimeout,
            Self::Tls => telemetry::UpstreamError::Tls,
            Self::ResponseTimeout => telemetry::UpstreamError::ResponseTimeout,
            Self::ExchangeTimeout => telemetry::UpstreamError::ExchangeTimeout,
            Self::Full => telemetry::UpstreamError::Full,
            Self::Broken | Self::RequestBody => telemetry::UpstreamError::Closed,
        }
    }
}
