//! Telling what people write from what they slip in: how much of a text is words.

/// Bytes of a text that are looked at for its words.
const LOOKED_AT: usize = 128;

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

/// Whether the byte is a part of a word.
pub(super) const fn wordly(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || byte == b'_' || byte >= 0x80
}

#[cfg(test)]
mod tests {
    use super::words;

    #[test]
    fn words_are_counted_and_other_things_are_not() {
        assert_eq!(words(b"cats & dogs, they're 12 of them", 9), 5);
        assert_eq!(words(b"127.0.0.1", 9), 0);
        assert_eq!(words(b"/etc/passwd x=1 a", 9), 0);
        assert_eq!(words(b"one two three four", 3), 3);
        assert_eq!(words(&[b'a'; 100_000], 3), 1);
    }
}
