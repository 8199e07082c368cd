//! Handles that a request counts through: resolved once per worker, so that counting costs an addition and no
//! look-up in the registry.
//!
//! They are built from the policy's own types, which is what bounds their label values, and belong to one worker
//! (`!Sync`). Counters of different workers with the same labels are one counter.

use std::{cell::RefCell, time::Duration};

use metrics::{Counter, Gauge, Histogram, SharedString};

use super::{
    labels::{Direction, MethodLabel, QueueRefusal, RetryCause, Scope, UpstreamError},
    names,
};
use crate::policy::set::{
    CategoryId, Charter, IdentityProvider, RecipientId, RelationSource, RoutePolicy, Upstream,
};

/// The recipient label of an exchange that ended before anybody asked who the caller is, and the route label of one
/// that no route took.
pub const NONE: &str = "none";

/// Counters found by a small key: a sorted list, since a route sees few combinations.
#[derive(Debug)]
struct Cached<K>(RefCell<Vec<(K, Counter)>>);

impl<K: Ord + Copy> Cached<K> {
    const fn new() -> Self {
        Self(RefCell::new(Vec::new()))
    }

    fn add(&self, key: K, count: u64, resolve: impl FnOnce() -> Counter) {
        let mut list = self.0.borrow_mut();
        let place = match list.binary_search_by_key(&key, |(known, _)| *known) {
            Ok(place) => place,
            Err(place) => {
                list.insert(place, (key, resolve()));
                place
            }
        };
        if let Some((_, counter)) = list.get(place) {
            counter.increment(count);
        }
    }
}

/// The text of a status code. Codes outside 100–599 do not exist (RFC 9110 §15) and share one label.
fn code(status: u16) -> SharedString {
    if (100..600).contains(&status) { status.to_string().into() } else { SharedString::const_str("other") }
}

/// What one worker counts over all routes.
#[derive(Debug)]
pub struct ExchangeMetrics {
    in_flight: Gauge,
}

impl ExchangeMetrics {
    /// The handles; call after [`super::install`], otherwise they count into nothing.
    pub fn resolve() -> Self {
        Self { in_flight: names::REQUESTS_IN_FLIGHT.gauge([]) }
    }

    /// Counts an exchange as under way until the answer is dropped.
    pub fn begin(&self) -> InFlight {
        InFlight::enter(self.in_flight.clone())
    }
}

/// Something that a gauge counts as long as it lives.
#[must_use = "dropped at once, it counts nothing"]
pub struct InFlight(Gauge);

impl InFlight {
    pub(super) fn enter(gauge: Gauge) -> Self {
        gauge.increment(1.0);
        Self(gauge)
    }
}

impl Drop for InFlight {
    fn drop(&mut self) {
        self.0.decrement(1.0);
    }
}

/// What is counted about one route, by one worker.
#[derive(Debug)]
pub struct RouteMetrics {
    route: SharedString,
    recipients: Vec<SharedString>,
    categories: Vec<SharedString>,
    requests: Cached<(u16, MethodLabel, Option<RecipientId>)>,
    duration: Histogram,
    rate_limited: Cached<Scope>,
    redacted: Cached<(RecipientId, CategoryId)>,
    unknown_fields: Cached<()>,
    redaction_refused: Cached<&'static str>,
    cookies_dropped: Cached<Direction>,
}

impl RouteMetrics {
    /// The handles of a route.
    pub fn new(route: &RoutePolicy, charter: &Charter) -> Self {
        Self::named(route.name.clone().into(), charter)
    }

    /// The handles for exchanges that no route took.
    pub fn unrouted(charter: &Charter) -> Self {
        Self::named(SharedString::const_str(NONE), charter)
    }

    fn named(route: SharedString, charter: &Charter) -> Self {
        Self {
            duration: names::REQUEST_DURATION.histogram([route.clone()]),
            route,
            recipients: charter.recipients.iter().map(|one| one.name.clone().into()).collect(),
            categories: charter.categories.iter().map(|one| one.name.clone().into()).collect(),
            requests: Cached::new(),
            rate_limited: Cached::new(),
            redacted: Cached::new(),
            unknown_fields: Cached::new(),
            redaction_refused: Cached::new(),
            cookies_dropped: Cached::new(),
        }
    }

