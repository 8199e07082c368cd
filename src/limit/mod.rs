//! May they: counters of attempts and of requests, in this process or shared over replicas (charter 6; CNIL 2022-100;
//! OWASP API4).
//!
//! A counter belongs to a route or a quota, a [`Scope`] and a key (an account, an address prefix, …). The key is replaced
//! by an HMAC before anything is stored, so that neither memory nor Redis holds a personal value. Rates are GCRA on both
//! stores; what an account may fail is in `guard.rs`.
//!
//! An attempt is counted *before* it goes to the platform and given back when the answer says that it was no failure:
//! counting afterwards would let any number of guesses through at the same time.
//!
//! When the shared store does not answer, nobody waits and nobody passes unseen: local counters decide, with the limit
//! divided by the number of replicas, and the store is tried again every second, beside the requests.

mod account;
mod alarm;
mod attempt;
mod circuit;
mod clock;
mod concurrency;
mod device;
mod guard;
mod guards;
mod headers;
mod local;
mod login;
mod multipart;
mod outcome;
mod pace;
mod quota;
mod shared;

use std::{fmt, net::IpAddr, sync::Arc, time::Duration};

use alarm::Alarms;
use circuit::{Circuit, Turn};
use clock::Clock;
use device::Devices;
use guards::Guards;
use local::{Place, Table};
use pace::Pace;
use quota::Meter;
use shared::{NoAnswer, Question, Redis, Told};

use crate::{
    policy::set::{Rate, Store},
    secret::{Domain, DomainKey, MasterSecret},
    telemetry,
};

pub use self::{
    attempt::{Admission, Applicant, Attempt},
    concurrency::Permit,
    device::{Device, DevicePlace},
    guard::Outcome,
    headers::{Decisions, headers},
    login::{Peek, PeekError, Submission, peek},
    multipart::{NamedText, form_data},
    outcome::{ANSWER_BYTES, of_body, of_head},
    pace::Decision,
    quota::{Demand, Exceeded, Passage, QuotaBits, Who},
};
pub use crate::telemetry::Scope;

/// The HMAC that names a counter.
type CounterKey = [u8; 16];

/// Which limit is asked.
#[derive(Clone, Copy, Debug)]
pub struct Bucket<'a> {
    /// Name of the route it protects.
    pub route: &'a str,
    /// Whom it counts.
    pub scope: Scope,
    /// How much it allows.
    pub rate: Rate,
}

/// Why limits cannot be set up.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum LimitError {
    /// The store's settings are none that can be reached. They are not repeated: they may hold a password.
    #[error(
        "the store's settings are not those of a Redis (an address is `redis://host:port/db`, or `rediss://…`)"
    )]
    StoreAddress,
}

/// The counters of the gateway, shared by its workers; they survive reloads of the policy.
pub struct Limits {
    key: DomainKey,
    devices: Devices,
    local: Arc<Local>,
    shared: Option<Shared>,
    /// By the place of the quota in the policy.
    meters: Vec<Meter>,
}

/// Counters of attempts, and the clock that all counters count by: one makes no sense without the other.
struct Local {
    table: Table,
    /// Accounts and sessions.
    accounts: Guards,
    /// Devices have room of their own: who fails on made-up accounts takes none of it.
    devices: Guards,
    alarms: Alarms,
    clock: Clock,
}

impl Local {
    fn guards(&self, scope: Scope) -> &Guards {
        if scope == Scope::Device { &self.devices } else { &self.accounts }
    }
}

struct Shared {
    redis: Arc<Redis>,
    circuit: Arc<Circuit>,
    replicas: u32,
}

/// Whose local counters.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Home {
    /// Attempts: those of all routes.
    Attempts,
    /// Requests: a quota's own, so that nobody can fill the memory of another limit.
    Quota(usize),
}

/// A counter that an event is taken from.
#[derive(Clone, Copy, Debug)]
struct Asked {
    place: Place,
    home: Home,
    scope: Scope,
    rate: Rate,
    /// Whether it can refuse, or only counts.
    binding: bool,
}

/// A counter that an event was taken from, and what is needed to give it back.
#[derive(Clone, Copy, Debug)]
struct Counted {
    place: Place,
    home: Home,
    pace: Pace,
    source: Source,
}

