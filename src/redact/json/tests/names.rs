//! Names of members that are values, and those of which nobody knows what they are.

use super::*;
use crate::policy::set::{DetectorKind, DetectorKinds};

/// What leaves of a document where addresses (by this action) and telephone numbers are looked for.
fn redact_names(otherwise: Action, data: &dyn Fn() -> PersonalData, sees: u64, document: &str) -> String {
    let mut charter = charter();
    charter.categories[1].detect = DetectorKinds::NONE.with(DetectorKind::Email);
    charter.categories[1].otherwise = otherwise;
    charter.categories[5].detect = DetectorKinds::NONE.with(DetectorKind::Phone);
    let plan = Arc::new(Plan::compile(&charter, &data()));
    let audience =
        Audience { sees: Sees { any: CategorySet(sees), ..Sees::default() }, ..Audience::default() };
    let run = |size: usize| {
        let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
        let mut redactor = JsonRedactor::new(plan.clone(), Arc::new(audience.clone()), Arc::new(key));
        let mut out = Vec::new();
        document.as_bytes().chunks(size).for_each(|chunk| redactor.push(chunk, &mut out).unwrap());
        redactor.finish(&mut out).unwrap();
        String::from_utf8(out).unwrap()
    };
    let whole = run(document.len());
    assert_eq!(run(1), whole);
    assert_eq!(run(3), whole);
    whole
}

