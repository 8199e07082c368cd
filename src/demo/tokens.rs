//! An identity provider reduced to its key: signs a token for each role (RFC 7519) and publishes the key as a JSON Web Key
//! Set (RFC 7517).

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use jsonwebtoken::{Algorithm, EncodingKey, Header};
use serde_json::{Value, json};

use super::accounts::Account;

/// `iss` of the tokens.
pub const ISSUER: &str = "https://identity.example";
/// `aud` of the tokens.
pub const AUDIENCE: &str = "rempart-demo";

/// Why there is no key or no token.
#[derive(Debug, thiserror::Error)]
pub enum TokenError {
    /// The key could not be made.
    #[error("no signing key could be made: {0}")]
    Key(#[from] rcgen::Error),
    /// The token could not be signed.
    #[error("the token could not be signed: {0}")]
    Sign(#[from] jsonwebtoken::errors::Error),
}

/// A signing key on P-256 (ES256).
pub struct Signer {
    key: EncodingKey,
    kid: String,
    point: Vec<u8>,
}

impl std::fmt::Debug for Signer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Signer").field("kid", &self.kid).finish_non_exhaustive()
    }
}

impl Signer {
    /// A new key of this name.
    ///
    /// # Errors
    /// [`TokenError::Key`] where the library gives none.
    pub fn generate(kid: &str) -> Result<Self, TokenError> {
        let pair = rcgen::KeyPair::generate_for(&rcgen::PKCS_ECDSA_P256_SHA256)?;
        let key = EncodingKey::from_ec_pem(pair.serialize_pem().as_bytes())?;
        Ok(Self { key, kid: kid.to_owned(), point: pair.public_key_raw().to_vec() })
    }

    /// The public key as a key set.
    pub fn jwks(&self) -> Value {
        // SEC 1 uncompressed point: 0x04, then the two coordinates of 32 bytes.
        let coordinate =
            |from: usize| URL_SAFE_NO_PAD.encode(self.point.get(from..from + 32).unwrap_or_default());
        json!({ "keys": [{
            "kty": "EC", "crv": "P-256", "use": "sig", "alg": "ES256", "kid": self.kid,
            "x": coordinate(1), "y": coordinate(33),
        }] })
    }

    /// Signs any claims.
    ///
    /// # Errors
    /// [`TokenError::Sign`] where the library refuses.
    pub fn sign(&self, claims: &Value) -> Result<String, TokenError> {
        let mut header = Header::new(Algorithm::ES256);
        header.kid = Some(self.kid.clone());
        Ok(jsonwebtoken::encode(&header, claims, &self.key)?)
    }

    /// A token of a sample account, good from `now` for `life`.
    ///
    /// # Errors
    /// [`TokenError::Sign`] where the library refuses.
    pub fn token(&self, account: &Account, now: SystemTime, life: Duration) -> Result<String, TokenError> {
        let now = now.duration_since(UNIX_EPOCH).unwrap_or_default();
        self.sign(&json!({
            "iss": ISSUER,
            "aud": AUDIENCE,
            "iat": now.as_secs(),
            "exp": (now + life).as_secs(),
            "sub": account.id,
            "role": account.role,
            "groups": account.groups,
            "wards": account.wards,
        }))
    }
}

#[cfg(test)]
mod tests {
    use jsonwebtoken::{DecodingKey, Validation, jwk::JwkSet};

    use super::*;
    use crate::demo::accounts::ACCOUNTS;

    #[test]
    fn tokens_verify_with_the_published_key() {
        let signer = Signer::generate("demo").unwrap();
        let token = signer.token(&ACCOUNTS[1], SystemTime::now(), Duration::from_secs(60)).unwrap();
        let set: JwkSet = serde_json::from_value(signer.jwks()).unwrap();
        let key = DecodingKey::from_jwk(set.find("demo").unwrap()).unwrap();
        let mut rules = Validation::new(Algorithm::ES256);
        rules.set_audience(&[AUDIENCE]);
        rules.set_issuer(&[ISSUER]);
        let claims = jsonwebtoken::decode::<Value>(&token, &key, &rules).unwrap().claims;
        assert_eq!(claims["role"], "teacher");
        assert_eq!(claims["groups"], json!(["6A"]));
    }
}
