//! Accounts in this process: a [`State`] for each, in a table of bounded size.
//!
//! As with rates (`local.rs`), nothing that still counts is forgotten. When the table is full of it, new keys share the
//! states of a fixed number of groups, chosen by account: whoever fills the table slows down accounts that fail, and resets
//! none.

use std::{
    collections::HashMap,
    sync::{Mutex, MutexGuard, PoisonError},
};

use super::{
    CounterKey,
    guard::{Outcome, Rule, Standing, State, Ticket},
    local::Place,
};

const SHARDS: usize = 16;
/// States kept over all shards: some 16 MiB at most, a few where accounts fail seldom.
pub(super) const CAPACITY: usize = 1 << 16;
/// Shortest time between two sweeps of a full shard, in microseconds.
const SWEEP_PAUSE: u64 = 10_000;

/// The states.
pub(super) struct Guards {
    shards: Vec<Mutex<Shard>>,
    overflow: Mutex<HashMap<CounterKey, State>>,
    shard_capacity: usize,
}

#[derive(Default)]
struct Shard {
    /// With the time at which each has nothing left to say.
    states: HashMap<CounterKey, (State, u64)>,
    sweep_at: u64,
}

impl Guards {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            overflow: Mutex::default(),
            shard_capacity: capacity.div_ceil(SHARDS),
        }
    }

    /// Counts an attempt if the rule allows it; says whether a shared state stood in.
    pub(super) fn take(&self, place: &Place, rule: Rule, now: u64) -> (Standing, bool) {
        let mut shard = self.shard(place);
        let Shard { states, sweep_at } = &mut *shard;
        if states.len() >= self.shard_capacity && !states.contains_key(&place.key) {
            if now >= *sweep_at {
                states.retain(|_, (_, expires)| *expires > now);
                let earliest = states.values().map(|(_, expires)| *expires).min().unwrap_or(now);
                *sweep_at = earliest.max(now + SWEEP_PAUSE);
            }
            if states.len() >= self.shard_capacity {
                drop(shard);
                let mut overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
                return (overflow.entry(place.overflow).or_default().take(rule, now), true);
            }
        }
        let (state, expires) = states.entry(place.key).or_default();
        let standing = state.take(rule, now);
        *expires = state.expires(rule);
        *sweep_at = (*sweep_at).min(*expires);
        (standing, false)
    }

    /// How it stands, without counting anything.
    pub(super) fn look(&self, place: &Place, overflowed: bool, rule: Rule, now: u64) -> Standing {
        let found = if overflowed {
            let mut overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
            overflow.get_mut(&place.overflow).map(|state| state.look(rule, now))
        } else {
            self.shard(place).states.get_mut(&place.key).map(|(state, _)| state.look(rule, now))
        };
        found.unwrap_or_else(|| State::default().look(rule, now))
    }

    /// Says what became of an attempt.
    pub(super) fn settle(
        &self,
        place: &Place,
        overflowed: bool,
        rule: Rule,
        (ticket, outcome): (Ticket, Outcome),
        now: u64,
    ) {
        if overflowed {
            let mut overflow = self.overflow.lock().unwrap_or_else(PoisonError::into_inner);
            if let Some(state) = overflow.get_mut(&place.overflow) {
                // What is shared is nobody's success.
                let outcome = if outcome == Outcome::Success { Outcome::None } else { outcome };
                state.settle(rule, ticket, outcome, now);
            }
            return;
        }
        let mut shard = self.shard(place);
        let (state, expires) = shard.states.entry(place.key).or_default();
        state.settle(rule, ticket, outcome, now);
        *expires = state.expires(rule);
        let (empty, expires) = (state.is_empty(), *expires);
        if empty {
            shard.states.remove(&place.key);
        } else {
            shard.sweep_at = shard.sweep_at.min(expires);
        }
    }

    /// Forgets what an account failed.
    pub(super) fn lift(&self, place: &Place) {
        self.shard(place).states.remove(&place.key);
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).states.len()).sum()
    }

    fn shard(&self, place: &Place) -> MutexGuard<'_, Shard> {
        lock(&self.shards[usize::from(place.key[0]) % SHARDS])
    }
}

fn lock(shard: &Mutex<Shard>) -> MutexGuard<'_, Shard> {
    shard.lock().unwrap_or_else(PoisonError::into_inner)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::AccountLimit;

    fn place(n: u16, group: u8) -> Place {
        let mut key = [0; 16];
        // All in one shard, so that its bound is easy to reach.
        key[1..3].copy_from_slice(&n.to_be_bytes());
        Place { key, overflow: [group; 16] }
    }

    fn fail(guards: &Guards, place: &Place, now: u64) -> (bool, bool) {
        let rule = Rule::new(AccountLimit::CNIL_BACKOFF);
        let (standing, overflowed) = guards.take(place, rule, now);
        if standing.allowed {
            guards.settle(place, overflowed, rule, (standing.ticket, Outcome::Failure), now);
        }
        (standing.allowed, overflowed)
    }

    #[test]
    fn whoever_fills_the_table_resets_nobody() {
        let (guards, now) = (Guards::new(SHARDS * 4), 7 * crate::limit::guard::DAY);
        let victim = place(1, 1);
        assert_eq!((0..9).filter(|_| fail(&guards, &victim, now).0).count(), 5);
        let overflowed = (2..1000).filter(|&n| fail(&guards, &place(n, 2), now).1).count();
        assert_eq!((overflowed, guards.len()), (995, 4));
        assert!(!fail(&guards, &victim, now).0, "still waits");
        // Those who share are as strict as one account, group by group.
        assert!(!fail(&guards, &place(2000, 2), now).0);
        assert_eq!((0..9).filter(|&n| fail(&guards, &place(3000 + n, 3), now).0).count(), 5);
    }

    #[test]
    fn a_success_ends_no_shared_row() {
        let (guards, now) = (Guards::new(SHARDS), 7 * crate::limit::guard::DAY);
        let rule = Rule::new(AccountLimit::CNIL_BACKOFF);
        fail(&guards, &place(1, 1), now);
        for _ in 0..4 {
            fail(&guards, &place(2, 2), now);
        }
        let (standing, overflowed) = guards.take(&place(3, 2), rule, now);
        assert!(standing.allowed && overflowed);
        guards.settle(&place(3, 2), true, rule, (standing.ticket, Outcome::Success), now);
        assert_eq!((0..9).filter(|_| fail(&guards, &place(2, 2), now).0).count(), 1);
    }

    #[test]
    fn what_has_nothing_left_to_say_makes_room() {
        let (guards, now) = (Guards::new(SHARDS * 4), 7 * crate::limit::guard::DAY);
        for n in 0..4 {
            fail(&guards, &place(n, 1), now);
        }
        assert!(fail(&guards, &place(9, 1), now + SWEEP_PAUSE).1);
        assert!(!fail(&guards, &place(9, 1), now + crate::limit::guard::DAY + SWEEP_PAUSE).1);
        assert_eq!(guards.len(), 1);
        let rule = Rule::new(AccountLimit::CNIL_BACKOFF);
        let (standing, _) = guards.take(&place(10, 1), rule, now);
        guards.settle(&place(10, 1), false, rule, (standing.ticket, Outcome::Success), now);
        assert_eq!(guards.len(), 1, "a success leaves nothing");
    }
}
