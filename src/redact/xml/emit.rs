//! Writes what may leave.
//!
//! Bytes that stay are given as they came. An element that nobody classified, where that is denied, is held back until
//! something in it may leave; so one with nothing goes without a trace.

mod texts;

use std::collections::VecDeque;
use std::sync::Arc;

use super::name::{decoded, escape, is_blank, trim};
use super::walker::{Element, Role, Visit, Walker};
use crate::policy::set::{CategoryId, CategorySet};
use crate::redact::action::Remedy;
use crate::redact::judge::{Judge, Left, Verdict};
use crate::redact::place::Field;
use crate::redact::{MAX_HELD, MAX_VALUE, RedactError, Task};
use texts::Run;

/// A record that is somebody's for this audience, or an element in it of somebody else, and what they therefore see in it.
#[derive(Clone, Copy, Debug)]
pub(super) struct Related {
    /// Place of its start tag.
    pub(super) at: u64,
    /// What is visible inside.
    pub(super) visible: CategorySet,
}

/// How an open element is written.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Mode {
    /// Each member is judged for itself; its text leaves.
    Open,
    /// The same, but nobody classified its text; what the plan says of it, and whether that was counted.
    Unknown { field: Field, counted: bool },
    /// Its content is hidden as one value, whatever it holds.
    Hidden(CategoryId),
    /// An attribute gave it a hidden name: its text and each element in it are values.
    Values(CategoryId),
    /// Inside a hidden value: texts are gathered, tags are not written.
    Inside,
    /// It went, with all that is in it.
    Gone,
}

#[derive(Clone, Copy, Debug)]
struct Scope {
    visible: CategorySet,
    /// It stands in a classified value: what nobody classified in it was classified with it.
    known: bool,
    mode: Mode,
    /// What the plan says of it, as its texts are read.
    field: Field,
    /// Where it begins in what is held back.
    held: usize,
}

/// A text that is gathered to be replaced.
#[derive(Debug, Default)]
struct Gathered {
    text: Vec<u8>,
    /// Longer than what is kept of a value: nothing can be said about it.
    overlong: bool,
}

struct State {
    judge: Judge,
    run: Run,
    scopes: Vec<Scope>,
    related: VecDeque<Related>,
    /// Start tags, and white space, of open elements of which nothing left yet.
    held: Vec<u8>,
    /// The first open element that is held back; none where it is the number of open elements or more.
    first_held: usize,
    /// The text of a hidden value, and that between the values of [`Mode::Values`].
    value: Gathered,
    between: Gathered,
    /// A tag that is being rewritten.
    tag: Vec<u8>,
    room: Vec<u8>,
}

/// See the module.
pub(super) struct Emitter {
    walker: Walker,
    state: State,
}

impl Emitter {
    pub(super) fn new(task: Task) -> Self {
        let walker = Walker::new(Arc::clone(&task.plan));
        let state = State {
            judge: Judge::new(task),
            run: Run::default(),
            scopes: Vec::new(),
            related: VecDeque::new(),
            held: Vec::new(),
            first_held: usize::MAX,
            value: Gathered::default(),
            between: Gathered::default(),
            tag: Vec::new(),
            room: Vec::new(),
        };
        Self { walker, state }
    }

    pub(super) fn judge(&self) -> &Judge {
        &self.state.judge
    }

    /// Announces a record that is somebody's; in the order of their places, and before its bytes are pushed.
    pub(super) fn relate(&mut self, related: Related) {
        self.state.related.push_back(related);
    }

    pub(super) fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        self.walker.walk(input, &mut Pass { state: &mut self.state, out })
    }

    pub(super) fn finish(&self) -> Result<(), RedactError> {
        self.walker.finish()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        let state = &self.state;
        self.walker.capacity()
            + state.held.capacity()
            + state.tag.capacity()
            + state.room.capacity()
            + state.run.raw.capacity()
            + state.run.text.capacity()
            + state.value.text.capacity()
            + state.between.text.capacity()
            + state.scopes.capacity() * size_of::<Scope>()
            + state.related.capacity() * size_of::<Related>()
    }
}

impl Gathered {
    fn add(&mut self, text: &[u8]) {
        self.overlong |= self.text.len() + text.len() > MAX_VALUE;
        if !self.overlong {
            self.text.extend_from_slice(text);
        }
    }
}

/// White space at the beginning of a text.
fn blanks(text: &[u8]) -> usize {
    text.iter().take_while(|&&byte| is_blank(byte)).count()
}

struct Pass<'a> {
    state: &'a mut State,
    out: &'a mut Vec<u8>,
}

impl State {
    /// What is visible in what begins here, if that was told.
    fn visible_at(&mut self, at: u64) -> Option<CategorySet> {
        while let Some(related) = self.related.front().copied() {
            if related.at > at {
                break;
            }
            self.related.pop_front();
            if related.at == at {
                return Some(related.visible);
            }
        }
        None
    }

