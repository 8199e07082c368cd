//! Relation sources: upstream calls that list a teacher's classes or a guardian's children.
//!
//! They are asked for known callers only, where the charter lets one see something for the sake of a relation. Answers are kept
//! under a keyed hash of the source, the host and the subject. For `cache` they count as they are; from then until `max_age` one
//! exchange renews them in the background while the others go on with them; older ones count no longer, whatever became of
//! their renewal. Without an answer the caller has no relation, or the route refuses: never an old relation beyond its age.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use http::{HeaderMap, Request, StatusCode};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::Value;

use super::{
    Caller, Credentials, Fetch,
    cache::{Answers, Weigh, answers},
    claims::{Claims, first_text},
    clock::within,
    json, question,
};
use crate::{
    policy::set::{ClaimPaths, RelationSource, RelationSourceId},
    secret::{DomainKey, Sensitive},
};

/// How long an empty answer counts: somebody may be about to get a class.
const NEGATIVE: Duration = Duration::from_secs(5);
/// How long a source that answers nonsense is spared.
const FAILURE: Duration = Duration::from_secs(1);
/// Longest address of a next page, in bytes.
const NEXT_BYTES: usize = 4096;
/// Everything but the unreserved characters (RFC 3986 2.3).
const ENCODED: &AsciiSet = &NON_ALPHANUMERIC.remove(b'-').remove(b'.').remove(b'_').remove(b'~');

/// Which relations could open anything of what is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Wanted<'a> {
    /// Groups.
    pub groups: bool,
    /// Children.
    pub wards: bool,
    /// The host that was asked for: a platform may have other people behind another.
    pub host: &'a [u8],
}

/// What came of one source.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Lookup {
    /// An answer that still counted, or that another exchange was waiting for.
    Kept,
    /// The source answered.
    Asked,
    /// An answer past its time and not past its age; it is being renewed.
    Old,
    /// There is no answer.
    Unavailable,
}

impl Lookup {
    /// The word in the journal and in labels.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Kept => "kept",
            Self::Asked => "asked",
            Self::Old => "old",
            Self::Unavailable => "unavailable",
        }
    }
}

/// The live part of a source.
#[derive(Clone)]
pub(super) struct Relations {
    answers: Arc<Answers<Remembered>>,
    key: DomainKey,
    name: Arc<str>,
}

struct Remembered {
    /// `None` where the source gave no answer.
    claims: Option<Arc<Claims>>,
    /// When the source gave it.
    at: SystemTime,
    /// When the source was last asked, and how long that will do.
    asked: SystemTime,
    during: Duration,
    renewing: AtomicBool,
}

impl Weigh for Remembered {
    fn bytes(&self) -> usize {
        self.claims.as_ref().map_or(0, |claims| claims.bytes())
    }
}

/// A question, whole, so that it can be asked behind the exchange that had it.
struct Question {
    path: Sensitive<String>,
    headers: HeaderMap,
}

/// An answer that should be renewed behind the exchange that used it.
pub struct Renewal {
    /// The source.
    pub source: RelationSourceId,
    relations: Relations,
    tag: [u8; 32],
    old: Arc<Remembered>,
    question: Question,
}

impl Drop for Renewal {
    fn drop(&mut self) {
        // If nothing came of it, the next exchange tries.
        self.old.renewing.store(false, Ordering::Release);
    }
}

impl Relations {
    pub(super) fn new(name: &str, entries: usize, key: DomainKey) -> Self {
        Self { answers: Arc::new(answers(entries)), key, name: name.into() }
    }

