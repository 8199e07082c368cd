//! The neighbourhood of one place of a text.

use std::cell::RefCell;

use super::{
    Kind, Kinds, fold,
    labels::{Hit, Label, Labels},
};

/// How many units before an anchor are looked at; no match begins further left.
pub(super) const BEHIND: usize = 256;
/// How many units from an anchor on are looked at; no match ends further right.
pub(super) const AHEAD: usize = 256;

/// Stands behind the edge of a window within a text, so that nothing is taken to end there.
pub(super) const LETTER_BEHIND: u8 = fold::LETTER;

/// Units around an anchor. Places are counted from the first unit that is kept of the text, but nothing outside of the
/// window has an influence: how a stream is cut cannot show.
pub(super) struct Window<'a> {
    pub(super) units: &'a [u8],
    from: usize,
    to: usize,
    /// Whether the text goes on before and behind the window.
    begun: bool,
    cut: bool,
    kinds: Kinds,
    labels: &'a RefCell<Labels>,
}

impl<'a> Window<'a> {
    /// The window around `at`. `begun` says that the text began before its first unit here.
    pub(super) fn new(
        units: &'a [u8],
        at: usize,
        begun: bool,
        kinds: Kinds,
        labels: &'a RefCell<Labels>,
    ) -> Self {
        let from = at.saturating_sub(BEHIND);
        let to = units.len().min(at + AHEAD);
        Self { units, from, to, begun: begun || from > 0, cut: to < units.len(), kinds, labels }
    }

    /// Whether this kind is looked for. What nobody asked for must not stand in the way of what was asked for.
    pub(super) fn wants(&self, kind: Kind) -> bool {
        self.kinds.has(kind)
    }

    /// The unit at `at`; a line feed beyond either edge of the text, a letter where the window is cut.
    pub(super) fn get(&self, at: usize) -> u8 {
        match self.units.get(at) {
            Some(unit) if at < self.to => *unit,
            _ if self.cut => LETTER_BEHIND,
            _ => b'\n',
        }
    }

    /// The unit before `at`.
    pub(super) fn prev(&self, at: usize) -> u8 {
        if at > self.from {
            self.units[at - 1]
        } else if self.begun {
            LETTER_BEHIND
        } else {
            b'\n'
        }
    }

    /// The unit `count` places before `at`, if the window has it.
    pub(super) fn back(&self, at: usize, count: usize) -> Option<u8> {
        (at >= self.from + count).then(|| self.units[at - count])
    }

    /// The first place of the window.
    pub(super) fn from(&self) -> usize {
        self.from
    }

    /// The place behind the window.
    pub(super) fn to(&self) -> usize {
        self.to
    }

    /// The units from `from` to `to`, as far as there are any.
    pub(super) fn slice(&self, from: usize, to: usize) -> &'a [u8] {
        let to = to.min(self.to);
        &self.units[from.max(self.from).min(to)..to]
    }

    /// The `reach` units before `at`.
    pub(super) fn before(&self, at: usize, reach: usize) -> &'a [u8] {
        self.slice(at.saturating_sub(reach), at)
    }

    /// Where the word begins that `at` is in.
    pub(super) fn word_start(&self, mut at: usize) -> usize {
        while at > self.from && is_word(self.units[at - 1]) {
            at -= 1;
        }
        at
    }

    /// Where the word ends that `at` is in.
    pub(super) fn word_end(&self, mut at: usize) -> usize {
        while at < self.to && is_word(self.units[at]) {
            at += 1;
        }
        at
    }

    /// Calls `tell` with the words of lists in the `reach` units before `at`, last first, until it returns something.
    pub(super) fn words<T>(&self, at: usize, reach: usize, tell: impl FnMut(&Hit) -> Option<T>) -> Option<T> {
        let from = at.saturating_sub(reach).max(self.from);
        let mut labels = self.labels.borrow_mut();
        labels.before(self.units, at).filter(|hit| hit.start >= from).find_map(tell)
    }

    /// Whether one of these words stands in the `reach` units before `at`.
    pub(super) fn after(&self, at: usize, reach: usize, label: Label) -> bool {
        self.nearest(at, reach, label).is_some()
    }

    /// Where the last of these words in the `reach` units before `at` ends. What stands before another long number belongs
    /// to that one.
    pub(super) fn nearest(&self, at: usize, reach: usize, label: Label) -> Option<usize> {
        let (start, end) =
            self.words(at, reach, |hit| (hit.label == label).then_some((hit.start, hit.end)))?;
        let mut digits = 0;
        for unit in self.slice(start, at).iter().rev() {
            digits = if unit.is_ascii_digit() { digits + 1 } else { 0 };
            if digits == 5 {
                return None;
            }
        }
        Some(end)
    }
}

/// A letter or a digit.
pub(super) const fn is_word(unit: u8) -> bool {
    unit.is_ascii_alphanumeric() || unit == fold::LETTER
}

pub(super) const fn is_letter(unit: u8) -> bool {
    unit.is_ascii_alphabetic() || unit == fold::LETTER
}
