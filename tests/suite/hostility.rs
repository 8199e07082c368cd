//! Hostile clients and too much work, seen from outside: what they cost, who is spared, what the metrics say. Each mode by
//! itself is in `src/server/tests`.

use std::{sync::Arc, time::Duration};

use bytes::Bytes;
use http::StatusCode;
use http_body_util::Full;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::json;
use tokio::io::AsyncWriteExt as _;

use crate::support::{
    PATIENCE,
    client::{Ask, Version, read_all},
    school::{ROUTES, School, record},
    upstream::Answer,
    wait_for,
};

/// PING, eight bytes (RFC 9113 §6.7).
const PING: &[u8] = b"\0\0\x08\x06\0\0\0\0\0pingpong";

#[tokio::test]
async fn a_flood_of_pings_ends_its_connection_and_no_other() {
    let school =
        School::start("limits: { h2_frames: { ping: 5 } }", |_| Answer::json(&json!({ "id": "L1" })));
    let mut other = school.client.connect(Version::H2).await;
    let mut flood = school.client.handshake(school.client.tls(&[b"h2"])).await.unwrap();
    flood.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    flood.write_all(&PING.repeat(200)).await.unwrap();
    let (said, closed) = read_all(&mut flood, PATIENCE).await;
    assert!(closed);
    // GOAWAY, ENHANCE_YOUR_CALM.
    let farewell = said.windows(4).rposition(|four| four == [0, 0, 0, 11]).expect("no reason");
    assert_eq!(said[farewell - 10], 7, "{said:?}");
    let reply = other.send(&school.ask("/api/learners", "learner")).await;
    assert_eq!(reply.status, StatusCode::OK);
    assert_eq!(school.gateway.metric("rempart_frame_floods_total", &[("frame", "ping")]), 1.0);
    school.stop().await;
}

/// A hundred answers of two megabytes each, to a client that takes a byte of each.
#[tokio::test]
async fn large_answers_behind_closed_windows_are_not_gathered() {
    let item = format!("{},", record("L1", "6A"));
    let times = (2 << 20) / item.len();
    let school =
        School::start("", move |_| Answer::long("[", &item, times, &format!("{}]", record("L1", "6A"))));
    // Everything that the first request builds is there.
    assert_eq!(school.client.send_h2(&school.ask("/api/learners", "marketing")).await.status, StatusCode::OK);
    let before = school.gateway.memory("VmRSS");
    let stream = school.client.handshake(school.client.tls(&[b"h2"])).await.unwrap();
    let (sender, connection) = hyper::client::conn::http2::Builder::new(TokioExecutor::new())
        .initial_stream_window_size(1)
        .handshake(TokioIo::new(stream))
        .await
        .unwrap();
    tokio::spawn(connection);
    let token = school.tokens.role("marketing");
    let asked = (0..100).map(|_| {
        let (mut sender, token) = (sender.clone(), token.clone());
        tokio::spawn(async move {
            let request = http::Request::get("https://ecole.example/api/learners")
                .header("authorization", format!("Bearer {token}"))
                .body(Full::<Bytes>::default())
                .unwrap();
            sender.send_request(request).await.unwrap()
        })
    });
    let mut held = Vec::new();
    for answer in asked.collect::<Vec<_>>() {
        let answer = tokio::time::timeout(PATIENCE, answer).await.unwrap().unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        held.push(answer);
    }
    let grown = school.gateway.memory("VmHWM").saturating_sub(before);
    println!("{} KiB for each answer that waits", grown / 100 / 1024);
    assert!(grown < 100 * 400 * 1024, "grown by {grown} bytes");
    drop(held);
    school.stop().await;
}

/// More work than a worker can do in time: requests are answered 503 at once, those that are critical last, probes always.
#[tokio::test]
async fn too_much_work_is_shed_by_priority() {
    let routes = ROUTES.replace("  - name: undeclared\n", "  - name: undeclared\n    priority: critical\n");
    let list: Vec<_> = (0..200).map(|_| record("L1", "6A")).collect();
    let school = School::start("timeouts: { queue: 10 ms }", move |_| Answer::json(&json!(list)));
    school.gateway.folder.write("routes/school.yaml", &routes);
    assert_eq!(school.gateway.reload()["event"], "policy_loaded");
    let school = Arc::new(school);
    let crowd = (0..96).map(|number| {
        let school = Arc::clone(&school);
        let target = if number % 4 == 0 { "/free/learners" } else { "/api/learners" };
        tokio::spawn(async move {
            let mut connection = school.client.connect(Version::H1).await;
            let ask = school.ask(target, "marketing");
            let (mut served, mut shed) = (0, 0);
            for _ in 0..25 {
                let reply = connection.send(&ask).await;
                match reply.status {
                    StatusCode::OK => served += 1,
                    StatusCode::SERVICE_UNAVAILABLE => {
                        assert_eq!(reply.header("retry-after").len(), 1);
                        shed += 1;
                    }
                    other => panic!("{other}"),
                }
            }
            (number % 4 == 0, served, shed)
        })
    });
    let crowd: Vec<_> = crowd.collect();
    let watcher = Arc::clone(&school);
    let probes = tokio::task::spawn_blocking(move || {
        wait_for("something that is shed", || {
            let begun = std::time::Instant::now();
            assert_eq!(watcher.gateway.admin_get("/healthz").0, 200);
            assert!(begun.elapsed() < Duration::from_secs(2), "a probe waited");
            let shed = watcher.gateway.metric("rempart_requests_shed_total", &[("reason", "queue_time")]);
            (shed > 0.0).then_some(())
        });
    });
    let (mut normal, mut critical) = ([0, 0], [0, 0]);
    for one in crowd {
        let (is_critical, served, shed) = one.await.unwrap();
        let sum = if is_critical { &mut critical } else { &mut normal };
        sum[0] += served;
        sum[1] += shed;
    }
    probes.await.unwrap();
    println!("normal: {normal:?}, critical: {critical:?} served and shed");
    assert!(normal[0] > 0 && normal[1] > 0, "{normal:?}");
    let part = |[served, shed]: [u32; 2]| f64::from(shed) / f64::from(served + shed);
    assert!(part(critical) < part(normal), "{critical:?} {normal:?}");
    // When the queue is short again nothing is shed any more.
    let calm = async {
        let ask = school.ask("/api/learners", "marketing");
        while school.client.send(&ask).await.status != StatusCode::OK {
            tokio::time::sleep(Duration::from_millis(50)).await;
        }
    };
    tokio::time::timeout(PATIENCE, calm).await.expect("it sheds for ever");
    drop(Arc::into_inner(school).expect("nobody else holds it").stop().await);
}

/// Header sections that are too much in some way are refused before anything else is done with them.
#[tokio::test]
async fn cookies_without_end_are_refused() {
    let school = School::start("", |_| Answer::json(&json!({ "id": "L1" })));
    let huge = format!("session={}", "x".repeat(40_000));
    let many: String = (0..5_000).map(|number| format!("a{number}=1; ")).collect();
    let fields = |ask: Ask| (0..150).fold(ask, |ask, number| ask.header(&format!("x-{number}"), "1"));
    for version in [Version::H1, Version::H2] {
        for ask in [
            Ask::get("/api/learners").header("cookie", &huge),
            Ask::get("/api/learners").header("cookie", &many),
            fields(Ask::get("/api/learners")),
        ] {
            let reply = school.client.connect(version).await.send(&ask).await;
            assert_eq!(reply.status, StatusCode::REQUEST_HEADER_FIELDS_TOO_LARGE, "{version:?}");
        }
    }
    assert!(school.upstream.requests().is_empty());
    school.stop().await;
}
