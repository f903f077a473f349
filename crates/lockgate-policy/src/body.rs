//! Policies that look at bodies: state machines fed chunk by chunk.

use bytes::Bytes;
use lockgate_waf::engine::Inspection;

use crate::Denial;

/// What becomes of a chunk.
#[derive(Debug)]
pub enum BodyVerdict {
    /// Send on what is held and this chunk.
    Pass,
    /// Keep it back until a later verdict; the caller bounds how much.
    Hold,
    /// Send this in place of what is held and of the chunk.
    Replace(Bytes),
    /// End the exchange.
    Deny(Denial),
}

/// A policy's view of one body.
pub trait BodyMachine: Send {
    /// A piece of the body, in order.
    fn on_chunk(&mut self, chunk: &Bytes) -> BodyVerdict;

    /// The body ended. `Hold` here means `Pass`: there is nothing left to wait for.
    fn on_end(&mut self) -> BodyVerdict {
        BodyVerdict::Pass
    }

    /// What it saw, where it looks for attacks.
    fn inspection(&self) -> Option<&Inspection> {
        None
    }
}
