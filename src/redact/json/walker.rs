//! The grammar of RFC 8259 as a push machine, and the place of each value in the plan.
//!
//! It knows nothing of what is hidden: that is for its visitor, [`super::pass`].

use std::sync::Arc;

use super::names;
use super::pairs::Pairs;
use super::scan::StringState;
use super::selected::Selected;
use super::tokens::Token;
use super::visit::{Kind, Site, Start, Visit, Watch};
use super::{MAX_DEPTH, MAX_HELD, RedactError};
use crate::redact::Answers;
use crate::redact::graphql::Cursor;
use crate::redact::keys::{Key, Keys, Link};
use crate::redact::plan::{Kept, NAMED, NOT_PERSONAL, Plan, Symbol, TOLD};

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Expect {
    /// A value: the root, behind a colon, or behind an element's comma.
    Value,
    FirstElement,
    FirstKey,
    Key,
    Colon,
    Separator,
    /// White space up to the end.
    Nothing,
}

/// What ends nothing, for the level around the root: no text in UTF-8 holds it.
pub(super) const NEVER: u8 = 0xFF;
/// The place of a document's first byte: what has no place there has 0.
const FIRST: u64 = 1;

/// A value at this state, which is of this class where no rule says otherwise.
#[inline(always)]
fn site(plan: &Plan, kept: &Kept, state: u32, otherwise: u8) -> Site {
    let facts = plan.facts(state, kept);
    Site::at(state, facts, if facts.class == 0 { otherwise } else { facts.class })
}

/// White space (RFC 8259 2).
#[inline(always)]
fn is_blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\n' | b'\r' | b'\t')
}

/// An open array or object, or the document around its root.
#[derive(Clone, Copy)]
pub(super) struct Level<S> {
    pub(super) state: u32,
    /// Of an array, the place of the next element; of what was selected, a guess at the next member.
    pub(super) index: u32,
    /// The bracket that closes it.
    pub(super) closes: u8,
    /// Class of the elements that nobody classified.
    otherwise: u8,
    /// What the names of its members are.
    keys: u8,
    link: Link,
    /// What its members name.
    pub(super) pairs: Pairs,
    /// Where its members were selected.
    pub(super) cursor: Cursor,
    pub(super) scope: S,
}

/// How a walk ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Walked {
    /// At the end of the chunk.
    All,
    /// Where the visitor stopped it.
    Stopped,
    /// At this place of the chunk, in front of a value: more has to come before it is looked at.
    Waits(usize),
}

pub(super) struct Walker<S> {
    pub(super) plan: Arc<Plan>,
    pub(super) expect: Expect,
    pub(super) token: Token,
    pub(super) watch: Watch,
    pub(super) site: Site,
    start: Start,
    /// Place of the chunk in the document.
    base: u64,
    /// Names of members are looked at.
    pub(super) minds_names: bool,
    /// The chunk was walked before, and what is behind it is not at hand.
    pub(super) again: bool,
    /// The site of the root.
    root: Site,
    pub(super) top: Level<S>,
    /// The levels around `top`: as many as arrays and objects are open.
    pub(super) stack: Vec<Level<S>>,
    pub(super) keys: Keys,
    pub(super) kept: Kept,
    /// Where the keys of this document were chosen by who asked for it.
    pub(super) selected: Option<Box<Selected>>,
    /// Raw text of a key or watched value, from earlier chunks.
    pub(super) raw: Vec<u8>,
    pub(super) room: Vec<u8>,
}

impl<S: Copy> Walker<S> {
    /// `around` is the scope of the document itself.
    pub(super) fn new(plan: Arc<Plan>, around: S, answers: Option<Arc<Answers>>) -> Self {
        let facts = plan.facts(plan.start(), &Kept::new());
        let root = Site::at(plan.start(), facts, facts.class);
        let selected = answers.map(|answers| Box::new(Selected::new(answers, &plan)));
        Self::at(plan, around, root, selected)
    }

