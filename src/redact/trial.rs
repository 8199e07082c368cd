//! What the tests of the readers share: one charter, routes and callers, and a way to run a document in pieces.

use std::sync::Arc;

use super::{Audience, Format, Plan, RedactError, Tally, Task};
use crate::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, FieldClass, FieldRule,
    Generalisation, Lexicon, PersonalData, RecipientId, Sees, Unknown,
};
use crate::secret::{Domain, MasterSecret};

/// Numbers of the categories of [`charter`].
pub(super) const NAME: u8 = 0;
pub(super) const EMAIL: u8 = 1;
pub(super) const NOTE: u8 = 3;

/// One category for each action.
fn charter() -> Charter {
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
            category("name", &["nom", "full_name"], Action::Mask),
            category("email", &["email", "courriel"], Action::Pseudonym),
            category("birth", &["date_naissance"], Action::Generalise(Generalisation::Year)),
            category("note", &["note"], Action::Remove),
            category("gender", &["sexe"], Action::Null),
            category("phone", &["telephone"], Action::Replace("caché ; \"ici\"".into())),
        ],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

/// What may be told of places.
pub(super) fn lexicon() -> Lexicon {
    Lexicon::of(["count", "users", "birthDate", "row", "query"])
}

/// Fields by path and category, what happens to others, the bound of a record.
type Declared = (Vec<(&'static str, Option<u8>)>, Unknown, usize);

/// A route and a caller.
#[derive(Clone)]
pub(super) struct Trial {
    data: Option<Declared>,
    records: Vec<&'static str>,
    pub(super) audience: Audience,
}

impl Trial {
    /// A route that says nothing, and a caller who sees nothing.
    pub(super) fn undeclared() -> Self {
        Self { data: None, records: vec!["$", "$[*]"], audience: Audience::default() }
    }

    /// A route of records by `id` and `classe`, both not personal, with these fields (`None` for not personal).
    pub(super) fn declared(unknown: Unknown, fields: &[(&'static str, Option<u8>)]) -> Self {
        let mut all = vec![("id", None), ("classe", None)];
        all.extend_from_slice(fields);
        Self { data: Some((all, unknown, 1024)), ..Self::undeclared() }
    }

    /// Sees these categories of their own record, and of their group's.
    pub(super) fn reader(mut self, subject: &str, own: &[u8], group: &str, of_group: &[u8]) -> Self {
        let set = |categories: &[u8]| {
            let mut set = CategorySet::default();
            categories.iter().for_each(|&category| set.insert(CategoryId(category)));
            set
        };
        self.audience = Audience {
            sees: Sees { own: set(own), group: set(of_group), ..Sees::default() },
            subject: Some(Box::<str>::from(subject).into()),
            groups: vec![Box::<str>::from(group).into()],
            wards: Vec::new(),
            today: None,
        };
        self
    }

    /// Sees everything of anybody.
    pub(super) fn sees_all(mut self) -> Self {
        self.audience.sees.any = CategorySet(u64::MAX);
        self
    }

    pub(super) fn task(&self) -> Task {
        let data = match &self.data {
            None => PersonalData::Undeclared,
            Some((fields, unknown, record_bytes)) => PersonalData::Declared(Classification {
                records: self.records.iter().map(|path| path.parse().unwrap()).collect(),
                subject: "id".parse().ok(),
                group: "classe".parse().ok(),
                fields: fields
                    .iter()
                    .map(|(path, class)| FieldRule {
                        path: path.parse().unwrap(),
                        class: class
                            .map_or(FieldClass::NotPersonal, |index| FieldClass::Category(CategoryId(index))),
                    })
                    .collect(),
                unknown: *unknown,
                record_bytes: *record_bytes,
                lexicon: Arc::new(lexicon()),
                ..Classification::default()
            }),
        };
        Task {
            plan: Arc::new(Plan::compile(&charter(), &data)),
            audience: Arc::new(self.audience.clone()),
            key: Arc::new(MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "")),
        }
    }

    /// What leaves of a document in pieces of these lengths, over and over, and what was counted.
    pub(super) fn run(
        &self,
        format: &Format,
        document: &[u8],
        pieces: &[usize],
    ) -> (Result<(), RedactError>, Vec<u8>, Tally) {
        let (mut reader, mut out) = (format.redactor(self.task()), Vec::new());
        let (mut rest, mut lengths) = (document, pieces.iter().copied().cycle());
        let mut result = Ok(());
        while result.is_ok() && !rest.is_empty() {
            let (now, later) = rest.split_at(lengths.next().unwrap_or(rest.len()).clamp(1, rest.len()));
            result = reader.push(now, &mut out);
            rest = later;
        }
        let result = result.and_then(|()| reader.finish(&mut out));
        if result.is_err() {
            // Nothing leaves any more, whatever comes.
            let length = out.len();
            assert!(reader.push(b"a,b\n", &mut out).is_err() && reader.finish(&mut out).is_err());
            assert_eq!(out.len(), length);
        }
        (result, out, reader.tally())
    }

    /// What leaves, however the document is cut.
    #[track_caller]
    pub(super) fn redact(&self, format: &Format, document: impl AsRef<[u8]>) -> Result<String, RedactError> {
        let document = document.as_ref();
        let (result, out, tally) = self.run(format, document, &[]);
        for pieces in [&[1][..], &[2, 3], &[7]] {
            let (cut, cut_out, cut_tally) = self.run(format, document, pieces);
            assert_eq!(cut.is_ok(), result.is_ok(), "in pieces of {pieces:?}: {cut:?} {result:?}");
            if result.is_ok() {
                assert_eq!(String::from_utf8_lossy(&cut_out), String::from_utf8_lossy(&out), "{pieces:?}");
                assert_eq!(cut_tally, tally, "in pieces of {pieces:?}");
            }
        }
        result.map(|()| String::from_utf8(out).unwrap())
    }
}
