//! How many requests a route takes of one requester, over time and at a time, whatever they are counted in.

use std::{
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    PATIENCE,
    client::{Ask, Client, Reply, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    pause,
    redis::Redis,
    school::stop,
    tokens::{Tokens, seconds_from_now},
    upstream::{Answer, Recorded, Step, Upstream, head},
};
use http::StatusCode;
use rempart::demo::tokens::{AUDIENCE, ISSUER};
use serde_json::{Value, json};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

const QUOTAS: &str = "trusted_proxies: [127.0.0.0/8]
timeouts: { drain: 1 s }
quotas:
  addresses: { by: address, count: 5, per: 1 h, exempt: [10.9.0.0/16] }
  subjects: { by: subject, count: 3, per: 1 h }
  recipients: { by: recipient, count: 3, per: 1 h }
  tenants: { by: claim, count: 3, per: 1 h }
  keys: { by: { header: X-Api-Key }, count: 3, per: 1 h }
  trial: { by: address, count: 2, per: 1 h, shadow: true }
  at-once: { by: address, concurrency: 2 }";

/// A route for each list of quotas.
fn routes() -> String {
    let mut routes = "routes:\n".to_owned();
    for (path, quotas) in [
        ("addresses", "addresses"),
        ("subjects", "subjects"),
        ("recipients", "recipients"),
        ("tenants", "tenants"),
        ("keys", "keys"),
        ("trial", "trial"),
        ("both", "addresses, subjects"),
        ("at-once", "at-once"),
        ("free", ""),
    ] {
        routes.push_str(&format!(
            "  - {{ name: {path}, owner: tests, match: {{ host: '*', path: '/{path}' }}, upstream: school, \
             purpose: account, quotas: [{quotas}], websocket: {}, personal_data: {{ exempt: nothing }} }}\n",
            path == "at-once"
        ));
    }
    routes.push_str(
        "  - { name: personal, owner: tests, match: { host: '*', path: '/personal' }, upstream: school, \
         purpose: account, quotas: [addresses] }\n",
    );
    routes
}

fn folder(upstream: SocketAddr, tokens: &Tokens, redis: Option<&Redis>) -> PolicyFolder {
    let store = redis.map_or(String::new(), |redis| {
        format!("\nstore: {{ redis: {{ url: \"{}\", timeout: 3 s, replicas: 2 }} }}", redis.url())
    });
    let folder =
        PolicyFolder::new(upstream, tokens).gateway(&format!("{QUOTAS}{store}")).routes("quotas", &routes());
    folder.replace("gateway.yaml", "subject: $.sub,", "subject: $.sub, quota: $.tenant,");
    folder
}

fn platform(_: &Recorded) -> Answer {
    Answer::json(&json!({ "done": true }))
}

fn ask(path: &str, address: &str) -> Ask {
    Ask::get(path).header("x-forwarded-for", address)
}

#[track_caller]
fn assert_refused(reply: &Reply, quota: &str) {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{}", reply.text());
    let wait: u64 = reply.header("retry-after")[0].parse().unwrap();
    assert!((1..=1200).contains(&wait), "{wait}");
    assert!(
        reply.header("ratelimit")[0].contains(&format!("\"{quota}\";r=0;t={wait}")),
        "{:?}",
        reply.headers
    );
    assert!(reply.header("ratelimit-policy")[0].contains(&format!("\"{quota}\";q=")), "{:?}", reply.headers);
    assert_eq!(reply.header("content-type"), ["application/problem+json"]);
    assert_eq!(reply.header("cache-control"), ["no-store"]);
    let problem = reply.json();
    assert_eq!(problem["violated-policies"], json!([quota]));
    assert_eq!(problem["type"], "https://iana.org/assignments/http-problem-types#quota-exceeded");
}

/// As many pass as the quota says, then none.
async fn assert_passes(client: &Client, count: usize, quota: &str, ask: impl Fn(usize) -> Ask) {
    for number in 0..count {
        let reply = client.send(&ask(number)).await;
        assert_eq!(reply.status, 200, "{quota} {number}: {}", reply.text());
    }
    assert_refused(&client.send(&ask(count)).await, quota);
    assert_refused(&client.connect(Version::H2).await.send(&ask(count + 1)).await, quota);
}

/// The scenarios that hold for every store.
async fn scenarios(redis: Option<&Redis>) {
    let (upstream, tokens) = (Upstream::start(platform), Tokens::new());
    let gateway = Gateway::start(folder(upstream.address, &tokens, redis));
    let client = Client::new(&gateway);

    let first = client.send(&ask("/addresses", "192.0.2.1")).await;
    assert_eq!(first.header("ratelimit-policy"), ["\"addresses\";q=5;w=3600"]);
    assert_eq!(first.header("ratelimit"), ["\"addresses\";r=4;t=720"]);
    assert_passes(&client, 4, "addresses", |_| ask("/addresses", "192.0.2.1")).await;
    assert_passes(&client, 5, "addresses", |_| ask("/addresses", "192.0.2.2")).await;
    // One quota, whatever the route.
    assert_refused(&client.send(&ask("/both", "192.0.2.1")).await, "addresses");
    // Whoever is not behind the trusted proxy's own word cannot choose an address.
    assert_refused(&client.send(&ask("/addresses", "203.0.113.9, 192.0.2.1")).await, "addresses");
    for number in 0..20 {
        let reply = client.send(&ask("/addresses", &format!("10.9.{number}.1"))).await;
        assert!(reply.status == 200 && reply.header("ratelimit").is_empty(), "exempt");
        let reply = client.send(&ask("/free", "192.0.2.1")).await;
        assert!(reply.status == 200 && reply.header("ratelimit").is_empty(), "without a quota");
    }

    let by = |path: &'static str, token: &str| {
        let token = token.to_owned();
        move |number| ask(path, &format!("198.51.100.{number}")).bearer(&token)
    };
    let of = |subject: &str| tokens.of(subject, "learner", &[], &[]);
    assert_passes(&client, 3, "subjects", by("/subjects", &of("u1"))).await;
    assert_passes(&client, 3, "subjects", by("/subjects", &of("u2"))).await;
    // Who has no subject is counted by address.
    assert_passes(&client, 3, "subjects", |_| ask("/subjects", "198.51.100.77")).await;
    assert_passes(&client, 3, "subjects", |n| {
        ask("/subjects", "198.51.100.78").bearer(&format!("made-up-{n}"))
    })
    .await;
    let learners = [of("r1"), of("r2"), of("r3")];
    assert_passes(&client, 3, "recipients", |n| ask("/recipients", "198.51.100.1").bearer(&learners[n % 3]))
        .await;
    let teacher = tokens.role("teacher");
    assert_eq!(client.send(&ask("/recipients", "198.51.100.1").bearer(&teacher)).await.status, 200);
    let tenant = |subject: usize, tenant: &str| {
        tokens.claims(&json!({
            "iss": ISSUER, "aud": AUDIENCE, "exp": seconds_from_now(600), "sub": format!("t{subject}"),
            "role": "learner", "tenant": tenant,
        }))
    };
    assert_passes(&client, 3, "tenants", |n| ask("/tenants", "198.51.100.2").bearer(&tenant(n, "lycee")))
        .await;
    assert_eq!(client.send(&ask("/tenants", "198.51.100.2").bearer(&tenant(0, "college"))).await.status, 200);
    assert_passes(&client, 3, "keys", |n| ask("/keys", &format!("198.51.100.{n}")).header("x-api-key", "a"))
        .await;
    assert_passes(&client, 3, "keys", |_| ask("/keys", "198.51.100.9")).await;
    // What is counted by subject is counted behind what is counted by address, and costs nothing where that refuses.
    assert_passes(&client, 3, "subjects", |_| ask("/both", "192.0.2.33").bearer(&of("u9"))).await;

    for number in 0..5 {
        let reply = client.send(&ask("/trial", "192.0.2.50")).await;
        assert!(
            reply.status == 200 && reply.header("ratelimit").is_empty(),
            "a shadow is not seen: {number}"
        );
    }
    assert_eq!(
        gateway.metric("rempart_quota_exceeded_total", &[("quota", "trial"), ("outcome", "shadow")]),
        3.0
    );
    assert!(
        gateway.metric("rempart_quota_exceeded_total", &[("quota", "keys"), ("outcome", "refused")]) >= 4.0
    );
    assert!(gateway.metric("rempart_rate_limited_total", &[("route", "keys"), ("scope", "quota")]) >= 4.0);
    if let Some(redis) = redis {
        let all = redis.everything();
        for canary in ["192.0.2", "u1", "lycee", "made-up", "addresses"] {
            assert!(!all.contains(canary), "{canary} is in redis");
        }
    }
    let stopped = stop(gateway).await;
    let journal = stopped.journal.json();
    let refused: Vec<&Value> = journal.iter().filter(|record| record["status"] == 429).collect();
    assert!(refused.iter().all(|record| record["decision"] == "throttled"
        && record["reason"] == "quota"
        && record["quota"].is_string()));
    let shadowed: Vec<&Value> = journal.iter().filter(|record| !record["shadow_quotas"].is_null()).collect();
    assert_eq!(shadowed.len(), 3);
    assert!(
        shadowed.iter().all(|record| record["shadow_quotas"] == json!(["trial"]) && record["status"] == 200)
    );
    for canary in ["lycee", "made-up", "u9"] {
        assert!(!stopped.journal.text().contains(canary), "{canary} is in the journal");
    }
}

