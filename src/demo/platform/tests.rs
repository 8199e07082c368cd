use std::{
    io::{Read, Write},
    net::TcpStream,
};

use flate2::read::GzDecoder;

use super::*;

/// One exchange in bare HTTP/1.1: the head as text, the body's bytes.
fn ask(platform: &Platform, request: &str) -> (String, Vec<u8>) {
    let mut socket = TcpStream::connect(platform.address()).unwrap();
    let (line, rest) = request.split_once('\n').unwrap_or((request, ""));
    write!(socket, "{line} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n{rest}\r\n").unwrap();
    let mut bytes = Vec::new();
    // A cut connection is an error here; what came before it counts.
    let _cut = socket.read_to_end(&mut bytes);
    let end = memchr::memmem::find(&bytes, b"\r\n\r\n").unwrap() + 4;
    (String::from_utf8_lossy(&bytes[..end]).into_owned(), bytes[end..].to_vec())
}

fn contains(bytes: &[u8], text: &str) -> bool {
    memchr::memmem::find(bytes, text.as_bytes()).is_some()
}

#[test]
fn it_leaks_and_tracks_as_real_platforms_do() {
    let platform = Platform::start().unwrap();
    let (head, body) = ask(&platform, "GET /api/learners");
    assert!(head.starts_with("HTTP/1.1 200"));
    for tracker in [
        "set-cookie: visitor_id=",
        "set-cookie: _ga=",
        "accept-ch:",
        "nel:",
        "report-to:",
        "etag: \"visitor-",
    ] {
        assert!(head.contains(tracker), "{tracker}");
    }
    assert!(contains(&body, "Alix Fictive") && contains(&body, "0000000104N"));
}

#[test]
fn signing_in_opens_a_session_that_the_gateway_can_ask_about() {
    let platform = Platform::start().unwrap();
    let body = format!("username=dominique&password={}", crate::demo::accounts::PASSWORD);
    let form = format!(
        "POST /api/login\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    );
    // The blank line of `ask` follows the body: harmless on a connection that closes.
    let (head, _) = ask(&platform, &form);
    assert!(head.contains("set-cookie: demo_csrftoken="));
    let session = head.split("set-cookie: session=").nth(1).unwrap().split(';').next().unwrap();
    let (head, body) = ask(&platform, &format!("GET /api/session\nCookie: session={session}\r\n"));
    assert!(head.starts_with("HTTP/1.1 200") && contains(&body, "\"role\":\"teacher\""));
    assert!(ask(&platform, "GET /api/session").0.starts_with("HTTP/1.1 401"));
}

#[test]
fn bodies_come_in_the_shapes_that_break_gateways() {
    let platform = Platform::start().unwrap();
    let (head, body) = ask(&platform, "GET /api/gzip\nAccept-Encoding: identity\r\n");
    assert!(head.contains("content-encoding: gzip"));
    let (start, end) = (body.iter().position(|&b| b == 0x1f).unwrap(), body.len());
    let mut text = String::new();
    GzDecoder::new(&body[start..end]).read_to_string(&mut text).unwrap();
    assert!(text.contains("Alix Fictive"));

    let (_, body) = ask(&platform, "GET /api/big?mb=3");
    assert!(body.len() > 3 << 20 && contains(&body[body.len() - 32..], "\n]\n"));

    let (_, cut) = ask(&platform, "GET /api/broken?kind=cut");
    assert!(contains(&cut, "Alix") && !cut.ends_with(b"0\r\n\r\n"));
    assert!(contains(&ask(&platform, "GET /api/broken?kind=malformed").1, "\"email\":,"));

    let (head, body) = ask(&platform, "GET /api/events?count=3&pause_ms=1");
    assert!(head.contains("text/event-stream") && contains(&body, "id: 3\n"));
    assert!(ask(&platform, "GET /export/learners.csv").1.starts_with("\u{feff}".as_bytes()));
}

#[test]
fn static_files_have_one_tag_for_both_encodings() {
    let platform = Platform::start().unwrap();
    let tag = |head: &str| head.split("etag: ").nth(1).unwrap().split("\r\n").next().unwrap().to_owned();
    let (plain, _) = ask(&platform, "GET /static/app.js");
    let (gzip, _) = ask(&platform, "GET /static/app.js\nAccept-Encoding: br, gzip\r\n");
    assert!(gzip.contains("content-encoding: gzip") && !plain.contains("content-encoding"));
    assert_eq!(tag(&plain), tag(&gzip));
    let (head, body) = ask(&platform, &format!("GET /static/app.js\nIf-None-Match: {}\r\n", tag(&plain)));
    assert!(head.starts_with("HTTP/1.1 304") && body.is_empty());
}

#[test]
fn a_change_comes_back_with_everything() {
    let platform = Platform::start().unwrap();
    let body = r#"{"full_name":"***"}"#;
    let (head, answer) =
        ask(&platform, &format!("PATCH /api/learners/L2\nContent-Length: {}\r\n\r\n{body}", body.len()));
    assert!(head.starts_with("HTTP/1.1 200"));
    assert!(contains(&answer, "\"full_name\":\"***\"") && contains(&answer, "2012-11-02"));
}
