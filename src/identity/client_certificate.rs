//! The certificate that a TLS client showed, to the gateway or to a proxy in front of it.

use std::{
    cell::RefCell,
    net::IpAddr,
    rc::Rc,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::HeaderName;
use rustls::{CertificateError, pki_types::CertificateDer};
use serde_json::Value;

use super::{
    Answer, Credentials, RejectReason,
    certificate::{document, forwarded},
    claims::Claims,
    clock::within,
    xfcc,
};
use crate::{
    policy::set::{
        CertificateSource, ClaimPaths, ClientAuthorities, ClientCertificateSettings, GatewaySettings,
    },
    secret::Sensitive,
};

const XFCC: HeaderName = HeaderName::from_static("x-forwarded-client-cert");

/// How long a chain that held is not verified again: a certificate may end while its connection lasts.
const HELD: Duration = Duration::from_secs(60);

/// The chain that a connection began with, and what was last found about it.
#[derive(Debug)]
pub(super) struct Shown {
    chain: Vec<CertificateDer<'static>>,
    judged: RefCell<Option<Judged>>,
}

#[derive(Debug)]
struct Judged {
    /// Under which terms; a reload makes others.
    by: Arc<ClientAuthorities>,
    at: SystemTime,
    verdict: Result<Rc<Sensitive<Value>>, RejectReason>,
}

impl Shown {
    /// Nothing for a client that showed no certificate.
    pub(super) fn new(chain: &[CertificateDer<'_>]) -> Option<Self> {
        let chain: Vec<_> = chain.iter().map(|one| one.clone().into_owned()).collect();
        (!chain.is_empty()).then(|| Self { chain, judged: RefCell::default() })
    }

    /// What the certificate says, if it holds at this moment.
    fn judge(
        &self,
        authorities: &Arc<ClientAuthorities>,
        now: SystemTime,
    ) -> Result<Rc<Sensitive<Value>>, RejectReason> {
        if let Some(judged) = &*self.judged.borrow()
            && Arc::ptr_eq(&judged.by, authorities)
            && within(judged.at, now, HELD)
        {
            return judged.verdict.clone();
        }
        let verdict = match authorities.verify(&self.chain, now) {
            Ok(()) => self
                .chain
                .first()
                .and_then(|leaf| document(leaf))
                .map(|document| Rc::new(Sensitive::new(document)))
                .ok_or(RejectReason::MalformedCertificate),
            Err(error) => Err(reason(&error)),
        };
        let judged = Judged { by: Arc::clone(authorities), at: now, verdict: verdict.clone() };
        *self.judged.borrow_mut() = Some(judged);
        verdict
    }
}

fn reason(error: &rustls::Error) -> RejectReason {
    use CertificateError as E;
    let rustls::Error::InvalidCertificate(error) = error else { return RejectReason::UntrustedCertificate };
    match error {
        E::Expired | E::ExpiredContext { .. } | E::NotValidYet | E::NotValidYetContext { .. } => {
            RejectReason::ExpiredCertificate
        }
        E::Revoked => RejectReason::RevokedCertificate,
        E::BadEncoding => RejectReason::MalformedCertificate,
        _ => RejectReason::UntrustedCertificate,
    }
}

/// What the client's certificate says of the caller.
pub(super) fn ask(
    settings: &ClientCertificateSettings,
    paths: &ClaimPaths,
    gateway: &GatewaySettings,
    credentials: &Credentials<'_>,
    now: SystemTime,
) -> Answer {
    let found = match settings.from {
        CertificateSource::Listener => match (credentials.recall.shown(), &gateway.client_certificates) {
            (Some(shown), Some(authorities)) => shown.judge(authorities, now).map(Some),
            // Nobody vouches for a certificate that the policy no longer asks for.
            _ => Ok(None),
        },
        CertificateSource::Forwarded => said(gateway, credentials).map(|said| said.map(Rc::new)),
    };
    let document = match found {
        Ok(Some(document)) => document,
        Ok(None) => return Answer::Absent,
        Err(reason) => return Answer::Rejected(reason),
    };
    let document = document.expose();
    if let Some(domain) = &settings.trust_domain
        && document.pointer("/spiffe/trust_domain").and_then(Value::as_str) != Some(domain)
    {
        return Answer::Rejected(RejectReason::ForeignTrustDomain);
    }
    match Claims::extract(paths, document) {
        Ok(claims) => Answer::Known(Arc::new(claims)),
        Err(_) => Answer::Rejected(RejectReason::MalformedClaims),
    }
}

/// What a trusted proxy says. From anybody else the field is nothing.
fn said(
    gateway: &GatewaySettings,
    credentials: &Credentials<'_>,
) -> Result<Option<Sensitive<Value>>, RejectReason> {
    let trusted = |peer: &IpAddr| gateway.trusted_proxies.iter().any(|net| net.contains(peer));
    if !credentials.recall.peer().is_some_and(|peer| trusted(&peer)) {
        return Ok(None);
    }
    let Some(field) = credentials.header(&XFCC)? else { return Ok(None) };
    let document = forwarded(xfcc::parse(field)?).ok_or(RejectReason::MalformedCredential)?;
    Ok(Some(Sensitive::new(document)))
}
