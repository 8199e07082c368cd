//! Whether the shared store is worth asking: after a failure it is left alone for a moment, then one question tries it.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::{self, Event};

/// How long the store is left alone after a failure, in microseconds.
pub(super) const PAUSE: u64 = 1_000_000;

/// Closed (ask), open (do not), or half-open (one asks).
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// When the next question may try, in microseconds; 0 while the store answers.
    next_try: AtomicU64,
}

impl Circuit {
    /// Whether this question may go to the store.
    pub(super) fn permits(&self, now: u64) -> bool {
        let next_try = self.next_try.load(Ordering::Acquire);
        if next_try == 0 {
            return true;
        }
        // Whoever moves the time on is the one that tries; if it never comes back, the next one tries a pause later.
        now >= next_try
            && self
                .next_try
                .compare_exchange(next_try, now.saturating_add(PAUSE), Ordering::AcqRel, Ordering::Acquire)
                .is_ok()
    }

    /// The store did not answer.
    pub(super) fn failed(&self, now: u64) {
        telemetry::limit_store_failed();
        if self.next_try.swap(now.saturating_add(PAUSE), Ordering::AcqRel) == 0 {
            telemetry::limit_store_up(false);
            telemetry::event(Event::StoreDown);
        }
    }

    /// The store answered.
    pub(super) fn answered(&self) {
        if self.next_try.load(Ordering::Acquire) != 0 && self.next_try.swap(0, Ordering::AcqRel) != 0 {
            telemetry::limit_store_up(true);
            telemetry::event(Event::StoreUp);
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn one_question_tries_after_a_pause() {
        let circuit = Circuit::default();
        assert!(circuit.permits(0) && circuit.permits(0));
        circuit.failed(0);
        assert!(!circuit.permits(PAUSE - 1));
        assert!(circuit.permits(PAUSE));
        assert!(!circuit.permits(PAUSE), "only one");
        assert!(circuit.permits(2 * PAUSE), "the one that tried never came back");
        circuit.failed(2 * PAUSE);
        assert!(!circuit.permits(2 * PAUSE + 1));
        circuit.answered();
        assert!(circuit.permits(2 * PAUSE + 1) && circuit.permits(2 * PAUSE + 1));
    }
}
