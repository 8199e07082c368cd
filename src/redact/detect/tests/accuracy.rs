//! Recall and precision on a corpus of other seeds than those that the detectors were tuned with.

use std::collections::BTreeMap;
use std::fmt::Write;

use super::{
    corpus::{self, Dice, Message},
    *,
};

/// Seeds 1 to 5 were looked at while the detectors were made; these were not.
const HELD_OUT: std::ops::RangeInclusive<u64> = 101..=110;
const MESSAGES: usize = 1_000;

#[derive(Default)]
struct Score {
    planted: u32,
    covered: u32,
    found: u32,
    right: u32,
}

impl Score {
    fn recall(&self) -> f64 {
        f64::from(self.covered) / f64::from(self.planted.max(1))
    }

    fn precision(&self) -> f64 {
        f64::from(self.right) / f64::from(self.found.max(1))
    }
}

/// A value counts as found when no byte of it is left; a span is right when it touches a value of its kind.
fn judge(message: &Message, scores: &mut BTreeMap<Kind, Score>, mut tell: impl FnMut(&str, Kind, &str)) {
    let mut spans = Vec::new();
    Detectors::new(Kinds::ALL).find(message.text.as_bytes(), &mut spans);
    let around = |start: usize, end: usize| {
        let (from, to) = (
            message.text.floor_char_boundary(start.saturating_sub(30)),
            message.text.ceil_char_boundary(end + 20),
        );
        message.text[from..to.min(message.text.len())].to_owned()
    };
    for (kind, start, end) in &message.planted {
        let score = scores.entry(*kind).or_default();
        score.planted += 1;
        let covered = spans.iter().any(|span| span.kind == *kind && span.start <= *start && span.end >= *end);
        score.covered += u32::from(covered);
        if !covered {
            tell("missed", *kind, &around(*start, *end));
        }
    }
    for span in &spans {
        let score = scores.entry(span.kind).or_default();
        score.found += 1;
        let right = message
            .planted
            .iter()
            .any(|(kind, start, end)| *kind == span.kind && *start < span.end && span.start < *end);
        score.right += u32::from(right);
        if !right {
            tell("wrong", span.kind, &around(span.start, span.end));
        }
    }
}

fn run(seeds: impl Iterator<Item = u64>, mut tell: impl FnMut(&str, Kind, &str)) -> BTreeMap<Kind, Score> {
    let mut scores = BTreeMap::new();
    for seed in seeds {
        let mut dice = Dice::new(seed);
        for _ in 0..MESSAGES {
            judge(&corpus::message(&mut dice), &mut scores, &mut tell);
        }
    }
    scores
}

#[test]
fn accuracy_on_messages_not_tuned_on() {
    use Kind::*;
    let scores = run(HELD_OUT, |_, _, _| {});
    let mut table = String::from("kind            planted  recall  found  precision\n");
    for (kind, score) in &scores {
        let (recall, precision) = (score.recall(), score.precision());
        writeln!(
            table,
            "{:15} {:7}  {recall:.4} {:6}  {precision:.4}",
            kind.name(),
            score.planted,
            score.found
        )
        .unwrap();
    }
    println!("{table}");
    for (kinds, recall, precision) in [
        (&[Nir, Ine, Iban, Card, Siret, TaxId, Uai][..], 0.99, 0.98),
        (&[Email, Phone], 0.97, 0.97),
        (&[PostalAddress, BirthDate], 0.80, 0.90),
        (&[Ip, Mac], 0.95, 0.95),
    ] {
        for kind in kinds {
            let score = &scores[kind];
            assert!(score.planted > 100, "{kind:?} was hardly planted\n{table}");
            assert!(score.recall() >= recall && score.precision() >= precision, "{kind:?}\n{table}");
        }
    }
}

/// What went wrong on the seeds for tuning: `cargo test --lib detect -- --ignored --nocapture tuning`.
#[test]
#[ignore = "prints for whoever tunes; asserts nothing"]
fn tuning() {
    let mut told: BTreeMap<(String, Kind), u32> = BTreeMap::new();
    run(1..=5, |what, kind, around| {
        let times = told.entry((what.to_owned(), kind)).or_default();
        *times += 1;
        if *times <= 14 {
            println!("{what} {kind:?}: {around:?}");
        }
    });
    println!("{told:?}");
}
