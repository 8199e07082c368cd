//! What stands in the place of a value that may not be seen: one file for each family of actions.

mod alias;
mod date;
mod location;
mod mask;
mod pseudonym;
mod score;
mod token;

use std::borrow::Cow;

use jiff::civil::Date;

use super::json::unescape;
use crate::policy::set::{Action, Category, Generalisation, Shape, Shown};
use crate::secret::DomainKey;

pub use mask::MASK;
pub use token::{Restored, TOKEN_MARK, TOKEN_VALUE, TokenError};

/// JSON's nothing.
pub(super) const NULL: &[u8] = b"null";

/// What a hidden value is in its document. Formats that have texts only have nothing but texts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
}

/// What is known when a stand-in is made, beside the value.
#[derive(Clone, Copy)]
pub(super) struct Means<'a> {
    /// Of the domain of API pseudonyms.
    pub(super) key: &'a DomainKey,
    /// Nobody has an age without it.
    pub(super) today: Option<Date>,
}

/// What stands for a value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum StandIn<'a> {
    /// The member, element, cell goes.
    Gone,
    /// Nothing, in its place.
    Null,
    /// A text.
    Text(Cow<'a, str>),
    /// A number, as JSON writes it.
    Number(Cow<'a, str>),
}

impl<'a> StandIn<'a> {
    /// What a generalisation made of a value: the same kind of value, or nothing.
    fn same_kind(kind: Kind, value: Option<Cow<'a, str>>) -> Self {
        match (value, kind) {
            (Some(value), Kind::Number) => Self::Number(value),
            (Some(value), Kind::Text) => Self::Text(value),
            (_, _) => Self::Null,
        }
    }

    fn text(value: Option<Cow<'a, str>>) -> Self {
        value.map_or(Self::Null, Self::Text)
    }

    /// As a text, for formats that have no other values; `None` where nothing stands.
    pub(super) fn into_text(self) -> Option<Cow<'a, str>> {
        match self {
            Self::Gone | Self::Null => None,
            Self::Text(text) | Self::Number(text) => Some(text),
        }
    }
}

/// An [`Action`], ready to be carried out. None of them lets a value pass that it cannot read.
#[derive(Debug)]
pub(super) enum Remedy {
    /// The member or element goes.
    Remove,
    /// The whole value becomes `null`.
    Null,
    /// Each text becomes [`MASK`].
    Mask,
    /// Each text becomes a mask with a little of it.
    MaskPart(Shown),
    /// Each scalar becomes this text.
    Replace {
        /// As a JSON string.
        json: Box<[u8]>,
        /// As it is.
        text: Box<str>,
    },
    /// Each text or number becomes a pseudonym, in its own format or in this one; the name of the category is part of
    /// it, so that pseudonyms of two categories cannot be joined.
    Pseudonym { category: Box<str>, shape: Option<Shape> },
    /// Each text or number becomes coarser.
    Generalise(Generalisation),
    /// Each text or number becomes a token of this category.
    Tokenise(Box<str>),
}

impl Remedy {
    /// For categories that no charter has.
    pub(super) const REMOVE: Self = Self::Remove;

    /// What the charter wants for a category.
    pub(super) fn of(category: &Category) -> Self {
        let name = || category.name.as_str().into();
        match &category.otherwise {
            Action::Remove => Self::Remove,
            Action::Null => Self::Null,
            Action::Mask => Self::Mask,
            Action::MaskPart(shown) => Self::MaskPart(*shown),
            Action::Replace(text) => Self::Replace { json: quote(text), text: text.as_str().into() },
            Action::Pseudonym => Self::Pseudonym { category: name(), shape: None },
            Action::PseudonymAs(shape) => Self::Pseudonym { category: name(), shape: Some(*shape) },
            Action::Generalise(how) => Self::Generalise(how.clone()),
            Action::Tokenise => Self::Tokenise(name()),
        }
    }

