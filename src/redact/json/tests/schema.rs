//! Objects under personal names that describe their field, where nothing is declared.

use proptest::prelude::*;

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

/// Values as schemas have them, and a canary wherever one may stand.
fn described() -> impl Strategy<Value = String> {
    let leaf = prop::sample::select(vec![
        r#""string""#,
        r#""zephyrine""#,
        r#""email""#,
        "true",
        "null",
        "12",
        "612345678901",
        r##""#/$defs/zephyrine""##,
        "[]",
        "{}",
    ]);
    let name = prop::sample::select(vec![
        "type",
        "format",
        "$ref",
        "items",
        "anyOf",
        "properties",
        "required",
        "maxLength",
        "title",
        "default",
        "zephyrine",
        "note",
    ]);
    leaf.prop_map(str::to_owned).prop_recursive(5, 40, 5, move |inner| {
        let members = prop::collection::vec((name.clone(), inner.clone()), 0..5);
        prop_oneof![
            members.prop_map(|members| {
                let members: Vec<_> =
                    members.iter().map(|(name, value)| format!("\"{name}\":{value}")).collect();
                format!("{{{}}}", members.join(","))
            }),
            prop::collection::vec(inner, 0..4).prop_map(|values| format!("[{}]", values.join(","))),
        ]
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(512))]

    #[test]
    fn no_canary_survives_in_a_schema(value in described(), name in prop::sample::select(vec!["note", "full_name", "gender"])) {
        let document = format!(r#"{{"x":[1],"{name}":{{"type":"string","properties":{value},"anyOf":[{value}]}},"{name}":{value},"y":2}}"#);
        let left = redact(&document).unwrap();
        prop_assert!(!left.contains("zephyrine"), "{} became {}", document, left);
        prop_assert!(!left.contains("612345678901"), "{} became {}", document, left);
        prop_assert!(serde_json::from_str::<serde_json::Value>(&left).is_ok(), "{}", left);
        prop_assert!(left.starts_with(r#"{"x":[1]"#) && left.ends_with(r#""y":2}"#), "{}", left);
    }
}
