//! WebSockets whose messages are read, seen from both ends: a client and a platform that speak RFC 6455 by a library, and the
//! gateway between them.

use std::{
    collections::VecDeque,
    io::Write as _,
    net::SocketAddr,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use bytes::Bytes;
use futures_util::{SinkExt, StreamExt};
use http::{HeaderMap, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{client::conn::http2, ext::Protocol, upgrade::Upgraded};
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::{
    io::{AsyncReadExt as _, AsyncWriteExt as _},
    net::{TcpListener, TcpStream},
    time::timeout,
};
use tokio_rustls::client::TlsStream;
use tokio_tungstenite::{
    WebSocketStream, accept_hdr_async, client_async,
    tungstenite::{
        Error, Message,
        client::IntoClientRequest,
        handshake::server::{Request, Response},
        protocol::{
            CloseFrame, Role,
            frame::{
                Frame,
                coding::{CloseCode, Data, OpCode},
            },
        },
    },
};

use crate::support::{
    PATIENCE,
    client::Client,
    folder::PolicyFolder,
    gateway::{Gateway, Signal},
    pause,
    school::stop,
    tokens::Tokens,
};

const ROUTES: &str = r#"
routes:
  - name: socket
    owner: tests
    match: { host: "*", path: /socket }
    upstream: school
    purpose: account
    websocket: redact
    personal_data: &records
      record: "$"
      subject: id
      fields: { id: not_personal, title: not_personal, full_name: name, email: email, birth_year: birth }
      unknown: deny
  - name: texts
    owner: tests
    match: { host: "*", path: /texts }
    upstream: school
    purpose: account
    websocket: { messages: redact, binary: pass, message_bytes: 2 KiB }
    personal_data: { <<: *records, formats: [text] }
  - name: free
    owner: tests
    match: { host: "*", path: /free }
    upstream: school
    purpose: account
    websocket: redact
  - name: unread
    owner: tests
    match: { host: "*", path: /unread }
    upstream: school
    purpose: account
    websocket: true
"#;

/// What the platform saw of one connection.
#[derive(Debug, Default)]
struct Seen {
    headers: HeaderMap,
    messages: Vec<Message>,
}

/// A platform: for each connection it sends what was scripted, then listens until the end.
#[derive(Clone, Default)]
struct Platform {
    scripts: Arc<Mutex<VecDeque<Vec<Message>>>>,
    seen: Arc<Mutex<Vec<Seen>>>,
}

impl Platform {
    async fn start() -> (Self, SocketAddr) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap();
        let platform = Self::default();
        let own = platform.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(own.clone().serve(stream));
            }
        });
        (platform, address)
    }

    async fn serve(self, stream: TcpStream) {
        let mut seen = Seen::default();
        #[expect(clippy::result_large_err, reason = "the library's signature")]
        let note = |request: &Request, mut response: Response| {
            seen.headers = request.headers().clone();
            if let Some(protocol) = request.headers().get("sec-websocket-protocol") {
                response.headers_mut().insert("sec-websocket-protocol", protocol.clone());
            }
            Ok(response)
        };
        let Ok(mut socket) = accept_hdr_async(stream, note).await else { return };
        let script = self.scripts.lock().unwrap().pop_front().unwrap_or_default();
        for message in script {
            if socket.send(message).await.is_err() {
                break;
            }
        }
        while let Some(Ok(message)) = socket.next().await {
            seen.messages.push(message);
        }
        self.seen.lock().unwrap().push(seen);
    }

    /// What it saw of the last connection, which is over.
    async fn last(&self) -> Seen {
        timeout(PATIENCE, async {
            loop {
                if let Some(seen) = self.seen.lock().unwrap().pop() {
                    return seen;
                }
                tokio::time::sleep(std::time::Duration::from_millis(5)).await;
            }
        })
        .await
        .expect("a connection that ended")
    }
}

struct World {
    platform: Platform,
    gateway: Gateway,
    tokens: Tokens,
    client: Client,
}

type Socket = WebSocketStream<TlsStream<TcpStream>>;

