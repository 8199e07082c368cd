//! Certificates and ticket keys: what a check says about the files that a policy refers to.

use std::time::{Duration, SystemTime};

use rcgen::{
    BasicConstraints, CertificateParams, CustomExtension, DnType, ExtendedKeyUsagePurpose, IsCa, Issuer,
    KeyPair, PKCS_RSA_SHA256, PublicKeyData, SigningKey,
};

use super::*;

const DAY: Duration = Duration::from_secs(86_400);

/// The moment at which these checks are made.
fn now() -> SystemTime {
    rcgen::date_time_ymd(2031, 6, 1).into()
}

/// The shipped policy with these files in the place of its certificate and key, and one change in `gateway.yaml`.
fn checked(
    chain: &str,
    key: &str,
    (from, to): (&str, &str),
    more: &[(&str, &str)],
) -> (Option<PolicySet>, Report) {
    let mut files = shipped();
    for (name, bytes) in &mut files {
        if name == "gateway.yaml" {
            let text = String::from_utf8(std::mem::take(bytes)).unwrap();
            assert!(text.contains(from), "{from}");
            *bytes = text.replace("/etc/rempart/tls/", "").replacen(from, to, 1).into_bytes();
        }
    }
    files.push(("tls.crt".into(), chain.into()));
    files.push(("tls.key".into(), key.into()));
    files.extend(more.iter().map(|(name, text)| ((*name).to_owned(), text.as_bytes().to_vec())));
    inspect(&Sources::from_memory(files), &Options { now: Some(now()), ..CHECK })
}

/// What is said about certificates and keys: errors, then findings.
fn said(report: &Report) -> (Vec<&str>, Vec<&str>) {
    let about = |list: &'_ [crate::policy::report::Diagnostic]| -> Vec<usize> {
        let about = |text: &str| text.contains("tls.") || text.contains("certificate");
        (0..list.len()).filter(|&place| about(&list[place].message)).collect()
    };
    let errors = about(&report.errors).into_iter().map(|at| report.errors[at].message.as_str()).collect();
    let findings =
        about(&report.findings).into_iter().map(|at| report.findings[at].message.as_str()).collect();
    (errors, findings)
}

const SAME: (&str, &str) = ("gateway:", "gateway:");

fn params(name: &str, from: i32, to: i32) -> CertificateParams {
    let mut params = CertificateParams::default();
    params.distinguished_name = rcgen::DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, name);
    params.not_before = rcgen::date_time_ymd(from, 1, 1);
    params.not_after = rcgen::date_time_ymd(to, 1, 1);
    params
}

fn authority(name: &str) -> CertificateParams {
    let mut params = params(name, 2025, 2040);
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.use_authority_key_identifier_extension = true;
    params
}

/// A root, an authority between, and what its certificates are signed by.
struct Hierarchy {
    root: String,
    between: String,
    issuer: Issuer<'static, KeyPair>,
}

impl Hierarchy {
    fn new() -> Self {
        let (root_key, key) = (KeyPair::generate().unwrap(), KeyPair::generate().unwrap());
        let root = authority("Root");
        let root_pem = root.self_signed(&root_key).unwrap().pem();
        let root = Issuer::new(root, root_key);
        let between = authority("Between");
        let between_pem = between.signed_by(&key, &root).unwrap().pem();
        Self { root: root_pem, between: between_pem, issuer: Issuer::new(between, key) }
    }

    /// A server's certificate for the host of the shipped policy, with its key.
    fn leaf(&self, change: impl FnOnce(&mut CertificateParams)) -> (String, String) {
        let key = KeyPair::generate().unwrap();
        (self.sign(&key, change), key.serialize_pem())
    }

    fn sign(&self, key: &impl PublicKeyData, change: impl FnOnce(&mut CertificateParams)) -> String {
        let mut leaf = params("Server", 2030, 2032);
        leaf.subject_alt_names = vec![rcgen::SanType::DnsName("ecole.example.fr".try_into().unwrap())];
        leaf.use_authority_key_identifier_extension = true;
        change(&mut leaf);
        leaf.signed_by(key, &self.issuer).unwrap().pem()
    }
}

