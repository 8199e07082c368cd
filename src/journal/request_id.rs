//! The name of one exchange.

use std::{
    cell::RefCell,
    fmt,
    hash::{BuildHasher, RandomState},
};

use aws_lc_rs::rand;

/// 128 random bits, written as 32 hexadecimal digits.
///
/// Always made here, never taken from a client: an identifier that a client chooses could name a person, or two
/// exchanges alike. It is the same in the journal, in the problem+json of an error and towards the platform, so that a
/// report can be followed without any personal value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct RequestId(u128);

/// Identifiers for which random bytes are asked at once: the generator's fixed cost is far above that of 16 bytes.
const BATCH: usize = 64;

struct Supply {
    bytes: [u8; BATCH * 16],
    used: usize,
}

thread_local! {
    static SUPPLY: RefCell<Supply> = const { RefCell::new(Supply { bytes: [0; BATCH * 16], used: BATCH * 16 }) };
}

impl RequestId {
    /// A new one; some nanoseconds, and one call to the random generator in 64.
    pub fn generate() -> Self {
        SUPPLY.with_borrow_mut(|supply| {
            if supply.used == supply.bytes.len() {
                if rand::fill(&mut supply.bytes).is_err() {
                    return Self::without_generator();
                }
                supply.used = 0;
            }
            let mut id = [0; 16];
            id.copy_from_slice(&supply.bytes[supply.used..supply.used + 16]);
            supply.used += 16;
            Self(u128::from_be_bytes(id))
        })
    }

    /// Unique but guessable: an exchange must not fail because the random generator did. The standard library seeds
    /// every `RandomState` differently.
    fn without_generator() -> Self {
        let half = || u128::from(RandomState::new().hash_one(std::thread::current().id()));
        Self(half() << 64 | half())
    }

    /// The digits, without allocating; for header values.
    pub fn to_hex(self) -> [u8; 32] {
        let mut text = [0; 32];
        for (place, digit) in text.iter_mut().enumerate() {
            let nibble = (self.0 >> (124 - 4 * place)) as u8 & 15;
            *digit = nibble + if nibble < 10 { b'0' } else { b'a' - 10 };
        }
        text
    }
}

impl fmt::Display for RequestId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:032x}", self.0)
    }
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;

    use super::*;

    #[test]
    fn identifiers_differ_within_and_across_threads() {
        let make = || (0..1000).map(|_| RequestId::generate()).collect::<Vec<_>>();
        let other = std::thread::spawn(make);
        let mut all: HashSet<_> = make().into_iter().collect();
        all.extend(other.join().unwrap());
        all.extend((0..10).map(|_| RequestId::without_generator()));
        assert_eq!(all.len(), 2010);
    }

    #[test]
    fn both_texts_are_the_same_32_digits() {
        for value in [0, 1, u128::MAX, 0x0123_4567_89ab_cdef_fedc_ba98_7654_3210] {
            let id = RequestId(value);
            assert_eq!(id.to_string().as_bytes(), id.to_hex());
            assert_eq!(id.to_string().len(), 32);
        }
    }
}
