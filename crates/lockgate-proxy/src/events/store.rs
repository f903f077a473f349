//! The log's directory as its one writer sees it: the open segment, those
//! before it, how many bytes may stay, and how far all of it is on disk.

use std::collections::VecDeque;
use std::fs::{DirBuilder, File, OpenOptions};
use std::io;
use std::os::unix::fs::{DirBuilderExt, OpenOptionsExt};
use std::path::{Path, PathBuf};

use super::chain::Hash;
use super::clock::now_ms;
use super::recovery::{self, Recovered};
use super::segment::{self, Listed, Name, Segment};
use super::watermark::Watermark;
use super::Options;

const LOCK_FILE: &str = "lock";

/// Directories of writers that have left the log to another begin so.
const LEAVING_PREFIX: &str = "leaving-";

/// The directory, within that of the log, of a process that has left it.
pub(crate) fn leaving(pid: u32) -> String {
    format!("{LEAVING_PREFIX}{pid}")
}

/// How much is copied at once from a segment whose sync failed.
const RESCUE_BYTES: usize = 256 * 1024;

/// The directory, open for writing.
#[derive(Debug)]
pub(crate) struct Store {
    dir: PathBuf,
    node: String,
    retain_bytes: u64,
    segment_bytes: u64,
    segment_bytes_wanted: u64,
    segment_age_ms: u64,
    open: Option<Segment>,
    sealed: VecDeque<Listed>,
    next: Name,
    watermark: Watermark,
    /// A sync failed; see [`Store::rescue`].
    suspect: bool,
    /// Hash of the newest audit event that was written.
    pub chain: Hash,
    /// Segments deleted by retention so far.
    pub deleted: u64,
    /// Held for as long as the store lives: two writers in one directory would
    /// cut off each other's tails.
    _lock: File,
    #[cfg(test)]
    faults: std::sync::Arc<super::faults::Faults>,
}

impl Store {
    /// Opens the directory (made if need be, 0700) and mends what a crash left.
    pub fn open(dir: &Path, options: &Options) -> io::Result<(Self, Recovered)> {
        DirBuilder::new().recursive(true).mode(0o700).create(dir)?;
        let lock = lock(dir)?;
        let recovered = recovery::recover(dir)?;
        let sealed: VecDeque<Listed> = segment::list(dir)?.into();
        let next = sealed.back().map_or(
            Name {
                start_ms: 0,
                seq: 1,
            },
            |last| Name {
                start_ms: last.name.start_ms,
                seq: last.name.seq + 1,
            },
        );
        let mut store = Self {
            dir: dir.to_owned(),
            node: options.node.clone(),
            retain_bytes: 0,
            segment_bytes: 0,
            segment_bytes_wanted: options.segment_bytes,
            segment_age_ms: u64::try_from(options.segment_age.as_millis()).unwrap_or(u64::MAX),
            open: None,
            sealed,
            next,
            watermark: Watermark::open(dir)?,
            suspect: false,
            chain: recovered.chain,
            deleted: 0,
            _lock: lock,
            #[cfg(test)]
            faults: std::sync::Arc::clone(&options.faults),
        };
        store.adopt(now_ms())?;
        store.keep(options.retain_bytes);
        Ok((store, recovered))
    }

    /// Sets how many bytes of segments may stay. A segment is a quarter of them
    /// at most, so that deleting the oldest leaves most of the log.
    pub fn keep(&mut self, retain_bytes: u64) {
        if self.retain_bytes != retain_bytes {
            self.retain_bytes = retain_bytes;
            self.segment_bytes = self.segment_bytes_wanted.min(retain_bytes / 4);
            self.retain();
        }
    }

    /// Appends whole frames to the open segment; begins a new one where due.
    pub fn append(&mut self, frames: &[u8], now_ms: u64) -> io::Result<()> {
        let size = frames.len() as u64;
        if let Some(open) = &self.open {
            let full = open.end + size > self.segment_bytes;
            let old = now_ms.saturating_sub(open.name.start_ms) >= self.segment_age_ms;
            if open.events_bytes() > 0 && (full || old) {
                self.seal(now_ms)?;
            }
        }
        let mut open = match self.open.take() {
            Some(open) => open,
            None => self.begin(now_ms)?,
        };
        let appended = open.append(frames);
        self.open = Some(open);
        appended?;
        self.retain();
        Ok(())
    }

    /// Waits until all that was appended is on disk, and publishes that.
    pub fn sync(&mut self, now_ms: u64) -> io::Result<()> {
        if self.suspect {
            self.rescue(now_ms)?;
            self.suspect = false;
        }
        let Some(open) = &mut self.open else {
            return Ok(());
        };
        if open.synced == open.end {
            return Ok(());
        }
        if let Err(error) = open.sync(&self.dir) {
            self.suspect = true;
            return Err(error);
        }
        self.watermark.publish(open.name, open.synced)
    }

