//! The real binary, run as an operator runs it.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpStream},
    process::{Child, Command, ExitStatus, Stdio},
    thread::JoinHandle,
    time::{Duration, Instant},
};

use serde_json::Value;

use super::{PATIENCE, folder::PolicyFolder, lines::Lines, pause, wait_for};

/// The binary that cargo built for this test run.
pub const BINARY: &str = env!("CARGO_BIN_EXE_rempart");

/// A signal, by the name that `kill -s` takes.
#[derive(Clone, Copy, Debug)]
pub enum Signal {
    /// Drain and end.
    Term,
    /// Reload.
    Hup,
    /// Freeze.
    Stop,
    /// Go on.
    Continue,
}

/// Sends a signal to a process that the test started.
pub fn signal(pid: u32, signal: Signal) {
    let name = match signal {
        Signal::Term => "TERM",
        Signal::Hup => "HUP",
        Signal::Stop => "STOP",
        Signal::Continue => "CONT",
    };
    let status = Command::new("kill").args(["-s", name, &pid.to_string()]).status().unwrap();
    assert!(status.success(), "kill -s {name} {pid}");
}

/// A running gateway. Dropped without [`Gateway::stop`] (a failed test), it is killed and its messages are printed.
pub struct Gateway {
    child: Child,
    readers: Vec<JoinHandle<()>>,
    /// Where TLS is served.
    pub https: SocketAddr,
    /// Where plain HTTP is served, if the policy says so.
    pub http: Option<SocketAddr>,
    /// Where metrics and probes are served.
    pub admin: SocketAddr,
    /// The journal, where the policy sends it to standard output.
    pub journal: Lines,
    /// Operator events.
    pub events: Lines,
    /// Its policies.
    pub folder: PolicyFolder,
    done: bool,
}

/// What a gateway left behind.
pub struct Stopped {
    /// How it ended.
    pub status: ExitStatus,
    /// How long it took from the signal.
    pub took: Duration,
    /// The journal.
    pub journal: Lines,
    /// Operator events.
    pub events: Lines,
}

impl Gateway {
    /// `rempart serve --policies FOLDER`; returns once it has said where it listens.
    #[track_caller]
    pub fn start(folder: PolicyFolder) -> Self {
        let file = folder.root().join("addresses.json");
        // A second gateway on the same folder must not read the first one's.
        let _absent = std::fs::remove_file(&file);
        let mut child = Command::new(BINARY)
            .arg("serve")
            .arg("--policies")
            .arg(folder.path())
            .arg("--addresses")
            .arg(&file)
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let (journal, out) = Lines::collect(child.stdout.take().unwrap());
        let (events, err) = Lines::collect(child.stderr.take().unwrap());
        let begun = Instant::now();
        let started: Value = loop {
            // Half-written is not yet JSON.
            if let Some(addresses) =
                std::fs::read(&file).ok().and_then(|text| serde_json::from_slice(&text).ok())
            {
                break addresses;
            }
            if let Some(status) = child.try_wait().unwrap() {
                pause(Duration::from_millis(100));
                panic!("the gateway ended with {status} instead of starting:\n{}", events.text());
            }
            if begun.elapsed() > PATIENCE {
                let _killed = child.kill();
                panic!("the gateway did not start:\n{}", events.text());
            }
            pause(Duration::from_millis(5));
        };
        Self {
            https: address(&started, "/https/0").expect("an https listener"),
            http: address(&started, "/http/0"),
            admin: address(&started, "/admin").expect("an admin listener"),
            child,
            readers: vec![out, err],
            journal,
            events,
            folder,
            done: false,
        }
    }

    /// Its process.
    pub fn pid(&self) -> u32 {
        self.child.id()
    }

    /// Sends it a signal.
    pub fn signal(&self, which: Signal) {
        signal(self.pid(), which);
    }

    /// SIGTERM, the end of the process, exit 0.
    #[track_caller]
    pub fn stop(self) -> Stopped {
        let stopped = self.stop_whatever();
        assert!(stopped.status.success(), "exit {}:\n{}", stopped.status, stopped.events.text());
        stopped
    }

    /// SIGTERM and the end of the process, whatever its exit status.
    #[track_caller]
    pub fn stop_whatever(self) -> Stopped {
        self.signal(Signal::Term);
        self.wait()
    }

