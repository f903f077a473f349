//! What arrives, in normal form: framing, targets, headers. No I/O.

pub mod reason;
