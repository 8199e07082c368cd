//! `gateway.yaml`, as written by the site's engineers.

use serde::Deserialize;

use super::{
    Amount, ClientCertificateDocument, Entries, IntrospectionDocument, JwksDocument, LimitsDocument, List,
    ListenDocument, RelationsDocument, Section, Texts, TimeoutsDocument, UpstreamDocument, Vocabularies,
    WordOr,
};

/// The file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GatewayFile {
    pub(crate) gateway: Option<Section<GatewayDocument>>,
}

/// `gateway`. Names of files are relative to the policy folder.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct GatewayDocument {
    /// Mandatory. A change takes a restart.
    pub(crate) listen: Option<Section<ListenDocument>>,
    /// Worker threads. Default: one per core. A change takes a restart.
    pub(crate) workers: Option<usize>,
    /// By server name; the first answers unknown names. Mandatory where there is an `https` listener.
    pub(crate) certificates: Option<List<Section<CertificateDocument>>>,
    /// Default: 365 days, with subdomains.
    pub(crate) hsts: Option<Section<HstsDocument>>,
    /// Networks whose `X-Forwarded-For` is believed. Default: none.
    pub(crate) trusted_proxies: Option<List<String>>,
    pub(crate) limits: Option<Section<LimitsDocument>>,
    pub(crate) timeouts: Option<Section<TimeoutsDocument>>,
    /// Who can say who the caller is. Default: nobody, every caller is `anonymous`.
    pub(crate) identity: Option<List<Section<ProviderDocument>>>,
    /// Upstream calls that list whom a caller is related to. Default: none.
    pub(crate) relations: Option<List<Section<RelationsDocument>>>,
    /// `memory`, or `{ redis: … }`. Default: `memory`.
    pub(crate) store: Option<WordOr<StoreDocument>>,
    /// Limits on requests, by name, 64 at most. Default: none.
    pub(crate) quotas: Option<Entries<Section<QuotaDocument>>>,
    /// Default: a random one per process, with a finding.
    pub(crate) secret: Option<Section<SecretDocument>>,
    pub(crate) journal: Option<Section<JournalDocument>>,
    /// Who is asked for the addresses of names. Default: whom the system asks (`/etc/resolv.conf`, `/etc/hosts`).
    pub(crate) resolver: Option<Section<ResolverDocument>>,
    /// By name. Mandatory.
    pub(crate) upstreams: Option<Entries<Section<UpstreamDocument>>>,
}

/// `gateway.resolver`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ResolverDocument {
    /// Addresses, with a port if it is not 53. Mandatory.
    pub(crate) servers: Option<Texts>,
}

/// `gateway.certificates[]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct CertificateDocument {
    /// Server names, `*.example.fr` for one label. Mandatory.
    pub(crate) names: Option<List<String>>,
    /// PEM file, leaf first. Mandatory.
    pub(crate) chain: Option<String>,
    /// PEM file. Mandatory.
    pub(crate) key: Option<String>,
}

/// `gateway.hsts`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct HstsDocument {
    /// At least 365 days; `0 s` lifts the rule in browsers that know it. Default: 365 days.
    pub(crate) max_age: Option<Amount>,
    /// Default: true.
    pub(crate) include_subdomains: Option<bool>,
}

/// `gateway.identity[]`: `jwt`, `introspection`, `forward_auth` or `client_certificate`.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ProviderDocument {
    /// Name used by routes, the journal and metrics. Mandatory.
    pub(crate) name: Option<String>,
    pub(crate) jwt: Option<Section<JwtDocument>>,
    pub(crate) forward_auth: Option<Section<ForwardAuthDocument>>,
    pub(crate) introspection: Option<Section<IntrospectionDocument>>,
    pub(crate) client_certificate: Option<Section<ClientCertificateDocument>>,
    /// Where the answer says what. Mandatory.
    pub(crate) claims: Option<Section<ClaimsDocument>>,
    /// Text of a role → recipient of the charter. Mandatory without a vocabulary.
    pub(crate) roles: Option<Entries<String>>,
    /// What the school world calls its roles; `roles` wins over it. Default: none.
    pub(crate) vocabulary: Option<Vocabularies>,
    /// Sources of further groups and wards. Default: none.
    pub(crate) relations: Option<Texts>,
}

/// `claims`: paths into the token's claims or the endpoint's JSON, from the root.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClaimsDocument {
    /// The caller's identifier. Default: none, no record is the caller's own.
    pub(crate) subject: Option<String>,
    /// One role or several. Mandatory.
    pub(crate) role: Option<String>,
    /// Default: none.
    pub(crate) groups: Option<String>,
    /// Children the caller answers for. Default: none.
    pub(crate) wards: Option<String>,
    /// What quotas by `claim` count by, one text. Default: none.
    pub(crate) quota: Option<String>,
}

/// `jwt`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JwtDocument {
    /// Required `iss`. Mandatory.
    pub(crate) issuer: Option<String>,
    /// Accepted `aud`, one or several. Mandatory.
    pub(crate) audience: Option<Texts>,
    /// Where the keys are: `discovery`, or a section. Mandatory.
    pub(crate) jwks: Option<WordOr<JwksDocument>>,
    /// Name of the cookie that holds the token. Default: `Authorization: Bearer`.
    pub(crate) cookie: Option<String>,
    /// Tolerance on `exp` and `nbf`, at most 5 min. Default: 30 s.
    pub(crate) skew: Option<Amount>,
    /// RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384, EdDSA. Default: all of these.
    pub(crate) algorithms: Option<List<String>>,
}

