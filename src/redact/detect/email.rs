//! Addresses of electronic mail around their sign.

use super::{
    Kind,
    window::{Window, is_letter, is_word},
};

/// The address whose sign is at unit `sign` and takes `width` units; `spelled` is « [at] », which may have spaces
/// around it and « [dot] » behind it.
pub(super) fn find(
    window: &Window,
    sign: usize,
    width: usize,
    spelled: bool,
) -> Option<(usize, usize, Kind)> {
    let apart = window.back(sign, 1) == Some(b' ');
    let end_of_local = sign - usize::from(apart);
    let start = local(window, end_of_local)?;
    let mut at = sign + width;
    let apart_behind = window.get(at) == b' ';
    if apart || apart_behind {
        // `8 @ 5.fr`: with spaces both sides must look like an address.
        let both = spelled || apart && apart_behind;
        if !both || !spelled && window.slice(start, end_of_local).iter().all(u8::is_ascii_digit) {
            return None;
        }
    }
    at += usize::from(apart_behind);
    let end = host(window, at, spelled)?;
    Some((start, end, Kind::Email))
}

/// Where the local part begins that ends before `end`.
fn local(window: &Window, end: usize) -> Option<usize> {
    let is_part = |unit: u8| is_word(unit) || matches!(unit, b'.' | b'_' | b'-' | b'+' | b'%' | b'~' | b'\'');
    let mut start = end;
    while start > window.from() && is_part(window.units[start - 1]) {
        start -= 1;
    }
    // `mailto:`-like labels end with a sign that is no part; an apostrophe counts as in o'connor and d'artagnan only.
    let quoted = window.slice(start, end).iter().rposition(|unit| *unit == b'\'');
    if let Some(mark) = quoted {
        let one = mark == 1 || mark > 1 && !is_word(window.get(start + mark - 2));
        start += if one && mark > 0 { mark - 1 } else { mark + 1 };
    }
    while start < end && matches!(window.get(start), b'.' | b'-' | b'+' | b'%' | b'~' | b'\'') {
        start += 1;
    }
    (start < end).then_some(start)
}

/// Where the host ends that begins at `at`: labels and a top-level domain of letters.
fn host(window: &Window, mut at: usize, spelled: bool) -> Option<usize> {
    let begin = at;
    let mut end = None;
    let mut labels = 0;
    loop {
        let from = at;
        while is_word(window.get(at)) && at < window.to()
            || window.get(at) == b'-' && is_word(window.get(at + 1))
        {
            at += 1;
        }
        if at == from {
            break;
        }
        labels += 1;
        let label = window.slice(from, at);
        let top =
            label.len() >= 2 && (label.iter().all(|unit| is_letter(*unit)) || label.starts_with(b"xn--"));
        if labels > 1 && top {
            end = Some(at);
        }
        match point(window, at, spelled) {
            Some(behind) if at - from < 64 => at = behind,
            _ => break,
        }
    }
    // An address may be cut by the window's edge: what is known of it is taken.
    end.or_else(|| (labels > 1 && at >= window.to() && at - begin > 128).then_some(at))
}

/// `.`, « [dot] », « (point) », and « point » between spaces in an address that was spelled out.
fn point(window: &Window, at: usize, spelled: bool) -> Option<usize> {
    if window.get(at) == b'.' {
        let next = at + 1;
        return is_word(window.get(next)).then_some(next);
    }
    if !spelled {
        return None;
    }
    let next = at + usize::from(window.get(at) == b' ');
    let (word, end) = bracketed(window, next).or_else(|| {
        let end = window.word_end(next);
        (next > at && window.get(end) == b' ').then(|| (window.slice(next, end), end))
    })?;
    let is_point = [&b"dot"[..], b"point", b"pt"].iter().any(|name| word.eq_ignore_ascii_case(name));
    is_point.then(|| end + usize::from(window.get(end) == b' '))
}

/// The word in brackets at `at`, and the unit behind them.
fn bracketed<'a>(window: &Window<'a>, at: usize) -> Option<(&'a [u8], usize)> {
    let close = match window.get(at) {
        b'[' => b']',
        b'(' => b')',
        b'{' => b'}',
        _ => return None,
    };
    let from = at + 1 + usize::from(window.get(at + 1) == b' ');
    let end = window.word_end(from);
    let behind = end + usize::from(window.get(end) == b' ');
    (end > from && window.get(behind) == close).then(|| (window.slice(from, end), behind + 1))
}

/// « [at] », « (arobase) », « [@] » at the unit `at`: how many units it takes.
pub(super) fn spelled_sign(window: &Window, at: usize) -> Option<usize> {
    if window.get(at + 1) == b'@' && matches!(window.get(at + 2), b']' | b')' | b'}') {
        return Some(3);
    }
    let (word, behind) = bracketed(window, at)?;
    let is_sign = ["at", "arobase", "arrobase", "arobas", "chez", "a"]
        .iter()
        .any(|name| word.eq_ignore_ascii_case(name.as_bytes()));
    is_sign.then_some(behind - at)
}
