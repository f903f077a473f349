//! Content codings (RFC 9110 section 8.4): which a client wants, bodies packed
//! piece by piece, and bodies unpacked within bounds.
//!
//! Nothing here keeps a whole body: [`Inflater`] gives at most [`PIECE`] bytes
//! at a time and takes more only then, and [`Packer`] keeps what its coding's
//! window wants.

use http::header::CONTENT_ENCODING;
use http::HeaderMap;

mod accept;
mod counted;
mod inflater;
mod packer;
mod peek;
pub mod reasons;
mod stage;

pub use accept::preferred;
pub use inflater::{Bounds, Inflater};
pub use packer::{Levels, Packer};
pub use peek::peek;

/// Most bytes that are unpacked at once, so that a bomb fills no memory before
/// a bound is looked at. zlib's own examples use 16 KiB, hyper reads as many.
pub const PIECE: usize = 16 * 1024;

/// A content coding that the gate knows.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Coding {
    /// RFC 1952.
    Gzip,
    /// RFC 1950: deflate within zlib's frame. The bare stream that some
    /// programs send under this name is not taken (RFC 9110 section 8.4.1.2).
    Deflate,
    /// RFC 7932.
    Br,
    /// RFC 8878.
    Zstd,
}

impl Coding {
    /// By its name, in any case; `x-gzip` is gzip (RFC 9110 section 8.4.1.3).
    #[must_use]
    pub fn named(name: &[u8]) -> Option<Self> {
        let is = |known: &str| name.eq_ignore_ascii_case(known.as_bytes());
        match () {
            () if is("gzip") || is("x-gzip") => Some(Self::Gzip),
            () if is("deflate") => Some(Self::Deflate),
            () if is("br") => Some(Self::Br),
            () if is("zstd") => Some(Self::Zstd),
            () => None,
        }
    }

    /// Its registered name.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::Gzip => "gzip",
            Self::Deflate => "deflate",
            Self::Br => "br",
            Self::Zstd => "zstd",
        }
    }
}

/// The codings of a body in the order in which they were put on; `identity`
/// is none. An error is one that is not known, or no list at all.
///
/// # Errors
/// If a coding is not known.
pub fn codings(headers: &HeaderMap) -> Result<Vec<Coding>, Unknown> {
    let mut found = Vec::new();
    for line in headers.get_all(CONTENT_ENCODING) {
        for name in line.as_bytes().split(|byte| *byte == b',') {
            let name = name.trim_ascii();
            if name.is_empty() || name.eq_ignore_ascii_case(b"identity") {
                continue;
            }
            found.push(Coding::named(name).ok_or(Unknown)?);
        }
    }
    Ok(found)
}

/// A coding that the gate does not know.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Unknown;

#[cfg(test)]
mod tests;
