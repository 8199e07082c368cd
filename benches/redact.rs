//! Redaction of user lists of 1 KB, 20 KB and 1 MB: five personal fields, about 2 % of the bytes, beside serde_json
//! that parses, edits and serialises the same document in the same run.
//!
//! `cargo bench --bench redact`; add `-- --quick` for a look. `related` is a caller who sees more of one record,
//! `grouped` one who sees more of every fifth; `setup` is the price of a redactor before its first byte. `small` is 1 KB
//! with ten classified fields and pseudonyms of several formats, for nobody and for the teacher of two of three learners.

#![allow(clippy::expect_used, reason = "a bench that cannot run should say so")]
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rempart::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, FieldClass, FieldRule,
    Generalisation, PersonalData, RecipientId, Sees, Shape, Unknown,
};
use rempart::redact::{Audience, JsonRedactor, Plan};
use rempart::secret::{Domain, DomainKey, MasterSecret};
use serde_json::Value;

const CHUNK: usize = 16 * 1024;

fn charter() -> Charter {
    let category = |name: &str, field: &str, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: rempart::policy::set::DetectorKinds::NONE,
        fields: vec![field.into()],
        otherwise,
    };
    Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", "nom", Action::Mask),
            category("account", "login", Action::Mask),
            category("birth", "date_naissance", Action::Generalise(Generalisation::Year)),
            category("gender", "sexe", Action::Null),
            category("number", "ine", Action::Remove),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

fn plan() -> Arc<Plan> {
    let fields = [("full_name", 0), ("username", 1), ("birth_date", 2), ("gender", 3), ("id_number", 4)];
    let path = |text: &str| text.parse().expect("a path");
    let data = PersonalData::Declared(Classification {
        records: vec![path("$"), path("$[*]")],
        subject: Some(path("id")),
        group: Some(path("facility")),
        fields: fields
            .map(|(name, category)| FieldRule {
                path: path(name),
                class: FieldClass::Category(CategoryId(category)),
            })
            .into(),
        unknown: Unknown::Pass,
        record_bytes: 1 << 20,
        ..Classification::default()
    });
    Arc::new(Plan::compile(&charter(), &data))
}

fn user(number: usize) -> String {
    let roles: Vec<String> = (0..3)
        .map(|role| {
            format!(r#"{{"collection":"{:032x}","kind":"coach","id":{}}}"#, number * 7 + role, number + role)
        })
        .collect();
    let modules: Vec<String> = ["Mathématiques", "Français", "Histoire-géographie", "Sciences de la vie", "EPS"]
        .iter()
        .enumerate()
        .map(|(at, title)| {
            format!(
                r#"{{"title":"{title}","content_id":"{:032x}","progress":0.{at}5,"completed":{},"time_spent":{},"last_activity":"2026-11-0{}T10:1{at}:00Z"}}"#,
                number * 31 + at,
                at % 2 == 0,
                number * 13 + at * 60,
                at + 1,
            )
        })
        .collect();
    format!(
        r#"{{"id":"{number:032x}","username":"u{number:05}","full_name":"Élève {number}","birth_date":"2012-05-17","gender":"F","id_number":"{number:06}","facility":"{:032x}","is_superuser":false,"roles":[{}],"modules":[{}]}}"#,
        number % 5,
        roles.join(","),
        modules.join(",")
    )
}

fn document(bytes: usize) -> Vec<u8> {
    let mut out = String::from("[");
    let mut number = 0;
    loop {
        let next = user(number);
        if number > 0 {
            if out.len() + next.len() > bytes {
                break;
            }
            out.push(',');
        }
        out.push_str(&next);
        number += 1;
    }
    out.push(']');
    out.into_bytes()
}

fn redact(
    plan: &Arc<Plan>,
    audience: &Arc<Audience>,
    key: &Arc<DomainKey>,
    document: &[u8],
    out: &mut Vec<u8>,
) {
    let mut redactor = JsonRedactor::new(plan.clone(), audience.clone(), key.clone());
    for chunk in document.chunks(CHUNK) {
        redactor.push(chunk, out).expect("JSON");
    }
    redactor.finish(out).expect("whole");
}

/// What a gateway would do without an engine of its own.
fn rewrite(value: &mut Value) {
    match value {
        Value::Array(elements) => elements.iter_mut().for_each(rewrite),
        Value::Object(members) => {
            members.remove("id_number");
            for (key, value) in members {
                match key.as_str() {
                    "full_name" | "username" => *value = "***".into(),
                    "birth_date" => *value = value.as_str().and_then(|date| date.get(..4)).into(),
                    "gender" => *value = Value::Null,
                    _ => rewrite(value),
                }
            }
        }
        _ => {}
    }
}

fn benches(criterion: &mut Criterion) {
    let plan = plan();
    let key = Arc::new(MasterSecret::from_bytes(&[7; 32]).expect("long enough").derive(Domain::Api, ""));
    let nobody = Arc::new(Audience::default());
    let related = Arc::new(Audience {
        sees: Sees { own: CategorySet(0b1_1111), ..Sees::default() },
        subject: Some(Box::<str>::from(format!("{:032x}", 3)).into()),
        ..Audience::default()
    });
    let grouped = Arc::new(Audience {
        sees: Sees { group: CategorySet(0b1_1111), ..Sees::default() },
        groups: vec![Box::<str>::from(format!("{:032x}", 3)).into()],
        ..Audience::default()
    });
    let mut group = criterion.benchmark_group("json");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, bytes) in [("1KB", 1 << 10), ("20KB", 20 << 10), ("1MB", 1 << 20)] {
        let document = document(bytes);
        let mut out = Vec::with_capacity(document.len() * 2);
        group.throughput(Throughput::Bytes(document.len() as u64));
        for (view, audience) in [("redact", &nobody), ("related", &related), ("grouped", &grouped)] {
            group.bench_with_input(BenchmarkId::new(view, name), &document, |bencher, document| {
                bencher.iter(|| {
                    out.clear();
                    redact(&plan, audience, &key, black_box(document), &mut out);
                    out.len()
                });
            });
        }
        group.bench_with_input(BenchmarkId::new("serde_json", name), &document, |bencher, document| {
            bencher.iter(|| {
                out.clear();
                let mut value: Value = serde_json::from_slice(black_box(document)).expect("JSON");
                rewrite(&mut value);
                serde_json::to_writer(&mut out, &value).expect("written");
                out.len()
            });
        });
    }
    group.finish();
    criterion.bench_function("setup", |bencher| {
        bencher.iter(|| JsonRedactor::new(plan.clone(), nobody.clone(), key.clone()));
    });
}

