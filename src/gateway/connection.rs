//! One client connection: what an exchange may know of it, and what the timers watch.
//!
//! Nothing here registers a timer. A connection and its bodies only note *since when* they wait and for whom, on a
//! clock that its core moves a few times a second; the sweep in `server` compares these notes with the policy's bounds.
//! That costs a few stores per exchange where a timer per phase would cost system calls.

mod body;
mod pace;
mod pressure;
mod progress;

use std::{
    cell::{Cell, OnceCell, RefCell},
    future::poll_fn,
    net::SocketAddr,
    rc::Rc,
    sync::Arc,
    task::{Context, Poll, Waker},
    time::Duration,
};

pub use body::{Download, Upload, UploadError};
pub use pace::Pace;
pub use pressure::{Pressure, Tunnelled};
pub use progress::{Clock, Framing, HeadSigns, Instant, Phase, Progress, Served};
use rustls::pki_types::CertificateDer;
use tokio::task::AbortHandle;

use crate::{identity::Recall, telemetry::TlsVersion};

/// A client connection.
#[derive(Debug)]
pub struct Connection {
    /// Who is at the other end; an IPv4 address is never written as an IPv6 one.
    pub peer: SocketAddr,
    /// The TLS version agreed on; `None` without TLS.
    pub tls: Option<TlsVersion>,
    /// The name asked for in the handshake (SNI, RFC 6066 §3), lower case.
    pub server_name: Option<String>,
    tracker: Rc<Tracker>,
    pressure: Rc<Pressure>,
    recall: Recall,
}

impl Connection {
    /// A connection watched by `tracker` on a core under `pressure`.
    pub fn new(
        peer: SocketAddr,
        tls: Option<TlsVersion>,
        server_name: Option<String>,
        tracker: Rc<Tracker>,
        pressure: Rc<Pressure>,
    ) -> Self {
        let peer = SocketAddr::new(peer.ip().to_canonical(), peer.port());
        Self { peer, tls, server_name, tracker, pressure, recall: Recall::of(peer.ip(), None) }
    }

    /// With the certificate chain that the client showed, leaf first.
    #[must_use]
    pub fn showing(self, chain: Option<&[CertificateDer<'_>]>) -> Self {
        Self { recall: Recall::of(self.peer.ip(), chain), ..self }
    }

    /// Ends when the server gives the connection up: a deadline passed, or the drain is over.
    ///
    /// For what outlives its exchange, such as a tunnel after `101`: whoever holds the upgraded stream stops then.
    pub async fn aborted(&self) {
        poll_fn(|context| self.tracker.poll_tunnel(context)).await;
    }

    /// The load of its core.
    pub fn pressure(&self) -> &Pressure {
        &self.pressure
    }

    /// What identification remembers of it.
    pub fn recall(&self) -> &Recall {
        &self.recall
    }

    /// What the timers watch.
    pub fn tracker(&self) -> &Rc<Tracker> {
        &self.tracker
    }
}

/// What the server wants of a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Order {
    /// Go on.
    Serve,
    /// Take no further exchange, finish those under way, then close.
    Finish,
    /// Close at once.
    Abort,
}

/// The notes about one connection, kept on its core from accept to the end.
#[derive(Debug)]
pub struct Tracker {
    progress: Arc<Progress>,
    accepted: Instant,
    exchanges: RefCell<Vec<Rc<ExchangeProgress>>>,
    order: Cell<Order>,
    ordered_at: Cell<Option<Instant>>,
    task: RefCell<Option<Waker>>,
    tunnel: RefCell<Option<Waker>>,
    ended: Cell<bool>,
}

impl Tracker {
    /// Notes about a connection whose stream reports to `progress`.
    pub fn new(progress: Arc<Progress>) -> Rc<Self> {
        Rc::new(Self {
            accepted: progress.now(),
            progress,
            exchanges: RefCell::default(),
            order: Cell::new(Order::Serve),
            ordered_at: Cell::new(None),
            task: RefCell::default(),
            tunnel: RefCell::default(),
            ended: Cell::new(false),
        })
    }

    /// The notes of the stream.
    pub fn progress(&self) -> &Arc<Progress> {
        &self.progress
    }

