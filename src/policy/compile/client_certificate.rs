//! `gateway.listen.client_certificates` → [`ClientAuthorities`], and `client_certificate` → its settings.

use std::sync::Arc;

use aws_lc_rs::digest::{Context as Digest, SHA256};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, CertificateRevocationListDer, pem::PemObject as _},
    server::WebPkiClientVerifier,
};

use super::context::{At, Context};
use crate::policy::{
    document::{ClientCertificateDocument, ClientCertificatesDocument, GatewayDocument, Texts},
    set::{CertificateSource, ClientAuthorities, ClientCertificateSettings, InvalidCertificate},
};

/// Compiles whom the listeners believe.
pub(super) fn authorities(
    context: &mut Context<'_>,
    at: &At,
    written: &ClientCertificatesDocument,
) -> Option<Arc<ClientAuthorities>> {
    let help = "the authorities whose certificates count: `ca: clients-ca.pem`";
    context.need(at, "ca", &written.ca, help);
    let mut digest = Digest::new(&SHA256);
    let mut roots = RootCertStore::empty();
    for (at, file, bytes) in files(context, at, "ca", &written.ca) {
        let found: Vec<CertificateDer<'static>> =
            CertificateDer::pem_slice_iter(&bytes).collect::<Result<_, _>>().unwrap_or_default();
        if found.is_empty() {
            context.error(
                &at,
                format!("`{file}` holds no certificate"),
                "PEM: `-----BEGIN CERTIFICATE-----` …",
            );
        }
        for authority in found {
            digest.update(&authority);
            if roots.add(authority).is_err() {
                context.error(&at, format!("`{file}` holds what is no authority's certificate"), help);
            }
        }
    }
    let mut lists = Vec::new();
    for (at, file, bytes) in files(context, at, "crl", &written.crl) {
        let found: Vec<CertificateRevocationListDer<'static>> =
            CertificateRevocationListDer::pem_slice_iter(&bytes)
                .collect::<Result<_, _>>()
                .unwrap_or_default();
        if found.is_empty() {
            context.error(
                &at,
                format!("`{file}` holds no revocation list"),
                "PEM: `-----BEGIN X509 CRL-----` …",
            );
        }
        for list in found {
            digest.update(&list);
            ends(context, &at, file, &list);
            lists.push(list);
        }
    }
    let required = written.required.unwrap_or(false);
    let table = [("refuse", InvalidCertificate::Refuse), ("anonymous", InvalidCertificate::Anonymous)];
    let invalid = match &written.invalid {
        Some(text) => context.choice(&at.key("invalid"), "what can become of such a client", text, &table)?,
        None => InvalidCertificate::Refuse,
    };
    digest.update(&[u8::from(required), u8::from(invalid == InvalidCertificate::Anonymous)]);
    if roots.is_empty() {
        // Its message is there; in a check without the file there is nothing to hold against the listener.
        return None;
    }
    let builder = WebPkiClientVerifier::builder_with_provider(Arc::new(roots), Arc::new(default_provider()))
        .with_crls(lists)
        .enforce_revocation_expiration();
    let builder = if required { builder } else { builder.allow_unauthenticated() };
    match builder.build() {
        Ok(verifier) => {
            let mut sum = [0; 32];
            sum.copy_from_slice(digest.finish().as_ref());
            Some(Arc::new(ClientAuthorities { verifier, required, invalid, digest: sum }))
        }
        Err(_) => {
            let help = "version 2 lists of the authorities themselves, signed and without partial scopes (RFC 5280 5)";
            context.error(&at.key("crl"), "a revocation list is not understood", help);
            None
        }
    }
}

/// Who shows a list that is over is believed by nobody: then every certificate of its authority is refused.
fn ends(context: &mut Context<'_>, at: &At, file: &str, list: &[u8]) {
    use x509_parser::{prelude::FromDer as _, revocation_list::CertificateRevocationList};
    let Some(now) = context.options.now else { return };
    let since = now.duration_since(std::time::SystemTime::UNIX_EPOCH).unwrap_or_default().as_secs();
    let end = CertificateRevocationList::from_der(list).ok().and_then(|(_, list)| list.next_update());
    if end.is_some_and(|end| end.timestamp() <= since as i64) {
        let message = format!("`{file}` has ended: every certificate of its authority is refused");
        context.finding(at, message, "fetch the authority's new list; it is taken up while the gateway runs");
    }
}

type Named<'d> = (At, &'d str, Vec<u8>);

fn files<'d>(context: &mut Context<'_>, at: &At, field: &str, written: &'d Option<Texts>) -> Vec<Named<'d>> {
    let items = context.items(&at.key(field), written);
    items.into_iter().filter_map(|(at, file)| Some((at.clone(), file, context.file(&at, file)?))).collect()
}

/// Compiles how a provider reads certificates; the gateway must be told where they come from.
pub(super) fn provider(
    context: &mut Context<'_>,
    at: &At,
    written: &ClientCertificateDocument,
    gateway_at: &At,
    gateway: &GatewayDocument,
) -> Option<ClientCertificateSettings> {
    let table = [("listener", CertificateSource::Listener), ("xfcc", CertificateSource::Forwarded)];
    let from = match &written.from {
        Some(text) => context.choice(&at.key("from"), "a place of certificates", text, &table)?,
        None => CertificateSource::Listener,
    };
    let listen = gateway.listen.as_deref();
    let asks = listen.is_some_and(|listen| listen.client_certificates.is_some());
    let listen_at = gateway_at.key("listen");
    if from == CertificateSource::Listener
        && !asks
        && !context.dropped(&listen_at)
        && !context.dropped(&listen_at.key("client_certificates"))
    {
        let help =
            "`listen: { client_certificates: { ca: clients-ca.pem } }`, or `from: xfcc` behind a proxy";
        context.error_at_key(at, "no listener asks clients for certificates", help);
    }
    let trusts = gateway.trusted_proxies.as_ref().is_some_and(|list| !list.is_empty());
    if from == CertificateSource::Forwarded && !trusts && !context.dropped(&gateway_at.key("trusted_proxies"))
    {
        let help = "name the proxies that end TLS: `trusted_proxies: [10.0.0.0/8]`";
        context.error(&at.key("from"), "no proxy is trusted to say whose certificate it saw", help);
    }
    if let Some(domain) = &written.trust_domain {
        let sound = !domain.is_empty()
            && domain.len() <= 255
            && domain
                .bytes()
                .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || matches!(b, b'.' | b'-' | b'_'));
        if !sound {
            let help = "the name alone, without `spiffe://`: `trust_domain: ecole.example.fr`";
            context.error(&at.key("trust_domain"), format!("`{domain}` is not a trust domain"), help);
        }
    }
    Some(ClientCertificateSettings { from, trust_domain: written.trust_domain.clone() })
}
