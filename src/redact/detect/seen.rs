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
}

impl Seen {
    /// Remembers a value under a tag of the caller's (a category); says whether it did.
    pub fn insert(&mut self, value: &[u8], tag: u16) -> bool {
        let Some((hash, count)) = Self::hash(value).filter(|_| self.tags.len() < MOST) else { return false };
        self.tags.insert(hash, tag);
        self.lengths |= 1 << count;
        true
    }

    /// The same, for a value that may have to be forgotten again: what it is forgotten by, if it is a new one.
    pub(in crate::redact) fn note(&mut self, value: &[u8], tag: u16) -> Option<u64> {
        let (hash, _) = Self::hash(value)?;
        (!self.tags.contains_key(&hash) && self.insert(value, tag)).then_some(hash)
    }

    /// Forgets a value.
    pub(in crate::redact) fn forget(&mut self, hash: u64) {
        self.tags.remove(&hash);
    }

    /// The hash of a value that is worth to be remembered, and how many words it has.
    fn hash(value: &[u8]) -> Option<(u64, usize)> {
        if value.len() > BYTES {
            return None;
        }
        let mut words = Words::default();
        let (mut count, mut digits, mut letters, mut at) = (0, 0, 0, 0);
        let mut alone = Vec::new();
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
        words.last(count).map(|(_, hash)| (hash, count))
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
            let (unit, len) = match text[self.at] {
                byte @ (b'a'..=b'z' | b' ') => (Some(byte), 1),
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
