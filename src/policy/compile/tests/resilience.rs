//! What is done about endpoints in trouble, and by which numbers.

use std::{net::SocketAddr, time::Duration};

use http::StatusCode;

use super::{small, sound};
use crate::policy::set::{Concurrency, ConcurrencyLimit, Resilience};

const ENDPOINTS: &str = "{ endpoints: 'http://platform:8080' }";
const SECOND: Duration = Duration::from_secs(1);

#[track_caller]
fn compiled(keys: &str) -> Resilience {
    let upstream = format!("{{ endpoints: 'http://platform:8080', {keys} }}");
    sound("gateway.yaml", ENDPOINTS, &upstream).gateway.upstreams.remove(0).resilience
}

#[test]
fn defaults_are_those_of_one_platform_with_one_endpoint() {
    let standard = compiled("country: FR");
    assert_eq!((standard.timeout, standard.affinity.as_deref()), (None, None));
    assert!(standard.health.is_none() && standard.concurrency.is_none());
    let outliers = standard.outliers.unwrap();
    assert_eq!((outliers.failures, outliers.at_most, outliers.statuses.len()), (5, 0.5, 0));
    let retries = standard.retries.unwrap();
    assert_eq!(
        [retries.connect, retries.reset, retries.timeout, retries.unavailable],
        [true, true, false, false]
    );
    assert_eq!((retries.attempts, retries.budget, retries.least), (3, 0.2, 10));
    let off = compiled("outliers: none, retries: none");
    assert!(off.outliers.is_none() && off.retries.is_none());
}

#[test]
fn what_is_written_is_what_is_done() {
    let all = compiled(
        "timeout: 5 min, affinity: { cookie: sso },
         outliers: { failures: 3, rate: 20 %, requests: 7, statuses: [502, 503], eject: 2 s, longest: 1 min, at_most: 30% },
         health: { path: '/healthz?deep=1', host: ecole.example.fr, interval: 2 s, timeout: 500 ms, healthy: 1, unhealthy: 4, status: [200, 401] },
         retries: { on: [connect, 503, timeout], attempts: 2, budget: 5 %, least: 0, try_timeout: 4 s },
         concurrency: { most: 40, queue: 0, wait: 1 s }",
    );
    assert_eq!((all.timeout, all.affinity.as_deref()), (Some(SECOND * 300), Some("sso")));
    let outliers = all.outliers.unwrap();
    assert_eq!((outliers.failures, outliers.requests, outliers.rate), (3, 7, 0.2));
    assert_eq!((outliers.eject, outliers.longest, outliers.at_most), (SECOND * 2, SECOND * 60, 0.3));
    assert_eq!(outliers.statuses, [StatusCode::BAD_GATEWAY, StatusCode::SERVICE_UNAVAILABLE]);
    let health = all.health.unwrap();
    assert_eq!(
        (health.path.as_str(), health.host.unwrap().as_bytes()),
        ("/healthz?deep=1", &b"ecole.example.fr"[..])
    );
    assert_eq!((health.interval, health.healthy, health.unhealthy), (SECOND * 2, 1, 4));
    assert_eq!(health.statuses, [StatusCode::OK, StatusCode::UNAUTHORIZED]);
    let retries = all.retries.unwrap();
    assert_eq!(
        [retries.connect, retries.reset, retries.timeout, retries.unavailable],
        [true, false, true, true]
    );
    assert_eq!((retries.attempts, retries.least, retries.try_timeout), (2, 0, Some(SECOND * 4)));
    assert_eq!(
        all.concurrency,
        Some(Concurrency { limit: ConcurrencyLimit::Fixed(40), queue: 0, wait: SECOND })
    );
    let adaptive = compiled("concurrency: { adaptive: { least: 4 } }").concurrency.unwrap();
    assert_eq!(adaptive.limit, ConcurrencyLimit::Adaptive { least: 4, most: 1000 });
    let nothing: Resilience = compiled("retries: { on: [] }");
    assert!(!nothing.retries.unwrap().connect);
}

#[test]
fn what_cannot_be_meant_is_named() {
    for (keys, message) in [
        ("affinity: { cookie: tracker }", "the charter keeps no cookie `tracker`"),
        ("affinity: {}", "`cookie` is missing"),
        ("outliers: off", "`off` is not `none`"),
        ("outliers: { rate: 20 }", "has no unit"),
        ("outliers: { rate: 120 % }", "`120 %` is out of bounds"),
        ("outliers: { rate: 5 s }", "`s` is not a unit of shares"),
        ("outliers: { statuses: [404] }", "404 is out of bounds"),
        ("outliers: { eject: 10 min, longest: 1 min }", "before its time"),
        ("outliers: { failures: 0 }", "0 is out of bounds"),
        ("health: { interval: 5 s }", "`path` is missing"),
        ("health: { path: healthz }", "`healthz` is not a path"),
        ("health: { path: '/a b' }", "`/a b` is not a path"),
        ("health: { path: /, host: 'a b' }", "`a b` is not a host"),
        ("health: { path: /, interval: 1 ms }", "`1 ms` is out of bounds"),
        ("health: { path: /, status: [100] }", "100 is out of bounds"),
        ("retries: { on: [post] }", "`post` is not a reason to try again"),
        ("retries: { on: [502] }", "`502` is not a reason to try again"),
        ("retries: { attempts: 11 }", "11 is out of bounds"),
        ("retries: { try_timeout: 1 s }", "nothing is tried again after this time"),
        ("retries: { on: [timeout] }", "`timeout` needs a `try_timeout`"),
        ("retries: { hedge: 1 s }", "`hedge` is not a field here"),
        ("concurrency: {}", "one of `most` and `adaptive`"),
        ("concurrency: { most: 5, adaptive: {} }", "one of `most` and `adaptive`"),
        ("concurrency: { most: 0 }", "0 is out of bounds"),
        ("concurrency: { adaptive: { least: 9, most: 8 } }", "the highest limit is below the lowest one"),
        ("concurrency: { most: 1, wait: 2 min }", "`2 min` is out of bounds"),
        ("timeout: 1 ms", "`1 ms` is out of bounds"),
    ] {
        let upstream = format!("{{ endpoints: 'http://platform:8080', {keys} }}");
        let (set, report) = small("gateway.yaml", ENDPOINTS, &upstream);
        assert!(set.is_none(), "{keys}");
        assert!(report.to_string().contains(message), "{keys}: {report}");
    }
}

#[test]
fn name_servers_are_addresses() {
    let resolver = |servers: &str| {
        let with = format!("  resolver: {{ servers: {servers} }}\n  upstreams:");
        small("gateway.yaml", "  upstreams:", &with)
    };
    let (set, report) = resolver("[10.96.0.10, '[fd00::a]:5353', '::1']");
    let servers = set.unwrap_or_else(|| panic!("{report}")).gateway.resolver;
    let expected: Vec<SocketAddr> =
        ["10.96.0.10:53", "[fd00::a]:5353", "[::1]:53"].map(|text| text.parse().unwrap()).into();
    assert_eq!(servers, expected);
    for (servers, message) in [
        ("dns.example.fr", "`dns.example.fr` is not the address of a server"),
        ("'10.0.0.1:0'", "`10.0.0.1:0` is not the address"),
        ("[]", "there is no server"),
    ] {
        let (set, report) = resolver(servers);
        assert!(set.is_none() && report.to_string().contains(message), "{servers}: {report}");
    }
}
