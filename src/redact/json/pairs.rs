//! A name and its value in two members: `{"field": "email", "value": …}`, in any order.
//!
//! What stands beside the name of a field is taken for that field as well: the stricter word counts. In front of an object's
//! first value the names behind it are looked for, as far as [`MAX_AHEAD`]; a value that left before its name came is not
//! taken back, and the document ends there.

use std::borrow::Cow;

use super::visit::{Site, Visit};
use super::walker::Walker;
use super::{MAX_VALUE, RedactError};
use crate::policy::set::fold_field_name;
use crate::redact::action::decoded;
use crate::redact::graphql::Cursor;
use crate::redact::plan::{CATEGORY, NOT_PERSONAL, SEVERAL, fold_ascii};

/// So far, in bytes, a name is looked for behind its value.
pub(super) const MAX_AHEAD: usize = 64 * 1024;

/// What a member is in such a pair: its text may be a field's name, it may be the field's value.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::redact) struct Part(u8);

impl Part {
    pub(in crate::redact) const NEITHER: Self = Self(0);
    pub(in crate::redact) const NAME: Self = Self(1);
    pub(in crate::redact) const VALUE: Self = Self(2);

    /// That of a member of this decoded name.
    pub(in crate::redact) fn of(name: &str) -> Self {
        // The longest of them, with marks between its parts.
        if name.len() > 32 {
            return Self::NEITHER;
        }
        match fold_ascii(name.as_bytes(), &mut [0; _]) {
            Some(folded) => Self::of_folded(folded),
            None => Self::of_folded(fold_field_name(name).as_bytes()),
        }
    }

    fn of_folded(name: &[u8]) -> Self {
        match name {
            b"name" | b"key" | b"field" | b"fieldname" | b"property" | b"propertyname" | b"attribute"
            | b"attributename" | b"path" | b"id" | b"label" | b"column" | b"columnname" | b"shortname" => {
                Self::NAME
            }
            b"value" | b"values" | b"text" | b"content" | b"data" | b"new" | b"old" | b"newvalue"
            | b"oldvalue" | b"from" | b"to" | b"before" | b"after" | b"displayvalue" => Self::VALUE,
            _ => Self::NEITHER,
        }
    }

    /// Of what may be either.
    pub(in crate::redact) fn or(self, other: Self) -> Self {
        Self(self.0 | other.0)
    }

    #[inline(always)]
    pub(in crate::redact) fn is_name(self) -> bool {
        self.0 & Self::NAME.0 != 0
    }

    #[inline(always)]
    pub(in crate::redact) fn is_value(self) -> bool {
        self.0 & Self::VALUE.0 != 0
    }

    #[inline(always)]
    pub(super) fn bits(self) -> u8 {
        self.0
    }

    #[inline(always)]
    pub(super) fn from_bits(bits: u8) -> Self {
        Self(bits)
    }
}

/// What the members of an object name.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Pairs {
    /// Classes of fields: three at most, for a value of more than two is nobody's.
    classes: [u8; 3],
    ahead: Ahead,
}

/// How far an object was looked through for names.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum Ahead {
    /// No value came.
    #[default]
    Not,
    /// To its end.
    Whole,
    /// Not so far.
    Part,
}

impl Pairs {
    fn add(&mut self, class: u8) {
        if !self.classes.contains(&class)
            && let Some(free) = self.classes.iter_mut().find(|free| **free == 0)
        {
            *free = class;
        }
    }

    #[inline(always)]
    pub(super) fn is_any(&self) -> bool {
        self.classes[0] != 0
    }

    /// Whether no value came yet.
    #[inline(always)]
    pub(super) fn is_new(&self) -> bool {
        self.ahead == Ahead::Not
    }
}

impl<S: Copy> Walker<S> {
    /// In front of the first value of an object: looks for names behind it. `false` where more of the document has to come
    /// before anything can be said.
    #[inline(never)]
    pub(super) fn look_ahead(&mut self, input: &[u8]) -> Result<bool, RedactError> {
        if !self.minds_names {
            self.top.pairs.ahead = Ahead::Whole;
            return Ok(true);
        }
        let near = &input[..input.len().min(MAX_AHEAD)];
        let mut room = Vec::new();
        let mut classes = Vec::new();
        let mut index = self.top.index;
        let is_whole = members_behind(near, |key, text| {
            let key = decoded(key, memchr::memchr(b'\\', key).is_some(), &mut room);
            let part = match self.top.cursor {
                Cursor::Plain => std::str::from_utf8(key).map_or(Part::NEITHER, Part::of),
                cursor => self.selected_part(cursor, key, &mut index),
            };
            if part.is_name() {
                let text = decoded(text, memchr::memchr(b'\\', text).is_some(), &mut room);
                self.classes(text, |class| classes.push(class));
            }
        })?;
        if !is_whole && near.len() < MAX_AHEAD && !self.again {
            return Ok(false);
        }
        self.top.pairs.ahead = if is_whole { Ahead::Whole } else { Ahead::Part };
        classes.into_iter().for_each(|class| self.top.pairs.add(class));
        Ok(true)
    }

