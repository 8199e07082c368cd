//! `charter.yaml` → [`Charter`].

use std::collections::HashMap;

use super::{
    action, amount,
    context::{At, Context, Names},
    cookies,
};
use crate::policy::{
    document::{
        Amount, CategoryDocument, CharterDocument, CharterFile, Entries, RecipientDocument, Section,
        SeesDocument, Texts,
    },
    set::{
        Action, Category, CategoryId, CategorySet, Charter, DetectorKind, DetectorKinds, LegalBasis, Purpose,
        Recipient, RecipientId, Sees, fold_field_name,
    },
};

/// The sets of categories and recipients are one machine word.
const WORD: usize = 64;

/// What other files may refer to.
#[derive(Debug, Default)]
pub(super) struct CharterNames {
    pub(super) purposes: Names,
    pub(super) categories: Names,
    pub(super) recipients: Names,
}

impl CharterNames {
    fn unknown() -> Self {
        let unknown = || Names { list: Vec::new(), incomplete: true };
        Self { purposes: unknown(), categories: unknown(), recipients: unknown() }
    }
}

/// Compiles the charter. It is `None` where nothing of the file could be read.
pub(super) fn compile(
    context: &mut Context<'_>,
    file: Option<&(At, CharterFile)>,
) -> (Option<Charter>, CharterNames) {
    let Some((root, file)) = file else { return (None, CharterNames::unknown()) };
    let help = "the file starts with `charter:`";
    let Some(document) = context.need(root, "charter", &file.charter, help) else {
        return (None, CharterNames::unknown());
    };
    let at = root.key("charter");
    let title = context.text(&at, "title", &document.title, "the title of the charter's text");
    let title = title.unwrap_or_default().to_owned();
    let version = version(context, &at, document);

    let (purposes, purpose_names) = purposes(context, &at, document);
    let help = "what the charter's article 2 lists, each with `article`, `fields` and `otherwise`";
    let (category_names, category_entries) =
        names(context, &at, "categories", &document.categories, help, WORD);
    let categories = categories(context, &at.key("categories"), category_entries);
    let help = "who the charter's article 3 lists, and `anonymous: { sees: {} }`";
    let (recipient_names, entries) = names(context, &at, "recipients", &document.recipients, help, WORD);
    let recipients = recipients(context, &at.key("recipients"), entries, &category_names);
    let anonymous = anonymous(context, &at, &recipients, &recipient_names);
    let cookies = cookies::compile(context, &at, document);

    let names =
        CharterNames { purposes: purpose_names, categories: category_names, recipients: recipient_names };
    (Some(Charter { title, version, purposes, categories, recipients, anonymous, cookies }), names)
}

fn version(context: &mut Context<'_>, at: &At, document: &CharterDocument) -> String {
    let help = "the date of the charter's text, such as `2025-09-10`";
    let Some(text) = context.text(at, "version", &document.version, help) else { return String::new() };
    if text.parse::<jiff::civil::Date>().is_err() {
        context.error(&at.key("version"), format!("`{text}` is not a date"), help);
    }
    text.to_owned()
}

type EntriesOf<T> = [(String, Option<Section<T>>)];

/// The names that a section of the charter declares, and its entries.
fn names<'d, T>(
    context: &mut Context<'_>,
    at: &At,
    field: &str,
    section: &'d Option<Entries<Section<T>>>,
    help: &str,
    most: usize,
) -> (Names, &'d EntriesOf<T>) {
    let Some(Entries(entries)) = context.need(at, field, section, help) else {
        return (Names { list: Vec::new(), incomplete: true }, &[]);
    };
    let at = at.key(field);
    if entries.is_empty() {
        context.error(&at, format!("`{field}` declares nothing"), help);
    }
    for (place, (name, _)) in entries.iter().enumerate() {
        context.name(&at.key(name), name);
        if place == most {
            let message = format!("`{field}` has {} entries, at most {most} are possible", entries.len());
            context.error_at_key(&at.key(name), message, "join the entries that are always treated alike");
        }
    }
    let list = entries.iter().map(|(name, _)| name.clone()).take(most).collect();
    let incomplete = entries.len() > most || entries.is_empty();
    (Names { list, incomplete }, &entries[..entries.len().min(most)])
}

fn purposes(context: &mut Context<'_>, at: &At, document: &CharterDocument) -> (Vec<Purpose>, Names) {
    const BASES: [(&str, LegalBasis); 5] = [
        ("consent", LegalBasis::Consent),
        ("contract", LegalBasis::Contract),
        ("legal_obligation", LegalBasis::LegalObligation),
        ("public_task", LegalBasis::PublicTask),
        ("legitimate_interest", LegalBasis::LegitimateInterest),
    ];
    let help = "what the charter's Annex 1 lists, each with `basis`, `article` and `retention`";
    let (names, entries) = names(context, at, "purposes", &document.purposes, help, 255);
    let at = at.key("purposes");
    let mut purposes = Vec::new();
    for (name, entry) in entries {
        let mut purpose = Purpose {
            name: name.clone(),
            basis: LegalBasis::Consent,
            article: String::new(),
            retention_months: 1,
        };
        if let Some(entry) = entry {
            let at = at.key(name);
            let help = "the legal basis (GDPR article 6(1)), such as `basis: contract`";
            if let Some(text) = context.text(&at, "basis", &entry.basis, help)
                && let Some(basis) = context.choice(&at.key("basis"), "a legal basis", text, &BASES)
            {
                purpose.basis = basis;
            }
            purpose.article = context.article(&at, &entry.article);
            let help = "how long the data is kept, such as `retention: 36 months`";
            if let Some(Amount(text)) = context.need(&at, "retention", &entry.retention, help) {
                match amount::months(text) {
                    Ok(months) => purpose.retention_months = months,
                    Err(message) => context.error(&at.key("retention"), message, None),
                }
            }
        }
        purposes.push(purpose);
    }
    (purposes, names)
}

