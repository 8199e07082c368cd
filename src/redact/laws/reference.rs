//! The same rules on a tree, slowly: no automaton, no streaming, no holding back.

use std::collections::HashSet;
use std::fmt;

use serde::de::{Deserialize, Deserializer, MapAccess, SeqAccess, Visitor};

use super::scenario;
use crate::policy::set::{
    self, Action, CategoryId, CategorySet, Charter, Classification, FieldClass, JsonPath, PersonalData,
    Segment, Trail, Unknown, fold_field_name,
};
use crate::redact::action::{Kind, Means, Remedy, StandIn};
use crate::redact::json::{Part, names_in};
use crate::redact::{Audience, Tally};

/// A document with its duplicate keys and their order.
#[derive(Clone, Debug, PartialEq)]
pub(super) enum Tree {
    Null,
    Boolean(bool),
    Number(serde_json::Number),
    Text(String),
    Array(Vec<Tree>),
    Object(Vec<(String, Tree)>),
    /// A text that is a document.
    Inside(Box<Tree>),
}

impl Tree {
    fn is_empty(&self) -> bool {
        match self {
            Self::Array(elements) => elements.is_empty(),
            Self::Object(members) => members.is_empty(),
            _ => false,
        }
    }

    /// The same with every text that is a document read as one.
    pub(super) fn opened(self) -> Self {
        match self {
            Self::Text(text) => {
                Self::inside(&text).map_or(Self::Text(text), |inside| Self::Inside(Box::new(inside.opened())))
            }
            Self::Inside(inside) => Self::Inside(Box::new(inside.opened())),
            Self::Array(elements) => Self::Array(elements.into_iter().map(Self::opened).collect()),
            Self::Object(members) => {
                Self::Object(members.into_iter().map(|(key, value)| (key, value.opened())).collect())
            }
            other => other,
        }
    }

    /// The document in a text.
    fn inside(text: &str) -> Option<Self> {
        let document: Self = serde_json::from_str(text).ok()?;
        matches!(document, Self::Text(_) | Self::Array(_) | Self::Object(_)).then_some(document)
    }
}

impl<'de> Deserialize<'de> for Tree {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Build;
        impl<'de> Visitor<'de> for Build {
            type Value = Tree;
            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("JSON")
            }
            fn visit_unit<E>(self) -> Result<Tree, E> {
                Ok(Tree::Null)
            }
            fn visit_bool<E>(self, value: bool) -> Result<Tree, E> {
                Ok(Tree::Boolean(value))
            }
            fn visit_i64<E>(self, value: i64) -> Result<Tree, E> {
                Ok(Tree::Number(value.into()))
            }
            fn visit_u64<E>(self, value: u64) -> Result<Tree, E> {
                Ok(Tree::Number(value.into()))
            }
            fn visit_f64<E>(self, value: f64) -> Result<Tree, E> {
                Ok(serde_json::Number::from_f64(value).map_or(Tree::Null, Tree::Number))
            }
            fn visit_str<E>(self, value: &str) -> Result<Tree, E> {
                Ok(Tree::Text(value.to_owned()))
            }
            fn visit_seq<A: SeqAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut all = Vec::new();
                while let Some(element) = access.next_element()? {
                    all.push(element);
                }
                Ok(Tree::Array(all))
            }
            fn visit_map<A: MapAccess<'de>>(self, mut access: A) -> Result<Tree, A::Error> {
                let mut all = Vec::new();
                while let Some(member) = access.next_entry()? {
                    all.push(member);
                }
                Ok(Tree::Object(all))
            }
        }
        deserializer.deserialize_any(Build)
    }
}

/// What a path is for.
#[derive(Clone, Copy, Debug)]
enum Goal {
    Field(FieldClass),
    Record,
    Subject,
    Group,
    InnerSubject,
    InnerGroup,
}

/// One step from the root.
#[derive(Clone, Debug)]
enum Step {
    Key(String),
    Place(usize),
}

/// An open record, an object in one that names a subject of its own, or a document in a text.
struct Around {
    visible: CategorySet,
    /// The one subject that it names.
    subject: Option<String>,
}

