//! One exchange, as the journal keeps it.
//!
//! A [`Record`] holds no text of its own: enums, numbers, keyed tokens, and places in the policy that answered, whose
//! names are written out when the line is. So there is nothing in it that a client or a platform could have chosen,
//! neither a personal value (R3) nor a line feed (ASVS 16.4.1).
//!
//! | key | value | when |
//! |---|---|---|
//! | `schema_version` | 1; changes when a key changes its meaning or disappears (R11) | always |
//! | `time` | start of the exchange, RFC 3339, UTC, milliseconds | always |
//! | `request_id` | 32 hexadecimal digits | always |
//! | `policy` | first 12 digits of the policy's digest | always |
//! | `route`, `path` | name and path *template* of the route | a route took it |
//! | `method` | standard method or `OTHER` | always |
//! | `status` | status sent, of a refused call of gRPC the one that its code stands for; 0 if none was | always |
//! | `decision`, `reason` | what the gateway did, and why where it refused | always; `reason` on refusal |
//! | `quota` | name of the quota that refused | 429 by a quota |
//! | `shadow_quotas` | names of the quotas in shadow mode that would have refused | any |
//! | `termination` | how the exchange ended | always |
//! | `protocol`, `tls` | `h1` or `h2`; TLS version | always; on TLS |
//! | `client` | token or prefix of the client's address | known |
//! | `identity`, `provider` | outcome of identification, and who gave it | somebody was asked |
//! | `identity_reason` | why a credential was not accepted | rejected |
//! | `relations` | `asked`, `kept`, `old` or `unavailable`: what relation sources said of the caller, the worst of them | any was asked |
//! | `subject` | token of the caller's subject | known |
//! | `recipients` | what the caller is under the charter | identified |
//! | `upstream`, `endpoint` | where it was sent: name, place of the address | forwarded |
//! | `duration_us`, `upstream_us` | the whole; until the upstream's response head | always; forwarded |
//! | `bytes_in`, `bytes_out` | body bytes received from and sent to the client | always |
//! | `cookies_dropped` | `{"request":n,"response":n}` | any |
//! | `redacted` | category → values removed or replaced | any |
//! | `unknown_fields` | fields that nothing classifies | any |
//! | `unknown_places` | where: paths of names of the policy's lexicon, `?` for any other name | any of them has a place |

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;

use super::{
    line::Line,
    pseudonym::{AddressToken, SubjectToken},
    request_id::RequestId,
};
use crate::{
    policy::set::{
        CategoryId, PersonalData, PolicySet, ProviderId, QuotaId, RecipientId, RouteId, RoutePolicy, Trail,
        UpstreamId,
    },
    telemetry::{MethodLabel, Protocol, RefusalReason, Scope, TlsVersion, UpstreamError},
};

/// The version of the keys above.
pub const SCHEMA_VERSION: u32 = 1;

/// Digits of the policy's digest that a record keeps: enough to tell the policies of a deployment's life apart.
const POLICY_DIGITS: usize = 12;

/// What the gateway did with a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Decision {
    /// Sent to the platform, whose answer was sent back.
    Forwarded,
    /// The connection became a WebSocket.
    Upgraded,
    /// Sent to HTTPS (charter 6).
    Redirected,
    /// The client went away before anything was decided.
    Abandoned,
    /// Answered by the gateway itself.
    Refused(RefusalReason),
    /// 429.
    Throttled(Scope),
    /// The platform gave no usable answer.
    UpstreamFailed(UpstreamError),
    /// The platform's answer could not be proven safe (R17); the reason is the name of an error variant.
    Unreadable(&'static str),
}

impl Decision {
    fn parts(self) -> (&'static str, Option<&'static str>) {
        match self {
            Self::Forwarded => ("forwarded", None),
            Self::Upgraded => ("upgraded", None),
            Self::Redirected => ("redirected", None),
            Self::Abandoned => ("abandoned", None),
            Self::Refused(reason) => ("refused", Some(reason.as_str())),
            Self::Throttled(scope) => ("throttled", Some(scope.as_str())),
            Self::UpstreamFailed(kind) => ("upstream_failed", Some(kind.as_str())),
            Self::Unreadable(reason) => ("unreadable", Some(reason)),
        }
    }
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Termination {
    /// The whole response was sent.
    Complete,
    /// The client went away, or was cut off for being too slow or at the end of the drain.
    ClientGone,
    /// The platform's body ended too early or stopped.
    UpstreamFailed,
    /// The rest of the body could not be proven safe: the connection was cut so that the client sees an error.
    RedactionCut,
}

impl Termination {
    fn as_str(self) -> &'static str {
        match self {
            Self::Complete => "complete",
            Self::ClientGone => "client_gone",
            Self::UpstreamFailed => "upstream_failed",
            Self::RedactionCut => "redaction_cut",
        }
    }
}

