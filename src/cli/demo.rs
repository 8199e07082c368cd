//! `rempart demo`: the gateway in front of the sample platform, on this machine, in one command.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::ExitCode,
    time::SystemTime,
};

use super::{
    EXIT_RUNTIME, complain,
    serve::{self, ServeError},
};
use crate::{
    demo::{
        accounts::{ACCOUNTS, PASSWORD},
        folder::{DemoFolder, FolderError},
        platform::Platform,
    },
    policy::{report::Report, source},
};

/// Why the demo does not run.
#[derive(Debug, thiserror::Error)]
pub enum DemoError {
    /// Somebody listens there already.
    #[error("port {0} is taken: choose another with `rempart demo --port N`")]
    PortTaken(u16),
    /// The sample platform did not start.
    #[error("the sample platform did not start: {0}")]
    Platform(#[source] io::Error),
    /// Its folder could not be made.
    #[error(transparent)]
    Folder(#[from] FolderError),
    /// Nobody reads what it prints.
    #[error("the guide could not be printed: {0}")]
    Print(#[from] io::Error),
    /// The embedded policies are refused: a defect of this program.
    #[error("the demo's own policy is refused:\n{0}")]
    Policy(Report),
    /// The gateway does not start, or did not end well.
    #[error(transparent)]
    Serve(#[from] ServeError),
}

/// Runs until SIGINT or SIGTERM.
pub fn run(port: u16) -> ExitCode {
    match serve_demo(port, &mut io::stdout()) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            complain(&format!("rempart: {error}\n"));
            ExitCode::from(EXIT_RUNTIME)
        }
    }
}

fn serve_demo(port: u16, out: &mut dyn Write) -> Result<(), DemoError> {
    let admin_port = port.saturating_add(1);
    for port in [port, admin_port] {
        // Found out here, the cause has a name; in the gateway it would be one address among others.
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| DemoError::PortTaken(port))?;
    }
    let platform = Platform::start().map_err(DemoError::Platform)?;
    let folder = DemoFolder::create(platform.address(), port, admin_port, SystemTime::now())?;
    let policies = folder.policies();
    let policy = source::load(&policies).map_err(DemoError::Policy)?;
    let running = serve::start(policy, Some(&policies), None)?;
    out.write_all(guide(folder.path(), port, admin_port).as_bytes())?;
    out.flush()?;
    Ok(running.wait()?)
}

/// What to try: one URL as each role sees it, then the cookies, the journal and the brake on logins.
fn guide(folder: &Path, port: u16, admin_port: u16) -> String {
    let folder = folder.display();
    let curl = format!("curl -s --cacert {folder}/ca.pem");
    let site = format!("https://localhost:{port}");
    let mut text = format!(
        "Rempart stands in front of a sample school, at {site} (nobody in it exists). Ctrl-C ends it.\n\n\
         The same address, asked by each role:\n"
    );
    for account in ACCOUNTS {
        text.push_str(&format!("  {curl} -H @{folder}/{}.h {site}/api/learners\n", account.role));
    }
    text.push_str(&format!(
        "  {curl} {site}/api/learners                 # nobody in particular: the least\n\n\
         Cookies: the session passes and is hardened, the trackers are gone; the sixth wrong password gets 429:\n  \
         {curl} -i {site}/api/login -d username=alix -d password={PASSWORD}\n  \
         for i in 1 2 3 4 5 6; do {curl} -o /dev/null -w '%{{http_code}}\\n' {site}/api/login -d username=alix -d \
         password=no; done\n\n\
         The charter decides: in {folder}/policies/charter.yaml give `marketing` something to see, save, ask again.\n\
         What was written down: {folder}/journal.jsonl   What is counted: http://127.0.0.1:{admin_port}/metrics\n"
    ));
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_guide_is_short_and_has_a_line_for_each_role() {
        let text = guide(Path::new("/tmp/rempart-demo-x"), 8443, 8444);
        assert!(text.lines().count() < 20, "{text}");
        for account in ACCOUNTS {
            let line =
                format!("-H @/tmp/rempart-demo-x/{}.h https://localhost:8443/api/learners\n", account.role);
            assert!(text.contains(&line), "{line}");
        }
        assert!(text.contains("-w '%{http_code}\\n'"));
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = serve_demo(port, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, DemoError::PortTaken(p) if p == port));
    }
}
