//! How the servers of a Redis are reached: one of them, the master that sentinels know, or a cluster.

use std::time::Duration;

use redis::{
    AsyncConnectionConfig, Client, ClientTlsConfig, ConnectionAddr, ConnectionInfo, IntoConnectionInfo as _,
    RedisResult, TlsCertificates, TlsMode,
    aio::MultiplexedConnection,
    cluster::{ClusterClient, ClusterClientBuilder},
    cluster_async::ClusterConnection,
    sentinel::{SentinelClient, SentinelClientBuilder, SentinelServerType},
};

use crate::policy::set::{Endpoint, RedisServers, RedisSettings, RedisTls};

/// How long a connection may take to open, however short an answer's time is: TLS needs more than one round trip, and
/// a sentinel that does not answer is passed over.
const CONNECT_TIMEOUT: Duration = Duration::from_secs(2);
/// How long all of it may take: of three sentinels one answers in time.
const OPEN_TIMEOUT: Duration = Duration::from_secs(8);
/// Redirections that a question to a cluster may follow.
const REDIRECTIONS: u32 = 3;

/// The servers, before anything is opened.
pub(super) enum Servers {
    One(Box<Client>),
    /// A client of sentinels remembers connections, which belong to a runtime: each opening has its own.
    Sentinel(Box<RedisSettings>),
    Cluster(Box<ClusterClient>),
}

/// A connection to them; clones share it.
#[derive(Clone)]
pub(super) enum Connection {
    One(MultiplexedConnection),
    Cluster(ClusterConnection),
}

impl Servers {
    /// `None` where the settings are none that can be reached.
    pub(super) fn new(settings: &RedisSettings) -> Option<Self> {
        let certificates = settings.tls.as_ref().map(certificates);
        match &settings.servers {
            RedisServers::One(url) => {
                let info = with_credentials(url.expose().as_str().into_connection_info().ok()?, settings);
                let client = match certificates {
                    Some(certificates) => Client::build_with_tls(info, certificates),
                    None => Client::open(info),
                };
                client.ok().map(|client| Self::One(Box::new(client)))
            }
            RedisServers::Sentinel { .. } => {
                sentinels(settings).ok()?;
                Some(Self::Sentinel(Box::new(settings.clone())))
            }
            RedisServers::Cluster(nodes) => {
                let addresses = addresses(nodes, settings.tls.is_some());
                let mut builder = ClusterClientBuilder::new(addresses)
                    .retries(REDIRECTIONS)
                    .connection_timeout(CONNECT_TIMEOUT)
                    // The time of an answer is bounded around the whole question.
                    .overall_response_timeout(None);
                if let Some(user) = &settings.user {
                    builder = builder.username(user);
                }
                if let Some(password) = &settings.password {
                    builder = builder.password(password.expose());
                }
                if let Some(certificates) = certificates {
                    builder = builder.tls(TlsMode::Secure).certs(certificates);
                }
                builder.build().ok().map(|client| Self::Cluster(Box::new(client)))
            }
        }
    }

    /// Whether counters are spread over servers, so that no script can see all of them.
    pub(super) fn are_spread(&self) -> bool {
        matches!(self, Self::Cluster(_))
    }

    /// Opens a connection on this runtime.
    pub(super) async fn open(&self) -> Option<Connection> {
        let opening = async {
            let config = AsyncConnectionConfig::new()
                .set_connection_timeout(Some(CONNECT_TIMEOUT))
                .set_response_timeout(None);
            match self {
                Self::One(client) => client
                    .get_multiplexed_async_connection_with_config(&config)
                    .await
                    .ok()
                    .map(Connection::One),
                Self::Sentinel(settings) => {
                    let mut client = sentinels(settings).ok()?;
                    let connection = client.get_async_connection_with_config(&config).await;
                    connection.ok().map(Connection::One)
                }
                Self::Cluster(client) => client.get_async_connection().await.ok().map(Connection::Cluster),
            }
        };
        tokio::time::timeout(OPEN_TIMEOUT, opening).await.ok().flatten()
    }
}

fn with_credentials(info: ConnectionInfo, settings: &RedisSettings) -> ConnectionInfo {
    let mut redis = info.redis_settings().clone();
    if let Some(user) = &settings.user {
        redis = redis.set_username(user);
    }
    if let Some(password) = &settings.password {
        redis = redis.set_password(password.expose());
    }
    info.set_redis_settings(redis)
}

fn sentinels(settings: &RedisSettings) -> RedisResult<SentinelClient> {
    let RedisServers::Sentinel { master, nodes, user, password } = &settings.servers else {
        return Err((redis::ErrorKind::InvalidClientConfig, "no sentinels").into());
    };
    let addresses = addresses(nodes, settings.tls.is_some());
    let mut builder = SentinelClientBuilder::new(addresses, master, SentinelServerType::Master)?;
    if let Some(user) = &settings.user {
        builder = builder.set_client_to_redis_username(user);
    }
    if let Some(password) = &settings.password {
        builder = builder.set_client_to_redis_password(password.expose());
    }
    if let Some(user) = user {
        builder = builder.set_client_to_sentinel_username(user);
    }
    if let Some(password) = password {
        builder = builder.set_client_to_sentinel_password(password.expose());
    }
    if let Some(tls) = &settings.tls {
        builder = builder
            .set_client_to_redis_tls_mode(TlsMode::Secure)
            .set_client_to_redis_certificates(certificates(tls))
            .set_client_to_sentinel_tls_mode(TlsMode::Secure)
            .set_client_to_sentinel_certificates(certificates(tls));
    }
    builder.build()
}

fn addresses(nodes: &[Endpoint], tls: bool) -> Vec<ConnectionAddr> {
    let address = |node: &Endpoint| match tls {
        true => ConnectionAddr::TcpTls {
            host: node.host.clone(),
            port: node.port,
            insecure: false,
            tls_params: None,
        },
        false => ConnectionAddr::Tcp(node.host.clone(), node.port),
    };
    nodes.iter().map(address).collect()
}

fn certificates(tls: &RedisTls) -> TlsCertificates {
    TlsCertificates {
        client_tls: tls.client.as_ref().map(|(chain, key)| ClientTlsConfig {
            client_cert: chain.clone(),
            client_key: key.expose().clone(),
        }),
        root_cert: tls.ca.clone(),
    }
}
