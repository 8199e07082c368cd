//! The queue and the writer against targets that are slow, full, torn or gone.

use std::{
    collections::HashMap,
    fs,
    io::{self, ErrorKind},
    path::Path,
    sync::{Arc, Condvar, Mutex},
    thread,
    time::{Duration, Instant},
};

use jiff::Timestamp;
use serde_json::Value;

use super::{queue::Journal, record::Record, request_id::RequestId, sink::Sink, writer::Pace};
use crate::{policy::set::PolicySet, telemetry, telemetry::sample};

const PACE: Pace = Pace {
    linger: Duration::from_millis(1),
    retry_first: Duration::from_millis(1),
    retry_most: Duration::from_millis(4),
};
const LONG: Duration = Duration::from_secs(60);

/// A target that a test holds by the other end.
#[derive(Clone, Default)]
struct Target(Arc<(Mutex<Held>, Condvar)>);

#[derive(Default)]
struct Held {
    files: Vec<Vec<u8>>,
    /// Appending waits.
    shut: bool,
    /// Appending fails.
    error: Option<ErrorKind>,
    /// Appending takes no more than this at a time, unless 0.
    most: usize,
    /// What can still be taken before the disk is full.
    space: Option<usize>,
    /// Another file is begun before the next append.
    moved: bool,
    panics: bool,
    attempts: usize,
}

impl Target {
    fn set(&self, change: impl FnOnce(&mut Held)) {
        change(&mut self.0.0.lock().unwrap());
        self.0.1.notify_all();
    }

    fn read<T>(&self, look: impl FnOnce(&Held) -> T) -> T {
        look(&self.0.0.lock().unwrap())
    }

    /// The numbers written, in order; every line must be whole.
    fn numbers(&self) -> Vec<u64> {
        self.read(|held| held.files.iter().flat_map(|file| numbers(file)).collect())
    }
}

fn numbers(file: &[u8]) -> Vec<u64> {
    assert!(file.is_empty() || file.ends_with(b"\n"), "a line is not finished");
    let lines = file.split(|byte| *byte == b'\n').filter(|line| !line.is_empty());
    lines.map(|line| serde_json::from_slice::<Value>(line).unwrap()["bytes_out"].as_u64().unwrap()).collect()
}

impl Sink for Target {
    fn refresh(&mut self, _asked: bool) -> io::Result<bool> {
        let mut held = self.0.0.lock().unwrap();
        if held.files.is_empty() || std::mem::take(&mut held.moved) {
            held.files.push(Vec::new());
            return Ok(held.files.len() > 1);
        }
        Ok(false)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        let mut held = self.0.0.lock().unwrap();
        held.attempts += 1;
        while held.shut {
            held = self.0.1.wait(held).unwrap();
        }
        assert!(!held.panics, "asked to");
        if let Some(kind) = held.error {
            return Err(kind.into());
        }
        let mut taken = if held.most == 0 { bytes.len() } else { bytes.len().min(held.most) };
        if let Some(space) = &mut held.space {
            if *space == 0 {
                return Err(ErrorKind::StorageFull.into());
            }
            taken = taken.min(*space);
            *space -= taken;
        }
        held.files.last_mut().unwrap().extend_from_slice(&bytes[..taken]);
        Ok(taken)
    }
}

fn record(policy: &Arc<PolicySet>, number: u64) -> Record {
    Record {
        bytes_out: number,
        ..Record::begin(Arc::clone(policy), RequestId::generate(), Timestamp::UNIX_EPOCH)
    }
}

fn policy() -> Arc<PolicySet> {
    sample::policy(Path::new(""))
}

fn runtime() -> tokio::runtime::Runtime {
    tokio::runtime::Builder::new_current_thread().build().unwrap()
}

fn eventually(what: &str, mut holds: impl FnMut() -> bool) {
    let deadline = Instant::now() + LONG;
    while !holds() {
        assert!(Instant::now() < deadline, "{what}");
        thread::yield_now();
    }
}

/// Several workers, each a runtime of its own, leave numbered records; worker `w` counts from `w * 1_000_000`.
fn workers(journal: &Journal, workers: u64, each: u64) -> Vec<thread::JoinHandle<()>> {
    let policy = policy();
    let work = |worker: u64| {
        let (journal, policy) = (journal.clone(), Arc::clone(&policy));
        thread::spawn(move || {
            runtime().block_on(async {
                for number in 0..each {
                    journal.ready().await;
                    journal.record(record(&policy, worker * 1_000_000 + number)).await;
                }
            });
        })
    };
    (0..workers).map(work).collect()
}

