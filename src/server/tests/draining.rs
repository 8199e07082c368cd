use super::*;

/// The one worker has closed its listeners, so it knows that it drains.
async fn refuses(running: &Running) {
    let mut pace = tokio::time::interval(Duration::from_millis(5));
    within(async {
        while TcpStream::connect(running.https()).await.is_ok() {
            pace.tick().await;
        }
    })
    .await;
}

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
    refuses(&running).await;
    running.gate.go.add_permits(1);
    let answer = until_closed(&mut busy).await;
    assert!(answer.contains("connection: close") && answer.ends_with("passed"), "{answer}");
    running.handle.wait().unwrap();
    running.notes.hears("stopped 0").await;
}

#[tokio::test]
async fn a_waiting_http1_client_gets_one_more_answer() {
    let running = serve(limits(), timeouts());
    let mut stream = running.tls(&[b"http/1.1"]).await;
    stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    answer_on(&mut stream).await;
    running.handle.drain();
    refuses(&running).await;
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
    refuses(&running).await;
    running.gate.go.add_permits(1);
    let response = within(answer).await.unwrap().unwrap();
    assert_eq!(response.into_body().collect().await.unwrap().to_bytes(), "passed");
    // GOAWAY without an error: the client's connection ends well.
    within(connection).await.unwrap().unwrap();
    running.handle.wait().unwrap();
    running.notes.hears("stopped 0").await;
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
    running.notes.hears("stopped 1").await;
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
    let server = std::thread::spawn(move || {
        start_obeying_signals(config, move |_| Rc::new(Answers { gate: gate.clone() }))?.wait()
    });
    notes.hears("started").await;
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

/// Clients that never stop asking lose no request, whenever the drain begins.
#[tokio::test]
async fn a_drain_under_load_loses_nothing() {
    let (mut config, notes, tickets) = config(limits(), timeouts());
    config.workers = Some(2);
    let running = launch(config, notes, tickets);
    let mut clients = tokio::task::JoinSet::new();
    for _ in 0..6 {
        let mut stream = running.tls(&[b"http/1.1"]).await;
        clients.spawn(async move {
            let mut answers = 0;
            loop {
                stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
                let answer = answer_on(&mut stream).await;
                assert!(answer.contains("200 OK"), "{answer}");
                answers += 1;
                if answer.contains("connection: close") {
                    return answers;
                }
            }
        });
    }
    for _ in 0..3 {
        let (mut sender, _connection) = h2_client(&running).await;
        clients.spawn(async move {
            let mut answers = 0;
            // Not ready any more means told to go, before a request was sent.
            while sender.ready().await.is_ok() {
                match sender.send_request(get("/about")).await {
                    Ok(response) => {
                        assert_eq!(response.into_body().collect().await.unwrap().to_bytes().len(), 40);
                        answers += 1;
                    }
                    // The client's own library held it back, or the server said that it was not begun (RFC 9113 §8.7).
                    Err(error) => {
                        assert!(error.is_canceled() || error.is_closed() || refused(&error), "{error:?}");
                        break;
                    }
                }
            }
            answers
        });
    }
    // Every client is well under way.
    within(async {
        let mut pace = tokio::time::interval(Duration::from_millis(1));
        for _ in 0..100 {
            pace.tick().await;
        }
    })
    .await;
    running.handle.drain();
    let answers = within(clients.join_all()).await;
    assert!(answers.iter().all(|&answers| answers > 0), "{answers:?}");
    running.handle.wait().unwrap();
    assert_eq!(running.notes.count("stopped 0"), 1);
}

/// GOAWAY without an error, or REFUSED_STREAM: both promise that the request was not begun.
fn refused(error: &hyper::Error) -> bool {
    use std::error::Error;
    let cause = error.source().map(ToString::to_string).unwrap_or_default();
    cause.contains("refused") || cause.contains("not a result of an error") || cause.contains("go away")
}
