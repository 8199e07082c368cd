//! One core: its runtime, its connections, its clock.

use std::{
    cell::{Cell, RefCell},
    io,
    net::{IpAddr, SocketAddr},
    rc::Rc,
    sync::Arc,
    time::{Duration, Instant as Moment},
};

use arc_swap::ArcSwap;
use hyper::server::conn::http1;
use tokio::{
    net::{TcpListener, TcpStream},
    sync::{Notify, watch},
    time::MissedTickBehavior,
};

use super::{
    Config, Exchange, Live, Stage, WorkerContext,
    addresses::{Holding, Place},
    handshakes::{Handshakes, UnderWay},
    listen::{Balancers, OpenConnections, Permit, Socket, Sockets, accept_all, accept_rest, may_connect},
    observe::{Observe, Refusal},
    room::{self, Room},
    serve,
    stack::stack,
    sweep::{Bounds, sweep},
    watched::Watched,
};
use crate::{
    gateway::connection::{Clock, Order, Phase, Pressure, Progress, Tracker},
    policy::set::ClientLimits,
};

/// How often it is measured, while there is work, how long it waits.
const MEASURED: Duration = Duration::from_millis(10);

/// What the connections of one core share.
pub(super) struct Core {
    pub(super) observer: Arc<dyn Observe>,
    pub(super) pressure: Rc<Pressure>,
    workers: usize,
    started: Moment,
    tick: Duration,
    clock: Arc<Clock>,
    source: Arc<ArcSwap<Live>>,
    live: RefCell<Arc<Live>>,
    http1: RefCell<http1::Builder>,
    open: OpenConnections,
    trackers: RefCell<Vec<Rc<Tracker>>>,
    handshakes: Handshakes,
    room: Room,
    accepting: Cell<usize>,
    closing: Cell<bool>,
    changed: Notify,
}

impl Core {
    fn new(config: &Config, workers: usize, open: OpenConnections) -> Rc<Self> {
        let live = config.live.load_full();
        let core = Self {
            observer: config.observer.clone(),
            pressure: Rc::default(),
            workers,
            started: Moment::now(),
            tick: config.tick,
            clock: Arc::default(),
            source: config.live.clone(),
            http1: RefCell::new(serve::http1_rules(&live.limits)),
            live: RefCell::new(live),
            open,
            trackers: RefCell::default(),
            handshakes: Handshakes::default(),
            room: Room::default(),
            accepting: Cell::new(0),
            closing: Cell::new(false),
            changed: Notify::new(),
        };
        core.bound_load();
        Rc::new(core)
    }

    /// The core's part of the limit of exchanges: whole at least, so that no worker is closed.
    fn bound_load(&self) {
        let live = self.live.borrow();
        self.pressure.bound(live.limits.exchanges.div_ceil(self.workers).max(1), live.timeouts.queue);
        self.pressure.bound_tunnels(live.limits.connections.div_ceil(self.workers).max(1));
    }

    pub(super) fn limits(&self) -> ClientLimits {
        self.live.borrow().limits
    }

    /// Handshakes under way on this core.
    pub(super) fn handshakes(&self) -> &Handshakes {
        &self.handshakes
    }

    /// A handshake may begin: the core has not its share of them, and the client's address not all it may have.
    pub(super) fn begin_handshake(
        &self,
        tracker: &Rc<Tracker>,
        address: IpAddr,
    ) -> Option<(UnderWay, Option<Place>)> {
        let live = self.live.borrow();
        let of_address =
            self.place(&live, address, Holding::Handshake, live.limits.handshakes_per_address)?;
        let most = live.limits.handshakes.div_ceil(self.workers);
        let under_way = self.handshakes.begin(tracker.clone(), most);
        if under_way.is_none() {
            self.observer.refused(Refusal::Handshakes);
        }
        Some((under_way?, of_address))
    }

    /// A place of a client's address, none where it needs none; `None` if it has as many as it may.
    ///
    /// To be asked for the address of the client itself, wherever that is known.
    fn place(&self, live: &Live, address: IpAddr, what: Holding, most: usize) -> Option<Option<Place>> {
        let address = address.to_canonical();
        if live.trusted_proxies.iter().any(|network| network.contains(&address)) {
            return Some(None);
        }
        self.open.enter(address, what, most).map(Some)
    }

