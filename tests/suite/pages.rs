//! Pages seen from outside: what each reader gets of a class list, and where pages are read at all.

use crate::support::{
    client::{Ask, Client, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    school::{ROLES, stop},
    tokens::Tokens,
    upstream::{Answer, Upstream, gzip},
};
use http::StatusCode;

const HTML: (&str, &str) = ("Content-Type", "text/html; charset=utf-8");

const ROUTES: &str = r#"
routes:
  - name: pages
    owner: tests
    match: { host: "*", path: "/pages/{*rest}" }
    upstream: school
    purpose: account
    personal_data:
      subject: id
      group: classrooms
      fields: { id: not_personal, classrooms: not_personal, full_name: name, email: email, results: result }
      formats: [html]
  - name: declared
    owner: tests
    match: { host: "*", path: "/declared/{*rest}" }
    upstream: school
    purpose: account
    personal_data: { fields: { full_name: name } }
  - name: undeclared
    owner: tests
    match: { host: "*", path: "/free/{*rest}" }
    upstream: school
    purpose: account
"#;

fn page(row: impl Fn(&str, &str) -> String) -> String {
    let rows = [("L1", "6A"), ("L2", "6A"), ("L3", "5B")].map(|(id, class)| row(id, class)).concat();
    format!(
        "<!DOCTYPE html>\n<html><head><title>6A</title></head><body><h1>Résultats</h1>\n<table class=list>\
         <thead><tr><th scope=col>Full name</th><th>results</th><th>classrooms</th><th>id</th></tr></thead>\n\
         <tbody>{rows}</tbody></table>\n<p>fin</body></html>\n"
    )
}

fn sent(id: &str, class: &str) -> String {
    format!(
        "<tr><td><a href='/u/1' title='secret {id}'>Secret&nbsp;<b>Name {id}</b></a></td><td>secret-{id}</td><td>{class}</td><td>{id}</td></tr>\n"
    )
}

/// What a role sees of a row.
fn seen(role: &str, id: &str, class: &str) -> String {
    match (role, id) {
        ("administrator", _) | ("learner" | "guardian", "L1") | ("teacher", "L1" | "L2") => sent(id, class),
        _ => format!("<tr><td>***</td><td></td><td>{class}</td><td>{id}</td></tr>\n"),
    }
}

struct Site {
    upstream: Upstream,
    gateway: Gateway,
    tokens: Tokens,
    client: Client,
}

impl Site {
    fn start(answer: Answer) -> Self {
        let upstream = Upstream::start(move |_| answer.clone());
        let tokens = Tokens::new();
        let gateway = Gateway::start(PolicyFolder::new(upstream.address, &tokens).routes("pages", ROUTES));
        let client = Client::new(&gateway);
        Self { upstream, gateway, tokens, client }
    }

    fn ask(&self, path: &str, role: &str) -> Ask {
        match role {
            "anonymous" => Ask::get(path),
            role => Ask::get(path).bearer(&self.tokens.role(role)),
        }
    }

    async fn answer(&self, answer: Answer, path: &str) -> (StatusCode, String) {
        self.upstream.script(move |_| answer.clone());
        let reply = self.client.send(&self.ask(path, "anonymous")).await;
        (reply.status, reply.text())
    }
}

#[tokio::test]
async fn a_class_list_is_another_page_for_each_reader() {
    let site = Site::start(Answer::new(200, &[HTML], page(sent)));
    let whole = page(sent);
    let pieces: Vec<Vec<u8>> = whole.as_bytes().chunks(7).map(<[u8]>::to_vec).collect();
    let pieces: Vec<&[u8]> = pieces.iter().map(Vec::as_slice).collect();
    let answers = [
        Answer::new(200, &[HTML], whole.clone()),
        Answer::chunked(200, &[HTML], &pieces),
        Answer::new(200, &[HTML, ("Content-Encoding", "gzip")], gzip(whole.as_bytes())),
    ];
    for (number, answer) in answers.into_iter().enumerate() {
        site.upstream.script(move |_| answer.clone());
        for version in [Version::H1, Version::H2] {
            let mut connection = site.client.connect(version).await;
            for role in ROLES.into_iter().chain(["anonymous"]) {
                // What is not read for who sees all stays coded.
                if role == "administrator" && number == 2 {
                    continue;
                }
                let reply = connection.send(&site.ask("/pages/list", role)).await;
                assert_eq!(reply.status, StatusCode::OK, "{role}");
                assert_eq!(
                    reply.text(),
                    page(|id, class| seen(role, id, class)),
                    "{role} {version:?} {number}"
                );
            }
        }
    }
    stop(site.gateway).await;
}

#[tokio::test]
async fn pages_are_read_where_a_route_says_so() {
    let form = "<input name=full_name value='Secret Name'><p>x</p>";
    let site = Site::start(Answer::new(200, &[HTML], form));
    let (status, text) = site.answer(Answer::new(200, &[HTML], form), "/pages/form").await;
    assert_eq!((status, &*text), (StatusCode::OK, "<input name=full_name value=\"***\"><p>x</p>"));
    let (status, text) = site.answer(Answer::new(200, &[HTML], form), "/declared/form").await;
    assert_eq!(status, StatusCode::BAD_GATEWAY);
    assert!(!text.contains("Secret"));
    let (status, text) = site.answer(Answer::new(200, &[HTML], form), "/free/form").await;
    assert_eq!((status, &*text), (StatusCode::OK, form));
    // JSON under the type of a page is read as what it is.
    let (status, text) =
        site.answer(Answer::new(200, &[HTML], "{\"full_name\":\"Secret\"}"), "/pages/form").await;
    assert_eq!((status, &*text), (StatusCode::OK, "{\"full_name\":\"***\"}"));
    for (kind, body) in [
        ("text/html", "<table><tr><td>Secret"),
        ("text/html", "<td>Secret</td>"),
        ("text/html; charset=utf-16", form),
        ("text/html; charset=utf-8; charset=latin1", form),
        ("application/xhtml+xml", form),
    ] {
        let (status, text) =
            site.answer(Answer::new(200, &[("Content-Type", kind)], body), "/pages/form").await;
        assert_eq!(status, StatusCode::BAD_GATEWAY, "{kind} {body}");
        assert!(!text.contains("Secret"), "{kind} {body}");
    }
    stop(site.gateway).await;
}
