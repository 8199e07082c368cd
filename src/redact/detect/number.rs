//! A row of letters and digits, with or without gaps: what every number looks like before it is known which.

use super::window::is_word;

/// What stands between two groups of a number; a gap can be several of them.
pub(super) const SPACE: u8 = 1;
pub(super) const DOT: u8 = 2;
pub(super) const DASH: u8 = 4;
pub(super) const SLASH: u8 = 8;
pub(super) const PAREN: u8 = 16;
pub(super) const LINE: u8 = 32;
const GAPS: usize = 6;

/// The longest number: an IBAN of 34.
const LONGEST: usize = 40;
/// How many characters are kept, so that a row is read once and then only slides.
const KEPT: usize = 256;

/// Up to 40 letters (in upper case) and digits from the beginning of a word on, and the gaps between them. Bit n of a set
/// speaks of character n.
pub(super) struct Run {
    chars: [u8; KEPT],
    units: [usize; KEPT],
    /// Where the first character is kept.
    from: usize,
    len: usize,
    digits: u64,
    /// Characters behind which a group ends.
    ends: u64,
    /// For each kind of gap the characters behind which it stands.
    gaps: [u64; GAPS],
    /// Where to read on; `None` where the row has ended.
    next: Option<usize>,
    /// The length of the group before the first character, 0 where the row begins.
    before: usize,
}

impl Run {
    pub(super) fn new() -> Self {
        Self {
            chars: [0; KEPT],
            units: [0; KEPT],
            from: 0,
            len: 0,
            digits: 0,
            ends: 0,
            gaps: [0; GAPS],
            next: None,
            before: 0,
        }
    }

    /// Nothing is known any more: units have moved.
    pub(super) fn clear(&mut self) {
        (self.from, self.len, self.digits, self.ends, self.gaps) = (0, 0, 0, 0, [0; GAPS]);
        (self.next, self.before) = (None, 0);
    }

    /// Whether the word at `start` is the second group of the row that was read last.
    pub(super) fn goes_on(&self, start: usize) -> bool {
        let group = self.ends.trailing_zeros() as usize + 1;
        group < self.len && self.units[self.from + group] == start
    }

    /// Whether this is somewhere within a table or count of small numbers: at most two digits before, and five groups of at
    /// most two behind. Only a telephone number is sought there.
    pub(super) fn within_small(&self) -> bool {
        let inner = !self.ends;
        matches!(self.before, 1 | 2) && self.leading() >= 10 && inner & inner >> 1 & low(9) == 0
    }

    /// Reads the row that begins at unit `start`. Where it is the tail of the row that was read before, it is not read again.
    pub(super) fn read(&mut self, units: &[u8], start: usize) {
        if self.goes_on(start) {
            let group = self.ends.trailing_zeros() as usize + 1;
            self.before = group;
            self.from += group;
            self.len -= group;
            self.digits >>= group;
            self.ends >>= group;
            for gap in &mut self.gaps {
                *gap >>= group;
            }
        } else if self.len == 0 || self.units[self.from] != start {
            self.clear();
            self.next = Some(start);
        }
        if self.from + LONGEST > KEPT {
            let kept = self.from..self.from + self.len;
            self.chars.copy_within(kept.clone(), 0);
            self.units.copy_within(kept, 0);
            self.from = 0;
        }
        while self.len < LONGEST
            && let Some(at) = self.next
        {
            self.next = self.push(units, at);
        }
    }

    /// Takes the character at `at`; says where the next one is, if the row goes on.
    fn push(&mut self, units: &[u8], at: usize) -> Option<usize> {
        let char = units.get(at).filter(|unit| unit.is_ascii_alphanumeric())?;
        let bit = 1 << self.len;
        self.chars[self.from + self.len] = char.to_ascii_uppercase();
        self.units[self.from + self.len] = at;
        self.len += 1;
        if char.is_ascii_digit() {
            self.digits |= bit;
        }
        match units.get(at + 1) {
            Some(next) if is_word(*next) => next.is_ascii().then_some(at + 1),
            _ => {
                self.ends |= bit;
                let (gap, behind) = gap(units, at + 1)?;
                for (kind, gaps) in self.gaps.iter_mut().enumerate() {
                    *gaps |= u64::from(gap >> kind & 1) << (self.len - 1);
                }
                Some(behind)
            }
        }
    }

