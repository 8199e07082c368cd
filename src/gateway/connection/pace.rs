//! A minimum rate, counted only over the time in which a client is waited for.

use std::{
    sync::atomic::{AtomicU64, Ordering::Relaxed},
    time::Duration,
};

/// How long a client was waited for, and what had come or gone when that was last judged.
///
/// One window after another is judged, each as long as the bound on bodies without progress: that is the grace of a
/// client that begins slowly, and what it once did fast says nothing about the windows behind. A wait counts when it is
/// over, with the bytes that ended it; how long it may last is bounded by itself.
#[derive(Debug, Default)]
pub struct Pace {
    /// Milliseconds in this window.
    waited: AtomicU64,
    /// Bytes at its beginning.
    mark: AtomicU64,
}

impl Pace {
    /// The client was waited for.
    pub fn waited(&self, time: Duration) {
        let time = u64::try_from(time.as_millis()).unwrap_or(u64::MAX);
        self.waited.store(self.waited.load(Relaxed).saturating_add(time), Relaxed);
    }

    /// Whether the window is over and brought fewer than `rate` bytes a second; `bytes` went since the beginning.
    pub fn is_below(&self, rate: u64, window: Duration, bytes: u64) -> bool {
        let waited = self.waited.load(Relaxed);
        if rate == 0 || u128::from(waited) < window.as_millis() {
            return false;
        }
        let moved = bytes.saturating_sub(self.mark.load(Relaxed));
        self.waited.store(0, Relaxed);
        self.mark.store(bytes, Relaxed);
        u128::from(moved) * 1000 < u128::from(rate) * u128::from(waited)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: Duration = Duration::from_secs(1);
    const WINDOW: Duration = Duration::from_secs(30);

    /// After how many seconds a client is given up that brings `bytes` each time it was waited for `wait`; `None` if it
    /// goes on for ten minutes.
    fn given_up(bytes: u64, wait: Duration) -> Option<u64> {
        let (pace, mut total, mut time) = (Pace::default(), 0, Duration::ZERO);
        while time < 600 * SECOND {
            pace.waited(wait);
            (total, time) = (total + bytes, time + wait);
            if pace.is_below(240, WINDOW, total) {
                return Some(time.as_secs());
            }
        }
        None
    }

    #[test]
    fn who_is_above_the_rate_stays_and_who_is_below_goes() {
        assert_eq!(given_up(240, SECOND), None);
        assert_eq!(given_up(2400, 10 * SECOND), None);
        assert_eq!(given_up(239, SECOND), Some(30));
        assert_eq!(given_up(1, SECOND / 4), Some(30));
        assert_eq!(given_up(6900, 29 * SECOND), Some(58));
    }

    #[test]
    fn a_fast_beginning_does_not_pay_for_what_follows() {
        let pace = Pace::default();
        pace.waited(WINDOW);
        assert!(!pace.is_below(240, WINDOW, 1 << 30));
        pace.waited(WINDOW);
        assert!(pace.is_below(240, WINDOW, (1 << 30) + 100));
    }

    #[test]
    fn time_in_which_nobody_waits_does_not_count() {
        let pace = Pace::default();
        pace.waited(29 * SECOND);
        assert!(!pace.is_below(240, WINDOW, 1));
        pace.waited(SECOND);
        assert!(!pace.is_below(0, WINDOW, 1));
        assert!(pace.is_below(240, WINDOW, 1));
    }
}
