//! `routes/*.yaml` → [`RoutePolicy`]s.

use std::{collections::HashMap, time::Duration};

use http::Method;

use super::{
    authentication,
    charter::CharterNames,
    context::{At, Context, Names},
    paths::{self, Claim, Claims},
    personal_data, websocket,
};
use crate::policy::{
    document::{MatchDocument, RouteDocument, RoutesFile},
    set::{
        CookieRule, HostPattern, IdentityUnavailable, PersonalData, Priority, Protocol, ProviderId,
        PurposeId, QuotaId, QuotaKey, RelaxedPaths, RouteId, RouteMatch, RoutePolicy, UpstreamId,
    },
};

const MIB: u64 = 1 << 20;
/// Most quotas of one route.
const QUOTAS_MAX: usize = 8;
const METHODS: [&str; 8] = ["GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "PROPFIND"];

/// What routes may refer to.
pub(super) struct Scope<'a> {
    pub(super) charter: &'a CharterNames,
    pub(super) upstreams: &'a Names,
    /// What they are spoken to in.
    pub(super) protocols: Vec<Protocol>,
    pub(super) providers: &'a Names,
    /// Cookies that the charter lists.
    pub(super) cookies: &'a [CookieRule],
    pub(super) quotas: &'a Names,
    /// What they count by.
    pub(super) quota_keys: Vec<&'a QuotaKey>,
}

/// Compiles every route of every file.
pub(super) fn compile(
    context: &mut Context<'_>,
    files: &[(At, RoutesFile)],
    scope: &Scope<'_>,
) -> Vec<RoutePolicy> {
    let mut routes: Vec<RoutePolicy> = Vec::new();
    let mut claims = Claims::default();
    let mut places: HashMap<String, usize> = HashMap::new();
    for (root, file) in files {
        let help = "the file holds a list: `routes: [ … ]`";
        let Some(list) = context.need(root, "routes", &file.routes, help) else { continue };
        let at = root.key("routes");
        if list.is_empty() {
            context.error(&at, "there is no route in this file", "write one, or remove the file");
        }
        for (index, entry) in list.iter().enumerate() {
            let (Some(entry), at) = (entry, at.item(index)) else { continue };
            if routes.len() > usize::from(u16::MAX) {
                context.error(&at, "there are more than 65536 routes", None);
                break;
            }
            let place = routes.len();
            let route = route(context, &at, entry, scope, place, &mut claims, &routes);
            if !route.name.is_empty() && places.insert(route.name.clone(), place).is_some() {
                let message = format!("there is a route `{}` already", route.name);
                context.error(
                    &at.key("name"),
                    message,
                    "the name stands for one route in journal and metrics",
                );
            }
            routes.push(route);
        }
    }
    authentication::check_lifts(context, files, &routes);
    for (place, template) in claims.empty_remainders(context) {
        routes[place].matches.paths.push(template);
    }
    routes
}

fn route(
    context: &mut Context<'_>,
    at: &At,
    entry: &RouteDocument,
    scope: &Scope<'_>,
    place: usize,
    claims: &mut Claims,
    before: &[RoutePolicy],
) -> RoutePolicy {
    let name = context.text(at, "name", &entry.name, "a name for the journal and metrics: `name: learners`");
    let name = name.unwrap_or_default().to_owned();
    if !name.is_empty() {
        context.name(&at.key("name"), &name);
    }
    let owner = context.text(at, "owner", &entry.owner, "the team that answers for the route");
    let owner = owner.unwrap_or_default().to_owned();
    let mut refer =
        |field: &str, value: &Option<String>, names: &Names, kind: &str, where_: &str, help: &str| {
            context
                .text(at, field, value, help)
                .and_then(|text| context.refer(&at.key(field), names, kind, where_, text))
                .unwrap_or_default()
        };
    let help = "where the requests go: a name of gateway.upstreams";
    let upstream = refer("upstream", &entry.upstream, scope.upstreams, "upstream", "gateway.upstreams", help);
    let help = "why data is processed here: a name of charter.purposes (charter, article 1)";
    let purpose =
        refer("purpose", &entry.purpose, &scope.charter.purposes, "purpose", "charter.purposes", help);

    let (personal_data, presets) =
        personal_data::compile(context, at, entry.personal_data.as_deref(), scope, &name);
    let way_back = personal_data::way_back(context, at, entry.personal_data.as_deref(), scope);
    let help = "`match: { host: ecole.example.fr, path: \"/api/{*rest}\" }`";
    let matches = match context.need(at, "match", &entry.matches, help) {
        Some(matches) => {
            let at = at.key("match");
            plain_http(context, &at, matches, &personal_data);
            let name_of =
                |other: usize| before.get(other).map_or_else(String::new, |route| route.name.clone());
            route_match(context, &at, matches, place, claims, name_of)
        }
        None => {
            RouteMatch { host: HostPattern::Any, paths: Vec::new(), methods: Vec::new(), plain_http: false }
        }
    };
    let websocket = websocket::compile(
        context,
        at,
        entry.websocket.as_ref(),
        &personal_data,
        scope.protocols.get(upstream).copied(),
    );
    let body_bytes = entry
        .body_bytes
        .as_ref()
        .map(|_| context.size(&at.key("body_bytes"), &entry.body_bytes, 0, 0..=1024 * 1024 * MIB));
    let response_timeout = entry.response_timeout.as_ref().map(|_| {
        let (least, most) = (Duration::from_millis(10), Duration::from_secs(86_400));
        context.duration(&at.key("response_timeout"), &entry.response_timeout, least, least..=most)
    });
    RoutePolicy {
        id: RouteId(place as u16),
        name,
        owner,
        matches,
        upstream: UpstreamId(upstream as u16),
        purpose: PurposeId(purpose as u8),
        identity: identity(context, at, entry, scope),
        require_identity: entry.require_identity.unwrap_or(false),
        identity_unavailable: identity_unavailable(context, &at.key("identity_unavailable"), entry),
        require_relations: entry.require_relations.unwrap_or(false),
        authentication: entry
            .authentication
            .as_deref()
            .map(|written| authentication::compile(context, &at.key("authentication"), written, scope)),
        personal_data,
        presets,
        way_back,
        quotas: quotas(context, &at.key("quotas"), entry, scope),
        priority: priority(context, &at.key("priority"), entry),
        relaxed_paths: relaxed_paths(context, &at.key("relaxed_paths"), entry),
        websocket,
        body_bytes,
        response_timeout,
    }
}

