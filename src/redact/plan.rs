//! What a route's policy means for a document, compiled once and independent of who asks.

mod automaton;
mod names;
mod people;
mod starts;

use std::sync::Arc;

use automaton::Automaton;
pub(super) use automaton::{Facts, Kept};
use names::Names;
pub(super) use names::{Symbol, fold_ascii};
use people::People;

use std::borrow::Cow;
use std::collections::HashMap;

use jiff::civil::Date;

use super::action::{Kind, Means, Remedy};
use super::detect::{Detectors, Span};
use crate::policy::set::{
    CategoryId, CategorySet, Charter, Classification, DetectorKind, DetectorKinds, FieldClass, Lexicon,
    PersonalData, Sees, Segment, Step, Unknown, fold_field_name,
};
use crate::secret::DomainKey;

/// Class of a field that its owner declared not personal.
pub(super) const NOT_PERSONAL: u8 = 1;
/// Class of a text in which anything may stand. No charter has so many categories.
pub(super) const FREE_TEXT: u8 = u8::MAX;
/// Class of what nobody classified where every text may hold anything, as in the errors of a GraphQL answer.
pub(super) const REMARK: u8 = u8::MAX - 1;
/// Class of what only holds a document together: its members are judged for themselves.
pub(super) const FRAME: u8 = u8::MAX - 2;
/// Class of a value that has two.
pub(super) const SEVERAL: u8 = u8::MAX - 3;
/// Classes from here on are categories.
pub(super) const CATEGORY: u8 = 2;
/// The value, if an object, is a record.
pub(super) const RECORD: u8 = 1;
/// The value says whose the record is.
pub(super) const SUBJECT: u8 = 2;
/// The value says which group the record belongs to.
pub(super) const GROUP: u8 = 4;
/// A rule of the route could match below the value.
pub(super) const ALIVE: u8 = 8;
/// The name of the member may be a value itself.
pub(super) const TOLD: u8 = 16;
/// The route speaks of the member's name, or it has none.
pub(super) const NAMED: u8 = 32;
/// The value says whose an object around it is that stands in a record.
pub(super) const INNER_SUBJECT: u8 = 64;
/// The value says to which group such an object belongs.
pub(super) const INNER_GROUP: u8 = 128;

/// One route's policy for documents: where personal fields are, and what hides them.
///
/// # Example
/// ```
/// # use std::sync::Arc;
/// # use rempart::policy::set::*;
/// # use rempart::redact::*;
/// # use rempart::secret::*;
/// # let charter = Charter { title: String::new(), version: String::new(), purposes: vec![], recipients: vec![],
/// #     anonymous: RecipientId(0), cookies: vec![], categories: vec![Category { name: "email".into(),
/// #     article: "2".into(), detect: rempart::policy::set::DetectorKinds::NONE, fields: vec!["courriel".into(), "email".into()], otherwise: Action::Mask }] };
/// # let key = Arc::new(MasterSecret::from_bytes(&[7; 32])?.derive(Domain::Api, ""));
/// let plan = Arc::new(Plan::compile(&charter, &PersonalData::Undeclared));
/// let mut redactor = JsonRedactor::new(plan, Arc::new(Audience::default()), key);
/// let mut out = Vec::new();
/// redactor.push(br#"{"id": 7, "e\u006da"#, &mut out)?;
/// redactor.push(br#"il": "jean@x.fr"}"#, &mut out)?;
/// redactor.finish(&mut out)?;
/// assert_eq!(out, br#"{"id": 7, "e\u006dail": "***"}"#);
/// # Ok::<(), Box<dyn std::error::Error>>(())
/// ```
#[derive(Debug)]
pub struct Plan {
    names: Names,
    automaton: Automaton,
    remedies: Vec<Remedy>,
    /// What is looked for in free text, by category.
    detect: Vec<DetectorKinds>,
    /// Categories that a field of this plan can have.
    categories: CategorySet,
    /// Every category of the charter.
    all: CategorySet,
    unknown: Unknown,
    /// The names in which places of unknown fields are told; empty where none is.
    lexicon: Arc<Lexicon>,
    /// Categories that rules of the route give to members of a name, by its folded form.
    named: HashMap<u32, CategorySet>,
    /// Last bytes of the names that mean a category, one bit for each.
    tails: [u64; 4],
    has_records: bool,
    people: People,
    has_free_text: bool,
    subject_is_one: bool,
    record_bytes: usize,
    /// The charter's names alone, for documents inside a text of this one; `None` where that is what this plan is.
    charter_alone: Option<Arc<Plan>>,
}

