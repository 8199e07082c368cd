//! Attacks that once worked, or once half worked, against the whole gateway.

use std::{
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    time::{Duration, Instant},
};

use crate::support::{
    client::{Ask, Client, Version},
    folder::{HOST, PLAIN_ROUTE, PolicyFolder},
    gateway::Gateway,
    school::{School, records, stop},
    tokens::Tokens,
    upstream::{Answer, Step, gzip, head},
};
use http::Method;
use tokio::io::{AsyncReadExt, AsyncWriteExt};

const JSON: (&str, &str) = ("Content-Type", "application/json");

/// Answers the beginning of each request, and then reads on.
fn answer_early(mut socket: TcpStream) {
    let mut bytes = [0u8; 4096];
    while let Ok(read @ 1..) = socket.read(&mut bytes) {
        if bytes[..read].starts_with(b"POST") || bytes[..read].starts_with(b"GET") {
            socket.write_all(&head(200, &[("Content-Length", "0")])).unwrap();
        }
    }
}

fn status(bytes: &[u8]) -> String {
    String::from_utf8_lossy(bytes).split(' ').nth(1).unwrap_or("none").to_owned()
}

#[tokio::test]
async fn one_client_s_slow_upload_does_not_hold_others() {
    // The platform answers before it has the body, and keeps the connection.
    let early = TcpListener::bind("127.0.0.1:0").unwrap();
    let tokens = Tokens::new();
    let folder = PolicyFolder::new(early.local_addr().unwrap(), &tokens).routes("plain", PLAIN_ROUTE);
    // One worker, so that all clients share its upstream connections.
    folder.replace("gateway.yaml", "workers: 2", "workers: 1");
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    std::thread::spawn(move || {
        for socket in early.incoming() {
            std::thread::spawn(move || answer_early(socket.unwrap()));
        }
    });

    let mut slow = Vec::new();
    for _ in 0..4 {
        let mut stream = client.handshake(client.tls(&[b"http/1.1"])).await.unwrap();
        let request = format!("POST /exempt/x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 1000\r\n\r\nx");
        stream.write_all(request.as_bytes()).await.unwrap();
        let mut answer = Vec::new();
        while !answer.ends_with(b"\r\n\r\n") {
            answer.push(stream.read_u8().await.unwrap());
        }
        assert!(answer.starts_with(b"HTTP/1.1 200"), "an early answer");
        let answer = String::from_utf8_lossy(&answer).to_lowercase();
        assert!(answer.contains("\r\nconnection: close\r\n"), "a client that may ask again: {answer}");
        slow.push(stream);
    }
    let began = Instant::now();
    for _ in 0..8 {
        assert_eq!(client.send(&Ask::get("/exempt/x")).await.status, 200);
    }
    assert!(began.elapsed() < Duration::from_secs(4), "others waited {:?}", began.elapsed());
    drop(slow);
    stop(gateway).await;
}

