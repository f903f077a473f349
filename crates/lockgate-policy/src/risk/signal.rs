//! What may speak against a request, and how much it does.

use std::fmt;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What may speak against a request. The names are stable.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
#[schemars(rename = "RiskSignal")]
pub enum Signal {
    /// Neither its owner nor an operator has confirmed the device.
    NewDevice,
    /// The device looks otherwise than it did.
    ChangedDevice,
    /// No operator has approved the device.
    UnapprovedDevice,
    /// The owner was elsewhere a moment ago.
    ImpossibleTravel,
    /// Whoever copies the credential can use it.
    UnboundCredential,
    /// The client is in another country than callers usually are.
    ForeignCountry,
    /// The client's network is listed.
    ListedNetwork,
    /// The client's address is listed.
    ListedAddress,
    /// It is no time at which callers usually call.
    OutsideHours,
    /// Credentials that did not hold came from the client's address lately.
    FailedTries,
    /// The caller was authenticated by none of the means that a proof wants.
    WeakProof,
    /// The caller was authenticated long ago.
    OldProof,
    /// The client speaks no newer TLS than 1.2.
    OldTls,
}

impl Signal {
    /// Its name in configurations, events and policies.
    #[must_use]
    pub const fn name(self) -> &'static str {
        match self {
            Self::NewDevice => "new_device",
            Self::ChangedDevice => "changed_device",
            Self::UnapprovedDevice => "unapproved_device",
            Self::ImpossibleTravel => "impossible_travel",
            Self::UnboundCredential => "unbound_credential",
            Self::ForeignCountry => "foreign_country",
            Self::ListedNetwork => "listed_network",
            Self::ListedAddress => "listed_address",
            Self::OutsideHours => "outside_hours",
            Self::FailedTries => "failed_tries",
            Self::WeakProof => "weak_proof",
            Self::OldProof => "old_proof",
            Self::OldTls => "old_tls",
        }
    }
}

/// How much a signal counts.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
#[schemars(rename = "RiskWeight")]
pub struct Weight {
    /// Which.
    pub signal: Signal,
    /// From 1 to 100.
    pub points: u8,
}

impl fmt::Display for Weight {
    /// As `new_device 25`.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{} {}", self.signal.name(), self.points)
    }
}
