//! What of a tag may leave: its attributes, judged one by one.

use std::borrow::Cow;
use std::collections::HashMap;
use std::sync::LazyLock;

use percent_encoding::percent_decode_str;

use super::entity::{Within, decoded, escape};
use super::grid::NAMING;
use super::page::Page;
use super::prose::scrubbed;
use super::tag::{Attribute, Tag};
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

/// Attributes of HTML that hold no value of a person, and those that say how an element looks: of a hidden one they stay.
const SAFE: List = List(
    1 << 0,
    " accept align aria-describedby aria-invalid aria-label aria-labelledby aria-required autocomplete \
    autofocus bgcolor border cellpadding cellspacing class cols colspan dir disabled for form formnovalidate headers height \
    hidden id inputmode itemprop itemscope itemtype lang list max maxlength method min minlength multiple name novalidate \
    pattern placeholder readonly required role rows rowspan scope size span spellcheck step style tabindex type valign \
    width wrap ",
);

/// Names of attributes that are HTML's own, beside those of [`SAFE`]: they are no names of fields.
const STANDARD: List = List(
    1 << 1,
    " abbr accept-charset accesskey action alt as async background charset checked cite color content \
    contenteditable controls coords crossorigin data datetime decoding default defer download draggable enctype \
    enterkeyhint fetchpriority formaction formenctype formmethod formtarget href hreflang http-equiv imagesizes \
    imagesrcset integrity is ismap itemid itemref kind label link loading loop low high media muted nomodule nonce open \
    optimum ping playsinline poster preload prefix property rel rev reversed sandbox selected shape sizes slot src srcdoc \
    srclang srcset start summary target text title translate usemap value vlink xmlns ",
);

/// Attributes in which an address stands.
const ADDRESSES: List = List(
    1 << 2,
    " action background cite content data formaction href imagesrcset longdesc ping poster src srcset \
    xlink:href ",
);

/// What figures are drawn with: rows of digits that no person has.
const DRAWN: List =
    List(1 << 3, " d points viewbox transform values path integrity nonce keytimes keysplines ");

/// Attributes that hold a page together, whatever words they share with a value.
const WIRES: List = List(
    1 << 4,
    " aria-controls aria-describedby aria-labelledby aria-owns autocomplete class for form headers id itemprop \
    itemtype lang list media method name pattern property rel role sandbox scope sizes slot style target type usemap ",
);

/// Attributes whose meaning must not depend on who reads: readers take the first of two, or the last.
const TELLING: List = List(
    1 << 5,
    " name id type value itemprop property data-field autocomplete content charset http-equiv checked \
    selected colspan rowspan scope headers src href srcdoc ",
);

/// Attributes in which a sentence may stand.
const SAID: List =
    List(1 << 6, " title alt aria-label aria-description placeholder label summary content value ");

/// Attributes of HTML and of frameworks that are none of a field, beside those of [`SAFE`] and [`STANDARD`].
const OTHERS: List =
    List(1 << 7, " autocapitalize autocorrect capture dirname results v-bind v-cloak v-if v-show ");

/// Names of attributes, and the bit that stands for them.
#[derive(Clone, Copy)]
struct List(u8, &'static str);

/// The lists in which a name is: each attribute of a page is asked for by all of them.
static LISTS: LazyLock<HashMap<&'static str, u8>> = LazyLock::new(|| {
    let mut lists = HashMap::new();
    for List(bit, names) in [SAFE, STANDARD, ADDRESSES, DRAWN, WIRES, TELLING, SAID, OTHERS] {
        names.split_ascii_whitespace().for_each(|name| *lists.entry(name).or_default() |= bit);
    }
    lists
});

fn is_one_of(List(bit, _): List, name: &str) -> bool {
    LISTS.get(name).is_some_and(|bits| bits & bit != 0)
}

/// Whether an attribute may not be there twice.
pub(super) fn is_telling(name: &[u8]) -> bool {
    let name = name.to_ascii_lowercase();
    std::str::from_utf8(&name).is_ok_and(|name| is_one_of(TELLING, name) || name.starts_with("data-"))
}

