//! Cookies in both directions: what the charter does not list does not pass (charter 8.2).
//!
//! Parsing is RFC 6265bis, over bytes: a field is split at `;` and the first `=` and nothing is decoded, unquoted or
//! folded, so that the gateway, the browser and the platform see the same name. Where one of them is known to see
//! another one (no name at all, `$Version`, quotes, whitespace beyond ASCII), the cookie is dropped whatever a rule says.
//! Values of listed cookies pass byte for byte, and several cookies of one name stay several.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use bytes::{BufMut, Bytes, BytesMut};
use http::{HeaderMap, HeaderName, HeaderValue, header};

use crate::policy::set::{CookieClass, CookiePattern, CookieRule};

mod attributes;

static SET_COOKIE2: HeaderName = HeaderName::from_static("set-cookie2");

/// Most cookies in one request; browsers keep 180 to 300 for one site.
pub const COOKIES_MAX: usize = 512;
/// Most bytes of all `Cookie` fields of one request.
pub const COOKIE_BYTES_MAX: usize = 64 * 1024;
/// Longest name and value together that a browser keeps (RFC 6265bis §5.6).
const PAIR_MAX: usize = 4096;

/// Name and value of a cookie.
pub type Pair<'a> = (&'a [u8], &'a [u8]);

/// Too many cookies to look at; answered with 431 (RFC 6585).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CookieError {
    /// More than [`COOKIES_MAX`].
    #[error("more than {COOKIES_MAX} cookies")]
    TooMany,
    /// More than [`COOKIE_BYTES_MAX`].
    #[error("more than {COOKIE_BYTES_MAX} bytes of cookies")]
    TooLong,
}

/// The cookies of a request, in order, from one or several `Cookie` fields (RFC 9113 §8.2.3 lets a client split them).
///
/// A cookie without `=` has an empty name; one with a control character is left out, so it can neither identify anybody
/// nor pass. A parsed pair can be given to [`filter_request`].
///
/// # Errors
/// [`CookieError`] beyond the bounds.
pub fn parse_cookie_headers(headers: &HeaderMap) -> Result<Vec<Pair<'_>>, CookieError> {
    let mut pairs = Vec::new();
    let mut total = 0;
    for field in headers.get_all(header::COOKIE) {
        total += field.len();
        if total > COOKIE_BYTES_MAX {
            return Err(CookieError::TooLong);
        }
        for piece in field.as_bytes().split(|&b| b == b';') {
            let piece = trim(piece);
            if piece.is_empty() || has_control(piece) {
                continue;
            }
            if pairs.len() == COOKIES_MAX {
                return Err(CookieError::TooMany);
            }
            pairs.push(split_pair(piece));
        }
    }
    Ok(pairs)
}

/// What is left of a request's cookies.
#[derive(Debug, PartialEq, Eq)]
pub struct RequestCookies {
    /// The one `Cookie` field that the platform gets in place of all; `None` when nothing is left.
    pub field: Option<HeaderValue>,
    /// How many cookies were dropped.
    pub dropped: usize,
}

/// Keeps the listed cookies, in order and byte for byte, duplicates included.
pub fn filter_request(rules: &[CookieRule], pairs: &[Pair<'_>]) -> RequestCookies {
    let mut field =
        BytesMut::with_capacity(pairs.iter().map(|(name, value)| name.len() + value.len() + 3).sum());
    let mut dropped = 0;
    for (name, value) in pairs {
        match rule_for(rules, name) {
            Some(rule) if !rule.own => {}
            // The gateway's own is for the gateway: that it stays here is no loss to anybody.
            Some(_) => continue,
            None => {
                dropped += 1;
                continue;
            }
        }
        if !field.is_empty() {
            field.put_slice(b"; ");
        }
        field.put_slice(name);
        field.put_u8(b'=');
        field.put_slice(value);
    }
    // Every byte came from a valid field value, so the conversion cannot fail.
    let field = if field.is_empty() { None } else { HeaderValue::from_maybe_shared(field.freeze()).ok() };
    RequestCookies { field, dropped }
}

/// The cookies that say who their bearer is (sessions) or protect the sign-in: they are sealed by the platform and handed to
/// the browser that signed in, so that a token in one tells a person nothing but of themselves.
#[derive(Clone, Debug, Default)]
pub(super) struct Credentials(Arc<[(CookiePattern, bool)]>);

impl Credentials {
    /// Those of a charter.
    pub(super) fn of(rules: &[CookieRule]) -> Self {
        let is_one = |class| matches!(class, CookieClass::Session | CookieClass::Security);
        Self(rules.iter().map(|rule| (rule.pattern.clone(), is_one(rule.class))).collect())
    }

    /// Whether a cookie of this name is one, by the first rule that lists it.
    pub(super) fn holds(&self, name: &[u8]) -> bool {
        self.0.iter().find(|(pattern, _)| pattern.matches(name)).is_some_and(|(_, is_one)| *is_one)
    }
}

/// What was done to a response's cookies.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct ResponseCookies {
    /// `Set-Cookie` fields dropped.
    pub dropped: usize,
    /// `Set-Cookie` fields that passed with other attributes than the platform's.
    pub hardened: usize,
    /// Whether a session-class cookie was set or deleted: what was known about the caller's session is out of date.
    pub session_changed: bool,
}

