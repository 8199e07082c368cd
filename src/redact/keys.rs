//! Names seen a moment ago: documents repeat the same names, and JSON the same keys in the same order in every record.
//!
//! Everything here is a hint. A key is what the document spells, compared byte by byte with what was seen before.

use wide::u8x16;

use super::json::Part;
use crate::policy::set::Step;
use crate::redact::plan::{Plan, Symbol};

/// Keys remembered at most; then the oldest goes.
const MOST: usize = 127;
/// Longest key remembered, in bytes: with its closing quote it fills two vectors.
const LONGEST: usize = 31;
/// Places of the index; a key may stand in either of two neighbours.
const PLACES: usize = 256;

/// Where the key that comes next was noted: behind which key, and whether as the next of the same object or as the
/// first of the object in its value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) struct Link(u8, bool);

impl Link {
    /// In front of the first key of the document.
    pub(in crate::redact) const ROOT: Self = Self(0, true);
    /// Where keys are not noted, for they do not say what they are, or are values: none is expected.
    pub(in crate::redact) const NONE: Self = Self(u8::MAX, true);

    /// In front of the first key of the object that is the value, or an element of the array that is.
    pub(in crate::redact) fn inside(self) -> Self {
        Self(self.0, true)
    }
}

/// What is known of a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::redact) struct Key {
    pub(in crate::redact) symbol: Symbol,
    /// What may be told of it.
    pub(in crate::redact) step: Step,
    /// What it is beside others.
    pub(in crate::redact) part: Part,
}

impl Key {
    /// A decoded key, looked up.
    pub(in crate::redact) fn of(key: &[u8], plan: &Plan) -> Self {
        let part = std::str::from_utf8(key).map_or(Part::NEITHER, Part::of);
        Self { symbol: plan.symbol(key), step: plan.step(key), part }
    }
}

/// A key and what followed it. Number 0 is none and equals no text.
#[derive(Clone, Copy, Debug)]
struct Seen {
    /// The key and its closing quote.
    text: [u8; LONGEST + 1],
    /// A bit for each byte of them.
    bits: u32,
    key: Key,
    /// What the plan said of its value, and at which state around it.
    around: u32,
    said: (u64, u32),
    length: u8,
    next: u8,
    first: u8,
}

/// No state of a plan.
const NOWHERE: u32 = u32::MAX;

impl Seen {
    const NONE: Self = Self {
        text: [0xFF; LONGEST + 1],
        bits: u32::MAX,
        key: Key { symbol: 0, step: Step::UNKNOWN, part: Part::NEITHER },
        around: NOWHERE,
        said: (0, 0),
        length: 0,
        next: 0,
        first: 0,
    };
}

/// A key that was expected and came.
pub(in crate::redact) struct Expected<'a>(&'a mut Seen);

impl Expected<'_> {
    pub(in crate::redact) fn length(&self) -> usize {
        self.0.length.into()
    }

    pub(in crate::redact) fn key(&self) -> Key {
        self.0.key
    }

    /// What was said of its value the last time, if that was at the same state.
    #[inline(always)]
    pub(in crate::redact) fn said(&self, around: u32) -> Option<(u64, u32)> {
        (self.0.around == around).then_some(self.0.said)
    }

    /// What is said of its value wherever the state around it is this one.
    pub(in crate::redact) fn say(&mut self, around: u32, said: (u64, u32)) {
        (self.0.around, self.0.said) = (around, said);
    }
}

/// A cache from raw keys to symbols.
#[derive(Debug)]
pub(in crate::redact) struct Keys {
    /// Empty until the first key comes.
    seen: Vec<Seen>,
    index: [u8; PLACES],
    oldest: usize,
}

impl Default for Keys {
    fn default() -> Self {
        Self { seen: Vec::new(), index: [0; PLACES], oldest: 1 }
    }
}

