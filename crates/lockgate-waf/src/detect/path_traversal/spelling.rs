//! One sign of a path, in any of its spellings.

/// What a sign means to a resolver.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Sign {
    /// A slash, either.
    Slash,
    /// A dot.
    Dot,
    /// Two dots in one sign.
    Dots,
    /// NUL.
    Nul,
    /// Where a path ends.
    Border,
    /// Anything else.
    Other(u8),
}

/// The sign at `at`, how many bytes it takes, and whether it is spelled oddly.
pub(super) fn read(text: &[u8], at: usize) -> Option<(Sign, usize, bool)> {
    let byte = *text.get(at)?;
    let rest = text.get(at..)?;
    let found = match byte {
        b'/' | b'\\' => (Sign::Slash, 1, false),
        b'.' => (Sign::Dot, 1, false),
        0 => (Sign::Nul, 1, false),
        b'0' => match rest {
            [_, b'x', b'2', b'e' | b'E', ..] => (Sign::Dot, 4, true),
            [_, b'x', b'2', b'f' | b'F', ..] | [_, b'x', b'5', b'c' | b'C', ..] => {
                (Sign::Slash, 4, true)
            }
            _ => (Sign::Other(byte), 1, false),
        },
        b' ' | b'\t' | b'\n' | b'\r' | b'\'' | b'"' | b'`' | b'<' | b'>' | b'(' | b')' | b'['
        | b']' | b'{' | b'}' | b',' | b'|' | b'=' | b'&' | b'?' | b'#' | b'*' => {
            (Sign::Border, 1, false)
        }
        b'%' => encoded(rest).unwrap_or((Sign::Other(byte), 1, false)),
        0xC0 | 0xC1 | 0xE0 | 0xE2 | 0xEF => wide(rest).unwrap_or((Sign::Other(byte), 1, false)),
        _ => (Sign::Other(byte), 1, false),
    };
    Some(found)
}

/// Overlong forms of UTF-8, and signs that look like or are folded to a dot or a slash.
fn wide(rest: &[u8]) -> Option<(Sign, usize, bool)> {
    let (sign, len) = match rest {
        [0xC0, 0xAE | 0x2E | 0x6E, ..] => (Sign::Dot, 2),
        [0xC0, 0xAF | 0x2F, ..] | [0xC1, 0x9C | 0x1C, ..] | [0xC0, 0x5C, ..] => (Sign::Slash, 2),
        [0xE0, 0x80, 0xAE, ..] | [0xEF, 0xBC, 0x8E, ..] | [0xE2, 0x80, 0xA4, ..] => (Sign::Dot, 3),
        [0xE2, 0x80, 0xA5, ..] => (Sign::Dots, 3),
        [0xE0, 0x80, 0xAF, ..]
        | [0xE0, 0x81, 0x9C, ..]
        | [0xEF, 0xBC, 0x8F | 0xBC, ..]
        | [0xE2, 0x88, 0x95 | 0x96, ..]
        | [0xE2, 0x81, 0x84, ..] => (Sign::Slash, 3),
        _ => return None,
    };
    Some((sign, len, true))
}

/// Times that a percent sign may be encoded again: `%25252e`.
const AGAIN: usize = 4;

/// What is still percent-encoded after the value was decoded.
fn encoded(rest: &[u8]) -> Option<(Sign, usize, bool)> {
    if !matches!(
        rest.get(1),
        Some(b'u' | b'U' | b'0'..=b'9' | b'a'..=b'f' | b'A'..=b'F')
    ) {
        return None;
    }
    let mut at = 1;
    for _ in 0..AGAIN {
        if rest.get(at..).is_some_and(|more| more.starts_with(b"25")) {
            at += 2;
        }
    }
    if matches!(rest.get(at), Some(b'u' | b'U')) {
        let sign = match hex(rest, at + 1, 4)? {
            0x2e | 0xff0e | 0x2024 | 0x30 if hex(rest, at + 1, 4)? != 0x30 => Sign::Dot,
            0x2f | 0x5c | 0xff0f | 0xff3c | 0x2215 | 0x2216 | 0x2044 | 0xefc8 | 0xf025 => {
                Sign::Slash
            }
            0 => Sign::Nul,
            _ => return None,
        };
        return Some((sign, at + 5, true));
    }
    let first = u8::try_from(hex(rest, at, 2)?).ok()?;
    let sign = match first {
        b'.' => Sign::Dot,
        b'/' | b'\\' => Sign::Slash,
        0 => Sign::Nul,
        0xC0 | 0xC1 | 0xE0 | 0xEF => {
            // `%c0%af`: the bytes behind are encoded as well.
            let mut bytes = [first, 0, 0];
            let mut end = at + 2;
            for read in 1..3 {
                let Some(b'%') = rest.get(end) else { break };
                let mut from = end + 1;
                while from < end + 2 * AGAIN && rest.get(from..)?.starts_with(b"25") {
                    from += 2;
                }
                *bytes.get_mut(read)? = u8::try_from(hex(rest, from, 2)?).ok()?;
                end = from + 2;
                if let Some((sign, len, odd)) = wide(&bytes) {
                    if len == read + 1 {
                        return Some((sign, end, odd));
                    }
                }
            }
            return None;
        }
        _ => return None,
    };
    Some((sign, at + 2, true))
}

fn hex(text: &[u8], at: usize, count: usize) -> Option<u32> {
    let digits = text.get(at..at + count)?;
    digits.iter().try_fold(0, |value, digit| {
        Some(value * 16 + char::from(*digit).to_digit(16)?)
    })
}

#[cfg(test)]
mod tests {
    use super::{read, Sign};

    #[test]
    fn dots_and_slashes_are_read_in_every_spelling() {
        let dots: [&[u8]; 9] = [
            b".",
            b"%2e",
            b"%252E",
            b"%25252e",
            b"\xC0\xAE",
            b"%c0%ae",
            b"\xE0\x80\xAE",
            "．".as_bytes(),
            b"%u002e",
        ];
        for spelled in dots {
            let (sign, len, _) = read(spelled, 0).unwrap();
            assert_eq!((sign, len), (Sign::Dot, spelled.len()), "{spelled:?}");
        }
        let slashes: [&[u8]; 9] = [
            b"/",
            b"\\",
            b"%2f",
            b"%5c",
            b"%255C",
            b"\xC0\xAF",
            b"%c0%af",
            b"%c1%9c",
            b"%u2215",
        ];
        for spelled in slashes {
            let (sign, len, _) = read(spelled, 0).unwrap();
            assert_eq!((sign, len), (Sign::Slash, spelled.len()), "{spelled:?}");
        }
        assert_eq!(read(b"%zz", 0).unwrap().0, Sign::Other(b'%'));
        assert_eq!(read("é".as_bytes(), 0).unwrap().0, Sign::Other(0xC3));
    }
}
