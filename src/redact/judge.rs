//! What happens to one value of a format that has texts only (a cell, a form field, an element), and the count of it.

use std::borrow::Cow;

use super::{
    RedactError, Tally, Task,
    action::{Kind, MASK, Means},
    detect::Seen,
    free_text::Search,
    json::may_be_found,
    nested::{self, Inside, Nested},
    place::Field,
};
use crate::policy::set::{CategoryId, CategorySet};

/// What happens to a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verdict {
    /// It leaves as it is.
    Keep,
    /// It is personal, and not for this audience.
    Hide(CategoryId),
    /// Nobody classified it, and the route lets nothing pass that nobody classified.
    Drop,
}

/// What is left of a text that is kept.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Left {
    /// All of it.
    Same,
    /// This.
    Instead(String),
    /// Nothing.
    Nothing,
}

/// The judgements on one body.
pub(super) struct Judge {
    pub(super) task: Task,
    deny: bool,
    report: bool,
    /// What was hidden, where there are free texts in which it may stand again.
    seen: Option<Seen>,
    tally: Tally,
}

impl Judge {
    pub(super) fn new(task: Task) -> Self {
        let deny = task.plan.denies_unknown(&task.audience.sees);
        let report = task.plan.reports_unknown();
        let seen = task.plan.has_free_text().then(Seen::default);
        Self { task, deny, report, seen, tally: Tally::default() }
    }

    /// What happens to a value, where these categories are visible. Counts.
    pub(super) fn judge(&mut self, field: Field, visible: CategorySet) -> Verdict {
        match field.category() {
            Some(category) if visible.contains(category) => Verdict::Keep,
            Some(category) => {
                self.tally.redacted(category);
                Verdict::Hide(category)
            }
            None if field.is_known() || !(self.deny || self.report) => Verdict::Keep,
            None => {
                self.tally.unclassified_at(|| field.trail());
                if self.deny { Verdict::Drop } else { Verdict::Keep }
            }
        }
    }

    /// Whether a value would be counted or changed: what is neither need not be looked at.
    pub(super) fn minds(&self, field: Field, visible: CategorySet) -> bool {
        match field.category() {
            Some(category) => !visible.contains(category),
            None if field.is_free_text() => self.may_hide(visible),
            None => !field.is_known() && (self.deny || self.report),
        }
    }

    /// Whether nothing leaves that nobody classified.
    pub(super) fn denies(&self) -> bool {
        self.deny
    }

    /// Whether what nobody classified is counted.
    pub(super) fn reports(&self) -> bool {
        self.report
    }

    /// Whether this is a value that nobody classified, which does not leave.
    pub(super) fn drops(&self, field: Field) -> bool {
        self.deny && field.class == 0
    }

    /// Whether what leaves depends on whose a record is.
    pub(super) fn relates(&self) -> bool {
        let Task { plan, audience, .. } = &self.task;
        plan.has_records() && plan.related_matters(audience.by_relation(), &audience.sees)
    }

    /// Whether the route wrote down what its documents hold.
    pub(super) fn is_declared(&self) -> bool {
        self.task.plan.is_declared()
    }

    /// Whether something in a text could be hidden where these categories are visible: a document in it may hold records of
    /// somebody else.
    pub(super) fn may_hide(&self, visible: CategorySet) -> bool {
        self.task.plan.hides(visible) || self.relates()
    }

    /// Whether a text that is kept must be looked at, whatever it is called.
    pub(super) fn may_hold(&self, text: &[u8], visible: CategorySet) -> bool {
        nested::may_hold(text) && self.may_hide(visible)
    }

    /// What is left of a text that is kept, where these categories are visible: it could be a document, or a free text.
    /// Counts.
    pub(super) fn left(&mut self, text: &str, field: Field, visible: CategorySet) -> Left {
        if !self.may_hide(visible) {
            return Left::Same;
        }
        let Task { plan, key, audience } = &self.task;
        let (today, free) = (audience.today, field.is_free_text());
        let inside = self.inside(field, visible);
        let (nested, tally) = inside.read(text);
        if nested != Nested::Text {
            self.tally.add(&tally);
        }
        match nested {
            Nested::Text if free => {
                let search = Search { plan, means: Means { key, today }, visible, seen: self.seen.as_ref() };
                search.scrub(text, &mut self.tally).map_or(Left::Same, Left::Instead)
            }
            Nested::Text | Nested::Same => Left::Same,
            Nested::Redacted(document) => Left::Instead(document),
            Nested::Unreadable => Left::Nothing,
        }
    }

