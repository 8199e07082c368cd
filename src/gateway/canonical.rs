//! One form of host, path and query: what is matched is what is forwarded.
//!
//! Two readers of one path are how a gateway is dodged: `%66acilityuser`, `a/..;/b`, `a%2fb` or `a//b` reach the same
//! resource on one server and another one, or none, on the next. Every path is therefore brought to one form, and the
//! forms on which servers disagree are refused. Nothing is ever normalised away (dot segments above all): a client that
//! means `/b` can ask for `/b`.
//!
//! A route may accept some ambiguous forms ([`RelaxedPaths`]), but which route it is depends on the path. So
//! [`canonical_path`] says which relaxations the path would [need](CanonicalPath::needs), the exchange matches a route,
//! and [`accept`] then refuses what that route does not relax.

mod host;

use std::borrow::Cow;

use http::Method;

pub use self::host::{CanonicalHost, canonical_host};
use crate::policy::set::RelaxedPaths;

/// Why a request target or host was refused; always answered with 400. Never carries the text itself.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Refusal {
    /// No host at all, or an empty one.
    #[error("the host is missing")]
    HostMissing,
    /// A host that is neither a name nor an address (RFC 9110 §4.2.1, §7.2).
    #[error("the host is malformed")]
    HostMalformed,
    /// `user@host` (RFC 9110 §4.2.4).
    #[error("the authority has user information")]
    UserInfo,
    /// A port that is no number from 1 to 65535.
    #[error("the port is malformed")]
    Port,
    /// A request target that is no path (RFC 9112 §3.2), or `*` with another method than OPTIONS.
    #[error("the request target has the wrong form")]
    TargetForm,
    /// `%` without two hexadecimal digits.
    #[error("a percent-encoding is malformed")]
    BadEscape,
    /// A control character, raw or encoded, NUL included.
    #[error("the target has a control character")]
    Control,
    /// A raw byte that no URI has: non-ASCII, a space, `#`.
    #[error("the target has a character that no URI has")]
    BadCharacter,
    /// Encoded bytes that are not UTF-8, overlong forms included.
    #[error("percent-encoded bytes are not UTF-8")]
    NotUtf8,
    /// `%25` before two digits: one server decodes once, the next twice.
    #[error("the path is encoded twice")]
    DoubleEncoding,
    /// `.` or `..` as a segment, in any encoding, before any kind of slash and with any parameters.
    #[error("the path has dot segments")]
    DotSegment,
    /// `%2f` on a route that does not relax it.
    #[error("the path has an encoded slash")]
    EncodedSlash,
    /// `\` or `%5c` on a route that does not relax it.
    #[error("the path has a backslash")]
    Backslash,
    /// `//` on a route that does not relax it.
    #[error("the path has an empty segment")]
    EmptySegment,
    /// `;` on a route that does not relax it.
    #[error("the path has parameters")]
    PathParameters,
}

/// A path in the one form in which it is matched and forwarded.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CanonicalPath<'a> {
    /// The path; borrowed where the client sent the canonical form already.
    pub path: Cow<'a, str>,
    /// The relaxations without which it is refused.
    pub needs: RelaxedPaths,
}

/// Passes what the matched route relaxes of what a path needs.
///
/// # Errors
/// The [`Refusal`] of the first need that the route does not cover; with no route, ask with the default.
pub fn accept(needs: RelaxedPaths, relaxed: RelaxedPaths) -> Result<(), Refusal> {
    [
        (needs.encoded_slash && !relaxed.encoded_slash, Refusal::EncodedSlash),
        (needs.backslash && !relaxed.backslash, Refusal::Backslash),
        (needs.empty_segment && !relaxed.empty_segment, Refusal::EmptySegment),
        (needs.path_parameters && !relaxed.path_parameters, Refusal::PathParameters),
    ]
    .into_iter()
    .find_map(|(uncovered, refusal)| uncovered.then_some(Err(refusal)))
    .unwrap_or(Ok(()))
}

