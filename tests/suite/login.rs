//! Guessing passwords is braked, whatever the counters are kept in, and while they cannot be reached.

use crate::support::{
    client::{Ask, Client, Reply, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    redis::Redis,
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Recorded, Upstream},
};
use http::StatusCode;
use serde_json::json;

const ROUTES: &str = r#"
routes:
  - name: login
    owner: tests
    match: { host: "*", path: "/login", methods: [POST] }
    upstream: school
    purpose: account
    authentication:
      account: username
      secret: password
      failure: [401]
      per_address: { count: 15, per: 1 min }
"#;

/// `right` is everybody's password.
fn platform(request: &Recorded) -> Answer {
    let right = request.body.windows(5).any(|part| part == b"right");
    Answer::new(if right { 200 } else { 401 }, &[("Content-Type", "application/json")], "{}")
}

fn start(upstream: &Upstream, redis: Option<&Redis>) -> Gateway {
    let mut lines = "trusted_proxies: [127.0.0.0/8]".to_owned();
    if let Some(redis) = redis {
        // Patient enough for a busy machine, replicas so that the stand-in is stricter than the shared counter.
        lines.push_str(&format!(
            "\nstore: {{ redis: {{ url: \"{}\", timeout: 3 s, replicas: 2 }} }}",
            redis.url()
        ));
    }
    Gateway::start(
        PolicyFolder::new(upstream.address, &Tokens::new()).gateway(&lines).routes("login", ROUTES),
    )
}

async fn guess(client: &Client, account: &str, password: &str, address: &str) -> Reply {
    let body = json!({ "username": account, "password": password });
    client.send(&Ask::post_json("/login", &body).header("x-forwarded-for", address)).await
}

#[track_caller]
fn assert_throttled(reply: &Reply) {
    assert_eq!(reply.status, StatusCode::TOO_MANY_REQUESTS, "{}", reply.text());
    let wait: u64 = reply.header("retry-after")[0].parse().unwrap();
    assert!((1..=61).contains(&wait), "{wait}");
    assert!(reply.header("ratelimit")[0].contains("r=0"), "{:?}", reply.header("ratelimit"));
    let policy = &reply.header("ratelimit-policy")[0];
    assert!(policy.contains("q=5;w=61") && policy.contains("q=15;w=60"), "{policy}");
    assert_eq!(reply.header("content-type"), ["application/problem+json"]);
    assert_eq!(reply.header("cache-control"), ["no-store"]);
    assert_eq!(reply.json()["status"], 429);
}

/// The scenarios that hold for every store.
async fn scenarios(redis: Option<&Redis>) {
    let upstream = Upstream::start(platform);
    let gateway = start(&upstream, redis);
    let client = Client::new(&gateway);

    // The sixth, wherever each of them came from and however the name is spelt.
    for number in 0..5 {
        let name = ["alix", "Alix", "ALIX"][number % 3];
        let reply = guess(&client, name, "wrong", &format!("203.0.113.{number}")).await;
        assert_eq!(reply.status, 401, "guess {number}");
    }
    let before = upstream.count();
    assert_throttled(&guess(&client, "alix", "wrong", "203.0.113.99").await);
    // Not even the right one: the answer would tell.
    assert_throttled(&guess(&client, "aLix", "right", "203.0.113.98").await);
    let form =
        Ask::post_form("/login", "username=alix&password=wrong").header("x-forwarded-for", "203.0.113.97");
    assert_throttled(&client.connect(Version::H2).await.send(&form).await);
    assert_eq!(upstream.count(), before, "the platform is not asked");
    assert_eq!(guess(&client, "somebody-else", "wrong", "203.0.113.96").await.status, 401);

    // Success does not count, and a probe without a password is no guess.
    for number in 0..25 {
        assert_eq!(guess(&client, "teacher", "right", "198.51.100.1").await.status, 200, "{number}");
        let probe = Ask::post_json("/login", &json!({ "username": "teacher" }))
            .header("x-forwarded-for", "198.51.100.1");
        assert_ne!(client.send(&probe).await.status, 429, "{number}");
    }
    for number in 0..5 {
        assert_eq!(guess(&client, "teacher", "wrong", "198.51.100.2").await.status, 401, "{number}");
    }
    assert_throttled(&guess(&client, "teacher", "wrong", "198.51.100.3").await);

    // One address, many accounts; a /64 is one address.
    for (first, second, other) in
        [("192.0.2.7", "192.0.2.7", "192.0.2.8"), ("2001:db8::1", "2001:db8::ffff:2", "2001:db8:0:1::1")]
    {
        for number in 0..15 {
            let reply = guess(&client, &format!("{first}-{number}"), "wrong", first).await;
            assert_eq!(reply.status, 401, "{first} {number}");
        }
        assert_throttled(&guess(&client, &format!("{first}-new"), "wrong", second).await);
        assert_eq!(guess(&client, &format!("{first}-new"), "wrong", other).await.status, 401);
    }
    // Whoever is not behind the trusted proxy's own word cannot choose an address.
    let spoofed = guess(&client, "spoofer", "wrong", "203.0.113.200, 192.0.2.7").await;
    assert_throttled(&spoofed);
    assert!(gateway.metric("rempart_rate_limited_total", &[("scope", "account")]) >= 4.0);
    assert!(gateway.metric("rempart_rate_limited_total", &[("scope", "address")]) >= 3.0);
    stop(gateway).await;
}