#[test]
fn a_name_that_is_a_value_is_replaced() {
    let document =
        r#"{"a":1 , "jean@x.fr" : {"n":1},"A. Roux <ana@x.fr>":2,"06 12 34 56 78":3,"ana\u0040x.fr":[4]}"#;
    let masked = redact_names(Action::Mask, &undeclared, 0, document);
    assert_eq!(masked, r#"{"a":1 ,"***":{"n":1},"*** 2":2,"*** 3":3,"*** 4":[4]}"#);
    let removed = redact_names(Action::Remove, &undeclared, 0, document);
    assert_eq!(removed, r#"{"a":1 ,"***":3}"#);
    let pseudonym = redact_names(Action::Pseudonym, &undeclared, 0, document);
    assert_eq!(pseudonym.matches("@pseudonyme.invalid\":").count(), 2, "{pseudonym}");
    assert!(!pseudonym.contains("x.fr") && pseudonym.contains(r#""***":3"#), "{pseudonym}");
    let seen = redact_names(Action::Mask, &undeclared, 0b10, document);
    assert_eq!(seen, document.replace(r#","06 12 34 56 78":"#, r#","***":"#));
    // Of every object the first is the first, and a hidden value has no names.
    let nested = r#"[{"a@x.fr":{"b@x.fr":{}}},{"c@x.fr":null},{"name":{"d@x.fr":1}},"{\"e@x.fr\":1}"]"#;
    assert_eq!(
        redact_names(Action::Mask, &undeclared, 0, nested),
        r#"[{"***":{"***":{}}},{"***":null},{"name":null},"{\"***\":1}"]"#
    );
    let names = r#"{"0612":1,"page 7":2,"2026-11-28":3,"http://x.fr/a":4,"é":5,"a1b2c3d4e5f6":6}"#;
    assert_eq!(redact_names(Action::Mask, &undeclared, 0, names), names);
}

#[test]
fn a_document_for_a_name_is_read() {
    // A body of JSON that somebody read as a form.
    let document = r#"{"{\"name\":\"Jean\"}":"","{name:'Ana'}":"","{\"a\":1}":1,"[x] name":2}"#;
    let left = r#"{"***":"","*** 2":"","{\"a\":1}":1,"[x] name":2}"#;
    assert_eq!(redact(document).as_deref(), Ok(left));
}

#[test]
fn who_may_see_an_address_sees_it_as_a_name() {
    let data = || {
        let mut data = route(&["$"], "", "", &[("$..page", "-")]);
        data.unknown = Unknown::Deny;
        PersonalData::Declared(data)
    };
    let document = r#"{"jean@x.fr":{"page":1},"Ana Roux":{"page":2}}"#;
    assert_eq!(redact_names(Action::Mask, &data, 0b10, document), r#"{"jean@x.fr":{"page":1}}"#);
    assert_eq!(redact_names(Action::Mask, &data, 0, document), r#"{"***":{"page":1}}"#);
}

#[test]
fn a_route_says_what_names_are() {
    let data = || {
        let mut data =
            route(&["$"], "", "", &[("$.grades.*", "result"), ("$.rooms.*.page", "-"), ("$.a", "-")]);
        data.unknown = Unknown::Deny;
        let rule = |path: &str, class| FieldRule { path: path.parse().unwrap(), class };
        data.keys = vec![
            rule("$.grades", FieldClass::Category(CategoryId(0))),
            rule("$.rooms", FieldClass::NotPersonal),
        ];
        PersonalData::Declared(data)
    };
    let document = r#"{"grades":{"Ana":12,"name":13,"Zoé B":{"x":1}},"rooms":{"Salle 7":{"page":1}},"a":1}"#;
    let masked = redact_names(Action::Mask, &data, 0b1000, document);
    assert_eq!(
        masked,
        r#"{"grades":{"***":12,"*** 2":13,"*** 3":{"x":1}},"rooms":{"Salle 7":{"page":1}},"a":1}"#
    );
    assert_eq!(redact_names(Action::Mask, &data, 0b1001, document), document);
    let hidden = redact_names(Action::Mask, &data, 0, document);
    assert_eq!(hidden, r#"{"grades":{},"rooms":{"Salle 7":{"page":1}},"a":1}"#);
}

#[test]
fn a_name_that_nobody_knows_leaves_with_something_known_only() {
    let data = || {
        let mut data =
            route(&["$", "$[*]"], "id", "", &[("$..page", "-"), ("$.data.users[*].n", "-"), ("id", "-")]);
        data.unknown = Unknown::Deny;
        PersonalData::Declared(data)
    };
    for (document, expected) in [
        (r#"{"Jean":{}}"#, "{}"),
        (r#"{"Jean":{"x":1}, "page":1}"#, r#"{ "page":1}"#),
        (r#"{"page":1 , "Jean" : { "x":[1,{"y":2}] } }"#, r#"{"page":1  }"#),
        (r#"{"a":{ "b" : [ {"x":1} , {"page":2} , {} ] } }"#, r#"{"a":{"b" : [ {"page":2}  ] } }"#),
        (r#"{"a":{"b":{"c":1}},"d":{"page":3},"e":[[],[{}]]}"#, r#"{"d":{"page":3}}"#),
        (r#"{"a":{"x":1,"b":{"page":4},"c":{"x":1}},"d":[]}"#, r#"{"a":{"b":{"page":4}}}"#),
        // A path of the route names these.
        (r#"{"data":{"users":[]}}"#, r#"{"data":{"users":[]}}"#),
        (r#"{"data":{"Jean":{},"users":[{"n":1},{"x":1}]}}"#, r#"{"data":{"users":[{"n":1},{}]}}"#),
        // Elements have no names.
        (r#"[{"x":1},{"page":1},[]]"#, r#"[{},{"page":1},[]]"#),
        // No programmer gave these.
        (
            r#"{"Jean Roux":{"page":1},"Zoé":{"page":2},"j@x":{"page":3},"p":{"page":4}}"#,
            r#"{"p":{"page":4}}"#,
        ),
    ] {
        assert_eq!(redact_for(&data, &Audience::default(), document.as_bytes()).as_deref(), Ok(expected));
        // Where records are walked twice as well.
        let related = related("jean", &[], &[]);
        assert_eq!(redact_for(&data, &related, document.as_bytes()).as_deref(), Ok(expected), "related");
    }
}

#[test]
fn names_are_somebodys() {
    let data = || {
        let mut data = route(&["$[*]"], "id", "", &[("id", "-"), ("grades.*", "result")]);
        data.unknown = Unknown::Deny;
        let path = "grades".parse().unwrap();
        data.keys = vec![FieldRule { path, class: FieldClass::Category(CategoryId(0)) }];
        PersonalData::Declared(data)
    };
    let document = r#"[{"grades":{"Ana":12},"id":"jean"},{"id":"jean","grades":{"Ana B":"x"}},{"id":"x","grades":{"Ana":1}}]"#;
    let own = redact_for(&data, &related("jean", &[], &[]), document.as_bytes()).unwrap();
    assert_eq!(own, document.replace(r#"{"Ana":1}"#, "{}"));
}

#[test]
fn what_is_in_doubt_is_bounded() {
    let data = || {
        let mut data = route(&["$"], "", "", &[("$..page", "-")]);
        data.unknown = Unknown::Deny;
        PersonalData::Declared(data)
    };
    let key = "k".repeat(MAX_KEY);
    let deep = format!("{}{{\"page\":1}}{}", format!("{{\"{key}\":").repeat(100), "}".repeat(100));
    let out = redact_for(&data, &Audience::default(), deep.as_bytes()).unwrap();
    assert_eq!(out, "{}");
    let shallow = format!("{}{{\"page\":1}}{}", format!("{{\"{key}\":").repeat(10), "}".repeat(10));
    assert_eq!(redact_for(&data, &Audience::default(), shallow.as_bytes()).unwrap(), shallow);
}
