//! JSON in its wrappings, seen from outside: events as they happen, lines, sequences, guards and calls.

use std::sync::{Arc, Condvar, Mutex};

use crate::support::{
    PATIENCE,
    client::{Ask, Version},
    school::{School, record},
    upstream::{Answer, Recorded, Step, gzip, head},
};
use bytes::Bytes;
use http_body_util::BodyExt as _;
use hyper::body::Incoming;
use rempart::gateway::coding::{BLOCK, Coding, Decoder, Encoder};
use serde_json::{Value, json};
use tokio::time::timeout;

/// Lets the platform go on when the client has seen what came before.
#[derive(Clone, Default)]
struct Baton(Arc<(Mutex<usize>, Condvar)>);

impl Baton {
    fn give(&self) {
        *self.0.0.lock().unwrap() += 1;
        self.0.1.notify_all();
    }

    fn take(&self) {
        let held = self.0.0.lock().unwrap();
        let (mut held, late) = self.0.1.wait_timeout_while(held, PATIENCE, |held| *held == 0).unwrap();
        assert!(!late.timed_out(), "the client never saw what was sent");
        *held -= 1;
    }
}

/// Reads until this much of a body is there.
async fn read(body: &mut Incoming, decoder: &mut Option<Decoder>, seen: &mut Vec<u8>, until: usize) {
    while seen.len() < until {
        let frame = timeout(PATIENCE, body.frame())
            .await
            .expect("what is safe leaves at once")
            .expect("more")
            .unwrap();
        let data = frame.into_data().unwrap();
        let Some(decoder) = decoder else {
            seen.extend_from_slice(&data);
            continue;
        };
        decoder.feed(data);
        let mut block = vec![0; BLOCK];
        loop {
            match decoder.decode(&mut block).unwrap() {
                0 => break,
                read => seen.extend_from_slice(&block[..read]),
            }
        }
    }
}

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// An answer that sends its head, then each piece when the baton is given.
fn paced(content_type: &str, coding: Option<Coding>, pieces: &[&str], baton: &Baton) -> Answer {
    let mut fields = vec![("Content-Type", content_type), ("Transfer-Encoding", "chunked")];
    let name = coding
        .map(|coding| String::from_utf8(coding.token().as_bytes().to_vec()).unwrap())
        .unwrap_or_default();
    if coding.is_some() {
        fields.push(("Content-Encoding", &name));
    }
    let mut encoder = coding.map(Encoder::new);
    let mut answer = Answer::raw(head(200, &fields));
    for piece in pieces {
        let bytes = match &mut encoder {
            None => piece.as_bytes().to_vec(),
            Some(encoder) => {
                let mut coded = Vec::new();
                encoder.encode(piece.as_bytes(), &mut coded).unwrap();
                encoder.flush(&mut coded).unwrap();
                coded
            }
        };
        let baton = baton.clone();
        answer = answer.then(Step::Wait(Arc::new(move || baton.take()))).then(Step::Bytes(chunk(&bytes)));
    }
    let mut end = Vec::new();
    if let Some(mut encoder) = encoder {
        encoder.finish(&mut end).unwrap();
        end = chunk(&end);
    }
    end.extend(b"0\r\n\r\n");
    answer.then(Step::Bytes(end))
}

