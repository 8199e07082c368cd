//! Texts in the charsets that spreadsheets still write, read as UTF-8.

use encoding_rs::{DecoderResult, Encoding, ISO_8859_15, UTF_16BE, UTF_16LE, WINDOWS_1252};

use super::{Redact, RedactError, Tally};

/// Bytes of UTF-8 that are decoded at a time.
const BLOCK: usize = 16 * 1024;

/// In what a text is written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Charset {
    /// Nobody said: UTF-8, or UTF-16 where it begins with its mark.
    #[default]
    Unstated,
    /// UTF-8 or ASCII.
    Utf8,
    /// UTF-16 of the byte order that its mark says (RFC 2781).
    Utf16,
    /// One that is decoded.
    Other(&'static Encoding),
}

impl Charset {
    /// The charset of this name; `None` for those that are not read. `iso-8859-1` is windows-1252, as the Encoding
    /// Standard has it and as Excel writes it.
    pub fn named(name: &str) -> Option<Self> {
        Some(match name.to_ascii_lowercase().as_str() {
            "utf-8" | "utf8" | "us-ascii" | "ascii" => Self::Utf8,
            "utf-16" => Self::Utf16,
            "utf-16le" => Self::Other(UTF_16LE),
            "utf-16be" => Self::Other(UTF_16BE),
            "iso-8859-1" | "iso8859-1" | "latin1" | "latin-1" | "windows-1252" | "cp1252" => {
                Self::Other(WINDOWS_1252)
            }
            "iso-8859-15" | "iso8859-15" | "latin9" | "latin-9" => Self::Other(ISO_8859_15),
            _ => return None,
        })
    }

    /// Whether its first 128 bytes are ASCII's, so that a page's own word on its charset can be read.
    pub fn is_ascii_compatible(self) -> bool {
        match self {
            Self::Unstated | Self::Utf8 => true,
            Self::Utf16 => false,
            Self::Other(encoding) => encoding.is_ascii_compatible(),
        }
    }

    /// Whether what leaves is in another charset than what came said: UTF-8.
    pub fn is_rewritten(self) -> bool {
        !matches!(self, Self::Unstated | Self::Utf8)
    }
}

/// A reader of UTF-8 behind a decoder.
pub(super) struct Transcoder<R> {
    reader: R,
    state: State,
    block: Vec<u8>,
    refused: Option<RedactError>,
}

enum State {
    /// The first bytes, as far as they could be a mark.
    Beginning(Charset, Vec<u8>),
    Utf8,
    Decoding(Box<encoding_rs::Decoder>),
}

impl<R: Redact> Transcoder<R> {
    pub(super) fn new(charset: Charset, reader: R) -> Self {
        let state = match charset {
            Charset::Utf8 => State::Utf8,
            Charset::Other(encoding) => State::decoding(encoding),
            Charset::Unstated | Charset::Utf16 => State::Beginning(charset, Vec::new()),
        };
        Self { reader, state, block: Vec::new(), refused: None }
    }

    fn take(&mut self, input: &[u8], last: bool, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if let State::Beginning(charset, held) = &mut self.state {
            held.extend_from_slice(input);
            let marked = match held.as_slice() {
                [0xff, 0xfe, ..] => Some(UTF_16LE),
                [0xfe, 0xff, ..] => Some(UTF_16BE),
                [] | [0xfe | 0xff] if !last => return Ok(()),
                _ => None,
            };
            let next = match (marked, charset) {
                (Some(encoding), _) => State::decoding(encoding),
                // Without its mark, standards differ on its byte order.
                (None, Charset::Utf16) => return Err(RedactError::NotUtf8),
                (None, _) => State::Utf8,
            };
            let held = std::mem::take(held);
            self.state = next;
            return self.take(&held, last, out);
        }
        match &mut self.state {
            State::Decoding(decoder) => {
                self.block.resize(BLOCK, 0);
                let mut rest = input;
                loop {
                    let (result, read, written) =
                        decoder.decode_to_utf8_without_replacement(rest, &mut self.block, last);
                    self.reader.push(&self.block[..written], out)?;
                    rest = &rest[read..];
                    match result {
                        DecoderResult::InputEmpty => return Ok(()),
                        DecoderResult::OutputFull => {}
                        DecoderResult::Malformed(..) => return Err(RedactError::NotUtf8),
                    }
                }
            }
            State::Utf8 | State::Beginning(..) => self.reader.push(input, out),
        }
    }
}

