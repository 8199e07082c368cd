//! Follows a page's structure, judges what has a name in it, and writes what may leave.
//!
//! Only what gives names to values is followed: tables, lists of terms, form fields, elements that name their content. In these the
//! grammar is strict, for where a cell or a field ends decides what is hidden; everything else is text between tags, however
//! sloppy, and goes through the detectors.

use std::collections::HashMap;

use super::again::{Known, Memory};
use super::attributes::Worth;
use super::element::Raw;
use super::entity::escape;
use super::form::Form;
use super::grid::{Gathered, Spelt, Table};
use super::line::{End, Pending};
use super::prose::{Look, Prose};
use super::shown::{Classes, Scope};
use super::tag::Tag;
use crate::policy::set::{CategoryId, CategorySet};
use crate::redact::action::Remedy;
use crate::redact::detect::Kinds;
use crate::redact::judge::{Judge, Verdict};
use crate::redact::nested::Nested;
use crate::redact::place::{Field, Named, Place};
use crate::redact::whose::Whose;
use crate::redact::{Charset, RedactError, Tally, Task};

/// Longest content that is kept until it is known whether it is a name.
const MAX_KEPT: usize = 64 * 1024;

/// An open element whose end matters.
#[derive(Clone, Debug)]
pub(super) enum Frame {
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
pub(super) struct List {
    pub(super) labels: Vec<Named>,
    pub(super) item: Option<Item>,
    /// The last item was a description: the next term is another's.
    pub(super) described: bool,
}

#[derive(Clone, Debug)]
pub(super) struct Item {
    pub(super) is_term: bool,
    pub(super) text: Gathered,
    pub(super) swallows: bool,
}

/// Content that does not leave as it is.
#[derive(Debug)]
pub(super) struct Swallow {
    pub(super) verdict: Verdict,
    pub(super) text: Gathered,
    /// What would leave if it turned out to be a name; `None` where that does not count, or it is too long for one.
    pub(super) kept: Option<Vec<u8>>,
}

/// A row that is read as anybody's until it is known whose it is.
#[derive(Debug)]
pub(super) struct Hold {
    /// How many elements are open around it.
    pub(super) depth: usize,
    pub(super) raw: Vec<u8>,
    pub(super) out: Vec<u8>,
    pub(super) whose: Whose,
    /// As it was before the row.
    pub(super) table: Box<Table>,
    pub(super) tally: Tally,
    pub(super) judged: Tally,
    /// How many values had been noted.
    pub(super) noted: usize,
}

/// A raw element that is open.
#[derive(Debug)]
pub(super) struct Open {
    pub(super) raw: Raw,
    pub(super) text: Vec<u8>,
    pub(super) worth: Worth,
    /// How it is judged, and its own form.
    pub(super) visible: CategorySet,
    /// A script whose type says JSON.
    pub(super) is_json: bool,
}

/// See the module.
pub(super) struct Page {
    pub(super) judge: Judge,
    pub(super) tally: Tally,
    pub(super) visible: CategorySet,
    pub(super) place: Place,
    pub(super) charset: Charset,
    pub(super) kinds: Kinds,
    /// The text that comes is that of a value which is not personal.
    pub(super) quiet: bool,
    pub(super) relates: bool,
    pub(super) prose: Prose,
    pub(super) frames: Vec<Frame>,
    pub(super) open: Option<Open>,
    pub(super) swallow: Option<Swallow>,
    pub(super) hold: Option<Box<Hold>>,
    /// Room for what the next one holds.
    pub(super) spare: (Vec<u8>, Vec<u8>),
    pub(super) tag: Tag,
    pub(super) room: Vec<u8>,
    /// The choice that is open is withheld, and nothing around it.
    pub(super) select_swallows: bool,
    /// A row is read again, and whether it was found not to fit its table.
    pub(super) again: bool,
    pub(super) misfit: bool,
    pub(super) memory: Memory,
    pub(super) form: Option<Form>,
    /// What is visible in each form, where the page was read before.
    pub(super) forms: Vec<CategorySet>,
    /// The text that comes is somebody's own: their name is no find in it.
    pub(super) own: bool,
    /// Something of what is looked for is hidden.
    pub(super) hides: bool,
    /// A name that ended its line.
    pub(super) pending: Option<Pending>,
    /// An element that names what it shows.
    pub(super) scope: Option<Scope>,
    /// The last block that began is a `div`, which says nothing of what stands in it.
    pub(super) is_box: bool,
    pub(super) classes: Classes,
    /// Categories that labels gave to elements, by their `id`.
    pub(super) labelled: HashMap<String, CategoryId>,
    /// Text since the last tag, as far as it could be the rest of a broken one.
    pub(super) line: Vec<u8>,
}

impl Page {
    pub(super) fn new(task: Task, charset: Charset, mut memory: Memory) -> Self {
        let visible = task.audience.sees.any;
        let kinds = task.plan.detected(visible);
        let hides = task.plan.hides(visible);
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
            spare: Default::default(),
            tag: Tag::default(),
            room: Vec::new(),
            select_swallows: false,
            again: false,
            misfit: false,
            line: Vec::new(),
            hides,
            forms: std::mem::take(&mut memory.known.forms),
            memory,
            form: None,
            own: false,
            pending: None,
            scope: None,
            is_box: false,
            classes: Classes::default(),
            labelled: HashMap::new(),
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
        self.close_form();
        Ok(())
    }

