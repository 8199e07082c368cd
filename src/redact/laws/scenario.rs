//! A policy, a caller and a document, made from choices.

use std::sync::Arc;

use super::source::Source;
use crate::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, DetectorKind, DetectorKinds,
    FieldClass, FieldRule, Generalisation, JsonPath, Lexicon, PersonalData, RecipientId, Sees, Segment,
    Shape, Shown, Unknown, fold_field_name,
};
use crate::redact::{Audience, Format, JsonRedactor, Plan, Redact, RedactError, Tally, Task};
use crate::secret::{Domain, DomainKey, MasterSecret, Sensitive};

/// Names of members and of path steps; some fold to one name.
pub(super) const NAMES: [&str; 18] = [
    "x",
    "id",
    "name",
    "Name",
    "email",
    "e_mail",
    "items",
    "birthDate",
    "note",
    "groups",
    "owner",
    "é",
    "na-me",
    "value",
    "id",
    "Id",
    // No names that a programmer gives.
    "ana b",
    PERSON,
];
/// Those of them that programmers give: elements may have them too.
pub(super) const WORDS: &[&str] = NAMES.split_at(16).0;
/// Texts: subjects, groups, dates, and what strings can hold.
const TEXTS: [&str; 12] = [
    "",
    "e-mail",
    "/x/Name",
    "jean",
    "a",
    "b",
    "2012-05-17",
    "31/12/1999",
    "é€😀",
    "q\"u\\o/te",
    "\u{1}\n\u{7f}",
    "***",
];
const NUMBERS: [&str; 7] = ["0", "7", "-12", "1.5", "2012", "1850", "12345678901234"];
/// A name of a member that is a value.
pub(super) const PERSON: &str = "jean@x.fr";
/// The same where canaries are planted.
const PLANTED: &str = "CANARY@x.fr";
/// What canaries are made of: no replacement holds it.
pub(super) const CANARY: &str = "CANARY";

/// See the module.
pub(super) struct Scenario {
    pub(super) charter: Charter,
    pub(super) data: PersonalData,
    pub(super) audience: Arc<Audience>,
    pub(super) document: Vec<u8>,
    pub(super) chunks: Vec<usize>,
}

/// What a document is made with.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Plant {
    /// Values of all kinds.
    Anything,
    /// Canaries below every name of the charter, and in names.
    Canaries,
    /// The same, but in no name and no document inside a text.
    Values,
}

impl Scenario {
    /// Reads every choice from `data`.
    pub(super) fn new(data: &[u8]) -> Self {
        let mut source = Source(data);
        let charter = charter(&mut source, true);
        let mut audience = audience(&mut source);
        let personal = match source.below(6) {
            0 => PersonalData::Undeclared,
            1 | 2 => PersonalData::Declared(classification(&mut source, true)),
            // Relations that chance alone would seldom build.
            _ => {
                let mut data = classification(&mut source, true);
                data.subject = "id".parse().ok();
                audience.subject = Some(Sensitive::new("jean".into()));
                audience.sees.any = CategorySet::default();
                PersonalData::Declared(data)
            }
        };
        let audience = Arc::new(audience);
        let chunks = chunks(&mut source);
        let document = document(&mut source, Plant::Anything);
        Self { charter, data: personal, audience, document, chunks }
    }

    /// The same, for a caller who sees nothing, with canaries under every name of the charter, none of them exempted.
    pub(super) fn with_canaries(data: &[u8]) -> Self {
        let mut source = Source(data);
        let charter = charter(&mut source, true);
        let personal = if source.one_in(4) {
            PersonalData::Undeclared
        } else {
            PersonalData::Declared(classification(&mut source, false))
        };
        let mut audience = audience(&mut source);
        audience.sees = Sees::default();
        let chunks = chunks(&mut source);
        let document = document(&mut source, Plant::Canaries);
        Self { charter, data: personal, audience: Arc::new(audience), document, chunks }
    }

    /// A policy that classifies nothing.
    pub(super) fn unclassified(data: &[u8]) -> Self {
        let mut source = Source(data);
        let charter = charter(&mut source, false);
        let chunks = chunks(&mut source);
        let document = document(&mut source, Plant::Anything);
        let audience = Arc::new(Audience::default());
        Self { charter, data: PersonalData::Undeclared, audience, document, chunks }
    }