    fn recipient(&self, recipient: Option<RecipientId>) -> SharedString {
        recipient
            .and_then(|id| self.recipients.get(id.index()).cloned())
            .unwrap_or(SharedString::const_str(NONE))
    }

    /// Counts an exchange that ended: the status sent, and the first recipient that the caller is (`None` when it
    /// ended before anybody was asked).
    pub fn request(
        &self,
        method: MethodLabel,
        status: u16,
        recipient: Option<RecipientId>,
        duration: Duration,
    ) {
        self.requests.add((status, method, recipient), 1, || {
            let method = SharedString::const_str(method.as_str());
            names::REQUESTS.counter([self.route.clone(), method, code(status), self.recipient(recipient)])
        });
        self.duration.record(duration.as_secs_f64());
    }

    /// Counts an exchange answered 429.
    pub fn rate_limited(&self, scope: Scope) {
        self.rate_limited.add(scope, 1, || {
            names::RATE_LIMITED.counter([self.route.clone(), SharedString::const_str(scope.as_str())])
        });
    }

    /// Counts values removed or replaced before they reached a recipient.
    pub fn redacted(&self, recipient: RecipientId, category: CategoryId, count: u32) {
        self.redacted.add((recipient, category), count.into(), || {
            let category = self.categories.get(category.index()).cloned();
            names::REDACTED_FIELDS.counter([
                self.route.clone(),
                self.recipient(Some(recipient)),
                category.unwrap_or(SharedString::const_str(NONE)),
            ])
        });
    }

    /// Counts fields that nothing classifies.
    pub fn unknown_fields(&self, count: u32) {
        self.unknown_fields.add((), count.into(), || names::UNKNOWN_FIELDS.counter([self.route.clone()]));
    }

    /// Counts a body that could not be read; the reason is the name of an error variant.
    pub fn redaction_refused(&self, reason: &'static str) {
        self.redaction_refused.add(reason, 1, || {
            names::REDACTION_REFUSED.counter([self.route.clone(), SharedString::const_str(reason)])
        });
    }

    /// Counts cookies that were dropped.
    pub fn cookies_dropped(&self, direction: Direction, count: u32) {
        self.cookies_dropped.add(direction, count.into(), || {
            names::COOKIES_DROPPED.counter([self.route.clone(), SharedString::const_str(direction.as_str())])
        });
    }
}

/// What is counted about one upstream, by one worker.
#[derive(Debug)]
pub struct UpstreamMetrics {
    upstream: SharedString,
    responses: Cached<u16>,
    duration: Histogram,
    errors: Cached<UpstreamError>,
    opened: Counter,
    reused: Counter,
    idle: Gauge,
    retries: Cached<RetryCause>,
    retries_refused: Cached<()>,
    queued: Gauge,
    limit: Gauge,
    queue_refused: Cached<QueueRefusal>,
}

impl UpstreamMetrics {
    /// The handles of an upstream.
    pub fn new(upstream: &Upstream) -> Self {
        let upstream = SharedString::from(upstream.name.clone());
        Self {
            responses: Cached::new(),
            duration: names::UPSTREAM_DURATION.histogram([upstream.clone()]),
            errors: Cached::new(),
            opened: names::UPSTREAM_OPENED.counter([upstream.clone()]),
            reused: names::UPSTREAM_REUSED.counter([upstream.clone()]),
            idle: names::UPSTREAM_IDLE.gauge([upstream.clone()]),
            retries: Cached::new(),
            retries_refused: Cached::new(),
            queued: names::UPSTREAM_QUEUED.gauge([upstream.clone()]),
            limit: names::UPSTREAM_CONCURRENCY.gauge([upstream.clone()]),
            queue_refused: Cached::new(),
            upstream,
        }
    }

    /// Counts a response head, and how long it took to come.
    pub fn response(&self, status: u16, duration: Duration) {
        self.responses
            .add(status, 1, || names::UPSTREAM_REQUESTS.counter([self.upstream.clone(), code(status)]));
        self.duration.record(duration.as_secs_f64());
    }

