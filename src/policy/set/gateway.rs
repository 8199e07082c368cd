//! What the SRE decided: listeners, certificates, upstreams, identity providers, shared store, limits.

use std::{
    net::SocketAddr,
    path::PathBuf,
    sync::Arc,
    time::{Duration, SystemTime},
};

use ipnet::IpNet;
use rustls::pki_types::{CertificateDer, PrivateKeyDer};
use zeroize::Zeroizing;

use super::{
    ClientAuthorities, ClientCertificateSettings, ClientLimits, IntrospectionSettings, JsonPath, Located,
    Quota, RecipientId, RelationSource, RelationSourceId, Renewal, Store, Timeouts, Upstream, UpstreamId,
};
use crate::secret::{MasterSecret, Sensitive};

/// `gateway.yaml`, compiled.
#[derive(Debug)]
pub struct GatewaySettings {
    /// Where to listen. Read once: a change takes a restart.
    pub listen: Listen,
    /// Worker threads, one runtime each; `None` for one per core. Read once.
    pub workers: Option<usize>,
    /// Certificates by server name, in the file's order; the first answers unknown names.
    pub certificates: Vec<Certificate>,
    /// Whom the TLS listeners believe about clients; `None` where none is asked for a certificate.
    pub client_certificates: Option<Arc<ClientAuthorities>>,
    /// Keys by which TLS sessions resume, newest first; empty where each process has its own.
    pub ticket_keys: Vec<TicketKey>,
    /// `Strict-Transport-Security` (RFC 6797; charter 6).
    pub hsts: Hsts,
    /// Proxies whose `X-Forwarded-For` entries are believed, counted from the right.
    pub trusted_proxies: Vec<IpNet>,
    /// Bounds on what a client may send.
    pub limits: ClientLimits,
    /// How long each phase may last.
    pub timeouts: Timeouts,
    /// Who can say who the caller is; a [`ProviderId`] is a place here.
    pub providers: Vec<IdentityProvider>,
    /// Who can say whom a caller is related to; a [`RelationSourceId`] is a place here.
    pub relations: Vec<RelationSource>,
    /// Where counters live.
    pub store: Store,
    /// Named limits on requests; a [`super::QuotaId`] is a place here.
    pub quotas: Vec<Quota>,
    /// The deployment's secret; `None` when the file names none, and a random one per process is used.
    pub secret: Option<MasterSecret>,
    /// The access journal.
    pub journal: JournalSettings,
    /// Who is asked for the addresses of names; nobody for those whom the system asks.
    pub resolver: Vec<SocketAddr>,
    /// Where requests go; an [`UpstreamId`] is a place here.
    pub upstreams: Vec<Upstream>,
}

/// Addresses to listen on.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// TLS listeners.
    pub https: Vec<Listener>,
    /// Plain listeners: they redirect, and serve the routes marked `plain_http`.
    pub http: Vec<Listener>,
    /// Metrics and probes.
    pub admin: SocketAddr,
    /// The port under which clients reach the TLS listeners (443 behind a Kubernetes service): where redirects go.
    pub public_https_port: u16,
}

/// An address to listen on, and who connects to it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listener {
    /// Where.
    pub address: SocketAddr,
    /// Whether `[::]` leaves IPv4 alone; otherwise it serves both.
    pub ipv6_only: bool,
    /// Networks of the balancers that open each connection with a PROXY header; nobody else may connect then. `None` where
    /// clients connect themselves.
    pub balancers: Option<Arc<[IpNet]>>,
}

impl From<SocketAddr> for Listener {
    fn from(address: SocketAddr) -> Self {
        Self { address, ipv6_only: false, balancers: None }
    }
}

/// A certificate chain with its key.
#[derive(Debug)]
pub struct Certificate {
    /// Server names it answers, lower case; `*.example.fr` for one label.
    pub names: Vec<String>,
    /// Leaf first.
    pub chain: Vec<CertificateDer<'static>>,
    /// Its private key.
    pub key: Sensitive<Arc<PrivateKeyDer<'static>>>,
    /// When the first certificate of the chain ends.
    pub expires: SystemTime,
}

/// What tickets of TLS sessions are sealed with: 32 bytes or more.
pub type TicketKey = Sensitive<Zeroizing<Vec<u8>>>;

/// `Strict-Transport-Security`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Hsts {
    /// `max-age`; never under a year (ASVS 3.4.1) unless zero, which lifts the rule.
    pub max_age: Duration,
    /// `includeSubDomains`.
    pub include_subdomains: bool,
}

