//! Routes that check a credential: the guess is counted before the platform sees it, and settled by what it answers.

use std::time::SystemTime;

use http::{HeaderMap, HeaderName, HeaderValue, Response, StatusCode, header};
use percent_encoding::percent_decode;

use super::{
    body::{Content, Replay},
    coding::{BLOCK, Coding, Decoder},
    cookies::Pair,
    respond::{self, ExchangeError},
    snapshot::Snapshot,
};
use crate::{
    identity::Caller,
    limit::{self, Admission, Applicant, Attempt, DevicePlace, Outcome, Peek, PeekError, Submission},
    policy::set::{Authentication, DeviceCookie, RoutePolicy, SameSite, Uniform},
    telemetry::Scope,
};

/// A request on such a route, before the platform sees it.
pub(super) struct Tried<'a> {
    /// Head, query and body.
    pub(super) submission: Submission<'a>,
    /// Its cookies.
    pub(super) jar: &'a [Pair<'a>],
    /// Who the identity sources say it is.
    pub(super) caller: &'a Caller,
    /// From where.
    pub(super) address: std::net::IpAddr,
    /// The canonical host.
    pub(super) host: &'a str,
    /// When.
    pub(super) now: SystemTime,
}

/// An attempt under way.
pub(super) struct Guess<'a> {
    attempt: Attempt<'a>,
    auth: &'a Authentication,
    peek: Peek,
    device: Option<Remembering<'a>>,
}

/// What is needed to remember the device after a success.
struct Remembering<'a> {
    snapshot: &'a Snapshot,
    cookie: &'a DeviceCookie,
    upstream: &'a str,
    host: Box<str>,
    values: Vec<Box<[u8]>>,
    now: SystemTime,
}

/// Why an attempt does not get to the platform.
pub(super) enum Refusal {
    /// It cannot be read in exactly one way.
    Unreadable(PeekError),
    /// Too many failures.
    Throttled(Scope, Vec<(HeaderName, HeaderValue)>),
}

impl From<PeekError> for Refusal {
    fn from(error: PeekError) -> Self {
        Self::Unreadable(error)
    }
}

/// What the answer to an attempt gets, or what stands in for it.
#[derive(Default)]
pub(super) struct Settled {
    /// The device cookie.
    pub(super) cookie: Option<HeaderValue>,
    /// The same answer for every account.
    pub(super) uniform: Option<Response<Content>>,
}

impl Tried<'_> {
    /// Counts the guess, if the limits allow it.
    pub(super) async fn admit<'l>(
        &self,
        snapshot: &'l Snapshot,
        route: &'l RoutePolicy,
        auth: &'l Authentication,
    ) -> Result<Guess<'l>, Refusal> {
        let peek = limit::peek(auth, &self.submission)?;
        let upstream = snapshot.policy.gateway.upstreams.get(usize::from(route.upstream.0));
        let device = auth.device_cookie.as_ref().map(|cookie| Remembering {
            snapshot,
            cookie,
            upstream: upstream.map_or("", |upstream| &upstream.name),
            host: self.host.into(),
            values: self.cookies(&cookie.name).map(Into::into).collect(),
            now: self.now,
        });
        let mut sessions = Vec::new();
        for name in &auth.session {
            sessions.extend(session(name, self.cookies(name))?);
        }
        let who = Applicant {
            address: self.address,
            device: device.as_ref().and_then(|device| {
                snapshot.limits.recognise(&device.place(), &device.values(), &peek, self.now)
            }),
            sessions: &sessions,
            subject: self.caller.subject.as_ref().map(|subject| &**subject.expose()),
        };
        match snapshot.limits.admit(route, auth, &who, &peek).await {
            Admission::Allowed(attempt) => Ok(Guess { attempt, auth, peek, device }),
            Admission::Throttled { decisions, scope } => {
                Err(Refusal::Throttled(scope, limit::headers(&decisions)))
            }
        }
    }

    fn cookies<'c>(&'c self, name: &'c str) -> impl Iterator<Item = &'c [u8]> {
        self.jar.iter().filter(move |(own, _)| *own == name.as_bytes()).map(|(_, value)| *value)
    }
}

/// The one session that cookies of a name stand for. Two of them, or one that platforms decode in several ways, could be
/// counted as many sessions and tried as one.
fn session<'v>(name: &str, mut values: impl Iterator<Item = &'v [u8]>) -> Result<Option<Vec<u8>>, PeekError> {
    let Some(value) = values.next() else { return Ok(None) };
    if values.next().is_some() || value.iter().any(|b| matches!(b, b'"' | b'\\')) {
        return Err(PeekError::Ambiguous);
    }
    let mut session = name.as_bytes().to_vec();
    session.push(b'=');
    session.extend(percent_decode(value));
    Ok(Some(session))
}

