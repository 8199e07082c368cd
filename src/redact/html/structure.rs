//! The order of a page: which element may stand where, and what its begin and end do.

use super::attributes::{Manner, Value, value_of};
use super::element::{Raw, Role, breaks_out};
use super::field::FIELD;
use super::grid::{Table, Zone};
use super::lexer::{Next, Pieces};
use super::page::{Frame, List, Page};
use super::raw::MAX_SCRIPT;
use super::tag::{Tag, is_blank};
use super::vocabulary::is_telling;
use crate::redact::judge::Verdict;
use crate::redact::{MAX_DEPTH, RedactError};

/// Longest text behind a tag that is looked at for the rest of a broken one.
const MAX_LINE: usize = 1024;

/// A page being read.
pub(super) struct Pass<'a> {
    pub(super) page: &'a mut Page,
    pub(super) out: &'a mut Vec<u8>,
}

fn is_space(text: &[u8]) -> bool {
    text.iter().all(|byte| is_blank(*byte))
}

impl Pieces for Pass<'_> {
    fn text(&mut self, text: &[u8]) -> Result<(), RedactError> {
        let Self { page, out } = self;
        // Readers put such text elsewhere, or nowhere.
        let stray = match page.frames.last() {
            Some(Frame::Table(table)) => matches!(table.zone, Zone::Between | Zone::Row),
            Some(Frame::List(list)) => list.item.is_none(),
            Some(Frame::Select(_, in_option)) => !in_option,
            _ => false,
        };
        if stray && !is_space(text) {
            return Err(RedactError::Malformed);
        }
        page.check_line(text)?;
        if let Some(swallow) = &mut page.swallow {
            swallow.text.add(text);
        }
        if let Some(gathered) = page.gathering() {
            gathered.add(text);
        }
        page.add_text(text, out);
        page.keep(text)?;
        Ok(())
    }

    fn start(&mut self, raw: &[u8]) -> Result<Next, RedactError> {
        self.page.line.clear();
        let mut tag = std::mem::take(&mut self.page.tag);
        let result = tag.read(raw, false).and_then(|()| self.element(&tag, raw));
        self.page.tag = tag;
        result
    }

    fn end(&mut self, raw: &[u8]) -> Result<(), RedactError> {
        self.page.line.clear();
        let mut tag = std::mem::take(&mut self.page.tag);
        let result = tag.read(raw, true).and_then(|()| self.end_of(&tag, raw));
        self.page.tag = tag;
        result
    }

    fn raw(&mut self, text: &[u8]) -> Result<(), RedactError> {
        let page = &mut *self.page;
        if page.is_apart() && text.contains(&b'<') {
            return Err(RedactError::Malformed);
        }
        if let Some(open) = &mut page.open
            && open.raw != Raw::Hollow
        {
            if open.text.len() + text.len() > MAX_SCRIPT {
                return Err(RedactError::TooLong);
            }
            open.text.extend_from_slice(text);
        }
        page.keep(text)?;
        Ok(())
    }

    fn comment(&mut self, short: Option<&[u8]>) -> Result<(), RedactError> {
        let Self { page, out } = self;
        // Not nothing: what stands on both sides of it must not become one.
        let left = short.unwrap_or(b"<!---->");
        if page.is_foreign_now() || page.frames.last().is_some_and(|frame| matches!(frame, Frame::Select(..)))
        {
            page.flush(out);
            page.write(left, out);
        } else {
            page.add_tag(left, out);
        }
        page.keep(left)?;
        Ok(())
    }

    fn doctype(&mut self, raw: &[u8]) -> Result<(), RedactError> {
        let Self { page, out } = self;
        if !page.frames.is_empty() {
            return Err(RedactError::Malformed);
        }
        let is_plain =
            raw.iter().all(|byte| byte.is_ascii_alphanumeric() || b"<>! \"'/:.+-,\t\r\n=".contains(byte));
        page.flush(out);
        page.write(if is_plain && raw.len() < 256 { raw } else { b"<!DOCTYPE html>" }, out);
        Ok(())
    }

    fn is_foreign(&self) -> bool {
        self.page.is_foreign_now()
    }
}

