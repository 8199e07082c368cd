//! The queue between workers and the writer.
//!
//! Waking a thread costs more than writing a record, so a worker wakes the writer only when it sleeps for want of
//! work, or when so much has gathered that it should not linger. Waiting for room is a `Notify`: it belongs to no
//! runtime, and so serves all workers' runtimes alike.

use std::{
    fmt,
    pin::pin,
    sync::{
        Arc, Condvar, Mutex, MutexGuard, PoisonError,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use tokio::sync::Notify;

use super::{
    JournalError,
    record::Record,
    sink::{self, Sink},
    writer::{self, Pace, Writer},
};
use crate::{
    policy::set::JournalSettings,
    telemetry::{self, Event},
};

/// How often at most the operator is told that exchanges wait.
const SLOW_EVENT_EVERY: Duration = Duration::from_secs(60);

/// Where exchanges leave their records. Clones share one queue.
#[derive(Clone, Debug)]
pub struct Journal {
    pub(super) shared: Arc<Shared>,
}

pub(super) struct Shared {
    state: Mutex<State>,
    /// Wakes the writer.
    work: Condvar,
    /// Wakes exchanges that wait for room.
    room: Notify,
    /// Records taken in and not yet written; changes under the lock of `state`, read without it.
    unwritten: AtomicUsize,
    /// Whether the last attempt to write succeeded, and the writer lives.
    healthy: AtomicBool,
    /// Records that may wait before exchanges do.
    limit: usize,
    /// Records at which the writer no longer lingers.
    plenty: usize,
}

#[derive(Default)]
struct State {
    pending: Vec<Record>,
    /// The writer sleeps until it is woken.
    asleep: bool,
    /// Set once; the moment after which the writer gives up.
    closing: Option<Instant>,
    /// The writer has ended: what comes now is lost.
    ended: bool,
    reopen: bool,
    slow_event: Option<Instant>,
}

/// What the writer has to do.
pub(super) struct Work {
    /// Open the file again.
    pub(super) reopen: bool,
    /// Nothing was taken and nothing will come.
    pub(super) over: bool,
}

impl Journal {
    /// Opens the target and starts the writer.
    ///
    /// # Errors
    /// [`JournalError`] where the target cannot be opened or no thread be started.
    pub fn open(settings: &JournalSettings) -> Result<(Self, Writer), JournalError> {
        Self::start(sink::open(&settings.to)?, settings.queue, Pace::default())
    }

    pub(super) fn start(
        sink: Box<dyn Sink>,
        limit: usize,
        pace: Pace,
    ) -> Result<(Self, Writer), JournalError> {
        let limit = limit.max(1);
        let shared = Arc::new(Shared {
            state: Mutex::default(),
            work: Condvar::new(),
            room: Notify::new(),
            unwritten: AtomicUsize::new(0),
            healthy: AtomicBool::new(true),
            limit,
            plenty: limit.div_ceil(2).min(writer::CHUNK),
        });
        let writer = Writer::start(Arc::clone(&shared), sink, pace)?;
        Ok((Self { shared }, writer))
    }

    /// Returns at once unless the queue is full; then waits for room. Called before an exchange begins.
    pub async fn ready(&self) {
        if !self.shared.has_room() {
            self.wait().await;
        }
    }

    /// Whether an exchange that begins now will find room for its record.
    pub fn has_room(&self) -> bool {
        self.shared.has_room()
    }

    /// Leaves a record if there is room.
    ///
    /// # Errors
    /// The record itself where the queue is full.
    pub fn try_record(&self, record: Record) -> Result<(), Box<Record>> {
        self.shared.push(record, false)
    }

    /// Leaves a record, after waiting for room if there is none. The record is lost if the future is dropped first:
    /// where that can happen, use [`Journal::record_now`].
    pub async fn record(&self, record: Record) {
        let mut unplaced = self.try_record(record);
        while let Err(record) = unplaced {
            self.wait().await;
            unplaced = self.try_record(*record);
        }
    }

    /// Leaves a record whether there is room or not; it never waits. For the end of an exchange that [`Journal::ready`]
    /// let begin.
    pub fn record_now(&self, record: Record) {
        // Only a bounded push is ever refused.
        let _ = self.shared.push(record, true);
    }

    /// Whether records reach their target: `false` while writing fails. For readiness.
    pub fn healthy(&self) -> bool {
        self.shared.healthy.load(Ordering::Acquire)
    }

    /// Opens the file again, as after a rotation. A file that was moved or removed is noticed without it.
    pub fn reopen(&self) {
        self.shared.lock().reopen = true;
        self.shared.work.notify_one();
    }

    async fn wait(&self) {
        telemetry::journal_slowed();
        self.shared.tell_slow();
        loop {
            let mut notified = pin!(self.shared.room.notified());
            // Registered before looking, so that room made in between is not missed.
            notified.as_mut().enable();
            if self.shared.has_room() {
                return;
            }
            notified.await;
        }
    }
}

impl Shared {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn has_room(&self) -> bool {
        self.unwritten.load(Ordering::Acquire) < self.limit
    }

    fn push(&self, record: Record, beyond_limit: bool) -> Result<(), Box<Record>> {
        let mut state = self.lock();
        if state.ended {
            drop(state);
            telemetry::journal_lost(1);
            telemetry::event(Event::JournalLost { records: 1 });
            return Ok(());
        }
        if !beyond_limit && !self.has_room() {
            return Err(Box::new(record));
        }
        state.pending.push(record);
        self.unwritten.fetch_add(1, Ordering::AcqRel);
        let wake = state.asleep || state.pending.len() == self.plenty;
        drop(state);
        if wake {
            self.work.notify_one();
        }
        Ok(())
    }

    fn tell_slow(&self) {
        let now = Instant::now();
        let mut state = self.lock();
        if state.slow_event.is_some_and(|last| now.duration_since(last) < SLOW_EVENT_EVERY) {
            return;
        }
        state.slow_event = Some(now);
        drop(state);
        let queued = self.unwritten();
        telemetry::journal_queue_depth(queued);
        telemetry::event(Event::JournalSlow { queued });
    }

    /// Records taken in and not yet written.
    pub(super) fn unwritten(&self) -> usize {
        self.unwritten.load(Ordering::Acquire)
    }

    /// Sleeps until there is work, lingers a little for more, and moves what waits into `batch` (empty before).
    pub(super) fn take(&self, batch: &mut Vec<Record>, linger: Duration) -> Work {
        let mut state = self.lock();
        while state.pending.is_empty() && state.closing.is_none() && !state.reopen {
            state.asleep = true;
            state = self.work.wait(state).unwrap_or_else(PoisonError::into_inner);
            state.asleep = false;
        }
        (state, _) = self
            .work
            .wait_timeout_while(state, linger, |state| {
                state.pending.len() < self.plenty && state.closing.is_none() && !state.reopen
            })
            .unwrap_or_else(PoisonError::into_inner);
        std::mem::swap(&mut state.pending, batch);
        let over = batch.is_empty() && state.closing.is_some();
        state.ended |= over;
        Work { reopen: std::mem::take(&mut state.reopen), over }
    }

    /// Makes room for as many records as were written.
    pub(super) fn written(&self, records: usize) {
        let state = self.lock();
        self.unwritten.fetch_sub(records, Ordering::AcqRel);
        drop(state);
        self.room.notify_waiters();
    }

    /// Waits before another attempt; `false` if there is no time for one. Ends early when the journal is asked to close
    /// or to open its file again.
    pub(super) fn pause(&self, delay: Duration) -> bool {
        let state = self.lock();
        let (before, now) = (state.closing, Instant::now());
        let delay = before.map_or(delay, |deadline| delay.min(deadline.saturating_duration_since(now)));
        let (mut state, _) = self
            .work
            .wait_timeout_while(state, delay, |state| state.closing == before && !state.reopen)
            .unwrap_or_else(PoisonError::into_inner);
        let late = state.closing.is_some_and(|deadline| Instant::now() >= deadline);
        state.ended |= late;
        !late
    }

    /// Whether the file must be opened again before the next attempt.
    pub(super) fn take_reopen(&self) -> bool {
        std::mem::take(&mut self.lock().reopen)
    }

    /// Tells the writer to write what waits and to end, by `deadline` at the latest.
    pub(super) fn close(&self, deadline: Instant) {
        self.lock().closing.get_or_insert(deadline);
        self.work.notify_one();
    }

    /// Marks the end of the writer, whatever its reason; returns how many records were not written.
    pub(super) fn end(&self) -> usize {
        self.lock().ended = true;
        // Nobody must wait for room that no writer will make.
        let lost = self.unwritten.swap(0, Ordering::AcqRel);
        self.room.notify_waiters();
        lost
    }

    /// Says whether the last attempt to write succeeded.
    pub(super) fn set_healthy(&self, healthy: bool) {
        self.healthy.store(healthy, Ordering::Release);
    }
}

impl fmt::Debug for Shared {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Shared").field("limit", &self.limit).field("unwritten", &self.unwritten()).finish()
    }
}
