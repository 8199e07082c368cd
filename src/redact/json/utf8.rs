//! Whole characters, whatever the chunks.

use super::RedactError;

/// Cuts chunks so that no piece ends inside a character, and refuses what is not UTF-8 (overlong forms and surrogates
/// included) where it stands.
#[derive(Debug, Default)]
pub(in crate::redact) struct Utf8 {
    carried: [u8; 4],
    length: usize,
    started: bool,
}

/// A byte order mark (U+FEFF).
const MARK: &[u8] = b"\xEF\xBB\xBF";
/// Bytes checked at a time: they are still in the first-level cache when the walker reads them.
const BLOCK: usize = 16 * 1024;

impl Utf8 {
    /// Gives `piece` each run of whole characters.
    pub(in crate::redact) fn cut(
        &mut self,
        mut input: &[u8],
        mut piece: impl FnMut(&[u8]) -> Result<(), RedactError>,
    ) -> Result<(), RedactError> {
        while self.length > 0 {
            let Some((&byte, rest)) = input.split_first() else { return Ok(()) };
            input = rest;
            self.carried[self.length] = byte;
            self.length += 1;
            let character = self.carried;
            match std::str::from_utf8(&character[..self.length]) {
                Ok(_) => {
                    self.length = 0;
                    piece(self.without_mark(&character[..character_length(character[0])]))?;
                }
                Err(error) if error.error_len().is_some() => return Err(RedactError::NotUtf8),
                Err(_) => {}
            }
        }
        while !input.is_empty() {
            let (block, rest) = input.split_at(input.len().min(BLOCK));
            match simdutf8::compat::from_utf8(block) {
                Ok(_) => {
                    piece(self.without_mark(block))?;
                    input = rest;
                }
                Err(error) => {
                    let (valid, behind) = block.split_at(error.valid_up_to());
                    if !valid.is_empty() {
                        piece(self.without_mark(valid))?;
                    }
                    if error.error_len().is_some() {
                        return Err(RedactError::NotUtf8);
                    }
                    input = &input[valid.len()..];
                    if rest.is_empty() {
                        self.carried[..behind.len()].copy_from_slice(behind);
                        self.length = behind.len();
                        return Ok(());
                    }
                }
            }
        }
        Ok(())
    }

    /// The end of the document: no character may be open.
    pub(in crate::redact) fn finish(&self) -> Result<(), RedactError> {
        if self.length > 0 { Err(RedactError::Truncated) } else { Ok(()) }
    }

    fn without_mark<'a>(&mut self, piece: &'a [u8]) -> &'a [u8] {
        if std::mem::replace(&mut self.started, true) {
            piece
        } else {
            piece.strip_prefix(MARK).unwrap_or(piece)
        }
    }
}

fn character_length(first: u8) -> usize {
    match first {
        0..0x80 => 1,
        0x80..0xE0 => 2,
        0xE0..0xF0 => 3,
        _ => 4,
    }
}
