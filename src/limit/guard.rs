//! What one account, one device or one session may fail (CNIL délib. 2022-100): failures in a row lead to a wait that
//! doubles, or to a block, and any 24 hours hold so many of them at most.
//!
//! An attempt counts as a failure from the moment it is admitted, so that guesses at the same time are no more than guesses
//! one after another. What became of it is told afterwards: a failure makes the wait begin again, a success ends the row,
//! and what was neither is as if it had not been. `shared/guard.lua` does the same, number by number.

use std::time::Duration;

use super::pace::Decision;
use crate::policy::set::{AccountLimit, Then};

/// 24 hours, in microseconds.
pub(super) const DAY: u64 = 86_400_000_000;
/// How long failures in a row are remembered where they lead to a block: no wait between them brings the block on.
const BLOCK_MEMORY: u64 = 30 * DAY;

/// [`AccountLimit`] in microseconds, so that both stores count alike.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Rule {
    /// Failures in a row before the first wait.
    pub(super) free: u32,
    /// The first wait.
    pub(super) delay: u64,
    /// The longest.
    pub(super) longest: u64,
    /// Failures in 24 hours.
    pub(super) per_day: u32,
    /// Whether the end of the wait ends the row, too.
    pub(super) blocks: bool,
    /// How long after the last failure the row is forgotten.
    pub(super) memory: u64,
}

impl Rule {
    pub(super) fn new(limit: AccountLimit) -> Self {
        let micros =
            |duration: Duration| u64::try_from(duration.as_micros()).unwrap_or(u64::MAX).min(BLOCK_MEMORY);
        let (delay, longest, blocks, memory) = match limit.then {
            Then::BackOff { delay, longest } => (micros(delay), micros(longest), false, DAY),
            Then::Block(time) => (micros(time), micros(time), true, BLOCK_MEMORY),
        };
        Self { free: limit.failures.max(1), delay, longest, per_day: limit.per_day.max(1), blocks, memory }
    }

    /// The stricter rule of one replica among several that cannot see each other.
    pub(super) fn share(limit: AccountLimit, replicas: u32) -> Self {
        let share = |count: u32| (count / replicas.max(1)).max(1);
        Self::new(AccountLimit { failures: share(limit.failures), per_day: share(limit.per_day), ..limit })
    }

    /// How long to wait after so many failures in a row.
    fn wait(self, row: u32) -> u64 {
        match row.checked_sub(self.free) {
            None => 0,
            // 2^41 microseconds are more than three weeks.
            Some(beyond) => self.delay.saturating_mul(1 << beyond.min(41)).min(self.longest),
        }
    }

    /// What a client is told.
    pub(super) fn decision(self, standing: &Standing) -> Decision {
        let (limit, window) = if standing.day { (self.per_day, DAY) } else { (self.free, self.delay) };
        let left = (self.free.saturating_sub(standing.row)).min(self.per_day.saturating_sub(standing.count));
        Decision {
            allowed: standing.allowed,
            limit,
            window: Duration::from_micros(window),
            remaining: if standing.allowed { left } else { 0 },
            reset: Duration::from_micros(standing.reset),
            retry_after: (!standing.allowed).then(|| Duration::from_micros(standing.wait)),
        }
    }
}

/// How it stands with an account, after an attempt was counted or refused.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Standing {
    pub(super) allowed: bool,
    /// Whether it is the 24 hours that refuse.
    pub(super) day: bool,
    /// Until the next attempt may come, where this one may not.
    pub(super) wait: u64,
    /// Failures in a row.
    pub(super) row: u32,
    /// Failures of the last 24 hours.
    pub(super) count: u32,
    /// Until none of them counts any more.
    pub(super) reset: u64,
    pub(super) ticket: Ticket,
}

/// What is needed to say afterwards what became of an attempt.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Ticket {
    /// When it was counted.
    pub(super) at: u64,
    /// How many rows a success had ended before.
    pub(super) epoch: u32,
}

/// What became of an attempt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// A wrong guess.
    Failure,
    /// The right secret.
    Success,
    /// No guess: the platform did not judge it.
    None,
}

impl Outcome {
    /// Its word in metrics.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Failure => "failure",
            Self::Success => "success",
            Self::None => "none",
        }
    }
}

