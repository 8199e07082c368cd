//! A file's bytes → a document, with every fault of notation and shape at once.

use std::{collections::HashSet, sync::Arc};

use serde::de::DeserializeOwned;
use serde_path_to_error::Segment;
use serde_yaml::Value;

use super::{
    locate::byte_offset,
    tree::{self, FILE_BYTES_MAX, Fault, Part, Step},
};
use crate::policy::{
    report::Diagnostic,
    suggest::{listed, nearest},
};

/// Most faults of shape looked for in one file; each takes another reading.
const FAULTS_MAX: usize = 64;

/// What is known of a file once it has been read.
#[derive(Debug, Default)]
pub(crate) struct Contents {
    /// Its name, relative to the policy folder.
    pub(crate) name: String,
    /// Its text; positions are looked up in it.
    pub(crate) text: Arc<str>,
    /// Places that were malformed: what depends on them gets no message of its own.
    pub(crate) dropped: HashSet<Vec<Step>>,
    /// What was wrong so far.
    pub(crate) faults: Vec<Fault>,
}

/// Reads a file into a document.
///
/// A malformed value is recorded and taken out, and the reading starts over, until what is left is a document: so one
/// wrong value hides no other.
///
/// # Errors
/// The one message about a file that is no YAML text at all.
pub(crate) fn open<T: DeserializeOwned + Default>(
    name: &str,
    bytes: &[u8],
) -> Result<(T, Contents), Box<Diagnostic>> {
    if bytes.len() > FILE_BYTES_MAX {
        return Err(Box::new(Diagnostic::whole_file(
            name,
            format!("the file has more than {FILE_BYTES_MAX} bytes"),
            Some("split it: `routes/` may hold many files".into()),
        )));
    }
    let text = std::str::from_utf8(bytes).map_err(|error| {
        let valid = String::from_utf8_lossy(&bytes[..error.valid_up_to()]);
        let end = valid.len();
        Box::new(Diagnostic::at(name, &valid, (end, end), "the file is not UTF-8 from here on", None))
    })?;
    let text = text.strip_prefix('\u{feff}').unwrap_or(text);
    let tree = tree::read(text).map_err(|error| Box::new(not_yaml(name, text, &error)))?;

    let mut value = tree.value;
    let mut contents =
        Contents { name: name.to_owned(), text: text.into(), dropped: HashSet::new(), faults: tree.faults };
    for fault in &contents.faults {
        // Of a key written twice the first stays, and is sound.
        if fault.part != Part::RepeatedKey {
            contents.dropped.insert(fault.steps.clone());
        }
    }
    if value.is_null() {
        return Ok((T::default(), contents));
    }
    for _ in 0..FAULTS_MAX {
        match serde_path_to_error::deserialize::<_, T>(&value) {
            Ok(document) => return Ok((document, contents)),
            Err(error) => {
                let steps = steps_of(error.path());
                let message = error.into_inner().to_string();
                let fault = fault_of_shape(steps, &message);
                let removed = take_out(&mut value, &fault);
                let fresh = contents.dropped.insert(fault.steps.clone());
                contents.dropped.extend(fault.meant());
                contents.faults.push(fault);
                if !removed || !fresh {
                    break;
                }
            }
        }
    }
    contents.dropped.insert(Vec::new());
    Ok((T::default(), contents))
}

fn not_yaml(name: &str, text: &str, error: &serde_yaml::Error) -> Diagnostic {
    let message = error.to_string();
    let mut at = error.location().map_or(0, |at| byte_offset(text, at.index()));
    // What is never closed is found at the end of the file; where it was opened is what helps.
    if at >= text.trim_end().len()
        && let Some((_, opened)) = message.rsplit_once(" at line ")
        && let Some((line, column)) = opened.split_once(" column ")
        && let (Ok(line), Ok(column)) = (line.parse::<usize>(), column.parse::<usize>())
    {
        let before: usize = text.split_inclusive('\n').take(line.saturating_sub(1)).map(str::len).sum();
        let inside = text.get(before..).unwrap_or_default().char_indices().nth(column.saturating_sub(1));
        at = byte_offset(text, before + inside.map_or(0, |(at, _)| at));
    }
    let help = "YAML wants spaces (no tabs) for indentation, `: ` behind keys, closed quotes and brackets, and quotes \
                around texts that start with `@`, `*`, `{` or `#`";
    let message = format!("this is not YAML: {}", without_positions(&message));
    Diagnostic::at(name, text, (at, at + 1), message, Some(help.into()))
}

