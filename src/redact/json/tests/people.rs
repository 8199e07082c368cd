//! People inside of people: objects in a record that name a subject of their own.

use super::*;

fn users() -> PersonalData {
    PersonalData::Declared(route(
        &["$", "$.results[*]"],
        "id",
        "rooms[*]",
        &[("label", "name"), ("..label", "name")],
    ))
}

fn seen(audience: &Audience, document: &str) -> String {
    redact_for(&users, audience, document.as_bytes()).unwrap()
}

#[test]
fn what_is_somebody_elses_is_not_shown_as_ones_own() {
    let one = related("1", &[], &[]);
    for (document, expected) in [
        (
            r#"{"id":1,"label":"A","friends":[{"id":2,"label":"B"},{"label":"C","id":3}]}"#,
            r#"{"id":1,"label":"A","friends":[{"id":2,"label":"***"},{"label":"***","id":3}]}"#,
        ),
        // Who the record is of is told last.
        (
            r#"{"friends":[{"label":"B","id":2}],"label":"A","id":1}"#,
            r#"{"friends":[{"label":"***","id":2}],"label":"A","id":1}"#,
        ),
        // As deep as may be, and in a document in a text.
        (
            r#"{"id":1,"a":{"b":[[{"c":{"label":"B","id":2}},{"label":"A"}]]},"label":"A"}"#,
            r#"{"id":1,"a":{"b":[[{"c":{"label":"***","id":2}},{"label":"A"}]]},"label":"A"}"#,
        ),
        (
            r#"{"id":1,"text":"[{\"label\":\"B\",\"id\":2},{\"label\":\"A\"}]"}"#,
            r#"{"id":1,"text":"[{\"label\":\"***\",\"id\":2},{\"label\":\"A\"}]"}"#,
        ),
        (
            r#"{"id":1,"text":"{\"x\":{\"label\":\"B\",\"id\":2},\"label\":\"A\"}"}"#,
            r#"{"id":1,"text":"{\"x\":{\"label\":\"***\",\"id\":2},\"label\":\"A\"}"}"#,
        ),
        // What stands in somebody is theirs, unless it says otherwise, which opens nothing again.
        (
            r#"{"id":1,"x":{"id":2,"y":{"label":"B"},"z":{"id":1,"label":"B"}},"y":{"label":"A"}}"#,
            r#"{"id":1,"x":{"id":2,"y":{"label":"***"},"z":{"id":1,"label":"***"}},"y":{"label":"A"}}"#,
        ),
        // The same subject, however it is written.
        (
            r#"{"id":1,"profile":{"id":"1","label":"A","x":{"id":1,"label":"A"}}}"#,
            r#"{"id":1,"profile":{"id":"1","label":"A","x":{"id":1,"label":"A"}}}"#,
        ),
        // A subject that cannot be compared, or is several, is another one.
        (
            r#"{"id":1,"a":{"id":null,"label":"B"},"b":{"id":{},"label":"B"},"c":{"id":1,"ID":2,"label":"B"}}"#,
            r#"{"id":1,"a":{"id":null,"label":"***"},"b":{"id":{},"label":"***"},"c":{"id":1,"ID":2,"label":"***"}}"#,
        ),
        // In a record of somebody else nothing is opened.
        (r#"{"id":2,"x":{"id":1,"label":"A"}}"#, r#"{"id":2,"x":{"id":1,"label":"***"}}"#),
        (r#"{"x":{"id":1,"label":"A"}}"#, r#"{"x":{"id":1,"label":"***"}}"#),
    ] {
        assert_eq!(seen(&one, document), expected, "{document}");
    }
}

#[test]
fn who_answers_for_both_sees_both() {
    let document = r#"{"id":1,"label":"A","friends":[{"id":2,"label":"B"},{"id":3,"label":"C"}]}"#;
    assert_eq!(
        seen(&related("1", &[], &["2"]), document),
        document.replace(r#""C""#, r#""***""#),
        "a guardian reads of their ward in their own record"
    );
    assert_eq!(seen(&related("", &[], &["2", "3"]), document).matches("***").count(), 3);
}

#[test]
fn a_group_is_that_of_each() {
    let teacher = related("", &["r"], &[]);
    let document = concat!(
        r#"{"rooms":["r"],"id":1,"label":"A","x":[{"id":2,"label":"B","rooms":["r"]},{"id":3,"label":"C"},"#,
        r#"{"id":4,"label":"D","rooms":["s"]},{"id":1,"label":"A"},{"label":"A"}]}"#
    );
    let expected = document.replace(r#""C""#, r#""***""#).replace(r#""D""#, r#""***""#);
    assert_eq!(seen(&teacher, document), expected);
}

#[test]
fn a_path_of_several_steps_leads_to_people_as_well() {
    let statements =
        || PersonalData::Declared(route(&["$[*]"], "$[*].actor.account.key", "", &[("label", "result")]));
    let document = concat!(
        r#"[{"actor":{"account":{"key":"1"}},"full_name":"A","#,
        r#""object":{"full_name":"B","actor":{"account":{"key":"2"}}},"context":{"full_name":"A"}}]"#
    );
    // An absolute path that leads through the record says the same.
    let out = redact_for(&statements, &related("1", &[], &[]), document.as_bytes()).unwrap();
    assert_eq!(out, document.replace(r#""B""#, r#""***""#));
}

#[test]
fn records_with_people_in_them_are_guessed_by_what_stood_there_before() {
    // Each alike: the first one alone is walked twice.
    let record = r#"{"rooms":["r"],"label":"A","room":{"id":7,"label":"X"},"id":1}"#;
    let document = format!(r#"{{"results":[{}]}}"#, vec![record; 50].join(","));
    let expected = document.replace(r#""X""#, r#""***""#);
    assert_eq!(seen(&related("", &["r"], &[]), &document), expected);
    // Then one that is not.
    let other = r#"{"rooms":["r"],"label":"A","room":{"label":"A"},"id":1}"#;
    let document = format!(r#"{{"results":[{record},{other},{other},{record}]}}"#);
    assert_eq!(seen(&related("", &["r"], &[]), &document), document.replace(r#""X""#, r#""***""#));
}
