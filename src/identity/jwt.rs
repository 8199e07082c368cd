//! Signed tokens (RFC 7519, RFC 8725): compact JWS, verified by a key that is pinned to one algorithm.
//!
//! Everything in a token's header but `alg`, `kid` and `crit` is ignored, above all the keys and places of keys that
//! it may bring itself (`jwk`, `jku`, `x5u`, `x5c`). Time is a parameter.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{
    Answer, Credentials, Fetch, Recall, RejectReason,
    cache::{Answers, Weigh, answers},
    claims::Claims,
    clock::numeric_date,
    json,
    jwk::{Algorithm, KeySet},
    jwks::Jwks,
    renewed::Loaded,
};
use crate::{
    policy::set::{ClaimPaths, JwtSettings},
    secret::DomainKey,
};

/// Longest token, in bytes; a longer one is refused before anything of it is decoded.
pub const TOKEN_BYTES: usize = 8 * 1024;
/// Verified tokens that are remembered for each provider.
const VERIFIED: usize = 4096;

/// The live part of a token provider.
#[derive(Clone)]
pub(super) struct Tokens {
    /// Shared with the same provider of other snapshots.
    pub(super) keys: Arc<Jwks>,
    /// A page of forty calls brings one token forty times; a signature costs more than the rest of the exchange.
    verified: Arc<Answers<Verified>>,
    key: DomainKey,
}

/// A token whose signature and fixed claims are good; only time can still speak against it.
struct Verified {
    claims: Arc<Claims>,
    window: Window,
    generation: u64,
}

impl Weigh for Verified {
    fn bytes(&self) -> usize {
        self.claims.bytes()
    }
}

impl Tokens {
    pub(super) fn new(keys: Arc<Jwks>, key: DomainKey) -> Self {
        Self { keys, verified: Arc::new(answers(VERIFIED)), key }
    }

    /// What the request's token says of the caller.
    pub(super) async fn ask(
        &self,
        settings: &JwtSettings,
        paths: &ClaimPaths,
        credentials: &Credentials<'_>,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Answer {
        let token = match credentials.token(&settings.token) {
            Ok(Some(token)) => token,
            Ok(None) => return Answer::Absent,
            Err(reason) => return Answer::Rejected(reason),
        };
        match self.verify(token, credentials.recall, settings, paths, fetch, now).await {
            Ok(Some(claims)) => Answer::Known(claims),
            Ok(None) => Answer::Unavailable,
            Err(reason) => Answer::Rejected(reason),
        }
    }

    /// The claims of a good token; nothing when there are no keys to verify it with.
    async fn verify(
        &self,
        token: &[u8],
        recall: &Recall,
        settings: &JwtSettings,
        paths: &ClaimPaths,
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Result<Option<Arc<Claims>>, RejectReason> {
        if token.len() > TOKEN_BYTES {
            return Err(RejectReason::CredentialTooLong);
        }
        let tag = recall.tag(token, &self.key);
        if let (Some(set), Some(verified)) = (self.keys.usable(now), self.verified.get(&tag))
            && verified.generation == set.generation
        {
            verified.window.admit(now, settings.skew)?;
            return Ok(Some(Arc::clone(&verified.claims)));
        }
        // Before the keys: nonsense must not make the gateway fetch any.
        let jws = Jws::parse(token)?;
        let Some(mut set) = self.keys.current(&settings.keys, fetch, now).await else { return Ok(None) };
        let mark = self.keys.mark();
        let key = jws.key(&tag, &self.key);
        let mut conclusive = false;
        while let Err(reason) = jws.verify(&set) {
            if !jws.may_be_rotated(reason) {
                return Err(reason);
            }
            if conclusive {
                self.keys.lacks(key, now);
                return Err(reason);
            }
            conclusive = self.keys.look_for(&key, mark, &settings.keys, fetch, now).await.ok_or(reason)?;
            set = self.keys.usable(now).ok_or(reason)?;
        }
        let payload = jws.payload()?;
        check_issuer(&payload, &settings.issuer)?;
        check_audience(&payload, &settings.audience)?;
        let window = Window::parse(&payload)?;
        window.admit(now, settings.skew)?;
        let claims = Claims::extract(paths, &Value::Object(payload))
            .map(Arc::new)
            .map_err(|_| RejectReason::MalformedClaims)?;
        let verified = Verified { claims: Arc::clone(&claims), window, generation: set.generation };
        self.verified.insert(tag, Arc::new(verified));
        Ok(Some(claims))
    }
}

/// A compact JWS (RFC 7515 §7.1) whose header was read.
struct Jws<'a> {
    algorithm: Algorithm,
    id: Option<String>,
    message: &'a [u8],
    payload: &'a [u8],
    signature: Vec<u8>,
}

