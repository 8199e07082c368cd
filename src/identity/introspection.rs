//! The issuer's word on a token (RFC 7662), for tokens that only their issuer can read, or takes back.
//!
//! The token may look like anything: it is never decoded here. What the issuer says is believed for the policy's time and
//! never beyond `exp`, under a keyed hash of the token; concurrent exchanges ask once. A revoked token is effective as long
//! as that, no longer. An answer proves nothing unless it says `active` in so many letters, and what it says besides is
//! held to the types that the RFC gives.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::STANDARD};
use bytes::Bytes;
use form_urlencoded::byte_serialize;
use http::{
    HeaderValue, Request, Response, StatusCode,
    header::{ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONTENT_TYPE, HOST},
};
use serde_json::{Map, Value};

use super::{
    Answer, Credentials, Fetch, FetchError, RejectReason, TOKEN_BYTES,
    claims::Claims,
    discovery::{INTROSPECTION, locate},
    json,
    jwt::{Window, check_audience, check_issuer},
    renewed::Renewed,
    verdicts::{Verdict, Verdicts},
};
use crate::{
    policy::set::{
        ClaimPaths, ClientAuthentication, IdentityProvider, IntrospectionSettings, Located, Place, Renewal,
    },
    secret::DomainKey,
};

/// Longest answer that is read, in bytes.
const ANSWER_BYTES: usize = 64 * 1024;

/// The live part of an introspection provider.
#[derive(Clone)]
pub(super) struct Introspection {
    /// Where the endpoint is, once it is known.
    endpoint: Arc<Renewed<Place>>,
    verdicts: Verdicts,
    key: DomainKey,
}

impl Introspection {
    pub(super) fn new(settings: &IntrospectionSettings, key: DomainKey) -> Self {
        let endpoint = match &settings.endpoint {
            Located::Fixed(place) => Renewed::fixed(place.clone()),
            Located::Discovered(_) => Renewed::empty(Renewal::default()),
        };
        Self { endpoint: Arc::new(endpoint), verdicts: Verdicts::new(settings.cache_entries), key }
    }

    /// What the issuer says of the request's token.
    pub(super) async fn ask(
        &self,
        settings: &IntrospectionSettings,
        provider: &IdentityProvider,
        credentials: &Credentials<'_>,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Answer {
        let token = match credentials.token(&settings.token) {
            Ok(Some(token)) => token,
            Ok(None) => return Answer::Absent,
            Err(reason) => return Answer::Rejected(reason),
        };
        if token.len() > TOKEN_BYTES {
            return Answer::Rejected(RejectReason::CredentialTooLong);
        }
        // Two credentials in one, or bytes that no issuer hands out (RFC 6750 §2.1): nobody is asked.
        if !token.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b',' | b';' | b'"' | b'\\')) {
            return Answer::Rejected(RejectReason::MalformedToken);
        }
        let ask = async || {
            let (verdict, left) = self.look_up(token, settings, &provider.claims, fetch, now).await;
            let during = verdict.believed_for(settings.cache, &provider.roles).min(left);
            (verdict, during)
        };
        if settings.cache.is_zero() {
            return ask().await.0.into();
        }
        self.verdicts.get(credentials.recall.tag(token, &self.key), now, ask).await.into()
    }

    /// Drops what is kept for these credentials.
    pub(super) fn forget(&self, settings: &IntrospectionSettings, credentials: &Credentials<'_>) {
        if let Ok(Some(token)) = credentials.token(&settings.token) {
            self.verdicts.forget(&credentials.recall.tag(token, &self.key));
        }
    }

    /// Whether the endpoint's place is to be looked for.
    pub(super) fn is_due(&self, now: SystemTime) -> bool {
        self.endpoint.is_due(now)
    }

    /// Looks for the endpoint's place, in the background.
    pub(super) async fn tend(&self, settings: &IntrospectionSettings, fetch: &dyn Fetch, now: SystemTime) {
        self.endpoint.tend(now, async || locate(&settings.endpoint, INTROSPECTION, fetch).await).await;
    }

    /// Answers kept at present.
    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.verdicts.len()
    }

    async fn look_up(
        &self,
        token: &[u8],
        settings: &IntrospectionSettings,
        paths: &ClaimPaths,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> (Verdict, Duration) {
        let load = async || locate(&settings.endpoint, INTROSPECTION, fetch).await;
        let Some(place) = self.endpoint.current(now, load).await else {
            return (Verdict::Unavailable, Duration::MAX);
        };
        // The question changes nothing: it may be asked again if a kept connection died under it.
        let mut answer = Err(FetchError::Broken);
        for _ in 0..2 {
            let Some(request) = request(&place.value, token, &settings.client) else {
                return (Verdict::Unavailable, Duration::MAX);
            };
            answer = fetch.fetch(place.value.upstream, request).await;
            if !matches!(answer, Err(FetchError::Broken)) {
                break;
            }
        }
        let read = answer.ok().and_then(|answer| read(&answer));
        match read.map(|read| read.and_then(|answer| judge(answer, settings, paths, now))) {
            Some(Ok((claims, left))) => (Verdict::Known(Arc::new(claims)), left),
            Some(Err(reason)) => (Verdict::Rejected(reason), Duration::MAX),
            None => (Verdict::Unavailable, Duration::MAX),
        }
    }
}

