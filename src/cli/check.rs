//! `rempart check DIR`: everything that is to be said about a policy folder.

use std::{
    io::{self, IsTerminal as _, Write},
    path::Path,
    time::SystemTime,
};

use crate::policy::{compile::Options, source};

/// What a check found out, as the process ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Outcome {
    /// The policy is sound; there may be findings. Exit code 0.
    Sound,
    /// The policy is refused. Exit code 2.
    Refused,
}

impl Outcome {
    /// The exit code of the process.
    pub fn exit_code(self) -> u8 {
        match self {
            Self::Sound => 0,
            Self::Refused => 2,
        }
    }
}

/// Checks a policy folder and writes the report. Colours are for terminals, and not for those who set `NO_COLOR`.
///
/// # Errors
/// The report could not be written.
pub fn run(dir: &Path, out: &mut dyn Write) -> io::Result<Outcome> {
    let colours = io::stdout().is_terminal() && std::env::var_os("NO_COLOR").is_none();
    check(dir, SystemTime::now(), colours, out)
}

fn check(dir: &Path, now: SystemTime, colours: bool, out: &mut dyn Write) -> io::Result<Outcome> {
    let options = Options { absent_files_pass: true, now: Some(now) };
    let (set, report) = source::inspect(dir, &options);
    out.write_all(report.render(colours).as_bytes())?;
    let Some(set) = set else { return Ok(Outcome::Refused) };
    writeln!(
        out,
        "{}: {} routes, {} categories, {} recipients, {} cookies; digest {}",
        dir.display(),
        set.routes.len(),
        set.charter.categories.len(),
        set.charter.recipients.len(),
        set.charter.cookies.len(),
        set.digest,
    )?;
    for route in set.routes.iter().filter(|route| !route.presets.is_empty()) {
        writeln!(out, "  {}: fields of {}", route.name, route.presets.join(", "))?;
    }
    Ok(Outcome::Sound)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn checked(folder: &str) -> (Outcome, String) {
        let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join(folder);
        let mut out = Vec::new();
        let outcome = check(&dir, SystemTime::UNIX_EPOCH, false, &mut out).unwrap();
        (outcome, String::from_utf8(out).unwrap())
    }

    #[test]
    fn the_shipped_policy_passes_with_its_findings() {
        let (outcome, text) = checked("policies");
        assert_eq!((outcome, outcome.exit_code()), (Outcome::Sound, 0), "{text}");
        assert!(text.contains("exempt by the CNIL") && text.contains("0 errors"), "{text}");
    }

    #[test]
    fn a_bad_policy_exits_with_two() {
        let (outcome, text) = checked("tests/policies/typing-mistakes");
        assert_eq!(outcome.exit_code(), 2);
        assert!(text.contains("did you mean `kolibri`?"), "{text}");
        assert_eq!(checked("tests/policies/no-such-folder").0, Outcome::Refused);
    }
}
