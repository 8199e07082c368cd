//! Where a caller's credentials stand in a request. What could be read in two ways is refused, not interpreted.

use std::{cell::RefCell, net::IpAddr};

use http::{HeaderMap, HeaderName, header::AUTHORIZATION};
use rustls::pki_types::CertificateDer;

use super::{RejectReason, client_certificate::Shown};
use crate::{
    policy::set::TokenSource,
    secret::{DomainKey, Sensitive},
};

/// Longest token that a connection remembers, in bytes: ten thousand connections then hold some megabytes.
const RECALLED: usize = 1024;

/// What a connection brings beside its requests: who is at its other end, the certificate that they showed, and the token
/// that came last with its keyed hash, for a page of forty calls brings one token forty times.
#[derive(Debug, Default)]
pub struct Recall {
    token: RefCell<Option<Recalled>>,
    peer: Option<IpAddr>,
    shown: Option<Shown>,
}

/// A token and its hash.
type Recalled = (Sensitive<Box<[u8]>>, [u8; 32]);

impl Recall {
    /// Of a connection from this address, whose client showed this chain, leaf first.
    pub fn of(peer: IpAddr, chain: Option<&[CertificateDer<'_>]>) -> Self {
        Self { token: RefCell::default(), peer: Some(peer), shown: chain.and_then(Shown::new) }
    }

    /// The other end.
    pub(super) fn peer(&self) -> Option<IpAddr> {
        self.peer
    }

    /// The certificate that the client showed.
    pub(super) fn shown(&self) -> Option<&Shown> {
        self.shown.as_ref()
    }

    /// The hash of a token under the key of the identity caches, of which a process has one.
    pub(super) fn tag(&self, token: &[u8], key: &DomainKey) -> [u8; 32] {
        if let Some((known, tag)) = &*self.token.borrow()
            && **known.expose() == *token
        {
            return *tag;
        }
        let tag = key.tag(&[token]);
        if token.len() <= RECALLED {
            *self.token.borrow_mut() = Some((Sensitive::new(token.into()), tag));
        }
        tag
    }
}

/// What a request brings to say who it comes from.
#[derive(Clone, Copy)]
pub struct Credentials<'a> {
    /// The client's header fields, before any is removed or added.
    pub headers: &'a HeaderMap,
    /// Its cookies, parsed, before any is dropped: name and value, in order.
    pub cookies: &'a [(&'a [u8], &'a [u8])],
    /// What their connection brought before.
    pub recall: &'a Recall,
}

impl<'a> Credentials<'a> {
    /// The token of this source, if there is one.
    pub(super) fn token(&self, source: &TokenSource) -> Result<Option<&'a [u8]>, RejectReason> {
        match source {
            TokenSource::Authorization => match self.header(&AUTHORIZATION)? {
                Some(value) => bearer(value),
                None => Ok(None),
            },
            TokenSource::Cookie(name) => self.cookie(name),
        }
    }

    /// The value of a cookie; an empty one is what a deletion leaves behind, and says nothing.
    pub(super) fn cookie(&self, name: &str) -> Result<Option<&'a [u8]>, RejectReason> {
        let mut values = self.cookies.iter().filter(|(sent, _)| *sent == name.as_bytes());
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(RejectReason::DuplicateCredential),
            (Some((_, value)), None) if !matches!(*value, b"" | b"\"\"") => Ok(Some(value)),
            _ => Ok(None),
        }
    }

    /// The value of a header field that may come once.
    pub(super) fn header(&self, name: &HeaderName) -> Result<Option<&'a [u8]>, RejectReason> {
        let mut values = self.headers.get_all(name).iter();
        match (values.next(), values.next()) {
            (_, Some(_)) => Err(RejectReason::DuplicateCredential),
            (value, None) => Ok(value.map(http::HeaderValue::as_bytes).filter(|value| !value.is_empty())),
        }
    }
}

/// The token of `Bearer <token>` (RFC 6750 §2.1, RFC 9110 §11.4); nothing for another scheme.
fn bearer(value: &[u8]) -> Result<Option<&[u8]>, RejectReason> {
    const SCHEME: &[u8] = b"bearer";
    let Some((scheme, rest)) = value.split_at_checked(SCHEME.len()) else { return Ok(None) };
    if !scheme.eq_ignore_ascii_case(SCHEME) {
        return Ok(None);
    }
    match rest.first() {
        Some(b' ') => {
            let token = rest.trim_ascii_start();
            let spaces = rest.len() - token.len();
            if token.is_empty() || rest[..spaces].iter().any(|&byte| byte != b' ') {
                Err(RejectReason::MalformedCredential)
            } else {
                Ok(Some(token))
            }
        }
        // A longer scheme name, such as `BearerX`, is none of ours.
        Some(byte) if byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.') => Ok(None),
        _ => Err(RejectReason::MalformedCredential),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn bearer_tokens_are_found_and_nothing_else() {
        for (value, expected) in [
            ("Bearer a.b.c", Ok(Some("a.b.c"))),
            ("bEARER a.b.c", Ok(Some("a.b.c"))),
            ("Bearer   a.b.c", Ok(Some("a.b.c"))),
            ("Basic amVhbjptZHA=", Ok(None)),
            ("BearerX a", Ok(None)),
            ("Bear", Ok(None)),
            ("", Ok(None)),
            ("Bearer", Err(RejectReason::MalformedCredential)),
            ("Bearer ", Err(RejectReason::MalformedCredential)),
            ("Bearer\ta.b.c", Err(RejectReason::MalformedCredential)),
            ("Bearer \ta.b.c", Err(RejectReason::MalformedCredential)),
            ("Bearer,a", Err(RejectReason::MalformedCredential)),
        ] {
            assert_eq!(bearer(value.as_bytes()), expected.map(|token| token.map(str::as_bytes)), "{value}");
        }
    }

    #[test]
    fn cookies_count_by_exact_name_and_once() {
        let headers = HeaderMap::new();
        let pair = |name: &'static str, value: &'static str| (name.as_bytes(), value.as_bytes());
        for (cookies, expected) in [
            (vec![pair("s", "1"), pair("S", "2")], Ok(Some(&b"1"[..]))),
            (vec![pair("s", "1"), pair("s", "1")], Err(RejectReason::DuplicateCredential)),
            (vec![pair("s", ""), pair("s", "1")], Err(RejectReason::DuplicateCredential)),
            (vec![pair("s", "")], Ok(None)),
            (vec![pair("s", "\"\"")], Ok(None)),
            (vec![pair("ss", "1")], Ok(None)),
        ] {
            let recall = Recall::default();
            let credentials = Credentials { headers: &headers, cookies: &cookies, recall: &recall };
            assert_eq!(credentials.cookie("s"), expected);
        }
    }
}
