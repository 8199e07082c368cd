//! Tokens that the gateway turns back into the value: deterministic authenticated encryption.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};

use super::Kind;
use crate::secret::{DomainKey, Sensitive};

/// How every token begins.
pub const TOKEN_MARK: &str = "tok_";
/// Longest value that a token can hold, in bytes: an identifier, no document. A longer one becomes `null`.
pub const TOKEN_VALUE: usize = 512;
/// The layout of what is sealed, so that a later one can be told from it.
const VERSION: u8 = 1;

/// The value of a token.
#[derive(Debug)]
pub struct Restored {
    /// As it was, without quotes.
    pub value: Sensitive<String>,
    /// Whether JSON writes it without them.
    pub number: bool,
}

/// Why something that looks like a token is none.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TokenError {
    /// It was made under another secret, by a later version, for another category, or by somebody else.
    #[error("a token that does not authenticate")]
    Forged,
}

/// The token of a value.
pub(super) fn seal(key: &DomainKey, category: &str, value: &str, kind: Kind) -> Option<String> {
    if value.len() > TOKEN_VALUE {
        return None;
    }
    let kind = if kind == Kind::Number { b'n' } else { b't' };
    let sealed = key.seal(&context(category), &[&[kind], value.as_bytes()].concat())?;
    Some(format!("{TOKEN_MARK}{}", URL_SAFE_NO_PAD.encode([&[VERSION], &sealed[..]].concat())))
}

/// The value of a token of this category; `None` for a text that does not begin as one.
pub(super) fn open(key: &DomainKey, category: &str, text: &str) -> Result<Option<Restored>, TokenError> {
    let Some(encoded) = text.strip_prefix(TOKEN_MARK) else { return Ok(None) };
    let sealed = URL_SAFE_NO_PAD.decode(encoded).map_err(|_| TokenError::Forged)?;
    let Some((&VERSION, sealed)) = sealed.split_first() else { return Err(TokenError::Forged) };
    let opened = key.open(&context(category), sealed).map_err(|_| TokenError::Forged)?;
    let (number, value) = match opened.expose().split_first() {
        Some((b'n', value)) => (true, value),
        Some((b't', value)) => (false, value),
        _ => return Err(TokenError::Forged),
    };
    let value = String::from_utf8(value.to_vec()).map_err(|_| TokenError::Forged)?;
    Ok(Some(Restored { value: Sensitive::new(value), number }))
}

fn context(category: &str) -> Vec<u8> {
    [b"token/", category.as_bytes()].concat()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::secret::{Domain, MasterSecret};

    fn key(byte: u8) -> DomainKey {
        MasterSecret::from_bytes(&[byte; 32]).unwrap().derive(Domain::Api, "")
    }

    #[test]
    fn tokens_come_back_in_their_category_under_their_key() {
        let key = key(7);
        for (value, kind) in
            [("jean@x.fr", Kind::Text), ("", Kind::Text), ("é€😀/..", Kind::Text), ("12", Kind::Number)]
        {
            let token = seal(&key, "account", value, kind).unwrap();
            assert!(token.bytes().all(|b| b.is_ascii_alphanumeric() || matches!(b, b'_' | b'-')), "{token}");
            let restored = open(&key, "account", &token).unwrap().unwrap();
            assert_eq!((restored.value.expose().as_str(), restored.number), (value, kind == Kind::Number));
            assert_eq!(token, seal(&key, "account", value, kind).unwrap());
            assert_eq!(open(&key, "name", &token).unwrap_err(), TokenError::Forged);
            assert_eq!(open(&self::key(8), "account", &token).unwrap_err(), TokenError::Forged);
            for place in TOKEN_MARK.len()..token.len() {
                let mut forged = token.clone().into_bytes();
                forged[place] = if forged[place] == b'A' { b'B' } else { b'A' };
                let forged = String::from_utf8(forged).unwrap();
                assert!(open(&key, "account", &forged).is_err(), "{forged}");
                assert!(open(&key, "account", &token[..place]).is_err());
            }
        }
        assert!(open(&key, "account", "jean").unwrap().is_none());
        assert!(open(&key, "account", "tok_").is_err());
        assert!(open(&key, "account", "tok_!!").is_err());
        assert_eq!(seal(&key, "account", &"x".repeat(TOKEN_VALUE + 1), Kind::Text), None);
    }
}
