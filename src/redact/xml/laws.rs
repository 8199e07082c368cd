//! What the reader promises, for documents and policies made from choices.

use std::sync::Arc;

use proptest::prelude::*;
use quick_xml::events::Event;

use super::XmlRedactor;
use crate::policy::set::{
    Action, Category, CategoryId, CategorySet, Charter, Classification, FieldClass, FieldRule,
    Generalisation, PersonalData, RecipientId, Sees, Unknown,
};
use crate::redact::{Audience, Plan, Redact, RedactError, Tally, Task};
use crate::secret::{Domain, DomainKey, MasterSecret, Sensitive};

pub(in crate::redact) const CANARY: &str = "CANARY";

pub(in crate::redact) fn key() -> Arc<DomainKey> {
    Arc::new(MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::Api, ""))
}

pub(in crate::redact) fn charter(categories: Vec<Category>) -> Charter {
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

/// Redacts a document in chunks of this length.
pub(in crate::redact) fn redact_in(
    plan: Arc<Plan>,
    audience: Arc<Audience>,
    document: &[u8],
    chunk: usize,
) -> (Result<(), RedactError>, Vec<u8>, Tally) {
    drive(&mut XmlRedactor::new(Task { plan, audience, key: key() }), document, chunk)
}

/// Pushes a document in chunks of this length.
pub(in crate::redact) fn drive(
    redactor: &mut dyn Redact,
    document: &[u8],
    chunk: usize,
) -> (Result<(), RedactError>, Vec<u8>, Tally) {
    let mut out = Vec::new();
    let mut result = Ok(());
    for chunk in document.chunks(chunk) {
        result = result.and_then(|()| redactor.push(chunk, &mut out));
    }
    let result = result.and_then(|()| redactor.finish(&mut out));
    (result, out, redactor.tally())
}

/// A charter of four categories with an action each, from choices.
pub(in crate::redact) fn policy(actions: [u8; 4]) -> Charter {
    let fields: [&[&str]; 4] = [&["nom", "displayName"], &["mail", "e_mail"], &["birthDate"], &["phone"]];
    let categories = fields.iter().zip(["name", "email", "birth", "phone"]).zip(actions);
    charter(
        categories
            .map(|((fields, name), action)| Category {
                name: name.into(),
                article: "2".into(),
                detect: crate::policy::set::DetectorKinds::NONE,
                fields: fields.iter().map(|&field| field.into()).collect(),
                otherwise: match action % 6 {
                    0 => Action::Remove,
                    1 => Action::Null,
                    2 => Action::Mask,
                    3 => Action::Replace("r\"é<&'".into()),
                    4 => Action::Pseudonym,
                    _ => Action::Generalise(Generalisation::Year),
                },
            })
            .collect(),
    )
}

/// A route, from a choice.
pub(in crate::redact) fn route(choice: u8) -> PersonalData {
    if choice.is_multiple_of(4) {
        return PersonalData::Undeclared;
    }
    let rule = |path: &str, class| FieldRule { path: path.parse().unwrap(), class };
    PersonalData::Declared(Classification {
        records: vec![["$.a", "$..user", "$.a[*]", "$"][usize::from(choice / 4) % 4].parse().unwrap()],
        subject: "id".parse().ok(),
        group: "class".parse().ok(),
        fields: vec![
            rule("id", FieldClass::NotPersonal),
            rule("$..secret", FieldClass::Category(CategoryId(0))),
        ],
        unknown: [Unknown::Pass, Unknown::Report, Unknown::Deny][usize::from(choice / 16) % 3],
        record_bytes: 1 << 10,
        ..Classification::default()
    })
}

/// A caller, from choices.
fn audience(sees: [u8; 4]) -> Audience {
    let [any, own, group, ward] = sees.map(|bits| CategorySet(u64::from(bits & 15)));
    let text = |text: &str| Sensitive::new(Box::<str>::from(text));
    Audience {
        sees: Sees { any, own, group, ward },
        subject: Some(text("7")),
        groups: vec![text("6eA")],
        wards: vec![text("9")],
        today: None,
    }
}

const NAMES: [&str; 14] = [
    "a",
    "user",
    "id",
    "class",
    "nom",
    "NOM",
    "p:nom",
    "mail",
    "e-Mail",
    "birthDate",
    "phone",
    "secret",
    "é",
    "x",
];
const TEXTS: [&str; 10] = ["", "7", "8", "6eA", "9", "2012-05-17", " t ", "é€😀", "]]", "&amp;&#106;&lt;"];

/// A tree.
#[derive(Clone, Debug)]
enum Node {
    Element { name: usize, attributes: Vec<(usize, usize)>, children: Vec<Node>, naming: Option<usize> },
    Text(usize),
    Cdata(usize),
    Comment,
    Canary,
}

fn node() -> impl Strategy<Value = Node> {
    let leaf = prop_oneof![
        4 => (0..TEXTS.len()).prop_map(Node::Text),
        1 => (0..TEXTS.len()).prop_map(Node::Cdata),
        1 => Just(Node::Comment),
        2 => Just(Node::Canary),
    ];
    leaf.prop_recursive(5, 40, 5, |inner| element(inner.boxed()))
}

fn element(children: BoxedStrategy<Node>) -> impl Strategy<Value = Node> {
    let attributes = prop::collection::vec((0..NAMES.len(), 0..TEXTS.len()), 0..3);
    let naming = prop::option::weighted(0.2, 0..NAMES.len());
    (0..NAMES.len(), attributes, prop::collection::vec(children, 0..5), naming)
        .prop_map(|(name, attributes, children, naming)| Node::Element { name, attributes, children, naming })
}

fn root() -> impl Strategy<Value = Node> {
    element(node().boxed())
}

/// Whether a name is classified by the charter or by [`route`].
fn is_secret(name: &str) -> bool {
    !matches!(name, "a" | "user" | "id" | "class" | "é" | "x" | "secret")
}

impl Node {
    fn write(&self, secret: bool, comments: bool, out: &mut String) {
        match self {
            Self::Text(at) => out.push_str(TEXTS[*at]),
            Self::Cdata(at) => *out += &format!("<![CDATA[{}]]>", TEXTS[*at]),
            Self::Comment if comments => out.push_str("<!-- c --><?p i?>"),
            Self::Comment => {}
            // Only where it may not survive; in each spelling that a parser makes one of.
            Self::Canary if secret => *out += "CAN<![CDATA[ARY]]> CANARY &#67;ANARY",
            Self::Canary => {}
            Self::Element { name, attributes, children, naming } => {
                let name = NAMES[*name];
                *out += &format!("<{name}");
                let mut written: Vec<&str> = Vec::new();
                for &(attribute, text) in attributes {
                    let attribute = NAMES[attribute];
                    if written.contains(&attribute) {
                        continue;
                    }
                    written.push(attribute);
                    let canary = if secret || is_secret(attribute) { CANARY } else { "" };
                    *out += &format!(" {attribute}=\"{}{canary}\"", TEXTS[text]);
                }
                let mut secret = secret || is_secret(name);
                if let Some(naming) = naming {
                    *out += &format!("\n key='{}'", NAMES[*naming].trim_start_matches("p:"));
                    secret |= is_secret(NAMES[*naming]);
                }
                if children.is_empty() {
                    out.push_str(" />");
                    return;
                }
                out.push('>');
                children.iter().for_each(|child| child.write(secret, comments, out));
                *out += &format!("</{name} >");
            }
        }
    }

    fn text(&self, comments: bool) -> String {
        let mut out = String::new();
        self.write(false, comments, &mut out);
        out
    }
}

/// Whether quick-xml reads it as well-formed: tags balance, attributes are sound, references are known.
fn reads(document: &[u8]) -> bool {
    let mut reader = quick_xml::Reader::from_reader(document);
    reader.config_mut().check_comments = true;
    let (mut depth, mut roots, mut types) = (0, 0, 0);
    loop {
        match reader.read_event() {
            Err(_) => return false,
            Ok(Event::Eof) => return depth == 0 && roots == 1,
            Ok(Event::Start(tag)) => {
                roots += usize::from(depth == 0);
                depth += 1;
                if tag.attributes().any(|attribute| attribute.is_err()) {
                    return false;
                }
            }
            Ok(Event::Empty(tag)) => {
                roots += usize::from(depth == 0);
                if tag.attributes().any(|attribute| attribute.is_err()) {
                    return false;
                }
            }
            Ok(Event::End(_)) => depth -= 1,
            Ok(Event::DocType(text)) => {
                types += 1;
                if roots > 0 || types > 1 || (text.contains('[') && !text.contains(['"', '\''])) {
                    return false;
                }
            }
            Ok(_) => {}
        }
    }
}

/// All that a reader would see: texts and attribute values, decoded.
fn decoded(document: &[u8]) -> String {
    let mut out = String::new();
    let mut room = Vec::new();
    let mut reader = quick_xml::Reader::from_reader(document);
    loop {
        match reader.read_event().unwrap() {
            Event::Eof => return out,
            Event::Text(text) => out += &text[..],
            Event::CData(text) => out += &text[..],
            Event::GeneralRef(name) => {
                out.extend(super::name::reference(format!("&{};", &name[..]).as_bytes()));
            }
            Event::Start(tag) | Event::Empty(tag) => {
                for attribute in tag.attributes().flatten() {
                    out +=
                        &String::from_utf8_lossy(super::name::decoded(attribute.value.as_bytes(), &mut room));
                }
            }
            _ => {}
        }
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(256))]

    #[test]
    fn chunking_never_shows(root in root(), actions: [u8; 4], data: u8, sees: [u8; 4], chunk in 1_usize..20) {
        let plan = Arc::new(Plan::compile(&policy(actions), &route(data)));
        let audience = Arc::new(audience(sees));
        let document = root.text(true);
        let whole = redact_in(plan.clone(), audience.clone(), document.as_bytes(), usize::MAX);
        prop_assert_eq!(&whole.0, &Ok(()), "{}", document);
        prop_assert!(reads(&whole.1), "{} became {}", document, String::from_utf8_lossy(&whole.1));
        prop_assert_eq!(&redact_in(plan.clone(), audience.clone(), document.as_bytes(), chunk), &whole, "{}", document);
        prop_assert_eq!(&redact_in(plan, audience, document.as_bytes(), 1), &whole, "{}", document);
    }

    #[test]
    fn unclassified_is_identical(root in root(), chunk in 1_usize..20) {
        let plan = Arc::new(Plan::compile(&charter(Vec::new()), &PersonalData::Undeclared));
        let (result, out, _) = redact_in(plan, Arc::default(), root.text(true).as_bytes(), chunk);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(String::from_utf8(out).unwrap(), root.text(false));
    }

    #[test]
    fn no_canary_survives(root in root(), actions: [u8; 4], data: u8, chunk in 1_usize..20) {
        let plan = Arc::new(Plan::compile(&policy(actions), &route(data)));
        let (result, out, _) = redact_in(plan, Arc::default(), root.text(true).as_bytes(), chunk);
        prop_assert_eq!(result, Ok(()));
        prop_assert!(!decoded(&out).contains(CANARY), "{} became {}", root.text(true), String::from_utf8_lossy(&out));
    }

    /// The second reading of what left changes nothing but what has a stand-in of its own.
    #[test]
    fn what_left_is_read_again(root in root(), data: u8, chunk in 1_usize..20) {
        let plan = Arc::new(Plan::compile(&policy([0, 1, 2, 3]), &route(data)));
        let (_, once, _) = redact_in(plan.clone(), Arc::default(), root.text(true).as_bytes(), chunk);
        let (result, twice, _) = redact_in(plan, Arc::default(), &once, chunk);
        prop_assert_eq!(result, Ok(()));
        prop_assert_eq!(String::from_utf8(twice).unwrap(), String::from_utf8(once).unwrap());
    }

    /// What is damaged is refused wherever quick-xml refuses it, and nothing panics; cuts never show.
    #[test]
    fn damage_is_refused(root in root(), faults in prop::collection::vec((any::<prop::sample::Index>(), 0..FAULTS.len()), 1..4), chunk in 1_usize..20) {
        let mut document = root.text(true).into_bytes();
        for (at, fault) in faults {
            let at = at.index(document.len());
            document.splice(at..(at + 1).min(document.len()), FAULTS[fault].iter().copied());
            if document.is_empty() { document.push(b'<'); }
        }
        let plan = Arc::new(Plan::compile(&policy([2; 4]), &PersonalData::Undeclared));
        let whole = redact_in(plan.clone(), Arc::default(), &document, usize::MAX);
        let cut = redact_in(plan, Arc::default(), &document, chunk);
        prop_assert_eq!(whole.0.is_ok(), cut.0.is_ok(), "{}", String::from_utf8_lossy(&document));
        if whole.0.is_ok() {
            prop_assert_eq!(whole.1, cut.1);
            prop_assert!(reads(&document), "accepted: {}", String::from_utf8_lossy(&document));
        }
    }
}

const FAULTS: [&[u8]; 21] = [
    b"",
    b"<",
    b">",
    b"/",
    b"&",
    b";",
    b"\"",
    b"'",
    b"=",
    b" ",
    b"<!--",
    b"-->",
    b"]]>",
    b"<![CDATA[",
    b"</a>",
    b"<a>",
    b"?>",
    b"\xff",
    b"\0",
    b"<!DOCTYPE a>",
    b"<!DOCTYPE a PUBLIC '' \"\">",
];
