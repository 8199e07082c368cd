//! Writes what may leave.
//!
//! Bytes that stay are never touched one by one: `run` is where the bytes not yet written begin, and they are written
//! in one piece when something has to go or the chunk ends. What cannot be decided before its value begins (the comma,
//! the key, the colon) is held: it is the only text carried from chunk to chunk.

use std::collections::VecDeque;
use std::sync::Arc;

use super::RedactError;
use super::walker::{Kind, Site, Visit, Walker, Watch};
use crate::policy::set::{CategoryId, CategorySet};
use crate::redact::action::{self, MASK, NULL, Remedy};
use crate::redact::plan::{CATEGORY, NOT_PERSONAL, Plan};
use crate::redact::{Audience, Tally};
use crate::secret::DomainKey;

/// A record that is somebody's for this audience, and what they therefore see in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Related {
    /// Place of its opening brace.
    pub(super) at: u64,
    /// What is visible inside.
    pub(super) visible: CategorySet,
}

/// What an open array or object is to the emitter.
#[derive(Clone, Copy, Debug)]
pub(super) struct Scope {
    visible: CategorySet,
    /// A member or element was kept, so that the next needs its comma.
    kept: bool,
    /// It stands in a classified value: its unknown members were classified with it.
    known: bool,
    mode: Mode,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Each member is judged for itself.
    Judge,
    /// A hidden array: its scalars are replaced one by one.
    Replace(CategoryId),
    /// Nothing of it leaves; its end is the end of the silence.
    Silence,
    /// Nothing of it leaves.
    Silent,
}

/// The member or element whose value has not begun.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Held {
    Nothing,
    /// From this place of the chunk, with a comma or not.
    Here {
        at: usize,
        comma: bool,
    },
    /// From an earlier chunk.
    Carried {
        comma: bool,
    },
}

/// How a watched scalar is written at its end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Write {
    Nothing,
    Pseudonym(CategoryId),
    Year { text: bool },
}

enum Verdict {
    Keep { known: bool },
    Hide(CategoryId),
    Drop,
}

struct State {
    audience: Arc<Audience>,
    key: Arc<DomainKey>,
    deny: bool,
    report: bool,
    tally: Tally,
    related: VecDeque<Related>,
    carried: Vec<u8>,
    held: Held,
    silent: bool,
    write: Write,
}

/// See the module.
pub(super) struct Emitter {
    plan: Arc<Plan>,
    walker: Walker<Scope>,
    state: State,
}

impl Emitter {
    pub(super) fn new(plan: Arc<Plan>, audience: Arc<Audience>, key: Arc<DomainKey>) -> Self {
        let deny = plan.denies_unknown(&audience.sees);
        let report = plan.reports_unknown();
        Self {
            walker: Walker::new(plan.clone()),
            plan,
            state: State {
                audience,
                key,
                deny,
                report,
                tally: Tally::default(),
                related: VecDeque::new(),
                carried: Vec::new(),
                held: Held::Nothing,
                silent: false,
                write: Write::Nothing,
            },
        }
    }

    pub(super) fn tally(&self) -> &Tally {
        &self.state.tally
    }

    /// Announces a record that is somebody's; in the order of their places, and before its bytes are pushed.
    pub(super) fn relate(&mut self, related: Related) {
        self.state.related.push_back(related);
    }

    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let base = self.walker.position();
        let mut pass = Pass { plan: &self.plan, input, base, out, run: 0, state: &mut self.state };
        self.walker.walk(input, &mut pass)?;
        pass.carry();
        Ok(())
    }

    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let base = self.walker.position();
        let mut pass = Pass { plan: &self.plan, input: &[], base, out, run: 0, state: &mut self.state };
        self.walker.finish(&mut pass)
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.state.carried.capacity() + self.state.related.capacity() * size_of::<Related>()
    }
}

/// One chunk.
struct Pass<'a> {
    plan: &'a Plan,
    input: &'a [u8],
    base: u64,
    out: &'a mut Vec<u8>,
    run: usize,
    state: &'a mut State,
}