/// Drops the cookies that are not listed and hardens those that are. `now` tells a deletion from a long life.
///
/// Holds for every response, whatever its status. `Set-Cookie` fields are never joined.
pub fn filter_response(rules: &[CookieRule], headers: &mut HeaderMap, now: SystemTime) -> ResponseCookies {
    let mut outcome = ResponseCookies::default();
    // RFC 2965, obsolete: no browser reads it, and nobody says what it would be read as.
    let obsolete = headers.get_all(&SET_COOKIE2).iter().count();
    if obsolete > 0 {
        headers.remove(&SET_COOKIE2);
        outcome.dropped += obsolete;
    }
    if !headers.contains_key(header::SET_COOKIE) {
        return outcome;
    }
    let header::Entry::Occupied(entry) = headers.entry(header::SET_COOKIE) else { return outcome };
    let fields: Vec<HeaderValue> = entry.remove_entry_mult().1.collect();
    for field in fields {
        let Some((rule, cleaned)) = clean_set_cookie(rules, field.as_bytes(), now) else {
            outcome.dropped += 1;
            continue;
        };
        outcome.session_changed |= rule.class == CookieClass::Session;
        let field = match cleaned {
            Cleaned::Untouched => field,
            Cleaned::Rewritten(bytes) => match HeaderValue::from_maybe_shared(bytes) {
                Ok(field) => {
                    outcome.hardened += 1;
                    field
                }
                Err(_) => {
                    outcome.dropped += 1;
                    continue;
                }
            },
        };
        headers.append(header::SET_COOKIE, field);
    }
    outcome
}

enum Cleaned {
    Untouched,
    Rewritten(Bytes),
}

/// One `Set-Cookie` field as it may leave, with the rule that lists it; `None` to drop it (RFC 6265bis §5.6, §5.7).
fn clean_set_cookie<'r>(
    rules: &'r [CookieRule],
    field: &[u8],
    now: SystemTime,
) -> Option<(&'r CookieRule, Cleaned)> {
    if has_control(field) {
        return None;
    }
    let mut pieces = field.split(|&b| b == b';');
    let pair = pieces.next().unwrap_or_default();
    let (name, value) = split_pair(pair);
    if name.len() + value.len() > PAIR_MAX {
        return None;
    }
    let rule = rule_for(rules, name).filter(|rule| !rule.own)?;
    let hardened = attributes::harden(pieces, rule, now);
    if !hardened.satisfies_prefix(name) {
        return None;
    }
    if !hardened.changed {
        return Some((rule, Cleaned::Untouched));
    }
    let mut out = BytesMut::with_capacity(field.len() + 40);
    out.put_slice(pair);
    for attribute in &hardened.attributes {
        out.put_u8(b';');
        out.put_slice(attribute);
    }
    Some((rule, Cleaned::Rewritten(out.freeze())))
}

/// The first rule that lists a cookie of this name, if the name means the same to everybody.
fn rule_for<'r>(rules: &'r [CookieRule], name: &[u8]) -> Option<&'r CookieRule> {
    if !is_plain_name(name) {
        return None;
    }
    rules.iter().find(|rule| rule.pattern.matches(name))
}

/// Visible ASCII, not empty, no quote or comma, not `$…` (RFC 2965, still read by some platforms).
///
/// A nameless cookie `=kolibri=x` or `kolibri` would be sent on without its `=` and read as another one; a name that
/// begins with a no-break space is trimmed by platforms that think in Unicode.
fn is_plain_name(name: &[u8]) -> bool {
    name.first().is_some_and(|&first| first != b'$')
        && name.iter().all(|&b| b.is_ascii_graphic() && !matches!(b, b'"' | b',' | b';' | b'='))
}

/// Name and value around the first `=`, trimmed; without one, an empty name.
fn split_pair(pair: &[u8]) -> (&[u8], &[u8]) {
    match memchr::memchr(b'=', pair) {
        Some(at) => (trim(&pair[..at]), trim(&pair[at + 1..])),
        None => (&pair[..0], trim(pair)),
    }
}

/// Without the spaces and tabs around it: WSP of RFC 5234, nothing else.
fn trim(mut bytes: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] | [rest @ .., b' ' | b'\t'] = bytes {
        bytes = rest;
    }
    bytes
}

/// %x00-08, %x0A-1F and %x7F (RFC 6265bis §5.6 step 1).
fn has_control(bytes: &[u8]) -> bool {
    bytes.iter().any(|&b| b.is_ascii_control() && b != b'\t')
}

/// How long a cookie lives, counted from now.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
enum Life {
    /// It is over: a deletion.
    Over,
    /// So long.
    For(Duration),
}

#[cfg(test)]
mod tests;
