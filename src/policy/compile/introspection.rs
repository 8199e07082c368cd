//! `introspection` → [`IntrospectionSettings`].

use std::time::Duration;

use super::{
    context::{At, Context},
    identity::cookie_name,
    oidc::{self, Scope, Written},
};
use crate::{
    policy::{
        document::{ClientDocument, IntrospectionDocument},
        set::{ClientAuthentication, IntrospectionSettings, TokenSource},
    },
    secret::Sensitive,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// A way to prove who asks.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Method {
    Basic,
    Post,
    Bearer,
}

/// Compiles the way in which tokens are introspected.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: &IntrospectionDocument,
    scope: &mut Scope<'_>,
) -> Option<IntrospectionSettings> {
    let discovery = written.discovery.unwrap_or(false);
    let help = "the issuer as its description states it, such as `https://idp.example.fr/realms/school`";
    let issuer = match (&written.issuer, discovery) {
        (None, false) => None,
        (issuer, _) => context.text(at, "issuer", issuer, help).map(str::to_owned),
    };
    let place = Written {
        url: &written.url,
        upstream: &written.upstream,
        path: &written.path,
        discovery,
        origins: &written.origins,
        issuer: &issuer,
    };
    let endpoint = oidc::located(context, at, &at.key("issuer"), &place, scope);
    let help = "as whom the gateway asks: `client: { id: rempart, secret_file: … }`";
    let client = context.need(at, "client", &written.client, help);
    let client = client.and_then(|client| self::client(context, &at.key("client"), client));
    let audience = audience(context, at, written);
    let token = match &written.cookie {
        Some(cookie) => {
            cookie_name(context, &at.key("cookie"), cookie);
            TokenSource::Cookie(cookie.clone())
        }
        None => TokenSource::Authorization,
    };
    let skew = context.duration(&at.key("skew"), &written.skew, SECOND * 30, Duration::ZERO..=MINUTE * 5);
    let cache = context.duration(&at.key("cache"), &written.cache, SECOND * 30, Duration::ZERO..=MINUTE * 5);
    let cache_entries =
        context.count(&at.key("cache_entries"), written.cache_entries, 10_000, 1..=10_000_000) as usize;
    Some(IntrospectionSettings {
        endpoint: endpoint?,
        client: client?,
        token,
        issuer,
        audience,
        skew,
        cache,
        cache_entries,
    })
}

fn audience(context: &mut Context<'_>, at: &At, written: &IntrospectionDocument) -> Vec<String> {
    let help = "the accepted `aud` of answers: without it a token made for another service will do";
    if written.audience.as_ref().is_none_or(|texts| texts.items.is_empty())
        && !context.dropped(&at.key("audience"))
    {
        match written.audience {
            Some(_) => context.error(&at.key("audience"), "there is no audience", help),
            None => context.finding(at, "tokens for any audience are accepted", help),
        }
    }
    let mut audience = Vec::new();
    for (at, text) in context.items(&at.key("audience"), &written.audience) {
        if text.is_empty() {
            context.error(&at, "an audience is empty", help);
        }
        audience.push(text.to_owned());
    }
    audience
}

fn client(context: &mut Context<'_>, at: &At, written: &ClientDocument) -> Option<ClientAuthentication> {
    let table = [
        ("basic", Method::Basic),
        ("post", Method::Post),
        ("bearer", Method::Bearer),
        ("client_secret_basic", Method::Basic),
        ("client_secret_post", Method::Post),
    ];
    let method = match &written.method {
        Some(text) => context.choice(&at.key("method"), "a way to prove who asks", text, &table),
        None => Some(Method::Basic),
    };
    let help = "the gateway's `client_id` at the identity provider";
    let id = match (method, &written.id) {
        (Some(Method::Bearer), None) => None,
        (Some(Method::Bearer), Some(_)) => {
            context.error_at_key(&at.key("id"), "a bearer token has no `id` beside it", "remove the line");
            None
        }
        (_, id) => context.text(at, "id", id, help).map(str::to_owned),
    };
    let help = "a file that holds the secret and nothing else";
    let file = context.text(at, "secret_file", &written.secret_file, help)?;
    let at = at.key("secret_file");
    // In a check without the file there is nothing to hold against the provider.
    let secret = match context.file(&at, file) {
        Some(bytes) => secret(context, &at, file, &bytes)?,
        None => Sensitive::default(),
    };
    Some(match method? {
        Method::Basic => ClientAuthentication::Basic { id: id?, secret },
        Method::Post => ClientAuthentication::Post { id: id?, secret },
        Method::Bearer => ClientAuthentication::Bearer(secret),
    })
}

/// The secret, without the line feed that editors add.
fn secret(context: &mut Context<'_>, at: &At, file: &str, bytes: &[u8]) -> Option<Sensitive<String>> {
    let text = std::str::from_utf8(bytes).ok().map(|text| text.trim_end_matches(['\r', '\n']));
    let sound =
        text.filter(|text| !text.is_empty() && text.len() <= 4096 && !text.chars().any(char::is_control));
    if sound.is_none() {
        context.error(at, format!("`{file}` holds no secret"), "one line of text, up to 4096 bytes");
    }
    sound.map(|text| Sensitive::new(text.to_owned()))
}