    /// What must be known to read the page again, if it must be.
    pub(super) fn must_be_read_again(&mut self) -> Option<Known> {
        self.memory.again(self.judge.task.audience.sees.any)
    }

    /// Whether anything of a page depends on what stands behind it.
    pub(super) fn may_be_read_again(&self) -> bool {
        self.hides || self.relates
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let kept = self.swallow.as_ref().and_then(|swallow| swallow.kept.as_ref()).map_or(0, Vec::capacity);
        let held = self.hold.as_ref().map_or(0, |hold| hold.raw.capacity() + hold.out.capacity());
        self.prose.capacity() + kept + held + self.room.capacity()
    }

    /// What detectors need.
    pub(super) fn looking(&mut self) -> Look<'_> {
        Look {
            kinds: self.kinds,
            looks: !self.own && !self.quiet,
            task: &self.judge.task,
            tally: &mut self.tally,
            memory: &mut self.memory,
        }
    }

    /// The same for code and for what holds a page together: a value that it shares a word with is no find in it.
    pub(super) fn looking_at_code(&mut self) -> Look<'_> {
        Look { looks: false, ..self.looking() }
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

    /// Whether a text, read as these names, is nothing but names of fields that somebody classified.
    pub(super) fn is_name(&self, names: &[Spelt]) -> bool {
        // A value behind a name (`Nom, Jean`) is resolved by the name.
        let mut known = names.iter().map(|spelt| spelt.is_known() && self.place.knows_all(&spelt.name));
        // The whole, or else all of its parts.
        known.next().is_some_and(|whole| whole || (names.len() > 1 && known.all(|known| known)))
    }

    /// Whether a text is the name of a field that somebody classified.
    pub(super) fn is_known(&mut self, name: &str) -> bool {
        self.place.resolve(name.trim()).field.is_known()
    }

    /// The field of these names that is hidden by the strictest word, if one is.
    pub(super) fn strictest(&self, named: &[Named]) -> Option<Field> {
        let visible = self.visible;
        let hides = |field: &Field| field.category().is_some_and(|category| !visible.contains(category));
        let removes = |field: &Field| {
            let remedy = field.category().map(|category| self.judge.task.plan.remedy(category));
            matches!(remedy, Some(Remedy::Remove))
        };
        named.iter().map(|named| named.field).filter(hides).min_by_key(|field| !removes(field))
    }

    /// What happens to a value of these names. The strictest word counts.
    pub(super) fn verdict(&mut self, named: &[Named], known: bool) -> Verdict {
        let visible = self.visible;
        match self.strictest(named) {
            Some(field) => self.judge.judge(field, visible),
            None if known => Verdict::Keep,
            None => {
                let unknown = named.iter().map(|named| named.field).find(|field| !field.is_known());
                self.judge.judge(unknown.unwrap_or_default(), visible)
            }
        }
    }

    pub(super) fn set_visible(&mut self, visible: CategorySet) {
        self.visible = visible;
        self.quiet = false;
        self.kinds = self.judge.task.plan.detected(visible);
        self.hides = self.judge.task.plan.hides(visible);
    }

    /// Where bytes go.
    pub(super) fn write(&mut self, bytes: &[u8], out: &mut Vec<u8>) {
        match (&mut self.swallow, &mut self.hold) {
            (Some(Swallow { kept: Some(kept), .. }), _) => kept.extend_from_slice(bytes),
            (Some(_), _) => {}
            (None, Some(hold)) => hold.out.extend_from_slice(bytes),
            (None, None) => out.extend_from_slice(bytes),
        }
    }

