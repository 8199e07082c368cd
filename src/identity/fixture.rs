//! What the tests of this room share: a policy, real keys, and an upstream that answers as it is told.

use std::{
    cell::RefCell,
    collections::VecDeque,
    rc::Rc,
    sync::{
        Arc, LazyLock,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, SystemTime},
};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use bytes::Bytes;
use http::{HeaderMap, HeaderValue, Method, Request, Response};
use jsonwebtoken::{Algorithm, EncodingKey, jwk::Jwk};
use serde_json::{Value, json};
use tokio::sync::Notify;

use super::{Credentials, Fetch, FetchError, Identified, Identity, LocalBoxFuture, Outcome, Recall};
use crate::{
    policy::set::{
        AddressMode, Charter, ClaimPaths, ClientAuthentication, ClientLimits, Discovery, Endpoint,
        ForwardAuthSettings, GatewaySettings, HostHeader, Hsts, IdentityProvider, IntrospectionSettings,
        JournalSettings, JournalTarget, JwtSettings, KeySource, Listen, Located, Origin, Place, PolicySet,
        Protocol, ProviderId, ProviderKind, Recipient, RecipientId, Renewal, Sees, Store, Timeouts,
        TokenSource, Upstream, UpstreamId,
    },
    secret::MasterSecret,
};

pub(super) const ISSUER: &str = "https://id.school.example";
pub(super) const AUDIENCE: &str = "school";

/// The moment at which the tests' exchanges begin.
pub(super) fn noon() -> SystemTime {
    SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000)
}

pub(super) fn after(seconds: f64) -> SystemTime {
    noon() + Duration::from_secs_f64(seconds)
}

