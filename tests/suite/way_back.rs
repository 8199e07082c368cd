//! The way back seen from outside: what a request may do with data that its sender does not see. Each row says what goes in
//! and what the client gets; of a refused request the platform sees nothing at all.

use crate::support::{
    client::{Ask, Client, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Upstream},
};
use http::Method;
use serde_json::{Value, json};

const ROUTES: &str = r#"
routes:
  - name: people
    owner: tests
    match: { host: "*", path: ["/people/", "/people/{id}", "/people/{id}/notes/{note}"] }
    upstream: school
    purpose: account
    personal_data:
      record: ["$", "$[*]"]
      subject: id
      fields: { id: account, full_name: name, email: email, birth_year: birth, note: not_personal, title: not_personal }
      unknown: pass
  - name: sorted
    owner: tests
    match: { host: "*", path: "/sorted" }
    upstream: school
    purpose: account
    personal_data:
      fields: { full_name: name }
      unknown: pass
      query: name
      writes: [name, email]
      parameters: { who: account, email: not_personal }
  - name: free
    owner: tests
    match: { host: "*", path: "/free/{*rest}" }
    upstream: school
    purpose: account
  - name: exempt
    owner: tests
    match: { host: "*", path: "/exempt" }
    upstream: school
    purpose: account
    personal_data: { exempt: "nothing personal in this test" }
  - name: sign-in
    owner: tests
    match: { host: "*", path: /login }
    upstream: school
    purpose: account
    authentication: { account: [username, email], secret: password, failure: [401] }
"#;

const JSON: &str = "application/json";
const FORM: &str = "application/x-www-form-urlencoded";
const PARTS: &str = "multipart/form-data; boundary=x";

struct World {
    upstream: Upstream,
    gateway: Gateway,
    tokens: Tokens,
    client: Client,
}

fn world() -> World {
    let upstream =
        Upstream::start(|_| Answer::json(&json!({ "id": "anna/7", "email": "anna@x.example", "title": 1 })));
    let tokens = Tokens::new();
    let folder = PolicyFolder::new(upstream.address, &tokens).routes("way", ROUTES);
    let account = "fields: [username, learner_id], otherwise: ";
    folder.replace("charter.yaml", &format!("{account}pseudonym"), &format!("{account}tokenise"));
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    World { upstream, gateway, tokens, client }
}

impl World {
    fn ask(&self, role: &str, method: Method, target: &str, kind: &str, body: impl Into<Vec<u8>>) -> Ask {
        let body: Vec<u8> = body.into();
        let mut ask = Ask::new(method, target);
        if role != "anonymous" {
            ask = ask.bearer(&self.tokens.role(role));
        }
        if !kind.is_empty() {
            ask = ask.header("content-type", kind);
        }
        if body.is_empty() { ask } else { ask.body(body) }
    }

    async fn check(
        &self,
        role: &str,
        method: Method,
        target: &str,
        kind: &str,
        body: impl Into<Vec<u8>>,
        status: u16,
    ) {
        let body: Vec<u8> = body.into();
        for version in [Version::H1, Version::H2] {
            self.upstream.forget();
            let ask = self.ask(role, method.clone(), target, kind, body.clone());
            let reply = self.client.connect(version).await.send(&ask).await;
            let context =
                format!("{version:?} {role} {method} {target} {kind} {}", String::from_utf8_lossy(&body));
            assert_eq!(reply.status.as_u16(), status, "{context}: {}", reply.text());
            if status == 200 {
                assert_eq!(self.upstream.count(), 1, "{context}");
                assert_eq!(self.upstream.last().target(), target, "{context}");
                assert_eq!(self.upstream.last().body, body, "{context}");
            } else {
                assert_eq!(self.upstream.count(), 0, "{context}: the platform saw it");
                assert_eq!(reply.header("content-type"), ["application/problem+json"], "{context}");
                assert_eq!(reply.json()["status"], status, "{context}");
            }
        }
    }
}

