//! `gateway.upstreams`, as written by the site's engineers.

use serde::Deserialize;

use super::{Amount, Section, Texts};

/// `gateway.upstreams.NAME`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpstreamDocument {
    /// `http://host:port`, `https://host:port` or `unix:/path/of/socket`, all of one kind. Mandatory.
    pub(crate) endpoints: Option<Texts>,
    /// Only with `https://`. Default: public roots, the endpoint's name.
    pub(crate) tls: Option<Section<UpstreamTlsDocument>>,
    /// `http1`; `http2`, over TLS by ALPN, elsewhere by prior knowledge; or `auto`, over TLS what the endpoint chooses. WebSockets
    /// need `http1` or `auto`, gRPC the others. Default: `http1`.
    pub(crate) protocol: Option<String>,
    /// `preserve` the client's `Host` (platforms compare it with `Origin`), or `endpoint`. Default: `preserve`.
    pub(crate) host: Option<String>,
    /// Default: 2 s.
    pub(crate) connect_timeout: Option<Amount>,
    /// Default: 30 s.
    pub(crate) response_timeout: Option<Amount>,
    /// Per worker and endpoint. Default: 64.
    pub(crate) idle_connections: Option<u64>,
    /// Below the platform's own keep-alive. Default: 20 s.
    pub(crate) idle_timeout: Option<Amount>,
    /// ISO 3166-1 alpha-2 (charter 4).
    pub(crate) country: Option<String>,
}

/// `gateway.upstreams.NAME.tls`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct UpstreamTlsDocument {
    /// PEM file of trusted roots. Default: the public ones.
    pub(crate) ca: Option<String>,
    /// Name to verify. Default: the endpoint's host.
    pub(crate) server_name: Option<String>,
    /// PEM file of the gateway's own certificate, leaf first, with `key`. Default: none.
    pub(crate) certificate: Option<String>,
    /// PEM file of its key.
    pub(crate) key: Option<String>,
}
