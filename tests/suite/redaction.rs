//! Redaction seen from outside: one URL, many readers, every way in which a platform can send a document.

use crate::support::{
    client::{Ask, Reply, Version},
    school::{ROLES, School, check_view, record, records},
    upstream::{Answer, Step, gzip, head},
};
use bytes::Bytes;
use http::{Method, StatusCode};
use rempart::gateway::coding::{BLOCK, Coding, Decoder, Encoder};
use serde_json::{Value, json};

const JSON: (&str, &str) = ("Content-Type", "application/json");
const CODINGS: [(&str, Option<Coding>); 5] = [
    ("identity", None),
    ("gzip", Some(Coding::Gzip)),
    ("deflate", Some(Coding::Deflate)),
    ("br", Some(Coding::Brotli)),
    ("zstd", Some(Coding::Zstd)),
];

fn encode(coding: Option<Coding>, text: &[u8]) -> Vec<u8> {
    let Some(coding) = coding else { return text.to_vec() };
    let (mut encoder, mut out) = (Encoder::new(coding), Vec::new());
    encoder.encode(text, &mut out).unwrap();
    encoder.finish(&mut out).unwrap();
    out
}

fn decode(reply: &Reply) -> Vec<u8> {
    let Some(coding) = Coding::of(&reply.headers).unwrap() else { return reply.body.to_vec() };
    let mut decoder = Decoder::new(coding, 1 << 30);
    decoder.feed(Bytes::clone(&reply.body));
    let (mut out, mut block) = (Vec::new(), vec![0; BLOCK]);
    loop {
        match decoder.decode(&mut block).unwrap() {
            0 => break,
            read => out.extend_from_slice(&block[..read]),
        }
    }
    decoder.finish().unwrap();
    out
}

/// A refusal as clients must see it: a problem document, and nothing of the body.
#[track_caller]
fn assert_refused(reply: &Reply, context: &str) {
    assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{context}: {}", start(&reply.text()));
    assert_eq!(reply.header("content-type"), ["application/problem+json"], "{context}");
    assert_eq!(reply.header("cache-control"), ["no-store"], "{context}");
    assert_eq!(reply.json()["status"], 502, "{context}");
    assert_clean(reply, context);
}

/// The beginning of a text.
fn start(text: &str) -> String {
    text.chars().take(500).collect()
}

/// Nothing of the platform's secrets, in head or body.
#[track_caller]
fn assert_clean(reply: &Reply, context: &str) {
    let all = format!("{:?}{}", reply.headers, String::from_utf8_lossy(&decode_or_raw(reply)));
    assert!(!all.to_ascii_lowercase().contains("secret"), "{context}: {}", start(&all));
}

fn decode_or_raw(reply: &Reply) -> Vec<u8> {
    if reply.complete { decode(reply) } else { reply.body.to_vec() }
}

#[tokio::test]
async fn one_url_is_answered_differently_for_each_reader() {
    let school = School::start("", |_| Answer::json(&records()));
    for version in [Version::H1, Version::H2] {
        let mut connection = school.client.connect(version).await;
        for role in ROLES.into_iter().chain(["anonymous"]) {
            let context = format!("{version:?} by token");
            let reply = connection.send(&school.ask("/api/learners", role)).await;
            assert_eq!(reply.status, 200);
            check_view(role, &reply.json(), &context);
            assert_eq!(reply.header("content-length"), [reply.body.len().to_string()], "{context} {role}");
            assert_eq!(reply.header("cache-control"), ["private, no-cache"]);
            assert!(reply.header("vary").join(",").contains("Authorization"), "{context} {role}");
            assert!(reply.header("vary").join(",").contains("Cookie"), "{context} {role}");

            let session = Ask::get("/api/learners").header("cookie", format!("_ga=1; session=s-{role}"));
            let reply = connection.send(&session).await;
            check_view(role, &reply.json(), &format!("{version:?} by session"));
        }
        // A token that does not hold is nobody's, whoever it claims to be.
        let forged = crate::support::tokens::Tokens::new().role("administrator");
        let reply = connection.send(&Ask::get("/api/learners").bearer(&forged)).await;
        check_view("anonymous", &reply.json(), "forged");
    }
    // An administrator's bytes are the platform's.
    let reply = school.client.send(&school.ask("/api/learners", "administrator")).await;
    assert_eq!(reply.body, records().to_string().as_bytes());
    school.stop().await;
}

