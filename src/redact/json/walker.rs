//! The grammar of RFC 8259 as a push machine, and the place of each value in the plan.
//!
//! One machine, two visitors: [`super::emit`] writes what may leave, [`super::relate`] learns whose each record is.
//! Both walk the same bytes by the same rules, so they can never disagree about where a record or a value stands.

use std::sync::Arc;

use super::keys::KeyCache;
use super::scan::{self, NumberState, Scan, StringState};
use super::{MAX_DEPTH, MAX_HELD, MAX_KEY, MAX_VALUE, RedactError, unescape};
use crate::redact::action::decoded;
use crate::redact::plan::{ALIVE, GROUP, Kept, Plan, RECORD, SUBJECT};

/// What the plan says about a value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Site {
    state: u32,
    /// 0 for none, [`crate::redact::plan::NOT_PERSONAL`], or a category's number plus [`crate::redact::plan::CATEGORY`].
    pub(super) class: u8,
    flags: u8,
}

impl Site {
    /// Whether the value, if an object, is a record.
    pub(super) fn record(self) -> bool {
        self.flags & RECORD != 0
    }

    /// Whether the value says whose the record is.
    pub(super) fn subject(self) -> bool {
        self.flags & SUBJECT != 0
    }

    /// Whether the value says to which group the record belongs.
    pub(super) fn group(self) -> bool {
        self.flags & GROUP != 0
    }

    /// Whether a rule of the route could match below.
    pub(super) fn alive(self) -> bool {
        self.flags & ALIVE != 0
    }
}

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
    Null,
}

/// What a visitor wants to know of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Nothing more.
    Nothing,
    /// Where it ends.
    End,
    /// Where it ends, and its decoded text.
    Value,
}

