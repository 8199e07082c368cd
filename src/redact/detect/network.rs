//! Addresses of machines and identifiers of devices.

use core::net::{Ipv4Addr, Ipv6Addr};

use super::{
    Kind, check,
    labels::Label,
    number::{DASH, Run, SPACE},
    window::{Window, is_word},
};

const REACH: usize = 64;

pub(super) const VERSION: &[&str] = &[
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
pub(super) const ADDRESS: &[&str] = &[
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
pub(super) const MAC: &[&str] =
    &["mac", "ethernet", "wifi", "wi fi", "bluetooth", "carte reseau", "macaddress", "bssid", "ether"];
pub(super) const DEVICE: &[&str] = &[
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
pub(super) const IMEI: &[&str] = &["imei", "meid"];

/// The address that the word from `start` to `end` belongs to, and where it begins and ends.
pub(super) fn find(
    window: &Window,
    start: usize,
    end: usize,
    looked: &mut usize,
) -> Option<(usize, usize, Kind)> {
    let (before, behind) = (window.prev(start), window.get(end));
    // The groups before the first digit may be letters only: `de-ea-08-…`, `cadd.6d57.…`.
    let groups = |width: usize, mark: u8| {
        (0..16 / width).map_while(move |count| {
            let begin = start.checked_sub(count * width)?;
            (count == 0 || window.slice(begin + width - 1, begin + width) == [mark]).then_some(begin)
        })
    };
    let beside = |mark: u8| before == mark || behind == mark;
    match end - start {
        _ if beside(b':')
            && let Some(found) = colons(window, start, looked) =>
        {
            Some(found)
        }
        4 if beside(b'.') => groups(5, b'.').find_map(|start| cisco(window, start)),
        2 if beside(b'-') => groups(3, b'-').find_map(|start| bytes(window, start, b'-')),
        1..=3 if behind == b'.' => dotted(window, start),
        _ => None,
    }
}

/// MAC and IPv6: the row of hexadecimal digits and colons around `at`. Each row is looked at once: `looked` is the end of
/// the last one.
pub(super) fn colons(window: &Window, at: usize, looked: &mut usize) -> Option<(usize, usize, Kind)> {
    /// Longer rows hold no address; the longest has 39.
    const LONGEST: usize = 64;
    if at < *looked {
        return None;
    }
    let part = |unit: u8| unit.is_ascii_hexdigit() || unit == b':';
    let (mut start, mut end) = (at, at);
    while at - start <= LONGEST && window.back(start, 1).is_some_and(part) {
        start -= 1;
    }
    while end < window.to() && part(window.units[end]) {
        end += 1;
    }
    *looked = end;
    if end - start < 3 || end - start > LONGEST || !window.slice(start, end).contains(&b':') {
        return None;
    }
    // `ip:2001:db8::1`, `mac:aa:bb…`: a label's last letters may look hexadecimal, and its colon is not the address's.
    let label =
        window.slice(start, end).iter().position(|unit| *unit == b':').map_or(end, |at| start + at + 1);
    let from = if is_word(window.prev(start)) || label == start + 1 && window.get(label) != b':' {
        label
    } else {
        start
    };
    bytes(window, start, b':')
        .or_else(|| bytes(window, label, b':'))
        .or_else(|| version_six(window, from, end))
}

fn version_six(window: &Window, start: usize, mut end: usize) -> Option<(usize, usize, Kind)> {
    window.wants(Kind::Ip).then_some(())?;
    // `::ffff:192.0.2.1`
    if window.get(end) == b'.' {
        while end < window.to() && matches!(window.units[end], b'0'..=b'9' | b'.') {
            end += 1;
        }
    }
    // A sentence's own marks.
    while end > start + 1
        && (window.get(end - 1) == b'.' || window.get(end - 1) == b':' && window.get(end - 2) != b':')
    {
        end -= 1;
    }
    let bounded = !is_word(window.prev(start)) && !is_word(window.get(end));
    let text = std::str::from_utf8(window.slice(start, end)).ok()?;
    let groups = text.split(':').filter(|group| !group.is_empty()).count();
    let word = !text.bytes().any(|byte| byte.is_ascii_digit()) && groups < 4;
    if !bounded || word || groups < 2 {
        return None;
    }
    let parsed: Ipv6Addr = text.parse().ok()?;
    (!parsed.is_loopback() && !parsed.is_unspecified()).then_some((start, end, Kind::Ip))
}

/// Six bytes with `mark` between them.
fn bytes(window: &Window, start: usize, mark: u8) -> Option<(usize, usize, Kind)> {
    let before = window.prev(start);
    let bounded = |unit: u8| !is_word(unit) && unit != mark;
    if !window.wants(Kind::Mac) || !(bounded(before) || before == b':' && mark == b':') {
        return None;
    }
    let units = window.slice(start, start + 17);
    let form = units.len() == 17
        && units
            .iter()
            .enumerate()
            .all(|(at, unit)| if at % 3 == 2 { *unit == mark } else { unit.is_ascii_hexdigit() });
    let end = start + 17;
    if !form || !bounded(window.get(end)) {
        return None;
    }
    let letters = units.iter().any(u8::is_ascii_alphabetic);
    (letters || window.after(start, REACH, Label::Mac)).then_some((start, end, Kind::Mac))
}

/// As some routers write it: `aabb.ccdd.eeff`.
fn cisco(window: &Window, start: usize) -> Option<(usize, usize, Kind)> {
    let before = window.prev(start);
    if !window.wants(Kind::Mac) || before == b'.' || is_word(before) {
        return None;
    }
    let units = window.slice(start, start + 14);
    let form = |(at, unit): (usize, &u8)| if at % 5 == 4 { *unit == b'.' } else { unit.is_ascii_hexdigit() };
    let next = window.get(start + 14);
    let ends = !is_word(next) && (next != b'.' || !window.get(start + 15).is_ascii_alphanumeric());
    if units.len() != 14 || !units.iter().enumerate().all(form) || !ends {
        return None;
    }
    let mixed = units.iter().any(u8::is_ascii_alphabetic) && units.iter().any(u8::is_ascii_digit);
    (mixed || window.after(start, REACH, Label::Mac)).then_some((start, start + 14, Kind::Mac))
}

fn dotted(window: &Window, start: usize) -> Option<(usize, usize, Kind)> {
    let before = window.prev(start);
    let joined = window.back(start, 2).is_some_and(is_word);
    if !window.wants(Kind::Ip) || matches!(before, b'.' | b'-' | b'_') && joined {
        return None;
    }
    let mut end = start;
    while end - start < 16 && end < window.to() && matches!(window.units[end], b'0'..=b'9' | b'.') {
        end += 1;
    }
    if end > start && window.get(end - 1) == b'.' {
        end -= 1;
    }
    let address: Ipv4Addr = std::str::from_utf8(window.slice(start, end)).ok()?.parse().ok()?;
    let next = window.get(end);
    let product = before == b'/' && window.back(start, 2).is_some_and(|unit| unit != b'/');
    if is_word(next) || next == b'_' || product || window.after(start, 14, Label::Version) {
        return None;
    }
    let octets = address.octets();
    let labelled = || {
        let port = matches!(next, b':' | b'/') && window.get(end + 1).is_ascii_digit();
        port || before == b'/' || window.after(start, 24, Label::Machine)
    };
    // `3.14.15.92`, `2.1.3.4 Exercices`: one address in fifty has four numbers below a hundred.
    let small = octets.iter().all(|octet| *octet < 100) && !(octets[0] == 10 && octets[1..].contains(&0));
    let none = octets == [0; 4] || octets == [127, 0, 0, 1];
    (!none && (!small || labelled())).then_some((start, end, Kind::Ip))
}

/// What only its label tells from any other number.
pub(super) fn labelled(window: &Window, start: usize, run: &Run) -> Option<(usize, usize, Kind)> {
    let hex = |count: usize, gaps: u8| {
        run.first(count, gaps).filter(|chars| chars.iter().all(u8::is_ascii_hexdigit))
    };
    if window.wants(Kind::DeviceId) {
        let uuid = || run.grouped(32, &[&[8, 4, 4, 4, 12]]) && hex(32, DASH).is_some();
        let android = || {
            window.prev(start) != b'-'
                && hex(16, 0).is_some_and(|chars| chars.iter().any(u8::is_ascii_alphabetic))
        };
        let imei = || run.first_digits(15, SPACE | DASH).is_some_and(check::luhn);
        let found = |count| Some((start, run.end(count), Kind::DeviceId));
        if uuid() && window.after(start, 40, Label::Device) {
            return found(32);
        }
        if imei() && window.after(start, REACH, Label::Imei) {
            return found(15);
        }
        if android() && window.after(start, REACH, Label::Device) {
            return found(16);
        }
    }
    let solid = || window.prev(start) != b'-' && hex(12, 0).is_some();
    (window.wants(Kind::Mac) && solid() && window.after(start, REACH, Label::Mac))
        .then(|| (start, run.end(12), Kind::Mac))
}
