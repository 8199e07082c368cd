//! Values that were redacted from fields, found again in free text of the same document.

use std::collections::HashMap;

use super::{fold, text::ESCAPE, window::is_word};

/// How many values are remembered; later ones are not.
const MOST: usize = 1024;
/// The longest value, in words and in bytes of the text.
const WORDS: usize = 6;
const BYTES: usize = 200;
/// How many bytes at the end of what is known a value may still begin in.
pub(super) const AHEAD: usize = BYTES + ESCAPE + 32;
/// How many units may stand between two words of a value.
const GAP: usize = 3;

/// Words that are also names, or that a field may hold without naming anybody: alone they stay in a text.
const COMMON: &str = " alors amie anglais annee aout april aucun aussi autre autres avec avoir avril beau belle bien blanc \
    blanche bonjour bonne brun cela celle cette chaque chez chien claire classe college comme comment cours dans dame date \
    depuis deux devoir dimanche dire document donc ecole elle elles eleve eleves encore enfant enfants ensuite etait etes \
    etre examen exercice faire fait faux femme fille fleur fois font francais france garcon grand grande groupe heure \
    homme inconnu janvier jeudi jour jours juillet juin lettre leur leurs lille livre lorsque lundi lycee lyon madame \
    maison maitre mardi mars mathematiques mathieu meme mercredi merci mere moins mois monde monsieur moyen nantes nice \
    noel noir none nord note notes nous null nuit octobre olive page paris parce parents pere personne petit petite peut \
    pierre place plus point porte pour pourquoi premier prof professeur quand quatre quel quelle quoi rose rouge roux \
    rien samedi sans sera ses sept simple soir sont sous sport student suivi sujet teacher test texte tous tout toute \
    toutes travail tres trois true false user vert veut vendredi vers victoire ville vingt violette vous votre vrai \
    unknown anonymous anonyme admin name nomme prenom absent absente acquis feminin masculin male female present presente \
    reussi termine valide ";

/// Values of fields that were redacted earlier in a document. Holds at most 1024 of them, as hashes: a few dozen
/// kilobytes, and no personal value.
///
/// Case, accents and what stands between words do not matter; words must be whole. Not remembered are values of fewer
/// than four letters or digits, numbers of fewer than six digits, single everyday words, and what is longer than six
/// words or 200 bytes. **Text before the field has already left**: a name that a document mentions first and declares
/// later is not found.
#[derive(Default)]
pub struct Seen {
    tags: HashMap<u64, u16>,
    /// Bit n: a value of n words is there.
    lengths: u8,
    /// A bit for the last word of each value: most words of a text are known by this to end none.
    bits: Vec<u64>,
}

/// A value as it is remembered.
#[derive(Clone, Copy)]
struct Hashed {
    hash: u64,
    /// Its words.
    count: usize,
    /// The hash of its last word.
    last: u64,
}

/// Bits of [`Seen::bits`], which are sixteen for each value at most.
const BITS: u64 = 16 * 1024;

/// Where the bit of a hash is.
fn bit(hash: u64) -> (usize, u64) {
    let place = (hash ^ hash >> 32) % BITS;
    ((place / 64) as usize, 1 << (place % 64))
}

impl Seen {
    /// Remembers a value under a tag of the caller's (a category); says whether it did.
    pub fn insert(&mut self, value: &[u8], tag: u16) -> bool {
        Self::hash(value).is_some_and(|found| self.keep(found, tag))
    }

    fn keep(&mut self, Hashed { hash, count, last }: Hashed, tag: u16) -> bool {
        if self.tags.len() >= MOST {
            return false;
        }
        self.tags.insert(hash, tag);
        self.lengths |= 1 << count;
        self.bits.resize((BITS / 64) as usize, 0);
        let (word, bit) = bit(last);
        self.bits[word] |= bit;
        true
    }

    /// The same, for a value that may have to be forgotten again: what it is forgotten by, if it is a new one.
    pub(in crate::redact) fn note(&mut self, value: &[u8], tag: u16) -> Option<u64> {
        let found = Self::hash(value)?;
        (!self.tags.contains_key(&found.hash) && self.keep(found, tag)).then_some(found.hash)
    }

    /// Forgets a value.
    pub(in crate::redact) fn forget(&mut self, hash: u64) {
        self.tags.remove(&hash);
    }

    /// The hash of a value that is worth to be remembered.
    fn hash(value: &[u8]) -> Option<Hashed> {
        if value.len() > BYTES {
            return None;
        }
        let mut words = Words::default();
        let (mut count, mut digits, mut letters, mut at) = (0, 0, 0, 0);
        let mut alone = Vec::with_capacity(value.len());
        while at < value.len() {
            let (unit, len) = fold::unit(&value[at..]);
            if let Some(unit) = unit {
                count += usize::from(words.unit(unit, &value[at..at + len], at));
                digits += usize::from(unit.is_ascii_digit());
                letters += usize::from(is_word(unit) && !unit.is_ascii_digit());
                if is_word(unit) {
                    alone.push(unit.to_ascii_lowercase());
                }
            }
            at += len;
        }
        count += usize::from(words.unit(b'\n', b"\n", at));
        let common = || {
            let word = String::from_utf8_lossy(&alone);
            count == 1 && COMMON.contains(&format!(" {word} "))
        };
        let known = (1..=WORDS).contains(&count) && digits + letters >= 4 && (letters > 0 || digits >= 6);
        if !known || common() {
            return None;
        }
        let ((_, hash), (_, last)) = (words.last(count)?, words.last(1)?);
        Some(Hashed { hash, count, last })
    }

    /// Whether a word of this hash may be the last one of a value.
    fn may_end(&self, word: u64) -> bool {
        let (place, bit) = bit(word);
        self.bits.get(place).is_some_and(|bits| bits & bit != 0)
    }

