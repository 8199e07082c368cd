use std::time::Duration;

use proptest::prelude::*;

use super::*;
use crate::policy::set::{AccountLimit, Alarm, AuthenticationKind, Failure, Rate};

pub(in crate::limit) fn authentication(account: &[&str], secret: &[&str]) -> Authentication {
    let paths = |texts: &[&str]| texts.iter().map(|text| text.parse().unwrap()).collect();
    let rate = |count| Rate { count, per: Duration::from_secs(60) };
    Authentication {
        kind: AuthenticationKind::Login,
        account: paths(account),
        secret: paths(secret),
        session: Vec::new(),
        failure: Failure::default(),
        per_account: AccountLimit::CNIL_BACKOFF,
        per_address: rate(20),
        per_network: rate(80),
        device_cookie: None,
        alarm: Alarm {
            window: Duration::from_secs(600),
            attempts: 1_000_000,
            percent: 50,
            limit: rate(60),
            enforce: false,
        },
        lifts: Vec::new(),
        uniform: None,
        peek_bytes: 4096,
    }
}

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const MULTIPART: &str = "multipart/form-data; boundary=b0";

fn look(
    auth: &Authentication,
    fields: &[(&str, &str)],
    query: Option<&str>,
    body: &[u8],
) -> Result<(Option<String>, bool), PeekError> {
    let mut headers = HeaderMap::new();
    for (name, value) in fields {
        headers.append(
            header::HeaderName::from_bytes(name.as_bytes()).unwrap(),
            HeaderValue::from_bytes(value.as_bytes()).unwrap(),
        );
    }
    let peek = peek(auth, &Submission { headers: &headers, query, body })?;
    Ok((peek.account.map(|account| account.expose().clone()), peek.has_secret))
}

fn guess(account: &str) -> Result<(Option<String>, bool), PeekError> {
    Ok((Some(account.to_owned()), true))
}

