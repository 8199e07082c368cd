//! `src/policy/vocabularies/*.yaml`, a school vocabulary's roles, and how identity providers name it.

use std::fmt;

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

use super::{Entries, WordOr};

/// A file.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VocabularyFile {
    /// Whose roles, and where they stand. Mandatory.
    pub(crate) title: Option<String>,
    /// Text of a role → recipient of the shipped charter, or `none`. Mandatory.
    pub(crate) roles: Option<Entries<String>>,
}

/// `gateway.identity[].vocabulary` where it is more than a name.
#[derive(Debug, Default, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub(crate) struct VocabularyDocument {
    /// A vocabulary's name. Mandatory.
    pub(crate) name: Option<String>,
    /// The vocabulary's recipient → the charter's, where the charter calls it otherwise. Default: the same names.
    pub(crate) recipients: Option<Entries<String>>,
}

/// One vocabulary or several.
#[derive(Debug)]
pub(crate) struct Vocabularies {
    /// `None` stands for an item that was malformed.
    pub(crate) items: Vec<Option<WordOr<VocabularyDocument>>>,
    /// Whether it was written as a list, which says how its items are located.
    pub(crate) list: bool,
}

impl<'de> Deserialize<'de> for Vocabularies {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Vocabularies;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("the name of a vocabulary, `{ name: …, recipients: { … } }`, or a list of them")
            }

            fn visit_str<E>(self, name: &str) -> Result<Vocabularies, E> {
                Ok(Vocabularies { items: vec![Some(WordOr::Word(name.to_owned()))], list: false })
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Vocabularies, A::Error> {
                let one = VocabularyDocument::deserialize(MapAccessDeserializer::new(map))?;
                Ok(Vocabularies { items: vec![Some(WordOr::Mapping(one))], list: false })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Vocabularies, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element()? {
                    items.push(item);
                }
                Ok(Vocabularies { items, list: true })
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}
