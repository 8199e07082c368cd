//! JSON whose type names a charset other than its own: as long as it is ASCII, every one of them means the same.

use super::{Redact, RedactError, Tally};

/// A reader of ASCII alone.
pub(super) struct Ascii<R> {
    reader: R,
    beyond: bool,
}

impl<R: Redact> Ascii<R> {
    pub(super) fn new(reader: R) -> Self {
        Self { reader, beyond: false }
    }
}

impl<R: Redact> Redact for Ascii<R> {
    fn push(&mut self, input: &[u8], out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.beyond {
            return Err(RedactError::NotUtf8);
        }
        let ascii = input.iter().position(|byte| !byte.is_ascii()).unwrap_or(input.len());
        self.reader.push(&input[..ascii], out)?;
        // A client that goes by the type reads another text from here on than one that goes by RFC 8259, 8.1.
        self.beyond = ascii < input.len();
        if self.beyond { Err(RedactError::NotUtf8) } else { Ok(()) }
    }

    fn finish(&mut self, out: &mut Vec<u8>) -> Result<(), RedactError> {
        if self.beyond { Err(RedactError::NotUtf8) } else { self.reader.finish(out) }
    }

    fn tally(&self) -> Tally {
        self.reader.tally()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::redact::trial::Trial;
    use crate::redact::{Format, MediaType};

    fn named(charset: &str) -> Format {
        let value = format!("text/json; charset={charset}");
        Format::of_media_type(&MediaType::parse(value.as_bytes()).unwrap()).unwrap().unwrap()
    }

    #[test]
    fn ascii_is_the_same_in_every_charset() {
        for charset in ["ISO-8859-1", "windows-1252", "latin9"] {
            let format = named(charset);
            let trial = Trial::undeclared();
            assert_eq!(
                trial.redact(&format, r#"{"x":"L\u00e9a","nom":"Jean"}"#).as_deref(),
                Ok(r#"{"x":"L\u00e9a","nom":"***"}"#)
            );
            for beyond in [&b"{\"x\":\"L\xe9a\"}"[..], "{\"x\":\"Léa\"}".as_bytes(), b"\xef\xbb\xbf{}"] {
                assert_eq!(trial.redact(&format, beyond), Err(RedactError::NotUtf8), "{charset}");
            }
        }
        assert_eq!(named("us-ascii"), Format::Json);
    }
}
