//! One file of the log: a header frame, then event frames, only ever appended.

use std::fmt;
use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::{Path, PathBuf};
use std::str::FromStr;

use minicbor::{Decode, Encode};

use super::chain::Hash;
use super::frame;

#[cfg(test)]
use super::faults::Faults;

/// The version of the segment format that this gate writes.
const FORMAT_VERSION: u32 = 1;

const EXTENSION: &str = "seg";

/// A segment's name: when it was begun and its number. The number alone
/// orders segments, for clocks go back.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub(crate) struct Name {
    pub start_ms: u64,
    pub seq: u64,
}

impl Name {
    pub fn path(self, dir: &Path) -> PathBuf {
        dir.join(format!("{self}.{EXTENSION}"))
    }
}

impl fmt::Display for Name {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:013}-{:08}", self.start_ms, self.seq)
    }
}

impl FromStr for Name {
    type Err = ();

    fn from_str(text: &str) -> Result<Self, ()> {
        let (start_ms, seq) = text.split_once('-').ok_or(())?;
        let digits = |text: &str| text.bytes().all(|byte| byte.is_ascii_digit());
        if !digits(start_ms) || !digits(seq) {
            return Err(());
        }
        Ok(Self {
            start_ms: start_ms.parse().map_err(|_| ())?,
            seq: seq.parse().map_err(|_| ())?,
        })
    }
}

/// A segment in the directory.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Listed {
    pub name: Name,
    pub bytes: u64,
}

/// The directory's segments, oldest first. Files of other names are not ours.
pub(crate) fn list(dir: &Path) -> io::Result<Vec<Listed>> {
    let mut segments = Vec::new();
    for entry in std::fs::read_dir(dir)? {
        let entry = entry?;
        let path = entry.path();
        if path
            .extension()
            .is_none_or(|extension| extension != EXTENSION)
        {
            continue;
        }
        let stem = path
            .file_stem()
            .and_then(|stem| stem.to_str())
            .unwrap_or_default();
        let Ok(name) = stem.parse() else { continue };
        match entry.metadata() {
            Ok(metadata) => segments.push(Listed {
                name,
                bytes: metadata.len(),
            }),
            // Retention may delete it while we look.
            Err(error) if error.kind() == io::ErrorKind::NotFound => {}
            Err(error) => return Err(error),
        }
    }
    segments.sort_unstable_by_key(|segment| segment.name.seq);
    Ok(segments)
}

/// What a segment says about itself in its first frame.
#[derive(Debug, Clone, PartialEq, Eq, Encode, Decode)]
#[cbor(map)]
pub(crate) struct Header {
    #[n(0)]
    pub format: u32,
    #[n(1)]
    pub seq: u64,
    #[n(2)]
    pub start_ms: u64,
    /// The node that its events are of.
    #[n(3)]
    pub node: String,
    /// Hash of the last audit event before this segment, so that the chain
    /// goes on without reading all older ones.
    #[cbor(n(4), with = "minicbor::bytes")]
    pub chain: [u8; 32],
}

impl Header {
    pub fn new(name: Name, node: &str, chain: Hash) -> Self {
        Self {
            format: FORMAT_VERSION,
            seq: name.seq,
            start_ms: name.start_ms,
            node: node.to_owned(),
            chain: *chain.as_bytes(),
        }
    }

    /// The header in the payload of a segment's first frame.
    pub fn read(payload: &[u8]) -> Option<Self> {
        minicbor::decode(payload).ok()
    }
}

/// The segment that is being written.
#[derive(Debug)]
pub(crate) struct Segment {
    file: File,
    pub name: Name,
    /// Where the next frame goes; all before it is whole.
    pub end: u64,
    /// How much of it is known to be on disk.
    pub synced: u64,
    /// Where the header ends and events begin.
    pub begin: u64,
    #[cfg(test)]
    faults: std::sync::Arc<Faults>,
}

impl Segment {
    /// Creates the file and writes its header.
    pub fn create(
        dir: &Path,
        name: Name,
        node: &str,
        chain: Hash,
        #[cfg(test)] faults: std::sync::Arc<Faults>,
    ) -> io::Result<Self> {
        let mut header = Vec::new();
        frame::append(&mut header, frame::SEGMENT_HEADER, |out| {
            minicbor::encode(Header::new(name, node, chain), out)
        })
        .ok_or_else(|| io::Error::other("the node's name is too long for a segment header"))?;
        #[cfg(test)]
        faults.before_write()?;
        let path = name.path(dir);
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create_new(true)
            .mode(0o600)
            .open(&path)?;
        if let Err(error) = file.write_all_at(&header, 0) {
            // The number is used again at the next attempt.
            std::fs::remove_file(&path)?;
            return Err(error);
        }
        let begin = header.len() as u64;
        Ok(Self {
            file,
            name,
            end: begin,
            synced: 0,
            begin,
            #[cfg(test)]
            faults,
        })
    }

    /// Appends whole frames, or nothing: what a failed write left behind is cut
    /// off, and overwritten by the next attempt if even that fails.
    pub fn append(&mut self, frames: &[u8]) -> io::Result<()> {
        #[cfg(test)]
        self.faults.before_write()?;
        if let Err(error) = self.file.write_all_at(frames, self.end) {
            // The write's own error is the one to tell.
            let _cut = self.file.set_len(self.end);
            return Err(error);
        }
        self.end += frames.len() as u64;
        Ok(())
    }

    /// Waits until all of it is on disk, with its name the first time.
    pub fn sync(&mut self, dir: &Path) -> io::Result<()> {
        if self.synced == self.end {
            return Ok(());
        }
        #[cfg(test)]
        self.faults.before_sync()?;
        self.file.sync_data()?;
        if self.synced == 0 {
            File::open(dir)?.sync_all()?;
        }
        self.synced = self.end;
        Ok(())
    }

    /// Bytes of events in it.
    pub const fn events_bytes(&self) -> u64 {
        self.end - self.begin
    }

    /// Reads part of it back.
    pub fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<()> {
        self.file.read_exact_at(buffer, offset)
    }

    /// Cuts off what is not known to be on disk.
    pub fn cut_to_synced(&mut self) -> io::Result<()> {
        self.file.set_len(self.synced)?;
        self.end = self.synced;
        Ok(())
    }
}

#[cfg(test)]
mod tests;