#[test]
fn a_sound_chain_is_not_talked_about() {
    let all = Hierarchy::new();
    let (leaf, key) = all.leaf(|_| {});
    for chain in [format!("{leaf}{}", all.between), format!("{leaf}{}{}", all.between, all.root)] {
        let (set, report) = checked(&chain, &key, SAME, &[]);
        let set = set.unwrap_or_else(|| panic!("{report}"));
        assert_eq!(said(&report), (vec![], vec![]));
        assert_eq!(set.gateway.certificates[0].expires, rcgen::date_time_ymd(2032, 1, 1));
    }
    let (chain, key) = {
        let made = rcgen::generate_simple_self_signed(vec!["ecole.example.fr".into()]).unwrap();
        (made.cert.pem(), made.signing_key.serialize_pem())
    };
    assert_eq!(said(&checked(&chain, &key, SAME, &[]).1), (vec![], vec![]), "its own root");
}

#[test]
fn a_chain_ends_when_its_first_certificate_does() {
    let all = Hierarchy::new();
    let (leaf, key) = all.leaf(|leaf| leaf.not_after = rcgen::date_time_ymd(2045, 1, 1));
    let (set, _) = checked(&format!("{leaf}{}", all.between), &key, SAME, &[]);
    assert_eq!(set.unwrap().gateway.certificates[0].expires, rcgen::date_time_ymd(2040, 1, 1));
}

#[test]
fn the_time_of_a_certificate_is_looked_at() {
    let all = Hierarchy::new();
    let ends = |after: i32| now() - DAY * 400 + DAY * u32::try_from(400 + after).unwrap();
    for (after, error, finding) in [
        (40, None, None),
        (22, None, None),
        (21, None, Some("`tls.crt` ends in 21 days")),
        (1, None, Some("`tls.crt` ends in 1 days")),
        (0, None, Some("`tls.crt` ends in 0 days")),
        (-1, Some("`tls.crt` has ended: browsers refuse it"), None),
    ] {
        let (leaf, key) = all.leaf(|leaf| leaf.not_after = ends(after).into());
        let (set, report) = checked(&format!("{leaf}{}", all.between), &key, SAME, &[]);
        let expected: (Vec<&str>, Vec<&str>) = (error.into_iter().collect(), finding.into_iter().collect());
        assert_eq!(said(&report), expected);
        assert_eq!(set.is_some(), error.is_none());
    }
    let (leaf, key) = all.leaf(|leaf| leaf.not_before = (now() + DAY * 2).into());
    let (set, report) = checked(&format!("{leaf}{}", all.between), &key, SAME, &[]);
    assert_eq!(said(&report).0, ["`tls.crt` is not yet valid, for 2 days"]);
    assert!(set.is_none());
}

#[test]
fn each_name_must_be_in_the_certificate() {
    let all = Hierarchy::new();
    let alternatives = |names: &[&str]| -> Vec<rcgen::SanType> {
        let made = CertificateParams::new(names.iter().map(|&name| name.to_owned()).collect::<Vec<_>>());
        made.unwrap().subject_alt_names
    };
    for (held, wanted, missing) in [
        (&["ecole.example.fr"][..], "[ecole.example.fr]", None),
        (&["ECOLE.example.fr"], "[Ecole.example.FR]", None),
        (&["*.example.fr"], "[ecole.example.fr, '*.example.fr']", None),
        (&["192.0.2.1", "2001:db8::1"], "[192.0.2.1, '2001:db8:0::1']", None),
        (&["ecole.example.fr"], "[ecole.example.fr, cours.example.fr]", Some("cours.example.fr")),
        (&["ecole.example.fr"], "['*.example.fr']", Some("*.example.fr")),
        (&["*.example.fr"], "[example.fr]", Some("example.fr")),
        (&["*.example.fr"], "[a.ecole.example.fr]", Some("a.ecole.example.fr")),
        (&["*.ecole.example.fr"], "['*.example.fr']", Some("*.example.fr")),
        (&["192.0.2.1"], "[192.0.2.2]", Some("192.0.2.2")),
        (&[], "[ecole.example.fr]", Some("ecole.example.fr")),
    ] {
        let (leaf, key) = all.leaf(|leaf| leaf.subject_alt_names = alternatives(held));
        let change = ("names: [ecole.example.fr]", &*format!("names: {wanted}"));
        let (set, report) = checked(&format!("{leaf}{}", all.between), &key, change, &[]);
        assert!(set.is_some(), "{report}");
        let expected: Vec<String> = missing
            .map(|name| format!("`tls.crt` is not good for `{name}`: browsers warn their users"))
            .into_iter()
            .collect();
        assert_eq!(
            said(&report),
            (vec![], expected.iter().map(String::as_str).collect()),
            "{held:?} {wanted}"
        );
    }
}

