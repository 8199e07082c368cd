//! What a source said about a credential: remembered for a short time, and asked for once however many wait for it,
//! whichever core they run on.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use super::{
    Answer, RejectReason,
    cache::{Answers, Weigh, answers},
    claims::Claims,
    clock::within,
};
use crate::policy::set::RecipientId;

/// How long a refusal is believed: short, for the next request may come after a login elsewhere.
const REFUSAL: Duration = Duration::from_secs(2);
/// How long a source that answers nonsense is spared.
const FAILURE: Duration = Duration::from_secs(1);

/// What a source said.
#[derive(Clone)]
pub(super) enum Verdict {
    Known(Arc<Claims>),
    Rejected(RejectReason),
    Unavailable,
}

impl Verdict {
    /// How long it is believed where the policy says `most`. Platforms that answer guests with 200, or send them to the
    /// login page, refuse as much as those with 401.
    pub(super) fn believed_for(&self, most: Duration, roles: &[(String, RecipientId)]) -> Duration {
        most.min(match self {
            Self::Known(claims) if claims.has_known_role(roles) => Duration::MAX,
            Self::Known(_) | Self::Rejected(_) => REFUSAL,
            Self::Unavailable => FAILURE,
        })
    }
}

impl From<Verdict> for Answer {
    fn from(verdict: Verdict) -> Self {
        match verdict {
            Verdict::Known(claims) => Self::Known(claims),
            Verdict::Rejected(reason) => Self::Rejected(reason),
            Verdict::Unavailable => Self::Unavailable,
        }
    }
}

/// A verdict and how long it is believed.
struct Remembered {
    verdict: Verdict,
    at: SystemTime,
    during: Duration,
}

impl Weigh for Remembered {
    fn bytes(&self) -> usize {
        match &self.verdict {
            Verdict::Known(claims) => claims.bytes(),
            Verdict::Rejected(_) | Verdict::Unavailable => 0,
        }
    }
}

/// The verdicts of one source. Clones share them.
#[derive(Clone)]
pub(super) struct Verdicts(Arc<Answers<Remembered>>);

impl Verdicts {
    /// A memory of so many entries of at most a KiB.
    pub(super) fn new(entries: usize) -> Self {
        Self(Arc::new(answers(entries)))
    }

    /// The verdict under a tag: the one that is kept, or else that of `ask`, which also says how long it is believed.
    pub(super) async fn get(
        &self,
        tag: [u8; 32],
        now: SystemTime,
        ask: impl AsyncFnOnce() -> (Verdict, Duration),
    ) -> Verdict {
        if let Some(kept) = self.0.get(&tag) {
            if within(kept.at, now, kept.during) {
                return kept.verdict.clone();
            }
            self.0.remove_if(&tag, |other| Arc::ptr_eq(other, &kept));
        }
        // Waits for an exchange that is asking already, and takes its answer whatever time that took: otherwise those
        // who wait for a slow endpoint would ask it one after the other. If the asking exchange is cancelled, this one
        // gets its place.
        let place = match self.0.get_value_or_guard_async(&tag).await {
            Ok(kept) => return kept.verdict.clone(),
            Err(place) => place,
        };
        let (verdict, during) = ask().await;
        // Not kept if it was forgotten meanwhile: the session may have changed under the question.
        let _ = place.insert(Arc::new(Remembered { verdict: verdict.clone(), at: now, during }));
        verdict
    }

    /// Drops what is kept under a tag.
    pub(super) fn forget(&self, tag: &[u8; 32]) {
        self.0.remove(tag);
    }

    /// Verdicts kept at present.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.0.len()
    }
}
