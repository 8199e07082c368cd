//! Identity providers as they live: keys that rotate under load, tokens that are revoked, sources that go away.

use std::{
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use rempart::demo::tokens::Signer;
use serde_json::{Value, json};

use crate::support::{
    PATIENCE,
    client::{Ask, Client, Reply, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    school::{record, stop},
    tokens::{Tokens, seconds_from_now},
    upstream::{Answer, Recorded, Upstream},
};

const AUDIENCE: &str = "rempart-tests";
/// Age at which the gateway of these tests fetches keys again.
const REFRESH: Duration = Duration::from_secs(1);
/// What a busy machine may add to a stated time.
const SLOW: Duration = Duration::from_secs(5);

/// One route for each thing that may become of a caller whose source is away.
const ROUTES: &str = r#"
routes:
  - name: default
    owner: tests
    match: { host: "*", path: "/api/{*rest}" }
    upstream: school
    purpose: account
    identity: [oidc, opaque]
    personal_data: { record: $, subject: id, group: "classrooms[*]", fields: { id: not_personal, classrooms: not_personal, full_name: name } }
  - name: required
    owner: tests
    match: { host: "*", path: "/required/{*rest}" }
    upstream: school
    purpose: account
    identity: [oidc, opaque]
    require_identity: true
    personal_data: { record: $, subject: id, group: "classrooms[*]", fields: { id: not_personal, classrooms: not_personal, full_name: name } }
  - name: strict
    owner: tests
    match: { host: "*", path: "/strict/{*rest}" }
    upstream: school
    purpose: account
    identity: [oidc, opaque]
    identity_unavailable: refuse
    personal_data: { record: $, subject: id, group: "classrooms[*]", fields: { id: not_personal, classrooms: not_personal, full_name: name } }
"#;

/// What the provider knows.
#[derive(Default)]
struct State {
    keys: Mutex<Vec<Value>>,
    active: AtomicBool,
    described: AtomicUsize,
    introspected: AtomicUsize,
}

impl State {
    fn publish(&self, signers: &[&Signer]) {
        let keys = signers.iter().flat_map(|signer| signer.jwks()["keys"].as_array().unwrap().clone());
        *self.keys.lock().unwrap() = keys.collect();
    }
}

/// An identity provider that describes itself.
struct Provider {
    upstream: Upstream,
    state: Arc<State>,
}

impl Provider {
    fn start() -> Self {
        let state = Arc::new(State::default());
        state.active.store(true, Ordering::SeqCst);
        let upstream = Upstream::start(|_| Answer::new(404, &[], ""));
        let provider = Self { upstream, state };
        provider.recover();
        provider
    }

    fn issuer(&self) -> String {
        format!("http://{}/school", self.upstream.address)
    }

    /// Answers as it should.
    fn recover(&self) {
        let (issuer, state) = (self.issuer(), Arc::clone(&self.state));
        self.upstream.script(move |request| answer(&issuer, &state, request));
    }

    fn token(&self, signer: &Signer, role: &str) -> String {
        signer
            .sign(&json!({
                "iss": self.issuer(), "aud": AUDIENCE, "exp": seconds_from_now(600),
                "sub": "7", "role": role, "groups": ["6A"],
            }))
            .unwrap()
    }
}

fn answer(issuer: &str, state: &State, request: &Recorded) -> Answer {
    match request.target().as_str() {
        "/school/.well-known/openid-configuration" => {
            state.described.fetch_add(1, Ordering::SeqCst);
            Answer::json(&json!({
                "issuer": issuer,
                "jwks_uri": format!("{issuer}/keys"),
                "introspection_endpoint": format!("{issuer}/introspect"),
                "id_token_signing_alg_values_supported": ["none", "HS256"],
            }))
        }
        "/school/keys" => Answer::json(&json!({ "keys": *state.keys.lock().unwrap() })),
        "/school/introspect" => {
            state.introspected.fetch_add(1, Ordering::SeqCst);
            let asks = request.header("authorization").unwrap_or_default();
            // Base64 of `gate:s3cret`.
            if request.method() != "POST" || asks != "Basic Z2F0ZTpzM2NyZXQ=" {
                return Answer::new(401, &[], "");
            }
            let known = request.body.starts_with(b"token=opaque-token&");
            if known && state.active.load(Ordering::SeqCst) {
                Answer::json(&json!({
                    "active": true, "iss": issuer, "aud": AUDIENCE, "token_type": "Bearer",
                    "exp": seconds_from_now(600), "sub": "7", "role": "teacher", "groups": ["6A"],
                }))
            } else {
                Answer::json(&json!({ "active": false, "role": "teacher" }))
            }
        }
        _ => Answer::new(404, &[], ""),
    }
}

struct World {
    provider: Provider,
    _school: Upstream,
    gateway: Gateway,
    client: Client,
}

impl World {
    /// One whose provider publishes these keys.
    fn start(signers: &[&Signer]) -> Self {
        let provider = Provider::start();
        // Before the gateway, which asks as soon as it starts.
        provider.state.publish(signers);
        let school = Upstream::start(|_| Answer::json(&record("7", "6A")));
        let issuer = provider.issuer();
        let lines = format!(
            r#"  - name: oidc
    jwt: {{ issuer: "{issuer}", audience: {AUDIENCE}, jwks: {{ discovery: true, refresh: {}, expires: 4 s }} }}
    claims: {{ subject: $.sub, role: $.role, groups: "$.groups[*]" }}
    roles: {{ learner: learner, teacher: teacher }}
  - name: opaque
    introspection:
      discovery: true
      issuer: "{issuer}"
      audience: {AUDIENCE}
      client: {{ id: gate, secret_file: client-secret }}
      cookie: opaque
      cache: 2 s
    claims: {{ subject: $.sub, role: $.role, groups: "$.groups[*]" }}
    roles: {{ learner: learner, teacher: teacher }}"#,
            format_args!("{} s", REFRESH.as_secs())
        );
        let folder = PolicyFolder::new(school.address, &Tokens::new());
        folder.write("client-secret", "s3cret\n");
        let gateway = Gateway::start(folder.gateway(&lines).routes("school", ROUTES));
        let client = Client::new(&gateway);
        Self { provider, _school: school, gateway, client }
    }

    async fn get(&self, target: &str, token: &str) -> Reply {
        self.client.send(&Ask::get(target).bearer(token)).await
    }

    async fn opaque(&self, target: &str, token: &str) -> Reply {
        self.client.send(&Ask::get(target).header("cookie", format!("opaque={token}"))).await
    }

    /// Asks until the answer has this status; how long that took.
    async fn until(&self, target: &str, token: &str, status: u16) -> Duration {
        let begun = Instant::now();
        loop {
            if self.get(target, token).await.status == status {
                return begun.elapsed();
            }
            assert!(begun.elapsed() < PATIENCE, "{target} never answered {status}");
        }
    }
}

/// A teacher sees the name of a pupil of their class, nobody else does.
#[track_caller]
fn sees(reply: &Reply) -> bool {
    assert_eq!(reply.status, 200, "{}", reply.text());
    match reply.json()["full_name"].as_str() {
        Some("Secret Name 7") => true,
        Some("***") => false,
        other => panic!("{other:?}"),
    }
}

#[tokio::test]
async fn keys_rotate_under_load_without_one_wrong_answer() {
    const ROTATIONS: usize = 4;
    const CLIENTS: usize = 4;
    let mut signers = vec![Arc::new(Signer::generate("key-0").unwrap())];
    let world = Arc::new(World::start(&[&signers[0]]));
    // Tokens that are good at present; the load takes any of them.
    let good = Arc::new(Mutex::new(vec![world.provider.token(&signers[0], "teacher")]));
    let ended = Arc::new(AtomicBool::new(false));
    let asked: Arc<[AtomicUsize; CLIENTS]> = Arc::default();
    let load: Vec<_> = (0..CLIENTS)
        .map(|client| {
            let (world, good) = (Arc::clone(&world), Arc::clone(&good));
            let (asked, ended) = (Arc::clone(&asked), Arc::clone(&ended));
            tokio::spawn(async move {
                let version = if client % 2 == 0 { Version::H1 } else { Version::H2 };
                let mut connection = world.client.connect(version).await;
                let mut turn = client;
                while !ended.load(Ordering::SeqCst) {
                    let token = {
                        let good = good.lock().unwrap();
                        good[turn % good.len()].clone()
                    };
                    turn += 1;
                    let reply = connection.send(&Ask::get("/required/7").bearer(&token)).await;
                    assert!(sees(&reply), "a wrong answer");
                    asked[client].fetch_add(1, Ordering::SeqCst);
                }
            })
        })
        .collect();
    let counts = || asked.each_ref().map(|count| count.load(Ordering::SeqCst));
    let answered = async |more: usize| {
        let (from, begun) = (counts(), Instant::now());
        while counts().iter().zip(from).any(|(now, from)| *now < from + more) {
            assert!(
                begun.elapsed() < PATIENCE && !load.iter().any(|task| task.is_finished()),
                "the load ended"
            );
            tokio::task::yield_now().await;
        }
    };
    answered(15).await;
    for rotation in 1..=ROTATIONS {
        // The provider publishes a new key and signs with it at once; the old ones are still good.
        let next = Arc::new(Signer::generate(&format!("key-{rotation}")).unwrap());
        signers.push(Arc::clone(&next));
        world.provider.state.publish(&signers.iter().map(|signer| &**signer).collect::<Vec<_>>());
        good.lock().unwrap().push(world.provider.token(&next, "teacher"));
        answered(15).await;
    }
    // The old keys are withdrawn; their tokens leave the load first.
    let old = good.lock().unwrap().drain(..ROTATIONS).collect::<Vec<_>>();
    answered(2).await;
    world.provider.state.publish(&[signers.last().unwrap()]);
    let withdrawn = Instant::now();
    for token in &old {
        let took = world.until("/required/7", token, 401).await;
        println!("refused {took:?} after it was looked at, {:?} after it was withdrawn", withdrawn.elapsed());
    }
    // The age at which keys are renewed, and a second until that is looked at; the rest is this machine.
    assert!(withdrawn.elapsed() < REFRESH + Duration::from_secs(1) + SLOW);
    answered(5).await;
    ended.store(true, Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    println!("{} answers", counts().iter().sum::<usize>());
    let world = Arc::into_inner(world).unwrap();
    let journal = stop(world.gateway).await.journal.json();
    let refused: Vec<_> = journal.iter().filter(|record| record["identity"] == "rejected").collect();
    assert_eq!(refused.len(), old.len());
    assert!(refused.iter().all(|record| {
        record["identity_reason"] == "unknown_key" && record["provider"] == "oidc" && record["status"] == 401
    }));
}

#[tokio::test]
async fn a_revoked_token_ends_within_the_time_of_the_cache() {
    let world = World::start(&[]);
    let state = &world.provider.state;
    assert!(sees(&world.opaque("/api/7", "opaque-token").await));
    for _ in 0..20 {
        assert!(sees(&world.opaque("/required/7", "opaque-token").await));
    }
    assert!(state.introspected.load(Ordering::SeqCst) <= 2, "answers are kept");
    state.active.store(false, Ordering::SeqCst);
    let revoked = Instant::now();
    while world.opaque("/required/7", "opaque-token").await.status == 200 {
        assert!(revoked.elapsed() < PATIENCE, "the token is still good");
    }
    assert!(revoked.elapsed() < Duration::from_secs(2) + SLOW, "{:?}", revoked.elapsed());
    assert!(!sees(&world.opaque("/api/7", "opaque-token").await));
    // What no issuer hands out is not asked about.
    let before = state.introspected.load(Ordering::SeqCst);
    for token in ["x".repeat(9000), "a,b".into()] {
        assert_eq!(world.opaque("/required/7", &token).await.status, 401);
    }
    assert_eq!(state.introspected.load(Ordering::SeqCst), before);
    let refused = |reason: &str| {
        let labels = [("provider", "opaque"), ("reason", reason)];
        world.gateway.metric("rempart_identity_refused_total", &labels)
    };
    assert!(refused("inactive_token") >= 1.0);
    assert_eq!((refused("credential_too_long"), refused("malformed_token")), (1.0, 1.0));
    stop(world.gateway).await;
}

#[tokio::test]
async fn a_source_that_is_away_leaves_nobody_with_an_old_role() {
    let signer = Signer::generate("key").unwrap();
    let world = World::start(&[&signer]);
    let token = world.provider.token(&signer, "teacher");
    assert!(sees(&world.get("/api/7", &token).await));
    assert!(sees(&world.opaque("/api/7", "opaque-token").await));
    // HTML for everything, as a page that says sorry.
    world
        .provider
        .upstream
        .script(|_| Answer::new(200, &[("Content-Type", "text/html")], "<html>sorry</html>"));
    // The keys end at the age that the policy says, the answers before.
    world.until("/strict/7", &token, 503).await;
    for (target, status) in [("/strict/7", 503), ("/required/7", 503), ("/api/7", 200)] {
        for reply in [world.get(target, &token).await, world.opaque(target, "opaque-token").await] {
            assert_eq!(reply.status, status, "{target}");
            assert!(!reply.text().contains("Secret") && !reply.text().contains("oidc"), "{}", reply.text());
            if status == 200 {
                assert!(!sees(&reply));
            }
        }
    }
    // Who brings nothing is not affected.
    assert!(!sees(&world.client.send(&Ask::get("/strict/7")).await));
    assert_eq!(world.gateway.metric("rempart_identity_keys", &[("provider", "oidc")]), 0.0);
    assert!(world.gateway.metric("rempart_identity_total", &[("outcome", "unavailable")]) >= 6.0);
    world.provider.recover();
    world.until("/strict/7", &token, 200).await;
    assert!(sees(&world.get("/required/7", &token).await), "and back without a restart");
    let journal = stop(world.gateway).await.journal.json();
    assert!(journal.iter().any(|record| {
        record["identity"] == "unavailable"
            && record["provider"] == "oidc"
            && record["reason"] == "identity_unavailable"
    }));
}

#[tokio::test]
async fn forged_key_ids_do_not_reach_the_provider() {
    let signer = Signer::generate("key").unwrap();
    let world = World::start(&[&signer]);
    let token = world.provider.token(&signer, "teacher");
    assert!(sees(&world.get("/api/7", &token).await));
    let begun = Instant::now();
    let before = world.provider.state.described.load(Ordering::SeqCst);
    let mut connection = world.client.connect(Version::H2).await;
    for n in 0..200 {
        let forger = Signer::generate(&format!("../../{n}' OR 1=1")).unwrap();
        let forged = world.provider.token(&forger, "teacher");
        let reply = connection.send(&Ask::get("/required/7").bearer(&forged)).await;
        assert_eq!(reply.status, 401);
        assert!(sees(&connection.send(&Ask::get("/api/7").bearer(&token)).await));
    }
    let asked = world.provider.state.described.load(Ordering::SeqCst) - before;
    let windows = begun.elapsed().as_secs() as usize / 10 + 1;
    // Beside those that renew the keys once a second.
    let renewals = begun.elapsed().as_secs() as usize + 2;
    assert!(asked <= 5 * windows + 2 * renewals, "{asked} in {:?}", begun.elapsed());
    stop(world.gateway).await;
}
