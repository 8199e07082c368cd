//! Room for new clients where there is little: connections that nobody uses give theirs up.

use std::{
    cell::{Cell, RefCell},
    rc::Rc,
};

use crate::gateway::connection::{Instant, Order, Phase, Tracker};

/// The part of the limit that is kept free: whoever comes finds a place at once, and one is made for the next.
const SPARE: usize = 16;

/// The idle connections of a core, as they were when it last looked; the one that was idle for longest is the last.
#[derive(Debug, Default)]
pub(super) struct Room {
    idle: RefCell<Vec<(Instant, Rc<Tracker>)>>,
    looked: Cell<Option<Instant>>,
}

/// Whether connections have to give way when `open` of `limit` are there.
pub(super) fn is_short(open: usize, limit: usize) -> bool {
    open >= limit.saturating_sub(limit / SPARE).max(1)
}

/// How many there may be until those that have to give way are gone.
pub(super) fn at_most(limit: usize) -> usize {
    limit.saturating_add(limit / SPARE).saturating_add(1)
}

impl Room {
    /// Closes, in order, the connection that was idle for longest; says whether there is one. `trackers` are looked
    /// through once in a tick at the most.
    pub(super) fn make(&self, trackers: &[Rc<Tracker>], now: Instant) -> bool {
        let mut idle = self.idle.borrow_mut();
        loop {
            while let Some((since, tracker)) = idle.pop() {
                if idle_since(&tracker) == Some(since) {
                    tracker.give(Order::Finish);
                    return true;
                }
            }
            if self.looked.replace(Some(now)) == Some(now) {
                return false;
            }
            // Of those that are idle since the same tick, who came first.
            idle.extend(trackers.iter().rev().filter_map(|one| Some((idle_since(one)?, one.clone()))));
            idle.sort_by_key(|(since, _)| std::cmp::Reverse(*since));
        }
    }
}

fn idle_since(tracker: &Tracker) -> Option<Instant> {
    let (phase, since) = tracker.progress().phase();
    let is_idle =
        phase == Phase::Idle && tracker.order() == Order::Serve && !tracker.is_over() && !tracker.is_tunnel();
    // Who still takes an answer is not idle.
    (is_idle && tracker.progress().blocked_since().is_none()).then_some(since)
}

#[cfg(test)]
mod tests {
    use std::{sync::Arc, time::Duration};

    use super::*;
    use crate::gateway::connection::{Clock, Progress};

    #[test]
    fn who_was_idle_for_longest_gives_way_and_who_works_does_not() {
        let clock = Arc::<Clock>::default();
        let open = |second| {
            clock.advance(Duration::from_secs(second));
            Tracker::new(Progress::new(clock.clone(), Phase::Idle))
        };
        let trackers = [open(3), open(1), open(2), open(0), open(0)];
        let active = Rc::default();
        let _exchange = trackers[3].begin(&active);
        trackers[4].progress().enter(Phase::Handshake);
        clock.advance(Duration::from_secs(9));
        let room = Room::default();
        let closed = |trackers: &[Rc<Tracker>]| -> Vec<bool> {
            trackers.iter().map(|one| one.order() == Order::Finish).collect()
        };
        assert!(room.make(&trackers, clock.now()));
        assert_eq!(closed(&trackers), [false, true, false, false, false]);
        // It began to work since it was looked at.
        let _exchange = trackers[2].begin(&active);
        assert!(room.make(&trackers, clock.now()));
        assert_eq!(closed(&trackers), [true, true, false, false, false]);
        assert!(!room.make(&trackers, clock.now()));
    }

    #[test]
    fn room_is_kept_in_proportion() {
        assert!(!is_short(9_374, 10_000) && is_short(9_375, 10_000));
        assert!(!is_short(1, 2) && is_short(2, 2) && is_short(1, 1));
        assert_eq!((at_most(10_000), at_most(2)), (10_626, 3));
    }
}
