//! The arithmetic that both stores share: a rate as GCRA sees it, and an answer in words.
//!
//! GCRA keeps one number for a counter, its *theoretical arrival time* (TAT): every event taken pushes it one interval
//! ahead, time catches up with it, and an event is refused when it would be further ahead than the burst allows. The
//! number of events left is `burst − ahead ÷ interval`.

use std::time::Duration;

use crate::policy::set::Rate;

/// Longest period of a rate that is told apart: beyond it numbers would overflow.
const PERIOD_MAX: Duration = Duration::from_secs(10 * 366 * 86_400);

/// A rate in microseconds, so that both stores count alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Pace {
    /// Events that may come at once; 0 allows nothing.
    pub(super) count: u32,
    /// Over how long they come back, as the policy says it.
    per: Duration,
    /// Microseconds between two events that come back.
    pub(super) interval: u64,
}

impl Pace {
    pub(super) fn new(rate: Rate) -> Self {
        let micros = u64::try_from(rate.per.min(PERIOD_MAX).as_micros()).unwrap_or(u64::MAX);
        let interval = micros.checked_div(u64::from(rate.count)).unwrap_or(micros).max(1);
        Self { count: rate.count, per: rate.per, interval }
    }

    /// A pace at which nothing is counted for longer than a moment.
    pub(super) fn fleeting() -> Self {
        Self { count: u32::MAX, per: Duration::from_secs(1), interval: 1 }
    }

    /// The stricter pace of one replica among several that cannot see each other: at least one event.
    pub(super) fn share(rate: Rate, replicas: u32) -> Self {
        let count = if rate.count == 0 { 0 } else { (rate.count / replicas.max(1)).max(1) };
        Self::new(Rate { count, per: rate.per })
    }

    /// How far ahead the TAT may be before the next event is refused, in microseconds.
    pub(super) fn tolerance(self) -> u64 {
        self.interval.saturating_mul(u64::from(self.count.saturating_sub(1)))
    }

    /// How far ahead the TAT is when nothing is left. A TAT beyond it was counted at another rate, before a reload.
    pub(super) fn exhausted(self) -> u64 {
        self.tolerance().saturating_add(self.interval)
    }

    /// How much of an event taken is given back when it turns out not to count: what time has not given back already.
    ///
    /// `until` is the TAT right after the event was taken. Giving back a whole interval late would be a gift: an
    /// attacker with an account of their own could earn guesses by signing in slowly.
    pub(super) fn refund(self, until: u64, now: u64) -> u64 {
        until.saturating_sub(now).min(self.interval)
    }

    /// The answer, `ahead` microseconds being what the TAT is ahead by now.
    pub(super) fn decision(self, allowed: bool, ahead: u64) -> Decision {
        let left = self.exhausted().saturating_sub(ahead) / self.interval;
        let wait = Duration::from_micros(ahead.saturating_sub(self.tolerance()));
        Decision {
            allowed,
            limit: self.count,
            window: self.per,
            remaining: if allowed { u32::try_from(left).unwrap_or(u32::MAX) } else { 0 },
            reset: Duration::from_micros(ahead),
            retry_after: (!allowed).then_some(if self.count == 0 { self.per } else { wait }),
        }
    }
}

/// The answer of a counter.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Decision {
    /// Whether the event may happen; it is counted then.
    pub allowed: bool,
    /// Events that may come at once. While the shared store is gone, this replica's share.
    pub limit: u32,
    /// Over how long they come back.
    pub window: Duration,
    /// Events left after this one.
    pub remaining: u32,
    /// Until nothing counts any more, if nothing happens.
    pub reset: Duration,
    /// Until the next event may happen, if this one may not.
    pub retry_after: Option<Duration>,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_share_is_stricter_but_never_nothing() {
        let rate = |count| Rate { count, per: Duration::from_secs(60) };
        for (count, replicas, expected) in [(10, 3, 3), (10, 0, 10), (2, 5, 1), (1, 1, 1), (0, 2, 0)] {
            assert_eq!(Pace::share(rate(count), replicas).count, expected, "{count} / {replicas}");
        }
    }

    #[test]
    fn a_refund_is_never_more_than_was_taken_and_is_left() {
        let pace = Pace::new(Rate { count: 10, per: Duration::from_secs(60) });
        assert_eq!(pace.interval, 6_000_000);
        assert_eq!(pace.refund(6_000_000, 0), 6_000_000);
        assert_eq!(pace.refund(6_000_000, 2_000_000), 4_000_000);
        assert_eq!(pace.refund(6_000_000, 9_000_000), 0);
        assert_eq!(pace.refund(60_000_000, 9_000_000), 6_000_000);
    }

    #[test]
    fn no_rate_overflows() {
        for rate in [
            Rate { count: 0, per: Duration::ZERO },
            Rate { count: u32::MAX, per: Duration::ZERO },
            Rate { count: u32::MAX, per: Duration::MAX },
            Rate { count: 1, per: Duration::MAX },
        ] {
            let pace = Pace::new(rate);
            assert!(pace.interval >= 1 && pace.exhausted() < u64::MAX / 4000, "{rate:?}");
            let _ = pace.decision(false, u64::MAX);
        }
    }
}
