//! Upstream calls that list whom a caller is related to.

use std::time::Duration;

use http::{HeaderName, HeaderValue};

use super::{JsonPath, UpstreamId};

/// The place of a relation source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RelationSourceId(pub u16);

/// An upstream call that lists whom a caller is related to.
#[derive(Debug)]
pub struct RelationSource {
    /// Name used by identity providers and metrics.
    pub name: String,
    /// Which upstream.
    pub upstream: UpstreamId,
    /// Path and query, cut where the caller's identifier stands.
    pub path: Vec<String>,
    /// Where the answer has the caller's groups. Absolute.
    pub groups: Option<JsonPath>,
    /// Where it has the children whom the caller answers for. Absolute.
    pub wards: Option<JsonPath>,
    /// Cookies of the caller that are forwarded, exact names.
    pub cookies: Vec<String>,
    /// Headers of the caller that are forwarded.
    pub headers: Vec<HeaderName>,
    /// Headers that the gateway adds, its own credential among them.
    pub fixed_headers: Vec<(HeaderName, HeaderValue)>,
    /// Cookies that the gateway adds.
    pub fixed_cookies: Vec<(String, String)>,
    /// Where an answer of several pages names the next one. Absolute.
    pub next: Option<JsonPath>,
    /// Most pages of one answer; a longer one is none.
    pub pages: usize,
    /// How long an answer counts before it is renewed.
    pub cache: Duration,
    /// Age from which it no longer counts.
    pub max_age: Duration,
    /// Most answers kept at a time.
    pub cache_entries: usize,
}
