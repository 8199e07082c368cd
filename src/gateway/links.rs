//! Personal data in the addresses and file names of a response's head.

use std::borrow::Cow;

use http::HeaderValue;
use percent_encoding::percent_decode;

/// Takes the values out of query and fragment parameters that `hidden` names; `None` where nothing changes.
///
/// The text may hold several addresses between other words (`Link`, RFC 8288): a value ends where the next parameter, the
/// address or the text does.
pub(super) fn screen(text: &[u8], hidden: impl Fn(&str) -> bool) -> Option<Vec<u8>> {
    let is_end = |byte: u8| matches!(byte, b'&' | b'#' | b'>' | b'"' | b'\'' | b';' | b' ' | b'\t' | b',');
    let mut out: Option<Vec<u8>> = None;
    let (mut at, mut copied) = (0, 0);
    while let Some(start) = text[at..].iter().position(|byte| matches!(byte, b'?' | b'&' | b'#' | b';')) {
        let name = at + start + 1;
        let equals = text[name..].iter().position(|&byte| byte == b'=' || is_end(byte) || byte == b'?');
        let Some(equals) = equals.map(|length| name + length) else { break };
        at = equals;
        if text[equals] != b'=' {
            continue;
        }
        let decoded: Cow<'_, [u8]> = percent_decode(&text[name..equals]).into();
        let decoded = String::from_utf8_lossy(&decoded);
        // `user[email]` and `user.email` end in the name that counts.
        let last = decoded.trim_end_matches(']').rsplit(['[', '.']).next().unwrap_or_default();
        if !(hidden(&decoded) || hidden(last)) {
            continue;
        }
        let end =
            text[equals + 1..].iter().position(|&byte| is_end(byte)).map_or(text.len(), |n| equals + 1 + n);
        out.get_or_insert_default().extend_from_slice(&text[copied..=equals]);
        copied = end;
        at = end;
    }
    let mut out = out?;
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

/// `Content-Disposition` (RFC 6266) with a file name that names nobody: its type and the file's extension stay.
pub(super) fn neutral_disposition(value: &[u8]) -> HeaderValue {
    let text = String::from_utf8_lossy(value);
    let kind = text.split(';').next().unwrap_or_default().trim().to_ascii_lowercase();
    let kind = if kind == "inline" { "inline" } else { "attachment" };
    if !text.to_ascii_lowercase().contains("filename") {
        return HeaderValue::from_static(kind);
    }
    let name = text.trim_end_matches(['"', ' ', ';']);
    let extension = name.rsplit_once('.').map(|(_, extension)| extension).filter(|extension| {
        (1..=5).contains(&extension.len()) && extension.bytes().all(|byte| byte.is_ascii_alphanumeric())
    });
    let name = extension.map_or("document".to_owned(), |extension| format!("document.{extension}"));
    // Both are plain ASCII words.
    HeaderValue::try_from(format!("{kind}; filename=\"{name}\"")).unwrap_or(HeaderValue::from_static(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn hidden_parameters_are_emptied_and_others_stay() {
        let hidden = |name: &str| name.eq_ignore_ascii_case("email");
        for (text, expected) in [
            ("/a?email=x@y.fr", Some("/a?email=")),
            ("/a?b=1&email=x&c=2", Some("/a?b=1&email=&c=2")),
            ("/a?e%6Dail=x#f", Some("/a?e%6Dail=#f")),
            ("/a?user[email]=x&user.email=y", Some("/a?user[email]=&user.email=")),
            ("/a#email=x", Some("/a#email=")),
            (
                "<https://h/a?email=x>; rel=\"next\", </b?email=y>",
                Some("<https://h/a?email=>; rel=\"next\", </b?email=>"),
            ),
            ("0; url=/a?email=x", Some("0; url=/a?email=")),
            ("/a?mail=email&x", None),
            ("/email=x", None),
            ("/a?email", None),
            ("", None),
        ] {
            let screened = screen(text.as_bytes(), hidden).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(screened.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn files_are_named_after_nobody() {
        for (value, expected) in [
            ("attachment; filename=\"Jean Dupont.pdf\"", "attachment; filename=\"document.pdf\""),
            ("inline; filename*=UTF-8''Jean%20Dupont.csv", "inline; filename=\"document.csv\""),
            ("Attachment; FileName=jean", "attachment; filename=\"document\""),
            ("attachment; filename=\"jean.dupont-martin\"", "attachment; filename=\"document\""),
            ("inline", "inline"),
            ("form-data; name=x", "attachment"),
        ] {
            assert_eq!(neutral_disposition(value.as_bytes()), expected, "{value}");
        }
    }
}
