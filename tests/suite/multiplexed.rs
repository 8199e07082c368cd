//! Upstreams that speak HTTP/2: what they see, how connections are shared, and what happens when they are lost.

use std::{
    collections::HashMap,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    client::{Ask, Client, Version},
    folder::{PLAIN_ROUTE, PolicyFolder},
    gateway::Gateway,
    multiplexed::{Call, Multiplexed, Order, Terms, head, refuse},
    school::stop,
    tokens::Tokens,
    wait_for,
};
use h2::Reason;
use http::{HeaderMap, HeaderValue, Method};
use tokio::sync::Barrier;

/// A gateway whose only upstream speaks HTTP/2.
fn start(upstream: &Multiplexed, lines: &str) -> (Gateway, Client) {
    let folder = PolicyFolder::new(upstream.address, &Tokens::new()).routes("plain", PLAIN_ROUTE);
    let address = upstream.address;
    folder.replace(
        "gateway.yaml",
        &format!("{{ endpoints: \"http://{address}\" }}"),
        &format!("{{ endpoints: \"http://{address}\", protocol: http2{lines} }}"),
    );
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    (gateway, client)
}

/// Says what came.
async fn echo(mut call: Call) {
    let Ok((body, trailers)) = call.read().await else { return };
    let mut stream = call.answer.send_response(head(200, &[("content-type", "text/css")]), false).unwrap();
    stream.send_data(body.into(), false).unwrap();
    let mut back = HeaderMap::new();
    back.insert("x-seen", HeaderValue::from(trailers.len()));
    stream.send_trailers(back).unwrap();
}

#[tokio::test]
async fn a_request_is_said_in_the_words_of_http2() {
    let upstream = Multiplexed::start(Terms::default(), echo);
    let (gateway, client) = start(&upstream, "");
    for version in [Version::H1, Version::H2] {
        let ask = Ask::new(Method::POST, "/a/%7Eb?c=%61")
            .header("te", "trailers")
            .header("cookie", "session=1")
            .header("cookie", "class_csrftoken=2")
            .header("keep-alive", "5")
            .body(vec![b'x'; 300_000]);
        let reply = client.connect(version).await.send(&ask).await;
        assert_eq!((reply.status.as_u16(), reply.complete), (200, true), "{version:?}");
        assert_eq!(reply.body.len(), 300_000, "{version:?}");
        let got = upstream.requests().pop().unwrap();
        assert_eq!(got.uri.to_string(), "http://ecole.example/a/~b?c=%61");
        assert_eq!(got.headers["te"], "trailers");
        assert_eq!(got.headers["cookie"], "session=1; class_csrftoken=2");
        assert_eq!(got.headers["content-length"], "300000");
        for name in ["host", "connection", "keep-alive", "transfer-encoding", "upgrade", "expect"] {
            assert!(!got.headers.contains_key(name), "{name}");
        }
    }
    let reply = client.send_h2(&Ask::get("/")).await;
    assert_eq!(reply.trailers["x-seen"], "0");
    assert_eq!(client.send(&Ask::new(Method::HEAD, "/")).await.status, 200);
    stop(gateway).await;
    wait_for("the end of the connections", || (upstream.open() == 0).then_some(()));
}

#[tokio::test]
async fn exchanges_share_connections_up_to_what_the_endpoint_takes() {
    const AT_ONCE: usize = 40;
    let (streams, peak) =
        (Arc::new(Mutex::new(HashMap::<usize, usize>::new())), Arc::new(AtomicUsize::new(0)));
    let barrier = Arc::new(Barrier::new(AT_ONCE));
    let (counted, highest, met) = (Arc::clone(&streams), Arc::clone(&peak), Arc::clone(&barrier));
    let terms = Terms { streams: Some(10), ..Terms::default() };
    let upstream = Multiplexed::start(terms, move |call| {
        let (counted, highest, met) = (Arc::clone(&counted), Arc::clone(&highest), Arc::clone(&met));
        async move {
            let connection = call.connection;
            {
                let mut counted = counted.lock().unwrap();
                let now = counted.entry(connection).or_default();
                *now += 1;
                highest.fetch_max(*now, Ordering::Relaxed);
            }
            // None is answered before all of them are there.
            met.wait().await;
            *counted.lock().unwrap().get_mut(&connection).unwrap() -= 1;
            call.reply(200, &[], "ok");
        }
    });
    let (gateway, client) = start(&upstream, ", idle_timeout: 1 s");
    let connection = client.connect(Version::H2).await;
    for round in 0..2 {
        let mut tasks = Vec::new();
        for _ in 0..AT_ONCE {
            let mut connection = connection.share();
            tasks.push(tokio::spawn(async move { connection.send(&Ask::get("/")).await }));
        }
        for task in tasks {
            assert_eq!(task.await.unwrap().text(), "ok");
        }
        // One client connection is one worker's.
        assert_eq!(upstream.connections(), AT_ONCE / 10, "round {round}");
    }
    assert_eq!(peak.load(Ordering::Relaxed), 10);
    assert!(gateway.metric("rempart_upstream_connections_reused_total", &[]) >= AT_ONCE as f64);
    assert_eq!(gateway.metric("rempart_upstream_connections_opened_total", &[]), 4.0);
    // Nothing is left of them when they were idle for long.
    tokio::task::spawn_blocking(move || {
        wait_for("idle connections to end", || (upstream.open() == 0).then_some(()));
        wait_for("the gauge", || {
            (gateway.metric("rempart_upstream_connections_idle", &[]) == 0.0).then_some(())
        });
    })
    .await
    .unwrap();
}

