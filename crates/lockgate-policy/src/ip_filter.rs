//! `ip_filter`: which addresses may call at all.
//!
//! # Description
//! An address on the deny list is refused; where there is an allow list, so is
//! every address that is not on it. Deny wins over allow. The address is the
//! client's: the socket's peer, or what a trusted proxy says of it. Where it is
//! may count too, by its country and its network: what is denied in either way
//! is refused, and what is allowed in one way is enough.
//!
//! # Config
//! See [`Config`].
//!
//! # Reasons
//! [`DENIED`], [`COUNTRY_DENIED`], [`NETWORK_DENIED`], [`NOT_ALLOWED`],
//! [`COUNTRY_NOT_ALLOWED`].
//!
//! # Example
//! ```yaml
//! ip_filter: {allow: [10.0.0.0/8], deny: [10.6.6.6], geo: {allow_countries: [DE]}}
//! ```

mod geo;

use std::net::IpAddr;

use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

use crate::ranges::Ranges;
use crate::{Caller, ConfigError, Denial, Place, PolicyError, ReasonRef, Verdict};

pub use geo::PlaceRules;
use geo::Rules;

/// The room's name everywhere.
pub const NAME: &str = "ip_filter";

lockgate_wire::reasons! { "ip_filter", Client:
    DENIED = "address-denied", 403,
        "Requests from this address are not taken.",
        "The client's address is on the deny list of the API, or of the `passthrough` that has the name. The operator finds an API's list at the file and line that `lockgate explain` names.";
    NOT_ALLOWED = "address-not-allowed", 403,
        "Requests from this address are not taken.",
        "The API, or the `passthrough` that has the name, takes listed addresses only. The operator adds the address to `ip_filter.allow`; behind another proxy, its network belongs into the listener's `trusted_proxies`.";
    COUNTRY_DENIED = "country-denied", 403,
        "Requests from this country are not taken.",
        "The client's address is, by the database that `geo.countries` names, in a country that `ip_filter.geo.deny_countries` has. `lockgate explain` tells which, and where the rule stands.";
    COUNTRY_NOT_ALLOWED = "country-not-allowed", 403,
        "Requests from this country are not taken.",
        "The client's address is in no country that `ip_filter.geo.allow_countries` has, or in none at all, as private addresses are. The operator adds the country there, or the address to `ip_filter.allow`.";
    NETWORK_DENIED = "network-denied", 403,
        "Requests from this network are not taken.",
        "The client's address belongs, by the database that `geo.networks` names, to an autonomous system that `ip_filter.geo.deny_networks` has. `lockgate explain` tells which, and where the rule stands.";
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
    /// Where they may be; none where that does not count.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub geo: Option<PlaceRules>,
}

/// The compiled policy.
#[derive(Debug, Clone)]
pub struct IpFilter {
    allow: Ranges,
    deny: Ranges,
    geo: Option<Rules>,
}

impl IpFilter {
    /// Compiles the config.
    ///
    /// # Errors
    /// The first entry of each list that is not a network, or not a country.
    pub fn new(config: &Config) -> Result<Self, ConfigError> {
        let list = |name: &'static str, networks: &[String]| {
            Ranges::new(networks).map_err(|(index, message)| {
                ConfigError::new("not-a-network", format!("/{name}/{index}"), message)
            })
        };
        Ok(Self {
            allow: list("allow", &config.allow)?,
            deny: list("deny", &config.deny)?,
            geo: config.geo.as_ref().map(Rules::new).transpose()?,
        })
    }

    /// Whether it wants to know where addresses are.
    #[must_use]
    pub const fn wants_place(&self) -> bool {
        self.geo.is_some()
    }

    /// Judges the client's address. Without a `place`, nothing is known of where it is.
    ///
    /// # Errors
    /// If it depends on what a database tells, and that could not be read.
    pub fn decide(&self, caller: &Caller, place: Option<&Place>) -> Result<Verdict, PolicyError> {
        let refused = self.refuses(caller.address, place)?;
        Ok(refused.map_or_else(Verdict::allow, |reason| Verdict::Deny(Denial::new(reason))))
    }

    /// Why an address is refused, if it is: also for a client that sends no requests.
    ///
    /// # Errors
    /// As [`Self::decide`].
    pub fn refuses(
        &self,
        address: IpAddr,
        place: Option<&Place>,
    ) -> Result<Option<ReasonRef>, PolicyError> {
        if self.deny.contains(address) {
            return Ok(Some(&DENIED));
        }
        if let Some(rules) = &self.geo {
            if let Some(reason) = rules.denies(place)? {
                return Ok(Some(reason));
            }
        }
        if self.allow.contains(address) {
            return Ok(None);
        }
        match &self.geo {
            Some(rules) if rules.are_closed() => rules.allows(place),
            _ if self.allow.is_empty() => Ok(None),
            _ => Ok(Some(&NOT_ALLOWED)),
        }
    }
}

#[cfg(test)]
mod tests;
