//! HTTP/2 by hand: frames and field lines as no library would write them (RFC 9113, RFC 7541 without Huffman or tables).

use tokio::io::{AsyncRead, AsyncReadExt as _};

/// What begins a connection: the preface and empty SETTINGS.
pub const PREFACE: &[u8] = b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00";

pub const DATA: u8 = 0;
pub const HEADERS: u8 = 1;
pub const RST_STREAM: u8 = 3;
pub const GOAWAY: u8 = 7;

pub const END_STREAM: u8 = 1;
pub const END_HEADERS: u8 = 4;

/// One frame.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Frame {
    pub kind: u8,
    pub flags: u8,
    pub stream: u32,
    pub payload: Vec<u8>,
}

/// A frame's bytes.
pub fn frame(kind: u8, flags: u8, stream: u32, payload: &[u8]) -> Vec<u8> {
    let length = u32::try_from(payload.len()).unwrap().to_be_bytes();
    [&length[1..], &[kind, flags], &stream.to_be_bytes(), payload].concat()
}

/// Field lines, literal and without indexing.
pub fn fields<'a>(fields: impl IntoIterator<Item = (&'a [u8], &'a [u8])>) -> Vec<u8> {
    let mut block = Vec::new();
    for (name, value) in fields {
        block.push(0);
        for text in [name, value] {
            integer(text.len(), &mut block);
            block.extend_from_slice(text);
        }
    }
    block
}

/// A length with a prefix of seven bits (RFC 7541 5.1).
fn integer(value: usize, out: &mut Vec<u8>) {
    let Some(mut rest) = value.checked_sub(127) else { return out.push(value as u8) };
    out.push(127);
    while rest >= 128 {
        out.push((rest % 128 + 128) as u8);
        rest /= 128;
    }
    out.push(rest as u8);
}

/// The next frame; `None` at the end.
pub async fn next(stream: &mut (impl AsyncRead + Unpin)) -> Option<Frame> {
    let mut head = [0; 9];
    stream.read_exact(&mut head).await.ok()?;
    let length = u32::from_be_bytes([0, head[0], head[1], head[2]]);
    let mut payload = vec![0; length as usize];
    stream.read_exact(&mut payload).await.ok()?;
    let stream = u32::from_be_bytes([head[5], head[6], head[7], head[8]]);
    Some(Frame { kind: head[3], flags: head[4], stream, payload })
}

/// The status at the beginning of an answer's field lines: it comes first, from the static table or with a name of it.
pub fn status(block: &[u8]) -> u16 {
    // A size of the dynamic table may stand before it.
    let block = if block.first().is_some_and(|byte| byte >> 5 == 1) { &block[1..] } else { block };
    match block {
        [byte @ 0x88..=0x8e, ..] => [200, 204, 206, 304, 400, 404, 500][usize::from(byte - 0x88)],
        [0x48 | 0x08 | 0x18, length, rest @ ..] if length & 0x80 == 0 => {
            let text = std::str::from_utf8(&rest[..usize::from(*length)]).unwrap();
            text.parse().unwrap()
        }
        [0x48 | 0x08 | 0x18, length, rest @ ..] => digits(&rest[..usize::from(length & 0x7f)]),
        _ => panic!("no status first: {block:?}"),
    }
}

/// A number in Huffman code: `0` to `2` have five bits, the other digits six (RFC 7541 appendix B).
fn digits(coded: &[u8]) -> u16 {
    let bits: Vec<u8> = coded.iter().flat_map(|byte| (0..8).rev().map(move |bit| byte >> bit & 1)).collect();
    let read = |at: usize, count: usize| {
        bits.get(at..at + count).map(|bits| bits.iter().fold(0, |value, bit| value << 1 | u16::from(*bit)))
    };
    let (mut at, mut number) = (0, 0);
    for _ in 0..3 {
        let digit = match read(at, 5) {
            Some(digit @ 0..=2) => {
                at += 5;
                digit
            }
            _ => {
                let digit = read(at, 6).unwrap() - 0b01_1001 + 3;
                at += 6;
                digit
            }
        };
        number = number * 10 + digit;
    }
    number
}
