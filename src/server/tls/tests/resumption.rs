//! Sessions that go on: across reloads, replicas and restarts, and those that must not.

use rustls::server::ProducesTickets;

use super::*;

#[test]
fn sessions_resume_across_a_reload() {
    let tickets = Tickets::new().unwrap();
    let certificates = [certificate(&["a.fr"])];
    for client in [trusting_client(), tls12_client()] {
        let client = Arc::new(client);
        let first = server_config(&certificates, None, &tickets, &[]).unwrap();
        let (_, server) = shake(&client, &first, "a.fr").unwrap();
        assert_eq!(server.handshake_kind(), Some(HandshakeKind::Full));
        let reloaded = server_config(&certificates, None, &tickets, &[]).unwrap();
        let (_, server) = shake(&client, &reloaded, "a.fr").unwrap();
        let version = server.protocol_version();
        let resumed = matches!(server.handshake_kind(), Some(HandshakeKind::Resumed));
        assert!(resumed, "{version:?} {:?}", server.handshake_kind());
    }
}

fn key(seed: u8) -> TicketKey {
    TicketKey::new(vec![seed; 32].into())
}

/// A process of its own that knows these shared keys.
fn replica(certificate: &[Certificate], seeds: &[u8]) -> Arc<ServerConfig> {
    let keys: Vec<_> = seeds.iter().copied().map(key).collect();
    server_config(certificate, None, &Tickets::new().unwrap(), &keys).unwrap()
}

fn kind(client: &Arc<ClientConfig>, server: &Arc<ServerConfig>) -> HandshakeKind {
    let (_, server) = shake(client, server, "a.fr").unwrap();
    match server.handshake_kind().unwrap() {
        // Which group the client guessed is another matter.
        HandshakeKind::FullWithHelloRetryRequest => HandshakeKind::Full,
        kind => kind,
    }
}

fn clients() -> [Arc<ClientConfig>; 2] {
    [Arc::new(trusting_client()), Arc::new(tls12_client())]
}

#[test]
fn replicas_that_share_keys_share_sessions() {
    let certificate = [certificate(&["a.fr"])];
    let replica = |seeds: &[u8]| super::resumption::replica(&certificate, seeds);
    for client in clients() {
        assert_eq!(kind(&client, &replica(&[1])), HandshakeKind::Full);
        // Another one, one that was restarted, one whose file was rotated already.
        for seeds in [&[1][..], &[1], &[2, 1]] {
            assert_eq!(kind(&client, &replica(seeds)), HandshakeKind::Resumed, "{seeds:?}");
        }
        // The last of them sealed the new ticket with its first key: the old one may go.
        assert_eq!(kind(&client, &replica(&[3, 2])), HandshakeKind::Resumed);
        assert_eq!(kind(&client, &replica(&[2])), HandshakeKind::Full, "its key was taken away");
        assert_eq!(kind(&client, &replica(&[])), HandshakeKind::Full, "keys of its own");
        assert_eq!(kind(&client, &replica(&[])), HandshakeKind::Full, "nobody else's");
    }
}

#[derive(Debug)]
struct Garbles(Arc<dyn ProducesTickets>);

impl ProducesTickets for Garbles {
    fn enabled(&self) -> bool {
        true
    }
    fn lifetime(&self) -> u32 {
        self.0.lifetime()
    }
    fn encrypt(&self, plain: &[u8]) -> Option<Vec<u8>> {
        let mut ticket = self.0.encrypt(plain)?;
        *ticket.last_mut()? ^= 1;
        Some(ticket)
    }
    fn decrypt(&self, _: &[u8]) -> Option<Vec<u8>> {
        None
    }
}

#[test]
fn a_garbled_ticket_costs_a_full_handshake_and_no_more() {
    let server = replica(&[certificate(&["a.fr"])], &[1]);
    let mut garbling = ServerConfig::clone(&server);
    garbling.ticketer = Arc::new(Garbles(server.ticketer.clone()));
    let garbling = Arc::new(garbling);
    for client in clients() {
        assert_eq!(kind(&client, &garbling), HandshakeKind::Full);
        assert_eq!(kind(&client, &server), HandshakeKind::Full);
        assert_eq!(kind(&client, &server), HandshakeKind::Resumed);
    }
}

#[test]
fn other_terms_for_clients_begin_anew_under_the_same_keys() {
    use crate::policy::set::InvalidCertificate;
    let mut roots = rustls::RootCertStore::empty();
    roots.add(certificate(&["authority"]).chain.remove(0)).unwrap();
    let verifier = rustls::server::WebPkiClientVerifier::builder_with_provider(
        Arc::new(roots),
        Arc::new(aws_lc_rs::default_provider()),
    )
    .allow_unauthenticated()
    .build()
    .unwrap();
    let terms = |digest| {
        let invalid = InvalidCertificate::Refuse;
        ClientAuthorities { verifier: verifier.clone(), required: false, invalid, digest: [digest; 32] }
    };
    let certificate = [certificate(&["a.fr"])];
    let under = |digest| {
        let terms = terms(digest);
        server_config(&certificate, Some(&terms), &Tickets::new().unwrap(), &[key(1)]).unwrap()
    };
    for client in clients() {
        assert_eq!(kind(&client, &under(7)), HandshakeKind::Full);
        assert_eq!(kind(&client, &under(7)), HandshakeKind::Resumed);
        assert_eq!(kind(&client, &under(8)), HandshakeKind::Full);
        assert_eq!(kind(&client, &replica(&certificate, &[1])), HandshakeKind::Full);
        assert_eq!(kind(&client, &under(0)), HandshakeKind::Full);
    }
}