/// Told in the order of the document. Places are in the chunk at hand.
pub(super) trait Visit {
    /// Kept for each open array and object.
    type Scope: Copy;
    /// A member or element begins: at its comma, or at its first byte where it is the first.
    fn separator(&mut self, at: usize, comma: bool);
    /// A scalar begins.
    fn scalar(&mut self, at: usize, parent: Option<&mut Self::Scope>, site: Site, kind: Kind) -> Watch;
    /// A watched scalar ended; `None` where its value was not asked for or is longer than [`MAX_VALUE`].
    fn scalar_end(&mut self, end: usize, value: Option<&[u8]>);
    /// An array or object begins.
    fn open(&mut self, at: usize, parent: Option<&mut Self::Scope>, site: Site, object: bool) -> Self::Scope;
    /// It ended.
    fn close(&mut self, end: usize, scope: Self::Scope);
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Expect {
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

/// A token that began in an earlier chunk.
#[derive(Clone, Copy, Debug)]
enum Token {
    None,
    Key(StringState),
    Text(StringState),
    Number(NumberState),
    Literal(&'static [u8]),
}

#[derive(Clone, Copy)]
struct Level<S> {
    state: u32,
    index: u32,
    object: bool,
    scope: S,
}

pub(super) struct Walker<S> {
    plan: Arc<Plan>,
    expect: Expect,
    token: Token,
    watch: Watch,
    stack: Vec<Level<S>>,
    site: Site,
    kept: Kept,
    keys: KeyCache,
    /// Raw text of a key or watched value, from earlier chunks.
    raw: Vec<u8>,
    room: Vec<u8>,
    /// Place of the chunk in the document.
    base: u64,
    /// Place of the member or element at hand, its comma included.
    member: u64,
}

impl<S: Copy> Walker<S> {
    pub(super) fn new(plan: Arc<Plan>) -> Self {
        Self {
            plan,
            expect: Expect::Value,
            token: Token::None,
            watch: Watch::Nothing,
            stack: Vec::with_capacity(8),
            site: Site::default(),
            kept: Kept::new(),
            keys: KeyCache::new(),
            raw: Vec::new(),
            room: Vec::new(),
            base: 0,
            member: 0,
        }
    }

    /// Bytes walked so far.
    pub(super) fn position(&self) -> u64 {
        self.base
    }

    /// Walks a chunk of whole UTF-8 characters.
    pub(super) fn walk<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        visit: &mut V,
    ) -> Result<(), RedactError> {
        let mut at = self.resume(input, visit)?;
        while let Some(&byte) = input.get(at) {
            if matches!(byte, b' ' | b'\n' | b'\r' | b'\t') {
                at += 1;
                continue;
            }
            at = match self.expect {
                Expect::Separator => self.separate(at, byte, visit)?,
                Expect::Key if byte == b'"' => self.key(input, at + 1, at + 1, StringState::START)?,
                Expect::Colon if byte == b':' => {
                    self.expect = Expect::Value;
                    at + 1
                }
                Expect::Value => self.value(input, at, byte, visit)?,
                Expect::FirstKey if byte == b'"' => {
                    self.member = self.base + at as u64;
                    visit.separator(at, false);
                    self.key(input, at + 1, at + 1, StringState::START)?
                }
                Expect::FirstElement if byte != b']' => {
                    self.member = self.base + at as u64;
                    visit.separator(at, false);
                    self.value(input, at, byte, visit)?
                }
                Expect::FirstKey | Expect::FirstElement => self.separate(at, byte, visit)?,
                Expect::Key | Expect::Colon | Expect::Nothing => return Err(RedactError::Malformed),
            };
        }
        self.base += input.len() as u64;
        // Only white space can be this long: what is held back until a member's value begins stays bounded.
        let between = matches!(self.token, Token::None | Token::Key(_));
        if between
            && matches!(self.expect, Expect::Key | Expect::Colon | Expect::Value)
            && !self.stack.is_empty()
        {
            self.check_held(0)?;
        }
        Ok(())
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

    fn check_held(&self, at: usize) -> Result<(), RedactError> {
        let held = (self.base + at as u64).saturating_sub(self.member);
        if held > MAX_HELD as u64 { Err(RedactError::TooLong) } else { Ok(()) }
    }

    /// Goes on with a token that the last chunk cut.
    fn resume<V: Visit<Scope = S>>(&mut self, input: &[u8], visit: &mut V) -> Result<usize, RedactError> {
        match std::mem::replace(&mut self.token, Token::None) {
            Token::None => Ok(0),
            token if input.is_empty() => {
                self.token = token;
                Ok(0)
            }
            Token::Key(state) => self.key(input, 0, 0, state),
            Token::Text(state) => self.text(input, 0, 0, state, visit),
            Token::Number(state) => self.number(input, 0, state, visit),
            Token::Literal(rest) => self.literal(input, 0, rest, visit),
        }
    }

    /// A comma or a closing bracket.
    #[inline(always)]
    fn separate<V: Visit<Scope = S>>(
        &mut self,
        at: usize,
        byte: u8,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        let Some(level) = self.stack.last() else { return Err(RedactError::Malformed) };
        match (byte, level.object) {
            (b',', object) if self.expect == Expect::Separator => {
                self.expect = if object { Expect::Key } else { Expect::Value };
                self.member = self.base + at as u64;
                visit.separator(at, true);
            }
            (b'}', true) | (b']', false) => {
                let scope = level.scope;
                self.stack.pop();
                self.expect = if self.stack.is_empty() { Expect::Nothing } else { Expect::Separator };
                visit.close(at + 1, scope);
            }
            _ => return Err(RedactError::Malformed),
        }
        Ok(at + 1)
    }

    /// A key whose raw text in this chunk begins at `start`.
    #[inline(always)]
    fn key(
        &mut self,
        input: &[u8],
        start: usize,
        at: usize,
        mut state: StringState,
    ) -> Result<usize, RedactError> {
        match scan::string(input, at, &mut state)? {
            Scan::End(end) => {
                let raw = &input[start..end - 1];
                let symbol = if self.raw.is_empty() && !state.escaped && raw.len() <= MAX_KEY {
                    self.keys.symbol(raw, &self.plan)
                } else {
                    self.rare_key(raw, state.escaped)?
                };
                self.member(symbol);
                self.expect = Expect::Colon;
                if input.get(end) == Some(&b':') {
                    self.expect = Expect::Value;
                    return Ok(end + 1);
                }
                Ok(end)
            }
            Scan::More => {
                self.raw.extend(&input[start..]);
                if self.raw.len() > 6 * MAX_KEY {
                    return Err(RedactError::TooLong);
                }
                self.token = Token::Key(state);
                Ok(input.len())
            }
        }
    }

    /// A key with escapes, or cut by a chunk, or too long.
    #[inline(never)]
    fn rare_key(&mut self, raw: &[u8], escaped: bool) -> Result<u32, RedactError> {
        self.raw.extend(raw);
        self.room.clear();
        if escaped {
            unescape(&self.raw, &mut self.room);
        } else {
            std::mem::swap(&mut self.raw, &mut self.room);
        }
        self.raw.clear();
        if self.room.len() > MAX_KEY {
            return Err(RedactError::TooLong);
        }
        Ok(self.plan.symbol(&self.room))
    }

    /// What the plan says about the member of this name.
    #[inline(always)]
    fn member(&mut self, symbol: u32) {
        let depth = self.stack.len();
        let Some(level) = self.stack.last() else { return };
        let state = self.plan.member(level.state, symbol, &mut self.kept, depth);
        self.site = self.site(state, self.plan.charter_class(symbol));
    }

    #[inline(always)]
    fn site(&self, state: u32, otherwise: u8) -> Site {
        let facts = self.plan.facts(state, &self.kept);
        Site { state, class: if facts.class == 0 { otherwise } else { facts.class }, flags: facts.flags }
    }

    #[inline(always)]
    fn value<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        at: usize,
        byte: u8,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        match self.stack.last_mut() {
            Some(level) if !level.object => {
                let (state, index) = (level.state, level.index);
                level.index = index.saturating_add(1);
                let state = self.plan.element(state, index, &mut self.kept, self.stack.len());
                self.site = self.site(state, 0);
                self.check_held(at)?;
            }
            Some(_) => self.check_held(at)?,
            None => self.site = self.site(self.plan.start(), 0),
        }
        let kind = match byte {
            b'"' => Kind::Text,
            b'{' => return self.open(at, true, visit),
            b'[' => return self.open(at, false, visit),
            b'-' | b'0'..=b'9' => Kind::Number,
            b't' | b'f' => Kind::Boolean,
            b'n' => Kind::Null,
            _ => return Err(RedactError::Malformed),
        };
        self.watch = visit.scalar(at, self.stack.last_mut().map(|level| &mut level.scope), self.site, kind);
        match byte {
            b'"' => self.text(input, at + 1, at + 1, StringState::START, visit),
            b't' => self.literal(input, at + 1, b"rue", visit),
            b'f' => self.literal(input, at + 1, b"alse", visit),
            b'n' => self.literal(input, at + 1, b"ull", visit),
            _ => self.number(input, at, NumberState::START, visit),
        }
    }

    #[inline(always)]
    fn open<V: Visit<Scope = S>>(
        &mut self,
        at: usize,
        object: bool,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        if self.stack.len() == MAX_DEPTH {
            return Err(RedactError::TooDeep);
        }
        let scope = visit.open(at, self.stack.last_mut().map(|level| &mut level.scope), self.site, object);
        let mut state = self.site.state;
        if object && self.site.record() {
            state = self.plan.enter_record(state, &mut self.kept, self.stack.len());
        }
        self.stack.push(Level { state, index: 0, object, scope });
        self.expect = if object { Expect::FirstKey } else { Expect::FirstElement };
        Ok(at + 1)
    }

    /// A string value whose raw text in this chunk begins at `start`.
    #[inline(always)]
    fn text<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        start: usize,
        at: usize,
        mut state: StringState,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        match scan::string(input, at, &mut state)? {
            Scan::End(end) => {
                self.after_value();
                if self.watch != Watch::Nothing {
                    self.scalar_done(&input[start..end - 1], end, state.escaped, visit);
                }
                Ok(end)
            }
            Scan::More => {
                self.keep_raw(&input[start..]);
                self.token = Token::Text(state);
                Ok(input.len())
            }
        }
    }

    #[inline(always)]
    fn number<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        at: usize,
        mut state: NumberState,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        match scan::number(input, at, &mut state)? {
            Scan::End(end) => {
                self.after_value();
                if self.watch != Watch::Nothing {
                    self.scalar_done(&input[at..end], end, false, visit);
                }
                Ok(end)
            }
            Scan::More => {
                self.keep_raw(&input[at..]);
                self.token = Token::Number(state);
                Ok(input.len())
            }
        }
    }

