//! Quotas: how many requests a route takes of one requester, over time and at a time.
//!
//! A request asks its quotas in up to two stages: first those whose requester is known from the connection and the head,
//! then those that take to know who asks. In a stage, one event is taken from every quota that can refuse, or from none;
//! what an earlier stage took stays taken. A quota in shadow mode never refuses: it counts what it would have let
//! through, and says when it would have refused.

use std::{net::IpAddr, sync::Arc, time::Duration};

use http::{HeaderName, HeaderValue};

use super::{
    Asked, CounterKey, Decision, Home, Limits, Scope, address_prefix,
    concurrency::{Permit, Running},
    counter_key,
    headers::{self, Line},
    local::{Place, Table},
};
use crate::policy::set::{Quota, QuotaId};

/// Counters that one quota keeps in this process: some 4 MiB.
const CAPACITY: usize = 1 << 16;
/// When to come back where another request has to end first, which nobody can foresee.
const WHILE_BUSY: Duration = Duration::from_secs(1);

/// The live part of a quota.
pub(super) struct Meter {
    quota: Quota,
    table: Arc<Table>,
    running: Arc<Running>,
    overflow: CounterKey,
}

impl Meter {
    pub(super) fn table(&self) -> &Table {
        &self.table
    }
}

/// Whose request it is, for one quota.
#[derive(Clone, Copy, Debug)]
pub enum Who<'a> {
    /// Whoever is behind this address.
    Address(IpAddr),
    /// Whoever this is: what the parts are, and the parts. Only their HMAC is kept.
    Parts(&'static str, &'a [&'a [u8]]),
}

/// What a request asks of one quota.
#[derive(Clone, Copy, Debug)]
pub struct Demand<'a> {
    /// Which.
    pub quota: QuotaId,
    /// For whom.
    pub who: Who<'a>,
}

/// A set of quotas, one bit each.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct QuotaBits(pub u64);

/// What the quotas of one request said so far.
#[derive(Debug, Default)]
pub struct Passage {
    lines: Vec<Line>,
    permits: Vec<Permit>,
    shadowed: QuotaBits,
}

impl Passage {
    /// `RateLimit-Policy` and `RateLimit`, and `Retry-After` where one refused; none where no quota was asked.
    pub fn headers(&self) -> Vec<(HeaderName, HeaderValue)> {
        headers::fields(&self.lines)
    }

    /// The places that the request holds; they are given back when these are dropped.
    pub fn take_permits(&mut self) -> Vec<Permit> {
        std::mem::take(&mut self.permits)
    }

    /// Quotas in shadow mode that would have refused it.
    pub fn shadowed(&self) -> QuotaBits {
        self.shadowed
    }
}

/// A quota that has no room for a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Exceeded {
    /// Which.
    pub quota: QuotaId,
    /// Over time or at a time.
    pub scope: Scope,
}

impl Limits {
    /// With the quotas of a policy; those of `previous` go on under the same name.
    #[must_use]
    pub fn with_quotas(mut self, quotas: &[Quota], previous: Option<&Self>) -> Self {
        let kept = |name: &str| {
            let known = previous.into_iter().flat_map(|limits| &limits.meters);
            known.into_iter().find(|meter| meter.quota.name == name)
        };
        self.meters = quotas
            .iter()
            .map(|quota| {
                let kept = kept(&quota.name);
                Meter {
                    table: kept
                        .map_or_else(|| Arc::new(Table::new(CAPACITY)), |meter| Arc::clone(&meter.table)),
                    running: kept.map_or_else(Arc::default, |meter| Arc::clone(&meter.running)),
                    overflow: counter_key(&self.key, &[b"quota-overflow", quota.name.as_bytes()]),
                    quota: quota.clone(),
                }
            })
            .collect();
        self
    }

