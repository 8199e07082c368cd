//! What a client is told about limits: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and
//! `Retry-After` (RFC 9110 §10.2.3).
//!
//! The partition key `pk` of the draft is left out: it could tell accounts apart.

use std::{fmt::Write as _, time::Duration};

use http::{HeaderName, HeaderValue, header};

use super::{Decision, Scope};

/// What the limits of a route said about one event, in the order in which they were asked.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Decisions {
    /// Name of the route.
    pub route: Box<str>,
    /// Each limit's answer; empty where nothing was counted.
    pub list: Vec<(Scope, Decision)>,
}

const RATE_LIMIT: HeaderName = HeaderName::from_static("ratelimit");
const RATE_LIMIT_POLICY: HeaderName = HeaderName::from_static("ratelimit-policy");

/// The fields that tell a client about these decisions: `RateLimit-Policy` and `RateLimit`, for an answer of any status,
/// and `Retry-After` where one of them refused (429).
pub fn headers(decisions: &Decisions) -> Vec<(HeaderName, HeaderValue)> {
    let lines = decisions.list.iter();
    let lines: Vec<_> =
        lines.map(|(scope, one)| Line::of(policy_name(&decisions.route, *scope), one)).collect();
    fields(&lines)
}

/// One policy, and what it said.
#[derive(Clone, Debug)]
pub(super) struct Line {
    /// A structured-field string, quotes included.
    name: String,
    limit: u32,
    /// Seconds; `None` where requests at a time are meant.
    window: Option<u64>,
    remaining: u32,
    /// Seconds until the next event may come where it refused, otherwise until nothing counts any more.
    until: Option<u64>,
    wait: Option<Duration>,
}

impl Line {
    /// What a counter said.
    pub(super) fn of(name: String, decision: &Decision) -> Self {
        let until = decision.retry_after.map_or(seconds(decision.reset), |wait| seconds(wait).max(1));
        Self {
            name,
            limit: decision.limit,
            window: Some(seconds(decision.window).max(1)),
            remaining: decision.remaining,
            until: Some(until),
            wait: decision.retry_after,
        }
    }

    /// What a bound on requests at a time said. Beside a rate of the same quota it has a name of its own.
    pub(super) fn concurrent(quota: &str, most: u32, remaining: u32, wait: Option<Duration>) -> Self {
        Self {
            name: format!("\"{quota}-concurrency\""),
            limit: most,
            window: None,
            remaining,
            until: None,
            wait,
        }
    }
}

/// The fields for these lines; none where there is none.
pub(super) fn fields(lines: &[Line]) -> Vec<(HeaderName, HeaderValue)> {
    if lines.is_empty() {
        return Vec::new();
    }
    let (mut policy, mut left) = (String::with_capacity(64), String::with_capacity(64));
    for (place, line) in lines.iter().enumerate() {
        let comma = if place > 0 { ", " } else { "" };
        let Line { name, limit, window, remaining, until, .. } = line;
        // A text takes everything.
        let _ = match window {
            Some(window) => write!(policy, "{comma}{name};q={limit};w={window}"),
            None => write!(policy, "{comma}{name};q={limit};qu=\"concurrent-requests\""),
        };
        let _ = write!(left, "{comma}{name};r={remaining}");
        if let Some(until) = until {
            let _ = write!(left, ";t={until}");
        }
    }
    // The longest wait of those that refused, never sooner than any of their `t`.
    let wait = lines.iter().filter_map(|line| line.wait).max().map(|wait| seconds(wait).max(1).to_string());
    [(header::RETRY_AFTER, wait), (RATE_LIMIT_POLICY, Some(policy)), (RATE_LIMIT, Some(left))]
        .into_iter()
        .filter_map(|(name, value)| Some((name, HeaderValue::try_from(value?).ok()?)))
        .collect()
}

/// A structured-field string (RFC 9651 §3.3.3) of the route and whom the limit counts.
fn policy_name(route: &str, scope: Scope) -> String {
    let plain = |c: char| if c.is_ascii_graphic() && !matches!(c, '"' | '\\') { c } else { '_' };
    format!("\"{}-{}\"", route.chars().map(plain).collect::<String>(), scope.as_str())
}

/// Whole seconds, never early.
fn seconds(duration: Duration) -> u64 {
    duration.as_secs() + u64::from(duration.subsec_nanos() > 0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn decision(remaining: u32, reset: u64, retry_after: Option<u64>) -> Decision {
        Decision {
            allowed: retry_after.is_none(),
            limit: 10,
            window: Duration::from_secs(60),
            remaining,
            reset: Duration::from_millis(reset),
            retry_after: retry_after.map(Duration::from_millis),
        }
    }

    fn said(route: &str, list: &[(Scope, Decision)]) -> Vec<String> {
        let decisions = Decisions { route: route.into(), list: list.to_vec() };
        headers(&decisions)
            .iter()
            .map(|(name, value)| {
                format!("{name}: {}", value.as_bytes().escape_ascii().to_string().replace('\\', ""))
            })
            .collect()
    }

    #[test]
    fn fields_follow_the_draft() {
        let list =
            [(Scope::Address, decision(7, 18_000, None)), (Scope::Account, decision(0, 60_000, Some(5_001)))];
        assert_eq!(
            said("login", &list),
            [
                "retry-after: 6",
                "ratelimit-policy: \"login-address\";q=10;w=60, \"login-account\";q=10;w=60",
                "ratelimit: \"login-address\";r=7;t=18, \"login-account\";r=0;t=6",
            ]
        );
        assert_eq!(
            said("login", &list[..1]),
            ["ratelimit-policy: \"login-address\";q=10;w=60", "ratelimit: \"login-address\";r=7;t=18"]
        );
        assert_eq!(said("login", &[]), [""; 0]);
    }

    #[test]
    fn a_client_is_never_told_to_come_back_at_once() {
        let fields = said("x", &[(Scope::Account, decision(0, 0, Some(0)))]);
        assert_eq!(fields[0], "retry-after: 1");
        assert_eq!(fields[2], "ratelimit: \"x-account\";r=0;t=1");
    }

    #[test]
    fn names_stay_inside_their_quotes() {
        let fields = said("caf\u{e9} \"x\\", &[(Scope::Account, decision(1, 0, None))]);
        assert_eq!(fields[1], "ratelimit: \"caf___x_-account\";r=1;t=0");
    }
}
