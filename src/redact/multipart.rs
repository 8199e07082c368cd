//! Bodies of several parts: `multipart/mixed`, `related`, `alternative` (RFC 2046) and `form-data` (RFC 7578).
//!
//! Each part is read by its own type. A form's field is a member of the root object; whose a form is, nobody asks: its
//! fields are judged as anybody's. Preamble and epilogue, which no reader shows, are dropped, and of the parts' heads all
//! but what a reader needs.

mod head;

use memchr::memmem::Finder;

use super::judge::{Judge, Left, Refused, Verdict};
use super::place::{Field, Place};
use super::sniff::{Hints, Seen, sniff};
use super::{Charset, Format, Redact, RedactError, Tally, Task};
use crate::policy::set::CategoryId;
use head::Head;

/// Longest head of a part, in bytes.
pub const MAX_PART_HEAD: usize = 8 * 1024;
/// Longest value of a form's text field, in bytes.
pub const MAX_FORM_FIELD: usize = 64 * 1024;
/// Bodies of parts in one another.
pub const MAX_PART_DEPTH: u8 = 2;
/// White space behind a boundary (RFC 2046 5.1.1 calls it transport padding).
const MAX_PADDING: usize = 64;
/// Bytes in which a part is looked at whose type says too little.
const LOOK: usize = 4096;

/// Redacts one body of parts.
pub(super) struct MultipartRedactor {
    refused: Refused,
    parts: Parts,
    /// What was not yet taken.
    held: Vec<u8>,
}

struct Parts {
    judge: Judge,
    /// Inside the root object, whose members a form's fields are.
    place: Place,
    is_form: bool,
    depth: u8,
    boundary: Boundary,
    state: State,
}

enum State {
    /// In front of the first boundary; whether anything was.
    Preamble(bool),
    Head,
    /// In a part; whether a byte of it was taken.
    Body(Part, bool),
    Epilogue,
}

/// What happens to the part that is read.
enum Part {
    Read(Box<dyn Redact>),
    Pass,
    Drop,
    /// Its first bytes tell what it is, unless that is what its type says. With its head.
    Look(Vec<u8>, Vec<u8>, Option<Format>),
    /// A text of a form, as it is judged; with its head.
    Text(Text, Vec<u8>, Vec<u8>),
}

#[derive(Clone, Copy)]
enum Text {
    Keep(Field),
    Hide(CategoryId),
}

impl MultipartRedactor {
    /// For a body with this boundary, which [`is_boundary`] accepts.
    pub(super) fn new(task: Task, boundary: &str, is_form: bool) -> Self {
        Self::at(1, task, boundary, is_form)
    }

    fn at(depth: u8, task: Task, boundary: &str, is_form: bool) -> Self {
        let mut place = Place::new(task.plan.clone());
        place.enter(place.root(), true);
        let parts = Parts {
            judge: Judge::new(task),
            place,
            is_form,
            depth,
            boundary: Boundary::new(boundary),
            state: State::Preamble(false),
        };
        Self { refused: Refused::default(), parts, held: Vec::new() }
    }
}

impl Redact for MultipartRedactor {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { refused, parts, held } = self;
        Refused::guard(refused, || {
            held.extend_from_slice(input);
            parts.take(held, false, out)
        })
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { refused, parts, held } = self;
        let result = Refused::guard(refused, || {
            parts.take(held, true, out)?;
            match parts.state {
                State::Epilogue => Ok(()),
                _ => Err(RedactError::Truncated),
            }
        });
        refused.end();
        result
    }

    fn tally(&self) -> Tally {
        let mut tally = self.parts.judge.tally().clone();
        if let State::Body(Part::Read(reader), _) = &self.parts.state {
            tally.add(&reader.tally());
        }
        tally
    }
}