/// The canonical form of the path of a request target, asterisk-form (`OPTIONS *`) included.
///
/// # Errors
/// As [`canonical_path`]; [`Refusal::TargetForm`] for `*` with another method.
pub fn canonical_target<'a>(method: &Method, path: &'a str) -> Result<CanonicalPath<'a>, Refusal> {
    if path == "*" && *method == Method::OPTIONS {
        return Ok(CanonicalPath { path: Cow::Borrowed(path), needs: RelaxedPaths::default() });
    }
    canonical_path(path)
}

/// The canonical form of a path: every byte has one spelling.
///
/// - Characters that a segment may hold raw (RFC 3986 `pchar`) are decoded, since servers decode them before they
///   match: `%66` → `f`, `%40` → `@`. Only `;` keeps its encoding, because it means something raw.
/// - Everything else is encoded, in upper case: `%c3%a9` → `%C3%A9`, `|` → `%7C`, `\` → `%5C`.
///
/// # Errors
/// A [`Refusal`] for the forms that no route may relax: see its variants.
pub fn canonical_path(path: &str) -> Result<CanonicalPath<'_>, Refusal> {
    if !path.starts_with('/') {
        return Err(Refusal::TargetForm);
    }
    let bytes = path.as_bytes();
    let path = match bytes.iter().position(|&b| !is_plain(b)) {
        None => Cow::Borrowed(path),
        Some(first) => spell(path, first)?,
    };
    let needs = examine(path.as_bytes())?;
    Ok(CanonicalPath { path, needs })
}

/// What a query may hold: it is forwarded byte for byte, so only what splits or ends a request target is refused.
///
/// # Errors
/// [`Refusal::Control`] or [`Refusal::BadCharacter`].
pub fn check_query(query: &str) -> Result<(), Refusal> {
    match query.bytes().find(|&b| !(0x21..0x7f).contains(&b) || b == b'#') {
        None => Ok(()),
        Some(b) if b.is_ascii_control() => Err(Refusal::Control),
        Some(_) => Err(Refusal::BadCharacter),
    }
}

/// `/` and the characters of `pchar` that stand raw in the canonical form.
fn is_plain(b: u8) -> bool {
    b.is_ascii_alphanumeric()
        || matches!(
            b,
            b'/' | b'-' | b'.' | b'_' | b'~' | b'!' | b'$' | b'&' | b'\'' | b'(' | b')' | b'*' | b'+' | b','
        )
        || matches!(b, b'=' | b':' | b'@')
}

/// Spells every byte in its one way, from the first byte that is not plain on.
fn spell(path: &str, first: usize) -> Result<Cow<'_, str>, Refusal> {
    let bytes = path.as_bytes();
    let mut out = String::with_capacity(bytes.len() + 8);
    out.push_str(&path[..first]);
    let mut at = first;
    while at < bytes.len() {
        match bytes[at] {
            b'%' => {
                let byte = escaped(&bytes[at..])?;
                if byte >= 0x80 {
                    at += spell_utf8(&bytes[at..], &mut out)?;
                    continue;
                }
                if byte.is_ascii_control() {
                    return Err(Refusal::Control);
                }
                if is_plain(byte) && byte != b'/' {
                    out.push(char::from(byte));
                } else {
                    push_escape(byte, &mut out);
                }
                at += 3;
                continue;
            }
            b if b.is_ascii_control() => return Err(Refusal::Control),
            b' ' | b'#' | b'?' | 0x80.. => return Err(Refusal::BadCharacter),
            b if is_plain(b) || b == b';' => out.push(char::from(b)),
            b => push_escape(b, &mut out),
        }
        at += 1;
    }
    Ok(if out == path { Cow::Borrowed(path) } else { Cow::Owned(out) })
}

/// The byte that `%XX` at the start means.
fn escaped(bytes: &[u8]) -> Result<u8, Refusal> {
    match bytes {
        [b'%', high, low, ..] => {
            let digit = |b: &u8| char::from(*b).to_digit(16).ok_or(Refusal::BadEscape);
            Ok((digit(high)? * 16 + digit(low)?) as u8)
        }
        _ => Err(Refusal::BadEscape),
    }
}

fn push_escape(byte: u8, out: &mut String) {
    out.push('%');
    for nibble in [byte >> 4, byte & 15] {
        out.push(char::from_digit(u32::from(nibble), 16).unwrap_or('0').to_ascii_uppercase());
    }
}

