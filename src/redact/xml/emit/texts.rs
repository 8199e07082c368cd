//! Texts that stay: each may be a document, or a free text, and is gathered then until its end is known.

use super::{Pass, Scope, blanks};
use crate::redact::RedactError;
use crate::redact::judge::Left;
use crate::redact::nested::MAX_NESTED;
use crate::redact::xml::name::escape;

/// A text that stays, between two tags.
#[derive(Debug, Default)]
pub(super) struct Run {
    /// As it is written, and what it means.
    pub(super) raw: Vec<u8>,
    pub(super) text: Vec<u8>,
    pub(super) state: Look,
}

/// So much of a long text is looked at at once, and so much again with the next piece.
const PIECE: usize = 16 * 1024;
const TAIL: usize = 4096;
/// Most room that is kept from text to text.
const ROOM: usize = 64 * 1024;

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
    /// It is longer than what is read of a text, and passes as long as no piece of it has a hidden name.
    Long,
    /// It is longer than what is read of a text, and goes.
    Goes,
}

impl Pass<'_> {
    /// Takes a piece of a text that stays.
    pub(super) fn keep_text(&mut self, scope: Scope, raw: &[u8], text: &[u8]) -> Result<(), RedactError> {
        let is_free = scope.field.is_free_text();
        let (mut raw, mut text) = (raw, text);
        if self.state.run.state == Look::Nothing && !is_free && raw.len() == text.len() {
            // No document begins with it.
            let blanks = blanks(text);
            self.write(&raw[..blanks]);
            (raw, text) = (&raw[blanks..], &text[blanks..]);
            if raw.is_empty() {
                return Ok(());
            }
        }
        let run = &mut self.state.run;
        if run.state == Look::Nothing {
            run.state = if self.state.judge.may_hide(scope.visible) { Look::Gathered } else { Look::Passes };
        }
        match run.state {
            Look::Gathered => {}
            Look::Goes => return Ok(()),
            Look::Long => {
                run.raw.extend_from_slice(raw);
                run.text.extend_from_slice(text);
                return if run.raw.len() < PIECE { Ok(()) } else { self.go_on(scope) };
            }
            Look::Passes | Look::Nothing => {
                self.write(raw);
                return Ok(());
            }
        }
        run.raw.extend_from_slice(raw);
        run.text.extend_from_slice(text);
        if run.raw.len().max(run.text.len()) <= MAX_NESTED {
            return Ok(());
        }
        if !is_free && self.state.judge.begins_harmlessly(&run.text, scope.field, scope.visible) {
            run.state = Look::Long;
            let raw = std::mem::take(&mut run.raw);
            run.text.drain(..run.text.len().saturating_sub(TAIL));
            self.write(&raw);
        } else {
            (run.raw, run.text, run.state) = (Vec::new(), Vec::new(), Look::Goes);
            self.state.judge.unreadable();
        }
        Ok(())
    }

    /// The next piece of a long text leaves, where nothing in it is hidden.
    fn go_on(&mut self, scope: Scope) -> Result<(), RedactError> {
        let Run { raw, text, .. } = &mut self.state.run;
        if !self.state.judge.is_harmless(text, scope.field, scope.visible) {
            // What left of it cannot be taken back.
            return Err(RedactError::Opaque);
        }
        text.drain(..text.len().saturating_sub(TAIL));
        let raw = std::mem::take(raw);
        self.write(&raw);
        Ok(())
    }

    /// A text that stays ends, at a tag: writes what of it may leave.
    pub(super) fn end_text(&mut self) -> Result<(), RedactError> {
        if self.state.run.state == Look::Long
            && let Some(scope) = self.state.scopes.last().copied()
        {
            self.go_on(scope)?;
        }
        if self.state.run.state != Look::Gathered {
            self.state.run = Run::default();
            return Ok(());
        }
        let Run { mut raw, mut text, .. } = std::mem::take(&mut self.state.run);
        let Some(scope) = self.state.scopes.last().copied() else { return Ok(()) };
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
        // The next one needs the room again, unless this was a long one.
        if raw.capacity().max(text.capacity()) <= ROOM {
            raw.clear();
            text.clear();
            (self.state.run.raw, self.state.run.text) = (raw, text);
        }
        Ok(())
    }
}