    /// What stands for a value.
    pub(super) fn stand_in<'a>(&'a self, means: Means<'_>, value: &'a str, kind: Kind) -> StandIn<'a> {
        match (self, kind) {
            (Self::Remove, _) => StandIn::Gone,
            (Self::Replace { text, .. }, _) => StandIn::Text(Cow::Borrowed(text)),
            (Self::Null, _) | (_, Kind::Boolean) => StandIn::Null,
            (Self::Mask, Kind::Text) => StandIn::Text(Cow::Borrowed(mask::WHOLE)),
            (Self::MaskPart(shown), Kind::Text) => StandIn::Text(mask::part(*shown, value).into()),
            (Self::Mask | Self::MaskPart(_), Kind::Number) => StandIn::Null,
            (Self::Pseudonym { category, shape }, _) => {
                pseudonym::stand_in(means.key, category, *shape, value, kind)
            }
            (Self::Tokenise(category), _) => {
                StandIn::text(token::seal(means.key, category, value, kind).map(Cow::Owned))
            }
            (Self::Generalise(how), _) => generalised(how, means.today, value, kind),
        }
    }

    /// Whether the member or element goes with its value.
    pub(super) fn removes(&self) -> bool {
        matches!(self, Self::Remove)
    }

    /// Whether the same value has another stand-in tomorrow.
    pub(super) fn depends_on_day(&self) -> bool {
        matches!(self, Self::Generalise(Generalisation::AgeBand))
    }

    /// Whether the scalars of a hidden list are replaced one by one.
    pub(super) fn is_one_by_one(&self) -> bool {
        !matches!(self, Self::Remove | Self::Null)
    }

    /// What JSON writes for every value of this kind, where its text does not matter.
    pub(super) fn constant(&self, kind: Kind) -> Option<&[u8]> {
        match (self, kind) {
            (Self::Replace { json, .. }, _) => Some(json),
            (Self::Remove | Self::Null, _) | (_, Kind::Boolean) => Some(NULL),
            (Self::Mask, Kind::Text) => Some(MASK.as_bytes()),
            (Self::Mask | Self::MaskPart(_), Kind::Number) => Some(NULL),
            _ => None,
        }
    }

    /// Writes what stands for a value, as JSON.
    pub(super) fn write(&self, means: Means<'_>, value: &[u8], kind: Kind, out: &mut Vec<u8>) {
        let stand_in = match std::str::from_utf8(value) {
            Ok(value) => self.stand_in(means, value, kind),
            Err(_) => StandIn::Null,
        };
        match stand_in {
            StandIn::Gone | StandIn::Null => out.extend(NULL),
            StandIn::Text(text) => quote_into(&text, out),
            StandIn::Number(number) => out.extend(number.bytes()),
        }
    }

    /// Whether a value that a client sends is one that this action made, and no real one.
    pub(super) fn made(&self, value: &str) -> bool {
        match self {
            Self::MaskPart(shown) => mask::is_part(*shown, value),
            Self::Replace { text, .. } => value == &**text,
            _ => false,
        }
    }
}

/// Whether a value is a whole mask or a pseudonym of this key, whatever its category.
pub(super) fn is_stand_in(key: &DomainKey, value: &str) -> bool {
    value == mask::WHOLE || pseudonym::is_ours(key, value)
}

/// The value of a token of a category, if this text is a token.
///
/// # Errors
/// [`TokenError`] where it looks like one and is not.
pub(super) fn restore(key: &DomainKey, category: &str, text: &str) -> Result<Option<Restored>, TokenError> {
    token::open(key, category, text)
}

fn generalised<'a>(how: &Generalisation, today: Option<Date>, value: &'a str, kind: Kind) -> StandIn<'a> {
    let number = kind == Kind::Number;
    match how {
        Generalisation::Year => StandIn::same_kind(kind, date::year(value, number).map(Cow::Borrowed)),
        Generalisation::Month if number => StandIn::Null,
        Generalisation::Month => StandIn::text(date::month(value).map(Cow::Owned)),
        Generalisation::AgeBand => {
            StandIn::text(today.and_then(|today| date::age_band(value, today)).map(Cow::Borrowed))
        }
        Generalisation::Ip if number => StandIn::Null,
        Generalisation::Ip => StandIn::text(location::network(value).map(Cow::Owned)),
        Generalisation::PostalCode => StandIn::text(location::department(value, number).map(Cow::Owned)),
        Generalisation::Score(bounds) => StandIn::text(score::band(bounds, value).map(Cow::Owned)),
        Generalisation::Coordinate(decimals) => {
            StandIn::same_kind(kind, location::coordinate(value, *decimals))
        }
    }
}

/// A text as a JSON string.
pub(super) fn quote(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len() + 2);
    quote_into(text, &mut out);
    out.into()
}

fn quote_into(text: &str, out: &mut Vec<u8>) {
    let special = |byte: &u8| matches!(byte, b'"' | b'\\' | 0..0x20);
    let mut rest = text.as_bytes();
    out.push(b'"');
    while let Some(at) = rest.iter().position(special) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend([b'\\', byte]),
            byte => out.extend(format!("\\u{byte:04x}").bytes()),
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

/// The decoded text of a raw string that holds escapes; the raw text itself where it holds none.
pub(super) fn decoded<'a>(raw: &'a [u8], escaped: bool, room: &'a mut Vec<u8>) -> &'a [u8] {
    if !escaped {
        return raw;
    }
    room.clear();
    unescape(raw, room);
    room
}

#[cfg(test)]
mod tests;
