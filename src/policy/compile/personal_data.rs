//! `routes[].personal_data` → [`PersonalData`].

use std::sync::Arc;

use http::HeaderName;

use super::{
    context::{At, Context},
    forward_auth::header_name,
    presets::{self, Own},
    routes::Scope,
};
use crate::policy::{
    document::{Entries, List, PersonalDataDocument, Texts},
    set::{
        CategoryId, CategorySet, Classification, FieldClass, FieldRule, JsonPath, LooseFormat, MediaRange,
        PersonalData, Segment, Unknown, WayBack, fold_field_name,
    },
};

const KIB: u64 = 1 << 10;
const MIB: u64 = 1 << 20;
/// Longest record held back where nothing is written.
const RECORD_BYTES: u64 = 64 * KIB;

/// Compiles what a route declares about its answers; the names of the presets that it uses.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    written: Option<&PersonalDataDocument>,
    scope: &Scope<'_>,
    route: &str,
) -> (PersonalData, Vec<&'static str>) {
    let Some(written) = written else { return (PersonalData::Undeclared, Vec::new()) };
    let at = at.key("personal_data");
    let answers = written.preset.is_some()
        || written.headers.is_some()
        || written.formats.is_some()
        || written.pass_types.is_some()
        || written.record.is_some()
        || written.subject.is_some()
        || written.group.is_some()
        || written.fields.is_some()
        || written.unknown.is_some()
        || written.record_bytes.is_some();
    let requests = written.query.is_some() || written.writes.is_some() || written.parameters.is_some();
    if written.exempt.is_some() {
        if answers || requests {
            let help = "remove `exempt`, or everything else";
            context.error_at_key(&at.key("exempt"), "an exempt route declares nothing", help);
        }
        let reason = context.text(&at, "exempt", &written.exempt, "say why nobody's data is here");
        if let Some(reason) = reason {
            let message = format!("the route `{route}` is exempt: its answers are not read");
            context.finding(&at.key("exempt"), message, format!("stated reason: {reason}"));
        }
        return (PersonalData::Exempt { reason: reason.unwrap_or_default().to_owned() }, Vec::new());
    }
    if requests && !answers {
        return (PersonalData::Undeclared, Vec::new());
    }
    let (classification, presets) = classification(context, &at, written, scope, route);
    (PersonalData::Declared(classification), presets)
}

/// Compiles what a route declares about its requests.
pub(super) fn way_back(
    context: &mut Context<'_>,
    at: &At,
    written: Option<&PersonalDataDocument>,
    scope: &Scope<'_>,
) -> WayBack {
    let Some(written) = written else { return WayBack::default() };
    let at = at.key("personal_data");
    let query = allowed(context, &at.key("query"), &written.query, scope);
    let writes = allowed(context, &at.key("writes"), &written.writes, scope);
    let mut parameters: Vec<(String, FieldClass)> = Vec::new();
    for (name, category) in written.parameters.iter().flat_map(|entries| &entries.0) {
        let at = at.key("parameters").key(name);
        let folded = fold_field_name(name);
        if folded.is_empty() {
            context.error_at_key(&at, format!("`{name}` names no parameter"), None);
        } else if parameters.iter().any(|(other, _)| *other == folded) {
            context.error_at_key(&at, format!("`{name}` is listed twice"), "case, `_` and `-` do not count");
        } else if let Some(class) = category.as_deref().and_then(|name| class(context, &at, name, scope)) {
            parameters.push((folded, class));
        }
    }
    WayBack { query, writes, parameters }
}

/// `allow`, or a list of categories.
fn allowed(context: &mut Context<'_>, at: &At, written: &Option<Texts>, scope: &Scope<'_>) -> CategorySet {
    let mut set = CategorySet::default();
    for (at, text) in context.items(at, written) {
        if text == "allow" {
            set = CategorySet::ALL;
        } else if let Some(place) =
            context.refer(&at, &scope.charter.categories, "category", "charter.categories", text)
        {
            set.insert(CategoryId(place as u8));
        }
    }
    set
}