    /// Counts a failure.
    pub fn error(&self, kind: UpstreamError) {
        self.errors.add(kind, 1, || {
            names::UPSTREAM_ERRORS.counter([self.upstream.clone(), SharedString::const_str(kind.as_str())])
        });
    }

    /// Counts a request that is sent again.
    pub fn retried(&self, cause: RetryCause) {
        self.retries.add(cause, 1, || {
            names::UPSTREAM_RETRIES.counter([self.upstream.clone(), SharedString::const_str(cause.as_str())])
        });
    }

    /// Counts one that is not, because the budget is used up.
    pub fn retry_refused(&self) {
        self.retries_refused.add((), 1, || names::UPSTREAM_RETRIES_REFUSED.counter([self.upstream.clone()]));
    }

    /// Exchanges that wait for a place from now on, or no more.
    pub fn queued(&self, change: i8) {
        self.queued.increment(f64::from(change));
    }

    /// Counts an exchange that found no place.
    pub fn queue_refused(&self, cause: QueueRefusal) {
        self.queue_refused.add(cause, 1, || {
            let cause = SharedString::const_str(cause.as_str());
            names::UPSTREAM_QUEUE_REFUSED.counter([self.upstream.clone(), cause])
        });
    }

    /// Places that there are more (positive) or fewer than before.
    pub fn limit_changed(&self, change: f64) {
        self.limit.increment(change);
    }

    /// Counts a connection that was opened.
    pub fn connection_opened(&self) {
        self.opened.increment(1);
    }

    /// Counts a request that found an open connection.
    pub fn connection_reused(&self) {
        self.reused.increment(1);
    }

    /// Counts a connection as idle until the answer is dropped.
    pub fn connection_idle(&self) -> InFlight {
        InFlight::enter(self.idle.clone())
    }
}

/// What is counted about one identity provider, by one worker.
#[derive(Debug)]
pub struct ProviderMetrics {
    provider: SharedString,
    outcomes: Cached<&'static str>,
    reasons: Cached<&'static str>,
}

impl ProviderMetrics {
    /// The handles of a provider.
    pub fn new(provider: &IdentityProvider) -> Self {
        Self { provider: provider.name.clone().into(), outcomes: Cached::new(), reasons: Cached::new() }
    }

    /// Counts what the provider said; the outcome is the name of an enum's variant.
    pub fn outcome(&self, outcome: &'static str) {
        self.outcomes.add(outcome, 1, || {
            names::IDENTITY.counter([self.provider.clone(), SharedString::const_str(outcome)])
        });
    }

    /// Counts why a credential was not accepted; the reason is the name of an enum's variant.
    pub fn refused(&self, reason: &'static str) {
        self.reasons.add(reason, 1, || {
            names::IDENTITY_REFUSED.counter([self.provider.clone(), SharedString::const_str(reason)])
        });
    }

    /// Tells how the provider's keys stand.
    pub fn keys(&self, usable: usize, age: Option<Duration>) {
        names::IDENTITY_KEYS.gauge([self.provider.clone()]).set(usable as f64);
        if let Some(age) = age {
            names::IDENTITY_KEYS_AGE.gauge([self.provider.clone()]).set(age.as_secs_f64());
        }
    }
}

/// What is counted about one relation source, by one worker.
#[derive(Debug)]
pub struct RelationMetrics {
    source: SharedString,
    outcomes: Cached<&'static str>,
}

impl RelationMetrics {
    /// The handles of a source.
    pub fn new(source: &RelationSource) -> Self {
        Self { source: source.name.clone().into(), outcomes: Cached::new() }
    }

    /// Counts what came of a look-up; the outcome is the name of an enum's variant.
    pub fn outcome(&self, outcome: &'static str) {
        self.outcomes.add(outcome, 1, || {
            names::RELATIONS.counter([self.source.clone(), SharedString::const_str(outcome)])
        });
    }
}

#[cfg(test)]
mod tests {
    use std::path::Path;

