//! Cuts a document into tags, texts and what is left out, from chunks cut anywhere.
//!
//! Crates that read XML pull from a reader, gather comments of any length and let much pass that is not well-formed. This
//! is pushed, keeps one unfinished tag at most, and gives the bytes as they were written. The tests hold it against
//! quick-xml.

use memchr::{memchr2, memchr3};

use super::doctype::is_doctype;
use super::name::{is_unqualified, reference};
use super::tag::{Attribute, Tag, parse};
use crate::redact::RedactError;

/// Longest tag, in bytes.
pub(super) const MAX_TAG: usize = 64 * 1024;

const CDATA: &[u8] = b"<![CDATA[";
const COMMENT: &[u8] = b"<!--";
const DOCTYPE: &[u8] = b"<!DOCTYPE";

/// Who takes the pieces.
pub(super) trait Pieces {
    /// A start tag, or the tag of an empty element: [`Pieces::end`] follows that one at once, with nothing.
    fn start(&mut self, tag: Tag<'_>) -> Result<(), RedactError>;

    /// An end tag: all of it, and its name.
    fn end(&mut self, raw: &[u8], name: Option<&[u8]>, at: u64) -> Result<(), RedactError>;

    /// A piece of text as it is written, and what it means.
    fn text(&mut self, raw: &[u8], text: &[u8]) -> Result<(), RedactError>;
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// Text; so many `]` stand at its end.
    Text { brackets: u8 },
    /// In a tag, a reference or the beginning of something else.
    Markup(Scan),
    /// So many `-` stand at its end.
    Comment { dashes: u8 },
    /// Whether a `?` stands at its end; whether nothing but `>` may follow that.
    Instruction { question: bool, ends: bool },
    /// So many `]` stand at its end, not given yet.
    Cdata { brackets: u8 },
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Scan {
    /// In front of `<` or `&`.
    Begin,
    /// Behind `<`.
    Less,
    /// In a tag, between the quotes of a value or not.
    Tag {
        quote: Option<u8>,
    },
    Reference,
    /// Behind `<!` and so many bytes of what begins so.
    Bang {
        seen: usize,
        kind: Bang,
    },
    /// In a declaration of the document's type, between the quotes of an identifier or not.
    Doctype {
        quote: Option<u8>,
    },
    /// In the name behind `<?`.
    Target,
}

/// What begins with `<!`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bang {
    Comment,
    Cdata,
    Doctype,
}

impl Bang {
    fn opening(self) -> &'static [u8] {
        match self {
            Self::Comment => COMMENT,
            Self::Cdata => CDATA,
            Self::Doctype => DOCTYPE,
        }
    }
}

/// See the module.
#[derive(Debug)]
pub(super) struct Lexer {
    state: State,
    /// Neither a tag nor a DOCTYPE has come, so that one may (production 22).
    may_declare: bool,
    /// The beginning of a token whose end has not come.
    carry: Vec<u8>,
    /// Bytes in front of `carry`.
    position: u64,
    attributes: Vec<Attribute>,
}

impl Lexer {
    pub(super) fn new() -> Self {
        let state = State::Text { brackets: 0 };
        Self { state, may_declare: true, carry: Vec::new(), position: 0, attributes: Vec::new() }
    }

    /// Bytes taken.
    pub(super) fn position(&self) -> u64 {
        self.position + self.carry.len() as u64
    }

    /// Bytes of which something was given, or never will be.
    pub(super) fn settled(&self) -> u64 {
        self.position
    }

    pub(super) fn push(&mut self, mut input: &[u8], pieces: &mut impl Pieces) -> Result<(), RedactError> {
        while !input.is_empty() {
            let used = match self.state {
                State::Text { brackets } => self.text(input, brackets, pieces)?,
                State::Markup(scan) => self.markup(scan, input, pieces)?,
                State::Comment { dashes } => self.comment(input, dashes)?,
                State::Instruction { question, ends } => self.instruction(input, question, ends)?,
                State::Cdata { brackets } => self.cdata(input, brackets, pieces)?,
            };
            input = &input[used..];
        }
        Ok(())
    }

    /// Whether the document may end here.
    pub(super) fn may_end(&self) -> bool {
        matches!(self.state, State::Text { .. })
    }

    fn used(&mut self, count: usize, state: State) -> usize {
        self.position += count as u64;
        self.state = state;
        count
    }

    fn text(&mut self, input: &[u8], brackets: u8, pieces: &mut impl Pieces) -> Result<usize, RedactError> {
        let mut from = 0;
        let end = loop {
            let found = memchr3(b'<', b'&', b'>', &input[from..]).map(|at| from + at);
            match found {
                Some(at) if input[at] == b'>' => {
                    // `]]>` may not stand in a text (production 14).
                    if brackets_before(input, at, brackets) >= 2 {
                        return Err(RedactError::Malformed);
                    }
                    from = at + 1;
                }
                Some(at) => break at,
                None => break input.len(),
            }
        };
        let text = &input[..end];
        if end > 0 {
            pieces.text(text, text)?;
        }
        let state = if end < input.len() {
            State::Markup(Scan::Begin)
        } else {
            State::Text { brackets: brackets_before(text, end, brackets) }
        };
        Ok(self.used(end, state))
    }

