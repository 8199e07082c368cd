//! The attributes of one `Set-Cookie` field: what the rule asks for, the rest as the platform wrote it.

use std::{
    borrow::Cow,
    time::{Duration, SystemTime},
};

use super::{Life, trim};
use crate::policy::set::{CookieClass, CookieRule, SameSite};

/// Longest attribute value that a browser heeds (RFC 6265bis §5.6 step 6).
const ATTRIBUTE_MAX: usize = 1024;

/// Attributes as they leave.
pub(super) struct Hardened<'a> {
    /// What stands between the semicolons, spaces included.
    pub(super) attributes: Vec<Cow<'a, [u8]>>,
    /// Whether they differ from the platform's.
    pub(super) changed: bool,
    http_only: bool,
    domain: bool,
    root_path: bool,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Kind {
    Secure,
    HttpOnly,
    SameSite,
    MaxAge,
    Expires,
    Domain,
    Path,
    Other,
}

impl Kind {
    fn of(name: &[u8]) -> Self {
        [
            (&b"secure"[..], Self::Secure),
            (b"httponly", Self::HttpOnly),
            (b"samesite", Self::SameSite),
            (b"max-age", Self::MaxAge),
            (b"expires", Self::Expires),
            (b"domain", Self::Domain),
            (b"path", Self::Path),
        ]
        .into_iter()
        .find_map(|(known, kind)| name.eq_ignore_ascii_case(known).then_some(kind))
        .unwrap_or(Self::Other)
    }
}

struct Attribute<'a> {
    raw: &'a [u8],
    kind: Kind,
    value: &'a [u8],
}

/// Adds `Secure`; `HttpOnly` unless the page reads the cookie; `SameSite` where it is missing or weaker than the
/// rule's; cuts the life to the rule's, or to the browser's session. `Domain`, `Path` and unknown attributes stay.
///
/// What a browser would ignore (an attribute too long, a date that is none) is removed where it stands for one of
/// these, because not every browser ignores the same.
pub(super) fn harden<'a>(
    pieces: impl Iterator<Item = &'a [u8]>,
    rule: &CookieRule,
    now: SystemTime,
) -> Hardened<'a> {
    let mut changed = false;
    let mut attributes: Vec<Attribute<'a>> = pieces.map(parse).collect();
    attributes.retain(|attribute| {
        let keep = attribute.value.len() <= ATTRIBUTE_MAX;
        changed |= !keep;
        keep
    });
    let mut out = Hardened {
        http_only: false,
        domain: has(&attributes, Kind::Domain),
        root_path: attributes.iter().rev().find(|a| a.kind == Kind::Path).is_some_and(|a| a.value == b"/"),
        attributes: Vec::with_capacity(attributes.len() + 3),
        changed,
    };
    let same_site = SameSiteDecision::of(&attributes, rule.same_site);
    let lifetime = LifetimeDecision::of(&attributes, rule, now);
    let mut missing_same_site = same_site.replacement.is_some();
    let mut missing_max_age = lifetime.replacement.is_some();
    for attribute in &attributes {
        let kept = match attribute.kind {
            Kind::SameSite => match same_site.replacement {
                // Its first place is where the new one goes.
                Some(text) => replace_once(&mut missing_same_site, || text.as_bytes().into()),
                None => Some(attribute.raw.into()),
            },
            Kind::MaxAge | Kind::Expires => match &lifetime.replacement {
                Some(seconds) => replace_once(&mut missing_max_age, || max_age(*seconds)),
                None if lifetime.keeps(attribute, now) => Some(attribute.raw.into()),
                None => None,
            },
            _ => Some(attribute.raw.into()),
        };
        out.changed |= !matches!(kept, Some(Cow::Borrowed(raw)) if raw == attribute.raw);
        out.attributes.extend(kept);
    }
    if out.changed {
        out.attributes.retain(|attribute| !trim(attribute).is_empty());
    }
    if let Some(text) = same_site.replacement.filter(|_| missing_same_site) {
        out.add(text.as_bytes());
    }
    if !has(&attributes, Kind::Secure) {
        out.add(b" Secure");
    }
    out.http_only = has(&attributes, Kind::HttpOnly);
    if !out.http_only && !rule.script_readable {
        out.http_only = true;
        out.add(b" HttpOnly");
    }
    out
}

