//! Development certificates: an authority of its own and a server certificate for the loopback, made anew each time.
//! No private key of the authority is kept, so nothing else can ever be signed with it.

use rcgen::{BasicConstraints, CertificateParams, DnType, IsCa, Issuer, KeyPair, KeyUsagePurpose};

/// Names that the server certificate is good for.
pub const NAMES: [&str; 4] = ["localhost", "rempart.localhost", "127.0.0.1", "::1"];

/// What a TLS server and its clients need, in PEM.
#[derive(Debug)]
pub struct DevelopmentCertificates {
    /// The authority's certificate: what clients must trust (`curl --cacert`).
    pub authority: String,
    /// The server's chain.
    pub chain: String,
    /// The server's private key.
    pub key: crate::secret::Sensitive<String>,
}

/// Makes an authority and a server certificate for these names or addresses.
///
/// # Errors
/// Where the library cannot make a key or sign.
pub fn generate(names: &[&str]) -> Result<DevelopmentCertificates, rcgen::Error> {
    let authority_key = KeyPair::generate()?;
    let mut authority = CertificateParams::default();
    authority.distinguished_name.push(DnType::CommonName, "Rempart development authority");
    authority.is_ca = IsCa::Ca(BasicConstraints::Constrained(0));
    authority.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
    let authority_certificate = authority.self_signed(&authority_key)?;
    let issuer = Issuer::new(authority, authority_key);

    let key = KeyPair::generate()?;
    let mut server = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>())?;
    server.distinguished_name.push(DnType::CommonName, names.first().copied().unwrap_or("localhost"));
    server.use_authority_key_identifier_extension = true;
    let chain = server.signed_by(&key, &issuer)?;
    Ok(DevelopmentCertificates {
        authority: authority_certificate.pem(),
        chain: chain.pem(),
        key: key.serialize_pem().into(),
    })
}

#[cfg(test)]
mod tests {
    use rustls::pki_types::{CertificateDer, pem::PemObject};

    use super::*;

    #[test]
    fn the_chain_is_signed_by_the_authority_for_its_names() {
        let made = generate(&NAMES).unwrap();
        let mut roots = rustls::RootCertStore::empty();
        roots.add(CertificateDer::from_pem_slice(made.authority.as_bytes()).unwrap()).unwrap();
        let verifier = rustls::client::WebPkiServerVerifier::builder_with_provider(
            roots.into(),
            rustls::crypto::aws_lc_rs::default_provider().into(),
        )
        .build()
        .unwrap();
        let leaf = CertificateDer::from_pem_slice(made.chain.as_bytes()).unwrap();
        use rustls::client::danger::ServerCertVerifier;
        for name in NAMES {
            verifier
                .verify_server_cert(
                    &leaf,
                    &[],
                    &name.try_into().unwrap(),
                    &[],
                    rustls::pki_types::UnixTime::now(),
                )
                .unwrap();
        }
        assert!(
            verifier
                .verify_server_cert(
                    &leaf,
                    &[],
                    &"other.example".try_into().unwrap(),
                    &[],
                    rustls::pki_types::UnixTime::now()
                )
                .is_err()
        );
    }
}
