//! What one worker keeps for itself: its view of the snapshot, its pool, its metric handles.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::{Rc, Weak},
    sync::Arc,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;

use super::{fetch::Asker, payload::Payload, snapshot::Snapshot};
use crate::{
    identity::Lookup,
    journal::{Journal, Pseudonyms},
    policy::set::{ProviderId, RelationSourceId, RouteId, UpstreamId},
    redact::Audience,
    telemetry::{ExchangeMetrics, ProviderMetrics, RelationMetrics, RouteMetrics, UpstreamMetrics},
    upstream::{Deadlines, Upstreams, WorkerShare},
};

/// The gate, as one worker runs it.
pub struct Gateway {
    shared: Arc<ArcSwap<Snapshot>>,
    view: RefCell<Rc<View>>,
    pub(super) journal: Journal,
    pub(super) metrics: ExchangeMetrics,
    share: WorkerShare,
}

/// One snapshot with what this worker built from it.
pub struct View {
    snapshot: Arc<Snapshot>,
    pub(super) upstreams: Upstreams<Payload>,
    pseudonyms: Rc<Pseudonyms>,
    routes: Vec<RouteMetrics>,
    unrouted: RouteMetrics,
    upstream_metrics: Vec<UpstreamMetrics>,
    provider_metrics: Vec<ProviderMetrics>,
    relation_metrics: Vec<RelationMetrics>,
    tags: RefCell<VecDeque<(RouteId, Arc<Audience>, String)>>,
}

/// How often it is looked for what identity providers have to be asked again, and for addresses that are gone.
const TEND: Duration = Duration::from_secs(1);

/// View tags kept at hand.
const TAGS: usize = 16;

impl Gateway {
    /// Keeps what identity providers are asked for up to date, for as long as the gate lives: keys are renewed before they
    /// are old, whether anybody asks or not, and no exchange waits for them.
    pub fn tend(self: &Rc<Self>) {
        tokio::task::spawn_local(tend(Rc::downgrade(self)));
    }

    /// A worker's gate, with its share of what the process may do. Must be called on the worker's own thread, inside its
    /// runtime.
    pub fn new(
        shared: Arc<ArcSwap<Snapshot>>,
        journal: Journal,
        pseudonyms: Pseudonyms,
        share: WorkerShare,
    ) -> Self {
        let snapshot = shared.load_full();
        let upstreams = Upstreams::build(&snapshot.fleet, None, Deadlines::start(), share);
        let view = Rc::new(View::new(snapshot, upstreams, Rc::new(pseudonyms)));
        Self { shared, view: RefCell::new(view), journal, metrics: ExchangeMetrics::resolve(), share }
    }

    /// The view of the snapshot that serves now; rebuilt by the first exchange after a reload.
    pub(super) fn view(&self) -> Rc<View> {
        let current = Rc::clone(&self.view.borrow());
        let shared = self.shared.load();
        if Arc::ptr_eq(&shared, &current.snapshot) {
            return current;
        }
        let snapshot = Arc::clone(&shared);
        let deadlines = current.upstreams.deadlines().clone();
        let kept = Some(&current.upstreams);
        let upstreams = Upstreams::build(&snapshot.fleet, kept, deadlines, self.share);
        let view = Rc::new(View::new(snapshot, upstreams, Rc::clone(&current.pseudonyms)));
        *self.view.borrow_mut() = Rc::clone(&view);
        view
    }
}

impl View {
    fn new(snapshot: Arc<Snapshot>, upstreams: Upstreams<Payload>, pseudonyms: Rc<Pseudonyms>) -> Self {
        let policy = &snapshot.policy;
        Self {
            upstreams,
            pseudonyms,
            routes: policy.routes.iter().map(|route| RouteMetrics::new(route, &policy.charter)).collect(),
            unrouted: RouteMetrics::unrouted(&policy.charter),
            upstream_metrics: policy.gateway.upstreams.iter().map(UpstreamMetrics::new).collect(),
            provider_metrics: policy.gateway.providers.iter().map(ProviderMetrics::new).collect(),
            relation_metrics: policy.gateway.relations.iter().map(RelationMetrics::new).collect(),
            tags: RefCell::default(),
            snapshot,
        }
    }

    /// The tag of what this audience sees of a route, made by `make` unless it was needed a moment ago.
    pub(super) fn view_tag(
        &self,
        route: RouteId,
        audience: &Arc<Audience>,
        make: impl FnOnce() -> String,
    ) -> String {
        let mut tags = self.tags.borrow_mut();
        if let Some((.., tag)) = tags.iter().find(|(of, seen_by, _)| *of == route && seen_by == audience) {
            return tag.clone();
        }
        let tag = make();
        tags.truncate(TAGS - 1);
        tags.push_front((route, Arc::clone(audience), tag.clone()));
        tag
    }

    /// The snapshot.
    pub fn snapshot(&self) -> &Arc<Snapshot> {
        &self.snapshot
    }

    /// Tokens for the journal.
    pub fn pseudonyms(&self) -> &Pseudonyms {
        &self.pseudonyms
    }

    /// Counters of a route.
    pub fn route_metrics(&self, route: Option<RouteId>) -> &RouteMetrics {
        route.and_then(|id| self.routes.get(usize::from(id.0))).unwrap_or(&self.unrouted)
    }

    /// Counters of an upstream.
    pub fn upstream_metrics(&self, upstream: UpstreamId) -> Option<&UpstreamMetrics> {
        self.upstream_metrics.get(usize::from(upstream.0))
    }

    /// Counters of an identity provider.
    pub fn provider_metrics(&self, provider: ProviderId) -> Option<&ProviderMetrics> {
        self.provider_metrics.get(usize::from(provider.0))
    }

    /// Counts what came of a look for a caller's relations.
    pub fn count_relation(&self, source: RelationSourceId, lookup: Lookup) {
        if let Some(metrics) = self.relation_metrics.get(usize::from(source.0)) {
            metrics.outcome(lookup.as_str());
        }
    }
}

async fn tend(gateway: Weak<Gateway>) {
    let mut pace = tokio::time::interval(TEND);
    pace.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        pace.tick().await;
        let Some(gateway) = gateway.upgrade() else { return };
        let view = gateway.view();
        view.upstreams.tend();
        let now = SystemTime::now();
        let identity = &view.snapshot.identity;
        for status in identity.key_status(now) {
            if let Some(metrics) = view.provider_metrics(status.provider) {
                metrics.keys(status.usable, status.age);
            }
        }
        // Each by itself: one that hangs must not keep the others waiting.
        for provider in identity.due(now) {
            let view = Rc::clone(&view);
            tokio::task::spawn_local(async move {
                let asker = Asker { view: &view, host: None };
                let snapshot = &view.snapshot;
                snapshot.identity.tend(&snapshot.policy, provider, &asker, now).await;
            });
        }
    }
}
