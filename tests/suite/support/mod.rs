//! The harness of the end-to-end tests: the real binary, real TLS, a scripted upstream, a real redis-server.
//!
//! A test writes its policies with [`folder::PolicyFolder`], starts [`gateway::Gateway`] in front of an
//! [`upstream::Upstream`] (or the sample platform), asks through [`client::Client`] and ends with
//! [`gateway::Gateway::stop`], which insists on exit 0. Everything listens on free ports of the loopback, so tests run
//! side by side.

pub mod authority;
pub mod client;
pub mod dns;
pub mod folder;
pub mod frames;
pub mod gateway;
pub mod lines;
pub mod multiplexed;
pub mod redis;
pub mod school;
pub mod tokens;
pub mod upstream;
pub mod wire;

use std::time::{Duration, Instant};

/// How long anything in a test may take before it counts as missing.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// Asks again and again until there is an answer.
#[track_caller]
pub fn wait_for<T>(what: &str, mut ask: impl FnMut() -> Option<T>) -> T {
    let start = Instant::now();
    loop {
        if let Some(answer) = ask() {
            return answer;
        }
        assert!(start.elapsed() < PATIENCE, "{what}: not within {PATIENCE:?}");
        pause(Duration::from_millis(10));
    }
}

/// Lets real time pass: other processes are waited for here, which no injected clock can do.
#[expect(clippy::disallowed_methods, reason = "the process under test lives in real time")]
pub fn pause(time: Duration) {
    std::thread::sleep(time);
}
