//! Documents of other formats in a text, alone or among words: XML, HTML, tables, forms, lines of a name and a value, JSON
//! behind words, and all of these behind an encoding.
//!
//! They are not rewritten: a text in which one of them has a hidden name does not leave. Except for JSON among words or in
//! Base64, which is read as it always is, and parameters of addresses, which lose their value.

use std::sync::Arc;

use super::{Inside, MAX_LEVEL, Nested, begins, lenient, pairs, tags, unreadable};
use crate::policy::set::Sees;
use crate::redact::{
    Audience, Charset, Format, Hints, LOOK, Seen, Tally, Task,
    sniff::{begins_as_json, names_columns, sniff},
    texts::Extent,
};

impl Inside<'_> {
    /// Reads a text that is no JSON.
    pub(super) fn foreign(&self, text: &str) -> (Nested, Tally) {
        if self.is_document(text) { unreadable() } else { self.among(text) }
    }

    /// What stands among words, wherever the text was cut.
    pub(super) fn among(&self, text: &str) -> (Nested, Tally) {
        let hides = |name: &str| self.plan.hides_name(name, self.visible);
        let Some(left) = pairs::without_parameters(text, &hides) else { return self.among_words(text) };
        let (nested, mut tally) = self.among_words(&left);
        match nested {
            Nested::Text | Nested::Same => {
                tally.unclassified();
                (Nested::Redacted(left), tally)
            }
            nested => (nested, tally),
        }
    }

    fn among_words(&self, text: &str) -> (Nested, Tally) {
        if let Some(read) = self.percent(text) {
            return read;
        }
        let hides = |name: &str| self.plan.hides_name(name, self.visible);
        let plain = lenient::without_entities(text);
        if (plain.contains('<') && tags::name_somebody(&plain, &hides)) || self.is_log(&plain) {
            return unreadable();
        }
        // What begins as JSON and is none was looked through for names already, in texts of texts as well.
        let (nested, mut tally) =
            if begins(&plain) { (Nested::Text, Tally::default()) } else { self.json_among(&plain) };
        let text = match nested {
            Nested::Unreadable => return (nested, tally),
            Nested::Redacted(left) => left,
            _ if self.plan.may_hide_in_front(&plain) && pairs::has_members(&plain, &hides) => {
                return unreadable();
            }
            _ => {
                let (nested, more) = self.base64(text);
                tally.add(&more);
                return (nested, tally);
            }
        };
        let (nested, more) = self.base64(&text);
        tally.add(&more);
        (if nested == Nested::Text { Nested::Redacted(text) } else { nested }, tally)
    }

    fn is_log(&self, text: &str) -> bool {
        self.plan.may_hide_in_front(text)
            && pairs::is_log(text, &|name| self.plan.hides_name(name, self.visible))
    }

    /// Whether the whole of a text is a document with a hidden name, as its beginning shows.
    fn is_document(&self, text: &str) -> bool {
        if pairs::is_group(text) {
            return false;
        }
        let hides = |name: &str| self.plan.hides_name(name, self.visible);
        let hints = Hints { calls: &|_| false, names: &hides, charset: Charset::Utf8 };
        if text.contains(['\n', '\r']) && names_columns(text.as_bytes(), hints) {
            return true;
        }
        let may_be_named = self.plan.may_hide_in_front(text);
        if may_be_named && pairs::is_properties(text, &hides) {
            return true;
        }
        // Cards and directories have names of their own; what else is no JSON has lines, or not a blank.
        let start = text.trim_start().get(..6).unwrap_or_default().to_ascii_lowercase();
        let is_card = ["begin:", "dn:", "versio"].iter().any(|word| start.starts_with(word));
        let has_lines = text.trim().contains('\n') || !text.trim().contains(char::is_whitespace);
        if !(is_card || (may_be_named && has_lines)) {
            return false;
        }
        match sniff(&text.as_bytes()[..text.len().min(LOOK)], hints).seen {
            // Read as tags.
            Some(Seen::Format(Format::Xml)) | Some(Seen::Opaque(_)) | None => false,
            Some(Seen::Format(Format::Table { .. })) => true,
            // Parameters of an address lost their values, and segments of a path are none.
            Some(Seen::Format(Format::Form)) => {
                !text.split('=').next().is_some_and(|name| name.contains('/'))
            }
            Some(Seen::Format(Format::Properties(kind))) => {
                let sees = Sees { any: self.visible, ..Sees::default() };
                let audience = Arc::new(Audience { sees, today: self.today, ..Audience::default() });
                let task = Task { plan: Arc::clone(self.plan), audience, key: Arc::clone(self.key) };
                Format::Properties(kind).hides(text.as_bytes(), task)
            }
            Some(Seen::Format(_)) => lenient::names_any(text, hides),
        }
    }

    /// Reads the JSON that stands among words, and writes it in its place.
    fn json_among(&self, text: &str) -> (Nested, Tally) {
        let mut total = Tally::default();
        let hides = |name: &str| self.plan.hides_name(name, self.visible);
        let mut left: Option<String> = None;
        let (mut at, mut copied) = (0, 0);
        while let Some(found) = memchr::memchr2(b'{', b'[', &text.as_bytes()[at..]) {
            let start = at + found;
            at = start + 1;
            let rest = &text[start..];
            if !begins_object(rest) {
                continue;
            }
            if self.level >= MAX_LEVEL {
                return unreadable();
            }
            let Some(length) = Extent::default().end(rest.as_bytes()) else {
                // It does not end, so that nothing stands behind it.
                if lenient::names_any(rest, hides) {
                    return unreadable();
                }
                break;
            };
            at = start + length;
            match self.redact(&text[start..at]) {
                Ok((out, _)) if out == text[start..at] => {}
                Ok((out, tally)) => {
                    let written = left.get_or_insert_default();
                    written.push_str(&text[copied..start]);
                    written.push_str(&out);
                    copied = at;
                    total.add(&tally);
                }
                Err(_) if lenient::names_any(&text[start..at], hides) => return unreadable(),
                Err(_) => {}
            }
        }
        match left {
            Some(written) => (Nested::Redacted(written + &text[copied..]), total),
            None => (Nested::Text, total),
        }
    }
}

/// Whether an array or object begins here, also as programs write one.
fn begins_object(text: &str) -> bool {
    if begins_as_json(text.as_bytes()) != Some(false) {
        return true;
    }
    let Some(inside) = text.strip_prefix(['{', '[']).map(str::trim_start) else { return false };
    if inside.starts_with('\'') {
        return true;
    }
    // Written into a text of a text.
    if inside.starts_with('\\') {
        return inside.trim_start_matches('\\').starts_with('"');
    }
    let is_word = |char: char| char.is_alphanumeric() || matches!(char, '_' | '$' | '-' | '.');
    let end = inside.find(|char| !is_word(char)).unwrap_or(inside.len());
    end > 0 && text.starts_with('{') && inside[end..].trim_start().starts_with([':', '='])
}
