//! Whether the shared store is worth asking: after a failure it is left alone for a moment, then one question tries it.
//!
//! That question is nobody's: it is asked beside the requests, so that none of them waits for a store that is gone.

use std::sync::atomic::{AtomicU64, Ordering};

use crate::telemetry::{self, Event};

/// How long the store is left alone after a failure, in microseconds.
pub(super) const PAUSE: u64 = 1_000_000;

/// What to do about the store.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Turn {
    /// Closed: ask it.
    Ask,
    /// Half-open: try it, and decide without it. Said to one in a pause.
    Try,
    /// Open: decide without it.
    Leave,
}

/// Closed, open or half-open.
#[derive(Debug, Default)]
pub(super) struct Circuit {
    /// When it may be tried again, in microseconds; 0 while the store answers.
    next_try: AtomicU64,
}

impl Circuit {
    /// What to do now.
    pub(super) fn turn(&self, now: u64) -> Turn {
        let next_try = self.next_try.load(Ordering::Acquire);
        if next_try == 0 {
            return Turn::Ask;
        }
        // Whoever moves the time on is the one that tries; if its answer never comes, the next one tries a pause later.
        let tries = now >= next_try
            && self
                .next_try
                .compare_exchange(next_try, now.saturating_add(PAUSE), Ordering::AcqRel, Ordering::Acquire)
                .is_ok();
        if tries { Turn::Try } else { Turn::Leave }
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
    use std::sync::Arc;

    use super::*;

    #[test]
    fn one_question_tries_after_a_pause() {
        let circuit = Circuit::default();
        assert_eq!([circuit.turn(0), circuit.turn(0)], [Turn::Ask; 2]);
        circuit.failed(0);
        assert_eq!(circuit.turn(PAUSE - 1), Turn::Leave);
        assert_eq!(circuit.turn(PAUSE), Turn::Try);
        assert_eq!(circuit.turn(PAUSE), Turn::Leave, "only one");
        assert_eq!(circuit.turn(2 * PAUSE), Turn::Try, "the one that tried never came back");
        circuit.failed(2 * PAUSE);
        assert_eq!(circuit.turn(2 * PAUSE + 1), Turn::Leave);
        circuit.answered();
        assert_eq!([circuit.turn(2 * PAUSE + 1), circuit.turn(2 * PAUSE + 1)], [Turn::Ask; 2]);
    }

    #[test]
    fn no_herd_goes_through_a_half_open_circuit() {
        let circuit = Arc::new(Circuit::default());
        circuit.failed(0);
        for round in 1..200 {
            let threads: Vec<_> = (0..8)
                .map(|_| {
                    let circuit = Arc::clone(&circuit);
                    std::thread::spawn(move || circuit.turn(round * PAUSE) == Turn::Try)
                })
                .collect();
            let tried = threads.into_iter().filter_map(|thread| thread.join().ok()).filter(|it| *it).count();
            assert_eq!(tried, 1, "round {round}");
        }
    }
}
