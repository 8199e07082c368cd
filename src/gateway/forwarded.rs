//! Who the client is, and what the platform is told about it.
//!
//! Nothing that a client says about itself or its way here reaches the platform: hop-by-hop fields end at the gateway
//! (RFC 9110 §7.6.1), identity and forwarding fields from outside are removed, and the gateway writes its own. Field
//! names that another program could read as one of those (`X_Remote_User`, `X.Remote.User`: CGI and its heirs fold
//! every such character) are removed whatever they are.

use std::{
    fmt::Write as _,
    net::{IpAddr, SocketAddr},
};

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

/// A client field that would change how the message is read; answered with 400.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("the Connection field names an end-to-end field")]
pub struct Nominated;

/// The client and the trusted hops between it and the gateway.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientAddress {
    /// The client: the first address from the right that is no trusted proxy. IPv4 where it is mapped into IPv6.
    pub address: IpAddr,
    /// The trusted proxies, nearest to the client first; the last one is the peer. Empty when the client is the peer.
    pub via: Vec<IpAddr>,
}

/// Most entries of `X-Forwarded-For` that are followed.
const HOPS_MAX: usize = 32;

/// The client's address: from the right of `X-Forwarded-For`, as far as trusted proxies vouch for it.
///
/// Only `X-Forwarded-For` is read (RFC 7239's `Forwarded` is not: two sources could disagree). An entry that is no
/// address ends the chain at the last trusted proxy: what stands to its left was vouched for by nobody.
pub fn client_address(peer: SocketAddr, trusted: &[IpNet], headers: &HeaderMap) -> ClientAddress {
    let is_trusted = |address: &IpAddr| trusted.iter().any(|net| net.contains(address));
    let mut client = ClientAddress { address: peer.ip().to_canonical(), via: Vec::new() };
    if !is_trusted(&client.address) {
        return client;
    }
    let entries = headers
        .get_all(X_FORWARDED_FOR)
        .iter()
        .rev()
        .flat_map(|field| field.as_bytes().rsplit(|&b| b == b','))
        .map(trim)
        .filter(|entry| !entry.is_empty());
    for entry in entries.take(HOPS_MAX) {
        let Some(address) = parse_entry(entry) else { break };
        client.via.push(client.address);
        client.address = address;
        if !is_trusted(&address) {
            break;
        }
    }
    client.via.reverse();
    client
}

fn trim(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// `192.0.2.1`, `192.0.2.1:80`, `2001:db8::1`, `[2001:db8::1]` or `[2001:db8::1]:80`.
fn parse_entry(entry: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(entry).ok()?;
    let bare = text.strip_prefix('[').and_then(|text| text.strip_suffix(']'));
    let address = match bare {
        Some(inside) => IpAddr::V6(inside.parse().ok()?),
        None => {
            text.parse::<IpAddr>().or_else(|_| text.parse::<SocketAddr>().map(|socket| socket.ip())).ok()?
        }
    };
    Some(address.to_canonical())
}

const X_FORWARDED_FOR: HeaderName = HeaderName::from_static("x-forwarded-for");
const X_FORWARDED_PROTO: HeaderName = HeaderName::from_static("x-forwarded-proto");
const X_FORWARDED_HOST: HeaderName = HeaderName::from_static("x-forwarded-host");
const X_FORWARDED_PORT: HeaderName = HeaderName::from_static("x-forwarded-port");

/// What the platform is told.
#[derive(Clone, Copy, Debug)]
pub struct Forwarding<'a> {
    /// Who asks, as [`client_address`] found it before the fields were cleaned.
    pub client: &'a ClientAddress,
    /// The host that the client asked for, as a `Host` field in canonical form.
    pub host: &'a HeaderValue,
    /// The port in it.
    pub port: Option<u16>,
    /// Whether it came over TLS.
    pub tls: bool,
}

/// Removes hop-by-hop, identity and forwarding fields of the client and writes the gateway's own.
///
/// `Upgrade` and `Connection` go too: who means to pass a WebSocket on reads them before and writes them again. `TE`
/// becomes `trailers` where it said so. A `Connection` field that nominates an end-to-end field on which the message's
/// meaning rests (`Host`, `Content-Length`, `Cookie`, …) is refused rather than ignored: removing the field would let a
/// client hide it from the platform, and no honest client asks for it. Nominating a field that the gateway writes
/// itself has no effect.
///
/// # Errors
/// [`Nominated`]; the fields are then left as they were.
pub fn clean_request(headers: &mut HeaderMap, forwarding: &Forwarding<'_>) -> Result<(), Nominated> {
    let nominated = nominated(headers);
    if nominated.iter().any(|name| REQUEST_END_TO_END.contains(name)) {
        return Err(Nominated);
    }
    let trailers = headers.get_all(header::TE).iter().any(|te| has_token(te, b"trailers"));
    remove(headers, |name| {
        is_hop_by_hop(name.as_str())
            || is_spoofable(name.as_str())
            // The gateway answers expectations itself, when it first asks for the body.
            || *name == header::EXPECT
            || nominated.contains(name)
    });
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    write_forwarding(headers, forwarding);
    Ok(())
}

