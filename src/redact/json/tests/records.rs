//! Whose a record is, and what follows from it.

use super::*;

fn users() -> PersonalData {
    let fields = [("label", "name"), ("id", "account")];
    PersonalData::Declared(route(&["$", "$[*]", "$.results[*]"], "id", "rooms[*]", &fields))
}

#[test]
fn each_record_is_judged_by_its_own_relation() {
    let document =
        br#"[{"label":"A","id":1,"rooms":["r1"]},{"id":"2","label":"B","rooms":["r1","r2"]},{"label":"C"}]"#;
    let hidden =
        [r#"{"label":"***","rooms":["r1"]}"#, r#"{"label":"***","rooms":["r1","r2"]}"#, r#"{"label":"***"}"#];
    let shown = [
        r#"{"label":"A","id":1,"rooms":["r1"]}"#,
        r#"{"id":"2","label":"B","rooms":["r1","r2"]}"#,
        r#"{"label":"C"}"#,
    ];
    for (audience, visible) in [
        (related("1", &[], &[]), [true, false, false]),
        (related("2", &[], &[]), [false, true, false]),
        (related("3", &[], &[]), [false, false, false]),
        (related("", &["r1"], &[]), [true, true, false]),
        (related("", &["r2", "r3"], &[]), [false, true, false]),
        (related("", &[], &["2", "1"]), [true, true, false]),
        (related("1", &["r2"], &[]), [true, true, false]),
        (related("", &["1"], &["r1"]), [false, false, false]),
        (Audience::default(), [false, false, false]),
    ] {
        let expected: Vec<&str> = (0..3).map(|at| if visible[at] { shown[at] } else { hidden[at] }).collect();
        assert_eq!(redact_for(&users, &audience, document), Ok(format!("[{}]", expected.join(","))));
    }
}

#[test]
fn removal_in_records_leaves_valid_json_around_them() {
    let data = || PersonalData::Declared(route(&["$[*]"], "id", "", &[("a", "account"), ("b", "account")]));
    let document = br#"[ {"a":1,"b":2,"id":"me"} , {"a":1,"c":3,"b":2,"id":"you"} ]"#;
    let expected = r#"[ {"a":1,"b":2,"id":"me"} , {"c":3,"id":"you"} ]"#;
    assert_eq!(redact_for(&data, &related("me", &[], &[]), document).as_deref(), Ok(expected));
}

#[test]
fn the_innermost_record_counts() {
    let audience = related("1", &[], &[]);
    for (document, expected) in [
        // The list's page is a record too, and somebody's: that opens nothing inside.
        (
            r#"{"id":1,"label":"P","results":[{"label":"A","id":2}]}"#,
            r#"{"id":1,"label":"P","results":[{"label":"***"}]}"#,
        ),
        (
            r#"{"id":2,"label":"P","results":[{"label":"A","id":1}]}"#,
            r#"{"label":"***","results":[{"label":"A","id":1}]}"#,
        ),
        // An inner record's subject is not the outer one's.
        (r#"{"results":[{"id":1}],"label":"P"}"#, r#"{"results":[{"id":1}],"label":"***"}"#),
        // Nor is that of an object which is no record.
        (r#"[{"owner":{"id":1},"label":"A"}]"#, r#"[{"owner":{"id":1},"label":"***"}]"#),
    ] {
        assert_eq!(redact_for(&users, &audience, document.as_bytes()).as_deref(), Ok(expected), "{document}");
    }
}

#[test]
fn a_disputed_subject_is_nobodys() {
    let audience = related("1", &[], &["1"]);
    for ids in [
        r#""id":2,"id":1"#,
        r#""id":1,"id":2"#,
        r#""id":1,"id":null"#,
        r#""id":{},"id":1"#,
        r#""id":1,"i\u0064":2,"id":1"#,
        r#""id":[1]"#,
        r#""id":true"#,
        r#""ID":1"#,
        r#""id":"""#,
    ] {
        let out = redact_for(&users, &audience, format!(r#"[{{"label":"A",{ids}}}]"#).as_bytes()).unwrap();
        assert!(out.contains(r#""label":"***""#), "{ids}: {out}");
    }
    let same = br#"[{"label":"A","id":1,"id":"1"}]"#;
    assert_eq!(redact_for(&users, &audience, same).unwrap().as_bytes(), same);
    let empty = Audience { subject: Some(Sensitive::new("".into())), ..related("x", &[], &[]) };
    assert!(!redact_for(&users, &empty, br#"[{"label":"A","id":""}]"#).unwrap().contains("\"A\""));
}

#[test]
fn several_subjects_count_where_the_path_says_several() {
    let data = || PersonalData::Declared(route(&["$[*]"], "parents[*].id", "", &[("label", "name")]));
    let document = br#"[{"parents":[{"id":"a"},{"id":"b"},{"id":null}],"label":"L"}]"#;
    assert_eq!(redact_for(&data, &related("b", &[], &[]), document).unwrap().as_bytes(), document);
    assert!(redact_for(&data, &related("c", &[], &[]), document).unwrap().contains("***"));
}

#[test]
fn a_record_beyond_its_bound_is_nobodys_however_it_is_cut() {
    let small = || {
        let mut data = route(&["$", "$.results[*]"], "id", "", &[("label", "name")]);
        data.record_bytes = 60;
        PersonalData::Declared(data)
    };
    let audience = related("1", &[], &[]);
    let record = |length: usize| format!(r#"{{"id":1,"label":"A","x":"{}"}}"#, "x".repeat(length - 27));
    let fits = record(60);
    assert_eq!(fits.len(), 60);
    assert_eq!(redact_for(&small, &audience, fits.as_bytes()), Ok(fits.clone()));
    let long = record(61);
    assert_eq!(redact_for(&small, &audience, long.as_bytes()), Ok(long.replace("\"A\"", "\"***\"")));
    // The page is too long, its records are not.
    let page = format!(r#"{{"id":1,"label":"P","results":[{fits},{long},{fits}],"label":"Q"}}"#);
    let hidden = long.replace("\"A\"", "\"***\"");
    let expected = format!(r#"{{"id":1,"label":"***","results":[{fits},{hidden},{fits}],"label":"***"}}"#);
    assert_eq!(redact_for(&small, &audience, page.as_bytes()), Ok(expected));
}

#[test]
fn whether_a_view_depends_on_relations_is_known_ahead() {
    let plan = Plan::compile(&charter(), &users());
    let own = related("1", &[], &[]).sees;
    assert!(plan.depends_on_relation(&own));
    assert!(!plan.is_identity(&own));
    assert!(!plan.depends_on_relation(&Sees::default()));
    let all = Sees { any: sees_all(), own: sees_all(), ..Sees::default() };
    assert!(plan.is_identity(&all) && !plan.depends_on_relation(&all));
    let undeclared = Plan::compile(&charter(), &PersonalData::Undeclared);
    assert!(!undeclared.depends_on_relation(&own));
    // `account` has no names: only a route can classify it.
    let most = Sees { any: CategorySet(0x3f), ..Sees::default() };
    assert!(undeclared.is_identity(&most) && !plan.is_identity(&most));
    let mut denying = route(&["$"], "", "", &[]);
    denying.unknown = Unknown::Deny;
    let denying = Plan::compile(&charter(), &PersonalData::Declared(denying));
    assert!(!denying.is_identity(&most) && denying.is_identity(&all));
}

#[test]
fn memory_stays_bounded_whatever_the_length() {
    let record = format!(r#"{{"label":"A","rooms":["r1"],"x":"{}","id":1}},"#, "é".repeat(500));
    for audience in [Audience::default(), related("1", &["r1"], &[])] {
        let page = || {
            let mut data = route(&["$", "$.results[*]"], "id", "rooms[*]", &[("label", "name")]);
            data.record_bytes = 64 * 1024;
            PersonalData::Declared(data)
        };
        let mut redactor = redactor(page(), audience);
        let mut out = Vec::new();
        let mut pushed = 0;
        redactor.push(br#"{"results":["#, &mut out).unwrap();
        while pushed < 8 << 20 {
            redactor.push(record.as_bytes(), &mut out).unwrap();
            pushed += record.len();
            out.clear();
            assert!(redactor.capacity() < 512 * 1024, "{}", redactor.capacity());
        }
        redactor.push(b"0]}", &mut out).unwrap();
        redactor.finish(&mut out).unwrap();
    }
}

#[test]
fn a_guess_never_leaves_before_it_is_right() {
    let audience = related("1", &[], &[]);
    let (own, other) = (r#"{"label":"A","id":1}"#, r#"{"label":"B","id":2}"#);
    let hidden = r#"{"label":"***"}"#;
    // What follows the caller's own record is guessed to be theirs, and is not; however it is cut, or ends.
    let document = format!("[{own},{own},{other},{other},{own},{own},{own},{other}]");
    let expected = format!("[{own},{own},{hidden},{hidden},{own},{own},{own},{hidden}]");
    assert_eq!(redact_for(&users, &audience, document.as_bytes()), Ok(expected));
    let start = format!("[{own},{own},{other}");
    for end in 0..start.len() {
        for fault in ["", "\u{1}", "\\x", "}}"] {
            let mut redactor = redactor(users(), audience.clone());
            let mut out = Vec::new();
            let broken = format!("{}{fault}", &start[..end]);
            for chunk in broken.as_bytes().chunks(7) {
                let _ = redactor.push(chunk, &mut out);
            }
            let refused = redactor.finish(&mut out);
            assert!(refused.is_err() && !out.contains(&b'B'), "{broken}");
            let left = out.windows(5).filter(|text| text == b"\"***\"").count() as u64;
            let told = redactor.tally().total();
            assert!(left <= told && told <= 2 * left, "{told} fields redacted, {left} left: {broken}");
        }
    }
}

#[test]
fn counts_are_of_what_left_and_not_of_guesses() {
    let (own, other) = (r#"{"label":"A","id":1}"#, r#"{"label":"B","id":2}"#);
    let document = format!("[{other},{own},{own},{other},{own},{other}]");
    for size in [1, 5, 1000] {
        let mut redactor = redactor(users(), related("1", &[], &[]));
        let mut out = Vec::new();
        for chunk in document.as_bytes().chunks(size) {
            redactor.push(chunk, &mut out).unwrap();
        }
        redactor.finish(&mut out).unwrap();
        assert_eq!(redactor.tally().total(), 6, "a label and an id of three records");
    }
}

#[test]
fn records_that_outgrow_their_bound_one_in_the_other_are_walked_again_right() {
    let data = || {
        let mut data = route(&["$..r", "$[*]"], "id", "", &[("label", "name")]);
        data.record_bytes = 200;
        PersonalData::Declared(data)
    };
    let own = r#"{"id":1,"label":"A"}"#;
    let depths = 6;
    let mut document = format!("[{own},{own},");
    let mut expected = document.clone();
    for depth in 0..depths {
        let filler = "x".repeat(40 * depth);
        document += &format!(r#"{{"id":1,"label":"B","f":"{filler}","r":"#);
        expected += &format!(r#"{{"id":1,"label":"***","f":"{filler}","r":"#);
    }
    let filler = "y".repeat(300);
    let tail = format!(r#"{{"id":1,"label":"D","r":{own}}},"f":"{filler}""#);
    document += &format!("{tail}{},{own}]", "}".repeat(depths));
    expected += &format!("{tail}{},{own}]", "}".repeat(depths));
    assert_eq!(redact_for(&data, &related("1", &[], &[]), document.as_bytes()), Ok(expected));
}

#[test]
fn what_a_wrong_guess_hid_is_not_found_again() {
    let data = || {
        let mut data = route(&["$[*]"], "id", "", &[("id", "-")]);
        data.fields.push(FieldRule { path: "comment".parse().unwrap(), class: FieldClass::FreeText });
        PersonalData::Declared(data)
    };
    let document = r#"[{"name":"Ana Roux","comment":"Ana Roux","id":"ana"},{"name":"Zoé Blanc","comment":"Ana Roux et Zoé Blanc","id":"jean"}]"#;
    let left = redact_for(&data, &related("jean", &[], &[]), document.as_bytes()).unwrap();
    assert_eq!(
        left,
        r#"[{"name":"***","comment":"***","id":"ana"},{"name":"Zoé Blanc","comment":"*** et Zoé Blanc","id":"jean"}]"#
    );
    let left = redact_for(&data, &related("ana", &[], &[]), document.as_bytes()).unwrap();
    assert_eq!(
        left,
        r#"[{"name":"Ana Roux","comment":"Ana Roux","id":"ana"},{"name":"***","comment":"Ana Roux et ***","id":"jean"}]"#
    );
}