    /// When the connection was accepted.
    pub fn accepted(&self) -> Instant {
        self.accepted
    }

    /// What the server wants.
    pub fn order(&self) -> Order {
        self.order.get()
    }

    /// When [`Self::order`] last changed.
    pub fn ordered_at(&self) -> Option<Instant> {
        self.ordered_at.get()
    }

    /// Asks the connection to finish or to stop; an order is never taken back.
    pub fn give(&self, order: Order) {
        if order <= self.order.get() {
            return;
        }
        self.order.set(order);
        self.ordered_at.set(Some(self.progress.now()));
        if let Some(waker) = self.task.borrow_mut().take() {
            waker.wake();
        }
        if order == Order::Abort
            && let Some(waker) = self.tunnel.borrow_mut().take()
        {
            waker.wake();
        }
    }

    /// For the connection's task: the order, after noting who to wake when it changes.
    pub fn poll_order(&self, context: &Context<'_>) -> Order {
        remember(&self.task, context);
        self.order.get()
    }

    fn poll_tunnel(&self, context: &Context<'_>) -> Poll<()> {
        if self.order.get() == Order::Abort {
            return Poll::Ready(());
        }
        remember(&self.tunnel, context);
        Poll::Pending
    }

    /// Exchanges under way.
    pub fn exchanges(&self) -> usize {
        self.exchanges.borrow().len()
    }

    /// Calls `look` with each exchange under way.
    pub fn each_exchange(&self, mut look: impl FnMut(&ExchangeProgress)) {
        self.exchanges.borrow().iter().for_each(|exchange| look(exchange));
    }

    /// The newest exchange.
    pub fn newest(&self) -> Option<Rc<ExchangeProgress>> {
        self.exchanges.borrow().last().cloned()
    }

    /// A request head arrived; its exchange is under way until the guard is dropped. `active` counts those of the core.
    pub fn begin(self: &Rc<Self>, active: &Rc<Cell<usize>>) -> ExchangeGuard {
        self.progress.begin();
        self.guard(active)
    }

    fn guard(self: &Rc<Self>, active: &Rc<Cell<usize>>) -> ExchangeGuard {
        let exchange = Rc::new(ExchangeProgress::default());
        self.exchanges.borrow_mut().push(exchange.clone());
        active.set(active.get() + 1);
        ExchangeGuard { tracker: self.clone(), exchange, active: active.clone() }
    }

    /// Keeps the connection from being idle while something goes on that outlived its exchange; it is no load.
    pub fn keep(self: &Rc<Self>) -> ExchangeGuard {
        self.progress.enter(Phase::Exchange);
        self.guard(&Rc::default())
    }

    /// The connection's task is over.
    pub fn end(&self) {
        self.ended.set(true);
    }

    /// Whether nothing is left to watch: the task is over and nobody holds the stream.
    pub fn is_over(&self) -> bool {
        self.ended.get() && self.progress.is_closed()
    }

    /// Whether the stream outlived the connection's task: it was upgraded.
    pub fn is_tunnel(&self) -> bool {
        self.ended.get() && !self.progress.is_closed()
    }
}

fn remember(slot: &RefCell<Option<Waker>>, context: &Context<'_>) {
    let mut slot = slot.borrow_mut();
    if !slot.as_ref().is_some_and(|waker| waker.will_wake(context.waker())) {
        *slot = Some(context.waker().clone());
    }
}

/// The notes about one exchange.
#[derive(Debug, Default)]
pub struct ExchangeProgress {
    awaits_client: Cell<Option<Instant>>,
    received: Cell<u64>,
    pace: Pace,
    offers_client: Cell<Option<Instant>>,
    offered: Cell<usize>,
    answered: Cell<Option<Instant>>,
    whole: Cell<bool>,
    expired: Cell<bool>,
    request_unread: Cell<bool>,
    reader: RefCell<Option<Waker>>,
    stream: OnceCell<AbortHandle>,
}

impl ExchangeProgress {
    /// Whether the client is waited for to go on with its request body.
    pub fn awaits_client(&self) -> bool {
        self.awaits_client.get().is_some()
    }

