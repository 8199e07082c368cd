//! Redaction of a CSV export of 1 MB, of which no cell, one column of twelve, or all that is personal is hidden.
//!
//! `cargo bench --bench tables`; add `-- --quick` for a look. `related` is a caller whose view depends on whose each row is.

#![allow(clippy::expect_used, reason = "a bench that cannot run should say so")]
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{Criterion, Throughput, criterion_group, criterion_main};
use rempart::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, FieldClass, FieldRule,
    Generalisation, PersonalData, RecipientId, Sees, Unknown,
};
use rempart::redact::{Audience, Format, Plan, Task};
use rempart::secret::{Domain, MasterSecret};

const CHUNK: usize = 16 * 1024;
const HEADER: &str = "id;full_name;username;birth_date;gender;facility;module;content;progress;time_spent;last_activity;comment\r\n";

fn task(audience: Audience) -> Task {
    let category = |name: &str, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: rempart::policy::set::DetectorKinds::NONE,
        fields: Vec::new(),
        otherwise,
    };
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", Action::Mask),
            category("account", Action::Mask),
            category("birth", Action::Generalise(Generalisation::Year)),
            category("gender", Action::Null),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    let path = |text: &str| text.parse().expect("a path");
    let fields = [("full_name", 0), ("username", 1), ("birth_date", 2), ("gender", 3)];
    let data = PersonalData::Declared(Classification {
        records: vec![path("$[*]")],
        subject: Some(path("id")),
        group: None,
        fields: fields
            .map(|(name, category)| FieldRule {
                path: path(name),
                class: FieldClass::Category(CategoryId(category)),
            })
            .into(),
        unknown: Unknown::Pass,
        record_bytes: 1 << 16,
        ..Classification::default()
    });
    Task {
        plan: Arc::new(Plan::compile(&charter, &data)),
        audience: Arc::new(audience),
        key: Arc::new(MasterSecret::from_bytes(&[7; 32]).expect("long enough").derive(Domain::Api, "")),
    }
}

fn document() -> String {
    let mut out = String::from(HEADER);
    for number in 0.. {
        if out.len() > 1 << 20 {
            break;
        }
        out += &format!(
            "{number:032x};\"Élève {number}\";u{number:05};2012-05-17;F;{:032x};Histoire-géographie;{:032x};0.{};{};2026-11-01T10:15:00Z;\"a lu la leçon, puis a rendu son exercice\"\r\n",
            number % 5,
            number * 31,
            number % 100,
            number * 13
        );
    }
    out
}

fn benches(criterion: &mut Criterion) {
    let document = document();
    let seen =
        |any| Audience { sees: Sees { any: CategorySet(any), ..Sees::default() }, ..Audience::default() };
    let related = Audience {
        sees: Sees { own: CategorySet(0b1111), ..Sees::default() },
        subject: Some(Box::<str>::from(format!("{:032x}", 3)).into()),
        ..Audience::default()
    };
    let mut group = criterion.benchmark_group("csv");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    group.throughput(Throughput::Bytes(document.len() as u64));
    for (view, audience) in
        [("nothing", seen(0b1111)), ("one", seen(0b1110)), ("all", seen(0)), ("related", related)]
    {
        let task = task(audience);
        let mut out = Vec::with_capacity(document.len() * 2);
        group.bench_function(view, |bencher| {
            bencher.iter(|| {
                out.clear();
                let mut reader = Format::table(None).redactor(task.clone());
                for chunk in black_box(document.as_bytes()).chunks(CHUNK) {
                    reader.push(chunk, &mut out).expect("a table");
                }
                reader.finish(&mut out).expect("whole");
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
