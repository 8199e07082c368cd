use proptest::prelude::*;

/// Bytes of which most are what the law's readers look for.
fn bytes() -> impl Strategy<Value = Vec<u8>> {
    let pieces = prop_oneof![
        4 => prop::sample::select(&[
            "/", "//", "..", ".", "%2e", "%2E", "%2f", "%5c", "\\", ";", "%3b", "%25", "%252e", "%c0%ae", "%c3%a9", "?", "#",
            "api", "users", "a.fr", "x.a.fr", ":443", "@", "http://a.fr", "*", " ", "\t", "%00", "=", "kolibri", "__Host-sid",
            "cart-1", "_csrftoken", ", ", "\n", "Connection: ", "X_Remote_User", "x-forwarded-for", "te", "; Max-Age=9",
            "; Path=/", "; Domain=a.fr", "; SameSite=None", "$Version", "\"", "10.0.0.1", "::1",
        ])
        .prop_map(|text| text.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(pieces, 0..24).prop_map(|pieces| pieces.concat())
}

/// Choices in front of such bytes.
fn chosen() -> impl Strategy<Value = Vec<u8>> {
    (prop::collection::vec(any::<u8>(), 3), bytes()).prop_map(|(choices, bytes)| [choices, bytes].concat())
}

proptest! {
    #[test]
    fn what_was_matched_is_what_is_forwarded(data in chosen()) {
        super::what_was_matched_is_what_is_forwarded(&data);
    }

    #[test]
    fn every_spelling_goes_one_way(data in prop::collection::vec(any::<u8>(), 0..80)) {
        super::every_spelling_goes_one_way(&data);
    }

    #[test]
    fn only_listed_cookies_pass(data in bytes()) {
        super::only_listed_cookies_pass(&data);
    }

    #[test]
    fn only_listed_cookies_are_set(data in chosen()) {
        super::only_listed_cookies_are_set(&data);
    }

    #[test]
    fn nobody_names_themselves(data in bytes()) {
        super::nobody_names_themselves(&data);
    }

    #[test]
    fn what_vouches_for_a_client_stands_to_the_right(data in chosen()) {
        super::what_vouches_for_a_client_stands_to_the_right(&data);
    }
}
