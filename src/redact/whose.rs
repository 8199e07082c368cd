//! Whose a record is: what its subject and group fields said, and what the audience therefore sees of it.

use super::{Audience, place::Field, plan::Plan};
use crate::policy::set::CategorySet;

/// What a field says of the record that it stands in.
#[derive(Clone, Copy, Debug)]
pub(super) struct Relation {
    /// Whose it is.
    pub(super) subject: bool,
    /// To which group it belongs.
    pub(super) group: bool,
}

impl From<Field> for Relation {
    fn from(field: Field) -> Self {
        Self { subject: field.is_subject(), group: field.is_group() }
    }
}

/// Gathered while one record is read.
#[derive(Debug, Default)]
pub(super) struct Whose {
    subject: Subject,
    grouped: bool,
}

/// The subject that a record names.
#[derive(Debug, Default)]
enum Subject {
    #[default]
    Unknown,
    Named {
        text: Vec<u8>,
        own: bool,
        ward: bool,
    },
    /// Several, one of them perhaps forged: nobody's.
    Disputed,
}

impl Whose {
    /// A subject or group field of the record; `None` where it has no text to compare.
    pub(super) fn named(
        &mut self,
        field: impl Into<Relation>,
        value: Option<&[u8]>,
        plan: &Plan,
        audience: &Audience,
    ) {
        let Relation { subject, group } = field.into();
        if group {
            self.grouped |= value.is_some_and(|group| audience.shares(group));
        }
        if !subject {
            return;
        }
        let one = plan.subject_is_one();
        let (own, ward) = match value {
            Some(text) => (audience.is_self(text), audience.answers_for(text)),
            None => (false, false),
        };
        match (&mut self.subject, value) {
            (subject @ Subject::Unknown, Some(text)) => {
                // Where a record may name several, only whether one of them counts is remembered.
                let text = if one { text.to_vec() } else { Vec::new() };
                *subject = Subject::Named { text, own, ward };
            }
            (Subject::Named { own: any_own, ward: any_ward, .. }, _) if !one => {
                *any_own |= own;
                *any_ward |= ward;
            }
            (_, None) if !one => {}
            (Subject::Named { text, .. }, Some(value)) if text == value => {}
            (subject, _) => *subject = Subject::Disputed,
        }
    }

    /// What the audience sees of the record.
    pub(super) fn visible(&self, audience: &Audience) -> CategorySet {
        let sees = &audience.sees;
        let mut visible = sees.any;
        if let Subject::Named { own, ward, .. } = self.subject {
            for (related, categories) in [(own, sees.own), (ward, sees.ward)] {
                if related {
                    visible = visible.union(categories);
                }
            }
        }
        if self.grouped {
            visible = visible.union(sees.group);
        }
        visible
    }
}
