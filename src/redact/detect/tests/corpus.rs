//! French messages of a school's platform, with values planted in them and with much that only looks like values.
//!
//! Who wrote this also wrote the detectors, so it is meant to be unkind: values stand against punctuation, in tables, in
//! capitals, escaped; lookalikes keep the lengths and first digits of what they imitate, and their keys are random, so
//! that some pass by chance as they would in life.

mod keys;
mod lookalikes;
mod values;

use super::Kind;

/// SplitMix64: the same text for the same seed, everywhere.
pub(super) struct Dice(u64);

impl Dice {
    pub(super) fn new(seed: u64) -> Self {
        // Through the mixer once: neighbouring seeds must not be the same stream, some steps on.
        Self(Self(seed).next().wrapping_mul(0xD605_BBB5_8C8A_BBFD) ^ seed)
    }

    fn next(&mut self) -> u64 {
        self.0 = self.0.wrapping_add(0x9E37_79B9_7F4A_7C15);
        let mut mixed = self.0;
        mixed = (mixed ^ mixed >> 30).wrapping_mul(0xBF58_476D_1CE4_E5B9);
        mixed = (mixed ^ mixed >> 27).wrapping_mul(0x94D0_49BB_1331_11EB);
        mixed ^ mixed >> 31
    }

    /// From `low` to `high`, both included.
    fn range(&mut self, low: u64, high: u64) -> u64 {
        low + self.next() % (high - low + 1)
    }

    fn chance(&mut self, percent: u64) -> bool {
        self.next() % 100 < percent
    }

    fn pick<'a>(&mut self, from: &[&'a str]) -> &'a str {
        from[(self.next() % from.len() as u64) as usize]
    }

    fn digits(&mut self, count: usize) -> String {
        (0..count).map(|_| char::from(b'0' + (self.next() % 10) as u8)).collect()
    }
}

/// A text and what is planted in it.
#[derive(Default)]
pub(super) struct Message {
    pub(super) text: String,
    pub(super) planted: Vec<(Kind, usize, usize)>,
}

impl Message {
    fn say(&mut self, text: &str) {
        self.text.push_str(text);
    }

    /// Puts a value where `frame` has `{}`.
    fn plant(&mut self, kind: Kind, frame: &str, value: &str) {
        let (before, behind) = frame.split_once("{}").unwrap();
        self.say(before);
        let start = self.text.len();
        self.say(value);
        self.planted.push((kind, start, self.text.len()));
        self.say(behind);
    }
}

const PROSE: &[&str] = &[
    "Bonjour, la classe de 5e B a bien travaillé cette semaine.",
    "Le conseil de classe aura lieu dans la salle polyvalente.",
    "Pensez à rapporter le carnet de liaison signé par vos deux parents !",
    "Les élèves liront les trois premiers chapitres pendant les vacances de la Toussaint.",
    "Il ne faut pas oublier sa calculatrice ; le contrôle portera sur les fractions.",
    "L’infirmière scolaire est présente le matin, sauf le mercredi.",
    "« Très bon trimestre, continuez ainsi », écrit le professeur principal.",
    "Son frère a l'air fatigué, il s'endort souvent au premier rang...",
    "Nous avons visité le musée puis marché jusqu'au parc.",
    "MERCI DE VOTRE COMPRÉHENSION ET BONNE RENTRÉE À TOUS",
    "La prof principale a dit que c'était pas grave du tout 😀",
    "Voir l'énoncé ci-joint (exercice facultatif) et rendre la copie au tableau.",
];

const JOINTS: &[&str] = &[" ", "\n", " ", "\n\n", "  ", " – ", "\r\n", "\t"];

/// One message: prose, values and lookalikes in any order.
pub(super) fn message(dice: &mut Dice) -> Message {
    let mut message = Message::default();
    for _ in 0..dice.range(4, 10) {
        match dice.range(0, 9) {
            0..=2 => message.say(dice.pick(PROSE)),
            3..=5 => lookalikes::add(dice, &mut message),
            _ => values::add(dice, &mut message),
        }
        message.say(dice.pick(JOINTS));
    }
    message
}
