use std::{
    collections::HashMap,
    net::{IpAddr, SocketAddr},
    path::Path,
    sync::Arc,
};

use http::Method;
use http_body_util::{BodyExt, Full};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpListener,
};

use super::*;
use crate::{
    policy::set::{Concurrency, ConcurrencyLimit, Endpoint, Outliers, PolicySet, Resilience},
    upstream::Dialers,
};

const MS: Duration = Duration::from_millis(1);
const OK: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\n\r\nok";

/// What a server does with one request.
#[derive(Clone, Copy)]
enum Does {
    Answer(&'static [u8]),
    Close,
    Hang,
}

/// A server on a loopback address of its own that does one thing after the other, the last for ever.
struct Server {
    address: SocketAddr,
    requests: Rc<Cell<usize>>,
    connections: Rc<Cell<usize>>,
}

async fn server(script: &'static [Does]) -> Server {
    let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let server = Server {
        address: listener.local_addr().unwrap(),
        requests: Rc::default(),
        connections: Rc::default(),
    };
    let (requests, connections) = (Rc::clone(&server.requests), Rc::clone(&server.connections));
    tokio::task::spawn_local(async move {
        while let Ok((mut socket, _)) = listener.accept().await {
            connections.set(connections.get() + 1);
            let requests = Rc::clone(&requests);
            tokio::task::spawn_local(async move {
                let mut bytes = vec![0; 4096];
                while socket.read(&mut bytes).await.is_ok_and(|read| read > 0) {
                    let number = requests.get();
                    requests.set(number + 1);
                    match script[number.min(script.len() - 1)] {
                        Does::Answer(answer) => socket.write_all(answer).await.unwrap(),
                        Does::Close => return,
                        Does::Hang => std::future::pending().await,
                    }
                }
            });
        }
    });
    server
}

fn nowhere() -> SocketAddr {
    std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap()
}

fn resilience() -> Resilience {
    Resilience {
        outliers: Some(Outliers {
            failures: 3,
            rate: 1.0,
            requests: 1000,
            statuses: Vec::new(),
            eject: MS * 60_000,
            longest: MS * 60_000,
            at_most: 0.5,
        }),
        retries: Some(Retries {
            connect: true,
            reset: true,
            timeout: false,
            unavailable: false,
            attempts: 3,
            budget: 0.0,
            least: 100,
            try_timeout: None,
        }),
        ..Resilience::default()
    }
}

fn upstreams(endpoints: &[SocketAddr], resilience: Resilience) -> (Upstreams<Full<Bytes>>, Fleet) {
    let mut policy: Arc<PolicySet> = crate::telemetry::sample::policy(Path::new(""));
    let upstream = &mut Arc::get_mut(&mut policy).unwrap().gateway.upstreams[0];
    upstream.endpoints =
        endpoints.iter().map(|at| Endpoint { host: at.ip().to_string(), port: at.port() }).collect();
    upstream.idle_connections = 10;
    upstream.idle_timeout = MS * 60_000;
    upstream.resilience = resilience;
    let fleet = Fleet::build(&policy, &Dialers::build(&policy, None).unwrap(), None, Instant::now());
    let worker = WorkerShare { index: 0, workers: 1 };
    (Upstreams::build(&fleet, None, Deadlines::start(), worker), fleet)
}

async fn send(
    upstreams: &Upstreams<Full<Bytes>>,
    method: Method,
    body: &'static str,
) -> Result<Sent<Full<Bytes>>, UpstreamError> {
    let mut request = Request::new(Full::new(Bytes::from_static(body.as_bytes())));
    *request.method_mut() = method;
    request.headers_mut().insert("host", http::HeaderValue::from_static("x"));
    let activity = Cell::new(Instant::now());
    let terms = Terms {
        response_timeout: MS * 700,
        is_patient: true,
        progress: MS * 700,
        activity: &activity,
        priority: Priority::Normal,
        affinity: None,
    };
    upstreams.send(UpstreamId(0), request, &terms).await
}

async fn status(
    upstreams: &Upstreams<Full<Bytes>>,
    method: Method,
    body: &'static str,
) -> Result<u16, UpstreamError> {
    let sent = send(upstreams, method, body).await?;
    let status = sent.response.status().as_u16();
    sent.response.into_body().collect().await?;
    Ok(status)
}

fn local<F: Future>(future: F) -> F::Output {
    let mut builder = tokio::runtime::Builder::new_current_thread();
    builder.enable_all().build_local(Default::default()).unwrap().block_on(future)
}

#[test]
fn an_endpoint_that_accepts_nothing_costs_nobody_an_answer() {
    local(async {
        let alive = server(&[Does::Answer(OK)]).await;
        let (upstreams, _) = upstreams(&[nowhere(), alive.address, nowhere()], resilience());
        for method in [Method::GET, Method::POST, Method::GET, Method::POST, Method::GET] {
            assert_eq!(status(&upstreams, method, "").await, Ok(200));
        }
        assert_eq!(alive.requests.get(), 5);
    });
    local(async {
        let mut off = resilience();
        off.retries = None;
        let (upstreams, _) = upstreams(&[nowhere(), nowhere()], off);
        assert_eq!(status(&upstreams, Method::GET, "").await, Err(UpstreamError::Unreachable));
    });
}

#[test]
fn a_reset_is_tried_elsewhere_if_the_request_may_be_sent_twice() {
    local(async {
        let (bad, good) = (server(&[Does::Close]).await, server(&[Does::Answer(OK)]).await);
        let (upstreams, _) = upstreams(&[bad.address, good.address], resilience());
        for method in [Method::GET, Method::DELETE, Method::PUT, Method::GET] {
            assert_eq!(status(&upstreams, method, "").await, Ok(200));
        }
        assert_eq!(good.requests.get(), 4);
    });
    // A POST reaches one endpoint once, whatever becomes of it; so does a PUT whose body was begun.
    for (method, body) in [(Method::POST, ""), (Method::POST, "x"), (Method::PUT, "x")] {
        local(async {
            let (one, other) = (server(&[Does::Close]).await, server(&[Does::Close]).await);
            let (upstreams, _) = upstreams(&[one.address, other.address], resilience());
            assert_eq!(status(&upstreams, method, body).await, Err(UpstreamError::Broken));
            assert_eq!(one.requests.get() + other.requests.get(), 1);
        });
    }
    // One that is alone is not asked twice on new connections.
    local(async {
        let one = server(&[Does::Close]).await;
        let (upstreams, _) = upstreams(&[one.address], resilience());
        assert_eq!(status(&upstreams, Method::GET, "").await, Err(UpstreamError::Broken));
        assert_eq!(one.requests.get(), 1);
    });
}

#[test]
fn a_connection_that_died_while_it_waited_costs_nobody_an_answer() {
    local(async {
        // The second request of the first connection dies.
        let one = server(&[Does::Answer(OK), Does::Close, Does::Answer(OK)]).await;
        let mut terms = resilience();
        terms.retries = None;
        let (first, _) = upstreams(&[one.address], terms);
        assert_eq!(status(&first, Method::GET, "").await, Ok(200));
        assert_eq!(status(&first, Method::GET, "").await, Ok(200));
        assert_eq!((one.requests.get(), one.connections.get()), (3, 2));
        // But only once: who dies again on a new connection has answered.
        let two = server(&[Does::Answer(OK), Does::Close, Does::Close, Does::Answer(OK)]).await;
        let (second, _) = upstreams(&[two.address], resilience());
        assert_eq!(status(&second, Method::GET, "").await, Ok(200));
        assert_eq!(status(&second, Method::GET, "").await, Err(UpstreamError::Broken));
        assert_eq!(two.requests.get(), 3);
    });
}

#[test]
fn retries_end_with_their_budget_and_their_number() {
    local(async {
        let servers =
            [server(&[Does::Close]).await, server(&[Does::Close]).await, server(&[Does::Close]).await];
        let addresses: Vec<_> = servers.iter().map(|one| one.address).collect();
        let mut terms = resilience();
        terms.outliers = None;
        terms.retries.as_mut().unwrap().attempts = 2;
        terms.retries.as_mut().unwrap().least = 3;
        let (upstreams, _) = upstreams(&addresses, terms);
        for _ in 0..5 {
            assert_eq!(status(&upstreams, Method::GET, "").await, Err(UpstreamError::Broken));
        }
        let sent: usize = servers.iter().map(|one| one.requests.get()).sum();
        assert_eq!(sent, 5 + 3, "five requests, three of them twice");
    });
}

#[test]
fn an_unavailable_or_slow_endpoint_is_passed_by_where_the_policy_says_so() {
    const BUSY: &[u8] = b"HTTP/1.1 503 Busy\r\nContent-Length: 0\r\n\r\n";
    for (does, wanted) in [(Does::Answer(BUSY), [true, false]), (Does::Hang, [false, true])] {
        for on in [true, false] {
            local(async {
                let good = server(&[Does::Answer(OK)]).await;
                let bad = match does {
                    Does::Hang => server(&[Does::Hang]).await,
                    _ => server(&[Does::Answer(BUSY)]).await,
                };
                let mut terms = resilience();
                let retries = terms.retries.as_mut().unwrap();
                [retries.unavailable, retries.timeout] = wanted.map(|one| one && on);
                retries.try_timeout = retries.timeout.then_some(MS * 50);
                let (upstreams, _) = upstreams(&[bad.address, good.address], terms);
                let mut answers = HashMap::<_, usize>::new();
                for _ in 0..8 {
                    let answer = status(&upstreams, Method::GET, "").await;
                    *answers.entry(answer.map_err(|error| error.label())).or_default() += 1;
                }
                assert!(bad.requests.get() > 0, "it was asked");
                assert_eq!(answers.len() == 1, on, "{answers:?}");
                // What is not safe is never sent again by this.
                let before = bad.requests.get() + good.requests.get();
                let _answer = status(&upstreams, Method::POST, "x").await;
                assert_eq!(bad.requests.get() + good.requests.get(), before + 1);
            });
        }
    }
}

#[test]
fn who_fails_again_and_again_is_passed_over() {
    local(async {
        let (bad, good) = (server(&[Does::Close]).await, server(&[Does::Answer(OK)]).await);
        let (upstreams, fleet) = upstreams(&[bad.address, good.address], resilience());
        for _ in 0..40 {
            assert_eq!(status(&upstreams, Method::GET, "").await, Ok(200));
        }
        let asked = bad.requests.get();
        assert!(asked <= 3, "{asked}");
        let (_, instance) = &fleet.groups()[0].instances()[0];
        assert_eq!(instance.standing.is_ejected(Instant::now()), asked == 3);
    });
}

#[test]
fn a_place_is_held_until_the_body_is_over() {
    local(async {
        let one = server(&[Does::Answer(OK)]).await;
        let mut terms = resilience();
        terms.concurrency = Some(Concurrency { limit: ConcurrencyLimit::Fixed(1), queue: 1, wait: MS * 20 });
        let (upstreams, _) = upstreams(&[one.address], terms);
        let first = send(&upstreams, Method::GET, "").await.unwrap();
        assert_eq!(status(&upstreams, Method::GET, "").await, Err(UpstreamError::Full));
        drop(first.response.into_body().collect().await.unwrap());
        assert_eq!(status(&upstreams, Method::GET, "").await, Ok(200));
        // Dropped on the way counts as well.
        drop(send(&upstreams, Method::GET, "").await.unwrap());
        assert_eq!(status(&upstreams, Method::GET, "").await, Ok(200));
    });
}

#[test]
fn addresses_that_are_gone_lose_their_connections_and_end_their_exchanges() {
    local(async {
        const SLOW: &[u8] = b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok";
        let one = server(&[Does::Answer(OK), Does::Answer(SLOW), Does::Answer(b"ok")]).await;
        let mut policy: Arc<PolicySet> = crate::telemetry::sample::policy(Path::new(""));
        let upstream = &mut Arc::get_mut(&mut policy).unwrap().gateway.upstreams[0];
        upstream.endpoints = vec![Endpoint { host: "kolibri".into(), port: one.address.port() }];
        (upstream.idle_connections, upstream.idle_timeout) = (10, MS * 60_000);
        let fleet = Fleet::build(&policy, &Dialers::build(&policy, None).unwrap(), None, Instant::now());
        let origin = Arc::clone(&fleet.groups()[0].origins[0]);
        let worker = WorkerShare { index: 0, workers: 1 };
        let upstreams = Upstreams::<Full<Bytes>>::build(&fleet, None, Deadlines::start(), worker);
        // Whoever comes before the first answer waits for it.
        let local: IpAddr = [127, 0, 0, 1].into();
        let (first, ()) = tokio::join!(status(&upstreams, Method::GET, ""), async {
            tokio::task::yield_now().await;
            origin.take(&[local], Instant::now());
        });
        assert_eq!(first, Ok(200));
        let under_way = send(&upstreams, Method::GET, "").await.unwrap();
        let site = Rc::clone(&upstreams.upstreams[0].members()[0].site);
        origin.take(&[[127, 0, 0, 2].into()], Instant::now());
        upstreams.tend();
        assert_ne!(upstreams.upstreams[0].members()[0].site.instance.address, Some(one.address));
        // Nothing cuts what is under way: its end is the server's.
        let mut body = under_way.response.into_body();
        assert_eq!(body.frame().await.unwrap().unwrap().into_data().unwrap(), "ok");
        drop(body);
        let request = Request::new(Full::new(Bytes::new()));
        assert!(site.pool.take(&request).await.is_none(), "nothing waits there any more");
        // A name without any address is told at once.
        origin.take(&[], Instant::now());
        assert_eq!(status(&upstreams, Method::GET, "").await, Err(UpstreamError::Unreachable));
    });
}

#[test]
fn an_exchange_has_an_end() {
    const SLOW: &[Does] = &[Does::Answer(b"HTTP/1.1 200 OK\r\nContent-Length: 4\r\n\r\nok")];
    for script in [&[Does::Hang], SLOW] {
        local(async {
            let one = server(script).await;
            let mut terms = resilience();
            terms.timeout = Some(MS * 100);
            let (upstreams, _) = upstreams(&[one.address], terms);
            let answer = status(&upstreams, Method::GET, "").await;
            assert_eq!(answer, Err(UpstreamError::ExchangeTimeout));
        });
    }
}
