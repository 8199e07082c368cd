//! A second handshake on a connection of TLS 1.2 (RFC 5246 7.4.1.1), which no library of ours would ask for.

use ::aws_lc_rs::aead;
use rustls::{CipherSuite, ConnectionTrafficSecrets};

use super::*;

const HANDSHAKE: u8 = 0x16;
const ALERT: u8 = 0x15;
const DATA: u8 = 0x17;

/// One direction of a connection under ChaCha20-Poly1305 (RFC 7905 section 2).
struct Direction {
    key: aead::LessSafeKey,
    iv: [u8; 12],
    sequence: u64,
}

impl Direction {
    fn new((sequence, secrets): (u64, ConnectionTrafficSecrets)) -> Self {
        let ConnectionTrafficSecrets::Chacha20Poly1305 { key, iv } = secrets else { panic!("another suite") };
        let key = aead::UnboundKey::new(&aead::CHACHA20_POLY1305, key.as_ref()).unwrap();
        Self { key: aead::LessSafeKey::new(key), iv: iv.as_ref().try_into().unwrap(), sequence }
    }

    fn next(&mut self, kind: u8, length: usize) -> (aead::Nonce, [u8; 13]) {
        let mut nonce = self.iv;
        let sequence = self.sequence.to_be_bytes();
        nonce[4..].iter_mut().zip(sequence).for_each(|(byte, other)| *byte ^= other);
        let mut head = [0; 13];
        head[..8].copy_from_slice(&sequence);
        head[8..11].copy_from_slice(&[kind, 3, 3]);
        head[11..].copy_from_slice(&u16::try_from(length).unwrap().to_be_bytes());
        self.sequence += 1;
        (aead::Nonce::assume_unique_for_key(nonce), head)
    }

    fn seal(&mut self, kind: u8, message: &[u8]) -> Vec<u8> {
        let (nonce, head) = self.next(kind, message.len());
        let mut sealed = message.to_vec();
        self.key.seal_in_place_append_tag(nonce, aead::Aad::from(head), &mut sealed).unwrap();
        [&[kind, 3, 3], &u16::try_from(sealed.len()).unwrap().to_be_bytes()[..], &sealed].concat()
    }

    /// The first record of these bytes: its kind and what it says.
    fn open(&mut self, bytes: &[u8]) -> (u8, Vec<u8>) {
        let length = usize::from(u16::from_be_bytes([bytes[3], bytes[4]]));
        let mut sealed = bytes[5..5 + length].to_vec();
        let (nonce, head) = self.next(bytes[0], length - 16);
        let opened = self.key.open_in_place(nonce, aead::Aad::from(head), &mut sealed).unwrap();
        (bytes[0], opened.to_vec())
    }
}

#[test]
fn a_second_handshake_is_refused() {
    let mut provider = aws_lc_rs::default_provider();
    provider
        .cipher_suites
        .retain(|suite| suite.suite() == CipherSuite::TLS_ECDHE_ECDSA_WITH_CHACHA20_POLY1305_SHA256);
    let mut client = ClientConfig::builder_with_provider(Arc::new(provider))
        .with_protocol_versions(&[&rustls::version::TLS12])
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Only(vec![SignatureScheme::ECDSA_NISTP256_SHA256])))
        .with_no_client_auth();
    client.enable_secret_extraction = true;
    let (client, mut server) = shake(&Arc::new(client), &served(&[certificate(&["a.fr"])]), "a.fr").unwrap();
    let secrets = client.dangerous_extract_secrets().unwrap();
    let (mut to, mut from) = (Direction::new(secrets.tx), Direction::new(secrets.rx));

    let hello = hello::Hello::new().message();
    server.read_tls(&mut to.seal(HANDSHAKE, &hello).as_slice()).unwrap();
    server.process_new_packets().unwrap();
    let mut answer = Vec::new();
    server.write_tls(&mut answer).unwrap();
    // A warning, no_renegotiation (RFC 5246 7.2.2), and what was agreed on goes on.
    assert_eq!(from.open(&answer), (ALERT, vec![1, 100]));
    server.read_tls(&mut to.seal(DATA, b"GET /").as_slice()).unwrap();
    server.process_new_packets().unwrap();
    let mut data = [0; 5];
    server.reader().read_exact(&mut data).unwrap();
    assert_eq!(data, *b"GET /");
    // Who insists is let go: no flood of refusals.
    let insists = (0..10).any(|_| {
        server.read_tls(&mut to.seal(HANDSHAKE, &hello).as_slice()).unwrap();
        server.process_new_packets().is_err()
    });
    assert!(insists);
}
