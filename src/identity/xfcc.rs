//! `X-Forwarded-Client-Cert`: what a proxy that ended the client's TLS says of the certificate (Envoy's format).
//!
//! One element is read: the proxy must set the field, not append to one that came from outside. Every key is known, every
//! value is whole, and what a proxy would have quoted is quoted; anything else is refused, for a name in a certificate
//! must not become a field of its own.

use super::RejectReason;

/// Longest field, in bytes: a whole chain may stand in it.
const FIELD_BYTES: usize = 32 * 1024;

/// What the proxy says.
#[derive(Debug, Default, PartialEq, Eq)]
pub(super) struct Forwarded {
    pub(super) by: Vec<String>,
    pub(super) hash: Option<String>,
    pub(super) subject: Option<String>,
    pub(super) uri: Vec<String>,
    pub(super) dns: Vec<String>,
}

/// Reads the field.
pub(super) fn parse(field: &[u8]) -> Result<Forwarded, RejectReason> {
    if field.len() > FIELD_BYTES {
        return Err(RejectReason::CredentialTooLong);
    }
    std::str::from_utf8(field).ok().and_then(element).ok_or(RejectReason::MalformedCredential)
}

fn element(field: &str) -> Option<Forwarded> {
    let mut found = Forwarded::default();
    let mut seen: Vec<String> = Vec::new();
    let mut rest = field;
    loop {
        let (key, behind) = rest.split_once('=')?;
        let (value, behind) = value(behind)?;
        let key = key.to_ascii_lowercase();
        match key.as_str() {
            "by" => found.by.push(value),
            "uri" => found.uri.push(value),
            "dns" => found.dns.push(value.to_ascii_lowercase()),
            "hash" | "subject" | "cert" | "chain" if seen.contains(&key) => return None,
            "hash" if !value.bytes().all(|byte| byte.is_ascii_hexdigit()) => return None,
            "hash" => found.hash = Some(value.to_ascii_lowercase()),
            "subject" => found.subject = Some(value),
            "cert" | "chain" => {}
            _ => return None,
        }
        seen.push(key);
        match behind {
            "" => return Some(found),
            behind => rest = behind.strip_prefix(';')?,
        }
    }
}

/// A value and what follows it.
fn value(text: &str) -> Option<(String, &str)> {
    let Some(quoted) = text.strip_prefix('"') else {
        let end = text.find([';', ',']).unwrap_or(text.len());
        let (value, rest) = text.split_at(end);
        // A certificate in a field of its own is percent-encoded; nothing that is not quoted has a sign of structure.
        let plain = !value.is_empty()
            && value.bytes().all(|byte| byte.is_ascii_graphic() && !b"\"=\\".contains(&byte));
        return plain.then(|| (value.to_owned(), rest));
    };
    let mut value = String::new();
    let mut characters = quoted.char_indices();
    while let Some((at, character)) = characters.next() {
        match character {
            '"' => return Some((value, &quoted[at + 1..])),
            '\\' => {
                value.push(characters.next().map(|(_, escaped)| escaped).filter(|c| matches!(c, '"' | '\\'))?)
            }
            character if character.is_control() => return None,
            character => value.push(character),
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_envoy_writes_is_read() {
        let field = "By=spiffe://a/gate;Hash=468ED33BE74EEE6556D90c0149c1309e9ba61d6425303443c0748a02dd8de688;\
                     Subject=\"CN=Jean \\\"le\\\" Test,O=\\u{c9}cole; 2\";URI=spiffe://ecole.example/sis;\
                     DNS=SIS.ecole.example;DNS=sis2.ecole.example";
        let field = field.replace("\\u{c9}", "\u{c9}");
        let found = parse(field.as_bytes()).unwrap();
        assert_eq!(found.uri, ["spiffe://ecole.example/sis"]);
        assert_eq!(found.dns, ["sis.ecole.example", "sis2.ecole.example"]);
        assert_eq!(found.subject.unwrap(), "CN=Jean \"le\" Test,O=\u{c9}cole; 2");
        assert_eq!(found.by, ["spiffe://a/gate"]);
        assert!(found.hash.unwrap().starts_with("468ed33b"));
        let cert = "Hash=00;Cert=\"-----BEGIN%20CERTIFICATE-----%0A\";Subject=\"\";URI=";
        assert_eq!(parse(cert.as_bytes()), Err(RejectReason::MalformedCredential));
    }

    #[test]
    fn what_could_be_read_in_two_ways_is_refused() {
        for field in [
            "",
            "URI",
            "URI=",
            "URI=a,URI=b",
            "URI=a;",
            ";URI=a",
            "URI=a;;DNS=b",
            "URI=a ;DNS=b",
            " URI=a",
            "URI=a, By=b",
            "URI=\"a\"b",
            "URI=\"a",
            "URI=\"a\\n\"",
            "URI=a\"b",
            "URI=a=b",
            "Hash=1;Hash=2",
            "Subject=\"a\";Subject=\"b\"",
            "Hash=xyz",
            "Role=admin",
            "URI=a\tb",
            "URI=\"a\tb\"",
        ] {
            assert_eq!(parse(field.as_bytes()), Err(RejectReason::MalformedCredential), "{field}");
        }
        assert_eq!(parse(b"URI=\xe9"), Err(RejectReason::MalformedCredential));
        let long = format!("URI={}", "a".repeat(FIELD_BYTES));
        assert_eq!(parse(long.as_bytes()), Err(RejectReason::CredentialTooLong));
    }
}
