//! The durability watermark: a place in the log below which everything
//! survives a crash, of the process and of the machine.
//!
//! It is published after the fdatasync that made it true, by one small write
//! into one of two slots in turn, each in a disk sector of its own, each with a
//! counter and a checksum. Whoever reads takes the newest slot that is whole.
//! The file itself need not be synced: after a power loss an older slot says
//! less than is true, never more.

use std::fs::{File, OpenOptions};
use std::io;
use std::os::unix::fs::{FileExt, OpenOptionsExt};
use std::path::Path;

use super::cursor::Cursor;
use super::segment::Name;

const FILE: &str = "watermark";
const MAGIC: &[u8; 4] = b"LGW1";
const RECORD_BYTES: usize = 40;
const SLOT_BYTES: u64 = 512;

/// The writer's hold on the file.
#[derive(Debug)]
pub(crate) struct Watermark {
    file: File,
    count: u64,
}

impl Watermark {
    pub fn open(dir: &Path) -> io::Result<Self> {
        let file = OpenOptions::new()
            .read(true)
            .write(true)
            .create(true)
            .truncate(false)
            .mode(0o600)
            .open(dir.join(FILE))?;
        let count = newest(&file)?.map_or(0, |record| record.count);
        Ok(Self { file, count })
    }

    /// Says that everything below `offset` of the segment is on disk.
    pub fn publish(&mut self, name: Name, offset: u64) -> io::Result<()> {
        let count = self.count + 1;
        let record = Record {
            count,
            name,
            offset,
        };
        self.file
            .write_all_at(&record.to_bytes(), (count % 2) * SLOT_BYTES)?;
        self.count = count;
        Ok(())
    }
}

/// The directory's watermark, if it has one.
pub(crate) fn read(dir: &Path) -> io::Result<Option<Cursor>> {
    let file = match File::open(dir.join(FILE)) {
        Ok(file) => file,
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(None),
        Err(error) => return Err(error),
    };
    Ok(newest(&file)?.map(|record| Cursor {
        name: record.name,
        offset: record.offset,
    }))
}

fn newest(file: &File) -> io::Result<Option<Record>> {
    let mut newest: Option<Record> = None;
    for slot in 0..2 {
        let mut bytes = [0; RECORD_BYTES];
        match file.read_exact_at(&mut bytes, slot * SLOT_BYTES) {
            Ok(()) => {}
            Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => continue,
            Err(error) => return Err(error),
        }
        if let Some(record) = Record::from_bytes(&bytes) {
            if newest
                .as_ref()
                .is_none_or(|newest| record.count > newest.count)
            {
                newest = Some(record);
            }
        }
    }
    Ok(newest)
}

#[derive(Debug, PartialEq, Eq)]
struct Record {
    count: u64,
    name: Name,
    offset: u64,
}

impl Record {
    fn to_bytes(&self) -> [u8; RECORD_BYTES] {
        let mut bytes = [0; RECORD_BYTES];
        bytes[..4].copy_from_slice(MAGIC);
        let fields = [self.count, self.name.start_ms, self.name.seq, self.offset];
        for (to, field) in bytes[8..].chunks_exact_mut(8).zip(fields) {
            to.copy_from_slice(&field.to_le_bytes());
        }
        let crc = crc32fast::hash(&bytes[8..]);
        bytes[4..8].copy_from_slice(&crc.to_le_bytes());
        bytes
    }

    fn from_bytes(bytes: &[u8; RECORD_BYTES]) -> Option<Self> {
        let crc = crc32fast::hash(&bytes[8..]).to_le_bytes();
        if &bytes[..4] != MAGIC || bytes[4..8] != crc {
            return None;
        }
        let mut fields = [0; 4];
        for (field, from) in fields.iter_mut().zip(bytes[8..].chunks_exact(8)) {
            *field = u64::from_le_bytes(from.try_into().ok()?);
        }
        let [count, start_ms, seq, offset] = fields;
        Some(Self {
            count,
            name: Name { start_ms, seq },
            offset,
        })
    }
}

#[cfg(test)]
mod tests;
