//! The files of `policies/examples`: they stand beside the shipped policies, and do what they promise.

use std::{collections::BTreeSet, fs, path::Path};

use http::StatusCode;
use rempart::policy::{
    compile::{self, Options},
    source::Sources,
};
use serde_json::{Value, json};

use crate::support::{
    client::{Ask, Client, Reply},
    folder::PolicyFolder,
    gateway::Gateway,
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Upstream},
};

fn policies() -> &'static Path {
    Path::new(concat!(env!("CARGO_MANIFEST_DIR"), "/policies"))
}

/// YAML files of a folder, by name.
fn files(folder: &str) -> Vec<(String, String)> {
    let entries = fs::read_dir(policies().join(folder)).unwrap().flatten();
    let yaml =
        entries.map(|entry| entry.path()).filter(|path| path.extension().is_some_and(|end| end == "yaml"));
    let named = |path: &Path| path.file_name().unwrap().to_str().unwrap().to_owned();
    yaml.map(|path| (named(&path), fs::read_to_string(&path).unwrap())).collect()
}

#[test]
fn they_are_sound_beside_the_shipped_policies() {
    let read = |name: &str| (name.to_owned(), fs::read_to_string(policies().join(name)).unwrap());
    let examples = files("examples");
    let names: BTreeSet<_> = examples.iter().map(|(name, _)| &**name).collect();
    // Each has a test of its own, here or with its kind.
    assert_eq!(names, BTreeSet::from(["assets.yaml", "graphql.yaml", "pages.yaml", "sockets.yaml"]));
    let routes =
        files("routes").into_iter().chain(examples).map(|(name, text)| (format!("routes/{name}"), text));
    let sources = [read("charter.yaml"), read("gateway.yaml")].into_iter().chain(routes);
    let options = Options { absent_files_pass: true, now: None };
    let (policy, report) = compile::inspect(&Sources::from_memory(sources), &options);
    assert!(policy.is_some(), "{report}");
}

struct Site {
    gateway: Gateway,
    tokens: Tokens,
    client: Client,
    _upstream: Upstream,
}

impl Site {
    /// The platform always answers this.
    fn start(example: &str, answer: Answer) -> Self {
        let upstream = Upstream::start(move |_| answer.clone());
        let tokens = Tokens::new();
        let gateway = Gateway::start(PolicyFolder::new(upstream.address, &tokens).example(example));
        let client = Client::new(&gateway);
        Self { gateway, tokens, client, _upstream: upstream }
    }

    /// What `u1`, of the class 6A, gets in a role.
    async fn get(&self, role: &str, ask: Ask) -> Reply {
        let ask = match role {
            "anonymous" => ask,
            role => ask.bearer(&self.tokens.of("u1", role, &["6A"], &[])),
        };
        self.client.send(&ask).await
    }
}

/// A class list, a search box above it.
fn page(rows: &str) -> String {
    format!(
        "<!DOCTYPE html><title>Classes</title><form><input type=hidden name=csrfmiddlewaretoken value=k3y>\
         <input name=recherche value=An></form><table><tr><th>Identifiant</th><th>Classe</th><th>Nom</th>\
         <th>Date de naissance</th><th>Moyenne du trimestre</th></tr>{rows}</table>"
    )
}

fn row(cells: [&str; 5]) -> String {
    let cells: String = cells.iter().map(|cell| format!("<td>{cell}</td>")).collect();
    format!("<tr>{cells}</tr>")
}

