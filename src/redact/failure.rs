//! What a platform says went wrong, where it says so in words that are the same for everybody: `{"detail": "Not found."}`.
//!
//! Nobody classifies the texts of errors, and most of them could hold anything (`No user Jean Dupont`). So an answer with an
//! error status passes as it came where *all* of it is known: each name is one of an error's or of the policy, each text is
//! letter by letter in a list of texts that frameworks write ([`texts`]), each number is the status itself. Nothing that a person
//! wrote can stand in such a document. Any other is redacted as if its status were 200.

mod texts;

use std::fmt;

use serde::de::{DeserializeSeed, Deserializer, Error, MapAccess, SeqAccess, Visitor};

use super::judge::Refused;
use super::plan::Plan;
use super::wrapped::Wrapped;
use super::{Redact, RedactError, Tally, Task};
use std::sync::Arc;

/// Longest document that is looked at.
const MAX_FAILURE: usize = 8 * 1024;

/// Redacts the JSON of an answer with an error status.
pub(super) struct FailureRedactor {
    plan: Arc<Plan>,
    status: u16,
    otherwise: Wrapped,
    /// The document, until it is longer than what is looked at.
    held: Option<Vec<u8>>,
    refused: Refused,
}

impl FailureRedactor {
    pub(super) fn new(task: Task, status: u16) -> Self {
        let plan = Arc::clone(&task.plan);
        Self {
            plan,
            status,
            otherwise: Wrapped::guarded(task),
            held: Some(Vec::new()),
            refused: Refused::default(),
        }
    }
}

impl Redact for FailureRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { otherwise, held, refused, .. } = self;
        Refused::guard(refused, || {
            let Some(document) = held else { return otherwise.push(input, out) };
            document.extend_from_slice(input);
            if document.len() <= MAX_FAILURE {
                return Ok(());
            }
            otherwise.push(&held.take().unwrap_or_default(), out)
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { plan, status, otherwise, held, refused } = self;
        Refused::guard(refused, || {
            if let Some(document) = held.take() {
                if is_known(&document, plan, *status) {
                    out.extend_from_slice(&document);
                    return Ok(());
                }
                otherwise.push(&document, out)?;
            }
            otherwise.finish(out)
        })?;
        self.refused.end();
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.otherwise.tally()
    }
}

/// Whether nothing in a JSON text is anybody's.
fn is_known(document: &[u8], plan: &Plan, status: u16) -> bool {
    let mut reader = serde_json::Deserializer::from_slice(document);
    let known = Known { plan, status, truth: false };
    known.deserialize(&mut reader).is_ok() && reader.end().is_ok()
}

/// Reads a value, and fails at what is not known.
#[derive(Clone, Copy)]
struct Known<'a> {
    plan: &'a Plan,
    status: u16,
    /// A truth value says that it is an error, and nothing else.
    truth: bool,
}

impl Known<'_> {
    fn only<E: Error>(is: bool) -> Result<(), E> {
        if is { Ok(()) } else { Err(E::custom("not known")) }
    }
}

impl<'de> DeserializeSeed<'de> for Known<'_> {
    type Value = ();

    fn deserialize<D: Deserializer<'de>>(self, deserializer: D) -> Result<(), D::Error> {
        deserializer.deserialize_any(self)
    }
}

