use std::net::Ipv4Addr;

use super::*;

const SECOND: Duration = Duration::from_secs(1);

fn v4(last: &[u8], ttl: u64) -> Answer {
    let addresses = last.iter().map(|&last| Ipv4Addr::new(10, 0, 0, last).into()).collect();
    Answer::Addresses(addresses, Duration::from_secs(ttl))
}

fn v6() -> Answer {
    Answer::Addresses(vec!["fd00::1".parse().unwrap()], SECOND * 300)
}

#[track_caller]
fn list(heard: Heard) -> Vec<String> {
    match heard {
        Heard::Addresses(all) => all.iter().map(ToString::to_string).collect(),
        Heard::Kept => panic!("kept"),
    }
}

#[test]
fn a_name_is_asked_for_again_before_its_answer_ends() {
    for (ttl, due) in [(0, 900), (1, 900), (10, 9_000), (60, 54_000), (86_400, 54_000)] {
        let now = Instant::now();
        let mut schedule = Schedule::new(now);
        assert_eq!(schedule.due, now);
        schedule.heard(v4(&[1], ttl), Answer::Nothing, now);
        assert_eq!(schedule.due, now + Duration::from_millis(due), "{ttl}");
    }
    // The shorter of two.
    let now = Instant::now();
    let mut schedule = Schedule::new(now);
    schedule.heard(v4(&[1], 10), v6(), now);
    assert_eq!(schedule.due, now + SECOND * 9);
}

#[test]
fn the_order_of_an_answer_means_nothing() {
    let now = Instant::now();
    let mut schedule = Schedule::new(now);
    let first = list(schedule.heard(v4(&[3, 1, 2, 1], 5), v6(), now));
    assert_eq!(first, ["10.0.0.1", "10.0.0.2", "10.0.0.3", "fd00::1"]);
    assert_eq!(list(schedule.heard(v4(&[2, 3, 1], 5), v6(), now)), first);
}

#[test]
fn who_fails_to_answer_takes_nothing_away_and_who_says_nothing_does() {
    let now = Instant::now();
    let mut schedule = Schedule::new(now);
    schedule.heard(v4(&[1], 5), v6(), now);
    assert_eq!(list(schedule.heard(v4(&[2], 5), Answer::Failed, now)), ["10.0.0.2", "fd00::1"]);
    assert_eq!(list(schedule.heard(v4(&[2], 5), Answer::Nothing, now)), ["10.0.0.2"]);
    for (a, b) in [
        (Answer::Failed, Answer::Failed),
        (Answer::Nothing, Answer::Nothing),
        (Answer::Failed, Answer::Nothing),
    ] {
        assert_eq!(schedule.heard(a, b, now), Heard::Kept);
    }
    assert_eq!(list(schedule.heard(Answer::Failed, v6(), now)), ["10.0.0.2", "fd00::1"]);
}

#[test]
fn failures_are_tried_again_less_and_less_often_and_told_once() {
    let begin = Instant::now();
    let mut now = begin;
    let mut schedule = Schedule::new(now);
    schedule.heard(v4(&[1], 5), Answer::Nothing, now);
    assert_eq!(schedule.news(now), None);
    let mut told = Vec::new();
    for wait in [1, 2, 4, 5, 5, 5, 5, 5, 5] {
        schedule.heard(Answer::Failed, Answer::Failed, now);
        assert_eq!(schedule.due, now + SECOND * wait);
        now = schedule.due;
        told.extend(schedule.news(now));
    }
    assert_eq!(told, [false], "once, after half a minute");
    schedule.heard(v4(&[1], 5), Answer::Nothing, now);
    assert_eq!([schedule.news(now), schedule.news(now)], [Some(true), None]);
    // A short one is nobody's business.
    schedule.heard(Answer::Failed, Answer::Failed, now);
    schedule.heard(v4(&[1], 5), Answer::Nothing, now + SECOND);
    assert_eq!(schedule.news(now + SECOND), None);
}

#[test]
fn a_name_with_too_many_addresses_has_some_of_them() {
    let now = Instant::now();
    let many = (0..1000u32).map(|n| IpAddr::from(Ipv4Addr::from(0x0a00_0000 + n))).collect();
    let mut schedule = Schedule::new(now);
    let heard = list(schedule.heard(Answer::Addresses(many, SECOND), Answer::Nothing, now));
    assert_eq!(heard.len(), ADDRESSES);
}

