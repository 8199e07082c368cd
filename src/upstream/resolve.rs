//! The addresses of names, and when to ask for them again.

use std::{
    net::{IpAddr, SocketAddr},
    time::{Duration, Instant},
};

use hickory_resolver::{
    TokioResolver,
    config::{ConnectionConfig, NameServerConfig, ResolverConfig, ResolverOpts},
    net::runtime::TokioRuntimeProvider,
    proto::rr::RecordType,
    system_conf,
};

/// An answer is asked for again after this time at the earliest, whatever its TTL.
const TTL_LEAST: Duration = Duration::from_secs(1);

/// And after this time at the latest: a name that moved in spite of its TTL is followed within a minute.
const TTL_MOST: Duration = Duration::from_secs(60);

/// After a failure it is asked again so soon, then less and less often.
const AGAIN: Duration = Duration::from_secs(1);

/// Least often after failures.
const AGAIN_MOST: Duration = Duration::from_secs(5);

/// A name that could not be resolved for so long is somebody's business.
const LONG: Duration = Duration::from_secs(30);

/// One question to a server of the policy's; those of the system's have what `resolv.conf` says.
const QUESTION: Duration = Duration::from_secs(2);

/// Addresses of one name that are used.
const ADDRESSES: usize = 256;

/// Whom names are asked of.
pub(super) struct Resolver(Option<TokioResolver>);

/// A kind of addresses.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    V4,
    V6,
}

/// What came of a question.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Answer {
    /// These, for so long.
    Addresses(Vec<IpAddr>, Duration),
    /// There is none of this kind.
    Nothing,
    /// Nobody said.
    Failed,
}

impl Resolver {
    /// Of these servers; without any, of those that the system asks (RFC 1035 resolvers of `resolv.conf`, and the hosts file).
    pub(super) fn new(servers: &[SocketAddr]) -> Self {
        let (config, mut options) = if servers.is_empty() {
            let local = NameServerConfig::udp_and_tcp(IpAddr::from([127, 0, 0, 1]));
            // Without the file the C library asks this host as well (resolv.conf(5)).
            system_conf::read_system_conf().unwrap_or_else(|_| {
                (ResolverConfig::from_parts(None, Vec::new(), vec![local]), ResolverOpts::default())
            })
        } else {
            let mut options = ResolverOpts::default();
            options.timeout = QUESTION;
            (ResolverConfig::from_parts(None, Vec::new(), servers.iter().map(server).collect()), options)
        };
        // What is known is known here, with times of its own.
        options.cache_size = 0;
        let mut builder = TokioResolver::builder_with_config(config, TokioRuntimeProvider::default());
        *builder.options_mut() = options;
        Self(builder.build().ok())
    }

    /// The addresses of a name.
    pub(super) async fn ask(&self, name: &str, family: Family) -> Answer {
        let Some(resolver) = &self.0 else { return Answer::Failed };
        let kind = match family {
            Family::V4 => RecordType::A,
            Family::V6 => RecordType::AAAA,
        };
        match resolver.lookup(name, kind).await {
            Ok(found) => {
                // The names on the way to the addresses (CNAME) have ends of their own.
                let ttl = found.answers().iter().map(|record| record.ttl).min().unwrap_or(0);
                let mut addresses: Vec<_> =
                    found.answers().iter().filter_map(|record| record.data.ip_addr()).collect();
                tidy(&mut addresses);
                addresses.truncate(ADDRESSES);
                match addresses.is_empty() {
                    true => Answer::Nothing,
                    false => Answer::Addresses(addresses, Duration::from_secs(ttl.into())),
                }
            }
            Err(error) if error.is_no_records_found() => Answer::Nothing,
            Err(_) => Answer::Failed,
        }
    }
}

/// Servers turn the list around with every answer.
fn tidy(addresses: &mut Vec<IpAddr>) {
    addresses.sort_unstable();
    addresses.dedup();
}

fn server(address: &SocketAddr) -> NameServerConfig {
    let connections = [ConnectionConfig::udp(), ConnectionConfig::tcp()].map(|mut connection| {
        connection.port = address.port();
        connection
    });
    NameServerConfig::new(address.ip(), true, connections.into())
}

/// What was heard of a name, and when it is asked for again.
pub(super) struct Schedule {
    /// When.
    pub(super) due: Instant,
    v4: Vec<IpAddr>,
    v6: Vec<IpAddr>,
    failures: u32,
    failing_since: Option<Instant>,
    told: bool,
}

/// What follows from two answers.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Heard {
    /// The name has these addresses.
    Addresses(Vec<IpAddr>),
    /// Nothing new: those of before are kept.
    Kept,
}

impl Schedule {
    /// A name to be asked for at once.
    pub(super) fn new(now: Instant) -> Self {
        Self { due: now, v4: Vec::new(), v6: Vec::new(), failures: 0, failing_since: None, told: false }
    }

    /// Takes up what was said about both families.
    ///
    /// One that says nothing about an address that it had has lost it; one that fails has not, nor has a name that seems to
    /// be gone altogether: a server that forgot its zone must not take down what it served.
    pub(super) fn heard(&mut self, v4: Answer, v6: Answer, now: Instant) -> Heard {
        let ttls: Vec<_> = [&v4, &v6]
            .into_iter()
            .filter_map(|answer| match answer {
                Answer::Addresses(_, ttl) => Some(*ttl),
                _ => None,
            })
            .collect();
        let Some(ttl) = ttls.into_iter().min() else {
            self.failing_since.get_or_insert(now);
            self.due = now + AGAIN.saturating_mul(1 << self.failures.min(10)).min(AGAIN_MOST);
            self.failures = self.failures.saturating_add(1);
            return Heard::Kept;
        };
        self.failures = 0;
        self.failing_since = None;
        // Before the old answer ends.
        self.due = now + ttl.clamp(TTL_LEAST, TTL_MOST) * 9 / 10;
        for (known, answer) in [(&mut self.v4, v4), (&mut self.v6, v6)] {
            match answer {
                Answer::Addresses(mut addresses, _) => {
                    tidy(&mut addresses);
                    *known = addresses;
                }
                Answer::Nothing => known.clear(),
                Answer::Failed => {}
            }
        }
        let mut all = [self.v4.as_slice(), self.v6.as_slice()].concat();
        all.truncate(ADDRESSES);
        Heard::Addresses(all)
    }

    /// Whether it is now that somebody has to hear that the name cannot be resolved, or again can: once each.
    pub(super) fn news(&mut self, now: Instant) -> Option<bool> {
        let failing = self.failing_since.is_some_and(|since| now.saturating_duration_since(since) >= LONG);
        let over = self.failing_since.is_none();
        match self.told {
            false if failing => {
                self.told = true;
                Some(false)
            }
            true if over => {
                self.told = false;
                Some(true)
            }
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests;
