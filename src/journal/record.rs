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
//! | `status` | status sent; 0 if none was | always |
//! | `decision`, `reason` | what the gateway did, and why where it refused | always; `reason` on refusal |
//! | `termination` | how the exchange ended | always |
//! | `protocol`, `tls` | `h1` or `h2`; TLS version | always; on TLS |
//! | `client` | token or prefix of the client's address | known |
//! | `identity`, `provider` | outcome of identification, and who gave it | somebody was asked |
//! | `subject` | token of the caller's subject | known |
//! | `recipients` | what the caller is under the charter | identified |
//! | `upstream`, `endpoint` | where it was sent: name, place of the address | forwarded |
//! | `duration_us`, `upstream_us` | the whole; until the upstream's response head | always; forwarded |
//! | `bytes_in`, `bytes_out` | body bytes received from and sent to the client | always |
//! | `cookies_dropped` | `{"request":n,"response":n}` | any |
//! | `redacted` | category → values removed or replaced | any |
//! | `unknown_fields` | fields that nothing classifies | any |

use std::{sync::Arc, time::Duration};

use jiff::Timestamp;
use serde::ser::{Serialize, SerializeMap, SerializeSeq, Serializer};

use super::{
    pseudonym::{AddressToken, SubjectToken},
    request_id::RequestId,
};
use crate::{
    policy::set::{CategoryId, PolicySet, ProviderId, RecipientId, RouteId, UpstreamId},
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
    /// The status sent; 0 if none was.
    pub status: u16,
    /// What the gateway did.
    pub decision: Decision,
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
    /// Who gave it.
    pub provider: Option<ProviderId>,
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
            termination: Termination::ClientGone,
            protocol: Protocol::Http1,
            tls: None,
            client: None,
            identity: None,
            provider: None,
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
        }
    }

    /// Appends the record's line, its line feed included. Nothing is appended if that fails, which only a defect of
    /// `Serialize` could cause.
    pub(super) fn write_line(&self, out: &mut Vec<u8>) -> Result<(), serde_json::Error> {
        let before = out.len();
        serde_json::to_writer(&mut *out, self).inspect_err(|_| out.truncate(before))?;
        out.push(b'\n');
        Ok(())
    }
}

impl Serialize for Record {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let policy = &*self.policy;
        let mut map = serializer.serialize_map(None)?;
        map.serialize_entry("schema_version", &SCHEMA_VERSION)?;
        map.serialize_entry("time", &format_args!("{:.3}", self.time))?;
        map.serialize_entry("request_id", &self.request_id)?;
        map.serialize_entry("policy", policy.digest.get(..POLICY_DIGITS).unwrap_or(&policy.digest))?;
        if let Some(route) = self.route.and_then(|id| policy.routes.get(usize::from(id.0))) {
            map.serialize_entry("route", &route.name)?;
            entry(&mut map, "path", route.matches.paths.get(usize::from(self.template)))?;
        }
        map.serialize_entry("method", &self.method)?;
        map.serialize_entry("status", &self.status)?;
        let (decision, reason) = self.decision.parts();
        map.serialize_entry("decision", decision)?;
        if let Some(reason) = reason {
            map.serialize_entry("reason", reason)?;
        }
        map.serialize_entry("termination", self.termination.as_str())?;
        map.serialize_entry("protocol", &self.protocol)?;
        entry(&mut map, "tls", self.tls)?;
        entry(&mut map, "client", self.client)?;
        entry(&mut map, "identity", self.identity)?;
        let provider = self.provider.and_then(|id| policy.gateway.providers.get(usize::from(id.0)));
        entry(&mut map, "provider", provider.map(|one| &one.name))?;
        entry(&mut map, "subject", self.subject)?;
        if self.recipients != RecipientBits::default() {
            map.serialize_entry("recipients", &Recipients { policy, bits: self.recipients })?;
        }
        let upstream = self.upstream.and_then(|id| policy.gateway.upstreams.get(usize::from(id.0)));
        entry(&mut map, "upstream", upstream.map(|one| &one.name))?;
        entry(&mut map, "endpoint", self.endpoint)?;
        map.serialize_entry("duration_us", &micros(self.duration))?;
        entry(&mut map, "upstream_us", self.upstream_duration.map(micros))?;
        map.serialize_entry("bytes_in", &self.bytes_in)?;
        map.serialize_entry("bytes_out", &self.bytes_out)?;
        let dropped = (self.cookies_dropped_request, self.cookies_dropped_response);
        if dropped != (0, 0) {
            map.serialize_entry("cookies_dropped", &CookiesDropped(dropped))?;
        }
        if self.redacted.iter().any(|(_, count)| *count > 0) {
            map.serialize_entry("redacted", &Redacted { policy, counts: &self.redacted })?;
        }
        if self.unknown_fields > 0 {
            map.serialize_entry("unknown_fields", &self.unknown_fields)?;
        }
        map.end()
    }
}

fn entry<M: SerializeMap>(map: &mut M, key: &str, value: Option<impl Serialize>) -> Result<(), M::Error> {
    value.map_or(Ok(()), |value| map.serialize_entry(key, &value))
}

/// Saturates after half a million years.
fn micros(duration: Duration) -> u64 {
    u64::try_from(duration.as_micros()).unwrap_or(u64::MAX)
}

struct Recipients<'a> {
    policy: &'a PolicySet,
    bits: RecipientBits,
}

impl Serialize for Recipients<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut list = serializer.serialize_seq(None)?;
        for (place, recipient) in self.policy.charter.recipients.iter().take(64).enumerate() {
            if self.bits.0 >> place & 1 == 1 {
                list.serialize_element(&recipient.name)?;
            }
        }
        list.end()
    }
}

struct CookiesDropped((u32, u32));

impl Serialize for CookiesDropped {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let (request, response) = self.0;
        let mut map = serializer.serialize_map(Some(2))?;
        map.serialize_entry("request", &request)?;
        map.serialize_entry("response", &response)?;
        map.end()
    }
}

struct Redacted<'a> {
    policy: &'a PolicySet,
    counts: &'a [(CategoryId, u32)],
}

impl Serialize for Redacted<'_> {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        let mut map = serializer.serialize_map(None)?;
        for (category, count) in self.counts.iter().filter(|(_, count)| *count > 0) {
            if let Some(category) = self.policy.charter.categories.get(category.index()) {
                map.serialize_entry(&category.name, count)?;
            }
        }
        map.end()
    }
}

#[cfg(test)]
mod tests;
