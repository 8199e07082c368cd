//! Rows and their cells, terms and what they mean: where they begin and end, and what happens to them.

use super::attributes::value_of;
use super::grid::{Cell, Gathered, NAMING, Spelt, Table, Zone, names};
use super::lexer::Lexer;
use super::page::{Frame, Hold, Item, List, Page};
use super::structure::Pass;
use super::tag::Tag;
use crate::redact::detect::Kinds;
use crate::redact::judge::Verdict;
use crate::redact::place::{Field, Named, Place};
use crate::redact::whose::Whose;
use crate::redact::{MAX_ROW, RedactError};

impl Page {
    pub(super) fn table(&mut self) -> Result<&mut Table, RedactError> {
        match self.frames.last_mut() {
            Some(Frame::Table(table)) => Ok(table),
            _ => Err(RedactError::Malformed),
        }
    }

    pub(super) fn close_cell(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.table()?.zone == Zone::Caption {
            self.flush(out);
            self.table()?.zone = Zone::Between;
        }
        let Some(mut cell) = self.table()?.cell.take() else { return Ok(()) };
        let is_other = self.says_nothing(&cell)?;
        let mut names = if is_other { Vec::new() } else { self.in_cell(cell.text.names())? };
        if cell.swallows {
            let is_name = self.is_name(&names);
            self.end_swallow(is_name, out);
        } else {
            self.flush(out);
        }
        (self.quiet, self.own) = (false, false);
        self.kinds = self.judge.task.plan.detected(self.visible);
        if cell.is_head {
            names.extend(self.in_cell(cell.own.clone())?);
        }
        let depth = self.frames.len();
        let Self { frames, hold, judge, .. } = self;
        if let Some(Frame::Table(table)) = frames.last_mut() {
            let relates = table.fields_at(cell.from).iter().any(|named| named.relates());
            if let Some(hold) = hold.as_mut().filter(|hold| relates && hold.depth == depth) {
                let value = cell.text.value();
                let value = (!cell.text.is_overlong()).then_some(value.as_bytes());
                for named in table.fields_at(cell.from).iter().filter(|named| named.relates()) {
                    hold.whose.named(named.relation, value, &judge.task.plan, &judge.task.audience);
                }
            }
            let others = if is_other { std::mem::take(&mut cell.text) } else { Gathered::default() };
            table.close_cell(&cell, names, others);
        }
        Ok(())
    }

    pub(super) fn close_row(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.close_cell(out)?;
        let depth = self.frames.len();
        if self.hold.is_some() {
            // What stands behind its last cell is the row's too.
            self.flush(out);
        }
        if let Some(hold) = self.hold.take_if(|hold| hold.depth == depth) {
            let any = self.judge.task.audience.sees.any;
            let mut visible = any;
            if hold.raw.len() as u64 <= self.judge.task.plan.record_bytes()
                && self.relates
                && self.element(hold.table.index).is_record()
            {
                visible = hold.whose.visible(&self.judge.task.audience);
            }
            let misfit = self.misfits()?;
            if visible == any && !misfit {
                out.extend_from_slice(&hold.out);
                self.spare = (hold.raw, hold.out);
            } else {
                // The guess was wrong: the row is read again, as what it is.
                let Hold { raw, table, tally, judged, noted, .. } = *hold;
                self.tally = tally;
                self.judge.set_tally(judged);
                self.memory.forget(noted);
                if let Some(frame) = self.frames.last_mut() {
                    *frame = Frame::Table(table);
                }
                self.set_visible(visible);
                self.misfit = misfit;
                self.again = true;
                Lexer::new().push(&raw, &mut Pass { page: self, out })?;
                self.close_cell(out)?;
                self.again = false;
                self.misfit = false;
                self.set_visible(any);
            }
        } else if !self.again
            && self.swallow.is_none()
            && self.table()?.zone != Zone::Between
            && self.misfits()?
        {
            // Of a row within another one nothing can be taken back.
            return Err(RedactError::Malformed);
        }
        if let Some(Frame::Table(table)) = self.frames.last_mut()
            && table.zone != Zone::Between
        {
            table.close_row();
        }
        Ok(())
    }

