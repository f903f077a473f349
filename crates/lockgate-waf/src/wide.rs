//! Texts whose letters are two or four bytes wide, as UTF-8: what is looked for
//! is written in ASCII.

/// How wide letters are: UTF-16 or UTF-32, and which end comes first.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Wide {
    four: bool,
    little: bool,
}

impl Wide {
    /// Of four bytes or two, the little end first or the big one.
    #[must_use]
    pub const fn new(four: bool, little: bool) -> Self {
        Self { four, little }
    }

    /// How many bytes a unit has.
    #[must_use]
    pub const fn width(self) -> usize {
        if self.four {
            4
        } else {
            2
        }
    }

    /// By the mark at the beginning of a text; with what stands behind it. A text
    /// of UTF-16 whose first letter is a NUL is none, so four bytes are asked first.
    #[must_use]
    pub const fn marked(text: &[u8]) -> Option<(Self, &[u8])> {
        let (four, little, rest) = match text {
            [0xFF, 0xFE, 0, 0, rest @ ..] => (true, true, rest),
            [0, 0, 0xFE, 0xFF, rest @ ..] => (true, false, rest),
            [0xFF, 0xFE, rest @ ..] => (false, true, rest),
            [0xFE, 0xFF, rest @ ..] => (false, false, rest),
            _ => return None,
        };
        Some((Self { four, little }, rest))
    }

    /// By where the first two letters have their zeros, if they are ASCII: readers
    /// of JSON do so (RFC 4627 section 3), and those of XML.
    #[must_use]
    pub const fn guessed(text: &[u8]) -> Option<Self> {
        let (four, little) = match text {
            [1..=255, 0, 0, 0, ..] => (true, true),
            [0, 0, 0, 1..=255, ..] => (true, false),
            [1..=255, 0, 1..=255, 0, ..] => (false, true),
            [0, 1..=255, 0, 1..=255, ..] => (false, false),
            _ => return None,
        };
        Some(Self { four, little })
    }

    /// By the name of a character set, in any case. Where that does not tell which
    /// end comes first, it is the little one, as in browsers.
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let name = name.to_ascii_lowercase();
        let is = |begins: &[&[u8]]| begins.iter().any(|begins| name.starts_with(begins));
        let two = is(&[b"utf-16", b"utf16", b"ucs-2", b"iso-10646-ucs-2"]) || name == b"unicode";
        let four = is(&[b"utf-32", b"utf32", b"ucs-4", b"iso-10646-ucs-4"]);
        (two || four).then(|| Self {
            four,
            little: !name.ends_with(b"be"),
        })
    }

    /// The text as UTF-8; what is no letter becomes U+FFFD.
    #[must_use]
    pub fn decoded(self, text: &[u8]) -> Vec<u8> {
        let letters: String = if self.four {
            let each = text.chunks_exact(4).map(|each| match *each {
                [a, b, c, d] if self.little => u32::from_le_bytes([a, b, c, d]),
                [a, b, c, d] => u32::from_be_bytes([a, b, c, d]),
                _ => 0,
            });
            each.map(|each| char::from_u32(each).unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        } else {
            let units = text.chunks_exact(2).map(|pair| match *pair {
                [low, high] if self.little => u16::from_le_bytes([low, high]),
                [high, low] => u16::from_be_bytes([high, low]),
                _ => 0,
            });
            let letters = char::decode_utf16(units);
            letters
                .map(|letter| letter.unwrap_or(char::REPLACEMENT_CHARACTER))
                .collect()
        };
        letters.into_bytes()
    }
}

#[cfg(test)]
mod tests;