/// A set of recipients, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecipientBits(u64);

impl FromIterator<RecipientId> for RecipientBits {
    fn from_iter<I: IntoIterator<Item = RecipientId>>(recipients: I) -> Self {
        Self(recipients.into_iter().fold(0, |bits, id| bits | 1u64.checked_shl(id.0.into()).unwrap_or(0)))
    }
}

/// Everything that is kept about one exchange. Written as one JSON object; the module's documentation has its keys.
#[derive(Clone, Debug)]
pub struct Record {
    /// When the request head was complete.
    pub time: Timestamp,
    /// Its name.
    pub request_id: RequestId,
    /// The policy that answered; the places below are places in it.
    pub policy: Arc<PolicySet>,
    /// The route that took it.
    pub route: Option<RouteId>,
    /// Which of the route's path templates matched.
    pub template: u16,
    /// Its method.
    pub method: MethodLabel,
    /// The status sent, of a refused call of gRPC the one that its code stands for; 0 if none was.
    pub status: u16,
    /// What the gateway did.
    pub decision: Decision,
    /// The quota that refused it.
    pub quota: Option<QuotaId>,
    /// Quotas in shadow mode that would have refused it, one bit each.
    pub shadow_quotas: u64,
    /// How it ended.
    pub termination: Termination,
    /// HTTP version towards the client.
    pub protocol: Protocol,
    /// TLS version towards the client; `None` on a plain listener.
    pub tls: Option<TlsVersion>,
    /// The client's address.
    pub client: Option<AddressToken>,
    /// The name of identification's outcome.
    pub identity: Option<&'static str>,
    /// Why a credential was not accepted.
    pub identity_reason: Option<&'static str>,
    /// Who gave it.
    pub provider: Option<ProviderId>,
    /// What relation sources said of the caller.
    pub relations: Option<&'static str>,
    /// The caller.
    pub subject: Option<SubjectToken>,
    /// What the caller is under the charter.
    pub recipients: RecipientBits,
    /// Where it was sent.
    pub upstream: Option<UpstreamId>,
    /// The place of the upstream's address.
    pub endpoint: Option<u16>,
    /// The whole exchange, to the last byte sent.
    pub duration: Duration,
    /// From sending the request to the upstream's response head.
    pub upstream_duration: Option<Duration>,
    /// Body bytes received from the client.
    pub bytes_in: u64,
    /// Body bytes sent to the client.
    pub bytes_out: u64,
    /// Cookies of the request that were dropped.
    pub cookies_dropped_request: u32,
    /// Cookies of the response that were dropped.
    pub cookies_dropped_response: u32,
    /// Values removed or replaced, by category; only categories with any.
    pub redacted: Vec<(CategoryId, u32)>,
    /// Fields that nothing classifies.
    pub unknown_fields: u32,
    /// Where the first of them stood, in the lexicon of the route.
    pub unknown_places: Vec<Trail>,
}

impl Record {
    /// A record of an exchange that began now, about which nothing else is known: refused as a defect of the gateway
    /// unless somebody says otherwise.
    pub fn begin(policy: Arc<PolicySet>, request_id: RequestId, time: Timestamp) -> Self {
        Self {
            time,
            request_id,
            policy,
            route: None,
            template: 0,
            method: MethodLabel::Other,
            status: 0,
            decision: Decision::Refused(RefusalReason::Internal),
            quota: None,
            shadow_quotas: 0,
            termination: Termination::ClientGone,
            protocol: Protocol::Http1,
            tls: None,
            client: None,
            identity: None,
            identity_reason: None,
            provider: None,
            relations: None,
            subject: None,
            recipients: RecipientBits::default(),
            upstream: None,
            endpoint: None,
            duration: Duration::ZERO,
            upstream_duration: None,
            bytes_in: 0,
            bytes_out: 0,
            cookies_dropped_request: 0,
            cookies_dropped_response: 0,
            redacted: Vec::new(),
            unknown_fields: 0,
            unknown_places: Vec::new(),
        }
    }

