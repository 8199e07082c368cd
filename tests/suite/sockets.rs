//! WebSockets whose messages are read, seen from both ends: a client and a platform that speak RFC 6455 by a library, and the
//! gateway between them.

use std::{
    collections::VecDeque,
    net::SocketAddr,
    sync::{Arc, Mutex},
};

use futures_util::{SinkExt, StreamExt};
use http::HeaderMap;
use tokio::{
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
            CloseFrame,
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
