//! The same scenarios on both stores, with a clock that the test turns; Redis is a real server started here.

use std::{
    future::Future,
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use http::StatusCode;

use super::{login::tests::authentication, *};
use crate::{
    policy::set::{
        Authentication, HostPattern, PersonalData, PurposeId, RedisServers, RedisSettings, RelaxedPaths,
        RouteId, RouteMatch, RoutePolicy, UpstreamId, WayBack,
    },
    secret::Sensitive,
};

mod cluster;

pub(in crate::limit) use self::cluster::Cluster;

const FAILED: StatusCode = StatusCode::UNAUTHORIZED;
const DONE: StatusCode = StatusCode::OK;

/// One store and one route of its own.
struct World {
    limits: Limits,
    hand: Arc<AtomicU64>,
    route: RoutePolicy,
    auth: Authentication,
}

pub(in crate::limit) fn secret() -> MasterSecret {
    MasterSecret::from_bytes(&[7; 32]).unwrap()
}

impl World {
    /// 10 failures a minute for an account, 20 for an address.
    fn new(store: &Store, route: &str) -> Self {
        // Not zero: a store's clock never is.
        let hand = Arc::new(AtomicU64::new(1_000_000_000));
        let clock = Clock::turned_by(Arc::clone(&hand));
        let limits = Limits::build_with_clock(store, &secret(), None, clock).unwrap();
        let mut auth = authentication(&["username"], &["password"]);
        auth.per_address.count = 20;
        Self { limits, hand, route: route_policy(route), auth }
    }

    fn wait(&self, seconds: f64) {
        self.hand.fetch_add((seconds * 1e6) as u64, Ordering::SeqCst);
    }

    async fn admit(&self, account: &str, address: &str) -> Admission<'_> {
        let account = Some(Sensitive::new(account::fold(account)));
        let peek = Peek { account, has_secret: true };
        self.limits.admit(&self.route, &self.auth, address.parse().unwrap(), &peek).await
    }

    /// Waits until a store that was away is taken up again.
    async fn store_is_back(&self) {
        store_is_back(&self.limits, &self.hand).await;
    }

    /// One attempt that the platform answers with this status; whether it got there.
    async fn attempt(&self, account: &str, address: &str, status: StatusCode) -> bool {
        match self.admit(account, address).await {
            Admission::Allowed(attempt) => {
                attempt.settle(status).await;
                true
            }
            Admission::Throttled { .. } => false,
        }
    }

    /// How many of so many attempts got to the platform.
    async fn attempts(&self, count: u32, account: &str, address: &str, status: StatusCode) -> u32 {
        let mut passed = 0;
        for _ in 0..count {
            passed += u32::from(self.attempt(account, address, status).await);
        }
        passed
    }

    async fn throttled(&self, account: &str, address: &str) -> (Scope, Vec<String>) {
        match self.admit(account, address).await {
            Admission::Throttled { scope, decisions } => (scope, said(&decisions)),
            Admission::Allowed(_) => panic!("allowed"),
        }
    }
}

/// Turns the clock on until the store is asked again; that it is back is found out beside the questions.
pub(in crate::limit) async fn store_is_back(limits: &Limits, hand: &AtomicU64) {
    let shared = limits.shared.as_ref().unwrap();
    for _ in 0..1000 {
        if shared.answers(&limits.local.clock) {
            return;
        }
        hand.fetch_add(100_000, Ordering::SeqCst);
        tokio::time::sleep(Duration::from_millis(5)).await;
    }
    panic!("the store was not taken up again");
}

/// The fields that a client would get.
fn said(decisions: &Decisions) -> Vec<String> {
    let text = |value: &http::HeaderValue| String::from_utf8(value.as_bytes().to_vec()).unwrap();
    headers(decisions).iter().map(|(name, value)| format!("{name}: {}", text(value))).collect()
}