fn parse(raw: &[u8]) -> Attribute<'_> {
    let (name, value) = match memchr::memchr(b'=', raw) {
        Some(at) => (trim(&raw[..at]), trim(&raw[at + 1..])),
        None => (trim(raw), &raw[..0]),
    };
    Attribute { raw, kind: Kind::of(name), value }
}

fn has(attributes: &[Attribute<'_>], kind: Kind) -> bool {
    attributes.iter().any(|attribute| attribute.kind == kind)
}

fn replace_once<'a>(missing: &mut bool, with: impl FnOnce() -> Cow<'a, [u8]>) -> Option<Cow<'a, [u8]>> {
    std::mem::take(missing).then(with)
}

fn max_age<'a>(life: Duration) -> Cow<'a, [u8]> {
    format!(" Max-Age={}", life.as_secs()).into_bytes().into()
}

impl Hardened<'_> {
    fn add(&mut self, attribute: &'static [u8]) {
        if !self.changed {
            self.attributes.retain(|attribute| !trim(attribute).is_empty());
        }
        self.changed = true;
        self.attributes.push(attribute.into());
    }

    /// Whether the cookie keeps what its name promises (RFC 6265bis §4.1.3, and `__Http-` of its successor), compared
    /// without case as browsers do. `Secure` is always there by now.
    pub(super) fn satisfies_prefix(&self, name: &[u8]) -> bool {
        let starts =
            |prefix: &[u8]| name.get(..prefix.len()).is_some_and(|start| start.eq_ignore_ascii_case(prefix));
        let host = !starts(b"__Host-") || (!self.domain && self.root_path);
        let http = !(starts(b"__Http-") || starts(b"__Host-Http-")) || self.http_only;
        host && http
    }
}

struct SameSiteDecision {
    /// What to write; `None` to leave the platform's.
    replacement: Option<&'static str>,
}

