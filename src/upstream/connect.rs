//! Opens a connection to an endpoint, plain or TLS.

use std::{
    io,
    net::SocketAddr,
    pin::Pin,
    sync::Arc,
    task::{Context, Poll},
};

use rustls::{ClientConfig, RootCertStore, pki_types::ServerName};
use tokio::{
    io::{AsyncRead, AsyncWrite, ReadBuf},
    net::TcpStream,
};
use tokio_rustls::{TlsConnector, client::TlsStream};

use super::UpstreamError;
use crate::policy::set::{Endpoint, PolicySet, UpstreamTls};

/// A byte stream to an endpoint.
pub enum Transport {
    /// `http://`
    Plain(TcpStream),
    /// `https://`
    Tls(Box<TlsStream<TcpStream>>),
}

/// How each upstream of a policy is spoken to; shared by all workers, TLS sessions included.
pub struct Dialers(Vec<Dialer>);

impl Dialers {
    /// Prepares TLS where an upstream asks for it.
    ///
    /// # Errors
    /// A certificate authority that cannot be used.
    pub fn build(policy: &PolicySet) -> Result<Self, rustls::Error> {
        policy
            .gateway
            .upstreams
            .iter()
            .map(|upstream| Dialer::new(upstream.tls.as_ref()))
            .collect::<Result<_, _>>()
            .map(Self)
    }

    pub(super) fn of(&self, place: usize) -> Dialer {
        self.0.get(place).cloned().unwrap_or(Dialer { tls: None })
    }
}

/// How the endpoints of one upstream are spoken to.
#[derive(Clone)]
pub(super) struct Dialer {
    tls: Option<(TlsConnector, Option<String>)>,
}

impl Dialer {
    /// Prepares TLS where the upstream asks for it.
    pub(super) fn new(tls: Option<&UpstreamTls>) -> Result<Self, rustls::Error> {
        let Some(tls) = tls else { return Ok(Self { tls: None }) };
        let mut roots = RootCertStore::empty();
        match &tls.ca {
            Some(certificates) => {
                for certificate in certificates {
                    roots.add(certificate.clone())?;
                }
            }
            None => roots.extend(webpki_roots::TLS_SERVER_ROOTS.iter().cloned()),
        }
        let provider = Arc::new(rustls::crypto::aws_lc_rs::default_provider());
        let mut config = ClientConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()?
            .with_root_certificates(roots)
            .with_no_client_auth();
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        Ok(Self { tls: Some((TlsConnector::from(Arc::new(config)), tls.server_name.clone())) })
    }

    /// Opens a connection to the address that the endpoint's name has now.
    pub(super) async fn dial(
        &self,
        endpoint: &Endpoint,
        address: Option<SocketAddr>,
    ) -> Result<Transport, UpstreamError> {
        let address = address.ok_or(UpstreamError::Unreachable)?;
        let tcp = TcpStream::connect(address).await.map_err(|_| UpstreamError::Unreachable)?;
        // Small requests must not wait for an acknowledgement of the one before.
        tcp.set_nodelay(true).map_err(|_| UpstreamError::Unreachable)?;
        let Some((connector, name)) = &self.tls else { return Ok(Transport::Plain(tcp)) };
        let name = name.as_deref().unwrap_or(&endpoint.host).to_owned();
        let name = ServerName::try_from(name).map_err(|_| UpstreamError::Tls)?;
        let stream = connector.connect(name, tcp).await.map_err(|_| UpstreamError::Tls)?;
        Ok(Transport::Tls(Box::new(stream)))
    }
}

impl AsyncRead for Transport {
    fn poll_read(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &mut ReadBuf<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Transport {
    fn poll_write(self: Pin<&mut Self>, cx: &mut Context<'_>, buf: &[u8]) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Plain(stream) => stream.is_write_vectored(),
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
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }
}
