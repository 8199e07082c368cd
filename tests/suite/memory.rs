//! A body of 200 MB through the redactor: the process grows by less than 32 MiB.

use crate::support::{
    PATIENCE,
    client::Version,
    school::{School, record},
    upstream::{Answer, Step, gzip, head},
};
use http_body_util::BodyExt;
use hyper::body::Incoming;

const SIZE: usize = 200_000_000;
const GROWTH: u64 = 32 << 20;

fn chunk(bytes: &[u8]) -> Vec<u8> {
    [format!("{:x}\r\n", bytes.len()).as_bytes(), bytes, b"\r\n"].concat()
}

/// A list with this many records more than one, in blocks of `block`, each coded by itself.
fn list(headers: &[(&str, &str)], times: usize, block: usize, code: impl Fn(&[u8]) -> Vec<u8>) -> Answer {
    let item = format!("{},", record("L1", "6A"));
    let mut all = vec![("Content-Type", "application/json"), ("Transfer-Encoding", "chunked")];
    all.extend_from_slice(headers);
    assert_eq!(times % block, 0);
    Answer(vec![
        Step::Bytes(head(200, &all)),
        Step::Bytes(chunk(&code(b"["))),
        Step::Repeat(chunk(&code(item.repeat(block).as_bytes())), times / block),
        Step::Bytes(chunk(&code(format!("{}]", record("L1", "6A")).as_bytes()))),
        Step::Bytes(b"0\r\n\r\n".to_vec()),
    ])
}

/// Reads and forgets a body; how many bytes it had. What must not be in it is looked for across pieces too.
async fn discard(mut body: Incoming) -> usize {
    let (mut total, mut window) = (0, Vec::new());
    while let Some(frame) = tokio::time::timeout(PATIENCE, body.frame()).await.expect("more of the body") {
        let Ok(data) = frame.expect("no error in the body").into_data() else { continue };
        total += data.len();
        window.extend_from_slice(&data);
        for secret in [&b"secret-"[..], b"Secret Name", b"secret.L1"] {
            assert!(memchr::memmem::find(&window, secret).is_none(), "a secret after {total} bytes");
        }
        let tail = window.len().saturating_sub(16);
        window.drain(..tail);
    }
    total
}

async fn passes(version: Version, headers: &[(&str, &str)], code: impl Fn(&[u8]) -> Vec<u8> + Copy) {
    const BLOCK: usize = 200;
    let school = School::start("", |_| Answer::default());
    let ask = school.ask("/api/learners", "marketing");
    let mut connection = school.client.connect(version).await;
    // Lengths of small ones give the length of the large one, and warm the process up.
    let mut lengths = Vec::new();
    for times in [0, BLOCK, 20 * BLOCK] {
        school.answer(list(headers, times, BLOCK, code));
        lengths.push(discard(connection.open(&ask).await.unwrap().into_body()).await);
    }
    let a_block = lengths[1] - lengths[0];
    let before = school.gateway.memory("VmRSS");
    let item = record("L1", "6A").to_string().len() + 1;
    let blocks = SIZE / (item * BLOCK) + 1;
    school.answer(list(headers, blocks * BLOCK, BLOCK, code));
    let response = connection.open(&ask).await.unwrap();
    assert_eq!(response.status(), 200);
    let total = discard(response.into_body()).await;
    assert_eq!(total, lengths[0] + blocks * a_block, "every record is there");
    let grown = school.gateway.memory("VmHWM").saturating_sub(before);
    println!("{version:?}: {SIZE} bytes, {total} redacted, grown by {} KiB", grown >> 10);
    assert!(grown < GROWTH, "grown by {grown} bytes");
    drop(connection);
    school.stop().await;
}

#[tokio::test]
async fn two_hundred_megabytes_of_json() {
    passes(Version::H1, &[], <[u8]>::to_vec).await;
}

#[tokio::test]
async fn two_hundred_megabytes_of_gzip_over_h2() {
    // Members of gzip one after another are one body (RFC 1952 2.2).
    passes(Version::H2, &[("Content-Encoding", "gzip")], gzip).await;
}

#[tokio::test]
async fn a_client_that_does_not_read_holds_the_platform_back() {
    let school = School::start("", |_| list(&[], 600_000, 200, <[u8]>::to_vec));
    let ask = school.ask("/api/learners", "marketing");
    let before = school.gateway.memory("VmRSS");
    let mut waiting = Vec::new();
    for version in [Version::H1, Version::H2, Version::H1, Version::H2] {
        let mut connection = school.client.connect(version).await;
        waiting.push((connection.open(&ask).await.unwrap(), connection));
    }
    // Nothing moves any more once every buffer on the way is full: the processor time of the gateway stands still.
    let spent = || {
        let stat = std::fs::read_to_string(format!("/proc/{}/stat", school.gateway.pid())).unwrap();
        let fields: Vec<u64> =
            stat.rsplit(") ").next().unwrap().split(' ').map(|field| field.parse().unwrap_or(0)).collect();
        fields[11] + fields[12]
    };
    let mut last = (spent(), std::time::Instant::now());
    let begun = last.1;
    while last.1.elapsed() < std::time::Duration::from_millis(500) {
        tokio::time::sleep(std::time::Duration::from_millis(20)).await;
        let now = spent();
        if now > last.0 + 1 {
            last = (now, std::time::Instant::now());
        }
        assert!(begun.elapsed() < PATIENCE, "the gateway reads on though nobody takes it");
    }
    let grown = school.gateway.memory("VmHWM").saturating_sub(before);
    // Four bodies at once: half as much again as one may take.
    assert!(grown < GROWTH / 2 * 3, "grown by {grown} bytes");
    drop(waiting);
    school.stop().await;
}