#[test]
fn the_order_of_a_chain_is_looked_at() {
    let (all, other) = (Hierarchy::new(), Hierarchy::new());
    let (leaf, key) = all.leaf(|_| {});
    let (between, root) = (&all.between, &all.root);
    for (chain, expected) in [
        (leaf.clone(), "`tls.crt` ends before its root: browsers must know `CN=Between`"),
        (format!("{leaf}{root}"), "`tls.crt`: certificate 2 did not issue the one before it"),
        (format!("{leaf}{root}{between}"), "`tls.crt`: certificate 3 is not behind the one that it issued"),
        (
            format!("{leaf}{between}{}", other.between),
            "`tls.crt`: certificate 3 did not issue the one before it",
        ),
        // The same name, another key.
        (format!("{leaf}{}", other.between), "`tls.crt`: certificate 2 did not issue the one before it"),
        (
            format!("{leaf}{between}{}", other.root),
            "`tls.crt`: certificate 3 did not issue the one before it",
        ),
    ] {
        let (set, report) = checked(&chain, &key, SAME, &[]);
        assert!(set.is_some(), "{report}");
        assert_eq!(said(&report), (vec![], vec![expected]));
    }
    let again = all.leaf(|_| {}).0;
    let (_, report) = checked(&format!("{leaf}{again}{between}"), &key, SAME, &[]);
    let expected = [
        "`tls.crt`: certificate 3 is not behind the one that it issued",
        "certificate 2 of `tls.crt` is no authority's",
    ];
    assert_eq!(said(&report), (vec![], expected.to_vec()), "two servers in one file");
    let (set, report) = checked(&format!("{between}{leaf}"), &key, SAME, &[]);
    assert!(set.is_none());
    assert!(
        report.errors.iter().any(|error| error.message == "the key is not the certificate's"),
        "{report}"
    );
}

#[test]
fn an_authority_that_says_where_its_issuer_is_to_be_had_is_in_between() {
    // AuthorityInfoAccess (RFC 5280 4.2.2.1): one caIssuers URI, `http://a/`.
    let place = b"http://a/";
    let uri = [&[0x86, place.len() as u8][..], place].concat();
    let method = [&[0x06, 0x08][..], &[0x2b, 6, 1, 5, 5, 7, 0x30, 2]].concat();
    let one = [&[0x30, (method.len() + uri.len()) as u8][..], &method, &uri].concat();
    let access = [&[0x30, one.len() as u8][..], &one].concat();
    let all = Hierarchy::new();
    let key = KeyPair::generate().unwrap();
    let mut between = authority("Below");
    between.custom_extensions = vec![CustomExtension::from_oid_content(&[1, 3, 6, 1, 5, 5, 7, 1, 1], access)];
    let between_pem = between.signed_by(&key, &all.issuer).unwrap().pem();
    let below = Hierarchy { root: String::new(), between: String::new(), issuer: Issuer::new(between, key) };
    let (leaf, key) = below.leaf(|_| {});
    let (_, report) = checked(&format!("{leaf}{between_pem}"), &key, SAME, &[]);
    let expected = "`tls.crt` ends before its root: browsers must know `CN=Between`";
    assert_eq!(said(&report), (vec![], vec![expected]));
    let (_, report) = checked(&format!("{leaf}{between_pem}{}", all.between), &key, SAME, &[]);
    assert_eq!(said(&report), (vec![], vec![]));
}

