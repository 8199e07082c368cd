//! A platform that does as it is told, and remembers every byte that reached it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    sync::{
        Arc, Mutex,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use flate2::{Compression, write::GzEncoder};
use serde_json::Value;
use socket2::SockRef;

use super::pause;

/// One request as it came.
#[derive(Clone, Debug)]
pub struct Recorded {
    /// Request line and header section, to the blank line.
    pub head: Vec<u8>,
    /// The body without its framing.
    pub body: Vec<u8>,
}

impl Recorded {
    /// The method.
    pub fn method(&self) -> String {
        self.line().split(' ').next().unwrap().to_owned()
    }

    /// The request target.
    pub fn target(&self) -> String {
        self.line().split(' ').nth(1).unwrap().to_owned()
    }

    fn line(&self) -> String {
        String::from_utf8_lossy(self.head.split(|&byte| byte == b'\r').next().unwrap()).into_owned()
    }

    /// Values of every header line of this name, in order.
    pub fn headers(&self, name: &str) -> Vec<Vec<u8>> {
        self.head
            .split(|&byte| byte == b'\n')
            .skip(1)
            .filter_map(|line| {
                let colon = line.iter().position(|&byte| byte == b':')?;
                line[..colon]
                    .eq_ignore_ascii_case(name.as_bytes())
                    .then(|| line[colon + 1..].trim_ascii().to_vec())
            })
            .collect()
    }

    /// The only value of a header, as text.
    #[track_caller]
    pub fn header(&self, name: &str) -> Option<String> {
        let mut values = self.headers(name);
        assert!(values.len() < 2, "{name} came {} times", values.len());
        values.pop().map(|value| String::from_utf8_lossy(&value).into_owned())
    }
}

/// What an answer is made of.
#[derive(Clone)]
pub enum Step {
    /// These bytes.
    Bytes(Vec<u8>),
    /// These bytes so many times.
    Repeat(Vec<u8>, usize),
    /// Nothing for a while.
    Pause(Duration),
    /// Nothing until this returns.
    Wait(Arc<dyn Fn() + Send + Sync>),
    /// End of the connection.
    Close,
    /// RST.
    Reset,
}

/// An answer, step by step.
#[derive(Clone, Default)]
pub struct Answer(pub Vec<Step>);

impl Answer {
    /// Bytes as they are.
    pub fn raw(bytes: impl Into<Vec<u8>>) -> Self {
        Self(vec![Step::Bytes(bytes.into())])
    }

    /// A response with its length.
    pub fn new(status: u16, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let length = body.as_ref().len().to_string();
        let mut all = headers.to_vec();
        if status != 204 && status != 304 {
            all.push(("Content-Length", &length));
        }
        let mut bytes = head(status, &all);
        bytes.extend_from_slice(body.as_ref());
        Self::raw(bytes)
    }

    /// 200 with a JSON document.
    pub fn json(document: &Value) -> Self {
        Self::new(200, &[("Content-Type", "application/json")], document.to_string())
    }

    /// 200 with a gzip JSON document.
    pub fn gzip(document: &Value) -> Self {
        let body = gzip(document.to_string().as_bytes());
        Self::new(200, &[("Content-Type", "application/json"), ("Content-Encoding", "gzip")], body)
    }

    /// A response in chunks, one for each piece.
    pub fn chunked(status: u16, headers: &[(&str, &str)], pieces: &[&[u8]]) -> Self {
        let mut all = headers.to_vec();
        all.push(("Transfer-Encoding", "chunked"));
        let mut steps = vec![Step::Bytes(head(status, &all))];
        for piece in pieces {
            steps.push(Step::Bytes([format!("{:x}\r\n", piece.len()).as_bytes(), piece, b"\r\n"].concat()));
        }
        steps.push(Step::Bytes(b"0\r\n\r\n".to_vec()));
        Self(steps)
    }

