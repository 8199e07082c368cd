//! Lines above the names of the columns: `Notes de la 6A;;;`, `Export du 12 mai`, a blank one, and then the header.
//!
//! They are held until the first row of names. Where it is not plain which row that is, the first row of the table counts
//! as it does without titles, and whatever does not fit is refused.

use super::row::{Cell, Dialect, Row};
use super::{Edit, Rows, dialect, may_be_name, value};
use crate::policy::set::CategorySet;
use crate::redact::judge::{Left, Verdict};
use crate::redact::place::Field;
use crate::redact::{Header, RedactError};

/// Most lines above the header.
const MAX_TITLES: usize = 16;
/// Longest of them, all together.
const MAX_BYTES: usize = 16 * 1024;
/// Cells with names that are known: fewer of them may be a line of data below a title.
const KNOWN: usize = 2;
/// Most cells of a title that hold something: `Classe;6A`.
const FILLED: usize = 2;

/// The lines that may be titles.
#[derive(Debug, Default)]
pub(super) struct Titles {
    held: Vec<u8>,
    ends: Vec<usize>,
    /// The header was met, or the first row is taken for it.
    over: bool,
}

/// What a row is, where no header was met yet.
enum Met {
    /// It names columns, in this dialect: so many of the names are known.
    Names { known: usize, columns: usize, dialect: Dialect },
    /// Nothing in it is known.
    Other,
}

