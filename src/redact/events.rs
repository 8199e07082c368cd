//! Server-sent events (WHATWG HTML 9.2): the data of each event is JSON, and is redacted as such.
//!
//! The stream is written anew, so that every client reads it as it was judged: lines end with LF, one space follows each
//! colon, and fields that clients ignore are left out. Comments lose their text, for it may hold anything, and stay as
//! heartbeats. An event leaves when its blank line comes, a comment when its line ends.

use std::borrow::Cow;

use memchr::memchr2;

use super::{
    Charset, Format, Redact, RedactError, Tally, Task,
    judge::{Judge, Refused, Verdict},
    keys::Keys,
    place::{Field, Place},
    sniff::{Hints, Seen, begins_as_json, sniff},
    texts::Loose,
};

/// Longest line, and longest data of one event, in bytes.
pub const MAX_EVENT: usize = 1 << 20;
/// Longest type and longest identifier of an event, in bytes.
pub const MAX_TOKEN: usize = 64;

/// See the module.
pub(super) struct Events {
    stream: Stream,
    refused: Refused,
}

struct Stream {
    judge: Judge,
    root: Field,
    /// The events of a stream have the same names.
    keys: Keys,
    event: Event,
    /// A line that a chunk cut.
    line: Vec<u8>,
    begun: bool,
    /// The last line ended with CR: a line feed right behind belongs to it.
    after_return: bool,
}

/// What the lines since the last blank one said.
#[derive(Default)]
struct Event {
    kind: Kind,
    id: Option<Vec<u8>>,
    retry: Option<Vec<u8>>,
    data: Option<Vec<u8>>,
}

/// An event's type.
#[derive(Default)]
enum Kind {
    #[default]
    Message,
    Token(Vec<u8>),
    /// Something else than a token: it could be anybody's name.
    Odd,
}

impl Events {
    pub(super) fn new(task: Task) -> Self {
        let root = Place::new(task.plan.clone()).root();
        let stream = Stream {
            judge: Judge::new(task),
            root,
            keys: Keys::default(),
            event: Event::default(),
            line: Vec::new(),
            begun: false,
            after_return: false,
        };
        Self { stream, refused: Refused::default() }
    }
}

impl Redact for Events {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { stream, refused } = self;
        Refused::guard(refused, || stream.push(input, out))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Self { stream, refused } = self;
        Refused::guard(refused, || stream.finish(out))?;
        refused.end();
        Ok(())
    }

    fn tally(&self) -> Tally {
        self.stream.judge.tally().clone()
    }
}

impl Stream {
    fn push(&mut self, mut input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        while let Some(&first) = input.first() {
            if std::mem::take(&mut self.after_return) && first == b'\n' {
                input = &input[1..];
                continue;
            }
            let end = memchr2(b'\r', b'\n', input);
            let (part, rest) = input.split_at(end.unwrap_or(input.len()));
            if self.line.len() + part.len() > MAX_EVENT {
                return Err(RedactError::TooLong);
            }
            let Some(&sign) = rest.first() else {
                self.line.extend_from_slice(part);
                return Ok(());
            };
            self.after_return = sign == b'\r';
            input = &rest[1..];
            if self.line.is_empty() {
                self.line(part, out)?;
            } else {
                let mut line = std::mem::take(&mut self.line);
                line.extend_from_slice(part);
                self.line(&line, out)?;
                line.clear();
                self.line = line;
            }
        }
        Ok(())
    }

