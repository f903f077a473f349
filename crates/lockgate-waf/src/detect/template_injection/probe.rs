//! Signs that are meant for whatever engine there is.

/// The shortest probe that is meant for all engines at once.
const PROBE: usize = 10;

/// Whether a sign stands before.
pub(super) fn signed(bytes: &[u8], start: usize) -> bool {
    let before = start.checked_sub(1).and_then(|at| bytes.get(at));
    before.is_some_and(u8::is_ascii_punctuation)
}

/// `${{<%[%'"}}%`: signs alone, by which at least three engines begin an expression.
pub(super) fn signs(text: &[u8]) -> Option<usize> {
    const OPENINGS: [&[u8]; 7] = [b"${", b"{{", b"<%", b"#{", b"{%", b"[%", b"@{"];
    let signs = text.iter().take_while(|byte| byte.is_ascii_punctuation());
    let length = signs.count();
    let signs = text.get(..length).filter(|signs| signs.len() >= PROBE)?;
    let begun = OPENINGS
        .iter()
        .filter(|opening| memchr::memmem::find(signs, opening).is_some());
    (begun.count() > 2).then_some(length)
}
