//! `gateway.store` → [`Store`].

use std::time::Duration;

use redis::{ConnectionAddr, IntoConnectionInfo as _};
use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    sign::CertifiedKey,
};

use super::{
    context::{At, Context},
    upstreams,
};
use crate::{
    policy::{
        document::{RedisDocument, RedisTlsDocument, SentinelDocument, StoreDocument, Texts, WordOr},
        set::{Endpoint, RedisServers, RedisSettings, RedisTls, Store},
    },
    secret::Sensitive,
};

const ADDRESS: &str = "an address such as `redis://redis:6379/0`, or `rediss://…` for TLS; with a password, keep it in a \
                       file: `url_file: …`";
const PLACES: &str =
    "`url: …` or `url_file: …` for one server, `sentinel: { master: …, nodes: […] }`, or `cluster: […]`";

/// Compiles the store.
pub(super) fn compile(context: &mut Context<'_>, at: &At, written: Option<&WordOr<StoreDocument>>) -> Store {
    let redis = match written {
        None => return Store::Memory,
        Some(WordOr::Word(word)) => {
            if word != "memory" {
                context.error(at, format!("`{word}` is not a store"), "`memory`, or `{ redis: { … } }`");
            }
            return Store::Memory;
        }
        Some(WordOr::Mapping(store)) => &store.redis,
    };
    let Some(redis) =
        context.need(at, "redis", redis, "`store: { redis: { url: …, replicas: 2 } }`, or `memory`")
    else {
        return Store::Memory;
    };
    let at = at.key("redis");
    let servers = servers(context, &at, redis);
    let (least, most) = (Duration::from_millis(1), Duration::from_secs(5));
    let timeout =
        context.duration(&at.key("timeout"), &redis.timeout, Duration::from_millis(50), least..=most);
    let help = "how many replicas share the store: each takes its part of the limits while the store is away";
    let replicas = match context.need(&at, "replicas", &redis.replicas, help) {
        Some(&replicas) => context.within(&at.key("replicas"), replicas.into(), 1..=10_000) as u32,
        None => 1,
    };
    let password = password(context, &at, &redis.password_file);
    if redis.user.is_some() && redis.password_file.is_none() {
        context.error_at_key(&at.key("user"), "`user` has no password", "`password_file: …`");
    }
    let tls = redis.tls.as_deref().map(|written| tls(context, &at.key("tls"), written));
    let (Some(servers), true) = (servers, redis.replicas.is_some()) else { return Store::Memory };
    if let RedisServers::One(url) = &servers
        && let Ok(info) = url.expose().as_str().into_connection_info()
    {
        if tls.is_some() && !matches!(info.addr(), ConnectionAddr::TcpTls { .. }) {
            let help = "write the address with `rediss://`, or remove `tls`";
            context.error_at_key(&at.key("tls"), "`tls` is set, but the address is not `rediss://`", help);
        }
        let settings = info.redis_settings();
        if password.is_some() && (settings.password().is_some() || settings.username().is_some()) {
            let help = "keep user and password in one place";
            context.error_at_key(&at.key("password_file"), "the address holds a credential already", help);
        }
    }
    let user = redis.user.clone();
    Store::Redis(Box::new(RedisSettings { servers, user, password, tls, timeout, replicas }))
}

/// The one place that is named.
fn servers(context: &mut Context<'_>, at: &At, redis: &RedisDocument) -> Option<RedisServers> {
    let named = [
        ("url", redis.url.is_some()),
        ("url_file", redis.url_file.is_some()),
        ("sentinel", redis.sentinel.is_some()),
        ("cluster", redis.cluster.is_some()),
    ];
    let mut present = named.iter().filter(|(_, there)| *there).map(|(key, _)| *key);
    let (first, second) = (present.next(), present.next());
    if let (Some(first), Some(second)) = (first, second) {
        context.error_at_key(&at.key(second), format!("`{first}` and `{second}` exclude each other"), PLACES);
        return None;
    }
    let Some(place) = first else {
        if !named.iter().any(|(key, _)| context.dropped(&at.key(key))) {
            context.error_at_key(at, "`url` is missing", PLACES);
        }
        return None;
    };
    let inside = at.key(place);
    if let Some(url) = &redis.url {
        if url.contains('@') {
            // Not shown: whatever stands before the `@` is a credential.
            let message = "a password does not belong into a policy file";
            context.secret_error(&inside, message, "keep the whole address in a file: `url_file: …`");
            return None;
        }
        sound_url(context, &inside, url).map(RedisServers::One)
    } else if let Some(file) = &redis.url_file {
        let bytes = context.file(&inside, file)?;
        let Ok(url) = std::str::from_utf8(&bytes) else {
            context.error(&inside, format!("`{file}` is not text"), ADDRESS);
            return None;
        };
        sound_url(context, &inside, url.trim()).map(RedisServers::One)
    } else if let Some(sentinel) = &redis.sentinel {
        sentinels(context, &inside, sentinel)
    } else {
        nodes(context, &inside, &redis.cluster, "`cluster: [redis-0:6379, redis-1:6379]`")
            .map(RedisServers::Cluster)
    }
}