    /// A place under the limits on connections. Where a balancer still has to say who the client is, that of the address
    /// comes later ([`Self::place_of_connection`]).
    fn admit(&self, live: &Live, address: Option<IpAddr>) -> Option<Permit> {
        // First, so that nobody gives way to who may not come in.
        let place = match address {
            Some(address) => self.place_of_connection(live, address)?,
            None => None,
        };
        let limit = live.limits.connections;
        let mut most = limit;
        if room::is_short(self.open.count(), limit)
            && self.room.make(&self.trackers.borrow(), self.clock.now())
        {
            self.observer.evicted();
            most = room::at_most(limit);
        }
        let mut permit = self.open.admit(most)?;
        permit.hold(place);
        Some(permit)
    }

    /// Another connection of a client's address; `None` if it has as many as it may.
    fn place_of_connection(&self, live: &Live, address: IpAddr) -> Option<Option<Place>> {
        self.place(live, address, Holding::Connection, live.limits.connections_per_address)
    }

    /// Counts the connection of a client that a balancer named.
    pub(super) fn count_proxied(&self, stream: &mut Watched, address: IpAddr) -> Option<()> {
        stream.hold(self.place_of_connection(&self.live.borrow(), address)?);
        Some(())
    }

    /// Whether a connection has served for as long, or as often, as it may.
    pub(super) fn is_spent(&self, tracker: &Tracker) -> bool {
        let live = self.live.borrow();
        let exchanges = tracker.progress().served().exchanges;
        live.limits.requests_per_connection.is_some_and(|most| exchanges >= most)
            || live.timeouts.connection.is_some_and(|most| self.clock.now().since(tracker.accepted()) > most)
    }

    pub(super) fn http1_rules(&self) -> http1::Builder {
        self.http1.borrow().clone()
    }

    /// Whether no new connections are taken.
    pub(super) fn is_closing(&self) -> bool {
        self.closing.get()
    }

    /// The settings that hold now. All workers take new ones over at the same moment, with their next connection or
    /// tick: nobody is shown an old certificate after somebody was shown the new one.
    fn settings(&self) -> Arc<Live> {
        let live = self.source.load();
        if !Arc::ptr_eq(&live, &self.live.borrow()) {
            *self.http1.borrow_mut() = serve::http1_rules(&live.limits);
            *self.live.borrow_mut() = Arc::clone(&live);
            self.bound_load();
        }
        Arc::clone(&live)
    }

    /// Moves the clock, takes new settings over, compares deadlines.
    fn tick(&self) {
        self.clock.advance(self.started.elapsed());
        let live = self.settings();
        let now = self.clock.now();
        let bounds = Bounds {
            timeouts: &live.timeouts,
            body_rate: live.limits.body_rate,
            crowded: room::is_short(self.open.count(), live.limits.connections),
        };
        self.trackers.borrow_mut().retain(|tracker| {
            if tracker.is_over() {
                return false;
            }
            sweep(tracker, now, &bounds, self.is_closing(), &*self.observer);
            true
        });
    }

    /// Asks every connection to finish that can be asked without losing a request; HTTP/1 ones finish with the answer to
    /// their next request, or when they have been quiet.
    fn close(&self) {
        self.closing.set(true);
        for tracker in self.trackers.borrow().iter().filter(|tracker| tracker.progress().is_multiplexed()) {
            tracker.give(Order::Finish);
        }
    }

    fn abort(&self) {
        self.trackers.borrow().iter().for_each(|tracker| tracker.give(Order::Abort));
    }

    fn open_connections(&self) -> usize {
        self.trackers.borrow().iter().filter(|tracker| !tracker.is_over()).count()
    }

    fn is_drained(&self) -> bool {
        self.closing.get() && self.accepting.get() == 0 && self.open_connections() == 0
    }
}

/// Marks the end of a connection's task, also when it panics.
struct Ended {
    core: Rc<Core>,
    tracker: Rc<Tracker>,
}

impl Drop for Ended {
    fn drop(&mut self) {
        self.tracker.end();
        if self.core.is_closing() {
            self.core.changed.notify_one();
        }
    }
}

/// A worker's thread: returns how many connections it had to cut.
pub(super) fn run<E: Exchange>(
    config: &Config,
    context: WorkerContext,
    sockets: Sockets,
    open: OpenConnections,
    make_exchange: impl Fn(WorkerContext) -> Rc<E>,
    ready: impl FnOnce(),
) -> io::Result<usize> {
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_all().build_local(Default::default())?;
    let cut = runtime.block_on(async {
        let worker = context.index;
        let core = Core::new(config, context.workers, open);
        let mut stage = context.stage.clone();
        let exchange = make_exchange(context);
        let listeners = [(sockets.https, true), (sockets.http, false)];
        for (socket, tls) in
            listeners.into_iter().flat_map(|(list, tls)| list.into_iter().map(move |one| (one, tls)))
        {
            accept(&core, socket, tls, exchange.clone(), stage.clone())?;
        }
        tokio::task::spawn_local(measure(core.clone(), worker));
        ready();
        Ok::<_, io::Error>(supervise(&core, config, &mut stage).await)
    });
    // Lookups that never return must not keep the process.
    runtime.shutdown_background();
    cut
}

