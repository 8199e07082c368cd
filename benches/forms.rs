//! Forms and bodies of several parts, of 1 MB: pairs, fields of `multipart/form-data`, parts of JSON and CSV in
//! `multipart/mixed`, and one file that passes.
//!
//! `cargo bench --bench forms`; add `-- --quick` for a look.

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
    let category = |name: &str, field: &str, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: rempart::policy::set::DetectorKinds::NONE,
        fields: vec![field.into()],
        otherwise,
    };
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", "full_name", Action::Mask),
            category("email", "mail", Action::Null),
        ],
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

fn repeated(write: impl Fn(usize) -> String) -> String {
    let mut out = String::with_capacity(BYTES + 4096);
    for number in 0.. {
        if out.len() > BYTES {
            break;
        }
        out += &write(number);
    }
    out
}

/// About 270 bytes in eleven pairs, two of them personal.
fn pairs(number: usize) -> String {
    format!(
        "{}id={number:032x}&user[full_name]=%C3%89l%C3%A8ve+{number}&mail=u{number}%40ecole.example&facility={:032x}&progress=0.{}&completed=true&time_spent={}&last_activity=2026-11-03T10%3A14%3A00Z&lang=fr&page=1&comment=a+lu+la+le%C3%A7on%2C+puis+a+rendu",
        if number == 0 { "" } else { "&" },
        number * 31,
        number % 100,
        number * 13,
    )
}

fn part(head: &str, content: &str) -> String {
    format!("--frontiere\r\n{head}\r\n\r\n{content}\r\n")
}

fn field(name: &str, value: &str) -> String {
    part(&format!("Content-Disposition: form-data; name=\"{name}\""), value)
}

fn fields(number: usize) -> String {
    [
        field("full_name", &format!("Élève {number}")),
        field("comment", &"Lire le chapitre, puis répondre aux questions de la page suivante. ".repeat(3)),
        field("lang", "fr"),
    ]
    .concat()
}

fn documents(number: usize) -> String {
    let records: Vec<String> = (0..20)
        .map(|at| {
            format!(
                r#"{{"id":"{:032x}","full_name":"Élève {number}","title":"Fractions, première partie","progress":0.5,"completed":true,"time_spent":{}}}"#,
                number * 31 + at,
                number * 13
            )
        })
        .collect();
    let rows: String = (0..40)
        .map(|at| format!("{number:032x};\"Élève {at}\";2026-11-03;0.75;Histoire-géographie\r\n"))
        .collect();
    part("Content-Type: application/json", &format!("[{}]", records.join(",")))
        + &part("Content-Type: text/csv", &format!("id;full_name;day;progress;module\r\n{rows}"))
}

fn benches(criterion: &mut Criterion) {
    let end = "--frontiere--\r\n";
    let multipart = |form| Format::Multipart { boundary: "frontiere".into(), form };
    let course = repeated(|number| format!("{number:x} octets d'un cours\n"));
    let file =
        part("Content-Disposition: form-data; name=\"file\"\r\nContent-Type: application/pdf", &course);
    let task = task();
    let mut group = criterion.benchmark_group("forms");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, format, body) in [
        ("pairs", Format::Form, repeated(pairs)),
        ("fields", multipart(true), repeated(fields) + end),
        ("documents", multipart(false), repeated(documents) + end),
        ("file", multipart(true), file + end),
    ] {
        group.throughput(Throughput::Bytes(body.len() as u64));
        let mut out = Vec::with_capacity(2 * BYTES);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                let mut redactor = format.redactor(task.clone());
                for chunk in black_box(body.as_bytes()).chunks(CHUNK) {
                    redactor.push(chunk, &mut out).expect("a form");
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
