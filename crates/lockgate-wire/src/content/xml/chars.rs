//! Which bytes may stand where.

use crate::content::{reasons, Flaw};

const NAME_START: u8 = 1;
const NAME: u8 = 2;
const CLASS: [u8; 256] = classes();

/// Beyond ASCII, more may stand in a name here than XML has: what is forbidden
/// there harms no one.
const fn classes() -> [u8; 256] {
    let mut table = [0; 256];
    let mut at = 0;
    while at < 256 {
        let byte = at as u8;
        if byte.is_ascii_alphabetic() || matches!(byte, b'_' | b':' | 0x80..) {
            table[at] = NAME_START | NAME;
        } else if byte.is_ascii_digit() || matches!(byte, b'-' | b'.') {
            table[at] = NAME;
        }
        at += 1;
    }
    table
}

#[inline]
pub(super) fn is_name_start(byte: u8) -> bool {
    CLASS[usize::from(byte)] & NAME_START != 0
}

#[inline]
pub(super) fn is_name(byte: u8) -> bool {
    CLASS[usize::from(byte)] & NAME != 0
}

#[inline]
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t' | b'\r' | b'\n')
}

/// Whether `text`, which stands at `at`, has characters of XML 1.0 alone.
pub(super) fn check(text: &[u8], at: usize) -> Result<(), Flaw> {
    let bad = text.iter().fold(0, |bad, byte| {
        bad | u8::from(*byte < b' ' && !is_space(*byte)) | (*byte & 0x80)
    });
    if bad == 0 {
        return Ok(());
    }
    check_closely(text, at)
}

fn check_closely(text: &[u8], at: usize) -> Result<(), Flaw> {
    let flaw = |count: usize| Flaw::new(&reasons::XML_CHARACTER, at + count);
    let text = std::str::from_utf8(text).map_err(|error| flaw(error.valid_up_to()))?;
    match text.char_indices().find(|(_, char)| !is_allowed(*char)) {
        Some((count, _)) => Err(flaw(count)),
        None => Ok(()),
    }
}

/// XML 1.0, 2.2.
pub(super) const fn is_allowed(char: char) -> bool {
    matches!(char, '\t' | '\n' | '\r' | ' '..='\u{d7ff}' | '\u{e000}'..='\u{fffd}' | '\u{10000}'..)
}
