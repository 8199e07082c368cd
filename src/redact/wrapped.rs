//! One JSON text in what keeps it from being run as a script, or lets it: guards (`)]}',`) and JSONP (`callback(…);`).
//!
//! The wrapping passes as it is; the text between is redacted as JSON. Of JSONP there is exactly one form: an array or an
//! object as the only argument of one call, and nothing behind it.

use super::{JsonRedactor, Redact, RedactError, Tally, Task, judge::Refused, texts::Extent};

/// Longest wrapping in front of a text, in bytes, white space included.
pub const MAX_FRONT: usize = 1024;
/// Longest name of a callback, in bytes.
pub const MAX_CALLBACK: usize = 128;

/// What platforms put in front of JSON so that a page of another site cannot run it. Longer ones first.
pub(super) const GUARDS: [&[u8]; 14] = [
    b")]}',",
    b")]}'",
    b")]}",
    b"])}while(1);</x>",
    b"&&&START&&&",
    b"while(true);",
    b"while(1);",
    b"while (1);",
    b"for(;;);",
    b"for (;;);",
    b"{}&&",
    b"{} &&",
    b"throw 1; <dont be evil>",
    b"throw 1; < don't be evil' >",
];

/// What stands in front of a text.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Front {
    /// Nothing that is known here.
    Plain,
    /// A guard, which ends here.
    Guard(usize),
    /// `callback(`, which ends here.
    Call(usize),
    /// Too little is known.
    More,
}

/// Reads what stands in front of a text; `calls` says whether JSONP is looked for.
pub(super) fn front(start: &[u8], calls: bool) -> Front {
    let mut reader = Reader { start, at: 0 };
    reader.read(calls).unwrap_or(Front::More)
}

/// Reads tokens; `None` where the beginning ends.
struct Reader<'a> {
    start: &'a [u8],
    at: usize,
}

impl Reader<'_> {
    fn read(&mut self, calls: bool) -> Option<Front> {
        self.skip(BYTE_ORDER_MARK)?;
        self.blank()?;
        let rest = &self.start[self.at..];
        // `)]}'` may go on as `)]}',`.
        if GUARDS.iter().any(|guard| guard.len() > rest.len() && guard.starts_with(rest)) {
            return None;
        }
        if let Some(guard) = GUARDS.iter().find(|guard| rest.starts_with(guard)) {
            return Some(Front::Guard(self.at + guard.len()));
        }
        if !calls {
            return Some(Front::Plain);
        }
        if self.skip(b"/**/")? {
            self.blank()?;
        }
        let Some(mut name) = self.name()? else { return Some(Front::Plain) };
        // `typeof cb === 'function' && cb(`, as Express writes it, or others with less space or other quotes.
        if name == b"typeof" && self.skip(b" ")? {
            let Some(tested) = self.name()? else { return Some(Front::Plain) };
            if !self.tests_for_function()? {
                return Some(Front::Plain);
            }
            match self.name()? {
                Some(called) if called == tested => name = called,
                _ => return Some(Front::Plain),
            }
        }
        let called = !name.is_empty() && self.skip(b"(")?;
        Some(if called { Front::Call(self.at) } else { Front::Plain })
    }

    /// ` === 'function' && `, if it is there.
    fn tests_for_function(&mut self) -> Option<bool> {
        self.blank()?;
        let compares = self.skip(b"===")? || self.skip(b"==")?;
        if compares {
            self.blank()?;
        }
        let tests = compares && (self.skip(b"'function'")? || self.skip(b"\"function\"")?);
        if tests {
            self.blank()?;
        }
        let goes_on = tests && self.skip(b"&&")?;
        if goes_on {
            self.blank()?;
        }
        Some(goes_on)
    }

    /// Goes over this, if it is there.
    fn skip(&mut self, text: &[u8]) -> Option<bool> {
        let rest = &self.start[self.at..];
        if rest.len() < text.len() && text.starts_with(rest) {
            return None;
        }
        let there = rest.starts_with(text);
        self.at += if there { text.len() } else { 0 };
        Some(there)
    }

    fn blank(&mut self) -> Option<()> {
        let rest = &self.start[self.at..];
        self.at += rest.iter().position(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'))?;
        Some(())
    }

    /// A name of a script's object, as callbacks are written: `jQuery123`, `app.handlers[0]`.
    fn name(&mut self) -> Option<Option<Vec<u8>>> {
        let rest = &self.start[self.at..];
        if !matches!(rest.first()?, b'A'..=b'Z' | b'a'..=b'z' | b'_' | b'$') {
            return Some(None);
        }
        let other =
            |byte: &u8| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'.' | b'$' | b'[' | b']'));
        let end = match rest.iter().take(MAX_CALLBACK + 1).position(other) {
            Some(end) => end,
            None if rest.len() > MAX_CALLBACK => return Some(None),
            None => return None,
        };
        self.at += end;
        Some(Some(rest[..end].to_vec()))
    }
}

