//! The declaration of a document's type (production 28), where it has no subset of its own.

use super::name::{is_blank, is_character, is_qualified, trim};

/// Whether this is `<!DOCTYPE name>`, perhaps with the identifiers of a subset elsewhere.
pub(super) fn is_doctype(raw: &str) -> bool {
    let Some(inside) = raw.strip_prefix("<!DOCTYPE").and_then(|raw| raw.strip_suffix('>')) else {
        return false;
    };
    let Some(rest) = blanks(inside) else { return false };
    let end = rest.bytes().position(is_blank).unwrap_or(rest.len());
    let (name, rest) = rest.split_at(end);
    is_qualified(name.as_bytes())
        && (trim(rest.as_bytes()).is_empty() || blanks(rest).is_some_and(is_external))
}

/// `SYSTEM "…"` or `PUBLIC "…" "…"` (production 75), and white space behind it.
fn is_external(text: &str) -> bool {
    let address = match text.split_at_checked(6) {
        Some(("SYSTEM", rest)) => blanks(rest),
        Some(("PUBLIC", rest)) => blanks(rest)
            .and_then(literal)
            .filter(|(identifier, _)| identifier.chars().all(is_public))
            .and_then(|(_, rest)| blanks(rest)),
        _ => None,
    };
    let Some((address, rest)) = address.and_then(literal) else { return false };
    address.chars().all(is_character) && trim(rest.as_bytes()).is_empty()
}

/// What follows white space, of which there must be some.
fn blanks(text: &str) -> Option<&str> {
    let rest = text.trim_start_matches([' ', '\t', '\r', '\n']);
    (rest.len() < text.len()).then_some(rest)
}

/// What stands between quotes, and what follows them.
fn literal(text: &str) -> Option<(&str, &str)> {
    let quote = text.chars().next().filter(|quote| matches!(quote, '"' | '\''))?;
    text[1..].split_once(quote)
}

/// Production 13.
fn is_public(c: char) -> bool {
    c.is_ascii_alphanumeric() || " \r\n-'()+,./:=?;!*#@$_%".contains(c)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_what_declares_nothing_is_a_type() {
        for good in [
            "<!DOCTYPE html>",
            "<!DOCTYPE html >",
            "<!DOCTYPE\n\tmets:mets\n>",
            "<!DOCTYPE plist PUBLIC \"-//Apple//DTD PLIST 1.0//EN\" \"http://www.apple.com/DTDs/PropertyList-1.0.dtd\">",
            "<!DOCTYPE article PUBLIC '-//OASIS//DTD DocBook XML V4.5//EN'\n  'docbookx.dtd' >",
            "<!DOCTYPE users SYSTEM 'a \"b\" > c'>",
            "<!DOCTYPE users SYSTEM \"\">",
        ] {
            assert!(is_doctype(good), "{good}");
        }
        for bad in [
            "<!DOCTYPE>",
            "<!DOCTYPE >",
            "<!DOCTYPEhtml>",
            "<!doctype html>",
            "<!DOCTYPE 1>",
            "<!DOCTYPE a b>",
            "<!DOCTYPE a \"b\">",
            "<!DOCTYPE a SYSTEM>",
            "<!DOCTYPE a SYSTEM b>",
            "<!DOCTYPE a SYSTEM\"b\">",
            "<!DOCTYPE a SYSTEM \"b\" \"c\">",
            "<!DOCTYPE a PUBLIC \"b\">",
            "<!DOCTYPE a PUBLIC \"b\"\"c\">",
            "<!DOCTYPE a PUBLIC \"<\" \"c\">",
            "<!DOCTYPE a SYSTEM \"\u{1}\">",
            "<!DOCTYPE a [<!ENTITY x 'y'>]>",
            "<!DOCTYPE a SYSTEM \"b\" []>",
        ] {
            assert!(!is_doctype(bad), "{bad}");
        }
    }
}
