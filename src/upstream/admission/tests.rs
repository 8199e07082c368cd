use futures_util::{FutureExt, future::LocalBoxFuture};

use super::*;

const MS: Duration = Duration::from_millis(1);

fn admission(limit: usize, queue: usize, wait: Duration) -> Rc<Admission> {
    let terms = Concurrency { limit: ConcurrencyLimit::Fixed(limit), queue, wait };
    let upstream = &crate::telemetry::sample::policy(std::path::Path::new("")).gateway.upstreams[0];
    Rc::new(Admission::new(&terms, WorkerShare { index: 0, workers: 1 }, UpstreamMetrics::new(upstream)))
}

/// Somebody who queues up at this time.
fn come(
    admission: &Rc<Admission>,
    priority: Priority,
    at: Instant,
) -> Option<LocalBoxFuture<'static, Result<Place, Full>>> {
    let mut waiting = admission.queue_up(priority, at).ok()?.boxed_local();
    assert!((&mut waiting).now_or_never().is_none());
    Some(waiting)
}

fn told(waiting: &mut LocalBoxFuture<'static, Result<Place, Full>>) -> Option<Result<Place, Full>> {
    waiting.now_or_never()
}

fn leave(admission: &Admission, at: Instant) {
    admission.under_way.set(admission.under_way.get() - 1);
    admission.pass_on(at);
}

#[test]
fn a_burst_goes_in_the_order_of_its_coming_and_critical_ones_first() {
    let admission = admission(1, 10, MS * 500);
    let first = admission.occupy();
    let now = Instant::now();
    let mut a = come(&admission, Priority::Normal, now).unwrap();
    let mut b = come(&admission, Priority::Normal, now + MS).unwrap();
    let mut c = come(&admission, Priority::Critical, now + MS * 2).unwrap();
    std::mem::forget(first);
    leave(&admission, now + MS * 3);
    let place = told(&mut c).unwrap().unwrap();
    assert!(told(&mut a).is_none() && told(&mut b).is_none());
    std::mem::forget(place);
    leave(&admission, now + MS * 4);
    std::mem::forget(told(&mut a).unwrap().unwrap());
    assert!(told(&mut b).is_none());
}

#[test]
fn a_queue_that_stands_answers_the_last_comer_and_tells_those_who_are_late() {
    let admission = admission(1, 10, MS * 300);
    std::mem::forget(admission.occupy());
    let now = Instant::now();
    let mut old = come(&admission, Priority::Normal, now).unwrap();
    let mut middle = come(&admission, Priority::Normal, now + MS * 150).unwrap();
    let mut new = come(&admission, Priority::Normal, now + MS * 200).unwrap();
    leave(&admission, now + MS * 210);
    std::mem::forget(told(&mut new).unwrap().unwrap());
    assert!(told(&mut old).is_none() && told(&mut middle).is_none());
    // Too late for both.
    leave(&admission, now + MS * 500);
    assert!(matches!(told(&mut middle), Some(Err(Full))) && matches!(told(&mut old), Some(Err(Full))));
    assert_eq!(admission.under_way.get(), 0);
    assert!(admission.queue.borrow().busy_since.is_none());
}

#[test]
fn the_queue_is_bounded_and_makes_room_for_critical_ones() {
    let admission = admission(1, 2, MS * 300);
    std::mem::forget(admission.occupy());
    let now = Instant::now();
    let mut first = come(&admission, Priority::Normal, now).unwrap();
    let mut second = come(&admission, Priority::Normal, now).unwrap();
    assert!(come(&admission, Priority::Normal, now).is_none());
    let mut third = come(&admission, Priority::Critical, now).unwrap();
    assert!(matches!(told(&mut first), Some(Err(Full))));
    assert!(told(&mut second).is_none() && told(&mut third).is_none());
    let _fourth = come(&admission, Priority::Critical, now).unwrap();
    assert!(come(&admission, Priority::Critical, now).is_none(), "nobody is less urgent");
    assert_eq!(admission.queue.borrow().waiting.len(), 2);
}

#[test]
fn who_leaves_takes_no_place_along() {
    let admission = admission(1, 10, MS * 300);
    std::mem::forget(admission.occupy());
    let now = Instant::now();
    let gone = come(&admission, Priority::Normal, now).unwrap();
    let told_and_gone = come(&admission, Priority::Normal, now).unwrap();
    let mut last = come(&admission, Priority::Normal, now).unwrap();
    drop(gone);
    assert_eq!(admission.queue.borrow().waiting.len(), 2);
    leave(&admission, now + MS);
    assert_eq!(admission.under_way.get(), 1);
    drop(told_and_gone);
    drop(told(&mut last).unwrap().unwrap());
    assert_eq!((admission.under_way.get(), admission.queue.borrow().waiting.len()), (0, 0));
}

#[test]
fn without_a_queue_nobody_waits() {
    let admission = admission(1, 0, MS * 300);
    std::mem::forget(admission.occupy());
    assert!(come(&admission, Priority::Normal, Instant::now()).is_none());
    assert!(come(&admission, Priority::Critical, Instant::now()).is_none());
}

#[test]
fn shares_add_up() {
    for (all, workers) in [(1, 1), (7, 2), (100, 3), (5, 8), (0, 4)] {
        assert_eq!((0..workers).map(|index| share(all, WorkerShare { index, workers })).sum::<usize>(), all);
    }
}
