//! What stands in the place of a value that may not be seen.

use std::borrow::Cow;

use super::json::unescape;
use crate::policy::set::{Action, Category, Generalisation};
use crate::secret::DomainKey;

/// What a masked text becomes, quotes included.
pub const MASK: &str = "\"***\"";
/// JSON's nothing.
pub(super) const NULL: &[u8] = b"null";
/// Bytes of the tag in a pseudonym (96 bits: no two of a billion values meet by chance).
const TOKEN_BYTES: usize = 12;

/// An [`Action`], ready to be written.
#[derive(Debug)]
pub(super) enum Remedy {
    /// The member or element goes.
    Remove,
    /// The whole value becomes `null`.
    Null,
    /// Each text becomes [`MASK`], each number or boolean `null`.
    Mask,
    /// Each scalar becomes this text.
    Replace {
        /// As a JSON string.
        json: Box<[u8]>,
        /// As it is.
        text: Box<str>,
    },
    /// Each text or number becomes a token; the name of the category is part of it, so that tokens of two categories
    /// cannot be joined.
    Pseudonym(Box<str>),
    /// Each date becomes its year.
    Year,
}

impl Remedy {
    /// For categories that no charter has.
    pub(super) const REMOVE: Self = Self::Remove;

    /// What stands for a value in formats that have texts only; `None` where nothing does.
    pub(super) fn stand_in<'a>(&'a self, key: &DomainKey, value: &'a str) -> Option<Cow<'a, str>> {
        match self {
            Self::Remove | Self::Null => None,
            Self::Mask => Some(Cow::Borrowed(MASK.trim_matches('"'))),
            Self::Replace { text, .. } => Some(Cow::Borrowed(text)),
            Self::Pseudonym(category) => Some(Cow::Owned(token(key, category, value.as_bytes()))),
            Self::Year => year_of_date(value.as_bytes()).and_then(|at| value.get(at)).map(Cow::Borrowed),
        }
    }

    /// What the charter wants for a category.
    pub(super) fn of(category: &Category) -> Self {
        match &category.otherwise {
            Action::Remove => Self::Remove,
            Action::Null => Self::Null,
            Action::Mask => Self::Mask,
            Action::Replace(text) => Self::Replace { json: quote(text), text: text.as_str().into() },
            Action::Pseudonym => Self::Pseudonym(category.name.as_str().into()),
            Action::Generalise(Generalisation::Year) => Self::Year,
        }
    }
}

/// A text as a JSON string.
fn quote(text: &str) -> Box<[u8]> {
    let mut out = Vec::with_capacity(text.len() + 2);
    out.push(b'"');
    for byte in text.bytes() {
        match byte {
            b'"' | b'\\' => out.extend([b'\\', byte]),
            0..0x20 => out.extend(format!("\\u{byte:04x}").bytes()),
            _ => out.push(byte),
        }
    }
    out.push(b'"');
    out.into()
}

/// The token of a value.
fn token(key: &DomainKey, category: &str, value: &[u8]) -> String {
    format!("p_{}", key.hex(&[category.as_bytes(), value], TOKEN_BYTES))
}

/// Writes the token of a value: the same for the same decoded text or the same number.
pub(super) fn pseudonym(key: &DomainKey, category: &str, value: &[u8], out: &mut Vec<u8>) {
    out.push(b'"');
    out.extend(token(key, category, value).bytes());
    out.push(b'"');
}

/// Writes the year of a date: of a text that begins with `YYYY-MM-DD` or `DD/MM/YYYY`, or a number that is a year
/// already. Anything else becomes `null`, for it could be as precise as a birthday.
pub(super) fn year(value: &[u8], text: bool, out: &mut Vec<u8>) {
    let year =
        if text { year_of_date(value).map(|at| &value[at]) } else { plausible(value).then_some(value) };
    match (year, text) {
        (Some(year), true) => {
            out.push(b'"');
            out.extend(year);
            out.push(b'"');
        }
        (Some(year), false) => out.extend(year),
        (None, _) => out.extend(NULL),
    }
}

fn plausible(year: &[u8]) -> bool {
    matches!(year, [b'1', b'9', b'0'..=b'9', b'0'..=b'9'] | [b'2', b'0', b'0'..=b'9', b'0'..=b'9'] | b"2100")
}

/// Where the year of a date stands.
fn year_of_date(text: &[u8]) -> Option<std::ops::Range<usize>> {
    let digits = |range: std::ops::Range<usize>| {
        text.get(range).is_some_and(|part| part.iter().all(u8::is_ascii_digit))
    };
    let number = |at: usize| (text[at] - b'0') * 10 + (text[at + 1] - b'0');
    let valid = |day: u8, month: u8| (1..=31).contains(&day) && (1..=12).contains(&month);
    if text.len() < 10 || text.get(10).is_some_and(u8::is_ascii_digit) {
        return None;
    }
    if digits(0..4) && text[4] == b'-' && digits(5..7) && text[7] == b'-' && digits(8..10) {
        return valid(number(8), number(5)).then_some(0..4);
    }
    if digits(0..2) && text[2] == b'/' && digits(3..5) && text[5] == b'/' && digits(6..10) {
        return valid(number(0), number(3)).then_some(6..10);
    }
    None
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
mod tests {
    use super::*;
    use crate::secret::{Domain, MasterSecret};

    fn year_text(value: &str, text: bool) -> String {
        let mut out = Vec::new();
        year(value.as_bytes(), text, &mut out);
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn dates_become_years_and_nothing_else_passes() {
        for (value, expected) in [
            ("2012-05-17", "\"2012\""),
            ("2012-05-17T10:00:00Z", "\"2012\""),
            ("17/05/2012", "\"2012\""),
            ("17/05/2012 10:00", "\"2012\""),
            ("2012-13-17", "null"),
            ("2012-05-00", "null"),
            ("2012-05-175", "null"),
            ("17/05/20123", "null"),
            ("2012", "null"),
            ("2012-5-17", "null"),
            ("mai 2012", "null"),
            ("", "null"),
            ("٢٠١٢-٠٥-١٧", "null"),
        ] {
            assert_eq!(year_text(value, true), expected, "{value}");
        }
        for (value, expected) in [
            ("2012", "2012"),
            ("1900", "1900"),
            ("2100", "2100"),
            ("1899", "null"),
            ("2101", "null"),
            ("2012.0", "null"),
            ("20120517", "null"),
            ("-2012", "null"),
        ] {
            assert_eq!(year_text(value, false), expected, "{value}");
        }
    }

    #[test]
    fn pseudonyms_are_stable_and_kept_apart_by_category() {
        let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
        let token = |category: &str, value: &str| {
            let mut out = Vec::new();
            pseudonym(&key, category, value.as_bytes(), &mut out);
            String::from_utf8(out).unwrap()
        };
        assert_eq!(token("email", "jean@x.fr"), token("email", "jean@x.fr"));
        assert_ne!(token("email", "jean@x.fr"), token("name", "jean@x.fr"));
        assert_ne!(token("email", "jean@x.fr"), token("email", "jeanne@x.fr"));
        assert!(token("email", "").starts_with("\"p_") && token("email", "").len() == 4 + 2 * TOKEN_BYTES);
    }

    #[test]
    fn replacement_texts_are_quoted() {
        let quoted = quote("a\"b\\c\n\u{1}é");
        assert_eq!(serde_json::from_slice::<String>(&quoted).unwrap(), "a\"b\\c\n\u{1}é");
    }
}
