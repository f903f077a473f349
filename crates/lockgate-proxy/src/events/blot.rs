//! Credentials of Lockgate's own that stand where they do not belong, in a path
//! or a user agent, are not written down.

use std::borrow::Cow;

/// What stands in a credential's place, behind its beginning.
const BLOT: &[u8] = b"[secret]";
/// Characters of a key's environment, at most, and of what follows it.
const ENVIRONMENT: usize = 16;
const KEY: usize = 38;
/// Characters of an admin token that make it one.
const TOKEN: usize = 20;

/// `text` without the secret part of keys and admin tokens, also of mistyped ones.
#[must_use]
pub fn blotted(text: &[u8]) -> Cow<'_, [u8]> {
    let mut out = Vec::new();
    let mut kept = 0;
    // Each begins `lg_` or `lgadm_`, and few texts have a `_` at all.
    for line in memchr::memchr_iter(b'_', text) {
        let begin = [2, 5].into_iter().find_map(|length| {
            let begin = line.checked_sub(length).filter(|begin| *begin >= kept)?;
            Some((begin, credential(&text[begin..])?))
        });
        if let Some((begin, (secret, end))) = begin {
            out.extend_from_slice(&text[kept..begin + secret]);
            out.extend_from_slice(BLOT);
            kept = begin + end;
        }
    }
    if kept == 0 {
        return Cow::Borrowed(text);
    }
    out.extend_from_slice(&text[kept..]);
    Cow::Owned(out)
}

/// The same of what is text.
#[must_use]
pub fn blotted_text(text: &str) -> Cow<'_, str> {
    match blotted(text.as_bytes()) {
        Cow::Borrowed(_) => Cow::Borrowed(text),
        // Only ASCII was taken out.
        Cow::Owned(bytes) => String::from_utf8(bytes).unwrap_or_default().into(),
    }
}

/// Where the secret part of the credential begins and ends with which `text` begins.
fn credential(text: &[u8]) -> Option<(usize, usize)> {
    let run = |from: usize, is: fn(&u8) -> bool| text[from..].iter().take_while(|c| is(c)).count();
    if text.starts_with(b"lgadm_") {
        let length = run(6, |c| c.is_ascii_alphanumeric() || matches!(c, b'_' | b'-'));
        return (length >= TOKEN).then_some((6, 6 + length));
    }
    if !text.starts_with(b"lg_") {
        return None;
    }
    let environment = run(3, u8::is_ascii_lowercase);
    let secret = 3 + environment + 1;
    let named = (1..=ENVIRONMENT).contains(&environment) && text.get(secret - 1) == Some(&b'_');
    let length = if named {
        run(secret, u8::is_ascii_alphanumeric)
    } else {
        0
    };
    (length >= KEY).then_some((secret, secret + length))
}

#[cfg(test)]
mod tests;