/// Recipients: 0 anonymous, 1 learner, 2 teacher, 3 administrator.
pub(super) fn charter() -> Charter {
    let recipient = |name: &str| Recipient { name: name.into(), article: None, sees: Sees::default() };
    Charter {
        title: "t".into(),
        version: "1".into(),
        purposes: Vec::new(),
        categories: Vec::new(),
        recipients: ["anonymous", "learner", "teacher", "administrator"].map(recipient).into(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

pub(super) fn roles() -> Vec<(String, RecipientId)> {
    [("student", 1), ("learner", 1), ("teacher", 2), ("true", 3), ("/en/coach/", 2), ("guest", 0)]
        .map(|(text, place)| (text.to_owned(), RecipientId(place)))
        .into()
}

pub(super) fn claims() -> ClaimPaths {
    let path = |text: &str| Some(text.parse().unwrap());
    ClaimPaths {
        subject: path("$.sub"),
        role: path("$.role"),
        groups: path("$.groups"),
        wards: path("$.wards"),
        quota: path("$.tenant"),
    }
}

pub(super) fn jwt(keys: KeySource) -> JwtSettings {
    JwtSettings {
        issuer: ISSUER.into(),
        audience: vec!["other".into(), AUDIENCE.into()],
        keys,
        token: TokenSource::Authorization,
        skew: Duration::from_secs(30),
        algorithms: ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"]
            .map(String::from)
            .into(),
    }
}

pub(super) fn remote() -> KeySource {
    let place = Place { upstream: UpstreamId(0), path: "/jwks".into(), host: None };
    KeySource::Remote { place: Located::Fixed(place), renewal: Renewal::default() }
}

/// [`ISSUER`] describes itself, behind upstream 0.
pub(super) fn discovery() -> Discovery {
    let origin = Origin { tls: true, host: "id.school.example".into(), port: 443, upstream: UpstreamId(0) };
    let path = "/.well-known/openid-configuration".into();
    let document = Place { upstream: UpstreamId(0), path, host: None };
    Discovery { document, issuer: ISSUER.into(), origins: vec![origin] }
}

/// The issuer is asked about tokens.
pub(super) fn introspection() -> IntrospectionSettings {
    let place = Place { upstream: UpstreamId(0), path: "/introspect".into(), host: None };
    IntrospectionSettings {
        endpoint: Located::Fixed(place),
        client: ClientAuthentication::Basic { id: "rempart".into(), secret: "s e:cret".to_owned().into() },
        token: TokenSource::Authorization,
        issuer: Some(ISSUER.into()),
        audience: vec![AUDIENCE.into()],
        skew: Duration::from_secs(30),
        cache: Duration::from_secs(30),
        cache_entries: 100,
    }
}

pub(super) fn endpoint() -> ForwardAuthSettings {
    ForwardAuthSettings {
        upstream: UpstreamId(0),
        method: Method::GET,
        path: "/api/session?full=1".into(),
        cookies: vec!["session".into(), "device".into()],
        headers: vec![http::HeaderName::from_static("x-platform-token")],
        fixed_headers: Vec::new(),
        fixed_cookies: Vec::new(),
        body: None,
        cache: Duration::from_secs(5),
        cache_entries: 100,
    }
}

pub(super) fn provider(name: &str, kind: ProviderKind) -> IdentityProvider {
    IdentityProvider { name: name.into(), kind, claims: claims(), roles: roles(), relations: Vec::new() }
}

pub(super) fn upstream(name: &str) -> Upstream {
    Upstream {
        name: name.into(),
        endpoints: vec![Endpoint { host: "127.0.0.1".into(), port: 8080 }],
        tls: None,
        protocol: Protocol::Http1,
        host: HostHeader::Preserve,
        connect_timeout: Duration::from_secs(1),
        response_timeout: Duration::from_secs(1),
        idle_connections: 1,
        idle_timeout: Duration::from_secs(1),
        country: None,
        resilience: crate::policy::set::Resilience::default(),
    }
}

pub(super) fn policy(providers: Vec<IdentityProvider>) -> PolicySet {
    let second = Duration::from_secs(1);
    let nowhere = "127.0.0.1:0".parse().unwrap();
    PolicySet {
        digest: String::new(),
        gateway: GatewaySettings {
            listen: Listen { https: Vec::new(), http: Vec::new(), admin: nowhere, public_https_port: 443 },
            workers: None,
            certificates: Vec::new(),
            client_certificates: None,
            ticket_keys: Vec::new(),
            hsts: Hsts { max_age: second, include_subdomains: false },
            trusted_proxies: Vec::new(),
            limits: ClientLimits {
                header_count: 1,
                header_bytes: 1,
                uri_bytes: 1,
                body_bytes: 1,
                body_rate: 0,
                connections: 1,
                connections_per_address: 1,
                handshakes: 1,
                handshakes_per_address: 1,
                requests_per_connection: None,
                exchanges: 1,
                h2_streams: 1,
                h2_continuations: 5,
                h2_frames: crate::policy::set::FrameRates::all(1000),
                decoded_bytes: 1,
            },
            timeouts: Timeouts {
                handshake: second,
                headers: second,
                idle: second,
                body: second,
                connection: None,
                queue: std::time::Duration::ZERO,
                drain: second,
                drain_delay: std::time::Duration::ZERO,
            },
            providers,
            relations: Vec::new(),
            store: Store::Memory,
            quotas: Vec::new(),
            secret: None,
            journal: JournalSettings { to: JournalTarget::Stdout, queue: 1, address: AddressMode::Pseudonym },
            resolver: Vec::new(),
            upstreams: vec![upstream("platform")],
        },
        charter: charter(),
        routes: Vec::new(),
    }
}

pub(super) fn secret() -> MasterSecret {
    MasterSecret::from_bytes(&[7; 32]).unwrap()
}

/// A key pair of an identity provider.
pub(super) struct Signer {
    pub(super) id: &'static str,
    pub(super) algorithm: Algorithm,
    pub(super) private: EncodingKey,
    pub(super) public_pem: String,
    raw: Vec<u8>,
}

impl Signer {
    fn new(id: &'static str, algorithm: Algorithm) -> Self {
        let kind = match algorithm {
            Algorithm::ES256 => &rcgen::PKCS_ECDSA_P256_SHA256,
            Algorithm::ES384 => &rcgen::PKCS_ECDSA_P384_SHA384,
            Algorithm::EdDSA => &rcgen::PKCS_ED25519,
            _ => &rcgen::PKCS_RSA_SHA256,
        };
        let pair = rcgen::KeyPair::generate_for(kind).unwrap();
        let pem = pair.serialize_pem();
        let private = match algorithm {
            Algorithm::ES256 | Algorithm::ES384 => EncodingKey::from_ec_pem(pem.as_bytes()),
            Algorithm::EdDSA => EncodingKey::from_ed_pem(pem.as_bytes()),
            _ => EncodingKey::from_rsa_pem(pem.as_bytes()),
        };
        Self {
            id,
            algorithm,
            private: private.unwrap(),
            public_pem: pair.public_key_pem(),
            raw: pair.public_key_raw().to_vec(),
        }
    }

    /// Its public JWK, with `kid` and `alg`.
    pub(super) fn jwk(&self) -> Value {
        let mut jwk = match self.algorithm {
            Algorithm::EdDSA => {
                json!({ "kty": "OKP", "crv": "Ed25519", "x": URL_SAFE_NO_PAD.encode(&self.raw) })
            }
            algorithm => {
                serde_json::to_value(Jwk::from_encoding_key(&self.private, algorithm).unwrap()).unwrap()
            }
        };
        jwk["kid"] = self.id.into();
        jwk["alg"] = serde_json::to_value(self.algorithm).unwrap();
        jwk["use"] = "sig".into();
        jwk
    }

    pub(super) fn header(&self) -> Value {
        json!({ "typ": "JWT", "alg": serde_json::to_value(self.algorithm).unwrap(), "kid": self.id })
    }

    /// A token of these very texts, signed as this key's algorithm says.
    pub(super) fn sign_texts(&self, header: &str, payload: &str) -> String {
        let message = format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(payload));
        let signature =
            jsonwebtoken::crypto::sign(message.as_bytes(), &self.private, self.algorithm).unwrap();
        format!("{message}.{signature}")
    }

    pub(super) fn sign(&self, header: &Value, payload: &Value) -> String {
        self.sign_texts(&header.to_string(), &payload.to_string())
    }

    /// A token that is good at [`noon`].
    pub(super) fn token(&self) -> String {
        self.sign(&self.header(), &good())
    }
}

macro_rules! signers {
    ($($name:ident = $id:literal, $algorithm:ident;)*) => {
        $(pub(super) static $name: LazyLock<Signer> = LazyLock::new(|| Signer::new($id, Algorithm::$algorithm));)*
    };
}

signers! {
    RSA = "rsa", RS256;
    PSS = "pss", PS384;
    P256 = "p256", ES256;
    NEXT_P256 = "next-p256", ES256;
    P384 = "p384", ES384;
    ED = "ed", EdDSA;
}

/// Claims that are good at [`noon`].
pub(super) fn good() -> Value {
    json!({
        "iss": ISSUER, "aud": AUDIENCE, "exp": 1_800_000_300, "nbf": 1_799_999_000, "iat": 1_799_999_000,
        "sub": "jean", "role": "teacher", "groups": ["6A", "6B"], "wards": [],
    })
}

/// The good claims with one more, another one, or (`null`) one less.
pub(super) fn good_but(name: &str, value: Value) -> Value {
    let mut payload = good();
    payload[name] = value;
    payload
}

pub(super) fn key_set(keys: &[Value]) -> String {
    json!({ "keys": keys }).to_string()
}

pub(super) fn bearer(token: &str) -> HeaderMap {
    let value = HeaderValue::from_bytes(format!("Bearer {token}").as_bytes()).unwrap();
    HeaderMap::from_iter([(http::header::AUTHORIZATION, value)])
}

pub(super) fn cookies<'a>(pairs: &[(&'a str, &'a str)]) -> Vec<(&'a [u8], &'a [u8])> {
    pairs.iter().map(|(name, value)| (name.as_bytes(), value.as_bytes())).collect()
}

pub(super) type Scripted = Result<Response<Bytes>, FetchError>;

pub(super) fn answer(status: u16, body: &str) -> Scripted {
    Ok(Response::builder().status(status).body(Bytes::copy_from_slice(body.as_bytes())).unwrap())
}

/// An upstream that gives its answers in order, the last one again and again.
#[derive(Clone)]
pub(super) struct Platform {
    answers: Rc<RefCell<VecDeque<Scripted>>>,
    pub(super) seen: Rc<RefCell<Vec<Request<Bytes>>>>,
    pub(super) asked: Arc<AtomicUsize>,
    /// Holds every answer back until it is notified.
    pub(super) gate: Option<Arc<Notify>>,
}

impl Platform {
    pub(super) fn new(answers: impl IntoIterator<Item = Scripted>) -> Self {
        Self {
            answers: Rc::new(RefCell::new(answers.into_iter().collect())),
            seen: Rc::default(),
            asked: Arc::default(),
            gate: None,
        }
    }

    /// One that nobody may ask.
    pub(super) fn silent() -> Self {
        Self::new([])
    }

    pub(super) fn asked(&self) -> usize {
        self.asked.load(Ordering::SeqCst)
    }

    pub(super) fn then(&self, answer: Scripted) {
        *self.answers.borrow_mut() = VecDeque::from([answer]);
    }
}

impl Fetch for Platform {
    fn fetch<'a>(&'a self, _: UpstreamId, request: Request<Bytes>) -> LocalBoxFuture<'a, Scripted> {
        Box::pin(async move {
            self.asked.fetch_add(1, Ordering::SeqCst);
            self.seen.borrow_mut().push(request);
            if let Some(gate) = &self.gate {
                gate.notified().await;
            }
            let mut answers = self.answers.borrow_mut();
            match answers.len() {
                0 => panic!("nobody was to be asked"),
                1 => answers[0].clone(),
                _ => answers.pop_front().unwrap(),
            }
        })
    }
}

