//! Whose each record is.
//!
//! A record's subject may stand at its end, behind the fields that depend on it. So each record is first written as
//! those before it turned out, which is nearly always right; nothing of the outermost open record leaves
//! before its end has shown that the guesses held. Where one did not, that record is walked once more, and every
//! verdict inside it is known then.
//!
//! A record longer than its bound is nobody's, however it is cut.

mod people;

use std::sync::Arc;

use super::visit::Site;
use crate::policy::set::CategorySet;
use crate::redact::plan::Plan;
use crate::redact::whose::{Relation, Whose};
use crate::redact::{Audience, Tally};
pub(super) use people::Place;
use people::{People, Person};

/// Levels of records with a guess of their own.
const LEVELS: usize = 8;

/// The records of a document.
pub(super) struct Records {
    plan: Arc<Plan>,
    audience: Arc<Audience>,
    open: Vec<Open>,
    /// As many of the outermost open ones grew beyond their bound: they are nobody's, and nothing waits for them.
    outgrown: usize,
    /// What is visible in each record of the outermost other one, in the order of opening braces: a guess until it
    /// ends.
    verdicts: Vec<CategorySet>,
    /// The verdict of the record that opens next; behind the last, unless the walk is a second one.
    next: usize,
    /// What the next record of each level is guessed to be: what the last two that agreed were.
    guesses: [CategorySet; LEVELS],
    /// What the last record of each level was.
    last: [CategorySet; LEVELS],
    /// Whether a guess was wrong, where it showed.
    wrong: bool,
    /// Of a document in a text of a record: what is visible there. Its outermost objects are records then.
    around: Option<CategorySet>,
    people: People,
}

/// A record whose end has not come.
struct Open {
    opening: Opening,
    guess: CategorySet,
    /// Its place among the verdicts.
    verdict: usize,
    whose: Whose,
    /// What is visible around it, if it is the outermost object of a document in a text, and no record.
    around: Option<CategorySet>,
    /// Those who stand in it.
    people: Vec<Person>,
}

/// How things stood behind a record's opening brace: what a second walk begins from.
#[derive(Clone, Debug)]
pub(super) struct Opening {
    /// Place of the brace in the document.
    pub(super) at: u64,
    /// Arrays and objects around it.
    pub(super) depth: usize,
    /// What had been written.
    pub(super) written: usize,
    /// What was in doubt, itself included.
    pub(super) doubtful: Vec<u8>,
    /// How many hidden values were noted.
    pub(super) noted: usize,
    /// Whether what is visible in it shows: not where it is hidden as a whole.
    pub(super) shows: bool,
    pub(super) tally: Tally,
}

impl From<Site> for Relation {
    fn from(site: Site) -> Self {
        Self { subject: site.subject(), group: site.group() }
    }
}

impl Records {
    pub(super) fn new(plan: Arc<Plan>, audience: Arc<Audience>) -> Self {
        let guesses = [audience.sees.any; LEVELS];
        Self {
            plan,
            audience,
            open: Vec::new(),
            outgrown: 0,
            verdicts: Vec::new(),
            next: 0,
            guesses,
            last: guesses,
            wrong: false,
            around: None,
            people: People::default(),
        }
    }

    /// The same for a document in a text that stands where this is visible.
    pub(super) fn inside(plan: Arc<Plan>, audience: Arc<Audience>, visible: CategorySet) -> Self {
        let around = (plan.people().any() && visible != audience.sees.any).then_some(visible);
        Self { around, ..Self::new(plan, audience) }
    }

    /// Who reads.
    pub(super) fn audience(&self) -> &Arc<Audience> {
        &self.audience
    }

    /// Whether an object that is no record is as good as one: it is the outermost of a document in a text.
    pub(super) fn stands_for_record(&self) -> bool {
        self.around.is_some() && self.open.is_empty()
    }

    /// A record begins: what is visible in it, as far as is known. `is_record` unless it only stands for one.
    pub(super) fn open(&mut self, opening: Opening, is_record: bool) -> CategorySet {
        let around = if is_record { None } else { self.around };
        let verdict = self.next;
        self.next += 1;
        let guess = match self.verdicts.get(verdict) {
            Some(&known) => known,
            None => {
                let guess = around.unwrap_or(self.guesses[self.open.len().min(LEVELS - 1)]);
                self.verdicts.push(guess);
                guess
            }
        };
        self.open.push(Open { opening, guess, verdict, whose: Whose::default(), around, people: Vec::new() });
        guess
    }

