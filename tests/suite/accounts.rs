//! Accounts whose owners are not kept out, answers that do not tell accounts apart, and routes around the login.

use http::{Method, StatusCode};
use serde_json::json;

use crate::support::{
    client::{Ask, Client, Reply, Version},
    folder::PolicyFolder,
    gateway::Gateway,
    redis::Redis,
    school::stop,
    tokens::Tokens,
    upstream::{Answer, Recorded, Upstream},
};

const COOKIE: &str = "__Host-rempart-device";
const ROUTES: &str = r#"
routes:
  - name: login
    owner: tests
    match: { host: "*", path: "/login", methods: [POST] }
    upstream: school
    purpose: account
    authentication: { account: username, secret: password, device_cookie: __Host-rempart-device, uniform: text }
  - name: django
    owner: tests
    match: { host: "*", path: "/django", methods: [POST] }
    upstream: school
    purpose: account
    personal_data: { exempt: "its pages hold nobody's data" }
    authentication: { account: username, secret: password, failure: { body: { text: errorlist } }, device_cookie: __Host-rempart-device }
  - name: moodle
    owner: tests
    match: { host: "*", path: "/moodle", methods: [POST] }
    upstream: school
    purpose: account
    authentication: { account: username, secret: password, failure: { location: "/login/index.php*" } }
  - name: api
    owner: tests
    match: { host: "*", path: "/api-login", methods: [POST] }
    upstream: school
    purpose: account
    authentication: { account: username, secret: password, failure: { body: { path: $.error } } }
  - name: forgotten
    owner: tests
    match: { host: "*", path: "/forgotten", methods: [POST] }
    upstream: school
    purpose: account
    authentication: { kind: reset, account: email, uniform: /sent }
    quotas: [resets]
  - name: code
    owner: tests
    match: { host: "*", path: "/code", methods: [POST] }
    upstream: school
    purpose: account
    authentication: { kind: second_factor, session: session, secret: code }
  - name: join
    owner: tests
    match: { host: "*", path: "/join", methods: [POST] }
    upstream: school
    purpose: account
    authentication: { kind: registration, per_address: { count: 7, per: 1 h } }
  - name: rest
    owner: tests
    match: { host: "*", path: "/api/{*rest}" }
    upstream: school
    purpose: account
    personal_data: { exempt: "nothing personal in this test" }
"#;

fn contains(bytes: &[u8], text: &str) -> bool {
    bytes.windows(text.len()).any(|part| part == text.as_bytes())
}

/// `right` is everybody's password; nobody exists but `alix`.
fn platform(request: &Recorded) -> Answer {
    let (right, known) = (contains(&request.body, "right"), contains(&request.body, "alix"));
    let html = &[("Content-Type", "text/html")];
    match request.target().as_str() {
        "/login" | "/code" if right => Answer::new(
            200,
            &[("Content-Type", "application/json"), ("Set-Cookie", "session=1; Path=/")],
            "{}",
        ),
        "/login" if known => Answer::new(401, &[("X-Failed", "1")], "wrong password"),
        "/login" => Answer::new(404, &[], "no such account"),
        "/django" if right => Answer::new(302, &[("Location", "/home")], ""),
        "/django" => Answer::new(200, html, "<ul class=errorlist>"),
        "/moodle" if right => Answer::new(303, &[("Location", "https://ecole.example/my/")], ""),
        "/moodle" => Answer::new(303, &[("Location", "https://ecole.example/login/index.php?e=1")], ""),
        "/api-login" if right => Answer::json(&json!({ "id": 1 })),
        "/api-login" => Answer::json(&json!({ "error": "invalid" })),
        "/forgotten" if known => Answer::json(&json!({ "sent": true })),
        "/forgotten" => Answer::new(404, &[], "no such account"),
        "/code" => Answer::new(403, &[], "wrong code"),
        _ => Answer::json(&json!({})),
    }
}

fn start(upstream: &Upstream, redis: Option<&Redis>) -> Gateway {
    let mut lines = "trusted_proxies: [127.0.0.0/8]
quotas: { resets: { by: address, count: 1000, per: 1 h } }"
        .to_owned();
    if let Some(redis) = redis {
        lines.push_str(&format!(
            "\nstore: {{ redis: {{ url: \"{}\", timeout: 3 s, replicas: 2 }} }}",
            redis.url()
        ));
    }
    let folder = PolicyFolder::new(upstream.address, &Tokens::new()).gateway(&lines);
    Gateway::start(folder.routes("accounts", ROUTES))
}

fn attempt(path: &str, account: &str, password: &str, address: &str) -> Ask {
    Ask::post_json(path, &json!({ "username": account, "password": password }))
        .header("x-forwarded-for", address)
}

/// The device cookie that an answer sets: name and value.
fn device(reply: &Reply) -> Option<String> {
    let fields = reply.header("set-cookie");
    let field = fields.iter().find(|field| field.starts_with(COOKIE))?;
    assert!(field.ends_with("; Max-Age=7776000; Path=/; Secure; HttpOnly; SameSite=Strict"), "{field}");
    Some(field.split(';').next().unwrap().to_owned())
}

