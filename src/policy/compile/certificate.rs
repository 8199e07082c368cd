//! `gateway.certificates` → [`Certificate`]s: parsed, paired, and looked at for their end.

use std::{
    sync::Arc,
    time::{Duration, SystemTime},
};

use rustls::{
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    sign::CertifiedKey,
};

use super::context::{At, Context};
use crate::{
    policy::{
        document::{CertificateDocument, GatewayDocument},
        set::Certificate,
    },
    secret::Sensitive,
};

/// How long before its end a certificate becomes a finding.
const NOTICE: Duration = Duration::from_secs(30 * 86_400);

/// Compiles the certificates.
pub(super) fn compile(context: &mut Context<'_>, at: &At, document: &GatewayDocument) -> Vec<Certificate> {
    let help = "the certificate that TLS clients see: `certificates: [{ names: […], chain: …, key: … }]`";
    let Some(written) = context.need(at, "certificates", &document.certificates, help) else {
        return Vec::new();
    };
    let at = at.key("certificates");
    if written.is_empty() {
        context.error(&at, "there is no certificate", help);
    }
    let mut taken: Vec<&str> = Vec::new();
    let mut certificates = Vec::new();
    for (index, entry) in written.iter().enumerate() {
        let (Some(entry), at) = (entry, at.item(index)) else { continue };
        let names = names(context, &at, entry, &mut taken);
        if let Some((chain, key)) = pair(context, &at, ("chain", &entry.chain), &entry.key, "browsers") {
            certificates.push(Certificate { names, chain, key: Sensitive::new(Arc::new(key)) });
        }
    }
    certificates
}

fn names<'d>(
    context: &mut Context<'_>,
    at: &At,
    entry: &'d CertificateDocument,
    taken: &mut Vec<&'d str>,
) -> Vec<String> {
    let help = "server names, `*.example.fr` for one label";
    let mut names = Vec::new();
    if context.need(at, "names", &entry.names, help).is_some_and(Vec::is_empty) {
        context.error(&at.key("names"), "the certificate answers no name", help);
    }
    for (index, name) in entry.names.iter().flatten().enumerate() {
        let (Some(name), at) = (name, at.key("names").item(index)) else { continue };
        if ServerName::try_from(name.strip_prefix("*.").unwrap_or(name)).is_err() {
            context.error(&at, format!("`{name}` is not a server name"), help);
        }
        if taken.contains(&name.as_str()) {
            let help = "a server name has one certificate";
            context.error(&at, format!("`{name}` is answered by another certificate already"), help);
        }
        taken.push(name);
        names.push(name.to_ascii_lowercase());
    }
    names
}

type Pair = (Vec<CertificateDer<'static>>, PrivateKeyDer<'static>);

/// A chain and its key. `readers` are those who refuse it after its end.
pub(super) fn pair(
    context: &mut Context<'_>,
    at: &At,
    (field, chain): (&str, &Option<String>),
    key: &Option<String>,
    readers: &str,
) -> Option<Pair> {
    let chain = context.text(at, field, chain, "a PEM file, the holder's certificate first");
    let chain = chain.and_then(|file| self::chain(context, &at.key(field), file, readers));
    let key_name = context.text(at, "key", key, "a PEM file with the certificate's private key");
    let key = key_name.and_then(|file| {
        let at = at.key("key");
        let bytes = zeroize::Zeroizing::new(context.file(&at, file)?);
        let key = PrivateKeyDer::from_pem_slice(&bytes).ok();
        if key.is_none() {
            let help = "PEM: `-----BEGIN PRIVATE KEY-----` …";
            context.error(&at, format!("`{file}` holds no private key"), help);
        }
        key
    });
    let (chain, key) = (chain?, key?);
    let Ok(signer) = aws_lc_rs::sign::any_supported_type(&key) else {
        let help = "RSA from 2048 bits, ECDSA P-256 or P-384, or Ed25519";
        context.error(&at.key("key"), "the private key is of no supported kind", help);
        return None;
    };
    if CertifiedKey::new(chain.clone(), signer).keys_match().is_err() {
        let help = "the key and the first certificate of the chain belong together";
        context.error(&at.key("key"), "the key is not the certificate's", help);
        return None;
    }
    Some((chain, key))
}

