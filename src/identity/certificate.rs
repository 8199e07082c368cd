//! A client's certificate as a JSON document, in which `claims` finds who the client is.
//!
//! | member | what |
//! |---|---|
//! | `uri`, `dns`, `email` | lists: the subject's alternative names (RFC 5280 4.2.1.6); names of hosts in lower case |
//! | `dns_domain`, `email_domain` | lists: what stands behind the first label, and behind the `@` |
//! | `spiffe` | `trust_domain` and `path`, where the one URI is a SPIFFE ID (X509-SVID 2) |
//! | `subject`, `issuer` | `cn`, `o`, `ou`: a text, or a list where there are several |
//! | `serial`, `fingerprint` | hexadecimal; SHA-256 of the whole |
//!
//! Behind a proxy (`from: xfcc`) there are `uri`, `dns`, `dns_domain`, `spiffe`, `by`, `fingerprint` and `subject.dn`, the text
//! that the proxy writes.

use aws_lc_rs::digest::{SHA256, digest};
use serde_json::{Map, Value, json};
use x509_parser::prelude::{FromDer as _, GeneralName, X509Certificate, X509Name};

use super::{spiffe, xfcc::Forwarded};

/// Most names of one kind.
const NAMES: usize = 64;

/// The document of a certificate; nothing for one that cannot be read in one way.
pub(super) fn document(der: &[u8]) -> Option<Value> {
    let (rest, certificate) = X509Certificate::from_der(der).ok()?;
    if !rest.is_empty() {
        return None;
    }
    let (mut uri, mut dns, mut email) = (Vec::new(), Vec::new(), Vec::new());
    // An error where there are several such extensions.
    if let Some(names) = certificate.subject_alternative_name().ok()? {
        for name in &names.value.general_names {
            match name {
                GeneralName::URI(text) => uri.push((*text).to_owned()),
                GeneralName::DNSName(text) => dns.push(text.to_ascii_lowercase()),
                GeneralName::RFC822Name(text) => email.push((*text).to_owned()),
                GeneralName::Invalid(..) => return None,
                _ => {}
            }
        }
    }
    let email_domain: Vec<String> = email
        .iter()
        .filter_map(|text| text.rsplit_once('@'))
        .map(|(_, domain)| domain.to_ascii_lowercase())
        .collect();
    if [&uri, &dns, &email].iter().any(|names| !names.iter().all(|name| is_plain(name)))
        || email.len() > NAMES
    {
        return None;
    }
    let mut document = names(uri, dns)?;
    document.insert("email".into(), json!(email));
    document.insert("email_domain".into(), json!(email_domain));
    document.insert("subject".into(), distinguished(certificate.subject()));
    document.insert("issuer".into(), distinguished(certificate.issuer()));
    document.insert("serial".into(), json!(hex(certificate.raw_serial())));
    document.insert("fingerprint".into(), json!(hex(digest(&SHA256, der).as_ref())));
    Some(Value::Object(document))
}

/// The document of what a proxy says.
pub(super) fn forwarded(forwarded: Forwarded) -> Option<Value> {
    let mut document = names(forwarded.uri, forwarded.dns)?;
    document.insert("by".into(), json!(forwarded.by));
    document.insert("fingerprint".into(), json!(forwarded.hash));
    document.insert("subject".into(), json!({ "dn": forwarded.subject }));
    Some(Value::Object(document))
}

/// What both have.
fn names(uri: Vec<String>, dns: Vec<String>) -> Option<Map<String, Value>> {
    if uri.len() > NAMES || dns.len() > NAMES {
        return None;
    }
    let mut document = Map::new();
    let domains: Vec<&str> =
        dns.iter().filter_map(|name| name.split_once('.')).map(|(_, domain)| domain).collect();
    document.insert("dns_domain".into(), json!(domains));
    // X509-SVID 2: a certificate with another URI beside it is none.
    if let [one] = uri.as_slice()
        && let Some((domain, path)) = spiffe::parse(one)
    {
        document.insert("spiffe".into(), json!({ "trust_domain": domain, "path": path }));
    }
    document.insert("uri".into(), json!(uri));
    document.insert("dns".into(), json!(dns));
    Some(document)
}