#[derive(Clone, Copy, Debug)]
enum Source {
    Local(local::Taken),
    /// The TAT afterwards.
    Shared(u64),
    /// Nothing was taken.
    Nothing,
}

impl Limits {
    /// Counters as the policy wants them. Those of `previous` go on, as long as they are kept in the same place.
    ///
    /// The store is not asked yet: a gateway must start while Redis is down.
    ///
    /// # Errors
    /// [`LimitError`] when the store's address is none.
    pub fn build(store: &Store, secret: &MasterSecret, previous: Option<&Self>) -> Result<Self, LimitError> {
        let clock = previous.map_or_else(Clock::monotonic, |limits| limits.local.clock.clone());
        Self::build_with_clock(store, secret, previous, clock)
    }

    fn build_with_clock(
        store: &Store,
        secret: &MasterSecret,
        previous: Option<&Self>,
        clock: Clock,
    ) -> Result<Self, LimitError> {
        let shared = match store {
            Store::Memory => {
                telemetry::limit_store_up(true);
                None
            }
            Store::Redis(settings) => {
                let kept =
                    previous.and_then(|limits| limits.shared.as_ref()).filter(|it| it.redis.is(settings));
                let (redis, circuit) = match kept {
                    Some(shared) => (Arc::clone(&shared.redis), Arc::clone(&shared.circuit)),
                    None => {
                        let redis = Redis::new(settings).ok_or(LimitError::StoreAddress)?;
                        telemetry::limit_store_up(true);
                        (Arc::new(redis), Arc::default())
                    }
                };
                Some(Shared { redis, circuit, replicas: settings.replicas })
            }
        };
        Ok(Self {
            key: secret.derive(Domain::Limit, ""),
            devices: Devices(secret.derive(Domain::Device, "")),
            local: previous.map_or_else(
                || {
                    Arc::new(Local {
                        table: Table::new(local::CAPACITY),
                        accounts: Guards::new(guards::CAPACITY),
                        devices: Guards::new(guards::CAPACITY),
                        alarms: Alarms::default(),
                        clock,
                    })
                },
                |limits| Arc::clone(&limits.local),
            ),
            shared,
            meters: Vec::new(),
        })
    }

    /// Counts one event in every counter, or in none that can refuse; those that only count come last, and take it if
    /// it passes and they have room.
    async fn take_each(&self, asked: &[Asked]) -> Vec<(Decision, Counted)> {
        let Some(shared) = &self.shared else { return self.take_locally(asked, 1) };
        let clock = &self.local.clock;
        let question =
            |one: &Asked| Question { key: one.place.key, pace: Pace::new(one.rate), binding: one.binding };
        let taken = shared.ask(clock, async |redis| {
            let questions: Vec<_> = asked.iter().map(question).collect();
            redis.take(&questions, clock.for_store()).await
        });
        match taken.await {
            Some(told) => asked.iter().zip(told).map(|(one, told)| decision(one, told)).collect(),
            None => self.take_locally(asked, shared.replicas),
        }
    }

    fn take_locally(&self, asked: &[Asked], replicas: u32) -> Vec<(Decision, Counted)> {
        let now = self.local.clock.micros();
        let mut taken: Vec<(Decision, Counted)> = Vec::with_capacity(asked.len());
        let mut refused = false;
        for one in asked {
            let pace = Pace::share(one.rate, replicas);
            let counted = Counted { place: one.place, home: one.home, pace, source: Source::Nothing };
            if refused && !one.binding {
                taken.push((pace.decision(true, 0), counted));
                continue;
            }
            let told = self.table(one.home).take(&one.place, pace, now);
            if told.overflowed {
                telemetry::limit_overflowed(one.scope);
            }
            refused |= one.binding && !told.allowed;
            let decision = pace.decision(told.allowed, told.until.saturating_sub(now));
            taken.push((decision, Counted { source: Source::Local(told), ..counted }));
        }
        if refused {
            // What one counter refused was no event for the others.
            for one in taken.iter_mut().filter(|(decision, _)| decision.allowed) {
                self.undo_locally(one, now);
            }
        }
        taken
    }