    /// For a document whose root stands at this state. As a text it was judged already.
    pub(super) fn inside(plan: Arc<Plan>, around: S, state: u32) -> Self {
        let root = Site::at(state, plan.facts(state, &Kept::new()), 0);
        Self::at(plan, around, root, None)
    }

    fn at(plan: Arc<Plan>, around: S, root: Site, selected: Option<Box<Selected>>) -> Self {
        let cursor = selected.as_ref().map_or(Cursor::Plain, |selected| selected.start());
        Self {
            minds_names: plan.minds_names(),
            again: false,
            plan,
            selected,
            expect: Expect::Value,
            token: Token::None,
            watch: Watch::Nothing,
            site: Site::default(),
            start: Start::default(),
            base: FIRST,
            root,
            top: Level {
                state: 0,
                index: 0,
                closes: NEVER,
                otherwise: 0,
                keys: 0,
                link: Link::ROOT,
                pairs: Pairs::default(),
                cursor,
                scope: around,
            },
            stack: Vec::new(),
            keys: Keys::default(),
            kept: Kept::new(),
            raw: Vec::new(),
            room: Vec::new(),
        }
    }

    /// The place behind the bytes walked so far.
    pub(super) fn position(&self) -> u64 {
        self.base
    }

    /// The member or element whose value has not begun at the end of the chunk.
    pub(super) fn held(&self) -> Option<Start> {
        let before = match self.token {
            Token::Key(_) => true,
            Token::None => matches!(self.expect, Expect::Key | Expect::Colon | Expect::Value),
            Token::Text(_) | Token::Number(_) | Token::Literal(_) => false,
        };
        (before && !self.stack.is_empty()).then_some(self.start)
    }

