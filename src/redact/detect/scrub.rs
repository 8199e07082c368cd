//! Text that comes in chunks: what may leave, and what was found in it.

use std::cmp::Reverse;

use super::{
    Detectors, Kind,
    scan::Scan,
    seen::{self, Seen, Walk},
};

/// What a piece of text is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum What {
    /// Text in which nothing was found.
    Plain,
    /// What a detector found.
    Found(Kind),
    /// A value that a field of the document had, with the tag that [`Seen::insert`] was given.
    Seen(u16),
}

/// Reads one text in chunks cut anywhere and says what may leave. Holds back [`MAX_MATCH`](super::MAX_MATCH) bytes at
/// most; how the text was cut does not show in the pieces' bounds,
/// except that plain text is given as soon as it may leave.
///
/// A piece never ends within a UTF-8 character, provided that the text is UTF-8.
pub struct Scrubber {
    detectors: Detectors,
    /// What was not forgotten: what has left but is still needed, then what waits.
    held: Vec<u8>,
    /// How much of `held` has left.
    left: usize,
    scan: Scan,
    walk: Walk,
    marks: Vec<Mark>,
}

struct Mark {
    start: usize,
    end: usize,
    what: What,
}

impl Scrubber {
    /// A scrubber at the beginning of a text.
    pub fn new(detectors: Detectors) -> Self {
        Self {
            detectors,
            held: Vec::new(),
            left: 0,
            scan: Scan::new(),
            walk: Walk::default(),
            marks: Vec::new(),
        }
    }

    /// Takes the next chunk and gives what may leave: pieces in order, whose concatenation is the text. `seen` must be
    /// the same for the whole text.
    pub fn push(&mut self, mut chunk: &[u8], seen: &Seen, mut give: impl FnMut(What, &[u8])) {
        // A large chunk is taken in parts, so that no more than one part is ever copied.
        while !chunk.is_empty() {
            let (part, rest) = chunk.split_at(chunk.len().min(16 * 1024));
            self.held.extend_from_slice(part);
            self.advance(false, seen, &mut give);
            chunk = rest;
        }
    }

    /// The text ends: gives what was held back, and is ready for another text.
    pub fn finish(&mut self, seen: &Seen, mut give: impl FnMut(What, &[u8])) {
        self.advance(true, seen, &mut give);
        self.held.clear();
        self.left = 0;
        self.scan = Scan::new();
        self.walk = Walk::default();
        self.marks.clear();
    }

    fn advance(&mut self, whole: bool, seen: &Seen, give: &mut impl FnMut(What, &[u8])) {
        let Self { detectors, held, left, scan, walk, marks } = self;
        scan.advance(detectors.kinds, held, whole, |span| {
            marks.push(Mark { start: span.start, end: span.end, what: What::Found(span.kind) });
        });
        walk.advance(seen, held, whole, |start, end, tag| {
            marks.push(Mark { start, end, what: What::Seen(tag) });
        });
        // A match that is not decided yet can begin behind this point.
        let safe = if whole {
            held.len()
        } else {
            boundary(held, scan.decided().min(held.len().saturating_sub(seen::AHEAD)))
        };
        marks.sort_by_key(|mark| (mark.start, Reverse(mark.end)));
        let ready = marks.iter().take_while(|mark| mark.start < safe).count();
        for mark in marks.drain(..ready) {
            // Where two overlap, the first has what they share.
            let start = mark.start.max(*left);
            if mark.end <= start {
                continue;
            }
            if start > *left {
                give(What::Plain, &held[*left..start]);
            }
            give(mark.what, &held[start..mark.end]);
            *left = mark.end;
        }
        if safe > *left {
            give(What::Plain, &held[*left..safe]);
            *left = safe;
        }
        let forgotten = (*left).min(walk.needs()).min(scan.needs());
        held.drain(..forgotten);
        *left -= forgotten;
        scan.shift(forgotten);
        walk.forget(forgotten);
        for mark in marks {
            // What begins before `left` was given, or begins later.
            mark.start = mark.start.saturating_sub(forgotten);
            mark.end = mark.end.saturating_sub(forgotten);
        }
    }
}

/// The last place up to `at` where a character begins.
fn boundary(text: &[u8], at: usize) -> usize {
    let begins = |at: &usize| text.get(*at).is_none_or(|byte| byte & 0xC0 != 0x80);
    (at.saturating_sub(3)..=at).rev().find(begins).unwrap_or(at)
}
