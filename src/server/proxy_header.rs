//! The PROXY protocol: what a balancer says, before anything else, about the client that it forwards.
//!
//! HAProxy's specification, versions 1 (a line of text, section 2.1) and 2 (binary, section 2.2). Where a listener is told
//! to expect a header there must be one, whole and in bounds, or the connection ends: a client must have no way to leave
//! it out, nor to send its own (only the networks of `listen.*.proxy_protocol` are let in).
//!
//! The crates there are read ports such as `+80` and `0080`, wait for the deadline where the first byte is wrong already,
//! or keep checksums to themselves. Addresses are all that is needed here, so all else is skipped.

use std::{
    future::poll_fn,
    io,
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    pin::Pin,
    str::FromStr,
    task::{Context, Poll, ready},
};

use bytes::BytesMut;
use memchr::memchr;
use tokio::io::{AsyncRead, ReadBuf};

use super::{
    observe::{Observe, Refusal},
    watched::Watched,
};
use crate::gateway::connection::{Order, Tracker};

/// Most bytes of a text header, its line end included (section 2.1).
const TEXT_MAX: usize = 107;

/// How a text header begins.
const TEXT: &[u8] = b"PROXY ";

/// How a binary header begins (section 2.2): no HTTP, no TLS, no line of text.
const SIGNATURE: &[u8] = b"\r\n\r\n\0\r\nQUIT\n";

/// Signature, version and command, family and protocol, length of the rest.
const FIXED: usize = 16;

/// Most bytes of a binary header. Addresses take 36, the rest is what balancers tell beside them.
const BINARY_MAX: usize = 4096;

/// Room for a header and the ClientHello behind it, which come in one segment more often than not.
const FIRST_READ: usize = 2048;

/// Checksum of the whole header (section 2.2.4).
const TYPE_CRC32C: u8 = 3;

/// A header that was read whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Header {
    /// The client; `None` where the balancer speaks for itself, or cannot say.
    client: Option<SocketAddr>,
    /// Bytes of the header.
    length: usize,
}

/// It is no header, or none that is served here.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Malformed;

/// Who is at the other end of a connection that `balancer` opened. `None` where it ends without a header that can be read:
/// counted here, unless nothing was sent at all, as the probes of balancers do.
pub(super) async fn client(
    stream: &mut Watched,
    balancer: SocketAddr,
    tracker: &Tracker,
    observer: &dyn Observe,
) -> Option<SocketAddr> {
    let mut received = BytesMut::with_capacity(FIRST_READ);
    let header = poll_fn(|context| {
        // The handshake's deadline runs from the first moment of the connection on; the sweep has counted it.
        if tracker.poll_order(context) == Order::Abort {
            return Poll::Ready(None);
        }
        poll_header(stream, &mut received, context).map(Some)
    })
    .await?;
    match header {
        Ok(header) => {
            stream.put_back(&received[header.length..]);
            Some(header.client.unwrap_or(balancer))
        }
        Err(Malformed) => {
            if !received.is_empty() {
                observer.refused(Refusal::ProxyHeader);
            }
            None
        }
    }
}

fn poll_header(
    stream: &mut Watched,
    received: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<Result<Header, Malformed>> {
    loop {
        if let Some(header) = read(received)? {
            return Poll::Ready(Ok(header));
        }
        match ready!(poll_more(stream, received, context)) {
            Ok(more) if more > 0 => {}
            _ => return Poll::Ready(Err(Malformed)),
        }
    }
}

fn poll_more(
    stream: &mut Watched,
    received: &mut BytesMut,
    context: &mut Context<'_>,
) -> Poll<io::Result<usize>> {
    let before = received.len();
    // Never full: a header that does not fit in the most there may be was refused above.
    let room = if before < FIRST_READ { FIRST_READ } else { BINARY_MAX + 1 };
    received.resize(room, 0);
    let mut buffer = ReadBuf::new(&mut received[before..]);
    let result = Pin::new(stream).poll_read(context, &mut buffer);
    let more = buffer.filled().len();
    received.truncate(before + more);
    result.map_ok(|()| more)
}

/// The header at the beginning of `bytes`; `None` while it may still become one.
fn read(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let begins = |mark: &[u8]| bytes.iter().zip(mark).all(|(one, other)| one == other);
    if begins(TEXT) {
        if bytes.len() < TEXT.len() { Ok(None) } else { text(bytes) }
    } else if begins(SIGNATURE) {
        binary(bytes)
    } else {
        Err(Malformed)
    }
}

fn text(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let most = bytes.get(..TEXT_MAX).unwrap_or(bytes);
    let Some(end) = memchr(b'\n', most) else {
        return if most.len() < TEXT_MAX { Ok(None) } else { Err(Malformed) };
    };
    let line = most[..end].strip_suffix(b"\r").ok_or(Malformed)?;
    let mut words = line[TEXT.len()..].split(|&byte| byte == b' ');
    let client = match words.next() {
        Some(b"TCP4") => Some(addresses::<Ipv4Addr>(words)?),
        Some(b"TCP6") => Some(addresses::<Ipv6Addr>(words)?),
        // Whatever follows is to be ignored up to the line end, which only one reader finds in a bare CR.
        Some(b"UNKNOWN") if memchr(b'\r', line).is_none() => None,
        _ => return Err(Malformed),
    };
    Ok(Some(Header { client, length: end + 1 }))
}

/// Source address, destination address, source port, destination port, and no more; the source.
fn addresses<'a, A: FromStr + Into<IpAddr>>(
    mut words: impl Iterator<Item = &'a [u8]>,
) -> Result<SocketAddr, Malformed> {
    let mut word = || std::str::from_utf8(words.next().unwrap_or_default()).map_err(|_| Malformed);
    let source = word()?.parse::<A>().map_err(|_| Malformed)?;
    word()?.parse::<A>().map_err(|_| Malformed)?;
    let from = port(word()?)?;
    port(word()?)?;
    if words.next().is_some() { Err(Malformed) } else { Ok(SocketAddr::new(source.into(), from)) }
}

