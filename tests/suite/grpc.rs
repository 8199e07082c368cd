//! Calls of gRPC through the gateway, message by message, with a client and a platform that say exactly what the test wants.

use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use bytes::Bytes;
use h2::{
    Reason, RecvStream, SendStream,
    client::{ResponseFuture, SendRequest},
};
use http::{HeaderMap, HeaderValue, Request, Response};
use tokio::time::timeout;

use crate::support::{
    PATIENCE,
    client::{Ask, Client, Version},
    folder::{HOST, PLAIN_ROUTE, PolicyFolder},
    gateway::Gateway,
    multiplexed::{Call, Multiplexed, Terms, head},
    school::{ROUTES, stop},
    tokens::Tokens,
    upstream::Upstream,
    wait_for,
};

const GRPC: [(&str, &str); 1] = [("content-type", "application/grpc")];

fn start(address: SocketAddr, tokens: &Tokens, routes: &str) -> (Gateway, Client) {
    let folder = PolicyFolder::new(address, tokens).routes("routes", routes);
    // One, so that connections to the platform are shared by all clients.
    folder.replace("gateway.yaml", "workers: 2", "workers: 1");
    folder.replace(
        "gateway.yaml",
        &format!("http://{address}\""),
        &format!("http://{address}\", protocol: http2"),
    );
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    (gateway, client)
}

/// A connection of a client.
async fn dial(client: &Client) -> SendRequest<Bytes> {
    let stream = client.handshake(client.tls(&[b"h2"])).await.unwrap();
    let (sender, connection) = h2::client::handshake(stream).await.unwrap();
    tokio::spawn(connection);
    sender.ready().await.unwrap()
}

fn call(path: &str) -> Request<()> {
    Request::post(format!("https://{HOST}{path}"))
        .header("content-type", "application/grpc+proto")
        .header("te", "trailers")
        .header("grpc-accept-encoding", "gzip")
        .header("trace-bin", "AAE=")
        .body(())
        .unwrap()
}

/// Opens a call.
fn open(sender: &mut SendRequest<Bytes>, request: Request<()>) -> (ResponseFuture, SendStream<Bytes>) {
    sender.send_request(request, false).unwrap()
}

/// A message in its frame.
fn message(text: &str) -> Bytes {
    [&[0][..], &(text.len() as u32).to_be_bytes(), text.as_bytes()].concat().into()
}

async fn next(body: &mut RecvStream) -> Option<Result<Bytes, h2::Error>> {
    let data = timeout(PATIENCE, body.data()).await.expect("a message in time");
    if let Some(Ok(data)) = &data {
        body.flow_control().release_capacity(data.len()).unwrap();
    }
    data
}

async fn answer(response: ResponseFuture) -> Response<RecvStream> {
    timeout(PATIENCE, response).await.expect("a head in time").unwrap()
}

fn status(code: &'static str) -> HeaderMap {
    let mut trailers = HeaderMap::new();
    trailers.insert("grpc-status", HeaderValue::from_static(code));
    trailers
}

/// Each message back at once, then the status that the client's trailers, or the path, ask for.
async fn echo(mut call: Call) {
    if call.request.uri().path() == "/trailers-only" {
        let mut fields = GRPC.to_vec();
        fields.extend([("grpc-status", "5"), ("grpc-message", "no such lesson")]);
        call.answer.send_response(head(200, &fields), true).unwrap();
        return;
    }
    let mut out = call.answer.send_response(head(200, &GRPC), false).unwrap();
    while let Some(Ok(data)) = call.request.body_mut().data().await {
        call.request.body_mut().flow_control().release_capacity(data.len()).unwrap();
        if out.send_data(data, false).is_err() {
            return;
        }
    }
    let asked = call.request.body_mut().trailers().await.ok().flatten();
    let mut trailers = status("0");
    trailers.insert("lesson-bin", HeaderValue::from_static("AQID"));
    if asked.is_some_and(|asked| asked.contains_key("checksum")) {
        trailers.insert("checked", HeaderValue::from_static("1"));
    }
    let _sent = out.send_trailers(trailers);
}