    fn taken_by(&self) -> Option<&RoutePolicy> {
        self.policy.routes.get(usize::from(self.route?.0)).map(Arc::as_ref)
    }

    /// Appends the record's line, its line feed included.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) {
        let policy = &*self.policy;
        let mut line = Line::begin(out);
        line.number("schema_version", SCHEMA_VERSION.into());
        line.time("time", self.time);
        line.bytes("request_id", &self.request_id.to_hex());
        line.text("policy", policy.digest.get(..POLICY_DIGITS).unwrap_or(&policy.digest));
        if let Some(route) = self.taken_by() {
            line.text("route", &route.name);
            if let Some(path) = route.matches.paths.get(usize::from(self.template)) {
                line.text("path", path);
            }
        }
        line.text("method", self.method.as_str());
        line.number("status", self.status.into());
        let (decision, reason) = self.decision.parts();
        line.text("decision", decision);
        if let Some(reason) = reason {
            line.text("reason", reason);
        }
        if let Some(quota) = self.quota.and_then(|id| policy.gateway.quotas.get(usize::from(id.0))) {
            line.text("quota", &quota.name);
        }
        if self.shadow_quotas != 0 {
            let quotas = policy.gateway.quotas.iter().take(64).zip(0u32..);
            let named = quotas.filter(|(_, place)| self.shadow_quotas >> place & 1 == 1);
            line.texts("shadow_quotas", named.map(|(quota, _)| quota.name.as_str()));
        }
        line.text("termination", self.termination.as_str());
        line.text("protocol", self.protocol.as_str());
        if let Some(tls) = self.tls {
            line.text("tls", tls.as_str());
        }
        match self.client {
            Some(AddressToken::Pseudonym(token)) => line.bytes("client", &token.text()),
            Some(prefix @ AddressToken::Prefix(_)) => line.plain("client", prefix),
            None => {}
        }
        if let Some(identity) = self.identity {
            line.text("identity", identity);
        }
        if let Some(reason) = self.identity_reason {
            line.text("identity_reason", reason);
        }
        if let Some(provider) = self.provider.and_then(|id| policy.gateway.providers.get(usize::from(id.0))) {
            line.text("provider", &provider.name);
        }
        if let Some(relations) = self.relations {
            line.text("relations", relations);
        }
        if let Some(subject) = self.subject {
            line.bytes("subject", &subject.text());
        }
        if self.recipients != RecipientBits::default() {
            let recipients = policy.charter.recipients.iter().take(64).zip(0u32..);
            let named = recipients.filter(|(_, place)| self.recipients.0 >> place & 1 == 1);
            line.texts("recipients", named.map(|(recipient, _)| recipient.name.as_str()));
        }
        if let Some(upstream) = self.upstream.and_then(|id| policy.gateway.upstreams.get(usize::from(id.0))) {
            line.text("upstream", &upstream.name);
        }
        if let Some(endpoint) = self.endpoint {
            line.number("endpoint", endpoint.into());
        }
        line.number("duration_us", micros(self.duration));
        if let Some(duration) = self.upstream_duration {
            line.number("upstream_us", micros(duration));
        }
        line.number("bytes_in", self.bytes_in);
        line.number("bytes_out", self.bytes_out);
        let dropped = (self.cookies_dropped_request, self.cookies_dropped_response);
        if dropped != (0, 0) {
            line.counts("cookies_dropped", [("request", dropped.0), ("response", dropped.1)].into_iter());
        }
        if self.redacted.iter().any(|(_, count)| *count > 0) {
            let counts = self.redacted.iter().filter(|(_, count)| *count > 0);
            let named = counts.filter_map(|(category, count)| {
                Some((policy.charter.categories.get(category.index())?.name.as_str(), *count))
            });
            line.counts("redacted", named);
        }
        if self.unknown_fields > 0 {
            line.number("unknown_fields", self.unknown_fields.into());
        }
        if let Some(PersonalData::Declared(data)) = self.taken_by().map(|route| &route.personal_data)
            && !self.unknown_places.is_empty()
        {
            line.texts("unknown_places", self.unknown_places.iter().map(|place| data.lexicon.text(place)));
        }
        line.end();
    }
}

/// Saturates after half a million years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

#[cfg(test)]
mod tests;