/// The scenarios that hold for every store, over two gateways where they share one.
async fn owner_is_not_kept_out(redis: Option<&Redis>) {
    let upstream = Upstream::start(platform);
    let gateways = match redis {
        None => vec![start(&upstream, None)],
        Some(redis) => vec![start(&upstream, Some(redis)), start(&upstream, Some(redis))],
    };
    let clients: Vec<_> = gateways.iter().map(Client::new).collect();
    let client = |number: usize| &clients[number % clients.len()];

    let first = client(0).send(&attempt("/login", "alix", "right", "192.0.2.1")).await;
    let mut cookie = device(&first).expect("a device cookie");
    assert!(!cookie.contains("alix"));
    assert!(device(&client(0).send(&attempt("/login", "alix", "wrong", "192.0.2.1")).await).is_none());

    // An attacker from a thousand addresses; the owner comes in between, mistypes, and gets in.
    let mut attackers = Vec::new();
    for client in &clients {
        attackers.push(client.connect(Version::H2).await);
    }
    let mut reached = 0;
    for number in 0..1000usize {
        let address = format!("10.0.{}.{}", number / 250, number % 250);
        let attacker = number % attackers.len();
        let reply = attackers[attacker].send(&attempt("/login", "alix", "wrong", &address)).await;
        reached += usize::from(reply.status != 429);
        if number % 200 == 50 {
            for (password, expected) in [("wrong", 401), ("right", 200)] {
                let own = attempt("/login", "Alix", password, &address).header("cookie", &cookie);
                let reply = client(number + 1).send(&own).await;
                assert_eq!(reply.status, expected, "{number} {password}: {}", reply.text());
                if let Some(next) = device(&reply) {
                    assert_ne!(next, cookie, "a success gives another one");
                    cookie = next;
                }
            }
        }
    }
    assert_eq!(reached, 4, "one had failed before");
    let refused = client(0).send(&attempt("/login", "alix", "right", "198.51.100.9")).await;
    assert_eq!(refused.status, 429, "whoever has no cookie waits");

    // A cookie of another account, a forged one and one in two pieces help nobody, and are no error.
    let other = device(&client(0).send(&attempt("/login", "bob", "right", "192.0.2.2")).await).unwrap();
    let mut forged = cookie.clone();
    forged.replace_range(forged.len() - 8.., "AAAAAAAA");
    for bad in [other.as_str(), &forged, &format!("{COOKIE}=; {COOKIE}=x"), &format!("{COOKIE}=\"")] {
        let ask = attempt("/login", "alix", "right", "198.51.100.9").header("cookie", bad);
        assert_eq!(client(1).send(&ask).await.status, 429, "{bad}");
        let ask = attempt("/login", "carla", "right", "198.51.100.9").header("cookie", bad);
        assert_eq!(client(1).send(&ask).await.status, 200, "{bad}");
    }
    // A device fails as often as an account may.
    let mut passed = 0;
    for number in 0..9 {
        let ask = attempt("/login", "alix", "wrong", "192.0.2.3").header("cookie", &cookie);
        passed += usize::from(client(number).send(&ask).await.status != 429);
    }
    assert_eq!(passed, 5);
    let metric = |scope| {
        gateways.iter().map(|one| one.metric("rempart_rate_limited_total", &[("scope", scope)])).sum::<f64>()
    };
    assert!(metric("device") >= 4.0 && metric("account") >= 300.0);

    // The platform never saw it, on no route.
    let ask = Ask::get("/api/x").header("cookie", format!("{cookie}; session=2"));
    client(0).send(&ask).await;
    for request in upstream.requests() {
        let cookies = request.header("cookie").unwrap_or_default().to_owned();
        assert!(!cookies.contains("rempart"), "{cookies}");
    }
    if let Some(redis) = redis {
        let all = redis.everything();
        assert!(!all.contains("alix") && !all.contains("192.0.2"), "{all}");
    }
    for gateway in gateways {
        let stopped = stop(gateway).await;
        let journal = stopped.journal.text();
        assert!(journal.contains("\"reason\":\"device\"") || journal.contains("\"reason\":\"account\""));
        assert!(!journal.contains("alix") && !journal.contains(cookie.split('=').nth(1).unwrap()));
        assert!(!stopped.events.text().contains("alix"));
    }
}

#[tokio::test]
async fn nobody_keeps_the_owner_of_an_account_out_with_counters_in_memory() {
    owner_is_not_kept_out(None).await;
}

#[tokio::test]
async fn nobody_keeps_the_owner_of_an_account_out_with_two_gateways_on_one_redis() {
    owner_is_not_kept_out(Some(&Redis::start())).await;
}

