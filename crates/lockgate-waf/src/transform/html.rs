//! `htmlEntityDecode`: the entities that ModSecurity knows. Rules look for the
//! others by their names.

use super::scan::{digit, rewrite, seek};

/// Names are compared without case, and whole.
const NAMED: [(&[u8], u8); 5] = [
    (b"quot", b'"'),
    (b"amp", b'&'),
    (b"lt", b'<'),
    (b"gt", b'>'),
    (b"nbsp", 0xa0),
];

/// `htmlEntityDecode`. The semicolon may be missing; of a number's character
/// the low byte is taken.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(
        input,
        out,
        |input| seek(b'&', input),
        |rest, out| match entity(rest) {
            Some((byte, read)) => {
                out.push(byte);
                let semicolon = rest.get(read) == Some(&b';');
                (read + usize::from(semicolon), true)
            }
            None => {
                out.push(b'&');
                (1, false)
            }
        },
    )
}

/// The byte, and how long the entity is without its semicolon.
fn entity(rest: &[u8]) -> Option<(u8, usize)> {
    match rest {
        [_, b'#', b'x' | b'X', digits @ ..] => number(digits, 16).map(|(byte, n)| (byte, n + 3)),
        [_, b'#', digits @ ..] => number(digits, 10).map(|(byte, n)| (byte, n + 2)),
        [_, name @ ..] => {
            // One more than the longest name, so that a longer one is not taken for it.
            let len = name
                .iter()
                .take(5)
                .take_while(|byte| byte.is_ascii_alphanumeric())
                .count();
            let name = name.get(..len)?;
            NAMED
                .iter()
                .find(|(known, _)| known.eq_ignore_ascii_case(name))
                .map(|(_, byte)| (*byte, len + 1))
        }
        [] => None,
    }
}

/// The low byte of a number, and how many digits it has; what does not fit in 63
/// bits is the greatest that does, as C reads numbers.
fn number(digits: &[u8], base: i64) -> Option<(u8, usize)> {
    let mut value = 0_i64;
    let mut len = 0;
    for byte in digits {
        let Some(digit) = digit(*byte).map(i64::from).filter(|digit| *digit < base) else {
            break;
        };
        value = value.saturating_mul(base).saturating_add(digit);
        len += 1;
    }
    (len > 0).then_some(((value & 0xff) as u8, len))
}
