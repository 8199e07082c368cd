//! How one address stands: what all workers know of it, in atomics that outlive a reload of the policy.

use std::{
    sync::atomic::{AtomicBool, AtomicU32, AtomicU64, Ordering::Relaxed},
    time::{Duration, Instant},
};

use crate::policy::set::Outliers;

/// After a failed connection an address is passed over for so long, while another one can be used.
const AVOID: Duration = Duration::from_secs(2);

/// How one address stands.
///
/// Each number is read and written by itself: whoever reads an older one chooses an address that fails, and tries another.
pub(super) struct Standing {
    origin: Instant,
    /// Milliseconds since `origin`, as all times here.
    joined: AtomicU64,
    avoided_until: AtomicU64,
    ejected_until: AtomicU64,
    /// Ejections that followed each other.
    ejections: AtomicU32,
    /// Failures one after the other.
    failures: AtomicU32,
    /// What active checks say.
    down: AtomicBool,
}

impl Standing {
    /// One that joins now and can be used.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            origin: now,
            joined: AtomicU64::new(0),
            avoided_until: AtomicU64::new(0),
            ejected_until: AtomicU64::new(0),
            ejections: AtomicU32::new(0),
            failures: AtomicU32::new(0),
            down: AtomicBool::new(false),
        }
    }

    /// Whether exchanges may go to it.
    pub(super) fn is_usable(&self, now: Instant) -> bool {
        let now = self.millis(now);
        self.ejected_until.load(Relaxed) <= now
            && self.avoided_until.load(Relaxed) <= now
            && !self.down.load(Relaxed)
    }

    /// Whether it is passed over because exchanges failed.
    pub(super) fn is_ejected(&self, now: Instant) -> bool {
        self.ejected_until.load(Relaxed) > self.millis(now)
    }

    /// Whether active checks say that it is down.
    pub(super) fn is_down(&self) -> bool {
        self.down.load(Relaxed)
    }

    /// Says what active checks say.
    pub(super) fn set_down(&self, down: bool, now: Instant) {
        if self.down.swap(down, Relaxed) && !down {
            self.joined.store(self.millis(now), Relaxed);
        }
    }

    /// How long it has been used without a break: who is new or back is not flooded.
    pub(super) fn age(&self, now: Instant) -> Duration {
        let since = self.joined.load(Relaxed).max(self.ejected_until.load(Relaxed));
        Duration::from_millis(self.millis(now).saturating_sub(since))
    }

    /// An exchange went well.
    pub(super) fn succeeded(&self) {
        // Looked at before it is written: a line that nobody writes is shared by all cores.
        if self.failures.load(Relaxed) != 0 {
            self.failures.store(0, Relaxed);
        }
    }

    /// One did not. How many did not, one after the other.
    pub(super) fn failed(&self) -> u32 {
        self.failures.fetch_add(1, Relaxed).saturating_add(1)
    }

    /// It accepted no connection.
    pub(super) fn avoid(&self, now: Instant) {
        self.avoided_until.store(self.millis(now + AVOID), Relaxed);
    }

    /// Passes it over: each time longer that follows the one before. Good time since the last one makes up for it.
    pub(super) fn eject(&self, terms: &Outliers, now: Instant) {
        let at = self.millis(now);
        let before = self.ejected_until.load(Relaxed);
        let made_up = at.saturating_sub(before) / (terms.eject.as_millis() as u64).max(1);
        let times = self.ejections.load(Relaxed).saturating_sub(u32::try_from(made_up).unwrap_or(u32::MAX));
        let time = terms.eject.saturating_mul(1 << times.min(20)).min(terms.longest);
        self.ejections.store(times.saturating_add(1), Relaxed);
        self.failures.store(0, Relaxed);
        self.ejected_until.store(self.millis(now + time), Relaxed);
    }

    fn millis(&self, at: Instant) -> u64 {
        // One more than none: 0 is before all of them.
        u64::try_from(at.saturating_duration_since(self.origin).as_millis()).unwrap_or(u64::MAX)
    }
}

