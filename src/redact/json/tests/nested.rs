//! Documents inside texts.

use proptest::prelude::*;

use super::*;
use crate::redact::MAX_NESTED;

#[test]
fn a_document_in_a_text_is_read() {
    for (document, expected) in [
        (r#"{"p":"{\"full_name\":\"Jean\"}"}"#, r#"{"p":"{\"full_name\":\"***\"}"}"#),
        (
            r#"["[{\"name\" : \"Jean\",\"a\":\"\\u00e9\"}]" , 1]"#,
            r#"["[{\"name\" : \"***\",\"a\":\"\\u00e9\"}]" , 1]"#,
        ),
        (r#""{\"name\":\"Jean\"}""#, r#""{\"name\":\"***\"}""#),
        (r#"{"p":"\u007b\"name\":\"Jean\"}","q":2}"#, r#"{"p":"{\"name\":\"***\"}","q":2}"#),
        (r#"{"p":"\ufeff \n{\"note\":12,\"a\":1}"}"#, r#"{"p":"{\"a\":1}"}"#),
        (
            r#"{"p":"{\"q\":\"{\\\"name\\\":\\\"Jean\\\"}\",\"r\":1}"}"#,
            r#"{"p":"{\"q\":\"{\\\"name\\\":\\\"***\\\"}\",\"r\":1}"}"#,
        ),
        (r#"{"p":"\"{\\\"name\\\":\\\"Jean\\\"}\""}"#, r#"{"p":"\"{\\\"name\\\":\\\"***\\\"}\""}"#),
        (
            r#"{"p":["{\"name\":\"Jean\"}",{"q":"[{\"name\":1}]"}]}"#,
            r#"{"p":["{\"name\":\"***\"}",{"q":"[{\"name\":null}]"}]}"#,
        ),
        // what a lenient reader would read
        (r#"{"p":"{\"name\":\"Jean\"} //","q":1}"#, r#"{"p":null,"q":1}"#),
        (r#"{"p":"{'name':'Jean'}"}"#, r#"{"p":null}"#),
        (r#"{"p":"{\"a\":1}\n{\"name\":\"Jean\"}"}"#, r#"{"p":null}"#),
        (r#"{"p":"{name:'Jean'}"}"#, r#"{"p":null}"#),
        (r#"{"p":"{\"name\":\"Jean\""}"#, r#"{"p":null}"#),
        (r#"["/**/{name:1}"]"#, r#"[null]"#),
        // hidden as a whole before anybody looks inside
        (r#"{"name":"{\"name\":\"Jean\"}","note":"{}"}"#, r#"{"name":"***"}"#),
    ] {
        assert_eq!(redact(document).as_deref(), Ok(expected), "{document}");
    }
}

#[test]
fn a_text_that_only_begins_so_stays_as_it_came() {
    for document in [
        r#"{"p":"[sic] he said"}"#,
        r#"{"p":"{name} missing"}"#,
        r#"{"p":"{{name}} : [1]"}"#,
        r#"{"p":"[name](https:\/\/x.fr)"}"#,
        r#"{"p":" \t{\"a\" : \"\u00e9\/\"} "}"#,
        r#"{"p":"{\"a\":1} // fin"}"#,
        r#"{"p":"\"Jean\", dit-il","q":"\"","r":"\\","s":""}"#,
        r#"{"p":"/api/name=3","q":"//x.fr","r":"(name: x)","s":"   ","t":"\u00a0« é »"}"#,
        r#"{"p":"[]","q":"{}","r":"[1,[2,{\"b\":null}]]"}"#,
    ] {
        assert_eq!(redact(document).as_deref(), Ok(document));
    }
}

#[test]
fn the_paths_of_a_route_lead_into_a_text() {
    let data = || {
        let mut data = route(
            &["$[*]"],
            "id",
            "",
            &[("p", "-"), ("id", "-"), ("p.name", "-"), ("p.pupil", "name"), ("$[*].q", "account")],
        );
        data.unknown = Unknown::Deny;
        PersonalData::Declared(data)
    };
    let document = br#"[{"p":"{\"name\":\"x\",\"pupil\":\"Jean\",\"email\":\"a\",\"other\":1}","q":"{\"name\":1}","z":"{}","id":"jean"}]"#;
    let nobody = redact_for(&data, &Audience::default(), document).unwrap();
    assert!(nobody.starts_with(r#"[{"p":"{\"name\":\"x\",\"pupil\":\"***\",\"email\":\"p_"#), "{nobody}");
    assert!(nobody.ends_with(r#",\"other\":1}","id":"jean"}]"#), "{nobody}");
    let own = redact_for(&data, &related("jean", &[], &[]), document).unwrap();
    assert_eq!(own.replace(",\"id\"", ",\"z\":\"{}\",\"id\""), String::from_utf8_lossy(document));
}

#[test]
fn a_name_of_the_route_is_seen_by_lenient_readers_too() {
    let data = || PersonalData::Declared(route(&["$"], "", "", &[("$..Pupil_Name", "name")]));
    let document = br#"{"a":"{'pupil-name': 'Jean'}","b":"{pupil: 'Jean'}"}"#;
    let left = redact_for(&data, &Audience::default(), document);
    assert_eq!(left.as_deref(), Ok(r#"{"a":null,"b":"{pupil: 'Jean'}"}"#));
}

#[test]
fn a_text_too_long_to_be_read_does_not_leave() {
    let inner = |length: usize| format!("{{\\\"a\\\":\\\"{}\\\"}}", "x".repeat(length - 14));
    let longest = format!("{{\"p\":\"{}\",\"q\":1}}", inner(MAX_NESTED));
    assert_eq!(redact(&longest).unwrap(), longest);
    let longer = format!("{{\"p\":\"{}\",\"q\":1}}", inner(MAX_NESTED + 1));
    assert_eq!(redact(&longer).unwrap(), r#"{"p":null,"q":1}"#);
    // A text, however long.
    let text = format!("{{\"p\":\" \\n{}\"}}", "x".repeat(2 * MAX_NESTED));
    assert_eq!(redact(&text).unwrap(), text);
    // One that ends as a document, or begins as one behind an encoding.
    for (start, end) in [
        ("words ", "{\\\"name\\\":\\\"Jean\\\"}"),
        ("w ", "<name>J</name>"),
        ("w", " eyJuYW1lIjoiSmVhbiIsImEiOjF9"),
    ] {
        let text = format!("{{\"p\":\"{start}{}{end}\"}}", "x y ".repeat(MAX_NESTED / 3));
        assert_eq!(redact(&text), Err(RedactError::Opaque), "{end}");
    }
    for start in ["eyJhIjoi", "data:application/json;base64,eyJhIjoi", "name=1&a=", "id,name\\n1,"] {
        let text = format!("{{\"p\":\"{start}{}\",\"q\":1}}", "eHh4".repeat(MAX_NESTED / 3));
        assert_eq!(redact(&text).unwrap(), r#"{"p":null,"q":1}"#, "{start}");
    }
}

proptest! {
    #[test]
    fn any_text_is_read_the_same_however_it_is_cut(text in "[\\[{\"'\\\\ /(name:,}\u{feff}é1]{0,30}") {
        let document = serde_json::to_string(&[&text]).unwrap();
        let out = redact(&document).unwrap();
        if serde_json::from_str::<serde_json::Value>(&text).is_err() && out != document {
            prop_assert_eq!(out, "[null]");
        }
    }
}
