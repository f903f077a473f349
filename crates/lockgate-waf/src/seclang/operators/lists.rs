//! Lists that operators take: words, networks, bytes.

use std::net::IpAddr;

use crate::bytes::ByteSet;
use crate::seclang::codes::Code;
use crate::seclang::errors::Fault;
use crate::seclang::files::joined;
use crate::seclang::reader::Context;
use crate::seclang::text::{unescaped, Text};

fn bad<T>(at: usize, message: impl Into<String>) -> Result<T, Fault> {
    Err(Fault::new(at, Code::BadArgument, message))
}

/// One more member of a list: all lists together are bounded.
fn count(at: usize, context: &Context<'_>) -> Result<(), Fault> {
    match context.words.get().checked_sub(1) {
        Some(left) => {
            context.words.set(left);
            Ok(())
        }
        None => Err(Fault::new(
            at,
            Code::TooMuch,
            format!(
                "The lists of all operators have more than {} words together.",
                context.limits.words
            ),
        )),
    }
}

/// What spaces part; `|41 42|` are bytes, in hexadecimal digits.
pub(super) fn words(text: Text<'_>, context: &Context<'_>) -> Result<Vec<Box<[u8]>>, Fault> {
    let mut words = Vec::new();
    let mut word: Vec<u8> = Vec::new();
    let mut rest = text;
    while let Some(byte) = rest.bytes.first() {
        match byte {
            b'|' => {
                let Some((digits, after)) = rest.after(1).split_at_byte(b'|') else {
                    return bad(rest.at, "Words are parted by spaces. A bar begins bytes in hexadecimal digits, as in |3C 73|; to look for a bar, write |7C|.");
                };
                word.extend(hexadecimal(digits)?);
                rest = after;
            }
            byte if byte.is_ascii_whitespace() => {
                if !word.is_empty() {
                    count(text.at, context)?;
                    words.push(unescaped(&std::mem::take(&mut word), b"\"'").into());
                }
                rest = rest.after(1);
            }
            byte => {
                word.push(*byte);
                rest = rest.after(1);
            }
        }
    }
    if !word.is_empty() {
        count(text.at, context)?;
        words.push(unescaped(&word, b"\"'").into());
    }
    Ok(words)
}

fn hexadecimal(text: Text<'_>) -> Result<Vec<u8>, Fault> {
    let digits: Vec<u8> = text
        .bytes
        .iter()
        .copied()
        .filter(|b| !b.is_ascii_whitespace())
        .collect();
    let value = |digit: u8| char::from(digit).to_digit(16);
    let pairs = digits.chunks(2).map(|pair| match pair {
        [high, low] => u8::try_from(value(*high)? * 16 + value(*low)?).ok(),
        _ => None,
    });
    match pairs.collect::<Option<Vec<u8>>>() {
        Some(bytes) if !bytes.is_empty() => Ok(bytes),
        _ => bad(
            text.at,
            "Between bars stand bytes in hexadecimal digits, as in |3C 73|. Words are parted by spaces; to look for a bar, write |7C|.",
        ),
    }
}

/// The lines of files that are no comments, without white space around them.
fn lines(
    text: Text<'_>,
    context: &Context<'_>,
    mut each: impl FnMut(&[u8], &str, usize) -> Result<(), Fault>,
) -> Result<(), Fault> {
    for path in text.split(|b| b.is_ascii_whitespace()) {
        let shown = path.shown();
        let Ok(name) = std::str::from_utf8(path.bytes) else {
            return bad(path.at, "A file's name has to be UTF-8.");
        };
        if name.starts_with("http://") || name.starts_with("https://") {
            return bad(
                path.at,
                "Lists are not fetched while rules are read: fetch the file, and name it.",
            );
        }
        let Some(name) = joined(context.file, name) else {
            return Err(Fault::new(
                path.at,
                Code::PathOutside,
                format!("`{shown}` leaves the folder of the rules."),
            ));
        };
        let Some(bytes) = context.files.bytes(&name) else {
            return Err(Fault::new(
                path.at,
                Code::FileNotFound,
                format!("There is no file `{name}`. Its path is meant from the folder of the file that names it."),
            ));
        };
        if bytes.len() > context.limits.file_bytes {
            return Err(Fault::new(
                path.at,
                Code::TooMuch,
                format!(
                    "`{name}` has {} bytes; {} are allowed.",
                    bytes.len(),
                    context.limits.file_bytes
                ),
            ));
        }
        for line in bytes.split(|b| *b == b'\n') {
            let line = line.trim_ascii();
            if !line.is_empty() && line.first() != Some(&b'#') {
                count(path.at, context)?;
                each(line, &name, path.at)?;
            }
        }
    }
    Ok(())
}

