//! Names seen a moment ago: documents repeat the same keys in every record.

use crate::redact::plan::{Plan, Symbol};

/// Slots; a key may stand in either of two neighbours, so that two keys of one place do not drive each other out.
const SLOTS: usize = 128;
/// Longest key, in bytes, that the three words of a slot tell from every other.
const LONGEST: usize = 24;

/// A small cache from raw keys to symbols. A slot holds a key's three words, then its length plus one and its symbol;
/// zeroes are an empty slot.
pub(super) struct KeyCache {
    slots: Vec<[u64; 4]>,
}

impl KeyCache {
    pub(super) fn new() -> Self {
        Self { slots: vec![[0; 4]; SLOTS] }
    }

    /// The symbol of a key without escapes.
    #[inline(always)]
    pub(super) fn symbol(&mut self, key: &[u8], plan: &Plan) -> Symbol {
        if key.len() > LONGEST {
            return plan.symbol(key);
        }
        let words = words(key);
        let mixed = (words[0] ^ words[1].rotate_left(29) ^ words[2].rotate_left(7))
            .wrapping_add(key.len() as u64)
            .wrapping_mul(0x9E37_79B9_7F4A_7C15);
        let place = (mixed >> 57) as usize % SLOTS;
        for place in [place, place ^ 1] {
            let [first, last, middle, rest] = self.slots[place];
            if [first, last, middle] == words && rest >> 32 == key.len() as u64 + 1 {
                return rest as Symbol;
            }
        }
        self.learn(key, words, place, plan)
    }

    #[inline(never)]
    fn learn(&mut self, key: &[u8], words: [u64; 3], place: usize, plan: &Plan) -> Symbol {
        let symbol = plan.symbol(key);
        self.slots[place ^ 1] = self.slots[place];
        self.slots[place] = [words[0], words[1], words[2], (key.len() as u64 + 1) << 32 | u64::from(symbol)];
        symbol
    }
}

/// The first, the last and the middle eight bytes: with the length, the whole of a key up to [`LONGEST`] bytes.
#[inline(always)]
fn words(key: &[u8]) -> [u64; 3] {
    if let (Some(first), Some(last)) = (key.first_chunk::<8>(), key.last_chunk::<8>()) {
        let middle = if key.len() > 16 {
            key[8..].first_chunk::<8>().map_or(0, |m| u64::from_le_bytes(*m))
        } else {
            0
        };
        [u64::from_le_bytes(*first), u64::from_le_bytes(*last), middle]
    } else if let (Some(first), Some(last)) = (key.first_chunk::<4>(), key.last_chunk::<4>()) {
        [u64::from(u32::from_le_bytes(*first)), u64::from(u32::from_le_bytes(*last)), 0]
    } else {
        [key.iter().fold(0, |word, &byte| word << 8 | u64::from(byte)), 0, 0]
    }
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_tell_keys_of_one_length_apart() {
        let key = b"abcdefghijklmnopqrstuvwx";
        for length in 1..=key.len() {
            for at in 0..length {
                let mut other = key[..length].to_vec();
                other[at] ^= 1;
                assert_ne!(words(&key[..length]), words(&other), "{length} {at}");
            }
        }
    }
}
