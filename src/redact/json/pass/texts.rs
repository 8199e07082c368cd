//! Texts that are more than they seem: documents of their own, and free texts.
//!
//! Whether a text may be a document or hold one shows in signs that few texts have. One that may is looked at when its end is
//! known; until then it is carried.

use super::{End, Kind, Pass, Records, Scope, Start, State, Watch};
use crate::policy::set::CategorySet;
use crate::redact::action::{self, Means, NULL, decoded};
use crate::redact::free_text::Search;
use crate::redact::nested::{Inside, MAX_NESTED, Nested};

/// Where a text stands, for a document in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Spot {
    pub(super) state: u32,
    pub(super) visible: CategorySet,
}

/// A text that stays, unless it is a document of its own.
#[derive(Clone, Copy, Debug)]
pub(super) struct Suspect {
    /// Place of its opening quote in the document.
    pub(super) at: u64,
    pub(super) spot: Spot,
}

/// A text that is longer than what is read of one, and leaves piece by piece.
#[derive(Debug)]
pub(super) struct Long {
    spot: Spot,
    /// The end of what left of it: a name may stand across two pieces.
    tail: Vec<u8>,
}

/// So much of it is looked at at once, and so much again with the next piece.
const PIECE: usize = 16 * 1024;
const TAIL: usize = 4096;

/// The end of a text as it is written.
fn tail(raw: &[u8]) -> &[u8] {
    &raw[raw.len().saturating_sub(TAIL)..]
}

impl Pass<'_> {
    /// A scalar stays; a text does unless it is a document.
    #[inline(always)]
    pub(super) fn stay(&mut self, parent: &mut Scope, start: Start, kind: Kind) -> Watch {
        self.keep(parent, start);
        if kind == Kind::Text && self.may_hide(parent.visible) { Watch::Look } else { Watch::Nothing }
    }

    /// Whether something in a text could be hidden where these categories are visible: a document in it may hold records of
    /// somebody else.
    pub(super) fn may_hide(&self, visible: CategorySet) -> bool {
        self.plan.hides(visible) || self.state.records.is_some()
    }

    /// The chunk ends in a text that may be a document.
    pub(super) fn carry_text(&mut self, suspect: Suspect) {
        if let Some(at) = self.here(suspect.at) {
            self.flush(at);
        }
        self.state.carried.extend_from_slice(&self.input[self.run..]);
        self.run = self.input.len();
        if self.state.carried.len() <= MAX_NESTED {
            return;
        }
        self.state.suspect = None;
        let mut carried = std::mem::take(&mut self.state.carried);
        match self.overlong(&carried[1..MAX_NESTED], suspect.spot) {
            Some(long) => {
                self.out.extend(carried.drain(..MAX_NESTED));
                self.state.carried = carried;
                self.state.long = Some(long);
                self.go_on(self.input.len(), false);
            }
            None => {
                self.state.tally.unclassified();
                self.out.extend_from_slice(NULL);
                self.state.silent = true;
                self.state.end = End::Went;
            }
        }
    }

    /// The beginning of a text that is longer than what is read of one, as it is written; `None` where it may not leave.
    fn overlong(&mut self, raw: &[u8], spot: Spot) -> Option<Long> {
        let mut room = Vec::new();
        let text = String::from_utf8_lossy(decoded(raw, true, &mut room));
        let inside = self.inside(spot, false);
        inside.begins_harmlessly(&text).then(|| Long { spot, tail: tail(raw).to_vec() })
    }

    fn is_harmless(&self, raw: &[u8], spot: Spot) -> bool {
        let mut room = Vec::new();
        let text = String::from_utf8_lossy(decoded(raw, true, &mut room));
        self.inside(spot, false).is_harmless(&text)
    }

    /// The next piece of such a text, up to here: it leaves when it was looked at, with the end of what was in front.
    pub(super) fn go_on(&mut self, end: usize, last: bool) {
        let Some(mut long) = self.state.long.take() else { return };
        self.state.carried.extend_from_slice(&self.input[self.run..end]);
        self.run = end;
        if last || self.state.carried.len() >= PIECE {
            long.tail.extend_from_slice(&self.state.carried);
            // What left of it cannot be taken back.
            self.state.failed |= !self.is_harmless(&long.tail, long.spot);
            self.out.append(&mut self.state.carried);
            let kept = tail(&long.tail).len();
            long.tail.drain(..long.tail.len() - kept);
        }
        self.state.long = (!last).then_some(long);
    }

    /// The end of a text that may be a document: writes what of it may leave.
    pub(super) fn text_end(&mut self, end: usize, suspect: Suspect) {
        let mut carried = std::mem::take(&mut self.state.carried);
        let at = self.here(suspect.at);
        let raw = match at {
            Some(at) => &self.input[at..end],
            None => {
                carried.extend_from_slice(&self.input[..end]);
                &carried
            }
        };
        let nested = if raw.len() > MAX_NESTED {
            let (start, rest) = raw[1..].split_at(MAX_NESTED - 1);
            let (start, rest) = (start.to_vec(), rest.to_vec());
            match self.overlong(&start, suspect.spot) {
                Some(long) => {
                    let piece = [&long.tail, &rest[..]].concat();
                    self.state.failed |= !self.is_harmless(&piece, suspect.spot);
                    Nested::Text
                }
                None => {
                    self.state.tally.unclassified();
                    Nested::Unreadable
                }
            }
        } else {
            let mut room = Vec::new();
            let raw = &raw[1..raw.len() - 1];
            self.nested(decoded(raw, memchr::memchr(b'\\', raw).is_some(), &mut room), suspect.spot, false)
        };
        let instead = match &nested {
            Nested::Text | Nested::Same if at.is_some() => return,
            Nested::Text | Nested::Same => carried.into(),
            Nested::Redacted(document) => action::quote(document),
            Nested::Unreadable => NULL.into(),
        };
        if let Some(at) = at {
            self.flush(at);
        }
        self.out.extend_from_slice(&instead);
        self.run = end;
    }

    /// Reads a decoded text as a document.
    pub(super) fn nested(&mut self, text: &[u8], spot: Spot, free: bool) -> Nested {
        let (nested, tally) = self.inside(spot, free).read(&String::from_utf8_lossy(text));
        if nested != Nested::Text {
            self.state.tally.add(&tally);
        }
        nested
    }

    fn inside(&self, spot: Spot, free: bool) -> Inside<'_> {
        let State { key, today, level, records, .. } = &*self.state;
        let Spot { state, visible } = spot;
        let (free, level) = (free || self.state.free, level + 1);
        let related = records.as_ref().map(Records::audience);
        Inside { plan: self.plan, key, today: *today, visible, related, state, free, level }
    }

    /// Writes what may leave of a free text.
    pub(super) fn write_free(&mut self, kind: action::Kind, spot: Spot, value: &[u8]) {
        let nested = match kind {
            action::Kind::Text => self.nested(value, spot, true),
            _ => Nested::Text,
        };
        match nested {
            Nested::Text => {
                let State { key, today, seen, tally, .. } = &mut *self.state;
                let means = Means { key, today: *today };
                let seen = seen.as_ref().map(|noted| &noted.seen);
                let search = Search { plan: self.plan, means, visible: spot.visible, seen };
                search.write(value, kind, tally, self.out);
            }
            Nested::Same => self.out.extend(action::quote(&String::from_utf8_lossy(value))),
            Nested::Redacted(document) => self.out.extend(action::quote(&document)),
            Nested::Unreadable => self.out.extend_from_slice(NULL),
        }
    }
}
