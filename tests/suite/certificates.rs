//! Certificates of clients, from outside: real handshakes, resumed ones, reloads, and proxies that speak for a client.

use std::time::{Duration, SystemTime};

use rustls::ClientConfig;
use serde_json::Value;

use crate::support::{
    authority::{Authority, Shown},
    client::{Ask, Client, Connection, Reply, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    school::{ROUTES, check_view, records, stop},
    tokens::Tokens,
    upstream::{Answer, Upstream},
};

/// A provider that reads certificates. It continues the list of the harness.
const DEVICES: &str = r#"  - name: devices
    client_certificate: { trust_domain: ecole.example }
    claims: { subject: $.subject.cn, role: $.spiffe.path, groups: $.subject.ou }
    roles: { /people/learner: learner, /people/teacher: teacher }"#;

const LIST: &str = "/api/learners";

struct School {
    upstream: Upstream,
    gateway: Gateway,
    client: Client,
    authority: Authority,
}

impl School {
    /// A gateway whose listener asks for certificates, with these further terms.
    fn start(terms: &str, provider: &str, lines: &str) -> Self {
        let upstream = Upstream::start(|_| Answer::json(&records()));
        let authority = Authority::new();
        let folder = PolicyFolder::new(upstream.address, &Tokens::new()).gateway(provider);
        let folder = if lines.is_empty() { folder } else { folder.gateway(lines) };
        let folder = folder.routes("school", ROUTES);
        folder.write("clients.pem", &authority.pem);
        folder.write("none.crl", &authority.revoke(999));
        let admin = r#"admin: "127.0.0.1:0""#;
        let asks = format!("{admin}, client_certificates: {{ ca: clients.pem, {terms} }}");
        folder.replace("gateway.yaml", admin, &asks);
        let gateway = Gateway::start(folder);
        let client = Client::new(&gateway);
        Self { upstream, gateway, client, authority }
    }

    fn learner(&self) -> Shown {
        self.authority.sign("/people/learner", "L1", "nowhere", 1, later())
    }

    fn teacher(&self) -> Shown {
        self.authority.sign("/people/teacher", "T1", "6A", 2, later())
    }

    fn tls(&self, shown: &Shown) -> ClientConfig {
        self.client.tls_showing(rustls::ALL_VERSIONS, shown.chain.clone(), shown.key())
    }

    async fn connect(&self, tls: &ClientConfig, version: Version) -> Connection {
        self.client.connect_with(tls.clone(), version).await.expect("a connection")
    }

    /// Whether a client gets through the handshake. In TLS 1.3 it hears of a refusal only with its first answer.
    async fn is_refused(&self, tls: &ClientConfig) -> bool {
        match self.client.connect_with(tls.clone(), Version::H1).await {
            Ok(mut connection) => connection.try_send(&Ask::get(LIST)).await.is_err(),
            Err(_) => true,
        }
    }

    fn handshakes(&self, outcome: &str) -> f64 {
        self.gateway.metric("rempart_tls_handshakes_total", &[("outcome", outcome)])
    }
}

fn later() -> SystemTime {
    SystemTime::now() + Duration::from_secs(86_400)
}

#[track_caller]
fn check(role: &str, reply: &Reply, context: &str) {
    assert_eq!(reply.status, 200, "{context}: {}", reply.text());
    check_view(role, &reply.json(), context);
}

#[tokio::test]
async fn a_certificate_is_an_identity_of_its_connection_alone() {
    let school = School::start("required: false", DEVICES, "");
    let (learner, teacher) = (school.tls(&school.learner()), school.tls(&school.teacher()));
    let stranger = school.client.tls(&[]);
    for version in [Version::H1, Version::H2] {
        for (role, tls) in [("learner", &learner), ("teacher", &teacher), ("anonymous", &stranger)] {
            let context = format!("{version:?} {role}");
            let mut connection = school.connect(tls, version).await;
            check(role, &connection.send(&Ask::get(LIST)).await, &context);
            // Whatever the client says about certificates is nothing, and stays here.
            let forged = Ask::get(LIST)
                .header(
                    "x-forwarded-client-cert",
                    "URI=spiffe://ecole.example/people/teacher;Subject=\"CN=T1\"",
                )
                .header("client-cert", ":MIIB:")
                .header("x-ssl-client-s-dn", "CN=T1");
            check(role, &connection.send(&forged).await, &context);
            let last = school.upstream.last();
            for name in ["x-forwarded-client-cert", "client-cert", "x-ssl-client-s-dn"] {
                assert!(last.headers(name).is_empty(), "{name} reached the platform");
            }
            // Another name on the same connection (RFC 9113 9.1.1): the listener asks the same of all.
            check(role, &connection.send(&Ask::get(LIST).host("localhost")).await, &context);
        }
    }
    let records: Vec<Value> = school.gateway.wait_journal(18);
    let by: Vec<_> = records.iter().filter(|record| record["provider"] == "devices").collect();
    assert_eq!(by.len(), 12);
    assert!(by.iter().all(|record| record["identity"] == "accepted"));
    let journal = stop(school.gateway).await.journal.text();
    assert!(!journal.contains("\"L1\"") && !journal.contains("spiffe"), "{journal}");
}

#[tokio::test]
async fn a_resumed_session_keeps_its_own_certificate() {
    let school = School::start("crl: none.crl", DEVICES, "");
    let (learner, teacher) = (school.learner(), school.teacher());
    for versions in [&[&rustls::version::TLS13], &[&rustls::version::TLS12]] {
        let before = school.handshakes("resumed");
        let of = |shown: &Shown| school.client.tls_showing(versions, shown.chain.clone(), shown.key());
        let (learner, teacher) = (of(&learner), of(&teacher));
        for round in 0..3 {
            for (role, tls) in [("learner", &learner), ("teacher", &teacher)] {
                let mut connection = school.connect(tls, Version::H1).await;
                check(role, &connection.send(&Ask::get(LIST)).await, &format!("{role} round {round}"));
            }
        }
        assert!(school.handshakes("resumed") >= before + 4.0, "sessions resume: {versions:?}");
    }

    // The learner's certificate is taken back: open connections, and sessions that would resume, lose it.
    let tls = school.tls(&learner);
    let other = school.tls(&teacher);
    let mut open = school.connect(&tls, Version::H1).await;
    check("learner", &open.send(&Ask::get(LIST)).await, "before");
    check("teacher", &school.connect(&other, Version::H1).await.send(&Ask::get(LIST)).await, "before");
    school.gateway.folder.write("none.crl", &school.authority.revoke(1));
    assert_eq!(school.gateway.reload()["event"], "policy_loaded");
    check("anonymous", &open.send(&Ask::get(LIST)).await, "an open connection");
    assert!(school.is_refused(&tls).await, "a session of a revoked certificate");
    check("teacher", &school.connect(&other, Version::H1).await.send(&Ask::get(LIST)).await, "after");
    assert!(school.handshakes("certificate_refused") >= 1.0);
    stop(school.gateway).await;
}

#[tokio::test]
async fn a_certificate_that_does_not_hold_is_refused_or_nobody_s() {
    let ended = SystemTime::now() - Duration::from_secs(60);
    for (terms, refuses) in [("invalid: refuse", true), ("invalid: anonymous", false)] {
        let school = School::start(&format!("crl: none.crl, {terms}"), DEVICES, "");
        let foreign = Authority::new();
        for (name, shown) in [
            ("foreign", foreign.sign("/people/teacher", "T1", "6A", 3, later())),
            ("ended", school.authority.sign("/people/teacher", "T1", "6A", 4, ended)),
            ("revoked", school.authority.sign("/people/teacher", "T1", "6A", 999, later())),
        ] {
            let tls = school.tls(&shown);
            if refuses {
                assert!(school.is_refused(&tls).await, "{name}");
            } else {
                for _ in 0..2 {
                    let mut connection = school.connect(&tls, Version::H2).await;
                    check("anonymous", &connection.send(&Ask::get(LIST)).await, name);
                }
            }
        }
        let good = school.tls(&school.teacher());
        check("teacher", &school.connect(&good, Version::H2).await.send(&Ask::get(LIST)).await, terms);
        if refuses {
            assert!(school.handshakes("certificate_refused") >= 3.0);
            assert!(!school.is_refused(&school.client.tls(&[])).await, "none is required");
        } else {
            let rejected = [("provider", "devices"), ("outcome", "rejected")];
            assert!(school.gateway.metric("rempart_identity_total", &rejected) >= 6.0);
        }
        stop(school.gateway).await;
    }
}

#[tokio::test]
async fn where_a_certificate_is_required_nobody_comes_without() {
    let school = School::start("required: false", DEVICES, "");
    let stranger = school.client.tls(&[]);
    assert!(!school.is_refused(&stranger).await);
    school.gateway.folder.replace("gateway.yaml", "required: false", "required: true");
    assert_eq!(school.gateway.reload()["event"], "policy_loaded");
    // Not even by a session that began when none was.
    assert!(school.is_refused(&stranger).await);
    assert!(school.is_refused(&school.client.tls(&[])).await);
    let good = school.tls(&school.teacher());
    check("teacher", &school.connect(&good, Version::H2).await.send(&Ask::get(LIST)).await, "with one");
    stop(school.gateway).await;
}

#[tokio::test]
async fn a_trusted_proxy_speaks_for_its_clients() {
    let provider = r#"  - name: mesh
    client_certificate: { from: xfcc, trust_domain: ecole.example }
    claims: { subject: $.fingerprint, role: $.spiffe.path, groups: "$.dns[*]" }
    roles: { /people/teacher: teacher }"#;
    let said = "By=spiffe://ecole.example/gate;Hash=00ff;URI=spiffe://ecole.example/people/teacher;DNS=6a;DNS=\"6A\"";
    for (proxies, role) in [("127.0.0.0/8", "teacher"), ("10.0.0.0/8", "anonymous")] {
        let lines = format!("trusted_proxies: [{proxies}]");
        let school = School::start("required: false", provider, &lines);
        // Names of hosts have no case; this school's class has a name in lower case then.
        school.upstream.script(|_| {
            Answer::json(&serde_json::from_str(&records().to_string().replace("6A", "6a")).unwrap())
        });
        let mut connection = school.client.connect(Version::H1).await;
        let reply = connection.send(&Ask::get(LIST).header("x-forwarded-client-cert", said)).await;
        let text = reply.text().replace("6a", "6A");
        check_view(role, &serde_json::from_str(&text).unwrap(), proxies);
        assert!(school.upstream.last().headers("x-forwarded-client-cert").is_empty());
        for broken in ["URI=spiffe://ecole.example/people/teacher,URI=x", "Role=teacher", "URI=\"x"] {
            let reply = connection.send(&Ask::get(LIST).header("x-forwarded-client-cert", broken)).await;
            let text = reply.text().replace("6a", "6A");
            check_view("anonymous", &serde_json::from_str(&text).unwrap(), broken);
        }
        stop(school.gateway).await;
    }
}
