//! What is given up first, and by which numbers.

use std::time::Duration;

use super::{small, sound};
use crate::policy::set::Priority;

#[test]
fn whoever_signs_in_is_given_up_last_unless_the_policy_says_otherwise() {
    let login = "purpose: account\n    authentication: { account: u }";
    for (written, expected) in [
        ("purpose: account".to_owned(), Priority::Normal),
        ("purpose: account\n    priority: critical".to_owned(), Priority::Critical),
        (login.to_owned(), Priority::Critical),
        (format!("{login}\n    priority: normal"), Priority::Normal),
    ] {
        let set = sound("routes/all.yaml", "purpose: account", &written);
        assert_eq!(set.routes[0].priority, expected, "{written}");
    }
    let (set, report) =
        small("routes/all.yaml", "purpose: account", "purpose: account\n    priority: critcal");
    assert!(set.is_none());
    assert!(report.to_string().contains("did you mean `critical`"), "{report}");
}

#[test]
fn numbers_against_hostile_clients_have_bounds() {
    let limits = |written: &str| format!("limits: {{ {written} }}\n  secret:");
    let timeouts = |written: &str| format!("timeouts: {{ {written} }}\n  secret:");
    let set = sound(
        "gateway.yaml",
        "secret:",
        &format!(
            "limits: {{ body_rate: 1 KiB, connections_per_address: 7, handshakes: 5, handshakes_per_address: 3, \
             requests_per_connection: 9, h2_continuations: 2, h2_frames: {{ ping: 4, other: 6 }} }}\n  {}",
            timeouts("connection: 1 h, queue: 0 s")
        ),
    );
    let written = set.gateway.limits;
    assert_eq!((written.body_rate, written.connections_per_address), (1024, 7));
    assert_eq!((written.handshakes, written.handshakes_per_address), (5, 3));
    assert_eq!((written.requests_per_connection, written.h2_continuations), (Some(9), 2));
    assert_eq!((written.h2_frames.ping, written.h2_frames.other, written.h2_frames.settings), (4, 6, 10));
    assert_eq!(set.gateway.timeouts.connection, Some(Duration::from_secs(3600)));
    assert_eq!(set.gateway.timeouts.queue, Duration::ZERO);
    for (written, message) in [
        (limits("body_rate: 2 MiB"), "`2 MiB` is out of bounds"),
        (limits("connections_per_address: 0"), "0 is out of bounds"),
        (limits("handshakes: 0"), "0 is out of bounds"),
        (limits("handshakes_per_address: 0"), "0 is out of bounds"),
        (limits("requests_per_connection: 0"), "0 is out of bounds"),
        (limits("h2_continuations: 65"), "65 is out of bounds"),
        (limits("h2_frames: { ping: 0 }"), "0 is out of bounds"),
        (limits("h2_frames: { pings: 1 }"), "`pings` is not a field here"),
        (timeouts("connection: 1 ms"), "`1 ms` is out of bounds"),
        (timeouts("queue: 1 min"), "`1 min` is out of bounds"),
        (timeouts("queue: 9 ms"), "waits under 10 ms are not measured"),
    ] {
        let (set, report) = small("gateway.yaml", "secret:", &written);
        assert!(set.is_none(), "{written}");
        assert!(report.to_string().contains(message), "{written}: {report}");
    }
    let (set, report) = small("gateway.yaml", "secret:", &limits("connections: 100, handshakes: 200"));
    assert!(set.is_some() && report.to_string().contains("bounds nothing"), "{report}");
}
