//! Follows a page's structure, judges what has a name in it, and writes what may leave.
//!
//! Only what gives names to values is followed: tables, lists of terms, form fields, elements that name their content. In these the
//! grammar is strict, for where a cell or a field ends decides what is hidden; everything else is text between tags, however
//! sloppy, and goes through the detectors.

use super::attributes::{Manner, Value, Worth, is_telling, value_of};
use super::element::{Raw, Role, breaks_out, is_inline, is_void};
use super::entity::escape;
use super::grid::{Gathered, Table, Zone, field_names, names};
use super::lexer::{Lexer, Next, Pieces};
use super::prose::{Look, Prose};
use super::tag::{Tag, is_blank};
use crate::policy::set::{CategoryId, CategorySet};
use crate::redact::action::Remedy;
use crate::redact::detect::Kinds;
use crate::redact::judge::{Judge, Verdict};
use crate::redact::nested::{Nested, begins};
use crate::redact::place::{Field, Named, Place};
use crate::redact::whose::Whose;
use crate::redact::{Charset, MAX_DEPTH, MAX_ROW, RedactError, Tally, Task};

/// Longest script that is read: it is looked at as a whole.
pub(super) const MAX_SCRIPT: usize = 4 * 1024 * 1024;

/// Longest text behind a tag that is looked at for the rest of a broken one.
const MAX_LINE: usize = 1024;

/// Longest content that is kept until it is known whether it is a name.
const MAX_KEPT: usize = 64 * 1024;

/// An open element whose end matters.
#[derive(Clone, Debug)]
enum Frame {
    Table(Box<Table>),
    List(List),
    /// `select` or `datalist`, and whether an `option` is open.
    Select(Vec<u8>, bool),
    /// `noscript`, `template`
    Apart(Vec<u8>),
    /// Names of the open elements, from `svg` or `math` on.
    Foreign(Vec<Vec<u8>>),
    /// It named what it holds, which is hidden; names of the open elements in it, its own first.
    Hidden(Vec<Vec<u8>>),
}

/// A list of terms and what they mean.
#[derive(Clone, Debug, Default)]
struct List {
    labels: Vec<Named>,
    item: Option<Item>,
    /// The last item was a description: the next term is another's.
    described: bool,
}

#[derive(Clone, Debug)]
struct Item {
    is_term: bool,
    text: Gathered,
    swallows: bool,
}

/// Content that does not leave as it is.
#[derive(Debug)]
struct Swallow {
    verdict: Verdict,
    text: Gathered,
    /// What would leave if it turned out to be a name; `None` where that does not count, or it is too long for one.
    kept: Option<Vec<u8>>,
}

/// A row that is read as anybody's until it is known whose it is.
#[derive(Debug)]
struct Hold {
    /// How many elements are open around it.
    depth: usize,
    raw: Vec<u8>,
    out: Vec<u8>,
    whose: Whose,
    /// As it was before the row.
    table: Box<Table>,
    tally: Tally,
    judged: Tally,
}

/// A raw element that is open.
#[derive(Debug)]
struct Open {
    raw: Raw,
    text: Vec<u8>,
    worth: Worth,
    /// A script whose type says JSON.
    is_json: bool,
}

/// See the module.
pub(super) struct Page {
    pub(super) judge: Judge,
    pub(super) tally: Tally,
    pub(super) visible: CategorySet,
    place: Place,
    charset: Charset,
    kinds: Kinds,
    /// The text that comes is that of a value which is not personal.
    quiet: bool,
    relates: bool,
    prose: Prose,
    frames: Vec<Frame>,
    open: Option<Open>,
    swallow: Option<Swallow>,
    hold: Option<Box<Hold>>,
    tag: Tag,
    room: Vec<u8>,
    /// The choice that is open is withheld, and nothing around it.
    select_swallows: bool,
    /// A row is read again, and whether it was found not to fit its table.
    again: bool,
    misfit: bool,
    /// Text since the last tag, as far as it could be the rest of a broken one.
    line: Vec<u8>,
}

