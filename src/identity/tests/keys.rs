//! Key sets: what of them is usable.

use serde_json::{Value, json};

use crate::{
    identity::{Identity, IdentityError, KeySetError, Outcome, RejectReason as R, fixture::*},
    policy::set::{KeySource, ProviderKind},
};

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
        let lone = build(&key_set(std::slice::from_ref(&jwk)), &all).err();
        let none = IdentityError::Keys { provider: "id".into(), cause: KeySetError::NoUsableKey };
        assert_eq!(lone, Some(none), "{name}");
        let status = build(&key_set(&[jwk, P384.jwk()]), &all).unwrap().key_status(noon());
        assert_eq!((status[0].usable, status[0].ignored), (1, 1), "{name}");
    }
    let several =
        build(&key_set(&[changed(RSA.jwk(), "alg", Value::Null)]), &all).unwrap().key_status(noon());
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