fn classification(
    context: &mut Context<'_>,
    at: &At,
    written: &PersonalDataDocument,
    scope: &Scope<'_>,
    route: &str,
) -> (Classification, Vec<&'static str>) {
    let mut inside = |field: &str, text: &Option<String>| {
        let at = at.key(field);
        let path = context.json_path(&at, text.as_deref()?)?;
        if path.absolute {
            let help = "a path inside the record, such as `id` or `user.id`, without `$`";
            context.error(&at, format!("`{path}` starts at the document's root"), help);
        }
        Some(path)
    };
    let subject = inside("subject", &written.subject);
    let group = inside("group", &written.group);
    let (mut fields, keys) = fields(context, &at.key("fields"), &written.fields, scope);
    let own = Own { subject: subject.is_some(), group: group.is_some(), fields: &fields };
    let preset = presets::expand(context, &at.key("preset"), written.preset.as_ref(), &own, scope);
    // The first rule that matches wins: the route's own stand before those of its presets.
    fields.extend(preset.fields);
    let records = records(context, &at.key("record"), &written.record, preset.records);
    let unknown = match &written.unknown {
        None => Unknown::Deny,
        Some(text) => {
            let at = at.key("unknown");
            let table = [("deny", Unknown::Deny), ("report", Unknown::Report), ("pass", Unknown::Pass)];
            let unknown = context.choice(&at, "a way to treat unknown fields", text, &table);
            if unknown == Some(Unknown::Pass) {
                let message = format!("the route `{route}` lets fields pass that nobody classified");
                context.finding(&at, message, "`report` counts them, `deny` holds them back");
            }
            unknown.unwrap_or(Unknown::Deny)
        }
    };
    let classification = Classification {
        // Where all routes are known, it gets the names of all.
        lexicon: Arc::default(),
        records,
        subject: subject.or(preset.subject),
        group: group.or(preset.group),
        fields,
        keys,
        headers: headers(context, &at.key("headers"), &written.headers, scope),
        unknown,
        formats: formats(context, &at.key("formats"), &written.formats),
        pass_types: pass_types(context, &at.key("pass_types"), &written.pass_types, route),
        record_bytes: context.size(
            &at.key("record_bytes"),
            &written.record_bytes,
            RECORD_BYTES,
            KIB..=16 * MIB,
        ) as usize,
    };
    (classification, preset.names)
}

/// The route's own records, and those of its presets.
fn records(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Texts>,
    presets: Vec<JsonPath>,
) -> Vec<JsonPath> {
    let mut records = Vec::new();
    for (at, text) in context.items(at, written) {
        let Some(path) = context.json_path(&at, text) else { continue };
        if !path.absolute {
            let help = format!("write it from the document's root: `$.{text}`, or `$[*]` for a list");
            context.error(&at, format!("the record `{text}` has no place"), help);
        }
        if records.contains(&path) {
            context.error(&at, format!("`{text}` is listed twice"), None);
        }
        records.push(path);
    }
    if written.as_ref().is_some_and(|texts| texts.items.is_empty()) {
        context.error(at, "no record is named", "remove the line: `$` and `$[*]` are meant then");
    }
    records.extend(presets.into_iter().filter(|record| !records.contains(record)).collect::<Vec<_>>());
    if records.is_empty() {
        let root = |segments| JsonPath { absolute: true, segments };
        records = vec![root(Vec::new()), root(vec![Segment::Any])];
    }
    records
}

/// What a route says of one field.
fn class(context: &mut Context<'_>, at: &At, name: &str, scope: &Scope<'_>) -> Option<FieldClass> {
    if name == "not_personal" {
        return Some(FieldClass::NotPersonal);
    }
    if name == "free_text" {
        return Some(FieldClass::FreeText);
    }
    let place = context.refer(at, &scope.charter.categories, "category", "charter.categories", name)?;
    Some(FieldClass::Category(CategoryId(place as u8)))
}

fn headers(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Entries<String>>,
    scope: &Scope<'_>,
) -> Arc<[(HeaderName, FieldClass)]> {
    let mut rules: Vec<(HeaderName, FieldClass)> = Vec::new();
    for (text, category) in written.iter().flat_map(|entries| &entries.0) {
        let at = at.key(text);
        let Some(header) = header_name(context, &at, text) else { continue };
        let Some(class) = category.as_deref().and_then(|name| class(context, &at, name, scope)) else {
            continue;
        };
        if class == FieldClass::FreeText {
            let help = "a category, or `not_personal`";
            context.error(&at, "a header field is no free text", help);
        }
        if rules.iter().any(|(known, _)| *known == header) {
            context.error_at_key(&at, format!("`{text}` is classified twice"), "header names have no case");
        }
        rules.push((header, class));
    }
    rules.into()
}

