//! What stands behind a percent sign or a backslash.

use crate::target::triplet;

/// `%XX`; where there is one, `+` is a space.
pub(super) fn url(value: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut left = value;
    while let Some(at) = memchr::memchr(b'%', left) {
        let (plain, rest) = left.split_at(at);
        out.extend_from_slice(plain);
        match triplet(rest) {
            Some(byte) => {
                out.push(byte);
                changed = true;
                left = rest.get(3..).unwrap_or_default();
            }
            None => {
                out.push(b'%');
                left = rest.get(1..).unwrap_or_default();
            }
        }
        if !changed && left.len() < 3 {
            break;
        }
    }
    if !changed {
        return false;
    }
    out.extend_from_slice(left);
    if memchr::memchr(b'+', value).is_some() {
        // Those that were written as %2B become spaces too: which reader is next, nobody knows.
        for byte in out.iter_mut().filter(|byte| **byte == b'+') {
            *byte = b' ';
        }
    }
    true
}

/// `%uXXXX`, as old servers of Microsoft's read it.
pub(super) fn percent_u(value: &[u8], out: &mut Vec<u8>) -> bool {
    replaced(value, b'%', out, |rest| match rest {
        [b'u' | b'U', digits @ ..] => Some((hex(digits.get(..4)?)?, 6)),
        _ => None,
    })
}

/// Escapes of JavaScript, JSON, and shells that print.
pub(super) fn backslashes(value: &[u8], out: &mut Vec<u8>) -> bool {
    replaced(value, b'\\', out, |rest| match rest {
        [b'u', b'{', inside @ ..] => {
            let end = memchr::memchr(b'}', inside.get(..inside.len().min(9))?)?;
            Some((hex(inside.get(..end)?)?, end + 4))
        }
        [b'u', digits @ ..] => {
            let high = hex(digits.get(..4)?)?;
            let low = match (high, digits.get(4..10)) {
                (0xd800..=0xdbff, Some([b'\\', b'u', low @ ..])) => hex(low),
                _ => None,
            };
            match low {
                Some(low @ 0xdc00..=0xdfff) => {
                    Some((0x1_0000 + ((high - 0xd800) << 10) + (low - 0xdc00), 12))
                }
                _ => Some((high, 6)),
            }
        }
        [b'x', digits @ ..] => Some((hex(digits.get(..2)?)?, 4)),
        // Python reads these in cookies.
        [high @ b'0'..=b'3', middle @ b'0'..=b'7', low @ b'0'..=b'7', ..] => {
            let digit = |digit: &u8| u32::from(digit & 7);
            Some((digit(high) << 6 | digit(middle) << 3 | digit(low), 4))
        }
        [b'n', ..] => Some((10, 2)),
        [b'r', ..] => Some((13, 2)),
        [b't', ..] => Some((9, 2)),
        [quote @ (b'"' | b'\'' | b'/' | b'\\'), ..] => Some((u32::from(*quote), 2)),
        _ => None,
    })
}

/// Writes `value` with what `read` makes of that which stands behind each
/// `mark`: a character, and how many bytes it takes, the mark's included.
pub(super) fn replaced(
    value: &[u8],
    mark: u8,
    out: &mut Vec<u8>,
    read: impl Fn(&[u8]) -> Option<(u32, usize)>,
) -> bool {
    let mut changed = false;
    let mut left = value;
    out.reserve(value.len());
    while let Some(at) = memchr::memchr(mark, left) {
        let (plain, rest) = left.split_at(at);
        out.extend_from_slice(plain);
        let behind = rest.get(1..).unwrap_or_default();
        let found = read(behind)
            .and_then(|(code, length)| Some((char::from_u32(code)?, rest.get(length..)?)));
        match found {
            Some((character, behind)) => {
                match u8::try_from(character).ok().filter(u8::is_ascii) {
                    Some(byte) => out.push(byte),
                    None => out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes()),
                }
                changed = true;
                left = behind;
            }
            None => {
                out.push(mark);
                left = behind;
            }
        }
    }
    out.extend_from_slice(left);
    changed
}

fn hex(digits: &[u8]) -> Option<u32> {
    if digits.is_empty() {
        return None;
    }
    digits.iter().try_fold(0, |number, digit| {
        Some(number << 4 | char::from(*digit).to_digit(16)?)
    })
}
