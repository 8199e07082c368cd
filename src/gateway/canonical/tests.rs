use proptest::prelude::*;

use super::*;

const NONE: RelaxedPaths =
    RelaxedPaths { encoded_slash: false, backslash: false, empty_segment: false, path_parameters: false };
const ALL: RelaxedPaths =
    RelaxedPaths { encoded_slash: true, backslash: true, empty_segment: true, path_parameters: true };

/// As an exchange does it: canonical form, route, then what the route relaxes.
fn through(path: &str, relaxed: RelaxedPaths) -> Result<String, Refusal> {
    let canonical = canonical_path(path)?;
    accept(canonical.needs, relaxed)?;
    Ok(canonical.path.into_owned())
}

#[test]
fn paths_have_one_form() {
    for (path, expected) in [
        ("/", "/"),
        ("/api/auth/facilityuser/", "/api/auth/facilityuser/"),
        ("/%66acilityuser", "/facilityuser"),
        ("/%46%41", "/FA"),
        ("/a%7eb%2db%5fc%2ed", "/a~b-b_c.d"),
        ("/%40me/a%3ab", "/@me/a:b"),
        ("/course-v1:edX%2BDemo", "/course-v1:edX+Demo"),
        ("/caf%c3%a9", "/caf%C3%A9"),
        ("/%e2%82%ac%f0%9f%8e%93", "/%E2%82%AC%F0%9F%8E%93"),
        ("/a%20b", "/a%20b"),
        ("/a|b[0]^`{}\"<>", "/a%7Cb%5B0%5D%5E%60%7B%7D%22%3C%3E"),
        ("/a%23b%3fc", "/a%23b%3Fc"),
        ("/100%25", "/100%25"),
        ("/20%25de%20remise", "/20%25de%20remise"),
        ("/20%25z", "/20%25z"),
        ("/...", "/..."),
        ("/.well-known/acme-challenge/x", "/.well-known/acme-challenge/x"),
        ("/a./b..", "/a./b.."),
        ("/a.b;", "/a.b;"),
    ] {
        assert_eq!(through(path, ALL).as_deref(), Ok(expected), "{path}");
    }
}

#[test]
fn a_canonical_path_is_not_copied() {
    for path in ["/", "/api/users/42", "/caf%C3%A9/a%20b"] {
        assert!(matches!(canonical_path(path).unwrap().path, Cow::Borrowed(_)), "{path}");
    }
}

