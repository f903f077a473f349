//! Strings of JSON (RFC 8259 section 7).

use std::borrow::Cow;

/// Whether a string, between its quotes, is one.
pub fn check(text: &str) -> Option<()> {
    if text.bytes().all(|byte| byte >= 0x20 && byte != b'\\') {
        return Some(());
    }
    unescaped(text).map(drop)
}

/// A string without its escapes; `None` where it is none. Half of a surrogate pair is no letter.
pub fn unescaped(text: &str) -> Option<Cow<'_, str>> {
    if text.bytes().any(|byte| byte < 0x20) {
        return None;
    }
    if !text.contains('\\') {
        return Some(Cow::Borrowed(text));
    }
    let mut made = String::with_capacity(text.len());
    let mut rest = text;
    while let Some((before, after)) = rest.split_once('\\') {
        made.push_str(before);
        let escape = *after.as_bytes().first()?;
        rest = after.get(1..)?;
        made.push(match escape {
            b'"' => '"',
            b'\\' => '\\',
            b'/' => '/',
            b'b' => '\u{8}',
            b'f' => '\u{c}',
            b'n' => '\n',
            b'r' => '\r',
            b't' => '\t',
            b'u' => {
                let unit = hex(rest)?;
                rest = rest.get(4..)?;
                let code = match unit {
                    0xd800..0xdc00 => {
                        let low = rest.strip_prefix("\\u").and_then(hex)?;
                        rest = rest.get(6..)?;
                        let low = low.checked_sub(0xdc00).filter(|low| *low < 0x400)?;
                        0x1_0000 + ((unit - 0xd800) << 10) + low
                    }
                    unit => unit,
                };
                char::from_u32(code)?
            }
            _ => return None,
        });
    }
    made.push_str(rest);
    Some(Cow::Owned(made))
}

/// Four hexadecimal digits.
fn hex(text: &str) -> Option<u32> {
    let digits = text.get(..4)?;
    let plain = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    plain.then(|| u32::from_str_radix(digits, 16).ok())?
}
