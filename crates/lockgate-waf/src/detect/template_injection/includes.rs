//! What servers and caches replace in the pages that they pass on: server-side includes and Edge Side Includes.

use crate::detect::prose::words;
use crate::rule::Severity::{self, Critical, Notice};

/// Words before one from which on it is shown to people.
const PROSE: usize = 3;
/// A directive is read so far.
const LONGEST: usize = 64;

/// One that begins at `start`, with its `<`: how long what was read of it is, and what it is.
pub(super) fn at(bytes: &[u8], start: usize) -> Option<(usize, &'static str, Severity)> {
    let rest = bytes.get(start..)?;
    let rest = rest.get(..LONGEST).unwrap_or(rest);
    let (length, what) = match rest {
        [b'<', b'!', b'-', b'-', next @ ..] => (
            4 + comment(next)?,
            "is a directive that a server puts something in place of",
        ),
        [b'<', next @ ..] => (
            1 + edge(next)?,
            "is a directive that a cache puts something in place of",
        ),
        _ => return None,
    };
    let before = bytes.get(..start)?;
    let near = before.get(before.len().saturating_sub(2 * LONGEST)..)?;
    let shown = words(near, PROSE) >= PROSE || near.ends_with(b"`");
    Some((length, what, if shown { Notice } else { Critical }))
}

/// `#exec cmd="…"`, `#printenv -->`, behind a comment's beginning; `esi …` too.
fn comment(text: &[u8]) -> Option<usize> {
    if text.starts_with(b"esi") && !text.get(3)?.is_ascii_alphanumeric() {
        return Some(3);
    }
    // ASP takes blanks before the sign.
    let text_behind = text.trim_ascii_start();
    let rest = text_behind.strip_prefix(b"#")?;
    let length = rest.iter().position(|byte| !byte.is_ascii_alphabetic())?;
    let (name, behind) = rest.split_at_checked(length)?;
    let is = |other: &[u8]| name.eq_ignore_ascii_case(other);
    let given = behind.trim_ascii_start();
    let right = if is(b"printenv") {
        given.starts_with(b"-->")
    } else {
        const DIRECTIVES: [&[u8]; 10] = [
            b"exec",
            b"include",
            b"echo",
            b"config",
            b"fsize",
            b"flastmod",
            b"set",
            b"if",
            b"elif",
            b"block",
        ];
        behind.len() > given.len() && DIRECTIVES.iter().any(|known| is(known)) && attribute(given)
    };
    right.then_some(text.len() - given.len())
}

/// `name="…"`, `name='…'`, `name=…`.
fn attribute(text: &[u8]) -> bool {
    let name = text.iter().take_while(|byte| byte.is_ascii_lowercase());
    let name = name.count();
    let behind = text.get(name..).unwrap_or_default().trim_ascii_start();
    name > 0 && behind.starts_with(b"=")
}

/// `esi:include …>`, behind its `<`.
fn edge(text: &[u8]) -> Option<usize> {
    let rest = text.strip_prefix(b"/").unwrap_or(text);
    let head = rest.get(..4)?;
    if !head.eq_ignore_ascii_case(b"esi:") {
        return None;
    }
    let name = rest.get(4..)?;
    let length = name.iter().position(|byte| !byte.is_ascii_lowercase())?;
    let ends = matches!(
        name.get(length),
        Some(b'/' | b'>' | b' ' | b'\t' | b'\n' | b'\r')
    );
    (length > 1 && ends).then_some(5 + length)
}