#[tokio::test]
async fn nobody_asks_for_what_they_do_not_see() {
    let world = world();
    for query in [
        "birth_year=2012",
        "birthYear=2012",
        "BIRTH_YEAR=2012",
        "%62irth_year=2012",
        "page=1&birth_year=2012",
        "birth_year_gte=2010",
        "birth_year__gte=2010",
        "birth_year%5Bgte%5D=2010",
        "filter%5Bbirth_year%5D=2010",
        "user.birth_year=2010",
        "user__birth_year__in=2010",
        "min_birth_year=2010",
        "ordering=-birth_year",
        "ordering=title,-birth_year",
        "sort=birth_year:desc",
        "sortBy=birthYear",
        "order_by=birth_year+desc",
        "%24orderby=birthYear",
        "$filter=birthYear%20gt%202010",
        "filter=userName%20eq%20%22anna%22",
        "agent=%7B%22mbox%22:%22mailto:anna@x.example%22%7D",
        "x=1;birth_year=2012",
        "email=anna@x.example",
        "birth+year=2012",
        "birth.year=2012",
        "sort%5B0%5D%5Bfield%5D=birth_year",
        "search_field=email",
        "filter=birthYear==2012",
        "criteria%5B0%5D%5Bkey%5D=email&criteria%5B0%5D%5Bvalue%5D=x",
    ] {
        for (role, path) in [("marketing", "/people/"), ("anonymous", "/free/list")] {
            world.check(role, Method::GET, &format!("{path}?{query}"), "", "", 403).await;
        }
        world.check("administrator", Method::GET, &format!("/people/?{query}"), "", "", 200).await;
        world.check("marketing", Method::GET, &format!("/exempt?{query}"), "", "", 200).await;
    }
    for query in [
        "page=2&page_size=30",
        "search=anna",
        "fields=birth_year",
        "ordering=-title",
        "first.page=2&a+b=c",
        "email=",
        "format=json",
    ] {
        world.check("anonymous", Method::GET, &format!("/people/?{query}"), "", "", 200).await;
    }
    for (query, status) in [
        ("full_name__icontains=anna", 200),
        ("ordering=full_name", 200),
        ("email=anna@x.example", 200),
        ("who=anna", 403),
        ("birth_year=2012", 403),
        ("full_name=***", 409),
    ] {
        world.check("marketing", Method::GET, &format!("/sorted?{query}"), "", "", status).await;
    }
    assert!(world.gateway.metric("rempart_requests_refused_total", &[("reason", "hidden_query")]) >= 92.0);
    stop(world.gateway).await;
}

