//! What every policy has beside its own config: a place in the file, a mode,
//! and what happens when it fails.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A place in the configuration.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Span {
    /// Index into the bundle's `sources`.
    pub file: u32,
    /// From 1.
    pub line: u32,
    /// From 1, in characters.
    pub column: u32,
}

/// Whether a policy's verdict counts.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Mode {
    /// The verdict holds.
    #[default]
    Enforce,
    /// The verdict is written down, and the request goes on as if allowed.
    Observe,
    /// The policy is not asked.
    Off,
}

/// What an error of the policy itself (not a refusal) does.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum OnError {
    /// The request is refused with `policy-failed`.
    #[default]
    Deny,
    /// The request goes on; logged and counted. Never for authentication or authorization.
    Allow,
}

/// An exception somebody answers for, until a day.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Waiver {
    /// Who answers for it.
    pub owner: Box<str>,
    /// Why it is needed.
    pub reason: Box<str>,
    /// Milliseconds since the epoch; from then on the exception is closed.
    pub until_ms: u64,
    /// Where the configuration says it.
    pub span: Span,
}

impl Waiver {
    /// Whether the exception still holds at `now_ms`.
    #[must_use]
    pub const fn holds(&self, now_ms: u64) -> bool {
        now_ms < self.until_ms
    }
}
