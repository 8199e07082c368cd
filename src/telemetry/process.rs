//! What is counted about the process as a whole: one function a metric. None of them is on the path of an ordinary
//! exchange, so each looks its series up.

use std::time::{Duration, SystemTime};

use metrics::{Gauge, SharedString};

use super::{
    labels::{
        CheckOutcome, ConnectionRefusal, EjectionCause, EndpointState, Flood, GoAwayCode, HandshakeOutcome,
        PriorityLabel, QuotaOutcome, RefusalReason, ReloadOutcome, ResolutionOutcome, Scope, ShedReason,
        TimeoutPhase, TlsVersion,
    },
    names,
};
use crate::policy::set::{Certificate, GatewaySettings, Quota};

/// Counts an exchange that the gateway answered by itself.
pub fn request_refused(reason: RefusalReason) {
    names::REQUESTS_REFUSED.counter([SharedString::const_str(reason.as_str())]).increment(1);
}

/// Counts an exchange that was not begun because there was too much work.
pub fn request_shed(reason: ShedReason, priority: PriorityLabel) {
    let labels = [reason.as_str(), priority.as_str()].map(SharedString::const_str);
    names::REQUESTS_SHED.counter(labels).increment(1);
}

/// Tells how long work that is ready waits for a worker's core.
pub fn queue_time(worker: usize, shortest: Duration) {
    names::QUEUE_TIME.gauge([SharedString::from(worker.to_string())]).set(shortest.as_secs_f64());
}

/// Says how many addresses of an endpoint stand so; the endpoint is called as the policy writes it.
pub fn upstream_endpoints(upstream: &str, endpoint: &str, state: EndpointState, count: usize) {
    // Addresses of a name are few.
    #[allow(clippy::cast_precision_loss)]
    names::UPSTREAM_ENDPOINTS.gauge(of_endpoint(upstream, endpoint, state.as_str())).set(count as f64);
}

/// Counts an address that is passed over for a while.
pub fn upstream_ejected(upstream: &str, endpoint: &str, cause: EjectionCause) {
    names::UPSTREAM_EJECTIONS.counter(of_endpoint(upstream, endpoint, cause.as_str())).increment(1);
}

/// Counts an active check.
pub fn upstream_checked(upstream: &str, endpoint: &str, outcome: CheckOutcome) {
    names::UPSTREAM_CHECKS.counter(of_endpoint(upstream, endpoint, outcome.as_str())).increment(1);
}

/// Counts a question for the addresses of a name.
pub fn upstream_resolved(upstream: &str, endpoint: &str, outcome: ResolutionOutcome) {
    names::UPSTREAM_RESOLUTIONS.counter(of_endpoint(upstream, endpoint, outcome.as_str())).increment(1);
}

fn of_endpoint(upstream: &str, endpoint: &str, word: &'static str) -> [SharedString; 3] {
    [upstream.to_owned().into(), endpoint.to_owned().into(), SharedString::const_str(word)]
}

/// Counts a TLS handshake with a client.
pub fn tls_handshake(version: TlsVersion, outcome: HandshakeOutcome) {
    let labels = [version.as_str(), outcome.as_str()].map(SharedString::const_str);
    names::TLS_HANDSHAKES.counter(labels).increment(1);
}

/// Says when the certificates end that clients and upstreams are shown, instead of those `before`.
pub fn certificates(shown: &GatewaySettings, before: Option<&GatewaySettings>) {
    // A series cannot be taken back; no comparison holds of this value, so that nobody is alarmed.
    let gone = before.into_iter().flat_map(expiries).map(|(gauge, _)| (gauge, f64::NAN));
    let shown = expiries(shown).into_iter().map(|(gauge, end)| {
        let since = end.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        (gauge, since.as_secs_f64())
    });
    gone.chain(shown).for_each(|(gauge, value)| gauge.set(value));
}

/// The series of every certificate, and what it tells.
fn expiries(gateway: &GatewaySettings) -> Vec<(Gauge, SystemTime)> {
    let name = |certificate: &Certificate| certificate.names.first().cloned().unwrap_or_default();
    let servers = gateway.certificates.iter().map(|certificate| {
        // Of several kinds for one name, the first to end.
        let alike = gateway.certificates.iter().filter(|other| name(other) == name(certificate));
        let end = alike.map(|other| other.expires).min().unwrap_or(certificate.expires);
        (names::CERTIFICATE_EXPIRY.gauge([name(certificate).into()]), end)
    });
    let clients = gateway.upstreams.iter().filter_map(|upstream| {
        let client = upstream.tls.as_ref()?.client.as_ref()?;
        Some((names::UPSTREAM_CERTIFICATE_EXPIRY.gauge([upstream.name.clone().into()]), client.expires))
    });
    servers.chain(clients).collect()
}