#[tokio::test]
async fn pages_are_read_by_their_columns() {
    let people = [
        ["u1", "6A", "Anna", "2012-03-14", "15"],
        ["u2", "6A", "Bruno", "2011-01-02", "12"],
        ["u3", "5B", "Chloé", "2010-09-30", "9"],
    ];
    let [anna, bruno, chloe] = people.map(row);
    let sent = page(&[&*anna, &*bruno, &*chloe].concat());
    let html = [("Content-Type", "text/html; charset=utf-8")];
    let site = Site::start("pages", Answer::new(200, &html, &sent));
    let hidden = |id, class, year| row([id, class, "***", year, ""]);
    let others = [hidden("u2", "6A", "2011"), hidden("u3", "5B", "2010")].concat();
    for (role, expected) in [
        ("administrator", sent.clone()),
        ("learner", page(&[anna.clone(), others.clone()].concat())),
        (
            "teacher",
            page(
                &[
                    row(["u1", "6A", "Anna", "2012-03-14", "15"]),
                    row(["u2", "6A", "Bruno", "2011", "12"]),
                    hidden("u3", "5B", "2010"),
                ]
                .concat(),
            ),
        ),
        ("marketing", page(&[hidden("u1", "6A", "2012"), others].concat())),
    ] {
        let reply = site.get(role, Ask::get("/classes/6A")).await;
        assert_eq!((reply.status, reply.text()), (StatusCode::OK, expected), "{role}");
    }
    assert_eq!(site.get("anonymous", Ask::get("/classes")).await.status, StatusCode::UNAUTHORIZED);
    stop(site.gateway).await;
}

#[tokio::test]
async fn what_is_the_same_for_everybody_is_not_lost() {
    let texts = json!({ "email": "Adresse e-mail", "form": { "full_name": "Nom complet", "errors": { "score": "Trop haut" } } });
    let manifest = json!({ "short_name": "École", "name": "Mon école", "email": "a@x.fr", "shortcuts": [{ "short_name": "Cours" }] });
    let ajax = json!([{ "error": false, "data": { "courses": [{ "id": 2, "fullname": "Mathématiques 6e", "shortname": "MATH6" }],
        "users": [{ "id": 7, "fullname": "Anna Roux" }] } }]);
    let blocks = json!({ "root": "b1", "blocks": { "b1": { "display_name": "Semaine 1", "author": { "display_name": "Anna Roux" } } } });
    for (path, sent, hidden) in [
        ("/static/app/fr.json", &texts, &[][..]),
        ("/locales/fr.json", &texts, &[]),
        ("/openapi.json", &texts, &[]),
        ("/manifest.json", &manifest, &["a@x.fr"]),
        ("/lib/ajax/service.php", &ajax, &["Anna Roux"]),
        ("/api/courses/v1/blocks/", &blocks, &["Anna Roux"]),
    ] {
        let site = Site::start("assets", Answer::json(sent));
        let reply = site.get("anonymous", Ask::get(path)).await;
        assert_eq!(reply.status, StatusCode::OK, "{path}");
        if hidden.is_empty() {
            assert_eq!(reply.json(), *sent, "{path}");
        }
        let text = reply.text();
        for gone in hidden {
            assert!(!text.contains(gone), "{path}: {text}");
        }
        for kept in ["École", "Cours", "Mathématiques 6e", "MATH6", "Semaine 1"] {
            assert_eq!(text.contains(kept), sent.to_string().contains(kept), "{path}: {text}");
        }
        stop(site.gateway).await;
    }
}

#[tokio::test]
async fn graphql_is_read_by_its_fields() {
    let people = |rows: [Value; 2]| json!({ "data": { "learners": rows } });
    let person = |id: &str, title: &str, extra: Value, class: &str| json!({ "id": id, "title": title, "note": extra, "in": [{ "id": class, "title": "Sixième" }] });
    let sent = people([person("u1", "Anna", json!(15), "6A"), person("u3", "Chloé", json!(9), "5B")]);
    let site = Site::start("graphql", Answer::json(&sent));
    let query = "{ learners { id title: name note: average in: classrooms { id title: name } } }";
    let without = |id: &str, class: &str| json!({ "id": id, "title": "***", "in": [{ "id": class, "title": "Sixième" }] });
    for (role, expected) in [
        ("administrator", sent.clone()),
        ("teacher", people([person("u1", "Anna", json!(15), "6A"), without("u3", "5B")])),
        ("learner", people([person("u1", "Anna", json!(15), "6A"), without("u3", "5B")])),
        ("marketing", people([without("u1", "6A"), without("u3", "5B")])),
    ] {
        let reply = site.get(role, Ask::post_json("/graphql", &json!({ "query": query }))).await;
        assert_eq!((reply.status, reply.json()), (StatusCode::OK, expected), "{role}");
    }
    let reply = site.get("anonymous", Ask::post_json("/graphql", &json!({ "query": query }))).await;
    assert_eq!(reply.status, StatusCode::UNAUTHORIZED);
    stop(site.gateway).await;
}
