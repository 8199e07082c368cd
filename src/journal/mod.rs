//! The access journal (charter 6): one JSON line per exchange, written by a thread of its own.
//!
//! Three promises hold together: no record is lost, no worker waits for a disk, and nothing personal is written.
//! The first two meet in the queue: when the writer cannot keep up, [`Journal::ready`] makes *new* exchanges wait before
//! they begin, and the end of an exchange may always leave its record ([`Journal::record_now`]), even where nothing can
//! wait any more, such as in `Drop`. So the queue grows beyond its bound by no more than the exchanges under way. The
//! third is held by the types of [`Record`].
//!
//! What the promise does not cover: a process that is killed (SIGKILL, power) takes with it what waited in the queue,
//! ordinarily the last 50 ms; and lines are handed to the operating system, not forced to the disk.
//!
//! ```text
//! worker ── ready().await … record_now(record) ──┐
//! worker ── ready().await … record_now(record) ──┼─ queue ── writer thread ── stdout or file
//! worker ── ready().await … record_now(record) ──┘
//! ```

mod line;
mod pseudonym;
mod queue;
mod record;
mod request_id;
mod sink;
mod writer;

pub use pseudonym::{AddressToken, Epoch, Pseudonyms, SubjectToken, Token};
pub use queue::Journal;
pub use record::{Decision, RecipientBits, Record, SCHEMA_VERSION, Termination};
pub use request_id::RequestId;
pub use writer::{Unwritten, Writer};

use std::{io, path::PathBuf};

/// Why there is no journal. The gateway does not start without one.
#[derive(Debug, thiserror::Error)]
pub enum JournalError {
    /// The file cannot be opened for appending.
    #[error("cannot append to the journal {}", path.display())]
    Open {
        /// As `gateway.yaml` names it.
        path: PathBuf,
        /// Why.
        #[source]
        source: io::Error,
    },
    /// Standard output is closed.
    #[error("standard output cannot hold the journal")]
    Stdout(#[source] io::Error),
    /// The operating system gave no thread.
    #[error("the journal's writer cannot be started")]
    Thread(#[source] io::Error),
}

#[cfg(test)]
mod tests;