impl Parts {
    /// Takes what can be taken.
    fn take(&mut self, held: &mut Vec<u8>, last: bool, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let mut from = 0;
        loop {
            let rest = &held[from..];
            let taken = match &mut self.state {
                State::Epilogue => {
                    from = held.len();
                    None
                }
                State::Head => match head::end(rest)? {
                    Some(end) => {
                        let head = Head::parse(&rest[..end])?;
                        let part = self.open(&head, out)?;
                        self.state = State::Body(part, false);
                        Some(end)
                    }
                    None => None,
                },
                State::Preamble(begun) | State::Body(_, begun) => {
                    let at_start = !*begun;
                    match self.boundary.find(rest, at_start, last)? {
                        Found::Line { content, end, closing } => {
                            self.content(&rest[..content], out)?;
                            self.close(out)?;
                            self.state = if closing { State::Epilogue } else { State::Head };
                            if closing {
                                self.boundary.write(b"--\r\n", out);
                            }
                            Some(end)
                        }
                        Found::Content(length) => {
                            self.content(&rest[..length], out)?;
                            from += length;
                            None
                        }
                    }
                }
            };
            match taken {
                Some(length) => from += length,
                None => break,
            }
        }
        held.drain(..from);
        Ok(())
    }

    /// Decides on a part by its head.
    fn open(&mut self, head: &Head, out: &mut Vec<u8>) -> Result<Part, RedactError> {
        let format = head.format()?;
        if head.is_encoded && format.is_some() || head.wraps_a_message() {
            return Err(RedactError::Opaque);
        }
        let name = self.file_name(head);
        let mut written = Vec::new();
        head.write(name.as_deref(), format.as_ref(), &mut written);
        if self.is_form {
            return self.open_field(head, format, written, out);
        }
        match format {
            Some(format) if format.is_sure() => self.read(&format, &written, out),
            None if self.judge.is_declared() => Err(RedactError::Opaque),
            format => Ok(Part::Look(Vec::new(), written, format)),
        }
    }

    /// Decides on a field of a form by its name.
    fn open_field(
        &mut self,
        head: &Head,
        format: Option<Format>,
        written: Vec<u8>,
        out: &mut Vec<u8>,
    ) -> Result<Part, RedactError> {
        let field = self.place.resolve(head.field()?.trim()).field;
        let is_text = format.is_none() && head.is_text();
        let any = self.judge.task.audience.sees.any;
        // What has names of its own is judged by them.
        let verdict =
            if is_text || field.is_personal() { self.judge.judge(field, any) } else { Verdict::Keep };
        match (verdict, format) {
            (Verdict::Drop, _) => Ok(Part::Drop),
            (Verdict::Hide(category), _) if is_text => {
                Ok(Part::Text(Text::Hide(category), Vec::new(), written))
            }
            (Verdict::Hide(_), _) => Ok(Part::Drop),
            (Verdict::Keep, Some(format)) if format.is_sure() => self.read(&format, &written, out),
            (Verdict::Keep, Some(format)) => Ok(Part::Look(Vec::new(), written, Some(format))),
            (Verdict::Keep, None) if is_text => Ok(Part::Text(Text::Keep(field), Vec::new(), written)),
            (Verdict::Keep, None) if field.is_known() => {
                self.boundary.open(&written, out)?;
                Ok(Part::Pass)
            }
            (Verdict::Keep, None) if self.judge.is_declared() => Err(RedactError::Opaque),
            (Verdict::Keep, None) => Ok(Part::Look(Vec::new(), written, None)),
        }
    }

    /// Hands a part to the reader of its format.
    fn read(&mut self, format: &Format, head: &[u8], out: &mut Vec<u8>) -> Result<Part, RedactError> {
        let task = self.judge.task.clone();
        let reader: Box<dyn Redact> = match format {
            Format::Multipart { .. } if self.depth == MAX_PART_DEPTH => return Err(RedactError::TooDeep),
            Format::Multipart { boundary, form } => {
                Box::new(MultipartRedactor::at(self.depth + 1, task, boundary, *form))
            }
            format => format.redactor(task),
        };
        self.boundary.open(head, out)?;
        Ok(Part::Read(reader))
    }

