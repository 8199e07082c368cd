//! Counters in this process: governor's GCRA over a table of bounded size.
//!
//! Forgetting a counter that still counts would be a way to reset it: an attacker would only have to touch enough other
//! keys. So only counters that time has emptied are forgotten; when the table is full of live ones, new keys share one
//! overflow counter for each limit, which is stricter than a counter of their own.

use std::{
    cell::Cell,
    collections::{HashMap, hash_map::Entry},
    num::NonZeroU32,
    sync::{Mutex, MutexGuard, PoisonError},
    time::Duration,
};

use governor::{
    Quota, RateLimiter,
    clock::Clock,
    middleware::NoOpMiddleware,
    nanos::Nanos,
    state::{StateStore, direct::NotKeyed},
};

use super::{CounterKey, pace::Pace};

/// Locks that the table is spread over, so that cores seldom wait for each other.
const SHARDS: usize = 16;
/// Counters kept over all shards: some 8 MiB.
pub(super) const CAPACITY: usize = 1 << 17;
/// Shortest time between two sweeps of a full shard, in microseconds: an attacker who keeps it full costs little.
const SWEEP_PAUSE: u64 = 10_000;

/// A counter in the table, and the one that stands in for it when the table is full.
#[derive(Clone, Copy, Debug)]
pub(super) struct Place {
    pub(super) key: CounterKey,
    pub(super) overflow: CounterKey,
}

/// What was taken from a counter. Times in microseconds of the table's clock.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Taken {
    pub(super) allowed: bool,
    /// The TAT afterwards.
    pub(super) until: u64,
    /// Whether the overflow counter stood in.
    pub(super) overflowed: bool,
}

/// The counters.
pub(super) struct Table {
    shards: Vec<Mutex<Shard>>,
    overflow: Mutex<HashMap<CounterKey, u64>>,
    shard_capacity: usize,
}

#[derive(Default)]
struct Shard {
    /// TAT by key, in microseconds.
    counters: HashMap<CounterKey, u64>,
    /// No counter can be forgotten before.
    sweep_at: u64,
}

impl Table {
    pub(super) fn new(capacity: usize) -> Self {
        Self {
            shards: (0..SHARDS).map(|_| Mutex::default()).collect(),
            overflow: Mutex::default(),
            shard_capacity: capacity.div_ceil(SHARDS),
        }
    }

    /// Counts one event if the pace allows it.
    pub(super) fn take(&self, place: &Place, pace: Pace, now: u64) -> Taken {
        let mut shard = lock(&self.shards[usize::from(place.key[0]) % SHARDS]);
        let Shard { counters, sweep_at } = &mut *shard;
        if counters.len() >= self.shard_capacity && !counters.contains_key(&place.key) {
            if now >= *sweep_at {
                counters.retain(|_, tat| *tat > now);
                let earliest = counters.values().copied().min().unwrap_or(now);
                *sweep_at = earliest.max(now + SWEEP_PAUSE);
            }
            if counters.len() >= self.shard_capacity {
                drop(shard);
                let mut overflow = lock(&self.overflow);
                return Taken { overflowed: true, ..take_from(overflow.entry(place.overflow), pace, now) };
            }
        }
        let taken = take_from(counters.entry(place.key), pace, now);
        *sweep_at = (*sweep_at).min(taken.until);
        taken
    }

    /// Gives an event back, as far as time has not.
    pub(super) fn give_back(&self, place: &Place, pace: Pace, taken: &Taken, now: u64) {
        let back = pace.refund(taken.until, now);
        if !taken.allowed || back == 0 {
            return;
        }
        if taken.overflowed {
            reduce(lock(&self.overflow).entry(place.overflow), back, now);
        } else {
            let mut shard = lock(&self.shards[usize::from(place.key[0]) % SHARDS]);
            reduce(shard.counters.entry(place.key), back, now);
        }
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| lock(shard).counters.len()).sum()
    }
}

/// A panic elsewhere leaves a table of plain numbers: there is nothing to distrust in it.
fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}

