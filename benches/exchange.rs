//! One exchange through the real gateway: TLS 1.3, HTTP/1.1 keep-alive over loopback, a platform that answers 1 KB of JSON
//! at once. Client, gateway (one worker) and platform are threads of this process, so a figure is the time of the whole
//! round trip; `benches/compare` measures the gateway's own.
//!
//! `cargo bench --bench exchange`. `exempt` only proxies; `unchanged` reads the token, filters cookies, journals and
//! passes the body to somebody who may see all of it; `redacted` removes what the charter keeps from a teacher.

#![allow(clippy::expect_used, reason = "a bench that cannot run should say so")]
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::{
    convert::Infallible,
    fs,
    net::SocketAddr,
    path::Path,
    sync::{Arc, mpsc},
    thread,
    time::{Duration, SystemTime},
};

use bytes::Bytes;
use criterion::{Criterion, criterion_group, criterion_main};
use http::{Request, Response, header};
use http_body_util::{BodyExt, Empty, Full};
use hyper::{client::conn::http1::SendRequest, service::service_fn};
use hyper_util::rt::TokioIo;
use rempart::{
    cli::serve,
    demo::{accounts::ACCOUNTS, certificates, tokens},
};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, ServerName, pem::PemObject},
};
use tokio::{
    net::{TcpListener, TcpStream},
    runtime::Runtime,
};
use tokio_rustls::TlsConnector;

const CHARTER: &str = include_str!("../src/demo/policies/charter.yaml");

const ROUTES: &str = r#"routes:
  - name: learners
    owner: benches
    match: { host: "*", path: "/api/{*rest}" }
    upstream: platform
    purpose: account
    require_identity: true
    personal_data:
      record: ["$[*]"]
      subject: id
      group: classrooms[*]
      fields:
        id: not_personal
        full_name: name
        email: email
        birth_date: birth
        gender: demographics
        ine: student_id
        classrooms: not_personal
        results: result
        notes: not_personal
      unknown: deny
  - name: assets
    owner: benches
    match: { host: "*", path: "/exempt/{*rest}" }
    upstream: platform
    purpose: account
    personal_data: { exempt: "the bench's bare proxy" }
"#;

fn learners() -> Bytes {
    let record = |number: usize, classroom: &str| {
        serde_json::json!({
            "id": format!("L{number}"),
            "full_name": format!("Camille Durand-{number}"),
            "email": format!("camille.{number}@ecole.example"),
            "birth_date": "2013-05-04",
            "gender": "F",
            "ine": format!("0{number}3456789AB"),
            "classrooms": [classroom],
            "results": { "maths": 14.5, "francais": 12 },
            "notes": "x".repeat(100),
        })
    };
    let list = serde_json::json!([record(1, "6A"), record(2, "6A"), record(3, "5B")]);
    let mut text = list.to_string();
    while text.len() < 1024 {
        text.push(' ');
    }
    text.into()
}

fn runtime() -> Runtime {
    tokio::runtime::Builder::new_current_thread().enable_all().build().expect("a runtime")
}

/// A platform that answers everything alike, on a thread of its own.
fn platform() -> SocketAddr {
    let (tell, told) = mpsc::channel();
    thread::spawn(move || {
        runtime().block_on(async move {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
            tell.send(listener.local_addr().expect("its address")).expect("somebody who asks");
            let body = learners();
            while let Ok((stream, _)) = listener.accept().await {
                stream.set_nodelay(true).expect("a socket");
                let body = body.clone();
                let answer = service_fn(move |_| {
                    let response = Response::builder()
                        .header(header::CONTENT_TYPE, "application/json")
                        .header(header::SET_COOKIE, "tracker=abcdef0123456789; Path=/")
                        .body(Full::new(body.clone()));
                    async move { Ok::<_, Infallible>(response.expect("a response")) }
                });
                tokio::spawn(
                    hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer),
                );
            }
        });
    });
    told.recv().expect("the platform's address")
}

