//! What clients send in HTTP/2, field by field, and what must come of it at a platform that speaks HTTP/1.

/// What must come of one stream.
#[derive(Clone, Copy, Debug)]
pub enum Got {
    /// An error of the stream or of the connection, or a status of the gateway's own: nothing reaches the platform, or at most
    /// a beginning without an end.
    Refused,
    /// This status of the gateway's own.
    Status(u16),
    /// The platform gets it: method and target, fields (as in `requests::REACHED`), content.
    Reached(&'static str, &'static [&'static str], &'static [u8]),
}
use Got::{Reached, Refused, Status};

type Field = (&'static [u8], &'static [u8]);

/// Fields behind a sound `POST /a` with these bytes of content.
pub const FIELDS: &[(&str, &[Field], &[u8], Got)] = &[
    (
        "none",
        &[],
        b"abc",
        Reached(
            "POST /a",
            &["transfer-encoding: chunked", "!content-length", "via: 2.0 rempart", "host: ecole.example"],
            b"abc",
        ),
    ),
    ("no content", &[], b"", Reached("POST /a", &["content-length: 0", "!transfer-encoding"], b"")),
    (
        "a length",
        &[(b"content-length", b"3")],
        b"abc",
        Reached("POST /a", &["content-length: 3", "!transfer-encoding"], b"abc"),
    ),
    (
        "a length with zeros",
        &[(b"content-length", b"003")],
        b"abc",
        Reached("POST /a", &["content-length: 3"], b"abc"),
    ),
    (
        "content that looks like a request",
        &[],
        b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ecole.example\r\n\r\n",
        Reached("POST /a", &[], b"0\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ecole.example\r\n\r\n"),
    ),
    ("a value of Latin-1", &[(b"x-a", b"Lyc\xe9e")], b"", Reached("POST /a", &["x-a: Lyc\u{fffd}e"], b"")),
    ("an empty value", &[(b"x-a", b"")], b"", Reached("POST /a", &["x-a: "], b"")),
    ("the same host", &[(b"host", b"ecole.example")], b"", Reached("POST /a", &["host: ecole.example"], b"")),
    (
        "the same host in odd case",
        &[(b"host", b"ECOLE.example")],
        b"",
        Reached("POST /a", &["host: ecole.example"], b""),
    ),
    ("trailers are understood", &[(b"te", b"trailers")], b"", Reached("POST /a", &["te: trailers"], b"")),
    (
        "crumbs of a cookie",
        &[(b"cookie", b"session=1"), (b"x-a", b"b"), (b"cookie", b"_ga=2"), (b"cookie", b"cart=3")],
        b"",
        Reached("POST /a", &["cookie: session=1; cart=3"], b""),
    ),
    (
        "a name with an underscore",
        &[(b"content_length", b"9"), (b"transfer_encoding", b"chunked")],
        b"abc",
        Reached("POST /a", &["!content_length", "!transfer_encoding", "transfer-encoding: chunked"], b"abc"),
    ),
    ("an expectation", &[(b"expect", b"100-continue")], b"abc", Reached("POST /a", &["!expect"], b"abc")),
    (
        "a way behind it",
        &[(b"via", b"1.1 a")],
        b"",
        Reached("POST /a", &["via: 1.1 a", "via: 2.0 rempart"], b""),
    ),
    // Lengths.
    ("a length too short", &[(b"content-length", b"2")], b"abc", Refused),
    ("a length too long", &[(b"content-length", b"4")], b"abc", Refused),
    ("a length of nothing", &[(b"content-length", b"0")], b"abc", Refused),
    ("a length without content", &[(b"content-length", b"3")], b"", Refused),
    ("plus", &[(b"content-length", b"+3")], b"abc", Refused),
    ("minus", &[(b"content-length", b"-3")], b"abc", Refused),
    ("hexadecimal", &[(b"content-length", b"0x3")], b"abc", Refused),
    ("no digits", &[(b"content-length", b"")], b"abc", Refused),
    ("a list of lengths", &[(b"content-length", b"3, 3")], b"abc", Refused),
    ("one length twice", &[(b"content-length", b"3"), (b"content-length", b"3")], b"abc", Refused),
    ("two lengths", &[(b"content-length", b"3"), (b"content-length", b"4")], b"abc", Refused),
    ("more than 64 bits", &[(b"content-length", b"18446744073709551619")], b"abc", Refused),
    ("a length above the limit", &[(b"content-length", b"9000000000000000000")], b"abc", Refused),
    ("a length with a line end", &[(b"content-length", b"3\r\n")], b"abc", Refused),
    // Fields of one connection (RFC 9113 8.2.2).
    ("transfer-encoding", &[(b"transfer-encoding", b"chunked")], b"abc", Refused),
    (
        "transfer-encoding and a length",
        &[(b"transfer-encoding", b"chunked"), (b"content-length", b"3")],
        b"abc",
        Refused,
    ),
    ("transfer-encoding: identity", &[(b"transfer-encoding", b"identity")], b"abc", Refused),
    ("connection", &[(b"connection", b"close")], b"", Refused),
    ("a field nominated", &[(b"connection", b"x-role"), (b"x-role", b"admin")], b"", Refused),
    ("keep-alive", &[(b"keep-alive", b"5")], b"", Refused),
    ("proxy-connection", &[(b"proxy-connection", b"close")], b"", Refused),
    ("upgrade", &[(b"upgrade", b"websocket")], b"", Refused),
    ("another te", &[(b"te", b"gzip")], b"", Refused),
    ("another te beside trailers", &[(b"te", b"trailers, gzip")], b"", Refused),
    // Names.
    ("a large letter", &[(b"X-A", b"b")], b"", Refused),
    ("a large letter in a known name", &[(b"Content-Length", b"3")], b"abc", Refused),
    ("no name", &[(b"", b"b")], b"", Refused),
    ("a colon in a name", &[(b"x:a", b"b")], b"", Refused),
    ("a colon behind a name", &[(b"x-a:", b"b")], b"", Refused),
    ("a space in a name", &[(b"x a", b"b")], b"", Refused),
    ("a space behind a name", &[(b"transfer-encoding ", b"chunked")], b"", Refused),
    ("CR in a name", &[(b"x\ra", b"b")], b"", Refused),
    ("LF in a name", &[(b"x\na", b"b")], b"", Refused),
    ("a field in a name", &[(b"x: y\r\ntransfer-encoding", b"chunked")], b"", Refused),
    ("NUL in a name", &[(b"x\0a", b"b")], b"", Refused),
    ("DEL in a name", &[(b"x\x7fa", b"b")], b"", Refused),
    ("an accent in a name", &[(b"x\xc3\xa9", b"b")], b"", Refused),
    ("a parenthesis in a name", &[(b"x(a", b"b")], b"", Refused),
    ("a slash in a name", &[(b"x/a", b"b")], b"", Refused),
    // Values.
    ("CR in a value", &[(b"x-a", b"b\rc")], b"", Refused),
    ("LF in a value", &[(b"x-a", b"b\nc")], b"", Refused),
    ("a field in a value", &[(b"x-a", b"b\r\ntransfer-encoding: chunked")], b"", Refused),
    (
        "a request in a value",
        &[(b"x-a", b"b\r\n\r\nGET /smuggled HTTP/1.1\r\nHost: ecole.example\r\n\r\n")],
        b"",
        Refused,
    ),
    ("NUL in a value", &[(b"x-a", b"b\0c")], b"", Refused),
    ("escape in a value", &[(b"x-a", b"b\x1bc")], b"", Refused),
    ("DEL in a value", &[(b"x-a", b"b\x7fc")], b"", Refused),
    ("a space before a value", &[(b"x-a", b" b")], b"", Refused),
    ("a space behind a value", &[(b"x-a", b"b ")], b"", Refused),
    ("a tab behind a value", &[(b"x-a", b"b\t")], b"", Refused),
    // Hosts.
    ("another host", &[(b"host", b"autre.example")], b"", Refused),
    ("the same host twice", &[(b"host", b"ecole.example"), (b"host", b"ecole.example")], b"", Refused),
    ("an empty host", &[(b"host", b"")], b"", Refused),
    ("the host with a path", &[(b"host", b"ecole.example/a")], b"", Refused),
    // Pseudo-fields.
    ("a path behind a field", &[(b"x-a", b"b"), (b":path", b"/b")], b"", Refused),
    ("a second path", &[(b":path", b"/b")], b"", Refused),
    ("a second authority", &[(b":authority", b"ecole.example")], b"", Refused),
    ("an unknown one", &[(b":x", b"y")], b"", Refused),
    ("one of answers", &[(b":status", b"200")], b"", Refused),
    ("a protocol without CONNECT", &[(b":protocol", b"websocket")], b"", Refused),
    ("an unknown expectation", &[(b"expect", b"x")], b"abc", Status(417)),
];

/// Whole heads, with their content.
pub const HEADS: &[(&str, &[Field], &[u8], Got)] = &[
    ("GET", &[M_GET, S, P, A], b"", Reached("GET /a", &["!content-length", "!transfer-encoding"], b"")),
    ("another order", &[A, P, S, M_GET], b"", Reached("GET /a", &[], b"")),
    (
        "a host in the place of the authority",
        &[M_GET, S, P, (b"host", b"ecole.example")],
        b"",
        Reached("GET /a", &["host: ecole.example"], b""),
    ),
    (
        "a port",
        &[M_GET, S, P, (b":authority", b"ecole.example:8443")],
        b"",
        Reached("GET /a", &["host: ecole.example:8443"], b""),
    ),
    (
        "DELETE with content",
        &[(b":method", b"DELETE"), S, P, A],
        b"abc",
        Reached("DELETE /a", &["transfer-encoding: chunked", "connection: close"], b"abc"),
    ),
    ("an unknown method", &[(b":method", b"REPORT"), S, P, A], b"", Reached("REPORT /a", &[], b"")),
    (
        "a query of everything",
        &[M_GET, S, (b":path", b"/a?//..;%2f%zz\\{}[]|'b"), A],
        b"",
        Reached("GET /a?//..;%2f%zz\\{}[]|'b", &[], b""),
    ),
    ("GET with content", &[M_GET, S, P, A], b"abc", Status(400)),
    ("HEAD with content", &[(b":method", b"HEAD"), S, P, A], b"abc", Status(400)),
    ("no method", &[S, P, A], b"", Refused),
    ("no scheme", &[M_GET, P, A], b"", Refused),
    ("no path", &[M_GET, S, A], b"", Refused),
    ("no authority", &[M_GET, S, P], b"", Status(400)),
    ("an empty authority", &[M_GET, S, P, (b":authority", b"")], b"", Refused),
    ("an empty path", &[M_GET, S, (b":path", b""), A], b"", Refused),
    ("an empty method", &[(b":method", b""), S, P, A], b"", Refused),
    ("an empty scheme", &[M_GET, (b":scheme", b""), P, A], b"", Refused),
    ("a method twice", &[M_GET, M_GET, S, P, A], b"", Refused),
    ("a scheme twice", &[M_GET, S, S, P, A], b"", Refused),
    ("a field first", &[(b"x-a", b"b"), M_GET, S, P, A], b"", Refused),
    // Methods.
    (
        "a request in the method",
        &[(b":method", b"GET /smuggled HTTP/1.1\r\nHost: ecole.example\r\n\r\nGET"), S, P, A],
        b"",
        Refused,
    ),
    ("a space in the method", &[(b":method", b"GET /smuggled"), S, P, A], b"", Refused),
    ("NUL in the method", &[(b":method", b"G\0ET"), S, P, A], b"", Refused),
    ("get", &[(b":method", b"get"), S, P, A], b"", Status(501)),
    ("TRACE", &[(b":method", b"TRACE"), S, P, A], b"", Status(501)),
    ("TRACK", &[(b":method", b"TRACK"), S, P, A], b"", Status(501)),
    ("PRI", &[(b":method", b"PRI"), S, P, A], b"", Status(501)),
    ("CONNECT", &[(b":method", b"CONNECT"), (b":authority", b"ecole.example:443")], b"", Status(501)),
    ("CONNECT with a path", &[(b":method", b"CONNECT"), S, P, A], b"", Refused),
    (
        "CONNECT to another protocol",
        &[(b":method", b"CONNECT"), (b":protocol", b"connect-udp"), S, P, A],
        b"",
        Status(501),
    ),
    ("CONNECT to no protocol", &[(b":method", b"CONNECT"), (b":protocol", b""), S, P, A], b"", Status(501)),
    (
        "CONNECT to a WebSocket where there is none",
        &[(b":method", b"CONNECT"), (b":protocol", b"websocket"), S, P, A, (b"sec-websocket-version", b"13")],
        b"",
        Status(501),
    ),
    (
        "CONNECT to a WebSocket of no version",
        &[(b":method", b"CONNECT"), (b":protocol", b"websocket"), S, (b":path", b"/socket"), A],
        b"",
        Status(501),
    ),
    (
        "CONNECT to a WebSocket by the platform's 200",
        &[
            (b":method", b"CONNECT"),
            (b":protocol", b"websocket"),
            S,
            (b":path", b"/socket"),
            A,
            (b"sec-websocket-version", b"13"),
        ],
        b"",
        Got::Status(502),
    ),
    // Schemes.
    ("ftp", &[M_GET, (b":scheme", b"ftp"), P, A], b"", Refused),
    ("an odd scheme", &[M_GET, (b":scheme", b"h t"), P, A], b"", Refused),
    ("a target in the scheme", &[M_GET, (b":scheme", b"https://autre.example/b?"), P, A], b"", Refused),
    ("a line end in the scheme", &[M_GET, (b":scheme", b"https\r\nx: y"), P, A], b"", Refused),
    // Authorities.
    ("a user", &[M_GET, S, P, (b":authority", b"u@ecole.example")], b"", Refused),
    ("a path in the authority", &[M_GET, S, P, (b":authority", b"ecole.example/b")], b"", Refused),
    ("a query in the authority", &[M_GET, S, P, (b":authority", b"ecole.example?b")], b"", Refused),
    ("a fragment in the authority", &[M_GET, S, P, (b":authority", b"ecole.example#b")], b"", Refused),
    ("a space in the authority", &[M_GET, S, P, (b":authority", b"ecole.example b")], b"", Refused),
    ("a line end in the authority", &[M_GET, S, P, (b":authority", b"ecole.example\r\nx: y")], b"", Refused),
    ("a port of letters", &[M_GET, S, P, (b":authority", b"ecole.example:x")], b"", Refused),
    ("two hosts", &[M_GET, S, P, (b":authority", b"ecole.example,autre.example")], b"", Refused),
    // Paths.
    ("no slash", &[M_GET, S, (b":path", b"a"), A], b"", Refused),
    ("an absolute target", &[M_GET, S, (b":path", b"https://autre.example/a"), A], b"", Refused),
    ("an asterisk", &[M_GET, S, (b":path", b"*"), A], b"", Refused),
    ("a query alone", &[M_GET, S, (b":path", b"?a"), A], b"", Refused),
    ("two slashes", &[M_GET, S, (b":path", b"//autre.example/a"), A], b"", Refused),
    // The library cuts it off before anybody sees it: what is matched is what is forwarded.
    ("a fragment", &[M_GET, S, (b":path", b"/a#b"), A], b"", Reached("GET /a", &[], b"")),
    ("a space", &[M_GET, S, (b":path", b"/a b"), A], b"", Refused),
    (
        "a request in the path",
        &[M_GET, S, (b":path", b"/a HTTP/1.1\r\nHost: ecole.example\r\n\r\nGET /smuggled"), A],
        b"",
        Refused,
    ),
    ("LF in the path", &[M_GET, S, (b":path", b"/a\nb"), A], b"", Refused),
    ("NUL in the path", &[M_GET, S, (b":path", b"/a\0b"), A], b"", Refused),
    ("DEL in the path", &[M_GET, S, (b":path", b"/a\x7fb"), A], b"", Refused),
    ("an accent in the path", &[M_GET, S, (b":path", b"/\xc3\xa9"), A], b"", Refused),
    ("a raw byte in the path", &[M_GET, S, (b":path", b"/\xff"), A], b"", Refused),
    ("two dots", &[M_GET, S, (b":path", b"/a/../b"), A], b"", Refused),
    ("encoded dots", &[M_GET, S, (b":path", b"/a/%2e%2e/b"), A], b"", Refused),
    ("an encoded slash", &[M_GET, S, (b":path", b"/a%2fb"), A], b"", Refused),
    ("a backslash", &[M_GET, S, (b":path", b"/a\\b"), A], b"", Refused),
];

const M_GET: Field = (b":method", b"GET");
const S: Field = (b":scheme", b"https");
const P: Field = (b":path", b"/a");
const A: Field = (b":authority", b"ecole.example");

/// Trailers behind `POST /a` with `abc`, that announced `X-Sum`.
pub const TRAILERS: &[(&str, &[Field], Got)] = &[
    ("one", &[(b"x-sum", b"1")], Reached("POST /a", &["+x-sum: 1"], b"abc")),
    (
        "what only a head may say",
        &[
            (b"content-length", b"9"),
            (b"host", b"autre.example"),
            (b"cookie", b"session=1"),
            (b"authorization", b"x"),
            (b"x-forwarded-for", b"1.2.3.4"),
            (b"x-sum", b"1"),
        ],
        Reached("POST /a", &["+x-sum: 1", "host: ecole.example"], b"abc"),
    ),
    // The library leaves it out.
    ("a pseudo-field", &[(b":path", b"/b"), (b"x-sum", b"1")], Reached("POST /a", &["+x-sum: 1"], b"abc")),
    ("a large letter", &[(b"X-Sum", b"1")], Refused),
    ("transfer-encoding", &[(b"transfer-encoding", b"chunked")], Refused),
    ("a line end", &[(b"x-sum", b"1\r\n\r\nGET /smuggled HTTP/1.1\r\n\r\n")], Refused),
];
