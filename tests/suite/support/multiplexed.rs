//! A platform that speaks HTTP/2, stream by stream as a test tells it.

use std::{
    future::Future,
    net::SocketAddr,
    path::PathBuf,
    pin::Pin,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
};

use bytes::Bytes;
use h2::{Reason, RecvStream, server::SendResponse};
use http::{HeaderMap, Request, Response, request::Parts};
use rustls::{HandshakeKind, ServerConfig, pki_types::CertificateDer};
use tokio::{
    io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt},
    net::{TcpListener, UnixListener},
    sync::mpsc::{UnboundedReceiver, UnboundedSender, unbounded_channel},
};
use tokio_rustls::TlsAcceptor;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

/// One stream.
pub struct Call {
    /// The request, its body still to be read.
    pub request: Request<RecvStream>,
    /// Where its answer goes.
    pub answer: SendResponse<Bytes>,
    /// Which connection it came on, from 1.
    pub connection: usize,
    /// What becomes of that connection.
    pub order: UnboundedSender<Order>,
}

/// What becomes of a connection.
#[derive(Clone, Copy, Debug)]
pub enum Order {
    /// GOAWAY: streams under way are served.
    GoAway,
    /// The end, without a word.
    Close,
}

impl Call {
    /// A whole answer.
    pub fn reply(mut self, status: u16, headers: &[(&str, &str)], body: impl Into<Bytes>) {
        let mut stream = self.answer.send_response(head(status, headers), false).unwrap();
        // The gateway may have left.
        let _sent = stream.send_data(body.into(), true);
    }

    /// The whole body and the trailers, as far as they come.
    pub async fn read(&mut self) -> Result<(Vec<u8>, HeaderMap), h2::Error> {
        let body = self.request.body_mut();
        let mut bytes = Vec::new();
        while let Some(data) = body.data().await {
            let data = data?;
            body.flow_control().release_capacity(data.len())?;
            bytes.extend_from_slice(&data);
        }
        Ok((bytes, body.trailers().await?.unwrap_or_default()))
    }
}

/// A response head.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Response<()> {
    let mut response = Response::builder().status(status);
    for (name, value) in headers {
        response = response.header(*name, *value);
    }
    response.body(()).unwrap()
}

/// How it listens and what it takes.
#[derive(Clone, Default)]
pub struct Terms {
    /// TLS, with ALPN as the settings say.
    pub tls: Option<Arc<ServerConfig>>,
    /// A Unix socket instead of a port.
    pub socket: Option<PathBuf>,
    /// Streams at a time on one connection.
    pub streams: Option<u32>,
}

type Script = dyn Fn(Call) -> Pin<Box<dyn Future<Output = ()> + Send>> + Send + Sync;

struct Shared {
    terms: Terms,
    script: Box<Script>,
    requests: Mutex<Vec<Parts>>,
    connections: AtomicUsize,
    open: AtomicUsize,
    handshakes: Mutex<Vec<Handshake>>,
}

/// A TLS handshake: what was agreed on, of which kind it was, and who came.
#[derive(Clone, Debug)]
pub struct Handshake {
    /// By ALPN.
    pub protocol: Vec<u8>,
    /// Whether an earlier session went on.
    pub is_resumed: bool,
    /// The gateway's certificate.
    pub shown: Option<CertificateDer<'static>>,
}

/// A running platform; dropping it ends its thread.
pub struct Multiplexed {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
    _alive: UnboundedSender<()>,
}

impl Multiplexed {
    /// Starts one that treats each stream as the script says.
    pub fn start<F: Future<Output = ()> + Send + 'static>(
        terms: Terms,
        script: impl Fn(Call) -> F + Send + Sync + 'static,
    ) -> Self {
        let listener = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
        listener.set_nonblocking(true).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            terms,
            script: Box::new(move |call| Box::pin(script(call))),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            open: AtomicUsize::new(0),
            handshakes: Mutex::default(),
        });
        let (alive, ended) = unbounded_channel();
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(listen(serving, listener, ended));
        });
        Self { address, shared, _alive: alive }
    }

    /// Heads of everything that came so far.
    pub fn requests(&self) -> Vec<Parts> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// How many connections were ever opened.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// TLS handshakes that went well.
    pub fn handshakes(&self) -> Vec<Handshake> {
        self.shared.handshakes.lock().unwrap().clone()
    }

    /// How many are open.
    pub fn open(&self) -> usize {
        self.shared.open.load(Ordering::Relaxed)
    }
}

