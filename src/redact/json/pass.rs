//! One chunk: what stays, what goes, and what is written instead.
//!
//! Bytes that stay are never touched one by one: `run` is where the bytes not yet written begin, and they are written
//! in one piece when something has to go or the chunk ends. What cannot be decided before its value begins (the comma,
//! the key, the colon) is held: it is the only text carried from chunk to chunk.

mod doubt;
mod names;
mod schema;
mod state;
mod texts;

use std::sync::Arc;

use super::relate::{Opening, Place, Records};
use super::visit::{Kind, Site, Start, Visit, Watch};
use crate::policy::set::{CategoryId, CategorySet};
use crate::redact::action::{self, Means, NULL};
use crate::redact::plan::{CATEGORY, FRAME, FREE_TEXT, NOT_PERSONAL, Plan, REMARK, SEVERAL};
pub(super) use state::State;
use texts::{Spot, Suspect};

/// What an open array or object is to the emitter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    visible: CategorySet,
    /// As many arrays and objects are around it; 0 for what is around the root.
    depth: u8,
    /// A member or element was kept, so that the next needs its comma.
    kept: bool,
    /// It stands in a classified value: its unknown members were classified with it.
    known: bool,
    /// It is a record whose end is awaited.
    record: bool,
    /// It is no record, stands in one, and may be somebody else's.
    person: bool,
    /// Its members that got a mask for a name.
    masked: u32,
    /// Where it stands in what is in doubt, if nothing says that its name may leave.
    doubt: Option<u32>,
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Each member is judged for itself.
    Judge,
    /// A hidden array: its scalars are replaced one by one.
    Replace(CategoryId),
    /// The same of an object, unless it turns out to describe the field that it is called after.
    Describe(CategoryId),
    /// Nothing of it leaves, for it is of a category; its end is the end of the silence.
    Silence(Option<CategoryId>),
    /// Nothing of it leaves.
    Silent(Option<CategoryId>),
}

impl Scope {
    /// Around the root.
    pub(super) fn around(visible: CategorySet) -> Self {
        // The root is no member that could be the first to be kept.
        let mode = Mode::Judge;
        Self {
            visible,
            depth: 0,
            kept: true,
            known: false,
            record: false,
            person: false,
            masked: 0,
            doubt: None,
            mode,
        }
    }

    /// Around the root of a document inside a text: nobody needs to classify what is in it once more.
    pub(super) fn around_nested(visible: CategorySet) -> Self {
        Self { known: true, ..Self::around(visible) }
    }

    /// The same record before its first member, with something else visible in it.
    pub(super) fn reopen(&mut self, visible: CategorySet) {
        self.visible = visible;
        self.kept = false;
        self.masked = 0;
    }

    fn is_around_root(self) -> bool {
        self.depth == 0
    }
}

/// What becomes of a scalar at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum End {
    /// It stays.
    Stays,
    /// It went, and what stands for it was written.
    Went,
    /// It went, and what stands for it is written when its text is known.
    Goes(CategoryId, action::Kind),
    /// It leaves without what is found in it when its text is known.
    Scrubbed(action::Kind, Spot),
    /// It went, and is remembered for the free texts behind it.
    Noted(CategoryId),
    /// The same, in a hidden array or object.
    NotedInside(CategoryId),
}

enum Verdict {
    Keep {
        known: bool,
    },
    Hide(CategoryId),
    /// A free text.
    Scrub,
    Drop,
    /// Nothing but null may stand here.
    Void,
}

/// See the module.
pub(super) struct Pass<'a> {
    pub(super) plan: &'a Arc<Plan>,
    pub(super) input: &'a [u8],
    /// Place of the chunk in the document.
    pub(super) base: u64,
    pub(super) out: &'a mut Vec<u8>,
    pub(super) run: usize,
    pub(super) state: &'a mut State,
}