/// The public half of an RSA key that nobody has.
struct ShortKey(Vec<u8>);

impl PublicKeyData for ShortKey {
    fn der_bytes(&self) -> &[u8] {
        &self.0
    }

    fn algorithm(&self) -> &'static rcgen::SignatureAlgorithm {
        &PKCS_RSA_SHA256
    }
}

impl SigningKey for ShortKey {
    fn sign(&self, _: &[u8]) -> Result<Vec<u8>, rcgen::Error> {
        Ok(vec![0; 128])
    }
}

impl ShortKey {
    /// RSAPublicKey (RFC 8017 A.1.1) with a modulus of this many bits and the exponent 65537.
    fn new(bits: usize) -> Self {
        let bytes = bits.div_ceil(8);
        let mut modulus = vec![0xff; bytes];
        modulus[0] >>= (8 - bits % 8) % 8;
        if modulus[0] & 0x80 != 0 {
            modulus.insert(0, 0);
        }
        let element = |tag: u8, content: &[u8]| {
            let length = u16::try_from(content.len()).unwrap().to_be_bytes();
            [&[tag, 0x82], &length[..], content].concat()
        };
        let inside = [element(2, &modulus), vec![2, 3, 1, 0, 1]].concat();
        Self(element(0x30, &inside))
    }
}

#[test]
fn weak_keys_are_refused() {
    let all = Hierarchy::new();
    for (bits, expected) in [(1024, true), (2047, true), (2048, false), (3072, false)] {
        let chain = format!("{}{}", all.sign(&ShortKey::new(bits), |_| {}), all.between);
        let (_, report) = checked(&chain, &all.leaf(|_| {}).1, SAME, &[]);
        // The key beside it is another's, which is told as well; nobody has that of the certificate.
        let weak = format!("`tls.crt` has an RSA key of {bits} bits");
        assert_eq!(report.errors.iter().any(|error| error.message == weak), expected, "{report}");
    }
    // In the middle of the chain too.
    let short = ShortKey::new(1024);
    let mut between = authority("Between");
    between.use_authority_key_identifier_extension = false;
    let between_pem = between.self_signed(&short).unwrap().pem();
    let (leaf, key) = all.leaf(|_| {});
    let (set, report) = checked(&format!("{leaf}{between_pem}"), &key, SAME, &[]);
    assert!(set.is_none());
    assert!(said(&report).0.contains(&"certificate 2 of `tls.crt` has an RSA key of 1024 bits"), "{report}");
}

#[test]
fn signatures_with_sha_1_are_refused() {
    // Signed with SHA-256; the names of the algorithm are changed afterwards, and nobody verifies it here.
    let key = KeyPair::generate_rsa_for(&PKCS_RSA_SHA256, rcgen::RsaKeySize::_2048).unwrap();
    let root = authority("Root");
    let root_pem = root.self_signed(&key).unwrap();
    let issuer = Issuer::new(root, key);
    let leaf_key = KeyPair::generate().unwrap();
    let mut leaf = params("Server", 2030, 2032);
    leaf.subject_alt_names = vec![rcgen::SanType::DnsName("ecole.example.fr".try_into().unwrap())];
    let made = leaf.signed_by(&leaf_key, &issuer).unwrap();
    let with = |der: &[u8], last: u8| {
        let mut der = der.to_vec();
        let algorithm = [0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 1, 11];
        let places: Vec<usize> = (0..der.len() - 9).filter(|&at| der[at..at + 9] == algorithm).collect();
        assert_eq!(places.len(), 2);
        places.into_iter().for_each(|at| der[at + 8] = last);
        let text = base64::Engine::encode(&base64::engine::general_purpose::STANDARD, der);
        format!("-----BEGIN CERTIFICATE-----\n{text}\n-----END CERTIFICATE-----\n")
    };
    for (last, expected) in [(5, true), (4, true), (11, false), (12, false)] {
        let chain = format!("{}{}", with(made.der(), last), with(root_pem.der(), 5));
        let (set, report) = checked(&chain, &leaf_key.serialize_pem(), SAME, &[]);
        let errors: Vec<&str> =
            expected.then_some("`tls.crt` is signed with SHA-1 or MD5").into_iter().collect();
        assert_eq!(said(&report).0, errors, "a root's own signature counts for nothing");
        assert_eq!(set.is_none(), expected);
    }
}

