//! Credentials of Lockgate's own that stand where they do not belong, in a path
//! or a user agent, are not written down.

use std::borrow::Cow;

/// What stands in a credential's place, behind its beginning.
const BLOT: &[u8] = b"[secret]";
/// Letters of a key's environment, at most.
const ENVIRONMENT: usize = 16;
/// Characters behind a beginning that make it a secret: half of a key's, since
/// a mistyped or broken key gives much of the right one away.
const SECRET: usize = 19;

/// `text` without the secret part of keys and admin tokens, also of mistyped
/// ones. A text in which triplets (`%5F`) hide one comes back without triplets.
#[must_use]
pub fn blotted(text: &[u8]) -> Cow<'_, [u8]> {
    if memchr::memchr(b'%', text).is_some() {
        if let Some(out) = without_secrets(&decoded(text)) {
            return Cow::Owned(out);
        }
    }
    without_secrets(text).map_or(Cow::Borrowed(text), Cow::Owned)
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

/// What is left, if there was a secret.
fn without_secrets(text: &[u8]) -> Option<Vec<u8>> {
    let mut out = Vec::new();
    let mut kept = 0;
    // Each begins `lg_` or `lgadm_`, and few texts have one of these characters at all.
    for line in memchr::memchr2_iter(b'_', b'-', text) {
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
        return None;
    }
    out.extend_from_slice(&text[kept..]);
    Some(out)
}

/// Where the secret part of the credential begins and ends with which `text` begins.
fn credential(text: &[u8]) -> Option<(usize, usize)> {
    let run = |from: usize, is: fn(&u8) -> bool| text[from..].iter().take_while(|c| is(c)).count();
    let (secret, length) = if begins(text, b"lgadm") {
        let secret = "lgadm_".len();
        (secret, run(secret, |c| of_key(c) || is_line(c)))
    } else if begins(text, b"lg") {
        let environment = run(3, u8::is_ascii_alphabetic);
        let end = 3 + environment;
        let named = (1..=ENVIRONMENT).contains(&environment);
        if !(named && text.get(end).is_some_and(is_line)) {
            return None;
        }
        (end + 1, run(end + 1, of_key))
    } else {
        return None;
    };
    (length >= SECRET).then_some((secret, secret + length))
}

/// Whether `text` begins with `name` and a line, in any case.
fn begins(text: &[u8], name: &[u8]) -> bool {
    let beginning = text.get(..name.len());
    beginning.is_some_and(|beginning| beginning.eq_ignore_ascii_case(name))
        && text.get(name.len()).is_some_and(is_line)
}

/// A triplet that is no character of a key is one that broke it.
const fn of_key(byte: &u8) -> bool {
    byte.is_ascii_alphanumeric() || *byte == b'%'
}

const fn is_line(byte: &u8) -> bool {
    matches!(*byte, b'_' | b'-')
}

/// `text` with the triplets undone that stand for characters of a key.
fn decoded(text: &[u8]) -> Vec<u8> {
    let digit = |at: usize| char::from(*text.get(at)?).to_digit(16);
    let triplet = |at: usize| u8::try_from(digit(at + 1)? << 4 | digit(at + 2)?).ok();
    let mut out = Vec::with_capacity(text.len());
    let mut at = 0;
    while let Some(byte) = text.get(at) {
        let value = Some(at)
            .filter(|_| *byte == b'%')
            .and_then(triplet)
            .filter(|value| value.is_ascii_alphanumeric() || is_line(value));
        out.push(value.unwrap_or(*byte));
        at += if value.is_some() { 3 } else { 1 };
    }
    out
}

#[cfg(test)]
mod tests;
