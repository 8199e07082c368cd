mod attacks;
mod grammar;
mod names;
mod nested;
mod pairs;
mod people;
mod records;
mod schema;
mod views;

use std::sync::Arc;

use super::*;
use crate::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, FieldClass, FieldRule,
    Generalisation, Lexicon, PersonalData, RecipientId, Sees, Unknown,
};
use crate::secret::{Domain, MasterSecret, Sensitive};

/// The charter of these tests: one category for each action.
pub(in crate::redact) fn charter() -> Charter {
    let category = |name: &str, fields: &[&str], otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: fields.iter().map(|&field| field.into()).collect(),
        otherwise,
    };
    Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![
            category("name", &["name", "full_name"], Action::Mask),
            category("email", &["email", "courriel"], Action::Pseudonym),
            category("birth", &["birth_date"], Action::Generalise(Generalisation::Year)),
            category("result", &["note"], Action::Remove),
            category("gender", &["gender"], Action::Null),
            category("phone", &["phone"], Action::Replace("hidden \"by\" charter".into())),
            category("account", &[], Action::Remove),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

/// A route: records, subject, group, and `path: category number` (`-` for not personal).
pub(super) fn route(records: &[&str], subject: &str, group: &str, fields: &[(&str, &str)]) -> Classification {
    let path = |text: &str| text.parse().unwrap();
    let optional = |text: &str| (!text.is_empty()).then(|| path(text));
    Classification {
        records: records.iter().map(|text| path(text)).collect(),
        subject: optional(subject),
        group: optional(group),
        fields: fields
            .iter()
            .map(|(at, class)| FieldRule {
                path: path(at),
                class: match *class {
                    "-" => FieldClass::NotPersonal,
                    name => {
                        let index =
                            charter().categories.iter().position(|category| category.name == name).unwrap();
                        FieldClass::Category(CategoryId(index as u8))
                    }
                },
            })
            .collect(),
        unknown: Unknown::Pass,
        record_bytes: 1 << 20,
        ..Classification::default()
    }
}

pub(super) fn sees_all() -> CategorySet {
    CategorySet(0x7f)
}

/// Who they are, which groups, which wards; they see every category of those.
pub(super) fn related(subject: &str, groups: &[&str], wards: &[&str]) -> Audience {
    let text = |text: &str| Sensitive::new(Box::<str>::from(text));
    let all = |given: bool| if given { sees_all() } else { CategorySet::default() };
    Audience {
        sees: Sees {
            any: CategorySet::default(),
            own: all(!subject.is_empty()),
            group: all(!groups.is_empty()),
            ward: all(!wards.is_empty()),
        },
        subject: (!subject.is_empty()).then(|| text(subject)),
        groups: groups.iter().map(|group| text(group)).collect(),
        wards: wards.iter().map(|ward| text(ward)).collect(),
        today: None,
    }
}

pub(super) fn redactor(data: PersonalData, audience: Audience) -> JsonRedactor {
    let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
    JsonRedactor::new(Arc::new(Plan::compile(&charter(), &data)), Arc::new(audience), Arc::new(key))
}

/// Redacts whole, in halves and byte by byte, and wants the same.
pub(super) fn redact_for(
    data: &dyn Fn() -> PersonalData,
    audience: &Audience,
    document: &[u8],
) -> Result<String, RedactError> {
    let run = |size: usize| {
        let mut redactor = redactor(data(), audience.clone());
        let mut out = Vec::new();
        document.chunks(size.max(1)).try_for_each(|chunk| redactor.push(chunk, &mut out))?;
        redactor.finish(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    };
    let whole = run(document.len());
    assert_eq!(run(document.len() / 2), whole);
    assert_eq!(run(1), whole);
    whole
}

pub(super) fn undeclared() -> PersonalData {
    PersonalData::Undeclared
}

/// For somebody who sees nothing, by the charter's names alone.
pub(super) fn redact(document: &str) -> Result<String, RedactError> {
    redact_for(&undeclared, &Audience::default(), document.as_bytes())
}