    #[inline(always)]
    fn literal<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        at: usize,
        rest: &'static [u8],
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        let there = &input[at..input.len().min(at + rest.len())];
        let Some(left) = rest.strip_prefix(there) else { return Err(RedactError::Malformed) };
        let end = at + there.len();
        if left.is_empty() {
            self.after_value();
            if self.watch != Watch::Nothing {
                self.scalar_done(&[], end, false, visit);
            }
        } else {
            self.token = Token::Literal(left);
        }
        Ok(end)
    }

    #[inline(always)]
    fn after_value(&mut self) {
        self.expect = if self.stack.is_empty() { Expect::Nothing } else { Expect::Separator };
    }

    /// Keeps the raw text of a watched value, one byte more than the bound at most: that shows it was passed.
    fn keep_raw(&mut self, part: &[u8]) {
        if self.watch == Watch::Value {
            let room = (MAX_VALUE + 1).saturating_sub(self.raw.len());
            self.raw.extend(&part[..part.len().min(room)]);
        }
    }

    #[inline(never)]
    fn scalar_done<V: Visit<Scope = S>>(&mut self, last: &[u8], end: usize, escaped: bool, visit: &mut V) {
        self.after_value();
        let value = if self.watch != Watch::Value {
            None
        } else if self.raw.is_empty() {
            (last.len() <= MAX_VALUE).then_some(last)
        } else {
            self.keep_raw(last);
            (self.raw.len() <= MAX_VALUE).then_some(&*self.raw)
        };
        visit.scalar_end(end, value.map(|raw| decoded(raw, escaped, &mut self.room)));
        self.raw.clear();
        self.watch = Watch::Nothing;
    }
}
