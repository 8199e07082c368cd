//! The same scenarios on both stores, with a clock that the test turns; Redis is a real server started here.

use std::{
    future::Future,
    pin::Pin,
    process::{Child, Command, Stdio},
    sync::atomic::{AtomicU64, Ordering},
};

use super::{login::tests::authentication, *};
use crate::{
    policy::set::{
        AccountLimit, Authentication, AuthenticationKind, HostPattern, PersonalData, PurposeId, RedisServers,
        RedisSettings, RelaxedPaths, RouteId, RouteMatch, RoutePolicy, UpstreamId, WayBack,
    },
    secret::Sensitive,
};

mod cluster;

pub(in crate::limit) use self::cluster::Cluster;

const FAILED: Outcome = Outcome::Failure;
const DONE: Outcome = Outcome::Success;

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
    /// The CNIL's numbers for an account, 20 failures a minute for an address, 80 for a network.
    fn new(store: &Store, route: &str) -> Self {
        // Not zero: a store's clock never is.
        let hand = Arc::new(AtomicU64::new(1_000_000_000));
        let clock = Clock::turned_by(Arc::clone(&hand));
        let limits = Limits::build_with_clock(store, &secret(), None, clock).unwrap();
        let auth = authentication(&["username"], &["password"]);
        Self { limits, hand, route: route_policy(route), auth }
    }

    fn wait(&self, seconds: f64) {
        self.hand.fetch_add((seconds * 1e6) as u64, Ordering::SeqCst);
    }

    async fn admit(&self, account: &str, address: &str) -> Admission<'_> {
        self.admit_peek(&peek_at(account), &applicant(address)).await
    }

    /// Waits until a store that was away is taken up again.
    async fn store_is_back(&self) {
        store_is_back(&self.limits, &self.hand).await;
    }

    async fn admit_peek(&self, peek: &Peek, who: &Applicant<'_>) -> Admission<'_> {
        self.limits.admit(&self.route, &self.auth, who, peek).await
    }

    /// One attempt that the platform answers so; whether it got there.
    async fn attempt(&self, account: &str, address: &str, outcome: Outcome) -> bool {
        settled(self.admit(account, address).await, outcome).await
    }

    /// One attempt from a device with this cookie.
    async fn attempt_from(&self, cookie: &str, account: &str, address: &str, outcome: Outcome) -> bool {
        let peek = peek_at(account);
        let device = self.limits.recognise(&PLACE, &[cookie.as_bytes()], &peek, WALL);
        settled(self.admit_peek(&peek, &Applicant { device, ..applicant(address) }).await, outcome).await
    }

    /// The cookie of a device after this account signed in on it.
    fn cookie(&self, cookie: &str, account: &str) -> String {
        self.limits.remember(&PLACE, &[cookie.as_bytes()], &peek_at(account), WALL).unwrap()
    }

    /// How many of so many attempts got to the platform.
    async fn attempts(&self, count: u32, account: &str, address: &str, outcome: Outcome) -> u32 {
        let mut passed = 0;
        for _ in 0..count {
            passed += u32::from(self.attempt(account, address, outcome).await);
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

const PLACE: DevicePlace<'_> = DevicePlace {
    cookie: "__Host-device",
    host: "ecole.example",
    upstream: "school",
    life: Duration::from_secs(90 * 86_400),
};
const WALL: std::time::SystemTime = std::time::SystemTime::UNIX_EPOCH;

fn peek_at(account: &str) -> Peek {
    Peek { account: Some(Sensitive::new(account::fold(account))), has_secret: true }
}

fn applicant(address: &str) -> Applicant<'static> {
    Applicant { address: address.parse().unwrap(), device: None, sessions: &[], subject: None }
}

async fn settled(admission: Admission<'_>, outcome: Outcome) -> bool {
    match admission {
        Admission::Allowed(attempt) => {
            attempt.settle(outcome).await;
            true
        }
        Admission::Throttled { .. } => false,
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
    after_five_failures_more_than_a_minute w {
        assert_eq!(w.attempts(15, "alice", "192.0.2.1", FAILED).await, 5);
        for wait in [61.0, 122.0, 244.0, 488.0, 976.0, 1952.0, 3600.0, 3600.0] {
            w.wait(wait - 0.001);
            assert!(!w.attempt("alice", "192.0.2.1", FAILED).await, "{wait}");
            w.wait(0.001);
            assert_eq!(w.attempts(3, "alice", "192.0.2.1", FAILED).await, 1, "{wait}");
        }
    }
    the_26th_failure_of_24_hours_is_refused_even_if_spaced w {
        for n in 0..25 {
            assert!(w.attempt("alice", "192.0.2.1", FAILED).await, "{n}");
            w.wait(3_450.0);
            if n % 4 == 3 {
                // The row is over, the day is not.
                assert_eq!(w.attempts(1, "alice", "192.0.2.1", DONE).await, u32::from(n < 24), "{n}");
            }
        }
        assert_eq!(w.throttled("alice", "192.0.2.1").await.0, Scope::Day);
        w.wait(86_400.0 - 25.0 * 3_450.0 - 0.001);
        assert!(!w.attempt("alice", "192.0.2.1", FAILED).await);
        w.wait(0.001);
        assert_eq!(w.attempts(3, "alice", "192.0.2.1", FAILED).await, 1);
    }
    a_success_ends_the_row w {
        for _ in 0..5 {
            assert_eq!(w.attempts(4, "alice", "192.0.2.1", FAILED).await, 4);
            assert!(w.attempt("alice", "192.0.2.1", DONE).await);
            w.wait(60.0);
        }
        assert_eq!(w.attempts(9, "alice", "192.0.2.1", FAILED).await, 5);
    }
    refused_attempts_cost_nothing w {
        assert_eq!(w.attempts(100, "alice", "192.0.2.1", FAILED).await, 5);
        w.wait(61.0);
        assert!(w.attempt("alice", "192.0.2.1", FAILED).await);
    }
    successes_are_given_back w {
        assert_eq!(w.attempts(100, "alice", "192.0.2.1", DONE).await, 100);
        assert_eq!(w.attempts(4, "alice", "192.0.2.1", FAILED).await, 4);
        assert_eq!(w.attempts(50, "alice", "192.0.2.1", DONE).await, 50);
        assert_eq!(w.attempts(9, "alice", "192.0.2.1", FAILED).await, 5);
    }
    what_the_platform_did_not_judge_is_given_back_and_ends_no_row w {
        assert_eq!(w.attempts(4, "alice", "192.0.2.1", FAILED).await, 4);
        assert_eq!(w.attempts(50, "alice", "192.0.2.1", Outcome::None).await, 50);
        assert_eq!(w.attempts(9, "alice", "192.0.2.1", FAILED).await, 1);
    }
    the_wait_begins_with_the_answer w {
        w.attempts(4, "alice", "192.0.2.1", FAILED).await;
        let Admission::Allowed(slow) = w.admit("alice", "192.0.2.1").await else { panic!() };
        w.wait(50.0);
        slow.settle(FAILED).await;
        w.wait(60.9);
        assert!(!w.attempt("alice", "192.0.2.1", FAILED).await);
        w.wait(0.1);
        assert!(w.attempt("alice", "192.0.2.1", FAILED).await);
    }
    concurrent_guesses_are_counted_before_they_leave w {
        let mut under_way = Vec::new();
        for _ in 0..30 {
            if let Admission::Allowed(attempt) = w.admit("alice", "192.0.2.1").await {
                under_way.push(attempt);
            }
        }
        assert_eq!(under_way.len(), 5);
        for attempt in under_way {
            attempt.settle(FAILED).await;
        }
        assert!(!w.attempt("alice", "192.0.2.1", DONE).await);
    }
    an_attempt_that_nobody_settles_stays_counted w {
        for _ in 0..5 {
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
        assert_eq!(w.attempts(15, "victim", "198.51.100.1", FAILED).await, 5);
    }
    a_blocked_account_does_not_touch_the_address w {
        w.attempts(100, "alice", "192.0.2.1", FAILED).await;
        for n in 0..15 {
            assert!(w.attempt(&format!("pupil{n}"), "192.0.2.1", FAILED).await, "{n}");
        }
        assert_eq!(w.throttled("carol", "192.0.2.1").await.0, Scope::Address);
    }
    thirty_pupils_behind_one_address w {
        for n in 0..30 {
            assert!(w.attempt(&format!("pupil{n}"), "192.0.2.1", DONE).await, "{n}");
        }
    }
    one_ipv6_subscriber_has_one_counter_and_a_site_another w {
        let mut passed = 0;
        for n in 0..50 {
            passed += u32::from(w.attempt(&format!("p{n}"), &format!("2001:db8:1:2::{n:x}"), FAILED).await);
        }
        assert_eq!(passed, 20);
        for n in 0..100 {
            let address = format!("2001:db8:1:{:x}::1", n + 3);
            passed += u32::from(w.attempt(&format!("q{n}"), &address, FAILED).await);
        }
        assert_eq!(passed, 80);
        assert_eq!(w.throttled("alice", "2001:db8:1:ffff::1").await.0, Scope::Network);
        assert!(w.attempt("alice", "2001:db8:2:3::1", FAILED).await);
    }
    an_ipv4_address_is_one_however_it_is_written w {
        for n in 0..20 {
            w.attempt(&format!("p{n}"), "::ffff:192.0.2.1", FAILED).await;
        }
        assert!(!w.attempt("alice", "192.0.2.1", DONE).await);
    }
    accounts_fold w {
        for account in ["alice", "ALICE", " Alice ", "ａlice", "álice"] {
            assert_eq!(w.attempts(1, account, "192.0.2.1", FAILED).await, 1);
        }
        assert!(!w.attempt("alice", "192.0.2.1", DONE).await);
    }
    probes_are_not_counted w {
        w.attempts(10, "alice", "192.0.2.1", FAILED).await;
        let probe = Peek { has_secret: false, ..peek_at("alice") };
        let admission = w.admit_peek(&probe, &applicant("192.0.2.1")).await;
        assert!(matches!(admission, Admission::Allowed(attempt) if !attempt.is_guess()));
    }
    without_an_account_the_address_counts w {
        let nameless = Peek { account: None, has_secret: true };
        let mut passed = 0;
        for _ in 0..50 {
            let admission = w.admit_peek(&nameless, &applicant("192.0.2.1")).await;
            passed += u32::from(matches!(admission, Admission::Allowed(_)));
        }
        assert_eq!(passed, 20);
    }
    a_device_keeps_its_own_counter w {
        let cookie = w.cookie("", "alice");
        w.attempts(20, "alice", "192.0.2.1", FAILED).await;
        assert!(!w.attempt("alice", "192.0.2.9", DONE).await, "an unknown device waits");
        assert!(w.attempt_from(&cookie, "alice", "192.0.2.9", DONE).await);
        // For its account only.
        assert!(!w.attempt_from(&w.cookie("", "bob"), "alice", "192.0.2.9", DONE).await);
        // Nor does it matter what its address did.
        for n in 0..40 {
            w.attempt(&format!("p{n}"), "192.0.2.9", FAILED).await;
        }
        assert!(!w.attempt("carol", "192.0.2.9", DONE).await);
        assert!(w.attempt_from(&cookie, "alice", "192.0.2.9", DONE).await);
    }
    a_stolen_device_cookie_is_locked_out_by_itself w {
        let stolen = w.cookie("", "alice");
        let own = w.cookie(&stolen, "alice");
        let mut passed = 0;
        for _ in 0..20 {
            passed += u32::from(w.attempt_from(&stolen, "alice", "192.0.2.66", FAILED).await);
        }
        assert_eq!(passed, 5);
        assert!(w.attempt_from(&own, "alice", "192.0.2.1", DONE).await, "the owner's is another by now");
        // Nor did it cost those who have none.
        assert_eq!(w.attempts(9, "alice", "192.0.2.1", FAILED).await, 5);
        for _ in 0..100 {
            w.wait(3_600.0);
            passed += u32::from(w.attempt_from(&stolen, "alice", "192.0.2.66", FAILED).await);
            if passed == 25 {
                break;
            }
        }
        assert!(!w.attempt_from(&stolen, "alice", "192.0.2.66", FAILED).await);
    }
    ten_thousand_failures_from_a_thousand_addresses_do_not_keep_the_device_out w {
        let mut cookie = w.cookie("", "pupil");
        let mut reached = 0;
        for n in 0u32..10_000 {
            let address = format!("10.{}.{}.{}", n % 1000 / 250, n % 250, n % 3);
            reached += u32::from(w.attempt("pupil", &address, FAILED).await);
            w.wait(f64::from(n % 120));
            if n % 250 == 0 {
                // The pupil mistypes twice, too.
                for outcome in [FAILED, FAILED, DONE] {
                    assert!(w.attempt_from(&cookie, "pupil", &address, outcome).await, "{n}");
                }
                cookie = w.cookie(&cookie, "pupil");
            }
        }
        let days = (10_000.0f64 * 59.5 / 86_400.0).ceil() as u32;
        assert!(reached <= 25 * (days + 1), "{reached} of 10000 got to the platform in {days} days");
        assert!(!w.attempt("pupil", "192.0.2.1", DONE).await, "others wait");
        assert!(w.attempt_from(&cookie, "pupil", "10.0.0.0", DONE).await);
    }
    a_second_factor_counts_by_session_and_by_account w {
        let who = |session: &'static [Vec<u8>], subject| Applicant { sessions: session, subject, ..applicant("192.0.2.1") };
        let second = Authentication { kind: AuthenticationKind::SecondFactor, ..w.auth.clone() };
        let nameless = Peek { account: None, has_secret: true };
        let one: &'static [Vec<u8>] = Box::leak(vec![b"sid=1".to_vec()].into_boxed_slice());
        let other: &'static [Vec<u8>] = Box::leak(vec![b"sid=2".to_vec()].into_boxed_slice());
        for _ in 0..5 {
            let admission = w.limits.admit(&w.route, &second, &who(one, None), &nameless).await;
            assert!(settled(admission, FAILED).await);
        }
        let refused = w.limits.admit(&w.route, &second, &who(one, None), &nameless).await;
        assert!(matches!(refused, Admission::Throttled { scope: Scope::Session, .. }));
        for _ in 0..5 {
            let admission = w.limits.admit(&w.route, &second, &who(other, Some("jean")), &nameless).await;
            assert!(settled(admission, FAILED).await);
        }
        // A new session does not help where somebody knows whose it is.
        let refused = w.limits.admit(&w.route, &second, &who(&[], Some("jean")), &nameless).await;
        assert!(matches!(refused, Admission::Throttled { scope: Scope::Account, .. }));
    }
    a_registration_counts_by_address_only w {
        let registration = Authentication { kind: AuthenticationKind::Registration, ..w.auth.clone() };
        let mut passed = 0;
        for _ in 0..50 {
            let admission = w.limits.admit(&w.route, &registration, &applicant("192.0.2.1"), &peek_at("alice")).await;
            passed += u32::from(settled(admission, FAILED).await);
        }
        assert_eq!(passed, 20);
    }
    a_block_ends_with_a_reset w {
        let block = Authentication { per_account: AccountLimit::CNIL_BLOCK, ..w.auth.clone() };
        let guess = async |outcome| {
            settled(w.limits.admit(&w.route, &block, &applicant("192.0.2.1"), &peek_at("alice")).await, outcome).await
        };
        for n in 0..10 {
            w.wait(61.0 * 60.0);
            assert!(guess(FAILED).await, "{n}");
        }
        w.wait(86_399.0);
        assert!(!guess(DONE).await);
        let mut reset = block.clone();
        (reset.kind, reset.lifts) = (AuthenticationKind::Reset, vec![w.route.name.clone()]);
        let confirmation = route_policy(&format!("{}-reset", w.route.name));
        for (outcome, lifted) in [(FAILED, false), (DONE, true)] {
            let admission = w.limits.admit(&confirmation, &reset, &applicant("192.0.2.1"), &peek_at("alice")).await;
            assert!(settled(admission, outcome).await);
            assert_eq!(guess(FAILED).await, lifted, "{outcome:?}");
        }
        // And by itself after a day.
        for _ in 0..20 {
            guess(FAILED).await;
        }
        w.wait(86_400.0);
        assert!(guess(FAILED).await);
    }
    an_alarm_slows_unknown_devices_down_and_no_others w {
        let mut auth = w.auth.clone();
        auth.alarm.attempts = 30;
        auth.alarm.limit.count = 5;
        let cookie = w.cookie("", "alice");
        for enforce in [false, true] {
            w.wait(60.0);
            auth.alarm.enforce = enforce;
            let mut passed = 0;
            for n in 0..60 {
                let (account, address) = (format!("{enforce}{n}"), format!("10.{}.0.{n}", u8::from(enforce)));
                let admission = w.limits.admit(&w.route, &auth, &applicant(&address), &peek_at(&account)).await;
                if matches!(admission, Admission::Throttled { scope, .. } if scope != Scope::Route) {
                    panic!("{account}");
                }
                passed += u32::from(settled(admission, FAILED).await);
            }
            // The first thirty raise it; then it is raised already.
            assert_eq!(passed, if enforce { 5 } else { 60 });
            let peek = peek_at("alice");
            let device = w.limits.recognise(&PLACE, &[cookie.as_bytes()], &peek, WALL);
            let who = Applicant { device, ..applicant("192.0.2.1") };
            assert!(settled(w.limits.admit(&w.route, &auth, &who, &peek).await, Outcome::None).await);
        }
    }
    clients_are_told_when_to_come_back w {
        let Admission::Allowed(first) = w.admit("alice", "192.0.2.1").await else { panic!() };
        let policy = "ratelimit-policy: \"clients_are_told_when_to_come_back-address\";q=20;w=60, \
                      \"clients_are_told_when_to_come_back-account\";q=5;w=61";
        let left = |address, account| {
            format!(
                "ratelimit: \"clients_are_told_when_to_come_back-address\";{address}, \
                 \"clients_are_told_when_to_come_back-account\";{account}"
            )
        };
        assert_eq!(said(first.decisions()), [policy, &left("r=19;t=3", "r=4;t=86400")]);
        w.attempts(4, "alice", "192.0.2.1", FAILED).await;
        w.wait(1.5);
        let (scope, fields) = w.throttled("alice", "192.0.2.1").await;
        assert_eq!(scope, Scope::Account);
        assert_eq!(fields, ["retry-after: 60", policy, &left("r=15;t=14", "r=0;t=60")]);
        w.wait(60.0);
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
        w.attempts(5, "alice", "192.0.2.1", FAILED).await;
        let store = match &w.limits.shared {
            None => Store::Memory,
            Some(_) => return,
        };
        let reloaded = Limits::build(&store, &secret(), Some(&w.limits)).unwrap();
        let admission = reloaded.admit(&w.route, &w.auth, &applicant("192.0.2.1"), &peek_at("alice")).await;
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
        let local = &world.limits.local;
        // What only an alarm in shadow counts is each process's own.
        let rates = local.table.len() - usize::from(name.contains("alarm"));
        assert_eq!(
            (rates, local.accounts.len(), local.devices.len()),
            (0, 0, 0),
            "{name}: it was Redis that counted"
        );
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
        let local = &world.limits.local;
        let rates = local.table.len() - usize::from(name.contains("alarm"));
        assert_eq!(
            (rates, local.accounts.len(), local.devices.len()),
            (0, 0, 0),
            "{name}: it was the cluster that counted"
        );
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