impl Pass<'_> {
    /// Writes the untouched bytes up to `end`.
    #[inline(always)]
    fn flush(&mut self, end: usize) {
        self.out.extend_from_slice(&self.input[self.run..end]);
        self.run = end;
    }

    /// The end of the chunk: writes what is decided, carries what is not.
    fn carry(&mut self) {
        let end = self.input.len();
        match self.state.held {
            Held::Nothing if self.state.silent => {}
            Held::Nothing => self.flush(end),
            Held::Here { at, comma } => {
                self.flush(at);
                self.state.carried.extend_from_slice(&self.input[at..]);
                self.state.held = Held::Carried { comma };
            }
            Held::Carried { .. } => self.state.carried.extend_from_slice(self.input),
        }
    }

    /// The held member stays. Its comma does, if something in front of it stayed.
    #[inline(always)]
    fn keep(&mut self, parent: Option<&mut Scope>) {
        let Some(parent) = parent else { return };
        let first = !std::mem::replace(&mut parent.kept, true);
        match self.state.held {
            Held::Here { at, comma: true } if first => {
                self.flush(at);
                self.run = at + 1;
            }
            Held::Here { .. } | Held::Nothing => {}
            Held::Carried { comma } => {
                let from = usize::from(first && comma);
                self.out.extend_from_slice(&self.state.carried[from..]);
                self.state.carried.clear();
            }
        }
        self.state.held = Held::Nothing;
    }

    /// The held member goes, comma and all.
    fn discard(&mut self) {
        match self.state.held {
            Held::Here { at, .. } => self.flush(at),
            Held::Carried { .. } => self.state.carried.clear(),
            Held::Nothing => {}
        }
        self.state.held = Held::Nothing;
        self.state.silent = true;
    }

    /// The member stays, and this stands for its value.
    fn substitute(&mut self, at: usize, parent: Option<&mut Scope>, with: &[u8]) {
        self.keep(parent);
        self.flush(at);
        self.out.extend_from_slice(with);
        self.state.silent = true;
    }

    /// Behind a value that did not leave.
    fn resume(&mut self, end: usize) {
        self.run = end;
        self.state.silent = false;
    }

    /// What happens to a value. Counts.
    #[inline(always)]
    fn judge(&mut self, parent: Option<&Scope>, site: Site, scalar: bool) -> Verdict {
        let visible = parent.map_or(self.state.audience.sees.any, |parent| parent.visible);
        match site.class {
            0 => self.judge_unknown(parent, site, scalar),
            NOT_PERSONAL => Verdict::Keep { known: true },
            code => {
                let category = CategoryId(code - CATEGORY);
                if visible.contains(category) {
                    Verdict::Keep { known: true }
                } else {
                    self.state.tally.redacted(category);
                    Verdict::Hide(category)
                }
            }
        }
    }

    #[inline(always)]
    fn judge_unknown(&mut self, parent: Option<&Scope>, site: Site, scalar: bool) -> Verdict {
        let known = parent.is_some_and(|parent| parent.known);
        if known || !(self.state.deny || self.state.report) {
            return Verdict::Keep { known };
        }
        // The root has no name that a rule could have known it by.
        let descends = !scalar && (self.state.report || parent.is_none() || site.alive());
        if descends {
            return Verdict::Keep { known };
        }
        self.state.tally.unclassified();
        if self.state.deny { Verdict::Drop } else { Verdict::Keep { known } }
    }

    /// A hidden scalar.
    fn hide(&mut self, at: usize, parent: Option<&mut Scope>, category: CategoryId, kind: Kind) -> Watch {
        let plan = self.plan;
        match (plan.remedy(category), kind) {
            (Remedy::Remove, _) if parent.is_some() => self.discard(),
            (_, Kind::Null) => {
                self.keep(parent);
                return Watch::Nothing;
            }
            (Remedy::Mask, Kind::Text) => self.substitute(at, parent, MASK.as_bytes()),
            (Remedy::Replace { json, .. }, _) => self.substitute(at, parent, json),
            (Remedy::Pseudonym(_), Kind::Text | Kind::Number) => {
                self.substitute(at, parent, b"");
                self.state.write = Write::Pseudonym(category);
                return Watch::Value;
            }
            (Remedy::Year, Kind::Text | Kind::Number) => {
                self.substitute(at, parent, b"");
                self.state.write = Write::Year { text: kind == Kind::Text };
                return Watch::Value;
            }
            _ => self.substitute(at, parent, NULL),
        }
        Watch::End
    }

    /// A hidden array or object: how its inside is walked.
    fn hide_all(
        &mut self,
        at: usize,
        parent: Option<&mut Scope>,
        category: CategoryId,
        object: bool,
    ) -> Mode {
        let plan = self.plan;
        match plan.remedy(category) {
            Remedy::Remove if parent.is_some() => self.discard(),
            Remedy::Mask | Remedy::Replace { .. } | Remedy::Pseudonym(_) | Remedy::Year if !object => {
                self.keep(parent);
                return Mode::Replace(category);
            }
            _ => self.substitute(at, parent, NULL),
        }
        Mode::Silence
    }

    /// What is visible in the record that begins here.
    fn visible_at(&mut self, at: usize) -> CategorySet {
        let at = self.base + at as u64;
        while let Some(related) = self.state.related.front() {
            if related.at > at {
                break;
            }
            let related = *related;
            self.state.related.pop_front();
            if related.at == at {
                return related.visible;
            }
        }
        self.state.audience.sees.any
    }
}

