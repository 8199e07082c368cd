//! `gateway.relations` → [`RelationSource`]s, and the names by which identity providers mean them.

use std::time::Duration;

use http::{HeaderValue, header::AUTHORIZATION};

use super::{
    context::{At, Context, Names},
    forward_auth,
    identity::request_path,
};
use crate::policy::{
    document::{GatewayDocument, ProviderDocument, RelationsDocument},
    set::{JsonPath, RelationSource, RelationSourceId, UpstreamId},
};

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
/// What stands for the caller's identifier.
const SUBJECT: &str = "{subject}";

/// Compiles the sources; with them their names, for providers.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    document: &GatewayDocument,
    upstreams: &Names,
) -> (Vec<RelationSource>, Names) {
    let at = at.key("relations");
    let mut names = Names { list: Vec::new(), incomplete: context.dropped(&at) };
    let mut sources = Vec::new();
    for (index, entry) in document.relations.iter().flatten().enumerate().take(usize::from(u16::MAX)) {
        let (Some(entry), at) = (entry, at.item(index)) else {
            names.incomplete = true;
            continue;
        };
        let help = "a name for identity providers and metrics: `name: classes`";
        let name = context.text(&at, "name", &entry.name, help).unwrap_or_default().to_owned();
        names.incomplete |= name.is_empty();
        if !name.is_empty() {
            context.name(&at.key("name"), &name);
            if names.find(&name).is_some() {
                context.error(&at.key("name"), format!("there is a source `{name}` already"), "rename one");
            }
        }
        match source(context, &at, entry, &name, upstreams) {
            Some(source) => {
                names.list.push(name);
                sources.push(source);
            }
            None => names.incomplete = true,
        }
    }
    (sources, names)
}

fn source(
    context: &mut Context<'_>,
    at: &At,
    entry: &RelationsDocument,
    name: &str,
    upstreams: &Names,
) -> Option<RelationSource> {
    let upstream = context
        .text(at, "upstream", &entry.upstream, "the platform that lists classes or children")
        .and_then(|name| {
            context.refer(&at.key("upstream"), upstreams, "upstream", "gateway.upstreams", name)
        });
    let (cookies, headers) = forward_auth::forwarded(context, at, &entry.cookies, &entry.headers);
    let path = path(context, at, entry, cookies.is_empty() && headers.is_empty());
    let mut json_path = |field: &str, text: &Option<String>| {
        let path = context.json_path(&at.key(field), text.as_deref()?)?;
        Some(JsonPath { absolute: true, ..path })
    };
    let groups = json_path("groups", &entry.groups);
    let wards = json_path("wards", &entry.wards);
    let next = json_path("next", &entry.next);
    let silent = entry.groups.is_none() && entry.wards.is_none();
    if silent && !context.dropped(&at.key("groups")) && !context.dropped(&at.key("wards")) {
        let help = "where the answer has them: `groups: $.results[*].id`, or `wards: $.children[*].id`";
        context.error_at_key(at, "the source gives neither groups nor wards", help);
    }
    let mut fixed_headers =
        forward_auth::fixed_headers(context, &at.key("fixed_headers"), &entry.fixed_headers);
    if let Some(file) = &entry.bearer_file {
        let at = at.key("bearer_file");
        if headers.contains(&AUTHORIZATION) || fixed_headers.iter().any(|(name, _)| *name == AUTHORIZATION) {
            let help = "one of `headers`, `fixed_headers` and `bearer_file` speaks of `Authorization`";
            context.error_at_key(&at, "there would be two credentials", help);
        }
        fixed_headers.extend(bearer(context, &at, file).map(|value| (AUTHORIZATION, value)));
    }
    let fixed_cookies = forward_auth::fixed_cookies(context, &at.key("fixed_cookies"), &entry.fixed_cookies);
    let cache = context.duration(&at.key("cache"), &entry.cache, SECOND * 30, SECOND..=MINUTE * 5);
    let most = context.duration(&at.key("max_age"), &entry.max_age, MINUTE * 2, SECOND..=MINUTE * 60);
    let max_age = if entry.max_age.is_none() { most.max(cache) } else { most };
    if max_age < cache {
        context.error(
            &at.key("max_age"),
            "an answer would end before it is renewed",
            "at least as long as `cache`",
        );
    }
    Some(RelationSource {
        name: name.to_owned(),
        upstream: UpstreamId(upstream? as u16),
        path: path?,
        groups,
        wards,
        cookies,
        headers,
        fixed_headers,
        fixed_cookies,
        pages: if next.is_some() {
            context.count(&at.key("pages"), entry.pages, 10, 1..=100) as usize
        } else {
            1
        },
        next,
        cache,
        max_age,
        cache_entries: context.count(&at.key("cache_entries"), entry.cache_entries, 10_000, 1..=10_000_000)
            as usize,
    })
}

/// The parts of the path around the caller's identifier.
fn path(
    context: &mut Context<'_>,
    at: &At,
    entry: &RelationsDocument,
    anonymous: bool,
) -> Option<Vec<String>> {
    let help = "where the platform lists them: `path: \"/api/classes?teacher={subject}\"`";
    let text = context.text(at, "path", &entry.path, help)?;
    let at = at.key("path");
    request_path(context, &at, &text.replace(SUBJECT, "x"))?;
    if anonymous && !text.contains(SUBJECT) {
        let help = "say where the caller stands, `{subject}`, or forward their session: `cookies: [session]`";
        context.error(&at, "the answer would be the same for every caller", help);
    }
    Some(text.split(SUBJECT).map(str::to_owned).collect())
}

fn bearer(context: &mut Context<'_>, at: &At, file: &str) -> Option<HeaderValue> {
    let bytes = zeroize::Zeroizing::new(context.file(at, file)?);
    let token = bytes.trim_ascii();
    let sound = !token.is_empty() && token.iter().all(u8::is_ascii_graphic);
    let value = HeaderValue::from_bytes(&[b"Bearer ", token].concat()).ok().filter(|_| sound);
    match value {
        Some(mut value) => {
            value.set_sensitive(true);
            Some(value)
        }
        None => {
            context.error(
                at,
                format!("`{file}` holds no token"),
                "one token on one line, visible ASCII characters",
            );
            None
        }
    }
}

/// The sources that a provider names.
pub(super) fn named(
    context: &mut Context<'_>,
    at: &At,
    entry: &ProviderDocument,
    names: &Names,
) -> Vec<RelationSourceId> {
    let mut sources = Vec::new();
    for (at, name) in context.items(&at.key("relations"), &entry.relations) {
        let place = context.refer(&at, names, "relation source", "gateway.relations", name);
        let Some(source) = place.map(|place| RelationSourceId(place as u16)) else { continue };
        if sources.contains(&source) {
            context.error(&at, format!("`{name}` is listed twice"), None);
        }
        sources.push(source);
    }
    if !sources.is_empty() && entry.claims.as_deref().is_some_and(|claims| claims.subject.is_none()) {
        let help = "where the answer has the caller's identifier: `claims: { subject: $.sub, … }`";
        context.error_at_key(&at.key("relations"), "nobody could be asked about", help);
    }
    sources
}
