//! An attempt at an account: counted before the platform sees it, settled when the platform has answered.
//!
//! An attempt from a device on which the account signed in before is counted against that device alone: what others fail on
//! the account, or behind the same address, does not keep its owner out. Every other attempt is counted against the address,
//! the network around it and the account, or, if one of them has no room, against none.

use std::{net::IpAddr, time::SystemTime};

use super::{
    Asked, Bucket, Counted, Decisions, Limits, Scope, Source, address_network, address_prefix, counter_key,
    decision,
    device::{Device, DevicePlace},
    guard::{Outcome, Rule, Standing, Ticket},
    local::Place,
    login::Peek,
    pace::{Decision, Pace},
};
use crate::{
    policy::set::{Alarm, Authentication, AuthenticationKind, RoutePolicy},
    telemetry,
};

/// Who tries, as far as it can be known before the platform is asked.
#[derive(Clone, Copy, Debug)]
pub struct Applicant<'a> {
    /// From where.
    pub address: IpAddr,
    /// The device, if the account signed in on it before.
    pub device: Option<Device>,
    /// Of a second factor: the sessions that it may belong to.
    pub sessions: &'a [Vec<u8>],
    /// Of a second factor: the caller whom the identity sources know.
    pub subject: Option<&'a str>,
}

/// Whether an attempt may go to the platform.
#[derive(Debug)]
#[must_use = "an attempt that is not settled stays counted"]
pub enum Admission<'l> {
    /// It may, and is counted until it is settled.
    Allowed(Attempt<'l>),
    /// It may not; nothing was counted. Known and unknown accounts look the same here (ASVS 6.3.8): the platform was
    /// not asked.
    Throttled {
        /// What all limits said.
        decisions: Decisions,
        /// The first limit that refused it, the address before the account.
        scope: Scope,
    },
}

/// An attempt that may go to the platform.
#[derive(Debug)]
#[must_use = "an attempt that is not settled stays counted"]
pub struct Attempt<'l> {
    limits: &'l Limits,
    route: Box<str>,
    rates: Vec<Counted>,
    guards: Vec<Guarded>,
    /// The accounts whose wait a success ends.
    lifts: Vec<Place>,
    /// Where failures are what counts.
    alarm: Option<Alarm>,
    decisions: Decisions,
}

/// An account, device or session that an attempt was counted against.
#[derive(Clone, Copy, Debug)]
struct Guarded {
    scope: Scope,
    place: Place,
    rule: Rule,
    ticket: Ticket,
    kept: Kept,
}

#[derive(Clone, Copy, Debug)]
enum Kept {
    Locally { overflowed: bool },
    Shared,
}

/// Everything that an attempt is counted against.
struct Wanted {
    rates: Vec<Asked>,
    guards: Vec<(Scope, Place)>,
}

type Rated = Vec<(Decision, Counted)>;
type Stood = Vec<(Standing, Guarded)>;

