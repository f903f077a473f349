//! Backslash escapes, as JavaScript and as C have them.

use super::scan::{pair, rewrite, seek};

/// What one letter after a backslash means, in both.
const fn letter(byte: u8) -> Option<u8> {
    Some(match byte {
        b'a' => 0x07,
        b'b' => 0x08,
        b'f' => 0x0c,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'v' => 0x0b,
        _ => return None,
    })
}

/// The value and the number of up to three octal digits.
fn octal(digits: &[u8]) -> (u16, usize) {
    let mut value = 0;
    let mut len = 0;
    for byte in digits.iter().take(3) {
        let digit @ 0..=7 = byte.wrapping_sub(b'0') else {
            break;
        };
        value = value << 3 | u16::from(digit);
        len += 1;
    }
    (value, len)
}

/// `jsDecode`: `\uHHHH` (its low byte; full-width forms are the ASCII ones),
/// `\xHH`, `\OOO` of one byte, letters; any other byte stands for itself. A
/// backslash at the end stays.
pub(super) fn decode_js(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(
        input,
        out,
        |input| seek(b'\\', input),
        |rest, out| {
            match rest {
                [_, b'u', a, b, c, d, ..] => {
                    if let (Some(high), Some(low)) = (pair(*a, *b), pair(*c, *d)) {
                        out.push(full_width(high, low));
                        return (6, true);
                    }
                }
                [_, b'x', high, low, ..] => {
                    if let Some(byte) = pair(*high, *low) {
                        out.push(byte);
                        return (4, true);
                    }
                }
                [_, digits @ ..] => {
                    let (mut value, mut len) = octal(digits);
                    if len > 0 {
                        // Three digits only where they are one byte.
                        if value > 0xff {
                            (value, len) = (value >> 3, 2);
                        }
                        out.push(value as u8);
                        return (len + 1, true);
                    }
                }
                [] => {}
            }
            match rest {
                [_, byte, ..] => {
                    out.push(letter(*byte).unwrap_or(*byte));
                    (2, true)
                }
                _ => {
                    out.push(b'\\');
                    (1, false)
                }
            }
        },
    )
}

/// The low byte of a character; 0x20 more for the full-width forms of ASCII
/// (U+FF01 to U+FF5E).
pub(super) const fn full_width(high: u8, low: u8) -> u8 {
    if high == 0xff && low > 0 && low < 0x5f {
        low + 0x20
    } else {
        low
    }
}

/// `escapeSeqDecode`: `\xHH`, `\OOO`, letters; any other byte stands for itself.
/// A backslash at the end stays.
pub(super) fn decode_c(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(
        input,
        out,
        |input| seek(b'\\', input),
        |rest, out| {
            if let [_, b'x' | b'X', high, low, ..] = rest {
                if let Some(byte) = pair(*high, *low) {
                    out.push(byte);
                    return (4, true);
                }
            }
            let [_, digits @ ..] = rest else {
                return (1, false);
            };
            let Some(byte) = digits.first() else {
                out.push(b'\\');
                return (1, false);
            };
            let (value, len) = octal(digits);
            if len > 0 {
                // Of more than a byte, its low byte: so C assigns it.
                out.push((value & 0xff) as u8);
                return (len + 1, true);
            }
            out.push(letter(*byte).unwrap_or(*byte));
            (2, true)
        },
    )
}
