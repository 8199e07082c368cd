//! Key sets: what is usable, rotation, pace, and endpoints that misbehave.

use std::{sync::Arc, time::Duration};

use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    identity::{FetchError, Identity, IdentityError, KeySetError, Outcome, RejectReason as R, fixture::*},
    policy::set::{KeySource, ProviderKind},
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

fn build(keys: &str, algorithms: &[&str]) -> Result<Identity, IdentityError> {
    let mut settings = jwt(KeySource::Inline(keys.as_bytes().to_vec()));
    settings.algorithms = algorithms.iter().map(|name| (*name).to_owned()).collect();
    let policy = policy(vec![provider("id", ProviderKind::Jwt(settings))]);
    Identity::build(&policy, &secret(), None)
}

#[test]
fn keys_that_cannot_verify_are_counted_and_passed_over() {
    let all = ["RS256", "PS256", "ES256", "ES384", "EdDSA"];
    let short = rcgen_rsa_1024();
    for (name, jwk) in [
        ("encryption", changed(P256.jwk(), "use", "enc".into())),
        ("use unknown", changed(P256.jwk(), "use", "SIG".into())),
        ("use a list", changed(P256.jwk(), "use", json!(["sig"]))),
        ("key_ops without verify", changed(P256.jwk(), "key_ops", json!(["sign"]))),
        ("key_ops a text", changed(P256.jwk(), "key_ops", "verify".into())),
        ("symmetric", json!({"kty": "oct", "k": "AAAA", "alg": "HS256", "kid": "s"})),
        ("symmetric named RS256", json!({"kty": "oct", "k": "AAAA", "alg": "RS256", "kid": "s"})),
        ("private", changed(P256.jwk(), "d", "AAAA".into())),
        ("alg of another type", changed(P256.jwk(), "alg", "RS256".into())),
        ("alg of another curve", changed(P256.jwk(), "alg", "ES384".into())),
        ("alg not allowed", changed(RSA.jwk(), "alg", "RS512".into())),
        ("alg symmetric", changed(RSA.jwk(), "alg", "HS256".into())),
        ("alg none", changed(RSA.jwk(), "alg", "none".into())),
        ("alg a number", changed(RSA.jwk(), "alg", 256.into())),
        ("kid a number", changed(RSA.jwk(), "kid", 1.into())),
        ("kty unknown", changed(RSA.jwk(), "kty", "rsa".into())),
        ("kty missing", changed(RSA.jwk(), "kty", Value::Null)),
        ("modulus missing", changed(RSA.jwk(), "n", Value::Null)),
        ("modulus short", changed(RSA.jwk(), "n", short.into())),
        ("modulus in plain base64", changed(RSA.jwk(), "n", "+/+/".into())),
        ("exponent one", changed(RSA.jwk(), "e", "AQ".into())),
        ("exponent even", changed(RSA.jwk(), "e", "Ag".into())),
        ("exponent nothing", changed(RSA.jwk(), "e", "".into())),
        ("point not on the curve", changed(P256.jwk(), "x", P256.jwk()["y"].clone())),
        ("coordinate short", changed(P256.jwk(), "x", "AAAA".into())),
        ("point of another curve", changed(P256.jwk(), "crv", "P-384".into())),
        ("curve unknown", changed(P256.jwk(), "crv", "secp256k1".into())),
        ("Ed25519 short", changed(ED.jwk(), "x", "AAAA".into())),
        ("X25519", changed(ED.jwk(), "crv", "X25519".into())),
        ("a text", "key".into()),
    ] {
        let lone = build(&key_set(&[jwk.clone()]), &all).err();
        let none = IdentityError::Keys { provider: "id".into(), cause: KeySetError::NoUsableKey };
        assert_eq!(lone, Some(none), "{name}");
        let status = build(&key_set(&[jwk, P384.jwk()]), &all).unwrap().key_status();
        assert_eq!((status[0].usable, status[0].ignored), (1, 1), "{name}");
    }
    let several = build(&key_set(&[changed(RSA.jwk(), "alg", Value::Null)]), &all).unwrap().key_status();
    assert_eq!((several[0].usable, several[0].ignored), (2, 0));
    let padded = format!("AA{}", RSA.jwk()["n"].as_str().unwrap());
    assert!(build(&key_set(&[changed(RSA.jwk(), "n", padded.into())]), &all).is_err());
}