    /// Whether the client has owed a piece of its request body for longer than `bound`, or, whenever it was waited for,
    /// brought fewer than `rate` bytes a second. An answer that goes on meanwhile is progress too.
    pub fn starves(&self, now: Instant, rate: u64, bound: Duration) -> bool {
        let Some(since) = self.awaits_client.get() else { return false };
        let still = self.answered.get().map_or(since, |answered| answered.max(since));
        now.since(still) > bound || (still == since && self.pace.is_below(rate, bound, self.received.get()))
    }

    /// Whether the client has not taken a piece of the response body for longer than `bound`, nor at `rate` bytes a
    /// second.
    pub fn is_stalled(&self, now: Instant, rate: u64, bound: Duration) -> bool {
        let Some(since) = self.offers_client.get() else { return false };
        let offered = self.offered.get() as u64;
        let at_rate = offered.saturating_mul(1000).checked_div(rate).unwrap_or(0);
        now.since(since) > bound.max(Duration::from_millis(at_rate))
    }

    /// The piece waits for the whole connection, not for its stream: what its client takes is counted there.
    pub fn excuse(&self, now: Instant) {
        if self.offers_client.get().is_some() {
            self.offers_client.set(Some(now));
        }
    }

    /// A piece of the request body came, or its end.
    fn brought(&self, bytes: usize, now: Instant) {
        if let Some(since) = self.awaits_client.take() {
            self.pace.waited(now.since(since));
        }
        self.received.set(self.received.get().saturating_add(bytes as u64));
    }

    /// Whether the piece before was offered within `time`: it went fast.
    fn is_brisk(&self, now: Instant, time: Duration) -> bool {
        self.answered.get().is_some_and(|at| now.since(at) < time)
    }

    /// A piece of the answer is there for the client to take.
    pub(crate) fn offer(&self, bytes: usize, now: Instant) {
        self.offers_client.set(Some(now));
        self.offered.set(bytes);
        self.answered.set(Some(now));
    }

    /// Whether some of the request body has not been read, and may never be.
    pub fn has_unread_request(&self) -> bool {
        self.request_unread.get()
    }

    /// Fails the request body: whoever reads it gets [`UploadError::TimedOut`] once. Says whether that is news.
    pub fn expire(&self) -> bool {
        let news = !self.expired.replace(true);
        if let Some(waker) = self.reader.borrow_mut().take() {
            waker.wake();
        }
        news
    }

    /// Ties the task of an HTTP/2 stream to its exchange.
    pub fn runs_in(&self, task: AbortHandle) {
        // One exchange has one task; a second call would be a mistake without harm.
        let _ = self.stream.set(task);
    }

    /// Resets the HTTP/2 stream of this exchange; says whether there is one.
    pub fn reset(&self) -> bool {
        self.offers_client.set(None);
        match self.stream.get() {
            Some(task) => {
                task.abort();
                true
            }
            None => false,
        }
    }
}

/// An exchange is under way as long as this lives.
#[derive(Debug)]
pub struct ExchangeGuard {
    tracker: Rc<Tracker>,
    exchange: Rc<ExchangeProgress>,
    active: Rc<Cell<usize>>,
}

impl ExchangeGuard {
    /// The notes about it.
    pub fn exchange(&self) -> &Rc<ExchangeProgress> {
        &self.exchange
    }

    /// What comes behind this exchange is not HTTP/1.
    pub fn opens_tunnel(&self) {
        self.tracker.progress.tunnel();
    }

    fn tracker(&self) -> &Tracker {
        &self.tracker
    }
}

impl Drop for ExchangeGuard {
    fn drop(&mut self) {
        self.active.set(self.active.get().saturating_sub(1));
        let mut exchanges = self.tracker.exchanges.borrow_mut();
        if let Some(place) = exchanges.iter().position(|other| Rc::ptr_eq(other, &self.exchange)) {
            exchanges.swap_remove(place);
        }
        if self.exchange.request_unread.get() {
            self.tracker.progress.leave_unread();
        }
        if self.exchange.whole.get() {
            self.tracker.progress.answered_whole();
        }
        if exchanges.is_empty() {
            self.tracker.progress.enter(Phase::Idle);
            if self.tracker.progress.release()
                && let Some(waker) = self.tracker.task.borrow_mut().take()
            {
                waker.wake();
            }
        }
    }
}