fn categories(context: &mut Context<'_>, at: &At, entries: &EntriesOf<CategoryDocument>) -> Vec<Category> {
    // Folded name → the category that has it, as it was written there.
    let mut taken: HashMap<String, (usize, &str, At)> = HashMap::new();
    let mut detected = DetectorKinds::NONE;
    let mut categories = Vec::new();
    for (place, (name, entry)) in entries.iter().enumerate() {
        let at = at.key(name);
        if matches!(name.as_str(), "all" | "not_personal" | "free_text") {
            let message = format!("`{name}` has a meaning of its own and cannot name a category");
            context.error_at_key(&at, message, "choose another name");
        }
        let mut category = Category {
            name: name.clone(),
            article: String::new(),
            fields: Vec::new(),
            detect: DetectorKinds::NONE,
            otherwise: Action::Remove,
        };
        if let Some(entry) = entry {
            category.article = context.article(&at, &entry.article);
            let help = "what those who may not see it get: `mask`, `remove`, `null`, `pseudonym`, \
                        `{ replace: \"…\" }` or `{ generalise: year }`";
            if let Some(action) = context.need(&at, "otherwise", &entry.otherwise, help)
                && let Some(action) = action::compile(context, &at.key("otherwise"), action)
            {
                category.otherwise = action;
            }
            for (index, kind) in entry.detect.iter().flatten().enumerate() {
                let (Some(kind), at) = (kind, at.key("detect").item(index)) else { continue };
                let table = DetectorKind::ALL.iter().map(|kind| (kind.name(), *kind)).collect::<Vec<_>>();
                let Some(kind) = context.choice(&at, "a detector", kind, &table) else { continue };
                if detected.has(kind) {
                    let message = format!("`{}` is looked for twice", kind.name());
                    context.error(&at, message, "a detector belongs to one category");
                }
                detected = detected.with(kind);
                category.detect = category.detect.with(kind);
            }
            for (index, field) in entry.fields.iter().flatten().enumerate() {
                let (Some(field), at) = (field, at.key("fields").item(index)) else { continue };
                let folded = fold_field_name(field);
                if folded.is_empty() {
                    context.error(&at, format!("`{field}` names no field"), None);
                    continue;
                }
                match taken.get(&folded) {
                    Some((other, written, there)) if *other != place => {
                        let (owner, there) = (&entries[*other].0, context.position(there));
                        context.error(
                            &at,
                            format!(
                                "`{field}` means the same field as `{written}`, which belongs to `{owner}` already \
                                 ({there})"
                            ),
                            "case, `_`, `-` and spaces do not count; a field name belongs to one category",
                        );
                    }
                    Some(_) => {}
                    None => {
                        taken.insert(folded.clone(), (place, field, at));
                        category.fields.push(folded);
                    }
                }
            }
        }
        categories.push(category);
    }
    categories
}

fn recipients(
    context: &mut Context<'_>,
    at: &At,
    entries: &EntriesOf<RecipientDocument>,
    categories: &Names,
) -> Vec<Recipient> {
    let mut recipients = Vec::new();
    for (name, entry) in entries {
        let mut recipient = Recipient { name: name.clone(), article: None, sees: Sees::default() };
        if let Some(entry) = entry {
            let at = at.key(name);
            if entry.article.is_some() {
                recipient.article = Some(context.article(&at, &entry.article));
            }
            let help = "what they see, by relation: `sees: { own: [name] }`, or `sees: {}` for nothing";
            if let Some(sees) = context.need(&at, "sees", &entry.sees, help) {
                recipient.sees = self::sees(context, &at.key("sees"), sees, categories);
            }
        }
        recipients.push(recipient);
    }
    recipients
}

fn sees(context: &mut Context<'_>, at: &At, sees: &SeesDocument, categories: &Names) -> Sees {
    let mut set = |relation: &str, texts: &Option<Texts>| {
        let mut set = CategorySet::default();
        for (at, text) in context.items(&at.key(relation), texts) {
            if text == "all" {
                // By index, so that the sixty-fourth bit is reached without a shift by the whole word.
                (0..categories.list.len().min(WORD)).for_each(|place| set.insert(CategoryId(place as u8)));
            } else if let Some(place) = context.refer(&at, categories, "category", "charter.categories", text)
            {
                set.insert(CategoryId(place as u8));
            }
        }
        set
    };
    Sees {
        any: set("any", &sees.any),
        own: set("own", &sees.own),
        group: set("group", &sees.group),
        ward: set("ward", &sees.ward),
    }
}

/// The unknown caller: always there, always with the least view.
fn anonymous(context: &mut Context<'_>, at: &At, recipients: &[Recipient], names: &Names) -> RecipientId {
    let at = at.key("recipients");
    match names.find("anonymous") {
        Some(place) => {
            if recipients.get(place).is_some_and(|anonymous| anonymous.sees != Sees::default()) {
                let help = "the unknown caller has the least view: `anonymous: { sees: {} }`";
                context.error(&at.key("anonymous").key("sees"), "`anonymous` sees personal data", help);
            }
            RecipientId(place as u8)
        }
        None => {
            if !names.incomplete {
                let help = "declare who an unknown caller is: `anonymous: { sees: {} }`";
                context.error_at_key(&at, "the recipient `anonymous` is missing", help);
            }
            RecipientId(0)
        }
    }
}