#[tokio::test]
async fn requests_are_counted_in_memory() {
    scenarios(None).await;
}

#[tokio::test]
async fn requests_are_counted_in_redis() {
    scenarios(Some(&Redis::start())).await;
}

/// What is counted by address is counted before anybody is asked who the caller is.
#[tokio::test]
async fn made_up_sessions_cost_no_more_look_ups_than_an_address_may_make_requests() {
    let looked_up = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&looked_up);
    let upstream = Upstream::start(move |request: &Recorded| {
        if request.target() == "/session" {
            counted.fetch_add(1, Ordering::SeqCst);
            return Answer::new(401, &[], "");
        }
        Answer::json(&json!({ "done": true }))
    });
    let tokens = Tokens::new();
    let folder = folder(upstream.address, &tokens, None);
    folder.replace(
        "gateway.yaml",
        "  identity:\n",
        "  identity:\n    - name: sessions\n      forward_auth: { upstream: school, path: /session, cookies: [session] }\n      \
         claims: { subject: $.id, role: $.role }\n      roles: { learner: learner }\n",
    );
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    for number in 0..40 {
        let reply = client
            .send(&ask("/personal", "192.0.2.1").header("cookie", format!("session=made-up-{number}")))
            .await;
        assert_eq!(reply.status, if number < 5 { 200 } else { 429 }, "{number}");
    }
    assert_eq!(looked_up.load(Ordering::SeqCst), 5);
    stop(gateway).await;
}