    /// Waits for the end after a signal that the test has sent.
    #[track_caller]
    pub fn wait(mut self) -> Stopped {
        let begun = Instant::now();
        let status = wait_for("the end of the gateway", || self.child.try_wait().unwrap());
        let took = begun.elapsed();
        for reader in self.readers.drain(..) {
            reader.join().unwrap();
        }
        self.done = true;
        Stopped { status, took, journal: self.journal.clone(), events: self.events.clone() }
    }

    /// GET on the admin listener: status and body.
    #[track_caller]
    pub fn admin_get(&self, path: &str) -> (u16, String) {
        let mut socket = TcpStream::connect(self.admin).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        write!(socket, "GET {path} HTTP/1.1\r\nHost: admin\r\nConnection: close\r\n\r\n").unwrap();
        let mut text = String::new();
        socket.read_to_string(&mut text).unwrap();
        let status = text.split(' ').nth(1).unwrap().parse().unwrap();
        (status, text.split_once("\r\n\r\n").unwrap().1.to_owned())
    }

    /// `/metrics` as text.
    #[track_caller]
    pub fn metrics(&self) -> String {
        let (status, text) = self.admin_get("/metrics");
        assert_eq!(status, 200);
        text
    }

    /// The sum of a metric over all its series that carry these labels.
    #[track_caller]
    pub fn metric(&self, name: &str, labels: &[(&str, &str)]) -> f64 {
        self.metrics()
            .lines()
            .filter(|line| {
                let rest = line.strip_prefix(name).unwrap_or("#");
                rest.starts_with(['{', ' '])
                    && labels.iter().all(|(key, value)| rest.contains(&format!("{key}=\"{value}\"")))
            })
            .map(|line| line.rsplit(' ').next().unwrap().parse::<f64>().unwrap())
            .sum()
    }

    /// Waits until a metric has at least this value.
    #[track_caller]
    pub fn wait_metric(&self, name: &str, labels: &[(&str, &str)], least: f64) -> f64 {
        wait_for(name, || Some(self.metric(name, labels)).filter(|&value| value >= least))
    }

    /// Waits until this many exchanges are journalled on standard output, and returns the records.
    #[track_caller]
    pub fn wait_journal(&self, count: usize) -> Vec<Value> {
        self.journal.wait_count("journal records", count, |_| true)
    }

    /// Reloads by SIGHUP and waits for the outcome: the operator event after the signal.
    #[track_caller]
    pub fn reload(&self) -> Value {
        // Reloads come one after the other. The first that ends from now on may have begun before the last change of a file,
        // the watcher's own for example; the one behind it has not.
        let mut outcome = Value::Null;
        for _ in 0..2 {
            let before = self.reloads().len();
            self.signal(Signal::Hup);
            outcome = wait_for("the outcome of a reload", || self.reloads().get(before).cloned());
        }
        outcome
    }

    /// Outcomes of reloads so far.
    pub fn reloads(&self) -> Vec<Value> {
        self.events
            .json()
            .into_iter()
            .filter(|event| event["event"].as_str().is_some_and(|name| name.starts_with("policy_")))
            .collect()
    }

    /// Memory of the process in bytes, from `/proc`: `VmRSS` for now, `VmHWM` for the most so far.
    #[track_caller]
    pub fn memory(&self, field: &str) -> u64 {
        let status = std::fs::read_to_string(format!("/proc/{}/status", self.pid())).unwrap();
        let line = status.lines().find(|line| line.starts_with(field)).unwrap();
        line.split_ascii_whitespace().nth(1).unwrap().parse::<u64>().unwrap() * 1024
    }
}

impl Drop for Gateway {
    fn drop(&mut self) {
        if !self.done {
            let _killed = self.child.kill();
            let _reaped = self.child.wait();
            if std::thread::panicking() {
                println!("--- gateway events ---\n{}", self.events.text());
                println!("--- journal ---\n{}", self.journal.text());
            }
        }
    }
}

fn address(addresses: &Value, pointer: &str) -> Option<SocketAddr> {
    addresses.pointer(pointer)?.as_str()?.parse().ok()
}

/// Runs another command of the binary to its end.
pub fn run(arguments: &[&str]) -> std::process::Output {
    Command::new(BINARY).args(arguments).stdin(Stdio::null()).output().unwrap()
}