/// The reference.
pub(super) struct Reference<'a> {
    charter: &'a Charter,
    data: Option<&'a Classification>,
    audience: &'a Audience,
    deny: bool,
    report: bool,
    steps: Vec<Step>,
    /// How many steps lead to each open record.
    records: Vec<usize>,
    around: Vec<Around>,
    /// The paths to the subject and the group of an object in a record.
    inner: [Option<JsonPath>; 2],
    /// What members beside the value at hand name, if it may be the value of that.
    paired: Vec<CategoryId>,
    pub(super) tally: Tally,
}

impl<'a> Reference<'a> {
    pub(super) fn new(charter: &'a Charter, data: &'a PersonalData, audience: &'a Audience) -> Self {
        let data = match data {
            PersonalData::Declared(data) => Some(data),
            _ => None,
        };
        let unknown = data.map(|data| data.unknown);
        let inner = data.map_or([None, None], |data| {
            let subject = data.subject.as_ref().and_then(|path| inner(path, data));
            let group = data.group.as_ref().and_then(|path| inner(path, data)).filter(|_| subject.is_some());
            [subject, group]
        });
        let all = (0..charter.categories.len()).all(|at| audience.sees.any.contains(CategoryId(at as u8)));
        Self {
            charter,
            data,
            audience,
            deny: unknown == Some(Unknown::Deny) && !all,
            report: unknown == Some(Unknown::Report),
            steps: Vec::new(),
            records: Vec::new(),
            around: Vec::new(),
            inner,
            paired: Vec::new(),
            tally: Tally::default(),
        }
    }

    /// The redacted document.
    pub(super) fn redact(&mut self, root: &Tree) -> Tree {
        self.value(root, false, false).unwrap_or(Tree::Null)
    }

    /// What is left of a value. `doubtful` where it stands in something that leaves only with something classified.
    fn value(&mut self, tree: &Tree, known: bool, doubtful: bool) -> Option<Tree> {
        let mut class = self.class();
        let paired = std::mem::take(&mut self.paired);
        if let Some(&one) = paired.first() {
            let visible = self.visible();
            let own = match class {
                None | Some(FieldClass::NotPersonal) => None,
                Some(class) => {
                    Some(class).filter(|own| !paired.iter().any(|&one| *own == FieldClass::Category(one)))
                }
            };
            let hidden = match (&*paired, own) {
                ([one], _) => Some(*one).filter(|&one| !visible.contains(one)),
                ([_, two], None) => Some(*two).filter(|&two| !visible.contains(two)),
                _ => Some(one),
            };
            if let Some(hidden) = hidden {
                self.tally.redacted(hidden);
                return self.hidden(tree, hidden);
            }
            class = own.or(Some(FieldClass::Category(one)));
        }
        match class {
            // Its texts have a test of their own: no scenario of the laws has one.
            Some(FieldClass::NotPersonal | FieldClass::FreeText) => self.left(tree, true, false),
            Some(FieldClass::Category(category)) => {
                if !self.visible().contains(category) {
                    self.tally.redacted(category);
                    return self.hidden(tree, category);
                }
                self.left(tree, true, false)
            }
            None if known => self.left(tree, true, false),
            None => {
                let scalar = !matches!(tree, Tree::Array(_) | Tree::Object(_));
                if self.report && scalar {
                    self.unclassified();
                }
                if self.deny && (scalar || !(self.steps.is_empty() || self.alive())) {
                    self.unclassified();
                    return None;
                }
                let doubtful = self.deny && !self.steps.is_empty() && (doubtful || !self.is_named());
                self.left(tree, false, doubtful).filter(|left| !(doubtful && left.is_empty()))
            }
        }
    }

    /// Counts the value at hand, and tells where it stands.
    fn unclassified(&mut self) {
        let told: Vec<set::Step> = self
            .steps
            .iter()
            .map(|step| match (step, self.data) {
                (Step::Key(key), Some(data)) => data.lexicon.step(key.as_bytes()),
                (Step::Key(_), None) => set::Step::UNKNOWN,
                (Step::Place(_), _) => set::Step::ELEMENT,
            })
            .collect();
        let place = told.split_last().map_or(Trail::ROOT, |(last, around)| Trail::through(around, *last));
        self.tally.unclassified_at(|| Some(place));
    }

