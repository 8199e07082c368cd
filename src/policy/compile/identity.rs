//! `gateway.identity` → [`IdentityProvider`]s.

use std::time::Duration;

use serde_json::Value;

use super::{
    client_certificate,
    context::{At, Context, Names},
    forward_auth, relations, roles, upstreams,
};
use crate::policy::{
    document::{ClaimsDocument, GatewayDocument, JwksDocument, JwtDocument, ProviderDocument},
    set::{
        ClaimPaths, HostHeader, IdentityProvider, JsonPath, JwtSettings, KeySource, ProviderKind,
        TokenSource, Upstream, UpstreamId, UpstreamTls,
    },
};

/// The algorithms whose verification key is no secret. HS* would make every verifier a signer; `none` signs nothing.
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Compiles the providers. An address of keys may add an upstream of its own.
pub(super) fn compile(
    context: &mut Context<'_>,
    site: &Site<'_>,
    upstreams: &mut Vec<Upstream>,
    names: &mut Names,
) -> Vec<IdentityProvider> {
    let at = site.at.key("identity");
    let mut providers: Vec<IdentityProvider> = Vec::new();
    // What routes may name is what the file declares, not what an address of keys adds.
    let declared = Names { list: names.list.clone(), incomplete: names.incomplete };
    for (index, entry) in site.document.identity.iter().flatten().enumerate().take(usize::from(u16::MAX)) {
        let (Some(entry), at) = (entry, at.item(index)) else { continue };
        let help = "a name for routes and metrics: `name: platform`";
        let name = context.text(&at, "name", &entry.name, help).unwrap_or_default().to_owned();
        if !name.is_empty() {
            context.name(&at.key("name"), &name);
            if providers.iter().any(|other| other.name == name) {
                context.error(&at.key("name"), format!("there is a provider `{name}` already"), "rename one");
            }
        }
        let kind = kind(context, &at, entry, &name, site, upstreams, &declared);
        let help = "where the answer says what: `claims: { subject: $.sub, role: $.role }`";
        let claims = match context.need(&at, "claims", &entry.claims, help) {
            Some(claims) => claim_paths(context, &at.key("claims"), claims),
            None => ClaimPaths::default(),
        };
        let roles = roles::compile(context, &at, entry, site.recipients);
        let relations = relations::named(context, &at, entry, site.sources);
        // A provider without a sound kind still takes its place, for the routes that name it.
        let kind = kind.unwrap_or_else(|| ProviderKind::Jwt(nobody()));
        providers.push(IdentityProvider { name, kind, claims, roles, relations });
    }
    providers
}

/// What is around the providers: the file, and what they may refer to.
pub(super) struct Site<'a> {
    pub(super) at: &'a At,
    pub(super) document: &'a GatewayDocument,
    pub(super) recipients: &'a Names,
    pub(super) sources: &'a Names,
}

/// Stands in for settings that were refused; its set is never handed out.
fn nobody() -> JwtSettings {
    JwtSettings {
        issuer: String::new(),
        audience: Vec::new(),
        keys: KeySource::Inline(Vec::new()),
        token: TokenSource::Authorization,
        skew: Duration::ZERO,
        algorithms: Vec::new(),
    }
}

fn kind(
    context: &mut Context<'_>,
    at: &At,
    entry: &ProviderDocument,
    name: &str,
    site: &Site<'_>,
    upstreams: &mut Vec<Upstream>,
    declared: &Names,
) -> Option<ProviderKind> {
    match (&entry.jwt, &entry.forward_auth, &entry.client_certificate) {
        (Some(jwt), None, None) => {
            self::jwt(context, &at.key("jwt"), jwt, name, upstreams, declared).map(ProviderKind::Jwt)
        }
        (None, Some(forward), None) => {
            forward_auth::compile(context, &at.key("forward_auth"), forward, declared)
                .map(ProviderKind::ForwardAuth)
        }
        (None, None, Some(certificate)) => {
            let at = at.key("client_certificate");
            client_certificate::provider(context, &at, certificate, site.at, site.document)
                .map(ProviderKind::ClientCertificate)
        }
        (jwt, forward, _) if jwt.is_some() || forward.is_some() => {
            let help = "declare two providers; routes ask them in order";
            let second =
                if jwt.is_some() && forward.is_some() { "forward_auth" } else { "client_certificate" };
            context.error_at_key(&at.key(second), "a provider is asked in one way", help);
            None
        }
        _ => {
            if !["jwt", "forward_auth", "client_certificate"]
                .iter()
                .any(|kind| context.dropped(&at.key(kind)))
            {
                let help = "`jwt: { … }` for signed tokens, `forward_auth: { … }` for a session endpoint, \
                            `client_certificate: {}` for what TLS clients show";
                context.error(at, "nothing says how this provider is asked", help);
            }
            None
        }
    }
}