/// The words of files, one a line; white space at its ends is no part of it, as
/// in ModSecurity 2.
pub(super) fn words_of_files(
    text: Text<'_>,
    context: &Context<'_>,
) -> Result<Vec<Box<[u8]>>, Fault> {
    let mut words = Vec::new();
    lines(text, context, |line, _, _| {
        words.push(line.into());
        Ok(())
    })?;
    if words.is_empty() {
        return bad(
            text.at,
            "There is no word in the file: nothing would ever match.",
        );
    }
    Ok(words)
}

/// Networks, parted by commas.
pub(super) fn networks(text: Text<'_>, context: &Context<'_>) -> Result<Vec<(IpAddr, u8)>, Fault> {
    let parts = text.split(|b| b == b',' || b.is_ascii_whitespace());
    parts
        .into_iter()
        .map(|part| {
            count(part.at, context)?;
            network(part.bytes).ok_or_else(|| not_a_network(part.at, &part.shown(), ""))
        })
        .collect()
}

/// Networks of files, one a line.
pub(super) fn networks_of_files(
    text: Text<'_>,
    context: &Context<'_>,
) -> Result<Vec<(IpAddr, u8)>, Fault> {
    let mut networks = Vec::new();
    lines(text, context, |line, file, at| {
        let line = line
            .split(|b| *b == b'#')
            .next()
            .unwrap_or_default()
            .trim_ascii();
        let shown = Text { bytes: line, at }.shown();
        networks.push(network(line).ok_or_else(|| not_a_network(at, &shown, file))?);
        Ok(())
    })?;
    Ok(networks)
}

fn not_a_network(at: usize, shown: &str, file: &str) -> Fault {
    let whence = if file.is_empty() {
        String::new()
    } else {
        format!(" in `{file}`")
    };
    Fault::new(
        at,
        Code::BadArgument,
        format!("`{shown}`{whence} is no network: write an address, or an address and a length as in 192.0.2.0/24 or 2001:db8::/32."),
    )
}

/// A network: its address, and how many bits of it count.
fn network(text: &[u8]) -> Option<(IpAddr, u8)> {
    let text = std::str::from_utf8(text).ok()?;
    let (address, length) = match text.split_once('/') {
        Some((address, length)) => (address, Some(length)),
        None => (text, None),
    };
    let address: IpAddr = address.parse().ok()?;
    let most = if address.is_ipv4() { 32 } else { 128 };
    let length = match length {
        Some(length) if length.bytes().all(|b| b.is_ascii_digit()) => length.parse().ok()?,
        Some(_) => return None,
        None => most,
    };
    (length <= most).then_some((address, length))
}

/// Numbers of bytes, and ranges of them.
pub(super) fn bytes(text: Text<'_>) -> Result<ByteSet, Fault> {
    let mut set = ByteSet::NONE;
    for part in text.split(|b| b == b',') {
        let number = |text: Text<'_>| text.trim().number().and_then(|n| u8::try_from(n).ok());
        let range = match part.split_at_byte(b'-') {
            Some((first, last)) => number(first).zip(number(last)),
            None => number(part).map(|byte| (byte, byte)),
        };
        match range {
            Some((first, last)) if first <= last => set = set.union(&ByteSet::range(first, last)),
            _ => {
                return bad(
                    part.at,
                    format!(
                    "`{}` is no range of bytes: write numbers from 0 to 255, as in 9,10,13,32-126.",
                    part.shown()
                ),
                )
            }
        }
    }
    Ok(set)
}
