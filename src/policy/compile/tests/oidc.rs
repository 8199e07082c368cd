//! Providers that describe themselves, and those that are asked about tokens.

use std::time::Duration;

use super::{small, sound};
use crate::policy::set::{
    ClientAuthentication, Discovery, IdentityUnavailable, IntrospectionSettings, KeySource, Located, Place,
    PolicySet, ProviderKind, Renewal, TokenSource,
};

const JWKS: &str = "jwks: { file: jwks.json }";
const JWT: &str = "jwt: { issuer: 'https://sso.example.fr', audience: rempart, jwks: { file: jwks.json } }";

#[track_caller]
fn discovered(set: &PolicySet) -> (&Discovery, Renewal) {
    let ProviderKind::Jwt(jwt) = &set.gateway.providers[0].kind else { panic!("jwt") };
    match &jwt.keys {
        KeySource::Remote { place: Located::Discovered(discovery), renewal } => (discovery, *renewal),
        other => panic!("{other:?}"),
    }
}

#[track_caller]
fn introspection(set: &PolicySet) -> &IntrospectionSettings {
    match &set.gateway.providers[0].kind {
        ProviderKind::Introspection(settings) => settings,
        other => panic!("{other:?}"),
    }
}

fn host(place: &Place) -> Option<&[u8]> {
    place.host.as_ref().map(http::HeaderValue::as_bytes)
}

#[test]
fn an_issuer_is_asked_where_it_is() {
    let set = sound("gateway.yaml", JWKS, "jwks: discovery");
    let (discovery, renewal) = discovered(&set);
    assert_eq!(discovery.document.path, "/.well-known/openid-configuration");
    assert_eq!(discovery.issuer, "https://sso.example.fr");
    assert_eq!(renewal, Renewal { refresh: Duration::from_secs(300), expires: Duration::from_secs(3600) });
    let upstream = &set.gateway.upstreams[usize::from(discovery.document.upstream.0)];
    assert_eq!((upstream.name.as_str(), upstream.endpoints[0].port), ("sso.keys", 443));
    assert!(upstream.tls.is_some());
    // Its own origin, and those of declared upstreams.
    let origins: Vec<_> = discovery.origins.iter().map(|one| (one.tls, &*one.host, one.port)).collect();
    assert_eq!(origins, [(false, "platform", 8080), (true, "sso.example.fr", 443)]);
    // With a path, and a slash at the end that stays in `iss` and goes in the address.
    let issuer =
        JWT.replace("sso.example.fr", "sso.example.fr:8443/realms/a/").replace(JWKS, "jwks: discovery");
    let set = sound("gateway.yaml", JWT, &issuer);
    let (discovery, _) = discovered(&set);
    assert_eq!(discovery.document.path, "/realms/a/.well-known/openid-configuration");
    assert_eq!(discovery.issuer, "https://sso.example.fr:8443/realms/a/");
    assert_eq!(host(&discovery.document), Some(&b"sso.example.fr:8443"[..]));
}

#[test]
fn an_upstream_may_stand_for_an_issuer() {
    let jwks = "jwks: { discovery: true, upstream: platform, origins: ['https://Keys.example.fr'], refresh: 10 s, expires: 1 min }";
    let set = sound("gateway.yaml", JWKS, jwks);
    let (discovery, renewal) = discovered(&set);
    assert_eq!(discovery.document.upstream.0, 0);
    assert_eq!(host(&discovery.document), Some(&b"sso.example.fr"[..]));
    assert_eq!(renewal.expires, Duration::from_secs(60));
    let origins: Vec<_> =
        discovery.origins.iter().map(|one| (one.tls, &*one.host, one.port, one.upstream.0)).collect();
    assert_eq!(
        origins,
        [(true, "sso.example.fr", 443, 0), (false, "platform", 8080, 0), (true, "keys.example.fr", 443, 1)]
    );
    assert_eq!(set.gateway.upstreams.len(), 2);
    // So may one that has the issuer's origin as its endpoint, with roots of its own.
    let jwt =
        JWT.replace("https://sso.example.fr", "http://platform:8080/id").replace(JWKS, "jwks: discovery");
    let (set, report) = small("gateway.yaml", JWT, &jwt);
    assert!(report.to_string().contains("without encryption"), "{report}");
    let set = set.unwrap();
    assert_eq!((discovered(&set).0.document.upstream.0, set.gateway.upstreams.len()), (0, 1));
}

