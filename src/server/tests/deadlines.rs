use super::{frames::*, *};

/// Sends one of `bytes` every few milliseconds until the server closes.
async fn drip(stream: &mut TcpStream, bytes: &[u8]) -> String {
    let (mut read, mut write) = stream.split();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let send = async {
        for byte in bytes.iter().cycle() {
            pace.tick().await;
            if write.write_all(&[*byte]).await.is_err() {
                std::future::pending::<()>().await;
            }
        }
    };
    tokio::select! {
        answer = until_closed(&mut read) => answer,
        () = send => unreachable!("it never ends"),
    }
}

#[tokio::test]
async fn a_handshake_that_never_begins_is_cut() {
    let running = serve(limits(), Timeouts { handshake: SHORT, ..timeouts() });
    let mut stream = TcpStream::connect(running.https()).await.unwrap();
    assert_eq!(until_closed(&mut stream).await, "");
    running.notes.hears("timed out handshake").await;
    running.notes.hears("handshake none timed_out").await;
    running.stop();
}

#[tokio::test]
async fn a_handshake_byte_by_byte_is_cut() {
    let running = serve(limits(), Timeouts { handshake: SHORT, ..timeouts() });
    let mut stream = TcpStream::connect(running.https()).await.unwrap();
    // A handshake record that announces 512 bytes and brings zeros.
    let hello = [&[0x16, 3, 1, 2, 0, 1, 0, 1, 0xfc, 3, 3][..], &[0; 400]].concat();
    drip(&mut stream, &hello).await;
    running.notes.hears("timed out handshake").await;
    running.stop();
}

#[tokio::test]
async fn headers_byte_by_byte_are_cut() {
    let running = serve(limits(), Timeouts { headers: SHORT, ..timeouts() });
    let mut stream = running.plain().await;
    stream.write_all(b"GET / HTTP/1.1\r\nx: ").await.unwrap();
    assert_eq!(drip(&mut stream, b"y").await, "");
    running.notes.hears("timed out headers").await;
    running.stop();
}

#[tokio::test]
async fn half_a_second_request_is_cut_too() {
    let running = serve(limits(), Timeouts { headers: SHORT, ..timeouts() });
    let mut stream = running.tls(&[b"http/1.1"]).await;
    stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    answer_on(&mut stream).await;
    stream.write_all(b"GET /about HT").await.unwrap();
    assert_eq!(until_closed(&mut stream).await, "");
    running.notes.hears("timed out headers").await;
    running.stop();
}

#[tokio::test]
async fn an_idle_connection_is_closed_in_order() {
    let running = serve(limits(), Timeouts { idle: SHORT, ..timeouts() });
    let mut silent = running.tls(&[b"http/1.1"]).await;
    let mut used = running.tls(&[b"http/1.1"]).await;
    used.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    answer_on(&mut used).await;
    for stream in [&mut silent, &mut used] {
        // `Ok` means that the TLS end was announced, not cut.
        let mut rest = Vec::new();
        assert_eq!(within(stream.read_to_end(&mut rest)).await.unwrap(), 0);
    }
    assert_eq!(running.notes.count("timed out idle"), 2);
    running.stop();
}

