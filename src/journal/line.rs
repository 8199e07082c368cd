//! A line of the journal under construction: one JSON object, appended to a buffer.
//!
//! Written by hand because every exchange pays for it: the keys are ours and need no escaping, and neither do most values. What
//! could need it is escaped all the same.

use std::{fmt, io::Write as _};

use jiff::{Timestamp, tz::TimeZone};

/// Appends members to an object. What it begins, [`Line::end`] ends.
pub(super) struct Line<'a> {
    out: &'a mut Vec<u8>,
    /// The next member is the first of the innermost object.
    first: bool,
}

impl<'a> Line<'a> {
    pub(super) fn begin(out: &'a mut Vec<u8>) -> Self {
        out.push(b'{');
        Self { out, first: true }
    }

    pub(super) fn end(self) {
        self.out.extend_from_slice(b"}\n");
    }

    /// A member's name; it must hold nothing that JSON escapes.
    fn key(&mut self, key: &'static str) {
        self.comma();
        self.out.push(b'"');
        self.out.extend_from_slice(key.as_bytes());
        self.out.extend_from_slice(b"\":");
    }

    fn comma(&mut self) {
        if !std::mem::replace(&mut self.first, false) {
            self.out.push(b',');
        }
    }

    pub(super) fn text(&mut self, key: &'static str, value: &str) {
        self.key(key);
        push_text(self.out, value);
    }

    pub(super) fn number(&mut self, key: &'static str, value: u64) {
        self.key(key);
        push_number(self.out, value);
    }

    /// A value whose text is made of ASCII letters, digits and `.:/-` alone.
    pub(super) fn plain(&mut self, key: &'static str, value: impl fmt::Display) {
        self.key(key);
        // A vector takes everything.
        let _ = write!(self.out, "\"{value}\"");
    }

    pub(super) fn bytes(&mut self, key: &'static str, hex: &[u8]) {
        self.key(key);
        self.out.push(b'"');
        self.out.extend_from_slice(hex);
        self.out.push(b'"');
    }

    /// RFC 3339, UTC, cut to milliseconds.
    pub(super) fn time(&mut self, key: &'static str, time: Timestamp) {
        let date = TimeZone::UTC.to_datetime(time);
        let (Ok(year), Ok(millis)) = (u64::try_from(date.year()), u64::try_from(date.millisecond())) else {
            return self.plain(key, format_args!("{time:.3}"));
        };
        self.key(key);
        self.out.push(b'"');
        let small = |part: i8| part.unsigned_abs().into();
        for (value, digits, behind) in [
            (year, 4, b'-'),
            (small(date.month()), 2, b'-'),
            (small(date.day()), 2, b'T'),
            (small(date.hour()), 2, b':'),
            (small(date.minute()), 2, b':'),
            (small(date.second()), 2, b'.'),
            (millis, 3, b'Z'),
        ] {
            push_padded(self.out, value, digits);
            self.out.push(behind);
        }
        self.out.push(b'"');
    }

    pub(super) fn texts(&mut self, key: &'static str, values: impl Iterator<Item = impl AsRef<str>>) {
        self.key(key);
        self.out.push(b'[');
        for (place, value) in values.enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            push_text(self.out, value.as_ref());
        }
        self.out.push(b']');
    }

    pub(super) fn counts<'t>(&mut self, key: &'static str, counts: impl Iterator<Item = (&'t str, u32)>) {
        self.key(key);
        self.out.push(b'{');
        for (place, (name, count)) in counts.enumerate() {
            if place > 0 {
                self.out.push(b',');
            }
            push_text(self.out, name);
            self.out.push(b':');
            push_number(self.out, count.into());
        }
        self.out.push(b'}');
    }
}

fn push_text(out: &mut Vec<u8>, text: &str) {
    out.push(b'"');
    let mut rest = text.as_bytes();
    // Names of a policy seldom have anything to escape; without an early end this test is done many bytes at a time.
    if rest.iter().fold(true, |plain, &byte| plain & (byte >= 0x20) & (byte != b'"') & (byte != b'\\')) {
        out.extend_from_slice(rest);
        out.push(b'"');
        return;
    }
    while let Some(at) = rest.iter().position(|&byte| byte < 0x20 || matches!(byte, b'"' | b'\\')) {
        out.extend_from_slice(&rest[..at]);
        match rest[at] {
            byte @ (b'"' | b'\\') => out.extend_from_slice(&[b'\\', byte]),
            byte => {
                let digit = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
                out.extend_from_slice(&[b'\\', b'u', b'0', b'0', digit(byte >> 4), digit(byte)]);
            }
        }
        rest = &rest[at + 1..];
    }
    out.extend_from_slice(rest);
    out.push(b'"');
}

fn push_number(out: &mut Vec<u8>, value: u64) {
    let digits = value.checked_ilog10().unwrap_or(0) as usize + 1;
    push_padded(out, value, digits);
}

fn push_padded(out: &mut Vec<u8>, mut value: u64, digits: usize) {
    let mut room = [b'0'; 20];
    let places = digits.min(room.len());
    for place in room[..places].iter_mut().rev() {
        *place = b'0' + (value % 10) as u8;
        value /= 10;
    }
    out.extend_from_slice(&room[..places]);
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(write: impl FnOnce(&mut Line<'_>)) -> String {
        let mut out = Vec::new();
        let mut line = Line::begin(&mut out);
        write(&mut line);
        line.end();
        String::from_utf8(out).unwrap()
    }

    #[test]
    fn numbers_and_texts_are_what_serde_json_reads() {
        for value in [0, 9, 10, 99, 100, 1_234_567_890, u64::MAX] {
            assert_eq!(written(|line| line.number("n", value)), format!("{{\"n\":{value}}}\n"));
        }
        for text in ["", "plain", "é\u{2028}\u{7f}", "a\"b\\c", "\u{0}\u{1f}\n\t"] {
            let line = written(|line| line.text("t", text));
            assert_eq!(serde_json::from_str::<serde_json::Value>(&line).unwrap()["t"], text);
        }
        assert_eq!(
            written(|line| {
                line.texts("l", ["a", "b"].into_iter());
                line.counts("c", [("x", 1), ("y", 2)].into_iter());
            }),
            "{\"l\":[\"a\",\"b\"],\"c\":{\"x\":1,\"y\":2}}\n"
        );
    }

    #[test]
    fn times_are_what_jiff_writes() {
        for text in [
            "2026-11-20T12:00:00.123956Z",
            "1970-01-01T00:00:00Z",
            "1969-12-31T23:59:59.9999Z",
            "0001-02-03T04:05:06.007Z",
            "-000009-02-03T04:05:06.007Z",
        ] {
            let time: Timestamp = text.parse().unwrap();
            assert_eq!(written(|line| line.time("t", time)), format!("{{\"t\":\"{time:.3}\"}}\n"));
        }
    }
}
