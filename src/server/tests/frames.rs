//! An HTTP/2 client that keeps no rule of its own: frames as bytes.

use super::*;

pub(super) const DATA: u8 = 0;
pub(super) const HEADERS: u8 = 1;
pub(super) const PRIORITY: u8 = 2;
pub(super) const RST_STREAM: u8 = 3;
pub(super) const SETTINGS: u8 = 4;
pub(super) const PING: u8 = 6;
pub(super) const GOAWAY: u8 = 7;
pub(super) const WINDOW_UPDATE: u8 = 8;
pub(super) const CONTINUATION: u8 = 9;

pub(super) const END_STREAM: u8 = 1;
pub(super) const END_HEADERS: u8 = 4;

/// RFC 9113 §7.
pub(super) const ENHANCE_YOUR_CALM: u32 = 11;

/// One frame (RFC 9113 §4.1).
pub(super) fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// The header block of a request, without a table.
pub(super) fn block(method: &str, path: &str) -> Vec<u8> {
    let method = if method == "GET" { 0x82 } else { 0x83 };
    let length = |text: &str| u8::try_from(text.len()).unwrap();
    let host = "ecole.example.fr";
    [&[method, 0x87, 0x04, length(path)], path.as_bytes(), &[0x01, length(host)], host.as_bytes()].concat()
}

/// A request in one HEADERS frame.
pub(super) fn request(method: &str, path: &str, stream: u32, ends: bool) -> Vec<u8> {
    frame(HEADERS, END_HEADERS | u8::from(ends), stream, &block(method, path))
}

/// What came back.
#[derive(Debug)]
pub(super) struct Frame {
    pub(super) kind: u8,
    pub(super) stream: u32,
    pub(super) payload: Vec<u8>,
}

impl Frame {
    /// The status of an answer's HEADERS: the first field, by the static table (RFC 7541 A), or as a literal in Huffman's
    /// code, in which digits have five or six bits (B).
    pub(super) fn status(&self) -> Option<u16> {
        const INDEXED: [u16; 7] = [200, 204, 206, 304, 400, 404, 500];
        if let Some(place) = self.payload.first()?.checked_sub(0x88) {
            return INDEXED.get(usize::from(place)).copied();
        }
        let mut bits =
            self.payload.get(2..5)?.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1));
        let mut status = 0;
        for _ in 0..3 {
            let five = bits.by_ref().take(5).fold(0, |number, bit| number << 1 | u16::from(bit));
            let digit =
                if five < 3 { five } else { (five << 1 | u16::from(bits.next()?)).checked_sub(22)? };
            status = status * 10 + digit;
        }
        Some(status)
    }

    /// The error of a GOAWAY.
    pub(super) fn error(&self) -> u32 {
        u32::from_be_bytes(self.payload[4..8].try_into().unwrap())
    }
}

/// The client.
pub(super) struct RawH2 {
    stream: TlsStream<TcpStream>,
    bytes: Vec<u8>,
}

impl RawH2 {
    pub(super) async fn open(running: &Running) -> Self {
        Self::open_with(running, &[]).await
    }

    /// Opens one with these settings, identifier and value.
    pub(super) async fn open_with(running: &Running, settings: &[(u16, u32)]) -> Self {
        let stream = running.tls(&[b"h2"]).await;
        let mut client = Self { stream, bytes: Vec::new() };
        let settings: Vec<u8> = settings
            .iter()
            .flat_map(|(name, value)| [&name.to_be_bytes()[..], &value.to_be_bytes()].concat())
            .collect();
        client.send(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await;
        client.send(&frame(SETTINGS, 0, 0, &settings)).await;
        client.send(&frame(SETTINGS, 1, 0, &[])).await;
        client
    }

    /// Sends bytes; whether the server still listens shows in what it answers.
    pub(super) async fn send(&mut self, bytes: &[u8]) {
        let _ = within(self.stream.write_all(bytes)).await;
        let _ = within(self.stream.flush()).await;
    }

    /// Sends without end until the server has closed, and returns what it said last.
    pub(super) async fn flood(mut self, bytes: &[u8]) -> Option<Frame> {
        let (mut read, mut write) = tokio::io::split(self.stream);
        let sending = async {
            while write.write_all(bytes).await.is_ok() && write.flush().await.is_ok() {
                tokio::task::yield_now().await;
            }
            std::future::pending::<()>().await;
        };
        let receiving = async {
            let mut last = None;
            let mut piece = [0; 16 * 1024];
            while let Ok(length @ 1..) = read.read(&mut piece).await {
                self.bytes.extend_from_slice(&piece[..length]);
                while let Some(frame) = parse(&mut self.bytes) {
                    last = Some(frame);
                }
            }
            last
        };
        within(async {
            tokio::select! {
                last = receiving => last,
                () = sending => None,
            }
        })
        .await
    }

    /// The next frame; `None` at the end. Safe to be dropped while it waits.
    pub(super) async fn next(&mut self) -> Option<Frame> {
        loop {
            if let Some(frame) = parse(&mut self.bytes) {
                return Some(frame);
            }
            let mut piece = [0; 16 * 1024];
            match within(self.stream.read(&mut piece)).await {
                Ok(length @ 1..) => self.bytes.extend_from_slice(&piece[..length]),
                _ => return None,
            }
        }
    }

    /// The HEADERS that answer a stream.
    pub(super) async fn answer(&mut self, stream: u32) -> Frame {
        loop {
            let frame = self.next().await.expect("closed without an answer");
            assert_ne!(frame.kind, GOAWAY, "{frame:?}");
            if frame.stream == stream && frame.kind == HEADERS {
                return frame;
            }
        }
    }

    /// The last frame before the end.
    pub(super) async fn last(&mut self) -> Option<Frame> {
        let mut last = None;
        while let Some(frame) = self.next().await {
            last = Some(frame);
        }
        last
    }
}

fn parse(bytes: &mut Vec<u8>) -> Option<Frame> {
    let length = u32::from_be_bytes([0, *bytes.first()?, *bytes.get(1)?, *bytes.get(2)?]) as usize;
    let whole: Vec<u8> = bytes.get(..9 + length)?.to_vec();
    bytes.drain(..9 + length);
    let stream = u32::from_be_bytes(whole[5..9].try_into().unwrap());
    Some(Frame { kind: whole[3], stream, payload: whole[9..].to_vec() })
}
