//! The head of a frame (RFC 6455, 5.2).

use super::{close::CONTROL_BYTES, flaw::Flaw};

/// Two bytes, eight of length, four of key.
pub(super) const MAX_HEAD: usize = 14;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Opcode {
    Continuation,
    Text,
    Binary,
    Close,
    Ping,
    Pong,
}

impl Opcode {
    pub(super) fn is_control(self) -> bool {
        matches!(self, Self::Close | Self::Ping | Self::Pong)
    }
}

/// What the first two bytes say.
#[derive(Debug, Clone, Copy)]
pub(super) struct Start {
    pub(super) opcode: Opcode,
    pub(super) last: bool,
    /// RSV1: the message is compressed (RFC 7692, 6).
    pub(super) compressed: bool,
    pub(super) masked: bool,
    short_length: u8,
}

impl Start {
    pub(super) fn parse([first, second]: [u8; 2]) -> Result<Self, Flaw> {
        let opcode = match first & 15 {
            0 => Opcode::Continuation,
            1 => Opcode::Text,
            2 => Opcode::Binary,
            8 => Opcode::Close,
            9 => Opcode::Ping,
            10 => Opcode::Pong,
            _ => return Err(Flaw::Reserved),
        };
        if first & 0x30 != 0 {
            return Err(Flaw::Reserved);
        }
        let start = Self {
            opcode,
            last: first & 0x80 != 0,
            compressed: first & 0x40 != 0,
            masked: second & 0x80 != 0,
            short_length: second & 0x7f,
        };
        let too_long = usize::from(start.short_length) > CONTROL_BYTES;
        if opcode.is_control() && (!start.last || too_long) {
            return Err(Flaw::Control);
        }
        Ok(start)
    }

    /// Bytes of the whole head.
    pub(super) fn head(&self) -> usize {
        let length = match self.short_length {
            126 => 2,
            127 => 8,
            _ => 0,
        };
        2 + length + if self.masked { 4 } else { 0 }
    }

    /// The payload's length. `head` is the whole head.
    pub(super) fn length(&self, head: &[u8]) -> Result<u64, Flaw> {
        let (length, least) = match (self.short_length, head) {
            (126, [_, _, a, b, ..]) => (u64::from(u16::from_be_bytes([*a, *b])), 126),
            (127, [_, _, rest @ ..]) => {
                let length = rest
                    .first_chunk()
                    .map_or(0, |eight| u64::from_be_bytes(*eight));
                (length, 1 << 16)
            }
            (short, _) => (u64::from(short), 0),
        };
        if length < least || length > i64::MAX as u64 {
            return Err(Flaw::Length);
        }
        Ok(length)
    }
}
