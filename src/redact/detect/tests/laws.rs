//! What holds for every text, cut anywhere.

use proptest::prelude::*;

use super::{
    corpus::{self, Dice},
    *,
};

fn scrub(text: &[u8], seen: &Seen, mut cuts: impl FnMut() -> usize) -> Vec<(What, Vec<u8>)> {
    let mut scrubber = Scrubber::new(Detectors::new(Kinds::ALL));
    let mut pieces: Vec<(What, Vec<u8>)> = Vec::new();
    let whole = std::str::from_utf8(text).is_ok();
    let mut give = |what: What, piece: &[u8]| {
        assert!(!whole || std::str::from_utf8(piece).is_ok(), "cut within a character");
        match pieces.last_mut() {
            Some((What::Plain, last)) if what == What::Plain => last.extend_from_slice(piece),
            _ => pieces.push((what, piece.to_vec())),
        }
    };
    let mut at = 0;
    while at < text.len() {
        let end = text.len().min(at + cuts().max(1));
        scrubber.push(&text[at..end], seen, &mut give);
        at = end;
    }
    scrubber.finish(seen, &mut give);
    pieces
}

fn names() -> Seen {
    let mut seen = Seen::default();
    assert!(
        seen.insert("Léa Dupont".as_bytes(), 1) && seen.insert(b"Benali", 2) && seen.insert(b"dupont", 3)
    );
    seen
}

/// Texts that are mostly made of what detectors look at.
fn text() -> impl Strategy<Value = Vec<u8>> {
    let words = prop_oneof![
        8 => prop::sample::select(vec![
            "06 12 34 56 78", "né le ", "12/03/2011", "jean@x.fr", "%40", "&#64;", r"\u0040", "@", " ", "\n", "Léa", " DUPONT", "benali",
            "12 rue des Lilas", ", 69100 Lyon", "FR76", "3000 6000 ", "1", "295109912611193", "\u{200B}", "\u{A0}", "é", "::", "a", ".", "[at]",
            "192.168.1.20", "+33", "(0)", "&nbsp;", "\\", "%", "😀", "aa:bb:cc:dd:ee:ff", "4111 1111 1111 1111",
        ]).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 0..8),
        1 => (prop::sample::select(b"0a@.% \n:-".to_vec()), 1..600_usize).prop_map(|(byte, count)| vec![byte; count]),
    ];
    prop::collection::vec(words, 0..60).prop_map(|words| words.concat())
}

#[test]
fn a_kind_that_is_not_wanted_hides_none_that_is() {
    let found = |kind: Kind, text: &'static str| {
        let mut spans = Vec::new();
        Detectors::new(Kinds::NONE.with(kind)).find(text.as_bytes(), &mut spans);
        spans.iter().map(|span| &text[span.start..span.end]).collect::<Vec<_>>()
    };
    for (kind, text, value) in [
        (Kind::Email, "né le 12/03/2011@x.fr", "2011@x.fr"),
        (Kind::Phone, "12 rue des Lilas 06 12 34 56 78, 69100 Lyon", "06 12 34 56 78"),
        (Kind::PostalAddress, "né le 12 rue des Lilas, 69100 Lyon", "12 rue des Lilas, 69100 Lyon"),
        (Kind::Ip, "FR7630006000011234567890189 192.168.1.20", "192.168.1.20"),
        (Kind::BirthDate, "née le 06/12/2011 34 56", "06/12/2011"),
        (Kind::Phone, "carte 4111 1111 1111 1111 / 06 12 34 56 78", "06 12 34 56 78"),
    ] {
        assert_eq!(found(kind, text), [value], "{text}");
    }
    for kind in Kind::ALL {
        assert!(found(*kind, "rien du tout : 12 :: @ [at] 5").is_empty());
    }
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(96))]

    #[test]
    fn chunking_never_shows(text in text(), sizes in prop::collection::vec(1..400_usize, 1..8)) {
        let seen = names();
        let whole = scrub(&text, &seen, || usize::MAX / 2);
        let mut turn = sizes.iter().cycle();
        prop_assert_eq!(&scrub(&text, &seen, || *turn.next().unwrap()), &whole);
        prop_assert_eq!(&scrub(&text, &seen, || 1), &whole);
        let together: Vec<u8> = whole.iter().flat_map(|(_, piece)| piece.clone()).collect();
        prop_assert_eq!(together, text);
    }

    #[test]
    fn spans_are_in_order_and_bounded(text in text()) {
        let mut spans = Vec::new();
        Detectors::new(Kinds::ALL).find(&text, &mut spans);
        let mut end = 0;
        for span in spans {
            prop_assert!(span.start >= end && span.end > span.start && span.end <= text.len());
            prop_assert!(span.end - span.start <= MAX_MATCH);
            end = span.end;
        }
    }

    #[test]
    fn the_scrubber_finds_what_find_finds(seed in 200..400_u64, size in 1..300_usize) {
        let message = corpus::message(&mut Dice::new(seed));
        let mut spans = Vec::new();
        Detectors::new(Kinds::ALL).find(message.text.as_bytes(), &mut spans);
        let expected: Vec<_> = spans.iter().map(|span| message.text.as_bytes()[span.start..span.end].to_vec()).collect();
        let pieces = scrub(message.text.as_bytes(), &Seen::default(), || size);
        let found: Vec<_> = pieces.into_iter().filter(|(what, _)| *what != What::Plain).map(|(_, piece)| piece).collect();
        prop_assert_eq!(found, expected);
    }
}