/// Writes the policies, and returns the authority that a client must trust.
fn write_policies(folder: &Path, platform: SocketAddr, keys: &str) -> String {
    let made = certificates::generate(&["localhost"]).expect("certificates");
    let at = folder.display();
    let gateway = format!(
        r#"gateway:
  listen: {{ https: "127.0.0.1:0", http: "127.0.0.1:0", admin: "127.0.0.1:0" }}
  workers: 1
  certificates:
    - {{ names: [localhost], chain: "{at}/server.pem", key: "{at}/server.key" }}
  secret: {{ file: "{at}/secret" }}
  journal: {{ to: {{ file: "{at}/journal/journal.jsonl" }}, address: pseudonym }}
  upstreams:
    platform: {{ endpoints: "http://{platform}" }}
  identity:
    - name: tokens
      jwt: {{ issuer: {issuer}, audience: {audience}, jwks: {{ file: "{at}/jwks.json" }} }}
      claims: {{ subject: $.sub, role: $.role, groups: "$.groups[*]", wards: "$.wards[*]" }}
      roles: {{ learner: learner, teacher: teacher, guardian: guardian, administrator: administrator }}
"#,
        issuer = tokens::ISSUER,
        audience = tokens::AUDIENCE,
    );
    for name in ["policies/routes", "journal"] {
        fs::create_dir_all(folder.join(name)).expect("a folder");
    }
    for (name, text) in [
        ("server.pem", made.chain.as_str()),
        ("server.key", made.key.expose()),
        ("secret", "0123456789abcdef0123456789abcdef"),
        ("jwks.json", keys),
        ("policies/charter.yaml", CHARTER),
        ("policies/gateway.yaml", &gateway),
        ("policies/routes/bench.yaml", ROUTES),
    ] {
        fs::write(folder.join(name), text).expect("a file");
    }
    made.authority
}

async fn connect(address: SocketAddr, authority: &str) -> SendRequest<Empty<Bytes>> {
    let mut roots = RootCertStore::empty();
    for certificate in CertificateDer::pem_slice_iter(authority.as_bytes()) {
        roots.add(certificate.expect("a certificate")).expect("an authority");
    }
    let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
    let config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .expect("versions")
        .with_root_certificates(roots)
        .with_no_client_auth();
    let socket = TcpStream::connect(address).await.expect("a connection");
    socket.set_nodelay(true).expect("a socket");
    let name = ServerName::try_from("localhost").expect("a name");
    let stream = TlsConnector::from(Arc::new(config)).connect(name, socket).await.expect("a handshake");
    let (sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.expect("HTTP/1.1");
    tokio::spawn(connection);
    sender
}

async fn ask(sender: &mut SendRequest<Empty<Bytes>>, path: &str, token: &str) -> usize {
    let request = Request::get(path)
        .header(header::HOST, "localhost")
        .header(header::AUTHORIZATION, token)
        .header(header::COOKIE, "session=0123456789abcdef; _ga=GA1.2.1234567890.1234567890")
        .body(Empty::new())
        .expect("a request");
    sender.ready().await.expect("an open connection");
    let response = sender.send_request(request).await.expect("a response");
    assert!(response.status().is_success(), "{}", response.status());
    response.into_body().collect().await.expect("a body").to_bytes().len()
}

fn exchange(criterion: &mut Criterion) {
    let signer = tokens::Signer::generate("bench").expect("a key");
    let token = |role: &str| {
        let account = ACCOUNTS.iter().find(|account| account.role == role).expect("a sample account");
        let life = Duration::from_secs(24 * 3600);
        format!("Bearer {}", signer.token(account, SystemTime::now(), life).expect("a token"))
    };
    let folder = tempfile::tempdir().expect("a folder");
    let authority = write_policies(folder.path(), platform(), &signer.jwks().to_string());
    // It serves until the process ends.
    let gateway = serve::load_and_start(&folder.path().join("policies"), None).expect("a gateway");
    let address = *gateway.addresses().https.first().expect("an address");

    let client = runtime();
    let mut sender = client.block_on(connect(address, &authority));
    let mut group = criterion.benchmark_group("exchange");
    group.sample_size(50).measurement_time(Duration::from_secs(5));
    for (name, path, role) in [
        ("exempt", "/exempt/learners", "teacher"),
        ("unchanged", "/api/learners", "administrator"),
        ("redacted", "/api/learners", "teacher"),
    ] {
        let token = token(role);
        group.bench_function(name, |bencher| {
            bencher.iter(|| client.block_on(ask(&mut sender, path, &token)));
        });
    }
    group.finish();
}

criterion_group!(benches, exchange);
criterion_main!(benches);
