//! What counters are shared in: a Redis behind TLS, under sentinels, in a cluster; slow, frozen, gone and back.

use std::{
    collections::HashMap,
    fs,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use crate::support::{
    PATIENCE,
    client::{Ask, Client, Reply, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    redis::{Cluster, Redis, Sentinel, free},
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Recorded, Upstream},
    wait_for,
};
use rempart::demo::certificates;
use serde_json::json;

const ROUTES: &str = r#"
routes:
  - name: api
    owner: tests
    match: { host: "*", path: "/{*rest}" }
    upstream: school
    purpose: account
    quotas: [api, all]
    personal_data: { exempt: "nothing personal in this test" }
"#;

fn platform(_: &Recorded) -> Answer {
    Answer::json(&json!({ "done": true }))
}

/// A gateway whose counters are in this Redis; two quotas, so that each request asks two counters.
fn start(upstream: &Upstream, redis: &str, count: u32) -> Gateway {
    start_in(PolicyFolder::new(upstream.address, &Tokens::new()), redis, count)
}

fn start_in(folder: PolicyFolder, redis: &str, count: u32) -> Gateway {
    let lines = format!(
        "trusted_proxies: [127.0.0.0/8]
quotas:
  api: {{ by: address, count: {count}, per: 1 h }}
  all: {{ by: {{ header: X-Api-Key }}, count: 1000000, per: 1 h }}
store:
  redis: {{ {redis}, replicas: 2 }}"
    );
    Gateway::start(folder.gateway(&lines).routes("api", ROUTES))
}

async fn ask(client: &Client, address: &str) -> Reply {
    client.send(&Ask::get("/x").header("x-forwarded-for", address)).await
}

/// Requests of one address through several gateways in turn, many at once; how many of them passed.
async fn passed(gateways: &[&Gateway], requests: usize, address: &str) -> usize {
    let clients: Vec<_> = gateways.iter().map(|gateway| Client::new(gateway)).collect();
    let tasks: Vec<_> = (0..4)
        .map(|task| {
            let (client, address) = (clients[task % clients.len()].clone(), address.to_owned());
            tokio::spawn(async move {
                let mut passed = 0;
                let mut connection = client.connect(Version::H1).await;
                for _ in 0..requests / 4 {
                    let ask = Ask::get("/x").header("x-forwarded-for", &address);
                    match connection.send(&ask).await.status.as_u16() {
                        200 => passed += 1,
                        429 => {}
                        other => panic!("{other}"),
                    }
                }
                passed
            })
        })
        .collect();
    let mut all = 0;
    for task in tasks {
        all += task.await.unwrap();
    }
    all
}

/// Two gateways in front of one store let pass exactly what one would.
async fn share_exactly(redis: &str) {
    let upstream = Upstream::start(platform);
    let gateways = [start(&upstream, redis, 50), start(&upstream, redis, 50)];
    assert_eq!(passed(&[&gateways[0], &gateways[1]], 200, "192.0.2.1").await, 50);
    assert_eq!(passed(&[&gateways[1]], 40, "192.0.2.1").await, 0);
    for gateway in gateways {
        assert_eq!(
            gateway.metric("rempart_limit_store_failures_total", &[]),
            0.0,
            "it was the store that counted"
        );
        stop(gateway).await;
    }
}

#[tokio::test]
async fn two_gateways_share_a_quota_exactly() {
    let redis = Redis::start();
    share_exactly(&format!("url: \"{}\", timeout: 5 s", redis.url())).await;
    assert!(redis.keys() > 0);
}

#[tokio::test]
async fn in_a_cluster_they_do_too_and_its_nodes_share_the_work() {
    let mut cluster = Cluster::start();
    let first = cluster.nodes[0].address;
    share_exactly(&format!("cluster: \"{first}\", timeout: 5 s")).await;

    let upstream = Upstream::start(platform);
    let gateway = start(&upstream, &format!("cluster: \"{first}\", timeout: 1 s"), 1000);
    let client = Client::new(&gateway);
    for number in 0..60 {
        assert_eq!(ask(&client, &format!("198.51.100.{number}")).await.status, 200);
    }
    let keys = cluster.nodes.iter().map(Redis::keys).collect::<Vec<_>>();
    assert!(keys.iter().all(|&keys| keys > 5), "{keys:?}");
    // A node goes and comes back: nobody is refused for that.
    cluster.nodes[2].kill();
    for number in 0..60 {
        assert_eq!(ask(&client, &format!("203.0.113.{number}")).await.status, 200);
    }
    cluster.nodes[2].restart();
    cluster.wait_whole();
    wait_until_back(&gateway, &client).await;
    stop(gateway).await;
}

/// Asks until the store is taken up again.
async fn wait_until_back(gateway: &Gateway, client: &Client) {
    let begun = Instant::now();
    let mut number = 0;
    while gateway.metric("rempart_limit_store_up", &[]) < 1.0 {
        number += 1;
        let status = ask(client, &format!("10.1.{}.{}", number / 200, number % 200)).await.status;
        assert_eq!(status, 200);
        assert!(begun.elapsed() < PATIENCE, "the store was not taken up again");
    }
}

/// TLS with a private authority and a client's certificate, and a user who may do nothing else.
#[tokio::test]
async fn over_tls_as_a_user_with_few_rights() {
    let folder = PolicyFolder::new(free::<1>()[0], &Tokens::new());
    let made = certificates::generate(&["127.0.0.1", "localhost"]).unwrap();
    let file = |name: &str, text: &str| {
        let path = folder.root().join(name);
        fs::write(&path, text).unwrap();
        path.display().to_string()
    };
    let (ca, chain, key) =
        (file("r-ca.pem", &made.authority), file("r.pem", &made.chain), file("r.key", made.key.expose()));
    let password = file("r-password", "canary-of-a-password\n");
    let [tls] = free();
    let port = tls.port().to_string();
    let rights = "on >canary-of-a-password resetkeys ~rempart:* resetchannels nocommands +evalsha +script|load +time \
                  +get +set +del";
    let mut options = vec!["--tls-port", &port, "--tls-cert-file", &chain, "--tls-key-file", &key];
    options.extend(["--tls-ca-cert-file", &ca, "--tls-auth-clients", "yes", "--user", "rempart"]);
    options.extend(rights.split(' '));
    let redis = Redis::with(&options);

    let upstream = Upstream::start(platform);
    let folder = |redis: &str| start_in(PolicyFolder::new(upstream.address, &Tokens::new()), redis, 5);
    let sound = format!(
        "url: \"rediss://{tls}/\", user: rempart, password_file: \"{password}\", timeout: 5 s, \
         tls: {{ ca: \"{ca}\", certificate: \"{chain}\", key: \"{key}\" }}"
    );
    let gateway = folder(&sound);
    let client = Client::new(&gateway);
    for number in 0..8 {
        assert_eq!(ask(&client, "192.0.2.1").await.status, if number < 5 { 200 } else { 429 }, "{number}");
    }
    assert_eq!(gateway.metric("rempart_limit_store_failures_total", &[]), 0.0);
    assert!(redis.keys() >= 1);
    let stopped = stop(gateway).await;
    assert!(!stopped.events.text().contains("canary") && !stopped.journal.text().contains("canary"));

    // Whoever does not trust the server, or is not known to it, counts for itself.
    for other in [
        format!("url: \"rediss://{tls}/\", user: rempart, password_file: \"{password}\", timeout: 5 s"),
        sound.replace(&format!(", certificate: \"{chain}\", key: \"{key}\""), ""),
        sound.replace("user: rempart", "user: nobody"),
    ] {
        let gateway = folder(&other);
        let client = Client::new(&gateway);
        for number in 0..4 {
            let status = ask(&client, "192.0.2.2").await.status;
            assert_eq!(status, if number < 2 { 200 } else { 429 }, "{number}: its share of five\n{other}");
        }
        assert_eq!(gateway.metric("rempart_limit_store_up", &[]), 0.0, "{other}");
        stop(gateway).await;
    }
}

/// When the master is gone, the sentinels' next one has the counters, and the gateway finds it by itself.
#[tokio::test]
async fn sentinels_say_who_the_master_is() {
    let mut sentinel = Sentinel::start();
    let upstream = Upstream::start(platform);
    let (name, node) = (Sentinel::MASTER, sentinel.address);
    // The first of them is no more.
    let nowhere = Upstream::nowhere();
    let redis = format!("sentinel: {{ master: {name}, nodes: [\"{nowhere}\", \"{node}\"] }}, timeout: 5 s");
    let gateways = [start(&upstream, &redis, 9), start(&upstream, &redis, 9)];
    let clients = [Client::new(&gateways[0]), Client::new(&gateways[1])];
    for number in 0..6 {
        assert_eq!(ask(&clients[number % 2], "192.0.2.1").await.status, 200);
    }
    assert_eq!(gateways[0].metric("rempart_limit_store_failures_total", &[]), 0.0);
    // What has expired is gone from both.
    wait_for("counters are replicated", || {
        let counted = sentinel.master.everything();
        (sentinel.master.keys() >= 1 && sentinel.replica.everything() == counted).then_some(())
    });

    sentinel.master.kill();
    for number in 0..20 {
        let status = ask(&clients[number % 2], &format!("198.51.100.{number}")).await.status;
        assert_eq!(status, 200, "nobody is refused because a master is gone");
    }
    sentinel.wait_promoted();
    for (gateway, client) in gateways.iter().zip(&clients) {
        wait_until_back(gateway, client).await;
    }
    for number in 0..6 {
        let status = ask(&clients[number % 2], "192.0.2.1").await.status;
        assert_eq!(status, if number < 3 { 200 } else { 429 }, "six were counted before: {number}");
    }
    for gateway in gateways {
        stop(gateway).await;
    }
}

/// What clients saw in each phase.
#[derive(Default)]
struct Seen {
    phase: AtomicUsize,
    latencies: Mutex<HashMap<usize, Vec<Duration>>>,
    other: Mutex<Vec<u16>>,
}

/// Killed, restarted, frozen and thawed under load: every request is answered as if nothing had happened.
///
/// `REMPART_OUTAGE=10 cargo test --test suite stores::under_load -- --nocapture` gives each phase ten seconds and tells
/// latencies.
#[tokio::test]
async fn under_load_no_request_is_lost_to_an_outage() {
    const PHASES: [&str; 5] = ["before", "killed", "restarted", "frozen", "thawed"];
    let seconds = std::env::var("REMPART_OUTAGE").ok().and_then(|text| text.parse().ok()).unwrap_or(1.2);
    let (upstream, mut redis) = (Upstream::start(platform), Redis::start());
    let settings = format!("url: \"{}\", timeout: 50 ms", redis.url());
    let gateways = [start(&upstream, &settings, 1_000_000), start(&upstream, &settings, 1_000_000)];
    let seen = Arc::new(Seen::default());
    let load: Vec<_> = (0..6)
        .map(|number| {
            let (client, seen) = (Client::new(&gateways[number % 2]), Arc::clone(&seen));
            tokio::spawn(async move {
                let mut connection = client.connect(Version::H1).await;
                let ask = Ask::get("/x").header("x-forwarded-for", format!("192.0.2.{number}"));
                loop {
                    let phase = seen.phase.load(Ordering::SeqCst);
                    if phase == PHASES.len() {
                        return;
                    }
                    let begun = Instant::now();
                    let status = connection.try_send(&ask).await.map_or(0, |reply| reply.status.as_u16());
                    seen.latencies.lock().unwrap().entry(phase).or_default().push(begun.elapsed());
                    if status != 200 {
                        seen.other.lock().unwrap().push(status);
                        return;
                    }
                }
            })
        })
        .collect();
    for (place, phase) in PHASES.iter().enumerate() {
        seen.phase.store(place, Ordering::SeqCst);
        // Beside the clients, who share this thread.
        redis = tokio::task::spawn_blocking(move || {
            match PHASES[place] {
                "killed" => redis.kill(),
                "restarted" => redis.restart(),
                "frozen" => redis.freeze(),
                "thawed" => redis.thaw(),
                _ => {}
            }
            redis
        })
        .await
        .unwrap();
        let lasts = Duration::from_secs_f64(seconds);
        tokio::time::sleep(lasts).await;
        if matches!(*phase, "killed" | "frozen") {
            for gateway in &gateways {
                assert_eq!(gateway.metric("rempart_limit_store_up", &[]), 0.0, "{phase}");
            }
        }
        if matches!(*phase, "restarted" | "thawed") {
            for gateway in &gateways {
                let begun = Instant::now();
                while gateway.metric("rempart_limit_store_up", &[]) < 1.0 {
                    assert!(begun.elapsed() < PATIENCE, "the store was not taken up again");
                    tokio::time::sleep(Duration::from_millis(50)).await;
                }
            }
        }
    }
    seen.phase.store(PHASES.len(), Ordering::SeqCst);
    for task in load {
        task.await.unwrap();
    }
    assert_eq!(*seen.other.lock().unwrap(), [0u16; 0], "statuses other than 200");
    for (place, phase) in PHASES.iter().enumerate() {
        let mut latencies = seen.latencies.lock().unwrap().remove(&place).unwrap_or_default();
        latencies.sort();
        let at = |part: f64| latencies[((latencies.len() - 1) as f64 * part) as usize];
        assert!(latencies.len() > 20, "{phase}: {}", latencies.len());
        println!(
            "{phase}: {} requests, median {:?}, 99 % {:?}, longest {:?}",
            latencies.len(),
            at(0.5),
            at(0.99),
            at(1.0)
        );
    }
    for gateway in gateways {
        stop(gateway).await;
    }
}