/// A policy with its live providers.
pub(super) struct Room {
    pub(super) policy: PolicySet,
    pub(super) identity: Identity,
}

impl Room {
    pub(super) fn new(providers: Vec<IdentityProvider>) -> Self {
        let policy = policy(providers);
        let identity = Identity::build(&policy, &secret(), None).unwrap();
        Self { policy, identity }
    }

    pub(super) fn jwt(keys: KeySource) -> Self {
        Self::new(vec![provider("id", ProviderKind::Jwt(jwt(keys)))])
    }

    pub(super) fn inline(keys: &[Value]) -> Self {
        Self::jwt(KeySource::Inline(key_set(keys).into_bytes()))
    }

    pub(super) fn introspection(settings: IntrospectionSettings) -> Self {
        Self::new(vec![provider("opaque", ProviderKind::Introspection(settings))])
    }

    /// What the gateway does about once a second.
    pub(super) async fn tend(&self, fetch: &dyn Fetch, now: SystemTime) {
        for provider in self.identity.due(now) {
            self.identity.tend(&self.policy, provider, fetch, now).await;
        }
    }

    pub(super) fn forward_auth(settings: ForwardAuthSettings) -> Self {
        Self::new(vec![provider("platform", ProviderKind::ForwardAuth(settings))])
    }