#[test]
fn a_clients_certificate_serves_nobody() {
    let all = Hierarchy::new();
    for (purpose, expected) in [
        (ExtendedKeyUsagePurpose::ServerAuth, None),
        (ExtendedKeyUsagePurpose::Any, None),
        (ExtendedKeyUsagePurpose::ClientAuth, Some("`tls.crt` is no server's certificate")),
    ] {
        let (leaf, key) = all.leaf(|leaf| leaf.extended_key_usages = vec![purpose]);
        let (_, report) = checked(&format!("{leaf}{}", all.between), &key, SAME, &[]);
        assert_eq!(said(&report), (vec![], expected.into_iter().collect()));
    }
}

#[test]
fn the_certificate_towards_an_upstream_is_judged_as_a_clients() {
    let all = Hierarchy::new();
    let (server, server_key) = all.leaf(|_| {});
    let chain = format!("{server}{}", all.between);
    let shown = |change: &dyn Fn(&mut CertificateParams)| {
        let (leaf, key) = all.leaf(|leaf| change(leaf));
        let tls = "endpoints: \"https://platform:8080\"\n      tls: { certificate: own.crt, key: own.key }";
        let own = format!("{leaf}{}", all.between);
        let files = [("own.crt", own.as_str()), ("own.key", key.as_str())];
        checked(&chain, &server_key, ("endpoints: \"http://platform:8080\"", tls), &files)
    };
    let about = |report: &Report| -> Vec<String> {
        let all = report.errors.iter().chain(&report.findings).map(|one| one.message.clone());
        all.filter(|message| message.contains("own.")).collect()
    };
    let (set, report) = shown(&|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth]);
    let set = set.unwrap_or_else(|| panic!("{report}"));
    let client = set.gateway.upstreams[0].tls.as_ref().unwrap().client.as_ref().unwrap();
    assert_eq!(client.expires, rcgen::date_time_ymd(2032, 1, 1));
    assert_eq!(about(&report), [""; 0]);
    let (_, report) = shown(&|leaf| leaf.extended_key_usages = vec![ExtendedKeyUsagePurpose::ServerAuth]);
    assert_eq!(about(&report), ["`own.crt` is no client's certificate"]);
    let (set, report) = shown(&|leaf| leaf.not_after = (now() - DAY).into());
    assert!(set.is_none());
    assert_eq!(about(&report), ["`own.crt` has ended: upstreams refuse it"]);
}

#[test]
fn one_name_has_one_certificate_for_each_kind_of_key() {
    let names = || vec!["ecole.example.fr".to_owned()];
    let pem = |key: KeyPair| {
        (CertificateParams::new(names()).unwrap().self_signed(&key).unwrap().pem(), key.serialize_pem())
    };
    let ecdsa = || pem(KeyPair::generate().unwrap());
    let ed25519 = pem(KeyPair::generate_for(&rcgen::PKCS_ED25519).unwrap());
    let (first, second) = (ecdsa(), ecdsa());
    let twice = |second: &(String, String)| {
        let more = "certificates:\n    - { names: [Ecole.example.fr], chain: two.crt, key: two.key }";
        checked(
            &first.0,
            &first.1,
            ("certificates:", more),
            &[("two.crt", second.0.as_str()), ("two.key", second.1.as_str())],
        )
    };
    assert_eq!(twice(&ed25519).0.unwrap().gateway.certificates.len(), 2);
    let (set, report) = twice(&second);
    assert!(set.is_none());
    assert_eq!(said(&report).0, ["`ecole.example.fr` is answered by another certificate already"]);
    // Where the files are not, nobody knows.
    let both = "certificates:\n    - { names: [ecole.example.fr], chain: /absent.crt, key: /absent.key }";
    let (set, report) = checked(&first.0, &first.1, ("certificates:", both), &[]);
    assert!(set.is_some(), "{report}");
}