    /// Gives a caller the relations that the source lists.
    pub(super) async fn relate(
        &self,
        (id, source): (RelationSourceId, &RelationSource),
        caller: &mut Caller,
        credentials: &Credentials<'_>,
        host: &[u8],
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> (Lookup, Option<Renewal>) {
        let Some((question, tag)) = self.question(source, caller, credentials, host) else {
            return (Lookup::Unavailable, None);
        };
        let (lookup, claims, renewal) = self.answer(id, source, question, tag, fetch, now).await;
        if let Some(claims) = claims {
            claims.relate(caller);
        }
        (lookup, renewal)
    }

    async fn answer(
        &self,
        id: RelationSourceId,
        source: &RelationSource,
        question: Question,
        tag: [u8; 32],
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> (Lookup, Option<Arc<Claims>>, Option<Renewal>) {
        let outcome =
            |kept: &Remembered| if kept.claims.is_some() { Lookup::Kept } else { Lookup::Unavailable };
        if let Some(kept) = self.answers.get(&tag) {
            let counts = kept.claims.is_none() || within(kept.at, now, source.max_age);
            if counts && within(kept.asked, now, kept.during) {
                return (outcome(&kept), kept.claims.clone(), None);
            }
            if counts && kept.claims.is_some() {
                let renewal = (!kept.renewing.swap(true, Ordering::AcqRel)).then(|| Renewal {
                    source: id,
                    relations: self.clone(),
                    tag,
                    old: Arc::clone(&kept),
                    question,
                });
                return (Lookup::Old, kept.claims.clone(), renewal);
            }
            self.answers.remove_if(&tag, |other| Arc::ptr_eq(other, &kept));
        }
        // As with sessions: one exchange asks, the others take its answer.
        let place = match self.answers.get_value_or_guard_async(&tag).await {
            Ok(kept) => return (outcome(&kept), kept.claims.clone(), None),
            Err(place) => place,
        };
        let claims = look_up(source, &question, fetch).await.map(Arc::new);
        let _ = place.insert(Arc::new(remembered(source, claims.clone(), now)));
        let lookup = if claims.is_some() { Lookup::Asked } else { Lookup::Unavailable };
        (lookup, claims, None)
    }

    /// What is asked, and the name under which the answer is kept: what is forwarded of the caller is part of it.
    fn question(
        &self,
        source: &RelationSource,
        caller: &Caller,
        credentials: &Credentials<'_>,
        host: &[u8],
    ) -> Option<(Question, [u8; 32])> {
        let subject = caller.subject.as_ref()?.expose();
        // A segment of dots would lead elsewhere.
        if subject.bytes().all(|byte| byte == b'.') {
            return None;
        }
        let encoded = utf8_percent_encode(subject, ENCODED).to_string();
        let mut parts: Vec<&[u8]> = vec![self.name.as_bytes(), host, subject.as_bytes()];
        let (mut headers, mut cookies) = (Vec::new(), Vec::new());
        for name in &source.headers {
            let value = credentials.header(name).ok()?;
            parts.push(value.unwrap_or_default());
            headers.extend(value.map(|value| (name, value)));
        }
        for name in &source.cookies {
            let value = credentials.cookie(name).ok()?;
            parts.push(value.unwrap_or_default());
            // A separator inside would smuggle in a cookie that the policy does not name.
            if value.is_some_and(|value| value.contains(&b';')) {
                return None;
            }
            cookies.extend(value.map(|value| (name.as_str(), value)));
        }
        let (headers, cookies) = (headers.into_iter(), cookies.into_iter());
        let headers = question::head(headers, cookies, &source.fixed_headers, &source.fixed_cookies)?;
        let tag = self.key.tag(&parts);
        Some((Question { path: Sensitive::new(source.path.join(&encoded)), headers }, tag))
    }
}

fn remembered(source: &RelationSource, claims: Option<Arc<Claims>>, now: SystemTime) -> Remembered {
    let during = match &claims {
        Some(claims) if claims.has_relations() => source.cache,
        Some(_) => source.cache.min(NEGATIVE),
        None => FAILURE,
    };
    Remembered { claims, at: now, asked: now, during, renewing: AtomicBool::new(false) }
}

impl Renewal {
    /// Asks again. An answer that fails leaves the old one, which grows no younger.
    pub(super) async fn run(self, source: &RelationSource, fetch: &dyn Fetch, now: SystemTime) -> Lookup {
        let claims = look_up(source, &self.question, fetch).await.map(Arc::new);
        let lookup = if claims.is_some() { Lookup::Asked } else { Lookup::Unavailable };
        let fresh = match claims {
            Some(claims) => remembered(source, Some(claims), now),
            None => Remembered {
                claims: self.old.claims.clone(),
                at: self.old.at,
                asked: now,
                during: FAILURE,
                renewing: AtomicBool::new(false),
            },
        };
        // Not where it was evicted, or another answer took its place.
        if self.relations.answers.remove_if(&self.tag, |kept| Arc::ptr_eq(kept, &self.old)).is_some() {
            self.relations.answers.insert(self.tag, Arc::new(fresh));
        }
        lookup
    }
}

/// The whole answer, of all its pages; nothing if one of them fails: half a list would be another list.
async fn look_up(source: &RelationSource, question: &Question, fetch: &dyn Fetch) -> Option<Claims> {
    let paths =
        ClaimPaths { groups: source.groups.clone(), wards: source.wards.clone(), ..ClaimPaths::default() };
    let mut all = Claims::default();
    let mut path = question.path.expose().clone();
    for page in 1..=source.pages {
        let mut request = Request::get(path.as_str()).body(Bytes::new()).ok()?;
        *request.headers_mut() = question.headers.clone();
        let answer = fetch.fetch(source.upstream, request).await.ok()?;
        let document = match answer.status() {
            StatusCode::OK => json::parse(answer.body())?,
            // The platform knows of nobody who is related to them.
            StatusCode::NOT_FOUND if page == 1 => return Some(all),
            _ => return None,
        };
        all.join(Claims::extract(&paths, &document).ok()?).ok()?;
        match next(source, &document, question.path.expose())? {
            Some(address) => path = address,
            None => return Some(all),
        }
    }
    None
}

/// The path of the next page, if there is one. It must be the same call: an answer does not choose what is asked, with the
/// gateway's own credential, beyond its own pages.
fn next(source: &RelationSource, document: &Value, first: &str) -> Option<Option<String>> {
    let Some(path) = &source.next else { return Some(None) };
    let Some(address) = first_text(path, document).ok()? else { return Some(None) };
    if address.len() > NEXT_BYTES {
        return None;
    }
    let address: http::Uri = address.parse().ok()?;
    let target = address.path_and_query()?;
    let same = first.split('?').next() == Some(target.path()) && target.as_str().starts_with('/');
    same.then(|| Some(target.as_str().to_owned()))
}