#[tokio::test]
async fn messages_pass_as_they_come_and_trailers_behind_them() {
    let upstream = Multiplexed::start(Terms::default(), echo);
    let (gateway, client) = start(upstream.address, &Tokens::new(), PLAIN_ROUTE);
    let mut sender = dial(&client).await;
    let (response, mut out) = open(&mut sender, call("/school.Lessons/Chat"));
    // The head comes before any message, and each message before the next is sent: nothing is gathered on the way.
    let mut response = answer(response).await;
    assert_eq!(response.headers()["content-type"], "application/grpc");
    for text in ["un", "deux", "trois"] {
        out.send_data(message(text), false).unwrap();
        assert_eq!(next(response.body_mut()).await.unwrap().unwrap(), message(text));
    }
    let mut trailers = HeaderMap::new();
    trailers.insert("checksum", HeaderValue::from_static("1"));
    // No field may come in by the back door.
    trailers.insert("x-forwarded-for", HeaderValue::from_static("203.0.113.7"));
    out.send_trailers(trailers).unwrap();
    assert!(next(response.body_mut()).await.is_none());
    let trailers = response.body_mut().trailers().await.unwrap().unwrap();
    assert_eq!(
        (&trailers["grpc-status"], &trailers["lesson-bin"], &trailers["checked"]),
        (&"0".parse().unwrap(), &"AQID".parse().unwrap(), &"1".parse().unwrap())
    );
    let got = upstream.requests().pop().unwrap();
    assert_eq!(got.headers["te"], "trailers");
    assert_eq!(got.headers["content-type"], "application/grpc+proto");
    assert_eq!(got.headers["trace-bin"], "AAE=");
    assert!(!got.headers.contains_key("content-length"));

    // All in the head: its end is the stream's.
    let (response, mut out) = open(&mut sender, call("/trailers-only"));
    out.send_data(message("x"), true).unwrap();
    let response = answer(response).await;
    assert_eq!(
        (&response.headers()["grpc-status"], &response.headers()["grpc-message"]),
        (&"5".parse().unwrap(), &"no such lesson".parse().unwrap())
    );
    assert!(response.body().is_end_stream());
    stop(gateway).await;
}

