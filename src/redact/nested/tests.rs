use super::super::trial::Trial;
use super::*;

fn of(text: &str, visible: CategorySet) -> Nested {
    let task = Trial::undeclared().task();
    let (plan, key) = (&task.plan, &task.key);
    let inside =
        Inside { plan, key, today: None, visible, related: None, state: plan.start(), free: false, level: 0 };
    inside.read(text).0
}

#[test]
fn documents_in_texts_are_read_by_the_charters_names() {
    let redacted = |text: &str| Nested::Redacted(text.into());
    for (text, expected) in [
        ("plain", Nested::Text),
        ("", Nested::Text),
        ("  ", Nested::Text),
        ("[brouillon] Titre", Nested::Text),
        ("{nom} manque", Nested::Text),
        ("[1] voir plus bas : nom", Nested::Text),
        ("/nom: x", Nested::Text),
        ("(nom: x)", Nested::Text),
        ("\"Jean\", dit-il", Nested::Text),
        ("{\"a\":1} fin", Nested::Text),
        ("{\"a\":1}", Nested::Same),
        (" [ {\"a\": \"b\"} ]", Nested::Same),
        ("[1]", Nested::Same),
        ("[1, null]", Nested::Same),
        ("{\"nom\":\"Jean\",\"a\":1}", redacted("{\"nom\":\"***\",\"a\":1}")),
        ("\u{feff} [{\"Nom\":\"Jean\"}]", redacted("[{\"Nom\":\"***\"}]")),
        ("[1,{\"nom\":\"Jean\"}]\n", redacted("[1,{\"nom\":\"***\"}]")),
        ("\"{\\\"nom\\\":\\\"Jean\\\"}\"", redacted("\"{\\\"nom\\\":\\\"***\\\"}\"")),
        ("[1, {\"nom\":\"Jean\"}]", redacted("[1, {\"nom\":\"***\"}]")),
        ("\u{1680}{\"Nom\":\"Jean\"}", redacted("{\"Nom\":\"***\"}")),
        ("\u{3000}[{\"Nom\":\"Jean\"}]", redacted("[{\"Nom\":\"***\"}]")),
        ("\u{1}{\"nom\":\"Jean\"}", redacted("{\"nom\":\"***\"}")),
        ("\u{7f}\u{85}{\"nom\":\"Jean\"}", redacted("{\"nom\":\"***\"}")),
        ("[null, {'nom': 'Jean'}]", Nested::Unreadable),
        ("{'nom': 'Jean'}", Nested::Unreadable),
        ("[{'nom': 'Jean'}]", Nested::Unreadable),
        ("{\"nom\":\"Jean\"", Nested::Unreadable),
        ("{\"nom\":\"Jean\"} //", Nested::Unreadable),
        ("{\"a\":1} {\"nom\":\"Jean\"}", Nested::Unreadable),
        ("{nom:1}", Nested::Unreadable),
        ("({nom:1})", Nested::Unreadable),
        ("/* a */ {nom:1}", Nested::Unreadable),
        ("// a\n{nom:1}", Nested::Unreadable),
        ("[(\"nom\", 1)]", Nested::Unreadable),
        ("{\"nom\":\"\\ud800\"}", Nested::Unreadable),
        ("{\"a\":NaN,\"nom\":1}", Nested::Unreadable),
    ] {
        assert_eq!(of(text, CategorySet::default()), expected, "{text}");
        if let Some(&first) = text.as_bytes().first().filter(|_| begins(text)) {
            assert!(may_begin(first), "{text}");
        }
        let raw = super::super::action::quote(text);
        let raw = &raw[1..raw.len() - 1];
        assert_eq!(begins_raw(raw).unwrap_or(false), begins(text), "{text}");
        if let Some(&first) = raw.first().filter(|_| begins(text)) {
            assert!(may_begin_raw(first), "{text}");
        }
    }
    assert_eq!(of("{\"nom\":\"Jean\"}", CategorySet(u64::MAX)), Nested::Same);
}

#[test]
fn how_deep_and_how_long_a_document_may_be_is_bounded() {
    let mut text = String::from("{\"nom\":\"Jean\"}");
    for level in 0..MAX_LEVEL + 2 {
        let found = of(&text, CategorySet::default());
        let Nested::Redacted(out) = found else { panic!("{found:?}") };
        assert!(!out.contains("Jean"), "{level}: {out}");
        assert_eq!(out.contains("***"), level < MAX_LEVEL, "{level}: {out}");
        text = serde_json::to_string(&[text]).unwrap();
    }
    let long =
        |length: usize| of(&format!("{{\"a\":\"{}\"}}", "x".repeat(length - 8)), CategorySet::default());
    assert_eq!(long(MAX_NESTED), Nested::Same);
    assert_eq!(long(MAX_NESTED + 1), Nested::Unreadable);
    let blank = format!("{}{{\"nom\":\"Jean\"}}", " ".repeat(2 * FRONT));
    assert_eq!(of(&blank, CategorySet::default()), Nested::Redacted("{\"nom\":\"***\"}".into()));
    assert!(begins_raw(" ".repeat(2 * FRONT).as_bytes()).unwrap());
    assert_eq!(begins_raw(b"  \\u00"), None);
    assert_eq!(begins_raw(b"\\u007b"), Some(true));
    assert_eq!(begins_raw(b"\" {"), Some(false));
}
