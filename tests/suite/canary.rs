//! Secrets planted in every place that a client or a platform can write to, through every kind of outcome: none of them
//! may be found in the journal, in operator events, in metrics, or in the counter store.

use crate::support::{
    PATIENCE,
    client::{Ask, Client, Version, read_all},
    folder::PolicyFolder,
    gateway::Gateway,
    redis::Redis,
    school::{ROUTES, SESSION_PROVIDER, stop},
    tokens::Tokens,
    upstream::{Answer, Recorded, Step, Upstream, head},
};
use http::Method;
use serde_json::json;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
    time::timeout,
};

/// Part of every planted secret, in whatever case.
const CANARY: &str = "cnry";

const MORE_ROUTES: &str = r#"
routes:
  - name: login
    owner: tests
    match: { host: "*", path: "/login", methods: [POST] }
    upstream: school
    purpose: account
    authentication:
      account: username
      secret: password
      failure: [401]
      per_account: { failures: 3 }
      device_cookie: __Host-rempart-device
  - name: socket
    owner: tests
    match: { host: "*", path: "/socket/{*rest}" }
    upstream: school
    purpose: account
    websocket: true
    personal_data: { exempt: "nothing personal in this test" }
  - name: slow
    owner: tests
    match: { host: "*", path: "/slow/{*rest}" }
    upstream: school
    purpose: account
    response_timeout: 300 ms
  - name: gone
    owner: tests
    match: { host: "*", path: "/gone/{*rest}" }
    upstream: gone
    purpose: account
  - name: members
    owner: tests
    match: { host: "*", path: "/members/{*rest}" }
    upstream: school
    purpose: account
    require_identity: true
"#;

/// Two routes that say what they answer, and two ways to take what they did not say.
const DECLARED: &str = r#"
routes:
  - name: reported
    owner: tests
    match: { host: "*", path: "/report/{*rest}" }
    upstream: school
    purpose: account
    personal_data: { record: "$.results[*]", subject: id, fields: { id: not_personal, own_word: not_personal }, unknown: report }
  - name: denied
    owner: tests
    match: { host: "*", path: "/deny/{*rest}" }
    upstream: school
    purpose: account
    personal_data: { record: "$.results[*]", subject: id, fields: { id: not_personal }, unknown: deny }
"#;

/// Header fields of an answer that carry a secret each.
const PLANTED: [(&str, &str); 6] = [
    ("Content-Type", "application/json"),
    ("X-Answer-Cnry", "v-cnry-1"),
    ("Set-Cookie", "cnry_tracker=cnry-2; Path=/cnry"),
    ("Set-Cookie", "session=cnry-3; Comment=cnry"),
    ("ETag", "\"cnry-4\""),
    ("Location", "/cnry?cnry=5"),
];

fn script(request: &Recorded) -> Answer {
    let document = json!({
        "id": "cnry-6", "full_name": "Cnry Person", "email": "cnry@x", "cnry_key": { "cnry": ["cnry"] },
        "birth_date": "cnry", "gender": "cnry", "ine": "cnry", "classrooms": ["cnry"], "results": "cnry",
    });
    let target = request.target();
    let ends = |end: &str| target.split('?').next().unwrap().ends_with(end);
    if target == "/who" {
        return Answer::new(500, &PLANTED, "cnry is not JSON");
    }
    if target.starts_with("/login") {
        return Answer::new(401, &PLANTED, document.to_string());
    }
    if target.starts_with("/socket") {
        return Answer::raw(
            "HTTP/1.1 101 Cnry\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Cnry: cnry\r\n\r\ncnry-frame",
        );
    }
    if target.starts_with("/slow") {
        return Answer(vec![]);
    }
    match () {
        () if ends("broken") => Answer::new(200, &PLANTED, "{\"full_name\": cnry}"),
        () if ends("cut") => Answer::long("[", &format!("{document},"), 2000, "cnry").then(Step::Close),
        () if ends("garbage") => Answer::raw("HTTP/9.9 cnry\r\nX Cnry\r\n\r\ncnry").then(Step::Close),
        () if ends("coding") => {
            Answer::new(200, &[PLANTED[0], ("Content-Encoding", "cnry")], document.to_string())
        }
        () if ends("type") => Answer::new(200, &[("Content-Type", "text/cnry; charset=cnry")], "cnry"),
        () if ends("error") => Answer::new(500, &PLANTED, document.to_string()),
        () if ends("redirect") => Answer::new(302, &PLANTED, ""),
        () if ends("reset") => Answer::raw(head(200, &PLANTED)).then(Step::Close),
        () if ends("endless") => Answer(vec![
            Step::Bytes(head(200, &[("Content-Type", "text/cnry")])),
            Step::Repeat(b"cnry".to_vec(), 8 << 20),
        ]),
        () => Answer::json(&document),
    }
}

