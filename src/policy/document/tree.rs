//! YAML text → a tree of values, within bounds, with every fault of the notation itself.
//!
//! The tree is read by our own visitor because `serde_yaml::Value` stops at the first duplicate key, and because what
//! YAML makes of an empty place (`retention:`) or of a tag (`!include`) must be refused, not guessed.

use std::{cell::RefCell, fmt};

use serde::de::{
    self, DeserializeSeed, EnumAccess, IgnoredAny, MapAccess, SeqAccess, VariantAccess, Visitor,
};
use serde_yaml::{Mapping, Value};

/// Longest policy file, in bytes.
pub(crate) const FILE_BYTES_MAX: usize = 1 << 20;
/// Most values in one file, aliases followed: what an alias bomb runs into.
const NODES_MAX: usize = 100_000;
/// Deepest nesting; the language itself needs eight.
const DEPTH_MAX: usize = 32;

/// One step from a value to a value inside it.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) enum Step {
    Key(String),
    Index(usize),
}

/// Which part of an entry a message is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Part {
    Key,
    /// The key's second occurrence.
    RepeatedKey,
    Value,
}

/// Something wrong at a place of the tree.
#[derive(Clone, Debug)]
pub(crate) struct Fault {
    pub(crate) steps: Vec<Step>,
    pub(crate) part: Part,
    pub(crate) message: String,
    pub(crate) help: Option<String>,
    /// The field that an unknown one was probably meant to be.
    pub(crate) meant: Option<String>,
}

impl Fault {
    /// The place that is not missing, since it was only misspelt.
    pub(crate) fn meant(&self) -> Option<Vec<Step>> {
        let mut steps = self.steps.clone();
        *steps.last_mut()? = Step::Key(self.meant.clone()?);
        Some(steps)
    }
}

/// A file as a tree, and what was wrong with its notation.
pub(crate) struct Tree {
    pub(crate) value: Value,
    pub(crate) faults: Vec<Fault>,
}

#[derive(Default)]
struct State {
    steps: Vec<Step>,
    faults: Vec<Fault>,
    nodes: usize,
}

impl State {
    fn fault(&mut self, part: Part, message: impl Into<String>, help: Option<&str>) {
        let steps = self.steps.clone();
        self.faults.push(Fault {
            steps,
            part,
            message: message.into(),
            help: help.map(str::to_owned),
            meant: None,
        });
    }
}

/// Reads a text.
pub(super) fn read(text: &str) -> Result<Tree, serde_yaml::Error> {
    let state = RefCell::new(State::default());
    let value = Node { state: &state }.deserialize(serde_yaml::Deserializer::from_str(text))?;
    Ok(Tree { value, faults: state.into_inner().faults })
}

#[derive(Clone, Copy)]
struct Node<'s> {
    state: &'s RefCell<State>,
}

impl<'de> DeserializeSeed<'de> for Node<'_> {
    type Value = Value;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Value, D::Error> {
        {
            let mut state = self.state.borrow_mut();
            state.nodes += 1;
            if state.nodes > NODES_MAX {
                return Err(de::Error::custom(format!("the file has more than {NODES_MAX} values")));
            }
            if state.steps.len() > DEPTH_MAX {
                return Err(de::Error::custom(format!("values are nested more than {DEPTH_MAX} deep")));
            }
        }
        deserializer.deserialize_any(self)
    }
}

impl Node<'_> {
    /// Reads a value one step further in.
    fn inside<'de, A: MapAccess<'de>>(self, step: Step, map: &mut A) -> Result<Value, A::Error> {
        self.state.borrow_mut().steps.push(step);
        let value = map.next_value_seed(self);
        self.state.borrow_mut().steps.pop();
        value
    }

    fn fault_at(self, step: Step, part: Part, message: String, help: &str) {
        let mut state = self.state.borrow_mut();
        state.steps.push(step);
        state.fault(part, message, Some(help));
        state.steps.pop();
    }

    /// Adds the entries of a `<<` that the mapping does not state itself.
    fn merge(self, into: &mut Mapping, merged: Value) {
        match merged {
            Value::Mapping(entries) => {
                for (key, value) in entries {
                    if !into.contains_key(&key) {
                        into.insert(key, value);
                    }
                }
            }
            Value::Sequence(parts) if parts.iter().all(Value::is_mapping) => {
                for part in parts {
                    self.merge(into, part);
                }
            }
            _ => self.fault_at(
                Step::Key("<<".into()),
                Part::Key,
                "`<<` needs a mapping to merge".into(),
                "write `<<: *anchor`, where `&anchor` marks a mapping",
            ),
        }
    }
}

