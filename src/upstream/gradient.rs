//! How many exchanges an upstream bears, learnt from the time of its answers: the limit falls as far as answers are slower than
//! they are when there is little to do.
//!
//! The gradient is that of Netflix' concurrency-limits. What answers take when there is little to do is measured again and again
//! under half the limit, as in Envoy's adaptive concurrency: an average that only follows would take a slow upstream for a usual
//! one. Means are compared, since fast and slow pages come mixed.

use std::time::Duration;

/// How much slower answers may be before the limit falls.
const TOLERANCE: f64 = 1.5;

/// Weight of a new sample in the limit.
const SMOOTHING: f64 = 0.2;

/// Weight of a new sample in the time of answers.
const WEIGHT: f64 = 0.05;

/// What is left of the limit after a failure.
const BACKOFF: f64 = 0.9;

/// Samples between two measurements, at least, and for each exchange of the limit.
const RUN: (u32, u32) = (1000, 20);

/// Samples of a measurement, at least.
const MEASURE: u32 = 50;

/// The limit as it stands.
pub(super) struct Gradient {
    limit: f64,
    least: f64,
    most: f64,
    /// Mean time of answers in seconds, now.
    now: Option<f64>,
    /// And when there is little to do.
    idle: Option<f64>,
    phase: Phase,
}

enum Phase {
    /// So many samples until the next measurement.
    Run(u32),
    /// What was begun under the whole limit ends first.
    Drain { left: u32, limit: f64 },
    /// So many samples are still to come; the sum of those that came, and how many.
    Measure { left: u32, sum: f64, count: u32, limit: f64 },
}

impl Gradient {
    /// Begins between the bounds, nearer the lower one, with a measurement.
    pub(super) fn new(least: usize, most: usize) -> Self {
        let (least, most) = (least as f64, most as f64);
        let limit = (least * 2.0).clamp(least, most);
        Self { limit, least, most, now: None, idle: None, phase: Phase::Drain { left: 0, limit } }
    }

    /// How many may be under way.
    pub(super) fn limit(&self) -> usize {
        self.limit as usize
    }

    /// A head came after this time, while so many exchanges were under way.
    pub(super) fn answered(&mut self, took: Duration, under_way: usize) {
        let took = took.as_secs_f64().max(0.000_1);
        let now = self.now.map_or(took, |now| now + (took - now) * WEIGHT);
        self.now = Some(now);
        let is_idle = (under_way as f64) < self.limit / 2.0;
        match &mut self.phase {
            Phase::Drain { left: 0, limit } => {
                let left = (self.limit as u32).max(MEASURE);
                self.phase = Phase::Measure { left, sum: 0.0, count: 0, limit: *limit };
            }
            Phase::Drain { left, .. } => *left -= 1,
            Phase::Measure { left: 0, sum, count, limit } => {
                let mean = *sum / f64::from((*count).max(1));
                self.limit = *limit;
                self.idle = Some(mean);
                self.now = Some(mean);
                self.phase = Phase::Run(RUN.0.max(RUN.1.saturating_mul(self.limit as u32)));
            }
            Phase::Measure { left, sum, count, .. } => {
                *left -= 1;
                *sum += took;
                *count += 1;
            }
            Phase::Run(_) if is_idle => {
                // There is little to do; and who does not use the limit cannot tell whether it is too low.
                self.idle = Some(now);
            }
            Phase::Run(0) => {
                self.phase = Phase::Drain { left: self.limit as u32, limit: self.limit };
                self.limit = (self.limit / 2.0).max(self.least);
            }
            Phase::Run(left) => {
                *left -= 1;
                let idle = *self.idle.get_or_insert(now);
                let gradient = (TOLERANCE * idle / now).clamp(0.5, 1.0);
                let next = self.limit * gradient + self.limit.sqrt();
                self.limit = (self.limit * (1.0 - SMOOTHING) + next * SMOOTHING).clamp(self.least, self.most);
            }
        }
    }

    /// None came.
    pub(super) fn failed(&mut self) {
        if let Phase::Drain { limit, .. } | Phase::Measure { limit, .. } = &mut self.phase {
            *limit = (*limit * BACKOFF).clamp(self.least, self.most);
        } else {
            self.limit = (self.limit * BACKOFF).clamp(self.least, self.most);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// An upstream with so many hands: who finds none waits for one. Every tenth page takes ten times as long.
    fn settle(gradient: &mut Gradient, hands: usize, samples: usize) -> usize {
        for sample in 0..samples {
            let under_way = gradient.limit();
            let page = if sample % 10 == 0 { 100 } else { 10 };
            gradient.answered(MS * page * (under_way.max(hands) as u32) / hands as u32, under_way);
        }
        gradient.limit()
    }

    #[test]
    fn the_limit_finds_what_an_upstream_bears_and_stays_there() {
        let mut gradient = Gradient::new(2, 10_000);
        for samples in [3_000, 50_000, 200_000] {
            let found = settle(&mut gradient, 100, samples);
            // Half of it while it measures.
            assert!((60..400).contains(&found), "{samples}: {found}");
        }
        // It loses most of its hands.
        let found = settle(&mut gradient, 10, 20_000);
        assert!((5..60).contains(&found), "{found}");
        let found = settle(&mut gradient, 100, 60_000);
        assert!((60..400).contains(&found), "{found}");
    }

    #[test]
    fn it_stays_between_its_bounds() {
        let mut gradient = Gradient::new(4, 50);
        assert!(settle(&mut gradient, 1_000_000, 900) == 50);
        (0..1_000).for_each(|_| gradient.failed());
        assert_eq!(gradient.limit(), 4);
        let mut narrow = Gradient::new(8, 8);
        assert_eq!(settle(&mut narrow, 100, 10_000), 8);
    }

    #[test]
    fn who_does_not_use_it_does_not_raise_it() {
        let mut gradient = Gradient::new(10, 1000);
        (0..1_000).for_each(|_| gradient.answered(MS, 1));
        assert_eq!(gradient.limit(), 20);
    }
}
