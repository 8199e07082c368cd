//! Relation sources: what is asked, how often, for how long it counts, and what becomes of it when the source is down.

use std::{rc::Rc, time::Duration};

use http::{HeaderMap, HeaderName, HeaderValue};
use serde_json::{Value, json};
use tokio::sync::Notify;

use crate::{
    identity::{Caller, Credentials, FetchError, Identity, Lookup, Recall, Related, Wanted, fixture::*},
    policy::set::{ProviderId, ProviderKind, RecipientId, RelationSource, RelationSourceId, UpstreamId},
    secret::Sensitive,
};

/// Groups and wards.
const BOTH: (bool, bool) = (true, true);

fn source() -> RelationSource {
    RelationSource {
        name: "classes".into(),
        upstream: UpstreamId(0),
        path: vec!["/api/classes?teacher=".into(), String::new()],
        groups: Some("$.results[*].id".parse().unwrap()),
        wards: Some("$.wards".parse().unwrap()),
        cookies: Vec::new(),
        headers: Vec::new(),
        fixed_headers: Vec::new(),
        fixed_cookies: Vec::new(),
        next: None,
        pages: 1,
        cache: Duration::from_secs(30),
        max_age: Duration::from_secs(120),
        cache_entries: 100,
    }
}

fn room(source: RelationSource) -> Room {
    let mut provider = provider("platform", ProviderKind::ForwardAuth(endpoint()));
    provider.relations = vec![RelationSourceId(0)];
    let mut policy = policy(vec![provider]);
    policy.gateway.relations = vec![source];
    let identity = Identity::build(&policy, &secret(), None).unwrap();
    Room { policy, identity }
}

fn caller(subject: &str) -> Caller {
    Caller {
        recipients: vec![RecipientId(2)],
        subject: Some(Sensitive::new(subject.into())),
        groups: vec![Sensitive::new("own".into())],
        wards: Vec::new(),
        quota: None,
        provider: Some(ProviderId(0)),
    }
}

struct Found {
    lookups: Vec<Lookup>,
    groups: Vec<String>,
    wards: Vec<String>,
    related: Vec<Related>,
}

struct Asking<'a> {
    subject: &'a str,
    host: &'a str,
    session: &'a str,
    wanted: (bool, bool),
}

const JEAN: Asking<'static> = Asking { subject: "jean", host: "a", session: "s", wanted: BOTH };

impl Room {
    async fn relate(&self, asking: &Asking<'_>, platform: &Platform, seconds: f64) -> Found {
        let cookies = cookies(&[("session", asking.session)]);
        let headers = HeaderMap::new();
        let recall = Recall::default();
        let credentials = Credentials { headers: &headers, cookies: &cookies, recall: &recall };
        let mut caller = caller(asking.subject);
        let (groups, wards) = asking.wanted;
        let wanted = Wanted { groups, wards, host: asking.host.as_bytes() };
        let related = self
            .identity
            .relate(&self.policy, &mut caller, wanted, &credentials, platform, after(seconds))
            .await;
        let plain =
            |texts: &[Sensitive<Box<str>>]| texts.iter().map(|text| text.expose().to_string()).collect();
        Found {
            lookups: related.iter().map(|one| one.lookup).collect(),
            groups: plain(&caller.groups),
            wards: plain(&caller.wards),
            related,
        }
    }

    async fn renew(&self, found: Found, platform: &Platform, seconds: f64) -> Vec<Lookup> {
        let mut lookups = Vec::new();
        for renewal in found.related.into_iter().filter_map(|one| one.renewal) {
            lookups.push(self.identity.renew(&self.policy, renewal, platform, after(seconds)).await);
        }
        lookups
    }
}

fn classes(ids: &[&str]) -> Scripted {
    let results: Vec<Value> = ids.iter().map(|id| json!({ "id": id })).collect();
    answer(200, &json!({ "results": results, "wards": ["lea"] }).to_string())
}

