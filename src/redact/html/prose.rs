//! Text that stands between tags, without what detectors find in it.
//!
//! A run is the text of one line of the page, with the tags that stand within it: `06 12 <b>34 56</b> 78` is one number.
//! It is read twice, with its tags taken for nothing and for spaces, since `Tél.<b>06…</b>` is two words.

use std::cmp::Reverse;
use std::ops::Range;

use super::again::Memory;
use super::entity::{Within, decoded, escape};
use super::run::{Line, Piece, element, may_hold, packed, parts, place, read};
use super::tag::{Tag, is_blank};
use super::vocabulary::repeats;
use crate::policy::set::CategoryId;
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
    /// Elements in it whose text is of a category that is hidden.
    marks: Vec<Mark>,
    /// A hidden value goes on from here.
    open: Option<(usize, CategoryId)>,
    /// Its beginning was forgotten.
    is_cut: bool,
    /// Bytes of text.
    texts: usize,
    /// What has left of it.
    left: usize,
    room: Vec<u8>,
    places: Vec<Piece>,
    spans: Vec<Span>,
    found: Vec<Found>,
}

/// An element of a run that names what it shows.
#[derive(Clone, Copy, Debug)]
pub(super) struct Mark {
    /// Where its tag stands.
    pub(super) at: usize,
    pub(super) category: CategoryId,
    /// It is a link.
    pub(super) is_link: bool,
}

/// Something that was found, by its place in the run.
#[derive(Clone, Copy, Debug)]
struct Found {
    from: usize,
    to: usize,
    category: CategoryId,
}

/// Who looks, and where stand-ins and counts go.
pub(super) struct Look<'a> {
    pub(super) kinds: Kinds,
    /// Whether hidden values are looked for, too.
    pub(super) looks: bool,
    pub(super) task: &'a Task,
    pub(super) tally: &'a mut Tally,
    pub(super) memory: &'a mut Memory,
}

impl Look<'_> {
    /// Finds what must not leave of a text: begin, end and category of each.
    fn find(&mut self, text: &[u8], spans: &mut Vec<Span>, mut found: impl FnMut(usize, usize, CategoryId)) {
        spans.clear();
        Detectors::new(self.kinds).find(text, spans);
        for span in spans.iter().filter(|span| span.start < span.end) {
            if let Some(category) = self.task.plan.category_of(span.kind) {
                found(span.start, span.end, category);
            }
        }
        if !self.looks {
            return;
        }
        self.memory.say(text);
        if let Some(seen) = self.memory.seen() {
            seen.find(text, |start, end, tag| {
                if let Ok(category) = u8::try_from(tag) {
                    found(start, end, CategoryId(category));
                }
            });
        }
    }
}

impl Prose {
    /// How much more text it takes before a part of it must leave.
    pub(super) fn room(&self) -> usize {
        LONGEST.saturating_sub(self.raw.len()).max(1)
    }

    /// Whether a part of it must leave.
    pub(super) fn is_long(&self) -> bool {
        self.raw.len() >= LONGEST
    }

    /// Takes text as it is written.
    pub(super) fn text(&mut self, text: &[u8]) {
        self.raw.extend_from_slice(text);
        self.texts += text.len();
    }

    /// Takes a tag, or what stands for a comment, that does not end the run.
    pub(super) fn tag(&mut self, tag: &[u8]) {
        if tag.is_empty() {
            return;
        }
        let from = self.raw.len();
        self.raw.extend_from_slice(tag);
        self.tags.push((from, self.raw.len()));
    }

    /// The element that the last tag began shows a value of this category.
    pub(super) fn mark(&mut self, category: CategoryId, is_link: bool) {
        if let Some(&(at, _)) = self.tags.last() {
            self.marks.push(Mark { at, category, is_link });
        }
    }

    pub(super) fn marks(&self) -> Vec<Mark> {
        self.marks.clone()
    }

    /// Whether there is text in it.
    pub(super) fn has_text(&self) -> bool {
        self.texts > 0
    }

    /// Whether values of it are known to be hidden.
    pub(super) fn waits(&self) -> bool {
        !self.marks.is_empty() || self.open.is_some()
    }

    /// Whether names may stand in it.
    pub(super) fn may_name(&self, short: usize) -> bool {
        !self.tags.is_empty()
            || self.texts <= short
            || memchr::memchr3(b':', b'=', b'&', &self.raw).is_some()
            || memchr::memmem::find(&self.raw, "：".as_bytes()).is_some()
    }

