//! The process as its operator meets it: checks, refusals to start, certificates, signals, probes.

use std::{net::TcpListener, sync::Arc, time::Duration};

use crate::support::{
    PATIENCE,
    client::{Ask, Client, Version, read_all},
    folder::{CHARTER, HOST, PLAIN_ROUTE, PolicyFolder},
    gateway::{Gateway, Signal, run},
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Step, Upstream},
    wait_for,
};
use rempart::demo::certificates;
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject as _},
};
use tokio::{io::AsyncWriteExt as _, net::TcpStream};
use tokio_rustls::{TlsConnector, client::TlsStream};

fn folder(upstream: &Upstream) -> PolicyFolder {
    PolicyFolder::new(upstream.address, &Tokens::new()).routes("plain", PLAIN_ROUTE)
}

fn ok() -> Upstream {
    Upstream::start(|_| Answer::new(200, &[("Content-Type", "text/css")], "ok"))
}

/// A handshake with a name of one's own, with these versions of TLS.
async fn handshake(
    gateway: &Gateway,
    authority: &str,
    name: &str,
    versions: &[&'static rustls::SupportedProtocolVersion],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.unwrap()).unwrap();
    }
    let config = ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(gateway.https).await?;
    let name = ServerName::try_from(name.to_owned()).unwrap();
    tokio::time::timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, socket)).await.unwrap()
}

#[test]
fn a_check_tells_every_mistake_at_once_and_where() {
    let upstream = ok();
    let folder = folder(&upstream);
    let path = folder.path().display().to_string();
    let sound = run(&["check", &path]);
    assert_eq!(sound.status.code(), Some(0), "{}", String::from_utf8_lossy(&sound.stdout));
    folder.write(
        "charter.yaml",
        &CHARTER.replace("otherwise: mask", "otherwise: maks").replace("version: 2025", "version: x2025"),
    );
    folder.replace("gateway.yaml", "workers: 2", "wokers: 2");
    folder.replace("routes/plain.yaml", "upstream: school", "upstream: scool");
    folder.write("routes/broken.yaml", "routes:\n  - name: [a\n");
    let refused = run(&["check", &path]);
    assert_eq!(refused.status.code(), Some(2));
    let text = String::from_utf8_lossy(&[refused.stdout, refused.stderr].concat()).into_owned();
    for part in [
        "charter.yaml:4:",
        "charter.yaml:12:",
        "gateway.yaml:",
        "wokers",
        "routes/plain.yaml:6:",
        "scool",
        "`school`",
        "routes/broken.yaml:",
        "maks",
    ] {
        assert!(text.contains(part), "no {part} in:\n{text}");
    }
    assert_eq!(run(&["check", "/no/such/folder"]).status.code(), Some(2));
}

