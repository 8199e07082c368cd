//! Attacks on tokens, each with its answer.

use std::time::Duration;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use http::{HeaderMap, HeaderValue, header::AUTHORIZATION};
use jsonwebtoken::{Algorithm, EncodingKey};
use proptest::prelude::*;
use serde_json::{Value, json};

use crate::{
    identity::{Outcome, RejectReason as R, TOKEN_BYTES, fixture::*},
    policy::set::{KeySource, ProviderKind, TokenSource},
};

fn school() -> Room {
    // RSA without `alg`: pinned by type to the RSA algorithms of the provider's list.
    let mut rsa = RSA.jwk();
    rsa.as_object_mut().unwrap().remove("alg");
    Room::inline(&[rsa, PSS.jwk(), P256.jwk(), P384.jwk(), ED.jwk()])
}

fn signed_as(signer: &Signer, algorithm: Algorithm, header: Value) -> String {
    let message = format!(
        "{}.{}",
        URL_SAFE_NO_PAD.encode(header.to_string()),
        URL_SAFE_NO_PAD.encode(good().to_string())
    );
    let signature = jsonwebtoken::crypto::sign(message.as_bytes(), &signer.private, algorithm).unwrap();
    format!("{message}.{signature}")
}

fn hmac(algorithm: Algorithm, name: &str, secret: &[u8]) -> String {
    let header = json!({"alg": name, "kid": "rsa"}).to_string();
    let message =
        format!("{}.{}", URL_SAFE_NO_PAD.encode(header), URL_SAFE_NO_PAD.encode(good().to_string()));
    let key = EncodingKey::from_secret(secret);
    format!("{message}.{}", jsonwebtoken::crypto::sign(message.as_bytes(), &key, algorithm).unwrap())
}

fn with_part(token: &str, place: usize, part: &str) -> String {
    let mut parts: Vec<&str> = token.split('.').collect();
    parts[place] = part;
    parts.join(".")
}

fn header_but(signer: &Signer, name: &str, value: Value) -> Value {
    let mut header = signer.header();
    header[name] = value;
    header
}

fn without(mut object: Value, name: &str) -> Value {
    object.as_object_mut().unwrap().remove(name);
    object
}

