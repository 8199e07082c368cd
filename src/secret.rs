//! Values that must never be seen, and the keys that stand in for them.
//!
//! A leaf of the house: every module may import it, it imports none. [`Sensitive`] makes a personal value or a
//! credential unprintable by type; [`MasterSecret`] derives one HMAC key for each domain, so that a pseudonym of one
//! domain (journal) can never be joined with one of another (API answers, rate-limit keys): EDPB 01/2025, charter 6.

use std::{fmt, sync::Arc};

use aws_lc_rs::{aead, hkdf, hmac, rand};
use zeroize::Zeroizing;

/// A value that prints as `[redacted]` whatever asks for it.
///
/// It has no `Display`, no `Serialize` and no `Deref`: reading it takes the word [`Sensitive::expose`], which a
/// reviewer can search for.
#[derive(Clone, PartialEq, Eq, Hash, Default)]
pub struct Sensitive<T>(T);

impl<T> Sensitive<T> {
    /// Wraps a value.
    pub fn new(value: T) -> Self {
        Self(value)
    }

    /// The value itself: only to compare it, to key a hash with it, or to send it to whom it belongs.
    pub fn expose(&self) -> &T {
        &self.0
    }
}

impl<T> From<T> for Sensitive<T> {
    fn from(value: T) -> Self {
        Self(value)
    }
}

impl<T> fmt::Debug for Sensitive<T> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("[redacted]")
    }
}

/// What a derived key is for. Keys of two domains are unrelated.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Domain {
    /// Client addresses and subjects in the journal.
    Journal,
    /// Pseudonyms that leave in response bodies.
    Api,
    /// Keys of rate-limit counters, in memory and in Redis.
    Limit,
    /// Cookies of devices that signed in before.
    Device,
    /// Keys of the cache of forward-auth answers.
    IdentityCache,
    /// Entity tags of redacted representations.
    EntityTag,
    /// Which endpoint a session prefers.
    Affinity,
}

impl Domain {
    fn label(self) -> &'static [u8] {
        match self {
            Self::Journal => b"rempart/journal",
            Self::Api => b"rempart/api",
            Self::Limit => b"rempart/limit",
            Self::Device => b"rempart/device",
            Self::IdentityCache => b"rempart/identity-cache",
            Self::EntityTag => b"rempart/entity-tag",
            Self::Affinity => b"rempart/affinity",
        }
    }
}

/// The one secret of a deployment; every replica shares it so that counters and pseudonyms agree.
#[derive(Clone)]
pub struct MasterSecret(Zeroizing<Vec<u8>>);

/// Shortest master secret accepted, in bytes (128 bits of a base64 text would be 22; a file of 32 is the advice).
pub const MASTER_SECRET_MIN: usize = 32;

/// Why a master secret was refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum SecretError {
    /// Too little entropy to key anything.
    #[error("the secret has {0} bytes, at least {MASTER_SECRET_MIN} are needed")]
    TooShort(usize),
    /// The operating system gave no randomness.
    #[error("the operating system gave no random bytes")]
    NoRandomness,
}

impl MasterSecret {
    /// A secret from a file's bytes. One line feed at the end is the editor's and not part of it, unless the secret
    /// would be too short without: then it is binary, and every byte counts.
    ///
    /// # Errors
    /// [`SecretError::TooShort`] under [`MASTER_SECRET_MIN`] bytes.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, SecretError> {
        let line = bytes.strip_suffix(b"\n").unwrap_or(bytes);
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        let secret = if line.len() < MASTER_SECRET_MIN { bytes } else { line };
        if secret.len() < MASTER_SECRET_MIN {
            return Err(SecretError::TooShort(secret.len()));
        }
        Ok(Self(Zeroizing::new(secret.to_vec())))
    }

    /// A secret that lives as long as the process: pseudonyms cannot be joined across restarts or replicas.
    ///
    /// # Errors
    /// [`SecretError::NoRandomness`] where the system has none.
    pub fn generate() -> Result<Self, SecretError> {
        let mut bytes = Zeroizing::new(vec![0u8; MASTER_SECRET_MIN]);
        rand::fill(&mut bytes).map_err(|_| SecretError::NoRandomness)?;
        Ok(Self(bytes))
    }

    /// The key of a domain, and of an epoch within it (the empty epoch for keys that do not rotate): HKDF-SHA-256.
    pub fn derive(&self, domain: Domain, epoch: &str) -> DomainKey {
        let salt = hkdf::Salt::new(hkdf::HKDF_SHA256, domain.label());
        let prk = salt.extract(&self.0);
        let expand = |info: &[&[u8]]| {
            let mut key = Zeroizing::new([0u8; 32]);
            // 32 bytes is one block of HKDF-SHA-256: neither call can fail.
            if let Ok(okm) = prk.expand(info, hkdf::HKDF_SHA256) {
                let filled = okm.fill(key.as_mut());
                debug_assert!(filled.is_ok());
            }
            key
        };
        let hmac = hmac::Key::new(hmac::HMAC_SHA256, expand(&[epoch.as_bytes()]).as_ref());
        // No epoch holds a NUL: the two keys are unrelated.
        let seal = expand(&[epoch.as_bytes(), b"\0seal"]);
        let seal = aead::UnboundKey::new(&aead::AES_256_GCM_SIV, seal.as_ref()).map(aead::LessSafeKey::new);
        let mut key = DomainKey { hmac, seal: seal.ok().map(Arc::new), name: [0; KEY_NAME] };
        key.name = key.tag(&[b"\0name"]).first_chunk().copied().unwrap_or_default();
        key
    }
}