#[test]
fn what_no_route_may_relax_is_refused() {
    use Refusal as R;
    for (path, refusal) in [
        ("", R::TargetForm),
        ("*", R::TargetForm),
        ("a/b", R::TargetForm),
        ("http://x/", R::TargetForm),
        ("/%", R::BadEscape),
        ("/%4", R::BadEscape),
        ("/%zz", R::BadEscape),
        ("/%%32%66", R::BadEscape),
        ("/%u002f", R::BadEscape),
        ("/% 41", R::BadEscape),
        ("/%+1", R::BadEscape),
        ("/%00", R::Control),
        ("/a%0d%0ab", R::Control),
        ("/%7f", R::Control),
        ("/%c2%85", R::Control),
        ("/a\u{1}b", R::Control),
        ("/a\tb", R::Control),
        ("/a\nb", R::Control),
        ("/a\u{7f}", R::Control),
        ("/a b", R::BadCharacter),
        ("/a#b", R::BadCharacter),
        ("/a?b", R::BadCharacter),
        ("/café", R::BadCharacter),
        ("/%e9", R::NotUtf8),
        ("/%c0%af", R::NotUtf8),
        ("/%c0%ae%c0%ae/", R::NotUtf8),
        ("/%e0%80%af", R::NotUtf8),
        ("/%f0%80%80%af", R::NotUtf8),
        ("/%ed%a0%80", R::NotUtf8),
        ("/%f4%90%80%80", R::NotUtf8),
        ("/%ff", R::NotUtf8),
        ("/%80", R::NotUtf8),
        ("/%c3", R::NotUtf8),
        ("/%c3x", R::NotUtf8),
        ("/%c3%41", R::NotUtf8),
        ("/%252f", R::DoubleEncoding),
        ("/%252F", R::DoubleEncoding),
        ("/%255c", R::DoubleEncoding),
        ("/%252e%252e/", R::DoubleEncoding),
        ("/%2500", R::DoubleEncoding),
        ("/%25%32%66", R::DoubleEncoding),
        ("/%25252f", R::DoubleEncoding),
        ("/%2566acilityuser", R::DoubleEncoding),
        ("/%253b", R::DoubleEncoding),
        ("/%25c0%25af", R::DoubleEncoding),
        ("/.", R::DotSegment),
        ("/..", R::DotSegment),
        ("/a/./b", R::DotSegment),
        ("/a/../b", R::DotSegment),
        ("/a/..", R::DotSegment),
        ("/%2e", R::DotSegment),
        ("/a/%2e%2e/b", R::DotSegment),
        ("/a/.%2E/b", R::DotSegment),
        ("/a/..;/b", R::DotSegment),
        ("/a/..;x=1/b", R::DotSegment),
        ("/a/.;x/b", R::DotSegment),
        ("/a/..%3bx/b", R::DotSegment),
        ("/a/..%3B", R::DotSegment),
        ("/a/..%2fb", R::DotSegment),
        ("/a%2f..%2fb", R::DotSegment),
        ("/a%2f%2e%2e", R::DotSegment),
        ("/a\\..\\b", R::DotSegment),
        ("/a%5c..%5cb", R::DotSegment),
        ("/..\\b", R::DotSegment),
        ("/a/..;y\\b", R::DotSegment),
    ] {
        assert_eq!(through(path, ALL), Err(refusal), "{path}");
        assert_eq!(through(path, NONE), Err(refusal), "{path}");
    }
}

#[test]
fn a_relaxation_passes_only_what_it_names() {
    let slash = RelaxedPaths { encoded_slash: true, ..NONE };
    let backslash = RelaxedPaths { backslash: true, ..NONE };
    let empty = RelaxedPaths { empty_segment: true, ..NONE };
    let parameters = RelaxedPaths { path_parameters: true, ..NONE };
    use Refusal as R;
    for (path, relaxed, expected) in [
        ("/a%2fb", slash, Ok("/a%2Fb")),
        ("/a%2Fb", NONE, Err(R::EncodedSlash)),
        ("/a%2fb", RelaxedPaths { encoded_slash: false, ..ALL }, Err(R::EncodedSlash)),
        ("/a%2f", slash, Ok("/a%2F")),
        ("/a%2f%2fb", slash, Err(R::EmptySegment)),
        ("/%2fb", slash, Err(R::EmptySegment)),
        ("/a/%2f", slash, Err(R::EmptySegment)),
        ("/a\\b", backslash, Ok("/a%5Cb")),
        ("/a%5cb", backslash, Ok("/a%5Cb")),
        ("/a\\b", RelaxedPaths { backslash: false, ..ALL }, Err(R::Backslash)),
        ("/\\b", backslash, Err(R::EmptySegment)),
        ("/a//b", empty, Ok("/a//b")),
        ("//", empty, Ok("//")),
        ("//evil.example/a", RelaxedPaths { empty_segment: false, ..ALL }, Err(R::EmptySegment)),
        ("/a//", NONE, Err(R::EmptySegment)),
        ("/a;jsessionid=1/b", parameters, Ok("/a;jsessionid=1/b")),
        ("/a;jsessionid=1", NONE, Err(R::PathParameters)),
        ("/a%3bb", parameters, Ok("/a%3Bb")),
        ("/a%3bb", NONE, Err(R::PathParameters)),
        ("/;x/b", parameters, Err(R::EmptySegment)),
        ("/a/;x", parameters, Ok("/a/;x")),
        ("/a;..", parameters, Ok("/a;..")),
        ("/a;%2e%2e/b", parameters, Ok("/a;../b")),
    ] {
        assert_eq!(through(path, relaxed).as_deref().map_err(|r| *r), expected, "{path}");
    }
}

