//! What stands before a message: a flag, and its length
//! (gRPC over HTTP/2, "Length-Prefixed-Message").

/// The prefix of a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prefix {
    /// 1 where the message is packed, 0 where it is not; gRPC-Web has more.
    pub flag: u8,
    /// Bytes of the message.
    pub length: u32,
}

impl Prefix {
    /// One byte of flag, four of length.
    pub const LEN: usize = 5;

    /// What these bytes say.
    #[must_use]
    pub const fn of([flag, a, b, c, d]: [u8; Self::LEN]) -> Self {
        Self {
            flag,
            length: u32::from_be_bytes([a, b, c, d]),
        }
    }

    /// What `bytes` begin with, if all of it is there.
    #[must_use]
    pub fn read(bytes: &[u8]) -> Option<Self> {
        bytes.first_chunk().copied().map(Self::of)
    }
}
