//! What a response body is, for the redactor: by its media type where it can be believed, by its first bytes where not.

use http::{HeaderMap, HeaderValue, header};

use super::{grpc, respond::Unreadable};
use crate::redact::{Charset, Format, FormatError, MediaType};

/// What is known of a body before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// A format that the redactor reads.
    Known(Format),
    /// What Excel calls its own files, and platforms their CSV: the first bytes decide.
    Spreadsheet(Format),
    /// A type under which platforms have been seen to send JSON, or none at all: the first bytes decide.
    Doubtful,
    /// Something else, as far as its type can be believed: the first bytes decide as well. A part of it may pass unseen,
    /// for that is how browsers read films and documents.
    Other,
    /// `text/plain`, under which platforms send JSON as well; the first bytes decide.
    Plain(Charset),
    /// `text/html`, under which platforms send JSON as well; the first bytes decide.
    Page(Charset),
    /// A stream of parts, which may begin long after its head: its type must be believed.
    Stream,
    /// Messages of gRPC, which may begin long after the head and end with trailers: nobody reads them here.
    Messages,
}

impl Media {
    /// Whether the type says nothing of what the body is.
    pub fn is_doubtful(&self) -> bool {
        matches!(self, Self::Doubtful | Self::Plain(_) | Self::Page(_))
    }
}

/// Reads `Content-Type` (RFC 9110 8.3).
///
/// # Errors
/// A refusal for two of them or none that parses, and for a known format in a charset in which it is not read (JSON:
/// any but UTF-8, RFC 8259 8.1, and those in which ASCII means the same), where two are named, and where parts have no boundary.
pub fn media(headers: &HeaderMap) -> Result<Media, Unreadable> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else { return Ok(Media::Doubtful) };
    if values.next().is_some() {
        return Err(Unreadable::MediaType);
    }
    let essence = value.as_bytes().split(|&byte| byte == b';').next().unwrap_or_default();
    let essence = essence.trim_ascii().to_ascii_lowercase();
    // Two types joined by a comma are two readings.
    if essence.contains(&b',') {
        return Err(Unreadable::MediaType);
    }
    if grpc::is_messages(&essence) {
        return Ok(Media::Messages);
    }
    let Some(media_type) = MediaType::parse(value.as_bytes()) else {
        // Nothing tells how to read it, if it is of a format that is read.
        let bare = MediaType::parse(&essence).map(|bare| Format::of_media_type(&bare));
        let read = is_excel(&essence) || bare.is_some_and(|format| format != Ok(None));
        return if read { Err(Unreadable::MediaType) } else { Ok(unread(&essence)) };
    };
    // Their bytes look like other texts than they are.
    let charset = media_type.parameter("charset").ok().flatten().unwrap_or_default().to_ascii_lowercase();
    if DISGUISES.contains(&&*charset) {
        return Err(Unreadable::Charset);
    }
    let excel = is_excel(&essence);
    let format = if excel {
        Format::of_media_type(&media_type.with_essence("text/csv"))
    } else {
        Format::of_media_type(&media_type)
    };
    match format {
        Ok(Some(format)) if excel => Ok(Media::Spreadsheet(format)),
        Ok(Some(format)) => Ok(Media::Known(format)),
        Ok(None) if essence == b"text/plain" => {
            let charset = media_type.parameter("charset").map_err(|_| Unreadable::Charset)?;
            Ok(match charset.map(Charset::named) {
                None => Media::Plain(Charset::Unstated),
                Some(Some(charset)) => Media::Plain(charset),
                Some(None) => Media::Doubtful,
            })
        }
        Ok(None) if essence == b"text/html" => Ok(match media_type.parameter("charset") {
            Ok(None) => Media::Page(Charset::Unstated),
            // In others it is not read.
            Ok(Some(name)) => match Charset::named(name) {
                Some(charset) if charset.is_ascii_compatible() => Media::Page(charset),
                _ => Media::Doubtful,
            },
            Err(_) => Media::Doubtful,
        }),
        Ok(None) => Ok(unread(&essence)),
        Err(FormatError::Charset) => Err(Unreadable::Charset),
        Err(FormatError::Parameter) => Err(Unreadable::MediaType),
    }
}

