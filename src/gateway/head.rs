//! The request's head in the one reading in which it is matched and forwarded (RFC 9110, RFC 9112).
//!
//! hyper has parsed it; what it lets through and an origin might read otherwise is refused here.

use std::borrow::Cow;

use http::{HeaderMap, HeaderValue, Method, Version, header, request::Parts, uri::PathAndQuery};

use super::{
    canonical::{self, CanonicalHost, CanonicalPath, Refusal},
    respond::ExchangeError,
};
use crate::{
    policy::set::{ClientLimits, RelaxedPaths},
    telemetry::RefusalReason,
};

/// Marks a request whose head said what the parser does not pass on: a length beside another one or beside
/// `Transfer-Encoding` (RFC 9112 6.3), a fragment in its target (3.2), or a line without CR (2.2). `server` reads the bytes and
/// tells.
#[derive(Clone, Copy, Debug)]
pub struct AmbiguousHead;

/// Where a request goes, in canonical form.
pub(super) struct Target {
    /// Host.
    pub host: CanonicalHost,
    /// The same as a `Host` field.
    pub host_field: HeaderValue,
    /// Path, and query byte for byte, as the platform gets them.
    pub resource: PathAndQuery,
    /// The relaxations that the path needs.
    pub needs: RelaxedPaths,
}

/// Reads the head.
///
/// # Errors
/// The refusal that the client gets; the upstream is not touched.
pub(super) fn read(head: &Parts, limits: &ClientLimits) -> Result<Target, ExchangeError> {
    check_size(head, limits)?;
    check_method(&head.method)?;
    check_framing(head)?;
    check_values(head)?;
    check_expectation(&head.headers)?;
    let (host, host_field) = host(head).map_err(|_| ExchangeError::BadRequest(RefusalReason::BadHost))?;
    let (resource, needs) =
        resource(head).map_err(|_| ExchangeError::BadRequest(RefusalReason::AmbiguousPath))?;
    Ok(Target { host, host_field, resource, needs })
}

/// Path and query as they are matched and forwarded, and what the path needs.
fn resource(head: &Parts) -> Result<(PathAndQuery, RelaxedPaths), Refusal> {
    // `?a` has a path only in absolute-form, which HTTP/2 does not have (RFC 9113 8.3.1).
    let is_path = |sent: &PathAndQuery| sent.as_str().starts_with(['/', '*']);
    if head.version == Version::HTTP_2 && !head.uri.path_and_query().is_some_and(is_path) {
        return Err(Refusal::TargetForm);
    }
    let query = head.uri.query();
    if let Some(query) = query {
        canonical::check_query(query)?;
    }
    let CanonicalPath { path, needs } = canonical::canonical_target(&head.method, head.uri.path())?;
    let resource = match (path, head.uri.path_and_query()) {
        // Absolute-form may leave out even the `/`.
        (Cow::Borrowed(path), Some(sent)) if path.len() > 1 && sent.as_str().starts_with(path) => {
            sent.clone()
        }
        (path, _) => {
            let text = match query {
                Some(query) => format!("{path}?{query}"),
                None => path.into_owned(),
            };
            PathAndQuery::try_from(text).map_err(|_| Refusal::BadCharacter)?
        }
    };
    Ok((resource, needs))
}

fn check_size(head: &Parts, limits: &ClientLimits) -> Result<(), ExchangeError> {
    let target = head.uri.path_and_query().map_or(0, |target| target.as_str().len());
    if target > limits.uri_bytes {
        return Err(ExchangeError::UriTooLong);
    }
    let bytes: usize = head.headers.iter().map(|(name, value)| name.as_str().len() + value.len() + 4).sum();
    if head.headers.len() > limits.header_count || bytes > limits.header_bytes {
        return Err(ExchangeError::HeadersTooLarge);
    }
    Ok(())
}

/// Methods that have a meaning of their own to every server.
const STANDARD: [&str; 10] =
    ["GET", "HEAD", "POST", "PUT", "DELETE", "CONNECT", "OPTIONS", "TRACE", "PATCH", "TRACK"];