    /// What is visible in the record at hand.
    fn visible(&self) -> CategorySet {
        self.around.last().map_or(self.audience.sees.any, |around| around.visible)
    }

    /// What is left in a value that leaves.
    fn left(&mut self, tree: &Tree, known: bool, doubtful: bool) -> Option<Tree> {
        Some(match tree {
            Tree::Array(elements) => {
                let mut kept = Vec::new();
                for (at, element) in elements.iter().enumerate() {
                    self.steps.push(Step::Place(at));
                    kept.extend(self.value(element, known, doubtful));
                    self.steps.pop();
                }
                Tree::Array(kept)
            }
            Tree::Object(members) => {
                let record = self.is_record();
                let around = if record {
                    self.records.push(self.steps.len());
                    let subject =
                        self.data.and_then(|data| data.subject.as_ref()).filter(|path| is_one(path));
                    let subject = subject.and_then(|path| one(&self.named(tree, path, false)));
                    Some(Around { visible: self.visible_in(tree), subject })
                } else {
                    self.person(tree)
                };
                let depth = self.around.len();
                self.around.extend(around);
                let mut paired = Vec::new();
                for (key, member) in members {
                    match member {
                        Tree::Text(text) if Part::of(key).is_name() => self.names(text, &mut paired),
                        _ => {}
                    }
                }
                let (mut kept, mut masked) = (Vec::new(), 0);
                for (key, member) in members {
                    self.steps.push(Step::Key(key.clone()));
                    if let Some(name) = self.name(key, known, &mut masked) {
                        if Part::of(key).is_value() {
                            self.paired.clone_from(&paired);
                        }
                        kept.extend(self.value(member, known, doubtful).map(|value| (name, value)));
                    }
                    self.steps.pop();
                }
                self.around.truncate(depth);
                if record {
                    self.records.pop();
                }
                Tree::Object(kept)
            }
            Tree::Text(text) => match Tree::inside(text) {
                Some(document) => {
                    // Whose the record around a text is, nobody in it remembers.
                    self.around.push(Around { visible: self.visible(), subject: None });
                    let left = self.left(&document, true, false).unwrap_or(Tree::Null);
                    self.around.pop();
                    Tree::Inside(Box::new(left))
                }
                None => tree.clone(),
            },
            scalar => scalar.clone(),
        })
    }

    /// The categories of a member that a text names, beside which it stands.
    fn names(&mut self, text: &str, paired: &mut Vec<CategoryId>) {
        for name in names_in(text.trim()).filter(|name| self.is_learnt(name)).collect::<Vec<_>>() {
            self.steps.push(Step::Key(name.into()));
            if let Some(FieldClass::Category(category)) = self.class()
                && !paired.contains(&category)
            {
                paired.push(category);
            }
            self.steps.pop();
        }
    }

    /// The name under which a member leaves, if it does; its step was taken.
    fn name(&mut self, key: &str, known: bool, masked: &mut u32) -> Option<String> {
        if self.is_learnt(key) {
            return Some(key.to_owned());
        }
        let email = CategoryId(1);
        if key.contains('@') && !self.charter.categories[1].detect.is_empty() {
            if self.visible().contains(email) {
                return Some(key.to_owned());
            }
            self.tally.redacted(email);
            let remedy = Remedy::of(&self.charter.categories[1]);
            return match &remedy {
                Remedy::Remove => None,
                Remedy::Pseudonym { .. } | Remedy::Tokenise(_) => {
                    match self.replaced(&Tree::Text(key.to_owned()), &remedy) {
                        Tree::Text(name) => Some(name),
                        _ => None,
                    }
                }
                _ => {
                    *masked += 1;
                    Some(if *masked == 1 { "***".into() } else { format!("*** {masked}") })
                }
            };
        }
        let is_word = key.is_ascii() && !key.contains([' ', '@']);
        if self.deny && !known && !is_word && self.class().is_none() {
            self.unclassified();
            return None;
        }
        Some(key.to_owned())
    }

