//! Fields of a request's head.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::super::forwarded::{Forwarding, clean_request, client_address};
use crate::redact::laws::Source;

/// Names as an application in CGI's tradition knows them: by these it believes who asks, from where and for what.
const BELIEVED: [&str; 22] = [
    "REMOTE_USER",
    "REMOTE_ADDR",
    "X_REMOTE_USER",
    "X_FORWARDED_USER",
    "X_FORWARDED_EMAIL",
    "X_FORWARDED_CLIENT_CERT",
    "X_REAL_IP",
    "X_ORIGINAL_URL",
    "X_REWRITE_URL",
    "X_HTTP_METHOD_OVERRIDE",
    "X_METHOD_OVERRIDE",
    "X_USER_ID",
    "X_AUTHENTICATED_USER",
    "X_AUTH_REQUEST_USER",
    "X_ROLE",
    "X_GROUPS",
    "TRUE_CLIENT_IP",
    "CF_CONNECTING_IP",
    "CLIENT_CERT",
    "PROXY",
    "SSL_CLIENT_CERT",
    "X_ORIGINAL_HOST",
];

/// What the gate itself writes.
const WRITTEN: [&str; 5] =
    ["forwarded", "x-forwarded-for", "x-forwarded-proto", "x-forwarded-host", "x-forwarded-port"];

/// Whatever fields a client sends: none that leaves is read by an application as who asks or from where, none belongs to the
/// hop, and those that the gate writes stand there once and say what it knows.
///
/// # Panics
/// If not.
pub fn nobody_names_themselves(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for line in data.split(|&byte| byte == b'\n').take(60) {
        let Some(colon) = line.iter().position(|&byte| byte == b':') else { continue };
        let (name, value) =
            (HeaderName::from_bytes(&line[..colon]), HeaderValue::from_bytes(&line[colon + 1..]));
        if let (Ok(name), Ok(value)) = (name, value) {
            headers.append(name, value);
        }
    }
    let came = headers.clone();
    let client = client_address(SocketAddr::from((PEER, 1)), &[], &headers);
    let host = HeaderValue::from_static("a.fr");
    let forwarding = Forwarding { client: &client, host: &host, port: None, tls: true };
    if clean_request(&mut headers, &forwarding).is_err() {
        assert_eq!(headers, came, "a refused head is left alone");
        return;
    }
    for name in headers.keys() {
        let folded =
            name.as_str().replace(|letter: char| !letter.is_ascii_alphanumeric(), "_").to_ascii_uppercase();
        assert!(!BELIEVED.contains(&folded.as_str()), "{name}");
        let is_written = WRITTEN.contains(&name.as_str());
        let looks_written = WRITTEN.iter().any(|one| one.replace('-', "_").to_ascii_uppercase() == folded);
        assert_eq!(is_written, looks_written, "{name} passes for another");
        assert!(
            !matches!(
                name.as_str(),
                "connection" | "keep-alive" | "upgrade" | "transfer-encoding" | "http2-settings"
            ) && !matches!(name.as_str(), "proxy-connection" | "proxy-authorization" | "expect"),
            "{name}"
        );
        // What the client did send otherwise is as it was.
        if !is_written && *name != header::TE {
            assert!(headers.get_all(name).iter().eq(came.get_all(name).iter()), "{name}");
        }
    }
    for name in WRITTEN {
        assert_eq!(headers.get_all(name).iter().count(), 1, "{name}");
    }
    assert_eq!(headers["x-forwarded-for"], PEER.to_string());
    assert_eq!(headers["x-forwarded-proto"], "https");
    assert_eq!(headers["x-forwarded-host"], "a.fr");
    assert!(headers.get(header::TE).is_none_or(|te| te == "trailers"));
    // What the `Connection` field named is gone.
    for value in came.get_all(header::CONNECTION) {
        for token in value.as_bytes().split(|&byte| byte == b',') {
            let name = std::str::from_utf8(token).unwrap_or_default().trim();
            let is_written = WRITTEN.iter().any(|one| one.eq_ignore_ascii_case(name));
            if !is_written && !name.eq_ignore_ascii_case("te") {
                assert!(
                    HeaderName::from_bytes(name.as_bytes()).is_err() || !headers.contains_key(name),
                    "{name}"
                );
            }
        }
    }
}

const PEER: IpAddr = IpAddr::V4(Ipv4Addr::new(198, 51, 100, 7));

/// Nothing that a client writes to the left of what trusted proxies wrote changes who it is.
///
/// # Panics
/// If it does.
pub fn what_vouches_for_a_client_stands_to_the_right(data: &[u8]) {
    let mut choices = Source(data);
    let trusted: Vec<IpNet> = ["10.0.0.0/8", "fd00::/8"].iter().filter_map(|net| net.parse().ok()).collect();
    let peer = choices.pick(&["10.0.0.1:1", "[fd00::1]:1", "198.51.100.7:1", "[::ffff:10.0.0.9]:1"]);
    let Ok(peer) = peer.parse::<SocketAddr>() else { return };
    let hops = choices.below(4);
    let vouched = choices.pick(&["203.0.113.9", "2001:db8::9", "[2001:db8::9]:443", "203.0.113.9:5555"]);
    let mut chain = vouched.to_owned();
    for hop in 0..hops {
        chain.push_str(&format!(", 10.0.{hop}.1"));
    }
    let clean = |text: &[u8]| HeaderValue::from_bytes(text);
    let Ok(right) = clean(chain.as_bytes()) else { return };
    let mut alone = HeaderMap::new();
    alone.append("x-forwarded-for", right.clone());
    let expected = client_address(peer, &trusted, &alone);

    // Written into the same field, and into one before it.
    let Ok(field) = clean(choices.0) else { return };
    let mut before = HeaderMap::new();
    before.append("x-forwarded-for", field.clone());
    before.append("x-forwarded-for", right);
    before.append("forwarded", field);
    let mut within = HeaderMap::new();
    if let Ok(both) = clean(&[choices.0, b", ", chain.as_bytes()].concat()) {
        within.append("x-forwarded-for", both);
        assert_eq!(client_address(peer, &trusted, &within), expected);
    }
    assert_eq!(client_address(peer, &trusted, &before), expected);
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    if !is_trusted(&peer.ip().to_canonical()) {
        assert_eq!(expected.address, peer.ip().to_canonical());
    }
    assert!(expected.via.iter().all(is_trusted), "{expected:?}");
}
