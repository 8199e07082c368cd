//! Counters in Redis, shared by replicas: one atomic script for all counters of an event.
//!
//! Keys are HMACs and values are numbers, so nothing personal is at rest there, and every key expires when it has
//! nothing left to say. Time is the server's own (`TIME`): replicas need not agree on it.
//!
//! In a cluster the counters of one event stand in slots of their own, so that no server holds them all, and no script
//! can see two of them. There each is asked by itself, all at once; where one refuses, the others get their event back.
//! So never more passes than the limits allow, and for the time between the two a little less may. Attempts at accounts
//! are the exception (`attempt.rs`).
//!
//! Each worker runs its own single-threaded runtime, and a connection lives on the runtime that opened it. So each
//! thread has a link of its own. Questions on it are pipelined: none waits for the answer of another.

mod attempt;
mod link;
mod servers;

use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, Weak},
    time::Duration,
};

use futures_util::future::join_all;
use redis::{FromRedisValue, RedisResult, Script, ScriptInvocation};

use self::{
    link::Link,
    servers::{Connection, Servers},
};
use super::{CounterKey, pace::Pace};
use crate::policy::set::RedisSettings;

/// No usable answer came in time. Which way it failed does not matter: local counters decide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// One counter that an event is taken from.
#[derive(Clone, Copy, Debug)]
pub(super) struct Question {
    pub(super) key: CounterKey,
    pub(super) pace: Pace,
    /// Whether it can refuse. Those that only count take the event if it passes and they have room.
    pub(super) binding: bool,
}

/// What Redis said of one counter. Times in microseconds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Told {
    /// Whether it had room.
    pub(super) allowed: bool,
    /// Whether it took the event.
    pub(super) taken: bool,
    /// Its TAT afterwards, by its server's clock.
    pub(super) until: u64,
    /// How far that is ahead.
    pub(super) ahead: u64,
}

/// A Redis.
pub(super) struct Redis {
    settings: RedisSettings,
    servers: Arc<Servers>,
    timeout: Duration,
    take: Script,
    give_back: Script,
}

impl Redis {
    /// Nothing is opened yet. `None` when the settings are none that can be reached.
    pub(super) fn new(settings: &RedisSettings) -> Option<Self> {
        Some(Self {
            servers: Arc::new(Servers::new(settings)?),
            settings: settings.clone(),
            timeout: settings.timeout,
            take: Script::new(include_str!("shared/take.lua")),
            give_back: Script::new(include_str!("shared/give_back.lua")),
        })
    }

    /// Whether these are the same servers, asked in the same way.
    pub(super) fn is(&self, settings: &RedisSettings) -> bool {
        self.settings == RedisSettings { replicas: self.settings.replicas, ..settings.clone() }
    }

    /// Takes one event from every counter, or from none. Those that only count come last.
    pub(super) async fn take(
        self: &Arc<Self>,
        questions: &[Question],
        now: i64,
    ) -> Result<Vec<Told>, NoAnswer> {
        if !self.servers.are_spread() || questions.len() < 2 {
            return self.take_together(questions, now).await;
        }
        let (binding, counting) = questions.split_at(questions.partition_point(|one| one.binding));
        let mut told = self.take_apart(binding, now).await?;
        if told.iter().all(|one| one.allowed) {
            told.extend(self.take_apart(counting, now).await?);
        } else {
            let unasked = Told { allowed: true, taken: false, until: 0, ahead: 0 };
            told.extend(counting.iter().map(|_| unasked));
        }
        Ok(told)
    }

    /// One script each; what was taken is given back where one of them refused or said nothing.
    async fn take_apart(self: &Arc<Self>, questions: &[Question], now: i64) -> Result<Vec<Told>, NoAnswer> {
        let asked = questions.iter().map(|one| self.take_together(std::slice::from_ref(one), now));
        let answers = join_all(asked).await;
        let may_pass = questions
            .iter()
            .zip(&answers)
            .all(|(one, answer)| answer.as_ref().is_ok_and(|told| told[0].allowed || !one.binding));
        if !may_pass {
            let back = questions.iter().zip(&answers).filter_map(|(one, answer)| {
                let told = answer.as_ref().ok()?[0];
                told.taken.then_some((one.key, one.pace, told.until))
            });
            let back: Vec<_> = back.collect();
            // What cannot be given back stays counted: too strict for a while, never too loose.
            let _ = self.give_back(&back, now).await;
        }
        let mut told = Vec::with_capacity(questions.len());
        for (one, answer) in questions.iter().zip(answers) {
            let mut said = answer?[0];
            if said.taken && !may_pass {
                said.taken = false;
                said.until = said.until.saturating_sub(one.pace.interval);
                said.ahead = said.ahead.saturating_sub(one.pace.interval);
            }
            told.push(said);
        }
        Ok(told)
    }