#[tokio::test]
async fn what_was_not_processed_is_sent_again_and_nothing_else() {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let upstream = Multiplexed::start(Terms::default(), move |mut call| {
        let number = counted.fetch_add(1, Ordering::Relaxed);
        async move {
            match call.request.uri().path() {
                "/refused" if number % 3 != 2 => refuse(call),
                "/refused-always" => refuse(call),
                "/leaving" => {
                    call.order.send(Order::GoAway).unwrap();
                    echo(call).await;
                }
                "/lost" if number == 0 => drop(call.order.send(Order::Close)),
                "/reset" => call.answer.send_reset(Reason::INTERNAL_ERROR),
                _ => echo(call).await,
            }
        }
    });
    let (gateway, client) = start(&upstream, "");
    let mut connection = client.connect(Version::H2).await;
    let post = |target: &str| Ask::new(Method::POST, target).body("guess");
    // Twice refused, then served: the body is whole, for nobody had read it.
    let reply = connection.send(&post("/refused")).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, "guess"));
    assert_eq!(calls.swap(0, Ordering::Relaxed), 3);
    assert_eq!(connection.send(&post("/refused-always")).await.status, 502);
    assert_eq!(calls.swap(0, Ordering::Relaxed), 3);
    // The stream under way is served, the next one finds another connection.
    let before = upstream.connections();
    for _ in 0..100 {
        assert_eq!(connection.send(&post("/leaving")).await.text(), "guess");
        if upstream.connections() > before + 1 {
            break;
        }
    }
    assert!(upstream.connections() > before + 1);
    // Nobody knows what became of it: a POST is not sent again, a GET is.
    for (method, status) in [(Method::POST, 502), (Method::GET, 200)] {
        assert_eq!(connection.send(&post("/warm")).await.status, 200);
        calls.store(0, Ordering::Relaxed);
        assert_eq!(connection.send(&Ask::new(method.clone(), "/lost")).await.status, status, "{method}");
    }
    calls.store(0, Ordering::Relaxed);
    assert_eq!(connection.send(&post("/reset")).await.status, 502);
    assert_eq!(calls.load(Ordering::Relaxed), 1);
    stop(gateway).await;
}

#[tokio::test]
async fn half_an_answer_is_never_a_whole_one() {
    let upstream = Multiplexed::start(Terms::default(), |mut call| async move {
        let path = call.request.uri().path().to_owned();
        let length = [("content-length", "10")];
        let fields: &[(&str, &str)] = if path.starts_with("/length") { &length } else { &[] };
        if path == "/length-of-nothing" {
            let _sent = call.answer.send_response(head(200, fields), true);
            return;
        }
        if let Ok(status @ 200..) = path[1..4].parse() {
            let mut stream = call.answer.send_response(head(status, &[]), false).unwrap();
            let data = if path.ends_with("empty") { "" } else { "secret" };
            let _sent = stream.send_data(data.into(), true);
            return;
        }
        let two = [("content-length", "4"), ("content-length", "4")];
        let fields = if path == "/two-lengths" { &two[..] } else { fields };
        let mut stream = call.answer.send_response(head(200, fields), false).unwrap();
        stream.send_data("half".into(), path == "/length-short" || path == "/two-lengths").unwrap();
        tokio::time::sleep(Duration::from_millis(50)).await;
        match path.as_str() {
            "/length-long" => drop(stream.send_data("of something long".into(), true)),
            "/reset" => stream.send_reset(Reason::INTERNAL_ERROR),
            // As if nothing were wrong.
            "/no-error" | "/length-no-error" => stream.send_reset(Reason::NO_ERROR),
            "/closed" => drop(call.order.send(Order::Close)),
            _ => {}
        }
    });
    let (gateway, client) = start(&upstream, "");
    for version in [Version::H1, Version::H2] {
        for target in [
            "/reset",
            "/no-error",
            "/closed",
            "/length-short",
            "/length-long",
            "/length-no-error",
            "/length-of-nothing",
        ] {
            let reply = match client.connect(version).await.try_send(&Ask::get(target)).await {
                Ok(reply) => reply,
                Err(_) => continue,
            };
            assert!(reply.status == 502 || !reply.complete, "{version:?} {target}: {reply:?}");
        }
        assert_eq!(client.connect(version).await.send(&Ask::get("/two-lengths")).await.status, 502);
        // Content where there is none, which nobody reads on any route.
        for (method, target) in [(Method::GET, "/204"), (Method::GET, "/304"), (Method::HEAD, "/200")] {
            if let Ok(reply) = client.connect(version).await.try_send(&Ask::new(method, target)).await {
                assert!(reply.body.is_empty(), "{version:?} {target}: {reply:?}");
                assert!(reply.status == 502 || version == Version::H1 || !reply.complete, "{reply:?}");
            }
        }
        let empty = client.connect(version).await.send(&Ask::get("/204-empty")).await;
        assert_eq!((empty.status.as_u16(), empty.complete), (204, true));
    }
    stop(gateway).await;
}
