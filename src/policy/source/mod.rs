//! Where a policy comes from: a folder, or memory.

mod watch;

pub use watch::{WatchError, Watcher};

use std::{
    borrow::Cow,
    collections::{BTreeMap, BTreeSet},
    fs, io,
    path::{Path, PathBuf},
    sync::{Mutex, PoisonError},
};

use super::{
    compile::{self, Options},
    report::{Diagnostic, Report},
    set::PolicySet,
};

/// Most bytes of a certificate, key, key set or secret file.
const REFERENCED_BYTES_MAX: u64 = 4 << 20;
/// Most files under `routes/`.
const ROUTE_FILES_MAX: usize = 1000;

/// The bytes of every policy file, and the way to the files that they refer to.
#[derive(Debug, Default)]
pub struct Sources {
    /// Name relative to the folder → bytes.
    files: BTreeMap<String, Vec<u8>>,
    /// Where relative names of referenced files start; `None` where everything is in memory.
    base: Option<PathBuf>,
    /// YAML files of the folder that nobody reads, relative to it.
    stray: Vec<String>,
    /// Referenced files that were asked for, present or not: what a watcher must watch.
    referenced: Mutex<BTreeSet<PathBuf>>,
}

/// Why a referenced file could not be had.
#[derive(Debug, thiserror::Error)]
pub enum FileError {
    /// It is not there, or not readable.
    #[error("{0}")]
    Unreadable(#[from] io::Error),
    /// It is no such thing as a certificate, a key or a secret.
    #[error("the file has {0} bytes, at most {REFERENCED_BYTES_MAX} are read")]
    TooLong(u64),
}

impl Sources {
    /// Sources held in memory: policy files and the files that they refer to, under the names that they use.
    pub fn from_memory<N: Into<String>, B: Into<Vec<u8>>>(files: impl IntoIterator<Item = (N, B)>) -> Self {
        let files = files.into_iter().map(|(name, bytes)| (name.into(), bytes.into())).collect();
        Self { files, ..Self::default() }
    }

    /// Reads a folder: `gateway.yaml`, `charter.yaml`, and the YAML files directly under `routes/`.
    ///
    /// It is read until two readings agree, so that the middle of a Kubernetes ConfigMap swap is never taken for a
    /// policy.
    ///
    /// # Errors
    /// A report of every file that cannot be read.
    pub fn read(dir: &Path) -> Result<Self, Report> {
        let mut sources = Self::read_once(dir)?;
        for _ in 0..3 {
            let again = Self::read_once(dir)?;
            if again.files == sources.files {
                break;
            }
            sources = again;
        }
        Ok(sources)
    }

    fn read_once(dir: &Path) -> Result<Self, Report> {
        let mut sources = Self { base: Some(dir.to_owned()), ..Self::default() };
        let mut report = Report::default();
        let mut routes = 0;
        for (folder, prefix) in [(dir.to_owned(), ""), (dir.join("routes"), "routes/")] {
            let names = match yaml_names(&folder) {
                Ok(names) => names,
                // The compiler says so, together with what else is wrong.
                Err(error) if !prefix.is_empty() && error.kind() == io::ErrorKind::NotFound => continue,
                Err(error) => {
                    let help = "the policy folder holds gateway.yaml, charter.yaml and routes/*.yaml";
                    let message = format!("the folder cannot be read: {error}");
                    report.errors.push(Diagnostic::whole_file(
                        if prefix.is_empty() { "./" } else { prefix },
                        message,
                        Some(help.into()),
                    ));
                    continue;
                }
            };
            for file_name in names {
                let name = format!("{prefix}{file_name}");
                if prefix.is_empty() && !matches!(stem(&file_name), "gateway" | "charter") {
                    sources.stray.push(name);
                    continue;
                }
                routes += usize::from(!prefix.is_empty());
                if routes > ROUTE_FILES_MAX {
                    let message = format!("more than {ROUTE_FILES_MAX} files of routes");
                    report.errors.push(Diagnostic::whole_file("routes/", message, None));
                    break;
                }
                // One byte more than the parser accepts is enough for it to say that the file is too long.
                match bounded_read(&folder.join(&file_name), super::document::FILE_BYTES_MAX as u64 + 1) {
                    Ok(bytes) => {
                        sources.files.insert(name, bytes);
                    }
                    Err(error) => report.errors.push(Diagnostic::whole_file(
                        &name,
                        format!("the file cannot be read: {error}"),
                        None,
                    )),
                }
            }
        }
        if report.errors.is_empty() { Ok(sources) } else { Err(report.settle()) }
    }

