//! What passes from chunk to chunk, and what was hidden so far.

use std::sync::Arc;

use jiff::civil::Date;

use super::schema::Described;
use super::texts::{Long, Suspect};
use super::{End, Records, Site};
use crate::policy::set::{CategoryId, Step, Trail};
use crate::redact::detect::Seen;
use crate::redact::nested::Inside;
use crate::redact::plan::Plan;
use crate::redact::{Audience, Tally};
use crate::secret::DomainKey;

/// What passes from chunk to chunk.
pub(in crate::redact::json) struct State {
    pub(super) key: Arc<DomainKey>,
    pub(super) today: Option<Date>,
    /// Unknown fields are removed.
    pub(super) deny: bool,
    /// Unknown fields are counted.
    pub(super) report: bool,
    /// One of both.
    pub(super) strict: bool,
    pub(in crate::redact::json) tally: Tally,
    /// Where the document is open.
    pub(super) around: Around,
    /// Where the view depends on whose each record is.
    pub(in crate::redact::json) records: Option<Records>,
    /// A member whose value has not begun, comma and all.
    pub(super) carried: Vec<u8>,
    /// The beginnings of open arrays and objects of which nothing that somebody classified was met yet.
    pub(super) doubtful: Vec<u8>,
    /// The name of the member at hand, where it may be a value, and what the plan says of the names beside it.
    pub(super) name: Vec<u8>,
    pub(super) name_class: u8,
    pub(super) silent: bool,
    pub(super) end: End,
    /// The scalar at hand, if it says whose a record or an object in one is, and how many arrays and objects it stands in.
    pub(super) naming: Option<(Site, usize)>,
    /// The text at hand, if it may be a document. What came of it in earlier chunks is carried.
    pub(super) suspect: Option<Suspect>,
    /// The hidden object at hand, if it may only describe its field.
    pub(super) described: Option<Box<Described>>,
    /// The text at hand, if it is too long to be carried, and whether a hidden name was met in it behind what left.
    pub(super) long: Option<Long>,
    pub(in crate::redact::json) failed: bool,
    /// The document stands in a free text: texts that nobody classified are free texts.
    pub(super) free: bool,
    /// Documents around this one.
    pub(super) level: u8,
    /// What was hidden, where there are free texts in which it may stand again.
    pub(super) seen: Option<Noted>,
}

/// The steps into the open arrays and objects below the root, as many as are told and one more. What is behind the
/// innermost is of those that were open before.
#[derive(Default)]
pub(super) struct Around([Step; Trail::MOST]);

impl Around {
    /// An array or object is opened inside of so many.
    #[inline(always)]
    pub(super) fn open(&mut self, depth: u8, step: Step) {
        if let Some(place) = self.0.get_mut(usize::from(depth).wrapping_sub(1)) {
            *place = step;
        }
    }

    /// The way to a member or element inside of so many.
    pub(super) fn trail(&self, depth: u8, step: Step) -> Trail {
        match usize::from(depth) {
            0 => Trail::ROOT,
            depth => Trail::through(&self.0[..(depth - 1).min(Trail::MOST)], step),
        }
    }
}

/// Values that were hidden so far.
#[derive(Default)]
pub(super) struct Noted {
    pub(super) seen: Seen,
    /// By what each is forgotten again, in the order in which they came.
    pub(super) order: Vec<u64>,
}

impl Noted {
    pub(super) fn note(&mut self, value: &[u8], category: CategoryId) {
        self.order.extend(self.seen.note(value, category.0.into()));
    }

    /// Forgets all but the first.
    pub(super) fn forget(&mut self, kept: usize) {
        let Self { seen, order } = self;
        order.drain(kept.min(order.len())..).for_each(|hash| seen.forget(hash));
    }
}

impl State {
    pub(in crate::redact::json) fn new(
        plan: &Plan,
        audience: &Audience,
        key: Arc<DomainKey>,
        records: Option<Records>,
        has_free_text: bool,
    ) -> Self {
        let (deny, report) = (plan.denies_unknown(&audience.sees), plan.reports_unknown());
        let seen = has_free_text.then(Noted::default);
        Self { deny, report, strict: deny || report, seen, ..Self::at_rest(key, audience.today, records) }
    }

    /// For a document inside a text.
    pub(in crate::redact::json) fn inside(place: &Inside<'_>, records: Option<Records>) -> Self {
        let Inside { key, today, free, level, .. } = *place;
        Self { free, level, ..Self::at_rest(key.clone(), today, records) }
    }

    /// In front of the first byte, where what nobody classified passes.
    fn at_rest(key: Arc<DomainKey>, today: Option<Date>, records: Option<Records>) -> Self {
        Self {
            deny: false,
            report: false,
            strict: false,
            key,
            today,
            tally: Tally::default(),
            around: Around::default(),
            records,
            carried: Vec::new(),
            doubtful: Vec::new(),
            name: Vec::new(),
            name_class: 0,
            silent: false,
            end: End::Stays,
            naming: None,
            suspect: None,
            described: None,
            long: None,
            failed: false,
            free: false,
            level: 0,
            seen: None,
        }
    }

    /// Whether a scalar that nobody classified passes as it is.
    #[inline(always)]
    pub(super) fn is_lax(&self) -> bool {
        !(self.strict | self.free)
    }

    /// As it was behind the opening brace of a record that shows.
    pub(in crate::redact::json) fn restart(&mut self, doubtful: Vec<u8>, noted: usize) {
        if let Some(seen) = &mut self.seen {
            seen.forget(noted);
        }
        self.carried.clear();
        self.doubtful = doubtful;
        self.silent = false;
        self.end = End::Stays;
        self.naming = None;
        self.suspect = None;
        self.described = None;
        self.long = None;
    }

    #[cfg(test)]
    pub(in crate::redact::json) fn capacity(&self) -> usize {
        self.carried.capacity() + self.doubtful.capacity() + self.name.capacity()
    }
}
