//! CRC32c (RFC 4960, appendix B), a byte at a time: headers are short.

const TABLE: [u32; 256] = table();

const fn table() -> [u32; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let mut value = at as u32;
        let mut bit = 0;
        while bit < 8 {
            value = (value >> 1) ^ (0x82f6_3b78 * (value & 1));
            bit += 1;
        }
        table[at] = value;
        at += 1;
    }
    table
}

/// The checksum of all pieces together.
pub(super) fn checksum(pieces: &[&[u8]]) -> u32 {
    let bytes = pieces.iter().copied().flatten();
    !bytes.fold(!0, |sum: u32, byte| {
        // The lowest byte chooses the row, so the cast drops what is shifted out.
        (sum >> 8) ^ TABLE[usize::from(sum as u8 ^ byte)]
    })
}