/// CONNECT and TRACE change what a connection means or echo credentials back; they end here.
fn check_method(method: &Method) -> Result<(), ExchangeError> {
    let name = method.as_str();
    let refused = matches!(*method, Method::CONNECT | Method::TRACE)
        // TRACE by another name, and the first word of HTTP/2's preface.
        || matches!(name, "TRACK" | "PRI")
        // `get` is no method; who takes it for GET also takes its body for the next request.
        || (name.bytes().any(|byte| byte.is_ascii_lowercase()) && STANDARD.iter().any(|one| one.eq_ignore_ascii_case(name)));
    if refused { Err(ExchangeError::MethodUnknown) } else { Ok(()) }
}

/// One length, in one form (RFC 9112 6.1-6.3), and no content where origins ignore it.
fn check_framing(head: &Parts) -> Result<(), ExchangeError> {
    let malformed = Err(ExchangeError::BadRequest(RefusalReason::Malformed));
    let headers = &head.headers;
    if head.extensions.get::<AmbiguousHead>().is_some() {
        return malformed;
    }
    // `ftp://host/path` asks for a proxy, and another kind of one.
    if head.uri.scheme().is_some_and(|scheme| !matches!(scheme.as_str(), "http" | "https")) {
        return malformed;
    }
    let mut lengths = headers.get_all(header::CONTENT_LENGTH).iter();
    let (length, second) = (lengths.next(), lengths.next());
    let mut codings = headers.get_all(header::TRANSFER_ENCODING).iter();
    let (coding, other) = (codings.next(), codings.next());
    if second.is_some() || other.is_some() || (length.is_some() && coding.is_some()) {
        return malformed;
    }
    if length.is_some_and(|value| value.is_empty() || !value.as_bytes().iter().all(u8::is_ascii_digit)) {
        return malformed;
    }
    if let Some(coding) = coding
        && (head.version != Version::HTTP_11 || !coding.as_bytes().eq_ignore_ascii_case(b"chunked"))
    {
        return malformed;
    }
    let has_content = coding.is_some() || length.is_some_and(|value| value.as_bytes() != b"0");
    // RFC 9110 9.3.1: no semantics, and known to be used for smuggling.
    if has_content && matches!(head.method, Method::GET | Method::HEAD) {
        return malformed;
    }
    Ok(())
}

/// HTTP/1 has no spaces around a value, so HTTP/2 may not have them either (RFC 9113 8.2.1).
fn check_values(head: &Parts) -> Result<(), ExchangeError> {
    let is_space = |byte: Option<&u8>| byte.is_some_and(|byte| matches!(byte, b' ' | b'\t'));
    let is_padded = |value: &HeaderValue| {
        let bytes = value.as_bytes();
        is_space(bytes.first()) || is_space(bytes.last())
    };
    if head.version == Version::HTTP_2 && head.headers.values().any(is_padded) {
        return Err(ExchangeError::BadRequest(RefusalReason::Malformed));
    }
    Ok(())
}

/// RFC 9110 10.1.1. The interim response is sent when the body is first asked for.
fn check_expectation(headers: &HeaderMap) -> Result<(), ExchangeError> {
    let known = |value: &HeaderValue| value.as_bytes().eq_ignore_ascii_case(b"100-continue");
    if headers.get_all(header::EXPECT).iter().all(known) { Ok(()) } else { Err(ExchangeError::Expectation) }
}

