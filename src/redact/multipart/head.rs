//! The head of a part: the four fields that count (RFC 2046 5.1, RFC 7578 4.8), the rest of it stays here.

use memchr::memchr_iter;
use percent_encoding::percent_decode_str;

use super::MAX_PART_HEAD;
use crate::redact::media_type::{MediaType, is_token, quoted};
use crate::redact::{Format, FormatError, RedactError};

/// What a part says of itself.
#[derive(Debug, Default)]
pub(super) struct Head {
    media_type: Option<MediaType>,
    disposition: Option<MediaType>,
    id: Option<String>,
    encoding: Option<String>,
    /// Its content is not as it is: base64 or the like.
    pub(super) is_encoded: bool,
}

/// Where the head ends, with the empty line; `None` while that has not come.
pub(super) fn end(bytes: &[u8]) -> Result<Option<usize>, RedactError> {
    let end = match bytes {
        [b'\r', b'\n', ..] => Some(2),
        _ => memchr_iter(b'\r', bytes).find(|&at| bytes[at..].starts_with(b"\r\n\r\n")).map(|at| at + 4),
    };
    if end.unwrap_or(bytes.len()) > MAX_PART_HEAD { Err(RedactError::TooLong) } else { Ok(end) }
}

impl Head {
    pub(super) fn parse(bytes: &[u8]) -> Result<Self, RedactError> {
        let text = std::str::from_utf8(bytes).map_err(|_| RedactError::NotUtf8)?;
        let mut head = Self::default();
        for line in text.split_terminator('\n') {
            let line = line.strip_suffix('\r').ok_or(RedactError::Malformed)?;
            if line.is_empty() {
                continue;
            }
            let (name, value) = line.split_once(':').ok_or(RedactError::Malformed)?;
            let value = value.trim_matches([' ', '\t']);
            // A folded line begins with a space, which is no token.
            if !is_token(name) || value.chars().any(|c| c.is_control() && c != '\t') {
                return Err(RedactError::Malformed);
            }
            let parsed = || MediaType::parse(value.as_bytes()).ok_or(RedactError::Malformed);
            let twice = match name.to_ascii_lowercase().as_str() {
                "content-type" => head.media_type.replace(parsed()?).is_some(),
                "content-disposition" => head.disposition.replace(parsed()?).is_some(),
                "content-id" => head.id.replace(value.to_owned()).is_some(),
                "content-transfer-encoding" => head.encoding.replace(value.to_ascii_lowercase()).is_some(),
                // The part in yet another coding, range or place.
                "content-encoding" | "content-range" => return Err(RedactError::Opaque),
                _ => false,
            };
            if twice {
                return Err(RedactError::Malformed);
            }
        }
        head.is_encoded =
            head.encoding.as_deref().is_some_and(|coding| !matches!(coding, "7bit" | "8bit" | "binary"));
        Ok(head)
    }

    /// The format by which the part is read.
    pub(super) fn format(&self) -> Result<Option<Format>, RedactError> {
        let Some(media_type) = &self.media_type else { return Ok(None) };
        Format::of_media_type(media_type).map_err(|error| match error {
            FormatError::Charset => RedactError::NotUtf8,
            FormatError::Parameter => RedactError::Malformed,
        })
    }

    /// Whether the part is a message with a head and body of its own, in which anything may be.
    pub(super) fn wraps_a_message(&self) -> bool {
        self.media_type.as_ref().map(MediaType::essence).is_some_and(|essence| {
            essence.starts_with("message/")
                || essence.starts_with("multipart/") && self.is_other_multipart()
                || essence == "application/http"
        })
    }

    fn is_other_multipart(&self) -> bool {
        !matches!(self.format(), Ok(Some(_)))
    }

    /// Whether it is the value of a form's text field, in UTF-8.
    pub(super) fn is_text(&self) -> bool {
        let plain = self.media_type.as_ref().is_none_or(|media_type| {
            let utf8 = match media_type.parameter("charset") {
                Ok(None) => true,
                Ok(Some(name)) => matches!(name.to_ascii_lowercase().as_str(), "utf-8" | "us-ascii"),
                Err(_) => false,
            };
            matches!(media_type.essence(), "text/plain" | "") && utf8
        });
        plain && !self.is_encoded && self.file_name().is_none()
    }

