//! The chunked coding of answers, taken off. The framing guard has passed the
//! bytes, so each line here is known to be right.

use bytes::{Buf, Bytes, BytesMut};
use http::HeaderMap;

use super::{take, Lines};

/// Where in a chunked body the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Chunks {
    /// Before a size line.
    Size,
    /// Within a chunk; this much is to come.
    Data(u64),
    /// Before the line end that follows a chunk.
    DataEnd,
    /// Before or within the trailers.
    Trailers,
    /// Past the end.
    End,
}

/// What was taken off.
#[derive(Debug)]
pub enum Piece {
    /// Some of the body.
    Data(Bytes),
    /// The trailers, and the end.
    Trailers(HeaderMap),
    /// The end.
    End,
}

impl Chunks {
    /// The next piece in `inbox`; `None` if more bytes are wanted first.
    pub fn next(&mut self, inbox: &mut BytesMut) -> Option<Piece> {
        loop {
            match *self {
                Self::Size => {
                    let end = memchr::memchr(b'\n', inbox)?;
                    let size = size(&inbox[..end]);
                    inbox.advance(end + 1);
                    *self = if size == 0 {
                        Self::Trailers
                    } else {
                        Self::Data(size)
                    };
                }
                Self::Data(left) => {
                    if inbox.is_empty() {
                        return None;
                    }
                    let part =
                        usize::try_from(left).map_or(inbox.len(), |left| left.min(inbox.len()));
                    let left = left - part as u64;
                    *self = if left == 0 {
                        Self::DataEnd
                    } else {
                        Self::Data(left)
                    };
                    return Some(Piece::Data(take(inbox, part)));
                }
                Self::DataEnd => {
                    if inbox.len() < 2 {
                        return None;
                    }
                    inbox.advance(2);
                    *self = Self::Size;
                }
                Self::Trailers => return self.trailers(inbox),
                Self::End => return Some(Piece::End),
            }
        }
    }

    fn trailers(&mut self, inbox: &mut BytesMut) -> Option<Piece> {
        if inbox.starts_with(b"\r\n") {
            inbox.advance(2);
            *self = Self::End;
            return Some(Piece::End);
        }
        let end = memchr::memmem::find(inbox, b"\r\n\r\n")?;
        let text = inbox.split_to(end + 4);
        *self = Self::End;
        let fields = Lines::of(&text.freeze(), 0).map(HeaderMap::new());
        let trailers = fields.map_or_else(HeaderMap::new, |(fields, _)| fields);
        Some(Piece::Trailers(trailers))
    }
}

/// The hexadecimal number at the beginning of a line; the guard bounds it.
fn size(line: &[u8]) -> u64 {
    let digits = line.iter().map_while(|byte| char::from(*byte).to_digit(16));
    digits.fold(0, |size, digit| size << 4 | u64::from(digit))
}

#[cfg(test)]
mod tests;