/// A request with a secret in every place.
fn planted(method: Method, path: &str, token: &str) -> Ask {
    let separator = if path.contains('?') { '&' } else { '?' };
    let body = if matches!(method, Method::GET | Method::HEAD) { "" } else { "{\"cnry\":\"cnry-body\"}" };
    Ask::new(
        method,
        &format!("{path}{separator}cnry-name=cnry-value&agent=%7B%22cnry%22%3A%22cnry%40x%22%7D"),
    )
    .bearer(token)
    .header("x-cnry-header", "cnry-header-value")
    .header("cookie", "cnry_cookie=cnry-cookie; session=cnry-session; cnry|user=a:=\"cnry\"")
    .header("user-agent", "cnry-agent")
    .header("referer", "https://cnry.example/cnry?cnry")
    .header("origin", "https://cnry.example")
    .header("x-forwarded-for", "cnry")
    .header("if-none-match", "\"cnry-rp0123456789abcdef\"")
    .header("content-type", "application/json")
    .body(body)
}

#[track_caller]
fn assert_silent(name: &str, text: &str) {
    let lower = text.to_ascii_lowercase();
    // Also as hexadecimal digits and as Base64 would spell it at each of its three offsets.
    for form in [CANARY, "636e7279", "y25ye", "nucnk", "jbnj5"] {
        if let Some(at) = lower.find(form) {
            let from = text.floor_char_boundary(at.saturating_sub(200));
            let to = text.ceil_char_boundary((at + 200).min(text.len()));
            panic!("{name} holds a secret: …{}…", &text[from..to]);
        }
    }
}

