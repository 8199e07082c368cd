//! What a child process writes, line by line, while it runs.

use std::{
    io::{BufRead, BufReader, Read},
    sync::{Arc, Mutex},
    thread::JoinHandle,
};

use serde_json::Value;

use super::wait_for;

/// Lines collected by a thread of their own.
#[derive(Clone, Default)]
pub struct Lines(Arc<Mutex<Vec<String>>>);

impl Lines {
    /// Collects until the stream ends.
    pub fn collect(stream: impl Read + Send + 'static) -> (Self, JoinHandle<()>) {
        let lines = Self::default();
        let sink = lines.clone();
        let thread = std::thread::spawn(move || {
            let mut reader = BufReader::new(stream);
            let mut line = Vec::new();
            while matches!(reader.read_until(b'\n', &mut line), Ok(1..)) {
                sink.0.lock().unwrap().push(String::from_utf8_lossy(line.trim_ascii_end()).into_owned());
                line.clear();
            }
        });
        (lines, thread)
    }

    /// All so far, as one text: for canary searches.
    pub fn text(&self) -> String {
        self.0.lock().unwrap().join("\n")
    }

    /// The lines so far that are JSON objects.
    pub fn json(&self) -> Vec<Value> {
        self.0.lock().unwrap().iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
    }

    /// The first JSON line that is wanted; waits for it.
    #[track_caller]
    pub fn wait(&self, what: &str, wanted: impl Fn(&Value) -> bool) -> Value {
        wait_for(what, || self.json().into_iter().find(|line| wanted(line)))
    }

    /// Waits until this many JSON lines are wanted ones, and returns those.
    #[track_caller]
    pub fn wait_count(&self, what: &str, count: usize, wanted: impl Fn(&Value) -> bool) -> Vec<Value> {
        wait_for(what, || {
            let found: Vec<Value> = self.json().into_iter().filter(&wanted).collect();
            (found.len() >= count).then_some(found)
        })
    }
}
