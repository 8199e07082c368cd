//! Where messages begin and end: raw bytes through the real gateway, read again at the other side by a reader of its own
//! (`support/wire.rs`). The law for all: gateway and platform agree on the boundaries, and each answer is that of its request.

mod answers;
mod boundaries;
mod cases;
mod multiplexed;
mod mutants;
mod platforms;
mod requests;
mod streams;

use std::{
    collections::{HashMap, HashSet},
    io::{Read as _, Write as _},
    net::{TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
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
    pause,
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

fn reached(asked: &str, fields: &[&'static str], body: &[u8]) -> Outcome {
    Outcome::Reached { asked: asked.into(), fields: fields.to_vec(), body: body.to_vec() }
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
