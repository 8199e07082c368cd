//! `gateway.listen` → [`Listen`].

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    sync::Arc,
};

use ipnet::IpNet;

use super::{
    context::{At, Context},
    gateway::network,
};
use crate::policy::{
    document::{GatewayDocument, ListenDocument, ListenerDocument, Listeners, ProxyProtocolDocument, WordOr},
    set::{Listen, Listener},
};

/// Compiles where the gateway listens.
pub(super) fn compile(context: &mut Context<'_>, at: &At, document: &GatewayDocument) -> Option<Listen> {
    let help = "`listen: { https: \"[::]:8443\", admin: \"127.0.0.1:9090\" }`";
    let listen: &ListenDocument = context.need(at, "listen", &document.listen, help)?;
    let at = at.key("listen");
    let https_sound = context.need(&at, "https", &listen.https, help).is_some();
    let https = listeners(context, &at.key("https"), listen.https.as_ref());
    if https_sound && listen.https.as_ref().is_some_and(|written| written.items.is_empty()) {
        context.error(&at.key("https"), "there is no TLS listener", "charter article 6 promises https");
    }
    let http = listeners(context, &at.key("http"), listen.http.as_ref());
    if let Some(twice) = http.iter().find(|one| https.iter().any(|other| collide(one, other))) {
        context.error(&at.key("http"), format!("{} is a TLS listener already", twice.address), None);
    }
    let admin_text =
        context.text(&at, "admin", &listen.admin, "metrics and probes: `admin: \"127.0.0.1:9090\"`");
    let admin = admin_text.and_then(|text| address(context, &at.key("admin"), text))?;
    if https.iter().chain(&http).any(|other| collide(other, &admin.into())) {
        let help = "probes and metrics have a listener of their own, which clients cannot reach";
        context.error(&at.key("admin"), format!("{admin} is a public listener already"), help);
    }
    Some(Listen { https, http, admin, public_https_port: listen.public_https_port.unwrap_or(443) })
}

fn listeners(context: &mut Context<'_>, at: &At, written: Option<&Listeners>) -> Vec<Listener> {
    let mut list: Vec<Listener> = Vec::new();
    let Some(written) = written else { return list };
    for (index, item) in written.items.iter().enumerate() {
        let at = if written.list { at.item(index) } else { at.clone() };
        let compiled = match item {
            None => None,
            Some(WordOr::Word(text)) => address(context, &at, text).map(Listener::from),
            Some(WordOr::Mapping(entry)) => listener(context, &at, entry),
        };
        let Some(one) = compiled else { continue };
        if let Some(other) = list.iter().find(|other| collide(other, &one)) {
            if other.address == one.address {
                context.error(&at, format!("`{}` is listed twice", one.address), None);
            } else {
                let help = "`[::]` serves IPv4 too; beside a listener for that: `{ address: \"[::]:8443\", ipv6_only: true }`";
                let message = format!("`{}` and `{}` are one", one.address, other.address);
                context.error(&at, message, help);
            }
        }
        list.push(one);
    }
    list
}

fn listener(context: &mut Context<'_>, at: &At, entry: &ListenerDocument) -> Option<Listener> {
    let text = context.text(at, "address", &entry.address, "`address: \"[::]:8443\"`");
    let address = text.and_then(|text| address(context, &at.key("address"), text));
    let ipv6_only = entry.ipv6_only.unwrap_or(false);
    if ipv6_only && address.is_some_and(|address| address.is_ipv4()) {
        context.error(
            &at.key("ipv6_only"),
            "the address is one of IPv4",
            "leave it out, or listen on `[::]`",
        );
    }
    let balancers = match &entry.proxy_protocol {
        Some(written) => Some(balancers(context, &at.key("proxy_protocol"), written, address)),
        None if context.dropped(&at.key("proxy_protocol")) => return None,
        None => None,
    };
    Some(Listener { address: address?, ipv6_only, balancers })
}

/// Who may say for whom a connection is. On a loopback address that can only be this machine.
fn balancers(
    context: &mut Context<'_>,
    at: &At,
    written: &ProxyProtocolDocument,
    address: Option<SocketAddr>,
) -> Arc<[IpNet]> {
    let help = "the networks of your balancers, and of nobody else: `from: [10.0.0.0/24]`";
    let loopback = address.is_some_and(|address| address.ip().to_canonical().is_loopback());
    if written.from.is_none() && loopback {
        return [(IpAddr::from([127, 0, 0, 0]), 8), (Ipv6Addr::LOCALHOST.into(), 128)]
            .into_iter()
            .filter_map(|(address, length)| IpNet::new(address, length).ok())
            .collect();
    }
    if address.is_some() {
        context.need(at, "from", &written.from, help);
    }
    let at = at.key("from");
    if written.from.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(&at, "nobody could connect", help);
    }
    let everybody = "would let every client choose its own address";
    let items = context.items(&at, &written.from);
    items.into_iter().filter_map(|(at, text)| network(context, &at, text, everybody, help)).collect()
}

/// Whether two listeners would be one. Port 0 is whatever port is free, another one each time.
fn collide(one: &Listener, other: &Listener) -> bool {
    let (first, second) = (one.address, other.address);
    // All of IPv6 is all of IPv4 too, unless it was told otherwise.
    let covers = |wide: &Listener, narrow: SocketAddr| {
        !wide.ipv6_only && wide.address.ip() == Ipv6Addr::UNSPECIFIED && narrow.ip() == Ipv4Addr::UNSPECIFIED
    };
    first.port() != 0
        && first.port() == second.port()
        && (first == second || covers(one, second) || covers(other, first))
}

fn address(context: &mut Context<'_>, at: &At, text: &str) -> Option<SocketAddr> {
    let Ok(address) = text.parse::<SocketAddr>() else {
        let help = "an IP address with its port: `0.0.0.0:8443`, `[::]:8443`";
        context.error(at, format!("`{text}` is not an address to listen on"), help);
        return None;
    };
    if let SocketAddr::V6(v6) = address
        && v6.ip().is_unicast_link_local()
        && v6.scope_id() == 0
    {
        let help = "with the number of its interface: `[fe80::1%2]:8443`";
        context.error(at, format!("`{text}` is another address on each interface"), help);
    }
    Some(address)
}
