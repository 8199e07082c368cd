//! Rotation of keys: noticed at once, withdrawn in time, and no exchange waits while there are usable ones.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    identity::{FetchError, Outcome, RejectReason as R, fixture::*},
    policy::set::{KeySource, Located, Renewal},
};

const UNKNOWN: Outcome = Outcome::Rejected(R::UnknownKey);

fn serving(keys: &[Value]) -> Scripted {
    answer(200, &key_set(keys))
}

fn changed(mut jwk: Value, name: &str, value: Value) -> Value {
    match value {
        Value::Null => drop(jwk.as_object_mut().unwrap().remove(name)),
        value => jwk[name] = value,
    }
    jwk
}

/// A token that outlives every test.
fn lasting(signer: &Signer) -> String {
    signer.sign(&signer.header(), &good_but("exp", 1_900_000_000.into()))
}

fn made_up(id: &str) -> String {
    P256.sign(&json!({"alg": "ES256", "kid": id}), &good())
}

#[tokio::test]
async fn rotation_is_noticed_at_once() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&P256.token(), &endpoint, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[P256.jwk(), NEXT_P256.jwk()]));
    assert_eq!(room.token(&NEXT_P256.token(), &endpoint, after(0.1)).await, Outcome::Accepted);
    endpoint.then(serving(&[P256.jwk(), NEXT_P256.jwk(), P384.jwk()]));
    assert_eq!(room.token(&P384.token(), &endpoint, after(0.2)).await, Outcome::Accepted);
    for signer in [&*P256, &*NEXT_P256, &*P384] {
        assert_eq!(room.token(&signer.token(), &Platform::silent(), after(0.3)).await, Outcome::Accepted);
    }
    assert_eq!(endpoint.asked(), 3);
}

#[tokio::test]
async fn made_up_ids_do_not_hammer() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&P256.token(), &endpoint, noon()).await, Outcome::Accepted);
    // One that was looked for in vain costs nothing.
    for tenth in 0..49 {
        assert_eq!(room.token(&made_up("x"), &endpoint, after(f64::from(tenth) / 10.0)).await, UNKNOWN);
    }
    assert_eq!(endpoint.asked(), 2);
    assert_eq!(room.token(&made_up("x"), &endpoint, after(5.0)).await, UNKNOWN);
    assert_eq!(endpoint.asked(), 3);
    for n in 0..100 {
        let token = made_up(&format!("{n}"));
        assert_eq!(room.token(&token, &endpoint, after(5.0 + f64::from(n) / 25.0)).await, UNKNOWN);
    }
    assert_eq!(endpoint.asked(), 5, "five in ten seconds");
    // What they kept from being noticed is noticed in the background, though the set is young.
    endpoint.then(serving(&[P256.jwk(), NEXT_P256.jwk()]));
    assert_eq!(room.token(&NEXT_P256.token(), &endpoint, after(9.5)).await, UNKNOWN);
    room.tend(&endpoint, after(9.6)).await;
    assert_eq!(endpoint.asked(), 6);
    assert_eq!(room.token(&NEXT_P256.token(), &Platform::silent(), after(9.7)).await, Outcome::Accepted);
}

#[tokio::test]
async fn an_answer_that_was_asked_for_too_early_is_not_the_last_word() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&P256.token(), &endpoint, noon()).await, Outcome::Accepted);
    // Somebody asks, and the answer is that of before the rotation.
    let mut early = Platform::new([serving(&[P256.jwk()])]);
    early.gate = Some(Arc::new(Notify::new()));
    let late = Platform::new([serving(&[P256.jwk(), NEXT_P256.jwk()])]);
    let vain = made_up("x");
    let token = NEXT_P256.token();
    let (first, second, third, ()) = tokio::join!(
        room.token(&vain, &early, after(1.0)),
        room.token(&token, &late, after(1.0)),
        room.token(&token, &late, after(1.0)),
        async { early.gate.as_ref().unwrap().notify_one() }
    );
    assert_eq!([first, second, third], [UNKNOWN, Outcome::Accepted, Outcome::Accepted]);
    assert_eq!((early.asked(), late.asked()), (1, 1));
}

