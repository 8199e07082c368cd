//! Upstreams: where exchanges go on to.

use std::{
    path::Path,
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::pki_types::{CertificateDer, PrivateKeyDer};

use crate::secret::Sensitive;

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
    /// What it is spoken to in.
    pub protocol: Protocol,
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
    /// Name or address; or the path of a Unix socket, which begins with `/` as no name does.
    pub host: String,
    /// Port; 0 of a socket.
    pub port: u16,
}

impl Endpoint {
    /// The path, where it is a Unix socket.
    pub fn socket(&self) -> Option<&Path> {
        self.host.starts_with('/').then(|| Path::new(&self.host))
    }
}

/// What an upstream is spoken to in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// HTTP/1.1.
    Http1,
    /// HTTP/2: by ALPN over TLS, elsewhere by prior knowledge (RFC 9113 §3.3).
    Http2,
    /// Over TLS what the endpoint chooses, elsewhere HTTP/1.1.
    Auto,
}

/// TLS to an upstream.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct UpstreamTls {
    /// Trusted roots; `None` for the public ones.
    pub ca: Option<Vec<CertificateDer<'static>>>,
    /// Name to verify, where it is not the endpoint's host.
    pub server_name: Option<String>,
    /// The gateway's own certificate; `None` where it shows none.
    pub client: Option<Arc<ClientIdentity>>,
}

/// The certificate that the gateway shows to an upstream.
#[derive(Debug)]
pub struct ClientIdentity {
    /// Its own first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: Sensitive<PrivateKeyDer<'static>>,
    /// When the first certificate of the chain ends.
    pub expires: SystemTime,
}

impl PartialEq for ClientIdentity {
    fn eq(&self, other: &Self) -> bool {
        self.chain == other.chain && self.key.expose() == other.key.expose()
    }
}

impl Eq for ClientIdentity {}

/// Which `Host` an upstream gets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum HostHeader {
    /// The client's, in canonical form: platforms compare it with `Origin`.
    Preserve,
    /// The endpoint's own.
    Endpoint,
}