/// The host, also as a field: `:authority`, absolute-form or `Host`; where two of them are there they must agree.
fn host(head: &Parts) -> Result<(CanonicalHost, HeaderValue), Refusal> {
    let mut fields = head.headers.get_all(header::HOST).iter();
    let (field, second) = (fields.next(), fields.next());
    if second.is_some() {
        return Err(Refusal::HostMalformed);
    }
    // In absolute-form as well (RFC 9112 3.2).
    if field.is_none() && head.version == Version::HTTP_11 {
        return Err(Refusal::HostMissing);
    }
    let named = field.map(|value| canonical::canonical_host(value.as_bytes())).transpose()?;
    let authority =
        head.uri.authority().map(|value| canonical::canonical_host(value.as_str().as_bytes())).transpose()?;
    let host = match (authority, named) {
        (Some(authority), Some(named)) if authority == named => named,
        (Some(_), Some(_)) | (None, None) => return Err(Refusal::HostMissing),
        (Some(one), None) | (None, Some(one)) => one,
    };
    let field = match field.filter(|field| host.is_spelt(field.as_bytes())) {
        Some(field) => field.clone(),
        None => HeaderValue::try_from(host.to_string()).map_err(|_| Refusal::HostMalformed)?,
    };
    Ok((host, field))
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::Request;

    fn limits() -> ClientLimits {
        ClientLimits {
            header_count: 20,
            header_bytes: 1000,
            uri_bytes: 100,
            body_bytes: 1000,
            body_rate: 0,
            connections: 10,
            connections_per_address: 10,
            handshakes: 10,
            handshakes_per_address: 10,
            requests_per_connection: None,
            exchanges: 10,
            h2_streams: 10,
            h2_continuations: 5,
            h2_frames: crate::policy::set::FrameRates::all(1000),
            decoded_bytes: 1000,
        }
    }

    fn status(build: http::request::Builder) -> u16 {
        let (head, ()) = build.body(()).unwrap().into_parts();
        read(&head, &limits()).map_or_else(|error| error.status().as_u16(), |_| 200)
    }

    #[test]
    fn one_reading_or_none() {
        let get = || Request::get("/a").header("host", "x.fr");
        let post = || Request::post("/a").header("host", "x.fr");
        for (name, request, expected) in [
            ("plain", get(), 200),
            ("no host", Request::get("/a"), 400),
            ("two hosts", get().header("host", "x.fr"), 400),
            ("absolute form", Request::get("http://X.fr/a").header("host", "x.FR"), 200),
            ("absolute form alone", Request::get("http://x.fr/a"), 400),
            ("absolute form alone in 1.0", Request::get("http://x.fr/a").version(Version::HTTP_10), 200),
            ("authority alone in HTTP/2", Request::get("https://x.fr/a").version(Version::HTTP_2), 200),
            ("absolute form of another host", Request::get("http://y.fr/a").header("host", "x.fr"), 400),
            (
                "both lengths",
                post().header("content-length", "3").header("transfer-encoding", "chunked"),
                400,
            ),
            ("two lengths", post().header("content-length", "3").header("content-length", "3"), 400),
            ("signed length", post().header("content-length", "+3"), 400),
            ("listed length", post().header("content-length", "3, 3"), 400),
            ("chunked", post().header("transfer-encoding", "Chunked"), 200),
            ("chunked twice", post().header("transfer-encoding", "chunked, chunked"), 400),
            ("another coding", post().header("transfer-encoding", "gzip, chunked"), 400),
            ("chunked in 1.0", post().version(Version::HTTP_10).header("transfer-encoding", "chunked"), 400),
            ("content of GET", get().header("content-length", "3"), 400),
            ("no content of GET", get().header("content-length", "0"), 200),
            ("expectation", post().header("expect", "100-Continue"), 200),
            ("unknown expectation", post().header("expect", "the-moon"), 417),
            ("CONNECT", Request::builder().method("CONNECT").uri("x.fr:443").header("host", "x.fr"), 501),
            ("another scheme", Request::get("ftp://x.fr/a"), 400),
            ("marked by the server", get().extension(AmbiguousHead), 400),
            (
                "padded value in HTTP/2",
                get().version(Version::HTTP_2).header("a", HeaderValue::from_static(" b")),
                400,
            ),
            (
                "padded value in HTTP/2",
                get().version(Version::HTTP_2).header("a", HeaderValue::from_static("b\t")),
                400,
            ),
            ("no path in HTTP/2", Request::get("https://x.fr?a").version(Version::HTTP_2), 400),
            ("no padding", get().version(Version::HTTP_2).header("a", "").header("b", "c d"), 200),
            ("TRACK", Request::builder().method("TRACK").uri("/").header("host", "x.fr"), 501),
            ("small get", Request::builder().method("get").uri("/").header("host", "x.fr"), 501),
            ("unknown method", Request::builder().method("report").uri("/").header("host", "x.fr"), 200),
            ("TRACE", Request::builder().method("TRACE").uri("/").header("host", "x.fr"), 501),
            ("long target", Request::get(format!("/{}", "a".repeat(100))).header("host", "x.fr"), 414),
            ("large header", get().header("a", "b".repeat(1000)), 431),
            ("encoded dots", Request::get("/%2e%2e/a").header("host", "x.fr"), 400),
        ] {
            assert_eq!(status(request), expected, "{name}");
        }
        let many = (0..30).fold(get(), |request, _| request.header("a", "b"));
        assert_eq!(status(many), 431);
    }
}
