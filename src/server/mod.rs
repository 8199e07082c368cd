//! Listeners, TLS, timers, drain and the admin listener: everything around an exchange.
//!
//! ```text
//! control thread          signals, stages (serve → drain → stop), admin listener
//! worker thread × n       one current-thread runtime each:
//!   listen.rs               accept on the worker's own SO_REUSEPORT sockets, connection limit
//!   proxy_header.rs         who the client is, where a balancer says so
//!   addresses.rs, room.rs   who may have how many connections, and who gives way
//!   handshakes.rs           how many at a time, and whose turn it is
//!   serve.rs                TLS handshake, HTTP/1.1 or HTTP/2 by ALPN, one task a connection
//!   stack.rs                tower: load shedding around the exchange
//!   frame_watch.rs          frames of HTTP/2 that cost their client nothing
//!   sweep.rs                deadlines, compared a few times a second; no timer per connection
//! ```
//!
//! A connection never leaves the core that accepted it, so nothing on its way needs a lock.

mod addresses;
pub mod admin;
mod chunks;
pub mod drain;
mod exchange;
mod frame_watch;
mod handshakes;
mod head_watch;
mod listen;
pub mod observe;
mod proxy_header;
mod room;
mod serve;
mod stack;
mod sweep;
pub mod tls;
mod watched;
mod worker;

use std::{future::Future, io, net::SocketAddr, path::PathBuf, rc::Rc, sync::Arc, time::Duration};

use arc_swap::ArcSwap;
use bytes::Bytes;
pub use drain::{Handle, Stage, start, start_obeying_signals};
use http::{Request, Response};
use http_body::Body;
use ipnet::IpNet;

use crate::{
    gateway::connection::{Connection, Upload},
    policy::set::{ClientLimits, GatewaySettings, Listen, Timeouts},
};

/// What answers requests; one per worker, never shared between them.
pub trait Exchange: 'static {
    /// The body of its answers.
    type Body: Body<Data = Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>> + Unpin + 'static;

    /// Answers one request. Dropped when the client is gone or the connection is given up.
    fn handle(
        self: Rc<Self>,
        connection: Rc<Connection>,
        request: Request<Upload>,
    ) -> impl Future<Output = Response<Self::Body>>;

    /// The neutral `503` for a request above the limit of exchanges.
    fn overloaded(&self) -> Response<Self::Body>;
}

/// What a worker tells the exchange it makes.
#[derive(Clone, Debug)]
pub struct WorkerContext {
    /// Which worker, from 0.
    pub index: usize,
    /// How many there are: shares of process-wide limits.
    pub workers: usize,
    /// The stage of the server, for background tasks that should end with it. Tasks are started with
    /// `tokio::task::spawn_local`.
    pub stage: tokio::sync::watch::Receiver<Stage>,
}

/// What may change while the server runs: swapped whole, read by each worker at its next tick.
#[derive(Clone, Debug)]
pub struct Live {
    /// Bounds on what a client may send.
    pub limits: ClientLimits,
    /// How long each phase may last.
    pub timeouts: Timeouts,
    /// Proxies that may have as many connections as there are.
    pub trusted_proxies: Arc<[IpNet]>,
    /// Certificates and TLS rules; `None` where there is no TLS listener.
    pub tls: Option<tls::Terms>,
}

impl Live {
    /// The live part of `settings`. `tickets` outlives reloads, so that sessions resume across them.
    ///
    /// # Errors
    /// [`tls::TlsError`] if a certificate and its key cannot be used.
    pub fn new(settings: &GatewaySettings, tickets: &tls::Tickets) -> Result<Self, tls::TlsError> {
        let tls = match settings.listen.https.is_empty() {
            true => None,
            false => {
                let clients = settings.client_certificates.as_ref();
                Some(tls::Terms::new(&settings.certificates, clients, tickets, &settings.ticket_keys)?)
            }
        };
        let trusted_proxies = settings.trusted_proxies.as_slice().into();
        Ok(Self { limits: settings.limits, timeouts: settings.timeouts, trusted_proxies, tls })
    }
}

/// How to start.
#[derive(Clone)]
pub struct Config {
    /// Where to listen; port 0 takes a free one.
    pub listen: Listen,
    /// Worker threads; `None` for one per core.
    pub workers: Option<usize>,
    /// What may change later.
    pub live: Arc<ArcSwap<Live>>,
    /// How often deadlines are compared: their accuracy, and the coarse clock's.
    pub tick: Duration,
    /// How long connections are still accepted after readiness turned off: the time that a cluster takes to hear of it.
    pub drain_delay: Duration,
    /// Where the bound addresses are written as one JSON object, for callers that asked for port 0.
    pub addresses_file: Option<PathBuf>,
    /// Renders `/metrics`.
    pub metrics: Arc<dyn Fn() -> String + Send + Sync>,
    /// Whether what exchanges depend on in this process works, such as the journal: part of readiness.
    pub healthy: Arc<dyn Fn() -> bool + Send + Sync>,
    /// Called on SIGHUP.
    pub hangup: Arc<dyn Fn() + Send + Sync>,
    /// Hears of handshakes, refusals, deadlines and stages.
    pub observer: Arc<dyn observe::Observe>,
}

/// Default of [`Config::tick`].
pub const TICK: Duration = Duration::from_millis(250);

/// The addresses actually bound.
#[derive(Clone, Debug, PartialEq, Eq, serde::Serialize)]
pub struct Addresses {
    /// TLS listeners, in the order of the policy.
    pub https: Vec<SocketAddr>,
    /// Plain listeners, in the order of the policy.
    pub http: Vec<SocketAddr>,
    /// Metrics and probes.
    pub admin: SocketAddr,
}

/// Why the server did not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServerError {
    /// An address cannot be listened on.
    #[error("cannot listen on {address}")]
    Listen {
        /// Which.
        address: SocketAddr,
        /// Why not.
        #[source]
        source: io::Error,
    },
    /// A TLS listener without a certificate.
    #[error("a TLS listener needs a certificate")]
    NoCertificate,
    /// The addresses cannot be written.
    #[error("cannot write the bound addresses to the file asked for")]
    Addresses(#[source] io::Error),
    /// No thread, runtime or signal handler could be had.
    #[error("the operating system refused a thread, a runtime or a signal handler")]
    System(#[from] io::Error),
    /// A worker ended with a panic: a bug.
    #[error("worker {0} ended unexpectedly")]
    Worker(usize),
}

#[cfg(test)]
mod tests;
