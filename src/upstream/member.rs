//! One upstream as one worker sees it: its addresses with their connections and loads, and what is said of each attempt.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant},
};

use super::{
    admission::Admission,
    choice::{Candidate, Load},
    endpoint::{EndpointPool, PoolKey},
    fleet::{Group, Instance},
    pool::WorkerShare,
    retry::Budget,
    standing::Share,
};
use crate::{
    policy::set::Upstream,
    telemetry::{EjectionCause, UpstreamMetrics},
};

/// One upstream as one worker sees it.
pub(super) struct Live<B> {
    pub(super) group: Arc<Group>,
    members: RefCell<Rc<[Member<B>]>>,
    /// Of the addresses that the members are.
    version: Cell<u64>,
    pub(super) admission: Option<Rc<Admission>>,
    pub(super) budget: Rc<Budget>,
    pub(super) metrics: UpstreamMetrics,
}

/// One address.
pub(super) struct Member<B> {
    /// The place of its endpoint in the policy.
    pub(super) origin: usize,
    pub(super) site: Rc<Site<B>>,
}

/// What a worker has of an address.
pub(super) struct Site<B> {
    pub(super) instance: Arc<Instance>,
    pub(super) pool: Rc<EndpointPool<B>>,
    pub(super) load: Load,
    share: Share,
}

impl<B> Live<B> {
    /// Takes over from `previous` what did not change.
    pub(super) fn build(
        group: &Arc<Group>,
        worker: WorkerShare,
        previous: Option<&Self>,
        now: Instant,
    ) -> Self {
        let upstream = group.upstream();
        let metrics = UpstreamMetrics::new(upstream);
        let terms = upstream.resilience.concurrency.as_ref();
        let kept = previous.filter(|live| live.upstream().resilience.concurrency.as_ref() == terms);
        let admission = terms.map(|terms| {
            kept.and_then(|live| live.admission.clone())
                .unwrap_or_else(|| Rc::new(Admission::new(terms, worker, UpstreamMetrics::new(upstream))))
        });
        let live = Self {
            group: Arc::clone(group),
            members: RefCell::new(Rc::default()),
            version: Cell::new(0),
            admission,
            budget: previous.map_or_else(|| Rc::new(Budget::new(now)), |live| Rc::clone(&live.budget)),
            metrics,
        };
        live.refresh(&previous.map(|live| Rc::clone(&live.members.borrow())).unwrap_or_default());
        live
    }

    pub(super) fn upstream(&self) -> &Upstream {
        self.group.upstream()
    }

    /// Its addresses as they are now.
    pub(super) fn members(&self) -> Rc<[Member<B>]> {
        if self.version.get() != self.group.version() {
            let before = Rc::clone(&self.members.borrow());
            self.refresh(&before);
        }
        Rc::clone(&self.members.borrow())
    }

    /// Takes up the addresses, and lets those go that are gone: what is under way ends undisturbed.
    fn refresh(&self, before: &[Member<B>]) {
        // Read first: what changes meanwhile is seen the next time.
        self.version.set(self.group.version());
        let upstream = self.upstream();
        let member = |(origin, instance): (usize, Arc<Instance>)| {
            let endpoint = &self.group.origins[origin].endpoint;
            let key = PoolKey::new(upstream, endpoint, instance.address, &self.group.dialer);
            let known = before
                .iter()
                .find(|member| Arc::ptr_eq(&member.site.instance, &instance) && member.site.pool.fits(&key));
            let site = known.map(|member| Rc::clone(&member.site)).unwrap_or_else(|| {
                let pool = EndpointPool::new(key, self.group.dialer.clone(), upstream);
                Rc::new(Site {
                    instance,
                    pool: Rc::new(pool),
                    load: Load::default(),
                    share: Share::default(),
                })
            });
            Member { origin, site }
        };
        let members: Rc<[_]> = self.group.instances().into_iter().map(member).collect();
        retire(before, &members);
        *self.members.borrow_mut() = members;
    }

    /// An address accepted no connection, ended one before an answer, or gave none in time.
    pub(super) fn failed(&self, member: &Member<B>, took: Duration, now: Instant) {
        member.site.load.failed(took, now);
        if let Some(admission) = &self.admission {
            admission.failed();
        }
        self.count_failure(member, now);
    }

    /// A head came.
    pub(super) fn answered(
        &self,
        member: &Member<B>,
        status: http::StatusCode,
        took: Duration,
        now: Instant,
    ) {
        // Who fails fast must not look fast.
        match status.is_server_error() {
            true => member.site.load.failed(took, now),
            false => member.site.load.answered(took, now),
        }
        if let Some(admission) = &self.admission {
            match status {
                http::StatusCode::SERVICE_UNAVAILABLE => admission.failed(),
                _ => admission.answered(took),
            }
        }
        let outliers = self.upstream().resilience.outliers.as_ref();
        if outliers.is_some_and(|terms| terms.statuses.contains(&status)) {
            self.count_failure(member, now);
        } else {
            member.site.share.count(false, now);
            member.site.instance.standing.succeeded();
        }
    }

    /// Counts a failure, and passes the address over if there were too many.
    pub(super) fn count_failure(&self, member: &Member<B>, now: Instant) {
        let Some(terms) = &self.upstream().resilience.outliers else { return };
        let Site { instance, share, .. } = &*member.site;
        share.count(true, now);
        let cause = if instance.standing.failed() >= terms.failures {
            EjectionCause::Failures
        } else if share.is_too_high(terms) {
            EjectionCause::Rate
        } else {
            return;
        };
        share.clear();
        self.group.eject(member.origin, instance, cause, now);
    }
}

/// Lets go of addresses that are no more.
fn retire<B>(before: &[Member<B>], now: &[Member<B>]) {
    for member in before {
        if !now.iter().any(|other| Rc::ptr_eq(&other.site, &member.site)) {
            member.site.pool.retire();
        }
    }
}

impl<B> Live<B> {
    /// Nobody asks it any more.
    pub(super) fn retire(&self) {
        retire(&self.members.borrow(), &[]);
    }
}

impl<B> Clone for Member<B> {
    fn clone(&self) -> Self {
        Self { origin: self.origin, site: Rc::clone(&self.site) }
    }
}

impl<B> Candidate for Member<B> {
    fn load(&self) -> &Load {
        &self.site.load
    }

    fn is_usable(&self, now: Instant) -> bool {
        self.site.instance.standing.is_usable(now)
    }

    fn age(&self, now: Instant) -> Duration {
        self.site.instance.standing.age(now)
    }

    fn identity(&self) -> u64 {
        self.site.instance.identity
    }
}

/// One request under way to one address; counted as long as this lives.
pub(super) struct Attempt<B> {
    pub(super) live: Rc<Live<B>>,
    pub(super) member: Member<B>,
}

impl<B> Attempt<B> {
    pub(super) fn new(live: &Rc<Live<B>>, member: &Member<B>) -> Self {
        member.site.load.enter();
        Self { live: Rc::clone(live), member: member.clone() }
    }
}

impl<B> Drop for Attempt<B> {
    fn drop(&mut self) {
        self.member.site.load.leave();
    }
}