#[tokio::test]
async fn guesses_are_braked_with_counters_in_memory() {
    scenarios(None).await;
}

#[tokio::test]
async fn guesses_are_braked_with_counters_in_redis() {
    scenarios(Some(&Redis::start())).await;
}

#[tokio::test]
async fn counters_in_memory_survive_a_reload() {
    let upstream = Upstream::start(platform);
    let gateway = start(&upstream, None);
    let client = Client::new(&gateway);
    for number in 0..5 {
        assert_eq!(guess(&client, "alix", "wrong", &format!("203.0.113.{number}")).await.status, 401);
    }
    gateway.folder.write("routes/login.yaml", &format!("# changed\n{ROUTES}"));
    gateway.reload();
    assert_throttled(&guess(&client, "alix", "wrong", "203.0.113.99").await);
    stop(gateway).await;
}

#[tokio::test]
async fn two_gateways_share_one_counter() {
    let (upstream, redis) = (Upstream::start(platform), Redis::start());
    let gateways = [start(&upstream, Some(&redis)), start(&upstream, Some(&redis))];
    let clients = [Client::new(&gateways[0]), Client::new(&gateways[1])];
    for number in 0..5 {
        let reply = guess(&clients[number % 2], "alix", "wrong", &format!("203.0.113.{number}")).await;
        assert_eq!(reply.status, 401, "{number}");
    }
    for client in &clients {
        assert_throttled(&guess(client, "alix", "wrong", "203.0.113.99").await);
    }
    for gateway in gateways {
        stop(gateway).await;
    }
}

#[tokio::test]
async fn without_redis_stricter_limits_stand_in_and_it_comes_back_by_itself() {
    let (upstream, mut redis) = (Upstream::start(platform), Redis::start());
    let gateway = start(&upstream, Some(&redis));
    let client = Client::new(&gateway);
    assert_eq!(guess(&client, "before", "wrong", "203.0.113.1").await.status, 401);
    assert_eq!(gateway.metric("rempart_limit_store_up", &[]), 1.0);

    for frozen in [false, true] {
        if frozen {
            redis.freeze()
        } else {
            redis.kill()
        }
        let account = format!("alix-{frozen}");
        let mut allowed = 0;
        for number in 0..12 {
            let reply =
                guess(&client, &account, "wrong", &format!("203.0.{}.{number}", u8::from(frozen))).await;
            match reply.status.as_u16() {
                401 => allowed += 1,
                429 => assert!(!reply.header("retry-after").is_empty()),
                other => panic!("guess {number} without redis: {other}"),
            }
        }
        assert!((1..5).contains(&allowed), "{allowed} guesses were allowed without redis");
        assert!(gateway.metric("rempart_limit_store_failures_total", &[]) >= 1.0);
        assert_eq!(gateway.metric("rempart_limit_store_up", &[]), 0.0);
        assert_eq!(guess(&client, &format!("good-{frozen}"), "right", "198.51.100.77").await.status, 200);
        if frozen {
            redis.thaw()
        } else {
            redis.restart()
        }
        // Each try is somebody else's, so that none is throttled while the store is looked for.
        let (mut number, begun) = (0, std::time::Instant::now());
        while gateway.metric("rempart_limit_store_up", &[]) < 1.0 {
            number += 1;
            let address = format!("10.{}.{}.{}", u8::from(frozen), number / 200, number % 200);
            let status = guess(&client, &format!("back-{frozen}-{number}"), "right", &address).await.status;
            assert_eq!(status, 200);
            assert!(begun.elapsed() < crate::support::PATIENCE, "the store was not taken up again");
        }
        assert_eq!(guess(&client, &format!("after-{frozen}"), "wrong", "198.51.100.78").await.status, 401);
        assert!(redis.keys() > 0, "counters are in the store again");
    }
    stop(gateway).await;
}
