//! What the whole process knows of upstreams: the addresses behind their endpoints, and how each stands.
//!
//! Workers read it, one task of the process ([`super::watch`]) resolves names and asks after health. It outlives reloads of the
//! policy: what did not change goes on as it stood.

use std::{
    net::{IpAddr, SocketAddr},
    sync::{
        Arc, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU8, AtomicU64, Ordering},
    },
    time::Instant,
};

use tokio::sync::Notify;

use super::{
    check::Checks,
    choice,
    connect::{Dialer, Dialers},
    resolve::{Answer, Heard, Schedule},
    standing::Standing,
};
use crate::{
    policy::set::{Endpoint, PolicySet, Upstream},
    telemetry::{self, EjectionCause},
};

/// All upstreams of a policy. Clones are the same.
#[derive(Clone)]
pub struct Fleet(Arc<State>);

struct State {
    policy: Arc<PolicySet>,
    groups: Vec<Arc<Group>>,
    resolved: Arc<Notify>,
}

/// One upstream.
pub(super) struct Group {
    place: usize,
    policy: Arc<PolicySet>,
    pub(super) origins: Vec<Arc<Origin>>,
    pub(super) dialer: Dialer,
    /// Told when a name was resolved, or could not be.
    pub(super) resolved: Arc<Notify>,
    /// One ejection at a time, so that there are never too many.
    ejecting: Mutex<()>,
}

/// One endpoint as the policy writes it: an address, or a name with those that it has now.
pub(super) struct Origin {
    upstream: String,
    pub(super) endpoint: Endpoint,
    /// As metrics and events call it.
    pub(super) label: String,
    instances: Mutex<Vec<Arc<Instance>>>,
    /// Grows with every change of the addresses.
    version: AtomicU64,
    known: AtomicU8,
    resolved: Arc<Notify>,
    schedule: Mutex<(Schedule, bool)>,
    /// What was told of its addresses, by state.
    told: Mutex<Option<[usize; 3]>>,
}

/// One address.
pub(super) struct Instance {
    /// Where; `None` for a socket.
    pub(super) address: Option<SocketAddr>,
    pub(super) standing: Standing,
    /// What it is called in all replicas, hashed.
    pub(super) identity: u64,
    checks: Mutex<Checks>,
}

/// What is known of a name.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[repr(u8)]
pub(super) enum Known {
    /// It was not asked for yet.
    Pending,
    /// It has no address, or nobody says which.
    Nothing,
    /// It has addresses.
    Addresses,
}

impl Fleet {
    /// The upstreams of a policy; endpoints that were there before stand as they stood.
    pub fn build(policy: &Arc<PolicySet>, dialers: &Dialers, previous: Option<&Self>, now: Instant) -> Self {
        let resolved = previous.map_or_else(Arc::default, |fleet| Arc::clone(&fleet.0.resolved));
        let group = |(place, upstream): (usize, &Upstream)| {
            let origins = upstream.endpoints.iter().map(|endpoint| {
                let mut kept = previous.iter().flat_map(|fleet| fleet.origins());
                kept.find(|origin| origin.upstream == upstream.name && origin.endpoint == *endpoint)
                    .unwrap_or_else(|| Arc::new(Origin::new(upstream, endpoint, &resolved, now)))
            });
            let group = Group {
                place,
                policy: Arc::clone(policy),
                origins: origins.collect(),
                dialer: dialers.of(place),
                resolved: Arc::clone(&resolved),
                ejecting: Mutex::new(()),
            };
            if upstream.resilience.health.is_none() {
                // Nobody asks any more, so nobody would say that it is up again.
                group.instances().iter().for_each(|(_, instance)| instance.standing.set_down(false, now));
            }
            Arc::new(group)
        };
        let groups = policy.gateway.upstreams.iter().enumerate().map(group).collect();
        Self(Arc::new(State { policy: Arc::clone(policy), groups, resolved }))
    }

    /// Its upstreams, in the order of the policy.
    pub(super) fn groups(&self) -> &[Arc<Group>] {
        &self.0.groups
    }

    /// The policy that it is of.
    pub(super) fn policy(&self) -> &PolicySet {
        &self.0.policy
    }

    /// Whether both are the same.
    pub(super) fn is(&self, other: &Self) -> bool {
        Arc::ptr_eq(&self.0, &other.0)
    }

    fn origins(&self) -> impl Iterator<Item = Arc<Origin>> + '_ {
        self.0.groups.iter().flat_map(|group| group.origins.iter().cloned())
    }
}

impl Group {
    /// What the policy says of it.
    pub(super) fn upstream(&self) -> &Upstream {
        &self.policy.gateway.upstreams[self.place]
    }

    /// Grows with every change of the addresses.
    pub(super) fn version(&self) -> u64 {
        self.origins.iter().map(|origin| origin.version.load(Ordering::Acquire)).sum()
    }

    /// Its addresses, each with the place of its endpoint.
    pub(super) fn instances(&self) -> Vec<(usize, Arc<Instance>)> {
        let of = |(place, origin): (usize, &Arc<Origin>)| {
            origin.instances().into_iter().map(move |instance| (place, instance)).collect::<Vec<_>>()
        };
        self.origins.iter().enumerate().flat_map(of).collect()
    }

    /// Whether the addresses of a name may still come.
    pub(super) fn is_pending(&self) -> bool {
        self.origins.iter().any(|origin| origin.known() == Known::Pending)
    }

