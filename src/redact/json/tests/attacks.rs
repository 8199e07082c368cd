//! Documents written to get something past the engine.

use super::*;

#[test]
fn nothing_leaves_behind_a_fault() {
    for fault in ["\u{1}", "\\x", "\\ud800x"] {
        let document = format!(r#"{{"id":1,"name":"Jean","a":"{fault}","email":"jean@x.fr"}}"#);
        let mut redactor = redactor(PersonalData::Undeclared, Audience::default());
        let mut out = Vec::new();
        let error = redactor.push(document.as_bytes(), &mut out).unwrap_err();
        let text = String::from_utf8(out.clone()).unwrap();
        assert!(!text.contains("Jean") && !text.contains('@'), "{text}");
        let length = out.len();
        assert_eq!(redactor.push(b"\"x\"}", &mut out), Err(error));
        assert_eq!(redactor.finish(&mut out), Err(error));
        assert_eq!(out.len(), length);
    }
}

#[test]
fn a_truncated_secret_stays_inside() {
    let document = r#"{"name":"Jean Valjean","note":[1,{"email":"jean@x.fr"}]}"#;
    for end in 0..document.len() {
        let mut redactor = redactor(PersonalData::Undeclared, Audience::default());
        let mut out = Vec::new();
        redactor.push(&document.as_bytes()[..end], &mut out).unwrap();
        assert_eq!(redactor.finish(&mut out), Err(RedactError::Truncated), "{end}");
        let text = String::from_utf8(out).unwrap();
        assert!(!text.contains('J') && !text.contains('j'), "{text}");
    }
}

#[test]
fn every_duplicate_is_redacted() {
    assert_eq!(
        redact(r#"{"name":"a","name":"b","NAME":"c","n\u0061me":"d"}"#).as_deref(),
        Ok(r#"{"name":"***","name":"***","NAME":"***","n\u0061me":"***"}"#)
    );
}

#[test]
fn bounds_refuse_rather_than_guess() {
    let nested = |depth: usize| format!("{}{}", "[".repeat(depth), "]".repeat(depth));
    assert!(redact(&nested(MAX_DEPTH)).is_ok());
    assert_eq!(redact(&nested(MAX_DEPTH + 1)), Err(RedactError::TooDeep));
    let keyed = |key: &str| format!(r#"{{"{key}":1}}"#);
    assert!(redact(&keyed(&"k".repeat(MAX_KEY))).is_ok());
    assert!(redact(&keyed(&"\\u006b".repeat(MAX_KEY))).is_ok());
    assert_eq!(redact(&keyed(&"k".repeat(MAX_KEY + 1))), Err(RedactError::TooLong));
    assert_eq!(redact(&keyed(&"\\u006b".repeat(MAX_KEY + 1))), Err(RedactError::TooLong));
    assert!(redact(&"1".repeat(MAX_NUMBER)).is_ok());
    assert_eq!(redact(&"1".repeat(MAX_NUMBER + 1)), Err(RedactError::TooLong));
    // Behind a key there is white space without end; in front of the first there may be.
    let spaced =
        |space: usize| format!("{{{}\"name\":{}\"Jean\"}}", " ".repeat(2 * MAX_HELD), " ".repeat(space));
    assert!(redact(&spaced(MAX_HELD - 7)).is_ok());
    assert_eq!(redact(&spaced(MAX_HELD - 6)), Err(RedactError::TooLong));
    assert_eq!(redact(&format!("[1,{}2]", "\n".repeat(MAX_HELD))), Err(RedactError::TooLong));
    assert!(redact(&format!("[1{},2]", "\n".repeat(2 * MAX_HELD))).is_ok());
}

#[test]
fn long_values_pass_through_the_bound_on_white_space() {
    let document = format!(r#"{{"a":"{}","b":[{}0]}}"#, "x".repeat(3 * MAX_HELD), " ".repeat(2 * MAX_HELD));
    assert_eq!(redact(&document), Ok(document));
}

#[test]
fn other_encodings_are_refused_and_a_mark_is_dropped() {
    let utf16: Vec<u8> = "\u{feff}{\"name\":\"Jean\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let bare: Vec<u8> = "{\"name\":\"Jean\"}".encode_utf16().flat_map(u16::to_le_bytes).collect();
    let run = |document: &[u8]| redact_for(&undeclared, &Audience::default(), document);
    assert_eq!(run(&utf16), Err(RedactError::NotUtf8));
    assert_eq!(run(&bare), Err(RedactError::Malformed));
    assert_eq!(run(b"\xEF\xBB\xBF{\"name\":\"Jean\"}").as_deref(), Ok("{\"name\":\"***\"}"));
    assert_eq!(run(b"{\xEF\xBB\xBF}"), Err(RedactError::Malformed));
    assert_eq!(run(b"\xEF\xBB\xBF"), Err(RedactError::Truncated));
    assert_eq!(run(b"\xEF\xBB"), Err(RedactError::Truncated));
}

#[test]
fn a_finished_document_takes_no_more() {
    let mut redactor = redactor(PersonalData::Undeclared, Audience::default());
    let mut out = Vec::new();
    redactor.push(b"{}", &mut out).unwrap();
    redactor.finish(&mut out).unwrap();
    assert_eq!(redactor.push(b" ", &mut out), Err(RedactError::Finished));
    assert_eq!(redactor.finish(&mut out), Err(RedactError::Finished));
    assert_eq!(out, b"{}");
}
