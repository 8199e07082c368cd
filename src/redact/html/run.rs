//! A run of a page's text as it is read: without its tags and references, and where each part of it stands.

use std::ops::Range;

use super::entity::{Within, reference};
use super::prose::Mark;
use super::tag::is_blank;
use crate::policy::set::CategoryId;

/// The name of an element that stands within a line: none is longer.
pub(super) type Name = [u8; 8];

pub(super) fn packed(name: &[u8]) -> Name {
    let mut packed = Name::default();
    packed.iter_mut().zip(name).for_each(|(to, byte)| *to = byte.to_ascii_lowercase());
    packed
}

/// A run as it is read.
pub(super) struct Line {
    pub(super) text: String,
    pub(super) pieces: Vec<Piece>,
    /// Its tags, as far as they have not left: where they stand in the run, and in the text.
    pub(super) tags: Vec<(usize, usize)>,
    pub(super) edges: Vec<usize>,
    /// The names of the elements, and whether they end.
    pub(super) elements: Vec<(Name, bool)>,
    /// It begins where the line does.
    pub(super) is_whole: bool,
    /// A hidden value goes on from here.
    pub(super) open: Option<(usize, CategoryId)>,
}

impl Line {
    /// Where a part of the text stands in the run.
    pub(super) fn place(&self, part: Range<usize>) -> Range<usize> {
        place(&self.pieces, part.start).0..place(&self.pieces, part.end.saturating_sub(1).max(part.start)).1
    }

    /// Whether the first text stands in one of these elements.
    pub(super) fn starts_in(&self, names: &[&str]) -> bool {
        let first = self.text.len() - self.text.trim_start().len();
        let before = self.edges.iter().zip(&self.elements).take_while(|(edge, _)| **edge <= first);
        before
            .filter(|(_, (name, is_end))| !is_end && names.iter().any(|one| packed(one.as_bytes()) == *name))
            .count()
            > 0
    }

    /// The text of the element that the tag with this number begins.
    pub(super) fn element(&self, number: usize) -> Range<usize> {
        let (name, _) = &self.elements[number];
        let mut depth = 0_usize;
        for (at, (other, is_end)) in self.elements.iter().enumerate().skip(number) {
            if other == name {
                depth = if *is_end { depth.saturating_sub(1) } else { depth + 1 };
            }
            if depth == 0 {
                return self.edges[number]..self.edges[at];
            }
        }
        self.edges[number]..self.text.len()
    }

    /// The text of a marked element, without the white space around it.
    pub(super) fn inside(&self, mark: Mark) -> Option<Range<usize>> {
        let number = self.tags.iter().position(|(from, _)| *from == mark.at)?;
        let part = self.element(number);
        let text = &self.text[part.clone()];
        let from = part.start + (text.len() - text.trim_start().len());
        Some(from..(part.start + text.trim_end().len()).max(from))
    }
}

/// A piece of a run's text.
#[derive(Clone, Copy, Default)]
pub(super) struct Piece {
    /// Where it begins in the text.
    pub(super) begin: usize,
    /// Where it stands in the run.
    pub(super) from: usize,
    pub(super) to: usize,
    /// It is written otherwise than it is read: a reference, a tag. It stays whole.
    pub(super) is_whole: bool,
}

/// The text of a run, from a place in it on. `pieces` says where it stands.
pub(super) fn read(
    raw: &[u8],
    from: usize,
    tags: &[(usize, usize)],
    between: &[u8],
    text: &mut Vec<u8>,
    pieces: &mut Vec<Piece>,
) {
    let mut tags = tags.iter().copied().peekable();
    let mut at = from;
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

/// How many texts stand between tags, two at most.
pub(super) fn parts(raw: &[u8], tags: &[(usize, usize)]) -> usize {
    let starts = std::iter::once(0).chain(tags.iter().map(|(_, to)| *to));
    let ends = tags.iter().map(|(from, _)| *from).chain([raw.len()]);
    let parts = starts.zip(ends).filter(|(from, to)| raw[*from..*to].iter().any(|byte| !is_blank(*byte)));
    parts.take(2).count()
}

/// Whether a name may begin in a text that is written like this.
pub(super) fn may_hold(raw: &[u8], may_name: impl Fn(&str) -> bool) -> bool {
    let mut rest = raw;
    loop {
        let end = memchr::memchr(b'&', rest).unwrap_or(rest.len());
        if std::str::from_utf8(&rest[..end]).map_or(true, &may_name) {
            return true;
        }
        rest = &rest[end..];
        if rest.is_empty() {
            return false;
        }
        let (meant, length) = reference(rest, Within::Text);
        if meant.is_letter() {
            return true;
        }
        rest = &rest[length..];
    }
}

/// Where in the run the character at this place of the text stands.
pub(super) fn place(pieces: &[Piece], at: usize) -> (usize, usize) {
    let piece = pieces.partition_point(|piece| piece.begin <= at).saturating_sub(1);
    let Piece { begin, from, to, is_whole } = pieces.get(piece).copied().unwrap_or_default();
    if is_whole { (from, to) } else { (from + at - begin, from + at - begin + 1) }
}

/// The element of a tag, and whether it ends there; what is no tag is of none.
pub(super) fn element(tag: &[u8]) -> (Name, bool) {
    let (rest, is_end) = match tag {
        [b'<', b'/', rest @ ..] => (rest, true),
        [b'<', rest @ ..] => (rest, false),
        _ => (&b""[..], false),
    };
    let length = rest.iter().take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'-').count();
    (packed(&rest[..length]), is_end)
}