    /// The first `count` characters, if a group ends there and the gaps before are `allowed`.
    pub(super) fn first(&self, count: usize, allowed: u8) -> Option<&[u8]> {
        (count <= self.len && self.ends >> (count - 1) & 1 == 1 && self.joined(count, allowed))
            .then(|| &self.chars[self.from..self.from + count])
    }

    /// As [`first`](Self::first), all digits.
    pub(super) fn first_digits(&self, count: usize, allowed: u8) -> Option<&[u8]> {
        self.first(count, allowed).filter(|_| self.leading() >= count)
    }

    /// As [`first_digits`](Self::first_digits), but letters may follow without a gap.
    pub(super) fn leading_digits(&self, count: usize, allowed: u8) -> Option<&[u8]> {
        if count > self.len || self.leading() < count || !self.joined(count, allowed) {
            return None;
        }
        let glued = count == self.len || self.digits >> count & 1 == 0;
        (self.ends >> (count - 1) & 1 == 1 || glued).then(|| &self.chars[self.from..self.from + count])
    }

    /// Whether all gaps within the first `count` characters are `allowed`.
    fn joined(&self, count: usize, allowed: u8) -> bool {
        let bar = |(kind, gaps): (usize, &u64)| gaps & u64::from(allowed >> kind & 1).wrapping_sub(1);
        self.gaps.iter().enumerate().map(bar).fold(0, |sum, gaps| sum | gaps) & low(count - 1) == 0
    }

    /// How many digits the row begins with.
    pub(super) fn leading(&self) -> usize {
        self.digits.trailing_ones() as usize
    }

    pub(super) fn chars(&self) -> &[u8] {
        &self.chars[self.from..self.from + self.len]
    }

    /// The unit behind the character number `count`.
    pub(super) fn end(&self, count: usize) -> usize {
        self.units[self.from + count - 1] + 1
    }

    /// Whether the character number `count` ends a group.
    pub(super) fn ends(&self, count: usize) -> bool {
        self.ends >> (count - 1) & 1 == 1
    }

    /// The gap behind the character number `count`: 0 where there is none or the row ends.
    pub(super) fn gap(&self, count: usize) -> u8 {
        let bits = self.gaps.iter().enumerate().map(|(kind, gaps)| ((gaps >> (count - 1) & 1) as u8) << kind);
        bits.fold(0, |gap, bit| gap | bit)
    }

    /// Whether the first `count` characters have no gaps.
    pub(super) fn solid(&self, count: usize) -> bool {
        self.ends & low(count - 1) == 0
    }

    /// Every gap of the first `count` characters is the same.
    pub(super) fn even(&self, count: usize) -> bool {
        let inner = self.ends & low(count - 1);
        self.gaps.iter().all(|gaps| matches!(gaps & inner, some if some == 0 || some == inner))
    }

    /// Whether the first `count` characters come in groups of lengths that are among `forms`.
    pub(super) fn grouped(&self, count: usize, forms: &[&[usize]]) -> bool {
        let ends = self.ends & low(count - 1);
        forms.iter().any(|lens| {
            let mut at = 0;
            let inner = &lens[..lens.len() - 1];
            ends == inner.iter().fold(0, |ends, len| {
                at += len;
                ends | 1 << (at - 1)
            })
        })
    }

    /// How many groups the first `count` characters have.
    pub(super) fn groups(&self, count: usize) -> usize {
        (self.ends & low(count - 1)).count_ones() as usize + 1
    }

    /// The group behind the character number `count`, when only a gap stands between.
    pub(super) fn group_after(&self, count: usize) -> &[u8] {
        if count >= self.len || !self.ends(count) {
            return &[];
        }
        let long = (self.len - count).min((self.ends >> count).trailing_zeros() as usize + 1);
        &self.chars()[count..count + long]
    }
}

/// The lowest `count` bits.
fn low(count: usize) -> u64 {
    (1 << count) - 1
}

/// A gap of at most three units with at most one mark among its spaces, and where it ends.
fn gap(units: &[u8], at: usize) -> Option<(u8, usize)> {
    let (mut gap, mut marks) = (0, 0);
    for len in 0..4 {
        let mark = match units.get(at + len)? {
            b' ' => SPACE,
            b'.' => DOT,
            b'-' => DASH,
            b'/' => SLASH,
            b'(' | b')' => PAREN,
            b'\n' => LINE,
            unit if unit.is_ascii_alphanumeric() && len > 0 => return Some((gap, at + len)),
            _ => return None,
        };
        marks += usize::from(mark & (DOT | DASH | SLASH | LINE) != 0);
        if marks > 1 {
            return None;
        }
        gap |= mark;
    }
    None
}
