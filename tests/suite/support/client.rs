//! Clients over TLS: HTTP/1.1 and HTTP/2 through hyper, and bare bytes for what no client library would send.

use std::{net::SocketAddr, sync::Arc, time::Duration};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper::{
    body::Incoming,
    client::conn::{http1, http2},
};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::{
    ClientConfig, RootCertStore,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject},
};
use serde_json::Value;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::{PATIENCE, folder::HOST, gateway::Gateway};

/// Which protocol to offer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Version {
    /// HTTP/1.1.
    H1,
    /// HTTP/2.
    H2,
}

/// Opens connections to a gateway.
#[derive(Clone)]
pub struct Client {
    address: SocketAddr,
    preface: Arc<[u8]>,
    roots: Arc<RootCertStore>,
}

/// One connection.
pub enum Connection {
    /// HTTP/1.1.
    H1(http1::SendRequest<Full<Bytes>>),
    /// HTTP/2.
    H2(http2::SendRequest<Full<Bytes>>),
}

/// A request under construction.
#[derive(Clone, Debug)]
pub struct Ask {
    method: Method,
    host: String,
    target: String,
    headers: HeaderMap,
    body: Bytes,
}

/// A response, read to its end or to where it broke.
#[derive(Debug)]
pub struct Reply {
    /// Status.
    pub status: StatusCode,
    /// Header section.
    pub headers: HeaderMap,
    /// What came of the body.
    pub body: Bytes,
    /// Whether the body ended well.
    pub complete: bool,
    /// What came behind it.
    pub trailers: HeaderMap,
}

impl Client {
    /// A client of this gateway that trusts its development authority.
    pub fn new(gateway: &Gateway) -> Self {
        Self::at(gateway.https, &gateway.folder.authority())
    }

    /// A client of any address.
    pub fn at(address: SocketAddr, authority_pem: &str) -> Self {
        let mut roots = RootCertStore::empty();
        for certificate in CertificateDer::pem_slice_iter(authority_pem.as_bytes()) {
            roots.add(certificate.unwrap()).unwrap();
        }
        Self { address, preface: Arc::default(), roots: Arc::new(roots) }
    }

    /// The same client behind a balancer that begins each connection so.
    #[must_use]
    pub fn behind(mut self, header: &[u8]) -> Self {
        self.preface = header.into();
        self
    }

    /// TLS settings that offer this protocol.
    pub fn tls(&self, alpn: &[&[u8]]) -> ClientConfig {
        let mut config = self.tls_of(rustls::ALL_VERSIONS).with_no_client_auth();
        config.alpn_protocols = alpn.iter().map(|name| name.to_vec()).collect();
        config
    }

    /// TLS settings that show this certificate. Sessions resume among connections that share them.
    pub fn tls_showing(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
        chain: Vec<CertificateDer<'static>>,
        key: PrivateKeyDer<'static>,
    ) -> ClientConfig {
        self.tls_of(versions).with_client_auth_cert(chain, key).unwrap()
    }

    /// TLS settings of these versions.
    pub fn tls_of(
        &self,
        versions: &[&'static rustls::SupportedProtocolVersion],
    ) -> rustls::ConfigBuilder<ClientConfig, rustls::client::WantsClientCert> {
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        ClientConfig::builder_with_provider(provider)
            .with_protocol_versions(versions)
            .unwrap()
            .with_root_certificates(Arc::clone(&self.roots))
    }

    /// A TLS connection for bare bytes.
    pub async fn handshake(&self, config: ClientConfig) -> std::io::Result<TlsStream<TcpStream>> {
        let mut socket = TcpStream::connect(self.address).await?;
        socket.set_nodelay(true)?;
        socket.write_all(&self.preface).await?;
        let name = ServerName::try_from(HOST).unwrap();
        timeout(PATIENCE, TlsConnector::from(Arc::new(config)).connect(name, socket))
            .await
            .expect("a handshake")
    }

    /// A connection of this version.
    pub async fn connect(&self, version: Version) -> Connection {
        self.try_connect(version).await.expect("a connection")
    }

    /// A connection of this version; an error where nobody listens any more.
    pub async fn try_connect(&self, version: Version) -> std::io::Result<Connection> {
        self.connect_with(self.tls(&[]), version).await
    }

    /// The same with other TLS settings.
    pub async fn connect_with(&self, mut tls: ClientConfig, version: Version) -> std::io::Result<Connection> {
        match version {
            Version::H1 => {
                tls.alpn_protocols = vec![b"http/1.1".to_vec()];
                let io = TokioIo::new(self.handshake(tls).await?);
                let (sender, connection) = http1::handshake(io).await.map_err(std::io::Error::other)?;
                tokio::spawn(connection.with_upgrades());
                Ok(Connection::H1(sender))
            }
            Version::H2 => {
                tls.alpn_protocols = vec![b"h2".to_vec()];
                let stream = self.handshake(tls).await?;
                assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
                let (sender, connection) = http2::handshake(TokioExecutor::new(), TokioIo::new(stream))
                    .await
                    .map_err(std::io::Error::other)?;
                tokio::spawn(connection);
                Ok(Connection::H2(sender))
            }
        }
    }

    /// One request on a connection of its own.
    pub async fn send(&self, ask: &Ask) -> Reply {
        self.connect(Version::H1).await.send(ask).await
    }

    /// One request over HTTP/2 on a connection of its own.
    pub async fn send_h2(&self, ask: &Ask) -> Reply {
        self.connect(Version::H2).await.send(ask).await
    }

    /// Sends these bytes over TLS and returns all that comes until the gateway closes, or until it is silent for a
    /// second. The flag says whether it closed.
    pub async fn bytes(&self, request: &[u8]) -> (Vec<u8>, bool) {
        let mut stream = self.handshake(self.tls(&[b"http/1.1"])).await.unwrap();
        // A gateway that refuses early may close before it has read everything.
        let _sent = stream.write_all(request).await;
        read_all(&mut stream, Duration::from_secs(1)).await
    }
}

/// All that comes until the end, or until a silence.
pub async fn read_all(stream: &mut (impl AsyncReadExt + Unpin), silence: Duration) -> (Vec<u8>, bool) {
    let mut bytes = Vec::new();
    let mut buffer = vec![0u8; 16 << 10];
    loop {
        match timeout(silence, stream.read(&mut buffer)).await {
            Ok(Ok(0) | Err(_)) => return (bytes, true),
            Ok(Ok(read)) => bytes.extend_from_slice(&buffer[..read]),
            Err(_) => return (bytes, false),
        }
    }
}

impl Connection {
    /// Another handle of the same HTTP/2 connection, for streams side by side.
    #[track_caller]
    pub fn share(&self) -> Self {
        match self {
            Self::H2(sender) => Self::H2(sender.clone()),
            Self::H1(_) => panic!("HTTP/1.1 has one exchange at a time"),
        }
    }

