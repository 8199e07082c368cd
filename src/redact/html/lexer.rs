//! Cuts a page into text, tags and what leaves no trace (WHATWG HTML 13.2.5).
//!
//! Every byte belongs to exactly one piece, by the standard's states; where those of different readers part, the page is
//! refused. Comments and their like are passed over, so that no reader of what leaves can read anything in them.

use super::element::Raw;
use super::tag::is_blank;
use crate::redact::RedactError;

/// Longest tag, in bytes: some platforms hand a page's whole data over in one attribute.
pub(super) const MAX_TAG: usize = 1024 * 1024;

/// Longest comment that may leave.
const SHORT: usize = 8;

/// Bytes of which most names consist.
const IN_NAME: [bool; 256] = {
    let mut letters = [false; 256];
    let mut byte = 0;
    while byte < 0x80 {
        letters[byte] = (byte as u8).is_ascii_alphanumeric() || byte as u8 == b'-';
        byte += 1;
    }
    letters
};

/// What follows a start tag.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Next {
    /// Text and tags.
    Content,
    /// Text to the end tag of this element.
    Raw(Raw),
}

/// Who learns what is met.
pub(super) trait Pieces {
    /// Text outside of tags, perhaps not all of it.
    fn text(&mut self, text: &[u8]) -> Result<(), RedactError>;

    /// A whole start tag.
    fn start(&mut self, raw: &[u8]) -> Result<Next, RedactError>;

    /// A whole end tag.
    fn end(&mut self, raw: &[u8]) -> Result<(), RedactError>;

    /// The text of a [`Raw`] element, perhaps not all of it.
    fn raw(&mut self, text: &[u8]) -> Result<(), RedactError>;

    /// Something stood here; it is given where it is a comment of a few signs, which some scripts look for.
    fn comment(&mut self, short: Option<&[u8]>) -> Result<(), RedactError>;

    /// `<!DOCTYPE …>`
    fn doctype(&mut self, raw: &[u8]) -> Result<(), RedactError>;

    /// Whether the innermost open element is of another grammar than HTML.
    fn is_foreign(&self) -> bool;
}