    /// What happens to a value, of all that is known of its name. The strictest word counts.
    fn judge(&mut self, fields: impl Iterator<Item = Field> + Clone, scope: &Scope) -> Option<Verdict> {
        let hidden =
            |field: &Field| field.category().is_some_and(|category| !scope.visible.contains(category));
        let strictest = fields
            .clone()
            .filter(hidden)
            .min_by_key(|field| !field.category().is_some_and(|category| self.removes(category)));
        if let Some(field) = strictest {
            return Some(self.judge.judge(field, scope.visible));
        }
        if scope.known || fields.clone().any(Field::is_known) {
            return Some(Verdict::Keep);
        }
        None
    }

    fn removes(&self, category: CategoryId) -> bool {
        matches!(self.judge.task.plan.remedy(category), Remedy::Remove)
    }

    /// Rewrites a start tag into `tag`: whether a judged attribute is left in it.
    fn rewrite(&mut self, element: &Element<'_>, scope: &Scope, mode: Mode) -> bool {
        let mut from = 0;
        let mut left = false;
        self.tag.clear();
        for member in element.members() {
            let attribute = member.attribute;
            let verdict = match (member.role, mode) {
                (Role::Grammar, _) => continue,
                (Role::Names, Mode::Open | Mode::Unknown { .. } | Mode::Values(_)) => Some(Verdict::Keep),
                (Role::Plain, Mode::Values(category)) => Some(Verdict::Hide(category)),
                (Role::Plain | Role::Form, Mode::Open | Mode::Unknown { .. })
                | (Role::Form, Mode::Values(_)) => {
                    let fields = [member.field].into_iter();
                    Some(match self.judge(fields, scope) {
                        Some(verdict) => verdict,
                        None => self.judge.judge(member.field, scope.visible),
                    })
                }
                (_, Mode::Hidden(_) | Mode::Inside | Mode::Gone) => None,
            };
            let raw = element.raw(attribute);
            match verdict {
                Some(Verdict::Keep) if member.role == Role::Names => left = true,
                Some(Verdict::Keep) => {
                    let value = std::str::from_utf8(decoded(raw, &mut self.room)).unwrap_or_default();
                    let kept = if member.field.is_free_text()
                        || self.judge.may_hold(value.as_bytes(), scope.visible)
                    {
                        self.judge.left(value, member.field, scope.visible)
                    } else {
                        Left::Same
                    };
                    match kept {
                        Left::Same => left = true,
                        Left::Instead(text) => {
                            self.tag.extend_from_slice(&element.tag.raw[from..attribute.value.start]);
                            escape(&text, &mut self.tag);
                            from = attribute.value.end;
                            left = true;
                        }
                        Left::Nothing => {
                            self.tag.extend_from_slice(&element.tag.raw[from..attribute.from]);
                            from = attribute.to;
                        }
                    }
                }
                Some(Verdict::Hide(category)) => {
                    let value = std::str::from_utf8(decoded(raw, &mut self.room)).unwrap_or_default();
                    self.judge.note(category, value);
                    if let Some(text) =
                        self.judge.stand_in(category, value).filter(|_| raw.len() <= MAX_VALUE)
                    {
                        self.tag.extend_from_slice(&element.tag.raw[from..attribute.value.start]);
                        escape(&text, &mut self.tag);
                        from = attribute.value.end;
                        left = true;
                    } else {
                        self.tag.extend_from_slice(&element.tag.raw[from..attribute.from]);
                        from = attribute.to;
                    }
                }
                Some(Verdict::Drop) | None => {
                    self.tag.extend_from_slice(&element.tag.raw[from..attribute.from]);
                    from = attribute.to;
                }
            }
        }
        self.tag.extend_from_slice(&element.tag.raw[from..]);
        left
    }
}