#[test]
fn an_introspecting_provider_compiles_to_what_it_says() {
    let written = "introspection: { url: 'https://sso.example.fr/introspect', audience: [a, b], cookie: token, \
                   client: { id: gate, method: post, secret_file: short }, cache: 0 s, cache_entries: 5 }";
    let set = sound("gateway.yaml", JWT, written);
    let settings = introspection(&set);
    let Located::Fixed(place) = &settings.endpoint else { panic!("fixed") };
    assert_eq!((place.path.as_str(), host(place)), ("/introspect", None));
    assert_eq!(set.gateway.upstreams[1].name, "sso.answers");
    assert_eq!(settings.token, TokenSource::Cookie("token".into()));
    assert_eq!((settings.audience.len(), settings.cache, settings.cache_entries), (2, Duration::ZERO, 5));
    let ClientAuthentication::Post { id, secret } = &settings.client else { panic!("post") };
    assert_eq!((id.as_str(), secret.expose().as_str()), ("gate", "0123456789abcdef"));
    assert!(!format!("{set:?}").contains("0123456789abcdef"));
    let written = "introspection: { discovery: true, issuer: 'https://sso.example.fr', \
                   client: { method: bearer, secret_file: short } }";
    let (set, report) = small("gateway.yaml", JWT, written);
    assert!(report.to_string().contains("tokens for any audience are accepted"), "{report}");
    let set = set.unwrap();
    let settings = introspection(&set);
    assert!(matches!(settings.endpoint, Located::Discovered(_)));
    assert!(matches!(settings.client, ClientAuthentication::Bearer(_)));
    assert_eq!((settings.cache, settings.skew), (Duration::from_secs(30), Duration::from_secs(30)));
}

#[test]
fn what_becomes_of_callers_whose_source_is_away() {
    use IdentityUnavailable::{Anonymous, Refuse};
    for (line, expected) in [
        ("", Anonymous),
        ("    require_identity: true\n", Refuse),
        ("    identity_unavailable: refuse\n", Refuse),
        ("    identity_unavailable: anonymous\n", Anonymous),
        ("    identity_unavailable: refuse\n    require_identity: true\n", Refuse),
    ] {
        let set =
            sound("routes/all.yaml", "    purpose: account\n", &format!("    purpose: account\n{line}"));
        assert_eq!(set.routes[0].identity_unavailable, expected, "{line}");
    }
}