    /// Whether nothing is remembered.
    pub fn is_empty(&self) -> bool {
        self.tags.is_empty()
    }

    /// Calls `found` with the beginning, the end and the tag of every value in `text`, in the order of their ends; they
    /// can overlap.
    pub fn find(&self, text: &[u8], found: impl FnMut(usize, usize, u16)) {
        Walk::default().advance(self, text, true, found);
    }
}

/// The last words of a text: where each began, and its hash.
#[derive(Default)]
struct Words {
    ring: [(usize, u64); WORDS],
    count: usize,
    /// The word that is being read.
    open: Option<(usize, u64)>,
    gap: usize,
}

/// Letters and digits of ASCII in lower case; 0 for other bytes.
const SMALL: [u8; 256] = {
    let mut small = [0; 256];
    let mut byte = 0;
    while byte < 0x80 {
        if (byte as u8).is_ascii_alphanumeric() {
            small[byte] = (byte as u8).to_ascii_lowercase();
        }
        byte += 1;
    }
    small
};

const BASIS: u64 = 0xCBF2_9CE4_8422_2325;

/// FNV-1a: who makes values collide gets more redacted, never less.
fn mix(hash: u64, byte: u8) -> u64 {
    (hash ^ u64::from(byte)).wrapping_mul(0x0100_0000_01B3)
}

impl Words {
    /// Takes the next unit, its bytes and where they are; says whether a word ended before it.
    fn unit(&mut self, unit: u8, raw: &[u8], at: usize) -> bool {
        if is_word(unit) {
            if self.open.is_none() && self.gap > GAP {
                self.count = 0;
            }
            let (start, hash) = self.open.unwrap_or((at, BASIS));
            let hash = if unit == fold::LETTER {
                raw.iter().fold(hash, |hash, byte| mix(hash, *byte))
            } else {
                mix(hash, unit.to_ascii_lowercase())
            };
            self.open = Some((start, hash));
            self.gap = 0;
            return false;
        }
        self.gap += 1;
        let Some(word) = self.open.take() else { return false };
        self.ring.copy_within(1.., 0);
        self.ring[WORDS - 1] = word;
        self.count = WORDS.min(self.count + 1);
        true
    }

    /// Takes letters and digits of ASCII, as far as nothing else stands between them; how many these are.
    fn letters(&mut self, text: &[u8], at: usize) -> usize {
        let small = |byte: u8| SMALL[usize::from(byte)];
        if text.first().is_none_or(|&first| small(first) == 0) {
            return 0;
        }
        if self.open.is_none() && self.gap > GAP {
            self.count = 0;
        }
        let (start, mut hash) = self.open.unwrap_or((at, BASIS));
        let mut length = 0;
        for byte in text.iter().map(|&byte| small(byte)).take_while(|&byte| byte != 0) {
            hash = mix(hash, byte);
            length += 1;
        }
        self.open = Some((start, hash));
        self.gap = 0;
        length
    }

    /// Where the last `count` words begin, and their common hash.
    fn last(&self, count: usize) -> Option<(usize, u64)> {
        let words = (count <= self.count).then(|| &self.ring[WORDS - count..])?;
        let hash = words
            .iter()
            .fold(BASIS, |hash, (_, word)| (hash.rotate_left(5) ^ word).wrapping_mul(0x0100_0000_01B3));
        Some((words.first()?.0, hash))
    }
}

/// How far a text was searched.
#[derive(Default)]
pub(super) struct Walk {
    at: usize,
    words: Words,
}

impl Walk {
    /// Searches on, as far as characters are known to be complete.
    pub(super) fn advance(
        &mut self,
        seen: &Seen,
        text: &[u8],
        whole: bool,
        mut found: impl FnMut(usize, usize, u16),
    ) {
        let end = if whole { text.len() } else { text.len().saturating_sub(ESCAPE) };
        if seen.is_empty() {
            self.at = self.at.max(end);
            return;
        }
        let mut last = self.at;
        while self.at < end {
            let letters = self.words.letters(&text[self.at..end], self.at);
            if letters > 0 {
                self.at += letters;
                last = self.at;
                continue;
            }
            let (unit, len) = match text[self.at] {
                byte @ (b' '..b'%' | b'\''..b'A') => (Some(byte), 1),
                _ => fold::unit(&text[self.at..text.len().min(self.at + ESCAPE)]),
            };
            if let Some(unit) = unit
                && self.words.unit(unit, &text[self.at..self.at + len], self.at)
            {
                self.look(seen, self.at, &mut found);
            }
            self.at += len;
            last = self.at;
        }
        if whole && self.words.unit(b'\n', b"\n", last) {
            self.look(seen, last, &mut found);
        }
    }

    fn look(&self, seen: &Seen, end: usize, found: &mut impl FnMut(usize, usize, u16)) {
        if !self.words.last(1).is_some_and(|(_, word)| seen.may_end(word)) {
            return;
        }
        for count in (1..=WORDS).rev().filter(|count| seen.lengths & 1 << count != 0) {
            if let Some((start, hash)) = self.words.last(count)
                && let Some(tag) = seen.tags.get(&hash)
                && end - start <= BYTES
            {
                found(start, end, *tag);
            }
        }
    }

    /// The first byte that the walk still speaks of.
    pub(super) fn needs(&self) -> usize {
        self.at
    }

    /// The first `count` bytes of the text are gone.
    pub(super) fn forget(&mut self, count: usize) {
        self.at -= count;
        for (start, _) in self.words.ring.iter_mut().chain(&mut self.words.open) {
            *start = start.wrapping_sub(count);
        }
    }
}