#[tokio::test]
async fn keys_are_renewed_behind_the_exchanges_backs() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk(), NEXT_P256.jwk()])]);
    // Before anybody asks.
    room.tend(&endpoint, noon()).await;
    assert_eq!(endpoint.asked(), 1);
    let (token, nobody) = (lasting(&P256), Platform::silent());
    assert_eq!(room.token(&token, &nobody, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[NEXT_P256.jwk()]));
    room.tend(&endpoint, after(299.9)).await;
    assert_eq!(endpoint.asked(), 1);
    room.tend(&endpoint, after(300.0)).await;
    assert_eq!(endpoint.asked(), 2);
    assert_eq!(room.token(&token, &endpoint, after(300.1)).await, UNKNOWN, "withdrawn");
    assert_eq!(room.token(&lasting(&NEXT_P256), &nobody, after(300.1)).await, Outcome::Accepted);
}

#[tokio::test]
async fn nobody_waits_while_keys_are_renewed() {
    let room = Room::jwt(remote());
    let quick = Platform::new([serving(&[P256.jwk()])]);
    let token = lasting(&P256);
    assert_eq!(room.token(&token, &quick, noon()).await, Outcome::Accepted);
    let mut hanging = quick.clone();
    hanging.gate = Some(Arc::new(Notify::new()));
    let renewing = room.tend(&hanging, after(700.0));
    tokio::pin!(renewing);
    let nobody = Platform::silent();
    tokio::select! {
        biased;
        () = &mut renewing => panic!("it hangs"),
        outcome = room.token(&token, &nobody, after(700.0)) => {
            assert_eq!(outcome, Outcome::Accepted);
        }
    }
    // Another core finds it being asked.
    room.tend(&Platform::silent(), after(701.0)).await;
    hanging.gate.as_ref().unwrap().notify_one();
    renewing.await;
}