impl Plan {
    /// Compiles what a charter and a route say. An undeclared route is known by the charter's field names alone, and
    /// has no records; so is an exempt one, which callers do not redact at all.
    pub fn compile(charter: &Charter, data: &PersonalData) -> Self {
        let data: Option<&Classification> = match data {
            PersonalData::Declared(data) => Some(data),
            PersonalData::Undeclared | PersonalData::Exempt { .. } => None,
        };
        let mut names = Names::of(charter);
        let people = data.map(People::of).unwrap_or_default();
        let automaton = Automaton::compile(data, &people, &mut names);
        let mut categories = CategorySet::default();
        let mut all = CategorySet::default();
        for (index, category) in (0..64).zip(&charter.categories) {
            all.insert(CategoryId(index));
            if !category.fields.is_empty() {
                categories.insert(CategoryId(index));
            }
        }
        for field in data.iter().flat_map(|data| data.fields.iter().chain(&data.keys)) {
            if let FieldClass::Category(category) = field.class {
                categories.insert(category);
            }
        }
        // In free texts, and in names of members anywhere.
        for (category, place) in charter.categories.iter().zip(0..) {
            if !category.detect.is_empty() {
                categories.insert(CategoryId(place));
            }
        }
        let mut named: HashMap<u32, CategorySet> = HashMap::new();
        let mut tails = [0; 4];
        let mut end = |name: &str| {
            let last = fold_field_name(name).bytes().next_back().unwrap_or_default();
            tails[usize::from(last >> 6)] |= 1_u64 << (last & 63);
        };
        charter.categories.iter().flat_map(|category| &category.fields).for_each(|name| end(name));
        for field in data.iter().flat_map(|data| &data.fields) {
            if let (FieldClass::Category(category), Some(Segment::Name(name))) =
                (field.class, field.path.segments.last())
            {
                end(name);
                named.entry(names.learn(name).1).or_default().insert(category);
            }
        }
        Self {
            named,
            tails,
            names,
            automaton,
            remedies: charter.categories.iter().map(Remedy::of).collect(),
            detect: charter.categories.iter().map(|category| category.detect).collect(),
            categories,
            all,
            unknown: data.map_or(Unknown::Pass, |data| data.unknown),
            lexicon: data
                .filter(|data| data.unknown != Unknown::Pass)
                .map_or_else(Arc::default, |data| data.lexicon.clone()),
            has_records: data.is_some_and(|data| {
                !data.records.is_empty() && (data.subject.is_some() || data.group.is_some())
            }),
            people,
            has_free_text: data
                .is_some_and(|data| data.fields.iter().any(|field| field.class == FieldClass::FreeText)),
            subject_is_one: data.and_then(|data| data.subject.as_ref()).is_some_and(|path| {
                path.segments.iter().all(|step| matches!(step, Segment::Name(_) | Segment::Index(_)))
            }),
            record_bytes: data.map_or(0, |data| data.record_bytes),
            charter_alone: data.map(|_| Arc::new(Self::compile(charter, &PersonalData::Undeclared))),
        }
    }

    /// Whether this view changes nothing: every category of the plan is seen of anybody, and no unknown field is
    /// denied. Such a document need not be read at all.
    pub fn is_identity(&self, sees: &Sees) -> bool {
        !self.hides(sees.any) && !self.denies_unknown(sees)
    }

    /// Whether what leaves depends on whose record it is: then the caches of two callers must not be shared, and
    /// records are held back until they end.
    pub fn depends_on_relation(&self, sees: &Sees) -> bool {
        let related = sees.own.union(sees.group).union(sees.ward);
        self.has_records && self.related_matters(related, sees)
    }

    /// Whether what leaves depends on the day: then it is another representation tomorrow.
    pub fn depends_on_day(&self) -> bool {
        self.remedies.iter().any(Remedy::depends_on_day)
    }

    pub(super) fn related_matters(&self, related: CategorySet, sees: &Sees) -> bool {
        related.0 & !sees.any.0 & self.categories.0 != 0
    }

    /// Whether the route wrote down what its documents hold.
    pub(super) fn is_declared(&self) -> bool {
        self.charter_alone.is_some()
    }

