//! What an answer can hold: for each selection the members, under which their fields stand.

use std::collections::HashMap;

use crate::policy::set::Step;
use crate::redact::json::Part;
use crate::redact::plan::{Plan, Symbol};

/// The answers that one body of requests can have.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Answers {
    pub(super) is_batch: bool,
    /// The selection of each request.
    pub(super) roots: Vec<u32>,
    pub(super) sets: Vec<Set>,
    pub(super) members: Vec<Member>,
}

/// What is selected of one object.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Set {
    /// Members by their key in the answer.
    pub(super) index: HashMap<Box<str>, u32>,
    /// The same, in the order in which servers write them.
    pub(super) order: Vec<u32>,
    pub(super) is_root: bool,
}

/// A member of an answer.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Member {
    pub(super) key: Box<str>,
    /// Its place in its selection.
    pub(super) place: u32,
    /// The fields that it can be: several where fragments on different types give them one key.
    pub(super) names: Vec<Box<str>>,
    /// What is selected of it; `None` of a scalar.
    pub(super) inside: Option<u32>,
}

/// Where in an answer a reader stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) enum Cursor {
    /// Where nothing was selected: names are names.
    Plain,
    /// In front of a list of answers, or in it.
    Batch,
    /// In front of an answer with this selection, or in it; `None` for that of a whole batch, which has no data.
    Answer(Option<u32>),
    /// In a value of this selection.
    Set(u32),
    /// In a value whose member can be several fields: nothing but a scalar can be judged.
    Scalar,
    /// In errors and extensions, which nobody selected.
    Remarks,
    /// In what a schema says of itself.
    Schema,
}

/// A member's names, as a plan knows them.
#[derive(Debug)]
pub(in crate::redact) struct Spelling {
    /// Of its key in the answer.
    pub(in crate::redact) key: Symbol,
    /// Of the fields that it can be.
    pub(in crate::redact) names: Box<[Symbol]>,
    /// What may be told of its field, or of its key where that can be several.
    pub(in crate::redact) step: Step,
    /// What its field, or its key, is beside others.
    pub(in crate::redact) part: Part,
    /// Where its value stands.
    pub(in crate::redact) inside: Cursor,
    /// Its field is one of GraphQL itself.
    pub(in crate::redact) is_schema: bool,
}

impl Answers {
    /// In front of the root.
    pub(in crate::redact) fn start(&self) -> Cursor {
        if self.is_batch { Cursor::Batch } else { self.answer(0) }
    }

    /// In the answer to this request.
    pub(in crate::redact) fn answer(&self, place: usize) -> Cursor {
        self.roots.get(place).map_or(Cursor::Plain, |&root| Cursor::Answer(Some(root)))
    }

    /// The number of the member under this key, which nearly always is the next in order.
    pub(in crate::redact) fn member(&self, set: u32, key: &[u8], next: &mut u32) -> Option<usize> {
        let set = self.sets.get(set as usize)?;
        if let Some(&number) = set.order.get(*next as usize)
            && self.members[number as usize].key.as_bytes() == key
        {
            *next += 1;
            return Some(number as usize);
        }
        let &number = set.index.get(std::str::from_utf8(key).ok()?)?;
        *next = self.members[number as usize].place + 1;
        Some(number as usize)
    }

    /// Every member, as this plan knows it.
    pub(in crate::redact) fn spell(&self, plan: &Plan) -> Vec<Spelling> {
        let mut spelt: Vec<Spelling> = self
            .members
            .iter()
            .map(|member| Spelling {
                key: plan.symbol(member.key.as_bytes()),
                names: member.names.iter().map(|name| plan.symbol(name.as_bytes())).collect(),
                step: match &*member.names {
                    [name] => plan.step(name.as_bytes()),
                    _ => plan.step(member.key.as_bytes()),
                },
                part: member.names.iter().fold(Part::of(&member.key), |part, name| part.or(Part::of(name))),
                inside: match (member.inside, member.names.len()) {
                    (Some(set), _) => Cursor::Set(set),
                    (None, 1) => Cursor::Plain,
                    (None, _) => Cursor::Scalar,
                },
                is_schema: matches!(&*member.names, [name] if &**name == "__typename"),
            })
            .collect();
        // A schema describes itself to those who ask at the root, and there only.
        for &number in self.sets.iter().filter(|set| set.is_root).flat_map(|set| &set.order) {
            let number = number as usize;
            if matches!(&*self.members[number].names, [name] if matches!(&**name, "__schema" | "__type")) {
                spelt[number].is_schema = true;
                spelt[number].inside = Cursor::Schema;
            }
        }
        spelt
    }
}
