//! The separator of a table, from its first row.

use super::row::{Dialect, Row};
use crate::redact::RedactError;

/// Separators that exports are seen to use.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];

/// What a table's first row says of the rest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Detected {
    pub(super) dialect: Dialect,
    /// Another separator stands in the first row: every row must have as many cells, or the choice was wrong.
    pub(super) doubtful: bool,
}

/// The separator that a spreadsheet's first line names: `sep=;`.
pub(super) fn named(line: &[u8]) -> Option<u8> {
    let line = line.trim_ascii_end();
    let line = line.strip_prefix(b"\"").and_then(|inner| inner.strip_suffix(b"\"")).unwrap_or(line);
    let (word, separator) = line.split_at_checked(4)?;
    match separator {
        _ if !word.eq_ignore_ascii_case(b"sep=") => None,
        // It was trimmed: a tab is white space.
        [] => Some(b'\t'),
        [separator] => SEPARATORS.contains(separator).then_some(*separator),
        _ => None,
    }
}

/// The separator of the first row that has names: the most frequent outside of quotes.
///
/// # Errors
/// Where two are as frequent: a reader could take either.
pub(super) fn detect(line: &[u8], newline: u8) -> Result<Detected, RedactError> {
    let mut counts = [0_usize; 4];
    let mut quoted = false;
    for byte in line {
        quoted ^= *byte == b'"';
        if let Some(at) = SEPARATORS.iter().position(|separator| separator == byte).filter(|_| !quoted) {
            counts[at] += 1;
        }
    }
    let most = counts.iter().max().copied().unwrap_or_default();
    let mut best = SEPARATORS.iter().zip(counts).filter(|(_, count)| *count == most);
    let separator = best.next().map_or(b',', |(separator, _)| *separator);
    if most > 0 && best.next().is_some() {
        return Err(RedactError::Malformed);
    }
    let doubtful = counts.iter().filter(|&&count| count > 0).count() > 1;
    Ok(Detected { dialect: Dialect { separator, newline }, doubtful })
}

/// Whether a row of one column has a separator all the same.
pub(super) fn is_split(row: &Row, bytes: &[u8]) -> bool {
    row.cells
        .iter()
        .any(|cell| !cell.quoted && bytes[cell.start..cell.end].iter().any(|byte| SEPARATORS.contains(byte)))
}

/// The pieces of a text at whatever may stand between cells; none where it is one piece.
pub(super) fn split(text: &str) -> impl Iterator<Item = &str> {
    let is_separator = |c: char| u8::try_from(c).is_ok_and(|byte| SEPARATORS.contains(&byte));
    text.contains(is_separator).then(|| text.split(is_separator)).into_iter().flatten()
}

/// The last byte of the rows of a table that begins with this one.
pub(super) fn newline(line: &[u8]) -> u8 {
    if line.ends_with(b"\r") { b'\r' } else { b'\n' }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_header_tells_the_separator() {
        for (line, separator, doubtful) in [
            ("id,nom", b',', false),
            ("id;nom\r\n", b';', false),
            ("id\tnom", b'\t', false),
            ("id|nom", b'|', false),
            ("nom", b',', false),
            ("id;\"nom, prénom, usage\";x", b';', false),
            ("id;nom, usage;x", b';', true),
        ] {
            let expected = Detected { dialect: Dialect { separator, newline: b'\n' }, doubtful };
            assert_eq!(detect(line.as_bytes(), b'\n'), Ok(expected), "{line}");
        }
        assert_eq!(detect(b"a;b,c", b'\n'), Err(RedactError::Malformed));
    }

    #[test]
    fn spreadsheets_name_theirs() {
        for (line, expected) in [
            (&b"sep=;\r\n"[..], Some(b';')),
            (b"SEP=,\n", Some(b',')),
            (b"\"sep=|\"\n", Some(b'|')),
            (b"sep=\t\n", Some(b'\t')),
            (b"sep=x\n", None),
            (b"sep=;;\n", None),
            (b"step=;\n", None),
        ] {
            assert_eq!(named(line), expected, "{line:?}");
        }
    }
}
