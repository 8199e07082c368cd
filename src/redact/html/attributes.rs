//! What of a tag may leave: its attributes, judged one by one.

use std::borrow::Cow;

use percent_encoding::percent_decode_str;

use super::entity::{Within, decoded, escape};
use super::grid::NAMING;
use super::page::Page;
use super::prose::scrubbed;
use super::tag::{Attribute, Tag};
use super::vocabulary::{ADDRESSES, DRAWN, Name, SAFE, WIRES, is_field_name, is_made_up, repeats};
use crate::policy::set::CategoryId;
use crate::redact::RedactError;
use crate::redact::judge::Verdict;
use crate::redact::nested::{Nested, begins, is_document, unescaped};

/// Addresses in parameters of addresses that are followed.
const MAX_LEVEL: usize = 3;

/// How a tag is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Manner {
    /// Each attribute is judged for itself.
    Open,
    /// What the element holds is hidden: so is every attribute that could repeat it.
    Hidden,
    /// Its text is hidden: what a reader is shown beside it goes.
    Shown,
}

/// An attribute that holds the value of its element.
#[derive(Clone, Copy, Debug)]
pub(super) struct Value {
    pub(super) name: &'static [u8],
    pub(super) worth: Worth,
}

/// What is known of the value of a field.
#[derive(Clone, Copy, Debug)]
pub(super) struct Worth {
    pub(super) verdict: Verdict,
    /// Its owner said that it is not personal: nothing is looked for in it.
    pub(super) quiet: bool,
    /// It is personal, and for this reader.
    pub(super) is_own: bool,
}

impl Worth {
    /// Nothing is known of it, and it stays.
    pub(super) const KEPT: Self = Self { verdict: Verdict::Keep, quiet: false, is_own: false };

    pub(super) fn manner(self) -> Manner {
        if self.verdict == Verdict::Keep { Manner::Open } else { Manner::Hidden }
    }
}

/// What happens to an attribute.
enum Change {
    None,
    To(String),
    Gone,
}

/// The decoded value of an attribute; `None` where the tag has none of this name.
#[inline(always)]
pub(super) fn value_of<'a>(tag: &Tag, raw: &'a [u8], name: &[u8]) -> Option<Cow<'a, str>> {
    if tag.lacks(name) { None } else { found(tag, raw, name) }
}

fn found<'a>(tag: &Tag, raw: &'a [u8], name: &[u8]) -> Option<Cow<'a, str>> {
    let attribute = tag.attributes.iter().find(|one| raw[one.name.clone()].eq_ignore_ascii_case(name))?;
    Some(attribute.value.clone().map_or(Cow::Borrowed(""), |value| decoded(&raw[value], Within::Attribute)))
}

impl Page {
    /// Writes what may leave of a start tag.
    pub(super) fn rewrite(
        &mut self,
        tag: &Tag,
        raw: &[u8],
        manner: Manner,
        value: Option<Value>,
        out: &mut Vec<u8>,
    ) -> Result<(), RedactError> {
        if tag.attributes.is_empty() {
            out.extend_from_slice(raw);
            return Ok(());
        }
        let mut from = 0;
        for attribute in &tag.attributes {
            let change = self.change(tag, raw, attribute, manner, value)?;
            let written = attribute.value.clone().map(|value| &raw[value]);
            match change {
                // Where scripts are off this text is markup: nothing in it may look like a tag.
                Change::None if self.is_apart() && written.is_some_and(|value| value.contains(&b'<')) => {
                    let text = decoded(written.unwrap_or_default(), Within::Attribute);
                    out.extend_from_slice(&raw[from..attribute.name.end]);
                    quote(&text, out);
                }
                Change::None => continue,
                Change::Gone => out.extend_from_slice(&raw[from..attribute.from]),
                Change::To(text) => {
                    out.extend_from_slice(&raw[from..attribute.name.end]);
                    quote(&text, out);
                }
            }
            from = attribute.to;
        }
        // What followed an unquoted value does not follow a quote, or nothing, any more.
        out.extend_from_slice(&raw[from..]);
        Ok(())
    }