    /// Redacts the document in these chunks.
    pub(super) fn redact(&self, chunks: &[usize]) -> (Result<(), RedactError>, Vec<u8>, Tally) {
        let plan = Arc::new(Plan::compile(&self.charter, &self.data));
        redact(plan, self.audience.clone(), &self.document, chunks)
    }

    /// Redacts another body for the same reader.
    pub(super) fn redact_as(
        &self,
        format: &Format,
        body: &[u8],
        chunks: &[usize],
    ) -> (Result<(), RedactError>, Vec<u8>, Tally) {
        let Some(key) = key() else { return (Err(RedactError::Finished), Vec::new(), Tally::default()) };
        let plan = Arc::new(Plan::compile(&self.charter, &self.data));
        let task = Task { plan, audience: self.audience.clone(), key };
        drive(&mut *format.redactor(task), body, chunks)
    }
}

/// The key of every scenario.
pub(super) fn key() -> Option<Arc<DomainKey>> {
    Some(Arc::new(MasterSecret::from_bytes(&[7; 32]).ok()?.derive(Domain::Api, "")))
}

/// Redacts a document, see [`drive`].
pub(super) fn redact(
    plan: Arc<Plan>,
    audience: Arc<Audience>,
    document: &[u8],
    chunks: &[usize],
) -> (Result<(), RedactError>, Vec<u8>, Tally) {
    let Some(key) = key() else { return (Err(RedactError::Finished), Vec::new(), Tally::default()) };
    drive(&mut JsonRedactor::new(plan, audience, key), document, chunks)
}

/// Pushes a body in chunks of these lengths, over and over; 0 and no length at all mean the rest at once.
fn drive(
    redactor: &mut dyn Redact,
    body: &[u8],
    chunks: &[usize],
) -> (Result<(), RedactError>, Vec<u8>, Tally) {
    let mut out = Vec::new();
    let mut lengths = chunks.iter().copied().cycle();
    let mut rest = body;
    let mut result = Ok(());
    while result.is_ok() && !rest.is_empty() {
        let length = match lengths.next() {
            None | Some(0) => rest.len(),
            Some(length) => length.min(rest.len()),
        };
        let (now, later) = rest.split_at(length);
        result = redactor.push(now, &mut out);
        rest = later;
    }
    let result = result.and_then(|()| redactor.finish(&mut out));
    (result, out, redactor.tally())
}

/// Whether every charter of a scenario with names has this one.
pub(super) fn is_classified(name: &str) -> bool {
    ["name", "email", "groups", "birthdate"].contains(&fold_field_name(name).as_str())
}

fn charter(source: &mut Source<'_>, names: bool) -> Charter {
    let fields: [&[&str]; 4] = [&["name"], &["email", "groups"], &["birth_date"], &[]];
    let categories = fields
        .iter()
        .zip(&["name", "email", "birth", "other"])
        .map(|(fields, name)| Category {
            name: (*name).into(),
            article: "2".into(),
            detect: match *name {
                "email" if names => DetectorKinds::NONE.with(DetectorKind::Email),
                _ => DetectorKinds::NONE,
            },
            fields: if names { fields.iter().map(|&field| field.into()).collect() } else { Vec::new() },
            otherwise: match source.below(16) {
                0 => Action::Remove,
                1 => Action::Null,
                2 => Action::Mask,
                3 => Action::Replace("r\"é".into()),
                4 => Action::Pseudonym,
                5 => Action::PseudonymAs(Shape::Alias),
                6 => Action::PseudonymAs(Shape::Number),
                7 => Action::MaskPart(Shown { first: 2, last: 1, domain: true }),
                8 => Action::Tokenise,
                9 => Action::Generalise(Generalisation::Month),
                10 => Action::Generalise(Generalisation::AgeBand),
                11 => Action::Generalise(Generalisation::Ip),
                12 => Action::Generalise(Generalisation::PostalCode),
                13 => Action::Generalise(Generalisation::Score(vec![5.0, 10.0])),
                14 => Action::Generalise(Generalisation::Coordinate(1)),
                _ => Action::Generalise(Generalisation::Year),
            },
        })
        .collect();
    Charter {
        title: String::new(),
        version: String::new(),
        purposes: Vec::new(),
        categories,
        recipients: Vec::new(),
        anonymous: RecipientId(0),
        cookies: Vec::new(),
    }
}