impl Visit for Pass<'_> {
    type Scope = Scope;

    #[inline(always)]
    fn separator(&mut self, at: usize, comma: bool) {
        if !self.state.silent {
            self.state.held = Held::Here { at, comma };
        }
    }

    #[inline(always)]
    fn scalar(&mut self, at: usize, parent: Option<&mut Scope>, site: Site, kind: Kind) -> Watch {
        match parent.as_deref().map_or(Mode::Judge, |parent| parent.mode) {
            Mode::Judge => {}
            Mode::Replace(category) => return self.hide(at, parent, category, kind),
            Mode::Silence | Mode::Silent => return Watch::Nothing,
        }
        match self.judge(parent.as_deref(), site, true) {
            Verdict::Keep { .. } => {
                self.keep(parent);
                Watch::Nothing
            }
            Verdict::Hide(category) => self.hide(at, parent, category, kind),
            Verdict::Drop => {
                if parent.is_some() {
                    self.discard()
                } else {
                    self.substitute(at, None, NULL)
                }
                Watch::End
            }
        }
    }

    fn scalar_end(&mut self, end: usize, value: Option<&[u8]>) {
        match (std::mem::replace(&mut self.state.write, Write::Nothing), value) {
            (Write::Nothing, _) => {}
            // Longer than what is kept of a value: nothing can be said about it.
            (_, None) => self.out.extend_from_slice(NULL),
            (Write::Pseudonym(category), Some(value)) => match self.plan.remedy(category) {
                Remedy::Pseudonym(name) => action::pseudonym(&self.state.key, name, value, self.out),
                _ => self.out.extend_from_slice(NULL),
            },
            (Write::Year { text }, Some(value)) => action::year(value, text, self.out),
        }
        self.resume(end);
    }

    #[inline(always)]
    fn open(&mut self, at: usize, parent: Option<&mut Scope>, site: Site, object: bool) -> Scope {
        let (mut visible, inherited, mode) = match parent.as_deref() {
            Some(parent) => (parent.visible, parent.known, parent.mode),
            None => (self.state.audience.sees.any, false, Mode::Judge),
        };
        let scope = |mode| Scope { visible, kept: false, known: inherited, mode };
        match mode {
            Mode::Silence | Mode::Silent => return scope(Mode::Silent),
            Mode::Replace(category) if !object => {
                self.keep(parent);
                return scope(Mode::Replace(category));
            }
            Mode::Replace(_) => {
                self.substitute(at, parent, NULL);
                return scope(Mode::Silence);
            }
            Mode::Judge => {}
        }
        match self.judge(parent.as_deref(), site, false) {
            Verdict::Keep { known } => {
                self.keep(parent);
                if object && site.record() {
                    visible = self.visible_at(at);
                }
                Scope { visible, kept: false, known, mode: Mode::Judge }
            }
            Verdict::Hide(category) => scope(self.hide_all(at, parent, category, object)),
            Verdict::Drop => {
                if parent.is_some() {
                    self.discard()
                } else {
                    self.substitute(at, None, NULL)
                }
                scope(Mode::Silence)
            }
        }
    }

    #[inline(always)]
    fn close(&mut self, end: usize, scope: Scope) {
        if scope.mode == Mode::Silence {
            self.resume(end);
        }
    }
}
