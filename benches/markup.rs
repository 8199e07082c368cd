//! Redaction of a directory in XML, of 20 KB and 1 MB: five personal fields for each person, as elements, attributes and
//! named contents.
//!
//! `cargo bench --bench markup`; add `-- --quick` for a look. `related` is a caller whose view depends on whose each
//! record is.

#![allow(clippy::expect_used, reason = "a bench that cannot run should say so")]
#![allow(missing_docs, reason = "criterion's macros write public items")]

use std::hint::black_box;
use std::sync::Arc;
use std::time::Duration;

use criterion::{BenchmarkId, Criterion, Throughput, criterion_group, criterion_main};
use rempart::policy::set::{
    Action, Category, CategorySet, Charter, Classification, Generalisation, PersonalData, RecipientId, Sees,
    Unknown,
};
use rempart::redact::{Audience, Format, Plan, Task};
use rempart::secret::{Domain, MasterSecret};

const CHUNK: usize = 16 * 1024;

fn plan() -> Plan {
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
            category("name", "nom", Action::Mask),
            category("email", "mail", Action::Mask),
            category("birth", "date_naissance", Action::Generalise(Generalisation::Year)),
            category("gender", "sexe", Action::Null),
            category("number", "ine", Action::Remove),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    let data = Classification {
        records: vec!["$.personnes.personne".parse().expect("a path")],
        subject: "id".parse().ok(),
        unknown: Unknown::Pass,
        record_bytes: 1 << 20,
        ..Classification::default()
    };
    Plan::compile(&charter, &PersonalData::Declared(data))
}

fn document(bytes: usize) -> Vec<u8> {
    let mut out =
        String::from("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<gar:personnes xmlns:gar=\"urn:gar\">\n");
    for number in 0.. {
        if out.len() > bytes {
            break;
        }
        out += &format!(
            "  <gar:personne sexe=\"F\" etat=\"actif\">\n    <id>{number:032x}</id>\n    <nom>Élève {number}</nom>\n    <ine>{number:011}</ine>\n    <date_naissance>2012-05-17</date_naissance>\n    <attribut name=\"mail\"><valeur>u{number}@ecole.example</valeur></attribut>\n"
        );
        for module in ["Mathématiques", "Français", "Histoire-géographie", "Sciences de la vie", "EPS"] {
            out += &format!(
                "    <module code=\"{number:08x}\"><titre>{module} &amp; suite</titre><progression>0.75</progression><consigne>Lire le chapitre, puis répondre aux questions de la page suivante.</consigne></module>\n"
            );
        }
        out += "  </gar:personne>\n";
    }
    out += "</gar:personnes>\n";
    out.into_bytes()
}

fn benches(criterion: &mut Criterion) {
    let plan = Arc::new(plan());
    let key = Arc::new(MasterSecret::from_bytes(&[7; 32]).expect("long enough").derive(Domain::Api, ""));
    let nobody = Arc::new(Audience::default());
    let related = Arc::new(Audience {
        sees: Sees { own: CategorySet(0b1_1111), ..Sees::default() },
        subject: Some(Box::<str>::from(format!("{:032x}", 3)).into()),
        ..Audience::default()
    });
    let mut group = criterion.benchmark_group("xml");
    group.warm_up_time(Duration::from_millis(500)).measurement_time(Duration::from_secs(2));
    for (name, bytes) in [("20KB", 20 << 10), ("1MB", 1 << 20)] {
        let document = document(bytes);
        let mut out = Vec::with_capacity(document.len() * 2);
        group.throughput(Throughput::Bytes(document.len() as u64));
        for (view, audience) in [("redact", &nobody), ("related", &related)] {
            group.bench_with_input(BenchmarkId::new(view, name), &document, |bencher, document| {
                bencher.iter(|| {
                    out.clear();
                    let (plan, audience, key) = (plan.clone(), audience.clone(), key.clone());
                    let mut redactor = Format::Xml.redactor(Task { plan, audience, key });
                    for chunk in black_box(document).chunks(CHUNK) {
                        redactor.push(chunk, &mut out).expect("XML");
                    }
                    redactor.finish(&mut out).expect("whole");
                    out.len()
                });
            });
        }
    }
    group.finish();
}

criterion_group!(all, benches);
criterion_main!(all);