async fn listen(shared: Arc<Shared>, tcp: std::net::TcpListener, mut ended: UnboundedReceiver<()>) {
    let tcp = TcpListener::from_std(tcp).unwrap();
    let unix = shared.terms.socket.as_ref().map(|path| UnixListener::bind(path).unwrap());
    let acceptor = shared.terms.tls.clone().map(TlsAcceptor::from);
    loop {
        tokio::select! {
            _ = ended.recv() => return,
            accepted = tcp.accept() => {
                let (stream, _) = accepted.unwrap();
                let (shared, acceptor) = (Arc::clone(&shared), acceptor.clone());
                tokio::spawn(async move {
                    let Some(acceptor) = acceptor else { return converse(shared, stream).await };
                    let Ok(stream) = acceptor.accept(stream).await else { return };
                    let session = stream.get_ref().1;
                    let handshake = Handshake {
                        protocol: session.alpn_protocol().unwrap_or_default().to_vec(),
                        is_resumed: session.handshake_kind() == Some(HandshakeKind::Resumed),
                        shown: session.peer_certificates().map(|chain| chain[0].clone().into_owned()),
                    };
                    let is_http2 = handshake.protocol == b"h2";
                    shared.handshakes.lock().unwrap().push(handshake);
                    if is_http2 {
                        converse(shared, stream).await;
                    } else {
                        let _ended = converse_http1(stream).await;
                    }
                });
            }
            accepted = async { unix.as_ref().unwrap().accept().await }, if unix.is_some() => {
                tokio::spawn(converse(Arc::clone(&shared), accepted.unwrap().0));
            }
        }
    }
}

async fn converse(shared: Arc<Shared>, stream: impl AsyncRead + AsyncWrite + Unpin) {
    let number = shared.connections.fetch_add(1, Ordering::Relaxed) + 1;
    shared.open.fetch_add(1, Ordering::Relaxed);
    let (order, mut orders) = unbounded_channel();
    let mut rules = h2::server::Builder::new();
    rules.initial_window_size(64 << 10).initial_connection_window_size(1 << 20);
    if let Some(streams) = shared.terms.streams {
        rules.max_concurrent_streams(streams);
    }
    if let Ok(mut connection) = rules.handshake::<_, Bytes>(stream).await {
        loop {
            tokio::select! {
                call = connection.accept() => {
                    let Some(Ok((request, answer))) = call else { break };
                    let (parts, body) = request.into_parts();
                    shared.requests.lock().unwrap().push(parts.clone());
                    let request = Request::from_parts(parts, body);
                    let order = order.clone();
                    tokio::spawn((shared.script)(Call { request, answer, connection: number, order }));
                }
                told = orders.recv() => match told {
                    Some(Order::GoAway) => connection.graceful_shutdown(),
                    _ => break,
                },
            }
        }
    }
    shared.open.fetch_sub(1, Ordering::Relaxed);
}

/// HTTP/1.1 where that was agreed on: `one` to every request, and what comes back to a WebSocket.
pub async fn converse_http1(mut stream: impl AsyncRead + AsyncWrite + Unpin) -> std::io::Result<()> {
    let mut pending = Vec::new();
    loop {
        while !pending.windows(4).any(|window| window == b"\r\n\r\n") {
            if stream.read_buf(&mut pending).await? == 0 {
                return Ok(());
            }
        }
        let text = String::from_utf8_lossy(&pending).into_owned();
        pending.clear();
        let key = text.lines().find_map(|line| line.strip_prefix("sec-websocket-key: "));
        let Some(key) = key else {
            stream.write_all(b"HTTP/1.1 200 OK\r\nContent-Length: 3\r\n\r\none").await?;
            continue;
        };
        let accept = derive_accept_key(key.as_bytes());
        let answer = format!(
            "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Accept: {accept}\r\n\r\n"
        );
        stream.write_all(answer.as_bytes()).await?;
        let mut frame = [0; 256];
        loop {
            let read = stream.read(&mut frame).await?;
            stream.write_all(&frame[..read]).await?;
            if read == 0 {
                return Ok(());
            }
        }
    }
}

/// Refuses a stream: nothing of it was processed (RFC 9113 §8.7).
pub fn refuse(mut call: Call) {
    call.answer.send_reset(Reason::REFUSED_STREAM);
}
