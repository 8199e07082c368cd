use super::*;

async fn reaches(running: &Running, stage: Stage) {
    let mut seen = running.handle.stage();
    within(seen.wait_for(|now| *now >= stage)).await.unwrap();
}

#[tokio::test]
async fn an_exchange_under_way_is_finished() {
    let running = serve(limits(), timeouts());
    let mut busy = running.tls(&[b"http/1.1"]).await;
    busy.write_all(b"GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.waits().await;
    running.handle.drain();
    reaches(&running, Stage::Closing).await;
    running.gate.go.add_permits(1);
    let answer = until_closed(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("passed"), "{answer}");
    running.handle.wait().unwrap();
    assert_eq!(running.notes.count("stopped 0"), 1);
}

#[tokio::test]
async fn a_waiting_http1_client_gets_one_more_answer() {
    let running = serve(limits(), timeouts());
    let mut stream = running.tls(&[b"http/1.1"]).await;
    stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    answer_on(&mut stream).await;
    running.handle.drain();
    reaches(&running, Stage::Closing).await;
    stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.contains("connection: close") && answer.contains("200 OK"), "{answer}");
    running.handle.wait().unwrap();
}

#[tokio::test]
async fn http2_clients_are_told_and_finish() {
    let running = serve(limits(), timeouts());
    let (mut sender, connection) = h2_client(&running).await;
    let answer = tokio::spawn(sender.send_request(get("/gate")));
    running.waits().await;
    running.handle.drain();
    reaches(&running, Stage::Closing).await;
    running.gate.go.add_permits(1);
    let response = within(answer).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "passed");
    // GOAWAY without an error: the client's connection ends well.
    within(connection).await.unwrap().unwrap();
    running.handle.wait().unwrap();
    assert_eq!(running.notes.count("stopped 0"), 1);
}

#[tokio::test]
async fn readiness_turns_off_before_the_listeners_close() {
    let (mut config, notes, tickets) = config(limits(), timeouts());
    config.drain_delay = PATIENCE;
    let running = launch(config, notes, tickets);
    running.handle.drain();
    reaches(&running, Stage::Draining).await;
    let mut probe = TcpStream::connect(running.handle.addresses.admin).await.unwrap();
    probe.write_all(b"GET /readyz HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut probe).await.starts_with("HTTP/1.1 503"));
    let mut late = running.plain().await;
    late.write_all(b"GET /about HTTP/1.0\r\n\r\n").await.unwrap();
    assert!(until_closed(&mut late).await.contains("200 OK"));
    // A second order ends the wait.
    running.handle.drain();
    running.handle.wait().unwrap();
}

#[tokio::test]
async fn what_outlasts_the_drain_is_cut_and_the_end_is_still_in_order() {
    let running = serve(limits(), Timeouts { drain: SHORT, ..timeouts() });
    let mut busy = running.tls(&[b"http/1.1"]).await;
    busy.write_all(b"GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.waits().await;
    running.handle.drain();
    assert_eq!(until_closed(&mut busy).await, "");
    running.handle.wait().unwrap();
    assert_eq!(running.notes.count("stopped 1"), 1);
}

#[tokio::test]
async fn nobody_is_accepted_after_the_drain() {
    let running = serve(limits(), timeouts());
    let address = running.http();
    running.handle.drain();
    running.handle.wait().unwrap();
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn sigterm_drains_and_sighup_calls() {
    let (mut config, notes, _) = config(limits(), timeouts());
    let (hangup, hung_up) = std::sync::mpsc::channel();
    config.hangup = Arc::new(move || hangup.send(()).unwrap());
    let gate = Gate { go: Arc::new(Semaphore::new(0)), waits: Arc::new(Semaphore::new(0)) };
    let server = std::thread::spawn(move || run(config, move |_| Rc::new(Answers { gate: gate.clone() })));
    within(async {
        let mut pace = tokio::time::interval(Duration::from_millis(10));
        while notes.count("started") == 0 {
            pace.tick().await;
        }
    })
    .await;
    let send = |signal: &str| {
        let status = std::process::Command::new("kill")
            .args([signal, &std::process::id().to_string()])
            .status()
            .unwrap();
        assert!(status.success());
    };
    send("-HUP");
    hung_up.recv_timeout(PATIENCE).unwrap();
    send("-TERM");
    server.join().unwrap().unwrap();
    assert_eq!(notes.count("stopped 0"), 1);
}
