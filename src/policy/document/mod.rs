//! The YAML language: serde types that mirror the three kinds of files, and the reading of a file into them.
//!
//! Only this module knows YAML. Every field is optional *here*, so that one malformed value does not hide the messages
//! about the others; what is mandatory, and every default, is stated by [`super::compile`]. Unknown fields are errors.

mod authentication;
mod charter;
mod client_certificate;
mod gateway;
mod limits;
mod listen;
mod locate;
mod oidc;
mod preset;
mod read;
mod relations;
mod route;
mod tree;
mod upstream;
mod vocabulary;

pub(crate) use authentication::*;
pub(crate) use charter::*;
pub(crate) use client_certificate::{ClientCertificateDocument, ClientCertificatesDocument};
pub(crate) use gateway::*;
pub(crate) use limits::*;
pub(crate) use listen::{
    ListenDocument, ListenerDocument, Listeners, ProxyProtocolDocument, TicketKeysDocument,
};
pub(crate) use locate::locate;
pub(crate) use oidc::*;
pub(crate) use preset::{PresetFile, Presets};
pub(crate) use read::{Contents, open};
pub(crate) use relations::RelationsDocument;
pub(crate) use route::*;
pub(crate) use tree::{FILE_BYTES_MAX, Fault, Part, Step};
pub(crate) use upstream::*;
pub(crate) use vocabulary::{Vocabularies, VocabularyDocument, VocabularyFile};

use std::{fmt, marker::PhantomData, ops::Deref};

use serde::{
    Deserialize, Deserializer,
    de::{self, MapAccess, SeqAccess, Visitor, value::MapAccessDeserializer},
};

/// A mapping: unlike a bare serde struct, never a list of its fields in order.
#[derive(Debug, Default)]
pub(crate) struct Section<T>(T);

impl<T> Deref for Section<T> {
    type Target = T;

    fn deref(&self) -> &T {
        &self.0
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Section<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Sections<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Sections<T> {
            type Value = Section<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping")
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<Section<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(Section)
            }
        }

        deserializer.deserialize_map(Sections(PhantomData))
    }
}

/// A mapping whose keys are names of the author's choice, in the file's order. `None` stands for an entry that was
/// malformed and has its message.
#[derive(Debug)]
pub(crate) struct Entries<T>(pub(crate) Vec<(String, Option<T>)>);

impl<T> Default for Entries<T> {
    fn default() -> Self {
        Self(Vec::new())
    }
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for Entries<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct EntriesOf<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for EntriesOf<T> {
            type Value = Entries<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a mapping of names")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut map: A) -> Result<Entries<T>, A::Error> {
                let mut entries = Vec::new();
                while let Some(entry) = map.next_entry()? {
                    entries.push(entry);
                }
                Ok(Entries(entries))
            }
        }

        deserializer.deserialize_map(EntriesOf(PhantomData))
    }
}

/// One text, or a list of texts.
#[derive(Debug, Default)]
pub(crate) struct Texts {
    /// `None` stands for an item that was malformed.
    pub(crate) items: Vec<Option<String>>,
    /// Whether it was written as a list, which says how its items are located.
    pub(crate) list: bool,
}

impl<'de> Deserialize<'de> for Texts {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct OneOrMore;

        impl<'de> Visitor<'de> for OneOrMore {
            type Value = Texts;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a text or a list of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Texts, E> {
                Ok(Texts { items: vec![Some(text.to_owned())], list: false })
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut seq: A) -> Result<Texts, A::Error> {
                let mut items = Vec::new();
                while let Some(item) = seq.next_element::<Option<String>>()? {
                    items.push(item);
                }
                Ok(Texts { items, list: true })
            }
        }

        deserializer.deserialize_any(OneOrMore)
    }
}

/// A duration or a size: a text, or a bare number whose unit the compiler then asks for.
#[derive(Debug)]
pub(crate) struct Amount(pub(crate) String);

impl<'de> Deserialize<'de> for Amount {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct AmountText;

        impl Visitor<'_> for AmountText {
            type Value = Amount;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a number with its unit, such as `10 s` or `64 KiB`")
            }

            fn visit_str<E>(self, text: &str) -> Result<Amount, E> {
                Ok(Amount(text.to_owned()))
            }

            fn visit_u64<E>(self, number: u64) -> Result<Amount, E> {
                Ok(Amount(number.to_string()))
            }
        }

        deserializer.deserialize_any(AmountText)
    }
}

/// Either a plain word or a mapping.
#[derive(Debug)]
pub(crate) enum WordOr<T> {
    Word(String),
    Mapping(T),
}

impl<'de, T: Deserialize<'de>> Deserialize<'de> for WordOr<T> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Either<T>(PhantomData<T>);

        impl<'de, T: Deserialize<'de>> Visitor<'de> for Either<T> {
            type Value = WordOr<T>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a word or a mapping")
            }

            fn visit_str<E: de::Error>(self, text: &str) -> Result<WordOr<T>, E> {
                Ok(WordOr::Word(text.to_owned()))
            }

            fn visit_map<A: MapAccess<'de>>(self, map: A) -> Result<WordOr<T>, A::Error> {
                T::deserialize(MapAccessDeserializer::new(map)).map(WordOr::Mapping)
            }
        }

        deserializer.deserialize_any(Either(PhantomData))
    }
}

/// A list whose items may have been malformed.
pub(crate) type List<T> = Vec<Option<T>>;
