//! The platform's own session endpoint, for platforms that know only session cookies.
//!
//! Only the cookies and headers that the policy names are forwarded. Without any of them nobody is asked. Answers are
//! kept for a short time under a keyed hash of what was forwarded, and concurrent exchanges of one session ask once,
//! whichever core they run on: one page of forty calls is one look-up.

use std::{sync::Arc, time::SystemTime};

use bytes::Bytes;
use http::{
    HeaderValue, Method, Request, Response, StatusCode,
    header::{CONTENT_TYPE, LOCATION},
};
use serde_json::{Value, json};

use super::{
    Answer, Credentials, Fetch, RejectReason,
    claims::Claims,
    json, question,
    verdicts::{Verdict, Verdicts},
};
use crate::{
    policy::set::{ClaimPaths, ForwardAuthSettings, IdentityProvider},
    secret::DomainKey,
};

/// Most bytes of cookies and headers that are forwarded with one question.
pub const SESSION_BYTES: usize = 16 * 1024;
/// Longest answer that is read.
const ANSWER_BYTES: usize = 64 * 1024;
/// Longest `Location` that counts as a role text.
const LOCATION_BYTES: usize = 2048;

/// The live part of a session provider.
#[derive(Clone)]
pub(super) struct Sessions {
    verdicts: Verdicts,
    key: DomainKey,
    provider: String,
}

/// What of the caller's request is forwarded: pairs of settings order, each value once.
struct Forwarded<'a> {
    cookies: Vec<(&'a str, &'a [u8])>,
    headers: Vec<(&'a http::HeaderName, &'a [u8])>,
}

impl<'a> Forwarded<'a> {
    /// Nothing if the request has none of what the policy names.
    fn collect(
        settings: &'a ForwardAuthSettings,
        credentials: &Credentials<'a>,
    ) -> Result<Option<Self>, RejectReason> {
        let mut forwarded = Self { cookies: Vec::new(), headers: Vec::new() };
        let mut bytes = 0;
        for name in &settings.cookies {
            if let Some(value) = credentials.cookie(name)? {
                // A separator inside would smuggle in a cookie that the policy does not name.
                if value.contains(&b';') || HeaderValue::from_bytes(value).is_err() {
                    return Err(RejectReason::MalformedCredential);
                }
                bytes += name.len() + value.len();
                forwarded.cookies.push((name, value));
            }
        }
        for name in &settings.headers {
            if let Some(value) = credentials.header(name)? {
                bytes += name.as_str().len() + value.len();
                forwarded.headers.push((name, value));
            }
        }
        if bytes > SESSION_BYTES {
            return Err(RejectReason::CredentialTooLong);
        }
        let nothing = forwarded.cookies.is_empty() && forwarded.headers.is_empty();
        Ok((!nothing).then_some(forwarded))
    }

    /// The name under which the answer is kept. Lengths precede parts, counts precede lists: no two requests share one.
    fn tag(&self, key: &DomainKey, provider: &str) -> [u8; 32] {
        let count = (self.cookies.len() as u64).to_be_bytes();
        let mut parts: Vec<&[u8]> = vec![provider.as_bytes(), &count];
        parts.extend(self.cookies.iter().flat_map(|&(name, value)| [name.as_bytes(), value]));
        parts.extend(self.headers.iter().flat_map(|&(name, value)| [name.as_str().as_bytes(), value]));
        key.tag(&parts)
    }

    /// The question.
    fn request(&self, settings: &ForwardAuthSettings) -> Option<Request<Bytes>> {
        let mut request = Request::new(Bytes::new());
        *request.method_mut() = settings.method.clone();
        *request.uri_mut() = settings.path.parse().ok()?;
        let (headers, cookies) = (self.headers.iter().copied(), self.cookies.iter().copied());
        *request.headers_mut() =
            question::head(headers, cookies, &settings.fixed_headers, &settings.fixed_cookies)?;
        let has_body = matches!(settings.method, Method::POST | Method::PUT);
        if let Some(body) = settings.body.as_ref().filter(|_| has_body) {
            if !settings.fixed_headers.iter().any(|(name, _)| name == CONTENT_TYPE) {
                request.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
            }
            *request.body_mut() = Bytes::copy_from_slice(body.as_bytes());
        }
        Some(request)
    }
}

