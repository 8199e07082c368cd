//! TLS towards clients: versions, suites, certificates by server name, tickets.
//!
//! TLS 1.3 and 1.2 with ephemeral key exchange and authenticated encryption only (charter 6; ASVS 12.1). The hybrid
//! X25519MLKEM768 comes first. Clients are asked for a certificate where the policy says so (`tls/clients.rs`). Early data stays off: a replayed request is not one that the caller made.

use std::{collections::HashMap, sync::Arc, time::SystemTime};

use rustls::{
    ServerConfig,
    crypto::{CryptoProvider, aws_lc_rs},
    pki_types::CertificateDer,
    server::{ClientHello, ResolvesServerCert},
    sign::CertifiedKey,
};

mod clients;
mod tickets;

pub use tickets::Tickets;

use crate::policy::set::{Certificate, ClientAuthorities, TicketKey};

/// Why certificates cannot be served.
#[derive(Debug, thiserror::Error)]
pub enum TlsError {
    /// There is none.
    #[error("a TLS listener needs a certificate")]
    NoCertificate,
    /// A certificate and its key do not fit, or their kind is unknown.
    #[error("the certificate for {name} cannot be served")]
    Certificate {
        /// Its first server name.
        name: String,
        /// Why not.
        #[source]
        source: rustls::Error,
    },
    /// The library refused the rules, or had no randomness.
    #[error("the TLS library refused its settings")]
    Settings(#[from] rustls::Error),
}

/// How TLS is spoken with clients.
#[derive(Clone, Debug)]
pub struct Terms {
    /// The library's settings.
    pub config: Arc<ServerConfig>,
    clients: Option<Arc<ClientAuthorities>>,
}

impl Terms {
    /// Builds what serves `certificates`, and asks clients for theirs where there is somebody to believe. Sessions resume by
    /// `keys`, newest first, wherever these are known; without any, in this process alone.
    ///
    /// # Errors
    /// [`TlsError`] if there is none, or one that does not fit its key.
    pub fn new(
        certificates: &[Certificate],
        clients: Option<&Arc<ClientAuthorities>>,
        tickets: &Tickets,
        keys: &[TicketKey],
    ) -> Result<Self, TlsError> {
        let config = server_config(certificates, clients.map(|one| &**one), tickets, keys)?;
        Ok(Self { config, clients: clients.cloned() })
    }

    /// Whether a resumed session may go on, with the certificate of its first handshake.
    pub(super) fn may_resume(&self, chain: Option<&[CertificateDer<'_>]>) -> bool {
        let now = SystemTime::now();
        self.clients.as_ref().is_none_or(|authorities| clients::may_resume(authorities, chain, now))
    }
}

/// Whether a handshake failed over the client's certificate.
pub(super) fn concerns_certificate(error: &std::io::Error) -> bool {
    let error = error.get_ref().and_then(|error| error.downcast_ref::<rustls::Error>());
    matches!(error, Some(rustls::Error::InvalidCertificate(_) | rustls::Error::NoCertificatesPresented))
}

/// The rules and suites of this gateway, in the order they are preferred.
fn provider() -> CryptoProvider {
    use aws_lc_rs::{cipher_suite as suite, kx_group as group};
    CryptoProvider {
        cipher_suites: vec![
            suite::TLS13_AES_256_GCM_SHA384,
            suite::TLS13_AES_128_GCM_SHA256,
            suite::TLS13_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_ECDSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256,
            suite::TLS_ECDHE_RSA_WITH_AES_256_GCM_SHA384,
            suite::TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256,
            suite::TLS_ECDHE_RSA_WITH_CHACHA20_POLY1305_SHA256,
        ],
        kx_groups: vec![group::X25519MLKEM768, group::X25519, group::SECP256R1, group::SECP384R1],
        ..aws_lc_rs::default_provider()
    }
}

fn server_config(
    certificates: &[Certificate],
    clients: Option<&ClientAuthorities>,
    tickets: &Tickets,
    keys: &[TicketKey],
) -> Result<Arc<ServerConfig>, TlsError> {
    let provider = Arc::new(provider());
    let resolver = ByName::new(certificates, &provider)?;
    let kept = tickets.under(clients.map(|authorities| authorities.digest), keys)?;
    let builder = ServerConfig::builder_with_provider(provider)
        .with_protocol_versions(&[&rustls::version::TLS13, &rustls::version::TLS12])?;
    let builder = match clients {
        None => builder.with_no_client_auth(),
        Some(authorities) => builder.with_client_cert_verifier(clients::verifier(authorities)),
    };
    let mut config = builder.with_cert_resolver(Arc::new(resolver));
    config.alpn_protocols = vec![b"h2".to_vec(), b"http/1.1".to_vec()];
    config.ticketer = kept.ticketer;
    config.session_storage = kept.sessions;
    config.max_early_data_size = 0;
    Ok(Arc::new(config))
}

/// Certificates by server name; of several for one name, the first whose key the client can verify.
#[derive(Debug)]
struct ByName {
    exact: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    /// By what follows the `*`, with its dot.
    wildcard: HashMap<Box<str>, Vec<Arc<CertifiedKey>>>,
    default: Vec<Arc<CertifiedKey>>,
}

impl ByName {
    fn new(certificates: &[Certificate], provider: &CryptoProvider) -> Result<Self, TlsError> {
        let mut this = Self { exact: HashMap::new(), wildcard: HashMap::new(), default: Vec::new() };
        for certificate in certificates {
            let key = CertifiedKey::from_der(
                certificate.chain.clone(),
                certificate.key.expose().clone_key(),
                provider,
            )
            .map_err(|source| TlsError::Certificate {
                name: certificate.names.first().cloned().unwrap_or_default(),
                source,
            })?;
            let key = Arc::new(key);
            for name in &certificate.names {
                let name = name.to_ascii_lowercase();
                match name.strip_prefix('*') {
                    Some(suffix) => this.wildcard.entry(suffix.into()).or_default().push(key.clone()),
                    None => this.exact.entry(name.into()).or_default().push(key.clone()),
                }
            }
            // Unknown names get the first certificate; one of another kind for the same names stands by.
            if certificates.first().is_some_and(|first| first.names == certificate.names) {
                this.default.push(key);
            }
        }
        if this.default.is_empty() { Err(TlsError::NoCertificate) } else { Ok(this) }
    }

    fn candidates(&self, name: Option<&str>) -> &[Arc<CertifiedKey>] {
        let Some(name) = name else { return &self.default };
        let by_wildcard = || self.wildcard.get(name.get(name.find('.')?..)?);
        self.exact.get(name).or_else(by_wildcard).unwrap_or(&self.default)
    }
}

impl ResolvesServerCert for ByName {
    fn resolve(&self, hello: ClientHello<'_>) -> Option<Arc<CertifiedKey>> {
        let name = hello.server_name().map(str::to_ascii_lowercase);
        let candidates = self.candidates(name.as_deref());
        candidates
            .iter()
            .find(|key| key.key.choose_scheme(hello.signature_schemes()).is_some())
            .or(candidates.first())
            .cloned()
    }
}

#[cfg(test)]
mod tests;
