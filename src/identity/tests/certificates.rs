//! Certificates of clients, on the connection and behind a proxy.

use std::{
    net::IpAddr,
    sync::Arc,
    time::{Duration, SystemTime},
};

use http::{HeaderMap, HeaderValue};
use rcgen::{
    BasicConstraints, CertificateParams, CertificateRevocationListParams, DistinguishedName, DnType,
    ExtendedKeyUsagePurpose, IsCa, Issuer, KeyIdMethod, KeyPair, KeyUsagePurpose, RevokedCertParams, SanType,
    SerialNumber,
};
use rustls::{
    RootCertStore,
    crypto::aws_lc_rs::default_provider,
    pki_types::{CertificateDer, CertificateRevocationListDer},
    server::WebPkiClientVerifier,
};

use crate::{
    identity::{Credentials, Identified, Outcome, Recall, RejectReason as R, fixture::*},
    policy::set::{
        CertificateSource, ClaimPaths, ClientAuthorities, ClientCertificateSettings, InvalidCertificate,
        ProviderId, ProviderKind, RecipientId,
    },
};

/// An authority that signs certificates of clients, good for the day around [`noon`].
struct Authority {
    issuer: Issuer<'static, KeyPair>,
    certificate: CertificateDer<'static>,
}

impl Authority {
    fn new() -> Self {
        let key = KeyPair::generate().unwrap();
        let mut params = CertificateParams::default();
        params.distinguished_name.push(DnType::CommonName, "Authority");
        params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
        params.key_usages = vec![KeyUsagePurpose::KeyCertSign, KeyUsagePurpose::CrlSign];
        let certificate = params.self_signed(&key).unwrap().der().clone();
        Self { issuer: Issuer::new(params, key), certificate }
    }

    fn sign(&self, uri: &str, change: impl FnOnce(&mut CertificateParams)) -> Vec<CertificateDer<'static>> {
        let mut params = CertificateParams::default();
        params.distinguished_name = DistinguishedName::new();
        params.distinguished_name.push(DnType::CommonName, "sis");
        params.subject_alt_names = vec![SanType::URI(uri.try_into().unwrap())];
        params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
        params.use_authority_key_identifier_extension = true;
        params.serial_number = Some(SerialNumber::from(7u64));
        let day = Duration::from_secs(86_400);
        params.not_before = (noon() - day).into();
        params.not_after = (noon() + day).into();
        change(&mut params);
        vec![params.signed_by(&KeyPair::generate().unwrap(), &self.issuer).unwrap().der().clone()]
    }

    fn trusted(&self, revoked: Option<u64>) -> Arc<ClientAuthorities> {
        let mut roots = RootCertStore::empty();
        roots.add(self.certificate.clone()).unwrap();
        let lists = revoked.map(|serial| self.list(serial));
        let verifier = WebPkiClientVerifier::builder_with_provider(roots.into(), default_provider().into())
            .with_crls(lists)
            .enforce_revocation_expiration()
            .allow_unauthenticated()
            .build()
            .unwrap();
        Arc::new(ClientAuthorities {
            verifier,
            required: false,
            invalid: InvalidCertificate::Anonymous,
            digest: [0; 32],
        })
    }

    fn list(&self, serial: u64) -> CertificateRevocationListDer<'static> {
        let hour = Duration::from_secs(3600);
        let params = CertificateRevocationListParams {
            this_update: (noon() - hour).into(),
            next_update: (noon() + hour).into(),
            crl_number: SerialNumber::from(1u64),
            issuing_distribution_point: None,
            revoked_certs: vec![RevokedCertParams {
                serial_number: SerialNumber::from(serial),
                revocation_time: (noon() - hour).into(),
                reason_code: None,
                invalidity_date: None,
            }],
            key_identifier_method: KeyIdMethod::Sha256,
        };
        params.signed_by(&self.issuer).unwrap().der().clone()
    }
}

