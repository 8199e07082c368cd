//! Reads along with the HTTP/1 parser, and gives it one message at a time.
//!
//! hyper drops `Content-Length` where `Transfer-Encoding` stands too, the second of two equal lengths and the fragment of a
//! target, and takes a bare LF for the end of a line. All are signs of a message that the next server reads otherwise (RFC
//! 9112 2.2, 3.2, 6.3), and all are gone when a request is seen. So the bytes of each head are looked at as they come, one line
//! start each.
//!
//! What follows the end of a message in the same bytes is held back until its exchange is over. So each head is looked at,
//! pipelined ones too, and where a message ends is said twice: by what hyper told of its framing, followed here byte by byte, and
//! by hyper. Where they disagree nothing goes on.

use std::io;

use bytes::{Buf, BytesMut};
use http::{HeaderMap, header};
use tokio::io::ReadBuf;

use super::chunks::Chunks;
use crate::gateway::connection::{Framing, HeadSigns, Phase, Progress};

/// The one field whose presence is noted.
const LENGTH: &[u8] = b"content-length";

/// Whether a head said what hyper does not pass on, or was not seen whole.
pub(super) fn is_ambiguous(signs: HeadSigns, headers: &HeaderMap) -> bool {
    !signs.over
        || signs.bare
        || signs.fragment
        || signs.lengths
        || (signs.length && headers.contains_key(header::TRANSFER_ENCODING))
}

/// Where in a connection's messages the next byte stands, and the bytes that wait behind the present one.
#[derive(Debug, Default)]
pub(super) struct HeadWatch {
    at: At,
    line: Line,
    held: BytesMut,
}

#[derive(Debug, Default)]
enum At {
    /// In a head.
    Head,
    /// Behind a head, whose framing will be told.
    Behind,
    /// In content of so many bytes.
    Content(u64),
    /// In chunks.
    Chunks(Chunks),
    /// Behind a message.
    #[default]
    Over,
}

/// The present line of a head.
#[derive(Debug, Default)]
struct Line {
    /// Its beginning.
    start: [u8; LENGTH.len()],
    /// Bytes so far.
    length: usize,
    /// The last of them.
    last: u8,
    /// The request line is over.
    in_fields: bool,
}

impl HeadWatch {
    /// Whether bytes are held back.
    pub(super) fn holds(&self) -> bool {
        !self.held.is_empty()
    }

    /// Gives bytes that were held back, where it is their turn.
    ///
    /// # Errors
    /// What is no HTTP/1.
    pub(super) fn gives(&mut self, progress: &Progress, buffer: &mut ReadBuf<'_>) -> io::Result<bool> {
        if self.held.is_empty() {
            return Ok(false);
        }
        let mut held = std::mem::take(&mut self.held);
        let most = held.len().min(buffer.remaining());
        let given = self.admit(progress, &held[..most])?;
        buffer.put_slice(&held[..given]);
        held.advance(given);
        if !held.is_empty() {
            self.held = held;
        }
        if given > 0 {
            // They came long ago; the time for the rest of their head runs from now.
            progress.read();
        } else {
            progress.hold();
        }
        Ok(given > 0)
    }

    /// Leaves in `buffer`, behind its first `before` bytes, what belongs to the present message, and holds the rest; whether
    /// anything is left to give, the end of the stream included.
    ///
    /// # Errors
    /// What is no HTTP/1.
    pub(super) fn take(
        &mut self,
        progress: &Progress,
        buffer: &mut ReadBuf<'_>,
        before: usize,
    ) -> io::Result<bool> {
        let came = &buffer.filled()[before..];
        if came.is_empty() {
            return Ok(true);
        }
        let given = self.admit(progress, came)?;
        if given == came.len() {
            return Ok(true);
        }
        self.held.extend_from_slice(&came[given..]);
        buffer.set_filled(before + given);
        if given == 0 {
            progress.hold();
        }
        Ok(given > 0)
    }

    /// How many of these bytes belong to the present message.
    fn admit(&mut self, progress: &Progress, bytes: &[u8]) -> io::Result<usize> {
        if progress.is_opaque() {
            return Ok(bytes.len());
        }
        if matches!(self.at, At::Behind) {
            self.at = match progress.take_framing() {
                Some(Framing::Length(0)) => At::Over,
                Some(Framing::Length(length)) => At::Content(length),
                Some(Framing::Chunked) => At::Chunks(Chunks::default()),
                // hyper does not see the end of the head that is seen here.
                None => return Err(io::ErrorKind::InvalidData.into()),
            };
        }
        if matches!(self.at, At::Over) {
            if progress.phase().0 == Phase::Exchange {
                return Ok(0);
            }
            (self.at, self.line) = (At::Head, Line::default());
            progress.note_head(HeadSigns::default());
        }
        let (count, is_over) = match &mut self.at {
            At::Head => {
                let mut signs = progress.head();
                let count = self.line.read(bytes, &mut signs);
                progress.note_head(signs);
                if signs.over {
                    self.at = At::Behind;
                }
                return Ok(count);
            }
            At::Content(left) => {
                let count = usize::try_from(*left).unwrap_or(usize::MAX).min(bytes.len());
                *left -= count as u64;
                (count, *left == 0)
            }
            At::Chunks(chunks) => chunks.read(bytes).map_err(|_| io::ErrorKind::InvalidData)?,
            At::Behind | At::Over => (0, true),
        };
        if is_over {
            self.at = At::Over;
        }
        Ok(count)
    }
}

impl Line {
    /// Takes the next bytes of a head; how many of them belong to it.
    fn read(&mut self, bytes: &[u8], signs: &mut HeadSigns) -> usize {
        signs.begun = true;
        let mut rest = bytes;
        while !signs.over && !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (line, behind) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            rest = behind;
            signs.fragment |= !self.in_fields && memchr::memchr(b'#', line).is_some();
            let room = self.start.get_mut(self.length..).unwrap_or_default();
            for (place, byte) in room.iter_mut().zip(line) {
                *place = *byte;
            }
            if end.is_some() {
                let before = line.len().checked_sub(2).and_then(|at| line.get(at)).unwrap_or(&self.last);
                signs.bare |= *before != b'\r';
            }
            self.length = self.length.saturating_add(line.len());
            self.last = line.last().copied().unwrap_or_default();
            if end.is_some() {
                self.end(signs);
            }
        }
        bytes.len() - rest.len()
    }

    fn end(&mut self, signs: &mut HeadSigns) {
        let is_empty = self.length == 1 || (self.length == 2 && self.start[0] == b'\r');
        if is_empty {
            // Empty lines in front of a request line are skipped (RFC 9112 2.2).
            signs.over = self.in_fields;
        } else {
            let is_length =
                self.in_fields && self.length > LENGTH.len() && self.start.eq_ignore_ascii_case(LENGTH);
            signs.lengths |= is_length && signs.length;
            signs.length |= is_length;
            self.in_fields = true;
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests;
