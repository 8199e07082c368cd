//! Pages (WHATWG HTML), streaming.
//!
//! A form field, a column of a table, a term of a list and an attribute that names what its element holds are names, as a
//! JSON member's is: their values are judged. Text that has no name goes through the charter's detectors. Comments leave
//! empty. What a browser and another reader would take for different things is refused: the page must be sound where names
//! and values stand, and may be sloppy elsewhere.

mod again;
mod attributes;
mod beside;
mod element;
mod entity;
mod field;
mod form;
mod grid;
mod lexer;
mod line;
mod page;
mod prose;
mod raw;
mod rows;
mod run;
mod shown;
mod structure;
mod tag;
#[cfg(test)]
mod tests;
mod vocabulary;

use again::{Known, Memory};
use lexer::Lexer;
use page::Page;
use structure::Pass;

use super::json::Utf8;
use super::judge::Refused;
use super::{Charset, Redact, RedactError, Tally, Task};

/// Longest tag, in bytes.
pub const MAX_PAGE_TAG: usize = lexer::MAX_TAG;
/// Longest script of a page, in bytes.
pub const MAX_SCRIPT: usize = raw::MAX_SCRIPT;

/// A byte order mark, by which browsers know UTF-8.
const MARK: &[u8] = b"\xef\xbb\xbf";

/// Longest page that is read to its end before any of it leaves: what it says last counts for what stood first.
const MOST_HELD: usize = 1024 * 1024;

/// Redacts one page.
pub(super) struct HtmlRedactor {
    task: Task,
    charset: Charset,
    utf8: Utf8,
    lexer: Lexer,
    page: Page,
    refused: Refused,
    /// The first bytes, as far as they could be a mark.
    start: Option<Vec<u8>>,
    held: Option<Held>,
}

/// A page that may be read again.
#[derive(Default)]
struct Held {
    raw: Vec<u8>,
    out: Vec<u8>,
}

impl HtmlRedactor {
    /// A redactor for one body, which comes in UTF-8; `charset` is what was said of it.
    pub(super) fn new(task: Task, charset: Charset) -> Self {
        let page = Page::new(task.clone(), charset, Memory::first());
        let held = page.may_be_read_again().then(Held::default);
        Self {
            task,
            charset,
            utf8: Utf8::default(),
            lexer: Lexer::new(),
            page,
            refused: Refused::default(),
            start: Some(Vec::new()),
            held,
        }
    }

    fn guard(&mut self, step: impl FnOnce(&mut Self) -> Result<(), RedactError>) -> Result<(), RedactError> {
        let mut refused = std::mem::take(&mut self.refused);
        let result = Refused::guard(&mut refused, || step(self));
        self.refused = refused;
        result
    }

    fn take(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Some(held) = &mut self.held else { return self.read(input, out) };
        held.raw.extend_from_slice(input);
        if held.raw.len() > MOST_HELD {
            // It is too long to wait for its end: from now on it is read as it comes.
            let raw = std::mem::take(&mut held.raw);
            return self.read_again(&raw, Known::default(), out);
        }
        let mut ready = std::mem::take(&mut held.out);
        let result = self.read(input, &mut ready);
        if let Some(held) = &mut self.held {
            held.out = ready;
        }
        result
    }

    fn read(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { utf8, lexer, page, .. } = self;
        utf8.cut(input, |text| lexer.push(text, &mut Pass { page, out }))
    }

    fn read_again(&mut self, raw: &[u8], known: Known, out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.held = None;
        self.page = Page::new(self.task.clone(), self.charset, Memory::last(known));
        (self.utf8, self.lexer) = (Utf8::default(), Lexer::new());
        self.read(raw, out)
    }

    fn end(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.utf8.finish()?;
        if !self.lexer.may_end() {
            return Err(RedactError::Truncated);
        }
        self.page.finish(out)
    }
}

impl Redact for HtmlRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.guard(|this| {
            let joined;
            let mut input = input;
            if let Some(held) = &mut this.start {
                held.extend_from_slice(input);
                if held.len() < MARK.len() && MARK.starts_with(held) {
                    return Ok(());
                }
                if held.starts_with(MARK) {
                    out.extend_from_slice(MARK);
                }
                joined = this.start.take().unwrap_or_default();
                input = &joined;
            }
            this.take(input, out)
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let result = self.guard(|this| {
            if let Some(start) = this.start.take() {
                this.take(&start, out)?;
            }
            let Some(Held { raw, out: mut ready }) = this.held.take() else { return this.end(out) };
            this.end(&mut ready)?;
            match this.page.must_be_read_again() {
                None => out.append(&mut ready),
                Some(known) => {
                    this.read_again(&raw, known, out)?;
                    this.end(out)?;
                }
            }
            Ok(())
        });
        self.refused.end();
        result
    }

    fn tally(&self) -> Tally {
        self.page.tally()
    }
}
