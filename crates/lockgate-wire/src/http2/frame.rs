//! The nine bytes before each frame (RFC 9113, 4.1), and what its kind allows.

use super::{fingerprint::MAX_SETTINGS, reasons, Breach, PROTOCOL_ERROR};

/// Bytes of a frame's header.
pub(super) const HEADER: usize = 9;
/// The most that is kept of a payload: all of SETTINGS.
pub(super) const KEPT: usize = 6 * MAX_SETTINGS;

const END_STREAM: u8 = 1;
const ACK: u8 = 1;
const END_HEADERS: u8 = 4;
const PADDED: u8 = 8;
const PRIORITY: u8 = 32;

/// Kinds of frames (RFC 9113, 6).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// A part of a body.
    Data,
    /// The beginning of a request's headers, or its trailers.
    Headers,
    /// PRIORITY, and PRIORITY_UPDATE of RFC 9218.
    Priority,
    /// A cancelled request.
    RstStream,
    /// Settings, or their acknowledgement.
    Settings,
    /// Only servers may send it.
    PushPromise,
    /// A question whether the other side is alive, or the answer.
    Ping,
    /// The end of the connection.
    GoAway,
    /// More bytes may be sent.
    WindowUpdate,
    /// More of HEADERS.
    Continuation,
    /// Anything else, to be passed over.
    Unknown,
}

/// How many kinds there are.
pub(super) const KINDS: usize = Kind::Unknown as usize + 1;

#[derive(Debug, Clone, Copy)]
pub(super) struct Frame {
    pub(super) kind: Kind,
    pub(super) length: u32,
    pub(super) stream: u32,
    flags: u8,
}

impl Frame {
    pub(super) fn parse(header: &[u8; HEADER]) -> Self {
        let [a, b, c, kind, flags, stream @ ..] = *header;
        Self {
            kind: match kind {
                0 => Kind::Data,
                1 => Kind::Headers,
                2 | 16 => Kind::Priority,
                3 => Kind::RstStream,
                4 => Kind::Settings,
                5 => Kind::PushPromise,
                6 => Kind::Ping,
                7 => Kind::GoAway,
                8 => Kind::WindowUpdate,
                9 => Kind::Continuation,
                _ => Kind::Unknown,
            },
            length: u32::from_be_bytes([0, a, b, c]),
            // The highest bit is reserved, and ignored.
            stream: u32::from_be_bytes(stream) & 0x7fff_ffff,
            flags,
        }
    }

    /// CONTINUATION has no such flag: the bit means nothing there.
    pub(super) fn ends_stream(&self) -> bool {
        self.kind != Kind::Continuation && self.flags & END_STREAM != 0
    }

    pub(super) fn ends_headers(&self) -> bool {
        self.flags & END_HEADERS != 0
    }

    /// Bytes of HEADERS between the padding's length and the block.
    pub(super) fn before_block(&self) -> u32 {
        match self.kind {
            Kind::Headers if self.flags & PRIORITY != 0 => 5,
            _ => 0,
        }
    }

    pub(super) fn is_ack(&self) -> bool {
        self.flags & ACK != 0
    }

    /// How much of the payload must be seen.
    pub(super) fn kept(&self) -> usize {
        let wanted = match self.kind {
            Kind::Data | Kind::Headers if self.flags & PADDED != 0 => 1,
            Kind::Settings => KEPT,
            Kind::WindowUpdate => 4,
            Kind::Priority => 5,
            _ => 0,
        };
        wanted.min(self.length as usize)
    }

    /// Whether the length is one that the kind may have (RFC 9113, 6.2 to 6.9).
    pub(super) fn check_length(&self) -> Result<(), Breach> {
        let right = match self.kind {
            Kind::RstStream | Kind::WindowUpdate => self.length == 4,
            Kind::Ping => self.length == 8,
            Kind::GoAway => self.length >= 8,
            Kind::Settings if self.is_ack() => self.length == 0,
            Kind::Settings => self.length.is_multiple_of(6),
            Kind::Data | Kind::Headers => self.length >= self.fixed(),
            _ => true,
        };
        if right {
            Ok(())
        } else {
            Err(Breach::new(
                &reasons::FRAME_MALFORMED,
                super::FRAME_SIZE_ERROR,
            ))
        }
    }

    /// Bytes that the frame carries besides padding and priority. `kept` is
    /// the beginning of the payload.
    pub(super) fn content(&self, kept: &[u8]) -> Result<u32, Breach> {
        let padding = match kept.first() {
            Some(padding) if self.flags & PADDED != 0 => u32::from(*padding),
            _ => 0,
        };
        self.length
            .checked_sub(self.fixed() + padding)
            .ok_or(Breach::new(&reasons::FRAME_MALFORMED, PROTOCOL_ERROR))
    }

    /// The length of the padding and the priority (RFC 9113, 6.1 and 6.2).
    fn fixed(&self) -> u32 {
        let padded = u32::from(self.flags & PADDED != 0);
        match self.kind {
            Kind::Headers if self.flags & PRIORITY != 0 => padded + 5,
            Kind::Data | Kind::Headers => padded,
            _ => 0,
        }
    }
}
