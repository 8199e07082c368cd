//! The end of a message in chunks (RFC 9112 7.1), found in its bytes.
//!
//! Stricter than hyper, which reads them too: a size has 16 digits at most and no space behind it, and an extension is
//! text whose quotes are closed. What two readers could end in different places does not go on.

/// What is no chunk.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Broken;

/// Most digits of a size: those of 64 bits.
const DIGITS: u8 = 16;

/// Where in a chunked body the next byte stands.
#[derive(Debug, Default)]
pub(super) struct Chunks {
    at: At,
    size: u64,
    digits: u8,
}

#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
enum At {
    #[default]
    Size,
    /// In an extension.
    Extension,
    /// In a quoted value of one.
    Quoted,
    /// Behind a backslash there.
    Escaped,
    SizeLf,
    Data,
    DataCr,
    DataLf,
    /// At the start of a line of the trailer section.
    Trailer,
    /// In one.
    Field,
    FieldLf,
    EndLf,
    End,
}

impl Chunks {
    /// Takes the next bytes; how many of them belong to the body, and whether it is over.
    ///
    /// # Errors
    /// [`Broken`].
    pub(super) fn read(&mut self, bytes: &[u8]) -> Result<(usize, bool), Broken> {
        let mut at = 0;
        while at < bytes.len() && self.at != At::End {
            if self.at == At::Data {
                let count = usize::try_from(self.size).unwrap_or(usize::MAX).min(bytes.len() - at);
                self.size -= count as u64;
                at += count;
                if self.size == 0 {
                    self.at = At::DataCr;
                }
                continue;
            }
            self.at = self.step(bytes[at])?;
            at += 1;
        }
        Ok((at, self.at == At::End))
    }

    fn step(&mut self, byte: u8) -> Result<At, Broken> {
        Ok(match (self.at, byte) {
            (At::Size, digit) if digit.is_ascii_hexdigit() && self.digits < DIGITS => {
                let value = char::from(digit).to_digit(16).unwrap_or_default();
                self.size = self.size << 4 | u64::from(value);
                self.digits += 1;
                At::Size
            }
            (At::Size, b'\r') if self.digits > 0 => At::SizeLf,
            (At::Size, b';') if self.digits > 0 => At::Extension,
            (At::Extension, b'\r') => At::SizeLf,
            (At::Extension, b'"') => At::Quoted,
            (At::Quoted, b'"') => At::Extension,
            (At::Quoted, b'\\') => At::Escaped,
            (At::Escaped, b'\t' | b' '..=b'~' | 0x80..) => At::Quoted,
            (At::Extension | At::Quoted, b'\t' | b' '..=b'~' | 0x80..) => self.at,
            (At::SizeLf, b'\n') => {
                self.digits = 0;
                if self.size == 0 { At::Trailer } else { At::Data }
            }
            (At::DataCr, b'\r') => At::DataLf,
            (At::DataLf, b'\n') => At::Size,
            (At::Trailer, b'\r') => At::EndLf,
            (At::Field, b'\r') => At::FieldLf,
            // What a field may hold is hyper's to judge; where its line ends is not.
            (At::Trailer | At::Field, byte) if byte != b'\n' => At::Field,
            (At::FieldLf, b'\n') => At::Trailer,
            (At::EndLf, b'\n') => At::End,
            _ => return Err(Broken),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    /// How many bytes the body takes, however they come; `None` where it is broken, or not over.
    fn end(bytes: &[u8]) -> Option<usize> {
        let mut ends = (1..=bytes.len()).map(|piece| {
            let (mut chunks, mut taken) = (Chunks::default(), 0);
            for bytes in bytes.chunks(piece) {
                match chunks.read(bytes) {
                    Ok((count, is_over)) => {
                        taken += count;
                        if is_over {
                            return Some(taken);
                        }
                    }
                    Err(Broken) => return None,
                }
            }
            None
        });
        let first = ends.next().flatten();
        assert!(ends.all(|end| end == first), "{:?}", String::from_utf8_lossy(bytes));
        first
    }

    #[test]
    fn the_end_is_where_the_grammar_says() {
        for (bytes, expected) in [
            ("0\r\n\r\nGET", Some(5)),
            ("3\r\nabc\r\n0\r\n\r\nGET", Some(13)),
            ("00a\r\n0123456789\r\n000\r\n\r\n", Some(24)),
            ("A;x=y\r\n0123456789\r\n0\r\nA: b\r\nC: d\r\n\r\nGET", Some(36)),
            ("1;x=\";\\\"\\\\\"\r\na\r\n0;y\r\n\r\n", Some(23)),
            ("1 \r\na\r\n0\r\n\r\n", None),
            (" 1\r\na\r\n0\r\n\r\n", None),
            ("1 ;x\r\na\r\n0\r\n\r\n", None),
            ("0x1\r\na\r\n0\r\n\r\n", None),
            ("+1\r\na\r\n0\r\n\r\n", None),
            ("-1\r\na\r\n0\r\n\r\n", None),
            ("\r\na\r\n0\r\n\r\n", None),
            ("1\na\r\n0\r\n\r\n", None),
            ("1;x\na\r\n0\r\n\r\n", None),
            ("1;x\ry\na\r\n0\r\n\r\n", None),
            ("1;x=\"\r\na\r\n0\r\n\r\n", None),
            ("1;x=\0\r\na\r\n0\r\n\r\n", None),
            ("1\r\nab\r\n0\r\n\r\n", None),
            ("1\r\na\n0\r\n\r\n", None),
            ("1\r\na0\r\n\r\n", None),
            ("0\r\nA: b\n\r\n", None),
            ("0\r\nA: b\r\n\n", None),
            ("0\r\n\n", None),
            ("0\r\n\rX", None),
            ("00000000000000001\r\na\r\n0\r\n\r\n", None),
            ("10000000000000000\r\na\r\n0\r\n\r\n", None),
            ("ffffffffffffffff\r\na", None),
            ("1\r\na\r\n", None),
        ] {
            assert_eq!(end(bytes.as_bytes()), expected, "{bytes:?}");
        }
    }
}