    /// The room after a reload.
    pub(super) fn reload(&self, providers: Vec<IdentityProvider>) -> Self {
        let policy = policy(providers);
        let identity = Identity::build(&policy, &secret(), Some(&self.identity)).unwrap();
        Self { policy, identity }
    }

    fn all(&self) -> Vec<ProviderId> {
        (0..).take(self.policy.gateway.providers.len()).map(ProviderId).collect()
    }

    pub(super) async fn identify(
        &self,
        headers: &HeaderMap,
        cookies: &[(&[u8], &[u8])],
        fetch: &dyn Fetch,
        now: SystemTime,
    ) -> Identified {
        let credentials = Credentials { headers, cookies, recall: &Recall::default() };
        self.identity.identify(&self.policy, &self.all(), &credentials, fetch, now).await
    }

    pub(super) async fn token(&self, token: &str, fetch: &dyn Fetch, now: SystemTime) -> Outcome {
        let identified = self.identify(&bearer(token), &[], fetch, now).await;
        assert_least_unless_accepted(&identified);
        identified.outcome
    }

    pub(super) async fn session(&self, session: &str, fetch: &dyn Fetch, now: SystemTime) -> Outcome {
        let identified =
            self.identify(&HeaderMap::new(), &cookies(&[("session", session)]), fetch, now).await;
        assert_least_unless_accepted(&identified);
        identified.outcome
    }

    pub(super) fn forget(&self, session: &str) {
        let cookies = cookies(&[("session", session)]);
        let credentials =
            Credentials { headers: &HeaderMap::new(), cookies: &cookies, recall: &Recall::default() };
        self.identity.forget(&self.policy, &self.all(), &credentials);
    }
}

/// The law of this room: whoever is not accepted is nobody.
pub(super) fn assert_least_unless_accepted(identified: &Identified) {
    if identified.outcome != Outcome::Accepted {
        assert_eq!(identified.caller, super::Caller::anonymous(&charter()));
    } else {
        assert!(!identified.caller.recipients.contains(&RecipientId(0)));
    }
}
