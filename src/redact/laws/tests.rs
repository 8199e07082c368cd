use proptest::prelude::*;
use proptest::strategy::ValueTree;

use super::scenario::{Plant, document};
use super::source::Source;

fn choices() -> impl Strategy<Value = Vec<u8>> {
    prop::collection::vec(any::<u8>(), 0..800)
}

proptest! {
    #[test]
    fn chunking_never_shows(data in choices()) {
        super::chunking_never_shows(&data);
    }

    #[test]
    fn chunking_never_shows_in_any_bytes(data in choices(), faults in faults()) {
        let mut bytes = vec![7; 48];
        bytes[..data.len().min(48)].copy_from_slice(&data[..data.len().min(48)]);
        bytes.extend(damaged(&data, &faults));
        super::chunking_never_shows_in_any_bytes(&bytes);
    }

    #[test]
    fn valid_in_valid_out(data in choices()) {
        super::valid_in_valid_out(&data);
    }

    #[test]
    fn unclassified_is_identical(data in choices()) {
        super::unclassified_is_identical(&data);
    }

    #[test]
    fn no_canary_survives(data in choices()) {
        super::no_canary_survives(&data);
    }

    #[test]
    fn agrees_with_reference(data in choices()) {
        super::agrees_with_reference(&data);
    }

    #[test]
    fn aliases_change_nothing(data in choices()) {
        super::aliases_change_nothing(&data);
    }

    #[test]
    fn encodings_hide_nothing(data in choices()) {
        super::encodings_hide_nothing(&data);
    }

    #[test]
    fn wrappings_change_nothing(data in choices()) {
        super::wrappings_change_nothing(&data);
    }

    #[test]
    fn chunking_never_shows_in_any_wrapping(data in choices(), faults in faults()) {
        super::chunking_never_shows_in_any_wrapping(&data, |text| damage(text, &faults));
    }

    #[test]
    fn no_canary_survives_in_a_table(data in choices()) {
        super::no_canary_survives_in_a_table(&data);
    }

    #[test]
    fn no_canary_survives_in_a_form(data in choices()) {
        super::no_canary_survives_in_a_form(&data);
    }

    #[test]
    fn no_canary_survives_in_parts(data in choices()) {
        super::no_canary_survives_in_parts(&data);
    }

    #[test]
    fn no_canary_survives_in_xml(data in choices()) {
        super::no_canary_survives_in_xml(&data);
    }

    #[test]
    fn no_canary_survives_in_a_text(data in choices()) {
        super::no_canary_survives_in_a_text(&data);
    }

    #[test]
    fn nothing_hidden_is_asked_for(data in choices()) {
        super::nothing_hidden_is_asked_for(&data);
    }

    #[test]
    fn nothing_hidden_is_written(data in choices()) {
        super::nothing_hidden_is_written(&data);
    }

    #[test]
    fn chunking_never_shows_in_any_body(data in choices()) {
        super::chunking_never_shows_in_any_body(&data);
    }

    #[test]
    fn page_chunking_never_shows(data in choices()) {
        super::page_chunking_never_shows(&data);
    }

    #[test]
    fn no_canary_survives_in_a_page(data in choices()) {
        super::no_canary_survives_in_a_page(&data);
    }

    #[test]
    fn no_canary_survives_in_a_broken_page(data in choices()) {
        super::no_canary_survives_in_a_broken_page(&data);
    }

    #[test]
    fn a_hidden_value_stands_nowhere_in_a_page(data in choices()) {
        super::a_hidden_value_stands_nowhere_in_a_page(&data);
    }

    #[test]
    fn page_without_names_is_identical(data in choices()) {
        super::page_without_names_is_identical(&data);
    }

    #[test]
    fn accepts_what_serde_json_accepts(data in choices(), faults in faults()) {
        super::accepts_what_serde_json_accepts(&damaged(&data, &faults));
    }
}

const FAULTS: [&[u8]; 24] = [
    b"",
    b",",
    b":",
    b"\"",
    b"\\",
    b"{",
    b"}",
    b"[",
    b"]",
    b"0",
    b"-",
    b".",
    b"e",
    b"1",
    b"\\ud800",
    b"\\udc00",
    b"\xff",
    b"\xc3",
    b"\xed\xa0\x80",
    b"\n",
    b"\x00",
    b"null",
    b"tru",
    b"\xf0\x9f\x98\x80",
];

/// Where a document is damaged, how many bytes go, and what comes in their place.
fn faults() -> impl Strategy<Value = Vec<(prop::sample::Index, usize, usize)>> {
    prop::collection::vec((any::<prop::sample::Index>(), 0..3_usize, 0..FAULTS.len()), 0..3)
}

fn damaged(data: &[u8], faults: &[(prop::sample::Index, usize, usize)]) -> Vec<u8> {
    damage(document(&mut Source(data), Plant::Anything), faults)
}

fn damage(mut text: Vec<u8>, faults: &[(prop::sample::Index, usize, usize)]) -> Vec<u8> {
    for (at, remove, insert) in faults {
        let at = at.index(text.len() + 1);
        let end = (at + remove).min(text.len());
        text.splice(at..end, FAULTS[*insert].iter().copied());
    }
    text
}

#[test]
fn scenarios_are_worth_their_while() {
    use super::scenario::Scenario;
    let mut runner = proptest::test_runner::TestRunner::deterministic();
    let (mut redacted, mut related, mut removed, mut unknown, mut large) = (0, 0, 0, 0, 0);
    for _ in 0..2000 {
        let data = choices().new_tree(&mut runner).unwrap().current();
        let mut scenario = Scenario::new(&data);
        let (_, out, tally) = scenario.redact(&[]);
        redacted += usize::from(tally.total() > 0);
        unknown += usize::from(tally.unknown > 0);
        removed += usize::from(out.len() < scenario.document.len());
        large += usize::from(scenario.document.len() > 100);
        let mut alone = (*scenario.audience).clone();
        (alone.subject, alone.groups, alone.wards) = (None, Vec::new(), Vec::new());
        scenario.audience = alone.into();
        related += usize::from(scenario.redact(&[]).1 != out);
    }
    println!("{redacted} {related} {removed} {unknown} {large}");
    assert!(redacted > 400 && related > 40 && removed > 400 && unknown > 200 && large > 200);
}

/// What fuzzing and long runs of the laws found, byte for byte.
#[test]
fn what_broke_a_law_once_does_not_again() {
    super::agrees_with_reference(include_bytes!("../../../tests/fuzz/regressions/agrees_with_reference-1"));
    // A text in one's own record, in which everything is visible, holds somebody else's.
    super::agrees_with_reference(include_bytes!("../../../tests/fuzz/regressions/agrees_with_reference-2"));
    // The end of a comment in a start tag.
    let page = include_bytes!("../../../tests/fuzz/regressions/no_canary_survives_in_a_broken_page-1");
    super::no_canary_survives_in_a_broken_page(page);
    // An end tag that is none, and the beginning of another.
    let page = include_bytes!("../../../tests/fuzz/regressions/no_canary_survives_in_a_broken_page-2");
    super::no_canary_survives_in_a_broken_page(page);
    // A field in the tag of another.
    let page = include_bytes!("../../../tests/fuzz/regressions/no_canary_survives_in_a_broken_page-3");
    super::no_canary_survives_in_a_broken_page(page);
    // Base64 of less than two blocks among words.
    super::encodings_hide_nothing(include_bytes!("../../../tests/fuzz/regressions/encodings_hide_nothing-1"));
}
