//! Answers to GraphQL: a key is what the client chose to call a field. What counts is the field; the key counts beside it,
//! so that nobody shows under a personal name what is not, and never in the field's place.

use std::sync::Arc;

use super::RedactError;
use super::pairs::Part;
use super::visit::{Site, Visit};
use super::walker::{NEVER, Walker};
use crate::policy::set::Step;
use crate::redact::Answers;
use crate::redact::graphql::{Cursor, Spelling};
use crate::redact::plan::{
    CATEGORY, FRAME, FREE_TEXT, INNER_SUBJECT, NAMED, NOT_PERSONAL, Plan, REMARK, SEVERAL, Symbol, TOLD,
};

/// Members of an answer that is delivered in parts: behind them stand fields of which only the server knows the place.
const PARTS: [&[u8]; 5] = [b"hasNext", b"incremental", b"pending", b"completed", b"items"];

/// What was selected, and where the value at hand stands in it.
pub(super) struct Selected {
    answers: Arc<Answers>,
    spelt: Vec<Spelling>,
    /// Where the value of the last key stands.
    into: Cursor,
}

impl Selected {
    pub(super) fn new(answers: Arc<Answers>, plan: &Plan) -> Self {
        let spelt = answers.spell(plan);
        Self { answers, spelt, into: Cursor::Plain }
    }

    pub(super) fn start(&self) -> Cursor {
        self.answers.start()
    }
}

/// Class of the elements of an array here, where nobody classified them.
pub(super) fn otherwise(cursor: Cursor) -> u8 {
    match cursor {
        Cursor::Remarks => REMARK,
        Cursor::Schema => NOT_PERSONAL,
        Cursor::Batch => FRAME,
        Cursor::Plain | Cursor::Answer(_) | Cursor::Set(_) | Cursor::Scalar => 0,
    }
}

impl<S: Copy> Walker<S> {
    /// An array or object begins where members were selected: where its own stand.
    #[inline(never)]
    pub(super) fn enter(&mut self, object: bool) -> Result<Cursor, RedactError> {
        let Some(selected) = &self.selected else { return Err(RedactError::Unasked) };
        let cursor = match (self.top.closes, self.top.cursor) {
            (NEVER, Cursor::Batch) if !object => {
                self.site = self.site.with_class(FRAME);
                Ok(Cursor::Batch)
            }
            // The batch as a whole was refused.
            (NEVER, Cursor::Batch) => {
                self.site = self.site.with_class(FRAME);
                Ok(Cursor::Answer(None))
            }
            (NEVER, cursor @ Cursor::Answer(_)) if object => {
                self.site = self.site.with_class(FRAME);
                Ok(cursor)
            }
            (b']', Cursor::Batch) if object => {
                // Each answer is a document of its own.
                let place = self.top.index as usize;
                let cursor = selected.answers.answer(place.wrapping_sub(1));
                self.site = self.site(self.plan.start(), FRAME);
                if cursor == Cursor::Plain { Err(RedactError::Unasked) } else { Ok(cursor) }
            }
            (b']', cursor @ (Cursor::Set(_) | Cursor::Remarks | Cursor::Schema)) => Ok(cursor),
            (b'}', _) if selected.into != Cursor::Scalar => Ok(selected.into),
            _ => Err(RedactError::Unasked),
        };
        // By who asked for it: its name tells nothing of what is inside.
        self.site = self.site.with_flags(NAMED);
        cursor
    }

    /// A key where members were selected: what its value is, and where that stands.
    #[inline(never)]
    pub(super) fn select<V: Visit<Scope = S>>(
        &mut self,
        key: &[u8],
        visit: &mut V,
    ) -> Result<(), RedactError> {
        let into = match self.top.cursor {
            Cursor::Answer(root) if key == b"data" => {
                let state = self.step(self.plan.symbol(key));
                self.site = self.site(state, FRAME).with_step(self.plan.step(key));
                // Nobody selected anything of what was refused: it is null.
                root.map_or(Cursor::Scalar, Cursor::Set)
            }
            Cursor::Answer(_) if PARTS.contains(&key) => return Err(RedactError::Unasked),
            Cursor::Answer(_) | Cursor::Remarks => {
                let symbol = self.plan.symbol(key);
                let state = self.step(symbol);
                let charter = self.plan.charter_class(symbol);
                let site = self.site(state, if charter == 0 { REMARK } else { charter });
                self.site = site.with_step(self.plan.step(key));
                self.tell_unasked(key, symbol, visit);
                Cursor::Remarks
            }
            Cursor::Schema => {
                self.site = Site::default().with_class(NOT_PERSONAL).with_step(Step::UNKNOWN);
                self.tell_unasked(key, 0, visit);
                Cursor::Schema
            }
            Cursor::Set(set) => self.member(set, key)?,
            Cursor::Plain | Cursor::Batch | Cursor::Scalar => return Err(RedactError::Unasked),
        };
        if let Some(selected) = &mut self.selected {
            selected.into = into;
        }
        Ok(())
    }

