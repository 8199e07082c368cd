//! How many requests may be sent again: a share of the recent ones, so that an upstream in trouble is not asked twice by all.

use std::{
    cell::RefCell,
    time::{Duration, Instant},
};

use crate::policy::set::Retries;

/// Seconds that count.
const SPAN: usize = 10;

/// The requests of one worker in the last ten seconds, and how many of them were sent again.
pub(super) struct Budget {
    began: Instant,
    slots: RefCell<Slots>,
}

struct Slots {
    /// Requests and retries of one second each; `second` is the present one.
    counts: [(u32, u32); SPAN],
    second: u64,
    requests: u32,
    retries: u32,
}

impl Budget {
    /// Of which nothing was spent.
    pub(super) fn new(now: Instant) -> Self {
        Self {
            began: now,
            slots: RefCell::new(Slots { counts: [(0, 0); SPAN], second: 0, requests: 0, retries: 0 }),
        }
    }

    /// Counts a request.
    pub(super) fn request(&self, now: Instant) {
        let mut slots = self.slots.borrow_mut();
        slots.advance(now.saturating_duration_since(self.began));
        let place = slots.place();
        slots.counts[place].0 += 1;
        slots.requests += 1;
    }

    /// Whether one more may be sent again; if so, it is counted.
    pub(super) fn spend(&self, terms: &Retries, now: Instant) -> bool {
        let mut slots = self.slots.borrow_mut();
        slots.advance(now.saturating_duration_since(self.began));
        let most = f64::from(terms.least) + terms.budget * f64::from(slots.requests);
        if f64::from(slots.retries) + 1.0 > most {
            return false;
        }
        let place = slots.place();
        slots.counts[place].1 += 1;
        slots.retries += 1;
        true
    }
}

impl Slots {
    fn place(&self) -> usize {
        (self.second % SPAN as u64) as usize
    }

    fn advance(&mut self, elapsed: Duration) {
        let now = elapsed.as_secs();
        for _ in 0..now.saturating_sub(self.second).min(SPAN as u64) {
            self.second += 1;
            let place = self.place();
            let (requests, retries) = std::mem::take(&mut self.counts[place]);
            self.requests -= requests;
            self.retries -= retries;
        }
        self.second = self.second.max(now);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn terms(budget: f64, least: u32) -> Retries {
        Retries {
            connect: true,
            reset: true,
            timeout: false,
            unavailable: false,
            attempts: 3,
            budget,
            least,
            try_timeout: None,
        }
    }

    #[test]
    fn a_share_of_recent_requests_may_be_sent_again() {
        let now = Instant::now();
        let budget = Budget::new(now);
        assert!(!budget.spend(&terms(0.2, 0), now));
        (0..100).for_each(|_| budget.request(now));
        assert_eq!((0..100).filter(|_| budget.spend(&terms(0.2, 0), now)).count(), 20);
        // What was long ago counts no more, in either column.
        let later = now + Duration::from_secs(5);
        (0..10).for_each(|_| budget.request(later));
        assert_eq!((0..100).filter(|_| budget.spend(&terms(0.2, 0), later)).count(), 2);
        let later = now + Duration::from_secs(11);
        assert!(!budget.spend(&terms(0.2, 0), later));
        (0..40).for_each(|_| budget.request(later));
        assert_eq!((0..100).filter(|_| budget.spend(&terms(0.2, 0), later)).count(), 8);
    }

    #[test]
    fn a_few_may_whatever_the_share() {
        let now = Instant::now();
        let budget = Budget::new(now);
        let spent = |at| (0..100).filter(|_| budget.spend(&terms(0.0, 3), at)).count();
        assert_eq!(spent(now), 3);
        assert_eq!(spent(now + Duration::from_secs(9)), 0);
        assert_eq!(spent(now + Duration::from_secs(1_000_000)), 3);
    }
}
