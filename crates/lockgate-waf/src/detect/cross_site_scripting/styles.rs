//! Styles, as browsers read them: which run a script, and which fetch something.

use super::html::{elsewhere, LONGEST_LINK};
use super::script;

/// Whether styles run a script or fetch more of them.
pub(super) fn run(css: &[u8]) -> bool {
    let has = |word: &[u8]| contains(css, word);
    has(b"@import")
        || has(b"expression(")
        || has(b"-moz-binding")
        || has(b"behavior:")
        || has(b"javascript:")
        || has(b"\\65xpression(")
}

/// Whether styles fetch something from another host.
pub(super) fn fetches(css: &[u8]) -> bool {
    memchr::memchr_iter(b'(', css).any(|at| {
        let head = css.get(at.saturating_sub(3)..at).unwrap_or_default();
        let link = css.get(at + 1..).unwrap_or_default().trim_ascii_start();
        let link = link
            .strip_prefix(b"\"")
            .or(link.strip_prefix(b"'"))
            .unwrap_or(link);
        head.eq_ignore_ascii_case(b"url")
            && elsewhere(link.get(..link.len().min(16)).unwrap_or_default())
    })
}

/// Whether styles without a tag around them run a script or fetch something.
pub(super) fn bare(css: &[u8]) -> bool {
    let near = |text: &[u8]| -> bool {
        let text = text.get(..text.len().min(LONGEST_LINK)).unwrap_or_default();
        script::begins(text) && script::calls_page(text)
    };
    let [expression, binding, behavior, import] = behind_styles(css);
    expression.is_some_and(near)
        || binding.is_some()
        || behavior.is_some()
        || import.is_some_and(|rest| {
            let rest = rest.trim_ascii_start();
            let rest = rest.strip_prefix(b"url(").unwrap_or(rest);
            elsewhere(
                rest.strip_prefix(b"\"")
                    .or(rest.strip_prefix(b"'"))
                    .unwrap_or(rest),
            )
        })
}

/// Whether a word stands in the text, without case, comments, blanks and backslashes.
pub(super) fn contains(text: &[u8], word: &[u8]) -> bool {
    behind(text, word).is_some()
}

/// What stands behind a word, the first time that it is there.
fn behind<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let (Some(&first), false) = (word.first(), text.len() < word.len()) else {
        return None;
    };
    let mut at = 0;
    while let Some(skip) = text
        .get(at..)
        .and_then(|rest| memchr::memchr3(first, first.to_ascii_uppercase(), b'\\', rest))
    {
        at += skip;
        let rest = text.get(at..).unwrap_or_default();
        let begins = rest.strip_prefix(b"\\").is_none_or(|rest| {
            escaped(rest).is_some_and(|(byte, _)| byte.eq_ignore_ascii_case(&first))
        });
        if let Some(rest) = begins.then(|| follows(rest, word)).flatten() {
            return Some(rest);
        }
        at += 1;
    }
    None
}

/// What runs a script or fetches something in styles.
const STYLES: [&[u8]; 4] = [
    b"expression(",
    b"-moz-binding:url(",
    b"behavior:url(",
    b"@import",
];

/// Bytes that one of these may begin with.
static STYLES_BEGIN: [bool; 256] = {
    let mut table = [false; 256];
    table[b'\\' as usize] = true;
    let mut at = 0;
    while at < STYLES.len() {
        table[STYLES[at][0] as usize] = true;
        table[STYLES[at][0].to_ascii_uppercase() as usize] = true;
        at += 1;
    }
    table
};

/// What stands behind each of [`STYLES`], as [`behind`] finds it, in one pass.
fn behind_styles(css: &[u8]) -> [Option<&[u8]>; STYLES.len()] {
    let mut found = [None; STYLES.len()];
    let begins = |byte: &u8| STYLES_BEGIN[usize::from(*byte)];
    let mut rest = css;
    while let Some(at) = rest.iter().position(begins) {
        rest = rest.get(at..).unwrap_or_default();
        let first = match rest {
            [b'\\', behind @ ..] => escaped(behind).map(|(byte, _)| byte),
            _ => rest.first().copied(),
        };
        for (word, found) in STYLES.iter().zip(&mut found) {
            let begins = first.is_some_and(|first| word.starts_with(&[first.to_ascii_lowercase()]));
            if begins && found.is_none() {
                *found = follows(rest, word);
            }
        }
        rest = rest.get(1..).unwrap_or_default();
    }
    found
}

/// How much may stand between the letters of a word.
const LONGEST_GAP: usize = 64;

fn follows<'a>(text: &'a [u8], word: &[u8]) -> Option<&'a [u8]> {
    let mut text = text;
    let mut gap = 0;
    for &letter in word {
        loop {
            match text {
                [byte, rest @ ..] if byte.eq_ignore_ascii_case(&letter) => {
                    text = rest;
                    break;
                }
                [b'/', b'*', rest @ ..] => {
                    let near = rest.get(..rest.len().min(LONGEST_GAP)).unwrap_or_default();
                    let end = memchr::memmem::find(near, b"*/")?;
                    gap += end;
                    text = rest.get(end + 2..).unwrap_or_default();
                }
                [b'\\', rest @ ..] => match escaped(rest) {
                    Some((byte, behind)) if byte.eq_ignore_ascii_case(&letter) => {
                        gap += 1;
                        text = behind;
                        break;
                    }
                    _ => {
                        gap += 1;
                        text = rest;
                    }
                },
                [0..=b' ', rest @ ..] => {
                    gap += 1;
                    text = rest;
                }
                _ => return None,
            }
            if gap > LONGEST_GAP {
                return None;
            }
        }
    }
    Some(text)
}

/// A letter in hexadecimal digits, as styles write it behind a backslash, and
/// what stands behind it.
fn escaped(text: &[u8]) -> Option<(u8, &[u8])> {
    let mut digits = 0;
    let mut number = 0;
    while let Some(digit) = text
        .get(digits)
        .filter(|_| digits < 6)
        .and_then(|byte| char::from(*byte).to_digit(16))
    {
        number = number << 4 | digit;
        digits += 1;
    }
    if digits == 0 {
        return None;
    }
    let byte = u8::try_from(number).ok()?;
    let behind = text.get(digits..)?;
    let behind = match behind {
        [b' ' | b'\t' | b'\n', rest @ ..] => rest,
        _ => behind,
    };
    Some((byte, behind))
}
