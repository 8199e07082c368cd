//! What the walker tells of a document, and to whom.

use super::pairs::Part;
use crate::policy::set::Step;
use crate::redact::plan::{ALIVE, Facts, GROUP, INNER_GROUP, INNER_SUBJECT, NAMED, RECORD, SUBJECT, TOLD};

/// What the plan says about a value.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Site {
    pub(super) state: u32,
    /// 0 for none, [`crate::redact::plan::NOT_PERSONAL`], or a category's number plus [`crate::redact::plan::CATEGORY`].
    pub(super) class: u8,
    pub(super) flags: u8,
    /// Of [`crate::redact::plan::SEVERAL`]: what the value is, and a category that it is taken for as well; 0 where it is
    /// taken for so many that nobody may see it.
    pub(super) own: u8,
    pub(super) also: u8,
    /// What the names of its members are, if it is an object; as `class`.
    pub(super) keys: u8,
    /// What may be told of the name it stands under.
    pub(super) step: Step,
    /// What it is beside other members.
    pub(super) part: Part,
}

impl Site {
    /// A value at a state of the plan, that nobody classified.
    pub(super) fn at(state: u32, facts: Facts) -> Self {
        Self { state, flags: facts.flags, keys: facts.keys, ..Self::default() }
    }

    /// Whether the value, if an object, is a record.
    pub(super) fn record(self) -> bool {
        self.flags & RECORD != 0
    }

    /// Whether the value says whose the record or an object in it is, or to which group that belongs.
    pub(super) fn names(self) -> bool {
        self.flags & (SUBJECT | GROUP | INNER_SUBJECT | INNER_GROUP) != 0
    }

    /// Whether the value says whose the record is.
    pub(super) fn subject(self) -> bool {
        self.flags & SUBJECT != 0
    }

    /// Whether the value says to which group the record belongs.
    pub(super) fn group(self) -> bool {
        self.flags & GROUP != 0
    }

    /// Whether the value says whose an object in the record is.
    pub(super) fn inner_subject(self) -> bool {
        self.flags & INNER_SUBJECT != 0
    }

    /// Whether the value says to which group such an object belongs.
    pub(super) fn inner_group(self) -> bool {
        self.flags & INNER_GROUP != 0
    }

    /// Whether [`Visit::name`] was told of its name.
    pub(super) fn told(self) -> bool {
        self.flags & TOLD != 0
    }

    /// Whether it has no name, or one that the route speaks of; set for arrays and objects only.
    pub(super) fn named(self) -> bool {
        self.flags & NAMED != 0
    }

    /// Whether a rule of the route could match below.
    pub(super) fn alive(self) -> bool {
        self.flags & ALIVE != 0
    }
}

/// What a scalar is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Kind {
    Text,
    Number,
    Boolean,
    Null,
}

/// What a visitor wants to know of a scalar.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Watch {
    /// Nothing more.
    Nothing,
    /// Where it ends.
    End,
    /// Where it ends, and its decoded text.
    Value,
}

/// Where a member or element begins: at its comma, or at its first byte where it is the first.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Start {
    /// Place in the document.
    pub(super) at: u64,
    pub(super) comma: bool,
}

/// Told in the order of the document. Places are in the chunk at hand, unless they are [`Start`]s.
pub(super) trait Visit {
    /// Kept for each open array and object, and for the document around its root.
    type Scope: Copy;
    /// The name of the member that comes next, where it may be a value itself: what the plan says of the names of this
    /// object, 0 for nothing.
    fn name(&mut self, name: &[u8], class: u8);
    /// A scalar begins, in the member or element that began at `start`.
    fn scalar(&mut self, at: usize, start: Start, parent: &mut Self::Scope, site: Site, kind: Kind) -> Watch;
    /// A watched scalar ended; `None` where its value was not asked for or is longer than [`super::MAX_VALUE`].
    fn scalar_end(&mut self, end: usize, value: Option<&[u8]>);
    /// An array or object begins.
    fn open(
        &mut self,
        at: usize,
        start: Start,
        parent: &mut Self::Scope,
        site: Site,
        object: bool,
    ) -> Self::Scope;
    /// It ended. `true` stops the walk here, for [`super::walker::Walker::again`].
    fn close(&mut self, end: usize, scope: Self::Scope, parent: &mut Self::Scope) -> bool;
}
