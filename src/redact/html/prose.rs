//! Text that stands between tags, without what detectors find in it.
//!
//! A run is the text of one line of the page, with the tags that stand within it: `06 12 <b>34 56</b> 78` is one number.
//! It is read twice, with its tags taken for nothing and for spaces, since `Tél.<b>06…</b>` is two words.

use super::entity::{Within, decoded, escape, reference};
use crate::redact::Tally;
use crate::redact::Task;
use crate::redact::action::Means;
use crate::redact::detect::{Detectors, Kinds, Span};
use crate::redact::free_text::push_stand_in;
use crate::redact::nested::is_document;

/// Longest run that is looked at as a whole.
const LONGEST: usize = 64 * 1024;
/// What stays of a longer one for what comes behind it: a match is never as long.
const OVERLAP: usize = 8 * 1024;

/// A run, as far as it was read.
#[derive(Default)]
pub(super) struct Prose {
    raw: Vec<u8>,
    /// Where tags stand in it.
    tags: Vec<(usize, usize)>,
    /// What has left of it.
    left: usize,
    room: Vec<u8>,
    spans: Vec<Span>,
    found: Vec<Found>,
}

/// Something that was found, by its place in the run.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
struct Found {
    from: usize,
    to: usize,
    kind: crate::redact::detect::Kind,
}

/// Who looks, and where stand-ins and counts go.
pub(super) struct Look<'a> {
    pub(super) kinds: Kinds,
    pub(super) task: &'a Task,
    pub(super) tally: &'a mut Tally,
}

impl Prose {
    /// Takes text as it is written.
    pub(super) fn text(&mut self, mut text: &[u8], look: &mut Look<'_>, out: &mut Vec<u8>) {
        while !text.is_empty() {
            let room = LONGEST.saturating_sub(self.raw.len()).max(1);
            let (now, later) = text.split_at(text.len().min(room));
            self.raw.extend_from_slice(now);
            text = later;
            if self.raw.len() >= LONGEST {
                self.part(look, out);
            }
        }
    }

    /// Takes a tag, or what stands for a comment, that does not end the run.
    pub(super) fn tag(&mut self, tag: &[u8], look: &mut Look<'_>, out: &mut Vec<u8>) {
        if self.raw.is_empty() {
            out.extend_from_slice(tag);
            return;
        }
        let from = self.raw.len();
        self.raw.extend_from_slice(tag);
        self.tags.push((from, self.raw.len()));
        if self.raw.len() >= LONGEST {
            self.part(look, out);
        }
    }