    /// One exchange, read to its end.
    pub async fn send(&mut self, ask: &Ask) -> Reply {
        self.try_send(ask).await.expect("a response")
    }

    /// One exchange; an error where no response head came.
    pub async fn try_send(&mut self, ask: &Ask) -> hyper::Result<Reply> {
        Ok(Reply::read(self.open(ask).await?).await)
    }

    /// The response head, the body still to be read.
    pub async fn open(&mut self, ask: &Ask) -> hyper::Result<http::Response<Incoming>> {
        let exchange = async {
            match self {
                Self::H1(sender) => {
                    sender.ready().await?;
                    sender.send_request(ask.h1()).await
                }
                Self::H2(sender) => {
                    sender.ready().await?;
                    sender.send_request(ask.h2()).await
                }
            }
        };
        timeout(PATIENCE, exchange).await.expect("a response head in time")
    }
}

impl Ask {
    /// Any method.
    pub fn new(method: Method, target: &str) -> Self {
        Self {
            method,
            host: HOST.into(),
            target: target.into(),
            headers: HeaderMap::new(),
            body: Bytes::new(),
        }
    }

    /// GET.
    pub fn get(target: &str) -> Self {
        Self::new(Method::GET, target)
    }

    /// POST with a JSON document.
    pub fn post_json(target: &str, document: &Value) -> Self {
        Self::new(Method::POST, target).header("content-type", "application/json").body(document.to_string())
    }

    /// POST with a form.
    pub fn post_form(target: &str, form: &str) -> Self {
        Self::new(Method::POST, target)
            .header("content-type", "application/x-www-form-urlencoded")
            .body(form.to_owned())
    }

    /// One more header line; bytes as they are.
    #[must_use]
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> Self {
        let name = HeaderName::from_bytes(name.as_bytes()).unwrap();
        self.headers.append(name, HeaderValue::from_bytes(value.as_ref()).unwrap());
        self
    }

    /// `Authorization: Bearer …`
    #[must_use]
    pub fn bearer(self, token: &str) -> Self {
        self.header("authorization", format!("Bearer {token}"))
    }

    /// Another host than the harness's.
    #[must_use]
    pub fn host(mut self, host: &str) -> Self {
        self.host = host.into();
        self
    }

    /// The body.
    #[must_use]
    pub fn body(mut self, body: impl Into<Bytes>) -> Self {
        self.body = body.into();
        self
    }

    fn h1(&self) -> Request<Full<Bytes>> {
        let mut request = self.request(&self.target);
        request.headers_mut().insert(http::header::HOST, HeaderValue::from_str(&self.host).unwrap());
        request
    }

    fn h2(&self) -> Request<Full<Bytes>> {
        self.request(&format!("https://{}{}", self.host, self.target))
    }

    fn request(&self, uri: &str) -> Request<Full<Bytes>> {
        let mut request = Request::new(Full::new(self.body.clone()));
        *request.method_mut() = self.method.clone();
        *request.uri_mut() = uri.parse().unwrap();
        *request.headers_mut() = self.headers.clone();
        request
    }
}

impl Reply {
    /// Reads a body to its end, or to where it breaks.
    pub async fn read(response: http::Response<Incoming>) -> Self {
        let (head, mut body) = response.into_parts();
        let (mut bytes, mut complete, mut trailers) = (Vec::new(), true, HeaderMap::new());
        while let Some(frame) = timeout(PATIENCE, body.frame()).await.expect("a body in time") {
            match frame.map(hyper::body::Frame::into_data) {
                Ok(Ok(data)) => bytes.extend_from_slice(&data),
                Ok(Err(frame)) => trailers.extend(frame.into_trailers().unwrap_or_default()),
                Err(_) => {
                    complete = false;
                    break;
                }
            }
        }
        Self { status: head.status, headers: head.headers, body: bytes.into(), complete, trailers }
    }

    /// The body as JSON.
    #[track_caller]
    pub fn json(&self) -> Value {
        assert!(self.complete, "the body broke off after {} bytes", self.body.len());
        serde_json::from_slice(&self.body).unwrap_or_else(|error| panic!("{error}: {}", self.text()))
    }

    /// The body as text.
    pub fn text(&self) -> String {
        String::from_utf8_lossy(&self.body).into_owned()
    }

    /// A header's value as text, every line of it.
    pub fn header(&self, name: &str) -> Vec<String> {
        self.headers
            .get_all(name)
            .iter()
            .map(|value| String::from_utf8_lossy(value.as_bytes()).into_owned())
            .collect()
    }
}