/// Copies one encoded non-ASCII character in upper case; how many bytes of the path it took.
fn spell_utf8(bytes: &[u8], out: &mut String) -> Result<usize, Refusal> {
    let mut sequence = [0u8; 4];
    let length = match escaped(bytes)? {
        0xc2..=0xdf => 2,
        0xe0..=0xef => 3,
        0xf0..=0xf4 => 4,
        _ => return Err(Refusal::NotUtf8),
    };
    for (index, byte) in sequence[..length].iter_mut().enumerate() {
        let rest = bytes.get(index * 3..).unwrap_or_default();
        if rest.first() != Some(&b'%') {
            return Err(Refusal::NotUtf8);
        }
        *byte = escaped(rest)?;
    }
    // The standard library refuses overlong forms, surrogates and what lies behind U+10FFFF.
    let text = std::str::from_utf8(&sequence[..length]).map_err(|_| Refusal::NotUtf8)?;
    if text.chars().any(char::is_control) {
        return Err(Refusal::Control);
    }
    sequence[..length].iter().for_each(|&byte| push_escape(byte, out));
    Ok(length * 3)
}

/// Looks at the segments of a spelt path as the most permissive server would: any slash or backslash, raw or encoded,
/// ends a segment, any `;` ends its name.
fn examine(path: &[u8]) -> Result<RelaxedPaths, Refusal> {
    let mut needs = RelaxedPaths::default();
    let mut at = 1;
    let mut name = Name::Empty;
    while at < path.len() {
        let (width, slash) = match path[at] {
            b'/' => (1, true),
            b'%' => match &path[at + 1..at + 3] {
                b"2F" => {
                    needs.encoded_slash = true;
                    (3, true)
                }
                b"5C" => {
                    needs.backslash = true;
                    (3, true)
                }
                b"3B" => {
                    needs.path_parameters = true;
                    name = name.ended();
                    (3, false)
                }
                b"25" if encoded_twice(&path[at + 3..]) => return Err(Refusal::DoubleEncoding),
                _ => {
                    name = name.with(b'%');
                    (3, false)
                }
            },
            b';' => {
                needs.path_parameters = true;
                name = name.ended();
                (1, false)
            }
            b => {
                name = name.with(b);
                (1, false)
            }
        };
        if slash {
            needs.empty_segment |= name.is_empty();
            name.check()?;
            name = Name::Empty;
        }
        at += width;
    }
    name.check()?;
    Ok(needs)
}

/// Whether what follows `%25` would be an escape again that matters: ASCII, or the first byte of an overlong form.
fn encoded_twice(rest: &[u8]) -> bool {
    let mut escape = [b'%', 0, 0];
    let [high, low, ..] = rest else { return false };
    (escape[1], escape[2]) = (*high, *low);
    escaped(&escape).is_ok_and(|byte| byte < 0x80 || matches!(byte, 0xc0 | 0xc1 | 0xe0 | 0xf0))
}

/// The name of a segment, as far as it matters.
#[derive(Clone, Copy)]
enum Name {
    Empty,
    Dot,
    DotDot,
    Other,
    /// A parameter has begun; what the name was.
    EmptyEnded,
    DotsEnded,
}

impl Name {
    fn with(self, b: u8) -> Self {
        match (self, b) {
            (Self::Empty, b'.') => Self::Dot,
            (Self::Dot, b'.') => Self::DotDot,
            (Self::EmptyEnded | Self::DotsEnded, _) => self,
            _ => Self::Other,
        }
    }

    fn ended(self) -> Self {
        match self {
            Self::Empty | Self::EmptyEnded => Self::EmptyEnded,
            Self::Dot | Self::DotDot | Self::DotsEnded => Self::DotsEnded,
            Self::Other => Self::Other,
        }
    }

    fn is_empty(self) -> bool {
        matches!(self, Self::Empty | Self::EmptyEnded)
    }

    fn check(self) -> Result<(), Refusal> {
        match self {
            Self::Dot | Self::DotDot | Self::DotsEnded => Err(Refusal::DotSegment),
            _ => Ok(()),
        }
    }
}

#[cfg(test)]
mod tests;