/// The decoded value of an attribute; `None` where the tag has none of this name.
pub(super) fn value_of<'a>(tag: &Tag, raw: &'a [u8], name: &[u8]) -> Option<Cow<'a, str>> {
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
        let name = raw[attribute.name.clone()].to_ascii_lowercase();
        let name = std::str::from_utf8(&name).unwrap_or_default();
        if name.len() > 5 && scrubbed(name, &mut self.looking_at_code()).is_some() {
            return Ok(Change::Gone);
        }
        if let Some(Value { name: holder, worth: Worth { verdict, quiet, is_own } }) = value
            && name.as_bytes() == holder
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
        if manner == Manner::Hidden && !is_one_of(SAFE, name) {
            // The name of what is hidden stays, if it is one.
            let is_label = NAMING.contains(&name.as_bytes()) && self.is_known(&text);
            return Ok(if is_label { Change::None } else { Change::Gone });
        }
        if manner == Manner::Shown && repeats(name.as_bytes()) {
            return Ok(Change::Gone);
        }
        if text.is_empty() {
            return Ok(Change::None);
        }
        if name == "srcdoc" {
            self.tally.unclassified();
            return Ok(Change::Gone);
        }
        if is_field_name(tag, name) {
            let bare =
                name.trim_start_matches("data-").trim_start_matches([':', '@', '[', '(', '.', '#', '*']);
            let bare = bare.trim_start_matches("v-bind:").trim_end_matches([']', ')']);
            if let Some(category) = self.hidden(bare) {
                self.tally.redacted(category);
                return Ok(self.stand_in(category, &text));
            }
        }
        // A value by a misspelt name is a value all the same.
        if self.judge.denies() && is_field(tag) && is_made_up(tag, name) && !self.is_known(name) {
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
    fn text_change(&mut self, name: &str, text: &str) -> Change {
        if self.is_foreign_now() && is_one_of(DRAWN, name) {
            return Change::None;
        }
        let mut text = Cow::Borrowed(text);
        let mut changed = false;
        if is_one_of(ADDRESSES, name) {
            let start = text.trim_start().get(..5).map(str::to_ascii_lowercase).unwrap_or_default();
            if start == "data:" {
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
        } else if (name.starts_with("on") || is_code(&text)) && self.mentions(&text) {
            return Change::Gone;
        }
        if is_said(name)
            && let Some(left) = self.without_values(&text)
        {
            text = Cow::Owned(left);
            changed = true;
        }
        let looked_at =
            if is_one_of(ADDRESSES, name) { without_densities(&text) } else { Cow::Borrowed(&*text) };
        let is_code = name.starts_with("on") || is_one_of(WIRES, name);
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
            let name = percent_decode_str(&rest[..end]).decode_utf8_lossy().into_owned();
            let value = start + end + 1;
            let stop = text[value..].find(['&', ';', '#', ' ']).map_or(text.len(), |stop| value + stop);
            // Written without escapes, a document has all the signs at which a value could end.
            let whole = begins(&text[value..]) && self.shows(&text[value..], level);
            let stop = if whole { text.len() } else { stop };
            // A plus is a blank in a query.
            let hides = match self.hidden(&name.replace('+', " ")) {
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

/// Whether an attribute shows what its element does.
pub(super) fn repeats(name: &[u8]) -> bool {
    name.starts_with(b"data-")
        || matches!(
            name,
            b"title" | b"alt" | b"aria-label" | b"aria-description" | b"content" | b"value" | b"datetime"
        )
}

/// Whether a sentence may stand in an attribute.
fn is_said(name: &str) -> bool {
    name.starts_with("data-") || is_one_of(SAID, name)
}

/// Whether an attribute may be named like a field: those that platforms and custom elements make up.
fn is_field_name(tag: &Tag, name: &str) -> bool {
    if tag.name.contains(&b'-') {
        return !matches!(
            name,
            "id" | "class" | "style" | "slot" | "is" | "type" | "lang" | "dir" | "hidden" | "tabindex"
        );
    }
    !name.starts_with("aria-") && !is_one_of(SAFE, name) && !is_one_of(STANDARD, name)
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

/// Whether an attribute's name is neither of HTML nor of a framework.
fn is_made_up(tag: &Tag, name: &str) -> bool {
    const PREFIXES: [&str; 7] = ["on", "data-", "ng-", "hx-", "x-", "v-model", "v-on"];
    is_field_name(tag, name)
        && !PREFIXES.iter().any(|prefix| name.starts_with(prefix))
        && !is_one_of(OTHERS, name)
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-_.".contains(&byte))
}

fn quote(text: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(b"=\"");
    escape(text, out);
    out.push(b'"');
}
