//! `gateway.identity[].roles` and `vocabulary` → the role table: the policy's own word first, the school's behind it.

use super::{
    context::{At, Context, Names},
    shipped::{Kind, Shipped},
};
use crate::policy::{
    document::{Entries, ProviderDocument, VocabularyDocument, WordOr},
    set::RecipientId,
    suggest::listed,
    vocabularies::{self, Vocabulary},
};

const VOCABULARY: Kind =
    Kind { word: "vocabulary", part: "recipient", parts: "recipients", remark: " (`anonymous` for nobody)" };

/// A role's text and the recipient that it makes of its bearer.
type Table = Vec<(String, RecipientId)>;

/// Compiles the role table of a provider.
pub(super) fn compile(
    context: &mut Context<'_>,
    at: &At,
    entry: &ProviderDocument,
    recipients: &Names,
) -> Table {
    let help = "which role is which recipient: `roles: { student: learner, coach: teacher }`, or a `vocabulary: sdet`";
    if entry.vocabulary.is_none() && !context.dropped(&at.key("vocabulary")) {
        context.need(at, "roles", &entry.roles, help);
    }
    let written = || entry.roles.iter().flat_map(|Entries(entries)| entries);
    let mut table = Table::new();
    for (role, recipient) in written() {
        let Some(recipient) = recipient else { continue };
        let at = at.key("roles").key(role);
        if let Some(place) = context.refer(&at, recipients, "recipient", "charter.recipients", recipient) {
            table.push((role.clone(), RecipientId(place as u8)));
        }
    }
    let decided = |role: &str| written().any(|(known, _)| known == role);
    table.extend(shipped(context, &at.key("vocabulary"), entry, recipients, decided));
    table
}

/// What the vocabularies say of the roles that the policy itself does not decide. Where two of them disagree that is an
/// error: the order of a list is no decision about who somebody is.
fn shipped(
    context: &mut Context<'_>,
    at: &At,
    entry: &ProviderDocument,
    recipients: &Names,
    decided: impl Fn(&str) -> bool,
) -> Table {
    let Some(written) = &entry.vocabulary else { return Table::new() };
    if written.items.is_empty() {
        context.error(at, "no vocabulary is named", "remove the line, or name one");
    }
    let mut names: Vec<&'static str> = Vec::new();
    let mut all: Vec<(String, Option<RecipientId>)> = Vec::new();
    for (index, item) in written.items.iter().enumerate() {
        let Some(item) = item else { continue };
        let at = if written.list { at.item(index) } else { at.clone() };
        let Some(vocabulary) = named(context, &at, item) else { continue };
        if names.contains(&vocabulary.name) {
            context.error(&at, format!("`{}` is listed twice", vocabulary.name), None);
            continue;
        }
        names.push(vocabulary.name);
        let mut contradicted = Vec::new();
        for (role, recipient) in translated(context, &at, item, &vocabulary, recipients) {
            match all.iter().find(|(known, _)| *known == role) {
                _ if decided(&role) => {}
                None => all.push((role, recipient)),
                Some((_, known)) if *known == recipient => {}
                Some(_) => contradicted.push(role),
            }
        }
        if !contradicted.is_empty() {
            let roles: Vec<&str> = contradicted.iter().map(String::as_str).collect();
            let message = format!("{} do not agree about {}", listed(&names), listed(&roles));
            context.error(&at, message, "say in the provider's `roles` which recipient that is here");
        }
    }
    all.into_iter().filter_map(|(role, recipient)| Some((role, recipient?))).collect()
}

/// The vocabulary that an item names.
fn named(context: &mut Context<'_>, at: &At, item: &WordOr<VocabularyDocument>) -> Option<Vocabulary> {
    let (at, name) = match item {
        WordOr::Word(name) => (at.clone(), name.as_str()),
        WordOr::Mapping(written) => {
            let help = "a platform or standard: `vocabulary: { name: sdet }`";
            (at.key("name"), context.text(at, "name", &written.name, help)?)
        }
    };
    let table: Vec<_> = vocabularies::names().map(|name| (name, name)).collect();
    let name = context.choice(&at, "a vocabulary", name, &table)?;
    vocabularies::read(name).map_err(|fault| context.error(&at, fault, None)).ok()
}

/// Its roles, with the charter's recipients in the place of the shipped ones.
fn translated(
    context: &mut Context<'_>,
    at: &At,
    item: &WordOr<VocabularyDocument>,
    vocabulary: &Vocabulary,
    charter: &Names,
) -> Vec<(String, Option<RecipientId>)> {
    let needed = vocabulary.recipients();
    let mapped = match item {
        WordOr::Word(_) => None,
        WordOr::Mapping(written) => written.recipients.as_ref(),
    };
    let shipped = Shipped { kind: &VOCABULARY, name: vocabulary.name, needed: &needed, mapped };
    let places = shipped.places(context, at, charter);
    let recipient = |name: &Option<String>| {
        let place = needed.iter().position(|known| Some(*known) == name.as_deref())?;
        Some(RecipientId((*places.get(place)?)? as u8))
    };
    vocabulary.roles.iter().map(|(role, name)| (role.clone(), recipient(name))).collect()
}
