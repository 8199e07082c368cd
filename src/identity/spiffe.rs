//! SPIFFE IDs (SPIFFE-ID 2): `spiffe://trust-domain/path`.

/// Longest ID, in bytes.
const ID_BYTES: usize = 2048;
/// Longest trust domain, in bytes.
const DOMAIN_BYTES: usize = 255;

/// An ID's trust domain and path; the path is empty or starts with a slash. Nothing for what is no ID.
pub(super) fn parse(text: &str) -> Option<(&str, &str)> {
    let rest = text.strip_prefix("spiffe://").filter(|_| text.len() <= ID_BYTES)?;
    let (domain, path) = rest.split_at(rest.find('/').unwrap_or(rest.len()));
    let named = |byte: u8| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'.' | b'-' | b'_');
    if domain.is_empty() || domain.len() > DOMAIN_BYTES || !domain.bytes().all(named) {
        return None;
    }
    let sound = |segment: &str| {
        !matches!(segment, "" | "." | "..")
            && segment.bytes().all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'.' | b'-' | b'_'))
    };
    let segments = path.strip_prefix('/');
    segments.is_none_or(|segments| segments.split('/').all(sound)).then_some((domain, path))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_are_read_as_the_standard_says() {
        for (text, expected) in [
            ("spiffe://ecole.example/sis/notes", Some(("ecole.example", "/sis/notes"))),
            ("spiffe://ecole.example", Some(("ecole.example", ""))),
            ("spiffe://ecole.example/", None),
            ("spiffe://ecole.example//notes", None),
            ("spiffe://ecole.example/notes/", None),
            ("spiffe://ecole.example/../notes", None),
            ("spiffe://ecole.example/n%6ftes", None),
            ("spiffe://ecole.example/notes?x", None),
            ("spiffe://ecole.example/notes#x", None),
            ("spiffe://ecole.example:8443/notes", None),
            ("spiffe://me@ecole.example/notes", None),
            ("spiffe://Ecole.example/notes", None),
            ("SPIFFE://ecole.example/notes", None),
            ("spiffe:///notes", None),
            ("https://ecole.example/notes", None),
            ("", None),
        ] {
            assert_eq!(parse(text), expected, "{text}");
        }
        assert_eq!(parse(&format!("spiffe://a/{}", "x".repeat(ID_BYTES))), None);
        assert_eq!(parse(&format!("spiffe://{}", "x".repeat(DOMAIN_BYTES + 1))), None);
    }
}
