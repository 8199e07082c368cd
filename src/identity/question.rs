//! The head of a question to a platform: what of the caller is forwarded, and what the policy adds.

use http::{
    HeaderMap, HeaderName, HeaderValue,
    header::{ACCEPT, ACCEPT_ENCODING, COOKIE},
};

/// What the caller brought, and what the policy fixes: that comes last and wins. `None` where a value is none of HTTP.
pub(super) fn head<'a>(
    headers: impl Iterator<Item = (&'a HeaderName, &'a [u8])>,
    cookies: impl Iterator<Item = (&'a str, &'a [u8])>,
    fixed_headers: &[(HeaderName, HeaderValue)],
    fixed_cookies: &'a [(String, String)],
) -> Option<HeaderMap> {
    let mut head = HeaderMap::new();
    head.insert(ACCEPT, HeaderValue::from_static("application/json"));
    // Some platforms compress unless told not to in so many words.
    head.insert(ACCEPT_ENCODING, HeaderValue::from_static("identity"));
    for (name, value) in headers {
        head.insert(name, sensitive(value)?);
    }
    let mut line = Vec::new();
    let fixed = fixed_cookies.iter().map(|(name, value)| (name.as_str(), value.as_bytes()));
    for (name, value) in cookies.chain(fixed) {
        if !line.is_empty() {
            line.extend_from_slice(b"; ");
        }
        line.extend_from_slice(name.as_bytes());
        line.push(b'=');
        line.extend_from_slice(value);
    }
    if !line.is_empty() {
        head.insert(COOKIE, sensitive(&line)?);
    }
    for (name, value) in fixed_headers {
        head.insert(name, value.clone());
    }
    Some(head)
}

fn sensitive(value: &[u8]) -> Option<HeaderValue> {
    let mut value = HeaderValue::from_bytes(value).ok()?;
    value.set_sensitive(true);
    Some(value)
}