    /// The plan for a document inside a text that stands at this state, and the state at its root: the route's paths lead
    /// on, where they are few enough to be computed ahead.
    pub(super) fn inside(self: &Arc<Self>, state: u32) -> (Arc<Self>, u32) {
        match &self.charter_alone {
            Some(alone) if !self.automaton.is_computed(state) => (alone.clone(), alone.start()),
            _ => (self.clone(), state),
        }
    }

    /// Whether a field of this plan could be hidden where these categories are visible.
    pub(super) fn hides(&self, visible: CategorySet) -> bool {
        self.categories.0 & !visible.0 != 0
    }

    /// Whether a field of this name could be hidden somewhere, as far as its name alone tells.
    pub(super) fn hides_name(&self, name: &str, visible: CategorySet) -> bool {
        let spelling = self.names.symbols[self.symbol(name.as_bytes()) as usize];
        let mut categories =
            spelling.fold.and_then(|fold| self.named.get(&fold)).copied().unwrap_or_default();
        if let Some(category) = spelling.charter.checked_sub(CATEGORY) {
            categories.insert(CategoryId(category));
        }
        categories.0 & !visible.0 != 0
    }

    /// Whether a hidden name could stand in front of a colon or an equals sign, by its last byte alone: nearly all that stand
    /// in texts are those of addresses and times.
    pub(super) fn may_hide_in_front(&self, text: &str) -> bool {
        let bytes = text.as_bytes();
        let may_end = |byte: u8| self.tails[usize::from(byte >> 6)] & (1 << (byte & 63)) != 0;
        memchr::memchr2_iter(b':', b'=', bytes).any(|at| {
            if bytes[at..].starts_with(b"://") {
                return false;
            }
            let is_around = |byte: &&u8| **byte <= b' ' || b"\"'`\\)]?-_*".contains(*byte);
            match bytes[..at].iter().rev().find(|byte| !is_around(byte)) {
                None => false,
                // An escape, a comment, a letter of several bytes, of which folding may make another.
                Some(b'/' | 0x7F..) => true,
                Some(&last) => may_end(last.to_ascii_lowercase()),
            }
        }) || memchr::memchr(b'\\', bytes).is_some_and(|_| memchr::memchr2(b':', b'=', bytes).is_some())
    }

    /// The category of what a detector finds in a name that nobody knows: one that these may not see, if there is one, and
    /// the strictest of those.
    pub(super) fn found_in_name(&self, name: &[u8], visible: CategorySet) -> Option<CategoryId> {
        let kinds = self.detected(CategorySet::default());
        if kinds.is_empty() {
            return None;
        }
        let mut spans = Vec::new();
        Detectors::new(kinds).find(name, &mut spans);
        let found = spans.iter().filter_map(|span| self.category_of(span.kind));
        found.max_by_key(|&category| (!visible.contains(category), self.remedy(category).removes()))
    }

    /// What stands for a name that is a value: a pseudonym or token, where its category has one. Masks are for who counts
    /// them.
    pub(super) fn name_stand_in(&self, category: CategoryId, means: Means<'_>, name: &str) -> Option<String> {
        match self.remedy(category) {
            remedy @ (Remedy::Pseudonym { .. } | Remedy::Tokenise(_)) => {
                remedy.stand_in(means, name, Kind::Text).into_text().map(Cow::into_owned)
            }
            _ => None,
        }
    }

    /// Whether names of members are looked at: they may be values, or of nobody knows what.
    pub(super) fn minds_names(&self) -> bool {
        self.unknown == Unknown::Deny || self.categories.0 != 0
    }

    /// Whether a path of the route names the member behind which `state` is.
    #[inline(always)]
    pub(super) fn is_named(&self, from: u32, state: u32) -> bool {
        self.automaton.is_named(from, state)
    }

    /// Elements from here on are all alike to the route's paths.
    pub(super) fn distinct_elements(&self) -> usize {
        self.automaton.distinct_elements()
    }

    /// Whether values of fields are looked for in other fields.
    pub(super) fn has_free_text(&self) -> bool {
        self.has_free_text
    }

    pub(super) fn has_records(&self) -> bool {
        self.has_records
    }

    /// How far an object in a record that is another person's stands from what says so.
    pub(super) fn people(&self) -> &People {
        &self.people
    }

    pub(super) fn record_bytes(&self) -> u64 {
        self.record_bytes as u64
    }

