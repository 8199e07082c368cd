//! A real redis-server on a free port, which can be killed, frozen and looked into; and what is made of several: a master
//! under sentinels, a cluster.

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
    options: Vec<String>,
    /// Where it listens.
    pub address: SocketAddr,
}

impl Redis {
    /// Starts one; the test fails where no redis-server is installed (README: what the tests need).
    #[track_caller]
    pub fn start() -> Self {
        Self::with(&[])
    }

    /// Starts one with these options too.
    #[track_caller]
    pub fn with(options: &[&str]) -> Self {
        let [address] = free();
        let folder = tempfile::tempdir().unwrap();
        let options: Vec<_> = options.iter().map(|&option| option.to_owned()).collect();
        let child = spawn(address, &folder, &options);
        let redis = Self { child, folder, options, address };
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
        self.child = spawn(self.address, &self.folder, &self.options);
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
        command(self.address, words)
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

/// Addresses that nobody listens on.
pub fn free<const N: usize>() -> [SocketAddr; N] {
    let sockets = [(); N].map(|()| TcpListener::bind("127.0.0.1:0").unwrap());
    sockets.map(|socket| socket.local_addr().unwrap())
}

fn spawn(address: SocketAddr, folder: &TempDir, options: &[String]) -> Child {
    Command::new("redis-server")
        .args(["--bind", "127.0.0.1", "--save", "", "--appendonly", "no", "--port"])
        .arg(address.port().to_string())
        .arg("--dir")
        .arg(folder.path())
        .args(options)
        .stdin(Stdio::null())
        .stdout(Stdio::null())
        .stderr(Stdio::null())
        .spawn()
        .expect("redis-server (Debian package redis-server) is installed")
}

/// A master with a replica, and a sentinel that makes the replica the master when that one is gone.
pub struct Sentinel {
    /// The first master.
    pub master: Redis,
    /// Its replica.
    pub replica: Redis,
    child: Child,
    /// Where the sentinel listens.
    pub address: SocketAddr,
    _folder: TempDir,
}

impl Sentinel {
    /// The master's name.
    pub const MASTER: &'static str = "school";

    /// Starts all three.
    #[track_caller]
    pub fn start() -> Self {
        let master = Redis::with(&["--repl-diskless-sync-delay", "0"]);
        let port = master.address.port();
        let replica = Redis::with(&["--replicaof", &format!("127.0.0.1 {port}")]);
        wait_for("a replica in step", || {
            replica.command(&["ROLE"]).filter(|role| role.contains("connected"))
        });
        let ([address], folder) = (free(), tempfile::tempdir().unwrap());
        let config = folder.path().join("sentinel.conf");
        let name = Self::MASTER;
        // A busy machine must not look like a dead master.
        let text = format!(
            "bind 127.0.0.1\nport {}\nsentinel monitor {name} 127.0.0.1 {port} 1\n\
             sentinel down-after-milliseconds {name} 4000\nsentinel failover-timeout {name} 3000\n",
            address.port()
        );
        std::fs::write(&config, text).unwrap();
        let child = Command::new("redis-server")
            .arg(&config)
            .arg("--sentinel")
            .current_dir(folder.path())
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let sentinel = Self { master, replica, child, address, _folder: folder };
        // It does not know QUIT, by which the others are asked.
        let port = sentinel.replica.address.port().to_string();
        wait_for("a sentinel that knows the replica", || {
            let client = ::redis::Client::open(("127.0.0.1", sentinel.address.port())).ok()?;
            let mut connection = client.get_connection().ok()?;
            let known: ::redis::Value =
                ::redis::cmd("SENTINEL").arg("REPLICAS").arg(name).query(&mut connection).ok()?;
            format!("{known:?}").contains(&port).then_some(())
        });
        sentinel
    }

    /// Waits until the replica is the master.
    #[track_caller]
    pub fn wait_promoted(&self) {
        wait_for("a new master", || self.replica.command(&["ROLE"]).filter(|role| role.contains("master")));
    }
}

impl Drop for Sentinel {
    fn drop(&mut self) {
        let _killed = self.child.kill();
        let _reaped = self.child.wait();
    }
}

/// Three masters, each with a third of the slots.
pub struct Cluster {
    /// They.
    pub nodes: [Redis; 3],
}

impl Cluster {
    /// Starts it and waits until every node knows that all slots are served.
    #[track_caller]
    pub fn start() -> Self {
        let buses = free::<3>();
        let nodes = buses.map(|bus| {
            let bus = bus.port().to_string();
            Redis::with(&[
                "--cluster-enabled",
                "yes",
                "--cluster-node-timeout",
                "2000",
                "--cluster-port",
                &bus,
            ])
        });
        for (node, (first, last)) in nodes.iter().zip([("0", "5460"), ("5461", "10922"), ("10923", "16383")])
        {
            node.command(&["CLUSTER", "ADDSLOTSRANGE", first, last]);
        }
        for (node, bus) in nodes.iter().zip(buses).skip(1) {
            let (port, bus) = (node.address.port().to_string(), bus.port().to_string());
            nodes[0].command(&["CLUSTER", "MEET", "127.0.0.1", &port, &bus]);
        }
        let cluster = Self { nodes };
        cluster.wait_whole();
        cluster
    }

    /// Waits until all slots are served.
    #[track_caller]
    pub fn wait_whole(&self) {
        for node in &self.nodes {
            wait_for("a whole cluster", || {
                node.command(&["CLUSTER", "INFO"]).filter(|info| info.contains("cluster_state:ok"))
            });
        }
    }
}

/// One command to a server; the answer in the wire's own form, `None` where it is gone.
fn command(address: SocketAddr, words: &[&str]) -> Option<String> {
    let mut socket = TcpStream::connect_timeout(&address, Duration::from_secs(1)).ok()?;
    socket.set_read_timeout(Some(Duration::from_secs(5))).ok()?;
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
