//! What is promised of JSON, for bodies that are written otherwise: tables, forms, parts, XML, plain text.

use std::sync::Arc;

use super::scenario::{CANARY, NAMES, Plant, Scenario, WORDS, document, is_classified};
use super::source::Source;
use crate::policy::set::{CategorySet, DetectorKinds};
use crate::redact::{Charset, Format, Header, RedactError, Tally};

/// What stands in cells, fields, elements and attributes.
const TEXTS: [&str; 8] = ["", "jean", "a", "7", "2012-05-17", "é€😀", " t ", "=1+1"];
/// More of it where quotes and escapes let it stand.
const ODD: [&str; 4] = ["q\"u;o,t\te|", "\u{1}\r\n\u{7f}", "a&b=c%+;", "<&>'\"]]"];
/// Where parts meet.
const BOUNDARIES: [&str; 2] = ["b1", "in"];

/// Nothing under a classified column leaves to someone who may see nothing, nor under a classified name in a document
/// inside a cell.
///
/// # Panics
/// If it does.
pub fn no_canary_survives_in_a_table(data: &[u8]) {
    no_canary_survives_in(data, table);
}

/// The same of a form's fields.
///
/// # Panics
/// If it does.
pub fn no_canary_survives_in_a_form(data: &[u8]) {
    no_canary_survives_in(data, |source| (Format::Form, form(source)));
}

/// The same of bodies of several parts, and of parts in parts.
///
/// # Panics
/// If it does.
pub fn no_canary_survives_in_parts(data: &[u8]) {
    no_canary_survives_in(data, |source| parts(source, BOUNDARIES[0]));
}

/// The same of elements and attributes, in each spelling that a parser makes one of.
///
/// # Panics
/// If it does.
pub fn no_canary_survives_in_xml(data: &[u8]) {
    no_canary_survives_in(data, |source| (Format::Xml, xml(source)));
}

/// What detectors find in a plain text does not leave to someone who may see nothing.
///
/// # Panics
/// If it does.
pub fn no_canary_survives_in_a_text(data: &[u8]) {
    let (choices, rest) = data.split_at(data.len() / 4);
    let mut scenario = Scenario::with_canaries(choices);
    scenario.charter.categories[0].detect = DetectorKinds::ALL;
    let body = text(&mut Source(rest));
    hides(&scenario, &Format::Text(Charset::Utf8), &body);
}

/// Whatever bytes come in whatever format, cut anywhere: the same verdict, and the same body where it is accepted.
///
/// # Panics
/// If not.
pub fn chunking_never_shows_in_any_body(data: &[u8]) {
    let (head, body) = data.split_at(data.len().min(48));
    let (choices, scenario) = head.split_at(head.len().min(2));
    let format = format(&mut Source(choices));
    let _ = cut_anywhere(&Scenario::new(scenario), &format, body);
}

fn format(source: &mut Source<'_>) -> Format {
    match source.below(10) {
        0 => Format::Lines,
        1 => Format::Sequence,
        2 => Format::Texts,
        3 => Format::Wrapped,
        4 => Format::Events,
        5 => Format::Table {
            separator: source.pick(&[None, None, Some(b'\t'), Some(b';')]),
            charset: source.pick(&[Charset::Unstated, Charset::Utf8]),
            header: source.pick(&[Header::Present, Header::Absent]),
        },
        6 => Format::Form,
        7 => Format::Multipart { boundary: BOUNDARIES[0].into(), form: source.one_in(2) },
        8 => Format::Xml,
        _ => Format::Text(source.pick(&[Charset::Unstated, Charset::Utf8])),
    }
}

