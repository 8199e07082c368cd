//! `gateway.yaml` → [`GatewaySettings`].

use std::{
    net::{IpAddr, SocketAddr},
    ops::RangeInclusive,
    path::PathBuf,
    time::Duration,
};

use ipnet::IpNet;

use super::{
    certificate, client_certificate,
    context::{At, Context, Names},
    identity, quotas, relations, store, upstreams,
};
use crate::{
    policy::{
        document::{
            Amount, GatewayDocument, GatewayFile, JournalDocument, LimitsDocument, ListenDocument,
            ResolverDocument, TimeoutsDocument, WordOr,
        },
        set::{
            AddressMode, ClientLimits, CookieRule, GatewaySettings, Hsts, JournalSettings, JournalTarget,
            Listen, Timeouts,
        },
    },
    secret::MasterSecret,
};

/// ASVS 3.4.1.
const YEAR: Duration = Duration::from_secs(365 * 86_400);
const MILLISECOND: Duration = Duration::from_millis(1);
const HOUR: Duration = Duration::from_secs(3600);

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
const GIB: u64 = 1 << 30;

/// What routes may refer to.
pub(super) struct GatewayNames {
    pub(super) upstreams: Names,
    pub(super) providers: Names,
    pub(super) quotas: Names,
}

/// Compiles the settings; with them the names, for routes.
pub(super) fn compile(
    context: &mut Context<'_>,
    file: Option<&(At, GatewayFile)>,
    recipients: &Names,
    cookies: Option<&[CookieRule]>,
) -> (Option<GatewaySettings>, GatewayNames) {
    let unknown = || {
        let names = || Names { list: Vec::new(), incomplete: true };
        GatewayNames { upstreams: names(), providers: names(), quotas: names() }
    };
    let Some((root, file)) = file else { return (None, unknown()) };
    let Some(document) = context.need(root, "gateway", &file.gateway, "the file starts with `gateway:`")
    else {
        return (None, unknown());
    };
    let at = root.key("gateway");
    let listen = listen(context, &at, document);
    let (mut upstreams, mut upstream_names) = upstreams::compile(context, &at, &document.upstreams, cookies);
    let (relations, sources) = relations::compile(context, &at, document, &upstream_names);
    let site = identity::Site { at: &at, document, recipients, sources: &sources };
    let providers = identity::compile(context, &site, &mut upstreams, &mut upstream_names);
    let client_certificates = document.listen.as_deref().and_then(|listen| {
        let at = at.key("listen").key("client_certificates");
        client_certificate::authorities(context, &at, listen.client_certificates.as_deref()?)
    });
    let provider_names = Names {
        list: providers.iter().map(|provider| provider.name.clone()).collect(),
        incomplete: context.dropped(&at.key("identity"))
            || document.identity.iter().flatten().any(|p| p.as_ref().is_none_or(|p| p.name.is_none())),
    };
    let workers =
        document.workers.map(|workers| context.within(&at.key("workers"), workers as u64, 1..=1024) as usize);
    let quotas = quotas::compile(context, &at, &document.quotas, &providers);
    let quota_names = Names {
        list: quotas.iter().map(|quota| quota.name.clone()).collect(),
        incomplete: context.dropped(&at.key("quotas")),
    };
    let settings = GatewaySettings {
        workers,
        certificates: certificate::compile(context, &at, document),
        client_certificates,
        hsts: hsts(context, &at, document),
        trusted_proxies: trusted_proxies(context, &at, document),
        limits: limits(
            context,
            &at.key("limits"),
            document.limits.as_deref().unwrap_or(&LimitsDocument::default()),
        ),
        timeouts: timeouts(
            context,
            &at.key("timeouts"),
            document.timeouts.as_deref().unwrap_or(&TimeoutsDocument::default()),
        ),
        providers,
        relations,
        store: store::compile(context, &at.key("store"), document.store.as_ref()),
        quotas,
        secret: secret(context, &at, document),
        journal: journal(context, &at.key("journal"), document.journal.as_deref()),
        upstreams,
        resolver: resolver(context, &at.key("resolver"), document.resolver.as_deref()),
        listen: listen.unwrap_or_else(|| Listen {
            https: Vec::new(),
            http: Vec::new(),
            admin: SocketAddr::from(([127, 0, 0, 1], 0)),
            public_https_port: 443,
        }),
    };
    let names = GatewayNames { upstreams: upstream_names, providers: provider_names, quotas: quota_names };
    (Some(settings), names)
}

