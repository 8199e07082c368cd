//! The commands, one file each.

pub mod check;
pub mod demo;
pub mod health;
pub mod serve;

use std::{io::Write, path::PathBuf, process::ExitCode};

use clap::{Parser, Subcommand};

/// Exit code for a policy that is refused.
pub const EXIT_POLICY: u8 = 2;

/// Exit code for everything else that prevents or ends the service.
pub const EXIT_RUNTIME: u8 = 1;

/// The gate in front of a learning platform: enforces its data-protection charter.
#[derive(Debug, Parser)]
#[command(name = "rempart", version)]
struct Arguments {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Serve the policies of a folder until SIGTERM; SIGHUP or a change of a file loads them again.
    Serve {
        /// Folder with gateway.yaml, charter.yaml and routes/.
        #[arg(long, default_value = "policies", env = "REMPART_POLICIES")]
        policies: PathBuf,
        /// Write the addresses that were bound, as JSON, to this file.
        #[arg(long)]
        addresses: Option<PathBuf>,
    },
    /// Say everything that is wrong with a folder of policies; exit 2 if anything is.
    Check {
        /// Folder with gateway.yaml, charter.yaml and routes/.
        #[arg(default_value = "policies")]
        policies: PathBuf,
    },
    /// Serve a sample learning platform and show the same address answered differently to each role.
    Demo(demo::DemoArguments),
    /// Ask a gateway's admin listener whether it is ready; exit 1 if it is not.
    Health(health::HealthArguments),
}

/// Runs the command of this process's arguments.
pub fn run() -> ExitCode {
    match Arguments::parse().command {
        Command::Serve { policies, addresses } => serve::run(&policies, addresses),
        Command::Check { policies } => check::run(&policies),
        Command::Demo(arguments) => demo::run(&arguments),
        Command::Health(arguments) => match health::run(&arguments) {
            Ok(()) => ExitCode::SUCCESS,
            Err(error) => failed(&error),
        },
    }
}

/// Tells why, and fails.
fn failed(error: &dyn std::error::Error) -> ExitCode {
    complain(&format!("rempart: {error}\n"));
    ExitCode::from(EXIT_RUNTIME)
}

/// Writes to standard error; where that is closed nobody listens.
fn complain(text: &str) {
    let _unheard = std::io::stderr().write_all(text.as_bytes());
}