/// What one worker saw of an address in ten seconds: the share of failures, which needs no other worker.
#[derive(Default)]
pub(super) struct Share {
    began: std::cell::Cell<Option<Instant>>,
    all: std::cell::Cell<u32>,
    failed: std::cell::Cell<u32>,
}

impl Share {
    const SPAN: Duration = Duration::from_secs(10);

    /// Counts an exchange.
    pub(super) fn count(&self, failed: bool, now: Instant) {
        if self.began.get().is_none_or(|began| now.saturating_duration_since(began) >= Self::SPAN) {
            self.began.set(Some(now));
            self.all.set(0);
            self.failed.set(0);
        }
        self.all.set(self.all.get().saturating_add(1));
        self.failed.set(self.failed.get().saturating_add(u32::from(failed)));
    }

    /// Whether too many of them failed.
    pub(super) fn is_too_high(&self, terms: &Outliers) -> bool {
        let all = self.all.get();
        all >= terms.requests && f64::from(self.failed.get()) >= f64::from(all) * terms.rate
    }

    /// Begins anew.
    pub(super) fn clear(&self) {
        self.began.set(None);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);

    fn terms() -> Outliers {
        Outliers {
            failures: 3,
            rate: 0.5,
            requests: 10,
            statuses: Vec::new(),
            eject: SECOND * 10,
            longest: SECOND * 60,
            at_most: 0.5,
        }
    }

    #[test]
    fn each_ejection_that_follows_lasts_longer_and_good_time_makes_up_for_it() {
        let begin = Instant::now();
        let standing = Standing::new(begin);
        let mut now = begin;
        for expected in [10, 20, 40, 60, 60] {
            standing.eject(&terms(), now);
            assert!(!standing.is_usable(now + SECOND * expected - Duration::from_millis(2)), "{expected}");
            assert!(standing.is_usable(now + SECOND * expected), "{expected}");
            now += SECOND * expected;
        }
        // Five ejections are forgotten in fifty good seconds.
        now += SECOND * 50;
        standing.eject(&terms(), now);
        assert!(standing.is_usable(now + SECOND * 10));
    }

    #[test]
    fn who_refused_a_connection_is_passed_over_for_a_moment() {
        let now = Instant::now();
        let standing = Standing::new(now);
        assert!(standing.is_usable(now));
        standing.avoid(now);
        assert!(!standing.is_usable(now) && !standing.is_ejected(now));
        assert!(standing.is_usable(now + AVOID));
    }

    #[test]
    fn failures_count_only_one_after_the_other() {
        let standing = Standing::new(Instant::now());
        assert_eq!((standing.failed(), standing.failed()), (1, 2));
        standing.succeeded();
        assert_eq!(standing.failed(), 1);
    }

    #[test]
    fn a_share_is_of_the_last_ten_seconds() {
        let share = Share::default();
        let now = Instant::now();
        for number in 0..9 {
            share.count(number % 2 == 0, now);
        }
        assert!(!share.is_too_high(&terms()), "nine say nothing");
        share.count(true, now);
        assert!(share.is_too_high(&terms()));
        share.count(true, now + SECOND * 11);
        assert!(!share.is_too_high(&terms()));
    }

    #[test]
    fn who_is_back_is_new() {
        let begin = Instant::now();
        let standing = Standing::new(begin);
        let later = begin + SECOND * 100;
        assert_eq!(standing.age(later), SECOND * 100);
        standing.set_down(true, later);
        assert!(!standing.is_usable(later));
        standing.set_down(false, later + SECOND * 5);
        assert_eq!(standing.age(later + SECOND * 6), SECOND);
        standing.eject(&terms(), later + SECOND * 10);
        assert_eq!(standing.age(later + SECOND * 21), SECOND);
    }
}
