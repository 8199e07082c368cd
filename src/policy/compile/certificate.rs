//! `gateway.certificates` → [`Certificate`]s: parsed and paired; what is wrong with a chain, `chain.rs` says.

use std::sync::Arc;

use rustls::{
    SignatureAlgorithm,
    crypto::aws_lc_rs,
    pki_types::{CertificateDer, PrivateKeyDer, ServerName, pem::PemObject as _},
    sign::{CertifiedKey, SigningKey},
};

use super::{
    chain,
    context::{At, Context},
};
use crate::{
    policy::{
        document::{CertificateDocument, GatewayDocument},
        set::Certificate,
    },
    secret::Sensitive,
};

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
    let mut taken: Vec<Taken<'_>> = Vec::new();
    let mut certificates = Vec::new();
    for (index, entry) in written.iter().enumerate() {
        let (Some(entry), at) = (entry, at.item(index)) else { continue };
        let file = entry.chain.as_deref().unwrap_or_default();
        let chain = context.text(&at, "chain", &entry.chain, "a PEM file, the server's certificate first");
        let chain = chain.and_then(|file| self::chain(context, &at.key("chain"), file));
        let key = key(context, &at, &entry.key);
        let kind = key.as_ref().map(|(_, signer)| signer.algorithm());
        // Elsewhere than where the gateway runs nobody knows of what kind a key is.
        let absent = kind.is_none()
            && context.options.absent_files_pass
            && entry.key.as_ref().is_some_and(|file| file.starts_with('/'));
        let names = names(context, &at, entry, (kind, absent), &mut taken);
        let place =
            chain::Place { chain: &at.key("chain"), names: &at.key("names"), file, readers: "browsers" };
        if let Some(chain) = &chain {
            chain::judge(context, &place, chain, Some(&names));
        }
        let Some((chain, key)) = pair(context, &at, chain, key) else { continue };
        let expires = chain::expiry(&chain);
        certificates.push(Certificate { names, chain, key: Sensitive::new(Arc::new(key)), expires });
    }
    certificates
}

/// The gateway's own certificate towards an upstream: `certificate` and `key` of a section.
pub(super) fn own(
    context: &mut Context<'_>,
    at: &At,
    certificate: &Option<String>,
    key: &Option<String>,
) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let chain_at = at.key("certificate");
    let file =
        context.text(at, "certificate", certificate, "a PEM file, the gateway's own certificate first");
    let chain = file.and_then(|file| chain(context, &chain_at, file));
    let key = self::key(context, at, key);
    if let Some(chain) = &chain {
        let file = file.unwrap_or_default();
        let place = chain::Place { chain: &chain_at, names: &chain_at, file, readers: "upstreams" };
        chain::judge(context, &place, chain, None);
    }
    pair(context, at, chain, key)
}

fn pair(
    context: &mut Context<'_>,
    at: &At,
    chain: Option<Vec<CertificateDer<'static>>>,
    key: Option<Key>,
) -> Option<(Vec<CertificateDer<'static>>, PrivateKeyDer<'static>)> {
    let (chain, (key, signer)) = (chain?, key?);
    if CertifiedKey::new(chain.clone(), signer).keys_match().is_err() {
        let help = "the key and the first certificate of the chain belong together";
        context.error(&at.key("key"), "the key is not the certificate's", help);
        return None;
    }
    Some((chain, key))
}

/// A name, the kind of key that answers it, and whether that is not known here.
type Taken<'d> = (&'d str, Option<SignatureAlgorithm>, bool);

/// Several certificates may answer one name where their keys are of different kinds: a client is shown the first that it can
/// verify.
fn names<'d>(
    context: &mut Context<'_>,
    at: &At,
    entry: &'d CertificateDocument,
    (kind, absent): (Option<SignatureAlgorithm>, bool),
    taken: &mut Vec<Taken<'d>>,
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
        let again =
            |other: &Taken<'_>| other.0.eq_ignore_ascii_case(name) && other.1 == kind && !(absent || other.2);
        if taken.iter().any(again) {
            let help = "a server name has one certificate for each kind of key: RSA, ECDSA, Ed25519";
            context.error(&at, format!("`{name}` is answered by another certificate already"), help);
        }
        taken.push((name, kind, absent));
        names.push(name.to_ascii_lowercase());
    }
    names
}

type Key = (PrivateKeyDer<'static>, Arc<dyn SigningKey>);

fn key(context: &mut Context<'_>, at: &At, key: &Option<String>) -> Option<Key> {
    let file = context.text(at, "key", key, "a PEM file with the certificate's private key")?;
    let at = at.key("key");
    let bytes = zeroize::Zeroizing::new(context.file(&at, file)?);
    context.is_private(&at, file);
    let Ok(key) = PrivateKeyDer::from_pem_slice(&bytes) else {
        let help = "PEM: `-----BEGIN PRIVATE KEY-----` …";
        context.error(&at, format!("`{file}` holds no private key"), help);
        return None;
    };
    let Ok(signer) = aws_lc_rs::sign::any_supported_type(&key) else {
        let help = "RSA from 2048 bits, ECDSA P-256 or P-384, or Ed25519";
        context.error(&at, "the private key is of no supported kind", help);
        return None;
    };
    Some((key, signer))
}

fn chain(context: &mut Context<'_>, at: &At, file: &str) -> Option<Vec<CertificateDer<'static>>> {
    let bytes = context.file(at, file)?;
    let chain: Vec<CertificateDer<'static>> =
        CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().unwrap_or_default();
    if chain.is_empty() || !chain::is_readable(&chain) {
        let help = "PEM: `-----BEGIN CERTIFICATE-----` …, the holder's own first";
        context.error(at, format!("`{file}` holds no certificate"), help);
        return None;
    }
    Some(chain)
}
