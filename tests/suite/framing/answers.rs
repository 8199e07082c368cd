//! What platforms answer, byte for byte, and what may come of it.

/// What the client gets.
#[derive(Clone, Copy, Debug)]
pub enum Got {
    /// This status and content.
    Whole(u16, &'static str),
    /// 502 and nothing else.
    Refused,
    /// The beginning, and an error: never an end.
    Cut,
}
use Got::{Cut, Refused, Whole};

/// An answer that would be taken for the next one.
const FORGED: &str = "HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 6\r\n\r\nforged";

/// Whether the platform closes behind it, the method it answers, what it sends, what comes of it. `@@` stands for a whole
/// answer that nobody asked for.
pub const ANSWERS: &[(&str, bool, &str, &[u8], Got)] = &[
    // Honest ones.
    ("plain", false, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("chunks", false, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: Chunked\r\n\r\n1;x=y\r\no\r\n1\r\nk\r\n0\r\n\r\n", Whole(200, "ok")),
    ("until the end", true, "GET", b"HTTP/1.1 200 OK\r\n\r\nok", Whole(200, "ok")),
    ("HTTP/1.0", true, "GET", b"HTTP/1.0 200 OK\r\n\r\nok", Whole(200, "ok")),
    ("HTTP/1.0 with a length", false, "GET", b"HTTP/1.0 200 OK\r\nConnection: keep-alive\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("no reason", false, "GET", b"HTTP/1.1 200\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("a reason with odd bytes", false, "GET", b"HTTP/1.1 200 Tr\xe8s bien\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("an unknown status", false, "GET", b"HTTP/1.1 299 Hm\r\nContent-Length: 2\r\n\r\nok", Whole(299, "ok")),
    ("a trailer", false, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTrailer: X-Sum\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n\r\n", Whole(200, "ok")),
    // More than was told.
    ("an answer behind a length", false, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok@@", Whole(200, "ok")),
    ("bytes behind a length", false, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nokay", Whole(200, "ok")),
    ("lines behind a length", false, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok\r\n\r\n", Whole(200, "ok")),
    ("an answer behind chunks", false, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n@@", Whole(200, "ok")),
    ("bytes behind chunks", false, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n0\r\n\r\n", Whole(200, "ok")),
    ("an answer behind nothing", false, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n@@", Whole(200, "")),
    ("an answer behind 204", false, "GET", b"HTTP/1.1 204 No Content\r\n\r\n@@", Whole(204, "")),
    ("content of 204", false, "GET", b"HTTP/1.1 204 No Content\r\nContent-Length: 2\r\n\r\nok", Whole(204, "")),
    ("chunks of 204", false, "GET", b"HTTP/1.1 204 No Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Whole(204, "")),
    ("an answer as content of 304", false, "GET", b"HTTP/1.1 304 Not Modified\r\nETag: \"x\"\r\nContent-Length: 80\r\n\r\n@@", Whole(304, "")),
    ("chunks of 304", false, "GET", b"HTTP/1.1 304 Not Modified\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Whole(304, "")),
    ("content of 205", false, "GET", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 2\r\n\r\nok", Whole(205, "")),
    ("an answer as content of 205", false, "GET", b"HTTP/1.1 205 Reset Content\r\nContent-Length: 0\r\n\r\n@@", Whole(205, "")),
    ("chunks of 205", false, "GET", b"HTTP/1.1 205 Reset Content\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Whole(205, "")),
    ("content of HEAD", false, "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "")),
    ("an answer as content of HEAD", false, "HEAD", b"HTTP/1.1 200 OK\r\nContent-Length: 80\r\n\r\n@@", Whole(200, "")),
    ("chunks of HEAD", false, "HEAD", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Whole(200, "")),
    // Less than was told.
    ("a length too long", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 5\r\n\r\nok", Cut),
    ("no last chunk", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n", Cut),
    ("half a chunk", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n5\r\nok", Cut),
    ("no end of the trailers", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n", Cut),
    ("half a head", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Len", Refused),
    ("no byte", true, "GET", b"", Refused),
    // Two framings, and odd ones.
    ("length and chunks", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 12\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Refused),
    ("chunks and length", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nContent-Length: 2\r\n\r\n2\r\nok\r\n0\r\n\r\n", Refused),
    ("two lengths", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 3\r\n\r\noke", Refused),
    ("one length twice", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a list of lengths", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 2, 2\r\n\r\nok", Refused),
    ("plus", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: +2\r\n\r\nok", Refused),
    ("minus", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: -2\r\n\r\nok", Refused),
    ("hexadecimal", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 0x2\r\n\r\nok", Refused),
    ("no digits", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length:\r\n\r\nok", Refused),
    ("more than 64 bits", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length: 18446744073709551618\r\n\r\nok", Refused),
    ("gzip, chunked", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: gzip, chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Refused),
    ("chunked twice", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Refused),
    ("chunked, identity", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked, identity\r\n\r\n2\r\nok\r\n0\r\n\r\n", Refused),
    ("identity", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: identity\r\n\r\nok", Refused),
    ("an unknown coding", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: xchunked\r\n\r\nok", Refused),
    ("no coding", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding:\r\n\r\nok", Refused),
    ("chunks in HTTP/1.0", true, "GET", b"HTTP/1.0 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\n\r\n", Refused),
    ("the length nominated", false, "GET", b"HTTP/1.1 200 OK\r\nConnection: Content-Length\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    // Broken chunks.
    ("no size", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n\r\nok\r\n0\r\n\r\n", Cut),
    ("an odd size", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0x2\r\nok\r\n0\r\n\r\n", Cut),
    ("a size of more than 64 bits", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n10000000000000002\r\nok\r\n0\r\n\r\n", Cut),
    ("LF behind a size", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\nok\r\n0\r\n\r\n", Cut),
    ("LF in an extension", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2;x\nok\r\n0\r\n\r\n", Cut),
    ("a chunk too long", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nokay\r\n0\r\n\r\n", Cut),
    ("LF behind a chunk", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\n0\r\n\r\n", Cut),
    ("a folded trailer", true, "GET", b"HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nok\r\n0\r\nX-Sum: 1\r\n 2\r\n\r\n", Cut),
    // Broken heads.
    ("no HTTP", true, "GET", b"hello\r\n\r\n", Refused),
    ("HTTP/0.9", true, "GET", b"<html>hello</html>", Refused),
    ("ICY", true, "GET", b"ICY 200 OK\r\n\r\nok", Refused),
    ("HTTP/2.0", true, "GET", b"HTTP/2.0 200 OK\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("HTTP/1.2", true, "GET", b"HTTP/1.2 200 OK\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("http/1.1", true, "GET", b"http/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a status of two digits", true, "GET", b"HTTP/1.1 20 OK\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a status of four digits", true, "GET", b"HTTP/1.1 2000 OK\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a status of letters", true, "GET", b"HTTP/1.1 2OO OK\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("status 000", true, "GET", b"HTTP/1.1 000 No\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("status 099", true, "GET", b"HTTP/1.1 099 No\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("two spaces before the status", true, "GET", b"HTTP/1.1  200 OK\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a space in a name", true, "GET", b"HTTP/1.1 200 OK\r\nX A: b\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a space before a colon", true, "GET", b"HTTP/1.1 200 OK\r\nContent-Length : 2\r\n\r\nok", Refused),
    ("a field without a colon", true, "GET", b"HTTP/1.1 200 OK\r\nX-A\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a field without a name", true, "GET", b"HTTP/1.1 200 OK\r\n: b\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("NUL in a name", true, "GET", b"HTTP/1.1 200 OK\r\nX\0A: b\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("an accent in a name", true, "GET", b"HTTP/1.1 200 OK\r\nX\xc3\xa9: b\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a parenthesis in a name", true, "GET", b"HTTP/1.1 200 OK\r\nX(A: b\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("NUL in a value", true, "GET", b"HTTP/1.1 200 OK\r\nX-A: b\0c\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("CR in a value", true, "GET", b"HTTP/1.1 200 OK\r\nX-A: b\rSet-Cookie: session=1\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("escape in a value", true, "GET", b"HTTP/1.1 200 OK\r\nX-A: b\x1bc\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a folded field", true, "GET", b"HTTP/1.1 200 OK\r\nX-A: b\r\n Content-Length: 9\r\nContent-Length: 2\r\n\r\nok", Refused),
    ("a space before the first field", true, "GET", b"HTTP/1.1 200 OK\r\n X-A: b\r\nContent-Length: 2\r\n\r\nok", Refused),
    // Interim answers.
    ("100 first", false, "GET", b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("102 and 103 first", false, "GET", b"HTTP/1.1 102 Processing\r\n\r\nHTTP/1.1 103 Early Hints\r\nLink: </a.css>; rel=preload\r\nX-User-Email: a@b.fr\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("103 with a length", false, "GET", b"HTTP/1.1 103 Early Hints\r\nContent-Length: 70\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("199 first", false, "GET", b"HTTP/1.1 199 Hm\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Whole(200, "ok")),
    ("an interim answer alone", true, "GET", b"HTTP/1.1 103 Early Hints\r\n\r\n", Refused),
    ("101 that nobody asked for", false, "GET", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n\r\n@@", Refused),
    ("101 to another protocol", false, "GET", b"HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: h2c\r\n\r\n@@", Refused),
    ("101, and an answer", false, "GET", b"HTTP/1.1 101 Switching Protocols\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok", Refused),
];

/// With an answer of its own in the place of its mark.
pub fn bytes(answer: &[u8]) -> Vec<u8> {
    match answer.windows(2).position(|pair| pair == b"@@") {
        Some(at) => [&answer[..at], FORGED.as_bytes(), &answer[at + 2..]].concat(),
        None => answer.to_vec(),
    }
}
