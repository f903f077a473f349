//! What PHP's `serialize` writes.

use super::Found;
use crate::rule::Severity;

/// The longest name of a class.
const NAME: usize = 200;
/// Digits of a length.
const DIGITS: usize = 10;

/// The first object in the text: `O:8:"stdClass":1:{`, `C:…`, with a length that fits.
pub(super) fn object(text: &[u8]) -> Option<Found> {
    let mut from = 0;
    while let Some(found) = memchr::memchr2(b'O', b'C', text.get(from..)?) {
        let at = from + found;
        from = at + 1;
        let starts = at
            .checked_sub(1)
            .and_then(|before| text.get(before))
            .is_none_or(|byte| !byte.is_ascii_alphanumeric());
        if starts && text.get(at + 1) == Some(&b':') && is_object(text.get(at + 2..)?) {
            return Some((at, "is a serialised object of PHP", Severity::Critical));
        }
    }
    None
}

/// `8:"stdClass":1:{`, after `O:`. PHP takes a sign before a number.
fn is_object(rest: &[u8]) -> bool {
    let read = || -> Option<bool> {
        let (length, rest) = number(rest)?;
        let rest = rest.strip_prefix(b":")?;
        let (quote, rest) = match rest {
            [b'\\', b'"', rest @ ..] => (&b"\\\""[..], rest),
            [b'"', rest @ ..] => (&b"\""[..], rest),
            _ => return None,
        };
        let name = rest
            .iter()
            .take(NAME)
            .position(|byte| *byte == b'"' || *byte == b'\\' && quote.len() > 1)?;
        let rest = rest.get(name..)?.strip_prefix(quote)?;
        let rest = rest.strip_prefix(b":")?;
        let (_, rest) = number(rest)?;
        let rest = rest.strip_prefix(b":")?;
        // A length that does not fit is PHP's to refuse, unless the text was escaped on its way.
        Some(rest.starts_with(b"{") && (name == length || name > 0 && length < NAME))
    };
    read().unwrap_or(false)
}

fn number(text: &[u8]) -> Option<(usize, &[u8])> {
    let text = text.strip_prefix(b"+").unwrap_or(text);
    let digits = text
        .iter()
        .take(DIGITS)
        .take_while(|byte| byte.is_ascii_digit())
        .count();
    let value = text
        .get(..digits)
        .filter(|digits| !digits.is_empty())?
        .iter()
        .fold(0usize, |value, digit| {
            value
                .saturating_mul(10)
                .saturating_add(usize::from(digit - b'0'))
        });
    Some((value, text.get(digits..)?))
}
