//! What a response body is, for the redactor: by its media type where it can be believed, by its first bytes where not.

use http::{HeaderMap, header};

use super::respond::Unreadable;
use crate::redact::Format;

/// What is known of a body before it is read.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Media {
    /// A format that the redactor reads.
    Known(Format),
    /// A type under which platforms have been seen to send JSON, or none at all: the first bytes decide.
    Doubtful,
    /// Something else, as far as its type can be believed: the first bytes decide as well. A part of it may pass unseen,
    /// for that is how browsers read films and documents.
    Other,
    /// A stream of parts, which may begin long after its head: its type must be believed.
    Stream,
}

/// Reads `Content-Type` (RFC 9110 8.3).
///
/// # Errors
/// A refusal for two of them or none that parses, and for a known format in a charset other than UTF-8 (RFC 8259 8.1), or where two are
/// named.
pub fn media(headers: &HeaderMap) -> Result<Media, Unreadable> {
    let mut values = headers.get_all(header::CONTENT_TYPE).iter();
    let Some(value) = values.next() else { return Ok(Media::Doubtful) };
    if values.next().is_some() {
        return Err(Unreadable::MediaType);
    }
    let mut parts = value.as_bytes().split(|&byte| byte == b';').map(<[u8]>::trim_ascii);
    let essence = parts.next().unwrap_or_default().to_ascii_lowercase();
    // Two types joined by a comma are two readings.
    if essence.contains(&b',') {
        return Err(Unreadable::MediaType);
    }
    let known = std::str::from_utf8(&essence).ok().and_then(Format::of);
    let media = match essence.as_slice() {
        _ if let Some(format) = known => Media::Known(format),
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
        | b"application/x-www-form-urlencoded"
        | b"text/javascript-object"
        | b"unknown/unknown"
        | b"*/*" => Media::Doubtful,
        _ => Media::Other,
    };
    if matches!(media, Media::Known(_)) {
        let mut charsets = parts.filter_map(charset);
        let first = charsets.next();
        if charsets.next().is_some() || first.is_some_and(|name| !is_utf8(&name)) {
            return Err(Unreadable::Charset);
        }
    }
    Ok(media)
}

/// `text/javascript` and its many names.
fn is_script(essence: &[u8]) -> bool {
    essence.ends_with(b"/javascript")
        || essence.ends_with(b"/x-javascript")
        || essence.ends_with(b"/ecmascript")
}

/// The value of a `charset` parameter, lower case and without quotes.
fn charset(parameter: &[u8]) -> Option<Vec<u8>> {
    let at = parameter.iter().position(|&byte| byte == b'=')?;
    parameter[..at].trim_ascii().eq_ignore_ascii_case(b"charset").then(|| {
        let value = parameter[at + 1..].trim_ascii();
        let value = value.strip_prefix(b"\"").unwrap_or(value);
        value.strip_suffix(b"\"").unwrap_or(value).to_ascii_lowercase()
    })
}

fn is_utf8(name: &[u8]) -> bool {
    matches!(name, b"utf-8" | b"utf8" | b"us-ascii" | b"ascii")
}

#[cfg(test)]
mod tests {
    use super::*;
    use http::HeaderValue;

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
            (&["application/json; charset=iso-8859-1"], Err(Unreadable::Charset)),
            (&["application/json; charset=utf-8; charset=utf-7"], Err(Unreadable::Charset)),
            (&["application/json; Charset = utf-16"], Err(Unreadable::Charset)),
            (&["application/json", "text/html"], Err(Unreadable::MediaType)),
            (&["application/json, text/html"], Err(Unreadable::MediaType)),
            (&["text/html; charset=latin1"], Ok(Media::Doubtful)),
            (&[], Ok(Media::Doubtful)),
            (&["text/xml; charset=utf-8"], Ok(Media::Known(Format::Xml))),
            (&["application/rss+xml"], Ok(Media::Known(Format::Xml))),
            (&["image/svg+xml"], Ok(Media::Other)),
            (&["application/xhtml+xml"], Ok(Media::Other)),
            (&["application/xml; charset=iso-8859-1"], Err(Unreadable::Charset)),
            (&["text/csv"], Ok(Media::Other)),
            (&["application/x-ndjson"], Ok(Media::Known(Format::Lines))),
            (&["application/geo+json-seq"], Ok(Media::Known(Format::Sequence))),
            (&["application/stream+json"], Ok(Media::Known(Format::Lines))),
            (&["application/vnd.log.ndjson"], Ok(Media::Doubtful)),
            (&["text/javascript; charset=utf-8"], Ok(Media::Doubtful)),
            (&["text/event-stream; charset=utf-8"], Ok(Media::Known(Format::Events))),
            (&["text/event-stream; charset=iso-8859-1"], Err(Unreadable::Charset)),
            (&["multipart/x-mixed-replace; boundary=a"], Ok(Media::Stream)),
            (&["application/vnd.api.json"], Ok(Media::Known(Format::Json))),
            (&["multipart/form-data; boundary=\"application/json\""], Ok(Media::Other)),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
    }
}
