//! What the configuration says of one limit.

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::only::Only;

/// The scope of what holds though the configuration does not say it.
pub const BUILT_IN: &str = "built-in";

/// One limit, as the bundle has it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Its name: unique in its API, and what answers call it.
    pub name: String,
    /// Where it is said, as `apis/NAME`, `defaults` or `built-in`: limits of one name and place share their counters.
    pub scope: String,
    /// What is counted.
    pub count: Count,
    /// What it counts by; each combination has a counter of its own.
    pub by: Vec<By>,
    /// How many.
    pub allow: u64,
    /// In how many milliseconds.
    pub per_ms: u64,
    /// How many at once.
    pub burst: u64,
    /// Bits of an IPv4 address that count as one.
    pub ipv4_prefix: u8,
    /// Bits of an IPv6 address that count as one.
    pub ipv6_prefix: u8,
    /// Networks that are not counted.
    pub exempt: Vec<String>,
    /// Which requests it is for.
    pub only: Only,
    /// Which answers tell of it.
    pub tell: Tell,
    /// Whether they also have the older `X-RateLimit-*` fields.
    pub legacy: bool,
    /// What too many failures bring; set if failures are counted.
    pub penalty: Option<PenaltyConfig>,
}

/// What is counted.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Count {
    /// Requests.
    Requests,
    /// Credentials that were presented and refused.
    Failures,
}

/// What a limit counts by.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum By {
    /// The client's network.
    Address,
    /// The credential's holder; who is not known is counted by address.
    Client,
    /// The program that calls; the client where the credential names none.
    App,
    /// The route's pattern.
    Route,
    /// The operation of the API's document; the route where there is none.
    Operation,
    /// The API.
    Api,
    /// A claim of the credential; the client where it has none.
    Claim(String),
    /// A header of the request; the client where it has none.
    Header(String),
}

impl Config {
    /// Whether the configuration says it.
    #[must_use]
    pub fn is_said(&self) -> bool {
        self.scope != BUILT_IN
    }

    /// Whether it stands before authentication: it counts by address, and by
    /// nothing that has to be known of the caller.
    #[must_use]
    pub fn is_early(&self) -> bool {
        self.by.contains(&By::Address) && self.by.iter().all(By::needs_no_identity)
    }
}

impl By {
    /// Whether it can be told before it is known who calls.
    #[must_use]
    pub const fn needs_no_identity(&self) -> bool {
        matches!(
            self,
            Self::Address | Self::Route | Self::Operation | Self::Api
        )
    }
}

/// Which answers tell of a limit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Tell {
    /// Every answer, so that clients can slow down before they are refused.
    Always,
    /// Refusals alone.
    Refused,
    /// None, but for `Retry-After`.
    Never,
}

/// How long too many failures are answered for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct PenaltyConfig {
    /// Milliseconds the first time; each further time is twice as long.
    pub first_ms: u64,
    /// Milliseconds at most; also how long it takes until the first time comes again.
    pub longest_ms: u64,
    /// Whether a request without any credential counts too.
    pub absent: bool,
}