    use super::*;
    use crate::telemetry::{export::observe, sample};

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_request_is_counted_by_route_method_code_and_recipient() {
        let policy = sample::policy(Path::new(""));
        let exposed = observe(|| {
            let route = RouteMetrics::new(&policy.routes[0], &policy.charter);
            for _ in 0..3 {
                route.request(MethodLabel::Get, 200, Some(RecipientId(1)), 7 * MS);
            }
            route.request(MethodLabel::Get, 200, Some(RecipientId(2)), 7 * MS);
            route.request(MethodLabel::Post, 429, None, MS);
            RouteMetrics::unrouted(&policy.charter).request(
                MethodLabel::Other,
                999,
                Some(RecipientId(63)),
                MS,
            );
        });
        for line in [
            r#"rempart_requests_total{route="learners",method="GET",code="200",recipient="learner"} 3"#,
            r#"rempart_requests_total{route="learners",method="GET",code="200",recipient="teacher"} 1"#,
            r#"rempart_requests_total{route="learners",method="POST",code="429",recipient="none"} 1"#,
            r#"rempart_requests_total{route="none",method="OTHER",code="other",recipient="none"} 1"#,
            r#"rempart_request_duration_seconds_bucket{route="learners",le="0.005"} 1"#,
            r#"rempart_request_duration_seconds_bucket{route="learners",le="0.01"} 5"#,
            r#"rempart_request_duration_seconds_count{route="learners"} 5"#,
        ] {
            assert!(exposed.lines().any(|found| found == line), "{line}\n{exposed}");
        }
    }

    #[test]
    fn two_workers_count_into_one_series() {
        let policy = sample::policy(Path::new(""));
        let exposed = observe(|| {
            for _ in 0..2 {
                let route = RouteMetrics::new(&policy.routes[0], &policy.charter);
                route.cookies_dropped(Direction::Response, 2);
                route.redacted(RecipientId(1), CategoryId(1), 5);
                route.rate_limited(Scope::Account);
                route.unknown_fields(1);
                route.redaction_refused("truncated");
            }
        });
        for line in [
            r#"rempart_cookies_dropped_total{route="learners",direction="response"} 4"#,
            r#"rempart_redacted_fields_total{route="learners",recipient="learner",category="email"} 10"#,
            r#"rempart_rate_limited_total{route="learners",scope="account"} 2"#,
            r#"rempart_unknown_fields_total{route="learners"} 2"#,
            r#"rempart_redaction_refused_total{route="learners",reason="truncated"} 2"#,
        ] {
            assert!(exposed.contains(line), "{line}\n{exposed}");
        }
    }

    #[test]
    fn upstreams_and_providers_are_counted_by_name() {
        let policy = sample::policy(Path::new(""));
        let exposed = observe(|| {
            let upstream = UpstreamMetrics::new(&policy.gateway.upstreams[0]);
            upstream.connection_opened();
            upstream.connection_reused();
            let idle = upstream.connection_idle();
            drop(upstream.connection_idle());
            upstream.response(304, MS);
            upstream.error(UpstreamError::ConnectTimeout);
            let provider = ProviderMetrics::new(&policy.gateway.providers[0]);
            provider.outcome("accepted");
            provider.outcome("accepted");
            std::mem::forget(idle);
        });
        for line in [
            r#"rempart_upstream_connections_opened_total{upstream="kolibri"} 1"#,
            r#"rempart_upstream_connections_reused_total{upstream="kolibri"} 1"#,
            r#"rempart_upstream_connections_idle{upstream="kolibri"} 1"#,
            r#"rempart_upstream_requests_total{upstream="kolibri",code="304"} 1"#,
            r#"rempart_upstream_errors_total{upstream="kolibri",kind="connect_timeout"} 1"#,
            r#"rempart_identity_total{provider="sessions",outcome="accepted"} 2"#,
        ] {
            assert!(exposed.contains(line), "{line}\n{exposed}");
        }
    }

    #[test]
    fn an_exchange_is_in_flight_until_it_is_dropped() {
        let exposed = observe(|| {
            let metrics = ExchangeMetrics::resolve();
            let first = metrics.begin();
            drop(metrics.begin());
            drop(first);
            let _lasting = std::mem::ManuallyDrop::new(metrics.begin());
        });
        assert!(exposed.contains("rempart_requests_in_flight 1"), "{exposed}");
    }
}
