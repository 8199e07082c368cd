use super::{MAX_CALLBACK, MAX_FRONT};
use crate::redact::{Format, RedactError, fixture};

fn redact(format: &Format, body: &str) -> Result<String, RedactError> {
    let (result, out, _) = fixture::redact(format, &fixture::task(None), body.as_bytes());
    result.map(|()| out)
}

const TEXT: &str = "{\"name\":\"Jean\",\"a\":\"})\"}";
const REDACTED: &str = "{\"name\":\"***\",\"a\":\"})\"}";

#[test]
fn guards_pass_and_the_text_behind_is_redacted() {
    for guard in [
        ")]}'",
        ")]}',",
        ")]}',\n",
        "while(1);",
        "while (1);\n",
        "for(;;);",
        " for (;;); ",
        "throw 1; <dont be evil>\n",
        "throw 1; < don't be evil' >",
    ] {
        for format in [Format::Json, Format::Wrapped] {
            assert_eq!(redact(&format, &format!("{guard}{TEXT}\n")).unwrap(), format!("{guard}{REDACTED}\n"));
        }
    }
    assert_eq!(redact(&Format::Wrapped, &format!("{{}} && {TEXT}")).unwrap(), format!("{{}} && {REDACTED}"));
    assert_eq!(redact(&Format::Json, &format!("\u{feff})]}}'{TEXT}")).unwrap(), format!(")]}}'{REDACTED}"));
}

#[test]
fn the_type_of_json_is_strict() {
    for body in [
        format!("{{}}&&{TEXT}"),
        format!("{{}} && {TEXT}"),
        format!(" {{}} && {TEXT}"),
        format!("cb({TEXT})"),
        format!("{TEXT}\n{TEXT}"),
        format!(")]}}'{TEXT}{TEXT}"),
        format!(")]}}')]}}'{TEXT}"),
        ")]}'".to_owned(),
        "while(1)".to_owned(),
        " ".repeat(MAX_FRONT + 1),
        String::new(),
    ] {
        redact(&Format::Json, &body).unwrap_err();
    }
    for text in ["true", "false", "throw", "wh", "1", "\"w\"", "{}", "[]", " null "] {
        let expected = serde_json::from_str::<serde_json::Value>(text).is_ok();
        assert_eq!(redact(&Format::Json, text).is_ok(), expected, "{text}");
        assert_eq!(redact(&Format::Wrapped, text).is_ok(), expected, "{text}");
    }
    let spaced = format!("{}{TEXT}", " ".repeat(3 * MAX_FRONT));
    assert!(redact(&Format::Json, &spaced).unwrap().ends_with(REDACTED));
}

#[test]
fn calls_have_exactly_one_form() {
    for (front, end) in [
        ("cb(", ")"),
        ("/**/cb(", ");"),
        ("/**/ typeof cb === 'function' && cb(", ");"),
        ("typeof cb===\"function\"&&cb(", ")"),
        ("typeof cb  ==  'function' \n&& cb(", ")"),
        ("angular.callbacks._0(\n", "\n)\n;\n"),
        ("$.x[0].y(", ");"),
    ] {
        assert_eq!(
            redact(&Format::Wrapped, &format!("{front}{TEXT}{end}")).unwrap(),
            format!("{front}{REDACTED}{end}")
        );
    }
    let long = "c".repeat(MAX_CALLBACK);
    assert!(redact(&Format::Wrapped, &format!("{long}({TEXT})")).is_ok());
    for body in [
        format!("cb({TEXT}"),
        format!("cb({TEXT}; "),
        format!("cb({TEXT}));"),
        format!("cb({TEXT});;"),
        format!("cb({TEXT}); more()"),
        format!("cb({TEXT});// {TEXT}"),
        format!("cb({TEXT},{TEXT})"),
        format!("cb({TEXT}.x)"),
        format!("cb ({TEXT})"),
        format!("cb(cb({TEXT}))"),
        format!("alert(1);cb({TEXT})"),
        format!("typeof a === 'function' && b({TEXT})"),
        format!("/* {TEXT} */cb({TEXT})"),
        format!("c{long}({TEXT})"),
        "cb({name:\"Jean\"})".to_owned(),
        // Of a scalar nobody said what it is: as JSON it would pass here, as a call it has not the form.
        "cb(\"x\")".to_owned(),
        "cb()".to_owned(),
        "cb(".to_owned(),
    ] {
        redact(&Format::Wrapped, &body).unwrap_err();
    }
}
