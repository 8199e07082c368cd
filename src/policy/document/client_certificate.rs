//! Certificates of clients: who may issue them, and what an identity provider reads out of them.

use serde::Deserialize;

use super::Texts;

/// `gateway.listen.client_certificates`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientCertificatesDocument {
    /// PEM file(s) of the authorities whose certificates count. Mandatory.
    pub(crate) ca: Option<Texts>,
    /// PEM file(s) of revocation lists. Default: none is looked at.
    pub(crate) crl: Option<Texts>,
    /// Whether a client without a certificate is turned away in the handshake. Default: false.
    pub(crate) required: Option<bool>,
    /// What becomes of a client whose certificate does not hold: `refuse` or `anonymous`. Default: `refuse`.
    pub(crate) invalid: Option<String>,
}

/// `client_certificate`
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct ClientCertificateDocument {
    /// `listener`, or `xfcc` for what a trusted proxy says in `X-Forwarded-Client-Cert`. Default: `listener`.
    pub(crate) from: Option<String>,
    /// The SPIFFE trust domain that the certificate must be of. Default: any certificate of the authorities.
    pub(crate) trust_domain: Option<String>,
}
