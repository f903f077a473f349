//! The normal form of what is asked for, made before matching and policy; the
//! upstream gets the very bytes that were judged.
//!
//! Two spellings of one path are how a rule for `/admin` is walked around. So
//! the path is brought into one form (RFC 3986, 6.2.2): triplets in capitals,
//! unreserved characters decoded, characters that RFC 3986 does not know
//! encoded, dot-segments removed. It is decoded once: `%252e` is the text
//! `%2e` to the gate, as it is to an upstream that decodes once.
//!
//! What readers take differently is refused, with a switch for those who need
//! it: nginx merges `//`, S3 and OCSP do not; Tomcat drops `;params`, Express
//! does not; IIS takes `\` for `/`; C ends a text at `%00`. Invalid triplets,
//! other encoded control characters, overlong UTF-8 and climbing above the root have no switch.

mod host;
pub mod reasons;
mod segments;
#[cfg(test)]
mod tests;

use std::borrow::Cow;

use crate::{chars, framing, reason::ReasonRef};
pub use host::{normalize_host, NormalHost};

/// What to do with something that readers take differently.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Odd {
    /// Refuse the request. The default of all of them.
    #[default]
    Reject,
    /// Bring it into the common form; each switch says which.
    Normalize,
    /// Leave it as it is, for an upstream that gives it a meaning of its own.
    Keep,
}

/// What an API's upstream is known to do with unusual paths.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct TargetSwitches {
    /// `.` and `..`: normalized to what they mean, or refused. There is no
    /// keeping them: who forwards them lets two servers resolve them.
    pub dot_segments: Odd,
    /// `//`: normalized to `/`. Kept for OCSP, S3 and base64 in paths.
    pub double_slash: Odd,
    /// `%2F`: normalized to `/`. Kept where identifiers hold slashes.
    pub encoded_slash: Odd,
    /// `\` and `%5C`: normalized to `/`, as browsers and IIS do.
    pub backslash: Odd,
    /// `;` and what follows it in a segment: normalized by taking it off, as
    /// Tomcat does. Kept for matrix parameters.
    pub path_parameters: Odd,
    /// `%00`: kept for an upstream that knows binary names. Normalized, the
    /// path ends there, as it does in C; that is for comparing, not for sending.
    pub nul: Odd,
}

impl Default for TargetSwitches {
    fn default() -> Self {
        Self {
            dot_segments: Odd::Normalize,
            double_slash: Odd::Reject,
            encoded_slash: Odd::Reject,
            backslash: Odd::Reject,
            path_parameters: Odd::Reject,
            nul: Odd::Reject,
        }
    }
}

/// A target in normal form.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Normal<'a> {
    /// Begins with `/`, or is `*`.
    pub path: Cow<'a, str>,
    /// As sent, without the question mark: its meaning is the API's own.
    pub query: Option<&'a str>,
    /// Whether `path` differs from what was sent.
    pub changed: bool,
}

impl Normal<'_> {
    /// The path for comparing with patterns; see [`for_matching`].
    #[must_use]
    pub fn match_path(&self) -> Cow<'_, str> {
        for_matching(&self.path)
    }
}

/// Brings `/path?query` (or `*`) into normal form. Allocates only if something
/// must change.
///
/// # Errors
/// A `target-…` reason for what cannot or may not be normalized.
pub fn normalize<'a>(raw: &'a str, switches: &TargetSwitches) -> Result<Normal<'a>, ReasonRef> {
    let (path, query) = match memchr::memchr(b'?', raw.as_bytes()) {
        Some(at) => (&raw[..at], Some(&raw[at + 1..])),
        None => (raw, None),
    };
    if query.is_some_and(|query| !chars::all(query.as_bytes(), chars::QUERY)) {
        return Err(&reasons::BYTE);
    }
    let path = if is_plain(path.as_bytes()) || raw == "*" {
        Cow::Borrowed(path)
    } else if path.starts_with('/') {
        unusual(path, switches)?
    } else {
        return Err(&reasons::FORM);
    };
    // Encoding makes a path longer, and `http::Uri` counts in 16 bits.
    if path.len() + query.map_or(0, str::len) >= usize::from(u16::MAX) - 1 {
        return Err(&framing::reasons::TARGET_TOO_LONG);
    }
    let changed = matches!(path, Cow::Owned(_));
    Ok(Normal {
        path,
        query,
        changed,
    })
}

/// The path with every triplet decoded that stands for a character with no
/// power over the path's structure: `/a%3Ab` is `/a:b`, while `%2F` stays.
///
/// RFC 3986, 2.2 forbids to forward it so (S3 tells `%2B` from `+`). But most
/// servers take both for the same, so a pattern must match both, or
/// `/jobs%3Apurge` walks around a rule for `/jobs:purge`.
#[must_use]
pub fn for_matching(path: &str) -> Cow<'_, str> {
    let Some(first) = memchr::memchr(b'%', path.as_bytes()) else {
        return Cow::Borrowed(path);
    };
    let mut out = String::with_capacity(path.len());
    out.push_str(&path[..first]);
    let mut rest = &path[first..];
    while let Some(character) = rest.chars().next() {
        let decoded = for_matching_byte(rest.as_bytes());
        let (character, length) = decoded.map_or((character, character.len_utf8()), |byte| {
            (char::from(byte), 3)
        });
        out.push(character);
        rest = &rest[length..];
    }
    Cow::Owned(out)
}

