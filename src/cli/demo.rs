//! `rempart demo`: the gateway in front of the sample platform, on this machine, in one command.

use std::{
    io::{self, Write},
    net::{Ipv4Addr, TcpListener},
    path::Path,
    process::ExitCode,
    time::SystemTime,
};

use super::{
    failed,
    serve::{self, Running},
};
use crate::demo::{
    accounts::{ACCOUNTS, PASSWORD},
    folder::{DemoFolder, FolderError},
    platform::Platform,
};

/// How to run the demo.
#[derive(Clone, Debug, clap::Args)]
pub struct DemoArguments {
    /// Port of the gateway; metrics and probes stand on the next one.
    #[arg(long, default_value_t = 8443, value_parser = clap::value_parser!(u16).range(1..=65534))]
    pub port: u16,
}

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
}

/// A demo ready to be served: the platform runs, the policies are written. Dropping it ends and deletes both.
#[derive(Debug)]
pub struct Demo {
    /// What to serve.
    pub folder: DemoFolder,
    _platform: Platform,
}

/// Runs the demo until a signal ends it.
pub fn run(arguments: &DemoArguments) -> ExitCode {
    match prepare(arguments, &mut io::stdout()) {
        Ok(demo) => {
            let running = serve::load_and_start(&demo.folder.policies(), None);
            serve::finish(running.and_then(Running::wait))
        }
        Err(error) => failed(&error),
    }
}

/// Starts the platform, writes the policies and prints what to try.
///
/// # Errors
/// [`DemoError`] with what is in the way.
pub fn prepare(arguments: &DemoArguments, out: &mut dyn Write) -> Result<Demo, DemoError> {
    let admin_port = arguments.port.saturating_add(1);
    for port in [arguments.port, admin_port] {
        // Found out here, the cause has a name; in the gateway it would be one address among others.
        TcpListener::bind((Ipv4Addr::LOCALHOST, port)).map_err(|_| DemoError::PortTaken(port))?;
    }
    let platform = Platform::start().map_err(DemoError::Platform)?;
    let folder = DemoFolder::create(platform.address(), arguments.port, admin_port, SystemTime::now())?;
    out.write_all(guide(folder.path(), arguments.port, admin_port).as_bytes())?;
    out.flush()?;
    Ok(Demo { folder, _platform: platform })
}

/// What to try: one URL as each role sees it, then the cookies, the journal and the brake on logins.
fn guide(folder: &Path, port: u16, admin_port: u16) -> String {
    let folder = folder.display();
    let curl = format!("curl -s --cacert {folder}/ca.pem");
    let site = format!("https://localhost:{port}");
    let mut text = format!(
        "Rempart stands in front of a sample school, at {site} (nobody in it exists). Ctrl-C ends it.\n\n\
         The record of one learner, asked for by herself, her teacher, her parent and others:\n"
    );
    for account in ACCOUNTS {
        text.push_str(&format!("  {curl} -H @{folder}/{}.h {site}/api/learners/L1\n", account.role));
    }
    text.push_str(&format!(
        "  {curl} {site}/api/learners/L1   # nobody in particular: the least\n\n\
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
            let line = format!(
                "-H @/tmp/rempart-demo-x/{}.h https://localhost:8443/api/learners/L1\n",
                account.role
            );
            assert!(text.contains(&line), "{line}");
        }
        assert!(text.contains("-w '%{http_code}\\n'"));
    }

    #[test]
    fn a_taken_port_is_named() {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let port = taken.local_addr().unwrap().port();
        let error = prepare(&DemoArguments { port }, &mut Vec::new()).unwrap_err();
        assert!(matches!(error, DemoError::PortTaken(p) if p == port));
    }
}
