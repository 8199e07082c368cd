//! Places that the gateway asks itself: written ones, and those that an issuer's description tells.

use http::HeaderValue;

use super::{
    context::{At, Context, Names},
    identity::request_path,
    upstreams,
};
use crate::policy::{
    document::List,
    set::{Discovery, Endpoint, HostHeader, Located, Origin, Place, Upstream, UpstreamId, UpstreamTls},
};

/// Where OpenID Connect Discovery 1.0 §4 puts a description, behind the issuer.
const WELL_KNOWN: &str = "/.well-known/openid-configuration";
/// Identity providers answer at once, or not at all.
const RESPONSE: std::time::Duration = std::time::Duration::from_secs(10);
/// Below the shortest keep-alive that is usual (5 s).
const IDLE: std::time::Duration = std::time::Duration::from_secs(4);

/// A place as a section writes it.
pub(super) struct Written<'d> {
    pub(super) url: &'d Option<String>,
    pub(super) upstream: &'d Option<String>,
    pub(super) path: &'d Option<String>,
    pub(super) discovery: bool,
    pub(super) origins: &'d Option<List<String>>,
    pub(super) issuer: &'d Option<String>,
}

/// Where places are compiled: upstreams may be added for origins.
pub(super) struct Scope<'a> {
    /// The provider's name; upstreams of its own are called after it.
    pub(super) provider: &'a str,
    /// What is asked for there: the other half of those names.
    pub(super) what: &'a str,
    pub(super) upstreams: &'a mut Vec<Upstream>,
    /// The upstreams that the file declares.
    pub(super) declared: &'a Names,
}

/// Compiles a place; `issuer_at` is where the issuer stands.
pub(super) fn located(
    context: &mut Context<'_>,
    at: &At,
    issuer_at: &At,
    written: &Written<'_>,
    scope: &mut Scope<'_>,
) -> Option<Located> {
    if !written.discovery && written.origins.is_some() {
        let help = "only a description (`discovery: true`) points to other places";
        context.error_at_key(&at.key("origins"), "`origins` means nothing here", help);
    }
    match (written.discovery, written.url, written.upstream, written.path) {
        (true, None, upstream, None) => {
            discovery(context, at, issuer_at, upstream, written, scope).map(Located::Discovered)
        }
        (false, Some(url), None, None) => remote(context, &at.key("url"), url, scope).map(Located::Fixed),
        (false, None, Some(upstream), Some(path)) => {
            let upstream =
                context.refer(&at.key("upstream"), scope.declared, "upstream", "gateway.upstreams", upstream);
            let path = request_path(context, &at.key("path"), path);
            let host = written.issuer.as_deref().and_then(upstreams::origin);
            let host = host.and_then(|(tls, endpoint, _)| authority(tls, &endpoint));
            Some(Located::Fixed(Place { upstream: UpstreamId(upstream? as u16), path: path?, host }))
        }
        _ => {
            let fields = ["file", "url", "upstream", "path", "discovery"];
            if !fields.iter().any(|field| context.dropped(&at.key(field))) {
                let help = "`{ discovery: true }`, `{ url: … }` or `{ upstream: …, path: … }`";
                context.error(at, format!("one place of {} is needed", scope.what), help);
            }
            None
        }
    }
}

/// An address: an upstream is added for its origin.
fn remote(context: &mut Context<'_>, at: &At, url: &str, scope: &mut Scope<'_>) -> Option<Place> {
    let Some((tls, endpoint, path)) = upstreams::origin(url).filter(|(_, _, path)| path.starts_with('/'))
    else {
        let help = "an address such as `https://idp.example.fr/realms/school/keys`";
        context.secret_error(at, format!("this address of {} is not understood", scope.what), help);
        return None;
    };
    if !tls {
        plain(context, at, scope.what);
    }
    let path = request_path(context, at, path)?;
    Some(Place { upstream: add(scope, tls, endpoint), path, host: None })
}

fn plain(context: &mut Context<'_>, at: &At, what: &str) {
    let help = "who can change the answer on its way can be anybody: use `https://`";
    context.finding(at, format!("the {what} are fetched without encryption"), help);
}

