//! Whether there is more work than can be done in time, and who is told so.
//!
//! What counts is how long work that is ready waits for its core: a queue that is empty now and then is a burst that passes,
//! one that never is stands (CoDel, RFC 8289 §3). So it is the shortest wait of a window that is compared with the target. Above it
//! a growing part of the requests is answered at once, before anything costly, until the queue is short again; below it,
//! a shrinking part. All or nothing would swing between too much work and none.

use std::{cell::Cell, rc::Rc, time::Duration};

use crate::{policy::set::Priority, telemetry::ShedReason};

/// How long a queue must stand.
const WINDOW: Duration = Duration::from_millis(100);

/// Waits that a window has seen at least: one job that takes long is no queue.
const WAITS: u32 = 2;

/// How many times the target those wait who are given up last.
const CRITICAL: u32 = 4;

/// The part of exchanges above their limit that is kept for those who are given up last.
const RESERVE: usize = 8;

/// Exchanges that are no crowd: what waits behind so few waits for a large document, or for another process.
const FEW: usize = 16;

/// All requests, in parts.
const WHOLE: u32 = 1024;

/// How much more is shed after a window above the target, and less after one below.
const MORE: u32 = WHOLE / 8;
const LESS: u32 = WHOLE / 16;

/// The part of requests of one priority that is shed.
#[derive(Debug, Default)]
struct Share {
    part: Cell<u32>,
    owed: Cell<u32>,
}

impl Share {
    fn adjust(&self, waited: Duration, target: Duration) {
        let part = self.part.get();
        self.part.set(if waited > target {
            let times = waited.as_micros() / target.as_micros().max(1);
            (part + MORE * (times.clamp(1, 4) as u32)).min(WHOLE)
        } else {
            part.saturating_sub(LESS)
        });
    }

    /// Whether the next one is shed: evenly, so that nobody is unlucky several times on end.
    fn sheds(&self) -> bool {
        if self.part.get() == 0 {
            return false;
        }
        let owed = self.owed.get() + self.part.get();
        self.owed.set(owed % WHOLE);
        owed >= WHOLE
    }
}

/// The load of one core.
#[derive(Debug, Default)]
pub struct Pressure {
    active: Rc<Cell<usize>>,
    most: Cell<usize>,
    target: Cell<Duration>,
    began: Cell<Duration>,
    waits: Cell<u32>,
    shortest: Cell<Duration>,
    normal: Share,
    critical: Share,
    tunnels: Rc<Cell<usize>>,
    most_tunnels: Cell<usize>,
}

/// A tunnel inside of a connection, under way for as long as this lives.
#[derive(Debug)]
pub struct Tunnelled(Rc<Cell<usize>>);

impl Drop for Tunnelled {
    fn drop(&mut self) {
        self.0.set(self.0.get().saturating_sub(1));
    }
}

impl Pressure {
    /// Takes over how many tunnels there may be inside of connections.
    pub fn bound_tunnels(&self, most: usize) {
        self.most_tunnels.set(most);
    }

    /// One more tunnel in a stream of HTTP/2. It costs what a connection costs, and no limit on those counts it.
    pub fn tunnel(&self) -> Option<Tunnelled> {
        let under_way = self.tunnels.get();
        (under_way < self.most_tunnels.get()).then(|| {
            self.tunnels.set(under_way + 1);
            Tunnelled(self.tunnels.clone())
        })
    }

    /// How many exchanges are under way, from head to the end of the response body.
    pub fn active(&self) -> &Rc<Cell<usize>> {
        &self.active
    }

    /// Takes over bounds: as many exchanges as `most` at a time, and a target for the wait; zero for none.
    pub fn bound(&self, most: usize, target: Duration) {
        self.most.set(most);
        self.target.set(target);
    }

    /// Whether there are so many exchanges that even those are shed who are given up last. The one asking counts.
    pub fn is_full(&self) -> bool {
        self.active.get() > self.most.get().saturating_add(self.most.get() / RESERVE)
    }

    /// Work that was ready waited for `waited` until it was done, at `now` since the start of the core. The shortest wait of
    /// the window, if this was its end.
    pub fn waited(&self, now: Duration, waited: Duration) -> Option<Duration> {
        let shortest = if self.waits.get() == 0 { waited } else { self.shortest.get().min(waited) };
        self.shortest.set(shortest);
        self.waits.set(self.waits.get() + 1);
        if self.waits.get() < WAITS || now.saturating_sub(self.began.get()) < WINDOW {
            return None;
        }
        self.waits.set(0);
        self.began.set(now);
        // Without a target there is nothing that could be above it.
        let target = match self.target.get() {
            Duration::ZERO => Duration::MAX,
            target => target,
        };
        self.normal.adjust(shortest, target);
        self.critical.adjust(shortest, target.saturating_mul(CRITICAL));
        Some(shortest)
    }