/// Removes the hop-by-hop fields of a platform's answer, nominated ones included, `Alt-Svc`: another way to the
/// platform would be a way around the gate (RFC 7838), and `Via`: what hosts stand behind the gate is nobody's business (RFC 9110
/// 7.6.3).
///
/// A platform that nominates an end-to-end field of the answer is not obeyed.
pub fn clean_response(headers: &mut HeaderMap) {
    let nominated = nominated(headers);
    remove(headers, |name| {
        is_hop_by_hop(name.as_str())
            || *name == header::PROXY_AUTHENTICATE
            || *name == header::ALT_SVC
            || *name == header::VIA
            || (nominated.contains(name) && !RESPONSE_END_TO_END.contains(name))
    });
}

/// Removes from trailers, in either direction, what may only be said in a header section (RFC 9110 §6.5.1): framing,
/// identity, cookies, and whatever a program behind could take for those.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    remove(trailers, |name| {
        is_hop_by_hop(name.as_str())
            || is_spoofable(name.as_str())
            || REQUEST_END_TO_END.contains(name)
            || RESPONSE_END_TO_END.contains(name)
    });
}

/// Removes fields by name. Looks at each name once; few fields have to go.
pub(super) fn remove(headers: &mut HeaderMap, is_doomed: impl Fn(&HeaderName) -> bool) {
    let doomed: Vec<HeaderName> = headers.keys().filter(|name| is_doomed(name)).cloned().collect();
    for name in doomed {
        headers.remove(name);
    }
}

/// Fields that end at each hop (RFC 9110 §7.6.1, RFC 7540 §3.2.1), and credentials meant for a proxy.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
            | "proxy-authorization"
            | "keep-alive"
            | "proxy-connection"
            | "http2-settings"
    )
}

/// Request fields that `Connection` may not nominate: framing, addressing, credentials, and what the gateway decides by.
static REQUEST_END_TO_END: [HeaderName; 18] = [
    header::HOST,
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::EXPECT,
    header::COOKIE,
    header::AUTHORIZATION,
    header::ORIGIN,
    header::RANGE,
    header::IF_RANGE,
    header::IF_MATCH,
    header::IF_NONE_MATCH,
    header::IF_MODIFIED_SINCE,
    header::IF_UNMODIFIED_SINCE,
    header::ACCEPT_ENCODING,
    header::CACHE_CONTROL,
    header::DATE,
];

/// Response fields that `Connection` cannot remove.
static RESPONSE_END_TO_END: [HeaderName; 14] = [
    header::CONTENT_LENGTH,
    header::CONTENT_TYPE,
    header::CONTENT_ENCODING,
    header::CONTENT_RANGE,
    header::CONTENT_DISPOSITION,
    header::CONTENT_SECURITY_POLICY,
    header::X_CONTENT_TYPE_OPTIONS,
    header::SET_COOKIE,
    header::CACHE_CONTROL,
    header::VARY,
    header::ETAG,
    header::LOCATION,
    header::WWW_AUTHENTICATE,
    header::DATE,
];

/// The fields that `Connection` names; what is no field name nominates nothing.
fn nominated(headers: &HeaderMap) -> Vec<HeaderName> {
    headers
        .get_all(header::CONNECTION)
        .iter()
        .flat_map(|value| value.as_bytes().split(|&b| b == b','))
        .filter_map(|token| HeaderName::from_bytes(trim(token)).ok())
        .collect()
}

/// Whether a comma-separated list has this token, whatever its parameters.
fn has_token(value: &HeaderValue, token: &[u8]) -> bool {
    value.as_bytes().split(|&b| b == b',').any(|item| {
        let name = item.split(|&b| b == b';').next().unwrap_or_default();
        trim(name).eq_ignore_ascii_case(token)
    })
}

/// Whether a client could use this field (lower case) to pass for somebody else, from elsewhere or on another path.
fn is_spoofable(name: &str) -> bool {
    // `_`, `.` and the other punctuation of a token fold to `-` or `_` in CGI, WSGI, Rack and PHP: an alias of anything.
    if !name.bytes().all(|b| b.is_ascii_alphanumeric() || b == b'-') {
        return true;
    }
    match name.strip_prefix("x-") {
        Some(rest) => begins_as_one_of(&X_PREFIXES, rest) || X_NAMES.binary_search(&rest).is_ok(),
        None => begins_as_one_of(&PREFIXES, name) || NAMES.binary_search(&name).is_ok(),
    }
}