/// A charter that keeps the formats of what it hides.
fn careful() -> Charter {
    let category = |name: &str, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: rempart::policy::set::DetectorKinds::NONE,
        fields: Vec::new(),
        otherwise,
    };
    let categories = vec![
        category("name", Action::PseudonymAs(Shape::Alias)),
        category("email", Action::Pseudonym),
        category("birth", Action::Generalise(Generalisation::Year)),
        category("demographics", Action::Null),
        category("student_id", Action::Mask),
        category("result", Action::Remove),
    ];
    Charter { categories, ..charter() }
}

/// Ten fields of a learner are classified; whose each record is is its subject's, and its class's.
fn learners() -> Arc<Plan> {
    let path = |text: &str| text.parse().expect("a path");
    let field = |(name, category): (&str, u8)| FieldRule {
        path: path(name),
        class: match category {
            u8::MAX => FieldClass::NotPersonal,
            category => FieldClass::Category(CategoryId(category)),
        },
    };
    let fields = [
        ("id", u8::MAX),
        ("full_name", 0),
        ("username", 1),
        ("email", 1),
        ("birth_date", 2),
        ("gender", 3),
        ("ine", 4),
        ("classrooms", u8::MAX),
        ("results", 5),
        ("modules", u8::MAX),
    ];
    let data = PersonalData::Declared(Classification {
        records: vec![path("$"), path("$[*]")],
        subject: Some(path("id")),
        group: Some(path("classrooms[*]")),
        fields: fields.map(field).into(),
        unknown: Unknown::Deny,
        record_bytes: 1 << 20,
        ..Classification::default()
    });
    Arc::new(Plan::compile(&careful(), &data))
}

/// 1 KB: three learners, the last of another class.
fn learner(number: usize, class: &str) -> String {
    format!(
        r#"{{"id":"L{number}","full_name":"Camille Durand-{number}","username":"cdurand{number}","email":"camille.{number}@ecole.example","birth_date":"2013-05-04","gender":"F","ine":"0{number}3456789AB","classrooms":["{class}"],"results":{{"maths":14.5,"francais":12}},"modules":[{{"title":"Mathématiques","progress":0.75,"time_spent":{}}}]}}"#,
        1234 + number
    )
}

/// One small answer, set-up and all: what an exchange pays for its redaction.
fn small(criterion: &mut Criterion) {
    let plan = learners();
    let key = Arc::new(MasterSecret::from_bytes(&[7; 32]).expect("long enough").derive(Domain::Api, ""));
    let document = format!("[{},{},{}]", learner(1, "6A"), learner(2, "6A"), learner(3, "5B")).into_bytes();
    let nobody = Arc::new(Audience::default());
    let teacher = Arc::new(Audience {
        sees: Sees { any: CategorySet(0b1), group: CategorySet(0b10_0111), ..Sees::default() },
        subject: Some(Box::<str>::from("S-teacher").into()),
        groups: vec![Box::<str>::from("6A").into()],
        ..Audience::default()
    });
    let mut group = criterion.benchmark_group("small");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, audience) in [("nobody", &nobody), ("teacher", &teacher)] {
        let mut out = Vec::with_capacity(4096);
        group.bench_function(name, |bencher| {
            bencher.iter(|| {
                out.clear();
                redact(&plan, audience, &key, black_box(&document), &mut out);
                out.len()
            });
        });
    }
    group.finish();
}

criterion_group!(all, benches, small);
criterion_main!(all);
