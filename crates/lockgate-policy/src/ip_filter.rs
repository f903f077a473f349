//! `ip_filter`: which addresses may call at all.
//!
//! # Description
//! An address on the deny list is refused; where there is an allow list, so is
//! every address that is not on it. Deny wins over allow. The address is the
//! client's: the socket's peer, or what a trusted proxy says of it.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`DENIED`], [`NOT_ALLOWED`].
//!
//! # Example
//! ```yaml
//! ip_filter: {allow: [10.0.0.0/8], deny: [10.6.6.6]}
//! ```

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::Ranges;
use crate::{Caller, ConfigError, Denial, ReasonRef, Verdict};

/// The room's name everywhere.
pub const NAME: &str = "ip_filter";

lockgate_wire::reasons! { "ip_filter", Client:
    DENIED = "address-denied", 403,
        "Requests from this address are not taken.",
        "The client's address is on the deny list of the API, or of the `passthrough` that has the name. The operator finds an API's list at the file and line that `lockgate explain` names.";
    NOT_ALLOWED = "address-not-allowed", 403,
        "Requests from this address are not taken.",
        "The API, or the `passthrough` that has the name, takes listed addresses only. The operator adds the address to `ip_filter.allow`; behind another proxy, its network belongs into the listener's `trusted_proxies`.";
}

/// The room's config.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Config {
    /// Networks or addresses that may call; empty means all.
    #[serde(default)]
    pub allow: Vec<String>,
    /// Networks or addresses that may not.
    #[serde(default)]
    pub deny: Vec<String>,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct IpFilter {
    allow: Ranges,
    deny: Ranges,
}

impl IpFilter {
    /// Compiles the config.
    ///
    /// # Errors
    /// The first entry of each list that is not a network.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let list = |name: &'static str, networks: &[String]| {
            Ranges::new(networks).map_err(|(index, message)| {
                ConfigError::new("not-a-network", format!("/{name}/{index}"), message)
            })
        };
        Ok(Self {
            allow: list("allow", &config.allow)?,
            deny: list("deny", &config.deny)?,
        })
    }

    /// Judges the client's address.
    #[must_use]
    pub fn decide(&self, caller: &Caller) -> Verdict {
        match self.refuses(caller.address) {
            Some(reason) => Verdict::Deny(Denial::new(reason)),
            None => Verdict::allow(),
        }
    }

    /// Why an address is refused, if it is: also for a client that sends no requests.
    #[must_use]
    pub fn refuses(&self, address: IpAddr) -> Option<ReasonRef> {
        if self.deny.contains(address) {
            Some(&DENIED)
        } else if !self.allow.is_empty() && !self.allow.contains(address) {
            Some(&NOT_ALLOWED)
        } else {
            None
        }
    }
}

#[cfg(test)]
mod tests;