    fn markup(
        &mut self,
        mut scan: Scan,
        input: &[u8],
        pieces: &mut impl Pieces,
    ) -> Result<usize, RedactError> {
        if scan == Scan::Begin
            && let Some(end) = whole_tag(input)?
            && end <= MAX_TAG
        {
            self.token(scan, &input[..end], pieces)?;
            return Ok(end);
        }
        let Some(end) = scan.advance(input)? else {
            self.carry.extend_from_slice(input);
            self.state = State::Markup(scan);
            return if self.carry.len() > MAX_TAG { Err(RedactError::TooLong) } else { Ok(input.len()) };
        };
        if self.carry.len() + end > MAX_TAG {
            return Err(RedactError::TooLong);
        }
        if self.carry.is_empty() {
            self.token(scan, &input[..end], pieces)?;
        } else {
            let mut token = std::mem::take(&mut self.carry);
            token.extend_from_slice(&input[..end]);
            self.token(scan, &token, pieces)?;
            token.clear();
            self.carry = token;
        }
        Ok(end)
    }

    /// A whole token.
    fn token(&mut self, scan: Scan, raw: &[u8], pieces: &mut impl Pieces) -> Result<(), RedactError> {
        let mut next = State::Text { brackets: 0 };
        match scan {
            Scan::Reference => {
                let character = reference(raw).ok_or(RedactError::Malformed)?;
                pieces.text(raw, character.encode_utf8(&mut [0; 4]).as_bytes())?;
            }
            Scan::Bang { kind: Bang::Comment, .. } => next = State::Comment { dashes: 0 },
            Scan::Bang { .. } => {
                pieces.text(raw, b"")?;
                next = State::Cdata { brackets: 0 };
            }
            // Without a subset of its own it declares nothing, and without its address nobody fetches one: it is left
            // out, and the document means to its reader what it means here.
            Scan::Doctype { .. } => {
                let text = std::str::from_utf8(raw).map_err(|_| RedactError::NotUtf8)?;
                if !std::mem::take(&mut self.may_declare) || !is_doctype(text) {
                    return Err(RedactError::Malformed);
                }
            }
            Scan::Target => {
                let (last, target) = raw.split_last().ok_or(RedactError::Malformed)?;
                let target = std::str::from_utf8(&target[2..]).map_err(|_| RedactError::NotUtf8)?;
                // The declaration was read before, where alone it may stand.
                if !is_unqualified(target) || target.eq_ignore_ascii_case("xml") {
                    return Err(RedactError::Malformed);
                }
                next = State::Instruction { question: *last == b'?', ends: *last == b'?' };
            }
            Scan::Begin | Scan::Less | Scan::Tag { .. } if raw.starts_with(b"</") => {
                // That it is the name of the open element says that it is a name.
                let name = &raw[2..raw.len() - 1];
                let name = name.trim_ascii_end();
                pieces.end(raw, Some(name), self.position)?;
            }
            Scan::Begin | Scan::Less | Scan::Tag { .. } => {
                self.may_declare = false;
                let name = parse(raw, &mut self.attributes)?;
                let tag = Tag { at: self.position, raw, name, attributes: &self.attributes };
                pieces.start(tag)?;
                if tag.is_empty() {
                    pieces.end(b"", None, self.position + raw.len() as u64)?;
                }
            }
        }
        self.used(raw.len(), next);
        Ok(())
    }

    /// Comments leave out what they hold, which can be anything.
    fn comment(&mut self, input: &[u8], mut dashes: u8) -> Result<usize, RedactError> {
        let mut at = 0;
        while at < input.len() {
            match (dashes, input[at]) {
                (2, b'>') => return Ok(self.used(at + 1, State::Text { brackets: 0 })),
                (2, _) => return Err(RedactError::Malformed),
                (_, b'-') => dashes += 1,
                _ => {
                    dashes = 0;
                    at += memchr::memchr(b'-', &input[at..]).unwrap_or(input.len() - at);
                    continue;
                }
            }
            at += 1;
        }
        Ok(self.used(input.len(), State::Comment { dashes }))
    }

    fn instruction(&mut self, input: &[u8], mut question: bool, ends: bool) -> Result<usize, RedactError> {
        if ends && input[0] != b'>' {
            return Err(RedactError::Malformed);
        }
        for (at, &byte) in input.iter().enumerate() {
            if question && byte == b'>' {
                return Ok(self.used(at + 1, State::Text { brackets: 0 }));
            }
            question = byte == b'?';
        }
        Ok(self.used(input.len(), State::Instruction { question, ends: false }))
    }

