//! The paths of a route as one automaton over names and places.
//!
//! Each path is a line of positions; a state is the set of positions that a place in the document stands at. States
//! that can be met are computed once, when the plan is compiled, up to [`STATES`]. Paths with many
//! `..` can have more states than that: the rest are computed while the document is walked, one for each open array
//! or object, so that no path is ever given up and memory stays bounded.

use std::collections::{BTreeSet, HashMap};

use super::names::{Names, Spelling, Symbol};
use super::people::People;
use super::{ALIVE, CATEGORY, FREE_TEXT, GROUP, INNER_GROUP, INNER_SUBJECT, NOT_PERSONAL, RECORD, SUBJECT};
use crate::policy::set::{Classification, FieldClass, JsonPath, Segment};

/// Table entries computed ahead: 1 MiB.
const MATERIALISED: usize = 1 << 18;
/// States whose transitions are computed ahead.
const STATES: usize = 4096;
/// A transition that was not computed ahead.
const UNKNOWN: u32 = u32::MAX;
/// States from here on are kept by the walker, one for each depth.
const KEPT: u32 = 1 << 30;

/// A set of positions, ascending.
type Set = Box<[u32]>;

/// What a state says about the value that stands there.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::redact) struct Facts {
    /// 0: no rule; [`NOT_PERSONAL`]; otherwise the category's number plus [`CATEGORY`].
    pub(in crate::redact) class: u8,
    /// [`RECORD`], [`SUBJECT`], [`GROUP`], [`ALIVE`], [`INNER_SUBJECT`], [`INNER_GROUP`].
    pub(in crate::redact) flags: u8,
    /// What the names of its members are, if it is an object; as `class`.
    pub(in crate::redact) keys: u8,
    /// The state inside, if the value is an object and so a record.
    inside: u32,
}