    /// Whether the row that is open cannot be aligned with the names of the columns, where some are hidden: what stands
    /// in which of them is not known.
    pub(super) fn misfits(&mut self) -> Result<bool, RedactError> {
        let Self { frames, visible, judge, .. } = self;
        let Some(Frame::Table(table)) = frames.last() else { return Err(RedactError::Malformed) };
        let hides = |field: Field| field.category().is_some_and(|category| !visible.contains(category));
        Ok(!table.fits() && (judge.denies() || table.all().any(hides)) && !table.is_header())
    }

    /// What the plan says of a row.
    pub(super) fn element(&mut self, index: u32) -> Field {
        let Self { place, .. } = self;
        place.leave();
        let root = place.root();
        place.enter(root, false);
        let element = place.element(index);
        place.leave();
        place.enter(root, true);
        element
    }

    /// Runs a step inside the row.
    pub(super) fn in_row<T>(
        &mut self,
        index: u32,
        step: impl FnOnce(&mut Table, &mut Place) -> T,
    ) -> Result<T, RedactError> {
        let Self { place, frames, .. } = self;
        let Some(Frame::Table(table)) = frames.last_mut() else { return Err(RedactError::Malformed) };
        place.leave();
        let root = place.root();
        place.enter(root, false);
        let element = place.element(index);
        place.enter(element, true);
        let result = step(table, place);
        place.leave();
        place.leave();
        place.enter(root, true);
        Ok(result)
    }

    /// What these names say in a cell: columns are members of their row, and a list of names and values may be of the page.
    fn in_cell(&mut self, names: Vec<String>) -> Result<Vec<Spelt>, RedactError> {
        let index = self.table()?.index;
        let of_page: Vec<Named> = names.iter().map(|name| self.place.resolve(name)).collect();
        self.in_row(index, |_, place| {
            let spelt = |(name, of_page): (String, Named)| {
                let named = [of_page, place.resolve(&name)];
                Spelt { name, named }
            };
            names.into_iter().zip(of_page).map(spelt).collect()
        })
    }

    /// Whether nothing is said of the names that the text of a cell may be, neither of the page nor of the row.
    fn says_nothing(&mut self, cell: &Cell) -> Result<bool, RedactError> {
        let Some(text) = cell.text.plain().filter(|text| !self.place.may_name(text)) else {
            return Ok(false);
        };
        let index = self.table()?.index;
        Ok(self.place.says_nothing(text) && self.in_row(index, |_, place| place.says_nothing(text))?)
    }

