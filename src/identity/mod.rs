//! Who asks: from a request's credentials to a [`Caller`], whose view the charter then decides.
//!
//! Providers are asked in the route's order. **The first whose credential is present decides**, for good or ill: a
//! credential that is invalid, or cannot be checked, makes the caller anonymous and nobody further is asked. Falling
//! through would let a request choose its provider by spoiling a stronger credential. An authentic caller none of
//! whose roles the charter knows is anonymous too, without subject or relations.
//!
//! [`Identity`] is built once for each snapshot of the policy and shared by all cores. What it learns (key sets,
//! session answers) is carried into the next snapshot for providers whose settings did not change.

mod cache;
mod certificate;
mod claims;
mod client_certificate;
mod clock;
mod credentials;
mod discovery;
mod fetch;
mod fingerprint;
mod forward_auth;
mod introspection;
mod json;
mod jwk;
mod jwks;
mod jwt;
mod outcome;
mod question;
mod relations;
mod renewed;
mod spiffe;
mod verdicts;
mod xfcc;

#[cfg(test)]
mod fixture;
#[cfg(test)]
mod tests;

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use self::{
    claims::Claims,
    fingerprint::{fingerprint, of_relations},
    forward_auth::Sessions,
    introspection::Introspection,
    jwk::Algorithm,
    jwks::Jwks,
    jwt::Tokens,
    relations::Relations,
};
pub use self::{
    credentials::{Credentials, Recall},
    fetch::{Fetch, FetchError, LocalBoxFuture},
    forward_auth::SESSION_BYTES,
    jwk::KeySetError,
    jwt::TOKEN_BYTES,
    outcome::{Outcome, RejectReason},
    relations::{Lookup, Renewal, Wanted},
};
use crate::{
    policy::set::{
        Charter, IdentityProvider, KeySource, Located, PolicySet, ProviderId, ProviderKind, RecipientId,
        RelationSourceId,
    },
    secret::{Domain, DomainKey, MasterSecret, Sensitive},
};

/// Who asks, in the charter's terms.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Caller {
    /// Never empty; several see the union of what each sees (charter 3).
    pub recipients: Vec<RecipientId>,
    /// The caller's own identifier, compared with the subjects of records.
    pub subject: Option<Sensitive<Box<str>>>,
    /// Groups the caller belongs to.
    pub groups: Vec<Sensitive<Box<str>>>,
    /// Children the caller answers for.
    pub wards: Vec<Sensitive<Box<str>>>,
    /// What quotas by claim count by.
    pub quota: Option<Sensitive<Box<str>>>,
    /// Who vouches for all this; `None` for the unknown caller.
    pub provider: Option<ProviderId>,
}

impl Caller {
    /// The unknown caller: the least view, related to nobody.
    pub fn anonymous(charter: &Charter) -> Self {
        Self {
            recipients: vec![charter.anonymous],
            subject: None,
            groups: Vec::new(),
            wards: Vec::new(),
            quota: None,
            provider: None,
        }
    }
}

/// The caller, and how that came about.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Identified {
    /// Who asks; anonymous unless the outcome is [`Outcome::Accepted`].
    pub caller: Caller,
    /// For the journal, for metrics, and for routes that require an identity.
    pub outcome: Outcome,
    /// The provider that decided; `None` when the outcome is [`Outcome::Absent`].
    pub provider: Option<ProviderId>,
}

/// What came of one relation source.
pub struct Related {
    /// Which.
    pub source: RelationSourceId,
    /// Whether it answered.
    pub lookup: Lookup,
    /// What should be asked again behind this exchange.
    pub renewal: Option<Renewal>,
}

/// Why a policy's providers cannot be built.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum IdentityError {
    /// An algorithm that no key can be pinned to.
    #[error(
        "identity provider `{provider}`: `{algorithm}` is not an algorithm that verifies tokens with a public key; \
         RS256, RS384, RS512, PS256, PS384, PS512, ES256, ES384 and EdDSA are"
    )]
    Algorithm {
        /// Name of the provider.
        provider: String,
        /// What its settings say.
        algorithm: String,
    },
    /// A key set that cannot be used.
    #[error("identity provider `{provider}`: {cause}")]
    Keys {
        /// Name of the provider.
        provider: String,
        /// Why.
        #[source]
        cause: KeySetError,
    },
    /// A path that is no path and query.
    #[error(
        "identity provider `{provider}`: the path is not the path and query of a URL, such as `/api/session?full=1`"
    )]
    Path {
        /// Name of the provider.
        provider: String,
    },
    /// A cookie that the gateway both forwards and adds.
    #[error("identity provider `{provider}`: the cookie `{cookie}` is both forwarded and fixed")]
    Cookie {
        /// Name of the provider.
        provider: String,
        /// Name of the cookie.
        cookie: String,
    },
}

