//! Clients' certificates in the handshake.
//!
//! What a certificate says is read where callers are identified (`identity`), and its chain is verified there again: a
//! resumed session brings the certificate of its first handshake, which may have ended or been revoked since, and a
//! connection may outlive the policy that it was opened under. Here a client is only turned away at the door.

use std::{sync::Arc, time::SystemTime};

use rustls::{
    DigitallySignedStruct, DistinguishedName, Error, SignatureScheme,
    client::danger::HandshakeSignatureValid,
    pki_types::{CertificateDer, UnixTime},
    server::danger::{ClientCertVerified, ClientCertVerifier},
};

use crate::policy::set::{ClientAuthorities, InvalidCertificate};

/// What asks clients for a certificate.
pub(super) fn verifier(authorities: &ClientAuthorities) -> Arc<dyn ClientCertVerifier> {
    match authorities.invalid {
        InvalidCertificate::Refuse => authorities.verifier.clone(),
        InvalidCertificate::Anonymous => Arc::new(Lenient(authorities.verifier.clone())),
    }
}

/// Whether a resumed session may go on. Its certificate was verified when it began, and is no longer asked for.
pub(in crate::server) fn may_resume(
    authorities: &ClientAuthorities,
    chain: Option<&[CertificateDer<'_>]>,
    now: SystemTime,
) -> bool {
    match chain.filter(|chain| !chain.is_empty()) {
        None => !authorities.required,
        Some(_) if authorities.invalid == InvalidCertificate::Anonymous => true,
        Some(chain) => authorities.verify(chain, now).is_ok(),
    }
}

/// Takes any certificate whose key the client has; whether anybody vouches for it is asked later.
#[derive(Debug)]
struct Lenient(Arc<dyn ClientCertVerifier>);

impl ClientCertVerifier for Lenient {
    fn client_auth_mandatory(&self) -> bool {
        self.0.client_auth_mandatory()
    }

    fn root_hint_subjects(&self) -> &[DistinguishedName] {
        self.0.root_hint_subjects()
    }

    fn verify_client_cert(
        &self,
        _: &CertificateDer<'_>,
        _: &[CertificateDer<'_>],
        _: UnixTime,
    ) -> Result<ClientCertVerified, Error> {
        Ok(ClientCertVerified::assertion())
    }

    fn verify_tls12_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls12_signature(message, certificate, signature)
    }

    fn verify_tls13_signature(
        &self,
        message: &[u8],
        certificate: &CertificateDer<'_>,
        signature: &DigitallySignedStruct,
    ) -> Result<HandshakeSignatureValid, Error> {
        self.0.verify_tls13_signature(message, certificate, signature)
    }

    fn supported_verify_schemes(&self) -> Vec<SignatureScheme> {
        self.0.supported_verify_schemes()
    }
}