    /// 200 with a long JSON list: `opening`, `item` so many times, `end`, in chunks of one item.
    pub fn long(opening: &str, item: &str, times: usize, end: &str) -> Self {
        let chunk = |text: &str| format!("{:x}\r\n{text}\r\n", text.len()).into_bytes();
        Self(vec![
            Step::Bytes(head(200, &[("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")])),
            Step::Bytes(chunk(opening)),
            Step::Repeat(chunk(item), times),
            Step::Bytes(chunk(end)),
            Step::Bytes(b"0\r\n\r\n".to_vec()),
        ])
    }

    /// A response that promises `claimed` bytes and sends what it has, then closes.
    pub fn lying(claimed: usize, headers: &[(&str, &str)], body: impl AsRef<[u8]>) -> Self {
        let length = claimed.to_string();
        let mut all = headers.to_vec();
        all.push(("Content-Length", &length));
        let mut bytes = head(200, &all);
        bytes.extend_from_slice(body.as_ref());
        Self(vec![Step::Bytes(bytes), Step::Close])
    }

    /// Waits before everything else.
    #[must_use]
    pub fn after(mut self, time: Duration) -> Self {
        self.0.insert(0, Step::Pause(time));
        self
    }

    /// One more step.
    #[must_use]
    pub fn then(mut self, step: Step) -> Self {
        self.0.push(step);
        self
    }
}

/// A response head.
pub fn head(status: u16, headers: &[(&str, &str)]) -> Vec<u8> {
    let mut text = format!("HTTP/1.1 {status} Answer\r\n");
    for (name, value) in headers {
        text.push_str(&format!("{name}: {value}\r\n"));
    }
    text.push_str("\r\n");
    text.into_bytes()
}

/// These bytes, compressed.
pub fn gzip(bytes: &[u8]) -> Vec<u8> {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    encoder.write_all(bytes).unwrap();
    encoder.finish().unwrap()
}

type Script = dyn Fn(&Recorded) -> Answer + Send + Sync;

struct Shared {
    script: Mutex<Arc<Script>>,
    requests: Mutex<Vec<Recorded>>,
    connections: AtomicUsize,
    ended: AtomicBool,
}

/// A running upstream; dropping it closes its port.
pub struct Upstream {
    /// Where it listens.
    pub address: SocketAddr,
    shared: Arc<Shared>,
}

impl Upstream {
    /// Starts one that answers each request as the script says.
    pub fn start(script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        Self::start_at(SocketAddr::from(([127, 0, 0, 1], 0)), script)
    }

    /// The same at an address of the loopback.
    pub fn start_at(at: SocketAddr, script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) -> Self {
        let listener = TcpListener::bind(at).unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::new(Shared {
            script: Mutex::new(Arc::new(script)),
            requests: Mutex::default(),
            connections: AtomicUsize::new(0),
            ended: AtomicBool::new(false),
        });
        let serving = Arc::clone(&shared);
        std::thread::spawn(move || {
            for socket in listener.incoming() {
                if serving.ended.load(Ordering::Relaxed) {
                    break;
                }
                let Ok(socket) = socket else { continue };
                serving.connections.fetch_add(1, Ordering::Relaxed);
                let shared = Arc::clone(&serving);
                std::thread::spawn(move || {
                    // How the gateway ends a connection is not this thread's business.
                    let _ended = converse(&shared, socket);
                });
            }
        });
        Self { address, shared }
    }

    /// Another script from now on.
    pub fn script(&self, script: impl Fn(&Recorded) -> Answer + Send + Sync + 'static) {
        *self.shared.script.lock().unwrap() = Arc::new(script);
    }

    /// Everything that came so far.
    pub fn requests(&self) -> Vec<Recorded> {
        self.shared.requests.lock().unwrap().clone()
    }

    /// The last request.
    #[track_caller]
    pub fn last(&self) -> Recorded {
        self.requests().pop().expect("a request reached the upstream")
    }

    /// How many requests came.
    pub fn count(&self) -> usize {
        self.shared.requests.lock().unwrap().len()
    }

