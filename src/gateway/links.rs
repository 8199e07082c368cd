//! Personal data in the addresses, parameters and file names of a response's head.

use std::borrow::Cow;

use http::HeaderValue;
use percent_encoding::percent_decode;

/// Where a value without quotes ends.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Ends {
    /// At white space too, as in a field of addresses.
    Address,
    /// At the next parameter: `full_name=Jean Dupont; page=7`.
    Parameter,
}

/// How far a value goes that is looked at.
#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Upto {
    /// To its end.
    End,
    /// Perhaps less far: a document may have signs at which a value ends.
    Beyond,
}

/// Addresses in parameters of addresses that are followed: `/sign-in?next=%2Fa%3Femail%3D…`.
const MAX_LEVEL: usize = 3;

/// Takes the values out of parameters that `hidden` names, and those that are documents of which `shows` says so or
/// addresses with such parameters; `None` where nothing changes.
///
/// The text may hold several addresses between other words (`Link`, RFC 8288): a value ends where the next parameter, the
/// address or the text does. What is quoted is emptied between its quotes.
pub(super) fn screen(
    text: &[u8],
    ends: Ends,
    hidden: &dyn Fn(&str) -> bool,
    shows: &dyn Fn(&[u8], Upto) -> bool,
) -> Option<Vec<u8>> {
    screen_at(text, ends, hidden, shows, 0)
}

fn screen_at(
    text: &[u8],
    ends: Ends,
    hidden: &dyn Fn(&str) -> bool,
    shows: &dyn Fn(&[u8], Upto) -> bool,
    level: usize,
) -> Option<Vec<u8>> {
    let blank = |byte: u8| matches!(byte, b' ' | b'\t');
    // Readers do not agree on where a value ends: it is the latest place.
    let is_end = |at: usize| {
        let behind = &text[at + 1..];
        match (ends, text[at]) {
            (_, b'&' | b'>' | b'"') | (Ends::Address, b'#' | b' ' | b'\t') | (Ends::Parameter, b';') => true,
            (_, b'\'') => behind.is_empty(),
            // The next of several addresses, the next of several parameters.
            (Ends::Address, b',') => matches!(behind.first(), None | Some(b' ' | b'<')),
            (Ends::Parameter, b',') => {
                let word = behind.trim_ascii_start();
                let length =
                    word.iter().take_while(|&&byte| byte.is_ascii_alphanumeric() || b"_-*.".contains(&byte));
                let length = length.count();
                length > 0 && word[length..].trim_ascii_start().starts_with(b"=")
            }
            _ => false,
        }
    };
    let mut out: Option<Vec<u8>> = None;
    let mut copied = 0;
    for equals in memchr::memchr_iter(b'=', text) {
        if equals < copied {
            continue;
        }
        let front = text[..equals].trim_ascii_end();
        let start = front.iter().rposition(|&byte| blank(byte) || b"&#>\"';,?</(=".contains(&byte));
        // A segment of a path is no parameter.
        if start.is_some_and(|at| matches!(front[at], b'/' | b'=')) {
            continue;
        }
        let decoded: Cow<'_, [u8]> = percent_decode(&front[start.map_or(0, |at| at + 1)..]).into();
        let decoded = String::from_utf8_lossy(&decoded);
        // `user[email]` and `user.email` end in the name that counts.
        let last = decoded.trim_end_matches([']', '*']).rsplit(['[', '.']).next().unwrap_or_default();
        // A plus is a blank in a query.
        let named = hidden(&decoded) || hidden(last) || hidden(&decoded.replace('+', " "));
        let within = |value: &[u8]| {
            let decoded: Cow<'_, [u8]> = percent_decode(value).into();
            shows(&decoded, Upto::End)
                || (level < MAX_LEVEL
                    && memchr::memchr(b'%', value).is_some()
                    && screen_at(&decoded, Ends::Address, hidden, shows, level + 1).is_some())
        };
        if !named {
            let end = (equals + 1..text.len()).find(|&at| is_end(at)).unwrap_or(text.len());
            // Written without escapes, a document has all the signs at which a value could end.
            let end = if shows(&text[equals + 1..], Upto::Beyond) { text.len() } else { end };
            if within(&text[equals + 1..end]) {
                out.get_or_insert_default().extend_from_slice(&text[copied..=equals]);
                copied = end;
            }
            continue;
        }
        let value = equals + 1 + text[equals + 1..].iter().take_while(|&&byte| blank(byte)).count();
        let (from, end) = match text.get(value) {
            Some(quote @ (b'"' | b'\'')) => {
                (value + 1, memchr::memchr(*quote, &text[value + 1..]).map(|length| value + 1 + length))
            }
            _ => (equals + 1, (equals + 1..text.len()).find(|&at| is_end(at))),
        };
        out.get_or_insert_default().extend_from_slice(&text[copied..from]);
        copied = end.unwrap_or(text.len());
    }
    let mut out = out?;
    out.extend_from_slice(&text[copied..]);
    Some(out)
}

/// What often stands behind a name in a path and is nobody's value: `/email/confirm`, `/login/callback`.
const ENDPOINTS: &str = " activate add auth callback cancel change check complete confirm confirmation create delete done edit \
    error export forgot forgotten help history import index list login logout new next oauth oauth2 oidc options password \
    recover register remove request resend reset saml saml2 save search send session settings setup signin signup sso status \
    success token unsubscribe update upload validate validation verification verify view ";

