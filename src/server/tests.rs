//! The server over real sockets with a trivial exchange: port 0, bounds of some hundred milliseconds, no sleep but for the
//! event that is awaited.

mod balancers;
mod deadlines;
mod draining;
mod floods;
mod frames;
mod limits;
mod protocols;

use std::{
    net::{Ipv4Addr, SocketAddr},
    rc::Rc,
    sync::{Arc, Mutex},
    time::Duration,
};

use arc_swap::ArcSwap;
use bytes::Bytes;
use http::{Request, Response, StatusCode};
use http_body_util::{BodyExt, Full};
use rustls::pki_types::{PrivateKeyDer, ServerName};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    sync::Semaphore,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{
    observe::{
        Deadline, Flood, GoAwayCode, HandshakeOutcome, Malformed, Observe, Refusal, StageEvent, TlsVersion,
    },
    *,
};
use crate::{
    gateway::connection::UploadError,
    policy::set::{Certificate, ClientLimits, Timeouts},
    secret::Sensitive,
};

/// Longer than any test should take: a hang fails instead of lasting.
const PATIENCE: Duration = Duration::from_secs(20);

const LOCAL: SocketAddr = SocketAddr::new(std::net::IpAddr::V4(Ipv4Addr::LOCALHOST), 0);

pub(super) fn certificate(names: &[&str]) -> Certificate {
    let names: Vec<String> = names.iter().map(|&name| name.to_owned()).collect();
    let made = rcgen::generate_simple_self_signed(names.clone()).unwrap();
    let key = PrivateKeyDer::try_from(made.signing_key.serialize_der()).unwrap();
    let chain = vec![made.cert.der().clone()];
    Certificate {
        names,
        chain,
        key: Sensitive::new(Arc::new(key)),
        expires: std::time::SystemTime::UNIX_EPOCH,
    }
}

/// What the exchange and the tests agree on.
#[derive(Clone)]
struct Gate {
    /// One permit for each exchange that may go on.
    go: Arc<Semaphore>,
    /// One permit for each exchange that waits.
    waits: Arc<Semaphore>,
}

struct Answers {
    gate: Gate,
}

impl Exchange for Answers {
    type Body = Full<Bytes>;

    async fn handle(
        self: Rc<Self>,
        connection: Rc<Connection>,
        mut request: Request<Upload>,
    ) -> Response<Full<Bytes>> {
        let text = match request.uri().path() {
            "/about" => {
                let name = connection.server_name.as_deref().unwrap_or("-");
                format!(
                    "{} {} {name} {:?}",
                    connection.peer.ip(),
                    connection.tls.is_some(),
                    request.version()
                )
            }
            "/gate" => {
                self.gate.waits.add_permits(1);
                self.gate.go.acquire().await.unwrap().forget();
                "passed".into()
            }
            "/echo" => match request.into_body().collect().await {
                Ok(body) => return Response::new(Full::new(body.to_bytes())),
                Err(UploadError::TimedOut) => return plain(StatusCode::REQUEST_TIMEOUT),
                Err(UploadError::Client(_)) => return plain(StatusCode::BAD_REQUEST),
            },
            "/refuse" => return plain(StatusCode::PAYLOAD_TOO_LARGE),
            "/big" => "x".repeat(32 * 1024 * 1024),
            "/tunnel" => {
                let upgrade = hyper::upgrade::on(&mut request);
                let gate = self.gate.clone();
                tokio::task::spawn_local(async move {
                    let mut stream = hyper_util::rt::TokioIo::new(upgrade.await.unwrap());
                    let mut byte = [0];
                    let echo = async {
                        while stream.read_exact(&mut byte).await.is_ok() {
                            stream.write_all(&byte).await.unwrap();
                        }
                    };
                    tokio::select! {
                        () = echo => {}
                        () = connection.aborted() => gate.waits.add_permits(1),
                    }
                });
                let mut response = plain(StatusCode::SWITCHING_PROTOCOLS);
                response.headers_mut().insert("upgrade", "websocket".parse().unwrap());
                response.headers_mut().insert("connection", "upgrade".parse().unwrap());
                return response;
            }
            _ => return plain(StatusCode::NOT_FOUND),
        };
        Response::new(Full::new(text.into()))
    }

    fn overloaded(&self) -> Response<Full<Bytes>> {
        plain(StatusCode::SERVICE_UNAVAILABLE)
    }
}

