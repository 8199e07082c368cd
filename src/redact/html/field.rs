//! What an element's attributes say of its value: form fields, `<meta>`, and elements that name what they hold.

use super::attributes::{Manner, Value, Worth, value_of};
use super::element::Raw;
use super::grid::field_names;
use super::lexer::Next;
use super::page::{Frame, Open, Page};
use super::shown::Scope;
use super::tag::Tag;
use crate::policy::set::CategoryId;
use crate::redact::judge::Verdict;
use crate::redact::place::Field;
use crate::redact::{Charset, RedactError};

/// Attributes that name a form field.
pub(super) const FIELD: [&[u8]; 5] = [b"name", b"id", b"autocomplete", b"itemprop", b"data-field"];

impl Page {
    /// The names that an element has as a field, and what happens to its value.
    pub(super) fn field(&mut self, tag: &Tag, raw: &[u8], by: &[&[u8]]) -> Worth {
        let mut named = Vec::new();
        for attribute in by {
            let Some(text) = value_of(tag, raw, attribute) else { continue };
            match *attribute {
                b"autocomplete" => {
                    named.extend(text.split_whitespace().map(|token| self.place.resolve(token)));
                }
                _ => named.extend(field_names(&text).iter().map(|name| self.place.resolve(name))),
            }
        }
        let mut known = named.iter().map(|named| named.field).filter(|field| field.is_known()).peekable();
        let is_known = known.peek().is_some();
        let is_quiet = is_known && known.all(Field::is_not_personal);
        let label = self.label_of(tag, raw);
        if let Some(category) = label.filter(|_| !is_known && self.swallow.is_none()) {
            self.tally.redacted(category);
            return Worth { verdict: Verdict::Hide(category), ..Worth::KEPT };
        }
        if self.swallow.is_some() {
            self.spoil();
            return Worth { quiet: is_quiet, ..Worth::KEPT };
        }
        let verdict = self.verdict(&named, is_known);
        let is_own = verdict == Verdict::Keep && named.iter().any(|named| named.field.is_personal());
        Worth { verdict, quiet: is_quiet, is_own }
    }

    /// The category that a label gives to a form field: its own, or the line in front of it.
    fn label_of(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        if !matches!(&tag.name[..], b"input" | b"textarea" | b"select" | b"output") {
            return None;
        }
        let kind = value_of(tag, raw, b"type").unwrap_or_default().trim().to_ascii_lowercase();
        if kind == "hidden" {
            return None;
        }
        let pending = match &*kind {
            // Several stand behind one name.
            "radio" | "checkbox" => self.pending,
            _ => self.pending.take(),
        };
        let visible = self.visible;
        let pending = pending.map(|pending| pending.category).filter(|one| !visible.contains(*one));
        self.named_by_label(tag, raw).or(pending)
    }

    /// Whether an element names what it holds, and that is hidden.
    pub(super) fn names_hidden(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        for attribute in [&b"itemprop"[..], b"property", b"data-field"] {
            let Some(text) = value_of(tag, raw, attribute) else { continue };
            for name in text.split_whitespace() {
                let last = name.rsplit([':', '/', '#']).next().unwrap_or(name);
                if let Some(category) = self.hidden(last).or_else(|| self.hidden(name)) {
                    return Some(category);
                }
            }
        }
        None
    }

    /// `<meta>`: what its name says of its content; `None` where it is about the page's charset.
    pub(super) fn meta(&mut self, tag: &Tag, raw: &[u8]) -> Result<Option<Option<Value>>, RedactError> {
        let text = |name: &[u8]| value_of(tag, raw, name);
        if let Some(charset) = text(b"charset") {
            return self.state_charset(&charset).map(|()| None);
        }
        if let Some(equivalent) = text(b"http-equiv") {
            let content = text(b"content").unwrap_or_default().to_ascii_lowercase();
            let ends = |c: char| matches!(c, ' ' | ';' | '"' | '\'' | '=');
            let charset = content.split_once("charset").map(|(_, rest)| rest.trim_start_matches(ends));
            return match charset.and_then(|rest| rest.split(ends).next()) {
                Some(charset) if equivalent.trim().eq_ignore_ascii_case("content-type") => {
                    self.state_charset(charset).map(|()| None)
                }
                _ => Ok(Some(None)),
            };
        }
        let name =
            text(b"name").or_else(|| text(b"property")).unwrap_or_default().trim().to_ascii_lowercase();
        if is_technical(&name) {
            return Ok(Some(None));
        }
        let worth = self.field(tag, raw, &[b"name", b"property", b"itemprop"]);
        Ok(Some(Some(Value { name: b"content", worth })))
    }