/// A platform whose answers end when the test says so: a head and some bytes at once, the rest later.
fn slow_platform(go_on: &Arc<AtomicBool>) -> Upstream {
    let go_on = Arc::clone(go_on);
    Upstream::start(move |_: &Recorded| {
        let go_on = Arc::clone(&go_on);
        let wait = move || {
            let begun = std::time::Instant::now();
            while !go_on.load(Ordering::SeqCst) && begun.elapsed() < PATIENCE {
                pause(Duration::from_millis(5));
            }
        };
        let mut start = head(200, &[("Content-Type", "text/plain"), ("Content-Length", "9")]);
        start.extend_from_slice(b"begun");
        Answer(vec![Step::Bytes(start), Step::Wait(Arc::new(wait)), Step::Bytes(b"over".to_vec())])
    })
}

#[tokio::test]
async fn requests_at_a_time_are_over_when_their_last_byte_is_or_nobody_waits_for_it() {
    let (go_on, tokens) = (Arc::new(AtomicBool::new(false)), Tokens::new());
    let upstream = slow_platform(&go_on);
    let gateway = Gateway::start(folder(upstream.address, &tokens, None));
    let client = Client::new(&gateway);
    let slow = ask("/at-once", "192.0.2.1");
    for version in [Version::H1, Version::H2] {
        let mut first = client.connect(version).await;
        let mut second = client.connect(version).await;
        let first_answer = first.open(&slow).await.unwrap();
        assert_eq!(first_answer.headers()["ratelimit"], "\"at-once-concurrency\";r=1");
        let second_answer = second.open(&slow).await.unwrap();
        assert_eq!((first_answer.status(), second_answer.status()), (StatusCode::OK, StatusCode::OK));
        let refused = client.send(&slow).await;
        assert_eq!(refused.status, 429, "two are under way, though their heads are here");
        assert_eq!(refused.header("retry-after"), ["1"]);
        assert_eq!(
            refused.header("ratelimit-policy"),
            ["\"at-once-concurrency\";q=2;qu=\"concurrent-requests\""]
        );
        assert_eq!(client.send(&ask("/at-once", "192.0.2.1")).await.status, 429);
        // One of them leaves.
        drop((first_answer, first));
        let mut third = client.connect(version).await;
        let third_answer = freed(&mut third, &slow).await;
        assert_eq!(client.send(&slow).await.status, 429);
        go_on.store(true, Ordering::SeqCst);
        for answer in [second_answer, third_answer] {
            assert_eq!(Reply::read(answer).await.text(), "begunover");
        }
        let mut connection = client.connect(version).await;
        for number in 0..20 {
            let reply = Reply::read(freed(&mut connection, &slow).await).await;
            assert_eq!(reply.text(), "begunover", "{number}");
        }
        go_on.store(false, Ordering::SeqCst);
    }
    assert!(gateway.metric("rempart_rate_limited_total", &[("scope", "concurrency")]) >= 6.0);
    stop(gateway).await;
}