#[test]
fn no_more_is_held_than_promised() {
    for text in ["x".repeat(9_000), "1 ".repeat(4_500), "a@".repeat(4_500), "Léa Dupont ".repeat(900)] {
        let seen = names();
        let mut scrubber = Scrubber::new(Detectors::new(Kinds::ALL));
        let (mut given, mut pushed) = (0, 0);
        for chunk in text.as_bytes().chunks(7) {
            scrubber.push(chunk, &seen, |_, piece| given += piece.len());
            pushed += chunk.len();
            assert!(pushed - given <= 600, "{} held of {pushed}", pushed - given);
        }
    }
}

#[test]
fn seen_values_are_found_again_as_whole_words() {
    let seen = names();
    let found = |text: &str| {
        let mut found = Vec::new();
        seen.find(text.as_bytes(), |start, end, tag| found.push((&text[start..end], tag)));
        found.iter().map(|(text, tag)| format!("{text}={tag}")).collect::<Vec<_>>()
    };
    assert_eq!(found("Hier LEA  DUPONT, puis benali."), ["LEA  DUPONT=1", "DUPONT=3", "benali=2"]);
    assert_eq!(found("L&eacute;a-Dupont"), ["L&eacute;a-Dupont=1", "Dupont=3"]);
    assert_eq!(found("Benalien, Dupontel, Léa\n\n\n\nMartin"), [""; 0]);
    let pieces = scrub("vu Léa Dupont hier, dupont@x.fr".as_bytes(), &seen, || 3);
    let told: Vec<_> =
        pieces.iter().map(|(what, piece)| (*what, std::str::from_utf8(piece).unwrap())).collect();
    assert_eq!(
        told,
        [
            (What::Plain, "vu "),
            (What::Seen(1), "Léa Dupont"),
            (What::Plain, " hier, "),
            (What::Found(Kind::Email), "dupont@x.fr"),
        ]
    );
}

#[test]
fn what_would_eat_a_text_is_not_remembered() {
    let mut seen = Seen::default();
    for value in
        ["", "Li", "2011", "75011", "Pierre", "ROSE", "élève", "  ", "a b c d e f g h", &"x".repeat(300)]
    {
        assert!(!seen.insert(value.as_bytes(), 0), "{value}");
    }
    assert!(seen.is_empty());
    for value in ["Pierre Martin", "201112", "Ngô Đình", "Ω мега"] {
        assert!(seen.insert(value.as_bytes(), 0), "{value}");
    }
    let kept = (0..5_000).filter(|number| seen.insert(format!("valeur{number}").as_bytes(), 0)).count();
    assert!((1_000..1_024).contains(&kept), "{kept}");
}
