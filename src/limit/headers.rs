//! What a client is told about limits: `RateLimit` and `RateLimit-Policy` (draft-ietf-httpapi-ratelimit-headers-10) and
//! `Retry-After` (RFC 9110 §10.2.3).
//!
//! The partition key `pk` of the draft is left out: it could tell accounts apart.

use std::time::Duration;

use http::HeaderValue;

use super::{Decision, Scope};

/// `RateLimit-Policy: "login-account";q=10;w=60, …`: what is allowed. `None` when there is nothing to say.
pub fn rate_limit_policy(route: &str, decisions: &[(Scope, Decision)]) -> Option<HeaderValue> {
    list(decisions, |scope, decision| {
        let (name, window) = (policy_name(route, scope), seconds(decision.window).max(1));
        format!("{name};q={};w={window}", decision.limit)
    })
}

/// `RateLimit: "login-account";r=0;t=61, …`: what is left. On 429 `t` is when the next attempt may come, otherwise
/// when nothing counts any more.
pub fn rate_limit(route: &str, decisions: &[(Scope, Decision)]) -> Option<HeaderValue> {
    list(decisions, |scope, decision| {
        let until = seconds(decision.retry_after.unwrap_or(decision.reset));
        format!("{};r={};t={until}", policy_name(route, scope), decision.remaining)
    })
}

/// `Retry-After` in seconds: the longest wait of those that refused, never sooner than any `t`. `None` if all allowed.
pub fn retry_after(decisions: &[(Scope, Decision)]) -> Option<HeaderValue> {
    let wait = decisions.iter().filter_map(|(_, decision)| decision.retry_after).max()?;
    Some(HeaderValue::from(seconds(wait).max(1)))
}

fn list(decisions: &[(Scope, Decision)], item: impl Fn(Scope, &Decision) -> String) -> Option<HeaderValue> {
    if decisions.is_empty() {
        return None;
    }
    let items: Vec<String> = decisions.iter().map(|(scope, decision)| item(*scope, decision)).collect();
    // Visible ASCII by construction: the conversion cannot fail.
    HeaderValue::try_from(items.join(", ")).ok()
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

    #[test]
    fn fields_follow_the_draft() {
        let decisions =
            [(Scope::Address, decision(7, 18_000, None)), (Scope::Account, decision(0, 60_000, Some(5_001)))];
        assert_eq!(
            rate_limit_policy("login", &decisions).unwrap(),
            "\"login-address\";q=10;w=60, \"login-account\";q=10;w=60"
        );
        assert_eq!(
            rate_limit("login", &decisions).unwrap(),
            "\"login-address\";r=7;t=18, \"login-account\";r=0;t=6"
        );
        assert_eq!(retry_after(&decisions).unwrap(), "6");
        assert_eq!(retry_after(&decisions[..1]), None);
        assert_eq!(rate_limit("login", &[]), None);
    }

    #[test]
    fn a_client_is_never_told_to_come_back_at_once() {
        assert_eq!(retry_after(&[(Scope::Account, decision(0, 0, Some(0)))]).unwrap(), "1");
    }

    #[test]
    fn names_stay_inside_their_quotes() {
        let field = rate_limit("caf\u{e9} \"x\\", &[(Scope::Account, decision(1, 0, None))]).unwrap();
        assert_eq!(field, "\"caf___x_-account\";r=1;t=0");
    }
}