fn room(
    from: CertificateSource,
    trust_domain: Option<&str>,
    trusted: Option<Arc<ClientAuthorities>>,
) -> Room {
    let settings = ClientCertificateSettings { from, trust_domain: trust_domain.map(str::to_owned) };
    let mut provider = provider("devices", ProviderKind::ClientCertificate(settings));
    let path = |text: &str| Some(text.parse().unwrap());
    provider.claims =
        ClaimPaths { subject: path("$.uri[*]"), role: path("$.spiffe.path"), ..ClaimPaths::default() };
    provider.roles = vec![("/sis/notes".into(), RecipientId(2))];
    let mut room = Room::new(vec![provider]);
    room.policy.gateway.client_certificates = trusted;
    room.policy.gateway.trusted_proxies = vec!["10.0.0.0/8".parse().unwrap()];
    room
}

impl Room {
    async fn showing(&self, recall: &Recall, headers: &HeaderMap, now: SystemTime) -> Identified {
        let credentials = Credentials { headers, cookies: &[], recall };
        let silent = Platform::silent();
        let found = self.identity.identify(&self.policy, &[ProviderId(0)], &credentials, &silent, now).await;
        assert_least_unless_accepted(&found);
        found
    }
}

fn recall(chain: &[CertificateDer<'static>]) -> Recall {
    Recall::of(IpAddr::from([192, 0, 2, 1]), Some(chain))
}

const NOTES: &str = "spiffe://ecole.example/sis/notes";

#[tokio::test]
async fn a_certificate_says_who_the_client_is() {
    let authority = Authority::new();
    let room = room(CertificateSource::Listener, Some("ecole.example"), Some(authority.trusted(None)));
    let none = HeaderMap::new();
    let found = room.showing(&recall(&authority.sign(NOTES, |_| {})), &none, noon()).await;
    assert_eq!(found.outcome, Outcome::Accepted);
    assert_eq!(&**found.caller.subject.unwrap().expose(), NOTES);
    assert_eq!(found.caller.recipients, [RecipientId(2)]);
    assert_eq!(room.showing(&Recall::default(), &none, noon()).await.outcome, Outcome::Absent);

    let foreign = Authority::new();
    for (name, chain, reason) in [
        ("another path", authority.sign("spiffe://ecole.example/sis/other", |_| {}), R::NoKnownRole),
        ("another domain", authority.sign("spiffe://autre.example/sis/notes", |_| {}), R::ForeignTrustDomain),
        ("no SPIFFE ID", authority.sign("https://ecole.example/sis/notes", |_| {}), R::ForeignTrustDomain),
        ("foreign", foreign.sign(NOTES, |_| {}), R::UntrustedCertificate),
        (
            "a server's",
            authority.sign(NOTES, |params| {
                params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth];
            }),
            R::UntrustedCertificate,
        ),
        (
            "ended",
            authority.sign(NOTES, |params| {
                params.not_after = (noon() - Duration::from_secs(1)).into();
            }),
            R::ExpiredCertificate,
        ),
        (
            "not yet begun",
            authority.sign(NOTES, |params| {
                params.not_before = (noon() + Duration::from_secs(60)).into();
            }),
            R::ExpiredCertificate,
        ),
        (
            "two IDs",
            authority.sign(NOTES, |params| {
                params.subject_alt_names.push(SanType::URI("spiffe://ecole.example/x".try_into().unwrap()));
            }),
            R::ForeignTrustDomain,
        ),
        (
            "a NUL in a name",
            authority.sign(NOTES, |params| {
                params.subject_alt_names.push(SanType::DnsName("a\0.example".try_into().unwrap()));
            }),
            R::MalformedCertificate,
        ),
        ("no certificate", vec![CertificateDer::from(vec![0x30, 0])], R::MalformedCertificate),
    ] {
        let outcome = room.showing(&recall(&chain), &none, noon()).await.outcome;
        assert_eq!(outcome, Outcome::Rejected(reason), "{name}");
    }
}