    /// A text ended that may be a name.
    #[inline(never)]
    pub(super) fn name_ended<V: Visit<Scope = S>>(&mut self, last: &[u8], escaped: bool, visit: &mut V) {
        let raw: Cow<'_, [u8]> = match self.raw.is_empty() {
            true => last.into(),
            false => [&self.raw, last].concat().into(),
        };
        if raw.len() > MAX_VALUE {
            return;
        }
        let mut room = Vec::new();
        let mut classes = Vec::new();
        self.classes(decoded(&raw, escaped, &mut room), |class| classes.push(class));
        for class in classes {
            let pairs = &mut self.top.pairs;
            if pairs.ahead == Ahead::Part && !pairs.classes.contains(&class) {
                visit.too_late(class, self.top.scope);
            }
            pairs.add(class);
        }
    }

    /// The classes of fields beside it that a text names.
    fn classes(&self, text: &[u8], mut found: impl FnMut(u8)) {
        // Identifiers, nearly always: one word, and no name.
        let word = text.trim_ascii();
        if !word.iter().any(|byte| matches!(byte, b'/' | b':' | b'#' | b'.' | b'[' | 0x80..))
            && self.plan.symbol(word) == 0
        {
            return;
        }
        let text = String::from_utf8_lossy(text);
        for name in names_in(text.trim()) {
            let symbol = self.plan.symbol(name.as_bytes());
            if symbol == 0 {
                continue;
            }
            // What is kept belongs to the value at hand.
            let mut kept = self.kept.clone();
            let state = self.plan.member(self.top.state, symbol, &mut kept, self.stack.len());
            let class = match self.plan.facts(state, &kept).class {
                0 => self.plan.charter_class(symbol),
                class => class,
            };
            if (CATEGORY..SEVERAL).contains(&class) {
                found(class);
            }
        }
    }

    /// What the value at hand is, beside such names.
    #[inline(never)]
    pub(super) fn paired(&self, site: Site) -> Site {
        match (self.top.pairs.classes, site.class()) {
            ([one, 0, _], class) if class == one => site,
            ([one, 0, _], 0 | NOT_PERSONAL) => site.with_class(one),
            ([one, _, _], SEVERAL) => site.with_several(one, 0),
            ([one, 0, _], class) => site.with_class(SEVERAL).with_several(class, one),
            ([one, two, 0], class) if matches!(class, 0 | NOT_PERSONAL) || class == one || class == two => {
                site.with_class(SEVERAL).with_several(one, two)
            }
            ([one, _, _], _) => site.with_class(SEVERAL).with_several(one, 0),
        }
    }
}

/// Tells of each member of an object, behind the value that `rest` begins with, whose value is a text; both as they are
/// written. `false` where the object's end is not there.
fn members_behind(rest: &[u8], mut found: impl FnMut(&[u8], &[u8])) -> Result<bool, RedactError> {
    let mut rest = Rest(rest);
    loop {
        match rest.value() {
            Some(b'}') => return Ok(true),
            Some(b',') => {}
            Some(_) => return Err(RedactError::Malformed),
            None => return Ok(false),
        }
        let Some(quote) = rest.next() else { return Ok(false) };
        let (b'"', Some(key)) = (quote, rest.string()) else {
            return if quote == b'"' { Ok(false) } else { Err(RedactError::Malformed) };
        };
        match rest.next() {
            Some(b':') => {}
            Some(_) => return Err(RedactError::Malformed),
            None => return Ok(false),
        }
        if rest.0.trim_ascii_start().starts_with(b"\"") {
            rest.next();
            let Some(text) = rest.string() else { return Ok(false) };
            found(key, text);
        }
    }
}

/// What was not looked at.
struct Rest<'a>(&'a [u8]);

impl<'a> Rest<'a> {
    /// The next byte that is no white space.
    fn next(&mut self) -> Option<u8> {
        let (&byte, behind) = self.0.trim_ascii_start().split_first()?;
        self.0 = behind;
        Some(byte)
    }

    /// Behind an opening quote: the raw text in front of the closing one.
    fn string(&mut self) -> Option<&'a [u8]> {
        let mut at = 0;
        loop {
            at += memchr::memchr2(b'"', b'\\', self.0.get(at..)?)?;
            if self.0[at] == b'"' {
                let (text, behind) = self.0.split_at(at);
                self.0 = &behind[1..];
                return Some(text);
            }
            at += 2;
        }
    }

    /// Goes behind a value, and what ends it.
    fn value(&mut self) -> Option<u8> {
        let mut depth = 0_usize;
        loop {
            let (&byte, behind) = self.0.split_first()?;
            self.0 = behind;
            match byte {
                b'"' => {
                    self.string()?;
                }
                b'{' | b'[' => depth += 1,
                b'}' | b']' | b',' if depth == 0 => return Some(byte),
                b'}' | b']' => depth -= 1,
                _ => {}
            }
        }
    }
}

/// A name as it is given; the first and the last part of it where it is a path or an address (`/users/0/email`,
/// `emails[type eq "work"].value`, `http://…/claims/emailaddress`).
pub(in crate::redact) fn names_in(text: &str) -> impl Iterator<Item = &str> {
    let apart = ['/', ':', '#', '.', '['];
    let parts = || text.split(apart).filter(|part| !part.is_empty());
    let is_path =
        text.contains(apart) && !text.split('[').next().unwrap_or_default().contains(char::is_whitespace);
    let [first, last] = if is_path { [parts().next(), parts().next_back()] } else { [None, None] };
    [Some(text), first, last].into_iter().flatten()
}
