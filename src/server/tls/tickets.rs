//! What lets sessions resume (RFC 8446 section 2.2, RFC 5077): keys of this process, or those of a file that replicas share.

use std::{
    fmt,
    sync::{Arc, Mutex, PoisonError},
    time::{Duration, SystemTime},
};

use aws_lc_rs::{aead, hkdf, rand};
use rustls::{
    crypto::aws_lc_rs::Ticketer,
    server::{ProducesTickets, ServerSessionMemoryCache, StoresServerSessions},
};

use super::TlsError;
use crate::policy::set::TicketKey;

/// Sessions of TLS 1.2 clients without tickets that are remembered, over all workers.
const SESSIONS: usize = 4096;

/// How long a session can be resumed: as long as by the library's own keys.
const LIFETIME: Duration = Duration::from_secs(12 * 3600);

/// How far the clocks of two replicas may be apart.
const SKEW: Duration = Duration::from_secs(300);

/// Bytes of the name of a key in its tickets.
const NAME: usize = 16;
/// Bytes by which the key of one ticket differs from that of any other.
const SALT: usize = 32;
/// Bytes of the time of issue, seconds since 1970.
const TIME: usize = 8;

/// Keys of this process, kept over reloads and shared by workers.
#[derive(Clone)]
pub struct Tickets(Arc<Mutex<Kept>>);

/// The means of one set of terms for clients' certificates: a session that began under others is not resumed, so that one
/// without a certificate, or with one that was taken back since, begins anew.
#[derive(Clone)]
pub(super) struct Kept {
    terms: Option<[u8; 32]>,
    pub(super) ticketer: Arc<dyn ProducesTickets>,
    pub(super) sessions: Arc<dyn StoresServerSessions>,
}

impl fmt::Debug for Tickets {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Tickets")
    }
}

impl Tickets {
    /// Fresh keys, rotated by the library every six hours.
    ///
    /// # Errors
    /// [`TlsError::Settings`] if the system gives no randomness.
    pub fn new() -> Result<Self, TlsError> {
        Ok(Self(Arc::new(Mutex::new(Kept::new(None)?))))
    }

    /// Those of sessions under these terms, by shared keys where there are some.
    pub(super) fn under(&self, terms: Option<[u8; 32]>, keys: &[TicketKey]) -> Result<Kept, TlsError> {
        let mut kept = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if kept.terms != terms {
            *kept = Kept::new(terms)?;
        }
        let mut kept = kept.clone();
        if !keys.is_empty() {
            kept.ticketer = Arc::new(Keyring::new(keys, terms, SystemTime::now));
        }
        Ok(kept)
    }
}

impl Kept {
    fn new(terms: Option<[u8; 32]>) -> Result<Self, TlsError> {
        let (ticketer, sessions) = (Ticketer::new()?, ServerSessionMemoryCache::new(SESSIONS));
        Ok(Self { terms, ticketer, sessions })
    }
}

/// Seals tickets with the first of several keys, and opens those of any.
///
/// A ticket is the name of its key, a salt, and what AES-256-GCM makes of time of issue and session under a key that HKDF
/// derives for this salt alone: so no number of tickets wears a key out, also where nobody changes it. Names and keys are
/// derived for the terms for clients' certificates too: a session under others is nobody's here.
struct Keyring {
    keys: Vec<Key>,
    clock: fn() -> SystemTime,
}

struct Key {
    name: [u8; NAME],
    secret: hkdf::Prk,
    terms: [u8; 33],
}

impl fmt::Debug for Keyring {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Keyring")
    }
}

impl Keyring {
    fn new(keys: &[TicketKey], terms: Option<[u8; 32]>, clock: fn() -> SystemTime) -> Self {
        let mut bound = [0; 33];
        if let Some(terms) = terms {
            bound[0] = 1;
            bound[1..].copy_from_slice(&terms);
        }
        Self { keys: keys.iter().filter_map(|key| Key::new(key, bound)).collect(), clock }
    }

    fn now(&self) -> u64 {
        (self.clock)().duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs()
    }
}

struct NameLength;

impl hkdf::KeyType for NameLength {
    fn len(&self) -> usize {
        NAME
    }
}

impl Key {
    /// `None` where the library refuses, which no length asked for here makes it do.
    fn new(key: &TicketKey, terms: [u8; 33]) -> Option<Self> {
        let secret = hkdf::Salt::new(hkdf::HKDF_SHA256, b"rempart/tickets").extract(key.expose());
        let mut name = [0; NAME];
        secret.expand(&[b"name", &terms], NameLength).and_then(|okm| okm.fill(&mut name)).ok()?;
        Some(Self { name, secret, terms })
    }

    /// The key of one ticket. It is used once, so that its nonce may be the same for all.
    fn of(&self, salt: &[u8]) -> Option<(aead::LessSafeKey, aead::Nonce)> {
        let info = [b"ticket", &self.terms[..], salt];
        let key = self.secret.expand(&info, &aead::AES_256_GCM).ok()?;
        let nonce = aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN]);
        Some((aead::LessSafeKey::new(key.into()), nonce))
    }

    fn seal(&self, now: u64, session: &[u8]) -> Option<Vec<u8>> {
        let mut salt = [0; SALT];
        rand::fill(&mut salt).ok()?;
        let (key, nonce) = self.of(&salt)?;
        let mut ticket = Vec::with_capacity(NAME + SALT + TIME + session.len() + aead::MAX_TAG_LEN);
        for part in [&self.name[..], &salt, &now.to_be_bytes(), session] {
            ticket.extend_from_slice(part);
        }
        let sealed = &mut ticket[NAME + SALT..];
        let tag = key.seal_in_place_separate_tag(nonce, aead::Aad::from(self.name), sealed).ok()?;
        ticket.extend_from_slice(tag.as_ref());
        Some(ticket)
    }

    fn open(&self, salt: &[u8], sealed: &[u8]) -> Option<(u64, Vec<u8>)> {
        let (key, nonce) = self.of(salt)?;
        let mut opened = sealed.to_vec();
        let length = key.open_in_place(nonce, aead::Aad::from(self.name), &mut opened).ok()?.len();
        let time = u64::from_be_bytes(*opened.first_chunk()?);
        opened.truncate(length);
        opened.drain(..TIME);
        Some((time, opened))
    }
}

impl ProducesTickets for Keyring {
    fn enabled(&self) -> bool {
        true
    }

    fn lifetime(&self) -> u32 {
        LIFETIME.as_secs() as u32
    }

    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        self.keys.first()?.seal(self.now(), plain)
    }

    fn decrypt(&self, ticket: &[u8]) -> Option<Vec<u8>> {
        let (name, rest) = ticket.split_at_checked(NAME)?;
        let (salt, sealed) = rest.split_at_checked(SALT)?;
        let key = self.keys.iter().find(|key| key.name == name)?;
        let (issued, session) = key.open(salt, sealed)?;
        let now = self.now();
        let fresh = issued <= now + SKEW.as_secs() && now <= issued.saturating_add(LIFETIME.as_secs());
        fresh.then_some(session)
    }
}

#[cfg(test)]
mod tests;
