//! What a client calls the fields of a GraphQL answer changes nothing of what it gets.

use std::collections::BTreeMap;
use std::fmt::Write as _;

use super::scenario::Scenario;
use super::source::Source;
use crate::policy::set::{LooseFormat, PersonalData};
use crate::redact::{Format, Graphql, MAX_ALIASES, Parameters, RedactError, Tally};

/// Names of scalars, and of what has members: GraphQL knows which is which.
const LEAVES: [&str; 8] = ["id", "name", "email", "x", "birthDate", "note", "Name", "other"];
const BRANCHES: [&str; 4] = ["items", "owner", "groups", "people"];
/// Deepest nesting of what is made.
const DEEPEST: usize = 4;

/// What is selected, by field: of a scalar nothing.
#[derive(Default)]
struct Shape(BTreeMap<&'static str, Option<Shape>>);

enum Value {
    Scalar(&'static str),
    List(Vec<Value>),
    Object(Vec<(&'static str, Value)>),
}

/// Whatever a client calls the fields, wherever it spreads them to, the same values leave of every record, and as many are
/// counted; however the answer is cut.
///
/// # Panics
/// If not.
pub fn aliases_change_nothing(data: &[u8]) {
    let (choices, rest) = data.split_at(data.len() / 2);
    let mut scenario = Scenario::new(choices);
    if let PersonalData::Declared(data) = &mut scenario.data {
        data.formats.push(LooseFormat::Graphql);
    }
    let mut source = Source(rest);
    let mut shape = Shape::default();
    let value = object(&mut source, &mut shape, 0);
    let plain = redact(&scenario, &shape, &value, None, &[]);
    let mut spreads = Source(choices);
    let aliased = redact(&scenario, &shape, &value, Some(&mut spreads), &[]);
    assert_eq!(aliased, plain);
    for chunks in [&*scenario.chunks, &[1]] {
        let mut spreads = Source(choices);
        assert_eq!(redact(&scenario, &shape, &value, Some(&mut spreads), chunks), plain);
    }
}

/// What leaves, by the names of the fields; with aliases where `spreads` decides on fragments.
fn redact(
    scenario: &Scenario,
    shape: &Shape,
    value: &Value,
    spreads: Option<&mut Source<'_>>,
    chunks: &[usize],
) -> (Result<(), RedactError>, String, Tally) {
    let mut aliases = Vec::new();
    let mut names = spreads.is_some().then_some(&mut aliases);
    let (mut query, mut answer) = (String::new(), "{\"data\":".to_owned());
    let mut none = Source(&[]);
    ask(shape, spreads.unwrap_or(&mut none), &mut Vec::new(), &mut names, &mut query);
    write(value, &mut Vec::new(), &aliases, &mut answer);
    answer.push('}');
    let mut parameters = Parameters::default();
    let read =
        parameters.query(query.clone()).and_then(|()| Graphql::read(&[parameters], false, MAX_ALIASES));
    let Ok(graphql) = read else { return (Err(RedactError::Malformed), query, Tally::default()) };
    let format = Format::Graphql(graphql.answers());
    let (result, out, tally) = scenario.redact_as(&format, answer.as_bytes(), chunks);
    let mut left = String::from_utf8_lossy(&out).into_owned();
    for (place, path) in aliases.iter().enumerate() {
        let name = path.last().copied().unwrap_or_default();
        left = left.replace(&format!("\"{}\":", alias(place)), &format!("\"{name}\":"));
    }
    assert_eq!(result, Ok(()), "{query} {answer}");
    (result, left, tally)
}

/// Fields by the way to them; the place of each is the number of its alias.
type Aliases = Vec<Vec<&'static str>>;

/// A name that means nothing in any policy.
fn alias(place: usize) -> String {
    format!("z{place}z")
}

fn ask(
    shape: &Shape,
    spreads: &mut Source<'_>,
    path: &mut Vec<&'static str>,
    aliases: &mut Option<&mut Aliases>,
    query: &mut String,
) {
    query.push_str("{ __typename ");
    for (name, inside) in &shape.0 {
        path.push(name);
        let is_spread = aliases.is_some() && spreads.one_in(3);
        if is_spread {
            query.push_str("... on T { ");
        }
        if let Some(aliases) = aliases {
            let _ = write!(query, "{}: ", alias(aliases.len()));
            aliases.push(path.clone());
        }
        query.push_str(name);
        query.push(' ');
        if let Some(inside) = inside {
            ask(inside, spreads, path, aliases, query);
        }
        if is_spread {
            query.push_str("} ");
        }
        path.pop();
    }
    query.push_str("} ");
}

fn write(value: &Value, path: &mut Vec<&'static str>, aliases: &Aliases, out: &mut String) {
    match value {
        Value::Scalar(text) => out.push_str(text),
        Value::List(items) => {
            out.push('[');
            for (place, item) in items.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                write(item, path, aliases, out);
            }
            out.push(']');
        }
        Value::Object(members) => {
            out.push('{');
            for (place, (name, value)) in members.iter().enumerate() {
                if place > 0 {
                    out.push(',');
                }
                path.push(name);
                match aliases.iter().position(|known| known == path) {
                    Some(place) => drop(write!(out, "\"{}\":", alias(place))),
                    None => drop(write!(out, "\"{name}\":")),
                }
                write(value, path, aliases, out);
                path.pop();
            }
            out.push('}');
        }
    }
}

fn object(source: &mut Source<'_>, shape: &mut Shape, depth: usize) -> Value {
    let mut members: Vec<(&'static str, Value)> = Vec::new();
    for _ in 0..source.below(6) {
        let is_branch = depth < DEEPEST && source.one_in(2);
        let name = if is_branch { source.pick(&BRANCHES) } else { source.pick(&LEAVES) };
        if members.iter().any(|(known, _)| *known == name) {
            continue;
        }
        let value = if is_branch {
            let inside = shape.0.entry(name).or_default().get_or_insert_default();
            branch(source, inside, depth + 1)
        } else {
            shape.0.entry(name).or_default();
            leaf(source)
        };
        members.push((name, value));
    }
    Value::Object(members)
}

fn branch(source: &mut Source<'_>, shape: &mut Shape, depth: usize) -> Value {
    match source.below(4) {
        0 => Value::Scalar("null"),
        1 => object(source, shape, depth),
        _ => Value::List((0..source.below(4)).map(|_| object(source, shape, depth)).collect()),
    }
}

fn leaf(source: &mut Source<'_>) -> Value {
    const SCALARS: [&str; 9] = [
        "null",
        "true",
        "7",
        "\"jean\"",
        "\"a\"",
        "\"2012-05-17\"",
        "\"x@y.fr\"",
        "\"\\u00e9\"",
        "{\"email\":\"b\",\"id\":\"jean\"}",
    ];
    match source.one_in(4) {
        true => Value::List((0..source.below(3)).map(|_| Value::Scalar(source.pick(&SCALARS))).collect()),
        false => Value::Scalar(source.pick(&SCALARS)),
    }
}
