//! Whether a body begins as a table or as a form, which only names of the charter tell from prose.

use std::borrow::Cow;

use percent_encoding::percent_decode;

use super::{Hints, LOOK, Seen, Verdict, json::trim_start};
use crate::redact::{Format, Header};

/// What stands between cells.
const SEPARATORS: [u8; 4] = [b',', b';', b'\t', b'|'];
/// Longest text without a separator that may be the beginning of a row of names.
const MAX_WORDS: usize = 8;
/// Rows below the names, of which one at least must have cells.
const ROWS: usize = 3;

/// A table or a form.
pub(super) fn rows(start: &[u8], hints: Hints<'_>) -> Verdict {
    let text = trim_start(start);
    match table(text, hints) {
        Verdict::No => form(text, hints),
        Verdict::Perhaps(None) => match form(text, hints) {
            Verdict::No => Verdict::Perhaps(None),
            verdict => verdict,
        },
        verdict => verdict,
    }
}

/// Whether a text is a table with a column that the charter names.
pub(in crate::redact) fn names_columns(text: &[u8], hints: Hints<'_>) -> bool {
    matches!(table(trim_start(text), hints), Verdict::Is(_))
}

/// A first row of names, one of them at least the charter's, and a row of cells below it.
fn table(text: &[u8], hints: Hints<'_>) -> Verdict {
    let table =
        Seen::Format(Format::Table { separator: None, charset: hints.charset, header: Header::Present });
    let (mut rest, mut fixed) = (text, None);
    if let Some((line, behind)) = line(rest) {
        let named = line.trim_ascii().to_ascii_lowercase();
        let named = named.strip_prefix(b"\"").unwrap_or(&named);
        if let Some(&[separator, ..]) = named.strip_prefix(b"sep=") {
            (rest, fixed) = (behind, Some(separator));
        } else if named == b"sep=" {
            (rest, fixed) = (behind, Some(b'\t'));
        }
    }
    let Some((header, mut below)) = line(rest) else {
        let named = [&b"sep="[..], b"\"sep="].iter().any(|word| rest.starts_with(word)) && rest.len() < 8;
        let endless = rest.len() >= LOOK && SEPARATORS.iter().any(|&one| is_header(rest, one, hints));
        return match (endless, named || may_be_names(rest)) {
            (true, _) => Verdict::Is(table),
            (false, true) => Verdict::Perhaps(None),
            // One of the names has come, others may be longer than words of prose.
            (false, false) if SEPARATORS.iter().any(|&one| is_named(&cells(rest, one), hints)) => {
                Verdict::Perhaps(None)
            }
            (false, false) => Verdict::No,
        };
    };
    let separators = SEPARATORS.into_iter().filter(|&one| fixed.is_none_or(|it| it == one));
    let Some(separator) = separators.into_iter().find(|&one| is_header(header, one, hints)) else {
        return Verdict::No;
    };
    for _ in 0..ROWS {
        let (row, behind) = loop {
            let (row, behind) = line(below).unwrap_or((below, b""));
            if !row.trim_ascii().is_empty() || behind.is_empty() {
                break (row, behind);
            }
            below = behind;
        };
        // Of Markdown, the line between the names and the cells.
        if row.iter().all(|byte| b"|-: \t".contains(byte)) {
            match row.contains(&b'-') {
                true => return Verdict::No,
                false if behind.is_empty() => return Verdict::Perhaps(None),
                false => {}
            }
        }
        if row.contains(&separator) {
            return Verdict::Is(table);
        }
        if behind.is_empty() {
            return Verdict::Perhaps(None);
        }
        below = behind;
    }
    Verdict::No
}

/// The first row, with line ends inside quotes, and what is behind it.
fn line(text: &[u8]) -> Option<(&[u8], &[u8])> {
    let mut quoted = false;
    let end = text.iter().position(|byte| {
        quoted ^= *byte == b'"';
        !quoted && matches!(byte, b'\r' | b'\n')
    })?;
    let (line, behind) = text.split_at(end);
    Some((line, behind.strip_prefix(b"\r\n").unwrap_or(&behind[1..])))
}

/// Whether a line that is not whole can be a row of names.
fn may_be_names(text: &[u8]) -> bool {
    let last = text.rsplit(|byte| b",;\t|\"".contains(byte)).next().unwrap_or_default();
    let words = last.split(|byte| *byte == b' ').filter(|word| !word.is_empty()).count();
    let plain = text.contains(&b'"') || !text.iter().any(|byte| b"{}<>=`".contains(byte));
    words <= MAX_WORDS && plain
}

fn is_header(row: &[u8], separator: u8, hints: Hints<'_>) -> bool {
    let cells = cells(row, separator);
    if cells.len() < 2 {
        return false;
    }
    // Commas stand in sentences.
    let most = if separator == b',' { 4 } else { 6 };
    let heads = cells.iter().filter(|cell| is_heading(cell, most)).count();
    // A name that programs write is no word of a sentence.
    let written = |cell: &str| hints.knows(cell) && cell.trim_matches(['"', ' ']).contains(['_', '.']);
    let prose = separator == b',' && !cells.iter().any(|cell| written(cell));
    let enough = if prose { heads == cells.len() } else { heads * 2 > cells.len() };
    enough && is_named(&cells, hints)
}

/// Whether one of several cells is a name of the charter.
fn is_named(cells: &[Cow<'_, str>], hints: Hints<'_>) -> bool {
    cells.len() > 1 && cells.iter().any(|cell| hints.knows(&cell.replace('"', "")))
}

fn cells(row: &[u8], separator: u8) -> Vec<Cow<'_, str>> {
    let mut quoted = false;
    row.split(|byte| {
        quoted ^= *byte == b'"';
        !quoted && *byte == separator
    })
    .map(String::from_utf8_lossy)
    .collect()
}

/// Whether a text is one that columns are called by.
fn is_heading(cell: &str, most: usize) -> bool {
    let cell = cell.trim();
    let quoted = cell.len() > 1 && cell.starts_with('"') && cell.ends_with('"');
    let words = cell.split_whitespace().count();
    let plain = !cell.contains(['{', '}', '<', '>', '=', ';', '"', '`', '\\'])
        && !cell.ends_with(['.', '!', '?', ':']);
    cell.len() <= 96 && (quoted || (words <= most && plain))
}

/// Pairs of a name and a value without any white space, one of the names at least the charter's.
fn form(text: &[u8], hints: Hints<'_>) -> Verdict {
    let text =
        &text[..text.len() - text.iter().rev().take_while(|byte| matches!(byte, b'\r' | b'\n')).count()];
    let is_odd = |byte: &u8| *byte <= b' ' || b"\"'<>{}()\\^`|".contains(byte) || *byte == 0x7f;
    if text.iter().any(is_odd) || (text.len() > 256 && !text.contains(&b'=')) {
        return Verdict::No;
    }
    let mut named = false;
    for pair in text.split(|byte| matches!(byte, b'&' | b';')) {
        let Some(at) = memchr::memchr(b'=', pair) else { continue };
        if at == 0 {
            continue;
        }
        let spaced: Vec<u8> = pair[..at].iter().map(|&byte| if byte == b'+' { b' ' } else { byte }).collect();
        named |= hints.knows(&percent_decode(&spaced).decode_utf8_lossy());
    }
    match named {
        true if text.len() >= LOOK => Format::Form.into(),
        // White space may come, and show that it is none.
        true => Verdict::Perhaps(Some(Seen::Format(Format::Form))),
        false => Verdict::Perhaps(None),
    }
}