impl Sessions {
    pub(super) fn new(provider: &str, entries: usize, key: DomainKey) -> Self {
        Self { verdicts: Verdicts::new(entries), key, provider: provider.to_owned() }
    }

    /// What the platform says of the caller.
    pub(super) async fn ask(
        &self,
        settings: &ForwardAuthSettings,
        provider: &IdentityProvider,
        credentials: &Credentials<'_>,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Answer {
        let paths = &provider.claims;
        let forwarded = match Forwarded::collect(settings, credentials) {
            Ok(Some(forwarded)) => forwarded,
            Ok(None) => return Answer::Absent,
            Err(reason) => return Answer::Rejected(reason),
        };
        if settings.cache.is_zero() {
            return look_up(&forwarded, settings, paths, fetch).await.into();
        }
        let tag = forwarded.tag(&self.key, &self.provider);
        let ask = async || {
            let verdict = look_up(&forwarded, settings, paths, fetch).await;
            let during = verdict.believed_for(settings.cache, &provider.roles);
            (verdict, during)
        };
        self.verdicts.get(tag, now, ask).await.into()
    }

    /// Drops what is kept for these credentials.
    pub(super) fn forget(&self, settings: &ForwardAuthSettings, credentials: &Credentials<'_>) {
        if let Ok(Some(forwarded)) = Forwarded::collect(settings, credentials) {
            self.verdicts.forget(&forwarded.tag(&self.key, &self.provider));
        }
    }

    /// Answers kept at present.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.verdicts.len()
    }
}

async fn look_up(
    forwarded: &Forwarded<'_>,
    settings: &ForwardAuthSettings,
    paths: &ClaimPaths,
    fetch: &dyn Fetch,
) -> Verdict {
    let Some(request) = forwarded.request(settings) else {
        return Verdict::Rejected(RejectReason::MalformedCredential);
    };
    match fetch.fetch(settings.upstream, request).await {
        Ok(answer) => read(&answer, paths),
        Err(_) => Verdict::Unavailable,
    }
}

/// What an answer means. Statuses that the platform uses neither for "here you are" nor for "no" prove nothing.
fn read(answer: &Response<Bytes>, paths: &ClaimPaths) -> Verdict {
    let document = match answer.status() {
        StatusCode::UNAUTHORIZED | StatusCode::FORBIDDEN => {
            return Verdict::Rejected(RejectReason::SessionRefused);
        }
        status if status.is_success() && answer.body().len() <= ANSWER_BYTES => json::parse(answer.body()),
        StatusCode::MOVED_PERMANENTLY
        | StatusCode::FOUND
        | StatusCode::SEE_OTHER
        | StatusCode::TEMPORARY_REDIRECT
        | StatusCode::PERMANENT_REDIRECT => redirect(answer),
        _ => None,
    };
    match document.map(|document| Claims::extract(paths, &document)) {
        Some(Ok(claims)) => Verdict::Known(Arc::new(claims)),
        Some(Err(_)) => Verdict::Rejected(RejectReason::MalformedClaims),
        None => Verdict::Unavailable,
    }
}

/// Some platforms tell the role only by where they send the caller: `$.location`, compared as it stands with the role
/// table. The body of a redirect is not read.
fn redirect(answer: &Response<Bytes>) -> Option<Value> {
    let mut locations = answer.headers().get_all(LOCATION).iter();
    let (Some(location), None) = (locations.next(), locations.next()) else { return None };
    let location =
        std::str::from_utf8(location.as_bytes()).ok().filter(|text| text.len() <= LOCATION_BYTES)?;
    Some(json!({ "status": answer.status().as_u16(), "location": location }))
}
