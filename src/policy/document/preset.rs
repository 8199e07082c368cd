//! `src/policy/presets/*.yaml`, the fields of a standard in the language of routes, and how routes name them.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Entries, PresetDocument, Texts, WordOr};

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct PresetFile {
    /// The standard, its versions, and which of its documents. Mandatory.
    pub(crate) title: Option<String>,
    /// As in a route. Mandatory.
    pub(crate) record: Option<Texts>,
    /// As in a route.
    pub(crate) subject: Option<String>,
    /// As in a route.
    pub(crate) group: Option<String>,
    /// As in a route, with the category names of the shipped charter. Mandatory.
    pub(crate) fields: Option<Entries<String>>,
}

/// One preset or several.
#[derive(Debug)]
pub(crate) struct Presets {
    /// `None` stands for an item that was malformed.
    pub(crate) items: Vec<Option<WordOr<PresetDocument>>>,
    /// Whether it was written as a list, which says how its items are located.
    pub(crate) list: bool,
}

impl<'de> Deserialize<'de> for Presets {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Presets;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a preset, `{ name: …, categories: { … } }`, or a list of them")
            }

            fn visit_str<E>(self, name: &str) -> Result<Presets, E> {
                Ok(Presets { items: vec![Some(WordOr::Word(name.to_owned()))], list: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Presets, A::Error> {
                let one = PresetDocument::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Presets { items: vec![Some(WordOr::Mapping(one))], list: false })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Presets, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Presets { items, list: true })
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}