    /// The innermost record names a subject or a group, or an object in it does: in an array or object inside of so many.
    pub(super) fn named(&mut self, site: Site, depth: usize, value: Option<&[u8]>) {
        let Some(record) = self.open.last_mut() else { return };
        if record.around.is_none() {
            record.whose.named(site, value, &self.plan, &self.audience);
        }
        let people = self.plan.people();
        for (steps, relation) in [
            (
                people.steps_from_subject().filter(|_| site.inner_subject()),
                Relation { subject: true, group: false },
            ),
            (
                people.steps_from_group().filter(|_| site.inner_group()),
                Relation { subject: false, group: true },
            ),
        ] {
            let Some(at) = steps.and_then(|steps| (depth + 1).checked_sub(steps)) else { continue };
            let whose = match record.around {
                Some(_) if record.opening.depth == at => Some(&mut record.whose),
                _ => self.people.at(at),
            };
            if let Some(whose) = whose {
                whose.named(relation, value, &self.plan, &self.audience);
            }
        }
    }

    /// Whether it matters what a value says of an object that is no record.
    pub(super) fn has_people(&self) -> bool {
        self.around.is_some() || self.people.is_any_open()
    }

    /// An object begins that is no record: what is visible in it, as far as is known, if it may be somebody else's.
    pub(super) fn enter(&mut self, place: Place) -> Option<CategorySet> {
        // Where no more is visible than of anybody, nobody's object shows less. If that turns out wrong, it is met again.
        let is_anybodys = place.visible == self.audience.sees.any;
        if is_anybodys || self.open.len() == self.outgrown || !self.plan.people().any() {
            return None;
        }
        Some(self.people.enter(place, self.audience.sees.any))
    }

    /// It ended.
    pub(super) fn leave(&mut self, end: u64) {
        if let (Some(person), Some(record)) = (self.people.leave(end), self.open.last_mut()) {
            record.people.push(person);
        }
    }

    /// The innermost record ends. `true` where it was the outermost undecided one and a guess was wrong: it is open
    /// again then, and has to be walked again.
    pub(super) fn close(&mut self, end: u64) -> bool {
        let Some(mut record) = self.open.pop() else { return false };
        let level = self.open.len();
        if level < self.outgrown {
            self.outgrown = level;
            return false;
        }
        let visible = self.visible(&record, end);
        self.verdicts[record.verdict] = visible;
        self.wrong |= record.opening.shows && visible != record.guess;
        let people = std::mem::take(&mut record.people);
        self.wrong |= self.people.settle(people, &record.whose, visible, &self.audience);
        let outermost = level == self.outgrown;
        if outermost && self.wrong {
            self.reopen(record, end);
            return true;
        }
        let kind = level.min(LEVELS - 1);
        if std::mem::replace(&mut self.last[kind], visible) == visible {
            self.guesses[kind] = visible;
        }
        if outermost {
            self.verdicts.clear();
            self.next = 0;
            self.people.forget();
        }
        false
    }

    /// Everything up to `end` was walked: records beyond their bound are decided. `true` where the outermost one has
    /// to be walked again, up to `end`, and this has to be asked again.
    pub(super) fn outgrow(&mut self, end: u64) -> bool {
        let bound = self.plan.record_bytes();
        let any = self.audience.sees.any;
        let beyond = self.open.iter().take_while(|record| end - record.opening.at > bound).count();
        if beyond <= self.outgrown {
            return false;
        }
        let decided = &self.open[self.outgrown..beyond];
        if self.wrong || decided.iter().any(|record| record.opening.shows && record.guess != any) {
            // What is still open is nobody's for now: another one that grows so is not walked again for it.
            for record in &self.open[self.outgrown..] {
                self.verdicts[record.verdict] = any;
            }
            self.open.truncate(self.outgrown + 1);
            if let Some(record) = self.open.pop() {
                self.reopen(record, end);
            }
            return true;
        }
        self.outgrown = beyond;
        let past = self.open.get(beyond).map_or(self.verdicts.len(), |record| record.verdict);
        self.verdicts.drain(..past);
        self.next -= past;
        for record in &mut self.open[beyond..] {
            record.verdict -= past;
        }
        false
    }

    /// It is walked again, as far as `end`.
    fn reopen(&mut self, record: Open, end: u64) {
        self.wrong = false;
        self.next = record.verdict + 1;
        self.people.again(record.opening.depth, end);
        let guess = self.verdicts[record.verdict];
        self.open.push(Open { guess, whose: Whose::default(), people: Vec::new(), ..record });
    }

    /// The outermost record that is not decided, and what is visible in it, as far as is known.
    pub(super) fn undecided(&self) -> Option<(&Opening, CategorySet)> {
        self.open.get(self.outgrown).map(|record| (&record.opening, record.guess))
    }

    /// As many bytes of what was written have left.
    pub(super) fn left(&mut self, bytes: usize) {
        for record in &mut self.open {
            record.opening.written = record.opening.written.saturating_sub(bytes);
        }
    }

    fn visible(&self, record: &Open, end: u64) -> CategorySet {
        if end - record.opening.at > self.plan.record_bytes() {
            return self.audience.sees.any;
        }
        match record.around {
            Some(around) => record.whose.visible_inside(None, around, &self.audience),
            None => record.whose.visible(&self.audience),
        }
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.verdicts.capacity() * size_of::<CategorySet>() + self.people.capacity()
    }
}
