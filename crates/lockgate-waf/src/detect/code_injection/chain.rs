//! A statement that is a chain of names, members and calls.

use super::names::does;

/// Longer chains are nobody's probe.
const LINKS: usize = 32;

/// Reads a chain at the beginning of the text: how long it is and what it does, where something in it runs.
pub(super) fn runs(text: &[u8]) -> Option<(usize, &'static str)> {
    let mut rest = keyword(text);
    let mut found = None;
    let mut before: &[u8] = b"";
    for _ in 0..LINKS {
        let length = rest
            .iter()
            .position(|byte| !(byte.is_ascii_alphanumeric() || matches!(byte, b'_' | b'\\')))
            .unwrap_or(rest.len());
        let (name, behind) = rest.split_at_checked(length)?;
        let mut behind = behind;
        let mut called = false;
        while let [open @ (b'(' | b'['), ..] = behind {
            let inner = within(behind)?;
            called |= *open == b'(' && does(name, before, inner);
            if called {
                found = found.or(Some("calls what runs commands or code, or reads files"));
            }
            if *open == b'(' && name.is_empty() && inner.is_empty() && found.is_none() {
                return None;
            }
            behind = behind.get(inner.len() + 2..)?;
        }
        before = name;
        rest = match behind {
            [b'.', next @ ..]
            | [b':', b':', next @ ..]
            | [b'-', b'>', next @ ..]
            | [b'?', b'.', next @ ..] => next,
            _ => {
                rest = behind;
                break_off(rest)?;
                return found.map(|what| (text.len() - rest.len(), what));
            }
        };
    }
    None
}

/// Past `return`, `echo`, `print`, `new`, `throw`, `await`, `var x =`.
fn keyword(text: &[u8]) -> &[u8] {
    const WORDS: [&[u8]; 7] = [
        b"return ", b"echo ", b"print ", b"new ", b"throw ", b"await ", b"die ",
    ];
    let word = WORDS.iter().find_map(|word| text.strip_prefix(*word));
    word.map_or(text, |rest| rest.trim_ascii_start())
}

/// What a statement may end with.
fn break_off(rest: &[u8]) -> Option<()> {
    match rest.trim_ascii_start() {
        []
        | [b';' | b'\'' | b'"' | b')' | b'}' | b'#' | b'.' | b'+' | b'|' | b'&' | b',' | b'%'
        | b'?', ..]
        | [b'/' | b'-', ..] => Some(()),
        _ => None,
    }
}

/// What stands between a parenthesis and its partner, strings read as strings.
fn within(text: &[u8]) -> Option<&[u8]> {
    let mut depth = 0_usize;
    let mut quote = None;
    let mut escaped = false;
    for (at, byte) in text.iter().enumerate() {
        match (quote, byte) {
            _ if escaped => escaped = false,
            (Some(_), b'\\') => escaped = true,
            (Some(end), byte) if end == *byte => quote = None,
            (Some(_), _) => {}
            (None, b'\'' | b'"' | b'`') => quote = Some(*byte),
            (None, b'(' | b'[' | b'{') => depth += 1,
            (None, b')' | b']' | b'}') => {
                depth = depth.checked_sub(1)?;
                if depth == 0 {
                    return text.get(1..at);
                }
            }
            _ => {}
        }
    }
    None
}
