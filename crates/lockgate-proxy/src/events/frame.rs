//! The frame around each event on disk.
//!
//! ```text
//! crc32 u32 LE │ 0xE7 │ class u8 │ length u16 LE │ payload
//! ```
//!
//! The checksum covers all that follows it. The class stands outside the
//! payload, so a filter skips whole events unread. `0xE7` before a class byte
//! is not valid UTF-8: nothing that a stranger can put into a payload's texts
//! looks like a frame when a reader searches for the next good one after
//! damage.

use super::schema::Class;

/// Bytes before the payload.
pub const HEADER_BYTES: usize = 8;

/// Largest payload. Records of requests end far below it by their own field
/// limits; an audit or system event that would be larger is refused.
pub const PAYLOAD_MAX: usize = u16::MAX as usize - HEADER_BYTES;

/// Class byte of the frame that opens each segment.
pub(crate) const SEGMENT_HEADER: u8 = 0;

const MAGIC: u8 = 0xE7;

/// Class bytes are below this, where no UTF-8 sequence goes on.
const CLASS_END: u8 = 0x80;

/// Writes a frame into `out` whose payload `fill` appends; returns the frame's
/// size. If `fill` fails or the payload is too large, `out` is as before.
pub(crate) fn append<E>(
    out: &mut Vec<u8>,
    class: u8,
    fill: impl FnOnce(&mut Vec<u8>) -> Result<(), E>,
) -> Option<usize> {
    let start = out.len();
    out.extend_from_slice(&[0, 0, 0, 0, MAGIC, class, 0, 0]);
    let filled = fill(out).is_ok();
    let length = out.len() - start - HEADER_BYTES;
    match u16::try_from(length) {
        Ok(short) if filled && length <= PAYLOAD_MAX => {
            out[start + 6..start + 8].copy_from_slice(&short.to_le_bytes());
            let crc = crc32fast::hash(&out[start + 4..]);
            out[start..start + 4].copy_from_slice(&crc.to_le_bytes());
            Some(HEADER_BYTES + length)
        }
        _ => {
            out.truncate(start);
            None
        }
    }
}

/// A good frame.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Frame<'a>(&'a [u8]);

impl<'a> Frame<'a> {
    /// The frame that is all of `bytes`, for which [`parse`] has said
    /// [`Parsed::Good`].
    pub const fn of(bytes: &'a [u8]) -> Self {
        Self(bytes)
    }

    /// The class byte; unknown ones are a later version's.
    pub const fn class_code(&self) -> u8 {
        self.0[5]
    }

    /// The class, if this version knows it.
    pub const fn class(&self) -> Option<Class> {
        Class::from_code(self.class_code())
    }

    /// The event's bytes.
    pub fn payload(&self) -> &'a [u8] {
        &self.0[HEADER_BYTES..]
    }

    /// The whole frame.
    pub const fn bytes(&self) -> &'a [u8] {
        self.0
    }

    /// Bytes of the frame on disk.
    pub const fn size(&self) -> usize {
        self.0.len()
    }
}

/// What stands at the beginning of some bytes.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Parsed {
    /// A good frame of so many bytes.
    Good(usize),
    /// The beginning of what may become a frame when more bytes arrive.
    Short,
    /// No frame.
    Bad,
}

/// Reads the frame at the beginning of `bytes`.
pub(crate) fn parse(bytes: &[u8]) -> Parsed {
    let Some(header) = bytes.first_chunk::<HEADER_BYTES>() else {
        return Parsed::Short;
    };
    let [c0, c1, c2, c3, magic, class, l0, l1] = *header;
    let size = HEADER_BYTES + usize::from(u16::from_le_bytes([l0, l1]));
    if magic != MAGIC || class >= CLASS_END || size > HEADER_BYTES + PAYLOAD_MAX {
        return Parsed::Bad;
    }
    let Some(covered) = bytes.get(4..size) else {
        return Parsed::Short;
    };
    if crc32fast::hash(covered) != u32::from_le_bytes([c0, c1, c2, c3]) {
        return Parsed::Bad;
    }
    Parsed::Good(size)
}

/// After damage: how many bytes to skip until something that may be a frame
/// begins, at least one. Without a candidate the last bytes stay, for they may
/// be the checksum of a frame whose rest is not in `bytes`.
pub(crate) fn skip_to_candidate(bytes: &[u8]) -> usize {
    bytes
        .iter()
        .enumerate()
        .skip(5)
        .find(|(_, byte)| **byte == MAGIC)
        .map_or_else(|| bytes.len().saturating_sub(4).max(1), |(at, _)| at - 4)
}

#[cfg(test)]
mod tests;