impl Guess<'_> {
    /// The platform answered.
    pub(super) async fn settle(
        self,
        status: StatusCode,
        headers: &HeaderMap,
        body: &mut Replay,
        cap: u64,
    ) -> Settled {
        let Self { attempt, auth, peek, device } = self;
        if !attempt.is_guess() {
            return Settled::default();
        }
        let outcome = match limit::of_head(auth, status, headers) {
            Some(outcome) => outcome,
            None => limit::of_body(auth, whole(headers, body, cap).await.as_deref()),
        };
        attempt.settle(outcome).await;
        let cookie = match (outcome, device) {
            (Outcome::Success, Some(device)) => device.set_cookie(&peek),
            _ => None,
        };
        let told = outcome == Outcome::Failure;
        let uniform = auth.uniform.as_ref().filter(|_| told).map(|uniform| same_for_all(auth, uniform));
        Settled { cookie, uniform }
    }
}

impl Remembering<'_> {
    fn place(&self) -> DevicePlace<'_> {
        let (cookie, life) = (&*self.cookie.name, self.cookie.life);
        DevicePlace { cookie, host: &self.host, upstream: self.upstream, life }
    }

    fn values(&self) -> Vec<&[u8]> {
        self.values.iter().map(|value| &**value).collect()
    }

    fn set_cookie(&self, peek: &Peek) -> Option<HeaderValue> {
        let value = self.snapshot.limits.remember(&self.place(), &self.values(), peek, self.now)?;
        let same_site = match self.cookie.same_site {
            SameSite::Strict => "Strict",
            SameSite::Lax | SameSite::None => "Lax",
        };
        let (name, life) = (&self.cookie.name, self.cookie.life.as_secs());
        let field = format!("{name}={value}; Max-Age={life}; Path=/; Secure; HttpOnly; SameSite={same_site}");
        let mut field = HeaderValue::try_from(field).ok()?;
        field.set_sensitive(true);
        Some(field)
    }
}

/// The answer's body, decoded, as long as it is not too long; the client gets it all the same.
async fn whole(headers: &HeaderMap, body: &mut Replay, cap: u64) -> Option<Vec<u8>> {
    let coding = Coding::of(headers).ok()?;
    let mut decoder = coding.map(|coding| Decoder::new(coding, cap));
    let mut block = vec![0; if decoder.is_some() { BLOCK } else { 0 }];
    let mut text = Vec::new();
    body.look_again();
    while let Some(data) = body.look().await.ok()? {
        match &mut decoder {
            None => text.extend_from_slice(data),
            Some(decoder) => {
                decoder.feed(data.clone());
                loop {
                    match decoder.decode(&mut block).ok()? {
                        0 => break,
                        written => text.extend_from_slice(&block[..written]),
                    }
                    if text.len() > limit::ANSWER_BYTES {
                        return None;
                    }
                }
            }
        }
        if text.len() > limit::ANSWER_BYTES {
            return None;
        }
    }
    if let Some(decoder) = &mut decoder {
        decoder.finish().ok()?;
    }
    Some(text)
}

/// What is answered whether the account exists or not. Nothing of the platform's answer is left, its cookies included.
fn same_for_all(auth: &Authentication, uniform: &Uniform) -> Response<Content> {
    let mut response = Response::new(Content::empty());
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    match uniform {
        Uniform::Page(page) => {
            headers.insert(header::LOCATION, page.clone());
            *response.status_mut() = StatusCode::SEE_OTHER;
        }
        Uniform::Text => {
            let (status, title) = if auth.counts_every_request() {
                (StatusCode::OK, "The request was received. If it can be met, a message is on its way.")
            } else {
                (StatusCode::UNAUTHORIZED, "This did not work. Please check what you entered.")
            };
            if status == StatusCode::UNAUTHORIZED {
                headers.insert(header::WWW_AUTHENTICATE, HeaderValue::from_static("Bearer"));
            }
            headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
            let text = respond::problem("about:blank", title, status);
            headers.insert(header::CONTENT_LENGTH, HeaderValue::from(text.len()));
            *response.status_mut() = status;
            *response.body_mut() = Content::Whole(text.into());
        }
    }
    response
}

impl From<Refusal> for ExchangeError {
    fn from(refusal: Refusal) -> Self {
        match refusal {
            Refusal::Unreadable(error) => Self::UnreadableLogin(error),
            Refusal::Throttled(_, headers) => Self::Throttled { headers },
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_session_has_one_name_whatever_it_is_written_like() {
        let of = |values: &[&[u8]]| session("sid", values.iter().copied());
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&[b"a%3Ab"]), Ok(Some(b"sid=a:b".to_vec())));
        assert_eq!(of(&[b"%61%3ab"]), of(&[b"a:b"]));
        for bad in [&[&b"a"[..], b"b"][..], &[b"a", b"a"], &[b"\"a\""], &[b"\\141"]] {
            assert_eq!(of(bad), Err(PeekError::Ambiguous));
        }
    }
}