impl<'de> Visitor<'de> for Node<'_> {
    type Value = Value;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a YAML value")
    }

    fn visit_bool<E>(self, value: bool) -> Result<Value, E> {
        Ok(Value::Bool(value))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_f64<E>(self, value: f64) -> Result<Value, E> {
        Ok(Value::Number(value.into()))
    }

    fn visit_i128<E>(self, value: i128) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_u128<E>(self, value: u128) -> Result<Value, E> {
        Ok(Value::String(value.to_string()))
    }

    fn visit_str<E>(self, value: &str) -> Result<Value, E> {
        Ok(Value::String(value.to_owned()))
    }

    fn visit_unit<E: de::Error>(self) -> Result<Value, E> {
        let mut state = self.state.borrow_mut();
        // `otherwise: null` is an action, the only place where YAML's null means something.
        if state.steps.last() == Some(&Step::Key("otherwise".into())) {
            return Ok(Value::String("null".into()));
        }
        if state.steps.is_empty() {
            state.fault(Part::Value, "the file is empty", None);
        } else {
            state.fault(
                Part::Key,
                "nothing is written here",
                Some("write a value, or remove the line if the default is meant"),
            );
        }
        Ok(Value::Null)
    }

    fn visit_none<E: de::Error>(self) -> Result<Value, E> {
        self.visit_unit()
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Value, A::Error> {
        let mut list = Vec::new();
        loop {
            self.state.borrow_mut().steps.push(Step::Index(list.len()));
            let item = items.next_element_seed(self);
            self.state.borrow_mut().steps.pop();
            match item? {
                Some(value) => list.push(value),
                None => return Ok(Value::Sequence(list)),
            }
        }
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Value, A::Error> {
        let mut entries = Mapping::new();
        let mut merged = None;
        while let Some(key) = map.next_key_seed(Key)? {
            let Some(key) = key else {
                map.next_value::<IgnoredAny>()?;
                self.state.borrow_mut().fault(
                    Part::Value,
                    "a key of this mapping is not a text",
                    Some("put keys in quotes where they are not plain words"),
                );
                continue;
            };
            let step = Step::Key(key.clone());
            if key == "<<" && merged.is_none() {
                merged = Some(self.inside(step, &mut map)?);
            } else if key == "<<" || entries.contains_key(key.as_str()) {
                map.next_value::<IgnoredAny>()?;
                self.fault_at(
                    step,
                    Part::RepeatedKey,
                    format!("`{key}` is written twice"),
                    "keep one of the two: the second would silently replace the first",
                );
            } else {
                let value = self.inside(step, &mut map)?;
                entries.insert(Value::String(key), value);
            }
        }
        if let Some(merged) = merged {
            self.merge(&mut entries, merged);
        }
        Ok(Value::Mapping(entries))
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Value, A::Error> {
        let (tag, content) = tagged.variant::<String>()?;
        content.newtype_variant::<IgnoredAny>()?;
        self.state.borrow_mut().fault(
            Part::Value,
            format!("the tag `!{}` means nothing here", tag.trim_start_matches('!')),
            Some("write the value without a tag"),
        );
        Ok(Value::Null)
    }
}

/// A mapping's key as text; `None` for what has no single text.
pub(super) struct Key;

impl<'de> DeserializeSeed<'de> for Key {
    type Value = Option<String>;

    fn deserialize<D: de::Deserializer<'de>>(self, deserializer: D) -> Result<Option<String>, D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Key {
    type Value = Option<String>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("a text")
    }

    fn visit_str<E>(self, value: &str) -> Result<Option<String>, E> {
        Ok(Some(value.to_owned()))
    }

    fn visit_bool<E>(self, value: bool) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_i64<E>(self, value: i64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_u64<E>(self, value: u64) -> Result<Option<String>, E> {
        Ok(Some(value.to_string()))
    }

    fn visit_f64<E>(self, _: f64) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_i128<E>(self, _: i128) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_u128<E>(self, _: u128) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Option<String>, E> {
        Ok(None)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Option<String>, A::Error> {
        while items.next_element::<IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Option<String>, A::Error> {
        while map.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_enum<A: EnumAccess<'de>>(self, tagged: A) -> Result<Option<String>, A::Error> {
        let (IgnoredAny, content) = tagged.variant()?;
        content.newtype_variant::<IgnoredAny>()?;
        Ok(None)
    }
}