/// What is kept of an account. Times in microseconds.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct State {
    row: u32,
    /// Nothing is admitted before; 0 where nothing is to be waited for.
    until: u64,
    epoch: u32,
    /// The last failure.
    last: u64,
    /// Failures, and attempts that nobody has settled, of the last 24 hours.
    times: Vec<u64>,
}

impl State {
    /// Counts an attempt, if the rule allows it.
    pub(super) fn take(&mut self, rule: Rule, now: u64) -> Standing {
        let standing = self.look(rule, now);
        if !standing.allowed {
            return standing;
        }
        self.row += 1;
        self.times.push(now);
        self.last = now;
        let wait = rule.wait(self.row);
        self.until = if wait == 0 { 0 } else { now.saturating_add(wait) };
        Standing {
            row: self.row,
            count: self.count(),
            reset: self.reset(now),
            ticket: Ticket { at: now, epoch: self.epoch },
            ..standing
        }
    }

    /// How it stands, without counting anything.
    pub(super) fn look(&mut self, rule: Rule, now: u64) -> Standing {
        self.refresh(rule, now);
        let full =
            self.times.len().checked_sub(rule.per_day as usize).and_then(|oldest| self.times.get(oldest));
        let (wait, day) = match full {
            _ if self.until > now => (self.until - now, false),
            Some(oldest) => (oldest.saturating_add(DAY).saturating_sub(now), true),
            None => (0, false),
        };
        Standing {
            allowed: wait == 0,
            day,
            wait,
            row: self.row,
            count: self.count(),
            reset: self.reset(now),
            ticket: Ticket::default(),
        }
    }

    /// Says what became of an attempt.
    pub(super) fn settle(&mut self, rule: Rule, ticket: Ticket, outcome: Outcome, now: u64) {
        self.refresh(rule, now);
        let place = self.times.iter().position(|&at| at == ticket.at);
        if let Some(place) = place {
            self.times.remove(place);
        }
        match outcome {
            Outcome::Failure => {
                if place.is_none() || ticket.epoch != self.epoch {
                    // The row that it was counted in is over.
                    self.row += 1;
                }
                self.times.push(now);
                self.last = now;
                // The answer is what the next guess learns from: the wait begins with it.
                let wait = rule.wait(self.row);
                if wait > 0 {
                    self.until = self.until.max(now.saturating_add(wait));
                }
            }
            Outcome::Success => {
                self.row = 0;
                self.until = 0;
                self.epoch = self.epoch.wrapping_add(1) % 1_000_000;
            }
            Outcome::None => {
                if place.is_some() && ticket.epoch == self.epoch && self.row > 0 {
                    self.row -= 1;
                    // What the others have to wait for is theirs.
                    self.until = match (rule.wait(self.row), self.times.last()) {
                        (0, _) => 0,
                        (wait, Some(newest)) => self.until.min(newest.saturating_add(wait)),
                        (_, None) => self.until,
                    };
                }
            }
        }
    }

    /// Whether there is nothing left to say about the account.
    pub(super) fn is_empty(&self) -> bool {
        self.row == 0 && self.times.is_empty()
    }

    /// When there will be nothing left to say, if nothing happens.
    pub(super) fn expires(&self, rule: Rule) -> u64 {
        self.until.max(self.last.saturating_add(rule.memory))
    }

    fn refresh(&mut self, rule: Rule, now: u64) {
        self.times.retain(|at| at.saturating_add(DAY) > now);
        // Never beyond what this rule can have said: it may have changed.
        self.until = self.until.min(now.saturating_add(rule.longest));
        let served = rule.blocks && self.until != 0 && self.until <= now;
        if served || self.last.saturating_add(rule.memory) <= now {
            self.row = 0;
            self.until = 0;
        }
    }

    fn count(&self) -> u32 {
        u32::try_from(self.times.len()).unwrap_or(u32::MAX)
    }

    fn reset(&self, now: u64) -> u64 {
        let newest = self.times.last().map_or(0, |at| at.saturating_add(DAY));
        newest.max(self.until).saturating_sub(now)
    }
}

#[cfg(test)]
mod tests;
