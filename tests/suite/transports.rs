//! How the platform is reached: over TLS that asks who comes, by what both sides agree to speak, and over Unix sockets.

use std::{
    io::{Read as _, Write as _},
    os::unix::net::UnixListener,
    sync::Arc,
    time::{Duration, SystemTime},
};

use base64::{Engine as _, prelude::BASE64_STANDARD};
use rempart::demo::certificates;
use rustls::{
    RootCertStore, ServerConfig,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

use crate::support::{
    authority::{Authority, Shown},
    client::{Ask, Client, Version, read_all},
    folder::{HOST, PLAIN_ROUTE, PolicyFolder},
    gateway::Gateway,
    multiplexed::{Multiplexed, Order, Terms},
    school::stop,
    tokens::Tokens,
};

/// A platform that asks for certificates, and what is needed to reach it.
struct Guarded {
    upstream: Multiplexed,
    authority: Authority,
    roots: String,
}

impl Guarded {
    fn start(protocols: &[&[u8]]) -> Self {
        let authority = Authority::new();
        let made = certificates::generate(&["platform.test"]).unwrap();
        let chain = CertificateDer::pem_slice_iter(made.chain.as_bytes()).map(Result::unwrap).collect();
        let key = PrivateKeyDer::from_pem_slice(made.key.expose().as_bytes()).unwrap();
        let mut clients = RootCertStore::empty();
        clients.add(CertificateDer::from_pem_slice(authority.pem.as_bytes()).unwrap()).unwrap();
        let provider = Arc::new(aws_lc_rs::default_provider());
        let verifier = WebPkiClientVerifier::builder_with_provider(clients.into(), Arc::clone(&provider));
        let mut config = ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_client_cert_verifier(verifier.build().unwrap())
            .with_single_cert(chain, key)
            .unwrap();
        config.alpn_protocols = protocols.iter().map(|name| name.to_vec()).collect();
        let terms = Terms { tls: Some(Arc::new(config)), ..Terms::default() };
        let upstream = Multiplexed::start(terms, |call| async move {
            if call.request.uri().path() == "/last" {
                call.order.send(Order::GoAway).unwrap();
            }
            call.reply(200, &[], "two");
        });
        Self { upstream, authority, roots: made.authority }
    }

    fn certificate(&self, serial: u64) -> Shown {
        let ends = SystemTime::now() + Duration::from_secs(90 * 86_400);
        self.authority.sign("/gateway", "gateway", "edge", serial, ends)
    }

    /// A gateway in front of it, which shows a certificate if there is one.
    fn gateway(&self, protocol: &str, shown: Option<&Shown>) -> (Gateway, Client) {
        let address = self.upstream.address;
        let folder = PolicyFolder::new(address, &Tokens::new())
            .routes("plain", &format!("{PLAIN_ROUTE}    websocket: {}\n", protocol != "http2"));
        let root = folder.root().display().to_string();
        std::fs::write(folder.root().join("roots.pem"), &self.roots).unwrap();
        let mut tls = format!("ca: \"{root}/roots.pem\", server_name: platform.test");
        if let Some(shown) = shown {
            write(&folder, shown);
            tls.push_str(&format!(", certificate: \"{root}/own.pem\", key: \"{root}/own.key\""));
        }
        folder.replace(
            "gateway.yaml",
            &format!("endpoints: \"http://{address}\""),
            &format!("endpoints: \"https://{address}\", protocol: {protocol}, tls: {{ {tls} }}"),
        );
        let gateway = Gateway::start(folder);
        let client = Client::new(&gateway);
        (gateway, client)
    }
}

fn write(folder: &PolicyFolder, shown: &Shown) {
    let pem = |label: &str, der: &[u8]| {
        format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", BASE64_STANDARD.encode(der))
    };
    std::fs::write(folder.root().join("own.pem"), pem("CERTIFICATE", &shown.chain[0])).unwrap();
    std::fs::write(folder.root().join("own.key"), pem("PRIVATE KEY", shown.key().secret_der())).unwrap();
}

#[tokio::test]
async fn the_gateway_shows_its_certificate_and_both_sides_agree_on_what_they_speak() {
    const BOTH: [&[u8]; 2] = [b"h2", b"http/1.1"];
    for (protocols, protocol, agreed, body) in [
        (&BOTH[..], "http1", &b"http/1.1"[..], "one"),
        (&BOTH[..], "http2", b"h2", "two"),
        (&BOTH[..], "auto", b"h2", "two"),
        (&BOTH[1..], "auto", b"http/1.1", "one"),
    ] {
        let guarded = Guarded::start(protocols);
        let shown = guarded.certificate(1);
        let (gateway, client) = guarded.gateway(protocol, Some(&shown));
        // Many at once, over both workers: where one connection is enough for all of a worker, one is opened.
        let asked: Vec<_> = (0..8)
            .map(|place| {
                let client = client.clone();
                let version = if place % 2 == 0 { Version::H1 } else { Version::H2 };
                tokio::spawn(async move { client.connect(version).await.send(&Ask::get("/")).await })
            })
            .collect();
        for reply in asked {
            let reply = reply.await.unwrap();
            assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, body), "{protocol}");
        }
        let handshakes = guarded.upstream.handshakes();
        assert!(agreed != b"h2" || handshakes.len() <= 2, "{protocol}: {}", handshakes.len());
        for handshake in &handshakes {
            assert_eq!(
                (&handshake.protocol[..], handshake.shown.as_ref()),
                (agreed, Some(&shown.chain[0])),
                "{protocol}"
            );
        }
        stop(gateway).await;
    }
}

