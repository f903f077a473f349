//! A value that a program takes for an option, which names a command to run.

use crate::detect::prose::words;

/// A longer value is no option.
const LONGEST: usize = 512;
/// So many words are text about options.
const PROSE: usize = 4;

/// `--upload-pack=id`, `-oProxyCommand=…`, `--checkpoint-action=exec=…`.
pub(super) fn runs(text: &[u8]) -> bool {
    if text.len() > LONGEST || text.first() != Some(&b'-') || words(text, PROSE) >= PROSE {
        return false;
    }
    let Some(equals) = memchr::memchr(b'=', text) else {
        return false;
    };
    let name = text.get(..equals).unwrap_or_default();
    let given = text
        .get(equals + 1..)
        .unwrap_or_default()
        .trim_ascii_start();
    // What the option's value is for: the last word of its name.
    const ENDS: [&[u8]; 15] = [
        b"command",
        b"program",
        b"cmd",
        b"exec",
        b"upload-pack",
        b"receive-pack",
        b"rsh",
        b"pager",
        b"fsmonitor",
        b"hookspath",
        b"checkpoint-action",
        b"launcher",
        b"prefix-cmd",
        b"cmd-prefix",
        b"interpreter",
    ];
    let named = ENDS.iter().any(|end| {
        let at = name.len().checked_sub(end.len());
        at.and_then(|at| name.get(at..))
            .is_some_and(|last| last.eq_ignore_ascii_case(end))
    });
    let plain = name
        .iter()
        .all(|byte| byte.is_ascii_alphanumeric() || matches!(byte, b'-' | b'_' | b'.' | b' '));
    named && plain && !given.is_empty() && !given.starts_with(b"<")
}