impl Pass<'_> {
    /// Writes the untouched bytes up to `end`.
    #[inline(always)]
    fn flush(&mut self, end: usize) {
        // In front of the first member that stays there is only white space.
        if self.state.doubtful.is_empty() {
            self.out.extend_from_slice(&self.input[self.run..end]);
        }
        self.run = end;
    }

    /// The place in this chunk of what began in it.
    #[inline(always)]
    fn here(&self, start: u64) -> Option<usize> {
        start.checked_sub(self.base).map(|at| at as usize)
    }

    /// The end of the chunk: writes what is decided, carries what is not.
    pub(super) fn carry(&mut self, held: Option<Start>) {
        if self.state.silent {
            return self.carry_described();
        }
        if let Some(suspect) = self.state.suspect {
            return self.carry_text(suspect);
        }
        if self.state.long.is_some() {
            return self.go_on(self.input.len(), false);
        }
        match held {
            None => self.flush(self.input.len()),
            Some(start) => {
                if let Some(at) = self.here(start.at) {
                    self.flush(at);
                }
                self.state.carried.extend_from_slice(&self.input[self.run..]);
            }
        }
    }

    /// A member stays. Its comma does, if something in front of it stayed.
    #[inline(always)]
    fn keep(&mut self, parent: &mut Scope, start: Start) {
        if !parent.kept || start.at < self.base {
            self.keep_first_or_carried(parent, start);
        }
    }

    fn keep_first_or_carried(&mut self, parent: &mut Scope, start: Start) {
        let first = !std::mem::replace(&mut parent.kept, true);
        let comma = first && start.comma;
        match self.here(start.at) {
            Some(at) if comma || !self.state.doubtful.is_empty() => {
                self.flush(at);
                self.run = at + usize::from(comma);
            }
            Some(_) => {}
            None => {}
        }
        self.out.append(&mut self.state.doubtful);
        if start.at < self.base {
            self.out.extend_from_slice(&self.state.carried[usize::from(comma)..]);
            self.state.carried.clear();
        }
    }

    /// A member goes, comma and all.
    fn discard(&mut self, start: Start) {
        match self.here(start.at) {
            Some(at) => self.flush(at),
            None => self.state.carried.clear(),
        }
        self.state.silent = true;
    }

    /// A member stays, and this stands for its value.
    fn substitute(&mut self, at: usize, parent: &mut Scope, start: Start, with: &[u8]) {
        self.keep(parent, start);
        self.flush(at);
        self.out.extend_from_slice(with);
        self.state.silent = true;
    }

    /// A member that nobody may see goes; a whole document becomes `null`.
    fn discard_or_null(&mut self, at: usize, parent: &mut Scope, start: Start) {
        if parent.is_around_root() {
            self.substitute(at, parent, start, NULL);
        } else {
            self.discard(start);
        }
    }

    /// Behind a value that did not leave.
    fn resume(&mut self, end: usize) {
        self.run = end;
        self.state.silent = false;
    }

    /// What happens to a member or element, and where it begins: its name is judged first, if it may be a value. Counts.
    #[inline(always)]
    fn judge_named(
        &mut self,
        at: usize,
        start: Start,
        parent: &mut Scope,
        site: Site,
        scalar: bool,
    ) -> (Verdict, Start) {
        let start = match site.told() {
            true => match self.name_leaves(at, start, parent, site) {
                Some(start) => start,
                None => return (Verdict::Drop, start),
            },
            false => start,
        };
        (self.judge(parent, site, scalar), start)
    }

    /// What happens to a value. Counts.
    #[inline(always)]
    fn judge(&mut self, parent: &Scope, site: Site, scalar: bool) -> Verdict {
        match site.class() {
            0 if self.state.free && scalar => Verdict::Scrub,
            0 if parent.known || !self.state.strict => Verdict::Keep { known: parent.known },
            0 => self.judge_unknown(parent, site, scalar),
            NOT_PERSONAL => Verdict::Keep { known: true },
            FREE_TEXT if scalar => Verdict::Scrub,
            FREE_TEXT => self.judge_unknown(parent, site, scalar),
            FRAME if scalar => Verdict::Void,
            FRAME => Verdict::Keep { known: false },
            REMARK if scalar => Verdict::Scrub,
            REMARK => Verdict::Keep { known: true },
            SEVERAL => self.judge_several(parent, site, scalar),
            code => {
                let category = CategoryId(code - CATEGORY);
                if parent.visible.contains(category) {
                    Verdict::Keep { known: true }
                } else {
                    self.state.tally.redacted(category);
                    Verdict::Hide(category)
                }
            }
        }
    }

    /// Whoever sees it must see it as all that it is taken for.
    #[inline(never)]
    fn judge_several(&mut self, parent: &Scope, site: Site, scalar: bool) -> Verdict {
        let hidden = match site.also().checked_sub(CATEGORY).map(CategoryId) {
            Some(also) => (!parent.visible.contains(also)).then_some(also),
            None => site.own().checked_sub(CATEGORY).map(CategoryId),
        };
        match hidden {
            Some(category) => {
                self.state.tally.redacted(category);
                Verdict::Hide(category)
            }
            None => self.judge(parent, site.with_class(site.own()), scalar),
        }
    }

    fn judge_unknown(&mut self, parent: &Scope, site: Site, scalar: bool) -> Verdict {
        // The root has no name that a rule could have known it by.
        let descends = !scalar && (self.state.report || parent.is_around_root() || site.alive());
        if descends {
            return Verdict::Keep { known: false };
        }
        self.unclassified(parent, site);
        if self.state.deny { Verdict::Drop } else { Verdict::Keep { known: false } }
    }

    /// Counts a member or element that nobody classified, and notes where it stands.
    #[cold]
    fn unclassified(&mut self, parent: &Scope, site: Site) {
        let State { tally, around, .. } = &mut *self.state;
        tally.unclassified_at(|| Some(around.trail(parent.depth, site.step())));
    }

    /// A hidden scalar.
    #[inline(never)]
    fn hide(
        &mut self,
        at: usize,
        start: Start,
        parent: &mut Scope,
        category: CategoryId,
        kind: Kind,
    ) -> Watch {
        let plan = self.plan;
        let remedy = plan.remedy(category);
        let went = match kind {
            Kind::Text | Kind::Number if self.state.seen.is_some() => End::Noted(category),
            _ => End::Went,
        };
        let kind = match kind {
            _ if remedy.removes() => {
                self.discard_or_null(at, parent, start);
                self.state.end = went;
                return if went == End::Went { Watch::End } else { Watch::Value };
            }
            Kind::Null => {
                self.keep(parent, start);
                return Watch::Nothing;
            }
            Kind::Text => action::Kind::Text,
            Kind::Number => action::Kind::Number,
            Kind::Boolean => action::Kind::Boolean,
        };
        let (with, end) = match remedy.constant(kind) {
            Some(json) => (json, went),
            None => (&b""[..], End::Goes(category, kind)),
        };
        self.substitute(at, parent, start, with);
        self.state.end = end;
        if end == End::Went { Watch::End } else { Watch::Value }
    }

    /// A free text leaves without what is found in it.
    fn scrub(&mut self, at: usize, start: Start, parent: &mut Scope, site: Site, kind: Kind) -> Watch {
        let has_seen = self.state.seen.as_ref().is_some_and(|seen| !seen.order.is_empty());
        if !has_seen && self.plan.detected(parent.visible).is_empty() {
            return self.stay(parent, start, kind);
        }
        let kind = match kind {
            Kind::Text => action::Kind::Text,
            Kind::Number => action::Kind::Number,
            Kind::Boolean | Kind::Null => action::Kind::Boolean,
        };
        if kind == action::Kind::Boolean {
            self.keep(parent, start);
            return Watch::Nothing;
        }
        self.substitute(at, parent, start, b"");
        let spot = Spot { state: site.state(), visible: parent.visible };
        self.state.end = End::Scrubbed(kind, spot);
        Watch::Value
    }

    /// A hidden value is remembered for the free texts behind it.
    fn note(&mut self, category: CategoryId, value: Option<&[u8]>) {
        if let (Some(seen), Some(value)) = (&mut self.state.seen, value) {
            seen.note(value, category);
        }
    }

    /// The same of a scalar in a hidden array or object.
    fn note_inside(&mut self, category: Option<CategoryId>, kind: Kind) -> Watch {
        match (category, kind) {
            (Some(category), Kind::Text | Kind::Number) if self.state.seen.is_some() => {
                self.state.end = End::NotedInside(category);
                Watch::Value
            }
            _ => Watch::Nothing,
        }
    }

    /// A hidden array or object: how its inside is walked.
    #[inline(never)]
    fn hide_all(
        &mut self,
        at: usize,
        start: Start,
        parent: &mut Scope,
        category: CategoryId,
        object: bool,
    ) -> Mode {
        let plan = self.plan;
        match plan.remedy(category) {
            remedy if object && !plan.is_declared() => {
                self.describe(at, start, parent, remedy.removes());
                return Mode::Describe(category);
            }
            remedy if remedy.removes() => self.discard_or_null(at, parent, start),
            remedy if remedy.is_one_by_one() && !object => {
                self.keep(parent, start);
                return Mode::Replace(category);
            }
            _ => self.substitute(at, parent, start, NULL),
        }
        Mode::Silence(Some(category))
    }

    /// A scalar says whose the record is: its text is needed, whatever becomes of it.
    fn name(&mut self, site: Site, depth: u8, kind: Kind, watch: Watch) -> Watch {
        let Some(records) = &mut self.state.records else { return watch };
        if !site.subject() && !site.group() && !records.has_people() {
            return watch;
        }
        match kind {
            Kind::Text | Kind::Number => {
                self.state.naming = Some((site, depth.into()));
                if watch == Watch::Look { Watch::LookAndValue } else { Watch::Value }
            }
            Kind::Boolean | Kind::Null => {
                records.named(site, depth.into(), None);
                watch
            }
        }
    }

    /// A record ends. `true` where it has to be walked again.
    fn ends(&mut self, end: usize) -> bool {
        let end = self.base + end as u64;
        self.state.records.as_mut().is_some_and(|records| records.close(end))
    }

    /// An object begins where what is visible depends on whose it is.
    #[inline(never)]
    fn enter(&mut self, at: usize, site: Site, scope: &mut Scope) {
        let Some(records) = &mut self.state.records else { return };
        if site.record() || records.stands_for_record() {
            return self.record(at, site.record(), scope);
        }
        let (depth, visible, shows) = (scope.depth.into(), scope.visible, scope.mode == Mode::Judge);
        let place =
            Place { at: self.base + at as u64, depth, visible, shows, kind: Place::kind(site, depth) };
        if let Some(visible) = records.enter(place) {
            scope.visible = visible;
            scope.person = true;
        }
    }

    /// A record begins, or what is as good as one.
    fn record(&mut self, at: usize, is_record: bool, scope: &mut Scope) {
        let shows = scope.mode == Mode::Judge;
        if shows {
            self.flush(at + 1);
        }
        let (at, written, tally) = (self.base + at as u64, self.out.len(), self.state.tally.clone());
        let doubtful = self.state.doubtful.clone();
        let noted = self.state.seen.as_ref().map_or(0, |seen| seen.order.len());
        let opening = Opening { at, depth: scope.depth.into(), written, doubtful, noted, shows, tally };
        if let Some(records) = &mut self.state.records {
            scope.visible = records.open(opening, is_record);
            scope.record = true;
        }
    }
}