#[tokio::test]
async fn every_coding_and_every_cut_gives_the_same_view() {
    let school = School::start("", |_| Answer::json(&records()));
    let text = records().to_string();
    let mut h1 = school.client.connect(Version::H1).await;
    let mut h2 = school.client.connect(Version::H2).await;
    for (name, coding) in CODINGS {
        let body = encode(coding, text.as_bytes());
        for size in [1, 7, 100, usize::MAX] {
            let pieces: Vec<Vec<u8>> = body.chunks(size).map(<[u8]>::to_vec).collect();
            school.script(move |_| {
                let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
                // `identity` is a token that some platforms send.
                Answer::chunked(200, &[JSON, ("Content-Encoding", name)], &pieces)
            });
            for role in ["learner", "teacher", "administrator", "anonymous"] {
                let context = format!("{name} in pieces of {size}");
                let ask = school.ask("/api/learners", role);
                let taken = ask.clone().header("accept-encoding", "gzip, deflate, br, zstd");
                for connection in [&mut h1, &mut h2] {
                    let reply = connection.send(&taken).await;
                    assert!(reply.complete, "{context}");
                    check_view(role, &serde_json::from_slice(&decode(&reply)).unwrap(), &context);
                    if role != "administrator" {
                        let sent = reply.header("content-encoding");
                        assert_eq!(sent, if coding.is_some() { vec![name] } else { vec![] }, "{context}");
                        assert_eq!(reply.header("content-length"), [reply.body.len().to_string()]);
                    }
                }
                if role != "administrator" {
                    // Who takes no coding gets none.
                    let reply = h1.send(&ask).await;
                    assert_eq!(reply.header("content-encoding"), [""; 0], "{context}");
                    check_view(role, &reply.json(), &context);
                }
            }
            assert_eq!(school.upstream.last().header("accept-encoding").unwrap(), "identity");
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn head_says_what_get_would() {
    let school = School::start("", |request| {
        let length = records().to_string().len().to_string();
        let headers =
            [JSON, ("Content-Length", length.as_str()), ("ETag", "\"v1\""), ("Content-MD5", "secret")];
        match request.method().as_str() {
            "HEAD" => Answer::raw(head(200, &headers)),
            _ => Answer::new(200, &[JSON, headers[2], headers[3]], records().to_string()),
        }
    });
    for version in [Version::H1, Version::H2] {
        let mut connection = school.client.connect(version).await;
        for path in ["/api/learners", "/free/learners"] {
            for role in ["teacher", "anonymous"] {
                let token = school.tokens.role("teacher");
                let ask = |method| match role {
                    "teacher" => Ask::new(method, path).bearer(&token),
                    _ => Ask::new(method, path),
                };
                let get = connection.send(&ask(Method::GET)).await;
                let head = connection.send(&ask(Method::HEAD)).await;
                assert_eq!((head.status, head.body.len()), (StatusCode::OK, 0));
                assert_eq!(head.header("etag"), get.header("etag"), "{path} {role}");
                assert_eq!(head.header("cache-control"), get.header("cache-control"));
                // The platform's length would tell that something was taken out, and is wrong.
                for length in head.header("content-length") {
                    assert_eq!(length, get.body.len().to_string(), "{path} {role}");
                }
                assert_clean(&head, "HEAD");
                assert_clean(&Reply { body: Bytes::new(), ..get }, "digest of GET");
            }
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn parts_are_never_asked_for_nor_passed() {
    let school = School::start("", |request| match request.headers("range").is_empty() {
        true => Answer::json(&records()),
        false => Answer::new(206, &[JSON, ("Content-Range", "bytes 0-9/99")], "[{\"id\":\"secret"),
    });
    let ask = school
        .ask("/api/learners", "marketing")
        .header("range", "bytes=0-9")
        .header("if-range", "\"v1\"")
        .header("if-modified-since", "Sat, 01 Jan 2022 00:00:00 GMT");
    let reply = school.client.send(&ask).await;
    assert_eq!(reply.status, 200);
    check_view("marketing", &reply.json(), "Range");
    for name in ["range", "if-range", "if-modified-since"] {
        assert!(school.upstream.last().headers(name).is_empty(), "{name}");
    }
    // A platform that sends a part unasked.
    let part = |content_type| {
        Answer::new(
            206,
            &[("Content-Type", content_type), ("Content-Range", "bytes 3-9/99")],
            "secret\"}, {\"a\": 1}",
        )
    };
    for (path, content_type) in [
        ("/api/learners", "application/json"),
        ("/api/learners", "text/csv"),
        ("/free/learners", "application/json"),
        ("/free/learners", "multipart/byteranges; boundary=a"),
    ] {
        school.answer(part(content_type));
        let reply = school.client.send(&school.ask(path, "marketing")).await;
        assert_refused(&reply, &format!("206 {path} {content_type}"));
    }
    // A video of an undeclared route is what parts are for.
    school.answer(Answer::new(206, &[("Content-Type", "video/mp4")], "film"));
    let reply = school.client.send(&Ask::get("/free/film").header("range", "bytes=0-3")).await;
    assert_eq!((reply.status.as_u16(), reply.text().as_str()), (206, "film"));
    assert_eq!(school.upstream.last().header("range").unwrap(), "bytes=0-3");
    school.stop().await;
}

#[tokio::test]
async fn entity_tags_belong_to_one_view() {
    let school = School::start("", |request| {
        match request.header("if-none-match").is_some_and(|tags| tags.contains("\"v1\"")) {
            true => Answer::raw(head(304, &[("ETag", "\"v1\""), ("Cache-Control", "max-age=60")])),
            false => Answer::new(
                200,
                &[JSON, ("ETag", "\"v1\""), ("Cache-Control", "public, max-age=60"), ("Expires", "0")],
                records().to_string(),
            ),
        }
    });
    let mut tags = Vec::new();
    for role in ROLES.into_iter().chain(["anonymous"]) {
        let reply = school.client.send(&school.ask("/api/learners", role)).await;
        let tag = reply.header("etag").pop().unwrap();
        let marked = tag.contains("-rp") && !tag.contains("v1");
        assert!(marked && !tags.iter().any(|(_, other)| *other == tag), "{role}: {tag}");
        assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{role}");
        assert!(reply.header("expires").is_empty());
        tags.push((role, tag));
    }
    for (owner, tag) in &tags {
        for role in ROLES.into_iter().chain(["anonymous"]) {
            let ask = school.ask("/api/learners", role).header("if-none-match", tag);
            let reply = school.client.send(&ask).await;
            if *owner == role {
                assert_eq!(reply.status, 304, "{role}");
                assert_eq!(reply.header("etag"), std::slice::from_ref(tag));
                assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{role}");
            } else {
                assert_eq!(reply.status, 200, "{role} with the tag of {owner}");
                check_view(role, &reply.json(), "other's tag");
            }
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn nothing_leaves_a_strict_route_unclassified() {
    let school = School::start("", |_| Answer::json(&records()));
    for body in [
        json!(["secret", "secret"]),
        json!([["secret"], [["secret"]]]),
        json!({ "new": "secret", "id": "L1" }),
        json!({ "data": { "full": ["secret"] } }),
        json!({ "id": { "full_name": "secret" } }),
        json!({ "classrooms": [{ "email": "secret" }] }),
        json!([{ "secret-key": 1 }]),
        json!("secret"),
        json!([[{ "full_name": "secret" }]]),
    ] {
        school.answer(Answer::json(&body));
        let reply = school.client.send(&school.ask("/api/learners", "marketing")).await;
        assert_clean(&reply, &format!("{body}"));
    }
    school.stop().await;
}

#[tokio::test]
async fn what_cannot_be_read_is_refused_whole() {
    let school = School::start("limits: { decoded_bytes: 1 MiB }", |_| Answer::json(&records()));
    let text = records().to_string();
    let half = &text[..text.len() / 2];
    let deep = format!("{}\"secret\"{}", "[".repeat(5000), "]".repeat(5000));
    // Nothing of it leaves before it explodes, since the value is not this reader's.
    let bomb = gzip(format!("{{\"full_name\":\"{}\"}}", "secret ".repeat(400_000)).as_bytes());
    let utf16: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
    let coded =
        |name: &'static str, body: Vec<u8>| Answer::new(200, &[JSON, ("Content-Encoding", name)], body);
    let cases: Vec<(&str, bool, Answer)> = vec![
        ("unknown coding", true, coded("snappy", text.clone().into())),
        ("stacked codings", true, coded("gzip, gzip", gzip(&gzip(text.as_bytes())))),
        ("a coding that lies", true, coded("gzip", text.clone().into())),
        ("cut gzip", true, coded("gzip", gzip(text.as_bytes())[..80].to_vec())),
        ("bomb", true, coded("gzip", bomb)),
        (
            "latin-1",
            true,
            Answer::new(
                200,
                &[("Content-Type", "application/json; charset=latin1")],
                text.replace("L1", "é"),
            ),
        ),
        (
            "two charsets",
            true,
            Answer::new(200, &[("Content-Type", "application/json; charset=utf-8; charset=utf-7")], &text),
        ),
        ("UTF-16", true, Answer::new(200, &[JSON], utf16)),
        ("two types", true, Answer::new(200, &[JSON, ("Content-Type", "text/csv")], &text)),
        (
            "two types in one",
            true,
            Answer::new(200, &[("Content-Type", "application/json, text/csv")], &text),
        ),
        ("PDF", false, Answer::new(200, &[("Content-Type", "application/pdf")], "%PDF-1.7 secret")),
        ("HTML", false, Answer::new(200, &[("Content-Type", "text/html")], "<p>secret</p>")),
        ("no type", false, Answer::new(200, &[], "secret")),
        ("half", true, Answer::new(200, &[JSON], half)),
        ("a lying length", true, Answer::lying(text.len(), &[JSON], half)),
        ("two documents", true, Answer::new(200, &[JSON], format!("{text}{text}"))),
        ("trailing comma", true, Answer::new(200, &[JSON], "[{\"full_name\":\"secret\",}]")),
        ("single quotes", true, Answer::new(200, &[JSON], "{'full_name':'secret'}")),
        ("comment", true, Answer::new(200, &[JSON], "{/* */\"full_name\":\"secret\"}")),
        ("NaN", true, Answer::new(200, &[JSON], "{\"full_name\":\"secret\",\"a\":NaN}")),
        ("bare line feed", true, Answer::new(200, &[JSON], "{\"full_name\":\"sec\nret\"}")),
        ("not UTF-8", true, Answer::new(200, &[JSON], b"{\"id\":\"secret\xff\"}")),
        ("lone surrogate key", true, Answer::new(200, &[JSON], "{\"\\ud800\":\"secret\"}")),
        ("deep", true, Answer::new(200, &[JSON], deep)),
        (
            "JSON lines",
            true,
            Answer::new(200, &[JSON], "{\"full_name\":\"secret\"}\n{\"full_name\":\"secret\"}"),
        ),
    ];
    let mut h1 = school.client.connect(Version::H1).await;
    let mut h2 = school.client.connect(Version::H2).await;
    for (name, also_undeclared, answer) in cases {
        school.answer(answer);
        let reply = h1.send(&school.ask("/api/learners", "marketing")).await;
        assert_refused(&reply, name);
        // One refusal does not cost the connection.
        let reply = h2.send(&school.ask("/api/learners", "learner")).await;
        assert_refused(&reply, name);
        if also_undeclared {
            let reply = h1.send(&school.ask("/free/learners", "marketing")).await;
            // A document with an odd key may pass where nothing is declared, but nothing personal with it.
            if name != "lone surrogate key" {
                assert_refused(&reply, name);
            }
        }
    }
    assert!(school.gateway.metric("rempart_redaction_refused_total", &[("route", "declared")]) >= 40.0);
    school.stop().await;
}

#[tokio::test]
async fn an_error_behind_the_held_beginning_cuts_the_connection() {
    let school = School::start("", |_| Answer::json(&records()));
    let item = format!("{},", record("L1", "6A"));
    let broken = |end: &str| Answer::long("[", &item, 2000, end);
    let endings = [
        ("malformed", broken("{\"full_name\":\"secret\",}]")),
        ("truncated", broken("{\"full_name\":\"secret")),
        ("not UTF-8 text", broken("\"\u{1}secret\"]")),
        ("platform gone", {
            let mut answer = broken("1]");
            answer.0.pop();
            answer.then(Step::Close)
        }),
    ];
    for (name, answer) in endings {
        school.answer(answer);
        for version in [Version::H1, Version::H2] {
            let mut connection = school.client.connect(version).await;
            let reply = connection.send(&school.ask("/api/learners", "marketing")).await;
            assert_eq!(reply.status, 200, "{name}");
            assert!(!reply.complete, "{name} {version:?}: the client takes half a document for a whole one");
            assert!(reply.body.len() >= 64 << 10, "{name}: {} bytes", reply.body.len());
            assert_clean(&reply, name);
        }
    }
    // On the wire: chunked without the last chunk, then the end of the connection.
    school.answer(broken("{\"full_name\":\"secret\",}]"));
    let (bytes, closed) = school.client.bytes(b"GET /api/x HTTP/1.1\r\nHost: ecole.example\r\n\r\n").await;
    let text = String::from_utf8_lossy(&bytes);
    assert!(closed && text.to_ascii_lowercase().contains("transfer-encoding: chunked"));
    assert!(!text.ends_with("0\r\n\r\n") && !text.to_ascii_lowercase().contains("secret"));
    let records = school.gateway.wait_journal(9);
    let cut = records.iter().filter(|record| record["termination"] == "redaction_cut").count();
    assert!(cut >= 7, "{cut} cuts are journalled");
    school.stop().await;
}

#[tokio::test]
async fn errors_and_lying_types_are_redacted_too() {
    let school = School::start("", |_| Answer::json(&records()));
    let text = records().to_string();
    for status in [201, 400, 401, 403, 404, 409, 422, 500, 503] {
        school.answer(Answer::new(status, &[JSON], &text));
        for role in ["teacher", "marketing"] {
            let reply = school.client.send(&school.ask("/api/learners", role)).await;
            assert_eq!(reply.status, status);
            check_view(role, &reply.json(), &format!("status {status}"));
        }
    }
    for content_type in [
        "text/html; charset=utf-8",
        "text/plain",
        "application/octet-stream",
        "application/vnd.api+json",
        "application/problem+json",
        "text/json",
    ] {
        school.answer(Answer::new(200, &[("Content-Type", content_type)], &text));
        for role in ["marketing", "anonymous"] {
            let reply = school.client.send(&school.ask("/api/learners", role)).await;
            check_view(role, &reply.json(), content_type);
            let reply = school.client.send(&school.ask("/free/learners", role)).await;
            assert_eq!(reply.header("cache-control"), ["private, no-cache"], "{content_type}");
            // Without records, nobody's own: charter names only.
            let body = reply.text();
            for hidden in ["Secret Name", "secret.L", "2013-05", "secret-gender", "secret-ine"] {
                assert!(!body.contains(hidden), "{content_type} {role}: {body}");
            }
        }
    }
    // No type at all, a byte order mark, white space first, escapes in names and values.
    for body in [
        format!("\u{feff}{text}"),
        format!(" \r\n\t{text}"),
        text.replace("full_name", "full\\u005fname").replace("Secret", "\\u0053ecret"),
    ] {
        school.answer(Answer::new(200, &[], &body));
        for path in ["/api/learners", "/free/learners"] {
            let reply = school.client.send(&school.ask(path, "marketing")).await;
            assert!(reply.status == 200 || reply.status == 502, "{path}: {}", reply.status);
            let text = reply.text();
            assert!(!text.contains("ecret Name") && !text.contains("secret-ine"), "{path}: {text}");
        }
    }
    school.stop().await;
}

#[tokio::test]
async fn charter_names_count_at_any_depth_where_nothing_is_declared() {
    let document = json!({
        "page": 1,
        "data": [{ "user": { "Full-Name": "secret", "fullName": "secret", "kind": "x" } }],
        "deep": [[[[{ "EMAIL": "secret" }]]]],
        "full_name": { "first": "secret", "parts": ["secret", 7] },
        "count": 3,
    });
    let upstream = document.clone();
    let school = School::start("", move |_| {
        let headers = [JSON, ("Digest", "secret"), ("Content-Digest", "secret"), ("Repr-Digest", "secret")];
        Answer::new(200, &headers, upstream.to_string())
    });
    for role in ["learner", "marketing", "anonymous"] {
        let reply = school.client.send(&school.ask("/free/x", role)).await;
        assert_clean(&reply, role);
        let got: Value = reply.json();
        assert_eq!((&got["page"], &got["count"]), (&json!(1), &json!(3)));
        assert_eq!(got["data"][0]["user"]["kind"], "x");
        assert_eq!(got["data"][0]["user"]["fullName"], "***");
        assert!(got["deep"][0][0][0][0]["EMAIL"].as_str().unwrap().starts_with("p_"));
        assert_eq!(reply.header("content-length"), [reply.body.len().to_string()]);
    }
    let reply = school.client.send(&school.ask("/free/x", "administrator")).await;
    assert_eq!(reply.json(), document);
    // What is not JSON passes untouched there, whatever its size and coding.
    let page = gzip(b"<html>page</html>");
    let body = page.clone();
    school.script(move |_| {
        Answer::new(
            200,
            &[("Content-Type", "text/html"), ("Content-Encoding", "gzip"), ("ETag", "\"p\"")],
            &body,
        )
    });
    let reply = school.client.send(&Ask::get("/free/page").header("accept-encoding", "gzip")).await;
    assert_eq!((reply.body, reply.headers["etag"].as_bytes()), (Bytes::from(page), &b"\"p\""[..]));
    school.stop().await;
}

#[tokio::test]
async fn the_page_of_a_redirect_or_error_stays_here_its_status_leaves() {
    const PAGE: &str = "<html><p>secret-page jean@x.fr</p></html>";
    let school = School::start("", |request| {
        let status: u16 =
            request.target().rsplit('/').next().and_then(|last| last.parse().ok()).unwrap_or(200);
        Answer::new(
            status,
            &[("Content-Type", "text/html"), ("Location", "/login"), ("ETag", "\"secret\"")],
            PAGE,
        )
    });
    for version in [Version::H1, Version::H2] {
        let mut connection = school.client.connect(version).await;
        for status in [302u16, 403, 404, 500] {
            let reply = connection.send(&school.ask(&format!("/api/learners/{status}"), "learner")).await;
            assert_eq!(reply.status.as_u16(), status, "{version:?}");
            assert_eq!(reply.header("location"), ["/login"], "{version:?} {status}");
            assert_clean(&reply, &format!("{version:?} {status}"));
            match status {
                302 => assert!(reply.body.is_empty()),
                _ => assert_eq!(reply.json()["status"], status),
            }
        }
        assert_refused(
            &connection.send(&school.ask("/api/learners/200", "learner")).await,
            "a page with 200",
        );
        let whole = connection.send(&school.ask("/api/learners/404", "administrator")).await;
        assert_eq!(whole.text(), PAGE, "who may see everything reads it as it is");
    }
}
