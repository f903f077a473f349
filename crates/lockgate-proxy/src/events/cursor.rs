//! A place in a log.

use std::fmt;
use std::str::FromStr;

use super::segment::Name;

/// A place in a log: a segment and an offset into it, at which a frame ends.
/// Its text is opaque to callers: they keep it and bring it back.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Cursor {
    pub(crate) name: Name,
    pub(crate) offset: u64,
}

impl Cursor {
    /// Whether a reader who stands in this segment, here, has come so far.
    pub(crate) const fn reached(&self, name: Name, offset: u64) -> bool {
        name.seq > self.name.seq || (name.seq == self.name.seq && offset >= self.offset)
    }
}

impl fmt::Display for Cursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}:{}", self.name, self.offset)
    }
}

/// The text is no cursor that this log gave.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct BadCursor;

impl fmt::Display for BadCursor {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(
            "the cursor is not one that this log gave; leave it out to read from the beginning",
        )
    }
}

impl std::error::Error for BadCursor {}

impl From<BadCursor> for std::io::Error {
    fn from(bad: BadCursor) -> Self {
        Self::new(std::io::ErrorKind::InvalidInput, bad)
    }
}

impl FromStr for Cursor {
    type Err = BadCursor;

    fn from_str(text: &str) -> Result<Self, BadCursor> {
        let (name, offset) = text.split_once(':').ok_or(BadCursor)?;
        if !offset.bytes().all(|byte| byte.is_ascii_digit()) {
            return Err(BadCursor);
        }
        Ok(Self {
            name: name.parse().map_err(|()| BadCursor)?,
            offset: offset.parse().map_err(|_| BadCursor)?,
        })
    }
}

#[cfg(test)]
mod tests;
