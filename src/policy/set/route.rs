//! What a platform team declared about one route.

use std::{sync::Arc, time::Duration};

use super::{
    Authentication, CategoryId, CategorySet, JsonPath, Lexicon, ProviderId, PurposeId, QuotaId, UpstreamId,
};

/// The place of a route in [`super::PolicySet::routes`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RouteId(pub u16);

/// One route, compiled.
#[derive(Debug)]
pub struct RoutePolicy {
    /// Its place.
    pub id: RouteId,
    /// Name in the journal and in metrics.
    pub name: String,
    /// The team that answers for it.
    pub owner: String,
    /// Which requests it takes.
    pub matches: RouteMatch,
    /// Where they go.
    pub upstream: UpstreamId,
    /// Why data is processed here.
    pub purpose: PurposeId,
    /// Who is asked about the caller, in this order; the first that knows them decides.
    pub identity: Vec<ProviderId>,
    /// Whether an unknown caller gets 401 instead of the least view.
    pub require_identity: bool,
    /// What becomes of a caller whose credential cannot be checked, because its source does not answer.
    pub identity_unavailable: IdentityUnavailable,
    /// Whether a caller whose relations cannot be asked for gets 503 instead of a view without them.
    pub require_relations: bool,
    /// What is personal in its responses.
    pub personal_data: PersonalData,
    /// The presets that are part of it, for those who read what a policy is made of.
    pub presets: Vec<&'static str>,
    /// What its requests may do with personal data that the caller does not see.
    pub way_back: WayBack,
    /// Protection of accounts, where the route checks a credential.
    pub authentication: Option<Authentication>,
    /// Limits on its requests, each once.
    pub quotas: Vec<QuotaId>,
    /// What of it goes on when there is too much work.
    pub priority: Priority,
    /// Ambiguous paths that this route accepts all the same.
    pub relaxed_paths: RelaxedPaths,
    /// What becomes of a WebSocket.
    pub websocket: WebSocket,
    /// Longest request body in bytes, where it differs from the gateway's.
    pub body_bytes: Option<u64>,
    /// Time to the response head, where it differs from the upstream's.
    pub response_timeout: Option<Duration>,
}

/// What becomes of a caller whose credential is there and cannot be checked. Never what it was worth before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum IdentityUnavailable {
    /// The unknown caller's least view.
    Anonymous,
    /// 503.
    Refuse,
}

/// Whose requests are given up first when there is more work than can be done in time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Priority {
    /// First.
    #[default]
    Normal,
    /// Last: without it nobody could sign in, or a platform's probes would take it for dead.
    Critical,
}

/// Which requests a route takes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RouteMatch {
    /// Which hosts.
    pub host: HostPattern,
    /// Templates (`matchit` syntax): `/api/users/{id}`, `{*rest}` for the remainder. Where the policy's author wrote
    /// `/api/x/{*rest}` and no other route claims `/api/x/`, that path is listed too: `matchit` gives the remainder one
    /// character at least. Never empty; of one host, no template of a route conflicts with one of another.
    pub paths: Vec<String>,
    /// Which methods; empty for all.
    pub methods: Vec<http::Method>,
    /// Whether it is also served on the plain listeners (ACME).
    pub plain_http: bool,
}

/// Which hosts, without port, lower case.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum HostPattern {
    /// This one.
    Exact(String),
    /// Every name with one more label in front of this suffix (which starts with a dot).
    Suffix(String),
    /// Every host.
    Any,
}

/// What becomes of a request for a WebSocket, and of what passes through it.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum WebSocket {
    /// None is opened.
    #[default]
    Closed,
    /// Its bytes are not looked at.
    Unread,
    /// Its messages are read.
    Read(MessageBounds),
}

/// What a WebSocket whose messages are read may carry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct MessageBounds {
    /// Longest message, in bytes, of all its frames.
    pub bytes: usize,
    /// Whether binary messages pass unread; otherwise they close it.
    pub binary: bool,
}

