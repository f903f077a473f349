//! UTF-8 that says a plain character in an unusual way.

/// Sequences that are longer than the character needs (RFC 3629, 10): lenient
/// readers take `C0 AF` for a slash.
pub(super) fn overlong(value: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut left = value;
    while let Some((first, rest)) = left.split_first() {
        let longer = match (first, rest) {
            (0xc0 | 0xc1, [a, ..]) => joined(*first & 0x1f, &[*a]),
            (0xe0, [a @ 0x80..=0x9f, b, ..]) => joined(0, &[*a, *b]),
            (0xf0, [a @ 0x80..=0x8f, b, c, ..]) => joined(0, &[*a, *b, *c]),
            _ => None,
        };
        match longer {
            Some((character, length)) => {
                out.extend_from_slice(character.encode_utf8(&mut [0; 4]).as_bytes());
                changed = true;
                left = rest.get(length..).unwrap_or_default();
            }
            None => {
                out.push(*first);
                left = rest;
            }
        }
    }
    changed
}

fn joined(first: u8, rest: &[u8]) -> Option<(char, usize)> {
    let code = rest.iter().try_fold(u32::from(first), |code, byte| {
        (byte & 0xc0 == 0x80).then_some(code << 6 | u32::from(byte & 0x3f))
    })?;
    Some((char::from_u32(code)?, rest.len()))
}

/// Wide forms, which some databases and servers take for the plain ones.
pub(super) fn wide(value: &[u8], out: &mut Vec<u8>) -> bool {
    let mut changed = false;
    let mut left = value;
    while let Some(at) = memchr::memchr(0xef, left) {
        let (plain, rest) = left.split_at(at);
        out.extend_from_slice(plain);
        let narrow = match rest {
            // U+FF01 to U+FF5E are U+0021 to U+007E and 0xFEE0.
            [_, 0xbc, low @ 0x81..=0xbf, ..] => Some(low - 0x60),
            [_, 0xbd, low @ 0x80..=0x9e, ..] => Some(low - 0x20),
            _ => None,
        };
        let length = match narrow {
            Some(byte) => {
                out.push(byte);
                changed = true;
                3
            }
            None => {
                out.push(0xef);
                1
            }
        };
        left = rest.get(length..).unwrap_or_default();
    }
    out.extend_from_slice(left);
    changed
}