/// The issuer's description: asked of `upstream`, or of the issuer itself.
fn discovery(
    context: &mut Context<'_>,
    at: &At,
    issuer_at: &At,
    upstream: &Option<String>,
    written: &Written<'_>,
    scope: &mut Scope<'_>,
) -> Option<Discovery> {
    let named = match upstream {
        Some(name) => {
            Some(context.refer(&at.key("upstream"), scope.declared, "upstream", "gateway.upstreams", name)?)
        }
        None => None,
    };
    let issuer = written.issuer.as_deref()?;
    // Discovery 1.0 §3: an address without query and fragment.
    let sound = upstreams::origin(issuer).filter(|(_, _, path)| !path.contains(['?', '#']));
    let Some((tls, endpoint, path)) = sound else {
        let help =
            "an address such as `https://idp.example.fr/realms/school`, exactly as tokens have it in `iss`";
        context.secret_error(issuer_at, "an issuer that describes itself is an address", help);
        return None;
    };
    if !tls {
        plain(context, issuer_at, scope.what);
    }
    let path = format!("{}{WELL_KNOWN}", path.strip_suffix('/').unwrap_or(path));
    let path = request_path(context, issuer_at, &path)?;
    let mut origins = Vec::new();
    // What the policy says of an origin comes first: `upstream`, then upstreams that have it as an endpoint.
    if let Some(place) = named {
        origins.push(origin(tls, &endpoint, UpstreamId(place as u16)));
    }
    for (place, upstream) in scope.upstreams.iter().enumerate().take(scope.declared.list.len()) {
        let place = UpstreamId(place as u16);
        origins.extend(upstream.endpoints.iter().map(|one| origin(upstream.tls.is_some(), one, place)));
    }
    let mut asked = vec![(tls, endpoint.clone())];
    for (index, text) in written.origins.iter().flatten().enumerate() {
        let (Some(text), at) = (text, at.key("origins").item(index)) else { continue };
        match upstreams::origin(text) {
            Some((true, endpoint, "" | "/")) => asked.push((true, endpoint)),
            Some((false, ..)) => {
                let help = "who can change the answer on its way can be anybody; declare an upstream for a network of your own";
                context.secret_error(&at, "an origin is `https://`", help);
            }
            _ => {
                let help = "`https://host`, or `https://host:port`, without path";
                context.secret_error(&at, "this is not an origin", help);
            }
        }
    }
    for (tls, endpoint) in asked {
        if !origins.iter().any(|one| is_at(one, tls, &endpoint)) {
            let upstream = add(scope, tls, endpoint.clone());
            origins.push(origin(tls, &endpoint, upstream));
        }
    }
    let upstream = origins.iter().find(|one| is_at(one, tls, &endpoint))?.upstream;
    let document = Place { upstream, path, host: authority(tls, &endpoint) };
    Some(Discovery { document, issuer: issuer.to_owned(), origins })
}

fn origin(tls: bool, endpoint: &Endpoint, upstream: UpstreamId) -> Origin {
    Origin { tls, host: endpoint.host.to_ascii_lowercase(), port: endpoint.port, upstream }
}

fn is_at(origin: &Origin, tls: bool, endpoint: &Endpoint) -> bool {
    origin.tls == tls && origin.host == endpoint.host && origin.port == endpoint.port
}

/// The `Host` of an origin.
fn authority(tls: bool, endpoint: &Endpoint) -> Option<HeaderValue> {
    let host = match endpoint.host.contains(':') {
        true => format!("[{}]", endpoint.host),
        false => endpoint.host.clone(),
    };
    let default = if tls { 443 } else { 80 };
    let text = if endpoint.port == default { host } else { format!("{host}:{}", endpoint.port) };
    HeaderValue::try_from(text).ok()
}

/// An upstream for an origin that the file does not declare.
fn add(scope: &mut Scope<'_>, tls: bool, endpoint: Endpoint) -> UpstreamId {
    let of_its_own = scope.upstreams.len() - scope.declared.list.len().min(scope.upstreams.len());
    let mut name = format!("{}.{}", scope.provider, scope.what);
    if scope.upstreams.iter().any(|other| other.name == name) {
        name = format!("{name}.{of_its_own}");
    }
    let tls = tls.then_some(UpstreamTls { ca: None, server_name: None, client: None });
    let mut upstream = upstreams::public(&name, vec![endpoint], tls);
    upstream.host = HostHeader::Endpoint;
    upstream.response_timeout = RESPONSE;
    upstream.idle_timeout = IDLE;
    scope.upstreams.push(upstream);
    UpstreamId((scope.upstreams.len() - 1) as u16)
}
