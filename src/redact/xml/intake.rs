//! The beginning of a document: its byte order mark, its declaration, and the encoding that they name.

use encoding_rs::{CoderResult, Decoder, Encoding};

use super::name::{is_blank, is_character};
use crate::redact::RedactError;

/// Longest declaration, in bytes.
pub(super) const MAX_DECLARATION: usize = 1024;

const MARK: &[u8] = b"\xef\xbb\xbf";
const BEGIN: &[u8] = b"<?xml";

/// Gives a document as UTF-8, cut between characters.
pub(super) struct Intake {
    source: Source,
    /// The beginning, or the first bytes of a character.
    carry: Vec<u8>,
    text: String,
}

enum Source {
    /// Nothing is known of it yet.
    Beginning,
    Utf8,
    /// Transcoded; the declaration says UTF-8 then.
    Other(Box<Decoder>),
}

impl Intake {
    pub(super) fn new() -> Self {
        Self { source: Source::Beginning, carry: Vec::new(), text: String::new() }
    }

    /// The byte order mark and the declaration go into `out`, what follows to `take`.
    pub(super) fn push(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        mut take: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        if matches!(self.source, Source::Beginning) {
            self.carry.extend_from_slice(input);
            let Some(end) = declaration(&self.carry)? else { return Ok(()) };
            let beginning = std::mem::take(&mut self.carry);
            let (head, rest) = beginning.split_at(end);
            self.source = begin(head, out)?;
            return self.give(rest, out, &mut take);
        }
        self.give(input, out, &mut take)
    }

    /// The document is complete.
    pub(super) fn finish(
        &mut self,
        out: &mut Vec<u8>,
        mut take: impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        if matches!(self.source, Source::Beginning) {
            if self.carry.strip_prefix(MARK).unwrap_or(&self.carry).starts_with(BEGIN) {
                return Err(RedactError::Truncated);
            }
            // Shorter than a declaration: whatever it is, it is judged as it stands.
            let beginning = std::mem::take(&mut self.carry);
            self.source = Source::Utf8;
            self.give(&beginning, out, &mut take)?;
        }
        if self.carry.is_empty() { Ok(()) } else { Err(RedactError::NotUtf8) }
    }

    fn give(
        &mut self,
        input: &[u8],
        out: &mut Vec<u8>,
        take: &mut impl FnMut(&[u8], &mut Vec<u8>) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        if let Source::Other(decoder) = &mut self.source {
            let mut rest = input;
            while !rest.is_empty() {
                self.text.clear();
                self.text.reserve(BLOCK);
                let (result, read, _) = decoder.decode_to_string(rest, &mut self.text, false);
                rest = &rest[read..];
                check(&self.text)?;
                take(self.text.as_bytes(), out)?;
                if result == CoderResult::InputEmpty {
                    break;
                }
            }
            return Ok(());
        }
        let mut input = input;
        while !self.carry.is_empty() && !input.is_empty() {
            self.carry.push(input[0]);
            input = &input[1..];
            match std::str::from_utf8(&self.carry) {
                Ok(text) => {
                    check(text)?;
                    take(text.as_bytes(), out)?;
                    self.carry.clear();
                }
                Err(error) if error.error_len().is_some() => return Err(RedactError::NotUtf8),
                Err(_) => {}
            }
        }
        let sound = match simdutf8::compat::from_utf8(input) {
            Ok(text) => text,
            Err(error) if error.error_len().is_some() => return Err(RedactError::NotUtf8),
            Err(error) => {
                let (sound, rest) = input.split_at(error.valid_up_to());
                self.carry.extend_from_slice(rest);
                std::str::from_utf8(sound).map_err(|_| RedactError::NotUtf8)?
            }
        };
        check(sound)?;
        take(sound.as_bytes(), out)
    }
}

/// Bytes that are transcoded at once.
const BLOCK: usize = 16 * 1024;

/// Only characters that XML allows: no NUL, no control characters, no U+FFFE.
fn check(text: &str) -> Result<(), RedactError> {
    let bytes = text.as_bytes();
    let controls = bytes.iter().fold(false, |any, &byte| any | (byte < b' ' && !is_blank(byte)));
    let excluded = memchr::memchr_iter(0xef, bytes)
        .any(|at| text.get(at..).and_then(|text| text.chars().next()).is_some_and(|c| !is_character(c)));
    if controls || excluded { Err(RedactError::Malformed) } else { Ok(()) }
}

