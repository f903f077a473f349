//! `Max-Forwards`: how many servers an OPTIONS or a TRACE may still pass (RFC 9110
//! section 7.6.2). Each takes one off, and the last one answers itself.

use http::header::MAX_FORWARDS;
use http::{HeaderMap, HeaderValue, Method, Response, StatusCode};

/// A longer number is taken for this one: no way is so long.
const MOST: u32 = 999_999_999;
const DIGITS: usize = 9;

/// Takes one hop off; whether the last one was here, so that the request goes no further.
///
/// Of several values the least holds. What is no number says nothing, and is left as it came.
#[must_use]
pub fn ends_here(headers: &mut HeaderMap) -> bool {
    let said = headers.get_all(MAX_FORWARDS).iter().map(hops);
    let Some(least) = said.min().flatten() else {
        return false;
    };
    let Some(left) = least.checked_sub(1) else {
        return true;
    };
    headers.insert(MAX_FORWARDS, HeaderValue::from(left));
    false
}

/// What the last one says: that it is there, or that it reflects no request (TRACE), which would show
/// scripts of a browser what they may not see.
#[must_use]
pub fn last_word(method: &Method) -> Response<Vec<u8>> {
    let mut answer = Response::default();
    if method == Method::TRACE {
        *answer.status_mut() = StatusCode::NOT_IMPLEMENTED;
    }
    answer
}

/// Nothing for what is no number, which is less than any: one such value spoils them all.
fn hops(value: &HeaderValue) -> Option<u32> {
    let digits = value.as_bytes();
    if digits.is_empty() || !digits.iter().all(u8::is_ascii_digit) {
        return None;
    }
    if digits.len() > DIGITS {
        return Some(MOST);
    }
    value.to_str().ok()?.parse().ok()
}

#[cfg(test)]
mod tests;
