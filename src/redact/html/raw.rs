//! Elements whose content is text: scripts, titles, the values of text fields.

use super::attributes::Worth;
use super::element::{Raw, Role};
use super::entity::{Within, decoded, escape};
use super::page::{Open, Page, Swallow};
use super::prose::scrubbed;
use crate::redact::RedactError;
use crate::redact::judge::Verdict;
use crate::redact::nested::{Nested, is_document};

/// Longest script that is read: it is looked at as a whole.
pub(super) const MAX_SCRIPT: usize = 4 * 1024 * 1024;

impl Page {
    /// A raw element ends: what may leave of its text.
    pub(super) fn close_raw(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Some(Open { raw, text, worth, visible, is_json }) = self.open.take() else { return Ok(()) };
        // The end tag of a field that was broken would make the rest of the page its value.
        if matches!(raw, Raw::Title | Raw::Textarea | Raw::Style) && holds_structure(&text) {
            return Err(RedactError::Malformed);
        }
        match raw {
            Raw::Hollow => {}
            Raw::Script => self.script(&text, is_json, out),
            Raw::Style => {
                let text = String::from_utf8_lossy(&text);
                let left = scrubbed(&text, &mut self.looking_at_code());
                // A stand-in must not end the element.
                let left = left.map(|left| left.replace('<', " "));
                self.flush(out);
                self.write(left.as_deref().unwrap_or(&text).as_bytes(), out);
            }
            Raw::Title | Raw::Textarea => {
                // What stands in front of it is not the field's.
                self.flush(out);
                let around = self.see(visible);
                self.own = worth.is_own;
                self.reference_text(raw, &text, worth, out);
                self.leave_field(around);
            }
        }
        Ok(())
    }

    /// The text of a title, or the value of a field.
    pub(super) fn reference_text(&mut self, raw: Raw, text: &[u8], worth: Worth, out: &mut Vec<u8>) {
        self.flush(out);
        if self.swallow.is_some() {
            if let Some(swallow) = &mut self.swallow {
                swallow.text.add(text);
            }
            if let Some(Swallow { kept: None, .. }) = self.swallow {
                return;
            }
        }
        let value = decoded(text, Within::Text);
        let mut left = Vec::new();
        match worth.verdict {
            Verdict::Hide(category) if !text.is_empty() => {
                self.memory.note(category, value.trim());
                if let Some(stand_in) = self.judge.stand_in(category, value.trim()) {
                    escape(&stand_in, &mut left);
                }
            }
            Verdict::Hide(_) | Verdict::Drop => {}
            Verdict::Keep => {
                let nested = match raw {
                    Raw::Textarea if !worth.quiet && is_document(&value) => {
                        self.judge.nested(&value, self.visible)
                    }
                    _ => Nested::Same,
                };
                let document = match nested {
                    Nested::Same => None,
                    Nested::Redacted(document) => Some(document),
                    Nested::Text | Nested::Unreadable if self.mentions(&value) => Some(String::new()),
                    Nested::Text | Nested::Unreadable => None,
                };
                let document = match document {
                    None if !worth.quiet => self.without_values(&value),
                    document => document,
                };
                let text_left = document.as_deref().unwrap_or(&value);
                let left_of = match worth.quiet {
                    true => None,
                    false => scrubbed(text_left, &mut self.looking()),
                };
                match left_of.or(document) {
                    Some(text) => escape(&text, &mut left),
                    // To readers who see markup here, nothing may look like it.
                    None => text.iter().for_each(|&byte| match byte {
                        b'<' => left.extend_from_slice(b"&lt;"),
                        byte => left.push(byte),
                    }),
                }
            }
        }
        self.write(&left, out);
    }

    /// A script: a document, or code.
    pub(super) fn script(&mut self, text: &[u8], is_json: bool, out: &mut Vec<u8>) {
        self.flush(out);
        let text = String::from_utf8_lossy(text);
        if text.trim().is_empty() {
            self.write(text.as_bytes(), out);
            return;
        }
        let left = if is_json || is_document(&text) {
            match self.judge.nested(&text, self.visible) {
                Nested::Same if is_document(&text) => Some(None),
                Nested::Redacted(document) => Some(Some(document)),
                Nested::Same | Nested::Text | Nested::Unreadable => None,
            }
        } else if self.judge.denies() || self.mentions(&text) {
            self.tally.unclassified();
            None
        } else {
            Some(None)
        };
        let Some(document) = left else { return };
        let text_left = document.as_deref().unwrap_or(&text);
        let left = match is_json || is_document(&text) {
            true => scrubbed(text_left, &mut self.looking()),
            false => scrubbed(text_left, &mut self.looking_at_code()),
        };
        match left.or(document) {
            // Outside of texts no JSON has it; in them it must not end the element.
            Some(document) => self.write(document.replace('<', "\\u003c").as_bytes(), out),
            None => self.write(text.as_bytes(), out),
        }
    }
}

/// Whether a text has tags of what this reader follows, as markup and not escaped.
fn holds_structure(text: &[u8]) -> bool {
    memchr::memchr_iter(b'<', text).any(|at| {
        let rest = &text[at + 1..];
        let (is_end, rest) = match rest {
            [b'/', rest @ ..] => (true, rest),
            _ => (false, rest),
        };
        let length = rest.iter().take(16).take_while(|byte| byte.is_ascii_alphanumeric()).count();
        let name = rest[..length].to_ascii_lowercase();
        let is_field =
            matches!(&name[..], b"input" | b"textarea" | b"button" | b"form" | b"body" | b"html" | b"meta");
        let is_followed = !matches!(Role::of(&name), Role::Plain | Role::Foreign | Role::Refused);
        is_field || is_followed || (is_end && (name.starts_with(b"textarea") || name.starts_with(b"title")))
    })
}