/// What is personal in a route's responses.
#[derive(Debug)]
pub enum PersonalData {
    /// Nothing declared: the charter's field names count at any depth of JSON; other formats pass.
    Undeclared,
    /// Declared: fields by path as well as by name; what is not readable JSON is refused.
    Declared(Classification),
    /// No person's data here, in the owner's words; nothing is read.
    Exempt {
        /// Why.
        reason: String,
    },
}

/// How a document's fields are classified.
#[derive(Debug, Default)]
pub struct Classification {
    /// Where one person's record is: absolute paths; every object that one of them selects is a record, the innermost
    /// counts. Never empty (`$` and `$[*]` where the route says nothing).
    pub records: Vec<JsonPath>,
    /// Inside a record: whose it is.
    pub subject: Option<JsonPath>,
    /// Inside a record: the groups it belongs to.
    pub group: Option<JsonPath>,
    /// Fields, absolute or inside a record; the first that matches wins over the charter's names.
    pub fields: Vec<FieldRule>,
    /// Objects whose members' names are values themselves; the first that matches wins.
    pub keys: Vec<FieldRule>,
    /// Header fields of the answer; they win over the charter's names.
    pub headers: Arc<[(http::HeaderName, FieldClass)]>,
    /// What happens to a field that nothing classifies.
    pub unknown: Unknown,
    /// The names in which the place of such a field is told; one list for the whole policy.
    pub lexicon: Arc<Lexicon>,
    /// Formats read though not every text in them can be classified.
    pub formats: Vec<LooseFormat>,
    /// Media types that pass unread.
    pub pass_types: Vec<MediaRange>,
    /// Longest record, in bytes, that is held back to learn whose it is; a longer one is nobody's.
    pub record_bytes: usize,
}

/// A format in which not every text stands under a name, so that a route must say that it may be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum LooseFormat {
    /// Pages: by form field, table column and detectors.
    Html,
    /// Plain text: by detectors.
    Text,
    /// GraphQL: data by the fields that the request names, errors and extensions by detectors.
    Graphql,
}

/// Media types (RFC 9110 12.5.1): `application/pdf`, or `image/*`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaRange {
    /// The part in front of the slash, in lower case.
    pub kind: String,
    /// The part behind it; `None` for all.
    pub subtype: Option<String>,
}

impl MediaRange {
    /// Whether a media type's essence, in lower case, is one of these.
    pub fn matches(&self, essence: &str) -> bool {
        essence.split_once('/').is_some_and(|(kind, subtype)| {
            kind == self.kind && self.subtype.as_ref().is_none_or(|own| own == subtype)
        })
    }
}

/// What requests may do with personal data that the caller does not see: nothing, but for what is here.
#[derive(Clone, Debug, Default)]
pub struct WayBack {
    /// Categories by which everybody may filter and sort.
    pub query: CategorySet,
    /// Categories that everybody may write.
    pub writes: CategorySet,
    /// Parameters of the path or query whose name does not say what they are.
    pub parameters: Vec<(String, FieldClass)>,
}

/// One classified field.
#[derive(Clone, Debug)]
pub struct FieldRule {
    /// Where.
    pub path: JsonPath,
    /// What.
    pub class: FieldClass,
}

/// What a field is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum FieldClass {
    /// Personal data of this category.
    Category(CategoryId),
    /// Not personal, stated by the owner: passes, even where the charter knows its name.
    NotPersonal,
    /// A text in which anything may stand: passes without what the charter's detectors find in it.
    FreeText,
}

/// What happens to a field that nothing classifies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Unknown {
    /// Passes, and is counted.
    Report,
    /// Passes.
    Pass,
    /// Does not leave, except to those who may see everything.
    #[default]
    Deny,
}

/// Ambiguous paths that a route accepts; they are forwarded exactly as they came.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RelaxedPaths {
    /// `%2f`
    pub encoded_slash: bool,
    /// `%5c` and `\`
    pub backslash: bool,
    /// `//`
    pub empty_segment: bool,
    /// `;` parameters that end a segment, such as `;jsessionid=…`; never `..;`
    pub path_parameters: bool,
}
