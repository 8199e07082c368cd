//! `rempart serve`: brings policy, journal, gateway and server together. The composition root: nothing else knows
//! them all.

use std::{
    path::{Path, PathBuf},
    process::ExitCode,
    rc::Rc,
    sync::Arc,
    thread,
    time::{Duration, SystemTime},
};

use arc_swap::ArcSwap;
use tokio::sync::{Notify, watch};

use super::{EXIT_POLICY, complain, failed};
use crate::{
    gateway::{Gateway, Snapshot, SnapshotError},
    journal::{Journal, JournalError, Pseudonyms, Unwritten, Writer},
    policy::{
        report::Report,
        set::PolicySet,
        source::{self, WatchError, Watcher},
    },
    secret::{MasterSecret, SecretError},
    server::{self, Config, Handle, Live, ServerError, tls},
    telemetry::{self, Event, Exporter, ReloadOutcome, TelemetryError},
    upstream::{self, WorkerShare},
};

/// How long the journal may take to be written out after the last exchange.
const JOURNAL_GRACE: Duration = Duration::from_secs(10);

/// How often the policy folder is compared with what was read, where file events are missed.
const POLL: Duration = Duration::from_secs(2);

/// How often the exporter compacts its histograms.
const UPKEEP: Duration = Duration::from_secs(5);