    /// Whether a name may begin in it, as far as that is seen at once.
    pub(super) fn may_hold(&self, may_name: impl Fn(&str) -> bool) -> bool {
        let mut tags = self.tags.iter();
        let mut from = self.left;
        loop {
            let tag = tags.find(|(start, _)| *start >= from);
            let end = tag.map_or(self.raw.len(), |(start, _)| *start);
            if may_hold(&self.raw[from..end], &may_name) {
                return true;
            }
            match tag {
                Some((_, to)) => from = *to,
                None => return false,
            }
        }
    }

    /// What has not left of it, as it is read.
    pub(super) fn line(&self) -> Option<Line> {
        let raw = &self.raw;
        let first = self.tags.partition_point(|(from, _)| *from < self.left);
        let tags = self.tags[first..].to_vec();
        let (mut text, mut pieces) = (Vec::with_capacity(self.texts), Vec::new());
        read(raw, self.left, &tags, b"", &mut text, &mut pieces);
        let text = String::from_utf8(text).ok()?;
        let at = |place: usize| {
            let piece = pieces.partition_point(|piece: &Piece| piece.to <= place && piece.from < raw.len());
            pieces.get(piece).map_or(text.len(), |piece| {
                let inside = if piece.is_whole { 0 } else { place.saturating_sub(piece.from) };
                piece.begin + inside
            })
        };
        let edges = tags.iter().map(|(from, _)| at(*from)).collect();
        let elements = tags.iter().map(|(from, to)| element(&raw[*from..*to])).collect();
        let open = self.open.map(|(from, category)| (at(from), category));
        let is_whole = !self.is_cut && self.left == 0;
        Some(Line { text, pieces, tags, edges, elements, is_whole, open })
    }

    /// The tags of a line that begin elements of this name, with their numbers.
    pub(super) fn starts_of(&self, name: &[u8], line: &Line) -> Vec<(usize, Vec<u8>)> {
        let elements = line.elements.iter().enumerate();
        let name = packed(name);
        let starts = elements.filter(|(_, (other, is_end))| *other == name && !is_end);
        starts
            .map(|(number, _)| (number, self.raw[line.tags[number].0..line.tags[number].1].to_vec()))
            .collect()
    }

    /// Puts other texts in the place of these parts, in which nothing is looked for any more. The tags in them stay, behind
    /// them, without what could repeat the value.
    pub(super) fn substitute(&mut self, parts: &[(Range<usize>, Vec<u8>)]) {
        let (old, old_tags) = (std::mem::take(&mut self.raw), std::mem::take(&mut self.tags));
        let mut marks = std::mem::take(&mut self.marks).into_iter().peekable();
        let mut tags = old_tags.iter().copied().peekable();
        let mut at = 0;
        let end = (old.len()..old.len(), Vec::new());
        for (part, stand_in) in parts.iter().chain([&end]) {
            // From here on nothing stands between tags and the value.
            let close = old_tags.iter().rev().skip_while(|(from, _)| *from >= part.start);
            let close = close.fold(part.start, |close, &(from, to)| {
                let apart = to <= close && old[to..close].iter().all(|byte| is_blank(*byte));
                if apart && !part.is_empty() { from } else { close }
            });
            while let Some((from, to)) = tags.next_if(|(from, _)| *from < part.start) {
                self.raw.extend_from_slice(&old[at..from]);
                let start = self.raw.len();
                if from >= close {
                    bare(&old[from..to], &mut self.raw);
                } else {
                    self.raw.extend_from_slice(&old[from..to]);
                }
                self.tags.push((start, self.raw.len()));
                while let Some(mark) = marks.next_if(|mark| mark.at <= from) {
                    self.marks.push(Mark { at: start, ..mark });
                }
                at = to;
            }
            self.raw.extend_from_slice(&old[at..part.start]);
            if !stand_in.is_empty() {
                let start = self.raw.len();
                self.raw.extend_from_slice(stand_in);
                self.tags.push((start, self.raw.len()));
            }
            while let Some((from, to)) = tags.next_if(|(from, _)| *from < part.end) {
                let start = self.raw.len();
                bare(&old[from..to], &mut self.raw);
                self.tags.push((start, self.raw.len()));
                while marks.next_if(|mark| mark.at <= from).is_some() {}
            }
            at = part.end;
        }
    }

    /// The value at its end goes on, where this is its category.
    pub(super) fn go_on(&mut self, category: Option<CategoryId>) {
        self.open = category.map(|category| (self.raw.len(), category));
    }

