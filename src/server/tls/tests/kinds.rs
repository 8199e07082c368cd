//! Kinds of keys: each is served in both versions, and of several for one name a client gets what it can verify.

use rcgen::{
    KeyPair, PKCS_ECDSA_P256_SHA256, PKCS_ECDSA_P384_SHA384, PKCS_ED25519, PKCS_RSA_SHA256, RsaKeySize,
};
use rustls::{
    RootCertStore, SignatureAlgorithm,
    version::{TLS12, TLS13},
};

use super::*;

fn made(pair: KeyPair) -> Certificate {
    let names = vec!["a.fr".to_owned()];
    let made = rcgen::CertificateParams::new(names.clone()).unwrap().self_signed(&pair).unwrap();
    let key = rustls::pki_types::PrivateKeyDer::try_from(pair.serialize_der()).unwrap();
    let key = crate::secret::Sensitive::new(Arc::new(key));
    Certificate { names, chain: vec![made.der().clone()], key, expires: SystemTime::UNIX_EPOCH }
}

fn ecdsa() -> Certificate {
    made(KeyPair::generate_for(&PKCS_ECDSA_P256_SHA256).unwrap())
}

fn ed25519() -> Certificate {
    made(KeyPair::generate_for(&PKCS_ED25519).unwrap())
}

fn rsa(size: RsaKeySize) -> Certificate {
    made(KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, size).unwrap())
}

#[test]
fn every_kind_of_key_is_served_in_both_versions() {
    for (kind, certificate) in [
        ("P-256", ecdsa()),
        ("P-384", made(KeyPair::generate_for(&PKCS_ECDSA_P384_SHA384).unwrap())),
        ("Ed25519", ed25519()),
        ("RSA 2048", rsa(RsaKeySize::_2048)),
        ("RSA 3072", rsa(RsaKeySize::_3072)),
    ] {
        // A client that verifies: the certificate as its only root.
        let mut roots = RootCertStore::empty();
        roots.add(certificate.chain[0].clone()).unwrap();
        let roots = Arc::new(roots);
        let server = served(&[certificate]);
        for version in [&TLS13, &TLS12] {
            let client = ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
                .with_protocol_versions(&[version])
                .unwrap()
                .with_root_certificates(Arc::clone(&roots))
                .with_no_client_auth();
            let (_, server) = shake(&Arc::new(client), &server, "a.fr").expect(kind);
            assert_eq!(server.protocol_version(), Some(version.version), "{kind}");
        }
    }
}

/// A client of one version that can verify these signatures, and offers the suites of this kind of key (TLS 1.2).
fn able(
    version: &'static rustls::SupportedProtocolVersion,
    schemes: &[SignatureScheme],
    suites: Option<SignatureAlgorithm>,
) -> Arc<ClientConfig> {
    let mut provider = aws_lc_rs::default_provider();
    provider.cipher_suites.retain(|suite| {
        suite.version() == version && suites.is_none_or(|kind| suite.usable_for_signature_algorithm(kind))
    });
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[version])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Only(schemes.to_vec())))
        .with_no_client_auth();
    client.resumption = rustls::client::Resumption::disabled();
    Arc::new(client)
}

#[test]
fn of_several_kinds_for_one_name_the_client_gets_what_it_can_verify() {
    use SignatureScheme::{
        ECDSA_NISTP256_SHA256 as ECDSA, ED25519, RSA_PKCS1_SHA256 as PKCS1, RSA_PSS_SHA256 as PSS,
    };
    let certificates = [ed25519(), ecdsa(), rsa(RsaKeySize::_2048)];
    let server = served(&certificates);
    for (version, schemes, suites, expected) in [
        (&TLS13, &[ECDSA, ED25519, PSS][..], None, 0),
        (&TLS13, &[PSS, ECDSA], None, 1),
        (&TLS13, &[ECDSA], None, 1),
        (&TLS13, &[PSS], None, 2),
        (&TLS12, &[ECDSA, ED25519, PSS, PKCS1], None, 0),
        (&TLS12, &[ECDSA, PKCS1], None, 1),
        (&TLS12, &[PKCS1], None, 2),
        (&TLS12, &[PSS], None, 2),
        // What it could verify counts only under a suite for it.
        (&TLS12, &[ECDSA, ED25519, PSS, PKCS1], Some(SignatureAlgorithm::RSA), 2),
    ] {
        // Unknown names get the first certificate, and what stands by for it.
        for name in ["a.fr", "unknown.org"] {
            let (client, _) = shake(&able(version, schemes, suites), &server, name).unwrap();
            let shown = &client.peer_certificates().unwrap()[0];
            assert_eq!(*shown, certificates[expected].chain[0], "{version:?} {schemes:?}");
        }
    }
    let none = shake(&able(&TLS13, &[SignatureScheme::ECDSA_NISTP384_SHA384], None), &server, "a.fr");
    assert!(matches!(none, Err(rustls::Error::PeerIncompatible(_))), "{none:?}");
}
