//! What the names in a request mean: the fields of the route's answers and the charter's names, wherever they stand, and
//! the operators that query languages hang on them.

use std::collections::HashMap;

use crate::policy::set::{
    CategoryId, CategorySet, Charter, FieldClass, LooseFormat, PersonalData, Segment, WayBack,
    fold_field_name,
};

/// What platforms append to a field's name to compare it (Django, Rails, Hasura, json-server, Spring), folded. The
/// longest first, so that `notin` is not taken for `in`.
const BEHIND: [&str; 54] = [
    "icontains",
    "contains",
    "istartswith",
    "startswith",
    "iendswith",
    "endswith",
    "iexact",
    "exact",
    "iregex",
    "regex",
    "isnull",
    "isempty",
    "isnot",
    "notnull",
    "notin",
    "noteq",
    "between",
    "before",
    "after",
    "since",
    "until",
    "range",
    "lookup",
    "search",
    "ilike",
    "like",
    "match",
    "matches",
    "overlap",
    "year",
    "month",
    "day",
    "week",
    "date",
    "hour",
    "length",
    "count",
    "gteq",
    "lteq",
    "gte",
    "lte",
    "neq",
    "not",
    "nin",
    "min",
    "max",
    "from",
    "gt",
    "ge",
    "lt",
    "le",
    "eq",
    "ne",
    "in",
];
/// What they put in front of it.
const BEFORE: [&str; 22] = [
    "filterby", "searchby", "orderby", "sortby", "groupby", "filter", "search", "sort", "order", "where",
    "find", "exclude", "without", "not", "min", "max", "from", "since", "until", "before", "after", "by",
];

/// The names of one route.
#[derive(Debug)]
pub(super) struct Names {
    /// By the folded name of the field itself.
    rules: HashMap<String, Vec<Rule>>,
    /// By the same, what a field is that a path from the root leads to: who asks by it need not say the way.
    alone: HashMap<String, CategoryId>,
    charter: HashMap<String, CategoryId>,
    parameters: HashMap<String, FieldClass>,
    /// Every category that a name here can have.
    pub(super) categories: CategorySet,
}

/// A classified field, by the names on the way to it.
#[derive(Debug)]
struct Rule {
    exact: Vec<String>,
    folded: Vec<String>,
    class: FieldClass,
}

/// What a name was found to be.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Named {
    /// Of this category.
    pub(super) category: CategoryId,
    /// The name is the field's, without an operator.
    pub(super) exact: bool,
}

impl Names {
    pub(super) fn compile(charter: &Charter, data: &PersonalData, way_back: &WayBack) -> Self {
        let mut categories = CategorySet::default();
        let mut rules: HashMap<String, Vec<Rule>> = HashMap::new();
        let mut alone = HashMap::new();
        if let PersonalData::Declared(data) = data {
            let by_graphql = data.formats.contains(&LooseFormat::Graphql);
            for rule in &data.fields {
                let named = |segment: &Segment| match segment {
                    Segment::Name(name) => Some(name.clone()),
                    _ => None,
                };
                let exact: Vec<String> = rule.path.segments.iter().filter_map(named).collect();
                let folded: Vec<String> = exact.iter().map(|name| fold_field_name(name)).collect();
                let Some(last) = folded.last() else { continue };
                if let FieldClass::Category(category) = rule.class {
                    categories.insert(category);
                    // An argument of any field may ask for it, and the way of an answer is not the argument's.
                    if by_graphql && exact.len() > 1 {
                        let name = |names: &[String]| names.last().cloned().into_iter().collect();
                        let (exact, folded) = (name(&exact), name(&folded));
                        rules.entry(last.clone()).or_default().push(Rule {
                            exact,
                            folded,
                            class: rule.class,
                        });
                    }
                }
                if rule.path.absolute
                    && let FieldClass::Category(category) = rule.class
                {
                    alone.entry(last.clone()).or_insert(category);
                }
                rules.entry(last.clone()).or_default().push(Rule { exact, folded, class: rule.class });
            }
        }
        let mut by_charter = HashMap::new();
        for (place, category) in (0..64).zip(&charter.categories) {
            for field in &category.fields {
                categories.insert(CategoryId(place));
                // As in answers: where two categories claim one name, the first keeps it.
                by_charter.entry(fold_field_name(field)).or_insert(CategoryId(place));
            }
        }
        for (_, class) in &way_back.parameters {
            if let FieldClass::Category(category) = class {
                categories.insert(*category);
            }
        }
        let parameters = way_back.parameters.iter().cloned().collect();
        Self { rules, alone, charter: by_charter, parameters, categories }
    }

    /// What the route's owner said of a parameter.
    pub(super) fn parameter(&self, name: &str) -> Option<FieldClass> {
        self.parameters.get(&fold_field_name(name)).copied()
    }

