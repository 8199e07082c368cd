//! Opens a connection to an endpoint, plain or TLS, over TCP or a Unix socket.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
    time::Duration,
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::{TcpStream, UnixStream},
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::UpstreamError;
use crate::policy::set::{Endpoint, PolicySet, Protocol, UpstreamId, UpstreamTls};

/// A byte stream to an endpoint.
pub enum Transport {
    /// `http://`
    Plain(TcpStream),
    /// `unix:`
    Local(UnixStream),
    /// `https://`
    Tls(Box<TlsStream<TcpStream>>),
}

/// How each upstream of a policy is spoken to; shared by all workers, TLS sessions included.
pub struct Dialers(Vec<Dialer>);

impl Dialers {
    /// Prepares TLS where an upstream asks for it. Where nothing of it changed, sessions resume across a reload.
    ///
    /// # Errors
    /// A certificate authority or a certificate that cannot be used.
    pub fn build(policy: &PolicySet, previous: Option<&Self>) -> Result<Self, rustls::Error> {
        let mut dialers = Vec::new();
        for (place, upstream) in policy.gateway.upstreams.iter().enumerate() {
            let kept = previous.into_iter().flat_map(|all| &all.0);
            let kept = kept
                .filter_map(|dialer| dialer.tls.as_ref())
                .find(|tls| Some(&tls.terms) == upstream.tls.as_ref());
            let tls = match (kept, &upstream.tls) {
                (Some(kept), _) => Some(kept.clone()),
                (None, Some(terms)) => Some(Tls::new(terms)?),
                (None, None) => None,
            };
            dialers.push(Dialer { tls, ping: ping(policy, UpstreamId(place as u16)) });
        }
        Ok(Self(dialers))
    }

    pub(super) fn of(&self, place: usize) -> Dialer {
        self.0.get(place).cloned().unwrap_or(Dialer { tls: None, ping: PING_MOST })
    }
}

/// The longest time between two PINGs: gRPC servers take more than two within five minutes, without data of their own in
/// between, for an attack.
const PING_MOST: Duration = Duration::from_secs(310);

/// The shortest: whoever waits for less has given up by then.
const PING_LEAST: Duration = Duration::from_secs(5);

/// How long a connection with exchanges may be silent before it is asked whether it lives: a third of the time for which
/// an exchange may be silent, so that no exchange sees more PINGs than [`PING_MOST`] allows.
fn ping(policy: &PolicySet, upstream: UpstreamId) -> Duration {
    let settings = &policy.gateway;
    let own = settings.upstreams.get(usize::from(upstream.0)).map(|upstream| upstream.response_timeout);
    let routes = policy.routes.iter().filter(|route| route.upstream == upstream);
    let longest = routes.filter_map(|route| route.response_timeout).chain(own).max();
    (longest.unwrap_or_default().max(settings.timeouts.body) / 3).clamp(PING_LEAST, PING_MOST)
}

/// How the endpoints of one upstream are spoken to.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: Option<Tls>,
    /// See [`ping`].
    pub(super) ping: Duration,
}

/// TLS to one upstream.
#[derive(Clone)]
struct Tls {
    connector: TlsConnector,
    terms: UpstreamTls,
}

impl Tls {
    fn new(terms: &UpstreamTls) -> Result<Self, rustls::Error> {
        let mut roots = RootCertStore::empty();
        match &terms.ca {
            Some(certificates) => {
                for certificate in certificates {
                    roots.add(certificate.clone())?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        // TLS 1.2 and 1.3: rustls knows no older one.
        let config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots);
        let config = match &terms.client {
            Some(client) => {
                config.with_client_auth_cert(client.chain.clone(), client.key.expose().clone_key())?
            }
            None => config.with_no_client_auth(),
        };
        Ok(Self { connector: TlsConnector::from(Arc::new(config)), terms: terms.clone() })
    }

    async fn handshake(
        &self,
        endpoint: &Endpoint,
        tcp: TcpStream,
        protocol: Protocol,
    ) -> Result<(Transport, bool), UpstreamError> {
        let name = self.terms.server_name.as_deref().unwrap_or(&endpoint.host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| UpstreamError::Tls)?;
        let offered: &[&[u8]] = match protocol {
            Protocol::Http1 => &[b"http/1.1"],
            Protocol::Http2 => &[b"h2"],
            Protocol::Auto => &[b"h2", b"http/1.1"],
        };
        let offered = offered.iter().map(|name| name.to_vec()).collect();
        let stream = self.connector.with_alpn(offered).connect(name, tcp).await;
        let stream = stream.map_err(|_| UpstreamError::Tls)?;
        let is_http2 = stream.get_ref().1.alpn_protocol() == Some(b"h2");
        if protocol == Protocol::Http2 && !is_http2 {
            // RFC 9113 §3.2: without the agreement nothing says how the endpoint would read it.
            return Err(UpstreamError::Tls);
        }
        Ok((Transport::Tls(Box::new(stream)), is_http2))
    }
}

impl Dialer {
    /// Opens a connection that speaks, or may speak, this protocol, to the address that the endpoint's name has now. Says whether
    /// it speaks HTTP/2: by prior knowledge (RFC 9113 §3.3), or by what TLS agreed on.
    pub(super) async fn dial(
        &self,
        endpoint: &Endpoint,
        address: Option<SocketAddr>,
        protocol: Protocol,
    ) -> Result<(Transport, bool), UpstreamError> {
        let plain = protocol == Protocol::Http2;
        if let Some(path) = endpoint.socket() {
            let stream = UnixStream::connect(path).await.map_err(|_| UpstreamError::Unreachable)?;
            return Ok((Transport::Local(stream), plain));
        }
        let address = address.ok_or(UpstreamError::Unreachable)?;
        let tcp = TcpStream::connect(address).await.map_err(|_| UpstreamError::Unreachable)?;
        // Small requests must not wait for an acknowledgement of the one before.
        tcp.set_nodelay(true).map_err(|_| UpstreamError::Unreachable)?;
        match &self.tls {
            Some(tls) => tls.handshake(endpoint, tcp, protocol).await,
            None => Ok((Transport::Plain(tcp), plain)),
        }
    }

    /// Whether the endpoint could choose what is spoken.
    pub(super) fn negotiates(&self) -> bool {
        self.tls.is_some()
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Local(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Local(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Local(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Local(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
            Self::Local(stream) => stream.is_write_vectored(),
            Self::Tls(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Local(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }
}
