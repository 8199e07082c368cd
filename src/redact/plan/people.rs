//! People inside of people: an object in a record that has the record's subject field itself.

use crate::policy::set::{Classification, JsonPath, Segment};

/// How they are known: by the subject's path, from any object in a record.
#[derive(Debug, Default)]
pub(in crate::redact) struct People {
    /// The path to what says whose such an object is, from the record; where there is none, nobody stands inside.
    pub(super) subject: Option<JsonPath>,
    /// To what says to which group it belongs.
    pub(super) group: Option<JsonPath>,
}

impl People {
    pub(super) fn of(data: &Classification) -> Self {
        let path = |path: &Option<JsonPath>| path.as_ref().and_then(|path| inside(path, &data.records));
        let subject = path(&data.subject);
        Self { group: subject.as_ref().and_then(|_| path(&data.group)), subject }
    }

    /// Whether somebody may stand inside of a record.
    pub(in crate::redact) fn any(&self) -> bool {
        self.subject.is_some()
    }

    /// Steps back from what says whose an object is to the object.
    pub(in crate::redact) fn steps_from_subject(&self) -> Option<usize> {
        self.subject.as_ref().map(|path| path.segments.len() - 1)
    }

    /// Steps back from what says to which group it belongs.
    pub(in crate::redact) fn steps_from_group(&self) -> Option<usize> {
        self.group.as_ref().map(|path| path.segments.len() - 1)
    }
}

/// The same path from any object in a record. One that reaches any depth has found them already.
fn inside(path: &JsonPath, records: &[JsonPath]) -> Option<JsonPath> {
    let steps = match path.absolute {
        false => &path.segments[..],
        true => records.iter().find_map(|record| path.segments.strip_prefix(&*record.segments))?,
    };
    if steps.is_empty() || steps.contains(&Segment::Descend) {
        return None;
    }
    let segments = std::iter::once(Segment::Descend).chain(steps.iter().cloned()).collect();
    Some(JsonPath { absolute: false, segments })
}