impl Pass<'_> {
    /// Something leaves: what was held back in front of it does as well.
    fn flush(&mut self) {
        if !self.state.held.is_empty() {
            self.out.append(&mut self.state.held);
        }
        self.state.first_held = usize::MAX;
    }

    fn write(&mut self, bytes: &[u8]) {
        self.flush();
        self.out.extend_from_slice(bytes);
    }

    fn is_held(&self) -> bool {
        self.state.first_held < self.state.scopes.len()
    }

    fn hold(&mut self, bytes: &[u8]) -> Result<(), RedactError> {
        if self.state.held.len() + bytes.len() > MAX_HELD {
            return Err(RedactError::TooLong);
        }
        self.state.held.extend_from_slice(bytes);
        Ok(())
    }

    /// Writes what stands for a gathered text.
    fn stand_in(&mut self, category: CategoryId, of: fn(&mut State) -> &mut Gathered) {
        let Gathered { text, overlong } = std::mem::take(of(self.state));
        let value = std::str::from_utf8(trim(&text)).unwrap_or_default();
        let mut written = std::mem::take(&mut self.state.tag);
        written.clear();
        self.state.judge.note(category, value);
        if !overlong && let Some(text) = self.state.judge.stand_in(category, value) {
            escape(&text, &mut written);
        }
        self.write(&written);
        self.state.tag = written;
        of(self.state).text = text;
        of(self.state).text.clear();
    }

    fn open(&mut self, element: &Element<'_>, parent: Option<Scope>) -> Result<Scope, RedactError> {
        let any = self.state.judge.task.audience.sees.any;
        let field = element.field;
        let outside =
            parent.unwrap_or(Scope { visible: any, known: false, mode: Mode::Open, field, held: 0 });
        let mut scope = Scope { field, held: self.state.held.len(), ..outside };
        match outside.mode {
            Mode::Inside | Mode::Hidden(_) => {
                scope.mode = Mode::Inside;
                return Ok(scope);
            }
            Mode::Gone => return Ok(scope),
            Mode::Values(category) => {
                scope.mode = Mode::Hidden(category);
                self.tag(element, &scope, true)?;
                return Ok(scope);
            }
            Mode::Open | Mode::Unknown { .. } => {}
        }
        let own = [element.field].into_iter();
        let verdict = self.state.judge(own.clone().chain(element.named.iter().copied()), &outside);
        let around = if element.field.is_record() { any } else { outside.visible };
        scope.visible = self.state.visible_at(element.tag.at).unwrap_or(around);
        match verdict {
            Some(Verdict::Hide(category)) => {
                if self.state.removes(category) && parent.is_some() {
                    scope.mode = Mode::Gone;
                    return Ok(scope);
                }
                let by_own = element.field.category().is_some_and(|own| !outside.visible.contains(own));
                scope.mode = if by_own { Mode::Hidden(category) } else { Mode::Values(category) };
                self.tag(element, &scope, true)?;
            }
            Some(Verdict::Keep | Verdict::Drop) => {
                scope.known = true;
                scope.mode = Mode::Open;
                self.tag(element, &scope, true)?;
            }
            None => {
                scope.mode = Mode::Unknown { field: element.field, counted: false };
                self.tag(element, &scope, parent.is_none() || !self.state.judge.denies())?;
            }
        }
        Ok(scope)
    }

    /// Writes a start tag, or holds it back.
    fn tag(&mut self, element: &Element<'_>, scope: &Scope, leaves: bool) -> Result<(), RedactError> {
        if element.tag.attributes.is_empty() && leaves {
            self.write(element.tag.raw);
            return Ok(());
        }
        let left = self.state.rewrite(element, scope, scope.mode);
        let tag = std::mem::take(&mut self.state.tag);
        if leaves || left {
            self.write(&tag);
        } else {
            self.hold(&tag)?;
            self.state.first_held = self.state.first_held.min(self.state.scopes.len());
        }
        self.state.tag = tag;
        Ok(())
    }
}

impl Visit for Pass<'_> {
    fn start(&mut self, element: &Element<'_>) -> Result<(), RedactError> {
        self.end_text()?;
        let parent = self.state.scopes.last().copied();
        let scope = self.open(element, parent)?;
        self.state.scopes.push(scope);
        Ok(())
    }

    fn end(&mut self, raw: &[u8], _: u64) -> Result<(), RedactError> {
        self.end_text()?;
        let Some(scope) = self.state.scopes.last().copied() else { return Err(RedactError::Malformed) };
        match scope.mode {
            Mode::Inside | Mode::Gone => {}
            Mode::Open | Mode::Unknown { .. } if self.is_held() => {
                self.state.held.truncate(scope.held);
            }
            Mode::Open | Mode::Unknown { .. } => self.write(raw),
            Mode::Hidden(category) => {
                self.stand_in(category, |state| &mut state.value);
                self.write(raw);
            }
            Mode::Values(category) => {
                self.stand_in(category, |state| &mut state.between);
                self.write(raw);
            }
        }
        self.state.scopes.pop();
        if self.state.first_held >= self.state.scopes.len() {
            self.state.first_held = usize::MAX;
        }
        Ok(())
    }

    fn text(&mut self, raw: &[u8], text: &[u8]) -> Result<(), RedactError> {
        let held = self.is_held();
        let Some(scope) = self.state.scopes.last_mut() else { return Err(RedactError::Malformed) };
        match &mut scope.mode {
            Mode::Gone => {}
            Mode::Hidden(_) | Mode::Inside => self.state.value.add(text),
            Mode::Values(_) => {
                // The white space in front of the first value stays; the marks of CDATA have no text.
                let blanks = if self.state.between.text.is_empty() { blanks(text) } else { 0 };
                self.state.between.add(&text[blanks..]);
                if blanks == text.len() && blanks > 0 {
                    self.write(raw);
                } else {
                    self.write(&text[..blanks]);
                }
            }
            Mode::Open => {
                let scope = *scope;
                self.keep_text(scope, raw, text)?;
            }
            Mode::Unknown { field, counted } => {
                let blanks = if *counted { 0 } else { blanks(text) };
                if blanks < text.len() && !std::mem::replace(counted, true) {
                    self.state.judge.judge(*field, CategorySet::default());
                }
                if !self.state.judge.denies() {
                    let scope = *scope;
                    return self.keep_text(scope, raw, text);
                }
                let left = if blanks > 0 && blanks == text.len() { raw } else { &text[..blanks] };
                if held { self.hold(left)? } else { self.write(left) }
            }
        }
        Ok(())
    }

    fn around(&mut self, raw: &[u8]) {
        self.out.extend_from_slice(raw);
    }
}
