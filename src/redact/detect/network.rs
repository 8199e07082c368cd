//! Addresses of machines and identifiers of devices.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Kind, check,
    number::{DASH, Run, SPACE},
    window::Window,
};

const REACH: usize = 64;

const VERSION: &[&str] = &[
    "version*",
    "v",
    "ver",
    "vers",
    "release",
    "build",
    "firmware",
    "section",
    "chapitre",
    "chapter",
    "article",
    "art",
    "paragraphe",
    "exercice",
    "exercise",
    "page",
    "partie",
    "figure",
    "fig",
    "annexe",
    "alinea",
    "module",
    "lecon",
    "revision",
    "maj",
    "moodle",
    "java",
    "python",
    "chrome",
    "firefox",
    "android",
    "windows",
    "ios",
    "question",
];
const ADDRESS: &[&str] = &[
    "ip",
    "ipv4",
    "ipv6",
    "adresse*",
    "address",
    "serveur*",
    "server",
    "host*",
    "hote",
    "connect*",
    "connexion*",
    "client",
    "ping",
    "reseau",
    "proxy",
    "gateway",
    "passerelle",
    "dns",
    "remote",
    "poste",
    "machine",
    "routeur",
    "login",
    "forwarded",
];
const MAC: &[&str] =
    &["mac", "ethernet", "wifi", "wi fi", "bluetooth", "carte reseau", "macaddress", "bssid", "ether"];
const DEVICE: &[&str] = &[
    "idfa",
    "idfv",
    "gaid",
    "aaid",
    "advertising*",
    "publicitaire*",
    "device*",
    "appareil*",
    "terminal",
    "terminaux",
    "udid",
    "android id",
    "androidid",
    "ssaid",
    "ad id",
    "adid",
    "installation id",
    "tablette*",
    "smartphone*",
    "uniqueid",
    "push*",
];
const IMEI: &[&str] = &["imei", "meid"];

/// The address or identifier whose first word has the anchor, and where it begins and ends.
pub(super) fn find(window: &Window, start: usize, run: &Run) -> Option<(usize, usize, Kind)> {
    // The groups before the first digit may be letters only: `de-ea-08-…`, `cadd.6d57.…`.
    let groups = |width: usize, mark: u8| {
        (0..16 / width).map_while(move |count| {
            let begin = start.checked_sub(count * width)?;
            (count == 0 || window.get(begin + width - 1) == mark).then_some(begin)
        })
    };
    colons(window, start)
        .or_else(|| groups(5, b'.').find_map(|start| cisco(window, start)))
        .or_else(|| dotted(window, start))
        .or_else(|| groups(3, b'-').find_map(|start| bytes(window, start, b'-')))
        .or_else(|| labelled(window, start, run))
}

fn is_part(unit: u8) -> bool {
    unit.is_ascii_hexdigit() || matches!(unit, b':' | b'.')
}

/// MAC and IPv6: a word of hexadecimal digits and colons around `at`.
fn colons(window: &Window, at: usize) -> Option<(usize, usize, Kind)> {
    let (mut start, mut end) = (at, at);
    while start > 0
        && at - start < 46
        && (window.get(start - 1).is_ascii_hexdigit() || window.get(start - 1) == b':')
    {
        start -= 1;
    }
    while end - at < 46 && end < window.len() && is_part(window.get(end)) {
        end += 1;
    }
    if !window.slice(start, end).contains(&b':') {
        return None;
    }
    // A sentence's own marks.
    while end > start + 1
        && (window.get(end - 1) == b'.' || window.get(end - 1) == b':' && window.get(end - 2) != b':')
    {
        end -= 1;
    }
    let label = window.slice(start, end).iter().position(|unit| *unit == b':').unwrap_or_default();
    // `ip:192.168.1.20` and `mac:aa:bb…` have their label before the first colon; it is no hexadecimal word by luck only.
    if let Some(found) = bytes(window, start, b':') {
        return Some(found);
    }
    if start + label < at
        && let Some(found) = bytes(window, start + label + 1, b':')
    {
        return Some(found);
    }
    let units = window.slice(start, end);
    let text = std::str::from_utf8(units).ok()?;
    let bounded = !super::window::is_word(window.prev(start)) && !super::window::is_word(window.get(end));
    let parsed: Ipv6Addr = text.parse().ok()?;
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let private = parsed.is_loopback() || parsed.is_unspecified();
    let word = !text.bytes().any(|byte| byte.is_ascii_digit()) && groups < 4;
    (bounded && !private && !word && groups > 1).then_some((start, end, Kind::Ip))
}