fn sound_url(context: &mut Context<'_>, at: &At, url: &str) -> Option<Sensitive<String>> {
    let info = url.into_connection_info().ok().filter(|info| {
        let plain = url.starts_with("redis://") && matches!(info.addr(), ConnectionAddr::Tcp(..));
        // `#insecure` would trust whoever answers.
        plain || matches!(info.addr(), ConnectionAddr::TcpTls { insecure: false, .. })
    });
    if info.is_none() {
        // The reason is not quoted: it may quote the address.
        let help = "`redis://host:port/database`, or `rediss://host:port/database` for TLS";
        context.secret_error(at, "the store's address is not understood", help);
        return None;
    }
    Some(Sensitive::new(url.to_owned()))
}

fn sentinels(context: &mut Context<'_>, at: &At, written: &SentinelDocument) -> Option<RedisServers> {
    let help = "the master's name among the sentinels: `master: mymaster`";
    let master = context.text(at, "master", &written.master, help).map(str::to_owned);
    let help = "every sentinel: `nodes: [sentinel-0:26379, sentinel-1:26379, sentinel-2:26379]`";
    context.need(at, "nodes", &written.nodes, help);
    let nodes = written.nodes.as_ref().and_then(|_| nodes(context, &at.key("nodes"), &written.nodes, help));
    let password = password(context, at, &written.password_file);
    if written.user.is_some() && written.password_file.is_none() {
        context.error_at_key(&at.key("user"), "`user` has no password", "`password_file: …`");
    }
    Some(RedisServers::Sentinel { master: master?, nodes: nodes?, user: written.user.clone(), password })
}

/// `host:port`, one at least, each once.
fn nodes(context: &mut Context<'_>, at: &At, texts: &Option<Texts>, help: &str) -> Option<Vec<Endpoint>> {
    let mut nodes: Vec<Endpoint> = Vec::new();
    if texts.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(at, "no node is named", help);
    }
    for (at, text) in context.items(at, texts) {
        if text.contains('@') {
            context.secret_error(&at, "a password does not belong into a policy file", "`password_file: …`");
            continue;
        }
        let Some(node) = node(text) else {
            let help = "`host:port`; TLS is turned on with `tls`";
            context.error(&at, format!("`{text}` is not a node"), help);
            continue;
        };
        if nodes.contains(&node) {
            context.error(&at, format!("`{text}` is listed twice"), None);
        }
        nodes.push(node);
    }
    (!nodes.is_empty()).then_some(nodes)
}

fn node(text: &str) -> Option<Endpoint> {
    let (host, port) = text.rsplit_once(':')?;
    let bare = host.strip_prefix('[').and_then(|inner| inner.strip_suffix(']')).unwrap_or(host);
    let port = port.parse().ok().filter(|&port| port != 0)?;
    ServerName::try_from(bare).ok()?;
    Some(Endpoint { host: bare.to_ascii_lowercase(), port })
}

/// A file that holds a password; one line feed at its end is the editor's.
fn password(context: &mut Context<'_>, at: &At, file: &Option<String>) -> Option<Sensitive<String>> {
    let file = file.as_ref()?;
    let at = at.key("password_file");
    let bytes = context.file(&at, file)?;
    let text = String::from_utf8(bytes).ok();
    let text = text.map(|text| text.strip_suffix('\n').unwrap_or(&text).trim_end_matches('\r').to_owned());
    let Some(text) = text.filter(|text| !text.is_empty()) else {
        context.error(
            &at,
            format!("`{file}` holds no password"),
            "a file with the password and nothing else",
        );
        return None;
    };
    Some(Sensitive::new(text))
}

fn tls(context: &mut Context<'_>, at: &At, written: &RedisTlsDocument) -> RedisTls {
    let ca = written.ca.as_ref().and_then(|file| {
        let at = at.key("ca");
        let bytes = context.file(&at, file)?;
        upstreams::trusted_roots(context, &at, file, &bytes)?;
        Some(bytes)
    });
    let client = match (&written.certificate, &written.key) {
        (Some(certificate), Some(key)) => client(context, at, certificate, key),
        (None, None) => None,
        (certificate, _) => {
            let (there, missing) =
                if certificate.is_some() { ("certificate", "key") } else { ("key", "certificate") };
            if !context.dropped(&at.key(missing)) {
                context.error_at_key(&at.key(there), format!("`{there}` stands without `{missing}`"), None);
            }
            None
        }
    };
    RedisTls { ca, client }
}

fn client(
    context: &mut Context<'_>,
    at: &At,
    certificate: &str,
    key: &str,
) -> Option<(Vec<u8>, Sensitive<Vec<u8>>)> {
    let chain_pem = context.file(&at.key("certificate"), certificate)?;
    let key_pem = context.file(&at.key("key"), key)?;
    let chain: Result<Vec<_>, _> = CertificateDer::pem_slice_iter(&chain_pem).collect();
    let Some(chain) = chain.ok().filter(|chain| !chain.is_empty()) else {
        let help = "PEM: `-----BEGIN CERTIFICATE-----` …, the gateway's own first";
        context.error(&at.key("certificate"), format!("`{certificate}` holds no certificate"), help);
        return None;
    };
    let Ok(private) = PrivateKeyDer::from_pem_slice(&key_pem) else {
        let help = "PEM: `-----BEGIN PRIVATE KEY-----` …";
        context.error(&at.key("key"), format!("`{key}` holds no private key"), help);
        return None;
    };
    if CertifiedKey::from_der(chain, private, &aws_lc_rs::default_provider()).is_err() {
        context.error(&at.key("key"), format!("`{key}` is not the key of `{certificate}`"), None);
        return None;
    }
    Some((chain_pem, Sensitive::new(key_pem)))
}
