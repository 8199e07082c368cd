//! Upstream calls that list whom a caller is related to.

use serde::Deserialize;

use super::{Amount, Entries, List};

/// `gateway.relations[]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RelationsDocument {
    /// Name used by identity providers and metrics. Mandatory.
    pub(crate) name: Option<String>,
    /// Mandatory.
    pub(crate) upstream: Option<String>,
    /// Path and query; `{subject}` stands for the caller's identifier. Mandatory.
    pub(crate) path: Option<String>,
    /// Where the answer has the caller's groups. One of `groups` and `wards` is mandatory.
    pub(crate) groups: Option<String>,
    /// Where it has the children the caller answers for.
    pub(crate) wards: Option<String>,
    /// Cookies of the caller that are forwarded, exact names. Default: none.
    pub(crate) cookies: Option<List<String>>,
    /// Headers of the caller that are forwarded. Default: none.
    pub(crate) headers: Option<List<String>>,
    /// Headers that the gateway adds. Default: none.
    pub(crate) fixed_headers: Option<Entries<String>>,
    /// Cookies that the gateway adds. Default: none.
    pub(crate) fixed_cookies: Option<Entries<String>>,
    /// A file with the token that is sent as `Authorization: Bearer`. Default: none.
    pub(crate) bearer_file: Option<String>,
    /// Where an answer of several pages names the next one. Default: there is one page.
    pub(crate) next: Option<String>,
    /// Most pages of one answer. Default: 10.
    pub(crate) pages: Option<u64>,
    /// How long an answer counts before it is renewed, at most 5 min. Default: 30 s.
    pub(crate) cache: Option<Amount>,
    /// Age from which it no longer counts, whatever becomes of its renewal; at most 1 h. Default: 2 min.
    pub(crate) max_age: Option<Amount>,
    /// Default: 10 000.
    pub(crate) cache_entries: Option<u64>,
}