    /// The run ends: what may leave of it does.
    pub(super) fn finish(&mut self, look: &mut Look<'_>, out: &mut Vec<u8>) {
        if self.raw.is_empty() {
            return;
        }
        self.look(look.kinds);
        self.give(self.raw.len(), look, out);
        self.raw.clear();
        self.tags.clear();
        self.left = 0;
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The text of the run, if it begins as a document in JSON.
    pub(super) fn document(&self) -> Option<String> {
        if self.left > 0 || !self.raw.iter().any(|byte| matches!(byte, b'{' | b'[' | b'&')) {
            return None;
        }
        let mut text = Vec::with_capacity(self.raw.len());
        read(&self.raw, &self.tags, b"", &mut text, &mut Vec::new());
        String::from_utf8(text).ok().filter(|text| is_document(text))
    }

    /// Another text in the place of the run; its tags stay, behind it.
    pub(super) fn replace(&mut self, text: &str) {
        let mut raw = Vec::with_capacity(self.raw.len());
        escape(text, &mut raw);
        let mut tags = Vec::new();
        for (from, to) in &self.tags {
            let start = raw.len();
            raw.extend_from_slice(&self.raw[*from..*to]);
            tags.push((start, raw.len()));
        }
        (self.raw, self.tags) = (raw, tags);
    }

    /// The run is long: its first part leaves.
    fn part(&mut self, look: &mut Look<'_>, out: &mut Vec<u8>) {
        self.look(look.kinds);
        let mut safe = self.raw.len().saturating_sub(OVERLAP);
        if let Some(crossing) = self.found.iter().find(|found| found.from < safe && safe < found.to) {
            safe = crossing.from;
        }
        if let Some((from, _)) = self.tags.iter().find(|(from, to)| *from < safe && safe < *to) {
            safe = *from;
        }
        // Neither within a character nor within a reference.
        let floor = safe.saturating_sub(128).max(self.left);
        if let Some(at) = memchr::memrchr(b'&', &self.raw[floor..safe]) {
            safe = floor + at;
        }
        while safe > self.left && self.raw.get(safe).is_some_and(|byte| byte & 0xc0 == 0x80) {
            safe -= 1;
        }
        self.give(safe.max(self.left), look, out);
        let mut forgotten = self.left.saturating_sub(OVERLAP);
        if let Some((from, _)) = self.tags.iter().find(|(from, to)| *from < forgotten && forgotten < *to) {
            forgotten = *from;
        }
        while forgotten > 0 && self.raw[forgotten] & 0xc0 == 0x80 {
            forgotten -= 1;
        }
        self.raw.drain(..forgotten);
        self.left -= forgotten;
        self.tags.retain_mut(|(from, to)| {
            *from = from.saturating_sub(forgotten);
            *to = to.saturating_sub(forgotten);
            *to > 0
        });
    }

    /// Finds what is in the run, by its place in it.
    fn look(&mut self, kinds: Kinds) {
        self.found.clear();
        let Self { raw, tags, room, spans, found, .. } = self;
        let is_plain = tags.is_empty() && memchr::memchr(b'&', raw).is_none();
        if is_plain {
            spans.clear();
            Detectors::new(kinds).find(raw, spans);
            found.extend(spans.iter().map(|span| Found { from: span.start, to: span.end, kind: span.kind }));
            return;
        }
        let mut places = Vec::new();
        let readings: &[&[u8]] = if tags.is_empty() { &[b""] } else { &[b"", b" "] };
        for between in readings {
            room.clear();
            places.clear();
            read(raw, tags, between, room, &mut places);
            spans.clear();
            Detectors::new(kinds).find(room, spans);
            // A span ends behind the last character that it holds.
            found.extend(spans.iter().filter(|span| span.start < span.end).map(|span| Found {
                from: place(&places, span.start).0,
                to: place(&places, span.end - 1).1,
                kind: span.kind,
            }));
        }
        found.sort_unstable();
    }

    /// Writes the run up to here.
    fn give(&mut self, to: usize, look: &mut Look<'_>, out: &mut Vec<u8>) {
        let mut at = self.left;
        for found in &self.found {
            let from = found.from.max(at);
            if found.to <= from || from >= to {
                continue;
            }
            out.extend_from_slice(&self.raw[at..from]);
            at = found.to;
            // The tags in it stay, behind what stands for it.
            let tags = self.tags.iter().filter(|(start, end)| from <= *start && *end <= found.to);
            let mut value = Vec::new();
            let mut start = from;
            for &(tag, end) in tags.clone() {
                value.extend_from_slice(&self.raw[start..tag]);
                start = end;
            }
            value.extend_from_slice(&self.raw[start..found.to]);
            let mut stand_in = String::new();
            let means = Means { key: &look.task.key, today: look.task.audience.today };
            let value = decoded(&value, Within::Text);
            if let Some(category) = look.task.plan.category_of(found.kind) {
                push_stand_in(&look.task.plan, means, category, &value, look.tally, &mut stand_in);
            }
            escape(&stand_in, out);
            tags.for_each(|&(tag, end)| out.extend_from_slice(&self.raw[tag..end]));
        }
        if at < to {
            out.extend_from_slice(&self.raw[at..to]);
        }
        self.left = at.max(to);
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.raw.capacity() + self.room.capacity() + self.tags.capacity() * size_of::<(usize, usize)>()
    }
}

/// A piece of a run's text.
#[derive(Clone, Copy, Default)]
struct Piece {
    /// Where it begins in the text.
    begin: usize,
    /// Where it stands in the run.
    from: usize,
    to: usize,
    /// It is written otherwise than it is read: a reference, a tag. It stays whole.
    is_whole: bool,
}

/// The text of a run. `pieces` says where it stands.
fn read(raw: &[u8], tags: &[(usize, usize)], between: &[u8], text: &mut Vec<u8>, pieces: &mut Vec<Piece>) {
    let mut tags = tags.iter().copied().peekable();
    let mut at = 0;
    while at < raw.len() {
        if let Some(&(from, to)) = tags.peek()
            && from == at
        {
            tags.next();
            if !between.is_empty() {
                pieces.push(Piece { begin: text.len(), from, to, is_whole: true });
                text.extend_from_slice(between);
            }
            at = to;
            continue;
        }
        let end = tags.peek().map_or(raw.len(), |(from, _)| *from);
        let (begin, from) = (text.len(), at);
        if raw[at] == b'&' {
            let (meant, length) = reference(&raw[at..end], Within::Text);
            meant.push(text);
            at += length;
            pieces.push(Piece { begin, from, to: at, is_whole: true });
        } else {
            at = memchr::memchr(b'&', &raw[at..end]).map_or(end, |place| at + place);
            text.extend_from_slice(&raw[from..at]);
            pieces.push(Piece { begin, from, to: at, is_whole: false });
        }
    }
    pieces.push(Piece { begin: text.len(), from: raw.len(), to: raw.len(), is_whole: true });
}

/// Where in the run the character at this place of the text stands.
fn place(pieces: &[Piece], at: usize) -> (usize, usize) {
    let piece = pieces.partition_point(|piece| piece.begin <= at).saturating_sub(1);
    let Piece { begin, from, to, is_whole } = pieces.get(piece).copied().unwrap_or_default();
    if is_whole { (from, to) } else { (from + at - begin, from + at - begin + 1) }
}

/// A value without what detectors find in it; `None` where nothing is.
pub(super) fn scrubbed(value: &str, look: &mut Look<'_>) -> Option<String> {
    let mut spans = Vec::new();
    Detectors::new(look.kinds).find(value.as_bytes(), &mut spans);
    if spans.is_empty() {
        return None;
    }
    let means = Means { key: &look.task.key, today: look.task.audience.today };
    let mut left = String::with_capacity(value.len());
    let mut from = 0;
    for Span { start, end, kind } in spans {
        left.push_str(value.get(from..start).unwrap_or_default());
        let found = value.get(start..end).unwrap_or_default();
        if let Some(category) = look.task.plan.category_of(kind) {
            push_stand_in(&look.task.plan, means, category, found, look.tally, &mut left);
        }
        from = end;
    }
    left.push_str(value.get(from..).unwrap_or_default());
    Some(left)
}