    /// Forgets what came.
    pub fn forget(&self) {
        self.shared.requests.lock().unwrap().clear();
    }

    /// How many connections were ever opened.
    pub fn connections(&self) -> usize {
        self.shared.connections.load(Ordering::Relaxed)
    }

    /// A port of the loopback where nobody listens.
    pub fn nowhere() -> SocketAddr {
        TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
    }
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.shared.ended.store(true, Ordering::Relaxed);
        // Wakes the accepting thread.
        let _woken = TcpStream::connect(self.address);
    }
}

fn converse(shared: &Shared, mut socket: TcpStream) -> std::io::Result<()> {
    socket.set_nodelay(true)?;
    let mut pending = Vec::new();
    while let Some(request) = read_request(&mut socket, &mut pending)? {
        shared.requests.lock().unwrap().push(request.clone());
        let script = Arc::clone(&shared.script.lock().unwrap());
        for step in script(&request).0 {
            match step {
                Step::Bytes(bytes) => socket.write_all(&bytes)?,
                Step::Repeat(bytes, times) => {
                    // Few large writes: the upstream must not be what a throughput test measures.
                    let batch = (64 << 10) / bytes.len().max(1) + 1;
                    let block = bytes.repeat(batch);
                    for _ in 0..times / batch {
                        socket.write_all(&block)?;
                    }
                    socket.write_all(&bytes.repeat(times % batch))?;
                }
                Step::Pause(time) => pause(time),
                Step::Wait(until) => until(),
                Step::Close => return Ok(()),
                Step::Reset => {
                    SockRef::from(&socket).set_linger(Some(Duration::ZERO))?;
                    return Ok(());
                }
            }
        }
    }
    Ok(())
}

/// One request; `None` at the end of the connection.
fn read_request(socket: &mut TcpStream, pending: &mut Vec<u8>) -> std::io::Result<Option<Recorded>> {
    let end = loop {
        if let Some(at) = pending.windows(4).position(|window| window == b"\r\n\r\n") {
            break at + 4;
        }
        if !fill(socket, pending)? {
            return Ok(None);
        }
    };
    let head: Vec<u8> = pending.drain(..end).collect();
    let mut request = Recorded { head, body: Vec::new() };
    if request.header("expect").is_some() {
        socket.write_all(b"HTTP/1.1 100 Continue\r\n\r\n")?;
    }
    if let Some(length) = request.header("content-length") {
        let length: usize = length.parse().unwrap_or(0);
        while pending.len() < length {
            if !fill(socket, pending)? {
                return Ok(None);
            }
        }
        request.body = pending.drain(..length).collect();
    } else if request.header("transfer-encoding").is_some() {
        loop {
            let line = read_line(socket, pending)?;
            let size = usize::from_str_radix(line.split(';').next().unwrap_or("").trim(), 16).unwrap_or(0);
            while pending.len() < size + 2 {
                if !fill(socket, pending)? {
                    return Ok(None);
                }
            }
            if size == 0 {
                // Trailers, if any, to the blank line.
                while !read_line(socket, pending)?.is_empty() {}
                break;
            }
            request.body.extend(pending.drain(..size));
            pending.drain(..2);
        }
    }
    Ok(Some(request))
}

fn read_line(socket: &mut TcpStream, pending: &mut Vec<u8>) -> std::io::Result<String> {
    loop {
        if let Some(at) = pending.iter().position(|&byte| byte == b'\n') {
            let line: Vec<u8> = pending.drain(..=at).collect();
            return Ok(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
        }
        if !fill(socket, pending)? {
            return Ok(String::new());
        }
    }
}

fn fill(socket: &mut TcpStream, pending: &mut Vec<u8>) -> std::io::Result<bool> {
    let mut buffer = [0u8; 16 << 10];
    let read = socket.read(&mut buffer)?;
    pending.extend_from_slice(&buffer[..read]);
    Ok(read > 0)
}
