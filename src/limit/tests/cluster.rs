//! A cluster of real servers.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::policy::set::{Endpoint, RedisServers, RedisSettings, Store};

/// Three masters, each with a third of the slots.
pub(in crate::limit) struct Cluster {
    nodes: Vec<Child>,
    ports: Vec<u16>,
    _folder: tempfile::TempDir,
}

impl Cluster {
    pub(in crate::limit) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let free: Vec<_> = (0..6).map(|_| std::net::TcpListener::bind("127.0.0.1:0").unwrap()).collect();
        let ports: Vec<u16> = free.iter().map(|socket| socket.local_addr().unwrap().port()).collect();
        drop(free);
        let (ports, bus) = ports.split_at(3);
        let spawn = |node: usize| {
            let config = format!("nodes-{node}.conf");
            Command::new("redis-server")
                .args(["--save", "", "--appendonly", "no", "--bind", "127.0.0.1", "--cluster-enabled", "yes"])
                .args(["--cluster-config-file", &config, "--cluster-node-timeout", "2000"])
                .args(["--port", &ports[node].to_string(), "--cluster-port", &bus[node].to_string()])
                .current_dir(folder.path())
                .stdout(Stdio::null())
                .spawn()
                .unwrap()
        };
        let cluster = Self { nodes: (0..3).map(spawn).collect(), ports: ports.to_vec(), _folder: folder };
        for (node, slots) in [["0", "5460"], ["5461", "10922"], ["10923", "16383"]].iter().enumerate() {
            cluster.until(node, &["PING"], |answer| answer.contains("PONG")).await;
            cluster.until(node, &["CLUSTER", "ADDSLOTSRANGE", slots[0], slots[1]], |_| true).await;
            cluster
                .until(
                    0,
                    &["CLUSTER", "MEET", "127.0.0.1", &ports[node].to_string(), &bus[node].to_string()],
                    |_| true,
                )
                .await;
        }
        for node in 0..3 {
            cluster.until(node, &["CLUSTER", "INFO"], |answer| answer.contains("cluster_state:ok")).await;
        }
        cluster
    }

    async fn until(&self, node: usize, command: &[&str], sound: impl Fn(&str) -> bool) {
        for _ in 0..2000 {
            let client = redis::Client::open(("127.0.0.1", self.ports[node])).unwrap();
            if let Ok(mut connection) = client.get_multiplexed_async_connection().await {
                let answer: redis::RedisResult<redis::Value> =
                    redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await;
                if answer.is_ok_and(|answer| sound(&as_text(&answer))) {
                    return;
                }
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("{command:?} on node {node}");
    }

    pub(in crate::limit) async fn keys(&self) -> Vec<Vec<String>> {
        let mut all = Vec::new();
        for port in &self.ports {
            let client = redis::Client::open(("127.0.0.1", *port)).unwrap();
            let mut connection = client.get_multiplexed_async_connection().await.unwrap();
            all.push(redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap());
        }
        all
    }

    pub(in crate::limit) fn store(&self, timeout: Duration) -> Store {
        let node = |port: &u16| Endpoint { host: "127.0.0.1".into(), port: *port };
        let servers = RedisServers::Cluster(self.ports.iter().take(1).map(node).collect());
        let settings = RedisSettings { servers, user: None, password: None, tls: None, timeout, replicas: 3 };
        Store::Redis(Box::new(settings))
    }
}

impl Drop for Cluster {
    fn drop(&mut self) {
        for node in &mut self.nodes {
            let _ = node.kill();
            let _ = node.wait();
        }
    }
}

fn as_text(value: &redis::Value) -> String {
    redis::from_redis_value_ref::<String>(value).unwrap_or_else(|_| format!("{value:?}"))
}
