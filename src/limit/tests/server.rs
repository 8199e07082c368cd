//! One real server.

use std::{
    process::{Child, Command, Stdio},
    time::Duration,
};

use crate::{
    policy::set::{RedisServers, RedisSettings, Store},
    secret::Sensitive,
};

pub(super) fn redis_at(url: String, timeout: Duration, replicas: u32) -> Store {
    let servers = RedisServers::One(Sensitive::new(url));
    Store::Redis(Box::new(RedisSettings {
        servers,
        user: None,
        password: None,
        tls: None,
        timeout,
        replicas,
    }))
}

/// A Redis server of this test, on a socket in a folder of its own.
pub(in crate::limit) struct Server {
    process: Child,
    folder: tempfile::TempDir,
}

impl Server {
    pub(in crate::limit) async fn start() -> Self {
        let folder = tempfile::tempdir().unwrap();
        let process = Self::spawn(&folder);
        let server = Self { process, folder };
        server.ready().await;
        server
    }

    pub(super) fn spawn(folder: &tempfile::TempDir) -> Child {
        Command::new("redis-server")
            .args(["--port", "0", "--save", "", "--appendonly", "no", "--unixsocket", "redis.sock"])
            .current_dir(folder.path())
            .stdout(Stdio::null())
            .spawn()
            .expect("these tests need redis-server (Debian: apt-get install redis-server)")
    }

    pub(super) async fn ready(&self) {
        let client = redis::Client::open(self.url()).unwrap();
        for _ in 0..500 {
            if client.get_multiplexed_async_connection().await.is_ok() {
                return;
            }
            tokio::time::sleep(Duration::from_millis(10)).await;
        }
        panic!("redis-server does not answer");
    }

    pub(in crate::limit) async fn restart(&mut self) {
        self.process = Self::spawn(&self.folder);
        self.ready().await;
    }

    pub(in crate::limit) fn stop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }

    pub(super) fn signal(&self, name: &str) {
        let done = Command::new("kill").args([name, &self.process.id().to_string()]).status().unwrap();
        assert!(done.success());
    }

    pub(super) fn url(&self) -> String {
        format!("redis+unix://{}", self.folder.path().join("redis.sock").display())
    }

    pub(in crate::limit) fn store(&self, timeout: Duration) -> Store {
        redis_at(self.url(), timeout, 3)
    }

    pub(in crate::limit) async fn query<T: redis::FromRedisValue>(&self, command: &[&str]) -> T {
        let mut connection =
            redis::Client::open(self.url()).unwrap().get_multiplexed_async_connection().await.unwrap();
        redis::cmd(command[0]).arg(&command[1..]).query_async(&mut connection).await.unwrap()
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        let _ = self.process.kill();
        let _ = self.process.wait();
    }
}

/// Long enough for a machine under load: these tests are not about time.
pub(in crate::limit) const PATIENT: Duration = Duration::from_secs(10);