    /// A name that nobody selected may be a value. One that was selected is what the client wrote.
    fn tell_unasked<V: Visit<Scope = S>>(&mut self, key: &[u8], symbol: Symbol, visit: &mut V) {
        if self.tell(key, symbol, visit) {
            self.site = self.site.with_flags(TOLD);
        }
    }

    fn step(&mut self, symbol: u32) -> u32 {
        self.plan.member(self.top.state, symbol, &mut self.kept, self.stack.len())
    }

    /// A member of a selection.
    fn member(&mut self, set: u32, key: &[u8]) -> Result<Cursor, RedactError> {
        let Some(selected) = self.selected.take() else { return Err(RedactError::Unasked) };
        let number = selected.answers.member(set, key, &mut self.top.index);
        if let Some(spelling) = number.and_then(|number| selected.spelt.get(number)) {
            self.site = self.site_of(spelling).with_step(spelling.step).with_part(spelling.part);
        }
        let into = number.and_then(|number| selected.spelt.get(number)).map(|spelling| spelling.inside);
        self.selected = Some(selected);
        // A server writes what was asked for; another reading of the request is none that was judged.
        into.ok_or(RedactError::Unasked)
    }

    /// What a member is beside others, where its key is none of the field's.
    pub(super) fn selected_part(&self, cursor: Cursor, key: &[u8], next: &mut u32) -> Part {
        match (&self.selected, cursor) {
            (Some(selected), Cursor::Set(set)) => {
                let number = selected.answers.member(set, key, next);
                number.and_then(|number| selected.spelt.get(number)).map_or(Part::NEITHER, |one| one.part)
            }
            _ => Part::NEITHER,
        }
    }

    fn site_of(&mut self, spelling: &Spelling) -> Site {
        let mut classes = Classes::default();
        // A key that no policy knows says nothing; a rule for any name speaks of the field.
        if spelling.key != 0 && !matches!(&*spelling.names, [name] if *name == spelling.key) {
            let class = self.site_named(spelling.key).class();
            if (CATEGORY..SEVERAL).contains(&class) {
                classes.add(class);
            }
        }
        // Last, for the state of a name without a table entry is kept until the next is looked up.
        let mut site = Site::default();
        for &name in &spelling.names {
            site = self.site_named(name);
            if spelling.is_schema && site.class() == 0 {
                site = site.with_class(NOT_PERSONAL);
            }
            classes.add(site.class());
        }
        if spelling.names.len() > 1 {
            // Only what each of them says would be said of all; that it may be somebody else's hides.
            let flags = spelling.names.iter().fold(0, |flags, &name| flags | self.site_named(name).flags());
            site = Site::default().with_flags(flags & INNER_SUBJECT);
        }
        classes.describe(site)
    }

    fn site_named(&mut self, symbol: u32) -> Site {
        let state = self.step(symbol);
        self.site(state, self.plan.charter_class(symbol))
    }
}

/// The classes of one value.
#[derive(Default)]
struct Classes {
    unknown: bool,
    free_text: bool,
    categories: [u8; 2],
    more: bool,
}

impl Classes {
    fn add(&mut self, class: u8) {
        match class {
            0 => self.unknown = true,
            FREE_TEXT => self.free_text = true,
            NOT_PERSONAL => {}
            category if self.categories.contains(&category) => {}
            category => match self.categories.iter_mut().find(|place| **place == 0) {
                Some(place) => *place = category,
                None => self.more = true,
            },
        }
    }

    /// The strictest word: what is hidden as one of them is hidden.
    fn describe(&self, site: Site) -> Site {
        let base = match (self.unknown, self.free_text) {
            (true, _) => 0,
            (false, true) => FREE_TEXT,
            (false, false) => NOT_PERSONAL,
        };
        let (class, own, also) = match (self.categories, base) {
            ([0, _], _) => (base, 0, 0),
            ([one, 0], NOT_PERSONAL) => (one, 0, 0),
            ([one, 0], _) => (SEVERAL, base, one),
            ([one, two], NOT_PERSONAL) if !self.more => (SEVERAL, one, two),
            ([one, _], _) => (SEVERAL, one, 0),
        };
        site.with_class(class).with_several(own, also)
    }
}
