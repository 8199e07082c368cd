//! A policy with the live things built from it. One exchange keeps one snapshot from start to end.

use std::{sync::Arc, time::Instant};

use http::HeaderValue;

use super::{
    cookies::Credentials,
    route::{RouteConflict, Router},
};
use crate::{
    identity::{Identity, IdentityError},
    limit::{LimitError, Limits},
    policy::set::{PersonalData, PolicySet, RouteId},
    redact::{Plan, RequestPlan},
    secret::{Domain, DomainKey, MasterSecret},
    upstream::{Dialers, Fleet},
};

/// Shared by all workers.
pub struct Snapshot {
    /// The policy.
    pub policy: Arc<PolicySet>,
    /// Host, path, method → route.
    pub router: Router,
    /// Who asks.
    pub identity: Identity,
    /// May they.
    pub limits: Limits,
    /// How upstreams are spoken to.
    pub dialers: Dialers,
    /// Their addresses, and how they stand.
    pub fleet: Fleet,
    /// By route; `None` where nothing is read.
    plans: Vec<Option<Arc<Plan>>>,
    /// By route; `None` where no request is judged.
    requests: Vec<Option<RequestPlan>>,
    /// Key of pseudonyms that leave.
    pub pseudonym_key: Arc<DomainKey>,
    /// Key of views in entity tags.
    pub tag_key: DomainKey,
    /// Key of the cookies that choose endpoints.
    pub affinity_key: DomainKey,
    /// Which cookies are the caller's own credential.
    pub(super) credentials: Credentials,
    /// `Strict-Transport-Security`.
    pub hsts: HeaderValue,
}

/// A policy that compiled could not be brought to life.
#[derive(Debug, thiserror::Error)]
pub enum SnapshotError {
    /// Routes.
    #[error(transparent)]
    Route(#[from] RouteConflict),
    /// Identity providers.
    #[error(transparent)]
    Identity(#[from] IdentityError),
    /// Counter store.
    #[error(transparent)]
    Limit(#[from] LimitError),
    /// TLS to an upstream.
    #[error("TLS to an upstream: {0}")]
    Tls(#[from] rustls::Error),
}

impl Snapshot {
    /// Brings a policy to life; what did not change is taken over from the previous snapshot, counters first of all.
    ///
    /// # Errors
    /// [`SnapshotError`]; the previous snapshot goes on serving.
    pub fn build(
        policy: Arc<PolicySet>,
        secret: &MasterSecret,
        previous: Option<&Self>,
    ) -> Result<Self, SnapshotError> {
        let plans = policy
            .routes
            .iter()
            .map(|route| match &route.personal_data {
                PersonalData::Exempt { .. } => None,
                data => Some(Arc::new(Plan::compile(&policy.charter, data))),
            })
            .collect();
        let requests = policy
            .routes
            .iter()
            .map(|route| match &route.personal_data {
                // Who signs in, or up, sends what they cannot see yet.
                _ if route.authentication.is_some() => None,
                PersonalData::Exempt { .. } => None,
                data => Some(RequestPlan::compile(&policy.charter, data, &route.way_back)),
            })
            .collect();
        let hsts = policy.gateway.hsts;
        let subdomains = if hsts.include_subdomains { "; includeSubDomains" } else { "" };
        let hsts = HeaderValue::try_from(format!("max-age={}{subdomains}", hsts.max_age.as_secs()))
            .unwrap_or(HeaderValue::from_static("max-age=31536000"));
        let dialers = Dialers::build(&policy, previous.map(|one| &one.dialers))?;
        let fleet = previous.map(|one| &one.fleet);
        Ok(Self {
            router: Router::build(policy.routes.iter().map(|route| (route.id, &route.matches)))?,
            identity: Identity::build(&policy, secret, previous.map(|one| &one.identity))?,
            limits: Limits::build(&policy.gateway.store, secret, previous.map(|one| &one.limits))?
                .with_quotas(&policy.gateway.quotas, previous.map(|one| &one.limits)),
            fleet: Fleet::build(&policy, &dialers, fleet, Instant::now()),
            dialers,
            plans,
            requests,
            pseudonym_key: Arc::new(secret.derive(Domain::Api, "")),
            affinity_key: secret.derive(Domain::Affinity, ""),
            tag_key: secret.derive(Domain::EntityTag, &policy.digest),
            credentials: Credentials::of(&policy.charter.cookies),
            hsts,
            policy,
        })
    }

    /// How a route's bodies are redacted; `None` where nothing is read.
    pub fn plan(&self, route: RouteId) -> Option<&Arc<Plan>> {
        self.plans.get(usize::from(route.0)).and_then(Option::as_ref)
    }

    /// How a route's requests are judged; `None` where none is.
    pub fn requests(&self, route: RouteId) -> Option<&RequestPlan> {
        self.requests.get(usize::from(route.0)).and_then(Option::as_ref)
    }
}
