use super::*;

#[tokio::test]
async fn http1_over_tls_keeps_alive() {
    let running = serve(limits(), timeouts());
    let mut stream = running.tls(&[b"http/1.1"]).await;
    for _ in 0..3 {
        stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
        let answer = answer_on(&mut stream).await;
        assert!(answer.ends_with("127.0.0.1 true ecole.example.fr HTTP/1.1"), "{answer}");
    }
    running.notes.hears("handshake 1.3 full").await;
    running.stop();
}

#[tokio::test]
async fn http2_is_chosen_by_alpn() {
    let running = serve(limits(), timeouts());
    let (mut sender, _connection) = h2_client(&running).await;
    let response = within(sender.send_request(get("/about"))).await.unwrap();
    let body = response.into_body().collect().await.unwrap().to_bytes();
    assert_eq!(body, "127.0.0.1 true ecole.example.fr HTTP/2.0");
    running.stop();
}

#[tokio::test]
async fn a_large_answer_passes_over_http2_whole() {
    let running = serve(limits(), timeouts());
    let (mut sender, _connection) = h2_client(&running).await;
    let response = within(sender.send_request(get("/big"))).await.unwrap();
    assert_eq!(response.headers()["content-length"], (32 * 1024 * 1024).to_string());
    let body = within(response.into_body().collect()).await.unwrap().to_bytes();
    assert_eq!(body.len(), 32 * 1024 * 1024);
    running.stop();
}

#[tokio::test]
async fn the_plain_listener_says_so() {
    let running = serve(limits(), timeouts());
    let mut stream = running.plain().await;
    stream.write_all(b"GET /about HTTP/1.0\r\n\r\n").await.unwrap();
    let answer = until_closed(&mut stream).await;
    assert!(answer.ends_with("127.0.0.1 false - HTTP/1.0"), "{answer}");
    running.stop();
}

#[tokio::test]
async fn plain_text_on_the_tls_listener_is_no_http() {
    let running = serve(limits(), timeouts());
    let mut stream = TcpStream::connect(running.https()).await.unwrap();
    stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(!until_closed(&mut stream).await.contains("HTTP"));
    running.notes.hears("handshake none failed").await;
    running.stop();
}

#[tokio::test]
async fn certificates_change_while_serving() {
    let running = serve(limits(), timeouts());
    let leaf = |stream: &TlsStream<TcpStream>| stream.get_ref().1.peer_certificates().unwrap()[0].clone();
    let mut old = running.tls(&[]).await;
    let next = certificate(&["ecole.example.fr"]);
    let wanted = next.chain[0].clone();
    let mut live = Live::clone(&running.live.load());
    live.tls = Some(tls::Terms::new(&[next], None, &running.tickets, &[]).unwrap());
    running.live.store(Arc::new(live));
    // The worker sees it at its next tick.
    within(async { while leaf(&running.tls(&[]).await) != wanted {} }).await;
    old.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
    assert!(answer_on(&mut old).await.contains("200 OK"));
    running.stop();
}

#[tokio::test]
async fn an_upgraded_stream_lives_on_until_the_server_gives_it_up() {
    let running = serve(limits(), timeouts());
    let mut stream = running.tls(&[b"http/1.1"]).await;
    stream
        .write_all(b"GET /tunnel HTTP/1.1\r\nhost: a\r\nconnection: upgrade\r\nupgrade: websocket\r\n\r\n")
        .await
        .unwrap();
    assert!(answer_on(&mut stream).await.starts_with("HTTP/1.1 101"));
    let mut byte = [0];
    for sent in 0..3 {
        stream.write_all(&[sent]).await.unwrap();
        within(stream.read_exact(&mut byte)).await.unwrap();
        assert_eq!(byte, [sent]);
    }
    running.stop();
    assert!(until_closed(&mut stream).await.is_empty());
}

#[tokio::test]
async fn several_workers_share_one_port() {
    let (mut config, notes, tickets) = config(limits(), timeouts());
    config.workers = Some(3);
    let file = tempfile::NamedTempFile::new().unwrap();
    config.addresses_file = Some(file.path().to_owned());
    let running = launch(config, notes, tickets);
    for _ in 0..12 {
        let mut stream = running.plain().await;
        stream.write_all(b"GET /about HTTP/1.0\r\n\r\n").await.unwrap();
        assert!(until_closed(&mut stream).await.contains("200 OK"));
    }
    let written: serde_json::Value = serde_json::from_slice(&std::fs::read(file.path()).unwrap()).unwrap();
    assert_eq!(written["http"][0], running.http().to_string());
    running.stop();
}

#[tokio::test]
async fn an_address_in_use_is_an_error_before_anything_serves() {
    let taken = std::net::TcpListener::bind(LOCAL).unwrap();
    let (mut config, _, _) = config(limits(), timeouts());
    config.listen.http = vec![taken.local_addr().unwrap().into()];
    let gate = Gate { go: Arc::new(Semaphore::new(0)), waits: Arc::new(Semaphore::new(0)) };
    let started = start(config, move |_| Rc::new(Answers { gate: gate.clone() }));
    assert!(matches!(started, Err(ServerError::Listen { .. })), "{started:?}");
}

#[tokio::test]
async fn metrics_and_probes_have_their_own_listener() {
    let running = serve(limits(), timeouts());
    for (path, expected) in
        [("/metrics", "rempart_up 1"), ("/healthz", "200 OK"), ("/readyz", "200 OK"), ("/about", "404")]
    {
        let mut stream = TcpStream::connect(running.handle.addresses.admin).await.unwrap();
        stream.write_all(format!("GET {path} HTTP/1.1\r\nhost: a\r\n\r\n").as_bytes()).await.unwrap();
        let answer = until_closed(&mut stream).await;
        assert!(answer.contains(expected), "{path}: {answer}");
    }
    running.stop();
}

#[tokio::test]
async fn sessions_resume_in_both_versions() {
    for (versions, spoken) in [(&rustls::version::TLS13, "1.3"), (&rustls::version::TLS12, "1.2")] {
        let running = serve(limits(), timeouts());
        let mut config = trusting_client_of(&[versions]);
        config.alpn_protocols = vec![b"http/1.1".to_vec()];
        let connector = TlsConnector::from(Arc::new(config));
        for kind in ["full", "resumed", "resumed"] {
            let stream = TcpStream::connect(running.https()).await.unwrap();
            let name = ServerName::try_from("ecole.example.fr").unwrap();
            let mut stream = within(connector.connect(name, stream)).await.unwrap();
            running.notes.hears(&format!("handshake {spoken} {kind}")).await;
            for _ in 0..2 {
                stream.write_all(b"GET /about HTTP/1.1\r\nhost: a\r\n\r\n").await.unwrap();
                let answer = answer_on(&mut stream).await;
                assert!(answer.ends_with("127.0.0.1 true ecole.example.fr HTTP/1.1"), "{answer}");
            }
        }
        running.stop();
    }
}
