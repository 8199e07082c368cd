//! Who asks, and whom they are related to: step 5 of an exchange. The answers are `identity`'s.

use std::{rc::Rc, sync::Arc};

use http::HeaderValue;

use super::{fetch::Asker, ledger::Ledger, quota::Turnstile, respond::ExchangeError, worker::View};
use crate::{
    identity::{Caller, Credentials, Identified, Lookup, Outcome, Wanted},
    policy::set::{IdentityUnavailable, PersonalData, RoutePolicy, Sees},
};

/// Who asks. Where nothing is redacted, nobody required and nothing counted by it, nobody is asked either.
pub(super) async fn caller(
    view: &Rc<View>,
    route: &RoutePolicy,
    credentials: &Credentials<'_>,
    host: &HeaderValue,
    ledger: &mut Ledger,
) -> Result<Caller, ExchangeError> {
    let snapshot = view.snapshot();
    let policy = &snapshot.policy;
    if matches!(route.personal_data, PersonalData::Exempt { .. })
        && !route.require_identity
        && !Turnstile::needs_caller(snapshot, route)
    {
        return Ok(Caller::anonymous(&policy.charter));
    }
    let asker = Asker { view, host: Some(host) };
    let now = ledger.time().into();
    let identified: Identified =
        snapshot.identity.identify(policy, &route.identity, credentials, &asker, now).await;
    ledger.caller(&identified);
    if let Some(metrics) = identified.provider.and_then(|id| view.provider_metrics(id)) {
        metrics.outcome(identified.outcome.as_str());
        if let Outcome::Rejected(reason) = identified.outcome {
            metrics.refused(reason.as_str());
        }
    }
    match identified.outcome {
        Outcome::Accepted => relate(view, route, identified.caller, credentials, &asker, ledger).await,
        Outcome::Unavailable if route.identity_unavailable == IdentityUnavailable::Refuse => {
            Err(ExchangeError::IdentityUnavailable)
        }
        _ if route.require_identity => Err(ExchangeError::Unauthenticated),
        _ => Ok(identified.caller),
    }
}

/// Whom a known caller is related to, as far as that could open anything of this route.
async fn relate(
    view: &Rc<View>,
    route: &RoutePolicy,
    mut caller: Caller,
    credentials: &Credentials<'_>,
    asker: &Asker<'_>,
    ledger: &mut Ledger,
) -> Result<Caller, ExchangeError> {
    let snapshot = view.snapshot();
    let policy = &snapshot.policy;
    let Some(plan) = snapshot.plan(route.id).filter(|_| !policy.gateway.relations.is_empty()) else {
        return Ok(caller);
    };
    let Sees { any, group, ward, .. } = policy.charter.sees(&caller.recipients);
    let wanted = Wanted {
        groups: plan.depends_on_relation(&Sees { any, group, ..Sees::default() }),
        wards: plan.depends_on_relation(&Sees { any, ward, ..Sees::default() }),
        host: asker.host.map_or(&[], HeaderValue::as_bytes),
    };
    let now = ledger.time().into();
    let related = snapshot.identity.relate(policy, &mut caller, wanted, credentials, asker, now).await;
    let worst = related.iter().map(|one| one.lookup).max();
    for one in related {
        view.count_relation(one.source, one.lookup);
        if let Some(renewal) = one.renewal {
            let (view, host) = (Rc::clone(view), asker.host.cloned());
            tokio::task::spawn_local(async move {
                let (snapshot, source) = (Arc::clone(view.snapshot()), renewal.source);
                let asker = Asker { view: &view, host: host.as_ref() };
                let lookup = snapshot.identity.renew(&snapshot.policy, renewal, &asker, now).await;
                view.count_relation(source, lookup);
            });
        }
    }
    if let Some(worst) = worst {
        ledger.relations(worst);
    }
    match worst {
        Some(Lookup::Unavailable) if route.require_relations => Err(ExchangeError::RelationsUnavailable),
        _ => Ok(caller),
    }
}
