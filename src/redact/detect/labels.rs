//! Words that say what the number behind them is: all lists in one automaton, which passes each text at most once.

use std::sync::LazyLock;

use aho_corasick::{
    Anchored,
    automaton::{Automaton, StateID},
    dfa::DFA,
};

use super::{
    address, date, identifier, network, phone,
    window::{LETTER_BEHIND, is_letter},
};

/// A list of words. In a word a space also stands for `_` and `-`, and case does not matter; it must begin where a word
/// begins and, unless it ends with `*`, end where one ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Label {
    Phone,
    Marks,
    PhoneOrder,
    BirthDirect,
    BirthNear,
    BirthOther,
    Day,
    Nir,
    Ine,
    Iban,
    Card,
    Company,
    Order,
    Version,
    Machine,
    Mac,
    Device,
    Imei,
    Address,
    Street,
}

const LISTS: &[(Label, &[&str])] = &[
    (Label::Phone, phone::LABEL),
    (Label::Marks, phone::MARKS),
    (Label::PhoneOrder, phone::ORDER),
    (Label::BirthDirect, date::DIRECT),
    (Label::BirthNear, date::NEAR),
    (Label::BirthOther, date::OTHER),
    (Label::Day, date::DAYS),
    (Label::Nir, identifier::NIR),
    (Label::Ine, identifier::INE),
    (Label::Iban, identifier::IBAN),
    (Label::Card, identifier::CARD),
    (Label::Company, identifier::COMPANY),
    (Label::Order, identifier::ORDER),
    (Label::Version, network::VERSION),
    (Label::Machine, network::ADDRESS),
    (Label::Mac, network::MAC),
    (Label::Device, network::DEVICE),
    (Label::Imei, network::IMEI),
    (Label::Address, address::LABEL),
    (Label::Street, address::STREETS),
    (Label::Street, address::OTHERS),
];

/// How far before a place words are known; no reach is longer.
pub(super) const REACH: usize = 96;

struct Word {
    label: Label,
    /// Its place among the words of all lists: spellings share it.
    id: u16,
    len: usize,
    open: bool,
}

struct Words {
    automaton: DFA,
    words: Vec<Word>,
    start: StateID,
}

static WORDS: LazyLock<Words> = LazyLock::new(|| {
    let (mut spelled, mut words, mut id) = (Vec::new(), Vec::new(), 0);
    for (label, list) in LISTS {
        for word in *list {
            let (word, open) = word.strip_suffix('*').map_or((*word, false), |word| (word, true));
            for spelling in spellings(word) {
                spelled.push(spelling);
                words.push(Word { label: *label, id, len: word.len(), open });
            }
            id += 1;
        }
    }
    #[expect(clippy::expect_used, reason = "a few hundred short constants always fit")]
    let automaton = DFA::builder().ascii_case_insensitive(true).build(spelled).expect("lists of words");
    #[expect(clippy::expect_used, reason = "the builder's default supports searches without anchor")]
    let start = automaton.start_state(Anchored::No).expect("a start");
    Words { automaton, words, start }
});

fn spellings(word: &str) -> Vec<String> {
    let mut all = vec![String::new()];
    for char in word.chars() {
        let choices: &[char] = if char == ' ' { &[' ', '_', '-'] } else { &[char] };
        all = all.iter().flat_map(|head| choices.iter().map(move |tail| format!("{head}{tail}"))).collect();
    }
    all
}

/// A word of a list in the text, in units.
#[derive(Debug, Clone, Copy)]
pub(super) struct Hit {
    pub(super) label: Label,
    pub(super) id: u16,
    pub(super) start: usize,
    pub(super) end: usize,
}

/// The words that were read, in the order of their ends.
pub(super) struct Labels {
    words: &'static Words,
    hits: Vec<Hit>,
    /// The first unit that was not read.
    read: usize,
    state: StateID,
}

impl Labels {
    pub(super) fn new() -> Self {
        let words = &*WORDS;
        Self { words, hits: Vec::new(), read: 0, state: words.start }
    }

    /// The words that end in the [`REACH`] units before `at`, last first.
    pub(super) fn before(&mut self, units: &[u8], at: usize) -> impl Iterator<Item = &Hit> {
        if at > self.read {
            self.read(units, at);
        }
        let from = at.saturating_sub(REACH);
        self.hits
            .iter()
            .rev()
            .skip_while(move |hit| hit.end > at)
            .take_while(move |hit| hit.end > from)
            .filter(move |hit| hit.start >= from)
    }

    fn read(&mut self, units: &[u8], to: usize) {
        let words = self.words;
        let from = to.saturating_sub(REACH);
        if from >= self.read {
            self.hits.clear();
            (self.read, self.state) = (from, words.start);
        }
        if self.hits.len() > 4 * REACH {
            self.hits.retain(|hit| hit.end > from);
        }
        let mut state = self.state;
        for (at, unit) in units.iter().enumerate().take(to).skip(self.read) {
            state = words.automaton.next_state(Anchored::No, state, *unit);
            if words.automaton.is_special(state) && words.automaton.is_match(state) {
                for number in 0..words.automaton.match_len(state) {
                    let word = &words.words[words.automaton.match_pattern(state, number).as_usize()];
                    let end = at + 1;
                    let start = end - word.len;
                    let begins = start == 0 || !is_letter(units[start - 1]);
                    let next = units.get(end).copied().unwrap_or(LETTER_BEHIND);
                    if begins && (word.open || !is_letter(next) || !is_letter(*unit)) {
                        self.hits.push(Hit { label: word.label, id: word.id, start, end });
                    }
                }
            }
        }
        (self.read, self.state) = (to, state);
    }

    /// The first `count` units are gone.
    pub(super) fn forget(&mut self, count: usize) {
        self.hits.retain(|hit| hit.start >= count);
        for hit in &mut self.hits {
            hit.start -= count;
            hit.end -= count;
        }
        if self.read < count {
            (self.read, self.state) = (0, self.words.start);
        } else {
            self.read -= count;
        }
    }
}

/// A few names, found without comparing with each.
pub(super) struct Names {
    names: &'static [&'static str],
    /// For each length the first letters of the names that have it.
    first: [u32; 16],
}

impl Names {
    pub(super) const fn new(names: &'static [&'static str]) -> Self {
        let mut first = [0; 16];
        let mut at = 0;
        while at < names.len() {
            let name = names[at].as_bytes();
            assert!(name.len() < 16 && name[0].is_ascii_lowercase());
            first[name.len()] |= 1 << (name[0] & 31);
            at += 1;
        }
        Self { names, first }
    }

    pub(super) fn has(&self, word: &[u8]) -> bool {
        self.place(word).is_some()
    }

    /// Which of them `word` is, in any case.
    pub(super) fn place(&self, word: &[u8]) -> Option<usize> {
        let first = self.first.get(word.len())?;
        if first & 1 << (word.first()? & 31) == 0 {
            return None;
        }
        self.names.iter().position(|name| word.eq_ignore_ascii_case(name.as_bytes()))
    }
}
