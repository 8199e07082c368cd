//! What is given up first, and by which numbers.

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
