//! Ages on a wall clock that may be stepped, seen by exchanges that began at different moments.

use std::time::{Duration, SystemTime};

/// Whether less than `span` lies between the two moments, whichever came first.
///
/// An exchange may meet what a later one stored, so "from the future" is no error; but a clock that was set back by
/// hours must not keep an answer alive for hours.
pub(super) fn within(since: SystemTime, now: SystemTime, span: Duration) -> bool {
    let apart = now.duration_since(since).unwrap_or_else(|error| error.duration());
    apart < span
}

/// Seconds since 1970 as RFC 7519 counts them (NumericDate); negative before.
pub(super) fn numeric_date(now: SystemTime) -> f64 {
    match now.duration_since(SystemTime::UNIX_EPOCH) {
        Ok(after) => after.as_secs_f64(),
        Err(before) => -before.duration().as_secs_f64(),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ages_hold_in_both_directions() {
        let noon = SystemTime::UNIX_EPOCH + Duration::from_secs(1_000_000);
        let span = Duration::from_secs(10);
        assert!(within(noon, noon, span));
        assert!(within(noon, noon + Duration::from_secs(9), span));
        assert!(!within(noon, noon + span, span));
        assert!(within(noon + Duration::from_secs(9), noon, span));
        assert!(!within(noon + Duration::from_secs(3600), noon, span));
        assert!(!within(noon, noon, Duration::ZERO));
    }
}
