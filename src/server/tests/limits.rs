use super::*;

#[tokio::test]
async fn connections_above_the_limit_are_closed_at_once() {
    let running = serve(ClientLimits { connections: 2, ..limits() }, timeouts());
    let mut first = running.plain().await;
    let _second = running.plain().await;
    let mut third = running.plain().await;
    assert_eq!(until_closed(&mut third).await, "");
    running.notes.hears("refused limit").await;
    first.write_all(b"GET /about HTTP/1.0\r\n\r\n").await.unwrap();
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