/// A server that says the same code and the same records to every question.
async fn server(code: u8, records: &'static [(u8, u32, &'static [u8])]) -> SocketAddr {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    tokio::spawn(async move {
        let mut query = [0; 1500];
        while let Ok((_, from)) = socket.recv_from(&mut query).await {
            // One question: behind the head the labels of its name, a zero, then type and class (RFC 1035 4.1.2).
            let end = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap();
            let asked = query[end + 2];
            let of_kind: Vec<_> = records.iter().filter(|(kind, ..)| *kind == asked || *kind == 5).collect();
            let is_there = of_kind.iter().any(|(kind, ..)| *kind == asked);
            let of_kind = if is_there { of_kind } else { Vec::new() };
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80 | code, 0, 1, 0, of_kind.len() as u8, 0, 0, 0, 0]);
            answer.extend(&query[12..end + 5]);
            // The first record is of the name asked for; those behind an alias are of what it stands for.
            let mut owner: &[u8] = &[0xc0, 12];
            for (kind, ttl, data) in of_kind {
                answer.extend(owner);
                answer.extend([0, *kind, 0, 1]);
                answer.extend(ttl.to_be_bytes());
                answer.extend([0, data.len() as u8]);
                answer.extend(*data);
                if *kind == 5 {
                    owner = data;
                }
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    address
}

#[tokio::test]
async fn servers_are_understood() {
    const ALIAS: (u8, u32, &[u8]) = (5, 7, b"\x03web\x04test\x00");
    const A: (u8, u32, &[u8]) = (1, 30, &[10, 0, 0, 1]);
    const AAAA: (u8, u32, &[u8]) = (28, 40, &[0xfd, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 1]);
    for (code, records, v4_says, v6_says) in [
        (0, &[A][..], v4_at(30), Answer::Nothing),
        (0, &[A, AAAA], v4_at(30), Answer::Addresses(vec!["fd00::1".parse().unwrap()], SECOND * 40)),
        (0, &[ALIAS, A], v4_at(7), Answer::Nothing),
        (3, &[], Answer::Nothing, Answer::Nothing),
        (2, &[], Answer::Failed, Answer::Failed),
        (5, &[], Answer::Failed, Answer::Failed),
    ] {
        let resolver = Resolver::new(&[server(code, records).await]);
        let begun = Instant::now();
        for (family, says) in [(Family::V4, v4_says), (Family::V6, v6_says)] {
            assert_eq!(resolver.ask("school.test", family).await, says, "{code} {records:?}");
            assert!(begun.elapsed() < SECOND, "{code} {records:?} {family:?} took {:?}", begun.elapsed());
        }
    }
}

/// Answers badly at first, then well.
#[tokio::test]
async fn a_server_that_recovers_is_believed_at_once() {
    let socket = tokio::net::UdpSocket::bind("127.0.0.1:0").await.unwrap();
    let address = socket.local_addr().unwrap();
    let code = std::sync::Arc::new(std::sync::atomic::AtomicU8::new(2));
    let says = std::sync::Arc::clone(&code);
    tokio::spawn(async move {
        let mut query = [0; 1500];
        while let Ok((_, from)) = socket.recv_from(&mut query).await {
            let end = 12 + query[12..].iter().position(|&byte| byte == 0).unwrap();
            let code = says.load(std::sync::atomic::Ordering::SeqCst);
            let count = u8::from(code == 0 && query[end + 2] == 1);
            let mut answer = query[..2].to_vec();
            answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
            answer.extend(&query[12..end + 5]);
            if count > 0 {
                answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 1, 0, 4, 10, 0, 0, 1]);
            }
            socket.send_to(&answer, from).await.unwrap();
        }
    });
    let resolver = Resolver::new(&[address]);
    for (code_now, v4_says, v6_says) in [
        (2, Answer::Failed, Answer::Failed),
        (0, v4_at(1), Answer::Nothing),
        (2, Answer::Failed, Answer::Failed),
    ] {
        code.store(code_now, std::sync::atomic::Ordering::SeqCst);
        let begun = Instant::now();
        let both = futures_util::future::join(
            resolver.ask("school.test", Family::V4),
            resolver.ask("school.test", Family::V6),
        );
        assert_eq!(both.await, (v4_says, v6_says));
        assert!(begun.elapsed() < SECOND, "{code_now} took {:?}", begun.elapsed());
    }
}

fn v4_at(ttl: u64) -> Answer {
    v4(&[1], ttl)
}
