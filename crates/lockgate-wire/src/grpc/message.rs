//! `grpc-message`: a text, percent-encoded where it is not printable ASCII.

/// Bytes of an encoded message. 1 KiB: some clients take no more than 8 KiB
/// of headers in all, and nobody reads a longer one.
const MAX_ENCODED: usize = 1024;

/// Encodes a text; a long one is cut at a character's end.
#[must_use]
pub fn encode_message(text: &str) -> String {
    const HEX: &[u8; 16] = b"0123456789ABCDEF";
    let mut encoded = String::with_capacity(text.len().min(MAX_ENCODED));
    for character in text.chars() {
        let plain = matches!(character, ' '..='~') && character != '%';
        let length = if plain { 1 } else { 3 * character.len_utf8() };
        if encoded.len() + length > MAX_ENCODED {
            break;
        }
        if plain {
            encoded.push(character);
            continue;
        }
        for byte in character.encode_utf8(&mut [0; 4]).bytes() {
            encoded.push('%');
            encoded.push(char::from(HEX[usize::from(byte >> 4)]));
            encoded.push(char::from(HEX[usize::from(byte & 15)]));
        }
    }
    encoded
}

/// Decodes a text. The specification forbids to fail: what is not encoded
/// rightly stays as it is, and what is not UTF-8 becomes U+FFFD.
#[must_use]
pub fn decode_message(encoded: &[u8]) -> String {
    let mut bytes = Vec::with_capacity(encoded.len());
    let mut rest = encoded;
    while let Some((first, after)) = rest.split_first() {
        let (byte, after) = match rest {
            [b'%', high, low, after @ ..] => match (digit(*high), digit(*low)) {
                (Some(high), Some(low)) => (high << 4 | low, after),
                _ => (b'%', &rest[1..]),
            },
            _ => (*first, after),
        };
        bytes.push(byte);
        rest = after;
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

fn digit(byte: u8) -> Option<u8> {
    // A hexadecimal digit is below 16, so the cast loses nothing.
    char::from(byte).to_digit(16).map(|digit| digit as u8)
}