/// Charsets in which what is written in ASCII is another text, and which no browser reads (Encoding Standard 4.2).
const DISGUISES: [&str; 11] = [
    "utf-7",
    "utf7",
    "unicode-1-1-utf-7",
    "scsu",
    "hz-gb-2312",
    "ibm037",
    "cp037",
    "ibm500",
    "cp500",
    "ibm1047",
    "cp1047",
];

/// Says that a body is in UTF-8 now.
pub(super) fn state_utf8(headers: &mut HeaderMap) {
    let stated = headers.get(header::CONTENT_TYPE).and_then(|value| MediaType::parse(value.as_bytes()));
    if let Some(value) = stated.and_then(|stated| HeaderValue::from_bytes(stated.in_utf8().as_bytes()).ok()) {
        headers.insert(header::CONTENT_TYPE, value);
    }
}

/// A type that names no format that is read.
fn unread(essence: &[u8]) -> Media {
    match essence {
        b"multipart/x-mixed-replace" => Media::Stream,
        // Whatever has the word in its name may be read as JSON somewhere.
        other if memchr::memmem::find(other, b"json").is_some() || is_script(other) => Media::Doubtful,
        b""
        | b"text/html"
        | b"text/plain"
        | b"application/octet-stream"
        | b"binary/octet-stream"
        | b"application/force-download"
        | b"application/download"
        | b"application/x-download"
        | b"text/javascript-object"
        | b"unknown/unknown"
        | b"*/*" => Media::Doubtful,
        _ => Media::Other,
    }
}

fn is_excel(essence: &[u8]) -> bool {
    matches!(essence, b"application/vnd.ms-excel" | b"application/excel" | b"application/msexcel")
}

/// `text/javascript` and its many names.
fn is_script(essence: &[u8]) -> bool {
    essence.ends_with(b"/javascript")
        || essence.ends_with(b"/x-javascript")
        || essence.ends_with(b"/ecmascript")
}

/// Whether a body that Excel should open is a table of text: neither a workbook, nor an archive, nor a page.
pub fn looks_like_table(start: &[u8]) -> Option<bool> {
    const WORKBOOKS: [&[u8]; 3] = [b"\xd0\xcf\x11\xe0", b"PK\x03\x04", b"\x09\x08"];
    let text = start.strip_prefix(b"\xef\xbb\xbf").unwrap_or(start).trim_ascii_start();
    if start.len() < 4 {
        return None;
    }
    Some(!WORKBOOKS.iter().any(|magic| start.starts_with(magic)) && text.first() != Some(&b'<'))
}