#[tokio::test]
async fn a_connection_outlives_neither_its_certificate_nor_the_policy() {
    let authority = Authority::new();
    let none = HeaderMap::new();
    let mut room = room(CertificateSource::Listener, None, Some(authority.trusted(None)));
    let chain = authority.sign(NOTES, |params| params.not_after = after(100.0).into());
    let connection = recall(&chain);
    for (seconds, expected) in [
        (0.0, Outcome::Accepted),
        (59.0, Outcome::Accepted),
        // Verified again each minute.
        (170.0, Outcome::Rejected(R::ExpiredCertificate)),
    ] {
        assert_eq!(room.showing(&connection, &none, after(seconds)).await.outcome, expected, "{seconds}");
    }
    // A reload brings a list on which it stands, on the same connection.
    let connection = recall(&chain);
    assert_eq!(room.showing(&connection, &none, noon()).await.outcome, Outcome::Accepted);
    room.policy.gateway.client_certificates = Some(authority.trusted(Some(7)));
    let revoked = Outcome::Rejected(R::RevokedCertificate);
    assert_eq!(room.showing(&connection, &none, after(1.0)).await.outcome, revoked);
    room.policy.gateway.client_certificates = Some(authority.trusted(Some(8)));
    assert_eq!(room.showing(&connection, &none, after(2.0)).await.outcome, Outcome::Accepted);
    // A list that has ended says nothing about anybody.
    let late = Outcome::Rejected(R::UntrustedCertificate);
    let fresh = recall(&authority.sign(NOTES, |_| {}));
    assert_eq!(room.showing(&fresh, &none, after(7200.0)).await.outcome, late);
    // And one that asks for none any more.
    room.policy.gateway.client_certificates = None;
    assert_eq!(room.showing(&connection, &none, after(3.0)).await.outcome, Outcome::Absent);
}

#[tokio::test]
async fn a_trusted_proxy_says_whose_certificate_it_saw() {
    let room = room(CertificateSource::Forwarded, Some("ecole.example"), None);
    let proxy = Recall::of(IpAddr::from([10, 1, 2, 3]), None);
    let anybody = Recall::of(IpAddr::from([192, 0, 2, 1]), None);
    let said = |fields: &[&str]| {
        let mut headers = HeaderMap::new();
        for field in fields {
            headers.append("x-forwarded-client-cert", HeaderValue::from_str(field).unwrap());
        }
        headers
    };
    let good = format!("By=spiffe://ecole.example/gate;Hash=00ff;Subject=\"CN=sis\";URI={NOTES}");
    for (name, recall, fields, expected) in [
        ("the proxy", &proxy, vec![&*good], Outcome::Accepted),
        ("anybody", &anybody, vec![&*good], Outcome::Absent),
        ("unknown peer", &Recall::default(), vec![&*good], Outcome::Absent),
        ("no field", &proxy, vec![], Outcome::Absent),
        ("empty", &proxy, vec![""], Outcome::Absent),
        ("twice", &proxy, vec![&*good, &*good], Outcome::Rejected(R::DuplicateCredential)),
        ("two hops", &proxy, vec!["URI=a,URI=b"], Outcome::Rejected(R::MalformedCredential)),
        (
            "another domain",
            &proxy,
            vec!["URI=spiffe://autre.example/sis/notes"],
            Outcome::Rejected(R::ForeignTrustDomain),
        ),
        (
            "a name that is a field",
            &proxy,
            vec!["DNS=\"x;URI=spiffe://ecole.example/sis/notes\""],
            Outcome::Rejected(R::ForeignTrustDomain),
        ),
    ] {
        assert_eq!(room.showing(recall, &said(&fields), noon()).await.outcome, expected, "{name}");
    }
    // What TLS itself shows is not what this provider reads.
    let authority = Authority::new();
    let shown = recall(&authority.sign(NOTES, |_| {}));
    assert_eq!(room.showing(&shown, &HeaderMap::new(), noon()).await.outcome, Outcome::Absent);
}
