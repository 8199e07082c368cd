//! What the gateway asks an identity provider itself, as written in `gateway.identity[]`.

use serde::Deserialize;

use super::{Amount, List, Section, Texts};

/// `jwks`: one of `file`, `url`, `upstream` with `path`, or `discovery`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JwksDocument {
    pub(crate) file: Option<String>,
    /// An upstream is declared for its origin, with public roots.
    pub(crate) url: Option<String>,
    /// For private roots or several endpoints. With `discovery`: who is asked in the issuer's place.
    pub(crate) upstream: Option<String>,
    pub(crate) path: Option<String>,
    /// `true`: where the issuer's description says.
    pub(crate) discovery: Option<bool>,
    /// Where else that description may point, beside the issuer's own origin and the upstreams. Default: nowhere.
    pub(crate) origins: Option<List<String>>,
    /// Age at which keys are fetched again, in the background. Default: 5 min.
    pub(crate) refresh: Option<Amount>,
    /// Age at which keys are no longer used. Default: 1 h.
    pub(crate) expires: Option<Amount>,
}

/// `introspection`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct IntrospectionDocument {
    /// The endpoint; an upstream is declared for its origin, with public roots.
    pub(crate) url: Option<String>,
    /// The endpoint, for private roots or several endpoints. With `discovery`: who is asked in the issuer's place.
    pub(crate) upstream: Option<String>,
    pub(crate) path: Option<String>,
    /// `true`: where the issuer's description says.
    pub(crate) discovery: Option<bool>,
    /// Where else that description may point. Default: nowhere.
    pub(crate) origins: Option<List<String>>,
    /// As whom the gateway asks. Mandatory.
    pub(crate) client: Option<Section<ClientDocument>>,
    /// Required `iss`, where the answer has one. Mandatory with `discovery`.
    pub(crate) issuer: Option<String>,
    /// Accepted `aud`, one or several. Default: any, with a finding.
    pub(crate) audience: Option<Texts>,
    /// Name of the cookie that holds the token. Default: `Authorization: Bearer`.
    pub(crate) cookie: Option<String>,
    /// Tolerance on `exp` and `nbf`, at most 5 min. Default: 30 s.
    pub(crate) skew: Option<Amount>,
    /// How long an answer is believed, at most 5 min and never beyond `exp`; `0 s` asks every time. Default: 30 s.
    pub(crate) cache: Option<Amount>,
    /// Default: 10 000.
    pub(crate) cache_entries: Option<u64>,
}

/// `introspection.client`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientDocument {
    /// `basic`, `post` or `bearer`. Default: `basic`.
    pub(crate) method: Option<String>,
    /// `client_id`. Mandatory, but not with `bearer`.
    pub(crate) id: Option<String>,
    /// A file that holds the secret, or the bearer token. Mandatory.
    pub(crate) secret_file: Option<String>,
}
