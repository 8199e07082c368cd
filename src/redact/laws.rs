//! What the engine promises, as properties that the tests and the fuzz targets share.
//!
//! Each law takes bytes and reads from them a charter, a route, a caller, a document and a way to cut it; it panics if
//! the engine breaks its word. Not part of the product's interface.

mod bodies;
mod graphql;
mod pages;
mod reference;
mod requests;
mod scenario;
mod source;
#[cfg(test)]
mod tests;
mod wrappings;

use std::sync::Arc;

use reference::{Reference, Tree};
use scenario::{CANARY, Scenario};
pub(crate) use source::Source;

pub use bodies::{
    chunking_never_shows_in_any_body, no_canary_survives_in_a_form, no_canary_survives_in_a_table,
    no_canary_survives_in_a_text, no_canary_survives_in_parts, no_canary_survives_in_xml,
};
pub use graphql::aliases_change_nothing;
pub use pages::{
    a_hidden_value_stands_nowhere_in_a_page, no_canary_survives_in_a_broken_page,
    no_canary_survives_in_a_page, page_chunking_never_shows, page_without_names_is_identical,
};
pub use requests::{nothing_hidden_is_asked_for, nothing_hidden_is_written};
pub use wrappings::{chunking_never_shows_in_any_wrapping, encodings_hide_nothing, wrappings_change_nothing};

use super::{Audience, Plan};
use crate::policy::set::PersonalData;

/// How a document is cut never shows: neither in what leaves, nor in what is counted.
///
/// # Panics
/// If it does.
pub fn chunking_never_shows(data: &[u8]) {
    let scenario = Scenario::new(data);
    let whole = scenario.redact(&[]);
    assert_eq!(scenario.redact(&scenario.chunks), whole, "in chunks of {:?}", scenario.chunks);
    assert_eq!(scenario.redact(&[1]), whole, "byte by byte");
}

/// Whatever bytes come, cut anywhere: the same verdict, and the same document where it is accepted.
///
/// # Panics
/// If not.
pub fn chunking_never_shows_in_any_bytes(data: &[u8]) {
    let (head, bytes) = data.split_at(data.len().min(48));
    let mut scenario = Scenario::new(head);
    scenario.document = bytes.to_vec();
    let (whole, out, _) = scenario.redact(&[]);
    for chunks in [&*scenario.chunks, &[1]] {
        let (cut, cut_out, _) = scenario.redact(chunks);
        assert_eq!(cut.is_ok(), whole.is_ok());
        if whole.is_ok() {
            assert_eq!(cut_out, out);
        }
    }
}

/// A valid document stays one.
///
/// # Panics
/// If it is refused, or what leaves cannot be read.
pub fn valid_in_valid_out(data: &[u8]) {
    let scenario = Scenario::new(data);
    let (result, out, _) = scenario.redact(&scenario.chunks);
    assert_eq!(result, Ok(()));
    assert!(serde_json::from_slice::<Tree>(&out).is_ok(), "what left is not JSON");
}

/// Where nothing is classified nothing changes, not even white space.
///
/// # Panics
/// If a byte does.
pub fn unclassified_is_identical(data: &[u8]) {
    let scenario = Scenario::unclassified(data);
    let (result, out, tally) = scenario.redact(&scenario.chunks);
    assert_eq!(result, Ok(()));
    assert_eq!(out, scenario.document);
    assert_eq!(tally.total(), 0);
}

/// What stands under a classified name never leaves to someone who may see nothing.
///
/// # Panics
/// If it does.
pub fn no_canary_survives(data: &[u8]) {
    let scenario = Scenario::with_canaries(data);
    let (result, out, _) = scenario.redact(&scenario.chunks);
    assert_eq!(result, Ok(()));
    assert!(memchr::memmem::find(&out, CANARY.as_bytes()).is_none(), "a canary survived");
}

/// The engine and the slow reference give the same document and the same counts.
///
/// # Panics
/// If they differ.
pub fn agrees_with_reference(data: &[u8]) {
    let scenario = Scenario::new(data);
    let Ok(document) = serde_json::from_slice::<Tree>(&scenario.document) else {
        assert!(scenario.redact(&[]).0.is_err(), "the engine accepts what serde_json refuses");
        return;
    };
    let mut reference = Reference::new(&scenario.charter, &scenario.data, &scenario.audience);
    let expected = reference.redact(&document);
    let (result, out, tally) = scenario.redact(&scenario.chunks);
    assert_eq!(result, Ok(()));
    let left = serde_json::from_slice::<Tree>(&out).ok();
    assert_eq!(left.map(Tree::opened), Some(expected.opened()));
    assert_eq!(tally, reference.tally);
}

/// Exactly the documents that serde_json accepts are accepted, apart from the bounds, the byte order mark, and half
/// surrogate pairs in escapes (serde_json lets them pass where it does not build the text).
///
/// # Panics
/// If a document is judged differently.
pub fn accepts_what_serde_json_accepts(document: &[u8]) {
    use super::RedactError::{LoneSurrogate, TooDeep, TooLong};
    let scenario = Scenario::unclassified(&[]);
    let plan = Arc::new(Plan::compile(&scenario.charter, &PersonalData::Undeclared));
    let (result, out, _) = scenario::redact(plan, Arc::new(Audience::default()), document, &[7]);
    if matches!(result, Err(TooDeep | TooLong | LoneSurrogate)) || document.starts_with(b"\xEF\xBB\xBF") {
        return;
    }
    let accepted = std::str::from_utf8(document).is_ok()
        && serde_json::from_slice::<serde::de::IgnoredAny>(document).is_ok();
    assert_eq!(result.is_ok(), accepted, "{result:?}");
    if accepted {
        assert_eq!(out, document);
    }
}