impl State {
    /// Marks are kept: what begins with one goes on doing so, in UTF-8.
    fn decoding(encoding: &'static Encoding) -> Self {
        Self::Decoding(Box::new(encoding.new_decoder_without_bom_handling()))
    }
}

impl<R: Redact> Redact for Transcoder<R> {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        self.take(input, false, out).inspect_err(|error| self.refused = Some(*error))
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if let Some(error) = self.refused {
            return Err(error);
        }
        let result = self.take(&[], true, out).and_then(|()| self.reader.finish(out));
        self.refused = Some(result.err().unwrap_or(RedactError::Finished));
        result
    }

    fn tally(&self) -> Tally {
        self.reader.tally()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// Passes everything.
    struct Plain;

    impl Redact for Plain {
        fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
            out.extend_from_slice(input);
            Ok(())
        }
        fn finish(&mut self, _: &mut Vec<u8>) -> Result<(), RedactError> {
            Ok(())
        }
        fn tally(&self) -> Tally {
            Tally::default()
        }
    }

    fn read(charset: Charset, text: &[u8], size: usize) -> Result<String, RedactError> {
        let (mut reader, mut out) = (Transcoder::new(charset, Plain), Vec::new());
        for chunk in text.chunks(size) {
            reader.push(chunk, &mut out)?;
        }
        reader.finish(&mut out)?;
        Ok(String::from_utf8(out).unwrap())
    }

    #[test]
    fn every_charset_becomes_utf8_however_it_is_cut() {
        let utf16 = |text: &str| text.encode_utf16().flat_map(u16::to_le_bytes).collect::<Vec<_>>();
        let utf16be = |text: &str| text.encode_utf16().flat_map(u16::to_be_bytes).collect::<Vec<_>>();
        let named = |name: &str| Charset::named(name).unwrap();
        let refused = Err(RedactError::NotUtf8);
        for (charset, text, expected) in [
            (Charset::Unstated, "é€".as_bytes().to_vec(), Ok("é€")),
            (Charset::Unstated, vec![], Ok("")),
            (Charset::Unstated, utf16("\u{feff}é€😀"), Ok("\u{feff}é€😀")),
            (Charset::Unstated, utf16be("\u{feff}é€"), Ok("\u{feff}é€")),
            (named("windows-1252"), b"\xe9\x80".to_vec(), Ok("é€")),
            (named("ISO-8859-1"), b"\xe9".to_vec(), Ok("é")),
            (named("iso-8859-15"), b"\xe9\xa4".to_vec(), Ok("é€")),
            (named("utf-16"), utf16("\u{feff}é"), Ok("\u{feff}é")),
            (named("utf-16"), utf16("é"), refused),
            (named("utf-16"), vec![], refused),
            (named("utf-16le"), utf16("é"), Ok("é")),
            (named("utf-16be"), utf16be("é"), Ok("é")),
            (Charset::Unstated, b"\xff\xfea".to_vec(), refused),
            (Charset::Unstated, b"\xff\xfe\x00\xd8a\x00".to_vec(), refused),
        ] {
            for size in [1, 2, 3, 100] {
                let read = read(charset, &text, size);
                assert_eq!(read.as_deref(), expected.as_deref(), "{charset:?} {text:?} by {size}");
            }
        }
        assert_eq!(Charset::named("utf-7"), None);
        let long = "é".repeat(BLOCK * 2);
        assert_eq!(read(named("latin1"), &vec![0xe9; BLOCK * 2], 5000).unwrap(), long);
    }
}
