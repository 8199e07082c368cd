//! A provider's key set, and what is known not to be in it.
//!
//! Rotation must be noticed at once, and tokens with made-up key ids must not become requests to the identity provider:
//! attempts are bounded ([`super::renewed`]), and an id that was just looked for in vain costs nothing.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Fetch,
    cache::{Answers, Weigh, answers},
    clock::within,
    discovery::{KEYS, get, locate},
    jwk::{Algorithm, KeySet, KeySetError},
    renewed::{Loaded, Renewed},
};
use crate::policy::set::KeySource;

/// How long a key that was looked for in vain is not looked for again.
const ABSENT: Duration = Duration::from_secs(5);
/// Ids that are remembered as absent.
const ABSENTEES: usize = 1024;

/// The key set of one source.
pub(super) struct Jwks {
    allowed: Vec<Algorithm>,
    set: Renewed<KeySet>,
    absent: Answers<Absence>,
}

/// Since when a key is known to be absent.
struct Absence(SystemTime);

impl Weigh for Absence {
    fn bytes(&self) -> usize {
        0
    }
}

impl Jwks {
    /// The keys of a source: parsed now if they are part of the policy, otherwise fetched.
    pub(super) fn build(source: &KeySource, allowed: Vec<Algorithm>) -> Result<Self, KeySetError> {
        let set = match source {
            KeySource::Inline(bytes) => Renewed::fixed(KeySet::parse(bytes, &allowed)?),
            KeySource::Remote { renewal, .. } => Renewed::empty(*renewal),
        };
        Ok(Self { allowed, set, absent: answers(ABSENTEES) })
    }

    /// The set, unless it is missing or too old: what an exchange may use without waiting.
    pub(super) fn usable(&self, now: SystemTime) -> Option<Arc<Loaded<KeySet>>> {
        self.set.usable(now)
    }

    /// The set to use.
    pub(super) async fn current(
        &self,
        source: &KeySource,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Option<Arc<Loaded<KeySet>>> {
        self.set.current(now, async || self.load(source, fetch).await).await
    }

    /// The moment, for [`Self::look_for`].
    pub(super) fn mark(&self) -> u64 {
        self.set.mark()
    }

    /// Has the set renewed because it does not hold a key. `Some(true)` if the set is now one that would hold it, if there
    /// were such a key; `Some(false)` if it is newer, and may be asked for once more; nothing if there is no other.
    pub(super) async fn look_for(
        &self,
        key: &[u8; 32],
        mark: u64,
        source: &KeySource,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Option<bool> {
        match self.absent.get(key) {
            Some(absence) if within(absence.0, now, ABSENT) => None,
            _ => self.set.renew(mark, now, async || self.load(source, fetch).await).await,
        }
    }

    /// Remembers that the provider does not have a key.
    pub(super) fn lacks(&self, key: [u8; 32], now: SystemTime) {
        self.absent.insert(key, Arc::new(Absence(now)));
    }

    /// Whether the set is to be renewed.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.set.is_due(now)
    }

    /// Renews the set in the background.
    pub(super) async fn tend(&self, source: &KeySource, fetch: &dyn Fetch, now: SystemTime) {
        self.set.tend(now, async || self.load(source, fetch).await).await;
    }

    /// How the set stands: keys that can be used, members of no use, its age, loads that failed.
    pub(super) fn status(&self, now: SystemTime) -> (usize, usize, Option<Duration>, u64) {
        let usable = self.usable(now).map_or(0, |loaded| loaded.value.len());
        let ignored = self.set.loaded().map_or(0, |loaded| loaded.value.ignored);
        (usable, ignored, self.set.age(now), self.set.failures())
    }

    async fn load(&self, source: &KeySource, fetch: &dyn Fetch) -> Option<KeySet> {
        let KeySource::Remote { place, .. } = source else { return None };
        let place = locate(place, KEYS, fetch).await?;
        let body = get(&place, "application/json, application/jwk-set+json", fetch).await?;
        KeySet::parse(&body, &self.allowed).ok()
    }
}
