//! What the sample platform answers. It checks no right: whoever asks gets everything, as measured on real platforms.

use std::{io::Write, time::Duration};

use bytes::Bytes;
use flate2::{Compression, write::GzEncoder};
use http::{HeaderName, HeaderValue, Method, Request, Response, StatusCode, header};
use http_body_util::{BodyExt, Limited};
use hyper::body::Incoming;
use serde_json::{Value, json};

use super::{accounts::Sessions, body::Body, people, trackers::track};

type Answer = Response<Body>;

/// Longest request body that the platform reads, in bytes.
const REQUEST_BODY_MAX: usize = 1 << 20;

/// Largest `/api/big`, in MiB.
const BIG_MAX: u64 = 4096;

const PAGE: &str = "<!doctype html>\n<html lang=\"fr\"><head><meta charset=\"utf-8\"><title>École d'exemple</title>\
    <script src=\"/static/app.js\" defer></script></head>\n<body><h1>École d'exemple</h1><p>Une plateforme \
    fictive derrière Rempart.</p><ul><li><a href=\"/api/learners\">Élèves</a></li><li><a href=\"/api/classes\">\
    Classes</a></li><li><a href=\"/api/results\">Résultats</a></li></ul></body></html>\n";

const SCRIPT: &str =
    "document.cookie = 'visitor_script=1; max-age=31536000; path=/';\nconsole.log('sample platform');\n";

/// One strong tag for the plain and the gzip form, as real static file servers have it.
const SCRIPT_TAG: &str = "\"app-1f0c9b\"";

/// Answers one request.
pub(super) async fn answer(sessions: &Sessions, request: Request<Incoming>) -> Answer {
    let (head, body) = request.into_parts();
    let path = head.uri.path();
    let query = |name: &str| -> Option<String> {
        form_urlencoded::parse(head.uri.query().unwrap_or("").as_bytes())
            .find(|(key, _)| key == name)
            .map(|(_, value)| value.into_owned())
    };
    let number = |name: &str, otherwise: u64| query(name).and_then(|n| n.parse().ok()).unwrap_or(otherwise);
    let reads = head.method == Method::GET || head.method == Method::HEAD;

    if let Some(id) = path.strip_prefix("/api/learners/") {
        let Some(learner) = people::learner(id) else {
            return text(StatusCode::NOT_FOUND, "unknown learner\n");
        };
        return match head.method {
            Method::GET | Method::HEAD => json_answer(&learner.to_json()),
            Method::PATCH | Method::PUT => match read(body).await {
                Some(bytes) => echo_change(learner.to_json(), &bytes),
                None => text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n"),
            },
            _ => text(StatusCode::METHOD_NOT_ALLOWED, "GET, PATCH or PUT\n"),
        };
    }
    match path {
        "/" if reads => page(),
        "/api/learners" if reads => json_answer(&people::learners()),
        "/api/classes" if reads => json_answer(&people::classes()),
        "/api/results" if reads => {
            json_answer(&people::results(usize::try_from(number("page", 1)).unwrap_or(usize::MAX)))
        }
        "/api/login" if head.method == Method::POST => match read(body).await {
            Some(bytes) => {
                let content_type = head.headers.get(header::CONTENT_TYPE).map(HeaderValue::as_bytes);
                sign_in(sessions, content_type, &bytes)
            }
            None => text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n"),
        },
        "/api/logout" if head.method == Method::POST => {
            sessions.sign_out(&head.headers);
            let mut answer = Response::new(Body::empty());
            *answer.status_mut() = StatusCode::NO_CONTENT;
            let ended = HeaderValue::from_static("session=\"\"; Path=/; Max-Age=0");
            answer.headers_mut().append(header::SET_COOKIE, ended);
            answer
        }
        "/api/session" => match sessions.who(&head.headers) {
            Some(who) => json_answer(&who),
            None => status_json(StatusCode::UNAUTHORIZED, &json!({ "role": "nobody" })),
        },
        "/api/echo" => match read(body).await {
            Some(bytes) => echo(&head, &bytes),
            None => text(StatusCode::PAYLOAD_TOO_LARGE, "too long\n"),
        },
        "/export/learners.csv" if reads => csv(),
        "/api/events" if reads => events(number("count", 5).min(1000), number("pause_ms", 300).min(60_000)),
        "/static/app.js" if reads => script(&head.headers),
        "/api/gzip" if reads => always_gzip(),
        "/api/big" if reads => big(number("mb", 10).min(BIG_MAX)),
        "/api/broken" if reads => broken(query("kind").as_deref()),
        "/api/slow" => {
            tokio::time::sleep(Duration::from_millis(number("ms", 2000).min(120_000))).await;
            json_answer(&json!({ "slow": true }))
        }
        _ => text(StatusCode::NOT_FOUND, "not found\n"),
    }
}