fn claim_paths(context: &mut Context<'_>, at: &At, claims: &ClaimsDocument) -> ClaimPaths {
    let mut path = |field: &str, text: &Option<String>| -> Option<JsonPath> {
        // A claim stands in one document, so that `sub` and `$.sub` mean the same.
        let path = context.json_path(&at.key(field), text.as_deref()?)?;
        Some(JsonPath { absolute: true, ..path })
    };
    let paths = ClaimPaths {
        subject: path("subject", &claims.subject),
        role: path("role", &claims.role),
        groups: path("groups", &claims.groups),
        wards: path("wards", &claims.wards),
    };
    context.need(at, "role", &claims.role, "where the caller's roles are: `role: $.roles[*]`");
    paths
}

fn jwt(
    context: &mut Context<'_>,
    at: &At,
    jwt: &JwtDocument,
    name: &str,
    upstreams: &mut Vec<Upstream>,
    declared: &Names,
) -> Option<JwtSettings> {
    let issuer = context.text(at, "issuer", &jwt.issuer, "the required `iss` of tokens").map(str::to_owned);
    let help = "the accepted `aud` of tokens: without it a token made for another service would do";
    context.need(at, "audience", &jwt.audience, help);
    let mut audience = Vec::new();
    for (at, text) in context.items(&at.key("audience"), &jwt.audience) {
        if text.is_empty() {
            context.error(&at, "an audience is empty", help);
        }
        audience.push(text.to_owned());
    }
    if jwt.audience.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(&at.key("audience"), "there is no audience", help);
    }
    let help = "where the keys are: `jwks: { file: … }`, `{ url: … }` or `{ upstream: …, path: … }`";
    let keys = match context.need(at, "jwks", &jwt.jwks, help) {
        Some(jwks) => self::jwks(context, &at.key("jwks"), jwks, name, upstreams, declared),
        None => None,
    };
    let token = match &jwt.cookie {
        Some(cookie) => {
            cookie_name(context, &at.key("cookie"), cookie);
            TokenSource::Cookie(cookie.clone())
        }
        None => TokenSource::Authorization,
    };
    let skew = context.duration(&at.key("skew"), &jwt.skew, SECOND * 30, Duration::ZERO..=MINUTE * 5);
    let algorithms = algorithms(context, &at.key("algorithms"), jwt);
    Some(JwtSettings { issuer: issuer?, audience, keys: keys?, token, skew, algorithms })
}

fn algorithms(context: &mut Context<'_>, at: &At, jwt: &JwtDocument) -> Vec<String> {
    let Some(written) = &jwt.algorithms else {
        return ALGORITHMS.iter().map(|&name| name.to_owned()).collect();
    };
    if written.is_empty() {
        context.error(at, "no algorithm is accepted", "remove the line to accept all that are sound");
    }
    let mut algorithms: Vec<String> = Vec::new();
    for (index, text) in written.iter().enumerate() {
        let (Some(text), at) = (text, at.item(index)) else { continue };
        if text.starts_with("HS") {
            let help = "with a shared secret whoever verifies can also sign; use RS256, ES256 or EdDSA";
            context.error(&at, format!("`{text}` is refused"), help);
        } else if text.eq_ignore_ascii_case("none") {
            context.error(&at, "`none` is refused", "a token without a signature is anybody's word");
        } else {
            let table: Vec<(&str, ())> = ALGORITHMS.iter().map(|&name| (name, ())).collect();
            context.choice(&at, "an algorithm that is accepted", text, &table);
        }
        algorithms.push(text.clone());
    }
    algorithms
}

