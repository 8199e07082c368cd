//! The harness itself: a test that trusts a broken instrument proves nothing.

use std::{
    io::{Read, Write},
    net::TcpStream,
    time::Duration,
};

use crate::support::{
    folder::{PLAIN_ROUTE, PolicyFolder},
    redis::Redis,
    tokens::Tokens,
    upstream::{Answer, Step, Upstream},
};
use serde_json::json;

#[test]
fn the_upstream_records_bytes_and_plays_its_script() {
    let upstream = Upstream::start(|request| match request.target().as_str() {
        "/reset" => Answer::raw("HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nhalf").then(Step::Reset),
        "/chunks" => Answer::chunked(200, &[], &[b"one", b"two"]),
        _ => Answer::json(&json!({ "ok": true })),
    });
    let mut socket = TcpStream::connect(upstream.address).unwrap();
    socket
        .write_all(
            b"POST /a?x=1 HTTP/1.1\r\nhOST: a\r\nX: 1\r\nx: Lyc\xe9e\r\nTransfer-Encoding: chunked\r\n\r\n\
              3\r\nabc\r\n2;e=1\r\nde\r\n0\r\nTrailer: 1\r\n\r\nGET /chunks HTTP/1.1\r\n\r\nGET /reset HTTP/1.1\r\n\r\n",
        )
        .unwrap();
    let mut answer = Vec::new();
    // The script ends in a reset.
    let ended = socket.read_to_end(&mut answer);
    assert!(ended.is_err(), "a reset is an error");
    let requests = upstream.requests();
    assert_eq!(requests.len(), 3);
    assert_eq!(
        (requests[0].method().as_str(), requests[0].target().as_str(), requests[0].body.as_slice()),
        ("POST", "/a?x=1", &b"abcde"[..])
    );
    assert_eq!(requests[0].headers("X"), vec![b"1".to_vec(), b"Lyc\xe9e".to_vec()]);
    assert_eq!(upstream.connections(), 1);
}

#[test]
fn redis_can_be_killed_frozen_and_looked_into() {
    let mut redis = Redis::start();
    redis.command(&["SET", "key-1", "value-1"]).unwrap();
    assert_eq!(redis.keys(), 1);
    assert!(redis.everything().contains("value-1"));
    redis.freeze();
    let socket = TcpStream::connect_timeout(&redis.address, Duration::from_secs(1)).unwrap();
    socket.set_read_timeout(Some(Duration::from_millis(100))).unwrap();
    (&socket).write_all(b"PING\r\n").unwrap();
    assert!((&socket).read(&mut [0u8; 8]).is_err(), "a frozen server says nothing");
    redis.thaw();
    redis.kill();
    assert_eq!(redis.command(&["PING"]), None);
    redis.restart();
    assert_eq!(redis.keys(), 0);
}

#[test]
fn folders_change_as_config_maps_do() {
    let folder = PolicyFolder::new(Upstream::nowhere(), &Tokens::new())
        .gateway("timeouts: { drain: 1 s }")
        .routes("plain", PLAIN_ROUTE)
        .like_config_map();
    assert!(folder.read("gateway.yaml").ends_with("  timeouts: { drain: 1 s }\n"));
    folder.swap_config_map("routes/plain.yaml", "routes: []\n");
    assert_eq!(folder.read("routes/plain.yaml"), "routes: []\n");
    folder.swap_config_map("charter.yaml", "charter: {}\n");
    assert_eq!(folder.read("charter.yaml"), "charter: {}\n");
}