    fn cdata(
        &mut self,
        input: &[u8],
        mut brackets: u8,
        pieces: &mut impl Pieces,
    ) -> Result<usize, RedactError> {
        let mut at = 0;
        while at < input.len() {
            match (brackets, input[at]) {
                (2, b'>') => {
                    pieces.text(b"]]>", b"")?;
                    return Ok(self.used(at + 1, State::Text { brackets: 0 }));
                }
                (2, b']') => pieces.text(b"]", b"]")?,
                (_, b']') => brackets += 1,
                _ => {
                    let given = &b"]]"[..usize::from(brackets)];
                    if !given.is_empty() {
                        pieces.text(given, given)?;
                    }
                    brackets = 0;
                    let length = memchr::memchr(b']', &input[at..]).unwrap_or(input.len() - at);
                    let text = &input[at..at + length];
                    pieces.text(text, text)?;
                    at += length;
                    continue;
                }
            }
            at += 1;
        }
        Ok(self.used(input.len(), State::Cdata { brackets }))
    }

    #[cfg(test)]
    pub(super) fn capacity(&self) -> usize {
        self.carry.capacity() + self.attributes.capacity() * size_of::<Attribute>()
    }
}

/// `]` that stand in front of a place, two at most; `before` of them in front of the piece.
fn brackets_before(text: &[u8], at: usize, before: u8) -> u8 {
    match &text[..at] {
        [.., b']', b']'] => 2,
        [b']'] => (before + 1).min(2),
        [.., b']'] => 1,
        [] => before,
        _ => 0,
    }
}

/// Where the tag ends that begins here, if it is one and ends here: what most tokens are, and too short to search for
/// their ends with vectors.
fn whole_tag(input: &[u8]) -> Result<Option<usize>, RedactError> {
    let [b'<', second, ..] = *input else { return Ok(None) };
    if matches!(second, b'!' | b'?' | b'>') {
        return Ok(None);
    }
    let mut at = 2;
    while let Some(&byte) = input.get(at) {
        at += 1;
        match byte {
            b'>' => return Ok(Some(at)),
            b'"' | b'\'' => match memchr2(byte, b'<', &input[at..]) {
                None => return Ok(None),
                Some(length) if input[at + length] == b'<' => return Err(RedactError::Malformed),
                Some(length) => at += length + 1,
            },
            _ => {}
        }
    }
    Ok(None)
}

impl Scan {
    /// Looks for the end of the token; stays at what it learned where it does not come.
    fn advance(&mut self, input: &[u8]) -> Result<Option<usize>, RedactError> {
        let mut at = 0;
        while at < input.len() {
            let byte = input[at];
            match *self {
                Self::Begin => *self = if byte == b'&' { Self::Reference } else { Self::Less },
                Self::Less => {
                    *self = match byte {
                        b'!' => Self::Bang { seen: 0, kind: Bang::Cdata },
                        b'?' => Self::Target,
                        b'>' => return Err(RedactError::Malformed),
                        _ => Self::Tag { quote: None },
                    }
                }
                Self::Tag { quote: None } => match memchr3(b'>', b'"', b'\'', &input[at..]) {
                    None => return Ok(None),
                    Some(length) if input[at + length] == b'>' => return Ok(Some(at + length + 1)),
                    Some(length) => {
                        *self = Self::Tag { quote: Some(input[at + length]) };
                        at += length;
                    }
                },
                Self::Tag { quote: Some(quote) } => match memchr2(quote, b'<', &input[at..]) {
                    None => return Ok(None),
                    Some(length) if input[at + length] == b'<' => return Err(RedactError::Malformed),
                    Some(length) => {
                        *self = Self::Tag { quote: None };
                        at += length;
                    }
                },
                Self::Reference if byte == b';' => return Ok(Some(at + 1)),
                Self::Reference if byte.is_ascii_alphanumeric() || byte == b'#' => {}
                Self::Reference => return Err(RedactError::Malformed),
                Self::Bang { seen, kind } => {
                    let kind = match byte {
                        b'-' if seen == 0 => Bang::Comment,
                        b'D' if seen == 0 => Bang::Doctype,
                        _ => kind,
                    };
                    let expected = &kind.opening()[2..];
                    if expected.get(seen) != Some(&byte) {
                        return Err(RedactError::Malformed);
                    }
                    *self = Self::Bang { seen: seen + 1, kind };
                    if seen + 1 == expected.len() {
                        if kind != Bang::Doctype {
                            return Ok(Some(at + 1));
                        }
                        *self = Self::Doctype { quote: None };
                    }
                }
                Self::Doctype { quote: Some(quote) } => {
                    if byte == quote {
                        *self = Self::Doctype { quote: None };
                    }
                }
                Self::Doctype { quote: None } => match byte {
                    b'>' => return Ok(Some(at + 1)),
                    b'"' | b'\'' => *self = Self::Doctype { quote: Some(byte) },
                    // A subset: entities without end, and files of the server.
                    b'[' | b'<' => return Err(RedactError::Malformed),
                    _ => {}
                },
                Self::Target if super::name::is_blank(byte) || byte == b'?' => return Ok(Some(at + 1)),
                Self::Target => {}
            }
            at += 1;
        }
        Ok(None)
    }
}