fn path(source: &mut Source<'_>, absolute: bool, longest: usize) -> JsonPath {
    let mut segments: Vec<Segment> = (0..source.below(longest + 1)).map(|_| segment(source)).collect();
    if segments.last().is_none_or(|last| *last == Segment::Descend) && (!absolute || !segments.is_empty()) {
        segments.push(Segment::Name(source.pick(&NAMES).into()));
    }
    JsonPath { absolute, segments }
}

fn segment(source: &mut Source<'_>) -> Segment {
    match source.below(8) {
        0..4 => Segment::Name(source.pick(&NAMES).into()),
        4 | 5 => Segment::Any,
        6 => Segment::Index(source.below(3)),
        _ => Segment::Descend,
    }
}

fn classification(source: &mut Source<'_>, exempt: bool) -> Classification {
    let mut records = vec!["$", "$[*]"].into_iter().filter_map(|path| path.parse().ok()).collect::<Vec<_>>();
    if source.one_in(2) {
        records.push(path(source, true, 3));
    }
    let relative = |source: &mut Source<'_>| {
        if source.one_in(4) {
            path(source, false, 3)
        } else {
            JsonPath {
                absolute: false,
                segments: vec![Segment::Name((source.pick(&["id", "id", "id", "items"])).into())],
            }
        }
    };
    let subject = (!source.one_in(4)).then(|| relative(source));
    let group = source.one_in(2).then(|| relative(source));
    let fields = (0..source.below(5))
        .map(|_| {
            let absolute = source.one_in(3);
            let path = path(source, absolute, 3);
            let class = match source.below(5) {
                4 if exempt => FieldClass::NotPersonal,
                category => FieldClass::Category(CategoryId(category as u8 % 4)),
            };
            FieldRule { path, class }
        })
        .collect();
    let unknown = source.pick(&[Unknown::Pass, Unknown::Report, Unknown::Deny]);
    Classification {
        records,
        subject,
        group,
        fields,
        unknown,
        lexicon: Arc::new(Lexicon::of(NAMES.into_iter().step_by(2))),
        record_bytes: 1 << 20,
        ..Classification::default()
    }
}

fn audience(source: &mut Source<'_>) -> Audience {
    let mut set = || CategorySet(u64::from(source.byte() & 15));
    let [one, two, own, more, group, ward] = std::array::from_fn(|_| set());
    let sees = Sees { any: CategorySet(one.0 & two.0), own: own.union(more), group, ward };
    let text = |text: &str| Sensitive::new(Box::<str>::from(text));
    Audience {
        sees,
        subject: (!source.one_in(4)).then(|| text(source.pick(&["jean", "jean", "jean", "7", ""]))),
        groups: (0..source.below(3)).map(|_| text(source.pick(&["a", "b", "2012"]))).collect(),
        wards: (0..source.below(3)).map(|_| text(source.pick(&["a", "b", "é€😀"]))).collect(),
        today: Some(jiff::civil::date(2026, 11, 23)),
    }
}

fn chunks(source: &mut Source<'_>) -> Vec<usize> {
    (0..source.below(5)).map(|_| 1 + source.below(9)).collect()
}

/// A valid document.
pub(super) fn document(source: &mut Source<'_>, plant: Plant) -> Vec<u8> {
    let mut out = Vec::new();
    match source.below(4) {
        0 => value(source, plant, false, 5, &mut out),
        1 | 2 => object(source, plant, false, 5, &mut out),
        _ => array(source, plant, false, 5, &mut out),
    }
    space(source, &mut out);
    out
}

/// A value that may say whose a record is.
fn relation(source: &mut Source<'_>, out: &mut Vec<u8>) {
    match source.below(8) {
        0..5 => {
            let text = source.pick(&["jean", "jean", "jean", "a", "b"]);
            string(source, text, true, out);
        }
        5 | 6 => out.extend(b"7"),
        _ => out.extend(b"null"),
    }
}

