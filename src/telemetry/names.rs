//! Every metric that Rempart exposes: name, kind, help and label names in one table.
//!
//! A metric that is not here cannot be counted: the functions of this module tree are the only way to the registry,
//! and they take one of these statics. Label *values* are enums of [`super::labels`] or names from the policy, so that
//! the number of series is bounded by the policy and never by traffic.

use metrics::{Counter, Gauge, Histogram, Label, SharedString};

/// What a metric measures.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// Only grows; its name ends in `_total`.
    Counter,
    /// Goes up and down.
    Gauge,
    /// A distribution; ours are all durations in seconds.
    Histogram,
}

/// One metric.
#[derive(Debug)]
pub struct Metric {
    /// Full name, `rempart_` included.
    pub name: &'static str,
    /// What it measures.
    pub kind: Kind,
    /// One sentence for `# HELP`.
    pub help: &'static str,
    /// Names of its labels, in the order in which values are given.
    pub labels: &'static [&'static str],
}

impl Metric {
    /// The counter with these label values; costs a registry look-up, so hot paths keep the handle.
    pub(super) fn counter<const N: usize>(&'static self, values: [SharedString; N]) -> Counter {
        debug_assert_eq!(self.kind, Kind::Counter, "{}", self.name);
        metrics::counter!(self.name, self.pair(values))
    }

    /// The gauge with these label values.
    pub(super) fn gauge<const N: usize>(&'static self, values: [SharedString; N]) -> Gauge {
        debug_assert_eq!(self.kind, Kind::Gauge, "{}", self.name);
        metrics::gauge!(self.name, self.pair(values))
    }

    /// The histogram with these label values.
    pub(super) fn histogram<const N: usize>(&'static self, values: [SharedString; N]) -> Histogram {
        debug_assert_eq!(self.kind, Kind::Histogram, "{}", self.name);
        metrics::histogram!(self.name, self.pair(values))
    }

    fn pair<const N: usize>(&self, values: [SharedString; N]) -> Vec<Label> {
        debug_assert_eq!(self.labels.len(), N, "{}", self.name);
        self.labels.iter().zip(values).map(|(&name, value)| Label::new(name, value)).collect()
    }

    /// Tells the recorder what the metric means, and gives a metric without labels its first value: a series that
    /// only appears with the first failure cannot be alerted on.
    pub(super) fn describe(&'static self) {
        match self.kind {
            Kind::Counter => metrics::describe_counter!(self.name, self.help),
            Kind::Gauge => metrics::describe_gauge!(self.name, self.help),
            Kind::Histogram => metrics::describe_histogram!(self.name, self.help),
        }
        match self.kind {
            Kind::Counter if self.labels.is_empty() => self.counter([]).increment(0),
            Kind::Gauge if self.labels.is_empty() => self.gauge([]).increment(0.0),
            _ => {}
        }
    }
}

macro_rules! table {
    ($($id:ident = $kind:ident $name:literal [$($label:ident),*] $help:literal;)*) => {
        $(
            #[doc = $help]
            pub static $id: Metric = Metric {
                name: $name,
                kind: Kind::$kind,
                help: $help,
                labels: &[$(stringify!($label)),*],
            };
        )*

        /// All of them, in the order of the documentation.
        pub static METRICS: &[&Metric] = &[$(&$id),*];
    };
}

