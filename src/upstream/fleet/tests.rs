use std::{net::Ipv4Addr, path::Path, time::Duration};

use super::*;
use crate::policy::set::{Outliers, Resilience};

const SECOND: Duration = Duration::from_secs(1);

fn policy(endpoints: &[&str], at_most: f64) -> Arc<PolicySet> {
    let mut policy = crate::telemetry::sample::policy(Path::new(""));
    let upstream = &mut Arc::get_mut(&mut policy).unwrap().gateway.upstreams[0];
    upstream.endpoints =
        endpoints.iter().map(|host| Endpoint { host: (*host).to_owned(), port: 8080 }).collect();
    let outliers = Outliers {
        failures: 5,
        rate: 0.5,
        requests: 20,
        statuses: Vec::new(),
        eject: SECOND * 10,
        longest: SECOND * 60,
        at_most,
    };
    upstream.resilience = Resilience { outliers: Some(outliers), ..Resilience::default() };
    policy
}

fn fleet(policy: &Arc<PolicySet>, previous: Option<&Fleet>, now: Instant) -> Fleet {
    Fleet::build(policy, &Dialers::build(policy, None).unwrap(), previous, now)
}

fn addresses(last: &[u8]) -> Vec<IpAddr> {
    last.iter().map(|&last| Ipv4Addr::new(10, 0, 0, last).into()).collect()
}

fn ejected(group: &Group, now: Instant) -> usize {
    group.instances().iter().filter(|(_, instance)| instance.standing.is_ejected(now)).count()
}

#[test]
fn never_more_than_a_share_is_passed_over_and_never_one_that_is_alone() {
    for (count, at_most, expected) in
        [(1, 1.0, 0), (2, 0.5, 1), (3, 0.1, 1), (4, 0.5, 2), (10, 0.3, 3), (4, 1.0, 3), (5, 0.0, 0)]
    {
        let now = Instant::now();
        let policy = policy(&["kolibri"], at_most);
        let fleet = fleet(&policy, None, now);
        let group = &fleet.groups()[0];
        let last: Vec<u8> = (0..count).collect();
        group.origins[0].take(&addresses(&last), now);
        for (place, instance) in group.instances() {
            group.eject(place, &instance, EjectionCause::Failures, now);
        }
        assert_eq!(ejected(group, now), expected, "{count} {at_most}");
        // Who is back makes room for others.
        let later = now + SECOND * 11;
        for (place, instance) in group.instances().into_iter().rev() {
            group.eject(place, &instance, EjectionCause::Rate, later);
        }
        assert_eq!(ejected(group, later), expected, "{count} {at_most}");
    }
}

#[test]
fn an_address_that_stays_stands_as_it_stood() {
    let now = Instant::now();
    let policy = policy(&["kolibri", "10.1.1.1", "::1"], 0.5);
    let fleet = fleet(&policy, None, now);
    let group = &fleet.groups()[0];
    assert_eq!(group.instances().len(), 2, "addresses need no resolution");
    assert!(group.is_pending());
    assert_eq!(
        group.origins.iter().map(|origin| origin.label.as_str()).collect::<Vec<_>>(),
        ["http://kolibri:8080", "http://10.1.1.1:8080", "http://[::1]:8080"]
    );
    let origin = &group.origins[0];
    let version = group.version();
    assert!(origin.take(&addresses(&[1, 2]), now));
    assert!(!group.is_pending() && group.version() > version);
    let before = origin.instances();
    before[1].standing.avoid(now);
    let version = group.version();
    assert!(!origin.take(&addresses(&[1, 2]), now));
    assert_eq!(group.version(), version, "nothing changed");
    assert!(origin.take(&addresses(&[2, 3]), now));
    let after = origin.instances();
    assert!(Arc::ptr_eq(&after[0], &before[1]) && !after[0].standing.is_usable(now));
    // Nothing that fails later takes away what there is.
    origin.unresolved();
    assert_eq!((origin.known(), origin.instances().len()), (Known::Addresses, 2));
}

#[test]
fn a_reload_keeps_what_did_not_change() {
    let now = Instant::now();
    let before = fleet(&policy(&["kolibri", "10.1.1.1"], 0.5), None, now);
    let origins = &before.groups()[0].origins;
    origins[0].take(&addresses(&[1]), now);
    origins[0].instances()[0].standing.set_down(true, now);
    let next = policy(&["10.1.1.2", "kolibri"], 0.9);
    let after = fleet(&next, Some(&before), now);
    let kept = &after.groups()[0].origins;
    assert!(Arc::ptr_eq(&kept[1], &origins[0]) && !kept[0].instances().is_empty());
    // Without active checks nothing would say that it is up again.
    assert!(!kept[1].instances()[0].standing.is_down());
    // Another upstream is another matter, even with the same endpoint.
    let mut other = policy(&["kolibri"], 0.5);
    Arc::get_mut(&mut other).unwrap().gateway.upstreams[0].name = "another".into();
    assert!(!Arc::ptr_eq(&fleet(&other, Some(&before), now).groups()[0].origins[0], &origins[0]));
}
