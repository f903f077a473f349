//! Cookies as rules read them: between `;`, a name before the first `=`, nothing decoded.

use super::{Progress, Sink};

/// Tells the cookies of one `Cookie` field.
///
/// As in ModSecurity, whitespace before a name is left out, and behind the last
/// value; all else stays. A pair without a name is told too, since browsers
/// send such (RFC 6265bis, 5.7), and with an empty name.
pub fn read<S: Sink + ?Sized>(field: &[u8], sink: &mut S) -> Progress {
    let field = trimmed_end(field);
    for text in field.split(|byte| *byte == b';') {
        let text = text.trim_ascii_start();
        if text.is_empty() {
            continue;
        }
        let (name, value) = match memchr::memchr(b'=', text) {
            Some(at) => (&text[..at], &text[at + 1..]),
            None => (text, &[][..]),
        };
        if !sink.pair(name, value) {
            return Progress::Stopped;
        }
    }
    Progress::Done
}

fn trimmed_end(field: &[u8]) -> &[u8] {
    let end = field.iter().rposition(|byte| !matches!(byte, b' ' | b'\t'));
    &field[..end.map_or(0, |last| last + 1)]
}
