//! People inside of people: objects in a record that name a subject of their own.
//!
//! Whose such an object is may stand at its end, as in a record. So it is written first as what is visible around it, or
//! as nobody's where the last one like it was somebody else's. The record's end shows whether that was right, and the
//! record is walked again where it was not.

use std::collections::HashMap;

use super::Site;
use crate::policy::set::CategorySet;
use crate::redact::Audience;
use crate::redact::whose::{Inside, Whose, settle};

/// Kinds of objects with a guess of their own.
const KINDS: usize = 64;

/// Where an object begins that is no record.
#[derive(Clone, Copy, Debug)]
pub(in crate::redact::json) struct Place {
    /// Place of the brace in the document.
    pub(in crate::redact::json) at: u64,
    /// Arrays and objects around it.
    pub(in crate::redact::json) depth: usize,
    /// What is visible around it.
    pub(in crate::redact::json) visible: CategorySet,
    /// Whether what is visible in it shows: not where it is hidden as a whole.
    pub(in crate::redact::json) shows: bool,
    /// Objects at one place of the records are of one kind, mostly.
    pub(in crate::redact::json) kind: usize,
}

impl Place {
    /// A number for objects that stand alike.
    pub(in crate::redact::json) fn kind(site: Site, depth: usize) -> usize {
        (site.state() as usize)
            .wrapping_mul(31)
            .wrapping_add(usize::from(site.step().bits()).wrapping_mul(7))
            .wrapping_add(depth)
            % KINDS
    }
}

/// An object that ended, in a record that did not: it names somebody, or was taken to.
#[derive(Debug)]
pub(super) struct Person {
    place: Place,
    end: u64,
    whose: Whose,
    /// As what it was written.
    written: CategorySet,
}

impl Inside for Person {
    fn extent(&self) -> (u64, u64) {
        (self.place.at, self.end)
    }

    fn whose(&self) -> &Whose {
        &self.whose
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct People {
    /// Open objects in undecided records.
    open: Vec<Person>,
    /// What is visible in those of the outermost undecided record, by place, where it is not what is visible around them.
    known: HashMap<u64, CategorySet>,
    /// What begins in front of this place was walked before.
    walked: u64,
    /// By kind: the last one was somebody else's.
    expected: [bool; KINDS],
}

impl Default for People {
    fn default() -> Self {
        Self { open: Vec::new(), known: HashMap::new(), walked: 0, expected: [false; KINDS] }
    }
}

impl People {
    /// An object begins: what is visible in it, as far as is known.
    pub(super) fn enter(&mut self, place: Place, any: CategorySet) -> CategorySet {
        let written = if place.at < self.walked {
            self.known.get(&place.at).copied().unwrap_or(place.visible)
        } else if self.expected[place.kind] {
            any
        } else {
            place.visible
        };
        self.open.push(Person { place, end: 0, whose: Whose::default(), written });
        written
    }

    pub(super) fn is_any_open(&self) -> bool {
        !self.open.is_empty()
    }

    /// The innermost ended: what is to be settled of it.
    pub(super) fn leave(&mut self, end: u64) -> Option<Person> {
        let person = self.open.pop()?;
        let is_one = person.whose.is_named() || person.written != person.place.visible;
        is_one.then_some(Person { end, ..person })
    }

    /// The open object inside of so many.
    pub(super) fn at(&mut self, depth: usize) -> Option<&mut Whose> {
        self.open.iter_mut().rfind(|person| person.place.depth == depth).map(|person| &mut person.whose)
    }

    /// A record ended, in which this is visible: whether one of those in it was written as something else than it is.
    pub(super) fn settle(
        &mut self,
        mut people: Vec<Person>,
        whose: &Whose,
        visible: CategorySet,
        audience: &Audience,
    ) -> bool {
        let (mut wrong, any) = (false, audience.sees.any);
        settle(&mut people, whose, visible, audience, |person, outside, inside| {
            wrong |= person.place.shows && person.written != inside;
            if outside != any {
                self.expected[person.place.kind] = inside != outside;
            }
            if inside != outside {
                self.known.insert(person.place.at, inside);
            }
        });
        wrong
    }

    /// A record inside of so many is walked again, as far as `end`.
    pub(super) fn again(&mut self, depth: usize, end: u64) {
        self.open.retain(|person| person.place.depth < depth);
        self.walked = end;
    }

    /// The outermost undecided record is decided.
    pub(super) fn forget(&mut self) {
        self.known.clear();
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.open.capacity() * size_of::<Person>() + self.known.capacity() * size_of::<(u64, CategorySet)>()
    }
}
