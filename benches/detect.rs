//! Detectors of personal data in free text, all kinds: texts of 1 MB.
//!
//! `cargo bench --bench detect`; add `-- --quick` for a look. `prose` is French with a number or a sign now and then and one
//! value in about 4 KB; `messages` has a value in every line; `marks` is a table of numbers; `letters` has nothing to look at;
//! `scrubbed` is `prose` in chunks of 16 KB through a scrubber, `seen` the same with a hundred names remembered.

#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rempart::redact::detect::{Detectors, Kinds, Scrubber, Seen};

const SIZE: usize = 1 << 20;
const CHUNK: usize = 16 * 1024;

const PARAGRAPH: &str = "Les élèves de 5e B liront les trois premiers chapitres pendant les vacances (jusqu'à la page 84). \
    « Très bon trimestre », écrit le professeur principal ; l'infirmière est présente le matin, sauf le mercredi. Le conseil de \
    classe aura lieu le 12 mars 2026 à 17h30 dans la salle 204 : pensez à rapporter le carnet de liaison signé.\n";

fn filled(part: &str) -> Vec<u8> {
    part.bytes().cycle().take(SIZE).collect()
}

fn detect(criterion: &mut Criterion) {
    let detectors = Detectors::new(Kinds::ALL);
    let prose =
        filled(&format!("{}Écrire à jean.dupont@exemple.fr ou au 06 12 34 56 78.\n", PARAGRAPH.repeat(10)));
    let messages = filled(
        "Absence de Léa, née le 12/03/2011 : appeler le 06 12 34 56 78 ou écrire à jean@exemple.fr.\n",
    );
    let marks = filled("| 12,5 | 14 | 9.75 | 20/20 | 8 | 13,25 |\n");
    let letters =
        filled("Les élèves liront les premiers chapitres pendant les vacances, puis rendront leur copie. ");
    let mut group = criterion.benchmark_group("detect");
    group.throughput(Throughput::Bytes(SIZE as u64)).measurement_time(Duration::from_secs(3));
    for (name, text) in [("prose", &prose), ("messages", &messages), ("marks", &marks), ("letters", &letters)]
    {
        let mut spans = Vec::new();
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                spans.clear();
                detectors.find(black_box(text), &mut spans);
                spans.len()
            });
        });
    }
    let mut seen = Seen::default();
    for (name, seen) in [
        ("scrubbed", &Seen::default()),
        ("seen", {
            for number in 0..100 {
                seen.insert(format!("Prénom{number} Nom{number}").as_bytes(), 0);
            }
            &seen
        }),
    ] {
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                let mut scrubber = Scrubber::new(detectors);
                let mut left = 0;
                for chunk in prose.chunks(CHUNK) {
                    scrubber.push(black_box(chunk), seen, |_, piece| left += piece.len());
                }
                scrubber.finish(seen, |_, piece| left += piece.len());
                left
            });
        });
    }
    group.finish();
}

criterion_group!(benches, detect);
criterion_main!(benches);