/// Of sorted prefixes, none of which begins as another, only the last one before a name can be the name's.
fn begins_as_one_of(prefixes: &[&str], name: &str) -> bool {
    let behind = prefixes.partition_point(|prefix| *prefix <= name);
    prefixes[..behind].last().is_some_and(|prefix| name.starts_with(prefix))
}

/// In order. After `x-`: families of fields by which proxies and single sign-on agents speak to the applications behind them.
static X_PREFIXES: [&str; 39] = [
    "admin",
    "amzn-oidc-",
    "arr-",
    "auth-email",
    "auth-group",
    "auth-name",
    "auth-request-",
    "auth-role",
    "auth-subject",
    "auth-user",
    "authenticated",
    "authentik-",
    "claim",
    "client-", // -ip, -cert, -dn, -verify
    "consumer-",
    "credential-",
    "forwarded", // -for, -host, -proto, -port, -prefix, -user, -email, -client-cert, -tls-client-cert …
    "goog-authenticated",
    "goog-iap-",
    "group",
    "identity",
    "impersonate-",
    "jwt-",
    "middleware-",
    "ms-client-principal",
    "original-", // -url, -uri, -host, -method, -forwarded-for
    "pomerium-",
    "principal",
    "real-",
    "remote-",
    "rewrite-",
    "role",
    "shib",
    "ssl",
    "subject",
    "tls",
    "user", // -id, -name, -email, -roles; userinfo
    "vouch-",
    "webauth-",
];

/// In order. After `x-`: single names of the same kind, and those that replace the method, path or host of a request.
static X_NAMES: [&str; 24] = [
    "accel-mapping",
    "anonymous-consumer",
    "appengine-user-ip",
    "azure-clientip",
    "azure-socketip",
    "cluster-client-ip",
    "envoy-external-address",
    "envoy-internal",
    "envoy-original-path",
    "host",
    "http-host-override",
    "http-method",
    "http-method-override",
    "http-path-override",
    "method-override",
    "originating-host",
    "originating-ip",
    "override-url",
    "proxy-url",
    "proxyuser-ip",
    "scheme",
    "sendfile-type",
    "url-scheme",
    "waws-unencoded-url",
];

/// In order. Families without `x-`.
static PREFIXES: [&str; 16] = [
    "auth-request-",
    "cf-access-",
    "cf-connecting-",
    "client-cert", // RFC 9440, -chain
    "client-ip",
    "forwarded",
    "impersonate-",
    "iv-",
    "mellon-",
    "ms-aspnetcore-",
    "oidc-",
    "remote-",
    "shib-",
    "ssl-",
    "true-client",
    "wl-proxy-",
];

/// In order. Single names without `x-`.
static NAMES: [&str; 12] = [
    "affiliation",
    "cookie2",
    "eppn",
    "fastly-client-ip",
    "fly-client-ip",
    "front-end-https",
    "persistent-id",
    "proxy", // read as the environment's HTTP_PROXY (httpoxy)
    "proxy-client-ip",
    "sm-user",
    "username",
    "x509",
];

fn write_forwarding(headers: &mut HeaderMap, forwarding: &Forwarding<'_>) {
    let Forwarding { client, host, port, tls } = forwarding;
    let (scheme, default_port) = if *tls { ("https", "443") } else { ("http", "80") };
    // One buffer for all texts, of which the values are parts.
    let mut text = BytesMut::with_capacity(192);
    for address in std::iter::once(&client.address).chain(&client.via) {
        if !text.is_empty() {
            text.put_slice(b", ");
        }
        // A buffer takes everything.
        let _ = write!(text, "{address}");
    }
    let chain = text.split().freeze();
    for (place, address) in chain.split(|&byte| byte == b',').enumerate() {
        if place > 0 {
            text.put_slice(b", ");
        }
        let address = trim(address);
        // RFC 7239 §6: an IPv6 node is bracketed and quoted.
        let (open, close) =
            if address.contains(&b':') { (&b"for=\"["[..], &b"]\""[..]) } else { (&b"for="[..], &b""[..]) };
        for part in [open, address, close] {
            text.put_slice(part);
        }
    }
    // Host and scheme belong to the element of the hop that the gateway itself received (RFC 7239 §4).
    for part in [b";host=\"", host.as_bytes(), b"\";proto=", scheme.as_bytes()] {
        text.put_slice(part);
    }
    // Addresses, canonical hosts and schemes are visible ASCII: the conversion cannot fail.
    for (name, value) in [(X_FORWARDED_FOR, chain), (header::FORWARDED, text.freeze())] {
        if let Ok(value) = HeaderValue::from_maybe_shared(value) {
            headers.insert(name, value);
        }
    }
    let port = port.map_or(HeaderValue::from_static(default_port), HeaderValue::from);
    headers.insert(X_FORWARDED_PORT, port);
    headers.insert(X_FORWARDED_HOST, (*host).clone());
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
}

#[cfg(test)]
mod tests;