impl Limits {
    /// Counts an attempt against everything that it concerns, or against nothing.
    pub async fn admit(
        &self,
        route: &RoutePolicy,
        auth: &Authentication,
        who: &Applicant<'_>,
        peek: &Peek,
    ) -> Admission<'_> {
        let mut decisions = Decisions { route: route.name.as_str().into(), list: Vec::new() };
        let attempt = |rates, guards, lifts, alarm, decisions| {
            let route = route.name.as_str().into();
            Admission::Allowed(Attempt { limits: self, route, rates, guards, lifts, alarm, decisions })
        };
        if !peek.has_secret {
            return attempt(Vec::new(), Vec::new(), Vec::new(), None, decisions);
        }
        let now = self.local.clock.micros();
        let raised = who.device.is_none() && self.local.alarms.is_raised(&route.name, auth.alarm, now);
        let wanted = self.wanted(route, auth, who, peek, raised && auth.alarm.enforce);
        let (rated, stood) = self.count(auth, &wanted).await;
        let mut refused = None;
        for (asked, (decision, _)) in wanted.rates.iter().zip(&rated) {
            decisions.list.push((asked.scope, *decision));
            refused = refused.or((!decision.allowed).then_some(asked.scope));
        }
        for ((scope, _), (standing, guarded)) in wanted.guards.iter().zip(&stood) {
            decisions.list.push((*scope, guarded.rule.decision(standing)));
            let reason = if standing.day { Scope::Day } else { *scope };
            refused = refused.or((!standing.allowed).then_some(reason));
        }
        if let Some(scope) = refused {
            return Admission::Throttled { decisions, scope };
        }
        let mut rates: Vec<_> = rated.into_iter().map(|(_, counted)| counted).collect();
        if raised && !auth.alarm.enforce {
            let bucket = Bucket { route: &route.name, scope: Scope::Route, rate: auth.alarm.limit };
            for (decision, counted) in self.take_locally(&[self.asked(&bucket, b"")], 1) {
                if !decision.allowed {
                    telemetry::login_alarm_would_refuse(&route.name);
                }
                rates.push(counted);
            }
        }
        let guards = stood.into_iter().map(|(_, guarded)| guarded).collect();
        let lifts = match &peek.account {
            Some(account) => {
                let lifted =
                    |name: &String| self.guard_place(name, Scope::Account, account.expose().as_bytes(), None);
                auth.lifts.iter().map(lifted).collect()
            }
            None => Vec::new(),
        };
        attempt(rates, guards, lifts, (!auth.counts_every_request()).then_some(auth.alarm), decisions)
    }

    /// The device, if one of these cookie values says that this account signed in on it before.
    pub fn recognise(
        &self,
        place: &DevicePlace<'_>,
        values: &[&[u8]],
        peek: &Peek,
        now: SystemTime,
    ) -> Option<Device> {
        let account = peek.account.as_ref()?;
        self.devices.recognise(place, values, account.expose(), now)
    }

    /// The value of the device cookie after a success of this account.
    pub fn remember(
        &self,
        place: &DevicePlace<'_>,
        values: &[&[u8]],
        peek: &Peek,
        now: SystemTime,
    ) -> Option<String> {
        let account = peek.account.as_ref()?;
        self.devices.remember(place, values, account.expose(), now)
    }

    fn wanted(
        &self,
        route: &RoutePolicy,
        auth: &Authentication,
        who: &Applicant<'_>,
        peek: &Peek,
        tight: bool,
    ) -> Wanted {
        let account = peek.account.as_ref().map(|account| account.expose().as_bytes());
        if let Some(device) = who.device {
            // Where there is no room for one more, accounts share: nobody can crowd out the devices of another.
            let place = self.guard_place(&route.name, Scope::Device, device.number(), account);
            return Wanted { rates: Vec::new(), guards: vec![(Scope::Device, place)] };
        }
        let mut rates = Vec::with_capacity(3);
        let mut rate = |scope, rate, key: &[u8]| {
            let bucket = Bucket { route: &route.name, scope, rate };
            rates.push(self.asked(&bucket, key));
        };
        rate(Scope::Address, auth.per_address, &address_prefix(who.address));
        if let Some(network) = address_network(who.address) {
            rate(Scope::Network, auth.per_network, &network);
        }
        if tight {
            rate(Scope::Route, auth.alarm.limit, b"");
        }
        let mut guards = Vec::new();
        let mut guard = |scope, key: Option<&[u8]>| {
            guards.extend(key.map(|key| (scope, self.guard_place(&route.name, scope, key, None))));
        };
        match auth.kind {
            AuthenticationKind::Login | AuthenticationKind::Reset => guard(Scope::Account, account),
            AuthenticationKind::Registration => {}
            AuthenticationKind::SecondFactor => {
                guard(Scope::Account, account.or(who.subject.map(str::as_bytes)));
                who.sessions.iter().for_each(|session| guard(Scope::Session, Some(session)));
            }
        }
        Wanted { rates, guards }
    }

    async fn count(&self, auth: &Authentication, wanted: &Wanted) -> (Rated, Stood) {
        let Some(shared) = &self.shared else { return self.count_locally(auth, wanted, 1) };
        let clock = &self.local.clock;
        let rule = Rule::new(auth.per_account);
        let counted = shared.ask(clock, async |redis| {
            let rates: Vec<_> =
                wanted.rates.iter().map(|asked| (asked.place.key, Pace::new(asked.rate))).collect();
            let guards: Vec<_> = wanted.guards.iter().map(|(_, place)| (place.key, rule)).collect();
            redis.admit(&rates, &guards, clock.for_store()).await
        });
        let Some((told, standings)) = counted.await else {
            return self.count_locally(auth, wanted, shared.replicas);
        };
        let stood = wanted.guards.iter().zip(standings).map(|((scope, place), standing)| {
            let (scope, place, ticket) = (*scope, *place, standing.ticket);
            (standing, Guarded { scope, place, rule, ticket, kept: Kept::Shared })
        });
        let rated = wanted.rates.iter().zip(told).map(|(asked, told)| decision(asked, told));
        (rated.collect(), stood.collect())
    }

    fn count_locally(&self, auth: &Authentication, wanted: &Wanted, replicas: u32) -> (Rated, Stood) {
        let now = self.local.clock.micros();
        let mut rated = self.take_locally(&wanted.rates, replicas);
        let rule = Rule::share(auth.per_account, replicas);
        let mut open = rated.iter().all(|(decision, _)| decision.allowed);
        let mut stood: Stood = Vec::with_capacity(wanted.guards.len());
        for (scope, place) in &wanted.guards {
            let guards = self.local.guards(*scope);
            let (standing, overflowed) = if open {
                guards.take(place, rule, now)
            } else {
                (guards.look(place, false, rule, now), false)
            };
            if overflowed {
                telemetry::limit_overflowed(*scope);
            }
            open &= standing.allowed;
            let (scope, place, kept) = (*scope, *place, Kept::Locally { overflowed });
            stood.push((standing, Guarded { scope, place, rule, ticket: standing.ticket, kept }));
        }
        if !open {
            // What one refused was no attempt for the others.
            for one in rated.iter_mut().filter(|(decision, _)| decision.allowed) {
                self.undo_locally(one, now);
            }
            for (standing, guarded) in &mut stood {
                let Kept::Locally { overflowed } = guarded.kept else { continue };
                if standing.allowed && guarded.ticket != Ticket::default() {
                    let guards = self.local.guards(guarded.scope);
                    guards.settle(&guarded.place, overflowed, rule, (guarded.ticket, Outcome::None), now);
                    *standing = guards.look(&guarded.place, overflowed, rule, now);
                }
            }
        }
        (rated, stood)
    }

    async fn settle(&self, rates: &[Counted], guards: &[Guarded], outcome: Outcome) {
        let clock = &self.local.clock;
        let (mut shared_rates, mut shared_guards) = (Vec::new(), Vec::new());
        if outcome != Outcome::Failure {
            for one in rates {
                match one.source {
                    Source::Local(_) => self.give_back_locally(one, clock.micros()),
                    Source::Shared(until) => shared_rates.push((one.place.key, one.pace, until)),
                    Source::Nothing => {}
                }
            }
        }
        for one in guards {
            match one.kept {
                Kept::Shared => shared_guards.push((one.place.key, one.rule, one.ticket)),
                Kept::Locally { overflowed } => {
                    let said = (one.ticket, outcome);
                    self.local.guards(one.scope).settle(
                        &one.place,
                        overflowed,
                        one.rule,
                        said,
                        clock.micros(),
                    );
                }
            }
        }
        let idle = shared_rates.is_empty() && shared_guards.is_empty();
        let Some(shared) = self.shared.as_ref().filter(|_| !idle) else { return };
        // What cannot be told stays counted: too strict for a while, never too loose.
        let told = shared.ask(clock, async |redis| {
            redis.settle(&shared_rates, &shared_guards, outcome, clock.for_store()).await
        });
        told.await;
    }

    async fn lift(&self, places: &[Place]) {
        for place in places {
            self.local.accounts.lift(place);
        }
        let Some(shared) = self.shared.as_ref().filter(|_| !places.is_empty()) else { return };
        let keys: Vec<_> = places.iter().map(|place| place.key).collect();
        shared.ask(&self.local.clock, async |redis| redis.forget(&keys).await).await;
    }

    /// Where the state of an account, device or session is; `group` is what decides with whom it shares where there is no
    /// room, the key itself if it is `None`.
    fn guard_place(&self, route: &str, scope: Scope, key: &[u8], group: Option<&[u8]>) -> Place {
        let name = |kind: &[u8], key: &[u8]| {
            counter_key(&self.key, &[kind, route.as_bytes(), scope.as_str().as_bytes(), key])
        };
        let group = name(b"group", group.unwrap_or(key));
        Place { key: name(b"guard", key), overflow: name(b"groups", &[group[0], group[1] & 15]) }
    }
}

impl Attempt<'_> {
    /// What the limits said before the platform was asked; empty for a probe.
    pub fn decisions(&self) -> &Decisions {
        &self.decisions
    }

    /// Whether it was counted: a probe is not.
    pub fn is_guess(&self) -> bool {
        !self.decisions.list.is_empty()
    }

    /// The platform answered: a failure stays counted and its wait begins, anything else is given back.
    ///
    /// It never fails, and waits no longer than the store's timeout, the same for every account.
    pub async fn settle(self, outcome: Outcome) {
        if !self.is_guess() {
            return;
        }
        telemetry::login_attempt(&self.route, outcome.as_str());
        let limits = self.limits;
        if let Some(alarm) = self.alarm {
            limits.local.alarms.count(&self.route, alarm, outcome, limits.local.clock.micros());
        }
        limits.settle(&self.rates, &self.guards, outcome).await;
        if outcome == Outcome::Success {
            limits.lift(&self.lifts).await;
        }
    }
}
