//! The beginning of what is in base64.

/// Bytes that are decoded: a stream tells what it is at its beginning.
pub(super) const ROOM: usize = 768;

/// Whether the text begins as a stream does that is looked for.
pub(super) fn may_begin(text: &[u8]) -> bool {
    let text = text.trim_ascii();
    // A pickle's version, Ruby's, PHP's objects and arrays, a pickle that begins with a name or a mark.
    const BEGINNINGS: [&[u8]; 6] = [b"gA", b"BA", b"Tz", b"Qz", b"Y", b"K"];
    text.len() >= 12 && BEGINNINGS.iter().any(|begin| text.starts_with(begin))
}

/// What the text is decoded, as far as there is room.
pub(super) fn decoded<'a>(text: &[u8], room: &'a mut [u8; ROOM]) -> Option<&'a [u8]> {
    let text = text.trim_ascii();
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
            b'=' | b'\n' | b'\r' => continue,
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
    room.get(..len)
}
