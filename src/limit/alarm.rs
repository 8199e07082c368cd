//! Whether unusually many attempts on a route fail: somebody tries stolen passwords, each account once, from everywhere.
//!
//! Nothing is kept of anybody: two numbers for each tenth of the window. Each process looks at its own share of the attempts;
//! a ratio is the same in each.

use std::{
    collections::HashMap,
    sync::{Mutex, PoisonError},
};

use super::guard::Outcome;
use crate::{
    policy::set::Alarm,
    telemetry::{self, Event},
};

/// Parts of a window; the oldest is forgotten as a whole.
const PARTS: usize = 10;

/// The alarms of all routes, by name.
#[derive(Default)]
pub(super) struct Alarms(Mutex<HashMap<Box<str>, Ratio>>);

/// Attempts and failures of one route.
#[derive(Debug, Default)]
struct Ratio {
    parts: [(u32, u32); PARTS],
    /// The part that is counted into, since the clock began.
    part: u64,
    raised: bool,
}

impl Alarms {
    /// Whether a route's alarm is raised.
    pub(super) fn is_raised(&self, route: &str, alarm: Alarm, now: u64) -> bool {
        let mut ratios = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        ratios.get_mut(route).is_some_and(|ratio| ratio.judge(route, alarm, now))
    }

    /// Counts an attempt that the platform judged.
    pub(super) fn count(&self, route: &str, alarm: Alarm, outcome: Outcome, now: u64) {
        if outcome == Outcome::None {
            return;
        }
        let mut ratios = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let ratio = match ratios.get_mut(route) {
            Some(ratio) => ratio,
            None => ratios.entry(route.into()).or_default(),
        };
        ratio.advance(alarm, now);
        let part = &mut ratio.parts[ratio.part as usize % PARTS];
        part.0 = part.0.saturating_add(1);
        part.1 = part.1.saturating_add(u32::from(outcome == Outcome::Failure));
        ratio.judge(route, alarm, now);
    }
}

impl Ratio {
    fn advance(&mut self, alarm: Alarm, now: u64) {
        let length = u64::try_from(alarm.window.as_micros()).unwrap_or(u64::MAX) / PARTS as u64;
        let part = now / length.max(1);
        let passed = part.saturating_sub(self.part).min(PARTS as u64);
        for step in 1..=passed {
            self.parts[(part - passed + step) as usize % PARTS] = (0, 0);
        }
        // A longer window after a reload counts its parts anew.
        if part < self.part {
            self.parts = Default::default();
        }
        self.part = part;
    }

    /// Raises or ends the alarm; says whether it is raised. It ends at three quarters of what raised it, so that it does
    /// not flutter.
    fn judge(&mut self, route: &str, alarm: Alarm, now: u64) -> bool {
        self.advance(alarm, now);
        let (attempts, failures) = self
            .parts
            .iter()
            .fold((0u64, 0u64), |sum, part| (sum.0 + u64::from(part.0), sum.1 + u64::from(part.1)));
        let (least, percent) = (u64::from(alarm.attempts), u64::from(alarm.percent));
        let raised = if self.raised {
            4 * attempts >= 3 * least && 400 * failures >= 3 * percent * attempts
        } else {
            attempts >= least && 100 * failures >= percent * attempts
        };
        if raised != self.raised {
            self.raised = raised;
            telemetry::login_alarm(route, raised);
            telemetry::event(if raised {
                Event::LoginAlarm { route, attempts, failures }
            } else {
                Event::LoginAlarmOver { route }
            });
        }
        raised
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use super::*;
    use crate::policy::set::Rate;

    const ALARM: Alarm = Alarm {
        window: Duration::from_secs(600),
        attempts: 100,
        percent: 50,
        limit: Rate { count: 60, per: Duration::from_secs(60) },
        enforce: false,
    };
    const SECOND: u64 = 1_000_000;

    fn count(alarms: &Alarms, number: u32, outcome: Outcome, now: u64) {
        for _ in 0..number {
            alarms.count("login", ALARM, outcome, now);
        }
    }

    #[test]
    fn it_is_raised_by_a_ratio_and_ends_by_itself() {
        let (alarms, now) = (Alarms::default(), 5000 * SECOND);
        let raised = |now| alarms.is_raised("login", ALARM, now);
        count(&alarms, 99, Outcome::Failure, now);
        assert!(!raised(now), "too few");
        count(&alarms, 1, Outcome::Failure, now);
        assert!(raised(now) && !alarms.is_raised("other", ALARM, now));
        assert!(raised(now + 540 * SECOND));
        assert!(!raised(now + 600 * SECOND), "the window has passed");
    }

    #[test]
    fn a_class_that_mistypes_raises_none() {
        let (alarms, now) = (Alarms::default(), 5000 * SECOND);
        for minute in 0..60 {
            count(&alarms, 30, Outcome::Success, now + minute * 60 * SECOND);
            count(&alarms, 25, Outcome::Failure, now + minute * 60 * SECOND);
            assert!(!alarms.is_raised("login", ALARM, now + minute * 60 * SECOND));
        }
    }

    #[test]
    fn it_does_not_flutter_and_what_was_no_guess_does_not_count() {
        let (alarms, now) = (Alarms::default(), 5000 * SECOND);
        count(&alarms, 1000, Outcome::None, now);
        count(&alarms, 100, Outcome::Failure, now);
        count(&alarms, 150, Outcome::Success, now);
        assert!(alarms.is_raised("login", ALARM, now), "40 of a hundred are enough to stay");
        count(&alarms, 50, Outcome::Success, now);
        assert!(!alarms.is_raised("login", ALARM, now));
    }
}
