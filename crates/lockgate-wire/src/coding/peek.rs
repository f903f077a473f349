//! How what is packed begins, for those who look for what it is.

use flate2::{Decompress, FlushDecompress};

/// Unpacks the beginning of a gzip or zlib stream that says so itself, as far as there is room. Of a stream that is
/// broken further on, what stood before that. Tells how many bytes were written, if any.
pub fn peek(packed: &[u8], room: &mut [u8]) -> Option<usize> {
    let mut decoder = match packed {
        [0x1f, 0x8b, 8, _, ..] => Decompress::new_gzip(15),
        // RFC 1950: deflate, a window of 32 KiB as everybody has it, no dictionary, and what makes both bytes a multiple.
        [0x78, 0x01 | 0x5e | 0x9c | 0xda, _, _, ..] => Decompress::new(true),
        _ => return None,
    };
    // A fault behind what was written takes nothing of it away.
    let _ = decoder.decompress(packed, room, FlushDecompress::Sync);
    let written = usize::try_from(decoder.total_out()).unwrap_or(0);
    (written > 0).then_some(written.min(room.len()))
}
