//! Strings: the end is looked for eight bytes at a time; only what has escapes
//! is copied.

use crate::content::{reasons, Flaw};
use crate::reason::ReasonRef;

pub(super) struct Found {
    /// Behind the closing quote.
    pub(super) next: usize,
    /// Whether it stands in the body as it is, without escapes.
    pub(super) plain: bool,
    /// Whether it holds U+0000.
    pub(super) nul: bool,
}

const ONES: u64 = u64::from_le_bytes([1; 8]);
const HIGHS: u64 = ONES << 7;

/// Reads a string whose first byte behind the quote is at `start`. With
/// escapes, `text` becomes what it says.
#[inline]
pub(super) fn read(body: &[u8], start: usize, text: &mut Vec<u8>) -> Result<Found, Flaw> {
    let mut high = 0;
    let end = special(body, start, &mut high);
    if body.get(end) != Some(&b'"') {
        return escaped(body, start, text);
    }
    if high != 0 {
        check_utf8(body, start, end)?;
    }
    Ok(Found {
        next: end + 1,
        plain: true,
        nul: false,
    })
}

/// Where the next quote, backslash or control character is; the highest bits
/// of what is passed over are gathered.
#[inline]
fn special(body: &[u8], start: usize, high: &mut u64) -> usize {
    let mut at = start;
    while let Some(eight) = body.get(at..).and_then(|rest| rest.first_chunk::<8>()) {
        let word = u64::from_le_bytes(*eight);
        // A byte's highest bit says that it is one; bits above the lowest may lie.
        let found = (zeros(word ^ (ONES * 0x22)) | zeros(word ^ (ONES * 0x5c)))
            | (word.wrapping_sub(ONES * 0x20) & !word & HIGHS);
        if found != 0 {
            let count = found.trailing_zeros() / 8;
            *high |= word & HIGHS & ((1 << (count * 8)) - 1);
            return at + count as usize;
        }
        *high |= word & HIGHS;
        at += 8;
    }
    while let Some(byte) = body.get(at) {
        if matches!(byte, b'"' | b'\\' | 0..=0x1f) {
            break;
        }
        *high |= u64::from(byte & 0x80);
        at += 1;
    }
    at
}

#[inline]
const fn zeros(word: u64) -> u64 {
    word.wrapping_sub(ONES) & !word & HIGHS
}

#[cold]
fn check_utf8(body: &[u8], start: usize, end: usize) -> Result<(), Flaw> {
    let text = body.get(start..end).unwrap_or_default();
    std::str::from_utf8(text)
        .map(|_| ())
        .map_err(|error| Flaw::new(&reasons::JSON_UTF8, start + error.valid_up_to()))
}

/// Reads what has an escape, or is broken.
fn escaped(body: &[u8], start: usize, text: &mut Vec<u8>) -> Result<Found, Flaw> {
    let (mut at, mut nul) = (start, false);
    text.clear();
    loop {
        let mut high = 0;
        let end = special(body, at, &mut high);
        if high != 0 {
            check_utf8(body, at, end)?;
        }
        text.extend_from_slice(body.get(at..end).unwrap_or_default());
        match body.get(end) {
            Some(b'"') => {
                return Ok(Found {
                    next: end + 1,
                    plain: false,
                    nul,
                });
            }
            Some(b'\\') => at = escape(body, end, text, &mut nul)?,
            Some(_) => return fail(&reasons::JSON_CONTROL, end),
            None => return fail(&reasons::JSON_END, end),
        }
    }
}

/// Reads the escape at `at`, and says what stands behind it.
fn escape(body: &[u8], at: usize, text: &mut Vec<u8>, nul: &mut bool) -> Result<usize, Flaw> {
    let Some(letter) = body.get(at + 1) else {
        return fail(&reasons::JSON_END, at);
    };
    text.push(match letter {
        b'"' | b'\\' | b'/' => *letter,
        b'b' => 8,
        b'f' => 12,
        b'n' => b'\n',
        b'r' => b'\r',
        b't' => b'\t',
        b'u' => return unicode(body, at, text, nul),
        _ => return fail(&reasons::JSON_ESCAPE, at),
    });
    Ok(at + 2)
}

fn unicode(body: &[u8], at: usize, text: &mut Vec<u8>, nul: &mut bool) -> Result<usize, Flaw> {
    let first = unit(body, at)?;
    let (code, next) = match first {
        0xd800..=0xdbff => {
            if body.get(at + 6..at + 8) != Some(b"\\u") {
                return fail(&reasons::JSON_SURROGATE, at);
            }
            let second = unit(body, at + 6)?;
            if !(0xdc00..=0xdfff).contains(&second) {
                return fail(&reasons::JSON_SURROGATE, at);
            }
            let code = 0x1_0000 + ((first - 0xd800) << 10) + (second - 0xdc00);
            (code, at + 12)
        }
        _ => (first, at + 6),
    };
    let Some(character) = char::from_u32(code) else {
        return fail(&reasons::JSON_SURROGATE, at);
    };
    *nul |= code == 0;
    text.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
    Ok(next)
}

/// The four digits of `\uXXXX` at `at`.
fn unit(body: &[u8], at: usize) -> Result<u32, Flaw> {
    let digits = body.get(at + 2..).unwrap_or_default();
    let mut unit = 0;
    for number in 0..4 {
        let Some(digit) = digits.get(number) else {
            return fail(&reasons::JSON_END, at);
        };
        let Some(digit) = char::from(*digit).to_digit(16) else {
            return fail(&reasons::JSON_ESCAPE, at);
        };
        unit = unit << 4 | digit;
    }
    Ok(unit)
}

#[cold]
fn fail<T>(reason: ReasonRef, at: usize) -> Result<T, Flaw> {
    Err(Flaw::new(reason, at))
}