/// An answer as soon as there is a place: the gateway learns a moment later that a client has left.
async fn freed(
    connection: &mut crate::support::client::Connection,
    ask: &Ask,
) -> http::Response<hyper::body::Incoming> {
    let begun = std::time::Instant::now();
    loop {
        let answer = connection.open(ask).await.unwrap();
        if answer.status() == StatusCode::OK {
            return answer;
        }
        drop(Reply::read(answer).await);
        assert!(begun.elapsed() < PATIENCE, "the place was not given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
}

/// A WebSocket is under way until it ends.
#[tokio::test]
async fn a_tunnel_holds_its_place() {
    let platform = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = platform.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut socket, _)) = platform.accept().await {
            tokio::spawn(async move {
                let mut bytes = vec![0; 4096];
                let _asked = socket.read(&mut bytes).await;
                let answer = head(101, &[("Upgrade", "websocket"), ("Connection", "upgrade")]);
                socket.write_all(&answer).await.unwrap();
                // It goes when the other side does.
                while socket.read(&mut bytes).await.is_ok_and(|read| read > 0) {}
            });
        }
    });
    let gateway = Gateway::start(folder(address, &Tokens::new(), None));
    let client = Client::new(&gateway);
    let socket = || {
        ask("/at-once", "192.0.2.1")
            .header("connection", "upgrade")
            .header("upgrade", "websocket")
            .header("sec-websocket-version", "13")
            .header("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ==")
    };
    let mut tunnels = Vec::new();
    for _ in 0..2 {
        let mut connection = client.connect(Version::H1).await;
        let answer = connection.open(&socket()).await.unwrap();
        assert_eq!(answer.status(), StatusCode::SWITCHING_PROTOCOLS);
        tunnels.push((hyper::upgrade::on(answer).await.unwrap(), connection));
    }
    assert_eq!(client.send(&socket()).await.status, 429);
    tunnels.pop();
    let begun = std::time::Instant::now();
    loop {
        let mut connection = client.connect(Version::H1).await;
        let answer = connection.open(&socket()).await.unwrap();
        if answer.status() == StatusCode::SWITCHING_PROTOCOLS {
            break;
        }
        assert!(begun.elapsed() < PATIENCE, "the place was not given back");
        tokio::time::sleep(Duration::from_millis(10)).await;
    }
    drop(tunnels);
    stop(gateway).await;
}

#[tokio::test]
async fn counters_survive_a_reload_and_stores_are_changed_under_way() {
    let (upstream, tokens, redis) = (Upstream::start(platform), Tokens::new(), Redis::start());
    let gateway = Gateway::start(folder(upstream.address, &tokens, None));
    let client = Client::new(&gateway);
    let one = || ask("/addresses", "192.0.2.1");
    assert_passes(&client, 5, "addresses", |_| one()).await;
    gateway.folder.replace("gateway.yaml", "count: 5, per: 1 h", "count: 6, per: 4320 s");
    assert_eq!(gateway.reload()["event"], "policy_loaded");
    assert_passes(&client, 1, "addresses", |_| one()).await;
    // In Redis nobody knows them yet; what was counted there stays there.
    let store = format!("  store: {{ redis: {{ url: \"{}\", timeout: 3 s, replicas: 2 }} }}\n", redis.url());
    gateway.folder.replace("gateway.yaml", "  quotas:\n", &format!("{store}  quotas:\n"));
    assert_eq!(gateway.reload()["event"], "policy_loaded");
    assert_passes(&client, 6, "addresses", |_| one()).await;
    assert!(redis.keys() > 0);
    gateway.folder.replace("gateway.yaml", &store, "");
    assert_eq!(gateway.reload()["event"], "policy_loaded");
    assert_refused(&client.send(&one()).await, "addresses");
    stop(gateway).await;
}
