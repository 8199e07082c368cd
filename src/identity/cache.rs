//! Bounded memory of answers, by keyed hash.

use std::sync::Arc;

use quick_cache::{Weighter, sync::Cache};

/// Answers under the keyed hash of what they answer.
///
/// An entry weighs one for each KiB begun, so that the number of entries that a policy allows bounds the bytes as well;
/// eviction resists scans, so that made-up credentials do not push out those in use.
pub(super) type Answers<T> = Cache<[u8; 32], Arc<T>, ByKibibyte>;

/// An empty memory of so many entries of at most a KiB.
pub(super) fn answers<T: Weigh>(entries: usize) -> Answers<T> {
    let entries = entries.max(1);
    Cache::with_weighter(entries, entries as u64, ByKibibyte)
}

/// What has a size.
pub(super) trait Weigh {
    /// Bytes held beside the fixed part.
    fn bytes(&self) -> usize;
}

/// The weight of an entry.
#[derive(Clone)]
pub(super) struct ByKibibyte;

impl<T: Weigh> Weighter<[u8; 32], Arc<T>> for ByKibibyte {
    fn weight(&self, _: &[u8; 32], answer: &Arc<T>) -> u64 {
        1 + answer.bytes() as u64 / 1024
    }
}