fn route_policy(name: &str) -> RoutePolicy {
    RoutePolicy {
        id: RouteId(0),
        name: name.into(),
        owner: "team".into(),
        matches: RouteMatch {
            host: HostPattern::Any,
            paths: vec!["/login".into()],
            methods: Vec::new(),
            plain_http: false,
        },
        upstream: UpstreamId(0),
        purpose: PurposeId(0),
        identity: Vec::new(),
        identity_unavailable: crate::policy::set::IdentityUnavailable::Anonymous,
        require_identity: false,
        require_relations: false,
        personal_data: PersonalData::Undeclared,
        presets: Vec::new(),
        way_back: WayBack::default(),
        authentication: None,
        quotas: Vec::new(),
        relaxed_paths: RelaxedPaths::default(),
        websocket: crate::policy::set::WebSocket::Closed,
        body_bytes: None,
        response_timeout: None,
    }
}

type Scenario = for<'a> fn(&'a World) -> Pin<Box<dyn Future<Output = ()> + 'a>>;

macro_rules! scenarios {
    ($($name:ident $world:ident $body:block)+) => {
        const SCENARIOS: &[(&str, Scenario)] = &[$((stringify!($name), |$world| Box::pin(async move $body))),+];
    };
}

scenarios! {
    burst w {
        assert_eq!(w.attempts(15, "alice", "192.0.2.1", FAILED).await, 10);
    }
    refused_attempts_cost_nothing w {
        assert_eq!(w.attempts(100, "alice", "192.0.2.1", FAILED).await, 10);
        w.wait(6.0);
        assert!(w.attempt("alice", "192.0.2.1", FAILED).await);
    }
    replenishing w {
        w.attempts(10, "alice", "192.0.2.1", FAILED).await;
        w.wait(5.9);
        assert!(!w.attempt("alice", "192.0.2.1", FAILED).await);
        w.wait(0.1);
        assert_eq!(w.attempts(3, "alice", "192.0.2.1", FAILED).await, 1);
        w.wait(60.0);
        assert_eq!(w.attempts(15, "alice", "192.0.2.1", FAILED).await, 10);
    }
    idle_time_does_not_pile_up w {
        w.attempts(1, "alice", "192.0.2.1", FAILED).await;
        w.wait(86_400.0);
        assert_eq!(w.attempts(15, "alice", "192.0.2.1", FAILED).await, 10);
    }
    successes_are_given_back w {
        assert_eq!(w.attempts(100, "alice", "192.0.2.1", DONE).await, 100);
        assert_eq!(w.attempts(9, "alice", "192.0.2.1", FAILED).await, 9);
        assert_eq!(w.attempts(50, "alice", "192.0.2.1", DONE).await, 50);
        assert_eq!(w.attempts(5, "alice", "192.0.2.1", FAILED).await, 1);
    }
    a_late_refund_is_no_gift w {
        w.attempts(5, "alice", "192.0.2.1", FAILED).await;
        let Admission::Allowed(slow) = w.admit("alice", "192.0.2.1").await else { panic!() };
        w.wait(600.0);
        w.attempts(9, "alice", "192.0.2.1", FAILED).await;
        slow.settle(DONE).await;
        assert_eq!(w.attempts(5, "alice", "192.0.2.1", FAILED).await, 1);
    }
    a_refund_in_time_is_whole w {
        let Admission::Allowed(own) = w.admit("alice", "192.0.2.1").await else { panic!() };
        w.attempts(9, "alice", "192.0.2.1", FAILED).await;
        assert!(!w.attempt("alice", "192.0.2.1", FAILED).await);
        own.settle(DONE).await;
        assert_eq!(w.attempts(5, "alice", "192.0.2.1", FAILED).await, 1);
    }
    concurrent_guesses_are_counted_before_they_leave w {
        let mut under_way = Vec::new();
        for _ in 0..30 {
            if let Admission::Allowed(attempt) = w.admit("alice", "192.0.2.1").await {
                under_way.push(attempt);
            }
        }
        assert_eq!(under_way.len(), 10);
        for attempt in under_way {
            attempt.settle(FAILED).await;
        }
        assert!(!w.attempt("alice", "192.0.2.1", DONE).await);
    }
    an_attempt_that_nobody_settles_stays_counted w {
        for _ in 0..10 {
            drop(w.admit("alice", "192.0.2.1").await);
        }
        assert!(!w.attempt("alice", "192.0.2.1", DONE).await);
    }
    accounts_are_separate w {
        w.attempts(10, "alice", "192.0.2.1", FAILED).await;
        assert!(!w.attempt("alice", "192.0.2.2", DONE).await);
        assert!(w.attempt("bob", "192.0.2.1", DONE).await);
    }
    an_address_that_tries_many_accounts w {
        let mut passed = 0;
        for n in 0..50 {
            passed += u32::from(w.attempt(&format!("pupil{n}"), "192.0.2.1", FAILED).await);
        }
        assert_eq!(passed, 20);
        assert_eq!(w.throttled("alice", "192.0.2.1").await.0, Scope::Address);
        assert!(w.attempt("alice", "192.0.2.2", DONE).await);
    }
    a_blocked_address_does_not_touch_its_victims w {
        for n in 0..20 {
            w.attempt(&format!("pupil{n}"), "192.0.2.1", FAILED).await;
        }
        w.attempts(100, "victim", "192.0.2.1", FAILED).await;
        assert_eq!(w.attempts(15, "victim", "198.51.100.1", FAILED).await, 10);
    }
    a_blocked_account_does_not_touch_the_address w {
        w.attempts(100, "alice", "192.0.2.1", FAILED).await;
        assert_eq!(w.attempts(10, "bob", "192.0.2.1", FAILED).await, 10);
        assert_eq!(w.throttled("carol", "192.0.2.1").await.0, Scope::Address);
    }
    thirty_pupils_behind_one_address w {
        for n in 0..30 {
            assert!(w.attempt(&format!("pupil{n}"), "192.0.2.1", DONE).await, "{n}");
        }
    }
    some_pupils_mistype w {
        for n in 0..30 {
            let status = if n % 3 == 0 { FAILED } else { DONE };
            assert!(w.attempt(&format!("pupil{n}"), "192.0.2.1", status).await, "{n}");
        }
    }
    one_ipv6_subscriber_has_one_counter w {
        let mut passed = 0;
        for n in 0..50 {
            passed += u32::from(w.attempt(&format!("p{n}"), &format!("2001:db8:1:2::{n:x}"), FAILED).await);
        }
        assert_eq!(passed, 20);
        assert!(w.attempt("alice", "2001:db8:1:3::1", FAILED).await);
    }
    an_ipv4_address_is_one_however_it_is_written w {
        for n in 0..20 {
            w.attempt(&format!("p{n}"), "::ffff:192.0.2.1", FAILED).await;
        }
        assert!(!w.attempt("alice", "192.0.2.1", DONE).await);
    }
    accounts_fold w {
        for account in ["alice", "ALICE", " Alice ", "ａlice", "álice"] {
            assert_eq!(w.attempts(2, account, "192.0.2.1", FAILED).await, 2);
        }
        assert!(!w.attempt("alice", "192.0.2.1", DONE).await);
    }
    probes_are_not_counted w {
        w.attempts(10, "alice", "192.0.2.1", FAILED).await;
        let probe = Peek { account: Some(Sensitive::new("alice".into())), has_secret: false };
        let admission = w.limits.admit(&w.route, &w.auth, "192.0.2.1".parse().unwrap(), &probe).await;
        assert!(matches!(admission, Admission::Allowed(attempt) if attempt.decisions().list.is_empty()));
    }
    without_an_account_the_address_counts w {
        let nameless = Peek { account: None, has_secret: true };
        let mut passed = 0;
        for _ in 0..50 {
            let admission = w.limits.admit(&w.route, &w.auth, "192.0.2.1".parse().unwrap(), &nameless).await;
            passed += u32::from(matches!(admission, Admission::Allowed(_)));
        }
        assert_eq!(passed, 20);
    }
    clients_are_told_when_to_come_back w {
        let Admission::Allowed(first) = w.admit("alice", "192.0.2.1").await else { panic!() };
        let policy = "ratelimit-policy: \"clients_are_told_when_to_come_back-address\";q=20;w=60, \
                      \"clients_are_told_when_to_come_back-account\";q=10;w=60";
        let left = |address, account| {
            format!(
                "ratelimit: \"clients_are_told_when_to_come_back-address\";{address}, \
                 \"clients_are_told_when_to_come_back-account\";{account}"
            )
        };
        assert_eq!(said(first.decisions()), [policy, &left("r=19;t=3", "r=9;t=6")]);
        w.attempts(9, "alice", "192.0.2.1", FAILED).await;
        w.wait(1.5);
        let (scope, fields) = w.throttled("alice", "192.0.2.1").await;
        assert_eq!(scope, Scope::Account);
        assert_eq!(fields, ["retry-after: 5", policy, &left("r=10;t=29", "r=0;t=5")]);
        w.wait(4.5);
        assert!(w.attempt("alice", "192.0.2.1", FAILED).await);
    }
    one_bucket_alone w {
        let rate = Rate { count: 2, per: Duration::from_secs(10) };
        let bucket = Bucket { route: &w.route.name, scope: Scope::Address, rate };
        let (first, receipt) = w.limits.take(&bucket, b"key").await;
        let (second, _) = w.limits.take(&bucket, b"key").await;
        let (third, refused) = w.limits.take(&bucket, b"key").await;
        assert_eq!((first.remaining, second.remaining, third.remaining), (1, 0, 0));
        assert_eq!((third.allowed, third.retry_after), (false, Some(Duration::from_secs(5))));
        // What was refused took nothing, so there is nothing to give back.
        w.limits.give_back(refused).await;
        assert!(!w.limits.take(&bucket, b"key").await.0.allowed);
        w.limits.give_back(receipt).await;
        assert!(w.limits.take(&bucket, b"key").await.0.allowed);
        assert!(w.limits.take(&bucket, b"other").await.0.allowed);
    }
    a_rate_of_zero_allows_nothing w {
        let rate = Rate { count: 0, per: Duration::from_secs(10) };
        let bucket = Bucket { route: &w.route.name, scope: Scope::Account, rate };
        let (decision, _) = w.limits.take(&bucket, b"key").await;
        assert_eq!((decision.allowed, decision.retry_after), (false, Some(Duration::from_secs(10))));
    }
    counters_survive_a_reload w {
        w.attempts(10, "alice", "192.0.2.1", FAILED).await;
        let store = match &w.limits.shared {
            None => Store::Memory,
            Some(_) => return,
        };
        let reloaded = Limits::build(&store, &secret(), Some(&w.limits)).unwrap();
        let peek = Peek { account: Some(Sensitive::new("alice".into())), has_secret: true };
        let admission = reloaded.admit(&w.route, &w.auth, "192.0.2.1".parse().unwrap(), &peek).await;
        assert!(matches!(admission, Admission::Throttled { .. }));
    }
}

