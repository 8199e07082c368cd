//! Whom a caller is related to, from outside: relation sources, and callers of several roles.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::Duration,
};

use rempart::demo::tokens::{AUDIENCE, ISSUER};
use serde_json::{Value, json};

use crate::support::{
    client::{Ask, Client, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    pause,
    school::{ROUTES, check_view, record, records, stop},
    tokens::{Tokens, seconds_from_now},
    upstream::{Answer, Recorded, Upstream},
    wait_for,
};

/// The platform's session endpoint knows no classes; another call of it does.
const PROVIDER: &str = r#"  - name: session
    forward_auth: { upstream: school, path: /who, cookies: [session], cache: 60 s }
    claims: { subject: $.id, role: $.role }
    relations: [classes, children]
    roles: { learner: learner, teacher: teacher, guardian: guardian, administrator: administrator }"#;

const LIST: &str = "/api/learners";

#[derive(Default)]
struct Platform {
    down: AtomicBool,
    who: AtomicUsize,
    classes: AtomicUsize,
    children: AtomicUsize,
}

impl Platform {
    fn answer(&self, request: &Recorded) -> Answer {
        let target = request.target();
        if target == "/who" {
            self.who.fetch_add(1, Ordering::SeqCst);
            let cookie = request.header("cookie").unwrap_or_default();
            let account = rempart::demo::accounts::ACCOUNTS
                .iter()
                .find(|account| cookie == format!("session=s-{}", account.role));
            return match account {
                Some(account) => Answer::json(&json!({ "id": account.id, "role": account.role }))
                    .after(Duration::from_millis(300)),
                None => Answer::new(403, &[], ""),
            };
        }
        if !target.starts_with("/lists/") {
            return Answer::json(&records());
        }
        let (counter, list) = match target.starts_with("/lists/classes") {
            true => (&self.classes, json!({ "results": [{ "id": "6A" }], "next": null })),
            false => (&self.children, json!({ "children": ["L1"] })),
        };
        counter.fetch_add(1, Ordering::SeqCst);
        assert_eq!(request.header("authorization").as_deref(), Some("Bearer service-token"));
        assert_eq!(request.header("cookie"), None);
        if self.down.load(Ordering::SeqCst) {
            return Answer::new(500, &[], "");
        }
        Answer::json(&list).after(Duration::from_millis(300))
    }

    fn counts(&self) -> [usize; 3] {
        [&self.who, &self.classes, &self.children].map(|counter| counter.load(Ordering::SeqCst))
    }
}

struct School {
    platform: Arc<Platform>,
    _upstream: Upstream,
    gateway: Gateway,
    client: Client,
}

impl School {
    fn start(bounds: &str, routes: &str) -> Self {
        let platform = Arc::new(Platform::default());
        let playing = Arc::clone(&platform);
        let upstream = Upstream::start(move |request| playing.answer(request));
        let folder = PolicyFolder::new(upstream.address, &Tokens::new());
        folder.write("service-token", "service-token\n");
        let sources = format!(
            "relations:
  - name: classes
    upstream: school
    path: \"/lists/classes?teacher={{subject}}\"
    groups: \"$.results[*].id\"
    next: $.next
    bearer_file: service-token
    {bounds}
  - name: children
    upstream: school
    path: \"/lists/{{subject}}/children\"
    wards: \"$.children[*]\"
    bearer_file: service-token
    {bounds}"
        );
        let gateway = Gateway::start(folder.gateway(PROVIDER).gateway(&sources).routes("school", routes));
        let client = Client::new(&gateway);
        Self { platform, _upstream: upstream, gateway, client }
    }
}

fn ask(role: &str) -> Ask {
    Ask::get(LIST).header("cookie", format!("session=s-{role}"))
}

#[tokio::test]
async fn a_page_of_forty_calls_asks_once_who_and_once_of_whom() {
    let school = School::start("cache: 60 s", ROUTES);
    for (role, expected) in [("teacher", [1, 1, 0]), ("guardian", [1, 0, 1]), ("learner", [1, 0, 0])] {
        let before = school.platform.counts();
        let mut waiting = Vec::new();
        // Several connections, so that both workers have some of them.
        for _ in 0..4 {
            let connection = school.client.connect(Version::H2).await;
            for _ in 0..10 {
                let mut connection = connection.share();
                waiting.push(tokio::spawn(async move { connection.send(&ask(role)).await }));
            }
        }
        for one in waiting {
            let reply = one.await.unwrap();
            assert_eq!(reply.status, 200);
            check_view(role, &reply.json(), role);
        }
        let after = school.platform.counts();
        let asked: Vec<_> = after.iter().zip(before).map(|(after, before)| after - before).collect();
        assert_eq!(asked, expected, "{role}");
    }
    let looked = |outcome| {
        school
            .gateway
            .metric("rempart_relation_lookups_total", &[("source", "classes"), ("outcome", outcome)])
    };
    assert_eq!((looked("asked"), looked("kept")), (1.0, 39.0));
    let journal = school.gateway.wait_journal(120);
    let relations = |record: &Value| record["relations"].as_str().map(str::to_owned);
    assert_eq!(journal.iter().filter(|record| relations(record).is_some()).count(), 80);
    stop(school.gateway).await;
}

#[tokio::test]
async fn without_its_source_a_relation_ends_with_its_age() {
    let strict =
        ROUTES.replacen("    purpose: account\n", "    purpose: account\n    require_relations: true\n", 1);
    for (routes, status) in [(ROUTES, 200), (&*strict, 503)] {
        let school = School::start("cache: 1 s\n    max_age: 3 s", routes);
        let mut connection = school.client.connect(Version::H1).await;
        check_view("teacher", &connection.send(&ask("teacher")).await.json(), "up");
        school.platform.down.store(true, Ordering::SeqCst);
        pause(Duration::from_millis(1200));
        // Past its time, not past its age: it counts, and is asked again behind the exchange.
        check_view("teacher", &connection.send(&ask("teacher")).await.json(), "old");
        wait_for("a renewal", || (school.platform.counts()[1] > 1).then_some(()));
        pause(Duration::from_millis(2500));
        let reply = connection.send(&ask("teacher")).await;
        assert_eq!(reply.status, status);
        if status == 200 {
            check_view("marketing", &reply.json(), "down");
        }
        // Learners have no relation that would have to be asked for.
        check_view("learner", &connection.send(&ask("learner")).await.json(), "down");
        school.platform.down.store(false, Ordering::SeqCst);
        pause(Duration::from_millis(1200));
        check_view("teacher", &connection.send(&ask("teacher")).await.json(), "up again");
        let journal = school.gateway.wait_journal(5);
        let told: Vec<_> = journal.iter().map(|record| record["relations"].as_str()).collect();
        assert_eq!(told, [Some("asked"), Some("old"), Some("unavailable"), None, Some("asked")]);
        if status == 503 {
            assert_eq!(journal[2]["reason"], "relations_unavailable");
        }
        stop(school.gateway).await;
    }
}

#[tokio::test]
async fn several_roles_see_each_in_its_own_relation() {
    let upstream = Upstream::start(|_| {
        Answer::json(&json!([record("L1", "6A"), record("L2", "6A"), record("L3", "5B"), record("L4", "5B")]))
    });
    let tokens = Tokens::new();
    let folder = PolicyFolder::new(upstream.address, &tokens).routes("school", ROUTES);
    folder.replace("charter.yaml", "ward: [account, name, birth, result]", "ward: [result]");
    folder.replace("charter.yaml", "group: [account, name, result]", "group: [name]");
    let roles = "roles: { learner: learner, teacher: teacher, guardian: guardian, marketing: marketing, administrator: administrator }";
    folder.replace("gateway.yaml", roles, "vocabulary: [sdet, educonnect]");
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    for (held, names, results) in [
        (&["National_ENS", "National_TUT", "National_XYZ"][..], &["L1", "L2"][..], &["L2", "L3"][..]),
        (&["National_ENS", "resp2d"], &["L1", "L2"], &["L2", "L3"]),
        (&["National_ENS"], &["L1", "L2"], &[]),
        (&["National_TUT", "National_ACA"], &[], &["L2", "L3"]),
        // Known to the vocabulary and nothing to the charter; known to nobody.
        (&["National_ACA"], &[], &[]),
        (&["national_ens", "National_ENS ", "administrator"], &[], &[]),
    ] {
        let token = tokens.claims(&json!({
            "iss": ISSUER, "aud": AUDIENCE, "exp": seconds_from_now(600),
            "sub": "T9", "role": held, "groups": ["6A"], "wards": ["L2", "L3"],
        }));
        let document = client.send(&Ask::get(LIST).bearer(&token)).await.json();
        for one in document.as_array().unwrap() {
            let id = one["id"].as_str().unwrap();
            assert_eq!(one["full_name"] != "***", names.contains(&id), "{held:?}: name of {id}");
            assert_eq!(one.get("results").is_some(), results.contains(&id), "{held:?}: result of {id}");
        }
    }
    stop(gateway).await;
}
