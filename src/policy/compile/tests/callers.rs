//! Who callers are: school vocabularies, certificates of clients, relation sources.

use super::{small, sound};
use crate::policy::set::{CertificateSource, InvalidCertificate, ProviderKind, RecipientId};

const ROLES: &str = "roles: { student: learner }";
const JWT: &str = "jwt: { issuer: 'https://sso.example.fr', audience: rempart, jwks: { file: jwks.json } }";
const LISTEN: &str = "admin: '127.0.0.1:9090' }";

/// The messages about a gateway file with this change.
#[track_caller]
fn refused(from: &str, to: &str) -> String {
    let (set, report) = small("gateway.yaml", from, to);
    assert!(set.is_none(), "{to} is taken");
    report.to_string()
}

fn role(table: &[(String, RecipientId)], text: &str) -> Vec<u8> {
    table.iter().filter(|(role, _)| role == text).map(|(_, recipient)| recipient.0).collect()
}

#[test]
fn a_vocabulary_stands_behind_the_policy_s_own_roles() {
    let mapped = "roles: { National_DIR: administrator, National_ELV: administrator }
      vocabulary: { name: sdet, recipients: { guardian: anonymous, teacher: anonymous } }";
    let set = sound("gateway.yaml", ROLES, mapped);
    let roles = &set.gateway.providers[0].roles;
    // Recipients: 0 learner, 1 administrator, 2 anonymous.
    assert_eq!(role(roles, "National_ELV"), [1], "the policy's own word wins");
    assert_eq!(role(roles, "National_DIR"), [1]);
    assert_eq!(role(roles, "National_TUT"), [2]);
    assert_eq!(role(roles, "National_ACA"), [0u8; 0], "known, and nothing");
    let several =
        "vocabulary: [{ name: lis, recipients: { guardian: anonymous, teacher: anonymous } }, educonnect2]";
    assert!(refused(ROLES, several).contains("did you mean `educonnect`?"));
}

#[test]
fn a_vocabulary_needs_the_charter_s_recipients() {
    let said = refused(ROLES, "vocabulary: sdet");
    assert!(said.contains("needs `guardian` and `teacher`, which the charter does not declare"), "{said}");
    assert!(said.contains("recipients: { guardian: …"), "{said}");
    assert!(said.contains("gateway.yaml:9:"), "{said}");
    let said =
        refused(ROLES, "vocabulary: { name: sdet, recipients: { guardian: learnr, teachr: learner } }");
    assert!(
        said.contains("there is no recipient `learnr`") && said.contains("did you mean `learner`?"),
        "{said}"
    );
    assert!(said.contains("the vocabulary `sdet` has no recipient `teachr`"), "{said}");
    assert!(refused(ROLES, "vocabulary: []").contains("no vocabulary is named"));
}

#[test]
fn two_vocabularies_must_agree() {
    let map = "recipients: { guardian: learner, teacher: learner, administrator: administrator }";
    let both = format!("vocabulary: [{{ name: canvas, {map} }}, {{ name: oneroster, {map} }}]");
    sound("gateway.yaml", ROLES, &both);
    let map_other = map.replace("guardian: learner", "guardian: administrator");
    let other = format!("vocabulary: [{{ name: moodle, {map} }}, {{ name: oneroster, {map_other} }}]");
    let said = refused(ROLES, &other);
    assert!(said.contains("`moodle` and `oneroster` do not agree about `parent`"), "{said}");
    sound("gateway.yaml", ROLES, &format!("roles: {{ parent: learner }}\n      {other}"));
}

#[test]
fn a_certificate_needs_somebody_who_asks_for_it() {
    let provider = "client_certificate: { trust_domain: ecole.example.fr }";
    let said = refused(JWT, provider);
    assert!(said.contains("no listener asks clients for certificates"), "{said}");
    let said = refused(JWT, "client_certificate: { from: xfcc }");
    assert!(said.contains("no proxy is trusted"), "{said}");
    let said = refused(JWT, "client_certificate: { from: header, trust_domain: 'spiffe://x' }");
    assert!(said.contains("`header` is not a place of certificates"), "{said}");
    let said = refused(JWT, &format!("{JWT}\n      client_certificate: {{}}"));
    assert!(said.contains("a provider is asked in one way"), "{said}");

    let both = format!("{LISTEN}\n  trusted_proxies: [10.0.0.0/8]");
    let listen =
        both.replace(" }", ", client_certificates: { ca: tls.crt, required: true, invalid: anonymous } }");
    let set = sound("gateway.yaml", LISTEN, &listen);
    let clients = set.gateway.client_certificates.unwrap();
    assert!(clients.required && clients.invalid == InvalidCertificate::Anonymous);
    for (written, message) in [
        ("{ ca: tls.key }", "`tls.key` holds no certificate"),
        ("{ ca: tls.crt, crl: tls.crt }", "`tls.crt` holds no revocation list"),
        ("{ ca: nowhere.pem }", "`nowhere.pem` cannot be read"),
        ("{ required: true }", "`ca` is missing"),
        ("{ ca: tls.crt, invalid: pass }", "`pass` is not what can become of such a client"),
        ("{ ca: tls.crt, requird: true }", "requird"),
    ] {
        let listen = LISTEN.replace(" }", &format!(", client_certificates: {written} }}"));
        let said = refused(LISTEN, &listen);
        assert!(said.contains(message) && said.contains("gateway.yaml:2:"), "{written}: {said}");
    }
}

