use proptest::prelude::*;

use super::*;
use crate::policy::set::Unknown;
use crate::redact::Format;
use crate::redact::trial::{NAME, NOTE, Trial};

fn redact(trial: &Trial, form: &str) -> Result<String, RedactError> {
    trial.redact(&Format::Form, form)
}

#[test]
fn values_are_replaced_and_encoded() {
    let trial = Trial::undeclared();
    for (form, expected) in [
        ("", ""),
        ("id=1&a=b+c%20d", "id=1&a=b+c%20d"),
        ("nom=Jean&id=1", "nom=***&id=1"),
        ("id=1&nom=Jean&nom=Petit", "id=1&nom=***&nom=***"),
        ("note=12&id=1&note=13", "id=1"),
        ("id=1&&x", "id=1&&x"),
        ("nom=&nom", "nom=&nom"),
        ("telephone=06", "telephone=cach%C3%A9+%3B+%22ici%22"),
        ("date_naissance=17%2F05%2F2012", "date_naissance=2012"),
        ("profil=%7B%22nom%22%3A%22Jean%22%7D", "profil=%7B%22nom%22%3A%22***%22%7D"),
        ("id=1&profil=%7B%27nom%27%3A1%7D", "id=1"),
    ] {
        assert_eq!(redact(&trial, form).as_deref(), Ok(expected), "{form}");
        assert!(redact(&trial.clone().sees_all(), form).is_ok());
    }
}

#[test]
fn every_spelling_of_a_name_is_that_name() {
    for name in [
        "nom",
        "NOM",
        "%6eom",
        "n%6F%6D",
        "+nom+",
        "N-o_m",
        "%EF%BB%BFnom",
        "\u{feff}nom",
        "user[nom]",
        "user.nom",
        "user%5Bnom%5D",
        "user%5bnom%5d",
        "users[0][nom]",
        "nom[]",
        "nom[0]",
        "nom[first]",
        "user[nom",
        "nom%0A",
        "a.b[nom]",
    ] {
        let got = redact(&Trial::undeclared(), &format!("id=1&{name}=Zephyrine&x=2")).unwrap();
        assert_eq!(got, format!("id=1&{name}=***&x=2"), "{name}");
    }
}

#[test]
fn what_readers_could_read_otherwise_is_refused() {
    for (form, expected) in [
        ("a=1;nom=Zephyrine", RedactError::Malformed),
        ("no%6=Zephyrine", RedactError::Malformed),
        ("a=%zz&nom=Zephyrine", RedactError::Malformed),
        ("a=1&nom%00=Zephyrine", RedactError::Malformed),
        ("a=\0&nom=Zephyrine", RedactError::Malformed),
        ("a=%ff", RedactError::NotUtf8),
    ] {
        assert_eq!(redact(&Trial::undeclared(), form), Err(expected), "{form}");
    }
    let long = format!("a={}", "x".repeat(MAX_PAIR));
    assert_eq!(Trial::undeclared().run(&Format::Form, long.as_bytes(), &[4096]).0, Err(RedactError::TooLong));
}

#[test]
fn a_form_is_somebodys() {
    let route = Trial::declared(Unknown::Deny, &[("nom", Some(NAME)), ("note", Some(NOTE))]);
    let learner = route.clone().reader("L1", &[NAME, NOTE], "6A", &[]);
    assert_eq!(redact(&learner, "nom=A&note=1&id=L1&x=y").as_deref(), Ok("nom=A&note=1&id=L1"));
    assert_eq!(redact(&learner, "nom=A&note=1&id=L2").as_deref(), Ok("nom=***&id=L2"));
    assert_eq!(redact(&learner, "nom=A&id=L1&id=L2").as_deref(), Ok("nom=***&id=L1&id=L2"));
    assert_eq!(redact(&learner, &format!("id=L1&nom={}", "a".repeat(1024))), Err(RedactError::TooLong));
    assert_eq!(redact(&route, &format!("id=L1&nom={}", "a".repeat(1024))).as_deref(), Ok("id=L1&nom=***"));
}

fn pairs() -> impl Strategy<Value = Vec<(&'static str, String)>> {
    let name = prop::sample::select(vec!["id", "nom", "note", "x", "user[nom]", "a.b", "sexe"]);
    prop::collection::vec((name, "[a-zé&=;+% {\\[]{0,6}"), 0..6)
}

fn write(pairs: &[(&str, String)]) -> String {
    let mut form = form_urlencoded::Serializer::new(String::new());
    for (name, value) in pairs {
        form.append_pair(name, value);
    }
    form.finish()
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn what_stays_is_identical_and_what_is_hidden_goes(pairs in pairs(), cut in 1..9_usize) {
        let form = write(&pairs);
        let all = Trial::undeclared().sees_all().run(&Format::Form, form.as_bytes(), &[cut]);
        let braced = pairs.iter().any(|(_, value)| value.trim_start().starts_with(['{', '[']));
        prop_assert_eq!(all.0, Ok(()));
        prop_assert!(braced || all.1 == form.as_bytes());

        let canaries: Vec<_> = pairs
            .iter()
            .map(|(name, value)| match *name {
                "nom" | "note" | "user[nom]" | "sexe" => (*name, format!("{value}Zephyrine")),
                _ => (*name, value.clone()),
            })
            .collect();
        let form = write(&canaries);
        let whole = Trial::undeclared().run(&Format::Form, form.as_bytes(), &[]);
        prop_assert_eq!(&whole, &Trial::undeclared().run(&Format::Form, form.as_bytes(), &[cut]));
        let out = String::from_utf8(whole.1).unwrap();
        prop_assert!(!out.contains("Zephyrine"));
        let kept = form_urlencoded::parse(out.as_bytes()).filter(|(name, _)| name == "id").count();
        let braced = |value: &str| value.trim_start().starts_with(['{', '[']);
        let ids = canaries.iter().filter(|(name, value)| *name == "id" && !braced(value)).count();
        prop_assert!(kept >= ids);
    }
}
