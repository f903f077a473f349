//! One line of a head, and one field on it.

use super::flaw::Flaw;
use crate::chars;

/// Longest header name. `http` stops at 65,535; no name in the IANA registry
/// is longer than 60, and a long one is an attempt to make tables slow.
const NAME_BYTES: usize = 256;

/// A header or trailer: name as sent, value without the whitespace around it.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Field<'a> {
    pub(super) name: &'a [u8],
    pub(super) value: &'a [u8],
}

/// Takes CRLF off a line that ends with LF. RFC 9112, 2.2 lets a recipient
/// take LF alone; where two readers differ about it, requests are smuggled.
#[inline]
pub(super) fn content(line: &[u8]) -> Result<&[u8], Flaw> {
    line.strip_suffix(b"\r\n").ok_or(Flaw::BareLf)
}

impl<'a> Field<'a> {
    /// Reads a line without its CRLF (RFC 9112, 5).
    #[inline]
    pub(super) fn parse(line: &'a [u8]) -> Result<Self, Flaw> {
        let end = line.iter().position(|byte| !chars::is(*byte, chars::TOKEN));
        let Some(end) = end.filter(|end| line[*end] == b':' && (1..=NAME_BYTES).contains(end))
        else {
            return Err(name_flaw(line));
        };
        let value = &line[end + 1..];
        if has_control(value) {
            return Err(value_flaw(value));
        }
        Ok(Self {
            name: &line[..end],
            value: trim(value),
        })
    }

    /// Whether the name is `name`, which must be lower-case.
    #[inline]
    pub(super) fn is(&self, name: &[u8]) -> bool {
        self.name.eq_ignore_ascii_case(name)
    }
}

/// Whether a value holds a control character other than HTAB. No branch in
/// the loop, so that the compiler compares sixteen bytes at once.
#[inline]
pub(super) fn has_control(value: &[u8]) -> bool {
    let mut found = 0_u8;
    for byte in value {
        found |= u8::from((*byte < 0x20) & (*byte != b'\t')) | u8::from(*byte == 0x7f);
    }
    found != 0
}

#[inline]
fn trim(mut value: &[u8]) -> &[u8] {
    while let [b' ' | b'\t', rest @ ..] = value {
        value = rest;
    }
    while let [rest @ .., b' ' | b'\t'] = value {
        value = rest;
    }
    value
}

/// Says what is wrong with a line whose name is not a token before a colon.
#[cold]
fn name_flaw(line: &[u8]) -> Flaw {
    if matches!(line.first(), Some(b' ' | b'\t')) {
        // RFC 9112, 5.2; a first header line that begins so is 2.2's case.
        return Flaw::ObsFold;
    }
    let name = line
        .iter()
        .take_while(|byte| chars::is(**byte, chars::TOKEN))
        .count();
    let gap = line[name..]
        .iter()
        .take_while(|byte| matches!(byte, b' ' | b'\t'))
        .count();
    if name > 0 && gap > 0 && line.get(name + gap) == Some(&b':') {
        return Flaw::SpaceBeforeColon;
    }
    match line.get(name) {
        Some(b'\r') => Flaw::BareCr,
        _ => Flaw::FieldName,
    }
}

#[cold]
fn value_flaw(value: &[u8]) -> Flaw {
    if value.contains(&b'\r') {
        Flaw::BareCr
    } else {
        Flaw::FieldValue
    }
}
