//! What was taken out, in numbers only.

use crate::policy::set::CategoryId;

/// How many fields were redacted: what the journal and the metrics may know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Tally {
    /// Redacted fields by [`CategoryId`]; a field counts once, however many values it holds.
    pub by_category: [u32; 64],
    /// Fields that nobody classified: passed where the route reports them, removed where it denies them.
    pub unknown: u32,
}

impl Tally {
    /// One more field of this category was redacted.
    pub(super) fn redacted(&mut self, category: CategoryId) {
        if let Some(count) = self.by_category.get_mut(category.index()) {
            *count = count.saturating_add(1);
        }
    }

    /// One more field that nobody classified.
    pub(super) fn unclassified(&mut self) {
        self.unknown = self.unknown.saturating_add(1);
    }

    /// Adds what a part of the body gave.
    pub(super) fn add(&mut self, part: &Self) {
        for (count, more) in self.by_category.iter_mut().zip(part.by_category) {
            *count = count.saturating_add(more);
        }
        self.unknown = self.unknown.saturating_add(part.unknown);
    }

    /// Redacted fields of all categories.
    pub fn total(&self) -> u64 {
        self.by_category.iter().copied().map(u64::from).sum()
    }
}

impl Default for Tally {
    fn default() -> Self {
        Self { by_category: [0; 64], unknown: 0 }
    }
}
