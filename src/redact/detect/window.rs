//! The neighbourhood of one place of a text, in units.

use super::fold;

/// How many bytes before an anchor are looked at; no match begins further left.
pub(super) const BEHIND: usize = 256;
/// How many bytes from an anchor on are looked at; no match ends further right.
pub(super) const AHEAD: usize = 256;

/// Units around an anchor, with the bytes that each of them stands for. Made once and filled for each anchor, so that
/// nothing is allocated.
pub(super) struct Window {
    units: [u8; BEHIND + AHEAD],
    /// First byte of each unit and the one behind its last, counted from `from`.
    bytes: [(u16, u16); BEHIND + AHEAD],
    len: usize,
    from: usize,
    /// The unit at which this window was asked for.
    pub(super) anchor: usize,
    /// Whether the text goes on behind the window.
    cut: bool,
}

impl Window {
    pub(super) fn new() -> Self {
        Self {
            units: [0; BEHIND + AHEAD],
            bytes: [(0, 0); BEHIND + AHEAD],
            len: 0,
            from: 0,
            anchor: 0,
            cut: false,
        }
    }

    /// Looks at `behind` bytes before `at` and `ahead` from there on. What stands further away has no influence, which
    /// is what makes the result independent of how a stream is cut.
    pub(super) fn fill(&mut self, text: &[u8], at: usize, behind: usize, ahead: usize) {
        self.len = 0;
        self.from = at.saturating_sub(behind);
        let to = text.len().min(at + ahead);
        self.cut = to < text.len();
        // In two parts: an escape that the left edge cuts must not swallow the anchor.
        self.append(&text[self.from..at], 0);
        self.anchor = self.len;
        self.append(&text[at..to], at - self.from);
    }

    fn append(&mut self, part: &[u8], base: usize) {
        let mut at = 0;
        while at < part.len() {
            let byte = part[at];
            let (unit, len) = match byte {
                b'%' | b'&' | b'\\' | 0..0x20 | 0x7F.. => fold::unit(&part[at..]),
                _ => (Some(byte), 1),
            };
            if let Some(unit) = unit {
                self.units[self.len] = unit;
                // Both are at most BEHIND + AHEAD.
                self.bytes[self.len] = ((base + at) as u16, (base + at + len) as u16);
                self.len += 1;
            }
            at += len;
        }
    }

    /// The unit at `at`; a line feed beyond either edge of the text, a letter where the window is cut, so that nothing
    /// is taken to end there.
    pub(super) fn get(&self, at: usize) -> u8 {
        if at < self.len {
            self.units[at]
        } else if self.cut {
            fold::LETTER
        } else {
            b'\n'
        }
    }

    /// The unit before `at`.
    pub(super) fn prev(&self, at: usize) -> u8 {
        if at == 0 { if self.from == 0 { b'\n' } else { fold::LETTER } } else { self.units[at - 1] }
    }

    pub(super) fn len(&self) -> usize {
        self.len
    }

    /// The units from `from` to `to`, as far as there are any.
    pub(super) fn slice(&self, from: usize, to: usize) -> &[u8] {
        let to = to.min(self.len);
        &self.units[from.min(to)..to]
    }

    /// The bytes of the text that the units from `from` to `to` (not included, and at least one) stand for.
    pub(super) fn bytes(&self, from: usize, to: usize) -> (usize, usize) {
        (self.from + usize::from(self.bytes[from].0), self.from + usize::from(self.bytes[to - 1].1))
    }

    /// Where the word begins that `at` is in.
    pub(super) fn word_start(&self, mut at: usize) -> usize {
        while at > 0 && is_word(self.units[at - 1]) {
            at -= 1;
        }
        at
    }

    /// Where the word ends that `at` is in.
    pub(super) fn word_end(&self, mut at: usize) -> usize {
        while at < self.len && is_word(self.units[at]) {
            at += 1;
        }
        at
    }

    /// Whether one of `words` stands in the `reach` units before `at`. See [`last_word`] for their spelling.
    pub(super) fn after(&self, at: usize, reach: usize, words: &[&str]) -> bool {
        self.nearest(at, reach, words).is_some()
    }

    /// Where the last of `words` in the `reach` units before `at` ends. What stands before another long number belongs
    /// to that one.
    pub(super) fn nearest(&self, at: usize, reach: usize, words: &[&str]) -> Option<usize> {
        let mut from = at.saturating_sub(reach);
        let before = self.slice(from, at);
        let long = (0..before.len().saturating_sub(4))
            .rev()
            .find(|at| before[*at..at + 5].iter().all(u8::is_ascii_digit));
        from += long.map_or(0, |place| place + 5);
        let before = self.slice(from, at);
        words.iter().filter_map(|word| last_word(before, word)).map(|(_, end)| from + end).max()
    }
}

/// A letter or a digit.
pub(super) fn is_word(unit: u8) -> bool {
    unit.is_ascii_alphanumeric() || unit == fold::LETTER
}

pub(super) fn is_letter(unit: u8) -> bool {
    unit.is_ascii_alphabetic() || unit == fold::LETTER
}

/// Where `word` stands last in `units`: its place and the one behind it. Case does not matter, a space of `word` also
/// matches `_` and `-`; the word must begin where a word begins and, unless it ends with `*`, end where one ends.
pub(super) fn last_word(units: &[u8], word: &str) -> Option<(usize, usize)> {
    let (word, open) = word.strip_suffix('*').map_or((word, false), |word| (word, true));
    let word = word.as_bytes();
    let first = word.first()?;
    for at in (0..(units.len() + 1).saturating_sub(word.len())).rev() {
        let same = |(unit, wanted): (&u8, &u8)| {
            unit.to_ascii_lowercase() == *wanted || *wanted == b' ' && matches!(unit, b'_' | b'-')
        };
        if units[at].to_ascii_lowercase() != *first || !units[at..].iter().zip(word).all(same) {
            continue;
        }
        let end = at + word.len();
        let begins = at == 0 || !is_letter(units[at - 1]);
        let ends = open || units.get(end).is_none_or(|next| !is_letter(*next) || !is_letter(units[end - 1]));
        if begins && ends {
            return Some((at, end));
        }
    }
    None
}
