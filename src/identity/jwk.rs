//! JSON Web Keys (RFC 7517) as verifiers: one key, one algorithm.
//!
//! A [`Key`] is parsed for the one algorithm it may verify. Nothing takes an algorithm from a token and a key from a
//! set and puts them together, which is what algorithm confusion needs (RFC 8725 §2.1, §3.1).

use aws_lc_rs::signature::{
    ECDSA_P256_SHA256_FIXED, ECDSA_P384_SHA384_FIXED, ED25519, ParsedPublicKey, RSA_PKCS1_2048_8192_SHA256,
    RSA_PKCS1_2048_8192_SHA384, RSA_PKCS1_2048_8192_SHA512, RSA_PSS_2048_8192_SHA256,
    RSA_PSS_2048_8192_SHA384, RSA_PSS_2048_8192_SHA512, RsaParameters, RsaPublicKeyComponents,
};
use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use serde_json::{Map, Value};

use super::{RejectReason, json};

/// Longest key set, in bytes.
pub(super) const SET_BYTES: usize = 256 * 1024;
/// Most keys of a set.
const SET_KEYS: usize = 100;

/// The signature algorithms (RFC 7518 §3.1, RFC 8037) that a key can be pinned to. Symmetric ones and `none` have no
/// place here, so that no mistake elsewhere can let them in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Algorithm {
    Rs256,
    Rs384,
    Rs512,
    Ps256,
    Ps384,
    Ps512,
    Es256,
    Es384,
    EdDsa,
}

impl Algorithm {
    /// The algorithm of a JWS name; `Ed25519` is RFC 9864's name for what `EdDSA` means here.
    pub(super) fn from_name(name: &str) -> Option<Self> {
        Some(match name {
            "RS256" => Self::Rs256,
            "RS384" => Self::Rs384,
            "RS512" => Self::Rs512,
            "PS256" => Self::Ps256,
            "PS384" => Self::Ps384,
            "PS512" => Self::Ps512,
            "ES256" => Self::Es256,
            "ES384" => Self::Es384,
            "EdDSA" | "Ed25519" => Self::EdDsa,
            _ => return None,
        })
    }

    fn rsa(self) -> Option<&'static RsaParameters> {
        Some(match self {
            Self::Rs256 => &RSA_PKCS1_2048_8192_SHA256,
            Self::Rs384 => &RSA_PKCS1_2048_8192_SHA384,
            Self::Rs512 => &RSA_PKCS1_2048_8192_SHA512,
            Self::Ps256 => &RSA_PSS_2048_8192_SHA256,
            Self::Ps384 => &RSA_PSS_2048_8192_SHA384,
            Self::Ps512 => &RSA_PSS_2048_8192_SHA512,
            Self::Es256 | Self::Es384 | Self::EdDsa => return None,
        })
    }
}

/// A public key that verifies one algorithm.
struct Key {
    id: Option<Box<str>>,
    algorithm: Algorithm,
    public: ParsedPublicKey,
}

/// The usable keys of a set.
pub(super) struct KeySet {
    keys: Vec<Key>,
    /// Members of the set that are of no use here: encryption, symmetric, malformed, weak, private, not allowed.
    pub(super) ignored: usize,
}

/// Why a key set cannot be used.
#[derive(Clone, Copy, Debug, thiserror::Error, PartialEq, Eq)]
pub enum KeySetError {
    /// Above 256 KiB.
    #[error("the key set is longer than {SET_BYTES} bytes")]
    TooLong,
    /// Not JSON (or with a member twice), or without an array `keys`.
    #[error("this is not a JSON Web Key Set (RFC 7517): a JSON object with an array `keys` is expected")]
    NotKeySet,
    /// Above 100 keys.
    #[error("the key set has more than {SET_KEYS} keys")]
    TooManyKeys,
    /// Nothing that could verify a token.
    #[error("none of the set's keys can verify a token by one of the provider's algorithms")]
    NoUsableKey,
}

impl KeySet {
    /// The keys of a document that can verify one of the allowed algorithms. A key that cannot is counted, and takes
    /// nothing from the others.
    pub(super) fn parse(bytes: &[u8], allowed: &[Algorithm]) -> Result<Self, KeySetError> {
        if bytes.len() > SET_BYTES {
            return Err(KeySetError::TooLong);
        }
        let document = json::parse(bytes).ok_or(KeySetError::NotKeySet)?;
        let members = document.get("keys").and_then(Value::as_array).ok_or(KeySetError::NotKeySet)?;
        if members.len() > SET_KEYS {
            return Err(KeySetError::TooManyKeys);
        }
        let mut set = Self { keys: Vec::new(), ignored: 0 };
        for member in members {
            let keys = member.as_object().and_then(|member| pin(member, allowed)).unwrap_or_default();
            set.ignored += usize::from(keys.is_empty());
            set.keys.extend(keys);
        }
        if set.keys.is_empty() { Err(KeySetError::NoUsableKey) } else { Ok(set) }
    }

    /// How many verifiers there are.
    pub(super) fn len(&self) -> usize {
        self.keys.len()
    }