    /// The policy files' names and bytes, sorted by name.
    pub fn policy_files(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.files
            .iter()
            .filter(|(name, _)| is_policy(name))
            .map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// YAML files that lie in the folder but belong to none of the three kinds.
    pub(crate) fn stray(&self) -> &[String] {
        &self.stray
    }

    /// A file that a policy file refers to.
    ///
    /// # Errors
    /// [`FileError`]: it is not there, not readable or far too long.
    pub fn file(&self, name: &str) -> Result<Cow<'_, [u8]>, FileError> {
        if let Some(bytes) = self.files.get(name).filter(|_| !is_policy(name)) {
            return Ok(Cow::Borrowed(bytes));
        }
        let Some(base) = &self.base else { return Err(io::Error::from(io::ErrorKind::NotFound).into()) };
        let path = base.join(name);
        self.referenced.lock().unwrap_or_else(PoisonError::into_inner).insert(path.clone());
        let bytes = bounded_read(&path, REFERENCED_BYTES_MAX + 1)?;
        if bytes.len() as u64 > REFERENCED_BYTES_MAX {
            return Err(FileError::TooLong(bytes.len() as u64));
        }
        Ok(Cow::Owned(bytes))
    }

    /// Who may read a file that a policy file refers to, as bits of the file system; `None` for one in memory.
    pub(crate) fn mode(&self, name: &str) -> Option<u32> {
        use std::os::unix::fs::PermissionsExt as _;
        Some(fs::metadata(self.base.as_ref()?.join(name)).ok()?.permissions().mode())
    }

    /// Every file that was asked for through [`Sources::file`] on disk.
    pub fn referenced(&self) -> Vec<PathBuf> {
        self.referenced.lock().unwrap_or_else(PoisonError::into_inner).iter().cloned().collect()
    }
}

/// Reads a policy folder and compiles it.
///
/// # Errors
/// Everything that is wrong with it, with positions.
pub fn load(dir: &Path) -> Result<PolicySet, Report> {
    compile::compile(&Sources::read(dir)?)
}

/// Reads and compiles a policy folder, and says everything about it, findings too.
pub fn inspect(dir: &Path, options: &Options) -> (Option<PolicySet>, Report) {
    match Sources::read(dir) {
        Ok(sources) => compile::inspect(&sources, options),
        Err(report) => (None, report),
    }
}

fn is_policy(name: &str) -> bool {
    if !is_yaml(name) {
        return false;
    }
    match name.strip_prefix("routes/") {
        Some(rest) => !rest.contains('/'),
        None => matches!(stem(name), "gateway" | "charter"),
    }
}

fn is_yaml(name: &str) -> bool {
    name.ends_with(".yaml") || name.ends_with(".yml")
}

fn stem(name: &str) -> &str {
    name.rsplit_once('.').map_or(name, |(stem, _)| stem)
}

/// The visible YAML files of a folder. Names that start with a dot are left alone: editors and Kubernetes use them.
fn yaml_names(folder: &Path) -> io::Result<Vec<String>> {
    let mut names = Vec::new();
    for entry in fs::read_dir(folder)? {
        let entry = entry?;
        let name = entry.file_name().to_string_lossy().into_owned();
        if is_yaml(&name) && !name.starts_with('.') && !entry.path().is_dir() {
            names.push(name);
        }
    }
    names.sort();
    Ok(names)
}

/// At most `most` bytes of a regular file: a pipe or a device in its place must not hold the gateway.
fn bounded_read(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    use std::io::Read as _;
    if !fs::metadata(path)?.is_file() {
        return Err(io::Error::new(io::ErrorKind::InvalidInput, "it is not a regular file"));
    }
    let mut bytes = Vec::new();
    fs::File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

#[cfg(test)]
mod tests;
