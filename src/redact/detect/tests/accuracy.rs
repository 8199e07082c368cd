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

/// How many bytes a span may take beyond the value: a mark, a particle; not a word of the sentence.
const SLACK: usize = 4;

/// A value counts as found when no byte of it is left; a span is right when it touches a value of its kind and takes hardly
/// more than that.
fn judge(message: &Message, scores: &mut BTreeMap<Kind, Score>) {
    let mut spans = Vec::new();
    Detectors::new(Kinds::ALL).find(message.text.as_bytes(), &mut spans);
    for (kind, start, end) in &message.planted {
        let score = scores.entry(*kind).or_default();
        score.planted += 1;
        let covered = spans.iter().any(|span| span.kind == *kind && span.start <= *start && span.end >= *end);
        score.covered += u32::from(covered);
    }
    for span in &spans {
        let score = scores.entry(span.kind).or_default();
        score.found += 1;
        let right = message.planted.iter().any(|(kind, start, end)| {
            let touches = *start < span.end && span.start < *end;
            let more = start.saturating_sub(span.start) + span.end.saturating_sub(*end);
            *kind == span.kind && touches && more <= SLACK
        });
        score.right += u32::from(right);
    }
}

fn run(seeds: impl Iterator<Item = u64>) -> BTreeMap<Kind, Score> {
    let mut scores = BTreeMap::new();
    for seed in seeds {
        let mut dice = Dice::new(seed);
        for _ in 0..MESSAGES {
            judge(&corpus::message(&mut dice), &mut scores);
        }
    }
    scores
}

#[test]
fn accuracy_on_messages_not_tuned_on() {
    use Kind::*;
    let scores = run(HELD_OUT);
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
        (&[Ip, Mac, DeviceId], 0.95, 0.95),
    ] {
        for kind in kinds {
            let score = &scores[kind];
            assert!(score.planted > 100, "{kind:?} was hardly planted\n{table}");
            assert!(score.recall() >= recall && score.precision() >= precision, "{kind:?}\n{table}");
        }
    }
}
