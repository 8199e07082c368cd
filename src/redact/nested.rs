//! A JSON document inside a text of another format: a cell, a form value, a field of a multipart form.

use std::sync::Arc;

use super::{Audience, JsonRedactor, Tally, Task};
use crate::policy::set::{CategorySet, Sees};

/// What a text turned out to be.
#[derive(Debug, PartialEq, Eq)]
pub(super) enum Nested {
    /// No document, or one from which nothing had to go.
    Same,
    /// A document, redacted.
    Redacted(String),
    /// It begins as a document and cannot be read as one: it must not leave.
    Unreadable,
}

impl Nested {
    /// Whether a text that begins so is worth the call: a document may stand behind white space.
    pub(super) fn may_begin(first: u8) -> bool {
        // The last five: what a byte order mark and the spaces beyond ASCII begin with.
        matches!(first, b'{' | b'[' | b' ' | b'\t'..=b'\r' | 0xc2 | 0xe1..=0xe3 | 0xef)
    }

    /// Reads a text by the charter's field names: the route's paths say nothing of it. A record around it opens to it
    /// what it opens to its other values.
    pub(super) fn of(text: &str, task: &Task, visible: CategorySet) -> (Self, Tally) {
        let document = text.trim_start_matches(|c: char| c.is_whitespace() || is_invisible(c));
        if !begins(document) {
            return (Self::Same, Tally::default());
        }
        let audience = Audience { sees: Sees { any: visible, ..Sees::default() }, ..Audience::default() };
        let mut redactor =
            JsonRedactor::new(task.plan.for_nested(), Arc::new(audience), Arc::clone(&task.key));
        let mut out = Vec::with_capacity(document.len());
        let read = redactor.push(document.as_bytes(), &mut out).and_then(|()| redactor.finish(&mut out));
        match read.map(|()| String::from_utf8(out)) {
            Ok(Ok(out)) if out == document => (Self::Same, redactor.tally().clone()),
            Ok(Ok(out)) => (Self::Redacted(out), redactor.tally().clone()),
            _ => {
                let mut tally = Tally::default();
                tally.unclassified();
                (Self::Unreadable, tally)
            }
        }
    }
}

fn is_invisible(c: char) -> bool {
    matches!(c, '\u{feff}' | '\u{200b}'..='\u{200f}' | '\u{2060}')
}

/// Whether names could follow: an object, or a list of objects, lists or texts, or of anything with an object somewhere
/// behind it. Also as other languages print them (`{'a': 1}`), which cannot be read. `[draft] a title` is a text.
pub(super) fn begins(text: &str) -> bool {
    let mut rest = text.chars().filter(|&c| !c.is_whitespace() && !is_invisible(c));
    match rest.next() {
        Some('{') => true,
        Some('[') => matches!(rest.next(), Some('{' | '[' | '"' | '\'' | '(')) || rest.any(|c| c == '{'),
        _ => false,
    }
}

#[cfg(test)]
mod tests {
    use super::super::trial::Trial;
    use super::*;

    #[test]
    fn documents_in_texts_are_read_by_the_charters_names() {
        let task = Trial::undeclared().task();
        for (text, expected) in [
            ("plain", Nested::Same),
            ("", Nested::Same),
            ("[brouillon] Titre", Nested::Same),
            ("[1] voir plus bas", Nested::Same),
            ("{\"a\":1}", Nested::Same),
            (" [ {\"a\": \"b\"} ]", Nested::Same),
            ("[1, null]", Nested::Same),
            ("[1, {\"nom\":\"Jean\"}]", Nested::Redacted("[1, {\"nom\":\"***\"}]".into())),
            ("[null, {'nom': 'Jean'}]", Nested::Unreadable),
            ("{\"nom\":\"Jean\",\"a\":1}", Nested::Redacted("{\"nom\":\"***\",\"a\":1}".into())),
            ("\u{1680}{\"Nom\":\"Jean\"}", Nested::Redacted("{\"Nom\":\"***\"}".into())),
            ("\u{3000}[{\"Nom\":\"Jean\"}]", Nested::Redacted("[{\"Nom\":\"***\"}]".into())),
            ("\u{feff} [{\"Nom\":\"Jean\"}]", Nested::Redacted("[{\"Nom\":\"***\"}]".into())),
            ("{'nom': 'Jean'}", Nested::Unreadable),
            ("[{'nom': 'Jean'}]", Nested::Unreadable),
            ("{\"nom\":\"Jean\"", Nested::Unreadable),
            ("{nom:1}", Nested::Unreadable),
            ("[(\"nom\", 1)]", Nested::Unreadable),
        ] {
            assert_eq!(Nested::of(text, &task, CategorySet::default()).0, expected, "{text}");
            if let Some(&first) = text.as_bytes().first().filter(|_| expected != Nested::Same) {
                assert!(Nested::may_begin(first), "{text}");
            }
        }
        let seen = Nested::of("{\"nom\":\"Jean\"}", &task, CategorySet(u64::MAX)).0;
        assert_eq!(seen, Nested::Same);
    }
}
