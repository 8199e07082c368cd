//! A row of letters and digits, with or without gaps: what every number looks like before it is known which.

use super::window::{Window, is_word};

/// What stands between two groups of a number; a gap can be several of them.
pub(super) const SPACE: u8 = 1;
pub(super) const DOT: u8 = 2;
pub(super) const DASH: u8 = 4;
pub(super) const SLASH: u8 = 8;
pub(super) const PAREN: u8 = 16;
pub(super) const LINE: u8 = 32;

/// The longest number: an IBAN of 34.
const LONGEST: usize = 40;

/// Up to 40 letters (in upper case) and digits from the beginning of a word on, and the gaps between them.
pub(super) struct Run {
    chars: [u8; LONGEST],
    units: [usize; LONGEST],
    /// The gap behind each of them; `END` behind the last one, 0 within a group.
    gaps: [u8; LONGEST],
    len: usize,
}

/// Something else than a gap: the row ends.
const END: u8 = 128;

impl Run {
    pub(super) fn read(window: &Window, start: usize) -> Self {
        let mut run = Self { chars: [0; LONGEST], units: [0; LONGEST], gaps: [0; LONGEST], len: 0 };
        let mut at = start;
        while run.len < LONGEST && window.get(at).is_ascii_alphanumeric() && at < window.len() {
            run.chars[run.len] = window.get(at).to_ascii_uppercase();
            run.units[run.len] = at;
            at += 1;
            let next = window.get(at);
            if !is_word(next) {
                let (gap, behind) = gap(window, at);
                run.gaps[run.len] = gap;
                at = behind;
            } else if !next.is_ascii() || at >= window.len() {
                run.gaps[run.len] = 0;
                run.len += 1;
                break;
            }
            run.len += 1;
            if run.gaps[run.len - 1] == END {
                break;
            }
        }
        run
    }

    pub(super) fn digits(&self) -> usize {
        self.chars[..self.len].iter().filter(|char| char.is_ascii_digit()).count()
    }

    /// The first `count` characters, if a group ends there and the gaps before are `allowed`.
    pub(super) fn first(&self, count: usize, allowed: u8) -> Option<&[u8]> {
        let gaps = self.gaps.get(..count)?;
        let (last, inner) = gaps.split_last()?;
        (count <= self.len && *last != 0 && inner.iter().all(|gap| gap & !allowed == 0))
            .then_some(&self.chars[..count])
    }

    /// As [`first`](Self::first), all digits.
    pub(super) fn first_digits(&self, count: usize, allowed: u8) -> Option<&[u8]> {
        self.first(count, allowed).filter(|chars| chars.iter().all(u8::is_ascii_digit))
    }

    /// As [`first_digits`](Self::first_digits), but letters may follow without a gap.
    pub(super) fn leading_digits(&self, count: usize, allowed: u8) -> Option<&[u8]> {
        let glued = self.chars.get(count).is_some_and(u8::is_ascii_alphabetic) || count == self.len;
        let gaps = self.gaps.get(..count)?;
        let chars = self.chars.get(..count).filter(|chars| chars.iter().all(u8::is_ascii_digit))?;
        let inner = gaps[..count - 1].iter().all(|gap| gap & !allowed == 0);
        (count <= self.len && inner && (gaps[count - 1] != 0 || glued)).then_some(chars)
    }

    pub(super) fn chars(&self) -> &[u8] {
        &self.chars[..self.len]
    }

    /// The unit behind the character number `count`.
    pub(super) fn end(&self, count: usize) -> usize {
        self.units[count - 1] + 1
    }

    /// The gap behind the character number `count`: 0 none, [`END`](self) as a value of its own.
    pub(super) fn gap(&self, count: usize) -> u8 {
        self.gaps[count - 1]
    }

    /// Whether the first `count` characters have no gaps.
    pub(super) fn solid(&self, count: usize) -> bool {
        self.gaps[..count - 1].iter().all(|gap| *gap == 0)
    }

    /// Every gap of the first `count` characters is the same.
    pub(super) fn even(&self, count: usize) -> bool {
        let mut gaps = self.gaps[..count - 1].iter().filter(|gap| **gap != 0);
        gaps.next().is_none_or(|first| gaps.all(|gap| gap == first))
    }

    /// How long the groups of the first `count` characters are.
    pub(super) fn groups(&self, count: usize) -> Groups {
        let mut groups = Groups { lens: [0; LONGEST], len: 0 };
        let mut long = 0;
        for at in 0..count {
            long += 1;
            if self.gaps[at] != 0 || at + 1 == count {
                groups.lens[groups.len] = long;
                groups.len += 1;
                long = 0;
            }
        }
        groups
    }

    /// The group behind the character number `count`, when only a gap stands between.
    pub(super) fn group_after(&self, count: usize) -> &[u8] {
        if count >= self.len || self.gaps[count - 1] == 0 {
            return &[];
        }
        let long =
            self.gaps[count..self.len].iter().position(|gap| *gap != 0).map_or(self.len - count, |at| at + 1);
        &self.chars[count..count + long]
    }
}

pub(super) struct Groups {
    lens: [u8; LONGEST],
    len: usize,
}

impl Groups {
    pub(super) fn lens(&self) -> &[u8] {
        &self.lens[..self.len]
    }
}

/// A gap of at most three units with at most one mark among its spaces, and where it ends.
fn gap(window: &Window, at: usize) -> (u8, usize) {
    let (mut gap, mut marks) = (0, 0);
    for len in 0..4 {
        let mark = match window.get(at + len) {
            _ if at + len >= window.len() => return (END, at),
            b' ' => SPACE,
            b'.' => DOT,
            b'-' => DASH,
            b'/' => SLASH,
            b'(' | b')' => PAREN,
            b'\n' => LINE,
            unit if unit.is_ascii_alphanumeric() && len > 0 => return (gap, at + len),
            _ => return (END, at),
        };
        marks += usize::from(mark & (DOT | DASH | SLASH | LINE) != 0);
        if marks > 1 {
            return (END, at);
        }
        gap |= mark;
    }
    (END, at)
}
