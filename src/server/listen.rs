//! Sockets: one per worker and address, sharing the port by `SO_REUSEPORT`; accepting within the connection limit.

use std::{
    io,
    net::{IpAddr, SocketAddr, TcpListener as StdListener},
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering::Relaxed},
    },
    time::Duration,
};

use ipnet::IpNet;
use socket2::SockRef;
use tokio::net::{TcpListener, TcpSocket, TcpStream};

use super::{
    ServerError,
    addresses::{Addresses, Holding, Place},
    observe::{Observe, Refusal},
};
use crate::policy::set::{Listen, Listener};

/// Connections that the kernel holds for a worker until it accepts them.
const BACKLOG: u32 = 4096;

/// Wait after an accept that failed for want of descriptors or memory: long enough for some to come free.
const ACCEPT_BACKOFF: Duration = Duration::from_millis(100);

/// A worker's own sockets.
#[derive(Debug, Default)]
pub(super) struct Sockets {
    pub(super) https: Vec<Socket>,
    pub(super) http: Vec<Socket>,
}

/// One socket of a worker, and who may be at the other end.
#[derive(Debug)]
pub(super) struct Socket {
    pub(super) listener: StdListener,
    pub(super) balancers: Option<Balancers>,
}

/// Networks whose machines open each connection with a PROXY header.
pub(super) type Balancers = Arc<[IpNet]>;

/// Whether a connection from `peer` may be taken. An IPv4 peer of a socket for both families looks like an IPv6 one.
pub(super) fn may_connect(balancers: Option<&Balancers>, peer: SocketAddr) -> bool {
    let address = peer.ip().to_canonical();
    balancers.is_none_or(|networks| networks.iter().any(|network| network.contains(&address)))
}

/// Binds every address for every worker, and the admin address once. Needs a runtime's context.
pub(super) fn bind(
    listen: &Listen,
    workers: usize,
) -> Result<(Vec<Sockets>, StdListener, super::Addresses), ServerError> {
    let mut sockets: Vec<Sockets> = (0..workers).map(|_| Sockets::default()).collect();
    let mut bind_all = |listeners: &[Listener], tls: bool| -> Result<Vec<SocketAddr>, ServerError> {
        let mut bound = Vec::with_capacity(listeners.len());
        for one in listeners {
            let mut resolved = one.address;
            for own in &mut sockets {
                let listener = bind_one(resolved, one.ipv6_only, true)?;
                resolved = listener.local_addr()?;
                let socket = Socket { listener, balancers: one.balancers.clone() };
                if tls { own.https.push(socket) } else { own.http.push(socket) }
            }
            bound.push(resolved);
        }
        Ok(bound)
    };
    let https = bind_all(&listen.https, true)?;
    let http = bind_all(&listen.http, false)?;
    let admin_listener = bind_one(listen.admin, false, false)?;
    let admin = admin_listener.local_addr()?;
    Ok((sockets, admin_listener, super::Addresses { https, http, admin }))
}

fn bind_one(address: SocketAddr, ipv6_only: bool, shared: bool) -> Result<StdListener, ServerError> {
    let bind = || {
        let socket = if address.is_ipv4() { TcpSocket::new_v4()? } else { TcpSocket::new_v6()? };
        if address.is_ipv6() {
            // Said either way: what the system takes for the default is a setting of the machine.
            SockRef::from(&socket).set_only_v6(ipv6_only)?;
        }
        // Lets a restart bind while old connections are in TIME_WAIT.
        socket.set_reuseaddr(true)?;
        if shared {
            socket.set_reuseport(true)?;
        }
        // Linux hands this down to accepted sockets, which saves a system call for each.
        socket.set_nodelay(true)?;
        socket.bind(address)?;
        socket.listen(BACKLOG)?.into_std()
    };
    bind().map_err(|source| ServerError::Listen { address, source })
}

/// How many connections are open, over all workers.
#[derive(Clone)]
pub(super) struct OpenConnections {
    open: Arc<AtomicUsize>,
    addresses: Addresses,
    observer: Arc<dyn Observe>,
}

impl OpenConnections {
    pub(super) fn new(observer: Arc<dyn Observe>) -> Self {
        Self { open: Arc::default(), addresses: Addresses::default(), observer }
    }

    /// How many.
    pub(super) fn count(&self) -> usize {
        self.open.load(Relaxed)
    }

    /// A place, unless `limit` are taken.
    pub(super) fn admit(&self, limit: usize) -> Option<Permit> {
        if self.open.fetch_add(1, Relaxed) >= limit {
            self.open.fetch_sub(1, Relaxed);
            self.observer.refused(Refusal::Limit);
            return None;
        }
        self.observer.connections(1);
        Some(Permit { open: self.clone(), of_address: None })
    }

