//! Whether a body that says it is a form is one.

use crate::bytes::ByteSet;

/// What a form is written with: all that may stand in a query (RFC 3986 section 3.4), and
/// brackets, which names of PHP and Rails have. A browser writes less than that.
const FORM: ByteSet = ByteSet::of(
    b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-._~!$&'()*+,;=:@/?%[]",
);

/// Whether it is a form by each of its bytes: one that is kept as it comes is a file to
/// whoever opens it, and what files are made of (blanks, lines, quotes, angle brackets,
/// letters beyond ASCII) no form has but behind a `%`.
pub fn is_form(bytes: &[u8]) -> bool {
    let escape = |at: usize| {
        let digits = bytes.get(at + 1..at + 3);
        digits.is_some_and(|digits| digits.iter().all(u8::is_ascii_hexdigit))
    };
    bytes.iter().all(|byte| FORM.contains(*byte))
        && memchr::memchr(b'=', bytes).is_some()
        && memchr::memchr_iter(b'%', bytes).all(escape)
}