/// Where in something that begins with `<` the reader is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Behind `<`.
    Open,
    /// Behind `</`.
    Slash,
    /// In a tag: of an element that begins, or ends.
    Tag(bool, Inside),
    /// Behind `<!`, so many bytes of `--` or `[CDATA[` or `doctype`.
    Mark(usize),
    Comment(Dashes),
    /// To the next `>`.
    Bogus,
    Doctype,
    /// So many bytes of `]]>` were met.
    Cdata(usize),
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Inside {
    /// The element's name.
    Name,
    /// In front of an attribute.
    Between,
    /// An attribute's name.
    Attribute,
    /// Behind an attribute's name, where its `=` may follow.
    Behind,
    /// Behind `=`.
    Before,
    Quoted(u8),
    Unquoted,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Dashes {
    Start,
    StartDash,
    None,
    One,
    Two,
    Bang,
}

/// What begins with `<`, to its end.
enum Found {
    Tag {
        is_end: bool,
    },
    Comment,
    Gone,
    Doctype,
    Cdata,
    /// It was text: these bytes of it are no more than that.
    Text,
}

/// How far the text of a raw element was read.
#[derive(Clone, Copy, Debug)]
struct Text {
    raw: Raw,
    name: &'static [u8],
    /// A script within `<!--`, where another script may begin that ends it only in the eyes of some.
    escaped: bool,
}

/// See the module.
pub(super) struct Lexer {
    state: Option<State>,
    held: Vec<u8>,
    raw: Option<Text>,
    /// Bytes of the comment that is being passed over; more than [`SHORT`] are not kept.
    passed: usize,
}

impl Lexer {
    pub(super) fn new() -> Self {
        Self { state: None, held: Vec::new(), raw: None, passed: 0 }
    }

    /// Whether the page may end here: not inside a tag, a comment or a raw element.
    pub(super) fn may_end(&self) -> bool {
        self.state.is_none() && self.raw.is_none()
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.held.capacity()
    }

    pub(super) fn push(&mut self, input: &[u8], pieces: &mut impl Pieces) -> Result<(), RedactError> {
        if memchr::memchr(0, input).is_some() {
            return Err(RedactError::Malformed);
        }
        if self.raw.is_some() && !self.held.is_empty() {
            let mut joined = std::mem::take(&mut self.held);
            joined.extend_from_slice(input);
            return self.read(&joined, pieces);
        }
        self.read(input, pieces)
    }

    fn read(&mut self, input: &[u8], pieces: &mut impl Pieces) -> Result<(), RedactError> {
        let mut rest = input;
        while !rest.is_empty() {
            rest = match (self.raw, self.state) {
                (Some(text), _) => self.raw(text, rest, pieces)?,
                (None, None) => match memchr::memchr(b'<', rest) {
                    Some(at) => {
                        if at > 0 {
                            pieces.text(&rest[..at])?;
                        }
                        if let Some(length) = plain(&rest[at..]).filter(|length| *length <= MAX_TAG) {
                            let (piece, behind) = rest[at..].split_at(length);
                            self.give(Found::Tag { is_end: piece[1] == b'/' }, piece, pieces)?;
                            rest = behind;
                            continue;
                        }
                        self.state = Some(State::Open);
                        self.held.clear();
                        self.held.push(b'<');
                        self.passed = 0;
                        self.markup(State::Open, &rest[at..], true, pieces)?
                    }
                    None => {
                        pieces.text(rest)?;
                        &[]
                    }
                },
                (None, Some(state)) => self.markup(state, rest, false, pieces)?,
            };
        }
        Ok(())
    }

    /// Reads on in something that begins with `<`; gives what follows it. With `whole` its `<` is the first byte here.
    fn markup<'a>(
        &mut self,
        state: State,
        bytes: &'a [u8],
        whole: bool,
        pieces: &mut impl Pieces,
    ) -> Result<&'a [u8], RedactError> {
        let mut state = state;
        let mut at = usize::from(whole);
        let mut found = None;
        let foreign = pieces.is_foreign();
        while found.is_none() && at < bytes.len() {
            // Long stretches at the speed of memory.
            let next = match state {
                State::Tag(_, Inside::Quoted(quote)) => memchr::memchr(quote, &bytes[at..]),
                State::Tag(_, Inside::Name | Inside::Attribute) => {
                    bytes[at..].iter().position(|byte| !IN_NAME[usize::from(*byte)])
                }
                State::Comment(Dashes::None) => memchr::memchr(b'-', &bytes[at..]),
                State::Bogus | State::Doctype => memchr::memchr2(b'>', b'<', &bytes[at..]),
                State::Cdata(0) => memchr::memchr(b']', &bytes[at..]),
                _ => Some(0),
            };
            let skipped = next.unwrap_or(bytes.len() - at);
            at += skipped;
            if matches!(state, State::Comment(_)) {
                self.passed += skipped;
            }
            let Some(&byte) = bytes.get(at) else { break };
            (state, found) = self.step(state, byte, foreign)?;
            if matches!(found, Some(Found::Text)) {
                break;
            }
            at += 1;
        }
        // Comments are not kept, but for the shortest.
        let keeps = !matches!(state, State::Comment(_) | State::Bogus) || self.passed <= SHORT + 8;
        match found {
            None => {
                self.state = Some(state);
                if keeps {
                    self.held.extend_from_slice(&bytes[usize::from(whole)..at]);
                }
                if self.held.len() > MAX_TAG {
                    return Err(RedactError::TooLong);
                }
                Ok(&[])
            }
            Some(found) => {
                self.state = None;
                let mut held = std::mem::take(&mut self.held);
                let piece = if whole {
                    &bytes[..at]
                } else {
                    if keeps {
                        held.extend_from_slice(&bytes[..at]);
                    }
                    &held[..]
                };
                if piece.len() > MAX_TAG && matches!(found, Found::Tag { .. } | Found::Cdata) {
                    return Err(RedactError::TooLong);
                }
                self.give(found, piece, pieces)?;
                held.clear();
                self.held = held;
                Ok(&bytes[at..])
            }
        }
    }

    fn give(&mut self, found: Found, piece: &[u8], pieces: &mut impl Pieces) -> Result<(), RedactError> {
        match found {
            Found::Text => pieces.text(piece),
            Found::Gone => pieces.comment(None),
            Found::Comment => {
                let inside = piece.strip_prefix(b"<!--").and_then(|rest| rest.strip_suffix(b"-->"));
                let short = inside.filter(|inside| {
                    inside.len() <= SHORT && inside.iter().all(|byte| b" $[]/?".contains(byte))
                });
                pieces.comment(short.map(|_| piece))
            }
            Found::Doctype => pieces.doctype(piece),
            Found::Cdata => {
                let text = piece.get(b"<![CDATA[".len()..piece.len() - 3).unwrap_or_default();
                // In HTML it would be something else: written as text it is one thing.
                let mut escaped = Vec::new();
                super::entity::escape(&String::from_utf8_lossy(text), &mut escaped);
                pieces.text(&escaped)
            }
            Found::Tag { is_end: true } => pieces.end(piece),
            Found::Tag { is_end: false } => {
                if let Next::Raw(raw) = pieces.start(piece)? {
                    let length = piece[1..].iter().take_while(|byte| byte.is_ascii_alphabetic()).count();
                    let name = &piece[1..=length];
                    let name = NAMES.iter().find(|known| known.eq_ignore_ascii_case(name));
                    let name = name.copied().ok_or(RedactError::Malformed)?;
                    self.raw = Some(Text { raw, name, escaped: false });
                }
                Ok(())
            }
        }
    }

    /// One byte of something that begins with `<`.
    fn step(&mut self, state: State, byte: u8, foreign: bool) -> Result<(State, Option<Found>), RedactError> {
        let goes = |state| Ok((state, None));
        match state {
            State::Open => match byte {
                b'/' => goes(State::Slash),
                b'!' => goes(State::Mark(0)),
                b'?' => goes(State::Bogus),
                b'a'..=b'z' | b'A'..=b'Z' => goes(State::Tag(false, Inside::Name)),
                _ => Ok((state, Some(Found::Text))),
            },
            State::Slash => match byte {
                b'a'..=b'z' | b'A'..=b'Z' => goes(State::Tag(true, Inside::Name)),
                b'>' => Ok((state, Some(Found::Gone))),
                b'<' => Err(RedactError::Malformed),
                _ => goes(State::Bogus),
            },
            State::Tag(is_end, inside) => {
                let next = match (inside, byte) {
                    (Inside::Quoted(quote), byte) if byte == quote => Inside::Between,
                    (Inside::Quoted(_), _) => inside,
                    (Inside::Before, b'"' | b'\'') => Inside::Quoted(byte),
                    (Inside::Before, byte) if is_blank(byte) => inside,
                    // `<a b=>`: some take the `>` for the value.
                    (Inside::Before, b'>') => return Err(RedactError::Malformed),
                    (Inside::Before, _) => Inside::Unquoted,
                    (_, b'>') => return Ok((state, Some(Found::Tag { is_end }))),
                    (Inside::Unquoted, byte) if is_blank(byte) => Inside::Between,
                    (Inside::Unquoted, _) => inside,
                    (_, b'/') => Inside::Between,
                    (Inside::Attribute | Inside::Behind, b'=') => Inside::Before,
                    (Inside::Attribute | Inside::Behind, byte) if is_blank(byte) => Inside::Behind,
                    (_, byte) if is_blank(byte) => Inside::Between,
                    (_, b'"' | b'\'' | b'<' | b'=') => return Err(RedactError::Malformed),
                    (Inside::Name, _) => Inside::Name,
                    _ => Inside::Attribute,
                };
                goes(State::Tag(is_end, next))
            }
            State::Mark(read) => self.mark(read, byte, foreign),
            State::Comment(dashes) => {
                self.passed += 1;
                let next = match (dashes, byte) {
                    (Dashes::Start | Dashes::StartDash | Dashes::Two | Dashes::Bang, b'>') => {
                        return Ok((state, Some(Found::Comment)));
                    }
                    (Dashes::Start, b'-') => Dashes::StartDash,
                    (Dashes::StartDash | Dashes::One | Dashes::Two, b'-') => Dashes::Two,
                    (Dashes::None | Dashes::Bang, b'-') => Dashes::One,
                    (Dashes::Two, b'!') => Dashes::Bang,
                    _ => Dashes::None,
                };
                goes(State::Comment(next))
            }
            State::Bogus if byte == b'>' => Ok((state, Some(Found::Gone))),
            State::Doctype if byte == b'>' => Ok((state, Some(Found::Doctype))),
            // What began by mistake would swallow a tag.
            State::Bogus | State::Doctype if byte == b'<' => Err(RedactError::Malformed),
            State::Bogus | State::Doctype => goes(state),
            State::Cdata(met) => match (met, byte) {
                (2, b'>') => Ok((state, Some(Found::Cdata))),
                (2, b']') => goes(state),
                (_, b']') => goes(State::Cdata(met + 1)),
                _ => goes(State::Cdata(0)),
            },
        }
    }

    /// Behind `<!`: what it is.
    fn mark(&mut self, read: usize, byte: u8, foreign: bool) -> Result<(State, Option<Found>), RedactError> {
        // The first byte decides which of them it can be; `read` counts on from its place in all three.
        const MARKS: [(&[u8], usize); 3] = [(b"--", 0), (b"[CDATA[", 16), (b"doctype", 32)];
        let met = match read {
            0 => MARKS.iter().find(|(mark, _)| mark[0].eq_ignore_ascii_case(&byte)).map(|(_, base)| *base),
            _ => MARKS
                .iter()
                .find(|(_, base)| (*base..*base + 16).contains(&read))
                .filter(|(mark, base)| {
                    mark.get(read - base).is_some_and(|next| next.eq_ignore_ascii_case(&byte))
                })
                .map(|_| read),
        };
        let bogus = if byte == b'>' { Some(Found::Gone) } else { None };
        match met.map(|met| met + 1) {
            None if byte == b'<' => Err(RedactError::Malformed),
            None => Ok((State::Bogus, bogus)),
            Some(2) => {
                self.passed = 0;
                Ok((State::Comment(Dashes::Start), None))
            }
            Some(23) if foreign => Ok((State::Cdata(0), None)),
            Some(23) => Err(RedactError::Malformed),
            Some(39) => Ok((State::Doctype, None)),
            Some(read) => Ok((State::Mark(read), None)),
        }
    }

    /// Reads on in the text of a raw element, to its end tag. A `<` or dashes that are not decided are held.
    fn raw<'a>(
        &mut self,
        mut text: Text,
        bytes: &'a [u8],
        pieces: &mut impl Pieces,
    ) -> Result<&'a [u8], RedactError> {
        let mut rest = bytes;
        loop {
            let signs =
                if text.escaped { memchr::memchr2(b'<', b'-', rest) } else { memchr::memchr(b'<', rest) };
            let at = signs.unwrap_or(rest.len());
            if at > 0 {
                pieces.raw(&rest[..at])?;
                rest = &rest[at..];
            }
            if rest.is_empty() {
                break;
            }
            let length = match sign(rest, &text) {
                Sign::More => {
                    self.held.extend_from_slice(rest);
                    break;
                }
                Sign::Plain(length) => length,
                Sign::Escaped(true) => {
                    text.escaped = true;
                    // Its dashes may end it as well: `<!-->`.
                    2
                }
                Sign::Escaped(false) => {
                    text.escaped = false;
                    3
                }
                Sign::Twice => return Err(RedactError::Malformed),
                Sign::End => {
                    self.raw = None;
                    return Ok(rest);
                }
            };
            pieces.raw(&rest[..length])?;
            rest = &rest[length..];
        }
        self.raw = Some(text);
        Ok(&[])
    }
}

