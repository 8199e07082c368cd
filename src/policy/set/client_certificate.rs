//! Certificates of clients: who vouches for them, and what is read out of them.

use std::{sync::Arc, time::SystemTime};

use rustls::{
    pki_types::{CertificateDer, UnixTime},
    server::danger::ClientCertVerifier,
};

/// Whom the TLS listeners believe about clients.
#[derive(Debug)]
pub struct ClientAuthorities {
    /// Verifies a chain against the authorities and their revocation lists, and asks clients for one.
    pub verifier: Arc<dyn ClientCertVerifier>,
    /// Whether a client without a certificate is turned away in the handshake.
    pub required: bool,
    /// What becomes of a client whose certificate does not hold.
    pub invalid: InvalidCertificate,
    /// Of all this: a session that was begun under other terms is not resumed.
    pub digest: [u8; 32],
}

impl ClientAuthorities {
    /// Whether a chain, leaf first, holds now.
    ///
    /// # Errors
    /// Why it does not.
    pub fn verify(&self, chain: &[CertificateDer<'_>], now: SystemTime) -> Result<(), rustls::Error> {
        let (leaf, intermediates) = chain.split_first().ok_or(rustls::Error::NoCertificatesPresented)?;
        let since = now.duration_since(SystemTime::UNIX_EPOCH).unwrap_or_default();
        self.verifier.verify_client_cert(leaf, intermediates, UnixTime::since_unix_epoch(since)).map(drop)
    }
}

/// What becomes of a client whose certificate does not hold.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum InvalidCertificate {
    /// The handshake fails.
    Refuse,
    /// The handshake succeeds; providers that read the certificate reject it.
    Anonymous,
}

/// How a certificate says who the client is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct ClientCertificateSettings {
    /// Where the certificate is.
    pub from: CertificateSource,
    /// The SPIFFE trust domain that it must be of.
    pub trust_domain: Option<String>,
}

/// Where a client's certificate is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum CertificateSource {
    /// On the connection itself.
    Listener,
    /// In the `X-Forwarded-Client-Cert` of a trusted proxy, which ended the client's TLS.
    Forwarded,
}
