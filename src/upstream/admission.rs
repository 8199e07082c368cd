//! How many exchanges one worker has under way with an upstream, and who waits for a place.
//!
//! A queue that empties now and then is a burst, and whoever came first goes first. One that stands never gives its time back:
//! then the last comer goes first, so that some are answered in time instead of all too late (adaptive LIFO after CoDel,
//! "Fail at Scale", ACM Queue 13/8), and those who waited too long are told at once.

use std::{
    cell::{Cell, RefCell},
    collections::BTreeMap,
    future::Future,
    pin::Pin,
    rc::Rc,
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

use super::{deadline::Deadlines, gradient::Gradient, pool::WorkerShare};
use crate::{
    policy::set::{Concurrency, ConcurrencyLimit, Priority},
    telemetry::{QueueRefusal, UpstreamMetrics},
};

/// A queue that was not empty for so long stands.
const STANDS: Duration = Duration::from_millis(100);

/// The places of one worker with one upstream.
pub(super) struct Admission {
    limit: Limit,
    under_way: Cell<usize>,
    queue: RefCell<Queue>,
    most_waiting: usize,
    wait: Duration,
    metrics: UpstreamMetrics,
}

enum Limit {
    Fixed(usize),
    Adaptive(RefCell<Gradient>),
}

/// Those who wait, by priority and then by age.
#[derive(Default)]
struct Queue {
    waiting: BTreeMap<(Urgency, u64), Rc<Ticket>>,
    next: u64,
    /// Since when it was never empty.
    busy_since: Option<Instant>,
}

/// Critical comes first.
type Urgency = u8;

/// What somebody who waits is told.
struct Ticket {
    since: Instant,
    told: Cell<Told>,
    waker: RefCell<Option<Waker>>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Told {
    Wait,
    Go,
    Leave,
}

/// A place; it is free again when this is dropped.
pub(super) struct Place {
    admission: Rc<Admission>,
}

/// There is no place, and none came in time.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Full;

impl Admission {
    /// The share of one worker, one place at least.
    pub(super) fn new(terms: &Concurrency, worker: WorkerShare, metrics: UpstreamMetrics) -> Self {
        let share = |all: usize| share(all, worker).max(1);
        let limit = match terms.limit {
            ConcurrencyLimit::Fixed(most) => Limit::Fixed(share(most)),
            ConcurrencyLimit::Adaptive { least, most } => {
                Limit::Adaptive(RefCell::new(Gradient::new(share(least), share(most))))
            }
        };
        let admission = Self {
            limit,
            under_way: Cell::new(0),
            queue: RefCell::default(),
            most_waiting: if terms.queue == 0 { 0 } else { share(terms.queue) },
            wait: terms.wait,
            metrics,
        };
        admission.metrics.limit_changed(admission.limit() as f64);
        admission
    }

    fn limit(&self) -> usize {
        match &self.limit {
            Limit::Fixed(most) => *most,
            Limit::Adaptive(gradient) => gradient.borrow().limit(),
        }
    }

    /// A place, at once or after a wait.
    ///
    /// # Errors
    /// [`Full`].
    pub(super) async fn enter(
        self: &Rc<Self>,
        priority: Priority,
        deadlines: &Deadlines,
    ) -> Result<Place, Full> {
        if self.under_way.get() < self.limit() {
            return Ok(self.occupy());
        }
        let waiting = self.queue_up(priority, Instant::now())?;
        // In a box: who waits is the exception.
        Box::pin(deadlines.within(self.wait, waiting)).await.unwrap_or_else(|_| {
            self.metrics.queue_refused(QueueRefusal::Late);
            Err(Full)
        })
    }

    fn occupy(self: &Rc<Self>) -> Place {
        self.under_way.set(self.under_way.get() + 1);
        Place { admission: Rc::clone(self) }
    }

    fn queue_up(self: &Rc<Self>, priority: Priority, now: Instant) -> Result<Waiting, Full> {
        let urgency = match priority {
            Priority::Critical => 0,
            Priority::Normal => 1,
        };
        let mut queue = self.queue.borrow_mut();
        if queue.waiting.len() >= self.most_waiting {
            // The oldest of those who are less urgent makes room: it is the next to be late.
            let less_urgent = queue.waiting.range((urgency + 1, 0)..).next().map(|(place, _)| *place);
            let Some(place) = less_urgent.filter(|_| self.most_waiting > 0) else {
                self.metrics.queue_refused(QueueRefusal::Full);
                return Err(Full);
            };
            if let Some(ticket) = queue.waiting.remove(&place) {
                self.metrics.queue_refused(QueueRefusal::Full);
                ticket.tell(Told::Leave);
            }
        }
        let place = (urgency, queue.next);
        queue.next += 1;
        queue.busy_since.get_or_insert(now);
        let ticket = Rc::new(Ticket { since: now, told: Cell::new(Told::Wait), waker: RefCell::new(None) });
        queue.waiting.insert(place, Rc::clone(&ticket));
        self.metrics.queued(1);
        Ok(Waiting { admission: Rc::clone(self), ticket, place })
    }

    /// Gives free places to those who wait.
    fn pass_on(&self, now: Instant) {
        while self.under_way.get() < self.limit() {
            let Some(ticket) = self.queue.borrow_mut().pop(self.wait, now, &self.metrics) else { return };
            self.under_way.set(self.under_way.get() + 1);
            ticket.tell(Told::Go);
        }
    }

    /// A head came after this time.
    pub(super) fn answered(&self, took: Duration) {
        self.learn(|gradient, under_way| gradient.answered(took, under_way));
    }

    /// None came, or one that says that there is too much work.
    pub(super) fn failed(&self) {
        self.learn(|gradient, _| gradient.failed());
    }

    fn learn(&self, lesson: impl FnOnce(&mut Gradient, usize)) {
        let Limit::Adaptive(gradient) = &self.limit else { return };
        let (before, after) = {
            let mut gradient = gradient.borrow_mut();
            let before = gradient.limit();
            lesson(&mut gradient, self.under_way.get());
            (before, gradient.limit())
        };
        if before != after {
            self.metrics.limit_changed(after as f64 - before as f64);
        }
        if after > before {
            self.pass_on(Instant::now());
        }
    }
}

impl Drop for Admission {
    fn drop(&mut self) {
        self.metrics.limit_changed(-(self.limit() as f64));
    }
}

impl Queue {
    /// The next to go; those who waited too long leave.
    fn pop(&mut self, wait: Duration, now: Instant, metrics: &UpstreamMetrics) -> Option<Rc<Ticket>> {
        let stands = self.busy_since.is_some_and(|since| now.saturating_duration_since(since) >= STANDS);
        let urgent = self.waiting.keys().next()?.0;
        let next = loop {
            let mut of_kind = self.waiting.range((urgent, 0)..(urgent + 1, 0)).map(|(place, _)| *place);
            let place = if stands { of_kind.next_back() } else { of_kind.next() };
            let Some(place) = place else { break None };
            let Some(ticket) = self.waiting.remove(&place) else { break None };
            if now.saturating_duration_since(ticket.since) < wait {
                break Some(ticket);
            }
            metrics.queue_refused(QueueRefusal::Late);
            ticket.tell(Told::Leave);
        };
        if self.waiting.is_empty() {
            self.busy_since = None;
        }
        match next {
            None if !self.waiting.is_empty() => self.pop(wait, now, metrics),
            next => next,
        }
    }
}

impl Ticket {
    fn tell(&self, what: Told) {
        self.told.set(what);
        if let Some(waker) = self.waker.borrow_mut().take() {
            waker.wake();
        }
    }
}

/// Somebody who waits.
struct Waiting {
    admission: Rc<Admission>,
    ticket: Rc<Ticket>,
    place: (Urgency, u64),
}

impl Future for Waiting {
    type Output = Result<Place, Full>;

    fn poll(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<Self::Output> {
        match self.ticket.told.get() {
            Told::Wait => {
                *self.ticket.waker.borrow_mut() = Some(cx.waker().clone());
                Poll::Pending
            }
            Told::Go => {
                // The place is theirs already; from now on the guard gives it back.
                self.ticket.told.set(Told::Leave);
                Poll::Ready(Ok(Place { admission: Rc::clone(&self.admission) }))
            }
            Told::Leave => Poll::Ready(Err(Full)),
        }
    }
}

impl Drop for Waiting {
    fn drop(&mut self) {
        self.admission.metrics.queued(-1);
        match self.ticket.told.get() {
            // The client left, or the time is over.
            Told::Wait => {
                let mut queue = self.admission.queue.borrow_mut();
                queue.waiting.remove(&self.place);
                if queue.waiting.is_empty() {
                    queue.busy_since = None;
                }
            }
            // A place came, and nobody is there to take it.
            Told::Go => drop(Place { admission: Rc::clone(&self.admission) }),
            Told::Leave => {}
        }
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        let admission = &self.admission;
        admission.under_way.set(admission.under_way.get().saturating_sub(1));
        admission.pass_on(Instant::now());
    }
}

/// The part of `all` that a worker has; the parts add up.
fn share(all: usize, worker: WorkerShare) -> usize {
    let (index, workers) = (worker.index, worker.workers.max(1));
    all / workers + usize::from(index < all % workers)
}

#[cfg(test)]
mod tests;
