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
    /// Somebody, or several, are named.
    pub(super) fn is_named(&self) -> bool {
        !matches!(self.subject, Subject::Unknown)
    }

    /// What the audience sees of an object in a record, or in another such object, of which they see this: no more than
    /// of both, unless both are of one person.
    pub(super) fn visible_inside(
        &self,
        around: Option<&Self>,
        visible: CategorySet,
        audience: &Audience,
    ) -> CategorySet {
        let is_same = match (&self.subject, around.map(|around| &around.subject)) {
            (Subject::Unknown, _) => true,
            // Where several may be named, none is remembered.
            (Subject::Named { text, .. }, Some(Subject::Named { text: around, .. })) => {
                text == around && !text.is_empty()
            }
            _ => false,
        };
        if is_same { visible } else { visible.intersection(self.visible(audience)) }
    }

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

/// An object that names somebody, in a record that ended.
pub(super) trait Inside {
    /// Where it begins and ends.
    fn extent(&self) -> (u64, u64);
    /// Whom it names.
    fn whose(&self) -> &Whose;
}

/// What is visible in each of these, in the order of their places: they stand in a record of this person, in which this is
/// visible. `each` is given what is visible around it, and in it.
pub(super) fn settle<T: Inside>(
    people: &mut [T],
    record: &Whose,
    visible: CategorySet,
    audience: &Audience,
    mut each: impl FnMut(&T, CategorySet, CategorySet),
) {
    people.sort_unstable_by_key(|person| person.extent().0);
    let mut around: Vec<(&T, CategorySet)> = Vec::new();
    for person in &*people {
        let (begin, _) = person.extent();
        while around.last().is_some_and(|(outer, _)| outer.extent().1 <= begin) {
            around.pop();
        }
        let (outer, outside) =
            around.last().map_or((record, visible), |(outer, visible)| (outer.whose(), *visible));
        let inside = person.whose().visible_inside(Some(outer), outside, audience);
        each(person, outside, inside);
        if person.whose().is_named() {
            around.push((person, inside));
        }
    }
}