fn formats(context: &mut Context<'_>, at: &At, written: &Option<List<String>>) -> Vec<LooseFormat> {
    let table = [("html", LooseFormat::Html), ("text", LooseFormat::Text), ("graphql", LooseFormat::Graphql)];
    let texts: Vec<_> = written.iter().flatten().enumerate().collect();
    let mut formats = Vec::new();
    for (place, text) in texts {
        let Some(text) = text else { continue };
        let at = at.item(place);
        let Some(format) = context.choice(&at, "a format that must be named to be read", text, &table) else {
            continue;
        };
        if formats.contains(&format) {
            context.error(&at, format!("`{text}` is listed twice"), None);
        }
        formats.push(format);
    }
    formats
}

fn pass_types(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<List<String>>,
    route: &str,
) -> Vec<MediaRange> {
    let mut ranges = Vec::new();
    for (place, text) in written.iter().flatten().enumerate() {
        let Some(text) = text else { continue };
        let at = at.item(place);
        let Some(range) = media_range(text) else {
            let help = "one type such as `application/pdf`, or all of a kind: `image/*`, `audio/*`, `video/*`, `font/*`";
            context.error(&at, format!("`{text}` is not a media type"), help);
            continue;
        };
        if range.subtype.is_none() && !matches!(range.kind.as_str(), "image" | "audio" | "video" | "font") {
            let help = "name each type: what a reader understands is never passed unread";
            context.error(&at, format!("`{text}` would pass documents that nobody looked at"), help);
        }
        let message = format!("answers of the route `{route}` pass unread if they are `{text}`");
        context.finding(&at, message, "make sure that nobody's data is in them");
        if ranges.contains(&range) {
            context.error(&at, format!("`{text}` is listed twice"), None);
        }
        ranges.push(range);
    }
    ranges
}

fn media_range(text: &str) -> Option<MediaRange> {
    // RFC 9110 5.6.2
    let is_token = |part: &str| {
        !part.is_empty()
            && part.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$&^_.+-".contains(&byte))
    };
    let (kind, subtype) = text.split_once('/')?;
    let subtype = (subtype != "*").then(|| subtype.to_ascii_lowercase());
    (is_token(kind) && subtype.as_deref().is_none_or(is_token))
        .then(|| MediaRange { kind: kind.to_ascii_lowercase(), subtype })
}

/// What the route says of fields, and of the names of members (`grades.~`).
fn fields(
    context: &mut Context<'_>,
    at: &At,
    written: &Option<Entries<String>>,
    scope: &Scope<'_>,
) -> (Vec<FieldRule>, Vec<FieldRule>) {
    let (mut rules, mut keys): (Vec<FieldRule>, Vec<FieldRule>) = Default::default();
    for (text, category) in written.iter().flat_map(|entries| &entries.0) {
        let at = at.key(text);
        let mut path = match text.parse::<JsonPath>() {
            Ok(path) if !path.segments.is_empty() => path,
            Ok(_) => {
                context.error_at_key(&at, format!("`{text}` names no field"), "a field inside the document");
                continue;
            }
            Err(error) => {
                let help = "for example `full_name`, `profile.email`, `answers[*].text`, `$..email`";
                context.error_at_key(&at, format!("`{text}` is not a JSON path: {error}"), help);
                continue;
            }
        };
        let Some(class) = category.as_deref().and_then(|name| class(context, &at, name, scope)) else {
            continue;
        };
        // `['~']` is a member of that name.
        let is_key = text.trim_end().ends_with('~') && path.segments.pop_if(|last| is_tilde(last)).is_some();
        if is_key && class == FieldClass::FreeText {
            context.error(&at, "a name is no free text", "a category, or `not_personal`");
        }
        let rules = if is_key { &mut keys } else { &mut rules };
        if let Some(other) = rules.iter().find(|rule| rule.path == path) {
            let message = format!("`{text}` is the same field as `{}`", other.path);
            context.error_at_key(&at, message, "classify it once");
        }
        rules.push(FieldRule { path, class });
    }
    (rules, keys)
}

fn is_tilde(segment: &Segment) -> bool {
    matches!(segment, Segment::Name(name) if name == "~")
}
