//! Watching a policy folder.
//!
//! What counts is content: notifications (and, as a safety net where they are lost, a slow poll) only make the
//! watcher look, and it ticks when the bytes of a policy file or of a file that it refers to differ from those seen
//! last. So an editor's several writes, a touched file and our own reading cause no reload, while a Kubernetes
//! ConfigMap's `..data` swap, which replaces a symbolic link, causes one.

use std::{
    collections::BTreeSet,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use aws_lc_rs::digest;
use notify::{EventKind, RecursiveMode, Watcher as _, event::AccessKind};
use tokio::sync::watch;

use super::{REFERENCED_BYTES_MAX, Sources, bounded_read};
use crate::policy::{
    compile::{self, Options},
    report::Report,
};

/// How long the folder must be quiet before it is looked at. Short, because [`Sources::read`] reads until two readings
/// agree: a half-written folder is not taken whenever it is looked at.
const QUIET: Duration = Duration::from_millis(25);
/// Longest wait under an unending stream of notifications.
const IMPATIENCE: Duration = Duration::from_millis(100);

/// Why a folder cannot be watched.
#[derive(Debug, thiserror::Error)]
pub enum WatchError {
    /// The system gave no notifications.
    #[error("the policy folder cannot be watched: {0}")]
    Notify(#[from] notify::Error),
    /// The system gave no thread.
    #[error("no thread to watch the policy folder: {0}")]
    Thread(#[from] std::io::Error),
}

/// A watched policy folder. Dropping it ends the watching.
#[derive(Debug)]
pub struct Watcher {
    changes: watch::Receiver<u64>,
    wake: mpsc::Sender<Wake>,
}

#[derive(Debug)]
enum Wake {
    Touched,
    End,
}

impl Watcher {
    /// Starts to watch a folder on a thread of its own, and looks at it every `poll` besides.
    ///
    /// # Errors
    /// [`WatchError`]: no notifications, or no thread.
    pub fn start(dir: &Path, poll: Duration) -> Result<Self, WatchError> {
        let (wake, woken) = mpsc::channel();
        let (ticks, changes) = watch::channel(0u64);
        let notices = wake.clone();
        let notifier = notify::recommended_watcher(move |event: notify::Result<notify::Event>| {
            // A reading is no change, and our own would wake us for ever. An error (an overflow) may hide a change.
            let reading = event.as_ref().is_ok_and(|event| {
                matches!(event.kind, EventKind::Access(kind) if !matches!(kind, AccessKind::Close(_)))
            });
            if !reading {
                // The only failure is that the watcher has ended.
                let _ended = notices.send(Wake::Touched);
            }
        })?;
        let mut folder =
            Folder { dir: dir.to_owned(), notifier, watched: BTreeSet::new(), files: Vec::new(), seen: None };
        let seen = folder.look();
        thread::Builder::new()
            .name("policy-watch".into())
            .spawn(move || watch_on(&mut folder, seen, poll, &woken, &ticks))?;
        Ok(Self { changes, wake })
    }

    /// A counter that moves whenever something changed.
    pub fn changes(&self) -> watch::Receiver<u64> {
        self.changes.clone()
    }
}

impl Drop for Watcher {
    fn drop(&mut self) {
        // The only failure is that the thread has ended already.
        let _ended = self.wake.send(Wake::End);
    }
}

fn watch_on(
    folder: &mut Folder,
    mut seen: [u8; 32],
    poll: Duration,
    woken: &mpsc::Receiver<Wake>,
    ticks: &watch::Sender<u64>,
) {
    loop {
        match woken.recv_timeout(poll) {
            Ok(Wake::End) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
            Err(mpsc::RecvTimeoutError::Timeout) => {}
            Ok(Wake::Touched) => {
                let first = Instant::now();
                while first.elapsed() < IMPATIENCE {
                    match woken.recv_timeout(QUIET) {
                        Ok(Wake::Touched) => {}
                        Ok(Wake::End) | Err(mpsc::RecvTimeoutError::Disconnected) => return,
                        Err(mpsc::RecvTimeoutError::Timeout) => break,
                    }
                }
            }
        }
        let now = folder.look();
        if now != seen {
            seen = now;
            ticks.send_modify(|count| *count += 1);
        }
    }
}

struct Folder {
    dir: PathBuf,
    notifier: notify::RecommendedWatcher,
    watched: BTreeSet<PathBuf>,
    /// Referenced files, as of the last time that anything changed.
    files: Vec<PathBuf>,
    /// The digest as of then.
    seen: Option<[u8; 32]>,
}

impl Folder {
    /// The digest of everything that a policy is made of. Watches the folders of what it finds.
    fn look(&mut self) -> [u8; 32] {
        let sources = Sources::read(&self.dir);
        let mut now = self.digest(&sources);
        if self.seen != Some(now) {
            if let Ok(sources) = &sources {
                // Compiled only to learn which files it asks for: the same bytes ask for the same files.
                let _set_and_report = compile::inspect(sources, &Options::default());
                self.files = sources.referenced();
            }
            now = self.digest(&sources);
            self.seen = Some(now);
        }
        self.follow();
        now
    }

    /// The digest of the policy files, and of the files known to be referenced.
    fn digest(&self, sources: &Result<Sources, Report>) -> [u8; 32] {
        let mut digest = digest::Context::new(&digest::SHA256);
        let mut add = |name: &[u8], bytes: Option<&[u8]>| {
            for part in [name, bytes.unwrap_or(b"absent")] {
                digest.update(&(part.len() as u64).to_be_bytes());
                digest.update(part);
            }
        };
        match sources {
            Ok(sources) => sources.policy_files().for_each(|(name, bytes)| add(name.as_bytes(), Some(bytes))),
            Err(report) => add(b"unreadable", Some(report.to_string().as_bytes())),
        }
        for file in &self.files {
            let bytes = bounded_read(file, REFERENCED_BYTES_MAX).ok().map(zeroize::Zeroizing::new);
            add(file.as_os_str().as_encoded_bytes(), bytes.as_deref().map(Vec::as_slice));
        }
        let mut whole = [0u8; 32];
        whole.copy_from_slice(digest.finish().as_ref());
        whole
    }

    /// Watches the folders that hold the files: the files themselves are replaced rather than written.
    fn follow(&mut self) {
        let mut folders = BTreeSet::from([self.dir.clone(), self.dir.join("routes")]);
        folders.extend(self.files.iter().filter_map(|file| file.parent().map(Path::to_owned)));
        for gone in self.watched.difference(&folders) {
            // It may be gone from the disk too.
            let _unwatched = self.notifier.unwatch(gone);
        }
        // Watched anew each time: a folder that was removed and made again has lost its watch. One that cannot be
        // watched is left to the poll.
        self.watched = folders
            .into_iter()
            .filter(|folder| self.notifier.watch(folder, RecursiveMode::NonRecursive).is_ok())
            .collect();
    }
}
