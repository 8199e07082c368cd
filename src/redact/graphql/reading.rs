//! From documents to what their answers can hold: fragments are spread, and members of one key become one.

use std::collections::HashMap;
use std::sync::Arc;

use super::{
    Answers, MAX_ALIASES, MAX_FIELDS, MAX_SELECTIONS, Operation, Parameters,
    answers::{Member, Set},
    document::{Definition, Document, Kind, Selection, What},
    operation::Asked,
};
use crate::redact::Denied;

/// The requests of one body, one after the other.
pub(super) struct Reading {
    answers: Answers,
    operations: Vec<Operation>,
    roots: usize,
    fields: usize,
    /// How often a selection asks for a field.
    times: HashMap<(usize, Box<str>), usize>,
}

/// Where selections are read.
#[derive(Clone, Copy)]
struct At<'a> {
    document: &'a Document,
    set: usize,
    depth: usize,
    /// Its fields are those of a mutation.
    writes: bool,
}

impl Reading {
    pub(super) fn new(is_batch: bool, roots: usize) -> Self {
        let answers = Answers { is_batch, ..Answers::default() };
        Self { answers, operations: Vec::new(), roots, fields: 0, times: HashMap::new() }
    }

    pub(super) fn done(self) -> (Vec<Operation>, Answers) {
        (self.operations, self.answers)
    }

    pub(super) fn request(&mut self, request: &Parameters) -> Result<(), Denied> {
        let document = Document::read(request.document()?)?;
        let definition = selected(&document, request.operation.as_deref())?;
        // Their answers come one by one, over a connection of another kind.
        if definition.kind == Kind::Subscription {
            return Err(Denied::Graphql);
        }
        let root = self.set(true);
        self.answers.roots.push(root as u32);
        let mut asked = Vec::new();
        if !definition.arguments.is_empty() {
            let arguments = Arc::clone(&definition.arguments);
            asked.push(Asked { field: Vec::new(), arguments, writes: false });
        }
        let at = At { document: &document, set: root, depth: 0, writes: definition.kind == Kind::Mutation };
        self.select(at, &mut Vec::new(), &definition.selections, &mut asked)?;
        if self.answers.sets[root].order.len() > self.roots {
            return Err(Denied::Graphql);
        }
        self.operations.push(Operation {
            asked,
            declared: definition.variables.clone(),
            given: request.variables.clone(),
        });
        Ok(())
    }

    fn set(&mut self, is_root: bool) -> usize {
        self.answers.sets.push(Set { is_root, ..Set::default() });
        self.answers.sets.len() - 1
    }

    fn select(
        &mut self,
        at: At<'_>,
        path: &mut Vec<Arc<str>>,
        selections: &[Selection],
        asked: &mut Vec<Asked>,
    ) -> Result<(), Denied> {
        // Fragments that spread each other have no end.
        if at.depth > MAX_SELECTIONS {
            return Err(Denied::Graphql);
        }
        let deeper = At { depth: at.depth + 1, ..at };
        for selection in selections {
            self.fields += 1;
            if self.fields > MAX_FIELDS {
                return Err(Denied::Graphql);
            }
            if let What::Field { name, .. } = &selection.what {
                path.push(name.as_str().into());
            }
            if !selection.arguments.is_empty() {
                let (field, arguments) = (path.clone(), Arc::clone(&selection.arguments));
                asked.push(Asked { field, arguments, writes: at.writes });
            }
            match &selection.what {
                What::Field { key, name, inside } => {
                    let set = self.member(at.set, key, name, inside.is_some())?;
                    if let (Some(set), Some(inside)) = (set, inside) {
                        self.select(At { set, writes: false, ..deeper }, path, inside, asked)?;
                    }
                    path.pop();
                }
                What::Inline(inside) => self.select(deeper, path, inside, asked)?,
                What::Spread(name) => {
                    let inside = at.document.fragments.get(name).ok_or(Denied::Graphql)?;
                    self.select(deeper, path, inside, asked)?;
                }
            }
        }
        Ok(())
    }

    /// The field as a member of a selection; the selection inside it.
    fn member(
        &mut self,
        set: usize,
        key: &str,
        name: &str,
        has_inside: bool,
    ) -> Result<Option<usize>, Denied> {
        let known = self.answers.sets[set].index.get(key).copied();
        let Some(number) = known else {
            let inside = has_inside.then(|| self.set(false));
            let number = self.answers.members.len() as u32;
            self.answers.members.push(Member {
                key: key.into(),
                place: self.answers.sets[set].order.len() as u32,
                names: vec![name.into()],
                inside: inside.map(|set| set as u32),
            });
            self.answers.sets[set].index.insert(key.into(), number);
            self.answers.sets[set].order.push(number);
            let times = self.times.entry((set, name.into())).or_default();
            *times += 1;
            return if *times > MAX_ALIASES { Err(Denied::Graphql) } else { Ok(inside) };
        };
        let member = &mut self.answers.members[number as usize];
        if member.inside.is_some() != has_inside {
            return Err(Denied::Graphql);
        }
        if !member.names.iter().any(|known| &**known == name) {
            // Of one key for two fields with members, nobody could tell which record is read.
            if has_inside || member.names.len() >= MAX_SELECTIONS {
                return Err(Denied::Graphql);
            }
            member.names.push(name.into());
        }
        Ok(member.inside.map(|set| set as usize))
    }
}

/// The operation that is meant.
fn selected<'a>(document: &'a Document, name: Option<&str>) -> Result<&'a Definition, Denied> {
    match (name.filter(|name| !name.is_empty()), document.operations.as_slice()) {
        (None, [only]) => Ok(only),
        (None, _) => Err(Denied::Graphql),
        (Some(name), all) => all.iter().find(|one| one.name.as_deref() == Some(name)).ok_or(Denied::Graphql),
    }
}