    /// After a failed sync: Linux reports a failure once and may then forget
    /// what it could not write, so a later success would prove nothing. What is
    /// not known to be on disk is read back (it usually still is in memory),
    /// written to a new segment, and cut off the old one. A reader that already
    /// saw it sees it again.
    fn rescue(&mut self, now_ms: u64) -> io::Result<()> {
        let Some(mut old) = self.open.take() else {
            return Ok(());
        };
        match self.copy_unsynced(&old, now_ms) {
            Ok(new) => self.open = Some(new),
            Err(error) => {
                self.open = Some(old);
                return Err(error);
            }
        }
        if old.synced > old.begin {
            old.cut_to_synced()?;
            self.sealed.push_back(Listed {
                name: old.name,
                bytes: old.end,
            });
            return Ok(());
        }
        std::fs::remove_file(old.name.path(&self.dir))
    }

    fn copy_unsynced(&mut self, old: &Segment, now_ms: u64) -> io::Result<Segment> {
        let mut new = self.begin(now_ms)?;
        let mut from = old.synced.max(old.begin);
        let mut buffer = vec![0; RESCUE_BYTES];
        while from < old.end {
            let left = usize::try_from(old.end - from).unwrap_or(RESCUE_BYTES);
            let piece = &mut buffer[..left.min(RESCUE_BYTES)];
            let copied = old.read_at(piece, from).and_then(|()| new.append(piece));
            if let Err(error) = copied {
                // The next attempt begins another one.
                let _ = std::fs::remove_file(new.name.path(&self.dir));
                return Err(error);
            }
            from += piece.len() as u64;
        }
        Ok(new)
    }

    /// Takes over the segments of writers that left this directory and have
    /// ended since, behind all that is written: they keep their events' times,
    /// and get our next numbers. Whether none of them still writes.
    pub fn adopt(&mut self, now_ms: u64) -> io::Result<bool> {
        let mut all_ended = true;
        for entry in std::fs::read_dir(&self.dir)? {
            let entry = entry?;
            if !entry
                .file_name()
                .to_string_lossy()
                .starts_with(LEAVING_PREFIX)
            {
                continue;
            }
            let from = entry.path();
            match lock(&from) {
                Ok(_held) => self.take_over(&from, now_ms)?,
                Err(error) if error.kind() == io::ErrorKind::ResourceBusy => all_ended = false,
                Err(error) => return Err(error),
            }
        }
        Ok(all_ended)
    }

    /// A reader leaves a segment once there is a newer one: so ours is ended first.
    fn take_over(&mut self, from: &Path, now_ms: u64) -> io::Result<()> {
        recovery::recover(from)?;
        for listed in segment::list(from)? {
            self.seal(now_ms)?;
            let name = Name {
                start_ms: listed.name.start_ms.max(self.next.start_ms),
                seq: self.next.seq,
            };
            std::fs::rename(listed.name.path(from), name.path(&self.dir))?;
            self.sealed.push_back(Listed { name, ..listed });
            self.next = Name {
                seq: name.seq + 1,
                ..name
            };
        }
        File::open(&self.dir)?.sync_all()?;
        std::fs::remove_dir_all(from)
    }

    /// Creates the next segment. Its time is the clock's, unless that went back.
    fn begin(&mut self, now_ms: u64) -> io::Result<Segment> {
        let name = Name {
            start_ms: now_ms.max(self.next.start_ms),
            seq: self.next.seq,
        };
        let segment = Segment::create(
            &self.dir,
            name,
            &self.node,
            self.chain,
            #[cfg(test)]
            std::sync::Arc::clone(&self.faults),
        )?;
        self.next = Name {
            seq: name.seq + 1,
            ..name
        };
        Ok(segment)
    }

    fn seal(&mut self, now_ms: u64) -> io::Result<()> {
        self.sync(now_ms)?;
        if let Some(open) = self.open.take() {
            self.sealed.push_back(Listed {
                name: open.name,
                bytes: open.end,
            });
        }
        Ok(())
    }

    /// Deletes the oldest sealed segments while there are more bytes than may
    /// stay, counting the open segment as full.
    fn retain(&mut self) {
        let open = self
            .open
            .as_ref()
            .map_or(0, |open| open.end.max(self.segment_bytes));
        let mut total: u64 = open + self.sealed.iter().map(|listed| listed.bytes).sum::<u64>();
        while total > self.retain_bytes {
            let Some(oldest) = self.sealed.pop_front() else {
                return;
            };
            // One that cannot be deleted now is seen again at the next start.
            if std::fs::remove_file(oldest.name.path(&self.dir)).is_ok() {
                self.deleted += 1;
            }
            total -= oldest.bytes;
        }
    }
}

fn lock(dir: &Path) -> io::Result<File> {
    let path = dir.join(LOCK_FILE);
    let file = OpenOptions::new()
        .write(true)
        .create(true)
        .truncate(false)
        .mode(0o600)
        .open(&path)?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(std::fs::TryLockError::WouldBlock) => Err(io::Error::new(
            io::ErrorKind::ResourceBusy,
            format!(
                "{} is held by another process that writes this event log; stop it, or give each its own directory",
                path.display()
            ),
        )),
        Err(std::fs::TryLockError::Error(error)) => Err(error),
    }
}

#[cfg(test)]
mod tests;