/// A signature over the same message, in ASN.1 where JWS wants two fixed integers.
fn asn1_signature() -> String {
    use aws_lc_rs::{rand::SystemRandom, signature as s};
    let pair = s::EcdsaKeyPair::generate(&s::ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
    let signature = pair.sign(&SystemRandom::new(), b"message").unwrap();
    URL_SAFE_NO_PAD.encode(signature.as_ref())
}

fn flipped(token: &str) -> String {
    let (message, signature) = token.rsplit_once('.').unwrap();
    let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
    bytes[0] ^= 1;
    format!("{message}.{}", URL_SAFE_NO_PAD.encode(bytes))
}

#[tokio::test]
async fn every_algorithm_is_accepted_with_its_key() {
    let school = school();
    let nobody = Platform::silent();
    for (signer, algorithm) in [
        (&*RSA, Algorithm::RS256),
        (&*RSA, Algorithm::RS384),
        (&*RSA, Algorithm::RS512),
        (&*RSA, Algorithm::PS256),
        (&*RSA, Algorithm::PS384),
        (&*RSA, Algorithm::PS512),
        (&*PSS, Algorithm::PS384),
        (&*P256, Algorithm::ES256),
        (&*P384, Algorithm::ES384),
        (&*ED, Algorithm::EdDSA),
    ] {
        let header = header_but(signer, "alg", serde_json::to_value(algorithm).unwrap());
        let token = signed_as(signer, algorithm, header);
        assert_eq!(school.token(&token, &nobody, noon()).await, Outcome::Accepted, "{algorithm:?}");
    }
    let renamed = signed_as(&ED, Algorithm::EdDSA, header_but(&ED, "alg", "Ed25519".into()));
    assert_eq!(school.token(&renamed, &nobody, noon()).await, Outcome::Accepted);
}

#[tokio::test]
async fn attacks_on_tokens() {
    use Outcome::{Accepted, Rejected};
    let token = P256.token();
    let signature = token.rsplit_once('.').unwrap().1;
    let resigned = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = URL_SAFE_NO_PAD.decode(signature).unwrap();
        change(&mut bytes);
        with_part(&token, 2, &URL_SAFE_NO_PAD.encode(bytes))
    };
    let sign = |payload: Value| P256.sign(&P256.header(), &payload);
    let header = |name: &str, value: Value| P256.sign(&header_but(&P256, name, value), &good());
    let encode = |value: &Value| URL_SAFE_NO_PAD.encode(value.to_string());
    let pem = RSA.public_pem.as_bytes();
    let modulus = URL_SAFE_NO_PAD.decode(RSA.jwk()["n"].as_str().unwrap()).unwrap();
    let unsigned =
        |alg: &str| format!("{}.{}.", encode(&json!({"alg": alg, "kid": "p256"})), encode(&good()));
    let payload_text = |text: &str| P256.sign_texts(&P256.header().to_string(), text);
    let good_text = good().to_string();
    let doubled = |member: &str| payload_text(&format!("{{{member},{}", &good_text[1..]));
    let exp = |value: Value| sign(good_but("exp", value));

    let table: Vec<(&str, String, Outcome)> = vec![
        // No signature, or one that is not the key's.
        ("alg none", unsigned("none"), Rejected(R::UnsupportedAlgorithm)),
        ("alg None", unsigned("None"), Rejected(R::UnsupportedAlgorithm)),
        ("alg nOnE", unsigned("nOnE"), Rejected(R::UnsupportedAlgorithm)),
        ("alg empty", unsigned(""), Rejected(R::UnsupportedAlgorithm)),
        ("alg none with a signature", header("alg", "none".into()), Rejected(R::UnsupportedAlgorithm)),
        ("alg right, signature empty", unsigned("ES256"), Rejected(R::BadSignature)),
        ("signature cut off", token.rsplit_once('.').unwrap().0.into(), Rejected(R::MalformedToken)),
        ("signature of zeros", with_part(&token, 2, &"A".repeat(86)), Rejected(R::BadSignature)),
        ("signature flipped", flipped(&token), Rejected(R::BadSignature)),
        ("signature in ASN.1", with_part(&token, 2, &asn1_signature()), Rejected(R::BadSignature)),
        ("signature one byte short", with_part(&token, 2, &"B".repeat(84)), Rejected(R::BadSignature)),
        ("signature half", resigned(&|bytes| bytes.truncate(32)), Rejected(R::BadSignature)),
        ("signature of r zero", resigned(&|bytes| bytes[..32].fill(0)), Rejected(R::BadSignature)),
        ("signature of s zero", resigned(&|bytes| bytes[32..].fill(0)), Rejected(R::BadSignature)),
        (
            "signature of r and s exchanged",
            resigned(&|bytes| bytes.rotate_left(32)),
            Rejected(R::BadSignature),
        ),
        ("signature with a byte more", resigned(&|bytes| bytes.push(0)), Rejected(R::BadSignature)),
        (
            "signature of ones",
            with_part(&token, 2, &format!("{}Q", "_".repeat(85))),
            Rejected(R::BadSignature),
        ),
        (
            "signature twice",
            with_part(&token, 2, &format!("{signature}{signature}")),
            Rejected(R::BadSignature),
        ),
        (
            "signature with a space",
            with_part(&token, 2, &format!("{} {}", &signature[..43], &signature[43..])),
            Rejected(R::MalformedToken),
        ),
        (
            "signature in plain base64",
            with_part(&token, 2, &format!("{}+/", &signature[..84])),
            Rejected(R::MalformedToken),
        ),
        ("signature padded", format!("{token}=="), Rejected(R::MalformedToken)),
        (
            "signature of other claims",
            with_part(&token, 1, &encode(&good_but("role", "true".into()))),
            Rejected(R::BadSignature),
        ),
        (
            "signature of another header",
            with_part(&token, 0, &encode(&header_but(&P256, "x", 1.into()))),
            Rejected(R::BadSignature),
        ),
        ("Ed25519 signature of zeros", with_part(&ED.token(), 2, &"A".repeat(86)), Rejected(R::BadSignature)),
        // A public key as a shared secret, and other confusions of algorithm and key.
        ("HS256 by the public PEM", hmac(Algorithm::HS256, "HS256", pem), Rejected(R::UnsupportedAlgorithm)),
        ("HS384 by the public PEM", hmac(Algorithm::HS384, "HS384", pem), Rejected(R::UnsupportedAlgorithm)),
        ("HS512 by the public PEM", hmac(Algorithm::HS512, "HS512", pem), Rejected(R::UnsupportedAlgorithm)),
        (
            "HS256 by the modulus",
            hmac(Algorithm::HS256, "HS256", &modulus),
            Rejected(R::UnsupportedAlgorithm),
        ),
        ("HS256 by nothing", hmac(Algorithm::HS256, "HS256", b""), Rejected(R::UnsupportedAlgorithm)),
        ("HMAC named RS256", hmac(Algorithm::HS256, "RS256", pem), Rejected(R::BadSignature)),
        ("hs256 in lower case", hmac(Algorithm::HS256, "hs256", pem), Rejected(R::UnsupportedAlgorithm)),
        (
            "RS256 for a key pinned to PS384",
            signed_as(&PSS, Algorithm::RS256, json!({"alg": "RS256", "kid": "pss"})),
            Rejected(R::AlgorithmMismatch),
        ),
        (
            "PS256 for a key pinned to PS384",
            signed_as(&PSS, Algorithm::PS256, json!({"alg": "PS256", "kid": "pss"})),
            Rejected(R::AlgorithmMismatch),
        ),
        (
            "PS signature named RS",
            signed_as(&RSA, Algorithm::PS256, json!({"alg": "RS256", "kid": "rsa"})),
            Rejected(R::BadSignature),
        ),
        ("ES256 with an RSA key's id", header("kid", "rsa".into()), Rejected(R::AlgorithmMismatch)),
        ("ES384 for P-256", header("alg", "ES384".into()), Rejected(R::AlgorithmMismatch)),
        ("ES512", header("alg", "ES512".into()), Rejected(R::UnsupportedAlgorithm)),
        ("ES256K", header("alg", "ES256K".into()), Rejected(R::UnsupportedAlgorithm)),
        ("alg a list", header("alg", json!(["ES256"])), Rejected(R::UnsupportedAlgorithm)),
        (
            "alg missing",
            P256.sign(&without(P256.header(), "alg"), &good()),
            Rejected(R::UnsupportedAlgorithm),
        ),
        (
            "alg twice",
            P256.sign_texts(r#"{"alg":"ES256","alg":"none","kid":"p256"}"#, &good_text),
            Rejected(R::MalformedToken),
        ),
        // Keys: somebody else's, made up, brought along.
        ("another key under this id", NEXT_P256.sign(&P256.header(), &good()), Rejected(R::BadSignature)),
        ("another key, its own id", NEXT_P256.token(), Rejected(R::UnknownKey)),
        ("kid in other case", header("kid", "P256".into()), Rejected(R::UnknownKey)),
        ("kid with a path", header("kid", "../../dev/null".into()), Rejected(R::UnknownKey)),
        ("kid with a quote", header("kid", "p256' OR '1'='1".into()), Rejected(R::UnknownKey)),
        ("kid empty", header("kid", "".into()), Rejected(R::UnknownKey)),
        ("kid a number", header("kid", 1.into()), Rejected(R::MalformedToken)),
        ("kid null", header("kid", Value::Null), Rejected(R::MalformedToken)),
        ("kid missing, one key fits", P256.sign(&without(P256.header(), "kid"), &good()), Accepted),
        (
            "kid missing, none of the keys fits",
            NEXT_P256.sign(&json!({"alg": "ES256"}), &good()),
            Rejected(R::BadSignature),
        ),
        (
            "kid missing, two keys fit",
            signed_as(&PSS, Algorithm::PS384, json!({"alg": "PS384"})),
            Rejected(R::AmbiguousKey),
        ),
        (
            "jwk brought along",
            NEXT_P256.sign(&json!({"alg": "ES256", "kid": "next-p256", "jwk": NEXT_P256.jwk()}), &good()),
            Rejected(R::UnknownKey),
        ),
        (
            "jwk brought along, known id",
            NEXT_P256.sign(&header_but(&P256, "jwk", NEXT_P256.jwk()), &good()),
            Rejected(R::BadSignature),
        ),
        ("jku ignored", header("jku", "https://evil.example/jwks".into()), Accepted),
        ("x5u ignored", header("x5u", "https://evil.example/cert".into()), Accepted),
        ("x5c ignored", header("x5c", json!(["AAAA"])), Accepted),
        // Extensions and other kinds of token.
        ("crit", header("crit", json!(["exp"])), Rejected(R::CriticalHeader)),
        ("crit empty", header("crit", json!([])), Rejected(R::CriticalHeader)),
        ("crit null", header("crit", Value::Null), Rejected(R::CriticalHeader)),
        (
            "crit b64",
            P256.sign(&json!({"alg": "ES256", "kid": "p256", "b64": false, "crit": ["b64"]}), &good()),
            Rejected(R::CriticalHeader),
        ),
        ("b64 without crit", header("b64", false.into()), Rejected(R::CriticalHeader)),
        ("kid very long", header("kid", "x".repeat(4000).into()), Rejected(R::UnknownKey)),
        ("kid with a line feed", header("kid", "p256\n".into()), Rejected(R::UnknownKey)),
        ("kid with a NUL", header("kid", "p256\0".into()), Rejected(R::UnknownKey)),
        ("kid an address", header("kid", "https://evil.example/key".into()), Rejected(R::UnknownKey)),
        ("kid a list", header("kid", json!(["p256"])), Rejected(R::MalformedToken)),
        ("x5t ignored", header("x5t", "AAAA".into()), Accepted),
        ("typ lenient", header("typ", "at+jwt".into()), Accepted),
        ("five parts", format!("{token}.a.b"), Rejected(R::MalformedToken)),
        (
            "a JWE",
            "eyJhbGciOiJkaXIiLCJlbmMiOiJBMTI4R0NNIn0..AAAA.AAAA.AAAA".into(),
            Rejected(R::MalformedToken),
        ),
        ("a token in a token", payload_text(&format!("\"{token}\"")), Rejected(R::MalformedToken)),
        (
            "a token in a token, said so",
            P256.sign_texts(&header_but(&P256, "cty", "JWT".into()).to_string(), &token),
            Rejected(R::MalformedToken),
        ),
        (
            "JSON serialisation",
            json!({"payload": "e30", "signatures": []}).to_string(),
            Rejected(R::MalformedToken),
        ),
        ("header with a space", format!(" {token}").replacen(" ey", "e y", 1), Rejected(R::MalformedToken)),
        ("two parts", "e30.e30".into(), Rejected(R::MalformedToken)),
        ("dots", "..".into(), Rejected(R::MalformedToken)),
        ("a word", "token".into(), Rejected(R::MalformedToken)),
        ("two tokens", format!("{token}, Bearer {token}"), Rejected(R::MalformedToken)),
        ("a token and a space", format!("{token} "), Rejected(R::MalformedToken)),
        ("header no JSON", with_part(&token, 0, "e30x"), Rejected(R::MalformedToken)),
        ("header a list", P256.sign_texts("[]", &good_text), Rejected(R::MalformedToken)),
        ("payload a list", payload_text("[]"), Rejected(R::MalformedToken)),
        ("payload no JSON", payload_text("exp=1"), Rejected(R::MalformedToken)),
        ("payload nested too deep", payload_text(&"[".repeat(3000)), Rejected(R::MalformedToken)),
        ("too long", "a".repeat(TOKEN_BYTES + 1), Rejected(R::CredentialTooLong)),
        (
            "too long, signed",
            sign(good_but("pad", "x".repeat(TOKEN_BYTES).into())),
            Rejected(R::CredentialTooLong),
        ),
        // Time.
        ("exp missing", sign(without(good(), "exp")), Rejected(R::MissingExpiry)),
        ("exp a text", exp("1800000300".into()), Rejected(R::MalformedTime)),
        ("exp null", exp(Value::Null), Rejected(R::MalformedTime)),
        ("exp enormous", exp(json!(1e300)), Accepted),
        ("exp an object", exp(json!({})), Rejected(R::MalformedTime)),
        ("exp true", exp(true.into()), Rejected(R::MalformedTime)),
        ("exp a list", exp(json!([1_800_000_300])), Rejected(R::MalformedTime)),
        ("exp in milliseconds is still a date", exp(1_800_000_300_000_u64.into()), Accepted),
        ("exp out of range", doubled(r#""x":1e999"#), Rejected(R::MalformedToken)),
        ("exp negative", exp((-1).into()), Rejected(R::Expired)),
        ("exp within the skew", exp(1_799_999_971.into()), Accepted),
        ("exp at the end of the skew", exp(1_799_999_970.into()), Rejected(R::Expired)),
        ("exp with a fraction", exp(json!(1_799_999_970.5)), Accepted),
        ("exp twice", doubled(r#""exp":9999999999"#), Rejected(R::MalformedToken)),
        ("nbf in the future", sign(good_but("nbf", 1_800_000_031.into())), Rejected(R::NotYetValid)),
        ("nbf within the skew", sign(good_but("nbf", 1_800_000_030.into())), Accepted),
        ("nbf a text", sign(good_but("nbf", "1".into())), Rejected(R::MalformedTime)),
        ("nbf missing", sign(without(good(), "nbf")), Accepted),
        ("iat a text", sign(good_but("iat", "now".into())), Rejected(R::MalformedTime)),
        // For whom, and by whom.
        ("iss missing", sign(without(good(), "iss")), Rejected(R::WrongIssuer)),
        (
            "iss with a slash more",
            sign(good_but("iss", format!("{ISSUER}/").into())),
            Rejected(R::WrongIssuer),
        ),
        ("iss in other case", sign(good_but("iss", ISSUER.to_uppercase().into())), Rejected(R::WrongIssuer)),
        (
            "iss that begins so",
            sign(good_but("iss", format!("{ISSUER}.evil.example").into())),
            Rejected(R::WrongIssuer),
        ),
        ("iss with a space", sign(good_but("iss", format!("{ISSUER} ").into())), Rejected(R::WrongIssuer)),
        ("iss a list", sign(good_but("iss", json!([ISSUER]))), Rejected(R::WrongIssuer)),
        ("iss twice", doubled(r#""iss":"https://evil.example""#), Rejected(R::MalformedToken)),
        ("aud missing", sign(without(good(), "aud")), Rejected(R::WrongAudience)),
        ("aud another", sign(good_but("aud", "shop".into())), Rejected(R::WrongAudience)),
        ("aud longer", sign(good_but("aud", "schools".into())), Rejected(R::WrongAudience)),
        ("aud a list with ours", sign(good_but("aud", json!(["shop", AUDIENCE]))), Accepted),
        ("aud a list without", sign(good_but("aud", json!(["shop", 1]))), Rejected(R::WrongAudience)),
        ("aud in other case", sign(good_but("aud", "School".into())), Rejected(R::WrongAudience)),
        ("aud with a space", sign(good_but("aud", "school ".into())), Rejected(R::WrongAudience)),
        ("aud several in one", sign(good_but("aud", "shop school".into())), Rejected(R::WrongAudience)),
        ("aud an object", sign(good_but("aud", json!({"school": true}))), Rejected(R::WrongAudience)),
        ("aud an empty list", sign(good_but("aud", json!([]))), Rejected(R::WrongAudience)),
        ("aud nested", sign(good_but("aud", json!([[AUDIENCE]]))), Rejected(R::WrongAudience)),
        // What the claims say.
        ("role unknown", sign(good_but("role", "director".into())), Rejected(R::NoKnownRole)),
        ("role missing", sign(without(good(), "role")), Rejected(R::NoKnownRole)),
        ("role of the anonymous", sign(good_but("role", "guest".into())), Rejected(R::NoKnownRole)),
        ("role twice", doubled(r#""role":"true""#), Rejected(R::MalformedToken)),
        ("role twice by escape", doubled(r#""r\u006fle":"true""#), Rejected(R::MalformedToken)),
        ("sub a list", sign(good_but("sub", json!(["jean", "paul"]))), Rejected(R::MalformedClaims)),
        ("sub an object", sign(good_but("sub", json!({"id": 1}))), Rejected(R::MalformedClaims)),
        ("sub too long", sign(good_but("sub", "x".repeat(600).into())), Rejected(R::MalformedClaims)),
        ("sub missing", sign(without(good(), "sub")), Accepted),
    ];
    assert!(table.len() >= 130, "{}", table.len());
    let school = school();
    let nobody = Platform::silent();
    for (name, token, expected) in table {
        // Twice: what is remembered must not answer better than what is verified.
        for _ in 0..2 {
            assert_eq!(school.token(&token, &nobody, noon()).await, expected, "{name}");
        }
    }
}

#[tokio::test]
async fn an_accepted_caller_is_who_the_token_says() {
    let identified = school().identify(&bearer(&P256.token()), &[], &Platform::silent(), noon()).await;
    let plain = |texts: &[crate::secret::Sensitive<Box<str>>]| -> Vec<String> {
        texts.iter().map(|text| text.expose().to_string()).collect()
    };
    assert_eq!(identified.outcome, Outcome::Accepted);
    assert_eq!(identified.caller.recipients.iter().map(|id| id.0).collect::<Vec<_>>(), [2]);
    assert_eq!(identified.caller.subject.as_ref().map(|text| &**text.expose()), Some("jean"));
    assert_eq!(plain(&identified.caller.groups), ["6A", "6B"]);
    assert_eq!(identified.provider, identified.caller.provider);
    let shown = format!("{identified:?}");
    assert!(!shown.contains("jean") && !shown.contains("6A"), "{shown}");
}

#[tokio::test]
async fn a_remembered_token_still_ends() {
    let school = school();
    let nobody = Platform::silent();
    let token = P256.token();
    assert_eq!(school.token(&token, &nobody, noon()).await, Outcome::Accepted);
    assert_eq!(school.token(&token, &nobody, after(329.9)).await, Outcome::Accepted);
    assert_eq!(school.token(&token, &nobody, after(330.0)).await, Outcome::Rejected(R::Expired));
    let before = noon() - Duration::from_secs(10_000);
    assert_eq!(school.token(&token, &nobody, before).await, Outcome::Rejected(R::NotYetValid));
}

#[tokio::test]
async fn attacks_on_where_the_token_stands() {
    let by_header = school();
    let mut settings = jwt(KeySource::Inline(key_set(&[P256.jwk()]).into_bytes()));
    settings.token = TokenSource::Cookie("token".into());
    let by_cookie = Room::new(vec![provider("id", ProviderKind::Jwt(settings))]);
    let nobody = Platform::silent();
    let token = P256.token();
    let bearer_token = format!("Bearer {token}");
    let lower = format!("bearer {token}");
    let basic = "Basic amVhbjptZHA=";
    for (name, values, expected) in [
        ("none", vec![], Outcome::Absent),
        ("one", vec![&*bearer_token], Outcome::Accepted),
        ("scheme in lower case", vec![&*lower], Outcome::Accepted),
        ("the same twice", vec![&*bearer_token, &*bearer_token], Outcome::Rejected(R::DuplicateCredential)),
        ("basic first", vec![basic, &*bearer_token], Outcome::Rejected(R::DuplicateCredential)),
        ("basic last", vec![&*bearer_token, basic], Outcome::Rejected(R::DuplicateCredential)),
        ("basic only", vec![basic], Outcome::Absent),
        ("token without scheme", vec![&*token], Outcome::Absent),
        ("no token", vec!["Bearer "], Outcome::Rejected(R::MalformedCredential)),
        ("latin-1", vec!["Bearer Lyc\u{e9}e"], Outcome::Rejected(R::MalformedToken)),
    ] {
        let headers: HeaderMap = values
            .iter()
            .map(|value| (AUTHORIZATION, HeaderValue::from_bytes(value.as_bytes()).unwrap()))
            .collect();
        assert_eq!(by_header.identify(&headers, &[], &nobody, noon()).await.outcome, expected, "{name}");
        // A provider that reads a cookie does not look at headers.
        assert_eq!(
            by_cookie.identify(&headers, &[], &nobody, noon()).await.outcome,
            Outcome::Absent,
            "{name}"
        );
    }
    let empty = HeaderMap::new();
    for (name, sent, expected) in [
        ("one", vec![("token", &*token)], Outcome::Accepted),
        ("twice", vec![("token", &*token), ("token", &*token)], Outcome::Rejected(R::DuplicateCredential)),
        (
            "tossed",
            vec![("token", "x"), ("a", "b"), ("token", &*token)],
            Outcome::Rejected(R::DuplicateCredential),
        ),
        ("other case", vec![("Token", &*token)], Outcome::Absent),
        ("deleted", vec![("token", "\"\"")], Outcome::Absent),
        ("rubbish", vec![("token", "x")], Outcome::Rejected(R::MalformedToken)),
    ] {
        let outcome = by_cookie.identify(&empty, &cookies(&sent), &nobody, noon()).await.outcome;
        assert_eq!(outcome, expected, "{name}");
    }
}

fn block_on<T>(future: impl Future<Output = T>) -> T {
    tokio::runtime::Builder::new_current_thread().build().unwrap().block_on(future)
}

proptest! {
    #[test]
    fn random_bytes_are_nobody(token in proptest::collection::vec(any::<u8>(), 0..300)) {
        let room = Room::inline(&[P256.jwk()]);
        let nobody = Platform::silent();
        let header = [&b"Bearer "[..], &token].concat();
        if let Ok(value) = HeaderValue::from_bytes(&header) {
            let headers = HeaderMap::from_iter([(AUTHORIZATION, value)]);
            let identified = block_on(room.identify(&headers, &[], &nobody, noon()));
            prop_assert!(matches!(identified.outcome, Outcome::Rejected(_)));
        }
    }

    #[test]
    fn a_token_with_a_changed_byte_is_nobody(place in 0..400_usize, byte in any::<u8>()) {
        static TOKEN: std::sync::LazyLock<String> = std::sync::LazyLock::new(|| P256.token());
        let room = Room::inline(&[P256.jwk()]);
        let mut bytes = TOKEN.clone().into_bytes();
        let place = place % bytes.len();
        prop_assume!(bytes[place] != byte);
        bytes[place] = byte;
        let cookie = (&b"t"[..], &bytes[..]);
        let mut settings = jwt(KeySource::Inline(key_set(&[P256.jwk()]).into_bytes()));
        settings.token = TokenSource::Cookie("t".into());
        let room = room.reload(vec![provider("id", ProviderKind::Jwt(settings))]);
        let identified = block_on(room.identify(&HeaderMap::new(), &[cookie], &Platform::silent(), noon()));
        prop_assert!(matches!(identified.outcome, Outcome::Rejected(_)));
    }
}
