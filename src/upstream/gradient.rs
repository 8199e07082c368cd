//! How many exchanges an upstream bears, learnt from the time of its answers: the gradient limit of Netflix'
//! concurrency-limits (`Gradient2Limit`), with a cut where exchanges fail.

use std::time::Duration;

/// How much slower than usual answers may be before the limit falls.
const TOLERANCE: f64 = 1.5;

/// Weight of a new sample in the limit.
const SMOOTHING: f64 = 0.2;

/// What is left of the limit after a failure.
const BACKOFF: f64 = 0.9;

/// Samples in the long run of times.
const LONG: f64 = 600.0;

/// Samples that make up the first long run.
const WARM_UP: f64 = 10.0;

/// The limit as it stands.
pub(super) struct Gradient {
    limit: f64,
    least: f64,
    most: f64,
    /// Seconds, over the last samples.
    usual: f64,
    samples: f64,
}

impl Gradient {
    /// Begins between the bounds, nearer the lower one.
    pub(super) fn new(least: usize, most: usize) -> Self {
        let (least, most) = (least as f64, most as f64);
        Self { limit: (least * 2.0).clamp(least, most), least, most, usual: 0.0, samples: 0.0 }
    }

    /// How many may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A head came after this time, while so many exchanges were under way.
    pub(super) fn answered(&mut self, took: Duration, under_way: usize) {
        let took = took.as_secs_f64().max(0.000_1);
        self.samples = (self.samples + 1.0).min(LONG);
        // A mean of all at first, then one that forgets.
        let weight = if self.samples <= WARM_UP { 1.0 / self.samples } else { 2.0 / (LONG + 1.0) };
        self.usual += (took - self.usual) * weight;
        // After a long time of slow answers the usual time must fall as fast as the limit may rise.
        if self.usual / took > 2.0 {
            self.usual *= 0.95;
        }
        if (under_way as f64) < self.limit / 2.0 {
            // Who does not use the limit cannot tell whether it is too low.
            return;
        }
        let gradient = (TOLERANCE * self.usual / took).clamp(0.5, 1.0);
        let room = self.limit.sqrt().max(1.0);
        let next = self.limit * gradient + room;
        self.limit = (self.limit * (1.0 - SMOOTHING) + next * SMOOTHING).clamp(self.least, self.most);
    }

    /// None came.
    pub(super) fn failed(&mut self) {
        self.limit = (self.limit * BACKOFF).clamp(self.least, self.most);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// An upstream with so many hands: who finds none waits for one.
    fn settle(gradient: &mut Gradient, hands: usize, samples: usize) -> usize {
        for _ in 0..samples {
            let under_way = gradient.limit();
            gradient.answered(MS * 10 * (under_way.max(hands) as u32) / hands as u32, under_way);
        }
        gradient.limit()
    }

    #[test]
    fn the_limit_finds_what_an_upstream_bears() {
        let mut gradient = Gradient::new(2, 10_000);
        let found = settle(&mut gradient, 100, 3_000);
        assert!((80..500).contains(&found), "{found}");
        // It loses most of its hands.
        let found = settle(&mut gradient, 10, 400);
        assert!(found < 100, "{found}");
    }

    #[test]
    fn it_stays_between_its_bounds() {
        let mut gradient = Gradient::new(4, 50);
        assert_eq!(settle(&mut gradient, 1_000_000, 5_000), 50);
        (0..1_000).for_each(|_| gradient.failed());
        assert_eq!(gradient.limit(), 4);
        let mut narrow = Gradient::new(8, 8);
        assert_eq!(settle(&mut narrow, 100, 100), 8);
    }

    #[test]
    fn who_does_not_use_it_does_not_raise_it() {
        let mut gradient = Gradient::new(10, 1000);
        (0..1_000).for_each(|_| gradient.answered(MS, 1));
        assert_eq!(gradient.limit(), 20);
    }
}