fn jwks(
    context: &mut Context<'_>,
    at: &At,
    jwks: &JwksDocument,
    provider: &str,
    upstreams: &mut Vec<Upstream>,
    declared: &Names,
) -> Option<KeySource> {
    match jwks {
        JwksDocument { file: Some(file), url: None, upstream: None, path: None } => {
            let at = at.key("file");
            // In a check without the file there is nothing to hold against the provider.
            let Some(bytes) = context.file(&at, file) else { return Some(KeySource::Inline(Vec::new())) };
            match sound_key_set(&bytes) {
                Ok(()) => Some(KeySource::Inline(bytes)),
                Err((message, help)) => {
                    context.error(&at, format!("`{file}` {message}"), help);
                    None
                }
            }
        }
        JwksDocument { file: None, url: Some(url), upstream: None, path: None } => {
            remote_keys(context, &at.key("url"), url, provider, upstreams)
        }
        JwksDocument { file: None, url: None, upstream: Some(upstream), path: Some(path) } => {
            let place =
                context.refer(&at.key("upstream"), declared, "upstream", "gateway.upstreams", upstream);
            let path = request_path(context, &at.key("path"), path);
            Some(KeySource::Remote { upstream: UpstreamId(place? as u16), path: path? })
        }
        _ => {
            if !["file", "url", "upstream", "path"].iter().any(|field| context.dropped(&at.key(field))) {
                let help = "`{ file: … }`, `{ url: … }` or `{ upstream: …, path: … }`";
                context.error(at, "one place of keys is needed", help);
            }
            None
        }
    }
}

fn remote_keys(
    context: &mut Context<'_>,
    at: &At,
    url: &str,
    provider: &str,
    upstreams: &mut Vec<Upstream>,
) -> Option<KeySource> {
    let Some((tls, endpoint, path)) = upstreams::origin(url).filter(|(_, _, path)| path.starts_with('/'))
    else {
        let help = "an address such as `https://idp.example.fr/realms/school/keys`";
        context.secret_error(at, "this address of keys is not understood", help);
        return None;
    };
    if !tls {
        let help = "who can change the keys on their way can be anybody: use `https://`";
        context.finding(at, "the keys are fetched without encryption", help);
    }
    let path = request_path(context, at, path)?;
    let mut upstream = upstreams::public(
        &format!("{provider}.keys"),
        vec![endpoint],
        tls.then_some(UpstreamTls { ca: None, server_name: None }),
    );
    upstream.host = HostHeader::Endpoint;
    upstreams.push(upstream);
    Some(KeySource::Remote { upstream: UpstreamId((upstreams.len() - 1) as u16), path })
}

/// A JSON Web Key Set (RFC 7517) of public keys.
fn sound_key_set(bytes: &[u8]) -> Result<(), (String, &'static str)> {
    let shape = "a JSON Web Key Set: `{ \"keys\": [ … ] }` (RFC 7517)";
    let set: Value = serde_json::from_slice(bytes).map_err(|_| ("is not JSON".to_owned(), shape))?;
    let keys =
        set.get("keys").and_then(Value::as_array).ok_or_else(|| ("has no list `keys`".to_owned(), shape))?;
    if keys.is_empty() {
        return Err(("holds no key".to_owned(), "every token would be refused"));
    }
    for (index, key) in keys.iter().enumerate() {
        let place = index + 1;
        if key.get("d").is_some() {
            return Err((format!("holds a private key (key {place})"), "publish the public half only"));
        }
        match key.get("kty").and_then(Value::as_str) {
            Some("RSA" | "EC" | "OKP") => {}
            Some("oct") => {
                let help = "with a shared secret whoever verifies can also sign; use RSA, EC or OKP keys";
                return Err((format!("holds a symmetric key (key {place})"), help));
            }
            _ => {
                return Err((
                    format!("holds a key of no known type (key {place})"),
                    "`kty` is RSA, EC or OKP",
                ));
            }
        }
    }
    Ok(())
}

/// A cookie's exact name.
pub(super) fn cookie_name(context: &mut Context<'_>, at: &At, name: &str) {
    if name.is_empty() || name.bytes().any(|b| b <= b' ' || matches!(b, b'=' | b';' | b'*') || b >= 0x7f) {
        let help = "an exact name, without `*`, `=`, `;` or spaces";
        context.error_at_key(at, format!("`{name}` is not a cookie name"), help);
    }
}

/// The path and query of a request that the gateway makes itself.
pub(super) fn request_path(context: &mut Context<'_>, at: &At, path: &str) -> Option<String> {
    let sound = path.starts_with('/')
        && !path.contains('#')
        && path.parse::<http::uri::PathAndQuery>().is_ok_and(|parsed| parsed.as_str() == path);
    if !sound {
        let help = "a path with an optional query: `/api/auth/session/current/`";
        context.error(at, format!("`{path}` is not a path"), help);
    }
    sound.then(|| path.to_owned())
}
