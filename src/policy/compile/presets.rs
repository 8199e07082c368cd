//! `routes[].personal_data.preset` → rules behind the route's own.

use super::{
    context::{At, Context},
    routes::Scope,
    shipped::{Kind, Shipped},
};
use crate::policy::{
    document::{PresetDocument, Presets, WordOr},
    presets::{self, Preset},
    set::{CategoryId, FieldClass, FieldRule, JsonPath, Segment},
    suggest::listed,
};

const PRESET: Kind = Kind { word: "preset", part: "category", parts: "categories", remark: "" };

/// What the presets of a route say together.
#[derive(Debug, Default)]
pub(super) struct Expansion {
    /// Their names, as the route lists them.
    pub(super) names: Vec<&'static str>,
    pub(super) records: Vec<JsonPath>,
    pub(super) subject: Option<JsonPath>,
    pub(super) group: Option<JsonPath>,
    pub(super) fields: Vec<FieldRule>,
}

/// What the route itself says about the things that its presets speak of.
pub(super) struct Own<'a> {
    pub(super) subject: bool,
    pub(super) group: bool,
    pub(super) fields: &'a [FieldRule],
}

/// Expands the presets of a route. Where two of them contradict each other and the route does not decide, that is an error:
/// the order of a list is no decision about what is personal.
pub(super) fn expand(
    context: &mut Context<'_>,
    at: &At,
    written: Option<&Presets>,
    own: &Own<'_>,
    scope: &Scope<'_>,
) -> Expansion {
    let mut all = Expansion::default();
    let Some(written) = written else { return all };
    if written.items.is_empty() {
        context.error(at, "no preset is named", "remove the line, or name a standard");
    }
    for (index, item) in written.items.iter().enumerate() {
        let Some(item) = item else { continue };
        let at = if written.list { at.item(index) } else { at.clone() };
        let Some(preset) = named(context, &at, item) else { continue };
        if all.names.contains(&preset.name) {
            context.error(&at, format!("`{}` is listed twice", preset.name), None);
            continue;
        }
        let rules = rules(context, &at, item, &preset, scope);
        join(context, &at, &mut all, preset, rules, own);
    }
    all
}

/// The preset that an item names.
fn named(context: &mut Context<'_>, at: &At, item: &WordOr<PresetDocument>) -> Option<Preset> {
    let (at, name) = match item {
        WordOr::Word(name) => (at.clone(), name.as_str()),
        WordOr::Mapping(written) => {
            let name = context.text(at, "name", &written.name, "a standard: `preset: { name: xapi }`")?;
            (at.key("name"), name)
        }
    };
    let table: Vec<_> = presets::names().map(|name| (name, name)).collect();
    let name = context.choice(&at, "a preset", name, &table)?;
    presets::read(name).map_err(|fault| context.error(&at, fault, None)).ok()
}

/// Its fields, with the charter's categories in the place of its own.
fn rules(
    context: &mut Context<'_>,
    at: &At,
    item: &WordOr<PresetDocument>,
    preset: &Preset,
    scope: &Scope<'_>,
) -> Vec<FieldRule> {
    let needed = preset.categories();
    let mapped = match item {
        WordOr::Word(_) => None,
        WordOr::Mapping(written) => written.categories.as_ref(),
    };
    let shipped = Shipped { kind: &PRESET, name: preset.name, needed: &needed, mapped };
    let places = shipped.places(context, at, &scope.charter.categories);
    let class = |category: &Option<String>| {
        let Some(name) = category else { return Some(FieldClass::NotPersonal) };
        let place = needed.iter().position(|known| known == name)?;
        Some(FieldClass::Category(CategoryId((*places.get(place)?)? as u8)))
    };
    let rule =
        |(path, category): &(JsonPath, _)| Some(FieldRule { path: path.clone(), class: class(category)? });
    preset.fields.iter().filter_map(rule).collect()
}