    /// Passes an address over for a while, unless it is alone or too many others are.
    pub(super) fn eject(&self, place: usize, instance: &Instance, cause: EjectionCause, now: Instant) {
        let Some(terms) = &self.upstream().resilience.outliers else { return };
        let _one_at_a_time = self.ejecting.lock().unwrap_or_else(PoisonError::into_inner);
        let all = self.instances();
        if all.len() < 2 || instance.standing.is_ejected(now) {
            return;
        }
        // One at least: with two endpoints a share of a half is one, with three of a third of them as well.
        let most = ((all.len() as f64 * terms.at_most) as usize).max(usize::from(terms.at_most > 0.0));
        let ejected = all.iter().filter(|(_, one)| one.standing.is_ejected(now)).count();
        if ejected >= most.min(all.len() - 1) {
            return;
        }
        instance.standing.eject(terms, now);
        if let Some(origin) = self.origins.get(place) {
            telemetry::upstream_ejected(&self.upstream().name, &origin.label, cause);
        }
    }
}

impl Origin {
    fn new(upstream: &Upstream, endpoint: &Endpoint, resolved: &Arc<Notify>, now: Instant) -> Self {
        let scheme = if upstream.tls.is_some() { "https" } else { "http" };
        let literal: Option<IpAddr> = endpoint.host.parse().ok();
        let host = &endpoint.host;
        let label = match literal {
            _ if endpoint.socket().is_some() => format!("unix:{host}"),
            Some(IpAddr::V6(_)) => format!("{scheme}://[{host}]:{}", endpoint.port),
            _ => format!("{scheme}://{host}:{}", endpoint.port),
        };
        let instances: Vec<_> = match (literal, endpoint.socket()) {
            (Some(ip), _) => vec![Arc::new(Instance::new(SocketAddr::new(ip, endpoint.port), now))],
            (None, Some(path)) => {
                vec![Arc::new(Instance::named(None, path.as_os_str().as_encoded_bytes(), now))]
            }
            (None, None) => Vec::new(),
        };
        let known = if instances.is_empty() { Known::Pending } else { Known::Addresses };
        Self {
            upstream: upstream.name.clone(),
            endpoint: endpoint.clone(),
            label,
            instances: Mutex::new(instances),
            version: AtomicU64::new(1),
            known: AtomicU8::new(known as u8),
            resolved: Arc::clone(resolved),
            schedule: Mutex::new((Schedule::new(now), false)),
            told: Mutex::new(None),
        }
    }

    /// The name to resolve; `None` where there is none.
    pub(super) fn name(&self) -> Option<&str> {
        let host = self.endpoint.host.as_str();
        (host.parse::<IpAddr>().is_err() && self.endpoint.socket().is_none()).then_some(host)
    }

    /// Its addresses.
    pub(super) fn instances(&self) -> Vec<Arc<Instance>> {
        self.instances.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// What is known of its name.
    pub(super) fn known(&self) -> Known {
        match self.known.load(Ordering::Acquire) {
            0 => Known::Pending,
            1 => Known::Nothing,
            _ => Known::Addresses,
        }
    }

    /// Takes up the addresses that its name has now; those that were there before stand as they stood. Whether they are others.
    pub(super) fn take(&self, addresses: &[IpAddr], now: Instant) -> bool {
        let mut instances = self.instances.lock().unwrap_or_else(PoisonError::into_inner);
        let next: Vec<_> = addresses
            .iter()
            .map(|&ip| SocketAddr::new(ip, self.endpoint.port))
            .map(|address| {
                let known = instances.iter().find(|instance| instance.address == Some(address));
                known.map_or_else(|| Arc::new(Instance::new(address, now)), Arc::clone)
            })
            .collect();
        let changed = next.len() != instances.len()
            || next.iter().zip(instances.iter()).any(|(one, other)| !Arc::ptr_eq(one, other));
        *instances = next;
        drop(instances);
        if changed {
            self.version.fetch_add(1, Ordering::Release);
        }
        self.settle(Known::Addresses);
        changed
    }

    /// Its name could not be resolved: what it had before goes on.
    pub(super) fn unresolved(&self) {
        if self.known() == Known::Pending {
            self.settle(Known::Nothing);
        }
    }

    /// Whether its name is to be asked for now; if so, an answer is awaited from now on.
    pub(super) fn begin_resolution(&self, now: Instant) -> bool {
        if self.name().is_none() {
            return false;
        }
        let (schedule, asking) = &mut *self.schedule();
        let begins = !*asking && schedule.due <= now;
        *asking |= begins;
        begins
    }

    /// What follows from the answers.
    pub(super) fn end_resolution(&self, v4: Answer, v6: Answer, now: Instant) -> Heard {
        let (schedule, asking) = &mut *self.schedule();
        *asking = false;
        schedule.heard(v4, v6, now)
    }

    /// Whether somebody has to hear that its name can be resolved again (`true`), or cannot.
    pub(super) fn resolution_news(&self, now: Instant) -> Option<bool> {
        self.schedule().0.news(now)
    }

    fn schedule(&self) -> MutexGuard<'_, (Schedule, bool)> {
        self.schedule.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Remembers what is told of its addresses now; what was told before.
    pub(super) fn tell(&self, counts: [usize; 3]) -> Option<[usize; 3]> {
        self.told.lock().unwrap_or_else(PoisonError::into_inner).replace(counts)
    }

    fn settle(&self, known: Known) {
        self.known.store(known as u8, Ordering::Release);
        self.resolved.notify_waiters();
    }
}

impl Instance {
    fn new(address: SocketAddr, now: Instant) -> Self {
        Self::named(Some(address), address.to_string().as_bytes(), now)
    }

    fn named(address: Option<SocketAddr>, name: &[u8], now: Instant) -> Self {
        Self {
            address,
            standing: Standing::new(now),
            identity: choice::identity(name),
            checks: Mutex::default(),
        }
    }

    /// What active checks heard of it.
    pub(super) fn checks(&self) -> MutexGuard<'_, Checks> {
        self.checks.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests;
