//! Counters in Redis, shared by replicas: one atomic script for all counters of an attempt.
//!
//! Keys are HMACs and values are numbers, so nothing personal is at rest there, and every key expires when it has
//! nothing left to say. Time is the server's own (`TIME`): replicas need not agree on it.
//!
//! Each worker runs its own single-threaded runtime, and a connection lives on the runtime that opened it. So each
//! thread has a link of its own, opened when it is first needed and again after a failure.

use std::{
    cell::RefCell,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError, Weak},
    time::Duration,
};

use redis::{AsyncConnectionConfig, Client, Script, ScriptInvocation, aio::MultiplexedConnection};
use tokio::sync::Notify;

use super::{CounterKey, pace::Pace};
use crate::secret::Sensitive;

mod attempt;

/// How long a connection may take to open, however short an answer's time is: TLS needs more than one round trip.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);

/// No usable answer came in time. Which way it failed does not matter: local counters decide.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct NoAnswer;

/// What Redis said.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Answer {
    pub(super) allowed: bool,
    /// The store's time, in microseconds.
    pub(super) now: u64,
    /// The TAT of each counter afterwards, in microseconds of the store's time.
    pub(super) until: Vec<u64>,
}

/// A Redis server.
pub(super) struct Redis {
    url: Sensitive<String>,
    client: Client,
    timeout: Duration,
    take: Script,
    give_back: Script,
}

impl Redis {
    /// Nothing is opened yet. `None` when the address is none.
    pub(super) fn new(url: &Sensitive<String>, timeout: Duration) -> Option<Self> {
        Some(Self {
            url: url.clone(),
            client: Client::open(url.expose().as_str()).ok()?,
            timeout,
            take: Script::new(include_str!("shared/take.lua")),
            give_back: Script::new(include_str!("shared/give_back.lua")),
        })
    }

    /// Whether this is the same server, asked in the same way.
    pub(super) fn is(&self, url: &Sensitive<String>, timeout: Duration) -> bool {
        self.url == *url && self.timeout == timeout
    }

    /// Takes one event from every counter, or from none.
    pub(super) async fn take(
        self: &Arc<Self>,
        counters: &[(CounterKey, Pace)],
        now: i64,
    ) -> Result<Answer, NoAnswer> {
        let mut call = self.take.prepare_invoke();
        call.arg(now);
        for (key, pace) in counters {
            let tolerance = if pace.count == 0 { -1 } else { signed(pace.tolerance()) };
            call.key(redis_key(key)).arg(signed(pace.interval)).arg(tolerance);
        }
        let answer: Vec<u64> = self.invoke(&call).await?;
        match answer.as_slice() {
            [allowed, now, until @ ..] if until.len() == counters.len() => {
                Ok(Answer { allowed: *allowed == 1, now: *now, until: until.to_vec() })
            }
            _ => Err(NoAnswer),
        }
    }

    /// Gives one event back to every counter; each comes with its TAT when it was taken.
    pub(super) async fn give_back(
        self: &Arc<Self>,
        counters: &[(CounterKey, Pace, u64)],
        now: i64,
    ) -> Result<(), NoAnswer> {
        let mut call = self.give_back.prepare_invoke();
        call.arg(now);
        for (key, pace, until) in counters {
            call.key(redis_key(key)).arg(signed(pace.interval)).arg(signed(*until));
        }
        self.invoke::<u64>(&call).await.map(|_| ())
    }

    async fn invoke<T: redis::FromRedisValue>(
        self: &Arc<Self>,
        call: &ScriptInvocation<'_>,
    ) -> Result<T, NoAnswer> {
        let link = self.link();
        tokio::time::timeout(self.timeout, async {
            let mut first = link.connection(&self.client).await?;
            match call.invoke_async(&mut first.connection).await {
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
            let mut second = link.connection(&self.client).await?;
            call.invoke_async(&mut second.connection).await.map_err(|_| link.hang_up(second.generation))
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

/// The braces keep all counters of an attempt in one slot of a cluster, as a script needs.
fn redis_key(key: &CounterKey) -> String {
    use fmt::Write;
    key.iter().fold(String::from("rempart:{limit}:"), |mut text, byte| {
        let _ = write!(text, "{byte:02x}");
        text
    })
}

fn signed(micros: u64) -> i64 {
    i64::try_from(micros).unwrap_or(i64::MAX)
}

/// One thread's connection.
#[derive(Default)]
struct Link {
    state: Mutex<LinkState>,
    changed: Notify,
}

#[derive(Default)]
struct LinkState {
    phase: Phase,
    /// How many connections there have been, so that the failure of an old one does not end a new one.
    generation: u64,
}

#[derive(Default)]
enum Phase {
    #[default]
    Down,
    Opening,
    Up(MultiplexedConnection),
}

/// A connection to use once.
struct Borrowed {
    connection: MultiplexedConnection,
    generation: u64,
    /// Whether it was opened for this question.
    new: bool,
}

impl Link {
    /// The connection, opened by a task of its own: opening goes on when the one who asked has run out of time.
    async fn connection(self: &Arc<Self>, client: &Client) -> Result<Borrowed, NoAnswer> {
        let mut waited = false;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the state is read, so that no change is missed.
            changed.as_mut().enable();
            let open = {
                let mut state = self.state();
                match &state.phase {
                    Phase::Up(connection) => {
                        let (connection, generation) = (connection.clone(), state.generation);
                        return Ok(Borrowed { connection, generation, new: waited });
                    }
                    Phase::Down if waited => return Err(NoAnswer),
                    Phase::Down => {
                        state.phase = Phase::Opening;
                        true
                    }
                    Phase::Opening => false,
                }
            };
            waited = true;
            if open {
                self.open(client.clone());
            }
            changed.await;
        }
    }

    fn open(self: &Arc<Self>, client: Client) {
        let opening = Opening { link: Arc::clone(self), opened: None };
        tokio::spawn(async move {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_TIMEOUT))
                // The time of an answer is bounded around the whole question.
                .set_response_timeout(None);
            opening.settle(client.get_multiplexed_async_connection_with_config(&config).await.ok());
        });
    }

    /// Ends the connection of this generation, if it is still the one in use.
    fn hang_up(&self, generation: u64) -> NoAnswer {
        let mut state = self.state();
        if state.generation == generation && matches!(state.phase, Phase::Up(_)) {
            state.phase = Phase::Down;
        }
        NoAnswer
    }

    fn generation(&self) -> u64 {
        self.state().generation
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles the link when the task ends, even when its runtime is dropped under it.
struct Opening {
    link: Arc<Link>,
    opened: Option<MultiplexedConnection>,
}

impl Opening {
    fn settle(mut self, opened: Option<MultiplexedConnection>) {
        self.opened = opened;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.phase = self.opened.take().map_or(Phase::Down, Phase::Up);
        state.generation += 1;
        drop(state);
        self.link.changed.notify_waiters();
    }
}
