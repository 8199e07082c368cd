use super::*;
use crate::secret::{Domain, MasterSecret};

fn key() -> DomainKey {
    MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "")
}

fn written(action: Action, value: &str, kind: Kind) -> String {
    let category = Category {
        name: "x".into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: Vec::new(),
        otherwise: action,
    };
    let (key, mut out) = (key(), Vec::new());
    let means = Means { key: &key, today: Some(jiff::civil::date(2026, 11, 23)) };
    Remedy::of(&category).write(means, value.as_bytes(), kind, &mut out);
    String::from_utf8(out).unwrap()
}

/// Every action there is; a new one must be added here to be tested.
fn actions() -> Vec<Action> {
    let shapes = [Shape::Token, Shape::Email, Shape::Uuid, Shape::Alias, Shape::Number];
    let generalisations = [
        Generalisation::Year,
        Generalisation::Month,
        Generalisation::AgeBand,
        Generalisation::Ip,
        Generalisation::PostalCode,
        Generalisation::Score(vec![5.0, 10.0]),
        Generalisation::Coordinate(2),
    ];
    let shown = Shown { first: 2, last: 2, domain: true };
    [
        Action::Remove,
        Action::Null,
        Action::Mask,
        Action::MaskPart(shown),
        Action::Replace("a\"b\\c\n\u{1}é".into()),
    ]
    .into_iter()
    .chain([Action::Pseudonym, Action::Tokenise])
    .chain(shapes.into_iter().map(Action::PseudonymAs))
    .chain(generalisations.into_iter().map(Action::Generalise))
    .collect()
}

#[test]
fn each_action_writes_json_and_its_constants_are_what_it_writes() {
    for action in actions() {
        let category = Category {
            name: "x".into(),
            article: "2".into(),
            detect: crate::policy::set::DetectorKinds::NONE,
            fields: Vec::new(),
            otherwise: action.clone(),
        };
        let remedy = Remedy::of(&category);
        for kind in [Kind::Text, Kind::Number, Kind::Boolean] {
            for value in
                ["", "true", "-12.5e-3", "12", "2012-05-17", "a\"\\\u{0}", "jean@x.fr", "48.85", "é€😀"]
            {
                let out = written(action.clone(), value, kind);
                assert!(serde_json::from_str::<serde_json::Value>(&out).is_ok(), "{action:?} {out}");
                if let Some(constant) = remedy.constant(kind) {
                    assert_eq!(out.as_bytes(), constant, "{action:?} {kind:?}");
                }
            }
        }
        assert!(!written(action, "true", Kind::Boolean).contains("true"));
    }
}

#[test]
fn generalisations_give_a_coarser_value_or_null() {
    for (how, value, kind, expected) in [
        (Generalisation::Year, "2012-05-17", Kind::Text, "\"2012\""),
        (Generalisation::Year, "2012", Kind::Number, "2012"),
        (Generalisation::Year, "2012", Kind::Text, "null"),
        (Generalisation::Month, "17/05/2012", Kind::Text, "\"2012-05\""),
        (Generalisation::Month, "201205", Kind::Number, "null"),
        (Generalisation::AgeBand, "2012-05-17", Kind::Text, "\"11-14\""),
        (Generalisation::AgeBand, "2012", Kind::Number, "\"11-14\""),
        (Generalisation::Ip, "192.0.2.77", Kind::Text, "\"192.0.2.0\""),
        (Generalisation::Ip, "3221225985", Kind::Number, "null"),
        (Generalisation::PostalCode, "20167", Kind::Text, "\"2A\""),
        (Generalisation::PostalCode, "1000", Kind::Number, "\"01\""),
        (Generalisation::Score(vec![5.0, 10.0]), "7.25", Kind::Number, "\"5-10\""),
        (Generalisation::Score(vec![5.0, 10.0]), "très bien", Kind::Text, "null"),
        (Generalisation::Coordinate(2), "48.858370", Kind::Number, "48.85"),
        (Generalisation::Coordinate(2), "48.858370", Kind::Text, "\"48.85\""),
        (Generalisation::Coordinate(2), "Paris", Kind::Text, "null"),
    ] {
        assert_eq!(written(Action::Generalise(how.clone()), value, kind), expected, "{how:?} {value}");
    }
}

#[test]
fn nobody_has_an_age_without_a_date() {
    let category = Category {
        name: "birth".into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: Vec::new(),
        otherwise: Action::Generalise(Generalisation::AgeBand),
    };
    let (key, remedy) = (key(), Remedy::of(&category));
    let means = Means { key: &key, today: None };
    assert_eq!(remedy.stand_in(means, "2012-05-17", Kind::Text), StandIn::Null);
}

#[test]
fn texts_have_their_stand_ins_as_texts() {
    let category = |otherwise| Category {
        name: "x".into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: Vec::new(),
        otherwise,
    };
    let key = key();
    let means = Means { key: &key, today: None };
    for (action, expected) in [
        (Action::Remove, None),
        (Action::Null, None),
        (Action::Mask, Some("***")),
        (Action::Replace("r".into()), Some("r")),
        (Action::Generalise(Generalisation::Year), None),
    ] {
        let remedy = Remedy::of(&category(action));
        assert_eq!(remedy.stand_in(means, "Jean", Kind::Text).into_text().as_deref(), expected);
    }
}

#[test]
fn what_an_action_made_is_known_again() {
    let key = key();
    let means = Means { key: &key, today: None };
    for action in actions() {
        let known = match action {
            Action::Mask
            | Action::MaskPart(_)
            | Action::Replace(_)
            | Action::Pseudonym
            | Action::PseudonymAs(_) => true,
            Action::Remove | Action::Null | Action::Generalise(_) | Action::Tokenise => continue,
        };
        let category = Category {
            name: "x".into(),
            article: "2".into(),
            detect: crate::policy::set::DetectorKinds::NONE,
            fields: Vec::new(),
            otherwise: action.clone(),
        };
        let remedy = Remedy::of(&category);
        for value in ["Jean Dupont", "jean@lycee.fr", "12", "0b8a4e1c9f5d4b5e8c117a8e3f0c2d4b"] {
            let made = remedy.stand_in(means, value, Kind::Text).into_text().unwrap();
            assert_eq!(remedy.made(&made) || is_stand_in(&key, &made), known, "{action:?} {made}");
            assert!(!remedy.made(value) && !is_stand_in(&key, value), "{action:?} {value}");
        }
    }
}