    /// Verifies a signature with the one key that the token's `kid` and `alg` name.
    ///
    /// Without a `kid` the algorithm must leave exactly one key; trying several would let a token choose.
    pub(super) fn verify(
        &self,
        id: Option<&str>,
        algorithm: Algorithm,
        message: &[u8],
        signature: &[u8],
    ) -> Result<(), RejectReason> {
        let named = |key: &&Key| id.is_none() || key.id.as_deref() == id;
        let mut fitting = self.keys.iter().filter(named).filter(|key| key.algorithm == algorithm);
        match (fitting.next(), fitting.next()) {
            (Some(key), None) => {
                key.public.verify_sig(message, signature).map_err(|_| RejectReason::BadSignature)
            }
            (Some(_), Some(_)) => Err(RejectReason::AmbiguousKey),
            (None, _) if id.is_some() && self.keys.iter().any(|key| named(&key)) => {
                Err(RejectReason::AlgorithmMismatch)
            }
            (None, _) => Err(RejectReason::UnknownKey),
        }
    }
}

/// The verifiers that a JWK stands for: one for each algorithm it may be used with, none if it is of no use here.
fn pin(jwk: &Map<String, Value>, allowed: &[Algorithm]) -> Option<Vec<Key>> {
    let meant_to_verify = match (jwk.get("use"), jwk.get("key_ops")) {
        (Some(usage), _) if usage != "sig" => false,
        (_, Some(Value::Array(operations))) => operations.iter().any(|operation| operation == "verify"),
        (_, Some(_)) => false,
        (_, None) => true,
    };
    // A private key that can be read is no longer anybody's.
    if !meant_to_verify || jwk.contains_key("d") {
        return None;
    }
    let stated = match jwk.get("alg") {
        Some(name) => Some(Algorithm::from_name(name.as_str()?)?),
        None => None,
    };
    let id = match jwk.get("kid") {
        Some(id) => Some(Box::from(id.as_str()?)),
        None => None,
    };
    let usable = |algorithm: &Algorithm| {
        allowed.contains(algorithm) && stated.is_none_or(|stated| stated == *algorithm)
    };
    let key = |algorithm, public| Key { id: id.clone(), algorithm, public };
    let one = |algorithm: Algorithm, public: ParsedPublicKey| {
        usable(&algorithm).then(|| vec![key(algorithm, public)])
    };
    match (text(jwk, "kty")?, text(jwk, "crv")) {
        ("RSA", _) => {
            let components = rsa_components(jwk)?;
            allowed
                .iter()
                .filter(|algorithm| usable(algorithm))
                .filter_map(|&algorithm| Some((algorithm, algorithm.rsa()?)))
                .map(|(algorithm, parameters)| {
                    Some(key(algorithm, components.to_parsed_public_key(parameters).ok()?))
                })
                .collect()
        }
        ("EC", Some("P-256")) => {
            one(Algorithm::Es256, ParsedPublicKey::new(&ECDSA_P256_SHA256_FIXED, point(jwk, 32)?).ok()?)
        }
        ("EC", Some("P-384")) => {
            one(Algorithm::Es384, ParsedPublicKey::new(&ECDSA_P384_SHA384_FIXED, point(jwk, 48)?).ok()?)
        }
        ("OKP", Some("Ed25519")) => {
            let public = bytes(jwk, "x").filter(|public| public.len() == 32)?;
            one(Algorithm::EdDsa, ParsedPublicKey::new(&ED25519, public).ok()?)
        }
        _ => None,
    }
}

/// Modulus and exponent; sizes that the verification would refuse anyway are refused here, where it shows.
fn rsa_components(jwk: &Map<String, Value>) -> Option<RsaPublicKeyComponents<Vec<u8>>> {
    let trimmed = |name| {
        let bytes = bytes(jwk, name)?;
        let zeros = bytes.iter().take_while(|&&byte| byte == 0).count();
        Some(bytes[zeros..].to_vec())
    };
    let (n, e) = (trimmed("n")?, trimmed("e")?);
    let bits = n.len() * 8 - n.first()?.leading_zeros() as usize;
    let odd = |bytes: &[u8]| bytes.last().is_some_and(|byte| byte % 2 == 1);
    let sound = (2048..=8192).contains(&bits) && odd(&n) && odd(&e) && e != [1];
    sound.then_some(RsaPublicKeyComponents { n, e })
}

/// The uncompressed point (SEC 1 §2.3.3) of coordinates that have exactly this many bytes (RFC 7518 §6.2.1.2).
fn point(jwk: &Map<String, Value>, length: usize) -> Option<Vec<u8>> {
    let coordinate = |name| bytes(jwk, name).filter(|bytes| bytes.len() == length);
    Some([&[4u8][..], &coordinate("x")?, &coordinate("y")?].concat())
}

fn text<'a>(jwk: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    jwk.get(name).and_then(Value::as_str)
}

fn bytes(jwk: &Map<String, Value>, name: &str) -> Option<Vec<u8>> {
    URL_SAFE_NO_PAD.decode(text(jwk, name)?).ok()
}
