//! What a new policy keeps of what the old one learnt, and what it must not keep.

use std::time::Duration;

use serde_json::json;

use crate::{
    identity::{Identity, IdentityError, Outcome, RejectReason as R, fixture::*},
    policy::set::{
        ForwardAuthSettings, IdentityProvider, JwtSettings, ProviderKind, RecipientId, UpstreamId,
    },
    secret::MasterSecret,
};

fn token_provider(change: impl FnOnce(&mut JwtSettings)) -> IdentityProvider {
    let mut settings = jwt(remote());
    change(&mut settings);
    provider("id", ProviderKind::Jwt(settings))
}

fn session_provider(change: impl FnOnce(&mut ForwardAuthSettings)) -> IdentityProvider {
    let mut settings = endpoint();
    change(&mut settings);
    provider("platform", ProviderKind::ForwardAuth(settings))
}

fn same<T>(_: &mut T) {}

#[tokio::test]
async fn a_reload_that_changes_nothing_loses_nothing() {
    let room = Room::new(vec![token_provider(same), session_provider(same)]);
    let platform = Platform::new([answer(200, &key_set(&[P256.jwk()]))]);
    assert_eq!(room.token(&P256.token(), &platform, noon()).await, Outcome::Accepted);
    platform.then(answer(200, &json!({"role": "teacher"}).to_string()));
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
    // Another provider in front shifts places, not memories.
    let front = provider(
        "new",
        ProviderKind::ForwardAuth(ForwardAuthSettings {
            cookies: vec!["new".into()],
            headers: Vec::new(),
            ..endpoint()
        }),
    );
    let room = room.reload(vec![front, session_provider(same), token_provider(same)]);
    let nobody = Platform::silent();
    assert_eq!(room.token(&P256.token(), &nobody, noon()).await, Outcome::Accepted);
    assert_eq!(room.session("s", &nobody, noon()).await, Outcome::Accepted);
}

#[tokio::test]
async fn an_exchange_of_the_old_policy_and_one_of_the_new_share_what_they_learn() {
    let old = Room::new(vec![session_provider(same)]);
    let new = old.reload(vec![session_provider(same)]);
    let platform = Platform::new([answer(200, &json!({"role": "teacher"}).to_string())]);
    assert_eq!(old.session("s", &platform, noon()).await, Outcome::Accepted);
    assert_eq!(new.session("s", &Platform::silent(), noon()).await, Outcome::Accepted);
    platform.then(answer(401, ""));
    new.forget("s");
    assert_eq!(old.session("s", &platform, noon()).await, Outcome::Rejected(R::SessionRefused));
}

#[tokio::test]
async fn what_settings_change_is_asked_again() {
    let changes: [fn(&mut ForwardAuthSettings); 9] = [
        |s| s.path = "/other".into(),
        |s| s.method = http::Method::POST,
        |s| s.cookies = vec!["session".into()],
        |s| s.headers = Vec::new(),
        |s| s.fixed_cookies = vec![("a".into(), "b".into())],
        |s| {
            s.fixed_headers =
                vec![(http::HeaderName::from_static("x-a"), http::HeaderValue::from_static("b"))]
        },
        |s| s.body = Some("{}".into()),
        |s| s.cache = Duration::from_secs(6),
        |s| s.upstream = UpstreamId(1),
    ];
    let platform = Platform::new([answer(200, &json!({"role": "teacher"}).to_string())]);
    for (place, change) in changes.into_iter().enumerate() {
        let room = Room::forward_auth(endpoint());
        assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
        let room = room.reload(vec![session_provider(change)]);
        let before = platform.asked();
        assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
        assert_eq!(platform.asked(), before + 1, "change {place}");
    }
}

#[tokio::test]
async fn an_upstream_counts_by_what_it_is_not_by_its_place() {
    let room = Room::forward_auth(endpoint());
    let platform = Platform::new([answer(200, &json!({"role": "teacher"}).to_string())]);
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
    let mut shifted = policy(vec![session_provider(|s| s.upstream = UpstreamId(1))]);
    shifted.gateway.upstreams.insert(0, upstream("another"));
    let identity = Identity::build(&shifted, &secret(), Some(&room.identity)).unwrap();
    let shifted = Room { policy: shifted, identity };
    assert_eq!(shifted.session("s", &Platform::silent(), noon()).await, Outcome::Accepted);
    let mut moved = policy(vec![session_provider(same)]);
    moved.gateway.upstreams[0].endpoints[0].port = 9;
    let identity = Identity::build(&moved, &secret(), Some(&room.identity)).unwrap();
    let moved = Room { policy: moved, identity };
    let before = platform.asked();
    assert_eq!(moved.session("s", &platform, noon()).await, Outcome::Accepted);
    assert_eq!(platform.asked(), before + 1);
}

