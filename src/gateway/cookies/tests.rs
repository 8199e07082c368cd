use proptest::prelude::*;

use super::*;
use crate::policy::set::{CookieBasis, CookiePattern, SameSite};

fn rule(pattern: &str, class: CookieClass, same_site: SameSite) -> CookieRule {
    CookieRule {
        pattern: CookiePattern::new(pattern),
        class,
        basis: CookieBasis::Article("8.2".into()),
        finding: false,
        script_readable: false,
        same_site,
        max_age: None,
        own: false,
    }
}

fn rules() -> Vec<CookieRule> {
    use CookieClass as C;
    let day = Duration::from_secs(86_400);
    vec![
        rule("kolibri", C::Session, SameSite::Lax),
        CookieRule { script_readable: true, ..rule("*_csrftoken", C::Security, SameSite::Lax) },
        CookieRule { max_age: Some(day), ..rule("cart", C::Cart, SameSite::Strict) },
        CookieRule { max_age: Some(day), ..rule("lang", C::Interface, SameSite::Lax) },
        rule("embed", C::Interface, SameSite::None),
        rule("__Host-id", C::Session, SameSite::Lax),
        rule("__secure-id", C::Session, SameSite::Lax),
        CookieRule { script_readable: true, ..rule("__Http-x", C::Session, SameSite::Lax) },
        rule("__Host-Http-x", C::Session, SameSite::Lax),
        rule("username-*", C::Session, SameSite::Lax),
        // Matched after the first one that lists it.
        CookieRule { script_readable: true, ..rule("kolibri*", C::Cart, SameSite::None) },
    ]
}

/// 23 November 2026, midnight UTC.
fn now() -> SystemTime {
    "2026-11-23T00:00:00Z".parse::<jiff::Timestamp>().unwrap().into()
}

fn set(field: &[u8]) -> (Vec<Vec<u8>>, ResponseCookies) {
    let mut headers = HeaderMap::new();
    headers.append(header::SET_COOKIE, HeaderValue::from_bytes(field).unwrap());
    let outcome = filter_response(&rules(), &mut headers, now());
    (headers.get_all(header::SET_COOKIE).iter().map(|v| v.as_bytes().to_vec()).collect(), outcome)
}

const SLH: &str = "; SameSite=Lax; Secure; HttpOnly";

