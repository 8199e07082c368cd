//! `routes/*.yaml`, as written by the platform teams.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Amount, AuthenticationDocument, Entries, List, Presets, Section, Texts, WordOr};

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RoutesFile {
    /// Mandatory, not empty.
    pub(crate) routes: Option<List<Section<RouteDocument>>>,
}

/// `routes[]`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct RouteDocument {
    /// Name in the journal and in metrics; unique over all files. Mandatory.
    pub(crate) name: Option<String>,
    /// The team that answers for it. Mandatory.
    pub(crate) owner: Option<String>,
    /// Which requests it takes. Mandatory.
    #[serde(rename = "match")]
    pub(crate) matches: Option<Section<MatchDocument>>,
    /// Where they go: a name of `gateway.upstreams`. Mandatory.
    pub(crate) upstream: Option<String>,
    /// Why data is processed: a name of `charter.purposes`. Mandatory.
    pub(crate) purpose: Option<String>,
    /// Who is asked about the caller, in this order. Default: every provider of `gateway.identity`, in its order.
    pub(crate) identity: Option<List<String>>,
    /// Whether an unknown caller gets 401 rather than the least view. Default: false.
    pub(crate) require_identity: Option<bool>,
    /// What becomes of a caller whose credential cannot be checked because its source does not answer: `anonymous`, or
    /// `refuse` with 503. Default: `refuse` where `require_identity` is true, otherwise `anonymous`.
    pub(crate) identity_unavailable: Option<String>,
    /// Whether a caller whose relations cannot be asked for gets 503 instead of a view without them. Default: false.
    pub(crate) require_relations: Option<bool>,
    /// What is personal in the answers. Default: the charter's field names count at any depth.
    pub(crate) personal_data: Option<Section<PersonalDataDocument>>,
    /// Protection of accounts, where the route checks a credential.
    pub(crate) authentication: Option<Section<AuthenticationDocument>>,
    /// Limits on its requests: names of `gateway.quotas`, eight at most. Default: none.
    pub(crate) quotas: Option<List<String>>,
    /// Whose requests are answered last with 503 when there is too much work: `critical` or `normal`. Default: `critical`
    /// where there is `authentication`, otherwise `normal`.
    pub(crate) priority: Option<String>,
    /// Ambiguous paths accepted all the same: `encoded_slash`, `backslash`, `empty_segment`, `path_parameters`.
    /// Default: none.
    pub(crate) relaxed_paths: Option<List<String>>,
    /// Whether a WebSocket may be opened: `true` unread, and not beside declared personal data; `redact`, or a section, with
    /// its messages read. Default: false.
    pub(crate) websocket: Option<WebSocketChoice>,
    /// Longest request body. Default: `gateway.limits.body_bytes`.
    pub(crate) body_bytes: Option<Amount>,
    /// Longest wait for the response head. Default: the upstream's.
    pub(crate) response_timeout: Option<Amount>,
}

/// `routes[].websocket`: whether, how, or a section.
#[derive(Debug)]
pub(crate) enum WebSocketChoice {
    Allowed(bool),
    Read(WordOr<WebSocketDocument>),
}

impl<'de> Deserialize<'de> for WebSocketChoice {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Choose;

        impl<'de> Visitor<'de> for Choose {
            type Value = WebSocketChoice;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("`true`, `false`, `redact`, or `{ messages: redact, … }`")
            }

            fn visit_bool<E>(self, allowed: bool) -> Result<WebSocketChoice, E> {
                Ok(WebSocketChoice::Allowed(allowed))
            }

            fn visit_str<E>(self, word: &str) -> Result<WebSocketChoice, E> {
                Ok(WebSocketChoice::Read(WordOr::Word(word.to_owned())))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WebSocketChoice, A::Error> {
                let section = WebSocketDocument::deserialize(MapAccessDeserializer::new(map))?;
                Ok(WebSocketChoice::Read(WordOr::Mapping(section)))
            }
        }

        deserializer.deserialize_any(Choose)
    }
}

/// `routes[].websocket` where it is more than a word.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct WebSocketDocument {
    /// `redact`. Mandatory.
    pub(crate) messages: Option<String>,
    /// What becomes of binary messages: `refuse` or `pass`. Default: `refuse`.
    pub(crate) binary: Option<String>,
    /// Longest message. Default: 1 MiB.
    pub(crate) message_bytes: Option<Amount>,
}

/// `routes[].match`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct MatchDocument {
    /// `ecole.example.fr`, `*.example.fr` (one label), or `*` for every host. Mandatory.
    pub(crate) host: Option<String>,
    /// One template or several: `/api/users/{id}`; `{*rest}` at the end takes the remainder, the empty one too unless
    /// another route claims that path. Mandatory.
    pub(crate) path: Option<Texts>,
    /// Default: every method.
    pub(crate) methods: Option<List<String>>,
    /// Whether the plain listeners serve it too (ACME); only for routes without personal data. Default: false.
    pub(crate) plain_http: Option<bool>,
}

/// `routes[].personal_data`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PersonalDataDocument {
    /// No person's data here, for this reason; stands alone.
    pub(crate) exempt: Option<String>,
    /// The standards that the answers follow: their fields, records, subject and group. Default: none.
    pub(crate) preset: Option<Presets>,
    /// Where one person's record is, from the root: `$[*]`; one path or several, beside those of `preset`. Default: `$` and
    /// `$[*]`.
    pub(crate) record: Option<Texts>,
    /// Inside a record: whose it is. Default: that of `preset`; without it nobody's view is `own` or `ward`.
    pub(crate) subject: Option<String>,
    /// Inside a record: its groups. Default: that of `preset`; without it nobody's view is `group`.
    pub(crate) group: Option<String>,
    /// Path (absolute, or inside a record) → category, or `not_personal`; before those of `preset`. Default: none.
    pub(crate) fields: Option<Entries<String>>,
    /// Name of a header field of the answer → category, or `not_personal`. Default: none.
    pub(crate) headers: Option<Entries<String>>,
    /// What happens to a field that nothing classifies: `deny`, `report` or `pass`. Default: `deny`.
    pub(crate) unknown: Option<String>,
    /// Formats in which not every text can be classified, read all the same: `html` and `text`; and `graphql`, whose requests
    /// name what is in its answers. Default: none, they are refused.
    pub(crate) formats: Option<List<String>>,
    /// Media types that no reader understands and that pass as they are: `application/pdf`, `image/*`. Default: none, they
    /// are refused.
    pub(crate) pass_types: Option<List<String>>,
    /// Longest record held back to learn whose it is. Default: 64 KiB.
    pub(crate) record_bytes: Option<Amount>,
    /// Categories by which those may filter and sort who do not see them of anybody, or `allow` for all. Default: none.
    pub(crate) query: Option<Texts>,
    /// Categories that those may write who do not see them, or `allow` for all. Default: none.
    pub(crate) writes: Option<Texts>,
    /// Parameter of the path or query → category, or `not_personal`, where its name does not say so. Default: none.
    pub(crate) parameters: Option<Entries<String>>,
}

/// `routes[].personal_data.preset` where it is more than a name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetDocument {
    /// A standard's name. Mandatory.
    pub(crate) name: Option<String>,
    /// The preset's category → the charter's, where the charter calls it otherwise. Default: the same names.
    pub(crate) categories: Option<Entries<String>>,
}
