//! The one task of the process that resolves names and asks after health, and tells what changed.

use std::{
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use futures_util::future;

use super::{
    check,
    deadline::TICK,
    fleet::{Fleet, Group, Instance, Known, Origin},
    resolve::{Answer, Family, Heard, Resolver},
};
use crate::telemetry::{self, CheckOutcome, EndpointState, Event, ResolutionOutcome};

/// No name is waited for longer than this, whatever `resolv.conf` says of servers, attempts and search lists.
const RESOLUTION: Duration = Duration::from_secs(20);

/// Looks after the fleet that serves, for as long as it is polled: within a tick of the deadlines after a reload, the new one.
/// Must run inside a `LocalRuntime` or `LocalSet`.
pub async fn watch(fleet: impl Fn() -> Fleet) {
    let mut ticks = tokio::time::interval(TICK);
    ticks.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    let mut asked: Option<(Fleet, Rc<Resolver>)> = None;
    loop {
        ticks.tick().await;
        let fleet = fleet();
        let resolver = match &asked {
            Some((of, resolver)) if of.is(&fleet) => Rc::clone(resolver),
            // A reload reads `resolv.conf` and the hosts file again.
            before => {
                if let Some((before, _)) = before {
                    forget(before, &fleet);
                }
                Rc::new(Resolver::new(&fleet.policy().gateway.resolver))
            }
        };
        let now = Instant::now();
        for group in fleet.groups() {
            for origin in &group.origins {
                if origin.begin_resolution(now) {
                    let (group, origin, resolver) =
                        (Arc::clone(group), Arc::clone(origin), Rc::clone(&resolver));
                    tokio::task::spawn_local(async move { resolve(&group, &origin, &resolver).await });
                }
                ask_after(group, origin, now);
                tell(group, origin, now);
            }
        }
        asked = Some((fleet, resolver));
    }
}

async fn resolve(group: &Group, origin: &Origin, resolver: &Resolver) {
    let Some(name) = origin.name() else { return };
    let one = async |family| {
        let asked = tokio::time::timeout(RESOLUTION, resolver.ask(name, family));
        let answer = asked.await.unwrap_or(Answer::Failed);
        // Whoever waits for the first address does not wait for the other family.
        if let Answer::Addresses(addresses, _) = &answer
            && origin.known() != Known::Addresses
        {
            origin.take(addresses, Instant::now());
        }
        answer
    };
    let (v4, v6) = future::join(one(Family::V4), one(Family::V6)).await;
    let now = Instant::now();
    let outcome = match origin.end_resolution(v4, v6, now) {
        Heard::Addresses(addresses) if origin.take(&addresses, now) => ResolutionOutcome::Changed,
        Heard::Addresses(_) => ResolutionOutcome::Same,
        Heard::Kept => {
            origin.unresolved();
            ResolutionOutcome::Failed
        }
    };
    telemetry::upstream_resolved(&group.upstream().name, &origin.label, outcome);
}

/// Begins the questions that are due.
fn ask_after(group: &Arc<Group>, origin: &Arc<Origin>, now: Instant) {
    let Some(terms) = &group.upstream().resilience.health else { return };
    for instance in origin.instances() {
        if instance.checks().begin(terms, now, fastrand::f64()) {
            let (group, origin) = (Arc::clone(group), Arc::clone(origin));
            tokio::task::spawn_local(async move { hear(&group, &origin, &instance).await });
        }
    }
}

async fn hear(group: &Group, origin: &Origin, instance: &Instance) {
    let Some(terms) = &group.upstream().resilience.health else { return };
    let outcome = check::ask(group, origin, instance, terms).await;
    telemetry::upstream_checked(&group.upstream().name, &origin.label, outcome);
    let down = instance.checks().end(terms, outcome == CheckOutcome::Good);
    if let Some(down) = down {
        instance.standing.set_down(down, Instant::now());
    }
}

/// Addresses by state, in the order of [`EndpointState`].
fn show(group: &Group, origin: &Origin, counts: [usize; 3]) {
    for (state, count) in EndpointState::ALL.iter().zip(counts) {
        telemetry::upstream_endpoints(&group.upstream().name, &origin.label, *state, count);
    }
}

/// Shows no more of what a reload removed.
fn forget(before: &Fleet, now: &Fleet) {
    let stays = |origin: &Arc<Origin>| {
        now.groups().iter().flat_map(|group| &group.origins).any(|other| Arc::ptr_eq(origin, other))
    };
    for group in before.groups() {
        group.origins.iter().filter(|origin| !stays(origin)).for_each(|origin| show(group, origin, [0; 3]));
    }
}

/// Says what changed since the last time.
fn tell(group: &Group, origin: &Origin, now: Instant) {
    let (upstream, endpoint) = (group.upstream().name.as_str(), origin.label.as_str());
    let mut counts = [0usize; 3];
    for instance in origin.instances() {
        let state = match (instance.standing.is_down(), instance.standing.is_ejected(now)) {
            (true, _) => EndpointState::Down,
            (false, true) => EndpointState::Ejected,
            (false, false) => EndpointState::Usable,
        };
        counts[state as usize] += 1;
    }
    let before = origin.tell(counts);
    if before != Some(counts) {
        show(group, origin, counts);
    }
    let [usable, ejected, down] = counts;
    let addresses = usable + ejected + down;
    let lost = before.map_or(0, |[_, ejected, down]| ejected + down);
    if ejected + down > lost {
        telemetry::event(Event::EndpointImpaired { upstream, endpoint, usable, addresses });
    } else if ejected + down < lost {
        telemetry::event(Event::EndpointRestored { upstream, endpoint, usable, addresses });
    }
    match origin.resolution_news(now) {
        Some(true) => telemetry::event(Event::ResolutionRecovered { upstream, endpoint }),
        Some(false) => telemetry::event(Event::ResolutionFailing { upstream, endpoint }),
        None => {}
    }
}
