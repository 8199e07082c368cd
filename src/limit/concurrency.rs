//! How many requests of one requester are under way in this process.
//!
//! An entry lives as long as a request does, so there are never more of them than exchanges and tunnels under way.

use std::{
    collections::HashMap,
    fmt,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
};

use super::CounterKey;

/// Locks that the entries are spread over.
const SHARDS: usize = 16;

/// Requests under way, by requester.
#[derive(Debug, Default)]
pub(super) struct Running {
    shards: [Mutex<HashMap<CounterKey, u32>>; SHARDS],
}

/// One request under way; it is over when this is dropped, whatever the way out.
#[must_use = "dropped at once, it counts nothing"]
pub struct Permit {
    running: Arc<Running>,
    key: CounterKey,
}

impl Running {
    /// Counts one more, and says how many there are with it. With `most`, none if there are as many already.
    pub(super) fn enter(self: &Arc<Self>, key: CounterKey, most: Option<u32>) -> Option<(Permit, u32)> {
        let mut shard = self.shard(&key);
        let before = shard.get(&key).copied().unwrap_or(0);
        if most.is_some_and(|most| before >= most) {
            return None;
        }
        shard.insert(key, before.saturating_add(1));
        drop(shard);
        Some((Permit { running: Arc::clone(self), key }, before.saturating_add(1)))
    }

    /// A panic elsewhere leaves plain numbers.
    fn shard(&self, key: &CounterKey) -> MutexGuard<'_, HashMap<CounterKey, u32>> {
        self.shards[usize::from(key[0]) % SHARDS].lock().unwrap_or_else(PoisonError::into_inner)
    }

    #[cfg(test)]
    pub(super) fn len(&self) -> usize {
        self.shards.iter().map(|shard| shard.lock().unwrap_or_else(PoisonError::into_inner).len()).sum()
    }
}

impl Drop for Permit {
    fn drop(&mut self) {
        let mut shard = self.running.shard(&self.key);
        match shard.get_mut(&self.key) {
            Some(count) if *count > 1 => *count -= 1,
            _ => drop(shard.remove(&self.key)),
        }
    }
}

impl fmt::Debug for Permit {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("Permit")
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_its_request_is_over() {
        let running = Arc::new(Running::default());
        let enter = |key: u8| running.enter([key; 16], Some(2));
        let (first, one) = enter(1).unwrap();
        let (second, two) = enter(1).unwrap();
        assert_eq!((one, two), (1, 2));
        assert!(enter(1).is_none() && enter(2).is_some(), "others have places of their own");
        drop(first);
        let third = enter(1).unwrap();
        assert!(enter(1).is_none());
        drop((second, third));
        assert_eq!(running.len(), 0, "nothing is kept of those who left");
    }

    #[test]
    fn those_who_are_only_counted_are_never_refused() {
        let running = Arc::new(Running::default());
        let permits: Vec<_> = (0..100).filter_map(|_| running.enter([1; 16], None)).collect();
        assert_eq!(permits.iter().map(|(_, count)| *count).max(), Some(100));
        drop(permits);
        assert_eq!(running.len(), 0);
    }

    #[test]
    fn threads_never_exceed_the_bound_together() {
        let running = Arc::new(Running::default());
        let inside = Arc::new(std::sync::atomic::AtomicU32::new(0));
        let threads: Vec<_> = (0..8)
            .map(|_| {
                let (running, inside) = (Arc::clone(&running), Arc::clone(&inside));
                std::thread::spawn(move || {
                    for _ in 0..5_000 {
                        if let Some(_permit) = running.enter([7; 16], Some(3)) {
                            let now = inside.fetch_add(1, std::sync::atomic::Ordering::SeqCst) + 1;
                            assert!(now <= 3, "{now}");
                            inside.fetch_sub(1, std::sync::atomic::Ordering::SeqCst);
                        }
                    }
                })
            })
            .collect();
        threads.into_iter().for_each(|thread| thread.join().unwrap());
        assert_eq!(running.len(), 0);
    }
}