    /// Whether a client's address may have one of these more; what is given back with the answer is its place.
    pub(super) fn enter(&self, address: IpAddr, what: Holding, most: usize) -> Option<Place> {
        let place = self.addresses.enter(address, what, most);
        if place.is_none() {
            self.observer.refused(match what {
                Holding::Connection => Refusal::Address,
                Holding::Handshake => Refusal::Handshakes,
            });
        }
        place
    }
}

/// A place under the connection limit, given back when dropped.
pub(super) struct Permit {
    open: OpenConnections,
    of_address: Option<Place>,
}

impl Permit {
    /// Holds the place of the client's address for as long as its own.
    pub(super) fn hold(&mut self, of_address: Option<Place>) {
        self.of_address = of_address;
    }
}

impl std::fmt::Debug for Permit {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Permit")
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        self.open.open.fetch_sub(1, Relaxed);
        self.open.observer.connections(-1);
    }
}

/// Accepts until dropped.
pub(super) async fn accept_all(
    listener: &TcpListener,
    observer: &dyn Observe,
    mut serve: impl FnMut(TcpStream, SocketAddr),
) {
    loop {
        match listener.accept().await {
            Ok((stream, peer)) => serve(stream, peer),
            // The client was gone before it was accepted.
            Err(error) if is_transient(&error) => {}
            Err(_) => {
                observer.refused(Refusal::Resources);
                tokio::time::sleep(ACCEPT_BACKOFF).await;
            }
        }
    }
}

/// Accepts what the kernel has finished handshakes for, then closes: closing first would reset those clients.
///
/// Asks the kernel itself, because the runtime may not have heard yet of the newest ones.
pub(super) fn accept_rest(listener: TcpListener, mut serve: impl FnMut(TcpStream, SocketAddr)) {
    let Ok(listener) = listener.into_std() else { return };
    loop {
        let accepted = listener.accept().and_then(|(stream, peer)| {
            stream.set_nonblocking(true)?;
            Ok((TcpStream::from_std(stream)?, peer))
        });
        match accepted {
            Ok((stream, peer)) => serve(stream, peer),
            Err(error) if is_transient(&error) => {}
            // `WouldBlock`: the queue is empty.
            Err(_) => return,
        }
    }
}

fn is_transient(error: &io::Error) -> bool {
    use io::ErrorKind::{ConnectionAborted, ConnectionReset, Interrupted};
    matches!(error.kind(), ConnectionAborted | ConnectionReset | Interrupted)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::server::observe::Deaf;

    fn local() -> SocketAddr {
        SocketAddr::from(([127, 0, 0, 1], 0))
    }

    #[tokio::test]
    async fn the_accept_queue_is_served_before_the_socket_closes() {
        let listener = bind_one(local(), false, true).unwrap();
        let address = listener.local_addr().unwrap();
        let mut clients = Vec::new();
        for _ in 0..5 {
            clients.push(TcpStream::connect(address).await.unwrap());
        }
        // The runtime learns of the socket only now, and has not polled it yet.
        let mut taken = Vec::new();
        accept_rest(TcpListener::from_std(listener).unwrap(), |stream, peer| taken.push((stream, peer)));
        assert_eq!(taken.len(), clients.len());
        assert_eq!(taken[0].1, clients[0].local_addr().unwrap());
        assert!(TcpStream::connect(address).await.is_err());
    }

    #[tokio::test]
    async fn accepted_sockets_inherit_nodelay() {
        let listener = bind_one(local(), false, true).unwrap();
        let _client = TcpStream::connect(listener.local_addr().unwrap()).await.unwrap();
        let (stream, _) = TcpListener::from_std(listener).unwrap().accept().await.unwrap();
        assert!(stream.nodelay().unwrap());
    }

    #[tokio::test]
    async fn workers_share_the_port_that_the_first_was_given() {
        let listen = Listen {
            https: vec![local().into()],
            http: vec![local().into()],
            admin: local(),
            public_https_port: 443,
        };
        let (sockets, _admin, addresses) = bind(&listen, 3).unwrap();
        for own in &sockets {
            assert_eq!(own.https[0].listener.local_addr().unwrap(), addresses.https[0]);
            assert_eq!(own.http[0].listener.local_addr().unwrap(), addresses.http[0]);
        }
        assert_ne!(addresses.https[0].port(), 0);
    }

    #[test]
    fn a_place_is_given_back() {
        let open = OpenConnections::new(Arc::new(Deaf));
        let first = open.admit(1).unwrap();
        assert!(open.admit(1).is_none());
        drop(first);
        assert!(open.admit(1).is_some());
    }
}
