//! JSON in its wrappings: 1 MB of small records as lines, sequence, loose texts, events and in a call, beside one JSON text.
//!
//! `cargo bench --bench wrappings`; add `-- --quick` for a look. What lines cost more than `json` is a redactor for each.

#![allow(clippy::expect_used, reason = "a bench that cannot run should say so")]
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rempart::policy::set::{Action, Category, Charter, PersonalData, RecipientId};
use rempart::redact::{Audience, Format, Plan, Task};
use rempart::secret::{Domain, MasterSecret};

const CHUNK: usize = 16 * 1024;
const BYTES: usize = 1 << 20;

fn task() -> Task {
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![Category {
            name: "name".into(),
            article: "2".into(),
            detect: rempart::policy::set::DetectorKinds::NONE,
            fields: vec!["full_name".into()],
            otherwise: Action::Mask,
        }],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    Task {
        plan: Arc::new(Plan::compile(&charter, &PersonalData::Undeclared)),
        audience: Arc::new(Audience::default()),
        key: Arc::new(MasterSecret::from_bytes(&[7; 32]).expect("long enough").derive(Domain::Api, "")),
    }
}

/// About 350 bytes, 2 % of them personal.
fn record(number: usize) -> String {
    format!(
        r#"{{"id":"{number:032x}","full_name":"Élève {number}","exercise":{{"title":"Fractions, première partie","content_id":"{:032x}","kind":"exercise"}},"progress":0.{},"completed":{},"time_spent":{},"last_activity":"2026-11-03T10:14:00Z","answers":[1,0,1,1,0,1,null,"a quelconque texte de réponse"],"attempts":{}}}"#,
        number * 31,
        number % 100,
        number.is_multiple_of(2),
        number * 13,
        number % 7,
    )
}

fn benches(criterion: &mut Criterion) {
    let records: Vec<String> = (0..BYTES / record(1000).len()).map(record).collect();
    let each = |front: &str, end: &str| -> String {
        records.iter().map(|record| format!("{front}{record}{end}")).collect()
    };
    let list = format!("[{}]", records.join(","));
    let task = task();
    let mut group = criterion.benchmark_group("wrappings");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, format, body) in [
        ("json", Format::Json, list.clone()),
        ("lines", Format::Lines, each("", "\n")),
        ("sequence", Format::Sequence, each("\u{1e}", "\n")),
        ("texts", Format::Texts, each("", "\n")),
        ("events", Format::Events, each("event: progress\nid: 7\ndata: ", "\n\n")),
        ("call", Format::Wrapped, format!("/**/callback({list});")),
    ] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        let mut out = Vec::with_capacity(2 * BYTES);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                let mut redactor = format.redactor(task.clone());
                for chunk in black_box(body.as_bytes()).chunks(CHUNK) {
                    redactor.push(chunk, &mut out).expect("JSON");
                }
                redactor.finish(&mut out).expect("whole");
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
