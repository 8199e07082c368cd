//! Tables of text: CSV (RFC 4180, as spreadsheets write it) and tab-separated values.
//!
//! A row is read as an element of the root array, a column as its member. Rows are judged whole, so that nothing leaves
//! of one that is malformed, and whose it is may stand in its last column. Columns stay where they are: what goes leaves
//! an empty cell. Lines above the names of the columns are titles where that is plain.

mod dialect;
mod row;
mod titles;

use std::borrow::Cow;

pub use row::MAX_COLUMNS;
use row::{Cell, Dialect, Ends, Row};
use titles::Titles;

use super::judge::{Judge, Left, Refused, Verdict};
use super::place::{Named, Place};
use super::whose::Whose;
use super::{Redact, RedactError, Tally, Task, nested};
use crate::policy::set::CategorySet;

/// Longest row, in bytes, where nothing depends on whose it is; elsewhere `record_bytes` of the route is the bound.
pub const MAX_ROW: usize = 1024 * 1024;

/// First rows, and rows behind a blank one, that are not taken for data if they look like the names of columns: there
/// was a title above the header, or this is another table.
const SUSPECTED: u32 = 64;

/// Whether a table's first row names its columns (RFC 7111 `header`).
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Header {
    /// It does, or nobody said.
    #[default]
    Present,
    /// The sender says that it does not.
    Absent,
}

/// Redacts one table in UTF-8.
pub(super) struct TableRedactor {
    refused: Refused,
    rows: Rows,
    /// The row that is not complete.
    held: Vec<u8>,
    ends: Ends,
}

/// A column, as its name classifies it.
#[derive(Debug)]
struct Column {
    name: String,
    named: Named,
    /// Its values are counted or changed for those who see of the record what anybody's opens.
    minded: bool,
}

struct Rows {
    judge: Judge,
    place: Place,
    header: Header,
    relates: bool,
    is_record: bool,
    bound: usize,
    /// Fixed by media type or by the table's own first line, until the header tells.
    separator: Option<u8>,
    dialect: Option<Dialect>,
    /// Every row must be as wide as the header.
    doubtful: bool,
    columns: Vec<Column>,
    minded: bool,
    relations: Vec<usize>,
    /// Rows read; those from which on the plan has no paths for single ones.
    index: u32,
    alike_from: u32,
    suspected: u32,
    started: bool,
    titles: Titles,
    row: Row,
}

impl TableRedactor {
    pub(super) fn new(task: Task, separator: Option<u8>, header: Header) -> Self {
        let judge = Judge::new(task);
        let relates = judge.relates();
        let plan = &judge.task.plan;
        let mut place = Place::new(plan.clone());
        place.enter(place.root(), false);
        let alike_from = plan.distinct_elements() as u32;
        let bound = if relates { plan.record_bytes() as usize } else { MAX_ROW };
        let rows = Rows {
            judge,
            place,
            header,
            relates,
            is_record: false,
            bound,
            separator,
            dialect: None,
            doubtful: false,
            columns: Vec::new(),
            minded: false,
            relations: Vec::new(),
            index: 0,
            alike_from,
            suspected: SUSPECTED,
            started: false,
            titles: Titles::default(),
            row: Row::default(),
        };
        Self { refused: Refused::default(), rows, held: Vec::new(), ends: Ends::default() }
    }
}

impl Redact for TableRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { refused, rows, held, ends } = self;
        Refused::guard(refused, || {
            // No text has it; UTF-16 and UTF-32 do, and names could hide behind it.
            if memchr::memchr(0, input).is_some() {
                return Err(RedactError::Malformed);
            }
            let mut rest = input;
            while !rest.is_empty() {
                if held.is_empty()
                    && let Some(dialect) = rows.dialect
                {
                    rest = rows.run(rest, dialect, out)?;
                    if rest.is_empty() {
                        break;
                    }
                }
                let end = ends.next(rest);
                let (now, later) = rest.split_at(end.unwrap_or(rest.len()));
                held.extend_from_slice(now);
                rest = later;
                if held.len() > rows.bound {
                    return Err(RedactError::TooLong);
                }
                if end.is_some() {
                    rows.next(held, out)?;
                    held.clear();
                }
            }
            Ok(())
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { refused, rows, held, .. } = self;
        let result = Refused::guard(refused, || {
            if !held.is_empty() {
                rows.next(held, out)?;
            }
            rows.first_counts(out)
        });
        refused.end();
        result
    }

    fn tally(&self) -> Tally {
        self.rows.judge.tally().clone()
    }
}

