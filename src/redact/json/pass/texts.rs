//! Texts that are more than they seem: documents of their own, and free texts.
//!
//! Whether a text may be a document shows in its first byte, nearly always. One that may is looked at when its end is
//! known; until then it is carried.

use super::{End, Kind, Pass, Records, Scope, Site, Start, State, Watch};
use crate::policy::set::CategorySet;
use crate::redact::action::{self, Means, NULL, decoded};
use crate::redact::free_text::Search;
use crate::redact::nested::{self, Inside, MAX_NESTED, Nested};

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
    at: u64,
    spot: Spot,
    /// Its beginning is looked at once more when so many bytes of it are there.
    again_at: usize,
}

impl Pass<'_> {
    /// A scalar stays; a text does unless it is a document.
    #[inline(always)]
    pub(super) fn stay(
        &mut self,
        at: usize,
        start: Start,
        parent: &mut Scope,
        site: Site,
        kind: Kind,
    ) -> Watch {
        self.keep(parent, start);
        match self.input.get(at + 1) {
            _ if kind != Kind::Text => Watch::Nothing,
            Some(&first) if !nested::may_begin_raw(first) => Watch::Nothing,
            _ => self.suspect(at, parent, site),
        }
    }

    /// Whether something in a text could be hidden where these categories are visible: a document in it may hold records of
    /// somebody else.
    pub(super) fn may_hide(&self, visible: CategorySet) -> bool {
        self.plan.hides(visible) || self.state.records.is_some()
    }

    #[inline(never)]
    fn suspect(&mut self, at: usize, parent: &Scope, site: Site) -> Watch {
        if !self.may_hide(parent.visible) || nested::begins_raw(&self.input[at + 1..]) == Some(false) {
            return Watch::Nothing;
        }
        let spot = Spot { state: site.state(), visible: parent.visible };
        self.state.suspect = Some(Suspect { at: self.base + at as u64, spot, again_at: 0 });
        Watch::End
    }

    /// The chunk ends in a text that may be a document.
    pub(super) fn carry_text(&mut self, suspect: Suspect) {
        if let Some(at) = self.here(suspect.at) {
            self.flush(at);
        }
        self.state.carried.extend_from_slice(&self.input[self.run..]);
        self.run = self.input.len();
        let held = self.state.carried.len();
        if held < suspect.again_at && held <= MAX_NESTED {
            return;
        }
        if nested::begins_raw(&self.state.carried[1..]) == Some(false) {
            self.out.append(&mut self.state.carried);
            self.state.suspect = None;
        } else if held > MAX_NESTED {
            self.state.carried = Vec::new();
            self.state.suspect = None;
            self.state.tally.unclassified();
            self.out.extend_from_slice(NULL);
            self.state.silent = true;
            self.state.end = End::Went;
        } else {
            self.state.suspect = Some(Suspect { again_at: 2 * held, ..suspect });
        }
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
            self.state.tally.unclassified();
            Nested::Unreadable
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
        let State { key, today, level, records, .. } = &*self.state;
        let Spot { state, visible } = spot;
        let (free, level) = (free || self.state.free, level + 1);
        let related = records.as_ref().map(Records::audience);
        let inside = Inside { plan: self.plan, key, today: *today, visible, related, state, free, level };
        let (nested, tally) = inside.read(&String::from_utf8_lossy(text));
        self.state.tally.add(&tally);
        nested
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
