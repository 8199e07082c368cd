//! Time, injected.

use std::{
    fmt,
    sync::Arc,
    time::{Duration, Instant},
};

/// A clock that never goes back, and whether the shared store counts by it.
#[derive(Clone)]
pub(super) struct Clock {
    now: Arc<dyn Fn() -> Duration + Send + Sync>,
    rules_the_store: bool,
}

impl Clock {
    /// Time since now; the shared store counts by its own clock, so that replicas need not agree on the time.
    pub(super) fn monotonic() -> Self {
        let start = Instant::now();
        Self { now: Arc::new(move || start.elapsed()), rules_the_store: false }
    }

    /// A clock that somebody turns, for this process and the shared store alike.
    #[cfg(test)]
    pub(super) fn turned_by(hand: Arc<std::sync::atomic::AtomicU64>) -> Self {
        Self {
            now: Arc::new(move || Duration::from_micros(hand.load(std::sync::atomic::Ordering::SeqCst))),
            rules_the_store: true,
        }
    }

    /// Microseconds since the clock began.
    pub(super) fn micros(&self) -> u64 {
        u64::try_from((self.now)().as_micros()).unwrap_or(u64::MAX)
    }

    /// What the shared store is told: the time, or −1 for its own.
    pub(super) fn for_store(&self) -> i64 {
        if self.rules_the_store { i64::try_from(self.micros()).unwrap_or(i64::MAX) } else { -1 }
    }
}

impl fmt::Debug for Clock {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Clock").field("rules_the_store", &self.rules_the_store).finish_non_exhaustive()
    }
}
