//! The thread that serialises and writes.
//!
//! It gives up a record in one case only: the process has to end and the target still refuses ([`Unwritten`]). Until then
//! it tries again, from the very byte that was not taken, so that a line is never torn or doubled within one file.

use std::{
    io,
    sync::Arc,
    thread::{self, JoinHandle},
    time::{Duration, Instant},
};

use super::{JournalError, queue::Shared, record::Record, sink::Sink};
use crate::telemetry::{self, Event};

/// Records serialised before a write: bounds the buffer (some 128 KiB) and the time until there is room again.
pub(super) const CHUNK: usize = 256;

/// How long the writer waits.
#[derive(Clone, Copy, Debug)]
pub(super) struct Pace {
    /// For more records to come once there is one: at 10,000 exchanges a second it turns 10,000 wake-ups into 20.
    pub(super) linger: Duration,
    /// After a first failed attempt; doubles from one to the next.
    pub(super) retry_first: Duration,
    /// At most, after a failed attempt.
    pub(super) retry_most: Duration,
}

impl Default for Pace {
    fn default() -> Self {
        Self {
            linger: Duration::from_millis(50),
            retry_first: Duration::from_millis(50),
            retry_most: Duration::from_secs(5),
        }
    }
}

/// How long a writer that is dropped instead of closed goes on trying.
const DROP_GRACE: Duration = Duration::from_secs(5);

/// Records that the target refused until the process had to end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{records} journal records could not be written")]
pub struct Unwritten {
    /// How many.
    pub records: usize,
}

/// The writer's side of a [`super::Journal`]: keep it until every exchange is over, then close it.
#[derive(Debug)]
#[must_use = "dropped at once, it ends the journal"]
pub struct Writer {
    shared: Arc<Shared>,
    thread: Option<JoinHandle<()>>,
}

impl Writer {
    pub(super) fn start(shared: Arc<Shared>, sink: Box<dyn Sink>, pace: Pace) -> Result<Self, JournalError> {
        let mut pen =
            Pen { shared: Arc::clone(&shared), sink, pace, lines: Vec::new(), sent: 0, failures: 0 };
        let thread = thread::Builder::new()
            .name("journal".to_owned())
            .spawn(move || pen.run())
            .map_err(JournalError::Thread)?;
        Ok(Self { shared, thread: Some(thread) })
    }

    /// Writes everything that waits and ends the thread; blocks for `grace` at most where the target refuses. A record
    /// that comes later is lost, and counted as such.
    ///
    /// # Errors
    /// [`Unwritten`] where records had to be given up.
    pub fn close(mut self, grace: Duration) -> Result<(), Unwritten> {
        self.finish(grace)
    }

    fn finish(&mut self, grace: Duration) -> Result<(), Unwritten> {
        let Some(thread) = self.thread.take() else { return Ok(()) };
        self.shared.close(Instant::now() + grace);
        // A panic of the writer leaves its records unwritten, which is what is counted next.
        let _ = thread.join();
        match self.shared.end() {
            0 => Ok(()),
            records => {
                telemetry::journal_lost(records);
                telemetry::event(Event::JournalLost { records });
                Err(Unwritten { records })
            }
        }
    }
}

impl Drop for Writer {
    fn drop(&mut self) {
        // The event has told it already.
        let _ = self.finish(DROP_GRACE);
    }
}

/// What the thread works with.
struct Pen {
    shared: Arc<Shared>,
    sink: Box<dyn Sink>,
    pace: Pace,
    /// Whole lines of the current chunk.
    lines: Vec<u8>,
    /// How much of them the target has taken.
    sent: usize,
    /// Failed attempts since the last success.
    failures: u32,
}

impl Pen {
    fn run(&mut self) {
        // If the thread ends by a panic nothing is written any more: the queue fills, exchanges wait, readiness fails.
        let mut alive = Alive { shared: Arc::clone(&self.shared), ended_well: false };
        let mut batch = Vec::new();
        loop {
            let work = self.shared.take(&mut batch, self.pace.linger);
            telemetry::journal_queue_depth(self.shared.unwritten());
            let written = if batch.is_empty() {
                !work.reopen || self.write(true)
            } else {
                self.write_all(&batch, work.reopen)
            };
            if work.over || !written {
                break;
            }
            batch.clear();
            telemetry::journal_queue_depth(self.shared.unwritten());
        }
        alive.ended_well = true;
    }

    /// Writes records in order; `false` if there was no time left to try.
    fn write_all(&mut self, batch: &[Record], mut reopen: bool) -> bool {
        batch.chunks(CHUNK).all(|chunk| {
            for record in chunk {
                record.write_line(&mut self.lines);
            }
            let written = self.write(std::mem::take(&mut reopen));
            if written {
                self.shared.written(chunk.len());
                telemetry::journal_written(chunk.len());
            }
            written
        })
    }

    /// Writes the lines, trying again until the target has taken the last byte; `false` if there was no time left.
    fn write(&mut self, mut reopen: bool) -> bool {
        while let Err(error) = self.attempt(reopen) {
            telemetry::journal_write_failed();
            if self.failures == 0 {
                self.shared.set_healthy(false);
                telemetry::event(Event::JournalFailing { kind: error.kind() });
            }
            let delay = self.pace.retry_first.saturating_mul(1 << self.failures.min(16));
            self.failures = self.failures.saturating_add(1);
            if !self.shared.pause(delay.min(self.pace.retry_most)) {
                return false;
            }
            reopen |= self.shared.take_reopen();
        }
        if self.failures > 0 {
            self.failures = 0;
            self.shared.set_healthy(true);
            telemetry::event(Event::JournalRecovered);
        }
        self.lines.clear();
        self.sent = 0;
        true
    }

    fn attempt(&mut self, reopen: bool) -> io::Result<()> {
        if self.sink.refresh(reopen)? {
            // The other file holds the whole lines; the one that was begun there belongs here from its start.
            self.sent = memchr::memrchr(b'\n', &self.lines[..self.sent]).map_or(0, |end| end + 1);
        }
        while self.sent < self.lines.len() {
            match self.sink.append(&self.lines[self.sent..]) {
                Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
                Ok(taken) => self.sent += taken,
                Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
                Err(error) => return Err(error),
            }
        }
        Ok(())
    }
}

/// Tells, when it is dropped, whether the thread ended as it should.
struct Alive {
    shared: Arc<Shared>,
    ended_well: bool,
}

impl Drop for Alive {
    fn drop(&mut self) {
        if !self.ended_well {
            self.shared.set_healthy(false);
            telemetry::event(Event::JournalPanicked);
        }
    }
}
