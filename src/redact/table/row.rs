//! One row: its cells, and where it ends.

use memchr::{memchr, memchr3};

use crate::redact::{RedactError, nested};

/// Most cells of a row: a spreadsheet's widest.
pub const MAX_COLUMNS: usize = 16 * 1024;

/// How a table separates its cells and rows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Dialect {
    pub(super) separator: u8,
    /// The last byte of a row: `\n` (`\r` in front of it belongs to it), or `\r` as old Macintoshes wrote.
    pub(super) newline: u8,
}

/// A cell's text, without its quotes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Cell {
    pub(super) start: usize,
    pub(super) end: usize,
    pub(super) quoted: bool,
}

impl Cell {
    /// Where it stands with its quotes.
    pub(super) fn outer(self) -> std::ops::Range<usize> {
        let quote = usize::from(self.quoted);
        self.start - quote..self.end + quote
    }
}

/// The cells of one row; reused for the next.
#[derive(Debug, Default)]
pub(super) struct Row {
    pub(super) cells: Vec<Cell>,
    /// A cell may be a document.
    pub(super) may_nest: bool,
}

impl Row {
    /// Reads the row at the beginning of these bytes, and gives its length with its end of line; `None` where it may go
    /// on behind them. `last` says that it cannot.
    ///
    /// RFC 4180, and nothing that two readers take for different cells: no quote in an unquoted cell (but `="0612"`,
    /// by which spreadsheets keep a text a text), nothing between a quote and the separator, no half end of line.
    pub(super) fn read(
        &mut self,
        bytes: &[u8],
        dialect: Dialect,
        last: bool,
    ) -> Result<Option<usize>, RedactError> {
        let Dialect { separator, newline } = dialect;
        self.cells.clear();
        self.may_nest = false;
        let mut start = 0;
        loop {
            if self.cells.len() == MAX_COLUMNS {
                return Err(RedactError::TooLong);
            }
            if bytes.get(start) == Some(&b'"') {
                let Some(end) = closing_quote(bytes, start + 1) else {
                    return if last { Err(RedactError::Truncated) } else { Ok(None) };
                };
                let cell = Cell { start: start + 1, end, quoted: true };
                self.may_nest |= nested::may_hold(&bytes[cell.start..end]);
                self.cells.push(cell);
                let Some(&next) = bytes.get(end + 1) else {
                    return if last { self.whole(bytes, end + 1, newline) } else { Ok(None) };
                };
                if next == separator {
                    start = end + 2;
                    continue;
                }
                let length = end_of_row(bytes, end + 1, newline, last)?;
                self.whole(bytes, end + 1, newline)?;
                return Ok(length);
            }
            let mut from = start;
            let (at, found) = loop {
                match memchr3(separator, b'"', newline, &bytes[from..]) {
                    Some(at) if bytes[from + at] == b'"' => match end_of_formula(bytes, start, from + at) {
                        Formula::Ends(end) => from = end,
                        Formula::Open if !last => return Ok(None),
                        Formula::Open | Formula::Not => return Err(RedactError::Malformed),
                    },
                    Some(at) => break (from + at, true),
                    None => break (bytes.len(), false),
                }
            };
            self.may_nest |= nested::may_hold(&bytes[start..at]);
            if found && bytes[at] == separator {
                self.cells.push(Cell { start, end: at, quoted: false });
                start = at + 1;
                continue;
            }
            if !found && !last {
                return Ok(None);
            }
            let end = at - usize::from(found && newline == b'\n' && bytes[start..at].ends_with(b"\r"));
            self.cells.push(Cell { start, end, quoted: false });
            self.whole(bytes, end, newline)?;
            return if found { end_of_row(bytes, end, newline, last) } else { Ok(Some(at)) };
        }
    }

    /// Refuses the other half of an end of line in an unquoted cell, at which some readers end the row.
    fn whole(&self, bytes: &[u8], end: usize, newline: u8) -> Result<Option<usize>, RedactError> {
        let other = if newline == b'\n' { b'\r' } else { b'\n' };
        let stands = |bytes: &[u8]| memchr(other, bytes).is_some();
        let split = |cell: &Cell| !cell.quoted && stands(&bytes[cell.start..cell.end]);
        if stands(&bytes[..end]) && self.cells.iter().any(split) {
            return Err(RedactError::Malformed);
        }
        Ok(Some(end))
    }

    /// Whether nothing stands in it.
    pub(super) fn is_blank(&self) -> bool {
        self.cells.iter().all(|cell| cell.start == cell.end)
    }
}

/// The one end of line that stands here; what follows it.
fn end_of_row(bytes: &[u8], at: usize, newline: u8, last: bool) -> Result<Option<usize>, RedactError> {
    match (&bytes[at..], newline) {
        ([b'\n', ..], b'\n') => Ok(Some(at + 1)),
        ([b'\r', b'\n', ..], b'\n') => Ok(Some(at + 2)),
        ([b'\r'], _) if !last => Ok(None),
        ([b'\r'], b'\r') => Ok(Some(at + 1)),
        ([b'\r', next, ..], b'\r') if *next != b'\n' => Ok(Some(at + 1)),
        _ => Err(RedactError::Malformed),
    }
}

/// The quote that is not doubled.
fn closing_quote(bytes: &[u8], mut from: usize) -> Option<usize> {
    loop {
        let at = from + memchr(b'"', bytes.get(from..)?)?;
        if bytes.get(at + 1) != Some(&b'"') {
            return Some(at);
        }
        from = at + 2;
    }
}

