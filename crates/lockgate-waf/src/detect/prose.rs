//! Telling what people write from what they slip in: how much of a text is words.

/// Bytes of a text that are looked at for its words.
pub(super) const LOOKED_AT: usize = 128;

/// How many words stand in a text, at most `most`: runs of two letters and more
/// between blanks, with or without a stop after them.
pub(super) fn words(text: &[u8], most: usize) -> usize {
    let mut count = 0;
    let mut letters = 0;
    let mut pure = true;
    let text = text.get(..LOOKED_AT).unwrap_or(text);
    for byte in text.iter().copied().chain(std::iter::once(b' ')) {
        match byte {
            b' ' | b'\t' | b'\n' | b'\r' => {
                count += usize::from(pure && letters > 1);
                if count >= most {
                    return most;
                }
                (letters, pure) = (0, true);
            }
            b'.' | b',' | b';' | b':' | b'!' | b'?' | b'\'' | b'-' | b'"' | b'(' | b')' | b'*'
            | b'`' => {}
            _ if byte.is_ascii_alphabetic() || byte >= 0x80 => letters += 1,
            _ => pure = false,
        }
    }
    count
}

/// Whether the byte is a blank of a line.
pub(super) const fn blank(byte: u8) -> bool {
    matches!(byte, b' ' | b'\t')
}

/// How many bytes of blanks a text begins with: of ASCII, control characters, and those of Unicode that languages
/// strip too.
pub(super) fn blanks(text: &[u8]) -> usize {
    let mut at = 0;
    while let Some(rest) = text.get(at..) {
        at += match rest {
            [0..=b' ' | 0x7f, ..] => 1,
            // U+0085, U+00A0; U+2000 to U+200B, U+2028, U+2029, U+202F, U+205F; U+3000; U+FEFF.
            [0xc2, 0x85 | 0xa0, ..] => 2,
            [0xe2, 0x80, 0x80..=0x8b | 0xa8 | 0xa9 | 0xaf, ..]
            | [0xe2, 0x81, 0x9f, ..]
            | [0xe3, 0x80, 0x80, ..]
            | [0xef, 0xbb, 0xbf, ..] => 3,
            _ => break,
        };
    }
    at
}

/// Whether the byte is a part of a word.
pub(super) const fn wordly(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::{blanks, words};

    #[test]
    fn words_are_counted_and_other_things_are_not() {
        assert_eq!(words(b"cats & dogs, they're 12 of them", 9), 5);
        assert_eq!(words(b"127.0.0.1", 9), 0);
        assert_eq!(words(b"/etc/passwd x=1 a", 9), 0);
        assert_eq!(words(b"one two three four", 3), 3);
        assert_eq!(words(&[b'a'; 100_000], 3), 1);
    }

    #[test]
    fn blanks_of_every_kind_are_counted() {
        assert_eq!(
            blanks("\0\t \r\n\u{a0}\u{3000}\u{feff}\u{2003}x ".as_bytes()),
            16
        );
        assert_eq!(blanks(b"x"), 0);
        assert_eq!(blanks(&[b' '; 300]), 300);
        assert_eq!(blanks("\u{e9}".as_bytes()), 0);
    }
}
