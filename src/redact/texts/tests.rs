use crate::policy::set::Unknown;
use crate::redact::{Format, RedactError, fixture};

fn redact(format: &Format, body: &str) -> Result<String, RedactError> {
    let (result, out, _) = fixture::redact(format, &fixture::task(None), body.as_bytes());
    result.map(|()| out)
}

#[test]
fn each_line_is_a_document() {
    let body = "{\"name\":\"Jean\"}\r\n\n \t\n7\n\"x\"\nnull\n [{\"name\":\"Jean\",\"note\":3}] \n{\"a\":1}";
    let expected = "{\"name\":\"***\"}\r\n\n \t\n7\n\"x\"\nnull\n [{\"name\":\"***\"}] \n{\"a\":1}";
    assert_eq!(redact(&Format::Lines, body).unwrap(), expected);
    assert_eq!(redact(&Format::Lines, "").unwrap(), "");
    assert_eq!(redact(&Format::Lines, "\u{feff}{\"name\":\"Jean\"}\n").unwrap(), "{\"name\":\"***\"}\n");
    let strict = fixture::task(Some(Unknown::Deny));
    let (result, out, tally) = fixture::redact(&Format::Lines, &strict, b"{\"x\":1}\n\"x\"\n");
    assert_eq!((result, out.as_str(), tally.unknown), (Ok(()), "{}\nnull\n", 2));
}

#[test]
fn a_bad_line_refuses_the_rest() {
    for (bad, error) in [
        ("{\"name\":\"Jean\"", RedactError::Truncated),
        ("{\"name\":\"Jean\"} {\"name\":\"Jean\"}", RedactError::Malformed),
        ("{\"name\":\"Jean\"},", RedactError::Malformed),
        ("{\"name\":", RedactError::Truncated),
        ("name,Jean", RedactError::Malformed),
        ("\r{}\r{}", RedactError::Malformed),
        ("\u{1e}{}", RedactError::Malformed),
    ] {
        let body = format!("{{\"a\":1}}\n{bad}\n{{\"b\":2}}\n");
        let (result, out, _) = fixture::redact(&Format::Lines, &fixture::task(None), body.as_bytes());
        assert_eq!(result, Err(error), "{bad}");
        assert!(out.starts_with("{\"a\":1}\n") && !out.contains('b'), "{bad}: {out}");
    }
    let (result, ..) = fixture::redact(&Format::Lines, &fixture::task(None), b"{}\n\"\xff\"\n");
    assert_eq!(result, Err(RedactError::NotUtf8));
}

#[test]
fn sequences_are_whole_or_refused() {
    let body = "\x1e{\"name\":\n\"Jean\"}\n\x1e\x1e7\n\x1e\"x\" \n";
    assert_eq!(redact(&Format::Sequence, body).unwrap(), "\x1e{\"name\":\n\"***\"}\n\x1e\x1e7\n\x1e\"x\" \n");
    assert_eq!(redact(&Format::Sequence, "").unwrap(), "");
    for (bad, error) in [
        ("{\"name\":\"Jean\"}\n", RedactError::Malformed),
        ("\n\x1e{}\n", RedactError::Malformed),
        ("\x1e12", RedactError::Truncated),
        ("\x1e{\"a\":1}", RedactError::Truncated),
        ("\x1etrue\x1e{}\n", RedactError::Truncated),
        ("\x1e{\"name\":\"Jean\n\x1e{}\n", RedactError::Malformed),
        ("\x1e{\"name\":\n\x1e{}\n", RedactError::Truncated),
        ("\x1e\n\x1e{}\n", RedactError::Truncated),
        ("\x1e{}\n{}\n", RedactError::Malformed),
    ] {
        assert_eq!(redact(&Format::Sequence, bad), Err(error), "{bad:?}");
    }
}

#[test]
fn one_text_or_many() {
    for (body, expected) in [
        ("{\"name\":\"Jean\"}", "{\"name\":\"***\"}"),
        (" {\n\"name\": \"Jean\"\n}\n", " {\n\"name\": \"***\"\n}\n"),
        ("{\"name\":\"Jean\"}\n{\"name\":\"Jean\"}", "{\"name\":\"***\"}\n{\"name\":\"***\"}"),
        ("{\"name\":\"Jean}{\\\"\"}[{}]{}", "{\"name\":\"***\"}[{}]{}"),
        ("1 \"a b\" null [2]", "1 \"a b\" null [2]"),
        ("\u{feff} [1]", " [1]"),
    ] {
        assert_eq!(redact(&Format::Texts, body).unwrap(), expected);
    }
    for bad in [
        "",
        " \n",
        "{},{}",
        "1{}",
        "\"a\"\"b\"",
        "\"a\"{}",
        "{}}",
        "]",
        "{\"a\":1",
        "{} x",
        "{}\u{1e}{}",
        "[{]}",
    ] {
        redact(&Format::Texts, bad).unwrap_err();
    }
}

#[test]
fn what_stands_for_adjacent_roots_stays_apart() {
    use crate::policy::set::{Action, CategoryId, FieldClass, FieldRule, PersonalData};
    use crate::redact::Plan;
    let mut task = fixture::task(None);
    let charter = crate::policy::set::Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![crate::policy::set::Category {
            name: "name".into(),
            article: "2".into(),
            detect: crate::policy::set::DetectorKinds::NONE,
            fields: Vec::new(),
            otherwise: Action::Null,
        }],
        recipients: Vec::new(),
        anonymous: crate::policy::set::RecipientId(0),
        cookies: Vec::new(),
    };
    let data = PersonalData::Declared(crate::policy::set::Classification {
        lexicon: std::sync::Arc::default(),
        records: Vec::new(),
        subject: None,
        group: None,
        fields: vec![FieldRule { path: "$".parse().unwrap(), class: FieldClass::Category(CategoryId(0)) }],
        keys: Vec::new(),
        headers: std::sync::Arc::default(),
        formats: Vec::new(),
        pass_types: Vec::new(),
        unknown: Unknown::Pass,
        record_bytes: 1 << 16,
    });
    task.plan = Plan::compile(&charter, &data).into();
    let (result, out, _) = fixture::redact(&Format::Texts, &task, b"{\"a\":\"Jean\"}[] {}");
    assert_eq!((result, out.as_str()), (Ok(()), "null\nnull null"));
}
