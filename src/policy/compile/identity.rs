//! `gateway.identity` → [`IdentityProvider`]s.

use std::time::Duration;

use serde_json::Value;

use super::{
    client_certificate,
    context::{At, Context, Names},
    forward_auth, introspection,
    oidc::{self, Scope, Written},
    relations, roles,
};
use crate::policy::{
    document::{ClaimsDocument, GatewayDocument, JwksDocument, JwtDocument, ProviderDocument, WordOr},
    set::{
        ClaimPaths, IdentityProvider, JsonPath, JwtSettings, KeySource, ProviderKind, Renewal, TokenSource,
        Upstream,
    },
};

/// The algorithms whose verification key is no secret. HS* would make every verifier a signer; `none` signs nothing.
const ALGORITHMS: [&str; 9] =
    ["RS256", "RS384", "RS512", "PS256", "PS384", "PS512", "ES256", "ES384", "EdDSA"];
/// The ways in which a provider may be asked.
const KINDS: [&str; 4] = ["jwt", "forward_auth", "introspection", "client_certificate"];
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
    match (&entry.jwt, &entry.forward_auth, &entry.introspection, &entry.client_certificate) {
        (Some(jwt), None, None, None) => {
            let mut scope = Scope { provider: name, what: "keys", upstreams, declared };
            self::jwt(context, &at.key("jwt"), jwt, &mut scope).map(ProviderKind::Jwt)
        }
        (None, Some(forward), None, None) => {
            forward_auth::compile(context, &at.key("forward_auth"), forward, declared)
                .map(ProviderKind::ForwardAuth)
        }
        (None, None, Some(written), None) => {
            let at = at.key("introspection");
            let mut scope = Scope { provider: name, what: "answers", upstreams, declared };
            introspection::compile(context, &at, written, &mut scope).map(ProviderKind::Introspection)
        }
        (None, None, None, Some(certificate)) => {
            let at = at.key("client_certificate");
            client_certificate::provider(context, &at, certificate, site.at, site.document)
                .map(ProviderKind::ClientCertificate)
        }
        (None, None, None, None) => {
            if !KINDS.iter().any(|kind| context.dropped(&at.key(kind))) {
                let help = "`jwt: { … }` for signed tokens, `introspection: { … }` for those that only their \
                            issuer can read, `forward_auth: { … }` for a session endpoint, \
                            `client_certificate: {}` for what TLS clients show";
                context.error(at, "nothing says how this provider is asked", help);
            }
            None
        }
        (jwt, forward, introspection, certificate) => {
            let help = "declare one provider for each; routes ask them in order";
            let there = [jwt.is_some(), forward.is_some(), introspection.is_some(), certificate.is_some()];
            let second = KINDS.iter().zip(there).filter(|(_, there)| *there).nth(1);
            let at = second.map_or_else(|| at.clone(), |(kind, _)| at.key(kind));
            context.error_at_key(&at, "a provider is asked in one way", help);
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
        quota: path("quota", &claims.quota),
    };
    context.need(at, "role", &claims.role, "where the caller's roles are: `role: $.roles[*]`");
    paths
}

fn jwt(context: &mut Context<'_>, at: &At, jwt: &JwtDocument, scope: &mut Scope<'_>) -> Option<JwtSettings> {
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
    let help =
        "where the keys are: `jwks: discovery`, `{ file: … }`, `{ url: … }` or `{ upstream: …, path: … }`";
    let keys = match context.need(at, "jwks", &jwt.jwks, help) {
        Some(jwks) => self::jwks(context, &at.key("jwks"), jwks, (&at.key("issuer"), &issuer), scope),
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
    written: &WordOr<JwksDocument>,
    (issuer_at, issuer): (&At, &Option<String>),
    scope: &mut Scope<'_>,
) -> Option<KeySource> {
    let by_word = JwksDocument { discovery: Some(true), ..JwksDocument::default() };
    let jwks = match written {
        WordOr::Mapping(jwks) => jwks,
        WordOr::Word(word) => {
            context.choice(at, "a place of keys", word, &[("discovery", ())])?;
            &by_word
        }
    };
    if let JwksDocument { file: Some(file), url: None, upstream: None, path: None, discovery: None, .. } =
        jwks
    {
        return key_file(context, at, jwks, file);
    }
    if jwks.file.is_some() {
        let help = "`discovery`, `{ file: … }`, `{ url: … }` or `{ upstream: …, path: … }`";
        context.error(at, "one place of keys is needed", help);
        return None;
    }
    let place = Written {
        url: &jwks.url,
        upstream: &jwks.upstream,
        path: &jwks.path,
        discovery: jwks.discovery.unwrap_or(false),
        origins: &jwks.origins,
        issuer,
    };
    let place = oidc::located(context, at, issuer_at, &place, scope);
    let default = Renewal::default();
    let refresh = context.duration(&at.key("refresh"), &jwks.refresh, default.refresh, SECOND..=MINUTE * 60);
    let least = default.expires.max(refresh * 2);
    let expires = context.duration(&at.key("expires"), &jwks.expires, least, SECOND..=MINUTE * 60 * 24);
    if expires < refresh * 2 {
        let help = "at least twice `refresh`: keys are to be renewed well before they end";
        context.error(&at.key("expires"), "keys would end before they are renewed", help);
    }
    Some(KeySource::Remote { place: place?, renewal: Renewal { refresh, expires } })
}

fn key_file(context: &mut Context<'_>, at: &At, jwks: &JwksDocument, file: &str) -> Option<KeySource> {
    let idle = [
        ("refresh", jwks.refresh.is_some()),
        ("expires", jwks.expires.is_some()),
        ("origins", jwks.origins.is_some()),
    ];
    for (field, _) in idle.into_iter().filter(|(_, written)| *written) {
        let help = "a file is read with the policy, and again when the policy is loaded again";
        context.error_at_key(&at.key(field), format!("`{field}` means nothing beside `file`"), help);
    }
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