#[tokio::test]
async fn nobody_writes_or_sends_back_what_they_do_not_see() {
    let world = world();
    let part = |name: &str, value: &str| {
        format!("--x\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n--x--\r\n")
    };
    let deep = format!("{}{}", "[".repeat(200), "]".repeat(200));
    let long = format!(r#"{{"title": "{}"}}"#, "x".repeat(1 << 20));
    let rows: Vec<(&str, &str, &str, String, u16)> = vec![
        ("marketing", "/people/7", JSON, r#"{"birth_year": 2012}"#.into(), 403),
        ("marketing", "/people/7", JSON, r#"{"title": "x", "b\u0069rthYear": null}"#.into(), 403),
        ("marketing", "/people/7", JSON, r#"{"value": 2012, "field": "birth_year"}"#.into(), 403),
        ("marketing", "/people/7", JSON, r#"{"sort": [{"birth_year": "desc"}]}"#.into(), 403),
        ("learner", "/people/7", JSON, r#"{"criteria": [{"key": "email", "value": "x"}]}"#.into(), 403),
        ("marketing", "/people/7", FORM, "field=email&values%5B0%5D=x".into(), 403),
        ("marketing", "/people/7", JSON, r#"{"key": "reminder", "text": "my email"}"#.into(), 200),
        ("marketing", "/people/7", JSON, r#"{"sort": "title", "*** note": 1}"#.into(), 200),
        ("learner", "/people/7", JSON, r#"{"grades": {"*** 2": 1}}"#.into(), 409),
        (
            "marketing",
            "/people/7",
            "application/merge-patch+json",
            r#"{"x": [{"Birth-Year": 2012}]}"#.into(),
            403,
        ),
        (
            "marketing",
            "/people/7",
            "Application/JSON; charset=UTF-8",
            r#"{"a": 1, "a": {"email": "x"}}"#.into(),
            403,
        ),
        (
            "marketing",
            "/people/7",
            "application/json-patch+json",
            r#"[{"op": "add", "path": "/email", "value": 1}]"#.into(),
            403,
        ),
        ("marketing", "/people/7", "", r#"{"email": "x"}"#.into(), 403),
        ("marketing", "/people/7", "text/plain", r#" {"email": "x"}"#.into(), 403),
        ("marketing", "/people/7", "application/x-ndjson", "{}\n{\"email\": \"x\"}\n".into(), 403),
        ("marketing", "/people/7", FORM, "title=1&birth_year=2012".into(), 403),
        ("marketing", "/people/7", FORM, "user%5Bbirth_ye%61r%5D=2012".into(), 403),
        ("marketing", "/people/7", PARTS, part("birth_year", "2012"), 403),
        ("anonymous", "/people/7", JSON, r#"{"full_name": "x"}"#.into(), 403),
        ("marketing", "/people/7", JSON, r#"{"birth_year": "#.into(), 400),
        ("marketing", "/people/7", JSON, "{} {}".into(), 400),
        ("marketing", "/people/7", JSON, deep, 400),
        ("marketing", "/people/7", "application/json; charset=utf-16", "{}".into(), 400),
        ("marketing", "/people/7", PARTS, "--y\r\n".into(), 400),
        ("marketing", "/people/7", JSON, long, 413),
        ("marketing", "/people/7", JSON, r#"{"title": "x", "note": "***"}"#.into(), 200),
        ("marketing", "/people/7", FORM, "title=x&note=1".into(), 200),
        ("marketing", "/people/7", PARTS, part("title", "x"), 200),
        ("marketing", "/people/7", "text/plain", "birth_year: 2012".into(), 200),
        ("marketing", "/people/7", "application/octet-stream", "\u{1}{\"email\"".into(), 200),
        (
            "learner",
            "/people/7",
            JSON,
            r#"{"full_name": "Anna", "birth_year": 2012, "email": "anna@x.example"}"#.into(),
            200,
        ),
        ("learner", "/people/7", JSON, r#"{"full_name": "***"}"#.into(), 409),
        ("learner", "/people/7", JSON, r#"{"full_name": "\u002a\u002a*"}"#.into(), 409),
        ("learner", "/people/7", JSON, r#"[{"x": {"full_name": ["Anna", "***"]}}]"#.into(), 409),
        ("learner", "/people/7", JSON, r#"{"email": "p_0@pseudonyme.invalid"}"#.into(), 409),
        ("learner", "/people/7", FORM, "full_name=***".into(), 409),
        ("learner", "/people/7", FORM, "full_name=%2A%2A%2A".into(), 409),
        ("learner", "/people/7", JSON, r#"{"full_name": " ***\n"}"#.into(), 409),
        ("learner", "/people/7", JSON, r#"{"state": "{\"full_name\": \"***\"}"}"#.into(), 409),
        (
            "learner",
            "/people/7",
            JSON,
            r#"{"state": "\ufeff[\"{\\\"full_name\\\": \\\"***\\\"}\"]"}"#.into(),
            409,
        ),
        ("learner", "/people/7", JSON, r#"{"state": "{\"full_name\": \"Anna\"} [sic] ***"}"#.into(), 200),
        ("learner", "/people/7", FORM, "state=%22%7B%5C%22full_name%5C%22:%5C%22***%5C%22%7D%22".into(), 409),
        ("learner", "/free/x", JSON, r#"{"state": "{\"nom\": \"***\"}"}"#.into(), 409),
        ("marketing", "/people/7", JSON, r#"{"state": "{\"birth_year\": 2012}"}"#.into(), 403),
        ("marketing", "/people/7", JSON, r#"{"state": "{\"theme\": \"dark\"}"}"#.into(), 200),
        ("learner", "/people/7", PARTS, part("full_name", "***"), 409),
        ("learner", "/free/x", JSON, r#"{"nom": "***"}"#.into(), 409),
        ("learner", "/free/x", JSON, r#"{"birth_year": 2012"#.into(), 200),
        ("marketing", "/free/x", JSON, r#"{"birth_year": 2012}"#.into(), 200),
        ("marketing", "/exempt", JSON, r#"{"nom": "***"}"#.into(), 200),
        ("marketing", "/sorted", JSON, r#"{"full_name": "x", "email": "x@y.example"}"#.into(), 200),
        ("marketing", "/sorted", JSON, r#"{"full_name": "***"}"#.into(), 409),
        ("administrator", "/people/7", JSON, r#"{"full_name": "***", "birth_year": 2012}"#.into(), 200),
        ("anonymous", "/login", JSON, r#"{"username": "anna", "password": "***"}"#.into(), 200),
        ("anonymous", "/login", FORM, "email=anna%40x.example&password=x".into(), 200),
    ];
    for (role, target, kind, body, status) in rows {
        for method in [Method::POST, Method::PUT, Method::PATCH] {
            world.check(role, method, target, kind, body.clone(), status).await;
        }
    }
    // A pseudonym of the gateway's own, as it was given.
    let given = world.client.send(&world.ask("marketing", Method::GET, "/people/7", "", "")).await.json();
    let email = given["email"].as_str().unwrap().to_owned();
    assert!(email.ends_with("@pseudonyme.invalid"), "{email}");
    let body = json!({ "email": email }).to_string();
    world.check("learner", Method::PATCH, "/people/7", JSON, body, 409).await;
    // What is compressed cannot be judged.
    let ask =
        world.ask("marketing", Method::POST, "/people/7", JSON, "{}").header("content-encoding", "gzip");
    assert_eq!(world.client.send(&ask).await.status, 400);
    let journal = world.gateway.wait_journal(10);
    let journal = format!("{journal:?}");
    assert!(journal.contains("hidden_write") && !journal.contains("2012-"), "a value stands in the journal");
    stop(world.gateway).await;
}

#[tokio::test]
async fn tokens_become_values_on_their_way_to_the_platform_and_nowhere_else() {
    let world = world();
    let given: Value =
        world.client.send(&world.ask("marketing", Method::GET, "/people/7", "", "")).await.json();
    let slashed = given["id"].as_str().unwrap().to_owned();
    world.upstream.script(|_| Answer::json(&json!([{ "id": "bruno é" }, { "id": 12 }])));
    let given: Value =
        world.client.send(&world.ask("marketing", Method::GET, "/people/", "", "")).await.json();
    let (bruno, twelve) = (given[0]["id"].as_str().unwrap(), given[1]["id"].as_str().unwrap());
    for token in [&slashed, bruno, twelve] {
        assert!(token.starts_with("tok_"), "{token}");
    }

    let send = async |method: Method, target: &str, kind: &str, body: &str| {
        world.upstream.forget();
        let reply = world.client.send(&world.ask("marketing", method, target, kind, body)).await;
        assert_eq!(reply.status, 200, "{target} {body}: {}", reply.text());
        let seen = world.upstream.last();
        assert_eq!(
            seen.header("content-length").map_or(0, |length| length.parse().unwrap()),
            seen.body.len()
        );
        (seen.target(), String::from_utf8(seen.body).unwrap())
    };
    assert_eq!(send(Method::GET, &format!("/people/{bruno}"), "", "").await.0, "/people/bruno%20%C3%A9");
    assert_eq!(send(Method::GET, &format!("/people/{twelve}/notes/3"), "", "").await.0, "/people/12/notes/3");
    let query = send(Method::GET, &format!("/people/?page=1&id={bruno}"), "", "").await.0;
    assert_eq!(query, "/people/?page=1&id=bruno%20%C3%A9");
    assert_eq!(send(Method::GET, &format!("/sorted?who={slashed}"), "", "").await.0, "/sorted?who=anna%2F7");
    let body = format!(r#"{{"id": "{bruno}", "x": [{{"id": "{twelve}"}}]}}"#);
    assert_eq!(
        send(Method::POST, "/people/", JSON, &body).await.1,
        r#"{"id": "bruno é", "x": [{"id": 12}]}"#
    );
    assert_eq!(
        send(Method::POST, "/people/", FORM, &format!("a=1&id={bruno}")).await.1,
        "a=1&id=bruno%20%C3%A9"
    );

    let forged = format!("{}A", &bruno[..bruno.len() - 1]);
    for (target, body) in [
        (format!("/people/{slashed}"), String::new()),
        (format!("/people/{forged}"), String::new()),
        ("/people/tok_AAAA".to_owned(), String::new()),
        (format!("/people/7/notes/{bruno}"), String::new()),
        (format!("/people/?id={forged}"), String::new()),
        (format!("/people/?title={bruno}"), String::new()),
        (format!("/people/?email={bruno}"), String::new()),
        (format!("/free/x?title={bruno}"), String::new()),
        ("/people/".to_owned(), format!(r#"{{"id": "{forged}"}}"#)),
        ("/people/".to_owned(), format!(r#"{{"title": "{bruno}"}}"#)),
        ("/people/".to_owned(), format!(r#"{{"{bruno}": 1}}"#)),
        ("/people/".to_owned(), format!(r#"{{"id": "{}"}}"#, bruno.replacen('_', "\\u005f", 1))),
    ] {
        let method = if body.is_empty() { Method::GET } else { Method::POST };
        world.check("marketing", method, &target, if body.is_empty() { "" } else { JSON }, body, 409).await;
    }
    // A learner reads their own identifier: somebody else's, stored in their record, would be read as well.
    let body = format!(r#"{{"id": "{bruno}"}}"#);
    world.check("learner", Method::PATCH, "/people/7", JSON, body, 409).await;
    assert!(world.gateway.metric("rempart_requests_refused_total", &[("reason", "token")]) >= 26.0);
    stop(world.gateway).await;
}
