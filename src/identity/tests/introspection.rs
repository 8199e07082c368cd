//! The issuer's word on tokens: what proves something, how long it is believed, and attacks, each with its answer.

use std::{sync::Arc, time::Duration};

use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    identity::{FetchError, Outcome, RejectReason as R, TOKEN_BYTES, fixture::*},
    policy::set::{ClientAuthentication, IntrospectionSettings, Located, TokenSource},
};

const INACTIVE: Outcome = Outcome::Rejected(R::InactiveToken);

/// What the issuer says of a token that is good at [`noon`].
fn active() -> Value {
    good_but("active", true.into())
}

fn but(name: &str, value: Value) -> Scripted {
    let mut document = active();
    match value {
        Value::Null => drop(document.as_object_mut().unwrap().remove(name)),
        value => document[name] = value,
    }
    answer(200, &document.to_string())
}

fn room() -> Room {
    Room::introspection(introspection())
}

fn with(change: impl FnOnce(&mut IntrospectionSettings)) -> Room {
    let mut settings = introspection();
    change(&mut settings);
    Room::introspection(settings)
}

#[tokio::test]
async fn answers_and_what_they_are_worth() {
    use Outcome::{Accepted, Rejected, Unavailable};
    let text = |text: &str| answer(200, text);
    let doubled = |member: &str| text(&format!("{{{member},{}", &active().to_string()[1..]));
    let table: Vec<(&str, Scripted, Outcome)> = vec![
        ("good", text(&active().to_string()), Accepted),
        (
            "claims that may be missing",
            text(&json!({"active": true, "aud": AUDIENCE, "role": "teacher"}).to_string()),
            Accepted,
        ),
        ("inactive", text(r#"{"active":false}"#), INACTIVE),
        ("inactive with a role", but("active", false.into()), INACTIVE),
        // Not the words of RFC 7662: nothing is proven.
        ("active a text", but("active", "true".into()), Unavailable),
        ("active a number", but("active", 1.into()), Unavailable),
        ("active a list", but("active", json!([true])), Unavailable),
        ("active missing", but("active", Value::Null), Unavailable),
        (
            "Active",
            text(&json!({"Active": true, "aud": AUDIENCE, "role": "teacher"}).to_string()),
            Unavailable,
        ),
        ("active twice", doubled(r#""active":false"#), Unavailable),
        ("active twice by escape", doubled(r#""\u0061ctive":false"#), Unavailable),
        ("role twice", doubled(r#""role":"true""#), Unavailable),
        ("a list", text(&json!([active()]).to_string()), Unavailable),
        ("nested", text(&json!({"data": active()}).to_string()), Unavailable),
        ("nothing", text(""), Unavailable),
        ("HTML", text("<html>sign in</html>"), Unavailable),
        ("HTML behind JSON", text(&format!("{}<html>", active())), Unavailable),
        ("a signed answer", text(&P256.sign(&P256.header(), &active())), Unavailable),
        ("too long", but("pad", "x".repeat(70_000).into()), Unavailable),
        ("nested too deep", text(&"[".repeat(60_000)), Unavailable),
        ("401: the gateway is not known", answer(401, &active().to_string()), Unavailable),
        ("403", answer(403, &active().to_string()), Unavailable),
        ("400", answer(400, &active().to_string()), Unavailable),
        (
            "400: not this kind",
            answer(400, r#"{"error":"unsupported_token_type"}"#),
            Rejected(R::WrongTokenType),
        ),
        ("400: another error", answer(400, r#"{"error":"invalid_request"}"#), Unavailable),
        ("200: not this kind", text(r#"{"error":"unsupported_token_type"}"#), Unavailable),
        ("404", answer(404, &active().to_string()), Unavailable),
        ("500", answer(500, &active().to_string()), Unavailable),
        ("201", answer(201, &active().to_string()), Unavailable),
        ("204", answer(204, ""), Unavailable),
        ("a redirect", answer(302, &active().to_string()), Unavailable),
        ("a redirect that keeps the method", answer(307, &active().to_string()), Unavailable),
        ("unreachable", Err(FetchError::Unreachable), Unavailable),
        ("hanging", Err(FetchError::TimedOut), Unavailable),
        ("huge", Err(FetchError::TooLong), Unavailable),
        ("broken off", Err(FetchError::Broken), Unavailable),
        // Time.
        ("exp missing", but("exp", Value::Null), Accepted),
        ("exp in the past", but("exp", 1_799_999_970.into()), Rejected(R::Expired)),
        ("exp within the skew", but("exp", 1_799_999_971.into()), Accepted),
        ("exp a text", but("exp", "1800000300".into()), Rejected(R::MalformedTime)),
        ("exp true", but("exp", true.into()), Rejected(R::MalformedTime)),
        ("exp negative", but("exp", (-1).into()), Rejected(R::Expired)),
        ("exp enormous", but("exp", json!(1e300)), Accepted),
        ("nbf in the future", but("nbf", 1_800_000_031.into()), Rejected(R::NotYetValid)),
        ("nbf a text", but("nbf", "0".into()), Rejected(R::MalformedTime)),
        ("iat a text", but("iat", "0".into()), Rejected(R::MalformedTime)),
        // For whom, and by whom.
        ("another client's audience", but("aud", "shop".into()), Rejected(R::WrongAudience)),
        ("audience longer", but("aud", "schools".into()), Rejected(R::WrongAudience)),
        ("audience missing", but("aud", Value::Null), Rejected(R::WrongAudience)),
        ("audience nested", but("aud", json!([[AUDIENCE]])), Rejected(R::WrongAudience)),
        ("audience among others", but("aud", json!(["shop", AUDIENCE])), Accepted),
        ("another issuer", but("iss", "https://evil.example".into()), Rejected(R::WrongIssuer)),
        ("issuer with a slash more", but("iss", format!("{ISSUER}/").into()), Rejected(R::WrongIssuer)),
        ("issuer a list", but("iss", json!([ISSUER])), Rejected(R::WrongIssuer)),
        ("issuer missing", but("iss", Value::Null), Accepted),
        ("a bearer token", but("token_type", "Bearer".into()), Accepted),
        ("in lower case", but("token_type", "bearer".into()), Accepted),
        ("bound to a key", but("token_type", "DPoP".into()), Rejected(R::WrongTokenType)),
        ("bound to a certificate", but("cnf", json!({"x5t#S256": "x"})), Rejected(R::WrongTokenType)),
        ("a type that is a list", but("token_type", json!(["Bearer"])), Rejected(R::WrongTokenType)),
        // What the claims say.
        ("role unknown", but("role", "director".into()), Rejected(R::NoKnownRole)),
        ("role missing", but("role", Value::Null), Rejected(R::NoKnownRole)),
        ("two subjects", but("sub", json!(["jean", "paul"])), Rejected(R::MalformedClaims)),
        ("subject too long", but("sub", "x".repeat(600).into()), Rejected(R::MalformedClaims)),
    ];
    assert!(table.len() >= 55, "{}", table.len());
    for (name, scripted, expected) in table {
        let issuer = Platform::new([scripted]);
        let room = room();
        // Twice: what is remembered must not answer better than what is said.
        for _ in 0..2 {
            assert_eq!(room.token("opaque", &issuer, noon()).await, expected, "{name}");
        }
        // A broken connection is tried once more; what ended within the skew is not kept.
        let asked = if matches!(name, "broken off" | "exp within the skew") { 2 } else { 1 };
        assert_eq!(issuer.asked(), asked, "{name}");
    }
}

#[tokio::test]
async fn tokens_about_which_nobody_is_asked() {
    let nobody = Platform::silent();
    let long = format!("Bearer {}", "x".repeat(TOKEN_BYTES + 1));
    for (name, values, expected) in [
        ("none", vec![], Outcome::Absent),
        ("basic", vec!["Basic amVhbjptZHA="], Outcome::Absent),
        ("twice", vec!["Bearer a", "Bearer a"], Outcome::Rejected(R::DuplicateCredential)),
        ("two in one", vec!["Bearer a, Bearer b"], Outcome::Rejected(R::MalformedToken)),
        ("a comma", vec!["Bearer a,b"], Outcome::Rejected(R::MalformedToken)),
        ("a space", vec!["Bearer a b"], Outcome::Rejected(R::MalformedToken)),
        ("quotes", vec!["Bearer \"a\""], Outcome::Rejected(R::MalformedToken)),
        ("latin-1", vec!["Bearer \u{e9}"], Outcome::Rejected(R::MalformedToken)),
        ("no token", vec!["Bearer "], Outcome::Rejected(R::MalformedCredential)),
        ("too long", vec![&*long], Outcome::Rejected(R::CredentialTooLong)),
    ] {
        let headers: HeaderMap = values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect();
        let identified = room().identify(&headers, &[], &nobody, noon()).await;
        assert_least_unless_accepted(&identified);
        assert_eq!(identified.outcome, expected, "{name}");
    }
    let by_cookie = with(|s| s.token = TokenSource::Cookie("token".into()));
    for (name, sent, expected) in [
        ("none", vec![("session", "x")], Outcome::Absent),
        ("twice", vec![("token", "a"), ("token", "a")], Outcome::Rejected(R::DuplicateCredential)),
        ("deleted", vec![("token", "")], Outcome::Absent),
        ("another in it", vec![("token", "a; b=c")], Outcome::Rejected(R::MalformedToken)),
    ] {
        let outcome = by_cookie.identify(&bearer("x"), &cookies(&sent), &nobody, noon()).await.outcome;
        assert_eq!(outcome, expected, "{name}");
    }
}

#[tokio::test]
async fn the_question_is_that_of_the_rfc() {
    let clients = [
        (
            ClientAuthentication::Basic { id: "rem part".into(), secret: "s:é+".to_owned().into() },
            // base64 of `rem+part:s%3A%C3%A9%2B`
            Some("Basic cmVtK3BhcnQ6cyUzQSVDMyVBOSUyQg=="),
            "token=a%26active%3Dtrue.b%3D%3D&token_type_hint=access_token",
        ),
        (
            ClientAuthentication::Post { id: "rem part".into(), secret: "s&t=u".to_owned().into() },
            None,
            "token=a%26active%3Dtrue.b%3D%3D&token_type_hint=access_token&client_id=rem+part&client_secret=s%26t%3Du",
        ),
        (
            ClientAuthentication::Bearer("own-token".to_owned().into()),
            Some("Bearer own-token"),
            "token=a%26active%3Dtrue.b%3D%3D&token_type_hint=access_token",
        ),
    ];
    for (client, authorization, body) in clients {
        let room = with(|s| s.client = client);
        let issuer = Platform::new([but("x", 1.into())]);
        assert_eq!(room.token("a&active=true.b==", &issuer, noon()).await, Outcome::Accepted);
        let seen = issuer.seen.borrow();
        let request = &seen[0];
        assert_eq!((request.method(), request.uri().path()), (&http::Method::POST, "/introspect"));
        assert_eq!(&request.body()[..], body.as_bytes());
        let sent = request.headers().get(AUTHORIZATION).map(|value| value.as_bytes().to_vec());
        assert_eq!(sent.as_deref(), authorization.map(str::as_bytes));
        let shown = format!("{:?}", request.headers());
        assert!(!shown.contains("own-token") && !shown.contains("cmVt"), "{shown}");
    }
}

#[tokio::test]
async fn answers_are_believed_for_their_time_and_never_beyond_exp() {
    let short = |seconds: u64| but("exp", (1_800_000_000 + seconds).into());
    for (name, scripted, last, over) in [
        ("good", but("x", 1.into()), 29.9, 30.0),
        ("ends earlier", short(7), 6.9, 7.0),
        ("no end", but("exp", Value::Null), 29.9, 30.0),
        ("inactive", answer(200, r#"{"active":false}"#), 1.9, 2.0),
        ("no role", but("role", "x".into()), 1.9, 2.0),
        ("another audience", but("aud", "x".into()), 1.9, 2.0),
        ("failure", answer(500, ""), 0.9, 1.0),
        ("unreachable", Err(FetchError::Unreachable), 0.9, 1.0),
    ] {
        let room = room();
        let issuer = Platform::new([scripted]);
        let first = room.token("t", &issuer, noon()).await;
        assert_eq!(room.token("t", &issuer, after(last)).await, first, "{name}");
        assert_eq!(issuer.asked(), 1, "{name}");
        room.token("t", &issuer, after(over)).await;
        assert_eq!(issuer.asked(), 2, "{name}");
    }
    // One that ended within the skew is not kept at all.
    let room = room();
    let issuer = Platform::new([but("exp", 1_799_999_990.into())]);
    for asked in 1..4 {
        assert_eq!(room.token("t", &issuer, noon()).await, Outcome::Accepted);
        assert_eq!(issuer.asked(), asked);
    }
}

#[tokio::test]
async fn a_revoked_token_is_effective_within_the_time_of_the_cache() {
    let room = room();
    let issuer = Platform::new([but("x", 1.into())]);
    assert_eq!(room.token("t", &issuer, noon()).await, Outcome::Accepted);
    issuer.then(answer(200, r#"{"active":false}"#));
    assert_eq!(room.token("t", &issuer, after(29.9)).await, Outcome::Accepted);
    assert_eq!(room.token("t", &issuer, after(30.0)).await, INACTIVE);
    // And at once after a logout that the gateway saw.
    issuer.then(but("x", 1.into()));
    assert_eq!(room.token("t", &issuer, after(40.0)).await, Outcome::Accepted);
    issuer.then(answer(200, r#"{"active":false}"#));
    let headers = bearer("t");
    let credentials = crate::identity::Credentials {
        headers: &headers,
        cookies: &[],
        recall: &crate::identity::Recall::default(),
    };
    room.identity.forget(&room.policy, &[crate::policy::set::ProviderId(0)], &credentials);
    assert_eq!(room.token("t", &issuer, after(41.0)).await, INACTIVE);
}

#[tokio::test]
async fn an_old_role_is_never_served_when_the_issuer_is_gone() {
    let room = room();
    let issuer = Platform::new([but("x", 1.into())]);
    assert_eq!(room.token("t", &issuer, noon()).await, Outcome::Accepted);
    issuer.then(Err(FetchError::Unreachable));
    assert_eq!(room.token("t", &issuer, after(30.0)).await, Outcome::Unavailable);
    assert_eq!(room.token("t", &issuer, after(30.5)).await, Outcome::Unavailable);
    issuer.then(but("x", 1.into()));
    assert_eq!(room.token("t", &issuer, after(31.0)).await, Outcome::Accepted);
}

#[tokio::test]
async fn one_page_of_forty_calls_asks_once() {
    let room = std::rc::Rc::new(room());
    let mut issuer = Platform::new([but("x", 1.into())]);
    let gate = Arc::new(Notify::new());
    issuer.gate = Some(Arc::clone(&gate));
    tokio::task::LocalSet::new()
        .run_until(async {
            let calls: Vec<_> = (0..40)
                .map(|_| {
                    let (room, issuer) = (std::rc::Rc::clone(&room), issuer.clone());
                    tokio::task::spawn_local(async move { room.token("t", &issuer, noon()).await })
                })
                .collect();
            tokio::task::yield_now().await;
            gate.notify_one();
            for call in calls {
                assert_eq!(call.await.unwrap(), Outcome::Accepted);
            }
        })
        .await;
    assert_eq!(issuer.asked(), 1);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let room = room();
    let issuer = Platform::new([answer(200, r#"{"active":false}"#)]);
    for n in 0..1000 {
        room.token(&format!("made-up-{n}"), &issuer, noon()).await;
    }
    assert!(room.identity.sessions_kept() <= 100);
    let room = with(|s| s.cache = Duration::ZERO);
    room.token("t", &issuer, noon()).await;
    assert_eq!(room.identity.sessions_kept(), 0);
}

#[tokio::test]
async fn a_connection_that_died_under_the_question_is_no_answer() {
    let room = room();
    let issuer = Platform::new([Err(FetchError::Broken), but("x", 1.into())]);
    assert_eq!(room.token("t", &issuer, noon()).await, Outcome::Accepted);
    assert_eq!(issuer.asked(), 2);
}

#[tokio::test]
async fn the_endpoint_may_be_told_by_the_issuer() {
    let document = |endpoint: &str| {
        answer(200, &json!({"issuer": ISSUER, "introspection_endpoint": endpoint}).to_string())
    };
    let room = with(|s| s.endpoint = Located::Discovered(discovery()));
    let issuer = Platform::new([document(&format!("{ISSUER}/token/introspection")), but("x", 1.into())]);
    assert_eq!(room.token("a", &issuer, noon()).await, Outcome::Accepted);
    assert_eq!(room.token("b", &issuer, after(5.0)).await, Outcome::Accepted);
    {
        let seen = issuer.seen.borrow();
        let paths: Vec<_> = seen.iter().map(|request| request.uri().path().to_owned()).collect();
        assert_eq!(
            paths,
            ["/.well-known/openid-configuration", "/token/introspection", "/token/introspection"]
        );
        assert_eq!(seen[1].headers()["host"], "id.school.example");
    }
    // The secret goes nowhere else.
    let room = with(|s| s.endpoint = Located::Discovered(discovery()));
    let evil = Platform::new([document("https://evil.example/introspect"), but("x", 1.into())]);
    assert_eq!(room.token("a", &evil, noon()).await, Outcome::Unavailable);
    assert_eq!(evil.asked(), 1);
}

#[tokio::test]
async fn other_settings_are_another_memory() {
    let room = room();
    let issuer = Platform::new([but("x", 1.into())]);
    assert_eq!(room.token("t", &issuer, noon()).await, Outcome::Accepted);
    let provider_of = |change: fn(&mut IntrospectionSettings)| {
        let mut settings = introspection();
        change(&mut settings);
        vec![provider("opaque", crate::policy::set::ProviderKind::Introspection(settings))]
    };
    assert_eq!(
        room.reload(provider_of(|_| ())).token("t", &Platform::silent(), noon()).await,
        Outcome::Accepted
    );
    let changes: [fn(&mut IntrospectionSettings); 6] = [
        |s| s.audience = vec![AUDIENCE.into(), "x".into()],
        |s| s.issuer = None,
        |s| s.cache = Duration::from_secs(29),
        |s| s.skew = Duration::ZERO,
        |s| s.client = ClientAuthentication::Bearer("x".to_owned().into()),
        |s| s.endpoint = Located::Discovered(discovery()),
    ];
    for (place, change) in changes.into_iter().enumerate() {
        let down = Platform::new([Err(FetchError::Unreachable)]);
        let outcome = room.reload(provider_of(change)).token("t", &down, noon()).await;
        assert_eq!(outcome, Outcome::Unavailable, "change {place}");
    }
}