    /// Every path of the route.
    fn paths(&self) -> impl Iterator<Item = (&JsonPath, Goal)> {
        let data = self.data.into_iter();
        data.flat_map(|data| {
            let fields = data.fields.iter().map(|rule| (&rule.path, Goal::Field(rule.class)));
            let records = data.records.iter().map(|path| (path, Goal::Record));
            let subject = data.subject.iter().map(|path| (path, Goal::Subject));
            let group = data.group.iter().map(|path| (path, Goal::Group));
            let [inner, inner_group] = &self.inner;
            let inner = inner.iter().map(|path| (path, Goal::InnerSubject));
            let inner_group = inner_group.iter().map(|path| (path, Goal::InnerGroup));
            fields.chain(records).chain(subject).chain(group).chain(inner).chain(inner_group)
        })
    }

    /// Whether the policy knows a name, wherever.
    fn is_learnt(&self, key: &str) -> bool {
        let folded = fold_field_name(key);
        let charter = self.charter.categories.iter().flat_map(|category| &category.fields);
        let spelled = self.paths().flat_map(|(path, _)| &path.segments).filter_map(|segment| match segment {
            Segment::Name(name) => Some(name),
            _ => None,
        });
        charter.chain(spelled).any(|name| fold_field_name(name) == folded)
    }

    /// Whether a path names the last step: another name would lead elsewhere.
    fn is_named(&self) -> bool {
        let Some((Step::Key(_), around)) = self.steps.split_last() else { return true };
        let mut other = around.to_vec();
        other.push(Step::Key("\u{1}".into()));
        self.positions(&self.steps) != self.positions(&other)
    }

    /// How far the paths lead along these steps; of those that end there, what they say.
    fn positions(&self, steps: &[Step]) -> HashSet<String> {
        let mut found = HashSet::new();
        for (at, (path, goal)) in self.paths().enumerate() {
            let folds =
                matches!(goal, Goal::Record | Goal::InnerSubject | Goal::Field(FieldClass::Category(_)));
            let origins = match goal {
                _ if path.absolute => vec![0],
                // A record says for itself whose it is.
                Goal::Subject | Goal::Group | Goal::InnerSubject | Goal::InnerGroup => {
                    self.records.last().copied().into_iter().collect()
                }
                _ => self.origins(path),
            };
            for from in origins {
                for length in 0..=path.segments.len() {
                    // Who stands in front of any depth stands behind it as well.
                    if matches!(path.segments.get(length), Some(Segment::Descend)) {
                        continue;
                    }
                    if selects(&path.segments[..length], &steps[from..], folds) {
                        let ends = length == path.segments.len();
                        found.insert(if ends { format!("{goal:?}") } else { format!("{at} {length}") });
                    }
                }
            }
        }
        found
    }

    fn hidden(&self, tree: &Tree, category: CategoryId) -> Option<Tree> {
        let category = &self.charter.categories[category.index()];
        match &category.otherwise {
            Action::Remove => None,
            Action::Null => Some(Tree::Null),
            _ => Some(self.replaced(tree, &Remedy::of(category))),
        }
    }

    /// What stands for one value is the actions' own business, and tested there.
    fn replaced(&self, tree: &Tree, remedy: &Remedy) -> Tree {
        let (kind, value) = match tree {
            Tree::Array(elements) => {
                return Tree::Array(elements.iter().map(|one| self.replaced(one, remedy)).collect());
            }
            Tree::Null | Tree::Object(_) | Tree::Inside(_) => return Tree::Null,
            Tree::Boolean(value) => (Kind::Boolean, value.to_string()),
            Tree::Text(text) => (Kind::Text, text.clone()),
            Tree::Number(number) => (Kind::Number, number.to_string()),
        };
        let Some(key) = scenario::key() else { return Tree::Null };
        let means = Means { key: &key, today: self.audience.today };
        match remedy.stand_in(means, &value, kind) {
            StandIn::Gone | StandIn::Null => Tree::Null,
            StandIn::Text(text) => Tree::Text(text.into_owned()),
            StandIn::Number(number) => serde_json::from_str(&number).unwrap_or(Tree::Null),
        }
    }

