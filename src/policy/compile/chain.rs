//! What is wrong with a chain of certificates, before its first client says so.

use std::{
    net::IpAddr,
    time::{Duration, SystemTime},
};

use rustls::pki_types::CertificateDer;
use x509_parser::{
    der_parser::oid,
    oid_registry::{
        OID_MD5_WITH_RSA, OID_PKCS1_MD5WITHRSAENC, OID_PKCS1_SHA1WITHRSA, OID_SHA1_WITH_RSA, Oid,
    },
    prelude::{FromDer as _, GeneralName, ParsedExtension, X509Certificate},
    public_key::PublicKey,
    time::ASN1Time,
};

use super::context::{At, Context};

/// How long before its end a certificate becomes a finding.
const NOTICE: Duration = Duration::from_secs(21 * 86_400);

/// Shortest RSA modulus, in bits (NIST SP 800-131A; CA/Browser baseline requirements 6.1.5).
const RSA_MIN: usize = 2048;

/// How a chain is written (RFC 8446 4.4.2).
const ORDER: &str = "the server's own first, each followed by its issuer's; the root may be left out";

/// `ecdsa-with-SHA1` (RFC 3279 2.2.3), which the registry lacks.
const OID_SIG_ECDSA_WITH_SHA1: Oid<'static> = oid!(1.2.840.10045.4.1);

/// Where a chain is named.
pub(super) struct Place<'a> {
    pub(super) chain: &'a At,
    pub(super) names: &'a At,
    pub(super) file: &'a str,
    /// Who is shown it.
    pub(super) readers: &'static str,
}

