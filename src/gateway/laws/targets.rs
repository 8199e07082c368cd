//! Host, path, query and method.

use std::sync::LazyLock;

use http::{Method, Request, Uri, request::Parts};

use super::super::{
    canonical::{self, CanonicalPath},
    head::{self, Target},
    route::{Found, Router},
};
use crate::{
    policy::set::{ClientLimits, FrameRates, HostPattern, RelaxedPaths, RouteId, RouteMatch},
    redact::laws::Source,
};

const LIMITS: ClientLimits = ClientLimits {
    header_count: 100,
    header_bytes: 32 * 1024,
    uri_bytes: 8 * 1024,
    body_bytes: 0,
    body_rate: 0,
    connections: 1,
    connections_per_address: 1,
    handshakes: 1,
    handshakes_per_address: 1,
    requests_per_connection: None,
    exchanges: 1,
    h2_streams: 1,
    h2_continuations: 1,
    h2_frames: FrameRates::all(1),
    decoded_bytes: 0,
};

const STRICT: RelaxedPaths =
    RelaxedPaths { encoded_slash: false, backslash: false, empty_segment: false, path_parameters: false };

/// Host, templates and methods of routes that lie close to each other.
static ROUTES: LazyLock<Vec<RouteMatch>> = LazyLock::new(|| {
    let exact = |name: &str| HostPattern::Exact(name.to_owned());
    let suffix = |name: &str| HostPattern::Suffix(name.to_owned());
    [
        (exact("a.fr"), &["/"][..], &[][..]),
        (exact("a.fr"), &["/api/{*rest}"], &[]),
        (exact("a.fr"), &["/api/users/{id}"], &[Method::GET]),
        (exact("a.fr"), &["/api/users/{id}"], &[Method::POST, Method::PUT]),
        (exact("a.fr"), &["/api/users/me"], &[]),
        (exact("a.fr"), &["/api/users/{id}/notes", "/static/{*file}"], &[]),
        (suffix(".a.fr"), &["/{*rest}"], &[]),
        (suffix(".b.a.fr"), &["/x/{y}"], &[]),
        (exact("[2001:db8::1]"), &["/{one}"], &[]),
        (HostPattern::Any, &["/login", "/caf%C3%A9/{id}", "/a%20b"], &[]),
    ]
    .into_iter()
    .map(|(host, paths, methods)| RouteMatch {
        host,
        paths: paths.iter().map(|&path| path.to_owned()).collect(),
        methods: methods.to_vec(),
        plain_http: false,
    })
    .collect()
});

#[expect(clippy::expect_used, reason = "these routes stand side by side")]
static ROUTER: LazyLock<Router> = LazyLock::new(|| {
    let routes = ROUTES.iter().enumerate().map(|(place, matches)| (RouteId(place as u16), matches));
    Router::build(routes).expect("routes without conflict")
});

/// A request's head as the parser of HTTP/1 would hand it over; `None` for what it would not.
fn parsed(method: &[u8], target: &[u8], hosts: &[&[u8]]) -> Option<Parts> {
    let mut request =
        Request::builder().method(Method::from_bytes(method).ok()?).uri(Uri::try_from(target).ok()?);
    for host in hosts {
        request = request.header(http::header::HOST, *host);
    }
    Some(request.body(()).ok()?.into_parts().0)
}

fn route(target: &Target, method: &Method) -> Found {
    ROUTER.find(&target.host.host, target.resource.path(), method)
}