/// Each worker's records are all there, once, in order.
fn assert_complete(found: &[u64], workers: u64, each: u64) {
    let mut next: HashMap<u64, u64> = HashMap::new();
    for number in found {
        let next = next.entry(number / 1_000_000).or_default();
        assert_eq!(number % 1_000_000, *next, "out of order, doubled or lost");
        *next += 1;
    }
    assert_eq!(next.len() as u64, workers);
    assert!(next.values().all(|count| *count == each));
}

#[test]
fn a_hundred_thousand_records_of_four_workers_arrive_in_order() {
    let target = Target::default();
    let (journal, writer) = Journal::start(Box::new(target.clone()), 1_000, Pace::default()).unwrap();
    for worker in workers(&journal, 4, 25_000) {
        worker.join().unwrap();
    }
    writer.close(LONG).unwrap();
    assert_complete(&target.numbers(), 4, 25_000);
}

#[test]
fn a_full_queue_makes_exchanges_wait_and_loses_nothing() {
    let target = Target::default();
    target.set(|held| held.shut = true);
    let (journal, writer) = Journal::start(Box::new(target.clone()), 4, PACE).unwrap();
    let policy = policy();
    for number in 0..4 {
        journal.try_record(record(&policy, number)).unwrap();
    }
    // What the writer has taken and not yet written still counts.
    eventually("the writer begins", || target.read(|held| held.attempts > 0));
    assert_eq!(journal.try_record(record(&policy, 4)).unwrap_err().bytes_out, 4);

    runtime().block_on(async {
        let mut ready = std::pin::pin!(journal.ready());
        assert!(!poll_once(ready.as_mut()).await, "a full queue must not let an exchange begin");
        let mut left = std::pin::pin!(journal.record(record(&policy, 5)));
        assert!(!poll_once(left.as_mut()).await, "nor take a record");
        // The end of an exchange under way leaves its record all the same.
        journal.record_now(record(&policy, 4));
        target.set(|held| held.shut = false);
        ready.await;
        left.await;
    });
    writer.close(LONG).unwrap();
    assert_eq!(target.numbers(), [0, 1, 2, 3, 4, 5]);
}

async fn poll_once(future: std::pin::Pin<&mut impl Future>) -> bool {
    let mut future = Some(future);
    std::future::poll_fn(move |context| {
        let polled = future.take().map(|future| future.poll(context).is_ready());
        std::task::Poll::Ready(polled.unwrap_or(false))
    })
    .await
}

#[test]
fn waiters_on_several_runtimes_all_go_on() {
    let target = Target::default();
    target.set(|held| held.most = 700);
    let (journal, writer) = Journal::start(Box::new(target.clone()), 2, PACE).unwrap();
    for worker in workers(&journal, 6, 50) {
        worker.join().unwrap();
    }
    writer.close(LONG).unwrap();
    assert_complete(&target.numbers(), 6, 50);
}

#[test]
fn a_target_that_fails_in_the_middle_of_a_line_is_tried_again_from_there() {
    let exporter = telemetry::install().unwrap();
    for kind in [ErrorKind::StorageFull, ErrorKind::BrokenPipe, ErrorKind::WouldBlock] {
        let target = Target::default();
        target.set(|held| held.most = 97);
        let (journal, writer) = Journal::start(Box::new(target.clone()), 100, PACE).unwrap();
        let policy = policy();
        for number in 0..10 {
            journal.try_record(record(&policy, number)).unwrap();
        }
        eventually("some is written", || target.read(|held| held.attempts > 3));
        target.set(|held| held.error = Some(kind));
        for number in 10..20 {
            journal.try_record(record(&policy, number)).unwrap();
        }
        eventually("it is told", || !journal.healthy());
        let before = target.read(|held| held.attempts);
        eventually("it is tried again", || target.read(|held| held.attempts > before + 3));
        assert!(exporter.render().lines().any(|line| {
            line.starts_with("rempart_journal_write_errors_total ") && !line.ends_with(" 0")
        }));
        target.set(|held| held.error = None);
        eventually("it recovers", || journal.healthy());
        writer.close(LONG).unwrap();
        assert_eq!(target.numbers(), (0..20).collect::<Vec<_>>());
    }
}