    /// The file name that may leave: where nobody classified it, and such do not leave, its extension alone.
    fn file_name(&mut self, head: &Head) -> Option<String> {
        let (name, extension) = head.file_name()?;
        let field = self.place.member(b"filename");
        let any = self.judge.task.audience.sees.any;
        match self.judge.judge(field, any) {
            Verdict::Keep => Some(name),
            Verdict::Hide(_) | Verdict::Drop => Some(format!("file{extension}")),
        }
    }

    /// Bytes of the open part.
    fn content(&mut self, bytes: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let (part, begun) = match &mut self.state {
            State::Preamble(begun) => {
                *begun |= !bytes.is_empty();
                return Ok(());
            }
            State::Body(part, begun) => (part, begun),
            State::Head | State::Epilogue => return Ok(()),
        };
        *begun |= !bytes.is_empty();
        match part {
            Part::Drop => Ok(()),
            Part::Pass => {
                out.extend_from_slice(bytes);
                Ok(())
            }
            Part::Read(reader) => {
                let mut piece = Vec::with_capacity(bytes.len());
                reader.push(bytes, &mut piece)?;
                self.boundary.pass(&piece, out)
            }
            Part::Text(_, value, _) => {
                value.extend_from_slice(bytes);
                if value.len() > MAX_FORM_FIELD { Err(RedactError::TooLong) } else { Ok(()) }
            }
            Part::Look(start, ..) => {
                start.extend_from_slice(bytes);
                if start.len() < LOOK { Ok(()) } else { self.decide(out) }
            }
        }
    }

    /// Reads a part by what its first bytes show, or by its type; lets it pass where neither is one that is read.
    fn decide(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let State::Body(part, _) = &mut self.state else { return Ok(()) };
        let Part::Look(start, head, format) = part else { return Ok(()) };
        let (start, head, format) = (std::mem::take(start), std::mem::take(head), format.take());
        let plan = &self.judge.task.plan;
        let names = |name: &str| plan.charter_category(name).is_some();
        let seen = sniff(&start, Hints { calls: &|_| false, names: &names, charset: Charset::Unstated }).seen;
        let format = match (format, seen) {
            (Some(format), seen) => Some(format.unless_seen(seen)),
            (None, Some(Seen::Format(format))) => Some(format),
            (None, _) => None,
        };
        let decided = match format {
            Some(format) => self.read(&format, &head, out)?,
            None => {
                self.boundary.open(&head, out)?;
                Part::Pass
            }
        };
        self.state = State::Body(decided, true);
        self.content(&start, out)
    }

    /// The open part is complete.
    fn close(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if matches!(self.state, State::Body(Part::Look(..), _)) {
            self.decide(out)?;
        }
        let State::Body(part, _) = std::mem::replace(&mut self.state, State::Head) else { return Ok(()) };
        match part {
            Part::Drop | Part::Look(..) => return Ok(()),
            Part::Pass => {}
            Part::Read(mut reader) => {
                let mut piece = Vec::new();
                reader.finish(&mut piece)?;
                self.judge.add(&reader.tally());
                self.boundary.pass(&piece, out)?;
            }
            Part::Text(text, value, head) => {
                let value = std::str::from_utf8(&value).map_err(|_| RedactError::NotUtf8)?;
                let any = self.judge.task.audience.sees.any;
                let replaced = match text {
                    Text::Hide(category) => {
                        self.judge.note(category, value);
                        self.judge.stand_in(category, value).map(String::from)
                    }
                    Text::Keep(field) => match self.judge.left(value, field, any) {
                        Left::Same => Some(value.to_owned()),
                        Left::Instead(left) => Some(left),
                        Left::Nothing => None,
                    },
                };
                let Some(replaced) = replaced else { return Ok(()) };
                self.boundary.open(&head, out)?;
                self.boundary.pass(replaced.as_bytes(), out)?;
            }
        }
        out.extend_from_slice(b"\r\n");
        Ok(())
    }
}

