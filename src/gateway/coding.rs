//! Content codings (RFC 9110 8.4): decoded for redaction, encoded again for the client.
//!
//! Decoding is bounded twice: each call fills one fixed buffer, and a cap on the whole output stops decompression
//! bombs (16 KB of zstd can hold 512 MB).

use bytes::Bytes;
use compression_codecs::{
    BrotliDecoder, BrotliEncoder, DecodeV2, DeflateDecoder, EncodeV2, GzipDecoder, GzipEncoder, ZlibDecoder,
    ZlibEncoder, ZstdDecoder, ZstdEncoder,
    brotli::params::EncoderParams,
    core::{
        Level,
        util::{PartialBuffer, WriteBuffer},
    },
    zstd::params::DParameter,
};
use http::{HeaderMap, HeaderValue, header};

/// Bytes decoded or encoded at a time.
pub const BLOCK: usize = 32 * 1024;

/// A content coding that can be decoded and encoded.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Coding {
    /// RFC 1952
    Gzip,
    /// RFC 1950, or bare RFC 1951 as some servers send it
    Deflate,
    /// RFC 7932
    Brotli,
    /// RFC 8878
    Zstd,
}

/// Why a coded body cannot be read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum CodingError {
    /// A coding that is not known here, or several on top of each other.
    #[error("unknown or stacked content codings")]
    Unknown,
    /// The coded bytes are wrong, or end too early.
    #[error("the coded body is damaged")]
    Damaged,
    /// More than the cap comes out.
    #[error("the decoded body is larger than allowed")]
    TooLarge,
}

impl Coding {
    /// The coding of a message; `None` for identity.
    ///
    /// # Errors
    /// [`CodingError::Unknown`] for anything else than one known coding.
    pub fn of(headers: &HeaderMap) -> Result<Option<Self>, CodingError> {
        let mut coding = None;
        for value in headers.get_all(header::CONTENT_ENCODING) {
            for token in value.as_bytes().split(|&byte| byte == b',').map(<[u8]>::trim_ascii) {
                let one = match token.to_ascii_lowercase().as_slice() {
                    // `none` is no registered coding, but servers send it for identity; the parser checks anyway.
                    b"" | b"identity" | b"none" => continue,
                    b"gzip" | b"x-gzip" => Self::Gzip,
                    b"deflate" => Self::Deflate,
                    b"br" => Self::Brotli,
                    b"zstd" => Self::Zstd,
                    _ => return Err(CodingError::Unknown),
                };
                if coding.replace(one).is_some() {
                    return Err(CodingError::Unknown);
                }
            }
        }
        Ok(coding)
    }

    /// Its token.
    pub fn token(self) -> HeaderValue {
        HeaderValue::from_static(match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Brotli => "br",
            Self::Zstd => "zstd",
        })
    }

    /// Whether a client that sent this `Accept-Encoding` takes the coding (RFC 9110 12.5.3).
    pub fn accepted(self, request: &HeaderMap) -> bool {
        let token = self.token();
        let mut wildcard = false;
        for value in request.get_all(header::ACCEPT_ENCODING) {
            for item in value.as_bytes().split(|&byte| byte == b',') {
                let mut parts = item.split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
                let name = parts.next().unwrap_or_default();
                let refused = parts.any(is_zero_quality);
                if name.eq_ignore_ascii_case(token.as_bytes()) {
                    return !refused;
                }
                wildcard |= name == b"*" && !refused;
            }
        }
        wildcard
    }
}

/// `q=0`, `q=0.0`, …
fn is_zero_quality(parameter: &[u8]) -> bool {
    let Some((name, value)) = parameter.split_first_chunk::<2>() else { return false };
    name.eq_ignore_ascii_case(b"q=") && value.iter().all(|byte| matches!(byte, b'0' | b'.'))
}

/// Decodes one body, a block at a time.
pub struct Decoder {
    coding: Coding,
    /// Made at the first byte, which shows which kind of deflate it is.
    codec: Option<Box<dyn DecodeV2>>,
    input: PartialBuffer<Bytes>,
    left: u64,
    /// The last call filled its block: the codec may hold more.
    filled: bool,
    /// Behind the end of a member: another may follow (gzip, zstd), nothing else may.
    ended: bool,
}