fn listen(context: &mut Context<'_>, at: &At, document: &GatewayDocument) -> Option<Listen> {
    let help = "`listen: { https: \"[::]:8443\", admin: \"127.0.0.1:9090\" }`";
    let listen: &ListenDocument = context.need(at, "listen", &document.listen, help)?;
    let at = at.key("listen");
    let addresses = |context: &mut Context<'_>, field: &str, texts| {
        let at = at.key(field);
        let mut list: Vec<SocketAddr> = Vec::new();
        for (at, text) in context.items(&at, texts) {
            if let Some(address) = address(context, &at, text) {
                if list.iter().any(|other| collide(*other, address)) {
                    context.error(&at, format!("`{text}` is listed twice"), None);
                }
                list.push(address);
            }
        }
        list
    };
    let https_sound = context.need(&at, "https", &listen.https, help).is_some();
    let https = addresses(context, "https", &listen.https);
    if https_sound && listen.https.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(&at.key("https"), "there is no TLS listener", "charter article 6 promises https");
    }
    let http = addresses(context, "http", &listen.http);
    if let Some(twice) = http.iter().find(|one| https.iter().any(|other| collide(**one, *other))) {
        context.error(&at.key("http"), format!("{twice} is a TLS listener already"), None);
    }
    let admin_text =
        context.text(&at, "admin", &listen.admin, "metrics and probes: `admin: \"127.0.0.1:9090\"`");
    let admin = admin_text.and_then(|text| address(context, &at.key("admin"), text))?;
    if https.iter().chain(&http).any(|other| collide(*other, admin)) {
        let help = "probes and metrics have a listener of their own, which clients cannot reach";
        context.error(&at.key("admin"), format!("{admin} is a public listener already"), help);
    }
    Some(Listen { https, http, admin, public_https_port: listen.public_https_port.unwrap_or(443) })
}

/// Whether two listeners would be one. Port 0 is whatever port is free, another one each time.
fn collide(one: SocketAddr, other: SocketAddr) -> bool {
    one == other && one.port() != 0
}

fn address(context: &mut Context<'_>, at: &At, text: &str) -> Option<SocketAddr> {
    let address = text.parse().ok();
    if address.is_none() {
        let help = "an IP address with its port: `0.0.0.0:8443`, `[::]:8443`";
        context.error(at, format!("`{text}` is not an address to listen on"), help);
    }
    address
}

fn hsts(context: &mut Context<'_>, at: &At, document: &GatewayDocument) -> Hsts {
    let Some(hsts) = &document.hsts else { return Hsts { max_age: YEAR, include_subdomains: true } };
    let at = at.key("hsts").key("max_age");
    let max_age = context.duration(&at, &hsts.max_age, YEAR, Duration::ZERO..=YEAR * 10);
    if max_age < YEAR && max_age != Duration::ZERO {
        context.error(
            &at,
            "HSTS under a year protects nobody who comes back after the holidays",
            "at least `365 days` (ASVS 3.4.1), or `0 s` to lift the rule in the browsers that know it",
        );
    }
    Hsts { max_age, include_subdomains: hsts.include_subdomains.unwrap_or(true) }
}

fn trusted_proxies(context: &mut Context<'_>, at: &At, document: &GatewayDocument) -> Vec<IpNet> {
    let at = at.key("trusted_proxies");
    let mut networks: Vec<IpNet> = Vec::new();
    for (index, text) in document.trusted_proxies.iter().flatten().enumerate() {
        let (Some(text), at) = (text, at.item(index)) else { continue };
        let everybody = "would believe every client";
        let help = "name the networks of your own proxies; everybody else could then invent a client address";
        networks.extend(network(context, &at, text, everybody, help));
    }
    networks
}

/// A network, or one address; all of them are none.
pub(super) fn network(
    context: &mut Context<'_>,
    at: &At,
    text: &str,
    everybody: &str,
    instead: &str,
) -> Option<IpNet> {
    let Some(network) = text.parse::<IpNet>().ok().or_else(|| text.parse::<IpAddr>().ok().map(IpNet::from))
    else {
        let help = "a network such as `10.0.0.0/8` or `fd00::/8`, or one address";
        context.error(at, format!("`{text}` is not a network"), help);
        return None;
    };
    if network.prefix_len() == 0 {
        context.error(at, format!("`{text}` {everybody}"), instead);
    } else if network.trunc() != network {
        let help = format!("did you mean `{}`?", network.trunc());
        context.error(at, format!("`{text}` has bits behind its prefix"), help);
    }
    Some(network.trunc())
}

