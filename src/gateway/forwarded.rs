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

use http::{HeaderMap, HeaderName, HeaderValue, header};
use ipnet::IpNet;

use super::canonical::CanonicalHost;

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
    /// The host that the client asked for.
    pub host: &'a CanonicalHost,
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
    let doomed: Vec<HeaderName> =
        headers.keys().filter(|name| is_hop_by_hop(name) || is_spoofable(name.as_str())).cloned().collect();
    for name in doomed.into_iter().chain(nominated) {
        headers.remove(name);
    }
    if trailers {
        headers.insert(header::TE, HeaderValue::from_static("trailers"));
    }
    write_forwarding(headers, forwarding);
    Ok(())
}

/// Removes the hop-by-hop fields of a platform's answer, nominated ones included.
///
/// A platform that nominates an end-to-end field of the answer is not obeyed.
pub fn clean_response(headers: &mut HeaderMap) {
    for name in nominated(headers) {
        if !RESPONSE_END_TO_END.contains(&name) {
            headers.remove(name);
        }
    }
    for name in &HOP_BY_HOP {
        headers.remove(name);
    }
    headers.remove(header::PROXY_AUTHENTICATE);
}

/// Removes from trailers, in either direction, what may only be said in a header section (RFC 9110 §6.5.1): framing,
/// identity, cookies, and whatever a program behind could take for those.
pub fn clean_trailers(trailers: &mut HeaderMap) {
    let forbidden = |name: &HeaderName| {
        is_hop_by_hop(name)
            || is_spoofable(name.as_str())
            || REQUEST_END_TO_END.contains(name)
            || RESPONSE_END_TO_END.contains(name)
    };
    let doomed: Vec<HeaderName> = trailers.keys().filter(|name| forbidden(name)).cloned().collect();
    for name in doomed {
        trailers.remove(name);
    }
}

/// Fields that end at each hop (RFC 9110 §7.6.1, RFC 7540 §3.2.1), and credentials meant for a proxy.
static HOP_BY_HOP: [HeaderName; 8] = [
    header::CONNECTION,
    header::TE,
    header::TRANSFER_ENCODING,
    header::UPGRADE,
    header::PROXY_AUTHORIZATION,
    HeaderName::from_static("keep-alive"),
    HeaderName::from_static("proxy-connection"),
    HeaderName::from_static("http2-settings"),
];

fn is_hop_by_hop(name: &HeaderName) -> bool {
    HOP_BY_HOP.contains(name)
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
        Some(rest) => X_PREFIXES.iter().any(|prefix| rest.starts_with(prefix)) || X_NAMES.contains(&rest),
        None => PREFIXES.iter().any(|prefix| name.starts_with(prefix)) || NAMES.contains(&name),
    }
}

/// After `x-`: families of fields by which proxies and single sign-on agents speak to the applications behind them.
static X_PREFIXES: [&str; 39] = [
    "forwarded", // -for, -host, -proto, -port, -prefix, -user, -email, -client-cert, -tls-client-cert …
    "original-", // -url, -uri, -host, -method, -forwarded-for
    "rewrite-",
    "remote-",
    "real-",
    "client-", // -ip, -cert, -dn, -verify
    "user",    // -id, -name, -email, -roles; userinfo
    "role",
    "group",
    "admin",
    "subject",
    "identity",
    "principal",
    "claim",
    "auth-request-",
    "auth-user",
    "auth-email",
    "auth-name",
    "auth-group",
    "auth-role",
    "auth-subject",
    "authenticated",
    "authentik-",
    "webauth-",
    "pomerium-",
    "vouch-",
    "consumer-",
    "credential-",
    "jwt-",
    "amzn-oidc-",
    "goog-iap-",
    "goog-authenticated",
    "ms-client-principal",
    "shib",
    "ssl",
    "tls",
    "arr-",
    "impersonate-",
    "middleware-",
];

/// After `x-`: single names of the same kind, and those that replace the method, path or host of a request.
static X_NAMES: [&str; 24] = [
    "proxyuser-ip",
    "originating-ip",
    "originating-host",
    "cluster-client-ip",
    "azure-clientip",
    "azure-socketip",
    "envoy-external-address",
    "envoy-original-path",
    "envoy-internal",
    "appengine-user-ip",
    "host",
    "scheme",
    "url-scheme",
    "proxy-url",
    "override-url",
    "http-method",
    "http-method-override",
    "method-override",
    "http-path-override",
    "http-host-override",
    "waws-unencoded-url",
    "sendfile-type",
    "accel-mapping",
    "anonymous-consumer",
];

/// Families without `x-`.
static PREFIXES: [&str; 16] = [
    "forwarded",
    "remote-",
    "client-ip",
    "client-cert", // RFC 9440, -chain
    "true-client",
    "cf-connecting-",
    "cf-access-",
    "ssl-",
    "oidc-",
    "shib-",
    "mellon-",
    "iv-",
    "impersonate-",
    "ms-aspnetcore-",
    "wl-proxy-",
    "auth-request-",
];

/// Single names without `x-`.
static NAMES: [&str; 12] = [
    "proxy", // read as the environment's HTTP_PROXY (httpoxy)
    "proxy-client-ip",
    "fastly-client-ip",
    "fly-client-ip",
    "front-end-https",
    "sm-user",
    "eppn",
    "persistent-id",
    "affiliation",
    "username",
    "cookie2",
    "x509",
];

fn write_forwarding(headers: &mut HeaderMap, forwarding: &Forwarding<'_>) {
    let Forwarding { client, host, tls } = forwarding;
    let scheme = if *tls { "https" } else { "http" };
    let mut chain = String::with_capacity(48);
    let mut forwarded = String::with_capacity(128);
    for address in std::iter::once(&client.address).chain(&client.via) {
        if !chain.is_empty() {
            chain.push_str(", ");
            forwarded.push_str(", ");
        }
        let start = chain.len();
        // A string takes everything.
        let _ = write!(chain, "{address}");
        // RFC 7239 §6: an IPv6 node is bracketed and quoted.
        let (open, close) = if address.is_ipv6() { ("for=\"[", "]\"") } else { ("for=", "") };
        for part in [open, &chain[start..], close] {
            forwarded.push_str(part);
        }
    }
    // Host and scheme belong to the element of the hop that the gateway itself received (RFC 7239 §4).
    forwarded.push_str(";host=\"");
    let start = forwarded.len();
    let _ = write!(forwarded, "{host}");
    let end = forwarded.len();
    for part in ["\";proto=", scheme] {
        forwarded.push_str(part);
    }
    let value = |text: &str| HeaderValue::from_str(text);
    let port = match host.port {
        None => Ok(HeaderValue::from_static(if *tls { "443" } else { "80" })),
        Some(port) => Ok(HeaderValue::from(port)),
    };
    for (name, value) in [
        (X_FORWARDED_FOR, value(&chain)),
        (X_FORWARDED_HOST, value(&forwarded[start..end])),
        (X_FORWARDED_PORT, port),
        (header::FORWARDED, value(&forwarded)),
    ] {
        // Addresses, canonical hosts and numbers are visible ASCII: the conversion cannot fail.
        if let Ok(value) = value {
            headers.insert(name, value);
        }
    }
    headers.insert(X_FORWARDED_PROTO, HeaderValue::from_static(scheme));
}

#[cfg(test)]
mod tests;
