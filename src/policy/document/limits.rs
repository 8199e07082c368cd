//! `gateway.limits` and `gateway.timeouts`.

use serde::Deserialize;

use super::{Amount, Section};

/// `gateway.limits`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct LimitsDocument {
    /// Header fields of one message. Default: 100.
    pub(crate) header_count: Option<u64>,
    /// All header fields of one message. Default: 32 KiB.
    pub(crate) header_bytes: Option<Amount>,
    /// Request target. Default: 8 KiB.
    pub(crate) uri_bytes: Option<Amount>,
    /// Request body. Default: 16 MiB.
    pub(crate) body_bytes: Option<Amount>,
    /// A second, in either direction, while the client is waited for; 0 B for any. Default: 240 B.
    pub(crate) body_rate: Option<Amount>,
    /// Open client connections. Default: 10 000.
    pub(crate) connections: Option<u64>,
    /// Open connections of one IPv4 address or IPv6 /64. Default: 2048.
    pub(crate) connections_per_address: Option<u64>,
    /// TLS handshakes under way. Default: 2048.
    pub(crate) handshakes: Option<u64>,
    /// TLS handshakes under way of one address. Default: 1024.
    pub(crate) handshakes_per_address: Option<u64>,
    /// Requests after which a connection is closed in order. Default: any number.
    pub(crate) requests_per_connection: Option<u64>,
    /// Exchanges under way; above it 503. Default: 4096.
    pub(crate) exchanges: Option<u64>,
    /// Streams of one HTTP/2 connection. Default: 100.
    pub(crate) h2_streams: Option<u64>,
    /// CONTINUATION frames of one header block. Default: 5.
    pub(crate) h2_continuations: Option<u64>,
    /// HTTP/2 frames a second, by kind.
    pub(crate) h2_frames: Option<Section<FrameRatesDocument>>,
    /// A compressed response, decoded. Default: 1 GiB.
    pub(crate) decoded_bytes: Option<Amount>,
}

/// `gateway.limits.h2_frames`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct FrameRatesDocument {
    /// Default: 50.
    pub(crate) ping: Option<u64>,
    /// Default: 10.
    pub(crate) settings: Option<u64>,
    /// Default: 100.
    pub(crate) priority: Option<u64>,
    /// Default: 50.
    pub(crate) rst_stream: Option<u64>,
    /// DATA without data that ends no stream. Default: 10.
    pub(crate) empty_data: Option<u64>,
    /// Default: 200.
    pub(crate) window_update: Option<u64>,
    /// HEADERS that become no exchange. Default: 10.
    pub(crate) refused_headers: Option<u64>,
    /// Every other kind. Default: 50.
    pub(crate) other: Option<u64>,
}

/// `gateway.timeouts`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct TimeoutsDocument {
    /// TLS handshake. Default: 10 s.
    pub(crate) handshake: Option<Amount>,
    /// Header section of a request. Default: 10 s.
    pub(crate) headers: Option<Amount>,
    /// A connection without an exchange. Default: 75 s.
    pub(crate) idle: Option<Amount>,
    /// A body without progress. Default: 30 s.
    pub(crate) body: Option<Amount>,
    /// A connection; behind it the next exchange is the last one. Default: any time.
    pub(crate) connection: Option<Amount>,
    /// Work that is ready; where it waits longer for a while, 503. `0 s` for any time. Default: 500 ms.
    pub(crate) queue: Option<Amount>,
    /// Exchanges under way at the end of the process. Default: 30 s.
    pub(crate) drain: Option<Amount>,
    /// Still accepting after readiness turned off, while a cluster learns of it. Default: 0 s.
    pub(crate) drain_delay: Option<Amount>,
}
