//! Files that begin with a mark of their own and that nobody reads here.

use super::{Hints, Seen, Verdict};

/// A body of which nobody reads the inside.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Opaque {
    /// An archive (zip, which workbooks, documents and books are too) or compressed data.
    Archive,
    /// Compressed data that a content coding has as well.
    Gzip,
    /// The same.
    Zstd,
    /// A PDF document.
    Pdf,
    /// A workbook or document of old Office programs, or of their XML.
    Office,
    /// A page: HTML or XHTML.
    Page,
    /// A picture, a film, a sound.
    Media,
    /// A document in bytes (MessagePack, CBOR, BSON) with a name of the charter.
    Document,
    /// Some other file whose bytes are no text.
    Binary,
}

/// Marks at the very beginning.
const MARKS: [(&[u8], Opaque); 26] = [
    (b"PK\x03\x04", Opaque::Archive),
    (b"PK\x05\x06", Opaque::Archive),
    (b"PK\x07\x08", Opaque::Archive),
    (b"BZh", Opaque::Archive),
    (b"\xfd7zXZ\x00", Opaque::Archive),
    (b"7z\xbc\xaf\x27\x1c", Opaque::Archive),
    (b"Rar!\x1a\x07", Opaque::Archive),
    (b"\x1f\x9d", Opaque::Archive),
    (b"\x04\x22\x4d\x18", Opaque::Archive),
    (b"LZIP\x01", Opaque::Archive),
    (b"SQLite format 3\x00", Opaque::Archive),
    (b"\x1f\x8b", Opaque::Gzip),
    (b"\x28\xb5\x2f\xfd", Opaque::Zstd),
    (b"%PDF-", Opaque::Pdf),
    (b"\xd0\xcf\x11\xe0", Opaque::Office),
    (b"\x09\x08\x10\x00", Opaque::Office),
    (b"{\\rtf", Opaque::Office),
    (b"\x89PNG\r\n\x1a\n", Opaque::Media),
    (b"\xff\xd8\xff", Opaque::Media),
    (b"GIF87a", Opaque::Media),
    (b"GIF89a", Opaque::Media),
    (b"OggS\x00", Opaque::Media),
    (b"ID3\x02", Opaque::Media),
    (b"ID3\x03", Opaque::Media),
    (b"ID3\x04", Opaque::Media),
    (b"\x1a\x45\xdf\xa3", Opaque::Media),
];

/// Bytes in which what is no text shows it, as editors and `grep` look for it.
const BINARY_WITHIN: usize = 512;

impl Opaque {
    /// Whether a media type may name such a body: one that lies is nobody's permission.
    pub fn suits(self, essence: &str) -> bool {
        let (kind, subtype) = essence.split_once('/').unwrap_or((essence, ""));
        let is_file = kind == "application" && !is_pdf(essence);
        match self {
            Self::Pdf => is_pdf(essence) || subtype == "octet-stream",
            Self::Page => matches!(subtype, "html" | "xhtml+xml"),
            // Types of archives are many, and so are those of what is one inside.
            Self::Archive | Self::Gzip | Self::Zstd => is_file || kind == "model",
            Self::Document => is_file,
            Self::Office => is_file || subtype.contains("rtf"),
            Self::Media => is_file || is_media(kind),
            Self::Binary => kind != "text" && !is_pdf(essence),
        }
    }
}

/// Whether a body that shows nothing that is known here may be of this type: pictures, films and PDF show what they are.
pub fn may_be_unmarked(essence: &str) -> bool {
    /// Pictures and lists of sounds that are written as text.
    const TEXTS: [&str; 8] = ["portable", "pixmap", "bitmap", "dxf", "postscript", "eps", "mpegurl", "scpls"];
    /// Files that are archives, and are marked as such.
    const ARCHIVES: [&str; 9] =
        ["zip", "rar", "7z", "openxmlformats", "opendocument", "msword", "ms-excel", "ms-powerpoint", "zstd"];
    let kind = essence.split('/').next().unwrap_or_default();
    if kind == "application" && ARCHIVES.iter().any(|word| essence.contains(word)) {
        return false;
    }
    !is_pdf(essence) && (!is_media(kind) || TEXTS.iter().any(|text| essence.contains(text)))
}

