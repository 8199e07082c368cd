//! `gateway.upstreams` → [`Upstream`]s.

use std::{sync::Arc, time::Duration};

use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject as _};

use super::{
    certificate, chain,
    context::{At, Context, Names},
    resilience,
};
use crate::{
    policy::{
        document::{Entries, Section, UpstreamDocument, UpstreamTlsDocument},
        set::{ClientIdentity, CookieRule, Endpoint, HostHeader, Protocol, Upstream, UpstreamTls},
    },
    secret::Sensitive,
};

const MILLISECOND: Duration = Duration::from_millis(1);
const CONNECT: Duration = Duration::from_secs(2);
const RESPONSE: Duration = Duration::from_secs(30);
const IDLE: Duration = Duration::from_secs(20);
const HOUR: Duration = Duration::from_secs(3600);
/// Idle connections kept per worker and endpoint.
const IDLE_CONNECTIONS: u64 = 64;

/// Compiles the upstreams and their names.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Entries<Section<UpstreamDocument>>>,
    cookies: Option<&[CookieRule]>,
) -> (Vec<Upstream>, Names) {
    let help = "where requests go: `upstreams: { kolibri: { endpoints: \"http://kolibri:8080\" } }`";
    let Some(Entries(entries)) = context.need(at, "upstreams", written, help) else {
        return (Vec::new(), Names { list: Vec::new(), incomplete: true });
    };
    let at = at.key("upstreams");
    if entries.is_empty() {
        context.error(&at, "`upstreams` declares nothing", help);
    }
    let mut upstreams = Vec::new();
    for (name, entry) in entries.iter().take(usize::from(u16::MAX)) {
        let at = at.key(name);
        context.name(&at, name);
        let mut upstream = public(name, Vec::new(), None);
        if let Some(entry) = entry {
            fill(context, &at, entry, &mut upstream);
            upstream.resilience = resilience::compile(context, &at, entry, cookies);
        }
        upstreams.push(upstream);
    }
    let list = upstreams.iter().map(|upstream| upstream.name.clone()).collect();
    (upstreams, Names { list, incomplete: entries.is_empty() })
}

/// An upstream with the defaults.
pub(super) fn public(name: &str, endpoints: Vec<Endpoint>, tls: Option<UpstreamTls>) -> Upstream {
    Upstream {
        name: name.to_owned(),
        endpoints,
        tls,
        protocol: Protocol::Http1,
        host: HostHeader::Preserve,
        connect_timeout: CONNECT,
        response_timeout: RESPONSE,
        idle_connections: IDLE_CONNECTIONS as usize,
        idle_timeout: IDLE,
        country: None,
        resilience: resilience::standard(),
    }
}

fn fill(context: &mut Context<'_>, at: &At, entry: &UpstreamDocument, upstream: &mut Upstream) {
    let help = "`endpoints: \"http://kolibri:8080\"`, or a list";
    context.need(at, "endpoints", &entry.endpoints, help);
    let endpoints_at = at.key("endpoints");
    let mut first = None;
    for (at, text) in context.items(&endpoints_at, &entry.endpoints) {
        let Some((tls, endpoint)) = endpoint(context, &at, text) else { continue };
        let kind = (tls, endpoint.socket().is_some());
        if *first.get_or_insert(kind) != kind {
            let help = "the endpoints of an upstream are all `http://`, all `https://` or all `unix:`";
            context.error(&at, format!("`{text}` is not of the kind of those before it"), help);
        }
        if upstream.endpoints.contains(&endpoint) {
            context.error(&at, format!("`{text}` is listed twice"), None);
        }
        upstream.endpoints.push(endpoint);
    }
    if entry.endpoints.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(&endpoints_at, "there is no endpoint", help);
    }
    upstream.tls = tls(context, at, entry, first.map(|(encrypted, _)| encrypted));
    if let Some(text) = &entry.protocol {
        let table = [("http1", Protocol::Http1), ("http2", Protocol::Http2), ("auto", Protocol::Auto)];
        upstream.protocol =
            context.choice(&at.key("protocol"), "a protocol", text, &table).unwrap_or(upstream.protocol);
    }
    if let Some(text) = &entry.host {
        let table = [("preserve", HostHeader::Preserve), ("endpoint", HostHeader::Endpoint)];
        upstream.host =
            context.choice(&at.key("host"), "a kind of Host header", text, &table).unwrap_or(upstream.host);
    }
    upstream.connect_timeout = context.duration(
        &at.key("connect_timeout"),
        &entry.connect_timeout,
        CONNECT,
        MILLISECOND * 10..=HOUR,
    );
    upstream.response_timeout = context.duration(
        &at.key("response_timeout"),
        &entry.response_timeout,
        RESPONSE,
        MILLISECOND * 10..=HOUR,
    );
    upstream.idle_connections =
        context.count(&at.key("idle_connections"), entry.idle_connections, IDLE_CONNECTIONS, 0..=10_000)
            as usize;
    upstream.idle_timeout =
        context.duration(&at.key("idle_timeout"), &entry.idle_timeout, IDLE, MILLISECOND * 10..=HOUR);
    if let Some(country) = &entry.country {
        if country.len() != 2 || !country.bytes().all(|b| b.is_ascii_uppercase()) {
            let help = "two capital letters (ISO 3166-1): `FR`";
            context.error(&at.key("country"), format!("`{country}` is not a country code"), help);
        }
        upstream.country = Some(country.clone());
    }
}