#[tokio::test]
async fn each_event_is_seen_before_the_next_is_sent() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    let event = |id: &str| format!("event: learner\nid: 1\ndata: {}\n\n", record(id, "6A"));
    let (first, second) = (event("L2"), event("L1"));
    let pieces = [first.as_str(), ": secret\n\n", second.as_str()];
    for version in [Version::H1, Version::H2] {
        for coding in
            [None, Some(Coding::Gzip), Some(Coding::Brotli), Some(Coding::Zstd), Some(Coding::Deflate)]
        {
            let context = format!("{version:?} {coding:?}");
            let baton = Baton::default();
            let owned: Vec<String> = pieces.iter().map(|piece| (*piece).to_owned()).collect();
            let given = baton.clone();
            school.script(move |_| {
                let pieces: Vec<&str> = owned.iter().map(String::as_str).collect();
                paced("text/event-stream", coding, &pieces, &given)
            });
            let ask =
                school.ask("/api/events", "learner").header("accept-encoding", "gzip, br, zstd, deflate");
            // The head is here before the first event is sent.
            let response = school.client.connect(version).await.open(&ask).await;
            let (head, mut body) = response.unwrap().into_parts();
            assert_eq!(head.headers["content-type"], "text/event-stream", "{context}");
            assert_eq!(head.headers["cache-control"], "private, no-cache", "{context}");
            let mut decoder = Coding::of(&head.headers).unwrap().map(|coding| Decoder::new(coding, 1 << 20));
            assert_eq!(decoder.is_some(), coding.is_some(), "{context}");
            let mut seen = Vec::new();
            let mut before = 0;
            for (at, ends) in ["\n\n", ":\n\n", "\n\n"].into_iter().enumerate() {
                baton.give();
                while !seen[before..].ends_with(ends.as_bytes()) {
                    let more = seen.len() + 1;
                    read(&mut body, &mut decoder, &mut seen, more).await;
                }
                let text = String::from_utf8(seen[before..].to_vec()).unwrap();
                before = seen.len();
                if at == 1 {
                    assert_eq!(text, ":\n\n", "{context}: a heartbeat without its text");
                    continue;
                }
                let data = text.strip_prefix("id: 1\nevent: learner\ndata: ").expect(&context);
                let got: Value = serde_json::from_str(data.trim_end()).unwrap();
                // The second is the learner's own.
                let name = if at == 0 { "***" } else { "Secret Name L1" };
                assert_eq!(got["full_name"], name, "{context}");
                assert_eq!(text.to_lowercase().contains("secret"), at == 2, "{context}: {text}");
            }
            assert!(
                timeout(PATIENCE, body.frame()).await.unwrap().is_none_or(|end| end.is_ok()),
                "{context}"
            );
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn each_line_is_seen_before_the_next_is_sent() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    for (content_type, begin) in [("application/x-ndjson", ""), ("application/json-seq", "\u{1e}")] {
        for version in [Version::H1, Version::H2] {
            let baton = Baton::default();
            let given = baton.clone();
            let line = format!("{begin}{}\n", record("L2", "6A"));
            school.script(move |_| paced(content_type, Some(Coding::Gzip), &[&line, &line], &given));
            baton.give();
            let ask = school.ask("/api/lines", "marketing").header("accept-encoding", "gzip");
            let response = school.client.connect(version).await.open(&ask).await.unwrap();
            let mut decoder =
                Coding::of(response.headers()).unwrap().map(|coding| Decoder::new(coding, 1 << 20));
            let mut body = response.into_body();
            let mut seen = Vec::new();
            for _ in 0..2 {
                let from = seen.len();
                while !seen[from..].ends_with(b"\n") {
                    let more = seen.len() + 1;
                    read(&mut body, &mut decoder, &mut seen, more).await;
                }
                baton.give();
                let line = String::from_utf8(seen[from..].to_vec()).unwrap();
                let got: Value = serde_json::from_str(line.trim_start_matches('\u{1e}')).unwrap();
                assert_eq!((&got["id"], &got["full_name"]), (&json!("L2"), &json!("***")));
                assert!(!line.to_lowercase().contains("secret"), "{line}");
            }
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn every_wrapping_is_redacted_on_every_route() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    let text = record("L2", "6A").to_string();
    let wrappings = [
        ("application/x-ndjson", format!("{text}\r\n\n7\n{text}")),
        ("application/jsonl; charset=utf-8", format!("{text}\n{text}\n")),
        ("application/json-seq", format!("\u{1e}{text}\n\u{1e}{text}\n")),
        ("application/geo+json-seq", format!("\u{1e}{text}\n")),
        ("text/plain", format!("{text}\n{text}\n")),
        ("", format!("{text}{text}")),
        ("application/octet-stream", format!("\u{1e}{text}\n")),
        ("application/json", format!(")]}}',\n{text}")),
        ("text/javascript", format!(")]}}'\n{text}")),
        ("application/javascript; charset=utf-8", format!("/**/cb({text});")),
        ("text/plain", format!("cb({text})")),
        ("text/event-stream", format!("data: {text}\n\n:secret\ndata:{text}\n\n")),
    ];
    for (content_type, body) in wrappings {
        for coded in [false, true] {
            let mut fields =
                if content_type.is_empty() { vec![] } else { vec![("Content-Type", content_type)] };
            fields.extend(coded.then_some(("Content-Encoding", "gzip")));
            let bytes = if coded { gzip(body.as_bytes()) } else { body.clone().into_bytes() };
            school.answer(Answer::new(200, &fields, bytes));
            for version in [Version::H1, Version::H2] {
                let mut connection = school.client.connect(version).await;
                for path in ["/api/x?callback=cb", "/free/x?callback=cb"] {
                    let context = format!("{content_type} {path} {version:?} {body}");
                    let reply = connection.send(&school.ask(path, "marketing")).await;
                    assert_eq!(reply.status, 200, "{context}");
                    assert!(reply.complete, "{context}");
                    assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{context}");
                    let got = reply.text();
                    let texts = body.matches("\"full_name\"").count();
                    assert_eq!(got.matches("\"full_name\":\"***\"").count(), texts, "{context}: {got}");
                    assert_eq!(got.matches("\"id\":\"L2\"").count(), texts, "{context}: {got}");
                    for hidden in ["Secret Name", "secret.L", "2013-05", "secret-ine", ":secret"] {
                        assert!(!got.contains(hidden), "{context}: {got}");
                    }
                }
                // Who sees everything gets the platform's bytes.
                let reply = connection
                    .send(&school.ask("/api/x", "administrator").header("accept-encoding", "gzip"))
                    .await;
                assert_eq!(
                    reply.body,
                    if coded { Bytes::from(gzip(body.as_bytes())) } else { Bytes::from(body.clone()) }
                );
            }
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn wrappings_that_break_are_refused() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    let text = record("L2", "6A").to_string();
    let half = &text[..text.len() - 5];
    for (content_type, body) in [
        ("application/x-ndjson", format!("{half}\n{text}\n")),
        ("application/x-ndjson", format!("{text} {text}\n")),
        ("application/json-seq", format!("\u{1e}{text}")),
        ("application/json-seq", format!("{text}\n")),
        ("application/json", format!("{text}\n{text}\n")),
        ("text/plain", format!("{text},{text}\n")),
        ("text/javascript", format!("cb({text}); more({text})")),
        ("text/javascript", format!("cb({half}")),
        ("text/javascript", format!(")]}}'{half}")),
        ("text/event-stream; charset=iso-8859-1", format!("data: {text}\n\n")),
    ] {
        school.answer(Answer::new(200, &[("Content-Type", content_type)], &body));
        for path in ["/api/x?callback=cb", "/free/x?callback=cb"] {
            let reply = school.client.send(&school.ask(path, "marketing")).await;
            let got = reply.text();
            assert!(reply.status == 502 || !reply.complete, "{content_type} {path} {body}: {got}");
            assert!(!got.to_lowercase().contains("secret"), "{content_type} {path}: {got}");
        }
    }
    // A stream has begun when its first event turns out to be broken.
    school.answer(Answer::new(
        200,
        &[("Content-Type", "text/event-stream")],
        format!("data: 1\n\ndata: {half}\n\n"),
    ));
    for path in ["/api/x?callback=cb", "/free/x?callback=cb"] {
        let reply = school.client.send(&school.ask(path, "marketing")).await;
        assert!(reply.status == 502 || !reply.complete, "{path}");
        assert!(!reply.text().to_lowercase().contains("secret"), "{path}");
    }
    // Scripts are for declared routes to refuse, and pass elsewhere.
    for script in [
        "define([\"jquery\"], function ($) { return { \"full_name\": $.name } })",
        "var state = {\"a\": 1};",
        "!function () {}()",
        "importScripts(\"a.js\");",
    ] {
        school.answer(Answer::new(200, &[("Content-Type", "text/javascript")], script));
        assert_eq!(school.client.send(&school.ask("/api/x", "marketing")).await.status, 502, "{script}");
        assert_eq!(school.client.send(&school.ask("/free/x", "marketing")).await.text(), script);
    }
    school.stop().await;
}

#[tokio::test]
async fn heartbeats_keep_a_stream_alive() {
    let school = School::start("timeouts: { body: 1 s }", |_: &Recorded| {
        let mut answer = Answer::raw(head(
            200,
            &[("Content-Type", "text/event-stream"), ("Transfer-Encoding", "chunked")],
        ));
        for _ in 0..6 {
            let pause = std::time::Duration::from_millis(400);
            answer = answer.then(Step::Pause(pause)).then(Step::Bytes(chunk(b": here\n\n")));
        }
        answer.then(Step::Bytes(
            [chunk(b"data: {\"full_name\":\"secret\"}\n\n"), b"0\r\n\r\n".to_vec()].concat(),
        ))
    });
    let (mut h1, mut h2) =
        (school.client.connect(Version::H1).await, school.client.connect(Version::H2).await);
    let ask = Ask::get("/free/events");
    for reply in <[_; 2]>::from(tokio::join!(h1.send(&ask), h2.send(&ask))) {
        assert!(reply.complete);
        assert_eq!(reply.text(), format!("{}data: {{\"full_name\":\"***\"}}\n\n", ":\n\n".repeat(6)));
    }
    school.stop().await;
}
