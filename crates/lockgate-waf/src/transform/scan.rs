//! What several transformations need: to find bytes fast, and to read digits.

use crate::bytes::ByteSet;

/// The six bytes that C calls white space.
pub(super) const SPACES: ByteSet = ByteSet::of(b" \t\n\x0b\x0c\r");

/// Whether C calls it white space.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\n' | 0x0b | 0x0c | b'\r')
}

/// The value of a hexadecimal digit.
pub(super) const fn digit(byte: u8) -> Option<u8> {
    match byte {
        b'0'..=b'9' => Some(byte - b'0'),
        b'a'..=b'f' => Some(byte - b'a' + 10),
        b'A'..=b'F' => Some(byte - b'A' + 10),
        _ => None,
    }
}

/// The value of two hexadecimal digits.
pub(super) const fn pair(high: u8, low: u8) -> Option<u8> {
    match (digit(high), digit(low)) {
        (Some(high), Some(low)) => Some(high << 4 | low),
        _ => None,
    }
}

/// The digit of this value, below 16.
pub(super) const fn digit_of(value: u8) -> u8 {
    match value & 15 {
        value @ 0..=9 => b'0' + value,
        value => b'a' + value - 10,
    }
}

/// Where the first byte stands that `is` holds for. Looks at 64 at once, which
/// compilers make vector code of.
pub(super) fn first(input: &[u8], is: impl Fn(u8) -> bool) -> Option<usize> {
    let mut at = 0;
    let mut chunks = input.chunks_exact(64);
    for chunk in &mut chunks {
        if chunk.iter().fold(false, |found, byte| found | is(*byte)) {
            break;
        }
        at += 64;
    }
    input
        .get(at..)?
        .iter()
        .position(|byte| is(*byte))
        .map(|found| at + found)
}

/// Copies `input` to the end of `out`, but for what `step` reads where `next`
/// finds something. `next` says where, from a place on; `step` gets what stands
/// there and after it, writes what becomes of it, and says how much it read (not
/// nothing) and whether that changed anything.
pub(super) fn rewrite(
    input: &[u8],
    out: &mut Vec<u8>,
    next: impl Fn(&[u8]) -> Option<usize>,
    mut step: impl FnMut(&[u8], &mut Vec<u8>) -> (usize, bool),
) -> bool {
    let Some(first) = next(input) else {
        return false;
    };
    out.reserve(input.len());
    let mut changed = false;
    let (before, mut rest) = input.split_at(first);
    out.extend_from_slice(before);
    while !rest.is_empty() {
        let (read, other) = step(rest, out);
        changed |= other;
        rest = rest.get(read.max(1)..).unwrap_or_default();
        let run = next(rest).unwrap_or(rest.len());
        let (plain, after) = rest.split_at(run);
        match rest.first_chunk::<NEAR>() {
            // All of these are copied at once, and those that follow taken back.
            Some(chunk) if run <= NEAR => {
                let end = out.len() + run;
                out.extend_from_slice(chunk);
                out.truncate(end);
            }
            _ => out.extend_from_slice(plain),
        }
        rest = after;
    }
    changed
}

/// As many bytes are looked at and copied in place before that is left to what does it
/// for many.
const NEAR: usize = 16;

/// Like `memchr`, but quick where what is sought is near: encoded text is often
/// encoded throughout.
pub(super) fn seek(byte: u8, input: &[u8]) -> Option<usize> {
    near(
        input,
        |other| other == byte,
        |rest| memchr::memchr(byte, rest),
    )
}

/// Where the first byte is that `is` holds for: looked for in a few bytes, and then by
/// `far` behind them.
pub(super) fn near(
    input: &[u8],
    is: impl Fn(u8) -> bool,
    far: impl Fn(&[u8]) -> Option<usize>,
) -> Option<usize> {
    let found = input.iter().take(NEAR).position(|byte| is(*byte));
    found.or_else(|| Some(NEAR + far(input.get(NEAR..)?)?))
}