/// The parser's message without ` at line 3 column 7`: the report says positions itself.
fn without_positions(message: &str) -> String {
    let mut parts = message.split(" at line ");
    let mut said = parts.next().unwrap_or_default().to_owned();
    for part in parts {
        let digits = |c: char| c.is_ascii_digit();
        let rest = part.trim_start_matches(digits);
        let rest = rest.strip_prefix(" column ").map_or(rest, |rest| rest.trim_start_matches(digits));
        said.push_str(rest);
    }
    said
}

fn steps_of(path: &serde_path_to_error::Path) -> Vec<Step> {
    path.iter()
        .map_while(|segment| match segment {
            Segment::Seq { index } => Some(Step::Index(*index)),
            Segment::Map { key } => Some(Step::Key(key.clone())),
            Segment::Enum { .. } | Segment::Unknown => None,
        })
        .collect()
}

/// Says in the language of policies what serde says in its own.
fn fault_of_shape(mut steps: Vec<Step>, message: &str) -> Fault {
    if let Some(rest) = message.strip_prefix("unknown field `")
        && let Some((field, expected)) = rest.split_once('`')
    {
        if steps.last() != Some(&Step::Key(field.to_owned())) {
            steps.push(Step::Key(field.to_owned()));
        }
        let known: Vec<&str> = expected.split('`').skip(1).step_by(2).collect();
        let near = nearest(field, known.iter().copied());
        let help = match near {
            Some(near) => format!("did you mean `{near}`?"),
            None => format!("the fields here are {}", listed(&known)),
        };
        let message = format!("`{field}` is not a field here");
        let meant = near.map(str::to_owned);
        return Fault { steps, part: Part::Key, message, help: Some(help), meant };
    }
    let help = message
        .contains("expected a string")
        .then(|| "put the text in quotes".to_owned())
        .filter(|_| message.contains("integer") || message.contains("float") || message.contains("boolean"));
    let message = message
        .replace("invalid type: ", "found ")
        .replace("invalid value: ", "found ")
        .replace("found sequence", "found a list")
        .replace("found map,", "found a mapping,")
        .replace("found string ", "found the text ")
        .replace("expected a sequence", "expected a list")
        .replace("expected a string", "expected a text")
        .replace("expected u16", "expected a number up to 65535")
        .replace("expected u32", "expected a number up to 4294967295")
        .replace("expected u64", "expected a number")
        .replace("expected usize", "expected a number");
    Fault { steps, part: Part::Value, message, help, meant: None }
}

/// Takes the malformed value out: an unknown entry goes, any other value becomes the absence that the documents allow.
fn take_out(value: &mut Value, fault: &Fault) -> bool {
    let Some((last, parents)) = fault.steps.split_last() else { return false };
    let parent = parents.iter().try_fold(value, |inside, step| match (inside, step) {
        (Value::Mapping(map), Step::Key(key)) => map.get_mut(key.as_str()),
        (Value::Sequence(list), Step::Index(at)) => list.get_mut(*at),
        _ => None,
    });
    match (parent, last) {
        (Some(Value::Mapping(map)), Step::Key(key)) if fault.part == Part::Key => {
            map.shift_remove(key.as_str()).is_some()
        }
        (Some(Value::Mapping(map)), Step::Key(key)) => {
            map.get_mut(key.as_str()).map(|value| *value = Value::Null).is_some()
        }
        (Some(Value::Sequence(list)), Step::Index(at)) => {
            list.get_mut(*at).map(|value| *value = Value::Null).is_some()
        }
        _ => false,
    }
}
