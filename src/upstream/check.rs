//! Active checks: the gateway asks each address by itself, on connections of its own, and one task of the process does.

use std::time::{Duration, Instant};

use bytes::Bytes;
use http::{HeaderValue, Request, StatusCode, header};
use http_body_util::Full;

use super::{
    endpoint::{EndpointPool, PoolKey},
    fleet::{Group, Instance, Origin},
};
use crate::{policy::set::HealthCheck, telemetry::CheckOutcome};

/// How far intervals are apart from the one that is written, of it: replicas that were started together do not ask together.
const JITTER: f64 = 0.2;

/// What the answers of one address were.
#[derive(Debug, Default)]
pub(super) struct Checks {
    /// When it is asked again; `None` before the first time.
    due: Option<Instant>,
    good: u32,
    bad: u32,
    /// Whether an answer is awaited.
    asking: bool,
}

impl Checks {
    /// Whether it is to be asked now; if so, an answer is awaited from now on. The first time of each comes at random.
    pub(super) fn begin(&mut self, terms: &HealthCheck, now: Instant, random: f64) -> bool {
        let due =
            *self.due.get_or_insert_with(|| now + terms.interval.min(Duration::from_secs(1)).mul_f64(random));
        if self.asking || now < due {
            return false;
        }
        self.asking = true;
        self.due = Some(now + terms.interval.mul_f64(1.0 - JITTER + 2.0 * JITTER * random));
        true
    }

    /// Takes up an answer. Whether the address is down from now on, if it says.
    pub(super) fn end(&mut self, terms: &HealthCheck, good: bool) -> Option<bool> {
        self.asking = false;
        if good {
            self.bad = 0;
            self.good = self.good.saturating_add(1);
            (self.good >= terms.healthy).then_some(false)
        } else {
            self.good = 0;
            self.bad = self.bad.saturating_add(1);
            (self.bad >= terms.unhealthy).then_some(true)
        }
    }
}

/// Asks one address.
pub(super) async fn ask(
    group: &Group,
    origin: &Origin,
    instance: &Instance,
    terms: &HealthCheck,
) -> CheckOutcome {
    match tokio::time::timeout(terms.timeout, answer(group, origin, instance, terms)).await {
        Ok(Some(status)) if is_good(terms, status) => CheckOutcome::Good,
        Ok(Some(_)) => CheckOutcome::Status,
        Ok(None) => CheckOutcome::Unreachable,
        Err(_) => CheckOutcome::TimedOut,
    }
}

fn is_good(terms: &HealthCheck, status: StatusCode) -> bool {
    if terms.statuses.is_empty() { status.is_success() } else { terms.statuses.contains(&status) }
}

async fn answer(
    group: &Group,
    origin: &Origin,
    instance: &Instance,
    terms: &HealthCheck,
) -> Option<StatusCode> {
    let upstream = group.upstream();
    let key = PoolKey::new(upstream, &origin.endpoint, instance.address, &group.dialer);
    let pool = EndpointPool::new(key, group.dialer.clone(), upstream);
    let mut request = Request::new(Full::<Bytes>::default());
    *request.uri_mut() = http::Uri::from(terms.path.clone());
    let headers = request.headers_mut();
    // A socket has no name.
    let own = origin.label.split_once("://").map_or("localhost", |(_, authority)| authority);
    let host = terms.host.clone().or_else(|| HeaderValue::from_str(own).ok())?;
    headers.insert(header::HOST, host);
    headers.insert(header::USER_AGENT, HeaderValue::from_static("rempart"));
    let mut connection = pool.open(&request).await.ok()?;
    connection.prepare(&mut request);
    // The connection ends with what holds it: a body that nobody reads meets nobody.
    let response = connection.send(request).await.ok()?;
    Some(response.status())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms() -> HealthCheck {
        HealthCheck {
            path: "/healthz".parse().unwrap(),
            host: None,
            interval: Duration::from_secs(10),
            timeout: Duration::from_secs(1),
            healthy: 2,
            unhealthy: 3,
            statuses: Vec::new(),
        }
    }

    #[test]
    fn it_takes_several_answers_to_believe() {
        let mut checks = Checks::default();
        let mut hear = |good| checks.end(&terms(), good);
        assert_eq!([hear(false), hear(false), hear(false)], [None, None, Some(true)]);
        assert_eq!([hear(true), hear(false), hear(true)], [None, None, None]);
        assert_eq!(hear(true), Some(false));
        assert_eq!([hear(false), hear(false), hear(true)], [None, None, None]);
    }

    #[test]
    fn questions_are_apart_and_one_at_a_time() {
        let mut checks = Checks::default();
        let now = Instant::now();
        let ms = Duration::from_millis;
        assert!(!checks.begin(&terms(), now, 0.5));
        assert!(!checks.begin(&terms(), now + ms(499), 0.9));
        assert!(checks.begin(&terms(), now + ms(500), 0.0));
        assert!(!checks.begin(&terms(), now + ms(60_000), 0.0), "an answer is awaited");
        checks.end(&terms(), true);
        assert!(!checks.begin(&terms(), now + ms(8_499), 0.0));
        assert!(checks.begin(&terms(), now + ms(8_500), 1.0));
        checks.end(&terms(), true);
        assert!(!checks.begin(&terms(), now + ms(20_499), 1.0));
        assert!(checks.begin(&terms(), now + ms(20_500), 1.0));
    }

    #[test]
    fn good_answers_are_those_that_are_written() {
        let mut terms = terms();
        assert!(is_good(&terms, StatusCode::NO_CONTENT) && !is_good(&terms, StatusCode::FOUND));
        terms.statuses = vec![StatusCode::UNAUTHORIZED];
        assert!(is_good(&terms, StatusCode::UNAUTHORIZED) && !is_good(&terms, StatusCode::OK));
    }
}