/// Elements whose text is raw.
const NAMES: [&[u8]; 8] =
    [b"script", b"style", b"title", b"textarea", b"xmp", b"iframe", b"noembed", b"noframes"];

/// The length of the tag at the beginning, where it is one as nearly all are written: `<a href="x" hidden>`, `</a>`. Of every
/// other, and of one that is not whole, the states tell.
fn plain(bytes: &[u8]) -> Option<usize> {
    let name = |from: usize| {
        let rest = bytes.get(from..)?;
        let length = rest.iter().position(|byte| !IN_NAME[usize::from(*byte)])?;
        (length > 0).then_some(from + length)
    };
    let from = if bytes.get(1) == Some(&b'/') { 2 } else { 1 };
    if !bytes.get(from)?.is_ascii_alphabetic() {
        return None;
    }
    let mut at = name(from)?;
    loop {
        match bytes.get(at)? {
            b'>' => return Some(at + 1),
            b' ' => at = name(at + 1)?,
            _ => return None,
        }
        if bytes.get(at..at + 2) == Some(b"=\"") {
            at += 2;
            at += memchr::memchr(b'"', bytes.get(at..)?)? + 1;
        }
    }
}

/// What a `<` or a dash in raw text is.
enum Sign {
    /// More bytes are needed.
    More,
    /// So many bytes of text.
    Plain(usize),
    /// A script goes into, or out of, `<!-- … -->`.
    Escaped(bool),
    /// A script begins within it.
    Twice,
    /// The end tag.
    End,
}

