//! What the first bytes of a body show, where its type says nothing or lies.
//!
//! Where a format of its own has no first bytes of its own (a table, a form, YAML), the beginning counts as one only with a
//! field name of the charter in it: of prose, scripts and sources of programs nothing is read.

mod json;
mod lines;
mod magic;
mod markup;
mod rows;
mod wide;

pub(super) use json::{begins_as_json, keys};
pub use magic::{Opaque, may_be_unmarked};
pub(super) use markup::is_html;
pub(super) use rows::names_columns;

use std::borrow::Cow;

use super::{Charset, Format, Properties};

/// Longest beginning of a body that is looked at.
pub const LOOK: usize = 16 * 1024;

/// What a body is.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Seen {
    /// In a format that is read.
    Format(Format),
    /// In one that nobody reads here.
    Opaque(Opaque),
}

/// What a beginning shows.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Sniffed {
    /// As far as can be told; `None` for what is nothing that is known here.
    pub seen: Option<Seen>,
    /// Whether more of the body could not change that.
    pub sure: bool,
}

/// What is known beside the first bytes.
#[derive(Clone, Copy)]
pub struct Hints<'a> {
    /// Whether a script's call of this name is expected to be JSONP.
    pub calls: &'a dyn Fn(&[u8]) -> bool,
    /// Whether the charter has a field of this name.
    pub names: &'a dyn Fn(&str) -> bool,
    /// The charset that the type states.
    pub charset: Charset,
}

impl Hints<'_> {
    /// Whether a name, or a step of it (`user.email`, `user[email]`), is the charter's.
    fn knows(&self, name: &str) -> bool {
        let name = name.trim();
        (self.names)(name) || name.split(['.', '[', ']', '/', ':']).any(|step| (self.names)(step.trim()))
    }
}

/// What one look for one kind of body finds.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Verdict {
    Is(Seen),
    /// More is needed; what it would be taken for if there is no more.
    Perhaps(Option<Seen>),
    No,
}

impl From<Format> for Verdict {
    fn from(format: Format) -> Self {
        Self::Is(Seen::Format(format))
    }
}

/// Looks at the beginning of a body.
///
/// UTF-16 and UTF-32 are seen through, with their mark or without. What hides JSON behind control characters or blanks of
/// other grammars is called JSON: its reader refuses that.
pub fn sniff(start: &[u8], hints: Hints<'_>) -> Sniffed {
    if start.is_empty() {
        return Sniffed { seen: None, sure: false };
    }
    let (text, charset) = match wide::decoded(start) {
        wide::Decoded::Narrow => match hints.charset {
            Charset::Other(encoding) => {
                let (text, _) = encoding.decode_without_bom_handling(start);
                (Cow::Owned(text.into_owned().into_bytes()), hints.charset)
            }
            charset => (Cow::Borrowed(start), charset),
        },
        wide::Decoded::Wide(text, charset) => (Cow::Owned(text), charset),
        wide::Decoded::Perhaps => {
            return Sniffed { seen: Some(Seen::Format(Format::Texts)), sure: false };
        }
    };
    let hints = Hints { charset, ..hints };
    let mut pending: Option<Option<Seen>> = None;
    let looks: [fn(&[u8], Hints<'_>) -> Verdict; 7] = [
        json::json,
        |text, _| magic::mark(text),
        markup::markup,
        |text, _| lines::streams(text),
        rows::rows,
        lines::properties,
        magic::binary,
    ];
    for look in looks {
        match look(&text, hints) {
            Verdict::Is(seen) if pending.is_none() => return Sniffed { seen: Some(seen), sure: true },
            Verdict::Is(seen) => {
                pending = pending.map(|before| before.or(Some(seen)));
                break;
            }
            Verdict::Perhaps(seen) => pending = Some(pending.flatten().or(seen)),
            Verdict::No => {}
        }
    }
    match pending {
        None => Sniffed { seen: None, sure: true },
        Some(seen) => Sniffed { seen, sure: text.len() >= LOOK },
    }
}

#[cfg(test)]
mod tests;