impl World {
    async fn start() -> Self {
        Self::behind(|folder| folder.gateway("timeouts: { drain: 1 s }").routes("sockets", ROUTES)).await
    }

    async fn behind(policies: impl FnOnce(PolicyFolder) -> PolicyFolder) -> Self {
        let (platform, address) = Platform::start().await;
        let tokens = Tokens::new();
        let gateway = Gateway::start(policies(PolicyFolder::new(address, &tokens)));
        let client = Client::new(&gateway);
        Self { platform, gateway, tokens, client }
    }

    async fn open(&self, role: &str, path: &str, fields: &[(&'static str, &str)]) -> Result<Socket, Error> {
        let mut request = format!("wss://ecole.example{path}").into_client_request().unwrap();
        if role != "anonymous" {
            let token = self.tokens.of("u1", role, &[], &[]);
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let stream = self.client.handshake(self.client.tls(&[b"http/1.1"])).await.unwrap();
        client_async(request, stream).await.map(|(socket, _)| socket)
    }

    /// What a client gets of what a platform sends, up to the end; `count` messages, then the client closes.
    async fn receive(&self, role: &str, path: &str, script: Vec<Message>, count: usize) -> Vec<Message> {
        self.platform.scripts.lock().unwrap().push_back(script);
        let mut socket = self.open(role, path, &[]).await.unwrap();
        let mut got = Vec::new();
        while got.len() < count {
            match timeout(PATIENCE, socket.next()).await.expect("a message or the end") {
                Some(Ok(message)) => got.push(message),
                Some(Err(_)) | None => break,
            }
        }
        let _ = socket.close(None).await;
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, socket.next()).await {}
        got
    }
}

fn text(text: &str) -> Message {
    Message::text(text)
}

fn code(message: Option<&Message>) -> Option<u16> {
    match message {
        Some(Message::Close(Some(frame))) => Some(frame.code.into()),
        _ => None,
    }
}

#[tokio::test]
async fn each_text_leaves_as_its_reader_may_have_it() {
    let world = World::start().await;
    for (role, path, sent, expected) in [
        (
            "marketing",
            "/socket",
            r#"{"full_name":"Anna","title":"t","x":1}"#,
            r#"{"full_name":"***","title":"t"}"#,
        ),
        ("learner", "/socket", r#"{"full_name":"Anna","id":"u1"}"#, r#"{"full_name":"Anna","id":"u1"}"#),
        ("learner", "/socket", r#"{"full_name":"Anna","id":"u2"}"#, r#"{"full_name":"***","id":"u2"}"#),
        (
            "learner",
            "/socket",
            r#"42["saved",{"full_name":"Anna","id":"u2"},{"full_name":"Anna","id":"u1"}]"#,
            r#"42["saved",{"full_name":"***","id":"u2"},{"full_name":"Anna","id":"u1"}]"#,
        ),
        ("marketing", "/socket", "2", "2"),
        (
            "marketing",
            "/socket",
            r#"0{"sid":"x","pingInterval":25000}"#,
            r#"0{"sid":"x","pingInterval":25000}"#,
        ),
        ("marketing", "/texts", "bonjour", "bonjour"),
        ("marketing", "/free", r#"{"full_name":"Anna","x":["y"]}"#, r#"{"full_name":"***","x":["y"]}"#),
        ("marketing", "/free", "bonjour", "bonjour"),
        ("administrator", "/socket", r#"{"full_name":"Anna","x":1}"#, r#"{"full_name":"Anna","x":1}"#),
        ("administrator", "/socket", "bonjour", "bonjour"),
        ("marketing", "/unread", r#"{"full_name":"Anna"}"#, r#"{"full_name":"Anna"}"#),
    ] {
        let got = world.receive(role, path, vec![text(sent)], 1).await;
        assert_eq!(got, [text(expected)], "{role} {path} {sent}");
        world.platform.last().await;
    }
    // In frames, with a ping among them.
    let frame =
        |data: &'static str, code, last| Message::Frame(Frame::message(data, OpCode::Data(code), last));
    let script = vec![
        frame(r#"{"full_na"#, Data::Text, false),
        Message::Ping("Anna".into()),
        frame(r#"me":"An"#, Data::Continue, false),
        frame(r#"na","title":1}"#, Data::Continue, true),
    ];
    let got = world.receive("marketing", "/socket", script, 2).await;
    assert_eq!(got, [Message::Ping("".into()), text(r#"{"full_name":"***","title":1}"#)]);
    let seen = world.platform.last().await;
    assert!(seen.messages.contains(&Message::Pong("Anna".into())), "{seen:?}");
    let binary = Message::binary(vec![0, 159, 146, 150]);
    assert_eq!(world.receive("marketing", "/texts", vec![binary.clone()], 1).await, [binary]);

    let names = [("category", "name"), ("recipient", "marketing")];
    assert!(world.gateway.wait_metric("rempart_redacted_fields_total", &names, 3.0) >= 3.0);
    let journal = world.gateway.wait_journal(14);
    let records: Vec<_> = journal.iter().filter(|record| record["redacted"]["name"] == 1).collect();
    assert!(records.len() >= 4, "{journal:?}");
    assert!(records.iter().all(|record| record["decision"] == "upgraded" && record["status"] == 101));
    assert!(!format!("{journal:?}").contains("Anna"));
    stop(world.gateway).await;
}

#[tokio::test]
async fn what_cannot_be_read_closes_both_sides() {
    let world = World::start().await;
    let long = format!(r#"{{"title":"{}"}}"#, "x".repeat(3000));
    let huge = format!(r#"{{"title":"{}"}}"#, "x".repeat(1 << 20));
    let frame = |data: &str, code, last| {
        Message::Frame(Frame::message(data.to_owned().into_bytes(), OpCode::Data(code), last))
    };
    let parts = |count: usize| {
        let mut parts = vec![frame(r#"{"title":""#, Data::Text, false)];
        parts.extend((0..count).map(|_| frame(&"x".repeat(1000), Data::Continue, false)));
        parts
    };
    for (name, path, script, expected) in [
        ("broken JSON", "/socket", vec![text(r#"{"full_name":"Cnry""#)], 1011),
        ("two documents", "/socket", vec![text(r#"{"title":1}{"full_name":"Cnry"}"#)], 1011),
        ("no JSON where fields are declared", "/socket", vec![text("Cnry")], 1011),
        ("a frame that nobody knows", "/free", vec![text(r#"a["{\"full_name\":\"Cnry\"}"]"#)], 1011),
        ("bytes", "/socket", vec![Message::binary("Cnry")], 1003),
        (
            "no UTF-8",
            "/texts",
            vec![Message::Frame(Frame::message(vec![b'C', 0xff], OpCode::Data(Data::Text), true))],
            1007,
        ),
        ("too long", "/texts", vec![text(&long)], 1009),
        ("too long by default", "/socket", vec![text(&huge)], 1009),
        ("too long in pieces", "/texts", parts(5), 1009),
        (
            "compressed",
            "/socket",
            vec![{
                let mut frame = Frame::message("Cnry", OpCode::Data(Data::Text), true);
                frame.header_mut().rsv1 = true;
                Message::Frame(frame)
            }],
            1002,
        ),
    ] {
        let mut script = script;
        script.insert(0, text(r#"42["first",{"title":1}]"#));
        script.push(text(r#"{"full_name":"Cnry"}"#));
        let got = world.receive("marketing", path, script, 9).await;
        assert_eq!(got.first(), Some(&text(r#"42["first",{"title":1}]"#)), "{name}");
        assert_eq!(code(got.get(1)), Some(expected), "{name}: {got:?}");
        assert_eq!(got.len(), 2, "{name}: {got:?}");
        let seen = world.platform.last().await;
        assert_eq!(code(seen.messages.last()), Some(expected), "{name}: {:?}", seen.messages);
    }
    let reasons = [("route", "socket"), ("reason", "opaque_part")];
    assert!(world.gateway.wait_metric("rempart_redaction_refused_total", &reasons, 2.0) >= 2.0);
    let journal = format!("{:?}", world.gateway.wait_journal(10));
    assert!(journal.contains("redaction_cut") && !journal.contains("Cnry"), "{journal}");
    stop(world.gateway).await;
}

#[tokio::test]
async fn what_a_client_sends_is_judged_as_a_request_is() {
    let world = World::start().await;
    for (name, role, path, sent, refused) in [
        ("a change", "marketing", "/socket", text(r#"{"birth_year":2013}"#), Some(1008)),
        ("in a packet", "marketing", "/socket", text(r#"42["save",{"birth_year":2013}]"#), Some(1008)),
        ("a mask", "learner", "/socket", text(r#"42["save",{"full_name":"***"}]"#), Some(1008)),
        ("a broken one", "marketing", "/socket", text(r#"{"title":"#), Some(1008)),
        ("bytes", "marketing", "/socket", Message::binary("x"), Some(1003)),
        ("a change of one's own", "learner", "/socket", text(r#"{"full_name":"Anna"}"#), None),
        ("what is nobody's", "marketing", "/socket", text(r#"42["save",{"title":"x"}]"#), None),
        ("a text", "marketing", "/socket", text("bonjour"), None),
        ("a signal", "marketing", "/socket", text("3"), None),
        ("bytes that pass", "marketing", "/texts", Message::binary("x"), None),
    ] {
        let mut socket =
            world.open(role, path, &[("sec-websocket-extensions", "permessage-deflate")]).await.unwrap();
        socket.send(sent.clone()).await.unwrap();
        if refused.is_some() {
            let end = timeout(PATIENCE, socket.next()).await.unwrap();
            assert_eq!(code(end.and_then(Result::ok).as_ref()), refused, "{name}");
        } else {
            let words = CloseFrame { code: CloseCode::Library(4001), reason: "bye".into() };
            socket.close(Some(words)).await.unwrap();
        }
        while let Ok(Some(Ok(_))) = timeout(PATIENCE, socket.next()).await {}
        let seen = world.platform.last().await;
        assert!(!seen.headers.contains_key("sec-websocket-extensions"), "{name}");
        match refused {
            Some(expected) => {
                assert_eq!(seen.messages.len(), 1, "{name}: {:?}", seen.messages);
                assert_eq!(code(seen.messages.last()), Some(expected), "{name}");
            }
            None => {
                assert_eq!(seen.messages[0], sent, "{name}");
                assert_eq!(code(seen.messages.last()), Some(4001), "{name}: {:?}", seen.messages);
            }
        }
    }
    // GraphQL has names of the client's choice.
    let refused =
        world.open("marketing", "/socket", &[("sec-websocket-protocol", "graphql-transport-ws")]).await;
    assert!(matches!(refused, Err(Error::Http(answer)) if answer.status() == 400));
    stop(world.gateway).await;
}

#[tokio::test]
async fn a_socket_ends_with_either_side_and_with_the_gateway() {
    let world = World::start().await;
    // The platform's words of farewell are a text like any other, that nobody classified.
    let words = CloseFrame { code: CloseCode::Again, reason: "Anna is offline".into() };
    let got = world.receive("marketing", "/socket", vec![Message::Close(Some(words))], 9).await;
    assert_eq!(got, [Message::Close(Some(CloseFrame { code: CloseCode::Again, reason: "".into() }))]);
    world.platform.last().await;
    // The client goes without one.
    let socket = world.open("marketing", "/socket", &[]).await.unwrap();
    drop(socket);
    assert_eq!(code(world.platform.last().await.messages.last()), Some(1001));
    // The gateway ends, with a socket that is open.
    let mut socket = world.open("marketing", "/socket", &[]).await.unwrap();
    world.gateway.signal(Signal::Term);
    let end = timeout(PATIENCE * 2, async { while let Some(Ok(_)) = socket.next().await {} }).await;
    assert!(end.is_ok(), "the socket outlived its gateway");
    world.platform.last().await;
    let stopped = world.gateway.wait();
    assert!(stopped.status.success());
}

type H2Socket = WebSocketStream<TokioIo<Upgraded>>;

/// One connection of HTTP/2 with room for WebSockets (RFC 8441).
struct H2 {
    sender: http2::SendRequest<Full<Bytes>>,
    token: Option<String>,
}

impl H2 {
    /// Connects as this role, and asks something to hear of the gateway's settings.
    async fn connect(world: &World, role: &str) -> Self {
        let stream = world.client.handshake(world.client.tls(&[b"h2"])).await.unwrap();
        let (sender, connection) =
            http2::handshake(TokioExecutor::new(), TokioIo::new(stream)).await.unwrap();
        tokio::spawn(connection);
        let token = (role != "anonymous").then(|| world.tokens.of("u1", role, &[], &[]));
        let mut h2 = Self { sender, token };
        assert_eq!(h2.get("/nowhere").await, 404);
        h2
    }

    async fn send(
        &mut self,
        mut request: http::Request<Full<Bytes>>,
    ) -> http::Response<hyper::body::Incoming> {
        if let Some(token) = &self.token {
            request.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
        }
        timeout(PATIENCE, self.sender.send_request(request)).await.expect("an answer").expect("an answer")
    }

    async fn get(&mut self, path: &str) -> StatusCode {
        let request =
            http::Request::get(format!("https://ecole.example{path}")).body(Full::default()).unwrap();
        let answer = self.send(request).await;
        let status = answer.status();
        answer.into_body().collect().await.unwrap();
        status
    }

    async fn open(&mut self, path: &str, fields: &[(&'static str, &str)]) -> Result<H2Socket, StatusCode> {
        let mut request = http::Request::connect(format!("https://ecole.example{path}"))
            .extension(Protocol::from_static("websocket"))
            .header("sec-websocket-version", "13")
            .body(Full::default())
            .unwrap();
        for (name, value) in fields {
            request.headers_mut().insert(*name, value.parse().unwrap());
        }
        let answer = self.send(request).await;
        if answer.status() != 200 {
            return Err(answer.status());
        }
        for name in ["upgrade", "connection", "sec-websocket-accept", "sec-websocket-key", "content-length"] {
            assert!(!answer.headers().contains_key(name), "{name}");
        }
        let io = TokioIo::new(hyper::upgrade::on(answer).await.unwrap());
        Ok(WebSocketStream::from_raw_socket(io, Role::Client, None).await)
    }
}

#[tokio::test]
async fn a_socket_of_http_2_is_read_as_any_other() {
    let world = World::start().await;
    let next = async |socket: &mut H2Socket| timeout(PATIENCE, socket.next()).await.expect("a message");
    for (role, path, sent, expected) in [
        (
            "marketing",
            "/socket",
            r#"{"full_name":"Anna","title":"t","x":1}"#,
            r#"{"full_name":"***","title":"t"}"#,
        ),
        ("learner", "/socket", r#"{"full_name":"Anna","id":"u1"}"#, r#"{"full_name":"Anna","id":"u1"}"#),
        ("administrator", "/socket", "bonjour", "bonjour"),
        ("marketing", "/unread", r#"{"full_name":"Anna"}"#, r#"{"full_name":"Anna"}"#),
    ] {
        world.platform.scripts.lock().unwrap().push_back(vec![text(sent)]);
        let mut h2 = H2::connect(&world, role).await;
        let asked = [("sec-websocket-protocol", "chat"), ("sec-websocket-extensions", "permessage-deflate")];
        let mut socket = h2.open(path, &asked).await.unwrap();
        assert_eq!(next(&mut socket).await.unwrap().unwrap(), text(expected), "{role} {path}");
        let long = "x".repeat(100_000);
        socket.send(text(&format!("{{\"title\":\"{long}\"}}"))).await.unwrap();
        socket.close(None).await.unwrap();
        while let Some(Ok(_)) = next(&mut socket).await {}
        let seen = world.platform.last().await;
        assert!(matches!(&seen.messages[0], Message::Text(text) if text.len() == 100_012), "{role} {path}");
        assert_eq!(seen.headers["upgrade"], "websocket", "{role} {path}");
        assert!(seen.headers.contains_key("sec-websocket-key"));
        assert_eq!(seen.headers["via"], "2.0 rempart");
        // Compression stays where nothing is read on the route.
        assert_eq!(seen.headers.contains_key("sec-websocket-extensions"), path == "/unread", "{role}");
        assert_eq!(h2.get("/nowhere").await, 404, "the connection goes on");
    }
    // What may not be sent closes one socket, and no other of the connection.
    let mut h2 = H2::connect(&world, "marketing").await;
    let mut good = h2.open("/socket", &[]).await.unwrap();
    let mut bad = h2.open("/socket", &[]).await.unwrap();
    bad.send(text(r#"{"birth_year":2013}"#)).await.unwrap();
    assert_eq!(code(next(&mut bad).await.and_then(Result::ok).as_ref()), Some(1008));
    assert_eq!(code(world.platform.last().await.messages.last()), Some(1008));
    good.send(text(r#"{"title":"x"}"#)).await.unwrap();
    good.close(None).await.unwrap();
    while let Some(Ok(_)) = next(&mut good).await {}
    assert_eq!(world.platform.last().await.messages[0], text(r#"{"title":"x"}"#));
    // Who opens none is told so.
    assert_eq!(h2.open("/socket", &[("sec-websocket-protocol", "graphql-ws")]).await.unwrap_err(), 400);
    assert_eq!(h2.open("/nowhere", &[]).await.unwrap_err(), 404);
    assert_eq!(h2.open("/socket", &[("sec-websocket-version", "8")]).await.unwrap_err(), 501);
    // The gateway ends, with a socket that is open.
    let mut last = h2.open("/socket", &[]).await.unwrap();
    world.gateway.signal(Signal::Term);
    let end = timeout(PATIENCE * 2, async { while let Some(Ok(_)) = last.next().await {} }).await;
    assert!(end.is_ok(), "the socket outlived its gateway");
    let records = world.gateway.journal.wait_count("sockets", 6, |record| record["decision"] == "upgraded");
    assert!(
        records.iter().all(|record| record["status"] == 200 && record["protocol"] == "h2"),
        "{records:?}"
    );
    assert!(world.gateway.wait().status.success());
}

/// A platform that agrees to any WebSocket, says a byte again and again, and never leaves by itself: how many are still there.
fn stubborn() -> (SocketAddr, Arc<AtomicUsize>) {
    let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let (address, there) = (listener.local_addr().unwrap(), Arc::new(AtomicUsize::new(0)));
    let count = Arc::clone(&there);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, count) = (socket.unwrap(), Arc::clone(&count));
            std::thread::spawn(move || {
                let request = read_head(&mut socket);
                let key = request.lines().find_map(|line| line.strip_prefix("sec-websocket-key: ")).unwrap();
                let accept = tokio_tungstenite::tungstenite::handshake::derive_accept_key(key.as_bytes());
                let answer = format!(
                    "HTTP/1.1 101 Cnry\r\nConnection: upgrade\r\nUpgrade: websocket\r\nX-Full-Name: Cnry\r\n\
                     Sec-WebSocket-Accept: {accept}\r\n\r\n"
                );
                socket.write_all(answer.as_bytes()).unwrap();
                count.fetch_add(1, Ordering::SeqCst);
                // An empty ping.
                while socket.write_all(&[0x89, 0]).is_ok() {
                    pause(Duration::from_millis(20));
                }
                count.fetch_sub(1, Ordering::SeqCst);
            });
        }
    });
    (address, there)
}

fn read_head(socket: &mut std::net::TcpStream) -> String {
    let (mut head, mut byte) = (Vec::new(), [0]);
    while !head.ends_with(b"\r\n\r\n") && std::io::Read::read(socket, &mut byte).unwrap() > 0 {
        head.push(byte[0]);
    }
    String::from_utf8(head).unwrap()
}

#[tokio::test]
async fn a_client_that_leaves_takes_the_platform_s_side_along() {
    let (address, there) = stubborn();
    let tokens = Tokens::new();
    let folder = PolicyFolder::new(address, &tokens).routes("sockets", ROUTES);
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    let world = World { platform: Platform::default(), gateway, tokens, client };
    for path in ["/unread", "/socket"] {
        // In order, with the farewell of TLS but without that of the WebSocket.
        let mut stream = world.client.handshake(world.client.tls(&[b"http/1.1"])).await.unwrap();
        let ask = format!(
            "GET {path} HTTP/1.1\r\nHost: ecole.example\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        stream.write_all(ask.as_bytes()).await.unwrap();
        let mut head = Vec::new();
        while !head.ends_with(b"\r\n\r\n") {
            head.push(stream.read_u8().await.unwrap());
        }
        let head = String::from_utf8(head).unwrap();
        assert!(head.starts_with("HTTP/1.1 101 ") && !head.contains("Cnry"), "{path}: {head}");
        stream.shutdown().await.unwrap();
        // Without a word.
        let mut h2 = H2::connect(&world, "anonymous").await;
        let reset = h2.open(path, &[]).await.unwrap();
        assert!(there.load(Ordering::SeqCst) > 0, "{path}");
        drop(reset);
        // The connection goes on, and half of the stream is closed.
        let mut half = h2.open(path, &[]).await.unwrap();
        half.get_mut().shutdown().await.unwrap();
        let gone = async {
            while there.load(Ordering::SeqCst) > 0 {
                tokio::time::sleep(Duration::from_millis(10)).await;
            }
        };
        timeout(Duration::from_secs(10), gone).await.unwrap_or_else(|_| panic!("{path}: {there:?} are left"));
        assert_eq!(h2.get("/nowhere").await, 404, "{path}");
    }
    stop(world.gateway).await;
}

#[tokio::test]
async fn a_silent_socket_of_http_2_ends_and_its_connection_goes_on() {
    let world = World::behind(|folder| {
        folder.gateway("timeouts: { idle: 1 s, body: 1 s, drain: 1 s }").routes("sockets", ROUTES)
    })
    .await;
    let mut h2 = H2::connect(&world, "marketing").await;
    let (mut unread, mut read) =
        (h2.open("/unread", &[]).await.unwrap(), h2.open("/socket", &[]).await.unwrap());
    let ends = async { while let Some(Ok(_)) = unread.next().await {} };
    let others = async { while let Some(Ok(_)) = read.next().await {} };
    timeout(PATIENCE, async { tokio::join!(ends, others) }).await.expect("an end");
    for _ in 0..2 {
        world.platform.last().await;
    }
    assert_eq!(h2.get("/nowhere").await, 404);
    stop(world.gateway).await;
}

#[tokio::test]
async fn the_shipped_example_reads_each_message() {
    let world = World::behind(|folder| folder.example("sockets")).await;
    let sent = r#"{"event":"saved","id":"u2","classroom":"6A","name":"Anna","score":12,"note":"x"}"#;
    let rest = r#"{"event":"saved","id":"u2","classroom":"6A","name":"***"}"#;
    let whole = r#"{"event":"saved","id":"u1","classroom":"6A","name":"Anna","score":12}"#;
    for (role, sent, expected) in [
        ("administrator", sent.to_owned(), sent.to_owned()),
        ("marketing", sent.to_owned(), rest.to_owned()),
        ("learner", sent.to_owned(), rest.to_owned()),
        ("learner", whole.to_owned(), whole.to_owned()),
        ("learner", format!(r#"42["saved",{sent}]"#), format!(r#"42["saved",{rest}]"#)),
    ] {
        let got = world.receive(role, "/live", vec![text(&sent)], 1).await;
        assert_eq!(got, [text(&expected)], "{role} {sent}");
        world.platform.last().await;
    }
    let Err(Error::Http(refused)) = world.open("anonymous", "/live", &[]).await else { panic!("it opened") };
    assert_eq!(refused.status(), 401);
    stop(world.gateway).await;
}