/// Whether a boundary is one (RFC 2046 5.1.1).
pub(super) fn is_boundary(text: &str) -> bool {
    let is_one = |byte: u8| byte.is_ascii_alphanumeric() || b"'()+_,-./:=? ".contains(&byte);
    (1..=70).contains(&text.len()) && text.bytes().all(is_one) && !text.ends_with(' ')
}

/// `--` and the boundary: where parts meet.
struct Boundary {
    finder: Finder<'static>,
    /// The last bytes of the open part that left, in which one could have begun.
    tail: Vec<u8>,
}

/// What stands in front of, or up to, the next boundary.
#[derive(Debug, PartialEq, Eq)]
enum Found {
    Line { content: usize, end: usize, closing: bool },
    Content(usize),
}

impl Boundary {
    fn new(boundary: &str) -> Self {
        Self { finder: Finder::new(&format!("--{boundary}")).into_owned(), tail: Vec::new() }
    }

    /// Looks for the line of the next boundary. At the start of a part no line has to end in front of it.
    ///
    /// # Errors
    /// [`RedactError::Malformed`] where the boundary stands in a line: readers disagree on what that is.
    fn find(&self, bytes: &[u8], at_start: bool, last: bool) -> Result<Found, RedactError> {
        let dashed = self.finder.needle();
        let Some(at) = self.finder.find(bytes) else {
            // The beginning of a boundary, with the end of line in front.
            return Ok(Found::Content(bytes.len().saturating_sub(dashed.len() + 1)));
        };
        let content = match bytes[..at].strip_suffix(b"\r\n") {
            Some(content) => content.len(),
            None if at == 0 && at_start => 0,
            None => return Err(RedactError::Malformed),
        };
        let line = &bytes[at + dashed.len()..];
        let closing = line.starts_with(b"--");
        let padding = &line[if closing { 2 } else { 0 }..];
        let length = padding.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        let end = bytes.len() - padding.len() + length;
        match &padding[length..] {
            _ if length > MAX_PADDING => Err(RedactError::Malformed),
            [b'\r', b'\n', ..] => Ok(Found::Line { content, end: end + 2, closing }),
            [] if last && closing => Ok(Found::Line { content, end, closing }),
            // Not the whole line yet, or a second `-` to come. What is in front waits too: it is held already.
            [] | [b'\r'] if !last => Ok(Found::Content(0)),
            [b'-'] if !last && !closing && length == 0 => Ok(Found::Content(0)),
            _ => Err(RedactError::Malformed),
        }
    }

    /// Writes the line and the head of a part that leaves.
    fn open(&mut self, head: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.finder.find(head).is_some() {
            return Err(RedactError::Malformed);
        }
        self.write(b"\r\n", out);
        out.extend_from_slice(head);
        out.extend_from_slice(b"\r\n");
        self.tail.clear();
        Ok(())
    }

    fn write(&self, end: &[u8], out: &mut Vec<u8>) {
        out.extend_from_slice(self.finder.needle());
        out.extend_from_slice(end);
    }

    /// Lets bytes of a part leave, unless with those before they make a boundary.
    fn pass(&mut self, piece: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let keep = self.finder.needle().len() - 1;
        self.tail.extend_from_slice(&piece[..piece.len().min(keep)]);
        let meets = self.finder.find(&self.tail).is_some();
        if meets || self.finder.find(piece).is_some() {
            return Err(RedactError::Malformed);
        }
        if piece.len() > keep {
            self.tail.clear();
            self.tail.extend_from_slice(&piece[piece.len() - keep..]);
        } else if self.tail.len() > keep {
            self.tail.drain(..self.tail.len() - keep);
        }
        out.extend_from_slice(piece);
        Ok(())
    }
}

#[cfg(test)]
mod tests;