async fn read(body: Incoming) -> Option<Bytes> {
    Some(Limited::new(body, REQUEST_BODY_MAX).collect().await.ok()?.to_bytes())
}

fn with(content_type: &'static str, body: Body) -> Answer {
    let mut answer = Response::new(body);
    answer.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static(content_type));
    answer
}

fn text(status: StatusCode, body: &'static str) -> Answer {
    let mut answer = with("text/plain; charset=utf-8", Body::whole(body));
    *answer.status_mut() = status;
    answer
}

fn status_json(status: StatusCode, document: &Value) -> Answer {
    let mut answer = with("application/json", Body::whole(document.to_string()));
    *answer.status_mut() = status;
    answer
}

fn json_answer(document: &Value) -> Answer {
    let mut answer = status_json(StatusCode::OK, document);
    answer.headers_mut().insert(header::ETAG, HeaderValue::from_static("\"visitor-7f3c9a52e1\""));
    track(answer.headers_mut());
    answer
}

fn page() -> Answer {
    let mut answer = with("text/html; charset=utf-8", Body::whole(PAGE));
    track(answer.headers_mut());
    answer
}

/// A changed record comes back in full, personal values and all.
fn echo_change(mut record: Value, change: &[u8]) -> Answer {
    let (Some(fields), Ok(Value::Object(changes))) = (record.as_object_mut(), serde_json::from_slice(change))
    else {
        return text(StatusCode::BAD_REQUEST, "an object is needed\n");
    };
    fields.extend(changes);
    json_answer(&record)
}

fn sign_in(sessions: &Sessions, content_type: Option<&[u8]>, body: &[u8]) -> Answer {
    let value = match sessions.sign_in(content_type, body) {
        Ok(value) => value,
        Err(status) => return status_json(status, &json!({ "error": status.canonical_reason() })),
    };
    let mut answer = json_answer(&json!({ "signed_in": true }));
    for cookie in [
        format!("session={value}; Path=/; HttpOnly; SameSite=Lax; Max-Age=1209600"),
        "demo_csrftoken=c5rf0c5rf0c5rf0; Path=/; SameSite=Lax; Max-Age=31449600".to_owned(),
    ] {
        if let Ok(cookie) = HeaderValue::from_maybe_shared(Bytes::from(cookie)) {
            answer.headers_mut().append(header::SET_COOKIE, cookie);
        }
    }
    answer
}

/// What reached the platform: shows which cookies, headers and parameters the gateway let through.
fn echo(head: &http::request::Parts, body: &[u8]) -> Answer {
    let headers: Vec<Value> = head
        .headers
        .iter()
        .map(|(name, value)| json!([name.as_str(), String::from_utf8_lossy(value.as_bytes())]))
        .collect();
    json_answer(&json!({
        "method": head.method.as_str(),
        "target": head.uri.to_string(),
        "headers": headers,
        "body_bytes": body.len(),
    }))
}

