//! Where a reader stands in a document, as the plan sees it: for formats that have names and nesting of their own.
//!
//! Every format is read as if it were JSON: a column is a member of its row, a form field a member of the form, an element
//! a member of the element around it. So one classification, one preset and the charter's names serve them all.

use std::sync::Arc;

use super::keys::{Key, Keys};
use super::plan::{
    ALIVE, CATEGORY, FREE_TEXT, Facts, GROUP, INNER_GROUP, INNER_SUBJECT, Kept, NOT_PERSONAL, Plan, RECORD,
    SUBJECT,
};
use crate::policy::set::{CategoryId, Step, Trail};

/// What the plan says of a value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Field {
    state: u32,
    /// 0 for no rule, [`super::plan::NOT_PERSONAL`], [`FREE_TEXT`], or [`super::plan::CATEGORY`] and a category's number.
    pub(super) class: u8,
    flags: u8,
    /// What may be told of its name, where nobody classified it.
    step: Step,
}

impl Field {
    /// A text without a name, in which anything may stand.
    pub(super) const FREE_TEXT: Self = Self { state: 0, class: FREE_TEXT, flags: 0, step: Step::ELEMENT };

    /// The plan's state at it.
    pub(super) fn state(self) -> u32 {
        self.state
    }

    /// The end of the way to it, where it has a name and nobody classified it.
    pub(super) fn trail(self) -> Option<Trail> {
        (self.step != Step::ELEMENT).then(|| Trail::ending(self.step))
    }

    /// Its category, if it has one.
    pub(super) fn category(self) -> Option<CategoryId> {
        self.class.checked_sub(CATEGORY).filter(|_| !self.is_free_text()).map(CategoryId)
    }

    /// It says whose the record is.
    pub(super) fn is_subject(self) -> bool {
        self.flags & SUBJECT != 0
    }

    /// It says which group the record belongs to.
    pub(super) fn is_group(self) -> bool {
        self.flags & GROUP != 0
    }

    /// It says whose an object around it is that stands in a record.
    pub(super) fn is_inner_subject(self) -> bool {
        self.flags & INNER_SUBJECT != 0
    }

    /// It says to which group such an object belongs.
    pub(super) fn is_inner_group(self) -> bool {
        self.flags & INNER_GROUP != 0
    }

    /// It says whose the record or an object in it is, or to which group that belongs.
    pub(super) fn relates(self) -> bool {
        self.flags & (SUBJECT | GROUP | INNER_SUBJECT | INNER_GROUP) != 0
    }

    /// If it has members, it is one person's record.
    pub(super) fn is_record(self) -> bool {
        self.flags & RECORD != 0
    }

    /// Anything may stand in it, and is looked for.
    pub(super) fn is_free_text(self) -> bool {
        self.class == FREE_TEXT
    }

    /// Its owner declared it not personal.
    pub(super) fn is_not_personal(self) -> bool {
        self.class == NOT_PERSONAL
    }

    /// It is in a category of the charter.
    pub(super) fn is_personal(self) -> bool {
        self.category().is_some()
    }

    /// Somebody classified it, or it says whose the record is.
    pub(super) fn is_known(self) -> bool {
        self.class != 0
    }
}

/// A value found by a name alone.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Named {
    /// What the plan says of it.
    pub(super) field: Field,
    /// Whether it says whose the record is.
    pub(super) relation: Field,
}

impl Named {
    /// It says whose the record is, or which group's.
    pub(super) fn relates(self) -> bool {
        self.relation.is_subject() || self.relation.is_group()
    }
}

/// What stands between the steps of a name, or around it: `user[email]`, `user.email`, `user->email`, `email:string`,
/// `email (optional)`, `'email'`.
const SEPARATORS: [bool; 128] = {
    let mut separators = [false; 128];
    let mut characters = br#"[].:/\<>()#*?@^~'|",;"#.as_slice();
    while let [character, rest @ ..] = characters {
        separators[*character as usize] = true;
        characters = rest;
    }
    separators
};

fn is_separator(byte: u8) -> bool {
    SEPARATORS.get(usize::from(byte)).is_some_and(|&separates| separates)
}

/// Most steps of a name that are followed.
const MAX_STEPS: usize = 32;

/// The open values, from the root to here.
pub(super) struct Place {
    plan: Arc<Plan>,
    keys: Keys,
    kept: Kept,
    open: Vec<u32>,
    /// The last state that [`Place::others`] was asked for, and what it said.
    others: Option<(u32, Others)>,
}

/// What is said of members whose names nobody knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    /// Something.
    Something,
    /// Nothing, if they are no paths.
    Nothing,
    /// Nothing, nor of what stands below them.
    NothingBelow,
}

