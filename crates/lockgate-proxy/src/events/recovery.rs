//! What is done at a start before anything is written: the torn end that a
//! crash left is cut off, an empty segment is deleted, and the audit chain's
//! head is found.

use std::fs::OpenOptions;
use std::io;
use std::path::Path;

use super::chain::Hash;
use super::frame::SEGMENT_HEADER;
use super::scan::Scan;
use super::schema::Class;
use super::segment::{self, Header, Listed};
use super::watermark;

/// What was found.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(crate) struct Recovered {
    /// Hash of the newest audit event.
    pub chain: Hash,
    /// Bytes of a half-written frame cut off the last segment.
    pub torn_bytes: u64,
    /// Bytes that the watermark had promised and that are gone: the disk lied
    /// or somebody took them.
    pub lost_bytes: u64,
}

/// Mends the directory.
pub(crate) fn recover(dir: &Path) -> io::Result<Recovered> {
    let promised = watermark::read(dir)?;
    let mut recovered = Recovered::default();
    let mut newest = true;
    for listed in segment::list(dir)?.into_iter().rev() {
        let survey = survey(dir, listed)?;
        if newest {
            recovered.torn_bytes = listed.bytes.saturating_sub(survey.end);
            if let Some(promised) = promised.filter(|promised| promised.name == listed.name) {
                recovered.lost_bytes = promised.offset.saturating_sub(survey.end);
            }
            mend(dir, listed, &survey)?;
            newest = false;
        }
        if let Some(chain) = survey.chain {
            recovered.chain = chain;
            break;
        }
    }
    Ok(recovered)
}

struct Survey {
    /// Where the last good frame ends.
    end: u64,
    /// Whether it holds any event.
    events: bool,
    /// The chain's head at its end, unless even its header is gone.
    chain: Option<Hash>,
}

fn survey(dir: &Path, listed: Listed) -> io::Result<Survey> {
    let mut scan = Scan::open(&listed.name.path(dir), 0)?;
    let mut survey = Survey {
        end: 0,
        events: false,
        chain: None,
    };
    while let Some(found) = scan.next()? {
        survey.end = found.end();
        if found.frame.class_code() == SEGMENT_HEADER {
            let header = Header::read(found.frame.payload());
            survey.chain = header.map(|header| Hash::from_bytes(header.chain));
            continue;
        }
        survey.events = true;
        if found.frame.class() == Some(Class::Audit) {
            survey.chain = Some(Hash::of_payload(found.frame.payload()));
        }
    }
    Ok(survey)
}

/// The next segment's watermark will promise this one too, so it is synced.
fn mend(dir: &Path, listed: Listed, survey: &Survey) -> io::Result<()> {
    let path = listed.name.path(dir);
    if !survey.events {
        return std::fs::remove_file(path);
    }
    let file = OpenOptions::new().write(true).open(path)?;
    if survey.end < listed.bytes {
        file.set_len(survey.end)?;
    }
    file.sync_all()
}

#[cfg(test)]
mod tests;