    /// Where a text of this field stands.
    fn inside(&self, field: Field, visible: CategorySet) -> Inside<'_> {
        let Task { plan, key, audience } = &self.task;
        let (today, state, free) = (audience.today, field.state(), field.is_free_text());
        let related = self.relates().then_some(audience);
        Inside { plan, key, today, visible, related, state, free, level: 0 }
    }

    /// Whether a text that is longer than what is read of one may leave as far as this, its beginning, shows.
    pub(super) fn begins_harmlessly(&self, text: &[u8], field: Field, visible: CategorySet) -> bool {
        self.inside(field, visible).begins_harmlessly(&String::from_utf8_lossy(text))
    }

    /// The same of another piece of it.
    pub(super) fn is_harmless(&self, piece: &[u8], field: Field, visible: CategorySet) -> bool {
        self.inside(field, visible).is_harmless(&String::from_utf8_lossy(piece))
    }

    /// A text of a page, of which the route's paths say nothing, where these categories are visible: it could be a document of
    /// any length. Counts.
    pub(super) fn nested(&mut self, text: &str, visible: CategorySet) -> Nested {
        let Task { plan, key, audience } = &self.task;
        if !plan.hides(visible) {
            return Nested::Same;
        }
        // Where no path leads, and so no record stands.
        let (today, state, related, free) = (audience.today, 0, None, false);
        let inside = Inside { plan, key, today, visible, related, state, free, level: 0 };
        let (nested, tally) = inside.read_any(text);
        self.tally.add(&tally);
        nested
    }

    /// A text that is longer than what is read of one. Counts.
    pub(super) fn unreadable(&mut self) {
        self.tally.unclassified();
    }

    /// What stands for a name that nobody knows and that is a value, if these categories are visible. Counts.
    pub(super) fn name(&mut self, name: &str, field: Field, visible: CategorySet) -> Option<String> {
        if field.is_known() || !may_be_found(name.as_bytes()) {
            return None;
        }
        let Task { plan, key, audience } = &self.task;
        let category = plan.found_in_name(name.as_bytes(), visible).filter(|&one| !visible.contains(one))?;
        self.tally.redacted(category);
        let means = Means { key, today: audience.today };
        Some(plan.name_stand_in(category, means, name).unwrap_or_else(|| MASK.trim_matches('"').into()))
    }

    /// A hidden value is remembered for the free texts behind it.
    pub(super) fn note(&mut self, category: CategoryId, value: &str) {
        if let Some(seen) = &mut self.seen {
            seen.insert(value.as_bytes(), category.0.into());
        }
    }

    /// The text that stands for a hidden value; `None` where nothing does. An empty value hides nothing and stays.
    pub(super) fn stand_in<'a>(&'a self, category: CategoryId, value: &'a str) -> Option<Cow<'a, str>> {
        if value.is_empty() {
            return Some(Cow::Borrowed(value));
        }
        let means = Means { key: &self.task.key, today: self.task.audience.today };
        self.task.plan.remedy(category).stand_in(means, value, Kind::Text).into_text()
    }

    /// What was redacted so far.
    pub(super) fn tally(&self) -> &Tally {
        &self.tally
    }

    /// What was counted since then did not happen.
    pub(super) fn set_tally(&mut self, tally: Tally) {
        self.tally = tally;
    }

    /// Adds what a reader of a part of the body redacted.
    pub(super) fn add(&mut self, part: &Tally) {
        self.tally.add(part);
    }
}

/// A reader's state after an error: the error is repeated, nothing leaves any more.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Refused(Option<RedactError>);

impl Refused {
    /// Runs a step unless one failed before; remembers its error.
    pub(super) fn guard(
        refused: &mut Self,
        step: impl FnOnce() -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        match refused.0 {
            Some(error) => Err(error),
            None => step().inspect_err(|error| refused.0 = Some(*error)),
        }
    }

    /// Nothing may come any more.
    pub(super) fn end(&mut self) {
        self.0 = Some(self.0.unwrap_or(RedactError::Finished));
    }
}
