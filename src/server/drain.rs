//! Start, signals, stages, drain.
//!
//! Ordering hazard: readiness turns off first, accepting stops second, idle connections close third. Each step before its
//! time loses a request: a balancer still sends to a closed listener, a client writes into a closed connection.

use std::{io, rc::Rc, sync::Arc, thread, time::Duration};

use tokio::{
    signal::unix::{Signal, SignalKind, signal},
    sync::{mpsc, watch},
};

use super::{
    Addresses, Config, Exchange, ServerError, WorkerContext, admin,
    listen::{self, OpenConnections},
    observe::StageEvent,
    worker,
};

/// How long workers may take to let go after they were told to stop.
const STOP: Duration = Duration::from_secs(2);

/// Where the server is in its life.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Stage {
    /// Not all listeners are served yet.
    Starting,
    /// Ready.
    Serving,
    /// Not ready any more, but still accepting.
    Draining,
    /// Accepting no more; exchanges under way finish.
    Closing,
    /// What is left is cut.
    Stopping,
}

/// A running server.
#[derive(Debug)]
pub struct Handle {
    /// The addresses actually bound.
    pub addresses: Addresses,
    commands: mpsc::UnboundedSender<Command>,
    stage: watch::Receiver<Stage>,
    control: thread::JoinHandle<Result<(), ServerError>>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Command {
    Drain,
    Stop,
}

impl Handle {
    /// Begins the drain, as SIGTERM does; a second call stops at once, as a second SIGTERM does.
    pub fn drain(&self) {
        // A closed channel means that it has ended already.
        let _ = self.commands.send(Command::Drain);
    }

    /// Cuts everything.
    pub fn stop(&self) {
        let _ = self.commands.send(Command::Stop);
    }

    /// Where the server is in its life, for background tasks and tests.
    pub fn stage(&self) -> watch::Receiver<Stage> {
        self.stage.clone()
    }

    /// Blocks until it has ended.
    ///
    /// # Errors
    /// [`ServerError::Worker`] if a worker ended by a bug.
    pub fn wait(self) -> Result<(), ServerError> {
        drop(self.commands);
        self.control.join().unwrap_or(Err(ServerError::Worker(0)))
    }
}

/// Starts and obeys the process's signals: SIGTERM or SIGINT drains, a second one stops at once, SIGHUP calls
/// `config.hangup`. Returns when all listeners are served.
///
/// # Errors
/// [`ServerError`] if it cannot start.
pub fn start_obeying_signals<E: Exchange>(
    config: Config,
    make_exchange: impl Fn(WorkerContext) -> Rc<E> + Send + Clone + 'static,
) -> Result<Handle, ServerError> {
    start_with(config, make_exchange, true)
}

/// Starts without touching the process's signals; returns when all listeners are served.
///
/// # Errors
/// [`ServerError`] if it cannot start.
pub fn start<E: Exchange>(
    config: Config,
    make_exchange: impl Fn(WorkerContext) -> Rc<E> + Send + Clone + 'static,
) -> Result<Handle, ServerError> {
    start_with(config, make_exchange, false)
}

fn start_with<E: Exchange>(
    config: Config,
    make_exchange: impl Fn(WorkerContext) -> Rc<E> + Send + Clone + 'static,
    signals: bool,
) -> Result<Handle, ServerError> {
    let (commands, received) = mpsc::unbounded_channel();
    let (sender, stage) = watch::channel(Stage::Starting);
    let (started, start) = std::sync::mpsc::sync_channel(1);
    let control = thread::Builder::new().name("rempart-control".into()).spawn(move || {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let ended = runtime.block_on(async {
            let (server, addresses) = Server::launch(config, make_exchange, sender, signals).await?;
            // Whoever started may be gone; the server serves all the same.
            let _ = started.send(addresses);
            server.live(received).await
        });
        runtime.shutdown_background();
        ended
    })?;
    match start.recv() {
        Ok(addresses) => Ok(Handle { addresses, commands, stage, control }),
        // The sender was dropped: the thread ended with the reason.
        Err(_) => Err(match control.join() {
            Ok(Err(error)) => error,
            _ => ServerError::Worker(0),
        }),
    }
}

/// What the control thread owns.
struct Server {
    config: Config,
    stage: watch::Sender<Stage>,
    workers: Vec<thread::JoinHandle<()>>,
    ended: mpsc::UnboundedReceiver<(usize, End)>,
    signals: Option<Signals>,
}

/// How a worker ended.
#[derive(Debug)]
enum End {
    /// As it was told, having cut so many connections.
    Told(usize),
    /// Without a runtime or a listener.
    Failed(io::Error),
    /// By a panic.
    Panicked,
}

/// What a worker thread reports even when it panics.
struct Report {
    index: usize,
    to: mpsc::UnboundedSender<(usize, End)>,
    end: Option<End>,
}

impl Report {
    fn tell(mut self, end: End) {
        self.end = Some(end);
    }
}

impl Drop for Report {
    fn drop(&mut self) {
        let end = self.end.take().unwrap_or(End::Panicked);
        // The control thread has gone: nobody is interested.
        let _ = self.to.send((self.index, end));
    }
}

struct Signals {
    terminate: Signal,
    interrupt: Signal,
    hangup: Signal,
}

impl Signals {
    fn install() -> io::Result<Self> {
        Ok(Self {
            terminate: signal(SignalKind::terminate())?,
            interrupt: signal(SignalKind::interrupt())?,
            hangup: signal(SignalKind::hangup())?,
        })
    }
}

impl Server {
    async fn launch<E: Exchange>(
        config: Config,
        make_exchange: impl Fn(WorkerContext) -> Rc<E> + Send + Clone + 'static,
        stage: watch::Sender<Stage>,
        signals: bool,
    ) -> Result<(Self, Addresses), ServerError> {
        let signals = signals.then(Signals::install).transpose()?;
        let live = config.live.load();
        if !config.listen.https.is_empty() && live.tls.is_none() {
            return Err(ServerError::NoCertificate);
        }
        let count = match config.workers {
            Some(count) => count.max(1),
            None => thread::available_parallelism().map_or(1, usize::from),
        };
        let (sockets, admin_listener, addresses) = listen::bind(&config.listen, count)?;
        let open = OpenConnections::new(config.observer.clone());
        let (report, mut ended) = mpsc::unbounded_channel();
        let (ready, mut readies) = mpsc::unbounded_channel();
        let mut workers = Vec::with_capacity(count);
        for (index, sockets) in sockets.into_iter().enumerate() {
            let context = WorkerContext { index, workers: count, stage: stage.subscribe() };
            let (config, make, open, ready) =
                (config.clone(), make_exchange.clone(), open.clone(), ready.clone());
            let report = Report { index, to: report.clone(), end: None };
            workers.push(thread::Builder::new().name(format!("rempart-{index}")).spawn(move || {
                let signal_ready = move || {
                    let _ = ready.send(());
                };
                let cut = worker::run(&config, context, sockets, open, make, signal_ready);
                report.tell(cut.map_or_else(End::Failed, End::Told));
            })?);
        }
        for _ in 0..count {
            tokio::select! {
                _ = readies.recv() => {}
                Some((index, end)) = ended.recv() => return Err(match end {
                    End::Failed(error) => error.into(),
                    End::Told(_) | End::Panicked => ServerError::Worker(index),
                }),
            }
        }
        tokio::spawn(admin::serve(
            tokio::net::TcpListener::from_std(admin_listener)?,
            stage.subscribe(),
            config.metrics.clone(),
            config.healthy.clone(),
        ));
        if let Some(path) = &config.addresses_file {
            let text = serde_json::to_vec(&addresses).map_err(io::Error::from);
            text.and_then(|text| std::fs::write(path, text)).map_err(ServerError::Addresses)?;
        }
        stage.send_replace(Stage::Serving);
        config.observer.stage(StageEvent::Started(&addresses));
        Ok((Self { config, stage, workers, ended, signals }, addresses))
    }

