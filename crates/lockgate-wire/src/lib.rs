//! What arrives, in normal form: framing, targets, headers. No I/O.
//!
//! | module | what it does |
//! |---|---|
//! | [`framing`] | strict checker of HTTP/1.1 bytes in front of hyper: [`framing::RequestGuard`], [`framing::ResponseGuard`] |
//! | [`reason`] | what a refusal is |

#[macro_use]
mod declare;
mod chars;
pub mod framing;
mod host;
pub mod reason;
pub mod target;

use reason::ReasonRef;

/// The reasons of this crate, room by room; a list to build docs and metrics from.
pub static REASONS: &[&[ReasonRef]] = &[
    framing::reasons::REASONS,
    framing::upstream_reasons::REASONS,
];
