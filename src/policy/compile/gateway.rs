//! `gateway.yaml` → [`GatewaySettings`].

use std::{
    net::{IpAddr, SocketAddr},
    path::PathBuf,
    time::Duration,
};

use ipnet::{IpNet, Ipv4Net};

use super::{
    certificate, client_certificate,
    context::{At, Context, Names},
    identity, limits, listen, quotas, relations, store, ticket_keys, upstreams,
};
use crate::{
    policy::{
        document::{
            GatewayDocument, GatewayFile, JournalDocument, LimitsDocument, ResolverDocument,
            TimeoutsDocument, WordOr,
        },
        set::{AddressMode, CookieRule, GatewaySettings, Hsts, JournalSettings, JournalTarget, Listen},
    },
    secret::MasterSecret,
};

/// ASVS 3.4.1.
const YEAR: Duration = Duration::from_secs(365 * 86_400);

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
    let listen = listen::compile(context, &at, document);
    let (mut upstreams, mut upstream_names) = upstreams::compile(context, &at, &document.upstreams, cookies);
    let (relations, sources) = relations::compile(context, &at, document, &upstream_names);
    let site = identity::Site { at: &at, document, recipients, sources: &sources };
    let providers = identity::compile(context, &site, &mut upstreams, &mut upstream_names);
    let client_certificates = document.listen.as_deref().and_then(|listen| {
        let at = at.key("listen").key("client_certificates");
        client_certificate::authorities(context, &at, listen.client_certificates.as_deref()?)
    });
    let ticket_keys = match document.listen.as_deref().and_then(|listen| listen.ticket_keys.as_deref()) {
        Some(written) => ticket_keys::compile(context, &at.key("listen").key("ticket_keys"), written),
        None => Vec::new(),
    };
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
        ticket_keys,
        hsts: hsts(context, &at, document),
        trusted_proxies: trusted_proxies(context, &at, document),
        limits: limits::compile(
            context,
            &at.key("limits"),
            document.limits.as_deref().unwrap_or(&LimitsDocument::default()),
        ),
        timeouts: limits::timeouts(
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
    let network = unmapped(network);
    if network.prefix_len() == 0 {
        context.error(at, format!("`{text}` {everybody}"), instead);
    } else if network.trunc() != network {
        let help = format!("did you mean `{}`?", network.trunc());
        context.error(at, format!("`{text}` has bits behind its prefix"), help);
    }
    Some(network.trunc())
}

/// Addresses are compared in the form of their own family, whatever family the socket was of.
fn unmapped(network: IpNet) -> IpNet {
    let IpNet::V6(v6) = network else { return network };
    let bits = v6.prefix_len().checked_sub(96);
    let inner =
        v6.addr().to_ipv4_mapped().zip(bits).and_then(|(address, bits)| Ipv4Net::new(address, bits).ok());
    inner.map_or(network, IpNet::V4)
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
    context.is_private(&at.key("file"), name);
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