#[tokio::test]
async fn resets_and_cancellations_reach_the_other_side_at_once() {
    let seen = Arc::new(Mutex::new(Vec::new()));
    let noting = Arc::clone(&seen);
    let upstream = Multiplexed::start(Terms::default(), move |mut call| {
        let noting = Arc::clone(&noting);
        async move {
            match call.request.uri().path() {
                "/reset" => {
                    let mut out = call.answer.send_response(head(200, &GRPC), false).unwrap();
                    out.send_data(message("half"), false).unwrap();
                    // The client has seen it when it goes on.
                    let _more = call.request.body_mut().data().await;
                    out.send_reset(Reason::INTERNAL_ERROR);
                }
                "/silent" => {
                    let reason = std::future::poll_fn(|cx| call.answer.poll_reset(cx)).await;
                    noting.lock().unwrap().push(reason.unwrap());
                }
                _ => {
                    let mut out = call.answer.send_response(head(200, &GRPC), false).unwrap();
                    out.send_data(message("first"), false).unwrap();
                    let reason = std::future::poll_fn(|cx| out.poll_reset(cx)).await;
                    noting.lock().unwrap().push(reason.unwrap());
                }
            }
        }
    });
    let (gateway, client) = start(upstream.address, &Tokens::new(), PLAIN_ROUTE);
    let mut sender = dial(&client).await;
    let (response, mut out) = open(&mut sender, call("/reset"));
    let mut response = answer(response).await;
    assert_eq!(next(response.body_mut()).await.unwrap().unwrap(), message("half"));
    out.send_data(message("more"), false).unwrap();
    let error = next(response.body_mut()).await.unwrap().unwrap_err();
    assert!(error.is_reset() && error.is_remote(), "{error:?}");

    // Before the head, and behind it; whether the client has said all of its own or not.
    for (path, ends) in [("/silent", true), ("/silent", false), ("/stream", true), ("/stream", false)] {
        let before = seen.lock().unwrap().len();
        let (response, mut out) = open(&mut sender, call(path));
        out.send_data(message("x"), ends).unwrap();
        let held = if path == "/stream" {
            let mut response = answer(response).await;
            assert_eq!(next(response.body_mut()).await.unwrap().unwrap(), message("first"));
            Ok(response)
        } else {
            Err(response)
        };
        tokio::time::sleep(Duration::from_millis(30)).await;
        out.send_reset(Reason::CANCEL);
        let told = Arc::clone(&seen);
        let wait =
            move || wait_for("the cancellation", || (told.lock().unwrap().len() > before).then_some(()));
        tokio::task::spawn_blocking(wait).await.unwrap();
        assert_eq!(seen.lock().unwrap().last(), Some(&Reason::CANCEL), "{path} {ends}");
        drop(held);
    }
    // One connection carried all of it, and has a place for the next.
    assert_eq!(upstream.connections(), 1);
    stop(gateway).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_platform_and_nobody_else() {
    const LONG: usize = 8 << 20;
    let sent = Arc::new(AtomicUsize::new(0));
    let counting = Arc::clone(&sent);
    let upstream = Multiplexed::start(Terms::default(), move |mut call| {
        let counting = Arc::clone(&counting);
        async move {
            if call.request.uri().path() != "/long" {
                return echo(call).await;
            }
            let mut out = call.answer.send_response(head(200, &GRPC), false).unwrap();
            let mut left = LONG;
            while left > 0 {
                out.reserve_capacity(left.min(16 << 10));
                let Some(Ok(room)) = std::future::poll_fn(|cx| out.poll_capacity(cx)).await else { return };
                out.send_data(Bytes::from(vec![b'x'; room.min(left)]), false).unwrap();
                left -= room.min(left);
                counting.fetch_add(room, Ordering::Relaxed);
            }
            out.send_trailers(status("0")).unwrap();
        }
    });
    let (gateway, client) = start(upstream.address, &Tokens::new(), PLAIN_ROUTE);
    let mut slow = Vec::new();
    for _ in 0..8 {
        let mut sender = dial(&client).await;
        let (response, out) = open(&mut sender, call("/long"));
        slow.push((answer(response).await, out, sender));
    }
    let mut before = usize::MAX;
    while before != sent.load(Ordering::Relaxed) {
        before = sent.load(Ordering::Relaxed);
        tokio::time::sleep(Duration::from_millis(200)).await;
    }
    assert!(before < slow.len() * (1 << 20), "{before} bytes were taken for clients that read none");
    // They hold their own streams, not the connection that they share with everybody.
    let mut sender = dial(&client).await;
    let (response, mut out) = open(&mut sender, call("/quick"));
    out.send_data(message("quick"), true).unwrap();
    let mut response = answer(response).await;
    assert_eq!(next(response.body_mut()).await.unwrap().unwrap(), message("quick"));
    assert_eq!(upstream.connections(), 1);
    let (mut response, _out, _sender) = slow.pop().unwrap();
    let mut length = 0;
    while let Some(data) = next(response.body_mut()).await {
        length += data.unwrap().len();
    }
    assert_eq!(length, LONG);
    assert_eq!(response.body_mut().trailers().await.unwrap().unwrap()["grpc-status"], "0");
    drop(slow);
    stop(gateway).await;
}

/// What a call comes to when it is sent with one message.
async fn outcome(client: &Client, request: Request<()>) -> (u16, String, bool) {
    let mut sender = dial(client).await;
    let (response, mut out) = open(&mut sender, request);
    // Refused early, it may not be taken.
    let _sent = out.send_data(message("x"), true);
    let mut response = answer(response).await;
    let whole = response.body().is_end_stream();
    let mut fields = response.headers().clone();
    while let Some(data) = next(response.body_mut()).await {
        data.unwrap();
    }
    fields.extend(response.body_mut().trailers().await.unwrap().unwrap_or_default());
    let code = fields.get("grpc-status").map_or(&b"none"[..], HeaderValue::as_bytes);
    let code = String::from_utf8_lossy(code).into_owned();
    (response.status().as_u16(), code, whole)
}

#[tokio::test]
async fn the_gate_speaks_to_calls_in_their_own_words() {
    let upstream = Multiplexed::start(Terms::default(), |call| async move {
        match call.request.uri().path() {
            "/exempt/slow" => tokio::time::sleep(PATIENCE).await,
            _ => echo(call).await,
        }
    });
    let tokens = Tokens::new();
    let strict = PLAIN_ROUTE
        .replace("routes:", "")
        .replace("name: plain", "name: strict")
        .replace("/{*rest}", "/strict/{*rest}");
    let routes = format!("{ROUTES}{strict}    require_identity: true\n");
    let (gateway, client) = start(upstream.address, &tokens, &routes);
    let bearer = |role: &str| HeaderValue::try_from(format!("Bearer {}", tokens.role(role))).unwrap();
    let with = |path: &str, role: Option<&str>| {
        let mut request = call(path);
        if let Some(role) = role {
            request.headers_mut().insert("authorization", bearer(role));
        }
        request
    };
    for (path, role, code) in [
        ("/exempt/a", None, "0"),
        ("/nowhere", None, "12"),
        ("/strict/a", None, "16"),
        ("/strict/a", Some("learner"), "0"),
        // Nobody can say what its messages hold.
        ("/api/a", Some("learner"), "13"),
        ("/free/a", Some("learner"), "13"),
        ("/free/a", None, "13"),
        ("/free/a", Some("administrator"), "0"),
    ] {
        let before = upstream.requests().len();
        let (status, found, whole) = outcome(&client, with(path, role)).await;
        assert_eq!((status, found.as_str()), (200, code), "{path} {role:?}");
        assert_eq!(whole, code != "0", "{path}: all of a refusal is in its head");
        assert_eq!(upstream.requests().len() - before, usize::from(code == "0"), "{path} {role:?}");
    }
    // gRPC-Web is HTTP to its client, and a body like any other that nobody reads.
    let web = Ask::new(http::Method::POST, "/free/a")
        .header("content-type", "application/grpc-web+proto")
        .body("x");
    for version in [Version::H1, Version::H2] {
        let reply = client.connect(version).await.send(&web).await;
        assert_eq!((reply.status.as_u16(), reply.json()["status"].as_u64()), (400, Some(400)));
    }
    let asked = client.send_h2(&web.bearer(&tokens.role("administrator"))).await;
    assert_eq!(asked.status, 200);

    let mut request = call("/exempt/slow");
    request.headers_mut().insert("grpc-timeout", HeaderValue::from_static("300m"));
    let began = Instant::now();
    assert_eq!(outcome(&client, request).await, (200, "14".to_owned(), true));
    assert!(began.elapsed() < Duration::from_secs(5), "{:?}", began.elapsed());
    let records = gateway.wait_journal(1);
    assert!(records.iter().any(|record| record["status"] == 401), "the status that a refusal stands for");
    stop(gateway).await;

    let (gateway, client) = start(Upstream::nowhere(), &tokens, PLAIN_ROUTE);
    assert_eq!(outcome(&client, call("/a")).await, (200, "14".to_owned(), true));
    stop(gateway).await;
}

#[tokio::test]
async fn what_a_platform_says_in_messages_reaches_only_who_sees_all() {
    let upstream = Multiplexed::start(Terms::default(), echo);
    let tokens = Tokens::new();
    let (gateway, client) = start(upstream.address, &tokens, ROUTES);
    // The request says nothing of gRPC; the answer does.
    for (path, role, status) in [
        ("/exempt/a", "learner", 200),
        ("/free/a", "administrator", 200),
        ("/free/a", "learner", 502),
        ("/api/a", "learner", 502),
    ] {
        let reply = client.send_h2(&Ask::get(path).bearer(&tokens.role(role))).await;
        assert_eq!(reply.status, status, "{path} {role}");
        if status == 200 {
            assert_eq!(reply.trailers["grpc-status"], "0");
        }
    }
    stop(gateway).await;
}