/// What a provider answered.
enum Answer {
    Absent,
    Known(Arc<Claims>),
    Rejected(RejectReason),
    Unavailable,
}

/// The providers of one policy, alive.
pub struct Identity {
    providers: Vec<Provider>,
    /// By source, with the fingerprint of its settings.
    relations: Vec<([u8; 32], Relations)>,
}

struct Provider {
    /// Of all settings that answers depend on.
    fingerprint: [u8; 32],
    /// Of the settings that the key set depends on.
    keys: [u8; 32],
    live: Live,
}

enum Live {
    Jwt(Tokens),
    ForwardAuth(Sessions),
    Introspection(Introspection),
    ClientCertificate,
}

/// How a token provider's keys stand, for operators.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct KeyStatus {
    /// Which provider.
    pub provider: ProviderId,
    /// Keys that can verify tokens, counted once for each algorithm; 0 before the first load, and when they are too old.
    pub usable: usize,
    /// Members of the set that are of no use: encryption, symmetric, malformed, weak, private, or not allowed.
    pub ignored: usize,
    /// How long ago they were fetched; `None` for those of the policy itself, and before the first load.
    pub age: Option<Duration>,
    /// Loads that failed since the start.
    pub failures: u64,
}

impl Identity {
    /// The providers of a policy, with what the previous ones learnt where settings did not change.
    ///
    /// # Errors
    /// [`IdentityError`] for the first provider that cannot be built; the previous ones are untouched.
    pub fn build(
        policy: &PolicySet,
        secret: &MasterSecret,
        previous: Option<&Self>,
    ) -> Result<Self, IdentityError> {
        let key = secret.derive(Domain::IdentityCache, "");
        let build = |provider| Provider::build(policy, provider, &key, previous);
        let providers = policy.gateway.providers.iter().map(build).collect::<Result<_, _>>()?;
        let known = previous.map_or(&[][..], |identity| &identity.relations);
        let relations = policy.gateway.relations.iter().map(|source| {
            let fingerprint = of_relations(policy, source, &key);
            match known.iter().find(|(other, _)| *other == fingerprint) {
                Some((_, relations)) => (fingerprint, relations.clone()),
                None => (fingerprint, Relations::new(&source.name, source.cache_entries, key.clone())),
            }
        });
        Ok(Self { providers, relations: relations.collect() })
    }

    /// Asks the provider's relation sources about a caller that it knows; their groups and wards become the caller's.
    pub async fn relate(
        &self,
        policy: &PolicySet,
        caller: &mut Caller,
        wanted: Wanted<'_>,
        credentials: &Credentials<'_>,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Vec<Related> {
        let settings = caller.provider.and_then(|id| policy.gateway.providers.get(usize::from(id.0)));
        let mut all = Vec::new();
        for &id in settings.iter().flat_map(|provider| &provider.relations) {
            let place = usize::from(id.0);
            let (Some(source), Some((_, relations))) =
                (policy.gateway.relations.get(place), self.relations.get(place))
            else {
                continue;
            };
            if !(wanted.groups && source.groups.is_some() || wanted.wards && source.wards.is_some()) {
                continue;
            }
            let (lookup, renewal) =
                relations.relate((id, source), caller, credentials, wanted.host, fetch, now).await;
            all.push(Related { source: id, lookup, renewal });
        }
        all
    }

