//! A strict reader of HTTP/1.1 that shares no code with the gateway, and a platform that keeps every byte and answers only what
//! that reader finds in them.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, Ordering},
    },
};

/// One message, read to its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Message {
    /// Request line or status line.
    pub line: String,
    /// Names in lower case.
    pub fields: Vec<(String, Vec<u8>)>,
    /// Content without its framing.
    pub body: Vec<u8>,
    /// Fields behind the last chunk.
    pub trailers: Vec<(String, Vec<u8>)>,
}

/// What bytes turn out to be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Read1 {
    /// A message, and how many bytes it took.
    Whole(Box<Message>, usize),
    /// The beginning of one.
    Partial,
}

/// Whose messages are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Side {
    /// Requests as one hop writes them to the next.
    Client,
    /// Requests as anybody may send them: in HTTP/1.0 as well, behind empty lines, with targets in absolute form, zeros before
    /// lengths, extensions of chunks.
    Anybody,
    /// Responses; the content is left out where the request was HEAD.
    Server {
        /// It was.
        head: bool,
    },
}

impl Message {
    /// Values of every field of this name.
    pub fn all(&self, name: &str) -> Vec<String> {
        let fields = self.fields.iter().filter(|(known, _)| known == name);
        fields.map(|(_, value)| String::from_utf8_lossy(value).into_owned()).collect()
    }

    /// The status of a response.
    pub fn status(&self) -> u16 {
        self.line.split(' ').nth(1).and_then(|status| status.parse().ok()).unwrap_or_default()
    }

    /// Method and target of a request.
    pub fn asked(&self) -> String {
        self.line.rsplit_once(' ').map(|(asked, _)| asked.to_owned()).unwrap_or_default()
    }
}

fn is_token(bytes: &[u8]) -> bool {
    !bytes.is_empty() && bytes.iter().all(|b| b.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(b))
}

/// What was found and the bytes behind it; `None` where its end is not there yet.
type Found<'a, T> = Result<Option<(T, &'a [u8])>, String>;

/// The line up to CRLF and what follows; nothing but CRLF ends one, and neither CR nor LF stands in one.
fn line(bytes: &[u8]) -> Found<'_, &[u8]> {
    let Some(end) = bytes.windows(2).position(|pair| pair == b"\r\n") else {
        return if bytes.contains(&b'\n') { Err("bare LF".into()) } else { Ok(None) };
    };
    let line = &bytes[..end];
    if line.iter().any(|b| matches!(b, b'\r' | b'\n' | 0)) {
        return Err(format!("CR, LF or NUL in a line: {:?}", String::from_utf8_lossy(line)));
    }
    Ok(Some((line, &bytes[end + 2..])))
}

type Fields = Vec<(String, Vec<u8>)>;

fn fields(mut rest: &[u8]) -> Found<'_, Fields> {
    let mut fields = Vec::new();
    loop {
        let Some((text, behind)) = line(rest)? else { return Ok(None) };
        rest = behind;
        if text.is_empty() {
            return Ok(Some((fields, rest)));
        }
        let colon = text.iter().position(|&b| b == b':').ok_or("a field without a colon")?;
        let (name, value) = (&text[..colon], text[colon + 1..].trim_ascii());
        if !is_token(name) || value.iter().any(|&b| b < 0x20 && b != b'\t' || b == 0x7f) {
            return Err(format!("no field: {:?}", String::from_utf8_lossy(text)));
        }
        fields.push((String::from_utf8_lossy(name).to_ascii_lowercase(), value.to_vec()));
    }
}

