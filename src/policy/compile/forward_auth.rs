//! `forward_auth` → [`ForwardAuthSettings`].

use std::time::Duration;

use http::{HeaderName, HeaderValue, Method};
use serde_json::Value;

use super::{
    context::{At, Context, Names},
    identity::{cookie_name, request_path},
};
use crate::policy::{
    document::{Entries, ForwardAuthDocument, List},
    set::{ForwardAuthSettings, UpstreamId},
    suggest::listed,
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);

/// Compiles the way in which a session endpoint is asked.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    forward: &ForwardAuthDocument,
    declared: &Names,
) -> Option<ForwardAuthSettings> {
    let upstream = context
        .text(at, "upstream", &forward.upstream, "the platform whose session endpoint is asked")
        .and_then(|name| context.refer(&at.key("upstream"), declared, "upstream", "gateway.upstreams", name));
    let path = context
        .text(at, "path", &forward.path, "the session endpoint: `path: /api/auth/session/current/`")
        .and_then(|path| request_path(context, &at.key("path"), path));
    const METHODS: [Method; 4] = [Method::GET, Method::HEAD, Method::POST, Method::PUT];
    let table = METHODS.each_ref().map(|method| (method.as_str(), method));
    let method = match &forward.method {
        Some(text) => {
            context.choice(&at.key("method"), "a method for a session endpoint", text, &table).cloned()
        }
        None => Some(Method::GET),
    };
    let (cookies, headers) = credentials(context, at, forward);
    let fixed_headers = fixed_headers(context, &at.key("fixed_headers"), &forward.fixed_headers);
    let fixed_cookies = fixed_cookies(context, &at.key("fixed_cookies"), &forward.fixed_cookies);
    if let Some(body) = &forward.body {
        let at = at.key("body");
        if matches!(method, Some(Method::GET | Method::HEAD)) {
            let help = "remove the body, or write `method: POST`";
            context.error_at_key(&at, "GET and HEAD have no body", help);
        } else if serde_json::from_str::<Value>(body).is_err() {
            context.error(&at, "the body is not JSON", "write it as a text: `body: '{\"active\": true}'`");
        }
    }
    let cache = context.duration(&at.key("cache"), &forward.cache, SECOND * 5, Duration::ZERO..=MINUTE * 5);
    let cache_entries =
        context.count(&at.key("cache_entries"), forward.cache_entries, 10_000, 1..=10_000_000) as usize;
    Some(ForwardAuthSettings {
        upstream: UpstreamId(upstream? as u16),
        method: method?,
        path: path?,
        cookies,
        headers,
        fixed_headers,
        fixed_cookies,
        body: forward.body.clone(),
        cache,
        cache_entries,
    })
}

/// What of the caller's request is forwarded.
fn credentials(
    context: &mut Context<'_>,
    at: &At,
    forward: &ForwardAuthDocument,
) -> (Vec<String>, Vec<HeaderName>) {
    let found = forwarded(context, at, &forward.cookies, &forward.headers);
    let nothing = forward.cookies.as_ref().is_none_or(Vec::is_empty)
        && forward.headers.as_ref().is_none_or(Vec::is_empty);
    if nothing && !context.dropped(&at.key("cookies")) && !context.dropped(&at.key("headers")) {
        let help = "name the platform's session cookie: `cookies: [kolibri]`";
        context.error_at_key(at, "nothing of the caller would be forwarded", help);
    }
    found
}

/// Cookies and headers of the caller, by name.
pub(super) fn forwarded(
    context: &mut Context<'_>,
    at: &At,
    written_cookies: &Option<List<String>>,
    written_headers: &Option<List<String>>,
) -> (Vec<String>, Vec<HeaderName>) {
    let mut cookies = Vec::new();
    for (index, name) in written_cookies.iter().flatten().enumerate() {
        let (Some(name), at) = (name, at.key("cookies").item(index)) else { continue };
        cookie_name(context, &at, name);
        cookies.push(name.clone());
    }
    let mut headers = Vec::new();
    for (index, name) in written_headers.iter().flatten().enumerate() {
        let (Some(name), at) = (name, at.key("headers").item(index)) else { continue };
        headers.extend(header_name(context, &at, name));
    }
    (cookies, headers)
}

pub(super) fn fixed_headers(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Entries<String>>,
) -> Vec<(HeaderName, HeaderValue)> {
    let mut headers = Vec::new();
    for (name, value) in written.iter().flat_map(|entries| &entries.0) {
        let Some(value) = value else { continue };
        let at = at.key(name);
        let Some(name) = header_name(context, &at, name) else { continue };
        match HeaderValue::from_str(value) {
            Ok(value) => headers.push((name, value)),
            Err(_) => context.error(&at, "this cannot be sent in a header", "visible ASCII characters only"),
        }
    }
    headers
}

pub(super) fn fixed_cookies(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Entries<String>>,
) -> Vec<(String, String)> {
    let mut cookies = Vec::new();
    for (name, value) in written.iter().flat_map(|entries| &entries.0) {
        let Some(value) = value else { continue };
        let at = at.key(name);
        cookie_name(context, &at, name);
        if value.bytes().any(|b| b <= b' ' || b == b';' || b >= 0x7f) {
            context.error(&at, "this cannot be sent in a cookie", "no spaces, `;` or control characters");
        }
        cookies.push((name.clone(), value.clone()));
    }
    cookies
}

/// A header that may be named: not one that frames, routes or carries the message.
pub(super) fn header_name(context: &mut Context<'_>, at: &At, name: &str) -> Option<HeaderName> {
    const OWN: [&str; 11] = [
        "host",
        "cookie",
        "content-length",
        "transfer-encoding",
        "connection",
        "te",
        "trailer",
        "upgrade",
        "keep-alive",
        "expect",
        "content-encoding",
    ];
    match HeaderName::from_bytes(name.as_bytes()) {
        Ok(header) if OWN.contains(&header.as_str()) => {
            let help = format!("the gateway sets {} itself", listed(&OWN));
            context.error_at_key(at, format!("`{name}` cannot be chosen"), help);
            None
        }
        Ok(header) => Some(header),
        Err(_) => {
            let help = "letters, digits and `-`, such as `x-csrftoken`";
            context.error_at_key(at, format!("`{name}` is not a header name"), help);
            None
        }
    }
}