fn route_match(
    context: &mut Context<'_>,
    at: &At,
    written: &MatchDocument,
    place: usize,
    claims: &mut Claims,
    name_of: impl Fn(usize) -> String,
) -> RouteMatch {
    let help = "`host: ecole.example.fr`, `host: \"*.example.fr\"`, or `host: \"*\"` for every host";
    let host = context
        .text(at, "host", &written.host, help)
        .and_then(|text| paths::host(context, &at.key("host"), text));
    let mut methods = Vec::new();
    if written.methods.as_ref().is_some_and(Vec::is_empty) {
        context.error(&at.key("methods"), "no method is taken", "remove the line to take every method");
    }
    for (index, text) in written.methods.iter().flatten().enumerate() {
        let (Some(text), at) = (text, at.key("methods").item(index)) else { continue };
        methods.extend(method(context, &at, text, &methods));
    }
    let help = "`path: /api/users/{id}`, or a list; `{*rest}` at the end takes whatever follows";
    let path = context.need(at, "path", &written.path, help);
    if path.is_some_and(|texts| texts.items.is_empty()) {
        context.error(&at.key("path"), "the route takes no path", help);
    }
    let mut templates = Vec::new();
    for (at, template) in context.items(&at.key("path"), &written.path) {
        templates.push(template.to_owned());
        if !paths::canonical(context, &at, template) {
            continue;
        }
        if let Some(host) = &host {
            let (host, template, methods) = (host.clone(), template.to_owned(), methods.clone());
            claims.add(context, Claim { at, route: place, host, template, methods }, &name_of);
        }
    }
    RouteMatch {
        host: host.unwrap_or(HostPattern::Any),
        paths: templates,
        methods,
        plain_http: written.plain_http.unwrap_or(false),
    }
}

fn method(context: &mut Context<'_>, at: &At, text: &str, before: &[Method]) -> Option<Method> {
    let method =
        Method::from_bytes(text.as_bytes()).ok().filter(|_| text.bytes().all(|b| !b.is_ascii_lowercase()));
    let Some(method) = method else {
        let help = match METHODS.iter().find(|known| known.eq_ignore_ascii_case(text)) {
            Some(known) => format!("did you mean `{known}`?"),
            None => "methods are capital letters: `GET`, `POST`".to_owned(),
        };
        context.error(at, format!("`{text}` is not a method"), help);
        return None;
    };
    if matches!(method, Method::CONNECT | Method::TRACE) {
        context.error(at, format!("`{text}` is never let through"), "it would change what the connection is");
        return None;
    }
    if before.contains(&method) {
        context.error(at, format!("`{text}` is listed twice"), None);
        return None;
    }
    Some(method)
}

fn plain_http(context: &mut Context<'_>, at: &At, written: &MatchDocument, data: &PersonalData) {
    if written.plain_http == Some(true) && !matches!(data, PersonalData::Exempt { .. }) {
        context.error_at_key(
            &at.key("plain_http"),
            "personal data does not travel without TLS (charter 6)",
            "only a route with `personal_data: { exempt: … }` may be served in plain HTTP",
        );
    }
}