/// Whether the first part of a stream of parts is a picture; `None` while its type has not come.
pub fn of_pictures(start: &[u8]) -> Option<bool> {
    const TYPE: &[u8] = b"content-type:";
    let head = start[..start.len().min(1024)].to_ascii_lowercase();
    let Some(at) = memchr::memmem::find(&head, TYPE) else { return (start.len() >= 1024).then_some(false) };
    let value = head[at + TYPE.len()..].trim_ascii_start();
    if value.len() < 6 { None } else { Some(value.starts_with(b"image/")) }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn of(values: &[&'static str]) -> Result<Media, Unreadable> {
        let mut headers = HeaderMap::new();
        for value in values {
            headers.append(header::CONTENT_TYPE, HeaderValue::from_static(value));
        }
        media(&headers)
    }

    #[test]
    fn media_types_are_read_strictly() {
        for (values, expected) in [
            (&["application/json"][..], Ok(Media::Known(Format::Json))),
            (&["Application/JSON; charset=UTF-8"], Ok(Media::Known(Format::Json))),
            (&["application/reports+json"], Ok(Media::Known(Format::Json))),
            (&["application/json; charset=\"utf-8\""], Ok(Media::Known(Format::Json))),
            (&["application/json; charset=iso-8859-1"], Ok(Media::Known(Format::Ascii))),
            (&["application/json; charset=shift_jis"], Err(Unreadable::Charset)),
            (&["application/x-ndjson; charset=iso-8859-1"], Err(Unreadable::Charset)),
            (&["application/json; charset=utf-8; charset=utf-7"], Err(Unreadable::Charset)),
            (&["application/json; Charset = utf-16"], Err(Unreadable::Charset)),
            (&["application/json", "text/html"], Err(Unreadable::MediaType)),
            (&["application/json, text/html"], Err(Unreadable::MediaType)),
            (&["text/html"], Ok(Media::Page(Charset::Unstated))),
            (&["Text/HTML; charset=UTF-8"], Ok(Media::Page(Charset::Utf8))),
            (&["text/html; charset=latin1"], Ok(Media::Page(Charset::named("latin1").unwrap()))),
            (&["text/html; charset=utf-16"], Ok(Media::Doubtful)),
            (&["text/html; charset=UTF-7"], Err(Unreadable::Charset)),
            (&["text/html; charset=utf-8; charset=latin1"], Ok(Media::Doubtful)),
            (&[], Ok(Media::Doubtful)),
            (&["text/xml; charset=utf-8"], Ok(Media::Known(Format::Xml))),
            (&["application/rss+xml"], Ok(Media::Known(Format::Xml))),
            (&["image/svg+xml"], Ok(Media::Other)),
            (&["application/xhtml+xml"], Ok(Media::Other)),
            (&["application/xml; charset=iso-8859-1"], Err(Unreadable::Charset)),
            (&["application/x-ndjson"], Ok(Media::Known(Format::Lines))),
            (&["application/geo+json-seq"], Ok(Media::Known(Format::Sequence))),
            (&["application/stream+json"], Ok(Media::Known(Format::Lines))),
            (&["application/vnd.log.ndjson"], Ok(Media::Doubtful)),
            (&["text/csv"], Ok(Media::Known(Format::table(None)))),
            (&["text/csv; charset=utf-7"], Err(Unreadable::Charset)),
            (&["text/csv; charset=utf-8; charset=latin1"], Err(Unreadable::Charset)),
            (&["text/csv; header=\"absent"], Err(Unreadable::MediaType)),
            (&["text/html; charset=\"x"], Ok(Media::Doubtful)),
            (&["application/vnd.ms-excel"], Ok(Media::Spreadsheet(Format::table(None)))),
            (&["application/vnd.ms-excel; charset=utf-7"], Err(Unreadable::Charset)),
            (&["application/x-www-form-urlencoded"], Ok(Media::Known(Format::Form))),
            (
                &["multipart/mixed; boundary=\"a b\""],
                Ok(Media::Known(Format::Multipart { boundary: "a b".into(), form: false })),
            ),
            (&["multipart/mixed"], Err(Unreadable::MediaType)),
            (&["multipart/mixed; boundary=a; boundary=b"], Err(Unreadable::MediaType)),
            (&["multipart/mixed; boundary=\"a"], Err(Unreadable::MediaType)),
            (&["multipart/related; boundary = a"], Err(Unreadable::MediaType)),
            (&["multipart/mixed; boundary=\"a\" b"], Err(Unreadable::MediaType)),
            (&["multipart/byteranges; boundary=a"], Ok(Media::Other)),
            (&["multipart/x-mixed-replace; boundary=a"], Ok(Media::Stream)),
            (&["application/grpc"], Ok(Media::Messages)),
            (&["Application/gRPC+json"], Ok(Media::Messages)),
            (&["application/grpc-web-text+proto; a=b"], Ok(Media::Messages)),
            (&["text/javascript; charset=utf-8"], Ok(Media::Doubtful)),
            (&["text/event-stream; charset=utf-8"], Ok(Media::Known(Format::Events))),
            (&["text/event-stream; charset=iso-8859-1"], Err(Unreadable::Charset)),
            (&["multipart/x-mixed-replace; boundary=a"], Ok(Media::Stream)),
            (&["application/vnd.api.json"], Ok(Media::Known(Format::Json))),
            (
                &["multipart/form-data; boundary=\"application/json\""],
                Ok(Media::Known(Format::Multipart { boundary: "application/json".into(), form: true })),
            ),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
    }

    #[test]
    fn excel_opens_more_than_workbooks() {
        for (start, expected) in [
            (&b"id;"[..], None),
            (b"id;nom\n", Some(true)),
            (b"\xff\xfei\0d\0", Some(true)),
            (b"\xd0\xcf\x11\xe0\xa1", Some(false)),
            (b"PK\x03\x04\x14", Some(false)),
            (b"\xef\xbb\xbf <table", Some(false)),
        ] {
            assert_eq!(looks_like_table(start), expected, "{start:?}");
        }
    }
}