#[tokio::test]
async fn sessions_resume_and_a_new_certificate_is_taken_up() {
    let guarded = Guarded::start(&[b"h2"]);
    let (first, second) = (guarded.certificate(1), guarded.certificate(2));
    let (gateway, client) = guarded.gateway("http2", Some(&first));
    // Each connection ends soon after its first exchange.
    let mut handshakes = Vec::new();
    for _ in 0..100 {
        assert_eq!(client.send(&Ask::get("/last")).await.status, 200);
        handshakes = guarded.upstream.handshakes();
        if handshakes.len() >= 3 {
            break;
        }
    }
    assert!(!handshakes[0].is_resumed && handshakes[2].is_resumed, "{handshakes:?}");
    write(&gateway.folder, &second);
    assert_eq!(gateway.reload()["event"], "policy_loaded");
    assert_eq!(client.send(&Ask::get("/")).await.status, 200);
    let last = guarded.upstream.handshakes().pop().unwrap();
    assert!(!last.is_resumed, "a session of the old certificate is not the new one's");
    assert_eq!(last.shown.as_ref(), Some(&second.chain[0]));
    // A pair that does not fit is refused, and the last good one goes on.
    std::fs::write(gateway.folder.root().join("own.key"), "nothing").unwrap();
    assert_eq!(gateway.reload()["event"], "policy_refused");
    assert_eq!(client.send(&Ask::get("/")).await.status, 200);
    stop(gateway).await;
}

#[tokio::test]
async fn who_cannot_be_trusted_is_not_spoken_to() {
    let guarded = Guarded::start(&[b"h2", b"http/1.1"]);
    for protocol in ["http1", "http2"] {
        let (gateway, client) = guarded.gateway(protocol, None);
        assert_eq!(client.send(&Ask::get("/")).await.status, 502, "{protocol} without a certificate");
        stop(gateway).await;
    }
    let stranger = Guarded { roots: Guarded::start(&[]).roots, ..guarded };
    let shown = stranger.certificate(1);
    let (gateway, client) = stranger.gateway("http2", Some(&shown));
    assert_eq!(client.send(&Ask::get("/")).await.status, 502);
    assert_eq!(gateway.metric("rempart_upstream_errors_total", &[("kind", "tls")]), 1.0);
    stop(gateway).await;
    // HTTP/2 is never assumed where TLS could have agreed on it.
    let old = Guarded::start(&[b"http/1.1"]);
    let (gateway, client) = old.gateway("http2", Some(&old.certificate(1)));
    assert_eq!(client.send(&Ask::get("/")).await.status, 502);
    stop(gateway).await;
}

