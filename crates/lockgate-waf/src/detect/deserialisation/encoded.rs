//! Streams in base64 or hexadecimal, and what is packed within.

use lockgate_wire::coding;

use super::{plain, Found};

/// Bytes that are decoded or unpacked: a stream tells what it is at its beginning.
const ROOM: usize = 768;
/// Shorter texts hold no stream.
const SHORTEST: usize = 12;

/// What the text is by its beginning, as it stands or behind an encoding.
pub(super) fn begins(text: &[u8]) -> Option<Found> {
    if let Some(found) = plain(text).or_else(|| packed(text)) {
        return Some(found);
    }
    let mut room = [0; ROOM];
    let decoded = base64(text, &mut room)?;
    let (_, what, severity) = plain(decoded).or_else(|| packed(decoded))?;
    Some((0, what, severity))
}

/// Within gzip or zlib.
fn packed(text: &[u8]) -> Option<Found> {
    let mut room = [0; ROOM];
    let length = coding::peek(text, &mut room)?;
    let (_, what, severity) = plain(room.get(..length)?)?;
    Some((0, what, severity))
}

/// What the text is decoded, as far as there is room, if it begins as what is looked for does.
fn base64<'a>(text: &[u8], room: &'a mut [u8; ROOM]) -> Option<&'a [u8]> {
    let text = bare(text);
    if text.len() < SHORTEST {
        return None;
    }
    hexadecimal(text, room)
        .or_else(|| sixes(text, room))
        .and_then(|length| room.get(..length))
}

/// Without what readers of base64 pass over: blanks and quotes around it, and
/// what says that it is (`data:;base64,`).
fn bare(text: &[u8]) -> &[u8] {
    let quote = |byte: &u8| matches!(byte, b'"' | b'\'' | b'`');
    let text = text.trim_ascii();
    let text = match text {
        [open, inner @ .., close] if open == close && quote(open) => inner.trim_ascii(),
        _ => text,
    };
    let data = text
        .get(..5)
        .is_some_and(|begin| begin.eq_ignore_ascii_case(b"data:"));
    let comma = memchr::memchr(b',', text.get(..128).unwrap_or(text)).filter(|_| data);
    comma
        .and_then(|comma| text.get(comma + 1..))
        .unwrap_or(text)
        .trim_ascii()
}

/// Base64 in either alphabet.
fn sixes(text: &[u8], room: &mut [u8; ROOM]) -> Option<usize> {
    // Java's, a pickle's version or the list that it begins with, Ruby's, PHP's objects and arrays, a pickle that begins with
    // a name or a mark, gzip, zlib, LosFormatter's mark.
    const BEGINNINGS: [&[u8]; 16] = [
        b"rO0", b"gA", b"BA", b"Tz", b"Qz", b"Y", b"K", b"f", b"X", b"H4sI", b"eA", b"eF", b"eJ",
        b"eN", b"/wEy", b"_wEy",
    ];
    if !BEGINNINGS.iter().any(|begin| text.starts_with(begin)) {
        return None;
    }
    let mut len = 0;
    let mut bits = 0u32;
    let mut count = 0;
    for byte in text {
        let value = match byte {
            b'A'..=b'Z' => byte - b'A',
            b'a'..=b'z' => byte - b'a' + 26,
            b'0'..=b'9' => byte - b'0' + 52,
            b'+' | b'-' => 62,
            b'/' | b'_' => 63,
            b'=' | b'\n' | b'\r' | b' ' | b'\t' => continue,
            _ => return None,
        };
        bits = bits << 6 | u32::from(value);
        count += 6;
        if count >= 8 {
            count -= 8;
            let Some(to) = room.get_mut(len) else { break };
            *to = u8::try_from(bits >> count & 0xFF).unwrap_or(0);
            len += 1;
        }
    }
    Some(len)
}

/// Two digits a byte, and nothing else.
fn hexadecimal(text: &[u8], room: &mut [u8; ROOM]) -> Option<usize> {
    let text = match text {
        [b'0', b'x' | b'X', rest @ ..] | [b'\\', b'x', rest @ ..] => rest,
        _ => text,
    };
    let digit = |byte: u8| {
        char::from(byte)
            .to_digit(16)
            .and_then(|digit| u8::try_from(digit).ok())
    };
    let mut len = 0;
    for (pair, to) in text.chunks(2).zip(room.iter_mut()) {
        let &[high, low] = pair else { return None };
        *to = digit(high)? << 4 | digit(low)?;
        len += 1;
    }
    Some(len)
}
