//! JSON lines (NDJSON): one text on each line, blank lines between, CR LF as well as LF, the last with or without its end.

use memchr::memchr;

use super::{Texts, blanks};
use crate::redact::{Redact, RedactError, Tally, Task, judge::Refused};

/// See the module. Nothing of a line is held back but what its own redactor holds.
pub(in crate::redact) struct Lines {
    texts: Texts,
    refused: Refused,
}

impl Lines {
    pub(in crate::redact) fn new(task: Task) -> Self {
        Self { texts: Texts::new(task), refused: Refused::default() }
    }
}

impl Redact for Lines {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { texts, refused } = self;
        Refused::guard(refused, || lines(texts, input, out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { texts, refused } = self;
        Refused::guard(refused, || texts.close(out))?;
        refused.end();
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.texts.tally()
    }
}

fn lines(texts: &mut Texts, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
    while !input.is_empty() {
        let end = memchr(b'\n', input);
        let (mut line, rest) = input.split_at(end.unwrap_or(input.len()));
        if !texts.is_open() {
            let (blank, text) = line.split_at(blanks(line));
            out.extend_from_slice(blank);
            line = text;
        }
        texts.push(line, out)?;
        input = rest;
        if end.is_some() {
            texts.close(out)?;
            out.push(b'\n');
            input = &rest[1..];
        }
    }
    Ok(())
}
