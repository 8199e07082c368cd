//! JSON text sequences (RFC 7464): each text stands between a record separator and a line feed.
//!
//! RFC 7464 2.3 lets a parser skip what is broken and go on; here a broken or cut text refuses the body from there.

use memchr::memchr;

use super::{Texts, is_blank};
use crate::redact::{Redact, RedactError, Tally, Task, judge::Refused};

/// RS, which no JSON text can hold.
pub(in crate::redact) const SEPARATOR: u8 = 0x1e;

/// See the module.
pub(in crate::redact) struct Sequence {
    state: State,
    refused: Refused,
}

struct State {
    texts: Texts,
    begun: bool,
    /// The last byte of the open text.
    last: u8,
}

impl Sequence {
    pub(in crate::redact) fn new(task: Task) -> Self {
        let state = State { texts: Texts::new(task), begun: false, last: 0 };
        Self { state, refused: Refused::default() }
    }
}

impl Redact for Sequence {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { state, refused } = self;
        Refused::guard(refused, || state.push(input, out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { state, refused } = self;
        Refused::guard(refused, || state.close(out))?;
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
            let end = memchr(SEPARATOR, input);
            let (part, rest) = input.split_at(end.unwrap_or(input.len()));
            if let Some(&last) = part.last() {
                if !self.begun {
                    return Err(RedactError::Malformed);
                }
                self.texts.push(part, out)?;
                self.last = last;
            }
            input = rest;
            if end.is_some() {
                self.close(out)?;
                self.begun = true;
                out.push(SEPARATOR);
                input = &rest[1..];
            }
        }
        Ok(())
    }

    /// Ends the open text. Without white space behind it, it may be the beginning of a longer one (RFC 7464 2.4).
    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.texts.is_open() && !is_blank(self.last) {
            return Err(RedactError::Truncated);
        }
        self.texts.close(out)
    }
}