#[tokio::test]
async fn requests_with_two_readings_are_refused() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    let chunks = "3\r\nabc\r\n0\r\n\r\n";
    for (name, request, expected) in [
        (
            "length, chunks",
            format!(
                "POST /exempt/x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 13\r\nTransfer-Encoding: chunked\r\n\r\n{chunks}"
            ),
            "400",
        ),
        (
            "chunks, length",
            format!(
                "POST /exempt/x HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\nContent-Length: 13\r\n\r\n{chunks}"
            ),
            "400",
        ),
        ("fragment", format!("GET /exempt/x#/api/y HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), "400"),
        ("another scheme", format!("GET ftp://{HOST}/exempt/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), "400"),
        (
            "small get",
            format!("get /exempt/x HTTP/1.1\r\nHost: {HOST}\r\nContent-Length: 3\r\n\r\nabc"),
            "501",
        ),
        ("TRACK", format!("TRACK /exempt/x HTTP/1.1\r\nHost: {HOST}\r\n\r\n"), "501"),
    ] {
        let (answer, closed) = school.client.bytes(request.as_bytes()).await;
        assert_eq!((status(&answer).as_str(), closed), (expected, true), "{name}");
    }
    assert_eq!(school.upstream.count(), 0, "nothing was forwarded");

    // Broken chunks are the client's fault, not a matter of time.
    let broken = format!(
        "POST /exempt/x HTTP/1.1\r\nHost: {HOST}\r\nTransfer-Encoding: chunked\r\n\r\n3\nabc\r\n0\r\n\r\n"
    );
    let (answer, closed) = school.client.bytes(broken.as_bytes()).await;
    assert_eq!((status(&answer).as_str(), closed), ("400", true));

    // GET has no content, in HTTP/2 either.
    let ask = Ask::new(Method::GET, "/exempt/x").body("GET /api/y HTTP/1.1\r\n\r\n");
    assert_eq!(school.client.send_h2(&ask).await.status, 400);
    assert_eq!(school.client.send_h2(&Ask::get("/exempt/x")).await.status, 200);

    // What HTTP/2 writes is not read as a head of HTTP/1, whatever its bytes.
    let mut connection = school.client.connect(Version::H2).await;
    for number in 0..300 {
        let ask = Ask::get("/exempt/x").header("x-number", format!("#{number}")).header("te", "trailers");
        assert_eq!(connection.send(&ask).await.status, 200, "{number}");
    }

    // An origin that ignores the body of DELETE must not find a request in it.
    let ask = Ask::new(Method::DELETE, "/exempt/x").body("GET /api/y HTTP/1.1\r\n\r\n");
    assert_eq!(school.client.send(&ask).await.status, 200);
    assert_eq!(school.upstream.last().header("connection").as_deref(), Some("close"));
    school.stop().await;
}

#[tokio::test]
async fn answers_with_two_ends_are_errors() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    for fields in [
        &[("Content-Length", "2"), ("Transfer-Encoding", "chunked")][..],
        &[("Transfer-Encoding", "chunked"), ("Content-Length", "2")],
        &[("Transfer-Encoding", "gzip, chunked")],
        &[("Content-Length", "5, 5")],
    ] {
        let bytes = [head(200, fields), b"5\r\nhello\r\n0\r\n\r\n".to_vec()].concat();
        school.answer(Answer::raw(bytes).then(Step::Close));
        for version in [Version::H1, Version::H2] {
            let reply = school.client.connect(version).await.send(&Ask::get("/exempt/x")).await;
            assert_eq!(reply.status, 502, "{fields:?} {version:?}");
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn documents_under_other_types_are_redacted_or_refused_everywhere() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    let document = records().to_string();
    let line = document.trim_matches(['[', ']']).to_owned();
    let bodies = [
        document.clone(),
        format!("[1, {line}]"),
        format!("[null,{line}]"),
        format!(")]}}',\n{document}"),
        format!("\x1e{document}"),
    ];
    for kind in [
        "application/x-ndjson",
        "application/jsonl",
        "application/json-seq",
        "text/x-json",
        "application/vnd.api.json",
        "application/javascript",
        "text/javascript",
        "binary/octet-stream",
        "application/download",
        "text/csv",
        "text/xml",
        "text/css",
        "image/png",
        "application/pdf",
        "json",
        "x",
        "\"application/json\"",
        "text/plain",
        "text/html",
    ] {
        for body in &bodies {
            school.answer(Answer::new(200, &[("Content-Type", kind)], body));
            let reply = school.client.send(&school.ask("/free/x", "anonymous")).await;
            assert!(!reply.text().contains("Secret Name"), "{kind}: {}", reply.text());
        }
    }
    for coding in ["gzip, gzip", "compress", "br", "utf-8", "deflate"] {
        let headers = [("Content-Type", "text/plain"), ("Content-Encoding", coding)];
        for body in
            [document.clone().into_bytes(), gzip(document.as_bytes()), gzip(&gzip(document.as_bytes()))]
        {
            school.answer(Answer::new(200, &headers, body));
            let reply = school.client.send(&school.ask("/free/x", "anonymous")).await;
            assert_eq!(reply.status, 502, "{coding}");
        }
    }
    // A part that calls itself the whole.
    school.answer(Answer::new(
        200,
        &[("Content-Type", "text/plain"), ("Content-Range", "bytes 20-99/900")],
        &document[20..],
    ));
    assert_eq!(school.client.send(&Ask::get("/free/x")).await.status, 502);
    // What is of no format passes as it is, and so does a part of a film.
    for (kind, body) in [
        ("text/css", "a{b:c}"),
        ("text/javascript", "/* x */ f({\"a\": 1})"),
        ("image/png", "\u{89}PNG"),
        ("text/plain", "[1] a footnote"),
        ("application/pdf", "%PDF-1.7"),
    ] {
        school.answer(Answer::new(200, &[("Content-Type", kind), ("Cache-Control", "public")], body));
        let reply = school.client.send(&Ask::get("/free/x")).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, body), "{kind}");
        assert_eq!(reply.header("cache-control"), ["public"], "{kind}");
    }
    school.answer(Answer::new(
        206,
        &[("Content-Type", "video/mp4"), ("Content-Range", "bytes 0-3/9")],
        "film",
    ));
    assert_eq!(school.client.send(&Ask::get("/free/x")).await.status, 206);
    school.stop().await;
}

#[tokio::test]
async fn names_of_the_charter_are_found_behind_what_cannot_be_seen() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    for key in ["full\u{200b}_name", "full_name\\u0000", "\\u2060email", "ema\u{ad}il"] {
        school.answer(Answer::new(200, &[JSON], format!("{{\"{key}\": \"secret\"}}")));
        let reply = school.client.send(&Ask::get("/free/x")).await;
        assert!(reply.complete && !reply.text().contains("secret"), "{key}: {}", reply.text());
    }
    school.stop().await;
}

#[tokio::test]
async fn an_administrator_s_answer_is_never_left_to_a_shared_cache() {
    let school = School::start("", |_| Answer::new(200, &[], "ok"));
    for kind in ["text/html", "text/plain", "application/octet-stream", "text/javascript"] {
        let headers = [("Content-Type", kind), ("Cache-Control", "public, max-age=3600"), ("ETag", "\"v1\"")];
        school.answer(Answer::new(200, &headers, records().to_string()));
        let reply = school.client.send(&school.ask("/free/x", "administrator")).await;
        assert_eq!(reply.json(), records(), "{kind}");
        assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{kind}");
        // The 304 that confirms it has no type; it must not hand out a tag that is good for other readers.
        let tag = reply.header("etag").pop().unwrap();
        school.answer(Answer::raw(head(304, &[("ETag", "\"v1\""), ("Cache-Control", "public")])));
        let again = school.ask("/free/x", "administrator").header("if-none-match", &tag);
        let reply = school.client.send(&again).await;
        assert_eq!((reply.status.as_u16(), reply.header("etag")), (304, vec![tag]), "{kind}");
        assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{kind}");
    }
    school.stop().await;
}

#[tokio::test]
async fn a_guessed_tag_confirms_nothing() {
    let school = School::start("", |request| match request.header("if-none-match") {
        Some(_) => Answer::raw(head(304, &[("ETag", "\"v1\"")])),
        None => Answer::new(200, &[JSON, ("ETag", "\"v1\"")], records().to_string()),
    });
    let ask = school.ask("/api/x", "learner").header("if-none-match", "\"v1\"");
    assert_eq!(school.client.send(&ask).await.status, 200);
    school.stop().await;
}

#[tokio::test]
async fn personal_fields_of_a_head_are_withheld() {
    let school = School::start("", |_| {
        let headers = [
            JSON,
            ("X-Full-Name", "secret"),
            ("X-User-Email", "secret"),
            ("X-User", "{\"id\":1,\"birth_date\":\"secret\"}"),
            ("X-Total-Count", "3"),
        ];
        Answer::new(200, &headers, "[]")
    });
    for target in ["/api/x", "/free/x"] {
        for method in [Method::GET, Method::HEAD] {
            let reply = school.client.send(&Ask::new(method, target)).await;
            assert!(!format!("{:?}", reply.headers).contains("secret"), "{target}: {:?}", reply.headers);
            assert_eq!(reply.header("x-total-count"), ["3"]);
        }
        let reply = school.client.send(&school.ask(target, "administrator")).await;
        assert_eq!(reply.header("x-full-name"), ["secret"]);
    }
    for status in [204, 205] {
        school
            .answer(Answer::raw(head(status, &[("X-Full-Name", "secret"), ("Location", "/u?email=secret")])));
        let reply = school.client.send(&Ask::get("/api/x")).await;
        let fields = format!("{:?}", reply.headers);
        assert!(reply.status == status && !fields.contains("secret"), "{status}: {fields}");
    }
    school.stop().await;
}