/// States that were not computed ahead: one for each depth of the document.
pub(in crate::redact) type Kept = Vec<(Set, Facts)>;

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Step {
    Name { exact: u32, fold: Option<u32> },
    Any,
    Place(u32),
    Descend,
    Done,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Goal {
    Field { rule: usize, class: u8 },
    Keys { rule: usize, class: u8 },
    Record,
    Subject,
    Group,
    InnerSubject,
    InnerGroup,
}

impl Goal {
    /// It tells of one record alone.
    fn relates(self) -> bool {
        matches!(self, Self::Subject | Self::Group | Self::InnerSubject | Self::InnerGroup)
    }
}

/// A class as [`Facts`] say it, and whether the names that lead there fold.
fn code(class: FieldClass) -> (u8, bool) {
    match class {
        FieldClass::NotPersonal => (NOT_PERSONAL, false),
        FieldClass::FreeText => (FREE_TEXT, true),
        FieldClass::Category(category) => (CATEGORY + category.0, true),
    }
}

#[derive(Clone, Copy, Debug)]
struct Position {
    step: Step,
    goal: Goal,
    relative: bool,
}

/// Where a path ends.
#[derive(Clone, Copy, Debug)]
struct End {
    /// The place of a field's rule: the first that matches counts.
    rule: Option<usize>,
    /// The first position that says the same.
    stands_for: u32,
}

/// See the module.
#[derive(Debug, Default)]
pub(super) struct Automaton {
    positions: Vec<Position>,
    /// Positions where a path ends.
    ends: HashMap<u32, End>,
    starts: Vec<u32>,
    record_starts: Vec<u32>,
    symbols: Vec<Spelling>,
    places: Vec<usize>,
    sets: HashMap<Set, u32>,
    ordered: Vec<Set>,
    facts: Vec<Facts>,
    table: Vec<u32>,
    width: usize,
    start: u32,
}

impl Automaton {
    /// Compiles a route's paths. Names of categories and records also match as [`crate::policy::set::fold_field_name`] folds them, so that
    /// a change of case hides nothing; names that exempt a field, or that say whose a record is, match exactly.
    pub(super) fn compile(data: Option<&Classification>, people: &People, names: &mut Names) -> Self {
        let mut all = Self::default();
        if let Some(data) = data {
            for record in &data.records {
                all.add(record, Goal::Record, true, names);
            }
            for (rule, field) in data.fields.iter().enumerate() {
                let (class, folds) = code(field.class);
                all.add(&field.path, Goal::Field { rule, class }, folds, names);
            }
            for (rule, keys) in data.keys.iter().enumerate() {
                let (class, folds) = code(keys.class);
                all.add(&keys.path, Goal::Keys { rule, class }, folds, names);
            }
            for (path, goal) in [
                (&data.subject, Goal::Subject),
                (&data.group, Goal::Group),
                (&people.subject, Goal::InnerSubject),
                (&people.group, Goal::InnerGroup),
            ] {
                if let Some(path) = path {
                    // That somebody else stands inside hides, and opens nothing.
                    all.add(path, goal, goal == Goal::InnerSubject, names);
                }
            }
        }
        all.symbols.clone_from(&names.symbols);
        all.width = all.symbols.len() + all.places.len() + 1;
        all.materialise();
        all
    }

    fn add(&mut self, path: &JsonPath, goal: Goal, folds: bool, names: &mut Names) {
        let first = self.positions.len() as u32;
        let relative = !path.absolute && goal != Goal::Record;
        if relative { &mut self.record_starts } else { &mut self.starts }.push(first);
        for segment in &path.segments {
            let step = match segment {
                Segment::Name(name) => {
                    let (exact, fold) = names.learn(name);
                    Step::Name { exact, fold: folds.then_some(fold) }
                }
                Segment::Any => Step::Any,
                Segment::Index(index) => {
                    Step::Place(match self.places.iter().position(|known| known == index) {
                        Some(place) => place as u32,
                        None => {
                            self.places.push(*index);
                            self.places.len() as u32 - 1
                        }
                    })
                }
                Segment::Descend => Step::Descend,
            };
            self.positions.push(Position { step, goal, relative });
        }
        let end = Position { step: Step::Done, goal, relative };
        let rule = match goal {
            Goal::Field { rule, .. } => Some(rule),
            _ => None,
        };
        let says = |other: &Position| match (goal, other.goal) {
            (Goal::Field { class, .. }, Goal::Field { class: other, .. }) => class == other,
            (goal, other_goal) => goal == other_goal && relative == other.relative,
        };
        let here = self.positions.len() as u32;
        let first = (0..here).find(|&at| self.ends.contains_key(&at) && says(&self.positions[at as usize]));
        self.ends.insert(here, End { rule, stands_for: first.unwrap_or(here) });
        self.positions.push(end);
    }

    /// Computes the states that can be met, nearest to the root first.
    fn materialise(&mut self) {
        let start = self.close(self.starts.clone());
        // State 0 is the empty set: nothing matches here or below.
        self.intern(Box::default());
        self.start = self.intern(start);
        let awaited: Vec<Vec<usize>> = self.positions.iter().map(|position| self.awaited(position)).collect();
        let mut next = 0;
        while next < self.ordered.len().min(STATES) && self.table.len() + self.width <= MATERIALISED {
            let set = self.ordered[next].clone();
            let row = self.table.len();
            // A name that no position waits for leads where an unknown one does: so do nearly all.
            let other = self.step(&set, 0);
            let other = self.intern(other);
            self.table.resize(row + self.width, other);
            let awaited = set.iter().flat_map(|&at| awaited[at as usize].iter().copied());
            for column in awaited.chain(self.symbols.len()..self.width).collect::<BTreeSet<usize>>() {
                let set = self.step(&set, column);
                let state = self.intern(set);
                self.table[row + column] = state;
            }
            if self.facts[next].flags & RECORD != 0 {
                let inside = self.inside(&set);
                self.facts[next].inside = self.intern(inside);
            }
            next += 1;
        }
        self.table.resize(self.facts.len() * self.width, UNKNOWN);
        for facts in &mut self.facts[next..] {
            facts.inside = UNKNOWN;
        }
    }

    /// The columns of the names that a position waits for.
    fn awaited(&self, position: &Position) -> Vec<usize> {
        let Step::Name { exact, fold } = position.step else { return Vec::new() };
        let waits =
            |spelling: &Spelling| spelling.exact == Some(exact) || (fold.is_some() && spelling.fold == fold);
        (0..self.symbols.len()).filter(|&column| waits(&self.symbols[column])).collect()
    }

    fn intern(&mut self, set: Set) -> u32 {
        if let Some(&state) = self.sets.get(&set) {
            return state;
        }
        let state = self.facts.len() as u32;
        self.facts.push(self.judge(&set));
        self.ordered.push(set.clone());
        self.sets.insert(set, state);
        state
    }

    /// What a set of positions says.
    fn judge(&self, set: &[u32]) -> Facts {
        let mut facts = Facts { inside: UNKNOWN, ..Facts::default() };
        let (mut first, mut first_keys) = (usize::MAX, usize::MAX);
        for position in set.iter().map(|&at| self.positions[at as usize]) {
            match (position.step, position.goal) {
                (Step::Done, Goal::Field { rule, class }) if rule < first => {
                    (first, facts.class) = (rule, class)
                }
                (Step::Done, Goal::Field { .. }) => {}
                (Step::Done, Goal::Keys { rule, class }) if rule < first_keys => {
                    (first_keys, facts.keys) = (rule, class)
                }
                (_, Goal::Keys { .. }) => {}
                (Step::Done, Goal::Record) => {
                    facts.flags |= RECORD;
                    if self
                        .record_starts
                        .iter()
                        .any(|&at| matches!(self.positions[at as usize].goal, Goal::Field { .. }))
                    {
                        facts.flags |= ALIVE;
                    }
                }
                (Step::Done, Goal::Subject) => facts.flags |= SUBJECT,
                (Step::Done, Goal::Group) => facts.flags |= GROUP,
                (Step::Done, Goal::InnerSubject) => facts.flags |= INNER_SUBJECT,
                (Step::Done, Goal::InnerGroup) => facts.flags |= INNER_GROUP,
                (_, Goal::Field { .. } | Goal::Record) => facts.flags |= ALIVE,
                (_, Goal::Subject | Goal::Group | Goal::InnerSubject | Goal::InnerGroup) => {}
            }
        }
        facts
    }

    /// Adds what `..` reaches without a step; sorts. Of positions that end here only one stays for each thing that they
    /// say, so that hundreds of names of one category make one state.
    fn close(&self, mut set: Vec<u32>) -> Set {
        let mut next = 0;
        while let Some(&at) = set.get(next) {
            if self.positions[at as usize].step == Step::Descend {
                set.push(at + 1);
            }
            next += 1;
        }
        let ended = |at: u32| self.ends.get(&at).copied();
        let field = set
            .iter()
            .filter_map(|&at| ended(at).filter(|end| end.rule.is_some()))
            .min_by_key(|end| end.rule);
        set.retain_mut(|at| match ended(*at) {
            None => true,
            Some(end) if end.rule.is_none() => {
                *at = end.stands_for;
                true
            }
            Some(_) => false,
        });
        set.extend(field.map(|end| end.stands_for));
        set.sort_unstable();
        set.dedup();
        set.into()
    }

    /// The positions behind a member (columns of symbols) or an element (columns behind them).
    fn step(&self, set: &[u32], column: usize) -> Set {
        let mut next = Vec::new();
        for &at in set {
            let taken = match (self.positions[at as usize].step, self.symbols.get(column)) {
                (Step::Descend, _) => {
                    next.push(at);
                    false
                }
                (Step::Any, _) => true,
                (Step::Name { exact, fold }, Some(spelling)) => {
                    spelling.exact == Some(exact) || (fold.is_some() && spelling.fold == fold)
                }
                (Step::Place(place), None) => column == self.symbols.len() + 1 + place as usize,
                _ => false,
            };
            if taken {
                next.push(at + 1);
            }
        }
        self.close(next)
    }

    /// The positions inside a record: its own paths begin, and paths to the subject of a record around it end, for a
    /// record says for itself whose it is.
    fn inside(&self, set: &[u32]) -> Set {
        let mut next: Vec<u32> = set
            .iter()
            .copied()
            .filter(|&at| {
                let position = self.positions[at as usize];
                !(position.relative && position.goal.relates())
            })
            .collect();
        next.extend(&self.record_starts);
        self.close(next)
    }

    /// The state at the root.
    pub(super) fn start(&self) -> u32 {
        self.start
    }

    /// Whether a path names the member behind which this state is: a name that nobody knows would lead elsewhere. What was
    /// not computed ahead counts as not named.
    #[inline(always)]
    pub(super) fn is_named(&self, from: u32, state: u32) -> bool {
        from < KEPT && state < KEPT && self.table[from as usize * self.width] != state
    }

    /// Whether a state was computed ahead, and so means the same in every document.
    pub(super) fn is_computed(&self, state: u32) -> bool {
        state < KEPT
    }

    /// The state of a member's value.
    #[inline(always)]
    pub(super) fn member(&self, from: u32, symbol: Symbol, kept: &mut Kept, depth: usize) -> u32 {
        self.follow(from, symbol as usize, kept, depth)
    }

    /// The state of an element.
    #[inline(always)]
    pub(super) fn element(&self, from: u32, index: u32, kept: &mut Kept, depth: usize) -> u32 {
        let mut column = self.symbols.len();
        if !self.places.is_empty() {
            column +=
                self.places.iter().position(|&place| place == index as usize).map_or(0, |place| place + 1);
        }
        self.follow(from, column, kept, depth)
    }

    /// Elements from here on take the same step.
    pub(super) fn distinct_elements(&self) -> usize {
        self.places.iter().max().map_or(0, |last| last + 1)
    }

    /// `depth` is that of the array or object; what is kept for it stays as long as it is open.
    #[inline(always)]
    fn follow(&self, from: u32, column: usize, kept: &mut Kept, depth: usize) -> u32 {
        if from < KEPT {
            let state = self.table[from as usize * self.width + column];
            if state != UNKNOWN {
                return state;
            }
        }
        self.follow_uncomputed(from, column, kept, depth)
    }

    #[cold]
    fn follow_uncomputed(&self, from: u32, column: usize, kept: &mut Kept, depth: usize) -> u32 {
        let set = self.step(self.set(from, kept), column);
        self.keep(set, kept, depth)
    }

    /// The state inside a record.
    #[inline(always)]
    pub(super) fn enter(&self, state: u32, kept: &mut Kept, depth: usize) -> u32 {
        match self.facts.get(state as usize) {
            Some(facts) if facts.inside != UNKNOWN => facts.inside,
            _ => {
                let set = self.inside(self.set(state, kept));
                self.keep(set, kept, depth)
            }
        }
    }

    fn keep(&self, set: Set, kept: &mut Kept, depth: usize) -> u32 {
        if let Some(&state) = self.sets.get(&set) {
            return state;
        }
        if kept.len() <= depth {
            kept.resize_with(depth + 1, Default::default);
        }
        let facts = self.judge(&set);
        kept[depth] = (set, facts);
        KEPT + depth as u32
    }

    fn set<'a>(&'a self, state: u32, kept: &'a Kept) -> &'a [u32] {
        match state.checked_sub(KEPT) {
            Some(depth) => &kept[depth as usize].0,
            None => &self.ordered[state as usize],
        }
    }

    /// What a state says.
    #[inline(always)]
    pub(super) fn facts(&self, state: u32, kept: &Kept) -> Facts {
        match self.facts.get(state as usize) {
            Some(facts) => *facts,
            None => kept.get((state - KEPT) as usize).map_or_else(Facts::default, |(_, facts)| *facts),
        }
    }
}