impl Pass<'_> {
    /// A start tag.
    pub(super) fn element(&mut self, tag: &Tag, raw: &[u8]) -> Result<Next, RedactError> {
        let Self { page, out } = self;
        if tag.repeats(raw, is_telling) {
            return Err(RedactError::Malformed);
        }
        if let Some(Frame::Foreign(names)) = page.frames.last_mut() {
            foreign(names, tag)?;
            page.leave(tag, raw, Manner::Open, None, out)?;
            page.keep(raw)?;
            return Ok(Next::Content);
        }
        let role = tag.element.role;
        page.check_place(tag, raw, role)?;
        if page.frames.len() >= MAX_DEPTH {
            return Err(RedactError::TooDeep);
        }
        if tag.closes
            && (tag.element.raw.is_some() || !matches!(role, Role::Plain | Role::Foreign | Role::Columns))
        {
            // Readers of XML take the element for empty, those of HTML for open.
            return Err(RedactError::Malformed);
        }
        let mut next = Next::Content;
        let mut kept = false;
        if !matches!(role, Role::Plain | Role::Select) {
            page.settle(tag, false);
        }
        match role {
            Role::Refused => return Err(RedactError::Malformed),
            Role::Table => {
                page.spoil();
                page.leave(tag, raw, Manner::Open, None, out)?;
                // Whose the row around it is says nothing of its rows.
                page.frames.push(Frame::Table(Box::new(Table::new(page.visible))));
                page.set_visible(page.judge.task.audience.sees.any);
            }
            Role::Group => {
                page.close_row(out)?;
                page.leave(tag, raw, Manner::Open, None, out)?;
                page.table()?.regroup(Some(&tag.name));
            }
            Role::Row => {
                page.close_row(out)?;
                kept = page.open_row(raw, out)?;
                page.leave(tag, raw, Manner::Open, None, out)?;
            }
            Role::Cell => {
                page.close_cell(out)?;
                if page.table()?.zone != Zone::Row {
                    page.open_row(b"", out)?;
                }
                let verdict = page.open_cell(tag, raw)?;
                page.withhold(tag, raw, verdict, out)?;
            }
            Role::Caption => {
                page.close_row(out)?;
                page.leave(tag, raw, Manner::Open, None, out)?;
                let table = page.table()?;
                (table.zone, table.begun) = (Zone::Caption, true);
            }
            Role::Columns => {
                page.close_row(out)?;
                page.leave(tag, raw, Manner::Open, None, out)?;
            }
            Role::List => {
                page.spoil();
                page.leave(tag, raw, Manner::Open, None, out)?;
                page.frames.push(Frame::List(List::default()));
            }
            Role::Term | Role::Description => {
                page.close_item(out)?;
                page.open_item(tag, raw, role == Role::Term, out)?;
            }
            Role::Select => {
                page.flush(out);
                let around = page.enter_field(tag, raw);
                let verdict = page.field(tag, raw, &FIELD).verdict;
                page.leave_field(around);
                page.frames.push(Frame::Select(tag.name.clone(), false));
                page.withhold(tag, raw, verdict, out)?;
            }
            Role::Option => {
                if let Some(Frame::Select(_, in_option)) = page.frames.last_mut() {
                    *in_option = tag.name == b"option";
                }
                page.leave(tag, raw, Manner::Open, None, out)?;
            }
            Role::Apart => {
                page.leave(tag, raw, Manner::Open, None, out)?;
                page.frames.push(Frame::Apart(tag.name.clone()));
            }
            Role::Foreign => {
                page.leave(tag, raw, Manner::Open, None, out)?;
                if !tag.closes {
                    page.frames.push(Frame::Foreign(vec![tag.name.clone()]));
                }
            }
            Role::Plain => next = page.plain(tag, raw, out)?,
        }
        if !kept {
            page.keep(raw)?;
        }
        Ok(next)
    }

    /// An end tag.
    pub(super) fn end_of(&mut self, tag: &Tag, raw: &[u8]) -> Result<(), RedactError> {
        let Self { page, out } = self;
        let name = &tag.name[..];
        // Attributes of end tags are nobody's.
        let plain;
        let bytes = if tag.attributes.is_empty() {
            raw
        } else {
            plain = [b"</", name, b">"].concat();
            &plain
        };
        if page.open.is_some() {
            page.close_raw(out)?;
            page.mark(tag, bytes, out);
            page.keep(bytes)?;
            return Ok(());
        }
        let role = tag.element.role;
        let is_followed = page.frames.iter().any(|frame| !matches!(frame, Frame::Foreign(_)));
        if is_followed && !page.is_foreign_now() && !tag.element.is_known {
            return Err(RedactError::Malformed);
        }
        match (page.frames.last_mut(), role) {
            (Some(Frame::Foreign(names)), _) => {
                if names.pop().as_deref() != Some(name) {
                    return Err(RedactError::Malformed);
                }
                let ended = names.is_empty();
                page.mark(tag, bytes, out);
                if ended {
                    page.frames.pop();
                }
                page.keep(bytes)?;
                return Ok(());
            }
            (Some(Frame::Hidden(names)), Role::Plain) => {
                let ends_paragraphs =
                    matches!(name, b"div" | b"section" | b"article" | b"li" | b"blockquote");
                if ends_paragraphs && names.last().is_some_and(|open| open == b"p") {
                    names.pop();
                }
                if names.pop().as_deref() != Some(name) {
                    return Err(RedactError::Malformed);
                }
                if names.is_empty() {
                    page.frames.pop();
                    page.end_swallow(false, out);
                }
            }
            (Some(Frame::Select(open, in_option)), _) => match name {
                b"option" | b"optgroup" => *in_option = false,
                _ if *name == open[..] => {
                    page.frames.pop();
                    if page.swallow.as_ref().is_some_and(|_| page.select_swallows) {
                        page.select_swallows = false;
                        page.end_swallow(false, out);
                    }
                }
                _ => return Err(RedactError::Malformed),
            },
            (last, Role::Apart) => {
                if !matches!(last, Some(Frame::Apart(open)) if open == name) {
                    return Err(RedactError::Malformed);
                }
                page.flush(out);
                page.frames.pop();
            }
            (Some(Frame::List(_)), Role::List) => {
                page.close_item(out)?;
                page.frames.pop();
            }
            (Some(Frame::List(list)), Role::Term | Role::Description) => {
                if list.item.as_ref().is_some_and(|item| item.is_term != (role == Role::Term)) {
                    return Err(RedactError::Malformed);
                }
                page.close_item(out)?;
            }
            (Some(Frame::Table(table)), Role::Cell) => {
                let is_head = table.cell.as_ref().map(|cell| cell.is_head);
                if table.zone == Zone::Caption || is_head.is_some_and(|is_head| is_head != (name == b"th")) {
                    return Err(RedactError::Malformed);
                }
                page.close_cell(out)?;
            }
            (Some(Frame::Table(_)), Role::Row) => page.close_row(out)?,
            (Some(Frame::Table(table)), Role::Group) => {
                if table.group.as_deref().is_some_and(|open| open != name) {
                    return Err(RedactError::Malformed);
                }
                page.close_row(out)?;
                page.table()?.regroup(None);
            }
            (Some(Frame::Table(_)), Role::Table) => {
                page.close_row(out)?;
                page.flush(out);
                if let Some(Frame::Table(table)) = page.frames.pop() {
                    page.set_visible(table.outside);
                }
            }
            (Some(Frame::Table(table)), Role::Caption) => {
                if table.zone == Zone::Caption {
                    page.close_cell(out)?;
                }
            }
            (Some(Frame::Table(_)), Role::Columns) => {}
            // The element that it ends began as something else.
            (_, Role::Plain) if tag.element.raw.is_some() => return Err(RedactError::Malformed),
            (_, Role::Plain) => {}
            // It ends what is not open here, or what something else is open in.
            _ => return Err(RedactError::Malformed),
        }
        page.mark(tag, bytes, out);
        page.ended(tag);
        if name == b"form" {
            page.close_form();
        }
        page.keep(bytes)?;
        Ok(())
    }
}