    async fn live(mut self, commands: mpsc::UnboundedReceiver<Command>) -> Result<(), ServerError> {
        let mut orders =
            Orders { commands, signals: self.signals.take(), hangup: self.config.hangup.clone() };
        let mut tally = Tally { left: self.workers.len(), cut: 0, failed: None };
        tokio::select! {
            order = orders.next() => if order == Command::Stop {
                self.stage.send_replace(Stage::Stopping);
            },
            // No worker ends by itself: the process is not whole any more, and says so to its supervisor.
            () = tally.collect_one(&mut self.ended) => {}
        }
        if *self.stage.borrow() < Stage::Draining {
            self.drain(&mut orders, &mut tally).await;
        }
        // A worker stuck in a loop would ignore every order.
        let _ = tokio::time::timeout(STOP, tally.collect(&mut self.ended)).await;
        let stuck = tally.left > 0;
        if !stuck {
            self.workers.drain(..).for_each(|worker| drop(worker.join()));
        }
        if let Some(worker) = tally.failed {
            self.config.observer.stage(StageEvent::WorkerFailed(worker));
        }
        self.config.observer.stage(StageEvent::Stopped { aborted: tally.cut });
        match tally.failed {
            Some(index) => Err(ServerError::Worker(index)),
            None => Ok(()),
        }
    }

    async fn drain(&mut self, orders: &mut Orders, tally: &mut Tally) {
        self.stage.send_replace(Stage::Draining);
        self.config.observer.stage(StageEvent::Draining);
        let bound = self.config.live.load().timeouts.drain;
        let stage = &self.stage;
        let in_order = async {
            tokio::time::sleep(self.config.drain_delay).await;
            stage.send_replace(Stage::Closing);
            // Past the bound the rest is cut: a client too slow to finish is no reason to fail.
            let _ = tokio::time::timeout(bound, tally.collect(&mut self.ended)).await;
        };
        tokio::select! {
            () = in_order => {}
            _ = orders.next() => {}
        }
        self.stage.send_replace(Stage::Stopping);
    }
}

/// Signals and commands, in the order they come.
struct Orders {
    commands: mpsc::UnboundedReceiver<Command>,
    signals: Option<Signals>,
    hangup: Arc<dyn Fn() + Send + Sync>,
}

impl Orders {
    async fn next(&mut self) -> Command {
        loop {
            let Some(signals) = &mut self.signals else {
                match self.commands.recv().await {
                    Some(command) => return command,
                    None => std::future::pending().await,
                }
            };
            tokio::select! {
                Some(command) = self.commands.recv() => return command,
                _ = signals.terminate.recv() => return Command::Drain,
                _ = signals.interrupt.recv() => return Command::Drain,
                _ = signals.hangup.recv() => (self.hangup)(),
            }
        }
    }
}

/// Workers that ended.
struct Tally {
    left: usize,
    cut: usize,
    failed: Option<usize>,
}

impl Tally {
    async fn collect_one(&mut self, ended: &mut mpsc::UnboundedReceiver<(usize, End)>) {
        if let Some((index, end)) = ended.recv().await {
            self.left = self.left.saturating_sub(1);
            match end {
                End::Told(cut) => self.cut += cut,
                End::Failed(_) | End::Panicked => self.failed = Some(index),
            }
        }
    }

    async fn collect(&mut self, ended: &mut mpsc::UnboundedReceiver<(usize, End)>) {
        while self.left > 0 {
            self.collect_one(ended).await;
        }
    }
}