/// What is left of a path after the part that matched: `matched` counts bytes
/// of [`for_matching`]'s form, in which a triplet may have become one byte.
/// For taking off the prefix of a route before forwarding.
#[must_use]
pub fn after_match(path: &str, matched: usize) -> &str {
    let mut rest = path;
    for _ in 0..matched {
        let length = match for_matching_byte(rest.as_bytes()) {
            Some(_) => 3,
            None => rest.chars().next().map_or(0, char::len_utf8),
        };
        rest = &rest[length..];
    }
    rest
}

/// The byte that a triplet at the beginning of `text` becomes for matching.
fn for_matching_byte(text: &[u8]) -> Option<u8> {
    triplet(text)
        .filter(|byte| chars::is(*byte, chars::PATH) && !matches!(byte, b'%' | b'/' | b'\\'))
}

/// The byte that `%XX` at the beginning of `text` stands for.
pub(crate) fn triplet(text: &[u8]) -> Option<u8> {
    let [b'%', high, low, ..] = text else {
        return None;
    };
    let digit = |byte: &u8| char::from(*byte).to_digit(16);
    u8::try_from(digit(high)? << 4 | digit(low)?).ok()
}

/// Whether a path is in normal form at a glance: nearly all are.
#[inline]
fn is_plain(path: &[u8]) -> bool {
    let mut previous = 0;
    for byte in path {
        if !chars::is(*byte, chars::PLAIN) || (previous == b'/' && matches!(byte, b'/' | b'.')) {
            return false;
        }
        previous = *byte;
    }
    path.first() == Some(&b'/')
}

/// Everything else: bytes first, then segments.
#[cold]
fn unusual<'a>(path: &'a str, switches: &TargetSwitches) -> Result<Cow<'a, str>, ReasonRef> {
    let decoded = decode(path.as_bytes(), switches)?;
    let normal = segments::normalize(&decoded, switches)?;
    Ok(if normal == path {
        Cow::Borrowed(path)
    } else {
        Cow::Owned(normal)
    })
}

/// One spelling for each character; the structure is looked at afterwards.
fn decode(path: &[u8], switches: &TargetSwitches) -> Result<String, ReasonRef> {
    let mut out = String::with_capacity(path.len() + 8);
    let mut at = 0;
    while at < path.len() {
        match path[at] {
            b'%' => {
                let byte = triplet(&path[at..]).ok_or(&reasons::TRIPLET)?;
                if byte == 0 && switches.nul == Odd::Normalize {
                    break;
                }
                push_encoded(&mut out, byte, &path[at + 3..], switches)?;
                at += 2;
            }
            b'\\' => push_odd(&mut out, "\\", switches.backslash, &reasons::BACKSLASH)?,
            byte if !chars::is(byte, chars::PATH) => return Err(&reasons::BYTE),
            byte if chars::is(byte, chars::PLAIN) || byte == b';' => out.push(char::from(byte)),
            byte => push_triplet(&mut out, byte),
        }
        at += 1;
    }
    Ok(out)
}

fn push_encoded(
    out: &mut String,
    byte: u8,
    rest: &[u8],
    switches: &TargetSwitches,
) -> Result<(), ReasonRef> {
    match byte {
        0 if switches.nul == Odd::Keep => {
            push_triplet(out, byte);
            Ok(())
        }
        0..0x20 | 0x7f => Err(&reasons::CONTROL),
        b'/' => push_odd(out, "%2F", switches.encoded_slash, &reasons::ENCODED_SLASH),
        b'\\' => push_odd(out, "%5C", switches.backslash, &reasons::BACKSLASH),
        _ if is_overlong(byte, triplet(rest)) => Err(&reasons::OVERLONG),
        _ if chars::is(byte, chars::UNRESERVED) => {
            out.push(char::from(byte));
            Ok(())
        }
        _ => {
            push_triplet(out, byte);
            Ok(())
        }
    }
}

fn push_odd(out: &mut String, kept: &str, odd: Odd, reason: ReasonRef) -> Result<(), ReasonRef> {
    match odd {
        Odd::Reject => return Err(reason),
        Odd::Normalize => out.push('/'),
        Odd::Keep => out.push_str(kept),
    }
    Ok(())
}

fn push_triplet(out: &mut String, byte: u8) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    out.push('%');
    out.push(char::from(DIGITS[usize::from(byte >> 4)]));
    out.push(char::from(DIGITS[usize::from(byte & 15)]));
}

/// Whether two bytes begin a character in more bytes than it needs: the old
/// way to smuggle `/` as `%C0%AF` past a check (CVE-2000-0884 and its heirs).
/// Other bytes that are no UTF-8 stay encoded: old APIs use Latin-1.
fn is_overlong(lead: u8, next: Option<u8>) -> bool {
    matches!(
        (lead, next),
        (0xc0 | 0xc1, Some(0x80..=0xbf)) | (0xe0, Some(0x80..=0x9f)) | (0xf0, Some(0x80..=0x8f))
    )
}
