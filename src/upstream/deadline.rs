//! Coarse deadlines for everything that waits on an upstream.
//!
//! A timer of the runtime costs each request a registration and often a system call to re-arm the reactor; one sweep
//! per worker four times a second protects as well. A deadline fires up to [`TICK`] late, never early.

use std::{
    cell::{Cell, RefCell},
    future::Future,
    pin::Pin,
    rc::{Rc, Weak},
    task::{Context, Poll, Waker},
    time::{Duration, Instant},
};

/// How often deadlines are looked at.
pub(super) const TICK: Duration = Duration::from_millis(250);

/// The deadlines of one worker. Clones share the sweep.
#[derive(Clone)]
pub struct Deadlines(Rc<RefCell<Slots>>);

/// Waiting futures, by place; free places are reused.
#[derive(Default)]
struct Slots {
    entries: Vec<Option<(Instant, Waker)>>,
    free: Vec<usize>,
}

/// The time was over first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Elapsed;

impl Deadlines {
    /// The deadlines of this thread, swept by a task of its local runtime for as long as a clone of them lives.
    pub fn start() -> Self {
        let slots = Rc::new(RefCell::new(Slots::default()));
        tokio::task::spawn_local(sweep(Rc::downgrade(&slots)));
        Self(slots)
    }

    /// Runs a future, but not for longer than `limit`.
    ///
    /// # Errors
    /// [`Elapsed`] when the time is over; the future is dropped with the returned one.
    pub async fn within<F: Future>(&self, limit: Duration, future: F) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut timer = self.timer();
        std::future::poll_fn(|cx| match future.as_mut().poll(cx) {
            Poll::Ready(output) => {
                timer.clear();
                Poll::Ready(Ok(output))
            }
            Poll::Pending => timer.poll(limit, cx).map(|()| Err(Elapsed)),
        })
        .await
    }

    /// Runs a future until `limit` has passed since the last time `activity` was set.
    ///
    /// # Errors
    /// [`Elapsed`] when nothing happened for so long.
    pub async fn within_last<F: Future>(
        &self,
        limit: Duration,
        activity: &Cell<Instant>,
        future: F,
    ) -> Result<F::Output, Elapsed> {
        let mut future = std::pin::pin!(future);
        let mut timer = self.timer();
        std::future::poll_fn(|cx| {
            if let Poll::Ready(output) = future.as_mut().poll(cx) {
                timer.clear();
                return Poll::Ready(Ok(output));
            }
            let mut left = limit;
            loop {
                match timer.poll(left, cx) {
                    Poll::Pending => return Poll::Pending,
                    Poll::Ready(()) => {
                        left = limit.saturating_sub(activity.get().elapsed());
                        if left.is_zero() {
                            return Poll::Ready(Err(Elapsed));
                        }
                        timer.clear();
                    }
                }
            }
        })
        .await
    }

    /// A timer that is armed by its first poll, and again by the first one after it was cleared.
    pub fn timer(&self) -> Timer {
        Timer { slots: self.clone(), armed: None }
    }
}

/// One deadline.
pub struct Timer {
    slots: Deadlines,
    armed: Option<(usize, Instant)>,
}

impl Timer {
    /// Ready once `limit` has passed since the first poll after the timer was made or cleared.
    pub fn poll(&mut self, limit: Duration, cx: &mut Context<'_>) -> Poll<()> {
        let mut slots = self.slots.0.borrow_mut();
        match self.armed {
            Some((place, at)) => {
                if Instant::now() >= at {
                    return Poll::Ready(());
                }
                slots.entries[place] = Some((at, cx.waker().clone()));
            }
            None => {
                let at = Instant::now() + limit;
                let entry = Some((at, cx.waker().clone()));
                let place = match slots.free.pop() {
                    Some(place) => {
                        slots.entries[place] = entry;
                        place
                    }
                    None => {
                        slots.entries.push(entry);
                        slots.entries.len() - 1
                    }
                };
                self.armed = Some((place, at));
            }
        }
        Poll::Pending
    }

    /// Progress was made: the next poll starts anew.
    pub fn clear(&mut self) {
        if let Some((place, _)) = self.armed.take() {
            let mut slots = self.slots.0.borrow_mut();
            slots.entries[place] = None;
            slots.free.push(place);
        }
    }
}

impl Drop for Timer {
    fn drop(&mut self) {
        self.clear();
    }
}

/// Wakes what is over, until nobody holds the deadlines.
async fn sweep(slots: Weak<RefCell<Slots>>) {
    let mut interval = tokio::time::interval(TICK);
    interval.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    loop {
        Pin::new(&mut interval).tick().await;
        let Some(slots) = slots.upgrade() else { return };
        let now = Instant::now();
        let due: Vec<Waker> = slots
            .borrow()
            .entries
            .iter()
            .flatten()
            .filter(|(at, _)| *at <= now)
            .map(|(_, waker)| waker.clone())
            .collect();
        // Woken outside the borrow: a waker may poll at once.
        due.into_iter().for_each(Waker::wake);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn local<F: Future>(future: F) -> F::Output {
        let runtime = tokio::runtime::Builder::new_current_thread()
            .enable_all()
            .build_local(Default::default())
            .unwrap();
        runtime.block_on(future)
    }

    #[test]
    fn a_future_that_never_ends_is_given_up() {
        local(async {
            let deadlines = Deadlines::start();
            let outcome = deadlines.within(Duration::from_millis(10), std::future::pending::<()>()).await;
            assert_eq!(outcome, Err(Elapsed));
            assert_eq!(deadlines.within(Duration::from_millis(10), async { 7 }).await, Ok(7));
        });
    }

    #[test]
    fn places_are_reused() {
        local(async {
            let deadlines = Deadlines::start();
            for _ in 0..100 {
                deadlines.within(Duration::from_secs(9), tokio::task::yield_now()).await.unwrap();
            }
            assert_eq!(deadlines.0.borrow().entries.len(), 1);
        });
    }
}
