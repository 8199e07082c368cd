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
        assert!(!begins(text) || may_hold(&raw[1..raw.len() - 1]), "{text}");
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
}

fn base64(text: &str) -> String {
    use base64::{Engine as _, prelude::BASE64_STANDARD};
    BASE64_STANDARD.encode(text)
}

#[test]
fn documents_of_other_formats_do_not_leave_with_a_hidden_name() {
    let json = "{\"nom\":\"Jean\",\"a\":\"éàç?\"}";
    let zipped = {
        use std::io::Write as _;
        let mut writer = flate2::write::GzEncoder::new(Vec::new(), flate2::Compression::fast());
        writer.write_all(json.as_bytes()).unwrap();
        use base64::{Engine as _, prelude::BASE64_STANDARD};
        BASE64_STANDARD.encode(writer.finish().unwrap())
    };
    let jwt = format!("{}.{}.c2ln", base64("{\"alg\":\"none\"}"), base64(json)).replace('=', "");
    for text in [
        "<user><nom>Jean</nom></user>",
        "<?xml version=\"1.0\"?><!DOCTYPE u><u email='a@b'/>",
        "<p>x</p><input name=email value=a@b>",
        "<table><tr><th>id</th><th>Email</th></tr><tr><td>1</td><td>a@b</td></tr></table>",
        "id,email\n1,a@b",
        "id;Nom;x\r\n1;Jean;y\r\n",
        "email=a%40b&x=1",
        "x=1&nom=Jean",
        "email: a@b\nid: 1",
        "id=1\nuser.email = a@b\n",
        "email: a@b",
        "data: {\"nom\":\"Jean\"\n",
        "BEGIN:VCARD\nFN:Jean Dupont\nEND:VCARD",
        "dn: uid=jean,dc=x\nmail: a@b\ncourriel: a@b",
        "%7B%22nom%22%3A%22Jean%22%7D",
        "%257B%2522nom%2522%253A%2522Jean%2522%257D",
        "2024-01-01T00:00:00 INFO user={'email': 'a@b'} ok",
        "got {email: \"a@b\"}",
        "level=info email=a@b",
        "User(id=3, nom='Jean')",
        "cut: \"id\":1,\"nom\":\"Jean\"",
        "payload: {\"a\":1,\"nom\":\"Jean",
        &jwt,
        &format!("Bearer {jwt}"),
        &zipped,
        &base64("id,email\n1,a@b"),
        &base64("[{\"a\":\"\u{7f}\",'nom':1}]"),
        &base64("<user><nom>Jean</nom></user>"),
        &base64("email=a%40b&x=1"),
        "data:application/json,%7B%22nom%22%3A1%7D",
        "{&quot;nom&quot;:&quot;Jean&quot;} fin",
        "<a data-x=\"{&quot;nom&quot;:&quot;Jean&quot;}\">x</a> et {&quot;nom&quot;:",
    ] {
        assert_eq!(of(text, CategorySet::default()), Nested::Unreadable, "{text}");
        assert!(matches!(of(text, CategorySet(u64::MAX)), Nested::Text | Nested::Same), "{text}");
    }
}

#[test]
fn json_among_words_and_in_base64_is_written_anew() {
    for (text, expected) in [
        ("payload: {\"nom\":\"Jean\",\"a\":1} ok", "payload: {\"nom\":\"***\",\"a\":1} ok"),
        (
            "a [1] {\"x\":2} b [{\"nom\":1}]\n{\"nom\":\"J\"}",
            "a [1] {\"x\":2} b [{\"nom\":null}]\n{\"nom\":\"***\"}",
        ),
        ("https://h/p?email=a%40b&x=1", "https://h/p?email=&x=1"),
        (&base64("{\"nom\":\"J\"}"), &base64("{\"nom\":\"***\"}")),
        (
            &format!("data:application/json;base64,{}", base64("[{\"nom\":\"Jean?>\"}]")),
            &format!("data:application/json;base64,{}", base64("[{\"nom\":\"***\"}]")),
        ),
        (&base64(&base64("{\"nom\":\"Jean\",\"b\":12}")), &base64(&base64("{\"nom\":\"***\",\"b\":12}"))),
    ] {
        assert_eq!(of(text, CategorySet::default()), Nested::Redacted(expected.into()), "{text}");
    }
    // Without padding, and in the alphabet of addresses.
    let text = base64("{\"nom\":\"Jean\"}").trim_end_matches('=').replace('+', "-").replace('/', "_");
    let Nested::Redacted(out) = of(&text, CategorySet::default()) else { panic!("{text}") };
    assert_eq!(out, base64("{\"nom\":\"***\"}").trim_end_matches('='));
}

/// Each of these once took, or could take, the square of its length.
#[test]
fn long_texts_are_read_in_linear_time() {
    for piece in [
        "&email=", "a:", "<select>", "<a b='", "{", "[1,", "\":", "{\\", "email=\"", "%7B", "/?x=",
        "<email ", "='", "(nom",
    ] {
        let text = format!("x{}", piece.repeat(200_000 / piece.len()));
        of(&text, CategorySet::default());
    }
}

#[test]
fn prose_and_programs_pass() {
    for text in [
        "Mon email : voir plus bas",
        "Nom : voir plus bas",
        "a,b,c\n1,2,3",
        "Bonjour,\nmon nom est long, merci\nA bientôt",
        "# Titre\n\n- nom\n- **email** : facultatif\n\n[lien](https://x.fr/a?b=1#c)",
        "| Nom | Email |\n|---|---|\n| Jean | x |",
        "nom = input('Votre nom ?')\nprint(nom)",
        "for (String nom : noms) { System.out.println(nom); }",
        "SELECT nom, email FROM eleves WHERE nom = 'x'",
        "<p>Votre <b>nom</b> et votre email&nbsp;: voir <a href=\"/a?b=c\" title=\"nom\">ici</a></p>",
        "<input name=\"email\" type=\"email\" placeholder=\"Email\">",
        "2024-01-01T00:00:00Z",
        "https://ecole.example.fr/cours/7?page=2#nom",
        "550e8400-e29b-41d4-a716-446655440000",
        "iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        "data:image/png;base64,iVBORw0KGgoAAAANSUhEUgAAAAEAAAABCAYAAAAfFcSJAAAADUlEQVR42mNk",
        "Pythagore",
        "Internationalisierung",
        "50 % de nom, 100%",
        "eyJhbGciOiJIUzI1NiJ9.eyJzdWIiOiIxMjM0NTY3ODkwIn0.dozjgNryP4J3jVmNHl0w5N_XgL0n3I9PlFUP0THsR8U",
        "\\frac{nom}{2} \\{a = 1\\}",
        "a {b} [c] {{nom}} ${nom}",
        "",
        "=",
        "::",
        "%",
        "%zz",
        "<<<>>>",
    ] {
        assert_eq!(of(text, CategorySet::default()), Nested::Text, "{text}");
    }
}
