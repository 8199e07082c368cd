//! Cookies in both directions.

use std::{
    sync::LazyLock,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue, header};

use super::super::cookies::{filter_request, filter_response, parse_cookie_headers};
use crate::{
    policy::set::{CookieBasis, CookieClass, CookiePattern, CookieRule, SameSite},
    redact::laws::Source,
};

static RULES: LazyLock<Vec<CookieRule>> = LazyLock::new(|| {
    [
        ("__Host-device", CookieClass::Security, SameSite::Strict, true),
        ("kolibri", CookieClass::Session, SameSite::Lax, false),
        ("__Host-sid", CookieClass::Session, SameSite::Strict, false),
        ("*_csrftoken", CookieClass::Security, SameSite::Lax, false),
        ("cart-*", CookieClass::Cart, SameSite::None, false),
    ]
    .into_iter()
    .map(|(pattern, class, same_site, own)| CookieRule {
        pattern: CookiePattern::new(pattern),
        class,
        basis: CookieBasis::Article("8.2".to_owned()),
        finding: false,
        script_readable: class == CookieClass::Cart,
        same_site,
        max_age: (class == CookieClass::Cart).then_some(Duration::from_secs(3600)),
        own,
    })
    .collect()
});

/// Whether a cookie of this name may pass, said a second time.
fn is_listed(name: &[u8]) -> bool {
    matches!(name, b"kolibri" | b"__Host-sid") || name.ends_with(b"_csrftoken") || name.starts_with(b"cart-")
}

/// One or several fields of any bytes that a field may hold.
fn fields(data: &[u8]) -> Vec<HeaderValue> {
    data.split(|&byte| byte == b'\n').filter_map(|field| HeaderValue::from_bytes(field).ok()).collect()
}

fn trimmed(bytes: &[u8]) -> &[u8] {
    bytes.trim_ascii()
}

/// Whatever a browser sends, and however a platform splits and trims it: the names that it finds are listed ones.
///
/// # Panics
/// If not.
pub fn only_listed_cookies_pass(data: &[u8]) {
    let mut headers = HeaderMap::new();
    for field in fields(data) {
        headers.append(header::COOKIE, field);
    }
    let Ok(pairs) = parse_cookie_headers(&headers) else { return };
    let kept = filter_request(&RULES, &pairs);
    let Some(field) = kept.field else { return };
    assert!(kept.dropped < pairs.len().max(1));
    let bytes = field.as_bytes();
    assert!(!bytes.is_empty() && !bytes.iter().any(|byte| matches!(byte, b'\r' | b'\n' | 0)));
    for piece in bytes.split(|&byte| byte == b';') {
        // RFC 6265bis, and servers that trim more than it says.
        let name = piece.split(|&byte| byte == b'=').next().unwrap_or_default();
        assert!(piece.contains(&b'='), "{piece:?}");
        assert!(is_listed(trimmed(name)), "{:?}", name.escape_ascii().to_string());
        let spaces = |byte: &u8| !byte.is_ascii_graphic();
        assert!(!trimmed(name).iter().any(spaces), "{:?}", name.escape_ascii().to_string());
    }
    // A second gate in front of the platform changes nothing.
    let mut again = HeaderMap::new();
    again.insert(header::COOKIE, field.clone());
    let pairs = parse_cookie_headers(&again).unwrap_or_default();
    let twice = filter_request(&RULES, &pairs);
    assert_eq!((twice.field, twice.dropped), (Some(field), 0));
}