/// Six bytes with `mark` between them.
fn bytes(window: &Window, start: usize, mark: u8) -> Option<(usize, usize, Kind)> {
    let units = window.slice(start, start + 17);
    let form = units.len() == 17
        && units
            .iter()
            .enumerate()
            .all(|(at, unit)| if at % 3 == 2 { *unit == mark } else { unit.is_ascii_hexdigit() });
    let end = start + 17;
    let bounded = |unit: u8| !super::window::is_word(unit) && unit != mark;
    let before = window.prev(start);
    if !form || !bounded(window.get(end)) || !(bounded(before) || before == b':' && mark == b':') {
        return None;
    }
    let letters = units.iter().any(u8::is_ascii_alphabetic);
    (letters || window.after(start, REACH, MAC)).then_some((start, end, Kind::Mac))
}

/// As some routers write it: `aabb.ccdd.eeff`.
fn cisco(window: &Window, start: usize) -> Option<(usize, usize, Kind)> {
    let units = window.slice(start, start + 14);
    let form = |(at, unit): (usize, &u8)| if at % 5 == 4 { *unit == b'.' } else { unit.is_ascii_hexdigit() };
    let (before, next) = (window.prev(start), window.get(start + 14));
    let begins = before != b'.' && !super::window::is_word(before);
    let ends =
        !super::window::is_word(next) && (next != b'.' || !window.get(start + 15).is_ascii_alphanumeric());
    if units.len() != 14 || !units.iter().enumerate().all(form) || !begins || !ends {
        return None;
    }
    let mixed = units.iter().any(u8::is_ascii_alphabetic) && units.iter().any(u8::is_ascii_digit);
    (mixed || window.after(start, REACH, MAC)).then_some((start, start + 14, Kind::Mac))
}

fn dotted(window: &Window, start: usize) -> Option<(usize, usize, Kind)> {
    let mut end = start;
    while end - start < 16
        && end < window.len()
        && (window.get(end).is_ascii_digit() || window.get(end) == b'.')
    {
        end += 1;
    }
    if end > start && window.get(end - 1) == b'.' {
        end -= 1;
    }
    let address: Ipv4Addr = std::str::from_utf8(window.slice(start, end)).ok()?.parse().ok()?;
    let (before, next) = (window.prev(start), window.get(end));
    let product = before == b'/' && start > 1 && window.get(start - 2) != b'/';
    if matches!(before, b'.' | b'-' | b'_') && start > 1 && super::window::is_word(window.get(start - 2))
        || super::window::is_word(next)
        || next == b'_'
        || product
        || window.after(start, 14, VERSION)
    {
        return None;
    }
    let octets = address.octets();
    let labelled = || {
        let port = matches!(next, b':' | b'/') && window.get(end + 1).is_ascii_digit();
        port || before == b'/' || window.after(start, 24, ADDRESS)
    };
    // `3.14.15.92`, `2.1.3.4 Exercices`: one address in fifty has four numbers below a hundred.
    let small = octets.iter().all(|octet| *octet < 100) && !(octets[0] == 10 && octets[1..].contains(&0));
    let none = octets == [0; 4] || octets == [127, 0, 0, 1];
    (!none && (!small || labelled())).then_some((start, end, Kind::Ip))
}

/// What only its label tells from any other number.
fn labelled(window: &Window, start: usize, run: &Run) -> Option<(usize, usize, Kind)> {
    if let Some(chars) = run.first(32, DASH)
        && chars.iter().all(u8::is_ascii_hexdigit)
        && run.groups(32).lens() == [8, 4, 4, 4, 12]
    {
        return window.after(start, 40, DEVICE).then(|| (start, run.end(32), Kind::DeviceId));
    }
    if let Some(digits) = run.first_digits(15, SPACE | DASH)
        && check::luhn(digits)
        && window.after(start, REACH, IMEI)
    {
        return Some((start, run.end(15), Kind::DeviceId));
    }
    if window.prev(start) == b'-' {
        return None;
    }
    let hex = |count| run.first(count, 0).filter(|chars| chars.iter().all(u8::is_ascii_hexdigit));
    if hex(16).is_some_and(|chars| chars.iter().any(u8::is_ascii_alphabetic))
        && window.after(start, REACH, DEVICE)
    {
        return Some((start, run.end(16), Kind::DeviceId));
    }
    (hex(12).is_some() && window.after(start, REACH, MAC)).then(|| (start, run.end(12), Kind::Mac))
}
