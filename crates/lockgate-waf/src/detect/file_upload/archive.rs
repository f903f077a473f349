//! Archives: how far they unfold, and whereto.

use super::kind::Claim;
use super::Found;
use crate::rule::Severity;

/// Times its size that an archive may unfold to. Deflate does at most 1,032.
const RATIO: u64 = 200;
/// Bytes below which an archive may unfold as it likes.
const SMALL: u64 = 100 << 20;
/// Entries of a directory that are read.
const ENTRIES: usize = 10_000;
/// Bytes at the end among which an archive's directory is announced: a comment may
/// follow it, of 65,535 bytes at most.
const TAIL: usize = 65_535 + 22;

/// Reads a zip by its directory, or entry by entry where the end is not there.
pub(super) fn zip(bytes: &[u8], claim: Claim) -> Option<Found> {
    let mut all = Totals::default();
    let found = match directory(bytes) {
        Some(at) => walk(bytes, at, &mut all, claim),
        None => stream(bytes, &mut all, claim),
    };
    let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    // Entries that share their bytes are packed to more than the whole.
    let overlaps = all.packed > size && directory(bytes).is_some();
    if all.unpacked > SMALL && (all.unpacked / all.packed.max(1) > RATIO || overlaps) {
        return Some((
            Severity::Critical,
            "is an archive that unfolds without measure",
        ));
    }
    found
}

#[derive(Default)]
struct Totals {
    packed: u64,
    unpacked: u64,
}

fn u16_at(bytes: &[u8], at: usize) -> Option<u64> {
    let [low, high] = bytes.get(at..at.checked_add(2)?)?.try_into().ok()?;
    Some(u64::from(u16::from_le_bytes([low, high])))
}

fn u32_at(bytes: &[u8], at: usize) -> Option<u64> {
    let four: [u8; 4] = bytes.get(at..at.checked_add(4)?)?.try_into().ok()?;
    Some(u64::from(u32::from_le_bytes(four)))
}

/// Where the record that announces the directory stands.
fn announced(bytes: &[u8]) -> Option<usize> {
    let from = bytes.len().saturating_sub(TAIL);
    let tail = bytes.get(from..)?;
    memchr::memmem::rfind(tail, b"PK\x05\x06").map(|at| from + at)
}

/// Where the directory begins, if it is there.
fn directory(bytes: &[u8]) -> Option<usize> {
    let end = announced(bytes)?;
    // What stands before an archive moves its offsets: the size is what counts.
    let size = usize::try_from(u32_at(bytes, end + 12)?).ok()?;
    let at = end.checked_sub(size)?;
    (bytes.get(at..at + 4) == Some(b"PK\x01\x02")).then_some(at)
}

/// Whether a file ends as a zip does, with a directory.
pub(super) fn ends_as_zip(bytes: &[u8]) -> bool {
    directory(bytes).is_some()
}

/// Reads a directory.
fn walk(bytes: &[u8], mut at: usize, all: &mut Totals, claim: Claim) -> Option<Found> {
    let mut found = None;
    for _ in 0..ENTRIES {
        if bytes.get(at..at + 4) != Some(b"PK\x01\x02") {
            break;
        }
        let lengths = (
            u16_at(bytes, at + 28),
            u16_at(bytes, at + 30),
            u16_at(bytes, at + 32),
        );
        let (Some(name), Some(extra), Some(comment)) = lengths else {
            break;
        };
        all.packed = all
            .packed
            .saturating_add(u32_at(bytes, at + 20).unwrap_or(0));
        all.unpacked = all
            .unpacked
            .saturating_add(u32_at(bytes, at + 24).unwrap_or(0));
        let length = usize::try_from(name).unwrap_or(0);
        let name = bytes.get(at + 46..at + 46 + length).unwrap_or_default();
        // The upper half of the attributes is the mode, for systems that have one.
        let link = u16_at(bytes, at + 40).is_some_and(|mode| mode & 0xF000 == 0xA000);
        found = super::worse(found, entry(name, link, claim));
        at = at
            .saturating_add(46 + length)
            .saturating_add(usize::try_from(extra + comment).unwrap_or(0));
    }
    found
}

/// Reads the entries of which the directory is not there.
fn stream(bytes: &[u8], all: &mut Totals, claim: Claim) -> Option<Found> {
    let mut found = None;
    let mut at = 0;
    for _ in 0..ENTRIES {
        if bytes.get(at..at + 4) != Some(b"PK\x03\x04") {
            break;
        }
        let (Some(name), Some(extra)) = (u16_at(bytes, at + 26), u16_at(bytes, at + 28)) else {
            break;
        };
        let packed = u32_at(bytes, at + 18).unwrap_or(0);
        all.packed = all.packed.saturating_add(packed);
        all.unpacked = all
            .unpacked
            .saturating_add(u32_at(bytes, at + 22).unwrap_or(0));
        let length = usize::try_from(name).unwrap_or(0);
        let name = bytes.get(at + 30..at + 30 + length).unwrap_or_default();
        found = super::worse(found, entry(name, false, claim));
        // Sizes may stand behind an entry only; what follows is not found then.
        if packed == 0 && u16_at(bytes, at + 6).is_some_and(|flags| flags & 8 != 0) {
            break;
        }
        at = at.saturating_add(30 + length).saturating_add(
            usize::try_from(extra.saturating_add(packed)).unwrap_or(usize::MAX >> 1),
        );
    }
    found
}

/// Judges an entry by its name.
fn entry(name: &[u8], link: bool, claim: Claim) -> Option<Found> {
    let climbs = name
        .split(|byte| matches!(byte, b'/' | b'\\'))
        .any(|part| part == b"..");
    let rooted = matches!(name, [b'/' | b'\\', ..] | [b'A'..=b'Z' | b'a'..=b'z', b':', ..]);
    if climbs || rooted {
        return Some((
            Severity::Critical,
            "is an archive that unfolds out of its folder",
        ));
    }
    if link {
        return Some((Severity::Warning, "is an archive with a link inside"));
    }
    if name.ends_with(b"vbaProject.bin") {
        return Some(if claim == Claim::Document {
            (
                Severity::Critical,
                "is a document with macros under a name that has none",
            )
        } else {
            (Severity::Warning, "is a document with macros")
        });
    }
    None
}

/// A gzip says how long it was, in its last four bytes.
pub(super) fn gzip(bytes: &[u8]) -> Option<Found> {
    let unpacked = u32_at(bytes, bytes.len().checked_sub(4)?)?;
    let packed = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
    (unpacked > SMALL && unpacked / packed.max(1) > RATIO && unpacked / packed.max(1) <= 1_100)
        .then_some((
            Severity::Critical,
            "is an archive that unfolds without measure",
        ))
}