/// The place of an identity provider.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct ProviderId(pub u16);

/// Somebody who says who the caller is.
#[derive(Debug)]
pub struct IdentityProvider {
    /// Name used by routes, the journal and metrics.
    pub name: String,
    /// How it is asked.
    pub kind: ProviderKind,
    /// Where its answer says what.
    pub claims: ClaimPaths,
    /// Role text (exact) → recipient; a role that is not listed adds nothing.
    pub roles: Vec<(String, RecipientId)>,
    /// Sources of groups and wards beside those that the answer itself has.
    pub relations: Vec<RelationSourceId>,
}

/// Where an answer (JWT claims, or the JSON of a session or introspection endpoint) says what. Absolute paths.
#[derive(Clone, Debug, Default)]
pub struct ClaimPaths {
    /// The caller's own identifier, compared with records' subjects.
    pub subject: Option<JsonPath>,
    /// Roles: one text or several.
    pub role: Option<JsonPath>,
    /// Groups.
    pub groups: Option<JsonPath>,
    /// Children the caller answers for.
    pub wards: Option<JsonPath>,
    /// What quotas by claim count by, such as a tenant.
    pub quota: Option<JsonPath>,
}

/// How a provider is asked.
#[derive(Debug)]
pub enum ProviderKind {
    /// A signed token (RFC 7519).
    Jwt(JwtSettings),
    /// The platform's own session endpoint.
    ForwardAuth(ForwardAuthSettings),
    /// The issuer's word on a token (RFC 7662).
    Introspection(IntrospectionSettings),
    /// The certificate that the client showed.
    ClientCertificate(ClientCertificateSettings),
}

/// How tokens are verified.
#[derive(Debug)]
pub struct JwtSettings {
    /// Required `iss`.
    pub issuer: String,
    /// Accepted `aud`, any of them.
    pub audience: Vec<String>,
    /// Where the keys are.
    pub keys: KeySource,
    /// Where the token is.
    pub token: TokenSource,
    /// Tolerance on `exp` and `nbf`.
    pub skew: Duration,
    /// JWS algorithm names that keys of this provider may be pinned to.
    pub algorithms: Vec<String>,
}

/// Where a JSON Web Key Set (RFC 7517) comes from.
#[derive(Debug)]
pub enum KeySource {
    /// The bytes of a file, read when the policy was loaded.
    Inline(Vec<u8>),
    /// Fetched, again and again.
    Remote {
        /// Where from.
        place: Located,
        /// How often.
        renewal: Renewal,
    },
}

/// Where a token stands in a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum TokenSource {
    /// `Authorization: Bearer …` (RFC 6750).
    Authorization,
    /// A cookie of this name.
    Cookie(String),
}

/// How the platform's session endpoint is asked.
#[derive(Debug)]
pub struct ForwardAuthSettings {
    /// Which upstream.
    pub upstream: UpstreamId,
    /// GET, HEAD, POST or PUT.
    pub method: http::Method,
    /// Path and query.
    pub path: String,
    /// Cookies of the caller that are forwarded, exact names; without any of them nobody is asked.
    pub cookies: Vec<String>,
    /// Request headers of the caller that are forwarded, for platforms with tokens of their own.
    pub headers: Vec<http::HeaderName>,
    /// Headers that the gateway adds.
    pub fixed_headers: Vec<(http::HeaderName, http::HeaderValue)>,
    /// Cookies that the gateway adds, such as a CSRF double-submit pair that it makes up itself.
    pub fixed_cookies: Vec<(String, String)>,
    /// Body sent with POST or PUT (JSON).
    pub body: Option<String>,
    /// How long an answer is believed.
    pub cache: Duration,
    /// Most answers kept at a time.
    pub cache_entries: usize,
}

/// The access journal (charter 6).
#[derive(Clone, Debug)]
pub struct JournalSettings {
    /// Where records go.
    pub to: JournalTarget,
    /// Records that may wait before exchanges are slowed.
    pub queue: usize,
    /// How client addresses are written.
    pub address: AddressMode,
}

/// Where records go.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum JournalTarget {
    /// Standard output, one JSON object a line.
    Stdout,
    /// A file, appended to.
    File(PathBuf),
}

/// How a client address is written in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum AddressMode {
    /// HMAC of the whole address, keyed by the epoch.
    Pseudonym,
    /// The /24 or /48 it is in.
    Prefix,
}