    fn undo_locally(&self, (decision, counted): &mut (Decision, Counted), now: u64) {
        if !matches!(counted.source, Source::Local(_)) {
            return;
        }
        self.give_back_locally(counted, now);
        let ahead = decision.reset.saturating_sub(Duration::from_micros(counted.pace.interval));
        *decision = counted.pace.decision(true, u64::try_from(ahead.as_micros()).unwrap_or(u64::MAX));
        counted.source = Source::Nothing;
    }

    fn give_back_locally(&self, counted: &Counted, now: u64) {
        if let Source::Local(taken) = &counted.source {
            self.table(counted.home).give_back(&counted.place, counted.pace, taken, now);
        }
    }

    fn table(&self, home: Home) -> &Table {
        match home {
            Home::Quota(place) => self.meters.get(place).map_or(&self.local.table, Meter::table),
            Home::Attempts => &self.local.table,
        }
    }

    fn asked(&self, bucket: &Bucket<'_>, key: &[u8]) -> Asked {
        let (route, scope) = (bucket.route.as_bytes(), bucket.scope.as_str().as_bytes());
        let place = Place {
            key: counter_key(&self.key, &[b"counter", route, scope, key]),
            overflow: counter_key(&self.key, &[b"overflow", route, scope, b""]),
        };
        Asked { place, home: Home::Attempts, scope: bucket.scope, rate: bucket.rate, binding: true }
    }
}

impl Shared {
    /// What the store says; nothing where it is away, or did not answer in time.
    async fn ask<T>(
        &self,
        clock: &Clock,
        question: impl AsyncFnOnce(&Arc<Redis>) -> Result<T, NoAnswer>,
    ) -> Option<T> {
        if !self.answers(clock) {
            return None;
        }
        let answer = question(&self.redis).await;
        match answer {
            Ok(_) => self.circuit.answered(),
            Err(_) => self.circuit.failed(clock.micros()),
        }
        answer.ok()
    }

    /// Whether a question may go to the store. Where it is time to try whether it is back, that is done beside: nobody
    /// waits for it.
    fn answers(&self, clock: &Clock) -> bool {
        match self.circuit.turn(clock.micros()) {
            Turn::Ask => true,
            Turn::Leave => false,
            Turn::Try => {
                let (redis, circuit, clock) =
                    (Arc::clone(&self.redis), Arc::clone(&self.circuit), clock.clone());
                tokio::spawn(async move {
                    match redis.try_out(clock.for_store()).await {
                        Ok(()) => circuit.answered(),
                        Err(_) => circuit.failed(clock.micros()),
                    }
                });
                false
            }
        }
    }
}

/// The name of a counter: nothing of what it counts can be read from it.
fn counter_key(key: &DomainKey, parts: &[&[u8]]) -> CounterKey {
    let tag = key.tag(parts);
    let mut short = CounterKey::default();
    short.copy_from_slice(&tag[..16]);
    short
}

impl fmt::Debug for Limits {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Limits").field("shared", &self.shared.is_some()).finish_non_exhaustive()
    }
}

/// What the shared store's answer means. It refuses all or none; each counter on its own may have had room.
fn decision(asked: &Asked, told: Told) -> (Decision, Counted) {
    let pace = Pace::new(asked.rate);
    let source = if told.taken { Source::Shared(told.until) } else { Source::Nothing };
    let counted = Counted { place: asked.place, home: asked.home, pace, source };
    (pace.decision(told.allowed, told.ahead), counted)
}

/// The part of an address that one subscriber or one site has: all of IPv4, the /64 of IPv6 (whose lower half changes
/// at will).
pub fn address_prefix(address: IpAddr) -> Vec<u8> {
    match address.to_canonical() {
        IpAddr::V4(v4) => v4.octets().to_vec(),
        IpAddr::V6(v6) => v6.octets()[..8].to_vec(),
    }
}

/// The network around an IPv6 subscriber, who may have been given a /48 of 65,536 prefixes; IPv4 has none.
pub fn address_network(address: IpAddr) -> Option<Vec<u8>> {
    match address.to_canonical() {
        IpAddr::V4(_) => None,
        IpAddr::V6(v6) => Some(v6.octets()[..6].to_vec()),
    }
}

#[cfg(test)]
mod tests;