async fn drive(redis: Option<&Redis>) {
    let upstream = Upstream::start(script);
    let tokens = Tokens::new();
    let mut lines = format!(
        "{SESSION_PROVIDER}\nlimits: {{ uri_bytes: 2 KiB, header_bytes: 8 KiB, body_bytes: 64 KiB }}\ntrusted_proxies: [127.0.0.0/8]"
    );
    if let Some(redis) = redis {
        lines.push_str(&format!(
            "\nstore: {{ redis: {{ url: \"{}\", timeout: 1 s, replicas: 1 }} }}",
            redis.url()
        ));
    }
    let folder = PolicyFolder::new(upstream.address, &tokens)
        .gateway(&lines)
        .routes("school", ROUTES)
        .routes("more", MORE_ROUTES);
    let school = format!("    school: {{ endpoints: \"http://{}\" }}\n", upstream.address);
    let gone = format!("    gone: {{ endpoints: \"http://{}\" }}\n", Upstream::nowhere());
    folder.replace("gateway.yaml", &school, &format!("{school}{gone}"));
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    let token = tokens.of("cnry-subject", "learner", &["cnry-group"], &["cnry-ward"]);
    let marketing = tokens.of("cnry-other", "marketing", &[], &[]);
    let role = tokens.of("cnry-role", "cnry-role", &[], &[]);

    let cases: [(Method, &str, u16); 28] = [
        (Method::GET, "/api/cnry", 200),
        (Method::HEAD, "/api/cnry", 200),
        (Method::POST, "/api/cnry", 200),
        (Method::GET, "/api/%63nry/%C3%A9cnry", 200),
        (Method::GET, "/free/cnry/cnry", 200),
        (Method::DELETE, "/free/cnry", 200),
        (Method::GET, "/exempt/cnry", 200),
        (Method::GET, "/exempt/cnry/redirect", 302),
        (Method::GET, "/api/cnry/error", 500),
        (Method::GET, "/api/cnry/broken", 502),
        (Method::GET, "/free/cnry/broken", 502),
        (Method::GET, "/api/cnry/garbage", 502),
        (Method::GET, "/api/cnry/coding", 502),
        (Method::GET, "/api/cnry/type", 502),
        (Method::GET, "/nowhere/cnry", 404),
        (Method::from_bytes(b"CNRY").unwrap(), "/api/cnry", 200),
        (Method::GET, "/login", 405),
        (Method::GET, "/api/cnry%2fcnry", 400),
        (Method::GET, "/api/cnry/..;/cnry", 400),
        (Method::GET, "/nowhere//cnry", 400),
        (Method::GET, "/api/cnry%00", 400),
        (Method::GET, "/gone/cnry", 502),
        (Method::GET, "/slow/cnry", 504),
        (Method::CONNECT, "/cnry", 501),
        (Method::TRACE, "/api/cnry", 501),
        (Method::GET, "/socket/cnry/error", 502),
        (Method::OPTIONS, "/api/cnry", 200),
        // Nobody of these sees birth dates of anybody.
        (Method::GET, "/api/cnry?birth_date=cnry", 403),
    ];
    for version in [Version::H1, Version::H2] {
        for (method, path, expected) in &cases {
            if *method == Method::CONNECT && version == Version::H2 {
                continue;
            }
            for token in [&token, &marketing, &role] {
                let mut connection = client.connect(version).await;
                let ask = planted(method.clone(), path, token);
                let reply = connection.try_send(&ask).await;
                match reply {
                    Ok(reply) => assert_eq!(reply.status, *expected, "{version:?} {method} {path}"),
                    Err(error) => assert!(*expected >= 400, "{version:?} {method} {path}: {error}"),
                }
            }
        }
        let mut connection = client.connect(version).await;
        let bad = [
            ("members", planted(Method::GET, "/members/cnry", "cnry.cnry.cnry"), 401),
            ("long", planted(Method::GET, &format!("/api/{}", "cnry".repeat(800)), &token), 414),
            ("wide", planted(Method::GET, "/api/x", &token).header("x-wide", "cnry".repeat(3000)), 431),
            ("large", planted(Method::POST, "/api/x", &token).body("cnry".repeat(20_000)), 413),
            ("host", planted(Method::GET, "/api/cnry", &token).host("cnry.example"), 200),
        ];
        for (name, ask, expected) in bad {
            match connection.try_send(&ask).await {
                Ok(reply) => assert_eq!(reply.status, expected, "{version:?} {name}"),
                Err(error) => assert!(expected >= 400, "{version:?} {name}: {error}"),
            }
            connection = client.connect(version).await;
        }
        // Cut in the middle, and a client that goes away.
        let reply = connection.send(&planted(Method::GET, "/api/cnry/cut", &token)).await;
        assert!(!reply.complete);
        let mut connection = client.connect(version).await;
        let response = connection.open(&planted(Method::GET, "/exempt/cnry/endless", &token)).await.unwrap();
        drop((response, connection));
        // A platform that dies with its head sent.
        let mut connection = client.connect(version).await;
        let _ended = connection.try_send(&planted(Method::GET, "/free/cnry/reset", &token)).await;
    }

    // Guesses until they are refused, for one account and with odd bodies.
    let mut last = 0;
    for guess in 0..5 {
        let body = json!({ "username": "Cnry-Account", "password": format!("cnry-{guess}") });
        let ask = Ask::post_json("/login?cnry=cnry", &body).header("x-forwarded-for", "203.0.113.9");
        last = client.send(&ask).await.status.as_u16();
    }
    assert_eq!(last, 429);
    let form = Ask::post_form("/login", "username=cnry-form&password=cnry");
    assert_eq!(client.send(&form).await.status, 401);
    let odd = Ask::new(Method::POST, "/login").header("content-type", "application/json").body("{\"cnry\":");
    assert!(client.send(&odd).await.status.is_client_error());
    let large = Ask::new(Method::POST, "/login").body("cnry".repeat(40_000));
    let refused = client.connect(Version::H1).await.try_send(&large).await;
    assert!(refused.is_err() || refused.is_ok_and(|reply| reply.status == 413));

    // A WebSocket with secrets in its frames.
    let mut socket = client.handshake(client.tls(&[b"http/1.1"])).await.unwrap();
    let upgrade = "GET /socket/cnry HTTP/1.1\r\nHost: ecole.example\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
                   Sec-WebSocket-Key: Y25yeWNucnljbnJ5Y25yeQ==\r\nSec-WebSocket-Version: 13\r\n\r\n";
    socket.write_all(upgrade.as_bytes()).await.unwrap();
    let mut seen = Vec::new();
    while !seen.ends_with(b"cnry-frame") {
        let mut block = [0; 1024];
        let read = timeout(PATIENCE, socket.read(&mut block)).await.unwrap().unwrap();
        assert!(read > 0, "{}", String::from_utf8_lossy(&seen));
        seen.extend_from_slice(&block[..read]);
    }
    socket.write_all(b"cnry-frame").await.unwrap();
    socket.shutdown().await.unwrap();
    drop(socket);

    // What is no HTTP, and no TLS.
    for bytes in [
        &b"GET /cnry HTTP/1.1\r\ncnry cnry\r\n\r\n"[..],
        b"POST /api/cnry HTTP/1.1\r\nHost: cnry\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\ncnry",
        b"\0cnry cnry cnry\r\n\r\n",
        b"POST /api/cnry HTTP/1.1\r\nHost: cnry\r\nTransfer-Encoding: chunked\r\n\r\ncnry\r\n",
        b"GET /api/cnry HTTP/1.1\r\nHost: cnry@cnry:cnry\r\n\r\n",
    ] {
        client.bytes(bytes).await;
    }
    for address in [gateway.https, gateway.http.unwrap(), gateway.admin] {
        let mut socket = TcpStream::connect(address).await.unwrap();
        socket
            .write_all(
                b"GET /cnry?cnry=cnry HTTP/1.1\r\nHost: cnry\r\nCnry: cnry\r\nConnection: close\r\n\r\n",
            )
            .await
            .unwrap();
        read_all(&mut socket, std::time::Duration::from_secs(1)).await;
    }
    // A name that nobody knows, in the handshake itself.
    let name = rustls::pki_types::ServerName::try_from("cnry.example").unwrap();
    let connector = tokio_rustls::TlsConnector::from(std::sync::Arc::new(client.tls(&[b"cnry"])));
    let socket = TcpStream::connect(gateway.https).await.unwrap();
    let _refused = connector.connect(name, socket).await;

    // A file of the policy that cannot be read is the operator's own text, but its errors go only to them; requests
    // meanwhile are none of it.
    gateway.wait_metric("rempart_requests_total", &[("method", "OTHER")], 6.0);
    assert_silent("/metrics", &gateway.metrics());
    if let Some(redis) = redis {
        assert!(redis.keys() > 0, "the store was used");
        assert_silent("redis", &redis.everything());
        assert!(redis.command(&["INFO", "ALL"]).unwrap().contains("cmdstat"), "the store answers");
    }
    let served = upstream.requests();
    assert!(
        served.iter().any(|request| request.target().contains("cnry")),
        "secrets reached the platform only"
    );
    let stopped = stop(gateway).await;
    let journal = stopped.journal.text();
    assert!(stopped.journal.json().len() > 150, "{} records", stopped.journal.json().len());
    for decision in
        ["forwarded", "refused", "throttled", "upgraded", "unreadable", "upstream_failed", "redirected"]
    {
        let found = journal.contains(&format!("\"decision\":\"{decision}\""));
        assert!(found || decision == "redirected", "no record of {decision}");
    }
    assert!(journal.contains("\"termination\":\"client_gone\""));
    assert!(journal.contains("\"termination\":\"redaction_cut\""));
    assert_silent("the journal", &journal);
    assert_silent("stderr", &stopped.events.text());
}