#[tokio::test]
async fn the_last_good_set_outlives_an_endpoint_that_answers_nonsense_but_not_for_ever() {
    let token = lasting(&P256);
    let weak = changed(RSA.jwk(), "n", "_____w".into());
    for nonsense in [
        answer(200, "<html>sign in</html>"),
        answer(200, ""),
        answer(200, r#"{"keys":[]}"#),
        answer(200, r#"{"keys":[{"kty":"oct","k":"AAAA","alg":"HS256","kid":"p256"}]}"#),
        answer(200, &key_set(&[changed(P256.jwk(), "d", "AAAA".into())])),
        answer(200, &key_set(&[changed(P256.jwk(), "crv", "P-384".into())])),
        answer(200, &key_set(&[changed(RSA.jwk(), "e", "AQ".into())])),
        answer(200, &key_set(&[weak])),
        answer(200, &key_set(&vec![P256.jwk(); 101])),
        answer(200, &" ".repeat(300_000)),
        answer(404, &key_set(&[NEXT_P256.jwk()])),
        answer(302, &key_set(&[NEXT_P256.jwk()])),
        answer(500, &key_set(&[NEXT_P256.jwk()])),
        Err(FetchError::TimedOut),
        Err(FetchError::Unreachable),
        Err(FetchError::TooLong),
        Err(FetchError::Broken),
    ] {
        let room = Room::jwt(remote());
        // At first use there is no last good one: unavailable, and not asked again and again.
        let bad = Platform::new([nonsense.clone()]);
        for _ in 0..10 {
            assert_eq!(room.token(&token, &bad, noon()).await, Outcome::Unavailable);
        }
        assert_eq!(bad.asked(), 1);
        let good = Platform::new([serving(&[P256.jwk()])]);
        assert_eq!(room.token(&token, &good, after(10.0)).await, Outcome::Accepted);
        // Later there is.
        assert_eq!(room.token(&NEXT_P256.token(), &bad, after(20.0)).await, UNKNOWN);
        assert_eq!(room.token(&token, &bad, after(21.0)).await, Outcome::Accepted);
        room.tend(&bad, after(310.0)).await;
        room.tend(&bad, after(319.9)).await;
        assert_eq!(bad.asked(), 3, "spared for ten seconds");
        assert_eq!(room.token(&token, &Platform::silent(), after(3609.9)).await, Outcome::Accepted);
        assert_eq!(room.identity.key_status(after(3609.9))[0].usable, 1);
        assert_eq!(room.token(&token, &bad, after(3610.0)).await, Outcome::Unavailable, "the hard limit");
        let status = room.identity.key_status(after(3610.0))[0];
        assert_eq!((status.usable, status.failures), (0, 4));
        assert_eq!(status.age, Some(Duration::from_secs(3600)));
        // Exchanges leave the source alone for a second, the background for two.
        assert_eq!(room.token(&token, &good, after(3610.9)).await, Outcome::Unavailable);
        room.tend(&good, after(3612.0)).await;
        assert_eq!(
            room.token(&token, &Platform::silent(), after(3612.0)).await,
            Outcome::Accepted,
            "and back"
        );
    }
}

#[tokio::test]
async fn nobody_waits_again_for_an_endpoint_that_hangs() {
    let room = Room::jwt(remote());
    let down = Platform::new([Err(FetchError::TimedOut)]);
    assert_eq!(room.token(&P256.token(), &down, noon()).await, Outcome::Unavailable);
    let mut hanging = Platform::new([serving(&[P256.jwk()])]);
    hanging.gate = Some(Arc::new(Notify::new()));
    let looking = room.tend(&hanging, after(12.0));
    tokio::pin!(looking);
    let (token, nobody) = (P256.token(), Platform::silent());
    tokio::select! {
        biased;
        () = &mut looking => panic!("it hangs"),
        outcome = room.token(&token, &nobody, after(12.0)) => assert_eq!(outcome, Outcome::Unavailable),
    }
    hanging.gate.as_ref().unwrap().notify_one();
    looking.await;
    assert_eq!(room.token(&token, &nobody, after(12.0)).await, Outcome::Accepted);
    // The same for those whose key is missing from a set that cannot be renewed.
    assert_eq!(room.token(&made_up("x"), &down, after(20.0)).await, UNKNOWN);
    for n in 0..20 {
        assert_eq!(room.token(&made_up(&n.to_string()), &nobody, after(20.9)).await, UNKNOWN);
    }
}

#[tokio::test]
async fn whoever_leaves_again_and_again_does_not_hammer() {
    let room = Room::jwt(remote());
    let mut hanging = Platform::new([serving(&[P256.jwk()])]);
    hanging.gate = Some(Arc::new(Notify::new()));
    let token = P256.token();
    for _ in 0..50 {
        let leaving = room.token(&token, &hanging, noon());
        tokio::pin!(leaving);
        tokio::select! {
            biased;
            outcome = &mut leaving => assert_eq!(outcome, Outcome::Unavailable),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(hanging.asked(), 10);
    // And does not keep the keys away from the others for long.
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    room.tend(&endpoint, after(1.0)).await;
    assert_eq!(room.token(&token, &Platform::silent(), after(1.0)).await, Outcome::Accepted);
}

#[tokio::test]
async fn keys_are_where_the_issuer_says() {
    let source =
        || KeySource::Remote { place: Located::Discovered(discovery()), renewal: Renewal::default() };
    let document = |address: &str| {
        // What it says of algorithms widens nothing.
        let algorithms = ["none", "HS256"];
        answer(
            200,
            &json!({
                "issuer": ISSUER, "jwks_uri": address,
                "id_token_signing_alg_values_supported": algorithms,
            })
            .to_string(),
        )
    };
    let keys = serving(&[P256.jwk()]);
    let room = Room::jwt(source());
    let issuer = Platform::new([document(&format!("{ISSUER}/keys?v=1")), keys.clone()]);
    assert_eq!(room.token(&P256.token(), &issuer, noon()).await, Outcome::Accepted);
    let unsigned = format!("{}.", made_up("p256").rsplit_once('.').unwrap().0);
    assert_eq!(room.token(&unsigned, &issuer, noon()).await, Outcome::Rejected(R::BadSignature));
    {
        let seen = issuer.seen.borrow();
        let paths: Vec<_> = seen.iter().map(|request| request.uri().to_string()).collect();
        assert_eq!(paths, ["/.well-known/openid-configuration", "/keys?v=1"]);
        assert_eq!(seen[1].headers()["host"], "id.school.example");
    }
    for (name, first) in [
        ("another origin", document("https://evil.example/keys")),
        ("another port", document(&format!("{ISSUER}:8443/keys"))),
        ("without encryption", document("http://id.school.example/keys")),
        (
            "another issuer",
            answer(
                200,
                &json!({"issuer": "https://id.school.example/", "jwks_uri": format!("{ISSUER}/keys")})
                    .to_string(),
            ),
        ),
        ("HTML", answer(200, "<html>sign in</html>")),
        ("a redirect", answer(302, "")),
        ("hanging", Err(FetchError::TimedOut)),
        ("too long", answer(200, &" ".repeat(70_000))),
    ] {
        let room = Room::jwt(source());
        let issuer = Platform::new([first, keys.clone()]);
        assert_eq!(room.token(&P256.token(), &issuer, noon()).await, Outcome::Unavailable, "{name}");
        assert_eq!(issuer.asked(), 1, "{name}");
    }
}

#[tokio::test]
async fn a_withdrawn_key_goes_with_what_it_vouched_for() {
    let room = Room::jwt(remote());
    // The same text each time, so that it is one that was verified before.
    let token = P256.token();
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&token, &endpoint, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[NEXT_P256.jwk()]));
    assert_eq!(room.token(&NEXT_P256.token(), &endpoint, after(20.0)).await, Outcome::Accepted);
    assert_eq!(room.token(&token, &endpoint, after(21.0)).await, UNKNOWN);
}

#[tokio::test]
async fn keys_without_ids_rotate_too() {
    let anonymous = |signer: &Signer| changed(signer.jwk(), "kid", Value::Null);
    let token = |signer: &Signer| signer.sign(&json!({"alg": "ES256"}), &good());
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[anonymous(&P256)])]);
    assert_eq!(room.token(&token(&P256), &endpoint, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[anonymous(&NEXT_P256)]));
    assert_eq!(room.token(&token(&NEXT_P256), &endpoint, after(11.0)).await, Outcome::Accepted);
    assert_eq!(room.token(&token(&P256), &endpoint, after(12.0)).await, Outcome::Rejected(R::BadSignature));
}

