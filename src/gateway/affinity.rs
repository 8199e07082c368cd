//! Which endpoint a client's requests prefer, by the value of a cookie.

use http::HeaderMap;

use super::cookies;
use crate::secret::DomainKey;

/// The hash of a cookie's value: keyed, so that nobody can choose an endpoint by choosing a value. The same in all replicas.
/// `None` where the request has no such cookie, or several that differ.
pub(super) fn hash(key: &DomainKey, name: &[u8], headers: &HeaderMap) -> Option<u64> {
    let pairs = cookies::parse_cookie_headers(headers).ok()?;
    let mut values = pairs.iter().filter(|(of, _)| *of == name).map(|(_, value)| *value);
    let value = values.next().filter(|value| !value.is_empty())?;
    if values.any(|other| other != value) {
        return None;
    }
    let (first, _) = key.tag(&[value]).split_first_chunk::<8>().map(|(first, rest)| (*first, rest.len()))?;
    Some(u64::from_be_bytes(first))
}

#[cfg(test)]
mod tests {
    use http::{HeaderValue, header};

    use super::*;
    use crate::secret::{Domain, MasterSecret};

    #[test]
    fn one_value_is_one_hash() {
        let key = |secret| MasterSecret::from_bytes(&[secret; 32]).unwrap().derive(Domain::Affinity, "");
        let of = |secret, cookie: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::COOKIE, HeaderValue::from_static(cookie));
            hash(&key(secret), b"sid", &headers)
        };
        let known = of(1, "sid=abc").unwrap();
        assert_eq!(of(1, "a=b; sid=abc; c=d"), Some(known));
        assert_eq!(of(1, "sid=abc; sid=abc"), Some(known));
        assert!(of(1, "sid=abd").is_some_and(|other| other != known));
        assert!(of(2, "sid=abc").is_some_and(|other| other != known), "keyed");
        for none in ["a=b", "sid=", "sid=abc; sid=abd", "xsid=abc"] {
            assert_eq!(of(1, none), None, "{none}");
        }
    }
}
