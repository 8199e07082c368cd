//! Pages (WHATWG HTML), streaming.
//!
//! A form field, a column of a table, a term of a list and an attribute that names what its element holds are names, as a
//! JSON member's is: their values are judged. Text that has no name goes through the charter's detectors. Comments leave
//! empty. What a browser and another reader would take for different things is refused: the page must be sound where names
//! and values stand, and may be sloppy elsewhere.

mod attributes;
mod beside;
mod element;
mod entity;
mod field;
mod grid;
mod lexer;
mod line;
mod page;
mod prose;
mod raw;
mod rows;
mod shown;
mod structure;
mod tag;
#[cfg(test)]
mod tests;

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

/// Redacts one page.
pub(super) struct HtmlRedactor {
    utf8: Utf8,
    lexer: Lexer,
    page: Page,
    refused: Refused,
    /// The first bytes, as far as they could be a mark.
    start: Option<Vec<u8>>,
}

impl HtmlRedactor {
    /// A redactor for one body, which comes in UTF-8; `charset` is what was said of it.
    pub(super) fn new(task: Task, charset: Charset) -> Self {
        Self {
            utf8: Utf8::default(),
            lexer: Lexer::new(),
            page: Page::new(task, charset),
            refused: Refused::default(),
            start: Some(Vec::new()),
        }
    }
}

impl Redact for HtmlRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { utf8, lexer, page, refused, start } = self;
        Refused::guard(refused, || {
            let joined;
            let mut input = input;
            if let Some(held) = start {
                held.extend_from_slice(input);
                if held.len() < MARK.len() && MARK.starts_with(held) {
                    return Ok(());
                }
                if held.starts_with(MARK) {
                    out.extend_from_slice(MARK);
                }
                joined = start.take().unwrap_or_default();
                input = &joined;
            }
            utf8.cut(input, |text| lexer.push(text, &mut Pass { page, out }))
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { utf8, lexer, page, refused, start } = self;
        let result = Refused::guard(refused, || {
            if let Some(held) = start.take() {
                utf8.cut(&held, |text| lexer.push(text, &mut Pass { page, out }))?;
            }
            utf8.finish()?;
            if !lexer.may_end() {
                return Err(RedactError::Truncated);
            }
            page.finish(out)
        });
        refused.end();
        result
    }

    fn tally(&self) -> Tally {
        self.page.tally()
    }
}