    /// Renews an answer, behind the exchange that used it.
    pub async fn renew(
        &self,
        policy: &PolicySet,
        renewal: Renewal,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Lookup {
        match policy.gateway.relations.get(usize::from(renewal.source.0)) {
            Some(source) => renewal.run(source, fetch, now).await,
            None => Lookup::Unavailable,
        }
    }

    /// Who asks. `policy` is the one that this was built from; `now` is when the exchange began.
    pub async fn identify(
        &self,
        policy: &PolicySet,
        providers: &[ProviderId],
        credentials: &Credentials<'_>,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Identified {
        let anonymous =
            |outcome, provider| Identified { caller: Caller::anonymous(&policy.charter), outcome, provider };
        for &id in providers {
            let Some((settings, live)) = self.provider(policy, id) else {
                return anonymous(Outcome::Unavailable, Some(id));
            };
            let answer = match (&settings.kind, live) {
                (ProviderKind::Jwt(jwt), Live::Jwt(tokens)) => {
                    tokens.ask(jwt, &settings.claims, credentials, fetch, now).await
                }
                (ProviderKind::ForwardAuth(endpoint), Live::ForwardAuth(sessions)) => {
                    sessions.ask(endpoint, settings, credentials, fetch, now).await
                }
                (ProviderKind::Introspection(endpoint), Live::Introspection(tokens)) => {
                    tokens.ask(endpoint, settings, credentials, fetch, now).await
                }
                (ProviderKind::ClientCertificate(certificate), Live::ClientCertificate) => {
                    client_certificate::ask(certificate, &settings.claims, &policy.gateway, credentials, now)
                }
                // Only another policy's providers could be of another kind.
                _ => Answer::Unavailable,
            };
            return match answer {
                Answer::Absent => continue,
                Answer::Known(claims) => match claims.caller(&settings.roles, &policy.charter, id) {
                    Some(caller) => Identified { caller, outcome: Outcome::Accepted, provider: Some(id) },
                    None => anonymous(Outcome::Rejected(RejectReason::NoKnownRole), Some(id)),
                },
                Answer::Rejected(reason) => anonymous(Outcome::Rejected(reason), Some(id)),
                Answer::Unavailable => anonymous(Outcome::Unavailable, Some(id)),
            };
        }
        anonymous(Outcome::Absent, None)
    }

    /// Drops the answers that are kept for these credentials: after a login or logout, or when the platform
    /// sets one of the session cookies. A question that is under way is answered, and not kept.
    pub fn forget(&self, policy: &PolicySet, providers: &[ProviderId], credentials: &Credentials<'_>) {
        for &id in providers {
            let Some((settings, live)) = self.provider(policy, id) else { continue };
            match (&settings.kind, live) {
                (ProviderKind::ForwardAuth(endpoint), Live::ForwardAuth(sessions)) => {
                    sessions.forget(endpoint, credentials);
                }
                (ProviderKind::Introspection(endpoint), Live::Introspection(tokens)) => {
                    tokens.forget(endpoint, credentials);
                }
                _ => {}
            }
        }
    }

    /// The providers of which something is to be fetched again: [`Self::tend`] does.
    pub fn due(&self, now: SystemTime) -> Vec<ProviderId> {
        let is_due = |provider: &Provider| match &provider.live {
            Live::Jwt(tokens) => tokens.keys.is_due(now),
            Live::ForwardAuth(_) | Live::ClientCertificate => false,
            Live::Introspection(tokens) => tokens.is_due(now),
        };
        (0..)
            .zip(&self.providers)
            .filter(|(_, provider)| is_due(provider))
            .map(|(place, _)| ProviderId(place))
            .collect()
    }

    /// Fetches keys and places of a provider again when they have reached their age, behind the exchanges' backs. To be
    /// called about once a second, on any core: one of them asks.
    pub async fn tend(&self, policy: &PolicySet, provider: ProviderId, fetch: &dyn Fetch, now: SystemTime) {
        let Some((settings, live)) = self.provider(policy, provider) else { return };
        match (&settings.kind, live) {
            (ProviderKind::Jwt(jwt), Live::Jwt(tokens)) => tokens.keys.tend(&jwt.keys, fetch, now).await,
            (ProviderKind::Introspection(endpoint), Live::Introspection(tokens)) => {
                tokens.tend(endpoint, fetch, now).await;
            }
            _ => {}
        }
    }

    /// How the key sets stand.
    pub fn key_status(&self, now: SystemTime) -> Vec<KeyStatus> {
        let status = |(place, provider): (u16, &Provider)| match &provider.live {
            Live::Jwt(tokens) => {
                let (usable, ignored, age, failures) = tokens.keys.status(now);
                Some(KeyStatus { provider: ProviderId(place), usable, ignored, age, failures })
            }
            Live::ForwardAuth(_) | Live::Introspection(_) | Live::ClientCertificate => None,
        };
        (0..).zip(&self.providers).filter_map(status).collect()
    }

    /// Answers about sessions and tokens kept at present.
    #[cfg(test)]
    fn sessions_kept(&self) -> usize {
        let kept = |provider: &Provider| match &provider.live {
            Live::ForwardAuth(sessions) => sessions.len(),
            Live::Introspection(tokens) => tokens.len(),
            Live::Jwt(_) | Live::ClientCertificate => 0,
        };
        self.providers.iter().map(kept).sum()
    }

    fn provider<'a>(
        &'a self,
        policy: &'a PolicySet,
        id: ProviderId,
    ) -> Option<(&'a IdentityProvider, &'a Live)> {
        let place = usize::from(id.0);
        Some((policy.gateway.providers.get(place)?, &self.providers.get(place)?.live))
    }
}

