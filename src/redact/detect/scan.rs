//! One walk over a text: from anchor to anchor, and at each of them a look around.

use std::cell::RefCell;

use super::{
    Kind, Kinds, Span, address, date, email, identifier,
    labels::Labels,
    network,
    number::Run,
    phone,
    text::{ESCAPE, Text},
    window::{AHEAD, BEHIND, Window},
};

/// How many bytes are folded at a time.
const BLOCK: usize = 16 * 1024;

/// A walk and what it must know when the text goes on.
pub(super) struct Scan {
    text: Text,
    /// The unit from which anchors are looked for.
    at: usize,
    /// The end of the last span, in bytes; none begins before it.
    settled: usize,
    labels: RefCell<Labels>,
    run: Run,
    /// The end of the row of hexadecimal digits and colons that was looked at.
    colons: usize,
}

/// The units at which something can be found: digits, and signs of addresses.
const fn is_anchor(unit: u8) -> bool {
    matches!(unit, b'0'..=b'9' | b'@' | b'[' | b'(' | b'{' | b':')
}

/// Bytes without which nothing can be found: anchors, and what may hide them.
const fn may_hide(byte: u8) -> bool {
    matches!(byte, b'0'..=b'9' | b':') || may_hide_sign(byte)
}

/// The same where nothing is found at a digit or a colon.
const fn may_hide_sign(byte: u8) -> bool {
    matches!(byte, b'@' | b'[' | b'(' | b'{' | b'%' | b'&' | b'\\' | 0xEF | 0xF0 | 0xD9 | 0xDB)
}

/// The first place from `at` on that is `wanted`. Blocks without one are passed at the speed of memory.
fn first(text: &[u8], mut at: usize, wanted: impl Fn(u8) -> bool) -> Option<usize> {
    const BLOCK: usize = 16;
    if text.get(at).is_some_and(|byte| wanted(*byte)) {
        return Some(at);
    }
    while let Some(block) = text.get(at..at + BLOCK) {
        // No early exit: the compiler compares the whole block at once.
        let mut any = false;
        for byte in block {
            any |= wanted(*byte);
        }
        if any {
            break;
        }
        at += BLOCK;
    }
    text[at..].iter().position(|byte| wanted(*byte)).map(|place| at + place)
}

/// Which bytes hide what: bit 0 any kind, bit 1 addresses of mail, which are found at their signs alone.
const HIDES: [u8; 256] = {
    let mut hides = [0; 256];
    let mut byte = 0;
    while byte < 256 {
        hides[byte] = may_hide(byte as u8) as u8 | (may_hide_sign(byte as u8) as u8) << 1;
        byte += 1;
    }
    hides
};

/// Whether anything of these kinds could be found in `text`.
pub(super) fn worth_a_look(kinds: Kinds, text: &[u8]) -> bool {
    const SHORT: usize = 64;
    let is_mail = kinds == Kinds::NONE.with(Kind::Email);
    if text.len() <= SHORT {
        let bit = if is_mail { 2 } else { 1 };
        return text.iter().any(|byte| HIDES[usize::from(*byte)] & bit != 0);
    }
    let found = if is_mail { first(text, 0, may_hide_sign) } else { first(text, 0, may_hide) };
    found.is_some()
}

type Found = (usize, usize, Kind);

impl Scan {
    pub(super) fn new() -> Self {
        Self {
            text: Text::default(),
            at: 0,
            settled: 0,
            labels: RefCell::new(Labels::new()),
            run: Run::new(),
            colons: 0,
        }
    }

