//! A name and its value in two members, or in two parameters: `{"key": "email", "value": …}`,
//! `criteria[0][key]=email&criteria[0][value]=…`.

use std::collections::HashMap;

use super::{RequestPlan, document::Node, names::words};
use crate::{
    policy::set::{CategoryId, CategorySet, FieldClass},
    redact::json::{Part, names_in},
};

/// What the fields of a form, or the parameters of a query, name: by what stands in front of their own names.
pub(super) struct Beside(HashMap<String, CategorySet>);

impl Beside {
    /// What is named beside this one, if it may be the value of that.
    pub(super) fn named(&self, name: &str) -> impl Iterator<Item = CategoryId> {
        let found = if self.0.is_empty() { None } else { self.find(name) };
        each(found.unwrap_or_default())
    }

    fn find(&self, name: &str) -> Option<CategorySet> {
        let parts = words(name);
        let at = parts.iter().position(|part| Part::of(part).is_value())?;
        self.0.get(&parts[..at].join(".")).copied()
    }
}

/// The categories of a set.
pub(super) fn each(categories: CategorySet) -> impl Iterator<Item = CategoryId> {
    (0..64).map(CategoryId).filter(move |&category| categories.contains(category))
}

impl RequestPlan {
    /// What names and texts name.
    pub(super) fn beside<'f>(&self, fields: impl Iterator<Item = (&'f str, &'f str)>) -> Beside {
        let mut beside: HashMap<String, CategorySet> = HashMap::new();
        for (name, text) in fields {
            let parts = words(name);
            let Some((last, around)) = parts.split_last() else { continue };
            if Part::of(last).is_name() {
                let named = self.named_by(around, text);
                if named != CategorySet::default() {
                    let known = beside.entry(around.join(".")).or_default();
                    *known = known.union(named);
                }
            }
        }
        Beside(beside)
    }

    /// What the members of an object name.
    pub(super) fn members_name(&self, path: &[&str], members: &[(String, Node)]) -> CategorySet {
        if !members.iter().any(|(key, _)| Part::of(key).is_value()) {
            return CategorySet::default();
        }
        members.iter().fold(CategorySet::default(), |named, (key, node)| match node {
            Node::Text(text) if Part::of(key).is_name() => named.union(self.named_by(path, text)),
            _ => named,
        })
    }

    fn named_by(&self, around: &[&str], text: &str) -> CategorySet {
        let mut named = CategorySet::default();
        for name in names_in(text.trim()) {
            let path: Vec<&str> = around.iter().copied().chain([name]).collect();
            if let Some(FieldClass::Category(category)) = self.names.field(&path) {
                named.insert(category);
            }
        }
        named
    }
}