impl Keys {
    /// The key that begins at `at`, if it is the expected one, closing quote and all.
    #[inline(always)]
    pub(in crate::redact) fn expected(
        &mut self,
        link: &mut Link,
        input: &[u8],
        at: usize,
    ) -> Option<Expected<'_>> {
        let before = self.seen.get(usize::from(link.0))?;
        let number = if link.1 { before.first } else { before.next };
        let seen = self.seen.get_mut(usize::from(number))?;
        if equal(input.get(at..at + LONGEST + 1)?.first_chunk()?, &seen.text) & seen.bits == seen.bits {
            *link = Link(number, false);
            Some(Expected(seen))
        } else {
            None
        }
    }

    /// The meaning of a key without escapes, which is expected from now on where it stands.
    #[inline(never)]
    pub(in crate::redact) fn look_up(&mut self, key: &[u8], link: &mut Link, plan: &Plan) -> Key {
        let Some(number) = self.number(key, plan) else { return Key::of(key, plan) };
        if let Some(before) = self.seen.get_mut(usize::from(link.0)) {
            *(if link.1 { &mut before.first } else { &mut before.next }) = number;
        }
        *link = Link(number, false);
        self.seen.get(usize::from(number)).unwrap_or(&Seen::NONE).key
    }

    /// The meaning of a decoded name, for formats whose names do not come in an order.
    pub(in crate::redact) fn recall(&mut self, name: &[u8], plan: &Plan) -> Key {
        match self.number(name, plan).and_then(|number| self.seen.get(usize::from(number))) {
            Some(seen) => seen.key,
            None => Key::of(name, plan),
        }
    }

    /// Where a key is remembered, from now on if it was not; nowhere if it is too long.
    #[inline(always)]
    fn number(&mut self, key: &[u8], plan: &Plan) -> Option<u8> {
        if key.len() > LONGEST {
            return None;
        }
        let place = place(key);
        let known = [place, place ^ 1].into_iter().map(|place| self.index[place]).find(|&number| {
            self.seen
                .get(usize::from(number))
                .is_some_and(|seen| usize::from(seen.length) == key.len() && seen.text[..key.len()] == *key)
        });
        Some(known.unwrap_or_else(|| self.learn(key, place, plan)))
    }

    fn learn(&mut self, key: &[u8], place: usize, plan: &Plan) -> u8 {
        if self.seen.is_empty() {
            self.seen.reserve(32);
            self.seen.push(Seen::NONE);
        }
        let mut seen = Seen {
            text: [0; _],
            bits: bits(key.len()),
            key: Key::of(key, plan),
            around: NOWHERE,
            said: (0, 0),
            length: key.len() as u8,
            next: 0,
            first: 0,
        };
        seen.text[..key.len()].copy_from_slice(key);
        seen.text[key.len()] = b'"';
        let number = if self.seen.len() <= MOST {
            self.seen.push(seen);
            self.seen.len() - 1
        } else {
            let number = self.oldest;
            self.seen[number] = seen;
            self.oldest = number % MOST + 1;
            number
        } as u8;
        self.index[place ^ 1] = self.index[place];
        self.index[place] = number;
        number
    }
}

#[inline(always)]
fn halves(bytes: &[u8; 32]) -> [u8x16; 2] {
    match bytes.as_chunks::<16>().0 {
        [first, second] => [u8x16::from(*first), u8x16::from(*second)],
        _ => [u8x16::ZERO; 2],
    }
}

/// A bit for each byte that is equal.
#[inline(always)]
fn equal(left: &[u8; 32], right: &[u8; 32]) -> u32 {
    let ([left, left_end], [right, right_end]) = (halves(left), halves(right));
    left.simd_eq(right).to_bitmask() | left_end.simd_eq(right_end).to_bitmask() << 16
}

/// The bits of a key of this length and its quote.
fn bits(length: usize) -> u32 {
    u32::MAX >> (LONGEST - length)
}

fn place(key: &[u8]) -> usize {
    let word = |word: Option<&[u8; 8]>| word.map_or(0, |word| u64::from_le_bytes(*word));
    let mixed = if key.len() >= 8 {
        word(key.first_chunk()) ^ word(key.last_chunk()).rotate_left(29)
    } else {
        key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte))
    };
    (mixed.wrapping_add(key.len() as u64).wrapping_mul(0x9E37_79B9_7F4A_7C15) >> 56) as usize % PLACES
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::PersonalData;
    use crate::redact::json::tests::charter;

    #[test]
    fn what_is_remembered_is_what_the_plan_says() {
        let plan = Plan::compile(&charter(), &PersonalData::Undeclared);
        let mut keys = Keys::default();
        let mut link = Link::ROOT;
        // More keys than are remembered, of every length, some of them names of the charter, over and over.
        for round in 0..3 {
            for number in 0..300 {
                let key = match number % 5 {
                    0 => "full_name".to_owned(),
                    1 => "email".to_owned(),
                    2 => "x".repeat(number % 40),
                    _ => format!("key {number}"),
                };
                let text = format!("{key}\":{}", "\"".repeat(40));
                let known = Key::of(key.as_bytes(), &plan);
                if let Some(found) = keys.expected(&mut link, text.as_bytes(), 0) {
                    assert_eq!((found.length(), found.key()), (key.len(), known), "{key} in round {round}");
                } else {
                    assert_eq!(keys.look_up(key.as_bytes(), &mut link, &plan), known, "{key}");
                }
                assert_eq!(keys.recall(key.as_bytes(), &plan), known, "{key}");
                if number % 7 == 0 {
                    link = link.inside();
                }
            }
            assert!(keys.seen.len() <= MOST + 1);
        }
    }

    #[test]
    fn an_expected_key_is_equal_in_every_byte() {
        let plan = Plan::compile(&charter(), &PersonalData::Undeclared);
        for length in 0..=LONGEST {
            let key = "abcdefghijklmnopqrstuvwxyzabcdef"[..length].to_owned();
            let mut keys = Keys::default();
            let mut link = Link::ROOT;
            keys.look_up(key.as_bytes(), &mut link, &plan);
            keys.look_up(key.as_bytes(), &mut link, &plan);
            let text = format!("{key}\"{}", " ".repeat(40)).into_bytes();
            assert_eq!(keys.expected(&mut link.clone(), &text, 0).map(|found| found.length()), Some(length));
            for at in 0..=length {
                let mut other = text.clone();
                other[at] ^= 1;
                assert!(keys.expected(&mut link.clone(), &other, 0).is_none(), "{length} {at}");
            }
        }
    }
}