fn identity(context: &mut Context<'_>, at: &At, entry: &RouteDocument, scope: &Scope<'_>) -> Vec<ProviderId> {
    let Some(written) = &entry.identity else {
        if entry.require_identity == Some(true)
            && scope.providers.list.is_empty()
            && !scope.providers.incomplete
        {
            let help = "declare who can say who the caller is, in gateway.identity";
            context.error_at_key(&at.key("require_identity"), "nobody can identify a caller", help);
        }
        return (0..scope.providers.list.len()).map(|place| ProviderId(place as u16)).collect();
    };
    let mut providers = Vec::new();
    for (index, name) in written.iter().enumerate() {
        let (Some(name), at) = (name, at.key("identity").item(index)) else { continue };
        let place = context.refer(&at, scope.providers, "identity provider", "gateway.identity", name);
        let Some(provider) = place.map(|place| ProviderId(place as u16)) else { continue };
        if providers.contains(&provider) {
            context.error(&at, format!("`{name}` is listed twice"), None);
        }
        providers.push(provider);
    }
    if written.is_empty() && entry.require_identity == Some(true) {
        let help = "name a provider in `identity`, or remove the line to ask all of them";
        context.error_at_key(&at.key("require_identity"), "nobody is asked who the caller is", help);
    }
    providers
}

fn quotas(context: &mut Context<'_>, at: &At, entry: &RouteDocument, scope: &Scope<'_>) -> Vec<QuotaId> {
    let mut quotas = Vec::new();
    for (index, name) in entry.quotas.iter().flatten().enumerate() {
        let (Some(name), at) = (name, at.item(index)) else { continue };
        let place = context.refer(&at, scope.quotas, "quota", "gateway.quotas", name);
        let Some(quota) = place.map(|place| QuotaId(place as u8)) else { continue };
        if quotas.contains(&quota) {
            context.error(&at, format!("`{name}` is listed twice"), None);
        }
        quotas.push(quota);
    }
    let counts = |wanted: fn(&QuotaKey) -> bool| {
        quotas.iter().any(|id| scope.quota_keys.get(usize::from(id.0)).is_some_and(|key| wanted(key)))
    };
    if counts(|key| matches!(key, QuotaKey::Header(_))) && !counts(|key| *key == QuotaKey::Address) {
        let help = "name a quota by `address` beside it";
        context.finding(at, "whoever makes up another value of the header has another counter", help);
    }
    if quotas.len() > QUOTAS_MAX {
        context.error(at, "there are more than eight quotas", "each of them is asked for every request");
    }
    quotas
}

fn identity_unavailable(context: &mut Context<'_>, at: &At, entry: &RouteDocument) -> IdentityUnavailable {
    let required = entry.require_identity == Some(true);
    let default = if required { IdentityUnavailable::Refuse } else { IdentityUnavailable::Anonymous };
    let Some(text) = &entry.identity_unavailable else { return default };
    let table = [("anonymous", IdentityUnavailable::Anonymous), ("refuse", IdentityUnavailable::Refuse)];
    let chosen = context.choice(at, "an answer to a source that is away", text, &table);
    if required && chosen == Some(IdentityUnavailable::Anonymous) {
        let help = "remove the line: who requires an identity answers 503 while none can be had";
        context.error_at_key(at, "`require_identity` lets nobody in as anonymous", help);
    }
    chosen.unwrap_or(default)
}

fn priority(context: &mut Context<'_>, at: &At, entry: &RouteDocument) -> Priority {
    let default = if entry.authentication.is_some() { Priority::Critical } else { Priority::Normal };
    let Some(text) = &entry.priority else { return default };
    let table = [("critical", Priority::Critical), ("normal", Priority::Normal)];
    context.choice(at, "a priority", text, &table).unwrap_or(default)
}

fn relaxed_paths(context: &mut Context<'_>, at: &At, entry: &RouteDocument) -> RelaxedPaths {
    let table = [("encoded_slash", 0), ("backslash", 1), ("empty_segment", 2), ("path_parameters", 3)];
    let mut relaxed = RelaxedPaths::default();
    for (index, text) in entry.relaxed_paths.iter().flatten().enumerate() {
        let (Some(text), at) = (text, at.item(index)) else { continue };
        match context.choice(&at, "an ambiguity of paths", text, &table) {
            Some(0) => relaxed.encoded_slash = true,
            Some(1) => relaxed.backslash = true,
            Some(2) => relaxed.empty_segment = true,
            Some(_) => relaxed.path_parameters = true,
            None => {}
        }
    }
    relaxed
}