    /// What a route's rules, or else the charter's names, say about where `steps` lead.
    fn class(&self) -> Option<FieldClass> {
        for rule in self.data.iter().flat_map(|data| &data.fields) {
            let folds = rule.class != FieldClass::NotPersonal;
            if self
                .origins(&rule.path)
                .into_iter()
                .any(|from| selects(&rule.path.segments, &self.steps[from..], folds))
            {
                return Some(rule.class);
            }
        }
        let Some(Step::Key(key)) = self.steps.last() else { return None };
        let folded = fold_field_name(key);
        let index = self
            .charter
            .categories
            .iter()
            .position(|category| category.fields.iter().any(|field| fold_field_name(field) == folded))?;
        Some(FieldClass::Category(CategoryId(index as u8)))
    }

    /// Where a path may begin: at the root, or in any record around.
    fn origins(&self, path: &JsonPath) -> Vec<usize> {
        if path.absolute { vec![0] } else { self.records.clone() }
    }

    fn is_record(&self) -> bool {
        self.data
            .is_some_and(|data| data.records.iter().any(|path| selects(&path.segments, &self.steps, true)))
    }

    /// Whether a rule could select something below.
    fn alive(&self) -> bool {
        let Some(data) = self.data else { return false };
        let opens = self.is_record() && data.fields.iter().any(|rule| !rule.path.absolute);
        opens
            || data.records.iter().any(|path| leads(&path.segments, &self.steps, true))
            || data.fields.iter().any(|rule| {
                let folds = rule.class != FieldClass::NotPersonal;
                self.origins(&rule.path)
                    .into_iter()
                    .any(|from| leads(&rule.path.segments, &self.steps[from..], folds))
            })
    }

    /// What is visible in the record that `steps` lead to.
    fn visible_in(&self, record: &Tree) -> CategorySet {
        let Some(data) = self.data else { return self.audience.sees.any };
        let named = |path: &Option<JsonPath>| {
            path.as_ref().map(|path| (is_one(path), self.named(record, path, false)))
        };
        self.visible_to(named(&data.subject), named(&data.group))
    }

    /// What is visible of what names these subjects, which may be one alone, and these groups.
    fn visible_to(
        &self,
        subject: Option<(bool, Vec<Option<String>>)>,
        group: Option<(bool, Vec<Option<String>>)>,
    ) -> CategorySet {
        let sees = &self.audience.sees;
        let mut visible = sees.any;
        if let Some((one, values)) = subject {
            let distinct: HashSet<&Option<String>> = values.iter().collect();
            if !one || distinct.len() == 1 {
                let is =
                    |known: &str| !known.is_empty() && values.iter().flatten().any(|value| value == known);
                if self.audience.subject.as_ref().is_some_and(|own| is(own.expose())) {
                    visible = visible.union(sees.own);
                }
                if self.audience.wards.iter().any(|ward| is(ward.expose())) {
                    visible = visible.union(sees.ward);
                }
            }
        }
        if let Some((_, values)) = group {
            let shared =
                |group: &str| !group.is_empty() && values.iter().flatten().any(|value| value == group);
            if self.audience.groups.iter().any(|group| shared(group.expose())) {
                visible = visible.union(sees.group);
            }
        }
        visible
    }

    /// An object in a record that names a subject of its own.
    fn person(&self, object: &Tree) -> Option<Around> {
        let around = self.around.last().filter(|_| !self.records.is_empty())?;
        let [Some(path), group] = &self.inner else { return None };
        let from_object =
            |path: &JsonPath| JsonPath { absolute: false, segments: path.segments[1..].to_vec() };
        let path = from_object(path);
        let values = self.named(object, &path, true);
        // Where several may be named, what is no text is none of them.
        if values.is_empty() || (!is_one(&path) && values.iter().all(Option::is_none)) {
            return None;
        }
        let subject = if is_one(&path) { one(&values) } else { None };
        if subject.is_some() && subject == around.subject {
            return Some(Around { visible: around.visible, subject });
        }
        let groups = group.as_ref().map(|path| (true, self.named(object, &from_object(path), false)));
        let visible = self.visible_to(Some((is_one(&path), values)), groups);
        Some(Around { visible: CategorySet(visible.0 & around.visible.0), subject })
    }

