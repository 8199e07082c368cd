//! XML seen from outside: the same charter, the same readers, another grammar.

use crate::support::{
    client::{Ask, Client, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    school::{ROLES, stop},
    tokens::Tokens,
    upstream::{Answer, Upstream, gzip},
};
use http::StatusCode;

const XML: (&str, &str) = ("Content-Type", "application/xml");

const ROUTES: &str = r#"
routes:
  - name: directory
    owner: tests
    match: { host: "*", path: "/directory/{*rest}" }
    upstream: school
    purpose: account
    personal_data:
      record: "$.users.user"
      subject: id
      group: classrooms
      fields:
        id: not_personal
        classrooms: not_personal
        gender: demographics
        full_name: name
        email: email
        ine: student_id
        birth_date: birth
        results: result
      unknown: deny
  - name: undeclared
    owner: tests
    match: { host: "*", path: "/free/{*rest}" }
    upstream: school
    purpose: account
"#;

/// A learner as directories write one: elements, attributes, and attributes that name contents.
fn learner(id: &str, classroom: &str) -> String {
    format!(
        "<user gender='secret-gender-{id}'><!-- secret {id} --><p:full_name>S&#101;cret Name {id}</p:full_name>\
         <attribute name=\"email\"><value>secret.{id}@ecole.example</value></attribute>\
         <ine><![CDATA[secret-ine-{id}]]></ine><birth_date>2013-05-04</birth_date>\
         <results><maths note='secret'>secret-result-{id}</maths></results><shoe>secret</shoe>\
         <classrooms>{classroom}</classrooms><id>{id}</id></user>\n"
    )
}

/// Learners: L1 (the guardian's ward) and L2 in the teacher's class, L3 elsewhere.
fn learners() -> String {
    let all = [learner("L1", "6A"), learner("L2", "6A"), learner("L3", "5B")].concat();
    format!("<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<users xmlns:p=\"urn:p\">{all}</users>\n")
}

/// What a role sees of a learner; the pseudonym of the address is `TOKEN`.
fn seen(role: &str, id: &str, classroom: &str) -> String {
    let (own, class, ward) = match (role, id) {
        ("learner", "L1") => (true, false, false),
        ("teacher", "L1" | "L2") => (false, true, false),
        ("guardian", "L1") => (false, false, true),
        _ => (false, false, false),
    };
    let pick = |seen: bool, yes: String, no: &str| if seen { yes } else { no.to_owned() };
    [
        pick(own, format!("<user gender='secret-gender-{id}'>"), "<user>"),
        "<p:full_name>".into(),
        pick(own || class || ward, format!("S&#101;cret Name {id}"), "***"),
        "</p:full_name><attribute name=\"email\"><value>".into(),
        pick(own, format!("secret.{id}@ecole.example"), "TOKEN"),
        "</value></attribute>".into(),
        pick(own, format!("<ine><![CDATA[secret-ine-{id}]]></ine>"), ""),
        "<birth_date>".into(),
        pick(own || ward, "2013-05-04".into(), "2013"),
        "</birth_date>".into(),
        pick(
            own || class || ward,
            format!("<results><maths note='secret'>secret-result-{id}</maths></results>"),
            "",
        ),
        format!("<classrooms>{classroom}</classrooms><id>{id}</id></user>\n"),
    ]
    .concat()
}

/// Every pseudonym as `TOKEN`.
fn without_tokens(text: &str) -> String {
    let mut parts = text.split("p_");
    let mut out = parts.next().unwrap().to_owned();
    for part in parts {
        let (token, rest) = part.split_once("@pseudonyme.invalid").unwrap();
        assert!(token.len() == 32 && token.bytes().all(|byte| byte.is_ascii_hexdigit()), "{part}");
        out += "TOKEN";
        out += rest;
    }
    out
}

struct Directory {
    upstream: Upstream,
    gateway: Gateway,
    tokens: Tokens,
    client: Client,
}

impl Directory {
    fn start(answer: Answer) -> Self {
        let upstream = Upstream::start(move |_| answer.clone());
        let tokens = Tokens::new();
        let gateway =
            Gateway::start(PolicyFolder::new(upstream.address, &tokens).routes("directory", ROUTES));
        let client = Client::new(&gateway);
        Self { upstream, gateway, tokens, client }
    }

    fn ask(&self, path: &str, role: &str) -> Ask {
        match role {
            "anonymous" => Ask::get(path),
            role => Ask::get(path).bearer(&self.tokens.role(role)),
        }
    }
}

#[tokio::test]
async fn xml_is_answered_differently_for_each_reader() {
    let directory = Directory::start(Answer::new(200, &[XML], learners()));
    let packed = gzip(learners().as_bytes());
    let pieces: Vec<Vec<u8>> = learners().as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let answers = [
        Answer::new(200, &[XML], learners()),
        Answer::new(
            200,
            &[("Content-Type", "application/soap+xml; charset=utf-8"), ("Content-Encoding", "gzip")],
            packed,
        ),
        Answer::chunked(200, &[("Content-Type", "text/xml")], &pieces),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        directory.upstream.script(move |_| answer.clone());
        for version in [Version::H1, Version::H2] {
            let mut connection = directory.client.connect(version).await;
            for role in ROLES.into_iter().chain(["anonymous"]) {
                // A coding that the client does not take is undone, except for who sees all: that one is not read.
                if role == "administrator" && number == 1 {
                    continue;
                }
                let reply = connection.send(&directory.ask("/directory/users", role)).await;
                assert_eq!(reply.status, StatusCode::OK, "{role}");
                let expected = match role {
                    "administrator" => learners(),
                    role => format!(
                        "<?xml version=\"1.0\" encoding=\"UTF-8\"?>\n<users xmlns:p=\"urn:p\">{}</users>\n",
                        [("L1", "6A"), ("L2", "6A"), ("L3", "5B")]
                            .map(|(id, class)| seen(role, id, class))
                            .concat()
                    ),
                };
                assert_eq!(without_tokens(&reply.text()), expected, "{role} {version:?} {number}");
            }
        }
    }
    stop(directory.gateway).await;
}

#[tokio::test]
async fn xml_that_cannot_be_read_is_refused() {
    let directory = Directory::start(Answer::new(200, &[XML], learners()));
    for body in [
        "",
        "<users><user>secret</users>",
        "<users><full_name>secret</full_name></users><users/>",
        "<users><user full_name='secret' full_name='secret'/></users>",
        "<!DOCTYPE users [<!ENTITY x 'secret'>]><users>&x;</users>",
        "<!DOCTYPE users SYSTEM 'file:///etc/passwd' [ ]><users>secret</users>",
        "<!DOCTYPE users SYSTEM 'users.dtd'><users>&secret;</users>",
        "<?xml version='1.0' encoding='utf-16'?><users>secret</users>",
        "<users>&secret;</users>",
        "secret",
    ] {
        let answer = Answer::new(200, &[XML], body);
        directory.upstream.script(move |_| answer.clone());
        for path in ["/directory/users", "/free/users"] {
            if body.is_empty() && path == "/free/users" {
                continue;
            }
            let reply = directory.client.send(&directory.ask(path, "teacher")).await;
            if body.is_empty() {
                // Nothing is nothing.
                assert!(reply.body.is_empty());
                continue;
            }
            assert_eq!(reply.status, StatusCode::BAD_GATEWAY, "{path} {body}");
            assert!(!reply.text().contains("secret"), "{path} {body}");
        }
    }
    stop(directory.gateway).await;
}

#[tokio::test]
async fn xml_of_undeclared_routes_is_known_by_the_charters_names() {
    let feed = "<rss version=\"2.0\"><item><title>t</title><courriel>secret@x.fr</courriel></item></rss>";
    let directory = Directory::start(Answer::new(200, &[("Content-Type", "application/rss+xml")], feed));
    let reply = directory.client.send(&directory.ask("/free/feed", "marketing")).await;
    assert_eq!(
        without_tokens(&reply.text()),
        "<rss version=\"2.0\"><item><title>t</title><courriel>TOKEN</courriel></item></rss>"
    );
    // A picture is no document of records.
    let picture = "<!DOCTYPE svg><svg><title>t</title></svg>";
    let answer = Answer::new(200, &[("Content-Type", "image/svg+xml")], picture);
    directory.upstream.script(move |_| answer.clone());
    let reply = directory.client.send(&directory.ask("/free/picture", "marketing")).await;
    assert_eq!(reply.text(), picture);
    stop(directory.gateway).await;
}