fn take_from(entry: Entry<'_, CounterKey, u64>, pace: Pace, now: u64) -> Taken {
    let before = match &entry {
        Entry::Occupied(counter) => Some((*counter.get()).min(now.saturating_add(pace.exhausted()))),
        Entry::Vacant(_) => None,
    };
    let (allowed, tat) = ask(before, pace, now);
    let until = tat.unwrap_or(now);
    match entry {
        Entry::Occupied(mut counter) => {
            counter.insert(until);
        }
        Entry::Vacant(place) if allowed => {
            place.insert(until);
        }
        Entry::Vacant(_) => {}
    }
    Taken { allowed, until, overflowed: false }
}

fn reduce(entry: Entry<'_, CounterKey, u64>, back: u64, now: u64) {
    if let Entry::Occupied(mut counter) = entry {
        let tat = counter.get().saturating_sub(back);
        if tat <= now {
            counter.remove();
        } else {
            counter.insert(tat);
        }
    }
}

/// One question to governor about one TAT: whether it allows the event, and the TAT afterwards.
///
/// The limiter lives for the question only: rates change with the policy, and the table keeps the state.
fn ask(tat: Option<u64>, pace: Pace, now: u64) -> (bool, Option<u64>) {
    let quota = Quota::with_period(Duration::from_micros(pace.interval));
    let (Some(quota), Some(burst)) = (quota, NonZeroU32::new(pace.count)) else {
        return (false, tat);
    };
    let state = Tat(Cell::new(tat.map(nanos)));
    // The limiter takes its start from the clock: zero, so that the table's times are absolute.
    let limiter: RateLimiter<NotKeyed, &Tat, At, NoOpMiddleware<Duration>> =
        RateLimiter::new(quota.allow_burst(burst), &state, At(Cell::new(Duration::ZERO)));
    limiter.clock().0.set(Duration::from_micros(now));
    let allowed = limiter.check().is_ok();
    (allowed, state.0.get().map(|tat| tat.as_u64() / 1000))
}

fn nanos(micros: u64) -> Nanos {
    Nanos::new(micros.saturating_mul(1000))
}

/// The state of one counter, under the lock of its shard.
struct Tat(Cell<Option<Nanos>>);

impl StateStore for &Tat {
    type Key = NotKeyed;

    fn measure_and_replace<T, F, E>(&self, _key: &NotKeyed, decide: F) -> Result<T, E>
    where
        F: Fn(Option<Nanos>) -> Result<(T, Nanos), E>,
    {
        let (outcome, tat) = decide(self.0.get())?;
        self.0.set(Some(tat));
        Ok(outcome)
    }
}

/// The time of the question.
struct At(Cell<Duration>);

impl Clock for At {
    type Instant = Duration;