/// Why the gateway does not start, or did not end well.
#[derive(Debug, thiserror::Error)]
pub enum ServeError {
    /// The policy has errors.
    #[error("the policy is refused")]
    Policy(Report),
    /// No secret could be made.
    #[error(transparent)]
    Secret(#[from] SecretError),
    /// The policy could not be brought to life.
    #[error(transparent)]
    Snapshot(#[from] SnapshotError),
    /// Certificates.
    #[error(transparent)]
    Tls(#[from] tls::TlsError),
    /// The journal could not be opened.
    #[error(transparent)]
    Journal(#[from] JournalError),
    /// Metrics could not be installed.
    #[error(transparent)]
    Telemetry(#[from] TelemetryError),
    /// The policy folder cannot be watched.
    #[error(transparent)]
    Watch(#[from] WatchError),
    /// Listeners or workers.
    #[error(transparent)]
    Server(#[from] ServerError),
    /// A thread could not be started.
    #[error("the operating system gave no thread")]
    Thread(#[source] std::io::Error),
    /// Records that could not be written before the end.
    #[error("{} journal records could not be written", .0.records)]
    Unwritten(Unwritten),
}

/// A gateway that serves.
pub struct Running {
    handle: Handle,
    writer: Writer,
}

/// Runs until a signal ends it.
pub fn run(policies: &Path, addresses_file: Option<PathBuf>) -> ExitCode {
    finish(load_and_start(policies, addresses_file).and_then(Running::wait))
}

/// Loads a folder and serves it.
///
/// # Errors
/// [`ServeError`]; nothing listens then.
pub fn load_and_start(policies: &Path, addresses_file: Option<PathBuf>) -> Result<Running, ServeError> {
    let policy = source::load(policies).map_err(ServeError::Policy)?;
    start(policy, Some(policies), addresses_file)
}

/// The exit code of a service that ended, having told why it did not end well.
pub fn finish(outcome: Result<(), ServeError>) -> ExitCode {
    match outcome {
        Ok(()) => ExitCode::SUCCESS,
        Err(ServeError::Policy(report)) => {
            complain(&report.to_string());
            ExitCode::from(EXIT_POLICY)
        }
        Err(error) => failed(&error),
    }
}

/// Starts serving a policy; with a folder, follows its changes.
///
/// # Errors
/// [`ServeError`]; nothing listens then.
pub fn start(
    policy: PolicySet,
    folder: Option<&Path>,
    addresses_file: Option<PathBuf>,
) -> Result<Running, ServeError> {
    let exporter = Arc::new(telemetry::install()?);
    let policy = Arc::new(policy);
    let secret = match &policy.gateway.secret {
        Some(secret) => secret.clone(),
        None => {
            telemetry::event(Event::SecretIsEphemeral);
            MasterSecret::generate()?
        }
    };
    let snapshot = Arc::new(ArcSwap::from_pointee(Snapshot::build(Arc::clone(&policy), &secret, None)?));
    let tickets = tls::Tickets::new()?;
    let live = Arc::new(ArcSwap::from_pointee(Live::new(&policy.gateway, &tickets)?));
    let (journal, writer) = Journal::open(&policy.gateway.journal)?;
    telemetry::policy_reloaded(ReloadOutcome::Loaded, SystemTime::now());
    telemetry::certificates(&policy.gateway, None);
    telemetry::event(Event::PolicyLoaded { policy: &policy });

    let hangup = Arc::new(Notify::new());
    let config = Config {
        listen: policy.gateway.listen.clone(),
        workers: policy.gateway.workers,
        live: Arc::clone(&live),
        tick: server::TICK,
        drain_delay: policy.gateway.timeouts.drain_delay,
        addresses_file,
        metrics: {
            let exporter = Arc::clone(&exporter);
            Arc::new(move || exporter.render())
        },
        healthy: {
            let journal = journal.clone();
            Arc::new(move || journal.healthy())
        },
        hangup: {
            let (hangup, journal) = (Arc::clone(&hangup), journal.clone());
            Arc::new(move || {
                // Log rotation and policy reload share the signal, as everywhere.
                journal.reopen();
                hangup.notify_one();
            })
        },
        observer: Arc::new(server::observe::Counted),
    };
    let make_exchange = {
        let (snapshot, secret) = (Arc::clone(&snapshot), secret.clone());
        move |worker: server::WorkerContext| {
            let pseudonyms = Pseudonyms::new(secret.clone());
            let share = WorkerShare { index: worker.index, workers: worker.workers };
            let gateway = Rc::new(Gateway::new(Arc::clone(&snapshot), journal.clone(), pseudonyms, share));
            gateway.tend();
            gateway
        }
    };
    // Names are asked for before the first exchange needs them, and nobody waits for the answers.
    watch_upstreams(Arc::clone(&snapshot))?;
    let watcher = folder.map(|folder| Watcher::start(folder, POLL)).transpose()?;
    let handle = server::start_obeying_signals(config, make_exchange)?;
    let reloader = Reloader { folder: folder.map(Path::to_owned), secret, tickets, snapshot, live, exporter };
    let stage = handle.stage();
    thread::Builder::new()
        .name("policy".into())
        .spawn(move || reloader.run(watcher, &hangup, stage))
        .map_err(ServeError::Thread)?;
    Ok(Running { handle, writer })
}

/// Looks after addresses and health of upstreams, for as long as the process lives.
fn watch_upstreams(snapshot: Arc<ArcSwap<Snapshot>>) -> Result<(), ServeError> {
    thread::Builder::new()
        .name("upstreams".into())
        .spawn(move || {
            let mut builder = tokio::runtime::Builder::new_current_thread();
            let Ok(runtime) = builder.enable_all().build_local(Default::default()) else { return };
            runtime.block_on(upstream::watch(|| snapshot.load().fleet.clone()));
        })
        .map_err(ServeError::Thread)?;
    Ok(())
}

impl Running {
    /// Where it listens.
    pub fn addresses(&self) -> &server::Addresses {
        &self.handle.addresses
    }

    /// Waits for the end: every exchange answered, every record written.
    ///
    /// # Errors
    /// A worker failed, or records could not be written.
    pub fn wait(self) -> Result<(), ServeError> {
        let ended = self.handle.wait();
        self.writer.close(JOURNAL_GRACE).map_err(ServeError::Unwritten)?;
        telemetry::event(Event::Stopped);
        Ok(ended?)
    }
}

/// Follows the policy folder.
struct Reloader {
    folder: Option<PathBuf>,
    secret: MasterSecret,
    tickets: tls::Tickets,
    snapshot: Arc<ArcSwap<Snapshot>>,
    live: Arc<ArcSwap<Live>>,
    exporter: Arc<Exporter>,
}

impl Reloader {
    /// Reloads on every change until the server ends.
    fn run(self, watcher: Option<Watcher>, hangup: &Notify, mut stage: watch::Receiver<server::Stage>) {
        let Ok(runtime) = tokio::runtime::Builder::new_current_thread().enable_all().build() else { return };
        runtime.block_on(async move {
            let mut changes = watcher.as_ref().map(Watcher::changes);
            let mut upkeep = tokio::time::interval(UPKEEP);
            loop {
                let changed = async {
                    match &mut changes {
                        Some(changes) => changes.changed().await.is_ok(),
                        None => std::future::pending().await,
                    }
                };
                tokio::select! {
                    true = changed => self.reload(),
                    () = hangup.notified() => self.reload(),
                    _ = upkeep.tick() => self.exporter.upkeep(),
                    _ = stage.wait_for(|stage| *stage >= server::Stage::Closing) => return,
                }
            }
        });
    }

    /// Reads, validates and swaps; whatever is wrong leaves the last good set serving.
    fn reload(&self) {
        let Some(folder) = &self.folder else { return };
        let swapped = source::load(folder).map_err(ServeError::Policy).and_then(|policy| self.swap(policy));
        let outcome = swapped.as_ref().map_or(ReloadOutcome::Refused, |swapped| swapped.outcome);
        // Before the events: who has read one finds what it says in the metrics.
        telemetry::policy_reloaded(outcome, SystemTime::now());
        match swapped {
            Ok(Swapped { policy, renewed, .. }) => {
                telemetry::event(Event::PolicyLoaded { policy: &policy });
                if renewed {
                    let certificates = policy.gateway.certificates.len();
                    telemetry::event(Event::CertificatesReloaded { certificates });
                }
            }
            Err(error) => {
                let errors = if let ServeError::Policy(report) = &error { report.errors.len() } else { 1 };
                telemetry::event(Event::PolicyRefused { errors });
            }
        }
    }

    fn swap(&self, policy: PolicySet) -> Result<Swapped, ServeError> {
        let current = self.snapshot.load_full();
        // The digest is of the policy files; certificates and keys may have changed under the same one.
        let outcome = match policy.digest == current.policy.digest {
            true => ReloadOutcome::Unchanged,
            false => ReloadOutcome::Loaded,
        };
        let chains = |policy: &PolicySet| -> Vec<_> {
            policy.gateway.certificates.iter().map(|certificate| certificate.chain.clone()).collect()
        };
        let renewed = chains(&policy) != chains(&current.policy);
        let policy = Arc::new(policy);
        // Pseudonyms and counters are keyed by the secret that the process began with; another takes a restart.
        let snapshot = Snapshot::build(Arc::clone(&policy), &self.secret, Some(&current))?;
        let live = Live::new(&policy.gateway, &self.tickets)?;
        telemetry::certificates(&policy.gateway, Some(&current.policy.gateway));
        self.live.store(Arc::new(live));
        self.snapshot.store(Arc::new(snapshot));
        Ok(Swapped { outcome, policy, renewed })
    }
}

/// What a reload put in the place of what was.
struct Swapped {
    outcome: ReloadOutcome,
    policy: Arc<PolicySet>,
    /// Whether a certificate is another than before.
    renewed: bool,
}