#[tokio::test]
async fn the_source_s_groups_and_wards_are_the_caller_s() {
    let room = room(source());
    let platform = Platform::new([classes(&["6B", "6A", "own"])]);
    let found = room.relate(&JEAN, &platform, 0.0).await;
    assert_eq!(found.lookups, [Lookup::Asked]);
    assert_eq!(
        (found.groups, found.wards),
        (vec!["6A".into(), "6B".into(), "own".into()], vec!["lea".to_owned()])
    );
    let seen = platform.seen.borrow();
    assert_eq!(seen[0].uri(), "/api/classes?teacher=jean");
    assert_eq!(seen[0].headers().get("cookie"), None, "nothing of the caller unless the policy says so");
}

#[tokio::test]
async fn nobody_asks_where_nothing_is_wanted() {
    let mut only_groups = source();
    only_groups.wards = None;
    let room = room(only_groups);
    let wards = Asking { wanted: (false, true), ..JEAN };
    assert!(room.relate(&wards, &Platform::silent(), 0.0).await.lookups.is_empty());
}

#[tokio::test]
async fn the_subject_is_encoded_and_cannot_lead_elsewhere() {
    let mut other = source();
    other.path = vec!["/teachers/".into(), "/classes".into()];
    let room = room(other);
    for (subject, path) in [
        ("a/../b?x=1&y#z", "/teachers/a%2F..%2Fb%3Fx%3D1%26y%23z/classes"),
        ("Lé a", "/teachers/L%C3%A9%20a/classes"),
        ("{subject}", "/teachers/%7Bsubject%7D/classes"),
        ("a-b_c.d~e", "/teachers/a-b_c.d~e/classes"),
    ] {
        let platform = Platform::new([classes(&[])]);
        room.relate(&Asking { subject, ..JEAN }, &platform, 0.0).await;
        assert_eq!(platform.seen.borrow()[0].uri(), path);
    }
    for subject in [".", "..", "..."] {
        let found = room.relate(&Asking { subject, ..JEAN }, &Platform::silent(), 0.0).await;
        assert_eq!(found.lookups, [Lookup::Unavailable], "{subject}");
    }
}

#[tokio::test]
async fn an_answer_counts_then_is_renewed_then_counts_no_longer() {
    let room = room(source());
    let platform = Platform::new([classes(&["6A"])]);
    room.relate(&JEAN, &platform, 0.0).await;
    assert_eq!(room.relate(&JEAN, &platform, 29.0).await.lookups, [Lookup::Kept]);
    assert_eq!(platform.asked(), 1);

    // Past its time one exchange renews it; the others, and that one, go on with it.
    platform.then(classes(&["5B"]));
    let first = room.relate(&JEAN, &platform, 31.0).await;
    assert_eq!((&first.lookups[..], &first.groups[0][..]), (&[Lookup::Old][..], "6A"));
    let second = room.relate(&JEAN, &platform, 32.0).await;
    assert!(second.related[0].renewal.is_none());
    assert_eq!(second.lookups, [Lookup::Old]);
    assert_eq!(room.renew(first, &platform, 32.0).await, [Lookup::Asked]);
    let third = room.relate(&JEAN, &platform, 33.0).await;
    assert_eq!((&third.lookups[..], &third.groups[0][..]), (&[Lookup::Kept][..], "5B"));
    assert_eq!(platform.asked(), 2);

    // The source is down: the old answer counts until its age, and grows no younger by failed renewals.
    platform.then(Err(FetchError::Unreachable));
    for seconds in [63.0, 65.0, 90.0, 151.0] {
        let found = room.relate(&JEAN, &platform, seconds).await;
        assert_eq!((&found.lookups[..], &found.groups[0][..]), (&[Lookup::Old][..], "5B"), "{seconds}");
        assert_eq!(room.renew(found, &platform, seconds).await, [Lookup::Unavailable]);
    }
    let found = room.relate(&JEAN, &platform, 153.0).await;
    assert_eq!((found.lookups, found.groups), (vec![Lookup::Unavailable], vec!["own".to_owned()]));
    // It is spared for a second, and asked again then.
    let before = platform.asked();
    assert_eq!(room.relate(&JEAN, &platform, 153.5).await.lookups, [Lookup::Unavailable]);
    assert_eq!(platform.asked(), before);
    platform.then(classes(&["4C"]));
    assert_eq!(room.relate(&JEAN, &platform, 154.5).await.groups, ["4C", "own"]);
}

