//! Something that is fetched again and again: a key set, a provider's description. Shared by all cores, carried over
//! reloads.
//!
//! It is renewed behind the exchanges' backs ([`Renewed::tend`]) when it reaches the age of [`Renewal::refresh`], so that
//! no exchange waits while there is a usable one, and what was withdrawn goes within that time. At the age of
//! [`Renewal::expires`] it is not used any more. Exchanges wait in two cases only: there is none, or what they need is not
//! in it ([`Renewed::renew`]). Made-up needs must not become a flood of requests, so `Pace` bounds them.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicU64, Ordering},
    },
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwapOption;
use tokio::sync::{Mutex, MutexGuard};

use super::clock::within;
use crate::policy::set::Renewal;

/// The time in which attempts on behalf of exchanges are counted.
const WINDOW: Duration = Duration::from_secs(10);
/// Most of them in [`WINDOW`].
const ATTEMPTS: usize = 5;
/// As many may be cut short besides, because their exchange was cancelled; the next one takes over.
const CANCELLED: usize = 5;
/// Wait after an attempt in the background before the next one, where `refresh` is not shorter.
const RETRY: Duration = Duration::from_secs(10);
/// The same where there is nothing that could be used.
const EAGER: Duration = Duration::from_secs(2);
/// How long exchanges leave a source alone that did not answer; the background does not.
const SPARED: Duration = Duration::from_secs(1);

/// A value as it was loaded.
pub(super) struct Loaded<T> {
    /// The value.
    pub(super) value: T,
    /// Counts the loads of this source: what was derived from another generation is derived again.
    pub(super) generation: u64,
    /// When it was asked for; `None` for what is part of the policy itself, which never grows old.
    at: Option<SystemTime>,
}

/// A value that is fetched again and again.
pub(super) struct Renewed<T> {
    value: ArcSwapOption<Loaded<T>>,
    renewal: Renewal,
    /// Held by whoever asks, to the end: that is what coalesces.
    pace: Mutex<Pace>,
    /// Attempts so far; each has its number.
    begun: AtomicU64,
    /// Number of the last one that brought a value.
    ended: AtomicU64,
    /// Whether an exchange wanted an attempt that the pace did not allow.
    wanted: AtomicBool,
    /// Whether the last attempt brought nothing.
    failing: AtomicBool,
    failures: AtomicU64,
}

impl<T> Renewed<T> {
    /// Nothing yet.
    pub(super) fn empty(renewal: Renewal) -> Self {
        Self {
            value: ArcSwapOption::empty(),
            renewal,
            pace: Mutex::default(),
            begun: AtomicU64::new(0),
            ended: AtomicU64::new(0),
            wanted: AtomicBool::new(false),
            failing: AtomicBool::new(false),
            failures: AtomicU64::new(0),
        }
    }

    /// A value that is never renewed.
    pub(super) fn fixed(value: T) -> Self {
        let fixed = Self::empty(Renewal::default());
        fixed.value.store(Some(Arc::new(Loaded { value, generation: 0, at: None })));
        fixed
    }

    /// What was loaded last, whatever its age.
    pub(super) fn loaded(&self) -> Option<Arc<Loaded<T>>> {
        self.value.load_full()
    }

    /// The value, unless it is missing or too old: what an exchange may use without waiting.
    pub(super) fn usable(&self, now: SystemTime) -> Option<Arc<Loaded<T>>> {
        self.loaded().filter(|loaded| loaded.at.is_none_or(|at| within(at, now, self.renewal.expires)))
    }

    /// How old the value is; `None` where it never grows old, or is missing.
    pub(super) fn age(&self, now: SystemTime) -> Option<Duration> {
        let at = self.loaded()?.at?;
        Some(now.duration_since(at).unwrap_or_default())
    }

    /// Attempts that brought nothing, since the start.
    pub(super) fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// The value to use; all wait for the first.
    pub(super) async fn current(
        &self,
        now: SystemTime,
        load: impl AsyncFnOnce() -> Option<T>,
    ) -> Option<Arc<Loaded<T>>> {
        if let Some(usable) = self.usable(now) {
            return Some(usable);
        }
        let failures = self.failures.load(Ordering::Acquire);
        let pace = self.turn(now).await?;
        // An exchange that was asking may have brought it, or learnt that there is nothing to be had.
        if self.usable(now).is_none() && self.failures.load(Ordering::Acquire) == failures {
            self.ask(pace, now, load).await;
        }
        self.usable(now)
    }

    /// The moment, counted in attempts: for [`Self::renew`].
    pub(super) fn mark(&self) -> u64 {
        self.begun.load(Ordering::Acquire)
    }

