//! Base64 in the standard alphabet with padding (RFC 4648, 4), for the few
//! short things on the wire that are written so.

#[cfg(test)]
mod tests;

const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
/// Stands in [`VALUES`] for what is not of the alphabet.
const NONE: u8 = 0xff;
const VALUES: [u8; 256] = values();

const fn values() -> [u8; 256] {
    let mut table = [NONE; 256];
    let mut value = 0;
    while value < 64 {
        table[ALPHABET[value] as usize] = value as u8;
        value += 1;
    }
    table
}

/// Appends the text for `bytes`, with padding.
pub(crate) fn encode(bytes: &[u8], out: &mut Vec<u8>) {
    out.reserve(bytes.len().div_ceil(3) * 4);
    let (triples, rest) = bytes.as_chunks::<3>();
    for triple in triples {
        out.extend_from_slice(&quad(*triple));
    }
    match *rest {
        [a] => {
            let [x, y, ..] = quad([a, 0, 0]);
            out.extend_from_slice(&[x, y, b'=', b'=']);
        }
        [a, b] => {
            let [x, y, z, _] = quad([a, b, 0]);
            out.extend_from_slice(&[x, y, z, b'=']);
        }
        _ => {}
    }
}

/// The bytes of four characters, and how many they are: fewer than three
/// where padding stands. `None` if they are not base64, or if bits are set
/// that no byte holds, so that each text has one meaning (RFC 4648, 3.5).
pub(crate) fn decode(quad: [u8; 4]) -> Option<([u8; 3], usize)> {
    let [a, b, c, d] = quad.map(|byte| VALUES[usize::from(byte)]);
    let (c, d, count) = match (&quad, c, d) {
        ([_, _, b'=', b'='], _, _) => (0, 0, 1),
        ([_, _, _, b'='], c, _) => (c, 0, 2),
        (_, c, d) => (c, d, 3),
    };
    // Values below 64 have neither of the two highest bits.
    if (a | b | c | d) & 0xc0 != 0 {
        return None;
    }
    let bytes = [a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d];
    let clean = bytes[count..].iter().all(|byte| *byte == 0);
    clean.then_some((bytes, count))
}

fn quad([a, b, c]: [u8; 3]) -> [u8; 4] {
    [a >> 2, a << 4 | b >> 4, b << 2 | c >> 6, c].map(|value| ALPHABET[usize::from(value & 63)])
}
