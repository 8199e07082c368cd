//! What each action and each rule makes of a document.

use super::*;

#[test]
fn actions_keep_the_document_around() {
    for (document, expected) in [
        // mask
        (r#"{"name": "Jean" , "id":1}"#, r#"{"name": "***" , "id":1}"#),
        (r#"{"name":""}"#, r#"{"name":"***"}"#),
        (r#"{"name":12}"#, r#"{"name":null}"#),
        (r#"{"name":true,"b":2}"#, r#"{"name":null,"b":2}"#),
        (r#"{"name":null}"#, r#"{"name":null}"#),
        (r#"{"name":["a", 1,null,["b"],{"x":"y"}]}"#, r#"{"name":["***", null,null,["***"],null]}"#),
        (r#"{"name":{"first":"Jean"},"z":0}"#, r#"{"name":null,"z":0}"#),
        // null
        (r#"{"gender":"F"}"#, r#"{"gender":null}"#),
        (r#"{"gender":[1,{"a":[]}] ,"z":[]}"#, r#"{"gender":null ,"z":[]}"#),
        // replace
        (r#"{"phone":"0600000000"}"#, r#"{"phone":"hidden \"by\" charter"}"#),
        (r#"{"phone":6}"#, r#"{"phone":"hidden \"by\" charter"}"#),
        (r#"{"phone":null}"#, r#"{"phone":null}"#),
        // generalise
        (r#"{"birth_date":"2012-05-17"}"#, r#"{"birth_date":"2012"}"#),
        (r#"{"birth_date":2012 }"#, r#"{"birth_date":2012 }"#),
        (r#"{"birth_date":"\u0032012-05-17"}"#, r#"{"birth_date":"2012"}"#),
        (r#"{"birth_date":["17/05/2012",20120517]}"#, r#"{"birth_date":["2012",null]}"#),
        // remove
        (r#"{"note":1}"#, r#"{}"#),
        (r#"{ "note":1 }"#, r#"{  }"#),
        (r#"{"note":1,"a":2}"#, r#"{"a":2}"#),
        (r#"{"note":1 , "a":2,"b":3}"#, r#"{  "a":2,"b":3}"#),
        (r#"{"a":2, "note":1}"#, r#"{"a":2}"#),
        (r#"{"a":2,"note":{"x":[1,2,{}]},"b":3}"#, r#"{"a":2,"b":3}"#),
        (r#"{"note":1,"Note":[2],"NOTE":{},"a":2}"#, r#"{"a":2}"#),
        (r#"[{"note":1},{"note":[]}]"#, r#"[{},{}]"#),
        // names in containers that nobody classified
        (r#"{"a":[{"b":{"name":"Jean"}}]}"#, r#"{"a":[{"b":{"name":"***"}}]}"#),
        // untouched
        ("[1 ,\t2.50e+1,\n\"\\u00e9\\/\"]", "[1 ,\t2.50e+1,\n\"\\u00e9\\/\"]"),
    ] {
        assert_eq!(redact(document).as_deref(), Ok(expected), "{document}");
    }
}

#[test]
fn pseudonyms_are_tokens_of_the_decoded_value() {
    let token = |document: &str| redact(document).unwrap();
    let one = token(r#"{"email":"jean@x.fr"}"#);
    assert!(one.starts_with(r#"{"email":"p_"#) && one.ends_with(r#"@pseudonyme.invalid"}"#), "{one}");
    assert_eq!(token(r#"{"email":"\u006Aean@x.fr"}"#), one);
    assert_ne!(token(r#"{"email":"jeanne@x.fr"}"#), one);
    assert_eq!(
        token(r#"{"email":12}"#),
        token(r#"{"email":"12"}"#).replace("\"email\":\"", "\"email\":").replace("\"}", "}")
    );
    assert_eq!(token(r#"{"email":null}"#), r#"{"email":null}"#);
    assert_eq!(token(r#"{"email":false}"#), r#"{"email":null}"#);
}

#[test]
fn a_value_too_long_to_derive_from_becomes_null() {
    for length in [MAX_VALUE, MAX_VALUE + 1, 3 * MAX_VALUE] {
        let document = format!(r#"{{"email":"{}"}}"#, "x".repeat(length));
        let out = redact_in(&document, 1000);
        assert_eq!(out == r#"{"email":null}"#, length > MAX_VALUE, "{length}");
        assert!(!out.contains("xx"));
    }
}

fn redact_in(document: &str, size: usize) -> String {
    let mut redactor = redactor(PersonalData::Undeclared, Audience::default());
    let mut out = Vec::new();
    for chunk in document.as_bytes().chunks(size) {
        redactor.push(chunk, &mut out).unwrap();
    }
    redactor.finish(&mut out).unwrap();
    String::from_utf8(out).unwrap()
}

#[test]
fn names_are_compared_decoded_and_folded() {
    for key in
        ["name", "NAME", "Full-Name", "full name", "fullName", r"\u006eame", r"N\u0041me", r"full\u005fname"]
    {
        assert_eq!(redact(&format!(r#"{{"{key}":"Jean"}}"#)).unwrap(), format!(r#"{{"{key}":"***"}}"#));
    }
    for key in ["named", "nam", "ename", "", "naïme"] {
        let document = format!(r#"{{"{key}":"Jean"}}"#);
        assert_eq!(redact(&document).unwrap(), document);
    }
}

#[test]
fn routes_classify_by_path() {
    let data = || {
        PersonalData::Declared(route(
            &["$.users[*]"],
            "",
            "",
            &[
                ("label", "name"),
                ("name", "-"),
                ("extra..code", "account"),
                ("tags[1]", "gender"),
                ("$..secret", "account"),
                ("$.users[*].deep.*", "gender"),
                ("address", "phone"),
            ],
        ))
    };
    for (document, expected) in [
        // Relative paths begin in a record only.
        (r#"{"label":"L","users":[{"label":"L"}]}"#, r#"{"label":"L","users":[{"label":"***"}]}"#),
        // An exempted name passes where it was exempted.
        (
            r#"{"name":"N","users":[{"name":"N","x":{"name":"N"}}]}"#,
            r#"{"name":"***","users":[{"name":"N","x":{"name":"***"}}]}"#,
        ),
        // Exemptions are exact, classifications are not.
        (r#"{"users":[{"Name":"N","LABEL":"L"}]}"#, r#"{"users":[{"Name":"***","LABEL":"***"}]}"#),
        (
            r#"{"users":[{"extra":{"code":1,"a":[{"code":2,"b":3}]}}]}"#,
            r#"{"users":[{"extra":{"a":[{"b":3}]}}]}"#,
        ),
        (r#"{"users":[{"tags":[1,2,3]}]}"#, r#"{"users":[{"tags":[1,null,3]}]}"#),
        (r#"{"secret":1,"a":[[{"secret":2}]]}"#, r#"{"a":[[{}]]}"#),
        (r#"{"users":[{"deep":{"a":1,"b":[2]}}]}"#, r#"{"users":[{"deep":{"a":null,"b":null}}]}"#),
        (r#"{"Users":[{"label":"L"}]}"#, r#"{"Users":[{"label":"***"}]}"#),
        (r#"{"users":{"u":{"label":"L"}}}"#, r#"{"users":{"u":{"label":"***"}}}"#),
    ] {
        let document = document.as_bytes();
        assert_eq!(redact_for(&data, &Audience::default(), document).as_deref(), Ok(expected));
    }
}

#[test]
fn fields_in_a_visible_field_are_judged_for_themselves() {
    let data = || PersonalData::Declared(route(&["$"], "", "", &[("profile", "gender")]));
    let audience =
        Audience { sees: Sees { any: CategorySet(1 << 4), ..Sees::default() }, ..Audience::default() };
    let document = br#"{"profile":{"name":"Jean","city":"Lyon"}}"#;
    assert_eq!(
        redact_for(&data, &audience, document).as_deref(),
        Ok(r#"{"profile":{"name":"***","city":"Lyon"}}"#)
    );
    assert_eq!(redact_for(&data, &Audience::default(), document).as_deref(), Ok(r#"{"profile":null}"#));
}

#[test]
fn unknown_fields_are_denied_reported_or_passed() {
    let document =
        br#"{"count":2,"id":{"x":1},"users":[{"id":1,"name":"N","ok":{"a":[1]},"tags":["t"],"o":{}},3]}"#;
    let with = |unknown| {
        move || {
            let mut data = route(&["$.users[*]"], "id", "", &[("ok", "-"), ("o.p", "name")]);
            data.unknown = unknown;
            PersonalData::Declared(data)
        }
    };
    let named = Audience { sees: Sees { any: CategorySet(1), ..Sees::default() }, ..Audience::default() };
    let denied = redact_for(&with(Unknown::Deny), &named, document);
    assert_eq!(denied.as_deref(), Ok(r#"{"users":[{"name":"N","ok":{"a":[1]},"o":{}}]}"#));
    let all = Audience { sees: Sees { any: sees_all(), ..Sees::default() }, ..Audience::default() };
    for (unknown, audience) in [(Unknown::Deny, &all), (Unknown::Report, &named), (Unknown::Pass, &named)] {
        assert_eq!(redact_for(&with(unknown), audience, document).unwrap().as_bytes(), document);
    }
    let tally = |unknown, audience: &Audience| {
        let mut redactor = redactor(with(unknown)(), audience.clone());
        redactor.push(document, &mut Vec::new()).unwrap();
        redactor.tally().unknown
    };
    // count, id.x, users[0].id, users[0].tags[0], users[1]
    assert_eq!(tally(Unknown::Report, &named), 5);
    assert_eq!(tally(Unknown::Pass, &named), 0);
    // count, id, users[0].id, users[0].tags, users[1]
    assert_eq!(tally(Unknown::Deny, &named), 5);
    assert_eq!(tally(Unknown::Deny, &all), 0);
}

/// Where unclassified fields of a document stood, told in a few names, however it is cut.
#[track_caller]
fn places(data: &dyn Fn() -> Classification, audience: &Audience, document: &str) -> Vec<String> {
    let lexicon = Arc::new(Lexicon::of(["count", "users", "tags", "updated", "results"]));
    let run = |size: usize| {
        let data = Classification { lexicon: lexicon.clone(), ..data() };
        let mut redactor = redactor(PersonalData::Declared(data), audience.clone());
        document.as_bytes().chunks(size).for_each(|chunk| redactor.push(chunk, &mut Vec::new()).unwrap());
        redactor.finish(&mut Vec::new()).unwrap();
        redactor.tally().places().iter().map(|place| lexicon.text(place)).collect::<Vec<_>>()
    };
    let whole = run(document.len());
    assert_eq!(run(1), whole);
    assert_eq!(run(7), whole);
    whole
}

#[test]
fn unknown_fields_are_told_by_their_places() {
    let with = |unknown| {
        move || Classification {
            unknown,
            ..route(&["$.users[*]", "$.results[*]"], "id", "", &[("ok", "-"), ("o.p", "name"), ("id", "-")])
        }
    };
    let nobody = Audience::default();
    let document =
        r#"{"count":2,"id":{"x":1},"users":[{"id":1,"ok":[1],"tags":["t"],"o":{}},3,{"x":1,"tags":[1]}]}"#;
    assert_eq!(
        places(&with(Unknown::Report), &nobody, document),
        ["$.count", "$.?.?", "$.users[*].tags[*]", "$.users[*]", "$.users[*].?"]
    );
    assert_eq!(
        places(&with(Unknown::Deny), &nobody, document),
        ["$.count", "$.?", "$.users[*].tags", "$.users[*]", "$.users[*].?"]
    );
    assert!(places(&with(Unknown::Pass), &nobody, document).is_empty());
    // Names that are data, of every kind, in every spelling of JSON.
    let keys = r#"{"mdupont":{"c\u006funt":1},"jean@x.fr":{"Jean Dupont":[1]},"0612345678":2,
        "a name that is longer than what is remembered":{"count":3},"\u0075sers":[[4]],"counts":5}"#;
    assert_eq!(
        places(&with(Unknown::Report), &nobody, keys),
        ["$.?.count", "$.?.?[*]", "$.?", "$.users[*][*]"]
    );
    // More keys than are remembered do not change what is open around them.
    let many: String = (0..300).map(|number| format!(r#""k{number}":{{}},"#)).collect();
    let many = format!(r#"{{"results":[{{{many}"tags":{{"count":1}},"updated":2}}]}}"#);
    assert_eq!(
        places(&with(Unknown::Report), &nobody, &many),
        ["$.results[*].tags.count", "$.results[*].updated"]
    );
    // A record that is walked twice is told once.
    let owner = Audience { sees: Sees { own: sees_all(), ..Sees::default() }, ..related("1", &[], &[]) };
    let twice =
        r#"{"users":[{"count":1,"name":"N","updated":1,"id":1},{"count":1,"id":1},{"tags":[2],"id":2}]}"#;
    assert_eq!(
        places(&with(Unknown::Report), &owner, twice),
        ["$.users[*].count", "$.users[*].updated", "$.users[*].tags[*]"]
    );
}

#[test]
fn places_of_unknown_fields_are_few_and_short() {
    let report = || Classification { unknown: Unknown::Report, ..route(&["$"], "", "", &[]) };
    let nobody = Audience::default();
    let deep = |depth: usize| format!("{}1{}", r#"{"tags":"#.repeat(depth), "}".repeat(depth));
    let told = |document: &str| places(&report, &nobody, document);
    assert_eq!(told("1"), ["$"]);
    assert_eq!(told(&deep(8)), [format!("${}", ".tags".repeat(8))]);
    for depth in [9, 10, 128] {
        assert_eq!(told(&deep(depth)), [format!("${}…tags", ".tags".repeat(7))]);
    }
    let wide: Vec<String> = (1..20).map(deep).collect();
    assert_eq!(told(&format!("[{}]", wide.join(","))).len(), crate::redact::MAX_PLACES);
}

#[test]
fn a_root_that_is_a_scalar_passes_or_becomes_null() {
    let deny = || {
        let mut data = route(&["$"], "", "", &[]);
        data.unknown = Unknown::Deny;
        PersonalData::Declared(data)
    };
    let root = || PersonalData::Declared(route(&["$[*]"], "", "", &[("$", "account")]));
    for document in [" \"jean\" ", " 12 ", " 1", "true", "null"] {
        let space = |text: &str| document.replace(document.trim(), text);
        assert_eq!(redact(document).as_deref(), Ok(document));
        assert_eq!(redact_for(&deny, &Audience::default(), document.as_bytes()), Ok(space("null")));
        assert_eq!(redact_for(&root, &Audience::default(), document.as_bytes()), Ok(space("null")));
    }
    assert_eq!(redact_for(&deny, &Audience::default(), b"[1,[2],{\"a\":3}]").as_deref(), Ok("[]"));
    assert_eq!(redact_for(&root, &Audience::default(), b"[{\"a\":3}]").as_deref(), Ok("null"));
}

#[test]
fn what_was_redacted_is_counted_by_category() {
    let mut redactor = redactor(PersonalData::Undeclared, Audience::default());
    let document = br#"[{"name":["a","b"],"email":"x","note":{"name":"in"}},{"name":"c"}]"#;
    redactor.push(document, &mut Vec::new()).unwrap();
    let tally = redactor.tally();
    assert_eq!(tally.by_category[..4], [2, 1, 0, 1]);
    assert_eq!((tally.total(), tally.unknown), (4, 0));
}
