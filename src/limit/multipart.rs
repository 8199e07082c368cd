//! `multipart/form-data` (RFC 7578), read strictly: whatever two parsers could read in two ways is refused.

use std::borrow::Cow;

use memchr::memmem;

use super::{account::Value, login::PeekError};

/// Name of one part, and its text unless it is a file.
pub type NamedText<'a> = (Cow<'a, str>, Option<Cow<'a, str>>);

/// Name and value of one part.
pub(super) type Field<'a> = (Cow<'a, str>, Value<'a>);

/// The names and texts of the parts of a body, in order; a file has no text.
///
/// # Errors
/// A [`PeekError`] for what two parsers could read in two ways.
pub fn form_data<'a>(content_type: &[u8], body: &'a [u8]) -> Result<Vec<NamedText<'a>>, PeekError> {
    let texts = fields(content_type, body)?.into_iter().map(|(name, value)| match value {
        Value::Text(text) => (name, Some(text)),
        Value::File => (name, None),
    });
    Ok(texts.collect())
}

/// The fields of a body, in order.
pub(super) fn fields<'a>(content_type: &[u8], body: &'a [u8]) -> Result<Vec<Field<'a>>, PeekError> {
    let boundary = boundary(content_type)?;
    let delimiter = [b"--", boundary].concat();
    // The body begins with its first delimiter: text in front of it is legal, but no browser writes any.
    let mut rest = body.strip_prefix(delimiter.as_slice()).ok_or(PeekError::Unreadable)?;
    let separator = [b"\r\n", delimiter.as_slice()].concat();
    let mut fields = Vec::new();
    loop {
        if let Some(tail) = rest.strip_prefix(b"--") {
            // What stands behind the end is read by nobody, or by somebody.
            return if matches!(tail, b"" | b"\r\n") { Ok(fields) } else { Err(PeekError::Unreadable) };
        }
        rest = rest.strip_prefix(b"\r\n").ok_or(PeekError::Unreadable)?;
        let end = memmem::find(rest, &separator).ok_or(PeekError::Unreadable)?;
        fields.push(part(&rest[..end])?);
        rest = &rest[end + separator.len()..];
    }
}

/// The `boundary` parameter (RFC 2046 §5.1.1); it must be there once.
fn boundary(content_type: &[u8]) -> Result<&[u8], PeekError> {
    let boundary = parameter(content_type, b"boundary")?.ok_or(PeekError::Unreadable)?;
    let legal = |b: &u8| b.is_ascii_alphanumeric() || b"'()+_,-./:=?".contains(b);
    if boundary.is_empty() || boundary.len() > 70 || !boundary.iter().all(legal) {
        return Err(PeekError::Unreadable);
    }
    Ok(boundary)
}

fn part(part: &[u8]) -> Result<Field<'_>, PeekError> {
    let end = memmem::find(part, b"\r\n\r\n").ok_or(PeekError::Unreadable)?;
    let (head, value) = (&part[..end], &part[end + 4..]);
    let mut disposition = None;
    for line in head.split(|&b| b == b'\n') {
        let line = line.strip_suffix(b"\r").unwrap_or(line);
        // A folded line, a bare CR or LF: readers differ.
        if line.contains(&b'\r') || line.first().is_none_or(u8::is_ascii_whitespace) {
            return Err(PeekError::Unreadable);
        }
        let colon = memchr::memchr(b':', line).ok_or(PeekError::Unreadable)?;
        let (name, text) = (&line[..colon], line[colon + 1..].trim_ascii());
        if name.eq_ignore_ascii_case(b"content-disposition") {
            if disposition.replace(text).is_some() {
                return Err(PeekError::Ambiguous);
            }
        } else if name.eq_ignore_ascii_case(b"content-transfer-encoding") {
            let plain = [&b"7bit"[..], b"8bit", b"binary"].iter().any(|p| text.eq_ignore_ascii_case(p));
            if !plain {
                return Err(PeekError::Unreadable);
            }
        }
    }
    let disposition = disposition.ok_or(PeekError::Unreadable)?;
    // `name*` and `filename*` (RFC 8187) are forbidden here by RFC 7578 §4.2 and heeded by some.
    if disposition.contains(&b'*') {
        return Err(PeekError::Unreadable);
    }
    let name = parameter(disposition, b"name")?.ok_or(PeekError::Unreadable)?;
    let value = match parameter(disposition, b"filename")? {
        Some(_) => Value::File,
        None => Value::Text(String::from_utf8_lossy(value)),
    };
    Ok((String::from_utf8_lossy(name), value))
}

/// One parameter of a field value such as `form-data; name="a"`: quoted or a token, never twice.
pub(super) fn parameter<'a>(value: &'a [u8], wanted: &[u8]) -> Result<Option<&'a [u8]>, PeekError> {
    let mut found = None;
    let mut rest = match memchr::memchr(b';', value) {
        Some(at) => &value[at..],
        None => return Ok(None),
    };
    while let Some(parameter) = rest.strip_prefix(b";") {
        let parameter = parameter.trim_ascii_start();
        if parameter.is_empty() {
            break;
        }
        let equals =
            parameter.iter().position(|&b| matches!(b, b'=' | b';' | b'"')).unwrap_or(parameter.len());
        if parameter.get(equals) != Some(&b'=') {
            return Err(PeekError::Unreadable);
        }
        let (name, text) = (parameter[..equals].trim_ascii(), parameter[equals + 1..].trim_ascii_start());
        let (text, behind) = match text.strip_prefix(b"\"") {
            Some(quoted) => {
                let close = memchr::memchr(b'"', quoted).ok_or(PeekError::Unreadable)?;
                // `\"` ends the text for some and not for others.
                if quoted[..close].contains(&b'\\') {
                    return Err(PeekError::Unreadable);
                }
                (&quoted[..close], quoted[close + 1..].trim_ascii_start())
            }
            None => {
                let end = memchr::memchr(b';', text).unwrap_or(text.len());
                (text[..end].trim_ascii(), &text[end..])
            }
        };
        if name.eq_ignore_ascii_case(wanted) && found.replace(text).is_some() {
            return Err(PeekError::Ambiguous);
        }
        rest = behind;
    }
    if rest.is_empty() || rest.trim_ascii() == b";" { Ok(found) } else { Err(PeekError::Unreadable) }
}
