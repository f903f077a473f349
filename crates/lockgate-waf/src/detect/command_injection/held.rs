//! Commands that a variable holds which the same text sets.

use std::ops::Range;

use super::text::Text;

/// The longest name of a variable, and how far before its use it is looked for.
pub(super) const HELD: usize = 24;
const HELD_BEFORE: usize = 256;

/// The name of a variable, where it is set.
pub(super) type Set = Range<usize>;

/// `X=…; $X`: a command that is the variable which was set before.
pub(super) fn runs(text: &Text<'_>, here: usize, begin: usize) -> bool {
    let until = text.bytes.len().min(begin + HELD);
    let rest = text.bytes.get(text.solid(begin)..until);
    let Some(rest) = rest.unwrap_or_default().strip_prefix(b"$") else {
        return false;
    };
    let rest = rest.strip_prefix(b"{").unwrap_or(rest);
    let name = name(rest);
    if name.is_empty() {
        return false;
    }
    let mut known = text.set.borrow_mut();
    let (looked, known) = &mut *known;
    // Each place is looked at once, however many commands are variables.
    let oldest = here.saturating_sub(HELD_BEFORE);
    let mut at = oldest.max(*looked);
    while at < here {
        let begins = at == 0 || matches!(text.bytes.get(at - 1), Some(b';' | b'|' | b'&' | b'\n'));
        if let Some(set) = begins.then(|| set(text.bytes, at)).flatten() {
            known.push_back(set);
        }
        at += 1;
    }
    *looked = here.max(*looked);
    while known.front().is_some_and(|set| set.start < oldest) {
        known.pop_front();
    }
    known
        .iter()
        .any(|set| set.end + 1 < here && text.bytes.get(set.clone()) == Some(name))
}

fn name(text: &[u8]) -> &[u8] {
    let length = text
        .iter()
        .take(HELD)
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    text.get(..length.count()).unwrap_or_default()
}

/// The name of the variable that is set at `at`. A query's parameters and a program's
/// variables are set so too.
fn set(text: &[u8], at: usize) -> Option<Set> {
    let rest = text.get(at..)?;
    let name = name(rest);
    let value = rest.get(name.len() + 1)?;
    let sets = rest.get(name.len()) == Some(&b'=') && !matches!(value, b' ' | b'=' | b'>');
    (sets && !name.is_empty()).then(|| at..at + name.len())
}