#[tokio::test]
async fn a_websocket_finds_http1_beside_http2() {
    let guarded = Guarded::start(&[b"h2", b"http/1.1"]);
    let (gateway, client) = guarded.gateway("auto", Some(&guarded.certificate(1)));
    assert_eq!(client.send(&Ask::get("/")).await.text(), "two");
    let mut stream = client.handshake(client.tls(&[b"http/1.1"])).await.unwrap();
    let request = format!(
        "GET /socket HTTP/1.1\r\nHost: {HOST}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
         Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
    );
    stream.write_all(request.as_bytes()).await.unwrap();
    let mut head = Vec::new();
    while !head.ends_with(b"\r\n\r\n") {
        head.push(stream.read_u8().await.unwrap());
    }
    assert!(head.starts_with(b"HTTP/1.1 101 "), "{}", String::from_utf8_lossy(&head));
    let frame = [0x81, 0x82, 1, 2, 3, 4, b'h' ^ 1, b'i' ^ 2];
    stream.write_all(&frame).await.unwrap();
    assert_eq!(read_all(&mut stream, Duration::from_millis(300)).await.0, frame);
    assert_eq!(client.send(&Ask::get("/")).await.text(), "two");
    let spoken: Vec<_> = guarded.upstream.handshakes().into_iter().map(|one| one.protocol).collect();
    assert!(spoken.contains(&b"h2".to_vec()) && spoken.contains(&b"http/1.1".to_vec()), "{spoken:?}");
    drop(stream);
    stop(gateway).await;
}

#[tokio::test]
async fn a_platform_may_listen_on_a_socket() {
    let folder =
        PolicyFolder::new(Multiplexed::start(Terms::default(), |_| async {}).address, &Tokens::new());
    let root = folder.root().to_owned();
    let listener = UnixListener::bind(root.join("one.sock")).unwrap();
    std::thread::spawn(move || {
        for stream in listener.incoming() {
            let mut stream = stream.unwrap();
            std::thread::spawn(move || {
                let mut head = [0; 4096];
                while let Ok(read @ 1..) = stream.read(&mut head) {
                    let text = String::from_utf8_lossy(&head[..read]).into_owned();
                    let host = text.lines().find_map(|line| line.strip_prefix("host: ")).unwrap();
                    let answer = format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\n\r\n{host}", host.len());
                    stream.write_all(answer.as_bytes()).unwrap();
                }
            });
        }
    });
    let terms = Terms { socket: Some(root.join("two.sock")), ..Terms::default() };
    let upstream = Multiplexed::start(terms, |call| async move {
        let authority = call.request.uri().authority().unwrap().to_string();
        call.reply(200, &[], authority);
    });
    let yaml = folder.read("gateway.yaml");
    let line = yaml.lines().find(|line| line.contains("endpoints")).unwrap().to_owned();
    let one = |name: &str, rest: &str| {
        format!("    school: {{ endpoints: \"unix:{}/{name}.sock\"{rest} }}", root.display())
    };
    folder.replace("gateway.yaml", &line, &one("one", ""));
    let gateway = Gateway::start(folder.routes("plain", PLAIN_ROUTE));
    let client = Client::new(&gateway);
    assert_eq!(client.send(&Ask::get("/")).await.text(), HOST);
    let mut last = one("one", "");
    for (name, rest, expected) in [
        ("one", ", host: endpoint", "localhost"),
        ("two", ", protocol: http2", HOST),
        ("two", ", protocol: http2, host: endpoint", "localhost"),
    ] {
        let next = one(name, rest);
        gateway.folder.replace("gateway.yaml", &last, &next);
        assert_eq!(gateway.reload()["event"], "policy_loaded");
        let reply = client.send(&Ask::get("/")).await;
        assert_eq!((reply.status.as_u16(), reply.text().as_str()), (200, expected), "{name} {rest}");
        last = next;
    }
    assert_eq!(upstream.requests().len(), 2);
    gateway.folder.replace("gateway.yaml", &last, &one("three", ""));
    gateway.reload();
    assert_eq!(client.send(&Ask::get("/")).await.status, 502);
    stop(gateway).await;
}
