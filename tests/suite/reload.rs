//! Policies change and the process ends while clients are busy: nothing is lost, nothing is mixed.

use std::{
    collections::HashSet,
    sync::{
        Arc, Mutex,
        atomic::{AtomicUsize, Ordering},
    },
    time::Duration,
};

use crate::support::{
    client::{Ask, Client, Connection, Version},
    folder::{CHARTER, PolicyFolder},
    gateway::{Gateway, Signal},
    school::{ROUTES, stop},
    tokens::Tokens,
    upstream::{Answer, Recorded, Upstream},
};
use serde_json::{Value, json};

/// Exchanges under reloads.
const EXCHANGES: usize = 10_000;
/// Time between two reloads.
const PACE: Duration = Duration::from_millis(100);

/// Echoes the identifier in the path; both names are one category, so that one view treats them alike.
fn echo(request: &Recorded) -> Answer {
    let target = request.target();
    let id = target.rsplit('/').next().unwrap();
    let document = json!({
        "id": id, "full_name": format!("secret {id}"), "classrooms": ["6A"], "ine": "secret",
        "given_name": format!("secret {id}"),
    });
    match id.len() % 2 {
        0 => Answer::json(&document),
        _ => Answer::gzip(&document),
    }
}

/// What the name becomes in a response, after everything else was found right.
#[track_caller]
fn check(id: usize, got: &Value) -> Value {
    assert_eq!(got["id"], id.to_string(), "the answer of another exchange");
    assert!(got.get("ine").is_none() && !got.to_string().contains("secret"), "{got}");
    assert_eq!(got["full_name"], got["given_name"], "one exchange, two policies");
    assert!(got["full_name"] == "***" || got["full_name"] == "hidden", "{got}");
    got["full_name"].clone()
}

#[derive(Default)]
struct Load {
    next: AtomicUsize,
    /// Clients stop here.
    limit: AtomicUsize,
    answered: AtomicUsize,
    /// Exchanges that had no response head.
    unanswered: Mutex<Vec<usize>>,
    /// What names became.
    seen: Mutex<HashSet<String>>,
}

impl Load {
    /// One client: asks on until the limit, or until nobody listens any more.
    async fn run(self: Arc<Self>, client: Client, version: Version, mut connection: Connection) {
        loop {
            let id = self.next.fetch_add(1, Ordering::Relaxed);
            if id >= self.limit.load(Ordering::Relaxed) {
                return;
            }
            match connection.try_send(&Ask::get(&format!("/api/echo/{id}"))).await {
                Ok(reply) => {
                    assert_eq!(reply.status, 200, "{}", reply.text());
                    let name = check(id, &reply.json());
                    self.seen.lock().unwrap().insert(name.to_string());
                    self.answered.fetch_add(1, Ordering::Relaxed);
                }
                Err(_) => {
                    self.unanswered.lock().unwrap().push(id);
                    match client.try_connect(version).await {
                        Ok(another) => connection = another,
                        Err(_) => return,
                    }
                }
            }
        }
    }

    /// Eight clients of each version, those of HTTP/2 on two connections.
    async fn start(self: &Arc<Self>, client: &Client) -> Vec<tokio::task::JoinHandle<()>> {
        let mut tasks = Vec::new();
        for _ in 0..8 {
            let connection = client.connect(Version::H1).await;
            tasks.push(tokio::spawn(Arc::clone(self).run(client.clone(), Version::H1, connection)));
        }
        for _ in 0..2 {
            let connection = client.connect(Version::H2).await;
            for _ in 0..4 {
                let share = connection.share();
                tasks.push(tokio::spawn(Arc::clone(self).run(client.clone(), Version::H2, share)));
            }
        }
        tasks
    }
}

fn folder(upstream: &Upstream) -> PolicyFolder {
    let routes = ROUTES.replace("unknown: deny", "unknown: pass");
    PolicyFolder::new(upstream.address, &Tokens::new())
        .gateway("timeouts: { drain: 10 s }")
        .routes("school", &routes)
}

fn other_charter() -> String {
    let other = CHARTER.replace("otherwise: mask", "otherwise: { replace: hidden }");
    assert_ne!(other, CHARTER);
    other
}

