//! What is the store's own: outages, reloads, scripts, and what stands in it.

use super::{server::redis_at, *};

#[tokio::test]
async fn in_redis() {
    let server = Server::start().await;
    for (name, scenario) in SCENARIOS {
        let world = World::new(&server.store(PATIENT), name);
        scenario(&world).await;
        counted_elsewhere(&world, name, "it was Redis that counted");
    }
}

/// Whatever is asked, taken and given back when: both stores say the same.
#[tokio::test]
async fn both_stores_agree() {
    let server = Server::start().await;
    let worlds = [World::new(&Store::Memory, "x"), World::new(&server.store(PATIENT), "x")];
    let mut state = 1u64;
    let mut random = |below: u64| {
        state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
        (state >> 33) % below
    };
    let mut under_way: [Vec<Attempt<'_>>; 2] = [Vec::new(), Vec::new()];
    for step in 0..2000 {
        let (account, address) = (format!("p{}", random(4)), format!("192.0.2.{}", random(2)));
        let wait = if random(5) == 0 { random(4_000_000_000) } else { random(4_000_000) };
        let (which, outcome) = (random(8), [DONE, Outcome::None, FAILED, FAILED][random(4) as usize]);
        let mut said = Vec::new();
        for (world, under_way) in worlds.iter().zip(&mut under_way) {
            world.hand.fetch_add(wait, Ordering::SeqCst);
            if let Some(attempt) = usize::try_from(which).ok().filter(|&n| n < under_way.len()) {
                under_way.remove(attempt).settle(outcome).await;
            }
            said.push(match world.admit(&account, &address).await {
                Admission::Allowed(attempt) => {
                    let decisions = attempt.decisions().clone();
                    under_way.push(attempt);
                    decisions
                }
                Admission::Throttled { decisions, .. } => decisions,
            });
        }
        assert_eq!(said[0], said[1], "step {step}");
    }
}

/// What a store does in the background is nobody's wait: while it is frozen, each second one try is made beside the
/// questions, and none of these takes longer than counting in memory does.
#[tokio::test]
async fn whether_a_store_is_back_is_not_found_out_by_a_request() {
    let server = Server::start().await;
    let world = World::new(&server.store(Duration::from_millis(500)), "login");
    world.attempts(1, "alice", "192.0.2.1", FAILED).await;
    server.signal("-STOP");
    world.attempts(1, "alice", "192.0.2.1", FAILED).await;
    let start = std::time::Instant::now();
    for _ in 0..20 {
        world.wait(1.1);
        world.attempt("bob", "192.0.2.2", DONE).await;
    }
    assert!(start.elapsed() < Duration::from_millis(400), "{:?}", start.elapsed());
    server.signal("-CONT");
    world.store_is_back().await;
}

/// The same scenarios in a cluster: whatever one script asks stands on one server.
#[tokio::test]
async fn in_a_cluster() {
    let cluster = Cluster::start().await;
    for (name, scenario) in SCENARIOS {
        let world = World::new(&cluster.store(PATIENT), name);
        scenario(&world).await;
        counted_elsewhere(&world, name, "it was the cluster that counted");
    }
    let keys = cluster.keys().await;
    let attempts = keys.iter().map(|keys| keys.iter().filter(|key| key.contains("{login}")).count());
    let holding: Vec<_> = attempts.filter(|&count| count > 0).collect();
    assert!(holding.len() == 1 && holding[0] > 20, "{holding:?}");
}

#[tokio::test]
async fn in_a_cluster_too_concurrent_attempts_are_atomic() {
    let cluster = Cluster::start().await;
    let store = cluster.store(PATIENT);
    let worlds = [Arc::new(World::new(&store, "login")), Arc::new(World::new(&store, "login"))];
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let world = Arc::clone(&worlds[n % 2]);
            // All at one account, from addresses with room: what the account refuses costs them nothing.
            tokio::spawn(async move { world.attempt("alice", &format!("192.0.2.{}", n % 10), FAILED).await })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += u32::from(task.await.unwrap());
    }
    assert_eq!(passed, 5);
    for n in 0..300 {
        let (account, address) = (format!("other-{n}"), format!("192.0.2.{}", n % 10));
        passed += u32::from(worlds[n % 2].attempt(&account, &address, FAILED).await);
    }
    assert_eq!(passed, 10 * 20, "each address gave exactly what it has");
}

