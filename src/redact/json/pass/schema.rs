//! An object under a personal name that describes the field instead of holding it: `"email": {"type": "string"}`, as in
//! JSON Schema, OpenAPI and the metadata of forms.
//!
//! Where nothing is declared, such an object is held until its end, and keywords with words of a closed list leave of it. So
//! nothing that a person wrote can: titles, descriptions, defaults, examples and patterns go with the rest, and an object
//! without a type, a reference or a choice of those goes whole.

use serde_json::{Map, Value};

use super::{Pass, Scope, Start};
use crate::redact::action::NULL;
use crate::redact::plan::Plan;

/// Longest object that is looked at.
const MAX_SCHEMA: usize = 16 * 1024;

/// Types of JSON Schema, of form fields, and of indexes.
const TYPES: &[&str] = &[
    "string",
    "integer",
    "number",
    "boolean",
    "array",
    "object",
    "null",
    "field",
    "email",
    "url",
    "regex",
    "slug",
    "date",
    "datetime",
    "time",
    "choice",
    "multiple choice",
    "file upload",
    "image upload",
    "list",
    "nested object",
    "float",
    "double",
    "decimal",
    "ipaddress",
    "text",
    "keyword",
    "long",
];
/// Formats of JSON Schema and OpenAPI.
const FORMATS: &[&str] = &[
    "date",
    "date-time",
    "time",
    "duration",
    "email",
    "idn-email",
    "hostname",
    "ipv4",
    "ipv6",
    "uri",
    "uri-reference",
    "iri",
    "url",
    "uuid",
    "regex",
    "password",
    "byte",
    "binary",
    "int32",
    "int64",
    "float",
    "double",
    "decimal",
    "phone",
];
const TRUTHS: &[&str] = &[
    "required",
    "read_only",
    "write_only",
    "readOnly",
    "writeOnly",
    "nullable",
    "deprecated",
    "uniqueItems",
    "additionalProperties",
];
const LENGTHS: &[&str] = &[
    "maxLength",
    "minLength",
    "maxItems",
    "minItems",
    "maxProperties",
    "minProperties",
    "max_length",
    "min_length",
];
/// Where schemas stand that others refer to.
const PLACES: [&str; 3] = ["#/components/schemas/", "#/definitions/", "#/$defs/"];

/// An object that may describe.
#[derive(Debug)]
pub(super) struct Described {
    /// Its comma, where it has one, its name and its colon.
    front: Vec<u8>,
    comma: bool,
    /// Its bytes so far, and where in this chunk the rest of them begins. None where it is too long.
    object: Option<Vec<u8>>,
    from: usize,
    /// What leaves if it does not describe: nothing, or `null`.
    removes: bool,
}

impl Pass<'_> {
    /// Holds a hidden object back until its end.
    pub(super) fn describe(&mut self, at: usize, start: Start, parent: &Scope, removes: bool) {
        let front = match self.here(start.at) {
            Some(from) => {
                self.flush(from);
                self.input[from..at].to_vec()
            }
            None => {
                let mut front = std::mem::take(&mut self.state.carried);
                front.extend_from_slice(&self.input[self.run..at]);
                front
            }
        };
        let removes = removes && !parent.is_around_root();
        let described = Described { front, comma: start.comma, object: Some(Vec::new()), from: at, removes };
        self.state.described = Some(Box::new(described));
        self.state.silent = true;
    }

    /// The chunk ends in what may describe.
    pub(super) fn carry_described(&mut self) {
        if let Some(described) = &mut self.state.described {
            described.take(self.input);
        }
    }

    /// The end of what may describe: writes what of it may leave.
    pub(super) fn described(&mut self, end: usize, mut described: Described, parent: &mut Scope) {
        described.take(&self.input[..end]);
        let Described { front, comma, object, removes, .. } = described;
        let words = object.and_then(|object| words(&object, self.plan));
        if words.is_none() && removes {
            return;
        }
        let first = !std::mem::replace(&mut parent.kept, true);
        self.out.extend_from_slice(&front[usize::from(first && comma)..]);
        self.out.extend_from_slice(words.as_ref().map_or(NULL, |words| words.as_bytes()));
    }
}

impl Described {
    fn take(&mut self, input: &[u8]) {
        let more = &input[self.from..];
        self.object = self.object.take().filter(|object| object.len() + more.len() <= MAX_SCHEMA);
        if let Some(object) = &mut self.object {
            object.extend_from_slice(more);
        }
        self.from = 0;
    }
}

/// What of an object are keywords of a schema; `None` where it is none.
fn words(object: &[u8], plan: &Plan) -> Option<String> {
    schema(&serde_json::from_slice(object).ok()?, plan).map(|schema| schema.to_string())
}

fn schema(value: &Value, plan: &Plan) -> Option<Value> {
    let members = value.as_object()?.iter();
    let left: Map<_, _> =
        members.filter_map(|(name, value)| Some((name.clone(), keyword(name, value, plan)?))).collect();
    let describes = |name: &String| matches!(&**name, "type" | "items" | "anyOf" | "oneOf" | "allOf");
    let refers = value.get("$ref").is_some_and(refers);
    (refers || left.keys().any(describes)).then_some(Value::Object(left))
}

/// What is left of a member: nothing that is not in one of the lists.
fn keyword(name: &str, value: &Value, plan: &Plan) -> Option<Value> {
    match (name, value) {
        ("type", Value::String(word)) => TYPES.contains(&&**word).then(|| value.clone()),
        ("type", Value::Array(words)) => {
            let known = |word: &Value| word.as_str().is_some_and(|word| TYPES.contains(&word));
            words.iter().all(known).then(|| value.clone())
        }
        ("format", Value::String(word)) => FORMATS.contains(&&**word).then(|| value.clone()),
        ("items" | "additionalProperties", Value::Object(_)) => schema(value, plan),
        ("anyOf" | "oneOf" | "allOf", Value::Array(choices)) => {
            let choices: Vec<_> = choices.iter().filter_map(|choice| schema(choice, plan)).collect();
            (!choices.is_empty()).then_some(Value::Array(choices))
        }
        ("properties", Value::Object(members)) => {
            // A name could be a value; that of the charter is none.
            let known = members.iter().filter(|(name, _)| plan.symbol(name.as_bytes()) != 0);
            Some(known.filter_map(|(name, value)| Some((name.clone(), schema(value, plan)?))).collect())
        }
        (name, Value::Bool(_)) => TRUTHS.contains(&name).then(|| value.clone()),
        (name, Value::Number(number)) => {
            let short = number.as_u64().is_some_and(|number| number < 1_000_000);
            (short && LENGTHS.contains(&name)).then(|| value.clone())
        }
        _ => None,
    }
}

/// Whether it is the place of another schema. What that is called does not leave: a schema without words takes anything.
fn refers(value: &Value) -> bool {
    value.as_str().is_some_and(|address| PLACES.iter().any(|place| address.starts_with(place)))
}
