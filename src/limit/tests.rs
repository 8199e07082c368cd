//! The same scenarios on both stores, with a clock that the test turns; Redis is a real server started here.

use std::{
    future::Future,
    pin::Pin,
    sync::atomic::{AtomicU64, Ordering},
};

use super::{login::tests::authentication, *};
use crate::{
    policy::set::{
        AccountLimit, Authentication, AuthenticationKind, HostPattern, PersonalData, PurposeId, RelaxedPaths,
        RouteId, RouteMatch, RoutePolicy, UpstreamId, WayBack,
    },
    secret::Sensitive,
};

mod cluster;
mod server;
mod stores;

pub(in crate::limit) use self::{
    cluster::Cluster,
    server::{PATIENT, Server},
};

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

/// Takes one event from one counter.
async fn take(limits: &Limits, bucket: &Bucket<'_>, key: &[u8]) -> (Decision, Counted) {
    limits.take_each(&[limits.asked(bucket, key)]).await.pop().unwrap()
}

/// Gives it back where it was taken.
async fn give_back(limits: &Limits, counted: Counted) {
    match (counted.source, &limits.shared) {
        (Source::Shared(until), Some(shared)) => {
            let now = limits.local.clock.for_store();
            shared.redis.give_back(&[(counted.place.key, counted.pace, until)], now).await.unwrap();
        }
        _ => limits.give_back_locally(&counted, limits.local.clock.micros()),
    }
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
        priority: crate::policy::set::Priority::Normal,
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
        let (first, taken) = take(&w.limits, &bucket, b"key").await;
        let (second, _) = take(&w.limits, &bucket, b"key").await;
        let (third, refused) = take(&w.limits, &bucket, b"key").await;
        assert_eq!((first.remaining, second.remaining, third.remaining), (1, 0, 0));
        assert_eq!((third.allowed, third.retry_after), (false, Some(Duration::from_secs(5))));
        // What was refused took nothing, so there is nothing to give back.
        give_back(&w.limits, refused).await;
        assert!(!take(&w.limits, &bucket, b"key").await.0.allowed);
        give_back(&w.limits, taken).await;
        assert!(take(&w.limits, &bucket, b"key").await.0.allowed);
        assert!(take(&w.limits, &bucket, b"other").await.0.allowed);
    }
    a_rate_of_zero_allows_nothing w {
        let rate = Rate { count: 0, per: Duration::from_secs(10) };
        let bucket = Bucket { route: &w.route.name, scope: Scope::Account, rate };
        let (decision, _) = take(&w.limits, &bucket, b"key").await;
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
