//! White space.

use super::scan::is_space;

/// Whether `removeWhitespace` takes it away: white space, and the bytes of a
/// no-break space in Latin-1 and in UTF-8.
pub(super) const fn is_removed(byte: u8) -> bool {
    is_space(byte) || matches!(byte, 0xa0 | 0xc2)
}

/// `removeWhitespace`.
pub(super) fn remove(input: &[u8], out: &mut Vec<u8>) -> bool {
    let Some(at) = input.iter().position(|byte| is_removed(*byte)) else {
        return false;
    };
    let (before, rest) = input.split_at(at);
    out.extend_from_slice(before);
    squeeze(rest, out, |byte| (byte, !is_removed(byte)));
    true
}

/// `compressWhitespace`: one blank for each run.
pub(super) fn compress(input: &[u8], out: &mut Vec<u8>) -> bool {
    let mut after = 0_u8;
    let odd = |byte: &u8| {
        let (before, now) = (after, *byte);
        after = now;
        is_space(now) && (now != b' ' || is_space(before))
    };
    let Some(at) = input.iter().position(odd) else {
        return false;
    };
    let (before, rest) = input.split_at(at);
    out.extend_from_slice(before);
    let mut spaces = before.last().is_some_and(|byte| is_space(*byte));
    squeeze(rest, out, |byte| {
        let space = is_space(byte);
        let keep = !(space && spaces);
        spaces = space;
        (if space { b' ' } else { byte }, keep)
    });
    true
}

/// Writes what `map` says of each byte, where it says that it stays.
fn squeeze(input: &[u8], out: &mut Vec<u8>, mut map: impl FnMut(u8) -> (u8, bool)) {
    let mut end = out.len();
    // Every byte is written, and the next one over it where it does not stay:
    // without a branch that a stranger's bytes mislead.
    out.resize(end + input.len(), 0);
    for byte in input {
        let (written, keep) = map(*byte);
        if let Some(place) = out.get_mut(end) {
            *place = written;
        }
        end += usize::from(keep);
    }
    out.truncate(end);
}

/// `trim`, `trimLeft`, `trimRight`.
pub(super) fn trim(input: &[u8], out: &mut Vec<u8>, left: bool, right: bool) -> bool {
    let mut kept = input;
    while let ([byte, rest @ ..], true) = (kept, left) {
        if !is_space(*byte) {
            break;
        }
        kept = rest;
    }
    while let ([rest @ .., byte], true) = (kept, right) {
        if !is_space(*byte) {
            break;
        }
        kept = rest;
    }
    if kept.len() == input.len() {
        return false;
    }
    out.extend_from_slice(kept);
    true
}