impl SameSiteDecision {
    fn of(attributes: &[Attribute<'_>], rule: SameSite) -> Self {
        let mut all = attributes.iter().filter(|attribute| attribute.kind == Kind::SameSite);
        // The last one counts (RFC 6265bis §5.7 step 17); an unknown word is as good as none.
        let last =
            attributes.iter().rev().find(|attribute| attribute.kind == Kind::SameSite).and_then(|last| {
                [(&b"none"[..], SameSite::None), (b"lax", SameSite::Lax), (b"strict", SameSite::Strict)]
                    .into_iter()
                    .find_map(|(word, value)| last.value.eq_ignore_ascii_case(word).then_some(value))
            });
        let single = all.next().is_some() && all.next().is_none();
        let kept = last.filter(|&platform| platform >= rule && single);
        let wanted = last.map_or(rule, |platform| platform.max(rule));
        let text = match wanted {
            SameSite::None => " SameSite=None",
            SameSite::Lax => " SameSite=Lax",
            SameSite::Strict => " SameSite=Strict",
        };
        Self { replacement: kept.is_none().then_some(text) }
    }
}

struct LifetimeDecision {
    /// One `Max-Age` in place of everything that speaks of the lifetime.
    replacement: Option<Duration>,
    keep: Keep,
}

#[derive(PartialEq, Eq)]
enum Keep {
    All,
    /// A deletion: only what says so.
    Deletions,
    Nothing,
}

impl LifetimeDecision {
    fn of(attributes: &[Attribute<'_>], rule: &CookieRule, now: SystemTime) -> Self {
        let lives = |kind| {
            attributes.iter().filter(move |attribute| attribute.kind == kind).map(move |a| life(a, now))
        };
        // The last valid `Max-Age`, else the last valid `Expires` (RFC 6265bis §5.7 step 3).
        let effective =
            lives(Kind::MaxAge).flatten().last().or_else(|| lives(Kind::Expires).flatten().last());
        let mut all = lives(Kind::MaxAge).chain(lives(Kind::Expires));
        let (replacement, keep) = match (effective, rule.class, rule.max_age) {
            (Some(Life::Over), ..) => (None, Keep::Deletions),
            (_, CookieClass::Session, _) | (None, ..) => (None, Keep::Nothing),
            (Some(Life::For(_)), _, None) => (None, Keep::All),
            (Some(Life::For(long)), _, Some(cap)) => {
                if all.all(|one| one.is_some_and(|one| one <= Life::For(cap))) {
                    (None, Keep::All)
                } else {
                    (Some(long.min(cap)), Keep::Nothing)
                }
            }
        };
        Self { replacement, keep }
    }

    fn keeps(&self, attribute: &Attribute<'_>, now: SystemTime) -> bool {
        match self.keep {
            Keep::All => true,
            Keep::Deletions => life(attribute, now) == Some(Life::Over),
            Keep::Nothing => false,
        }
    }
}

/// What a `Max-Age` or `Expires` says; `None` if browsers must ignore it.
fn life(attribute: &Attribute<'_>, now: SystemTime) -> Option<Life> {
    match attribute.kind {
        Kind::MaxAge => max_age_life(attribute.value),
        Kind::Expires => {
            let at = expires(attribute.value)?;
            Some(match at.duration_since(now) {
                Ok(left) if !left.is_zero() => Life::For(left),
                _ => Life::Over,
            })
        }
        _ => None,
    }
}

/// RFC 6265bis §5.6.2: digits with an optional minus; zero and less delete.
fn max_age_life(value: &[u8]) -> Option<Life> {
    let (negative, digits) = match value {
        [b'-', digits @ ..] => (true, digits),
        digits => (false, digits),
    };
    if digits.is_empty() && !negative || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    let seconds =
        digits.iter().fold(0u64, |sum, digit| sum.saturating_mul(10).saturating_add(u64::from(digit - b'0')));
    Some(if negative || seconds == 0 { Life::Over } else { Life::For(Duration::from_secs(seconds)) })
}

/// A cookie date (RFC 6265bis §5.1.1): a time, a day, a month and a year, in this or nearly any order.
fn expires(value: &[u8]) -> Option<SystemTime> {
    let delimiter = |b: &u8| matches!(b, 0x09 | 0x20..=0x2f | 0x3b..=0x40 | 0x5b..=0x60 | 0x7b..=0x7e);
    let (mut time, mut day, mut month, mut year) = (None, None, None, None);
    for token in value.split(delimiter).filter(|token| !token.is_empty()) {
        if time.is_none() {
            time = clock_time(token);
            if time.is_some() {
                continue;
            }
        }
        if day.is_none() {
            day = leading_digits(token, 1, 2);
            if day.is_some() {
                continue;
            }
        }
        if month.is_none() {
            month = month_number(token);
            if month.is_some() {
                continue;
            }
        }
        if year.is_none() {
            year = leading_digits(token, 2, 4);
        }
    }
    let (hour, minute, second) = time?;
    let year = match year? {
        short @ 0..=69 => short + 2000,
        short @ 70..=99 => short + 1900,
        full => full,
    };
    if year < 1601 {
        return None;
    }
    let narrow = |number: u32| i8::try_from(number).ok();
    let date = jiff::civil::DateTime::new(
        i16::try_from(year).ok()?,
        narrow(month?)?,
        narrow(day?)?,
        narrow(hour)?,
        narrow(minute)?,
        narrow(second)?,
        0,
    )
    .ok()?;
    Some(date.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
}

/// `least` to `most` digits, then nothing or a non-digit.
fn leading_digits(token: &[u8], least: usize, most: usize) -> Option<u32> {
    let count = token.iter().take_while(|b| b.is_ascii_digit()).count();
    if !(least..=most).contains(&count) {
        return None;
    }
    Some(token[..count].iter().fold(0, |sum, digit| sum * 10 + u32::from(digit - b'0')))
}

/// `h:m:s`, one or two digits each.
fn clock_time(token: &[u8]) -> Option<(u32, u32, u32)> {
    let mut fields = token.splitn(3, |&b| b == b':');
    let mut whole = || fields.next().filter(|f| f.len() <= 2 && f.iter().all(u8::is_ascii_digit));
    let hour = leading_digits(whole()?, 1, 2)?;
    let minute = leading_digits(whole()?, 1, 2)?;
    let second = leading_digits(fields.next()?, 1, 2)?;
    Some((hour, minute, second))
}

fn month_number(token: &[u8]) -> Option<u32> {
    const MONTHS: [&[u8; 3]; 12] =
        [b"jan", b"feb", b"mar", b"apr", b"may", b"jun", b"jul", b"aug", b"sep", b"oct", b"nov", b"dec"];
    let start = token.get(..3)?;
    let place = MONTHS.iter().position(|month| start.eq_ignore_ascii_case(*month))?;
    u32::try_from(place + 1).ok()
}