fn tls(
    context: &mut Context<'_>,
    at: &At,
    entry: &UpstreamDocument,
    encrypted: Option<bool>,
) -> Option<UpstreamTls> {
    if encrypted == Some(false) && entry.tls.is_some() {
        let help = "write the endpoints with `https://`, or remove `tls`";
        context.error_at_key(&at.key("tls"), "`tls` is set, but the endpoints are not `https://`", help);
    }
    let at = at.key("tls");
    let mut tls = UpstreamTls { ca: None, server_name: None, client: None };
    if let Some(written) = entry.tls.as_deref() {
        if let Some(file) = &written.ca {
            tls.ca = roots(context, &at.key("ca"), file);
        }
        if let Some(name) = &written.server_name {
            if ServerName::try_from(name.as_str()).is_err() {
                context.error(&at.key("server_name"), format!("`{name}` is not a server name"), None);
            }
            tls.server_name = Some(name.clone());
        }
        tls.client = client(context, &at, written);
    }
    (encrypted == Some(true)).then_some(tls)
}

/// The gateway's own certificate.
fn client(context: &mut Context<'_>, at: &At, written: &UpstreamTlsDocument) -> Option<Arc<ClientIdentity>> {
    if written.certificate.is_none() && written.key.is_none() {
        return None;
    }
    let (chain, key) = certificate::own(context, at, &written.certificate, &written.key)?;
    let expires = chain::expiry(&chain);
    Some(Arc::new(ClientIdentity { chain, key: Sensitive::new(key), expires }))
}

fn roots(context: &mut Context<'_>, at: &At, file: &str) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = context.file(at, file)?;
    trusted_roots(context, at, file, &bytes)
}

/// The trusted roots of a PEM file.
pub(super) fn trusted_roots(
    context: &mut Context<'_>,
    at: &At,
    file: &str,
    bytes: &[u8],
) -> Option<Vec<CertificateDer<'static>>> {
    let roots: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(bytes).collect();
    let usable = roots.ok().filter(|roots| {
        let mut store = rustls::RootCertStore::empty();
        !roots.is_empty() && roots.iter().all(|root| store.add(root.clone()).is_ok())
    });
    if usable.is_none() {
        context.error(at, format!("`{file}` holds no trusted roots"), "PEM: `-----BEGIN CERTIFICATE-----` …");
    }
    usable
}

/// `http://host:port`, `https://host:port` or `unix:/path`.
///
/// A socket has no `//`, as in the configuration of nginx and by RFC 8089's short form: an authority would be empty.
fn endpoint(context: &mut Context<'_>, at: &At, text: &str) -> Option<(bool, Endpoint)> {
    if let Some(path) = text.strip_prefix("unix:") {
        // `sun_path` of Linux, with the NUL behind it; the others have less.
        let sound =
            path.starts_with('/') && !path.starts_with("//") && path.len() <= 107 && !path.contains('\0');
        if !sound {
            let help = "`unix:/run/app.sock`, an absolute path of at most 107 bytes";
            context.error(at, format!("`{text}` is not an endpoint"), help);
        }
        return sound.then(|| (false, Endpoint { host: path.to_owned(), port: 0 }));
    }
    match origin(text) {
        Some((tls, endpoint, "" | "/")) => Some((tls, endpoint)),
        _ => {
            let help =
                "`http://host:port`, `https://host:port` or `unix:/path`, without query or credentials";
            if text.contains('@') {
                context.secret_error(at, "this endpoint is not understood", help);
            } else {
                context.error(at, format!("`{text}` is not an endpoint"), help);
            }
            None
        }
    }
}

/// Scheme, host and port of an URL, and what follows them.
pub(super) fn origin(text: &str) -> Option<(bool, Endpoint, &str)> {
    let (tls, rest) = match text.split_once("://")? {
        ("http", rest) => (false, rest),
        ("https", rest) => (true, rest),
        _ => return None,
    };
    let (authority, path) = rest.split_at(rest.find(['/', '?', '#']).unwrap_or(rest.len()));
    let authority: http::uri::Authority = authority.parse().ok().filter(|_| !authority.contains('@'))?;
    let host = authority.host();
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let port = match authority.port() {
        Some(port) => port.as_u16(),
        None if authority.as_str().len() > host.len() => return None,
        None => {
            if tls {
                443
            } else {
                80
            }
        }
    };
    if port == 0 || ServerName::try_from(bare).is_err() {
        return None;
    }
    Some((tls, Endpoint { host: bare.to_ascii_lowercase(), port }, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn origins_are_taken_apart() {
        for (text, expected) in [
            ("http://kolibri:8080", Some((false, "kolibri", 8080, ""))),
            ("https://Idp.example.fr/keys?a=b", Some((true, "idp.example.fr", 443, "/keys?a=b"))),
            ("http://[::1]:80/", Some((false, "::1", 80, "/"))),
            ("http://10.0.0.1", Some((false, "10.0.0.1", 80, ""))),
            ("http://user:pw@host", None),
            ("ftp://host", None),
            ("host:80", None),
            ("http://", None),
            ("http://host:0", None),
            ("http://host:99999", None),
            ("http://host:", None),
            ("http://a b", None),
        ] {
            let found = origin(text);
            let found = found.as_ref().map(|(tls, e, rest)| (*tls, e.host.as_str(), e.port, *rest));
            assert_eq!(found, expected, "{text}");
        }
    }
}
