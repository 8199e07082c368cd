//! Cache coherence of redacted representations (RFC 9110 8.8, 13; RFC 9111).
//!
//! What one caller may see must not be stored for another. A protected response is `private`, must be revalidated, varies by
//! the credentials, and carries an entity tag of its own for each policy and view: `"x"` from the platform becomes
//! `"x-rp<view>"`. A conditional request gives the platform's tag back only if the view is still the same.

use http::{HeaderMap, HeaderName, HeaderValue, header};

/// What marks a tag as the gateway's: `-rp` and sixteen hexadecimal digits before the closing quote.
const MARK: &[u8] = b"-rp";
const VIEW_DIGITS: usize = 16;

/// What would let a cache keep or judge a protected response. Parsed once: a name given as text is parsed at each use.
static FOR_SHARED_CACHES: [HeaderName; 6] = [
    header::EXPIRES,
    header::AGE,
    header::PRAGMA,
    HeaderName::from_static("surrogate-control"),
    HeaderName::from_static("cdn-cache-control"),
    header::LAST_MODIFIED,
];

/// What speaks of the platform's bytes.
static OF_THE_BYTES: [HeaderName; 7] = [
    header::CONTENT_LENGTH,
    HeaderName::from_static("digest"),
    HeaderName::from_static("content-digest"),
    HeaderName::from_static("repr-digest"),
    HeaderName::from_static("want-digest"),
    HeaderName::from_static("content-md5"),
    header::ACCEPT_RANGES,
];

/// Rewrites the validators of a request: tags of this view lose their mark, tags of another view disappear.
///
/// `view` is only computed when a marked tag is there.
pub fn restore_validators(headers: &mut HeaderMap, view: impl Fn() -> String) {
    for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
        if !headers.get_all(&name).iter().any(|value| memchr::memmem::find(value.as_bytes(), MARK).is_some())
        {
            continue;
        }
        let view = view();
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for value in headers.get_all(&name) {
            for tag in split_tags(value.as_bytes()) {
                match marked(tag) {
                    None => kept.push(tag.to_vec()),
                    Some((original, of)) if of == view.as_bytes() => kept.push([original, b"\""].concat()),
                    // If-Match must fail rather than vanish: without it the write would be unconditional.
                    Some(_) if name == header::IF_MATCH => kept.push(tag.to_vec()),
                    Some(_) => {}
                }
            }
        }
        headers.remove(&name);
        if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept.join(&b", "[..]))) {
            headers.insert(&name, value);
        }
    }
}

/// Takes out of a request what would make the platform answer with a part, or with nothing on the ground of a date:
/// a part cannot be judged, and a date knows nothing of roles or policies.
pub fn ask_for_whole(headers: &mut HeaderMap) {
    for name in [header::RANGE, header::IF_RANGE, header::IF_MODIFIED_SINCE] {
        headers.remove(name);
    }
}

/// Makes a protected response's head say what was really sent.
pub fn protect(headers: &mut HeaderMap, view: impl Fn() -> String) {
    let no_store = headers
        .get_all(header::CACHE_CONTROL)
        .iter()
        .any(|value| memchr::memmem::find(&value.as_bytes().to_ascii_lowercase(), b"no-store").is_some());
    let control = if no_store { "private, no-store" } else { "private, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.append(header::VARY, HeaderValue::from_static("Cookie, Authorization"));
    for name in &FOR_SHARED_CACHES {
        headers.remove(name);
    }
    if let Some(tag) = headers.remove(header::ETAG)
        && let Some(value) = mark(tag.as_bytes(), &view())
    {
        headers.insert(header::ETAG, value);
    }
}

/// Takes out what speaks of the bytes that the platform sent and not of those that leave.
pub fn forget_representation(headers: &mut HeaderMap) {
    for name in &OF_THE_BYTES {
        headers.remove(name);
    }
}

/// The tag with the view inside its quotes; `None` for what is no entity tag.
fn mark(tag: &[u8], view: &str) -> Option<HeaderValue> {
    let inside = tag.strip_suffix(b"\"")?;
    let quoted = tag.strip_prefix(b"W/").unwrap_or(tag);
    if quoted.len() < 2 || quoted[0] != b'"' {
        return None;
    }
    HeaderValue::from_bytes(&[inside, MARK, view.as_bytes(), b"\""].concat()).ok()
}

/// The platform's tag without its closing quote, and the view, of a marked tag.
fn marked(tag: &[u8]) -> Option<(&[u8], &[u8])> {
    let inside = tag.strip_suffix(b"\"")?;
    let (rest, view) = inside.split_at_checked(inside.len().checked_sub(VIEW_DIGITS)?)?;
    let original = rest.strip_suffix(MARK)?;
    view.iter().all(u8::is_ascii_hexdigit).then_some((original, view))
}

/// The members of a list of entity tags; commas inside quotes do not divide.
fn split_tags(list: &[u8]) -> Vec<&[u8]> {
    let (mut tags, mut start, mut quoted) = (Vec::new(), 0, false);
    for (at, byte) in list.iter().enumerate() {
        match byte {
            b'"' => quoted = !quoted,
            b',' if !quoted => {
                tags.push(list[start..at].trim_ascii());
                start = at + 1;
            }
            _ => {}
        }
    }
    tags.push(list[start..].trim_ascii());
    tags.retain(|tag| !tag.is_empty());
    tags
}

#[cfg(test)]
mod tests {
    use super::*;

    const VIEW: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    fn headers(pairs: &[(&'static str, &str)]) -> HeaderMap {
        pairs
            .iter()
            .map(|(name, value)| {
                (http::HeaderName::from_static(name), HeaderValue::from_bytes(value.as_bytes()).unwrap())
            })
            .collect()
    }

    #[test]
    fn a_tag_comes_back_only_to_its_own_view() {
        let mut response = headers(&[("etag", "W/\"a,b\"")]);
        protect(&mut response, || VIEW.into());
        let tag = response[header::ETAG].clone();
        assert_eq!(tag, "W/\"a,b-rp0123456789abcdef\"");

        let request = |view: &'static str| {
            let mut request = HeaderMap::new();
            request.insert(header::IF_NONE_MATCH, tag.clone());
            restore_validators(&mut request, || view.into());
            request.get(header::IF_NONE_MATCH).cloned()
        };
        assert_eq!(request(VIEW).unwrap(), "W/\"a,b\"");
        assert_eq!(request(OTHER), None);
    }

    #[test]
    fn unmarked_tags_pass_and_if_match_never_vanishes() {
        let mut request = headers(&[
            ("if-none-match", "\"x\", \"y-rp0123456789abcdef\", *"),
            ("if-match", "\"y-rpfedcba9876543210\""),
        ]);
        restore_validators(&mut request, || VIEW.into());
        assert_eq!(request[header::IF_NONE_MATCH], "\"x\", \"y\", *");
        assert_eq!(request[header::IF_MATCH], "\"y-rpfedcba9876543210\"");
    }

    #[test]
    fn protected_responses_are_private() {
        let mut response = headers(&[
            ("cache-control", "public, max-age=3600"),
            ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
            ("last-modified", "Thu, 01 Jan 2015 00:00:00 GMT"),
            ("etag", "not-a-tag"),
        ]);
        protect(&mut response, || VIEW.into());
        assert_eq!(response[header::CACHE_CONTROL], "private, no-cache");
        assert_eq!(response[header::VARY], "Cookie, Authorization");
        assert_eq!(response.len(), 2);
    }
}
