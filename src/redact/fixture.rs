//! What the tests of the formats share: a charter, a reader who sees nothing, and every way to cut a body.

use std::sync::Arc;

use super::{Audience, Format, Plan, RedactError, Tally, Task};
use crate::policy::set::{Action, Category, Charter, Classification, PersonalData, RecipientId, Unknown};
use crate::secret::{Domain, MasterSecret};

/// By the charter's names, on a route that says this of what nobody classified; `None` for an undeclared one.
pub(super) fn task(unknown: Option<Unknown>) -> Task {
    let category = |name: &str, otherwise| Category {
        name: name.into(),
        article: "2".into(),
        detect: crate::policy::set::DetectorKinds::NONE,
        fields: vec![name.into()],
        otherwise,
    };
    let charter = Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories: vec![category("name", Action::Mask), category("note", Action::Remove)],
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    };
    let data = unknown.map_or(PersonalData::Undeclared, |unknown| {
        PersonalData::Declared(Classification {
            lexicon: std::sync::Arc::default(),
            records: Vec::new(),
            subject: None,
            group: None,
            fields: Vec::new(),
            keys: Vec::new(),
            headers: std::sync::Arc::default(),
            formats: Vec::new(),
            pass_types: Vec::new(),
            unknown,
            record_bytes: 1 << 16,
        })
    });
    let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, "");
    Task {
        plan: Arc::new(Plan::compile(&charter, &data)),
        audience: Arc::new(Audience::default()),
        key: Arc::new(key),
    }
}

/// Redacts whole, in sevens and byte by byte, wants the same verdict and the same text where it is accepted, and gives
/// what left before an error too.
pub(super) fn redact(format: &Format, task: &Task, body: &[u8]) -> (Result<(), RedactError>, String, Tally) {
    let run = |size: usize| {
        let mut redactor = format.redactor(task.clone());
        let mut out = Vec::new();
        let pushed = body.chunks(size).try_for_each(|chunk| redactor.push(chunk, &mut out));
        let result = pushed.and_then(|()| redactor.finish(&mut out));
        let after = out.len();
        let repeated = redactor.push(b"{}", &mut out).unwrap_err();
        assert_eq!(
            repeated,
            result.err().unwrap_or(RedactError::Finished),
            "an error or the end is for good"
        );
        assert_eq!(out.len(), after);
        (result, String::from_utf8(out).unwrap(), redactor.tally())
    };
    let whole = run(body.len().max(1));
    for size in [7, 1] {
        let cut = run(size);
        assert_eq!(cut.0.is_ok(), whole.0.is_ok());
        if whole.0.is_ok() {
            assert_eq!(cut, whole);
        }
        assert!(!cut.1.contains("Jean"), "{}", cut.1);
    }
    whole
}
