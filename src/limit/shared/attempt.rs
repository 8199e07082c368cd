//! Attempts at accounts in Redis: one script counts, one says what became of it.
//!
//! In a cluster all keys of a script must be in one slot. An address is counted with many accounts, a second factor by its
//! account and by its sessions, and a counter must have one name whoever asks for it. So all of them have the same hash tag
//! and stand on one server: attempts are few beside requests, and stay exact however many replicas ask.

use std::sync::{Arc, LazyLock};

use redis::Script;

use super::{NoAnswer, Redis, Told, named, signed};
use crate::limit::{
    CounterKey,
    guard::{Outcome, Rule, Standing, Ticket},
    pace::Pace,
};

static ADMIT: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("guard.lua"), include_str!("admit.lua"))));
static SETTLE: LazyLock<Script> =
    LazyLock::new(|| Script::new(concat!(include_str!("guard.lua"), include_str!("settle.lua"))));
static FORGET: LazyLock<Script> =
    LazyLock::new(|| Script::new("for _, key in ipairs(KEYS) do redis.call('DEL', key) end\nreturn 1"));

/// Numbers that `admit.lua` answers for each account.
const NUMBERS: usize = 7;

impl Redis {
    /// Counts an attempt by every rate and for every account, or by none.
    pub(in crate::limit) async fn admit(
        self: &Arc<Self>,
        rates: &[(CounterKey, Pace)],
        guards: &[(CounterKey, Rule)],
        now: i64,
    ) -> Result<(Vec<Told>, Vec<Standing>), NoAnswer> {
        let mut call = ADMIT.prepare_invoke();
        call.arg(now).arg(rates.len());
        for (key, pace) in rates {
            let tolerance = if pace.count == 0 { -1 } else { signed(pace.tolerance()) };
            call.key(attempt_key(key)).arg(signed(pace.interval)).arg(tolerance);
        }
        for (key, rule) in guards {
            call.key(attempt_key(key));
            for number in rule_arguments(*rule) {
                call.arg(number);
            }
        }
        let answer: Vec<u64> = self.invoke(&call).await?;
        let [allowed, now, rest @ ..] = answer.as_slice() else { return Err(NoAnswer) };
        let (told, standings) = rest.split_at_checked(2 * rates.len()).ok_or(NoAnswer)?;
        if standings.len() != guards.len() * NUMBERS {
            return Err(NoAnswer);
        }
        let number = |number: u64| u32::try_from(number).unwrap_or(u32::MAX);
        let standings = standings.as_chunks::<NUMBERS>().0.iter().map(|numbers| {
            let [free, day, wait, row, count, reset, epoch] = *numbers;
            Standing {
                allowed: free == 1,
                day: day == 1,
                wait,
                row: number(row),
                count: number(count),
                reset,
                ticket: Ticket { at: *now, epoch: number(epoch) },
            }
        });
        let told = told.as_chunks::<2>().0.iter().map(|&[room, until]| Told {
            allowed: room == 1,
            taken: *allowed == 1,
            until,
            ahead: until.saturating_sub(*now),
        });
        Ok((told.collect(), standings.collect()))
    }

    /// Says what became of an attempt; the rates given back come with their TAT when it was counted.
    pub(in crate::limit) async fn settle(
        self: &Arc<Self>,
        rates: &[(CounterKey, Pace, u64)],
        guards: &[(CounterKey, Rule, Ticket)],
        outcome: Outcome,
        now: i64,
    ) -> Result<(), NoAnswer> {
        let mut call = SETTLE.prepare_invoke();
        call.arg(now).arg(rates.len()).arg(outcome.as_str());
        for (key, pace, until) in rates {
            call.key(attempt_key(key)).arg(signed(pace.interval)).arg(signed(*until));
        }
        for (key, rule, ticket) in guards {
            call.key(attempt_key(key));
            for number in rule_arguments(*rule) {
                call.arg(number);
            }
            call.arg(signed(ticket.at)).arg(ticket.epoch);
        }
        self.invoke::<u64>(&call).await.map(|_| ())
    }

    /// Forgets what accounts failed.
    pub(in crate::limit) async fn forget(self: &Arc<Self>, keys: &[CounterKey]) -> Result<(), NoAnswer> {
        let mut call = FORGET.prepare_invoke();
        for key in keys {
            call.key(attempt_key(key));
        }
        self.invoke::<u64>(&call).await.map(|_| ())
    }
}

fn attempt_key(key: &CounterKey) -> String {
    named("rempart:{login}:", key)
}

/// As `guard.lua` reads it.
fn rule_arguments(rule: Rule) -> [i64; 6] {
    [
        i64::from(rule.free),
        signed(rule.delay),
        signed(rule.longest),
        i64::from(rule.per_day),
        i64::from(rule.blocks),
        signed(rule.memory),
    ]
}
