//! Where messages end: what may be sent on a connection that others use next, what may be sent twice, and what an answer
//! must say of its length.

use http::{HeaderMap, Method, Request, header};
use http_body::Body;

use super::endpoint::RESPONSE_HEAD_BYTES;

/// Whether an origin might ignore the body of this request and read it as the next one.
pub(super) fn has_unexpected_body<B: Body>(request: &Request<B>) -> bool {
    !matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH)
        && !request.body().is_end_stream()
}

/// Whether a response's end is where everybody finds it (RFC 9112 6.3): one length or `chunked`, not both, nothing else.
///
/// hyper reads `chunked` where both are given and would send the length on, which cuts the body short for the client.
pub(super) fn has_one_framing(headers: &HeaderMap) -> bool {
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    match (lengths.next(), codings.next()) {
        (None, None) => true,
        (Some(length), None) => {
            !length.is_empty() && length.as_bytes().iter().all(u8::is_ascii_digit) && lengths.next().is_none()
        }
        (None, Some(coding)) => {
            coding.as_bytes().trim_ascii().eq_ignore_ascii_case(b"chunked") && codings.next().is_none()
        }
        (Some(_), Some(_)) => false,
    }
}

/// Whether a head is no longer than what is asked for: hyper's own bound is that of its buffer, which may be filled with twice as
/// much at once, and a client of HTTP/2 that finds it too long ends the connection with all its streams.
pub(super) fn is_bounded(headers: &HeaderMap) -> bool {
    let length: usize = headers.iter().map(|(name, value)| name.as_str().len() + value.len()).sum();
    length <= RESPONSE_HEAD_BYTES
}

/// The same request again, if sending it twice does no harm.
pub(super) fn copy_if_safe<B: Body + Default>(request: &Request<B>) -> Option<Request<B>> {
    if !request.method().is_idempotent() || !request.body().is_end_stream() {
        return None;
    }
    let mut copy = Request::new(B::default());
    *copy.method_mut() = request.method().clone();
    *copy.uri_mut() = request.uri().clone();
    *copy.version_mut() = request.version();
    *copy.headers_mut() = request.headers().clone();
    Some(copy)
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_head_is_bounded_as_a_whole() {
        let mut headers = HeaderMap::new();
        let value = HeaderValue::from_str(&"a".repeat(1023)).unwrap();
        for _ in 0..RESPONSE_HEAD_BYTES / 1024 {
            headers.append("x", value.clone());
        }
        assert!(is_bounded(&headers));
        headers.append("y", HeaderValue::from_static(""));
        assert!(!is_bounded(&headers));
    }

    #[test]
    fn a_response_has_one_end() {
        for (fields, expected) in [
            (&[][..], true),
            (&[("content-length", "5")], true),
            (&[("transfer-encoding", "Chunked")], true),
            (&[("content-length", "5"), ("transfer-encoding", "chunked")], false),
            (&[("content-length", "5"), ("content-length", "5")], false),
            (&[("content-length", "5, 5")], false),
            (&[("content-length", "+5")], false),
            (&[("content-length", "")], false),
            (&[("transfer-encoding", "gzip, chunked")], false),
            (&[("transfer-encoding", "identity")], false),
            (&[("transfer-encoding", "chunked"), ("transfer-encoding", "chunked")], false),
        ] {
            let mut headers = HeaderMap::new();
            for &(name, value) in fields {
                headers.append(name, HeaderValue::from_static(value));
            }
            assert_eq!(has_one_framing(&headers), expected, "{fields:?}");
        }
    }
}
