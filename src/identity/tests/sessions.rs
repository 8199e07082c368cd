//! Forward-auth: what is asked, what is believed, for how long, and by how many.

use std::{
    sync::{Arc, Barrier},
    time::Duration,
};

use bytes::Bytes;
use http::{HeaderMap, HeaderName, HeaderValue, Method, Response};
use serde_json::json;
use tokio::sync::Notify;

use crate::{
    identity::{FetchError, Identity, Outcome, RejectReason as R, SESSION_BYTES, fixture::*},
    policy::set::ProviderKind,
};

fn teacher() -> Scripted {
    answer(200, &json!({"sub": "jean", "role": ["teacher", "can_sing"], "groups": ["6A"]}).to_string())
}

fn redirect(status: u16, locations: &[&[u8]]) -> Scripted {
    let mut response =
        Response::builder().status(status).body(Bytes::from_static(b"{\"role\":\"true\"}")).unwrap();
    for location in locations {
        response.headers_mut().append("location", HeaderValue::from_bytes(location).unwrap());
    }
    Ok(response)
}

#[tokio::test]
async fn answers_and_what_they_mean() {
    use Outcome::{Accepted, Rejected, Unavailable};
    let role = |role: serde_json::Value| answer(200, &json!({"sub": "x", "role": role}).to_string());
    for (name, scripted, expected) in [
        ("a role", teacher(), Accepted),
        ("201", answer(201, r#"{"role":"teacher"}"#), Accepted),
        ("an unknown role", role("guest_star".into()), Rejected(R::NoKnownRole)),
        ("the anonymous role", role("guest".into()), Rejected(R::NoKnownRole)),
        ("no role", answer(200, "{}"), Rejected(R::NoKnownRole)),
        ("a list", answer(200, r#"[{"role":"teacher"}]"#), Rejected(R::NoKnownRole)),
        ("two subjects", answer(200, r#"{"sub":["a","b"],"role":"teacher"}"#), Rejected(R::MalformedClaims)),
        ("role twice", answer(200, r#"{"role":"student","role":"teacher"}"#), Unavailable),
        ("401", answer(401, r#"{"role":"teacher"}"#), Rejected(R::SessionRefused)),
        ("403", answer(403, r#"{"role":"teacher"}"#), Rejected(R::SessionRefused)),
        ("404", answer(404, r#"{"role":"teacher"}"#), Unavailable),
        ("400", answer(400, r#"{"role":"teacher"}"#), Unavailable),
        ("500", answer(500, r#"{"role":"teacher"}"#), Unavailable),
        ("503", answer(503, ""), Unavailable),
        ("204", answer(204, ""), Unavailable),
        ("HTML", answer(200, "<html>teacher</html>"), Unavailable),
        ("too long", answer(200, &format!("{{\"role\":\"teacher\"}}{}", " ".repeat(70_000))), Unavailable),
        ("timed out", Err(FetchError::TimedOut), Unavailable),
        ("unreachable", Err(FetchError::Unreachable), Unavailable),
        ("redirect, JSON body not read", redirect(302, &[b"/en/learn/"]), Rejected(R::NoKnownRole)),
        ("redirect without location", redirect(302, &[]), Unavailable),
        ("304", redirect(304, &[b"/en/coach/"]), Unavailable),
    ] {
        let room = Room::forward_auth(endpoint());
        assert_eq!(room.session("s", &Platform::new([scripted]), noon()).await, expected, "{name}");
    }
}

#[tokio::test]
async fn a_role_may_come_as_a_redirect() {
    for (status, locations, expected) in [
        (302, vec![&b"/en/coach/"[..]], Outcome::Accepted),
        (303, vec![b"/en/coach/"], Outcome::Accepted),
        (307, vec![b"/en/coach/"], Outcome::Accepted),
        (302, vec![b"/en/coach/?next=1"], Outcome::Rejected(R::NoKnownRole)),
        (302, vec![b"/en/coach"], Outcome::Rejected(R::NoKnownRole)),
        (302, vec![b"/en/coach/", b"/en/learn/"], Outcome::Unavailable),
        (302, vec![b"/en/coach/\xe9"], Outcome::Unavailable),
        (300, vec![b"/en/coach/"], Outcome::Unavailable),
    ] {
        let mut provider = provider("platform", ProviderKind::ForwardAuth(endpoint()));
        provider.claims.role = Some("$.location".parse().unwrap());
        let room = Room::new(vec![provider]);
        let outcome = room.session("s", &Platform::new([redirect(status, &locations)]), noon()).await;
        assert_eq!(outcome, expected, "{status} {locations:?}");
    }
}

#[tokio::test]
async fn only_what_the_policy_names_is_forwarded() {
    let mut settings = endpoint();
    settings.method = Method::PUT;
    settings.body = Some("{\"active\":false}".into());
    settings.fixed_cookies = vec![("csrf".into(), "made-up".into())];
    settings.fixed_headers =
        vec![(HeaderName::from_static("x-csrftoken"), HeaderValue::from_static("made-up"))];
    let room = Room::forward_auth(settings);
    let platform = Platform::new([teacher()]);
    let mut headers = HeaderMap::new();
    headers.insert("x-platform-token", HeaderValue::from_bytes(b"t\xe9").unwrap());
    headers.insert("authorization", HeaderValue::from_static("Basic secret"));
    headers.insert("x-csrftoken", HeaderValue::from_static("from outside"));
    let sent =
        cookies(&[("visitor", "tracked"), ("device", "d=1"), ("Session", "no"), ("session", "s|\"x\"")]);
    assert_eq!(room.identify(&headers, &sent, &platform, noon()).await.outcome, Outcome::Accepted);
    let seen = platform.seen.borrow();
    let request = &seen[0];
    assert_eq!(
        (request.method(), request.uri().to_string()),
        (&Method::PUT, "/api/session?full=1".to_owned())
    );
    assert_eq!(request.headers()["cookie"].as_bytes(), b"session=s|\"x\"; device=d=1; csrf=made-up");
    assert_eq!(request.headers()["x-platform-token"].as_bytes(), b"t\xe9");
    assert_eq!(request.headers()["x-csrftoken"], "made-up");
    assert_eq!(request.headers()["content-type"], "application/json");
    assert_eq!(&request.body()[..], b"{\"active\":false}");
    assert!(!request.headers().contains_key("authorization"));
    let shown = format!("{request:?}");
    assert!(!shown.contains("d=1"), "{shown}");
}

#[tokio::test]
async fn without_a_named_credential_nobody_is_asked() {
    let room = Room::forward_auth(endpoint());
    let nobody = Platform::silent();
    let long = "x".repeat(SESSION_BYTES);
    for (name, sent, expected) in [
        ("nothing", vec![], Outcome::Absent),
        ("others", vec![("visitor", "1"), ("SESSION", "1")], Outcome::Absent),
        ("deleted", vec![("session", ""), ("device", "\"\"")], Outcome::Absent),
        ("twice", vec![("session", "a"), ("session", "b")], Outcome::Rejected(R::DuplicateCredential)),
        (
            "twice the same",
            vec![("session", "a"), ("session", "a")],
            Outcome::Rejected(R::DuplicateCredential),
        ),
        ("another in it", vec![("session", "a; device=b")], Outcome::Rejected(R::MalformedCredential)),
        ("a line in it", vec![("session", "a\r\nx: y")], Outcome::Rejected(R::MalformedCredential)),
        ("too long", vec![("session", &*long)], Outcome::Rejected(R::CredentialTooLong)),
    ] {
        let outcome = room.identify(&HeaderMap::new(), &cookies(&sent), &nobody, noon()).await.outcome;
        assert_eq!(outcome, expected, "{name}");
    }
    let mut headers = HeaderMap::new();
    headers.append("x-platform-token", HeaderValue::from_static("a"));
    headers.append("x-platform-token", HeaderValue::from_static("b"));
    let outcome = room.identify(&headers, &[], &nobody, noon()).await.outcome;
    assert_eq!(outcome, Outcome::Rejected(R::DuplicateCredential));
}

#[tokio::test]
async fn answers_are_believed_for_their_time() {
    let cases = [
        (teacher(), 4.9, 5.0),
        (answer(401, ""), 1.9, 2.0),
        (answer(200, "{\"role\":\"visitor\"}"), 1.9, 2.0),
        (answer(200, "{\"sub\":[1,2]}"), 1.9, 2.0),
        (answer(503, ""), 0.9, 1.0),
        (Err(FetchError::TimedOut), 0.9, 1.0),
    ];
    for (scripted, last, over) in cases {
        let room = Room::forward_auth(endpoint());
        let platform = Platform::new([scripted]);
        let first = room.session("s", &platform, noon()).await;
        assert_eq!(room.session("s", &platform, after(last)).await, first);
        assert_eq!(platform.asked(), 1);
        room.session("s", &platform, after(over)).await;
        assert_eq!(platform.asked(), 2, "{first:?}");
    }
}

#[tokio::test]
async fn an_old_role_is_never_served_when_the_platform_is_gone() {
    let room = Room::forward_auth(endpoint());
    let platform = Platform::new([teacher()]);
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
    platform.then(Err(FetchError::Unreachable));
    assert_eq!(room.session("s", &platform, after(5.0)).await, Outcome::Unavailable);
    platform.then(answer(401, ""));
    assert_eq!(room.session("s", &platform, after(6.0)).await, Outcome::Rejected(R::SessionRefused));
}

#[tokio::test]
async fn sessions_are_kept_apart() {
    let room = Room::forward_auth(endpoint());
    let platform = Platform::new([teacher()]);
    assert_eq!(room.session("a", &platform, noon()).await, Outcome::Accepted);
    platform.then(answer(401, ""));
    assert_eq!(room.session("b", &platform, noon()).await, Outcome::Rejected(R::SessionRefused));
    let empty = HeaderMap::new();
    // The same bytes under other names, or with one credential more, are another question.
    for sent in [vec![("device", "a")], vec![("session", "a"), ("device", "d")]] {
        let outcome = room.identify(&empty, &cookies(&sent), &platform, noon()).await.outcome;
        assert_eq!(outcome, Outcome::Rejected(R::SessionRefused));
    }
    let mut headers = HeaderMap::new();
    headers.insert("x-platform-token", HeaderValue::from_static("a"));
    assert_eq!(
        room.identify(&headers, &[], &platform, noon()).await.outcome,
        Outcome::Rejected(R::SessionRefused)
    );
    assert_eq!(room.session("a", &platform, noon()).await, Outcome::Accepted);
    // Cookies of no concern, and the order of the others, change nothing.
    let before = platform.asked();
    let sent = cookies(&[("visitor", "1"), ("session", "a")]);
    assert_eq!(room.identify(&empty, &sent, &platform, noon()).await.outcome, Outcome::Accepted);
    assert_eq!(platform.asked(), before);
}

#[tokio::test]
async fn a_zero_cache_asks_each_time() {
    let mut settings = endpoint();
    settings.cache = Duration::ZERO;
    let room = Room::forward_auth(settings);
    let platform = Platform::new([teacher()]);
    room.session("s", &platform, noon()).await;
    room.session("s", &platform, noon()).await;
    assert_eq!(platform.asked(), 2);
}

#[tokio::test]
async fn what_is_kept_is_bounded() {
    let room = Room::forward_auth(endpoint());
    let platform = Platform::new([answer(401, "")]);
    for n in 0..1000 {
        room.session(&n.to_string(), &platform, noon()).await;
    }
    assert!(room.identity.sessions_kept() <= 100);
    // A heavy answer (about 30 KiB) counts for more than one.
    let room = Room::forward_auth(endpoint());
    let groups: Vec<String> = (0..1000).map(|n| format!("group-{n:08}")).collect();
    let heavy = answer(200, &json!({"role": "teacher", "groups": groups}).to_string());
    let platform = Platform::new([heavy]);
    for n in 0..100 {
        room.session(&n.to_string(), &platform, noon()).await;
    }
    assert!((1..=100 / 30).contains(&room.identity.sessions_kept()));
}

#[tokio::test]
async fn one_page_of_forty_calls_asks_once() {
    let room = Room::forward_auth(endpoint());
    let mut platform = Platform::new([teacher()]);
    let gate = Arc::new(Notify::new());
    platform.gate = Some(Arc::clone(&gate));
    let local = tokio::task::LocalSet::new();
    let room = std::rc::Rc::new(room);
    local
        .run_until(async {
            let calls: Vec<_> = (0..40)
                .map(|_| {
                    let (room, platform) = (std::rc::Rc::clone(&room), platform.clone());
                    tokio::task::spawn_local(async move { room.session("s", &platform, noon()).await })
                })
                .collect();
            tokio::task::yield_now().await;
            gate.notify_one();
            for call in calls {
                assert_eq!(call.await.unwrap(), Outcome::Accepted);
            }
        })
        .await;
    assert_eq!(platform.asked(), 1);
}

#[tokio::test]
async fn those_who_wait_for_a_slow_refusal_do_not_ask_one_after_the_other() {
    let room = Room::forward_auth(endpoint());
    let mut platform = Platform::new([Err(FetchError::TimedOut)]);
    let gate = Arc::new(Notify::new());
    platform.gate = Some(Arc::clone(&gate));
    // They began seconds apart, while the first was waiting.
    let (a, b, c, ()) = tokio::join!(
        room.session("s", &platform, noon()),
        room.session("s", &platform, after(3.0)),
        room.session("s", &platform, after(6.0)),
        async { gate.notify_one() }
    );
    assert_eq!([a, b, c], [Outcome::Unavailable; 3]);
    assert_eq!(platform.asked(), 1);
}

#[tokio::test]
async fn a_cancelled_exchange_leaves_its_place_to_another() {
    let room = Room::forward_auth(endpoint());
    let platform = Platform::new([teacher()]);
    let mut hanging = platform.clone();
    hanging.gate = Some(Arc::new(Notify::new()));
    let mut leaving = Box::pin(room.session("s", &hanging, noon()));
    let waiting = room.session("s", &platform, noon());
    tokio::pin!(waiting);
    tokio::select! {
        biased;
        _ = &mut leaving => panic!("it hangs"),
        _ = &mut waiting => panic!("it waits"),
        () = std::future::ready(()) => {}
    }
    assert_eq!(platform.asked(), 1);
    drop(leaving);
    assert_eq!(waiting.await, Outcome::Accepted);
    assert_eq!(platform.asked(), 2);
}

#[test]
fn cores_share_answers_and_questions() {
    const CORES: usize = 4;
    let policy = Arc::new(policy(vec![provider("platform", ProviderKind::ForwardAuth(endpoint()))]));
    let identity = Arc::new(Identity::build(&policy, &secret(), None).unwrap());
    let asked = Arc::new(std::sync::atomic::AtomicUsize::new(0));
    let together = Arc::new(Barrier::new(CORES));
    let cores: Vec<_> = (0..CORES)
        .map(|_| {
            let (policy, identity) = (Arc::clone(&policy), Arc::clone(&identity));
            let (asked, together) = (Arc::clone(&asked), Arc::clone(&together));
            std::thread::spawn(move || {
                let mut platform = Platform::new([teacher()]);
                platform.asked = asked;
                let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
                runtime.block_on(async {
                    for session in 0..50 {
                        together.wait();
                        let session = session.to_string();
                        let sent = cookies(&[("session", &session)]);
                        let empty = HeaderMap::new();
                        let recall = crate::identity::Recall::default();
                        let credentials =
                            crate::identity::Credentials { headers: &empty, cookies: &sent, recall: &recall };
                        let providers = [crate::policy::set::ProviderId(0)];
                        let identified =
                            identity.identify(&policy, &providers, &credentials, &platform, noon()).await;
                        assert_eq!(identified.outcome, Outcome::Accepted);
                    }
                });
            })
        })
        .collect();
    cores.into_iter().for_each(|core| core.join().unwrap());
    assert_eq!(asked.load(std::sync::atomic::Ordering::SeqCst), 50);
}

#[tokio::test]
async fn a_login_or_logout_is_effective_at_once() {
    let room = Room::forward_auth(endpoint());
    let platform = Platform::new([answer(401, "")]);
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Rejected(R::SessionRefused));
    platform.then(teacher());
    room.forget("other");
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Rejected(R::SessionRefused));
    room.forget("s");
    assert_eq!(room.session("s", &platform, noon()).await, Outcome::Accepted);
}

#[tokio::test]
async fn a_question_under_way_at_logout_is_not_kept() {
    let room = Room::forward_auth(endpoint());
    let mut platform = Platform::new([teacher()]);
    let gate = Arc::new(Notify::new());
    platform.gate = Some(Arc::clone(&gate));
    let asking = room.session("s", &platform, noon());
    tokio::pin!(asking);
    tokio::select! {
        biased;
        _ = &mut asking => panic!("it hangs"),
        () = std::future::ready(()) => {}
    }
    room.forget("s");
    gate.notify_one();
    assert_eq!(asking.await, Outcome::Accepted);
    let after_logout = Platform::new([answer(401, "")]);
    assert_eq!(room.session("s", &after_logout, noon()).await, Outcome::Rejected(R::SessionRefused));
    assert_eq!(after_logout.asked(), 1);
}

/// The endpoint of a Django platform as it is: PUT with a double-submit token that the gateway makes up, roles in a
/// list, guests with 200.
#[tokio::test]
async fn a_platform_that_knows_only_session_cookies() {
    let path = |text: &str| Some(text.parse().unwrap());
    let mut settings = endpoint();
    settings.method = Method::PUT;
    settings.path = "/api/auth/session/current/".into();
    settings.cookies = vec!["kolibri".into()];
    settings.headers = Vec::new();
    settings.fixed_cookies = vec![("kolibri_csrftoken".into(), "x".repeat(32))];
    settings.fixed_headers =
        vec![(HeaderName::from_static("x-csrftoken"), HeaderValue::from_bytes(&[b'x'; 32]).unwrap())];
    settings.body = Some("{\"active\":false}".into());
    let mut platform = provider("platform", ProviderKind::ForwardAuth(settings));
    platform.claims.subject = path("$.user_id");
    platform.claims.role = path("$.kind[*]");
    let recipient = |place| crate::policy::set::RecipientId(place);
    platform.roles = vec![
        ("learner".into(), recipient(1)),
        ("coach".into(), recipient(2)),
        ("admin".into(), recipient(3)),
    ];
    let room = Room::new(vec![platform]);
    let ask = async |session: &str, body: &str| {
        let sent =
            cookies(&[("visitor_id", "tracked"), ("kolibri", session), ("kolibri_csrftoken", "theirs")]);
        let fetch = Platform::new([answer(200, body)]);
        let identified = room.identify(&HeaderMap::new(), &sent, &fetch, noon()).await;
        assert_least_unless_accepted(&identified);
        let expected = format!("kolibri={session}; kolibri_csrftoken={}", "x".repeat(32));
        assert_eq!(fetch.seen.borrow()[0].headers()["cookie"].as_bytes(), expected.as_bytes());
        let caller = identified.caller;
        let recipients: Vec<u8> = caller.recipients.iter().map(|id| id.0).collect();
        (recipients, caller.subject.map(|text| text.expose().to_string()))
    };
    let id = Some("0123abcd".to_owned());
    assert_eq!(
        ask("a", r#"{"kind":["learner"],"user_id":"0123abcd","id":"current"}"#).await,
        (vec![1], id.clone())
    );
    let several = r#"{"kind":["admin","coach","can manage content"],"user_id":"0123abcd"}"#;
    assert_eq!(ask("b", several).await, (vec![2, 3], id));
    assert_eq!(ask("c", r#"{"kind":["anonymous"],"user_id":null}"#).await, (vec![0], None));
}