/// A modulus of 1024 bits (odd, and as long as it says).
fn rcgen_rsa_1024() -> String {
    use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
    URL_SAFE_NO_PAD.encode([0xff; 128])
}

#[test]
fn sets_that_are_none_are_refused() {
    let cause = |keys: &str| match build(keys, &["ES256"]) {
        Err(IdentityError::Keys { cause, .. }) => Some(cause),
        _ => None,
    };
    assert_eq!(cause("<html>sign in</html>"), Some(KeySetError::NotKeySet));
    assert_eq!(cause("[]"), Some(KeySetError::NotKeySet));
    assert_eq!(cause(r#"{"keys":{}}"#), Some(KeySetError::NotKeySet));
    assert_eq!(cause(r#"{"keys":[],"keys":[]}"#), Some(KeySetError::NotKeySet));
    assert_eq!(cause(r#"{"keys":[]}"#), Some(KeySetError::NoUsableKey));
    assert_eq!(cause(&key_set(&vec![P256.jwk(); 101])), Some(KeySetError::TooManyKeys));
    assert_eq!(cause(&" ".repeat(256 * 1024 + 1)), Some(KeySetError::TooLong));
    assert_eq!(cause(&key_set(&[P256.jwk()])), None);
    let unknown = build(&key_set(&[P256.jwk()]), &["ES256", "HS256"]).err();
    assert_eq!(unknown, Some(IdentityError::Algorithm { provider: "id".into(), algorithm: "HS256".into() }));
}

#[tokio::test]
async fn the_same_key_id_twice_is_ambiguous() {
    let twin = changed(NEXT_P256.jwk(), "kid", "p256".into());
    let room = Room::inline(&[P256.jwk(), twin]);
    let outcome = room.token(&P256.token(), &Platform::silent(), noon()).await;
    assert_eq!(outcome, Outcome::Rejected(R::AmbiguousKey));
    // An algorithm named twice in the settings is no second key.
    let mut settings = jwt(KeySource::Inline(key_set(&[ED.jwk()]).into_bytes()));
    settings.algorithms = vec!["EdDSA".into(), "Ed25519".into(), "EdDSA".into()];
    let room = Room::new(vec![provider("id", ProviderKind::Jwt(settings))]);
    assert_eq!(room.token(&ED.token(), &Platform::silent(), noon()).await, Outcome::Accepted);
}

#[tokio::test]
async fn keys_are_fetched_at_first_use_and_kept() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    let nothing = http::HeaderMap::new();
    assert_eq!(room.identify(&nothing, &[], &endpoint, noon()).await.outcome, Outcome::Absent);
    assert_eq!(room.token("rubbish", &endpoint, noon()).await, Outcome::Rejected(R::MalformedToken));
    assert_eq!(endpoint.asked(), 0, "nobody asks for keys without a token that could use them");
    assert_eq!(room.token(&P256.token(), &endpoint, noon()).await, Outcome::Accepted);
    assert_eq!(room.token(&P256.token(), &endpoint, after(60.0)).await, Outcome::Accepted);
    assert_eq!(endpoint.asked(), 1);
    let seen = endpoint.seen.borrow();
    assert_eq!((seen[0].method(), seen[0].uri().to_string()), (&http::Method::GET, "/jwks".to_owned()));
    assert_eq!(seen[0].headers()["accept-encoding"], "identity");
}

#[tokio::test]
async fn rotation_is_noticed_and_made_up_ids_do_not_hammer() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&P256.token(), &endpoint, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[P256.jwk(), NEXT_P256.jwk()]));
    assert_eq!(room.token(&NEXT_P256.token(), &endpoint, after(9.9)).await, UNKNOWN);
    assert_eq!(endpoint.asked(), 1);
    assert_eq!(room.token(&NEXT_P256.token(), &endpoint, after(10.0)).await, Outcome::Accepted);
    assert_eq!(room.token(&P256.token(), &endpoint, after(10.0)).await, Outcome::Accepted);
    assert_eq!(endpoint.asked(), 2);
    for n in 0..50 {
        let made_up = P256.sign(&json!({"alg": "ES256", "kid": n.to_string()}), &good());
        assert_eq!(room.token(&made_up, &endpoint, after(11.0 + f64::from(n) / 10.0)).await, UNKNOWN);
    }
    assert_eq!(endpoint.asked(), 2);
}

#[tokio::test]
async fn a_withdrawn_key_goes_with_what_it_vouched_for() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk()])]);
    assert_eq!(room.token(&P256.token(), &endpoint, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[NEXT_P256.jwk()]));
    assert_eq!(room.token(&NEXT_P256.token(), &endpoint, after(20.0)).await, Outcome::Accepted);
    assert_eq!(room.token(&P256.token(), &endpoint, after(21.0)).await, UNKNOWN);
}