    /// Whether, and why, a request of this priority is answered 503.
    pub fn sheds(&self, priority: Priority) -> Option<ShedReason> {
        let (share, full) = match priority {
            Priority::Normal => (&self.normal, self.active.get() > self.most.get()),
            // The limit with its reserve is what let the request in.
            Priority::Critical => (&self.critical, false),
        };
        if full {
            return Some(ShedReason::Exchanges);
        }
        if self.active.get() <= FEW {
            return None;
        }
        share.sheds().then_some(ShedReason::QueueTime)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    /// A core with a target of 100 ms.
    struct Scene {
        pressure: Pressure,
        now: Duration,
    }

    impl Scene {
        fn new() -> Self {
            let pressure = Pressure::default();
            pressure.bound(100, 100 * MS);
            pressure.active().set(50);
            Self { pressure, now: Duration::ZERO }
        }

        /// `seconds` in which the wait is what `wait` says, sampled as the server does.
        fn pass(&mut self, seconds: u64, wait: impl Fn(Duration) -> Duration) -> &mut Self {
            let end = self.now + Duration::from_secs(seconds);
            while self.now < end {
                let waited = wait(self.now);
                self.now += 10 * MS + waited;
                self.pressure.waited(self.now, waited);
            }
            self
        }

        /// Of a thousand requests, how many are shed.
        fn shed(&self, priority: Priority) -> usize {
            (0..1000).filter(|_| self.pressure.sheds(priority).is_some()).count()
        }
    }

    #[test]
    fn a_queue_that_stands_is_shed_and_one_that_passes_is_not() {
        let mut scene = Scene::new();
        scene.pass(10, |_| 90 * MS);
        assert_eq!((scene.shed(Priority::Normal), scene.shed(Priority::Critical)), (0, 0));
        // Bursts of half a second's work, that are done in the end.
        scene.pass(10, |now| if now.subsec_millis() < 500 { 200 * MS } else { MS });
        scene.pass(1, |_| MS);
        assert_eq!(scene.shed(Priority::Normal), 0);
        // One long job in each tenth of a second.
        scene.pass(10, |now| if now.as_millis() % 100 < 10 { 150 * MS } else { MS });
        assert_eq!(scene.shed(Priority::Normal), 0);
        scene.pass(3, |_| 150 * MS);
        assert_eq!((scene.shed(Priority::Normal), scene.shed(Priority::Critical)), (1000, 0));
    }

    #[test]
    fn the_critical_are_shed_at_several_times_the_target() {
        let mut scene = Scene::new();
        scene.pass(5, |_| 399 * MS);
        assert_eq!((scene.shed(Priority::Normal), scene.shed(Priority::Critical)), (1000, 0));
        scene.pass(10, |_| 450 * MS);
        assert_eq!(scene.shed(Priority::Critical), 1000);
    }

    #[test]
    fn what_is_shed_grows_and_shrinks_in_parts() {
        let mut scene = Scene::new();
        scene.pass(1, |_| 101 * MS);
        let some = scene.shed(Priority::Normal);
        assert!((300..900).contains(&some), "{some}");
        scene.pass(1, |_| MS);
        assert!(scene.shed(Priority::Normal) < some);
        scene.pass(2, |_| MS);
        assert_eq!(scene.shed(Priority::Normal), 0);
    }

    #[test]
    fn without_a_target_nothing_waits_too_long() {
        let mut scene = Scene::new();
        scene.pressure.bound(100, Duration::ZERO);
        scene.pass(10, |_| 1000 * MS);
        assert_eq!((scene.shed(Priority::Normal), scene.shed(Priority::Critical)), (0, 0));
    }

    #[test]
    fn so_few_are_no_crowd() {
        let mut scene = Scene::new();
        scene.pass(10, |_| 1000 * MS);
        scene.pressure.active().set(16);
        assert_eq!((scene.shed(Priority::Normal), scene.shed(Priority::Critical)), (0, 0));
        scene.pressure.active().set(17);
        assert_eq!((scene.shed(Priority::Normal), scene.shed(Priority::Critical)), (1000, 1000));
    }

    #[test]
    fn a_part_above_the_limit_of_exchanges_is_kept_for_the_critical() {
        let pressure = Pressure::default();
        pressure.bound(80, Duration::ZERO);
        pressure.active().set(80);
        assert_eq!(pressure.sheds(Priority::Normal), None);
        pressure.active().set(81);
        assert_eq!(pressure.sheds(Priority::Normal), Some(ShedReason::Exchanges));
        assert_eq!(pressure.sheds(Priority::Critical), None);
        assert!(!pressure.is_full());
        pressure.active().set(91);
        assert!(pressure.is_full());
    }
}