#[test]
fn asterisk_is_for_options() {
    assert_eq!(canonical_target(&Method::OPTIONS, "*").unwrap().path, "*");
    assert_eq!(canonical_target(&Method::GET, "*").unwrap_err(), Refusal::TargetForm);
    assert_eq!(canonical_target(&Method::CONNECT, "").unwrap_err(), Refusal::TargetForm);
    assert_eq!(canonical_target(&Method::OPTIONS, "/a").unwrap().path, "/a");
}

#[test]
fn hosts_have_one_form() {
    for (authority, expected) in [
        ("ecole.example.fr", "ecole.example.fr"),
        ("Ecole.EXAMPLE.fr.", "ecole.example.fr"),
        ("ecole.example.fr:8443", "ecole.example.fr:8443"),
        ("ecole.example.fr.:443", "ecole.example.fr:443"),
        ("my_host", "my_host"),
        ("127.0.0.1:80", "127.0.0.1:80"),
        ("[::1]", "[::1]"),
        ("[2001:DB8:0:0::1]:443", "[2001:db8::1]:443"),
        ("xn--cole-9oa.fr", "xn--cole-9oa.fr"),
        ("0xcafe.example", "0xcafe.example"),
    ] {
        let host = canonical_host(authority.as_bytes()).unwrap();
        assert_eq!(host.to_string(), expected, "{authority}");
        assert_eq!(canonical_host(host.to_string().as_bytes()).unwrap(), host);
        assert_eq!(host.is_spelt(authority.as_bytes()), authority == expected, "{authority}");
    }
}

#[test]
fn what_is_no_host_is_refused() {
    use Refusal as R;
    let long = "a.".repeat(127) + "aa";
    for (authority, refusal) in [
        (&b""[..], R::HostMissing),
        (b".", R::HostMissing),
        (b":80", R::HostMissing),
        (b"user@host", R::UserInfo),
        (b"user:pass@host:80", R::UserInfo),
        (b"a b", R::HostMalformed),
        (b" a", R::HostMalformed),
        (b"a,b", R::HostMalformed),
        (b"a/b", R::HostMalformed),
        (b"a\0b", R::HostMalformed),
        (b"a\tb", R::HostMalformed),
        (b"a%2eb", R::HostMalformed),
        (b"caf\xe9.fr", R::HostMalformed),
        ("café.fr".as_bytes(), R::HostMalformed),
        (b"a..b", R::HostMalformed),
        (b"a..", R::HostMalformed),
        (b".a", R::HostMalformed),
        (b"127.1", R::HostMalformed),
        (b"2130706433", R::HostMalformed),
        (b"0x7f.0.0.1", R::HostMalformed),
        (b"127.0.0.0x1", R::HostMalformed),
        (b"0177.0.0.1", R::HostMalformed),
        (b"a?b", R::HostMalformed),
        (b"a#b", R::HostMalformed),
        (b"::1", R::HostMissing),
        (b"[::1", R::HostMalformed),
        (b"[::1]x", R::HostMalformed),
        (b"[::1%25eth0]", R::HostMalformed),
        (b"[v1.a]", R::HostMalformed),
        (b"[a]", R::HostMalformed),
        (b"a:", R::Port),
        (b"a:0", R::Port),
        (b"a:65536", R::Port),
        (b"a:+80", R::Port),
        (b"a:080", R::Port),
        (b"a:80:80", R::Port),
        (b"a:8 0", R::Port),
        (b"[::1]:", R::Port),
        (long.as_bytes(), R::HostMalformed),
    ] {
        assert_eq!(canonical_host(authority), Err(refusal), "{}", authority.escape_ascii());
    }
}

