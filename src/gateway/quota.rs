//! Whose request it is, for each quota of its route; the counting is `limit`'s.

use std::net::IpAddr;

use http::HeaderMap;

use super::{ledger::Ledger, respond::ExchangeError, snapshot::Snapshot, worker::View};
use crate::{
    identity::Caller,
    limit::{Demand, Passage, Who},
    policy::set::{Quota, QuotaKey, RoutePolicy},
    secret::Sensitive,
    telemetry::{self, QuotaOutcome, Scope},
};

/// Asks the quotas of one exchange.
pub(super) struct Turnstile<'a> {
    pub(super) view: &'a View,
    pub(super) route: &'a RoutePolicy,
    /// The client's.
    pub(super) address: IpAddr,
    pub(super) headers: &'a HeaderMap,
}

/// What a quota counts by, and its parts.
type Requester<'a> = (&'static str, Vec<&'a [u8]>);

/// A refusal, and whom it counts.
pub(super) type Refused = (ExchangeError, Scope);

impl Turnstile<'_> {
    /// Whether any quota of a route takes to know who asks.
    pub(super) fn needs_caller(snapshot: &Snapshot, route: &RoutePolicy) -> bool {
        let quotas = &snapshot.policy.gateway.quotas;
        let mut own = route.quotas.iter().filter_map(|id| quotas.get(usize::from(id.0)));
        own.any(|quota| quota.by.needs_caller())
    }

    /// Asks the quotas whose requester is known before anybody is asked who the caller is; with a caller, the others.
    ///
    /// # Errors
    /// [`ExchangeError::OverQuota`] where one has no room.
    pub(super) async fn pass(
        &self,
        caller: Option<&Caller>,
        passage: &mut Passage,
        ledger: &mut Ledger,
    ) -> Result<(), Refused> {
        let snapshot = self.view.snapshot();
        let quotas = &snapshot.policy.gateway.quotas;
        let own = self.route.quotas.iter().filter_map(|id| Some((*id, quotas.get(usize::from(id.0))?)));
        let turn: Vec<_> = own
            .filter(|(_, quota)| quota.by.needs_caller() == caller.is_some() && !quota.exempts(self.address))
            .collect();
        if turn.is_empty() {
            return Ok(());
        }
        let parts: Vec<_> = turn.iter().map(|(_, quota)| self.requester(quota, caller)).collect();
        let demands: Vec<_> = turn
            .iter()
            .zip(&parts)
            .map(|((id, _), parts)| {
                let who = parts
                    .as_ref()
                    .map_or(Who::Address(self.address), |(kind, values)| Who::Parts(kind, values));
                Demand { quota: *id, who }
            })
            .collect();
        let before = passage.shadowed();
        let passed = snapshot.limits.pass(&demands, passage).await;
        ledger.hold(passage.take_permits());
        ledger.shadowed(passage.shadowed());
        for (id, quota) in &turn {
            if passage.shadowed().has(*id) && !before.has(*id) {
                telemetry::quota_exceeded(quota, QuotaOutcome::Shadow);
            }
        }
        passed.map_err(|exceeded| {
            let quota = quotas.get(usize::from(exceeded.quota.0));
            if let Some(quota) = quota {
                telemetry::quota_exceeded(quota, QuotaOutcome::Refused);
            }
            self.view.route_metrics(Some(self.route.id)).rate_limited(exceeded.scope);
            ledger.over_quota(exceeded.quota);
            let quota = quota.map(|quota| quota.name.clone()).unwrap_or_default();
            (ExchangeError::OverQuota { quota, headers: passage.headers() }, exceeded.scope)
        })
    }

    /// What a quota counts by; `None` where the request has no such thing, and its address counts. Names, not places:
    /// those of another replica, or of the next policy, are others.
    fn requester<'q>(&'q self, quota: &Quota, caller: Option<&'q Caller>) -> Option<Requester<'q>> {
        let policy = &self.view.snapshot().policy;
        let vouched = |kind, value: &'q Option<Sensitive<Box<str>>>| {
            let provider = policy.gateway.providers.get(usize::from(caller?.provider?.0))?;
            Some((kind, vec![provider.name.as_bytes(), value.as_ref()?.expose().as_bytes()]))
        };
        match &quota.by {
            QuotaKey::Address => None,
            QuotaKey::Header(name) => {
                let values: Vec<_> =
                    self.headers.get_all(name).iter().map(|value| value.as_bytes()).collect();
                (!values.is_empty()).then_some(("header", values))
            }
            QuotaKey::Subject => vouched("subject", &caller?.subject),
            QuotaKey::Claim => vouched("claim", &caller?.quota),
            QuotaKey::Recipient => {
                let recipients = caller?.recipients.iter();
                let named = recipients.filter_map(|id| policy.charter.recipients.get(id.index()));
                Some(("recipient", named.map(|recipient| recipient.name.as_bytes()).collect()))
            }
        }
    }
}
