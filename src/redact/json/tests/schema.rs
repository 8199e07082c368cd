//! Objects under personal names that describe their field, where nothing is declared.

use super::*;

#[test]
fn a_schema_leaves_in_words_of_schemas() {
    for (document, expected) in [
        // OpenAPI: the names of fields, and what they are like.
        (
            r#"{"properties": {"id":{"type":"integer"} , "full_name" : {"type": "string", "title":"Jean", "maxLength": 40}, "note":{"type":["number","null"],"minimum":3,"example":12}}}"#,
            r#"{"properties": {"id":{"type":"integer"} , "full_name" : {"maxLength":40,"type":"string"}, "note":{"type":["number","null"]}}}"#,
        ),
        (
            r##"{"note":{"$ref":"#/components/schemas/Jean"},"full_name":{"anyOf":[{"$ref":"#/definitions/Jean"},{"type":"null"},{"const":"Jean"}]}}"##,
            r#"{"note":{},"full_name":{"anyOf":[{},{"type":"null"}]}}"#,
        ),
        (
            r#"{"note":{"type":"array","items":{"type":"object","properties":{"full_name":{"type":"string","default":"Jean"},"jean":{"type":"string"}}}},"x":1}"#,
            r#"{"note":{"items":{"properties":{"full_name":{"type":"string"}},"type":"object"},"type":"array"},"x":1}"#,
        ),
        // The metadata of forms.
        (
            r#"{"POST":{"full_name":{"type":"string","required":true,"read_only":false,"label":"Jean"}}}"#,
            r#"{"POST":{"full_name":{"read_only":false,"required":true,"type":"string"}}}"#,
        ),
    ] {
        assert_eq!(redact(document).as_deref(), Ok(expected), "{document}");
    }
}

#[test]
fn what_describes_nothing_goes_as_ever() {
    let long = format!(r#"{{"full_name":{{"type":"string"{}}}}}"#, " ".repeat(20_000));
    for (document, expected) in [
        (r#"{"full_name":{"first":"Jean"},"x":1}"#, r#"{"full_name":null,"x":1}"#),
        (r#"{"x":1, "note":{"value":12},"note":{"a":{}}}"#, r#"{"x":1}"#),
        (r#"{"note":{"value":12},"x":1}"#, r#"{"x":1}"#),
        (r#"{"full_name":{"type":"Jean"}}"#, r#"{"full_name":null}"#),
        (r#"{"full_name":{"type":"Jean","type":"string"}}"#, r#"{"full_name":{"type":"string"}}"#),
        (r#"{"full_name":{"type":["string","Jean"]}}"#, r#"{"full_name":null}"#),
        (r#"{"full_name":{"type":"string","value":"Jean"}}"#, r#"{"full_name":{"type":"string"}}"#),
        (r#"{"full_name":{"maxLength":12}}"#, r#"{"full_name":null}"#),
        (r#"{"full_name":{"type":"string","maxLength":612345678}}"#, r#"{"full_name":{"type":"string"}}"#),
        (r#"{"full_name":{"$ref":"https://x.fr/Users/Jean"}}"#, r#"{"full_name":null}"#),
        (r#"{"full_name":[{"type":"string"}]}"#, r#"{"full_name":[null]}"#),
        (r#"{"full_name":{}}"#, r#"{"full_name":null}"#),
        (&long, r#"{"full_name":null}"#),
    ] {
        assert_eq!(redact(document).as_deref(), Ok(expected), "{document}");
    }
}

#[test]
fn a_route_that_declares_means_what_it_says() {
    let data = || PersonalData::Declared(route(&[], "", "", &[]));
    assert_eq!(
        redact_for(&data, &Audience::default(), br#"{"full_name":{"type":"string"},"x":1}"#).as_deref(),
        Ok(r#"{"full_name":null,"x":1}"#)
    );
}
