//! Base64 (RFC 4648), read as attackers would have it read.

/// The value of each byte; above 63 where it has none.
type Values = [u8; 256];

/// No value.
const NONE: u8 = 64;

/// The standard alphabet.
const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

const STANDARD: Values = values();
/// With the letters of the alphabet for addresses too.
const FORGIVING: Values = {
    let mut values = values();
    values[b'-' as usize] = 62;
    values[b'_' as usize] = 63;
    values
};

const fn values() -> Values {
    let mut values = [NONE; 256];
    let mut at = 0;
    while at < 64 {
        values[ALPHABET[at] as usize] = at as u8;
        at += 1;
    }
    values
}

/// What was read and is not yet a byte.
#[derive(Default)]
struct Bits {
    value: u32,
    letters: u32,
}

impl Bits {
    /// Takes one letter's value, and writes a byte as soon as there is one.
    fn take(&mut self, value: u8, out: &mut Vec<u8>) {
        self.value = self.value << 6 | u32::from(value);
        self.letters = (self.letters + 1) % 4;
        match self.letters {
            2 => out.push((self.value >> 4) as u8),
            3 => out.push((self.value >> 2) as u8),
            0 => out.push(self.value as u8),
            _ => {}
        }
    }
}

/// Writes whole groups of four letters, as long as there are any; says how many
/// bytes of `input` they were.
fn groups(input: &[u8], values: &Values, out: &mut Vec<u8>) -> usize {
    let mut read = 0;
    for group in input.chunks_exact(4) {
        let [a, b, c, d] = group else { break };
        let [a, b, c, d] = [a, b, c, d].map(|byte| values[usize::from(*byte)]);
        if (a | b | c | d) & NONE != 0 {
            break;
        }
        out.extend_from_slice(&[a << 2 | b >> 4, b << 4 | c >> 2, c << 6 | d]);
        read += 4;
    }
    read
}

/// `base64Decode`: what comes before the first byte that does not belong there;
/// ends of lines may stand between. Two or three letters at the end are one or
/// two bytes.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(input.len() / 4 * 3 + 3);
    let mut bits = Bits::default();
    let mut rest = input;
    loop {
        if bits.letters == 0 {
            let read = groups(rest, &STANDARD, out);
            rest = rest.get(read..).unwrap_or_default();
        }
        let [byte, after @ ..] = rest else { break };
        match STANDARD[usize::from(*byte)] {
            NONE if matches!(byte, b'\r' | b'\n') => {}
            NONE => break,
            value => bits.take(value, out),
        }
        rest = after;
    }
    out.get(start..) != Some(input)
}

/// `base64DecodeExt`: all that does not belong there is passed over; the letters
/// of both alphabets count. Where a single letter stands before the filling,
/// nothing comes out.
pub(super) fn decode_forgiving(input: &[u8], out: &mut Vec<u8>) -> bool {
    let start = out.len();
    out.reserve(input.len() / 4 * 3 + 3);
    let mut bits = Bits::default();
    let mut rest = input;
    loop {
        if bits.letters == 0 {
            let read = groups(rest, &FORGIVING, out);
            rest = rest.get(read..).unwrap_or_default();
        }
        let [byte, after @ ..] = rest else { break };
        match FORGIVING[usize::from(*byte)] {
            NONE if *byte == b'=' && after.first() != Some(&b'=') && bits.letters == 1 => {
                out.truncate(start);
                break;
            }
            NONE => {}
            value => bits.take(value, out),
        }
        rest = after;
    }
    out.get(start..) != Some(input)
}

/// `base64Encode`, with filling.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.reserve(input.len().div_ceil(3) * 4);
    let letter = |value: u32| ALPHABET[(value & 63) as usize];
    for group in input.chunks(3) {
        let byte = |at: usize| u32::from(group.get(at).copied().unwrap_or(0));
        let value = byte(0) << 16 | byte(1) << 8 | byte(2);
        let mut four = [
            letter(value >> 18),
            letter(value >> 12),
            letter(value >> 6),
            letter(value),
        ];
        if let Some(filling) = four.get_mut(group.len() + 1..) {
            filling.fill(b'=');
        }
        out.extend_from_slice(&four);
    }
    !input.is_empty()
}
