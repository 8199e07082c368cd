//! A table as it is read: which columns its cells stand in, and what their names say (WHATWG HTML 4.9.12).

use std::borrow::Cow;
use std::sync::Arc;

use super::attributes::value_of;
use super::entity::{Within, decoded};
use super::tag::Tag;
use crate::policy::set::CategorySet;
use crate::redact::place::{Field, Named, Place};
use crate::redact::{MAX_COLUMNS, RedactError};

/// Longest text that can be a name, in bytes as written.
const LONGEST_NAME: usize = 512;

/// Longest value that a stand-in is derived from.
const LONGEST: usize = crate::redact::MAX_VALUE;

/// A text that is gathered from between tags.
#[derive(Clone, Debug, Default)]
pub(super) struct Gathered {
    raw: Vec<u8>,
    /// Longer than what is kept of a value: nothing can be said about it.
    overlong: bool,
}

impl Gathered {
    pub(super) fn add(&mut self, text: &[u8]) {
        self.overlong |= self.raw.len() + text.len() > LONGEST;
        if !self.overlong {
            self.raw.extend_from_slice(text);
        }
    }

    /// A tag that ends a line.
    pub(super) fn part(&mut self) {
        if self.raw.last().is_some_and(|&last| last != b'\n') {
            self.add(b"\n");
        }
    }

    pub(super) fn is_overlong(&self) -> bool {
        self.overlong
    }

    /// The text, white space around it and between its words once.
    pub(super) fn value(&self) -> String {
        let text = decoded(&self.raw, Within::Text);
        let mut value = String::with_capacity(text.len());
        for word in text.split_whitespace() {
            if !value.is_empty() {
                value.push(' ');
            }
            value.push_str(word);
        }
        value
    }

    /// The text, where it is written as it is read and short enough to be a name.
    pub(super) fn plain(&self) -> Option<&str> {
        let is_plain =
            !self.overlong && self.raw.len() <= LONGEST_NAME && memchr::memchr(b'&', &self.raw).is_none();
        std::str::from_utf8(&self.raw).ok().filter(|_| is_plain)
    }

    /// The names that the text may be: itself, and what it lists (`Nom / Prénom`).
    pub(super) fn names(&self) -> Vec<String> {
        if self.overlong || self.raw.len() > LONGEST_NAME {
            return Vec::new();
        }
        names(&decoded(&self.raw, Within::Text))
    }
}

/// The names that a label may be.
pub(super) fn names(text: &str) -> Vec<String> {
    let mut names = vec![clean(text)];
    let parts = text.split(['/', ',', '|', '\n', '(', ')', '&', ';', '+', '·', '•', '–', '—']);
    for part in parts.flat_map(|part| part.split(" et ")).flat_map(|part| part.split(" and ")).map(clean) {
        if !part.is_empty() && !names.contains(&part) {
            names.push(part);
        }
    }
    names.retain(|name| !name.is_empty());
    names
}

/// Without the signs that stand around labels: `Nom :`, `Nom *`, `▲ Nom`.
fn clean(text: &str) -> String {
    let text = text.trim_matches(|c: char| !c.is_alphanumeric() && c != '_');
    text.split_whitespace().collect::<Vec<_>>().join(" ")
}

/// Attributes by which an element says what it holds.
pub(super) const NAMING: [&[u8]; 12] = [
    b"itemprop",
    b"property",
    b"data-field",
    b"data-label",
    b"data-title",
    b"data-th",
    b"data-column",
    b"data-name",
    b"data-key",
    b"headers",
    b"abbr",
    b"field",
];

/// Where the next tag or text stands.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) enum Zone {
    /// Between rows.
    #[default]
    Between,
    Caption,
    /// Between cells.
    Row,
    Cell,
}

/// A text read as a name: what the plan says of the member of the page that is called so, and of the member of the row.
#[derive(Clone, Debug)]
pub(super) struct Spelt {
    pub(super) name: String,
    pub(super) named: [Named; 2],
}

impl Spelt {
    pub(super) fn is_known(&self) -> bool {
        self.named.iter().any(|named| named.field.is_known())
    }

    fn is_personal(&self) -> bool {
        self.named.iter().any(|named| named.field.is_personal())
    }
}

/// A cell that could name columns.
#[derive(Clone, Debug)]
struct Head {
    from: usize,
    width: usize,
    names: Vec<Spelt>,
    /// Names of which nothing is said here.
    others: Gathered,
    is_head: bool,
}

/// A cell that is open.
#[derive(Clone, Debug, Default)]
pub(super) struct Cell {
    /// `th`
    pub(super) is_head: bool,
    /// `scope=col` or `scope=colgroup`
    pub(super) heads_column: bool,
    pub(super) from: usize,
    pub(super) width: usize,
    rows: u32,
    pub(super) text: Gathered,
    /// Its content is being withheld.
    pub(super) swallows: bool,
    /// Its own attributes named it.
    pub(super) own: Vec<String>,
}