    async fn take_together(
        self: &Arc<Self>,
        questions: &[Question],
        now: i64,
    ) -> Result<Vec<Told>, NoAnswer> {
        let mut call = self.take.prepare_invoke();
        call.arg(now);
        for Question { key, pace, binding } in questions {
            let tolerance = if pace.count == 0 { -1 } else { signed(pace.tolerance()) };
            call.key(redis_key(key)).arg(signed(pace.interval)).arg(tolerance).arg(u8::from(*binding));
        }
        let answer: Vec<u64> = self.invoke(&call).await?;
        let [now, counters @ ..] = answer.as_slice() else { return Err(NoAnswer) };
        let (counters, rest) = counters.as_chunks::<3>();
        if counters.len() != questions.len() || !rest.is_empty() {
            return Err(NoAnswer);
        }
        let told = counters.iter().map(|&[allowed, taken, until]| Told {
            allowed: allowed == 1,
            taken: taken == 1,
            until,
            ahead: until.saturating_sub(*now),
        });
        Ok(told.collect())
    }

    /// Gives one event back to every counter; each comes with its TAT when it was taken.
    pub(super) async fn give_back(
        self: &Arc<Self>,
        counters: &[(CounterKey, Pace, u64)],
        now: i64,
    ) -> Result<(), NoAnswer> {
        let each = if self.servers.are_spread() { 1 } else { counters.len().max(1) };
        let given = counters.chunks(each).map(|together| async move {
            let mut call = self.give_back.prepare_invoke();
            call.arg(now);
            for (key, pace, until) in together {
                call.key(redis_key(key)).arg(signed(pace.interval)).arg(signed(*until));
            }
            self.invoke::<u64>(&call).await.map(|_| ())
        });
        join_all(given).await.into_iter().collect()
    }

    /// Asks and writes what nobody needs: an answer means that counters can be asked and written.
    pub(super) async fn try_out(self: &Arc<Self>, now: i64) -> Result<(), NoAnswer> {
        let question = Question { key: *b"rempart try-out.", pace: Pace::fleeting(), binding: true };
        self.take_together(&[question], now).await.map(|_| ())
    }

    async fn invoke<T: FromRedisValue>(self: &Arc<Self>, call: &ScriptInvocation<'_>) -> Result<T, NoAnswer> {
        let link = self.link();
        tokio::time::timeout(self.timeout, async {
            let mut first = link.connection(&self.servers).await?;
            match invoke_on(&mut first.connection, call).await {
                Ok(answer) => return Ok(answer),
                // A connection that failed once is not trusted again, whatever it was.
                Err(_) => {
                    let no_answer = link.hang_up(first.generation);
                    if first.new {
                        return Err(no_answer);
                    }
                }
            }
            // It may only have been idle for too long: that is no outage.
            let mut second = link.connection(&self.servers).await?;
            invoke_on(&mut second.connection, call).await.map_err(|_| link.hang_up(second.generation))
        })
        .await
        .unwrap_or_else(|_| Err(link.hang_up(link.generation())))
    }

    /// This thread's link; those of servers that are gone are forgotten on the way.
    fn link(self: &Arc<Self>) -> Arc<Link> {
        thread_local! {
            static LINKS: RefCell<Vec<(Weak<Redis>, Arc<Link>)>> = const { RefCell::new(Vec::new()) };
        }
        LINKS.with_borrow_mut(|links| {
            let own = links.iter().find(|(server, _)| std::ptr::eq(server.as_ptr(), Arc::as_ptr(self)));
            if let Some((_, link)) = own {
                return Arc::clone(link);
            }
            links.retain(|(server, _)| server.strong_count() > 0);
            let link = Arc::new(Link::default());
            links.push((Arc::downgrade(self), Arc::clone(&link)));
            link
        })
    }
}

impl fmt::Debug for Redis {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Redis").field("timeout", &self.timeout).finish_non_exhaustive()
    }
}

/// EVALSHA; a server that does not have the script (NOSCRIPT) is given it first.
async fn invoke_on<T: FromRedisValue>(
    connection: &mut Connection,
    call: &ScriptInvocation<'_>,
) -> RedisResult<T> {
    match connection {
        Connection::One(connection) => call.invoke_async(connection).await,
        Connection::Cluster(connection) => call.invoke_async(connection).await,
    }
}

/// The whole key decides about its slot in a cluster: counters are spread over all of them.
fn redis_key(key: &CounterKey) -> String {
    named("rempart:", key)
}

fn named(prefix: &str, key: &CounterKey) -> String {
    use fmt::Write;
    key.iter().fold(String::from(prefix), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}