    /// A page's word on its charset must be that of its head.
    pub(super) fn state_charset(&self, name: &str) -> Result<(), RedactError> {
        let stated = Charset::named(name.trim().trim_matches(['"', '\'']));
        let agrees = match self.charset {
            Charset::Unstated | Charset::Utf8 => stated == Some(Charset::Utf8),
            other => stated == Some(other),
        };
        if agrees { Ok(()) } else { Err(RedactError::NotUtf8) }
    }

    /// An element that is none of a table, a list or a choice.
    pub(super) fn plain(&mut self, tag: &Tag, raw: &[u8], out: &mut Vec<u8>) -> Result<Next, RedactError> {
        let name = &tag.name[..];
        if matches!(name, b"input" | b"textarea" | b"output" | b"button") {
            // The line in front of it may be its name.
            self.flush(out);
        }
        self.settle(tag, true);
        if let Some(kind) = tag.element.raw {
            self.spoil();
            let around = (kind == Raw::Textarea).then(|| self.enter_field(tag, raw));
            let worth = around.map_or(Worth::KEPT, |_| self.field(tag, raw, &FIELD));
            let visible = self.visible;
            let is_json =
                value_of(tag, raw, b"type").is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
            self.leave(tag, raw, worth.manner(), None, out)?;
            if let Some(around) = around {
                self.leave_field(around);
            }
            self.open = Some(Open { raw: kind, text: Vec::new(), worth, visible, is_json });
            return Ok(Next::Raw(kind));
        }
        match name {
            b"meta" => {
                match self.meta(tag, raw)? {
                    Some(value) => self.leave(tag, raw, Manner::Open, value, out)?,
                    None if self.charset.is_rewritten() => self.mark(tag, b"<meta charset=\"utf-8\">", out),
                    None => self.leave(tag, raw, Manner::Open, None, out)?,
                }
                return Ok(Next::Content);
            }
            b"input" | b"button" => {
                if swallows_field(tag, raw) {
                    return Err(RedactError::Malformed);
                }
                let kind = value_of(tag, raw, b"type").unwrap_or_default().trim().to_ascii_lowercase();
                let named = value_of(tag, raw, b"name").is_some_and(|name| !name.trim().is_empty());
                // A word on a button, which is no value.
                let is_button = matches!(&*kind, "submit" | "button" | "reset" | "image")
                    || (name == b"button" && !named);
                let has_value =
                    value_of(tag, raw, b"value").is_some() || matches!(&*kind, "checkbox" | "radio");
                let around = self.enter_field(tag, raw);
                let worth = match self.field_category(tag, raw) {
                    None if is_button || !has_value => Worth::KEPT,
                    _ => self.field(tag, raw, &FIELD),
                };
                self.leave(tag, raw, worth.manner(), Some(Value { name: b"value", worth }), out)?;
                self.leave_field(around);
                self.nest(tag);
                return Ok(Next::Content);
            }
            b"form" => self.open_form(),
            _ => {}
        }
        let value = match value_of(tag, raw, b"value") {
            // The number of an item.
            Some(text)
                if name == b"li"
                    && text.trim().bytes().all(|byte| byte.is_ascii_digit())
                    && text.len() < 7 =>
            {
                None
            }
            Some(_) => Some(Value { name: b"value", worth: self.field(tag, raw, &FIELD) }),
            None => None,
        };
        let named = match name {
            b"output" => {
                let around = self.enter_field(tag, raw);
                let category = self.field_category(tag, raw);
                self.leave_field(around);
                category
            }
            _ => self.names_hidden(tag, raw),
        };
        if named.is_some() {
            self.spoil();
        }
        let Some(category) = named.filter(|_| self.swallow.is_none()) else {
            return self.show(tag, raw, value, out);
        };
        self.tally.redacted(category);
        self.leave(tag, raw, Manner::Hidden, value, out)?;
        if !tag.element.is_void {
            self.begin_swallow(Verdict::Hide(category), out);
            self.frames.push(Frame::Hidden(vec![name.to_vec()]));
        }
        Ok(Next::Content)
    }

