//! One walk over a text: from anchor to anchor, and at each of them a look around.

use super::{
    Kind, Kinds, Span, address, date, email, fold, identifier, network,
    number::Run,
    phone,
    window::{AHEAD, BEHIND, Window, is_word},
};

/// How far a walk has come: what it must know when the text goes on.
#[derive(Debug, Clone, Copy, Default)]
pub(super) struct Progress {
    /// The place from which anchors are looked for.
    pub(super) at: usize,
    /// The end of the last span; none begins before it.
    pub(super) settled: usize,
}

/// The bytes at which something can be found: digits, signs of addresses, and what may hide them.
const fn is_anchor(byte: u8) -> bool {
    matches!(
        byte,
        b'0'..=b'9' | b'@' | b'%' | b'&' | b'\\' | b'[' | b'(' | b'{' | b':' | 0xEF | 0xF0 | 0xD9 | 0xDB
    )
}

/// The first anchor from `at` on. Blocks without one are passed at the speed of memory.
fn next_anchor(text: &[u8], mut at: usize) -> Option<usize> {
    const BLOCK: usize = 32;
    loop {
        let Some(block) = text.get(at..at + BLOCK) else {
            return text[at..].iter().position(|byte| is_anchor(*byte)).map(|place| at + place);
        };
        // No early exit: the compiler compares the whole block at once.
        let mut any = false;
        for byte in block {
            any |= is_anchor(*byte);
        }
        if any && let Some(place) = block.iter().position(|byte| is_anchor(*byte)) {
            return Some(at + place);
        }
        at += BLOCK;
    }
}

/// Finds what is in `text` from where `progress` stands. Unless the text is `whole`, it stops at the first anchor behind
/// which fewer than [`AHEAD`] bytes are known.
pub(super) fn scan(
    kinds: Kinds,
    text: &[u8],
    whole: bool,
    progress: &mut Progress,
    mut found: impl FnMut(Span),
) {
    let mut window = None;
    while let Some(at) = next_anchor(text, progress.at) {
        if !whole && text.len() - at < AHEAD {
            progress.at = at;
            return;
        }
        let window = window.get_or_insert_with(Window::new);
        let (span, next) = look(window, text, at);
        progress.at = next;
        if let Some((start, end, kind)) = span {
            progress.at = end.max(next);
            if end > progress.settled {
                if kinds.has(kind) {
                    found(Span { start: start.max(progress.settled), end, kind });
                }
                progress.settled = end;
            }
        }
    }
    progress.at = text.len();
}

type Found = (usize, usize, Kind);

/// What is found at the anchor at byte `at`, and the byte from which to go on.
fn look(window: &mut Window, text: &[u8], at: usize) -> (Option<Found>, usize) {
    let (unit, len) = fold::unit(&text[at..text.len().min(at + AHEAD)]);
    let behind = at + len;
    let found = match unit {
        Some(b'0'..=b'9') => return word(window, text, at),
        Some(b'@') => {
            window.fill(text, at, BEHIND, AHEAD);
            email::find(window, window.anchor, 1, false)
        }
        Some(b'[' | b'(' | b'{') if may_spell_sign(&text[behind..]) => {
            window.fill(text, at, BEHIND, AHEAD);
            let width = email::spelled_sign(window, window.anchor);
            width.and_then(|width| email::find(window, window.anchor, width, true))
        }
        Some(b':') if between_hex(text, at) => {
            window.fill(text, at, 48, 64);
            network::find(window, window.word_start(window.anchor), &Run::read(window, window.anchor))
        }
        _ => None,
    };
    (found.map(|found| in_bytes(window, found)), behind)
}

/// The cheap look at a bracket: `@`, `a` or `c` behind it, or an escape.
fn may_spell_sign(rest: &[u8]) -> bool {
    matches!(rest.first(), Some(b'a' | b'A' | b'@' | b' ' | b'c' | b'C' | b'%' | b'&' | b'\\' | 0x80..))
}

/// The cheap look at a colon: hexadecimal digits, a colon or the edge on both sides.
fn between_hex(text: &[u8], at: usize) -> bool {
    let hex = |byte: Option<&u8>| byte.is_some_and(|byte| byte.is_ascii_hexdigit() || *byte == b':');
    hex(text.get(at + 1)) && at > 0 && hex(text.get(at - 1))
}

fn in_bytes(window: &Window, (start, end, kind): Found) -> Found {
    let (start, end) = window.bytes(start, end);
    (start, end, kind)
}

/// What begins with the word whose first digit is at byte `at`.
fn word(window: &mut Window, text: &[u8], at: usize) -> (Option<Found>, usize) {
    if let Some(next) = plain(text, at) {
        return (None, next);
    }
    window.fill(text, at, 24, 72);
    let start = window.word_start(window.anchor);
    if promising(window, start) {
        window.fill(text, at, BEHIND, AHEAD);
        let start = window.word_start(window.anchor);
        let run = Run::read(window, start);
        let found = network::find(window, start, &run)
            .or_else(|| identifier::find(window, start, &run))
            .or_else(|| phone::find(window, start, &run))
            .or_else(|| date::find(window, start))
            .or_else(|| address::find(window, start));
        if let Some(found) = found {
            let found = in_bytes(window, found);
            return (Some(found), found.1);
        }
    }
    let end = window.word_end(window.anchor);
    (None, window.bytes(window.anchor, end).1)
}

/// Most numbers of a text: at most four digits between plain ASCII that no longer value can have there. Where to go on.
fn plain(text: &[u8], at: usize) -> Option<usize> {
    let len = text[at..].iter().take(6).take_while(|byte| byte.is_ascii_digit()).count();
    let behind = at + len;
    if len > 4 || at > 0 && is_word(text[at - 1]) {
        return None;
    }
    let next = |at: usize| text.get(at).copied().unwrap_or(b'\n');
    let ends = match next(behind) {
        b';' | b'"' | b'<' | b'>' | b'!' | b'?' | b'|' | b']' | b'}' | b'+' | b'*' | b'=' | b'\n' => true,
        b',' | b'.' => {
            let after = next(behind + 1);
            after.is_ascii_digit() && next(behind) == b',' || after == b'\n' || after == b'"'
        }
        _ => false,
    };
    (ends && len < 4 && len > 0).then_some(behind)
}

/// The cheap look at a word with digits: whether any detector could want it.
fn promising(window: &Window, start: usize) -> bool {
    let run = Run::read(window, start);
    // Groups of a number, an address of a machine, a date; or words that begin an address.
    run.digits() >= 6
        || run.chars().len() >= 11
        || matches!(window.get(window.word_end(start)), b'.' | b':')
        || window.slice(start.saturating_sub(3), start).contains(&b':')
        || date::may_begin(window, start)
        || address::may_begin(window, start)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_anchor_is_found_at_every_place() {
        for byte in (0..=255_u8).filter(|byte| is_anchor(*byte)) {
            for at in 0..100 {
                let mut text = vec![b'x'; 100];
                text[at] = byte;
                assert_eq!(next_anchor(&text, 0), Some(at));
                assert_eq!(next_anchor(&text, at + 1), None);
            }
        }
    }
}