impl<'a> Jws<'a> {
    fn parse(token: &'a [u8]) -> Result<Self, RejectReason> {
        const MALFORMED: RejectReason = RejectReason::MalformedToken;
        let (message, signature) = split_at_last_dot(token).ok_or(MALFORMED)?;
        let (header, payload) = split_at_last_dot(message).ok_or(MALFORMED)?;
        let header = object(header).ok_or(MALFORMED)?;
        // `b64` says that the payload is not encoded (RFC 7797); without `crit` one reader would heed it, the next not.
        if header.contains_key("crit") || header.contains_key("b64") {
            return Err(RejectReason::CriticalHeader);
        }
        let algorithm = header
            .get("alg")
            .and_then(Value::as_str)
            .and_then(Algorithm::from_name)
            .ok_or(RejectReason::UnsupportedAlgorithm)?;
        let id = match header.get("kid") {
            None => None,
            Some(Value::String(id)) => Some(id.clone()),
            Some(_) => return Err(MALFORMED),
        };
        let signature = URL_SAFE_NO_PAD.decode(signature).map_err(|_| MALFORMED)?;
        Ok(Self { algorithm, id, message, payload, signature })
    }

    /// What stands for the key that it needs: its id, or where it names none the token itself.
    fn key(&self, token: &[u8; 32], key: &DomainKey) -> [u8; 32] {
        self.id.as_ref().map_or(*token, |id| key.tag(&[b"kid", id.as_bytes()]))
    }

    fn verify(&self, set: &Loaded<KeySet>) -> Result<(), RejectReason> {
        set.value.verify(self.id.as_deref(), self.algorithm, self.message, &self.signature)
    }

    /// Whether a newer key set could hold the key: the named one is unknown, or none is named and those there are do
    /// not fit.
    fn may_be_rotated(&self, reason: RejectReason) -> bool {
        match reason {
            RejectReason::UnknownKey => true,
            RejectReason::BadSignature | RejectReason::AmbiguousKey => self.id.is_none(),
            _ => false,
        }
    }

    /// The claims; only to be asked for once the signature is good.
    fn payload(&self) -> Result<Map<String, Value>, RejectReason> {
        object(self.payload).ok_or(RejectReason::MalformedToken)
    }
}

fn split_at_last_dot(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let dot = memchr::memrchr(b'.', text)?;
    Some((&text[..dot], &text[dot + 1..]))
}

/// A part of a token: base64url without padding, a JSON object inside. A further dot is no base64url.
fn object(part: &[u8]) -> Option<Map<String, Value>> {
    match json::parse(&URL_SAFE_NO_PAD.decode(part).ok()?)? {
        Value::Object(members) => Some(members),
        _ => None,
    }
}

pub(super) fn check_issuer(payload: &Map<String, Value>, issuer: &str) -> Result<(), RejectReason> {
    match payload.get("iss") {
        Some(Value::String(text)) if text == issuer => Ok(()),
        _ => Err(RejectReason::WrongIssuer),
    }
}

pub(super) fn check_audience(payload: &Map<String, Value>, accepted: &[String]) -> Result<(), RejectReason> {
    let is_accepted =
        |value: &Value| value.as_str().is_some_and(|text| accepted.iter().any(|audience| audience == text));
    let good = match payload.get("aud") {
        Some(Value::Array(audiences)) => audiences.iter().any(is_accepted),
        Some(audience) => is_accepted(audience),
        None => false,
    };
    if good { Ok(()) } else { Err(RejectReason::WrongAudience) }
}

/// When a token is good, in seconds since 1970.
pub(super) struct Window {
    until: f64,
    from: Option<f64>,
}

impl Window {
    /// `exp` must be there, and whatever is there must be a number: a text was once skipped in silence
    /// (CVE-2026-25537).
    fn parse(payload: &Map<String, Value>) -> Result<Self, RejectReason> {
        let window = Self::parse_open(payload)?;
        if payload.contains_key("exp") { Ok(window) } else { Err(RejectReason::MissingExpiry) }
    }

    /// The same where nothing has to be there.
    pub(super) fn parse_open(claims: &Map<String, Value>) -> Result<Self, RejectReason> {
        let date = |name| match claims.get(name) {
            None => Ok(None),
            Some(value) => value.as_f64().map(Some).ok_or(RejectReason::MalformedTime),
        };
        date("iat")?;
        Ok(Self { until: date("exp")?.unwrap_or(f64::INFINITY), from: date("nbf")? })
    }

    /// How long it is until `exp`: nothing once it has come.
    pub(super) fn left(&self, now: SystemTime) -> Duration {
        let left = self.until - numeric_date(now);
        Duration::try_from_secs_f64(left).unwrap_or(if left > 0.0 { Duration::MAX } else { Duration::ZERO })
    }

    pub(super) fn admit(&self, now: SystemTime, skew: Duration) -> Result<(), RejectReason> {
        let (now, skew) = (numeric_date(now), skew.as_secs_f64());
        if now >= self.until + skew {
            return Err(RejectReason::Expired);
        }
        match self.from {
            Some(from) if now + skew < from => Err(RejectReason::NotYetValid),
            _ => Ok(()),
        }
    }
}