fn plain(status: StatusCode) -> Response<Full<Bytes>> {
    let mut response = Response::new(Full::default());
    *response.status_mut() = status;
    response
}

/// Writes down what it hears.
#[derive(Default)]
struct Notes(Mutex<Vec<String>>);

impl Notes {
    fn add(&self, note: String) {
        self.0.lock().unwrap().push(note);
    }

    fn count(&self, note: &str) -> usize {
        self.0.lock().unwrap().iter().filter(|other| *other == note).count()
    }

    /// Waits for the note: some are taken just after the client can see why.
    async fn hears(&self, note: &str) {
        let mut pace = tokio::time::interval(Duration::from_millis(5));
        within(async {
            while self.count(note) == 0 {
                pace.tick().await;
            }
        })
        .await;
    }
}

impl Observe for Notes {
    fn handshake(&self, version: TlsVersion, outcome: HandshakeOutcome) {
        self.add(format!("handshake {} {}", version.as_str(), outcome.as_str()));
    }
    fn refused(&self, reason: Refusal) {
        self.add(format!("refused {}", reason.as_str()));
    }
    fn evicted(&self) {
        self.add("evicted".into());
    }
    fn timed_out(&self, phase: Deadline) {
        self.add(format!("timed out {}", phase.as_str()));
    }
    fn flooded(&self, kind: Flood) {
        self.add(format!("flooded {}", kind.as_str()));
    }
    fn broken(&self, code: GoAwayCode) {
        self.add(format!("broken {}", code.as_str()));
    }
    fn malformed(&self, kind: Malformed) {
        self.add(format!(
            "malformed {}",
            match kind {
                Malformed::Syntax => "syntax",
                Malformed::TooLarge => "too_large",
            }
        ));
    }
    fn stage(&self, event: StageEvent<'_>) {
        self.add(match event {
            StageEvent::Started(_) => "started".into(),
            StageEvent::Draining => "draining".into(),
            StageEvent::WorkerFailed(worker) => format!("worker {worker} failed"),
            StageEvent::Stopped { aborted } => format!("stopped {aborted}"),
        });
    }
}

struct Running {
    handle: Handle,
    gate: Gate,
    notes: Arc<Notes>,
    live: Arc<ArcSwap<Live>>,
    tickets: tls::Tickets,
}

/// Bounds that no test runs into unless it lowers one.
const LIMITS: ClientLimits = ClientLimits {
    header_count: 100,
    header_bytes: 16 * 1024,
    uri_bytes: 8 * 1024,
    body_bytes: 1 << 30,
    body_rate: 0,
    connections: 100,
    connections_per_address: 100,
    handshakes: 100,
    handshakes_per_address: 100,
    requests_per_connection: None,
    exchanges: 100,
    h2_streams: 10,
    h2_continuations: 5,
    h2_frames: crate::policy::set::FrameRates::all(1000),
    decoded_bytes: 1 << 20,
};

fn limits() -> ClientLimits {
    LIMITS
}

/// Bounds that no test runs into unless it shortens one.
fn timeouts() -> Timeouts {
    Timeouts {
        handshake: PATIENCE,
        headers: PATIENCE,
        idle: PATIENCE,
        body: PATIENCE,
        connection: None,
        queue: Duration::ZERO,
        drain: PATIENCE,
        drain_delay: Duration::ZERO,
    }
}

const SHORT: Duration = Duration::from_millis(150);

fn config(limits: ClientLimits, timeouts: Timeouts) -> (Config, Arc<Notes>, tls::Tickets) {
    let tickets = tls::Tickets::new().unwrap();
    let tls = tls::Terms::new(&[certificate(&["ecole.example.fr"])], None, &tickets, &[]).unwrap();
    let notes = Arc::new(Notes::default());
    let config = Config {
        listen: Listen {
            https: vec![LOCAL.into()],
            http: vec![LOCAL.into()],
            admin: LOCAL,
            public_https_port: 443,
        },
        workers: Some(1),
        live: Arc::new(ArcSwap::from_pointee(Live {
            limits,
            timeouts,
            trusted_proxies: Arc::default(),
            tls: Some(tls),
        })),
        tick: Duration::from_millis(20),
        drain_delay: Duration::ZERO,
        addresses_file: None,
        metrics: Arc::new(|| "rempart_up 1\n".into()),
        healthy: Arc::new(|| true),
        hangup: Arc::new(|| {}),
        observer: notes.clone(),
    };
    (config, notes, tickets)
}