fn is_pdf(essence: &str) -> bool {
    matches!(essence, "application/pdf" | "application/x-pdf")
}

fn is_media(kind: &str) -> bool {
    matches!(kind, "image" | "audio" | "video" | "font")
}

/// Looks for the mark of a file.
pub(super) fn mark(start: &[u8]) -> Verdict {
    let of = |opaque| Verdict::Is(Seen::Opaque(opaque));
    if let Some((_, opaque)) = MARKS.iter().find(|(mark, _)| start.starts_with(mark)) {
        return of(*opaque);
    }
    if MARKS.iter().any(|(mark, _)| mark.starts_with(start)) { Verdict::Perhaps(None) } else { Verdict::No }
}

/// Whether what begins so could be a map or a list of MessagePack or CBOR, or of BSON.
fn may_be_document(start: &[u8]) -> bool {
    matches!(start.first(), Some(0x80..=0xbf | 0xd9 | 0xdc..=0xdf)) || is_bson(start)
}

fn is_bson(start: &[u8]) -> bool {
    start.get(3) == Some(&0) && matches!(start.get(4), Some(1..=0x13))
}

/// Whether a name of the charter stands in it as these write names: behind its length, or between its type and a zero.
fn names_somebody(start: &[u8], hints: Hints<'_>) -> bool {
    let knows = |name: Option<&[u8]>| {
        name.is_some_and(|name| {
            name.len() > 1 && std::str::from_utf8(name).is_ok_and(|name| hints.knows(name))
        })
    };
    let bson = is_bson(start);
    (0..start.len()).any(|at| {
        let rest = &start[at + 1..];
        match start[at] {
            1..=0x13 if bson => knows(rest.iter().position(|&byte| byte == 0).map(|end| &rest[..end])),
            _ if bson => false,
            byte @ 0xa0..=0xbf => knows(rest.get(..usize::from(byte & 0x1f))),
            byte @ 0x60..=0x77 => knows(rest.get(..usize::from(byte - 0x60))),
            0xd9 | 0x78 => {
                let long = rest.split_first().and_then(|(length, rest)| rest.get(..usize::from(*length)));
                knows(long)
            }
            _ => false,
        }
    })
}

/// What is no text, where nothing else was seen in it.
pub(super) fn binary(start: &[u8], hints: Hints<'_>) -> Verdict {
    // Readers of PDF look for the mark so far.
    if memchr::memmem::find(&start[..start.len().min(1024)], b"%PDF-").is_some() {
        return Verdict::Is(Seen::Opaque(Opaque::Pdf));
    }
    let is_binary = |byte: &u8| matches!(byte, 0..=8 | 0x0e..=0x1a | 0x1c..=0x1f | 0x7f);
    let whole = start;
    let start = &start[..start.len().min(BINARY_WITHIN)];
    let cut = std::str::from_utf8(start).err().is_some_and(|error| error.error_len().is_some());
    let document = may_be_document(whole) && (cut || start.iter().any(is_binary));
    if !(document || start.iter().any(is_binary) || (cut && has_no_words(start))) {
        return Verdict::No;
    }
    match document {
        true if names_somebody(whole, hints) => Verdict::Is(Seen::Opaque(Opaque::Document)),
        true => Verdict::Perhaps(Some(Seen::Opaque(Opaque::Binary))),
        false => Verdict::Is(Seen::Opaque(Opaque::Binary)),
    }
}

/// Whether most of it is beyond ASCII: no text of one byte for each character that Europe writes.
fn has_no_words(start: &[u8]) -> bool {
    start.iter().filter(|byte| !byte.is_ascii()).count() * 2 > start.len()
}