/// Whether a name holds nothing that ends it for some reader (a NUL, CVE-2009-2408).
fn is_plain(name: &str) -> bool {
    !name.is_empty() && name.bytes().all(|byte| byte.is_ascii_graphic())
}

/// Parts of a distinguished name. One that cannot be read takes its kind away: another of that kind would look like the only one.
fn distinguished(name: &X509Name<'_>) -> Value {
    let mut parts = Map::new();
    let lists = [
        ("cn", name.iter_common_name().map(|part| part.as_str().ok()).collect::<Option<Vec<_>>>()),
        ("o", name.iter_organization().map(|part| part.as_str().ok()).collect()),
        ("ou", name.iter_organizational_unit().map(|part| part.as_str().ok()).collect()),
    ];
    for (kind, texts) in lists {
        let texts = texts.filter(|texts| texts.iter().all(|text| !text.chars().any(char::is_control)));
        let value = match texts.as_deref() {
            None | Some([]) => continue,
            Some([one]) => json!(one),
            Some(several) => json!(several),
        };
        parts.insert(kind.into(), value);
    }
    Value::Object(parts)
}

fn hex(bytes: &[u8]) -> String {
    const DIGITS: &[u8; 16] = b"0123456789abcdef";
    bytes
        .iter()
        .flat_map(|byte| [byte >> 4, byte & 15])
        .map(|digit| char::from(DIGITS[usize::from(digit)]))
        .collect()
}

#[cfg(test)]
mod tests {
    use rcgen::{CertificateParams, DnType, KeyPair, SanType, string::Ia5String};

    use super::*;

    fn made(names: Vec<SanType>, common: &[&str]) -> Vec<u8> {
        let mut params = CertificateParams::default();
        params.subject_alt_names = names;
        params.distinguished_name = rcgen::DistinguishedName::new();
        for name in common {
            params.distinguished_name.push(DnType::CommonName, *name);
        }
        params.distinguished_name.push(DnType::OrganizationName, "\u{c9}cole");
        params.self_signed(&KeyPair::generate().unwrap()).unwrap().der().to_vec()
    }

    fn ia5(text: &str) -> Ia5String {
        text.try_into().unwrap()
    }

    #[test]
    fn names_become_members() {
        let der = made(
            vec![
                SanType::URI(ia5("spiffe://ecole.example/sis/notes")),
                SanType::DnsName(ia5("SIS.ecole.example")),
                SanType::Rfc822Name(ia5("Jean@Ecole.example")),
                SanType::IpAddress([127, 0, 0, 1].into()),
            ],
            &["sis"],
        );
        let document = document(&der).unwrap();
        assert_eq!(document["uri"], json!(["spiffe://ecole.example/sis/notes"]));
        assert_eq!(document["spiffe"], json!({"trust_domain": "ecole.example", "path": "/sis/notes"}));
        assert_eq!(document["dns"], json!(["sis.ecole.example"]));
        assert_eq!(document["dns_domain"], json!(["ecole.example"]));
        assert_eq!(document["email"], json!(["Jean@Ecole.example"]));
        assert_eq!(document["email_domain"], json!(["ecole.example"]));
        assert_eq!(document["subject"], json!({"cn": "sis", "o": "\u{c9}cole"}));
        assert_eq!(document["fingerprint"].as_str().unwrap().len(), 64);
        assert!(!document["serial"].as_str().unwrap().is_empty());
    }

    #[test]
    fn two_uris_are_no_spiffe_id() {
        let two = vec![SanType::URI(ia5("spiffe://a/x")), SanType::URI(ia5("spiffe://a/y"))];
        let document = document(&made(two, &[])).unwrap();
        assert_eq!(document.get("spiffe"), None);
        assert_eq!(document["uri"].as_array().unwrap().len(), 2);
        assert_eq!(document["subject"].get("cn"), None);
    }

    #[test]
    fn what_ends_early_for_some_reader_is_no_certificate() {
        let der = made(vec![SanType::DnsName(ia5("admin.example\0.evil.example"))], &["x"]);
        assert_eq!(document(&der), None);
        let mut longer = made(vec![], &["x"]);
        assert!(document(&longer).is_some());
        longer.push(0);
        assert_eq!(document(&longer), None);
        assert_eq!(document(b""), None);
        assert_eq!(document(&[0x30; 40]), None);
    }
}