impl Rows {
    /// Reads the complete rows at the beginning of these bytes, and gives what is left.
    fn run<'a>(
        &mut self,
        bytes: &'a [u8],
        dialect: Dialect,
        out: &mut Vec<u8>,
    ) -> Result<&'a [u8], RedactError> {
        let mut rest = bytes;
        let mut written = bytes;
        let mut row = std::mem::take(&mut self.row);
        while !rest.is_empty() {
            let Some(length) = row.read(rest, dialect, false)? else { break };
            let (now, later) = rest.split_at(length);
            if now.len() > self.bound {
                return Err(RedactError::TooLong);
            }
            let text = std::str::from_utf8(now).map_err(|_| RedactError::NotUtf8)?;
            if self.minds(&row) {
                out.extend_from_slice(&written[..written.len() - rest.len()]);
                self.judge(&row, text, out)?;
                written = later;
            }
            rest = later;
        }
        out.extend_from_slice(&written[..written.len() - rest.len()]);
        self.row = row;
        Ok(rest)
    }

    /// The next row, with its end of line if it has one.
    fn next(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.dialect.is_none() && self.holds(bytes, out)? { Ok(()) } else { self.take(bytes, out) }
    }

    /// One row that was held.
    fn take(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RedactError::NotUtf8)?;
        let mark = if self.started { 0 } else { text.len() - text.trim_start_matches('\u{feff}').len() };
        self.started = true;
        out.extend_from_slice(&bytes[..mark]);
        let (text, bytes) = (&text[mark..], &bytes[mark..]);
        let is_header = self.dialect.is_none();
        let dialect = match self.dialect {
            Some(dialect) => dialect,
            None => {
                if text.trim_end_matches(['\r', '\n']).is_empty() {
                    out.extend_from_slice(bytes);
                    return Ok(());
                }
                if self.separator.is_none()
                    && let Some(separator) = dialect::named(bytes)
                {
                    self.separator = Some(separator);
                    out.extend_from_slice(bytes);
                    return Ok(());
                }
                let newline = dialect::newline(bytes);
                match self.separator {
                    Some(separator) => Dialect { separator, newline },
                    None => {
                        let detected = dialect::detect(bytes, newline)?;
                        self.doubtful = detected.doubtful;
                        detected.dialect
                    }
                }
            }
        };
        let mut row = std::mem::take(&mut self.row);
        // The parity of quotes and the grammar must agree on where it ends.
        if row.read(bytes, dialect, true)? != Some(bytes.len()) {
            return Err(RedactError::Malformed);
        }
        self.dialect = Some(dialect);
        if is_header {
            if row.cells.len() == 1 && dialect::is_split(&row, bytes) {
                return Err(RedactError::Malformed);
            }
            self.name_columns(&row, text);
        }
        if is_header && self.header == Header::Present {
            self.write_header(&row, text, out);
        } else if self.minds(&row) {
            self.judge(&row, text, out)?;
        } else {
            out.extend_from_slice(bytes);
        }
        self.row = row;
        Ok(())
    }

    /// Classifies the columns by the row of names, or by their places where there is none.
    fn name_columns(&mut self, row: &Row, text: &str) {
        for &cell in &row.cells {
            let name = match self.header {
                Header::Present => value(text, cell).trim().to_owned(),
                Header::Absent => String::new(),
            };
            self.columns.push(Column { name, named: Named::default(), minded: false });
        }
        self.classify();
    }

    /// What the plan says of the columns in this row.
    fn classify(&mut self) {
        let element = self.place.element(self.index);
        let is_object = self.header == Header::Present;
        self.is_record = is_object && element.is_record();
        self.place.enter(element, is_object);
        self.relations.clear();
        self.minded = false;
        for (at, column) in self.columns.iter_mut().enumerate() {
            column.named = match self.header {
                Header::Present => self.place.resolve(&column.name),
                Header::Absent => Named { field: self.place.element(at as u32), ..Named::default() },
            };
            column.minded = self.judge.minds(column.named.field, self.judge.task.audience.sees.any);
            self.minded |= column.minded;
            if column.named.relates() {
                self.relations.push(at);
            }
        }
        self.place.leave();
    }

    /// The names of columns leave, but for those that nobody classified where such do not leave: a first row may be data.
    fn write_header(&mut self, row: &Row, text: &str, out: &mut Vec<u8>) {
        let any = self.judge.task.audience.sees.any;
        let mut edit = Edit::new(row, text, out);
        for (cell, column) in row.cells.iter().zip(&self.columns) {
            if self.judge.drops(column.named.field) {
                edit.replace(*cell, None);
            } else if let Some(name) = self.judge.name(&column.name, column.named.field, any) {
                edit.replace(*cell, Some(&name));
            }
        }
        edit.finish();
    }

    /// Whether a row must be looked at, cell by cell.
    fn minds(&self, row: &Row) -> bool {
        self.minded
            || row.may_nest
            || self.suspected > 0
            || self.index <= self.alike_from
            || row.cells.len() > self.columns.len()
            // Blank, perhaps.
            || row.cells.first().is_none_or(|cell| cell.start == cell.end)
            || row.cells.len() == 1
            || self.doubtful
    }

    /// Judges one row of data, and writes what of it may leave.
    fn judge(&mut self, row: &Row, text: &str, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if row.is_blank() {
            // Another table may follow.
            self.suspected = self.suspected.max(1 + u32::from(self.index == 0));
            out.extend_from_slice(text.as_bytes());
            return Ok(());
        }
        self.check(row, text)?;
        if self.index <= self.alike_from && self.alike_from > 0 {
            self.classify();
        }
        self.index = self.index.saturating_add(1);
        let visible = self.visible(row, text);
        let mut edit = Edit::new(row, text, out);
        for (&cell, column) in row.cells.iter().zip(&self.columns) {
            let may_nest = row.may_nest && nested::may_hold(&text.as_bytes()[cell.start..cell.end]);
            if !column.minded && !may_nest {
                continue;
            }
            let field = column.named.field;
            let verdict = if column.minded { self.judge.judge(field, visible) } else { Verdict::Keep };
            match verdict {
                _ if cell.start == cell.end => {}
                Verdict::Keep => match self.judge.left(&value(text, cell), field, visible) {
                    Left::Same => {}
                    Left::Instead(left) => edit.replace(cell, Some(&left)),
                    Left::Nothing => edit.replace(cell, None),
                },
                Verdict::Hide(category) => {
                    let value = value(text, cell);
                    self.judge.note(category, &value);
                    edit.replace(cell, self.judge.stand_in(category, &value).as_deref());
                }
                Verdict::Drop => edit.replace(cell, None),
            }
        }
        edit.finish();
        Ok(())
    }

    /// Refuses rows that do not belong below the header.
    fn check(&mut self, row: &Row, text: &str) -> Result<(), RedactError> {
        let width = self.columns.len();
        let surplus = row.cells.iter().skip(width).any(|cell| !cell.outer().is_empty());
        let split = width == 1 && self.separator.is_none() && dialect::is_split(row, text.as_bytes());
        if surplus || split || (self.doubtful && row.cells.len() != width) {
            return Err(RedactError::Malformed);
        }
        if self.header == Header::Absent && (self.judge.denies() || self.judge.reports()) {
            return Err(RedactError::Opaque);
        }
        if self.suspected > 0 {
            self.suspected -= 1;
            if self.is_header_of_others(row, text) {
                return Err(RedactError::Malformed);
            }
            let names = self.is_header(row, text) || self.is_header_below(row, text);
            if !self.judge.denies() && self.header == Header::Present && names {
                return Err(RedactError::Malformed);
            }
        }
        Ok(())
    }

    /// Whether a row has the names of other columns than the header.
    fn is_header(&mut self, row: &Row, text: &str) -> bool {
        let (mut named, mut elsewhere) = (0, false);
        let element = self.place.element(self.index);
        self.place.enter(element, true);
        for (cell, column) in row.cells.iter().zip(&self.columns) {
            let name = value(text, *cell);
            let field = self.place.resolve(name.trim()).field;
            // A rule for every name takes every text.
            if field.is_personal() && may_be_name(&name) && self.place.knows(name.trim()) {
                named += 1;
                elsewhere |= field.class != column.named.field.class;
            }
        }
        self.place.leave();
        let unnamed = !self.columns.iter().any(|column| column.named.field.is_personal());
        elsewhere && (named > 1 || unnamed)
    }

    /// Whether a row of one cell is the names of columns for who splits it otherwise: the first row was none of this table.
    fn is_header_of_others(&mut self, row: &Row, text: &str) -> bool {
        let [cell] = row.cells[..] else { return false };
        // Where nobody named the separator, one column is one that cannot be split.
        if cell.quoted || self.columns.len() == 1 && self.separator.is_none() {
            return false;
        }
        let line = value(text, cell);
        let element = self.place.element(self.index);
        self.place.enter(element, true);
        let named = dialect::split(&line).any(|name| {
            let name = name.trim_matches(['"', ' ']);
            may_be_name(name) && self.place.knows(name) && self.place.resolve(name).field.is_personal()
        });
        self.place.leave();
        named
    }

    /// Whether names stand below each other: `nom;Jean`, then `email;jean@x.fr`.
    fn is_header_below(&mut self, row: &Row, text: &str) -> bool {
        let Some(cell) = row.cells.first().filter(|_| self.columns.len() == 2) else { return false };
        let named = self.columns.first().is_some_and(|column| column.named.field.is_personal());
        let name = value(text, *cell);
        if !named || !may_be_name(&name) || !self.place.knows(name.trim()) {
            return false;
        }
        let element = self.place.element(self.index);
        self.place.enter(element, true);
        let field = self.place.resolve(name.trim()).field;
        self.place.leave();
        field.is_personal()
    }

    /// What this audience sees of this row.
    fn visible(&self, row: &Row, text: &str) -> CategorySet {
        let Task { plan, audience, .. } = &self.judge.task;
        if !(self.relates && self.is_record) {
            return audience.sees.any;
        }
        let mut whose = Whose::default();
        for &at in &self.relations {
            if let (Some(&cell), Some(column)) = (row.cells.get(at), self.columns.get(at)) {
                whose.named(column.named.relation, Some(value(text, cell).as_bytes()), plan, audience);
            }
        }
        whose.visible(audience)
    }
}