/// An element within SVG or MathML.
fn foreign(names: &mut Vec<Vec<u8>>, tag: &Tag) -> Result<(), RedactError> {
    const TEXTS: [&[u8]; 8] = [b"title", b"desc", b"style", b"mi", b"mo", b"mn", b"ms", b"mtext"];
    const OTHERS: [&[u8]; 8] = [
        b"foreignobject",
        b"annotation-xml",
        b"script",
        b"input",
        b"textarea",
        b"button",
        b"form",
        b"object",
    ];
    let name = &tag.name[..];
    let is_raw = tag.element.raw.is_some_and(|raw| !matches!(raw, Raw::Style | Raw::Title));
    let is_svg = matches!(name, b"svg" | b"math");
    if is_raw
        || breaks_out(name)
        || OTHERS.contains(&name)
        || (tag.element.role != Role::Plain && !is_svg)
        || names.last().is_some_and(|open| TEXTS.contains(&&open[..]))
    {
        return Err(RedactError::Malformed);
    }
    if names.len() >= MAX_DEPTH {
        return Err(RedactError::TooDeep);
    }
    if !tag.closes {
        names.push(tag.name.clone());
    }
    Ok(())
}

impl Page {
    /// Text that reads like the rest of a tag which ended too early (`<input name=nom> value=Jean>`) would hold values
    /// under their names, and be judged by none.
    pub(super) fn check_line(&mut self, text: &[u8]) -> Result<(), RedactError> {
        let room = MAX_LINE.saturating_sub(self.line.len());
        let before = self.line.len();
        self.line.extend_from_slice(&text[..text.len().min(room)]);
        let ends = || memchr::memchr_iter(b'>', &self.line[before..]).map(|end| before + end);
        let Some(end) = ends().next_back() else { return Ok(()) };
        let line = &self.line[..end];
        let is_value = |at: usize| {
            let name =
                line[..at].iter().rev().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-');
            let name = name.count();
            let is_quoted = matches!(line.get(at + 1), Some(b'"' | b'\''));
            at == 0 || is_quoted || line[at - name..at].eq_ignore_ascii_case(b"value")
        };
        // A sign of greater stands apart: `a > b`, `->`; not so the end of a tag: `td>`, `"x">`, `checked />`.
        let is_end = |end: usize| match &line[..end] {
            [.., last] => {
                last.is_ascii_alphanumeric() || b"\"'/".contains(last) || line[..end].ends_with(b"--")
            }
            [] => false,
        };
        let is_quoted = memchr::memchr(b'"', line).is_some();
        if is_quoted || ends().any(is_end) || memchr::memchr_iter(b'=', line).any(is_value) {
            return Err(RedactError::Malformed);
        }
        Ok(())
    }