    /// An element that does not name what it holds by the attributes that are there for it: its class may, or what it leads to.
    fn show(
        &mut self,
        tag: &Tag,
        raw: &[u8],
        value: Option<Value>,
        out: &mut Vec<u8>,
    ) -> Result<Next, RedactError> {
        let name = &tag.name[..];
        let looks = self.swallow.is_none() && !self.quiet && shows_value(tag);
        let class = if looks {
            self.named_by_label(tag, raw).or_else(|| self.named_by_class(tag, raw))
        } else {
            None
        };
        let link = if looks && class.is_none() { self.links_to_person(tag, raw) } else { None };
        let picture = if looks && class.is_none() { self.pictures(tag, raw) } else { None };
        let manner = match value.map_or(Manner::Open, |value| value.worth.manner()) {
            Manner::Open if name == b"img" && class.or(picture).is_some() => Manner::Hidden,
            Manner::Open if class.or(link).is_some() => Manner::Shown,
            manner => manner,
        };
        if let Some(category) = class.or(picture).filter(|_| manner == Manner::Hidden) {
            self.tally.redacted(category);
        }
        self.leave(tag, raw, manner, value, out)?;
        self.nest(tag);
        if let Some(category) = class.or(link) {
            if tag.element.is_inline {
                self.prose.mark(category, link.is_some());
            } else if self.scope.is_none() && name != b"img" {
                self.scope = Some(Scope::new(name, category));
            }
        }
        Ok(Next::Content)
    }

    /// Within a hidden element, each open one is remembered.
    pub(super) fn nest(&mut self, tag: &Tag) {
        let name = &tag.name[..];
        if let Some(Frame::Hidden(names)) = self.frames.last_mut()
            && !tag.element.is_void
        {
            if name == b"p" && names.last().is_some_and(|open| open == b"p") {
                return;
            }
            names.push(name.to_vec());
        }
    }

    /// The category of a field by any of its names, where it is hidden.
    pub(super) fn field_category(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        FIELD
            .iter()
            .filter_map(|name| value_of(tag, raw, name))
            .find_map(|text| field_names(&text).iter().find_map(|name| self.hidden(name)))
    }
}

/// Whether an element shows a value, where its class names one: no part of a page's frame, and no name of a field.
fn shows_value(tag: &Tag) -> bool {
    let name = &tag.name[..];
    let is_text = tag.element.is_inline && name != b"label";
    is_text
        || matches!(
            name,
            b"div"
                | b"p"
                | b"li"
                | b"h1"
                | b"h2"
                | b"h3"
                | b"h4"
                | b"h5"
                | b"h6"
                | b"address"
                | b"img"
                | b"pre"
        )
}

/// Names of `<meta>` that say how a page is shown, and nothing of anybody.
fn is_technical(name: &str) -> bool {
    const PREFIXES: [&str; 6] =
        ["apple-", "msapplication-", "mobile-web-app-", "google", "twitter:card", "turbo-"];
    const NAMES: [&str; 13] = [
        "viewport",
        "robots",
        "theme-color",
        "color-scheme",
        "generator",
        "format-detection",
        "referrer",
        "og:type",
        "og:locale",
        "application-name",
        "rating",
        "csrf-param",
        "handheldfriendly",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

/// Whether the end of a tag was lost, and the next field stands among its attributes: which of them says what it is?
fn swallows_field(tag: &Tag, raw: &[u8]) -> bool {
    const FIELDS: [&[u8]; 4] = [b"button", b"input", b"select", b"textarea"];
    let is_field = |name: &[u8]| FIELDS.iter().any(|field| field.eq_ignore_ascii_case(name));
    tag.attributes.iter().any(|one| one.value.is_none() && is_field(&raw[one.name.clone()]))
}
