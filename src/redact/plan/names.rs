//! Every name that a plan knows, as a small number.

use std::{
    collections::HashMap,
    hash::{BuildHasherDefault, Hasher},
};

use super::starts::Starts;
use crate::policy::set::{Charter, fold_field_name};

/// Longest key, in bytes, that is folded without an allocation.
pub(in crate::redact) const LONGEST_ON_STACK: usize = 64;

/// A name as the automaton reads it: its place in [`Names::symbols`]; 0 is any name that the plan does not know.
pub(in crate::redact) type Symbol = u32;

/// What stands behind a symbol.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Spelling {
    /// The name itself, where a path spells it so.
    pub(super) exact: Option<u32>,
    /// Its folded form.
    pub(super) fold: Option<u32>,
    /// The charter's category for it: 0 for none, otherwise its number plus [`super::CATEGORY`].
    pub(super) charter: u8,
}

/// Filled from the policy alone, so that nobody can choose names that collide: it needs no keyed hash.
type Table = HashMap<Box<[u8]>, Symbol, BuildHasherDefault<Fnv>>;

/// FNV-1a of 64 bits.
#[derive(Clone, Copy, Debug)]
struct Fnv(u64);

impl Default for Fnv {
    fn default() -> Self {
        Self(0xcbf2_9ce4_8422_2325)
    }
}

impl Hasher for Fnv {
    fn write(&mut self, bytes: &[u8]) {
        for &byte in bytes {
            self.0 = (self.0 ^ u64::from(byte)).wrapping_mul(0x0000_0100_0000_01b3);
        }
    }

    fn write_usize(&mut self, length: usize) {
        self.0 = (self.0 ^ length as u64).wrapping_mul(0x0000_0100_0000_01b3);
    }

    fn finish(&self) -> u64 {
        self.0
    }
}

/// The names of a route's paths and of the charter, found by decoded key.
#[derive(Debug, Default)]
pub(super) struct Names {
    exact: Table,
    folded: Table,
    /// By first byte, one bit for each length of a folded name (the last for all from 63 on): most keys are no name
    /// of the plan, and are known by this not to be.
    shapes: Vec<u64>,
    /// How they begin.
    pub(super) starts: Starts,
    pub(super) symbols: Vec<Spelling>,
}

impl Names {
    /// The charter's field names; where two categories claim one name, the first keeps it.
    pub(super) fn of(charter: &Charter) -> Self {
        let mut names = Self { symbols: vec![Spelling::default()], shapes: vec![0; 256], ..Self::default() };
        for (category, code) in charter.categories.iter().zip(super::CATEGORY..) {
            for field in &category.fields {
                let symbol = names.fold(&fold_field_name(field)) as usize;
                if names.symbols[symbol].charter == 0 {
                    names.symbols[symbol].charter = code;
                }
            }
        }
        names
    }

    /// Makes a path's name known: the numbers of its spelling and of its folded form.
    pub(super) fn learn(&mut self, name: &str) -> (u32, u32) {
        let folded = self.fold(&fold_field_name(name));
        let mut spelling = self.symbols[folded as usize];
        let next = self.symbols.len() as Symbol;
        let symbol = *self.exact.entry(name.as_bytes().into()).or_insert(next);
        spelling.exact = Some(symbol);
        if symbol == next {
            self.symbols.push(spelling);
        }
        (symbol, folded)
    }

    /// The symbol of every name that folds so.
    fn fold(&mut self, folded: &str) -> Symbol {
        if let Some(&symbol) = self.folded.get(folded.as_bytes()) {
            return symbol;
        }
        let symbol = self.symbols.len() as Symbol;
        self.symbols.push(Spelling { fold: Some(symbol), ..Spelling::default() });
        let (first, length) = shape(folded.as_bytes());
        self.shapes[first] |= length;
        self.starts.learn(folded);
        self.folded.insert(folded.as_bytes().into(), symbol);
        symbol
    }

    /// The symbol of a decoded key: its own spelling first, then its folded form.
    pub(super) fn symbol(&self, key: &[u8]) -> Symbol {
        // Identifiers are looked up as well as names, and most begin as no name does.
        if let Some(first) = key.first().filter(|first| first.is_ascii_alphanumeric())
            && self.shapes[usize::from(first.to_ascii_lowercase())] == 0
        {
            return 0;
        }
        let mut room = [0; LONGEST_ON_STACK];
        let found = match fold_ascii(key, &mut room) {
            Some(folded) => {
                let (first, length) = shape(folded);
                if self.shapes[first] & length != 0 { self.folded.get(folded) } else { None }
            }
            None => {
                // Keys are decoded from UTF-8: nothing is replaced here.
                self.folded.get(fold_field_name(&String::from_utf8_lossy(key)).as_bytes())
            }
        };
        // Every spelling is known by its folded form too.
        found.map_or(0, |&folded| self.exact.get(key).copied().unwrap_or(folded))
    }
}

/// First byte and length of a folded name, as [`Names::shapes`] counts them.
fn shape(folded: &[u8]) -> (usize, u64) {
    (folded.first().map_or(0, |&first| usize::from(first)), 1 << folded.len().min(63))
}

/// [`fold_field_name`] without an allocation, for short names of ASCII alone.
pub(in crate::redact) fn fold_ascii<'a>(
    key: &[u8],
    room: &'a mut [u8; LONGEST_ON_STACK],
) -> Option<&'a [u8]> {
    if key.len() > room.len() || !key.is_ascii() {
        return None;
    }
    let mut length = 0;
    for byte in key {
        room[length] = byte.to_ascii_lowercase();
        length += usize::from(!matches!(byte, b'_' | b'-' | b' ') && !byte.is_ascii_control());
    }
    Some(&room[..length])
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    proptest! {
        #[test]
        fn both_ways_to_fold_agree(key in "[\\x00-\\x7fé\u{200b}]{0,70}") {
            let mut room = [0; LONGEST_ON_STACK];
            if let Some(folded) = fold_ascii(key.as_bytes(), &mut room) {
                let expected = fold_field_name(&key);
                prop_assert_eq!(folded, expected.as_bytes());
            } else {
                prop_assert!(!key.is_ascii() || key.len() > LONGEST_ON_STACK);
            }
        }
    }
}
