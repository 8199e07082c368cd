//! Requests of HTTP/1, alone and in rows, with what must come of them.

use super::*;

/// What follows a case that keeps its connection: it must be answered as itself.
const NEXT: &[u8] = b"GET /next HTTP/1.1\r\n~~Connection: close\r\n\r\n";
/// What follows a case that may not be followed by anything.
const SMUGGLED: &[u8] = b"GET /smuggled HTTP/1.1\r\n~~\r\n";

fn refused(status: u16, name: &str, wire: &[u8]) -> Case {
    Case { name: name.into(), wire: [wire, SMUGGLED].concat(), outcomes: vec![Outcome::Refused(status)] }
}

fn next() -> Outcome {
    reached("GET /next", &[], b"")
}

/// All cases; each is one connection.
pub(super) fn cases() -> Vec<Case> {
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
        "HTTP/1.0 in absolute form",
        &[b"GET http://ecole.example/a HTTP/1.0\r\n~x\r\n", SMUGGLED],
        vec![reached("GET /a", &["host: ecole.example"], b"")],
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
