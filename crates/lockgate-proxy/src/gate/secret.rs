//! Secrets that a bundle refers to. They are read here, kept in memory, and
//! never written anywhere. Their files are looked at again, so that a secret
//! which was renewed is put to work without a change of the configuration.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, Read};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// Longest secret, bytes: header values are shorter.
const MAX_SECRET: u64 = 64 * 1024;

/// Reads `env:NAME` or `file:/path`; `None` where there is no such secret.
pub fn resolve(reference: &str) -> Option<Vec<u8>> {
    if let Some(name) = reference.strip_prefix("env:") {
        return std::env::var(name)
            .ok()
            .filter(|value| !value.is_empty())
            .map(String::into_bytes);
    }
    let path = reference.strip_prefix("file:")?;
    // A pipe would make the load wait for whoever writes to it, and a device has no end.
    if !std::fs::metadata(path).ok()?.is_file() {
        return None;
    }
    let mut bytes = Vec::new();
    File::open(path)
        .ok()?
        .take(MAX_SECRET)
        .read_to_end(&mut bytes)
        .ok()?;
    (!bytes.is_empty()).then_some(bytes)
}

/// Reads a file of at most `most` bytes.
///
/// # Errors
/// As [`Reading::file`].
pub fn file(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    // As for secrets: never a pipe or a device.
    let found = std::fs::metadata(path)?;
    if !found.is_file() {
        return Err(io::Error::other("it is not a file"));
    }
    if found.len() > most {
        let told = format!("it has {} bytes, and at most {most} are read", found.len());
        return Err(io::Error::other(told));
    }
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

/// What tells one version of a file from the next.
type Print = Option<(u64, u64, u64, i64, i64)>;

/// Files that secrets were read from, as they were.
#[derive(Debug, Default)]
pub struct Files(Vec<(PathBuf, Print)>);

impl Files {
    /// Whether one of them is not what it was.
    #[must_use]
    pub fn changed(&self) -> bool {
        self.0
            .iter()
            .any(|(path, print)| self::print(path) != *print)
    }

    /// Looks at them as they are now.
    pub fn seen(&mut self) {
        for (path, print) in &mut self.0 {
            *print = self::print(path);
        }
    }
}

/// Reads secrets, and remembers from where.
#[derive(Debug, Default)]
pub struct Reading(RefCell<Files>);

impl Reading {
    /// As [`resolve`].
    pub fn resolve(&self, reference: &str) -> Option<Vec<u8>> {
        if let Some(path) = reference.strip_prefix("file:") {
            // Before it is read: what changes meanwhile is seen as a change.
            let path = PathBuf::from(path);
            let print = print(&path);
            self.0.borrow_mut().0.push((path, print));
        }
        resolve(reference)
    }

    /// A file of at most `most` bytes, for more than a secret.
    ///
    /// # Errors
    /// If it is not there, is no file, cannot be read, or is longer.
    pub fn file(&self, path: &Path, most: u64) -> io::Result<Vec<u8>> {
        self.0.borrow_mut().0.push((path.to_owned(), print(path)));
        file(path, most)
    }

    /// What was read.
    #[must_use]
    pub fn files(self) -> Files {
        self.0.into_inner()
    }
}

fn print(path: &Path) -> Print {
    let found = std::fs::metadata(path).ok()?;
    Some((
        found.dev(),
        found.ino(),
        found.size(),
        found.mtime(),
        found.mtime_nsec(),
    ))
}