#[tokio::test]
async fn ten_thousand_exchanges_with_reloads_and_an_end_in_the_middle() {
    let upstream = Upstream::start(echo);
    let gateway = Gateway::start(folder(&upstream));
    let client = Client::new(&gateway);
    let load = Arc::new(Load::default());
    load.limit.store(usize::MAX, Ordering::Relaxed);
    let tasks = load.start(&client).await;

    // A change every 100 ms until enough was answered; every fifth is a mistake.
    let routes = gateway.folder.read("routes/school.yaml");
    let mut pace = tokio::time::interval(PACE);
    let mut turn = 0;
    while load.answered.load(Ordering::Relaxed) < EXCHANGES || turn < 20 {
        pace.tick().await;
        turn += 1;
        match turn % 5 {
            0 => gateway.folder.write("charter.yaml", "charter: { title: [broken"),
            1 | 3 => gateway.folder.write("charter.yaml", &other_charter()),
            2 => gateway.folder.write("charter.yaml", CHARTER),
            _ => gateway.folder.write("routes/school.yaml", &format!("# {turn}\n{routes}")),
        }
        // The watcher waits for a quiet moment, which does not come; a signal is obeyed at once.
        gateway.signal(Signal::Hup);
        assert!(!tasks.iter().any(tokio::task::JoinHandle::is_finished), "a client gave up");
    }
    assert!(load.unanswered.lock().unwrap().is_empty(), "no reload costs an exchange");

    // The end comes while all of them are busy.
    gateway.signal(Signal::Term);
    for task in tasks {
        task.await.unwrap();
    }
    let stopped = tokio::task::spawn_blocking(move || gateway.wait()).await.unwrap();
    assert!(stopped.status.success(), "exit {}:\n{}", stopped.status, stopped.events.text());
    assert!(stopped.took < Duration::from_secs(9), "idle connections held the end up: {:?}", stopped.took);

    // Whoever got no answer may ask again elsewhere: the platform has not seen it.
    let reached: HashSet<String> = upstream.requests().iter().map(Recorded::target).collect();
    for id in load.unanswered.lock().unwrap().iter() {
        assert!(!reached.contains(&format!("/api/echo/{id}")), "exchange {id} was lost");
    }
    let answered = load.answered.load(Ordering::Relaxed);
    assert!(answered >= EXCHANGES);
    assert_eq!(upstream.count(), answered, "one request for each exchange");
    let records = stopped.journal.json();
    assert_eq!(records.len(), answered, "one record for each exchange");
    let ids: HashSet<&str> = records.iter().map(|record| record["request_id"].as_str().unwrap()).collect();
    assert_eq!(ids.len(), answered);
    assert!(records.iter().all(|record| record["status"] == 200 && record["termination"] == "complete"));
    assert_eq!(load.seen.lock().unwrap().len(), 2, "both policies served");
    let policies: HashSet<&str> = records.iter().map(|record| record["policy"].as_str().unwrap()).collect();
    assert!(policies.len() >= 3, "{policies:?}");
    let events = stopped.events.json();
    let count = |name: &str| events.iter().filter(|event| event["event"] == name).count();
    let (loaded, refused) = (count("policy_loaded"), count("policy_refused"));
    println!("{answered} exchanges, {turn} changes, {loaded} policies loaded, {refused} refused");
    assert!(refused >= 2 && loaded + refused > turn / 2, "{loaded} + {refused} reloads of {turn}");
}

#[tokio::test]
async fn a_mistake_leaves_the_last_good_policy_serving() {
    let upstream = Upstream::start(echo);
    let gateway = Gateway::start(folder(&upstream));
    let client = Client::new(&gateway);
    let mut connection = client.connect(Version::H2).await;
    let mut name =
        async |id: usize| check(id, &connection.send(&Ask::get(&format!("/api/echo/{id}"))).await.json());
    const GAUGE: &str = "rempart_policy_last_reload_successful";
    assert_eq!(gateway.metric(GAUGE, &[]), 1.0);
    for broken in ["", "charter: {}", "charter: [", "\u{0}", &CHARTER.replace("anonymous:", "nobody:")] {
        gateway.folder.write("charter.yaml", broken);
        crate::support::wait_for("a refused reload", || (gateway.metric(GAUGE, &[]) == 0.0).then_some(()));
        assert_eq!(name(1).await, "***", "{broken:?}");
        assert_eq!(gateway.admin_get("/readyz").0, 200, "the last good policy serves");
        gateway.folder.write("charter.yaml", &other_charter());
        crate::support::wait_for("a good reload", || (gateway.metric(GAUGE, &[]) == 1.0).then_some(()));
        assert_eq!(name(2).await, "hidden");
        gateway.folder.write("charter.yaml", CHARTER);
        let loaded = || gateway.reloads().last().is_some_and(|event| event["event"] == "policy_loaded");
        crate::support::wait_for("the first policy again", || {
            (loaded() && gateway.metric(GAUGE, &[]) == 1.0).then_some(())
        });
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        while name(3).await != "***" {
            assert!(std::time::Instant::now() < deadline, "the change was not taken up");
            tokio::task::yield_now().await;
        }
    }
    stop(gateway).await;
}

#[tokio::test]
async fn a_config_map_swap_is_a_change() {
    let upstream = Upstream::start(echo);
    let gateway = Gateway::start(folder(&upstream).like_config_map());
    let client = Client::new(&gateway);
    for (file, text, expected) in [
        ("charter.yaml", other_charter(), "hidden"),
        ("charter.yaml", CHARTER.to_owned(), "***"),
        ("charter.yaml", other_charter(), "hidden"),
    ] {
        gateway.folder.swap_config_map(file, &text);
        let deadline = std::time::Instant::now() + crate::support::PATIENCE;
        loop {
            let reply = client.send(&Ask::get("/api/echo/7")).await;
            if check(7, &reply.json()) == expected {
                break;
            }
            assert!(std::time::Instant::now() < deadline, "the swap was not noticed");
        }
    }
    // A swap to a folder that lacks a file is a mistake like another.
    gateway.folder.swap_config_map("routes/school.yaml", "routes: [");
    gateway.events.wait("a refusal", |event| event["event"] == "policy_refused");
    assert_eq!(client.send(&Ask::get("/api/echo/8")).await.status, 200);
    stop(gateway).await;
}
