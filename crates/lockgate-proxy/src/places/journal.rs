//! Who came today, on disk: a record of 24 bytes for each, of hashes under the installation's secret.
//!
//! What is lost by a power cut is lost: a few may come then who would be too many.

use std::fs::{File, OpenOptions};
use std::io::{self, Read as _, Write as _};
use std::os::unix::fs::OpenOptionsExt as _;
use std::path::Path;
use std::sync::{Mutex, PoisonError};

const RECORD: usize = 24;

/// Somebody who came.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Came {
    pub(super) day: u64,
    pub(super) key: u64,
    pub(super) user: u64,
}

/// The file.
#[derive(Debug)]
pub(super) struct Journal(Mutex<(File, u64)>);

impl Journal {
    /// Opens it, and reads who came on `today`.
    pub(super) fn open(path: &Path, today: u64) -> io::Result<(Self, impl Iterator<Item = Came>)> {
        let mut options = OpenOptions::new();
        options.create(true).read(true).append(true).mode(0o600);
        let mut file = options.open(path)?;
        let most = (super::MOST_USERS * RECORD) as u64;
        let mut bytes = Vec::new();
        (&mut file).take(most).read_to_end(&mut bytes)?;
        let whole = bytes.len() - bytes.len() % RECORD;
        let came: Vec<Came> = bytes[..whole]
            .chunks_exact(RECORD)
            .map(Came::read)
            .filter(|one| one.day == today)
            .collect();
        // What was not written to its end would move all that comes behind it.
        let keep = if came.is_empty() { 0 } else { whole as u64 };
        if keep < file.metadata()?.len() {
            file.set_len(keep)?;
        }
        Ok((Self(Mutex::new((file, today))), came.into_iter()))
    }

    /// Writes down who came. Where that cannot be, they are counted nevertheless until the process ends.
    pub(super) fn write(&self, day: u64, key: u64, user: u64) {
        let mut held = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        let (file, today) = &mut *held;
        if day > *today {
            *today = day;
            let _ = file.set_len(0);
        }
        let at = file.metadata().map_or(0, |file| file.len());
        if file.write_all(&Came { day, key, user }.bytes()).is_err() {
            // A part of it would move all that comes behind it.
            let _ = file.set_len(at);
        }
    }
}

impl Came {
    fn read(bytes: &[u8]) -> Self {
        let word = |at: usize| {
            let mut word = [0; 8];
            word.copy_from_slice(&bytes[at..at + 8]);
            u64::from_le_bytes(word)
        };
        Self {
            day: word(0),
            key: word(8),
            user: word(16),
        }
    }

    fn bytes(self) -> [u8; RECORD] {
        let mut bytes = [0; RECORD];
        for (at, word) in [self.day, self.key, self.user].into_iter().enumerate() {
            bytes[at * 8..(at + 1) * 8].copy_from_slice(&word.to_le_bytes());
        }
        bytes
    }
}
