use std::{
    cell::Cell,
    rc::Rc,
    sync::{Arc, Mutex},
};

use super::*;
use crate::gateway::connection::{Clock, Progress};

const TIMEOUTS: Timeouts = Timeouts {
    drain_delay: Duration::ZERO,
    handshake: Duration::from_secs(10),
    headers: Duration::from_secs(20),
    idle: Duration::from_secs(60),
    body: Duration::from_secs(30),
    connection: None,
    queue: Duration::ZERO,
    drain: Duration::from_secs(25),
};

const BOUNDS: Bounds<'static> = Bounds { timeouts: &TIMEOUTS, body_rate: 240, crowded: false };

/// A connection on a clock that only the test moves.
struct Scene {
    clock: Arc<Clock>,
    progress: Arc<Progress>,
    tracker: Rc<Tracker>,
    active: Rc<Cell<usize>>,
    heard: Heard,
}

#[derive(Default)]
struct Heard(Mutex<Vec<Deadline>>);

impl Observe for Heard {
    fn timed_out(&self, phase: Deadline) {
        self.0.lock().unwrap().push(phase);
    }
}

impl Scene {
    fn new(phase: Phase) -> Self {
        let clock = Arc::<Clock>::default();
        let progress = Progress::new(clock.clone(), phase);
        let tracker = Tracker::new(progress.clone());
        Self { clock, progress, tracker, active: Rc::default(), heard: Heard::default() }
    }

    fn at(&self, seconds: u64) -> &Self {
        self.clock.advance(Duration::from_secs(seconds));
        self
    }

    fn judged(&self) -> Verdict {
        judge(&self.tracker, self.clock.now(), &BOUNDS, false)
    }

    fn judged_closing(&self) -> Verdict {
        judge(&self.tracker, self.clock.now(), &BOUNDS, true)
    }

    fn swept(&self) -> (Order, Vec<Deadline>) {
        sweep(&self.tracker, self.clock.now(), &BOUNDS, false, &self.heard);
        (self.tracker.order(), self.heard.0.lock().unwrap().clone())
    }
}

#[test]
fn each_phase_has_its_bound() {
    for (phase, bound, verdict) in [
        (Phase::Handshake, 10, Verdict::Abort(Some(Deadline::Handshake))),
        (Phase::Headers, 20, Verdict::Abort(Some(Deadline::Headers))),
        (Phase::Idle, 60, Verdict::Finish(Some(Deadline::Idle))),
        (Phase::Linger, 5, Verdict::Abort(None)),
    ] {
        let scene = Scene::new(phase);
        assert_eq!(scene.at(bound).judged(), Verdict::Keep, "{phase:?}");
        assert_eq!(scene.at(bound + 1).judged(), verdict, "{phase:?}");
    }
}

#[test]
fn bytes_do_not_extend_a_deadline() {
    let scene = Scene::new(Phase::Idle);
    for second in 1..=21 {
        scene.at(second).progress.read();
        assert_eq!(scene.judged(), Verdict::Keep, "at {second} s");
    }
    scene.at(22).progress.read();
    assert_eq!(scene.judged(), Verdict::Abort(Some(Deadline::Headers)));
}

#[test]
fn frames_without_a_stream_leave_an_http2_connection_idle() {
    let scene = Scene::new(Phase::Idle);
    scene.progress.multiplex();
    for second in 1..=60 {
        scene.at(second).progress.read();
        assert_eq!(scene.judged(), Verdict::Keep, "at {second} s");
    }
    scene.at(61).progress.read();
    assert_eq!(scene.judged(), Verdict::Finish(Some(Deadline::Idle)));
}

#[test]
fn an_exchange_suspends_the_idle_clock_and_restarts_it() {
    let scene = Scene::new(Phase::Idle);
    let first = scene.at(50).tracker.begin(&scene.active);
    let second = scene.tracker.begin(&scene.active);
    assert_eq!(scene.active.get(), 2);
    assert_eq!(scene.at(1000).judged(), Verdict::Keep);
    drop(first);
    assert_eq!(scene.at(2000).judged(), Verdict::Keep);
    drop(second);
    assert_eq!((scene.active.get(), scene.tracker.exchanges()), (0, 0));
    assert_eq!(scene.at(2060).judged(), Verdict::Keep);
    assert_eq!(scene.at(2061).judged(), Verdict::Finish(Some(Deadline::Idle)));
}