#[test]
fn a_line_begun_in_a_file_that_was_moved_is_whole_in_the_next() {
    let policy = policy();
    let mut line = Vec::new();
    record(&policy, 0).write_line(&mut line);
    let target = Target::default();
    target.set(|held| held.space = Some(line.len() * 3 / 2));
    // The linger is long, so that both records are one write.
    let pace = Pace { linger: LONG, ..PACE };
    let (journal, writer) = Journal::start(Box::new(target.clone()), 4, pace).unwrap();
    for number in 0..2 {
        journal.try_record(record(&policy, number)).unwrap();
    }
    eventually("the disk is full", || !journal.healthy());
    target.set(|held| {
        held.space = None;
        held.moved = true;
    });
    writer.close(LONG).unwrap();
    target.read(|held| {
        let [first, second] = held.files.as_slice() else { panic!("two files") };
        assert_eq!(first.len(), line.len() * 3 / 2, "half a line stays behind");
        assert_eq!(numbers(&first[..line.len()]), [0]);
        assert_eq!(numbers(second), [1]);
    });
}

#[test]
fn closing_writes_what_waits_without_lingering() {
    let target = Target::default();
    let pace = Pace { linger: LONG, ..PACE };
    let (journal, writer) = Journal::start(Box::new(target.clone()), 1_000, pace).unwrap();
    let policy = policy();
    for number in 0..300 {
        journal.try_record(record(&policy, number)).unwrap();
    }
    let begun = Instant::now();
    writer.close(LONG).unwrap();
    assert!(begun.elapsed() < LONG / 2);
    assert_eq!(target.numbers(), (0..300).collect::<Vec<_>>());
}

#[test]
fn a_dropped_writer_writes_what_waits() {
    let target = Target::default();
    let (journal, writer) = Journal::start(Box::new(target.clone()), 10, PACE).unwrap();
    journal.try_record(record(&policy(), 7)).unwrap();
    drop(writer);
    assert_eq!(target.numbers(), [7]);
}

#[test]
fn closing_gives_up_in_time_and_says_how_many_were_lost() {
    let target = Target::default();
    target.set(|held| held.error = Some(ErrorKind::BrokenPipe));
    let pace = Pace { retry_first: LONG, retry_most: LONG, ..PACE };
    let (journal, writer) = Journal::start(Box::new(target.clone()), 10, pace).unwrap();
    let policy = policy();
    for number in 0..3 {
        journal.try_record(record(&policy, number)).unwrap();
    }
    assert_eq!(writer.close(Duration::from_millis(20)).unwrap_err().records, 3);
    // Nothing waits for a writer that has ended.
    runtime().block_on(async {
        journal.ready().await;
        journal.record(record(&policy, 3)).await;
    });
}

#[test]
fn a_writer_that_panics_is_reported_and_its_records_counted() {
    let target = Target::default();
    target.set(|held| held.panics = true);
    let (journal, writer) = Journal::start(Box::new(target), 2, PACE).unwrap();
    let policy = policy();
    for number in 0..2 {
        journal.record_now(record(&policy, number));
    }
    eventually("it is told", || !journal.healthy());
    assert!(journal.try_record(record(&policy, 2)).is_err(), "exchanges wait");
    assert_eq!(writer.close(LONG).unwrap_err().records, 2);
}

#[test]
fn a_rotated_file_is_followed() {
    let folder = tempfile::tempdir().unwrap();
    let path = folder.path().join("journal");
    let policy = sample::policy(&path);
    let (journal, writer) = Journal::open(&policy.gateway.journal).unwrap();
    journal.try_record(record(&policy, 0)).unwrap();
    eventually("the first is written", || journal.shared.unwritten() == 0);
    fs::rename(&path, folder.path().join("journal.1")).unwrap();
    journal.reopen();
    eventually("the file is there again", || path.exists());
    journal.try_record(record(&policy, 1)).unwrap();
    eventually("the second is written", || journal.shared.unwritten() == 0);
    fs::rename(&path, folder.path().join("journal.2")).unwrap();
    journal.try_record(record(&policy, 2)).unwrap();
    writer.close(LONG).unwrap();
    for (file, expected) in [("journal.1", 0), ("journal.2", 1), ("journal", 2)] {
        assert_eq!(numbers(&fs::read(folder.path().join(file)).unwrap()), [expected], "{file}");
    }
}

#[test]
fn a_folder_that_disappears_is_a_failure_until_it_is_back() {
    let folder = tempfile::tempdir().unwrap();
    let (held, away) = (folder.path().join("held"), folder.path().join("away"));
    fs::create_dir(&held).unwrap();
    let policy = sample::policy(&held.join("journal"));
    let (journal, writer) = Journal::open(&policy.gateway.journal).unwrap();
    fs::rename(&held, &away).unwrap();
    journal.try_record(record(&policy, 0)).unwrap();
    eventually("it is told", || !journal.healthy());
    fs::rename(&away, &held).unwrap();
    writer.close(LONG).unwrap();
    assert_eq!(numbers(&fs::read(held.join("journal")).unwrap()), [0]);
}
