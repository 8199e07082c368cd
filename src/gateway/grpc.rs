//! gRPC over HTTP/2: calls pass as streams of messages that nobody here reads, with their trailers. Their deadline counts, and
//! what the gate itself has to say is said so that their clients understand it.
//!
//! <https://github.com/grpc/grpc/blob/master/doc/PROTOCOL-HTTP2.md>

use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, Response, StatusCode, Version, header};

use super::respond::ExchangeError;

/// How every type of gRPC begins, gRPC-Web's too.
const TYPE: &[u8] = b"application/grpc";

const STATUS: HeaderName = HeaderName::from_static("grpc-status");
const MESSAGE: HeaderName = HeaderName::from_static("grpc-message");
const TIMEOUT: HeaderName = HeaderName::from_static("grpc-timeout");

/// Whether a request is a call whose client reads gRPC's own statuses. That of gRPC-Web reads those of HTTP.
pub(super) fn is_call<B>(request: &Request<B>) -> bool {
    request.method() == Method::POST
        && request.version() == Version::HTTP_2
        && stated(request.headers())
            .is_some_and(|rest| matches!(rest.first(), None | Some(b'+' | b';' | b' ')))
}

/// Whether a body is a stream of gRPC's messages, which hide in their framing what they are.
pub(super) fn is_messages(essence: &[u8]) -> bool {
    behind_type(essence).is_some()
}

/// Whether a request carries such messages, in any of gRPC's ways: nobody can judge them.
pub(super) fn is_unreadable(method: &Method, headers: &HeaderMap) -> bool {
    *method == Method::POST && stated(headers).is_some()
}

/// How long the client waits for the whole call: up to eight digits and a unit. What is written otherwise is no bound.
pub(super) fn timeout(headers: &HeaderMap) -> Option<Duration> {
    let (unit, digits) = headers.get(TIMEOUT)?.as_bytes().split_last()?;
    if digits.is_empty() || digits.len() > 8 || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let count = digits.iter().fold(0u64, |count, digit| count * 10 + u64::from(digit - b'0'));
    match unit {
        b'H' => Some(Duration::from_secs(count * 3600)),
        b'M' => Some(Duration::from_secs(count * 60)),
        b'S' => Some(Duration::from_secs(count)),
        b'm' => Some(Duration::from_millis(count)),
        b'u' => Some(Duration::from_micros(count)),
        b'n' => Some(Duration::from_nanos(count)),
        _ => None,
    }
}

/// The gateway's own answer to a call: all of it in the head, which is the trailers as well.
pub(super) fn refusal(error: &ExchangeError) -> Response<Bytes> {
    let mut response = error.response().map(|_| Bytes::new());
    let code = code(response.status());
    *response.status_mut() = StatusCode::OK;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/grpc"));
    headers.insert(STATUS, HeaderValue::from(code));
    // The texts are the gateway's own, in ASCII and without `%`: nothing of them has to be encoded.
    headers.insert(MESSAGE, HeaderValue::from_static(error.title()));
    response
}

/// The code that stands for a status of HTTP.
///
/// <https://github.com/grpc/grpc/blob/master/doc/http-grpc-status-mapping.md>
fn code(status: StatusCode) -> u16 {
    match status.as_u16() {
        400 => 13,                   // INTERNAL
        401 => 16,                   // UNAUTHENTICATED
        403 => 7,                    // PERMISSION_DENIED
        404 => 12,                   // UNIMPLEMENTED
        429 | 502 | 503 | 504 => 14, // UNAVAILABLE
        _ => 2,                      // UNKNOWN
    }
}

fn stated(headers: &HeaderMap) -> Option<&[u8]> {
    headers.get_all(header::CONTENT_TYPE).iter().find_map(|value| behind_type(value.as_bytes().trim_ascii()))
}

fn behind_type(text: &[u8]) -> Option<&[u8]> {
    let (start, rest) = text.split_at_checked(TYPE.len())?;
    start.eq_ignore_ascii_case(TYPE).then_some(rest)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{redact::Denied, telemetry::RefusalReason, upstream::UpstreamError};

    #[test]
    fn a_deadline_has_eight_digits_and_a_unit() {
        for (text, expected) in [
            ("1S", Some(Duration::from_secs(1))),
            ("99999999H", Some(Duration::from_secs(99_999_999 * 3600))),
            ("3M", Some(Duration::from_secs(180))),
            ("250m", Some(Duration::from_millis(250))),
            ("7u", Some(Duration::from_micros(7))),
            ("0n", Some(Duration::ZERO)),
            ("100000000S", None),
            ("S", None),
            ("", None),
            ("1", None),
            ("-1S", None),
            ("1.5S", None),
            ("1s", None),
            ("1 S", None),
        ] {
            let mut headers = HeaderMap::new();
            headers.insert(TIMEOUT, HeaderValue::from_static(text));
            assert_eq!(timeout(&headers), expected, "{text}");
        }
        assert_eq!(timeout(&HeaderMap::new()), None);
    }

    #[test]
    fn calls_are_known_by_method_version_and_type() {
        for (kind, is_own, is_any) in [
            ("application/grpc", true, true),
            ("Application/gRPC+proto", true, true),
            ("application/grpc; charset=x", true, true),
            ("application/grpc-web+proto", false, true),
            ("application/grpc-web-text", false, true),
            ("application/json", false, false),
            ("application/gr", false, false),
        ] {
            let request = |method: Method, version| {
                let request = Request::builder().method(method).version(version);
                request.header("content-type", kind).body(()).unwrap()
            };
            let post = request(Method::POST, Version::HTTP_2);
            assert_eq!(is_call(&post), is_own, "{kind}");
            assert!(!is_call(&request(Method::POST, Version::HTTP_11)), "{kind}");
            assert!(!is_call(&request(Method::PUT, Version::HTTP_2)), "{kind}");
            assert_eq!(is_unreadable(&Method::POST, post.headers()), is_any, "{kind}");
            assert_eq!(is_messages(kind.as_bytes()), is_any, "{kind}");
        }
    }

    #[test]
    fn refusals_are_said_in_the_codes_of_grpc() {
        for (error, code) in [
            (ExchangeError::BadRequest(RefusalReason::Malformed), "13"),
            (ExchangeError::Unauthenticated, "16"),
            (ExchangeError::Denied(Denied::Write), "7"),
            (ExchangeError::NoRoute, "12"),
            (ExchangeError::Throttled { headers: vec![(header::RETRY_AFTER, HeaderValue::from(3))] }, "14"),
            (ExchangeError::Overloaded, "14"),
            (ExchangeError::Upstream(UpstreamError::Unreachable), "14"),
            (ExchangeError::Upstream(UpstreamError::ResponseTimeout), "14"),
            (ExchangeError::BodyTooLarge, "2"),
        ] {
            let response = refusal(&error);
            let headers = response.headers();
            assert_eq!(
                (response.status().as_u16(), &headers["content-type"]),
                (200, &HeaderValue::from_static("application/grpc"))
            );
            assert_eq!(headers[STATUS], code, "{error}");
            let message = headers[MESSAGE].as_bytes();
            assert!(!message.contains(&b'%') && message.is_ascii(), "{message:?}");
            assert!(response.body().is_empty());
            assert_eq!(
                headers.contains_key(header::RETRY_AFTER),
                matches!(error, ExchangeError::Throttled { .. } | ExchangeError::Overloaded)
            );
        }
    }
}
