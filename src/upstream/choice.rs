//! Which of several addresses a request goes to: the less loaded of two that are drawn, or the one that a key prefers.
//!
//! Two choices are nearly as good as the best of all and need no order of them; each worker decides by what it knows itself, so
//! that they do not all run to the same one (Mitzenmacher, "The Power of Two Choices").

use std::{
    cell::{Cell, RefCell},
    time::{Duration, Instant},
};

/// How long an answer's time is remembered.
const MEMORY: Duration = Duration::from_secs(10);

/// Who is new or back gets a growing share for so long.
const SLOW_START: Duration = Duration::from_secs(10);

/// The least share of those who are new.
const SLOW_START_LEAST: f64 = 0.1;

/// Time that counts for a failure, in seconds: who fails fast must not look fast.
const FAILURE: f64 = 1.0;

/// Below this all answers are equally fast, in seconds.
const FLOOR: f64 = 0.000_5;

/// What one worker knows of the load of an address.
#[derive(Default)]
pub(super) struct Load {
    under_way: Cell<u32>,
    /// Time to a head in seconds, the peaks longer than the rest, and when it was told; `None` before the first.
    time: Cell<Option<(f64, Instant)>>,
}

impl Load {
    /// One more exchange is under way.
    pub(super) fn enter(&self) {
        self.under_way.set(self.under_way.get() + 1);
    }

    /// One fewer is.
    pub(super) fn leave(&self) {
        self.under_way.set(self.under_way.get().saturating_sub(1));
    }

    /// How many are.
    pub(super) fn under_way(&self) -> u32 {
        self.under_way.get()
    }

    /// A head came after this time.
    pub(super) fn answered(&self, took: Duration, now: Instant) {
        self.observe(took.as_secs_f64(), now);
    }

    /// None came.
    pub(super) fn failed(&self, took: Duration, now: Instant) {
        self.observe(took.as_secs_f64().max(FAILURE), now);
    }

    fn observe(&self, took: f64, now: Instant) {
        let next = match self.time.get() {
            // A peak is believed at once, an improvement bit by bit.
            Some((time, told)) if took < time => {
                let kept = decay(now.saturating_duration_since(told));
                time * kept + took * (1.0 - kept)
            }
            _ => took,
        };
        self.time.set(Some((next, now)));
    }

    /// Its time as it is believed now: without news it is forgotten, so that who was slow is tried again.
    fn time(&self, now: Instant) -> Option<f64> {
        let (time, told) = self.time.get()?;
        Some((time * decay(now.saturating_duration_since(told))).max(FLOOR))
    }
}

fn decay(elapsed: Duration) -> f64 {
    (-elapsed.as_secs_f64() / MEMORY.as_secs_f64()).exp()
}

/// Somebody to choose among.
pub(super) trait Candidate {
    /// What this worker knows of its load.
    fn load(&self) -> &Load;
    /// Whether requests may go there.
    fn is_usable(&self, now: Instant) -> bool;
    /// Since when, without a break.
    fn age(&self, now: Instant) -> Duration;
    /// What it is called in all replicas, hashed.
    fn identity(&self) -> u64;
}

/// The draws of one worker.
pub(super) struct Dice(RefCell<fastrand::Rng>);

impl Dice {
    /// Seeded by the system.
    pub(super) fn new() -> Self {
        Self(RefCell::new(fastrand::Rng::new()))
    }

    /// The same draws each time.
    #[cfg(test)]
    pub(super) fn seeded(seed: u64) -> Self {
        Self(RefCell::new(fastrand::Rng::with_seed(seed)))
    }

    fn below(&self, bound: usize) -> usize {
        self.0.borrow_mut().usize(..bound)
    }

    fn fraction(&self) -> f64 {
        self.0.borrow_mut().f64()
    }
}

/// Where a request goes, by its place. Those in `tried` are left out while there is another; if none can be used, all are:
/// a fleet that looks dead as a whole is more likely to be misjudged, and to refuse everybody would be no better.
pub(super) fn choose<C: Candidate>(
    candidates: &[C],
    tried: &[usize],
    key: Option<u64>,
    dice: &Dice,
    now: Instant,
) -> Option<usize> {
    match candidates.len() {
        0 => return None,
        1 => return Some(0),
        _ => {}
    }
    let fits: [&dyn Fn(usize) -> bool; 3] = [
        &|place| !tried.contains(&place) && candidates[place].is_usable(now),
        &|place| !tried.contains(&place),
        &|_| true,
    ];
    fits.into_iter().find_map(|fits| match key {
        Some(key) => preferred(candidates, key, fits),
        None => lighter(candidates, dice, now, fits),
    })
}

/// Rendezvous (Thaler and Ravishankar, "Using Name-Based Mappings to Increase Hit Rates"): the loss of one moves only those who
/// preferred it, and its return moves only them back.
fn preferred<C: Candidate>(candidates: &[C], key: u64, fits: &dyn Fn(usize) -> bool) -> Option<usize> {
    (0..candidates.len())
        .filter(|&place| fits(place))
        .max_by_key(|&place| mix(key ^ candidates[place].identity()))
}

fn lighter<C: Candidate>(
    candidates: &[C],
    dice: &Dice,
    now: Instant,
    fits: &dyn Fn(usize) -> bool,
) -> Option<usize> {
    let usable = || (0..candidates.len()).filter(|&place| fits(place));
    let count = usable().count();
    if count < 2 {
        return usable().next();
    }
    let first = dice.below(count);
    let second = dice.below(count - 1);
    let second = if second >= first { second + 1 } else { second };
    let (first, second) = (usable().nth(first)?, usable().nth(second)?);
    let (one, other) = (&candidates[first], &candidates[second]);
    let (one_time, other_time) = match (one.load().time(now), other.load().time(now)) {
        (Some(one), Some(other)) => (one, other),
        // Nothing is known of one of them: they differ in what is under way only.
        _ => (1.0, 1.0),
    };
    let cost = |candidate: &C, time| time * f64::from(candidate.load().under_way() + 1);
    // Who is new looks idle: a share is kept from it, whatever it costs.
    let held_back = |candidate: &C| {
        let grown = candidate.age(now).as_secs_f64() / SLOW_START.as_secs_f64();
        grown < 1.0 && dice.fraction() >= grown.max(SLOW_START_LEAST)
    };
    Some(match (held_back(one), held_back(other)) {
        (true, false) => second,
        (false, true) => first,
        _ if cost(one, one_time) <= cost(other, other_time) => first,
        _ => second,
    })
}

/// Every bit of the result depends on every bit of the value (the finaliser of SplitMix64).
fn mix(mut value: u64) -> u64 {
    value = (value ^ (value >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    value = (value ^ (value >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    value ^ (value >> 31)
}

/// The name of somebody to choose, hashed in the same way in all replicas (FNV-1a, then mixed).
pub(super) fn identity(name: &[u8]) -> u64 {
    mix(name
        .iter()
        .fold(0xcbf2_9ce4_8422_2325, |hash, &byte| (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01b3)))
}

#[cfg(test)]
mod tests;
