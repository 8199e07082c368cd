//! One JSON text or many, apart by white space or by their brackets alone: for bodies whose type does not say which.

use super::{Extent, Texts, blanks};
use crate::redact::{Redact, RedactError, Tally, Task, judge::Refused, keys::Keys};

/// See the module. There must be one text at least.
pub(in crate::redact) struct Loose {
    state: State,
    refused: Refused,
}

struct State {
    texts: Texts,
    extent: Extent,
    /// Where the next text begins.
    next: Next,
    /// The last byte that left of the latest text.
    last: u8,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Next {
    First,
    /// Right behind the text before.
    Adjacent,
    Apart,
}

impl Loose {
    pub(in crate::redact) fn new(task: Task) -> Self {
        let state = State { texts: Texts::new(task), extent: Extent::default(), next: Next::First, last: 0 };
        Self { state, refused: Refused::default() }
    }
}

impl Loose {
    /// With the names of a body that this one may be like.
    pub(in crate::redact) fn knowing(mut self, keys: Keys) -> Self {
        self.state.texts.keys = keys;
        self
    }

    /// The names of the texts that ended.
    pub(in crate::redact) fn into_keys(self) -> Keys {
        self.state.texts.keys
    }
}

impl Redact for Loose {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { state, refused } = self;
        Refused::guard(refused, || state.push(input, out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { state, refused } = self;
        Refused::guard(refused, || match state.next {
            Next::First if !state.texts.is_open() => Err(RedactError::Truncated),
            _ => state.texts.close(out),
        })?;
        refused.end();
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.state.texts.tally()
    }
}

impl State {
    fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        while !input.is_empty() {
            if !self.texts.is_open() {
                let (blank, text) = input.split_at(blanks(input));
                if !blank.is_empty() {
                    out.extend_from_slice(blank);
                    if self.next == Next::Adjacent {
                        self.next = Next::Apart;
                    }
                    input = text;
                    continue;
                }
                // What stood for a hidden root may be no bracket: `{}{}` must not become `nullnull`.
                if self.next == Next::Adjacent && !matches!(self.last, b'}' | b']') {
                    out.push(b'\n');
                }
                self.extent = Extent::default();
            }
            let end = self.extent.end(input);
            let (part, rest) = input.split_at(end.unwrap_or(input.len()));
            let before = out.len();
            self.texts.push(part, out)?;
            if end.is_some() {
                self.texts.close(out)?;
                self.next = Next::Adjacent;
            }
            if let Some(&last) = out[before..].last() {
                self.last = last;
            }
            input = rest;
        }
        Ok(())
    }
}
