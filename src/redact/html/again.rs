//! What a page is read again for: values that stood in it before the field that hides them, and forms whose fields say late
//! whose they are.

use crate::policy::set::{CategoryId, CategorySet};
use crate::redact::detect::Seen;

/// What stands between two texts, so that no value is found in both.
const APART: &[u8] = b"\n\n\n\n\n";

/// What was learned of a page.
#[derive(Default)]
pub(super) struct Known {
    /// Hidden values.
    pub(super) seen: Seen,
    /// What is visible in each form.
    pub(super) forms: Vec<CategorySet>,
}

/// What is remembered while a page is read.
pub(super) struct Memory {
    pub(super) known: Known,
    /// Values by which the seen ones can be forgotten, in their order.
    noted: Vec<u64>,
    /// What left, as long as values are not looked for on the way.
    said: Option<Vec<u8>>,
}

impl Memory {
    /// Of a page that may be read again, by which nothing is looked for yet.
    pub(super) fn first() -> Self {
        Self { known: Known::default(), noted: Vec::new(), said: Some(Vec::new()) }
    }

    /// Of a page that is read for the last time.
    pub(super) fn last(known: Known) -> Self {
        Self { known, noted: Vec::new(), said: None }
    }

    /// A hidden value is remembered.
    pub(super) fn note(&mut self, category: CategoryId, value: &str) {
        self.noted.extend(self.known.seen.note(value.as_bytes(), category.0.into()));
    }

    /// How many values were noted.
    pub(super) fn mark(&self) -> usize {
        self.noted.len()
    }

    /// What was noted since was nobody else's.
    pub(super) fn forget(&mut self, mark: usize) {
        for hash in self.noted.drain(mark.min(self.noted.len())..) {
            self.known.seen.forget(hash);
        }
    }

    /// What was noted since then, to be forgotten one by one.
    pub(super) fn since(&self, mark: usize) -> &[u64] {
        self.noted.get(mark..).unwrap_or_default()
    }

    /// These values were nobody else's.
    pub(super) fn forget_all(&mut self, noted: &[u64]) {
        noted.iter().for_each(|hash| self.known.seen.forget(*hash));
    }

    /// A text leaves.
    pub(super) fn say(&mut self, text: &[u8]) {
        if let Some(said) = &mut self.said {
            said.extend_from_slice(text);
            said.extend_from_slice(APART);
        }
    }

    /// The values that are looked for, where they are.
    pub(super) fn seen(&self) -> Option<&Seen> {
        (self.said.is_none() && !self.known.seen.is_empty()).then_some(&self.known.seen)
    }

    /// What must be known to read the page again; `None` where it was read well.
    pub(super) fn again(&mut self, any: CategorySet) -> Option<Known> {
        let said = self.said.take()?;
        let mut found = self.known.forms.iter().any(|visible| *visible != any);
        if !found {
            self.known.seen.find(&said, |_, _, _| found = true);
        }
        found.then(|| std::mem::take(&mut self.known))
    }
}