    /// The name of a form's field.
    ///
    /// # Errors
    /// [`RedactError::Malformed`] where it has none, or two, or one that says in which charset the others are.
    pub(super) fn field(&self) -> Result<&str, RedactError> {
        let disposition = self.disposition.as_ref().filter(|it| it.essence() == "form-data" && it.is_exact());
        match disposition.map(|it| (it.parameter("name"), it.parameter("name*"), it.parameter("filename"))) {
            Some((Ok(Some(name)), Ok(None), Ok(_))) if name != "_charset_" => Ok(name),
            _ => Err(RedactError::Malformed),
        }
    }

    /// The file name, and its extension with the dot.
    pub(super) fn file_name(&self) -> Option<(String, String)> {
        let disposition = self.disposition.as_ref()?;
        let name = match (disposition.parameter("filename"), disposition.parameter("filename*")) {
            (Ok(None), Ok(None)) => return None,
            (Ok(Some(name)), Ok(_)) => name.to_owned(),
            (Ok(None), Ok(Some(extended))) => decoded(extended).unwrap_or_default(),
            _ => String::new(),
        };
        let extension = name.rfind('.').map_or("", |at| &name[at..]);
        let plain =
            extension.len() <= 6 && extension.bytes().skip(1).all(|byte| byte.is_ascii_alphanumeric());
        let extension = if plain { extension.to_owned() } else { String::new() };
        Some((name, extension))
    }

    /// Writes the fields that leave, with this file name.
    pub(super) fn write(&self, file_name: Option<&str>, format: Option<&Format>, out: &mut Vec<u8>) {
        if let Some(disposition) = &self.disposition {
            out.extend_from_slice(b"Content-Disposition: ");
            out.extend_from_slice(disposition.essence().as_bytes());
            for (name, value) in
                [("name", disposition.parameter("name").ok().flatten()), ("filename", file_name)]
            {
                if let Some(value) = value {
                    write_parameter(name, value, out);
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        if let Some(media_type) = &self.media_type {
            out.extend_from_slice(b"Content-Type: ");
            out.extend_from_slice(media_type.essence().as_bytes());
            let rewritten = format.is_some_and(Format::is_rewritten);
            for name in ["boundary", "charset", "header"] {
                match media_type.parameter(name) {
                    Ok(Some(_)) if name == "charset" && rewritten => write_parameter(name, "utf-8", out),
                    Ok(Some(value)) => write_parameter(name, value, out),
                    Ok(None) | Err(_) => {}
                }
            }
            out.extend_from_slice(b"\r\n");
        }
        if let Some(id) = self.id.as_deref().filter(|id| id.bytes().all(|byte| matches!(byte, 0x21..=0x7e))) {
            out.extend_from_slice(b"Content-ID: ");
            out.extend_from_slice(id.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
        if let Some(encoding) = self.encoding.as_deref().filter(|encoding| is_token(encoding)) {
            out.extend_from_slice(b"Content-Transfer-Encoding: ");
            out.extend_from_slice(encoding.as_bytes());
            out.extend_from_slice(b"\r\n");
        }
    }
}

/// The text of an extended value (RFC 8187), without what would break a line.
fn decoded(extended: &str) -> Option<String> {
    let (charset, rest) = extended.split_once('\'')?;
    let (_, text) = rest.split_once('\'')?;
    let text = percent_decode_str(text).decode_utf8().ok()?;
    let plain = charset.eq_ignore_ascii_case("utf-8") && !text.chars().any(char::is_control);
    plain.then(|| text.into_owned())
}

/// `; name="value"`: quoted, for any text is allowed there.
fn write_parameter(name: &str, value: &str, out: &mut Vec<u8>) {
    out.extend_from_slice(format!("; {name}={}", quoted(value)).as_bytes());
}