/// A policy whose sessions resume by this file.
fn resumed_by(keys: &str) -> (Option<PolicySet>, Report) {
    let (chain, key) = certificate();
    let change = ("listen:", "listen:\n    ticket_keys: { file: tickets }");
    checked(&chain, &key, change, &[("tickets", keys)])
}

#[test]
fn ticket_keys_are_read_line_by_line() {
    let encoded = |seed: u8, length: usize| {
        base64::Engine::encode(&base64::engine::general_purpose::STANDARD, vec![seed; length])
    };
    let [one, two, short, long] = [encoded(1, 32), encoded(2, 48), encoded(3, 31), encoded(4, 257)];
    let bare = one.trim_end_matches('=');
    for (text, expected) in [
        (format!("{one}\n{two}\n"), vec![32, 48]),
        (format!("# newest\r\n  {one}  \r\n\r\n# oldest\r\n{two}"), vec![32, 48]),
        (bare.to_owned(), vec![32]),
    ] {
        let (set, report) = resumed_by(&text);
        let set = set.unwrap_or_else(|| panic!("{report}"));
        let lengths: Vec<usize> = set.gateway.ticket_keys.iter().map(|key| key.expose().len()).collect();
        assert_eq!(lengths, expected);
        assert!(!format!("{:?}", set.gateway).contains("[1, 1"), "no key is ever written");
    }
    let many: String = (0..17).map(|seed| encoded(seed, 32) + "\n").collect();
    for (text, expected) in [
        (String::new(), "`tickets` holds no key"),
        ("# none\n".into(), "`tickets` holds no key"),
        (format!("{one}\n{short}"), "line 2 of `tickets` has 31 bytes, not 32 to 256"),
        (long, "line 1 of `tickets` has 257 bytes, not 32 to 256"),
        (format!("{two}\n\nhunter2!"), "line 3 of `tickets` is not Base64"),
        (format!("{one}\n{two}\n{bare}\n"), "line 3 of `tickets` is line 1 again"),
        ("0123456789abcdef0123456789abcdef0123456789abcdef\0".into(), "line 1 of `tickets` is not Base64"),
        (many, "`tickets` holds 17 keys, at most 16 are kept"),
    ] {
        let (set, report) = resumed_by(&text);
        assert!(set.is_none());
        assert!(report.errors.iter().any(|error| error.message == expected), "{report}");
        assert!(!report.to_string().contains("hunter2") && !report.to_string().contains(&one));
    }
}

#[test]
fn files_with_secrets_are_for_their_owner() {
    use std::os::unix::fs::PermissionsExt as _;
    let root = tempfile::tempdir().unwrap();
    std::fs::create_dir(root.path().join("routes")).unwrap();
    let (chain, key) = certificate();
    let keys = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";
    for (name, bytes) in shipped() {
        let text = String::from_utf8(bytes).unwrap().replace("/etc/rempart/tls/", "");
        let text = text.replacen("listen:", "listen:\n    ticket_keys: { file: tickets }", 1);
        std::fs::write(root.path().join(name), text).unwrap();
    }
    for (name, text) in [("tls.crt", &*chain), ("tls.key", &key), ("tickets", keys)] {
        std::fs::write(root.path().join(name), text).unwrap();
    }
    for (mode, told) in [(0o400, false), (0o440, false), (0o640, false), (0o644, true), (0o404, true)] {
        for name in ["tls.key", "tickets"] {
            std::fs::set_permissions(root.path().join(name), std::fs::Permissions::from_mode(mode)).unwrap();
        }
        let (set, report) = source::inspect(root.path(), &CHECK);
        assert!(set.is_some(), "{report}");
        let open =
            report.findings.iter().filter(|found| found.message.starts_with("everybody on this machine"));
        assert_eq!(open.count(), if told { 2 } else { 0 }, "{mode:o}: {report}");
    }
}
