//! Percent encoding, also as IIS extends it.

use super::code_page;
use super::scan::{digit_of, near, pair, rewrite};

/// Where the next `%` or `+` stands.
fn next(input: &[u8]) -> Option<usize> {
    let far = |rest: &[u8]| memchr::memchr2(b'%', b'+', rest);
    near(input, |byte| matches!(byte, b'%' | b'+'), far)
}

/// `urlDecode`: `+` is a blank, `%` and two digits a byte; what is incomplete
/// stays as it is.
pub(super) fn decode(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(input, out, next, step)
}

/// `urlDecodeUni`: `%u` and four digits are a character too, which becomes the
/// byte that stands for it in ASCII.
pub(super) fn decode_uni(input: &[u8], out: &mut Vec<u8>) -> bool {
    rewrite(input, out, next, |rest, out| match rest {
        [b'%', b'u' | b'U', a, b, c, d, ..] => match (pair(*a, *b), pair(*c, *d)) {
            (Some(high), Some(low)) => {
                out.push(code_page::ascii(high, low));
                (6, true)
            }
            _ => {
                out.push(b'%');
                (1, false)
            }
        },
        _ => step(rest, out),
    })
}

/// One `+`, or `%` and what belongs to it.
fn step(rest: &[u8], out: &mut Vec<u8>) -> (usize, bool) {
    match rest {
        [b'+', ..] => {
            out.push(b' ');
            (1, true)
        }
        [b'%', high, low, ..] => match pair(*high, *low) {
            Some(byte) => {
                out.push(byte);
                (3, true)
            }
            None => {
                out.push(b'%');
                (1, false)
            }
        },
        _ => {
            out.push(b'%');
            (1, false)
        }
    }
}

/// What `urlEncode` leaves as it is: letters, digits and `*`.
pub(super) const fn is_plain(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'*'
}

/// `urlEncode`: a blank is `+`, and all else but [`is_plain`] is `%` and two digits.
pub(super) fn encode(input: &[u8], out: &mut Vec<u8>) -> bool {
    let next = |input: &[u8]| input.iter().position(|byte| !is_plain(*byte));
    rewrite(input, out, next, |rest, out| {
        match rest {
            [b' ', ..] => out.push(b'+'),
            [byte, ..] => out.extend_from_slice(&[b'%', digit_of(byte >> 4), digit_of(*byte)]),
            [] => {}
        }
        (1, true)
    })
}
