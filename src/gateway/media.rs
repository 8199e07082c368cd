//! What a response body is, for the redactor: by its media type where it can be believed, by its first bytes where not.

use http::{HeaderMap, header};

use super::respond::Unreadable;

/// What is known of a body before it is read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Media {
    /// `application/json`, `…+json`, `text/json`.
    Json,
    /// A type under which platforms have been seen to send JSON, or none at all: the first bytes decide.
    Doubtful,
    /// Something else.
    Other,
}

/// Reads `Content-Type` (RFC 9110 8.3).
///
/// # Errors
/// A refusal for two of them or none that parses, and for JSON in a charset other than UTF-8 (RFC 8259 8.1) or where two are
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
    let media = match essence.as_slice() {
        b"application/json" | b"text/json" | b"application/x-json" => Media::Json,
        other if other.ends_with(b"+json") => Media::Json,
        b""
        | b"text/html"
        | b"text/plain"
        | b"application/octet-stream"
        | b"text/javascript-object"
        | b"unknown/unknown"
        | b"*/*" => Media::Doubtful,
        _ => Media::Other,
    };
    if media == Media::Json {
        let mut charsets = parts.filter_map(charset);
        let first = charsets.next();
        if charsets.next().is_some() || first.is_some_and(|name| !is_utf8(&name)) {
            return Err(Unreadable::Charset);
        }
    }
    Ok(media)
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

/// Whether a body of doubtful type begins as a JSON text; `None` while too little of it is known.
///
/// Two tokens are looked at: `{{template}}` and `[1] a footnote` are no JSON. A byte order mark of UTF-16 or UTF-32, or
/// a NUL among the first bytes, might hide JSON from this look and is called JSON, which the parser then refuses.
pub fn looks_like_json(start: &[u8]) -> Option<bool> {
    if start.starts_with(&[0xff, 0xfe]) || start.starts_with(&[0xfe, 0xff]) {
        return Some(true);
    }
    if start.iter().take(4).any(|&byte| byte == 0) {
        return Some(true);
    }
    let text = start.strip_prefix(&[0xef, 0xbb, 0xbf]).unwrap_or(start);
    let mut tokens = text.iter().filter(|byte| !matches!(byte, b' ' | b'\t' | b'\r' | b'\n'));
    match (tokens.next()?, tokens.next()) {
        (b'{' | b'[', None) => None,
        (b'{', Some(next)) => Some(matches!(next, b'"' | b'}')),
        (b'[', Some(next)) => Some(matches!(next, b'{' | b'[' | b'"' | b']')),
        _ => Some(false),
    }
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
            (&["application/json"][..], Ok(Media::Json)),
            (&["Application/JSON; charset=UTF-8"], Ok(Media::Json)),
            (&["application/reports+json"], Ok(Media::Json)),
            (&["application/json; charset=\"utf-8\""], Ok(Media::Json)),
            (&["application/json; charset=iso-8859-1"], Err(Unreadable::Charset)),
            (&["application/json; charset=utf-8; charset=utf-7"], Err(Unreadable::Charset)),
            (&["application/json; Charset = utf-16"], Err(Unreadable::Charset)),
            (&["application/json", "text/html"], Err(Unreadable::MediaType)),
            (&["application/json, text/html"], Err(Unreadable::MediaType)),
            (&["text/html; charset=latin1"], Ok(Media::Doubtful)),
            (&[], Ok(Media::Doubtful)),
            (&["text/csv"], Ok(Media::Other)),
            (&["multipart/form-data; boundary=\"application/json\""], Ok(Media::Other)),
        ] {
            assert_eq!(of(values), expected, "{values:?}");
        }
    }

    #[test]
    fn first_bytes_decide_where_the_type_lies() {
        for (start, expected) in [
            (&b""[..], None),
            (b"  [", None),
            (b"[{", Some(true)),
            (b" {\n \"a\"", Some(true)),
            (b"\xef\xbb\xbf[]", Some(true)),
            (b"{{name}}", Some(false)),
            (b"[1] see", Some(false)),
            (b"<html>", Some(false)),
            (b"\xff\xfe[\0", Some(true)),
            (b"\0[", Some(true)),
        ] {
            assert_eq!(looks_like_json(start), expected, "{start:?}");
        }
    }
}