/// Where the declaration ends, 0 where there is none; `None` while it is not known.
fn declaration(start: &[u8]) -> Result<Option<usize>, RedactError> {
    if start.len() < MARK.len() && MARK.starts_with(start) {
        return Ok(None);
    }
    let mark = if start.starts_with(MARK) { MARK.len() } else { 0 };
    let text = &start[mark..];
    if text.len() <= BEGIN.len() {
        return Ok((!BEGIN.starts_with(text)).then_some(mark));
    }
    if !text.starts_with(BEGIN) || !is_blank(text[BEGIN.len()]) {
        return Ok(Some(mark));
    }
    match memchr::memmem::find(text, b"?>") {
        Some(end) if end <= MAX_DECLARATION => Ok(Some(mark + end + 2)),
        None if text.len() <= MAX_DECLARATION => Ok(None),
        _ => Err(RedactError::TooLong),
    }
}

/// Reads the mark and the declaration, and writes them as they are to leave.
fn begin(head: &[u8], out: &mut Vec<u8>) -> Result<Source, RedactError> {
    let text = head.strip_prefix(MARK);
    let marked = text.is_some();
    let text = text.unwrap_or(head);
    let Some(encoding) = encoding(text)? else {
        out.extend_from_slice(head);
        return Ok(Source::Utf8);
    };
    let (from, label) = encoding;
    if matches!(label.to_ascii_lowercase().as_slice(), b"utf-8" | b"utf8" | b"us-ascii" | b"ascii") {
        out.extend_from_slice(head);
        return Ok(Source::Utf8);
    }
    let known = LATIN.iter().any(|name| name.eq_ignore_ascii_case(label));
    let encoding = Encoding::for_label(label).filter(|_| known && !marked).ok_or(RedactError::NotUtf8)?;
    out.extend_from_slice(&text[..from]);
    out.extend_from_slice(b"UTF-8");
    out.extend_from_slice(&text[from + label.len()..]);
    Ok(Source::Other(Box::new(encoding.new_decoder_without_bom_handling())))
}

/// Encodings of one byte that agree with ASCII, in which school administrations still write.
const LATIN: [&[u8]; 6] =
    [b"iso-8859-1", b"iso8859-1", b"latin1", b"iso-8859-15", b"windows-1252", b"cp1252"];

/// The encoding that a declaration names, and where (production 23).
fn encoding(text: &[u8]) -> Result<Option<(usize, &[u8])>, RedactError> {
    let Some(inside) = text.strip_prefix(BEGIN).and_then(|text| text.strip_suffix(b"?>")) else {
        return Ok(None);
    };
    let (mut at, mut order, mut found) = (0, 0, None);
    loop {
        let blanks = inside[at..].iter().take_while(|&&byte| is_blank(byte)).count();
        at += blanks;
        if at == inside.len() && order > 0 {
            return Ok(found);
        }
        let (name, value) = pair(&inside[at..]).filter(|_| blanks > 0).ok_or(RedactError::Malformed)?;
        let start = BEGIN.len() + at + value.start;
        let value = &inside[at..][value];
        let place = match (name, value) {
            // XML 1.1 has other characters and line ends.
            (b"version", b"1.0") => 1,
            (b"encoding", label) if !label.is_empty() => {
                found = Some((start, label));
                2
            }
            (b"standalone", b"yes" | b"no") => 3,
            _ => return Err(RedactError::Malformed),
        };
        if place <= order || (order == 0 && place != 1) {
            return Err(RedactError::Malformed);
        }
        order = place;
        at = start - BEGIN.len() + value.len() + 1;
    }
}

/// A name and where its value stands: `version = "1.0"`.
fn pair(text: &[u8]) -> Option<(&[u8], std::ops::Range<usize>)> {
    let name = text.iter().take_while(|byte| byte.is_ascii_lowercase()).count();
    let blanks = |at: usize| text[at..].iter().take_while(|&&byte| is_blank(byte)).count();
    let mut at = name + blanks(name);
    if text.get(at) != Some(&b'=') {
        return None;
    }
    at += 1;
    at += blanks(at);
    let quote = *text.get(at).filter(|quote| matches!(quote, b'"' | b'\''))?;
    let length = memchr::memchr(quote, &text[at + 1..])?;
    Some((&text[..name], at + 1..at + 1 + length))
}
