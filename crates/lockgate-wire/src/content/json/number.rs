//! Numbers, as RFC 8259, 6 writes them. Their value is nobody's business here.

use crate::content::{reasons, Flaw};

/// Where the number that begins at `start` ends.
pub(super) fn end(body: &[u8], start: usize) -> Result<usize, Flaw> {
    let at = |at: usize| body.get(at).copied();
    let mut next = start + usize::from(at(start) == Some(b'-'));
    match at(next) {
        Some(b'0') => next += 1,
        Some(b'1'..=b'9') => next = digits(body, next),
        _ => return broken(body, next),
    }
    if at(next) == Some(b'.') {
        next = some_digits(body, next + 1)?;
    }
    if let Some(b'e' | b'E') = at(next) {
        next += 1 + usize::from(matches!(at(next + 1), Some(b'+' | b'-')));
        next = some_digits(body, next)?;
    }
    match at(next) {
        Some(b'0'..=b'9' | b'a'..=b'z' | b'A'..=b'Z' | b'.' | b'+' | b'-' | b'_') => {
            broken(body, next)
        }
        _ => Ok(next),
    }
}

fn digits(body: &[u8], mut at: usize) -> usize {
    while let Some(b'0'..=b'9') = body.get(at) {
        at += 1;
    }
    at
}

fn some_digits(body: &[u8], at: usize) -> Result<usize, Flaw> {
    match digits(body, at) {
        end if end > at => Ok(end),
        _ => broken(body, at),
    }
}

fn broken(body: &[u8], at: usize) -> Result<usize, Flaw> {
    Err(match at < body.len() {
        true => Flaw::new(&reasons::JSON_NUMBER, at),
        false => Flaw::new(&reasons::JSON_END, at),
    })
}