impl Decoder {
    /// A decoder that gives at most `cap` bytes.
    pub fn new(coding: Coding, cap: u64) -> Self {
        let input = PartialBuffer::new(Bytes::new());
        Self { coding, codec: None, input, left: cap, filled: false, ended: false }
    }

    /// Gives it the next coded bytes; those before must have been decoded.
    pub fn feed(&mut self, input: Bytes) {
        debug_assert!(self.input.unwritten().is_empty());
        self.input = PartialBuffer::new(input);
    }

    /// Decodes into `block`; the number of bytes, 0 when more input is needed.
    ///
    /// # Errors
    /// [`CodingError::Damaged`] or [`CodingError::TooLarge`].
    pub fn decode(&mut self, block: &mut [u8]) -> Result<usize, CodingError> {
        loop {
            let Some(&first) = self.input.unwritten().first() else { return self.drain(block) };
            let coding = self.coding;
            let codec = self.codec.get_or_insert_with(|| codec(coding, first));
            if self.ended {
                if !matches!(coding, Coding::Gzip | Coding::Zstd) {
                    return Err(CodingError::Damaged);
                }
                codec.reinit().map_err(|_| CodingError::Damaged)?;
                self.ended = false;
            }
            let read = self.input.written_len();
            let mut view = PartialBuffer::new(&self.input.get_mut()[read..]);
            let mut output = WriteBuffer::new_initialized(block);
            let ended = codec.decode(&mut view, &mut output).map_err(|_| CodingError::Damaged)?;
            let (consumed, written) = (view.written_len(), output.written_len());
            self.input.advance(consumed);
            self.ended = ended;
            if written > 0 {
                return self.count(written, block.len());
            }
            if consumed == 0 && !ended {
                return Err(CodingError::Damaged);
            }
        }
    }

    /// What the codec still holds when its input is used up.
    fn drain(&mut self, block: &mut [u8]) -> Result<usize, CodingError> {
        let Some(codec) = self.codec.as_mut().filter(|_| self.filled && !self.ended) else { return Ok(0) };
        let mut output = WriteBuffer::new_initialized(block);
        match self.coding {
            // The check sum behind the data is only read when all data is out.
            Coding::Gzip => {}
            // These would call it an error to be asked without input.
            Coding::Deflate => drop(codec.flush(&mut output).map_err(|_| CodingError::Damaged)?),
            Coding::Brotli | Coding::Zstd => {
                let mut nothing = PartialBuffer::new(&[][..]);
                self.ended = codec.decode(&mut nothing, &mut output).map_err(|_| CodingError::Damaged)?;
            }
        }
        let written = output.written_len();
        self.count(written, block.len())
    }

    fn count(&mut self, written: usize, room: usize) -> Result<usize, CodingError> {
        self.filled = written == room;
        self.left = self.left.checked_sub(written as u64).ok_or(CodingError::TooLarge)?;
        Ok(written)
    }

    /// Checks that the coded body ended where it should.
    ///
    /// # Errors
    /// [`CodingError::Damaged`] in the middle of a member.
    pub fn finish(&mut self) -> Result<(), CodingError> {
        if !self.ended && self.coding == Coding::Deflate {
            // The last bits may have been read before the last byte was written.
            let mut scratch = [0u8; 1];
            let mut output = WriteBuffer::new_initialized(&mut scratch);
            let ended = self.codec.as_mut().is_some_and(|codec| codec.finish(&mut output).unwrap_or(false));
            self.ended = ended && output.written_len() == 0;
        }
        if self.ended { Ok(()) } else { Err(CodingError::Damaged) }
    }
}

/// As much of the inside of compressed bytes as can be had from their beginning, no more than about `most`.
pub fn unpacked(coding: Coding, start: &[u8], most: usize) -> Vec<u8> {
    let mut decoder = Decoder::new(coding, (most + BLOCK) as u64);
    decoder.feed(Bytes::copy_from_slice(start));
    let (mut inside, mut block) = (Vec::new(), vec![0; BLOCK]);
    while inside.len() < most {
        match decoder.decode(&mut block) {
            Ok(0) | Err(_) => break,
            Ok(written) => inside.extend_from_slice(&block[..written]),
        }
    }
    inside
}

