//! GraphQL seen from outside: what a request may name, and what of its answer each caller gets, whatever it calls the fields.

use crate::support::{
    client::{Ask, Client, Reply, Version},
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
  - name: graph
    owner: tests
    match: { host: "*", path: /graphql }
    upstream: school
    purpose: account
    personal_data: &graph
      formats: [graphql]
      record: ["$.data.users[*]", "$.data.me"]
      subject: id
      fields:
        id: not_personal
        friendId: not_personal
        $.data.users[*].nick: name
        $..title: not_personal
        $..count: not_personal
      unknown: deny
  - name: doors
    owner: tests
    match: { host: "*", path: /doors }
    upstream: school
    purpose: account
    personal_data: *graph
    authentication: { account: $.variables.user, secret: $.variables.password, failure: [401] }
"#;

const JSON: &str = "application/json";

struct World {
    upstream: Upstream,
    gateway: Gateway,
    tokens: Tokens,
    client: Client,
}

impl World {
    fn start() -> Self {
        let upstream = Upstream::start(|_| Answer::json(&json!({ "data": null })));
        let tokens = Tokens::new();
        let gateway = Gateway::start(PolicyFolder::new(upstream.address, &tokens).routes("graphql", ROUTES));
        let client = Client::new(&gateway);
        Self { upstream, gateway, tokens, client }
    }

    async fn send(&self, version: Version, role: &str, ask: Ask) -> Reply {
        let ask = match role {
            "anonymous" => ask,
            // `u1` in any role.
            role => ask.bearer(&self.tokens.of("u1", role, &[], &[])),
        };
        self.upstream.forget();
        self.client.connect(version).await.send(&ask).await
    }
}

fn post(body: &Value) -> Ask {
    Ask::post_json("/graphql", body)
}

fn query(text: &str) -> Ask {
    post(&json!({ "query": text }))
}

fn get(parameters: &[(&str, &str)]) -> Ask {
    let encoded: String = form_urlencoded::Serializer::new(String::new()).extend_pairs(parameters).finish();
    Ask::get(&format!("/graphql?{encoded}"))
}

#[tokio::test]
async fn aliases_show_nothing() {
    let world = World::start();
    let rows: Vec<(&str, &str, Ask, Value, Value)> = vec![
        (
            "aliases",
            "marketing",
            query("{ users { title: full_name t: title } }"),
            json!({ "data": { "users": [{ "title": "Anna", "t": "x" }] } }),
            json!({ "data": { "users": [{ "title": "***", "t": "x" }] } }),
        ),
        (
            "a rule of the route under other names",
            "marketing",
            query("{ people: users { n: nick } }"),
            json!({ "data": { "people": [{ "n": "Anna" }] } }),
            json!({ "data": { "people": [{ "n": "***" }] } }),
        ),
        (
            "fragments",
            "marketing",
            query("query Q { users { ...A } } fragment A on U { ... on V { t: full_name } title }"),
            json!({ "data": { "users": [{ "t": "Anna", "title": "x" }] } }),
            json!({ "data": { "users": [{ "t": "***", "title": "x" }] } }),
        ),
        (
            "a batch",
            "marketing",
            post(&json!([{ "query": "{ users { x: title } }" }, { "query": "{ users { x: full_name } }" }])),
            json!([{ "data": { "users": [{ "x": "1" }] } }, { "data": { "users": [{ "x": "Anna" }] } }]),
            json!([{ "data": { "users": [{ "x": "1" }] } }, { "data": { "users": [{ "x": "***" }] } }]),
        ),
        (
            "the query of a URL, and the operation that it names",
            "marketing",
            get(&[
                ("query", "query A { users { x: title } } query B { users { x: full_name } }"),
                ("operationName", "B"),
                ("page", "2"),
            ]),
            json!({ "data": { "users": [{ "x": "Anna" }] } }),
            json!({ "data": { "users": [{ "x": "***" }] } }),
        ),
        (
            "a document as the body",
            "marketing",
            Ask::new(Method::POST, "/graphql")
                .header("content-type", "application/graphql")
                .body("{ me { x: full_name } }"),
            json!({ "data": { "me": { "x": "Anna" } } }),
            json!({ "data": { "me": { "x": "***" } } }),
        ),
        (
            "their own record, by the field that says so",
            "learner",
            query("{ users { x: full_name whose: id } }"),
            json!({ "data": { "users": [{ "x": "Anna", "whose": "u1" }, { "x": "Bruno", "whose": "u2" }] } }),
            json!({ "data": { "users": [{ "x": "Anna", "whose": "u1" }, { "x": "***", "whose": "u2" }] } }),
        ),
        (
            "a friend that is called the record's subject",
            "learner",
            query("{ users { x: full_name id: friendId } }"),
            json!({ "data": { "users": [{ "x": "Bruno", "id": "u1" }] } }),
            json!({ "data": { "users": [{ "x": "***", "id": "u1" }] } }),
        ),
        (
            "errors and extensions",
            "marketing",
            query("{ users { x: full_name } }"),
            json!({ "errors": [{ "message": "no", "path": ["users", 0, "x"], "extensions": { "full_name": "Anna", "code": "C" } }], "data": null }),
            json!({ "errors": [{ "message": "no", "path": ["users", 0, "x"], "extensions": { "full_name": "***", "code": "C" } }], "data": null }),
        ),
        (
            "a schema",
            "anonymous",
            query("{ __schema { types { name fields { name description } } } __typename }"),
            json!({ "data": { "__schema": { "types": [{ "name": "U", "fields": [{ "name": "full_name", "description": null }] }] }, "__typename": "Query" } }),
            json!({ "data": { "__schema": { "types": [{ "name": "U", "fields": [{ "name": "full_name", "description": null }] }] }, "__typename": "Query" } }),
        ),
        (
            "who sees everything",
            "administrator",
            query("{ users { x: full_name } }"),
            json!({ "data": { "users": [{ "x": "Anna" }] } }),
            json!({ "data": { "users": [{ "x": "Anna" }] } }),
        ),
        (
            "a mutation's answer",
            "marketing",
            query("mutation { touch(title: \"x\") { x: full_name title } }"),
            json!({ "data": { "touch": { "x": "Anna", "title": "x" } } }),
            json!({ "data": { "touch": { "x": "***", "title": "x" } } }),
        ),
    ];
    for (name, role, ask, answer, expected) in rows {
        for kind in [JSON, "application/graphql-response+json; charset=utf-8", "text/plain"] {
            let body = answer.to_string();
            world.upstream.script(move |_| Answer::new(200, &[("content-type", kind)], &body));
            for version in [Version::H1, Version::H2] {
                let reply = world.send(version, role, ask.clone()).await;
                assert_eq!(reply.status, 200, "{name} {kind}: {}", reply.text());
                // `$.data.me` and `touch` are alive only as far as rules reach.
                assert_eq!(reply.json(), expected, "{name} {kind} {version:?}");
            }
        }
    }
    // What was hidden is counted by the fields.
    let names = [("category", "name"), ("recipient", "marketing")];
    assert!(world.gateway.metric("rempart_redacted_fields_total", &names) >= 48.0);
    stop(world.gateway).await;
}

#[tokio::test]
async fn an_answer_that_nobody_asked_for_stays() {
    let world = World::start();
    for (name, kind, body) in [
        ("a member that was not selected", JSON, r#"{"data":{"users":[{"y":"Cnry"}]}}"#),
        (
            "an answer in parts",
            JSON,
            r#"{"data":{"users":[]},"hasNext":true,"incremental":[{"data":{"x":"Cnry"}}]}"#,
        ),
        (
            "parts",
            "multipart/mixed; boundary=-",
            "---\r\ncontent-type: application/json\r\n\r\n{\"data\":{\"users\":[{\"x\":\"Cnry\"}]},\"hasNext\":true}\r\n-----\r\n",
        ),
        ("events", "text/event-stream", "event: next\ndata: {\"data\":{\"users\":[{\"x\":\"Cnry\"}]}}\n\n"),
        ("lines", "application/x-ndjson", "{\"data\":{\"users\":[{\"x\":\"Cnry\"}]}}\n"),
        ("a list", JSON, r#"[{"data":{"users":[{"x":"Cnry"}]}}]"#),
        ("no JSON", JSON, "x=Cnry"),
        ("a page", "text/html", "<p>Cnry"),
    ] {
        world.upstream.script(move |_| Answer::new(200, &[("content-type", kind)], body));
        for version in [Version::H1, Version::H2] {
            let reply = world.send(version, "marketing", query("{ users { x: full_name } }")).await;
            assert_eq!(reply.status, 502, "{name}: {}", reply.text());
            assert!(!reply.text().contains("Cnry"), "{name}");
        }
    }
    stop(world.gateway).await;
}

#[tokio::test]
async fn what_cannot_be_judged_is_not_sent_on() {
    let world = World::start();
    let aliases = |count: usize| {
        let all: Vec<String> = (0..count).map(|place| format!("a{place}: me {{ id }}")).collect();
        query(&format!("{{ {} }}", all.join(" ")))
    };
    let batch = |count: usize| post(&Value::Array(vec![json!({ "query": "{ me { id } }" }); count]));
    let parts = "--x\r\nContent-Disposition: form-data; name=\"operations\"\r\n\r\n{}\r\n--x--\r\n";
    let rows: Vec<(&str, &str, Ask, u16)> = vec![
        ("a filter", "marketing", query("{ users(filter: {birth_year_gte: 2013}) { id } }"), 403),
        ("an order", "marketing", query("{ users(orderBy: BIRTH_YEAR_DESC) { id } }"), 403),
        (
            "variables",
            "marketing",
            post(
                &json!({ "query": "query($w: W) { users(w: $w) { id } }", "variables": { "w": { "birthYear": 1 } } }),
            ),
            403,
        ),
        (
            "variables of a URL",
            "marketing",
            get(&[
                ("query", "query($w: W) { users(w: $w) { id } }"),
                ("variables", r#"{"w":{"birthYear":1}}"#),
            ]),
            403,
        ),
        (
            "a parameter beside it",
            "marketing",
            get(&[("query", "{ me { id } }"), ("birth_year", "2013")]),
            403,
        ),
        ("who sees it", "administrator", query("{ users(filter: {birth_year_gte: 2013}) { id } }"), 200),
        ("a change", "marketing", query("mutation { updateUser(email: \"x\") { id } }"), 403),
        (
            "a mask",
            "learner",
            post(
                &json!({ "query": "mutation($u: U) { updateUser(user: $u) { id } }", "variables": { "u": { "full_name": "***" } } }),
            ),
            409,
        ),
        ("a change of one's own", "learner", query("mutation { updateUser(email: \"x\") { id } }"), 200),
        ("no document", "administrator", Ask::get("/graphql"), 400),
        ("a broken one", "administrator", query("{ me { id }"), 400),
        (
            "a stored one",
            "administrator",
            post(&json!({ "extensions": { "persistedQuery": { "version": 1, "sha256Hash": "00" } } })),
            400,
        ),
        (
            "one stored elsewhere",
            "administrator",
            post(&json!({ "query": "{ me { id } }", "documentId": "x" })),
            400,
        ),
        ("two", "administrator", get(&[("query", "{ me { id } }"), ("query", "{ me { email } }")]), 400),
        (
            "one here and one there",
            "administrator",
            Ask::post_json("/graphql?query=%7Bme%7Bemail%7D%7D", &json!({ "query": "{ me { id } }" })),
            400,
        ),
        ("a subscription", "administrator", query("subscription { users { id } }"), 400),
        ("an answer in parts", "administrator", query("{ users { ... @defer { id } } }"), 400),
        ("a fragment that is nowhere", "administrator", query("{ users { ...A } }"), 400),
        ("a form", "administrator", Ask::post_form("/graphql", "query=%7Bme%7Bid%7D%7D"), 400),
        (
            "uploads",
            "administrator",
            Ask::new(Method::POST, "/graphql")
                .header("content-type", "multipart/form-data; boundary=x")
                .body(parts),
            400,
        ),
        ("a coding", "administrator", query("{ me { id } }").header("content-encoding", "gzip"), 400),
        ("many guesses", "administrator", aliases(51), 400),
        ("as many as may be", "administrator", aliases(50), 200),
        ("a large batch", "administrator", batch(21), 400),
        ("one that may be", "administrator", batch(20), 200),
        (
            "one guess",
            "anonymous",
            Ask::post_json(
                "/doors",
                &json!({ "query": "mutation($user: S, $password: S) { login(u: $user, p: $password) { id } }", "variables": { "user": "anna", "password": "x" } }),
            ),
            200,
        ),
        (
            "two guesses at once",
            "anonymous",
            Ask::post_json(
                "/doors",
                &json!({ "query": "mutation($user: S, $password: S) { a: login(u: $user, p: $password) { id } b: login(u: $user, p: \"y\") { id } }", "variables": { "user": "anna", "password": "x" } }),
            ),
            400,
        ),
        ("large", "administrator", query(&format!("{{ me {{ id }} }} # {}", "x".repeat(1 << 20))), 413),
    ];
    for (name, role, ask, status) in rows {
        for version in [Version::H1, Version::H2] {
            let reply = world.send(version, role, ask.clone()).await;
            assert_eq!(reply.status.as_u16(), status, "{name} {version:?}: {}", reply.text());
            assert_eq!(world.upstream.count(), usize::from(status == 200), "{name}: what the platform saw");
            if status != 200 {
                assert_eq!(reply.header("content-type"), ["application/problem+json"], "{name}");
            }
        }
    }
    // What a browser asks first holds no document.
    let reply = world.send(Version::H1, "anonymous", Ask::new(Method::OPTIONS, "/graphql")).await;
    assert_eq!(reply.status, 200);
    stop(world.gateway).await;
}