#[test]
fn set_cookie_corpus() {
    let long_value = format!("kolibri={}", "v".repeat(4090));
    let longest_value = format!("kolibri={}{SLH}", "v".repeat(4089));
    let long_attribute = format!("kolibri=a; Path=/{}{SLH}", "p".repeat(1024));
    let long_unknown = format!("kolibri=a; x={}; Path=/x", "p".repeat(1025));
    // `~` at the end of an expectation stands for the three attributes that hardening adds.
    for (field, expected) in [
        // Listed and unlisted.
        (
            "kolibri=abc; HttpOnly; Path=/; SameSite=Lax",
            Some("kolibri=abc; HttpOnly; Path=/; SameSite=Lax; Secure"),
        ),
        ("kolibri=abc; Secure; HttpOnly; SameSite=Lax", Some("kolibri=abc; Secure; HttpOnly; SameSite=Lax")),
        ("kolibri=abc", Some("kolibri=abc~")),
        ("visitor_id=123; expires=Tue, 23 Nov 2027 00:00:00 GMT; Max-Age=31536000", None),
        ("Kolibri=abc", None),
        ("kolibri.=abc", Some("kolibri.=abc; SameSite=None; Secure")),
        ("kolibr=abc", None),
        ("_ga=GA1.2.3", None),
        // Names that are not what they seem.
        ("", None),
        (";", None),
        ("kolibri", None),
        ("kolibri; Secure", None),
        ("=kolibri=x", None),
        ("=kolibri", None),
        ("; kolibri=x", None),
        ("=", None),
        ("__Host-id", None),
        ("=__Host-id=x", None),
        ("\"kolibri\"=x", None),
        ("kolibri,x=y", None),
        ("$Version=1; kolibri=x", None),
        ("username-a,b=1", None),
        ("username-a b=1", None),
        ("username-a@b|c=1", Some("username-a@b|c=1~")),
        ("\u{a0}kolibri=x", None),
        ("kolibri\u{2003}=x", None),
        ("username-\u{2003}=x", None),
        (" kolibri = x ", Some(" kolibri = x ~")),
        ("\tkolibri\t=\tx", Some("\tkolibri\t=\tx~")),
        // Values, byte for byte.
        ("kolibri=", Some("kolibri=~")),
        ("kolibri=a=b==", Some("kolibri=a=b==~")),
        ("kolibri=\"a b\"", Some("kolibri=\"a b\"~")),
        ("kolibri=\"a;b\"", Some("kolibri=\"a;b\"~")),
        ("kolibri=a\\|:,=\"x", Some("kolibri=a\\|:,=\"x~")),
        ("kolibri=%3b%00", Some("kolibri=%3b%00~")),
        ("kolibri=a\tb", Some("kolibri=a\tb~")),
        ("kolibri=a, visitor_id=b", Some("kolibri=a, visitor_id=b~")),
        ("kolibri=é", Some("kolibri=é~")),
        // HttpOnly, Secure.
        ("a_csrftoken=x; SameSite=Lax", Some("a_csrftoken=x; SameSite=Lax; Secure")),
        ("a_csrftoken=x; SameSite=Lax; HttpOnly", Some("a_csrftoken=x; SameSite=Lax; HttpOnly; Secure")),
        ("kolibri=x; secure; httponly; samesite=lax", Some("kolibri=x; secure; httponly; samesite=lax")),
        ("kolibri=x; Secure=no; HttpOnly=0", Some("kolibri=x; Secure=no; HttpOnly=0; SameSite=Lax")),
        ("kolibri=x; Securely", Some("kolibri=x; Securely~")),
        ("kolibri=x;Secure;HttpOnly", Some("kolibri=x;Secure;HttpOnly; SameSite=Lax")),
        ("kolibri=x; ; Secure;", Some("kolibri=x; Secure; SameSite=Lax; HttpOnly")),
        ("kolibri=x; Secure; HttpOnly; SameSite=Lax;", Some("kolibri=x; Secure; HttpOnly; SameSite=Lax;")),
        // SameSite.
        ("kolibri=x; SameSite=Strict", Some("kolibri=x; SameSite=Strict; Secure; HttpOnly")),
        ("kolibri=x; SameSite=None", Some("kolibri=x~")),
        ("kolibri=x; SameSite=none; Path=/", Some("kolibri=x; SameSite=Lax; Path=/; Secure; HttpOnly")),
        ("kolibri=x; SameSite", Some("kolibri=x~")),
        ("kolibri=x; SameSite=Maybe", Some("kolibri=x~")),
        ("kolibri=x; SameSite=Strict; SameSite=None", Some("kolibri=x~")),
        ("kolibri=x; SameSite=None; SameSite=Strict", Some("kolibri=x; SameSite=Strict; Secure; HttpOnly")),
        ("cart=x; SameSite=Lax", Some("cart=x; SameSite=Strict; Secure; HttpOnly")),
        ("embed=x", Some("embed=x; SameSite=None; Secure; HttpOnly")),
        ("embed=x; SameSite=Lax", Some("embed=x; SameSite=Lax; Secure; HttpOnly")),
        // Session class: no lifetime.
        ("kolibri=x; Max-Age=3600", Some("kolibri=x~")),
        ("kolibri=x; expires=Tue, 24 Nov 2026 00:00:00 GMT; Path=/", Some("kolibri=x; Path=/~")),
        ("kolibri=x; Max-Age=junk", Some("kolibri=x~")),
        ("kolibri=x; Expires=junk", Some("kolibri=x~")),
        ("kolibri=x; Expires=Mon, 23 Nov 2026 00:00:01 GMT", Some("kolibri=x~")),
        ("kolibri=x; Max-Age=60; Expires=Thu, 01 Jan 1970 00:00:00 GMT", Some("kolibri=x~")),
        // Deletions pass, in the session class too.
        ("kolibri=\"\"; Max-Age=0", Some("kolibri=\"\"; Max-Age=0~")),
        (
            "kolibri=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/",
            Some("kolibri=\"\"; expires=Thu, 01 Jan 1970 00:00:00 GMT; Max-Age=0; Path=/~"),
        ),
        (
            "kolibri=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT",
            Some("kolibri=deleted; expires=Thu, 01-Jan-1970 00:00:01 GMT~"),
        ),
        (
            "kolibri=; Expires=Mon, 23 Nov 2026 00:00:00 GMT",
            Some("kolibri=; Expires=Mon, 23 Nov 2026 00:00:00 GMT~"),
        ),
        ("kolibri=; Max-Age=-1", Some("kolibri=; Max-Age=-1~")),
        ("kolibri=x; Max-Age=0; Expires=Tue, 23 Nov 2027 00:00:00 GMT", Some("kolibri=x; Max-Age=0~")),
        ("kolibri=x; Max-Age=3600; Max-Age=0", Some("kolibri=x; Max-Age=0~")),
        ("kolibri=x; Max-Age=0; Max-Age=3600", Some("kolibri=x~")),
        (
            "kolibri=; Expires=Sunday, 06-Nov-94 08:49:37 GMT",
            Some("kolibri=; Expires=Sunday, 06-Nov-94 08:49:37 GMT~"),
        ),
        ("kolibri=; Expires=Sun Nov  6 08:49:37 1994", Some("kolibri=; Expires=Sun Nov  6 08:49:37 1994~")),
        ("visitor_id=; Max-Age=0", None),
        // Lifetime caps: a day.
        ("lang=fr; Max-Age=86400", Some("lang=fr; Max-Age=86400~")),
        ("lang=fr; Max-Age=86401", Some("lang=fr; Max-Age=86400~")),
        ("lang=fr; Max-Age=99999999999999999999999", Some("lang=fr; Max-Age=86400~")),
        (
            "lang=fr; Max-Age=60; Path=/; Expires=Tue, 23 Nov 2027 00:00:00 GMT",
            Some("lang=fr; Max-Age=60; Path=/~"),
        ),
        ("lang=fr; Expires=Tue, 23 Nov 2027 00:00:00 GMT", Some("lang=fr; Max-Age=86400~")),
        (
            "lang=fr; Expires=Mon, 23 Nov 2026 00:10:00 GMT",
            Some("lang=fr; Expires=Mon, 23 Nov 2026 00:10:00 GMT~"),
        ),
        ("lang=fr; Expires=Mon, 23 Nov 2026 00:10:00 GMT; Max-Age=31536000", Some("lang=fr; Max-Age=86400~")),
        (
            "lang=fr; Max-Age=31536000; Expires=Tue, 23 Nov 2027 00:00:00 GMT; Path=/",
            Some("lang=fr; Max-Age=86400; Path=/~"),
        ),
        ("lang=fr; Max-Age=+60", Some("lang=fr~")),
        ("lang=fr; Max-Age=6 0", Some("lang=fr~")),
        ("lang=fr; Max-Age=", Some("lang=fr~")),
        ("lang=fr; Max-Age=60; Expires=junk", Some("lang=fr; Max-Age=60~")),
        ("lang=fr; Expires=Tue, 31 Feb 2027 00:00:00 GMT", Some("lang=fr~")),
        ("lang=fr; Expires=Tue, 23 Nov 1500 00:00:00 GMT", Some("lang=fr~")),
        ("lang=fr; Max-Age=0", Some("lang=fr; Max-Age=0~")),
        ("lang=fr", Some("lang=fr~")),
        (
            "a_csrftoken=x; Max-Age=31449600; SameSite=Lax; Secure",
            Some("a_csrftoken=x; Max-Age=31449600; SameSite=Lax; Secure"),
        ),
        // Domain, Path and what is unknown stay.
        ("kolibri=x; Domain=.example.fr; Path=/a/b", Some("kolibri=x; Domain=.example.fr; Path=/a/b~")),
        (
            "kolibri=x; Partitioned; Priority=High; x=y;Foo",
            Some("kolibri=x; Partitioned; Priority=High; x=y;Foo~"),
        ),
        ("kolibri=x; Comment=\"a, b\"", Some("kolibri=x; Comment=\"a, b\"~")),
        // Prefixes.
        ("__Host-id=x; Path=/; Secure", Some("__Host-id=x; Path=/; Secure; SameSite=Lax; HttpOnly")),
        ("__Host-id=x; Path=/", Some("__Host-id=x; Path=/~")),
        ("__Host-id=x; Secure", None),
        ("__Host-id=x; Path=/a; Secure", None),
        ("__Host-id=x; Path=/; Path=/a", None),
        ("__Host-id=x; Path=/; Domain=example.fr", None),
        ("__Host-id=x; Path=/; Domain=", None),
        ("__HOST-id=x; Path=/", None),
        ("__secure-id=x", Some("__secure-id=x~")),
        ("__Http-x=x", None),
        ("__Http-x=x; HttpOnly", Some("__Http-x=x; HttpOnly; SameSite=Lax; Secure")),
        ("__Host-Http-x=x; Path=/", Some("__Host-Http-x=x; Path=/~")),
        ("__Host-Http-x=x", None),
        // Bounds.
        (&long_value, None),
        (&longest_value, Some(&longest_value.replace(SLH, "~"))),
        (&long_attribute, Some("kolibri=a; SameSite=Lax; Secure; HttpOnly")),
        (&long_unknown, Some("kolibri=a; Path=/x~")),
    ] {
        let expected: Vec<_> = expected.map(|text| text.replace('~', SLH).into_bytes()).into_iter().collect();
        let (fields, outcome) = set(field.as_bytes());
        let text =
            |fields: &[Vec<u8>]| fields.iter().map(|f| f.escape_ascii().to_string()).collect::<Vec<_>>();
        assert_eq!(text(&fields), text(&expected), "{field}");
        assert_eq!(outcome.dropped, usize::from(expected.is_empty()), "{field}");
        assert_eq!(
            outcome.hardened,
            usize::from(expected.first().is_some_and(|e| e != field.as_bytes())),
            "{field}"
        );
        // What has left once leaves unchanged the next time.
        for field in fields {
            assert_eq!(set(&field).0, std::slice::from_ref(&field), "twice: {}", field.escape_ascii());
        }
    }
}