impl Place {
    /// In front of the root, which [`Place::root`] describes.
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self { plan, keys: Keys::default(), kept: Kept::new(), open: Vec::new(), others: None }
    }

    /// The root value.
    pub(super) fn root(&self) -> Field {
        self.field(self.plan.start(), 0)
    }

    /// The member of this decoded name, of the innermost open value.
    pub(super) fn member(&mut self, name: &[u8]) -> Field {
        let Key { symbol, step, .. } = self.keys.recall(name, &self.plan);
        let state = self.plan.member(self.state(), symbol, &mut self.kept, self.open.len());
        let field = self.field(state, self.plan.charter_class(symbol));
        Field { step: if field.is_known() { Step::UNKNOWN } else { step }, ..field }
    }

    /// The element at this place, of the innermost open value.
    pub(super) fn element(&mut self, index: u32) -> Field {
        let state = self.plan.element(self.state(), index, &mut self.kept, self.open.len());
        self.field(state, 0)
    }

    /// The member of this name where the format has no nesting of its own: a name that nobody knows is read as a path,
    /// as platforms write it (`user.email`, `user[email]`, `users[0][email]`). What stands inside a classified value is
    /// classified with it.
    pub(super) fn resolve(&mut self, name: &str) -> Named {
        let mut field = self.member(name.as_bytes());
        let mut open = 0;
        if !field.is_known() && name.bytes().any(is_separator) {
            let mut class = 0;
            // Of a name without end the last steps: the charter's names count at any depth.
            for step in steps(name).skip(steps(name).count().saturating_sub(MAX_STEPS)) {
                if open > 0 {
                    self.enter(field, true);
                }
                open += 1;
                field = match step.parse() {
                    Ok(index) => self.element(index),
                    Err(_) => self.member(step.as_bytes()),
                };
                class = if field.is_known() { field.class } else { class };
                field.class = class;
            }
        }
        // A text may be a list of one.
        self.enter(field, false);
        let one = self.element(0);
        for _ in 0..open.max(1) {
            self.leave();
        }
        let class = if field.is_known() { field.class } else { one.class };
        let relation = if field.flags & (SUBJECT | GROUP) != 0 { field } else { one };
        Named { field: Field { class, ..field }, relation }
    }

    /// Whether nothing is said here of the names that may stand in a text in which none begins that somebody knows, as far as
    /// that is seen at once.
    pub(super) fn says_nothing(&mut self, text: &str) -> bool {
        let is_path = || text.bytes().any(is_separator);
        // A number may be a place in a list.
        let is_number = |word: &str| !word.is_empty() && word.bytes().all(|byte| byte.is_ascii_digit());
        match self.others() {
            Others::Something => false,
            Others::Nothing => !is_path(),
            Others::NothingBelow => {
                !is_path() || !text.split(|char: char| !char.is_alphanumeric()).any(is_number)
            }
        }
    }

    /// Whether a name that somebody knows may begin in a text.
    pub(super) fn may_name(&self, text: &str) -> bool {
        self.plan.may_begin_name(text)
    }

    fn others(&mut self) -> Others {
        let from = self.state();
        if let Some((state, others)) = self.others
            && state == from
            && self.plan.is_computed(state)
        {
            return others;
        }
        let state = self.plan.member(from, 0, &mut self.kept, self.open.len());
        let other = self.field(state, self.plan.charter_class(0));
        self.enter(other, false);
        let one = self.element(0);
        self.leave();
        let others = if other.is_known() || other.relates() || one.is_known() || one.relates() {
            Others::Something
        } else if other.flags & ALIVE != 0 {
            Others::Nothing
        } else {
            Others::NothingBelow
        };
        self.others = Some((from, others));
        others
    }

    /// Whether a rule or the charter has this name, or one of the steps in it.
    pub(super) fn knows(&self, name: &str) -> bool {
        self.has_symbol(name) || steps(name).any(|step| self.has_symbol(step))
    }

    /// Whether it is nothing but names that a rule or the charter has.
    pub(super) fn knows_all(&self, name: &str) -> bool {
        self.has_symbol(name) || steps(name).all(|step| self.has_symbol(step))
    }

    fn has_symbol(&self, name: &str) -> bool {
        self.plan.symbol(name.as_bytes()) != 0
    }

    /// Goes into a value; `object` where it has members, so that it may be a record.
    pub(super) fn enter(&mut self, field: Field, object: bool) {
        let state = if object && field.is_record() {
            self.plan.enter_record(field.state, &mut self.kept, self.open.len())
        } else {
            field.state
        };
        self.open.push(state);
    }

    /// Leaves the innermost open value.
    pub(super) fn leave(&mut self) {
        self.open.pop();
    }

    fn state(&self) -> u32 {
        self.open.last().copied().unwrap_or_else(|| self.plan.start())
    }

    fn field(&self, state: u32, otherwise: u8) -> Field {
        let Facts { class, flags, .. } = self.plan.facts(state, &self.kept);
        Field { state, class: if class == 0 { otherwise } else { class }, flags, step: Step::ELEMENT }
    }
}

/// The steps of a name that is read as a path.
fn steps(name: &str) -> impl Iterator<Item = &str> {
    name.split(|character: char| u8::try_from(character).is_ok_and(is_separator))
        .map(str::trim)
        .filter(|step| !step.is_empty())
}
