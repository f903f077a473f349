//! Cookies as a request carries them (RFC 6265 section 5.4), read without a copy.

use http::header::COOKIE;
use http::{HeaderMap, HeaderValue};

/// A cookie of a line.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cookie<'h> {
    /// All of it, as it stands between two semicolons, without the blanks around it.
    pub pair: &'h [u8],
    /// What stands before the first `=`; all of it where there is none.
    pub name: &'h [u8],
    /// What stands behind that.
    pub value: Option<&'h [u8]>,
}

/// The cookies of one line, the empty ones too.
pub fn of_line(line: &HeaderValue) -> impl Iterator<Item = Cookie<'_>> {
    // By bytes: a line that is no text as a whole still has cookies that servers read.
    let mut rest = Some(line.as_bytes());
    std::iter::from_fn(move || {
        let text = rest?;
        let end = memchr::memchr(b';', text);
        rest = end.map(|end| &text[end + 1..]);
        let pair = text[..end.unwrap_or(text.len())].trim_ascii();
        let equals = memchr::memchr(b'=', pair);
        Some(Cookie {
            pair,
            name: pair[..equals.unwrap_or(pair.len())].trim_ascii_end(),
            value: equals.map(|equals| pair[equals + 1..].trim_ascii_start()),
        })
    })
}

/// The values of the cookies of this name.
pub fn cookies<'h, 'n>(
    headers: &'h HeaderMap,
    name: &'n str,
) -> impl Iterator<Item = &'h [u8]> + use<'h, 'n> {
    let lines = headers.get_all(COOKIE).iter();
    lines.flat_map(of_line).filter_map(move |cookie| {
        (cookie.name == name.as_bytes())
            .then_some(cookie.value)
            .flatten()
    })
}
