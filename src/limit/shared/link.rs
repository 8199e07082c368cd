//! One thread's connection to the shared store, opened when it is first needed and again after a failure.

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use tokio::sync::Notify;

use super::{
    NoAnswer,
    servers::{Connection, Servers},
};

/// One thread's connection.
#[derive(Default)]
pub(super) struct Link {
    state: Mutex<LinkState>,
    changed: Notify,
}

#[derive(Default)]
struct LinkState {
    phase: Phase,
    /// How many connections there have been, so that the failure of an old one does not end a new one.
    generation: u64,
}

#[derive(Default)]
enum Phase {
    #[default]
    Down,
    Opening,
    Up(Connection),
}

/// A connection to use once.
pub(super) struct Borrowed {
    pub(super) connection: Connection,
    pub(super) generation: u64,
    /// Whether it was opened for this question.
    pub(super) new: bool,
}

impl Link {
    /// The connection, opened by a task of its own: opening goes on when the one who asked has run out of time.
    pub(super) async fn connection(self: &Arc<Self>, servers: &Arc<Servers>) -> Result<Borrowed, NoAnswer> {
        let mut waited = false;
        loop {
            let changed = self.changed.notified();
            tokio::pin!(changed);
            // Before the state is read, so that no change is missed.
            changed.as_mut().enable();
            let open = {
                let mut state = self.state();
                match &state.phase {
                    Phase::Up(connection) => {
                        let (connection, generation) = (connection.clone(), state.generation);
                        return Ok(Borrowed { connection, generation, new: waited });
                    }
                    Phase::Down if waited => return Err(NoAnswer),
                    Phase::Down => {
                        state.phase = Phase::Opening;
                        true
                    }
                    Phase::Opening => false,
                }
            };
            waited = true;
            if open {
                self.open(Arc::clone(servers));
            }
            changed.await;
        }
    }

    fn open(self: &Arc<Self>, servers: Arc<Servers>) {
        let opening = Opening { link: Arc::clone(self), opened: None };
        tokio::spawn(async move { opening.settle(servers.open().await) });
    }

    /// Ends the connection of this generation, if it is still the one in use.
    pub(super) fn hang_up(&self, generation: u64) -> NoAnswer {
        let mut state = self.state();
        if state.generation == generation && matches!(state.phase, Phase::Up(_)) {
            state.phase = Phase::Down;
        }
        NoAnswer
    }

    pub(super) fn generation(&self) -> u64 {
        self.state().generation
    }

    fn state(&self) -> MutexGuard<'_, LinkState> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Settles the link when the task ends, even when its runtime is dropped under it.
struct Opening {
    link: Arc<Link>,
    opened: Option<Connection>,
}

impl Opening {
    fn settle(mut self, opened: Option<Connection>) {
        self.opened = opened;
    }
}

impl Drop for Opening {
    fn drop(&mut self) {
        let mut state = self.link.state();
        state.phase = self.opened.take().map_or(Phase::Down, Phase::Up);
        state.generation += 1;
        drop(state);
        self.link.changed.notify_waiters();
    }
}