    fn change(
        &mut self,
        tag: &Tag,
        raw: &[u8],
        attribute: &Attribute,
        manner: Manner,
        value: Option<Value>,
    ) -> Result<Change, RedactError> {
        let lower;
        let mut name = &raw[attribute.name.clone()];
        if name.iter().any(u8::is_ascii_uppercase) {
            lower = name.to_ascii_lowercase();
            name = &lower;
        }
        let name = Name::of(std::str::from_utf8(name).unwrap_or_default());
        if name.text.len() > 5
            && !name.is_listed()
            && scrubbed(name.text, &mut self.looking_at_code()).is_some()
        {
            return Ok(Change::Gone);
        }
        if let Some(Value { name: holder, worth: Worth { verdict, quiet, is_own } }) = value
            && name.text.as_bytes() == holder
        {
            let text = decoded(&raw[attribute.value.clone().unwrap_or_default()], Within::Attribute);
            return Ok(match verdict {
                _ if text.is_empty() && attribute.value.is_some() => Change::None,
                Verdict::Keep if quiet => Change::None,
                Verdict::Keep => {
                    let own = std::mem::replace(&mut self.own, is_own);
                    let change = self.text_change(name, &text);
                    self.own = own;
                    change
                }
                Verdict::Hide(category) => self.stand_in(category, &text),
                Verdict::Drop => Change::Gone,
            });
        }
        let text = attribute
            .value
            .clone()
            .map_or(Cow::Borrowed(""), |value| decoded(&raw[value], Within::Attribute));
        if manner == Manner::Hidden && !name.is(SAFE) {
            // The name of what is hidden stays, if it is one.
            let is_label = NAMING.contains(&name.text.as_bytes()) && self.is_known(&text);
            return Ok(if is_label { Change::None } else { Change::Gone });
        }
        if manner == Manner::Shown && repeats(name.text.as_bytes()) {
            return Ok(Change::Gone);
        }
        if text.is_empty() {
            return Ok(Change::None);
        }
        if name.text == "srcdoc" {
            self.tally.unclassified();
            return Ok(Change::Gone);
        }
        if is_field_name(tag, name) {
            let bare =
                name.text.trim_start_matches("data-").trim_start_matches([':', '@', '[', '(', '.', '#', '*']);
            let bare = bare.trim_start_matches("v-bind:").trim_end_matches([']', ')']);
            if let Some(category) = self.hidden(bare) {
                self.tally.redacted(category);
                return Ok(self.stand_in(category, &text));
            }
        }
        // A value by a misspelt name is a value all the same.
        if self.judge.denies() && is_field(tag) && is_made_up(tag, name) && !self.is_known(name.text) {
            self.tally.unclassified();
            return Ok(Change::Gone);
        }
        Ok(self.text_change(name, &text))
    }

    fn stand_in(&mut self, category: CategoryId, text: &str) -> Change {
        self.memory.note(category, text.trim());
        match self.judge.stand_in(category, text) {
            Some(stand_in) => Change::To(stand_in.into_owned()),
            None => Change::Gone,
        }
    }

    /// What becomes of a text in an attribute in which anything may stand.
    fn text_change(&mut self, name: Name<'_>, text: &str) -> Change {
        if self.is_foreign_now() && name.is(DRAWN) {
            return Change::None;
        }
        let mut text = Cow::Borrowed(text);
        let mut changed = false;
        if name.is(ADDRESSES) {
            let start = text.trim_start().get(..5);
            if start.is_some_and(|start| start.eq_ignore_ascii_case("data:")) {
                let kind = text.trim_start()[5..].to_ascii_lowercase();
                let is_picture =
                    ["image/", "font/", "audio/", "video/"].iter().any(|one| kind.starts_with(one));
                let is_text = kind.starts_with("image/svg") && !kind.contains(";base64");
                if is_picture && !is_text {
                    return Change::None;
                }
                self.tally.unclassified();
                return Change::Gone;
            }
            if !is_code(&text)
                && let Some(left) = self.query(&text, 0)
            {
                text = Cow::Owned(left);
                changed = true;
            }
        }
        if is_document(&text) {
            match self.judge.nested(&text, self.visible) {
                Nested::Same => {}
                Nested::Redacted(document) => {
                    text = Cow::Owned(document);
                    changed = true;
                }
                Nested::Text | Nested::Unreadable if self.mentions(&text) => return Change::Gone,
                Nested::Text | Nested::Unreadable => {}
            }
        } else if (name.text.starts_with("on") || is_code(&text)) && self.mentions(&text) {
            return Change::Gone;
        }
        if name.is_said()
            && let Some(left) = self.without_values(&text)
        {
            text = Cow::Owned(left);
            changed = true;
        }
        let looked_at = if name.is(ADDRESSES) { without_densities(&text) } else { Cow::Borrowed(&*text) };
        let is_code = name.text.starts_with("on") || name.is(WIRES);
        let mut look = if is_code { self.looking_at_code() } else { self.looking() };
        if let Some(left) = scrubbed(&looked_at, &mut look) {
            text = Cow::Owned(left);
            changed = true;
        }
        if changed { Change::To(text.into_owned()) } else { Change::None }
    }

