//! `utf8toUnicode`: characters beyond ASCII become `%u` and their number.

use super::scan::{digit_of, first};

/// Whether ASCII text has it, and it stays.
const fn stays(byte: u8) -> bool {
    byte != 0 && byte < 0x80
}

/// `utf8toUnicode`. Zero bytes are dropped, and so are bytes that begin a
/// character which does not go on: both as ModSecurity does, and both are what
/// hides a word from a rule. Other bytes that begin nothing stay. What UTF-8
/// forbids (overlong forms, surrogates) is translated, and its first byte put
/// behind it.
pub(super) fn from_utf8(input: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(start) = first(input, |byte| !stays(byte)) else {
        return false;
    };
    out.reserve(input.len());
    let (before, mut rest) = input.split_at(start);
    out.extend_from_slice(before);
    let mut changed = false;
    while let Some(lead) = rest.first() {
        let read = match character(rest) {
            Some((number, len)) => {
                write(number, out);
                if (0xd800..=0xdfff).contains(&number) {
                    out.push(*lead);
                }
                if number < [0, 0, 0x80, 0x800, 0x1_0000][len] {
                    out.push(*lead);
                }
                changed = true;
                len
            }
            None => {
                if matches!(lead, 0x80..=0xbf | 0xf5..=0xff) {
                    out.push(*lead);
                } else {
                    changed = true;
                }
                1
            }
        };
        rest = rest.get(read..).unwrap_or_default();
        let run = rest.iter().position(|byte| !stays(*byte));
        let (plain, after) = rest.split_at(run.unwrap_or(rest.len()));
        out.extend_from_slice(plain);
        rest = after;
    }
    changed
}

/// The number and the length of the character that begins there, also where
/// UTF-8 forbids it; only first bytes from 0xF5 on begin none.
fn character(rest: &[u8]) -> Option<(u32, usize)> {
    let low = |byte: &u8| (byte & 0xc0 == 0x80).then_some(u32::from(byte & 0x3f));
    Some(match rest {
        [a @ 0xc0..=0xdf, b, ..] => (u32::from(a & 0x1f) << 6 | low(b)?, 2),
        [a @ 0xe0..=0xef, b, c, ..] => (u32::from(a & 0x0f) << 12 | low(b)? << 6 | low(c)?, 3),
        [a @ 0xf0..=0xf4, b, c, d, ..] => (
            u32::from(a & 0x07) << 18 | low(b)? << 12 | low(c)? << 6 | low(d)?,
            4,
        ),
        _ => return None,
    })
}

/// `%u` and the number in at least four digits.
fn write(number: u32, out: &mut Vec<u8>) {
    let nibble = |shift: u32| digit_of((number >> shift & 15) as u8);
    out.extend_from_slice(b"%u");
    if number > 0xf_ffff {
        out.push(nibble(20));
    }
    if number > 0xffff {
        out.push(nibble(16));
    }
    out.extend_from_slice(&[nibble(12), nibble(8), nibble(4), nibble(0)]);
}