    /// A row begins; whether it is kept from its first byte on.
    pub(super) fn open_row(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<bool, RedactError> {
        // What stands in front of it is not the row's.
        self.flush(out);
        let depth = self.frames.len();
        let waits = !self.again && (self.relates || self.table()?.headed);
        let waits = waits && self.hold.is_none() && self.swallow.is_none();
        if waits {
            let table = Box::new(self.table()?.clone());
            let (mut kept, mut ready) = std::mem::take(&mut self.spare);
            kept.clear();
            kept.extend_from_slice(raw);
            ready.clear();
            self.hold = Some(Box::new(Hold {
                depth,
                raw: kept,
                out: ready,
                whose: Whose::default(),
                table,
                tally: self.tally.clone(),
                judged: self.judge.tally().clone(),
                noted: self.memory.mark(),
            }));
        }
        let index = self.table()?.index;
        self.in_row(index, |table, place| {
            table.open_row();
            table.classify(place);
        })?;
        Ok(waits)
    }

    /// Keeps what was read of a row that is held.
    pub(super) fn keep(&mut self, raw: &[u8]) -> Result<(), RedactError> {
        self.count_form(raw.len());
        let Some(hold) = &mut self.hold else { return Ok(()) };
        hold.raw.extend_from_slice(raw);
        if hold.raw.len() > MAX_ROW { Err(RedactError::TooLong) } else { Ok(()) }
    }

    /// A cell begins: how its tag is written.
    pub(super) fn open_cell(&mut self, tag: &Tag, raw: &[u8]) -> Result<Verdict, RedactError> {
        let around = self.enter_form();
        let verdict = self.judge_cell(tag, raw);
        let (kinds, quiet, own) = (self.kinds, self.quiet, self.own);
        self.leave_field(around);
        if quiet {
            (self.kinds, self.quiet) = (kinds, quiet);
        }
        self.own = own;
        verdict
    }

    fn judge_cell(&mut self, tag: &Tag, raw: &[u8]) -> Result<Verdict, RedactError> {
        let index = self.table()?.index;
        let (fields, is_head) = self.in_row(index, |table, place| {
            table.open_cell(tag, raw)?;
            let is_head = table.cell.as_ref().is_some_and(|cell| cell.is_head);
            Ok::<_, RedactError>((table.fields(place), is_head))
        })??;
        if self.swallow.is_some() {
            return Ok(Verdict::Keep);
        }
        if !is_head
            && !fields.known
            && let Some(category) = self.named_by_class(tag, raw)
        {
            self.tally.redacted(category);
            return Ok(Verdict::Hide(category));
        }
        let visible = self.visible;
        let hides = |field: Field| field.category().is_some_and(|category| !visible.contains(category));
        let is_hidden = fields.named.iter().any(|named| hides(named.field));
        if is_head && !is_hidden && !fields.known && !self.misfit {
            // A name, or what nobody classified: its text will tell.
            return Ok(if self.judge.denies() { Verdict::Drop } else { Verdict::Keep });
        }
        if self.misfit && !is_hidden && !fields.own {
            self.tally.unclassified();
            return Ok(Verdict::Drop);
        }
        let verdict = self.verdict(&fields.named, fields.known);
        let owned = fields.named.iter().filter(|named| named.field.is_known());
        if verdict == Verdict::Keep
            && fields.known
            && owned.clone().count() > 0
            && owned.clone().all(|named| named.field.is_not_personal())
        {
            self.kinds = Kinds::NONE;
            self.quiet = true;
        }
        self.own = verdict == Verdict::Keep && owned.clone().any(|named| named.field.is_personal());
        Ok(verdict)
    }

    pub(super) fn list(&mut self) -> Result<&mut List, RedactError> {
        match self.frames.last_mut() {
            Some(Frame::List(list)) => Ok(list),
            _ => Err(RedactError::Malformed),
        }
    }

    pub(super) fn open_item(
        &mut self,
        tag: &Tag,
        raw: &[u8],
        is_term: bool,
        out: &mut Vec<u8>,
    ) -> Result<(), RedactError> {
        let list = self.list()?;
        if is_term && std::mem::take(&mut list.described) {
            list.labels.clear();
        }
        list.described |= !is_term;
        list.item = Some(Item { is_term, text: Gathered::default(), swallows: false });
        let mut named = if is_term { Vec::new() } else { list.labels.clone() };
        let mut own = Vec::new();
        for attribute in NAMING {
            own.extend(value_of(tag, raw, attribute).iter().flat_map(|text| names(text)));
        }
        named.extend(own.iter().map(|name| self.place.resolve(name)));
        let around = self.enter_form();
        let known = named.iter().any(|named| named.field.is_known());
        let verdict = match self.swallow {
            Some(_) => Verdict::Keep,
            // A name, or what nobody classified: its text will tell.
            None if is_term && !known => {
                if self.judge.denies() {
                    Verdict::Drop
                } else {
                    Verdict::Keep
                }
            }
            None if !is_term && !known => match self.named_by_class(tag, raw) {
                Some(category) => {
                    self.tally.redacted(category);
                    Verdict::Hide(category)
                }
                None => self.verdict(&named, known),
            },
            None => self.verdict(&named, known),
        };
        self.leave_field(around);
        self.withhold(tag, raw, verdict, out)
    }

    pub(super) fn close_item(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Some(item) = self.list()?.item.take() else { return Ok(()) };
        let of_page = |name: String| Spelt { named: [self.place.resolve(&name), Named::default()], name };
        let names: Vec<Spelt> = item.text.names().into_iter().map(of_page).collect();
        if item.swallows {
            let is_name = item.is_term && self.is_name(&names);
            self.end_swallow(is_name, out);
        } else {
            self.flush(out);
        }
        if item.is_term {
            self.list()?.labels.extend(names.iter().map(|spelt| spelt.named[0]));
        }
        Ok(())
    }
}