/// Client connections that were accepted (positive) or are gone (negative).
pub fn connections_open(change: i32) {
    names::CONNECTIONS_OPEN.gauge([]).increment(f64::from(change));
}

/// Counts a client connection closed before its first exchange.
pub fn connection_refused(reason: ConnectionRefusal) {
    names::CONNECTIONS_REFUSED.counter([SharedString::const_str(reason.as_str())]).increment(1);
}

/// Counts an idle client connection closed to make room.
pub fn connection_evicted() {
    names::CONNECTIONS_EVICTED.counter([]).increment(1);
}

/// Counts a client connection closed because a phase lasted too long.
pub fn connection_timed_out(phase: TimeoutPhase) {
    names::CONNECTIONS_TIMED_OUT.counter([SharedString::const_str(phase.as_str())]).increment(1);
}

/// Counts an HTTP/2 connection ended because its client sent too many frames of one kind.
pub fn frames_flooded(kind: Flood) {
    names::FRAME_FLOODS.counter([SharedString::const_str(kind.as_str())]).increment(1);
}

/// Counts an HTTP/2 connection that was ended for what its client sent.
pub fn connection_broken(code: GoAwayCode) {
    names::CONNECTION_ERRORS.counter([SharedString::const_str(code.as_str())]).increment(1);
}

/// Counts a question to the shared counter store that had no answer.
pub fn limit_store_failed() {
    names::LIMIT_STORE_FAILURES.counter([]).increment(1);
}

/// Counts an attempt that shared the overflow counter of its limit, because the memory for counters was full.
pub fn limit_overflowed(scope: Scope) {
    names::LIMIT_OVERFLOWS.counter([SharedString::const_str(scope.as_str())]).increment(1);
}

/// Counts an attempt at an account; the outcome is the name of an enum's variant, the route's that of the policy.
pub fn login_attempt(route: &str, outcome: &'static str) {
    let route = SharedString::from(route.to_owned());
    names::LOGIN_ATTEMPTS.counter([route, SharedString::const_str(outcome)]).increment(1);
}

/// Says whether unusually many attempts on a route fail.
pub fn login_alarm(route: &str, raised: bool) {
    names::LOGIN_ALARM.gauge([SharedString::from(route.to_owned())]).set(f64::from(u8::from(raised)));
}

/// Counts an attempt that only an enforced alarm would have refused.
pub fn login_alarm_would_refuse(route: &str) {
    names::LOGIN_ALARM_WOULD_REFUSE.counter([SharedString::from(route.to_owned())]).increment(1);
}

/// Counts a request that a quota had no room for.
pub fn quota_exceeded(quota: &Quota, outcome: QuotaOutcome) {
    let outcome = SharedString::const_str(outcome.as_str());
    names::QUOTA_EXCEEDED.counter([quota.name.clone().into(), outcome]).increment(1);
}

/// Says whether the counter store answers.
pub fn limit_store_up(up: bool) {
    names::LIMIT_STORE_UP.gauge([]).set(f64::from(u8::from(up)));
}

/// Counts an attempt to load the policy again, and says whether what is on disk now serves. The first load counts as
/// [`ReloadOutcome::Loaded`].
pub fn policy_reloaded(outcome: ReloadOutcome, now: SystemTime) {
    names::POLICY_RELOADS.counter([SharedString::const_str(outcome.as_str())]).increment(1);
    let serving = outcome != ReloadOutcome::Refused;
    names::POLICY_LAST_RELOAD_SUCCESSFUL.gauge([]).set(f64::from(u8::from(serving)));
    if serving {
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        names::POLICY_LAST_RELOAD_SUCCESS.gauge([]).set(since.as_secs_f64());
    }
}

/// Says how many journal records wait.
pub fn journal_queue_depth(records: usize) {
    // A queue beyond 2^53 records does not fit in memory, so nothing is rounded.
    #[allow(clippy::cast_precision_loss)]
    names::JOURNAL_QUEUE_DEPTH.gauge([]).set(records as f64);
}

/// Counts journal records written.
pub fn journal_written(records: usize) {
    names::JOURNAL_RECORDS.counter([]).increment(records as u64);
}

/// Counts an exchange that waits for room in the journal's queue.
pub fn journal_slowed() {
    names::JOURNAL_SLOWED.counter([]).increment(1);
}

/// Counts a failed attempt to write to the journal.
pub fn journal_write_failed() {
    names::JOURNAL_WRITE_ERRORS.counter([]).increment(1);
}

/// Counts journal records that were given up.
pub fn journal_lost(records: usize) {
    names::JOURNAL_LOST.counter([]).increment(records as u64);
}
