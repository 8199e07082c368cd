//! A provider's key set: loaded at first use, renewed when a token names an unknown key or the set grows old, shared by
//! all cores and carried over reloads.
//!
//! Rotation must be noticed, and tokens with made-up key ids must not become requests to the identity provider: one
//! attempt in [`PACE`], over all cores, whoever asks. The last good set stays when the endpoint answers nonsense.

use std::{
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use bytes::Bytes;
use http::{
    Request, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING},
};
use tokio::sync::{Mutex, MutexGuard};

use super::{
    Fetch,
    clock::within,
    jwk::{Algorithm, KeySet, KeySetError},
};
use crate::policy::set::KeySource;

/// Shortest time between two attempts to load a set.
const PACE: Duration = Duration::from_secs(10);
/// Age at which a set is renewed though nothing asks for it, so that withdrawn keys go.
const OLD: Duration = Duration::from_secs(600);
/// Attempts within [`PACE`] that may end because the exchange that made them was cancelled; the next one takes over.
const CANCELLED: u8 = 4;

/// A set as it was loaded.
pub(super) struct Loaded {
    /// The keys.
    pub(super) keys: KeySet,
    /// Counts the loads of this source: a token verified by another generation is verified again.
    pub(super) generation: u64,
    /// When it was fetched; `None` for keys of the policy itself, which never grow old.
    at: Option<SystemTime>,
}

/// The key set of one source.
pub(super) struct Jwks {
    allowed: Vec<Algorithm>,
    set: ArcSwapOption<Loaded>,
    pace: Mutex<Pace>,
    failures: AtomicU64,
}

impl Jwks {
    /// The keys of a source: parsed now if they are part of the policy, fetched at first use otherwise.
    pub(super) fn build(source: &KeySource, allowed: Vec<Algorithm>) -> Result<Self, KeySetError> {
        let set = match source {
            KeySource::Inline(bytes) => {
                Some(Arc::new(Loaded { keys: KeySet::parse(bytes, &allowed)?, generation: 0, at: None }))
            }
            KeySource::Remote { .. } => None,
        };
        Ok(Self {
            allowed,
            set: ArcSwapOption::new(set),
            pace: Mutex::new(Pace::default()),
            failures: AtomicU64::new(0),
        })
    }

    /// The set as it is.
    pub(super) fn loaded(&self) -> Option<Arc<Loaded>> {
        self.set.load_full()
    }

    /// The set, unless it is missing or old: what an exchange may use without waiting.
    pub(super) fn fresh(&self, now: SystemTime) -> Option<Arc<Loaded>> {
        self.loaded().filter(|loaded| loaded.at.is_none_or(|at| within(at, now, OLD)))
    }

    /// Attempts that brought no usable set, since the start.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The set to use. One exchange renews an old one, the others go on with it; all wait for the first.
    pub(super) async fn current(
        &self,
        source: &KeySource,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Option<Arc<Loaded>> {
        if let Some(fresh) = self.fresh(now) {
            return Some(fresh);
        }
        if self.loaded().is_none() {
            let pace = self.pace.lock().await;
            if self.loaded().is_none() {
                self.load(pace, source, fetch, now).await;
            }
        } else if let Ok(pace) = self.pace.try_lock() {
            self.load(pace, source, fetch, now).await;
        }
        self.loaded()
    }

    /// A set newer than the one that had no key for a token, if there is one to be had.
    pub(super) async fn newer(
        &self,
        than: &Loaded,
        source: &KeySource,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Option<Arc<Loaded>> {
        let newer = || self.loaded().filter(|loaded| loaded.generation != than.generation);
        // Keys of the policy itself have no newer ones.
        than.at?;
        // Those who wait here find what the one before them brought.
        let pace = self.pace.lock().await;
        if newer().is_none() {
            self.load(pace, source, fetch, now).await;
        }
        newer()
    }

    /// Fetches the set, if the pace allows it. The guard is held to the end: that is what coalesces.
    async fn load(
        &self,
        mut pace: MutexGuard<'_, Pace>,
        source: &KeySource,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) {
        let KeySource::Remote { upstream, path } = source else { return };
        if !pace.begin(now) {
            return;
        }
        let request = Request::get(path.as_str())
            .header(ACCEPT, "application/json, application/jwk-set+json")
            .header(ACCEPT_ENCODING, "identity")
            .body(Bytes::new());
        let answer = match request {
            Ok(request) => fetch.fetch(*upstream, request).await.ok(),
            Err(_) => None,
        };
        pace.finish();
        let keys = answer
            .filter(|answer| answer.status() == StatusCode::OK)
            .and_then(|answer| KeySet::parse(answer.body(), &self.allowed).ok());
        match keys {
            Some(keys) => {
                let generation = self.loaded().map_or(0, |loaded| loaded.generation + 1);
                self.set.store(Some(Arc::new(Loaded { keys, generation, at: Some(now) })));
            }
            None => {
                self.failures.fetch_add(1, Ordering::Relaxed);
            }
        }
    }
}

/// When the set was last asked for.
#[derive(Default)]
struct Pace {
    since: Option<SystemTime>,
    begun: u8,
    finished: bool,
}

impl Pace {
    /// Whether an attempt may begin; it is taken if so. An attempt that was cancelled (its client left) does not cost
    /// the others their turn, or whoever opens and drops requests could keep a rotation from being noticed.
    fn begin(&mut self, now: SystemTime) -> bool {
        if self.since.is_none_or(|since| !within(since, now, PACE)) {
            *self = Self { since: Some(now), begun: 1, finished: false };
            return true;
        }
        if self.finished || self.begun > CANCELLED {
            return false;
        }
        self.begun += 1;
        true
    }

    fn finish(&mut self) {
        self.finished = true;
    }
}
