//! How many requests a route takes, and whose are counted together.

use std::net::IpAddr;

use http::HeaderName;
use ipnet::IpNet;

use super::Rate;

/// The place of a quota in [`super::GatewaySettings::quotas`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct QuotaId(pub u8);

/// A named limit. Routes that name the same one share its counters.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Quota {
    /// Name used by routes, the journal, metrics and `RateLimit` fields.
    pub name: String,
    /// Whose requests are counted together.
    pub by: QuotaKey,
    /// Requests over time: as many as may come at once, and how long these take to come back.
    pub rate: Option<Rate>,
    /// Requests under way at a time, on each replica.
    pub concurrency: Option<u32>,
    /// Whether it only counts and never refuses.
    pub shadow: bool,
    /// Client addresses that are not counted.
    pub exempt: Vec<IpNet>,
}

impl Quota {
    /// Whether requests of this address are not counted.
    pub fn exempts(&self, address: IpAddr) -> bool {
        !self.exempt.is_empty() && {
            let address = address.to_canonical();
            self.exempt.iter().any(|network| network.contains(&address))
        }
    }
}

/// Whose requests are counted together. Where a request has no such thing, those of its address are.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum QuotaKey {
    /// One address prefix (/32 or /64).
    Address,
    /// One value of a request header.
    Header(HeaderName),
    /// One subject of one identity provider.
    Subject,
    /// All callers who are the same recipients.
    Recipient,
    /// One value of the provider's `claims.quota`.
    Claim,
}

impl QuotaKey {
    /// Whether it takes to know who asks.
    pub fn needs_caller(&self) -> bool {
        matches!(self, Self::Subject | Self::Recipient | Self::Claim)
    }
}