    /// Walks a chunk of whole UTF-8 characters, at most [`MAX_HELD`] bytes unless it was walked before.
    pub(super) fn walk<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        visit: &mut V,
    ) -> Result<Walked, RedactError> {
        let mut at = self.resume(input, visit)?;
        while let Some(&byte) = input.get(at) {
            if is_blank(byte) {
                at += 1;
                continue;
            }
            let mut byte = byte;
            match self.expect {
                Expect::Separator if byte == b',' => {
                    self.start = Start { at: self.base + at as u64, comma: true };
                    at = if self.top.closes == b']' {
                        self.expect = Expect::Value;
                        at + 1
                    } else if input.get(at + 1) == Some(&b'"') {
                        self.key(input, at + 2, visit)?
                    } else {
                        self.expect = Expect::Key;
                        at + 1
                    };
                }
                Expect::Value => {}
                Expect::FirstKey if byte == b'"' => {
                    self.start = Start { at: self.base + at as u64, comma: false };
                    at = self.key(input, at + 1, visit)?;
                }
                Expect::Separator | Expect::FirstKey | Expect::FirstElement if byte == self.top.closes => {
                    let Some(around) = self.stack.last_mut() else { return Err(RedactError::Malformed) };
                    if visit.close(at + 1, self.top.scope, &mut around.scope) {
                        return Ok(Walked::Stopped);
                    }
                    if let Some(level) = self.stack.pop() {
                        self.top = level;
                    }
                    self.after_value();
                    at += 1;
                    continue;
                }
                Expect::FirstElement => {
                    self.start = Start { at: self.base + at as u64, comma: false };
                    self.expect = Expect::Value;
                }
                Expect::Key if byte == b'"' => at = self.key(input, at + 1, visit)?,
                Expect::Colon if byte == b':' => {
                    self.expect = Expect::Value;
                    at += 1;
                }
                _ => return Err(RedactError::Malformed),
            }
            // Programs write the value right behind.
            match input.get(at) {
                Some(&next) if self.expect == Expect::Value && !is_blank(next) => byte = next,
                _ => continue,
            }
            if self.site.part().is_value()
                && self.top.closes == b'}'
                && self.top.pairs.is_new()
                && !self.look_ahead(&input[at..])?
            {
                self.base += at as u64;
                return Ok(Walked::Waits(at));
            }
            at = self.value(input, at, byte, visit)?;
        }
        self.base += input.len() as u64;
        // Only white space can be this long: what is held back until a member's value begins stays bounded.
        if self.held().is_some() {
            self.check_held(0)?;
        }
        Ok(Walked::All)
    }

    /// Goes back to `place`, just behind the opening brace of an object that is open, the `depth`th from outside.
    pub(super) fn again(&mut self, place: u64, depth: usize, reopen: impl FnOnce(&mut S)) {
        if let Some(&level) = self.stack.get(depth) {
            self.top = level;
            self.stack.truncate(depth);
        }
        reopen(&mut self.top.scope);
        self.top.pairs = Pairs::default();
        self.base = place;
        self.expect = Expect::FirstKey;
        self.token = Token::None;
        self.watch = Watch::Nothing;
        self.raw.clear();
    }

    /// The end of the document.
    pub(super) fn finish<V: Visit<Scope = S>>(&mut self, visit: &mut V) -> Result<(), RedactError> {
        if let Token::Number(state) = self.token
            && self.stack.is_empty()
            && state.complete()
        {
            self.token = Token::None;
            self.scalar_done(&[], 0, false, visit);
        }
        match (self.token, self.expect) {
            (Token::None, Expect::Nothing) => Ok(()),
            _ => Err(RedactError::Truncated),
        }
    }

    #[inline(always)]
    fn check_held(&self, at: usize) -> Result<(), RedactError> {
        // What began in this chunk is no longer than it.
        if self.start.at < self.base && self.base + at as u64 - self.start.at > MAX_HELD as u64 {
            Err(RedactError::TooLong)
        } else {
            Ok(())
        }
    }

    /// A key begins.
    #[inline(always)]
    fn key<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        at: usize,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        let Self { keys, top, plan, kept, stack, .. } = self;
        if let Some(mut expected) = keys.expected(&mut top.link, input, at) {
            let end = at + expected.length() + 1;
            self.site = match expected.said(top.state) {
                Some(said) => Site::from_words(said),
                None => {
                    let Key { symbol, step, part } = expected.key();
                    let state = plan.member(top.state, symbol, kept, stack.len());
                    let site =
                        site(plan, kept, state, plan.charter_class(symbol)).with_step(step).with_part(part);
                    if plan.is_computed(top.state) && plan.is_computed(state) {
                        expected.say(top.state, site.words());
                    }
                    site
                }
            };
            return Ok(self.behind_key(input, end));
        }
        self.key_text(input, at, StringState::START, visit)
    }

    /// Behind a key of this name.
    #[inline(always)]
    pub(super) fn key_done(&mut self, input: &[u8], end: usize, key: Key, told: bool) -> usize {
        let Key { symbol, step, part } = key;
        let depth = self.stack.len();
        let state = self.plan.member(self.top.state, symbol, &mut self.kept, depth);
        let site = self.site(state, self.plan.charter_class(symbol)).with_step(step).with_part(part);
        self.site = if told { site.with_flags(TOLD) } else { site };
        self.behind_key(input, end)
    }

    /// Behind a key whose value's site is known.
    #[inline(always)]
    pub(super) fn behind_key(&mut self, input: &[u8], end: usize) -> usize {
        if input.get(end) == Some(&b':') {
            self.expect = Expect::Value;
            end + 1
        } else {
            self.expect = Expect::Colon;
            end
        }
    }

    /// The meaning of a key without escapes that was not the expected one, and whether the visitor was told of it.
    pub(super) fn look_up<V: Visit<Scope = S>>(&mut self, key: &[u8], visit: &mut V) -> (Key, bool) {
        // Such names are not remembered: each is told of.
        if self.top.keys != 0 || (self.minds_names && names::is_odd(key)) {
            let known = Key::of(key, &self.plan);
            let told = self.tell(key, known.symbol, visit);
            if told || self.top.keys != 0 || known.symbol == 0 {
                return (known, told);
            }
        }
        (self.keys.look_up(key, &mut self.top.link, &self.plan), false)
    }

    /// Tells the visitor of a name that may be a value itself.
    pub(super) fn tell<V: Visit<Scope = S>>(&self, key: &[u8], symbol: Symbol, visit: &mut V) -> bool {
        let told = match self.top.keys {
            0 => symbol == 0 && self.minds_names && names::is_odd(key),
            NOT_PERSONAL => false,
            _ => true,
        };
        if told {
            visit.name(key, self.top.keys);
        }
        told
    }

    #[inline(always)]
    pub(super) fn site(&self, state: u32, otherwise: u8) -> Site {
        site(&self.plan, &self.kept, state, otherwise)
    }

    #[inline(always)]
    fn value<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        at: usize,
        byte: u8,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        if self.top.closes == b']' {
            let index = self.top.index;
            self.top.index = index.saturating_add(1);
            let state = self.plan.element(self.top.state, index, &mut self.kept, self.stack.len());
            self.site = self.site(state, self.top.otherwise);
        } else if self.top.closes == NEVER {
            self.start = Start { at: self.base + at as u64, comma: false };
            self.site = self.root;
        }
        self.check_held(at)?;
        if self.site.part().is_value() && self.top.pairs.is_any() {
            self.site = self.paired(self.site);
        }
        if byte == b'"' {
            self.watch = visit.scalar(at, self.start, &mut self.top.scope, self.site, Kind::Text);
            return self.new_text(input, at + 1, visit);
        }
        let kind = match byte {
            b'{' => return self.open(at, true, visit),
            b'[' => return self.open(at, false, visit),
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' | b'f' => Kind::Boolean,
            b'n' => Kind::Null,
            _ => return Err(RedactError::Malformed),
        };
        self.watch = visit.scalar(at, self.start, &mut self.top.scope, self.site, kind);
        self.literal_or_number(input, at, byte, visit)
    }

    #[inline(always)]
    fn open<V: Visit<Scope = S>>(
        &mut self,
        at: usize,
        object: bool,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        let depth = self.stack.len();
        if depth == MAX_DEPTH {
            return Err(RedactError::TooDeep);
        }
        let cursor = match self.top.cursor {
            Cursor::Plain => Cursor::Plain,
            _ => self.enter(object)?,
        };
        let mut site = self.site;
        if self.top.closes != b'}' || self.top.keys != 0 || self.plan.is_named(self.top.state, site.state()) {
            site = site.with_flags(NAMED);
        }
        let scope = visit.open(at, self.start, &mut self.top.scope, site, object);
        let mut state = site.state();
        let mut keys = if object { site.keys() } else { 0 };
        if object && self.site.record() {
            state = self.plan.enter_record(state, &mut self.kept, depth);
            match self.plan.facts(state, &self.kept).keys {
                0 => {}
                inside => keys = inside,
            }
        }
        let closes = if object { b'}' } else { b']' };
        let (link, otherwise) = match cursor {
            Cursor::Plain if keys == 0 => (self.top.link.inside(), 0),
            _ => (Link::NONE, super::selected::otherwise(cursor)),
        };
        self.stack.push(self.top);
        self.top =
            Level { state, index: 0, closes, otherwise, keys, link, pairs: Pairs::default(), cursor, scope };
        self.expect = if object { Expect::FirstKey } else { Expect::FirstElement };
        Ok(at + 1)
    }

    #[inline(always)]
    pub(super) fn after_value(&mut self) {
        self.expect = if self.stack.is_empty() { Expect::Nothing } else { Expect::Separator };
    }
}