#[tokio::test]
async fn a_new_role_table_is_effective_at_once() {
    let room = Room::new(vec![token_provider(same), session_provider(same)]);
    let platform = Platform::new([answer(200, &key_set(&[P256.jwk()]))]);
    assert_eq!(room.token(&P256.token(), &platform, noon()).await, Outcome::Accepted);
    platform.then(answer(200, &json!({"role": "teacher"}).to_string()));
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
    let demoted = |mut provider: IdentityProvider| {
        provider.roles = vec![("teacher".into(), RecipientId(1))];
        provider
    };
    let room = room.reload(vec![demoted(token_provider(same)), demoted(session_provider(same))]);
    let nobody = Platform::silent();
    let sent = cookies(&[("session", "s")]);
    for (headers, cookies) in [(bearer(&P256.token()), &[][..]), (http::HeaderMap::new(), &sent)] {
        let identified = room.identify(&headers, cookies, &nobody, noon()).await;
        assert_eq!(identified.caller.recipients, [RecipientId(1)]);
    }
    let mut dismissed = token_provider(same);
    dismissed.roles.clear();
    let room = room.reload(vec![dismissed]);
    assert_eq!(room.token(&P256.token(), &nobody, noon()).await, Outcome::Rejected(R::NoKnownRole));
}

#[tokio::test]
async fn stricter_token_settings_forget_tokens_but_not_keys() {
    let room = Room::new(vec![token_provider(same)]);
    let keys = Platform::new([answer(200, &key_set(&[P256.jwk()]))]);
    assert_eq!(room.token(&P256.token(), &keys, noon()).await, Outcome::Accepted);
    let nobody = Platform::silent();
    let other_audience = room.reload(vec![token_provider(|s| s.audience = vec!["x".into()])]);
    assert_eq!(
        other_audience.token(&P256.token(), &nobody, noon()).await,
        Outcome::Rejected(R::WrongAudience)
    );
    let other_issuer = room.reload(vec![token_provider(|s| s.issuer = "https://x.example".into())]);
    assert_eq!(other_issuer.token(&P256.token(), &nobody, noon()).await, Outcome::Rejected(R::WrongIssuer));
    // Other algorithms mean other pinned keys.
    let fewer = room.reload(vec![token_provider(|s| s.algorithms = vec!["RS256".into()])]);
    assert_eq!(fewer.token(&P256.token(), &keys, after(1.0)).await, Outcome::Unavailable);
}

#[tokio::test]
async fn another_secret_is_another_memory() {
    let room = Room::forward_auth(endpoint());
    let platform = Platform::new([answer(200, &json!({"role": "teacher"}).to_string())]);
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
    let other = MasterSecret::from_bytes(&[8; 32]).unwrap();
    let policy = policy(vec![session_provider(same)]);
    let identity = Identity::build(&policy, &other, Some(&room.identity)).unwrap();
    let room = Room { policy, identity };
    room.session("s", &platform, noon()).await;
    assert_eq!(platform.asked(), 2);
}

#[test]
fn settings_that_cannot_work_are_refused() {
    let refusal = |provider| Identity::build(&policy(vec![provider]), &secret(), None).err();
    let path = Some(IdentityError::Path { provider: "platform".into() });
    assert_eq!(refusal(session_provider(|s| s.path = "api".into())), path);
    assert_eq!(refusal(session_provider(|s| s.path = "/a b".into())), path);
    assert_eq!(refusal(session_provider(|s| s.path = String::new())), path);
    let twice = session_provider(|s| s.fixed_cookies = vec![("session".into(), "x".into())]);
    let expected = IdentityError::Cookie { provider: "platform".into(), cookie: "session".into() };
    assert_eq!(refusal(twice), Some(expected));
    assert_eq!(refusal(session_provider(same)), None);
}