/// Reads one message from the beginning of `bytes`.
///
/// # Errors
/// What RFC 9112 does not have, or has only for recipients that forgive.
pub fn read(bytes: &[u8], side: Side) -> Result<Read1, String> {
    if side == Side::Anybody
        && let Some(rest) = bytes.strip_prefix(b"\r\n")
    {
        return match read(rest, side)? {
            Read1::Whole(message, length) => Ok(Read1::Whole(message, length + 2)),
            Read1::Partial => Ok(Read1::Partial),
        };
    }
    let Some((start, rest)) = line(bytes)? else { return Ok(Read1::Partial) };
    let start = String::from_utf8(start.to_vec()).map_err(|_| "a start line that is no text")?;
    let words: Vec<&str> = start.split(' ').collect();
    match side {
        Side::Client => {
            let [method, target, "HTTP/1.1"] = words[..] else {
                return Err(format!("no request: {start:?}"));
            };
            let is_target = target.starts_with('/') || (target == "*" && method == "OPTIONS");
            if !is_token(method.as_bytes()) || !is_target || !target.bytes().all(|b| b.is_ascii_graphic()) {
                return Err(format!("no request: {start:?}"));
            }
        }
        Side::Anybody => {
            let [method, target, "HTTP/1.1" | "HTTP/1.0"] = words[..] else {
                return Err(format!("no request: {start:?}"));
            };
            if !is_token(method.as_bytes())
                || target.is_empty()
                || !target.bytes().all(|b| b.is_ascii_graphic())
            {
                return Err(format!("no request: {start:?}"));
            }
        }
        Side::Server { .. } => {
            let is_version = matches!(words[0], "HTTP/1.1" | "HTTP/1.0");
            let status = words.get(1).copied().unwrap_or_default();
            if !is_version || status.len() != 3 || !status.bytes().all(|b| b.is_ascii_digit()) {
                return Err(format!("no response: {start:?}"));
            }
        }
    }
    let Some((fields_, rest)) = fields(rest)? else { return Ok(Read1::Partial) };
    let mut message = Message { line: start, fields: fields_, body: Vec::new(), trailers: Vec::new() };
    if side == Side::Client && message.all("host").len() != 1 {
        return Err(format!("not one Host: {message:?}"));
    }
    let (lengths, codings) = (message.all("content-length"), message.all("transfer-encoding"));
    let status = message.status();
    let is_empty = matches!(side, Side::Server { head: true })
        || (matches!(side, Side::Server { .. }) && (status < 200 || matches!(status, 204 | 304)));
    let whole = |message, rest: &[u8]| Ok(Read1::Whole(Box::new(message), bytes.len() - rest.len()));
    match (&lengths[..], &codings[..]) {
        _ if is_empty => whole(message, rest),
        ([], []) if matches!(side, Side::Client | Side::Anybody) => whole(message, rest),
        ([length], []) => {
            let is_number = length == "0"
                || (side == Side::Anybody
                    && !length.is_empty()
                    && length.bytes().all(|b| b.is_ascii_digit()))
                || (!length.starts_with('0')
                    && !length.is_empty()
                    && length.bytes().all(|b| b.is_ascii_digit()));
            let length = length.parse::<usize>().ok().filter(|_| is_number).ok_or("an odd length")?;
            if rest.len() < length {
                return Ok(Read1::Partial);
            }
            message.body = rest[..length].to_vec();
            whole(message, &rest[length..])
        }
        ([], [coding])
            if coding == "chunked" || (side == Side::Anybody && coding.eq_ignore_ascii_case("chunked")) =>
        {
            let mut rest = rest;
            loop {
                let Some((size, behind)) = line(rest)? else { return Ok(Read1::Partial) };
                let end = size.iter().position(|&b| b == b';' && side == Side::Anybody);
                let size = &size[..end.unwrap_or(size.len())];
                let is_hex = (1..=16).contains(&size.len()) && size.iter().all(u8::is_ascii_hexdigit);
                let size =
                    std::str::from_utf8(size).ok().and_then(|size| usize::from_str_radix(size, 16).ok());
                let size = size.filter(|_| is_hex).ok_or("an odd chunk size")?;
                if size == 0 {
                    let Some((trailers, behind)) = fields(behind)? else { return Ok(Read1::Partial) };
                    message.trailers = trailers;
                    return whole(message, behind);
                }
                let Some(end) = size.checked_add(2).filter(|end| *end <= behind.len()) else {
                    return Ok(Read1::Partial);
                };
                if &behind[size..end] != b"\r\n" {
                    return Err("a chunk that does not end".into());
                }
                message.body.extend_from_slice(&behind[..size]);
                rest = &behind[end..];
            }
        }
        _ => Err(format!("no single framing: {message:?}")),
    }
}

type Answer = dyn Fn(&Message) -> Vec<u8> + Send + Sync;

/// What came on one connection.
type Wire = Arc<Mutex<Vec<u8>>>;

/// A platform.
pub struct Recorder {
    /// Where it listens.
    pub address: SocketAddr,
    wires: Arc<Mutex<Vec<Wire>>>,
    ended: Arc<AtomicBool>,
}

impl Recorder {
    /// Starts one that answers whole requests so.
    pub fn start(answer: impl Fn(&Message) -> Vec<u8> + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let (wires, ended) = (Arc::<Mutex<Vec<_>>>::default(), Arc::new(AtomicBool::new(false)));
        let (kept, over) = (Arc::clone(&wires), Arc::clone(&ended));
        let answer: Arc<Answer> = Arc::new(answer);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if over.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(socket) = socket else { continue };
                let wire = Wire::default();
                kept.lock().unwrap().push(Arc::clone(&wire));
                let answer = Arc::clone(&answer);
                // How the gateway ends a connection is not this thread's business.
                std::thread::spawn(move || drop(record(socket, &wire, &*answer)));
            }
        });
        Self { address, wires, ended }
    }

    /// The bytes of each connection so far.
    pub fn wires(&self) -> Vec<Vec<u8>> {
        self.wires.lock().unwrap().iter().map(|wire| wire.lock().unwrap().clone()).collect()
    }
}

impl Drop for Recorder {
    fn drop(&mut self) {
        self.ended.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _woken = TcpStream::connect(self.address);
    }
}

fn record(mut socket: TcpStream, wire: &Mutex<Vec<u8>>, answer: &Answer) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let (mut buffer, mut read_to) = ([0; 16 << 10], 0);
    loop {
        let count = socket.read(&mut buffer)?;
        if count == 0 {
            return Ok(());
        }
        wire.lock().unwrap().extend_from_slice(&buffer[..count]);
        loop {
            let bytes = wire.lock().unwrap()[read_to..].to_vec();
            match read(&bytes, Side::Client) {
                Ok(Read1::Whole(message, length)) => {
                    read_to += length;
                    socket.write_all(&answer(&message))?;
                }
                Ok(Read1::Partial) => break,
                // What is recorded says so.
                Err(_) => return Ok(()),
            }
        }
    }
}
