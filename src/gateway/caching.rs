//! Cache coherence of redacted representations (RFC 9110 8.8, 13; RFC 9111).
//!
//! What one caller may see must not be stored for another. A protected response is `private`, must be revalidated, varies by
//! the credentials, and carries an entity tag of its own for each policy and view: `"x"` from the platform becomes
//! `"<sealed x>-rp<view>"`. A conditional request gives the platform's tag back only if the view is still the same.
//!
//! The platform's tag is sealed because it is often a hash of the whole document: who has it, or may ask whether it is
//! still good, can try values for what was redacted until the hash fits.

use bytes::{BufMut, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use super::forwarded;
use crate::secret::DomainKey;

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

/// Longest tag that is sealed.
const TAG_BYTES: usize = 512;

/// The view of one reader, and what seals tags.
#[derive(Clone, Copy)]
pub struct Tags<'a> {
    /// Key of the deployment and the policy.
    pub key: &'a DomainKey,
    /// Sixteen hexadecimal digits that name what this reader sees; only computed when a tag is there.
    pub view: &'a dyn Fn() -> String,
}

impl Tags<'_> {
    /// The inside of a tag, sealed for a view: the same tag gives the same text, another one nothing alike.
    fn seal(&self, inside: &[u8], view: &str) -> Option<Vec<u8>> {
        self.key.seal(view.as_bytes(), inside)
    }

    /// What was sealed; `None` if it was not sealed here for this view.
    fn open(&self, sealed: &[u8], view: &str) -> Option<Vec<u8>> {
        let opened = self.key.open(view.as_bytes(), &unhex(sealed)?).ok()?;
        Some(opened.expose().clone())
    }
}

fn put_hex(text: &mut BytesMut, bytes: &[u8]) {
    let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
    for byte in bytes {
        text.put_slice(&[digit(byte >> 4), digit(*byte)]);
    }
}

fn unhex(digits: &[u8]) -> Option<Vec<u8>> {
    let value = |digit: u8| match digit {
        b'0'..=b'9' => Some(digit - b'0'),
        b'a'..=b'f' => Some(digit - b'a' + 10),
        _ => None,
    };
    let (pairs, []) = digits.as_chunks::<2>() else { return None };
    pairs.iter().map(|&[high, low]| Some(value(high)? << 4 | value(low)?)).collect()
}

/// Rewrites the validators of a request: tags of this view become the platform's again, tags of another view disappear. So do,
/// where `only_ours`, tags in `If-None-Match` that never came from the gateway.
///
/// Says whether a tag of this view was there.
pub fn restore_validators(headers: &mut HeaderMap, tags: &Tags<'_>, only_ours: bool) -> bool {
    let mut restored = false;
    for name in [header::IF_NONE_MATCH, header::IF_MATCH] {
        let strict = only_ours && name == header::IF_NONE_MATCH;
        let is_marked = |value: &HeaderValue| memchr::memmem::find(value.as_bytes(), MARK).is_some();
        if !headers.get_all(&name).iter().any(|value| strict || is_marked(value)) {
            continue;
        }
        let view = (tags.view)();
        let mut kept: Vec<Vec<u8>> = Vec::new();
        for value in headers.get_all(&name) {
            for tag in split_tags(value.as_bytes()) {
                let ours = marked(tag);
                let original = ours
                    .filter(|one| one.view == view.as_bytes())
                    .and_then(|one| Some((one.weak, tags.open(one.sealed, &view)?)));
                match original {
                    Some((weak, inside)) => {
                        restored = true;
                        kept.push([if weak { &b"W/\""[..] } else { b"\"" }, &inside, b"\""].concat());
                    }
                    None if ours.is_none() && (!strict || tag == b"*") => kept.push(tag.to_vec()),
                    // If-Match must fail rather than vanish: without it the write would be unconditional.
                    None if name == header::IF_MATCH => kept.push(tag.to_vec()),
                    None => {}
                }
            }
        }
        headers.remove(&name);
        if let (false, Ok(value)) = (kept.is_empty(), HeaderValue::from_bytes(&kept.join(&b", "[..]))) {
            headers.insert(&name, value);
        }
    }
    restored
}

/// Takes out of a request what would make the platform answer with a part, or with nothing on the ground of a date:
/// a part cannot be judged, and a date knows nothing of roles or policies.
pub fn ask_for_whole(headers: &mut HeaderMap) {
    for name in [header::RANGE, header::IF_RANGE, header::IF_MODIFIED_SINCE] {
        headers.remove(name);
    }
}

/// Makes a protected response's head say what was really sent.
pub fn protect(headers: &mut HeaderMap, tags: &Tags<'_>) {
    let says_no_store = |value: &HeaderValue| {
        value.as_bytes().windows(b"no-store".len()).any(|word| word.eq_ignore_ascii_case(b"no-store"))
    };
    let no_store = headers.get_all(header::CACHE_CONTROL).iter().any(says_no_store);
    let control = if no_store { "private, no-store" } else { "private, no-cache" };
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static(control));
    headers.append(header::VARY, HeaderValue::from_static("Cookie, Authorization"));
    forwarded::remove(headers, |name| FOR_SHARED_CACHES.contains(name));
    if let Some(tag) = headers.remove(header::ETAG)
        && let Some(value) = mark(tag.as_bytes(), tags)
    {
        headers.insert(header::ETAG, value);
    }
}

/// Takes out what speaks of the bytes that the platform sent and not of those that leave.
pub fn forget_representation(headers: &mut HeaderMap) {
    forwarded::remove(headers, |name| OF_THE_BYTES.contains(name));
}