#[test]
fn control_characters_drop_the_whole_cookie() {
    // A `HeaderValue` holds none; a parser that is reached another way must not rely on that.
    for byte in (0..0x20).chain([0x7f]).filter(|&b| b != b'\t') {
        for field in [vec![b'k', byte, b'=', b'x'], [b"kolibri=a".to_vec(), vec![byte]].concat()] {
            assert!(clean_set_cookie(&rules(), &field, now()).is_none());
        }
    }
}

#[test]
fn several_set_cookies_stay_several() {
    let mut headers = HeaderMap::new();
    for field in [
        "kolibri=a; Path=/; HttpOnly; Secure; SameSite=Lax",
        "visitor_id=1",
        "kolibri=b; Path=/x; HttpOnly; Secure; SameSite=Lax",
        "lang=fr",
    ] {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(field));
    }
    headers.append("set-cookie2", HeaderValue::from_static("kolibri=a; Version=1"));
    headers.append("content-type", HeaderValue::from_static("text/html"));
    let outcome = filter_response(&rules(), &mut headers, now());
    assert_eq!(outcome, ResponseCookies { dropped: 2, hardened: 1, session_changed: true });
    let left: Vec<_> = headers.get_all(header::SET_COOKIE).iter().map(HeaderValue::as_bytes).collect();
    assert_eq!(
        left,
        [
            &b"kolibri=a; Path=/; HttpOnly; Secure; SameSite=Lax"[..],
            b"kolibri=b; Path=/x; HttpOnly; Secure; SameSite=Lax",
            b"lang=fr; SameSite=Lax; Secure; HttpOnly",
        ]
    );
    assert!(!headers.contains_key("set-cookie2"));
    assert_eq!(filter_response(&rules(), &mut HeaderMap::new(), now()), ResponseCookies::default());
}