/// Whether a cell of data could be a name: what has other signs in it is a text in which a name stands.
fn may_be_name(cell: &str) -> bool {
    cell.len() <= 64 && !cell.contains(['{', '"', ':', '/', '(', ',', ';', '@', '?', '#', '<', '\''])
}

/// The text of a cell.
fn value(text: &str, cell: Cell) -> Cow<'_, str> {
    let raw = text.get(cell.start..cell.end).unwrap_or_default();
    if cell.quoted && raw.contains('"') { Cow::Owned(raw.replace("\"\"", "\"")) } else { Cow::Borrowed(raw) }
}

/// A row on its way out: written in pieces around what is replaced.
struct Edit<'a> {
    text: &'a str,
    written: usize,
    /// Whether the row has no other cell: an empty one would make a blank line, which readers pass over.
    alone: bool,
    out: &'a mut Vec<u8>,
}

impl<'a> Edit<'a> {
    fn new(row: &Row, text: &'a str, out: &'a mut Vec<u8>) -> Self {
        Self { text, written: 0, alone: row.cells.len() == 1, out }
    }

    /// Another text for a cell, quoted where it was or has to be; an empty cell for none.
    fn replace(&mut self, cell: Cell, text: Option<&str>) {
        let place = cell.outer();
        let raw = self.text.as_bytes();
        self.out.extend_from_slice(&raw[self.written..place.start]);
        self.written = place.end;
        let quoted = match text {
            None | Some("") => self.alone,
            Some(text) => cell.quoted || text.bytes().any(|byte| b"\",;|\t\r\n".contains(&byte)),
        };
        let quote: &[u8] = if quoted { b"\"" } else { b"" };
        self.out.extend_from_slice(quote);
        match text {
            Some(text) if text.contains('"') => self.out.extend(text.replace('"', "\"\"").bytes()),
            Some(text) => self.out.extend_from_slice(text.as_bytes()),
            None => {}
        }
        self.out.extend_from_slice(quote);
    }

    fn finish(self) {
        self.out.extend_from_slice(&self.text.as_bytes()[self.written..]);
    }
}

#[cfg(test)]
mod tests;
