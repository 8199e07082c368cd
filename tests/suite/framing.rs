//! Where messages begin and end: raw bytes through the real gateway, read again at the other side by a reader of its own
//! (`support/wire.rs`). The law for all: gateway and platform agree on the boundaries, and each answer is that of its request.

mod answers;
mod requests;
mod streams;

use std::{
    collections::HashMap,
    io::{Read as _, Write as _},
    net::TcpListener,
    sync::{Arc, Mutex},
    time::Duration,
};

use futures_util::{StreamExt as _, stream};
use http::Method;
use rustls::ClientConfig;
use tokio::{io::AsyncWriteExt as _, time::timeout};

use self::answers::{ANSWERS, Got};
use crate::support::{
    PATIENCE,
    client::{Ask, Client, Connection, Version, read_all},
    folder::{PLAIN_ROUTE, PolicyFolder},
    frames,
    gateway::Gateway,
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Step, Upstream, head},
    wire::{Message, Read1, Recorder, Side, read},
};

/// Beside the route for everything: one that takes no POST, one with WebSockets.
const ROUTES: &str = r#"
routes:
  - name: reading
    owner: tests
    match: { host: "*", path: "/reading", methods: [GET] }
    upstream: school
    purpose: account
    personal_data: { exempt: "nothing personal in this test" }
  - name: socket
    owner: tests
    match: { host: "*", path: "/socket" }
    upstream: school
    purpose: account
    websocket: true
    personal_data: { exempt: "nothing personal in this test" }
"#;

/// What follows a case that keeps its connection: it must be answered as itself.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\n~~Connection: close\r\n\r\n";
/// What follows a case that may not be followed by anything.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\n~~\r\n";

/// What must come of one request.
#[derive(Clone, Debug)]
enum Outcome {
    /// The gateway answers with this status and closes; 0 where it may close without a word.
    Refused(u16),
    /// The same, and the beginning of the request may have gone: never its end.
    Broken(u16),
    /// The gateway answers with this status and goes on.
    Answered(u16),
    /// The platform gets it, and the client the platform's answer.
    Reached { asked: String, fields: Vec<&'static str>, body: Vec<u8> },
}

#[derive(Clone, Debug)]
struct Case {
    name: String,
    wire: Vec<u8>,
    outcomes: Vec<Outcome>,
}

/// How the bytes are cut.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Cut {
    /// Not at all.
    Whole,
    /// Behind each CR, and in the middle of what is between.
    Lines,
    /// Each byte by itself.
    Bytes,
}

impl Cut {
    fn pieces(self, wire: &[u8]) -> Vec<&[u8]> {
        match self {
            Self::Whole => vec![wire],
            Self::Bytes => wire.chunks(1).collect(),
            Self::Lines => wire
                .split_inclusive(|&byte| byte == b'\r')
                .flat_map(|line| {
                    let (left, right) = line.split_at(line.len() / 2);
                    [left, right]
                })
                .filter(|piece| !piece.is_empty())
                .collect(),
        }
    }
}

fn refused(status: u16, name: &str, wire: &[u8]) -> Case {
    Case { name: name.into(), wire: [wire, SMUGGLED].concat(), outcomes: vec![Outcome::Refused(status)] }
}

fn reached(asked: &str, fields: &[&'static str], body: &[u8]) -> Outcome {
    Outcome::Reached { asked: asked.into(), fields: fields.to_vec(), body: body.to_vec() }
}

fn next() -> Outcome {
    reached("GET /next", &[], b"")
}

/// All cases; each is one connection.
fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for (name, fields, body) in requests::FIELDS_REFUSED {
        let wire = [b"POST /a HTTP/1.1\r\n~~", *fields, b"\r\n", *body].concat();
        cases.push(refused(400, name, &wire));
    }
    for (name, chunks) in requests::CHUNKS_BROKEN {
        let wire = [b"POST /a HTTP/1.1\r\n~~Transfer-Encoding: chunked\r\n\r\n", *chunks, SMUGGLED].concat();
        cases.push(Case { name: (*name).into(), wire, outcomes: vec![Outcome::Broken(400)] });
    }
    for (status, name, wire) in requests::REFUSED {
        cases.push(refused(*status, name, wire));
    }
    for (name, wire, asked, fields, body) in requests::REACHED {
        cases.push(Case {
            name: (*name).into(),
            wire: [*wire, NEXT].concat(),
            outcomes: vec![reached(asked, fields, body), next()],
        });
    }
    cases.extend(rows());
    cases.extend(long());
    cases
}