#[tokio::test]
async fn an_old_set_is_renewed_without_being_asked_for() {
    let room = Room::jwt(remote());
    let endpoint = Platform::new([serving(&[P256.jwk(), NEXT_P256.jwk()])]);
    let long = |signer: &Signer| signer.sign(&signer.header(), &good_but("exp", 1_900_000_000.into()));
    assert_eq!(room.token(&long(&P256), &endpoint, noon()).await, Outcome::Accepted);
    endpoint.then(serving(&[NEXT_P256.jwk()]));
    assert_eq!(room.token(&long(&P256), &endpoint, after(599.0)).await, Outcome::Accepted);
    assert_eq!(room.token(&long(&P256), &endpoint, after(600.0)).await, UNKNOWN);
    assert_eq!(endpoint.asked(), 2);
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
async fn the_last_good_set_outlives_an_endpoint_that_answers_nonsense() {
    let token = P256.sign(&P256.header(), &good_but("exp", 1_900_000_000.into()));
    for nonsense in [
        answer(200, "<html>sign in</html>"),
        answer(200, ""),
        answer(200, r#"{"keys":[]}"#),
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
        // At first use there is no last good one: unavailable, and not asked again at once.
        let bad = Platform::new([nonsense.clone()]);
        assert_eq!(room.token(&token, &bad, noon()).await, Outcome::Unavailable);
        assert_eq!(room.token(&token, &bad, after(9.0)).await, Outcome::Unavailable);
        assert_eq!(bad.asked(), 1);
        let good = Platform::new([serving(&[P256.jwk()])]);
        assert_eq!(room.token(&token, &good, after(10.0)).await, Outcome::Accepted);
        // Later there is.
        assert_eq!(room.token(&NEXT_P256.token(), &bad, after(20.0)).await, UNKNOWN);
        assert_eq!(room.token(&token, &bad, after(21.0)).await, Outcome::Accepted);
        assert_eq!(room.token(&token, &bad, after(5000.0)).await, Outcome::Accepted);
        assert_eq!(room.identity.key_status()[0].failures, 3);
    }
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
async fn an_old_set_serves_while_one_exchange_renews_it() {
    let room = Room::jwt(remote());
    let quick = Platform::new([serving(&[P256.jwk()])]);
    let token = P256.sign(&P256.header(), &good_but("exp", 1_900_000_000.into()));
    assert_eq!(room.token(&token, &quick, noon()).await, Outcome::Accepted);
    let mut hanging = quick.clone();
    hanging.gate = Some(Arc::new(Notify::new()));
    let nobody = Platform::silent();
    let renewing = room.token(&token, &hanging, after(700.0));
    tokio::pin!(renewing);
    tokio::select! {
        biased;
        _ = &mut renewing => panic!("it hangs"),
        outcome = room.token(&token, &nobody, after(700.0)) => {
            assert_eq!(outcome, Outcome::Accepted);
        }
    }
    hanging.gate.as_ref().unwrap().notify_one();
    assert_eq!(renewing.await, Outcome::Accepted);
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
    assert_eq!(hanging.asked(), 5);
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