    /// Asks quotas for one request: it may go on if all of them that can refuse have room.
    ///
    /// # Errors
    /// [`Exceeded`] with the first one that has none; then nothing was taken from the others.
    pub async fn pass(&self, demands: &[Demand<'_>], passage: &mut Passage) -> Result<(), Exceeded> {
        let mut entered = Vec::new();
        let mut asked: Vec<(QuotaId, Asked)> = Vec::with_capacity(demands.len());
        for shadow in [false, true] {
            for demand in demands {
                let place = usize::from(demand.quota.0);
                let Some(meter) = self.meters.get(place).filter(|meter| meter.quota.shadow == shadow) else {
                    continue;
                };
                let key = self.requester(meter, &demand.who);
                if let Some(most) = meter.quota.concurrency {
                    self.enter(meter, demand.quota, key, most, passage, &mut entered)?;
                }
                if let Some(rate) = meter.quota.rate {
                    let place_of = Place { key, overflow: meter.overflow };
                    let home = Home::Quota(place);
                    let one = Asked { place: place_of, home, scope: Scope::Quota, rate, binding: !shadow };
                    asked.push((demand.quota, one));
                }
            }
        }
        if !asked.is_empty() {
            self.take_requests(&asked, passage).await?;
        }
        passage.permits.append(&mut entered);
        Ok(())
    }

    fn enter(
        &self,
        meter: &Meter,
        id: QuotaId,
        key: CounterKey,
        most: u32,
        passage: &mut Passage,
        entered: &mut Vec<Permit>,
    ) -> Result<(), Exceeded> {
        let shadow = meter.quota.shadow;
        let line = |remaining, wait| Line::concurrent(&meter.quota.name, most, remaining, wait);
        let Some((permit, running)) = meter.running.enter(key, (!shadow).then_some(most)) else {
            passage.lines.push(line(0, Some(WHILE_BUSY)));
            return Err(Exceeded { quota: id, scope: Scope::Concurrency });
        };
        entered.push(permit);
        if !shadow {
            passage.lines.push(line(most.saturating_sub(running), None));
        } else if running > most {
            passage.shadowed.add(id);
        }
        Ok(())
    }

    async fn take_requests(&self, asked: &[(QuotaId, Asked)], passage: &mut Passage) -> Result<(), Exceeded> {
        let questions: Vec<Asked> = asked.iter().map(|(_, one)| *one).collect();
        let mut exceeded = None;
        let answers = self.take_each(&questions).await;
        for ((id, one), (decision, _)) in asked.iter().zip(answers) {
            let Some(meter) = self.meters.get(usize::from(id.0)) else { continue };
            match (one.binding, decision.allowed) {
                (true, allowed) => {
                    passage.lines.push(Line::rate(&meter.quota.name, &decision));
                    if !allowed {
                        exceeded = exceeded.or(Some(Exceeded { quota: *id, scope: Scope::Quota }));
                    }
                }
                (false, false) => passage.shadowed.add(*id),
                (false, true) => {}
            }
        }
        exceeded.map_or(Ok(()), Err)
    }

    fn requester(&self, meter: &Meter, who: &Who<'_>) -> CounterKey {
        let name = meter.quota.name.as_bytes();
        match *who {
            Who::Address(address) => {
                counter_key(&self.key, &[b"quota", name, b"address", &address_prefix(address)])
            }
            Who::Parts(kind, values) => {
                let mut parts = Vec::with_capacity(values.len() + 3);
                parts.extend([b"quota".as_slice(), name, kind.as_bytes()]);
                parts.extend_from_slice(values);
                counter_key(&self.key, &parts)
            }
        }
    }
}

impl QuotaBits {
    fn add(&mut self, quota: QuotaId) {
        self.0 |= 1u64.checked_shl(quota.0.into()).unwrap_or(0);
    }

    /// Whether a quota is in it.
    pub fn has(self, quota: QuotaId) -> bool {
        self.0.checked_shr(quota.0.into()).unwrap_or(0) & 1 == 1
    }
}

impl Line {
    fn rate(name: &str, decision: &Decision) -> Self {
        Self::of(format!("\"{name}\""), decision)
    }
}

#[cfg(test)]
mod tests;