    /// Asks anew, for an exchange that did not find what it needs at `mark`.
    ///
    /// Who comes while somebody asks waits for that first: `Some(false)`, there is a newer value, and it may be asked once
    /// more. `Some(true)`: the value is one that was asked for after `mark`, and what is not in it was not there. Nothing
    /// where no newer value is to be had.
    pub(super) async fn renew(
        &self,
        mark: u64,
        now: SystemTime,
        load: impl AsyncFnOnce() -> Option<T>,
    ) -> Option<bool> {
        if self.loaded().is_some_and(|loaded| loaded.at.is_none()) {
            return None;
        }
        let counts = || (self.ended.load(Ordering::Acquire), self.failures.load(Ordering::Acquire));
        let before = counts();
        let Some(pace) = self.turn(now).await else {
            self.wanted.store(true, Ordering::Release);
            return None;
        };
        let (ended, failures) = counts();
        if ended > mark || ended != before.0 {
            return Some(ended > mark);
        }
        // If those who waited for a hanging endpoint went on to ask it themselves, each would wait for all before it.
        (failures == before.1 && self.ask(pace, now, load).await).then_some(true)
    }

    /// The right to ask, after whoever is asking. Nobody waits for a source that did not answer last time: if it hangs, each
    /// would wait as long as it does.
    async fn turn(&self, now: SystemTime) -> Option<MutexGuard<'_, Pace>> {
        if !self.failing.load(Ordering::Acquire) {
            return Some(self.pace.lock().await);
        }
        let pace = self.pace.try_lock().ok()?;
        pace.asked.is_none_or(|at| !within(at, now, SPARED)).then_some(pace)
    }

    /// An attempt on behalf of an exchange, if the pace allows it.
    async fn ask(
        &self,
        mut pace: MutexGuard<'_, Pace>,
        now: SystemTime,
        load: impl AsyncFnOnce() -> Option<T>,
    ) -> bool {
        if !pace.begin(now) {
            self.wanted.store(true, Ordering::Release);
            return false;
        }
        let loaded = self.load(&mut pace, now, load).await;
        pace.finish();
        loaded
    }

    /// Whether [`Self::tend`] has something to do.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        let is_old = |loaded: Arc<Loaded<T>>| {
            loaded.at.is_some_and(|at| {
                !within(at, now, self.renewal.refresh) || self.wanted.load(Ordering::Acquire)
            })
        };
        self.loaded().is_none_or(is_old)
    }

    /// Renews a value that is missing or has reached its age, in the background.
    pub(super) async fn tend(&self, now: SystemTime, load: impl AsyncFnOnce() -> Option<T>) {
        if !self.is_due(now) {
            return;
        }
        // Whoever holds it is asking.
        let Ok(mut pace) = self.pace.try_lock() else { return };
        let retry = if self.usable(now).is_some() { RETRY } else { EAGER }.min(self.renewal.refresh);
        if pace.tended.is_some_and(|at| within(at, now, retry)) {
            return;
        }
        pace.tended = Some(now);
        self.load(&mut pace, now, load).await;
    }

    async fn load(&self, pace: &mut Pace, now: SystemTime, load: impl AsyncFnOnce() -> Option<T>) -> bool {
        let number = self.begun.fetch_add(1, Ordering::AcqRel) + 1;
        self.wanted.store(false, Ordering::Release);
        pace.asked = Some(now);
        let value = load().await;
        let brought = value.is_some();
        self.failing.store(!brought, Ordering::Release);
        match value {
            Some(value) => {
                let generation = self.loaded().map_or(0, |loaded| loaded.generation + 1);
                self.value.store(Some(Arc::new(Loaded { value, generation, at: Some(now) })));
                self.ended.store(number, Ordering::Release);
            }
            None => {
                self.failures.fetch_add(1, Ordering::AcqRel);
            }
        }
        brought
    }
}

/// When it was asked for.
#[derive(Default)]
struct Pace {
    /// Attempts within [`WINDOW`], and whether each came to an end.
    attempts: Vec<(SystemTime, bool)>,
    /// The last one, whoever began it.
    asked: Option<SystemTime>,
    /// The last one in the background.
    tended: Option<SystemTime>,
}

impl Pace {
    /// Whether an attempt may begin; it is taken if so. An attempt that was cancelled (its client left) does not cost
    /// the others their turn, or whoever opens and drops requests could keep a rotation from being noticed.
    fn begin(&mut self, now: SystemTime) -> bool {
        self.attempts.retain(|(at, _)| within(*at, now, WINDOW));
        let finished = self.attempts.iter().filter(|(_, finished)| *finished).count();
        let allowed = finished < ATTEMPTS && self.attempts.len() < ATTEMPTS + CANCELLED;
        if allowed {
            self.attempts.push((now, false));
        }
        allowed
    }

    fn finish(&mut self) {
        if let Some((_, finished)) = self.attempts.last_mut() {
            *finished = true;
        }
    }
}