#[test]
fn a_broken_policy_starts_nothing() {
    let upstream = ok();
    let folder = folder(&upstream);
    // Ports of its own, so that it can be seen that nobody listens.
    let ports: Vec<_> = (0..3).map(|_| TcpListener::bind("127.0.0.1:0").unwrap()).collect();
    let addresses: Vec<_> = ports.iter().map(|port| port.local_addr().unwrap()).collect();
    drop(ports);
    let any = r#"listen: { https: "127.0.0.1:0", http: "127.0.0.1:0", admin: "127.0.0.1:0" }"#;
    let [https, http, admin] = addresses[..] else { unreachable!() };
    folder.replace(
        "gateway.yaml",
        any,
        &format!(r#"listen: {{ https: "{https}", http: "{http}", admin: "{admin}" }}"#),
    );
    folder.write("routes/broken.yaml", "routes: [");
    let output = run(&["serve", "--policies", &folder.path().display().to_string()]);
    assert_eq!(output.status.code(), Some(2));
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(text.contains("routes/broken.yaml:1:"), "{text}");
    for address in addresses {
        drop(TcpListener::bind(address).expect("the port is free"));
    }
}

#[tokio::test]
async fn certificates_are_chosen_by_name_and_renewed_in_place() {
    let upstream = ok();
    let folder = folder(&upstream);
    let other = certificates::generate(&["other.example"]).unwrap();
    std::fs::write(folder.root().join("other.pem"), &other.chain).unwrap();
    std::fs::write(folder.root().join("other.key"), other.key.expose()).unwrap();
    let root = folder.root().display().to_string();
    let first = format!(
        "    - {{ names: [{HOST}, localhost], chain: \"{root}/server.pem\", key: \"{root}/server.key\" }}\n"
    );
    let second = format!(
        "    - {{ names: [other.example], chain: \"{root}/other.pem\", key: \"{root}/other.key\" }}\n"
    );
    folder.replace("gateway.yaml", &first, &format!("{first}{second}"));
    let gateway = Gateway::start(folder);
    let old = gateway.folder.authority();

    for versions in [&[&rustls::version::TLS13][..], &[&rustls::version::TLS12]] {
        for (authority, name, accepted) in
            [(&old, HOST, true), (&other.authority, "other.example", true), (&old, "other.example", false)]
        {
            let outcome = handshake(&gateway, authority, name, versions).await;
            assert_eq!(outcome.is_ok(), accepted, "{name} {versions:?}");
            if let Ok(stream) = outcome {
                let session = stream.get_ref().1;
                assert_eq!(session.protocol_version(), Some(versions[0].version));
                let suite = format!("{:?}", session.negotiated_cipher_suite().unwrap().suite());
                assert!(suite.starts_with("TLS13_") || suite.starts_with("TLS_ECDHE_"), "{suite}");
                assert!(suite.contains("GCM") || suite.contains("POLY1305"), "{suite}");
            }
        }
    }

    // A connection of the old certificate lives on; new ones get the new one.
    let client = Client::new(&gateway);
    let mut living = client.connect(Version::H2).await;
    assert_eq!(living.send(&Ask::get("/a")).await.status, 200);
    gateway.folder.renew_certificates();
    let new = gateway.folder.authority();
    let begun = std::time::Instant::now();
    while handshake(&gateway, &new, HOST, rustls::ALL_VERSIONS).await.is_err() {
        assert!(begun.elapsed() < PATIENCE, "the new certificate was not taken up");
    }
    assert!(handshake(&gateway, &old, HOST, rustls::ALL_VERSIONS).await.is_err());
    assert_eq!(living.send(&Ask::get("/a")).await.status, 200);
    // Half a renewal (a key that is not the certificate's) changes nothing.
    std::fs::write(gateway.folder.root().join("server.key"), other.key.expose()).unwrap();
    gateway.reload();
    assert!(handshake(&gateway, &new, HOST, rustls::ALL_VERSIONS).await.is_ok());
    assert_eq!(gateway.metric("rempart_policy_last_reload_successful", &[]), 0.0);
    drop(living);
    stop(gateway).await;
}

/// A ClientHello of TLS 1.2 that offers one suite.
fn client_hello(suite: [u8; 2]) -> Vec<u8> {
    let mut body = vec![3, 3];
    body.extend([7; 32]);
    body.extend([0, 0, 2, suite[0], suite[1], 1, 0]);
    let groups: &[u8] = &[0, 10, 0, 4, 0, 2, 0, 23];
    let formats: &[u8] = &[0, 11, 0, 2, 1, 0];
    let signatures: &[u8] = &[0, 13, 0, 6, 0, 4, 4, 3, 4, 1];
    let secret: &[u8] = &[0, 23, 0, 0];
    let extensions = [groups, formats, signatures, secret].concat();
    body.extend((extensions.len() as u16).to_be_bytes());
    body.extend(extensions);
    let mut record = vec![22, 3, 1];
    record.extend((body.len() as u16 + 4).to_be_bytes());
    record.extend([1, 0]);
    record.extend((body.len() as u16).to_be_bytes());
    record.extend(body);
    record
}

#[tokio::test]
async fn weak_suites_are_refused() {
    let upstream = ok();
    let gateway = Gateway::start(folder(&upstream));
    for (name, suite, accepted) in [
        ("ECDHE_ECDSA_AES_128_GCM", [0xc0, 0x2b], true),
        ("RSA_AES_128_CBC", [0x00, 0x2f], false),
        ("RSA_AES_128_GCM", [0x00, 0x9c], false),
        ("DHE_RSA_AES_128_GCM", [0x00, 0x9e], false),
        ("ECDHE_ECDSA_AES_128_CBC", [0xc0, 0x09], false),
        ("RSA_RC4", [0x00, 0x05], false),
        ("NULL", [0x00, 0x00], false),
    ] {
        let mut socket = TcpStream::connect(gateway.https).await.unwrap();
        socket.write_all(&client_hello(suite)).await.unwrap();
        let (answer, _) = read_all(&mut socket, Duration::from_millis(500)).await;
        // 22: a handshake goes on; 21: an alert.
        assert_eq!(answer.first(), Some(if accepted { &22 } else { &21 }), "{name}");
    }
    stop(gateway).await;
}

#[tokio::test]
async fn probes_say_what_an_orchestrator_needs() {
    let upstream = Upstream::start(|request| match request.target().as_str() {
        "/slow" => Answer::new(200, &[], "slow").after(Duration::from_millis(800)),
        "/stuck" => Answer::default().then(Step::Pause(Duration::from_secs(5))),
        _ => Answer::new(200, &[], "ok"),
    });
    let gateway = Gateway::start(folder(&upstream).gateway("timeouts: { drain: 10 s, drain_delay: 300 ms }"));
    for path in ["/healthz", "/readyz", "/startupz", "/metrics"] {
        assert_eq!(gateway.admin_get(path).0, 200, "{path}");
    }
    assert!(gateway.metric("rempart_build_info", &[]) >= 1.0);
    // SIGHUP reloads, also what has not changed.
    assert_eq!(gateway.reload()["event"], "policy_loaded");
    let client = Client::new(&gateway);
    // Nothing of it is on the public listener.
    assert_eq!(client.send(&Ask::get("/metrics")).await.text(), "ok");

    let mut connections = [client.connect(Version::H1).await, client.connect(Version::H2).await];
    let [h1, h2] = &mut connections;
    let (first, second) = (Ask::get("/slow"), Ask::get("/slow"));
    let busy = async { tokio::join!(h1.send(&first), h2.send(&second)) };
    let ending = async {
        let begun = std::time::Instant::now();
        while upstream.requests().iter().filter(|request| request.target() == "/slow").count() < 2 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
        gateway.signal(Signal::Term);
        wait_for("readiness off", || (gateway.admin_get("/readyz").0 == 503).then_some(()));
        assert_eq!(gateway.admin_get("/healthz").0, 200, "it drains, it is not ill");
        // While the load balancer has not noticed, new clients are served all the same.
        assert_eq!(client.send(&Ask::get("/late")).await.status, 200);
    };
    let ((slow_h1, slow_h2), ()) = tokio::join!(busy, ending);
    assert_eq!((slow_h1.text(), slow_h2.text()), ("slow".into(), "slow".into()));
    let stopped = tokio::task::spawn_blocking(move || gateway.wait()).await.unwrap();
    assert!(stopped.status.success() && stopped.took < Duration::from_secs(5), "{:?}", stopped.took);
    assert_eq!(stopped.journal.json().len(), 4);
    for event in ["drain_started", "drain_finished", "stopped"] {
        stopped.events.wait(event, |line| line["event"] == event);
    }
}

#[tokio::test]
async fn what_does_not_end_in_time_is_cut_and_said() {
    let upstream = Upstream::start(|_| Answer::default().then(Step::Pause(Duration::from_secs(5))));
    let gateway = Gateway::start(folder(&upstream).gateway("timeouts: { drain: 500 ms }"));
    let client = Client::new(&gateway);
    let mut connection = client.connect(Version::H2).await;
    let ask = Ask::get("/stuck");
    let (outcome, stopped) = tokio::join!(connection.try_send(&ask), async {
        let begun = std::time::Instant::now();
        while upstream.count() < 1 {
            assert!(begun.elapsed() < PATIENCE);
            tokio::task::yield_now().await;
        }
        tokio::task::spawn_blocking(move || gateway.stop_whatever()).await.unwrap()
    });
    assert!(outcome.is_err());
    assert!(stopped.took < Duration::from_secs(4), "{:?}", stopped.took);
    assert_eq!(stopped.status.code(), Some(0));
    assert_eq!(stopped.journal.json().len(), 1, "an exchange that was cut has its record too");
}