impl<'de> Visitor<'de> for Known<'_> {
    type Value = ();

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("what frameworks write")
    }

    fn visit_unit<E: Error>(self) -> Result<(), E> {
        Ok(())
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<(), E> {
        Self::only(self.truth)
    }

    fn visit_u64<E: Error>(self, number: u64) -> Result<(), E> {
        Self::only(number == u64::from(self.status))
    }

    fn visit_str<E: Error>(self, text: &str) -> Result<(), E> {
        Self::only(texts::is_known(text, self.status))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut list: A) -> Result<(), A::Error> {
        while list.next_element_seed(Self { truth: false, ..self })?.is_some() {}
        Ok(())
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<(), A::Error> {
        // Each member for itself, also of names that come twice.
        while let Some(name) = members.next_key::<String>()? {
            let own = texts::NAMES.contains(&&*name);
            Self::only(own || self.plan.symbol(name.as_bytes()) != 0)?;
            members.next_value_seed(Self { truth: texts::TRUTHS.contains(&&*name), ..self })?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::policy::set::Unknown;
    use crate::redact::Format;
    use crate::redact::trial::{NAME, Trial};

    fn strict() -> Trial {
        Trial::declared(Unknown::Deny, &[("login", Some(NAME))])
    }

    #[test]
    fn known_errors_leave_as_they_came() {
        for (status, document) in [
            (404, "{\"detail\":\"Not found.\"}"),
            (404, " {\n \"detail\" : \"Pas trouv\\u00e9.\" }\r\n"),
            (400, "{\"non_field_errors\":[\"Unable to log in with provided credentials.\"]}"),
            (400, "{\"nom\":[\"Ensure this field has no more than 30 characters.\"]}"),
            (401, "[{\"id\":\"INVALID_CREDENTIALS\",\"metadata\":{}}]"),
            (400, "{\"error\":\"invalid_grant\",\"error_description\":\"Invalid user credentials\"}"),
            (404, "{\"type\":\"about:blank\",\"title\":\"Not Found\",\"status\":404}"),
            (
                404,
                "{\"code\":\"rest_no_route\",\"message\":\"No route was found matching the URL and request method.\",\"data\":{\"status\":404}}",
            ),
            (
                429,
                "{\"success\":false,\"error\":null,\"detail\":\"Request was throttled. Expected available in 86 seconds.\"}",
            ),
            (500, "[]"),
        ] {
            for trial in [strict(), Trial::undeclared()] {
                assert_eq!(
                    trial.redact(&Format::Failure(status), document).as_deref(),
                    Ok(document),
                    "{document}"
                );
            }
        }
        let fields = "{\"email\":[\"This field is required.\"],\"login\":[\"Ce champ est obligatoire.\"]}";
        assert_eq!(strict().redact(&Format::Failure(400), fields).as_deref(), Ok(fields));
    }

    #[test]
    fn what_could_be_somebodys_is_redacted_as_ever() {
        let long = format!("{{\"detail\":\"Not found.\"{}}}", " ".repeat(MAX_FAILURE));
        for (document, expected) in [
            ("{\"detail\":\"No user Zephyrine.\"}", Ok("{}")),
            ("{\"detail\":\"Zephyrine\",\"detail\":\"Not found.\"}", Ok("{}")),
            ("{\"detail\":\"Not found.\",\"user\":\"Zephyrine\"}", Ok("{}")),
            ("{\"detail\":\"Not found. Zephyrine\"}", Ok("{}")),
            ("{\"zephyrine\":\"Not found.\"}", Ok("{}")),
            ("{\"detail\":{\"zephyrine\":[\"Not found.\"]}}", Ok("{}")),
            ("{\"code\":\"zephyrine\"}", Ok("{}")),
            ("{\"code\":\"grant\"}", Ok("{}")),
            ("{\"code\":12}", Ok("{}")),
            ("{\"status\":404.5}", Ok("{}")),
            ("{\"nom\":true}", Ok("{\"nom\":null}")),
            ("{\"success\":[true]}", Ok("{}")),
            ("{\"detail\":\"Ensure this field has no more than 0612345678 characters.\"}", Ok("{}")),
            ("{\"nom\":\"Zephyrine\",\"detail\":\"Not found.\"}", Ok("{\"nom\":\"***\"}")),
            ("{\"detail\":\"Not found.\"", Err(RedactError::Truncated)),
            ("{\"detail\":\"Not found.\"} x", Err(RedactError::Malformed)),
            ("{\"detail\":\"Not found.\\ud800\"}", Err(RedactError::LoneSurrogate)),
            (&long, Ok("{}")),
        ] {
            let left = strict().redact(&Format::Failure(404), document);
            let left = left.as_deref().map(|left| left.replace(' ', "")).map_err(|error| *error);
            assert_eq!(left.as_deref().map_err(|error| *error), expected, "{document}");
        }
    }
}