#[test]
fn queries_pass_unless_they_break_the_target() {
    for query in ["", "a=b&c=%zz", "agent={%22mbox%22:1}", "a[]=1|2", "x=%00"] {
        assert_eq!(check_query(query), Ok(()), "{query}");
    }
    assert_eq!(check_query("a=b c"), Err(Refusal::BadCharacter));
    assert_eq!(check_query("a#b"), Err(Refusal::BadCharacter));
    assert_eq!(check_query("a=é"), Err(Refusal::BadCharacter));
    assert_eq!(check_query("a\r\nb"), Err(Refusal::Control));
    assert_eq!(check_query("a\u{7f}"), Err(Refusal::Control));
}

fn nasty_path() -> impl Strategy<Value = String> {
    let piece = prop_oneof![
        Just("/".to_owned()),
        Just("..".to_owned()),
        Just(".".to_owned()),
        Just(";".to_owned()),
        Just("\\".to_owned()),
        Just("|".to_owned()),
        "[a-z0-9]{1,3}",
        "%[0-9a-fA-F]{2}",
        "%25[0-9a-fA-F]{0,2}",
        "%2[eEfF5]|%5[cC]|%3[bB]|%[cC]3%[aA]9|%6[1-9]",
        any::<char>().prop_map(String::from),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| format!("/{}", pieces.concat()))
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(2000))]

    #[test]
    fn canonical_is_a_fixed_point(path in nasty_path()) {
        if let Ok(once) = canonical_path(&path) {
            let twice = canonical_path(&once.path).unwrap();
            prop_assert_eq!(&twice.path, &once.path);
            prop_assert_eq!(twice.needs, once.needs);
            prop_assert!(matches!(twice.path, Cow::Borrowed(_)));
        }
    }

    #[test]
    fn an_accepted_path_has_no_refused_form(path in nasty_path()) {
        let Ok(accepted) = through(&path, NONE) else { return Ok(()) };
        let decoded = percent_encoding::percent_decode_str(&accepted).collect::<Vec<u8>>();
        let text = String::from_utf8(decoded).unwrap();
        // However a server decodes and splits it, the segments are the same and none is special.
        prop_assert_eq!(text.matches(['/', '\\']).count(), accepted.matches('/').count());
        prop_assert!(!text.contains([';', '\\']) && !text.contains("//"));
        prop_assert!(text.split('/').all(|segment| segment != "." && segment != ".."));
        prop_assert!(!text.chars().any(char::is_control));
        prop_assert!(accepted.is_ascii() && accepted.starts_with('/') && !accepted.contains(['#', ' ', '?']));
        // Nor does decoding twice make it another path.
        let twice = percent_encoding::percent_decode_str(&text).collect::<Vec<u8>>();
        prop_assert!(!String::from_utf8_lossy(&twice).contains("/../"));
        prop_assert_eq!(twice.iter().filter(|&&b| b == b'/').count(), accepted.matches('/').count());
    }

    #[test]
    fn accepted_is_what_was_meant(path in nasty_path()) {
        // The canonical form decodes to the same bytes as what the client sent.
        if let Ok(canonical) = canonical_path(&path) {
            prop_assert_eq!(
                percent_encoding::percent_decode_str(&canonical.path).collect::<Vec<u8>>(),
                percent_encoding::percent_decode_str(&path).collect::<Vec<u8>>()
            );
        }
    }

    #[test]
    fn no_host_panics(bytes in proptest::collection::vec(any::<u8>(), 0..40)) {
        if let Ok(host) = canonical_host(&bytes) {
            prop_assert_eq!(host.is_spelt(&bytes), host.to_string().as_bytes() == bytes);
            prop_assert_eq!(canonical_host(host.to_string().as_bytes()), Ok(host));
        }
    }
}