/// A quote in an unquoted cell.
enum Formula {
    /// It is that of `="text"`, which ends here: no reader can take it for two cells.
    Ends(usize),
    /// It may be, in the bytes that follow.
    Open,
    /// It is a stray one.
    Not,
}

fn end_of_formula(bytes: &[u8], start: usize, quote: usize) -> Formula {
    if bytes[start..quote] != *b"=" {
        return Formula::Not;
    }
    let inner = &bytes[quote + 1..];
    let Some(length) = inner.iter().position(|byte| b"\",;\t|\r\n".contains(byte)) else {
        return Formula::Open;
    };
    let follows = inner.get(length + 1).is_none_or(|next| b",;\t|\r\n".contains(next));
    if inner[length] == b'"' && follows { Formula::Ends(quote + length + 2) } else { Formula::Not }
}

/// Finds where rows end in bytes that come in pieces, by the parity of quotes alone: whether the quotes stand where they
/// may, [`Row::read`] says afterwards.
#[derive(Debug, Default)]
pub(super) struct Ends {
    quoted: bool,
    carriage_return: bool,
}

impl Ends {
    /// The place behind the first end of a row in these bytes, which follow those of the last call.
    pub(super) fn next(&mut self, bytes: &[u8]) -> Option<usize> {
        let mut from = 0;
        loop {
            if std::mem::take(&mut self.carriage_return) {
                match bytes.get(from) {
                    Some(b'\n') => return Some(from + 1),
                    Some(_) => return Some(from),
                    None => self.carriage_return = true,
                }
            }
            let at = from + memchr3(b'"', b'\n', b'\r', bytes.get(from..)?)?;
            from = at + 1;
            match bytes[at] {
                b'"' => self.quoted = !self.quoted,
                _ if self.quoted => {}
                b'\r' => self.carriage_return = true,
                _ => return Some(from),
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str, newline: u8, last: bool) -> Result<Option<(Vec<String>, usize)>, RedactError> {
        let mut row = Row::default();
        let length = row.read(text.as_bytes(), Dialect { separator: b';', newline }, last)?;
        let cells = row.cells.iter().map(|cell| text[cell.start..cell.end].to_owned()).collect();
        Ok(length.map(|length| (cells, length)))
    }

    #[test]
    fn rows_are_read_by_rfc_4180() {
        for (text, cells, length) in [
            ("a;b\nc", &["a", "b"][..], 4),
            ("a;b\r\nc", &["a", "b"], 5),
            ("\n", &[""], 1),
            (";\n", &["", ""], 2),
            ("\"a;\"\"\n\";b\n", &["a;\"\"\n", "b"], 10),
            ("\"\";\"\"\r\n", &["", ""], 7),
            ("=\"06\";b\n", &["=\"06\"", "b"], 8),
            ("a b, c;\td\n", &["a b, c", "\td"], 10),
        ] {
            let cells = cells.iter().map(|&cell| cell.to_owned()).collect();
            assert_eq!(read(text, b'\n', false), Ok(Some((cells, length))), "{text:?}");
        }
        assert_eq!(read("a;b\rc", b'\r', false), Ok(Some((vec!["a".into(), "b".into()], 4))));
        assert_eq!(read("a;b", b'\n', true), Ok(Some((vec!["a".into(), "b".into()], 3))));
        assert_eq!(read("a;\"b\"", b'\n', true), Ok(Some((vec!["a".into(), "b".into()], 5))));
    }

    #[test]
    fn what_readers_would_split_differently_is_refused() {
        for text in [
            "a\"b\n",
            " \"a\";b\n",
            "\"a\"b\n",
            "\"a\" ;b\n",
            "=\"a;b\"\n",
            "=\"a\"\"b\"\n",
            "=\"a\"b\n",
            "=\"a,b\"\n",
            "a\rb\n",
            "\"a\"\rb\n",
            "a\r\r\n",
        ] {
            assert_eq!(read(text, b'\n', false), Err(RedactError::Malformed), "{text:?}");
        }
        assert_eq!(read("a\nb\r", b'\r', false), Err(RedactError::Malformed));
        assert_eq!(read("a\r\nb\r", b'\r', false), Err(RedactError::Malformed));
        assert_eq!(read("a\r", b'\n', true), Err(RedactError::Malformed));
        assert_eq!(read("\"a\n", b'\n', true), Err(RedactError::Truncated));
        for text in ["a", "a;", "\"a", "\"a\"", "\"a\"\r", "a\r", "\"a\"\"", ""] {
            assert_eq!(read(text, b'\n', false), Ok(None), "{text:?}");
        }
        assert_eq!(read(&";".repeat(MAX_COLUMNS), b'\n', false), Err(RedactError::TooLong));
    }

    #[test]
    fn ends_are_found_in_pieces() {
        let text = b"a\n\"b\n\"\r\nc\rd";
        let mut ends = Vec::new();
        let (mut finder, mut from) = (Ends::default(), 0);
        for at in 0..text.len() {
            // Byte by byte, again where an end was in front of the byte.
            while let Some(end) = finder.next(&text[at.max(from)..=at]) {
                from = at.max(from) + end;
                ends.push(from);
                if from > at {
                    break;
                }
            }
        }
        assert_eq!(ends, [2, 8, 10]);
    }
}
