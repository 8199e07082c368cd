//! Tokens, good ones and forged ones.

use std::time::{Duration, SystemTime};

use rempart::demo::{
    accounts::ACCOUNTS,
    tokens::{AUDIENCE, ISSUER, Signer},
};
use serde_json::{Value, json};

/// An identity provider with one key.
pub struct Tokens {
    signer: Signer,
}

impl Tokens {
    /// A new key.
    pub fn new() -> Self {
        Self { signer: Signer::generate("test-1").unwrap() }
    }

    /// The key set that the gateway is given.
    pub fn jwks(&self) -> String {
        self.signer.jwks().to_string()
    }

    /// A token of the sample account with this role, good for ten minutes.
    pub fn role(&self, role: &str) -> String {
        let account = ACCOUNTS.iter().find(|account| account.role == role).expect("a sample role");
        self.signer.token(account, SystemTime::now(), Duration::from_secs(600)).unwrap()
    }

    /// A token of anybody.
    pub fn of(&self, subject: &str, role: &str, groups: &[&str], wards: &[&str]) -> String {
        self.claims(&json!({
            "iss": ISSUER, "aud": AUDIENCE, "exp": seconds_from_now(600),
            "sub": subject, "role": role, "groups": groups, "wards": wards,
        }))
    }

    /// A well-signed token with these claims, whatever they are.
    pub fn claims(&self, claims: &Value) -> String {
        self.signer.sign(claims).unwrap()
    }
}

/// Seconds since the epoch, so many from now.
pub fn seconds_from_now(seconds: i64) -> i64 {
    let now = SystemTime::now().duration_since(SystemTime::UNIX_EPOCH).unwrap().as_secs();
    i64::try_from(now).unwrap() + seconds
}