fn sign(rest: &[u8], text: &Text) -> Sign {
    let is_script = text.raw == Raw::Script;
    if rest[0] == b'-' {
        let dashes = rest.iter().take_while(|&&byte| byte == b'-').count();
        return match rest.get(dashes) {
            None if dashes < 64 => Sign::More,
            Some(b'>') if dashes > 2 => Sign::Plain(dashes - 2),
            Some(b'>') if dashes == 2 => Sign::Escaped(false),
            _ => Sign::Plain(dashes.saturating_sub(2).max(1)),
        };
    }
    // The name of an end tag, and what ends the name.
    let named = |from: usize, name: &[u8]| match rest.get(from..from + name.len()) {
        Some(start) if start.eq_ignore_ascii_case(name) => match rest.get(from + name.len()) {
            None => Sign::More,
            Some(byte) if is_blank(*byte) || matches!(byte, b'/' | b'>') => Sign::End,
            Some(_) => Sign::Plain(1),
        },
        Some(_) => Sign::Plain(1),
        None if name[..rest.len() - from].eq_ignore_ascii_case(&rest[from..]) => Sign::More,
        None => Sign::Plain(1),
    };
    match rest.get(1) {
        None => Sign::More,
        Some(b'/') => named(2, text.name),
        Some(b'!') if is_script && !text.escaped => match rest.get(2..4) {
            Some(b"--") => Sign::Escaped(true),
            None if b"--".starts_with(&rest[2..]) => Sign::More,
            _ => Sign::Plain(1),
        },
        Some(b's' | b'S') if is_script && text.escaped => match named(1, b"script") {
            Sign::End => Sign::Twice,
            other => other,
        },
        Some(_) => Sign::Plain(1),
    }
}