#[tokio::test]
async fn answers_do_not_tell_accounts_apart() {
    let upstream = Upstream::start(platform);
    let gateway = start(&upstream, None);
    let client = Client::new(&gateway);
    let told = |reply: &Reply| {
        let mut headers: Vec<_> = reply
            .headers
            .iter()
            .filter(|(name, _)| *name != "date")
            .map(|(n, v)| format!("{n}: {v:?}"))
            .collect();
        headers.sort();
        (reply.status, headers, reply.text())
    };
    // Wrong, and then refused: the same for alix and for nobody.
    for number in 0..7 {
        let known = client.send(&attempt("/login", "alix", "wrong", &format!("203.0.113.{number}"))).await;
        let unknown =
            client.send(&attempt("/login", "nobody", "wrong", &format!("203.0.114.{number}"))).await;
        assert_eq!(
            known.status,
            if number < 5 { StatusCode::UNAUTHORIZED } else { StatusCode::TOO_MANY_REQUESTS }
        );
        assert_eq!(told(&known), told(&unknown), "{number}");
    }
    for number in 0..6 {
        let ask = |email: &str, network: u8| {
            Ask::post_form("/forgotten", &format!("email={email}"))
                .header("x-forwarded-for", format!("203.0.{network}.{number}"))
        };
        let (known, unknown) = (client.send(&ask("alix", 115)).await, client.send(&ask("nobody", 116)).await);
        assert_eq!(told(&known), told(&unknown), "{number}");
        if number < 5 {
            assert_eq!((known.status.as_u16(), known.header("location")), (303, vec!["/sent".to_owned()]));
            assert_eq!(known.header("ratelimit"), ["\"resets\";r=999;t=4"], "quotas are told all the same");
        } else {
            assert_eq!(known.status, 429, "each request counts");
        }
    }
    stop(gateway).await;
}

#[tokio::test]
async fn failures_are_known_whatever_they_look_like() {
    let upstream = Upstream::start(platform);
    let gateway = start(&upstream, None);
    let client = Client::new(&gateway);
    for path in ["/django", "/moodle", "/api-login"] {
        for number in 0..12 {
            let reply = client.send(&attempt(path, "alix", "right", "192.0.2.1")).await;
            assert_ne!(reply.status, 429, "{path} {number}");
            assert_eq!(device(&reply).is_some(), path == "/django", "{path}");
        }
        let mut passed = 0;
        for _ in 0..8 {
            let reply = client.send(&attempt(path, "alix", "wrong", "192.0.2.1")).await;
            assert!(device(&reply).is_none(), "{path}");
            passed += usize::from(reply.status != 429);
            if reply.status != 429 && path == "/django" {
                assert_eq!(reply.text(), "<ul class=errorlist>", "the answer that was read leaves whole");
            }
        }
        assert_eq!(passed, 5, "{path}");
    }
    assert_eq!(
        gateway.metric("rempart_login_attempts_total", &[("route", "moodle"), ("outcome", "failure")]),
        5.0
    );
    assert_eq!(
        gateway.metric("rempart_login_attempts_total", &[("route", "moodle"), ("outcome", "success")]),
        12.0
    );
    stop(gateway).await;
}

#[tokio::test]
async fn a_class_of_thirty_passes_behind_one_address() {
    let upstream = Upstream::start(platform);
    let gateway = start(&upstream, None);
    let client = Client::new(&gateway);
    for pupil in 0..30 {
        // Each mistypes up to four times.
        for try_ in 0..=pupil % 5 {
            let password = if try_ == pupil % 5 { "right" } else { "wrong" };
            let reply =
                client.send(&attempt("/api-login", &format!("pupil{pupil}"), password, "192.0.2.1")).await;
            assert_eq!(reply.status, 200, "{pupil} {try_}");
            assert_eq!(reply.text().contains("error"), password == "wrong", "{pupil} {try_}");
        }
    }
    stop(gateway).await;
}

#[tokio::test]
async fn codes_and_registrations_are_counted_too() {
    let upstream = Upstream::start(platform);
    let gateway = start(&upstream, None);
    let client = Client::new(&gateway);
    let code = |cookie: &str, address: &str| {
        Ask::post_json("/code", &json!({ "code": "000000" }))
            .header("cookie", cookie)
            .header("x-forwarded-for", address)
    };
    for number in 0..5 {
        let reply = client.send(&code("session=a%3Ab", &format!("203.0.113.{number}"))).await;
        assert_eq!(reply.status, 403, "{number}");
    }
    for (cookie, expected) in [
        ("session=a%3Ab", 429),
        ("session=a:b", 429),
        ("session=%61:b; other=1", 429),
        ("session=a:b; session=c", 400),
        ("session=c; session=a:b", 400),
        ("session=\"a:b\"", 400),
        ("session=c", 403),
    ] {
        assert_eq!(client.send(&code(cookie, "203.0.113.77")).await.status, expected, "{cookie}");
    }
    let join = |address: &str| {
        Ask::new(Method::POST, "/join")
            .header("content-type", "application/json")
            .body("{}")
            .header("x-forwarded-for", address)
    };
    for number in 0..9 {
        let expected = if number < 7 { 200 } else { 429 };
        assert_eq!(client.send(&join("192.0.2.5")).await.status, expected, "{number}");
    }
    assert_eq!(client.send(&join("192.0.2.6")).await.status, 200);
    stop(gateway).await;
}
