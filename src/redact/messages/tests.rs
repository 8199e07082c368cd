use super::super::trial::{EMAIL, NAME, Trial};
use super::*;
use crate::policy::set::Unknown;

fn declared() -> Task {
    Trial::declared(Unknown::Deny, &[("nom", Some(NAME)), ("title", None)]).task()
}

fn left(task: Task, texts: bool, message: &str) -> Result<String, RedactError> {
    Messages::new(task, texts).redact(message)
}

#[test]
fn each_message_is_a_document() {
    for (message, expected) in [
        (r#"{"nom":"Jean","title":"t"}"#, r#"{"nom":"***","title":"t"}"#),
        (r#" [{"nom":"Jean"}]"#, r#" [{"nom":"***"}]"#),
        (r#""Jean""#, "null"),
        ("12", "null"),
        ("0612345678", "0612345678"),
        ("null", "null"),
        (r#"42["saved",{"nom":"Jean","title":"t"},"Jean"]"#, r#"42["saved",{"nom":"***","title":"t"},null]"#),
        (r#"42/class-6A,17["saved", {"nom":"Jean","x":1}]"#, r#"42/class-6A,17["saved", {"nom":"***"}]"#),
        (r#"451-/a,["file",{"title":"t"}]"#, r#"451-/a,["file",{"title":"t"}]"#),
        (r#"431["Jean",{"nom":"J, [\"}]"}]"#, r#"431[null,{"nom":"***"}]"#),
        (r#"42["Jean Dupont",1]"#, "42[null,null]"),
        (r#"42[]"#, r#"42[]"#),
        (r#"17{"nom":"Jean"}"#, r#"17{"nom":"***"}"#),
        (
            r#"0{"sid":"x_-1","upgrades":["websocket"],"pingInterval":25000}"#,
            r#"0{"sid":"x_-1","upgrades":["websocket"],"pingInterval":25000}"#,
        ),
        (r#"0{"sid":"x","nom":"Jean"}"#, r#"0{"nom":"***"}"#),
        (r#"40{"sid":"Jean Dupont"}"#, "40{}"),
        (r#"40{"sid":"x"}"#, r#"40{"sid":"x"}"#),
        (r#"44{"message":"Jean"}"#, "44{}"),
        ("2", "2"),
        ("3probe", "3probe"),
        ("40/class,", "40/class,"),
        ("41", "41"),
    ] {
        assert_eq!(left(declared(), true, message).as_deref(), Ok(expected), "{message}");
    }
}

#[test]
fn what_is_no_json_passes_where_it_may() {
    let undeclared = || Trial::undeclared().task();
    assert_eq!(left(undeclared(), true, "bonjour").as_deref(), Ok("bonjour"));
    assert_eq!(left(declared(), false, "bonjour"), Err(RedactError::Opaque));
    // Frames that nobody knows.
    for message in [
        r#"a["{\"nom\":\"Jean\"}"]"#,
        r#"12:{"nom":"Jean"}"#,
        "MESSAGE\nid:1\n\n{\"nom\":\"Jean\"}\0",
        "x {'nom': 'Jean'}",
    ] {
        assert_eq!(left(undeclared(), true, message), Err(RedactError::Opaque), "{message}");
    }
}

#[test]
fn what_is_broken_does_not_pass() {
    for message in [
        r#"{"nom":"Jean""#,
        r#"42["saved",{"nom":"Jean"]"#,
        r#"42["saved",{"nom":"Jean"}"#,
        r#"42["saved"{"nom":"Jean"}]"#,
        r#"42["saved",]"#,
        r#"42["saved",{}],{"nom":"Jean"}]"#,
        r#"42["saved"] {"nom":"Jean"}"#,
        r#"17{"nom":"Jean"}{"nom":"Jean"}"#,
    ] {
        for task in [declared(), Trial::undeclared().task()] {
            assert!(left(task, true, message).is_err(), "{message}");
        }
    }
}

#[test]
fn records_are_theirs_who_may_see_them() {
    let task = || {
        let fields = [("nom", Some(NAME)), ("email", Some(EMAIL))];
        Trial::declared(Unknown::Deny, &fields).reader("u1", &[NAME, EMAIL], "6A", &[NAME]).task()
    };
    let mut messages = Messages::new(task(), false);
    let left = messages.redact(r#"42["p",{"nom":"Jean","id":"u1"},{"nom":"Lea","id":"u2"}]"#);
    assert_eq!(left.as_deref(), Ok(r#"42["p",{"nom":"Jean","id":"u1"},{"nom":"***","id":"u2"}]"#));
    assert_eq!(messages.tally().by_category[usize::from(NAME)], 1);
}
