//! What is counted about the process as a whole: one function a metric. None of them is on the path of an ordinary
//! exchange, so each looks its series up.

use std::time::{Duration, SystemTime};

use metrics::SharedString;

use super::{
    labels::{
        ConnectionRefusal, Flood, HandshakeOutcome, QuotaOutcome, RefusalReason, ReloadOutcome, Scope,
        TimeoutPhase, TlsVersion,
    },
    names,
};
use crate::policy::set::{Certificate, Quota};

/// Counts an exchange that the gateway answered by itself.
pub fn request_refused(reason: RefusalReason) {
    names::REQUESTS_REFUSED.counter([SharedString::const_str(reason.as_str())]).increment(1);
}

/// Counts a TLS handshake with a client.
pub fn tls_handshake(version: TlsVersion, outcome: HandshakeOutcome) {
    let labels = [version.as_str(), outcome.as_str()].map(SharedString::const_str);
    names::TLS_HANDSHAKES.counter(labels).increment(1);
}

/// Says when the certificates end that clients are shown, instead of those `before`.
pub fn certificates(shown: &[Certificate], before: &[Certificate]) {
    let gauge = |certificate: &Certificate| {
        let name = certificate.names.first().cloned().unwrap_or_default();
        names::CERTIFICATE_EXPIRY.gauge([SharedString::from(name)])
    };
    // A series cannot be taken back; no comparison holds of this value, so that nobody is alarmed.
    before.iter().for_each(|gone| gauge(gone).set(f64::NAN));
    for certificate in shown {
        // Of several kinds for one name, the first to end.
        let alike = shown.iter().filter(|other| other.names.first() == certificate.names.first());
        let first = alike.map(|other| other.expires).min().unwrap_or(certificate.expires);
        let since = first.duration_since(SystemTime::UNIX_EPOCH).unwrap_or(Duration::ZERO);
        gauge(certificate).set(since.as_secs_f64());
    }
}

/// Client connections that were accepted (positive) or are gone (negative).
pub fn connections_open(change: i32) {
    names::CONNECTIONS_OPEN.gauge([]).increment(f64::from(change));
}

/// Counts a client connection closed before its first exchange.
pub fn connection_refused(reason: ConnectionRefusal) {
    names::CONNECTIONS_REFUSED.counter([SharedString::const_str(reason.as_str())]).increment(1);
}

/// Counts a client connection closed because a phase lasted too long.
pub fn connection_timed_out(phase: TimeoutPhase) {
    names::CONNECTIONS_TIMED_OUT.counter([SharedString::const_str(phase.as_str())]).increment(1);
}

/// Counts an HTTP/2 connection ended because its client sent too many frames of one kind.
pub fn http2_flooded(kind: Flood) {
    names::HTTP2_FLOODS.counter([SharedString::const_str(kind.as_str())]).increment(1);
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
