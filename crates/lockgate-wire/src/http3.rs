//! A watcher of what a client sends over an HTTP/3 connection.
//!
//! The library behind the gate gathers a frame that is not DATA before it looks
//! at it, however long the frame says it is, and counts none. This watcher reads
//! the frames' headers (RFC 9114, 7.1) before the library does, so that a frame
//! that is too long ends its connection at its first bytes. What QUIC itself
//! carries, such as PING and RESET_STREAM, is counted from the transport's sums.
//!
//! It also follows the names of a request's fields, since the library does not mind
//! where pseudo-header fields stand and how often. It keeps a hundred bytes for each
//! stream.

mod counters;
mod frames;
pub mod reasons;
mod section;
#[cfg(test)]
mod tests;

pub use counters::{Counters, Sums};
pub use frames::{Frames, Step, StreamKind};

use crate::reason::ReasonRef;

/// H3_FRAME_ERROR (RFC 9114, 8.1).
const FRAME_ERROR: u64 = 0x106;
/// H3_EXCESSIVE_LOAD.
const EXCESSIVE_LOAD: u64 = 0x107;

/// Why the connection must end.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Breach {
    /// What is wrong.
    pub reason: ReasonRef,
    /// The code for CONNECTION_CLOSE (RFC 9114, 8.1).
    pub error_code: u64,
}

impl From<ReasonRef> for Breach {
    /// A budget is used up.
    fn from(reason: ReasonRef) -> Self {
        Self {
            reason,
            error_code: EXCESSIVE_LOAD,
        }
    }
}
