//! TLS handshakes of one core: how many, and whose turn it is.
//!
//! A handshake is the most work that somebody unknown can ask for. So that a flood of them does not keep the clients
//! that are in waiting, its steps take turns: they have one at a time, or as long as everything else took in the last
//! round, until the runtime has looked at its sockets and done whatever is ready. And there are only so many: above it,
//! one that waits for its client gives way, the oldest first.

use std::{
    cell::{Cell, RefCell},
    collections::VecDeque,
    rc::Rc,
    time::{Duration, Instant},
};

use tokio::sync::{Semaphore, SemaphorePermit};

use crate::gateway::connection::{Order, Tracker};

/// Handshakes that ended and are still in the line, before it is tidied up.
const ENDED: usize = 256;

/// Those under way.
#[derive(Debug)]
pub(super) struct Handshakes {
    turns: Semaphore,
    round: Cell<Round>,
    line: RefCell<VecDeque<Rc<Entry>>>,
    under_way: Rc<Cell<usize>>,
}

/// Between two looks at the sockets.
#[derive(Clone, Copy, Debug, Default)]
struct Round {
    /// What handshakes may take of it: as much as everything else took.
    may_take: Duration,
    took: Duration,
}

impl Round {
    /// Everything else took so long in the one before.
    fn behind(others: Duration) -> Self {
        Self { may_take: others, took: Duration::ZERO }
    }

    fn is_spent(&self) -> bool {
        self.took >= self.may_take
    }
}

#[derive(Debug)]
struct Entry {
    tracker: Rc<Tracker>,
    awaits_turn: Cell<bool>,
    ended: Cell<bool>,
}

/// One of them, from the first byte to the last.
#[derive(Debug)]
pub(super) struct UnderWay {
    entry: Rc<Entry>,
    count: Rc<Cell<usize>>,
}

impl Default for Handshakes {
    fn default() -> Self {
        Self {
            turns: Semaphore::new(1),
            round: Cell::default(),
            line: RefCell::default(),
            under_way: Rc::default(),
        }
    }
}

impl Handshakes {
    /// One more, if fewer than `most` are under way or one of those gives way; the order to abort is what it hears.
    pub(super) fn begin(&self, tracker: Rc<Tracker>, most: usize) -> Option<UnderWay> {
        let mut line = self.line.borrow_mut();
        if line.len() > self.under_way.get().saturating_mul(2) + ENDED {
            line.retain(|entry| !entry.ended.get());
        }
        if self.under_way.get() >= most {
            let oldest = line.iter().position(|entry| !entry.ended.get() && !entry.awaits_turn.get())?;
            if let Some(entry) = line.remove(oldest) {
                entry.tracker.give(Order::Abort);
            }
        }
        let entry = Rc::new(Entry { tracker, awaits_turn: Cell::new(false), ended: Cell::new(false) });
        line.push_back(entry.clone());
        self.under_way.set(self.under_way.get() + 1);
        Some(UnderWay { entry, count: self.under_way.clone() })
    }

    /// Waits until it is this one's turn, first come, first served.
    pub(super) async fn turn(&self, one: &UnderWay) -> Turn<'_> {
        one.entry.awaits_turn.set(true);
        // It is never closed.
        let permit = self.turns.acquire().await.ok();
        if self.round.get().is_spent() {
            // Behind everything that is ready now, and everything that the sockets bring.
            let before = Instant::now();
            tokio::task::yield_now().await;
            self.round.set(Round::behind(before.elapsed()));
        }
        one.entry.awaits_turn.set(false);
        Turn { of: self, began: Instant::now(), _permit: permit }
    }
}

/// A step of a handshake, while it lasts.
#[must_use = "the next one begins when it is dropped"]
#[derive(Debug)]
pub(super) struct Turn<'a> {
    of: &'a Handshakes,
    began: Instant,
    _permit: Option<SemaphorePermit<'a>>,
}

impl Drop for Turn<'_> {
    fn drop(&mut self) {
        let mut round = self.of.round.get();
        round.took += self.began.elapsed();
        self.of.round.set(round);
    }
}

impl Drop for UnderWay {
    fn drop(&mut self) {
        self.entry.ended.set(true);
        self.count.set(self.count.get().saturating_sub(1));
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use super::*;
    use crate::gateway::connection::{Clock, Phase, Progress};

    fn tracker() -> Rc<Tracker> {
        Tracker::new(Progress::new(Arc::<Clock>::default(), Phase::Handshake))
    }

    #[test]
    fn the_oldest_that_waits_for_its_client_gives_way() {
        let all = Handshakes::default();
        let trackers: Vec<_> = (0..4).map(|_| tracker()).collect();
        let begin = |place: usize| all.begin(Rc::clone(&trackers[place]), 2);
        let ready = begin(0).unwrap();
        ready.entry.awaits_turn.set(true);
        let stalled = begin(1).unwrap();
        let third = begin(2).unwrap();
        let orders = |places: [usize; 3]| places.map(|place| trackers[place].order());
        assert_eq!(orders([0, 1, 2]), [Order::Serve, Order::Abort, Order::Serve]);
        drop(stalled);
        // Nobody gives way who waits for us.
        third.entry.awaits_turn.set(true);
        assert!(begin(3).is_none());
        drop((ready, third));
        assert!(begin(3).is_some());
        assert_eq!(all.under_way.get(), 0);
    }

    #[test]
    fn the_line_does_not_remember_what_ended() {
        let all = Handshakes::default();
        let _stalled = all.begin(tracker(), 10).unwrap();
        for _ in 0..10_000 {
            drop(all.begin(tracker(), 10).unwrap());
        }
        assert!(all.line.borrow().len() < 1000);
    }

    #[tokio::test]
    async fn turns_are_taken_one_by_one_in_order() {
        let all = Handshakes::default();
        let one = all.begin(tracker(), 10).unwrap();
        let other = all.begin(tracker(), 10).unwrap();
        let first = all.turn(&one).await;
        let second = all.turn(&other);
        tokio::pin!(second);
        let waits = std::future::poll_fn(|context| {
            std::task::Poll::Ready(std::future::Future::poll(second.as_mut(), context).is_pending())
        });
        assert!(waits.await);
        assert!(other.entry.awaits_turn.get() && !one.entry.awaits_turn.get());
        drop(first);
        drop(second.await);
    }

    #[test]
    fn handshakes_take_one_step_a_round_or_as_long_as_everything_else() {
        let step = Duration::from_millis(1);
        // Nothing but handshakes: each is followed by a look at the sockets.
        let mut round = Round::behind(Duration::from_micros(5));
        assert!(!round.is_spent());
        round.took += step;
        assert!(round.is_spent());
        // A loaded core.
        let mut round = Round::behind(20 * step);
        let steps = std::iter::from_fn(|| {
            round.took += step;
            (!round.is_spent()).then_some(())
        });
        assert_eq!(steps.count(), 19);
    }
}