/// Adds a preset to those before it.
fn join(
    context: &mut Context<'_>,
    at: &At,
    all: &mut Expansion,
    preset: Preset,
    rules: Vec<FieldRule>,
    own: &Own<'_>,
) {
    let decided = |path: &JsonPath| own.fields.iter().any(|rule| rule.path == *path);
    let (mut fresh, mut contradicted) = (Vec::new(), Vec::new());
    for rule in rules {
        // The first rule counts: one that says "not personal" must not take a place that this one protects.
        let other = all.fields.iter().find(|known| {
            let lifts = known.class == FieldClass::NotPersonal && rule.class != FieldClass::NotPersonal;
            known.path == rule.path || (lifts && takes(&known.path, &rule.path))
        });
        match other {
            _ if decided(&rule.path) => {}
            None => fresh.push(rule),
            Some(known) if known.class == rule.class => {}
            Some(_) => contradicted.push(rule.path.to_string()),
        }
    }
    let before = |names: &[&str]| format!("{} and `{}`", listed(names), preset.name);
    if !contradicted.is_empty() {
        let paths: Vec<&str> = contradicted.iter().map(String::as_str).collect();
        let message = format!("{} do not agree about {}", before(&all.names), listed(&paths));
        context.error(at, message, "say in the route's `fields` what it is here");
    }
    for (what, mine, theirs, decided) in [
        ("subject", &preset.subject, &mut all.subject, own.subject),
        ("group", &preset.group, &mut all.group, own.group),
    ] {
        match (mine, &theirs) {
            (None, _) => {}
            (Some(_), None) => theirs.clone_from(mine),
            (Some(mine), Some(known)) if *mine == *known || decided => {}
            (Some(mine), Some(known)) => {
                let message =
                    format!("{} do not agree about the {what}: `{known}` or `{mine}`", before(&all.names));
                context.error(at, message, format!("say in the route which it is here: `{what}: {known}`"));
            }
        }
    }
    all.names.push(preset.name);
    all.records.extend(
        preset.records.into_iter().filter(|record| !all.records.contains(record)).collect::<Vec<_>>(),
    );
    all.fields.extend(fresh);
}

/// Whether the places that `narrow` selects are among those of `wide`, as far as their texts say.
fn takes(wide: &JsonPath, narrow: &JsonPath) -> bool {
    match (wide.absolute, narrow.absolute) {
        (true, true) | (false, false) => covers(&wide.segments, &narrow.segments),
        // A record may stand anywhere on the way.
        (false, true) => {
            (0..narrow.segments.len()).any(|from| covers(&wide.segments, &narrow.segments[from..]))
        }
        (true, false) => {
            let anywhere: Vec<_> =
                [Segment::Descend].into_iter().chain(narrow.segments.iter().cloned()).collect();
            covers(&wide.segments, &anywhere)
        }
    }
}

fn covers(wide: &[Segment], narrow: &[Segment]) -> bool {
    match (wide.split_first(), narrow.split_first()) {
        (None, None) => true,
        (Some((Segment::Descend, rest)), step) => {
            covers(rest, narrow) || step.is_some_and(|(_, behind)| covers(wide, behind))
        }
        (Some((_, _)), Some((Segment::Descend, behind))) => covers(wide, behind),
        (Some((segment, rest)), Some((step, behind))) => {
            (*segment == Segment::Any || segment == step) && covers(rest, behind)
        }
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_rule_takes_the_places_of_narrower_ones() {
        for (wide, narrow, expected) in [
            ("id", "id", true),
            ("id", "user.id", false),
            ("..id", "id", true),
            ("..id", "user.id", true),
            ("..id", "users[*].id", true),
            ("..id", "$.users[*].id", true),
            ("id", "$.users[*].id", true),
            ("$..id", "id", true),
            ("$.id", "id", true),
            ("$.users[*].id", "$.id", false),
            ("a[*]", "a.b", true),
            ("a.b", "a[*]", false),
            ("..a.b", "..b", false),
            ("name", "..id", false),
        ] {
            let [wide, narrow] = [wide, narrow].map(|text| text.parse::<JsonPath>().unwrap());
            assert_eq!(takes(&wide, &narrow), expected, "{wide} {narrow}");
        }
    }
}
