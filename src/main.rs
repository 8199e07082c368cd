//! Rempart, the command: exit codes only.

use std::process::ExitCode;

fn main() -> ExitCode {
    rempart::cli::run()
}
