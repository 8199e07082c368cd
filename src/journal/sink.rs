//! Where lines go: standard output or a file.

use std::{
    fs::{File, Metadata, OpenOptions},
    io::{self, Read, Seek, SeekFrom, Write},
    os::{
        fd::AsFd,
        unix::fs::{MetadataExt, OpenOptionsExt},
    },
    path::{Path, PathBuf},
};

use super::JournalError;
use crate::{
    policy::set::JournalTarget,
    telemetry::{self, Event},
};

/// Readable by the journal's group (a collector), by nobody else.
const MODE: u32 = 0o640;

/// Takes bytes in order. The writer tries again what was not taken.
pub(super) trait Sink: Send {
    /// Called before bytes are appended; `asked` if the operator asked to open the target again. `true` means that what
    /// follows goes to another file than before, so that an unfinished line must be begun again.
    fn refresh(&mut self, asked: bool) -> io::Result<bool>;

    /// Appends some of the bytes, and says how many.
    fn append(&mut self, bytes: &[u8]) -> io::Result<usize>;
}

/// Opens the target that the policy names.
pub(super) fn open(target: &JournalTarget) -> Result<Box<dyn Sink>, JournalError> {
    match target {
        JournalTarget::Stdout => Stdout::open().map(|sink| Box::new(sink) as _).map_err(JournalError::Stdout),
        JournalTarget::File(path) => Appended::open(path)
            .map(|sink| Box::new(sink) as _)
            .map_err(|source| JournalError::Open { path: path.clone(), source }),
    }
}

/// Standard output, past the standard library's line buffer: the writer's batches are larger, and it must know how much
/// was really taken.
struct Stdout(File);

impl Stdout {
    fn open() -> io::Result<Self> {
        Ok(Self(File::from(io::stdout().as_fd().try_clone_to_owned()?)))
    }
}

impl Sink for Stdout {
    fn refresh(&mut self, _asked: bool) -> io::Result<bool> {
        Ok(false)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.write(bytes)
    }
}

/// A file, appended to. It may be moved away or removed at any time: a new one is begun.
pub(super) struct Appended {
    path: PathBuf,
    file: File,
    /// Device and inode.
    identity: (u64, u64),
}

impl Appended {
    pub(super) fn open(path: &Path) -> io::Result<Self> {
        let mut file = OpenOptions::new().append(true).create(true).mode(MODE).open(path)?;
        let metadata = file.metadata()?;
        if metadata.is_file() && metadata.len() > 0 && last_byte(path)? != b'\n' {
            // A process that ended while writing left half a line: it must not run into the next record.
            file.write_all(b"\n")?;
        }
        Ok(Self { path: path.to_owned(), file, identity: identity(&metadata) })
    }

    fn is_current(&self) -> bool {
        std::fs::metadata(&self.path).is_ok_and(|metadata| identity(&metadata) == self.identity)
    }
}

impl Sink for Appended {
    fn refresh(&mut self, asked: bool) -> io::Result<bool> {
        if !asked && self.is_current() {
            return Ok(false);
        }
        let opened = Self::open(&self.path)?;
        let fresh = opened.identity != self.identity;
        if fresh {
            *self = opened;
            telemetry::event(Event::JournalReopened);
        }
        Ok(fresh)
    }

    fn append(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.file.write(bytes)
    }
}

fn identity(metadata: &Metadata) -> (u64, u64) {
    (metadata.dev(), metadata.ino())
}

fn last_byte(path: &Path) -> io::Result<u8> {
    let mut file = File::open(path)?;
    file.seek(SeekFrom::End(-1))?;
    let mut last = [0];
    file.read_exact(&mut last)?;
    Ok(last[0])
}

#[cfg(test)]
mod tests {
    use std::{fs, os::unix::fs::PermissionsExt};

    use super::*;

    #[test]
    fn a_file_is_created_for_owner_and_group_only() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        Appended::open(&path).unwrap();
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777 & !MODE, 0, "{mode:o}");
    }

    #[test]
    fn half_a_line_left_by_a_crash_is_closed_first() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("journal");
        fs::write(&path, "{\"a\":1}\n{\"b\"").unwrap();
        let mut sink = Appended::open(&path).unwrap();
        sink.append(b"{\"c\":3}\n").unwrap();
        assert_eq!(fs::read_to_string(&path).unwrap(), "{\"a\":1}\n{\"b\"\n{\"c\":3}\n");
        // A whole file is left as it is.
        drop(Appended::open(&path).unwrap());
        assert_eq!(fs::read_to_string(&path).unwrap().lines().count(), 3);
    }

    #[test]
    fn a_file_moved_away_or_removed_is_begun_again() {
        let folder = tempfile::tempdir().unwrap();
        let (path, old) = (folder.path().join("journal"), folder.path().join("journal.1"));
        let mut sink = Appended::open(&path).unwrap();
        sink.append(b"1\n").unwrap();
        assert!(!sink.refresh(false).unwrap());
        fs::rename(&path, &old).unwrap();
        assert!(sink.refresh(false).unwrap());
        sink.append(b"2\n").unwrap();
        fs::remove_file(&path).unwrap();
        assert!(sink.refresh(false).unwrap());
        sink.append(b"3\n").unwrap();
        assert_eq!(fs::read_to_string(&old).unwrap(), "1\n");
        assert_eq!(fs::read_to_string(&path).unwrap(), "3\n");
    }

    #[test]
    fn opening_again_on_demand_keeps_an_unmoved_file() {
        let folder = tempfile::tempdir().unwrap();
        let mut sink = Appended::open(&folder.path().join("journal")).unwrap();
        assert!(!sink.refresh(true).unwrap());
    }

    #[test]
    fn standard_output_is_taken_as_it_is() {
        let mut sink = open(&JournalTarget::Stdout).unwrap();
        assert!(!sink.refresh(true).unwrap(), "there is no other file to go to");
    }

    #[test]
    fn a_file_that_cannot_be_opened_is_an_error() {
        let target = JournalTarget::File("/nonexistent/journal".into());
        assert!(matches!(open(&target), Err(JournalError::Open { .. })));
    }
}