fn launch(config: Config, notes: Arc<Notes>, tickets: tls::Tickets) -> Running {
    let gate = Gate { go: Arc::new(Semaphore::new(0)), waits: Arc::new(Semaphore::new(0)) };
    let live = config.live.clone();
    let made = gate.clone();
    let handle = start(config, move |_| Rc::new(Answers { gate: made.clone() })).unwrap();
    Running { handle, gate, notes, live, tickets }
}

fn serve(limits: ClientLimits, timeouts: Timeouts) -> Running {
    let (config, notes, tickets) = config(limits, timeouts);
    launch(config, notes, tickets)
}

impl Running {
    fn https(&self) -> SocketAddr {
        self.handle.addresses.https[0]
    }

    fn http(&self) -> SocketAddr {
        self.handle.addresses.http[0]
    }

    async fn plain(&self) -> TcpStream {
        TcpStream::connect(self.http()).await.unwrap()
    }

    async fn tls(&self, alpn: &[&[u8]]) -> TlsStream<TcpStream> {
        tls_client(self.https(), alpn, "ecole.example.fr").await
    }

    async fn waits(&self) {
        within(self.gate.waits.acquire()).await.unwrap().forget();
    }

    fn stop(self) {
        self.handle.stop();
        self.handle.wait().unwrap();
    }
}

async fn within<F: Future>(future: F) -> F::Output {
    tokio::time::timeout(PATIENCE, future).await.expect("took too long")
}

async fn tls_client(address: SocketAddr, alpn: &[&[u8]], name: &str) -> TlsStream<TcpStream> {
    let mut config = trusting_client();
    config.alpn_protocols = alpn.iter().map(|&protocol| protocol.to_vec()).collect();
    let stream = TcpStream::connect(address).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    within(TlsConnector::from(Arc::new(config)).connect(name, stream)).await.unwrap()
}

/// A client that looks at no certificate: these tests are about the other end.
pub(super) fn trusting_client() -> rustls::ClientConfig {
    trusting_client_of(rustls::ALL_VERSIONS)
}

fn trusting_client_of(versions: &[&'static rustls::SupportedProtocolVersion]) -> rustls::ClientConfig {
    rustls::ClientConfig::builder_with_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
        .with_protocol_versions(versions)
        .unwrap()
        .dangerous()
        .with_custom_certificate_verifier(Arc::new(Trusting))
        .with_no_client_auth()
}

#[derive(Debug)]
struct Trusting;

impl rustls::client::danger::ServerCertVerifier for Trusting {
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
        use rustls::SignatureScheme::{ECDSA_NISTP256_SHA256, ED25519, RSA_PSS_SHA256};
        vec![ECDSA_NISTP256_SHA256, ED25519, RSA_PSS_SHA256]
    }
}

/// Everything until the server closes; an abrupt end counts as one.
async fn until_closed(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    let _ = within(stream.read_to_end(&mut bytes)).await;
    String::from_utf8_lossy(&bytes).into_owned()
}

/// One HTTP/1 answer with a `Content-Length`; the connection stays open.
async fn answer_on(stream: &mut (impl tokio::io::AsyncRead + Unpin)) -> String {
    let mut bytes = Vec::new();
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
            if body.len() >= length.map_or(0, |length| length.parse().unwrap()) {
                return text;
            }
        }
        let mut piece = [0; 4096];
        let read = within(stream.read(&mut piece)).await.unwrap();
        assert_ne!(read, 0, "closed after {text:?}");
        bytes.extend_from_slice(&piece[..read]);
    }
}

type H2Sender = hyper::client::conn::http2::SendRequest<Full<Bytes>>;

/// An HTTP/2 client and the task that ends with its connection.
async fn h2_client(running: &Running) -> (H2Sender, tokio::task::JoinHandle<hyper::Result<()>>) {
    let stream = running.tls(&[b"h2"]).await;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (sender, connection) =
        hyper::client::conn::http2::handshake(hyper_util::rt::TokioExecutor::new(), io).await.unwrap();
    (sender, tokio::spawn(connection))
}

fn get(path: &str) -> Request<Full<Bytes>> {
    Request::get(format!("https://ecole.example.fr{path}")).body(Full::default()).unwrap()
}