    /// Finds what is in `raw` from where the walk stands. Unless it is the `whole` rest of the text, the walk stops at the
    /// first anchor behind which fewer than [`AHEAD`] units are known.
    pub(super) fn advance(&mut self, kinds: Kinds, raw: &[u8], whole: bool, mut found: impl FnMut(Span)) {
        let known = if whole { raw.len() } else { raw.len().saturating_sub(ESCAPE) };
        loop {
            let to = known.min(self.text.folded() + BLOCK);
            self.text.fold(raw, to);
            let last = self.text.folded() >= known;
            self.walk(kinds, whole && last, &mut found);
            let past = self.at.saturating_sub(BEHIND + 1);
            if past >= BLOCK / 2 {
                self.text.forget(past);
                self.at -= past;
                self.colons = self.colons.saturating_sub(past);
                self.labels.get_mut().forget(past);
                self.run.clear();
            }
            if last {
                return;
            }
        }
    }

    fn walk(&mut self, kinds: Kinds, whole: bool, found: &mut impl FnMut(Span)) {
        while let Some(at) = first(self.text.units(), self.at, is_anchor) {
            self.at = at;
            if !whole && self.text.units().len() - at <= AHEAD {
                return;
            }
            let (span, next) = self.look(kinds, at);
            self.at = next;
            if let Some((start, end, kind)) = span {
                self.at = end.max(next);
                let (start, end) = (self.text.byte(start), self.text.byte(end));
                if end > self.settled {
                    found(Span { start: start.max(self.settled), end, kind });
                    self.settled = end;
                }
            }
        }
        self.at = self.text.units().len();
    }

    /// What is found at the anchor `at`, and where to go on.
    fn look(&mut self, kinds: Kinds, at: usize) -> (Option<Found>, usize) {
        let units = self.text.units();
        let window = Window::new(units, at, self.text.begun(), kinds, &self.labels);
        match units[at] {
            b'@' if kinds.has(Kind::Email) => (email::find(&window, at, 1, false), at + 1),
            b':' => (network::colons(&window, at, &mut self.colons), at + 1),
            b'0'..=b'9' => {
                let start = window.word_start(at);
                let end = window.word_end(at);
                let run = &mut self.run;
                let found = network::find(&window, start, end, &mut self.colons);
                (found.or_else(|| numbered(&window, start, end, run)), end)
            }
            b'[' | b'(' | b'{' if kinds.has(Kind::Email) => {
                let width = email::spelled_sign(&window, at);
                (width.and_then(|width| email::find(&window, at, width, true)), at + 1)
            }
            _ => (None, at + 1),
        }
    }

    /// The byte before which nothing is found any more.
    pub(super) fn decided(&self) -> usize {
        self.text.byte(self.at.saturating_sub(BEHIND)).max(self.settled)
    }

    /// The first byte that is not folded yet.
    pub(super) fn needs(&self) -> usize {
        self.text.folded()
    }

    /// The first `count` bytes of the text are gone.
    pub(super) fn shift(&mut self, count: usize) {
        self.text.shift(count);
        self.settled = self.settled.saturating_sub(count);
    }
}

/// What begins with the word from `start` to `end`.
fn numbered(window: &Window, start: usize, end: usize, run: &mut Run) -> Option<Found> {
    if run.goes_on(start) {
        run.read(window.units, start);
        if run.within_small() {
            return (window.get(start) == b'0').then(|| phone::find(window, start, run)).flatten();
        }
    }
    let country = identifier::country_before(window, start, end);
    let found = country.and_then(|before| {
        run.read(window.units, before);
        identifier::banking(window, before, run)
    });
    let identified = || {
        if country.is_none() && !identifier::may_begin(window, start, end) {
            return None;
        }
        run.read(window.units, start);
        network::labelled(window, start, run)
            .or_else(|| identifier::find(window, start, run))
            .or_else(|| phone::find(window, start, run))
    };
    found.or_else(identified).or_else(|| date::find(window, start)).or_else(|| address::find(window, start))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anchor_is_found_at_every_place() {
        for byte in (0..=255_u8).filter(|byte| is_anchor(*byte)) {
            for at in 0..100 {
                let mut text = vec![b'x'; 100];
                text[at] = byte;
                assert_eq!(first(&text, 0, is_anchor), Some(at));
                assert_eq!(first(&text, at + 1, is_anchor), None);
            }
        }
    }
}
