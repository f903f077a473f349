//! The gate's own log of facts: frames of length, CRC-32 and JSON. A torn tail
//! is cut off at the next start; the control process sends it again.

use std::fs::{File, OpenOptions};
use std::io::{self, BufReader, Read, Seek, SeekFrom, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::Path;
use std::time::{SystemTime, UNIX_EPOCH};

/// Longest fact, bytes: an owner and some APIs fit many times over.
const MAX_FACT: usize = 64 * 1024;

/// The log, open for appending.
#[derive(Debug)]
pub struct Log {
    file: File,
    /// Bytes at the end that were no whole facts, and were cut off.
    pub torn: u64,
    /// When the log was last written or touched, milliseconds since the epoch;
    /// 0 for a new one.
    pub touched_ms: u64,
}

impl Log {
    /// Opens `path`, making it where there is none, and hands each whole fact to `each`.
    pub fn open(path: &Path, mut each: impl FnMut(&[u8])) -> io::Result<Self> {
        let mut file = OpenOptions::new()
            .read(true)
            .append(true)
            .create(true)
            .mode(0o600)
            .open(path)?;
        let mut good = 0;
        let mut reader = BufReader::with_capacity(1 << 20, &file);
        let mut fact = Vec::new();
        while let Some(length) = next(&mut reader, &mut fact)? {
            each(&fact);
            good += length;
        }
        let before = file.metadata()?;
        let touched = before.modified()?.duration_since(UNIX_EPOCH);
        let touched_ms = match touched {
            Ok(since) if before.len() > 0 => u64::try_from(since.as_millis()).unwrap_or(0),
            _ => 0,
        };
        let torn = before.len().saturating_sub(good);
        file.set_len(good)?;
        file.seek(SeekFrom::End(0))?;
        Ok(Self {
            file,
            torn,
            touched_ms,
        })
    }

    /// Notes on the file that its facts are as of now.
    pub fn touch(&self) -> io::Result<()> {
        self.file.set_modified(SystemTime::now())
    }

    /// Waits until what was written is on disk.
    pub fn sync(&self) -> io::Result<()> {
        self.file.sync_data()
    }

    /// Writes one fact in one call, so that a crash tears the tail at most.
    pub fn append(&mut self, fact: &[u8]) -> io::Result<()> {
        if fact.len() > MAX_FACT {
            return Err(io::Error::new(
                io::ErrorKind::InvalidInput,
                "a fact is at most 64 KiB long",
            ));
        }
        let mut frame = Vec::with_capacity(fact.len() + 8);
        frame.extend_from_slice(&(fact.len() as u32).to_le_bytes());
        frame.extend_from_slice(&crc32fast::hash(fact).to_le_bytes());
        frame.extend_from_slice(fact);
        self.file.write_all(&frame)
    }
}

/// Reads the next whole fact; `None` at the end or where the log is torn.
fn next(reader: &mut impl Read, fact: &mut Vec<u8>) -> io::Result<Option<u64>> {
    let mut head = [0; 8];
    if !filled(reader, &mut head)? {
        return Ok(None);
    }
    let [a, b, c, d, rest @ ..] = head;
    let length = u32::from_le_bytes([a, b, c, d]) as usize;
    if length > MAX_FACT {
        return Ok(None);
    }
    fact.resize(length, 0);
    let whole = filled(reader, fact)? && crc32fast::hash(fact) == u32::from_le_bytes(rest);
    Ok(whole.then_some(8 + length as u64))
}

fn filled(reader: &mut impl Read, buffer: &mut [u8]) -> io::Result<bool> {
    match reader.read_exact(buffer) {
        Ok(()) => Ok(true),
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => Ok(false),
        Err(error) => Err(error),
    }
}
