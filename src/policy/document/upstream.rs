//! `gateway.upstreams`, as written by the site's engineers.

use serde::Deserialize;

use super::{Amount, List, Section, Texts, WordOr};

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
    /// From the start of an exchange to the end of its answer's body; WebSockets are over it. Default: no bound.
    pub(crate) timeout: Option<Amount>,
    /// Which endpoint a client's requests go to, as long as it can be used. Default: the less loaded of two.
    pub(crate) affinity: Option<Section<AffinityDocument>>,
    /// When an endpoint is passed over for a while because exchanges with it fail, or `none`. One that is alone never is.
    pub(crate) outliers: Option<WordOr<Section<OutliersDocument>>>,
    /// Questions that the gateway asks each endpoint by itself. Default: none.
    pub(crate) health: Option<Section<HealthDocument>>,
    /// When a request is sent again, or `none`. Never is one that may do something twice (RFC 9110 9.2.2).
    pub(crate) retries: Option<WordOr<Section<RetriesDocument>>>,
    /// How many exchanges may be under way. Default: as many as there are.
    pub(crate) concurrency: Option<Section<ConcurrencyDocument>>,
}

/// `gateway.upstreams.NAME.affinity`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AffinityDocument {
    /// A cookie that the charter keeps: requests with the same value go to the same endpoint. Mandatory.
    pub(crate) cookie: Option<String>,
}

/// `gateway.upstreams.NAME.outliers`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct OutliersDocument {
    /// So many failures one after the other: connections that are refused or end before an answer, timeouts. Default: 5.
    pub(crate) failures: Option<u64>,
    /// Such a share of the exchanges of ten seconds that one worker had with the endpoint. Default: `50 %`.
    pub(crate) rate: Option<Amount>,
    /// Exchanges below which the share says nothing. Default: 20.
    pub(crate) requests: Option<u64>,
    /// Answers that are failures too, among 500 to 599. Default: none.
    pub(crate) statuses: Option<List<u64>>,
    /// How long the first time; longer each time that it follows. Default: 10 s.
    pub(crate) eject: Option<Amount>,
    /// At most. Default: 5 min.
    pub(crate) longest: Option<Amount>,
    /// No more than this share of the endpoints at a time, but one of two. Default: `50 %`.
    pub(crate) at_most: Option<Amount>,
}

/// `gateway.upstreams.NAME.health`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HealthDocument {
    /// Path and query of a GET. Mandatory.
    pub(crate) path: Option<String>,
    /// `Host` of that GET. Default: the endpoint's.
    pub(crate) host: Option<String>,
    /// A fifth more or less, at random. Default: 5 s.
    pub(crate) interval: Option<Amount>,
    /// Connection and head of the answer together. Default: 1 s.
    pub(crate) timeout: Option<Amount>,
    /// Good answers in a row until it is used again. Default: 2.
    pub(crate) healthy: Option<u64>,
    /// Bad ones until it is not. Default: 3.
    pub(crate) unhealthy: Option<u64>,
    /// Good answers. Default: 200 to 299.
    pub(crate) status: Option<List<u64>>,
}

/// `gateway.upstreams.NAME.retries`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RetriesDocument {
    /// `connect` (nothing was sent), `reset` (no head came), `timeout` (see `try_timeout`), `503`. All but `connect` only where
    /// there is another endpoint, no body, and a method that may be sent twice; `503` and `timeout` only where it is safe.
    /// Default: `[connect, reset]`.
    pub(crate) on: Option<List<Amount>>,
    /// How often one request is sent, at most. Default: 3.
    pub(crate) attempts: Option<u64>,
    /// Share of a worker's requests of the last ten seconds that may be sent again. Default: `20 %`.
    pub(crate) budget: Option<Amount>,
    /// So many in ten seconds may, whatever the share. Default: 10.
    pub(crate) least: Option<u64>,
    /// How long one endpoint has until another one is asked. Default: the response timeout, which is that of all together.
    pub(crate) try_timeout: Option<Amount>,
}

/// `gateway.upstreams.NAME.concurrency`: one of `most` and `adaptive`. Shares of workers, one for each at least.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ConcurrencyDocument {
    /// Exchanges under way, answers' bodies included, WebSockets not.
    pub(crate) most: Option<u64>,
    /// As many as go without that answers become slower.
    pub(crate) adaptive: Option<Section<AdaptiveDocument>>,
    /// Exchanges that may wait. Default: 128.
    pub(crate) queue: Option<u64>,
    /// How long; then 503 with `Retry-After`. Default: 500 ms.
    pub(crate) wait: Option<Amount>,
}

/// `gateway.upstreams.NAME.concurrency.adaptive`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct AdaptiveDocument {
    /// Default: 8.
    pub(crate) least: Option<u64>,
    /// Default: 1000.
    pub(crate) most: Option<u64>,
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
