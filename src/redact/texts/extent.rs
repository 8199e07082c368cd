//! Where a JSON text ends.

use memchr::memchr2;

/// Follows brackets and strings of one text, cut anywhere. Of what is not JSON it says anything: [`super::JsonRedactor`]
/// refuses it.
#[derive(Clone, Copy, Debug, Default)]
pub(in crate::redact) struct Extent {
    depth: usize,
    /// Something else than white space and the byte order mark came.
    begun: bool,
    in_string: bool,
    escaped: bool,
}

impl Extent {
    /// How many of these bytes still belong to the text, if it ends among them: at the bracket that closes its root, or
    /// in front of the white space behind a scalar.
    pub(in crate::redact) fn end(&mut self, input: &[u8]) -> Option<usize> {
        let mut at = 0;
        loop {
            if self.in_string {
                at = self.string(input, at)?;
            }
            let byte = loop {
                let &byte = input.get(at)?;
                if SIGNS[usize::from(byte)] && (byte > b' ' || self.depth == 0) {
                    break byte;
                }
                self.begun |= !matches!(byte, b' ' | b'\t' | b'\r' | b'\n' | 0xef | 0xbb | 0xbf);
                at += 1;
            };
            at += 1;
            match byte {
                b'"' => self.in_string = true,
                b'{' | b'[' => self.depth += 1,
                b'}' | b']' => {
                    self.depth = self.depth.saturating_sub(1);
                    if self.depth == 0 {
                        return Some(at);
                    }
                }
                _ if self.begun => return Some(at - 1),
                _ => continue,
            }
            self.begun = true;
        }
    }

    /// The place behind the string's end.
    fn string(&mut self, input: &[u8], mut at: usize) -> Option<usize> {
        if self.escaped {
            input.get(at)?;
            self.escaped = false;
            at += 1;
        }
        loop {
            at += memchr2(b'"', b'\\', input.get(at..)?)? + 1;
            if input[at - 1] == b'"' {
                self.in_string = false;
                return Some(at);
            }
            if at == input.len() {
                self.escaped = true;
                return None;
            }
            at += 1;
        }
    }
}

/// Bytes that matter outside of strings: brackets, quotes, and white space.
const SIGNS: [bool; 256] = {
    let mut signs = [false; 256];
    let bytes = b"\"{}[] \t\r\n";
    let mut at = 0;
    while at < bytes.len() {
        signs[bytes[at] as usize] = true;
        at += 1;
    }
    signs
};
