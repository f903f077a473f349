//! LDAP injection: a value that ends its place in a search filter and adds to it.
//!
//! **What it stops.** In `(&(uid=VALUE)(userPassword=…))` the value
//! `*)(uid=*))(|(uid=*` changes what is asked.
//!
//! **How it decides.** By the grammar of filters (RFC 4515): the value closes a
//! parenthesis that it did not open, and goes on with a filter: an operator
//! (`&`, `|`, `!`) and a filter, or an attribute's name, a comparison and a
//! value; or it ends the filter there with a null byte. A value that is a whole
//! filter, with several parts, is only a hint.
//!
//! **What it lets pass.** Parentheses in prose, telephone numbers, code whose
//! parentheses pair, lists (`1) first (a)`), emoticons.
//!
//! **Limits.** A value that only has `*` is what many searches want: it is no
//! finding.

use super::{Detector, Finding, Value, Where};
use crate::bytes::ByteSet;
use crate::rule::Severity::{self, Critical, Error, Warning};

/// The detector.
pub static DETECTOR: Detector = Detector {
    name: "ldap-injection",
    title: "A value ends its place in an LDAP filter and adds to it",
    severity: Severity::Critical,
    tag: "attack-ldap",
    places: Where::VALUES,
    needs: &[ByteSet::of(b"()"), ByteSet::of(b"&|!*=\0%")],
    min_len: 3,
    unwraps: true,
    find,
};

fn find(value: &Value<'_>) -> Option<Finding> {
    let bytes = value.bytes;
    let first = memchr::memchr2(b'(', b')', bytes)?;
    let mut depth: usize = 0;
    let mut best: Option<Finding> = None;
    for (at, byte) in bytes.iter().enumerate().skip(first) {
        match byte {
            b'(' => {
                if depth == 0 {
                    // `*(|(mail=*))`: an operator's filter is added as it stands.
                    let behind = bytes.get(at + 1..).unwrap_or_default();
                    keep(
                        &mut best,
                        at,
                        operator(behind).map(|end| (at + 1 + end, at > 0 || secret(behind))),
                    );
                }
                depth += 1;
            }
            b')' if depth > 0 => depth -= 1,
            b')' => {
                let verdict = breaks_out(bytes, at);
                if let Some(found) = verdict {
                    return Some(found);
                }
            }
            _ => {}
        }
    }
    best
}

fn keep(best: &mut Option<Finding>, at: usize, found: Option<(usize, bool)>) {
    if let (None, Some((end, behind))) = (&best, found) {
        *best = Some(Finding {
            at: at..end,
            what: "adds an operator's filter",
            severity: Some(if behind { Critical } else { Warning }),
        });
    }
}

/// What stands behind a parenthesis that closes what the value did not open.
fn breaks_out(bytes: &[u8], at: usize) -> Option<Finding> {
    let prefix = bytes.get(..at).unwrap_or_default();
    let starred = prefix.last() == Some(&b'*');
    let mut rest = bytes.get(at..).unwrap_or_default();
    let mut closed = 0;
    // More parentheses than this no query has around a value.
    const MOST_CLOSED: usize = 32;
    while let [b')', behind @ ..] = rest {
        closed += 1;
        rest = behind;
        if closed == MOST_CLOSED {
            break;
        }
    }
    let end = |rest: &[u8]| bytes.len() - rest.len();
    let found = |end, severity| {
        Some(Finding {
            at: at..end,
            what: "ends a filter's value and adds a filter",
            severity: Some(severity),
        })
    };
    match rest {
        [0, ..] | [b'%', b'0', b'0', ..] => found(end(rest) + 1, Critical),
        [] if starred => found(bytes.len(), Error),
        [b'(', behind @ ..] => {
            if let Some(length) = operator(behind) {
                return found(end(behind) + length, Critical);
            }
            // `)(*`, `)(|(*`, `)(&`: a filter begins, and the rest of the query goes on with it.
            let operators = behind.iter().take(MOST_CLOSED);
            let first = operators.copied().find(|byte| !b"(|&!".contains(byte));
            // An operator that the query's own rest becomes a part of.
            let opened = behind.first().is_some_and(|byte| b"|&!".contains(byte));
            let ended = opened && matches!(first, None | Some(b')'));
            if (first == Some(b'*') || ended) && !prefix.contains(&b' ') {
                return found(end(behind) + 1, Critical);
            }
            // `((|attribute=`: a filter that is put together badly is one to lenient servers.
            let mut inner = behind;
            while let [b'(' | b'|' | b'&' | b'!', next @ ..] = inner {
                if behind.len() - inner.len() > MOST_CLOSED {
                    break;
                }
                inner = next;
            }
            let (length, value) = comparison(inner)?;
            let sure = starred || value.first() == Some(&b'*') || inner.len() < behind.len();
            let at_end = memchr::memchr(b' ', value).is_none();
            let severity = match (sure, at_end && length > 2) {
                (true, _) | (_, true) => Critical,
                _ => Warning,
            };
            found(end(inner) + length, severity)
        }
        [b'&' | b'|' | b'!', b'(', ..] => found(end(rest) + 2, Critical),
        _ => None,
    }
}

/// `|(a=b`, `&)`, `!(a=b`: how long, behind the parenthesis.
fn operator(behind: &[u8]) -> Option<usize> {
    match behind {
        [b'&' | b'|', b')', ..] => Some(2),
        [b'&' | b'|' | b'!', b'(', rest @ ..] => {
            let (length, _) = comparison(rest).or_else(|| match rest {
                [b'&' | b'|' | b'!', b'(', inner @ ..] => comparison(inner),
                _ => None,
            })?;
            Some(2 + length)
        }
        _ => None,
    }
}

/// Whether a filter asks for a password: directories compare these, and nobody looks for them.
fn secret(filter: &[u8]) -> bool {
    let near = filter.get(..LONGEST_FILTER).unwrap_or(filter);
    memchr::memchr_iter(b'(', near).any(|open| {
        let rest = near.get(open + 1..).unwrap_or_default();
        comparison(rest).is_some_and(|(length, _)| {
            let name = rest.get(..length).unwrap_or_default();
            name.windows(8)
                .any(|word| word.eq_ignore_ascii_case(b"password"))
        })
    })
}

/// A filter is looked at so far for what it asks.
const LONGEST_FILTER: usize = 256;

/// A longer name of an attribute is none.
const LONGEST_ATTRIBUTE: usize = 64;

/// `attribute=`, `attribute>=`, `attribute:rule:=`, and what stands behind it.
fn comparison(text: &[u8]) -> Option<(usize, &[u8])> {
    let name = text
        .iter()
        .take(LONGEST_ATTRIBUTE)
        .take_while(|byte| byte.is_ascii_alphanumeric() || b"-;.:".contains(byte))
        .count();
    if name == 0 {
        return None;
    }
    match text.get(name..)? {
        [b'=', value @ ..] => Some((name + 1, value)),
        [b'~' | b'<' | b'>', b'=', value @ ..] => Some((name + 2, value)),
        _ => None,
    }
}

#[cfg(test)]
mod tests;