/// What is forwarded is read again as what was matched, by this gate and by the most permissive servers that there are.
///
/// # Panics
/// If not.
pub fn what_was_matched_is_what_is_forwarded(data: &[u8]) {
    let mut choices = Source(data);
    let method = choices.pick(&["GET", "POST", "HEAD", "OPTIONS", "PUT", "REPORT", "get", "CONNECT"]);
    let hosts = choices.below(4);
    let length = choices.below(24);
    let (host, target) = choices.0.split_at(length.min(choices.0.len()));
    let written: &[&[u8]] = match hosts {
        0 => &[b"a.fr"],
        1 => &[host],
        2 => &[],
        _ => &[host, b"a.fr"],
    };
    let Some(head) = parsed(method.as_bytes(), target, written) else { return };
    let Ok(read) = head::read(&head, &LIMITS) else { return };

    // What leaves is a request line and a `Host` of one reading.
    let (line, host) = (read.resource.as_str(), read.host_field.as_bytes());
    assert!(line == "*" || line.starts_with('/'), "{line:?}");
    assert!(line.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'#'), "{line:?}");
    assert!(
        host.iter().all(|byte| byte.is_ascii_graphic() && !matches!(byte, b'@' | b'/' | b'?' | b'#' | b','))
    );
    let forwarded = parsed(method.as_bytes(), line.as_bytes(), &[host]);
    let again = forwarded.and_then(|head| head::read(&head, &LIMITS).ok());
    assert!(again.is_some(), "what is forwarded is refused: {line:?} at {host:?}");
    let Some(again) = again else { return };
    assert_eq!((again.resource.as_str(), again.host_field.as_bytes()), (line, host));
    assert_eq!((&again.host, again.needs), (&read.host, read.needs));
    assert_eq!(route(&again, &head.method), route(&read, &head.method));

    if line == "*" {
        return;
    }
    // Without a relaxation the segments that were matched are those that any server sees.
    let matched = segments(&decoded(read.resource.path().as_bytes()));
    for view in views(read.resource.path().as_bytes()) {
        assert!(!view.iter().any(|&byte| byte < 0x20 || byte == 0x7f), "{line:?}");
        let seen = segments(&view);
        let dots = |segment: &Vec<u8>| matches!(segment.as_slice(), b"." | b"..");
        assert!(!seen.iter().any(dots), "{line:?}: {seen:?}");
        if canonical::accept(read.needs, STRICT).is_ok() {
            assert_eq!(seen.len(), matched.len(), "{line:?}: {seen:?}");
        }
    }
    if canonical::accept(read.needs, STRICT).is_ok() {
        assert!(!matched.iter().rev().skip(1).any(Vec::is_empty), "{line:?}: an empty segment");
    }
}

/// The segments of a path, ended by any kind of slash, without their parameters.
fn segments(path: &[u8]) -> Vec<Vec<u8>> {
    let name = |segment: &[u8]| segment.split(|&byte| byte == b';').next().unwrap_or_default().to_vec();
    path.strip_prefix(b"/").unwrap_or(path).split(|byte| matches!(byte, b'/' | b'\\')).map(name).collect()
}

/// As servers see it that decode never, once, twice, and once into UTF-8 that they do not check.
fn views(path: &[u8]) -> Vec<Vec<u8>> {
    let once = decoded(path);
    let twice = decoded(&once);
    // Overlong forms of `.` and `/`, as some decoders of old take them.
    let overlong = |bytes: &[u8]| {
        let mut out = Vec::new();
        let mut rest = bytes;
        loop {
            rest = match rest {
                [0xc0 | 0xc1, low @ 0x80..=0xbf, rest @ ..] => {
                    out.push((bytes[bytes.len() - rest.len() - 2] & 1) << 6 | (low & 0x3f));
                    rest
                }
                [0xe0, middle @ 0x80..=0x9f, low @ 0x80..=0xbf, rest @ ..] if *middle < 0x82 => {
                    out.push((middle & 1) << 6 | (low & 0x3f));
                    rest
                }
                [first, rest @ ..] => {
                    out.push(*first);
                    rest
                }
                [] => return out,
            };
        }
    };
    vec![path.to_vec(), overlong(&once), overlong(&twice), once]
}

/// Percent-decoded where there are two digits, otherwise left alone.
fn decoded(path: &[u8]) -> Vec<u8> {
    percent_encoding::percent_decode(path).collect()
}

