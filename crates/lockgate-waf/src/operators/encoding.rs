//! `@validateByteRange`, `@validateUrlEncoding`, `@validateUtf8Encoding`: they
//! match what is wrong.

use std::ops::Range;

use crate::bytes::ByteSet;

/// The first byte that is not allowed.
pub(super) fn outside(value: &[u8], allowed: &ByteSet) -> Option<Range<usize>> {
    value
        .iter()
        .position(|byte| !allowed.contains(*byte))
        .map(|at| at..at + 1)
}

/// The first `%` without two hexadecimal digits behind it, and what stands there.
pub(super) fn not_url(value: &[u8]) -> Option<Range<usize>> {
    let mut from = 0;
    while let Some(found) = value
        .get(from..)
        .and_then(|rest| memchr::memchr(b'%', rest))
    {
        let at = from + found;
        match value.get(at..).unwrap_or_default() {
            [_, high, low, ..] if high.is_ascii_hexdigit() && low.is_ascii_hexdigit() => {
                from = at + 3;
            }
            rest => return Some(at..at + rest.len().min(3)),
        }
    }
    None
}

/// The first bytes that are not UTF-8 (RFC 3629): overlong, surrogates, beyond
/// U+10FFFF, incomplete.
pub(super) fn not_utf8(value: &[u8]) -> Option<Range<usize>> {
    let error = std::str::from_utf8(value).err()?;
    let at = error.valid_up_to();
    Some(at..error.error_len().map_or(value.len(), |len| at + len))
}
