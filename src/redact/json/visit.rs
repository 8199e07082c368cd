//! What the walker tells of a document, and to whom.

use super::pairs::Part;
use crate::policy::set::Step;
use crate::redact::plan::{ALIVE, Facts, GROUP, INNER_GROUP, INNER_SUBJECT, NAMED, RECORD, SUBJECT, TOLD};

/// What the plan says about a value. Two words, so that it stays in registers: written byte by byte and read in one, it cost
/// a fifth of the walk.
#[derive(Clone, Copy, Debug, Default)]
pub(super) struct Site {
    /// From the lowest bit: the state (32), `class`, `flags`, `keys`, `own` (8 each).
    bits: u64,
    /// From the lowest bit: `step` (16), `also` (8), `part` (8).
    more: u32,
}

const CLASS: u32 = 32;
const FLAGS: u32 = 40;
const KEYS: u32 = 48;
const OWN: u32 = 56;
const ALSO: u32 = 16;
const PART: u32 = 24;

impl Site {
    /// A value at a state of the plan, that nobody classified but as this.
    #[inline(always)]
    pub(super) fn at(state: u32, facts: Facts, class: u8) -> Self {
        let bytes =
            u64::from(class) << CLASS | u64::from(facts.flags) << FLAGS | u64::from(facts.keys) << KEYS;
        Self { bits: u64::from(state) | bytes, more: 0 }
    }

    /// It as it is remembered.
    #[inline(always)]
    pub(super) fn words(self) -> (u64, u32) {
        (self.bits, self.more)
    }

    #[inline(always)]
    pub(super) fn from_words((bits, more): (u64, u32)) -> Self {
        Self { bits, more }
    }

    #[inline(always)]
    pub(super) fn state(self) -> u32 {
        self.bits as u32
    }

    /// 0 for none, [`crate::redact::plan::NOT_PERSONAL`], or a category's number plus [`crate::redact::plan::CATEGORY`].
    #[inline(always)]
    pub(super) fn class(self) -> u8 {
        (self.bits >> CLASS) as u8
    }

    #[inline(always)]
    pub(super) fn flags(self) -> u8 {
        (self.bits >> FLAGS) as u8
    }

    /// What the names of its members are, if it is an object; as `class`.
    #[inline(always)]
    pub(super) fn keys(self) -> u8 {
        (self.bits >> KEYS) as u8
    }

    /// Of [`crate::redact::plan::SEVERAL`]: what the value is.
    pub(super) fn own(self) -> u8 {
        (self.bits >> OWN) as u8
    }

    /// Of [`crate::redact::plan::SEVERAL`]: a category that the value is taken for as well; 0 where it is taken for so many
    /// that nobody may see it.
    pub(super) fn also(self) -> u8 {
        (self.more >> ALSO) as u8
    }

    /// What may be told of the name it stands under.
    #[inline(always)]
    pub(super) fn step(self) -> Step {
        Step::from_bits(self.more as u16)
    }

    /// What it is beside other members.
    #[inline(always)]
    pub(super) fn part(self) -> Part {
        Part::from_bits((self.more >> PART) as u8)
    }

    #[inline(always)]
    pub(super) fn with_part(self, part: Part) -> Self {
        Self { more: self.more & !(0xFF << PART) | u32::from(part.bits()) << PART, ..self }
    }

    #[inline(always)]
    pub(super) fn with_class(self, class: u8) -> Self {
        Self { bits: self.bits & !(0xFF << CLASS) | u64::from(class) << CLASS, ..self }
    }

    /// With these flags as well.
    #[inline(always)]
    pub(super) fn with_flags(self, flags: u8) -> Self {
        Self { bits: self.bits | u64::from(flags) << FLAGS, ..self }
    }

    #[inline(always)]
    pub(super) fn with_step(self, step: Step) -> Self {
        Self { more: self.more & !0xFFFF | u32::from(step.bits()), ..self }
    }

    /// With what [`Site::own`] and [`Site::also`] say.
    pub(super) fn with_several(self, own: u8, also: u8) -> Self {
        Self {
            bits: self.bits & !(0xFF << OWN) | u64::from(own) << OWN,
            more: self.more & !(0xFF << ALSO) | u32::from(also) << ALSO,
        }
    }

    /// Whether the plan says nothing of it: nobody classified it, it relates to nobody, and its name is just a name.
    #[inline(always)]
    pub(super) fn is_plain(self) -> bool {
        self.bits & (0xFF << CLASS | u64::from(SUBJECT | GROUP | INNER_SUBJECT | INNER_GROUP | TOLD) << FLAGS)
            == 0
    }

    /// Whether the value, if an object, is a record.
    pub(super) fn record(self) -> bool {
        self.flags() & RECORD != 0
    }

    /// Whether the value says whose the record or an object in it is, or to which group that belongs.
    pub(super) fn names(self) -> bool {
        self.flags() & (SUBJECT | GROUP | INNER_SUBJECT | INNER_GROUP) != 0
    }

    /// Whether the value says whose the record is.
    pub(super) fn subject(self) -> bool {
        self.flags() & SUBJECT != 0
    }

    /// Whether the value says to which group the record belongs.
    pub(super) fn group(self) -> bool {
        self.flags() & GROUP != 0
    }

    /// Whether the value says whose an object in the record is.
    pub(super) fn inner_subject(self) -> bool {
        self.flags() & INNER_SUBJECT != 0
    }

    /// Whether the value says to which group such an object belongs.
    pub(super) fn inner_group(self) -> bool {
        self.flags() & INNER_GROUP != 0
    }

    /// Whether [`Visit::name`] was told of its name.
    pub(super) fn told(self) -> bool {
        self.flags() & TOLD != 0
    }

    /// Whether it has no name, or one that the route speaks of; set for arrays and objects only.
    pub(super) fn named(self) -> bool {
        self.flags() & NAMED != 0
    }

    /// Whether a rule of the route could match below.
    pub(super) fn alive(self) -> bool {
        self.flags() & ALIVE != 0
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
    /// Nothing more, unless its text may be a document: then where it ends.
    Look,
    /// Where it ends, and its decoded text; also whether that may be a document.
    LookAndValue,
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
    /// A text that is looked at may be a document, or goes on in the next chunk.
    fn suspect(&mut self, at: usize, parent: &Self::Scope, site: Site);
    /// A watched scalar ended; `None` where its value was not asked for or is longer than [`super::MAX_VALUE`].
    fn scalar_end(&mut self, end: usize, value: Option<&[u8]>);
    /// Something that is beside it, and left, turns out to be of this class.
    fn too_late(&mut self, class: u8, scope: Self::Scope);
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