/// Whatever a platform sets, the browser keeps listed cookies only, with the attributes that the charter asks for.
///
/// # Panics
/// If not.
pub fn only_listed_cookies_are_set(data: &[u8]) {
    let mut choices = Source(data);
    let now = SystemTime::UNIX_EPOCH + Duration::from_secs(1_800_000_000);
    let begun =
        choices.pick(&[&b""[..], b"kolibri=1;", b"__Host-sid=x; ", b"a_csrftoken=", b"cart-1=2; Max-Age="]);
    let mut headers = HeaderMap::new();
    for field in fields(&[begun, choices.0].concat()) {
        headers.append(header::SET_COOKIE, field);
    }
    let came = headers.get_all(header::SET_COOKIE).iter().count();
    let outcome = filter_response(&RULES, &mut headers, now);
    let left: Vec<HeaderValue> = headers.get_all(header::SET_COOKIE).iter().cloned().collect();
    assert_eq!(left.len() + outcome.dropped, came);
    for field in &left {
        let browser = Kept::by_a_browser(field.as_bytes());
        assert!(browser.is_some(), "a browser would ignore {field:?}");
        let Some(browser) = browser else { continue };
        assert!(is_listed(browser.name), "{field:?}");
        assert!(browser.secure, "{field:?}");
        assert!(browser.http_only || browser.name.starts_with(b"cart-"), "{field:?}");
        assert!(browser.same_site || browser.name.starts_with(b"cart-"), "{field:?}");
        if browser.name == b"kolibri" || browser.name == b"__Host-sid" {
            assert!(browser.max_age.is_none_or(|age| age <= 0), "a session cookie that lives on: {field:?}");
        }
        if browser.name.starts_with(b"cart-") {
            assert!(browser.max_age.is_none_or(|age| age <= 3600), "{field:?}");
        }
        if browser.name.to_ascii_lowercase().starts_with(b"__host-") {
            assert!(!browser.domain && browser.root, "{field:?}");
        }
    }
    let mut again = headers.clone();
    let twice = filter_response(&RULES, &mut again, now);
    assert_eq!((twice.dropped, twice.hardened), (0, 0), "{left:?}");
    assert_eq!(headers, again);
}

/// What a browser makes of a `Set-Cookie` field (RFC 6265bis 5.6), as far as it is judged here.
struct Kept<'a> {
    name: &'a [u8],
    secure: bool,
    http_only: bool,
    same_site: bool,
    domain: bool,
    root: bool,
    max_age: Option<i64>,
}

impl<'a> Kept<'a> {
    fn by_a_browser(field: &'a [u8]) -> Option<Self> {
        if field.iter().any(|&byte| byte.is_ascii_control() && byte != b'\t') {
            return None;
        }
        let mut pieces = field.split(|&byte| byte == b';');
        let pair = pieces.next()?;
        let (name, value) = halves(pair).unwrap_or((&pair[..0], pair));
        if (name.is_empty() && value.is_empty()) || name.len() + value.len() > 4096 {
            return None;
        }
        let mut kept = Self {
            name,
            secure: false,
            http_only: false,
            same_site: false,
            domain: false,
            root: false,
            max_age: None,
        };
        for piece in pieces {
            let (name, value) = halves(piece).unwrap_or((blank_trimmed(piece), &piece[..0]));
            if value.len() > 1024 {
                continue;
            }
            match name.to_ascii_lowercase().as_slice() {
                b"secure" => kept.secure = true,
                b"httponly" => kept.http_only = true,
                b"samesite" => {
                    kept.same_site = matches!(value.to_ascii_lowercase().as_slice(), b"lax" | b"strict");
                }
                b"domain" => kept.domain = true,
                b"path" => kept.root = value == b"/",
                b"max-age" => {
                    let text = std::str::from_utf8(value).unwrap_or_default();
                    let digits = text.strip_prefix('-').unwrap_or(text);
                    if !digits.is_empty() && digits.bytes().all(|byte| byte.is_ascii_digit()) {
                        let most = if text.starts_with('-') { i64::MIN } else { i64::MAX };
                        kept.max_age = Some(text.parse().unwrap_or(most));
                    }
                }
                _ => {}
            }
        }
        Some(kept)
    }
}

fn halves(piece: &[u8]) -> Option<(&[u8], &[u8])> {
    let at = piece.iter().position(|&byte| byte == b'=')?;
    Some((blank_trimmed(&piece[..at]), blank_trimmed(&piece[at + 1..])))
}

fn blank_trimmed(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}
