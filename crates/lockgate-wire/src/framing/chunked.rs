//! Chunked bodies, byte by byte (RFC 9112, 7.1). Nothing is kept back: each
//! byte is passed on once it is known to be right.

use super::flaw::Flaw;

/// Digits of a chunk's size. Sixteen hold 64 bits; more can only be zeroes
/// before the number, and a flood of those is work for nothing.
const SIZE_DIGITS: u8 = 16;
/// Chunk sizes must be below this, so that no reader's arithmetic overflows.
const SIZE_LIMIT: u64 = 1 << 62;

/// Where in a chunked body the reader stands.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Chunked {
    /// In a chunk's size, after so many digits.
    Size { digits: u8, value: u64 },
    /// After the CR behind a size.
    SizeLf { value: u64 },
    /// In a chunk's data, with so many bytes to come.
    Data { left: u64 },
    /// After a chunk's data.
    DataCr,
    /// After the CR behind a chunk's data.
    DataLf,
}

/// What a piece of input led to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Read {
    /// The input ended within the body.
    More,
    /// The last chunk's line is over: trailers or an empty line follow.
    Trailers,
}

impl Chunked {
    /// Before the first chunk.
    pub(super) const START: Self = Self::Size {
        digits: 0,
        value: 0,
    };

    /// Reads on. The number says how many bytes of `input` are right and read;
    /// with a flaw, it is where the first wrong byte stands.
    pub(super) fn read(&mut self, input: &[u8]) -> (usize, Result<Read, Flaw>) {
        let mut at = 0;
        while at < input.len() {
            if let Self::Data { left } = self {
                let here = (input.len() - at) as u64;
                let taken = here.min(*left);
                *left -= taken;
                // Not more than `input.len()`, so the cast loses nothing.
                at += taken as usize;
                if *left == 0 {
                    *self = Self::DataCr;
                }
                continue;
            }
            match self.byte(input[at]) {
                Ok(None) => return (at + 1, Ok(Read::Trailers)),
                Ok(Some(next)) => *self = next,
                Err(flaw) => return (at, Err(flaw)),
            }
            at += 1;
        }
        (at, Ok(Read::More))
    }

    /// Where one byte outside of data leads; `None` is the end of the last chunk's line.
    fn byte(self, byte: u8) -> Result<Option<Self>, Flaw> {
        match (self, byte) {
            (Self::Size { digits: 1.., value }, b'\r') => Ok(Some(Self::SizeLf { value })),
            (Self::Size { .. }, b'\n') => Err(Flaw::BareLf),
            (Self::Size { digits: 1.., .. }, b';') => Err(Flaw::ChunkExtension),
            (Self::Size { digits, value }, _) => size_digit(digits, value, byte).map(Some),
            (Self::SizeLf { value: 0 }, b'\n') => Ok(None),
            (Self::SizeLf { value }, b'\n') => Ok(Some(Self::Data { left: value })),
            (Self::SizeLf { .. }, _) => Err(Flaw::BareCr),
            (Self::DataCr, b'\r') => Ok(Some(Self::DataLf)),
            (Self::DataLf, b'\n') => Ok(Some(Self::START)),
            (Self::DataCr | Self::DataLf | Self::Data { .. }, _) => Err(Flaw::ChunkData),
        }
    }
}

fn size_digit(digits: u8, value: u64, byte: u8) -> Result<Chunked, Flaw> {
    let digit = match byte {
        b'0'..=b'9' => byte - b'0',
        b'a'..=b'f' => byte - b'a' + 10,
        b'A'..=b'F' => byte - b'A' + 10,
        _ => return Err(Flaw::ChunkSize),
    };
    // Sixteen digits at most, so the shift never drops a bit.
    let grown = value << 4 | u64::from(digit);
    if digits == SIZE_DIGITS || grown >= SIZE_LIMIT {
        return Err(Flaw::ChunkSize);
    }
    Ok(Chunked::Size {
        digits: digits + 1,
        value: grown,
    })
}