#[test]
fn a_proxy_may_say_whose_certificate_it_saw() {
    let proxies = "client_certificate: { from: xfcc, trust_domain: ecole.example.fr }";
    let trusted = format!("{ROLES}\n  trusted_proxies: [10.0.0.0/8]");
    let (set, report) = super::small_twice("gateway.yaml", &[(JWT, proxies), (ROLES, &trusted)]);
    let set = set.unwrap_or_else(|| panic!("{report}"));
    let ProviderKind::ClientCertificate(settings) = &set.gateway.providers[0].kind else { panic!("kind") };
    assert_eq!(settings.from, CertificateSource::Forwarded);
    assert_eq!(settings.trust_domain.as_deref(), Some("ecole.example.fr"));
}

const SOURCE: &str = "relations:
    - name: classes
      upstream: platform
      path: '/api/classes?teacher={subject}'
      groups: '$.results[*].id'
";

/// A gateway with a source of these lines, which the provider names.
fn with_source(lines: &str) -> String {
    format!("{ROLES}\n      relations: classes\n  {lines}")
}

#[test]
fn a_relation_source_is_compiled() {
    let set = sound("gateway.yaml", ROLES, &with_source(SOURCE));
    let source = &set.gateway.relations[0];
    assert_eq!(source.path, ["/api/classes?teacher=", ""]);
    assert_eq!((source.cache.as_secs(), source.max_age.as_secs(), source.pages), (30, 120, 1));
    assert_eq!(set.gateway.providers[0].relations.len(), 1);
    assert!(matches!(set.gateway.providers[0].kind, ProviderKind::Jwt(_)));
    let more = format!("{SOURCE}      next: $.next\n      bearer_file: secret\n      cache: 5 min\n");
    let source = &sound("gateway.yaml", ROLES, &with_source(&more)).gateway.relations[0];
    assert_eq!((source.max_age.as_secs(), source.pages), (300, 10));
    let (name, value) = &source.fixed_headers[0];
    assert_eq!(
        (name.as_str(), value.as_bytes()),
        ("authorization", &b"Bearer 0123456789abcdef0123456789abcdef"[..])
    );
    assert!(value.is_sensitive());
}

#[test]
fn a_relation_source_is_refused_where_it_cannot_be_right() {
    for (from, to, message) in [
        ("?teacher={subject}", "", "the answer would be the same for every caller"),
        ("upstream: platform", "upstream: platfrm", "did you mean `platform`?"),
        ("      groups: '$.results[*].id'\n", "", "neither groups nor wards"),
        ("'$.results[*].id'", "'$.results['", "is not a JSON path"),
        ("'/api/classes?", "'api/classes?", "is not a path"),
        ("name: classes", "name: class", "there is no relation source `classes`"),
        ("groups:", "max_age: 5 s\n      groups:", "would end before it is renewed"),
        ("groups:", "cache: 1 h\n      groups:", "out of bounds"),
        ("groups:", "bearer_file: nowhere\n      groups:", "cannot be read"),
        ("groups:", "bearer_file: secret\n      headers: [authorization]\n      groups:", "two credentials"),
        ("groups:", "grups: x\n      groups:", "grups"),
    ] {
        assert!(SOURCE.contains(from), "{from}");
        let said = refused(ROLES, &with_source(&SOURCE.replace(from, to)));
        assert!(said.contains(message), "{to}: {said}");
    }
    let said = refused(
        "claims: { subject: sub, role: '$.roles[*]' }\n      roles: { student: learner }",
        &format!("claims: {{ role: '$.roles[*]' }}\n      {}", with_source(SOURCE)),
    );
    assert!(said.contains("nobody could be asked about"), "{said}");
}