impl Visit for Pass<'_> {
    type Scope = Scope;

    fn name(&mut self, name: &[u8], class: u8) {
        self.state.name.clear();
        self.state.name.extend_from_slice(name);
        self.state.name_class = class;
    }

    #[inline(always)]
    fn scalar(&mut self, at: usize, start: Start, parent: &mut Scope, site: Site, kind: Kind) -> Watch {
        // What most are.
        if site.is_plain() && self.state.is_lax() && parent.mode == Mode::Judge {
            return self.stay(parent, start, kind);
        }
        let watch = match parent.mode {
            Mode::Judge => match self.judge_named(at, start, parent, site, true) {
                (Verdict::Keep { .. }, start) => self.stay(parent, start, kind),
                (Verdict::Hide(category), start) => self.hide(at, start, parent, category, kind),
                (Verdict::Scrub, start) => self.scrub(at, start, parent, site, kind),
                (Verdict::Void, start) => {
                    self.substitute(at, parent, start, NULL);
                    self.state.end = End::Went;
                    Watch::End
                }
                (Verdict::Drop, start) => {
                    self.discard_or_null(at, parent, start);
                    self.state.end = End::Went;
                    Watch::End
                }
            },
            Mode::Replace(category) => self.hide(at, start, parent, category, kind),
            Mode::Describe(category) => self.note_inside(Some(category), kind),
            Mode::Silence(category) | Mode::Silent(category) => self.note_inside(category, kind),
        };
        if site.names() { self.name(site, parent.depth, kind, watch) } else { watch }
    }

    fn suspect(&mut self, at: usize, parent: &Scope, site: Site) {
        let spot = Spot { state: site.state(), visible: parent.visible };
        self.state.suspect = Some(Suspect { at: self.base + at as u64, spot });
    }

    fn scalar_end(&mut self, end: usize, value: Option<&[u8]>) {
        if let Some((site, depth)) = self.state.naming.take()
            && let Some(records) = &mut self.state.records
        {
            records.named(site, depth, value);
        }
        if let Some(suspect) = self.state.suspect.take() {
            return self.text_end(end, suspect);
        }
        self.go_on(end, true);
        match (std::mem::replace(&mut self.state.end, End::Stays), value) {
            (End::Stays, _) => return,
            (End::Went, _) => {}
            (End::Noted(category), value) => self.note(category, value),
            (End::NotedInside(category), value) => return self.note(category, value),
            // Longer than what is kept of a value: nothing can be said about it.
            (_, None) => self.out.extend_from_slice(NULL),
            (End::Scrubbed(kind, spot), Some(value)) => self.write_free(kind, spot, value),
            (End::Goes(category, kind), Some(value)) => {
                self.note(category, Some(value));
                let means = Means { key: &self.state.key, today: self.state.today };
                self.plan.remedy(category).write(means, value, kind, self.out);
            }
        }
        self.resume(end);
    }

    fn too_late(&mut self, class: u8, scope: Scope) {
        let hidden = !scope.visible.contains(CategoryId(class - CATEGORY));
        self.state.failed |= hidden && scope.mode == Mode::Judge;
    }

    #[inline(always)]
    fn open(&mut self, at: usize, start: Start, parent: &mut Scope, site: Site, object: bool) -> Scope {
        let mut known = parent.known;
        let mut doubt = None;
        let mode = match parent.mode {
            Mode::Judge => match self.judge_named(at, start, parent, site, false) {
                (Verdict::Keep { known: false }, start) if self.is_doubtful(parent, site) => {
                    doubt = self.doubt(at, start, parent, site);
                    if doubt.is_some() { Mode::Judge } else { Mode::Silence(None) }
                }
                (Verdict::Keep { known: now }, start) => {
                    self.keep(parent, start);
                    known = now;
                    Mode::Judge
                }
                (Verdict::Hide(category), start) => self.hide_all(at, start, parent, category, object),
                (Verdict::Drop | Verdict::Scrub | Verdict::Void, start) => {
                    self.discard_or_null(at, parent, start);
                    Mode::Silence(None)
                }
            },
            Mode::Replace(category) if object => {
                self.substitute(at, parent, start, NULL);
                Mode::Silence(Some(category))
            }
            Mode::Replace(category) => {
                self.keep(parent, start);
                Mode::Replace(category)
            }
            Mode::Describe(category) => Mode::Silent(Some(category)),
            Mode::Silence(category) | Mode::Silent(category) => Mode::Silent(category),
        };
        if site.names()
            && let Some(records) = &mut self.state.records
        {
            records.named(site, parent.depth.into(), None);
        }
        self.state.around.open(parent.depth, site.step());
        let (visible, depth) = (parent.visible, parent.depth + 1);
        let (kept, record, person) = (false, false, false);
        let mut scope = Scope { visible, depth, kept, known, record, person, masked: 0, doubt, mode };
        if object && self.state.records.is_some() {
            self.enter(at, site, &mut scope);
        }
        scope
    }

    #[inline(always)]
    fn close(&mut self, end: usize, scope: Scope, parent: &mut Scope) -> bool {
        match scope.mode {
            Mode::Silence(_) => self.resume(end),
            Mode::Describe(_) => {
                if let Some(described) = self.state.described.take() {
                    self.described(end, *described, parent);
                }
                self.resume(end);
            }
            _ => {}
        }
        if scope.record && self.ends(end) {
            return true;
        }
        if scope.person
            && let Some(records) = &mut self.state.records
        {
            records.leave(self.base + end as u64);
        }
        if let Some(doubt) = scope.doubt {
            self.settle(end, doubt, scope, parent);
        }
        false
    }
}
