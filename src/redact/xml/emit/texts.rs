//! Texts that stay: each may be a document, or a free text, and is gathered then until its end is known.

use super::{Pass, Scope, blanks};
use crate::redact::judge::Left;
use crate::redact::nested::{self, MAX_NESTED};
use crate::redact::xml::name::escape;

/// A text that stays, between two tags.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// As it is written, and what it means.
    pub(super) raw: Vec<u8>,
    pub(super) text: Vec<u8>,
    pub(super) state: Look,
    /// Its beginning is looked at once more when so many bytes of it are there.
    pub(super) again_at: usize,
}

/// How far a text that stays is known.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Look {
    /// Nothing of it came yet.
    #[default]
    Nothing,
    /// It is gathered, for it may be a document, or is a free text.
    Gathered,
    /// It is a text, and passes.
    Passes,
    /// It is longer than what is read of a text, and goes.
    Goes,
}

impl Pass<'_> {
    /// Takes a piece of a text that stays.
    pub(super) fn keep_text(&mut self, scope: Scope, raw: &[u8], text: &[u8]) {
        let is_free = scope.field.is_free_text();
        let (mut raw, mut text) = (raw, text);
        if self.state.run.state == Look::Nothing && !is_free && raw.len() == text.len() {
            // No document begins with it.
            let blanks = blanks(text);
            self.write(&raw[..blanks]);
            (raw, text) = (&raw[blanks..], &text[blanks..]);
            if raw.is_empty() {
                return;
            }
        }
        let run = &mut self.state.run;
        if run.state == Look::Nothing {
            let may_hold = is_free || text.is_empty() || self.state.judge.may_hold(text, scope.visible);
            run.state = if may_hold && self.state.judge.may_hide(scope.visible) {
                Look::Gathered
            } else {
                Look::Passes
            };
        }
        match run.state {
            Look::Passes | Look::Nothing => return self.write(raw),
            Look::Goes => return,
            Look::Gathered => {}
        }
        run.raw.extend_from_slice(raw);
        run.text.extend_from_slice(text);
        let length = run.raw.len().max(run.text.len());
        if length < run.again_at && length <= MAX_NESTED {
            return;
        }
        run.again_at = 2 * length;
        let begins = std::str::from_utf8(&run.text).ok().and_then(nested::begins_with);
        if !is_free && begins == Some(false) {
            run.state = Look::Passes;
            let raw = std::mem::take(&mut run.raw);
            run.text.clear();
            self.write(&raw);
        } else if length > MAX_NESTED {
            (run.raw, run.text, run.state) = (Vec::new(), Vec::new(), Look::Goes);
            self.state.judge.unreadable();
        }
    }

    /// A text that stays ends, at a tag: writes what of it may leave.
    pub(super) fn end_text(&mut self) {
        if self.state.run.state != Look::Gathered {
            self.state.run.state = Look::Nothing;
            return;
        }
        let Run { raw, text, .. } = std::mem::take(&mut self.state.run);
        let Some(scope) = self.state.scopes.last().copied() else { return };
        let value = std::str::from_utf8(&text).unwrap_or_default();
        match self.state.judge.left(value, scope.field, scope.visible) {
            Left::Same => self.write(&raw),
            Left::Instead(text) => {
                let mut written = Vec::with_capacity(text.len());
                escape(&text, &mut written);
                self.write(&written);
            }
            Left::Nothing => {}
        }
    }
}
