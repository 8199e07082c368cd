//! What the gateway asks an identity provider on its own account: keys, descriptions (OpenID Connect Discovery 1.0), and
//! what an access token stands for (RFC 7662).

use std::time::Duration;

use http::HeaderValue;

use super::{TokenSource, UpstreamId};
use crate::secret::Sensitive;

/// A resource that is asked for whoever the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Place {
    /// Which upstream.
    pub upstream: UpstreamId,
    /// Path and query.
    pub path: String,
    /// The `Host` where the upstream preserves one: never a client's, who could choose by it what everybody is judged by.
    pub host: Option<HeaderValue>,
}

/// Where a resource of an identity provider is.
#[derive(Clone, Debug)]
pub enum Located {
    /// Written in the policy.
    Fixed(Place),
    /// Told by the provider's own description.
    Discovered(Discovery),
}

/// A provider that describes itself (OpenID Connect Discovery 1.0 §4).
#[derive(Clone, Debug)]
pub struct Discovery {
    /// Where the description is.
    pub document: Place,
    /// The `issuer` that it must state, byte for byte (§4.3).
    pub issuer: String,
    /// Where it may send the gateway: nowhere else.
    pub origins: Vec<Origin>,
}

/// An origin (RFC 6454) and who is asked for it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    /// Whether it is `https`.
    pub tls: bool,
    /// Host, in lower case.
    pub host: String,
    /// Port.
    pub port: u16,
    /// The upstream that stands for it.
    pub upstream: UpstreamId,
}

/// How long something that was fetched is good.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Renewal {
    /// Age at which it is fetched again, behind the exchanges' backs.
    pub refresh: Duration,
    /// Age at which it is no longer used, whatever comes of that.
    pub expires: Duration,
}

impl Default for Renewal {
    fn default() -> Self {
        Self { refresh: Duration::from_secs(300), expires: Duration::from_secs(3600) }
    }
}

/// How a token's meaning is asked for (RFC 7662).
#[derive(Debug)]
pub struct IntrospectionSettings {
    /// Whom to ask.
    pub endpoint: Located,
    /// As whom.
    pub client: ClientAuthentication,
    /// Where the token is.
    pub token: TokenSource,
    /// Required `iss`, where the answer has one.
    pub issuer: Option<String>,
    /// Accepted `aud`, any of them; empty where the answer's is not looked at.
    pub audience: Vec<String>,
    /// Tolerance on `exp` and `nbf`.
    pub skew: Duration,
    /// How long an answer is believed; never beyond the token's `exp`.
    pub cache: Duration,
    /// Most answers kept at a time.
    pub cache_entries: usize,
}

/// How the gateway proves to an introspection endpoint who it is (RFC 7662 §2.1).
#[derive(Debug)]
pub enum ClientAuthentication {
    /// `client_secret_basic` (RFC 6749 §2.3.1).
    Basic {
        /// The gateway's `client_id`.
        id: String,
        /// Its secret.
        secret: Sensitive<String>,
    },
    /// `client_secret_post`.
    Post {
        /// The gateway's `client_id`.
        id: String,
        /// Its secret.
        secret: Sensitive<String>,
    },
    /// A bearer token of the gateway's own.
    Bearer(Sensitive<String>),
}