impl Rows {
    /// A row in front of which no header was met. `true` where it is held.
    pub(super) fn holds(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<bool, RedactError> {
        if self.titles.over || self.header == Header::Absent {
            return Ok(false);
        }
        let first = self.titles.ends.is_empty();
        let text = std::str::from_utf8(bytes).map_err(|_| RedactError::NotUtf8)?;
        let line = if self.started { text } else { text.trim_start_matches('\u{feff}') };
        let named = first && self.separator.is_none() && dialect::named(line.as_bytes()).is_some();
        if first && (line.trim_end_matches(['\r', '\n']).is_empty() || named) {
            return Ok(false);
        }
        match self.meets(line) {
            Met::Names { .. } if first => self.titles.over = true,
            Met::Names { known, columns, dialect } => {
                if known < KNOWN || !self.write_titles(columns, dialect, out)? {
                    self.first_counts(out)?;
                }
                self.titles.over = true;
            }
            Met::Other => {
                self.titles.held.extend_from_slice(bytes);
                self.titles.ends.push(self.titles.held.len());
                if self.titles.ends.len() > MAX_TITLES || self.titles.held.len() > MAX_BYTES {
                    self.first_counts(out)?;
                }
                return Ok(true);
            }
        }
        Ok(false)
    }

    /// There is no header below the first row: it is that itself, and the others are rows.
    pub(super) fn first_counts(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Titles { held, ends, .. } = std::mem::take(&mut self.titles);
        let mut skipped = 0;
        if let Some((below, columns, dialect)) = self.unknown_columns(&held, &ends) {
            let above = ends.get(..below).unwrap_or_default();
            let end = above.last().copied().unwrap_or_default();
            self.titles = Titles { held: held[..end].to_vec(), ends: above.to_vec(), over: false };
            skipped = if self.write_titles(columns, dialect, out)? { below } else { 0 };
        }
        self.titles = Titles { over: true, ..Titles::default() };
        let mut from = skipped.checked_sub(1).map_or(0, |last| ends[last]);
        for end in ends.into_iter().skip(skipped) {
            self.take(&held[from..end], out)?;
            from = end;
        }
        Ok(())
    }

    /// The first row of three columns or more below the first row of all, if nothing in it is known, so that no column of it is
    /// anything; how many they are, and its dialect.
    fn unknown_columns(&mut self, held: &[u8], ends: &[usize]) -> Option<(usize, usize, Dialect)> {
        ends.windows(2).zip(1..).find_map(|(span, place)| {
            let line = std::str::from_utf8(&held[span[0]..span[1]]).ok()?;
            let dialect = self.dialect_of(line)?;
            let mut row = Row::default();
            let whole = row.read(line.as_bytes(), dialect, true) == Ok(Some(line.len()));
            let filled = row.cells.iter().filter(|cell| cell.start < cell.end).count();
            let unknown = row.cells.iter().all(|&cell| !self.is_known(value(line, cell).trim()));
            (whole && unknown && filled > FILLED).then_some((place, row.cells.len(), dialect))
        })
    }

    /// How a line that is no first row is split, where there is one way.
    fn dialect_of(&self, line: &str) -> Option<Dialect> {
        let newline = dialect::newline(line.as_bytes());
        match self.separator {
            Some(separator) => Some(Dialect { separator, newline }),
            None => {
                let detected = dialect::detect(line.as_bytes(), newline).ok()?;
                (!detected.doubtful).then_some(detected.dialect)
            }
        }
    }

    fn meets(&mut self, line: &str) -> Met {
        // Of the first row its own judgement says more.
        let first = self.titles.ends.is_empty();
        let newline = dialect::newline(line.as_bytes());
        let fallback = || first.then(|| dialect::detect(line.as_bytes(), newline).ok()).flatten();
        let Some(dialect) = self.dialect_of(line).or_else(|| Some(fallback()?.dialect)) else {
            return Met::Other;
        };
        let mut row = Row::default();
        // What is no row is judged as the first one, where it stands.
        if row.read(line.as_bytes(), dialect, true) != Ok(Some(line.len())) {
            return Met::Other;
        }
        let known = row.cells.iter().filter(|&&cell| self.is_known(value(line, cell).trim())).count();
        let plain = |cell: &Cell| {
            let name = value(line, *cell);
            may_be_name(&name) && !name.starts_with(|c: char| c.is_ascii_digit())
        };
        // Of the first row nothing else is asked than that it names something.
        if known == 0 || (!first && known >= KNOWN && !row.cells.iter().all(plain)) {
            return Met::Other;
        }
        Met::Names { known, columns: row.cells.len(), dialect }
    }

    /// Whether a column of this name would be one that somebody classified.
    fn is_known(&mut self, name: &str) -> bool {
        let element = self.place.element(self.index);
        self.place.enter(element, true);
        let named = self.place.resolve(name);
        self.place.leave();
        // A rule for every name takes every text.
        (named.field.is_known() || named.relates()) && self.place.knows(name)
    }

    /// Writes what may leave of the lines above a header of so many columns: they are texts that nobody classified. `false`
    /// where one of them may be something else.
    fn write_titles(
        &mut self,
        columns: usize,
        dialect: Dialect,
        out: &mut Vec<u8>,
    ) -> Result<bool, RedactError> {
        let Titles { held, ends, .. } = std::mem::take(&mut self.titles);
        let text = std::str::from_utf8(&held).map_err(|_| RedactError::NotUtf8)?;
        let mark = if self.started { 0 } else { text.len() - text.trim_start_matches('\u{feff}').len() };
        let mut rows = Vec::new();
        let mut from = mark;
        for &end in &ends {
            let (mut row, line) = (Row::default(), &text[from..end]);
            let whole = row.read(line.as_bytes(), dialect, true) == Ok(Some(line.len()));
            if !whole || !self.is_title(&row, line, columns) {
                self.titles = Titles { held, ends, over: false };
                return Ok(false);
            }
            rows.push((row, line));
            from = end;
        }
        self.started = true;
        out.extend_from_slice(&held[..mark]);
        let visible = self.judge.task.audience.sees.any;
        for (row, line) in rows {
            self.write_title(&row, line, visible, out);
        }
        Ok(true)
    }

    /// Whether a line is a title: next to nothing stands in it, and no name beside its value.
    fn is_title(&mut self, row: &Row, line: &str, columns: usize) -> bool {
        let filled: Vec<_> = row.cells.iter().filter(|cell| cell.start < cell.end).collect();
        filled.len() <= FILLED.min(columns - 1)
            && filled.into_iter().all(|&cell| {
                let text = value(line, cell);
                let label = text.split([':', '=', '\t']).next().unwrap_or_default();
                !self.is_known(text.trim()) && !self.is_known(label.trim())
            })
    }

    fn write_title(&mut self, row: &Row, line: &str, visible: CategorySet, out: &mut Vec<u8>) {
        let mut edit = Edit::new(row, line, out);
        for &cell in row.cells.iter().filter(|cell| cell.start < cell.end) {
            if self.judge.judge(Field::default(), visible) != Verdict::Keep {
                edit.replace(cell, None);
                continue;
            }
            match self.judge.left(&value(line, cell), Field::FREE_TEXT, visible) {
                Left::Same => {}
                Left::Instead(left) => edit.replace(cell, Some(&left)),
                Left::Nothing => edit.replace(cell, None),
            }
        }
        edit.finish();
    }
}