/// The question (RFC 7662 §2.1).
fn request(place: &Place, token: &[u8], client: &ClientAuthentication) -> Option<Request<Bytes>> {
    let encoded = |text: &[u8]| byte_serialize(text).collect::<String>();
    let mut body = format!("token={}&token_type_hint=access_token", encoded(token));
    // RFC 6749 §2.3.1: both are encoded as in a form before they are joined.
    let authorization = match client {
        ClientAuthentication::Basic { id, secret } => {
            let pair = format!("{}:{}", encoded(id.as_bytes()), encoded(secret.expose().as_bytes()));
            Some(format!("Basic {}", STANDARD.encode(pair)))
        }
        ClientAuthentication::Post { id, secret } => {
            let secret = encoded(secret.expose().as_bytes());
            body.push_str(&format!("&client_id={}&client_secret={secret}", encoded(id.as_bytes())));
            None
        }
        ClientAuthentication::Bearer(token) => Some(format!("Bearer {}", token.expose())),
    };
    let mut request = Request::post(place.path.as_str()).body(Bytes::from(body)).ok()?;
    let headers = request.headers_mut();
    headers.insert(CONTENT_TYPE, HeaderValue::from_static("application/x-www-form-urlencoded"));
    headers.insert(ACCEPT, HeaderValue::from_static("application/json"));
    headers.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    if let Some(host) = &place.host {
        headers.insert(HOST, host.clone());
    }
    if let Some(authorization) = authorization {
        let mut value = HeaderValue::try_from(authorization).ok()?;
        value.set_sensitive(true);
        headers.insert(AUTHORIZATION, value);
    }
    Some(request)
}

/// The document of an answer; nothing if it proves nothing. A 401 is about the gateway, not about the token; but some say
/// with 400 that they do not speak of this kind of token (signed ones, mostly), in the words of RFC 7009 §2.2.1.
fn read(answer: &Response<Bytes>) -> Option<Result<Map<String, Value>, RejectReason>> {
    if answer.body().len() > ANSWER_BYTES {
        return None;
    }
    let Value::Object(members) = json::parse(answer.body())? else { return None };
    match answer.status() {
        StatusCode::OK if members.get("active").is_some_and(Value::is_boolean) => Some(Ok(members)),
        StatusCode::BAD_REQUEST
            if members.get("error").is_some_and(|error| error == "unsupported_token_type") =>
        {
            Some(Err(RejectReason::WrongTokenType))
        }
        _ => None,
    }
}

/// What an answer says of the caller (RFC 7662 §2.2), and how long the token still lives.
fn judge(
    answer: Map<String, Value>,
    settings: &IntrospectionSettings,
    paths: &ClaimPaths,
    now: SystemTime,
) -> Result<(Claims, Duration), RejectReason> {
    if answer.get("active") != Some(&Value::Bool(true)) {
        return Err(RejectReason::InactiveToken);
    }
    check_type(&answer)?;
    if let Some(issuer) = &settings.issuer
        && answer.contains_key("iss")
    {
        check_issuer(&answer, issuer)?;
    }
    if !settings.audience.is_empty() {
        check_audience(&answer, &settings.audience)?;
    }
    let window = Window::parse_open(&answer)?;
    window.admit(now, settings.skew)?;
    let claims = Claims::extract(paths, &Value::Object(answer)).map_err(|_| RejectReason::MalformedClaims)?;
    Ok((claims, window.left(now)))
}

/// Whoever holds a bearer token may use it. One that is bound to a key (RFC 8705, RFC 9449) proves nothing without that
/// key, which nobody asked for here.
fn check_type(answer: &Map<String, Value>) -> Result<(), RejectReason> {
    let bearer = match answer.get("token_type") {
        None => true,
        Some(Value::String(kind)) => kind.eq_ignore_ascii_case("bearer"),
        Some(_) => false,
    };
    if bearer && !answer.contains_key("cnf") { Ok(()) } else { Err(RejectReason::WrongTokenType) }
}