#[tokio::test]
async fn concurrent_misses_ask_once_and_all_learn() {
    let room = Room::jwt(remote());
    let mut endpoint = Platform::new([serving(&[P256.jwk()])]);
    let gate = Arc::new(Notify::new());
    endpoint.gate = Some(Arc::clone(&gate));
    let token = P256.token();
    let ask = || room.token(&token, &endpoint, noon());
    let (a, b, c, ()) = tokio::join!(ask(), ask(), ask(), async { gate.notify_one() });
    assert_eq!([a, b, c], [Outcome::Accepted; 3]);
    assert_eq!(endpoint.asked(), 1);
    endpoint.then(serving(&[P256.jwk(), NEXT_P256.jwk()]));
    let token = NEXT_P256.token();
    let ask = || room.token(&token, &endpoint, after(20.0));
    let (a, b, c, ()) = tokio::join!(ask(), ask(), ask(), async { gate.notify_one() });
    assert_eq!([a, b, c], [Outcome::Accepted; 3]);
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn those_who_wait_for_a_hanging_endpoint_do_not_ask_one_after_the_other() {
    let room = Room::jwt(remote());
    let mut endpoint = Platform::new([Err(FetchError::TimedOut)]);
    let gate = Arc::new(Notify::new());
    endpoint.gate = Some(Arc::clone(&gate));
    let token = P256.token();
    // They began further apart than the pace, while the first was waiting.
    let ask = |seconds| room.token(&token, &endpoint, after(seconds));
    let (a, b, c, ()) = tokio::join!(ask(0.0), ask(11.0), ask(22.0), async { gate.notify_one() });
    assert_eq!([a, b, c], [Outcome::Unavailable; 3]);
    assert_eq!(endpoint.asked(), 1);
    let good = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&token, &good, after(40.0)).await, Outcome::Accepted);
    let token = NEXT_P256.token();
    let ask = |seconds| room.token(&token, &endpoint, after(seconds));
    let (a, b, c, ()) = tokio::join!(ask(60.0), ask(71.0), ask(82.0), async { gate.notify_one() });
    assert_eq!([a, b, c], [UNKNOWN; 3]);
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn a_cancelled_exchange_leaves_the_question_to_another() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    let mut hanging = endpoint.clone();
    hanging.gate = Some(Arc::new(Notify::new()));
    let token = P256.token();
    {
        let leaving = room.token(&token, &hanging, noon());
        tokio::pin!(leaving);
        tokio::select! {
            biased;
            _ = &mut leaving => panic!("it hangs"),
            () = std::future::ready(()) => {}
        }
    }
    assert_eq!(room.token(&token, &endpoint, after(0.1)).await, Outcome::Accepted);
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn a_clock_set_back_does_not_stop_renewal() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&P256.token(), &endpoint, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[NEXT_P256.jwk()]));
    let back = noon() - Duration::from_secs(500);
    assert_eq!(room.token(&NEXT_P256.token(), &endpoint, back).await, Outcome::Accepted);
}