/// An open table.
#[derive(Clone, Debug, Default)]
pub(super) struct Table {
    pub(super) zone: Zone,
    /// Something stood in it: a caption would not be one any more.
    pub(super) begun: bool,
    /// What is visible around it.
    pub(super) outside: CategorySet,
    /// `thead`, `tbody` or `tfoot`, where one is open.
    pub(super) group: Option<Vec<u8>>,
    /// The names of each column, which most rows leave as they are.
    columns: Arc<Vec<Vec<String>>>,
    /// What is said of them in this row, and where that ends for each column.
    named: Vec<Named>,
    ends: Vec<usize>,
    pub(super) headed: bool,
    /// For how many rows, this one too, a cell from above stands in each column.
    carry: Vec<u32>,
    at: usize,
    /// Rows of data so far.
    pub(super) index: u32,
    first: bool,
    pub(super) cell: Option<Cell>,
    /// What cells say of those behind them in their rows, and for how many more rows.
    labels: Vec<(Named, bool, u32)>,
    /// The cells of this row that could be names of columns.
    heads: Vec<Head>,
    cells: usize,
    all_heads: bool,
    heads_columns: bool,
}

impl Table {
    pub(super) fn new(outside: CategorySet) -> Self {
        Self { first: true, outside, ..Self::default() }
    }

    /// A group of rows begins or ends: no cell reaches beyond it.
    pub(super) fn regroup(&mut self, group: Option<&[u8]>) {
        self.begun = true;
        self.group = group.map(<[u8]>::to_vec);
        self.carry.clear();
        self.labels.clear();
    }

    pub(super) fn open_row(&mut self) {
        self.begun = true;
        self.zone = Zone::Row;
        self.at = 0;
        self.cells = 0;
        self.all_heads = true;
        self.heads_columns = false;
        self.heads.clear();
    }