fn csv() -> Answer {
    let mut answer = with("text/csv", Body::whole(people::learners_csv()));
    // Latin-1 in a header value, as real exports have it: it must pass unharmed.
    if let Ok(value) = HeaderValue::from_bytes(b"attachment; filename=\"Lyc\xe9e.csv\"") {
        answer.headers_mut().insert(header::CONTENT_DISPOSITION, value);
    }
    answer
}

/// Progress of a class, without a name in it.
fn events(count: u64, pause_ms: u64) -> Answer {
    let events = (1..=count).map(|n| {
        let data = json!({ "class": "6A", "exercise": "fractions", "finished": n });
        Bytes::from(format!("event: progress\nid: {n}\ndata: {data}\n\n"))
    });
    let mut answer = with("text/event-stream", Body::paced(events, Duration::from_millis(pause_ms)));
    answer.headers_mut().insert(header::CACHE_CONTROL, HeaderValue::from_static("no-cache"));
    answer
}

fn script(headers: &http::HeaderMap) -> Answer {
    let not_modified = headers.get_all(header::IF_NONE_MATCH).iter().any(|value| {
        value.as_bytes().split(|&byte| byte == b',').any(|tag| tag.trim_ascii() == SCRIPT_TAG.as_bytes())
    });
    let gzip = headers.get_all(header::ACCEPT_ENCODING).iter().any(|value| {
        value.as_bytes().split(|&byte| byte == b',').any(|coding| coding.trim_ascii() == b"gzip")
    });
    let mut answer = match (not_modified, gzip) {
        (true, _) => Response::new(Body::empty()),
        (false, true) => {
            let mut answer = with("text/javascript; charset=utf-8", Body::whole(gzipped(SCRIPT.as_bytes())));
            answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
            answer
        }
        (false, false) => with("text/javascript; charset=utf-8", Body::whole(SCRIPT)),
    };
    if not_modified {
        *answer.status_mut() = StatusCode::NOT_MODIFIED;
    }
    for (name, value) in [
        (header::ETAG, SCRIPT_TAG),
        (header::VARY, "Accept-Encoding"),
        (header::CACHE_CONTROL, "public, max-age=3600"),
    ] {
        answer.headers_mut().insert::<HeaderName>(name, HeaderValue::from_static(value));
    }
    track(answer.headers_mut());
    answer
}

/// Compressed whatever the caller accepts: some servers do.
fn always_gzip() -> Answer {
    let mut answer =
        with("application/json", Body::whole(gzipped(people::learners().to_string().as_bytes())));
    answer.headers_mut().insert(header::CONTENT_ENCODING, HeaderValue::from_static("gzip"));
    answer
}

fn gzipped(bytes: &[u8]) -> Bytes {
    let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
    // Writing to memory cannot fail; an empty body would show at once.
    let written = encoder.write_all(bytes).and_then(|()| encoder.finish());
    written.map(Bytes::from).unwrap_or_default()
}

/// A list of records of at least `mib` MiB, the same block of records repeated.
fn big(mib: u64) -> Answer {
    let mut block = String::new();
    while block.len() < 64 << 10 {
        for learner in people::LEARNERS {
            block.push_str(",\n");
            block.push_str(&learner.to_json().to_string());
        }
    }
    let opening = Bytes::from(format!("[{}", people::LEARNERS[0].to_json()));
    with("application/json", Body::repeated(opening, block.into(), Bytes::from_static(b"\n]\n"), mib << 20))
}

fn broken(kind: Option<&str>) -> Answer {
    let whole = people::learners().to_string();
    let half = whole.split_at(whole.floor_char_boundary(whole.len() / 2)).0.to_owned();
    match kind {
        // The connection breaks in the middle.
        Some("cut") => with("application/json", Body::cut(half)),
        // A comma where a value should be.
        Some("malformed") => {
            with("application/json", Body::whole(whole.replacen("\"email\":", "\"email\":,", 1)))
        }
        // A complete response whose document is not.
        _ => with("application/json", Body::whole(half)),
    }
}
