//! What clients may make the gateway hold, and for how long.

use std::time::Duration;

/// Bounds on what clients may send and hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ClientLimits {
    /// Header fields in one message.
    pub header_count: usize,
    /// Bytes of all header fields of one message.
    pub header_bytes: usize,
    /// Bytes of the request target.
    pub uri_bytes: usize,
    /// Bytes of a request body, unless its route says otherwise.
    pub body_bytes: u64,
    /// Bytes a second at which a client brings a body or takes one, at least, while it is waited for; 0 for any.
    pub body_rate: u64,
    /// Open client connections, over all workers.
    pub connections: usize,
    /// Open connections of one address (IPv6: of one /64), over all workers; trusted proxies have as many as there are.
    pub connections_per_address: usize,
    /// TLS handshakes under way, over all workers.
    pub handshakes: usize,
    /// TLS handshakes under way of one address, over all workers.
    pub handshakes_per_address: usize,
    /// Requests after which a connection is closed in order; `None` for any number.
    pub requests_per_connection: Option<u64>,
    /// Exchanges under way, over all workers; above it 503.
    pub exchanges: usize,
    /// Concurrent streams of one HTTP/2 connection.
    pub h2_streams: u32,
    /// CONTINUATION frames of one header block.
    pub h2_continuations: u32,
    /// Frames that cost the client nothing.
    pub h2_frames: FrameRates,
    /// Bytes that a compressed response body may grow to when it is decoded for redaction.
    pub decoded_bytes: u64,
}

/// HTTP/2 frames a second of each kind on one connection, beyond those that answers earn. Ten seconds' worth may come at
/// once.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FrameRates {
    /// PING (RFC 9113 §6.7).
    pub ping: u32,
    /// SETTINGS (§6.5).
    pub settings: u32,
    /// PRIORITY (§6.3).
    pub priority: u32,
    /// RST_STREAM (§6.4).
    pub rst_stream: u32,
    /// DATA without data that ends no stream (§6.1).
    pub empty_data: u32,
    /// WINDOW_UPDATE (§6.9).
    pub window_update: u32,
    /// HEADERS that become no exchange: malformed, too large, or beyond [`ClientLimits::h2_streams`] (§6.2).
    pub refused_headers: u32,
    /// Any other kind, known or not (§5.5).
    pub other: u32,
}

impl FrameRates {
    /// The same number for each kind.
    pub(crate) const fn all(rate: u32) -> Self {
        Self {
            ping: rate,
            settings: rate,
            priority: rate,
            rst_stream: rate,
            empty_data: rate,
            window_update: rate,
            refused_headers: rate,
            other: rate,
        }
    }
}

/// How long each phase may last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Timeouts {
    /// TLS handshake.
    pub handshake: Duration,
    /// From the first byte of a request to the end of its header section.
    pub headers: Duration,
    /// A connection without an exchange.
    pub idle: Duration,
    /// A request or response body that makes no progress.
    pub body: Duration,
    /// A connection; behind it the next exchange is the last one. `None` for any time.
    pub connection: Option<Duration>,
    /// Work that is ready; where it waits longer for a while, requests are answered 503. Zero for any time.
    pub queue: Duration,
    /// In-flight exchanges after SIGTERM.
    pub drain: Duration,
    /// Still accepting after SIGTERM, readiness being off already: the time that a cluster takes to hear of it.
    pub drain_delay: Duration,
}