/// The tag, sealed and with the view inside its quotes; `None` for what is no entity tag.
fn mark(tag: &[u8], tags: &Tags<'_>) -> Option<HeaderValue> {
    let (weak, quoted) = tag.strip_prefix(b"W/").map_or((false, tag), |rest| (true, rest));
    let inside = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    if inside.len() > TAG_BYTES || inside.contains(&b'"') {
        return None;
    }
    let view = (tags.view)();
    let sealed = tags.seal(inside, &view)?;
    let mut text = BytesMut::with_capacity(2 * sealed.len() + MARK.len() + VIEW_DIGITS + 4);
    text.put_slice(if weak { b"W/\"" } else { b"\"" });
    put_hex(&mut text, &sealed);
    for part in [MARK, view.as_bytes(), b"\""] {
        text.put_slice(part);
    }
    HeaderValue::from_maybe_shared(text.freeze()).ok()
}

/// A tag that looks like one of the gateway's.
#[derive(Clone, Copy)]
struct Marked<'a> {
    weak: bool,
    sealed: &'a [u8],
    view: &'a [u8],
}

fn marked(tag: &[u8]) -> Option<Marked<'_>> {
    let (weak, quoted) = tag.strip_prefix(b"W/").map_or((false, tag), |rest| (true, rest));
    let inside = quoted.strip_prefix(b"\"")?.strip_suffix(b"\"")?;
    let (rest, view) = inside.split_at_checked(inside.len().checked_sub(VIEW_DIGITS)?)?;
    let sealed = rest.strip_suffix(MARK)?;
    view.iter().all(u8::is_ascii_hexdigit).then_some(Marked { weak, sealed, view })
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
    use crate::secret::{Domain, MasterSecret};

    const VIEW: &str = "0123456789abcdef";
    const OTHER: &str = "fedcba9876543210";

    fn with<T>(view: &'static str, run: impl FnOnce(&Tags<'_>) -> T) -> T {
        let key = MasterSecret::from_bytes(&[7; 32]).unwrap().derive(Domain::EntityTag, "policy");
        run(&Tags { key: &key, view: &|| view.to_owned() })
    }

    fn text(tag: &HeaderValue) -> String {
        String::from_utf8(tag.as_bytes().to_vec()).unwrap()
    }

    fn tag_for(view: &'static str, tag: &str) -> HeaderValue {
        let mut response = headers(&[("etag", tag)]);
        with(view, |tags| protect(&mut response, tags));
        response[header::ETAG].clone()
    }

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
        for original in ["W/\"a,b\"", "\"x\"", "\"\"", &format!("\"{}\"", "long".repeat(100))] {
            let tag = tag_for(VIEW, original);
            let request = |view: &'static str| {
                let mut request = HeaderMap::new();
                request.insert(header::IF_NONE_MATCH, tag.clone());
                let restored = with(view, |tags| restore_validators(&mut request, tags, false));
                (restored, request.get(header::IF_NONE_MATCH).cloned())
            };
            assert_eq!(request(VIEW), (true, Some(original.parse().unwrap())));
            assert_eq!(request(OTHER), (false, None));
        }
    }

    #[test]
    fn a_tag_tells_nothing_of_the_platform_s() {
        let digest = "0cc175b9c0f1b6a831c399e269772661";
        let tag = tag_for(VIEW, &format!("\"{digest}\""));
        assert!(tag.as_bytes().ends_with(b"-rp0123456789abcdef\""), "{tag:?}");
        assert!(!text(&tag).contains(&digest[..6]));
        // The view of another tag does not make it ours, and neither does a made-up seal.
        let forged = text(&tag_for(OTHER, "\"x\"")).replace(OTHER, VIEW);
        let mut request = headers(&[("if-none-match", &forged)]);
        request.append(header::IF_NONE_MATCH, "\"y-rp0123456789abcdef\"".parse().unwrap());
        assert!(!with(VIEW, |tags| restore_validators(&mut request, tags, false)));
        assert!(request.is_empty());
    }

    #[test]
    fn guesses_pass_only_where_tags_may_be_the_platform_s() {
        for (only_ours, expected) in [(false, Some("\"x\", *")), (true, Some("*"))] {
            let mut request = headers(&[("if-none-match", "\"x\", *")]);
            with(VIEW, |tags| restore_validators(&mut request, tags, only_ours));
            assert_eq!(
                request.get(header::IF_NONE_MATCH).map(HeaderValue::as_bytes),
                expected.map(str::as_bytes)
            );
        }
        let stale = tag_for(OTHER, "\"y\"");
        let mut request = headers(&[("if-match", &text(&stale))]);
        with(VIEW, |tags| restore_validators(&mut request, tags, true));
        assert_eq!(request[header::IF_MATCH], stale, "If-Match never vanishes");
    }

    #[test]
    fn protected_responses_are_private() {
        let mut response = headers(&[
            ("cache-control", "public, max-age=3600"),
            ("expires", "Thu, 01 Jan 2099 00:00:00 GMT"),
            ("last-modified", "Thu, 01 Jan 2015 00:00:00 GMT"),
            ("etag", "not-a-tag"),
        ]);
        with(VIEW, |tags| protect(&mut response, tags));
        assert_eq!(response[header::CACHE_CONTROL], "private, no-cache");
        assert_eq!(response[header::VARY], "Cookie, Authorization");
        assert_eq!(response.len(), 2);
    }
}