/// Ticks until everything is drained, or the server stops.
async fn supervise(core: &Core, config: &Config, stage: &mut watch::Receiver<Stage>) -> usize {
    let mut ticks = tokio::time::interval(config.tick);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Delay);
    loop {
        tokio::select! {
            _ = ticks.tick() => core.tick(),
            () = core.changed.notified() => {}
            changed = stage.changed() => {
                let now = if changed.is_ok() { *stage.borrow_and_update() } else { Stage::Stopping };
                if now >= Stage::Closing && !core.is_closing() {
                    core.close();
                }
                if now >= Stage::Stopping {
                    let cut = core.open_connections();
                    core.abort();
                    // Lets the tasks see it and their guards run; whatever ignores it ends with the runtime.
                    tokio::task::yield_now().await;
                    return cut;
                }
            }
        }
        if core.is_drained() {
            return 0;
        }
    }
}

/// Measures for ever how long work that is ready waits: this task is such work whenever its time has come.
async fn measure(core: Rc<Core>, worker: usize) {
    loop {
        let pause = if core.pressure.active().get() > 0 { MEASURED } else { core.tick };
        let due = tokio::time::Instant::now() + pause;
        tokio::time::sleep_until(due).await;
        if let Some(shortest) = core.pressure.waited(core.started.elapsed(), due.elapsed()) {
            core.observer.queued(worker, shortest);
        }
    }
}

/// Accepts on one socket until the server closes, then takes what still waits there.
fn accept<E: Exchange>(
    core: &Rc<Core>,
    socket: Socket,
    tls: bool,
    exchange: Rc<E>,
    mut stage: watch::Receiver<Stage>,
) -> io::Result<()> {
    let Socket { listener, balancers } = socket;
    let listener = TcpListener::from_std(listener)?;
    core.accepting.set(core.accepting.get() + 1);
    let core = core.clone();
    let service = stack(exchange, core.pressure.clone());
    tokio::task::spawn_local(async move {
        let mut serve = |stream, peer| start(&core, stream, peer, tls, balancers.as_ref(), &service);
        tokio::select! {
            () = accept_all(&listener, &*core.observer, &mut serve) => {}
            // An error means that the server is gone.
            _ = stage.wait_for(|stage| *stage >= Stage::Closing) => {}
        }
        // Before the last ones are taken: they should know that they are.
        core.close();
        accept_rest(listener, &mut serve);
        core.accepting.set(core.accepting.get().saturating_sub(1));
        core.changed.notify_one();
    });
    Ok(())
}

fn start<S, B>(
    core: &Rc<Core>,
    stream: TcpStream,
    peer: SocketAddr,
    tls: bool,
    balancers: Option<&Balancers>,
    service: &S,
) where
    S: tower::Service<
            super::stack::Arrival,
            Response = http::Response<B>,
            Error = tower::BoxError,
            Future: 'static,
        > + Clone
        + 'static,
    B: http_body::Body<Data = bytes::Bytes, Error: Into<Box<dyn std::error::Error + Send + Sync>>>
        + Unpin
        + 'static,
{
    if !may_connect(balancers, peer) {
        return core.observer.refused(Refusal::Untrusted);
    }
    let live = core.settings();
    let config = match (tls, &live.tls) {
        (true, Some(config)) => Some(config.clone()),
        // Never plain text on a TLS socket.
        (true, None) => return,
        (false, _) => None,
    };
    let proxied = balancers.is_some();
    let Some(permit) = core.admit(&live, (!proxied).then(|| peer.ip())) else { return };
    let phase = if tls || proxied { Phase::Handshake } else { Phase::Idle };
    let progress = Progress::new(core.clock.clone(), phase);
    let tracker = Tracker::new(progress.clone());
    core.trackers.borrow_mut().push(tracker.clone());
    let ended = Ended { core: core.clone(), tracker: tracker.clone() };
    let client = serve::client(
        core.clone(),
        service.clone(),
        Watched::new(stream, progress, permit),
        serve::Peer { address: peer, proxied },
        config,
        tracker,
    );
    tokio::task::spawn_local(async move {
        let _ended = ended;
        client.await;
    });
}
