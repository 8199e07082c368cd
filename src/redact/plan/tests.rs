use std::sync::Arc;

use super::*;
use crate::policy::set::{Action, Category, FieldRule, RecipientId};
use crate::redact::{Audience, JsonRedactor};
use crate::secret::{Domain, MasterSecret};

fn compile(fields: &[&str]) -> Arc<Plan> {
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![Category {
            name: "x".into(),
            article: "2".into(),
            detect: crate::policy::set::DetectorKinds::NONE,
            fields: Vec::new(),
            otherwise: Action::Null,
        }],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    let fields = fields
        .iter()
        .map(|path| FieldRule { path: path.parse().unwrap(), class: FieldClass::Category(CategoryId(0)) })
        .collect();
    let plan = Plan::compile(
        &charter,
        &PersonalData::Declared(Classification {
            records: vec!["$".parse().unwrap()],
            subject: None,
            group: None,
            fields,
            unknown: Unknown::Pass,
            record_bytes: 1000,
            ..Classification::default()
        }),
    );
    Arc::new(plan)
}

/// A path whose states double with each step: which of the last steps was an `a`.
fn explosive(steps: usize) -> String {
    format!("$..a{}", ".*".repeat(steps))
}

fn redact(plan: &Arc<Plan>, document: &str) -> String {
    let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
    let mut redactor = JsonRedactor::new(plan.clone(), Arc::new(Audience::default()), Arc::new(key));
    let mut out = Vec::new();
    redactor.push(document.as_bytes(), &mut out).unwrap();
    redactor.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

/// A document of one value, `steps` deep, each of the keys on the way chosen by a bit.
fn nested(bits: u32, steps: usize) -> (String, String) {
    let keys: Vec<&str> = (0..steps).map(|step| if bits >> step & 1 == 1 { "a" } else { "b" }).collect();
    let open: String = keys.iter().map(|key| format!("{{\"{key}\":")).collect();
    (format!("{open}1{}", "}".repeat(steps)), format!("{open}null{}", "}".repeat(steps)))
}

#[test]
fn no_path_is_given_up_when_states_explode() {
    let plan = compile(&[&explosive(16)]);
    for bits in [0b1, 0b1_0000_0000, 0b1011_0000_0001_0010, u32::MAX >> 8, 0] {
        let (document, hidden) = nested(bits, 24);
        // The value is hidden where the 17th key from its end is `a`; an outer hit would hide a container.
        let outer = (0..24 - 17).any(|step| bits >> step & 1 == 1);
        let out = redact(&plan, &document);
        let expected = bits >> (24 - 17) & 1 == 1;
        if !outer {
            assert_eq!(out, if expected { hidden } else { document }, "{bits:b}");
        } else {
            assert!(out.contains("null"), "{bits:b}");
        }
    }
}

#[test]
fn many_paths_compile_to_few_states() {
    let paths: Vec<String> = (0..400).map(|at| format!("a{at}.b{}", at % 7)).collect();
    let plan = compile(&paths.iter().map(String::as_str).collect::<Vec<_>>());
    let document = r#"{"a399":{"b0":1,"b1":2},"a1":{"b1":3}}"#;
    assert_eq!(redact(&plan, document), r#"{"a399":{"b0":null,"b1":2},"a1":{"b1":null}}"#);
}

#[test]
fn the_first_rule_that_matches_wins() {
    let at = |plan: &Plan, names: &[&str]| {
        let mut kept = Kept::new();
        let mut state = plan.enter_record(plan.start(), &mut kept, 0);
        for (depth, name) in (1..).zip(names) {
            state = plan.member(state, plan.symbol(name.as_bytes()), &mut kept, depth);
        }
        plan.facts(state, &kept)
    };
    let plan = compile(&["a.b", "..c"]);
    assert_eq!(at(&plan, &["a", "b"]).class, CATEGORY);
    assert_eq!(at(&plan, &["A", "B"]).class, CATEGORY);
    assert_eq!(at(&plan, &["x", "y", "c"]).class, CATEGORY);
    assert_eq!(at(&plan, &["b"]).class, 0);
    assert_ne!(at(&plan, &["a"]).flags & ALIVE, 0);
    assert_eq!(at(&compile(&["a.b"]), &["x"]).flags, 0);
}
