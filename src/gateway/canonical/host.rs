//! The host part: RFC 9110 §4.2, narrowed to what every server reads alike.

use std::{
    fmt,
    net::{Ipv4Addr, Ipv6Addr},
};

use super::Refusal;

/// A host in the one form in which it is matched and forwarded.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct CanonicalHost {
    /// Lower case, without port and trailing dot; an IPv6 address in brackets, in the form of RFC 5952.
    pub host: Box<str>,
    /// The port, where the client named one.
    pub port: Option<u16>,
}

impl CanonicalHost {
    /// Whether this field, from which it was read, has the canonical form already.
    pub fn is_spelt(&self, field: &[u8]) -> bool {
        // A port has one spelling.
        field.strip_prefix(self.host.as_bytes()).is_some_and(|rest| matches!(rest, [] | [b':', ..]))
    }
}

impl fmt::Display for CanonicalHost {
    /// As a `Host` field: `host` or `host:port`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.host)?;
        self.port.map_or(Ok(()), |port| write!(f, ":{port}"))
    }
}

/// Longest host name (RFC 1035 §2.3.4).
const HOST_MAX: usize = 253;

/// The canonical form of a `Host` field or `:authority`.
///
/// # Errors
/// A [`Refusal`] for whatever is not `name`, IPv4 or `[IPv6]`, with or without a port.
pub fn canonical_host(authority: &[u8]) -> Result<CanonicalHost, Refusal> {
    if authority.is_empty() {
        return Err(Refusal::HostMissing);
    }
    if memchr::memchr(b'@', authority).is_some() {
        return Err(Refusal::UserInfo);
    }
    let (host, port) = if authority[0] == b'[' {
        let close = memchr::memchr(b']', authority).ok_or(Refusal::HostMalformed)?;
        let port = match &authority[close + 1..] {
            [] => None,
            [b':', port @ ..] => Some(port),
            _ => return Err(Refusal::HostMalformed),
        };
        (bracketed(&authority[1..close])?, port)
    } else {
        match memchr::memchr(b':', authority) {
            Some(colon) => (named(&authority[..colon])?, Some(&authority[colon + 1..])),
            None => (named(authority)?, None),
        }
    };
    let port = port.map(port_number).transpose()?;
    Ok(CanonicalHost { host, port })
}

fn port_number(digits: &[u8]) -> Result<u16, Refusal> {
    // One spelling only: `str::parse` would take `+443` and `00443`.
    if digits.first().is_none_or(|&first| first == b'0') || !digits.iter().all(u8::is_ascii_digit) {
        return Err(Refusal::Port);
    }
    std::str::from_utf8(digits).ok().and_then(|digits| digits.parse().ok()).ok_or(Refusal::Port)
}

fn bracketed(address: &[u8]) -> Result<Box<str>, Refusal> {
    let address: Ipv6Addr = std::str::from_utf8(address)
        .ok()
        .and_then(|address| address.parse().ok())
        .ok_or(Refusal::HostMalformed)?;
    Ok(format!("[{address}]").into())
}

/// A DNS name (underscores included: real deployments have them) or a dotted IPv4 address.
fn named(name: &[u8]) -> Result<Box<str>, Refusal> {
    let name = name.strip_suffix(b".").unwrap_or(name);
    if name.is_empty() {
        return Err(Refusal::HostMissing);
    }
    let letters = |b: &u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_');
    if name.len() > HOST_MAX || !name.iter().all(letters) || name.split(|&b| b == b'.').any(<[u8]>::is_empty)
    {
        return Err(Refusal::HostMalformed);
    }
    let text: String = name.iter().map(|b| char::from(b.to_ascii_lowercase())).collect();
    // `127.1`, `2130706433` and `0x7f.0.0.1` are addresses to some resolvers and names to others.
    let last = text.rsplit('.').next().unwrap_or_default();
    let numeric = last.bytes().all(|b| b.is_ascii_digit())
        || last.strip_prefix("0x").is_some_and(|hex| hex.bytes().all(|b| b.is_ascii_hexdigit()));
    if numeric && text.parse::<Ipv4Addr>().is_err() {
        return Err(Refusal::HostMalformed);
    }
    Ok(text.into())
}