#[test]
fn bodies_are_read_as_platforms_read_them() {
    use PeekError as E;
    let auth = authentication(&["username", "user.login"], &["password", "user.password"]);
    let probe = |account: &str| Ok((Some(account.to_owned()), false));
    let nobody = |secret| Ok((None, secret));
    for (content_type, body, expected) in [
        // JSON.
        (JSON, r#"{"username":"Alice","password":"x"}"#, guess("alice")),
        (JSON, r#"{"username":" ALICE ","password":"x","facility":"f"}"#, guess("alice")),
        (JSON, r#"{"\u0075sername":"alice","passw\u006frd":"x"}"#, guess("alice")),
        (JSON, r#"{"USERNAME":"alice","Password":"x"}"#, guess("alice")),
        (JSON, r#"{"user":{"login":"alice","password":"x"}}"#, guess("alice")),
        (JSON, r#"{"username":42,"password":"x"}"#, guess("42")),
        (JSON, r#"{"username":"alice"}"#, probe("alice")),
        (JSON, r#"{"username":"alice","password":null}"#, probe("alice")),
        (JSON, r#"{"username":"alice","password":""}"#, probe("alice")),
        (JSON, r#"{"username":"alice","password":0}"#, guess("alice")),
        (JSON, r#"{"username":"alice","password":["x"]}"#, guess("alice")),
        (JSON, r#"{"password":"x"}"#, nobody(true)),
        (JSON, r#"{"username":null,"password":"x"}"#, nobody(true)),
        (JSON, r#"{"username":"","password":"x"}"#, nobody(true)),
        (JSON, "{}", nobody(false)),
        ("Application/JSON; charset=UTF-8", r#"{"username":"a","password":"x"}"#, guess("a")),
        ("application/vnd.api+json", r#"{"username":"a","password":"x"}"#, guess("a")),
        (JSON, r#"{"username":"alice","username":"bob","password":"x"}"#, Err(E::Ambiguous)),
        (JSON, r#"{"username":"alice","Username":"bob","password":"x"}"#, Err(E::Ambiguous)),
        (JSON, r#"{"username":"alice","user":{"login":"bob"},"password":"x"}"#, Err(E::Ambiguous)),
        (JSON, r#"{"username":"alice","user":{"login":"alice"},"password":"x"}"#, guess("alice")),
        (JSON, r#"{"username":["alice"],"password":"x"}"#, Err(E::Unreadable)),
        (JSON, r#"{"username":{"a":1},"password":"x"}"#, Err(E::Unreadable)),
        (JSON, r#"{"username":true,"password":"x"}"#, Err(E::Unreadable)),
        (JSON, r#"[{"username":"alice","password":"x"}]"#, Err(E::Unreadable)),
        (JSON, r#""alice""#, Err(E::Unreadable)),
        (JSON, r#"{"username":"alice","password":"x"} {}"#, Err(E::Unreadable)),
        (JSON, r#"{"username":"alice""#, Err(E::Unreadable)),
        (JSON, "{\"username\":NaN}", Err(E::Unreadable)),
        (JSON, "\u{feff}{\"username\":\"alice\"}", Err(E::Unreadable)),
        (JSON, "username=alice&password=x", Err(E::Unreadable)),
        ("application/json; charset=utf-16", r#"{"username":"a"}"#, Err(E::Unreadable)),
        // Forms.
        (FORM, "username=Alice&password=x", guess("alice")),
        (FORM, "username=a+b%40c&password=x", guess("a b@c")),
        (FORM, "%75sername=alice&password=x", guess("alice")),
        (FORM, "+username=alice&password=x", guess("alice")),
        (FORM, "user[login]=alice&user[password]=x", guess("alice")),
        (FORM, "user.login=alice&user.password=x", guess("alice")),
        (FORM, "username=alice", probe("alice")),
        (FORM, "username=alice&password=", probe("alice")),
        (FORM, "username=alice&password[]=x", guess("alice")),
        (FORM, "password=x", nobody(true)),
        (FORM, "username=alice&username=bob&password=x", Err(E::Ambiguous)),
        (FORM, "username=alice&USERNAME=bob&password=x", Err(E::Ambiguous)),
        (FORM, "username=alice;username=bob&password=x", Err(E::Ambiguous)),
        (FORM, "username[]=alice&password=x", Err(E::Unreadable)),
        (FORM, "username[0]=alice&password=x", Err(E::Unreadable)),
        (FORM, "username%00x=alice&password=x", Err(E::Unreadable)),
        ("application/x-www-form-urlencoded; charset=latin1", "username=a", Err(E::Unreadable)),
        // Multipart.
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nAlice\r\n--b0\r\ncontent-disposition: form-data; name=password\r\n\r\nx\r\n--b0--\r\n",
            guess("alice"),
        ),
        (
            "multipart/form-data; boundary=\"b0\"",
            "--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nalice\r\n--b0--",
            probe("alice"),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\na\r\n--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\nb\r\n--b0--\r\n",
            Err(E::Ambiguous),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"username\"; filename=\"x\"\r\n\r\na\r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"x\"; name=\"username\"\r\n\r\na\r\n--b0--\r\n",
            Err(E::Ambiguous),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name*=utf-8''username\r\n\r\na\r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"user\\name\"\r\n\r\na\r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"x\"\r\nContent-Transfer-Encoding: base64\r\n\r\na\r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data;\r\n name=\"username\"\r\n\r\na\r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0\nContent-Disposition: form-data; name=\"username\"\n\na\n--b0--\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "x\r\n--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\na\r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0--\r\n--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\na\r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\na\r\n",
            Err(E::Unreadable),
        ),
        (
            MULTIPART,
            "--b0\r\nContent-Disposition: form-data; name=\"username\"\r\n\r\na\r\n--b0 \r\n--b0--\r\n",
            Err(E::Unreadable),
        ),
        ("multipart/form-data", "--b0--", Err(E::Unreadable)),
        ("multipart/form-data; boundary=b0; boundary=b1", "--b0--", Err(E::Ambiguous)),
        // Other types.
        ("text/plain", r#"{"username":"alice"}"#, Err(E::MediaType)),
        ("application/xml", "<a/>", Err(E::MediaType)),
        ("", "username=alice", Err(E::MediaType)),
        ("application/json, text/plain", "{}", Err(E::MediaType)),
    ] {
        assert_eq!(
            look(&auth, &[("content-type", content_type)], None, body.as_bytes()),
            expected,
            "{content_type} {body}"
        );
    }
}

#[test]
fn everything_that_may_hold_a_credential_counts() {
    use PeekError as E;
    let auth = authentication(&["username"], &["password"]);
    let basic = |text: &str| format!("Basic {}", BASE64_STANDARD.encode(text));
    let form = ("content-type", FORM);
    let alice = basic("Alice:x");
    for (fields, query, body, expected) in [
        (vec![], None, "", Ok((None, false))),
        (vec![("authorization", alice.as_str())], None, "", guess("alice")),
        (vec![("authorization", &alice), form], None, "username=alice&password=y", guess("alice")),
        (vec![("authorization", &alice), form], None, "username=bob&password=y", Err(E::Ambiguous)),
        (vec![("authorization", &alice), ("authorization", &alice)], None, "", Err(E::Ambiguous)),
        (vec![("authorization", "bAsIc !!!")], None, "", Err(E::Unreadable)),
        (vec![("authorization", "Basic YWxpY2U=")], None, "", Err(E::Unreadable)),
        (vec![("authorization", "Bearer a.b.c")], None, "", Ok((None, false))),
        (vec![("authorization", &basic("alice:"))], None, "", Ok((Some("alice".into()), false))),
        (vec![("authorization", &basic("username=alice&facility=f:x"))], None, "", guess("alice")),
        (vec![("authorization", &basic("facility=f&username=ALICE&z=1:x"))], None, "", guess("alice")),
        (vec![], Some("prevalidate=true"), "", Ok((None, false))),
        (vec![], Some("username=alice&password=x"), "", guess("alice")),
        (vec![form], Some("username=alice"), "username=bob&password=x", Err(E::Ambiguous)),
        (vec![form], Some("password=x"), "username=bob", guess("bob")),
        (vec![form, form], None, "username=bob", Err(E::MediaType)),
        (vec![form, ("content-encoding", "gzip")], None, "username=bob", Err(E::Unreadable)),
        (vec![form, ("content-encoding", "identity")], None, "username=bob", Ok((Some("bob".into()), false))),
        (vec![], None, "username=bob", Err(E::MediaType)),
    ] {
        assert_eq!(look(&auth, &fields, query, body.as_bytes()), expected, "{fields:?} {query:?} {body}");
    }
}

#[test]
fn without_a_named_secret_every_request_is_a_guess() {
    let auth = authentication(&["$.username"], &[]);
    assert_eq!(look(&auth, &[("content-type", JSON)], None, br#"{"username":"a"}"#), guess("a"));
    assert_eq!(look(&auth, &[], None, b""), Ok((None, true)));
}

#[test]
fn batches_are_many_guesses() {
    let auth = authentication(&["$..username", "$[*].username"], &["$..password"]);
    let body = br#"[{"username":"a","password":"1"},{"username":"a","password":"2"},{"username":"a","password":"3"},{"username":"a","password":"4"},{"username":"a","password":"5"}]"#;
    assert_eq!(look(&auth, &[("content-type", JSON)], None, body), Err(PeekError::Ambiguous));
}

#[test]
fn long_bodies_are_refused() {
    let auth = authentication(&["username"], &["password"]);
    let body = vec![b'a'; auth.peek_bytes + 1];
    assert_eq!(look(&auth, &[("content-type", FORM)], None, &body), Err(PeekError::TooLong));
    assert_eq!(PeekError::TooLong.status(), StatusCode::PAYLOAD_TOO_LARGE);
}

#[test]
fn nothing_personal_is_printed() {
    let auth = authentication(&["username"], &["password"]);
    let submission =
        Submission { headers: &HeaderMap::new(), query: Some("username=canary&password=x"), body: b"" };
    assert!(!format!("{:?}", peek(&auth, &submission)).contains("canary"));
}

proptest! {
    #[test]
    fn no_body_panics(
        body in proptest::collection::vec(any::<u8>(), 0..200),
        kind in proptest::sample::select(vec![JSON, FORM, MULTIPART]),
    ) {
        let auth = authentication(&["username", "a[0].b"], &["password"]);
        let _ = look(&auth, &[("content-type", kind)], None, &body);
        let _ = look(&auth, &[("content-type", kind)], None, &[b"--b0\r\n", body.as_slice(), b"\r\n--b0--"].concat());
        let _ = look(&auth, &[("content-type", MULTIPART), ("authorization", "Basic Og==")], None, &body);
    }
}
