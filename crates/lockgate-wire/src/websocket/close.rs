//! Close frames (RFC 6455, 5.5.1 and 7.4).

use super::{flaw::Flaw, mask};

/// A control frame's payload ends here (RFC 6455, 5.5).
pub(super) const CONTROL_BYTES: usize = 125;

/// A whole close frame. A `text` that is too long for it is cut at 123 bytes,
/// at a character's end. `key` masks it, as a client must and a server must not.
#[must_use]
pub fn close_frame(code: u16, text: &str, key: Option<[u8; 4]>) -> Vec<u8> {
    let most = text.len().min(CONTROL_BYTES - 2);
    // Zero is always a boundary.
    let end = (0..=most).rev().find(|end| text.is_char_boundary(*end));
    let text = &text[..end.unwrap_or(0)];
    // Not more than 125, so the cast loses nothing.
    let length = text.len() as u8 + 2;
    let mut frame = vec![0x88, length | if key.is_some() { 0x80 } else { 0 }];
    frame.extend(key.into_iter().flatten());
    let payload = frame.len();
    frame.extend(code.to_be_bytes());
    frame.extend(text.as_bytes());
    if let Some(key) = key {
        mask::apply(&mut frame[payload..], key, 0);
    }
    frame
}

/// The code in a close frame's payload.
pub(super) fn check(payload: &[u8]) -> Result<Option<u16>, Flaw> {
    let Some((code, text)) = payload.split_first_chunk::<2>() else {
        return match payload {
            [] => Ok(None),
            _ => Err(Flaw::Close),
        };
    };
    let code = u16::from_be_bytes(*code);
    // 1012 to 1014 are IANA's; 1004 to 1006 and 1015 never stand in a frame.
    if !matches!(code, 1000..=1003 | 1007..=1014 | 3000..=4999) {
        return Err(Flaw::Close);
    }
    match std::str::from_utf8(text) {
        Ok(_) => Ok(Some(code)),
        Err(_) => Err(Flaw::Utf8),
    }
}