fn array(source: &mut Source<'_>, plant: Plant, secret: bool, depth: usize, out: &mut Vec<u8>) {
    out.push(b'[');
    let relations = source.one_in(4);
    for at in 0..source.below(4) {
        if at > 0 {
            space(source, out);
            out.push(b',');
        }
        if relations && !secret {
            relation(source, out)
        } else {
            value(source, plant, secret, depth - 1, out)
        }
    }
    space(source, out);
    out.push(b']');
}

/// A name and its value in two members, in either order.
fn pair(source: &mut Source<'_>, out: &mut Vec<u8>) {
    let is_first = source.one_in(2);
    for is_name in [is_first, !is_first] {
        let (key, text) = match is_name {
            true => {
                let named = source.pick(&["name", "E-Mail", "groups", "/x/0/birth_date"]);
                (source.pick(&["key", "field", "Label", "path"]), named)
            }
            false => (source.pick(&["value", "text", "new"]), CANARY),
        };
        string(source, key, true, out);
        out.push(b':');
        space(source, out);
        string(source, text, is_name, out);
        out.push(b',');
    }
}

fn object(source: &mut Source<'_>, plant: Plant, secret: bool, depth: usize, out: &mut Vec<u8>) {
    out.push(b'{');
    if plant != Plant::Anything && source.one_in(8) {
        pair(source, out);
        string(source, "x", true, out);
        out.push(b':');
        value(source, plant, secret, 0, out);
        return out.push(b'}');
    }
    for at in 0..source.below(8) {
        if at > 0 {
            space(source, out);
            out.push(b',');
        }
        space(source, out);
        let name = if at == 0 && source.one_in(2) { "id" } else { source.pick(&NAMES) };
        let written = if name == PERSON && plant == Plant::Canaries { PLANTED } else { name };
        string(source, written, true, out);
        space(source, out);
        out.push(b':');
        let named = is_classified(name);
        if name == "id" && !secret && !source.one_in(4) {
            relation(source, out);
        } else {
            value(source, plant, secret || named, depth - 1, out);
        }
    }
    space(source, out);
    out.push(b'}');
}

fn space(source: &mut Source<'_>, out: &mut Vec<u8>) {
    if source.one_in(4) {
        for _ in 0..source.below(4) {
            out.push(source.pick(b" \n\t\r"));
        }
    }
}

fn value(source: &mut Source<'_>, plant: Plant, secret: bool, depth: usize, out: &mut Vec<u8>) {
    space(source, out);
    match source.below(if depth == 0 { 5 } else { 13 }) {
        0 | 1 if plant != Plant::Anything && secret => string(source, CANARY, false, out),
        0 | 1 => {
            let text = source.pick(&TEXTS);
            string(source, text, true, out);
        }
        // A canary of digits alone could be met by chance: numbers below a classified name are left out.
        2 if !secret || plant == Plant::Anything => out.extend(source.pick(&NUMBERS).bytes()),
        2 | 3 => out.extend(source.pick(&["true", "false"]).bytes()),
        4 => out.extend(b"null"),
        5..7 => array(source, plant, secret, depth, out),
        7 if plant != Plant::Values => {
            let mut inside = Vec::new();
            value(source, plant, secret, depth - 1, &mut inside);
            string(source, &String::from_utf8_lossy(&inside), true, out);
        }
        _ => object(source, plant, secret, depth, out),
    }
}

/// A text as a JSON string, some of its characters escaped without need.
fn string(source: &mut Source<'_>, text: &str, escapes: bool, out: &mut Vec<u8>) {
    out.push(b'"');
    let busy = escapes && source.one_in(3);
    for character in text.chars() {
        if busy && source.one_in(2) {
            let mut units = [0; 2];
            for unit in character.encode_utf16(&mut units) {
                out.extend(format!("\\u{unit:04x}").bytes());
            }
        } else {
            match character {
                '"' | '\\' => out.extend([b'\\', character as u8]),
                '\n' => out.extend(b"\\n"),
                '\0'..' ' => out.extend(format!("\\u{:04X}", character as u32).bytes()),
                _ => out.extend(character.encode_utf8(&mut [0; 4]).bytes()),
            }
        }
    }
    out.push(b'"');
}