    /// The values that a path selects in a record, but not in records inside it; `None` for what is no text or number.
    fn named(&self, record: &Tree, path: &JsonPath, folds: bool) -> Vec<Option<String>> {
        let mut steps = self.steps.clone();
        let from = if path.absolute { 0 } else { steps.len() };
        let mut found = Vec::new();
        self.collect(record, (path, folds), from, &mut steps, true, &mut found);
        found
    }

    fn collect(
        &self,
        tree: &Tree,
        path: (&JsonPath, bool),
        from: usize,
        steps: &mut Vec<Step>,
        top: bool,
        found: &mut Vec<Option<String>>,
    ) {
        if !top && selects(&path.0.segments, &steps[from..], path.1) {
            found.push(match tree {
                Tree::Text(text) => Some(text.clone()),
                Tree::Number(number) => Some(number.to_string()),
                _ => None,
            });
        }
        let inner = |steps: &[Step]| {
            self.data.is_some_and(|data| data.records.iter().any(|path| selects(&path.segments, steps, true)))
        };
        match tree {
            Tree::Array(elements) => {
                for (at, element) in elements.iter().enumerate() {
                    steps.push(Step::Place(at));
                    self.collect(element, path, from, steps, false, found);
                    steps.pop();
                }
            }
            Tree::Object(members) if top || !inner(steps) => {
                for (key, member) in members {
                    steps.push(Step::Key(key.clone()));
                    self.collect(member, path, from, steps, false, found);
                    steps.pop();
                }
            }
            _ => {}
        }
    }
}

/// A path from any object in a record.
fn inner(path: &JsonPath, data: &Classification) -> Option<JsonPath> {
    let steps = match path.absolute {
        false => path.segments.clone(),
        true => {
            let fits = |record: &&JsonPath| path.segments.starts_with(&record.segments);
            path.segments[data.records.iter().find(fits)?.segments.len()..].to_vec()
        }
    };
    let known = !steps.is_empty() && !steps.contains(&Segment::Descend);
    known.then(|| JsonPath { absolute: false, segments: [vec![Segment::Descend], steps].concat() })
}

/// Whether a path leads to one value.
fn is_one(path: &JsonPath) -> bool {
    !path.segments.iter().any(|step| matches!(step, Segment::Any | Segment::Descend))
}

/// The one text that is there, however often.
fn one(values: &[Option<String>]) -> Option<String> {
    let first = values.first()?.clone()?;
    (!first.is_empty() && values.iter().all(|value| value.as_ref() == Some(&first))).then_some(first)
}

/// Whether one segment takes one step.
fn takes(segment: &Segment, step: &Step, folds: bool) -> bool {
    match (segment, step) {
        (Segment::Any, _) => true,
        (Segment::Name(name), Step::Key(key)) => {
            name == key || (folds && fold_field_name(name) == fold_field_name(key))
        }
        (Segment::Index(index), Step::Place(place)) => index == place,
        _ => false,
    }
}

/// Whether a path leads exactly along these steps.
fn selects(segments: &[Segment], steps: &[Step], folds: bool) -> bool {
    match (segments.split_first(), steps.split_first()) {
        (None, None) => true,
        (None, Some(_)) => false,
        (Some((Segment::Descend, rest)), step) => {
            selects(rest, steps, folds) || step.is_some_and(|(_, behind)| selects(segments, behind, folds))
        }
        (Some((segment, rest)), Some((step, behind))) => {
            takes(segment, step, folds) && selects(rest, behind, folds)
        }
        (Some(_), None) => false,
    }
}

/// Whether a path leads along these steps and further.
fn leads(segments: &[Segment], steps: &[Step], folds: bool) -> bool {
    match (segments.split_first(), steps.split_first()) {
        (None, _) => false,
        (Some(_), None) => true,
        (Some((Segment::Descend, rest)), Some((_, behind))) => {
            leads(rest, steps, folds) || leads(segments, behind, folds)
        }
        (Some((segment, rest)), Some((step, behind))) => {
            takes(segment, step, folds) && leads(rest, behind, folds)
        }
    }
}