#[test]
fn a_client_that_takes_nothing_is_cut_and_one_that_takes_little_is_not() {
    let scene = Scene::new(Phase::Idle);
    let _exchange = scene.tracker.begin(&scene.active);
    scene.progress.blocked();
    scene.at(20).progress.blocked();
    assert_eq!(scene.at(30).judged(), Verdict::Keep);
    scene.progress.wrote(30_000);
    scene.progress.blocked();
    assert_eq!(scene.at(60).judged(), Verdict::Keep);
    assert_eq!(scene.at(61).swept(), (Order::Abort, vec![Deadline::ResponseBody]));
}

#[test]
fn an_order_to_finish_is_enforced_and_counted_once() {
    let scene = Scene::new(Phase::Idle);
    assert_eq!(scene.at(61).swept(), (Order::Finish, vec![Deadline::Idle]));
    assert_eq!(scene.at(71).swept(), (Order::Finish, vec![Deadline::Idle]));
    assert_eq!(scene.at(72).swept(), (Order::Abort, vec![Deadline::Idle]));
}

#[test]
fn an_exchange_under_way_outlasts_an_order_to_finish() {
    let scene = Scene::new(Phase::Idle);
    let exchange = scene.tracker.begin(&scene.active);
    scene.tracker.give(Order::Finish);
    assert_eq!(scene.at(500).swept().0, Order::Finish);
    drop(exchange);
    assert_eq!(scene.at(510).swept().0, Order::Finish);
    assert_eq!(scene.at(511).swept().0, Order::Abort);
}

#[test]
fn a_drain_closes_quiet_connections_only() {
    let scene = Scene::new(Phase::Idle);
    assert_eq!(scene.at(5).judged_closing(), Verdict::Keep);
    assert_eq!(scene.at(6).judged(), Verdict::Keep);
    assert_eq!(scene.at(6).judged_closing(), Verdict::Finish(None));
    let _exchange = scene.tracker.begin(&scene.active);
    assert_eq!(scene.at(20).judged_closing(), Verdict::Keep);
}

#[test]
fn an_order_is_never_taken_back() {
    let scene = Scene::new(Phase::Idle);
    scene.tracker.give(Order::Abort);
    scene.tracker.give(Order::Finish);
    scene.tracker.give(Order::Serve);
    assert_eq!(scene.tracker.order(), Order::Abort);
}

#[test]
fn a_silent_tunnel_is_given_up_and_a_talking_one_is_not() {
    let scene = Scene::new(Phase::Exchange);
    scene.tracker.end();
    assert!(scene.tracker.is_tunnel());
    scene.at(50).progress.read();
    scene.at(100).progress.wrote(30_000);
    assert_eq!(scene.at(160).judged(), Verdict::Keep);
    assert_eq!(scene.at(161).judged(), Verdict::Abort(Some(Deadline::Idle)));
    scene.progress.close();
    assert!(scene.tracker.is_over());
}

#[test]
fn a_client_that_takes_a_byte_now_and_then_is_cut() {
    let taken_up_to = |bytes: usize| {
        let scene = Scene::new(Phase::Idle);
        let _exchange = scene.tracker.begin(&scene.active);
        for second in 0..600 {
            scene.at(second).progress.blocked();
            scene.at(second + 1).progress.wrote(bytes);
            if scene.swept().0 == Order::Abort {
                assert_eq!(scene.swept().1, vec![Deadline::ResponseBody]);
                return second + 1;
            }
        }
        600
    };
    assert_eq!(taken_up_to(100), 30);
    assert_eq!(taken_up_to(240), 600);
}

#[test]
fn a_pause_of_the_platform_is_nobody_s_slowness() {
    let scene = Scene::new(Phase::Idle);
    let _exchange = scene.tracker.begin(&scene.active);
    for second in (0..600).step_by(20) {
        scene.at(second).progress.wrote(1);
        assert_eq!(scene.swept().0, Order::Serve);
    }
}

#[test]
fn an_http2_stream_that_takes_nothing_is_reset_unless_the_line_is_full() {
    let scene = Scene::new(Phase::Idle);
    scene.progress.multiplex();
    let exchange = scene.tracker.begin(&scene.active);
    let exchange = exchange.exchange();
    exchange.offer(8192, scene.at(0).clock.now());
    assert!(!exchange.is_stalled(scene.at(34).clock.now(), 240, TIMEOUTS.body));
    assert!(exchange.is_stalled(scene.at(35).clock.now(), 240, TIMEOUTS.body));
    scene.progress.blocked();
    scene.swept();
    assert!(!exchange.is_stalled(scene.clock.now(), 240, TIMEOUTS.body));
    // A larger piece was for a faster stream, which may have become as slow as is allowed.
    exchange.offer(16 * 1024, scene.clock.now());
    assert!(!exchange.is_stalled(scene.at(103).clock.now(), 240, TIMEOUTS.body));
    assert!(exchange.is_stalled(scene.at(104).clock.now(), 240, TIMEOUTS.body));
}
