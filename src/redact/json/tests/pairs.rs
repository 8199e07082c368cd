//! A name and its value in two members.

use super::*;

#[test]
fn what_is_named_beside_its_value_is_known() {
    let data = || PersonalData::Declared(route(&["$"], "", "", &[("$..nick", "name"), ("$..note", "-")]));
    for (document, expected) in [
        (r#"{"field":"full_name","value":"J"}"#, r#"{"field":"full_name","value":"***"}"#),
        (
            r#"[{"key":"nick","value":"J"},{"key":"title","value":"J"}]"#,
            r#"[{"key":"nick","value":"***"},{"key":"title","value":"J"}]"#,
        ),
        (r#"{"label":"Full Name","text":"J","x":"J"}"#, r#"{"label":"Full Name","text":"***","x":"J"}"#),
        (
            r#"{"op":"replace","path":"/users/0/full_name","value":"J"}"#,
            r#"{"op":"replace","path":"/users/0/full_name","value":"***"}"#,
        ),
        (
            r#"{"path":"phone[type eq \"work\"].value","from":"1","to":"2"}"#,
            r#"{"path":"phone[type eq \"work\"].value","from":"hidden \"by\" charter","to":"hidden \"by\" charter"}"#,
        ),
        (
            r#"{"Property":"f\u0075ll_name","old":["J","K"],"new":{"a":"J"}}"#,
            r#"{"Property":"f\u0075ll_name","old":["***","***"],"new":null}"#,
        ),
        (r#"{"column":"note","value":"J"}"#, r#"{"column":"note","value":"J"}"#),
        (
            r#"{"key":"gender","value":true,"inner":{"value":"J"}}"#,
            r#"{"key":"gender","value":null,"inner":{"value":"J"}}"#,
        ),
        (
            r#"{"key":"please give your full_name here","value":"J"}"#,
            r#"{"key":"please give your full_name here","value":"J"}"#,
        ),
        // Two names: who sees both sees it.
        (
            r#"{"key":"gender","id":"full_name","value":"J"}"#,
            r#"{"key":"gender","id":"full_name","value":"***"}"#,
        ),
        // In front of its name, whatever stands between them.
        (r#"{"value":"J","field":"full_name"}"#, r#"{"value":"***","field":"full_name"}"#),
        (
            r#" { "old" : {"a":"}"}, "new" : ["J","\"]"], "x" : [{"value":"J","key":"title"}] , "key" : "gender" } "#,
            r#" { "old" : null, "new" : null, "x" : [{"value":"J","key":"title"}] , "key" : "gender" } "#,
        ),
        (
            r#"{"data":[{"value":1,"l\u0061bel":"phone"},{"value":1,"label":"x"}],"id":"7"}"#,
            r#"{"data":[{"value":"hidden \"by\" charter","l\u0061bel":"phone"},{"value":1,"label":"x"}],"id":"7"}"#,
        ),
        // The stricter word counts.
        (r#"{"key":"full_name","note":1,"content":"J"}"#, r#"{"key":"full_name","note":1,"content":"***"}"#),
    ] {
        let audience = Audience::default();
        assert_eq!(redact_for(&data, &audience, document.as_bytes()).as_deref(), Ok(expected), "{document}");
    }
}

#[test]
fn who_sees_the_field_sees_its_value() {
    let data = || {
        PersonalData::Declared(Classification {
            unknown: Unknown::Deny,
            ..route(&["$"], "id", "", &[("field", "-"), ("id", "-")])
        })
    };
    let document = br#"{"field":"full_name","value":"J","id":"1"}"#;
    assert_eq!(redact_for(&data, &related("1", &[], &[]), document).unwrap().as_bytes(), document);
    assert!(redact_for(&data, &related("2", &[], &[]), document).unwrap().contains("***"));
}

#[test]
fn a_name_too_far_behind_its_value_ends_the_document() {
    let far = |space: usize, name: &str| {
        format!(r#"{{"value":"J",{}"field":"{name}","title":1}}"#, " ".repeat(space))
    };
    let hidden = redact(&far(MAX_HELD - 200, "full_name")).unwrap();
    assert!(hidden.starts_with(r#"{"value":"***""#), "{hidden}");
    assert_eq!(redact(&far(MAX_HELD - 10, "full_name")), Err(RedactError::Opaque));
    let other = far(MAX_HELD - 10, "title");
    assert_eq!(redact(&other).as_deref(), Ok(&*other));
    // Of those inside each is looked through for itself.
    let many = r#"{"value":"J","key":"full_name"},"#.repeat(4000);
    let out = redact(&format!(r#"{{"data":[{many}1],"id":"7"}}"#)).unwrap();
    assert!(!out.contains('J') && out.matches("***").count() == 4000);
    assert_eq!(redact(r#"{"value":"J"#), Err(RedactError::Truncated));
}
