//! Hexadecimal digits.

use super::scan::{digit_of, pair, rewrite};

/// What ModSecurity takes any byte for as a digit: it does not look whether it is one.
const fn loose(byte: u8) -> u8 {
    if byte >= b'A' {
        (byte & 0xdf).wrapping_sub(b'A').wrapping_add(10)
    } else {
        byte.wrapping_sub(b'0')
    }
}

/// `hexDecode`: two bytes are one; a last one alone is dropped. Whether they are
/// digits is not looked at.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.reserve(input.len() / 2);
    out.extend(input.chunks_exact(2).map(|pair| {
        let [high, low] = pair else { return 0 };
        loose(*high).wrapping_shl(4).wrapping_add(loose(*low))
    }));
    !input.is_empty()
}

/// `hexEncode`: in lower case.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) -> bool {
    out.reserve(input.len() * 2);
    out.extend(
        input
            .iter()
            .flat_map(|byte| [digit_of(byte >> 4), digit_of(*byte)]),
    );
    !input.is_empty()
}

/// Where the next `x` stands that has a zero before it.
fn next(input: &[u8]) -> Option<usize> {
    memchr::memchr2_iter(b'x', b'X', input)
        .find(|at| *at > 0 && input.get(at - 1) == Some(&b'0'))
        .map(|at| at - 1)
}

/// `sqlHexDecode`: `0x` and pairs of digits are their bytes; without a pair it
/// stays as it is.
pub(super) fn decode_sql(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(input, out, next, |rest, out| {
        let digits = rest.get(2..).unwrap_or_default();
        let before = out.len();
        out.extend(digits.chunks_exact(2).map_while(|two| match two {
            [high, low] => pair(*high, *low),
            _ => None,
        }));
        match out.len() - before {
            0 => {
                out.push(b'0');
                (1, false)
            }
            pairs => (2 + 2 * pairs, true),
        }
    })
}
