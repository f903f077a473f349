//! WebSockets (RFC 6455): the handshake, and a watcher of the frames.
//!
//! After a 101, most gateways pass bytes on blindly. Then a client may send
//! unmasked frames that a cache takes for a request, messages without end,
//! and text that is none. The [`Watcher`] looks at the bytes of one direction
//! as they pass and says when a rule or a limit is broken, and with which
//! code to close ([`close_frame`]). It does not take part in the talk.

mod close;
mod flaw;
mod frame;
mod handshake;
mod mask;
pub mod reasons;
#[cfg(test)]
mod tests;
mod utf8;
mod watcher;

pub use close::close_frame;
pub use handshake::{check_handshake, is_handshake, key, Agreement, Offer};
pub use watcher::Watcher;

use crate::reason::ReasonRef;

/// Who sends what a watcher sees.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Sender {
    /// Its frames must be masked.
    Client,
    /// Its frames must not be masked.
    Server,
}

/// What a direction may carry.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rules {
    /// Whether messages may be compressed: [`Agreement::deflate`].
    pub deflate: bool,
    /// Whether texts must be UTF-8. Compressed ones are not looked into.
    pub check_utf8: bool,
    /// Bytes of a frame's payload.
    pub frame_bytes: u64,
    /// Bytes of a message over all its fragments, as they are sent: a
    /// compressed one is longer when it is unpacked.
    pub message_bytes: u64,
}

impl Default for Rules {
    /// Without compression, with a check of texts, and with 1 MiB for frames
    /// and for messages: as Python's `websockets` has it. Chromium sends
    /// fragments of 128 KiB at most.
    fn default() -> Self {
        Self {
            deflate: false,
            check_utf8: true,
            frame_bytes: 1 << 20,
            message_bytes: 1 << 20,
        }
    }
}

/// What passed, for rates and for metrics.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Counts {
    /// Frames of all kinds whose head passed.
    pub frames: u64,
    /// Pings, pongs and closes among them.
    pub control_frames: u64,
    /// Whole data messages.
    pub messages: u64,
    /// Bytes of payload in all frames.
    pub payload_bytes: u64,
}

/// Why the connection must be closed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// What is wrong.
    pub reason: ReasonRef,
    /// The code for [`close_frame`]: 1002, 1007 or 1009 (RFC 6455, 7.4.1).
    pub close_code: u16,
}