const BYTE_ORDER_MARK: &[u8] = b"\xEF\xBB\xBF";

/// See the module.
pub(super) struct Wrapped {
    body: Body,
    refused: Refused,
}

struct Body {
    json: JsonRedactor,
    calls: bool,
    part: Part,
    /// The beginning, until it is known what it is.
    held: Vec<u8>,
    extent: Extent,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Part {
    Front,
    /// A text up to the end of the body.
    Text,
    Argument,
    /// Behind the argument, the parenthesis, the semicolon.
    Behind(u8),
}

impl Wrapped {
    /// A JSON text, perhaps behind a guard.
    pub(super) fn guarded(task: Task) -> Self {
        Self::new(task, false)
    }

    /// The same, or a JSONP call.
    pub(super) fn called(task: Task) -> Self {
        Self::new(task, true)
    }

    fn new(task: Task, calls: bool) -> Self {
        let json = JsonRedactor::new(task.plan, task.audience, task.key);
        let body = Body { json, calls, part: Part::Front, held: Vec::new(), extent: Extent::default() };
        Self { body, refused: Refused::default() }
    }
}

impl Redact for Wrapped {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { body, refused } = self;
        Refused::guard(refused, || body.push(input, out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { body, refused } = self;
        Refused::guard(refused, || body.finish(out))?;
        refused.end();
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.body.json.tally().clone()
    }
}

impl Body {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        match self.part {
            Part::Front => self.front(input, out),
            Part::Text => self.json.push(input, out),
            Part::Argument => self.argument(input, out),
            Part::Behind(signs) => self.behind(signs, input, out),
        }
    }

    fn front(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        // What nearly every text begins with needs no second look. (`{}&&` is for scripts only.)
        let plain = !self.calls && self.held.is_empty() && matches!(input.first(), Some(b'{' | b'['));
        if plain {
            self.part = Part::Text;
            return self.json.push(input, out);
        }
        let (now, later) = input.split_at(input.len().min(MAX_FRONT - self.held.len()));
        self.held.extend_from_slice(now);
        let end = match front(&self.held, self.calls) {
            Front::More if self.held.len() < MAX_FRONT => return Ok(()),
            Front::More | Front::Plain => {
                self.part = Part::Text;
                0
            }
            Front::Guard(end) if self.held[..end].ends_with(b"&&") && !self.calls => {
                self.part = Part::Text;
                0
            }
            Front::Guard(end) => {
                self.part = Part::Text;
                end
            }
            Front::Call(end) => {
                self.part = Part::Argument;
                end
            }
        };
        let held = std::mem::take(&mut self.held);
        let wrapping = &held[..end];
        out.extend_from_slice(wrapping.strip_prefix(BYTE_ORDER_MARK).unwrap_or(wrapping));
        self.push(&held[end..], out)?;
        self.push(later, out)
    }

    fn argument(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Some(end) = self.extent.end(input) else { return self.json.push(input, out) };
        let (argument, rest) = input.split_at(end);
        self.json.push(argument, out)?;
        self.json.finish(out)?;
        self.behind(0, rest, out)
    }

    /// `)`, perhaps `;`, and nothing more.
    fn behind(&mut self, mut signs: u8, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        for &byte in input {
            match (signs, byte) {
                (_, b' ' | b'\t' | b'\r' | b'\n') => {}
                (0, b')') | (1, b';') => signs += 1,
                _ => return Err(RedactError::Malformed),
            }
            out.push(byte);
        }
        self.part = Part::Behind(signs);
        Ok(())
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.part == Part::Front {
            self.part = Part::Text;
            let held = std::mem::take(&mut self.held);
            self.json.push(&held, out)?;
        }
        match self.part {
            Part::Behind(0) => Err(RedactError::Truncated),
            Part::Behind(_) => Ok(()),
            Part::Front | Part::Text | Part::Argument => self.json.finish(out),
        }
    }
}

#[cfg(test)]
mod tests;