#[tokio::test]
async fn no_secret_is_kept_with_counters_in_memory() {
    drive(None).await;
}

#[tokio::test]
async fn no_secret_is_kept_with_counters_in_redis() {
    drive(Some(&Redis::start())).await;
}

/// A body: its name, type and text, and the places that are told where what is unknown is reported, and denied.
type Strange = (&'static str, &'static str, &'static str, &'static [&'static str], &'static [&'static str]);

/// Members whose names are data, in every format, beside members that everybody's interfaces have.
#[tokio::test]
async fn names_that_are_data_are_told_to_nobody() {
    let bodies: [Strange; 7] = [
        (
            "json",
            "application/json",
            r#"{"count":1,"cnry":{"last_modified":2},"results":[{"id":1,"last_modified":3,"Cnry Person":4,"cn\u0072y@x.fr":5,
                "cnry-a-name-that-is-longer-than-what-is-remembered":6,"own_word":[{"cnry":{"status":7}}]}]}"#,
            &["$.count", "$.?.last_modified", "$.results[*].last_modified", "$.results[*].?"],
            &["$.count", "$.?", "$.results[*].last_modified", "$.results[*].?", "$.results[*].own_word"],
        ),
        (
            "lines",
            "application/x-ndjson",
            "{\"cnry\":1}\n{\"status\":2,\"cnry-2\":3}\n",
            &["$.?", "$.status"],
            &["$.?", "$.status"],
        ),
        (
            "events",
            "text/event-stream",
            "data: {\"cnry\":1,\"status\":2}\n\n",
            &["$.?", "$.status"],
            &["$.?", "$.status"],
        ),
        ("table", "text/csv", "status,cnry\r\n1,2\r\n", &["…status", "…?"], &["…status", "…?"]),
        (
            "form",
            "application/x-www-form-urlencoded",
            "status=1&cnry=2",
            &["…status", "…?"],
            &["…status", "…?"],
        ),
        (
            "xml",
            "application/xml",
            "<results><row><status>1</status><cnry cnry='2'>3</cnry></row></results>",
            &["…status", "…?"],
            &["…status", "…?"],
        ),
        ("text", "application/json", r#""cnry""#, &["$"], &["$"]),
    ];
    let upstream = Upstream::start(move |request| {
        let target = request.target();
        match bodies.iter().find(|(name, ..)| target.ends_with(name)) {
            Some((_, kind, body, ..)) => Answer::new(200, &[("Content-Type", kind)], body),
            None => Answer::new(404, &[], ""),
        }
    });
    let tokens = Tokens::new();
    let folder = PolicyFolder::new(upstream.address, &tokens).routes("declared", DECLARED);
    let gateway = Gateway::start(folder);
    let client = Client::new(&gateway);
    let mut records = 0;
    for (name, _, _, reported, denied) in bodies {
        for (way, places) in [("report", reported), ("deny", denied)] {
            let reply = client.send(&Ask::get(&format!("/{way}/{name}"))).await;
            assert_eq!(reply.status, 200, "{way} {name}");
            records += 1;
            let record = gateway.wait_journal(records).pop().unwrap();
            assert_eq!(record["unknown_places"], json!(places), "{way} {name}");
        }
    }
    let metrics = gateway.metrics();
    assert!(metrics.contains("rempart_unknown_fields_total{route=\"denied\"}"), "{metrics}");
    assert_silent("/metrics", &metrics);
    let stopped = stop(gateway).await;
    assert_silent("the journal", &stopped.journal.text());
    assert_silent("stderr", &stopped.events.text());
}