#[tokio::test]
async fn in_memory() {
    for (name, scenario) in SCENARIOS {
        scenario(&World::new(&Store::Memory, name)).await;
    }
}

fn redis_at(url: String, timeout: Duration, replicas: u32) -> Store {
    let servers = RedisServers::One(Sensitive::new(url));
    Store::Redis(Box::new(RedisSettings {
        servers,
        user: None,
        password: None,
        tls: None,
        timeout,
        replicas,
    }))
}

/// A Redis server of this test, on a socket in a folder of its own.
pub(in crate::limit) struct Server {
    process: Child,
    folder: tempfile::TempDir,
}

impl Server {
    pub(in crate::limit) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Self::spawn(&folder);
        let server = Self { process, folder };
        server.ready().await;
        server
    }

    fn spawn(folder: &tempfile::TempDir) -> Child {
        Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "redis.sock"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server (Debian: apt-get install redis-server)")
    }

    async fn ready(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        for _ in 0..500 {
            if client.get_multiplexed_async_connection().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not answer");
    }

    pub(in crate::limit) async fn restart(&mut self) {
        self.process = Self::spawn(&self.folder);
        self.ready().await;
    }

    pub(in crate::limit) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    pub(in crate::limit) fn store(&self, timeout: Duration) -> Store {
        redis_at(self.url(), timeout, 3)
    }

    pub(in crate::limit) async fn query<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection =
            redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Long enough for a machine under load: these tests are not about time.
pub(in crate::limit) const PATIENT: Duration = Duration::from_secs(10);

#[tokio::test]
async fn in_redis() {
    let server = Server::start().await;
    for (name, scenario) in SCENARIOS {
        let world = World::new(&server.store(PATIENT), name);
        scenario(&world).await;
        assert_eq!(world.limits.local.table.len(), 0, "{name}: it was Redis that counted");
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
        let (wait, which, status) =
            (random(4_000_000), random(8), if random(3) == 0 { DONE } else { FAILED });
        let mut said = Vec::new();
        for (world, under_way) in worlds.iter().zip(&mut under_way) {
            world.hand.fetch_add(wait, Ordering::SeqCst);
            if let Some(attempt) = usize::try_from(which).ok().filter(|&n| n < under_way.len()) {
                under_way.remove(attempt).settle(status).await;
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

/// The same scenarios where each counter has a server of its own.
#[tokio::test]
async fn in_a_cluster() {
    let cluster = Cluster::start().await;
    for (name, scenario) in SCENARIOS {
        let world = World::new(&cluster.store(PATIENT), name);
        scenario(&world).await;
        assert_eq!(world.limits.local.table.len(), 0, "{name}: it was the cluster that counted");
    }
    let keys = cluster.keys().await;
    assert!(keys.iter().all(|keys| keys.len() > 20), "spread: {:?}", keys.iter().map(Vec::len));
}

#[tokio::test]
async fn in_a_cluster_too_concurrent_questions_never_exceed_a_limit() {
    let cluster = Cluster::start().await;
    let store = cluster.store(PATIENT);
    let worlds = [Arc::new(World::new(&store, "login")), Arc::new(World::new(&store, "login"))];
    let tasks: Vec<_> = (0..100)
        .map(|n| {
            let world = Arc::clone(&worlds[n % 2]);
            // All at one account, from addresses with room: what the account refuses is given back to them.
            tokio::spawn(async move { world.attempt("alice", &format!("192.0.2.{}", n % 10), FAILED).await })
        })
        .collect();
    let mut passed = 0;
    for task in tasks {
        passed += u32::from(task.await.unwrap());
    }
    assert_eq!(passed, 10);
    for address in 0..10 {
        let address = format!("192.0.2.{address}");
        let left = worlds[0].attempts(30, &format!("other-{address}"), &address, FAILED).await;
        assert_eq!(left, 10, "the account's own limit, not the address's");
    }
}

#[tokio::test]
async fn a_connection_that_was_idle_too_long_is_no_outage() {
    let server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    world.attempts(4, "alice", "192.0.2.1", FAILED).await;
    let _: u64 = server.query(&["CLIENT", "KILL", "TYPE", "normal", "SKIPME", "yes"]).await;
    assert_eq!(world.attempts(15, "alice", "192.0.2.1", FAILED).await, 6);
    assert_eq!(world.limits.local.table.len(), 0);
}

#[tokio::test]
async fn a_server_that_forgot_the_scripts_is_given_them_again() {
    let server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    for _ in 0..3 {
        assert_eq!(world.attempts(2, "alice", "192.0.2.1", FAILED).await, 2);
        assert_eq!(world.attempts(2, "bob", "192.0.2.1", DONE).await, 2);
        let _: () = server.query(&["SCRIPT", "FLUSH"]).await;
    }
    assert_eq!(world.attempts(15, "alice", "192.0.2.1", FAILED).await, 4);
    assert_eq!(world.limits.local.table.len(), 0);
}

/// Where memory is full, a counter that cannot be written is no counter: the local ones decide.
#[tokio::test]
async fn a_server_without_memory_is_as_good_as_none() {
    let server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    world.attempts(1, "alice", "192.0.2.1", FAILED).await;
    let _: () = server.query(&["CONFIG", "SET", "maxmemory-policy", "noeviction"]).await;
    let _: () = server.query(&["CONFIG", "SET", "maxmemory", "1"]).await;
    assert_eq!(world.attempts(10, "bob", "192.0.2.2", FAILED).await, 3, "its share");
    let _: () = server.query(&["CONFIG", "SET", "maxmemory", "0"]).await;
    world.store_is_back().await;
    assert_eq!(world.attempts(15, "carol", "192.0.2.3", FAILED).await, 10);
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
    assert_eq!(passed, 10);
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
    assert_eq!(passed, 10);
}

#[tokio::test]
async fn the_store_counts_by_its_own_clock() {
    let server = Server::start().await;
    let limits = Limits::build(&server.store(PATIENT), &secret(), None).unwrap();
    let rate = Rate { count: 1, per: Duration::from_secs(3600) };
    let bucket = Bucket { route: "login", scope: Scope::Account, rate };
    let (first, receipt) = limits.take(&bucket, b"alice").await;
    assert!(first.allowed);
    let (second, _) = limits.take(&bucket, b"alice").await;
    let wait = second.retry_after.unwrap();
    assert!(wait > Duration::from_secs(3590) && wait <= Duration::from_secs(3600), "{wait:?}");
    let (key,): (String,) =
        server.query::<Vec<String>>(&["KEYS", "*"]).await.pop().map(|key| (key,)).unwrap();
    let expires: i64 = server.query(&["PTTL", &key]).await;
    assert!((3_590_000..=3_600_000).contains(&expires), "{expires}");
    limits.give_back(receipt).await;
    assert!(limits.take(&bucket, b"alice").await.0.allowed);
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
        let name = key.strip_prefix("rempart:").unwrap();
        assert!(name.len() == 32 && name.bytes().all(|b| b.is_ascii_hexdigit()), "{key}");
        let value: String = server.query(&["GET", &key]).await;
        assert!(value.bytes().all(|b| b.is_ascii_digit()), "{value}");
        let expires: i64 = server.query(&["PTTL", &key]).await;
        assert!((1..=60_000).contains(&expires), "{expires}");
    }
}

#[tokio::test]
async fn an_outage_is_stricter_and_ends_by_itself() {
    let mut server = Server::start().await;
    let world = World::new(&server.store(PATIENT), "login");
    assert_eq!(world.attempts(4, "alice", "192.0.2.1", FAILED).await, 4);
    let Admission::Allowed(before) = world.admit("bob", "192.0.2.1").await else { panic!() };
    server.stop();
    // A third of the limit: 10 ÷ 3.
    assert_eq!(world.attempts(10, "alice", "192.0.2.1", FAILED).await, 3);
    assert_eq!(world.attempts(30, "carol", "192.0.2.9", DONE).await, 30, "successes pass all the same");
    before.settle(DONE).await;
    server.restart().await;
    assert_eq!(world.attempts(1, "dave", "192.0.2.9", DONE).await, 1);
    assert_eq!(server.query::<u64>(&["DBSIZE"]).await, 0, "not tried again yet");
    world.store_is_back().await;
    assert_eq!(world.attempts(15, "erin", "192.0.2.9", FAILED).await, 10);
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
    assert_eq!(world.attempts(10, "alice", "192.0.2.1", FAILED).await, 3);
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
    assert_eq!(world.attempts(10, "alice", "192.0.2.1", FAILED).await, 5);
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
