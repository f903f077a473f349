//! The boundary that a content type says.

use super::Flags;

/// RFC 2046, 5.1.1.
const LONGEST: usize = 70;
/// Longest content type that is looked at, as in ModSecurity.
const LONGEST_TYPE: usize = 1024;
const TYPE: &[u8] = b"multipart/form-data";
const NAME: &[u8] = b"boundary";

/// The boundary, without quotes; else at which byte it went wrong.
pub(super) fn read(content_type: &[u8], flags: &mut Flags) -> Result<Vec<u8>, usize> {
    let found = look(content_type, flags);
    flags.error |= found.is_err();
    found
}

fn look(content_type: &[u8], flags: &mut Flags) -> Result<Vec<u8>, usize> {
    let is_form = content_type
        .get(..TYPE.len())
        .is_some_and(|begin| begin.eq_ignore_ascii_case(TYPE));
    if !is_form || content_type.len() > LONGEST_TYPE || names(content_type) > 1 {
        return Err(0);
    }
    let Some(at) = memchr::memmem::find(content_type, NAME) else {
        return Err(content_type.len());
    };
    let mut semicolon = false;
    for byte in content_type.get(TYPE.len()..at).unwrap_or_default() {
        match byte {
            b';' if !semicolon => semicolon = true,
            other if is_space(*other) => {}
            _ => return Err(at),
        }
    }
    flags.missing_semicolon |= !semicolon;
    let behind = content_type.get(at + NAME.len()..).unwrap_or_default();
    let equals = memchr::memchr(b'=', behind).ok_or(at)?;
    let (between, value) = behind.split_at(equals);
    let value = value.get(1..).unwrap_or_default();
    if !between.iter().copied().all(is_space) {
        return Err(at);
    }
    flags.boundary_whitespace |=
        !between.is_empty() || value.first().copied().is_some_and(is_space);
    let boundary = match value {
        [b'"', inside @ .., b'"'] => {
            flags.boundary_quoted = true;
            inside
        }
        [b'"', ..] | [.., b'"'] => return Err(at),
        plain => plain,
    };
    if boundary.is_empty() || names(boundary) != 0 || !are_allowed(boundary) {
        return Err(at);
    }
    Ok(boundary.to_vec())
}

/// Whether readers take a boundary differently: it is too long, or is no token and so
/// belongs in quotes (RFC 2045 section 5.1), without which some end it at a `=` or `,`.
pub(super) fn is_unlike(boundary: &[u8], quoted: bool) -> bool {
    let ends = |byte: &u8| matches!(byte, b' ' | b'(' | b')' | b',' | b'/' | b':' | b'=' | b'?');
    boundary.len() > LONGEST || (!quoted && boundary.trim_ascii_start().iter().any(ends))
}

/// How often the parameter's name stands there with a `=` somewhere behind it.
fn names(text: &[u8]) -> usize {
    let lower = text.to_ascii_lowercase();
    let last = memchr::memrchr(b'=', &lower).unwrap_or(0);
    memchr::memmem::find_iter(&lower, NAME)
        .filter(|at| at + NAME.len() <= last)
        .count()
}

/// RFC 2046, 5.1.1: what a boundary is made of.
fn are_allowed(boundary: &[u8]) -> bool {
    boundary.last() != Some(&b' ')
        && boundary.iter().all(|byte| {
            byte.is_ascii_alphanumeric()
                || matches!(byte, b' ' | b'\'' | b'(' | b')' | b'+' | b'_' | b',')
                || matches!(byte, b'-' | b'.' | b'/' | b':' | b'=' | b'?')
        })
}

/// What C calls whitespace.
pub(super) const fn is_space(byte: u8) -> bool {
    matches!(byte, b' ' | 9..=13)
}