#[tokio::test]
async fn a_renewal_that_is_dropped_is_tried_by_the_next() {
    let room = room(source());
    let platform = Platform::new([classes(&["6A"])]);
    room.relate(&JEAN, &platform, 0.0).await;
    drop(room.relate(&JEAN, &platform, 31.0).await);
    assert!(room.relate(&JEAN, &platform, 32.0).await.related[0].renewal.is_some());
}

#[tokio::test]
async fn nobody_s_list_is_kept_for_a_short_time() {
    for scripted in [answer(404, "no such teacher"), answer(200, r#"{"results":[]}"#)] {
        let room = room(source());
        let platform = Platform::new([scripted]);
        assert_eq!(room.relate(&JEAN, &platform, 0.0).await.lookups, [Lookup::Asked]);
        assert_eq!(room.relate(&JEAN, &platform, 4.0).await.lookups, [Lookup::Kept]);
        assert_eq!(room.relate(&JEAN, &platform, 6.0).await.lookups, [Lookup::Old]);
    }
}

#[tokio::test]
async fn what_is_no_list_gives_no_relation() {
    for (name, scripted) in [
        ("401", answer(401, "")),
        ("403", answer(403, r#"{"results":[{"id":"6A"}]}"#)),
        ("500", answer(500, r#"{"results":[{"id":"6A"}]}"#)),
        ("redirect", answer(302, "")),
        ("204", answer(204, "")),
        ("HTML", answer(200, "<html>")),
        ("a member twice", answer(200, r#"{"results":[],"results":[{"id":"6A"}]}"#)),
        (
            "too many",
            classes(
                &(0..4097)
                    .map(|n| n.to_string())
                    .collect::<Vec<_>>()
                    .iter()
                    .map(String::as_str)
                    .collect::<Vec<_>>(),
            ),
        ),
        ("too long a name", classes(&[&"x".repeat(513)])),
        ("timed out", Err(FetchError::TimedOut)),
        ("too long", Err(FetchError::TooLong)),
    ] {
        let room = room(source());
        let found = room.relate(&JEAN, &Platform::new([scripted]), 0.0).await;
        assert_eq!(
            (found.lookups, found.groups),
            (vec![Lookup::Unavailable], vec!["own".to_owned()]),
            "{name}"
        );
    }
}

#[tokio::test]
async fn nobody_gets_another_s_answer() {
    let mut with_session = source();
    with_session.cookies = vec!["session".into()];
    let room = room(with_session);
    for (place, asking) in [
        JEAN,
        Asking { subject: "paul", ..JEAN },
        Asking { host: "b", ..JEAN },
        Asking { session: "t", ..JEAN },
    ]
    .into_iter()
    .enumerate()
    {
        let group = format!("group-{place}");
        let platform = Platform::new([classes(&[&group])]);
        let found = room.relate(&asking, &platform, 0.0).await;
        assert_eq!((platform.asked(), &found.groups[0]), (1, &group));
        let cookie = format!("session={}", asking.session);
        assert_eq!(platform.seen.borrow()[0].headers()["cookie"].as_bytes(), cookie.as_bytes());
    }
    assert_eq!(room.relate(&JEAN, &Platform::silent(), 1.0).await.groups[0], "group-0");
}

#[tokio::test]
async fn the_gateway_s_own_credential_is_sent() {
    let mut settings = source();
    settings.fixed_headers =
        vec![(HeaderName::from_static("authorization"), HeaderValue::from_static("Bearer service"))];
    settings.fixed_cookies = vec![("csrf".into(), "made-up".into())];
    let room = room(settings);
    let platform = Platform::new([classes(&[])]);
    room.relate(&JEAN, &platform, 0.0).await;
    let seen = platform.seen.borrow();
    assert_eq!(seen[0].headers()["authorization"], "Bearer service");
    assert_eq!(seen[0].headers()["cookie"], "csrf=made-up");
}

#[tokio::test]
async fn forty_exchanges_ask_once() {
    let room = Rc::new(room(source()));
    let gate = std::sync::Arc::new(Notify::new());
    let mut platform = Platform::new([classes(&["6A"])]);
    platform.gate = Some(gate.clone());
    let local = tokio::task::LocalSet::new();
    local
        .run_until(async {
            let ask = || {
                let (room, platform) = (room.clone(), platform.clone());
                tokio::task::spawn_local(async move { room.relate(&JEAN, &platform, 0.0).await.groups })
            };
            let waiting: Vec<_> = (0..40).map(|_| ask()).collect();
            for _ in 0..50 {
                tokio::task::yield_now().await;
            }
            gate.notify_one();
            for one in waiting {
                assert_eq!(one.await.unwrap(), ["6A", "own"]);
            }
        })
        .await;
    assert_eq!(platform.asked(), 1);
}

#[tokio::test]
async fn pages_are_followed_within_the_same_call() {
    let page =
        |id: &str, next: Value| answer(200, &json!({ "results": [{ "id": id }], "next": next }).to_string());
    let mut paged = source();
    paged.next = Some("$.next".parse().unwrap());
    paged.pages = 3;
    let next = json!("http://platform:8080/api/classes?teacher=jean&page=2");
    let room = room(paged);
    let platform =
        Platform::new([page("1", next), page("2", json!("/api/classes?page=3")), page("3", Value::Null)]);
    assert_eq!(room.relate(&JEAN, &platform, 0.0).await.groups, ["1", "2", "3", "own"]);
    let paths: Vec<String> = platform.seen.borrow().iter().map(|one| one.uri().to_string()).collect();
    assert_eq!(
        paths,
        ["/api/classes?teacher=jean", "/api/classes?teacher=jean&page=2", "/api/classes?page=3"]
    );

    for (name, answers) in [
        ("another call", vec![page("1", json!("/api/grades?page=2"))]),
        ("no address", vec![page("1", json!("page two"))]),
        ("a number", vec![page("1", json!(2))]),
        ("a page fails", vec![page("1", json!("/api/classes?page=2")), answer(500, "")]),
        ("the second is gone", vec![page("1", json!("/api/classes?page=2")), answer(404, "")]),
        ("without end", vec![page("1", json!("/api/classes?page=2"))]),
    ] {
        let platform = Platform::new(answers);
        let found = room.relate(&Asking { subject: name, ..JEAN }, &platform, 0.0).await;
        assert_eq!(
            (found.lookups, found.groups),
            (vec![Lookup::Unavailable], vec!["own".to_owned()]),
            "{name}"
        );
        assert!(platform.asked() <= 3);
    }
}

#[tokio::test]
async fn a_reload_keeps_what_still_counts() {
    let first = room(source());
    first.relate(&JEAN, &Platform::new([classes(&["6A"])]), 0.0).await;
    let rebuilt = |source| {
        let room = room(source);
        let identity = Identity::build(&room.policy, &secret(), Some(&first.identity)).unwrap();
        Room { policy: room.policy, identity }
    };
    assert_eq!(rebuilt(source()).relate(&JEAN, &Platform::silent(), 1.0).await.lookups, [Lookup::Kept]);
    let mut shorter = source();
    shorter.max_age = Duration::from_secs(1);
    shorter.cache = Duration::from_secs(1);
    let platform = Platform::new([classes(&["5B"])]);
    assert_eq!(
        rebuilt(shorter).relate(&JEAN, &platform, 2.0).await.groups,
        ["5B", "own"],
        "the new bound holds"
    );
    let mut other = source();
    other.groups = Some("$.classes".parse().unwrap());
    let platform = Platform::new([answer(200, r#"{"classes":["4C"]}"#)]);
    assert_eq!(rebuilt(other).relate(&JEAN, &platform, 1.0).await.groups, ["4C", "own"]);
}