/// One change to a sound policy, and the one message that it must cause.
#[test]
fn every_mistake_is_named() {
    let gateway = "gateway.yaml";
    let client = "client: { id: gate, secret_file: short }";
    let introspection = |text: &str| format!("introspection: {{ audience: a, {text} }}");
    let with_client =
        |text: &str| introspection(&format!("url: 'https://sso.example.fr/i', client: {{ {text} }}"));
    for (file, from, to, message) in [
        (gateway, JWKS, "jwks: discovry".to_owned(), "`discovry` is not a place of keys"),
        (gateway, JWKS, "jwks: { discovery: false }".into(), "one place of keys is needed"),
        (
            gateway,
            JWKS,
            "jwks: { discovery: true, url: 'https://a/b' }".into(),
            "one place of keys is needed",
        ),
        (gateway, JWKS, "jwks: { discovery: true, path: /keys }".into(), "one place of keys is needed"),
        (gateway, JWKS, "jwks: { discovery: true, file: jwks.json }".into(), "one place of keys is needed"),
        (
            gateway,
            JWKS,
            "jwks: { discovery: true, upstream: platfrom }".into(),
            "there is no upstream `platfrom`",
        ),
        (
            gateway,
            JWKS,
            "jwks: { discovery: true, origins: ['http://keys'] }".into(),
            "an origin is `https://`",
        ),
        (
            gateway,
            JWKS,
            "jwks: { discovery: true, origins: ['https://a/b'] }".into(),
            "this is not an origin",
        ),
        (
            gateway,
            JWKS,
            "jwks: { url: 'https://a/b', origins: ['https://a'] }".into(),
            "`origins` means nothing here",
        ),
        (
            gateway,
            JWKS,
            "jwks: { file: jwks.json, refresh: 1 min }".into(),
            "`refresh` means nothing beside `file`",
        ),
        (gateway, JWKS, "jwks: { discovery: true, refresh: 1 day }".into(), "is out of bounds"),
        (
            gateway,
            JWKS,
            "jwks: { discovery: true, refresh: 1 min, expires: 90 s }".into(),
            "keys would end before",
        ),
        (gateway, JWKS, "jwks: { discovery: true, expires: 1 week }".into(), "is out of bounds"),
        (gateway, JWKS, "jwks: { discovry: true }".into(), "`discovry` is not a field here"),
        (
            gateway,
            JWT,
            "jwt: { issuer: sso, audience: rempart, jwks: discovery }".into(),
            "an issuer that describes itself is an address",
        ),
        (
            gateway,
            JWT,
            "jwt: { issuer: 'https://sso.example.fr/?realm=a', audience: rempart, jwks: discovery }".into(),
            "an issuer that describes itself is an address",
        ),
        (gateway, JWT, introspection(client), "one place of answers is needed"),
        (gateway, JWT, introspection(&format!("discovery: true, {client}")), "`issuer` is missing"),
        (gateway, JWT, introspection("url: 'https://sso.example.fr/i'"), "`client` is missing"),
        (gateway, JWT, with_client("secret_file: short"), "`id` is missing"),
        (gateway, JWT, with_client("id: gate"), "`secret_file` is missing"),
        (gateway, JWT, with_client("id: gate, secret_file: absent"), "cannot be read"),
        (gateway, JWT, with_client("id: gate, secret_file: tls.key"), "holds no secret"),
        (
            gateway,
            JWT,
            with_client("id: gate, secret_file: short, method: basik"),
            "is not a way to prove who asks",
        ),
        (
            gateway,
            JWT,
            with_client("id: gate, secret_file: short, method: bearer"),
            "a bearer token has no `id`",
        ),
        (
            gateway,
            JWT,
            introspection(&format!("url: 'https://a/i', {client}, cache: 1 h")),
            "is out of bounds",
        ),
        (gateway, JWT, introspection(&format!("url: 'https://u:p@a/i', {client}")), "is not understood"),
        (
            gateway,
            JWT,
            introspection(&format!("url: 'https://a/i', {client}, cookie: 'a*'")),
            "is not a cookie name",
        ),
        (
            gateway,
            JWT,
            format!("{JWT}\n      introspection: {{ audience: a, url: 'https://a/i', {client} }}"),
            "a provider is asked in one way",
        ),
        (
            "routes/all.yaml",
            "purpose: account",
            "purpose: account\n    identity_unavailable: refus".into(),
            "is not an answer to a source that is away",
        ),
        (
            "routes/all.yaml",
            "purpose: account",
            "purpose: account\n    require_identity: true\n    identity_unavailable: anonymous".into(),
            "lets nobody in as anonymous",
        ),
    ] {
        let (set, report) = small(file, from, &to);
        assert!(set.is_none(), "{to} is accepted");
        let [error] = report.errors.as_slice() else { panic!("one error is due for {to}\n{report}") };
        assert!(error.message.contains(message), "{message} is due for {to}\n{report}");
        assert_eq!(error.file, file, "{report}");
        assert!(error.line > 1, "{report}");
        assert!(!report.to_string().contains("u:p@"), "{report}");
    }
}
