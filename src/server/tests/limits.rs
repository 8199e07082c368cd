use super::*;

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once() {
    let running = serve(ClientLimits { connections: 2, ..limits() }, timeouts());
    let mut busy = Vec::new();
    for _ in 0..2 {
        let mut stream = running.plain().await;
        stream.write_all(b"GET /gate HTTP/1.0\r\n\r\n").await.unwrap();
        running.waits().await;
        busy.push(stream);
    }
    let mut third = running.plain().await;
    assert_eq!(until_closed(&mut third).await, "");
    running.notes.hears("refused limit").await;
    running.gate.go.add_permits(1);
    let mut first = busy.swap_remove(0);
    assert!(until_closed(&mut first).await.contains("200 OK"));
    // Its place is free again once the server has dropped it.
    within(async {
        loop {
            let mut stream = running.plain().await;
            let _ = stream.write_all(b"GET /about HTTP/1.0\r\n\r\n").await;
            if until_closed(&mut stream).await.contains("200 OK") {
                break;
            }
        }
    })
    .await;
    assert_eq!(running.notes.count("evicted"), 0);
    running.stop();
}

#[tokio::test]
async fn who_was_idle_for_longest_gives_way_to_a_new_client() {
    let running = serve(ClientLimits { connections: 3, ..limits() }, timeouts());
    let mut idle = running.tls(&[b"http/1.1"]).await;
    idle.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    answer_on(&mut idle).await;
    let mut busy = running.tls(&[b"http/1.1"]).await;
    busy.write_all(b"GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.waits().await;
    let mut multiplexed = frames::RawH2::open(&running).await;
    multiplexed.send(&frames::request("GET", "/about", 1, true)).await;
    multiplexed.answer(1).await;
    // Both stay: one that left meanwhile would have made room by itself.
    let mut stay = Vec::new();
    for _ in 0..2 {
        let mut new = running.plain().await;
        new.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(answer_on(&mut new).await.starts_with("HTTP/1.1 200"));
        stay.push(new);
    }
    // In order: the end of TLS is announced, the HTTP/2 one is told.
    let mut rest = Vec::new();
    assert_eq!(within(idle.read_to_end(&mut rest)).await.unwrap(), 0);
    within(async { while multiplexed.next().await.unwrap().kind != frames::GOAWAY {} }).await;
    running.gate.go.add_permits(1);
    assert!(answer_on(&mut busy).await.ends_with("passed"));
    assert_eq!((running.notes.count("evicted"), running.notes.count("refused limit")), (2, 0));
    running.stop();
}

#[tokio::test]
async fn an_address_has_so_many_connections() {
    let running = serve(ClientLimits { connections_per_address: 2, ..limits() }, timeouts());
    let (_first, second) = (running.plain().await, running.plain().await);
    assert_eq!(until_closed(&mut running.plain().await).await, "");
    running.notes.hears("refused address").await;
    // Other addresses have their own.
    let socket = tokio::net::TcpSocket::new_v4().unwrap();
    socket.bind(SocketAddr::from(([127, 0, 0, 2], 0))).unwrap();
    let mut other = socket.connect(running.http()).await.unwrap();
    other.write_all(b"GET /about HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut other).await.contains("200 OK"));
    drop(second);
    within(async {
        loop {
            let mut stream = running.plain().await;
            let _ = stream.write_all(b"GET /about HTTP/1.0\r\n\r\n").await;
            if until_closed(&mut stream).await.contains("200 OK") {
                break;
            }
        }
    })
    .await;
    // A trusted proxy stands for many.
    let mut live = Live::clone(&running.live.load());
    live.trusted_proxies = Arc::new(["127.0.0.0/8".parse().unwrap()]);
    running.live.store(Arc::new(live));
    let mut many = Vec::new();
    for _ in 0..5 {
        let mut stream = running.plain().await;
        stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        assert!(answer_on(&mut stream).await.starts_with("HTTP/1.1 200"));
        many.push(stream);
    }
    running.stop();
}

#[tokio::test]
async fn handshakes_that_stall_give_way_and_an_address_has_so_many() {
    let running = serve(ClientLimits { handshakes: 3, ..limits() }, timeouts());
    let mut stalled = Vec::new();
    for _ in 0..10 {
        let mut stream = TcpStream::connect(running.https()).await.unwrap();
        stream.write_all(&[0x16, 3, 1]).await.unwrap();
        stalled.push(stream);
        running.tls(&[b"http/1.1"]).await;
    }
    running.notes.hears("handshake none timed_out").await;
    assert_eq!(until_closed(&mut stalled[0]).await, "");
    running.stop();

    let running = serve(ClientLimits { handshakes_per_address: 3, ..limits() }, timeouts());
    let mut stalled = Vec::new();
    for _ in 0..3 {
        stalled.push(TcpStream::connect(running.https()).await.unwrap());
    }
    let mut stream = TcpStream::connect(running.https()).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, "");
    running.notes.hears("refused handshakes").await;
    running.stop();
}

#[tokio::test]
async fn a_connection_ends_in_order_behind_its_last_request() {
    let running = serve(ClientLimits { requests_per_connection: Some(2), ..limits() }, timeouts());
    let mut stream = running.tls(&[b"http/1.1"]).await;
    for last in [false, true] {
        stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = answer_on(&mut stream).await;
        assert_eq!(answer.contains("connection: close"), last, "{answer}");
    }
    assert_eq!(within(stream.read(&mut [0])).await.unwrap(), 0);
    let mut client = frames::RawH2::open(&running).await;
    for stream in [1, 3] {
        client.send(&frames::request("GET", "/about", stream, true)).await;
    }
    let mut seen = Vec::new();
    while seen.len() < 3 {
        let frame = client.next().await.unwrap();
        if matches!(frame.kind, frames::HEADERS | frames::GOAWAY) {
            seen.push((frame.kind, frame.stream));
        }
    }
    seen.sort_unstable();
    assert_eq!(seen, [(frames::HEADERS, 1), (frames::HEADERS, 3), (frames::GOAWAY, 0)]);
    running.stop();
}

#[tokio::test]
async fn an_old_connection_ends_in_order_with_its_next_request() {
    let running = serve(limits(), Timeouts { connection: Some(SHORT), ..timeouts() });
    let mut stream = running.tls(&[b"http/1.1"]).await;
    let mut pace = tokio::time::interval(SHORT / 3);
    let mut answers = 0;
    within(async {
        loop {
            pace.tick().await;
            stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
            answers += 1;
            if answer_on(&mut stream).await.contains("connection: close") {
                break;
            }
        }
    })
    .await;
    assert!(answers > 1);
    assert_eq!(within(stream.read(&mut [0])).await.unwrap(), 0);
    running.stop();
}

#[tokio::test]
async fn exchanges_above_the_limit_get_the_neutral_answer() {
    let running = serve(ClientLimits { exchanges: 1, ..limits() }, timeouts());
    let mut busy = running.tls(&[b"http/1.1"]).await;
    busy.write_all(b"GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.waits().await;
    let mut shed = running.tls(&[b"http/1.1"]).await;
    shed.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(answer_on(&mut shed).await.starts_with("HTTP/1.1 503"));
    running.gate.go.add_permits(1);
    assert!(answer_on(&mut busy).await.ends_with("passed"));
    shed.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(answer_on(&mut shed).await.starts_with("HTTP/1.1 200"));
    running.stop();
}

#[tokio::test]
async fn header_sections_have_bounds() {
    let running = serve(limits(), timeouts());
    let many = "a: b\r\n".repeat(101);
    let large = format!("a: {}\r\n", "b".repeat(40_000));
    for (case, fields, status) in
        [("many", many, "431"), ("large", large, "431"), ("broken", "a b\r\n".into(), "400")]
    {
        let mut stream = running.plain().await;
        let request = format!("GET /about HTTP/1.1\r\nhost: a\r\n{fields}\r\n");
        stream.write_all(request.as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert!(answer.starts_with(&format!("HTTP/1.1 {status}")), "{case}: {answer}");
    }
    running.notes.hears("malformed too_large").await;
    running.notes.hears("malformed syntax").await;
    running.stop();
}

#[tokio::test]
async fn an_early_answer_reaches_a_client_that_is_still_sending() {
    let running = serve(limits(), timeouts());
    let mut stream = running.plain().await;
    stream.write_all(b"POST /refuse HTTP/1.1\r\nhost: a\r\ncontent-length: 8000000\r\n\r\n").await.unwrap();
    // A reset would make one of these writes fail, or lose the answer.
    for _ in 0..80 {
        stream.write_all(&[b'x'; 100_000]).await.unwrap();
    }
    stream.shutdown().await.unwrap();
    let mut answer = String::new();
    within(stream.read_to_string(&mut answer)).await.unwrap();
    assert!(answer.starts_with("HTTP/1.1 413"), "{answer}");
    running.stop();
}

#[tokio::test]
async fn limits_change_while_serving() {
    let running = serve(limits(), timeouts());
    let mut live = Live::clone(&running.live.load());
    live.limits.header_bytes = 100;
    live.limits.uri_bytes = 100;
    running.live.store(Arc::new(live));
    let request = format!("GET /about HTTP/1.0\r\na: {}\r\n\r\n", "b".repeat(1000));
    within(async {
        loop {
            let mut stream = running.plain().await;
            stream.write_all(request.as_bytes()).await.unwrap();
            if until_closed(&mut stream).await.contains(" 431 ") {
                break;
            }
        }
    })
    .await;
    running.stop();
}
