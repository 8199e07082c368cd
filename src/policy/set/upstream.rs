//! Upstreams: where exchanges go on to.

use std::time::Duration;

use rustls::pki_types::CertificateDer;

use super::Resilience;

/// The place of an upstream.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct UpstreamId(pub u16);

/// A platform behind the gate.
#[derive(Debug)]
pub struct Upstream {
    /// Name used by routes, the journal and metrics.
    pub name: String,
    /// Where it answers.
    pub endpoints: Vec<Endpoint>,
    /// TLS to it; `None` where its endpoints are `http://`.
    pub tls: Option<UpstreamTls>,
    /// Which `Host` it gets.
    pub host: HostHeader,
    /// TCP and TLS together.
    pub connect_timeout: Duration,
    /// From the end of the request to the response head.
    pub response_timeout: Duration,
    /// Idle connections kept per worker and endpoint.
    pub idle_connections: usize,
    /// How long an idle connection is kept; below the platform's own keep-alive.
    pub idle_timeout: Duration,
    /// Where it stands, ISO 3166-1 alpha-2 (charter 4).
    pub country: Option<String>,
    /// What is done about endpoints that fail, are slow or are too few.
    pub resilience: Resilience,
}

/// One address of an upstream.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct Endpoint {
    /// Name or address.
    pub host: String,
    /// Port.
    pub port: u16,
}

/// TLS to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Trusted roots; `None` for the public ones.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// Name to verify, where it is not the endpoint's host.
    pub server_name: Option<String>,
}

/// Which `Host` an upstream gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's, in canonical form: platforms compare it with `Origin`.
    Preserve,
    /// The endpoint's own.
    Endpoint,
}
