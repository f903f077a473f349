//! Runs of text that lead nowhere, known without a walk.

use super::secrets;

/// An ordinary sign of a name.
const NAME: u8 = 0;
/// Where a path ends; as in `spelling`.
const BORDER: u8 = 1;
/// A sign that only a walk understands.
const ODD: u8 = 2;
const SLASH: u8 = 3;
const COLON: u8 = 4;

static CLASSES: [u8; 256] = {
    let mut table = [NAME; 256];
    set(&mut table, b" \t\n\r'\"`<>()[]{},|=&?#*", BORDER);
    set(&mut table, b"\\%\0\xC0\xC1\xE0\xE2\xEF", ODD);
    set(&mut table, b"/", SLASH);
    set(&mut table, b":", COLON);
    table
};

const fn set(table: &mut [u8; 256], bytes: &[u8], class: u8) {
    let mut at = 0;
    while at < bytes.len() {
        table[bytes[at] as usize] = class;
        at += 1;
    }
}

/// Where the first run at or behind `from` begins that has to be walked:
/// before it there are names with and without slashes between them, none of
/// which begins with a dot or is a secret.
pub(super) fn skip(text: &[u8], from: usize) -> usize {
    let mut begin = from;
    let mut segment = from;
    let mut slashed = false;
    let mut telling = false;
    let mut at = from;
    while let Some(byte) = text.get(at).copied() {
        match CLASSES.get(usize::from(byte)).copied().unwrap_or(ODD) {
            NAME => {
                // `0x2e` is a dot to some.
                if byte == b'x' && at > begin && text.get(at - 1) == Some(&b'0') {
                    return begin;
                }
            }
            BORDER => {
                if slashed && (telling || may_tell(text, segment)) {
                    return begin;
                }
                (begin, segment) = (at + 1, at + 1);
                (slashed, telling) = (false, false);
            }
            SLASH => {
                slashed = true;
                let first = at == begin || text.get(begin..at) == Some(b"@");
                telling |= first || may_tell(text, segment);
                segment = at + 1;
            }
            COLON => telling = true,
            _ => return begin,
        }
        at += 1;
    }
    if slashed && (telling || may_tell(text, segment)) {
        return begin;
    }
    text.len()
}

/// Whether the segment at `at` is more than a plain name.
fn may_tell(text: &[u8], at: usize) -> bool {
    let rest = text.get(at..).unwrap_or_default();
    rest.first() == Some(&b'.') || secrets::may_begin(rest)
}

#[cfg(test)]
mod tests;