    fn now(&self) -> Duration {
        self.0.get()
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::policy::set::Rate;

    fn pace(count: u32, secs: u64) -> Pace {
        Pace::new(Rate { count, per: Duration::from_secs(secs) })
    }

    fn place(n: u32) -> Place {
        let mut key = [0; 16];
        key[..4].copy_from_slice(&n.to_be_bytes());
        // All in one shard, so that its bound is easy to reach.
        key[0] = 0;
        Place { key, overflow: [255; 16] }
    }

    #[test]
    fn live_counters_are_never_forgotten() {
        let table = Table::new(SHARDS * 4);
        let pace = pace(2, 60);
        let victim = place(1);
        assert!(table.take(&victim, pace, 0).allowed && table.take(&victim, pace, 0).allowed);
        assert!(!table.take(&victim, pace, 0).allowed);
        let overflowed = (2..100).filter(|&n| table.take(&place(n), pace, 0).overflowed).count();
        assert_eq!((overflowed, table.len()), (95, 4));
        assert!(!table.take(&victim, pace, 0).allowed, "still exhausted");
    }

    /// An attacker who makes up keys by the million neither resets a counter nor makes memory grow.
    #[test]
    fn millions_of_made_up_keys_reset_nothing() {
        const MADE_UP: u64 = 2_000_000;
        let table = Table::new(1 << 14);
        let slow = pace(2, 3600);
        let spread = |n: u64| {
            let mut key = [0; 16];
            key[..8].copy_from_slice(&n.wrapping_mul(0x9e37_79b9_7f4a_7c15).to_be_bytes());
            key[8..].copy_from_slice(&n.to_be_bytes());
            Place { key, overflow: [255; 16] }
        };
        let victims: Vec<_> = (MADE_UP..MADE_UP + 200).map(spread).collect();
        for victim in &victims {
            assert!(table.take(victim, slow, 0).allowed && table.take(victim, slow, 0).allowed);
        }
        let mut allowed = 0;
        for n in 0..MADE_UP {
            // Half a minute of them.
            allowed += u64::from(table.take(&spread(n), slow, n * 15).allowed);
        }
        assert!(table.len() <= 1 << 14, "{}", table.len());
        assert!(allowed <= 1 << 14, "those behind a full table share one counter: {allowed}");
        let now = MADE_UP * 15;
        assert!(victims.iter().all(|victim| !table.take(victim, slow, now).allowed), "a counter was reset");
        // When time has emptied them, there is room again.
        let later = now + 2 * slow.exhausted();
        assert!(!table.take(&spread(MADE_UP + 999), slow, later).overflowed);
    }

    #[test]
    fn those_who_overflow_share_one_strict_counter() {
        let table = Table::new(SHARDS);
        let pace = pace(2, 60);
        assert!(!table.take(&place(1), pace, 0).overflowed);
        let allowed = (2..50).filter(|&n| table.take(&place(n), pace, 0).allowed).count();
        assert_eq!(allowed, 2);
    }

    #[test]
    fn what_time_has_emptied_makes_room() {
        let table = Table::new(SHARDS * 4);
        let pace = pace(2, 60);
        for n in 0..4 {
            table.take(&place(n), pace, 0);
        }
        assert!(table.take(&place(9), pace, 1).overflowed);
        let later = pace.interval + SWEEP_PAUSE;
        assert!(!table.take(&place(9), pace, later).overflowed);
        assert_eq!(table.len(), 1);
    }

    #[test]
    fn refunds_go_back_to_where_they_came_from() {
        let table = Table::new(SHARDS);
        let pace = pace(1, 60);
        let own = table.take(&place(1), pace, 0);
        let shared = table.take(&place(2), pace, 0);
        assert!(shared.overflowed && !table.take(&place(3), pace, 0).allowed);
        table.give_back(&place(2), pace, &shared, 0);
        assert!(table.take(&place(3), pace, 0).allowed);
        table.give_back(&place(1), pace, &own, 0);
        assert_eq!(table.len(), 0);
    }

    #[test]
    fn a_shorter_period_after_a_reload_shortens_the_wait() {
        let table = Table::new(64);
        let day = pace(1, 86_400);
        assert!(table.take(&place(1), day, 0).allowed);
        let minute = pace(1, 60);
        let refused = table.take(&place(1), minute, 0);
        assert!(!refused.allowed && refused.until == 60_000_000);
        assert!(table.take(&place(1), minute, 60_000_000).allowed);
    }

    #[test]
    fn nothing_is_allowed_at_a_rate_of_zero() {
        let table = Table::new(64);
        assert!(!table.take(&place(1), pace(0, 60), 0).allowed);
        assert_eq!(table.len(), 0);
    }

    proptest! {
        /// Over any window of one period, no more than twice the count passes (burst and replenishing), whatever is
        /// asked when; and what is given back at once leaves the counter as it was.
        #[test]
        fn the_rate_holds(gaps in proptest::collection::vec(0u64..20_000_000, 1..80), count in 1u32..8) {
            let table = Table::new(64);
            let pace = pace(count, 60);
            let mut now = 0;
            let mut allowed = Vec::new();
            for gap in gaps {
                now += gap;
                let taken = table.take(&place(1), pace, now);
                if taken.allowed {
                    table.give_back(&place(1), pace, &taken, now);
                    let again = table.take(&place(1), pace, now);
                    prop_assert_eq!(again, taken);
                    allowed.push(now);
                }
            }
            for (index, start) in allowed.iter().enumerate() {
                let inside = allowed[index..].iter().filter(|&&at| at < start + 60_000_000).count();
                prop_assert!(inside <= 2 * count as usize);
            }
        }
    }
}
