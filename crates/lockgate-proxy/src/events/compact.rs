//! The few CBOR items (RFC 8949) that the request path writes, without the
//! error paths of a general encoder: appending to a vector cannot fail. It
//! halves the time per event; tests hold it to what `minicbor` reads.

const UNSIGNED: u8 = 0 << 5;
const BYTES: u8 = 2 << 5;
const TEXT: u8 = 3 << 5;
const ARRAY: u8 = 4 << 5;
const MAP: u8 = 5 << 5;
const INDEFINITE: u8 = 31;
const BREAK: u8 = 0xFF;

/// Ends a text that was cut.
const MARK: &str = "…";

/// Appends items to a vector.
#[derive(Debug)]
pub(crate) struct Compact<'a>(pub &'a mut Vec<u8>);

impl Compact<'_> {
    /// A map's key: one byte up to 23, then two, so what is seldom there has the higher ones.
    #[inline]
    pub fn key(&mut self, key: u8) {
        self.head(UNSIGNED, key.into());
    }

    /// An unsigned integer in its shortest form.
    #[inline]
    pub fn number(&mut self, value: u64) {
        self.head(UNSIGNED, value);
    }

    /// The beginning of a map of so many pairs.
    #[inline]
    pub fn map(&mut self, pairs: u8) {
        self.head(MAP, pairs.into());
    }

    /// The beginning of a map that [`Compact::end`] ends.
    #[inline]
    pub fn open_map(&mut self) {
        self.0.push(MAP | INDEFINITE);
    }

    /// Ends what [`Compact::open_map`] began.
    #[inline]
    pub fn end(&mut self) {
        self.0.push(BREAK);
    }

    /// The beginning of an array.
    #[inline]
    pub fn array(&mut self, items: usize) {
        self.head(ARRAY, items as u64);
    }

    /// Bytes.
    #[inline]
    pub fn bytes(&mut self, bytes: &[u8]) {
        self.head(BYTES, bytes.len() as u64);
        self.0.extend_from_slice(bytes);
    }

    /// A text of at most `max` bytes; a longer one is cut and ends in `…`.
    #[inline]
    pub fn text(&mut self, text: &str, max: usize) {
        if text.len() > max {
            self.cut(text, max);
            return;
        }
        self.head(TEXT, text.len() as u64);
        self.0.extend_from_slice(text.as_bytes());
    }

    /// A text of which nobody has vouched for the bytes: what is not printable
    /// ASCII reads `?`.
    #[inline]
    pub fn printable(&mut self, bytes: &[u8], max: usize) {
        let kept = &bytes[..bytes.len().min(max)];
        self.head(TEXT, kept.len() as u64);
        let start = self.0.len();
        self.0.extend_from_slice(kept);
        for byte in &mut self.0[start..] {
            *byte = if matches!(*byte, b' '..=b'~') {
                *byte
            } else {
                b'?'
            };
        }
    }

    #[cold]
    fn cut(&mut self, text: &str, max: usize) {
        let mut end = max - MARK.len();
        while !text.is_char_boundary(end) {
            end -= 1;
        }
        self.head(TEXT, (end + MARK.len()) as u64);
        self.0.extend_from_slice(&text.as_bytes()[..end]);
        self.0.extend_from_slice(MARK.as_bytes());
    }

    #[inline]
    #[allow(
        clippy::cast_possible_truncation,
        reason = "each arm has compared the value"
    )]
    fn head(&mut self, major: u8, value: u64) {
        match value {
            0..=23 => self.0.push(major | value as u8),
            24..=0xFF => self.0.extend_from_slice(&[major | 24, value as u8]),
            0x100..=0xFFFF => {
                let [a, b] = (value as u16).to_be_bytes();
                self.0.extend_from_slice(&[major | 25, a, b]);
            }
            0x1_0000..=0xFFFF_FFFF => {
                let [a, b, c, d] = (value as u32).to_be_bytes();
                self.0.extend_from_slice(&[major | 26, a, b, c, d]);
            }
            _ => {
                self.0.push(major | 27);
                self.0.extend_from_slice(&value.to_be_bytes());
            }
        }
    }
}

#[cfg(test)]
mod tests;