#[test]
fn a_rule_for_everything_lets_nothing_ambiguous_through() {
    let rules = [rule("*", CookieClass::Session, SameSite::Lax)];
    for field in [&b"x"[..], b"=x", b"\"a\"=x", b"$Path=/", b"a,b=c", b"\xa0kolibri=x", b"a b=c"] {
        assert!(clean_set_cookie(&rules, field, now()).is_none(), "{}", field.escape_ascii());
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_bytes(field).unwrap());
        let pairs = parse_cookie_headers(&headers).unwrap();
        assert_eq!(filter_request(&rules, &pairs), RequestCookies { field: None, dropped: 1 });
    }
}

fn sent(fields: &[&[u8]]) -> (Option<String>, usize) {
    let mut headers = HeaderMap::new();
    for field in fields {
        headers.append(header::COOKIE, HeaderValue::from_bytes(field).unwrap());
    }
    let filtered = filter_request(&rules(), &parse_cookie_headers(&headers).unwrap());
    (filtered.field.map(|field| field.as_bytes().escape_ascii().to_string()), filtered.dropped)
}

#[test]
fn cookie_corpus() {
    for (fields, expected, dropped) in [
        (&[&b"kolibri=a"[..]][..], Some("kolibri=a"), 0),
        (&[b"kolibri=a; visitor_id=1; x_csrftoken=t"], Some("kolibri=a; x_csrftoken=t"), 1),
        (&[b"visitor_id=1"], None, 1),
        (&[], None, 0),
        (&[b""], None, 0),
        (&[b" ; ;; "], None, 0),
        // Crumbs of HTTP/2, in order.
        (&[b"kolibri=a", b"visitor_id=1", b"lang=fr"], Some("kolibri=a; lang=fr"), 1),
        (&[b"kolibri=a; lang=fr", b"kolibri=b"], Some("kolibri=a; lang=fr; kolibri=b"), 0),
        // The same cookie twice, with different paths.
        (&[b"kolibri=a; kolibri=b; kolibri=a"], Some("kolibri=a; kolibri=b; kolibri=a"), 0),
        // Bytes.
        (&[b"kolibri=a\\|:=\"x y\"=="], Some(r#"kolibri=a\\|:=\"x y\"=="#), 0),
        (&[b"kolibri=\"a, b\""], Some(r#"kolibri=\"a, b\""#), 0),
        (&[b"kolibri=caf\xe9"], Some(r"kolibri=caf\xe9"), 0),
        (&[b"kolibri=%20%3b"], Some("kolibri=%20%3b"), 0),
        (&[b"kolibri="], Some("kolibri="), 0),
        (&[b"kolibri=a;lang=fr"], Some("kolibri=a; lang=fr"), 0),
        (&[b"  kolibri = a  ;\tlang=fr"], Some("kolibri=a; lang=fr"), 0),
        (&[b"username-127-0-0-1-8888=2|1:0|10:17"], Some("username-127-0-0-1-8888=2|1:0|10:17"), 0),
        // A quoted string ends at the semicolon all the same.
        (&[b"kolibri=\"a; visitor_id=1\""], Some(r#"kolibri=\"a"#), 1),
        // Names that are not what they seem.
        (&[b"kolibri"], None, 1),
        (&[b"=kolibri=a"], None, 1),
        (&[b"==kolibri"], None, 1),
        (&[b"$Version=1; kolibri=a; $Path=/"], Some("kolibri=a"), 2),
        (&[b"\"kolibri\"=a"], None, 1),
        (&[b"KOLIBRI=a"], None, 1),
        (&[b"\xa0kolibri=a"], None, 1),
        (&[b"\xe2\x80\x83kolibri=a"], None, 1),
        (&[b"kolibri\xc2\xa0=a"], None, 1),
        (&[b"\xe2\x80\x83__Host-id=a; __Host-id=b"], Some("__Host-id=b"), 1),
        (&[b"visitor_id=1, kolibri=a"], None, 1),
    ] {
        assert_eq!(sent(fields), (expected.map(str::to_owned), dropped), "{fields:?}");
    }
}

#[test]
fn a_cookie_with_a_tab_inside_is_not_split() {
    assert_eq!(sent(&[b"kolibri=a\tlang=fr"]), (Some(r"kolibri=a\tlang=fr".into()), 0));
}

#[test]
fn too_many_cookies_are_refused() {
    let mut headers = HeaderMap::new();
    let many = vec!["a=b"; COOKIES_MAX].join("; ");
    headers.append(header::COOKIE, many.try_into().unwrap());
    assert_eq!(parse_cookie_headers(&headers).unwrap().len(), COOKIES_MAX);
    headers.append(header::COOKIE, HeaderValue::from_static("a=b"));
    assert_eq!(parse_cookie_headers(&headers), Err(CookieError::TooMany));
    headers.insert(header::COOKIE, "a".repeat(COOKIE_BYTES_MAX + 1).try_into().unwrap());
    assert_eq!(parse_cookie_headers(&headers), Err(CookieError::TooLong));
}

fn nasty_field() -> impl Strategy<Value = Vec<u8>> {
    let piece = prop_oneof![
        Just(b"kolibri".to_vec()),
        Just(b"=".to_vec()),
        Just(b";".to_vec()),
        Just(b"; Max-Age=".to_vec()),
        Just(b"; Expires=Tue, 23 Nov 2027 00:00:00 GMT".to_vec()),
        Just(b"; SameSite=".to_vec()),
        Just(b" ".to_vec()),
        "[0-9]{1,3}".prop_map(String::into_bytes),
        any::<u8>().prop_filter("field bytes", |&b| b == 9 || b >= 0x20 && b != 0x7f).prop_map(|b| vec![b]),
    ];
    proptest::collection::vec(piece, 0..12).prop_map(|pieces| pieces.concat())
}

proptest! {
    #[test]
    fn hardening_is_a_fixed_point(tail in nasty_field()) {
        for field in [tail.clone(), [&b"kolibri="[..], &tail].concat(), [&b"lang=x;"[..], &tail].concat()] {
            for left in set(&field).0 {
                prop_assert_eq!(&set(&left).0, &vec![left.clone()]);
                let lower = left.trim_ascii().to_ascii_lowercase();
                for needed in [&b"secure"[..], b"httponly", b"samesite"] {
                    prop_assert!(lower.starts_with(b"kolibri") || memchr::memmem::find(&lower, needed).is_some());
                }
            }
        }
    }

    #[test]
    fn filtering_a_request_is_a_fixed_point(field in nasty_field()) {
        let mut headers = HeaderMap::new();
        headers.append(header::COOKIE, HeaderValue::from_bytes(&field).unwrap());
        let once = filter_request(&rules(), &parse_cookie_headers(&headers).unwrap());
        if let Some(field) = once.field {
            headers.insert(header::COOKIE, field.clone());
            let twice = filter_request(&rules(), &parse_cookie_headers(&headers).unwrap());
            prop_assert_eq!(twice, RequestCookies { field: Some(field), dropped: 0 });
        }
    }
}

#[test]
fn the_gateway_s_own_cookie_stays_here_in_both_directions() {
    let own =
        CookieRule { own: true, ..rule("__Host-rempart-device", CookieClass::Security, SameSite::Strict) };
    // It comes first, before a pattern that would let it pass.
    let rules = [own, rule("__Host-*", CookieClass::Session, SameSite::Lax)];
    let pairs: [Pair<'_>; 3] = [(b"__Host-rempart-device", b"a.b"), (b"__Host-id", b"1"), (b"_ga", b"2")];
    let kept = filter_request(&rules, &pairs);
    assert_eq!((kept.field.unwrap().as_bytes(), kept.dropped), (&b"__Host-id=1"[..], 1));
    let mut headers = HeaderMap::new();
    for field in ["__Host-rempart-device=forged; Secure; Path=/", "__Host-id=1; Secure; Path=/"] {
        headers.append(header::SET_COOKIE, HeaderValue::from_static(field));
    }
    assert_eq!(filter_response(&rules, &mut headers, now()).dropped, 1);
    assert_eq!(headers.get_all(header::SET_COOKIE).iter().count(), 1);
}