/// Digits alone, no zero before others: the library would read a sign too.
fn port(word: &str) -> Result<u16, Malformed> {
    let plain = word.bytes().all(|byte| byte.is_ascii_digit()) && (word == "0" || !word.starts_with('0'));
    word.parse().ok().filter(|_| plain).ok_or(Malformed)
}

fn binary(bytes: &[u8]) -> Result<Option<Header>, Malformed> {
    let Some(&[command, family, high, low]) = bytes.get(SIGNATURE.len()..FIXED) else { return Ok(None) };
    let length = FIXED + usize::from(u16::from_be_bytes([high, low]));
    // Only version 2 begins so. Of a connection of the balancer's own (LOCAL) nothing else counts.
    let addresses = match (command, family) {
        (0x20, _) => None,
        // It forwards somebody, and cannot say whom.
        (0x21, 0x00) => Some(0),
        (0x21, 0x11) => Some(12),
        (0x21, 0x21) => Some(36),
        // UDP and UNIX sockets: no client of ours comes by them.
        _ => return Err(Malformed),
    };
    if length > BINARY_MAX || length < FIXED + addresses.unwrap_or(0) {
        return Err(Malformed);
    }
    let Some(header) = bytes.get(..length) else { return Ok(None) };
    let Some(size) = addresses else { return Ok(Some(Header { client: None, length })) };
    check_fields(header, FIXED + size)?;
    let block = &header[FIXED..FIXED + size];
    let port = |at: usize| block.get(at..).and_then(|ports| ports.first_chunk()).copied();
    let client = match block.len() {
        12 => block.first_chunk::<4>().copied().map(IpAddr::from).zip(port(8)),
        36 => block.first_chunk::<16>().copied().map(IpAddr::from).zip(port(32)),
        _ => None,
    };
    let client = client.map(|(address, port)| SocketAddr::new(address, u16::from_be_bytes(port)));
    Ok(Some(Header { client, length }))
}

/// The fields behind the addresses (section 2.2): each must end within the header, and a checksum must be right.
fn check_fields(header: &[u8], from: usize) -> Result<(), Malformed> {
    let mut at = from;
    while at < header.len() {
        let Some(&[kind, high, low]) = header.get(at..at + 3) else { return Err(Malformed) };
        let value = at + 3;
        at = value + usize::from(u16::from_be_bytes([high, low]));
        let field = header.get(value..at).ok_or(Malformed)?;
        if kind == TYPE_CRC32C {
            let expected = <[u8; 4]>::try_from(field).map_err(|_| Malformed)?;
            let sum = crc32c([&header[..value], &[0; 4], &header[at..]]);
            if sum != u32::from_be_bytes(expected) {
                return Err(Malformed);
            }
        }
    }
    Ok(())
}

/// CRC-32C (RFC 9260 appendix A), bit by bit: once for a connection, over some dozens of bytes.
fn crc32c(parts: [&[u8]; 3]) -> u32 {
    const POLYNOMIAL: u32 = 0x82f6_3b78;
    let step = |sum: u32| sum >> 1 ^ POLYNOMIAL & (sum & 1).wrapping_neg();
    !parts
        .into_iter()
        .flatten()
        .fold(u32::MAX, |sum, &byte| (0..8).fold(sum ^ u32::from(byte), |sum, _| step(sum)))
}

#[cfg(test)]
mod tests;