impl fmt::Debug for MasterSecret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("MasterSecret([redacted])")
    }
}

/// The key of one domain: HMAC-SHA-256 to stand in for values, AES-256-GCM-SIV (RFC 8452) to seal those that must
/// come back.
#[derive(Clone)]
pub struct DomainKey {
    hmac: hmac::Key,
    seal: Option<Arc<aead::LessSafeKey>>,
    /// What tells this key from the one before it, without saying anything about it.
    name: [u8; KEY_NAME],
}

/// Parts so long in all are given to the library in one call: a call costs as much as a block of SHA-256.
const TAGGED_AT_ONCE: usize = 256;
/// Bytes of the name of a key in what it sealed.
const KEY_NAME: usize = 3;
/// Bytes of an AES-256-GCM-SIV tag.
const SEAL_TAG: usize = 16;

/// The same for every value: what RFC 8452 makes of it is not.
fn nonce() -> aead::Nonce {
    aead::Nonce::assume_unique_for_key([0; aead::NONCE_LEN])
}

/// Why something sealed cannot be opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SealError {
    /// Another key sealed it: the secret has changed since.
    #[error("sealed by another key")]
    OtherKey,
    /// Nobody sealed it, or in another context.
    #[error("forged")]
    Forged,
}

impl DomainKey {
    /// Seals a value for a context: the same value gives the same bytes, and only [`DomainKey::open`] with the same
    /// context gives it back. Equal values show as equal within one context, which is what a stand-in is for, and never
    /// across two: the context is authenticated, and the real nonce is made of both (RFC 8452 sections 4 and 9). `None`
    /// where the library refuses, which no value that fits in memory makes it do.
    pub fn seal(&self, context: &[u8], value: &[u8]) -> Option<Vec<u8>> {
        let key = self.seal.as_ref()?;
        let mut sealed = Vec::with_capacity(KEY_NAME + value.len() + SEAL_TAG);
        sealed.extend_from_slice(&self.name);
        sealed.extend_from_slice(value);
        let tag = key.seal_in_place_separate_tag(nonce(), aead::Aad::from(context), &mut sealed[KEY_NAME..]);
        sealed.extend_from_slice(tag.ok()?.as_ref());
        Some(sealed)
    }

    /// The value that was sealed for a context.
    ///
    /// # Errors
    /// [`SealError`] where this key did not seal it for this context.
    pub fn open(&self, context: &[u8], sealed: &[u8]) -> Result<Sensitive<Vec<u8>>, SealError> {
        let (name, sealed) = sealed.split_at_checked(KEY_NAME).ok_or(SealError::Forged)?;
        if name != self.name {
            return Err(SealError::OtherKey);
        }
        if sealed.len() < SEAL_TAG {
            return Err(SealError::Forged);
        }
        let mut sealed = sealed.to_vec();
        let key = self.seal.as_ref().ok_or(SealError::OtherKey)?;
        let opened = key.open_in_place(nonce(), aead::Aad::from(context), &mut sealed);
        let length = opened.map_err(|_| SealError::Forged)?.len();
        sealed.truncate(length);
        Ok(Sensitive::new(sealed))
    }

    /// The tag of several parts, each preceded by its length so that two splits never collide.
    pub fn tag(&self, parts: &[&[u8]]) -> [u8; 32] {
        let mut room = [0; TAGGED_AT_ONCE];
        let mut length = 0;
        let lengths = parts.iter().map(|part| (part.len() as u64).to_be_bytes());
        let gathered = parts.iter().zip(lengths).try_for_each(|(part, prefix)| {
            for bytes in [&prefix[..], part] {
                room.get_mut(length..length + bytes.len())?.copy_from_slice(bytes);
                length += bytes.len();
            }
            Some(())
        });
        let tag = match gathered {
            Some(()) => hmac::sign(&self.hmac, &room[..length]),
            None => {
                let mut context = hmac::Context::with_key(&self.hmac);
                for part in parts {
                    context.update(&(part.len() as u64).to_be_bytes());
                    context.update(part);
                }
                context.sign()
            }
        };
        let mut out = [0u8; 32];
        out.copy_from_slice(tag.as_ref());
        out
    }