#[tokio::test]
async fn a_connection_that_was_idle_too_long_is_no_outage() {
    let server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    world.attempts(2, "alice", "192.0.2.1", FAILED).await;
    let _: u64 = server.query(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    assert_eq!(world.attempts(15, "alice", "192.0.2.1", FAILED).await, 3);
    assert_eq!((world.limits.local.table.len(), world.limits.local.accounts.len()), (0, 0));
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_given_them_again() {
    let server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    for _ in 0..2 {
        assert_eq!(world.attempts(2, "alice", "192.0.2.1", FAILED).await, 2);
        assert_eq!(world.attempts(2, "bob", "192.0.2.1", DONE).await, 2);
        let _: () = server.query(&["SCRIPT", "FLUSH"]).await;
    }
    assert_eq!(world.attempts(15, "alice", "192.0.2.1", FAILED).await, 1);
    assert_eq!((world.limits.local.table.len(), world.limits.local.accounts.len()), (0, 0));
}

/// Where memory is full, a counter that cannot be written is no counter: the local ones decide.
#[tokio::test]
async fn a_server_without_memory_is_as_good_as_none() {
    let server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    world.attempts(1, "alice", "192.0.2.1", FAILED).await;
    let _: () = server.query(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let _: () = server.query(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(world.attempts(10, "bob", "192.0.2.2", FAILED).await, 1, "its share");
    let _: () = server.query(&["CONFIG", "SET", "maxmemory", "0"]).await;
    world.store_is_back().await;
    assert_eq!(world.attempts(15, "carol", "192.0.2.3", FAILED).await, 5);
}

#[tokio::test]
async fn replicas_share_a_counter_exactly() {
    let server = Server::start().await;
    let store = server.store(PATIENT);
    let (one, other) = (World::new(&store, "login"), World::new(&store, "login"));
    let mut passed = 0;
    for n in 0..30 {
        let world = if n % 2 == 0 { &one } else { &other };
        passed += u32::from(world.attempt("alice", "192.0.2.1", FAILED).await);
    }
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn concurrent_questions_are_atomic() {
    let server = Server::start().await;
    let world = Arc::new(World::new(&server.store(PATIENT), "login"));
    let tasks: Vec<_> = (0..100)
        .map(|_| {
            let world = Arc::clone(&world);
            tokio::spawn(async move { world.attempt("alice", "192.0.2.1", FAILED).await })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += u32::from(task.await.unwrap());
    }
    assert_eq!(passed, 5);
}

#[tokio::test]
async fn the_store_counts_by_its_own_clock() {
    let server = Server::start().await;
    let limits = Limits::build(&server.store(PATIENT), &secret(), None).unwrap();
    let rate = Rate { count: 1, per: Duration::from_secs(3600) };
    let bucket = Bucket { route: "login", scope: Scope::Account, rate };
    let (first, taken) = take(&limits, &bucket, b"alice").await;
    assert!(first.allowed);
    let (second, _) = take(&limits, &bucket, b"alice").await;
    let wait = second.retry_after.unwrap();
    assert!(wait > Duration::from_secs(3590) && wait <= Duration::from_secs(3600), "{wait:?}");
    let (key,): (String,) =
        server.query::<Vec<String>>(&["KEYS", "*"]).await.pop().map(|key| (key,)).unwrap();
    let expires: i64 = server.query(&["PTTL", &key]).await;
    assert!((3_590_000..=3_600_000).contains(&expires), "{expires}");
    give_back(&limits, taken).await;
    assert!(take(&limits, &bucket, b"alice").await.0.allowed);
}

#[tokio::test]
async fn nothing_personal_is_in_redis() {
    let server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    for n in 0..20 {
        world.attempt(&format!("canary{n}"), "203.0.113.77", FAILED).await;
    }
    let keys: Vec<String> = server.query(&["KEYS", "*"]).await;
    assert_eq!(keys.len(), 21);
    for key in keys {
        let name = key.strip_prefix("rempart:{login}:").unwrap();
        assert!(name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        let value: String = server.query(&["GET", &key]).await;
        assert!(value.bytes().all(|b| b.is_ascii_digit() || b == b' '), "{value}");
        let expires: i64 = server.query(&["PTTL", &key]).await;
        assert!((1..=86_400_000).contains(&expires), "{expires}");
    }
}

#[tokio::test]
async fn an_outage_is_stricter_and_ends_by_itself() {
    let mut server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    assert_eq!(world.attempts(2, "alice", "192.0.2.1", FAILED).await, 2);
    let Admission::Allowed(before) = world.admit("bob", "192.0.2.1").await else { panic!() };
    server.stop();
    // A third of the limit: 5 ÷ 3.
    assert_eq!(world.attempts(10, "alice", "192.0.2.1", FAILED).await, 1);
    assert_eq!(world.attempts(30, "carol", "192.0.2.9", DONE).await, 30, "successes pass all the same");
    before.settle(DONE).await;
    server.restart().await;
    assert_eq!(world.attempts(1, "dave", "192.0.2.9", DONE).await, 1);
    assert_eq!(server.query::<u64>(&["DBSIZE"]).await, 0, "not tried again yet");
    world.store_is_back().await;
    assert_eq!(world.attempts(15, "erin", "192.0.2.9", FAILED).await, 5);
    assert_eq!(server.query::<Vec<String>>(&["KEYS", "*"]).await.len(), 2);
}

#[tokio::test]
async fn a_frozen_store_costs_one_question_a_timeout() {
    let server = Server::start().await;
    let timeout = Duration::from_millis(250);
    let world = World::new(&server.store(timeout), "login");
    world.attempts(1, "alice", "192.0.2.1", FAILED).await;
    server.signal("-STOP");
    let start = std::time::Instant::now();
    assert_eq!(world.attempts(10, "alice", "192.0.2.1", FAILED).await, 1);
    world.attempts(100, "bob", "192.0.2.2", DONE).await;
    let passed = start.elapsed();
    assert!(passed >= timeout && passed < 3 * timeout, "{passed:?}");
    server.signal("-CONT");
    server.ready().await;
    world.store_is_back().await;
    world.attempt("carol", "192.0.2.3", FAILED).await;
    assert!(server.query::<u64>(&["DBSIZE"]).await >= 2);
}

#[tokio::test]
async fn a_store_that_was_never_there() {
    let folder = tempfile::tempdir().unwrap();
    let url = format!("redis+unix://{}", folder.path().join("none.sock").display());
    let store = redis_at(url, PATIENT, 2);
    let world = World::new(&store, "login");
    assert_eq!(world.attempts(10, "alice", "192.0.2.1", FAILED).await, 2);
    assert!(!format!("{:?}", world.limits).contains("none.sock"));
}

#[test]
fn a_store_without_an_address_is_refused() {
    let store = redis_at("http://user:canary@example.fr".to_owned(), PATIENT, 1);
    let error = Limits::build(&store, &secret(), None).unwrap_err();
    assert!(!format!("{error} {error:?}").contains("canary"));
}

#[tokio::test]
async fn a_connection_outlives_the_reload_but_not_its_runtime() {
    let server = Server::start().await;
    let store = server.store(PATIENT);
    let world = World::new(&store, "login");
    world.attempt("alice", "192.0.2.1", FAILED).await;
    let reloaded = Limits::build(&store, &secret(), Some(&world.limits)).unwrap();
    let shared = |limits: &Limits| Arc::as_ptr(&limits.shared.as_ref().unwrap().redis);
    assert_eq!(shared(&reloaded), shared(&world.limits));
    // Each thread, and each runtime after another on one thread, has a connection that works there.
    let world = Arc::new(world);
    let other = Arc::clone(&world);
    std::thread::spawn(move || {
        for _ in 0..3 {
            let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
            runtime.block_on(async {
                other.attempt("alice", "192.0.2.1", FAILED).await;
                other.wait(1.0);
                assert!(other.attempt("bob", "192.0.2.2", DONE).await);
            });
        }
    })
    .join()
    .unwrap();
    assert!(world.attempt("carol", "192.0.2.1", FAILED).await);
}

/// Nothing was counted in the process.
fn counted_elsewhere(world: &World, name: &str, by_whom: &str) {
    let local = &world.limits.local;
    // What only an alarm in shadow counts is each process's own.
    let rates = local.table.len() - usize::from(name.contains("alarm"));
    assert_eq!((rates, local.accounts.len(), local.devices.len()), (0, 0, 0), "{name}: {by_whom}");
}
