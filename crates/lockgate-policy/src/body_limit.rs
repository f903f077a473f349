//! `body_limit`: a bound on the size of a request's body.
//!
//! # Description
//! A body longer than the bound is refused: from its `Content-Length` before a
//! byte of it is read, or as soon as a chunked body crosses the bound.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`TOO_LARGE`].
//!
//! # Example
//! ```yaml
//! body_limit: {bytes: 10MiB}
//! ```

use bytes::Bytes;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::{BodyMachine, BodyVerdict, Denial, RequestView, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "body_limit";

lockgate_wire::reasons! { "body_limit", Client:
    TOO_LARGE = "body-too-large", 413,
        "The request's body is larger than this API takes.",
        "Send less, or in parts. The operator can raise `body_limit.bytes` of the API.";
}

/// The room's config.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Largest body, in bytes of content (after the chunked coding is taken off).
    pub bytes: u64,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct BodyLimit {
    bytes: u64,
}

impl BodyLimit {
    /// Compiles the config; every value makes sense.
    #[must_use]
    pub const fn new(config: &Config) -> Self {
        Self {
            bytes: config.bytes,
        }
    }

    /// Judges by the head alone.
    #[must_use]
    pub fn decide(&self, view: &RequestView<'_>) -> Verdict {
        match view.content_length {
            Some(length) if length > self.bytes => Verdict::Deny(self.denial()),
            _ => Verdict::allow(),
        }
    }

    /// Watches a body whose length the head did not tell.
    #[must_use]
    pub fn watch(&self) -> Counter {
        Counter {
            left: self.bytes,
            policy: self.clone(),
        }
    }

    fn denial(&self) -> Denial {
        Denial::new(&TOO_LARGE).detail(format!("The limit is {} bytes.", self.bytes))
    }
}

/// Counts a body's bytes down.
#[derive(Debug)]
pub struct Counter {
    left: u64,
    policy: BodyLimit,
}

impl BodyMachine for Counter {
    fn on_chunk(&mut self, chunk: &Bytes) -> BodyVerdict {
        match self.left.checked_sub(chunk.len() as u64) {
            Some(left) => {
                self.left = left;
                BodyVerdict::Pass
            }
            None => {
                self.left = 0;
                BodyVerdict::Deny(self.policy.denial())
            }
        }
    }
}

#[cfg(test)]
mod tests;