/// `forward_auth`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ForwardAuthDocument {
    /// Mandatory.
    pub(crate) upstream: Option<String>,
    /// GET, HEAD, POST or PUT. Default: GET.
    pub(crate) method: Option<String>,
    /// Path and query. Mandatory.
    pub(crate) path: Option<String>,
    /// Cookies of the caller that are forwarded, exact names. One of `cookies` and `headers` is mandatory.
    pub(crate) cookies: Option<List<String>>,
    /// Headers of the caller that are forwarded.
    pub(crate) headers: Option<List<String>>,
    /// Headers that the gateway adds. Default: none.
    pub(crate) fixed_headers: Option<Entries<String>>,
    /// Cookies that the gateway adds. Default: none.
    pub(crate) fixed_cookies: Option<Entries<String>>,
    /// JSON sent with POST or PUT. Default: none.
    pub(crate) body: Option<String>,
    /// How long an answer is believed, at most 5 min; `0 s` asks every time. Default: 5 s.
    pub(crate) cache: Option<Amount>,
    /// Default: 10 000.
    pub(crate) cache_entries: Option<u64>,
}

/// `gateway.store`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct StoreDocument {
    pub(crate) redis: Option<Section<RedisDocument>>,
}

/// `gateway.store.redis`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RedisDocument {
    /// `redis://host:6379/0`, or `rediss://…` for TLS; without a password.
    pub(crate) url: Option<String>,
    /// A file that holds the address, password included.
    pub(crate) url_file: Option<String>,
    /// The master that sentinels know.
    pub(crate) sentinel: Option<Section<SentinelDocument>>,
    /// Nodes of a cluster, `host:6379`. One of these four is mandatory.
    pub(crate) cluster: Option<Texts>,
    /// ACL user. Default: that of the address, or `default`.
    pub(crate) user: Option<String>,
    /// A file that holds the password. Default: that of the address, or none.
    pub(crate) password_file: Option<String>,
    /// TLS to every server. Default: none, or with `rediss://` the public roots.
    pub(crate) tls: Option<Section<RedisTlsDocument>>,
    /// Longest wait before local counters decide, at most 5 s. Default: 50 ms.
    pub(crate) timeout: Option<Amount>,
    /// Replicas of the gateway that share it. Mandatory.
    pub(crate) replicas: Option<u32>,
}

/// `gateway.store.redis.sentinel`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SentinelDocument {
    /// Its name among the sentinels. Mandatory.
    pub(crate) master: Option<String>,
    /// `host:26379`, all of them. Mandatory.
    pub(crate) nodes: Option<Texts>,
    /// ACL user on the sentinels. Default: `default`.
    pub(crate) user: Option<String>,
    /// A file that holds the password on the sentinels. Default: none.
    pub(crate) password_file: Option<String>,
}

/// `gateway.store.redis.tls`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RedisTlsDocument {
    /// PEM file of trusted roots. Default: the public ones.
    pub(crate) ca: Option<String>,
    /// PEM file of the gateway's own certificate, with `key`. Default: none.
    pub(crate) certificate: Option<String>,
    /// PEM file of its key.
    pub(crate) key: Option<String>,
}

/// `gateway.quotas.NAME`: `count` with `per`, or `concurrency`, or both.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QuotaDocument {
    /// Whose requests are counted together: `address`, `subject`, `recipient`, `claim`, or `{ header: NAME }`. Who has no such
    /// thing is counted by address. Mandatory.
    pub(crate) by: Option<WordOr<QuotaKeyDocument>>,
    /// Requests over the period; they come back one by one.
    pub(crate) count: Option<u32>,
    /// The period.
    pub(crate) per: Option<Amount>,
    /// Requests that may come at once. Default: `count`.
    pub(crate) burst: Option<u32>,
    /// Requests under way at a time, on each replica.
    pub(crate) concurrency: Option<u32>,
    /// Whether it only counts. Default: false.
    pub(crate) shadow: Option<bool>,
    /// Networks whose requests are not counted. Default: none.
    pub(crate) exempt: Option<List<String>>,
}

/// `gateway.quotas.NAME.by` where it is more than a word.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct QuotaKeyDocument {
    /// A request header. Mandatory.
    pub(crate) header: Option<String>,
}

/// `gateway.secret`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct SecretDocument {
    /// A file of 32 bytes or more. Mandatory.
    pub(crate) file: Option<String>,
}

/// `gateway.journal`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JournalDocument {
    /// `stdout`, or `{ file: … }`. Default: `stdout`.
    pub(crate) to: Option<WordOr<JournalFileDocument>>,
    /// Records that may wait. Default: 8192.
    pub(crate) queue: Option<u64>,
    /// `pseudonym` or `prefix`. Default: `pseudonym`.
    pub(crate) address: Option<String>,
}

/// `gateway.journal.to`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct JournalFileDocument {
    pub(crate) file: Option<String>,
}