impl Page {
    pub(super) fn new(task: Task, charset: Charset) -> Self {
        let visible = task.audience.sees.any;
        let kinds = task.plan.detected(visible);
        let mut place = Place::new(task.plan.clone());
        let root = place.root();
        place.enter(root, true);
        let judge = Judge::new(task);
        Self {
            relates: judge.relates(),
            judge,
            tally: Tally::default(),
            visible,
            place,
            charset,
            kinds,
            quiet: false,
            prose: Prose::default(),
            frames: Vec::new(),
            open: None,
            swallow: None,
            hold: None,
            tag: Tag::default(),
            room: Vec::new(),
            select_swallows: false,
            again: false,
            misfit: false,
            line: Vec::new(),
        }
    }

    /// What was redacted so far.
    pub(super) fn tally(&self) -> Tally {
        let mut tally = self.judge.tally().clone();
        tally.add(&self.tally);
        tally
    }

    /// The page ends.
    pub(super) fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.open.is_some() || !self.frames.is_empty() {
            return Err(RedactError::Truncated);
        }
        self.flush(out);
        Ok(())
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let kept = self.swallow.as_ref().and_then(|swallow| swallow.kept.as_ref()).map_or(0, Vec::capacity);
        let held = self.hold.as_ref().map_or(0, |hold| hold.raw.capacity() + hold.out.capacity());
        self.prose.capacity() + kept + held + self.room.capacity()
    }

    /// What detectors need.
    pub(super) fn looking(&mut self) -> Look<'_> {
        Look { kinds: self.kinds, task: &self.judge.task, tally: &mut self.tally }
    }

    /// Whether scripts may be the reason that this is not read as markup.
    pub(super) fn is_apart(&self) -> bool {
        self.frames.iter().any(|frame| matches!(frame, Frame::Apart(name) if name == b"noscript"))
    }

    /// Whether the innermost element is of SVG or MathML.
    pub(super) fn is_foreign_now(&self) -> bool {
        matches!(self.frames.last(), Some(Frame::Foreign(_)))
    }

    /// The category of a field of this name, where it is hidden.
    pub(super) fn hidden(&mut self, name: &str) -> Option<CategoryId> {
        let category = self.place.resolve(name.trim()).field.category()?;
        (!self.visible.contains(category)).then_some(category)
    }

    /// Whether a text is nothing but names of fields that somebody classified.
    fn is_name(&mut self, text: &Gathered) -> bool {
        let names = text.names();
        let mut known = names.iter().map(|name| self.place.resolve(name).field.is_known());
        // The whole, or else all of its parts.
        known.next().is_some_and(|whole| whole || (names.len() > 1 && known.all(|known| known)))
    }

    /// Whether a text is the name of a field that somebody classified.
    pub(super) fn is_known(&mut self, name: &str) -> bool {
        self.place.resolve(name.trim()).field.is_known()
    }

    /// What happens to a value of these names. The strictest word counts.
    fn verdict(&mut self, named: &[Named], known: bool) -> Verdict {
        let visible = self.visible;
        let hides = |field: &Field| field.category().is_some_and(|category| !visible.contains(category));
        let removes = |field: &Field| {
            let remedy = field.category().map(|category| self.judge.task.plan.remedy(category));
            matches!(remedy, Some(Remedy::Remove))
        };
        let hidden = named.iter().map(|named| named.field).filter(hides).min_by_key(|field| !removes(field));
        match hidden {
            Some(field) => self.judge.judge(field, visible),
            None if known => Verdict::Keep,
            None => self.judge.judge(Field::default(), visible),
        }
    }

    fn set_visible(&mut self, visible: CategorySet) {
        self.visible = visible;
        self.quiet = false;
        self.kinds = self.judge.task.plan.detected(visible);
    }

    // --- Writing

    /// Where bytes go.
    fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match (&mut self.swallow, &mut self.hold) {
            (Some(Swallow { kept: Some(kept), .. }), _) => kept.extend_from_slice(bytes),
            (Some(_), _) => {}
            (None, Some(hold)) => hold.out.extend_from_slice(bytes),
            (None, None) => out.extend_from_slice(bytes),
        }
    }

    /// Runs a step of the prose, where its bytes go.
    fn prose(&mut self, out: &mut Vec<u8>, step: impl FnOnce(&mut Prose, &mut Look<'_>, &mut Vec<u8>)) {
        let mut look = Look { kinds: self.kinds, task: &self.judge.task, tally: &mut self.tally };
        debug_assert!(
            self.swallow.as_ref().is_none_or(|swallow| swallow.kept.is_some() || self.prose.is_empty())
        );
        match (&mut self.swallow, &mut self.hold) {
            (Some(Swallow { kept: Some(kept), .. }), _) => step(&mut self.prose, &mut look, kept),
            (Some(_), _) => {}
            (None, Some(hold)) => step(&mut self.prose, &mut look, &mut hold.out),
            (None, None) => step(&mut self.prose, &mut look, out),
        }
        if let Some(swallow) = &mut self.swallow
            && swallow.kept.as_ref().is_some_and(|kept| kept.len() > MAX_KEPT)
        {
            swallow.kept = None;
            self.prose = Prose::default();
        }
    }

    /// The run of text ends.
    fn flush(&mut self, out: &mut Vec<u8>) {
        if !self.quiet
            && let Some(text) = self.prose.document()
        {
            let document = match self.judge.nested(&text, self.visible) {
                Nested::Same => None,
                Nested::Redacted(document) => Some(document),
                Nested::Unreadable => self.mentions(&text).then(String::new),
            };
            if let Some(document) = document {
                self.prose.replace(&document);
            }
        }
        self.prose(out, Prose::finish);
    }

    /// Writes a tag: within a line, or at the end of one.
    fn mark(&mut self, name: &[u8], bytes: &[u8], out: &mut Vec<u8>) {
        if is_inline(name) {
            self.prose(out, |prose, look, out| prose.tag(bytes, look, out));
            return;
        }
        self.flush(out);
        self.write(bytes, out);
        if let Some(swallow) = &mut self.swallow {
            swallow.text.part();
        }
        if let Some(text) = self.gathering() {
            text.part();
        }
    }

    /// The text that may be a name: of the innermost cell or item.
    fn gathering(&mut self) -> Option<&mut Gathered> {
        self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Table(table) => Some(table.cell.as_mut().map(|cell| &mut cell.text)),
            Frame::List(list) => Some(list.item.as_mut().map(|item| &mut item.text)),
            _ => None,
        })?
    }

    /// Content begins that does not leave as it is. Not where that is so already.
    fn begin_swallow(&mut self, verdict: Verdict, out: &mut Vec<u8>) -> bool {
        if self.swallow.is_some() {
            return false;
        }
        self.flush(out);
        let kept = (verdict == Verdict::Drop).then(Vec::new);
        self.swallow = Some(Swallow { verdict, text: Gathered::default(), kept });
        true
    }

    /// Something that has a value of its own stands in what is withheld: it is more than a name.
    fn spoil(&mut self) {
        if let Some(swallow) = &mut self.swallow
            && swallow.kept.take().is_some()
        {
            self.prose = Prose::default();
        }
    }

    /// It ends: what stands for it is written.
    fn end_swallow(&mut self, is_name: bool, out: &mut Vec<u8>) {
        self.flush(out);
        let Some(Swallow { verdict, text, kept }) = self.swallow.take() else { return };
        match verdict {
            Verdict::Hide(category) if !text.is_overlong() => {
                let mut bytes = Vec::new();
                if let Some(stand_in) = self.judge.stand_in(category, &text.value()) {
                    escape(&stand_in, &mut bytes);
                }
                self.write(&bytes, out);
            }
            Verdict::Drop if is_name => {
                let kept = kept.unwrap_or_default();
                self.write(&kept, out);
            }
            _ => {}
        }
    }

    // --- Tables

    fn table(&mut self) -> Result<&mut Table, RedactError> {
        match self.frames.last_mut() {
            Some(Frame::Table(table)) => Ok(table),
            _ => Err(RedactError::Malformed),
        }
    }

    fn close_cell(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.table()?.zone == Zone::Caption {
            self.flush(out);
            self.table()?.zone = Zone::Between;
        }
        let Some(cell) = self.table()?.cell.take() else { return Ok(()) };
        if cell.swallows {
            let is_name = self.is_name(&cell.text);
            self.end_swallow(is_name, out);
        } else {
            self.flush(out);
        }
        self.quiet = false;
        self.kinds = self.judge.task.plan.detected(self.visible);
        let depth = self.frames.len();
        let Self { frames, place, hold, judge, .. } = self;
        if let Some(Frame::Table(table)) = frames.last_mut() {
            if let Some(hold) = hold.as_mut().filter(|hold| hold.depth == depth) {
                let value = cell.text.value();
                let value = (!cell.text.is_overlong()).then_some(value.as_bytes());
                for named in table.fields_at(cell.from).filter(|named| named.relates()) {
                    hold.whose.named(named.relation, value, &judge.task.plan, &judge.task.audience);
                }
            }
            table.close_cell(&cell, place);
        }
        Ok(())
    }

    fn close_row(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
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
            } else {
                // The guess was wrong: the row is read again, as what it is.
                let Hold { raw, table, tally, judged, .. } = *hold;
                self.tally = tally;
                self.judge.set_tally(judged);
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
        let Self { frames, place, .. } = self;
        if let Some(Frame::Table(table)) = frames.last_mut()
            && table.zone != Zone::Between
        {
            table.close_row(place);
        }
        Ok(())
    }

    /// Whether the row that is open cannot be aligned with the names of the columns, where some are hidden: what stands
    /// in which of them is not known.
    fn misfits(&mut self) -> Result<bool, RedactError> {
        let Self { frames, place, visible, judge, .. } = self;
        let Some(Frame::Table(table)) = frames.last() else { return Err(RedactError::Malformed) };
        let hides = |field: Field| field.category().is_some_and(|category| !visible.contains(category));
        Ok(!table.fits() && (judge.denies() || table.all().any(hides)) && !table.is_header(place))
    }

    /// What the plan says of a row.
    fn element(&mut self, index: u32) -> Field {
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
    fn in_row<T>(
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

    /// A row begins; whether it is kept from its first byte on.
    fn open_row(&mut self, raw: &[u8], out: &mut Vec<u8>) -> Result<bool, RedactError> {
        // What stands in front of it is not the row's.
        self.flush(out);
        let depth = self.frames.len();
        let waits = !self.again && (self.relates || self.table()?.headed);
        let waits = waits && self.hold.is_none() && self.swallow.is_none();
        if waits {
            let table = Box::new(self.table()?.clone());
            self.hold = Some(Box::new(Hold {
                depth,
                raw: raw.to_vec(),
                out: Vec::new(),
                whose: Whose::default(),
                table,
                tally: self.tally.clone(),
                judged: self.judge.tally().clone(),
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
    fn keep(&mut self, raw: &[u8]) -> Result<(), RedactError> {
        let Some(hold) = &mut self.hold else { return Ok(()) };
        hold.raw.extend_from_slice(raw);
        if hold.raw.len() > MAX_ROW { Err(RedactError::TooLong) } else { Ok(()) }
    }

    /// A cell begins: how its tag is written.
    fn open_cell(&mut self, tag: &Tag, raw: &[u8]) -> Result<Verdict, RedactError> {
        let index = self.table()?.index;
        let (fields, is_head) = self.in_row(index, |table, place| {
            table.open_cell(tag, raw)?;
            let is_head = table.cell.as_ref().is_some_and(|cell| cell.is_head);
            Ok::<_, RedactError>((table.fields(place), is_head))
        })??;
        if self.swallow.is_some() {
            return Ok(Verdict::Keep);
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
        Ok(verdict)
    }

    // --- Fields

    /// The names that an element has as a field, and what happens to its value.
    fn field(&mut self, tag: &Tag, raw: &[u8], by: &[&[u8]]) -> Worth {
        let mut named = Vec::new();
        for attribute in by {
            let Some(text) = value_of(tag, raw, attribute) else { continue };
            match *attribute {
                b"autocomplete" => {
                    named.extend(text.split_whitespace().map(|token| self.place.resolve(token)));
                }
                _ => named.extend(field_names(&text).iter().map(|name| self.place.resolve(name))),
            }
        }
        let mut known = named.iter().map(|named| named.field).filter(|field| field.is_known()).peekable();
        let is_known = known.peek().is_some();
        let is_quiet = is_known && known.all(Field::is_not_personal);
        if self.swallow.is_some() {
            self.spoil();
            return Worth { verdict: Verdict::Keep, quiet: is_quiet };
        }
        Worth { verdict: self.verdict(&named, is_known), quiet: is_quiet }
    }

    /// Whether an element names what it holds, and that is hidden.
    fn names_hidden(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        for attribute in [&b"itemprop"[..], b"property", b"data-field"] {
            let Some(text) = value_of(tag, raw, attribute) else { continue };
            for name in text.split_whitespace() {
                let last = name.rsplit([':', '/', '#']).next().unwrap_or(name);
                if let Some(category) = self.hidden(last).or_else(|| self.hidden(name)) {
                    return Some(category);
                }
            }
        }
        None
    }

    /// `<meta>`: what its name says of its content; `None` where it is about the page's charset.
    fn meta(&mut self, tag: &Tag, raw: &[u8]) -> Result<Option<Option<Value>>, RedactError> {
        let text = |name: &[u8]| value_of(tag, raw, name);
        if let Some(charset) = text(b"charset") {
            return self.state_charset(&charset).map(|()| None);
        }
        if let Some(equivalent) = text(b"http-equiv") {
            let content = text(b"content").unwrap_or_default().to_ascii_lowercase();
            let ends = |c: char| matches!(c, ' ' | ';' | '"' | '\'' | '=');
            let charset = content.split_once("charset").map(|(_, rest)| rest.trim_start_matches(ends));
            return match charset.and_then(|rest| rest.split(ends).next()) {
                Some(charset) if equivalent.trim().eq_ignore_ascii_case("content-type") => {
                    self.state_charset(charset).map(|()| None)
                }
                _ => Ok(Some(None)),
            };
        }
        let name =
            text(b"name").or_else(|| text(b"property")).unwrap_or_default().trim().to_ascii_lowercase();
        if is_technical(&name) {
            return Ok(Some(None));
        }
        let worth = self.field(tag, raw, &[b"name", b"property", b"itemprop"]);
        Ok(Some(Some(Value { name: b"content", worth })))
    }

    /// A page's word on its charset must be that of its head.
    fn state_charset(&self, name: &str) -> Result<(), RedactError> {
        let stated = Charset::named(name.trim().trim_matches(['"', '\'']));
        let agrees = match self.charset {
            Charset::Unstated | Charset::Utf8 => stated == Some(Charset::Utf8),
            other => stated == Some(other),
        };
        if agrees { Ok(()) } else { Err(RedactError::NotUtf8) }
    }
}

/// Names of `<meta>` that say how a page is shown, and nothing of anybody.
fn is_technical(name: &str) -> bool {
    const PREFIXES: [&str; 6] =
        ["apple-", "msapplication-", "mobile-web-app-", "google", "twitter:card", "turbo-"];
    const NAMES: [&str; 13] = [
        "viewport",
        "robots",
        "theme-color",
        "color-scheme",
        "generator",
        "format-detection",
        "referrer",
        "og:type",
        "og:locale",
        "application-name",
        "rating",
        "csrf-param",
        "handheldfriendly",
    ];
    NAMES.contains(&name) || PREFIXES.iter().any(|prefix| name.starts_with(prefix))
}

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
        page.prose(out, |prose, look, out| prose.text(text, look, out));
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
            page.prose(out, |prose, look, out| prose.tag(left, look, out));
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
    fn element(&mut self, tag: &Tag, raw: &[u8]) -> Result<Next, RedactError> {
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
        let role = Role::of(&tag.name);
        page.check_place(tag, raw, role)?;
        if page.frames.len() >= MAX_DEPTH {
            return Err(RedactError::TooDeep);
        }
        if tag.closes
            && (Raw::of(&tag.name).is_some() || !matches!(role, Role::Plain | Role::Foreign | Role::Columns))
        {
            // Readers of XML take the element for empty, those of HTML for open.
            return Err(RedactError::Malformed);
        }
        let mut next = Next::Content;
        let mut kept = false;
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
                let verdict = page.field(tag, raw, &FIELD).verdict;
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
    fn end_of(&mut self, tag: &Tag, raw: &[u8]) -> Result<(), RedactError> {
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
            page.mark(name, bytes, out);
            page.keep(bytes)?;
            return Ok(());
        }
        let role = Role::of(name);
        match (page.frames.last_mut(), role) {
            (Some(Frame::Foreign(names)), _) => {
                if names.pop().as_deref() != Some(name) {
                    return Err(RedactError::Malformed);
                }
                let ended = names.is_empty();
                page.mark(name, bytes, out);
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
            (_, Role::Plain) if Raw::of(name).is_some() => return Err(RedactError::Malformed),
            (_, Role::Plain) => {}
            // It ends what is not open here, or what something else is open in.
            _ => return Err(RedactError::Malformed),
        }
        page.mark(name, bytes, out);
        page.keep(bytes)?;
        Ok(())
    }
}

/// Attributes that name a form field.
const FIELD: [&[u8]; 5] = [b"name", b"id", b"autocomplete", b"itemprop", b"data-field"];

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
    let is_raw = Raw::of(name).is_some_and(|raw| !matches!(raw, Raw::Style | Raw::Title));
    let is_svg = matches!(name, b"svg" | b"math");
    if is_raw
        || breaks_out(name)
        || OTHERS.contains(&name)
        || (Role::of(name) != Role::Plain && !is_svg)
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
    fn check_line(&mut self, text: &[u8]) -> Result<(), RedactError> {
        let room = MAX_LINE.saturating_sub(self.line.len());
        let before = self.line.len();
        self.line.extend_from_slice(&text[..text.len().min(room)]);
        let ends = || memchr::memchr_iter(b'>', &self.line[before..]).map(|end| before + end);
        let Some(end) = ends().next_back() else { return Ok(()) };
        let is_value = |at: usize| {
            let name =
                self.line[..at].iter().rev().take_while(|byte| byte.is_ascii_alphabetic() || **byte == b'-');
            let name = name.count();
            let quoted = matches!(self.line.get(at + 1), Some(b'"' | b'\''));
            name > 0 && (quoted || self.line[at - name..at].eq_ignore_ascii_case(b"value"))
        };
        let ends_comment = ends().any(|end| self.line[..end].ends_with(b"--"));
        if ends_comment || memchr::memchr_iter(b'=', &self.line[..end]).any(is_value) {
            return Err(RedactError::Malformed);
        }
        Ok(())
    }

    /// Whether an element may stand where it does.
    fn check_place(&self, tag: &Tag, raw: &[u8], role: Role) -> Result<(), RedactError> {
        let name = &tag.name[..];
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
    fn leave(
        &mut self,
        tag: &Tag,
        raw: &[u8],
        manner: Manner,
        value: Option<Value>,
        out: &mut Vec<u8>,
    ) -> Result<(), RedactError> {
        if self.swallow.as_ref().is_some_and(|swallow| swallow.kept.is_none()) {
            self.mark(&tag.name, b"", out);
            return Ok(());
        }
        let mut room = std::mem::take(&mut self.room);
        room.clear();
        self.rewrite(tag, raw, manner, value, &mut room)?;
        self.mark(&tag.name, &room, out);
        self.room = room;
        Ok(())
    }

    /// Writes a start tag, and withholds what it holds if it must.
    fn withhold(
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

    fn list(&mut self) -> Result<&mut List, RedactError> {
        match self.frames.last_mut() {
            Some(Frame::List(list)) => Ok(list),
            _ => Err(RedactError::Malformed),
        }
    }

    fn open_item(
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
        for attribute in super::grid::NAMING {
            own.extend(value_of(tag, raw, attribute).iter().flat_map(|text| names(text)));
        }
        named.extend(own.iter().map(|name| self.place.resolve(name)));
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
            None => self.verdict(&named, known),
        };
        self.withhold(tag, raw, verdict, out)
    }

    fn close_item(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Some(item) = self.list()?.item.take() else { return Ok(()) };
        let named: Vec<Named> = item.text.names().iter().map(|name| self.place.resolve(name)).collect();
        if item.swallows {
            let is_name = item.is_term && self.is_name(&item.text);
            self.end_swallow(is_name, out);
        } else {
            self.flush(out);
        }
        if item.is_term {
            self.list()?.labels.extend(named);
        }
        Ok(())
    }

    /// An element that is none of a table, a list or a choice.
    fn plain(&mut self, tag: &Tag, raw: &[u8], out: &mut Vec<u8>) -> Result<Next, RedactError> {
        let name = &tag.name[..];
        if let Some(kind) = Raw::of(name) {
            self.spoil();
            let worth = match kind {
                Raw::Textarea => self.field(tag, raw, &FIELD),
                _ => Worth { verdict: Verdict::Keep, quiet: false },
            };
            let is_json =
                value_of(tag, raw, b"type").is_some_and(|kind| kind.to_ascii_lowercase().contains("json"));
            self.leave(tag, raw, worth.manner(), None, out)?;
            self.open = Some(Open { raw: kind, text: Vec::new(), worth, is_json });
            return Ok(Next::Raw(kind));
        }
        match name {
            b"meta" => {
                match self.meta(tag, raw)? {
                    Some(value) => self.leave(tag, raw, Manner::Open, value, out)?,
                    None if self.charset.is_rewritten() => self.mark(name, b"<meta charset=\"utf-8\">", out),
                    None => self.leave(tag, raw, Manner::Open, None, out)?,
                }
                return Ok(Next::Content);
            }
            b"input" | b"button" => {
                let kind = value_of(tag, raw, b"type").unwrap_or_default().trim().to_ascii_lowercase();
                let named = value_of(tag, raw, b"name").is_some_and(|name| !name.trim().is_empty());
                // A word on a button, which is no value.
                let is_button = matches!(&*kind, "submit" | "button" | "reset" | "image")
                    || (name == b"button" && !named);
                let has_value =
                    value_of(tag, raw, b"value").is_some() || matches!(&*kind, "checkbox" | "radio");
                let worth = match self.field_category(tag, raw) {
                    None if is_button || !has_value => Worth { verdict: Verdict::Keep, quiet: false },
                    _ => self.field(tag, raw, &FIELD),
                };
                self.leave(tag, raw, worth.manner(), Some(Value { name: b"value", worth }), out)?;
                self.nest(name);
                return Ok(Next::Content);
            }
            _ => {}
        }
        let value = match value_of(tag, raw, b"value") {
            // The number of an item.
            Some(text)
                if name == b"li"
                    && text.trim().bytes().all(|byte| byte.is_ascii_digit())
                    && text.len() < 7 =>
            {
                None
            }
            Some(_) => Some(Value { name: b"value", worth: self.field(tag, raw, &FIELD) }),
            None => None,
        };
        let named = match name {
            b"output" => self.field_category(tag, raw),
            _ => self.names_hidden(tag, raw),
        };
        if named.is_some() {
            self.spoil();
        }
        let Some(category) = named.filter(|_| self.swallow.is_none()) else {
            let manner = value.map_or(Manner::Open, |value| value.worth.manner());
            self.leave(tag, raw, manner, value, out)?;
            self.nest(name);
            return Ok(Next::Content);
        };
        self.tally.redacted(category);
        self.leave(tag, raw, Manner::Hidden, value, out)?;
        if !is_void(name) {
            self.begin_swallow(Verdict::Hide(category), out);
            self.frames.push(Frame::Hidden(vec![name.to_vec()]));
        }
        Ok(Next::Content)
    }

    /// Within a hidden element, each open one is remembered.
    fn nest(&mut self, name: &[u8]) {
        if let Some(Frame::Hidden(names)) = self.frames.last_mut()
            && !is_void(name)
        {
            if name == b"p" && names.last().is_some_and(|open| open == b"p") {
                return;
            }
            names.push(name.to_vec());
        }
    }

    /// The category of a field by any of its names, where it is hidden.
    fn field_category(&mut self, tag: &Tag, raw: &[u8]) -> Option<CategoryId> {
        FIELD
            .iter()
            .filter_map(|name| value_of(tag, raw, name))
            .find_map(|text| field_names(&text).iter().find_map(|name| self.hidden(name)))
    }

    /// A raw element ends: what may leave of its text.
    fn close_raw(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Some(Open { raw, text, worth, is_json }) = self.open.take() else { return Ok(()) };
        match raw {
            Raw::Hollow => {}
            Raw::Script => self.script(&text, is_json, out),
            Raw::Style => {
                let text = String::from_utf8_lossy(&text);
                let left = super::prose::scrubbed(&text, &mut self.looking());
                // A stand-in must not end the element.
                let left = left.map(|left| left.replace('<', " "));
                self.flush(out);
                self.write(left.as_deref().unwrap_or(&text).as_bytes(), out);
            }
            Raw::Title | Raw::Textarea => self.reference_text(raw, &text, worth, out),
        }
        Ok(())
    }

    /// The text of a title, or the value of a field.
    fn reference_text(&mut self, raw: Raw, text: &[u8], worth: Worth, out: &mut Vec<u8>) {
        self.flush(out);
        if self.swallow.is_some() {
            if let Some(swallow) = &mut self.swallow {
                swallow.text.add(text);
            }
            if let Some(Swallow { kept: None, .. }) = self.swallow {
                return;
            }
        }
        let decoded = super::entity::decoded(text, super::entity::Within::Text);
        let mut left = Vec::new();
        match worth.verdict {
            Verdict::Hide(category) if !text.is_empty() => {
                if let Some(stand_in) = self.judge.stand_in(category, decoded.trim()) {
                    escape(&stand_in, &mut left);
                }
            }
            Verdict::Hide(_) | Verdict::Drop => {}
            Verdict::Keep => {
                let nested = match raw {
                    Raw::Textarea if !worth.quiet && begins(&decoded) => {
                        self.judge.nested(&decoded, self.visible)
                    }
                    _ => Nested::Same,
                };
                let document = match nested {
                    Nested::Same => None,
                    Nested::Redacted(document) => Some(document),
                    Nested::Unreadable if self.mentions(&decoded) => Some(String::new()),
                    Nested::Unreadable => None,
                };
                let text_left = document.as_deref().unwrap_or(&decoded);
                let scrubbed = match worth.quiet {
                    true => None,
                    false => super::prose::scrubbed(text_left, &mut self.looking()),
                };
                match scrubbed.or(document) {
                    Some(text) => escape(&text, &mut left),
                    // To readers who see markup here, nothing may look like it.
                    None => text.iter().for_each(|&byte| match byte {
                        b'<' => left.extend_from_slice(b"&lt;"),
                        byte => left.push(byte),
                    }),
                }
            }
        }
        self.write(&left, out);
    }

    /// A script: a document, or code.
    fn script(&mut self, text: &[u8], is_json: bool, out: &mut Vec<u8>) {
        self.flush(out);
        let text = String::from_utf8_lossy(text);
        if text.trim().is_empty() {
            self.write(text.as_bytes(), out);
            return;
        }
        let left = if is_json || begins(&text) {
            match self.judge.nested(&text, self.visible) {
                Nested::Same if begins(&text) => Some(None),
                Nested::Redacted(document) => Some(Some(document)),
                Nested::Same | Nested::Unreadable => None,
            }
        } else if self.judge.denies() || self.mentions(&text) {
            self.tally.unclassified();
            None
        } else {
            Some(None)
        };
        let Some(document) = left else { return };
        let scrubbed = super::prose::scrubbed(document.as_deref().unwrap_or(&text), &mut self.looking());
        match scrubbed.or(document) {
            // Outside of texts no JSON has it; in them it must not end the element.
            Some(document) => self.write(document.replace('<', "\\u003c").as_bytes(), out),
            None => self.write(text.as_bytes(), out),
        }
    }
}
