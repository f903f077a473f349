//! Commands that a variable holds which the same text sets.

/// The longest name of a variable, and how far before its use it is looked for.
pub(super) const HELD: usize = 24;
const HELD_BEFORE: usize = 256;

/// `X=…; $X`: a command that is the variable which was set before.
pub(super) fn runs(text: &[u8], here: usize, begin: usize) -> bool {
    let rest = text.get(begin..).unwrap_or_default();
    let rest = rest.get(..HELD).unwrap_or(rest).trim_ascii_start();
    let Some(rest) = rest.strip_prefix(b"$") else {
        return false;
    };
    let rest = rest.strip_prefix(b"{").unwrap_or(rest);
    let length = rest
        .iter()
        .take_while(|byte| byte.is_ascii_alphanumeric() || **byte == b'_');
    let name = rest.get(..length.count()).unwrap_or_default();
    let before = text
        .get(here.saturating_sub(HELD_BEFORE)..here)
        .unwrap_or_default();
    let mut from = 0;
    while let Some(found) = before
        .get(from..)
        .and_then(|rest| memchr::memchr(b'=', rest))
    {
        let at = from + found;
        from = at + 1;
        let said = before.get(..at).unwrap_or_default();
        let Some(said) = said.strip_suffix(name).filter(|_| !name.is_empty()) else {
            continue;
        };
        // A query's parameters and a program's variables are set so too.
        let set = matches!(said.last(), None | Some(b';' | b'|' | b'&' | b'\n'));
        let value = before.get(at + 1).copied();
        if set && value.is_some_and(|byte| !matches!(byte, b' ' | b'=' | b'>')) {
            return true;
        }
    }
    false
}
