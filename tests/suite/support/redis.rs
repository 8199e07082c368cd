//! A real redis-server on a free port, which can be killed, frozen and looked into.

use std::{
    io::{Read, Write},
    net::{SocketAddr, TcpListener, TcpStream},
    process::{Child, Command, Stdio},
    time::Duration,
};

use tempfile::TempDir;

use super::{
    gateway::{Signal, signal},
    wait_for,
};

/// A running redis-server; dropping it kills it.
pub struct Redis {
    child: Child,
    folder: TempDir,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Redis {
    /// Starts one; the test fails where no redis-server is installed (README: what the tests need).
    #[track_caller]
    pub fn start() -> Self {
        let address = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let folder = tempfile::tempdir().unwrap();
        let child = spawn(address, &folder);
        let redis = Self { child, folder, address };
        redis.wait_ready();
        redis
    }

    /// What `gateway.yaml` needs.
    pub fn url(&self) -> String {
        format!("redis://{}/", self.address)
    }

    /// Ends it at once, as a crash would.
    pub fn kill(&mut self) {
        self.child.kill().unwrap();
        self.child.wait().unwrap();
    }

    /// Starts it again on the same port, empty.
    pub fn restart(&mut self) {
        self.child = spawn(self.address, &self.folder);
        self.wait_ready();
    }

    /// Freezes it: connections stay open, nothing is answered.
    pub fn freeze(&self) {
        signal(self.child.id(), Signal::Stop);
    }

    /// Lets it go on.
    pub fn thaw(&self) {
        signal(self.child.id(), Signal::Continue);
    }

    /// Everything it holds: names of keys and their values as text, for canary searches.
    pub fn everything(&self) -> String {
        let keys = self.command(&["KEYS", "*"]).unwrap_or_default();
        let mut all = keys.clone();
        for key in keys.lines().filter(|line| !line.starts_with(['*', '$'])) {
            all.push_str(&self.command(&["GET", key]).unwrap_or_default());
        }
        all
    }

    /// How many keys it holds.
    pub fn keys(&self) -> usize {
        let answer = self.command(&["DBSIZE"]).unwrap_or_default();
        answer.trim().trim_start_matches(':').parse().unwrap_or(0)
    }

    /// One command; the answer in the wire's own form, `None` where the server is gone.
    pub fn command(&self, words: &[&str]) -> Option<String> {
        let mut socket = TcpStream::connect_timeout(&self.address, Duration::from_secs(1)).ok()?;
        let mut request = format!("*{}\r\n", words.len());
        for word in words {
            request.push_str(&format!("${}\r\n{word}\r\n", word.len()));
        }
        request.push_str("*1\r\n$4\r\nQUIT\r\n");
        socket.write_all(request.as_bytes()).ok()?;
        let mut answer = Vec::new();
        socket.read_to_end(&mut answer).ok()?;
        let text = String::from_utf8_lossy(&answer).into_owned();
        Some(text.strip_suffix("+OK\r\n").map_or(text.clone(), str::to_owned))
    }

    #[track_caller]
    fn wait_ready(&self) {
        wait_for("redis-server", || self.command(&["PING"]).filter(|answer| answer.starts_with("+PONG")));
    }
}

impl Drop for Redis {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

fn spawn(address: SocketAddr, folder: &TempDir) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
        .arg(address.port().to_string())
        .arg("--dir")
        .arg(folder.path())
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server (Debian package redis-server) is installed")
}
