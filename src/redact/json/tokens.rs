//! Keys and scalars, wherever the chunks cut them.

use super::number::{self, NumberState};
use super::scan::{self, Scan, Seen, StringState};
use super::visit::{Visit, Watch};
use super::walker::Walker;
use super::{MAX_KEY, MAX_VALUE, RedactError, unescape};
use crate::redact::action::decoded;
use crate::redact::graphql::Cursor;
use crate::redact::keys::Key;
use crate::redact::nested;

/// A token that began in an earlier chunk.
#[derive(Clone, Copy, Debug)]
pub(super) enum Token {
    None,
    Key(StringState),
    Text(StringState),
    Number(NumberState),
    Literal(&'static [u8]),
}

impl<S: Copy> Walker<S> {
    /// Goes on with a token that the last chunk cut.
    pub(super) fn resume<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        match std::mem::replace(&mut self.token, Token::None) {
            Token::None => Ok(0),
            token if input.is_empty() => {
                self.token = token;
                Ok(0)
            }
            Token::Key(state) => self.key_text(input, 0, state, visit),
            Token::Text(state) => self.text(input, 0, state, visit),
            Token::Number(state) => self.number(input, 0, state, visit),
            Token::Literal(rest) => self.literal(input, 0, rest, visit),
        }
    }

    /// A key whose raw text in this chunk begins at `start`.
    #[inline(never)]
    pub(super) fn key_text<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        start: usize,
        mut state: StringState,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        match scan::string(input, start, &mut state)? {
            Scan::End(end) => {
                let raw = &input[start..end - 1];
                if self.top.cursor != Cursor::Plain {
                    self.selected_key(raw, state.escaped, visit)?;
                    return Ok(self.behind_key(input, end));
                }
                let (key, told) = if self.raw.is_empty() && !state.escaped && raw.len() <= MAX_KEY {
                    self.look_up(raw, visit)
                } else {
                    self.rare_key(raw, state.escaped, visit)?
                };
                Ok(self.key_done(input, end, key, told))
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
    fn rare_key<V: Visit<Scope = S>>(
        &mut self,
        raw: &[u8],
        escaped: bool,
        visit: &mut V,
    ) -> Result<(Key, bool), RedactError> {
        self.decode_key(raw, escaped)?;
        let key = Key::of(&self.room, &self.plan);
        Ok((key, self.tell(&self.room, key.symbol, visit)))
    }

    /// A key in an answer whose members were selected.
    fn selected_key<V: Visit<Scope = S>>(
        &mut self,
        raw: &[u8],
        escaped: bool,
        visit: &mut V,
    ) -> Result<(), RedactError> {
        if self.raw.is_empty() && !escaped && raw.len() <= MAX_KEY {
            return self.select(raw, visit);
        }
        self.decode_key(raw, escaped)?;
        let key = std::mem::take(&mut self.room);
        let result = self.select(&key, visit);
        self.room = key;
        result
    }

    fn decode_key(&mut self, raw: &[u8], escaped: bool) -> Result<(), RedactError> {
        self.raw.extend(raw);
        self.room.clear();
        if escaped {
            unescape(&self.raw, &mut self.room);
        } else {
            std::mem::swap(&mut self.raw, &mut self.room);
        }
        self.raw.clear();
        if self.room.len() > MAX_KEY { Err(RedactError::TooLong) } else { Ok(()) }
    }

    /// A literal or number that begins with `byte`.
    #[inline(always)]
    pub(super) fn literal_or_number<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        at: usize,
        byte: u8,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        match byte {
            b't' => self.literal(input, at + 1, b"rue", visit),
            b'f' => self.literal(input, at + 1, b"alse", visit),
            b'n' => self.literal(input, at + 1, b"ull", visit),
            _ => self.number(input, at, NumberState::START, visit),
        }
    }

    /// A string value that begins at `start`.
    #[inline(always)]
    pub(super) fn new_text<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        start: usize,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        if !matches!(self.watch, Watch::Look | Watch::LookAndValue) {
            return self.text(input, start, StringState::START, visit);
        }
        let mut state = StringState::START;
        let (scanned, Seen { marks, blanks }) = scan::text(input, start, &mut state)?;
        let is_suspect = match scanned {
            Scan::End(end) => nested::is_suspect(&input[start..end - 1], marks, blanks),
            Scan::More => true,
        };
        if is_suspect {
            visit.suspect(start - 1, &self.top.scope, self.site);
        }
        self.watch = match (self.watch, is_suspect) {
            (Watch::LookAndValue, _) => Watch::Value,
            (_, true) => Watch::End,
            (_, false) => Watch::Nothing,
        };
        self.text_scanned(input, start, scanned, state, visit)
    }

    /// A string value whose raw text in this chunk begins at `start`.
    #[inline(always)]
    pub(super) fn text<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        start: usize,
        mut state: StringState,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        let scanned = scan::string(input, start, &mut state)?;
        self.text_scanned(input, start, scanned, state, visit)
    }

    #[inline(always)]
    fn text_scanned<V: Visit<Scope = S>>(
        &mut self,
        input: &[u8],
        start: usize,
        scanned: Scan,
        state: StringState,
        visit: &mut V,
    ) -> Result<usize, RedactError> {
        match scanned {
            Scan::End(end) => {
                self.after_value();
                if self.site.part().is_name() && self.minds_names {
                    self.name_ended(&input[start..end - 1], state.escaped, visit);
                    if self.watch != Watch::Value {
                        self.raw.clear();
                    }
                }
                if self.watch != Watch::Nothing {
                    self.scalar_done(&input[start..end - 1], end, state.escaped, visit);
                }
                Ok(end)
            }
            Scan::More => {
                self.keep_raw(&input[start..], self.watch == Watch::Value || self.site.part().is_name());
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
        match number::scan(input, at, &mut state)? {
            Scan::End(end) => {
                self.after_value();
                if self.watch != Watch::Nothing {
                    self.scalar_done(&input[at..end], end, false, visit);
                }
                Ok(end)
            }
            Scan::More => {
                self.keep_raw(&input[at..], self.watch == Watch::Value);
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

    /// Keeps the raw text of a value that is asked for, one byte more than the bound at most: that shows it was passed.
    fn keep_raw(&mut self, part: &[u8], asked: bool) {
        if asked {
            let room = (MAX_VALUE + 1).saturating_sub(self.raw.len());
            self.raw.extend(&part[..part.len().min(room)]);
        }
    }

    #[inline(never)]
    pub(super) fn scalar_done<V: Visit<Scope = S>>(
        &mut self,
        last: &[u8],
        end: usize,
        escaped: bool,
        visit: &mut V,
    ) {
        self.after_value();
        let value = if self.watch != Watch::Value {
            None
        } else if self.raw.is_empty() {
            (last.len() <= MAX_VALUE).then_some(last)
        } else {
            self.keep_raw(last, true);
            (self.raw.len() <= MAX_VALUE).then_some(&*self.raw)
        };
        visit.scalar_end(end, value.map(|raw| decoded(raw, escaped, &mut self.room)));
        self.raw.clear();
        self.watch = Watch::Nothing;
    }
}
