//! For whom a document is redacted.

use jiff::civil::Date;

use crate::policy::set::{CategorySet, Sees};
use crate::secret::Sensitive;

/// The caller as the engine knows them: what they see in which relation, and whom they are related to. The engine
/// never learns a role.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Audience {
    /// The categories seen in each relation.
    pub sees: Sees,
    /// Who they are, as records name them; an empty text is nobody.
    pub subject: Option<Sensitive<Box<str>>>,
    /// The groups they answer for.
    pub groups: Vec<Sensitive<Box<str>>>,
    /// The children they answer for, named as subjects are.
    pub wards: Vec<Sensitive<Box<str>>>,
    /// The day on which they read, for ages; the redactor has no clock. Without it nobody has an age.
    pub today: Option<Date>,
}

impl Audience {
    /// The categories that some relation of this audience could open and that `any` does not already.
    pub(super) fn by_relation(&self) -> CategorySet {
        let mut open = CategorySet::default();
        if self.subject.as_ref().is_some_and(|subject| !subject.expose().is_empty()) {
            open = open.union(self.sees.own);
        }
        if !self.groups.is_empty() {
            open = open.union(self.sees.group);
        }
        if !self.wards.is_empty() {
            open = open.union(self.sees.ward);
        }
        CategorySet(open.0 & !self.sees.any.0)
    }

    /// Whether a record's subject is the caller.
    pub(super) fn is_self(&self, subject: &[u8]) -> bool {
        self.subject.as_ref().is_some_and(|own| names(own, subject))
    }

    /// Whether a record's subject is a child the caller answers for.
    pub(super) fn answers_for(&self, subject: &[u8]) -> bool {
        self.wards.iter().any(|ward| names(ward, subject))
    }

    /// Whether a record's group is one of the caller's.
    pub(super) fn shares(&self, group: &[u8]) -> bool {
        self.groups.iter().any(|own| names(own, group))
    }
}

/// An empty text names nobody, on either side.
fn names(known: &Sensitive<Box<str>>, text: &[u8]) -> bool {
    !text.is_empty() && known.expose().as_bytes() == text
}