table! {
    REQUESTS = Counter "rempart_requests_total" [route, method, code, recipient]
        "Exchanges that ended, by route, method, status code sent and first recipient of the caller.";
    REQUEST_DURATION = Histogram "rempart_request_duration_seconds" [route]
        "From the end of the request head to the last byte of the response.";
    REQUESTS_IN_FLIGHT = Gauge "rempart_requests_in_flight" []
        "Exchanges under way.";
    REQUESTS_REFUSED = Counter "rempart_requests_refused_total" [reason]
        "Exchanges that the gateway answered itself because it would not or could not forward them.";

    REQUESTS_SHED = Counter "rempart_requests_shed_total" [reason, priority]
        "Exchanges answered 503 because there was too much work.";
    QUEUE_TIME = Gauge "rempart_queue_time_seconds" [worker]
        "How long work that is ready waits for its core: the shortest wait of the last tenth of a second.";

    UPSTREAM_REQUESTS = Counter "rempart_upstream_requests_total" [upstream, code]
        "Responses received from an upstream, by status code.";
    UPSTREAM_DURATION = Histogram "rempart_upstream_duration_seconds" [upstream]
        "From sending a request to an upstream to its response head.";
    UPSTREAM_ERRORS = Counter "rempart_upstream_errors_total" [upstream, kind]
        "Requests to an upstream that ended without a complete response.";
    UPSTREAM_OPENED = Counter "rempart_upstream_connections_opened_total" [upstream]
        "Connections opened to an upstream.";
    UPSTREAM_REUSED = Counter "rempart_upstream_connections_reused_total" [upstream]
        "Requests sent on a connection that was already open.";
    UPSTREAM_IDLE = Gauge "rempart_upstream_connections_idle" [upstream]
        "Idle connections kept to an upstream, over all workers.";

    UPSTREAM_ENDPOINTS = Gauge "rempart_upstream_endpoints" [upstream, endpoint, state]
        "Addresses of an endpoint as the policy writes it, by how they stand.";
    UPSTREAM_EJECTIONS = Counter "rempart_upstream_ejections_total" [upstream, endpoint, cause]
        "Times that an address was passed over for a while because exchanges with it failed.";
    UPSTREAM_CHECKS = Counter "rempart_upstream_checks_total" [upstream, endpoint, outcome]
        "Active checks of an endpoint's addresses.";
    UPSTREAM_RESOLUTIONS = Counter "rempart_upstream_resolutions_total" [upstream, endpoint, outcome]
        "Questions for the addresses of an endpoint's name.";
    UPSTREAM_RETRIES = Counter "rempart_upstream_retries_total" [upstream, cause]
        "Requests sent again.";
    UPSTREAM_RETRIES_REFUSED = Counter "rempart_upstream_retries_refused_total" [upstream]
        "Requests not sent again because the budget for that was used up.";
    UPSTREAM_CONCURRENCY = Gauge "rempart_upstream_concurrency_limit" [upstream]
        "Exchanges that may be under way with an upstream, over all workers; none where there is no limit.";
    UPSTREAM_QUEUED = Gauge "rempart_upstream_queued" [upstream]
        "Exchanges that wait for a place with an upstream.";
    UPSTREAM_QUEUE_REFUSED = Counter "rempart_upstream_queue_refused_total" [upstream, cause]
        "Exchanges answered 503 because no place with the upstream came in time.";

    TLS_HANDSHAKES = Counter "rempart_tls_handshakes_total" [version, outcome]
        "TLS handshakes with clients.";
    CERTIFICATE_EXPIRY = Gauge "rempart_certificate_expiry_timestamp_seconds" [certificate]
        "When a certificate that clients are shown ends, or the first one of its chain, in seconds since 1970; by its first server name. `NaN` once it is shown no more.";
    UPSTREAM_CERTIFICATE_EXPIRY = Gauge "rempart_upstream_certificate_expiry_timestamp_seconds" [upstream]
        "When the certificate ends that the gateway shows to an upstream, or the first one of its chain, in seconds since 1970. `NaN` once it is shown no more.";
    CONNECTIONS_OPEN = Gauge "rempart_connections_open" []
        "Open client connections.";
    CONNECTIONS_REFUSED = Counter "rempart_connections_refused_total" [reason]
        "Client connections closed before their first exchange.";
    CONNECTIONS_EVICTED = Counter "rempart_connections_evicted_total" []
        "Idle client connections closed to make room for new ones.";
    CONNECTIONS_TIMED_OUT = Counter "rempart_connections_timed_out_total" [phase]
        "Client connections closed because a phase lasted too long.";

    FRAME_FLOODS = Counter "rempart_frame_floods_total" [frame]
        "HTTP/2 connections ended because their client sent too many frames of one kind.";

    CONNECTION_ERRORS = Counter "rempart_connection_errors_total" [code]
        "HTTP/2 connections ended because their client broke the protocol or a bound, by error code. Floods are among them.";

    RATE_LIMITED = Counter "rempart_rate_limited_total" [route, scope]
        "Exchanges answered 429.";
    LOGIN_ATTEMPTS = Counter "rempart_login_attempts_total" [route, outcome]
        "Attempts at an account that the platform answered: failure, success, or none of both.";
    LOGIN_ALARM = Gauge "rempart_login_alarm" [route]
        "1 while unusually many attempts on a route fail, until an attempt shows otherwise.";
    LOGIN_ALARM_WOULD_REFUSE = Counter "rempart_login_alarm_would_refuse_total" [route]
        "Attempts that the limit of a raised alarm would have refused, had it been enforced.";
    QUOTA_EXCEEDED = Counter "rempart_quota_exceeded_total" [quota, outcome]
        "Requests that a quota had no room for: answered 429, or let through by one that only counts.";
    LIMIT_STORE_FAILURES = Counter "rempart_limit_store_failures_total" []
        "Questions to the shared counter store that had no answer, so that stricter local counters decided.";
    LIMIT_OVERFLOWS = Counter "rempart_limit_overflows_total" [scope]
        "Attempts counted in the shared overflow counter because the memory for counters was full.";
    LIMIT_STORE_UP = Gauge "rempart_limit_store_up" []
        "1 while the counter store answers (always with the in-memory store), 0 while local counters stand in.";

    REDACTED_FIELDS = Counter "rempart_redacted_fields_total" [route, recipient, category]
        "Values removed or replaced in response bodies.";
    UNKNOWN_FIELDS = Counter "rempart_unknown_fields_total" [route]
        "Fields of response bodies that nothing classifies.";
    REDACTION_REFUSED = Counter "rempart_redaction_refused_total" [route, reason]
        "Response bodies that could not be read and were therefore not forwarded.";
    COOKIES_DROPPED = Counter "rempart_cookies_dropped_total" [route, direction]
        "Cookies that the charter does not list, dropped.";

    IDENTITY = Counter "rempart_identity_total" [provider, outcome]
        "What identity providers said about callers.";
    IDENTITY_REFUSED = Counter "rempart_identity_refused_total" [provider, reason]
        "Credentials that were not accepted, by reason.";
    IDENTITY_KEYS = Gauge "rempart_identity_keys" [provider]
        "Keys that can verify a provider's tokens at present, counted once for each algorithm; 0 while there are none, or only old ones.";
    IDENTITY_KEYS_AGE = Gauge "rempart_identity_keys_age_seconds" [provider]
        "How long ago a provider's keys were fetched.";
    RELATIONS = Counter "rempart_relation_lookups_total" [source, outcome]
        "Looks for a caller's groups and wards: asked of the source, kept, old and being renewed, or unavailable.";
    POLICY_RELOADS = Counter "rempart_policy_reloads_total" [outcome]
        "Attempts to load the policy again.";
    POLICY_LAST_RELOAD_SUCCESSFUL = Gauge "rempart_policy_last_reload_successful" []
        "1 if the policy on disk is the one being served, 0 if it was refused and an earlier one serves.";
    POLICY_LAST_RELOAD_SUCCESS = Gauge "rempart_policy_last_reload_success_timestamp_seconds" []
        "When the policy being served was loaded, in seconds since 1970.";

    JOURNAL_QUEUE_DEPTH = Gauge "rempart_journal_queue_depth" []
        "Journal records that wait to be written.";
    JOURNAL_RECORDS = Counter "rempart_journal_records_total" []
        "Journal records written.";
    JOURNAL_SLOWED = Counter "rempart_journal_slowed_total" []
        "Exchanges that waited because the journal's queue was full.";
    JOURNAL_WRITE_ERRORS = Counter "rempart_journal_write_errors_total" []
        "Failed attempts to write to the journal; each is tried again.";
    JOURNAL_LOST = Counter "rempart_journal_records_lost_total" []
        "Journal records given up when the process ended; anything but 0 is an incident.";

    BUILD_INFO = Gauge "rempart_build_info" [version]
        "Always 1; says which version runs.";
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn every_metric_follows_the_conventions() {
        let mut seen = HashSet::new();
        for metric in METRICS {
            let name = metric.name;
            assert!(seen.insert(name), "{name} twice");
            assert!(name.starts_with("rempart_"), "{name}: prefix");
            assert!(name.bytes().all(|b| b.is_ascii_lowercase() || b == b'_'), "{name}: characters");
            assert_eq!(
                name.ends_with("_total"),
                metric.kind == Kind::Counter,
                "{name}: _total is for counters"
            );
            assert_eq!(
                metric.kind == Kind::Histogram,
                name.ends_with("_duration_seconds"),
                "{name}: distributions are durations in seconds"
            );
            for suffix in ["_count", "_sum", "_bucket"] {
                assert!(!name.ends_with(suffix), "{name}: {suffix} belongs to histograms' own series");
            }
            assert!(metric.help.ends_with('.') && metric.help.len() > 15, "{name}: help");
            let labels: HashSet<_> = metric.labels.iter().collect();
            assert_eq!(labels.len(), metric.labels.len(), "{name}: a label twice");
            for label in metric.labels {
                assert!(
                    !matches!(*label, "le" | "quantile" | "job" | "instance"),
                    "{name}: {label} is reserved"
                );
            }
        }
    }

    #[test]
    fn no_label_can_carry_a_person() {
        let known = HashSet::from([
            "route",
            "method",
            "code",
            "recipient",
            "reason",
            "upstream",
            "kind",
            "version",
            "outcome",
            "phase",
            "scope",
            "category",
            "direction",
            "provider",
            "quota",
            "source",
            "certificate",
            "frame",
            "priority",
            "code",
            "worker",
            "endpoint",
            "state",
            "cause",
        ]);
        for metric in METRICS {
            for label in metric.labels {
                assert!(known.contains(label), "{}: {label} is not a bounded label", metric.name);
            }
        }
    }
}
