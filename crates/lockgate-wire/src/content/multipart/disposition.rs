//! `Content-Disposition: form-data; name="…"; filename="…"`, read as
//! ModSecurity does: what it does not understand is an error.

use super::Flags;
use crate::content::reasons;
use crate::reason::ReasonRef;

const WRONG: ReasonRef = &reasons::MULTIPART_DISPOSITION;

/// Reads a value; `name` and `file_name` get what is found, even where an
/// error comes after it.
pub(super) fn read(
    value: &[u8],
    flags: &mut Flags,
    name: &mut Vec<u8>,
    file_name: &mut Option<Vec<u8>>,
) -> Result<(), ReasonRef> {
    let mut rest = trimmed(value.strip_prefix(b"form-data").ok_or(WRONG)?);
    let mut outcome = Ok(());
    let mut named = false;
    while let Some((first, behind)) = rest.split_first() {
        if *first != b';' {
            flags.invalid_quoting |= matches!(first, b'\'' | b'"');
            return outcome.and(Err(WRONG));
        }
        if behind.is_empty() {
            break;
        }
        let (parameter, value, behind) = parameter(trimmed(behind), flags)?;
        rest = trimmed(behind);
        match parameter {
            b"name" => {
                if std::mem::replace(&mut named, true) {
                    outcome = outcome.and(Err(WRONG));
                } else {
                    *name = value;
                }
            }
            b"filename" => {
                if file_name.is_some() {
                    outcome = outcome.and(Err(WRONG));
                }
                file_name.get_or_insert(value);
            }
            other => {
                let extended = other.eq_ignore_ascii_case(b"filename*");
                outcome = outcome.and(Err(match extended {
                    true => &reasons::MULTIPART_FILENAME_EXTENDED,
                    false => WRONG,
                }));
                if extended || other.eq_ignore_ascii_case(b"filename") {
                    file_name.get_or_insert(value);
                }
            }
        }
    }
    // Some readers only look for these letters.
    let plainly = memchr::memmem::find(value, b"filename=").is_some();
    if file_name.as_ref().is_some_and(|name| !name.is_empty()) && !plainly {
        outcome = outcome.and(Err(WRONG));
    }
    outcome
}

/// Whether readers that only look for `filename=` find another one than the file's
/// name: one within quotes.
pub(super) fn is_ambiguous(value: &[u8], is_file: bool) -> bool {
    let lower = value.to_ascii_lowercase();
    memchr::memmem::find_iter(&lower, b"filename=").count() > usize::from(is_file)
}

type Parameter<'a> = (&'a [u8], Vec<u8>, &'a [u8]);

/// `name=value`, and what is behind it.
fn parameter<'a>(text: &'a [u8], flags: &mut Flags) -> Result<Parameter<'a>, ReasonRef> {
    let end = text
        .iter()
        .position(|byte| matches!(byte, b'=' | b'\t' | b' '))
        .ok_or(WRONG)?;
    let (name, behind) = text.split_at(end);
    let behind = trimmed(trimmed(behind).strip_prefix(b"=").ok_or(WRONG)?);
    let mut value = Vec::new();
    match behind.split_first() {
        None => Err(WRONG),
        Some((quote @ (b'"' | b'\''), inside)) => {
            flags.invalid_quoting |= *quote == b'\'';
            let behind = unquoted(inside, *quote, &mut value)?;
            Ok((name, value, behind))
        }
        Some(_) => {
            let end = behind.iter().position(|byte| !is_token(*byte));
            let (token, behind) = behind.split_at(end.unwrap_or(behind.len()));
            flags.invalid_quoting |= token.contains(&b'\'');
            value.extend_from_slice(token);
            Ok((name, value, behind))
        }
    }
}

/// Reads up to the closing quote. A backslash is one itself, save before a
/// quote or a backslash: browsers sent paths of Windows so.
fn unquoted<'a>(text: &'a [u8], quote: u8, out: &mut Vec<u8>) -> Result<&'a [u8], ReasonRef> {
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        match text.get(at + 1) {
            _ if *byte == quote => return Ok(text.get(at + 1..).unwrap_or_default()),
            Some(next) if *byte == b'\\' && (*next == quote || *next == b'\\') => {
                out.push(*next);
                at += 2;
                continue;
            }
            None if *byte == b'\\' => return Err(WRONG),
            _ => out.push(*byte),
        }
        at += 1;
    }
    Err(WRONG)
}

fn trimmed(text: &[u8]) -> &[u8] {
    let begin = text.iter().position(|byte| !matches!(byte, b' ' | b'\t'));
    text.get(begin.unwrap_or(text.len())..).unwrap_or_default()
}

/// RFC 2045, 5.1.
fn is_token(byte: u8) -> bool {
    byte.is_ascii_graphic()
        && !matches!(byte, b'(' | b')' | b'<' | b'>' | b'@' | b',' | b';' | b':')
        && !matches!(byte, b'\\' | b'"' | b'/' | b'[' | b']' | b'?' | b'=')
}