/// Several requests on one connection.
fn rows() -> Vec<Case> {
    let get = |target: &str| format!("GET {target} HTTP/1.1\r\n~~\r\n").into_bytes();
    let post = b"POST /a HTTP/1.1\r\n~~Content-Length: 3\r\n\r\nabc";
    let chunked = b"POST /b HTTP/1.1\r\n~~Transfer-Encoding: chunked\r\n\r\n3\r\nabc\r\n0\r\n\r\n";
    let mut cases = Vec::new();
    let mut row = |name: &str, wires: &[&[u8]], outcomes: Vec<Outcome>| {
        cases.push(Case { name: name.into(), wire: wires.concat(), outcomes });
    };
    let many: Vec<Vec<u8>> = (0..40).map(|number| get(&format!("/{number}"))).collect();
    let many: Vec<&[u8]> = many.iter().map(Vec::as_slice).chain([NEXT]).collect();
    let each = (0..40).map(|number| reached(&format!("GET /{number}"), &[], b"")).chain([next()]).collect();
    row("forty in a row", &many, each);
    row(
        "all framings in a row",
        &[post, chunked, &get("/c"), chunked, post, NEXT],
        vec![
            reached("POST /a", &[], b"abc"),
            reached("POST /b", &[], b"abc"),
            reached("GET /c", &[], b""),
            reached("POST /b", &[], b"abc"),
            reached("POST /a", &[], b"abc"),
            next(),
        ],
    );
    // A head behind another message is looked at as the first one is.
    let behind = |wire: &'static [u8]| [wire, SMUGGLED].concat();
    for (name, wire, status) in [
        ("a fragment behind a request", behind(b"GET /b#c HTTP/1.1\r\n~~\r\n"), 400),
        (
            "two framings behind a request",
            behind(b"POST /b HTTP/1.1\r\n~~Content-Length: 5\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "the other way around",
            behind(b"POST /b HTTP/1.1\r\n~~Transfer-Encoding: chunked\r\nContent-Length: 5\r\n\r\n0\r\n\r\n"),
            400,
        ),
        (
            "one length twice behind a request",
            behind(b"POST /b HTTP/1.1\r\n~~Content-Length: 3\r\nContent-Length: 3\r\n\r\nabc"),
            400,
        ),
        ("bare LF behind a request", behind(b"GET /b HTTP/1.1\n~~\n"), 400),
        ("LF before the second request", behind(b"\nGET /b HTTP/1.1\r\n~~\r\n"), 400),
        ("no HTTP behind a request", behind(b"\0\r\n\r\n"), 400),
        ("HTTP/2 behind a request", behind(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"), 400),
        ("TRACE behind a request", behind(b"TRACE /b HTTP/1.1\r\n~~\r\n"), 501),
    ] {
        for (first, outcome) in [
            (&get("/a")[..], reached("GET /a", &[], b"")),
            (&post[..], reached("POST /a", &[], b"abc")),
            (&chunked[..], reached("POST /b", &[], b"abc")),
        ] {
            let name = format!("{name} ({})", String::from_utf8_lossy(&first[..7]));
            row(&name, &[first, &wire], vec![outcome, Outcome::Refused(status)]);
        }
    }
    row(
        "lines between requests",
        &[&get("/a"), b"\r\n\r\n", NEXT],
        vec![reached("GET /a", &[], b""), next()],
    );
    // More content than was told is the next request, and none.
    row(
        "a length too short",
        &[b"POST /a HTTP/1.1\r\n~~Content-Length: 2\r\n\r\nabc", NEXT],
        vec![reached("POST /a", &[], b"ab"), reached("cGET /next", &[], b"")],
    );
    row(
        "a method of its own",
        &[b"cGET /a HTTP/1.1\r\n~~\r\n", NEXT],
        vec![reached("cGET /a", &[], b""), next()],
    );
    row(
        "a length of nothing",
        &[b"POST /a HTTP/1.1\r\n~~Content-Length: 0\r\n\r\n\0\0\0", SMUGGLED],
        vec![reached("POST /a", &[], b""), Outcome::Refused(400)],
    );
    // What the gateway answers by itself leaves the connection as it was.
    for (name, first, status) in [
        ("another method", &b"DELETE /reading HTTP/1.1\r\n~~\r\n"[..], 405),
        ("an asterisk that is nobody's", b"OPTIONS * HTTP/1.1\r\n~~\r\n", 404),
        ("OPTIONS that ends here", b"OPTIONS /a HTTP/1.1\r\n~~Max-Forwards: 0\r\n\r\n", 200),
        (
            "a circle",
            b"GET /a HTTP/1.1\r\n~~Via: 1.1 rempart, 1.1 rempart, 1.1 rempart\r\nVia: 2.0 rempart\r\n\r\n",
            508,
        ),
    ] {
        row(name, &[first, NEXT], vec![Outcome::Answered(status), next()]);
    }
    // HTTP/1.0.
    row(
        "HTTP/1.0",
        &[b"GET /a HTTP/1.0\r\n~~\r\n", SMUGGLED],
        vec![reached("GET /a", &["via: 1.0 rempart"], b"")],
    );
    row(
        "HTTP/1.0 that stays",
        &[b"GET /a HTTP/1.0\r\n~~Connection: keep-alive\r\n\r\n", NEXT],
        vec![reached("GET /a", &["!connection"], b""), next()],
    );
    row(
        "HTTP/1.0 with content",
        &[b"POST /a HTTP/1.0\r\n~~Content-Length: 3\r\n\r\nabc", SMUGGLED],
        vec![reached("POST /a", &["content-length: 3"], b"abc")],
    );
    row(
        "HTTP/1.0 that expects",
        &[b"POST /a HTTP/1.0\r\n~~Expect: 100-continue\r\nContent-Length: 3\r\n\r\nabc", SMUGGLED],
        vec![reached("POST /a", &["!expect"], b"abc")],
    );
    row(
        "a last request",
        &[b"GET /a HTTP/1.1\r\n~~Connection: close\r\n\r\n", SMUGGLED],
        vec![reached("GET /a", &["!connection"], b"")],
    );
    row(
        "a last request in other words",
        &[b"POST /a HTTP/1.1\r\n~~Connection: x\r\nConnection: keep-alive, CLOSE\r\nContent-Length: 3\r\n\r\nabc", SMUGGLED],
        vec![reached("POST /a", &[], b"abc")],
    );
    cases
}

/// Long things.
fn long() -> Vec<Case> {
    let head = |start: &str, fields: &str| format!("{start} HTTP/1.1\r\n~~{fields}\r\n").into_bytes();
    let many: String = (0..300).map(|number| format!("X-{number}: y\r\n")).collect();
    let chunks = |body: String| {
        let head = "POST /a HTTP/1.1\r\n~~Transfer-Encoding: chunked\r\n\r\n";
        let wire = format!("{head}{body}{}", String::from_utf8_lossy(SMUGGLED)).into_bytes();
        move |name: &str| Case { name: name.into(), wire: wire.clone(), outcomes: vec![Outcome::Broken(400)] }
    };
    let (text, trailers) = ("x".repeat(20_000), many.clone());
    vec![
        refused(414, "a long target", &head(&format!("GET /{}", "a".repeat(17_000)), "")),
        refused(414, "a long query", &head(&format!("GET /a?{}", "a".repeat(17_000)), "")),
        refused(431, "a long value", &head("GET /a", &format!("X-A: {}\r\n", "b".repeat(90_000)))),
        refused(431, "a long name", &head("GET /a", &format!("X-{}: b\r\n", "a".repeat(90_000)))),
        refused(431, "many fields", &head("GET /a", &many)),
        refused(431, "a long method", &head(&format!("{} /a", "A".repeat(90_000)), "")),
        chunks(format!("3;{text}\r\nabc\r\n0\r\n\r\n"))("a long extension"),
        chunks(format!("{}0\r\n\r\n", format!("1;{}\r\na\r\n", &text[..4000]).repeat(5)))("many extensions"),
        chunks(format!("0\r\nX-Sum: {text}{text}{text}{text}{text}\r\n\r\n"))("a long trailer"),
        chunks(format!("0\r\n{trailers}\r\n"))("many trailers"),
    ]
}

/// The wire of a case: its marks filled in.
fn wire(case: &Case, mark: &str) -> Vec<u8> {
    let mut out = Vec::with_capacity(case.wire.len() + 100);
    let mut rest = &case.wire[..];
    while let Some(at) = rest.windows(2).position(|pair| pair == b"~~" || pair == b"~x") {
        out.extend_from_slice(&rest[..at]);
        if rest[at + 1] == b'~' {
            out.extend_from_slice(b"Host: ecole.example\r\n");
        }
        out.extend_from_slice(format!("X-Case: {mark}\r\n").as_bytes());
        rest = &rest[at + 2..];
    }
    out.extend_from_slice(rest);
    out
}

/// The answers on a connection, and what is left behind them.
fn answers(mut bytes: &[u8], heads: &[bool]) -> Result<Vec<Message>, String> {
    let mut answers = Vec::new();
    while !bytes.is_empty() {
        let head = heads.get(answers.len()).copied().unwrap_or_default();
        match read(bytes, Side::Server { head })? {
            Read1::Whole(message, length) => {
                bytes = &bytes[length..];
                if message.status() >= 200 {
                    answers.push(*message);
                }
            }
            Read1::Partial => return Err(format!("half an answer: {:?}", String::from_utf8_lossy(bytes))),
        }
    }
    Ok(answers)
}

/// Sends one case, and says what is wrong with what comes back.
async fn ask(client: &Client, tls: ClientConfig, case: &Case, cut: Cut, mark: &str) -> Result<(), String> {
    let mut stream = client.handshake(tls).await.map_err(|error| error.to_string())?;
    let wire = wire(case, mark);
    let (mut from, mut to) = tokio::io::split(&mut stream);
    let send = async {
        for piece in cut.pieces(&wire) {
            // Whoever refuses early may close before all of it was sent.
            if to.write_all(piece).await.is_err() || to.flush().await.is_err() {
                break;
            }
            if cut != Cut::Whole {
                tokio::task::yield_now().await;
            }
        }
        std::future::pending::<()>().await
    };
    let (bytes, closed) = tokio::select! {
        () = send => unreachable!(),
        got = timeout(PATIENCE, read_all(&mut from, Duration::from_secs(3))) => got.map_err(|_| "no end")?,
    };
    // Only the first request of a case is ever HEAD.
    let heads = [case.wire.starts_with(b"HEAD ")];
    let answers = answers(&bytes, &heads)?;
    let text = String::from_utf8_lossy(&bytes);
    if !closed {
        return Err(format!("it stays open: {text}"));
    }
    let is_silent = matches!(case.outcomes[..], [Outcome::Refused(0)]);
    if answers.len() != case.outcomes.len() && !(is_silent && answers.is_empty()) {
        return Err(format!("{} answers: {text}", answers.len()));
    }
    for (place, (answer, outcome)) in answers.iter().zip(&case.outcomes).enumerate() {
        let is_right = match outcome {
            Outcome::Refused(0) => answer.status() == 400,
            Outcome::Refused(status) | Outcome::Broken(status) | Outcome::Answered(status) => {
                answer.status() == *status
            }
            Outcome::Reached { asked, body, .. } => {
                let expected = format!("{mark} {asked} {}", body.len());
                let said = String::from_utf8_lossy(&answer.body);
                answer.status() == 200
                    && (answer.body.is_empty() && heads.get(place) == Some(&true) || said == expected)
            }
        };
        if !is_right || answer.all("date").len() != 1 {
            return Err(format!("answer {place}: {answer:?}"));
        }
    }
    Ok(())
}

/// What is wrong with what reached the platform for one case.
fn check(case: &Case, got: &[Message]) -> Result<(), String> {
    let mut got: Vec<&Message> = got.iter().collect();
    for outcome in &case.outcomes {
        let Outcome::Reached { asked, fields, body } = outcome else { continue };
        let place = got.iter().position(|message| message.asked() == *asked && message.body == *body);
        let message = got.remove(place.ok_or_else(|| format!("{asked} did not arrive: {got:?}"))?);
        for field in fields {
            let (name, value) = field.split_once(": ").unwrap_or((field.trim_end_matches(':'), ""));
            let is_right = if let Some(name) = name.strip_prefix('!') {
                message.all(name).is_empty()
            } else if let Some(name) = name.strip_prefix('+') {
                message.trailers == [(name.to_owned(), value.as_bytes().to_vec())]
            } else {
                let expected: Vec<&str> = fields
                    .iter()
                    .filter_map(|one| one.split_once(": "))
                    .filter(|one| one.0 == name)
                    .map(|one| one.1)
                    .collect();
                message.all(name) == expected
            };
            if !is_right {
                return Err(format!("{field}: {message:?}"));
            }
        }
    }
    if got.is_empty() { Ok(()) } else { Err(format!("more arrived: {got:?}")) }
}

/// A platform that answers each request with its mark, method, target and length, and a gateway in front of it.
fn start() -> (Recorder, Gateway, Client) {
    let recorder = Recorder::start(|message| {
        let mark = message.all("x-case").pop().unwrap_or_default();
        let text = format!("{mark} {} {}", message.asked(), message.body.len());
        let body = if message.asked().starts_with("HEAD ") { "" } else { &text };
        format!("HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: {}\r\n\r\n{body}", text.len())
            .into_bytes()
    });
    let folder = PolicyFolder::new(recorder.address, &Tokens::new())
        .routes("plain", PLAIN_ROUTE)
        .routes("framing", ROUTES);
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    (recorder, gateway, client)
}

/// The platform's bytes, read again: messages by their mark, how many there are, and what is strange. Half a message is where its
/// case `may_break`.
fn read_again(
    recorder: &Recorder,
    may_break: impl Fn(&str) -> bool,
) -> (HashMap<String, Vec<Message>>, usize, Vec<String>) {
    let mut arrived: HashMap<String, Vec<Message>> = HashMap::new();
    let (mut count, mut wrong) = (0, Vec::new());
    for wire in recorder.wires() {
        let mut rest = &wire[..];
        while !rest.is_empty() {
            match read(rest, Side::Client) {
                Ok(Read1::Whole(message, length)) => {
                    rest = &rest[length..];
                    count += 1;
                    arrived.entry(message.all("x-case").join(",")).or_default().push(*message);
                }
                Ok(Read1::Partial) => {
                    let text = String::from_utf8_lossy(rest);
                    let mark = text.split("x-case: ").nth(1).and_then(|text| text.split("\r\n").next());
                    if !mark.is_some_and(&may_break) {
                        wrong.push(format!("half a request arrived: {text}"));
                    }
                    break;
                }
                Err(error) => {
                    wrong.push(format!("{error}: {}", String::from_utf8_lossy(rest)));
                    break;
                }
            }
        }
    }
    (arrived, count, wrong)
}

#[tokio::test]
async fn gateway_and_platform_agree_on_every_boundary() {
    let (recorder, gateway, client) = start();
    let tls = client.tls(&[b"http/1.1"]);

    let cases: Vec<Arc<Case>> = cases().into_iter().map(Arc::new).collect();
    println!("{} cases", cases.len());
    let mut sent = Vec::new();
    for (place, case) in cases.iter().enumerate() {
        let is_short = case.wire.len() < 400;
        for cut in [Cut::Whole, Cut::Lines, Cut::Bytes] {
            if cut == Cut::Whole || (is_short && (cut == Cut::Lines || place % 3 == 0)) {
                sent.push((format!("{place}-{cut:?}"), Arc::clone(case), cut));
            }
        }
    }
    let wrong: Vec<String> = stream::iter(&sent)
        .map(async |(mark, case, cut)| {
            let got = ask(&client, tls.clone(), case, *cut, mark).await;
            got.err().map(|wrong| format!("{} ({cut:?}): {wrong}", case.name))
        })
        .buffer_unordered(16)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    let journal = stop(gateway).await.journal.json();

    let may_break = |mark: &str| {
        let case = sent.iter().find(|(known, ..)| known == mark);
        case.is_some_and(|(_, case, _)| matches!(case.outcomes[..], [Outcome::Broken(_)]))
    };
    let (mut arrived, count, strange) = read_again(&recorder, may_break);
    let mut wrong: Vec<String> = wrong.into_iter().chain(strange).collect();
    for (mark, case, cut) in &sent {
        if let Err(error) = check(case, &arrived.remove(mark).unwrap_or_default()) {
            wrong.push(format!("{} ({cut:?}): at the platform: {error}", case.name));
        }
    }
    wrong.extend(arrived.into_values().map(|stray| format!("of nobody: {stray:?}")));
    let told = journal.iter().filter(|record| record["decision"] == "forwarded").count();
    if told != count {
        wrong.push(format!("the journal tells of {told} requests, {count} arrived"));
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Answers the lie that its target numbers, and everything else truly.
fn lie(target: &str) -> Answer {
    let number = target.rsplit('/').next().unwrap_or_default();
    if target.starts_with("/flood/") {
        let interim = b"HTTP/1.1 103 Early Hints\r\nLink: </a.css>\r\n\r\n".to_vec();
        let end = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok".to_vec();
        return Answer(vec![Step::Repeat(interim, 20_000), Step::Bytes(end)]);
    }
    let css = [("Content-Type", "text/css")];
    if target.starts_with("/late/") {
        let forged = answers::bytes(b"@@");
        return Answer::new(200, &css, "ok")
            .then(Step::Pause(Duration::from_millis(50)))
            .then(Step::Bytes(forged));
    }
    if !target.starts_with("/lie/") {
        return Answer::new(200, &css, format!("true {number}"));
    }
    let (_, closes, _, bytes, _) = ANSWERS[number.parse::<usize>().unwrap()];
    let answer = Answer::raw(answers::bytes(bytes));
    if closes { answer.then(Step::Close) } else { answer }
}

/// Asks something true, whose answer is that and no other.
async fn is_true(connection: &mut Connection, number: usize) -> bool {
    let reply = connection.send(&Ask::get(&format!("/true/{number}"))).await;
    reply.status == 200 && reply.text() == format!("true {number}")
}

#[tokio::test]
async fn no_answer_is_taken_for_another() {
    let upstream = Upstream::start(|request| lie(&request.target()));
    let folder = PolicyFolder::new(upstream.address, &Tokens::new()).routes("plain", PLAIN_ROUTE);
    // One worker, so that all clients share its upstream connections.
    folder.replace("gateway.yaml", "workers: 2", "workers: 1");
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    println!("{} answers", ANSWERS.len());
    let mut wrong = Vec::new();
    for version in [Version::H1, Version::H2] {
        for (number, (name, _, method, _, expected)) in ANSWERS.iter().enumerate() {
            let mut connection = client.connect(version).await;
            let method = Method::from_bytes(method.as_bytes()).unwrap();
            let got = connection.try_send(&Ask::new(method, &format!("/lie/{number}"))).await;
            let is_right = match (&got, expected) {
                (Ok(reply), Got::Whole(status, body)) => {
                    reply.complete
                        && reply.status == *status
                        && reply.text() == *body
                        && (*status != 204 || reply.header("content-length").is_empty())
                        && reply.header("date").len() == 1
                        && ["connection", "transfer-encoding", "x-user-email"].iter().all(|name| {
                            // hyper's own, in HTTP/1.
                            version == Version::H1 && *name == "transfer-encoding"
                                || reply.header(name).is_empty()
                        })
                }
                (Ok(reply), Got::Refused) => {
                    reply.complete && reply.status == 502 && reply.text().contains("\"status\":502")
                }
                (Ok(reply), Got::Cut) => !reply.complete || reply.status == 502,
                // The head and its cut came together.
                (Err(_), Got::Cut) => true,
                (Err(_), _) => false,
            };
            if !is_right {
                wrong.push(format!("{name} ({version:?}): {got:?}"));
            }
            // Whatever was left behind it is not for the next.
            let mut other = client.connect(version).await;
            if !is_true(&mut other, number).await || !is_true(&mut other, number + 1000).await {
                wrong.push(format!("{name} ({version:?}): the next answer is another's"));
            }
        }
    }
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));

    // What comes while nobody asks ends the connection.
    let mut connection = client.connect(Version::H1).await;
    for number in 0..5 {
        let reply = connection.send(&Ask::get("/late/0")).await;
        assert_eq!(reply.text(), "ok");
        tokio::time::sleep(Duration::from_millis(120)).await;
        assert!(is_true(&mut connection, number).await, "{number}");
    }
    // A platform that goes on in interim answers is heard to the end, or not: nobody else waits for it.
    let flood = tokio::spawn(async move { connection.try_send(&Ask::get("/flood/0")).await });
    let mut other = client.connect(Version::H1).await;
    for number in 0..50 {
        assert!(is_true(&mut other, number).await, "{number}");
    }
    let reply = flood.await.unwrap().unwrap();
    assert!(matches!(reply.status.as_u16(), 200 | 502), "{reply:?}");
    // Trailers of a platform: what only a head may say stays here.
    upstream.script(|_| {
        let head =
            head(200, &[("Transfer-Encoding", "chunked"), ("Trailer", "X-Sum, Set-Cookie, Content-Length")]);
        let end = b"2\r\nok\r\n0\r\nX-Sum: 1\r\nSet-Cookie: a=b\r\nContent-Length: 9\r\nX_Y: 1\r\n\r\n";
        Answer::raw([head, end.to_vec()].concat())
    });
    for version in [Version::H1, Version::H2] {
        let reply = client.connect(version).await.send(&Ask::get("/a").header("te", "trailers")).await;
        let names: Vec<_> = reply.trailers.keys().map(|name| name.as_str().to_owned()).collect();
        assert_eq!((names, reply.text().as_str()), (vec!["x-sum".to_owned()], "ok"), "{version:?}");
    }
    drop(other);
    stop(gateway).await;
}

/// What two readers may end in different places.
const ODD: [&[u8]; 24] = [
    b"\r",
    b"\n",
    b"\r\n",
    b"\r\n\r\n",
    b"\0",
    b" ",
    b"\t",
    b"\x0b",
    b":",
    b",",
    b";",
    b"0",
    b"1",
    b"-",
    b"#",
    b"%2f",
    b"\xff",
    b"Content-Length: 1\r\n",
    b"Transfer-Encoding: chunked\r\n",
    b"0\r\n\r\n",
    b"1\r\na\r\n",
    b"\"",
    b"HTTP/1.1",
    b"\r\n ",
];

/// A case with one to three odd things in it.
fn mutant(case: &Case, dice: &mut impl FnMut(usize) -> usize) -> Case {
    let mut wire = case.wire.clone();
    for _ in 0..=dice(3) {
        let at = dice(wire.len());
        let odd = ODD[dice(ODD.len())];
        match dice(4) {
            0 => drop(wire.splice(at..at, odd.iter().copied())),
            1 => drop(wire.splice(at..at + 1, odd.iter().copied())),
            2 => drop(wire.remove(at)),
            _ => {
                let (from, to) = (at, (at + dice(12)).min(wire.len()));
                let piece = wire[from..to].to_vec();
                drop(wire.splice(to..to, piece));
            }
        }
    }
    Case { name: format!("{} {:?}", case.name, String::from_utf8_lossy(&wire)), wire, outcomes: Vec::new() }
}

/// Mutants of everything, whatever comes of each: what reaches the platform is whole requests, what is answered by it is one of
/// them, and an answer's place is that of its request.
///
/// `REMPART_MUTANTS` is how many, `REMPART_SEED` which.
#[tokio::test]
async fn mutants_are_refused_or_read_in_one_way() {
    let number = |name: &str, default: u64| {
        std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
    };
    let mut state = number("REMPART_SEED", 1).wrapping_mul(0x9e37_79b9_7f4a_7c15) | 1;
    let mut dice = move |sides: usize| {
        // xorshift64
        state ^= state << 13;
        state ^= state >> 7;
        state ^= state << 17;
        (state % sides.max(1) as u64) as usize
    };
    let (recorder, gateway, client) = start();
    let tls = client.tls(&[b"http/1.1"]);
    let cases: Vec<Case> = cases().into_iter().filter(|case| case.wire.len() < 1000).collect();
    let mutants: Vec<(String, Case)> = (0..number("REMPART_MUTANTS", 600))
        .map(|place| (format!("m{place}"), mutant(&cases[dice(cases.len())], &mut dice)))
        .collect();
    let told: Vec<(usize, Vec<Message>)> = stream::iter(mutants.iter().enumerate())
        .map(async |(place, (mark, case))| {
            let mut stream = client.handshake(tls.clone()).await.unwrap();
            let _sent = stream.write_all(&wire(case, mark)).await;
            // What waits for more is not waited for.
            let (bytes, _) = read_all(&mut stream, Duration::from_millis(300)).await;
            let is_head = case.wire.starts_with(b"HEAD ");
            let got = answers(&bytes, &[is_head]).unwrap_or_default();
            (place, got.into_iter().filter(|answer| answer.status() == 200).collect())
        })
        .buffer_unordered(32)
        .collect()
        .await;
    stop(gateway).await;
    let (arrived, count, mut wrong) = read_again(&recorder, |_| true);
    let mut answered = 0;
    let mut unmarked: Vec<&Message> = arrived.get("").into_iter().flatten().collect();
    for (place, answers) in told {
        let (mark, case) = &mutants[place];
        let arrived = arrived.iter().filter(|(known, _)| known.split(',').any(|one| one == mark));
        let mut arrived: Vec<&Message> = arrived.flat_map(|(_, messages)| messages).collect();
        for answer in answers.iter().filter(|answer| !answer.body.is_empty()) {
            answered += 1;
            let said = String::from_utf8_lossy(&answer.body).into_owned();
            // The mutation may have taken the mark away.
            let (own, lost) = (&mut arrived, &mut unmarked);
            let list = if said.starts_with(' ') { lost } else { own };
            let is_of =
                |message: &&Message| said.ends_with(&format!(" {} {}", message.asked(), message.body.len()));
            match list.iter().position(is_of) {
                Some(place) => drop(list.remove(place)),
                None => wrong.push(format!("{}: answered {said}, which did not arrive", case.name)),
            }
        }
    }
    // What arrived is what a reader of its own finds in what was sent, in that order and up to some place.
    for (mark, case) in &mutants {
        let wire = wire(case, mark);
        let mut rest = &wire[..];
        let mut sent = Vec::new();
        while let Ok(Read1::Whole(message, length)) = read(rest, Side::Anybody) {
            rest = &rest[length..];
            sent.push(message);
        }
        for message in
            arrived.iter().filter(|(known, _)| known.split(',').any(|one| one == mark)).flat_map(|it| it.1)
        {
            let is_of = |one: &Box<Message>| {
                one.body == message.body && one.line.split(' ').next() == message.line.split(' ').next()
            };
            match sent.iter().position(is_of) {
                Some(place) => drop(sent.remove(place)),
                None => wrong.push(format!("{}: arrived as {message:?}", case.name)),
            }
        }
    }
    println!("{} mutants, {count} arrived, {answered} answers", mutants.len());
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}

/// Who is answered before all of their content was read may be followed by their next request or by the end, never by what is
/// left of the content.
#[tokio::test]
async fn content_that_nobody_reads_is_no_request() {
    // A platform that answers as soon as it has a head, and reads on.
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = listener.local_addr().unwrap();
    let seen = Arc::<Mutex<Vec<String>>>::default();
    let noted = Arc::clone(&seen);
    std::thread::spawn(move || {
        for socket in listener.incoming() {
            let (mut socket, noted) = (socket.unwrap(), Arc::clone(&noted));
            std::thread::spawn(move || {
                let mut bytes = [0; 16 << 10];
                while let Ok(read @ 1..) = socket.read(&mut bytes) {
                    let text = String::from_utf8_lossy(&bytes[..read]).into_owned();
                    let line = text.split("\r\n").next().unwrap_or_default();
                    noted.lock().unwrap().push(line.to_owned());
                    if line.ends_with(" HTTP/1.1") {
                        let answer = "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: ";
                        let _sent = write!(socket, "{answer}{}\r\n\r\n{line}", line.len());
                    }
                }
            });
        }
    });
    let folder =
        PolicyFolder::new(address, &Tokens::new()).routes("plain", PLAIN_ROUTE).routes("framing", ROUTES);
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    let smuggled = "GET /smuggled HTTP/1.1\r\nHost: ecole.example\r\n\r\n";
    let chunk = format!("{:x}\r\n{smuggled}\r\n0\r\n\r\n", smuggled.len());
    let length = format!("Content-Length: {}\r\n", smuggled.len());
    let next = "GET /next HTTP/1.1\r\nHost: ecole.example\r\nConnection: close\r\n\r\n";
    for (target, status) in [("/early", 200), ("/reading", 405), ("/a/../b", 400)] {
        for (framing, body) in [(&length[..], smuggled), ("Transfer-Encoding: chunked\r\n", &chunk)] {
            for cut in [0, 1, body.len() / 2, body.len() - 1] {
                let mut stream = client.handshake(client.tls(&[b"http/1.1"])).await.unwrap();
                let head = format!("POST {target} HTTP/1.1\r\nHost: ecole.example\r\n{framing}\r\n");
                for piece in [&head, &body[..cut], &format!("{}{next}", &body[cut..])] {
                    if stream.write_all(piece.as_bytes()).await.is_err() {
                        break;
                    }
                    tokio::time::sleep(Duration::from_millis(15)).await;
                }
                let (bytes, closed) = read_all(&mut stream, Duration::from_secs(3)).await;
                let context = format!("{target} {framing:?} {cut}: {}", String::from_utf8_lossy(&bytes));
                let answers = answers(&bytes, &[]).unwrap_or_else(|error| panic!("{error}: {context}"));
                assert!(closed && answers.first().map(Message::status) == Some(status), "{context}");
                match &answers[1..] {
                    [] => {}
                    [one] => assert_eq!(one.body, b"GET /next HTTP/1.1", "{context}"),
                    _ => panic!("{context}"),
                }
            }
        }
    }
    stop(gateway).await;
    // As content it may have been seen, never behind an answer to it.
    let seen = seen.lock().unwrap();
    assert!(seen.iter().filter(|line| line.starts_with("POST /early")).count() == 8, "{seen:?}");
    assert!(
        !seen.iter().any(|line| line.starts_with("POST /reading") || line.starts_with("POST /b")),
        "{seen:?}"
    );
}

/// A stream of HTTP/2: its head, its content, its trailers.
struct Asked {
    name: String,
    head: Vec<u8>,
    body: Vec<u8>,
    trailers: Option<Vec<u8>>,
    expected: streams::Got,
}

fn asked_in_h2() -> Vec<Asked> {
    let sound = [
        (&b":method"[..], &b"POST"[..]),
        (b":scheme", b"https"),
        (b":path", b"/a"),
        (b":authority", b"ecole.example"),
    ];
    let mut asked = Vec::new();
    let mut add = |name: &str, head: Vec<u8>, body: &[u8], trailers: Option<Vec<u8>>, expected| {
        asked.push(Asked { name: name.into(), head, body: body.to_vec(), trailers, expected });
    };
    for (name, fields, body, expected) in streams::FIELDS {
        add(name, frames::fields(sound.iter().chain(*fields).copied()), body, None, *expected);
    }
    for (name, fields, body, expected) in streams::HEADS {
        add(name, frames::fields(fields.iter().copied()), body, None, *expected);
    }
    for (name, fields, expected) in streams::TRAILERS {
        let head = frames::fields(sound.iter().copied().chain([(&b"trailer"[..], &b"X-Sum"[..])]));
        add(name, head, b"abc", Some(frames::fields(fields.iter().copied())), *expected);
    }
    asked
}

/// Sends one stream, and another one behind it; says what is wrong with what comes back.
async fn ask_in_h2(client: &Client, tls: ClientConfig, asked: &Asked, mark: &str) -> Result<(), String> {
    let mut stream = client.handshake(tls).await.map_err(|error| error.to_string())?;
    let marked = |block: &[u8]| [block, &frames::fields([(&b"x-case"[..], mark.as_bytes())])].concat();
    let end = |is_last: bool| if is_last { frames::END_STREAM } else { 0 };
    let (has_body, has_trailers) = (!asked.body.is_empty(), asked.trailers.is_some());
    let mut wire = frames::PREFACE.to_vec();
    let flags = frames::END_HEADERS | end(!has_body && !has_trailers);
    wire.extend(frames::frame(frames::HEADERS, flags, 1, &marked(&asked.head)));
    if has_body {
        wire.extend(frames::frame(frames::DATA, end(!has_trailers), 1, &asked.body));
    }
    if let Some(trailers) = &asked.trailers {
        let flags = frames::END_HEADERS | frames::END_STREAM;
        wire.extend(frames::frame(frames::HEADERS, flags, 1, trailers));
    }
    let next = frames::fields([
        (&b":method"[..], &b"GET"[..]),
        (b":scheme", b"https"),
        (b":path", b"/next"),
        (b":authority", b"ecole.example"),
    ]);
    let flags = frames::END_HEADERS | frames::END_STREAM;
    wire.extend(frames::frame(frames::HEADERS, flags, 3, &marked(&next)));
    // Whoever ends the connection early may not read all of it.
    let _sent = stream.write_all(&wire).await;

    let (mut got, mut text, mut followed) = (None, Vec::new(), false);
    let mut is_over = [false; 2];
    while is_over != [true; 2] {
        let Some(frame) = timeout(PATIENCE, frames::next(&mut stream)).await.map_err(|_| "no end")? else {
            break;
        };
        let is_first = frame.stream == 1;
        match frame.kind {
            frames::HEADERS if is_first && got.is_none() => got = Some(frames::status(&frame.payload)),
            frames::HEADERS if frame.stream == 3 => followed = frames::status(&frame.payload) == 200,
            frames::DATA if is_first => text.extend(&frame.payload),
            // Above 399: an error.
            frames::RST_STREAM if is_first => got = got.or(Some(999)),
            frames::GOAWAY if frame.payload[4..8] != [0; 4] => {
                got = got.or(Some(999));
                break;
            }
            _ => {}
        }
        let ends = frame.kind == frames::RST_STREAM
            || (matches!(frame.kind, frames::HEADERS | frames::DATA)
                && frame.flags & frames::END_STREAM != 0);
        if ends {
            is_over[usize::from(!is_first)] = true;
        }
    }
    let (got, text) = (got.unwrap_or(999), String::from_utf8_lossy(&text).into_owned());
    let is_right = match asked.expected {
        streams::Got::Refused => got >= 400,
        streams::Got::Status(status) => got == status && followed,
        streams::Got::Reached(line, _, body) => {
            got == 200 && followed && text == format!("{mark} {line} {}", body.len())
        }
    };
    if is_right { Ok(()) } else { Err(format!("{got} {text}, the next one: {followed}")) }
}

#[tokio::test]
async fn nothing_of_http_2_means_something_else_in_http_1() {
    let (recorder, gateway, client) = start();
    let tls = client.tls(&[b"h2"]);
    let all = asked_in_h2();
    println!("{} streams", all.len());
    let mut wrong: Vec<String> = stream::iter(all.iter().enumerate())
        .map(async |(place, asked)| {
            let got = ask_in_h2(&client, tls.clone(), asked, &format!("h2-{place}")).await;
            got.err().map(|wrong| format!("{}: {wrong}", asked.name))
        })
        .buffer_unordered(16)
        .filter_map(async |wrong| wrong)
        .collect()
        .await;
    stop(gateway).await;
    let of = |mark: &str| mark.strip_prefix("h2-").and_then(|place| all.get(place.parse::<usize>().ok()?));
    let may_break =
        |mark: &str| of(mark).is_some_and(|asked| matches!(asked.expected, streams::Got::Refused));
    let (mut arrived, _, strange) = read_again(&recorder, may_break);
    wrong.extend(strange);
    for (place, asked) in all.iter().enumerate() {
        let mut got = arrived.remove(&format!("h2-{place}")).unwrap_or_default();
        // Where the connection ended it did not get there.
        got.retain(|message| message.asked() != "GET /next");
        let outcomes = match asked.expected {
            streams::Got::Reached(line, fields, body) => vec![reached(line, fields, body)],
            // A platform that has no WebSocket is asked for one all the same.
            streams::Got::Status(502) => {
                vec![reached("GET /socket", &["upgrade: websocket", "!sec-websocket-extensions"], b"")]
            }
            _ => Vec::new(),
        };
        let case = Case { name: asked.name.clone(), wire: Vec::new(), outcomes };
        if let Err(error) = check(&case, &got) {
            wrong.push(format!("{}: at the platform: {error}", asked.name));
        }
    }
    wrong.extend(arrived.into_values().map(|stray| format!("of nobody: {stray:?}")));
    assert!(wrong.is_empty(), "{} wrong:\n{}", wrong.len(), wrong.join("\n"));
}
