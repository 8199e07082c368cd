//! What one operation asks with: its arguments, with the values of its variables.

use std::collections::HashMap;
use std::sync::Arc;

use super::document::{Arguments, Value, Variable};
use crate::redact::{Denied, way_back::Node};

/// An operation that was selected.
#[derive(Debug)]
pub(in crate::redact) struct Operation {
    pub(in crate::redact) asked: Vec<Asked>,
    pub(super) declared: HashMap<String, Variable>,
    pub(super) given: HashMap<String, Node>,
}

/// The arguments of one field.
#[derive(Debug)]
pub(in crate::redact) struct Asked {
    /// The fields on the way to it, itself at the end.
    pub(in crate::redact) field: Vec<Arc<str>>,
    pub(in crate::redact) arguments: Arguments,
    /// It stands at the root of a mutation: what it says is written.
    pub(in crate::redact) writes: bool,
}

/// An argument's value, and the words in it that are an enumeration's.
#[derive(Debug, Default)]
pub(in crate::redact) struct Said {
    pub(in crate::redact) words: Vec<String>,
    /// Bytes of values that may still be looked at: one variable can be said ten thousand times.
    pub(in crate::redact) budget: usize,
}

impl Operation {
    /// An argument's value, with those of its variables; `None` where it is left out or null.
    ///
    /// # Errors
    /// [`Denied::Graphql`] where there is too much of it.
    pub(in crate::redact) fn value(&self, value: &Value, said: &mut Said) -> Result<Option<Node>, Denied> {
        if let Value::Variable(name) = value {
            let declared = self.declared.get(name);
            if let Some(given) = self.given.get(name) {
                self.copy(given, declared.is_none_or(|declared| declared.is_own_type), said)
            } else {
                match declared.and_then(|declared| declared.default.as_ref()) {
                    // A default holds no variables.
                    Some(default) if !matches!(default, Value::Variable(_)) => self.value(default, said),
                    _ => Ok(None),
                }
            }
        } else {
            said.spend(1)?;
            Ok(Some(match value {
                Value::Null | Value::Variable(_) => return Ok(None),
                Value::Scalar => Node::Scalar,
                Value::Text(text) => {
                    said.spend(text.len())?;
                    Node::Text(text.clone())
                }
                Value::Enum(word) => {
                    said.words.push(word.clone());
                    Node::Text(word.clone())
                }
                Value::List(items) => {
                    let items = items.iter().map(|item| self.inside(item, said));
                    Node::List(items.collect::<Result<_, _>>()?)
                }
                Value::Object(members) => {
                    let members = members.iter().map(|(key, value)| {
                        said.spend(key.len())?;
                        Ok((key.clone(), self.inside(value, said)?))
                    });
                    Node::Object(members.collect::<Result<_, Denied>>()?)
                }
            }))
        }
    }

    fn inside(&self, value: &Value, said: &mut Said) -> Result<Node, Denied> {
        Ok(self.value(value, said)?.unwrap_or(Node::Null))
    }

    /// A variable's value. Of a type of the schema, a text in capital letters may be the word of an enumeration.
    fn copy(&self, node: &Node, is_own_type: bool, said: &mut Said) -> Result<Option<Node>, Denied> {
        said.spend(1)?;
        Ok(Some(match node {
            Node::Null => return Ok(None),
            Node::Scalar => Node::Scalar,
            Node::Text(text) => {
                said.spend(text.len())?;
                if is_own_type && is_word(text) {
                    said.words.push(text.clone());
                }
                Node::Text(text.clone())
            }
            Node::List(items) => {
                let items =
                    items.iter().map(|item| Ok(self.copy(item, is_own_type, said)?.unwrap_or(Node::Null)));
                Node::List(items.collect::<Result<_, Denied>>()?)
            }
            Node::Object(members) => {
                let members = members.iter().map(|(key, value)| {
                    said.spend(key.len())?;
                    Ok((key.clone(), self.copy(value, is_own_type, said)?.unwrap_or(Node::Null)))
                });
                Node::Object(members.collect::<Result<_, Denied>>()?)
            }
        }))
    }

    /// How often a text is the value of something in the variables.
    pub(in crate::redact) fn count(&self, text: &str) -> usize {
        self.given.values().map(|node| count(node, text)).sum()
    }
}

impl Said {
    fn spend(&mut self, bytes: usize) -> Result<(), Denied> {
        self.budget = self.budget.checked_sub(bytes).ok_or(Denied::Graphql)?;
        Ok(())
    }
}

fn count(node: &Node, text: &str) -> usize {
    match node {
        Node::Null | Node::Scalar => 0,
        Node::Text(own) => usize::from(own == text),
        Node::List(items) => items.iter().map(|item| count(item, text)).sum(),
        Node::Object(members) => members.iter().map(|(_, value)| count(value, text)).sum(),
    }
}

/// As the words of enumerations are written: `BIRTH_YEAR_DESC`.
fn is_word(text: &str) -> bool {
    text.bytes().any(|b| b.is_ascii_uppercase())
        && text.bytes().all(|b| b.is_ascii_uppercase() || b.is_ascii_digit() || b == b'_')
}