#[tokio::test]
async fn an_exchange_is_not_idle_however_long_the_upstream_takes() {
    let running = serve(limits(), Timeouts { headers: SHORT, idle: SHORT, body: SHORT, ..timeouts() });
    let mut slow = running.tls(&[b"http/1.1"]).await;
    slow.write_all(b"GET /gate HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.waits().await;
    // As long as it takes to see another connection time out twice.
    for _ in 0..2 {
        until_closed(&mut running.plain().await).await;
    }
    running.gate.go.add_permits(1);
    assert!(answer_on(&mut slow).await.ends_with("passed"));
    running.stop();
}

#[tokio::test]
async fn a_request_body_that_stops_is_answered_with_408() {
    let running = serve(limits(), Timeouts { body: SHORT, ..timeouts() });
    let mut stream = running.tls(&[b"http/1.1"]).await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 10\r\n\r\nhalf").await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    running.notes.hears("timed out request_body").await;
    running.stop();
}

#[tokio::test]
async fn a_reader_that_stops_is_cut() {
    let running = serve(limits(), Timeouts { body: SHORT, ..timeouts() });
    let mut stream = running.plain().await;
    stream.write_all(b"GET /big HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    running.notes.hears("timed out response_body").await;
    assert!(until_closed(&mut stream).await.len() < 32 * 1024 * 1024);
    running.stop();
}

#[tokio::test]
async fn a_request_body_that_drips_is_answered_with_408() {
    let limits = ClientLimits { body_rate: 1000, ..limits() };
    let running = serve(limits, Timeouts { body: SHORT, ..timeouts() });
    let mut stream = running.plain().await;
    stream.write_all(b"POST /echo HTTP/1.1\r\nhost: a\r\ncontent-length: 100000\r\n\r\n").await.unwrap();
    let answer = drip(&mut stream, b"x").await;
    assert!(answer.starts_with("HTTP/1.1 408"), "{answer}");
    running.notes.hears("timed out request_body").await;
    running.stop();
}

#[tokio::test]
async fn an_http2_body_that_drips_ends_alone() {
    let limits = ClientLimits { body_rate: 1000, ..limits() };
    let running = serve(limits, Timeouts { body: SHORT, ..timeouts() });
    let mut client = RawH2::open(&running).await;
    client.send(&request("POST", "/echo", 1, false)).await;
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let ended = loop {
        tokio::select! {
            frame = client.next() => match frame.unwrap() {
                frame if frame.stream == 1 => break frame,
                _ => {}
            },
            _ = pace.tick() => client.send(&frame(DATA, 0, 1, b"x")).await,
        }
    };
    assert_eq!((ended.kind, ended.status()), (HEADERS, Some(408)));
    client.send(&request("GET", "/about", 3, true)).await;
    assert_eq!(client.answer(3).await.status(), Some(200));
    running.stop();
}

#[tokio::test]
async fn a_body_above_the_rate_may_take_as_long_as_it_likes() {
    let limits = ClientLimits { body_rate: 10, ..limits() };
    let running = serve(limits, Timeouts { body: SHORT, ..timeouts() });
    let mut stream = running.plain().await;
    let head = "POST /echo HTTP/1.1\r\nhost: a\r\nconnection: close\r\ncontent-length: 40\r\n\r\n";
    stream.write_all(head.as_bytes()).await.unwrap();
    // Fifty bytes a second for five times the bound.
    let answer = drip(&mut stream, b"x").await;
    assert!(answer.starts_with("HTTP/1.1 200"), "{answer}");
    running.stop();
}

#[tokio::test]
async fn an_http2_preface_alone_is_idle() {
    let running = serve(limits(), Timeouts { idle: SHORT, handshake: SHORT, ..timeouts() });
    let mut stream = running.tls(&[b"h2"]).await;
    stream.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n").await.unwrap();
    until_closed(&mut stream).await;
    running.notes.hears("timed out idle").await;
    running.stop();
}

#[tokio::test]
async fn http2_pings_do_not_keep_a_connection() {
    let running = serve(limits(), Timeouts { idle: SHORT, handshake: SHORT, ..timeouts() });
    let stream = running.tls(&[b"h2"]).await;
    let (mut read, mut write) = tokio::io::split(stream);
    write.write_all(b"PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\0\0\0\x04\0\0\0\0\0").await.unwrap();
    let mut pace = tokio::time::interval(Duration::from_millis(20));
    let ping = async {
        loop {
            pace.tick().await;
            if write.write_all(b"\0\0\x08\x06\0\0\0\0\0pingpong").await.is_err() {
                std::future::pending::<()>().await;
            }
            let _ = write.flush().await;
        }
    };
    tokio::select! {
        _ = until_closed(&mut read) => {}
        () = ping => unreachable!("it never ends"),
    }
    running.notes.hears("timed out idle").await;
    running.stop();
}

#[tokio::test]
async fn half_an_http2_header_block_is_cut_though_an_exchange_is_under_way() {
    let running = serve(limits(), Timeouts { headers: SHORT, ..timeouts() });
    let whole = block("GET", "/about");
    let drips = frame(CONTINUATION, 0, 3, &whole[..1]);
    for begun in [
        frame(HEADERS, 0, 3, &whole),
        frame(HEADERS, 0, 3, &whole)[..20].to_vec(),
        [frame(HEADERS, 0, 3, &[]), drips].concat(),
    ] {
        let before = running.notes.count("timed out headers");
        let mut client = RawH2::open(&running).await;
        client.send(&request("GET", "/gate", 1, true)).await;
        running.waits().await;
        client.send(&begun).await;
        client.last().await;
        assert_eq!(running.notes.count("timed out headers"), before + 1);
    }
    running.stop();
}

#[tokio::test]
async fn half_an_http2_preface_is_cut() {
    let running = serve(limits(), Timeouts { headers: SHORT, ..timeouts() });
    let mut stream = running.tls(&[b"h2"]).await;
    stream.write_all(b"PRI * HT").await.unwrap();
    until_closed(&mut stream).await;
    running.notes.hears("timed out headers").await;
    running.stop();
}

#[tokio::test]
async fn an_http2_answer_behind_a_closed_window_is_reset_alone() {
    let running = serve(limits(), Timeouts { body: SHORT, ..timeouts() });
    let stream = running.tls(&[b"h2"]).await;
    let io = hyper_util::rt::TokioIo::new(stream);
    let (mut sender, connection) =
        hyper::client::conn::http2::Builder::new(hyper_util::rt::TokioExecutor::new())
            .initial_stream_window_size(1000)
            .handshake(io)
            .await
            .unwrap();
    tokio::spawn(connection);
    let stalled = within(sender.send_request(get("/big"))).await.unwrap();
    running.notes.hears("timed out response_body").await;
    assert!(within(stalled.into_body().collect()).await.is_err());
    // The connection itself is unharmed.
    assert_eq!(within(sender.send_request(get("/about"))).await.unwrap().status(), StatusCode::OK);
    running.stop();
}

#[tokio::test]
async fn a_silent_tunnel_is_given_up() {
    let running = serve(limits(), Timeouts { idle: SHORT, body: SHORT, ..timeouts() });
    let mut stream = running.plain().await;
    stream
        .write_all(b"GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    assert!(answer_on(&mut stream).await.starts_with("HTTP/1.1 101"));
    assert!(until_closed(&mut stream).await.is_empty());
    running.waits().await;
    running.stop();
}