    /// The run ends: what may leave of it does.
    pub(super) fn finish(&mut self, look: &mut Look<'_>, out: &mut Vec<u8>) {
        if self.raw.is_empty() {
            return;
        }
        if self.texts == 0 {
            self.found.clear();
        } else {
            self.look(look);
        }
        self.give(self.raw.len(), look, out);
        self.raw.clear();
        self.tags.clear();
        self.marks.clear();
        (self.left, self.texts, self.open, self.is_cut) = (0, 0, None, false);
    }

    pub(super) fn is_empty(&self) -> bool {
        self.raw.is_empty()
    }

    /// The text of the run, if it begins as a document in JSON.
    pub(super) fn document(&self) -> Option<String> {
        if self.left > 0 || memchr::memchr3(b'{', b'[', b'&', &self.raw).is_none() {
            return None;
        }
        let mut text = Vec::with_capacity(self.raw.len());
        read(&self.raw, 0, &self.tags, b"", &mut text, &mut Vec::new());
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
    pub(super) fn part(&mut self, look: &mut Look<'_>, out: &mut Vec<u8>) {
        self.look(look);
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
        self.is_cut |= forgotten > 0;
        self.marks.retain_mut(|mark| {
            let stays = mark.at >= forgotten;
            mark.at = mark.at.saturating_sub(forgotten);
            stays
        });
        if let Some((from, _)) = &mut self.open {
            *from = from.saturating_sub(forgotten);
        }
        self.tags.retain_mut(|(from, to)| {
            *from = from.saturating_sub(forgotten);
            *to = to.saturating_sub(forgotten);
            *to > 0
        });
    }

    /// Finds what is in the run, by its place in it.
    fn look(&mut self, look: &mut Look<'_>) {
        self.found.clear();
        let Self { raw, tags, room, places, spans, found, .. } = self;
        let is_plain = tags.is_empty() && memchr::memchr(b'&', raw).is_none();
        if is_plain {
            look.find(raw, spans, |from, to, category| found.push(Found { from, to, category }));
            found.sort_unstable_by_key(|found| (found.from, Reverse(found.to)));
            return;
        }
        // Without text on both sides of a tag they are one.
        let readings: &[&[u8]] = if parts(raw, tags) < 2 { &[b""] } else { &[b"", b" "] };
        for between in readings {
            room.clear();
            places.clear();
            read(raw, 0, tags, between, room, places);
            // A span ends behind the last character that it holds.
            look.find(room, spans, |start, end, category| {
                let (from, to) = (place(places, start).0, place(places, end - 1).1);
                found.push(Found { from, to, category });
            });
        }
        found.sort_unstable_by_key(|found| (found.from, Reverse(found.to)));
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
            push_stand_in(&look.task.plan, means, found.category, &value, look.tally, &mut stand_in);
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

/// Writes a tag without the attributes that could repeat what its element shows.
fn bare(raw: &[u8], out: &mut Vec<u8>) {
    let mut tag = Tag::default();
    if !raw.starts_with(b"<") || raw.starts_with(b"</") || tag.read(raw, false).is_err() {
        return out.extend_from_slice(raw);
    }
    let mut from = 0;
    for attribute in &tag.attributes {
        if repeats(&raw[attribute.name.clone()].to_ascii_lowercase()) {
            out.extend_from_slice(&raw[from..attribute.from]);
            from = attribute.to;
        }
    }
    out.extend_from_slice(&raw[from..]);
}

/// A value without what detectors find in it; `None` where nothing is.
pub(super) fn scrubbed(value: &str, look: &mut Look<'_>) -> Option<String> {
    let mut found = Vec::new();
    look.find(value.as_bytes(), &mut Vec::new(), |start, end, category| {
        found.push((start, Reverse(end), category))
    });
    if found.is_empty() {
        return None;
    }
    found.sort_unstable();
    let means = Means { key: &look.task.key, today: look.task.audience.today };
    let mut left = String::with_capacity(value.len());
    let mut from = 0;
    for (start, Reverse(end), category) in found {
        let start = start.max(from);
        if start >= end {
            continue;
        }
        left.push_str(value.get(from..start).unwrap_or_default());
        let found = value.get(start..end).unwrap_or_default();
        push_stand_in(&look.task.plan, means, category, found, look.tally, &mut left);
        from = end;
    }
    left.push_str(value.get(from..).unwrap_or_default());
    Some(left)
}
