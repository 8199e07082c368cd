//! Reads along with the HTTP/1 parser for what it swallows.
//!
//! hyper drops `Content-Length` where `Transfer-Encoding` stands too, and the fragment of a target. Both are signs of a
//! message that the next server reads otherwise (RFC 9112 3.2, 6.3), and both are gone when a request is seen. So the
//! bytes of each head are looked at as they come, one line start each.
//!
//! Only what is read while no exchange is under way is a head. A pipelined head that came with the bytes of the request
//! before it is not looked at; what hyper makes of it is still one reading, and it closes the connection behind it.

use crate::gateway::connection::HeadSigns;

/// The one field whose presence is noted.
const LENGTH: &[u8] = b"content-length";

/// Where in a head the next byte stands.
#[derive(Debug, Default)]
pub(super) struct HeadWatch {
    /// Beginning of the present line.
    line: [u8; LENGTH.len()],
    /// Bytes of the line so far.
    length: usize,
    /// The request line is over.
    in_fields: bool,
}

impl HeadWatch {
    /// Takes the next bytes of a head; `signs` are those of the bytes before, none at its beginning.
    pub(super) fn read(&mut self, bytes: &[u8], mut signs: HeadSigns) -> HeadSigns {
        if !signs.begun {
            *self = Self::default();
            signs.begun = true;
        }
        let mut rest = bytes;
        while !signs.over && !rest.is_empty() {
            let end = memchr::memchr(b'\n', rest);
            let (line, behind) = rest.split_at(end.map_or(rest.len(), |end| end + 1));
            rest = behind;
            signs.fragment |= !self.in_fields && memchr::memchr(b'#', line).is_some();
            let room = self.line.get_mut(self.length..).unwrap_or_default();
            for (place, byte) in room.iter_mut().zip(line) {
                *place = *byte;
            }
            self.length = self.length.saturating_add(line.len());
            if end.is_some() {
                self.end_line(&mut signs);
            }
        }
        signs
    }

    fn end_line(&mut self, signs: &mut HeadSigns) {
        let is_empty = self.length == 1 || (self.length == 2 && self.line[0] == b'\r');
        if is_empty {
            // Empty lines in front of a request line are skipped (RFC 9112 2.2).
            signs.over = self.in_fields;
        } else {
            signs.length |=
                self.in_fields && self.length > LENGTH.len() && self.line.eq_ignore_ascii_case(LENGTH);
            self.in_fields = true;
        }
        self.length = 0;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn signs(head: &str, piece: usize) -> (bool, bool) {
        let (mut watch, mut signs) = (HeadWatch::default(), HeadSigns::default());
        for bytes in head.as_bytes().chunks(piece) {
            signs = watch.read(bytes, signs);
        }
        (signs.length, signs.fragment)
    }

    #[test]
    fn lengths_and_fragments_are_seen_however_the_bytes_come() {
        for (head, expected) in [
            (
                "POST /a HTTP/1.1\r\nHost: x\r\nCONTENT-length: 3\r\nTransfer-Encoding: chunked\r\n\r\n",
                (true, false),
            ),
            ("POST /a HTTP/1.1\nTransfer-Encoding: chunked\nContent-Length:3\n\n", (true, false)),
            ("\r\n\r\nGET /a#b HTTP/1.1\r\nHost: x\r\n\r\n", (false, true)),
            ("GET /a HTTP/1.1\r\nReferer: /a#b\r\nX-Content-Length: 3\r\n\r\n", (false, false)),
            // What follows the head is a body, or the next head.
            ("POST /a HTTP/1.1\r\nHost: x\r\n\r\nContent-Length: 3\r\n#", (false, false)),
        ] {
            for piece in 1..head.len() {
                assert_eq!(signs(head, piece), expected, "{head:?} by {piece}");
            }
        }
    }

    #[test]
    fn each_head_is_seen_on_its_own() {
        let mut watch = HeadWatch::default();
        let first = watch.read(b"POST /a HTTP/1.1\r\nContent-Length: 0\r\n\r\n", HeadSigns::default());
        assert!(first.length && first.over);
        let second = watch.read(b"GET /a HTTP/1.1\r\nHost: x\r\n\r\n", HeadSigns::default());
        assert!(!second.length && second.over);
    }
}
