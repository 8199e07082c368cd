use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000;
const HOUR: u64 = 3600 * SECOND;

fn backoff() -> Rule {
    Rule::new(AccountLimit::CNIL_BACKOFF)
}

fn block() -> Rule {
    Rule::new(AccountLimit::CNIL_BLOCK)
}

/// An attempt that fails at once; whether it got there.
fn fail(state: &mut State, rule: Rule, now: u64) -> bool {
    let standing = state.take(rule, now);
    if standing.allowed {
        state.settle(rule, standing.ticket, Outcome::Failure, now);
    }
    standing.allowed
}

#[test]
fn after_five_failures_each_wait_is_twice_the_last() {
    let (mut state, rule) = (State::default(), backoff());
    let mut now = 7 * HOUR;
    for number in 0..5 {
        assert!(fail(&mut state, rule, now), "{number}");
    }
    for wait in [61, 122, 244, 488, 976, 1952, 3600, 3600] {
        assert_eq!(state.look(rule, now).wait, wait * SECOND, "{wait}");
        assert!(!fail(&mut state, rule, now + wait * SECOND - 1), "{wait}");
        now += wait * SECOND;
        assert!(fail(&mut state, rule, now), "{wait}");
    }
}

#[test]
fn the_26th_failure_of_24_hours_is_refused_however_they_are_spaced() {
    let (mut state, rule) = (State::default(), backoff());
    let start = 7 * HOUR;
    for number in 0..25 {
        let now = start + number * (HOUR - 144 * SECOND);
        // A success between them ends the row, and not the day.
        if number % 4 == 3 {
            let standing = state.take(rule, now - HOUR / 2);
            assert!(standing.allowed, "{number}");
            state.settle(rule, standing.ticket, Outcome::Success, now - HOUR / 2);
        }
        assert!(fail(&mut state, rule, now), "{number}");
    }
    let standing = state.look(rule, start + DAY - 1);
    assert!(standing.day && !standing.allowed && standing.wait == 1, "{standing:?}");
    assert!(fail(&mut state, rule, start + DAY), "the first is a day old");
    assert!(state.look(rule, start + DAY).day);
}

#[test]
fn a_block_comes_after_ten_in_a_row_and_ends_when_it_says() {
    let (mut state, rule) = (State::default(), block());
    // However long between them, within a month.
    for number in 0..10u64 {
        assert!(fail(&mut state, rule, DAY + number * 20 * HOUR), "{number}");
    }
    let last = DAY + 180 * HOUR;
    assert!(!fail(&mut state, rule, last));
    assert!(!fail(&mut state, rule, last + DAY - 1));
    for number in 0..10 {
        assert!(fail(&mut state, rule, last + DAY), "{number}");
    }
    assert!(!fail(&mut state, rule, last + DAY));
}

#[test]
fn a_success_ends_the_row() {
    for rule in [backoff(), block()] {
        let (mut state, now) = (State::default(), DAY);
        for _ in 1..rule.free {
            fail(&mut state, rule, now);
        }
        let last = state.take(rule, now);
        assert!(last.allowed && !state.look(rule, now).allowed);
        state.settle(rule, last.ticket, Outcome::Success, now);
        for number in 0..rule.free {
            assert!(fail(&mut state, rule, now), "{number}");
        }
        assert!(!fail(&mut state, rule, now));
    }
}

#[test]
fn guesses_at_the_same_time_are_no_more_than_one_after_another() {
    let (mut state, rule) = (State::default(), backoff());
    let under_way: Vec<_> =
        (0..50).map(|_| state.take(rule, DAY)).filter(|standing| standing.allowed).collect();
    assert_eq!(under_way.len(), 5);
    // The wait begins with the last answer.
    for standing in under_way {
        state.settle(rule, standing.ticket, Outcome::Failure, DAY + 20 * SECOND);
    }
    assert_eq!(state.look(rule, DAY + 20 * SECOND).wait, 61 * SECOND);
}

