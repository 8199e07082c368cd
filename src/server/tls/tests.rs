use std::io::Read;

use rustls::{
    ClientConfig, ClientConnection, HandshakeKind, ServerConnection, SignatureScheme, pki_types::ServerName,
};

use super::*;
use crate::server::tests::{certificate, trusting_client};

mod hello;
mod kinds;
mod renegotiation;
mod resumption;

/// A handshake in memory; the error is the server's.
fn shake(
    client: &Arc<ClientConfig>,
    server: &Arc<ServerConfig>,
    name: &str,
) -> Result<(ClientConnection, ServerConnection), rustls::Error> {
    let name = ServerName::try_from(name.to_owned()).unwrap();
    let mut client = ClientConnection::new(client.clone(), name).unwrap();
    let mut server = ServerConnection::new(server.clone()).unwrap();
    while client.is_handshaking() || server.is_handshaking() || server.wants_write() {
        let mut wire = Vec::new();
        while client.wants_write() {
            client.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            server.read_tls(&mut wire).unwrap();
            server.process_new_packets()?;
        }
        let mut wire = Vec::new();
        while server.wants_write() {
            server.write_tls(&mut wire).unwrap();
        }
        let mut wire = wire.as_slice();
        while !wire.is_empty() {
            client.read_tls(&mut wire).unwrap();
            client.process_new_packets()?;
        }
    }
    Ok((client, server))
}

fn served(certificates: &[Certificate]) -> Arc<ServerConfig> {
    server_config(certificates, None, &Tickets::new().unwrap(), &[]).unwrap()
}

#[test]
fn certificates_are_chosen_by_name() {
    let certificates = [
        certificate(&["a.example.fr"]),
        certificate(&["b.example.fr", "*.example.fr"]),
        certificate(&["c.fr"]),
    ];
    let server = served(&certificates);
    let client = Arc::new(trusting_client());
    for (name, expected) in [
        ("a.example.fr", 0),
        ("b.example.fr", 1),
        ("z.example.fr", 1),
        ("A.EXAMPLE.FR", 0),
        ("c.fr", 2),
        ("unknown.org", 0),
        // A wildcard stands for one label, and not for none.
        ("y.z.example.fr", 0),
        ("example.fr", 0),
        // An address sends no name.
        ("192.0.2.1", 0),
    ] {
        let (client, _) = shake(&client, &server, name).unwrap();
        let leaf = &client.peer_certificates().unwrap()[0];
        assert_eq!(*leaf, certificates[expected].chain[0], "{name}");
    }
}

#[test]
fn only_forward_secret_authenticated_suites_are_offered() {
    for suite in provider().cipher_suites {
        let name = format!("{:?}", suite.suite());
        assert!(name.starts_with("TLS13_") || name.starts_with("TLS_ECDHE_"), "{name}");
        assert!(name.contains("GCM") || name.contains("POLY1305"), "{name}");
    }
}

#[test]
fn tls_1_3_with_the_hybrid_group_is_preferred() {
    let server = served(&[certificate(&["a.fr"])]);
    let (_, server) = shake(&Arc::new(trusting_client()), &server, "a.fr").unwrap();
    assert_eq!(server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_3));
    let group = server.negotiated_key_exchange_group().unwrap().name();
    assert_eq!(group, rustls::NamedGroup::X25519MLKEM768);
    assert!(server.negotiated_cipher_suite().is_some());
}

#[test]
fn tls_1_2_is_served() {
    let server = served(&[certificate(&["a.fr"])]);
    let (_, server) = shake(&Arc::new(tls12_client()), &server, "a.fr").unwrap();
    assert_eq!(server.protocol_version(), Some(rustls::ProtocolVersion::TLSv1_2));
}

#[test]
fn early_data_is_never_accepted() {
    let mut client = trusting_client();
    client.enable_early_data = true;
    let client = Arc::new(client);
    let server = served(&[certificate(&["a.fr"])]);
    for _ in 0..2 {
        let (mut client, mut server) = shake(&client, &server, "a.fr").unwrap();
        assert!(!client.is_early_data_accepted());
        assert!(server.early_data().is_none_or(|mut data| data.read(&mut [0; 8]).unwrap_or(0) == 0));
        client.send_close_notify();
    }
}

#[test]
fn a_key_of_another_certificate_is_refused() {
    let mut broken = certificate(&["a.fr"]);
    broken.key = certificate(&["a.fr"]).key;
    let refused = server_config(&[certificate(&["b.fr"]), broken], None, &Tickets::new().unwrap(), &[]);
    assert!(matches!(refused, Err(TlsError::Certificate { name, .. }) if name == "a.fr"));
}

#[test]
fn no_certificate_is_refused() {
    assert!(matches!(server_config(&[], None, &Tickets::new().unwrap(), &[]), Err(TlsError::NoCertificate)));
}

fn tls12_client() -> ClientConfig {
    ClientConfig::builder_with_provider(Arc::new(aws_lc_rs::default_provider()))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Only(vec![SignatureScheme::ECDSA_NISTP256_SHA256])))
        .with_no_client_auth()
}

/// Trusts everybody, and can verify these signatures.
#[derive(Debug)]
struct Only(Vec<SignatureScheme>);

impl rustls::client::danger::ServerCertVerifier for Only {
    fn verify_server_cert(
        &self,
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &[rustls::pki_types::CertificateDer<'_>],
        _: &ServerName<'_>,
        _: &[u8],
        _: rustls::pki_types::UnixTime,
    ) -> Result<rustls::client::danger::ServerCertVerified, rustls::Error> {
        Ok(rustls::client::danger::ServerCertVerified::assertion())
    }
    fn verify_tls12_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn verify_tls13_signature(
        &self,
        _: &[u8],
        _: &rustls::pki_types::CertificateDer<'_>,
        _: &rustls::DigitallySignedStruct,
    ) -> Result<rustls::client::danger::HandshakeSignatureValid, rustls::Error> {
        Ok(rustls::client::danger::HandshakeSignatureValid::assertion())
    }
    fn supported_verify_schemes(&self) -> Vec<rustls::SignatureScheme> {
        self.0.clone()
    }
}