    /// The first `N` bytes of [`DomainKey::tag`] in lower-case hexadecimal.
    pub fn hex(&self, parts: &[&[u8]], bytes: usize) -> String {
        let tag = self.tag(parts);
        let mut text = String::with_capacity(bytes * 2);
        for byte in &tag[..bytes.min(tag.len())] {
            for nibble in [byte >> 4, byte & 15] {
                text.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0'));
            }
        }
        text
    }
}

impl fmt::Debug for DomainKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("DomainKey([redacted])")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sensitive_values_print_as_redacted() {
        assert_eq!(format!("{:?}", Sensitive::new("jean@x.fr")), "[redacted]");
    }

    #[test]
    fn domains_and_epochs_are_unlinkable() {
        let master = MasterSecret::from_bytes(&[7u8; 32]).unwrap();
        let journal = master.derive(Domain::Journal, "2026w47").hex(&[b"jean"], 8);
        assert_eq!(journal.len(), 16);
        assert_eq!(journal, master.derive(Domain::Journal, "2026w47").hex(&[b"jean"], 8));
        assert_ne!(journal, master.derive(Domain::Journal, "2026w48").hex(&[b"jean"], 8));
        assert_ne!(journal, master.derive(Domain::Api, "2026w47").hex(&[b"jean"], 8));
    }

    #[test]
    fn long_parts_are_tagged_as_short_ones_are() {
        let key = MasterSecret::from_bytes(&[7u8; 32]).unwrap().derive(Domain::Limit, "");
        for length in [0, 1, 64, TAGGED_AT_ONCE - 17, TAGGED_AT_ONCE - 16, TAGGED_AT_ONCE, 1000] {
            let part = vec![b'x'; length];
            let mut context = hmac::Context::with_key(&key.hmac);
            for bytes in [&[0, 0, 0, 0, 0, 0, 0, 1][..], b"a", &(length as u64).to_be_bytes(), &part] {
                context.update(bytes);
            }
            assert_eq!(key.tag(&[b"a", &part]), context.sign().as_ref(), "{length}");
        }
    }

    #[test]
    fn parts_do_not_run_together() {
        let key = MasterSecret::from_bytes(&[7u8; 32]).unwrap().derive(Domain::Limit, "");
        assert_ne!(key.tag(&[b"ab", b"c"]), key.tag(&[b"a", b"bc"]));
    }

    #[test]
    fn what_is_sealed_opens_in_its_context_and_with_its_key_only() {
        let key = |byte: u8| MasterSecret::from_bytes(&[byte; 32]).unwrap().derive(Domain::Api, "");
        let sealed = key(7).seal(b"account", b"jean").unwrap();
        assert_eq!(sealed, key(7).seal(b"account", b"jean").unwrap());
        assert_eq!(key(7).open(b"account", &sealed).unwrap().expose(), b"jean");
        assert_eq!(key(7).open(b"name", &sealed).unwrap_err(), SealError::Forged);
        assert_eq!(key(8).open(b"account", &sealed).unwrap_err(), SealError::OtherKey);
        assert_ne!(sealed[KEY_NAME..], key(7).seal(b"name", b"jean").unwrap()[KEY_NAME..]);
        for place in 0..sealed.len() {
            let mut forged = sealed.clone();
            forged[place] ^= 1;
            assert!(key(7).open(b"account", &forged).is_err(), "{place}");
            assert!(key(7).open(b"account", &sealed[..place]).is_err(), "{place}");
        }
    }

    #[test]
    fn a_binary_secret_keeps_its_white_space_and_a_text_loses_its_line_feed() {
        let mut binary = [b' '; 32];
        binary[31] = b'\n';
        assert!(MasterSecret::from_bytes(&binary).is_ok());
        let tag =
            |bytes: &[u8]| MasterSecret::from_bytes(bytes).unwrap().derive(Domain::Limit, "").hex(&[b"x"], 8);
        let text = b"0123456789abcdef0123456789abcdef";
        assert_eq!(tag(text), tag(&[&text[..], b"\n"].concat()));
        assert_eq!(tag(text), tag(&[&text[..], b"\r\n"].concat()));
    }

    #[test]
    fn short_secrets_are_refused() {
        assert_eq!(MasterSecret::from_bytes(b" short ").unwrap_err(), SecretError::TooShort(7));
    }
}