    /// Whether a record has one subject, so that two different ones are an attempt to pass for somebody else.
    pub(super) fn subject_is_one(&self) -> bool {
        self.subject_is_one
    }

    pub(super) fn denies_unknown(&self, sees: &Sees) -> bool {
        self.unknown == Unknown::Deny && self.all.0 & !sees.any.0 != 0
    }

    pub(super) fn reports_unknown(&self) -> bool {
        self.unknown == Unknown::Report
    }

    /// What hides a category; an unknown one cannot come out of a compiled policy, and would be removed.
    pub(super) fn remedy(&self, category: CategoryId) -> &Remedy {
        self.remedies.get(category.index()).unwrap_or(&Remedy::REMOVE)
    }

    /// What is looked for in a free text of which these categories are visible.
    pub(super) fn detected(&self, visible: CategorySet) -> DetectorKinds {
        let hidden = self.detect.iter().zip(0..).filter(|(_, place)| !visible.contains(CategoryId(*place)));
        hidden.fold(DetectorKinds::NONE, |all, (kinds, _)| all.union(*kinds))
    }

    /// The category of what a detector found.
    pub(super) fn category_of(&self, kind: DetectorKind) -> Option<CategoryId> {
        self.detect.iter().zip(0..).find(|(kinds, _)| kinds.has(kind)).map(|(_, place)| CategoryId(place))
    }

    #[inline(always)]
    pub(super) fn start(&self) -> u32 {
        self.automaton.start()
    }

    /// The charter's category for a field of this name, wherever it stands.
    pub fn charter_category(&self, name: &str) -> Option<CategoryId> {
        self.charter_class(self.symbol(name.as_bytes())).checked_sub(CATEGORY).map(CategoryId)
    }

    /// Where in a text of which these categories are visible something is found that cannot be mistaken: by a check digit,
    /// or an address of electronic mail.
    pub fn finds(&self, visible: CategorySet, text: &[u8]) -> Vec<Span> {
        const SURE: [DetectorKind; 5] = [
            DetectorKind::Email,
            DetectorKind::Nir,
            DetectorKind::Ine,
            DetectorKind::Iban,
            DetectorKind::Card,
        ];
        let hidden = self.detected(visible);
        let kinds = SURE.into_iter().filter(|kind| hidden.has(*kind)).collect();
        let mut spans = Vec::new();
        Detectors::new(kinds).find(text, &mut spans);
        spans
    }

    /// What stands for a text of this category; `None` where nothing does.
    pub fn stand_in<'a>(
        &'a self,
        category: CategoryId,
        key: &DomainKey,
        today: Option<Date>,
        text: &'a str,
    ) -> Option<Cow<'a, str>> {
        self.remedy(category).stand_in(Means { key, today }, text, Kind::Text).into_text()
    }

    /// Whether a state means the same wherever it is met.
    pub(super) fn is_computed(&self, state: u32) -> bool {
        self.automaton.is_computed(state)
    }

    pub(super) fn symbol(&self, key: &[u8]) -> Symbol {
        self.names.symbol(key)
    }

    /// Whether a name that a rule or the charter has may begin in a text, or behind what is no letter in it.
    pub(super) fn may_begin_name(&self, text: &str) -> bool {
        self.names.starts.may_begin(text)
    }

    /// What may be told of a member's decoded name, if it turns out that nobody classified its value.
    pub(super) fn step(&self, key: &[u8]) -> Step {
        self.lexicon.step(key)
    }

    #[inline(always)]
    pub(super) fn charter_class(&self, symbol: Symbol) -> u8 {
        self.names.symbols[symbol as usize].charter
    }

    #[inline(always)]
    pub(super) fn member(&self, from: u32, symbol: Symbol, kept: &mut Kept, depth: usize) -> u32 {
        self.automaton.member(from, symbol, kept, depth)
    }

    #[inline(always)]
    pub(super) fn element(&self, from: u32, index: u32, kept: &mut Kept, depth: usize) -> u32 {
        self.automaton.element(from, index, kept, depth)
    }

    #[inline(always)]
    pub(super) fn enter_record(&self, state: u32, kept: &mut Kept, depth: usize) -> u32 {
        self.automaton.enter(state, kept, depth)
    }

    #[inline(always)]
    pub(super) fn facts(&self, state: u32, kept: &Kept) -> Facts {
        self.automaton.facts(state, kept)
    }
}

#[cfg(test)]
mod tests;