    /// What the field at the end of these names is. The rule with the longest way to it wins, as it says most.
    pub(super) fn field(&self, path: &[&str]) -> Option<FieldClass> {
        let folded: Vec<String> = path.iter().map(|name| fold_field_name(name)).collect();
        let last = folded.last()?;
        let fits = |rule: &&Rule| match rule.class {
            FieldClass::Category(_) => folded.ends_with(&rule.folded),
            FieldClass::NotPersonal | FieldClass::FreeText => {
                path.len() >= rule.exact.len()
                    && path[path.len() - rule.exact.len()..]
                        .iter()
                        .zip(&rule.exact)
                        .all(|(one, two)| one == two)
            }
        };
        let mut best: Option<&Rule> = None;
        for rule in self.rules.get(last).into_iter().flatten().filter(fits) {
            if best.is_none_or(|best| rule.exact.len() > best.exact.len()) {
                best = Some(rule);
            }
        }
        best.map(|rule| rule.class).or_else(|| self.charter.get(last).copied().map(FieldClass::Category))
    }

    /// The category that a name means, alone or with an operator; below what stands around it. A name of several parts
    /// (`user[birth_year][gte]`) means whatever one of them means.
    pub(super) fn mentioned(&self, around: &[&str], name: &str) -> Option<Named> {
        let parts = words(name);
        let mut path = around.to_vec();
        for (place, part) in parts.iter().enumerate() {
            path.push(part);
            match self.field(&path) {
                Some(FieldClass::Category(category)) => {
                    return Some(Named { category, exact: place + 1 == parts.len() });
                }
                // Its owner said so of this very name.
                Some(FieldClass::NotPersonal | FieldClass::FreeText) => continue,
                None => {}
            }
            if let Some(category) = self.with_operator(&path[..path.len() - 1], part) {
                return Some(Named { category, exact: false });
            }
        }
        self.joined(around, name)
    }

    /// The same of what is asked by.
    pub(super) fn asked(&self, around: &[&str], name: &str) -> Option<Named> {
        self.mentioned(around, name).or_else(|| {
            let parts = words(name);
            let unsaid = parts.iter().enumerate().filter(|(place, part)| {
                let path: Vec<&str> =
                    around.iter().copied().chain(parts[..*place].iter().copied()).chain([**part]).collect();
                self.field(&path).is_none()
            });
            unsaid.into_iter().find_map(|(place, part)| {
                let folded = fold_field_name(part);
                let ends = BEHIND.iter().filter_map(|end| folded.strip_suffix(end));
                let begins = BEFORE.iter().filter_map(|begin| folded.strip_prefix(begin));
                let exact = self.alone.get(&folded).map(|&category| (category, place + 1 == parts.len()));
                let other = || {
                    ends.chain(begins)
                        .find_map(|name| self.alone.get(name))
                        .map(|&category| (category, false))
                };
                let (category, exact) = exact.or_else(other)?;
                Some(Named { category, exact })
            })
        })
    }

    /// PHP writes `_` for the blanks and dots of a parameter's name: `full+name` asks for `full_name`.
    fn joined(&self, around: &[&str], name: &str) -> Option<Named> {
        let apart = |c: char| c == '.' || c.is_whitespace();
        if !name.contains(apart) {
            return None;
        }
        let name = name.replace(apart, "_");
        let path: Vec<&str> = around.iter().copied().chain([&*name]).collect();
        match self.field(&path) {
            Some(FieldClass::Category(category)) => Some(Named { category, exact: true }),
            _ => None,
        }
    }

    fn with_operator(&self, around: &[&str], part: &str) -> Option<CategoryId> {
        let folded = fold_field_name(part);
        let ends = BEHIND.iter().filter_map(|end| folded.strip_suffix(end));
        let begins = BEFORE.iter().filter_map(|begin| folded.strip_prefix(begin));
        ends.chain(begins).filter(|name| !name.is_empty()).find_map(|name| {
            let path: Vec<&str> = around.iter().copied().chain([name]).collect();
            match self.field(&path) {
                Some(FieldClass::Category(category)) => Some(category),
                _ => None,
            }
        })
    }
}

/// The parts of a name: between brackets, dots and whatever else no field's name holds, and between `__`.
pub(super) fn words(name: &str) -> Vec<&str> {
    let apart = |c: char| !matches!(c, '_' | '-') && (c.is_ascii_punctuation() || c.is_ascii_whitespace());
    name.split(apart)
        .flat_map(|piece| piece.split("__"))
        .map(|piece| piece.trim_matches(['-', '_']))
        .filter(|piece| !piece.is_empty())
        .collect()
}