/// A body is hidden, however it is cut; what left is such a body again; who sees everything gets it as it came.
fn no_canary_survives_in(data: &[u8], write: impl Fn(&mut Source<'_>) -> (Format, Vec<u8>)) {
    let (choices, rest) = data.split_at(data.len() / 4);
    let mut scenario = Scenario::with_canaries(choices);
    let (format, body) = write(&mut Source(rest));
    let told = String::from_utf8_lossy(&body);
    let out = hides(&scenario, &format, &body);
    let again = scenario.redact_as(&format, &out, &[]);
    assert_eq!(again.0, Ok(()), "{told} became {}", String::from_utf8_lossy(&out));
    let mut all = (*scenario.audience).clone();
    all.sees.any = CategorySet(u64::MAX);
    scenario.audience = Arc::new(all);
    let (result, out, tally) = scenario.redact_as(&format, &body, &scenario.chunks);
    assert_eq!((result, String::from_utf8_lossy(&out)), (Ok(()), told));
    assert_eq!(tally.total(), 0);
    // With relations.
    let _ = cut_anywhere(&Scenario::new(choices), &format, &body);
}

/// What left.
fn hides(scenario: &Scenario, format: &Format, body: &[u8]) -> Vec<u8> {
    let (result, out, _) = cut_anywhere(scenario, format, body);
    assert_eq!(result, Ok(()), "{format:?} {:?}", String::from_utf8_lossy(body));
    // As a parser of XML puts it together.
    let text = String::from_utf8_lossy(&out);
    let told = text.replace("<![CDATA[", "").replace("]]>", "").replace("&#67;", "C");
    assert!(!told.contains(CANARY), "{} became {text}", String::from_utf8_lossy(body));
    out
}

fn cut_anywhere(
    scenario: &Scenario,
    format: &Format,
    body: &[u8],
) -> (Result<(), RedactError>, Vec<u8>, Tally) {
    let whole = scenario.redact_as(format, body, &[]);
    for chunks in [&*scenario.chunks, &[1]] {
        let cut = scenario.redact_as(format, body, chunks);
        let told = || format!("{format:?} in chunks of {chunks:?}: {}", String::from_utf8_lossy(body));
        assert_eq!(cut.0.is_ok(), whole.0.is_ok(), "{}", told());
        assert!(whole.0.is_err() || cut == whole, "{}", told());
    }
    whole
}

/// A name as platforms write it where a format has no nesting, and whether it is classified.
fn flat_name(source: &mut Source<'_>) -> (String, bool) {
    let name = source.pick(&NAMES);
    let written = match source.below(10) {
        0 => format!("x.{name}"),
        1 => format!("x[{name}]"),
        2 => format!("x[0][{name}]"),
        3 => format!("{name}[]"),
        4 => format!("{name}.x"),
        _ => name.to_owned(),
    };
    (written, is_classified(name))
}

/// A value that stands under such a name: perhaps a document.
fn flat_value(source: &mut Source<'_>, secret: bool) -> String {
    match source.below(8) {
        0 => source.pick(&ODD).to_owned() + if secret { CANARY } else { "" },
        1 if !secret => String::from_utf8_lossy(&document(source, Plant::Canaries)).into_owned(),
        _ => source.pick(&TEXTS).to_owned() + if secret { CANARY } else { "" },
    }
}

fn table(source: &mut Source<'_>) -> (Format, Vec<u8>) {
    let separator = source.pick(b",;\t|");
    let newline = source.pick(&["\n", "\r\n", "\r"]);
    let stated = source.one_in(3);
    let mut out = String::from(source.pick(&["", "", "\u{feff}"]));
    if !stated && source.one_in(8) {
        out += &format!("sep={}{newline}", char::from(separator));
    }
    let columns: Vec<(String, bool)> = (0..1 + source.below(8)).map(|_| flat_name(source)).collect();
    let rows = source.below(6);
    for row in 0..=rows {
        for (at, (name, secret)) in columns.iter().enumerate() {
            if at > 0 {
                out.push(separator.into());
            }
            let cell = if row == 0 { name.clone() } else { flat_value(source, *secret) };
            if source.one_in(4) || cell.contains(['"', '\r', '\n', ',', ';', '|', '\t']) {
                out += &format!("\"{}\"", cell.replace('"', "\"\""));
            } else {
                out += &cell;
            }
        }
        if row < rows || !source.one_in(4) {
            out += newline;
        }
    }
    let charset = source.pick(&[Charset::Unstated, Charset::Utf8]);
    let format = Format::Table { separator: stated.then_some(separator), charset, header: Header::Present };
    (format, out.into_bytes())
}

fn form(source: &mut Source<'_>) -> Vec<u8> {
    let mut out = String::new();
    for at in 0..source.below(8) {
        if at > 0 {
            out.push('&');
        }
        let (name, secret) = flat_name(source);
        let value = flat_value(source, secret);
        let mut encoded = form_urlencoded::byte_serialize(name.as_bytes()).collect::<String>();
        if source.one_in(3) {
            encoded = name.bytes().map(|byte| format!("%{byte:02x}")).collect();
        }
        out += &encoded;
        out.push('=');
        out.extend(form_urlencoded::byte_serialize(value.as_bytes()));
    }
    out.into_bytes()
}

fn parts(source: &mut Source<'_>, boundary: &str) -> (Format, Vec<u8>) {
    let is_form = source.one_in(2);
    let mut out = Vec::new();
    for number in 0..source.below(5) {
        let (name, secret) = flat_name(source);
        let disposition = if is_form {
            format!("Content-Disposition: form-data; name=\"{name}\"\r\n")
        } else {
            String::new()
        };
        let (head, content) = match source.below(5) {
            0 => ("Content-Type: application/json\r\n".to_owned(), document(source, Plant::Canaries)),
            1 => ("Content-Type: application/x-www-form-urlencoded\r\n".to_owned(), form(source)),
            2 => ("Content-Type: application/xml\r\n".to_owned(), xml(source)),
            3 if boundary == BOUNDARIES[0] => {
                let (format, inner) = parts(source, BOUNDARIES[1]);
                let kind = match format {
                    Format::Multipart { form: true, .. } => "form-data",
                    _ => "mixed",
                };
                (format!("Content-Type: multipart/{kind}; boundary=\"{}\"\r\n", BOUNDARIES[1]), inner)
            }
            _ if is_form => (String::new(), flat_value(source, secret).into_bytes()),
            _ => (format!("Content-Type: application/json\r\nContent-ID: <{number}>\r\n"), b"[]".to_vec()),
        };
        out.extend(format!("--{boundary}\r\n{disposition}{head}\r\n").bytes());
        out.extend(content);
        out.extend(b"\r\n");
    }
    out.extend(format!("--{boundary}--\r\n").bytes());
    (Format::Multipart { boundary: boundary.into(), form: is_form }, out)
}

fn xml(source: &mut Source<'_>) -> Vec<u8> {
    let mut out = String::from(source.pick(&["", "<?xml version=\"1.0\"?>", "\u{feff}"]));
    element(source, false, 5, &mut out);
    out.into_bytes()
}

fn element(source: &mut Source<'_>, secret: bool, depth: usize, out: &mut String) {
    let name = source.pick(WORDS);
    let prefix = source.pick(&["", "", "", "p:"]);
    *out += &format!("<{prefix}{name}");
    let mut secret = secret || is_classified(name);
    let mut written: Vec<&str> = Vec::new();
    for _ in 0..source.below(3) {
        let attribute = source.pick(WORDS);
        let is_naming = attribute.eq_ignore_ascii_case("id") || attribute.eq_ignore_ascii_case("name");
        if written.contains(&attribute) || is_naming {
            continue;
        }
        written.push(attribute);
        let canary = if secret || is_classified(attribute) { CANARY } else { "" };
        *out += &format!(" {attribute}=\"{}{canary}\"", source.pick(&TEXTS));
    }
    if source.one_in(4) {
        let named = source.pick(WORDS);
        *out += &format!("\n key = '{named}'");
        secret |= is_classified(named);
    }
    let children = if depth == 0 { 0 } else { source.below(5) };
    if children == 0 && source.one_in(2) {
        return out.push_str(" />");
    }
    out.push('>');
    for _ in 0..children {
        match source.below(6) {
            0 | 1 => element(source, secret, depth - 1, out),
            2 if secret => *out += "CAN<![CDATA[ARY]]> CANARY &#67;ANARY",
            3 => *out += &format!("<![CDATA[{}]]>", source.pick(&TEXTS)),
            4 => *out += source.pick(&["&amp;&#106;&lt;", "]]", "\n  "]),
            _ => *out += source.pick(&TEXTS),
        }
    }
    *out += &format!("</{prefix}{name} >");
}

/// Prose with what detectors are sure of, apart by white space.
fn text(source: &mut Source<'_>) -> Vec<u8> {
    let mut out = String::new();
    for _ in 0..source.below(40) {
        out += match source.below(12) {
            0 | 1 => "CANARY@x.fr",
            2 => "mailto:jean.CANARY@lycee.example",
            3 => "\"CANARY@x.fr\"",
            4 => "né le",
            5 => "06 12",
            6 => "1.2.3",
            7 => "é€😀",
            8 => "@",
            9 => "12 rue",
            _ => "mot",
        };
        out += source.pick(&[" ", "\n", "\r\n", ", ", "\t", " ; "]);
    }
    out.into_bytes()
}