fn chain(
    context: &mut Context<'_>,
    at: &At,
    file: &str,
    readers: &str,
) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = context.file(at, file)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().unwrap_or_default();
    let end = chain.first().and_then(|leaf| not_after(leaf));
    let Some(end) = end else {
        let help = "PEM: `-----BEGIN CERTIFICATE-----` …, the holder's own first";
        context.error(at, format!("`{file}` holds no certificate"), help);
        return None;
    };
    if let Some(now) = context.options.now
        && end <= now + NOTICE
    {
        let days = end.duration_since(now).map(|left| left.as_secs() / 86_400);
        let message = match days {
            Ok(days) => format!("`{file}` ends in {days} days"),
            Err(_) => format!("`{file}` has ended: {readers} refuse it"),
        };
        context.finding(at, message, "renew it; the new file is taken up while the gateway runs");
    }
    Some(chain)
}

/// The end of a certificate (RFC 5280 §4.1.2.5), read from its DER.
fn not_after(certificate: &[u8]) -> Option<SystemTime> {
    const SEQUENCE: u8 = 0x30;
    let (_, certificate, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (_, mut inside, _) = element(certificate).filter(|(tag, ..)| *tag == SEQUENCE)?;
    // [0] version, which only a version 1 certificate lacks.
    if let Some((0xa0, _, rest)) = element(inside) {
        inside = rest;
    }
    // serialNumber, signature, issuer
    for _ in 0..3 {
        inside = element(inside)?.2;
    }
    let (_, validity, _) = element(inside).filter(|(tag, ..)| *tag == SEQUENCE)?;
    let (tag, time, _) = element(element(validity)?.2)?;
    let text = std::str::from_utf8(time).ok()?.strip_suffix('Z')?;
    let text = match (tag, text.len()) {
        // UTCTime: two digits of the year, 50 to 99 in the last century.
        (0x17, 12) if text >= "50" => format!("19{text}"),
        (0x17, 12) => format!("20{text}"),
        (0x18, 14) => text.to_owned(),
        _ => return None,
    };
    let time = jiff::civil::DateTime::strptime("%Y%m%d%H%M%S", text).ok()?;
    Some(time.to_zoned(jiff::tz::TimeZone::UTC).ok()?.timestamp().into())
}

/// The first DER element: its tag, its content, and what follows.
fn element(der: &[u8]) -> Option<(u8, &[u8], &[u8])> {
    let (&tag, rest) = der.split_first()?;
    let (&first, rest) = rest.split_first()?;
    let (length, rest) = match first {
        0..=0x7f => (usize::from(first), rest),
        0x81..=0x84 => {
            let (digits, rest) = rest.split_at_checked(usize::from(first & 0x7f))?;
            (digits.iter().fold(0usize, |length, &digit| length << 8 | usize::from(digit)), rest)
        }
        _ => return None,
    };
    let (content, rest) = rest.split_at_checked(length)?;
    Some((tag, content, rest))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_end_of_a_certificate_is_read() {
        for (year, month, day) in [(2031, 2, 3), (2050, 1, 1), (2049, 12, 31)] {
            let key = rcgen::KeyPair::generate().unwrap();
            let mut wanted = rcgen::CertificateParams::new(vec!["ecole.example.fr".into()]).unwrap();
            wanted.not_after = rcgen::date_time_ymd(year, month, day);
            let made = wanted.self_signed(&key).unwrap();
            let expected: SystemTime = wanted.not_after.into();
            assert_eq!(not_after(made.der()), Some(expected));
        }
    }

    #[test]
    fn what_is_no_certificate_has_no_end() {
        for der in [&b""[..], b"\x30", b"\x30\x84\xff\xff\xff\xff", b"\x30\x03\x30\x01\x02", &[0x30, 0x80]] {
            assert_eq!(not_after(der), None);
        }
    }
}