    /// An address without the values of parameters that are named like hidden fields, and without those that are documents
    /// with hidden fields or addresses with such parameters.
    fn query(&mut self, text: &str, level: usize) -> Option<String> {
        let mut left = String::new();
        let mut from = 0;
        let mut at = 0;
        while let Some(next) = text[at..].find(['?', '&', ';', '#']) {
            let start = at + next + 1;
            at = start;
            let rest = &text[start..];
            let end = rest.find(['=', '?', '&', ';', '#', ' ', ',']).unwrap_or(rest.len());
            if !rest[end..].starts_with('=') {
                continue;
            }
            let mut name = percent_decode_str(&rest[..end]).decode_utf8_lossy();
            // A plus is a blank in a query.
            if name.contains('+') {
                name = name.replace('+', " ").into();
            }
            let value = start + end + 1;
            let stop = text[value..].find(['&', ';', '#', ' ']).map_or(text.len(), |stop| value + stop);
            // Written without escapes, a document has all the signs at which a value could end.
            let whole = begins(&text[value..]) && self.shows(&text[value..], level);
            let stop = if whole { text.len() } else { stop };
            let hides = match self.hidden(&name) {
                _ if value == stop => false,
                Some(category) => {
                    self.tally.redacted(category);
                    true
                }
                None => whole || self.shows(&text[value..stop], level),
            };
            if hides {
                left.push_str(&text[from..value]);
                from = stop;
            }
            at = stop;
        }
        (from > 0).then(|| left + &text[from..])
    }

    /// Whether the value of a parameter is a document with hidden fields, or an address with such parameters.
    fn shows(&mut self, value: &str, level: usize) -> bool {
        let decoded = percent_decode_str(value).decode_utf8_lossy();
        matches!(self.judge.nested(&decoded, self.visible), Nested::Redacted(_) | Nested::Unreadable)
            || (level < MAX_LEVEL && decoded != value && self.query(&decoded, level + 1).is_some())
    }

    /// Whether code speaks of a hidden field as if it held its value: `nom: "…"`, `"nom": …`, `nom = …`.
    ///
    /// Templates escape the documents that they write into the texts of code (`JSON.parse('\u007b\u0022nom…')`).
    pub(super) fn mentions(&mut self, code: &str) -> bool {
        let plain = unescaped(code);
        let decoded = percent_decode_str(&plain).decode_utf8_lossy();
        self.mentions_plainly(&plain) || (decoded != plain && self.mentions_plainly(&decoded))
    }

    fn mentions_plainly(&mut self, code: &str) -> bool {
        let is_word = |c: char| c.is_alphanumeric() || c == '_' || c == '-' || c == '$';
        let mut rest = code;
        while let Some(start) = rest.find(is_word) {
            rest = &rest[start..];
            let end = rest.find(|c| !is_word(c)).unwrap_or(rest.len());
            let behind = rest[end..].trim_start_matches(['"', '\'', '`', '\\', ']']).trim_start();
            let holds = behind.starts_with(':') || (behind.starts_with('=') && !behind.starts_with("=="));
            if holds && self.hidden(&rest[..end]).is_some() {
                return true;
            }
            rest = &rest[end..];
        }
        false
    }
}

/// An address in which `logo@2x.png` is no address of electronic mail.
fn without_densities(text: &str) -> Cow<'_, str> {
    let is_density = |at: usize| {
        let behind = text.as_bytes().get(at + 1..at + 4);
        matches!(behind, Some([b'1'..=b'9', b'x', b'.']))
    };
    if !memchr::memchr_iter(b'@', text.as_bytes()).any(is_density) {
        return Cow::Borrowed(text);
    }
    Cow::Owned(text.char_indices().map(|(at, c)| if c == '@' && is_density(at) { '-' } else { c }).collect())
}

/// Whether an address is a script.
fn is_code(text: &str) -> bool {
    let start = text.trim_start().as_bytes();
    start.get(..11).is_some_and(|start| start.eq_ignore_ascii_case(b"javascript:"))
}

/// Whether an element is there to have a value.
fn is_field(tag: &Tag) -> bool {
    matches!(&tag.name[..], b"input" | b"textarea" | b"select" | b"option" | b"button" | b"output" | b"meta")
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"=\"");
    escape(text, out);
    out.push(b'"');
}
