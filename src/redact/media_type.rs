//! `Content-Type` and `Content-Disposition`: a word and its parameters (RFC 9110 5.6.6 and 8.3.1, RFC 2045 5.1).

use std::borrow::Cow;

/// A media type or a disposition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct MediaType {
    essence: String,
    parameters: Vec<(String, String)>,
    exact: bool,
}

impl MediaType {
    /// Reads a field value; `None` where it has no single essence in visible ASCII. Parameters that no grammar knows are
    /// passed over, and [`MediaType::is_exact`] tells of them.
    pub fn parse(value: &[u8]) -> Option<Self> {
        // Obsolete text (RFC 9110 5.5), which only parameters have: file names in Latin-1.
        let value = std::str::from_utf8(value)
            .map_or_else(|_| Cow::Owned(value.iter().map(|&byte| char::from(byte)).collect()), Cow::Borrowed);
        let (essence, mut rest) = value.split_at(value.find(';').unwrap_or(value.len()));
        let essence = essence.trim_matches([' ', '\t']).to_ascii_lowercase();
        if essence.bytes().any(|byte| !matches!(byte, 0x21..=0x7e) || byte == b',') {
            return None;
        }
        let (mut parameters, mut exact) = (Vec::new(), true);
        while let Some(parameter) = rest.strip_prefix(';') {
            let parameter = parameter.trim_start_matches([' ', '\t']);
            let end = parameter.find(['=', ';']).unwrap_or(parameter.len());
            let (name, value) = parameter.split_at(end);
            let Some(value) = value.strip_prefix('=') else {
                exact &= name.is_empty();
                rest = value;
                continue;
            };
            // White space around `=` is no grammar's, but some readers pass over it.
            let trimmed = value.trim_start_matches([' ', '\t']);
            exact &= is_token(name) && trimmed.len() == value.len();
            let name = name.trim_matches([' ', '\t']).to_ascii_lowercase();
            let (text, after) = match trimmed.strip_prefix('"') {
                Some(quoted) => quoted_string(quoted)?,
                None => {
                    let (token, after) = trimmed.split_at(trimmed.find(';').unwrap_or(trimmed.len()));
                    let token = token.trim_matches([' ', '\t']);
                    exact &= is_token(token);
                    (token.to_owned(), after)
                }
            };
            let after = after.trim_start_matches([' ', '\t']);
            exact &= after.is_empty() || after.starts_with(';');
            rest = &after[after.find(';').unwrap_or(after.len())..];
            parameters.push((name, text));
        }
        Some(Self { essence, parameters, exact })
    }

    /// `type/subtype` or the disposition, in lower case; empty where there is none.
    pub fn essence(&self) -> &str {
        &self.essence
    }

    /// The same parameters of another type.
    #[must_use]
    pub fn with_essence(&self, essence: &str) -> Self {
        Self { essence: essence.into(), ..self.clone() }
    }

    /// The field value for a body that was brought to UTF-8.
    pub fn in_utf8(&self) -> String {
        let mut value = self.essence.clone();
        for (name, text) in &self.parameters {
            let text = if name == "charset" { "utf-8" } else { text };
            value.push_str("; ");
            value.push_str(name);
            value.push('=');
            if is_token(text) {
                value.push_str(text);
            } else {
                value.push_str(&quoted(text));
            }
        }
        value
    }

    /// The one value of a parameter, as it was quoted.
    ///
    /// # Errors
    /// `TwoValues` where it is named twice: readers take either.
    pub fn parameter(&self, name: &str) -> Result<Option<&str>, TwoValues> {
        let mut values = self.parameters.iter().filter(|(known, _)| known == name);
        let first = values.next().map(|(_, value)| value.as_str());
        if values.next().is_some() { Err(TwoValues) } else { Ok(first) }
    }

    /// Whether every parameter is what the grammar allows.
    pub fn is_exact(&self) -> bool {
        self.exact
    }
}

/// A parameter is named twice.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("a parameter is named twice")]
pub struct TwoValues;

/// The text of a quoted string behind its first quote, and what follows it.
fn quoted_string(text: &str) -> Option<(String, &str)> {
    let (mut value, mut characters) = (String::new(), text.char_indices());
    loop {
        match characters.next()? {
            (at, '"') => return Some((value, &text[at + 1..])),
            (_, '\\') => value.push(characters.next()?.1),
            (_, c) if c.is_control() && c != '\t' => return None,
            (_, c) => value.push(c),
        }
    }
}

/// A quoted string (RFC 9110 5.6.4).
pub(super) fn quoted(text: &str) -> String {
    format!("\"{}\"", text.replace('\\', "\\\\").replace('"', "\\\""))
}

/// RFC 9110 5.6.2.
pub(super) fn is_token(text: &str) -> bool {
    !text.is_empty()
        && text.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"!#$%&'*+-.^_`|~".contains(&byte))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parameters_are_read_as_their_grammar_writes_them() {
        for (value, name, expected, exact) in [
            ("text/csv", "charset", None, true),
            ("Text/CSV; Charset=ISO-8859-1", "charset", Some("ISO-8859-1"), true),
            ("text/csv;charset=\"utf-8\";;header=absent;", "header", Some("absent"), true),
            ("multipart/mixed; boundary=\"a;charset=x\"", "charset", None, true),
            ("multipart/mixed; boundary=\"a\\\"b\"", "boundary", Some("a\"b"), true),
            ("text/csv; charset = utf-16", "charset", Some("utf-16"), false),
            ("text/csv; charset", "charset", None, false),
            ("text/csv; charset=a b", "charset", Some("a b"), false),
            ("text/csv; charset=\"a\"b", "charset", Some("a"), false),
        ] {
            let read = MediaType::parse(value.as_bytes()).unwrap();
            assert_eq!(read.parameter(name), Ok(expected), "{value}");
            assert_eq!(read.is_exact(), exact, "{value}");
        }
        let value = MediaType::parse(b"Text/CSV;header=present;charset=latin1;x=\"a \\\" b\"").unwrap();
        assert_eq!(value.in_utf8(), "text/csv; header=present; charset=utf-8; x=\"a \\\" b\"");
        let two = MediaType::parse(b"text/csv; charset=a; CHARSET=b").unwrap();
        assert_eq!(two.parameter("charset"), Err(TwoValues));
        for refused in ["text/csv, text/html", "text/cs v", "texte/\u{e9}", "a/b; c=\"d", "a/b; c=\"d\\"] {
            assert_eq!(MediaType::parse(refused.as_bytes()), None, "{refused}");
        }
    }
}