/// Whether every certificate of a chain is one.
pub(super) fn is_readable(chain: &[CertificateDer<'_>]) -> bool {
    read(chain).len() == chain.len()
}

/// When the first certificate of a chain ends: from then on clients refuse it.
pub(super) fn expiry(chain: &[CertificateDer<'_>]) -> SystemTime {
    let ends = read(chain).iter().map(|one| moment(one.validity().not_after)).min();
    ends.unwrap_or(SystemTime::UNIX_EPOCH)
}

fn read<'a>(chain: &'a [CertificateDer<'_>]) -> Vec<X509Certificate<'a>> {
    chain.iter().filter_map(|der| Some(X509Certificate::from_der(der).ok()?.1)).collect()
}

fn moment(time: ASN1Time) -> SystemTime {
    let seconds = u64::try_from(time.timestamp()).unwrap_or(0);
    SystemTime::UNIX_EPOCH + Duration::from_secs(seconds)
}

/// Says everything about a chain that answers `names`; one without names is shown by a client.
pub(super) fn judge(
    context: &mut Context<'_>,
    place: &Place<'_>,
    chain: &[CertificateDer<'_>],
    names: Option<&[String]>,
) {
    let chain = read(chain);
    for (index, one) in chain.iter().enumerate() {
        let whose = match index {
            0 => format!("`{}`", place.file),
            _ => format!("certificate {} of `{}`", index + 1, place.file),
        };
        if index > 0 && !one.is_ca() {
            context.finding(place.chain, format!("{whose} is no authority's"), ORDER);
        }
        validity(context, place, one, &whose);
        strength(context, place, one, &whose);
    }
    if let Some(leaf) = chain.first() {
        if let Some(names) = names {
            coverage(context, place, leaf, names);
        }
        purpose(context, place, leaf, names.is_some());
    }
    order(context, place, &chain);
}

/// Only where the time is known: a gateway that serves goes on with what it has.
fn validity(context: &mut Context<'_>, place: &Place<'_>, one: &X509Certificate<'_>, whose: &str) {
    let Some(now) = context.options.now else { return };
    let (begin, end) = (moment(one.validity().not_before), moment(one.validity().not_after));
    let renew = "renew it; the new file is taken up while the gateway runs";
    if begin > now {
        let help = "it is refused until then: keep the one before it, and look at the clock of this machine";
        let days = begin.duration_since(now).unwrap_or_default().as_secs().div_ceil(86_400);
        context.error(place.chain, format!("{whose} is not yet valid, for {days} days"), help);
    }
    match end.duration_since(now) {
        Err(_) => {
            let message = format!("{whose} has ended: {} refuse it", place.readers);
            context.error(place.chain, message, renew);
        }
        Ok(left) if left <= NOTICE => {
            context.finding(place.chain, format!("{whose} ends in {} days", left.as_secs() / 86_400), renew);
        }
        Ok(_) => {}
    }
}

fn strength(context: &mut Context<'_>, place: &Place<'_>, one: &X509Certificate<'_>, whose: &str) {
    if let Ok(PublicKey::RSA(key)) = one.public_key().parsed() {
        let modulus = key.modulus.iter().skip_while(|byte| **byte == 0);
        let bits = modulus.clone().count() * 8
            - modulus.clone().next().map_or(0, |top| top.leading_zeros() as usize);
        if bits < RSA_MIN {
            let help = "RSA from 2048 bits, ECDSA P-256 or P-384, or Ed25519";
            context.error(place.chain, format!("{whose} has an RSA key of {bits} bits"), help);
        }
    }
    let weak = [
        OID_PKCS1_SHA1WITHRSA,
        OID_SHA1_WITH_RSA,
        OID_SIG_ECDSA_WITH_SHA1,
        OID_PKCS1_MD5WITHRSAENC,
        OID_MD5_WITH_RSA,
    ];
    // A root signs itself, and nobody looks at that signature.
    if !is_root(one) && weak.contains(&one.signature_algorithm.algorithm) {
        let help = "signatures with SHA-1 and MD5 are refused: have it issued anew, with SHA-256";
        context.error(place.chain, format!("{whose} is signed with SHA-1 or MD5"), help);
    }
}

fn coverage(context: &mut Context<'_>, place: &Place<'_>, leaf: &X509Certificate<'_>, names: &[String]) {
    let held = leaf.subject_alternative_name().ok().flatten();
    let held: &[GeneralName<'_>] = held.as_ref().map_or(&[], |held| &held.value.general_names);
    for (index, name) in names.iter().enumerate() {
        if !held.iter().any(|one| covers(one, name)) {
            let help =
                "have it issued for that name too, as a subject alternative name, or take the name out";
            let message = format!("`{}` is not good for `{name}`: browsers warn their users", place.file);
            context.finding(&place.names.item(index), message, help);
        }
    }
}

/// RFC 6125 6.4: a `*` stands for the whole first label; the subject's common name counts for nothing.
fn covers(held: &GeneralName<'_>, name: &str) -> bool {
    match held {
        GeneralName::DNSName(held) if held.eq_ignore_ascii_case(name) => true,
        GeneralName::DNSName(held) => held
            .strip_prefix("*.")
            .zip(name.split_once('.'))
            .is_some_and(|(held, (first, rest))| first != "*" && held.eq_ignore_ascii_case(rest)),
        GeneralName::IPAddress(held) => name.parse::<IpAddr>().is_ok_and(|name| match name {
            IpAddr::V4(name) => name.octets() == *held,
            IpAddr::V6(name) => name.octets() == *held,
        }),
        _ => false,
    }
}

fn purpose(context: &mut Context<'_>, place: &Place<'_>, leaf: &X509Certificate<'_>, serves: bool) {
    let Some(purposes) = leaf.extended_key_usage().ok().flatten() else { return };
    let (good, whose, named) = match serves {
        true => (purposes.value.server_auth, "server's", "server"),
        false => (purposes.value.client_auth, "client's", "client"),
    };
    if !good && !purposes.value.any {
        let help = format!("its extended key usage must name {named} authentication");
        context.finding(place.chain, format!("`{}` is no {whose} certificate", place.file), help);
    }
}

/// Each certificate is followed by that of its issuer (RFC 8446 4.4.2), up to a root that clients know.
fn order(context: &mut Context<'_>, place: &Place<'_>, chain: &[X509Certificate<'_>]) {
    for (index, pair) in chain.windows(2).enumerate() {
        let [one, next] = pair else { continue };
        if issued(next, one) {
            continue;
        }
        let message = match chain.iter().position(|other| issued(other, one) && !is_root(one)) {
            Some(place) => format!("certificate {} is not behind the one that it issued", place + 1),
            None => format!("certificate {} did not issue the one before it", index + 2),
        };
        return context.finding(place.chain, format!("`{}`: {message}", place.file), ORDER);
    }
    let Some(last) = chain.last().filter(|last| !is_root(last) && !is_public(last)) else { return };
    // Of a private authority clients may know the issuer; one that says where its certificate is to be had is in between.
    if chain.len() == 1 || names_its_issuers_place(last) {
        let issuer = last.issuer();
        let message =
            format!("`{}` ends before its root: {} must know `{issuer}`", place.file, place.readers);
        let help = "put the certificates in between behind it (`fullchain.pem`), unless that issuer is a root of theirs";
        context.finding(place.chain, message, help);
    }
}

fn is_root(one: &X509Certificate<'_>) -> bool {
    one.subject().as_raw() == one.issuer().as_raw()
}

/// By name, and by key where both say which: an authority that renewed its key has two certificates of one name.
fn issued(issuer: &X509Certificate<'_>, one: &X509Certificate<'_>) -> bool {
    let held = issuer.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::SubjectKeyIdentifier(held) => Some(held.0),
        _ => None,
    });
    let named = one.extensions().iter().find_map(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityKeyIdentifier(named) => named.key_identifier.as_ref().map(|key| key.0),
        _ => None,
    });
    issuer.subject().as_raw() == one.issuer().as_raw()
        && held.zip(named).is_none_or(|(held, named)| held == named)
}

/// Whether its issuer is a root of the public.
fn is_public(one: &X509Certificate<'_>) -> bool {
    let issuer = one.issuer().as_raw();
    // Anchors leave out the tag and length of the name, four bytes at most.
    webpki_roots::TLS_SERVER_ROOTS
        .iter()
        .any(|root| issuer.ends_with(&root.subject) && issuer.len() <= root.subject.len() + 4)
}

fn names_its_issuers_place(one: &X509Certificate<'_>) -> bool {
    use x509_parser::oid_registry::OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS;
    one.extensions().iter().any(|extension| match extension.parsed_extension() {
        ParsedExtension::AuthorityInfoAccess(access) => {
            access.iter().any(|one| one.access_method == OID_PKIX_ACCESS_DESCRIPTOR_CA_ISSUERS)
        }
        _ => false,
    })
}
