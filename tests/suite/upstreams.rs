//! Endpoints that die, move, fail and return, and more work than an upstream bears.

use std::{
    collections::HashSet,
    net::{Ipv4Addr, SocketAddr},
    sync::{
        Arc,
        atomic::{AtomicBool, AtomicUsize, Ordering},
    },
    time::{Duration, Instant},
};

use http::Method;

use crate::support::{
    PATIENCE,
    client::{Ask, Client, Reply, Version},
    dns::{Dns, Says},
    folder::{PLAIN_ROUTE, PolicyFolder},
    gateway::Gateway,
    pause,
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Recorded, Step, Upstream},
    wait_for,
};

fn ok(_: &Recorded) -> Answer {
    Answer::new(200, &[("Content-Type", "text/css")], "ok")
}

/// A gateway whose upstream `school` is written like this, and two lines more.
fn start(school: &str, lines: &str) -> (Gateway, Client) {
    let nowhere = Upstream::nowhere();
    let folder = PolicyFolder::new(nowhere, &Tokens::new()).routes("plain", PLAIN_ROUTE);
    let folder = if lines.is_empty() { folder } else { folder.gateway(lines) };
    folder.replace("gateway.yaml", &format!("school: {{ endpoints: \"http://{nowhere}\" }}"), school);
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    (gateway, client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn an_endpoint_that_dies_under_load_loses_no_safe_request() {
    let (dying, other) = (Upstream::start(ok), Upstream::start(ok));
    let school =
        format!("school: {{ endpoints: [\"http://{}\", \"http://{}\"] }}", dying.address, other.address);
    let (gateway, client) = start(&school, "");
    let over = Arc::new(AtomicBool::new(false));
    let answered = Arc::new(AtomicUsize::new(0));
    let load: Vec<_> = (0..8)
        .map(|_| {
            let (client, over, answered) = (client.clone(), Arc::clone(&over), Arc::clone(&answered));
            tokio::spawn(async move {
                let mut connection = client.connect(Version::H1).await;
                let mut wrong = Vec::new();
                while !over.load(Ordering::SeqCst) {
                    let reply = connection.send(&Ask::get("/a")).await;
                    if reply.status != 200 || !reply.complete {
                        wrong.push(reply.status);
                    }
                    answered.fetch_add(1, Ordering::SeqCst);
                }
                wrong
            })
        })
        .collect();
    let more = async |count: usize| {
        let from = answered.load(Ordering::SeqCst);
        let begun = Instant::now();
        while answered.load(Ordering::SeqCst) < from + count {
            assert!(begun.elapsed() < PATIENCE);
            tokio::time::sleep(Duration::from_millis(5)).await;
        }
    };
    more(400).await;
    assert!(dying.count() > 50 && other.count() > 50, "{} {}", dying.count(), other.count());
    // What is under way is cut, and nobody listens any more.
    dying.script(|_| Answer(vec![Step::Reset]));
    drop(dying);
    more(400).await;
    over.store(true, Ordering::SeqCst);
    for task in load {
        assert_eq!(task.await.unwrap(), Vec::<http::StatusCode>::new());
    }
    assert!(gateway.metric("rempart_upstream_retries_total", &[("upstream", "school")]) > 0.0);
    assert_eq!(gateway.metric("rempart_upstream_retries_refused_total", &[]), 0.0);
    stop(gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_name_is_followed_where_it_goes() {
    let first = Upstream::start(ok);
    let port = first.address.port();
    let second = Upstream::start_at(SocketAddr::from(([127, 0, 0, 2], port)), ok);
    let dns = Dns::start(Says::Failure);
    let begun = Instant::now();
    let resolver = format!("resolver: {{ servers: \"{}\" }}", dns.address);
    let (gateway, client) =
        start(&format!("school: {{ endpoints: \"http://school.test:{port}\" }}"), &resolver);
    assert!(begun.elapsed() < PATIENCE / 2, "the start waited for names");
    let mut connection = client.connect(Version::H1).await;
    assert_eq!(connection.send(&Ask::get("/a")).await.status, 502);

    let to = |host| Says::Addresses(vec![Ipv4Addr::new(127, 0, 0, host)]);
    dns.say(to(1));
    let mut answered = async |expected: &Upstream, path: &str| {
        let begun = Instant::now();
        loop {
            let before = expected.count();
            let reply = connection.send(&Ask::get(path)).await;
            if reply.status == 200 && expected.count() > before {
                return;
            }
            assert!(begun.elapsed() < PATIENCE, "{}", reply.text());
            tokio::time::sleep(Duration::from_millis(20)).await;
        }
    };
    answered(&first, "/a").await;
    // One exchange is under way while the name moves, and ends undisturbed.
    let release = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&release);
    first.script(move |request| {
        if request.target() != "/slow" {
            return ok(request);
        }
        let held = Arc::clone(&held);
        let wait = move || {
            while !held.load(Ordering::SeqCst) {
                pause(Duration::from_millis(5));
            }
        };
        let head = b"HTTP/1.1 200 OK\r\nContent-Type: text/css\r\nContent-Length: 4\r\n\r\nsl".to_vec();
        Answer(vec![Step::Bytes(head), Step::Wait(Arc::new(wait)), Step::Bytes(b"ow".to_vec())])
    });
    let mut slow = client.connect(Version::H1).await;
    let under_way = slow.open(&Ask::get("/slow")).await.unwrap();
    dns.say(to(2));
    answered(&second, "/b").await;
    release.store(true, Ordering::SeqCst);
    let reply = Reply::read(under_way).await;
    assert_eq!((reply.text().as_str(), reply.complete), ("slow", true));
    wait_for("connections to the old address to end", || {
        (gateway.metric("rempart_upstream_connections_idle", &[]) <= 1.0).then_some(())
    });
    let (of_first, label) = (first.count(), format!("http://school.test:{port}"));
    // A server that says nothing, or that the name is gone, takes nothing away.
    for says in [Says::Failure, Says::NoSuchName] {
        let failed = || {
            gateway
                .metric("rempart_upstream_resolutions_total", &[("endpoint", &label), ("outcome", "failed")])
        };
        let before = failed();
        dns.say(says);
        wait_for("a failed resolution", || (failed() > before).then_some(()));
        answered(&second, "/c").await;
    }
    // Every address of the name is one more endpoint.
    dns.say(Says::Addresses(vec![Ipv4Addr::new(127, 0, 0, 2), Ipv4Addr::new(127, 0, 0, 1)]));
    first.script(ok);
    let usable =
        || gateway.metric("rempart_upstream_endpoints", &[("endpoint", &label), ("state", "usable")]);
    wait_for("two addresses", || (usable() == 2.0).then_some(()));
    assert_eq!(first.count(), of_first);
    answered(&first, "/d").await;
    answered(&second, "/d").await;
    stop(gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_fails_is_passed_over_and_comes_back() {
    let (bad, good) = (Upstream::start(ok), Upstream::start(ok));
    let endpoints = format!("[\"http://{}\", \"http://{}\"]", bad.address, good.address);
    // Exchanges say so.
    let outliers = "outliers: { failures: 3, statuses: [500], eject: 1 s }, retries: none";
    let (gateway, client) = start(&format!("school: {{ endpoints: {endpoints}, {outliers} }}"), "");
    let mut connection = client.connect(Version::H1).await;
    bad.script(|_| Answer::new(500, &[("Content-Type", "text/css")], "no"));
    let ejections = || gateway.metric("rempart_upstream_ejections_total", &[("cause", "failures")]);
    let begun = Instant::now();
    while ejections() < 1.0 {
        connection.send(&Ask::get("/a")).await;
        assert!(begun.elapsed() < PATIENCE);
    }
    let asked = bad.count();
    for _ in 0..20 {
        assert_eq!(connection.send(&Ask::get("/a")).await.status, 200);
    }
    assert_eq!(bad.count(), asked);
    gateway.events.wait("the event", |event| event["event"] == "endpoint_impaired");
    bad.script(ok);
    let restored = gateway.events.wait("the return", |event| event["event"] == "endpoint_restored");
    assert_eq!((&restored["usable"], &restored["upstream"]), (&1.into(), &"school".into()));
    let begun = Instant::now();
    while bad.count() == asked {
        connection.send(&Ask::get("/a")).await;
        assert!(begun.elapsed() < PATIENCE);
    }

    // Active checks say so, before any exchange does.
    let health = "health: { path: /healthz, interval: 250 ms, timeout: 1 s, healthy: 1, unhealthy: 2 }";
    gateway.folder.replace("gateway.yaml", outliers, health);
    gateway.reload();
    let well = Arc::new(AtomicBool::new(false));
    let says = Arc::clone(&well);
    bad.script(move |request| match request.target().as_str() {
        "/healthz" if !says.load(Ordering::SeqCst) => Answer::new(503, &[], ""),
        _ => ok(request),
    });
    let state = |state| {
        let endpoint = format!("http://{}", bad.address);
        gateway.metric("rempart_upstream_endpoints", &[("endpoint", &endpoint), ("state", state)])
    };
    wait_for("the bad one to be down", || (state("down") == 1.0).then_some(()));
    let pages = |upstream: &Upstream| {
        upstream.requests().iter().filter(|request| request.target() == "/page").count()
    };
    for _ in 0..20 {
        assert_eq!(connection.send(&Ask::get("/page")).await.status, 200);
    }
    assert_eq!((pages(&bad), pages(&good)), (0, 20));
    // If none is well, all are used: no answer is certain, and no exchange is refused for that.
    good.script(|request| match request.target().as_str() {
        "/healthz" => Answer::new(503, &[], ""),
        _ => ok(request),
    });
    let down = || gateway.metric("rempart_upstream_endpoints", &[("state", "down")]);
    wait_for("both to be down", || (down() == 2.0).then_some(()));
    assert_eq!(connection.send(&Ask::get("/page")).await.status, 200);
    well.store(true, Ordering::SeqCst);
    wait_for("the first to be up again", || (state("usable") == 1.0).then_some(()));
    assert!(gateway.metric("rempart_upstream_checks_total", &[("outcome", "status")]) > 0.0);
    stop(gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn more_work_than_an_upstream_bears_is_refused_in_time() {
    let release = Arc::new(AtomicBool::new(false));
    let held = Arc::clone(&release);
    let upstream = Upstream::start(move |request| {
        let held = Arc::clone(&held);
        let wait = move || {
            while !held.load(Ordering::SeqCst) {
                pause(Duration::from_millis(5));
            }
        };
        Answer([vec![Step::Wait(Arc::new(wait))], ok(request).0].concat())
    });
    let concurrency = "concurrency: { most: 1, queue: 1, wait: 300 ms }";
    let school = format!("school: {{ endpoints: \"http://{}\", {concurrency} }}", upstream.address);
    let (gateway, client) = start(&school, "");
    let critical = PLAIN_ROUTE.replace("name: plain", "name: critical").replace("/{*rest}", "/login");
    gateway.folder.write("routes/critical.yaml", &format!("{critical}    priority: critical\n"));
    gateway.reload();
    // All on one connection, thus with one worker: one place, and one that waits.
    let connection = client.connect(Version::H2).await;
    let ask = |path: &'static str| {
        let mut connection = connection.share();
        tokio::spawn(async move { connection.send(&Ask::get(path)).await })
    };
    let first = ask("/a");
    wait_for("the first request", || (upstream.count() == 1).then_some(()));
    let second = ask("/b");
    gateway.wait_metric("rempart_upstream_queued", &[("upstream", "school")], 1.0);
    let third = ask("/c").await.unwrap();
    assert_eq!((third.status.as_u16(), third.header("retry-after")), (503, vec!["1".to_owned()]));
    let record = gateway.journal.wait("its record", |record| record["status"] == 503);
    assert_eq!((&record["decision"], &record["reason"]), (&"upstream_failed".into(), &"full".into()));
    // Who signs in takes the place of somebody who waits.
    let login = ask("/login");
    assert_eq!(second.await.unwrap().status, 503);
    release.store(true, Ordering::SeqCst);
    assert_eq!((first.await.unwrap().status.as_u16(), login.await.unwrap().status.as_u16()), (200, 200));
    // Who waits too long is told so.
    release.store(false, Ordering::SeqCst);
    let first = ask("/a");
    wait_for("the request", || (upstream.count() == 3).then_some(()));
    let late = ask("/b").await.unwrap();
    assert_eq!((late.status.as_u16(), late.header("retry-after")), (503, vec!["1".to_owned()]));
    release.store(true, Ordering::SeqCst);
    assert_eq!(first.await.unwrap().status, 200);
    for (cause, count) in [("full", 2.0), ("late", 1.0)] {
        assert_eq!(gateway.metric("rempart_upstream_queue_refused_total", &[("cause", cause)]), count);
    }
    assert_eq!(gateway.metric("rempart_upstream_queued", &[]), 0.0);
    // One place for each of two workers.
    assert_eq!(gateway.metric("rempart_upstream_concurrency_limit", &[]), 2.0);
    assert_eq!(upstream.count(), 3, "what was refused never got there");
    stop(gateway).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_session_stays_with_its_endpoint() {
    let named =
        |name: &'static str| move |_: &Recorded| Answer::new(200, &[("Content-Type", "text/css")], name);
    let mut upstreams: Vec<_> = ["a", "b", "c"].map(|name| Some(Upstream::start(named(name)))).into();
    let endpoints: Vec<_> =
        upstreams.iter().flatten().map(|one| format!("\"http://{}\"", one.address)).collect();
    let school =
        format!("school: {{ endpoints: [{}], affinity: {{ cookie: session }} }}", endpoints.join(", "));
    let (gateway, client) = start(&school, "");
    let mut connection = client.connect(Version::H1).await;
    let mut other = client.connect(Version::H2).await;
    let cookie = |session: usize| Ask::get("/a").header("cookie", format!("session=s{session}"));
    let mut homes = Vec::new();
    for session in 0..30 {
        let home = connection.send(&cookie(session)).await.text();
        for _ in 0..3 {
            assert_eq!(other.send(&cookie(session)).await.text(), home, "{session}");
        }
        homes.push(home);
    }
    assert_eq!(homes.iter().collect::<HashSet<_>>().len(), 3, "{homes:?}");
    // Without the cookie, wherever there is least to do.
    let mut anywhere = HashSet::new();
    for _ in 0..30 {
        anywhere.insert(connection.send(&Ask::get("/a")).await.text());
    }
    assert!(anywhere.len() > 1);
    // The loss of one moves only its own.
    let lost = upstreams[1].take().unwrap();
    lost.script(|_| Answer(vec![Step::Reset]));
    drop(lost);
    for (session, home) in homes.iter().enumerate() {
        let reply = connection.send(&cookie(session)).await;
        assert_eq!(reply.status, 200);
        assert!(if home == "b" { reply.text() != "b" } else { reply.text() == *home }, "{session}");
    }
    // A POST that finds nobody goes elsewhere: nothing of it was sent.
    for session in 0..30 {
        let ask = Ask::new(Method::POST, "/a").header("cookie", format!("session=s{session}")).body("x");
        assert_eq!(connection.send(&ask).await.status, 200, "{session}");
    }
    assert!(!gateway.journal.text().contains("session=") && !gateway.metrics().contains("session="));
    stop(gateway).await;
}