impl Provider {
    fn build(
        policy: &PolicySet,
        settings: &IdentityProvider,
        key: &DomainKey,
        previous: Option<&Identity>,
    ) -> Result<Self, IdentityError> {
        let (fingerprint, keys) = fingerprint(policy, settings, key);
        let before = previous.map_or(&[][..], |identity| &identity.providers);
        let same = before.iter().find(|provider| provider.fingerprint == fingerprint);
        let provider = || settings.name.clone();
        let check_path = |path: &str| match path.parse::<http::uri::PathAndQuery>() {
            Ok(_) if path.starts_with('/') => Ok(()),
            _ => Err(IdentityError::Path { provider: provider() }),
        };
        let live = match &settings.kind {
            ProviderKind::Jwt(jwt) => {
                if let KeySource::Remote { place, .. } = &jwt.keys {
                    check_path(located_at(place))?;
                }
                let pinnable = |name: &String| {
                    Algorithm::from_name(name).ok_or_else(|| IdentityError::Algorithm {
                        provider: provider(),
                        algorithm: name.clone(),
                    })
                };
                let mut allowed = jwt.algorithms.iter().map(pinnable).collect::<Result<Vec<_>, _>>()?;
                // A name given twice would make two verifiers of one key, and every token ambiguous.
                let mut seen = std::collections::HashSet::new();
                allowed.retain(|algorithm| seen.insert(*algorithm));
                let known_keys = before.iter().find_map(|provider| match &provider.live {
                    Live::Jwt(tokens) if provider.keys == keys => Some(Arc::clone(&tokens.keys)),
                    _ => None,
                });
                Live::Jwt(match (same.map(|same| &same.live), known_keys) {
                    (Some(Live::Jwt(tokens)), _) => tokens.clone(),
                    (_, Some(keys)) => Tokens::new(keys, key.clone()),
                    (_, None) => {
                        let keys = Jwks::build(&jwt.keys, allowed)
                            .map_err(|cause| IdentityError::Keys { provider: provider(), cause })?;
                        Tokens::new(Arc::new(keys), key.clone())
                    }
                })
            }
            ProviderKind::Introspection(endpoint) => {
                check_path(located_at(&endpoint.endpoint))?;
                Live::Introspection(match same.map(|same| &same.live) {
                    Some(Live::Introspection(tokens)) => tokens.clone(),
                    _ => Introspection::new(endpoint, key.clone()),
                })
            }
            ProviderKind::ClientCertificate(_) => Live::ClientCertificate,
            ProviderKind::ForwardAuth(endpoint) => {
                check_path(&endpoint.path)?;
                let twice = endpoint.fixed_cookies.iter().find(|(name, _)| endpoint.cookies.contains(name));
                if let Some((cookie, _)) = twice {
                    return Err(IdentityError::Cookie { provider: provider(), cookie: cookie.clone() });
                }
                Live::ForwardAuth(match same.map(|same| &same.live) {
                    Some(Live::ForwardAuth(sessions)) => sessions.clone(),
                    _ => Sessions::new(&settings.name, endpoint.cache_entries, key.clone()),
                })
            }
        };
        Ok(Self { fingerprint, keys, live })
    }
}

/// The path that is asked first.
fn located_at(place: &Located) -> &str {
    match place {
        Located::Fixed(place) => &place.path,
        Located::Discovered(discovery) => &discovery.document.path,
    }
}
