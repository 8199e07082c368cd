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
    for wait in [1, 2, 4, 8, 15, 15, 15] {
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