#[test]
fn a_failure_that_a_success_overtook_begins_the_next_row() {
    let (mut state, rule) = (State::default(), backoff());
    let slow: Vec<_> = (0..4).map(|_| state.take(rule, DAY).ticket).collect();
    let good = state.take(rule, DAY).ticket;
    state.settle(rule, good, Outcome::Success, DAY + 1);
    for ticket in slow {
        state.settle(rule, ticket, Outcome::Failure, DAY + 2);
    }
    assert_eq!(state.row, 4);
    assert!(fail(&mut state, rule, DAY + 3) && !fail(&mut state, rule, DAY + 3));
}

#[test]
fn what_was_no_guess_is_as_if_it_had_not_been() {
    let (mut state, rule) = (State::default(), backoff());
    for _ in 0..100 {
        let standing = state.take(rule, DAY);
        assert!(standing.allowed);
        state.settle(rule, standing.ticket, Outcome::None, DAY);
    }
    assert!(state.is_empty());
    // Of five at the same time one: the fifth may come again, the others count.
    let tickets: Vec<_> = (0..5).map(|_| state.take(rule, DAY).ticket).collect();
    state.settle(rule, tickets[2], Outcome::None, DAY);
    assert!(fail(&mut state, rule, DAY) && !fail(&mut state, rule, DAY));
}

#[test]
fn nothing_that_was_forgotten_still_waits() {
    let (mut state, rule) = (State::default(), backoff());
    for _ in 0..5 {
        fail(&mut state, rule, DAY);
    }
    let later = state.expires(rule);
    let standing = state.look(rule, later);
    assert!(standing.allowed && state.is_empty(), "{state:?}");
    assert_eq!(later, 2 * DAY);
}

#[test]
fn a_shorter_wait_after_a_reload_counts_at_once() {
    let mut state = State::default();
    for _ in 0..10 {
        fail(&mut state, block(), DAY);
    }
    assert_eq!(state.look(backoff(), DAY).wait, HOUR);
}

#[test]
fn a_share_is_stricter_but_never_nothing() {
    let rule = Rule::share(AccountLimit::CNIL_BACKOFF, 2);
    assert_eq!((rule.free, rule.per_day, rule.delay), (2, 12, 61 * SECOND));
    assert_eq!(Rule::share(AccountLimit::CNIL_BACKOFF, 100).free, 1);
}

proptest! {
    /// Whatever is asked when and however it ends: no more than 25 failures in any 24 hours, and more than a minute between
    /// any failure from the fifth in a row on and the next attempt.
    #[test]
    fn the_cnil_s_numbers_hold(
        steps in proptest::collection::vec((0u64..90 * 60 * SECOND, 0u8..8, 0usize..4), 1..200),
    ) {
        let (mut state, rule) = (State::default(), backoff());
        let mut now = 3 * DAY;
        let mut open: Vec<Ticket> = Vec::new();
        let mut failures: Vec<u64> = Vec::new();
        let (mut row, mut last) = (0, 0);
        for (gap, what, which) in steps {
            now += if what % 2 == 0 { gap } else { gap % (5 * SECOND) };
            // What is never settled stays counted.
            open.retain(|ticket| ticket.at + HOUR > now);
            let standing = state.take(rule, now);
            if standing.allowed {
                prop_assert!(row < 5 || now >= last + 61 * SECOND, "row {row}");
                open.push(standing.ticket);
            }
            if which < open.len() {
                let ticket = open.remove(which);
                let outcome = match what {
                    0 => Outcome::Success,
                    1 => Outcome::None,
                    _ => Outcome::Failure,
                };
                state.settle(rule, ticket, outcome, now);
                match outcome {
                    Outcome::Success => row = 0,
                    Outcome::None => {}
                    Outcome::Failure => {
                        failures.push(now);
                        (row, last) = (row + 1, now);
                    }
                }
            }
            let inside = failures.iter().filter(|&&at| at + DAY > now).count();
            prop_assert!(inside <= 25, "{inside}");
            if now >= last + DAY {
                row = 0;
            }
        }
    }
}
