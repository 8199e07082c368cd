//! Where counters live.

use std::time::Duration;

use super::Endpoint;
use crate::secret::Sensitive;

/// Where counters live.
#[derive(Debug)]
pub enum Store {
    /// In this process.
    Memory,
    /// Shared over replicas.
    Redis(Box<RedisSettings>),
}

/// A Redis that counters are shared in.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RedisSettings {
    /// Which servers it is made of.
    pub servers: RedisServers,
    /// ACL user; without one the password is that of `default`.
    pub user: Option<String>,
    /// Password of the user, where the address does not hold one.
    pub password: Option<Sensitive<String>>,
    /// TLS to every server; an address says it by itself (`rediss://`).
    pub tls: Option<RedisTls>,
    /// Longest wait for an answer before local counters decide.
    pub timeout: Duration,
    /// Replicas of the gateway sharing it: local limits are divided by this while it is gone.
    pub replicas: u32,
}

/// The servers of a Redis.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum RedisServers {
    /// One server: `redis://…` or `rediss://…`; may hold a password.
    One(Sensitive<String>),
    /// A master that sentinels know, whoever it is at the time.
    Sentinel {
        /// Its name among them.
        master: String,
        /// The sentinels.
        nodes: Vec<Endpoint>,
        /// ACL user on the sentinels.
        user: Option<String>,
        /// Password on the sentinels.
        password: Option<Sensitive<String>>,
    },
    /// A cluster; the nodes that are asked for the others.
    Cluster(Vec<Endpoint>),
}

/// TLS to Redis. PEM, found sound when the policy was compiled.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct RedisTls {
    /// Trusted roots; `None` for the public ones.
    pub ca: Option<Vec<u8>>,
    /// The gateway's own certificate, leaf first, and its key.
    pub client: Option<(Vec<u8>, Sensitive<Vec<u8>>)>,
}