    /// Places a cell.
    pub(super) fn open_cell(&mut self, tag: &Tag, raw: &[u8]) -> Result<(), RedactError> {
        let span = |name: &[u8], least: u32, most: u32| match value_of(tag, raw, name) {
            None => Ok(1),
            Some(text) => match text.trim() {
                "" => Ok(1),
                // Readers take `2x`, `+2` and `-1` for different numbers.
                digits if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
                    Ok(digits.parse().unwrap_or(most).clamp(least, most))
                }
                _ => Err(RedactError::Malformed),
            },
        };
        let width = span(b"colspan", 1, 1000)? as usize;
        let rows = match span(b"rowspan", 0, 65534)? {
            0 => u32::MAX,
            rows => rows,
        };
        while self.carry.get(self.at).is_some_and(|rows| *rows > 0) {
            self.at += 1;
        }
        let from = self.at;
        self.at += width;
        if self.at > MAX_COLUMNS {
            return Err(RedactError::TooLong);
        }
        if self.carry.len() < self.at {
            self.carry.resize(self.at, 0);
        }
        for carried in &mut self.carry[from..self.at] {
            *carried = rows.max(*carried);
        }
        let is_head = tag.name == b"th";
        let scope = value_of(tag, raw, b"scope").map(|scope| scope.trim().to_ascii_lowercase());
        let heads_column = is_head && matches!(scope.as_deref(), Some("col" | "colgroup"));
        self.cells += 1;
        self.all_heads &= is_head;
        self.heads_columns |= heads_column;
        let mut own = Vec::new();
        for name in NAMING {
            if let Some(text) = value_of(tag, raw, name) {
                own.extend(names(&text));
                own.extend(text.split_whitespace().map(str::to_owned));
            }
        }
        self.zone = Zone::Cell;
        self.cell = Some(Cell { is_head, heads_column, from, width, rows, own, ..Cell::default() });
        Ok(())
    }

    /// A cell ended: what its names say of others.
    pub(super) fn close_cell(&mut self, cell: &Cell, names: Vec<Spelt>, others: Gathered) {
        self.zone = Zone::Row;
        let before = self.labels.len();
        for named in names.iter().flat_map(|spelt| spelt.named) {
            if named.field.is_personal() || (cell.is_head && !cell.heads_column && named.field.is_known()) {
                self.labels.push((named, cell.is_head, cell.rows));
            }
        }
        if cell.is_head && self.labels.len() == before {
            // Beside it nothing is known.
            self.labels.push((Named::default(), true, cell.rows));
        }
        self.heads.push(Head { from: cell.from, width: cell.width, names, others, is_head: cell.is_head });
    }

    /// Whether the row that is open is one of names.
    pub(super) fn is_header(&self) -> bool {
        let in_head = self.group.as_deref() == Some(b"thead");
        let any = |is: fn(&Spelt) -> bool| self.heads.iter().flat_map(|head| &head.names).any(is);
        let (any_personal, any_known) = (any(Spelt::is_personal), any(Spelt::is_known));
        self.cells > 0
            && (in_head
                || self.heads_columns
                || (self.all_heads && (self.cells > 1 || any_known))
                || (self.first && !self.is_mixed() && any_personal))
    }

    fn is_mixed(&self) -> bool {
        !self.all_heads && self.heads.iter().any(|head| head.is_head)
    }

    /// Whether the row that is open has as many columns as there are names, if there are any.
    pub(super) fn fits(&self) -> bool {
        let carried = self.carry.iter().skip(self.at).take_while(|rows| **rows > 0).count();
        !self.headed || self.cells == 0 || self.at + carried == self.columns.len()
    }

    /// The row ended: whether it was one of names.
    pub(super) fn close_row(&mut self) {
        let is_header = self.is_header();
        let is_mixed = self.is_mixed();
        self.zone = Zone::Between;
        if self.first && is_mixed && !is_header {
            // `<th>Nom</th><td>Jean</td>`: the first names the second. Of the others a name can only hide.
            self.heads.retain(|head| !head.is_head && head.names.iter().any(Spelt::is_personal));
            let heads = std::mem::take(&mut self.heads);
            self.name_columns(heads);
        }
        if is_header {
            self.headed = true;
            let heads = std::mem::take(&mut self.heads);
            self.name_columns(heads);
            // Names of columns say nothing of the cells beside them any more.
            self.labels.clear();
        } else if self.cells > 0 {
            self.index = self.index.saturating_add(1);
        }
        // A title may stand above the names.
        self.first &= self.cells <= 1 && !is_header;
        for rows in &mut self.carry {
            *rows = rows.saturating_sub(u32::from(*rows != u32::MAX));
        }
        for (_, _, rows) in &mut self.labels {
            *rows = rows.saturating_sub(u32::from(*rows != u32::MAX));
        }
        self.labels.retain(|(_, _, rows)| *rows > 0);
    }

    fn name_columns(&mut self, heads: Vec<Head>) {
        let columns = Arc::make_mut(&mut self.columns);
        for Head { from, width, names, others, .. } in heads {
            let others = others.names();
            if columns.len() < from + width {
                columns.resize_with(from + width, Vec::new);
            }
            for column in &mut columns[from..from + width] {
                column.extend(names.iter().map(|spelt| &spelt.name).chain(&others).cloned());
            }
        }
    }

    /// What the plan says of the columns in this row.
    pub(super) fn classify(&mut self, place: &mut Place) {
        self.named.clear();
        self.ends.clear();
        for column in self.columns.iter() {
            let named = column.iter().map(|name| place.resolve(name));
            self.named.extend(named.filter(|named| named.field.is_known() || named.relates()));
            self.ends.push(self.named.len());
        }
    }

    /// What is known of the cell that is open, by the names of its columns, of its row and its own.
    pub(super) fn fields(&self, place: &mut Place) -> Fields {
        let mut fields = Fields::default();
        let Some(cell) = &self.cell else { return fields };
        fields.known = self.headed;
        for at in cell.from..cell.from + cell.width {
            let named = self.fields_at(at);
            fields.known &= named.iter().any(|named| named.field.is_known());
            fields.named.extend_from_slice(named);
        }
        // A name beside another is none's value.
        if !cell.is_head {
            let mut heads = self.labels.iter().filter(|(_, is_head, _)| *is_head).peekable();
            if !self.headed && heads.peek().is_some() {
                fields.known = heads.all(|(named, ..)| named.field.is_known());
            }
            fields.named.extend(self.labels.iter().map(|(named, ..)| *named));
        }
        for name in &cell.own {
            let named = place.resolve(name);
            if named.field.is_known() {
                fields.known = true;
                fields.own = true;
                fields.named.push(named);
            }
        }
        fields
    }

    /// What the names of a column say.
    pub(super) fn fields_at(&self, column: usize) -> &[Named] {
        let Some(&end) = self.ends.get(column) else { return &[] };
        let start = column.checked_sub(1).map_or(0, |before| self.ends[before]);
        &self.named[start..end]
    }

    /// Categories of the table's columns.
    pub(super) fn all(&self) -> impl Iterator<Item = Field> {
        self.named.iter().map(|named| named.field)
    }
}

/// See [`Table::fields`].
#[derive(Debug, Default)]
pub(super) struct Fields {
    pub(super) named: Vec<Named>,
    /// Each column that the cell stands in is known.
    pub(super) known: bool,
    /// Its own attributes name it.
    pub(super) own: bool,
}

/// A name as fields are named, if the text of an attribute is one.
pub(super) fn field_names(text: &str) -> Vec<Cow<'_, str>> {
    let mut names = vec![Cow::Borrowed(text.trim())];
    for prefix in ["id_", "id-", "input-", "input_", "field-", "field_"] {
        if let Some(rest) = text.trim().strip_prefix(prefix) {
            names.push(Cow::Borrowed(rest));
        }
    }
    names
}