    /// The end of the stream. Browsers forget an event without its blank line, others take it: it leaves as it came,
    /// redacted, and without one.
    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let line = std::mem::take(&mut self.line);
        if !line.is_empty() {
            self.line(&line, out)?;
        }
        self.dispatch(out)
    }

    fn line(&mut self, mut line: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if !std::mem::replace(&mut self.begun, true) {
            line = line.strip_prefix(b"\xEF\xBB\xBF").unwrap_or(line);
        }
        let colon = line.iter().position(|&byte| byte == b':');
        let (name, value) = line.split_at(colon.unwrap_or(line.len()));
        let value = value.strip_prefix(b":").unwrap_or(value);
        let value = value.strip_prefix(b" ").unwrap_or(value);
        let event = &mut self.event;
        match name {
            b"" if line.is_empty() => {
                self.dispatch(out)?;
                out.push(b'\n');
            }
            b"" => out.extend_from_slice(b":\n"),
            b"data" => match &mut event.data {
                None => event.data = Some(value.to_vec()),
                Some(data) if data.len() + value.len() >= MAX_EVENT => return Err(RedactError::TooLong),
                Some(data) => {
                    data.push(b'\n');
                    data.extend_from_slice(value);
                }
            },
            b"event" if value.is_empty() => event.kind = Kind::Message,
            b"event" if is_token(value) => event.kind = Kind::Token(value.to_vec()),
            b"event" => event.kind = Kind::Odd,
            b"id" => event.id = is_opaque(value).then(|| value.to_vec()),
            b"retry" if (1..=9).contains(&value.len()) && value.iter().all(u8::is_ascii_digit) => {
                event.retry = Some(value.to_vec());
            }
            _ => {}
        }
        Ok(())
    }

    /// Writes the event, if there is one.
    fn dispatch(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        let Event { kind, id, retry, data } = std::mem::take(&mut self.event);
        if let Some(retry) = retry {
            field(b"retry", &retry, out);
        }
        if let Some(id) = id {
            field(b"id", &id, out);
        }
        let Some(data) = data else { return Ok(()) };
        let data = match kind {
            Kind::Odd => {
                let mut tally = Tally::default();
                tally.unclassified();
                self.judge.add(&tally);
                return Ok(());
            }
            Kind::Message => self.data(&data)?,
            Kind::Token(kind) => {
                let data = self.data(&data)?;
                if data.is_some() {
                    field(b"event", &kind, out);
                }
                data
            }
        };
        if let Some(data) = data {
            for line in data.split(|&byte| matches!(byte, b'\n' | b'\r')) {
                field(b"data", line, out);
            }
        }
        Ok(())
    }

    /// The format of data that is no JSON.
    fn other(&self, data: &[u8]) -> Option<Format> {
        let plan = &self.judge.task.plan;
        let names = |name: &str| plan.charter_category(name).is_some();
        let hints = Hints { calls: &|_| false, names: &names, charset: Charset::Utf8 };
        match sniff(data, hints).seen {
            // Events in events are read by nobody.
            Some(Seen::Format(format)) if format != Format::Events => Some(format),
            _ => None,
        }
    }

    /// What may leave of an event's data; `None` where the event does not.
    fn data<'a>(&mut self, data: &'a [u8]) -> Result<Option<Cow<'a, [u8]>>, RedactError> {
        if data.trim_ascii().is_empty() {
            return Ok(Some(Cow::Borrowed(data)));
        }
        let mut redacted = Vec::with_capacity(data.len());
        let mut texts = Loose::new(self.judge.task.clone()).knowing(std::mem::take(&mut self.keys));
        let error = match texts.push(data, &mut redacted).and_then(|()| texts.finish(&mut redacted)) {
            Ok(()) => {
                self.judge.add(&texts.tally());
                self.keys = texts.into_keys();
                return Ok(Some(Cow::Owned(redacted)));
            }
            Err(error) => error,
        };
        let Ok(text) = std::str::from_utf8(data) else { return Err(RedactError::NotUtf8) };
        if begins_as_json(data) != Some(false) {
            return Err(error);
        }
        if let Some(format) = self.other(data) {
            let mut reader = format.redactor(self.judge.task.clone());
            let mut redacted = Vec::with_capacity(data.len());
            reader.push(data, &mut redacted)?;
            reader.finish(&mut redacted)?;
            self.judge.add(&reader.tally());
            return Ok(Some(Cow::Owned(redacted)));
        }
        // Nothing that is read: a value that nobody classified.
        Ok(match self.judge.judge(self.root, self.judge.task.audience.sees.any) {
            Verdict::Keep => Some(Cow::Borrowed(data)),
            Verdict::Drop => None,
            Verdict::Hide(category) => {
                self.judge.stand_in(category, text).map(|text| Cow::Owned(text.into_owned().into_bytes()))
            }
        })
    }
}

fn field(name: &[u8], value: &[u8], out: &mut Vec<u8>) {
    out.extend_from_slice(name);
    out.extend_from_slice(b": ");
    out.extend_from_slice(value);
    out.push(b'\n');
}

/// A word that programs choose for other programs.
pub(super) fn is_token(value: &[u8]) -> bool {
    value.len() <= MAX_TOKEN
        && value
            .iter()
            .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'-' | b'.' | b':' | b'/'))
}

/// An identifier that cannot be a name: a number, hexadecimal digits, a UUID, several of them. An empty one means that
/// there is none any more.
fn is_opaque(value: &[u8]) -> bool {
    let digits = value.strip_prefix(b"urn:uuid:").unwrap_or(value);
    value.is_empty()
        || value.len() <= MAX_TOKEN
            && digits.iter().any(u8::is_ascii_digit)
            && digits.iter().all(|byte| byte.is_ascii_hexdigit() || matches!(byte, b'-' | b'_' | b'.' | b':'))
}

#[cfg(test)]
mod tests;