/// The codec for a body that begins with `first`.
fn codec(coding: Coding, first: u8) -> Box<dyn DecodeV2> {
    match coding {
        Coding::Gzip => Box::new(GzipDecoder::new()),
        // RFC 1950: method 8 in the low bits, a window of at most 32 KiB in the high ones. No block of a bare stream
        // that a compressor writes begins so.
        Coding::Deflate if first & 0x0f == 8 && first >> 4 <= 7 => Box::new(ZlibDecoder::new()),
        Coding::Deflate => Box::new(DeflateDecoder::new()),
        Coding::Brotli => Box::new(BrotliDecoder::new()),
        // RFC 8878 3.1.1.1.2: a window of 8 MiB is what every decoder supports; more would be the client's memory.
        Coding::Zstd => Box::new(ZstdDecoder::new_with_params(&[DParameter::window_log_max(23)])),
    }
}

/// Encodes one body.
pub struct Encoder(Box<dyn EncodeV2>);

impl Encoder {
    /// An encoder at a speed fit for a gateway.
    pub fn new(coding: Coding) -> Self {
        let fast = Level::Fastest;
        Self(match coding {
            Coding::Gzip => Box::new(GzipEncoder::new(fast.into())),
            Coding::Deflate => Box::new(ZlibEncoder::new(fast.into())),
            Coding::Brotli => {
                Box::new(BrotliEncoder::new(EncoderParams::default().quality(Level::Precise(3))))
            }
            Coding::Zstd => Box::new(ZstdEncoder::new(1)),
        })
    }

    /// Encodes all of `input` behind `out`.
    ///
    /// # Errors
    /// [`CodingError::Damaged`] if the codec fails.
    pub fn encode(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), CodingError> {
        let mut input = PartialBuffer::new(input);
        while !input.unwritten().is_empty() {
            self.block(out, |codec, output| codec.encode(&mut input, output).map(|()| true))?;
        }
        Ok(())
    }

    /// Writes what the codec holds, so that the client can decode all that was encoded so far.
    ///
    /// # Errors
    /// [`CodingError::Damaged`] if the codec fails.
    pub fn flush(&mut self, out: &mut Vec<u8>) -> Result<(), CodingError> {
        while !self.block(out, |codec, output| codec.flush(output))? {}
        Ok(())
    }