    /// Whether an element may stand where it does.
    pub(super) fn check_place(&self, tag: &Tag, raw: &[u8], role: Role) -> Result<(), RedactError> {
        let name = &tag.name[..];
        // In what is followed, an element that nobody knows is one of the others, misspelt.
        if !self.frames.is_empty() && !tag.element.is_known {
            return Err(RedactError::Malformed);
        }
        let sound = match self.frames.last() {
            Some(Frame::Select(..)) => role == Role::Option || name == b"hr",
            Some(Frame::Table(table)) => match (table.zone, role) {
                (_, Role::Caption) => !table.begun,
                (_, Role::Group | Role::Row | Role::Cell | Role::Columns) => true,
                (Zone::Cell | Zone::Caption, Role::Term | Role::Description | Role::Option) => false,
                (Zone::Cell | Zone::Caption, _) => true,
                (_, Role::Plain) => match name {
                    b"form" | b"script" | b"style" => true,
                    b"input" => value_of(tag, raw, b"type")
                        .is_some_and(|kind| kind.trim().eq_ignore_ascii_case("hidden")),
                    _ => false,
                },
                _ => false,
            },
            Some(Frame::List(list)) => match role {
                Role::Term | Role::Description => true,
                Role::Group | Role::Row | Role::Cell | Role::Caption | Role::Columns | Role::Option => false,
                _ => list.item.is_some() || matches!(name, b"div" | b"script"),
            },
            _ => !matches!(
                role,
                Role::Group
                    | Role::Row
                    | Role::Cell
                    | Role::Caption
                    | Role::Columns
                    | Role::Term
                    | Role::Description
                    | Role::Option
            ),
        };
        if sound { Ok(()) } else { Err(RedactError::Malformed) }
    }

    /// Writes a start tag as it may leave.
    pub(super) fn leave(
        &mut self,
        tag: &Tag,
        raw: &[u8],
        manner: Manner,
        value: Option<Value>,
        out: &mut Vec<u8>,
    ) -> Result<(), RedactError> {
        if self.swallow.as_ref().is_some_and(|swallow| swallow.kept.is_none()) {
            self.mark(tag, b"", out);
            return Ok(());
        }
        let mut room = std::mem::take(&mut self.room);
        room.clear();
        self.rewrite(tag, raw, manner, value, &mut room)?;
        self.mark(tag, &room, out);
        self.room = room;
        Ok(())
    }

    /// Writes a start tag, and withholds what it holds if it must.
    pub(super) fn withhold(
        &mut self,
        tag: &Tag,
        raw: &[u8],
        verdict: Verdict,
        out: &mut Vec<u8>,
    ) -> Result<(), RedactError> {
        let manner = if verdict == Verdict::Keep { Manner::Open } else { Manner::Hidden };
        self.leave(tag, raw, manner, None, out)?;
        if verdict == Verdict::Keep || !self.begin_swallow(verdict, out) {
            return Ok(());
        }
        match self.frames.last_mut() {
            Some(Frame::Table(table)) => {
                if let Some(cell) = &mut table.cell {
                    cell.swallows = true;
                }
            }
            Some(Frame::List(list)) => {
                if let Some(item) = &mut list.item {
                    item.swallows = true;
                }
            }
            Some(Frame::Select(..)) => {
                self.select_swallows = true;
                if let Some(swallow) = &mut self.swallow {
                    // Its options are no names.
                    swallow.kept = None;
                    swallow.verdict = Verdict::Drop;
                }
            }
            _ => {}
        }
        Ok(())
    }
}
