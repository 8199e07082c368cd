//! `rempart health`: asks the admin listener of a gateway on this machine. For container health checks, where neither a
//! shell nor `curl` is at hand.

use std::{
    io::{self, Read, Write},
    net::{SocketAddr, TcpStream},
    time::Duration,
};

/// Where the manifests and the image let the admin listener stand.
pub const ADMIN_DEFAULT: &str = "127.0.0.1:9900";

/// How long the gateway may take to answer; less than the three seconds of a usual health check.
const PATIENCE: Duration = Duration::from_secs(2);

/// What to ask.
#[derive(Clone, Debug, clap::Args)]
pub struct HealthArguments {
    /// Address of the admin listener.
    #[arg(long, value_name = "ADDRESS", default_value = ADMIN_DEFAULT, env = "REMPART_ADMIN")]
    pub admin: SocketAddr,
    /// Asks whether it takes traffic (`/readyz`) rather than whether it lives (`/healthz`).
    #[arg(long)]
    pub ready: bool,
}

/// Why a gateway does not count as healthy.
#[derive(Debug, thiserror::Error)]
pub enum HealthError {
    /// Nobody listens, or nobody answers in time.
    #[error("the admin listener does not answer: {0}")]
    Silent(#[from] io::Error),
    /// It answered, but not with 200.
    #[error("the admin listener answered {0:?}")]
    Unwell(String),
}

/// Asks once.
///
/// # Errors
/// [`HealthError`] unless the answer is 200 in time.
pub fn run(arguments: &HealthArguments) -> Result<(), HealthError> {
    let mut socket = TcpStream::connect_timeout(&arguments.admin, PATIENCE)?;
    socket.set_read_timeout(Some(PATIENCE))?;
    socket.set_write_timeout(Some(PATIENCE))?;
    let path = if arguments.ready { "/readyz" } else { "/healthz" };
    // One write: a request in pieces could meet an answer, and a reset, before its end.
    let request = format!("GET {path} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n");
    socket.write_all(request.as_bytes())?;
    // The status line is all that counts; a peer that sends without end is not asked for more.
    let mut line = [0u8; 12];
    socket.read_exact(&mut line)?;
    match &line {
        b"HTTP/1.1 200" => Ok(()),
        other => Err(HealthError::Unwell(String::from_utf8_lossy(other).into_owned())),
    }
}

#[cfg(test)]
mod tests {
    use std::net::TcpListener;

    use super::*;

    /// Asks somebody who answers with these bytes.
    fn ask(answer: &'static str, ready: bool) -> (Result<(), HealthError>, String) {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let admin = listener.local_addr().unwrap();
        let peer = std::thread::spawn(move || {
            let (mut socket, _) = listener.accept().unwrap();
            let mut request = [0u8; 1024];
            let read = socket.read(&mut request).unwrap();
            socket.write_all(answer.as_bytes()).unwrap();
            String::from_utf8_lossy(&request[..read]).into_owned()
        });
        (run(&HealthArguments { admin, ready }), peer.join().unwrap())
    }

    #[test]
    fn only_200_is_healthy() {
        let (outcome, request) = ask("HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n", false);
        assert!(outcome.is_ok() && request.starts_with("GET /healthz "));
        let (outcome, request) = ask("HTTP/1.1 503 Service Unavailable\r\n\r\n", true);
        assert!(matches!(outcome, Err(HealthError::Unwell(_))) && request.starts_with("GET /readyz "));
        for nonsense in ["", "HTTP/1.1 20", "SSH-2.0-OpenSSH_9.2\r\n"] {
            assert!(ask(nonsense, false).0.is_err(), "{nonsense:?}");
        }
    }

    #[test]
    fn nobody_there_is_not_healthy() {
        let admin = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        assert!(matches!(run(&HealthArguments { admin, ready: false }), Err(HealthError::Silent(_))));
    }
}