    /// Ends the body.
    ///
    /// # Errors
    /// [`CodingError::Damaged`] if the codec fails.
    pub fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), CodingError> {
        while !self.block(out, |codec, output| codec.finish(output))? {}
        Ok(())
    }

    fn block(
        &mut self,
        out: &mut Vec<u8>,
        step: impl FnOnce(&mut dyn EncodeV2, &mut WriteBuffer<'_>) -> std::io::Result<bool>,
    ) -> Result<bool, CodingError> {
        let start = out.len();
        out.resize(start + BLOCK, 0);
        let mut output = WriteBuffer::new_initialized(&mut out[start..]);
        let done = step(self.0.as_mut(), &mut output).map_err(|_| CodingError::Damaged);
        let written = output.written_len();
        out.truncate(start + written);
        done
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const ALL: [Coding; 4] = [Coding::Gzip, Coding::Deflate, Coding::Brotli, Coding::Zstd];

    fn encode(coding: Coding, body: &[u8]) -> Vec<u8> {
        let (mut encoder, mut out) = (Encoder::new(coding), Vec::new());
        encoder.encode(body, &mut out).unwrap();
        encoder.finish(&mut out).unwrap();
        out
    }

    fn decode(coding: Coding, coded: &[u8], chunk: usize, cap: u64) -> Result<Vec<u8>, CodingError> {
        let (mut decoder, mut out, mut block) = (Decoder::new(coding, cap), Vec::new(), vec![0; BLOCK]);
        for piece in coded.chunks(chunk.max(1)) {
            decoder.feed(Bytes::copy_from_slice(piece));
            loop {
                let written = decoder.decode(&mut block)?;
                if written == 0 {
                    break;
                }
                out.extend_from_slice(&block[..written]);
            }
        }
        decoder.finish()?;
        Ok(out)
    }

    #[test]
    fn every_coding_comes_back_whatever_the_chunks() {
        // Sizes around the block, where output fills exactly.
        for size in [1, 100, BLOCK - 1, BLOCK, BLOCK + 1, 3 * BLOCK, 200_000] {
            let body: Vec<u8> = (0..size).map(|i| (i * i % 251) as u8).collect();
            for coding in ALL {
                let coded = encode(coding, &body);
                for chunk in [1, 7, 4096, coded.len()] {
                    assert_eq!(
                        decode(coding, &coded, chunk, u64::MAX).unwrap(),
                        body,
                        "{coding:?} {size} {chunk}"
                    );
                }
            }
        }
    }

    #[test]
    fn what_is_flushed_can_be_decoded_at_once() {
        for coding in ALL {
            let (mut encoder, mut decoder) = (Encoder::new(coding), Decoder::new(coding, u64::MAX));
            let mut block = vec![0; BLOCK];
            // The last is more than a block of output, whatever the codec.
            let noise: Vec<u8> = (0..200_000u32)
                .map(|i| (i.wrapping_mul(i).wrapping_mul(2_654_435_761) >> 13) as u8)
                .collect();
            for event in [&b"data: 1\n\n"[..], b"\n", b"data: 2\n\n", &noise] {
                let mut coded = Vec::new();
                encoder.encode(event, &mut coded).unwrap();
                encoder.flush(&mut coded).unwrap();
                decoder.feed(Bytes::from(coded));
                let mut decoded = Vec::new();
                loop {
                    match decoder.decode(&mut block).unwrap() {
                        0 => break,
                        written => decoded.extend_from_slice(&block[..written]),
                    }
                }
                assert_eq!(decoded, event, "{coding:?}");
            }
            let mut end = Vec::new();
            encoder.finish(&mut end).unwrap();
            decoder.feed(Bytes::from(end));
            assert_eq!(decoder.decode(&mut block), Ok(0), "{coding:?}");
            decoder.finish().unwrap();
        }
    }

    #[test]
    fn bombs_stop_at_the_cap() {
        let body = vec![0u8; 10_000_000];
        for coding in ALL {
            let coded = encode(coding, &body);
            assert_eq!(decode(coding, &coded, 512, 1_000_000), Err(CodingError::TooLarge), "{coding:?}");
        }
    }

    #[test]
    fn truncated_and_trailing_bytes_are_damage() {
        let body: Vec<u8> = (0..50_000u32).map(|i| (i % 253) as u8).collect();
        for coding in ALL {
            let coded = encode(coding, &body);
            for cut in [1, coded.len() / 2, coded.len() - 1] {
                assert!(decode(coding, &coded[..cut], 97, u64::MAX).is_err(), "{coding:?} {cut}");
            }
            let trailing = [&coded[..], b"garbage"].concat();
            assert!(decode(coding, &trailing, 97, u64::MAX).is_err(), "{coding:?}");
        }
    }

    #[test]
    fn several_gzip_members_are_one_body() {
        let coded = [encode(Coding::Gzip, b"[1,"), encode(Coding::Gzip, b"2]")].concat();
        for chunk in [1, coded.len()] {
            assert_eq!(decode(Coding::Gzip, &coded, chunk, 100).unwrap(), b"[1,2]");
        }
    }

    #[test]
    fn header_fields_name_one_known_coding() {
        let of = |values: &[&'static str]| {
            let mut headers = HeaderMap::new();
            for value in values {
                headers.append(header::CONTENT_ENCODING, HeaderValue::from_static(value));
            }
            Coding::of(&headers)
        };
        assert_eq!(of(&[]), Ok(None));
        assert_eq!(of(&["identity"]), Ok(None));
        assert_eq!(of(&["GZip"]), Ok(Some(Coding::Gzip)));
        assert_eq!(of(&["identity, br"]), Ok(Some(Coding::Brotli)));
        assert_eq!(of(&["gzip, br"]), Err(CodingError::Unknown));
        assert_eq!(of(&["gzip", "gzip"]), Err(CodingError::Unknown));
        assert_eq!(of(&["compress"]), Err(CodingError::Unknown));
    }

    #[test]
    fn quality_zero_is_a_refusal() {
        let accepts = |value: &'static str| {
            let mut headers = HeaderMap::new();
            headers.insert(header::ACCEPT_ENCODING, HeaderValue::from_static(value));
            Coding::Gzip.accepted(&headers)
        };
        assert!(accepts("br, GZIP;q=0.5"));
        assert!(accepts("*"));
        assert!(!accepts("gzip;q=0, *"));
        assert!(!accepts("gzip; Q=0.000"));
        assert!(!accepts("identity"));
    }
}