    /// Runs a step of the prose, where its bytes go.
    pub(super) fn prose(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut Prose, &mut Look<'_>, &mut Vec<u8>),
    ) {
        let mut look = Look {
            kinds: self.kinds,
            looks: !self.own && !self.quiet,
            task: &self.judge.task,
            tally: &mut self.tally,
            memory: &mut self.memory,
        };
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

    /// Takes text as it is written.
    pub(super) fn add_text(&mut self, mut text: &[u8], out: &mut Vec<u8>) {
        while !text.is_empty() {
            let (now, later) = text.split_at(text.len().min(self.prose.room()));
            self.prose(out, |prose, _, _| prose.text(now));
            text = later;
            self.make_room(out);
        }
    }

    /// Takes a tag, or what stands for a comment, within a line.
    pub(super) fn add_tag(&mut self, tag: &[u8], out: &mut Vec<u8>) {
        self.prose(out, |prose, _, _| prose.tag(tag));
        self.make_room(out);
    }

    /// The first part of a long line leaves.
    fn make_room(&mut self, out: &mut Vec<u8>) {
        if self.prose.is_long() {
            self.judge_line(End::None);
            self.prose(out, Prose::part);
        }
    }

    /// The run of text ends.
    pub(super) fn flush(&mut self, out: &mut Vec<u8>) {
        self.end_line(End::Block, out);
    }

    fn end_line(&mut self, end: End, out: &mut Vec<u8>) {
        if self.prose.is_empty() && self.swallow.is_none() {
            return;
        }
        let text = if self.quiet { None } else { self.prose.document() };
        if let Some(text) = text {
            let document = match self.judge.nested(&text, self.visible) {
                Nested::Same => None,
                Nested::Redacted(document) => Some(document),
                Nested::Text | Nested::Unreadable => self.mentions(&text).then(String::new),
            };
            if let Some(document) = document {
                self.prose.replace(&document);
            }
        } else {
            self.judge_line(end);
        }
        self.prose(out, Prose::finish);
    }

    /// Writes a tag: within a line, or at the end of one.
    pub(super) fn mark(&mut self, tag: &Tag, bytes: &[u8], out: &mut Vec<u8>) {
        if tag.element.is_inline {
            self.add_tag(bytes, out);
            return;
        }
        let name = &tag.name[..];
        self.end_line(if name == b"br" { End::Break } else { End::Block }, out);
        self.is_box = name == b"div" && !bytes.starts_with(b"</");
        self.write(bytes, out);
        if let Some(swallow) = &mut self.swallow {
            swallow.text.part();
        }
        if let Some(text) = self.gathering() {
            text.part();
        }
    }

    /// The text that may be a name: of the innermost cell or item.
    pub(super) fn gathering(&mut self) -> Option<&mut Gathered> {
        self.frames.iter_mut().rev().find_map(|frame| match frame {
            Frame::Table(table) => Some(table.cell.as_mut().map(|cell| &mut cell.text)),
            Frame::List(list) => Some(list.item.as_mut().map(|item| &mut item.text)),
            _ => None,
        })?
    }

    /// Content begins that does not leave as it is. Not where that is so already.
    pub(super) fn begin_swallow(&mut self, verdict: Verdict, out: &mut Vec<u8>) -> bool {
        if self.swallow.is_some() {
            return false;
        }
        self.flush(out);
        let kept = (verdict == Verdict::Drop).then(Vec::new);
        self.swallow = Some(Swallow { verdict, text: Gathered::default(), kept });
        true
    }

    /// Something that has a value of its own stands in what is withheld: it is more than a name.
    pub(super) fn spoil(&mut self) {
        if let Some(swallow) = &mut self.swallow
            && swallow.kept.take().is_some()
        {
            self.prose = Prose::default();
        }
    }

    /// It ends: what stands for it is written.
    pub(super) fn end_swallow(&mut self, is_name: bool, out: &mut Vec<u8>) {
        self.flush(out);
        let Some(Swallow { verdict, text, kept }) = self.swallow.take() else { return };
        match verdict {
            Verdict::Hide(category) if !text.is_overlong() => {
                let mut bytes = Vec::new();
                let value = text.value();
                self.memory.note(category, &value);
                if let Some(stand_in) = self.judge.stand_in(category, &value) {
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
}