/// However a path is spelt, it is matched and forwarded in one form; and the route is the one that a look at each template
/// finds.
///
/// # Panics
/// If not.
pub fn every_spelling_goes_one_way(data: &[u8]) {
    const PARTS: [&str; 16] = [
        "api", "users", "me", "42", "notes", "static", "x", "login", "café", "a b", "a", "@me", "100%",
        "a|b", "..x", "é",
    ];
    let mut choices = Source(data);
    let host = choices.pick(&["a.fr", "x.a.fr", "x.b.a.fr", "c.fr", "[2001:db8::1]", "y.x.a.fr"]);
    let methods = [Method::GET, Method::POST, Method::HEAD, Method::DELETE];
    let method = &methods[choices.below(methods.len())];
    let names: Vec<&str> = (0..choices.below(5)).map(|_| choices.pick(&PARTS)).collect();
    let slash = if choices.one_in(4) && !names.is_empty() { "/" } else { "" };
    let mut spell = || {
        let mut path = String::from(if names.is_empty() { "/" } else { "" });
        for name in &names {
            path.push('/');
            for byte in name.bytes() {
                let raw = byte.is_ascii_alphanumeric() || matches!(byte, b'@' | b'.' | b'|');
                match choices.below(3) {
                    0 if raw => path.push(char::from(byte)),
                    1 => path.push_str(&format!("%{byte:02x}")),
                    _ => path.push_str(&format!("%{byte:02X}")),
                }
            }
        }
        path + slash
    };
    let (one, other) = (spell(), spell());
    let canonical =
        |path| canonical::canonical_path(path).map(|CanonicalPath { path, .. }| path.into_owned());
    assert_eq!(canonical(&one), canonical(&other), "{one} and {other}");
    let path = canonical(&one).unwrap_or_default();
    assert_eq!(canonical(&path), Ok(path.clone()), "{one} is refused, or its form is no fixed point");

    let found = ROUTER.find(host, &path, method);
    assert_eq!(found, by_looking(host, &path, method), "{method} {host}{path}");
}

/// The route by a look at each template: of the hosts the most specific that takes the path at all, of its templates the one
/// that is more literal from the left.
fn by_looking(host: &str, path: &str, method: &Method) -> Found {
    let mut hosts: Vec<(usize, &HostPattern)> = ROUTES
        .iter()
        .filter_map(|route| {
            let rank = match &route.host {
                HostPattern::Exact(name) => (name == host).then_some(usize::MAX)?,
                HostPattern::Suffix(suffix) => {
                    let label = host.strip_suffix(suffix.as_str())?;
                    (!label.is_empty() && !label.contains('.')).then_some(suffix.len())?
                }
                HostPattern::Any => 0,
            };
            Some((rank, &route.host))
        })
        .collect();
    hosts.sort_by_key(|(rank, _)| std::cmp::Reverse(*rank));
    for (_, pattern) in hosts {
        let of_host = || ROUTES.iter().enumerate().filter(|(_, route)| route.host == *pattern);
        let templates = of_host().flat_map(|(_, route)| &route.paths);
        let best = templates.filter_map(|template| Some((specificity(template, path)?, template))).max();
        let Some((_, best)) = best else { continue };
        let takers: Vec<(usize, usize, &RouteMatch)> = of_host()
            .filter_map(|(id, route)| Some((id, route.paths.iter().position(|one| one == best)?, route)))
            .collect();
        let asked = |route: &RouteMatch| {
            route.methods.contains(method)
                || (*method == Method::HEAD && route.methods.contains(&Method::GET))
        };
        let named = takers.iter().find(|(.., route)| asked(route));
        return match named.or_else(|| takers.iter().find(|(.., route)| route.methods.is_empty())) {
            Some((id, place, _)) => Found::Route(RouteId(*id as u16), *place),
            None => {
                let mut allowed: Vec<&str> =
                    takers.iter().flat_map(|(.., route)| &route.methods).map(Method::as_str).collect();
                if allowed.contains(&"GET") {
                    allowed.push("HEAD");
                }
                allowed.sort_unstable();
                allowed.dedup();
                Found::OtherMethods(allowed.join(", "))
            }
        };
    }
    Found::Nothing
}

/// How literal a template is, segment by segment, where it takes the path.
fn specificity(template: &str, path: &str) -> Option<Vec<u8>> {
    const REST: u8 = 1;
    const ONE: u8 = 2;
    const LITERAL: u8 = 3;
    let (mut ranks, mut rest) = (Vec::new(), path.strip_prefix('/')?);
    let mut parts = template.strip_prefix('/')?.split('/').peekable();
    while let Some(part) = parts.next() {
        if part.starts_with("{*") {
            ranks.push(REST);
            return (!rest.is_empty()).then_some(ranks);
        }
        let (segment, behind) = match rest.split_once('/') {
            Some((segment, behind)) => (segment, Some(behind)),
            None => (rest, None),
        };
        match part.starts_with('{') {
            true if !segment.is_empty() => ranks.push(ONE),
            false if part == segment => ranks.push(LITERAL),
            _ => return None,
        }
        match (behind, parts.peek()) {
            (Some(behind), Some(_)) => rest = behind,
            (None, None) => return Some(ranks),
            _ => return None,
        }
    }
    None
}