fn limits(context: &mut Context<'_>, at: &At, written: &LimitsDocument) -> ClientLimits {
    let mut size = |field: &str, value: &Option<Amount>, default, bounds: RangeInclusive<u64>| {
        context.size(&at.key(field), value, default, bounds)
    };
    let header_bytes = size("header_bytes", &written.header_bytes, 32 * KIB, KIB..=MIB) as usize;
    let uri_bytes = size("uri_bytes", &written.uri_bytes, 8 * KIB, 256..=64 * KIB) as usize;
    let body_bytes = size("body_bytes", &written.body_bytes, 16 * MIB, 0..=1024 * GIB);
    let decoded_bytes = size("decoded_bytes", &written.decoded_bytes, GIB, MIB..=1024 * GIB);
    let mut count =
        |field: &str, value, default, bounds| context.count(&at.key(field), value, default, bounds);
    ClientLimits {
        header_count: count("header_count", written.header_count, 100, 10..=1000) as usize,
        header_bytes,
        uri_bytes,
        body_bytes,
        connections: count("connections", written.connections, 10_000, 1..=10_000_000) as usize,
        exchanges: count("exchanges", written.exchanges, 4096, 1..=1_000_000) as usize,
        h2_streams: count("h2_streams", written.h2_streams, 100, 1..=10_000) as u32,
        decoded_bytes,
    }
}

fn timeouts(context: &mut Context<'_>, at: &At, written: &TimeoutsDocument) -> Timeouts {
    let mut one = |field: &str, value: &Option<Amount>, seconds, least| {
        context.duration(&at.key(field), value, Duration::from_secs(seconds), least..=HOUR)
    };
    Timeouts {
        handshake: one("handshake", &written.handshake, 10, MILLISECOND * 100),
        headers: one("headers", &written.headers, 10, MILLISECOND * 100),
        idle: one("idle", &written.idle, 75, MILLISECOND * 100),
        body: one("body", &written.body, 30, MILLISECOND * 100),
        drain: one("drain", &written.drain, 30, Duration::ZERO),
        drain_delay: one("drain_delay", &written.drain_delay, 0, Duration::ZERO),
    }
}

/// Who is asked for the addresses of names; nobody for those of the system.
fn resolver(context: &mut Context<'_>, at: &At, written: Option<&ResolverDocument>) -> Vec<SocketAddr> {
    const DNS: u16 = 53;
    let Some(written) = written else { return Vec::new() };
    let help = "`resolver: { servers: 10.96.0.10 }`, with a port if it is not 53; without `resolver` the system says who";
    context.need(at, "servers", &written.servers, help);
    let mut servers = Vec::new();
    for (at, text) in context.items(&at.key("servers"), &written.servers) {
        let address = text.parse().ok().or_else(|| Some(SocketAddr::new(text.parse::<IpAddr>().ok()?, DNS)));
        match address {
            Some(address) if address.port() != 0 => servers.push(address),
            _ => context.error(&at, format!("`{text}` is not the address of a server"), help),
        }
    }
    if written.servers.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(&at.key("servers"), "there is no server", help);
    }
    servers
}

fn secret(context: &mut Context<'_>, at: &At, document: &GatewayDocument) -> Option<MasterSecret> {
    let Some(secret) = &document.secret else {
        if !context.dropped(&at.key("secret")) {
            context.finding(
                at,
                "there is no `secret`: pseudonyms and shared counters change at every start",
                "`secret: { file: … }`, a file of 32 random bytes or more that every replica has",
            );
        }
        return None;
    };
    let at = at.key("secret");
    let help = "a file of 32 random bytes or more, such as `head -c 32 /dev/urandom | base64` makes";
    let name = context.text(&at, "file", &secret.file, help)?;
    let bytes = context.file(&at.key("file"), name)?;
    match MasterSecret::from_bytes(&bytes) {
        Ok(secret) => Some(secret),
        Err(error) => {
            context.error(&at.key("file"), error.to_string(), help);
            None
        }
    }
}

fn journal(context: &mut Context<'_>, at: &At, written: Option<&JournalDocument>) -> JournalSettings {
    const QUEUE: u64 = 8192;
    let mut settings =
        JournalSettings { to: JournalTarget::Stdout, queue: QUEUE as usize, address: AddressMode::Pseudonym };
    let Some(written) = written else { return settings };
    match &written.to {
        None => {}
        Some(WordOr::Word(word)) if word == "stdout" => {}
        Some(WordOr::Word(word)) => {
            let help = "`stdout`, or `{ file: … }`";
            context.error(&at.key("to"), format!("`{word}` is not a place for the journal"), help);
        }
        Some(WordOr::Mapping(target)) => {
            let file =
                context.text(&at.key("to"), "file", &target.file, "`to: { file: /var/log/rempart/access }`");
            if let Some(file) = file {
                if !file.starts_with('/') {
                    let help = "an absolute name: the policy folder is no place for a journal";
                    context.error(&at.key("to").key("file"), format!("`{file}` is relative"), help);
                }
                settings.to = JournalTarget::File(PathBuf::from(file));
            }
        }
    }
    settings.queue = context.count(&at.key("queue"), written.queue, QUEUE, 16..=1_000_000) as usize;
    if let Some(text) = &written.address {
        let table = [("pseudonym", AddressMode::Pseudonym), ("prefix", AddressMode::Prefix)];
        if let Some(mode) = context.choice(&at.key("address"), "a way to write addresses", text, &table) {
            settings.address = mode;
        }
    }
    settings
}
