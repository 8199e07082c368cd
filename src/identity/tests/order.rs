//! Several providers on one route: the first whose credential is present decides.

use http::HeaderMap;
use serde_json::json;

use crate::{
    identity::{Caller, Credentials, FetchError, Outcome, Recall, RejectReason as R, fixture::*},
    policy::set::{IntrospectionSettings, KeySource, ProviderId, ProviderKind, TokenSource},
};

fn both() -> Room {
    let inline = KeySource::Inline(key_set(&[P256.jwk()]).into_bytes());
    Room::new(vec![
        provider("id", ProviderKind::Jwt(jwt(inline))),
        provider("platform", ProviderKind::ForwardAuth(endpoint())),
    ])
}

#[tokio::test]
async fn the_first_credential_present_decides_for_good_or_ill() {
    let none = HeaderMap::new();
    let good = bearer(&P256.token());
    let stale = bearer(&P256.sign(&P256.header(), &good_but("exp", 1.into())));
    let guest = bearer(&P256.sign(&P256.header(), &good_but("role", "x".into())));
    let session = cookies(&[("session", "s")]);
    for (name, headers, sent, expected, provider, asked) in [
        ("neither", &none, &[][..], Outcome::Absent, None, 0),
        ("token", &good, &[][..], Outcome::Accepted, Some(0), 0),
        ("token and session", &good, &session, Outcome::Accepted, Some(0), 0),
        ("session", &none, &session, Outcome::Accepted, Some(1), 1),
        ("stale token and session", &stale, &session, Outcome::Rejected(R::Expired), Some(0), 0),
        ("token without role and session", &guest, &session, Outcome::Rejected(R::NoKnownRole), Some(0), 0),
    ] {
        let platform = Platform::new([answer(200, &json!({"role": "learner"}).to_string())]);
        let identified = both().identify(headers, sent, &platform, noon()).await;
        assert_least_unless_accepted(&identified);
        assert_eq!(identified.outcome, expected, "{name}");
        assert_eq!(identified.provider, provider.map(ProviderId), "{name}");
        assert_eq!(platform.asked(), asked, "{name}");
    }
}

/// A signed token, then one that only its issuer can read, then the platform's session.
#[tokio::test]
async fn three_kinds_in_a_stated_order() {
    let three = || {
        let inline = KeySource::Inline(key_set(&[P256.jwk()]).into_bytes());
        let opaque = IntrospectionSettings { token: TokenSource::Cookie("token".into()), ..introspection() };
        Room::new(vec![
            provider("id", ProviderKind::Jwt(jwt(inline))),
            provider("opaque", ProviderKind::Introspection(opaque)),
            provider("platform", ProviderKind::ForwardAuth(endpoint())),
        ])
    };
    let none = HeaderMap::new();
    let good = bearer(&P256.token());
    let stale = bearer(&P256.sign(&P256.header(), &good_but("exp", 1.into())));
    let forged = bearer(&NEXT_P256.sign(&P256.header(), &good_but("role", "true".into())));
    let active = good_but("active", true.into()).to_string();
    let inactive = r#"{"active":false,"role":"teacher"}"#;
    let learner = json!({"role": "learner"}).to_string();
    let (token, session) = (("token", "t"), ("session", "s"));
    for (name, headers, sent, answers, expected, decided, asked) in [
        ("nothing", &none, vec![], vec![], Outcome::Absent, None, 0),
        ("all", &good, vec![token, session], vec![], Outcome::Accepted, Some(0), 0),
        ("expired", &stale, vec![token, session], vec![], Outcome::Rejected(R::Expired), Some(0), 0),
        ("forged", &forged, vec![token, session], vec![], Outcome::Rejected(R::BadSignature), Some(0), 0),
        ("opaque", &none, vec![token, session], vec![answer(200, &active)], Outcome::Accepted, Some(1), 1),
        (
            "opaque, revoked",
            &none,
            vec![token, session],
            vec![answer(200, inactive)],
            Outcome::Rejected(R::InactiveToken),
            Some(1),
            1,
        ),
        (
            "opaque, its issuer away",
            &none,
            vec![token, session],
            vec![Err(FetchError::Unreachable)],
            Outcome::Unavailable,
            Some(1),
            1,
        ),
        ("session", &none, vec![session], vec![answer(200, &learner)], Outcome::Accepted, Some(2), 1),
        (
            "session, refused",
            &none,
            vec![session],
            vec![answer(401, "")],
            Outcome::Rejected(R::SessionRefused),
            Some(2),
            1,
        ),
    ] {
        let source = Platform::new(answers);
        let identified = three().identify(headers, &cookies(&sent), &source, noon()).await;
        assert_least_unless_accepted(&identified);
        assert_eq!(identified.outcome, expected, "{name}");
        assert_eq!(identified.provider, decided.map(ProviderId), "{name}");
        assert_eq!(source.asked(), asked, "{name}");
    }
}

#[tokio::test]
async fn a_provider_that_cannot_answer_hands_over_to_nobody() {
    let room = Room::new(vec![
        provider("platform", ProviderKind::ForwardAuth(endpoint())),
        provider("id", ProviderKind::Jwt(jwt(KeySource::Inline(key_set(&[P256.jwk()]).into_bytes())))),
    ]);
    let down = Platform::new([Err(FetchError::Unreachable)]);
    let sent = cookies(&[("session", "s")]);
    let identified = room.identify(&bearer(&P256.token()), &sent, &down, noon()).await;
    assert_least_unless_accepted(&identified);
    assert_eq!((identified.outcome, identified.provider), (Outcome::Unavailable, Some(ProviderId(0))));
}

#[tokio::test]
async fn routes_choose_their_providers() {
    let room = both();
    let headers = bearer(&P256.token());
    let credentials = Credentials { headers: &headers, cookies: &[], recall: &Recall::default() };
    for (providers, expected) in [
        (vec![], Outcome::Absent),
        (vec![ProviderId(1)], Outcome::Absent),
        (vec![ProviderId(1), ProviderId(0)], Outcome::Accepted),
        // A place that the policy does not have is nobody, not the next one.
        (vec![ProviderId(7), ProviderId(0)], Outcome::Unavailable),
    ] {
        let identified =
            room.identity.identify(&room.policy, &providers, &credentials, &Platform::silent(), noon()).await;
        assert_least_unless_accepted(&identified);
        assert_eq!(identified.outcome, expected, "{providers:?}");
    }
}

#[test]
fn the_unknown_caller_is_the_least() {
    let caller = Caller::anonymous(&charter());
    assert_eq!(caller.recipients, [charter().anonymous]);
    assert!(caller.subject.is_none() && caller.groups.is_empty() && caller.wards.is_empty());
    assert!(caller.provider.is_none());
}