/// Takes out of addresses what stands behind a segment that `hidden` names (`/email/a@b`), and the user in front of a host
/// (RFC 9110 4.2.4); `None` where nothing changes.
pub(super) fn screen_path(text: &[u8], hidden: &dyn Fn(&str) -> bool) -> Option<Vec<u8>> {
    let is_end = |byte: &u8| byte.is_ascii_whitespace() || b"/?#<>\"',;".contains(byte);
    let length = |from: usize| text[from..].iter().position(is_end).unwrap_or(text.len() - from);
    let mut out: Option<Vec<u8>> = None;
    let mut copied = 0;
    for slash in memchr::memchr_iter(b'/', text) {
        if slash < copied {
            continue;
        }
        let value = slash + 1;
        let end = value + length(value);
        let front = text[..slash].strip_suffix(b"/");
        if front.is_some_and(|front| front.last().is_none_or(|last| b": \t<=\"'".contains(last))) {
            // A password may have any of the signs at which a segment ends.
            let stop = |byte: &u8| byte.is_ascii_whitespace() || b"/?#<>\"'".contains(byte);
            let authority = &text[value..];
            let authority = &authority[..authority.iter().position(stop).unwrap_or(authority.len())];
            if let Some(at) = memchr::memrchr(b'@', authority) {
                out.get_or_insert_default().extend_from_slice(&text[copied..value]);
                copied = value + at + 1;
            }
            continue;
        }
        let start = text[..slash].iter().rposition(is_end).map_or(0, |at| at + 1);
        let name: Cow<'_, [u8]> = percent_decode(&text[start..slash]).into();
        let segment = &text[value..end];
        let stem = String::from_utf8_lossy(segment.split(|&byte| byte == b'.').next().unwrap_or_default());
        let is_endpoint = ENDPOINTS.split_ascii_whitespace().any(|word| word == stem);
        if !segment.is_empty() && !is_endpoint && hidden(&String::from_utf8_lossy(&name)) {
            out.get_or_insert_default().extend_from_slice(&text[copied..value]);
            copied = end;
        }
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
        let shows = |value: &[u8], _| value.starts_with(b"{\"email\":");
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
            ("</a>; rel=next; email=\"x y\"; b=c", Some("</a>; rel=next; email=\"\"; b=c")),
            ("/a?email='x", Some("/a?email='")),
            ("0;url='/a?b=1&email=o'x'", Some("0;url='/a?b=1&email='")),
            ("/a?email=x,y;z&b=1", Some("/a?email=&b=1")),
            ("/a?b=email=x", None),
            ("/a?email=email=x&b=1", Some("/a?email=&b=1")),
            ("/a?next=%2Fb%3Femail%3Dx%26c&d=1", Some("/a?next=&d=1")),
            ("/a?next=%2Fb%3Fn%3D%252Fc%253Femail%253Dx", Some("/a?next=")),
            ("/a?next=%2Fb%3Fc%3D1&d=1", None),
            ("/a?d=%7B%22email%22%3A%22x%22%7D&e=1", Some("/a?d=&e=1")),
            ("/a?d={\"email\":\"x\"}&e=1", Some("/a?d=")),
        ] {
            let screened = screen(text.as_bytes(), Ends::Address, &hidden, &shows)
                .map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(screened.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn paths_lose_what_stands_behind_a_hidden_name() {
        let hidden = |name: &str| name.eq_ignore_ascii_case("email");
        for (text, expected) in [
            ("/users/email/a@b", Some("/users/email/")),
            ("/e%6Dail/a%40b/x?y=1", Some("/e%6Dail//x?y=1")),
            ("email/a", Some("email/")),
            (
                "</email/a>; rel=next, <https://h/Email/b>; rel=prev",
                Some("</email/>; rel=next, <https://h/Email/>; rel=prev"),
            ),
            ("https://jean:p,w@h/a", Some("https://h/a")),
            ("//jean@h", Some("//h")),
            ("/a//b@c", None),
            ("https://h/a@b", None),
            ("/email/confirm?x=1", None),
            ("/email/index.php", None),
            ("/email/", None),
            ("/email", None),
            ("/mail/email", None),
            ("//", None),
        ] {
            let screened =
                screen_path(text.as_bytes(), &hidden).map(|bytes| String::from_utf8(bytes).unwrap());
            assert_eq!(screened.as_deref(), expected, "{text}");
        }
    }

    #[test]
    fn parameters_of_other_fields_are_emptied_whole() {
        let hidden = |name: &str| name.eq_ignore_ascii_case("nom");
        let shows = |_: &[u8], _| false;
        for (text, expected) in [
            ("nom=Jean Dupont; page=7", Some("nom=; page=7")),
            ("a;Nom = \"Jean, Dupont\", b", Some("a;Nom = \"\", b")),
            ("Basic realm=\"x\", nom*=UTF-8''Jean", Some("Basic realm=\"x\", nom*=")),
            ("a=nom; b", None),
            ("nom=Dupont, Jean, b=1", Some("nom=, b=1")),
        ] {
            let screened = screen(text.as_bytes(), Ends::Parameter, &hidden, &shows)
                .map(|bytes| String::from_utf8(bytes).unwrap());
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
